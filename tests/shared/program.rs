//! The program, started and watched.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_honeyguide");

/// What a run printed and how it ended.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub out: String,
    pub err: String,
}

pub fn honeyguide(args: &[&str]) -> Run {
    let output = Command::new(PROGRAM).args(args).stdin(Stdio::null()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

impl Run {
    pub fn done(self) -> Run {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    /// It failed, and said all of these words.
    pub fn failed(self, code: i32, words: &[&str]) -> Run {
        assert_eq!(self.code, code, "{self:?}");
        self.said(words)
    }

    pub fn said(self, words: &[&str]) -> Run {
        assert!(words.iter().all(|word| self.err.contains(word)), "{self:?} lacks one of {words:?}");
        self
    }
}

/// A program that runs until it is told to end.
pub struct Running {
    child: Child,
    pub out: BufReader<ChildStdout>,
    pub err: BufReader<ChildStderr>,
}

impl Running {
    /// It ends by itself when the tests are long over, for they may be killed before they can stop it.
    pub fn start(args: &[&str]) -> Running {
        // Whoever runs the tests may ignore a hangup, as `nohup` does; the program would inherit that.
        Running::of(Command::new("env").args(["--default-signal=HUP", PROGRAM]).args(args).args(["--timeout", "600"]))
    }

    /// With a shell before it that ignores a signal.
    pub fn start_deaf(signal: &str, args: &[&str]) -> Running {
        let script = format!("trap '' {signal}; exec \"$0\" \"$@\" --timeout 600");
        Running::of(Command::new("sh").args(["-c", &script, PROGRAM]).args(args))
    }

    fn of(command: &mut Command) -> Running {
        let piped = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Running { child, out: BufReader::new(out), err: BufReader::new(err) }
    }

    pub fn line(&mut self) -> String {
        line(&mut self.out)
    }

    pub fn word(&mut self) -> String {
        line(&mut self.err)
    }

    /// The shell's own: a machine may lack the program.
    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    pub fn is_over(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end.
    pub fn end(mut self) -> Run {
        let (mut out, mut err) = (String::new(), String::new());
        self.out.read_to_string(&mut out).unwrap();
        self.err.read_to_string(&mut err).unwrap();
        Run { code: self.child.wait().unwrap().code().unwrap_or(-1), out, err }
    }
}

fn line(from: &mut impl BufRead) -> String {
    let mut line = String::new();
    assert!(from.read_line(&mut line).unwrap() > 0, "the program ended before it said what is waited for");
    line.trim_end().into()
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
