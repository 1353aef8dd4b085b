//! The program, started and watched.

#![allow(dead_code, reason = "each of the tests that share this needs another part of it")]

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_honeyguide");

/// What a run printed and how it ended.
#[derive(Debug)]
pub struct Run {
    /// `None`: by a signal.
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

pub fn honeyguide(args: &[&str]) -> Run {
    honeyguide_with(args, b"")
}

/// With this on standard input.
pub fn honeyguide_with(args: &[&str], input: &[u8]) -> Run {
    run_as(Command::new(PROGRAM).args(args), input)
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
    pub fn done(self) -> Run {
        self.ended(0, &[])
    }

    /// With this exit code, and it said all of these words.
    pub fn ended(self, code: i32, words: &[&str]) -> Run {
        assert_eq!(self.code, Some(code), "{self:?}");
        self.said(words)
    }

    pub fn said(self, words: &[&str]) -> Run {
        assert!(words.iter().all(|word| self.err.contains(word)), "{self:?} lacks one of {words:?}");
        self
    }

    /// Each line as an object.
    pub fn objects(&self) -> Vec<Value> {
        let parsed = self.out.lines().map(serde_json::from_str);
        parsed.collect::<Result<_, _>>().unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A program that runs until it is told to end. What is piped of its streams is read, or kept: a program whose reader
/// has gone ends.
pub struct Running {
    pub child: Child,
    out: Option<BufReader<ChildStdout>>,
    /// Lines on standard error, which is read all along: a full pipe would hold the program up.
    err: Option<Receiver<String>>,
}

impl Running {
    /// Without streams, and with signals as they are by default: whoever runs the tests may ignore a hangup, and that
    /// is inherited. It ends by itself when the tests are long over, for they may be killed before they can stop it.
    pub fn command(args: &[&str]) -> Command {
        let mut command = Command::new("env");
        command.args(["--default-signal=HUP,INT,TERM", PROGRAM]).args(args).args(["--timeout", "600"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    pub fn start(args: &[&str]) -> Running {
        Running::piped(&mut Running::command(args))
    }

    /// With a shell before it that ignores a signal.
    pub fn start_deaf(signal: &str, args: &[&str]) -> Running {
        let script = format!("trap '' {signal}; exec \"$0\" \"$@\" --timeout 600");
        Running::piped(Command::new("sh").args(["-c", &script, PROGRAM]).args(args).stdin(Stdio::null()))
    }

    pub fn piped(command: &mut Command) -> Running {
        Running::of(command.stdout(Stdio::piped()).stderr(Stdio::piped()))
    }

    /// With streams of the test's own choice.
    pub fn of(command: &mut Command) -> Running {
        let mut child = command.spawn().unwrap();
        let out = child.stdout.take().map(BufReader::new);
        let err = child.stderr.take().map(|stderr| {
            let (tell, err) = channel();
            let mut lines = BufReader::new(stderr).lines().map_while(Result::ok);
            std::thread::spawn(move || lines.try_for_each(|line| tell.send(line)));
            err
        });
        Running { child, out, err }
    }

    /// The next line on standard output.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        let out = self.out.as_mut().expect("a pipe");
        assert!(out.read_line(&mut line).unwrap() > 0, "the program ended before it said what is waited for");
        line.trim_end().into()
    }

    /// The next one that has these words.
    pub fn line_with(&mut self, words: &str) -> String {
        loop {
            let line = self.line();
            if line.contains(words) {
                return line;
            }
        }
    }

    /// Its reader goes away.
    pub fn stop_reading(&mut self) {
        self.out = None;
    }

    /// The next line on standard error.
    pub fn word(&mut self) -> String {
        let err = self.err.as_ref().expect("a pipe");
        err.recv().expect("the program says more before it ends")
    }

    /// The next one that has these words.
    pub fn word_with(&mut self, words: &str) -> String {
        loop {
            let word = self.word();
            if word.contains(words) {
                return word;
            }
        }
    }

    /// The shell's own: a machine may lack the program.
    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    pub fn is_over(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Sends a signal; the time until it has ended, and how.
    pub fn end(mut self, signal: &str) -> (Duration, Option<i32>) {
        let begun = Instant::now();
        self.signal(signal);
        let code = self.child.wait().unwrap().code();
        (begun.elapsed(), code)
    }

    /// Waits for its end, after this signal.
    pub fn end_by(self, signal: &str) -> Run {
        self.signal(signal);
        self.wait()
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Run {
        let mut out = String::new();
        if let Some(pipe) = &mut self.out {
            pipe.read_to_string(&mut out).unwrap();
        }
        let err = self.err.iter().flatten().map(|line| line + "\n").collect();
        Run { code: self.child.wait().unwrap().code(), out, err }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
