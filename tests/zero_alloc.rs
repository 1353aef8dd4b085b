//! No packet, no command and no timer allocates.
//!
//! A counting allocator stands behind the whole test program. It counts for each thread by itself, because the test
//! harness allocates on threads of its own, and it counts reallocations too. A network of nodes in virtual time does
//! everything that a node can do; each query call to a node is counted, and what the harness keeps between the calls is
//! not. So that the silence means something, the tests also say which messages went through, in and out.
//!
//! What allocates by design is bounded: a rateless session, in bytes that are held at once.
//!
//! This is the quick proof. The strong one is the bare-metal build, where no allocator exists to be called.

#![cfg(feature = "alloc")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use honeyguide::Config;
use honeyguide::Instant;
use honeyguide::base::Rng;
use honeyguide::dht::journal::OutputHash;
use honeyguide::dht::journal::{Call, Record};
use honeyguide::dht::{Buffer, Freshness, LinkId, PeerKind, Reason, Scope};
use honeyguide::internals::krpc::item;
use honeyguide::krpc;
use honeyguide::krpc::{Decoded, Mutable};
use honeyguide::{Command, Event, Input, Node, Outcome, Output, Storage};
use honeyguide::{Endpoint, Id};

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
    /// Bytes in use, and the most since that was looked at.
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

/// One more on this thread. `try_with`, because a thread that is being torn down still frees and allocates.
fn count() {
    let _ = COUNT.try_with(|n| n.set(n.get() + 1));
}

// SAFETY: every call goes on to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        hold(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        hold(layout.size() as isize);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        hold(size as isize - layout.size() as isize);
        unsafe { System.realloc(ptr, layout, size) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        hold(-(layout.size() as isize));
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// So many bytes more on this thread, or fewer.
fn hold(bytes: isize) {
    let held = HELD.try_with(|held| held.replace(held.get() + bytes) + bytes).unwrap_or_default();
    let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held)));
}

/// The result of `work` and how often it asked for memory.
fn allocations<R>(work: impl FnOnce() -> R) -> (R, u64) {
    let before = COUNT.with(Cell::get);
    let result = work();
    (result, COUNT.with(Cell::get) - before)
}

/// The result of `work` and how many bytes more than before were in use at once.
fn most_held<R>(work: impl FnOnce() -> R) -> (R, isize) {
    let before = HELD.with(Cell::get);
    let around = PEAK.with(|peak| peak.replace(before));
    let result = work();
    let most = PEAK.with(|peak| peak.replace(peak.get().max(around)));
    (result, most - before)
}

mod counter {
    use super::{allocations, most_held};
    use std::hint::black_box;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    #[test]
    fn it_sees_a_box_a_growing_vector_and_zeroed_memory() {
        assert_eq!(allocations(|| black_box(Box::new(1u8))).1, 1);
        assert_eq!(allocations(|| black_box(vec![0u8; 100])).1, 1);
        let mut growing = Vec::with_capacity(1);
        growing.push(0u8);
        assert_eq!(allocations(|| growing.extend(black_box([0u8; 1_000]))).1, 1);
    }

    #[test]
    fn it_sees_nothing_where_nothing_is_asked_for() {
        assert_eq!(allocations(|| black_box([0u8; 100])).1, 0);
        let ready = vec![0u8; 10];
        assert_eq!(allocations(|| drop(ready)).1, 0);
    }

    #[test]
    fn it_sees_the_most_bytes_that_are_held_at_once() {
        let bytes = |count: usize| drop(black_box(vec![0u8; count]));
        assert_eq!(most_held(|| (bytes(700), bytes(300))).1, 700);
        let mut growing = Vec::<u8>::with_capacity(100);
        let (both, more) = most_held(|| {
            growing.reserve_exact(150);
            (black_box(vec![0u8; 10]), bytes(20)).0
        });
        assert_eq!((both.len(), more), (10, 80));
    }

    #[test]
    fn other_threads_do_not_count() {
        let (has_ended, there) = (AtomicBool::new(false), AtomicU64::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !has_ended.load(Ordering::Relaxed) {
                    let (_, more) = allocations(|| black_box(Box::new(1u8)));
                    there.fetch_add(more, Ordering::Relaxed);
                }
            });
            let goes_on = |from: u64| {
                while there.load(Ordering::Relaxed) < from + 2 {
                    std::thread::yield_now();
                }
            };
            // It has begun, and it allocates between the two looks at the count.
            goes_on(0);
            let ((), here) = allocations(|| goes_on(there.load(Ordering::Relaxed)));
            has_ended.store(true, Ordering::Relaxed);
            assert_eq!(here, 0);
        });
    }
}

// ---- a network whose nodes are watched ----

const LINK: LinkId = LinkId(0);
const TICK: Duration = Duration::from_millis(5);

struct Network {
    now: Instant,
    nodes: Vec<Node<'static>>,
    addresses: Vec<Endpoint>,
    deadlines: Vec<Option<Instant>>,
    /// On their way, delivered with the next tick: sender, receiver, bytes.
    flying: VecDeque<(Endpoint, Endpoint, Vec<u8>)>,
    /// Calls that allocated, by what was called.
    guilty: BTreeMap<&'static str, u64>,
    calls: u64,
    /// What went over the wire, by kind.
    seen: BTreeSet<String>,
    finished: Vec<(u64, Outcome)>,
    events: BTreeSet<&'static str>,
    trace: OutputHash,
}

impl Network {
    /// Nodes that have joined through the first one.
    fn of(nodes: usize, config: &Config, address: impl Fn(usize) -> Endpoint) -> Network {
        let mut network = Network {
            now: Instant::from_secs(1),
            nodes: Vec::new(),
            addresses: (0..nodes).map(address).collect(),
            deadlines: vec![None; nodes],
            flying: VecDeque::new(),
            guilty: BTreeMap::new(),
            calls: 0,
            seen: BTreeSet::new(),
            finished: Vec::new(),
            events: BTreeSet::new(),
            trace: OutputHash::default(),
        };
        for i in 0..nodes {
            let seed = [i as u8 + 1; 32];
            network.nodes.push(Node::new(config.clone(), seed, Storage::allocate(config)).unwrap());
        }
        let routers = [network.addresses[0]];
        for i in 1..nodes {
            network.command(i, 1, Command::Bootstrap { nodes: &routers });
            network.run_for(Duration::from_millis(100));
        }
        network.run_for(Duration::from_secs(5));
        network
    }

    /// One counted call to a node.
    fn call<R>(&mut self, what: &'static str, i: usize, act: impl FnOnce(&mut Node<'static>, Instant) -> R) -> R {
        let (node, now) = (&mut self.nodes[i], self.now);
        let (result, count) = allocations(|| act(node, now));
        self.count(what, count);
        result
    }

    fn count(&mut self, what: &'static str, count: u64) {
        self.calls += 1;
        if count > 0 {
            *self.guilty.entry(what).or_default() += count;
        }
    }

    /// A call that changes the node: written into a journal record and read back, counted as well; then drained.
    fn change(&mut self, what: &'static str, i: usize, call: Call<'_>) {
        let mut record = [0; Record::MAX_LEN];
        let mut nodes = [Endpoint::UNSPECIFIED; 16];
        let now = self.now;
        self.call("journal", i, |_, _| {
            let length = Record { polls: 1, now, call }.encode(&mut record).expect("a record fits");
            assert!(Record::decode(&record[..length], &mut nodes).is_ok());
        });
        self.call(what, i, |node, now| _ = call.apply(node, now));
        self.drain(i);
    }

    fn command(&mut self, i: usize, tag: u64, command: Command<'_>) {
        self.change("command", i, Call::Command { tag, scope: Scope::All, command });
    }

    fn datagram(&mut self, i: usize, from: Endpoint, payload: &[u8]) {
        let input = Input::Datagram { link: LINK, from, payload };
        self.change("datagram", i, Call::Input(input));
    }

    fn drain(&mut self, i: usize) {
        let mut buffer: Buffer = [0; 1500];
        loop {
            let (node, trace) = (&mut self.nodes[i], &mut self.trace);
            let (output, count) = allocations(|| {
                let output = node.poll_output(&mut buffer);
                trace.add(&output);
                output
            });
            self.count("poll", count);
            match output {
                Output::Transmit { to, payload, .. } => {
                    self.seen.insert(kind(payload));
                    self.flying.push_back((self.addresses[i], to, payload.to_vec()));
                }
                Output::Event(event) => self.note(&event),
                Output::Timeout(at) => {
                    self.deadlines[i] = at;
                    return;
                }
            }
        }
    }

    fn note(&mut self, event: &Event<'_>) {
        self.events.insert(match event {
            Event::Value { .. } => "value",
            Event::Peers { .. } => "peers",
            Event::Nodes { .. } => "nodes",
            Event::Samples { .. } => "samples",
            Event::Scrape { .. } => "scrape",
            Event::Response { .. } => "response",
            Event::Finished { .. } => "finished",
            _ => "other",
        });
        if let Event::Finished { tag, outcome, .. } = event {
            self.finished.push((*tag, *outcome));
        }
    }

    fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now += TICK;
            for (from, to, payload) in std::mem::take(&mut self.flying) {
                // With nobody at that address, the query will time out.
                if let Some(i) = self.addresses.iter().position(|address| *address == to) {
                    self.datagram(i, from, &payload);
                }
            }
            for i in 0..self.nodes.len() {
                if self.deadlines[i].is_some_and(|at| at <= self.now) {
                    self.change("timeout", i, Call::Input(Input::Timeout));
                }
            }
        }
    }

    /// Runs one command to its end and returns how it ended.
    fn operate(&mut self, i: usize, tag: u64, command: Command<'_>) -> Outcome {
        let before = self.finished.len();
        self.command(i, tag, command);
        for _ in 0..60 {
            if let Some((_, outcome)) = self.finished[before..].iter().find(|(t, _)| *t == tag) {
                return *outcome;
            }
            self.run_for(Duration::from_secs(1));
        }
        panic!("operation {tag} has no end");
    }

    #[track_caller]
    fn assert_silent(&self) {
        assert!(self.guilty.is_empty(), "allocations in {} calls: {:?}", self.calls, self.guilty);
    }
}

/// What a datagram is, for the record of what was tried.
fn kind(datagram: &[u8]) -> String {
    match krpc::decode(datagram) {
        Ok(Decoded::Query(query)) => format!("query {}", String::from_utf8_lossy(query.method.name())),
        Ok(Decoded::Response(_)) => "response".to_string(),
        Ok(Decoded::Error(error)) => format!("error {}", error.code),
        other => panic!("a node sent {other:?}"),
    }
}

/// Every operation, so every query, reply, store and event.
fn everything(network: &mut Network) {
    let (asker, other) = (3, 7);
    let to = network.addresses[other];
    let nobody = Endpoint::v4([10, 99, 0, 1], 6881);
    let info_hash = Id([0x77; 20]);
    let secret_key = [9; 32];
    let key = item::public_key(&secret_key);
    let query = honeyguide::dht::DirectQuery::Ping;

    assert_eq!(network.operate(asker, 10, Command::Query { to, query }).reason, Reason::Hit);
    assert_eq!(network.operate(asker, 11, Command::Query { to: nobody, query }).timed_out, 1);
    let find = honeyguide::dht::DirectQuery::FindNode { target: info_hash, want: Default::default() };
    assert_eq!(network.operate(asker, 12, Command::Query { to, query: find }).reason, Reason::Hit);
    assert_eq!(network.operate(asker, 13, Command::Lookup { target: info_hash }).reason, Reason::Converged);

    for (i, kind) in [PeerKind::Downloader, PeerKind::Seed].into_iter().enumerate() {
        let announce = Command::Announce { info_hash, port: Some(7000), kind };
        assert!(network.operate(asker + i, 14, announce).stored.all > 0);
    }
    assert!(network.operate(other, 15, Command::GetPeers { info_hash }).results > 0);
    assert!(network.operate(other, 16, Command::Scrape { info_hash }).results > 0);
    assert!(network.operate(other, 17, Command::Sample { target: info_hash }).results > 0);

    let value = b"5:hello";
    assert!(network.operate(asker, 18, Command::PutImmutable { value }).stored.all > 0);
    let target = item::immutable_target(value);
    assert_eq!(network.operate(other, 19, Command::GetImmutable { target, copies: 1 }).reason, Reason::Hit);
    let nothing = Command::GetImmutable { target: Id([0x11; 20]), copies: 1 };
    assert_eq!(network.operate(other, 20, nothing).results, 0);

    let longest = [b"994:".as_slice(), &[b'x'; 994]].concat();
    for (seq, value, cas) in [(1, longest.as_slice(), None), (2, b"3:two", Some(1)), (2, b"5:other", None)] {
        let signature = item::sign(&secret_key, b"salt", seq, value).unwrap();
        let signed = Mutable { key: &key, salt: b"salt", seq, signature: &signature };
        let Mutable { key, salt, seq, signature } = signed;
        let outcome = network.operate(asker, 21, Command::PutMutable { value, key, salt, seq, signature, cas });
        match value {
            b"5:other" => assert!(outcome.refused.seq_too_old > 0, "{outcome:?}"),
            _ => assert!(outcome.stored.all > 0, "{outcome:?}"),
        }
    }
    for freshness in [Freshness::Newest, Freshness::First] {
        let get = Command::GetMutable { key: &key, salt: b"salt", newer_than: None, freshness };
        assert_eq!(network.operate(other, 22, get).results, 1);
    }

    network.command(asker, 23, Command::Lookup { target: Id([0x55; 20]) });
    network.change("cancel", asker, Call::Cancel { tag: 23 });
    network.command(asker, 24, Command::Lookup { target: Id([0x56; 20]) });
    network.change("refused", asker, Call::Input(Input::Refused { link: LINK, to }));
    network.change("send failed", asker, Call::Input(Input::SendFailed { link: LINK, to }));
    network.run_for(Duration::from_secs(40));
}

#[test]
fn no_operation_allocates_on_either_side() {
    let address = |i| Endpoint::v4([10, 0, 0, i as u8 + 1], 6881);
    let mut network = Network::of(24, &Config::default().local(), address);
    everything(&mut network);
    network.assert_silent();
    for query in ["ping", "find_node", "get_peers", "announce_peer", "get", "put", "sample_infohashes"] {
        assert!(network.seen.contains(&format!("query {query}")), "no {query} in {:?}", network.seen);
    }
    for other in ["response", "error 302"] {
        assert!(network.seen.contains(other), "no {other} in {:?}", network.seen);
    }
    for event in ["value", "peers", "nodes", "samples", "scrape", "response", "finished"] {
        assert!(network.events.contains(event), "no {event} in {:?}", network.events);
    }
}

#[test]
fn the_rules_of_a_public_network_do_not_allocate_either() {
    let mut config = Config::default();
    config.table.newcomer_delay = Duration::from_millis(100);
    config.table.check_every = Duration::from_millis(50);
    let mut network = Network::of(24, &config, |i| Endpoint::v4([50 + i as u8, 2, 3, 4], 6881));
    everything(&mut network);
    network.assert_silent();
    assert!(network.events.contains("other"), "nobody was told his address: {:?}", network.events);
}

#[test]
fn hours_of_upkeep_do_not_allocate() {
    let address = |i| Endpoint::v4([10, 0, 0, i as u8 + 1], 6881);
    let mut network = Network::of(8, &Config::default().local(), address);
    let info_hash = Id([0x77; 20]);
    network.operate(1, 1, Command::Announce { info_hash, port: Some(7000), kind: PeerKind::Downloader });
    network.operate(1, 2, Command::PutImmutable { value: b"5:hello" });
    // Long enough for stale contacts, refreshed buckets, rotated secrets and the expiry of all that is held.
    let end = network.now + Duration::from_secs(3 * 3600);
    while network.now < end {
        let next = network.deadlines.iter().flatten().min().copied().unwrap_or(end);
        network.now = if network.flying.is_empty() { network.now.max(next) } else { network.now };
        network.run_for(TICK);
    }
    network.assert_silent();
    assert!(network.nodes.iter().all(|node| node.items_held() + node.peers_held() == 0), "something outlived its time");
}

#[test]
fn no_hostile_datagram_allocates() {
    let address = |i| Endpoint::v4([10, 0, 0, i as u8 + 1], 6881);
    let mut network = Network::of(8, &Config::default().local(), address);
    let mut rng = Rng::from_seed([3; 32]);
    let samples: [&[u8]; 8] = [
        b"d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q9:find_node1:t2:aa1:y1:qe",
        b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe",
        b"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz1234566:scrapei1ee1:q9:get_peers1:t2:aa1:y1:qe",
        b"d1:rd2:id20:mnopqrstuvwxyz1234565:nodes3:abc6:valuesl6:axje.ue1:t4:aaaa1:y1:re",
        b"d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee",
        b"d1:ad2:id20:abcdefghij01234567895:token8:aoeusnth1:v12:Hello World!e1:q3:put1:t2:aa1:y1:qe",
        b"d1:q13:announce_peer1:t2:aa1:y1:qe",
        b"lllllllllllllllleeeeeeeeeeeeeeee",
    ];
    for round in 0..20_000u32 {
        let mut datagram = samples[round as usize % samples.len()].to_vec();
        for _ in 0..rng.below(4) {
            let at = rng.below(datagram.len() as u32) as usize;
            match rng.below(3) {
                0 => datagram[at] = rng.next_u32() as u8,
                1 => datagram.truncate(at),
                _ => datagram.insert(at, rng.next_u32() as u8),
            }
            if datagram.is_empty() {
                break;
            }
        }
        let from = Endpoint::v4([11, rng.next_u32() as u8, rng.next_u32() as u8, 9], 1 + rng.below(60_000) as u16);
        network.datagram(round as usize % 8, from, &datagram);
        network.flying.clear();
        if round % 100 == 0 {
            network.run_for(TICK);
        }
    }
    network.assert_silent();
    assert!(network.seen.iter().any(|kind| kind.starts_with("error")), "{:?}", network.seen);
}

#[test]
fn looking_at_a_node_does_not_allocate() {
    let address = |i| Endpoint::v4([10, 0, 0, i as u8 + 1], 6881);
    let mut network = Network::of(8, &Config::small().local(), address);
    let seen = network.call("observation", 1, |node, _| {
        (
            node.contacts().count(),
            node.stats(),
            node.size_estimate(LINK),
            node.next_timer(),
            node.id(LINK),
            node.items_held(),
        )
    });
    assert!(seen.0 > 0);
    network.assert_silent();
}

#[test]
fn an_allocating_call_would_be_told() {
    let address = |i| Endpoint::v4([10, 0, 0, i as u8 + 1], 6881);
    let mut network = Network::of(2, &Config::small().local(), address);
    network.call("planted", 0, |_, _| std::hint::black_box(Box::new(1u8)));
    assert_eq!(network.guilty, BTreeMap::from([("planted", 1)]));
}

mod reconcile {
    use super::{allocations, most_held};
    use honeyguide::base::Rng;
    use honeyguide::negentropy::{Entry, Limits, Reconciler, ReconcilerConfig, Sealed, Step, Tree};
    use honeyguide::negentropy::{RatelessInitiator, RatelessResponder, RatelessStep};

    /// Everything after the sets and the buffers are there: both ends of a whole session, sealed set and tree.
    #[test]
    fn a_session_of_two_sets_allocates_nothing() {
        let mut rng = Rng::from_seed([5; 32]);
        let mut entries = |n: u64| (0..n).map(|i| Entry { timestamp: i, id: rng.bytes() }).collect::<Vec<_>>();
        let common = entries(3000);
        let ours = Sealed::build([common.clone(), entries(40)].concat()).unwrap();
        let theirs = Tree::from_sorted(Sealed::build([common, entries(50)].concat()).unwrap().entries()).unwrap();
        let config = ReconcilerConfig::new(Limits::initiator()).with_frame_limit(8192);
        let mut client = Reconciler::initiator(config.clone()).unwrap();
        let mut server = Reconciler::responder(config).unwrap();
        let (mut up, mut down, mut told) = (vec![0; 8192], vec![0; 8192], 0);
        let ((), count) = allocations(|| {
            let mut len = client.initiate(&ours, &mut up).unwrap();
            while let Ok(Step::Reply(reply)) = server.reconcile(&theirs, &up[..len], &mut down, &mut |_| ()) {
                match client.reconcile(&ours, &down[..reply], &mut up, &mut |_| told += 1).unwrap() {
                    Step::Reply(next) => len = next,
                    Step::Done => break,
                }
            }
        });
        assert_eq!((told, count), (90, 0));
    }

    /// A relay has thousands of sessions that it answers.
    #[test]
    fn a_session_that_answers_takes_less_than_a_kilobyte() {
        let mut limits = Limits::initiator();
        limits.message = 4096;
        let config = ReconcilerConfig::new(limits).with_frame_limit(4096);
        let own = size_of::<Reconciler<'_>>();
        println!("a session itself: {own} bytes");
        assert!(own < 768, "{own} bytes");
        let (_responder, count) = allocations(|| Reconciler::responder(config.clone()).unwrap());
        assert_eq!(count, 0);
        let mut scratch = [0; 128];
        let (_lent, held) = most_held(|| Reconciler::initiator_in(config.clone(), &mut scratch).unwrap());
        assert!(held < 3000, "{held} bytes");
        let (_owned, held) = most_held(|| Reconciler::initiator(config).unwrap());
        println!("beside scratch and message memory, an initiator has {} bytes", held - 512 - 4096);
        assert!(held - 512 - 4096 < 8000, "{held} bytes");
    }

    /// N47, without the messages, whose symbols have 37 bytes.
    #[test]
    fn a_rateless_session_holds_80_bytes_for_each_symbol() {
        let mut rng = Rng::from_seed([6; 32]);
        let (mut rounds, mut sessions) = (0, 0);
        for differences in [1, 30, 1000, 3000, 3600, 5000, 8000, 12_000].into_iter().chain([200; 30]) {
            let mut entries = |n: u64| (0..n).map(|i| Entry { timestamp: i, id: rng.bytes() }).collect::<Vec<_>>();
            let common = entries(1000);
            let mut set = |n| Sealed::build([common.clone(), entries(n)].concat()).unwrap();
            let (ours, theirs) = (set(differences / 2), set(differences - differences / 2));
            let (mut client, server) = (RatelessInitiator::new(rng.bytes(), 1 << 16), RatelessResponder::new(1 << 16));
            let (mut up, mut down) = (vec![0; RatelessInitiator::MESSAGE_LEN], vec![0; server.answer_len()]);
            let (mut told, mut symbols) = (0, 0);
            let mut len = client.initiate(&ours, &mut up).unwrap();
            let ((), held) = most_held(|| {
                loop {
                    let reply = server.answer(&theirs, &up[..len], &mut down).unwrap();
                    symbols += reply as isize / 37;
                    rounds += 1;
                    match client.reconcile(&ours, &down[..reply], &mut up, &mut |_| told += 1).unwrap() {
                        RatelessStep::Reply(next) => len = next,
                        step => break assert_eq!(step, RatelessStep::Done),
                    }
                }
            });
            sessions += 1;
            assert_eq!(told, differences);
            assert!(held <= 80 * symbols + 9000, "{differences} differences: {held} bytes for {symbols} symbols");
        }
        assert!(rounds > sessions, "no session asked for more");
    }
}
