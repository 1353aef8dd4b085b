//! What has to hold in a node that was drained, counted again from nothing.
//!
//! The parts recount themselves. Here is what holds between them: who waits for an answer has an open query, who waits
//! for time has a deadline, and whoever has neither has something to do, which a drain would have done.

use crate::base::slab::SlabKey;
use crate::dht::node::state::Node;
use crate::dht::node::storage::MAX_OPERATIONS;
use crate::dht::transactions::{Open, Purpose, Stage};
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;

impl Node<'_> {
    /// Recounts everything that has to hold after a complete drain.
    pub fn check_invariants(&self) {
        self.links.iter().for_each(|link| link.table.check_invariants());
        self.items.check_invariants();
        self.peers.check_invariants();
        self.deadlines.check_invariants();
        self.transactions.check_invariants();
        self.check_transactions();
        self.check_operations();
        assert!(self.replies.is_empty() && self.inbox.is_empty(), "a drain takes everything");
        assert_eq!(self.ready.first(), None, "a drain leaves nothing to do");
    }

    /// A query has a soft timeout until it is late, and nothing else has one.
    fn check_transactions(&self) {
        for index in 0..self.transactions.capacity() as u16 {
            let waits = self.transactions.at(index).is_some_and(|open| !open.late);
            assert_eq!(self.deadlines.at(index).is_some(), waits, "soft timeout of query {index}");
        }
    }

    fn check_operations(&self) {
        let mut payloads = [0u64; MAX_OPERATIONS / 64];
        for (key, operation) in self.operations.iter() {
            assert!(operation.finish.is_none(), "a drain ends what is over");
            assert!(self.deadlines.at(self.wake_key(key.index)).is_some(), "every operation wakes up");
            assert!(
                !self.blocked.contains(key.index) || !self.transactions.is_empty(),
                "an open query will end its wait"
            );
            if let Some(word) = payloads.get_mut(usize::from(operation.payload) / 64) {
                let bit = 1 << (operation.payload % 64);
                assert_eq!(*word & bit, 0, "one payload for each");
                *word |= bit;
            } else {
                assert!(!operation.for_user, "a user's operation carries a payload");
            }
            let to = |id: &Id, to: &Endpoint| {
                let (id, to) = (*id, *to);
                move |open: &&Open| open.id == Some(id) && open.to == to
            };
            let asked = |id: &Id, at: &Endpoint| self.open_of(key, Stage::Converge).filter(to(id, at)).any(|o| !o.late);
            let storing = |id: &Id, at: &Endpoint| self.open_of(key, Stage::Store).any(|o| to(id, at)(&o));
            let (candidates, tokens) = self.operations.window(key);
            let unidentified = self.open_of(key, Stage::Bootstrap).count();
            operation.lookup.check_invariants(candidates, tokens, asked, storing, unidentified);
        }
        for index in 0..self.operations.capacity() as u16 {
            let waits = self.deadlines.at(self.wake_key(index)).is_some();
            assert_eq!(waits, self.operations.key_at(index).is_some(), "only what is there wakes up");
        }
        let users = self.operations.iter().filter(|(_, operation)| operation.for_user).count();
        assert!(users <= self.user_places(), "users keep to their places");
    }

    /// Open queries of a stage of an operation.
    fn open_of(&self, key: SlabKey, stage: Stage) -> impl Iterator<Item = &Open> {
        let purpose = Purpose::Operation { index: key.index, generation: key.generation, stage };
        (0..self.transactions.capacity() as u16)
            .filter_map(|index| self.transactions.at(index))
            .filter(move |open| open.purpose == purpose)
    }
}
