//! Replaying a journal: the calls of a run, made again, and what comes out compared with what came out then.

use std::fmt;

use crate::base::time::Instant;
use crate::dht::config::Config;
use crate::dht::error::CallError;
use crate::dht::event::{Buffer, Output};
use crate::dht::node::Node;
use crate::dht::node::journal::{Call, Record, RecordError};
use crate::dht::node::output_hash::OutputHash;
use crate::krpc::endpoint::Endpoint;

/// Replays `records` to their end on a new node of the same configuration and seed; returns the hash of its outputs.
///
/// # Errors
/// [`ReplayError`] when the records are cut or damaged, or when the node puts out something else than it did.
pub fn replay(node: &mut Node<'_>, records: &[u8]) -> Result<u128, ReplayError> {
    let mut replay = Replay::new(records);
    while replay.step(node, &mut |_| {})? {}
    Ok(replay.hash())
}

/// The replay of a journal, record by record.
#[derive(Debug)]
pub struct Replay<'r> {
    records: &'r [u8],
    /// Bytes that are replayed.
    at: usize,
    /// Polls that may still be made past the end of a drain, of which a driver makes few. A journal that claims more
    /// of them than it has bytes would keep us polling.
    idle: usize,
    outputs: OutputHash,
    now: Instant,
    calls: u64,
    marks: u64,
    has_ended: bool,
}

/// What happened in a step of a replay.
///
/// Exhaustive: a node is called and polled, and nothing else.
#[derive(Clone, Copy, Debug)]
pub enum Replayed<'a> {
    /// The node put this out.
    Output(&'a Output<'a>),
    /// This call was made to it, with this result.
    Call(Instant, &'a Call<'a>, Result<(), CallError>),
}

impl<'r> Replay<'r> {
    /// Begins with the first record.
    #[must_use]
    pub fn new(records: &'r [u8]) -> Self {
        let (outputs, now) = (OutputHash::default(), Instant::ZERO);
        Replay { records, at: 0, idle: records.len(), outputs, now, calls: 0, marks: 0, has_ended: false }
    }

    /// The time of the next record, if there is one.
    #[must_use]
    pub fn next_at(&self) -> Option<Instant> {
        let mut nodes = [Endpoint::UNSPECIFIED; Config::MAX_BOOTSTRAP_NODES];
        Record::decode(&self.records[self.at..], &mut nodes).ok().map(|(record, _)| record.now)
    }

    /// Replays one record; false when the last one, which says that it is, had been replayed before.
    ///
    /// # Errors
    /// [`ReplayError`] says why this record does not replay, and does so again when it is asked again.
    pub fn step(&mut self, node: &mut Node<'_>, see: &mut dyn FnMut(Replayed<'_>)) -> Result<bool, ReplayError> {
        let rest = &self.records[self.at..];
        if self.has_ended {
            return if rest.is_empty() { Ok(false) } else { Err(self.fails(ReplayFault::AfterEnd)) };
        }
        let mut nodes = [Endpoint::UNSPECIFIED; Config::MAX_BOOTSTRAP_NODES];
        let decoded = Record::decode(rest, &mut nodes);
        let (record, after) = decoded.map_err(|error| self.fails(ReplayFault::Record(error)))?;
        self.poll(node, record.polls, see)?;
        match record.call {
            Call::Mark { hash } if hash != self.outputs.finish() => return Err(self.fails(ReplayFault::Differs)),
            Call::Mark { .. } => self.marks += 1,
            Call::End => self.has_ended = true,
            call => {
                let result = call.apply(node, record.now);
                see(Replayed::Call(record.now, &call, result));
                self.calls += 1;
            }
        }
        self.now = record.now;
        self.at = self.records.len() - after.len();
        Ok(true)
    }

    fn poll(&mut self, node: &mut Node<'_>, polls: u32, see: &mut dyn FnMut(Replayed<'_>)) -> Result<(), ReplayError> {
        let mut buffer: Buffer = [0; 1500];
        let mut is_drained = false;
        for _ in 0..polls {
            if is_drained {
                self.idle = self.idle.checked_sub(1).ok_or(self.fails(ReplayFault::Polls))?;
            }
            let output = node.poll_output(&mut buffer);
            is_drained = matches!(output, Output::Timeout(_));
            self.outputs.add(&output);
            see(Replayed::Output(&output));
        }
        Ok(())
    }

    /// The hash of all that the node has put out.
    #[must_use]
    pub fn hash(&self) -> u128 {
        self.outputs.finish()
    }

    /// The time of the last record that was replayed.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Calls that were made.
    #[must_use]
    pub const fn calls(&self) -> u64 {
        self.calls
    }

    /// Hashes in the journal that were those of the replay.
    #[must_use]
    pub const fn marks(&self) -> u64 {
        self.marks
    }

    const fn fails(&self, fault: ReplayFault) -> ReplayError {
        ReplayError { at: self.at, fault }
    }
}

/// Records that do not replay to their end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReplayError {
    at: usize,
    fault: ReplayFault,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ReplayFault {
    Record(RecordError),
    Differs,
    Polls,
    AfterEnd,
}

impl ReplayError {
    /// How many bytes of the records are sound.
    #[must_use]
    pub const fn sound(&self) -> usize {
        self.at
    }

    /// Whether they are sound as far as they go, and only the end is missing: who wrote them was killed, or writes
    /// still.
    #[must_use]
    pub const fn is_cut(&self) -> bool {
        matches!(self.fault, ReplayFault::Record(RecordError::Cut))
    }
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "after the first {} bytes of the records, ", self.at)?;
        match self.fault {
            ReplayFault::Record(RecordError::Cut) => f.write_str("the end is missing"),
            ReplayFault::Record(error) => fmt::Display::fmt(&error, f),
            ReplayFault::Differs => f.write_str("the node puts out something else than was recorded"),
            ReplayFault::Polls => f.write_str("more polls are claimed than a drain has"),
            ReplayFault::AfterEnd => f.write_str("something follows that is no part of the journal"),
        }
    }
}

impl std::error::Error for ReplayError {}
