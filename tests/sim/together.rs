//! How a network comes together, and comes together again; and who decides how large a node takes it for.

use std::time::Duration;

use honeyguide::dht::LinkId;
use honeyguide::krpc::Family;
use honeyguide::sim::{Faults, HostId, Knowledge, Population, Remote, Site, World, random_endpoint};
use honeyguide::{Config, Id};

const MINUTE: Duration = Duration::from_secs(60);

/// A node for each address of the public network. What they know and where they are is drawn.
fn nodes(world: &mut World, count: usize) -> Vec<HostId> {
    let mut add = |_| {
        let endpoint = random_endpoint(Family::V4, world.rng());
        let site = Site::at(endpoint, world.rng());
        world.add_node(&Config::small(), site).unwrap()
    };
    (0..count).map(&mut add).collect()
}

/// How many of these a node has among its contacts.
fn known(world: &World, host: HostId, of: &[HostId]) -> usize {
    let is_contact = |other: &&HostId| {
        let endpoint = world.endpoint(**other);
        world.node(host).unwrap().contacts().any(|(_, contact)| contact.endpoint == endpoint)
    };
    of.iter().filter(is_contact).count()
}

/// Rules T13 and T42. Each was told of one other, which has just begun as well.
#[test]
fn nodes_that_begin_together_have_all_found_the_others_within_a_minute_and_a_half() {
    for seed in 1..4 {
        let mut world = World::new(seed);
        world.set_faults(Faults::NONE);
        let hosts = nodes(&mut world, 24);
        for (n, host) in hosts.iter().enumerate().skip(1) {
            let other = world.endpoint(hosts[n / 2]);
            world.call(*host, |node, now| node.bootstrap(now, 1, &[other]).unwrap());
        }
        world.run_for(MINUTE * 3 / 2);
        let least = hosts.iter().map(|host| known(&world, *host, &hosts)).min().unwrap();
        assert!(least >= 18, "seed {seed}: one knows {least} of 23");
    }
}

/// Rules T37 and T40.
#[test]
fn the_halves_of_a_network_that_was_cut_meet_again_within_ten_minutes() {
    for minutes in [5, 30, 180] {
        let mut world = World::new(minutes);
        world.set_faults(Faults::NONE);
        let hosts = nodes(&mut world, 24);
        let first = world.endpoint(hosts[0]);
        for host in &hosts[1..] {
            world.call(*host, |node, now| node.bootstrap(now, 1, &[first]).unwrap());
        }
        world.run_for(MINUTE * 15);
        let (left, right) = hosts.split_at(12);
        right.iter().for_each(|host| world.set_part(*host, 1));
        world.run_for(MINUTE * minutes as u32);
        right.iter().for_each(|host| world.set_part(*host, 0));
        world.run_for(MINUTE * 10);
        let of_left = left.iter().map(|host| known(&world, *host, right));
        let of_right = right.iter().map(|host| known(&world, *host, left));
        let least = of_left.chain(of_right).min().unwrap();
        assert!(least >= 9, "after {minutes} min one knows {least} of 12 in the other half");
    }
}

/// Rule Z3. Refreshes look for ids near our own; whoever sits there would decide how large the network is.
#[test]
fn those_next_to_a_node_do_not_tell_it_how_large_the_network_is() {
    let mut world = World::new(1);
    world.set_faults(Faults::NONE);
    let remote = Population { nodes: 300, ..Population::CALM }.settle(&mut world);
    let through: Vec<_> = remote.iter().take(4).map(|host| world.endpoint(*host)).collect();
    let host = nodes(&mut world, 1)[0];
    let own = world.endpoint(host);
    world.call(host, |node, now| {
        node.set_external(now, LinkId(0), own).unwrap();
        node.bootstrap(now, 1, &through).unwrap();
    });
    let own = world.node(host).unwrap().id(LinkId(0)).unwrap();
    for bits in 12..16 {
        for _ in 0..10 {
            let endpoint = random_endpoint(Family::V4, world.rng());
            let (at, id): (_, Id) = (Site::at(endpoint, world.rng()), own.random_in_bucket(bits, world.rng()));
            world.add(Remote::new(id, Knowledge::WORLD), at, Some(id), true);
        }
    }
    for hour in 1..5 {
        world.run_for(MINUTE * 60);
        let size = world.node(host).unwrap().size_estimate(LinkId(0)).unwrap();
        assert!((150..600).contains(&size.n), "{hour} h: {size:?}");
    }
}
