//! The program in a process of its own: how it is started, watched and ended.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::program::{PROGRAM, Run, run_as};

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

/// A program that runs until it is told to end, with streams of a test's own choice.
pub struct Running {
    child: Child,
    /// Kept, since a program whose reader has gone ends.
    out: Option<BufReader<ChildStdout>>,
}

impl Running {
    /// With signals as they are by default: whoever runs the tests may ignore a hangup, and that is inherited.
    pub fn command(args: &[&str]) -> Command {
        let mut command = Command::new("env");
        command.args(["--default-signal=HUP,INT,TERM", PROGRAM]).args(args).args(["--timeout", "600"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    pub fn of(command: &mut Command) -> Running {
        let mut child = command.spawn().unwrap();
        let out = child.stdout.take().map(BufReader::new);
        Running { child, out }
    }

    pub fn first_line(&mut self) -> String {
        let mut line = String::new();
        self.out.as_mut().expect("a pipe").read_line(&mut line).unwrap();
        line.trim_end().into()
    }

    pub fn wait_until_it_waits(&self) {
        wait_until_it_waits(self.child.id());
    }

    /// Sends a signal; the time until it has ended, and how.
    pub fn end(mut self, signal: &str) -> (Duration, Option<i32>) {
        let begun = Instant::now();
        let kill = format!("kill -{signal} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        let code = self.child.wait().unwrap().code();
        (begun.elapsed(), code)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until a process listens for signals and all its threads sleep, for something from outside.
pub fn wait_until_it_waits(id: u32) {
    let begun = Instant::now();
    let mut seen = 0;
    while seen < 20 {
        seen = if is_waiting(id) { seen + 1 } else { 0 };
        assert!(begun.elapsed() < PATIENCE, "it never waits");
        std::thread::yield_now();
    }
}

fn is_waiting(id: u32) -> bool {
    let process = PathBuf::from(format!("/proc/{id}"));
    let status = fs::read_to_string(process.join("status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or("0").trim();
    // SIGHUP, SIGINT and SIGTERM.
    let listens = u64::from_str_radix(caught, 16).unwrap() & 0x4003 == 0x4003;
    let tasks = fs::read_dir(process.join("task")).into_iter().flatten().flatten();
    let states = tasks.map(|task| fs::read_to_string(task.path().join("stat")).unwrap_or_default());
    listens && states.into_iter().all(|stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('S')))
}
