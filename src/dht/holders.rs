//! Which networks the entries of a store count for, and which of them holds most.
//!
//! The numbers of the entries are sorted by network, so those of one are a range, of whatever size it is. When a store
//! is full it takes from whoever holds most, so nobody who holds little loses anything to somebody who comes with much.
//! Who that is is known without a look at all: a network comes to hold much only by entries that are added, and is
//! counted then. Those that were found to hold most are remembered with how much that is, a few of them, since when one
//! of them has lost some it is the turn of another.

use arrayvec::ArrayVec;

use crate::base::list::List;
use crate::base::order::{Order, OrderPlace, Ordered};
use crate::krpc::networks::{Networks, quotas};

/// So many of the networks that hold most are remembered.
const REMEMBERED: usize = 8;
/// So many entries of the network that holds most are looked at for the one that has to go.
pub const LOOKED_AT: usize = 8;

/// The entries of a store by network. Whoever calls knows the smallest network of each (`of`).
#[derive(Debug)]
pub struct Holders<'s> {
    order: Order<'s>,
    /// The largest networks that hold most, and how much that is.
    most: ArrayVec<(u64, usize), REMEMBERED>,
    /// Where the next look at its entries begins.
    turn: usize,
}

impl<'s> Holders<'s> {
    /// Nobody holds anything; memory is what [`Order::memory_for`] says.
    pub fn new(memory: List<'s, Ordered>) -> Self {
        Holders { order: Order::new(memory), most: ArrayVec::new_const(), turn: 0 }
    }

    /// Nobody holds anything any more.
    pub fn clear(&mut self) {
        self.order.clear();
        self.most.clear();
    }

    /// How many entries the largest of these networks holds.
    pub fn held(&self, networks: Networks, of: &impl Fn(u32) -> u64) -> usize {
        let [.., largest] = networks.ranges();
        self.count(largest, of)
    }

    /// Whether these networks, of which the largest holds so many, hold as many as they may, where `quota` is that of a
    /// /24 or a /64.
    pub fn is_full(&self, networks: Networks, held: usize, quota: usize, of: &impl Fn(u32) -> u64) -> bool {
        let [small, middle, large] = quotas(quota);
        let [smallest, half, _] = networks.ranges();
        // What all of it holds is enough to know of most.
        held >= large || (held >= small && (self.count(smallest, of) >= small || self.count(half, of) >= middle))
    }

    /// An entry of networks of which the largest held so many before.
    pub fn add(&mut self, networks: Networks, held: usize, number: u32, of: &impl Fn(u32) -> u64) {
        let network = networks.smallest();
        self.order.insert(self.place(network, number, of), front_of(network), number);
        self.note(networks.largest(), held + 1);
    }

    /// An entry is held no longer.
    pub fn remove(&mut self, network: u64, number: u32, of: &impl Fn(u32) -> u64) {
        self.order.remove(self.place(network, number, of));
        let largest = Networks::of_smallest(network).largest();
        self.most
            .iter_mut()
            .filter(|(other, _)| *other == largest)
            .for_each(|(_, held)| *held = held.saturating_sub(1));
    }

    /// A network holds so much. It is remembered, unless all that are hold more.
    fn note(&mut self, network: u64, held: usize) {
        if let Some((_, known)) = self.most.iter_mut().find(|(other, _)| *other == network) {
            *known = held;
        } else if !self.most.is_full() {
            self.most.push((network, held));
        } else if let Some(least) = self.most.iter_mut().min_by_key(|(_, held)| *held)
            && least.1 < held
        {
            *least = (network, held);
        }
    }

    /// Some entries of the one that has to give one up for an entry of networks of which the largest holds so many: of
    /// the one that holds most, as far as is known, or that one of `others` belongs to; of the newcomer's own, where
    /// that would hold as many with it. None when nobody holds more than one, so that nobody holds too much.
    pub fn giving_way(
        &mut self,
        networks: Networks,
        held: usize,
        others: &[u32],
        of: &impl Fn(u32) -> u64,
    ) -> ArrayVec<u32, LOOKED_AT> {
        for &other in others {
            let other = Networks::of_smallest(of(other));
            if !self.most.iter().any(|(known, _)| *known == other.largest()) {
                self.note(other.largest(), self.held(other, of));
            }
        }
        let from = match self.most.iter().max_by_key(|(_, held)| *held) {
            Some((network, most)) if *most > held + 1 => Networks::of_smallest(*network),
            _ if held == 0 => return ArrayVec::new(),
            _ => networks,
        };
        let [.., (first, last)] = from.ranges();
        let (start, end) = (self.place(first, 0, of), self.place(last, u32::MAX, of));
        let count = self.order.count(&(start..end));
        self.turn = self.turn.wrapping_add(LOOKED_AT);
        let skipped = self.turn.checked_rem(count.saturating_sub(LOOKED_AT) + 1).unwrap_or(0);
        self.order.iter(self.order.skip(start, skipped)..end).take(LOOKED_AT).collect()
    }

    fn count(&self, (first, last): (u64, u64), of: &impl Fn(u32) -> u64) -> usize {
        self.order.count(&(self.place(first, 0, of)..self.place(last, u32::MAX, of)))
    }

    fn place(&self, network: u64, number: u32, of: &impl Fn(u32) -> u64) -> OrderPlace {
        self.order.place(front_of(network), &|other| (of(other), other) < (network, number))
    }

    /// Recounts everything that has to hold, of so many entries.
    #[cfg(any(test, debug_assertions))]
    pub fn check_invariants(&self, entries: usize, quota: usize, of: &impl Fn(u32) -> u64) {
        let numbers = || self.order.iter(self.order.start()..self.order.end());
        assert_eq!([numbers().count(), self.order.len()], [entries; 2]);
        assert!(numbers().map(|number| (front_of(of(number)), of(number), number)).is_sorted());
        let is_true = |&(network, held): &(u64, usize)| self.held(Networks::of_smallest(network), of) == held;
        assert!(self.most.iter().all(is_true), "counted all along");
        // Those of one network stand side by side. Nobody has too much of what is less than the least quota as a whole.
        let (mut last, is_enough) = (None, quotas(quota).iter().any(|most| entries > *most));
        for network in numbers().map(of).filter(|network| is_enough && last.replace(*network) != Some(*network)) {
            let held = Networks::of_smallest(network).ranges().map(|range| self.count(range, of));
            assert!(held.iter().zip(quotas(quota)).all(|(held, most)| *held <= most), "{held:?}");
        }
    }
}

/// What networks are sorted by before anything else. It keeps those of one /32 of IPv6 side by side, and tells those of
/// IPv4 apart, which differ in their lowest 24 bits.
fn front_of(network: u64) -> u32 {
    match (network >> 32) as u32 {
        u32::MAX => (network as u32) << 8,
        front => front,
    }
}
