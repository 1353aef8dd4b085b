//! How many nodes are to be expected near a target, and how few or many of them are no accident.
//!
//! Ids are uniform, so in a network of N nodes a stretch of the id space has as many of them as its share of the space,
//! and the distance to the nth nearest follows the gamma law of that number. Its quantiles are those of Wilson and
//! Hilferty (1931), within 1 % from eight nodes on, and farther out for fewer; how wrong the size may be is added to
//! how the nodes scatter. Everything is computed in integers that saturate.

use crate::krpc::id::{Distance, Id};

/// No size is known better than this, whatever is said of it, in thousandths.
const LEAST_ERROR: u64 = 150;
/// Too near together: one lookup in two hundred of an honest network, in thousandths of a standard deviation.
const CROWDED: i64 = -2_576;
/// Half as many too near together: one lookup in a thousand.
const CROWDED_BY_HALF: i64 = -3_090;
/// Too far apart: one in a hundred.
const THIN: i64 = 2_326;
/// Too far apart for an answer that nothing is there: one in five.
const THIN_FOR_NOTHING: i64 = 842;

/// Nobody is to be expected nearer to a target than this part of the way to the nearest: it happens once in so many
/// lookups.
pub(super) const EMPTY: u64 = 8;

/// How many nodes a network has, as other lookups tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spacing {
    nodes: u64,
    /// One standard error, in thousandths.
    error: u32,
    /// No two lookups have told it.
    is_guess: bool,
}

impl Spacing {
    /// Of a network of so many nodes, known with this error in thousandths.
    pub fn of(nodes: u64, error: u32) -> Self {
        Spacing { nodes, error, is_guess: false }
    }

    /// The same, as the table alone has it, or one lookup. It may be a hundred times too small while the table fills:
    /// good for asking more than is needed, and never for calling anybody too near or too far.
    pub fn guessed(self) -> Self {
        Spacing { is_guess: true, ..self }
    }

    /// What it says, if it is no guess.
    pub fn known(self) -> Option<Self> {
        (!self.is_guess).then_some(self)
    }

    /// How many nodes there are.
    pub fn nodes(&self) -> u64 {
        self.nodes
    }

    /// Whether so many nodes within a distance are more than is credible.
    pub(super) fn is_crowded(&self, count: usize, distance: u64) -> bool {
        self.within(distance) < self.quantile(count, CROWDED)
    }

    /// Whether the nearer half of `count` nodes within a distance are more than is credible.
    pub(super) fn is_crowded_by_half(&self, count: usize, distance: u64) -> bool {
        self.within(distance) < self.quantile(count / 2, CROWDED_BY_HALF)
    }

    /// Whether so few nodes within a distance are fewer than there should be. That nobody has anything is believed
    /// less easily.
    pub(super) fn is_thin(&self, count: usize, distance: u64, found_nothing: bool) -> bool {
        self.within(distance) > self.quantile(count, if found_nothing { THIN_FOR_NOTHING } else { THIN })
    }

    /// The distance within which one node is to be expected.
    pub(super) fn of_one(&self) -> u64 {
        u64::MAX.checked_div(self.nodes).unwrap_or(u64::MAX)
    }

    /// How many nodes are to be expected within a distance, in 1024ths.
    fn within(&self, distance: u64) -> u64 {
        let share = (u128::from(distance) * u128::from(self.nodes)) >> 54;
        u64::try_from(share).unwrap_or(u64::MAX)
    }

    /// How many nodes are to be expected within the distance to the nearest `count` of them, at so many thousandths of
    /// a standard deviation off, in 1024ths.
    fn quantile(&self, count: usize, off: i64) -> u64 {
        const ONE: i64 = 10_000;
        let count = (count as u64).clamp(1, 255);
        let error = u64::from(self.error).clamp(LEAST_ERROR, 2_000) * 10;
        let spread = (100_000_000 / count + error * error).isqrt() as i64;
        let root = ONE - ONE / (9 * count as i64) + off * spread / 3_000;
        let root = u64::try_from(root).unwrap_or(0);
        let cube = root * root / 10_000 * root / 10_000;
        count.saturating_mul(cube).saturating_mul(1_024) / 10_000
    }
}

/// A distance as a share of the id space, cut off behind 64 bits.
pub(super) fn share(distance: &Distance) -> u64 {
    Id(distance.0).prefix()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    /// As tables of the law have it: of eight nodes 2.57 and 16.0, of twenty 10.35 and 31.8.
    #[test]
    fn quantiles_are_those_of_the_gamma_law_and_wider_where_the_size_is_not_known() {
        let near = |count, off, error, wanted: u64| {
            let found = Spacing::of(1_000, error).quantile(count, off) * 1_000 / 1_024;
            assert!(found.abs_diff(wanted) * 100 <= wanted * 3, "{count} {off} {error}: {found} {wanted}");
        };
        // With the least error that is believed.
        near(8, CROWDED, 0, 2_270);
        near(8, THIN, 0, 16_930);
        near(20, CROWDED, 0, 8_890);
        near(20, THIN, 0, 34_840);
        assert_eq!(Spacing::of(1_000, 4_000).quantile(8, CROWDED), 0, "nothing is too dense where nothing is known");
    }

    #[test]
    fn eight_nodes_at_their_places_are_credible_and_ten_times_nearer_or_farther_they_are_not() {
        for nodes in [50, 1_000, 10_000_000] {
            let spacing = Spacing::of(nodes, 200);
            let eighth = 8 * spacing.of_one();
            assert!(!spacing.is_crowded(8, eighth) && !spacing.is_thin(8, eighth, true));
            assert!(spacing.is_crowded(8, eighth / 10) && !spacing.is_thin(8, eighth / 10, true));
            let far = eighth.saturating_mul(3);
            assert!(!spacing.is_crowded(8, far) && spacing.is_thin(8, far, false));
        }
    }

    /// Lookups in honest networks, whose size is told with the least error that is believed: of eight nodes,
    /// and of the nearer four of them, together.
    #[test]
    fn fewer_than_one_honest_lookup_in_two_hundred_is_crowded_in_one_way_or_the_other() {
        let mut rng = Rng::from_seed([3; 32]);
        let lookups = 200_000;
        let (mut by_all, mut by_half, mut either) = (0, 0, 0);
        for _ in 0..lookups {
            let mut uniform = || (f64::from(rng.below(1 << 30)) + 0.5) / f64::from(1 << 30);
            // A sum of twelve is nearly normal.
            let error = (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
            let spacing = Spacing::of((1e6 * (0.15 * error).exp()) as u64, 150);
            let mut nodes = 0.0;
            let nth: [u64; 8] = core::array::from_fn(|_| {
                nodes -= uniform().ln();
                (nodes / 1e6 * u64::MAX as f64) as u64
            });
            let (all, half) = (spacing.is_crowded(8, nth[7]), spacing.is_crowded_by_half(8, nth[3]));
            by_all += u32::from(all);
            by_half += u32::from(half);
            either += u32::from(all || half);
        }
        let of_a_million = [by_all, by_half, either].map(|many| many * 1_000_000 / lookups);
        assert!(of_a_million[0] > 2_500 && of_a_million[1] > 200 && of_a_million[2] < 5_000, "{of_a_million:?}");
    }

    #[test]
    fn no_size_and_no_distance_overflows() {
        for nodes in [0, 1, u64::MAX] {
            for error in [0, u32::MAX] {
                let spacing = Spacing::of(nodes, error);
                for distance in [0, 1, u64::MAX] {
                    for count in [0, 8, usize::MAX] {
                        let _ = (spacing.is_crowded(count, distance), spacing.is_thin(count, distance, true));
                    }
                }
                let _ = spacing.of_one();
            }
        }
    }
}
