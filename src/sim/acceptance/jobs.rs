//! What is run for the report: worlds that know nothing of one another.

use alloc::vec::Vec;

use super::home::Home;
use super::lookups;
use super::tally::Tally;
use super::world_inputs;
use crate::sim::faults::Faults;
use crate::sim::population::Population;

/// Sizes of calm worlds in which hops are counted, in parts of the size that is asked for.
const SIZES: [(usize, usize); 3] = [(1, 10), (1, 1), (10, 1)];

/// A world, or a few, and the rows that are measured there.
///
/// Exhaustive: it is these worlds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Job {
    /// As the world is: rows 1 to 5 and 7.
    World {
        /// The seed.
        seed: u64,
        /// How many nodes are up.
        nodes: usize,
    },
    /// Where nothing happens to anything: rows 6 and 7.
    Calm {
        /// The seed.
        seed: u64,
        /// How many nodes there are.
        nodes: usize,
    },
}

/// All that is run for these seeds.
#[must_use]
pub fn jobs(nodes: usize, seeds: &[u64]) -> Vec<Job> {
    let each = |seed: &u64| {
        let seed = *seed;
        let calm = SIZES.map(|(times, part)| Job::Calm { seed, nodes: nodes * times / part });
        [Job::World { seed, nodes }].into_iter().chain(calm)
    };
    seeds.iter().flat_map(each).collect()
}

/// Operations of each kind in a world of so many nodes.
fn times(nodes: usize) -> usize {
    (nodes / 10).clamp(20, 1_000)
}

impl Job {
    /// Runs it.
    #[must_use]
    pub fn run(&self) -> Tally {
        let mut tally = Tally::default();
        match *self {
            Job::World { seed, nodes } => {
                let mut home = Home::new(seed, &Population { nodes, ..Population::WORLD }, Faults::WORLD);
                lookups::in_the_world(&mut home, &mut tally, times(nodes));
                world_inputs::measure(&mut home, &mut tally);
            }
            Job::Calm { seed, nodes } => lookups::calm(seed, nodes, times(nodes) / 4, &mut tally),
        }
        tally
    }

    /// What it is, for whoever watches.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Job::World { .. } => "the world",
            Job::Calm { .. } => "calm",
        }
    }
}
