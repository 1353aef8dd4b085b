//! What one parameter does while all others are as they are: an idle node for each of its values, all of them in the
//! same worlds.
//!
//! A node finds out that a contact is dead by asking it, so what its table and its lists are worth is a matter of how
//! much it asks. These curves are what the defaults of `TableConfig` were chosen from (`spec/table.md`).

use alloc::vec::Vec;

use super::figures::{Figure, Sweep, SweepPoint};
use super::home::join;
use crate::base::time::Duration;
use crate::dht::config::Config;
use crate::dht::contact::Health;
use crate::krpc::id::Id;
use crate::sim::faults::Faults;
use crate::sim::paths::HostId;
use crate::sim::population::Population;
use crate::sim::world::World;

/// A node is an hour old before anything is measured, and then watched for an hour.
const HOUR: Duration = Duration::from_secs(3_600);
/// Looks at a table in that hour, and lists that are looked at each time.
const LOOKS: u32 = 60;
const LISTS: usize = 8;
/// Contacts in a list.
const LISTED: usize = 8;

/// A parameter of tables that is varied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TableParameter {
    /// `table.check_every`.
    CheckEvery,
    /// `table.stale_after`.
    StaleAfter,
    /// `table.refresh_after`.
    RefreshAfter,
}

impl TableParameter {
    /// All of them.
    pub const ALL: [TableParameter; 3] =
        [TableParameter::CheckEvery, TableParameter::StaleAfter, TableParameter::RefreshAfter];

    /// The name of its field.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            TableParameter::CheckEvery => "table.check_every",
            TableParameter::StaleAfter => "table.stale_after",
            TableParameter::RefreshAfter => "table.refresh_after",
        }
    }

    /// The values that are tried, in seconds.
    fn values(self) -> &'static [f64] {
        match self {
            TableParameter::CheckEvery => &[1.0, 2.0, 3.0, 4.0, 6.0, 10.0, 20.0],
            TableParameter::StaleAfter => &[150.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0, 7_200.0],
            TableParameter::RefreshAfter => &[300.0, 600.0, 900.0, 1_800.0, 3_600.0, 7_200.0],
        }
    }

    fn field(self, config: &mut Config) -> &mut Duration {
        match self {
            TableParameter::CheckEvery => &mut config.table.check_every,
            TableParameter::StaleAfter => &mut config.table.stale_after,
            TableParameter::RefreshAfter => &mut config.table.refresh_after,
        }
    }

    fn with(self, value: f64) -> Config {
        let mut config = Config::default();
        *self.field(&mut config) = Duration::from_secs_f64(value);
        config
    }
}

/// Tries all values of a parameter in the world of each seed.
#[must_use]
pub fn sweep(parameter: TableParameter, nodes: usize, seeds: &[u64]) -> Sweep {
    let values = parameter.values();
    let mut watched: Vec<_> = values.iter().map(|_| Watched::default()).collect();
    for seed in seeds {
        let mut world = World::new(*seed);
        world.set_faults(Faults::WORLD);
        let remote = Population { nodes, ..Population::WORLD }.settle(&mut world);
        let up = remote.iter().filter(|host| world.oracle().is_reachable(**host)).take(4);
        let through: Vec<_> = up.filter_map(|host| Some(world.site(*host)?.endpoint)).collect();
        let hosts: Vec<_> = values.iter().map(|value| join(&mut world, &parameter.with(*value), &through)).collect();
        world.run_for(HOUR);
        let before: Vec<_> = hosts.iter().map(|host| traffic(&world, *host)).collect();
        for _ in 0..LOOKS {
            world.run_for(HOUR / LOOKS);
            let targets: [Id; LISTS] = core::array::from_fn(|_| Id::random(world.rng()));
            for (host, watched) in hosts.iter().zip(&mut watched) {
                watched.look(&world, *host, &targets);
            }
        }
        for ((host, before), watched) in hosts.iter().zip(before).zip(&mut watched) {
            let now = traffic(&world, *host);
            watched.traffic = (watched.traffic.0 + now.0 - before.0, watched.traffic.1 + now.1 - before.1);
        }
    }
    let points = values.iter().zip(&watched).map(|(value, watched)| watched.point(*value, seeds.len()));
    let default = parameter.field(&mut Config::default()).as_secs_f64();
    Sweep { name: parameter.name(), unit: "s", default, points: points.collect() }
}

/// Packets and bytes, both directions.
fn traffic(world: &World, host: HostId) -> (u64, u64) {
    world.node(host).map(|node| node.stats()).map_or((0, 0), |s| (s.rx + s.tx, s.rx_bytes + s.tx_bytes))
}

/// What was seen of the nodes with one value.
#[derive(Default)]
struct Watched {
    contacts: u64,
    dead: u64,
    listed: u64,
    dead_listed: u64,
    traffic: (u64, u64),
}

impl Watched {
    fn look(&mut self, world: &World, host: HostId, targets: &[Id]) {
        let Some(node) = world.node(host) else { return };
        let is_dead = |endpoint| world.host_at(&endpoint).is_none_or(|host| !world.oracle().is_reachable(host));
        let all = node.contacts().map(|(_, contact)| (contact, is_dead(contact.endpoint)));
        let mut all: Vec<_> = all.collect();
        self.contacts += all.len() as u64;
        self.dead += all.iter().filter(|(_, is_dead)| *is_dead).count() as u64;
        all.retain(|(contact, _)| contact.health != Health::Bad);
        for target in targets {
            all.sort_unstable_by_key(|(contact, _)| contact.id.distance(target));
            let list = all.iter().take(LISTED);
            self.listed += list.len() as u64;
            self.dead_listed += list.filter(|(_, is_dead)| *is_dead).count() as u64;
        }
    }

    fn point(&self, value: f64, seeds: usize) -> SweepPoint {
        let share = |part: u64, of: u64| part as f64 / of.max(1) as f64;
        let each = |sum: u64, of: f64| sum as f64 / (seeds.max(1) as f64 * of);
        let figures = [
            ("dead_table", share(self.dead, self.contacts)),
            ("dead_lists", share(self.dead_listed, self.listed)),
            ("packets_s", each(self.traffic.0, HOUR.as_secs_f64())),
            ("bytes_s", each(self.traffic.1, HOUR.as_secs_f64())),
            ("contacts", each(self.contacts, f64::from(LOOKS))),
        ];
        SweepPoint { value, figures: figures.map(|(name, value)| Figure { name, value }).to_vec() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_more_often_sends_more_and_knows_fewer_dead() {
        let sweep = sweep(TableParameter::StaleAfter, 300, &[1]);
        assert_eq!((sweep.name, sweep.unit, sweep.default), ("table.stale_after", "s", 900.0));
        let figure = |point: &SweepPoint, name| point.figures.iter().find(|f| f.name == name).map(|f| f.value);
        let ends = [&sweep.points[0], &sweep.points[sweep.points.len() - 1]];
        let [dead, packets] = ["dead_table", "packets_s"].map(|name| ends.map(|point| figure(point, name)));
        assert!(dead[0] < dead[1] && packets[0] > packets[1], "{sweep:?}");
        assert!(sweep.points.iter().any(|point| point.value == sweep.default));
    }
}
