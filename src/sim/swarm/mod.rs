//! Small worlds by the thousand, each with ordeals of its own: what must hold for every node at every moment holds in
//! all of them.
//!
//! A seed draws how many nodes there are, by which rules, and which kinds of trouble come together, two at least (swarm
//! testing: what is always on hides what only happens without it). For twelve minutes there is trouble, and nodes store
//! and look for things all the while; then it is calm, for twenty minutes and more. After every drain all that has to
//! hold in the node is recounted. Whoever stops a node takes its operations with it; every other one ends once. What
//! nodes tell and believe is held against the truth all the while, and in the end everybody has to be found, and
//! everything.

mod begun;
mod beliefs;
mod end;
mod forger;
mod ordeal;
mod trouble;

pub use ordeal::Ordeal;

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

use crate::base::rng::Rng;
use crate::base::time::{Duration, Instant};
use crate::dht::config::Config;
use crate::dht::role::Role;
use crate::krpc::endpoint::{Endpoint, Family};
use crate::krpc::id::Id;
use crate::krpc::item::Item;
use crate::sim::addresses::{Prefix, random_endpoint};
use crate::sim::adversary::{Adversary, Malice};
use crate::sim::calls::NodeCalls;
use crate::sim::journals::Journals;
use crate::sim::lifetimes::NodeTime;
use crate::sim::nat::NatKind;
use crate::sim::paths::{HostId, Site};
use crate::sim::referrals::Knowledge;
use crate::sim::world::World;

use begun::{Aim, Begun, Excused};
use beliefs::{Beliefs, Whereabouts};
use forger::{FORGED, Forger};

/// Longest that an operation may take: four times its deadline (L33), by a clock that is not set meanwhile.
const LONGEST_OPERATION: Duration = Duration::from_secs(121);
/// The longest that a clock is set back.
const LONGEST_JUMP: Duration = Duration::from_secs(3_600);

/// The longest that something lasts which befalls a host.
const LONGEST_TROUBLE: Duration = Duration::from_secs(180);

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
    /// For how long nodes were up, all together.
    pub node_time: NodeTime,
    /// Which part of the nearest nodes was found in the end, by lookups of eight nodes.
    pub recall: f64,
    /// Queries that each of these lookups took.
    pub queries: f64,
    /// One number of all outputs of all nodes.
    pub hash: u128,
    /// What did not hold.
    pub complaints: Vec<String>,
    /// Whose node told of the first of it, where it was one.
    pub blamed: Option<HostId>,
}

/// Runs the world of a seed.
#[must_use]
pub fn run(seed: u64) -> SwarmRun {
    SmallWorld::new(seed, None).run()
}

/// The same, with journals of all nodes, and no further than to the first complaint.
#[must_use]
pub fn record(seed: u64, journals: &Journals) -> SwarmRun {
    SmallWorld::new(seed, Some(journals)).run()
}

/// By which rules the nodes of a seed's world live, but for some that answer nobody.
#[must_use]
pub fn config_of(seed: u64) -> Config {
    drawn(seed).2
}

struct SmallWorld {
    seed: u64,
    /// Draws the course of the world; the world has a stream of its own.
    rng: Rng,
    world: World,
    config: Config,
    hosts: Vec<HostId>,
    /// Nodes that answer nobody.
    mute: Vec<HostId>,
    adversaries: Vec<HostId>,
    /// Adversaries that confirm what they do not keep.
    withholders: usize,
    ordeals: Vec<Ordeal>,
    begun: Vec<Begun>,
    places: Whereabouts,
    /// When nodes were stopped or cut off: what they held is gone, or not seen.
    stops: Vec<Instant>,
    /// Until when hosts are gone.
    absent: Vec<(Instant, HostId)>,
    /// Until when a host cannot send, or sleeps, and how many contacts it had before.
    outages: Vec<(Instant, HostId, usize)>,
    /// Until when half of the hosts do not reach the other half.
    divided_until: Instant,
    /// When the latest put of an item was begun.
    puts: BTreeMap<Id, Instant>,
    complaints: Vec<String>,
    blamed: Option<HostId>,
    /// Which part of the nearest nodes was found in the end, and with how many queries.
    recall: f64,
    queries: f64,
    /// It ends with its first complaint.
    is_recorded: bool,
    tag: u64,
}

impl SmallWorld {
    fn new(seed: u64, journals: Option<&Journals>) -> Self {
        let (rng, ordeals, config) = drawn(seed);
        let mut world = World::new(seed);
        if let Some(journals) = journals {
            world.keep_journals(journals);
        }
        world.hash_outputs();
        world.recount_every(1);
        let mut swarm = SmallWorld {
            seed,
            config,
            rng,
            world,
            hosts: Vec::new(),
            mute: Vec::new(),
            adversaries: Vec::new(),
            withholders: 0,
            ordeals,
            begun: Vec::new(),
            places: Whereabouts::default(),
            stops: Vec::new(),
            absent: Vec::new(),
            outages: Vec::new(),
            divided_until: Instant::ZERO,
            puts: BTreeMap::new(),
            complaints: Vec::new(),
            blamed: None,
            recall: 0.0,
            queries: 0.0,
            is_recorded: journals.is_some(),
            tag: 1,
        };
        swarm.set_faults();
        swarm.populate();
        swarm
    }

    fn run(mut self) -> SwarmRun {
        self.trouble();
        for step in [SmallWorld::calm, SmallWorld::finish] {
            if !self.is_over() {
                step(&mut self);
            }
        }
        self.told()
    }

    fn is_over(&self) -> bool {
        self.is_recorded && !self.complaints.is_empty()
    }

    /// Something does not hold at a host.
    fn blame(&mut self, host: HostId, complaint: String) {
        self.blamed.get_or_insert(host);
        self.complaints.push(complaint);
    }

    fn has(&self, ordeal: Ordeal) -> bool {
        self.ordeals.contains(&ordeal)
    }

    fn populate(&mut self) {
        let family = if self.rng.below(3) == 0 { Family::V6 } else { Family::V4 };
        let bits = if family == Family::V6 { 48 } else { 24 };
        let shared = Prefix::random(family, bits, &mut self.rng);
        for i in 0..24 + self.rng.below(17) {
            let is_neighbour = self.has(Ordeal::Neighbours) && i > 3 && self.rng.below(3) == 0;
            let endpoint =
                if is_neighbour { shared.endpoint(&mut self.rng) } else { random_endpoint(family, &mut self.rng) };
            let kinds = [NatKind::FULL_CONE, NatKind::ADDRESS_RESTRICTED, NatKind::PORT_RESTRICTED, NatKind::SYMMETRIC];
            let nat = kinds[self.rng.below(4) as usize];
            let nat = (i > 3 && self.has(Ordeal::Nat) && self.rng.below(4) == 0).then_some(nat);
            let place = Site { nat, is_told: self.rng.below(8) > 0, ..self.place(endpoint, i < 4) };
            let is_mute = i > 3 && self.has(Ordeal::ReadOnly) && self.rng.below(4) == 0;
            let mut config = self.config.clone();
            config.role = if is_mute { Role::Client } else { Role::Server };
            match self.world.add_node(&config, place) {
                Ok(host) => {
                    self.hosts.push(host);
                    self.mute.extend(is_mute.then_some(host));
                }
                Err(error) => self.complaints.push(format!("{error}")),
            }
        }
        if self.has(Ordeal::Bans) {
            self.hosts.iter().for_each(|host| self.world.set_bans(*host));
        }
        self.invite(family);
        for i in 1..self.hosts.len() {
            self.join(self.hosts[i]);
            self.places.note(&self.world);
            self.world.run_for(Duration::from_millis(u64::from(self.rng.below(2_000))));
        }
    }

    /// Somewhere not so far away that no query waits for the answer; quite near for those by way of whom others join.
    fn place(&mut self, endpoint: Endpoint, is_near: bool) -> Site {
        loop {
            let site = Site::at(endpoint, &mut self.rng);
            let most = Duration::from_millis(if is_near { 400 } else { 2_000 });
            if site.position.rtt(&site.position) < most {
                return site;
            }
        }
    }

    /// Those who harm.
    fn invite(&mut self, family: Family) {
        let many = if self.has(Ordeal::Adversaries) { 2 + self.rng.below(4) } else { 0 };
        let some: Vec<_> = self.hosts.iter().filter_map(|host| self.world.oracle().known(*host)?.id).collect();
        for _ in 0..many {
            let endpoint = random_endpoint(family, &mut self.rng);
            let false_addr = random_endpoint(family, &mut self.rng);
            let malice = match self.rng.below(10) {
                0 => Malice::Echo,
                1 => Malice::ReflectId,
                2 => Malice::HopId,
                3 => Malice::WrongIds,
                4 => Malice::Withhold,
                5 => Malice::Claim(1 << 40),
                6 => Malice::WrongToken,
                7 => Malice::Vote(false_addr),
                8 => Malice::Huge,
                // It says that all others are where it is.
                _ => Malice::Collude(Rc::new(
                    some.iter().map(|id| (*id, endpoint.with_port(1 + id.0[0] as u16))).collect(),
                )),
            };
            self.withholders += usize::from(malice == Malice::Withhold);
            let (site, id) = (Site::at(endpoint, &mut self.rng), Id::secure(endpoint.ip(), &mut self.rng));
            self.adversaries.push(self.world.add(Adversary::new(id, Knowledge::WORLD, malice), site, Some(id), true));
        }
        if self.has(Ordeal::Forgery) {
            let site = Site::at(random_endpoint(family, &mut self.rng), &mut self.rng);
            let forger = Forger::new(self.world.now());
            self.world.add(forger, site, None, true);
        }
    }

    /// By way of two of the first four, which are never behind a router, and of an adversary, if there is one.
    fn join(&mut self, host: HostId) {
        let mut through: Vec<_> = [0, 1].map(|_| self.hosts[self.rng.below(4) as usize]).into();
        if !self.adversaries.is_empty() {
            through.push(self.adversaries[self.rng.below(self.adversaries.len() as u32) as usize]);
        }
        let through: Vec<_> = through.into_iter().map(|host| self.world.endpoint(host)).collect();
        self.begin(host, Aim::Join, |node, now, tag| node.bootstrap(now, tag, &through).is_ok());
    }

    fn begin(&mut self, host: HostId, aim: Aim, call: impl FnOnce(&mut NodeCalls<'_>, Instant, u64) -> bool) -> u64 {
        self.tag += 1;
        let (tag, at) = (self.tag, self.world.now());
        // A node may have no place for it.
        if self.world.call(host, |node, now| call(node, now, tag)) == Some(true) {
            if let Aim::Put { target, .. } = aim {
                self.puts.insert(target, at);
            }
            self.begun.push(Begun::new(host, tag, aim, at));
        }
        tag
    }
}

/// What is drawn first: the stream for all else, what comes together, and by which rules the nodes live.
fn drawn(seed: u64) -> (Rng, Vec<Ordeal>, Config) {
    let mut rng_seed = [0xa5; 32];
    rng_seed[..8].copy_from_slice(&seed.to_le_bytes());
    let mut rng = Rng::from_seed(rng_seed);
    let mut ordeals: Vec<_> = Ordeal::ALL.into_iter().filter(|_| rng.below(4) == 0).collect();
    while ordeals.len() < 2 {
        let more = Ordeal::ALL[rng.below(Ordeal::ALL.len() as u32) as usize];
        if !ordeals.contains(&more) {
            ordeals.push(more);
        }
    }
    let config = config(&mut rng);
    (rng, ordeals, config)
}

fn config(rng: &mut Rng) -> Config {
    let mut config = if rng.below(4) == 0 { Config::small().local() } else { Config::small() };
    config.enforce_secure_ids = rng.below(4) == 0;
    (config.capacity.operations, config.capacity.peers) = (4, 64);
    (config.capacity.items, config.capacity.value_bytes) = (64, 8_192);
    if rng.below(2) == 0 {
        config.table.bucket_sizes = [8; 5];
    }
    if rng.below(6) == 0 {
        config.lookup.deadline = Duration::from_millis(1_200);
    }
    if rng.below(3) == 0 {
        config.server.item_lifetime = Duration::from_secs(4 * 60);
    }
    config
}

/// What is done, and what is told of it.
impl SmallWorld {
    /// What nodes told: every end belongs to an operation, and is the only one.
    fn hear(&mut self) {
        self.places.note(&self.world);
        // Of a store whose method has changed on its way, the answer to another query is taken for one.
        let changed = if self.has(Ordeal::Corruption) { 2 } else { 0 };
        for host in self.hosts.clone() {
            for news in self.world.take_news(host) {
                self.places.hear(&self.world, host, &news);
                if news.tag == 0 {
                    continue;
                }
                let Some(begun) = self.begun.iter_mut().find(|begun| begun.is(host, news.tag)) else {
                    self.blame(host, format!("news of what nobody began: {}", news.tag));
                    continue;
                };
                let stops = self.stops.iter().filter(|at| **at >= begun.at()).count();
                let excused = Excused::new(self.withholders + stops + changed, stops);
                let deadline = self.config.lookup.deadline;
                if let Some(complaint) = begun.on_told(&self.world, news.what, deadline, excused) {
                    self.blame(host, complaint);
                }
            }
        }
        let (now, longest) = (self.world.now(), LONGEST_OPERATION + LONGEST_JUMP);
        self.complaints.extend(self.begun.iter().filter_map(|begun| begun.complaint(now, longest)));
        self.look();
        for (_, host, before) in self.outages.extract_if(.., |(until, ..)| *until <= now).collect::<Vec<_>>() {
            let left = self.contacts_of(host);
            // What could not be sent is nobody's fault but our own.
            if 2 * left < before && before >= 8 {
                self.blame(host, format!("of {before} contacts {left} outlast a time in which nothing could be sent"));
            }
        }
    }

    fn contacts_of(&self, host: HostId) -> usize {
        self.world.node(host).map_or(0, |node| node.contacts().count())
    }

    /// What nodes hold and believe.
    fn look(&mut self) -> Beliefs {
        let beliefs = Beliefs::of(&self.world, &self.hosts, &self.mute, &self.places);
        let corrupt = if self.has(Ordeal::Corruption) { 3 + beliefs.contacts() / 25 } else { 0 };
        for (what, many, most) in [
            ("are others", beliefs.stolen(), 0),
            ("never were there", beliefs.untrue(), corrupt),
            ("answer nobody", beliefs.mute(), 0),
        ] {
            if many > most {
                self.complaints.push(format!("{many} of {} contacts {what}", beliefs.contacts()));
            }
        }
        if self.world.holders(Item::immutable_target(FORGED)).next().is_some() {
            self.complaints.push("somebody holds what no token was given for".into());
        }
        // Whoever sleeps puts nothing, and whoever holds it and sleeps drops nothing.
        let asleep = if self.has(Ordeal::Sleep) { 2 * LONGEST_TROUBLE } else { Duration::ZERO };
        let (now, lasts) = (self.world.now(), self.config.server.item_lifetime + LONGEST_OPERATION + asleep);
        for (target, _) in self.puts.iter().filter(|(_, put)| now.since(**put) > lasts) {
            let is_ours = |host: &HostId| self.world.node(*host).is_some();
            if self.world.holders(*target).any(|host| is_ours(&host)) {
                self.complaints.push(format!("{target} is held longer than it lasts"));
            }
        }
        beliefs
    }
}
