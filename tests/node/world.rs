//! A network of nodes in virtual time: packets take a fixed time, nothing is random but the seeds.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use honeyguide::Config;
use honeyguide::Instant;
use honeyguide::dht::LinkConfig;
use honeyguide::dht::{Buffer, LinkId};
use honeyguide::{Endpoint, Id};
use honeyguide::{Event, Input, Node, Outcome, Output, Storage};

/// What an event said, kept.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    Value { tag: u64, value: Vec<u8>, seq: Option<i64> },
    Peers { tag: u64, peers: Vec<SocketAddr> },
    Nodes { tag: u64, nodes: Vec<(Id, SocketAddr)> },
    Samples { tag: u64, samples: Vec<Id> },
    Scrape { tag: u64, seeds: u32, peers: u32, responders: u16 },
    Response { tag: u64, id: Id, nodes: Vec<(Id, SocketAddr)>, token: Vec<u8>, ip: Option<Endpoint>, version: Vec<u8> },
    Finished { tag: u64, outcome: Outcome },
    Other(String),
}

pub struct Host {
    pub node: Node<'static>,
    pub addr: Endpoint,
    pub deadline: Option<Instant>,
    pub news: Vec<News>,
    pub sent: u64,
    pub alive: bool,
}

pub struct World {
    pub now: Instant,
    pub hosts: Vec<Host>,
    by_addr: BTreeMap<Endpoint, usize>,
    flying: BTreeMap<(Instant, u64), (Endpoint, Endpoint, Vec<u8>)>,
    /// Hosts by their next deadline.
    due: BTreeSet<(Instant, usize)>,
    serial: u64,
    pub latency: Duration,
    /// Every so many packets one is lost; 0: none.
    pub lose_every: u64,
}

impl World {
    pub fn new() -> Self {
        World {
            now: Instant::from_secs(1000),
            hosts: Vec::new(),
            by_addr: BTreeMap::new(),
            flying: BTreeMap::new(),
            due: BTreeSet::new(),
            serial: 0,
            latency: Duration::from_millis(20),
            lose_every: 0,
        }
    }

    /// `n` nodes on addresses of their own, all bootstrapped from the first, in a network that has settled.
    pub fn settled(n: usize, config: &Config) -> Self {
        let mut world = World::new();
        for i in 0..n {
            world.add(config.clone(), i);
        }
        let router = world.hosts[0].addr;
        for i in 1..n {
            world.with(i, |node, now| {
                node.bootstrap(now, u64::MAX, &[router]).unwrap();
            });
            world.run_for(Duration::from_millis(200));
        }
        world.run_for(Duration::from_secs(20));
        world
    }

    pub fn add(&mut self, config: Config, i: usize) -> usize {
        let addr = Endpoint::v4([10, (i / 250) as u8, 0, (i % 250) as u8 + 1], 6881);
        self.add_at(config, addr)
    }

    pub fn add_at(&mut self, config: Config, addr: Endpoint) -> usize {
        let index = self.hosts.len();
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&(index as u64 + 1).to_le_bytes());
        let config = config.with_links(&[LinkConfig { family: addr.family(), ..LinkConfig::V4 }]).unwrap();
        let storage = Storage::allocate(&config);
        let node = Node::new(config, seed, storage).unwrap();
        self.hosts.push(Host { node, addr, deadline: None, news: Vec::new(), sent: 0, alive: true });
        self.by_addr.insert(addr, index);
        index
    }

    pub fn with<R>(&mut self, i: usize, act: impl FnOnce(&mut Node<'static>, Instant) -> R) -> R {
        let now = self.now;
        let result = act(&mut self.hosts[i].node, now);
        self.drain(i);
        result
    }

    pub fn datagram(&mut self, i: usize, from: Endpoint, payload: &[u8]) {
        self.with(i, |node, now| node.handle_input(now, Input::Datagram { link: LinkId(0), from, payload }));
    }

    pub fn stop(&mut self, i: usize) {
        self.hosts[i].alive = false;
        if let Some(at) = self.hosts[i].deadline.take() {
            self.due.remove(&(at, i));
        }
    }

    fn drain(&mut self, i: usize) {
        let mut buf: Buffer = [0; 1500];
        for _ in 0..10_000 {
            let host = &mut self.hosts[i];
            match host.node.poll_output(&mut buf) {
                Output::Transmit { to, payload, .. } => {
                    host.sent += 1;
                    self.serial += 1;
                    if self.lose_every == 0 || !self.serial.is_multiple_of(self.lose_every) {
                        let packet = (host.addr, to, payload.to_vec());
                        self.flying.insert((self.now + self.latency, self.serial), packet);
                    }
                }
                Output::Event(event) => {
                    let news = keep(&event);
                    host.news.push(news);
                }
                Output::Timeout(at) => {
                    if let Some(old) = host.deadline {
                        self.due.remove(&(old, i));
                    }
                    // Now and then: a recount takes longer than what it counts took.
                    #[cfg(debug_assertions)]
                    if self.serial.is_multiple_of(8) {
                        honeyguide::internals::dht::check_invariants(&host.node);
                    }
                    host.deadline = at;
                    if let Some(at) = at {
                        self.due.insert((at, i));
                    }
                    return;
                }
            }
        }
        panic!("a drain that does not end");
    }

    /// Lets so much time pass.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        self.run_until(end, |_| false);
    }

    /// Runs until `done` or the end; whether `done`.
    pub fn run_until(&mut self, end: Instant, mut done: impl FnMut(&World) -> bool) -> bool {
        loop {
            if done(self) {
                return true;
            }
            let packet = self.flying.first_key_value().map(|(&(at, _), _)| at);
            let timer = self.due.first().map(|&(at, _)| at);
            let Some(next) = packet.into_iter().chain(timer).min().filter(|&at| at <= end) else {
                self.now = end.max(self.now);
                return done(self);
            };
            self.now = self.now.max(next);
            if packet == Some(next) {
                let (_, (from, to, payload)) = self.flying.pop_first().unwrap();
                if let Some(&i) = self.by_addr.get(&to)
                    && self.hosts[i].alive
                {
                    self.datagram(i, from, &payload);
                }
            } else {
                let &(_, i) = self.due.first().unwrap();
                self.with(i, |node, now| node.handle_input(now, Input::Timeout));
                assert!(
                    self.hosts[i].deadline.is_none_or(|at| at > self.now),
                    "a deadline that does not move: {:?} at {:?}, host {i}",
                    self.hosts[i].node.next_timer(),
                    self.now
                );
            }
        }
    }

    /// Starts an operation and runs until it has finished; its outcome and what it brought.
    pub fn operate(&mut self, i: usize, start: impl FnOnce(&mut Node<'static>, Instant)) -> (Outcome, Vec<News>) {
        self.hosts[i].news.clear();
        self.with(i, start);
        let end = self.now + Duration::from_secs(60);
        self.run_until(end, |w| w.hosts[i].news.iter().any(|n| matches!(n, News::Finished { .. })));
        let news = std::mem::take(&mut self.hosts[i].news);
        let outcome = news.iter().find_map(|n| match n {
            News::Finished { outcome, .. } => Some(*outcome),
            _ => None,
        });
        (outcome.expect("every operation ends"), news)
    }
}

pub fn keep(event: &Event<'_>) -> News {
    match *event {
        Event::Value { tag, item, .. } => {
            News::Value { tag, value: item.value.to_vec(), seq: item.mutable.map(|m| m.seq) }
        }
        Event::Peers { tag, peers, .. } => News::Peers { tag, peers: peers.iter().map(SocketAddr::from).collect() },
        Event::Nodes { tag, nodes, .. } => {
            News::Nodes { tag, nodes: nodes.iter().map(|(id, addr)| (id, addr.into())).collect() }
        }
        Event::Samples { tag, samples, .. } => News::Samples { tag, samples: samples.iter().collect() },
        Event::Scrape { tag, seeds, peers, responders, .. } => News::Scrape { tag, seeds, peers, responders },
        Event::Response { tag, id, nodes, token, ip, version, .. } => {
            let nodes = nodes.iter().map(|(id, addr)| (id, addr.into())).collect();
            let token = token.map(|token| token.as_bytes().to_vec()).unwrap_or_default();
            News::Response { tag, id, nodes, token, ip, version: version.to_vec() }
        }
        Event::Finished { tag, outcome, .. } => News::Finished { tag, outcome },
        ref other => News::Other(format!("{other:?}")),
    }
}
