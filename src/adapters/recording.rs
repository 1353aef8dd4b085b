//! Recording a driven node: its journal is written while it runs.
//!
//! The recorder sees every call and every output of the node, in their order, and the node sees nothing of it. Records
//! are gathered and written together, with a mark in front of the newest: by 32 KiB, and after a twentieth of a second
//! in any case. So a node that is killed has lost that much at most, and a busy one does not pay a system call for each
//! datagram. A journal that cannot be written ends the recording, at once, and not the node.

use std::boxed::Box;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::vec;

use crate::adapters::mailbox::{Consumer, Mailbox};
use crate::adapters::runner::Observer;
use crate::base::time::{Duration, Instant};
use crate::dht::event::Output;
use crate::dht::node::journal::{Call, Record};
use crate::dht::node::output_hash::OutputHash;

/// Bytes of records that wait at most.
const GATHERED: usize = 32 << 10;
/// How long a record waits at most.
const WAIT: Duration = Duration::from_millis(50);

/// The driver's side.
pub(super) struct Recorder {
    /// `None` once it has failed.
    sink: Option<Box<dyn io::Write + Send>>,
    /// Has room for what is gathered and two records more.
    buffer: Box<[u8]>,
    gathered: usize,
    /// When what is gathered has to be written.
    due: Option<Instant>,
    polls: u32,
    outputs: OutputHash,
    now: Instant,
    /// A call was made, and the node has not been drained since.
    is_in_call: bool,
    end: Arc<Mailbox<io::Result<u128>, ()>>,
}

impl Recorder {
    pub(super) fn new(sink: Box<dyn io::Write + Send>) -> (Self, Recording) {
        let end = Mailbox::new(1);
        let recording = Recording(end.clone().into());
        let recorder = Recorder {
            sink: Some(sink),
            buffer: vec![0; GATHERED + 2 * Record::MAX_LEN].into_boxed_slice(),
            gathered: 0,
            due: None,
            polls: 0,
            outputs: OutputHash::default(),
            now: Instant::ZERO,
            is_in_call: false,
            end,
        };
        (recorder, recording)
    }

    fn record(&mut self, call: Call<'_>) -> io::Result<()> {
        let record = Record { polls: std::mem::take(&mut self.polls), now: self.now, call };
        self.gathered += record.encode(&mut self.buffer[self.gathered..]).map_err(io::Error::other)?;
        Ok(())
    }

    fn mark(&mut self) -> io::Result<()> {
        self.record(Call::Mark { hash: self.outputs.finish() })
    }

    fn write(&mut self) -> io::Result<()> {
        // One that panics is not written to again.
        let Some(mut sink) = self.sink.take() else { return Ok(()) };
        sink.write_all(&self.buffer[..self.gathered])?;
        sink.flush()?;
        (self.sink, self.gathered, self.due) = (Some(sink), 0, None);
        Ok(())
    }

    /// Whoever waits for the end of the recording hears of a failure now.
    fn end_if_failed(&mut self, done: io::Result<()>) {
        if let Err(fault) = done {
            (self.sink, self.due) = (None, None);
            self.end.put(Err(fault));
            self.end.finish(());
        }
    }
}

impl Observer for Recorder {
    fn call(&mut self, now: Instant, call: Call<'_>) {
        if self.sink.is_none() {
            return;
        }
        (self.now, self.is_in_call) = (now, true);
        let due = *self.due.get_or_insert(now + WAIT);
        let is_due = due <= now || self.gathered >= GATHERED;
        // What is written ends with the call that is made now, since that may be the one that the process dies of.
        let marked = if is_due { self.mark() } else { Ok(()) };
        let recorded = marked.and_then(|()| self.record(call));
        let written = recorded.and_then(|()| if is_due { self.write() } else { Ok(()) });
        self.end_if_failed(written);
    }

    fn output(&mut self, output: &Output<'_>) {
        if self.sink.is_some() {
            self.polls += 1;
            self.outputs.add(output);
            self.is_in_call = !matches!(output, Output::Timeout(_));
        }
    }

    fn due(&self) -> Option<Instant> {
        self.due
    }

    fn handle_due(&mut self, now: Instant) {
        if self.due.is_some_and(|due| due <= now) {
            self.now = now;
            let written = self.mark().and_then(|()| self.write());
            self.end_if_failed(written);
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if self.sink.is_some() {
            // The thread that panicked need not be this one: it leaves the node in the middle of a call.
            let has_panicked = self.is_in_call || std::thread::panicking();
            let ended = self.mark().and_then(|()| if has_panicked { Ok(()) } else { self.record(Call::End) });
            let written = ended.and_then(|()| self.write());
            let told =
                if has_panicked { Err(io::Error::other("the node panicked")) } else { Ok(self.outputs.finish()) };
            self.end.put(written.and(told));
        }
        self.end.finish(());
    }
}

/// Future of a recording: completes when it has ended, with the hash of all that the node put out. That is when the
/// node has ended, or as soon as the journal cannot be written any more: the node goes on then, unrecorded. The journal
/// of a node that panicked has no end, as if it had been killed, and its last call is the one that the node panicked
/// at.
#[must_use = "awaited or waited for, it says whether the journal is whole"]
pub struct Recording(Consumer<io::Result<u128>, ()>);

impl Recording {
    /// Waits for the end of the recording. Blocks.
    ///
    /// # Errors
    /// When the journal could not be written to its end, or the node panicked.
    pub fn wait(self) -> io::Result<u128> {
        whole(self.0.wait_next(None).unwrap_or(None))
    }
}

impl Future for Recording {
    type Output = io::Result<u128>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u128>> {
        self.0.poll_next(cx).map(whole)
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording").field("ended", &self.0.end().is_some()).finish_non_exhaustive()
    }
}

fn whole(hash: Option<io::Result<u128>>) -> io::Result<u128> {
    hash.unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()))
}
