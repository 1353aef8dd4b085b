//! What holds for every run of a node, whatever comes in, in whatever order, by whatever clock.
//!
//! A run is a script of random acts: datagrams that are valid, mutated or random, answers to the node's own queries
//! (honest, lying, broken, late, twice), refusals, commands, cancellations, timeouts, clocks that jump both ways, and
//! drains that are skipped. Each call is recorded in a journal as it is made.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use honeyguide::Config;
use honeyguide::Instant;
use honeyguide::base::Rng;
use honeyguide::dht::LinkConfig;
use honeyguide::dht::Role;
use honeyguide::dht::SavedContact;
use honeyguide::dht::journal::OutputHash;
use honeyguide::dht::journal::{Call, Record};
use honeyguide::dht::{Buffer, DirectQuery, Freshness, LinkId, PeerKind, Scope};
use honeyguide::internals::krpc::item;
use honeyguide::krpc;
use honeyguide::krpc::{Decoded, Family, Method, Query, Want};
use honeyguide::{Command, Event, Input, Node, Output, Storage};
use honeyguide::{Endpoint, Id};
use quickcheck::{Arbitrary, Gen, QuickCheck};
use sha1::{Digest, Sha1};

use crate::lab::{self, LARGEST, error, pair, query_of, raw, reply, string};

const SECRET: [u8; 32] = [5; 32];

/// What a script may do in one act; the number seeds its details.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Act {
    /// A query as it should be.
    Query(u32),
    /// An answer to an open query.
    Answer(u32),
    /// Either of them, with a few bytes changed.
    Mutant(u32),
    /// Random bytes.
    Noise(u32),
    /// The network refuses a packet, or our side could not send it.
    Refusal(u32),
    Command(u32),
    Cancel(u32),
    Import(u32),
    /// Time passes, up to the next deadline or past it, and a timeout says so.
    Wake(u32),
    /// Time passes and nobody says so; one time in four it runs backwards.
    Clock(u32),
}

impl Arbitrary for Act {
    fn arbitrary(g: &mut Gen) -> Act {
        let detail = u32::arbitrary(g);
        match u8::arbitrary(g) % 32 {
            0..=6 => Act::Query(detail),
            7..=14 => Act::Answer(detail),
            15..=17 => Act::Mutant(detail),
            18 => Act::Noise(detail),
            19 => Act::Refusal(detail),
            20..=23 => Act::Command(detail),
            24 => Act::Cancel(detail),
            25 => Act::Import(detail),
            26..=29 => Act::Wake(detail),
            _ => Act::Clock(detail),
        }
    }
}

/// A run: what kind of node, and what happens to it.
#[derive(Clone, Debug)]
struct Script {
    links: u8,
    local: bool,
    read_only: bool,
    /// Every so many acts the drain is skipped; 0: never.
    skip: u8,
    acts: Vec<Act>,
}

impl Arbitrary for Script {
    fn arbitrary(g: &mut Gen) -> Script {
        Script {
            links: u8::arbitrary(g) % 4,
            local: bool::arbitrary(g),
            read_only: u8::arbitrary(g) % 8 == 0,
            skip: u8::arbitrary(g) % 5,
            acts: Vec::arbitrary(g),
        }
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = Script>> {
        let script = self.clone();
        Box::new(self.acts.shrink().map(move |acts| Script { acts, ..script.clone() }))
    }
}

impl Script {
    fn config(&self) -> Config {
        let links: &[LinkConfig] = match self.links {
            0 => &[LinkConfig::V4],
            1 => &[LinkConfig::V6],
            2 => &[LinkConfig::V4, LinkConfig::V6],
            _ => &[LinkConfig::V4, LinkConfig::V4],
        };
        let mut config = lab::config().with_links(links).unwrap();
        config.capacity.operations = 2;
        config.role = if self.read_only { Role::Client } else { Role::Server };
        if self.local { config.local() } else { config }
    }
}

struct Run {
    script: Script,
    node: Node<'static>,
    rng: Rng,
    clock: Instant,
    /// What the node heard of the clock last.
    heard: Instant,
    deadline: Option<Instant>,
    /// The last queries of the node.
    open: VecDeque<(LinkId, Endpoint, Vec<u8>)>,
    /// Who asked the node something, by which link.
    askers: BTreeSet<(LinkId, Endpoint)>,
    /// Tokens that the node was given.
    tokens: BTreeSet<(LinkId, Endpoint, Vec<u8>)>,
    /// A token that the node gave, and to whom.
    gift: BTreeMap<Endpoint, Vec<u8>>,
    /// Whoever answered a query under an id.
    answered: BTreeSet<(LinkId, Id, Endpoint)>,
    /// Accepted commands, and whether they have finished.
    tags: BTreeMap<u64, bool>,
    journal: Vec<u8>,
    polls: u32,
    trace: OutputHash,
}

impl Run {
    fn new(script: &Script) -> Run {
        let config = script.config();
        let storage = Storage::allocate(&config);
        Run {
            script: script.clone(),
            node: Node::new(config, [9; 32], storage).unwrap(),
            rng: Rng::from_seed([1; 32]),
            clock: Instant::from_secs(1_000),
            heard: Instant::ZERO,
            deadline: None,
            open: VecDeque::new(),
            askers: BTreeSet::new(),
            tokens: BTreeSet::new(),
            gift: BTreeMap::new(),
            answered: BTreeSet::new(),
            tags: BTreeMap::new(),
            journal: Vec::new(),
            polls: 0,
            trace: OutputHash::default(),
        }
    }

    /// The whole run, and then time until everything has ended.
    fn live(script: &Script) -> Run {
        let mut run = Run::new(script);
        for (n, act) in script.acts.iter().enumerate() {
            run.act(*act);
            if script.skip == 0 || n % (usize::from(script.skip) + 1) != 0 {
                run.drain();
            }
            run.check();
        }
        // Longer than the deadline of any operation. Upkeep goes on for ever.
        let end = run.heard + Duration::from_secs(70);
        run.drain();
        let mut wakes = 0;
        while let Some(at) = run.deadline.filter(|at| *at <= end) {
            run.clock = at.max(run.heard);
            run.timeout();
            wakes += 1;
        }
        assert!(wakes < 7_000, "a node that is left alone does not spin: {wakes} timeouts in 70 s");
        assert!(run.tags.values().all(|finished| *finished), "an operation without an end: {:?}", run.tags);
        run.call(Call::End);
        run
    }

    fn call(&mut self, call: Call<'_>) {
        let mut out = [0; Record::MAX_LEN];
        let record = Record { polls: std::mem::take(&mut self.polls), now: self.clock, call };
        self.heard = self.clock;
        let len = record.encode(&mut out).expect("every call fits a record");
        self.journal.extend(&out[..len]);
        if let Call::Command { tag, scope, command } = call {
            if self.node.command_in(self.clock, tag, scope, command).is_ok() {
                self.tags.insert(tag, false);
            }
        } else {
            let _ = call.apply(&mut self.node, self.clock);
        }
    }

    fn timeout(&mut self) {
        self.call(Call::Input(Input::Timeout));
        self.drain();
        let moved = self.deadline.is_none_or(|at| at > self.clock);
        assert!(moved, "at {:?} the deadline is {:?}: {:?}", self.clock, self.deadline, self.node.next_timer());
    }

    fn drain(&mut self) {
        let mut buf: Buffer = [0; 1500];
        for _ in 0..2_000 {
            self.polls += 1;
            let output = self.node.poll_output(&mut buf);
            self.trace.add(&output);
            match output {
                Output::Transmit { link, to, payload } => {
                    assert!(payload.len() <= LARGEST, "{} bytes", payload.len());
                    assert!(to.port() != 0);
                    let family = self.node.config().links()[usize::from(link.0)].family;
                    assert_eq!(to.family(), family, "a packet leaves by a link of its family");
                    let payload = payload.to_vec();
                    self.sent(link, to, &payload);
                }
                Output::Event(event) => {
                    if let Some((_, tag)) = event.operation() {
                        let finished = self.tags.get_mut(&tag).expect("an event of an operation that was accepted");
                        assert!(!*finished, "{event:?} after its end");
                        *finished = matches!(event, Event::Finished { .. });
                    }
                }
                Output::Timeout(at) => {
                    #[cfg(debug_assertions)]
                    honeyguide::internals::dht::check_invariants(&self.node);
                    self.deadline = at;
                    return;
                }
            }
        }
        panic!("a drain that does not end");
    }

    fn sent(&mut self, link: LinkId, to: Endpoint, payload: &[u8]) {
        match krpc::decode(payload) {
            Ok(Decoded::Query(query)) => {
                if let Method::Put { token, .. } | Method::AnnouncePeer { token, .. } = query.method {
                    assert!(
                        self.tokens.contains(&(link, to, token.to_vec())),
                        "a token that {to} did not give by {link:?}"
                    );
                }
                self.open.push_back((link, to, payload.to_vec()));
                if self.open.len() > 64 {
                    self.open.pop_front();
                }
            }
            Ok(Decoded::Response(response)) => {
                assert!(self.askers.contains(&(link, to)), "a response to {to}, who did not ask by {link:?}");
                assert_eq!(Some(response.id), self.node.id(link), "the id is that of the link");
                if let Some(token) = response.token {
                    self.gift.insert(to, token.to_vec());
                }
            }
            Ok(Decoded::Error(_)) => assert!(self.askers.contains(&(link, to))),
            other => panic!("the node sent what nobody could read: {other:?}"),
        }
    }

    /// What holds between any two calls.
    fn check(&self) {
        let capacity = self.node.config().capacity;
        let mut count = 0;
        for (link, contact) in self.node.contacts() {
            count += 1;
            assert!(self.answered.contains(&(link, contact.id, contact.endpoint)), "{contact:?} never answered");
            assert!(Some(contact.id) != self.node.id(link));
        }
        assert!(count <= capacity.contacts * self.node.config().links().len());
        let (items, peers) = (self.node.items_held(), self.node.peers_held());
        assert!(items <= capacity.items && peers <= capacity.peers);
        assert!(
            !self.script.read_only || (self.askers.is_empty() || self.gift.is_empty()),
            "read-only nodes answer nobody"
        );
    }

    fn act(&mut self, act: Act) {
        let seed = |detail: u32| {
            let mut bytes = [0; 32];
            bytes[..4].copy_from_slice(&detail.to_le_bytes());
            Rng::from_seed(bytes)
        };
        match act {
            Act::Query(detail) => {
                self.rng = seed(detail);
                let (link, from) = self.somebody();
                let payload = self.query(from);
                self.receive(link, from, &payload);
                // Some come back at once with the token that they got.
                if self.rng.below(3) == 0 {
                    self.drain();
                    let payload = self.query(from);
                    self.receive(link, from, &payload);
                }
            }
            Act::Answer(detail) => {
                self.rng = seed(detail);
                for _ in 0..=self.rng.below(6) {
                    if let Some((link, from, payload)) = self.answer() {
                        self.receive(link, from, &payload);
                    }
                    if self.rng.below(8) > 0 {
                        self.drain();
                    }
                }
            }
            Act::Mutant(detail) => {
                self.rng = seed(detail);
                let (link, from) = self.somebody();
                let query = (link, from, self.query(from));
                let (link, from, mut payload) = if detail % 2 == 0 { query } else { self.answer().unwrap_or(query) };
                for _ in 0..=self.rng.below(3) {
                    self.mutate(&mut payload);
                }
                self.receive(link, from, &payload);
            }
            Act::Noise(detail) => {
                self.rng = seed(detail);
                let (link, from) = self.somebody();
                let mut payload = vec![0; self.rng.below(1600) as usize];
                self.rng.fill(&mut payload);
                self.receive(link, from, &payload);
            }
            Act::Refusal(detail) => {
                self.rng = seed(detail);
                let (link, to) = match self.pick_open() {
                    Some((link, to, _)) if self.rng.below(4) > 0 => (link, to),
                    _ => self.somebody(),
                };
                let refused = self.rng.below(2) == 0;
                self.call(Call::Input(if refused {
                    Input::Refused { link, to }
                } else {
                    Input::SendFailed { link, to }
                }));
            }
            Act::Command(detail) => {
                self.rng = seed(detail);
                self.command();
            }
            Act::Cancel(detail) => {
                let tag = u64::from(detail) % (self.tags.len() as u64 + 2);
                self.call(Call::Cancel { tag });
            }
            Act::Import(detail) => {
                self.rng = seed(detail);
                let ((link, endpoint), id) = (self.somebody(), self.id());
                self.call(Call::Import { link, contact: SavedContact { id, endpoint } });
            }
            Act::Wake(detail) => {
                self.rng = seed(detail);
                self.clock = match (self.rng.below(4), self.deadline) {
                    (0, _) | (_, None) => self.clock + self.time(),
                    (1, Some(at)) => at + self.time(),
                    (_, Some(at)) => at,
                };
                self.timeout();
            }
            Act::Clock(detail) => {
                self.rng = seed(detail);
                let time = self.time();
                self.clock = match self.rng.below(4) {
                    0 => Instant::from_micros(self.clock.as_micros().saturating_sub(time.as_micros() as u64)),
                    _ => self.clock + time,
                };
            }
        }
    }

    /// Often a moment, sometimes days.
    fn time(&mut self) -> Duration {
        let scales = [1, 1, 10, 10, 30, 30, 100, 300, 1_000, 3_000, 60_000, 3_600_000, 100_000_000];
        let most = scales[self.rng.below(scales.len() as u32) as usize];
        Duration::from_micros(u64::from(self.rng.below(most)) * 1_000 + u64::from(self.rng.below(1_000)))
    }

    fn receive(&mut self, link: LinkId, from: Endpoint, payload: &[u8]) {
        match krpc::decode(payload) {
            Ok(Decoded::Query(_) | Decoded::Refuse(_)) => {
                self.askers.insert((link, from));
            }
            Ok(Decoded::Response(response)) => {
                let open = |(v, to, query): &(LinkId, Endpoint, Vec<u8>)| {
                    let Ok(Decoded::Query(Query { tid, .. })) = krpc::decode(query) else { return false };
                    *v == link && *to == from && tid == response.tid
                };
                if self.open.iter().any(open) {
                    self.answered.insert((link, response.id, from));
                    if let Some(token) = response.token {
                        self.tokens.insert((link, from, token.to_vec()));
                    }
                }
            }
            _ => {}
        }
        self.call(Call::Input(Input::Datagram { link, from, payload }));
    }

    /// One of a few dozen parties, sometimes an address that nobody can have.
    fn somebody(&mut self) -> (LinkId, Endpoint) {
        let link = LinkId(self.rng.below(self.node.config().links().len() as u32) as u8);
        let family = self.node.config().links()[usize::from(link.0)].family;
        (link, self.endpoint(family))
    }

    fn endpoint(&mut self, family: Family) -> Endpoint {
        let (n, odd) = (self.rng.below(24) as u8, self.rng.below(40));
        let port = if odd == 0 { 0 } else { 6881 };
        match family {
            Family::V4 if odd == 1 => Endpoint::v4([127, 0, 0, n], port),
            Family::V4 if odd == 2 => Endpoint::v4([224, 0, 0, n], port),
            // Eight networks.
            Family::V4 => Endpoint::v4([30, 1, n % 8, n], port),
            Family::V6 if odd == 1 => Endpoint::v4([30, 1, n % 8, n], port),
            Family::V6 => Endpoint::v6([0x20, 1, 0xd, 0xb8, 0, 0, 0, n % 8, 0, 0, 0, 0, 0, 0, 0, n], port),
        }
    }

    /// One of a few ids, which parties share and change; sometimes ours, sometimes none.
    fn id(&mut self) -> Id {
        let n = self.rng.below(60);
        match n {
            0 => Id([0; 20]),
            1 => self.node.id(LinkId(0)).unwrap(),
            _ => {
                let mut seed = [0xab; 32];
                seed[0] = n as u8;
                Id(Rng::from_seed(seed).bytes())
            }
        }
    }

    /// Everybody has an id that follows from his address; one time in eight he says another.
    fn id_of(&mut self, endpoint: Endpoint) -> Id {
        let mut seed = [0xab; 32];
        seed[0] = 2 + endpoint.ip_bytes().last().unwrap() % 58;
        if self.rng.below(8) == 0 { self.id() } else { Id(Rng::from_seed(seed).bytes()) }
    }

    /// One of the targets that everything turns round.
    fn target(&mut self) -> Id {
        match self.rng.below(4) {
            0 => item::immutable_target(b"5:hello"),
            1 => item::mutable_target(&item::public_key(&SECRET), b"salt"),
            _ => Id([0x11 * self.rng.below(2) as u8 + 1; 20]),
        }
    }

    fn signed(&mut self) -> Vec<u8> {
        let (seq, value): (i64, &[u8]) =
            [(1, &b"3:one"[..]), (2, b"3:two"), (i64::MAX, b"3:max")][self.rng.below(3) as usize];
        let mut signature = item::sign(&SECRET, b"salt", seq, value).unwrap();
        if self.rng.below(8) == 0 {
            signature[3] ^= 1;
        }
        let key = pair(b"k", &item::public_key(&SECRET));
        [key, raw(b"seq", format!("i{seq}e").as_bytes()), pair(b"sig", &signature), raw(b"v", value)].concat()
    }

    fn query(&mut self, from: Endpoint) -> Vec<u8> {
        let (id, target) = (self.id_of(from), self.target());
        let token = self.gift.get(&from).cloned().unwrap_or_default();
        let info_hash = pair(b"info_hash", &target.0);
        let (method, arguments): (&[u8], Vec<u8>) = match self.rng.below(11) {
            0 => (b"ping", vec![]),
            1 => (b"find_node", pair(b"target", &target.0)),
            2 => (b"find_node", [pair(b"target", &target.0), raw(b"want", b"l2:n42:n6e")].concat()),
            3 => (b"get_peers", info_hash),
            4 => (b"get_peers", [info_hash, raw(b"scrape", b"i1e")].concat()),
            5 => (b"get", pair(b"target", &target.0)),
            6 => (b"sample_infohashes", pair(b"target", &target.0)),
            7 => (b"announce_peer", [info_hash, raw(b"port", b"i5e"), pair(b"token", &token)].concat()),
            8 => (b"put", [pair(b"token", &token), raw(b"v", b"5:hello")].concat()),
            9 => (b"put", [pair(b"token", &token), pair(b"salt", b"salt"), self.signed()].concat()),
            _ => (b"vote", info_hash),
        };
        query_of(&id, method, &arguments)
    }

    fn pick_open(&mut self) -> Option<(LinkId, Endpoint, Vec<u8>)> {
        let n = self.rng.below(self.open.len() as u32) as usize;
        // Mostly one of the latest.
        let n = if self.rng.below(4) > 0 { self.open.len().saturating_sub(1 + n % 4) } else { n };
        self.open.get(n).cloned()
    }

    /// An answer to one of the node's queries, sometimes by another party or by another link.
    fn answer(&mut self) -> Option<(LinkId, Endpoint, Vec<u8>)> {
        let (link, to, query) = self.pick_open()?;
        let Ok(Decoded::Query(Query { tid, method, .. })) = krpc::decode(&query) else { return None };
        let (link, from) = match self.rng.below(12) {
            0 => self.somebody(),
            1 => (LinkId(self.rng.below(3) as u8), to),
            _ => (link, to),
        };
        let id = self.id_of(to);
        if self.rng.below(10) == 0 {
            let code = [201, 203, 205, 206, 207, 301, 302, 0, -1][self.rng.below(9) as usize];
            return Some((link, from, error(tid, code)));
        }
        let mut body = Vec::new();
        if !matches!(method, Method::Ping | Method::Put { .. } | Method::AnnouncePeer { .. }) {
            let mut four = Vec::new();
            let mut six = Vec::new();
            for _ in 0..self.rng.below(12) {
                let family = if self.rng.below(4) > 0 { from.family() } else { Family::V4 };
                let endpoint = self.endpoint(family);
                let named = self.id_of(endpoint);
                let list = if endpoint.is_v4() { &mut four } else { &mut six };
                list.extend([&named.0[..], endpoint.ip_bytes(), &endpoint.port().to_be_bytes()].concat());
            }
            body.extend([pair(b"nodes", &four), pair(b"nodes6", &six)].concat());
        }
        if matches!(method, Method::Get { .. } | Method::GetPeers { .. }) && self.rng.below(8) > 0 {
            let len = [8, 4, 20, 64, 65, 0][self.rng.below(6) as usize];
            let mut token = vec![0; len];
            self.rng.fill(&mut token);
            body.extend(pair(b"token", &token));
        }
        match method {
            Method::Get { .. } => match self.rng.below(4) {
                0 => body.extend(raw(b"v", b"5:hello")),
                1 => body.extend(raw(b"v", &string(&[b'v'; 1100]))),
                2 => body.extend(self.signed()),
                _ => {}
            },
            Method::GetPeers { .. } => {
                let peers: Vec<u8> = (0..self.rng.below(120)).flat_map(|n| string(&[9, 9, 9, n as u8, 0, 7])).collect();
                body.extend(raw(b"values", &[b"l", &peers[..], b"e"].concat()));
                if self.rng.below(2) == 0 {
                    body.extend(
                        [pair(b"BFsd", &self.rng.bytes::<256>()), pair(b"BFpe", &self.rng.bytes::<256>())].concat(),
                    );
                }
            }
            Method::SampleInfohashes { .. } => {
                let samples = vec![7; self.rng.below(70) as usize * 20];
                body.extend([raw(b"interval", b"i60e"), raw(b"num", b"i70e"), pair(b"samples", &samples)].concat());
            }
            _ => {}
        }
        let mut payload = reply(tid, &id, &body);
        if self.rng.below(4) == 0 {
            // A vote on our address.
            let (family, n) = (from.family(), self.rng.below(3) as u8);
            let ip = match family {
                Family::V4 => vec![90, 0, 0, n, 0x1a, 0xe1],
                Family::V6 => [&[0x20, 1, 0xd, 0xb8, 9, 9, 9, n, 0, 0, 0, 0, 0, 0, 0, 1][..], &[0x1a, 0xe1]].concat(),
            };
            payload = [b"d", &pair(b"ip", &ip)[..], &payload[1..]].concat();
        }
        Some((link, from, payload))
    }

    fn mutate(&mut self, payload: &mut Vec<u8>) {
        let at = self.rng.below(payload.len() as u32) as usize;
        match self.rng.below(5) {
            0 => payload.truncate(at),
            1 if !payload.is_empty() => payload[at] = self.rng.next_u32() as u8,
            2 => payload.insert(at.min(payload.len()), b"0123456789:dlei-"[self.rng.below(16) as usize]),
            3 if !payload.is_empty() => {
                payload.remove(at);
            }
            _ => {
                let end = (at + self.rng.below(30) as usize).min(payload.len());
                let part = payload[at.min(end)..end].to_vec();
                payload.splice(at.min(end)..at.min(end), part);
            }
        }
    }

    fn command(&mut self) {
        let tag = self.tags.len() as u64 + 1_000 * u64::from(self.rng.below(1_000));
        if self.tags.contains_key(&tag) {
            return;
        }
        let (link, to) = self.somebody();
        let (_, other) = self.somebody();
        let (target, nodes) = (self.target(), [to, other]);
        let key = item::public_key(&SECRET);
        let signature = item::sign(&SECRET, b"salt", 2, b"3:two").unwrap();
        let newer_than = [None, Some(1)][self.rng.below(2) as usize];
        let command = match self.rng.below(16) {
            0 | 1 => Command::Bootstrap { nodes: &nodes },
            2 | 3 => Command::Query { to, query: DirectQuery::Ping },
            4 => Command::Query { to, query: DirectQuery::FindNode { target, want: Want { v4: true, v6: true } } },
            5 => Command::Query { to, query: DirectQuery::Sample { target } },
            6 => Command::Lookup { target },
            7 => Command::GetImmutable { target, copies: 1 + newer_than.map_or(0, |_| 2) },
            8 => Command::GetMutable { key: &key, salt: b"salt", newer_than, freshness: Freshness::Newest },
            9 => Command::GetMutable {
                key: &key,
                salt: b"salt",
                newer_than,
                freshness: Freshness::Copies(newer_than.map_or(1, |_| 2)),
            },
            10 => Command::GetPeers { info_hash: target },
            11 => Command::PutImmutable { value: b"5:hello" },
            12 => {
                let cas = newer_than;
                Command::PutMutable { value: b"3:two", key: &key, salt: b"salt", seq: 2, signature: &signature, cas }
            }
            13 => Command::Announce { info_hash: target, port: newer_than.map(|_| 7), kind: PeerKind::Downloader },
            14 => Command::Scrape { info_hash: target },
            _ => Command::Sample { target },
        };
        let scope = match self.rng.below(4) {
            0 | 1 => Scope::All,
            2 => Scope::Link(link),
            _ if tag.is_multiple_of(2) => Scope::NodeOn { link, node: to },
            _ => Scope::Node(to),
        };
        self.call(Call::Command { tag, scope, command });
    }
}

/// Replays the journal; the hash of what came out.
fn replay(config: Config, journal: &[u8]) -> u128 {
    let storage = Storage::allocate(&config);
    let mut node = Node::new(config, [9; 32], storage).unwrap();
    let (mut trace, mut buf, mut at): (_, Buffer, _) = (OutputHash::default(), [0; 1500], 0);
    while at < journal.len() {
        let mut nodes = [Endpoint::UNSPECIFIED; 16];
        let (record, after) = Record::decode(&journal[at..], &mut nodes).expect("a journal of records");
        for _ in 0..record.polls {
            trace.add(&node.poll_output(&mut buf));
        }
        let _ = record.call.apply(&mut node, record.now);
        at = journal.len() - after.len();
    }
    trace.finish()
}

/// 30 runs of up to so many acts; `QUICKCHECK_TESTS` sets another number.
fn for_all_runs(acts: usize, property: fn(Script)) {
    let set = std::env::var("QUICKCHECK_TESTS").ok().and_then(|text| text.parse().ok());
    QuickCheck::new().tests(set.unwrap_or(30)).rng(Gen::new(acts)).quickcheck(property);
}

/// Rule L13 among others: no operation ends twice.
#[test]
fn every_run_keeps_the_contract_and_replays_to_the_same_bytes() {
    fn property(script: Script) {
        let run = Run::live(&script);
        let hash = run.trace.finish();
        assert_eq!(replay(script.config(), &run.journal), hash, "the same calls, the same bytes");
    }
    for_all_runs(300, property);
}

/// The hash of twenty runs, drawn from fixed seeds. It changes only with a change of behaviour, which then says so.
#[test]
fn twenty_runs_from_fixed_seeds_put_out_what_they_always_did() {
    let mut all = Sha1::new();
    for seed in 0..20 {
        let script = Script::arbitrary(&mut Gen::from_size_and_seed(300, seed));
        all.update(Run::live(&script).trace.finish().to_be_bytes());
    }
    assert_eq!(hex::encode(all.finalize()), "b4ba69dd843b65daa206a30774ab1e4639dc29bb");
}
