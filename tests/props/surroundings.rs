//! The lookup among many who stand where they should not, or name nobody but their own. Rules L37 to L40 of
//! `spec/lookup.md`.

use std::collections::BTreeSet;
use std::time::Duration;

use honeyguide::base::Rng;
use honeyguide::dht::{LookupConfig, Network};
use honeyguide::internals::dht::lookup::{Candidate, Class, Lookup, LookupWindow, Next, Offer, Spacing, TokenCell};
use honeyguide::{Config, Endpoint, Id, Instant};

use crate::lookup::impatient;

const TARGET: Id = Id([0x42; 20]);

#[derive(Clone, Copy)]
struct Peer {
    id: Id,
    endpoint: Endpoint,
    is_honest: bool,
    secure: bool,
}

/// A network in which everybody answers at once: honest nodes name the eight nearest of all, others those of their own.
struct Harness {
    peers: Vec<Peer>,
    config: LookupConfig,
    lookup: Lookup,
    candidates: Vec<Candidate>,
    tokens: Vec<TokenCell>,
    asked: BTreeSet<Endpoint>,
    again: BTreeSet<Endpoint>,
    asides: usize,
    /// So often each query cannot be sent before it can.
    held_up: usize,
    tries: usize,
    stored: Vec<Endpoint>,
    /// Who is come upon when so many have been stored on.
    late: (usize, Vec<Peer>),
    now: Instant,
}

impl Harness {
    fn new(peers: Vec<Peer>, lookup: Lookup) -> Self {
        let config = Config::default().lookup;
        Harness {
            peers,
            lookup,
            candidates: vec![Candidate::default(); 100],
            tokens: vec![TokenCell::default(); usize::from(config.replicas)],
            config,
            asked: BTreeSet::new(),
            again: BTreeSet::new(),
            asides: 0,
            held_up: 0,
            tries: 0,
            stored: Vec::new(),
            late: (0, Vec::new()),
            now: Instant::from_secs(5),
        }
    }

    fn nearest(&self, target: Id, many: usize, which: impl Fn(&Peer) -> bool) -> Vec<Peer> {
        let mut all: Vec<Peer> = self.peers.iter().copied().filter(which).collect();
        all.sort_by_key(|peer| peer.id.distance(&target));
        all.truncate(many);
        all
    }

    fn offer(&mut self, peer: &Peer, path: Option<u8>) {
        let Peer { id, endpoint, secure, .. } = *peer;
        let (class, hops) = if path.is_none() { (Class::Good, 0) } else { (Class::Unverified, 1) };
        let mut window = LookupWindow { candidates: &mut self.candidates, tokens: &mut self.tokens };
        self.lookup.offer(&mut window, Network::Public, Offer { id, endpoint, class, hops, path, secure });
    }

    /// Whoever is asked for a target by the one at this endpoint names these.
    fn answer(&mut self, id: &Id, endpoint: &Endpoint, target: Id) {
        let asked = *self.peers.iter().find(|peer| peer.endpoint == *endpoint).unwrap();
        let named = self.nearest(target, 8, |peer| asked.is_honest || !peer.is_honest);
        let window = LookupWindow { candidates: &mut self.candidates, tokens: &mut self.tokens };
        let path = self.lookup.path_to(&window, id, endpoint);
        named.iter().for_each(|peer| self.offer(peer, path));
    }

    fn run(&mut self) -> bool {
        for _ in 0..10_000 {
            let rules = impatient(&self.config);
            let mut window = LookupWindow { candidates: &mut self.candidates, tokens: &mut self.tokens };
            match self.lookup.next(self.now, &mut window, &rules, true) {
                Next::Ask { id, endpoint, .. } if self.tries < self.held_up => {
                    self.tries += 1;
                    self.lookup.on_not_sent(&mut window, &id, &endpoint);
                }
                Next::Ask { id, endpoint, .. } => {
                    self.tries = 0;
                    let is_first = self.asked.insert(endpoint);
                    let for_token = !is_first && self.lookup.is_alarmed() && self.again.insert(endpoint);
                    assert!(is_first || for_token, "everybody is asked once, and once more for a token that was lost");
                    self.lookup.on_answer(&mut window, &id, &endpoint, Some(b"token"));
                    self.answer(&id, &endpoint, TARGET);
                }
                Next::AskAside { id, endpoint, bits, quarter } => {
                    self.asides += 1;
                    self.answer(&id, &endpoint, beside(bits, quarter));
                    self.lookup.on_aside_end();
                }
                Next::Alarm => self.offer_aside(),
                Next::Store { id, endpoint } => {
                    self.stored.push(endpoint);
                    let counts = !self.lookup.is_in_crowded_stretch(&window, &id, &endpoint);
                    self.lookup.on_stored(&mut window, &id, &endpoint, counts);
                    if self.stored.len() > self.late.0 {
                        let late = core::mem::take(&mut self.late.1);
                        late.iter().for_each(|peer| self.offer(peer, Some(0)));
                    }
                }
                Next::Report => {}
                Next::Wait(Some(at)) => self.now = at,
                Next::Wait(None) | Next::Held { .. } | Next::Burdened { .. } => panic!("nothing is awaited"),
                Next::Done { converged } => return converged,
            }
        }
        panic!("it ends");
    }

    /// One in ten is a contact.
    fn contacts(&self, target: Id, many: usize) -> Vec<Peer> {
        let mut contacts: Vec<Peer> = self.peers.iter().copied().step_by(10).collect();
        contacts.sort_by_key(|peer| peer.id.distance(&target));
        contacts.truncate(many);
        contacts
    }

    fn offer_aside(&mut self) {
        for (bits, far) in self.lookup.parts_aside() {
            self.contacts(beside(bits, 2 * u8::from(far)), 4).iter().for_each(|peer| self.offer(peer, None));
        }
    }

    fn found(&self) -> Vec<Endpoint> {
        self.lookup.answered(&self.candidates).map(|(_, endpoint)| endpoint).collect()
    }
}

fn beside(bits: u8, quarter: u8) -> Id {
    let mut target = TARGET;
    let turned = [true, quarter & 2 != 0, quarter & 1 != 0];
    for bit in (bits..).zip(turned).filter(|(_, turned)| *turned).map(|(bit, _)| bit) {
        target.0[usize::from(bit / 8)] ^= 0x80 >> (bit % 8);
    }
    target
}

/// So many peers.
fn network(seed: u8, count: u32, is_honest: impl Fn(u32) -> bool) -> (Vec<Peer>, Rng) {
    let mut rng = Rng::from_seed([seed; 32]);
    let peer = |i: u32| {
        let endpoint = Endpoint::v4([11, (i >> 8) as u8, i as u8, 1], 6881);
        Peer { id: Id::random(&mut rng), endpoint, is_honest: is_honest(i), secure: !i.is_multiple_of(5) }
    };
    let peers = (0..count).map(peer).collect();
    (peers, rng)
}

/// So many of one kind, who share at least so many bits with the target.
fn next_to_target(count: u8, bits: u32, secure: bool, rng: &mut Rng) -> Vec<Peer> {
    let peer = |i: u8| Peer {
        id: TARGET.random_in_bucket(bits + u32::from(i % 30), rng),
        endpoint: Endpoint::v4([12, 0, i, 1], 6881),
        is_honest: false,
        secure,
    };
    (0..count).map(peer).collect()
}

/// The lookup starts from one in ten.
fn start(h: &mut Harness) {
    h.contacts(TARGET, 20).iter().for_each(|peer| h.offer(peer, None));
}

/// Rule L37. Most name nobody but one another: eight of them are nearest of all who are named by them.
#[test]
fn a_lookup_goes_on_when_its_nearest_are_too_far_apart() {
    // How often it finds the nearest honest one, and how many it asks.
    let run = |is_seeking: bool, knows_size: bool, held_up: usize| {
        let (mut found, mut asked) = (0, 0);
        for (seed, part) in (1..=40).flat_map(|seed| [2, 3, 4].map(|part| (seed, part))) {
            let (peers, _) = network(seed, 600, |i| (i + i / 10).is_multiple_of(part));
            let lookup = Lookup::new(Instant::from_secs(5), TARGET);
            let mut h = Harness::new(peers, if is_seeking { lookup.seeking() } else { lookup });
            if knows_size {
                h.lookup.expect(Spacing::of(600, 100));
            }
            h.held_up = held_up;
            start(&mut h);
            assert!(h.run());
            assert!(h.asked.len() <= 60, "{} were asked", h.asked.len());
            let nearest = h.nearest(TARGET, 1, |peer| peer.is_honest);
            found += usize::from(nearest.iter().all(|peer| h.found().contains(&peer.endpoint)));
            asked += h.asked.len();
        }
        (found, asked)
    };
    // For whoever wants the nearest nodes it goes on by some; whoever looks for an item goes on anyhow (L44).
    for (is_seeking, least) in [(false, 5), (true, 50)] {
        let [before, now] = [false, true].map(|knows_size| run(is_seeking, knows_size, 0));
        assert!(now.0 >= before.0 + least, "{before:?} {now:?} of 120");
        assert_eq!(run(is_seeking, true, 30), now, "what could not be sent is asked again");
    }
}

/// Rule L37. It goes on only so far, and not at all where the nearest stand as they should.
#[test]
fn a_lookup_in_an_honest_network_asks_hardly_more_for_knowing_its_size() {
    let asked = |knows_size: bool| -> usize {
        let runs = (1..=40_u8).map(|seed| {
            let (peers, _) = network(seed, 600, |_| true);
            let mut h = Harness::new(peers, Lookup::new(Instant::from_secs(5), TARGET));
            if knows_size {
                h.lookup.expect(Spacing::of(600, 100));
            }
            start(&mut h);
            assert!(h.run() && !h.lookup.is_alarmed());
            h.asked.len()
        });
        runs.sum()
    };
    let (before, now) = (asked(false), asked(true));
    assert!(now <= before + before / 10, "{before} {now}");
}

/// Rules L37 and L38. Neither alarm is deaf to a get that wants more copies, and so asks more nodes (L17).
#[test]
fn a_get_that_asks_as_many_as_a_put_stores_on_heeds_who_is_near_as_well() {
    let mut found = 0;
    for seed in 1..=20 {
        let (mut peers, mut rng) = network(seed, 600, |_| true);
        peers.extend(next_to_target(60, 24, false, &mut rng));
        let mut h = Harness::new(peers, Lookup::new(Instant::from_secs(5), TARGET).seeking());
        h.lookup.expect(Spacing::of(600, 100));
        h.lookup.widen();
        start(&mut h);
        assert!(h.run() && h.lookup.is_alarmed());
        let near = h.nearest(TARGET, 12, |peer| peer.is_honest);
        assert!(near.iter().filter(|peer| h.asked.contains(&peer.endpoint)).count() >= 9, "with seed {seed}");

        let (peers, _) = network(seed, 600, |i| (i + i / 10).is_multiple_of(2));
        let mut h = Harness::new(peers, Lookup::new(Instant::from_secs(5), TARGET).seeking());
        h.lookup.expect(Spacing::of(600, 100));
        h.lookup.widen();
        start(&mut h);
        assert!(h.run());
        found += usize::from(h.asked.contains(&h.nearest(TARGET, 1, |peer| peer.is_honest)[0].endpoint));
    }
    assert!(found >= 18, "{found} of 20 found the nearest that others keep from them");
}

/// Rules L38 and L40. Two hundred next to the target are not stored on, and those behind them are.
#[test]
fn a_put_passes_those_who_were_put_next_to_its_target() {
    for seed in 1..=20 {
        let (mut peers, mut rng) = network(seed, 600, |_| true);
        peers.extend(next_to_target(200, 24, false, &mut rng));
        let mut h = Harness::new(peers, Lookup::new(Instant::from_secs(5), TARGET).storing());
        h.lookup.expect(Spacing::of(600, 100));
        start(&mut h);
        assert!(h.run() && h.lookup.is_alarmed());
        let near = h.nearest(TARGET, 12, |peer| peer.is_honest);
        let reached = near.iter().filter(|peer| h.stored.contains(&peer.endpoint)).count();
        assert!(reached >= 9, "{reached} of 12 with seed {seed}");
        let honest = |endpoint: &Endpoint| h.peers.iter().any(|peer| peer.endpoint == *endpoint && peer.is_honest);
        assert!(h.stored.iter().all(honest) && h.asked.len() < 100, "{} asked", h.asked.len());
    }
}

/// Rule L38. Four of them would be half of eight copies; a put on twenty can do without.
#[test]
fn four_next_to_a_target_raise_the_alarm_for_a_put_on_eight() {
    for (many, replicas) in [(4, 8), (5, 8), (6, 8), (7, 8), (7, 15), (4, 16), (4, 20)] {
        let (mut peers, mut rng) = network(2, 300, |_| true);
        peers.extend(next_to_target(many, 24, false, &mut rng));
        let mut h = Harness::new(peers, Lookup::new(Instant::from_secs(5), TARGET).storing());
        h.config.replicas = replicas;
        h.lookup.expect(Spacing::of(300, 100));
        start(&mut h);
        assert!(h.run());
        let honest = |endpoint: &Endpoint| h.peers.iter().any(|peer| peer.endpoint == *endpoint && peer.is_honest);
        let copies = h.stored.iter().filter(|endpoint| honest(endpoint)).count();
        let is_raised = replicas < 16;
        assert_eq!(h.lookup.is_alarmed(), is_raised, "{many} of {replicas}");
        let lost = if is_raised { 0 } else { usize::from(many) };
        assert_eq!(copies, usize::from(replicas) - lost, "{many} of {replicas}");
    }
}

/// Rule L38. Those who answer when the put has turned to storing are passed like those who answered before, and what
/// seven of them have confirmed until there are eight does not count any more.
#[test]
fn a_put_passes_those_who_come_late_next_to_its_target() {
    for (seed, many) in (1..=20).flat_map(|seed| [8, 60].map(|many| (seed, many))) {
        for stored_on in [0, 3, 11, 19] {
            let (mut peers, mut rng) = network(seed, 600, |_| true);
            let late = next_to_target(many, 24, false, &mut rng);
            let mut h = Harness::new(peers.clone(), Lookup::new(Instant::from_secs(5), TARGET).storing());
            h.lookup.expect(Spacing::of(600, 100));
            start(&mut h);
            peers.extend(&late);
            (h.peers, h.late) = (peers, (stored_on, late.clone()));
            assert!(h.run() && h.lookup.is_alarmed());
            let is_late = |endpoint: &&Endpoint| late.iter().any(|peer| peer.endpoint == **endpoint);
            let of_late = h.stored.iter().filter(is_late).count();
            let honest = h.stored.len() - of_late;
            let context =
                format!("seed {seed}, {many} after {stored_on} stores: {honest} honest ones, {of_late} of them");
            assert!(honest >= 20 && of_late < 8, "{context}");
            assert_eq!(usize::from(h.lookup.counted()), honest, "{context}");
        }
    }
}

/// Rules L1 and L38. A small window has no place for both.
#[test]
fn a_full_window_gives_up_those_first_for_whom_the_alarm_was_raised() {
    let (mut peers, mut rng) = network(3, 13, |_| true);
    peers.sort_by_key(|peer| peer.id.distance(&TARGET));
    let farthest = peers.pop().unwrap();
    let near = next_to_target(8, 24, false, &mut rng);
    let mut h = Harness::new([peers.clone(), near.clone()].concat(), Lookup::new(Instant::from_secs(5), TARGET));
    h.candidates.truncate(20);
    h.lookup.expect(Spacing::of(300, 100));
    for peer in h.peers.clone() {
        h.offer(&peer, None);
    }
    h.lookup.widen();
    assert!(h.run() && h.lookup.is_alarmed());
    let honest = |h: &Harness| h.found().iter().filter(|found| peers.iter().any(|p| p.endpoint == **found)).count();
    assert_eq!((h.found().len(), honest(&h)), (20, 12));
    // One after the other, until there are nothing but those who count.
    for n in 0..8 {
        let endpoint = Endpoint::v4([13, 0, n, 1], 6881);
        h.offer(&Peer { endpoint, ..farthest }, Some(0));
        let window = LookupWindow { candidates: &mut h.candidates, tokens: &mut h.tokens };
        assert!(h.lookup.knows(&window, &endpoint));
        assert_eq!((h.found().len(), honest(&h)), (19 - usize::from(n), 12));
    }
    h.offer(&Peer { endpoint: Endpoint::v4([14, 0, 1, 1], 6881), ..farthest }, Some(0));
    assert_eq!(honest(&h), 12);
}

/// Rules L2 and L39. Seven stand next to the target, and whoever is asked beside it names one who is gone.
#[test]
fn queries_beside_a_target_count_among_the_four_for_each_place() {
    let mut h = Harness::new(Vec::new(), Lookup::new(Instant::from_secs(5), TARGET).storing());
    h.candidates.truncate(8);
    (h.config.k, h.config.replicas) = (7, 8);
    h.lookup.expect(Spacing::of(100_000, 100));
    let (mut rng, mut queries) = (Rng::from_seed([6; 32]), 0_u8);
    let mut name = |h: &mut Harness, n: u8, bits, path| {
        let peer = Peer {
            id: TARGET.random_in_bucket(bits, &mut rng),
            endpoint: Endpoint::v4([11, 0, n, 1], 6881),
            is_honest: true,
            secure: true,
        };
        h.offer(&peer, path);
    };
    (0..7).for_each(|n| name(&mut h, n, 24, None));
    loop {
        let rules = impatient(&h.config);
        let mut window = LookupWindow { candidates: &mut h.candidates, tokens: &mut h.tokens };
        match h.lookup.next(h.now, &mut window, &rules, true) {
            Next::Ask { id, endpoint, .. } => {
                queries += 1;
                match queries {
                    0..=7 => _ = h.lookup.on_answer(&mut window, &id, &endpoint, Some(b"token")),
                    _ => h.lookup.on_failure(&mut window, &id, &endpoint),
                }
            }
            Next::AskAside { .. } => {
                assert!(queries < 4 * 8, "one more than {queries}");
                queries += 1;
                h.lookup.on_aside_end();
                name(&mut h, 100 + queries, 1 + u32::from(queries / 3), Some(0));
            }
            Next::Store { id, endpoint } => h.lookup.on_stored(&mut window, &id, &endpoint, true),
            Next::Wait(Some(at)) => h.now = at,
            Next::Alarm | Next::Report => {}
            Next::Done { .. } => break,
            other => panic!("nothing is awaited: {other:?}"),
        }
    }
    // One that it has is asked still.
    assert!((4 * 8..=4 * 8 + 1).contains(&queries), "{queries}");
}

/// Rule L38, P3. Who looks for all copies does not count those that two hundred next to the target return.
#[test]
fn a_look_for_copies_passes_those_who_were_put_next_to_its_target() {
    for seed in 1..=20 {
        let (mut peers, mut rng) = network(seed, 600, |_| true);
        peers.extend(next_to_target(200, 24, false, &mut rng));
        let mut h = Harness::new(peers, Lookup::new(Instant::from_secs(5), TARGET).seeking());
        h.lookup.widen();
        h.lookup.expect(Spacing::of(600, 100));
        start(&mut h);
        assert!(h.run() && h.lookup.is_alarmed());
        let mut window = LookupWindow { candidates: &mut h.candidates, tokens: &mut h.tokens };
        let all: Vec<_> = h.lookup.answered(window.candidates).collect();
        for (id, endpoint) in &all {
            h.lookup.on_copy(&mut window, id, endpoint, false);
        }
        let (answered, copies) = h.lookup.copies(&h.candidates, 20);
        let honest = h.peers.iter().filter(|peer| peer.is_honest && h.asked.contains(&peer.endpoint)).count();
        assert!(answered == honest.min(20) && copies == answered, "{answered} answered of {honest}, {copies} copies");
    }
}

/// Rule L38. Where nobody else is left they are stored on, and none of it counts.
#[test]
fn a_put_that_knows_nobody_else_stores_on_those_next_to_its_target_and_counts_none() {
    let mut rng = Rng::from_seed([9; 32]);
    let mut h =
        Harness::new(next_to_target(30, 24, false, &mut rng), Lookup::new(Instant::from_secs(5), TARGET).storing());
    h.lookup.expect(Spacing::of(600, 100));
    start(&mut h);
    assert!(h.run() && h.lookup.is_alarmed());
    assert_eq!(h.stored.len(), h.found().len());
    let mut window = LookupWindow { candidates: &mut h.candidates, tokens: &mut h.tokens };
    let window = &mut window;
    assert!(h.peers.iter().all(|peer| {
        let is_stored = h.stored.contains(&peer.endpoint);
        !is_stored || h.lookup.is_in_crowded_stretch(window, &peer.id, &peer.endpoint)
    }));
}

/// Rule L38. An id that fits its address cannot be chosen: those count wherever they stand.
#[test]
fn whoever_has_an_id_that_fits_its_address_is_never_passed() {
    let (mut peers, mut rng) = network(3, 600, |_| true);
    let secure = next_to_target(8, 24, true, &mut rng);
    peers.extend(&secure);
    let mut h = Harness::new(peers, Lookup::new(Instant::from_secs(5), TARGET).storing());
    h.lookup.expect(Spacing::of(600, 100));
    start(&mut h);
    assert!(h.run() && h.lookup.is_alarmed());
    assert!(secure.iter().all(|peer| h.stored.contains(&peer.endpoint)));
}

/// Rule L38. While a table fills it may be wrong by any factor, and nobody is suspected for that.
#[test]
fn a_guess_of_the_size_raises_no_alarm_and_sends_nobody_further() {
    for (wrong, would_alarm) in [(6, true), (60_000, false)] {
        let (mut alarms, mut asked) = ([0; 2], [0; 2]);
        for seed in 1..=10 {
            for (which, spacing) in [Spacing::of(wrong, 250), Spacing::of(wrong, 250).guessed()].into_iter().enumerate()
            {
                let (peers, _) = network(seed, 600, |_| true);
                let mut h = Harness::new(peers, Lookup::new(Instant::from_secs(5), TARGET).seeking());
                h.lookup.expect(spacing);
                // Else it goes on for what few hold (L44).
                h.lookup.on_found();
                start(&mut h);
                assert!(h.run());
                alarms[which] += usize::from(h.lookup.is_alarmed());
                asked[which] += h.asked.len();
            }
        }
        assert_eq!((alarms[0] > 5, alarms[1]), (would_alarm, 0));
        assert!(2 * asked[1] < asked[0], "{asked:?}");
    }
}

/// Rule L38: one lookup in two hundred, where the size is known as well as it can be.
#[test]
fn the_alarm_is_seldom_raised_in_an_honest_network() {
    let mut rng = Rng::from_seed([5; 32]);
    let mut raised = 0;
    for _ in 0..400 {
        let peers: Vec<Peer> = (0..300_u32)
            .map(|i| Peer {
                id: Id::random(&mut rng),
                endpoint: Endpoint::v4([11, (i >> 8) as u8, i as u8, 1], 6881),
                is_honest: true,
                secure: false,
            })
            .collect();
        let mut h = Harness::new(peers, Lookup::new(Instant::from_secs(5), TARGET));
        h.lookup.expect(Spacing::of(300, 100));
        start(&mut h);
        assert!(h.run());
        raised += usize::from(h.lookup.is_alarmed());
    }
    assert!(raised <= 5, "{raised} of 400");
}

/// Rule L39. Without a size a put is told of the eight nearest, and of whom it met on the way.
#[test]
fn a_put_looks_beside_its_target_for_those_whom_nobody_names() {
    let missed = |knows_size: bool| -> usize {
        let runs = (1..=20_u8).map(|seed| {
            let (peers, _) = network(seed, 600, |_| true);
            let mut h = Harness::new(peers, Lookup::new(Instant::from_secs(5), TARGET).storing());
            if knows_size {
                h.lookup.expect(Spacing::of(600, 100));
            }
            start(&mut h);
            assert!(h.run());
            assert!(h.asides <= 20, "{}", h.asides);
            h.nearest(TARGET, 20, |_| true).iter().filter(|peer| !h.stored.contains(&peer.endpoint)).count()
        });
        runs.sum()
    };
    let (before, now) = (missed(false), missed(true));
    assert!(before > 100 && now <= 8, "{before} and {now} of 400");
}

/// Rule L44. Of twenty copies one may be left.
#[test]
fn who_has_found_nothing_asks_as_many_as_a_put_stores_on() {
    let asks = |knows_size: bool, finds: bool| -> (usize, usize) {
        let runs = (1..=20_u8).map(|seed| {
            let (peers, _) = network(seed, 600, |_| true);
            let mut h = Harness::new(peers, Lookup::new(Instant::from_secs(5), TARGET).seeking());
            if knows_size {
                h.lookup.expect(Spacing::of(600, 100));
            }
            if finds {
                h.lookup.on_found();
            }
            start(&mut h);
            assert!(h.run());
            let near = h.nearest(TARGET, 20, |_| true);
            (near.iter().filter(|peer| h.asked.contains(&peer.endpoint)).count(), h.asked.len() + h.asides)
        });
        runs.fold((0, 0), |(near, all), (more, of_all)| (near + more, all + of_all))
    };
    let [nothing, found, knows_less] = [(true, false), (true, true), (false, false)].map(|(a, b)| asks(a, b));
    assert!(nothing.0 >= 390, "{nothing:?} of 400 are asked, with so many queries");
    assert!(found.0 <= 330 && knows_less.0 <= 330, "{found:?} {knows_less:?}");
}

/// Rule L10. Whoever was named under a wrong id is asked again under its own, once.
#[test]
fn a_node_that_was_named_under_a_wrong_id_is_a_candidate_under_its_own() {
    let mut rng = Rng::from_seed([8; 32]);
    let (peers, _) = network(4, 40, |_| true);
    let mut h = Harness::new(peers, Lookup::new(Instant::from_secs(5), TARGET));
    for (i, &peer) in h.peers.clone().iter().enumerate().take(14) {
        let wrong = TARGET.random_in_bucket(60, &mut rng);
        h.offer(&Peer { id: wrong, ..peer }, None);
        let rules = impatient(&h.config);
        let mut window = LookupWindow { candidates: &mut h.candidates, tokens: &mut h.tokens };
        let mut asked = Vec::new();
        while let Next::Ask { id, endpoint, .. } = h.lookup.next(h.now, &mut window, &rules, true) {
            asked.push(id);
            let answered = if i % 2 == 0 || asked.len() == 1 { peer.id } else { Id::random(&mut rng) };
            match answered == id {
                true => assert!(h.lookup.on_answer(&mut window, &id, &endpoint, None)),
                false => h.lookup.on_wrong_id(&mut window, &id, &endpoint, &answered),
            }
            h.now += Duration::from_secs(1);
            if asked.len() == 2 {
                break;
            }
        }
        assert_eq!(asked, [wrong, peer.id], "peer {i}");
        h.lookup.check_invariants(&h.candidates, 20, |_, _| false, |_, _| false, (0, 0));
    }
    assert_eq!(h.found().len(), 7);
    let rules = impatient(&h.config);
    let mut window = LookupWindow { candidates: &mut h.candidates, tokens: &mut h.tokens };
    assert_eq!(h.lookup.next(h.now, &mut window, &rules, true), Next::Done { converged: true });
}
