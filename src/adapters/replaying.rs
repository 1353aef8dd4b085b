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
    /// The polls in front of the next record have been made.
    is_drained: bool,
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
        Replay {
            records,
            at: 0,
            idle: records.len(),
            outputs,
            now,
            calls: 0,
            marks: 0,
            is_drained: false,
            has_ended: false,
        }
    }

    /// How many bytes of the records are replayed.
    #[must_use]
    pub const fn at(&self) -> usize {
        self.at
    }

    /// The time of the next record, if there is one.
    #[must_use]
    pub fn next_at(&self) -> Option<Instant> {
        let mut nodes = [Endpoint::UNSPECIFIED; Config::MAX_BOOTSTRAP_NODES];
        self.next(&mut nodes).ok().map(|(record, _)| record.now)
    }

    /// Replays one record; false when the last one, which says that it is, had been replayed before.
    ///
    /// # Errors
    /// [`ReplayError`] says why this record does not replay, and does so again when it is asked again.
    pub fn step(&mut self, node: &mut Node<'_>, see: &mut dyn FnMut(Replayed<'_>)) -> Result<bool, ReplayError> {
        if self.has_ended {
            let is_all = self.at == self.records.len();
            return if is_all { Ok(false) } else { Err(self.fails(ReplayFault::AfterEnd)) };
        }
        self.drain(node, see)?;
        let mut nodes = [Endpoint::UNSPECIFIED; Config::MAX_BOOTSTRAP_NODES];
        let (record, after) = self.next(&mut nodes)?;
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
        (self.now, self.is_drained) = (record.now, false);
        self.at = self.records.len() - after.len();
        Ok(true)
    }

    /// Makes the polls in front of the next record, which is not replayed: what the calls before it led to.
    ///
    /// # Errors
    /// Those of [`step`](Replay::step).
    pub fn drain(&mut self, node: &mut Node<'_>, see: &mut dyn FnMut(Replayed<'_>)) -> Result<(), ReplayError> {
        if self.has_ended || self.is_drained {
            return Ok(());
        }
        let mut nodes = [Endpoint::UNSPECIFIED; Config::MAX_BOOTSTRAP_NODES];
        let (record, _) = self.next(&mut nodes)?;
        let mut buffer: Buffer = [0; 1500];
        let mut is_over = false;
        for _ in 0..record.polls {
            if is_over {
                self.idle = self.idle.checked_sub(1).ok_or(self.fails(ReplayFault::Polls))?;
            }
            let output = node.poll_output(&mut buffer);
            is_over = matches!(output, Output::Timeout(_));
            self.outputs.add(&output);
            see(Replayed::Output(&output));
        }
        self.is_drained = true;
        Ok(())
    }

    fn next<'n>(
        &self,
        nodes: &'n mut [Endpoint; Config::MAX_BOOTSTRAP_NODES],
    ) -> Result<(Record<'n>, &'n [u8]), ReplayError>
    where
        'r: 'n,
    {
        Record::decode(&self.records[self.at..], nodes).map_err(|error| self.fails(ReplayFault::Record(error)))
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

    /// What is wrong behind them, without the place.
    #[must_use]
    pub fn reason(&self) -> impl fmt::Display + use<> {
        self.fault
    }

    /// Whether they are sound as far as they go, and only the end is missing: who wrote them was killed, or writes
    /// still.
    #[must_use]
    pub const fn is_cut(&self) -> bool {
        matches!(self.fault, ReplayFault::Record(RecordError::Cut))
    }

    /// Whether the records are sound here, and the node has put out something else than was recorded.
    #[must_use]
    pub const fn differs(&self) -> bool {
        matches!(self.fault, ReplayFault::Differs)
    }
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "after the first {} bytes of the records: {}", self.at, self.fault)
    }
}

impl fmt::Display for ReplayFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReplayFault::Record(error) => fmt::Display::fmt(error, f),
            ReplayFault::Differs => f.write_str("the node puts out something else than was recorded"),
            ReplayFault::Polls => f.write_str("more polls are claimed than a drain has"),
            ReplayFault::AfterEnd => f.write_str("something follows that is no part of the journal"),
        }
    }
}

impl std::error::Error for ReplayError {}
