//! The ids that a link had at other addresses, to be saved and given back.

use super::Link;
use crate::krpc::id::Id;

impl Link<'_> {
    pub(in crate::dht::node) fn former_ids(&self) -> impl Iterator<Item = Id> {
        self.former.iter().filter(|id| id != self.own())
    }

    /// An earlier run had this id. Maybe it is the one that the link has: it may lose that where it is seen first.
    pub(in crate::dht::node) fn import_id(&mut self, id: &Id) {
        if *id != Id::default() {
            self.former.on_saved(id);
        }
    }
}
