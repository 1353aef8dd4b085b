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
            return written(&line);
        }
        self.queue.push(line, |left_out| {
            let text = format!("{} left out here: nobody read in time", count(left_out, "line"));
            self.out.rendered(text, &json!({ "left_out": left_out }))
        });
        Ok(())
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

    /// Writes what is left. After a line that could not be written there is nothing.
    pub fn finish(&self) -> Result<(), Failed> {
        tracked(|| self.queue.stop());
        while let Some(line) = self.queue.next() {
            written(&line)?;
        }
        Ok(())
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
    error: Option<io::Error>,
}

impl Queue {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: String, gap: impl FnOnce(usize) -> String) {
        let mut lines = self.lines();
        let has_gap = lines.left_out > 0;
        if lines.is_over || lines.waiting.len() + usize::from(has_gap) >= MOST {
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

    fn next(&self) -> Option<String> {
        self.lines().waiting.pop_front()
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
                lines.is_over = true;
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
        // What is left when it is stopped is for whoever stops it, and nothing is after a failure.
        drop(read);
        queue.stop();
        let failed = queue.lines().error.is_some();
        assert!(failed && queue.next().is_none());
    }
}
