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
pub struct Tally(BTreeMap<(u8, Whose, &'static str), Vec<f64>>);

impl Tally {
    /// A sample.
    pub(super) fn add(&mut self, row: u8, whose: Whose, of: &'static str, value: f64) {
        self.0.entry((row, whose, of)).or_default().push(value);
    }

    /// Whether something is so, as a sample of which the mean is a share.
    pub(super) fn count(&mut self, row: u8, whose: Whose, of: &'static str, is_so: bool) {
        self.add(row, whose, of, f64::from(u8::from(is_so)));
    }

    /// All samples of another one.
    pub fn merge(&mut self, other: Tally) {
        for (key, samples) in other.0 {
            self.0.entry(key).or_default().extend(samples);
        }
    }

    /// The report of so many nodes and these seeds. Rows of which there is no sample are left out.
    #[must_use]
    pub fn report(mut self, nodes: usize, seeds: Vec<u64>) -> Report {
        self.0.values_mut().for_each(|samples| samples.sort_by(f64::total_cmp));
        let rows = ROWS.iter().filter(|spec| self.has(spec.number)).map(|spec| {
            let goals =
                spec.figures.iter().filter_map(|figure| Some(RowGoal { name: figure.name, bound: figure.bound? }));
            let figures = |whose| {
                let figures = spec.figures.iter();
                let figures = figures.filter_map(|figure| {
                    Some(Figure {
                        name: figure.name,
                        value: self.value((spec.number, whose, figure.of), figure.statistic)?,
                    })
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
            let value = self.value((0, Whose::World, input.of), input.statistic)?;
            Some((Figure { name: input.name, value }, input.wanted))
        });
        Report { nodes, seeds, world: world.collect(), rows: rows.collect() }
    }

    fn has(&self, row: u8) -> bool {
        self.0.keys().any(|(number, ..)| *number == row)
    }

    fn value(&self, key: (u8, Whose, &'static str), statistic: Statistic) -> Option<f64> {
        let samples = self.0.get(&key)?;
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
