//! How quick the simulator is: real nodes by the thousand, and remote ones.
//!
//!     cargo bench --bench worlds --features sim [-- NODES]
//!
//! Real nodes have the small configuration, joined ten at a time, and nothing is recounted. Of the world of remote nodes
//! only the one of ours does anything by itself. Time is that of the processor, as far as the system tells it, so that
//! whatever else the machine does is not counted. Without NODES: 1,000 and 10,000. What 1,000,000 would take follows from
//! the last two. Nodes are so many that most of the time is waited for memory: glibc is told to take it in large pages.

use std::hint::black_box;
use std::process::Command;
use std::time::Duration;

use honeyguide::krpc::Family;
use honeyguide::sim::{Faults, HostId, Population, Site, World, random_endpoint};
use honeyguide::{Config, Id};

/// Virtual time of one measurement.
const TIME: Duration = Duration::from_secs(60);
/// How long nodes have been there before.
const SETTLED: Duration = Duration::from_secs(1_800);
/// What glibc reads at the start of a program.
const TUNABLES: &str = "GLIBC_TUNABLES";

fn main() {
    if cfg!(target_os = "linux") && std::env::var_os(TUNABLES).is_none() {
        let again = std::env::current_exe().and_then(|program| {
            Command::new(program).args(std::env::args_os().skip(1)).env(TUNABLES, "glibc.malloc.hugetlb=1").status()
        });
        std::process::exit(again.map_or(1, |status| status.code().unwrap_or(1)));
    }
    let named: Vec<usize> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    println!("real nodes | built in | virtual time over real | packets a second | of virtual time | memory");
    let mut measured = Vec::new();
    for nodes in if named.is_empty() { vec![1_000, 10_000] } else { named } {
        measured.push(real(nodes));
    }
    if let [.., before, last] = measured[..] {
        extrapolate(before, last, 1_000_000);
    }
    println!("\nremote nodes | built in | virtual time over real, one node of ours looking for something each second");
    for nodes in [10_000, 100_000] {
        remote(nodes);
    }
}

/// What a world of real nodes takes.
#[derive(Clone, Copy)]
struct Measured {
    nodes: usize,
    /// Seconds to build it, and for a minute of its time.
    built: f64,
    minute: f64,
    /// Datagrams in that minute.
    sent: f64,
    memory: f64,
}

impl Measured {
    fn print(&self, word: &str) {
        let Measured { nodes, built, minute, sent, memory } = *self;
        let (times, rate) = (TIME.as_secs_f64() / minute, sent / minute);
        let (built, of_virtual) = (format!("{built:.1} s"), sent / TIME.as_secs_f64());
        println!("| {nodes}{word} | {built} | {times:.1} | {rate:.0} | {of_virtual:.0} | {memory:.0} MiB |");
    }
}

fn real(nodes: usize) -> Measured {
    let (begun, resident) = (processor_time(), resident());
    let mut world = world();
    let mut hosts: Vec<HostId> = Vec::new();
    for i in 0..nodes {
        let host = add(&mut world, &Config::small());
        let through: Vec<_> = (0..3.min(i)).map(|_| hosts[world.rng().below(i as u32) as usize]).collect();
        let through: Vec<_> = through.into_iter().map(|host| world.endpoint(host)).collect();
        world.call(host, |node, now| node.bootstrap(now, 1, &through).map(black_box));
        hosts.push(host);
        if i % (nodes / 1_000).max(10) == 0 {
            world.run_for(Duration::from_millis(200));
        }
    }
    world.run_for(SETTLED);
    let built = processor_time() - begun;
    let (before, begun) = (world.traffic().sent, processor_time());
    world.run_for(TIME);
    let (sent, minute) = ((world.traffic().sent - before) as f64, processor_time() - begun);
    let measured = Measured { nodes, built, minute, sent, memory: self::resident() - resident };
    measured.print("");
    measured
}

/// A world on an ordinary day, in which nothing is recounted, whatever it was built with.
fn world() -> World {
    let mut world = World::new(1);
    world.set_faults(Faults::WORLD);
    world.recount_every(0);
    world
}

/// As the powers that fit two sizes have it.
fn extrapolate(a: Measured, b: Measured, nodes: usize) {
    let steps = (nodes as f64 / b.nodes as f64).ln() / (b.nodes as f64 / a.nodes as f64).ln();
    let at = |before: f64, last: f64| last * (last / before).powf(steps);
    let (built, minute) = (at(a.built, b.built), at(a.minute, b.minute));
    let (sent, memory) = (at(a.sent, b.sent), at(a.memory, b.memory));
    Measured { nodes, built, minute, sent, memory }.print(" (extrapolated)");
}

fn remote(nodes: usize) {
    let begun = processor_time();
    let mut world = world();
    let remote = Population { nodes, ..Population::WORLD }.settle(&mut world);
    let up = remote.iter().filter(|host| world.oracle().is_reachable(**host)).take(4);
    let through: Vec<_> = up.map(|host| world.endpoint(*host)).collect();
    let host = add(&mut world, &Config::default());
    world.call(host, |node, now| node.bootstrap(now, 1, &through).map(black_box));
    world.run_for(Duration::from_secs(60));
    let built = processor_time() - begun;
    let begun = processor_time();
    for _ in 0..600 {
        let target = Id::random(world.rng());
        world.call(host, |node, now| node.lookup(now, 2, target).map(black_box));
        world.run_for(Duration::from_secs(1));
        world.take_news(host);
    }
    println!("| {nodes} | {built:.1} s | {:.0} |", 600.0 / (processor_time() - begun));
}

fn add(world: &mut World, config: &Config) -> HostId {
    let endpoint = random_endpoint(Family::V4, world.rng());
    let site = Site::at(endpoint, world.rng());
    world.add_node(config, site).expect("a stock configuration makes sense")
}

/// Of the whole process, in MiB.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1_024.0
}

/// Seconds that the processor has worked for this process; elsewhere than on Linux, since 1970.
fn processor_time() -> f64 {
    let schedule = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanos = schedule.split_whitespace().next().and_then(|word| word.parse::<f64>().ok());
    let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    nanos.map_or_else(|| now().as_secs_f64(), |nanos| nanos / 1e9)
}
