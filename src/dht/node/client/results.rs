//! Intermediate results that wait to be drained: a few places of fixed size.
//!
//! One input brings at most two results (what the answer of a node that was asked alone found, and what it said), and there
//! are two places at least, so a caller who drains after every input never loses any. One who does not loses the newest,
//! counted in the operation's outcome.

use heapless::Vec;

use crate::base::ring::Ring;
use crate::base::slab::SlabKey;
use crate::base::time::Duration;
use crate::dht::node::client::goal::Goal;
use crate::dht::node::client::operations::Operations;
use crate::dht::node::plan::Note;
use crate::krpc::compact::Values;
use crate::krpc::endpoint::{Endpoint, Network};
use crate::krpc::id::Id;
use crate::krpc::lists::Peers;

/// Bytes of one result: the largest part of a datagram that can be one.
pub(super) const MAX_LEN: usize = 1100;
/// Bytes of a node's version that are told.
pub(super) const MAX_VERSION: usize = 8;
/// Peers in one event: what fits the buffer.
const PEERS_IN_EVENT: usize = 80;

/// What kind of result waits, and its numbers.
#[derive(Clone, Copy, Debug)]
pub(super) enum ResultKind {
    /// Peers: the bytes are the items of the received list, of which `done` were delivered.
    Peers { done: u16 },
    /// An item: the bytes are its value.
    Value { seq: i64, signature: [u8; 64] },
    /// Info-hashes: the bytes are the samples.
    Samples { num: u64, interval: Duration },
    /// What the only node said: the bytes are the nodes that it named, normalised, then its token and its version.
    Response { rtt: Duration, ip: Option<Endpoint>, token: usize, version: usize },
}

/// A result but for its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct ResultHead {
    /// The operation that it is for.
    pub op: SlabKey,
    /// Who brought it.
    pub from: Endpoint,
    pub id: Id,
    pub kind: ResultKind,
}

/// A place for one result.
#[derive(Clone, Debug)]
pub struct WaitingResult {
    head: ResultHead,
    bytes: Vec<u8, MAX_LEN, u16>,
}

impl Default for WaitingResult {
    fn default() -> Self {
        let op = SlabKey { index: 0, generation: 0 };
        let (from, id, kind) = (Endpoint::UNSPECIFIED, Id([0; 20]), ResultKind::Peers { done: 0 });
        WaitingResult { head: ResultHead { op, from, id, kind }, bytes: Vec::new() }
    }
}

/// The results that wait.
#[derive(Debug)]
pub(super) struct Results<'s>(Ring<'s, WaitingResult>);

impl<'s> Results<'s> {
    pub(super) fn new(places: Ring<'s, WaitingResult>) -> Self {
        Results(places)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a result; `false` when every place is taken.
    pub(super) fn push(&mut self, head: ResultHead, bytes: &[u8]) -> bool {
        if bytes.len() > MAX_LEN {
            return false;
        }
        let Some(place) = self.0.claim() else { return false };
        place.head = head;
        place.bytes.clear();
        place.bytes.extend_from_slice(bytes).is_ok()
    }

    /// Takes the next result of an operation that still runs into `buf`.
    pub(super) fn next(&mut self, operations: &mut Operations<'_>, network: Network, buf: &mut [u8]) -> Option<Note> {
        while let Some(place) = self.0.front() {
            let is_list = matches!(place.head.kind, ResultKind::Peers { .. });
            let note = match is_list {
                true => place.next_peers(operations, network, buf),
                false => place.whole(operations, buf),
            };
            // A list stays until all of it was delivered.
            if !is_list || note.is_none() {
                self.0.pop();
            }
            if note.is_some() {
                return note;
            }
        }
        None
    }
}

impl WaitingResult {
    /// The next peers of a list, as many as one event has place for; `None` when all were delivered.
    fn next_peers(&mut self, operations: &Operations<'_>, network: Network, buf: &mut [u8]) -> Option<Note> {
        let ResultHead { op, from, kind: ResultKind::Peers { done }, .. } = self.head else { return None };
        let tag = operations.get(op)?.tag();
        let (mut len, mut count) = (0, 0);
        let peers = Values::List(&self.bytes).peers().filter(|peer| peer.is_usable(network));
        for peer in peers.skip(usize::from(done)).take(PEERS_IN_EVENT) {
            len += Peers::write(&mut buf[len..], &peer).unwrap_or_default();
            count += 1;
        }
        self.head.kind = ResultKind::Peers { done: done + count };
        (count > 0).then_some(Note::Peers { op: op.into(), tag, from, len })
    }

    /// A result that is one event.
    fn whole(&self, operations: &mut Operations<'_>, buf: &mut [u8]) -> Option<Note> {
        let ResultHead { op, from, id, kind } = self.head;
        let mut active = operations.active(op)?;
        let (operation, payload) = active.carrying()?;
        let (op, tag, len) = (op.into(), operation.tag(), self.bytes.len());
        buf[..len].copy_from_slice(&self.bytes[..]);
        Some(match kind {
            ResultKind::Value { seq, signature } => {
                let mut at = len;
                for part in [&payload.key()[..], payload.salt(), &signature[..]] {
                    buf[at..at + part.len()].copy_from_slice(part);
                    at += part.len();
                }
                let mutable = matches!(operation.goal(), Goal::Mutable { .. });
                Note::Value { op, tag, from, len, salt: payload.salt().len(), seq: mutable.then_some(seq) }
            }
            ResultKind::Samples { num, interval } => Note::Samples { op, tag, from, id, num, interval, len },
            ResultKind::Response { rtt, ip, token, version } => {
                Note::Response { op, tag, from, id, rtt, ip, nodes: len - token - version, token, version }
            }
            ResultKind::Peers { .. } => return None,
        })
    }
}
