//! Who goes for a newcomer.
//!
//! When the whole pool is full, a newcomer takes the place of a peer of the network that holds most of it. While none
//! holds more than one it replaces one of the [`CANDIDATES`] entries that were announced longest ago: the one whose
//! info-hash has most peers, since that one misses it least. Refusing instead would let a flood keep everybody out for
//! a whole lifetime; taking always the oldest would let it thin out small swarms as fast as large ones. The choice
//! costs two binary searches for each candidate.
//!
//! When an info-hash has as many peers as it may, the lot decides whether a newcomer comes in, so that a swarm is not
//! turned over by whoever asks more often; and it decides for whom. One of the network that has most peers there goes,
//! which takes a walk over them: no more of it than a filter of them takes.
//!
//! Either way those that were announced in two periods go last: they are there to stay, as far as anybody can tell.

use arrayvec::ArrayVec;

use super::{PeerStore, network_of};
use crate::base::rng::Rng;
use crate::krpc::id::Id;
use crate::krpc::networks::Networks;

/// When the pool is full and nobody holds too much of it, one of this many of the oldest entries goes.
pub const CANDIDATES: usize = 8;

/// How many peers side by side are of one network, and of one kind.
#[derive(Clone, Copy, Default)]
struct Run {
    network: u64,
    is_seed: bool,
    count: usize,
}

impl Run {
    /// One more peer, of this run or of the next one.
    fn add(&mut self, network: u64, is_seed: bool, counts: bool) {
        if (self.network, self.is_seed) != (network, is_seed) {
            *self = Run { network, is_seed, count: 0 };
        }
        self.count += usize::from(counts);
    }
}

impl PeerStore<'_> {
    /// Makes room for a peer of networks that hold so many.
    pub(super) fn evict(&mut self, networks: Networks, held: usize) {
        let oldest: ArrayVec<u32, CANDIDATES> = self.recency.iter().take(CANDIDATES).collect();
        let giving_way = match self.share {
            usize::MAX => ArrayVec::new(),
            _ => self.holders.giving_way(networks, held, &oldest, &|number| network_of(&self.entries, number)),
        };
        // The last maximum wins, and the oldest comes first: hence the reversal.
        let last = |&number: &u32| (!self.entry(number).is_kept(), self.peers_of(&self.entry(number).info_hash));
        let longest = |&number: &u32| (!self.entry(number).is_kept(), self.entry(number).age(self.latest));
        let evicted = match giving_way.is_empty() {
            true => oldest.into_iter().rev().max_by_key(last),
            false => giving_way.into_iter().max_by_key(longest),
        };
        if let Some(evicted) = evicted {
            self.forget(evicted);
        }
    }

    /// The peer of an info-hash whose place is taken by one of these networks. Where one of them has as many there as
    /// it may, it is one with which it shares so many sizes. None where the lot is against the newcomer, or nobody is
    /// there.
    pub(super) fn replaced_in(&self, info_hash: &Id, new: Networks, sizes: usize, rng: &mut Rng) -> Option<u32> {
        if rng.below(2) == 0 {
            return None;
        }
        let places = self.swarm(info_hash);
        let networks = |number: u32| Networks::of_smallest(network_of(&self.entries, number));
        let kind = |number: u32| (networks(number).largest(), self.entry(number).is_seed());
        // The walk begins anywhere, so that of networks with equally many each may come first, but not within one.
        let any = rng.below(self.order.count(&places).max(1) as u32) as usize;
        let mut begin = self.order.skip(places.start, any);
        while let (Some(before), Some(number)) =
            (self.order.back(begin).and_then(|place| self.order.get(place)), self.order.get(begin))
            && begin > places.start
            && begin < places.end
            && kind(before) == kind(number)
        {
            begin = self.order.skip(begin, 1);
        }
        let walk = || {
            let numbers = self.order.iter(begin..places.end).chain(self.order.iter(places.start..begin));
            numbers.filter(|&number| networks(number).shared_with(new) >= sizes)
        };
        // Among those that were announced in one period only, if there are any, and among all.
        let [mut passing, mut all] = [(Run::default(), Run::default()); 2];
        for number in walk() {
            let (network, is_seed) = kind(number);
            for (counts, (run, longest)) in [(!self.entry(number).is_kept(), &mut passing), (true, &mut all)] {
                run.add(network, is_seed, counts);
                if run.count > longest.count {
                    *longest = *run;
                }
            }
        }
        let (longest, keeps) = if passing.1.count > 0 { (passing.1, true) } else { (all.1, false) };
        let may_go = |&number: &u32| {
            kind(number) == (longest.network, longest.is_seed) && !(keeps && self.entry(number).is_kept())
        };
        walk().filter(may_go).nth(rng.below(longest.count.max(1) as u32) as usize)
    }
}
