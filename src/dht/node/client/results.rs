//! Intermediate results that wait to be drained: a few places of fixed size.
//!
//! One answer takes one place: for what it found and, of a node that was asked alone, for what else it said. So a
//! caller who drains after every input never loses any. One who does not loses the newest, counted in the operation's
//! outcome.

use heapless::Vec;

use crate::base::ring::Ring;
use crate::base::slab::SlabKey;
use crate::base::time::Duration;
use crate::dht::node::client::goal::Goal;
use crate::dht::node::client::operations::Operations;
use crate::dht::node::plan::Note;
use crate::krpc::compact::{self, Values};
use crate::krpc::endpoint::{Endpoint, Network};
use crate::krpc::id::Id;
use crate::krpc::lists::{Nodes, Peers};
use crate::krpc::message::{MAX_TOKEN, Response};

/// Bytes of what was found: the largest part of a datagram that can be it.
pub(super) const MAX_FOUND: usize = 1100;
/// Bytes of a place: behind the largest value fits for what a node says besides, a bucket of nodes included.
const MAX_LEN: usize = 1400;
/// Bytes of a node's version that are told.
const MAX_VERSION: usize = 8;
/// Peers in one event: what fits the buffer.
const PEERS_IN_EVENT: usize = 80;

/// What was found, and its numbers.
#[derive(Clone, Copy, Debug)]
pub(super) enum ResultKind {
    /// Peers: the bytes are the items of the received list, of which `done` were delivered.
    Peers { done: u16 },
    /// An item: the bytes are its value.
    Value { seq: i64, signature: [u8; 64] },
    /// Info-hashes: the bytes are the samples.
    Samples { num: u64, interval: Duration },
}

/// What the only node said besides: the bytes are the nodes that it named, normalised, then its token and its version.
#[derive(Clone, Copy, Debug)]
struct Said {
    rtt: Duration,
    ip: Option<Endpoint>,
    nodes: u16,
    token: u16,
    version: u16,
}

/// The answer that brought a result.
#[derive(Clone, Copy, Debug)]
pub(super) struct ResultHead {
    /// The operation that it is for.
    pub op: SlabKey,
    /// Who brought it.
    pub from: Endpoint,
    pub id: Id,
}

/// A place for what one answer brought.
#[derive(Clone, Debug)]
pub struct WaitingResult {
    head: ResultHead,
    found: Option<ResultKind>,
    said: Option<Said>,
    /// What was found, then what was said.
    bytes: Vec<u8, MAX_LEN, u16>,
}

impl Default for WaitingResult {
    fn default() -> Self {
        let head = ResultHead { op: SlabKey { index: 0, generation: 0 }, from: Endpoint::UNSPECIFIED, id: Id([0; 20]) };
        WaitingResult { head, found: None, said: None, bytes: Vec::new() }
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

    /// Adds what an answer found; `false` when every place is taken.
    pub(super) fn found(&mut self, head: ResultHead, found: ResultKind, bytes: &[u8]) -> bool {
        if bytes.len() > MAX_FOUND {
            return false;
        }
        let Some(place) = self.claim(head) else { return false };
        place.found = Some(found);
        place.bytes.extend_from_slice(bytes).is_ok()
    }

    /// Adds what the only node said: to what its answer found, if that waits, as the newest. Of the nodes that it named
    /// those that are `worth` it, as far as there is room. `false` when every place is taken.
    pub(super) fn said(
        &mut self,
        head: ResultHead,
        to_found: bool,
        rtt: Duration,
        response: &Response<'_>,
        worth: impl Fn(&Id, &Endpoint) -> bool,
    ) -> bool {
        let place = if to_found { self.0.back() } else { self.claim(head) };
        place.is_some_and(|place| place.say(rtt, response, worth))
    }

    fn claim(&mut self, head: ResultHead) -> Option<&mut WaitingResult> {
        let place = self.0.claim()?;
        (place.head, place.found, place.said) = (head, None, None);
        place.bytes.clear();
        Some(place)
    }

    /// Takes the next result of an operation that still runs into `buf`.
    pub(super) fn next(&mut self, operations: &mut Operations<'_>, network: Network, buf: &mut [u8]) -> Option<Note> {
        while let Some(place) = self.0.front() {
            let note = place.next(operations, network, buf);
            if note.is_some() {
                return note;
            }
            self.0.pop();
        }
        None
    }
}

impl WaitingResult {
    /// Keeps what the node said.
    fn say(&mut self, rtt: Duration, response: &Response<'_>, worth: impl Fn(&Id, &Endpoint) -> bool) -> bool {
        let token = response.token.filter(|token| token.len() <= MAX_TOKEN).unwrap_or_default();
        let version = response.version.unwrap_or_default();
        let version = &version[..version.len().min(MAX_VERSION)];
        let found = self.bytes.len();
        let most = (MAX_LEN - found).saturating_sub(token.len() + version.len()) / Nodes::ENTRY;
        let fours = compact::nodes4(response.nodes.unwrap_or_default());
        let sixes = compact::nodes6(response.nodes6.unwrap_or_default());
        for (id, endpoint) in fours.chain(sixes).filter(|(id, endpoint)| worth(id, endpoint)) {
            let named = Nodes::from_bytes(&self.bytes[found..]);
            if named.len() < most && !named.iter().any(|(_, other)| other == endpoint) {
                let mut node = [0; Nodes::ENTRY];
                let len = Nodes::write(&mut node, &id, &endpoint).unwrap_or_default();
                let _ = self.bytes.extend_from_slice(&node[..len]);
            }
        }
        let nodes = (self.bytes.len() - found) as u16;
        let (token_len, version_len) = (token.len() as u16, version.len() as u16);
        self.said = Some(Said { rtt, ip: response.ip, nodes, token: token_len, version: version_len });
        self.bytes.extend_from_slice(token).is_ok() && self.bytes.extend_from_slice(version).is_ok()
    }

    /// What was found, then what was said; `None` when all of it was delivered.
    fn next(&mut self, operations: &mut Operations<'_>, network: Network, buf: &mut [u8]) -> Option<Note> {
        let found = match self.found {
            Some(ResultKind::Peers { done }) => self.next_peers(done, operations, network, buf),
            Some(found) => {
                self.found = None;
                self.whole(found, operations, buf)
            }
            None => None,
        };
        // A list stays until all of it was delivered.
        found.or_else(|| self.next_said(operations, buf))
    }

    /// How many bytes belong to what was found.
    fn found_len(&self) -> usize {
        let said = self.said.map_or(0, |said| said.nodes + said.token + said.version);
        self.bytes.len() - usize::from(said)
    }

    /// The next peers of a list, as many as one event has place for; `None` when all were delivered.
    fn next_peers(&mut self, done: u16, operations: &Operations<'_>, network: Network, buf: &mut [u8]) -> Option<Note> {
        let ResultHead { op, from, .. } = self.head;
        let tag = operations.get(op)?.tag();
        let (mut len, mut count) = (0, 0);
        let peers = Values::List(&self.bytes[..self.found_len()]).peers().filter(|peer| peer.is_usable(network));
        for peer in peers.skip(usize::from(done)).take(PEERS_IN_EVENT) {
            len += Peers::write(&mut buf[len..], &peer).unwrap_or_default();
            count += 1;
        }
        self.found = (count > 0).then_some(ResultKind::Peers { done: done + count });
        (count > 0).then_some(Note::Peers { op: op.into(), tag, from, len })
    }

    /// What was found, in one event.
    fn whole(&self, found: ResultKind, operations: &mut Operations<'_>, buf: &mut [u8]) -> Option<Note> {
        let ResultHead { op, from, id } = self.head;
        let mut active = operations.active(op)?;
        let (operation, payload) = active.carrying()?;
        let (op, tag, len) = (op.into(), operation.tag(), self.found_len());
        buf[..len].copy_from_slice(&self.bytes[..len]);
        Some(match found {
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
            ResultKind::Peers { .. } => return None,
        })
    }

    /// What the only node said.
    fn next_said(&mut self, operations: &Operations<'_>, buf: &mut [u8]) -> Option<Note> {
        let found = self.found_len();
        let Said { rtt, ip, nodes, token, version } = self.said.take()?;
        let ResultHead { op, from, id } = self.head;
        let tag = operations.get(op)?.tag();
        let said = &self.bytes[found..];
        buf[..said.len()].copy_from_slice(said);
        let [nodes, token, version] = [nodes, token, version].map(usize::from);
        Some(Note::Response { op: op.into(), tag, from, id, rtt, ip, nodes, token, version })
    }
}
