//! Results of a node that goes on while nobody reads them (rule U5).
//!
//! Model: lines wait in a queue of limited length, and a thread writes them, one at a time, so that whoever tells one
//! waits for no reader. Those for which there is no place are counted, and the count is told in their place. At the
//! end what is left is written by whoever ends the program, as any other command writes its results.

use std::collections::VecDeque;
use std::fmt::Display;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::count::count;
use crate::failed::Failed;
use crate::print::{Out, not_written, tracked, write_line, written};

/// Lines that wait at most.
const MOST: usize = 4096;

/// Where results go.
pub struct Told {
    out: Out,
    queue: Arc<Queue>,
    /// Without a thread, each line is waited for.
    has_thread: bool,
}

impl Told {
    pub fn new(out: Out) -> Told {
        let queue = Arc::<Queue>::default();
        let own = queue.clone();
        let body = move || own.serve(write_line);
        let has_thread = thread::Builder::new().name("honeyguide-told".into()).spawn(body).is_ok();
        Told { out, queue, has_thread }
    }

    /// One result, as [`Out::line`] writes it.
    pub fn line(&self, text: impl Display, object: Value) -> Result<(), Failed> {
        let line = self.out.rendered(text, &object);
        if !self.has_thread {
            return self.written([line]);
        }
        self.queue.push(line, |left_out| self.gap(left_out));
        Ok(())
    }

    /// What stands for lines that are not there.
    fn gap(&self, left_out: usize) -> String {
        let text = format!("{} left out here: nobody read in time", count(left_out, "line"));
        self.out.rendered(text, &json!({ "left_out": left_out }))
    }

    /// Waits until a result cannot be written.
    pub async fn failure(&self) -> Failed {
        loop {
            self.queue.failed.notified().await;
            if let Some(error) = self.queue.lines().error.take() {
                return not_written(error);
            }
        }
    }

    /// Writes what is left, and nothing after a line that could not be written: that is the failure then, unless
    /// somebody has had it.
    pub fn finish(&self) -> Result<(), Failed> {
        tracked(|| self.queue.stop());
        if let Some(error) = self.queue.lines().error.take() {
            return Err(not_written(error));
        }
        self.written(self.queue.rest(|left_out| self.gap(left_out)))
    }

    /// One result more, behind those that [`finish`](Told::finish) has written.
    pub fn last_line(&self, text: impl Display, object: Value) -> Result<(), Failed> {
        self.written([self.out.rendered(text, &object)])
    }

    fn written(&self, lines: impl IntoIterator<Item = String>) -> Result<(), Failed> {
        if self.queue.lines().is_broken {
            return Ok(());
        }
        let written = lines.into_iter().try_for_each(|line| written(&line));
        self.queue.lines().is_broken = written.is_err();
        written
    }
}

#[derive(Default)]
struct Queue {
    lines: Mutex<Lines>,
    /// There is a line, or no more will come; or the one that was being written is.
    changed: Condvar,
    /// A line could not be written.
    failed: Notify,
}

#[derive(Default)]
struct Lines {
    waiting: VecDeque<String>,
    left_out: usize,
    is_writing: bool,
    is_over: bool,
    /// A line could not be written, and nothing is to follow it.
    is_broken: bool,
    error: Option<io::Error>,
}

impl Queue {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: String, gap: impl FnOnce(usize) -> String) {
        let mut lines = self.lines();
        // Nothing follows a line that could not be written, not even what stands for others.
        if lines.is_over {
            return;
        }
        let has_gap = lines.left_out > 0;
        if lines.waiting.len() + usize::from(has_gap) >= MOST {
            lines.left_out += 1;
            return;
        }
        if has_gap {
            let left_out = std::mem::take(&mut lines.left_out);
            lines.waiting.push_back(gap(left_out));
        }
        lines.waiting.push_back(line);
        self.changed.notify_all();
    }

    /// All that wait, and behind them what stands for those that are left out.
    fn rest(&self, gap: impl FnOnce(usize) -> String) -> VecDeque<String> {
        let mut lines = self.lines();
        let (mut rest, left_out) = (std::mem::take(&mut lines.waiting), std::mem::take(&mut lines.left_out));
        rest.extend((left_out > 0).then(|| gap(left_out)));
        rest
    }

    /// Writes one line after the other, until they are over or one cannot be written.
    fn serve(&self, mut write: impl FnMut(&str) -> io::Result<()>) {
        let mut lines = self.lines();
        loop {
            let idle = |lines: &mut Lines| lines.waiting.is_empty() && !lines.is_over;
            lines = self.changed.wait_while(lines, idle).unwrap_or_else(PoisonError::into_inner);
            if lines.is_over {
                return;
            }
            let Some(line) = lines.waiting.pop_front() else { continue };
            lines.is_writing = true;
            drop(lines);
            let written = write(&line);
            lines = self.lines();
            lines.is_writing = false;
            if let Err(error) = written {
                lines.error = Some(error);
                lines.waiting.clear();
                (lines.is_over, lines.is_broken) = (true, true);
                self.failed.notify_one();
            }
            self.changed.notify_all();
        }
    }

    /// The thread writes no more, once the line that it writes is written.
    fn stop(&self) {
        let mut lines = self.lines();
        lines.is_over = true;
        self.changed.notify_all();
        drop(self.changed.wait_while(lines, |lines| lines.is_writing));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn lines_wait_up_to_the_limit_and_those_past_it_are_counted() {
        let ((tell, told), (read, reads), queue) = (channel(), channel::<()>(), Arc::<Queue>::default());
        let own = queue.clone();
        thread::spawn(move || {
            own.serve(|line| {
                tell.send(line.to_string()).unwrap();
                reads.recv().map_err(|_| io::ErrorKind::BrokenPipe.into())
            });
        });
        let push = |line: usize| queue.push(line.to_string(), |left_out| format!("{left_out} left out"));
        push(0);
        assert_eq!(told.recv().unwrap(), "0");
        (1..MOST + 3).for_each(push);
        let counts = |lines: MutexGuard<'_, Lines>| (lines.waiting.len(), lines.left_out);
        assert_eq!(counts(queue.lines()), (MOST, 2));
        // Two places are needed: for a line, and for those that are not there.
        for expected in ["1", "2"] {
            read.send(()).unwrap();
            assert_eq!(told.recv().unwrap(), expected);
        }
        push(7);
        assert_eq!(queue.lines().waiting.iter().skip(MOST - 2).collect::<Vec<_>>(), ["2 left out", "7"]);
        push(8);
        // What is left when it is stopped is for whoever stops it, with what stands for the last ones.
        let own = queue.clone();
        let stopping = thread::spawn(move || own.stop());
        while !queue.lines().is_over {
            thread::yield_now();
        }
        read.send(()).unwrap();
        stopping.join().unwrap();
        let rest = queue.rest(|left_out| format!("{left_out} left out"));
        assert_eq!(rest.iter().skip(rest.len() - 3).collect::<Vec<_>>(), ["2 left out", "7", "1 left out"]);
    }

    #[test]
    fn a_line_that_cannot_be_written_after_the_run_is_a_failure_at_the_end() {
        let told = Told { out: Out { json: false }, queue: Arc::default(), has_thread: true };
        let ((begin, begun), own) = (channel(), told.queue.clone());
        let writing = thread::spawn(move || {
            own.serve(|_| {
                begin.send(()).unwrap();
                Err(io::ErrorKind::StorageFull.into())
            });
        });
        told.line("the last one", json!({})).unwrap();
        begun.recv().unwrap();
        writing.join().unwrap();
        told.line("nothing follows it", json!({})).unwrap();
        assert!(told.finish().unwrap_err().sentence.contains("standard output"));
        assert!(told.finish().is_ok() && told.last_line("nor does this", json!({})).is_ok(), "it is told once");
    }
}
