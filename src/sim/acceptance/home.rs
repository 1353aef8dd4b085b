//! A world in which our node and the reference are at home: both joined by way of the same few nodes, a quarter of an
//! hour ago.

use alloc::vec::Vec;

use crate::base::time::{Duration, Instant};
use crate::dht::config::{Bounds, Config};
use crate::dht::outcome::Outcome;
use crate::krpc::endpoint::{Endpoint, Family};
use crate::sim::addresses::random_endpoint;
use crate::sim::calls::NodeCalls;
use crate::sim::faults::Faults;
use crate::sim::news::{News, Told};
use crate::sim::paths::{HostId, Site};
use crate::sim::population::Population;
use crate::sim::world::World;

use super::tally::Whose;

/// How long a node is in the world before anything is measured.
pub(super) const WARM: Duration = Duration::from_secs(15 * 60);
/// The same where a row wants it settled.
pub(super) const SETTLED: Duration = Duration::from_secs(3_600);
/// Between two operations, so that none is in the other's way.
pub(super) const PAUSE: Duration = Duration::from_secs(2);
/// Nodes that are told to whoever joins, as routers are.
const ROUTERS: usize = 4;
/// No operation is waited for longer than this.
const PATIENCE: Duration = Duration::from_secs(150);

/// A world with two nodes to compare.
pub(super) struct Home {
    pub(super) world: World,
    pub(super) remote: Vec<HostId>,
    /// What both of them were told to join through.
    pub(super) routers: Vec<Endpoint>,
    ours: HostId,
    reference: HostId,
    tag: u64,
}

/// The reference: our own node, with the slots, the timeout and the table of Kademlia's paper.
pub(super) fn reference() -> Config {
    let mut config = Config::default();
    let hard = config.lookup.hard_timeout;
    (config.lookup.slots_good, config.lookup.slots_unverified, config.lookup.slots_bad) = (3, 3, 3);
    config.lookup.soft_timeout = Bounds { least: hard, most: hard };
    config.lookup.slots_near = config.lookup.slots_unverified;
    config.lookup.initial_stagger = Duration::ZERO;
    config.table.bucket_sizes = [8; 5];
    config.capacity.remembered = 0;
    // Nearly all contacts are found out to be dead when they are needed.
    config.table.check_every = Duration::from_secs(60);
    config
}

/// Who is compared, and what each is made of.
pub(super) fn both() -> [(Whose, Config); 2] {
    [(Whose::Ours, Config::default()), (Whose::Reference, reference())]
}

impl Home {
    /// The world of a seed.
    pub(super) fn new(seed: u64, population: &Population, faults: Faults) -> Self {
        Home::of((seed, population), faults, &Config::default())
    }

    /// The same, an hour after they joined.
    pub(super) fn settled(seed: u64, population: &Population, faults: Faults) -> Self {
        let mut home = Home::new(seed, population, faults);
        home.world.run_for(SETTLED.saturating_sub(WARM));
        home
    }

    /// The world of a seed, where our node has another configuration.
    pub(super) fn of((seed, population): (u64, &Population), faults: Faults, config: &Config) -> Self {
        let mut world = World::new(seed);
        world.set_faults(faults);
        let remote = population.settle(&mut world);
        let routers = routers(&world, &remote);
        let ours = join(&mut world, config, &routers);
        let reference = join(&mut world, &reference(), &routers);
        world.run_for(WARM);
        Home { world, remote, routers, ours, reference, tag: 1 }
    }

    /// The node that is measured.
    pub(super) fn node(&self, whose: Whose) -> HostId {
        if whose == Whose::Reference { self.reference } else { self.ours }
    }

    /// Starts an operation and waits for its end: what it told, with when it began, and how it ended.
    pub(super) fn operate(
        &mut self,
        whose: Whose,
        start: impl FnOnce(&mut NodeCalls<'_>, Instant, u64) -> bool,
    ) -> Option<(Instant, Vec<News>, Outcome)> {
        let host = self.node(whose);
        self.tag += 1;
        let (tag, begun) = (self.tag, self.world.now());
        self.world.take_news(host);
        if self.world.call(host, |node, now| start(node, now, tag)) != Some(true) {
            return None;
        }
        let is_end = |news: &News| news.tag == tag && matches!(news.what, Told::Finished(_));
        self.world.run_until(begun + PATIENCE, |world| world.news(host).iter().any(is_end));
        let news: Vec<_> = self.world.take_news(host).into_iter().filter(|news| news.tag == tag).collect();
        let outcome = news.iter().find_map(|news| match news.what {
            Told::Finished(outcome) => Some(outcome),
            _ => None,
        })?;
        Some((begun, news, outcome))
    }
}

/// Some that are up, to join by way of.
pub(super) fn routers(world: &World, remote: &[HostId]) -> Vec<Endpoint> {
    let up = remote.iter().filter(|host| world.oracle().is_reachable(**host)).take(ROUTERS);
    up.map(|host| world.endpoint(*host)).collect()
}

/// A node that has been among these for so long, and has told nothing yet.
pub(super) fn at_home(world: &mut World, config: &Config, remote: &[HostId], time: Duration) -> HostId {
    let through = routers(world, remote);
    let host = join(world, config, &through);
    world.run_for(time);
    world.take_news(host);
    host
}

/// A node with an address of its own.
pub(super) fn join(world: &mut World, config: &Config, routers: &[Endpoint]) -> HostId {
    join_in(world, config, Family::V4, routers)
}

/// The same, of this family.
pub(super) fn join_in(world: &mut World, config: &Config, family: Family, routers: &[Endpoint]) -> HostId {
    let rng = world.rng();
    let endpoint = random_endpoint(family, rng);
    let site = Site::at(endpoint, rng);
    let node = world.add_node(config, site);
    // The configurations are our own: one that makes no sense shows at once.
    let Ok(host) = node else { unreachable!("{node:?}") };
    world.call(host, |node, now| node.bootstrap(now, 1, routers).is_ok());
    host
}
