//! Nobody is sent more than it bears, and nobody else waits for that. Rule L42 of `spec/lookup.md`.

use std::time::Duration;

use honeyguide::dht::Network;
use honeyguide::internals::dht::lookup::{
    Burdens, Candidate, Class, Lookup, LookupWindow, Next, Offer, Rules, TokenCell,
};
use honeyguide::{Config, Endpoint, Id, Instant};

const TARGET: Id = Id([0x42; 20]);
const NOW: Instant = Instant::from_secs(5);
const LATER: Instant = Instant::from_secs(6);

/// These bear nothing more before a second has passed.
#[derive(Debug)]
struct Tired<'a>(&'a [u8]);

impl Burdens for Tired<'_> {
    fn bears_more_at(&self, now: Instant, to: &Endpoint) -> Option<Instant> {
        (now < LATER && self.0.contains(&to.ip_bytes()[1])).then_some(LATER)
    }
}

fn endpoint(n: u8) -> Endpoint {
    Endpoint::v4([8, n, 1, 1], 6881)
}

/// Ever farther from the target.
fn id(n: u8) -> Id {
    let mut id = TARGET;
    id.0[1] ^= n + 1;
    id
}

struct Harness {
    lookup: Lookup,
    candidates: Vec<Candidate>,
    tokens: Vec<TokenCell>,
}

impl Harness {
    fn of(contacts: u8) -> Harness {
        let lookup = Lookup::new(NOW, TARGET).storing();
        let (candidates, tokens) = (vec![Candidate::default(); 100], vec![TokenCell::default(); 20]);
        let mut h = Harness { lookup, candidates, tokens };
        for n in 0..contacts {
            let offer =
                Offer { id: id(n), endpoint: endpoint(n), class: Class::Good, hops: 0, path: None, secure: true };
            let mut window = LookupWindow { candidates: &mut h.candidates, tokens: &mut h.tokens };
            assert!(h.lookup.offer(&mut window, Network::Public, offer));
        }
        h
    }

    fn next(&mut self, now: Instant, tired: &[u8]) -> Next {
        let mut config = Config::default().lookup;
        config.initial_stagger = Duration::ZERO;
        let burdens = Tired(tired);
        let rules = Rules {
            config: &config,
            patience: Duration::ZERO,
            answering: 1_000,
            burdens: &burdens,
            enforce_secure_ids: false,
        };
        let mut window = LookupWindow { candidates: &mut self.candidates, tokens: &mut self.tokens };
        self.lookup.next(now, &mut window, &rules, true)
    }

    /// Who is asked, and how it goes on when nobody else can be.
    fn asks(&mut self, now: Instant, tired: &[u8]) -> (Vec<u8>, Next) {
        let mut asked = Vec::new();
        loop {
            match self.next(now, tired) {
                Next::Ask { id, endpoint, .. } => {
                    asked.push(endpoint.ip_bytes()[1]);
                    let mut window = LookupWindow { candidates: &mut self.candidates, tokens: &mut self.tokens };
                    assert!(self.lookup.on_answer(&mut window, &id, &endpoint, Some(b"token")));
                }
                end => return (asked, end),
            }
        }
    }
}

#[test]
fn a_lookup_with_few_candidates_waits_for_one_that_bears_no_more() {
    let mut h = Harness::of(40);
    let (asked, end) = h.asks(NOW, &[2]);
    assert_eq!(asked, [0, 1, 3, 4, 5, 6, 7], "the others are asked meanwhile");
    assert_eq!(end, Next::Burdened { until: LATER, alone: true });
    let (asked, _) = h.asks(LATER, &[2]);
    assert_eq!(asked[0], 2);
}

#[test]
fn a_lookup_with_many_leaves_it_out() {
    let mut h = Harness::of(41);
    let (asked, end) = h.asks(NOW, &[2]);
    assert_eq!(asked[..8], [0, 1, 3, 4, 5, 6, 7, 8]);
    assert!(matches!(end, Next::Store { .. }), "it has converged: {end:?}");
}

#[test]
fn a_put_stores_on_the_others_first() {
    let mut h = Harness::of(20);
    let (_, mut next) = h.asks(NOW, &[]);
    let mut stored = Vec::new();
    for _ in 0..60 {
        let mut window = LookupWindow { candidates: &mut h.candidates, tokens: &mut h.tokens };
        match next {
            Next::Store { id, endpoint } => {
                stored.push(endpoint.ip_bytes()[1]);
                h.lookup.on_stored(&mut window, &id, &endpoint, true);
            }
            Next::Ask { id, endpoint, .. } => {
                assert!(h.lookup.on_answer(&mut window, &id, &endpoint, Some(b"token")));
            }
            Next::Report => {}
            _ => break,
        }
        next = h.next(NOW, &[1]);
    }
    assert_eq!(next, Next::Burdened { until: LATER, alone: true });
    assert_eq!(stored.len(), 19);
    assert!(!stored.contains(&1));
    assert!(matches!(h.next(LATER, &[1]), Next::Store { endpoint: to, .. } if to == endpoint(1)));
}
