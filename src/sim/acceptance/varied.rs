//! What parameters of lookups do, each by itself: the rows that they act on, for each of some values, in the same
//! worlds. The defaults of `LookupConfig` are held against these curves (`spec/lookup.md`).

use super::figures::{Figure, Row, Sweep, SweepPoint};
use super::home::Home;
use super::lookups;
use super::tally::Tally;
use crate::base::time::Duration;
use crate::dht::config::{Config, LookupConfig};
use crate::sim::faults::Faults;
use crate::sim::population::Population;

/// Figures of rows that are shown, and their names.
const SHOWN: [(u8, &str, &str); 9] = [
    (2, "p50_ms", "first_copy_p50_ms"),
    (2, "p95_ms", "first_copy_p95_ms"),
    (3, "p50_ms", "newest_p50_ms"),
    (3, "p95_ms", "newest_p95_ms"),
    (4, "p50_ms", "put_p50_ms"),
    (4, "p95_ms", "put_p95_ms"),
    (4, "copies", "copies"),
    (5, "mean", "queries"),
    (7, "world", "recall"),
];

/// A parameter of lookups that is varied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum LookupParameter {
    /// `lookup.slots_good`.
    AlphaGood,
    /// `lookup.slots_unverified`.
    AlphaUnverified,
    /// `lookup.soft_timeout.least`.
    LeastSoftTimeout,
    /// `lookup.soft_timeout.most`.
    MostSoftTimeout,
    /// `lookup.replicas`.
    Replicas,
}

impl LookupParameter {
    /// All of them.
    pub const ALL: [LookupParameter; 5] = [
        LookupParameter::AlphaGood,
        LookupParameter::AlphaUnverified,
        LookupParameter::LeastSoftTimeout,
        LookupParameter::MostSoftTimeout,
        LookupParameter::Replicas,
    ];

    /// The name of its field.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            LookupParameter::AlphaGood => "lookup.slots_good",
            LookupParameter::AlphaUnverified => "lookup.slots_unverified",
            LookupParameter::LeastSoftTimeout => "lookup.soft_timeout.least",
            LookupParameter::MostSoftTimeout => "lookup.soft_timeout.most",
            LookupParameter::Replicas => "lookup.replicas",
        }
    }

    fn unit(self) -> &'static str {
        match self {
            LookupParameter::AlphaGood | LookupParameter::AlphaUnverified => "queries",
            LookupParameter::LeastSoftTimeout | LookupParameter::MostSoftTimeout => "ms",
            LookupParameter::Replicas => "nodes",
        }
    }

    fn values(self) -> &'static [u16] {
        match self {
            LookupParameter::AlphaGood | LookupParameter::AlphaUnverified => &[1, 2, 3, 4, 5, 6, 8, 12],
            LookupParameter::LeastSoftTimeout => &[10, 25, 50, 100, 200, 400, 800],
            LookupParameter::MostSoftTimeout => &[100, 250, 500, 750, 1_000, 1_500, 2_000],
            LookupParameter::Replicas => &[8, 10, 12, 14, 16, 18, 20],
        }
    }

    fn set(self, lookup: &mut LookupConfig, value: u16) {
        let (few, time) = (value as u8, Duration::from_millis(value.into()));
        match self {
            LookupParameter::AlphaGood => lookup.slots_good = few,
            LookupParameter::AlphaUnverified => lookup.slots_unverified = few,
            LookupParameter::LeastSoftTimeout => lookup.soft_timeout.least = time,
            LookupParameter::MostSoftTimeout => lookup.soft_timeout.most = time,
            LookupParameter::Replicas => lookup.replicas = few,
        }
    }

    fn of(self, lookup: &LookupConfig) -> f64 {
        let millis = |time: Duration| time.as_secs_f64() * 1_000.0;
        match self {
            LookupParameter::AlphaGood => lookup.slots_good.into(),
            LookupParameter::AlphaUnverified => lookup.slots_unverified.into(),
            LookupParameter::LeastSoftTimeout => millis(lookup.soft_timeout.least),
            LookupParameter::MostSoftTimeout => millis(lookup.soft_timeout.most),
            LookupParameter::Replicas => lookup.replicas.into(),
        }
    }

    /// Tries all values, in the world of each seed.
    #[must_use]
    pub fn sweep(self, nodes: usize, seeds: &[u64]) -> Sweep {
        let points = self.values().iter().map(|value| self.point(*value, nodes, seeds));
        let (name, unit, default) = (self.name(), self.unit(), self.of(&Config::default().lookup));
        Sweep { name, unit, default, points: points.collect() }
    }

    fn point(self, value: u16, nodes: usize, seeds: &[u64]) -> SweepPoint {
        let mut config = Config::default();
        self.set(&mut config.lookup, value);
        let mut tally = Tally::default();
        for seed in seeds {
            let population = Population { nodes, ..Population::WORLD };
            let mut home = Home::of((*seed, &population), Faults::WORLD, &config);
            lookups::in_the_world(&mut home, &mut tally, (nodes / 20).clamp(20, 100));
        }
        let report = tally.report(nodes, seeds.to_vec());
        let figures = SHOWN
            .iter()
            .filter_map(|&(number, of, name)| Some(Figure { name, value: value_of(&report.rows, number, of)? }));
        SweepPoint { value: value.into(), figures: figures.collect() }
    }
}

fn value_of(rows: &[Row], number: u8, name: &str) -> Option<f64> {
    let row = rows.iter().find(|row| row.number == number)?;
    row.ours.iter().find(|figure| figure.name == name).map(|figure| figure.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_parameter_is_tried_with_its_default_and_on_both_sides_of_it() {
        for parameter in LookupParameter::ALL {
            let default = parameter.of(&Config::default().lookup);
            assert!(parameter.values().is_sorted(), "{parameter:?}");
            for value in parameter.values() {
                let mut config = Config::default();
                parameter.set(&mut config.lookup, *value);
                assert_eq!(parameter.of(&config.lookup), f64::from(*value), "{parameter:?}");
                config.check().unwrap();
            }
            assert!(parameter.values().iter().any(|value| f64::from(*value) == default), "{parameter:?}");
        }
    }
}
