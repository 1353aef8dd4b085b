//! Who there is in a world, and who is closest to what: the truth that a node can only guess.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::cell::OnceCell;
use core::ops::RangeInclusive;

use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;
use crate::sim::paths::HostId;

/// What is true of a world.
#[derive(Default, Debug)]
pub struct Oracle {
    /// By host.
    known: Vec<Facts>,
    /// Whoever takes part, or did.
    named: Named,
    /// Whoever can be reached now.
    reachable: BTreeSet<(Id, HostId)>,
}

/// Hosts by their ids, in order as soon as somebody looks: while a world is built, nobody does, and to put each in its
/// place would cost a move of half of them.
#[derive(Default, Debug)]
struct Named {
    sorted: OnceCell<Vec<(Id, HostId)>>,
    /// Those that nobody has looked at, as long as there is no order.
    fresh: Vec<(Id, HostId)>,
}

impl Named {
    fn all(&self) -> &[(Id, HostId)] {
        self.sorted.get_or_init(|| {
            let mut all = self.fresh.clone();
            all.sort_unstable();
            all
        })
    }

    fn insert(&mut self, entry: (Id, HostId)) {
        match self.sorted.get_mut() {
            Some(sorted) => {
                self.fresh = Vec::new();
                let place = sorted.partition_point(|other| *other < entry);
                sorted.insert(place, entry);
            }
            None => self.fresh.push(entry),
        }
    }

    fn remove(&mut self, entry: (Id, HostId)) {
        if let Some(sorted) = self.sorted.get_mut() {
            sorted.binary_search(&entry).map(|place| sorted.remove(place)).ok();
        } else if let Some(place) = self.fresh.iter().rposition(|other| *other == entry) {
            // Mostly one that came last.
            self.fresh.swap_remove(place);
        }
    }
}

/// What is true of a host.
///
/// Exhaustive: whoever adds a participant says all of it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Facts {
    /// Its id; `None` for whoever takes no part in the network of nodes.
    pub id: Option<Id>,
    /// Where others reach it.
    pub endpoint: Endpoint,
    /// It takes part, it is up, it answers, and others may start a conversation with it.
    pub is_reachable: bool,
    /// It is an adversary.
    pub is_adversary: bool,
}

impl Oracle {
    /// What is true of a host.
    #[must_use]
    pub fn known(&self, host: HostId) -> Option<&Facts> {
        self.known.get(host.index())
    }

    /// All hosts, in the order in which they were added.
    pub fn hosts(&self) -> impl Iterator<Item = (HostId, &Facts)> {
        (0..).map(HostId::nth).zip(&self.known)
    }

    /// The nearest to a target of all that can be reached, nearest first.
    #[must_use]
    pub fn closest(&self, target: &Id, count: usize) -> Vec<HostId> {
        let near = |bits| self.reachable.range(subtree(target, bits));
        let enough = |bits: &u32| *bits == 0 || near(*bits).take(count).count() == count;
        let bits = (0..=160).rev().find(enough).unwrap_or(0);
        nearest(near(bits), target, count)
    }

    /// The nearest to a target of all that take part or did, nearest first: among them the dead, of which others still
    /// tell.
    #[must_use]
    pub fn closest_named(&self, target: &Id, count: usize) -> Vec<HostId> {
        let enough = |bits: &u32| *bits == 0 || self.sharing(target, *bits).len() >= count;
        let bits = (0..=160).rev().find(enough).unwrap_or(0);
        nearest(self.sharing(target, bits).iter(), target, count)
    }

    /// Those that take part, or did, and whose ids share so many bits with an id, in the order of their ids.
    #[must_use]
    pub fn sharing(&self, id: &Id, bits: u32) -> &[(Id, HostId)] {
        let (low, high) = subtree(id, bits).into_inner();
        let named = self.named.all();
        let from = named.partition_point(|entry| *entry < low);
        let many = named[from..].partition_point(|entry| *entry <= high);
        &named[from..from + many]
    }

    /// Whether a host is up and can be reached.
    #[must_use]
    pub fn is_reachable(&self, host: HostId) -> bool {
        self.known(host).is_some_and(|known| known.is_reachable)
    }

    /// How many can be reached.
    #[must_use]
    pub fn reachable(&self) -> usize {
        self.reachable.len()
    }

    /// Something is true from now on.
    pub(super) fn set(&mut self, host: HostId, known: Facts) {
        let place = host.index();
        let before = self.known.get(place).copied();
        let id_before = before.and_then(|before| before.id);
        match before {
            Some(before) if before.id != known.id => self.forget(host, &before),
            Some(before) => {
                if let Some(id) = before.id.filter(|_| !known.is_reachable) {
                    self.reachable.remove(&(id, host));
                }
            }
            None => debug_assert_eq!(self.known.len(), place, "hosts are told of in their order"),
        }
        if let Some(id) = known.id {
            if id_before != Some(id) {
                self.named.insert((id, host));
            }
            if known.is_reachable {
                self.reachable.insert((id, host));
            }
        }
        match self.known.get_mut(place) {
            Some(entry) => *entry = known,
            None => self.known.push(known),
        }
    }

    fn forget(&mut self, host: HostId, before: &Facts) {
        if let Some(id) = before.id {
            self.named.remove((id, host));
            self.reachable.remove(&(id, host));
        }
    }
}

/// The nearest of these: the smallest subtree around the target that has enough of them holds them all.
fn nearest<'a>(ids: impl Iterator<Item = &'a (Id, HostId)>, target: &Id, count: usize) -> Vec<HostId> {
    let mut all: Vec<_> = ids.map(|(id, host)| (id.distance(target), *host)).collect();
    all.sort_unstable();
    all.truncate(count);
    all.into_iter().map(|(_, host)| host).collect()
}

/// All ids that share so many bits with this one.
fn subtree(id: &Id, bits: u32) -> RangeInclusive<(Id, HostId)> {
    let (mut low, mut high) = (id.0, id.0);
    for (i, (low, high)) in low.iter_mut().zip(&mut high).enumerate() {
        // Of this byte's bits, those that need not be shared.
        let free = (8 * (i as u32 + 1)).saturating_sub(bits).min(8);
        let mask = if free == 8 { 0xff } else { (1_u8 << free) - 1 };
        (*low, *high) = (*low & !mask, *high | mask);
    }
    (Id(low), HostId::nth(0))..=(Id(high), HostId::nth(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    #[test]
    fn the_nearest_are_those_that_a_look_at_all_of_them_finds() {
        let mut rng = Rng::from_seed([4; 32]);
        for count in [0, 1, 7, 300] {
            let mut oracle = Oracle::default();
            for i in 0..count {
                let mut id = Id::random(&mut rng);
                if i % 3 == 0 {
                    id.0[..8].fill(7);
                }
                let endpoint = Endpoint::v4([1, 1, 1, 1], i as u16);
                let known = Facts { id: Some(id), endpoint, is_reachable: i % 2 == 0, is_adversary: false };
                oracle.set(HostId::nth(i), known);
            }
            for _ in 0..20 {
                let mut target = Id::random(&mut rng);
                if rng.below(2) == 0 {
                    target.0[..8].fill(7);
                }
                let mut all: Vec<_> = oracle.hosts().filter(|(_, known)| known.is_reachable).collect();
                all.sort_by_key(|(_, known)| known.id.map(|id| id.distance(&target)));
                let all: Vec<_> = all.into_iter().take(8).map(|(host, _)| host).collect();
                assert_eq!(oracle.closest(&target, 8), all);
            }
        }
    }

    #[test]
    fn whoever_has_gone_is_named_and_cannot_be_reached() {
        let mut oracle = Oracle::default();
        let id = Id([7; 20]);
        let known = Facts { id: Some(id), endpoint: Endpoint::UNSPECIFIED, is_reachable: true, is_adversary: false };
        oracle.set(HostId::nth(0), known);
        oracle.set(HostId::nth(0), Facts { is_reachable: false, ..known });
        assert_eq!((oracle.closest(&id, 8), oracle.closest_named(&id, 8)), (Vec::new(), [HostId::nth(0)].to_vec()));
        oracle.set(HostId::nth(0), Facts { id: Some(Id([9; 20])), ..known });
        assert_eq!((oracle.reachable(), oracle.named.all().len()), (1, 1));
        assert_eq!((oracle.sharing(&id, 4).len(), oracle.sharing(&id, 5).len()), (1, 0));
    }
}
