//! Operations of the keeper.

use super::{ForWhom, OperationState};
use crate::dht::event::KeepId;
use crate::dht::keeper::LinkCopies;
use crate::dht::lookup::{Candidate, LookupWindow};
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;

impl OperationState {
    /// The same, for the keeper: nobody waits for it. A look is at as many nodes as a put stores on; a put leaves so
    /// many copies, where it does not store on all.
    pub(in crate::dht::node::client) fn of_keeper(self, keep: KeepId, copies: u8) -> Self {
        let tag = u64::from(keep.index) | u64::from(keep.generation) << 16;
        let mut lookup = self.lookup.filling(copies);
        if !self.goal.stores() {
            lookup.widen();
        }
        OperationState { tag, lookup, for_whom: ForWhom::Keeper, ..self }
    }

    /// Whether it is the keeper's, and of which handle.
    pub(in crate::dht::node::client) fn keep(&self) -> Option<KeepId> {
        let keep = KeepId { index: self.tag as u16, generation: (self.tag >> 16) as u32 };
        Some(keep).filter(|_| self.for_whom == ForWhom::Keeper)
    }

    /// A node returned the version that is the best so far: a look of the keeper remembers who has copies.
    pub(in crate::dht::node::client) fn on_copy(
        &mut self,
        w: &mut LookupWindow<'_>,
        seq: i64,
        id: &Id,
        from: &Endpoint,
    ) {
        if self.for_whom == ForWhom::Keeper {
            let before = core::mem::replace(&mut self.copied, seq);
            self.lookup.on_copy(w, id, from, before != seq);
        }
    }

    /// Of the nearest nodes, how many answered, and how many copies it knows of: of this version, if it only looks.
    pub(in crate::dht::node::client) fn copies(&self, candidates: &[Candidate], replicas: u8, seq: i64) -> LinkCopies {
        let (answered, copies) = self.lookup.copies(candidates, replicas);
        let copies = if self.goal.stores() || self.copied == seq { copies } else { 0 };
        let [answered, copies] = [answered, copies].map(|count| u8::try_from(count).unwrap_or(u8::MAX));
        LinkCopies { answered, copies }
    }
}
