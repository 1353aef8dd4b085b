//! The journal of a driven node: written while it runs, read to replay it.
//!
//! The recorder sees every call and every output of the node, in their order, and the node sees nothing of it. A file that
//! cannot be written ends the recording, not the node.

use std::boxed::Box;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::adapters::mailbox::Mailbox;
use crate::adapters::runner::Observer;
use crate::base::time::Instant;
use crate::dht::event::{Buffer, Output};
use crate::dht::node::Node;
use crate::dht::node::journal::{Call, MAX_RECORD, Record};
use crate::dht::node::output_hash::OutputHash;
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;

/// Polls of one drain, at most; a journal that claims more is damaged.
const MAX_POLLS: u32 = 1 << 20;

/// Where a journal goes.
pub type JournalSink = Box<dyn io::Write + Send>;

/// The driver's side.
pub(super) struct Recorder {
    sink: JournalSink,
    polls: u32,
    outputs: OutputHash,
    fault: Option<io::Error>,
    now: Instant,
    hash: Arc<Mailbox<io::Result<Id>, ()>>,
}

impl Recorder {
    pub(super) fn new(sink: JournalSink) -> (Self, Recording) {
        let hash = Mailbox::new(1);
        let recording = Recording(hash.clone());
        (Recorder { sink, polls: 0, outputs: OutputHash::default(), fault: None, now: Instant::ZERO, hash }, recording)
    }
}

impl Observer for Recorder {
    fn call(&mut self, now: Instant, call: Call<'_>) {
        self.now = now;
        let mut bytes = [0; MAX_RECORD];
        let record = Record { polls: std::mem::take(&mut self.polls), now, call };
        if self.fault.is_none() {
            let written = match record.encode(&mut bytes) {
                Some(len) => self.sink.write_all(&bytes[..len]),
                None => Err(io::ErrorKind::InvalidData.into()),
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

/// The recording of a node that may still run.
pub struct Recording(Arc<Mailbox<io::Result<Id>, ()>>);

impl Recording {
    /// Waits for the end of the node: the hash of all that it put out, or why its journal could not be written.
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

fn whole(hash: Option<io::Result<Id>>) -> io::Result<Id> {
    hash.unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()))
}

/// Replays `records` on a new node of the same configuration and seed; returns the hash of its outputs.
/// `None` when the records are damaged, or when their end is missing.
pub fn replay(node: &mut Node<'_>, mut records: &[u8]) -> Option<Id> {
    let mut buffer: Buffer = [0; 1500];
    let mut outputs = OutputHash::default();
    loop {
        let mut nodes = [Endpoint::UNSPECIFIED; 16];
        let (record, rest) = Record::decode(records, &mut nodes)?;
        let rest = rest.len();
        if record.polls > MAX_POLLS {
            return None;
        }
        for _ in 0..record.polls {
            outputs.add(&node.poll_output(&mut buffer));
        }
        if matches!(record.call, Call::End) {
            return (rest == 0).then(|| outputs.finish());
        }
        record.call.apply(node, record.now);
        records = &records[records.len() - rest..];
    }
}
