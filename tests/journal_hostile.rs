//! Journals and state files that nobody recorded, but somebody made: what they hold is a stranger's, down to the head.

#![cfg(unix)]

use std::fs;

use crc::{CRC_32_ISCSI, Crc};
use folder::Folder;
use honeyguide::Instant;
use honeyguide::dht::journal::{Call, Record};
use program::{Run, Running, honeyguide, honeyguide_with};

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
