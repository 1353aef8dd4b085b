//! The ids that a link had at other addresses.
//!
//! An id belongs to an address (BEP 42), so an id alone shows whether it is that of an address: whoever comes back to
//! one has the id again that it had there, and its neighbours know it still. An uplink that goes to and fro between two
//! addresses has two ids.

use arrayvec::ArrayVec;

use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;

/// Ids that are remembered besides the one that the link has.
pub const FORMER_IDS: usize = 3;

/// The ids of a link at other addresses than its own, the one that it had last at the end.
#[derive(Clone, Default, Debug)]
pub struct FormerIds(ArrayVec<Id, FORMER_IDS>);

impl FormerIds {
    /// The link has this id, and is at this address no more. The one that it had longest ago goes for it.
    pub fn on_left(&mut self, id: &Id, address: &Endpoint) {
        self.0.retain(|former| former != id);
        if id.is_secure_for(address.ip()) {
            self.push(*id);
        }
    }

    /// An earlier run of the link had this id at another address, later than those that were told of before.
    pub fn on_saved(&mut self, id: &Id) {
        self.0.retain(|former| former != id);
        self.push(*id);
    }

    fn push(&mut self, id: Id) {
        if self.0.is_full() {
            self.0.remove(0);
        }
        self.0.push(id);
    }

    /// All of them, the one that it had longest ago first.
    pub fn iter(&self) -> impl Iterator<Item = Id> {
        self.0.iter().copied()
    }

    /// The id that the link had at this address.
    pub fn of_address(&self, address: &Endpoint) -> Option<Id> {
        self.0.iter().rfind(|id| id.is_secure_for(address.ip())).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    /// Rule V7.
    #[test]
    fn three_ids_come_back_with_their_addresses_and_a_fourth_takes_the_place_of_the_oldest() {
        let mut rng = Rng::from_seed([3; 32]);
        let address = |n: u8| Endpoint::v4([80 + n, n, n, n], 1);
        let ids: [Id; 4] = core::array::from_fn(|n| Id::secure(address(n as u8).ip(), &mut rng));
        let mut former = FormerIds::default();
        let known = |former: &FormerIds| core::array::from_fn(|n| former.of_address(&address(n as u8)) == Some(ids[n]));
        (0..3).for_each(|n| former.on_left(&ids[n], &address(n as u8)));
        assert_eq!(known(&former), [true, true, true, false]);
        former.on_left(&ids[0], &address(0));
        former.on_left(&ids[3], &address(3));
        assert_eq!(known(&former), [true, false, true, true]);
        former.on_left(&ids[1], &address(0));
        assert_eq!(former.0.len(), FORMER_IDS, "an id that was not that of its address comes back with none");
        let mut saved = FormerIds::default();
        former.iter().for_each(|id| saved.on_saved(&id));
        assert_eq!(saved.0, former.0, "they are given back as they were told");
        assert_eq!(known(&saved), [true, false, true, true]);
    }
}
