//! Lookups of random targets that the node makes to know how large the network is (rule Z3), and when.

use crate::base::list::List;
use crate::base::time::{Duration, Instant};
use crate::dht::config::{K, TableConfig};
use crate::dht::size::{LOOKUPS, LookupDensity, SizeEstimate, Surroundings};
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
    /// How many were begun, up to [`FIRST`], without those that ended by their deadline and are made again.
    begun: u8,
    /// How many came soon, since the one before was odd or ended by its deadline, after the last that was neither; up
    /// to [`LOOKUPS`].
    soon_again: u8,
    /// Nobody has answered for long since the latest, or more are known by now than it lets there be: the network may
    /// be another one.
    in_doubt: bool,
    /// `None` while there was nobody to ask yet.
    due: Option<Instant>,
    /// Whether that is as soon as it may be already.
    is_soon: bool,
}

impl<'s> Soundings<'s> {
    /// None was made yet.
    pub fn new(config: &TableConfig, memory: List<'s, Surroundings>) -> Self {
        let (soon, later) = (config.check_every.saturating_mul(SOON), config.refresh_after);
        Soundings {
            density: LookupDensity::new(memory),
            soon,
            later,
            begun: 0,
            soon_again: 0,
            in_doubt: false,
            due: None,
            is_soon: false,
        }
    }

    /// There is one contact more, and so many in all. A node with few of them waits: whoever asks them again and again
    /// is not looked at by them.
    pub fn on_contact(&mut self, now: Instant, contacts: usize) {
        let due = self.due.get_or_insert(now + self.later);
        if contacts >= K && self.begun == 0 {
            *due = (*due).min(now + self.soon);
        }
        if self.density.is_refuted_by(contacts) {
            self.doubt(now);
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
            self.is_soon = in_vain || self.begun < FIRST;
            self.due = Some(now + if self.is_soon { self.soon } else { self.later });
        }
        is_due && !in_vain
    }

    /// One has converged, on these nodes, of which `most` were wanted, and `known` were known before. If it has found
    /// quite another network the next one comes soon, so often as it takes for all that was found before to be
    /// forgotten.
    pub fn on_end(&mut self, target: &Id, nearest: impl Iterator<Item = Id>, most: u8, known: usize) {
        self.density.on_lookup(target, nearest, most, known);
        if self.density.is_latest_odd() {
            self.follow_soon();
        } else {
            (self.soon_again, self.in_doubt) = (0, false);
        }
    }

    /// One has ended by its deadline, before it had converged. It says nothing, so while no two agree it is made again.
    pub fn on_deadline(&mut self) {
        if !self.agree() && self.follow_soon() {
            self.begun = self.begun.saturating_sub(1);
        }
    }

    /// The next one comes soon after the latest, unless too many in a row have.
    fn follow_soon(&mut self) -> bool {
        let may = usize::from(self.soon_again) < LOOKUPS;
        if may {
            self.soon_again += 1;
            let sooner = if self.is_soon { Duration::ZERO } else { self.later.saturating_sub(self.soon) };
            (self.due, self.is_soon) = (self.due.map(|at| at.before(sooner)), true);
        }
        may
    }

    /// Somebody answers again after nobody has for long: the next one comes soon, and until one agrees with those
    /// before what they found is a guess.
    pub fn on_link_back(&mut self, now: Instant) {
        self.doubt(now);
    }

    fn doubt(&mut self, now: Instant) {
        (self.in_doubt, self.is_soon) = (true, true);
        self.due = self.due.map(|at| at.min(now + self.soon));
    }

    /// Whether at least two lookups have found as many nodes as each other, roughly: what one says may be chance.
    pub fn agree(&self) -> bool {
        !self.in_doubt && self.density.agreeing() >= usize::from(FIRST)
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
        let none = || Soundings::new(&Config::default().table, List::with_capacity(LOOKUPS));
        for (second, agree) in [(10, true), (11, true), (14, false), (6, false)] {
            let mut soundings = none();
            assert!(!soundings.agree());
            soundings.on_end(&target, around(10), 20, 0);
            assert!(!soundings.agree());
            soundings.on_end(&target, around(second), 20, 0);
            assert_eq!(soundings.agree(), agree, "{second} bits");
            soundings.on_end(&target, around(second), 20, 0);
            assert!(soundings.agree());
        }
    }

    #[test]
    fn the_first_ones_are_made_soon_and_later_ones_at_a_slow_rhythm() {
        let mut soundings = Soundings::new(&Config::default().table, List::with_capacity(LOOKUPS));
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

    /// Rule Z5.
    #[test]
    fn one_that_ended_by_its_deadline_is_no_first_one_so_often_as_it_takes_for_all_to_be_forgotten() {
        let mut soundings = Soundings::new(&Config::default().table, List::with_capacity(LOOKUPS));
        let target = Id([7; 20]);
        let mut rng = Rng::from_seed([11; 32]);
        let mut look = |soundings: &mut Soundings<'_>, is_whole: bool| {
            let due = soundings.due().unwrap();
            assert!(soundings.take(due, false));
            let nearest = (0..20).map(|_| target.random_in_bucket(10, &mut rng));
            if is_whole {
                soundings.on_end(&target, nearest, 20, 0)
            } else {
                soundings.on_deadline()
            }
            soundings.due().unwrap().since(due).as_secs()
        };
        soundings.on_contact(Instant::from_secs(10), 8);
        let waits = [false, true, false, true, false, true].map(|is_whole| look(&mut soundings, is_whole));
        assert_eq!(waits, [60, 60, 60, 900, 900, 900], "the fourth is the second that says something");
        soundings.on_link_back(soundings.due().unwrap().before(Duration::from_secs(870)));
        let waits = [false, false, true, false].map(|is_whole| look(&mut soundings, is_whole));
        assert_eq!(waits, [60, 60, 900, 900], "after an outage one is enough");
        let mut soundings = Soundings::new(&Config::default().table, List::with_capacity(LOOKUPS));
        soundings.on_contact(Instant::from_secs(10), 8);
        let in_vain: std::vec::Vec<_> = (0..60).map(|_| look(&mut soundings, false)).collect();
        assert_eq!(in_vain.iter().filter(|wait| **wait == 60).count(), 1 + LOOKUPS);
    }

    /// Rule Z5.
    #[test]
    fn one_that_finds_quite_another_network_is_followed_by_others_until_most_have_found_it() {
        let mut soundings = Soundings::new(&Config::default().table, List::with_capacity(LOOKUPS));
        let mut rng = Rng::from_seed([9; 32]);
        let mut look = |soundings: &mut Soundings<'_>, bits: u32| {
            let (due, target) = (soundings.due().unwrap(), Id::random(&mut rng));
            assert!(soundings.take(due, false));
            let nearest: std::vec::Vec<_> = (0..20).map(|_| target.random_in_bucket(bits, &mut rng)).collect();
            soundings.on_end(&target, nearest.into_iter(), 20, 0);
            soundings.due().unwrap().since(due).as_secs()
        };
        soundings.on_contact(Instant::from_secs(10), 8);
        let before: std::vec::Vec<_> = (0..20).map(|_| look(&mut soundings, 4)).collect();
        assert!(before[1..].iter().all(|wait| *wait == 900), "{before:?}");
        let after: std::vec::Vec<_> = (0..20).map(|_| look(&mut soundings, 10)).collect();
        let soon = after.iter().take_while(|wait| **wait == 60).count();
        assert!((LOOKUPS / 2 - 1..=LOOKUPS).contains(&soon), "{after:?}");
        assert!(after[soon..].iter().all(|wait| *wait == 900), "{after:?}");
        // Whoever makes each one different gains no more than that.
        let torn: std::vec::Vec<_> = (0..60).map(|n| look(&mut soundings, 4 + 12 * (n % 2))).collect();
        assert!(torn.iter().filter(|wait| **wait == 60).count() < 60, "{torn:?}");
    }

    /// Rule Z5.
    #[test]
    fn a_minute_at_least_lies_between_two_also_when_all_is_in_doubt_while_one_is_under_way() {
        let mut soundings = Soundings::new(&Config::default().table, List::with_capacity(LOOKUPS));
        let mut rng = Rng::from_seed([12; 32]);
        soundings.on_contact(Instant::from_secs(10), 8);
        let waits = [4, 4, 4, 10, 10, 4].map(|bits| {
            let (due, target) = (soundings.due().unwrap(), Id::random(&mut rng));
            assert!(soundings.take(due, false));
            soundings.on_link_back(due + Duration::from_secs(20));
            let nearest: std::vec::Vec<_> = (0..20).map(|_| target.random_in_bucket(bits, &mut rng)).collect();
            soundings.on_end(&target, nearest.into_iter(), 20, 0);
            soundings.due().unwrap().since(due).as_secs()
        });
        assert_eq!(waits, [60, 80, 80, 80, 80, 80]);
    }

    /// Rule Z7.
    #[test]
    fn after_an_outage_what_was_found_before_is_a_guess_until_one_agrees_with_it() {
        let target = Id([7; 20]);
        let mut rng = Rng::from_seed([10; 32]);
        let mut look = |soundings: &mut Soundings<'_>, bits: u32| {
            let nearest: std::vec::Vec<_> = (0..20).map(|_| target.random_in_bucket(bits, &mut rng)).collect();
            soundings.on_end(&target, nearest.into_iter(), 20, 0);
            soundings.agree()
        };
        let mut soundings = Soundings::new(&Config::default().table, List::with_capacity(LOOKUPS));
        soundings.on_contact(Instant::from_secs(10), 8);
        (0..8).for_each(|_| _ = look(&mut soundings, 10));
        assert!(soundings.agree());
        assert!([1_000, 1_060].iter().all(|at| soundings.take(Instant::from_secs(*at), false)));
        soundings.on_link_back(Instant::from_secs(1_100));
        assert_eq!((soundings.agree(), soundings.due()), (false, Some(Instant::from_secs(1_160))));
        assert!(!look(&mut soundings, 4), "another network");
        assert!(look(&mut soundings, 10), "the same one");
        assert!(look(&mut soundings, 4), "chance");
    }

    /// Rule Z7.
    #[test]
    fn more_contacts_than_there_can_be_refute_what_was_found() {
        let target = Id([7; 20]);
        let mut soundings = Soundings::new(&Config::default().table, List::with_capacity(LOOKUPS));
        let at = Instant::from_secs;
        soundings.on_contact(at(10), 8);
        for n in 0..4_u8 {
            soundings.on_end(&target, (1..=15).map(|m| Id([n * 16 + m; 20])), 20, 15);
        }
        soundings.on_contact(at(20), 33);
        assert!(soundings.agree());
        soundings.on_contact(at(20), 34);
        assert_eq!((soundings.agree(), soundings.due()), (false, Some(at(70))));
    }
}
