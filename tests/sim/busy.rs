//! A node with more to do than the network bears at once: rules L34 and L42.

use std::collections::BTreeMap;
use std::time::Duration;

use honeyguide::dht::Reason;
use honeyguide::sim::{Faults, HostId, Population, Site, Told, World, random_endpoint};
use honeyguide::{Config, krpc::Family};

const NODES: usize = 300;

/// A node that has been in a calm network for so long that it knows how large it is.
fn at_home(seed: u64, nodes: usize) -> (World, HostId) {
    let mut world = World::new(seed);
    world.set_faults(Faults::NONE);
    let remote = Population { nodes, ..Population::CALM }.settle(&mut world);
    let through: Vec<_> = remote.iter().take(4).map(|host| world.site(*host).unwrap().endpoint).collect();
    let endpoint = random_endpoint(Family::V4, world.rng());
    let site = Site::at(endpoint, world.rng());
    let mut config = Config::default();
    config.capacity.operations = 254;
    let host = world.add_node(&config, site).unwrap();
    world.call(host, |node, now| node.bootstrap(now, 1, &through).unwrap());
    world.run_for(Duration::from_secs(3_600));
    world.take_news(host);
    (world, host)
}

/// Rule L34.
#[test]
fn no_more_queries_are_in_flight_than_a_third_of_the_nodes_that_there_are() {
    let (mut world, host) = at_home(1, NODES);
    for tag in 0..64 {
        let value = format!("i{tag}e");
        world.call(host, |node, now| node.put_immutable(now, tag, value.as_bytes()).unwrap());
    }
    let mut most = 0;
    for _ in 0..400 {
        world.run_for(Duration::from_millis(5));
        let stats = world.node(host).unwrap().stats();
        most = most.max(stats.rpc_sent - stats.rpc_ok - stats.rpc_timeouts);
    }
    // As exact as the size is known.
    assert!((NODES as u64 / 5..=NODES as u64 / 2).contains(&most), "{most} in flight");
}

/// How many of the puts that are kept in flight for half a minute end, and how long nearly all take. None ends by its
/// deadline.
fn puts_in_flight(seed: u64, nodes: usize, many: usize) -> (usize, Duration) {
    let (mut world, host) = at_home(seed, nodes);
    let end = world.now() + Duration::from_secs(30);
    let (mut begun, mut took, mut tag) = (BTreeMap::new(), Vec::new(), 0);
    while world.now() < end {
        while begun.len() < many {
            tag += 1;
            let value = format!("i{tag}e");
            world.call(host, |node, now| node.put_immutable(now, tag, value.as_bytes()).unwrap());
            begun.insert(tag, world.now());
        }
        world.run_for(Duration::from_millis(10));
        for news in world.take_news(host) {
            if let Told::Finished(outcome) = news.what {
                assert_eq!(outcome.reason, Reason::Converged);
                took.push(news.at.since(begun.remove(&news.tag).unwrap()));
            }
        }
    }
    took.sort_unstable();
    (took.len(), took[took.len() * 99 / 100])
}

/// Rules L33 and L34: nothing waits long.
#[test]
fn who_keeps_many_puts_in_flight_waits_for_none_of_them() {
    let (many, worst) = puts_in_flight(1, 300, 64);
    // With all in flight that a socket's buffer allows 15 s; with what goes on in the background served like them 312.
    assert!(many >= 500 && worst < Duration::from_secs(5), "{many} puts, {worst:?}");
    // Fifty a second.
    let (many, worst) = puts_in_flight(1, 1_500, 64);
    assert!(many >= 1_500 && worst < Duration::from_secs(3), "{many} puts, {worst:?}");
}

/// Rule L34. Who is answered soon asks as many as others do. Twice as many (5,015), and some puts wait for those
/// that have had enough.
#[test]
fn how_soon_the_others_answer_does_not_decide_how_often_they_are_asked() {
    let (many, worst) = puts_in_flight(9, 1_500, 254);
    assert!((1_500..3_500).contains(&many) && worst < Duration::from_secs(8), "{many} puts, {worst:?}");
}

/// Rule L42, of whoever is asked last, since he shares our address (D4), and there is nobody else.
#[test]
fn who_is_asked_last_of_all_is_asked_no_more_often_than_he_bears() {
    let mut world = World::new(2);
    world.set_faults(Faults::NONE);
    let endpoint = random_endpoint(Family::V4, world.rng());
    let mut config = Config::default();
    config.capacity.operations = 64;
    let [other, host] = [endpoint, endpoint.with_port(endpoint.port() ^ 1)].map(|endpoint| {
        let site = Site { is_told: true, ..Site::at(endpoint, world.rng()) };
        world.add_node(&config, site).unwrap()
    });
    let through = [world.endpoint(other)];
    world.call(host, |node, now| node.bootstrap(now, 1, &through).unwrap());
    world.run_for(Duration::from_secs(60));
    let asked = |world: &World| world.node(other).unwrap().stats().queries;
    let before = asked(&world);
    for tag in 2..66 {
        let target = honeyguide::Id([tag as u8; 20]);
        world.call(host, |node, now| node.get_immutable(now, tag, target, 1).unwrap());
    }
    world.run_for(Duration::from_secs(10));
    let many = asked(&world) - before;
    assert!((20..=40).contains(&many), "{many} queries in ten seconds");
}
