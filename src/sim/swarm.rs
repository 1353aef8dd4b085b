//! Small worlds by the thousand, each with ordeals of its own: what must hold for every node at every moment holds in
//! all of them.
//!
//! A seed draws how many nodes there are, by which rules, and which kinds of trouble come together, two at least (swarm
//! testing: what is always on hides what only happens without it). For twelve minutes there is trouble, and nodes store
//! and look for things all the while; then eight minutes of calm. After every drain all that has to hold in the node is
//! recounted. Whoever stops a node takes its operations with it; every other one ends once.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::base::rng::Rng;
use crate::base::time::{Duration, Instant};
use crate::dht::config::Config;
use crate::krpc::endpoint::Family;
use crate::krpc::id::Id;
use crate::krpc::item::Item;
use crate::sim::addresses::random_endpoint;
use crate::sim::faults::{Bursts, Faults};
use crate::sim::nat::NatKind;
use crate::sim::news::Told;
use crate::sim::paths::{HostId, LineFault, Site};
use crate::sim::world::World;

/// How long a world is in trouble, and how long all of it lasts.
const TROUBLED: Duration = Duration::from_secs(12 * 60);
const WHOLE: Duration = Duration::from_secs(20 * 60);
/// Somebody begins something this often.
const OPERATION_EVERY: Duration = Duration::from_secs(5);
/// Longest that an operation may take: four times its deadline (L33).
const LONGEST_OPERATION: Duration = Duration::from_secs(121);

/// A kind of trouble.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Ordeal {
    /// A third of all datagrams is lost.
    Loss,
    /// Lines are bad for seconds.
    Bursts,
    /// Two in five datagrams arrive twice.
    Duplication,
    /// One in five is behind those that were sent after it.
    Reordering,
    /// One in ten arrives with a bit changed.
    Corruption,
    /// Half of the hosts do not reach the other half, for a while.
    Partition,
    /// The lines of some carry nothing, for a while.
    SilentLine,
    /// Some cannot send, for a while.
    FailingLine,
    /// Clocks are set forward and back, by up to an hour.
    ClockJump,
    /// Nodes are started anew and have forgotten everything.
    Restart,
    /// Hosts get another address.
    Move,
    /// A quarter of the hosts is behind routers.
    Nat,
    /// Hosts ban who sends too much.
    Bans,
}

impl Ordeal {
    /// All of them.
    pub const ALL: [Ordeal; 13] = [
        Ordeal::Loss,
        Ordeal::Bursts,
        Ordeal::Duplication,
        Ordeal::Reordering,
        Ordeal::Corruption,
        Ordeal::Partition,
        Ordeal::SilentLine,
        Ordeal::FailingLine,
        Ordeal::ClockJump,
        Ordeal::Restart,
        Ordeal::Move,
        Ordeal::Nat,
        Ordeal::Bans,
    ];
}

/// How a small world went.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct SwarmRun {
    /// Its seed.
    pub seed: u64,
    /// How many nodes there were.
    pub nodes: usize,
    /// What came together.
    pub ordeals: Vec<Ordeal>,
    /// Operations that were begun, and not taken away with their node.
    pub operations: u32,
    /// Datagrams that were sent.
    pub sent: u64,
    /// Which part of the nearest nodes was found in the end, by lookups of eight nodes.
    pub recall: f64,
    /// One number of all outputs of all nodes.
    pub hash: u128,
    /// What did not hold.
    pub complaints: Vec<String>,
}

/// Runs the world of a seed.
#[must_use]
pub fn run(seed: u64) -> SwarmRun {
    let mut swarm = SmallWorld::new(seed);
    swarm.trouble();
    swarm.calm();
    swarm.finish()
}

struct SmallWorld {
    seed: u64,
    /// Draws the course of the world; the world has a stream of its own.
    rng: Rng,
    world: World,
    config: Config,
    hosts: Vec<HostId>,
    ordeals: Vec<Ordeal>,
    begun: Vec<Begun>,
    complaints: Vec<String>,
    tag: u64,
}

/// An operation.
struct Begun {
    host: HostId,
    tag: u64,
    at: Instant,
    ends: u32,
    /// Its node was stopped.
    is_lost: bool,
}

impl SmallWorld {
    fn new(seed: u64) -> Self {
        let mut rng_seed = [0xa5; 32];
        rng_seed[..8].copy_from_slice(&seed.to_le_bytes());
        let mut rng = Rng::from_seed(rng_seed);
        let mut world = World::new(seed);
        world.hash_outputs();
        world.recount_every(1);
        let mut ordeals: Vec<_> = Ordeal::ALL.into_iter().filter(|_| rng.below(4) == 0).collect();
        while ordeals.len() < 2 {
            let more = Ordeal::ALL[rng.below(Ordeal::ALL.len() as u32) as usize];
            if !ordeals.contains(&more) {
                ordeals.push(more);
            }
        }
        let mut config = if rng.below(4) == 0 { Config::small().local() } else { Config::small() };
        config.enforce_secure_ids = rng.below(4) == 0;
        let (begun, complaints) = (Vec::new(), Vec::new());
        let mut swarm = SmallWorld { seed, rng, world, config, hosts: Vec::new(), ordeals, begun, complaints, tag: 1 };
        swarm.populate();
        swarm
    }

    fn has(&self, ordeal: Ordeal) -> bool {
        self.ordeals.contains(&ordeal)
    }

    fn populate(&mut self) {
        let family = if self.rng.below(3) == 0 { Family::V6 } else { Family::V4 };
        for i in 0..24 + self.rng.below(17) {
            let endpoint = random_endpoint(family, &mut self.rng);
            let kinds = [NatKind::FULL_CONE, NatKind::ADDRESS_RESTRICTED, NatKind::PORT_RESTRICTED, NatKind::SYMMETRIC];
            let nat = kinds[self.rng.below(4) as usize];
            let nat = (i > 3 && self.has(Ordeal::Nat) && self.rng.below(4) == 0).then_some(nat);
            let place = Site { nat, is_told: self.rng.below(8) > 0, ..Site::at(endpoint, &mut self.rng) };
            match self.world.add_node(&self.config, place) {
                Ok(host) => self.hosts.push(host),
                Err(error) => self.complaints.push(format!("{error}")),
            }
        }
        if self.has(Ordeal::Bans) {
            self.hosts.iter().for_each(|host| self.world.set_bans(*host));
        }
        for i in 1..self.hosts.len() {
            self.join(self.hosts[i]);
            self.world.run_for(Duration::from_millis(u64::from(self.rng.below(2_000))));
        }
    }

    /// By way of two of the first four, which are never behind a router.
    fn join(&mut self, host: HostId) {
        let through = [0, 1].map(|_| self.world.site(self.hosts[self.rng.below(4) as usize]).endpoint);
        self.begin(host, |node, now, tag| node.bootstrap(now, tag, &through).is_ok());
    }

    fn begin(&mut self, host: HostId, call: impl FnOnce(&mut crate::Node<'static>, Instant, u64) -> bool) {
        self.tag += 1;
        let (tag, at) = (self.tag, self.world.now());
        // A node may have no place for it.
        if self.world.call(host, |node, now| call(node, now, tag)) == Some(true) {
            self.begun.push(Begun { host, tag, at, ends: 0, is_lost: false });
        }
    }

    fn trouble(&mut self) {
        let share = |is_on: bool, share: f64| if is_on { share } else { 0.0 };
        let bursts = Bursts { good: Duration::from_secs(20), bad: Duration::from_secs(3), loss: 0.9 };
        self.world.set_faults(Faults {
            loss: share(self.has(Ordeal::Loss), 0.3),
            bursts: self.has(Ordeal::Bursts).then_some(bursts),
            duplication: share(self.has(Ordeal::Duplication), 0.4),
            reordering: share(self.has(Ordeal::Reordering), 0.2),
            corruption: share(self.has(Ordeal::Corruption), 0.1),
            ..Faults::WORLD
        });
        let end = self.world.now() + TROUBLED;
        while self.world.now() < end {
            self.one_ordeal();
            self.one_operation();
            self.world.run_for(OPERATION_EVERY);
            self.hear();
        }
    }

    /// Something that lasts, or happens once, to some host; or a division of the whole world.
    fn one_ordeal(&mut self) {
        if self.rng.below(6) > 0 {
            return;
        }
        let what = self.ordeals[self.rng.below(self.ordeals.len() as u32) as usize];
        let host = self.hosts[self.rng.below(self.hosts.len() as u32) as usize];
        let time = Duration::from_secs(10 + u64::from(self.rng.below(170)));
        match what {
            Ordeal::Partition => {
                let parts: Vec<_> = self.hosts.iter().map(|host| (*host, self.rng.below(2) as u8)).collect();
                for (host, part) in &parts {
                    self.world.set_part(*host, *part);
                }
                self.world.after(time, move |world| parts.iter().for_each(|(host, _)| world.set_part(*host, 0)));
            }
            Ordeal::SilentLine | Ordeal::FailingLine => {
                let fault = if what == Ordeal::SilentLine { LineFault::Silent } else { LineFault::Failing };
                self.world.set_line_fault(host, Some(fault));
                self.world.after(time, move |world| world.set_line_fault(host, None));
            }
            Ordeal::ClockJump => {
                let by = Duration::from_secs(u64::from(self.rng.below(3_600)));
                let is_forward = self.rng.below(2) == 0;
                self.world.set_clock(host, is_forward, by);
            }
            Ordeal::Restart => {
                self.world.stop(host);
                self.begun.iter_mut().filter(|begun| begun.host == host).for_each(|begun| begun.is_lost = true);
                if let Err(error) = self.world.start_node(host, &self.config, None) {
                    self.complaints.push(format!("{error}"));
                }
                self.join(host);
            }
            Ordeal::Move => {
                let endpoint = random_endpoint(self.world.site(host).endpoint.family(), &mut self.rng);
                self.world.move_to(host, endpoint);
            }
            _ => {}
        }
    }

    fn one_operation(&mut self) {
        let host = self.hosts[self.rng.below(self.hosts.len() as u32) as usize];
        let number = self.rng.below(16);
        let (secret, value) = ([number as u8; 32], format!("5:val{number:02}"));
        let topic = Id([number as u8; 20]);
        match self.rng.below(6) {
            0 => self.begin(host, |node, now, tag| node.lookup(now, tag, topic).is_ok()),
            1 => self.begin(host, |node, now, tag| node.put_immutable(now, tag, value.as_bytes()).is_ok()),
            2 => {
                let target = Item::immutable_target(value.as_bytes());
                self.begin(host, |node, now, tag| node.get_immutable(now, tag, target, 1).is_ok());
            }
            3 => {
                let item = Item::mutable(&secret, value.as_bytes()).seq(self.world.now().as_secs() as i64).sign();
                if let Ok(item) = item {
                    self.begin(host, |node, now, tag| node.put_mutable(now, tag, &item, None).is_ok());
                }
            }
            4 => self.begin(host, |node, now, tag| node.get_peers(now, tag, topic).is_ok()),
            _ => {
                let kind = crate::dht::command::PeerKind::Downloader;
                self.begin(host, |node, now, tag| node.announce(now, tag, topic, Some(7), kind).is_ok());
            }
        }
    }

    /// What nodes told: every end belongs to an operation, and is the only one.
    fn hear(&mut self) {
        for host in self.hosts.clone() {
            for news in self.world.take_news(host) {
                let Told::Finished(_) = news.what else { continue };
                match self.begun.iter_mut().find(|begun| begun.host == host && begun.tag == news.tag) {
                    Some(begun) => begun.ends += 1,
                    None => self.complaints.push(format!("an end without a beginning: tag {}", news.tag)),
                }
            }
        }
        let now = self.world.now();
        for begun in self.begun.iter().filter(|begun| !begun.is_lost) {
            let is_late = now.since(begun.at) > LONGEST_OPERATION + Duration::from_secs(3_600) && begun.ends == 0;
            if begun.ends > 1 || is_late {
                self.complaints.push(format!("operation {} has ended {} times", begun.tag, begun.ends));
            }
        }
    }

    fn calm(&mut self) {
        self.world.set_faults(Faults::WORLD);
        for host in self.hosts.clone() {
            self.world.set_part(host, 0);
            self.world.set_line_fault(host, None);
        }
        self.world.run_for(WHOLE - TROUBLED - Duration::from_secs(30));
        self.hear();
    }

    fn finish(mut self) -> SwarmRun {
        let recall = self.recall();
        // The last of these lookups may take as long as any operation.
        self.world.run_for(LONGEST_OPERATION);
        self.hear();
        for begun in self.begun.iter().filter(|begun| !begun.is_lost && begun.ends != 1) {
            self.complaints.push(format!("operation {} has ended {} times", begun.tag, begun.ends));
        }
        let operations = self.begun.iter().filter(|begun| !begun.is_lost).count() as u32;
        SwarmRun {
            seed: self.seed,
            nodes: self.hosts.len(),
            ordeals: self.ordeals,
            operations,
            sent: self.world.traffic().sent,
            recall,
            hash: self.world.outputs_hash().unwrap_or_default(),
            complaints: self.complaints,
        }
    }

    /// Eight nodes look for eight targets; which part of the nearest that can be reached they find.
    fn recall(&mut self) -> f64 {
        let (mut found, mut wanted) = (0, 0);
        for i in 0..8 {
            let (host, target) = (self.hosts[3 * i], Id([i as u8 * 31; 20]));
            self.begin(host, |node, now, tag| node.lookup(now, tag, target).is_ok());
            let tag = self.tag;
            self.world.run_for(Duration::from_millis(3_750));
            let near = self.world.oracle().closest(&target, 9);
            let near: Vec<_> = near.into_iter().filter(|near| *near != host).take(8).collect();
            let near: Vec<_> = near.into_iter().map(|near| self.world.site(near).endpoint).collect();
            wanted += near.len();
            let is_of_it = |news: &&crate::sim::news::News| news.tag == tag;
            for news in self.world.news(host).iter().filter(is_of_it) {
                if let Told::Nodes(nodes) = &news.what {
                    found += near.iter().filter(|near| nodes.iter().any(|(_, node)| node == *near)).count();
                }
            }
        }
        found as f64 / wanted.max(1) as f64
    }
}
