//! The program in a process of its own: how it is started, watched and ended.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::program::{PROGRAM, Run, Running, run_as};

/// Longer than anything here takes, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

pub fn words(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

/// Runs the program with this on standard input. It ends by itself should it hang.
pub fn run(args: &[&str], input: &[u8]) -> Run {
    let mut command = Command::new("timeout");
    command.args(["--signal=KILL", "60", PROGRAM]).args(args);
    run_as(&mut command, input)
}

/// The same through a shell, which changes the streams: `redirections` as in `>&- 2>/dev/full`.
pub fn run_with(redirections: &str, args: &[&str], input: &[u8]) -> Run {
    let mut command = Command::new("sh");
    let script = format!("exec timeout --signal=KILL 60 \"$0\" \"$@\" {redirections}");
    command.args(["-c", &script, PROGRAM]).args(args);
    run_as(&mut command, input)
}

impl Run {
    /// It ended as a program may: no panic, no signal.
    pub fn in_order(self, what: &str) -> Run {
        assert!(matches!(self.code, Some(0..=2)), "{what}: {self:?}");
        assert!(!self.err.contains("panicked"), "{what}: {self:?}");
        self
    }

    /// It failed with one sentence, last on stderr, that has all of these words.
    pub fn failed(self, code: i32, words: &[&str]) -> Run {
        assert_eq!(self.code, Some(code), "{self:?}");
        let last = self.err.lines().last().unwrap_or_default();
        assert!(last.starts_with("honeyguide: ") && !last.contains("os error"), "{self:?}");
        assert!(words.iter().all(|word| last.contains(word)), "{self:?} lacks one of {words:?}");
        self
    }
}

impl Running {
    /// Waits until it listens for signals and all its threads sleep, for something from outside. It must not end before.
    pub fn wait_until_it_waits(&self) {
        let begun = Instant::now();
        let mut seen = 0;
        while seen < 20 {
            seen = if is_waiting(self.child.id()) { seen + 1 } else { 0 };
            assert!(begun.elapsed() < PATIENCE, "it never waits");
            std::thread::yield_now();
        }
    }
}

fn is_waiting(id: u32) -> bool {
    let process = PathBuf::from(format!("/proc/{id}"));
    let status = fs::read_to_string(process.join("status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or("0").trim();
    // SIGHUP, SIGINT and SIGTERM.
    let listens = u64::from_str_radix(caught, 16).unwrap() & 0x4003 == 0x4003;
    let tasks = fs::read_dir(process.join("task")).into_iter().flatten().flatten();
    let stats = tasks.map(|task| fs::read_to_string(task.path().join("stat")).unwrap_or_default());
    let states: Vec<_> = stats.map(|stat| stat.rsplit(") ").next().and_then(|rest| rest.chars().next())).collect();
    assert!(!states.contains(&Some('Z')), "it has ended, and waits for nothing");
    listens && states.iter().all(|state| *state == Some('S'))
}
