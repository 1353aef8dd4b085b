//! How quick the simulator is: real nodes by the thousand, and remote ones.
//!
//!     cargo bench --bench worlds --features sim [-- NODES]
//!
//! Real nodes have the small configuration, joined ten at a time, and nothing is recounted. Of the world of remote nodes
//! only the one of ours does anything by itself. Without NODES: 1,000 and 10,000.

use std::hint::black_box;
use std::time::{Duration, Instant};

use honeyguide::krpc::Family;
use honeyguide::sim::{Faults, HostId, Population, Site, World, random_endpoint};
use honeyguide::{Config, Id};

/// Virtual time of one measurement.
const TIME: Duration = Duration::from_secs(60);

fn main() {
    let named: Vec<usize> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    println!("real nodes | built in | virtual time over real | packets a second | of virtual time | resident");
    for nodes in if named.is_empty() { vec![1_000, 10_000] } else { named } {
        real(nodes);
    }
    println!("\nremote nodes | virtual time over real, one node of ours looking for something each second");
    for nodes in [10_000, 100_000] {
        remote(nodes);
    }
}

fn real(nodes: usize) {
    let begun = Instant::now();
    let mut world = World::new(1);
    world.set_faults(Faults::WORLD);
    let mut hosts: Vec<HostId> = Vec::new();
    for i in 0..nodes {
        let host = add(&mut world, &Config::small());
        let through: Vec<_> = (0..3.min(i)).map(|_| hosts[world.rng().below(i as u32) as usize]).collect();
        let through: Vec<_> = through.into_iter().map(|host| world.endpoint(host)).collect();
        world.call(host, |node, now| node.bootstrap(now, 1, &through).map(black_box));
        hosts.push(host);
        if i % 10 == 0 {
            world.run_for(Duration::from_millis(200));
        }
    }
    world.run_for(Duration::from_secs(600));
    let built = begun.elapsed();
    let (before, begun) = (world.traffic().sent, Instant::now());
    world.run_for(TIME);
    let (sent, took) = ((world.traffic().sent - before) as f64, begun.elapsed().as_secs_f64());
    println!(
        "| {nodes} | {:.1} s | {:.0} | {:.0} | {:.1} | {} MiB |",
        built.as_secs_f64(),
        TIME.as_secs_f64() / took,
        sent / took,
        sent / TIME.as_secs_f64(),
        resident()
    );
}

fn remote(nodes: usize) {
    let mut world = World::new(1);
    world.set_faults(Faults::WORLD);
    let remote = Population { nodes, ..Population::WORLD }.settle(&mut world);
    let up = remote.iter().filter(|host| world.oracle().is_reachable(**host)).take(4);
    let through: Vec<_> = up.map(|host| world.endpoint(*host)).collect();
    let host = add(&mut world, &Config::default());
    world.call(host, |node, now| node.bootstrap(now, 1, &through).map(black_box));
    world.run_for(Duration::from_secs(60));
    let begun = Instant::now();
    for _ in 0..600 {
        let target = Id::random(world.rng());
        world.call(host, |node, now| node.lookup(now, 2, target).map(black_box));
        world.run_for(Duration::from_secs(1));
        world.take_news(host);
    }
    println!("| {nodes} | {:.0} |", 600.0 / begun.elapsed().as_secs_f64());
}

fn add(world: &mut World, config: &Config) -> HostId {
    let endpoint = random_endpoint(Family::V4, world.rng());
    let site = Site::at(endpoint, world.rng());
    world.add_node(config, site).expect("a stock configuration makes sense")
}

/// Of the whole process, in MiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1_024
}
