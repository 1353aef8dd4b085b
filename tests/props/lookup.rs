//! The lookup against a network that answers, is late or is dead at random. Rules L1 to L25 of `spec/lookup.md`.

use std::collections::{BTreeMap, BTreeSet};

use honeyguide::Config;
use honeyguide::Instant;
use honeyguide::base::Rng;
use honeyguide::dht::{LookupConfig, Network};
use honeyguide::internals::dht::lookup::{
    Candidate, Class, Lookup, LookupWindow, Next, Offer, Rules, SHARE, TokenCell,
};
use honeyguide::{Endpoint, Id};
use quickcheck::{QuickCheck, TestResult};
use std::time::Duration;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Answers,
    /// Answers after its soft timeout.
    AnswersLate,
    Dead,
}

struct Peer {
    id: Id,
    endpoint: Endpoint,
    fate: Fate,
    gives_token: bool,
}

/// The rules of a lookup that waits for nobody who is late, where all who are named answer and bear more.
pub fn impatient(config: &LookupConfig) -> Rules<'_> {
    Rules { config, patience: Duration::ZERO, answering: 1_000, burdens: &(), enforce_secure_ids: false }
}

/// A network in which everybody knows everybody, driven without the engine's help.
struct Harness {
    peers: Vec<Peer>,
    config: LookupConfig,
    lookup: Lookup,
    candidates: Vec<Candidate>,
    tokens: Vec<TokenCell>,
    now: Instant,
    rng: Rng,
    asked: BTreeMap<Endpoint, bool>,
    /// In flight and not late, by being unverified or not.
    in_flight: BTreeSet<(bool, Endpoint)>,
    late: BTreeSet<Endpoint>,
    storing: BTreeSet<Endpoint>,
    stored: BTreeSet<Endpoint>,
    reports: usize,
}

impl Harness {
    fn new(seed: u64, stores: bool) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let mut rng = Rng::from_seed(bytes);
        let count = 1 + rng.below(60);
        let dead_of_8 = rng.below(7);
        let peers: Vec<Peer> = (0..count)
            .map(|i| Peer {
                id: Id::random(&mut rng),
                endpoint: Endpoint::v4([10, i as u8, 0, 1], 1000 + i as u16),
                fate: match rng.below(8) {
                    x if x < dead_of_8 => Fate::Dead,
                    7 => Fate::AnswersLate,
                    _ => Fate::Answers,
                },
                gives_token: rng.below(10) != 0,
            })
            .collect();
        let config = Config::default().local().lookup;
        let now = Instant::from_secs(5);
        let lookup = Lookup::new(now, Id::random(&mut rng));
        let lookup = if stores { lookup.storing() } else { lookup };
        Harness {
            peers,
            lookup,
            candidates: vec![Candidate::default(); 100],
            tokens: vec![TokenCell::default(); usize::from(config.replicas)],
            config,
            now,
            rng,
            asked: BTreeMap::new(),
            in_flight: BTreeSet::new(),
            late: BTreeSet::new(),
            storing: BTreeSet::new(),
            stored: BTreeSet::new(),
            reports: 0,
        }
    }

    fn peer(&self, endpoint: &Endpoint) -> &Peer {
        self.peers.iter().find(|p| p.endpoint == *endpoint).expect("only peers are asked")
    }

    fn offer(&mut self, i: usize, hops: u8) {
        let Peer { id, endpoint, .. } = self.peers[i];
        let class = if hops == 0 { Class::Good } else { Class::Unverified };
        let offer = Offer { id, endpoint, class, hops, path: None, secure: true };
        let mut window = LookupWindow { candidates: &mut self.candidates, tokens: &mut self.tokens };
        self.lookup.offer(&mut window, Network::Local, offer);
    }

    /// Everybody, nearest to the target first.
    fn by_distance(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.peers.len()).collect();
        order.sort_by_key(|&i| self.peers[i].id.distance(self.lookup.target()));
        order
    }

    /// Asks for work until there is none; `Some` at the end.
    fn pull(&mut self) -> Option<bool> {
        loop {
            let rules = Rules {
                config: &self.config,
                patience: Duration::from_millis(200),
                answering: 1_000,
                burdens: &(),
                enforce_secure_ids: false,
            };
            let mut window = LookupWindow { candidates: &mut self.candidates, tokens: &mut self.tokens };
            match self.lookup.next(self.now, &mut window, &rules, true) {
                Next::Ask { endpoint, unverified, .. } => {
                    assert!(self.asked.insert(endpoint, unverified).is_none(), "L2: asked twice");
                    self.in_flight.insert((unverified, endpoint));
                    let of = |unverified| self.in_flight.iter().filter(|(h, _)| *h == unverified).count();
                    assert!(of(false) <= usize::from(self.config.slots_good), "L6: slots for good contacts");
                    assert!(of(true) <= usize::from(self.config.slots_unverified), "L6: slots for unverified");
                }
                Next::Store { id, endpoint } => {
                    let window = LookupWindow { candidates: &mut self.candidates, tokens: &mut self.tokens };
                    let token = self.lookup.token(&window, &id, &endpoint).expect("L21: only with a token");
                    assert_eq!(token, token_of(&endpoint), "L26: its own token");
                    assert!(self.storing.insert(endpoint), "stored twice");
                }
                Next::Report => self.reports += 1,
                Next::Held { .. } | Next::Burdened { .. } => unreachable!("the budget has something left"),
                Next::AskAside { .. } | Next::Alarm => unreachable!("no size of the network is known"),
                Next::Wait(None) => return None,
                Next::Wait(Some(at)) => {
                    assert!(at > self.now, "a wait that is over");
                    if self.in_flight.is_empty() && self.storing.is_empty() {
                        self.now = at;
                    } else {
                        return None;
                    }
                }
                Next::Done { converged } => return Some(converged),
            }
        }
    }

    /// One answer, timeout or failure, whichever is drawn.
    fn happen(&mut self) {
        self.now += Duration::from_millis(7);
        let open: Vec<Endpoint> = self
            .in_flight
            .iter()
            .map(|(_, e)| *e)
            .chain(self.late.iter().copied())
            .chain(self.storing.clone())
            .collect();
        assert!(!open.is_empty(), "it waits for nobody");
        let endpoint = open[self.rng.below(open.len() as u32) as usize];
        let (id, fate) = (self.peer(&endpoint).id, self.peer(&endpoint).fate);
        let unverified = self.asked[&endpoint];
        let mut window = LookupWindow { candidates: &mut self.candidates, tokens: &mut self.tokens };
        if self.storing.contains(&endpoint) {
            self.storing.remove(&endpoint);
            match self.rng.below(4) {
                0 => self.lookup.on_refused(&mut window, &id, &endpoint, true),
                1 => self.lookup.on_failure(&mut window, &id, &endpoint),
                _ => {
                    self.lookup.on_stored(&mut window, &id, &endpoint, true);
                    self.stored.insert(endpoint);
                }
            }
        } else if self.late.contains(&endpoint) {
            self.late.remove(&endpoint);
            if fate == Fate::Dead {
                self.lookup.on_failure(&mut window, &id, &endpoint);
            } else {
                self.answer(&endpoint);
            }
        } else if fate == Fate::Answers {
            self.in_flight.remove(&(unverified, endpoint));
            self.answer(&endpoint);
        } else {
            self.in_flight.remove(&(unverified, endpoint));
            self.late.insert(endpoint);
            self.lookup.on_late(&mut window, &id, &endpoint);
        }
    }

    fn answer(&mut self, endpoint: &Endpoint) {
        let id = self.peer(endpoint).id;
        let token = self.peer(endpoint).gives_token.then(|| token_of(endpoint));
        for i in self.by_distance().into_iter().take(SHARE) {
            self.offer(i, 1);
        }
        let mut window = LookupWindow { candidates: &mut self.candidates, tokens: &mut self.tokens };
        assert!(self.lookup.on_answer(&mut window, &id, endpoint, token.as_deref()));
    }

    fn run(&mut self) -> bool {
        let starts = 1 + self.rng.below(4) as usize;
        for i in 0..starts.min(self.peers.len()) {
            self.offer(i, 0);
        }
        for _ in 0..10_000 {
            if let Some(converged) = self.pull() {
                return converged;
            }
            self.happen();
        }
        panic!("a lookup that does not end");
    }
}

fn token_of(endpoint: &Endpoint) -> Vec<u8> {
    endpoint.port().to_be_bytes().repeat(4)
}

#[test]
fn a_lookup_ends_with_the_nearest_that_are_alive_and_asks_nobody_twice() {
    fn holds(seed: u64) -> TestResult {
        let mut h = Harness::new(seed, false);
        let converged = h.run();
        let answered: Vec<Id> = h.lookup.answered(&h.candidates).map(|(id, _)| id).collect();
        assert_eq!(converged, !answered.is_empty(), "L12");
        let k = usize::from(h.config.k);
        let order = h.by_distance();
        // Whoever is alive, on time and nearer than the k-th that answered has answered too.
        let nearest = &answered[..answered.len().min(k)];
        if let Some(last) = nearest.last() {
            let bound = last.distance(h.lookup.target());
            for &i in order.iter().take(SHARE) {
                let peer = &h.peers[i];
                let nearer = answered.len() < k || peer.id.distance(h.lookup.target()) < bound;
                if nearer && peer.fate == Fate::Answers {
                    assert!(answered.contains(&peer.id), "L11: seed {seed}, {i} was passed over");
                }
            }
        }
        TestResult::passed()
    }
    QuickCheck::new().tests(500).quickcheck(holds as fn(u64) -> TestResult);
}

#[test]
fn a_put_stores_on_the_nearest_that_gave_a_token_and_reports_once() {
    fn holds(seed: u64) -> TestResult {
        let mut h = Harness::new(seed, true);
        if !h.run() {
            assert!(h.stored.is_empty() && h.reports == 0);
            return TestResult::discard();
        }
        assert!(h.storing.is_empty(), "it ended while a store was open");
        assert_eq!(h.reports, usize::from(h.stored.len() >= usize::from(h.config.report_at)), "L22");
        // Nobody whom it could store on, nearer than somebody it stored on, was passed over.
        let answered: Vec<Endpoint> = h.lookup.answered(&h.candidates).map(|(_, e)| e).collect();
        let window = LookupWindow { candidates: &mut h.candidates, tokens: &mut h.tokens };
        let last = answered.iter().rposition(|e| h.stored.contains(e));
        for e in &answered[..last.unwrap_or(0)] {
            let peer = h.peers.iter().find(|p| p.endpoint == *e).unwrap();
            let tried = h.lookup.token(&window, &peer.id, e).is_none();
            assert!(tried || !peer.gives_token, "L21: seed {seed}: {e} has an unused token");
        }
        TestResult::passed()
    }
    QuickCheck::new().tests(500).quickcheck(holds as fn(u64) -> TestResult);
}

/// Rule L21: where there are fewer places for tokens than nodes that give one.
#[test]
fn tokens_are_kept_of_the_nearest_whoever_answers_first() {
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1], [1, 3, 0, 2]] {
        let mut h = Harness::new(1, true);
        h.tokens.truncate(2);
        let node = |n: u8| {
            let mut id = *h.lookup.target();
            id.0[0] ^= 1 << n;
            (id, Endpoint::v4([11, n, 0, 1], 1000 + u16::from(n)))
        };
        // The nearest first.
        let nodes = [0, 1, 2, 3].map(node);
        let mut window = LookupWindow { candidates: &mut h.candidates, tokens: &mut h.tokens };
        for (id, endpoint) in nodes {
            let offer = Offer { id, endpoint, class: Class::Good, hops: 1, path: None, secure: true };
            h.lookup.offer(&mut window, Network::Local, offer);
        }
        let rules = impatient(&h.config);
        let mut asked = 0;
        while let Next::Ask { .. } = h.lookup.next(h.now, &mut window, &rules, true) {
            asked += 1;
        }
        assert_eq!(asked, 4);
        for (answered, n) in order.into_iter().enumerate() {
            let (id, endpoint) = nodes[n];
            assert!(h.lookup.on_answer(&mut window, &id, &endpoint, Some(&token_of(&endpoint))));
            let mut nearest: Vec<usize> = order[..=answered].to_vec();
            nearest.sort_unstable();
            nearest.truncate(2);
            let kept = |n: &usize| h.lookup.token(&window, &nodes[*n].0, &nodes[*n].1) == Some(&token_of(&nodes[*n].1));
            assert_eq!((0..4).filter(kept).collect::<Vec<_>>(), nearest, "{order:?}, {answered}");
        }
    }
}

#[test]
fn the_window_is_bounded_and_keeps_the_nearest() {
    fn holds(seed: u64, capacity: u8) -> TestResult {
        let mut h = Harness::new(seed, false);
        let capacity = 8 + usize::from(capacity % 24);
        h.candidates.truncate(capacity);
        let mut rng = Rng::from_seed([9; 32]);
        let mut ids: Vec<Id> = (0..80).map(|_| Id::random(&mut rng)).collect();
        for (i, id) in ids.iter().enumerate() {
            let endpoint = Endpoint::v4([11, i as u8, 0, 1], 1);
            let mut window = LookupWindow { candidates: &mut h.candidates, tokens: &mut h.tokens };
            h.lookup.offer(
                &mut window,
                Network::Public,
                Offer { id: *id, endpoint, class: Class::Unverified, hops: 1, path: None, secure: true },
            );
        }
        ids.sort_by_key(|id| id.distance(h.lookup.target()));
        let mut asked = Vec::new();
        while h.peers.len() < 1000 {
            let rules = impatient(&h.config);
            let mut window = LookupWindow { candidates: &mut h.candidates, tokens: &mut h.tokens };
            match h.lookup.next(h.now, &mut window, &rules, true) {
                Next::Ask { id, endpoint, .. } => {
                    asked.push(id);
                    // Dead, all of them: so each in the window is asked, nearest first.
                    h.lookup.on_failure(&mut window, &id, &endpoint);
                }
                Next::Done { converged } => {
                    assert!(!converged);
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(asked, ids[..capacity], "L1");
        TestResult::passed()
    }
    QuickCheck::new().tests(50).quickcheck(holds as fn(u64, u8) -> TestResult);
}

#[test]
fn unverified_nodes_of_one_network_gets_one_place_in_public_and_every_place_in_a_local_network() {
    for (network, admitted, is_v6) in
        [(Network::Public, 1, false), (Network::Public, 1, true), (Network::Local, 20, false)]
    {
        let mut h = Harness::new(1, false);
        let mut rng = Rng::from_seed([4; 32]);
        let taken = (0..20u8)
            .filter(|&i| {
                let offer = Offer {
                    id: Id::random(&mut rng),
                    endpoint: match is_v6 {
                        false => Endpoint::v4([12, 0, 0, i + 1], 1),
                        true => Endpoint::v6([0x20, 1, 0xd, 0xb8, 0, 7, i, i, 0, 0, 0, 0, 0, 0, 0, 1], 1),
                    },
                    class: Class::Unverified,
                    hops: 1,
                    path: None,
                    secure: true,
                };
                let mut window = LookupWindow { candidates: &mut h.candidates, tokens: &mut h.tokens };
                h.lookup.offer(&mut window, network, offer)
            })
            .count();
        assert_eq!(taken, admitted, "L3");
    }
}

/// Whoever is asked has another id than the one by which it was named, far away, and leaves a full window soon: then it
/// is named again.
#[test]
fn a_lookup_that_is_led_in_circles_hears_of_four_for_each_place_and_ends() {
    for (places, most) in [(20, 80), (40, 160), (63, 252), (100, 255)] {
        let mut h = Harness::new(1, false);
        h.candidates = vec![Candidate::default(); places];
        let target = *h.lookup.target();
        let (mut rng, mut asked, mut names) = (Rng::from_seed([4; 32]), 0, 0_u16);
        let offer = |h: &mut Harness, n: u16, hops, rng: &mut Rng| {
            let id = target.random_in_bucket(20 + rng.below(100), rng);
            let endpoint = Endpoint::v4([9, (n % 200) as u8, 1, 1], 6881);
            let offer = Offer { id, endpoint, class: Class::Good, hops, path: None, secure: true };
            let mut window = LookupWindow { candidates: &mut h.candidates, tokens: &mut h.tokens };
            h.lookup.offer(&mut window, Network::Public, offer)
        };
        assert!(offer(&mut h, 0, 0, &mut rng));
        loop {
            let config = h.config;
            let mut window = LookupWindow { candidates: &mut h.candidates, tokens: &mut h.tokens };
            match h.lookup.next(h.now, &mut window, &impatient(&config), true) {
                Next::Wait(Some(at)) => h.now = at,
                Next::Ask { id, endpoint, .. } => {
                    asked += 1;
                    // Those that it has are asked still, and once more under the id that they answer with.
                    assert!(asked <= most + 2 * places, "{asked} of {places} places");
                    h.lookup.on_wrong_id(&mut window, &id, &endpoint, &Id::random(&mut rng));
                    for _ in 0..8 {
                        names += 1;
                        assert!(!offer(&mut h, names, 1, &mut rng) || asked < most, "{asked} of {places} places");
                    }
                }
                _ => break,
            }
        }
        assert!(asked >= most, "{asked} of {places} places");
    }
}

/// Rule L2. At 255 the count of queries ends.
#[test]
fn what_could_not_be_sent_does_not_open_a_lookup_again_that_has_asked_enough() {
    let mut h = Harness::new(1, false);
    let target = *h.lookup.target();
    let mut rng = Rng::from_seed([5; 32]);
    let mut offer = |h: &mut Harness, n: u16, hops| {
        let id = target.random_in_bucket(20 + u32::from(n / 10), &mut rng);
        let endpoint = Endpoint::v4([9, (n >> 8) as u8, n as u8, 1], 6881);
        let offer = Offer { id, endpoint, class: Class::Good, hops, path: None, secure: true };
        let mut window = LookupWindow { candidates: &mut h.candidates, tokens: &mut h.tokens };
        h.lookup.offer(&mut window, Network::Public, offer)
    };
    for n in 0..300 {
        assert!(offer(&mut h, n, 0));
        let config = h.config;
        let mut window = LookupWindow { candidates: &mut h.candidates, tokens: &mut h.tokens };
        let next = h.lookup.next(h.now, &mut window, &impatient(&config), true);
        let Next::Ask { id, endpoint, .. } = next else { panic!("{next:?}") };
        match n {
            // As many as are counted, and one more, which is not sent.
            255.. => h.lookup.on_not_sent(&mut window, &id, &endpoint),
            _ => h.lookup.on_failure(&mut window, &id, &endpoint),
        }
        if n >= 254 {
            assert!(!offer(&mut h, 400 + n, 1), "after {n} queries");
        }
    }
}
