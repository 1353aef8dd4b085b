//! The node, what it sent, what it promised.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use honeyguide::Instant;
use honeyguide::base::NoRoom;
use honeyguide::dht::CallError;
use honeyguide::dht::Network;
use honeyguide::dht::Role;
use honeyguide::dht::journal::OutputHash;
use honeyguide::dht::journal::{Call, Record};
use honeyguide::dht::{Buffer, LinkId, OpId, Reason, Scope, Timer};
use honeyguide::internals::krpc::item;
use honeyguide::krpc::{Decoded, Item, Mutable, decode};
use honeyguide::{Command, Event, Input, Node, Outcome, Output};
use honeyguide::{Endpoint, Id};

use crate::run::LONGEST_DRAIN;
use crate::setting::{NEIGHBOURS, Neighbour, neighbours};

/// Queries of the node that are remembered.
const MEMORY: usize = 64;
/// The largest datagram that a node may send.
const LARGEST: usize = 1400;
/// So many times its deadline an operation may take at the most.
const STANDSTILL: u32 = 4;

/// A datagram of the node.
#[derive(Clone, Debug)]
pub struct Sent {
    pub link: LinkId,
    pub to: Endpoint,
    pub payload: Vec<u8>,
}

/// What an operation was started for, as far as its results can be judged.
#[derive(Clone, Copy, Debug)]
pub enum Wish {
    Immutable(Id),
    Mutable { key: [u8; 32], target: Id, newer_than: Option<i64> },
    Nodes(Id),
    Other,
}

pub struct World {
    pub node: Node<'static>,
    pub neighbours: [Neighbour; NEIGHBOURS],
    /// The user's clock, which may step back.
    pub now: Instant,
    /// The deadline that the last drain named.
    pub deadline: Option<Instant>,
    /// Queries that the node sent and nobody answered yet.
    pub asked: VecDeque<Sent>,
    /// The last datagram that the node got.
    pub last: Option<(LinkId, Endpoint, Vec<u8>)>,
    /// Write tokens that the node gave, by who asked and transaction id.
    pub tokens: BTreeMap<(Endpoint, Vec<u8>), Vec<u8>>,
    /// Whether the node was told to sleep.
    is_asleep: bool,
    /// Drains that are not made.
    pub skip: u8,
    /// Whether any drain was skipped.
    skipped: bool,
    running: BTreeMap<OpId, (u64, Wish)>,
    /// Operations that were cancelled and have to end with the next drain.
    cancelled: Vec<OpId>,
    /// Every query that the node sent, by its transaction id.
    sent: BTreeSet<(LinkId, Endpoint, Vec<u8>)>,
    /// Whoever answered one of them, with the id that it gave.
    proven: BTreeSet<(LinkId, Endpoint, Id)>,
    /// Datagrams that might deserve a reply and have got none, by where they came from.
    open: BTreeMap<(LinkId, Endpoint), u32>,
    received: u64,
    transmitted: u64,
    /// The time of the last call.
    heard: Instant,
    /// Set while a timeout is the last thing that the node was told.
    served: Option<Instant>,
    overdue: Option<Overdue>,
    journal: Option<Journal>,
}

/// A timer that was due still after a timeout.
#[derive(Clone, Copy, Debug)]
struct Overdue {
    timer: Timer,
    at: Instant,
    /// The last timeout that it survived, and how many more it did before that.
    served: Instant,
    times: u8,
}

#[derive(Default)]
struct Journal {
    records: Vec<u8>,
    polls: u32,
    trace: OutputHash,
}

impl World {
    pub fn new(node: Node<'static>, dense: bool, recorded: bool) -> Self {
        let own = node.id(LinkId(0)).expect("there is always a first link");
        World {
            node,
            neighbours: neighbours(own, dense),
            now: Instant::from_secs(100),
            deadline: None,
            is_asleep: false,
            asked: VecDeque::new(),
            last: None,
            tokens: BTreeMap::new(),
            skip: 0,
            skipped: false,
            running: BTreeMap::new(),
            cancelled: Vec::new(),
            sent: BTreeSet::new(),
            proven: BTreeSet::new(),
            open: BTreeMap::new(),
            received: 0,
            transmitted: 0,
            heard: Instant::ZERO,
            served: None,
            overdue: None,
            journal: recorded.then(Journal::default),
        }
    }

    /// Makes a call that returns nothing.
    pub fn call(&mut self, call: Call<'_>) {
        self.record(call);
        self.heard = self.now;
        match call {
            Call::Input(Input::Suspend) => self.is_asleep = true,
            Call::Input(Input::Resume) => self.is_asleep = false,
            _ => {}
        }
        let _ = call.apply(&mut self.node, self.now);
        self.served = matches!(call, Call::Input(Input::Timeout)).then_some(self.heard);
    }

    pub fn datagram(&mut self, link: LinkId, from: Endpoint, payload: Vec<u8>) {
        self.received += 1;
        *self.open.entry((link, from)).or_default() += 1;
        if let Ok(Decoded::Response(response)) = decode(&payload)
            && self.sent.contains(&(link, from, response.tid.to_vec()))
        {
            self.proven.insert((link, from, response.id));
        }
        self.call(Call::Input(Input::Datagram { link, from, payload: &payload }));
        self.last = Some((link, from, payload));
    }

    pub fn cancel(&mut self, tag: u64) {
        self.call(Call::Cancel { tag });
        self.cancelled.extend(self.running.iter().filter(|(_, (other, _))| *other == tag).map(|(op, _)| op));
    }

    pub fn neighbour(&self, number: u8) -> Neighbour {
        self.neighbours[usize::from(number) % NEIGHBOURS]
    }

    pub fn command(&mut self, tag: u64, scope: Scope, command: Command<'_>, wish: Wish) {
        self.record(Call::Command { tag, scope, command });
        self.served = None;
        self.heard = self.now;
        match self.node.command_in(self.now, tag, scope, command) {
            Ok(op) => {
                assert!(self.running.insert(op, (tag, wish)).is_none(), "a handle of an operation that runs");
                assert_eq!(self.node.op(op).map(|view| view.tag), Some(tag));
            }
            Err(CallError::Full(places)) => {
                assert_eq!(places, self.node.config().capacity.operations);
                assert!(self.running.len() >= places, "a user has all the places that were promised");
            }
            Err(_) => {}
        }
    }

    fn record(&mut self, call: Call<'_>) {
        let Some(journal) = &mut self.journal else { return };
        let record = Record { polls: std::mem::take(&mut journal.polls), now: self.now, call };
        let mut out = [0; Record::MAX_LEN];
        match record.encode(&mut out) {
            Ok(len) => journal.records.extend_from_slice(&out[..len]),
            Err(NoRoom) => self.journal = None,
        }
    }

    /// Drains, unless the user is too busy.
    pub fn settle(&mut self) {
        match self.skip.checked_sub(1) {
            Some(less) => (self.skip, self.skipped) = (less, true),
            None => self.drain(),
        }
    }

    pub fn drain(&mut self) {
        assert!(self.poll(LONGEST_DRAIN), "a drain that does not end");
    }

    /// Polls so often, or until the drain ends; whether it ended.
    pub fn poll(&mut self, times: usize) -> bool {
        let mut buffer: Buffer = [0; 1500];
        for _ in 0..times {
            let output = self.node.poll_output(&mut buffer);
            if let Some(journal) = &mut self.journal {
                journal.polls += 1;
                journal.trace.add(&output);
            }
            match output {
                Output::Transmit { link, to, payload } => self.on_transmit(link, to, payload),
                Output::Event(event) => self.on_event(&event),
                Output::Timeout(at) => {
                    self.on_drained(at);
                    return true;
                }
            }
        }
        false
    }

    fn on_drained(&mut self, at: Option<Instant>) {
        honeyguide::internals::dht::check_invariants(&self.node);
        let stats = self.node.stats();
        assert_eq!((stats.rx, stats.tx), (self.received, self.transmitted));
        for (link, contact) in self.node.contacts() {
            let known = self.proven.contains(&(link, contact.endpoint, contact.id));
            assert!(known, "{contact:?} is a contact, and never answered");
        }
        let capacity = self.node.config().capacity;
        let (items, peers) = (self.node.items_held(), self.node.peers_held());
        assert!(items <= capacity.items && peers <= capacity.peers);
        for link in 0..self.node.config().links().len() as u8 {
            assert!(self.node.size_estimate(LinkId(link)).is_some());
        }
        for (&op, &(tag, _)) in &self.running {
            assert_eq!(self.node.op(op).map(|view| view.tag), Some(tag), "what did not end runs");
        }
        for op in self.cancelled.drain(..) {
            assert!(!self.running.contains_key(&op), "a cancelled operation ends with the next drain");
        }
        assert_eq!(at.is_none(), self.is_asleep, "the secret of the tokens is always due some time");
        let Some(at) = at else { return self.deadline = None };
        self.deadline = Some(at);
        if let Some(served) = self.served {
            assert!(at > served, "a deadline that does not move: {:?}", self.node.next_timer());
            self.check_timer(served);
        }
    }

    /// A timer that is due may have to wait for another that was due too, but not for long: it would be served every
    /// millisecond, in vain.
    fn check_timer(&mut self, served: Instant) {
        let (timer, at) = self.node.next_timer().expect("there is a deadline");
        self.overdue = match self.overdue.filter(|old| (old.timer, old.at) == (timer, at)) {
            _ if at > served => None,
            None => Some(Overdue { timer, at, served, times: 0 }),
            Some(old) => Some(Overdue { served, times: old.times + u8::from(served > old.served), ..old }),
        };
        assert!(self.overdue.is_none_or(|overdue| overdue.times < 5), "a timer that is due still: {:?}", self.overdue);
    }

    fn on_transmit(&mut self, link: LinkId, to: Endpoint, payload: &[u8]) {
        let config = self.node.config();
        let family = config.links()[usize::from(link.0)].family;
        assert!(to.is_usable(Network::Local) && to.family() == family, "{to} can be sent to");
        assert!(payload.len() <= LARGEST);
        let own = self.node.id(link).expect("a link of ours");
        self.transmitted += 1;
        match decode(payload) {
            Ok(Decoded::Query(query)) => {
                let read_only = self.node.role(link) == Some(Role::Client);
                assert!(!self.is_asleep, "a node that sleeps asks nobody");
                assert_eq!((query.id, query.tid.len(), query.read_only), (own, 4, read_only));
                assert_eq!(query.version, Some(&config.version[..]));
                if self.asked.len() == MEMORY {
                    self.asked.pop_front();
                }
                self.sent.insert((link, to, query.tid.to_vec()));
                self.asked.push_back(Sent { link, to, payload: payload.to_vec() });
            }
            Ok(Decoded::Response(response)) => {
                self.on_reply(link, to);
                let config = self.node.config();
                assert!(config.role != Role::Client && response.id == own && response.ip == Some(to));
                if let Some(token) = response.token {
                    self.tokens.insert((to, response.tid.to_vec()), token.to_vec());
                }
                if let (Some(value), Some(key), Some(seq), Some(signature)) =
                    (response.value, response.key, response.seq, response.signature)
                {
                    // The salt is not in the answer; those that items here have are known.
                    let genuine = [&b""[..], &[b's'; 64]]
                        .into_iter()
                        .any(|salt| item::verify(&Mutable { key, salt, seq, signature }, value));
                    assert!(genuine, "nothing forged is handed out");
                }
            }
            Ok(Decoded::Error(error)) => {
                self.on_reply(link, to);
                let config = self.node.config();
                assert!(config.role != Role::Client && error.text.len() <= 16 && error.ip == Some(to));
            }
            other => panic!("a node never sends what it would not take: {other:?}"),
        }
    }

    /// Nobody gets a reply who did not ask, and nobody gets two.
    fn on_reply(&mut self, link: LinkId, to: Endpoint) {
        let open = self.open.get_mut(&(link, to)).filter(|open| **open > 0);
        *open.expect("a reply that nobody asked for") -= 1;
    }

    fn on_event(&mut self, event: &Event<'_>) {
        let wish = event.operation().map(|(op, tag)| {
            let (expected, wish) = *self.running.get(&op).expect("events are of operations that run");
            assert_eq!(tag, expected, "with their own tags");
            wish
        });
        match *event {
            Event::Value { item, .. } => check_value(&item, wish.expect("a value belongs to an operation")),
            Event::Peers { peers, .. } => assert!(!peers.is_empty()),
            Event::Nodes { nodes, .. } => {
                let Some(Wish::Nodes(target)) = wish else { panic!("nobody asked for nodes") };
                assert!(nodes.iter().is_sorted_by_key(|(id, _)| id.distance(&target)), "nearest first");
            }
            Event::ExternalAddr { link, addr, .. } => assert_eq!(self.node.external_addr(link), Some(addr)),
            Event::IdChanged { link, id, .. } => assert_eq!(self.node.id(link), Some(id)),
            Event::Finished { op, outcome, .. } => {
                self.running.remove(&op);
                check_outcome(&outcome);
                assert!(self.skipped || outcome.dropped_results == 0, "who drains loses nothing");
            }
            _ => {}
        }
    }

    /// Lets time pass until every operation must have ended.
    pub fn end_everything(&mut self) {
        self.skip = 0;
        if self.is_asleep {
            self.call(Call::Input(Input::Resume));
        }
        self.drain();
        self.now = self.heard;
        // The time of an operation runs from its first query, for which it may have to wait until others have ended, and
        // stands still while nobody bears more (rule L33).
        let turns = 1 + self.running.len() as u32;
        let end = self.now + self.node.config().lookup.deadline * STANDSTILL * turns + Duration::from_secs(1);
        let mut in_small_steps = 50;
        while !self.running.is_empty() {
            assert!(self.now < end, "operations that never end: {:?}", self.running);
            let next = match in_small_steps {
                0 => self.now + Duration::from_secs(1),
                _ => self.deadline.unwrap_or(end),
            };
            in_small_steps -= in_small_steps.min(1);
            self.now = next.clamp(self.now, end);
            self.call(Call::Input(Input::Timeout));
            self.drain();
        }
    }

    /// Replays the recorded run: the same calls, the same bytes.
    pub fn relive(mut self, mut node: Node<'static>) {
        self.record(Call::End);
        let Some(journal) = self.journal else { return };
        let (mut records, mut trace) = (&journal.records[..], OutputHash::default());
        let mut buffer: Buffer = [0; 1500];
        while !records.is_empty() {
            let mut nodes = [Endpoint::UNSPECIFIED; 16];
            let (record, rest) = Record::decode(records, &mut nodes).expect("what was written can be read");
            for _ in 0..record.polls {
                trace.add(&node.poll_output(&mut buffer));
            }
            let _ = record.call.apply(&mut node, record.now);
            let rest = rest.len();
            records = &records[records.len() - rest..];
        }
        assert_eq!(trace.finish(), journal.trace.finish());
    }
}

fn check_value(item: &Item<'_>, wish: Wish) {
    match (wish, item.mutable) {
        (Wish::Immutable(target), None) => assert_eq!(item::immutable_target(item.value), target),
        (Wish::Mutable { key, target, newer_than }, Some(mutable)) => {
            assert!(*mutable.key == key && item.target() == target && item::verify(&mutable, item.value));
            assert!(newer_than.is_none_or(|seq| mutable.seq > seq));
        }
        (wish, _) => panic!("{item:?} was not asked for by {wish:?}"),
    }
}

fn check_outcome(outcome: &Outcome) {
    let ended = outcome.answered + outcome.timed_out + outcome.errored + outcome.refused.total();
    assert!(ended <= outcome.queried, "no query ends twice: {outcome:?}");
    assert!(outcome.stored.all <= outcome.answered + outcome.refused.total() && outcome.late <= outcome.answered);
    assert!(outcome.reason != Reason::Converged || outcome.answered > 0, "{outcome:?}");
}
