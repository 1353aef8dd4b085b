//! The program in a process of its own: how it is started, watched and ended.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_honeyguide");
/// Longer than anything here takes, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a run printed and how it ended.
#[derive(Debug)]
pub struct Run {
    /// `None`: by a signal.
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

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

pub fn run_as(command: &mut Command, input: &[u8]) -> Run {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

impl Run {
    /// It ended as a program may: no panic, no signal.
    pub fn in_order(self, what: &str) -> Run {
        assert!(matches!(self.code, Some(0..=2)), "{what}: {self:?}");
        assert!(!self.err.contains("panicked"), "{what}: {self:?}");
        self
    }

    pub fn done(self) -> Run {
        assert_eq!(self.code, Some(0), "{self:?}");
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

    /// Each line as an object.
    pub fn objects(&self) -> Vec<Value> {
        let parsed = self.out.lines().map(serde_json::from_str);
        parsed.collect::<Result<_, _>>().unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A program that runs until it is told to end.
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

    /// Waits until it listens for signals and all its threads sleep, for something from outside.
    pub fn wait_until_it_waits(&self) {
        let begun = Instant::now();
        let mut seen = 0;
        while seen < 20 {
            seen = if self.is_waiting() { seen + 1 } else { 0 };
            assert!(begun.elapsed() < PATIENCE, "it never waits");
            std::thread::yield_now();
        }
    }

    fn is_waiting(&self) -> bool {
        let process = PathBuf::from(format!("/proc/{}", self.child.id()));
        let status = fs::read_to_string(process.join("status")).unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or("0").trim();
        // SIGHUP, SIGINT and SIGTERM.
        let listens = u64::from_str_radix(caught, 16).unwrap() & 0x4003 == 0x4003;
        let tasks = fs::read_dir(process.join("task")).into_iter().flatten().flatten();
        let states = tasks.map(|task| fs::read_to_string(task.path().join("stat")).unwrap_or_default());
        listens && states.into_iter().all(|stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('S')))
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

/// A new folder, removed at the end.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Folder {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("honeyguide-program-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().into()
    }

    /// A file with this in it.
    pub fn with(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        fs::write(self.0.join(name), bytes).unwrap();
        self.file(name)
    }

    /// A pipe with a name.
    pub fn pipe(&self, name: &str) -> String {
        let path = self.file(name);
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        path
    }

    pub fn names(&self) -> Vec<String> {
        let names = fs::read_dir(&self.0).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        names.collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
