//! The ids that a link had at other addresses.
//!
//! An id belongs to an address (BEP 42), so an id alone shows whether it is that of an address: whoever comes back to
//! one has the id again that it had there, and its neighbours know it still. An uplink that goes to and fro between two
//! addresses has two ids.

use arrayvec::ArrayVec;

use crate::dht::capacity::FORMER_IDS;
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;

/// The ids of a link at other addresses than its own, the one that it had last at the end.
#[derive(Clone, Default, Debug)]
pub struct FormerIds(ArrayVec<Id, FORMER_IDS>);

impl FormerIds {
    /// The link had this id later than all others. The one that it had longest ago goes for it.
    pub fn push(&mut self, id: Id) {
        self.0.retain(|former| *former != id);
        if self.0.is_full() {
            self.0.remove(0);
        }
        self.0.push(id);
    }

    /// All of them, the one that it had longest ago first.
    pub fn iter(&self) -> impl Iterator<Item = Id> {
        self.0.iter().copied()
    }

    /// The id that the link had at this address, for it to have again: its place is free then.
    pub fn take(&mut self, address: &Endpoint) -> Option<Id> {
        let place = self.0.iter().rposition(|id| id.is_secure_for(address.ip()))?;
        Some(self.0.remove(place))
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
        let address = |n: usize| Endpoint::v4([80 + n as u8; 4], 1);
        let ids: [Id; 5] = core::array::from_fn(|n| Id::secure(address(n).ip(), &mut rng));
        let mut former = FormerIds::default();
        ids[..4].iter().for_each(|id| former.push(*id));
        assert!(former.iter().eq([ids[1], ids[2], ids[3]]));
        // One comes back, and the one that goes for it has its place.
        assert_eq!((former.take(&address(1)), former.take(&address(1))), (Some(ids[1]), None));
        former.push(ids[4]);
        assert!(former.iter().eq([ids[2], ids[3], ids[4]]));
        // One that is told of again was had later than was known.
        former.push(ids[2]);
        assert!(former.iter().eq([ids[3], ids[4], ids[2]]));
        assert_eq!(
            [0, 1, 2, 3, 4].map(|n| former.take(&address(n))),
            [None, None, Some(ids[2]), Some(ids[3]), Some(ids[4])]
        );
    }
}
