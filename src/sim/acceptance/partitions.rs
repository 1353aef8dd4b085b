//! Row 28: a network of our own nodes is cut in two, and grows together again.

use alloc::format;
use alloc::vec::Vec;

use super::home::reference;
use super::tally::{Tally, Whose};
use crate::base::time::Duration;
use crate::dht::config::{Bounds, Config};
use crate::krpc::endpoint::Family;
use crate::krpc::item::Item;
use crate::sim::addresses::random_endpoint;
use crate::sim::faults::Faults;
use crate::sim::news::Told;
use crate::sim::paths::{HostId, Site};
use crate::sim::world::World;

/// How long the two halves have after the cut is mended.
const REUNION: Duration = Duration::from_secs(600);
/// Items that are put in one half and looked for in the other.
const TRIES: usize = 20;
/// Cuts, in seconds. The last one takes long to run, so not every seed has it.
const CUTS: [(u64, &str); 4] = [(300, "5_min"), (1_800, "30_min"), (10_800, "3_h"), (86_400, "24_h")];
/// Seeds that have the last one.
const DAYS: u64 = 4;

/// Each length of a cut, by itself.
pub(super) fn cuts(seed: u64, nodes: usize, tally: &mut Tally) {
    for (whose, config) in [(Whose::Ours, Config::small()), (Whose::Reference, small_reference())] {
        let days = if seed <= DAYS { CUTS.len() } else { CUTS.len() - 1 };
        for (seconds, of) in &CUTS[..days] {
            let (mut world, hosts) = settled(seed, nodes, &config);
            hosts.iter().step_by(2).for_each(|host| world.set_part(*host, 1));
            world.run_for(Duration::from_secs(*seconds));
            hosts.iter().for_each(|host| world.set_part(*host, 0));
            world.run_for(REUNION);
            for try_ in 0..TRIES {
                tally.count(28, whose, of, is_across(&mut world, &hosts, try_));
            }
            tally.lived(&world);
        }
    }
}

/// The reference, as small as our nodes are here.
fn small_reference() -> Config {
    let (mut config, large) = (Config::small(), reference());
    let hard = large.lookup.hard_timeout;
    config.lookup.soft_timeout = Bounds { least: hard, most: hard };
    (config.lookup.slots_good, config.lookup.slots_unverified, config.lookup.slots_near) = (3, 3, 3);
    config.table = large.table;
    config.capacity.remembered = 0;
    config
}

/// So many of our nodes, an hour after the last one joined.
pub(super) fn settled(seed: u64, nodes: usize, config: &Config) -> (World, Vec<HostId>) {
    let mut world = World::new(seed);
    world.set_faults(Faults::WORLD);
    let mut hosts: Vec<HostId> = Vec::with_capacity(nodes);
    for i in 0..nodes {
        let endpoint = random_endpoint(Family::V4, world.rng());
        let site = Site::at(endpoint, world.rng());
        let Ok(host) = world.add_node(config, site) else { unreachable!("the configuration is our own") };
        // By way of three that are there.
        let there = hosts.len() as u32;
        let through = [(); 3].map(|()| world.rng().below(there) as usize);
        let through: Vec<_> = through.iter().filter_map(|i| hosts.get(*i)).map(|host| world.endpoint(*host)).collect();
        world.call(host, |node, now| node.bootstrap(now, 1, &through).is_ok());
        hosts.push(host);
        if i % 10 == 0 {
            world.run_for(Duration::from_secs(1));
        }
    }
    world.run_for(Duration::from_secs(3_600));
    (world, hosts)
}

/// Whether what is put in one half is found in the other.
fn is_across(world: &mut World, hosts: &[HostId], try_: usize) -> bool {
    // Those with an even number were one half.
    let half = hosts.len() / 2;
    let (a, b) = (hosts[2 * (7 * try_ % half)], hosts[2 * (11 * try_ % half) + 1]);
    let value = format!("16:{:016x}", world.rng().next_u64());
    let target = Item::immutable_target(value.as_bytes());
    world.call(a, |node, now| node.put_immutable(now, 3, value.as_bytes()).is_ok());
    world.run_for(Duration::from_secs(20));
    world.take_news(b);
    world.call(b, |node, now| node.get_immutable(now, 4, target, 1).is_ok());
    world.run_for(Duration::from_secs(20));
    world.take_news(b).iter().any(|news| news.tag == 4 && matches!(news.what, Told::Value { .. }))
}
