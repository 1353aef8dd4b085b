//! How soon a node is back among others when its line is: rules T27, and T39 to T42.

use std::time::Duration;

use honeyguide::Config;
use honeyguide::krpc::Family;
use honeyguide::sim::{Faults, HostId, LineFault, Population, Site, World, random_endpoint};

const HOUR: Duration = Duration::from_secs(3_600);

/// A node that has been in a network for an hour, and the others; the first four let it in.
fn at_home(seed: u64) -> (World, HostId, Vec<HostId>) {
    let mut world = World::new(seed);
    world.set_faults(Faults::WORLD);
    let remote = Population { nodes: 1_500, ..Population::WORLD }.settle(&mut world);
    remote[..4].iter().for_each(|router| world.start(*router));
    let through: Vec<_> = remote[..4].iter().map(|router| world.endpoint(*router)).collect();
    let endpoint = random_endpoint(Family::V4, world.rng());
    let site = Site::at(endpoint, world.rng());
    let node = world.add_node(&Config::default(), site).unwrap();
    world.call(node, |node, now| node.bootstrap(now, 1, &through).unwrap());
    world.run_for(HOUR);
    (world, node, remote)
}

/// Contacts that are up, and where the node has them.
fn live(world: &World, node: HostId) -> usize {
    let is_live = |host: HostId, id| {
        world.oracle().is_reachable(host) && world.oracle().known(host).is_some_and(|known| known.id == Some(id))
    };
    let contacts = world.node(node).unwrap().contacts();
    contacts.filter(|(_, it)| world.host_at(&it.endpoint).is_some_and(|host| is_live(host, it.id))).count()
}

#[test]
fn thirty_contacts_live_within_a_minute_of_the_end_of_an_outage_also_where_all_have_moved() {
    for (seed, hours) in [(1, 1), (2, 8)] {
        for fault in [LineFault::Silent, LineFault::Failing] {
            for is_moved in [false, true] {
                let (mut world, node, remote) = at_home(seed);
                world.set_line_fault(node, Some(fault));
                world.run_for(HOUR * hours);
                for host in remote.iter().skip(4).filter(|_| is_moved) {
                    let endpoint = random_endpoint(Family::V4, world.rng());
                    world.move_to(*host, endpoint);
                }
                remote[..4].iter().for_each(|router| world.start(*router));
                world.set_line_fault(node, None);
                let begun = world.now();
                let end = begun + Duration::from_secs(300);
                world.run_until(end, |world| live(world, node) >= 30);
                let took = world.now().since(begun);
                assert!(took <= Duration::from_secs(60), "{hours} h, {fault:?}: {took:?}");
            }
        }
    }
}
