//! Those who come by themselves: what each comes for happens to the node that it comes to.

use std::time::Duration;

use honeyguide::krpc::Family;
use honeyguide::sim::{Errand, HostId, Intruder, Site, Told, World, random_endpoint};
use honeyguide::{Config, Id};

const TOPIC: Id = Id([7; 20]);
/// How often somebody comes.
const TIMES: u32 = 60;

fn site(world: &mut World) -> Site {
    let endpoint = random_endpoint(Family::V4, world.rng());
    Site::at(endpoint, world.rng())
}

/// A node that knows nobody, and somebody who has come to it each second for a minute: the node, and him.
fn visited(errand: Errand) -> (World, HostId, HostId) {
    let mut world = World::new(3);
    let [at, from] = [0; 2].map(|_| site(&mut world));
    let node = world.add_node(&Config::default(), at).unwrap();
    let (id, now) = (Id::secure(from.endpoint.ip(), world.rng()), world.now());
    let intruder = Intruder::new(id, errand, vec![at.endpoint], Duration::from_secs(1), now);
    let intruder = world.add(intruder, from, Some(id), true);
    world.run_for(Duration::from_secs(u64::from(TIMES)));
    (world, node, intruder)
}

/// How many items and peers a node holds.
fn held(world: &World, node: HostId) -> (usize, usize) {
    let node = world.node(node).unwrap();
    (node.items_held(), node.peers_held())
}

/// Whether it has come to be a contact.
fn is_known(world: &World, node: HostId, other: HostId) -> bool {
    world.node(node).unwrap().contacts().any(|(_, contact)| contact.endpoint == world.endpoint(other))
}

/// How many peers of a topic a node lists to somebody who asks.
fn listed(world: &mut World, node: HostId, info_hash: Id) -> usize {
    let (place, at) = (site(world), honeyguide::dht::Scope::Node(world.endpoint(node)));
    let asker = world.add_node(&Config::small(), place).unwrap();
    let get = honeyguide::Command::GetPeers { info_hash };
    world.call(asker, |node, now| node.command_in(now, 2, at, get).unwrap());
    world.run_for(Duration::from_secs(5));
    let told = world.take_news(asker).into_iter().filter_map(|news| match news.what {
        Told::Peers(peers) => Some(peers.len()),
        _ => None,
    });
    told.sum()
}

/// Rule W14.
#[test]
fn whoever_comes_to_be_known_is_and_stores_nothing() {
    let (world, node, intruder) = visited(Errand::Poison);
    assert!(is_known(&world, node, intruder));
    assert_eq!(held(&world, node), (0, 0));
}

/// Rule W14.
#[test]
fn whoever_comes_to_fill_the_items_stores_another_one_each_time() {
    let (world, node, _) = visited(Errand::FlushItems);
    let (items, peers) = held(&world, node);
    assert!(items + 3 >= TIMES as usize && peers == 0, "{items} {peers}");
}

/// Rule W14.
#[test]
fn whoever_comes_to_fill_the_peers_announces_some_of_one_topic_or_each_of_another() {
    let (mut world, node, _) = visited(Errand::FlushPeers(None));
    let (items, peers) = held(&world, node);
    assert!(items == 0 && peers + 3 >= TIMES as usize, "{items} {peers}");
    assert_eq!(listed(&mut world, node, TOPIC), 0);
    let (mut world, node, _) = visited(Errand::FlushPeers(Some(TOPIC)));
    let (items, peers) = held(&world, node);
    // Of one address there is one peer of a topic.
    assert_eq!((items, peers, listed(&mut world, node, TOPIC)), (0, 1, 1));
}

/// Rule W14.
#[test]
fn whoever_comes_in_the_names_of_others_has_them_answered_and_is_nobody() {
    let (world, node, intruder) = visited(Errand::Spoof);
    let (traffic, stats) = (world.traffic(), world.node(node).unwrap().stats());
    let asked = traffic.sent - stats.tx;
    assert!((u64::from(TIMES)..=u64::from(TIMES) + 1).contains(&asked), "{traffic:?}");
    // All that arrives is what he sends: whoever is answered is not there.
    assert!(traffic.arrived <= asked && stats.rx == traffic.arrived && stats.tx + 1 >= stats.rx, "{traffic:?}");
    assert_eq!(traffic.to_nobody, stats.tx, "{traffic:?}");
    assert!(!is_known(&world, node, intruder) && held(&world, node) == (0, 0));
}
