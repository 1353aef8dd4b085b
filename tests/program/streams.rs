//! Standard streams that are closed, full or left by their reader.

use std::process::Command;

use crate::commands::World;
use crate::process::{run, run_with, words};
use crate::program::{PROGRAM, run_as};

/// Rule U4.
#[test]
fn no_state_of_the_streams_makes_a_command_panic_or_changes_how_it_ends() {
    let world = World::new();
    for (cases, code) in [(world.successes(), 0), (world.failures(), 1)] {
        for case in cases {
            for redirections in ["2>&-", "2>/dev/full", ">&-", ">&- 2>&-", ">&- 2>/dev/full"] {
                let what = format!("{} {redirections}", case.name());
                let run = run_with(redirections, &words(&case.args()), &case.input).in_order(&what);
                assert_eq!(run.code, Some(code), "{what}: {run:?}");
            }
            for redirections in ["<&-", "<&- >&- 2>&-", ">/dev/full 2>/dev/full", "<&- >/dev/full 2>&-"] {
                run_with(redirections, &words(&case.args()), b"").in_order(&format!("{} {redirections}", case.name()));
            }
        }
    }
}

/// Rule B15. A command whose time is up while threads of its own still start something.
#[test]
fn a_network_that_has_no_time_to_start_says_so_and_nothing_else() {
    let mut failed = 0;
    for millis in (10..130).step_by(5) {
        let run = run(&["testnet", "--nodes", "8", "--timeout", &format!("0.{millis:03}")], b"");
        match run.code {
            // It stood in time.
            Some(0) => assert!(run.err.is_empty() && run.out.starts_with("bootstrap "), "{run:?}"),
            _ => {
                let run = run.failed(1, &["the network of 8 nodes did not stand after 0.", "--timeout"]);
                assert!(run.err.lines().count() == 1 && run.out.is_empty(), "{run:?}");
                failed += 1;
            }
        }
    }
    assert!(failed > 0, "none of them was in too much of a hurry");
}

/// Rule U4.
#[test]
fn results_that_cannot_be_written_are_a_failure_with_the_reason() {
    let world = World::new();
    for case in world.successes() {
        run_with(">/dev/full", &words(&case.args()), &case.input).failed(1, &["the disk is full"]);
    }
}

/// Rule U4. What is opened the other way round is no stream that takes everything, or that is empty.
#[test]
fn a_stream_that_cannot_be_written_or_read_is_a_failure_too() {
    let world = World::new();
    for case in world.successes() {
        run_with("1</dev/null", &words(&case.args()), &case.input).failed(1, &["standard output", "not open for that"]);
    }
    for args in [&["--help"][..], &["--version"], &["help", "put"]] {
        run_with("1</dev/null", args, b"").failed(1, &["standard output", "not open for that"]);
    }
    let readers =
        ["inspect", "negentropy-harness", "pubkey -", "put -", "put --file -", "put --item -", "put x --secret -"];
    for typed in readers {
        let args = typed.split(' ').collect::<Vec<_>>();
        run_with("0>/dev/null", &args, b"").failed(1, &["standard input", "not open for that"]);
    }
}

/// Rule U6.
#[test]
fn a_reader_who_has_gone_is_the_end_without_a_word() {
    let world = World::new();
    let script = "{ \"$0\" \"$@\"; echo \"code $?\" >&2; } | true";
    for case in world.successes() {
        // It is left with a key that nobody was told of.
        let is_undone = case.name() == "keygen";
        let mut command = Command::new("sh");
        // `true` may end only after the program has written: then nothing was to be seen.
        let run = run_as(command.args(["-c", script, PROGRAM]).args(case.args()), &case.input);
        let codes = if is_undone { &["code 0", "code 1"][..] } else { &["code 0"] };
        let (last, words) = (run.err.lines().last().unwrap(), run.err.lines().count() - 1);
        assert!(codes.contains(&last), "{}: {run:?}", case.name());
        let may_speak = ["node", "put", "journal scrub", "journal shrink", "keygen"].contains(&case.name());
        assert!(words == 0 || may_speak, "{}: {run:?}", case.name());
        assert!(!run.err.to_lowercase().contains("pipe") && !run.err.contains("standard output cannot"), "{run:?}");
    }
}

/// Rule U4. The help and the version are results like others.
#[test]
fn help_and_version_go_where_results_go() {
    for args in [&["--help"][..], &["--version"], &["get", "--help"], &["help", "put"]] {
        let text = run(args, b"").done().out;
        let object = run(&[&["--json"], args].concat(), b"").done().objects().remove(0);
        let what = if args == ["--version"] { "version" } else { "help" };
        assert_eq!(object[what].as_str().unwrap(), text.trim_end());
        run_with(">/dev/full", args, b"").failed(1, &["the disk is full"]);
        run_with(">&- 2>&-", args, b"").in_order("help").done();
    }
    for redirections in ["2>/dev/full", "2>&-", ">&- 2>&- <&-"] {
        let run = run_with(redirections, &["dance"], b"").in_order(redirections);
        assert_eq!(run.code, Some(2));
    }
}

/// Rule U7.
#[test]
fn nothing_depends_on_a_home_or_a_terminal() {
    let world = World::new();
    for case in world.successes() {
        let path = format!("PATH={}", std::env::var("PATH").unwrap());
        let mut command = Command::new("setsid");
        command.args(["--wait", "env", "-i", &path, "HOME=/proc", "TERM=xterm", PROGRAM]).args(case.args());
        let run = run_as(command.current_dir("/proc"), &case.input);
        assert_eq!(run.code, Some(0), "{}: {run:?}", case.name());
        assert!(!run.out.contains('\u{1b}') && !run.err.contains('\u{1b}'), "{run:?}");
    }
}
