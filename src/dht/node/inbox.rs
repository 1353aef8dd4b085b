//! Intermediate results that wait to be drained: a few places of fixed size.
//!
//! One input brings at most one result, so a caller who drains after every input never loses any. One who does not
//! loses the newest, counted in the operation's outcome.

use crate::base::ring::Ring;
use crate::base::slab::SlabKey;
use crate::base::time::Duration;
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;

/// Bytes of one result: the largest part of a datagram that can be one.
pub(super) const MAX_LEN: usize = 1100;

/// What kind of result waits, and its numbers.
///
/// With this representation the first kind, with nothing delivered, has no bit set.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(super) enum ResultKind {
    /// Peers: the bytes are the items of the received list, of which `done` were delivered.
    Peers { done: u16 },
    /// An item: the bytes are its value.
    Value { seq: i64, signature: [u8; 64] },
    /// Info-hashes: the bytes are the samples.
    Samples { num: u64, interval: Duration },
    /// A single answer: the bytes are its nodes, normalised.
    Response { rtt: Duration },
}

/// A place for one result.
#[derive(Clone, Debug)]
pub struct WaitingResult {
    pub(super) op: SlabKey,
    pub(super) from: Endpoint,
    pub(super) id: Id,
    pub(super) found: ResultKind,
    len: u16,
    bytes: [u8; MAX_LEN],
}

impl WaitingResult {
    /// Unused memory: all its bits are zero, so that a static of it costs no flash.
    pub const BLANK: WaitingResult = WaitingResult {
        op: SlabKey { index: 0, generation: 0 },
        from: Endpoint::UNSPECIFIED,
        id: Id([0; 20]),
        found: ResultKind::Peers { done: 0 },
        len: 0,
        bytes: [0; MAX_LEN],
    };

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl Default for WaitingResult {
    fn default() -> Self {
        WaitingResult::BLANK
    }
}

/// Adds a result; `false` when there was no room for it.
pub(super) fn push(
    inbox: &mut Ring<'_, WaitingResult>,
    op: SlabKey,
    from: Endpoint,
    id: Id,
    found: ResultKind,
    bytes: &[u8],
) -> bool {
    if bytes.len() > MAX_LEN {
        return false;
    }
    let Some(place) = inbox.claim() else { return false };
    (place.op, place.from, place.id, place.found) = (op, from, id, found);
    place.len = bytes.len() as u16;
    place.bytes[..bytes.len()].copy_from_slice(bytes);
    true
}
