//! Operations: what a user (or the node's own upkeep) wants, and the lookup that gets it.
//!
//! An operation lives from its command to its `Finished`. Its [`Goal`] decides which query the lookup asks, what
//! counts as a result and what is stored at the end. The memory of all operations is flat: the place of an operation
//! in the pool is the place of its window of candidates, its tokens and its payload.

use arrayvec::ArrayVec;

use crate::base::bitset::BitSet;
use crate::base::slab::{Memory, Slab, SlabEntry, SlabKey};
use crate::base::time::Instant;
use crate::dht::command::{DirectQuery, Freshness, PeerKind};
use crate::dht::event::{OpId, Outcome, Reason};
use crate::dht::lookup::{Candidate, Lookup, LookupWindow, TokenCell};
use crate::krpc::bloom::Bloom;
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;
use crate::krpc::item::{Item, MAX_SALT, MAX_VALUE, Mutable};
use crate::krpc::message::{Method, Want};

/// What an operation is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Goal {
    /// One query to one node.
    Direct { to: Endpoint, query: DirectQuery, sent: bool },
    /// Our own neighbourhood.
    Bootstrap,
    /// The closest nodes.
    Nodes,
    /// The value with this hash.
    Immutable,
    /// A signed value; key and salt are in the payload, and the best value so far too.
    Mutable { newer_than: Option<i64>, freshness: Freshness },
    /// Peers.
    Peers,
    /// Sizes of a swarm; the filters are in the payload.
    Scrape,
    /// Info-hashes of the nodes around the target.
    Sample,
    /// Store the payload's value.
    PutImmutable,
    /// Store the payload's signed value.
    PutMutable { cas: Option<i64> },
    /// Store our address.
    Announce { port: Option<u16>, kind: PeerKind },
}

impl Goal {
    /// Whether the lookup ends by storing.
    pub(super) fn stores(&self) -> bool {
        matches!(self, Goal::PutImmutable | Goal::PutMutable { .. } | Goal::Announce { .. })
    }

    /// The query that finds closer nodes.
    pub(super) fn query(&self, target: Id, want: Want) -> Method<'static> {
        match *self {
            Goal::Direct { query: DirectQuery::Ping, .. } => Method::Ping,
            Goal::Direct { query: DirectQuery::FindNode { target, want }, .. } => Method::FindNode { target, want },
            Goal::Direct { query: DirectQuery::Sample { target }, .. } => Method::SampleInfohashes { target, want },
            Goal::Bootstrap | Goal::Nodes => Method::FindNode { target, want },
            Goal::Peers | Goal::Announce { .. } => {
                Method::GetPeers { info_hash: target, want, noseed: false, scrape: false }
            }
            Goal::Scrape => Method::GetPeers { info_hash: target, want, noseed: false, scrape: true },
            Goal::Sample => Method::SampleInfohashes { target, want },
            Goal::Mutable { newer_than, .. } => Method::Get { target, seq: newer_than, want },
            Goal::Immutable | Goal::PutImmutable | Goal::PutMutable { .. } => Method::Get { target, seq: None, want },
        }
    }
}

/// A running operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct OperationState {
    pub tag: u64,
    pub link: u8,
    pub goal: Goal,
    pub lookup: Lookup,
    pub outcome: Outcome,
    pub started: Instant,
    pub deadline: Instant,
    /// Set when the end is decided; the next drain says so.
    pub finish: Option<Reason>,
    /// Next of the bootstrap nodes to ask; past the end when none is to be asked.
    pub next_bootstrap: u8,
    /// Started by a command, not by upkeep: somebody waits for its `Finished`.
    pub for_user: bool,
    /// The closing list or estimate was delivered.
    pub summed_up: bool,
    /// WaitingResult of its payload and its tokens; operations of the node's own upkeep carry nothing.
    pub payload: u16,
}

/// What an operation carries: the item of a put, the key and the best value of a get, the filters of a scrape.
#[derive(Clone, Debug, Default)]
pub struct Payload {
    pub(super) value: ArrayVec<u8, MAX_VALUE>,
    pub(super) salt: ArrayVec<u8, MAX_SALT>,
    pub(super) key: [u8; 32],
    pub(super) seq: i64,
    pub(super) signature: Signature,
}

/// A signature with a default.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signature(pub [u8; 64]);

impl Default for Signature {
    fn default() -> Self {
        Signature([0; 64])
    }
}

impl Payload {
    /// Unused memory: all its bits are zero, so that a static of it costs no flash.
    pub const BLANK: Payload = Payload {
        value: ArrayVec::new_const(),
        salt: ArrayVec::new_const(),
        key: [0; 32],
        seq: 0,
        signature: Signature([0; 64]),
    };

    fn clear(&mut self) {
        self.value.clear();
        self.salt.clear();
        self.seq = -1;
    }

    /// The item as it goes on the wire.
    pub(super) fn item(&self, mutable: bool) -> Item<'_> {
        let mutable = mutable.then_some(Mutable {
            key: &self.key,
            salt: &self.salt,
            seq: self.seq,
            signature: &self.signature.0,
        });
        Item { value: &self.value, mutable }
    }

    /// Adds one responder's filters to the union. Its frame is not to lie below everything else that an answer causes.
    #[inline(never)]
    pub(super) fn add_filters(&mut self, seeds: &[u8; Bloom::LEN], peers: &[u8; Bloom::LEN]) {
        let (mut all_seeds, mut all_peers) = self.filters();
        all_seeds.union(seeds);
        all_peers.union(peers);
        self.value.clear();
        for filter in [all_seeds, all_peers] {
            self.value.extend(filter.0);
        }
    }

    /// The union of all filters: seeds, other peers.
    pub(super) fn filters(&self) -> (Bloom, Bloom) {
        let part = |from: usize| {
            let bytes = self.value.get(from..from + Bloom::LEN).and_then(|b| b.try_into().ok());
            bytes.map_or_else(Bloom::default, Bloom)
        };
        (part(0), part(Bloom::LEN))
    }
}

/// The table of operations.
#[derive(Debug)]
pub(super) struct Operations<'s> {
    pool: Slab<'s, OperationState>,
    candidates: Memory<'s, Candidate>,
    tokens: Memory<'s, TokenCell>,
    payloads: Memory<'s, Payload>,
}

/// The place of the payload of an operation that has none.
const NO_PAYLOAD: u16 = u16::MAX;

impl<'s> Operations<'s> {
    pub(super) fn new(
        slots: Memory<'s, SlabEntry<OperationState>>,
        candidates: Memory<'s, Candidate>,
        tokens: Memory<'s, TokenCell>,
        payloads: Memory<'s, Payload>,
    ) -> Self {
        Operations { pool: Slab::new(slots), candidates, tokens, payloads }
    }

    pub(super) fn capacity(&self) -> usize {
        self.pool.capacity()
    }

    /// Claims a place and, for an operation of a user, an empty payload.
    pub(super) fn insert(&mut self, mut operation: OperationState) -> Option<SlabKey> {
        operation.payload = if operation.for_user { self.free_payload()? } else { NO_PAYLOAD };
        if let Some(payload) = self.payloads.get_mut(usize::from(operation.payload)) {
            payload.clear();
        }
        self.pool.insert(operation).ok()
    }

    /// The first payload that no operation carries.
    fn free_payload(&self) -> Option<u16> {
        let mut taken = BitSet::default();
        self.pool.iter().for_each(|(_, operation)| taken.insert(operation.payload));
        (0..self.payloads.len() as u16).find(|&place| !taken.contains(place))
    }

    pub(super) fn get(&self, key: SlabKey) -> Option<&OperationState> {
        self.pool.get(key)
    }

    pub(super) fn key_at(&self, index: u16) -> Option<SlabKey> {
        self.pool.key_at(index)
    }

    pub(super) fn remove(&mut self, key: SlabKey) -> Option<OperationState> {
        self.pool.remove(key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (SlabKey, &OperationState)> {
        self.pool.iter()
    }

    /// An operation with its memory.
    pub(super) fn parts(&mut self, key: SlabKey) -> Option<Parts<'_>> {
        let (places, payloads) = (self.pool.capacity(), self.payloads.len());
        let operation = self.pool.get_mut(key)?;
        let place = operation.payload;
        Some(Parts {
            window: LookupWindow {
                candidates: share(&mut self.candidates, places, key.index),
                tokens: share(&mut self.tokens, payloads, place),
            },
            payload: self.payloads.get_mut(usize::from(place)),
            operation,
        })
    }

    /// The candidates of an operation and how many tokens its lookup may keep.
    #[cfg(any(test, debug_assertions))]
    pub(super) fn window(&self, key: SlabKey) -> (&[Candidate], usize) {
        let (places, payloads) = (self.pool.capacity(), self.payloads.len());
        let each = self.candidates.len() / places.max(1);
        let carries = self.pool.get(key).is_some_and(|operation| usize::from(operation.payload) < payloads);
        let tokens = if carries { self.tokens.len() / payloads } else { 0 };
        (&self.candidates[each * usize::from(key.index)..][..each], tokens)
    }
}

/// The `index`-th of `places` equal shares; nothing past the last.
fn share<T>(all: &mut [T], places: usize, index: u16) -> &mut [T] {
    let each = all.len() / places.max(1);
    let start = each.saturating_mul(usize::from(index));
    all.get_mut(start..start.saturating_add(each)).unwrap_or_default()
}

/// One operation and its memory.
pub(super) struct Parts<'a> {
    pub operation: &'a mut OperationState,
    pub window: LookupWindow<'a>,
    /// None for operations of the node's own upkeep.
    pub payload: Option<&'a mut Payload>,
}

impl From<SlabKey> for OpId {
    fn from(key: SlabKey) -> Self {
        OpId { index: key.index, generation: key.generation }
    }
}

impl From<OpId> for SlabKey {
    fn from(op: OpId) -> Self {
        SlabKey { index: op.index, generation: op.generation }
    }
}
