//! The subcommands `negentropy-harness` and `reconcile`: every transcript again, through the line protocol.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::Value as Json;
use sha2::{Digest, Sha256};

#[path = "shared/program.rs"]
mod program;
#[path = "shared/transcripts.rs"]
mod transcripts;

use program::{honeyguide, honeyguide_with};
use transcripts::{entries, file};

fn harness(items: &Json, frame: &Json, commands: &[String]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_honeyguide"))
        .arg("negentropy-harness")
        .env("FRAMESIZELIMIT", frame.as_u64().unwrap_or(0).to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = entries(items).into_iter().map(|(timestamp, id)| format!("item,{timestamp},{id}\n"));
    let mut input: String = lines.collect();
    input += "seal\n";
    commands.iter().for_each(|command| input += &format!("{command}\n"));
    let mut stdin = child.stdin.take().unwrap();
    // Beside the reading: either may wait for the other. A side that fails stops reading: that is for its exit code to tell.
    let writer = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

#[test]
fn the_harness_speaks_every_transcript_on_both_sides() {
    for case in file()["cases"].as_array().unwrap() {
        let messages = case.get("rust_messages").unwrap_or(&case["messages"]).as_array().unwrap();
        let of = |dir: &str| -> Vec<String> {
            let hex = messages.iter().filter(|message| message["dir"] == dir).map(|m| m["hex"].as_str().unwrap());
            hex.map(|hex| format!("msg,{hex}")).collect()
        };
        let (up, down) = (of("c2s"), of("s2c"));
        let client =
            harness(&case["client"], &case["frame_client"], &[vec!["initiate".to_string()], down.clone()].concat());
        let said = String::from_utf8(client.stdout).unwrap();
        let mut expected = up.clone();
        expected.push("done".to_string());
        assert!(
            said.lines().filter(|line| !line.contains("have,") && !line.contains("need,")).eq(expected),
            "{}",
            case["name"]
        );
        let server = harness(&case["server"], &case["frame_server"], &up);
        assert!(String::from_utf8(server.stdout).unwrap().lines().eq(down), "{}", case["name"]);
    }
}

#[test]
fn the_harness_ends_with_a_sentence_and_a_code_where_it_should() {
    for case in file()["malformed"].as_array().unwrap() {
        let mut commands = vec![format!("msg,{}", case["msg"].as_str().unwrap())];
        if case["role"] == "initiator" {
            commands.insert(0, "initiate".to_string());
        }
        let output = harness(&case["items"], &Json::Null, &commands);
        let ok = case["expect"] == "ok";
        assert_eq!(output.status.code(), Some(if ok { 0 } else { 1 }), "{}", case["name"]);
        assert_eq!(output.stderr.is_empty(), ok, "{}", case["name"]);
    }
}

#[test]
fn reconcile_tells_what_two_files_do_not_share() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| folder.path().join(name));
    let entry = |i: u32| format!("{},{}\n", i / 3, hex::encode(Sha256::digest(i.to_be_bytes())));
    std::fs::write(&a, (0..1000).map(entry).collect::<String>()).unwrap();
    std::fs::write(&b, (7..1005).map(entry).collect::<String>()).unwrap();
    for more in [&["--json"][..], &["--json", "--adaptive"], &["--json", "--frame", "4096"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_honeyguide")).arg("reconcile").args([&a, &b]).args(more).output();
        let result: Json = serde_json::from_slice(&output.unwrap().stdout).unwrap();
        assert_eq!((&result["have"], &result["need"]), (&Json::from(7), &Json::from(5)));
        assert!(result["rounds"].as_u64() > Some(0) && result["ms"]["server"].is_number());
    }
}

/// N5.
#[test]
fn an_entry_that_no_set_has_is_refused_with_its_line_and_repetitions_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| folder.path().join(name).to_str().unwrap().to_string());
    let [one, other] = ["ab", "cd"].map(|byte| byte.repeat(32));
    std::fs::write(&b, format!("1,{one}\n")).unwrap();
    for (timestamp, most) in [("18446744073709551615", true), ("18446744073709551614", false), ("-1", true)] {
        let lines = format!("1,{one}\n\n{timestamp},{other}\n");
        std::fs::write(&a, &lines).unwrap();
        for run in [honeyguide(&["reconcile", &b, &a]), honeyguide_with(&["reconcile", &b, "-"], lines.as_bytes())] {
            assert_eq!(
                (run.code, run.err.is_empty()),
                if most { (Some(1), false) } else { (Some(0), true) },
                "{run:?}"
            );
            let name = if run.err.contains(&a) { &a } else { "standard input" };
            let words = [name, "line 3", &format!("{timestamp:?}"), "18446744073709551614"];
            assert!(!most || words.iter().all(|word| run.err.contains(word)), "{run:?}");
        }
        let items = format!("item,1,{one}\nitem,{timestamp},{other}\nseal\n");
        let run = honeyguide_with(&["negentropy-harness"], items.as_bytes());
        assert!(!most || run.err.contains("standard input, line 2:"), "{run:?}");
    }
    std::fs::write(&a, format!("1,{one}\n2,{one}\n1,{one}\n1,{}\n2,{other}\n", one.to_uppercase())).unwrap();
    let run = honeyguide(&["reconcile", &a, &b, "--json"]).done();
    assert!(run.err.contains(&a) && run.err.contains("2 of 5 entries") && run.err.lines().count() == 2, "{run:?}");
    assert_eq!(run.objects()[0]["have"], 1, "the other id is in both");
    assert!(honeyguide(&["reconcile", &a, &b, "-q"]).done().err.is_empty());
}

/// N35. Sums of both files are equal, and so are those of all ranges that are compared before anything is listed.
#[test]
fn ids_that_are_no_hashes_are_never_missed_in_silence() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| folder.path().join(name));
    let line = |i: u64| format!("{},{:064x}\n", i / 100, i);
    // Counters: of each hundred, A lacks two, and B the two between which the same sum lies.
    let counters = |lacks: [u64; 2]| (0..2000u64).filter(|i| !lacks.contains(&(i % 100))).map(line).collect::<String>();
    // Two numbers that end alike, as far as the sum goes: x + y = (x - 1) + (y + 1).
    let numbers = |pair: [u64; 2]| (0..500).map(|i| i * i * 7).chain(pair).map(line).collect::<String>();
    for (first, second, differ) in [
        (counters([40, 43]), counters([41, 42]), 40),
        (numbers([1_000_001, 1_000_004]), numbers([1_000_002, 1_000_003]), 2),
    ] {
        std::fs::write(&a, first).unwrap();
        std::fs::write(&b, second).unwrap();
        for more in [&["--json"][..], &["--json", "--adaptive"], &["--json", "--frame", "4096"]] {
            let run = |salted: &[&str]| {
                let mut command = Command::new(env!("CARGO_BIN_EXE_honeyguide"));
                command.arg("reconcile").args([&a, &b]).args(more).args(salted).output().unwrap()
            };
            let plain = run(&[]);
            if plain.status.success() {
                let found: Json = serde_json::from_slice(&plain.stdout).unwrap();
                assert_eq!((&found["have"], &found["need"]), (&Json::from(differ), &Json::from(differ)));
            } else {
                let error = String::from_utf8(plain.stderr).unwrap();
                assert_eq!(plain.status.code(), Some(1));
                assert!(error.contains("uniform hashes") && error.contains("--salted"), "{error}");
            }
            assert!(!plain.status.success() || more.len() == 2, "the reference's splits see equal sums");
            let salted: Json = serde_json::from_slice(&run(&["--salted"]).stdout).unwrap();
            assert_eq!((&salted["have"], &salted["need"]), (&Json::from(differ), &Json::from(differ)));
        }
    }
}

/// N12. The differences are ids; a timestamp that is another one is said, however large the files are.
#[test]
fn ids_whose_timestamps_differ_are_told_apart_from_what_only_one_file_has() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| folder.path().join(name));
    let line = |timestamp: u32, i: u32| format!("{timestamp},{}\n", hex::encode(Sha256::digest(i.to_be_bytes())));
    let times = |n: u32, timestamp: &dyn Fn(u32) -> u32| (0..n).map(|i| line(timestamp(i), i)).collect::<String>();
    let own = |i: u32| i;
    // All but one have another timestamp there; one stands there under two.
    for (first, second, moved) in [
        (times(10, &own), times(10, &|_| 5), "9 ids in both"),
        (times(1000, &own), times(1000, &|_| 5), "999 ids in both"),
        (times(10, &own), times(10, &own) + &line(7777, 5), "1 id in both"),
        (times(10, &own) + &line(7777, 5), times(10, &own), "1 id in both"),
    ] {
        std::fs::write(&a, first).unwrap();
        std::fs::write(&b, second).unwrap();
        for more in [&[][..], &["--adaptive"], &["--salted"]] {
            let run =
                Command::new(env!("CARGO_BIN_EXE_honeyguide")).arg("reconcile").args([&a, &b]).args(more).output();
            let (run, text) = (run.unwrap(), |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned());
            let (said, found) = (text(&run.stderr), text(&run.stdout));
            let is_said = said.contains(moved) && said.contains("not with the same timestamps");
            assert!(run.status.success() && is_said, "{said}");
            assert!(found.starts_with("0 only in A, 0 only in B;"), "{found}");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_line_without_end_is_refused_with_its_number_and_the_limit() {
    let endless = || std::fs::File::open("/dev/zero").unwrap();
    let program = || Command::new(env!("CARGO_BIN_EXE_honeyguide"));
    let refused = |command: &mut Command| {
        let output = command.args(["--timeout", "20"]).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains("line 1") && error.contains("1024"), "{error}");
    };
    refused(program().args(["reconcile", "/dev/zero", "/dev/null"]));
    refused(program().arg("negentropy-harness").stdin(endless()));
}

#[cfg(unix)]
#[test]
fn a_frame_limit_that_is_no_number_is_wrong_usage() {
    use std::os::unix::ffi::OsStrExt;
    for limit in [&b"\xff"[..], b"many"] {
        let limit = std::ffi::OsStr::from_bytes(limit);
        let mut command = Command::new(env!("CARGO_BIN_EXE_honeyguide"));
        let output = command.arg("negentropy-harness").env("FRAMESIZELIMIT", limit).stdin(Stdio::null()).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8(output.stderr).unwrap().contains("FRAMESIZELIMIT"));
    }
}
