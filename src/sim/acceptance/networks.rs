//! Rows 17 and 32: those who have bought addresses, and want a node's memory for them.

use alloc::format;
use alloc::vec::Vec;

use super::home::{both, join_in, routers};
use super::tally::{Tally, Whose};
use crate::base::time::Duration;
use crate::dht::command::{Command, PeerKind, Scope};
use crate::dht::config::Config;
use crate::krpc::endpoint::Family;
use crate::krpc::id::Id;
use crate::krpc::item::Item;
use crate::sim::addresses::{Prefix, random_endpoint};
use crate::sim::adversary::{Adversary, Malice};
use crate::sim::faults::Faults;
use crate::sim::intruder::{Errand, Intruder};
use crate::sim::news::{News, Told};
use crate::sim::paths::{HostId, Site};
use crate::sim::population::Population;
use crate::sim::referrals::Knowledge;
use crate::sim::world::World;

const HOUR: Duration = Duration::from_secs(3_600);
/// Hosts of the one who has bought a network.
const HOSTS: usize = 250;
/// Items, and peers, that honest nodes have stored before.
const STORED: usize = 200;
/// After so long the peers that are left are counted: before their time is over.
const PEERS_AFTER: Duration = Duration::from_secs(2_600);
/// By then whoever was asked something has answered.
const ANSWERED: Duration = Duration::from_secs(10);

/// Row 17: 15 % more nodes, each in a network of its own, come to us every five minutes for a day.
pub(super) fn poisoners(seed: u64, population: &Population, tally: &mut Tally) {
    for (whose, config) in both() {
        let (mut world, us) = settled(seed, population, &config);
        let many = population.nodes * 15 / 100;
        let prefixes = (0..many).map(|_| Prefix::random(Family::V4, 24, world.rng())).collect::<Vec<_>>();
        for prefix in &prefixes {
            visitor(&mut world, us, prefix, Errand::Poison, Duration::from_secs(300));
        }
        world.run_for(24 * HOUR);
        let share = table_share(&world, us, &prefixes);
        let of_all = many as f64 / (many + population.nodes) as f64;
        tally.add(17, whose, "share", share);
        tally.add(17, whose, "times", share / of_all);
        tally.lived(&world);
    }
}

/// Row 32: whoever has one /48 of IPv6, one /24 of IPv4, or ten of those, has an hour.
pub(super) fn buyers(seed: u64, population: &Population, tally: &mut Tally) {
    for (whose, config) in both() {
        for (family, bits, many, of) in
            [(Family::V6, 48, 1, "v6_48"), (Family::V4, 24, 1, "v4_24"), (Family::V4, 24, 10, "v4_ten_24")]
        {
            let population = Population { family, ..*population };
            let (mut world, us) = settled(seed, &population, &config);
            let prefixes: Vec<_> = (0..many).map(|_| Prefix::random(family, bits, world.rng())).collect();
            let (honest, topics) = store(&mut world, us, family);
            for i in 0..HOSTS {
                let prefix = prefixes[i % prefixes.len()];
                visitor(&mut world, us, &prefix, Errand::Poison, Duration::from_secs(60));
                visitor(&mut world, us, &prefix, Errand::FlushItems, Duration::from_secs(20));
                visitor(&mut world, us, &prefix, Errand::FlushPeers(None), Duration::from_secs(10));
            }
            world.run_for(PEERS_AFTER);
            let lost = unlisted(&mut world, us, family, &topics).len();
            tally.add(32, whose, "peers", lost as f64 / topics.len().max(1) as f64);
            world.run_for(HOUR.saturating_sub(PEERS_AFTER));
            tally.add(32, whose, table_of(of), table_share(&world, us, &prefixes));
            let lost = honest.iter().filter(|target| world.holds(us, target).is_none()).count();
            tally.add(32, whose, "items", lost as f64 / honest.len().max(1) as f64);
            voters(&mut world, us, &prefixes, tally, whose);
            tally.lived(&world);
        }
    }
}

fn table_of(of: &'static str) -> &'static str {
    match of {
        "v6_48" => "table_v6_48",
        "v4_24" => "table_v4_24",
        _ => "table_v4_ten_24",
    }
}

fn settled(seed: u64, population: &Population, config: &Config) -> (World, HostId) {
    let mut world = World::new(seed);
    world.set_faults(Faults::WORLD);
    let remote = population.settle(&mut world);
    let through = routers(&world, &remote);
    let us = join_in(&mut world, config, population.family, &through);
    world.run_for(HOUR);
    (world, us)
}

/// A host in a network comes to us every so often.
fn visitor(world: &mut World, us: HostId, prefix: &Prefix, errand: Errand, every: Duration) {
    let target = world.endpoint(us);
    let endpoint = prefix.endpoint(world.rng());
    let id = Id::secure(endpoint.ip(), world.rng());
    let first = world.now() + every.mul_f64(f64::from(world.rng().below(1_000)) / 1_000.0);
    let site = Site::at(endpoint, world.rng());
    world.add(Intruder::new(id, errand, [target].to_vec(), every, first), site, Some(id), true);
}

/// Which part of our contacts lies in these networks.
fn table_share(world: &World, us: HostId, prefixes: &[Prefix]) -> f64 {
    let Some(node) = world.node(us) else { return f64::NAN };
    let all: Vec<_> = node.contacts().map(|(_, contact)| contact.endpoint).collect();
    let bought = all.iter().filter(|endpoint| prefixes.iter().any(|prefix| prefix.contains(endpoint))).count();
    bought as f64 / all.len().max(1) as f64
}

/// Honest nodes store items with us, and announce themselves; which items, and for what.
fn store(world: &mut World, us: HostId, family: Family) -> (Vec<Id>, Vec<Id>) {
    let at = Scope::Node(world.endpoint(us));
    let hosts: Vec<_> = (0..STORED).map(|_| asker(world, family)).collect();
    let (mut targets, mut topics) = (Vec::new(), Vec::new());
    for host in &hosts {
        let value = format!("16:{:016x}", world.rng().next_u64());
        let value = value.as_bytes();
        world.call(*host, |node, now| node.command_in(now, 9, at, Command::PutImmutable { value }).is_ok());
        targets.push(Item::immutable_target(value));
    }
    world.run_for(ANSWERED);
    for host in &hosts {
        let info_hash = Id::random(world.rng());
        let announce = Command::Announce { info_hash, port: Some(6_881), kind: PeerKind::Downloader };
        world.call(*host, |node, now| node.command_in(now, 9, at, announce).is_ok());
        topics.push(info_hash);
    }
    world.run_for(ANSWERED);
    hosts.into_iter().for_each(|host| world.stop(host));
    targets.retain(|target| world.holds(us, target).is_some());
    let unlisted = unlisted(world, us, family, &topics);
    topics.retain(|topic| !unlisted.contains(topic));
    (targets, topics)
}

/// The topics of which we list no peer to whoever asks, thrice where an answer may be lost.
fn unlisted(world: &mut World, us: HostId, family: Family, topics: &[Id]) -> Vec<Id> {
    let at = Scope::Node(world.endpoint(us));
    let mut unlisted = topics.to_vec();
    for _ in 0..3 {
        let hosts: Vec<_> = unlisted.iter().map(|topic| (asker(world, family), *topic)).collect();
        for &(host, info_hash) in &hosts {
            let get = Command::GetPeers { info_hash };
            world.call(host, |node, now| node.command_in(now, 9, at, get).is_ok());
        }
        world.run_for(ANSWERED);
        for (host, topic) in hosts {
            let is_listed = |news: &News| matches!(&news.what, Told::Peers(peers) if !peers.is_empty());
            if world.take_news(host).iter().any(is_listed) {
                unlisted.retain(|other| *other != topic);
            }
            world.stop(host);
        }
    }
    unlisted
}

/// Somebody who comes once.
fn asker(world: &mut World, family: Family) -> HostId {
    let endpoint = random_endpoint(family, world.rng());
    let site = Site::at(endpoint, world.rng());
    join_at(world, site)
}

/// A node that knows nobody, and asks whom it is told to.
fn join_at(world: &mut World, site: Site) -> HostId {
    let mut config = Config::small();
    config.capacity.contacts = 0;
    let Ok(host) = world.add_node(&config, site) else { unreachable!("the configuration is our own") };
    host
}

/// All hosts of a network say that they see us elsewhere: whether we believe them.
fn voters(world: &mut World, us: HostId, prefixes: &[Prefix], tally: &mut Tally, whose: Whose) {
    world.take_news(us);
    let family = world.endpoint(us).family();
    let elsewhere = random_endpoint(family, world.rng());
    for i in 0..HOSTS {
        let endpoint = prefixes[i % prefixes.len()].endpoint(world.rng());
        let id = Id::secure(endpoint.ip(), world.rng());
        let site = Site::at(endpoint, world.rng());
        world.add(Adversary::new(id, Knowledge::WORLD, Malice::Vote(elsewhere)), site, Some(id), true);
        if i % 5 == 0 {
            world.call(us, |node, now| node.ping(now, 8, endpoint).is_ok());
            world.run_for(Duration::from_secs(5));
        }
    }
    let is_fooled = world.take_news(us).iter().any(|news| matches!(news.what, Told::IdChanged(_)));
    tally.count(32, whose, "id_lost", is_fooled);
}
