//! All samples, by row and by what they are of; the report is made of them.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::figures::{Figure, Report, Row, RowGoal, Threshold};
use super::rows::{ROWS, WORLD};
use super::statistic::Statistic;

/// Whose sample it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Whose {
    Ours,
    Reference,
    World,
}

/// Samples of some rows.
#[derive(Clone, Default, Debug)]
pub struct Tally {
    samples: BTreeMap<Key, Vec<f64>>,
    /// Nodes of the world that samples are of now, where that is not what was asked for; else 0.
    size: usize,
}

/// Row, whose, of what, and of which size of a world.
type Key = (u8, Whose, &'static str, usize);

impl Tally {
    /// Of a world that has so many nodes, and not as many as were asked for.
    pub(super) fn of_size(size: usize) -> Self {
        Tally { size, ..Tally::default() }
    }

    /// A sample.
    pub(super) fn add(&mut self, row: u8, whose: Whose, of: &'static str, value: f64) {
        self.samples.entry((row, whose, of, self.size)).or_default().push(value);
    }

    /// Whether something is so, as a sample of which the mean is a share.
    pub(super) fn count(&mut self, row: u8, whose: Whose, of: &'static str, is_so: bool) {
        self.add(row, whose, of, f64::from(u8::from(is_so)));
    }

    /// All samples of another one.
    pub fn merge(&mut self, other: Tally) {
        for (key, samples) in other.samples {
            self.samples.entry(key).or_default().extend(samples);
        }
    }

    /// The report of so many nodes and these seeds. Rows of which there is no sample are left out.
    #[must_use]
    pub fn report(mut self, nodes: usize, seeds: Vec<u64>) -> Report {
        self.samples.values_mut().for_each(|samples| samples.sort_by(f64::total_cmp));
        let rows = ROWS.iter().filter(|spec| self.has(spec.number)).map(|spec| {
            // Worlds of a size are run only where larger ones were asked for.
            let all = || spec.figures.iter().filter(|figure| figure.nodes == 0 || figure.nodes < nodes);
            let goals = all().filter_map(|figure| Some(RowGoal { name: figure.name, bound: figure.bound? }));
            let figures = |whose| {
                let figures = all().filter_map(|figure| {
                    let key = (spec.number, whose, figure.of, figure.nodes);
                    Some(Figure { name: figure.name, value: self.value(key, figure.statistic)? })
                });
                figures.collect()
            };
            Row {
                number: spec.number,
                metric: spec.metric,
                goals: goals.collect(),
                ours: figures(Whose::Ours),
                reference: figures(Whose::Reference),
            }
        });
        let world = WORLD.iter().filter_map(|input| {
            let value = self.value((0, Whose::World, input.of, 0), input.statistic)?;
            Some((Figure { name: input.name, value }, input.wanted))
        });
        Report { nodes, seeds, world: world.collect(), rows: rows.collect() }
    }

    fn has(&self, row: u8) -> bool {
        self.samples.keys().any(|(number, ..)| *number == row)
    }

    fn value(&self, key: Key, statistic: Statistic) -> Option<f64> {
        let samples = self.samples.get(&key)?;
        statistic.of(samples)
    }
}

impl Threshold {
    /// At most so much, in a table of goals.
    pub(super) const fn most(most: f64) -> Option<Threshold> {
        Some(Threshold::AtMost(most))
    }

    /// At least so much.
    pub(super) const fn least(least: f64) -> Option<Threshold> {
        Some(Threshold::AtLeast(least))
    }
}
