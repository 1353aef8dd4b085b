//! What is run for the report: worlds that know nothing of one another.

use alloc::vec::Vec;

use super::home::Home;
use super::rows::SMALLER;
use super::tally::Tally;
use super::{
    amplification, busy, gone, hostile, idle, joining, lasting, lookups, neighbours, networks, ordeals, partitions,
    places, silence, world_inputs,
};
use crate::sim::faults::Faults;
use crate::sim::population::Population;

/// Sizes of calm worlds in which hops are counted, in parts of the size that is asked for.
const SIZES: [(usize, usize); 3] = [(1, 10), (1, 1), (10, 1)];
/// The smallest world in which the network's size is estimated, whatever is asked for.
const FEWEST: usize = 100;
/// Rows 13, 18 and 27 to 33 have 0.15 times as many nodes as are asked for.
const SMALL_PART: (usize, usize) = (15, 100);

/// A world, or a few, and the rows that are measured there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Job {
    what: What,
    seed: u64,
    nodes: usize,
    /// Its worlds are smaller than those that are asked for, to stand beside them.
    is_beside: bool,
}

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum What {
    Lookups,
    Calm,
    Idle,
    Cold,
    Outages,
    Restarts,
    ManyKeys,
    InFlight,
    Colluders,
    Sybils,
    Reflectors,
    EachPlace,
    Silence,
    Poisoners,
    Buyers,
    Partitions,
    Neighbours,
    Month,
    Gone,
    Ordeals,
    Sizes,
    Amplification,
}

impl What {
    /// Those of the size that is asked for, but for [`Calm`](What::Calm).
    const LARGE: [What; 9] = [
        What::Gone,
        What::Lookups,
        What::Idle,
        What::Cold,
        What::ManyKeys,
        What::Colluders,
        What::Sybils,
        What::Silence,
        What::Poisoners,
    ];
    /// Those of smaller worlds.
    const SMALL: [What; 11] = [
        What::Amplification,
        What::Month,
        What::Ordeals,
        What::Outages,
        What::Restarts,
        What::InFlight,
        What::Reflectors,
        What::EachPlace,
        What::Buyers,
        What::Partitions,
        What::Neighbours,
    ];

    const fn name(self) -> &'static str {
        match self {
            What::Lookups => "lookups in the world",
            What::Calm => "calm lookups",
            What::Idle => "an idle hour",
            What::Cold => "cold starts",
            What::Outages => "outages",
            What::Restarts => "restarts",
            What::ManyKeys => "many keys",
            What::InFlight => "puts in flight",
            What::Colluders => "colluders",
            What::Sybils => "sybils",
            What::Reflectors => "reflectors",
            What::EachPlace => "malice at each place",
            What::Silence => "silent nodes",
            What::Poisoners => "poisoners",
            What::Buyers => "bought networks",
            What::Partitions => "partitions",
            What::Neighbours => "neighbours",
            What::Month => "a month",
            What::Gone => "gone publishers",
            What::Ordeals => "small worlds",
            What::Sizes => "size estimates",
            What::Amplification => "amplification",
        }
    }

    const fn rows(self) -> &'static [u8] {
        match self {
            What::Lookups => &[1, 2, 3, 4, 5, 7],
            What::Calm => &[6, 7],
            What::Idle => &[8, 11, 14],
            What::Cold => &[10],
            What::Outages => &[27],
            What::Restarts => &[29],
            What::ManyKeys => &[12],
            What::InFlight => &[31],
            What::Colluders => &[15],
            What::Sybils => &[16],
            What::Reflectors => &[18],
            What::EachPlace => &[33],
            What::Silence => &[9],
            What::Poisoners => &[17],
            What::Buyers => &[32],
            What::Partitions => &[28],
            What::Neighbours => &[30],
            What::Month => &[13],
            What::Gone => &[24],
            What::Ordeals => &[26],
            What::Sizes => &[34],
            What::Amplification => &[19],
        }
    }
}

/// All that is run for these seeds.
#[must_use]
pub fn jobs(nodes: usize, seeds: &[u64]) -> Vec<Job> {
    let fewer = nodes * SMALL_PART.0 / SMALL_PART.1;
    let each = |seed: &u64| {
        let seed = *seed;
        let sizes = SIZES.map(|(times, part)| nodes * times / part);
        let job = move |what, nodes| Job { what, seed, nodes, is_beside: false };
        let calm = sizes.map(|nodes| job(What::Calm, nodes));
        let estimates = [FEWEST].into_iter().filter(move |few| !sizes.contains(few)).chain(sizes);
        let estimates = estimates.map(move |nodes| job(What::Sizes, nodes));
        let large = What::LARGE.map(|what| job(what, nodes));
        let small = What::SMALL.map(|what| job(what, fewer));
        let smaller = SMALLER.into_iter().filter(move |smaller| *smaller < nodes);
        let beside = smaller.flat_map(move |nodes| {
            [What::Colluders, What::Sybils].map(|what| Job { is_beside: true, ..job(what, nodes) })
        });
        calm.into_iter().chain(large).chain(small).chain(estimates).chain(beside)
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
        let Job { what, seed, nodes, is_beside } = *self;
        let world = Population { nodes, ..Population::WORLD };
        let calm = Population { nodes, ..Population::CALM };
        let times = times(nodes);
        let mut tally = if is_beside { Tally::of_size(nodes) } else { Tally::default() };
        match what {
            What::Lookups => {
                let mut home = Home::new(seed, &world, Faults::WORLD);
                lookups::in_the_world(&mut home, &mut tally, times);
                world_inputs::measure(&mut home, &mut tally);
            }
            What::Calm => lookups::calm(seed, nodes, times / 4, &mut tally),
            What::Idle => idle::an_hour(&mut Home::new(seed, &world, Faults::WORLD), &mut tally),
            What::Cold => joining::cold(seed, &world, &mut tally),
            What::Outages => joining::outages(seed, &world, &mut tally),
            What::Restarts => joining::restarts(seed, &world, &mut tally),
            What::ManyKeys => busy::many_keys(seed, nodes, &mut tally),
            What::InFlight => busy::kept_in_flight(seed, nodes, &mut tally),
            What::Colluders => hostile::colluders(seed, [&calm, &world], times / 2, &mut tally),
            What::Sybils => {
                hostile::sybils(seed, &calm, times / 10, &mut tally);
                hostile::nobody_there(seed, [&calm, &world], 4 * times, &mut tally);
            }
            What::Reflectors => hostile::reflectors(seed, &calm, times / 2, &mut tally),
            What::EachPlace => places::at_each_place(seed, &calm, &mut tally),
            What::Silence => silence::silent(seed, &calm, times / 2, &mut tally),
            What::Poisoners => networks::poisoners(seed, &world, &mut tally),
            What::Buyers => networks::buyers(seed, &world, &mut tally),
            What::Partitions => partitions::cuts(seed, nodes, &mut tally),
            What::Neighbours => neighbours::neighbours(seed, &world, &mut tally),
            What::Month => lasting::a_month(seed, &calm, &mut tally),
            What::Gone => {
                gone::without_keepers(seed, &world, times / 10, &mut tally);
                gone::with_keepers(seed, &world, times / 10, &mut tally);
            }
            What::Ordeals => ordeals::small_worlds(seed, &mut tally),
            What::Sizes => idle::sizes(seed, &calm, &mut tally),
            What::Amplification => amplification::past_the_budget(&mut tally),
        }
        tally
    }

    /// What it is, for whoever watches.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.what.name()
    }

    /// The seed of its world.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The rows that it brings samples of.
    #[must_use]
    pub fn rows(&self) -> &'static [u8] {
        self.what.rows()
    }
}
