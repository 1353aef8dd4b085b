//! The journal of a driven node: written while it runs, read to replay it.
//!
//! The recorder sees every call and every output of the node, in their order, and the node sees nothing of it. A file
//! that cannot be written ends the recording, not the node.

use std::boxed::Box;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::adapters::mailbox::{Consumer, Mailbox};
use crate::adapters::runner::Observer;
use crate::base::time::Instant;
use crate::dht::config::Config;
use crate::dht::event::{Buffer, Output};
use crate::dht::node::Node;
use crate::dht::node::journal::{Call, Record};
use crate::dht::node::output_hash::OutputHash;
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;

/// The driver's side.
pub(super) struct Recorder {
    sink: Box<dyn io::Write + Send>,
    polls: u32,
    outputs: OutputHash,
    fault: Option<io::Error>,
    now: Instant,
    hash: Arc<Mailbox<io::Result<Id>, ()>>,
}

impl Recorder {
    pub(super) fn new(sink: Box<dyn io::Write + Send>) -> (Self, Recording) {
        let hash = Mailbox::new(1);
        let recording = Recording(hash.clone().into());
        (Recorder { sink, polls: 0, outputs: OutputHash::default(), fault: None, now: Instant::ZERO, hash }, recording)
    }
}

impl Observer for Recorder {
    fn call(&mut self, now: Instant, call: Call<'_>) {
        self.now = now;
        let mut bytes = [0; Record::MAX_LEN];
        let record = Record { polls: std::mem::take(&mut self.polls), now, call };
        if self.fault.is_none() {
            let written = match record.encode(&mut bytes) {
                Ok(len) => self.sink.write_all(&bytes[..len]),
                Err(error) => Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            };
            self.fault = written.err();
        }
    }

    fn output(&mut self, output: &Output<'_>) {
        self.polls += 1;
        self.outputs.add(output);
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.call(self.now, Call::End);
        let written = match self.fault.take() {
            None => self.sink.flush(),
            Some(fault) => Err(fault),
        };
        self.hash.put(written.map(|()| self.outputs.finish()));
        self.hash.finish(());
    }
}

/// Future of a recording: completes when the node has ended, with the hash of all that it put out.
#[must_use = "awaited or waited for, it says whether the journal is whole"]
pub struct Recording(Consumer<io::Result<Id>, ()>);

impl Recording {
    /// Waits for the end of the node. Blocks.
    ///
    /// # Errors
    /// When the journal could not be written to its end.
    pub fn wait(self) -> io::Result<Id> {
        whole(self.0.wait_next(None).unwrap_or(None))
    }
}

impl Future for Recording {
    type Output = io::Result<Id>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Id>> {
        self.0.poll_next(cx).map(whole)
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording").field("ended", &self.0.end().is_some()).finish_non_exhaustive()
    }
}

fn whole(hash: Option<io::Result<Id>>) -> io::Result<Id> {
    hash.unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()))
}

/// Replays `records` on a new node of the same configuration and seed; returns the hash of its outputs.
///
/// # Errors
/// When the records are damaged or their end is missing.
pub fn replay(node: &mut Node<'_>, records: &[u8]) -> Result<Id, ReplayError> {
    let (mut buffer, mut outputs): (Buffer, _) = ([0; 1500], OutputHash::default());
    let mut rest = records;
    // Polls past the end of a drain, of which a driver makes few. A journal that claims more of them than it has bytes
    // is damaged, and would keep us polling.
    let mut idle = records.len();
    loop {
        let damaged = Err(ReplayError { at: records.len() - rest.len() });
        let mut nodes = [Endpoint::UNSPECIFIED; Config::MAX_BOOTSTRAP_NODES];
        let Some((record, after)) = Record::decode(rest, &mut nodes) else { return damaged };
        let mut is_drained = false;
        for _ in 0..record.polls {
            if is_drained {
                let Some(left) = idle.checked_sub(1) else { return damaged };
                idle = left;
            }
            let output = node.poll_output(&mut buffer);
            is_drained = matches!(output, Output::Timeout(_));
            outputs.add(&output);
        }
        let _ = record.call.apply(node, record.now); // what was refused is refused again
        let (left, is_end) = (after.len(), matches!(record.call, Call::End));
        rest = &rest[rest.len() - left..];
        match (is_end, rest.is_empty()) {
            (false, _) => {}
            (true, true) => return Ok(outputs.finish()),
            (true, false) => return Err(ReplayError { at: records.len() - left }),
        }
    }
}

/// Records that cannot be replayed to their end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReplayError {
    at: usize,
}

impl ReplayError {
    /// How many bytes of the records are sound.
    #[must_use]
    pub const fn sound(&self) -> usize {
        self.at
    }
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the records are damaged, or cut, after their first {} bytes", self.at)
    }
}

impl std::error::Error for ReplayError {}
