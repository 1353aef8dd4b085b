//! How many nodes the network has, estimated from what we see of it.
//!
//! Ids are uniform, so a region of the id space that we know completely tells how dense the whole space is. There are
//! two kinds of such regions. **Our own neighbourhood**: beyond the deepest full bucket the table holds everybody it
//! met, so `n` contacts in a region of `2^-c` of the space mean `(n + 1) * 2^c` nodes, ourselves included. **The
//! surroundings of a random target**: a lookup ends with the k nearest nodes, and in a space of N nodes the k-th is at
//! a distance of about `k/N` of the whole. Of all numbers that one can compute from the k distances, the k-th alone
//! carries everything about N.
//!
//! All regions together are one: the nodes in them, over the part of the space that they are. That weighs each by the
//! inverse of its variance, since a count of n nodes is off by the root of n. What contradicts the rest is left out,
//! and the last 16 lookups count, so that a network that grows or shrinks is noticed.
//!
//! Everything is computed in integers that saturate: no id that anybody invents can make it overflow.

use crate::base::list::List;
use crate::base::planted::{Bug, planted};
use crate::krpc::id::{Distance, Id};

/// Lookups that count: with 20 nodes each their error is 5.6 %.
pub const LOOKUPS: usize = 16;
/// A lookup that finds so many times more or fewer nodes than most of the others does not count.
const ODD: u64 = 4;
/// One that finds so many times more or fewer than all together is news: by chance one in some hundred does.
const NEWS: u64 = 2;
/// The error of what is counted itself, in thousandths: nodes that come and go, and answers that are lost.
const LEAST_ERROR: u64 = 60;
/// The whole id space, in units in which a distance that is cut off behind 64 bits has half a unit more.
const WHOLE: u128 = 1 << 65;

/// An estimate.
///
/// Exhaustive: a number, how sure it is, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SizeEstimate {
    /// Nodes in the network, ourselves included.
    pub n: u64,
    /// One standard error relative to `n`, in thousandths.
    pub rel_std_err_permille: u32,
    /// Nodes that were counted for it.
    pub samples: u32,
}

impl SizeEstimate {
    /// From the table: `contacts` lie in the buckets from `depth` on, one behind the deepest full one. Without a full
    /// bucket nothing says that they are all there are: such an estimate may be wrong by any factor.
    #[must_use]
    pub fn of_table(depth: u32, contacts: u32) -> Self {
        let n = if depth < 64 { (u64::from(contacts) + 1).saturating_mul(1 << depth) } else { u64::MAX };
        let error = if depth == 0 { 1000 } else { relative_error(contacts.into()) };
        SizeEstimate { n, rel_std_err_permille: error, samples: contacts }
    }
}

/// Nodes in a part of the id space.
#[derive(Clone, Copy, Default, Debug)]
struct Region {
    nodes: u128,
    /// In units of which [`WHOLE`] are the whole space.
    space: u128,
}

impl Region {
    /// As many nodes as the whole space has if it is as dense everywhere.
    fn density(&self) -> u64 {
        let n = self.nodes.saturating_mul(WHOLE) / self.space.max(1);
        u64::try_from(n).unwrap_or(u64::MAX)
    }

    fn add(&mut self, other: &Region) {
        self.nodes = self.nodes.saturating_add(other.nodes);
        self.space = self.space.saturating_add(other.space);
    }
}

/// Evidence from lookups of random targets.
#[derive(Debug)]
pub struct LookupDensity<'s> {
    /// The latest ones, in a ring.
    surroundings: List<'s, Surroundings>,
    next: u8,
}

/// What one lookup found.
#[derive(Clone, Copy, Default, Debug)]
pub struct Surroundings {
    /// How far away the farthest is; the whole space if nobody else is there.
    reach: u64,
    /// 0: there was no such lookup yet.
    nodes: u8,
}

impl Surroundings {
    fn region(&self) -> Region {
        let space = if self.reach == u64::MAX { WHOLE } else { 2 * u128::from(self.reach) + 1 };
        Region { nodes: self.nodes.into(), space }
    }
}

impl<'s> LookupDensity<'s> {
    /// None was made yet. There is to be memory for [`LOOKUPS`].
    pub fn new(mut memory: List<'s, Surroundings>) -> Self {
        memory.clear();
        LookupDensity { surroundings: memory, next: 0 }
    }

    /// A lookup of a random target ended with these nodes, nearest first, of which `most` were wanted. A lookup of a
    /// target that somebody chose for its neighbours would tell nothing, nor does one that was cut short: it found
    /// fewer than were wanted, and than half of those that are known.
    pub fn on_lookup(&mut self, target: &Id, nearest: impl IntoIterator<Item = Id>, most: u8, known: usize) {
        let (mut nodes, mut farthest) = (0u8, Distance::default());
        for id in nearest.into_iter().take(most.into()) {
            nodes = nodes.saturating_add(1);
            if !planted(Bug::NearestTellsSize) || nodes == 1 {
                farthest = farthest.max(id.distance(target));
            }
        }
        let found = match nodes {
            0 => return,
            _ if nodes < most && usize::from(nodes) < known / 2 => return,
            // Everybody was named, and we are there too.
            _ if nodes < most => Surroundings { reach: u64::MAX, nodes: nodes + 1 },
            _ => Surroundings { reach: Id(farthest.0).prefix(), nodes },
        };
        match self.surroundings.get_mut(usize::from(self.next)) {
            Some(place) => *place = found,
            None => _ = self.surroundings.push(found),
        }
        self.next = (self.next + 1) % LOOKUPS as u8;
    }

    /// How many lookups count, since they found about as many nodes as most of the others.
    pub fn agreeing(&self) -> usize {
        self.region().1 as usize
    }

    /// Whether so many have answered that there are twice as many as lookups found, at least.
    pub fn is_refuted_by(&self, contacts: usize) -> bool {
        let (all, lookups) = self.region();
        lookups > 0 && contacts as u64 / 2 > all.density()
    }

    /// Whether the latest found quite another number than all together: then the network is not any more what it was,
    /// or this was chance.
    pub fn is_latest_odd(&self) -> bool {
        let place = (usize::from(self.next) + LOOKUPS - 1) % LOOKUPS;
        let Some(latest) = self.surroundings.get(place).filter(|lookup| lookup.nodes > 0) else { return false };
        let (latest, all) = (latest.region().density(), self.region().0.density());
        latest > all.saturating_mul(NEWS) || latest.saturating_mul(NEWS) < all
    }

    /// How many lookups were made, up to [`LOOKUPS`].
    #[cfg(test)]
    fn lookups(&self) -> usize {
        self.surroundings.iter().filter(|lookup| lookup.nodes > 0).count()
    }

    /// The estimate of these lookups and of a table, of which `contacts` lie in the buckets from `depth` on. A table
    /// that does not fit what lookups find is left out: it is not complete, or full of those who want to be in it.
    pub fn estimate(&self, depth: u32, contacts: u32) -> SizeEstimate {
        let (mut all, lookups) = self.region();
        if lookups == 0 {
            return SizeEstimate::of_table(depth, contacts);
        }
        // The k nearest are a little too near, since the region ends where the k-th is found and not behind it; not so
        // where it is the whole space.
        let beyond = WHOLE.saturating_sub(all.space / lookups);
        let table = Region { nodes: u128::from(contacts) + 1, space: WHOLE.checked_shr(depth).unwrap_or(0) };
        if fits(&table, &all) {
            all.add(&table);
        }
        let nodes = all.nodes.saturating_mul(WHOLE).saturating_sub(beyond).saturating_add(all.space / 2);
        let n = u64::try_from(nodes / all.space.max(1)).unwrap_or(u64::MAX).max(1);
        let samples = u32::try_from(all.nodes).unwrap_or(u32::MAX);
        SizeEstimate { n, rel_std_err_permille: relative_error(samples.into()), samples }
    }

    /// What the lookups found together, without those that found something quite different, and how many they are.
    fn region(&self) -> (Region, u128) {
        let mut densities = [0; LOOKUPS];
        let regions = || self.surroundings.iter().filter(|lookup| lookup.nodes > 0).map(Surroundings::region);
        let count = densities.iter_mut().zip(regions()).map(|(place, region)| *place = region.density()).count();
        let densities = densities.get_mut(..count).unwrap_or_default();
        densities.sort_unstable();
        let median = densities.get(count / 2).copied().unwrap_or_default();
        let (mut all, mut lookups) = (Region::default(), 0);
        for region in regions() {
            let density = region.density();
            if density <= median.saturating_mul(ODD) && density.saturating_mul(ODD) >= median {
                all.add(&region);
                lookups += 1;
            }
        }
        (all, lookups)
    }
}

/// Whether there are as many nodes in a region as others let expect, within three standard errors.
fn fits(region: &Region, others: &Region) -> bool {
    let expected = others.nodes.saturating_mul(region.space) / others.space.max(1);
    let variance = expected + 1 + expected.saturating_mul(expected) / others.nodes.max(1);
    let off = region.nodes.abs_diff(expected);
    off.saturating_mul(off) <= variance.saturating_mul(9)
}

/// The relative error of a count, in thousandths: one over its root, and what is wrong with the count itself.
fn relative_error(count: u64) -> u32 {
    let root = (1_000_000 / count.max(1)).saturating_add(LEAST_ERROR * LEAST_ERROR).isqrt();
    u32::try_from(root).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;
    use std::vec::Vec;

    fn none() -> LookupDensity<'static> {
        LookupDensity::new(List::with_capacity(LOOKUPS))
    }

    /// Nodes at random places, `apart` of the space from each other on average, counted from a target.
    fn around(target: &Id, bits: u32, many: u8, rng: &mut Rng) -> Vec<Id> {
        (0..many).map(|_| target.random_in_bucket(bits, rng)).collect()
    }

    #[test]
    fn a_table_without_a_full_bucket_holds_the_whole_network_or_nobody_knows() {
        assert_eq!(SizeEstimate::of_table(0, 19).n, 20);
        assert_eq!(SizeEstimate::of_table(0, 0).n, 1);
        assert_eq!(SizeEstimate::of_table(0, 19).rel_std_err_permille, 1000);
    }

    #[test]
    fn each_full_bucket_doubles_what_lies_behind_it() {
        let estimate = SizeEstimate::of_table(10, 24);
        assert_eq!((estimate.n, estimate.rel_std_err_permille, estimate.samples), (25 * 1024, 212, 24));
    }

    #[test]
    fn no_depth_and_no_distance_overflows() {
        let target = Id([7; 20]);
        let (mut near, mut far) = (none(), none());
        for _ in 0..100 {
            near.on_lookup(&target, core::iter::repeat_n(target, 100), 100, 0);
            far.on_lookup(&target, [Id([!7; 20]); 2], 2, 0);
        }
        for depth in [0, 31, 32, 63, 64, 160, 248, u32::MAX] {
            for contacts in [0, 1, u32::MAX] {
                assert!(SizeEstimate::of_table(depth, contacts).n >= 1);
                assert!(none().estimate(depth, contacts).n >= 1);
                assert!(near.estimate(depth, contacts).n > u64::MAX / 2, "{depth} {contacts}");
                assert!(far.estimate(depth, contacts).n >= 1);
            }
        }
        assert_eq!(SizeEstimate::of_table(248, 1).n, u64::MAX);
        assert_eq!(far.estimate(0, 1).n, 2);
    }

    #[test]
    fn without_a_lookup_the_table_tells() {
        let mut d = none();
        assert_eq!(d.estimate(10, 24), SizeEstimate::of_table(10, 24));
        d.on_lookup(&Id([7; 20]), [], 20, 0);
        assert_eq!((d.lookups(), d.estimate(10, 24)), (0, SizeEstimate::of_table(10, 24)), "nobody has no density");
    }

    #[test]
    fn a_lookup_that_names_everybody_counts_them() {
        let mut rng = Rng::from_seed([1; 32]);
        let mut d = none();
        for lookups in 1..40 {
            let target = Id::random(&mut rng);
            d.on_lookup(&target, around(&target, 0, 11, &mut rng), 20, 11);
            assert_eq!(d.estimate(0, 11).n, 12);
            assert_eq!(d.lookups(), lookups.min(LOOKUPS));
        }
        assert!(d.estimate(0, 11).rel_std_err_permille < 100);
    }

    #[test]
    fn the_last_lookups_count() {
        let mut rng = Rng::from_seed([2; 32]);
        let mut d = none();
        let mut look = |d: &mut LookupDensity<'_>, bits: u32, lookups: usize| {
            for _ in 0..lookups {
                let target = Id::random(&mut rng);
                d.on_lookup(&target, around(&target, bits, 20, &mut rng), 20, 0);
            }
        };
        look(&mut d, 10, LOOKUPS);
        let before = d.estimate(0, 0);
        look(&mut d, 11, LOOKUPS / 2);
        let between = d.estimate(0, 0);
        look(&mut d, 11, LOOKUPS / 2);
        let after = d.estimate(0, 0);
        assert!(before.n < between.n && between.n < after.n, "{before:?} {between:?} {after:?}");
        assert!((19 * before.n..21 * before.n).contains(&(10 * after.n)), "{before:?} {after:?}");
    }

    #[test]
    fn what_one_lookup_finds_that_others_do_not_changes_little() {
        let mut rng = Rng::from_seed([3; 32]);
        let mut d = none();
        for _ in 0..LOOKUPS - 2 {
            let target = Id::random(&mut rng);
            d.on_lookup(&target, around(&target, 10, 20, &mut rng), 20, 0);
        }
        let before = d.estimate(0, 0).n;
        d.on_lookup(&Id([7; 20]), around(&Id([7; 20]), 60, 20, &mut rng), 20, 0);
        d.on_lookup(&Id([7; 20]), around(&Id([7; 20]), 0, 3, &mut rng), 20, 0);
        assert_eq!(d.estimate(0, 0).n, before, "many in one place, and a line that went down");
    }

    #[test]
    fn a_table_that_cannot_be_complete_does_not_count() {
        let mut rng = Rng::from_seed([4; 32]);
        let mut d = none();
        for _ in 0..LOOKUPS {
            let target = Id::random(&mut rng);
            d.on_lookup(&target, around(&target, 10, 20, &mut rng), 20, 0);
        }
        let alone = d.estimate(0, 30);
        assert_eq!(alone.samples, 320, "thirty of twenty thousand nodes");
        assert_eq!(d.estimate(9, 400), alone, "ten times as many as lookups let expect");
        let both = d.estimate(9, (alone.n >> 9) as u32);
        assert!(both.samples > 320 && both.n.abs_diff(alone.n) < alone.n / 20, "{both:?} {alone:?}");
    }

    /// Rule Z3.
    #[test]
    fn a_lookup_that_was_cut_short_does_not_count_as_one_that_found_everybody() {
        let mut rng = Rng::from_seed([5; 32]);
        let mut d = none();
        for (found, known, counts) in [(9, 20, false), (10, 20, true), (19, 40, false), (20, 500, true)] {
            let (target, before) = (Id::random(&mut rng), d.lookups());
            d.on_lookup(&target, around(&target, 0, found, &mut rng), 20, known);
            assert_eq!(d.lookups() - before, usize::from(counts), "{found} of {known}");
        }
    }

    /// Rule Z5.
    #[test]
    fn the_latest_is_odd_where_it_found_other_numbers_than_most_until_most_found_so() {
        // Twenty within so much of the space.
        let look = |d: &mut LookupDensity<'_>, reach: u64| {
            let nodes = (1..=20).map(|n| {
                let mut id = Id::default();
                id.0[..8].copy_from_slice(&(reach / 20 * n).to_be_bytes());
                id
            });
            d.on_lookup(&Id::default(), nodes, 20, 0);
            d.is_latest_odd()
        };
        let usual = 1 << 50;
        let others = [(usual / 25 * 10, true), (usual / 17 * 10, false), (usual, false)];
        for (reach, is_odd) in others.into_iter().chain([(usual / 10 * 17, false), (usual / 10 * 25, true)]) {
            let mut d = none();
            assert!(!d.is_latest_odd());
            (0..LOOKUPS).for_each(|_| assert!(!look(&mut d, usual)));
            assert_eq!(look(&mut d, reach), is_odd, "{reach}");
            (1..LOOKUPS).for_each(|_| _ = look(&mut d, reach));
            assert!(!look(&mut d, reach));
        }
    }
}
