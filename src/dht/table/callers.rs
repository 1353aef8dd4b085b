//! The networks from which strangers asked us something of late (rules T44 and T45 of `spec/table.md`).
//!
//! Of each only 14 bits are kept, in a set of four places that its bits choose, and in which half hour it asked. So a
//! network may be taken for another one, once in a few thousand; and of many that ask, those that asked longest ago are
//! forgotten. Both is harmless: whoever is taken for a caller finds fewer places, and whoever is forgotten is like one
//! who never called.

use crate::base::list::List;
use crate::base::time::{Instant, seconds};
use crate::krpc::endpoint::Endpoint;
use crate::krpc::networks::Networks;

/// Places of a set.
const SET: usize = 4;
/// A network is remembered in the period of so many seconds in which it asked, and in the next one.
const PERIOD: u32 = 30 * 60;
/// Periods are counted in two bits: what was not renewed for four of them is taken for new, if no other network has
/// its place by then.
const PERIODS: u16 = 4;

/// A fixed number of networks.
#[derive(Debug)]
pub(super) struct Callers<'s>(List<'s, u16>);

impl<'s> Callers<'s> {
    pub(super) fn new(places: List<'s, u16>) -> Self {
        Callers(places.into_zeros())
    }

    /// Somebody asked who is no contact.
    pub(super) fn on_query(&mut self, now: Instant, from: &Endpoint) {
        let (period, mark) = (period(now), mark(from));
        let Some(set) = self.set_of(from) else { return };
        let Some(set) = self.0.get_mut(set) else { return };
        // Its own place, or a free one, or the one of whoever asked longest ago.
        let rank = |place: &&mut u16| (**place >> 2 != mark, **place != 0, (PERIODS - 1) - age(**place, period));
        if let Some(place) = set.iter_mut().min_by_key(rank) {
            *place = mark << 2 | period;
        }
    }

    /// Whether somebody asked from the network of an endpoint.
    pub(super) fn contains(&self, now: Instant, endpoint: &Endpoint) -> bool {
        let (period, mark) = (period(now), mark(endpoint));
        let set = self.set_of(endpoint).and_then(|set| self.0.get(set));
        set.is_some_and(|set| set.iter().any(|place| place >> 2 == mark && age(*place, period) <= 1))
    }

    fn set_of(&self, endpoint: &Endpoint) -> Option<core::ops::Range<usize>> {
        let sets = (self.0.len() / SET) as u64;
        let set = (((hash(endpoint) >> 32) * sets) >> 32) as usize;
        (sets > 0).then_some(set * SET..(set + 1) * SET)
    }
}

fn period(now: Instant) -> u16 {
    (seconds(now) / PERIOD) as u16 % PERIODS
}

/// For how many periods a place has not been renewed.
fn age(place: u16, period: u16) -> u16 {
    period.wrapping_sub(place) % PERIODS
}

/// What is kept of a network: never 0, which is nobody.
fn mark(endpoint: &Endpoint) -> u16 {
    (hash(endpoint) as u16 >> 2).max(1)
}

/// Spreads networks evenly; whoever wants to be taken for another can ask in its name as well.
fn hash(endpoint: &Endpoint) -> u64 {
    let product = u128::from(Networks::of(endpoint).largest()) * 0x9e37_79b9_7f4a_7c15;
    (product >> 64) as u64 ^ product as u64
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;

    fn at(minutes: u64) -> Instant {
        Instant::from_secs(60 * minutes)
    }

    fn endpoint(n: u16) -> Endpoint {
        let [b, c] = n.to_be_bytes();
        Endpoint::v4([20, b, c, 7], 1_000)
    }

    fn known(callers: &Callers<'_>, now: Instant, of: core::ops::Range<u16>) -> usize {
        of.filter(|n| callers.contains(now, &endpoint(*n))).count()
    }

    /// T44.
    #[test]
    fn a_network_is_known_for_half_an_hour_to_an_hour_after_it_asked_and_after_each_two_hours() {
        let mut callers = Callers::new(List::zeroed(64));
        for begun in [3, 29, 61, 119] {
            callers.on_query(at(begun), &endpoint(1));
            assert!(callers.contains(at(begun), &Endpoint::v4([20, 0, 1, 99], 5)), "another address of it");
            assert!(callers.contains(at(begun + 30), &endpoint(1)) && !callers.contains(at(begun + 60), &endpoint(1)));
            assert!(!callers.contains(at(begun), &endpoint(2)));
            // Two bits know no more: its place is another's by then, or it counts once more.
            let again = [60, 90, 120, 150, 180].map(|later| callers.contains(at(begun + later), &endpoint(1)));
            assert_eq!(again, [false, false, true, true, false], "{begun}");
        }
    }

    /// T44.
    #[test]
    fn whoever_asks_from_a_64_is_known_in_the_whole_48_and_nowhere_else() {
        let endpoint = |text: &str| text.parse::<Endpoint>().unwrap();
        let mut callers = Callers::new(List::zeroed(64));
        callers.on_query(at(0), &endpoint("[2001:db8:7:1234::1]:5"));
        for (text, expected) in [
            ("[2001:db8:7:1234::9]:6", true),
            ("[2001:db8:7:12ff::1]:5", true),
            ("[2001:db8:7:ff34::1]:5", true),
            ("[2001:db8:8:1234::1]:5", false),
        ] {
            assert_eq!(callers.contains(at(0), &endpoint(text)), expected, "{text}");
        }
        // However many of them ask, they push nobody out of his place.
        let mut callers = Callers::new(List::zeroed(4));
        callers.on_query(at(0), &endpoint("[2001:db8:8:1234::1]:5"));
        (0..99).for_each(|n| callers.on_query(at(31), &endpoint(&std::format!("[2001:db8:7:{n}::1]:5"))));
        assert!(callers.contains(at(31), &endpoint("[2001:db8:8:1234::1]:5")));
    }

    #[test]
    fn as_many_networks_have_places_as_there_is_room_for_and_those_that_asked_last_stay() {
        let mut callers = Callers::new(List::zeroed(4));
        (0..4).for_each(|n| callers.on_query(at(31 * u64::from(n / 2)), &endpoint(n)));
        assert_eq!(known(&callers, at(32), 0..4), 4);
        callers.on_query(at(32), &endpoint(2));
        callers.on_query(at(32), &endpoint(4));
        assert_eq!((known(&callers, at(32), 0..2), known(&callers, at(32), 2..5)), (1, 3));
        for few in 0..4 {
            let mut callers = Callers::new(List::zeroed(few));
            callers.on_query(at(0), &endpoint(1));
            assert_eq!(known(&callers, at(0), 0..4), 0, "less than a set is none");
        }
    }

    #[test]
    fn few_are_taken_for_others_and_many_are_remembered() {
        let mut callers = Callers::new(List::zeroed(4_096));
        (0..2_000).for_each(|n| callers.on_query(at(0), &endpoint(n)));
        let (remembered, mistaken) = (known(&callers, at(0), 0..2_000), known(&callers, at(0), 10_000..20_000));
        assert!(remembered > 1_900 && mistaken < 10, "{remembered} {mistaken}");
    }
}
