//! A loop of the user's own, which the README shows: the very file, in a simulated world and on a socket.

#[path = "../shared/own_loop.rs"]
mod readme;

use std::net::UdpSocket;
use std::time::Duration;

use honeyguide::adapters::DatagramSocket;
use honeyguide::dht::Transport;
use honeyguide::krpc::Family;
use honeyguide::sim::{Faults, LineFault, Population, Site, World, random_endpoint};
use honeyguide::{Config, Endpoint, Event, Id, Instant, Node, Outcome, Storage};

/// Joins by way of these, and looks for somebody.
fn lookup(config: Config, mut now: Instant, wire: &mut impl Transport, through: &[Endpoint]) -> Outcome {
    let storage = Storage::allocate(&config);
    let mut node = Node::new(config, [7; 32], storage).unwrap();
    node.bootstrap(now, 1, through).unwrap();
    let mut ends = Vec::new();
    for (tag, target) in [(1, Id([1; 20])), (2, Id([2; 20]))] {
        now = readme::run(&mut node, wire, now, |_, event| match event {
            Event::Finished { tag: ended, outcome, .. } => {
                ends.push(*outcome);
                *ended == tag
            }
            _ => false,
        });
        node.lookup(now, tag + 1, target).unwrap();
    }
    ends.pop().unwrap()
}

#[test]
fn it_runs_in_a_simulated_world() {
    let mut world = World::new(8);
    world.set_faults(Faults::WORLD);
    let remote = Population { nodes: 500, ..Population::CALM }.settle(&mut world);
    let through = [world.endpoint(remote[0])];
    let endpoint = random_endpoint(Family::V4, world.rng());
    let (site, now) = (Site::at(endpoint, world.rng()), world.now());
    let outcome = world.with(site, |socket| lookup(Config::default(), now, socket, &through));
    assert!(outcome.answered >= 8, "{outcome:?}");
}

#[test]
fn whoever_runs_it_again_while_nothing_can_be_sent_loses_no_time() {
    let mut world = World::new(9);
    let remote = Population { nodes: 100, ..Population::CALM }.settle(&mut world);
    let through = [world.endpoint(remote[0])];
    let endpoint = random_endpoint(Family::V4, world.rng());
    let (site, began) = (Site::at(endpoint, world.rng()), world.now());
    let outcome = world.with(site, |socket| {
        let config = Config::default();
        let storage = Storage::allocate(&config);
        let mut node = Node::new(config, [7; 32], storage).unwrap();
        node.bootstrap(began, 1, &through).unwrap();
        let is_end = |event: &Event<'_>| matches!(event, Event::Finished { .. });
        let now = readme::run(&mut node, socket, began, |_, event| is_end(event));
        let host = socket.host();
        socket.world().set_line_fault(host, Some(LineFault::Failing));
        node.lookup(now, 2, Id([2; 20])).unwrap();
        let mut ended = None;
        readme::run(&mut node, socket, now, |_, event| {
            ended = if let Event::Finished { outcome, .. } = event { Some(*outcome) } else { None };
            ended.is_some()
        });
        ended.unwrap()
    });
    assert!(outcome.elapsed < Duration::from_secs(60), "{outcome:?}");
}

#[test]
fn it_runs_on_a_socket() {
    // Another node, on a thread of its own.
    let other = honeyguide::adapters::BoundSocket::at("127.0.0.1:0".parse().unwrap()).unwrap();
    let node = honeyguide::adapters::std_thread::spawn(Config::small().local(), [9; 32], vec![other.socket]).unwrap();
    let through: Vec<_> = node.addrs().iter().map(|addr| Endpoint::from(*addr)).collect();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut wire = DatagramSocket::new(socket);
    let outcome = lookup(Config::small().local(), wire.now(), &mut wire, &through);
    assert_eq!(outcome.answered, 1, "{outcome:?}");
    node.shutdown().wait();
}

#[test]
fn it_stands_in_the_readme_as_it_is_run_here() {
    let (readme, shown) = (include_str!("../../README.md"), include_str!("../shared/own_loop.rs"));
    assert!(readme.contains(shown), "the README shows another loop than tests/shared/own_loop.rs");
}
