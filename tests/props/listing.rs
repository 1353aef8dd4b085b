//! A lookup of which the list of the nearest is wanted waits for those who are late. Rule L43 of `spec/lookup.md`.

use honeyguide::dht::Network;
use honeyguide::internals::dht::lookup::{Candidate, Class, Lookup, LookupWindow, Next, Offer, Rules};
use honeyguide::{Config, Endpoint, Id, Instant};
use std::time::Duration;

use super::lookup::impatient;

const TARGET: Id = Id([0x42; 20]);
const BEGIN: Instant = Instant::from_secs(5);
const PATIENCE: Duration = Duration::from_millis(800);

fn node(place: u8) -> (Id, Endpoint) {
    let mut id = TARGET;
    id.0[0] ^= place;
    (id, Endpoint::v4([8, place, 1, 1], 6881))
}

struct Harness {
    lookup: Lookup,
    candidates: Vec<Candidate>,
}

impl Harness {
    /// Nine nodes were asked, the nearest at last, and all have answered but one, which is late.
    fn with_one_late(late: u8, lists: bool) -> Self {
        let mut h = Harness { lookup: Lookup::new(BEGIN, TARGET), candidates: vec![Candidate::default(); 100] };
        if lists {
            h.lookup.list();
        }
        (2..=9).for_each(|place| h.offer(node(place)));
        for asked in 1..=9 {
            let Next::Ask { id, endpoint, .. } = h.next(BEGIN) else { panic!("{asked}") };
            let (lookup, mut window) = h.window();
            if (id, endpoint) == node(late) {
                lookup.on_late(&mut window, &id, &endpoint);
            } else {
                assert!(lookup.on_answer(&mut window, &id, &endpoint, None));
            }
            if asked == 8 {
                h.offer(node(1));
            }
        }
        h
    }

    fn offer(&mut self, (id, endpoint): (Id, Endpoint)) {
        let offer = Offer { id, endpoint, class: Class::Good, hops: 0, path: None, secure: true };
        let (lookup, mut window) = self.window();
        assert!(lookup.offer(&mut window, Network::Public, offer));
    }

    fn window(&mut self) -> (&mut Lookup, LookupWindow<'_>) {
        (&mut self.lookup, LookupWindow { candidates: &mut self.candidates, tokens: &mut [] })
    }

    fn next(&mut self, now: Instant) -> Next {
        let config = Config::default().lookup;
        let rules = Rules { patience: PATIENCE, ..impatient(&config) };
        let (lookup, mut window) = self.window();
        lookup.next(now, &mut window, &rules, true)
    }
}

#[test]
fn a_list_is_told_when_the_nearest_have_answered_and_waits_for_one_that_is_late() {
    let mut h = Harness::with_one_late(3, true);
    assert_eq!(h.next(BEGIN), Next::Report);
    assert_eq!(h.next(BEGIN), Next::Wait(Some(BEGIN + PATIENCE)), "said once");
    let last = BEGIN + (PATIENCE - Duration::from_micros(1));
    assert_eq!(h.next(last), Next::Wait(Some(BEGIN + PATIENCE)));
    let mut other = Harness { lookup: h.lookup, candidates: h.candidates.clone() };
    let ((id, endpoint), (lookup, mut window)) = (node(3), other.window());
    assert!(lookup.on_answer(&mut window, &id, &endpoint, None));
    assert_eq!(other.next(last), Next::Done { converged: true }, "nobody else is late");
    assert_eq!(h.next(BEGIN + PATIENCE), Next::Done { converged: true }, "as long, and no longer");
}

#[test]
fn whom_one_that_was_late_names_is_asked() {
    let mut h = Harness::with_one_late(3, true);
    assert_eq!(h.next(BEGIN), Next::Report);
    let (id, endpoint) = (node(0).0, Endpoint::v4([9, 1, 1, 1], 1));
    h.offer((id, endpoint));
    assert_eq!(h.next(BEGIN), Next::Ask { id, endpoint, unverified: false });
}

#[test]
fn nobody_waits_for_one_that_would_not_be_among_the_nearest_or_where_no_list_is_wanted() {
    assert_eq!(Harness::with_one_late(9, true).next(BEGIN), Next::Done { converged: true });
    assert_eq!(Harness::with_one_late(3, false).next(BEGIN), Next::Done { converged: true });
}
