//! Rows 8, 11 and 14: what a node is like that nobody uses, and what it costs.

use super::home::Home;
use super::tally::{Tally, Whose};
use crate::base::time::Duration;
use crate::dht::contact::Health;
use crate::dht::event::LinkId;
use crate::krpc::id::Id;
use crate::sim::faults::Faults;
use crate::sim::paths::HostId;
use crate::sim::population::Population;
use crate::sim::world::World;

const HOUR: Duration = Duration::from_secs(3_600);
/// Lists that are looked at.
const LISTS: usize = 50;

/// An hour in the world, without a user.
pub(super) fn an_hour(home: &mut Home, tally: &mut Tally) {
    let nodes = Whose::BOTH.map(|whose| (whose, home.node(whose)));
    home.world.watch_flows(home.node(Whose::Ours));
    let traffic = |world: &World, host: HostId| {
        world.node(host).map(|node| node.stats()).map_or((0, 0), |s| (s.rx + s.tx, s.rx_bytes + s.tx_bytes))
    };
    let before = nodes.map(|(_, host)| traffic(&home.world, host));
    home.world.run_for(HOUR);
    for ((whose, host), (packets, bytes)) in nodes.into_iter().zip(before) {
        let now = traffic(&home.world, host);
        tally.add(11, whose, "packets", (now.0 - packets) as f64 / HOUR.as_secs_f64());
        tally.add(11, whose, "bytes", (now.1 - bytes) as f64 / HOUR.as_secs_f64());
        contacts(home, tally, whose, host);
        size(home, tally, 14, whose, host);
    }
    tally.add(11, Whose::Ours, "flows", home.world.most_flows() as f64);
    tally.lived(&home.world);
}

/// Row 34: the estimate of worlds of other sizes, calm.
pub(super) fn sizes(seed: u64, population: &Population, tally: &mut Tally) {
    let mut home = Home::new(seed, population, Faults::NONE);
    home.world.run_for(HOUR);
    for whose in Whose::BOTH {
        size(&home, tally, 34, whose, home.node(whose));
    }
    tally.lived(&home.world);
}

/// Which part of the table is dead, and of what it hands out: the nearest that are not bad.
fn contacts(home: &mut Home, tally: &mut Tally, whose: Whose, host: HostId) {
    let targets: [Id; LISTS] = core::array::from_fn(|_| Id::random(home.world.rng()));
    let world = &home.world;
    let Some(node) = world.node(host) else { return };
    let is_dead = |endpoint| world.host_at(&endpoint).is_none_or(|host| !world.oracle().is_reachable(host));
    let mut all: alloc::vec::Vec<_> = node.contacts().map(|(_, contact)| contact).collect();
    tally.add(8, whose, "contacts", all.len() as f64);
    for contact in &all {
        tally.count(8, whose, "table", is_dead(contact.endpoint));
    }
    all.retain(|contact| contact.health != Health::Bad);
    for target in targets {
        all.sort_unstable_by_key(|contact| contact.id.distance(&target));
        for contact in all.iter().take(8) {
            tally.count(8, whose, "lists", is_dead(contact.endpoint));
        }
    }
}

fn size(home: &Home, tally: &mut Tally, row: u8, whose: Whose, host: HostId) {
    let truth = home.world.oracle().reachable() as f64;
    let Some(estimate) = home.world.node(host).and_then(|node| node.size_estimate(LinkId(0))) else { return };
    let (log, claimed) =
        (libm::log(estimate.n.max(1) as f64 / truth), f64::from(estimate.rel_std_err_permille) / 1_000.0);
    tally.add(row, whose, "log", log);
    tally.add(row, whose, "claimed", claimed);
    tally.add(row, whose, "in_claimed", log / claimed.max(0.001));
}
