//! Tokens that those next to a target have taken: whoever has lost its own to one of them is asked for it once more.
//! Rule L38 of `spec/lookup.md`.

use std::collections::BTreeMap;
use std::time::Duration;

use honeyguide::dht::{LookupConfig, Network};
use honeyguide::internals::dht::lookup::{
    Burdens, Candidate, Class, Lookup, LookupWindow, Next, Offer, Rules, Spacing, TokenCell,
};
use honeyguide::{Config, Endpoint, Id, Instant};

use crate::lookup::impatient;

const TARGET: Id = Id([0x42; 20]);
/// So many copies a put leaves, and as many tokens it has place for.
const COPIES: u8 = 8;

/// What comes of asking once more.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Again {
    Answered,
    /// After its soft timeout.
    AnsweredLate,
    /// There was no transaction for it so many times.
    NotSent(usize),
    /// It had been named under another id at first.
    Renamed,
    /// It was sent as much as it bears.
    Burdened,
}

/// Everybody bears more from then on.
#[derive(Debug)]
struct Until(Instant);

impl Burdens for Until {
    fn bears_more_at(&self, now: Instant, _: &Endpoint) -> Option<Instant> {
        (now < self.0).then_some(self.0)
    }
}

/// A put among eight next to its target and eight where there should be some, who all answer.
struct Harness {
    again: Again,
    config: LookupConfig,
    lookup: Lookup,
    candidates: Vec<Candidate>,
    tokens: Vec<TokenCell>,
    now: Instant,
    /// From when on it asks again.
    bears_more: Instant,
    /// How many times each of those behind was asked.
    asked: BTreeMap<Endpoint, usize>,
    stored: Vec<Endpoint>,
}

impl Harness {
    fn new(again: Again) -> Self {
        let mut config = Config::default().local().lookup;
        (config.replicas, config.slots_good) = (COPIES, 2 * COPIES);
        let now = Instant::from_secs(5);
        let mut h = Harness {
            again,
            config,
            lookup: Lookup::new(now, TARGET).storing(),
            candidates: vec![Candidate::default(); 100],
            tokens: vec![TokenCell::default(); COPIES.into()],
            now,
            bears_more: now,
            asked: BTreeMap::new(),
            stored: Vec::new(),
        };
        h.lookup.expect(Spacing::of(300, 100));
        h
    }

    fn offer(&mut self, n: u8, is_next_to_target: bool, hops: u8) -> bool {
        let (id, endpoint) = (id(n, is_next_to_target), endpoint(n, is_next_to_target));
        let offer = Offer { id, endpoint, class: Class::Good, hops, path: None, secure: false };
        let mut window = LookupWindow { candidates: &mut self.candidates, tokens: &mut self.tokens };
        self.lookup.offer(&mut window, Network::Public, offer)
    }

    fn next(&mut self) -> Next {
        let burdens = Until(self.bears_more);
        let rules = Rules { burdens: &burdens, ..impatient(&self.config) };
        let mut window = LookupWindow { candidates: &mut self.candidates, tokens: &mut self.tokens };
        self.lookup.next(self.now, &mut window, &rules, true)
    }

    /// All are asked, and those next to the target answer last.
    fn begin(&mut self) {
        let (mut open, mut renamed) = (Vec::new(), Vec::new());
        for is_next_to_target in [false, true] {
            (0..COPIES).for_each(|n| assert!(self.offer(n, is_next_to_target, 0)));
            while let Next::Ask { id, endpoint, .. } = self.next() {
                if self.again == Again::Renamed && !is_next_to_target && !renamed.contains(&endpoint) {
                    let mut window = LookupWindow { candidates: &mut self.candidates, tokens: &mut self.tokens };
                    self.lookup.on_wrong_id(&mut window, &id, &endpoint, &Id([id.0[0] ^ 0x40; 20]));
                    renamed.push(endpoint);
                } else {
                    open.push((id, endpoint));
                }
            }
        }
        assert_eq!(open.len(), 2 * usize::from(COPIES));
        for (id, endpoint) in open {
            let mut window = LookupWindow { candidates: &mut self.candidates, tokens: &mut self.tokens };
            self.lookup.on_answer(&mut window, &id, &endpoint, Some(b"token"));
        }
        if self.again == Again::Burdened {
            self.bears_more = self.now + Duration::from_secs(3);
        }
    }

    fn ask_again(&mut self, id: &Id, endpoint: &Endpoint) {
        assert!(is_honest(endpoint) && self.now >= self.bears_more);
        let times = self.asked.entry(*endpoint).or_default();
        *times += 1;
        let mut window = LookupWindow { candidates: &mut self.candidates, tokens: &mut self.tokens };
        match self.again {
            Again::NotSent(most) if *times <= most => return self.lookup.on_not_sent(&mut window, id, endpoint),
            Again::AnsweredLate => self.lookup.on_late(&mut window, id, endpoint),
            _ => {}
        }
        self.lookup.on_answer(&mut window, id, endpoint, Some(b"token"));
    }

    fn run(&mut self) {
        self.begin();
        for _ in 0..10_000 {
            match self.next() {
                Next::Ask { id, endpoint, .. } => self.ask_again(&id, &endpoint),
                Next::AskAside { .. } => self.lookup.on_aside_end(),
                Next::Store { id, endpoint } => {
                    self.stored.push(endpoint);
                    let mut window = LookupWindow { candidates: &mut self.candidates, tokens: &mut self.tokens };
                    self.lookup.on_stored(&mut window, &id, &endpoint, true);
                }
                Next::Alarm | Next::Report => {}
                Next::Burdened { until, .. } => {
                    assert!(until > self.now);
                    self.now = until;
                }
                Next::Done { .. } => return,
                other => panic!("nothing is awaited: {other:?}"),
            }
        }
        panic!("it ends");
    }
}

fn id(n: u8, is_next_to_target: bool) -> Id {
    let mut id = TARGET;
    id.0[if is_next_to_target { 4 } else { 0 }] ^= 4 * (n + 1);
    id
}

fn endpoint(n: u8, is_next_to_target: bool) -> Endpoint {
    Endpoint::v4([if is_next_to_target { 9 } else { 10 }, n, 1, 1], 6881)
}

fn is_honest(endpoint: &Endpoint) -> bool {
    (0..COPIES).any(|n| *endpoint == self::endpoint(n, false))
}

#[test]
fn a_token_that_those_next_to_a_target_took_is_asked_for_whatever_comes_of_it_first() {
    use Again::{Answered, AnsweredLate, Burdened, NotSent, Renamed};
    for again in [Answered, AnsweredLate, NotSent(1), NotSent(60), Renamed, Burdened] {
        let mut h = Harness::new(again);
        h.run();
        assert!(h.lookup.is_alarmed());
        let copies = h.stored.iter().filter(|endpoint| is_honest(endpoint)).count();
        assert_eq!((copies, h.stored.len()), (COPIES.into(), COPIES.into()), "{again:?}");
        let times = if let NotSent(times) = again { times + 1 } else { 1 };
        assert!(h.asked.values().all(|asked| *asked == times), "{again:?}: {:?}", h.asked);
        // What was not sent is no query: it has not asked enough (L2).
        assert!(h.offer(COPIES, false, 1), "{again:?}");
    }
}

#[test]
fn who_lost_his_token_and_is_silent_is_asked_for_it_once() {
    let mut h = Harness::new(Again::Answered);
    h.begin();
    let mut asked = 0;
    loop {
        match h.next() {
            Next::Ask { id, endpoint, .. } => {
                asked += 1;
                let mut window = LookupWindow { candidates: &mut h.candidates, tokens: &mut h.tokens };
                h.lookup.on_late(&mut window, &id, &endpoint);
                h.lookup.on_failure(&mut window, &id, &endpoint);
            }
            Next::AskAside { .. } => h.lookup.on_aside_end(),
            Next::Store { id, endpoint } => {
                let mut window = LookupWindow { candidates: &mut h.candidates, tokens: &mut h.tokens };
                h.lookup.on_stored(&mut window, &id, &endpoint, false);
            }
            Next::Alarm | Next::Report => {}
            Next::Done { .. } => break,
            other => panic!("nothing is awaited: {other:?}"),
        }
        assert!(asked <= COPIES);
    }
    assert_eq!(asked, COPIES);
}
