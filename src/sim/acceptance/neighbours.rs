//! Row 30: a neighbour of ours starts anew, moves, or talks, and how long it takes until it is a contact (again).

use alloc::vec::Vec;

use super::home::{SETTLED, both, join, routers};
use super::tally::Tally;
use crate::base::time::Duration;
use crate::dht::config::Config;
use crate::dht::event::LinkId;
use crate::dht::node::Node;
use crate::krpc::endpoint::{Endpoint, Family};
use crate::krpc::id::Id;
use crate::sim::addresses::random_endpoint;
use crate::sim::faults::Faults;
use crate::sim::paths::HostId;
use crate::sim::population::Population;
use crate::sim::world::World;

const STEP: Duration = Duration::from_secs(1);
/// Nothing is waited for longer.
const LONGEST: Duration = Duration::from_secs(2 * 3_600);

/// What a neighbour does.
#[derive(Clone, Copy)]
enum Does {
    /// It starts so many times with a new id, five minutes apart.
    Restart(u32),
    /// It has another port.
    Port,
    /// It has another address.
    Address,
    /// It is new, and asks us so often.
    Talk(Duration),
}

pub(super) fn neighbours(seed: u64, population: &Population, tally: &mut Tally) {
    let talks = [1, 10, 60, 89, 300, 600].map(|seconds| Does::Talk(Duration::from_secs(seconds)));
    let moves = [Does::Restart(1), Does::Restart(2), Does::Restart(3), Does::Port, Does::Address];
    for (whose, config) in both() {
        for is_poor in [true, false] {
            for does in moves.into_iter().chain(talks) {
                let took = one((seed, population), (&config, is_poor), does, tally);
                tally.add(30, whose, if is_poor { "poor" } else { "rich" }, took.as_secs_f64());
            }
        }
    }
}

fn one(
    (seed, population): (u64, &Population),
    (config, is_poor): (&Config, bool),
    does: Does,
    tally: &mut Tally,
) -> Duration {
    let mut world = World::new(seed);
    world.set_faults(Faults::WORLD);
    let mut through = Vec::new();
    if !is_poor {
        let remote = population.settle(&mut world);
        through = routers(&world, &remote);
    }
    let us = join(&mut world, config, &through);
    world.run_for(SETTLED);
    let our = world.endpoint(us);
    let other = join(&mut world, config, &[our]);
    let every = if let Does::Talk(every) = does { every } else { Duration::from_secs(120) };
    if !matches!(does, Does::Talk(_)) {
        // It is a contact of long standing.
        until_known(&mut world, (us, other), (every, our));
        world.run_for(Duration::from_secs(600));
    }
    match does {
        Does::Restart(times) => {
            for i in 0..times {
                if i > 0 {
                    world.run_for(Duration::from_secs(300));
                }
                world.stop(other);
                let started = world.start_node(other, config, None);
                debug_assert!(started.is_ok(), "the configuration is our own");
                world.call(other, |node, now| node.bootstrap(now, 1, &[our]).is_ok());
            }
        }
        Does::Port => {
            let endpoint = world.endpoint(other);
            world.move_to(other, endpoint.with_port(endpoint.port() ^ 1));
        }
        Does::Address => {
            let endpoint = random_endpoint(Family::V4, world.rng());
            world.move_to(other, endpoint);
        }
        Does::Talk(_) => {}
    }
    let took = until_known(&mut world, (us, other), (every, our));
    tally.lived(&world);
    took
}

/// Until the other one is a contact of ours, where it is now and as what it is now; it asks us every so often. Time in
/// which its bucket is full is not counted: there is no place for it then, and those that answer keep theirs. Nor is
/// time before anything has arrived of it.
fn until_known(world: &mut World, (us, other): (HostId, HostId), (every, our): (Duration, Endpoint)) -> Duration {
    let (begun, mut asked, mut waited) = (world.now(), None, Duration::ZERO);
    let heard = |world: &World| world.node(us).map_or(0, |node| node.stats().queries);
    let before = heard(world);
    loop {
        let now = world.now();
        let known = world.oracle().known(other).copied();
        let is_it = |node: &Node<'_>| {
            let is = |id, endpoint| known.is_some_and(|known| known.id == Some(id) && known.endpoint == endpoint);
            node.contacts().any(|(_, contact)| is(contact.id, contact.endpoint))
        };
        if world.node(us).is_some_and(is_it) || now.since(begun) >= LONGEST {
            return waited;
        }
        let id = known.and_then(|known| known.id);
        let is_heard = heard(world) > before;
        if is_heard && id.is_none_or(|id| world.node(us).is_some_and(|node| has_place(node, &id))) {
            waited += STEP;
        }
        if asked.is_none_or(|at| now.since(at) >= every) {
            asked = Some(now);
            world.call(other, |node, now| node.ping(now, 5, our).is_ok());
        }
        world.run_for(STEP);
    }
}

/// Whether a node's table has a place for this id.
fn has_place(node: &Node<'_>, id: &Id) -> bool {
    let Some(own) = node.id(LinkId(0)) else { return false };
    let bucket = own.shared_prefix_len(id);
    let held = node.contacts().filter(|(_, contact)| own.shared_prefix_len(&contact.id) == bucket).count();
    let sizes = node.config().table.bucket_sizes;
    held < usize::from(sizes[(bucket as usize).min(sizes.len() - 1)])
}
