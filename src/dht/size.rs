//! How many nodes the network has, estimated from what we see of it.
//!
//! Ids are uniform, so a region of the id space that we know completely tells how dense the whole space is. There are
//! two such regions. **Our own neighbourhood**: beyond the deepest full bucket the table holds everybody it met, so `n`
//! contacts in a region of `2^-c` of the space mean `(n + 1) * 2^c` nodes, ourselves included. **The surroundings of a
//! random target**: a lookup ends with the k nearest nodes, and in a space of N nodes the k-th is at a distance of
//! about `k/N` of the whole. Of all numbers that one can compute from the k distances, the k-th alone carries
//! everything about N; over several lookups `(sum of k - 1) / (sum of k-th distances)` is unbiased, and its relative
//! error is one over the root of the number of nodes that were counted.
//!
//! Everything is computed in integers that saturate: no id that anybody invents can make it overflow.

use crate::base::planted::{Bug, planted};
use crate::krpc::id::{Distance, Id};

/// Nodes counted in lookups before the older half of the evidence is weighed down: about the last 50 lookups count.
const WINDOW: u64 = 1024;

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
    /// From the table: `contacts` lie in the buckets from `depth` on, one behind the deepest full one.
    #[must_use]
    pub fn of_table(depth: u32, contacts: u32) -> Self {
        let n = if depth < 64 { (u64::from(contacts) + 1).saturating_mul(1 << depth) } else { u64::MAX };
        SizeEstimate { n, rel_std_err_permille: relative_error(contacts.into()), samples: contacts }
    }
}

/// Evidence from lookups of random targets.
#[derive(Clone, Copy, Default, Debug)]
pub struct LookupDensity {
    counted: u64,
    /// Sum of distances, as fractions of the id space in units of 2^-64.
    distances: u128,
}

impl LookupDensity {
    /// A lookup of a random target ended with these nodes, nearest first. A lookup of a target that somebody chose for
    /// its neighbours would tell nothing.
    pub fn on_lookup<'a>(&mut self, target: &Id, nearest: impl IntoIterator<Item = &'a Id>) {
        let (mut k, mut farthest) = (0u32, Distance::default());
        for id in nearest {
            k = k.saturating_add(1);
            if !planted(Bug::NearestTellsSize) || k == 1 {
                farthest = farthest.max(id.distance(target));
            }
        }
        if k < 2 {
            return;
        }
        // The distance is cut off behind 64 bits; half a unit is what is lost on average, and it is never zero then.
        let farthest = 2 * u128::from(Id(farthest.0).prefix()) + 1;
        self.counted += u64::from(k);
        self.distances += farthest;
        if self.counted > WINDOW {
            self.counted /= 2;
            self.distances /= 2;
        }
    }

    /// The estimate, once there is any evidence.
    pub fn estimate(&self) -> Option<SizeEstimate> {
        let counted = self.counted.checked_sub(1).filter(|&c| c > 0)?;
        let n = (u128::from(counted) << 65).checked_div(self.distances)?;
        Some(SizeEstimate {
            n: u64::try_from(n).unwrap_or(u64::MAX),
            rel_std_err_permille: relative_error(counted),
            samples: u32::try_from(self.counted).unwrap_or(u32::MAX),
        })
    }
}

/// The relative error of a count, in thousandths: one over its root.
fn relative_error(count: u64) -> u32 {
    let root = (1_000_000 / count.max(1)).isqrt();
    u32::try_from(root).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    #[test]
    fn a_table_without_a_full_bucket_holds_the_whole_network() {
        assert_eq!(SizeEstimate::of_table(0, 19).n, 20);
        assert_eq!(SizeEstimate::of_table(0, 0).n, 1);
        assert_eq!(SizeEstimate::of_table(0, 0).rel_std_err_permille, 1000);
    }

    #[test]
    fn each_full_bucket_doubles_what_lies_behind_it() {
        let estimate = SizeEstimate::of_table(10, 24);
        assert_eq!((estimate.n, estimate.rel_std_err_permille, estimate.samples), (25 * 1024, 204, 24));
    }

    #[test]
    fn no_depth_and_no_distance_overflows() {
        for depth in [0, 31, 32, 63, 64, 160, 248, u32::MAX] {
            for contacts in [0, 1, u32::MAX] {
                assert!(SizeEstimate::of_table(depth, contacts).n >= 1);
            }
        }
        assert_eq!(SizeEstimate::of_table(248, 1).n, u64::MAX);
        let mut near = LookupDensity::default();
        let target = Id([7; 20]);
        for _ in 0..100 {
            near.on_lookup(&target, core::iter::repeat_n(&target, 100));
        }
        assert_eq!(near.estimate().unwrap().n, u64::MAX);
        let mut far = LookupDensity::default();
        let opposite = Id([!7; 20]);
        for _ in 0..100_000 {
            far.on_lookup(&target, [&opposite, &opposite]);
        }
        assert_eq!(far.estimate().unwrap().n, 1);
    }

    #[test]
    fn without_evidence_there_is_no_estimate() {
        let mut d = LookupDensity::default();
        assert_eq!(d.estimate(), None);
        d.on_lookup(&Id([7; 20]), []);
        d.on_lookup(&Id([7; 20]), [&Id([8; 20])]);
        assert_eq!(d.estimate(), None, "one node has no density");
    }

    #[test]
    fn evidence_is_bounded_and_the_newer_part_wins() {
        let mut rng = Rng::from_seed([2; 32]);
        let mut d = LookupDensity::default();
        let mut look = |d: &mut LookupDensity, bits: u32| {
            let target = Id::random(&mut rng);
            let ids: [Id; 8] = core::array::from_fn(|_| target.random_in_bucket(bits, &mut rng));
            d.on_lookup(&target, &ids);
        };
        (0..500).for_each(|_| look(&mut d, 10));
        let before = d.estimate().unwrap();
        (0..500).for_each(|_| look(&mut d, 14));
        let after = d.estimate().unwrap();
        assert!(before.samples <= WINDOW as u32 && after.samples <= WINDOW as u32);
        assert!((14 * before.n..18 * before.n).contains(&after.n), "{before:?} {after:?}");
    }
}
