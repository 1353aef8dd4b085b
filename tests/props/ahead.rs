//! A lookup asks those at once who have to be asked anyhow. Rules L6 and L41 of `spec/lookup.md`.

use honeyguide::dht::Network;
use honeyguide::internals::dht::lookup::{
    Candidate, Class, Lookup, LookupWindow, Next, Offer, Rules, Spacing, TokenCell,
};
use honeyguide::{Config, Endpoint, Id, Instant};
use std::time::Duration;

const TARGET: Id = Id([0x42; 20]);
const NODES: u64 = 1_024;

/// An id that stands where so many half nodes are to be expected.
fn at(rank: u64) -> Id {
    let mut id = TARGET;
    let distance = (rank * (u64::MAX / NODES / 2)).to_be_bytes();
    id.0.iter_mut().zip(distance).for_each(|(byte, distance)| *byte ^= distance);
    id
}

/// A lookup one of whose own contacts has answered and named nodes at these ranks.
struct Harness {
    lookup: Lookup,
    candidates: Vec<Candidate>,
    now: Instant,
}

impl Harness {
    fn new(spacing: Option<Spacing>, ranks: impl IntoIterator<Item = u64>) -> Self {
        let mut lookup = Lookup::new(Instant::from_secs(5), TARGET);
        spacing.into_iter().for_each(|spacing| lookup.expect(spacing));
        let mut h = Harness { lookup, candidates: vec![Candidate::default(); 100], now: Instant::from_secs(5) };
        h.offer(900, Class::Good, 0);
        assert_eq!(h.asks(1_000), 1);
        h.answer(900);
        ranks.into_iter().for_each(|rank| h.offer(rank, Class::Unverified, 1));
        h
    }

    fn offer(&mut self, rank: u64, class: Class, hops: u8) {
        let offer = Offer { id: at(rank), endpoint: endpoint(rank), class, hops, path: None, secure: true };
        let mut window = LookupWindow { candidates: &mut self.candidates, tokens: &mut [] };
        assert!(self.lookup.offer(&mut window, Network::Public, offer));
    }

    fn answer(&mut self, rank: u64) {
        let mut window = LookupWindow { candidates: &mut self.candidates, tokens: &mut [] };
        assert!(self.lookup.on_answer(&mut window, &at(rank), &endpoint(rank), None));
    }

    fn next(&mut self, answering: u32) -> Next {
        let config = Config::default().lookup;
        let rules =
            Rules { config: &config, patience: Duration::ZERO, answering, burdens: &(), enforce_secure_ids: false };
        let tokens: &mut [TokenCell] = &mut [];
        let mut window = LookupWindow { candidates: &mut self.candidates, tokens };
        self.lookup.next(self.now, &mut window, &rules, true)
    }

    /// How many are asked before one of them answers, where so many of a thousand do.
    fn asks(&mut self, answering: u32) -> usize {
        core::iter::from_fn(|| match self.next(answering) {
            Next::Ask { .. } => Some(()),
            Next::Wait(None) => None,
            other => panic!("{other:?}"),
        })
        .count()
    }
}

fn endpoint(rank: u64) -> Endpoint {
    Endpoint::v4([8, (rank >> 8) as u8, rank as u8, 1], 6881)
}

fn known() -> Option<Spacing> {
    Some(Spacing::of(NODES, 150))
}

#[test]
fn where_all_answer_those_that_stand_near_are_asked_at_once_and_no_more_than_are_looked_for() {
    assert_eq!(Harness::new(known(), 1..40).asks(1_000), 8);
    assert_eq!(Harness::new(None, 1..40).asks(1_000), 3, "nobody knows who is near");
}

#[test]
fn where_half_answer_twice_as_many_are_asked_and_never_more_than_there_are_slots() {
    assert_eq!(Harness::new(known(), 1..40).asks(500), 16);
    assert_eq!(Harness::new(known(), 1..40).asks(1), 20, "L41: the slots");
    assert_eq!(Harness::new(None, 1..40).asks(500), 6, "as many as three answers need");
    assert_eq!(Harness::new(None, 1..40).asks(1), 8, "no more than are looked for");
}

#[test]
fn those_that_stand_far_are_asked_a_few_at_a_time() {
    // Of eight nodes, 12.8 of them are near.
    assert_eq!(Harness::new(known(), 26..60).asks(1_000), 3);
    assert_eq!(Harness::new(known(), 25..60).asks(1_000), 3, "the one at the edge takes one of their slots");
    assert_eq!(Harness::new(known(), 22..60).asks(1_000), 4);
}

/// Two hundred that were put next to the target are no reason to hurry, and hold nobody else up.
#[test]
fn those_that_stand_nearer_than_anybody_should_are_asked_a_few_at_a_time() {
    let next_to_target = |h: &mut Harness, bit: u8| {
        let mut id = TARGET;
        id.0[4 + usize::from(bit / 8)] ^= 0x80 >> (bit % 8);
        let endpoint = Endpoint::v4([9, bit, 1, 1], 6881);
        let offer = Offer { id, endpoint, class: Class::Unverified, hops: 1, path: None, secure: true };
        let mut window = LookupWindow { candidates: &mut h.candidates, tokens: &mut [] };
        assert!(h.lookup.offer(&mut window, Network::Public, offer));
    };
    let mut h = Harness::new(known(), []);
    (0..40).for_each(|bit| next_to_target(&mut h, bit));
    assert_eq!(h.asks(1_000), 3);
    let mut h = Harness::new(known(), 1..40);
    assert_eq!(h.asks(1_000), 8);
    next_to_target(&mut h, 7);
    assert_eq!(h.asks(1_000), 1, "the others keep their slots, and it has one of its own");
}

/// Who is asked ahead is not waited for: it ends when the eight nearest have answered.
#[test]
fn it_ends_when_the_nearest_have_answered_though_more_were_asked() {
    let begun = || {
        let mut h = Harness::new(known(), 1..40);
        assert_eq!(h.asks(500), 16);
        h
    };
    let mut h = begun();
    (1..9).for_each(|rank| h.answer(rank));
    assert_eq!(h.next(500), Next::Done { converged: true });
    let mut h = begun();
    (2..10).for_each(|rank| h.answer(rank));
    assert_eq!(h.next(500), Next::Wait(None), "the nearest is awaited");
}
