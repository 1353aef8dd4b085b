//! Lookups of random targets that the node makes to know how large the network is (rule Z3), and when.

use crate::base::list::List;
use crate::base::time::{Duration, Instant};
use crate::dht::config::{K, TableConfig};
use crate::dht::size::{LookupDensity, SizeEstimate, Surroundings};
use crate::krpc::id::Id;

/// Lookups that are made soon, whatever they find, so that there is an estimate at all.
const FIRST: u8 = 2;
/// Wait for each of those, in units of `check_every` (1 min at 3 s).
const SOON: u32 = 20;

/// What they found, and when the next one is due.
#[derive(Debug)]
pub struct Soundings<'s> {
    density: LookupDensity<'s>,
    /// Waits before each of the first ones, and before a later one: as long as a bucket may be without news.
    soon: Duration,
    later: Duration,
    /// How many were begun, up to [`FIRST`].
    begun: u8,
    /// `None` while there was nobody to ask yet.
    due: Option<Instant>,
}

impl<'s> Soundings<'s> {
    /// None was made yet.
    pub fn new(config: &TableConfig, memory: List<'s, Surroundings>) -> Self {
        let (soon, later) = (config.check_every.saturating_mul(SOON), config.refresh_after);
        Soundings { density: LookupDensity::new(memory), soon, later, begun: 0, due: None }
    }

    /// There is one contact more, and so many in all. A node with few of them waits: whoever asks them again and again
    /// is not looked at by them.
    pub fn on_contact(&mut self, now: Instant, contacts: usize) {
        let due = self.due.get_or_insert(now + self.later);
        if contacts >= K && self.begun == 0 {
            *due = (*due).min(now + self.soon);
        }
    }

    /// When the next one is due.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether one is due; it counts as begun. One that would be made in vain, since nobody answers, is put off.
    pub fn take(&mut self, now: Instant, in_vain: bool) -> bool {
        let is_due = self.due.is_some_and(|at| at <= now);
        if is_due {
            self.begun = (self.begun + u8::from(!in_vain)).min(FIRST);
            self.due = Some(now + if in_vain || self.begun < FIRST { self.soon } else { self.later });
        }
        is_due && !in_vain
    }

    /// One has converged, on these nodes, of which `most` were wanted.
    pub fn on_end(&mut self, target: &Id, nearest: impl Iterator<Item = Id>, most: u8) {
        self.density.on_lookup(target, nearest, most);
    }

    /// Whether at least two lookups have found as many nodes as each other, roughly: what one says may be chance.
    pub fn agree(&self) -> bool {
        self.density.agreeing() >= usize::from(FIRST)
    }

    /// How many nodes there seem to be, also by a table of which `contacts` lie in the buckets from `depth` on.
    pub fn estimate(&self, depth: u32, contacts: u32) -> SizeEstimate {
        self.density.estimate(depth, contacts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;
    use crate::dht::config::Config;

    /// Rule L38.
    #[test]
    fn one_alone_is_chance_and_so_are_two_that_contradict_each_other() {
        let target = Id([7; 20]);
        let around = |bits: u32| {
            let mut rng = Rng::from_seed([bits as u8; 32]);
            core::iter::repeat_with(move || target.random_in_bucket(bits, &mut rng)).take(20)
        };
        let none = || Soundings::new(&Config::default().table, List::with_capacity(crate::dht::size::LOOKUPS));
        for (second, agree) in [(10, true), (11, true), (14, false), (6, false)] {
            let mut soundings = none();
            assert!(!soundings.agree());
            soundings.on_end(&target, around(10), 20);
            assert!(!soundings.agree());
            soundings.on_end(&target, around(second), 20);
            assert_eq!(soundings.agree(), agree, "{second} bits");
            soundings.on_end(&target, around(second), 20);
            assert!(soundings.agree());
        }
    }

    #[test]
    fn the_first_ones_are_made_soon_and_later_ones_at_a_slow_rhythm() {
        let mut soundings = Soundings::new(&Config::default().table, List::with_capacity(crate::dht::size::LOOKUPS));
        let at = Instant::from_secs;
        assert_eq!((soundings.due(), soundings.take(at(1_000), false)), (None, false), "nobody can be asked");
        soundings.on_contact(at(10), 1);
        assert_eq!(soundings.due(), Some(at(910)), "few can be asked");
        soundings.on_contact(at(100), 8);
        soundings.on_contact(at(120), 9);
        let mut due = [0; 5];
        for time in &mut due {
            let next = soundings.due().unwrap();
            assert!(!soundings.take(Instant::from_micros(next.as_micros() - 1), false) && soundings.take(next, false));
            *time = next.as_secs();
        }
        assert_eq!(due, [160, 220, 1_120, 2_020, 2_920]);
        assert!(!soundings.take(at(3_820), true), "nobody answers");
        assert_eq!(soundings.due(), Some(at(3_880)));
    }
}
