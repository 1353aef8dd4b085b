//! Journals, state files and keys of the program: what they are worth after a run that ended badly, and what is done
//! with them then.

#![cfg(unix)]

use std::fs;
use std::net::UdpSocket;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use eventually::{PATIENCE, eventually};
use folder::Folder;
use honeyguide::base::Rng;
use program::{PROGRAM, Run, Running, honeyguide, run_as};

#[path = "shared/eventually.rs"]
mod eventually;
#[path = "shared/folder.rs"]
mod folder;
#[path = "shared/program.rs"]
mod program;

/// Within so long every wait ends after a signal; the rest is for a machine that does other things besides.
const PROMPT: Duration = Duration::from_millis(100 + 900);

/// What strangers may write where a node reads nothing of it.
const ODD: [&[u8]; 2] = [
    b"d1:ad2:id20:abcdefghij01234567894:name6:SECRETe1:q4:ping1:t9:SECRETtid1:y1:qe",
    b"d1:eli201e6:SECRETe1:t4:ABCD1:y1:ee",
];

/// A test network, and a node of it whose run is recorded until a put, a get and an announce were answered by it.
struct Recorded {
    folder: Folder,
    journal: String,
    /// Of the recorded node.
    addr: String,
    run: Run,
}

impl Recorded {
    fn until(signal: &str) -> Recorded {
        let mut network = Running::start(&["testnet", "--nodes", "8"]);
        let bootstrap = network.line_with("bootstrap").split_whitespace().nth(1).unwrap().to_string();
        let folder = Folder::new();
        let (journal, state) = (folder.file("journal"), folder.file("state"));
        let args = ["--bind", "127.0.0.1:0", "--bootstrap", &bootstrap, "--journal", &journal, "--state", &state];
        let mut node = Running::start(&[&["node"], &args[..]].concat());
        let addr = node.line_with("link 0").split_whitespace().nth(2).unwrap().to_string();
        node.line_with("joined");
        let client = |args: &[&str]| honeyguide(&[args, &["--bootstrap", &addr]].concat()).ended(0, &[]);
        client(&["put", "hello"]);
        client(&["announce", &"42".repeat(20), "--port", "4321"]);
        client(&["peers", &"42".repeat(20)]);
        let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
        // The first one is answered, and comes after the other.
        for odd in ODD.iter().rev() {
            stranger.send_to(odd, &addr).unwrap();
        }
        stranger.set_read_timeout(Some(PATIENCE)).unwrap();
        stranger.recv_from(&mut [0; 1500]).unwrap();
        // The first records are written after a moment: whoever kills it before has a journal of nothing.
        let marks = || honeyguide(&["replay", &journal, "--json"]).done().objects()[0]["marks"].as_u64();
        eventually(|| marks() > Some(0));
        let run = node.end_by(signal);
        Recorded { folder, journal, addr, run }
    }

    fn replay(&self, args: &[&str]) -> Run {
        honeyguide(&[&["replay", &self.journal], args].concat())
    }
}

/// The hash of a replay that ended well.
fn hash(run: &Run) -> &str {
    run.out.lines().last().unwrap().strip_prefix("hash ").unwrap()
}

/// Rule J16.
#[test]
fn every_end_but_a_kill_is_one_in_order() {
    for signal in ["INT", "TERM", "HUP"] {
        let recorded = Recorded::until(signal);
        assert_eq!(recorded.run.code, Some(0), "{signal}: {:?}", recorded.run);
        let replayed = recorded.replay(&["--json"]).ended(0, &[]).objects().remove(0);
        assert_eq!((&replayed["end"], &replayed["hash"]), (&"end".into(), &hash(&recorded.run).into()), "{signal}");
        assert!(replayed["marks"].as_u64() > Some(0) && replayed["calls"].as_u64() > Some(10), "{replayed}");
    }
}

/// Rules J1 and J4.
#[test]
fn the_journal_of_a_node_that_was_killed_is_true_as_far_as_it_goes() {
    let recorded = Recorded::until("KILL");
    assert_eq!(recorded.run.code, None);
    let whole = recorded.replay(&["--json"]).ended(0, &["has no end", &recorded.journal]).objects().remove(0);
    assert_eq!(whole["end"], "cut");
    assert!(whole["marks"].as_u64() > Some(0), "{whole}");
    // Drawn over the whole file: a linear congruence visits every part of it.
    let bytes = fs::read(&recorded.journal).unwrap();
    let (cut, mut at) = (recorded.folder.file("cut"), 0);
    for _ in 0..200 {
        at = (at + bytes.len() * 1_000_003 / 1_618_034 + 1) % bytes.len();
        fs::write(&cut, &bytes[..at]).unwrap();
        let run = honeyguide(&["replay", &cut, "--json"]);
        match run.code {
            Some(0) => {
                let far = run.objects().remove(0);
                assert!(far["calls"].as_u64() <= whole["calls"].as_u64() && run.err.contains("up to there it is true"));
            }
            code => assert!(code == Some(1) && at < 300, "the head is cut, not the records: {at} {run:?}"),
        }
    }
}

/// Rule J2.
#[test]
fn a_changed_bit_never_replays_with_success() {
    let recorded = Recorded::until("INT");
    let bytes = fs::read(&recorded.journal).unwrap();
    let (changed, mut at) = (recorded.folder.file("changed"), 0);
    for round in 0..100 {
        at = (at + bytes.len() * 1_000_003 / 1_618_034 + 1) % bytes.len();
        let mut changed_bytes = bytes.clone();
        changed_bytes[at] ^= 1 << (round % 8);
        fs::write(&changed, changed_bytes).unwrap();
        let run = honeyguide(&["replay", &changed]).ended(1, &[&changed]);
        assert!(run.out.is_empty() && run.err.lines().count() == 1, "byte {at}: {run:?}");
    }
}

/// Rule J10.
#[test]
fn a_replay_explains_the_operations_and_stops_when_it_is_told() {
    let recorded = Recorded::until("INT");
    let listed = recorded.replay(&["--explain", "--json"]).ended(0, &[]).objects();
    let bootstrap = &listed[0];
    assert_eq!(bootstrap["kind"], "bootstrap");
    assert_eq!(bootstrap["outcome"]["reason"], "converged");
    let (start, end) = (bootstrap["start"].as_f64().unwrap(), bootstrap["end"].as_f64().unwrap());
    assert!(0.0 <= start && start < end, "{bootstrap}");
    let tag = bootstrap["tag"].as_u64().unwrap().to_string();
    let told = recorded.replay(&["--explain", &tag, "--json"]).ended(0, &[]).objects();
    let events = |kind: &str| told.iter().filter(|moment| moment["event"] == kind).count() as u64;
    assert_eq!(Some(events("query")), bootstrap["outcome"]["queried"].as_u64(), "{told:?}");
    assert_eq!(Some(events("answer")), bootstrap["outcome"]["answered"].as_u64(), "{told:?}");
    recorded.replay(&["--explain", "999999"]).ended(1, &["999999", "--explain lists"]);

    let table = recorded.replay(&["--table"]).ended(0, &[]).out;
    assert!(table.lines().filter(|line| line.starts_with("link 0 ")).count() >= 8, "{table}");
    let early = recorded.replay(&["--until", "0", "--table", "--json"]).ended(0, &[]).objects();
    assert_eq!((early.len(), &early[0]["end"]), (1, &"until".into()), "nobody is known at the start");
    let late = recorded.replay(&["--until", "1e9", "--json"]).ended(0, &[]).objects();
    assert_eq!((&late[0]["end"], &late[0]["hash"]), (&"end".into(), &hash(&recorded.run).into()));
}

/// Rule J11.
#[test]
fn a_scrubbed_journal_has_no_secrets_and_no_addresses_and_does_the_same() {
    let recorded = Recorded::until("INT");
    let clean = recorded.folder.file("clean");
    let scrub = ["journal", "scrub", &recorded.journal, &clean, "--json", "--seed", "1"];
    let counts = honeyguide(&scrub).ended(0, &["stay as they are"]).objects().remove(0);
    assert_eq!((&counts["differ"], &counts["emptied"]), (&0.into(), &0.into()), "{counts}");
    let (before, after) = (fs::read(&recorded.journal).unwrap(), fs::read(&clean).unwrap());
    let seed_at = before.windows(11).position(|part| part == b"8:rng_seed3").unwrap() + 13;
    let has = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).any(|these| these == part);
    assert!(!has(&after, &before[seed_at + 16..seed_at + 32]), "what its tokens follow from");
    assert!(has(&before, b"SECRET") && !has(&after, b"SECRET"));
    let loopback = [127, 0, 0, 1];
    assert!(has(&before, &loopback) && !has(&after, &loopback));

    let operations = |journal: &str| {
        let mut listed = honeyguide(&["replay", journal, "--explain", "--json"]).ended(0, &[]).objects();
        listed.pop();
        listed.iter().for_each(|told| assert_eq!(told["outcome"]["reason"], "converged"));
        listed
            .into_iter()
            .map(|told| (told["start"].clone(), told["end"].clone(), told["outcome"].clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(operations(&recorded.journal), operations(&clean));
    let marks = |journal: &str| {
        let told = honeyguide(&["replay", journal, "--json"]).ended(0, &[]).objects().remove(0);
        (told["calls"].clone(), told["marks"].clone())
    };
    assert_eq!(marks(&recorded.journal), marks(&clean));
    honeyguide(&scrub).ended(1, &[&clean, "left as it is"]);
    let (_, port) = recorded.addr.rsplit_once(':').unwrap();
    let port = format!("4:porti{port}e");
    assert!(has(&before, port.as_bytes()) && !has(&after, port.as_bytes()), "its own port tells the others");
    // A number that can be tried leads nowhere.
    let mut tried = [0; 32];
    tried[0] = 1;
    let guess: [u8; 16] = Rng::from_seed(tried).bytes();
    assert!(!has(&after, &guess));
}

/// Rules J11 and J16.
#[test]
fn a_journal_that_comes_through_a_pipe_is_read_once() {
    let folder = Folder::new();
    let (journal, pipe) = (folder.file("journal"), folder.pipe("pipe"));
    let mut node = Running::start(&["node", "--bind", "127.0.0.1:0", "--journal", &journal]);
    node.line_with("link 0");
    node.end_by("INT").ended(0, &[]);
    let bytes = fs::read(&journal).unwrap();
    // Whoever opens it twice loses what was written in between, now and then.
    for _ in 0..30 {
        let clean = folder.file("clean");
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| fs::write(&pipe, &bytes));
            honeyguide(&["journal", "scrub", &pipe, &clean, "--timeout", "20"]).ended(0, &[]);
            writer.join().unwrap().unwrap();
        });
        honeyguide(&["replay", &clean]).ended(0, &[]);
        fs::remove_file(&clean).unwrap();
    }
    // The same through a pipe that has no name.
    let script = format!("cat '{journal}' | '{PROGRAM}' journal scrub /dev/stdin '{}'", folder.file("again"));
    run_as(Command::new("sh").args(["-c", &script]), b"").ended(0, &[]);
    honeyguide(&["replay", &folder.file("again")]).ended(0, &[]);
}

/// Rules J6 and J11.
#[test]
fn a_journal_that_is_still_written_is_not_handed_on() {
    let folder = Folder::new();
    let journal = folder.file("journal");
    let mut node = Running::start(&["node", "--bind", "127.0.0.1:0", "--journal", &journal]);
    node.line_with("link 0");
    let clean = folder.file("clean");
    honeyguide(&["journal", "scrub", &journal, &clean]).ended(1, &[&journal, "still being written"]);
    // Read it can be all the while.
    honeyguide(&["replay", &journal]).ended(0, &["has no end"]);
    node.end_by("KILL");
    honeyguide(&["journal", "scrub", &journal, &clean]).ended(0, &["what follows is left out"]);
    honeyguide(&["replay", &clean]).ended(0, &["has no end"]);
}

/// Rule J12.
#[test]
fn a_journal_shrinks_to_the_calls_that_a_check_needs() {
    let recorded = Recorded::until("INT");
    let short = recorded.folder.file("short");
    // It fails as long as there is a bootstrap.
    let check = r#"! "$0" replay "$1" --explain | grep -q bootstrap"#;
    let shrink = ["journal", "shrink", &recorded.journal, &short, "--json", "--", "sh", "-c", check, PROGRAM];
    let left = honeyguide(&shrink).ended(0, &["left: "]).objects().remove(0);
    assert_eq!((&left["calls"], &left["complete"]), (&1.into(), &true.into()), "{left}");
    let listed = honeyguide(&["replay", &short, "--explain"]).ended(0, &[]).out;
    assert!(listed.lines().count() == 2 && listed.contains("bootstrap"), "{listed}");
    honeyguide(&shrink).ended(1, &[&short, "left as it is"]);

    let other = recorded.folder.file("other");
    let shrink =
        |check: &[&str]| honeyguide(&[&["journal", "shrink", &recorded.journal, &other, "--"], check].concat());
    shrink(&["true"]).ended(1, &["does not fail"]);
    shrink(&["/nonexistent/check"]).ended(1, &["/nonexistent/check", "cannot be started"]);
    assert!(!fs::exists(&other).unwrap());
    honeyguide(&["journal", "shrink", &recorded.journal, &other]).ended(2, &["CHECK"]);
}

/// Rule J12.
#[test]
fn a_shrinking_that_is_interrupted_keeps_the_best_so_far() {
    let recorded = Recorded::until("INT");
    let (short, seen) = (recorded.folder.file("short"), recorded.folder.file("seen"));
    // The first check fails, and the second one hangs.
    let check = r#"if [ -e "$0" ]; then sleep 600; else : > "$0"; exit 1; fi"#;
    let args = ["journal", "shrink", &recorded.journal, &short, "--", "sh", "-c", check, &seen];
    let running = Running::piped(Command::new(PROGRAM).args(args));
    eventually(|| fs::metadata(&short).is_ok_and(|file| file.len() > 0));
    let begin = Instant::now();
    running.end_by("TERM").ended(1, &["interrupted", "is in", &short]);
    assert!(begin.elapsed() < PROMPT, "{:?}", begin.elapsed());
    honeyguide(&["replay", &short]).ended(0, &[]);
    assert!(recorded.folder.names().iter().all(|name| !name.starts_with(".honeyguide")), "nothing is left beside it");
}

/// Rules J3 and J12: what is left is of this program, whatever recorded it, and is read like any other.
#[test]
fn a_journal_of_an_earlier_format_shrinks_to_one_of_this_format() {
    let folder = Folder::new();
    let (old, short) = ("tests/journals/format-2.journal", folder.file("short"));
    let check = r#"! "$0" replay "$1" --explain | grep -q bootstrap"#;
    let shrink = ["journal", "shrink", old, &short, "--json", "--", "sh", "-c", check, PROGRAM];
    let left = honeyguide(&shrink).ended(0, &[]).objects().remove(0);
    assert_eq!(left["calls"], 1, "{left}");
    for reader in [&["replay", &short][..], &["journal", "scrub", &short, &folder.file("scrubbed")]] {
        honeyguide(reader).ended(0, &[]);
    }
    // A program that reads it finds no fault with it: there is nothing to be found.
    let other = folder.file("other");
    honeyguide(&["journal", "shrink", old, &other, "--", PROGRAM, "replay"]).ended(1, &["does not fail"]);
    // It fails without any call, too, and that is the shortest run.
    let left = honeyguide(&["journal", "shrink", old, &other, "--json", "--", "false"]).ended(0, &[]).objects();
    assert_eq!((&left[0]["calls"], &left[0]["complete"]), (&0.into(), &true.into()), "{left:?}");
}

/// Rule J1: the place that is named is one of the file. Records of format 2 have no frames in it.
#[test]
fn a_place_in_a_journal_is_one_of_its_file() {
    let folder = Folder::new();
    let old = fs::read("tests/journals/format-2.journal").unwrap();
    let told = |name: &str| honeyguide(&["replay", name]).err.split_once("after byte ").unwrap().1.to_string();
    // Its last record, the end, has six bytes.
    let cut = &old[..old.len() - 6];
    assert!(told(&folder.with("old", cut)).starts_with(&format!("{};", cut.len())));
    // One of this format, cut within its last record.
    let recorded = Recorded::until("INT");
    let new = fs::read(&recorded.journal).unwrap();
    let cut = told(&folder.with("cut", &new[..new.len() - 1]));
    assert!(cut.split_once(';').unwrap().0.parse::<usize>().unwrap() < new.len(), "{cut}");
}

/// Rules J12 and U5: what a check has started ends with it.
#[cfg(unix)]
#[test]
fn a_shrinking_that_is_interrupted_leaves_nothing_of_its_check() {
    use std::os::unix::ffi::OsStrExt;
    let recorded = Recorded::until("INT");
    let pid = recorded.folder.file("pid");
    // A name that is no text is one like any other.
    let odd = std::path::Path::new(&recorded.folder.file("odd")).with_extension(std::ffi::OsStr::from_bytes(b"\xff"));
    fs::create_dir(&odd).unwrap();
    let check = r#"sleep 600 & echo $! > "$0.new"; mv "$0.new" "$0"; wait"#;
    let mut command = Command::new(PROGRAM);
    command.args(["journal", "shrink", &recorded.journal]).arg(odd.join("short")).args(["--", "sh", "-c", check, &pid]);
    let running = Running::piped(&mut command);
    eventually(|| fs::exists(&pid).unwrap());
    running.end_by("TERM").ended(1, &["interrupted"]);
    let started = fs::read_to_string(&pid).unwrap();
    let stat = format!("/proc/{}/stat", started.trim());
    // Whoever takes it over may not have heard of its end yet.
    eventually(|| fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z ")));
}

/// Rule J13.
#[test]
fn two_nodes_never_run_on_one_state_file() {
    let folder = Folder::new();
    let (state, link) = (folder.file("state"), folder.file("link"));
    std::os::unix::fs::symlink("state", &link).unwrap();
    let mut first = Running::start(&["node", "--bind", "127.0.0.1:0", "--state", &state]);
    first.line_with("link 0");
    for path in [&state, &link] {
        let second = ["node", "--bind", "127.0.0.1:0", "--state", path, "--timeout", "5"];
        honeyguide(&second).ended(1, &[path, "in use by another node"]);
    }
    // What the first one leaves when it is killed is free at once.
    first.end_by("KILL");
    let mut third = Running::start(&["node", "--bind", "127.0.0.1:0", "--state", &link]);
    third.line_with("link 0");
    third.end_by("INT").ended(0, &[]);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
}

/// Rule T35.
#[test]
fn a_node_on_a_copy_of_a_state_file_takes_an_id_of_its_own_and_says_why() {
    let folder = Folder::new();
    let (state, copy) = (folder.file("state"), folder.file("copy"));
    let mut first = Running::start(&["node", "--bind", "127.0.0.1:0", "--state", &state]);
    let line = first.line_with("link 0");
    let [_, _, addr, _, old] = line.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{line}") };
    eventually(|| fs::metadata(&state).is_ok_and(|file| file.len() > 50));
    fs::copy(&state, &copy).unwrap();
    let mut second = Running::start(&["node", "--bind", "127.0.0.1:0", "--state", &copy, "--bootstrap", addr]);
    assert!(second.line_with("link 0").ends_with(old), "it begins with the same");
    let told = second.line_with("new id");
    let new = told.split_once("new id ").unwrap().1.split(':').next().unwrap();
    assert!(new != old && told.contains("another node has the old one"), "{told}");
    second.line_with("joined");
    second.end_by("INT").ended(0, &[]);
    first.end_by("INT").ended(0, &[]);
    let mut again = Running::start(&["node", "--bind", "127.0.0.1:0", "--state", &copy]);
    assert!(again.line_with("link 0").ends_with(new), "which it keeps");
    again.end_by("INT").ended(0, &[]);
}

/// Rules J6 and J13.
#[test]
fn nothing_of_the_users_is_replaced() {
    let folder = Folder::new();
    let (state, beside) = (folder.file("state"), folder.file("state.new"));
    fs::write(&beside, "mine").unwrap();
    let mut node = Running::start(&["node", "--bind", "127.0.0.1:0", "--state", &state]);
    node.line_with("link 0");
    // It is saved at once, and then again at the end.
    eventually(|| fs::metadata(&state).is_ok_and(|file| file.len() > 50));
    fs::write(folder.file("other"), "mine, too").unwrap();
    fs::rename(folder.file("other"), &state).unwrap();
    node.end_by("INT").ended(1, &[&state, "left as it is"]);
    assert_eq!((fs::read(&beside).unwrap(), fs::read(&state).unwrap()), (b"mine".to_vec(), b"mine, too".to_vec()));
    // An existing file is never a journal, whatever its mode.
    honeyguide(&["node", "--bind", "127.0.0.1:0", "--journal", &beside]).ended(1, &[&beside, "left as it is"]);
}

/// Rules J5 and J6. It has run, and that is recorded.
#[cfg(target_os = "linux")]
#[test]
fn a_node_whose_results_cannot_be_written_leaves_a_whole_journal() {
    let folder = Folder::new();
    let journal = folder.file("journal");
    let node = ["node", "--bind", "127.0.0.1:0", "--timeout", "10", "--journal", &journal];
    let mut full = Command::new("sh");
    full.args(["-c", "exec \"$0\" \"$@\" > /dev/full", PROGRAM]).args(node);
    run_as(&mut full, b"").ended(1, &["standard output"]);
    assert!(!honeyguide(&["replay", &journal]).done().err.contains("has no end"));
    // What was there before is nobody else's to remove.
    run_as(&mut full, b"").ended(1, &["an earlier run"]);
    honeyguide(&["replay", &journal]).done();
}

/// Rule J5.
#[test]
fn a_journal_that_somebody_removes_or_empties_is_a_failure_at_the_end() {
    let folder = Folder::new();
    let (journal, other) = (folder.file("journal"), folder.file("other"));
    let meddle: [&dyn Fn(); 3] =
        [&|| fs::remove_file(&journal).unwrap(), &|| fs::rename(&journal, &other).unwrap(), &|| {
            fs::OpenOptions::new().write(true).open(&journal).unwrap().set_len(0).unwrap()
        }];
    for meddle in meddle {
        let mut node = Running::start(&["node", "--bind", "127.0.0.1:0", "--journal", &journal]);
        // It has begun.
        node.word_with("waits for others");
        meddle();
        node.end_by("INT").ended(1, &[&journal, "removed, replaced or emptied"]);
        let _ = fs::remove_file(&journal);
    }
}

/// Rule J14.
#[test]
fn a_state_file_that_no_node_wrote_is_refused_with_the_reason() {
    let folder = Folder::new();
    let state = folder.file("state");
    let (zeros, id) = ("\0".repeat(20), "abcdefghij0123456789");
    for (text, why) in [
        (format!("d8:contactsle3:idsl20:{zeros}e5:statei1ee"), "all zeros"),
        ("d8:contactsle3:idsl3:abce5:statei1ee".into(), "damaged"),
        (format!("d8:contactsld2:id20:{id}2:ip4:12344:linki1e4:porti5eee3:idsl20:{id}e5:statei1ee"), "is of link 1"),
        ("x".repeat((16 << 20) + 1), "so large"),
    ] {
        fs::write(&state, &text).unwrap();
        honeyguide(&["node", "--state", &state, "--timeout", "5"]).ended(1, &[&state, why, "left as it is"]);
        assert_eq!(fs::read_to_string(&state).unwrap(), text);
    }
}

/// Rule J15.
#[test]
fn a_guessable_key_is_made_only_when_it_is_asked_for() {
    let folder = Folder::new();
    let (key, other) = (folder.file("key"), folder.file("other"));
    honeyguide(&["keygen", &key, "--seed", "7"]).ended(2, &["--seed", "--insecure"]);
    honeyguide(&["keygen", &key, "--insecure"]).ended(2, &["--insecure", "--seed"]);
    assert!(folder.names().is_empty());
    let made = honeyguide(&["keygen", &key, "--seed", "7", "--insecure"]).ended(0, &[]);
    assert_eq!(honeyguide(&["keygen", &other, "--seed", "7", "--insecure"]).ended(0, &[]).out, made.out);
}

/// Rule J15.
#[test]
fn the_public_key_of_a_secret_is_told_and_not_taken_for_one() {
    let folder = Folder::new();
    let key = folder.file("key");
    let made = honeyguide(&["keygen", &key]).ended(0, &[]);
    assert_eq!(honeyguide(&["pubkey", &key]).ended(0, &[]).out, made.out);
    let told = honeyguide(&["pubkey", &key, "--json"]).ended(0, &[]);
    assert_eq!(told.objects()[0]["public_key"], made.out.trim());
    let public = folder.file("public");
    for text in [told.out.as_str(), "ssh-ed25519 AAAA", "npub1xyz", "-----BEGIN PUBLIC KEY-----"] {
        fs::write(&public, text).unwrap();
        honeyguide(&["pubkey", &public]).ended(1, &[&public, "holds a public key"]);
        honeyguide(&["put", "x", "--secret", &public]).ended(1, &[&public, "holds a public key"]);
    }
    fs::write(&public, "secret").unwrap();
    let run = honeyguide(&["pubkey", &public]).ended(1, &["64 hex digits"]);
    assert!(!run.err.contains(": secret"), "{run:?}");
    honeyguide(&["pubkey", &folder.file("none")]).ended(1, &["none"]);
}

/// Rule J16.
#[test]
fn no_kind_of_file_makes_the_program_deaf_to_signals() {
    let folder = Folder::new();
    let pipe = folder.pipe("pipe");
    let (out, here) = (folder.file("out"), folder.path().to_str().unwrap().to_string());
    for command in [
        &["replay", &pipe][..],
        &["pubkey", &pipe],
        &["put", "x", "--secret", &pipe],
        &["journal", "scrub", &pipe, &out],
    ] {
        for signal in ["INT", "TERM", "HUP"] {
            let running = Running::start(command);
            // It sleeps in its wait as soon as it has opened the pipe, which nobody else does.
            eventually(|| waits(running.child.id()));
            let begin = Instant::now();
            running.end_by(signal).ended(1, &["interrupted"]);
            assert!(begin.elapsed() < PROMPT, "{command:?} {signal}: {:?}", begin.elapsed());
        }
    }
    // These do not wait at all.
    for path in [&pipe, &here, "/dev/zero"] {
        for args in [&["node", "--state", path][..], &["node", "--journal", path], &["keygen", path]] {
            honeyguide(&[args, &["--bind", "127.0.0.1:0"][..if args[0] == "node" { 2 } else { 0 }]].concat())
                .ended(1, &[path]);
        }
    }
    honeyguide(&["replay", "/dev/zero"]).ended(1, &["/dev/zero", "not a journal"]);
    honeyguide(&["replay", &here]).ended(1, &[&here]);
}

/// Whether a program has installed what it needs for signals and one of its threads waits for the other end of a pipe.
fn waits(process: u32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else { return true };
    threads.flatten().any(|thread| {
        let of = fs::read_to_string(thread.path().join("wchan")).unwrap_or_default();
        of.contains("fifo") || of.contains("wait_for_partner")
    })
}

/// Rules J5 and J15, on a file system of its own.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_when_it_happens_and_at_the_end() {
    let folder = Folder::new();
    let mount = format!("mount -t tmpfs -o size=64k tmpfs '{}'", folder.path().display());
    let mounted = Command::new("sh").args(["-c", &mount]).status().unwrap().success();
    assert!(mounted, "this test mounts a tmpfs of its own, and has to run where it may do that, as root does");
    let unmount = Unmount(folder.path().to_str().unwrap().into());
    let (journal, state) = (folder.file("journal"), folder.file("state"));
    let begin = ["node", "--bind", "127.0.0.1:0", "--timeout", "0.1", "--state", &state];
    honeyguide(&begin).done();
    let mut node = Running::start(&["node", "--bind", "127.0.0.1:0", "--journal", &journal]);
    let addr = node.line_with("link 0").split_whitespace().nth(2).unwrap().to_string();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            while !stop.load(Ordering::Relaxed) {
                socket.send_to(&[b'x'; 1000], &addr).unwrap();
                std::thread::yield_now();
            }
        });
        let mut said = String::new();
        while !said.contains("journal") {
            said = node.word();
        }
        stop.store(true, Ordering::Relaxed);
        assert!(said.contains(&journal) && said.contains("goes on without it"), "{said}");
    });
    eventually(|| honeyguide(&["ping", &addr]).code == Some(0));
    // A key is there as a whole or not at all: what is left would only block the next try.
    let key = folder.file("key");
    let full = fs::write(folder.file("rest"), vec![0; 1 << 17]);
    assert!(full.is_err());
    honeyguide(&["keygen", &key]).ended(1, &[&key]);
    assert!(!fs::exists(&key).unwrap());
    // Nor is there a journal of a node that could not begin.
    let elsewhere = Folder::new();
    let unused = elsewhere.file("journal");
    honeyguide(&[&begin[..], &["--journal", &unused]].concat()).ended(1, &[&state]);
    assert!(!fs::exists(&unused).unwrap());
    node.end_by("INT").ended(1, &[]);
    honeyguide(&["replay", &journal]).ended(0, &["has no end"]);
    drop(unmount);
}

#[cfg(target_os = "linux")]
struct Unmount(String);

#[cfg(target_os = "linux")]
impl Drop for Unmount {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-l", &self.0]).status();
    }
}
