//! The table of operations.
//!
//! Its memory is flat: the place of an operation in the slab is the place of its window of candidates; operations of
//! users have a payload and tokens besides.

use crate::base::bitset::BitSet;
use crate::base::list::List;
use crate::base::slab::{Slab, SlabEntry, SlabKey};
use crate::dht::event::OpId;
use crate::dht::lookup::{Candidate, LookupWindow, TokenCell};
use crate::dht::node::client::operation::{Active, OperationState};
use crate::dht::node::client::payload::Payload;

/// The place of the payload of an operation that has none.
const NO_PAYLOAD: u16 = u16::MAX;

/// All running operations.
#[derive(Debug)]
pub struct Operations<'s> {
    slab: Slab<'s, OperationState>,
    candidates: List<'s, Candidate>,
    tokens: List<'s, TokenCell>,
    payloads: List<'s, Payload>,
}

impl<'s> Operations<'s> {
    pub(in crate::dht::node) fn new(
        operations: List<'s, SlabEntry<OperationState>>,
        mut candidates: List<'s, Candidate>,
        mut tokens: List<'s, TokenCell>,
        mut payloads: List<'s, Payload>,
    ) -> Self {
        candidates.clear();
        tokens.clear();
        payloads.clear();
        Operations { slab: Slab::new(operations), candidates, tokens, payloads }
    }

    pub(super) fn capacity(&self) -> usize {
        self.slab.capacity()
    }

    /// Claims a place and, for an operation of a user, an empty payload.
    pub(super) fn insert(&mut self, mut operation: OperationState) -> Option<SlabKey> {
        operation.set_payload(if operation.is_for_user() { self.free_payload()? } else { NO_PAYLOAD });
        if operation.is_for_user() {
            self.grow_to_payload(usize::from(operation.payload()) + 1);
        }
        if let Some(payload) = self.payloads.get_mut(usize::from(operation.payload())) {
            payload.clear();
        }
        let key = self.slab.insert(operation).ok()?;
        self.candidates.grow_to(share_of(&self.candidates, self.slab.capacity()) * (usize::from(key.index) + 1));
        Some(key)
    }

    /// Memory is touched when a payload is carried for the first time.
    // Own stack frame (E1): a new payload passes over the stack once.
    #[inline(never)]
    fn grow_to_payload(&mut self, payloads: usize) {
        self.tokens.grow_to(share_of(&self.tokens, self.payloads.capacity()) * payloads);
        self.payloads.grow_to(payloads);
    }

    /// The first payload that no operation carries.
    fn free_payload(&self) -> Option<u16> {
        let mut taken = BitSet::default();
        self.slab.iter().for_each(|(_, operation)| taken.insert(operation.payload()));
        (0..self.payloads.capacity() as u16).find(|&place| !taken.contains(place))
    }

    pub(super) fn get(&self, key: SlabKey) -> Option<&OperationState> {
        self.slab.get(key)
    }

    pub(super) fn get_mut(&mut self, key: SlabKey) -> Option<&mut OperationState> {
        self.slab.get_mut(key)
    }

    pub(super) fn key_at(&self, index: u16) -> Option<SlabKey> {
        self.slab.key_at(index)
    }

    pub(super) fn remove(&mut self, key: SlabKey) -> Option<OperationState> {
        self.slab.remove(key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (SlabKey, &OperationState)> {
        self.slab.iter()
    }

    /// Operations that somebody waits for.
    pub(super) fn count_for_users(&self) -> usize {
        self.slab.iter().filter(|(_, operation)| operation.is_for_user()).count()
    }

    /// Operations of the node's own upkeep, and stores that go on in the background.
    pub(super) fn count_of_upkeep(&self) -> usize {
        self.slab.len() - self.count_for_users()
    }

    /// An operation with its memory.
    pub(super) fn active(&mut self, key: SlabKey) -> Option<Active<'_>> {
        let of_place = share_of(&self.candidates, self.slab.capacity());
        let of_payload = share_of(&self.tokens, self.payloads.capacity());
        let operation = self.slab.get_mut(key)?;
        let place = operation.payload();
        let window = LookupWindow {
            candidates: share(&mut self.candidates, of_place, key.index),
            tokens: share(&mut self.tokens, of_payload, place),
        };
        Some(Active::new(operation, window, self.payloads.get_mut(usize::from(place))))
    }

    /// The candidates of an operation and how many tokens its lookup may keep.
    #[cfg(any(test, debug_assertions))]
    pub(super) fn window(&self, key: SlabKey) -> (&[Candidate], usize) {
        let each = share_of(&self.candidates, self.slab.capacity());
        let carries = self.slab.get(key).is_some_and(|operation| operation.payload() != NO_PAYLOAD);
        let tokens = if carries { share_of(&self.tokens, self.payloads.capacity()) } else { 0 };
        (&self.candidates[each * usize::from(key.index)..][..each], tokens)
    }
}

/// Elements of a list for each of so many.
fn share_of<T>(all: &List<'_, T>, count: usize) -> usize {
    all.capacity() / count.max(1)
}

/// The `index`-th share of `each` elements; nothing past the last.
fn share<T>(all: &mut [T], each: usize, index: u16) -> &mut [T] {
    let start = each.saturating_mul(usize::from(index));
    all.get_mut(start..start.saturating_add(each)).unwrap_or_default()
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
