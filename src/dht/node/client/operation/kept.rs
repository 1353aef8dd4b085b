//! Operations of the keeper.

use super::OperationState;
use crate::dht::event::KeepId;
use crate::dht::lookup::Candidate;

impl OperationState {
    /// The same, for the keeper: nobody waits for it. A look is at as many nodes as a put stores on; a put leaves so
    /// many copies, where it does not store on all.
    pub(in crate::dht::node::client) fn of_keeper(self, keep: KeepId, copies: u8) -> Self {
        let tag = u64::from(keep.index) | u64::from(keep.generation) << 16;
        let mut lookup = self.lookup.filling(copies);
        if !self.goal.stores() {
            lookup.widen();
        }
        OperationState { tag, lookup, for_user: false, for_keeper: true, ..self }
    }

    /// Whether it is the keeper's, and of which handle.
    pub(in crate::dht::node::client) fn keep(&self) -> Option<KeepId> {
        let keep = KeepId { index: self.tag as u16, generation: (self.tag >> 16) as u32 };
        Some(keep).filter(|_| self.for_keeper)
    }

    /// One more node returned the version that is the best so far.
    pub(in crate::dht::node::client) fn on_copy(&mut self, seq: i64) {
        let before = if self.copies.1 == seq { self.copies.0 } else { 0 };
        self.copies = (before.saturating_add(1), seq);
    }

    /// Of the nearest nodes, how many answered, and how many copies it knows of: of this version, if it only looks.
    pub(in crate::dht::node::client) fn copies(
        &self,
        candidates: &[Candidate],
        replicas: u8,
        seq: i64,
    ) -> (usize, usize) {
        let (answered, stored) = self.lookup.copies(candidates, replicas);
        let seen = if self.copies.1 == seq { self.copies.0.into() } else { 0 };
        (answered, if self.goal.stores() { stored } else { seen })
    }
}
