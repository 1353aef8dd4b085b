//! The ids that a link had at other addresses: when they go and come back, and how they outlast a restart.

use super::{Link, id_at};
use crate::base::rng::Rng;
use crate::base::time::Instant;
use crate::dht::event::IdLoss;
use crate::dht::former_ids::FormerIds;
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;

impl Link<'_> {
    /// None of them is the one that the link has.
    pub(in crate::dht::node) fn former_ids(&self) -> impl Iterator<Item = Id> {
        self.former.iter()
    }

    /// An earlier run had this id. If it is the one that the link has it is worth a place among the others, and needs
    /// none before it goes.
    pub(in crate::dht::node) fn import_id(&mut self, id: &Id) {
        if id == self.own() {
            self.had_id_before = true;
        } else if *id != Id::default() {
            self.former.push(*id);
        }
    }

    /// The link is at this address now, and its id does not fit it.
    pub(super) fn change_id(&mut self, now: Instant, rng: &mut Rng, left: Option<Endpoint>, addr: Endpoint) {
        let own = *self.own();
        // First of all, since the one that goes may need its place.
        let back = self.former.take(&addr);
        // One that was drawn for no address comes back with none.
        if self.had_id_before || left.is_some_and(|left| own.is_secure_for(left.ip())) {
            self.former.push(own);
        }
        self.set_id(now, back.unwrap_or_else(|| Id::secure(addr.ip(), rng)), IdLoss::Moved);
    }

    /// Another node has our id: it does not come back, nor do those that it may have besides, from the same state.
    pub(super) fn lose_id(&mut self, now: Instant, rng: &mut Rng) {
        self.former = FormerIds::default();
        self.set_id(now, id_at(self.external(), rng), IdLoss::Taken);
    }

    fn set_id(&mut self, now: Instant, id: Id, why: IdLoss) {
        self.had_id_before = false;
        self.table.set_own(now, id);
        self.news_id = Some(why);
    }
}
