//! One node under the microscope: the test is the rest of the network, packet by packet, in virtual time.
//!
//! Whoever has a [`Mind`] answers the node's queries by itself, 20 ms later; all others are silent unless the test speaks
//! for them. Every output passes [`Lab::drain`], so what holds for all outputs (drains are finite, no packet is larger
//! than 1400 bytes or goes to port 0, the family fits the link, deadlines move) is checked by every test.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use honeyguide::Config;
use honeyguide::Instant;
use honeyguide::base::Rng;
use honeyguide::dht::Health;
use honeyguide::dht::{Buffer, LinkId};
use honeyguide::dht::{DropReason, Stats};
use honeyguide::dht::{LinkConfig, Network};
use honeyguide::internals::dht::config::K;
use honeyguide::internals::krpc::compact;
use honeyguide::krpc;
use honeyguide::krpc::{Decoded, ErrorMessage, Family, Method, Query, Response};
use honeyguide::{Endpoint, Id};
use honeyguide::{Input, Node, Outcome, Output, Storage};

use crate::world::{News, keep};

/// Largest datagram that a node may send.
pub const LARGEST: usize = 1400;
/// Time that an answer of a [`Mind`] takes.
pub const LATENCY: Duration = Duration::from_millis(20);

/// Something that the node sent.
#[derive(Clone, PartialEq, Debug)]
pub struct Packet {
    pub link: LinkId,
    pub to: Endpoint,
    pub bytes: Vec<u8>,
}

impl Packet {
    /// The query that this is.
    pub fn query(&self) -> Option<Query<'_>> {
        match krpc::decode(&self.bytes) {
            Ok(Decoded::Query(query)) => Some(query),
            _ => None,
        }
    }

    /// Its transaction id.
    pub fn tid(&self) -> Vec<u8> {
        match krpc::decode(&self.bytes) {
            Ok(Decoded::Query(Query { tid, .. }) | Decoded::Response(Response { tid, .. })) => tid.to_vec(),
            Ok(Decoded::Error(ErrorMessage { tid, .. })) => tid.to_vec(),
            other => panic!("the node sent {other:?}"),
        }
    }

    /// The response that this is.
    pub fn response(&self) -> Response<'_> {
        match krpc::decode(&self.bytes) {
            Ok(Decoded::Response(response)) => response,
            other => panic!("no response: {other:?}"),
        }
    }

    /// The error that this is.
    pub fn error(&self) -> ErrorMessage<'_> {
        match krpc::decode(&self.bytes) {
            Ok(Decoded::Error(error)) => error,
            other => panic!("no error: {other:?}"),
        }
    }
}

/// How somebody answers the node's queries; `None`: not at all.
pub type Mind = Box<dyn FnMut(&Query<'_>) -> Option<Vec<u8>>>;

/// The same for all who have no mind of their own.
pub type AnyoneElse = Box<dyn FnMut(Endpoint, &Query<'_>) -> Option<Vec<u8>>>;

/// What a hostile packet must not change.
#[derive(Clone, PartialEq, Debug)]
pub struct Belongings {
    pub contacts: Vec<(LinkId, Id, Endpoint)>,
    pub held: (usize, usize),
}

pub struct Lab {
    pub node: Node<'static>,
    pub now: Instant,
    pub deadline: Option<Instant>,
    /// Everything sent, oldest first, until somebody takes it.
    pub sent: Vec<Packet>,
    pub news: Vec<News>,
    pub minds: BTreeMap<Endpoint, Mind>,
    pub anyone_else: Option<AnyoneElse>,
    flying: BTreeMap<(Instant, u64), (LinkId, Endpoint, Vec<u8>)>,
    serial: u64,
    drains: u64,
    strangers: u16,
    links: Vec<Family>,
    /// Honest nodes, as [`Lab::befriend`] made them.
    pub friends: Rc<Vec<(Id, Endpoint)>>,
}

/// The configuration of a lab: little memory, but room for some operations at the same time.
pub fn config() -> Config {
    let mut config = Config::small();
    config.capacity.operations = 4;
    config.capacity.candidates = 40;
    config.capacity.transactions = 32;
    config.capacity.newcomers = 64;
    config.capacity.results = 4;
    config.capacity.meters = 512;
    config
}

impl Lab {
    pub fn new(config: Config) -> Lab {
        let storage = Storage::allocate(&config);
        let links = config.links().iter().map(|link| link.family).collect();
        let node = Node::new(config, [7; 32], storage).unwrap();
        let mut lab = Lab {
            node,
            now: Instant::from_secs(1000),
            deadline: None,
            sent: Vec::new(),
            news: Vec::new(),
            minds: BTreeMap::new(),
            anyone_else: None,
            flying: BTreeMap::new(),
            serial: 0,
            drains: 0,
            strangers: 0,
            links,
            friends: Rc::default(),
        };
        lab.timeout();
        lab
    }

    /// A node in the public IPv4 network that knows 16 honest nodes.
    pub fn public() -> Lab {
        let mut lab = Lab::new(config());
        lab.befriend(16);
        lab
    }

    /// The same on one machine.
    pub fn local() -> Lab {
        let mut lab = Lab::new(config().local());
        lab.befriend(16);
        lab
    }

    /// The same in the public IPv6 network.
    pub fn public6() -> Lab {
        let mut lab = Lab::new(config().with_links(&[LinkConfig::V6]).unwrap());
        lab.befriend(16);
        lab
    }

    /// One of each kind.
    pub fn each() -> [Lab; 3] {
        [Lab::public(), Lab::local(), Lab::public6()]
    }

    pub fn is_local(&self) -> bool {
        self.node.config().network == Network::Local
    }

    pub fn own(&self) -> Id {
        self.node.id(LinkId(0)).unwrap()
    }

    /// The `n`-th address of somebody who lives alone in his network; different groups never meet.
    pub fn addr(&self, group: u8, n: u16) -> Endpoint {
        let [high, low] = n.to_be_bytes();
        match (self.is_local(), self.links[0]) {
            // The friends share one address, as the nodes of a test network do.
            (true, _) if group == 0 => Endpoint::v4([127, 0, 0, 1], 7000 + n),
            (true, _) => Endpoint::v4([127, 0, group, low], 7000 + n),
            (_, Family::V4) => Endpoint::v4([20 + group, high, low, 9], 6881),
            (_, Family::V6) => Endpoint::v6([0x20, 1, 0xd, group, high, low, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9], 6881),
        }
    }

    /// Somebody new.
    pub fn stranger(&mut self) -> Endpoint {
        self.strangers += 1;
        self.addr(100, self.strangers)
    }

    /// Makes `n` honest nodes and lets the node get to know them.
    pub fn befriend(&mut self, n: u16) {
        let mut rng = Rng::from_seed([3; 32]);
        let friends: Vec<_> = (0..n)
            .map(|i| {
                let endpoint = self.addr(0, i);
                (Id::secure(endpoint.ip(), &mut rng), endpoint)
            })
            .collect();
        self.friends = Rc::new(friends);
        for i in 0..self.friends.len() {
            let (id, endpoint) = self.friends[i];
            let mind = self.honest(id, endpoint);
            self.minds.insert(endpoint, mind);
            self.node.ping(self.now, u64::MAX, endpoint).unwrap();
            self.drain();
            self.run(LATENCY);
        }
        assert_eq!(self.node.contacts().count(), usize::from(n));
        self.sent.clear();
        self.news.clear();
    }

    /// The mind of an honest node.
    pub fn honest(&self, id: Id, endpoint: Endpoint) -> Mind {
        let friends = self.friends.clone();
        Box::new(move |query| Some(honest_answer(&friends, id, endpoint, query)))
    }

    /// One input and its drain.
    pub fn input(&mut self, input: Input<'_>) {
        self.node.handle_input(self.now, input);
        self.drain();
    }

    pub fn timeout(&mut self) {
        self.input(Input::Timeout);
        assert!(
            self.deadline.is_none_or(|at| at > self.now),
            "the deadline does not move: {:?}",
            self.node.next_timer()
        );
    }

    /// A datagram and what it makes the node send at once.
    pub fn give(&mut self, from: Endpoint, payload: &[u8]) -> Vec<Packet> {
        self.give_via(LinkId(0), from, payload)
    }

    pub fn give_via(&mut self, link: LinkId, from: Endpoint, payload: &[u8]) -> Vec<Packet> {
        let before = self.sent.len();
        self.input(Input::Datagram { link, from, payload });
        self.sent[before..].to_vec()
    }

    /// A datagram and the one packet that it is answered with.
    pub fn ask(&mut self, from: Endpoint, payload: &[u8]) -> Packet {
        let mut answers = self.give(from, payload);
        assert!(answers.len() == 1, "{} answers to {}", answers.len(), show(payload));
        let answer = answers.remove(0);
        assert_eq!(answer.to, from);
        answer
    }

    /// Runs until `time` from now has passed.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        self.run_until(end, |_| false);
    }

    /// Runs until `done` or the end; whether `done`.
    pub fn run_until(&mut self, end: Instant, mut done: impl FnMut(&Lab) -> bool) -> bool {
        loop {
            if done(self) {
                return true;
            }
            let packet = self.flying.first_key_value().map(|(&(at, _), _)| at);
            let Some(next) = packet.into_iter().chain(self.deadline).min().filter(|&at| at <= end) else {
                self.now = self.now.max(end);
                return done(self);
            };
            self.now = self.now.max(next);
            if packet == Some(next) {
                let (_, (link, from, payload)) = self.flying.pop_first().unwrap();
                self.input(Input::Datagram { link, from, payload: &payload });
            } else {
                self.timeout();
            }
        }
    }

    /// Starts an operation with tag 1 and runs until it has finished.
    pub fn operate(&mut self, start: impl FnOnce(&mut Node<'static>, Instant)) -> Outcome {
        self.news.clear();
        start(&mut self.node, self.now);
        self.drain();
        self.finish()
    }

    /// Runs until the operation with tag 1 has finished.
    pub fn finish(&mut self) -> Outcome {
        let end = self.now + Duration::from_secs(60);
        self.run_until(end, |lab| lab.outcome().is_some());
        self.outcome().expect("every operation ends")
    }

    /// How the operation with tag 1 ended.
    pub fn outcome(&self) -> Option<Outcome> {
        self.news.iter().find_map(|news| match news {
            News::Finished { tag: 1, outcome } => Some(*outcome),
            _ => None,
        })
    }

    /// Takes the oldest query that went to `to`.
    pub fn query_to(&mut self, to: Endpoint) -> Packet {
        let at = self.sent.iter().position(|p| p.to == to && p.query().is_some());
        self.sent.remove(at.unwrap_or_else(|| panic!("no query went to {to}")))
    }

    /// How many packets went there.
    pub fn sent_to(&self, to: Endpoint) -> usize {
        self.sent.iter().filter(|packet| packet.to == to).count()
    }

    pub fn stats(&self) -> Stats {
        self.node.stats()
    }

    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.stats().dropped.by(reason)
    }

    pub fn knows(&self, endpoint: Endpoint) -> bool {
        self.node.contacts().any(|(_, contact)| contact.endpoint == endpoint)
    }

    /// Items and peers that the node holds.
    pub fn held(&self) -> (usize, usize) {
        (self.node.items_held(), self.node.peers_held())
    }

    pub fn belongings(&self) -> Belongings {
        let contacts = self.node.contacts().map(|(link, contact)| (link, contact.id, contact.endpoint));
        // What they are worth changes with time.
        let mut contacts: Vec<_> = contacts.collect();
        contacts.sort_unstable();
        Belongings { contacts, held: self.held() }
    }

    /// Somebody new asks the usual things and gets the usual answers.
    pub fn serves(&mut self) {
        let from = self.stranger();
        let pong = self.ask(from, &query(b"ping", b""));
        let response = pong.response();
        assert_eq!((response.tid, response.id, response.ip), (&b"aa"[..], self.own(), Some(from)));
        let found = self.ask(from, &query(b"find_node", &pair(b"target", &[9; 20])));
        let response = found.response();
        let nodes = compact::nodes4(response.nodes.unwrap_or_default());
        let nodes: Vec<_> = nodes.chain(compact::nodes6(response.nodes6.unwrap_or_default())).collect();
        let good = self.node.contacts().filter(|(_, contact)| contact.health != Health::Bad).count();
        assert_eq!(nodes.len(), good.min(K), "the nearest contacts");
        assert!(nodes.iter().all(|(_, endpoint)| self.knows(*endpoint)));
    }

    /// A token for `target`, and the nodes that came with it.
    pub fn token(&mut self, from: Endpoint, target: &Id) -> Vec<u8> {
        let answer = self.ask(from, &query(b"get", &pair(b"target", &target.0)));
        answer.response().token.expect("a token").to_vec()
    }

    /// Drains the node and lets minds answer.
    pub fn drain(&mut self) {
        let mut buf: Buffer = [0; 1500];
        for _ in 0..10_000 {
            match self.node.poll_output(&mut buf) {
                Output::Transmit { link, to, payload } => {
                    assert!(payload.len() <= LARGEST, "{} bytes to {to}: {}", payload.len(), show(payload));
                    assert!(to.port() != 0, "a packet to port 0");
                    assert_eq!(to.family(), self.links[usize::from(link.0)], "{to} by link {link:?}");
                    let packet = Packet { link, to, bytes: payload.to_vec() };
                    let answer = packet.query().and_then(|query| match self.minds.get_mut(&to) {
                        Some(mind) => mind(&query),
                        None => self.anyone_else.as_mut()?(to, &query),
                    });
                    if let Some(answer) = answer {
                        self.serial += 1;
                        self.flying.insert((self.now + LATENCY, self.serial), (link, to, answer));
                    }
                    self.sent.push(packet);
                }
                Output::Event(event) => self.news.push(keep(&event)),
                Output::Timeout(at) => {
                    #[cfg(debug_assertions)]
                    if self.drains < 64 || self.drains.is_multiple_of(1024) {
                        honeyguide::internals::dht::check_invariants(&self.node);
                    }
                    self.drains += 1;
                    self.deadline = at;
                    return;
                }
            }
        }
        panic!("a drain that does not end");
    }
}

/// What an honest node that knows `friends` answers.
pub fn honest_answer(friends: &[(Id, Endpoint)], id: Id, endpoint: Endpoint, query: &Query<'_>) -> Vec<u8> {
    let mut body = Vec::new();
    let target = match query.method {
        Method::FindNode { target, .. } | Method::Get { target, .. } | Method::SampleInfohashes { target, .. } => {
            Some(target)
        }
        Method::GetPeers { info_hash, .. } => Some(info_hash),
        _ => None,
    };
    if let Some(target) = target {
        let mut near: Vec<_> = friends.iter().filter(|(_, e)| *e != endpoint).collect();
        near.sort_by_key(|(id, _)| id.distance(&target));
        body.extend(nodes(&near.into_iter().take(K).copied().collect::<Vec<_>>()));
    }
    if matches!(query.method, Method::Get { .. } | Method::GetPeers { .. }) {
        body.extend(pair(b"token", &endpoint.to_bytes()));
    }
    reply(query.tid, &id, &body)
}

/// `nodes`, or `nodes6`, as a key and its value.
pub fn nodes(list: &[(Id, Endpoint)]) -> Vec<u8> {
    let mut packed = Vec::new();
    for (id, endpoint) in list {
        packed.extend(id.0);
        packed.extend(endpoint.ip_bytes());
        packed.extend(endpoint.port().to_be_bytes());
    }
    let six = list.first().is_some_and(|(_, endpoint)| !endpoint.is_v4());
    pair(if six { b"nodes6" } else { b"nodes" }, &packed)
}

/// A bencoded string.
pub fn string(bytes: &[u8]) -> Vec<u8> {
    [format!("{}:", bytes.len()).as_bytes(), bytes].concat()
}

/// A key and a string.
pub fn pair(key: &[u8], value: &[u8]) -> Vec<u8> {
    [string(key), string(value)].concat()
}

/// A key and what is bencoded already.
pub fn raw(key: &[u8], value: &[u8]) -> Vec<u8> {
    [&string(key), value].concat()
}

/// Whom the queries of tests are from, unless they say otherwise.
pub const ASKER: Id = Id([0x5a; 20]);

/// A query of [`ASKER`] with tid `aa`; the arguments besides the id are given.
pub fn query(method: &[u8], arguments: &[u8]) -> Vec<u8> {
    query_of(&ASKER, method, arguments)
}

pub fn query_of(id: &Id, method: &[u8], arguments: &[u8]) -> Vec<u8> {
    [b"d1:ad2:id20:", &id.0[..], arguments, b"e1:q", &string(method), b"1:t2:aa1:y1:qe"].concat()
}

/// A response; what stands in `r` besides the id is given.
pub fn reply(tid: &[u8], id: &Id, body: &[u8]) -> Vec<u8> {
    [b"d1:rd2:id20:", &id.0[..], body, b"e1:t", &string(tid), b"1:y1:re"].concat()
}

/// An error message.
pub fn error(tid: &[u8], code: i64) -> Vec<u8> {
    [b"d1:el", format!("i{code}e2:noe1:t").as_bytes(), &string(tid), b"1:y1:ee"].concat()
}

/// Bytes, readable.
pub fn show(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}
