//! Rows 12 and 31: much to do at once, and for long.

use alloc::format;
use alloc::vec::Vec;

use super::home::{SETTLED, WARM, at_home, both};
use super::tally::Tally;
use crate::base::time::{Duration, Instant};
use crate::dht::config::Config;
use crate::dht::outcome::Reason;
use crate::sim::news::Told;
use crate::sim::paths::HostId;
use crate::sim::population::Population;
use crate::sim::world::World;

/// How long operations are kept in flight.
const MINUTE: Duration = Duration::from_secs(60);

/// What a node is made for that is used so much.
const OPERATIONS: usize = 254;
/// Keys of row 12 that are put at the same time: a put takes 0.8 s, and a hundred in a second are the goal.
const KEYS_AT_A_TIME: usize = 128;

/// No operation lasts longer (L33).
const LONGEST: Duration = Duration::from_secs(150);

/// Row 31: so many puts are kept in flight for a minute, in a calm network.
pub(super) fn kept_in_flight(seed: u64, nodes: usize, tally: &mut Tally) {
    for (whose, mut config) in both() {
        for many in [1, 8, 64, 254] {
            config.capacity.operations = OPERATIONS;
            let ends = in_flight((seed, nodes), &config, many, tally);
            let done = ends.iter().filter(|end| end.is_in_time).count() as f64 / MINUTE.as_secs_f64();
            let names = names(many);
            tally.add(31, whose, names.rate, done);
            for end in &ends {
                tally.add(31, whose, names.millis, end.took.as_secs_f64() * 1_000.0);
                tally.count(31, whose, "by_deadline", end.reason == Reason::Deadline);
            }
            tally.add(31, whose, names.jain, jain(&ends));
            if many == 1 {
                let mut unbounded = config.clone();
                unbounded.lookup.in_flight = u16::MAX;
                let without = in_flight((seed, nodes), &unbounded, many, tally);
                tally.add(31, whose, "alone", median(&ends) / median(&without));
            }
        }
    }
}

/// So many puts kept in flight by a node that is at home.
fn in_flight((seed, nodes): (u64, usize), config: &Config, many: usize, tally: &mut Tally) -> Vec<PutEnd> {
    let mut world = World::new(seed);
    let remote = Population { nodes, ..Population::CALM }.settle(&mut world);
    let host = at_home(&mut world, config, &remote, SETTLED);
    let ends = keep(&mut world, host, (many, u64::MAX), MINUTE);
    tally.lived(&world);
    ends
}

/// How evenly operations are served (Jain's index, 1 at best), by the queries that each starts in a second in flight.
fn jain(ends: &[PutEnd]) -> f64 {
    let rates = ends.iter().map(|end| f64::from(end.queried) / end.took.as_secs_f64().max(0.001));
    let (sum, squares) = rates.fold((0.0, 0.0), |(sum, squares), rate| (sum + rate, squares + rate * rate));
    sum * sum / (squares * ends.len() as f64)
}

/// Of how long they took, in seconds.
fn median(ends: &[PutEnd]) -> f64 {
    let mut took: Vec<_> = ends.iter().map(|end| end.took).collect();
    took.sort_unstable();
    took.get(took.len() / 2).map_or(f64::NAN, Duration::as_secs_f64)
}

struct Names {
    rate: &'static str,
    millis: &'static str,
    jain: &'static str,
}

fn names(many: usize) -> Names {
    match many {
        1 => Names { rate: "rate_1", millis: "ms_1", jain: "jain_1" },
        8 => Names { rate: "rate_8", millis: "ms_8", jain: "jain_8" },
        64 => Names { rate: "rate_64", millis: "ms_64", jain: "jain_64" },
        _ => Names { rate: "rate_254", millis: "ms_254", jain: "jain_254" },
    }
}

/// Row 12: as many keys as there are nodes are put, and nobody is to ban us for it. By a node like that of row 31.
pub(super) fn many_keys(seed: u64, nodes: usize, tally: &mut Tally) {
    for (whose, mut config) in both() {
        config.capacity.operations = OPERATIONS;
        let mut world = World::new(seed);
        let population = Population { nodes, bans: true, ..Population::CALM };
        let remote = population.settle(&mut world);
        let host = at_home(&mut world, &config, &remote, WARM);
        let begun = world.now();
        let ends = keep(&mut world, host, (KEYS_AT_A_TIME, nodes as u64), Duration::from_secs(4 * 3_600));
        let took = world.now().since(begun).as_secs_f64();
        let bans: u64 = remote.iter().map(|remote| world.bans_of(*remote)).sum();
        tally.add(12, whose, "bans", bans as f64);
        let rate = ends.len() as f64 / took;
        tally.add(12, whose, "rate", rate);
        // A hundredth of the nodes a second, up to a hundred keys.
        tally.add(12, whose, "rate_of_goal", rate / (nodes as f64 / 100.0).min(100.0));
        for end in ends {
            tally.count(12, whose, "eight", end.counted >= 8);
        }
        tally.lived(&world);
    }
}

/// How an operation ended.
struct PutEnd {
    took: Duration,
    /// It ended while others were begun still.
    is_in_time: bool,
    reason: Reason,
    counted: u16,
    queried: u32,
}

/// Keeps so many puts in flight, of so many in all, for so long, and waits for all that it began.
fn keep(world: &mut World, host: HostId, (many, all): (usize, u64), time: Duration) -> Vec<PutEnd> {
    let end = world.now() + time;
    let (mut tag, mut flying, mut ends) = (100, Vec::<(u64, Instant)>::new(), Vec::new());
    loop {
        while flying.len() < many && tag - 100 < all && world.now() < end {
            tag += 1;
            let value = format!("16:{:016x}", world.rng().next_u64());
            let begun = world.now();
            let is_begun = world.call(host, |node, now| node.put_immutable(now, tag, value.as_bytes()).is_ok());
            if is_begun != Some(true) {
                tag -= 1;
                break;
            }
            flying.push((tag, begun));
        }
        if flying.is_empty() || world.now() >= end + LONGEST {
            return ends;
        }
        let is_end = |world: &World| world.news(host).iter().any(|news| matches!(news.what, Told::Finished(_)));
        world.run_until(end + LONGEST, is_end);
        for news in world.take_news(host) {
            let Told::Finished(outcome) = news.what else { continue };
            let Some(place) = flying.iter().position(|(tag, _)| *tag == news.tag) else { continue };
            let (_, begun) = flying.swap_remove(place);
            let (took, reason, queried) = (news.at.since(begun), outcome.reason, u32::from(outcome.queried));
            let is_in_time = news.at < end;
            ends.push(PutEnd { took, is_in_time, reason, counted: outcome.stored.counted, queried });
        }
    }
}
