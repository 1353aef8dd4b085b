//! Nobody is sent more than it bears, and nobody else waits for that. Rule L42 of `spec/lookup.md`.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use honeyguide::base::Rng;
use honeyguide::dht::Network;
use honeyguide::internals::base::list::List;
use honeyguide::internals::dht::limiter::Limiter;
use honeyguide::internals::dht::lookup::{
    Burdens, Candidate, Class, Lookup, LookupWindow, Next, Offer, Rules, TokenCell,
};
use honeyguide::{Config, Endpoint, Id, Instant};
use quickcheck::quickcheck;

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

const TEN_SECONDS: Duration = Duration::from_secs(10);

/// What each endpoint was sent in the last ten seconds, one by one.
#[derive(Default)]
struct Sent(BTreeMap<Endpoint, VecDeque<Instant>>);

impl Sent {
    /// One more goes there; how many there were in ten seconds, it included.
    fn send(&mut self, now: Instant, to: Endpoint) -> usize {
        let times = self.0.entry(to).or_default();
        times.push_back(now);
        while times.front().is_some_and(|at| now.since(*at) >= TEN_SECONDS) {
            times.pop_front();
        }
        times.len()
    }
}

fn limiter(meters: usize) -> Limiter<'static> {
    let keys = [0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03];
    Limiter::new(Config::default().limiter, Network::Public, keys, List::zeroed(meters))
}

/// As many as are let through at once, now.
fn send(limiter: &mut Limiter<'_>, sent: &mut Sent, now: Instant, to: Endpoint) -> (usize, usize) {
    let (mut many, mut most) = (0, 0);
    while limiter.sends_on(now, &to).is_none() && many < 100 {
        limiter.expect(now, &to);
        (many, most) = (many + 1, most.max(sent.send(now, to)));
    }
    (many, most)
}

/// Also where all share a few counts, and whatever strangers send meanwhile.
#[test]
fn nobody_is_sent_more_than_forty_in_any_ten_seconds_however_many_there_are() {
    fn property(sends: Vec<(u16, u16)>, meters: u8, spread: u8) -> bool {
        let mut limiter = limiter([8, 15, 32, 4_096][usize::from(meters % 4)]);
        let (mut sent, mut rng) = (Sent::default(), Rng::from_seed([meters; 32]));
        let mut now = Instant::from_secs(1_000);
        sends.into_iter().all(|(wait, n)| {
            now += Duration::from_millis(u64::from(wait) % 1_500);
            limiter.judge(now, &Endpoint::v4(rng.bytes(), 5));
            let to = Endpoint::v4([9, 9, (n % (1 + u16::from(spread))) as u8, 1], 6881);
            let (many, most) = send(&mut limiter, &mut sent, now, to);
            many <= 10 && most <= 40
        })
    }
    quickcheck(property as fn(Vec<(u16, u16)>, u8, u8) -> bool);
}

/// So many that are sent as much as they bear for 20 s, which are ten and 60 more each: how much they get of that.
fn share(endpoints: u16, meters: usize) -> f64 {
    let (mut limiter, mut sent) = (limiter(meters), Sent::default());
    let endpoint = |n: u16| Endpoint::v4([9, (n >> 8) as u8, n as u8, 1], 6881);
    let (mut all, mut most) = (0, 0);
    for third in 0..61 {
        // Ten in the middle of the first third, and one in each of the others as soon as it begins.
        let now = Instant::from_millis(1_000_000 + (third * 1_000 / 3 + 1).max(100));
        for n in 0..endpoints {
            let (many, of_ten_seconds) = send(&mut limiter, &mut sent, now, endpoint(n));
            (all, most) = (all + many, most.max(of_ten_seconds));
        }
    }
    assert_eq!(most, 40);
    all as f64 / f64::from(endpoints) / 70.0
}

#[test]
fn thousands_that_are_sent_as_much_as_they_bear_get_most_of_it() {
    for (endpoints, meters, least) in [(100, 4_096, 0.99), (1_500, 4_096, 0.95), (10_000, 32_768, 0.95)] {
        let share = share(endpoints, meters);
        assert!(share >= least && share <= 1.0, "{share} of {endpoints} with {meters} meters");
    }
}
