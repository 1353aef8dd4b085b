//! Journals and state files that nobody recorded, but somebody made: what they hold is a stranger's, down to the head.

#![cfg(unix)]

use std::fs;

use crc::{CRC_32_ISCSI, Crc};
use eventually::eventually;
use folder::Folder;
use honeyguide::dht::journal::{Call, OutputHash, Record};
use honeyguide::dht::{DirectQuery, LinkConfig, LinkId, Scope};
use honeyguide::krpc::{Decoded, Want, decode};
use honeyguide::{Command, Config, Endpoint, Id, Input, Instant, Node, Output, Storage};
use program::{Run, Running, honeyguide, honeyguide_with};

#[path = "shared/eventually.rs"]
mod eventually;
#[path = "shared/folder.rs"]
mod folder;
#[path = "shared/program.rs"]
mod program;

const VERSION: &str = "5:1.2.3";

/// A journal with this in its head besides, after all that belongs there, and with these records.
fn journal(version: &str, besides: &[u8], records: &[u8]) -> Vec<u8> {
    let seed = [b"32:", &[7; 32][..]].concat();
    let front = b"d5:linksld2:idle4:porti1e2:v6i0eee5:locali1e9:read_onlyi0e8:rng_seed";
    let head = [&front[..], &seed, b"7:versionl", version.as_bytes(), b"e", besides, b"e"].concat();
    let (len, crc) = (head.len() as u32, Crc::<u32>::new(&CRC_32_ISCSI).checksum(&head));
    [b"honeyguide journal 3\n", &len.to_le_bytes()[..], &head, &crc.to_le_bytes(), records].concat()
}

fn record(polls: u32, call: Call<'_>) -> Vec<u8> {
    let mut bytes = [0; Record::MAX_LEN];
    let len = Record { polls, now: Instant::ZERO, call }.encode(&mut bytes).unwrap();
    bytes[..len].to_vec()
}

/// The records of a run in which one node asks another for something, is answered, and is sent all of these by a third.
fn run_of(query: DirectQuery, answer: impl Fn(&[u8]) -> Vec<u8>, strangers: &[Vec<u8>]) -> Vec<u8> {
    let mut link = LinkConfig::V4;
    link.port = 1;
    let config = Config::default().with_links(&[link]).unwrap().local();
    let storage = Storage::allocate(&config);
    let (mut node, mut hash) = (Node::new(config, [7; 32], storage).unwrap(), OutputHash::default());
    let [asked, third] = [2, 3].map(|last| Endpoint::v4([127, 0, 0, last], 6881));
    let (mut records, mut tid, mut buffer) = (Vec::new(), Vec::new(), [0; 1500]);
    let mut make = |call: Call<'_>, tid: &mut Vec<u8>| {
        records.extend_from_slice(&record(0, call));
        call.apply(&mut node, Instant::ZERO).unwrap();
        for polls in 1.. {
            let output = node.poll_output(&mut buffer);
            hash.add(&output);
            if let Output::Transmit { payload, .. } = output
                && let Ok(Decoded::Query(query)) = decode(payload)
            {
                *tid = query.tid.to_vec();
            }
            if let Output::Timeout(_) = output {
                records.extend_from_slice(&record(polls, Call::Mark { hash: hash.finish() }));
                break;
            }
        }
    };
    let command = Command::Query { to: asked, query };
    make(Call::Command { tag: 1, scope: Scope::All, command }, &mut tid);
    let answer = answer(&tid);
    make(Call::Input(Input::Datagram { link: LinkId(0), from: asked, payload: &answer }), &mut tid);
    for payload in strangers {
        make(Call::Input(Input::Datagram { link: LinkId(0), from: third, payload }), &mut tid);
    }
    [records, record(0, Call::End)].concat()
}

/// So many lists in one another.
fn nested(lists: usize) -> Vec<u8> {
    [b"l".repeat(lists), b"e".repeat(lists)].concat()
}

/// Everything that reads a journal.
fn readers(journal: &str, out: &str) -> [Run; 5] {
    [
        honeyguide(&["replay", journal]),
        honeyguide(&["replay", journal, "--explain", "7"]),
        honeyguide(&["replay", journal, "--table", "--json"]),
        honeyguide(&["journal", "scrub", journal, out]),
        honeyguide(&["journal", "shrink", journal, out, "--", "false"]),
    ]
}

/// Rule J20.
#[test]
fn lists_in_lists_are_refused_before_anything_recurses_into_them() {
    let folder = Folder::new();
    let out = folder.file("out");
    let whole = folder.with("whole", journal(VERSION, b"", &record(0, Call::End)));
    honeyguide(&["replay", &whole]).ended(0, &[]);
    // 4,000 levels are as many as a head has room for.
    for lists in [16, 1_000, 1_900] {
        let deep = folder.with("deep", journal(VERSION, &[&b"4:zzzz"[..], &nested(lists)].concat(), b""));
        for run in readers(&deep, &out) {
            run.ended(1, &[&deep, "damaged journal"]);
        }
        let cut = folder.with("cut", journal(VERSION, &[&b"4:zzzz"[..], &b"l".repeat(2 * lists)].concat(), b""));
        honeyguide(&["replay", &cut]).ended(1, &[&cut, "damaged journal"]);
    }
    for lists in [16, 2_000, 500_000] {
        let state = [&b"d8:contactsle3:idsle4:more"[..], &nested(lists), b"5:statei1ee"].concat();
        let state = folder.with("state", state);
        let node = ["node", "--bind", "127.0.0.1:0", "--state", &state, "--timeout", "5"];
        honeyguide(&node).ended(1, &[&state, "damaged", "left as it is"]);
    }
    for text in ["[".repeat(60_000), "{\"k\":".repeat(10_000)] {
        let item = folder.with("item", text);
        honeyguide(&["put", "--item", &item]).ended(2, &[&item, "one JSON object"]);
    }
    let deep = hex::encode([&b"d1:a"[..], &nested(700), b"e"].concat());
    let judged = honeyguide_with(&["inspect"], deep.as_bytes()).ended(0, &[]);
    assert_eq!(judged.objects()[0]["reason"], "too_deep");
    assert!(!fs::exists(&out).unwrap());
}

/// Rules U2 and U12.
#[test]
fn what_a_head_says_of_its_program_stays_on_its_line_and_steers_no_terminal() {
    let folder = Folder::new();
    let steering = "1.0\nhoneyguide: all is well\r\u{1b}[2J\u{202e}\u{200f}\t\u{9b}31m\0";
    let version = format!("{}:{steering}", steering.len());
    // A hash that is none of this node's.
    let untrue = [record(0, Call::Mark { hash: 1 }), record(0, Call::End)].concat();
    let name = folder.with("named\n\u{202e}\u{1b}[2J", journal(&version, b"", &untrue));
    for run in readers(&name, &folder.file("out")) {
        let odd = |c: char| c.is_control() && c != '\n' || "\u{202e}\u{200f}".contains(c);
        assert!(!run.err.chars().any(odd) && !run.out.chars().any(odd), "{run:?}");
        let is_ours = |line: &str| line.starts_with("honeyguide: ") && !line.starts_with("honeyguide: all is well");
        assert!(run.err.lines().all(is_ours), "{run:?}");
    }
    let endless = folder.with("endless", journal(&format!("3000:{}", "9".repeat(3000)), b"", &untrue));
    let told = honeyguide(&["replay", &endless]).ended(1, &["honeyguide 999", "9 recorded it"]);
    assert!(told.err.len() < 1000, "{told:?}");
    honeyguide(&["replay", &name]).ended(1, &["honeyguide 1.0\\u{a}honeyguide: all is well\\u{d}\\u{1b}[2J\\u{202e}"]);
}

/// Rules J7 and J21.
#[test]
fn whoever_reads_a_journal_refuses_what_a_replay_refuses() {
    let folder = Folder::new();
    let out = folder.file("out");
    let end = record(0, Call::End);
    let polls = |polls| record(polls, Call::Mark { hash: 0 });
    for (records, why) in [
        ([polls(1 << 20), end.clone()].concat(), "more polls"),
        (record(u32::MAX, Call::End), "more polls"),
        ([end.clone(), end.clone()].concat(), "something follows"),
        ([end.clone(), b"x".to_vec()].concat(), "something follows"),
        ([&[0; 64][..], &end].concat(), "not what was written"),
    ] {
        let made = folder.with("made", journal(VERSION, b"", &records));
        for run in readers(&made, &out) {
            let lines = run.err.lines().count();
            assert!(run.ended(1, &[&made, "is true up to byte", why]).err.len() < 1000 && lines == 1, "{why}");
        }
        assert!(!fs::exists(&out).unwrap(), "{why}");
    }
    // Of what was cut there is something to be had, and it is said that there was more.
    let cut = folder.with("cut", journal(VERSION, b"", &end[..end.len() - 1]));
    honeyguide(&["journal", "scrub", &cut, &out]).ended(0, &["left out"]);
    fs::remove_file(&out).unwrap();
    // Each run of a shrinking is made anew, so that another output is no hindrance.
    let timeout = || record(0, Call::Input(Input::Timeout));
    let other = [timeout(), record(0, Call::Mark { hash: 1 }), timeout(), end.clone()].concat();
    for (records, calls) in [(other.clone(), 2), (other[..other.len() - end.len() - 1].to_vec(), 1)] {
        let made = folder.with("other", journal(VERSION, b"", &records));
        let shrink = ["journal", "shrink", &made, &out, "--json", "--", "false"];
        let shrunk = honeyguide(&shrink).ended(0, &["is true up to byte", "shrunk all the same"]).objects().remove(0);
        assert_eq!((&shrunk["of"], &shrunk["calls"]), (&calls.into(), &0.into()), "{shrunk}");
        fs::remove_file(&out).unwrap();
    }
}

/// Rules J6 and J22.
#[test]
fn a_journal_of_an_earlier_run_is_kept_and_told_from_other_files() {
    let folder = Folder::new();
    let path = folder.file("journal");
    let again = ["node", "--bind", "127.0.0.1:0", "--journal", &path, "--timeout", "5"];
    let mut node = Running::start(&["node", "--bind", "127.0.0.1:0", "--journal", &path]);
    node.line_with("link 0");
    let begun = fs::read(&path).unwrap();
    honeyguide(&again).ended(1, &[&path, "that still runs", "left as it is", "name a new file"]);
    node.end_by("KILL");
    let killed = fs::read(&path).unwrap();
    assert!(killed.starts_with(&begun));
    honeyguide(&again).ended(1, &[&path, "journal of an earlier run", "left as it is", "name a new file", "replay"]);
    assert_eq!(fs::read(&path).unwrap(), killed);
    for other in [&b"mine"[..], b"", b"honeyguide journal"] {
        fs::write(&path, other).unwrap();
        let run = honeyguide(&again).ended(1, &[&path, "exists and was left as it is"]);
        assert!(!run.err.contains("run"), "{run:?}");
    }
}

/// Rules J10 and U2.
#[test]
fn explain_takes_no_file_for_a_tag() {
    let folder = Folder::new();
    let file = folder.with("run.journal", journal(VERSION, b"", &record(0, Call::End)));
    for args in [
        &["replay", "--explain", &file][..],
        &["replay", &file, "--explain"],
        &["replay", "--explain", "--table", &file],
        &["replay", "--explain", &file, "--until", "5"],
        &["--json", "replay", "--table", "--explain", &file],
    ] {
        let run = honeyguide(args).ended(0, &[]);
        assert!(run.out.contains("hash"), "{args:?} {run:?}");
    }
    for args in [&["replay", "--explain", "7", &file][..], &["replay", &file, "--explain=7"]] {
        honeyguide(args).ended(1, &[&file, "no operation with the tag 7"]);
    }
    // It is never guessed which of two is which.
    honeyguide(&["replay", "--explain", &file, "7"]).ended(2, &[&file, &format!("write `replay {file} --explain 7`")]);
    honeyguide(&["replay", &file, "--explain", "x"])
        .ended(2, &["'x'", &format!("write `replay {file} --explain TAG`")]);
    honeyguide(&["replay", "--explain"]).ended(2, &["<FILE>", "replay FILE --explain"]);
    honeyguide(&["replay", "--explain", "7"]).ended(2, &["7", "<FILE>", "replay FILE --explain 7"]);
    honeyguide(&["replay"]).ended(2, &["<FILE>"]);
}

/// Rule J11. What is written by strangers into every place of a message but those that the protocol has for it.
#[test]
fn nothing_that_strangers_wrote_beside_the_protocol_is_handed_on() {
    const ID: &str = "2:id20:abcdefghij0123456789";
    let folder = Folder::new();
    let query = |method: &str, arguments: &str, rest: &str| {
        let tid = "9:SECRETtid";
        format!("d1:ad{ID}{arguments}e1:q{}:{method}{rest}1:t{tid}1:y1:qe", method.len()).into_bytes()
    };
    let text = |len| "SECRET".chars().cycle().take(len).collect::<String>();
    let hash = format!("9:info_hash20:{}", "h".repeat(20));
    let (k, sig) = (text(32), text(64));
    let strangers = [
        query("ping", &format!("1:v6:SECRET6:target20:{}4:saltd6:SECRETi7777ee", text(20)), "1:v6:SECRET2:roi7777e"),
        query("ping", "6:scrapei7777e3:seqi7777e", "1:rd1:v6:SECRETe1:eli7777e6:SECRETe"),
        query("SECRET", &format!("6:target20:{}4:wantl6:SECRETi7777ee", "t".repeat(20)), "1:v1:S"),
        query("get_peers", &format!("{hash}6:noseedi7777e6:scrapei7777e"), "1:v0:"),
        query("announce_peer", &format!("{hash}4:porti7777777e4:seedi7777e5:token6:SECRET"), ""),
        query("announce_peer", &format!("12:implied_porti7777e{hash}4:porti7777777e5:token6:SECRET"), ""),
        query("announce_peer", &format!("{hash}4:porti0007777e5:token6:SECRET"), ""),
        query("put", &format!("1:k32:{k}4:salt84:{}3:seqi7777e3:sig64:{sig}5:token1:t1:v2:hi", text(84)), ""),
        query("put", "3:casi7777e5:token1:t1:vd6:SECRETi7777e2:aa6:SECRETe", ""),
        query("put", &format!("1:k31:{}3:seqi7777e3:sig1:s5:token1:t1:v6:SECRET", text(31)), ""),
        format!("d2:ip6:SECRET1:rd{ID}7:samples40:{}1:v6:SECRETe1:t6:SECRET1:y1:re", text(40)).into_bytes(),
        b"d1:eli7777e6:SECRETe1:t6:SECRET1:v4:SECR1:y1:ee".to_vec(),
        b"d1:rd2:id6:SECRETe1:t6:SECRET1:y1:re".to_vec(),
        b"SECRET".to_vec(),
    ];
    let target = Id([b't'; 20]);
    let find_node = DirectQuery::FindNode { target, want: Want::default() };
    for (query, asked_for) in [(DirectQuery::Ping, ""), (find_node, "5:nodes0:"), (DirectQuery::Sample { target }, "")]
    {
        let answer = |tid: &[u8]| {
            let body = format!("8:intervali7777e3:numi7777e{asked_for}7:samples25:{}3:seqi7777e", text(25));
            let front =
                format!("d2:ip5:SECRE1:rd{ID}{body}5:token6:SECRET1:vd6:SECRETi7777ee6:valuesl7:SECRET!ee1:t4:");
            [front.as_bytes(), tid, b"1:v9:SECRET777"].concat().into_iter().chain(*b"1:y1:re").collect()
        };
        let made = folder.with("made", journal(VERSION, b"", &run_of(query, answer, &strangers)));
        let clean = folder.file("clean");
        honeyguide(&["replay", &made]).ended(0, &[]);
        let counts = honeyguide(&["journal", "scrub", &made, &clean, "--json"]).ended(0, &[]).objects().remove(0);
        assert_eq!((&counts["differ"], &counts["emptied"]), (&0.into(), &1.into()), "{counts}");
        let shown = fs::read(&clean).unwrap().escape_ascii().to_string();
        for secret in ["SECR", "RETS", "7777", "ECRE"] {
            assert!(!shown.contains(secret), "{secret} {query:?} {shown}");
        }
        honeyguide(&["replay", &clean]).ended(0, &[]);
        fs::remove_file(&clean).unwrap();
    }
}

/// Rules U5 and U14.
#[test]
fn a_signal_leaves_a_scrubbed_journal_whole_or_none() {
    let folder = Folder::new();
    // A query whose text is kept as long as it is, so often that it takes a while to write them all.
    let query = [&b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:x1300:"[..], &[b'x'; 1300], b"1:y1:qe"].concat();
    let from = Endpoint::v4([127, 0, 0, 2], 6881);
    let one = record(0, Call::Input(Input::Datagram { link: LinkId(0), from, payload: &query }));
    let long = folder.with("long", journal(VERSION, b"", &[one.repeat(6_000), record(0, Call::End)].concat()));
    for signal in ["INT", "TERM", "HUP"] {
        let out = folder.file(signal);
        let running = Running::start(&["journal", "scrub", &long, &out]);
        // It writes, under a name that is not the last one yet; or it is done already, on a machine that is busy.
        eventually(|| folder.names().iter().any(|name| name.starts_with(".honeyguide-")) || fs::exists(&out).unwrap());
        let run = running.end_by(signal);
        assert!(folder.names().iter().all(|name| !name.starts_with(".honeyguide-")), "{:?} {run:?}", folder.names());
        assert_eq!(fs::exists(&out).unwrap(), run.code == Some(0), "{run:?}");
    }
}
