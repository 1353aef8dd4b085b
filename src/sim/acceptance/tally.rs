//! All samples, by row and by what they are of; the report is made of them.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::figures::{Figure, Report, Row, RowGoal, Threshold};
use super::rows::{ROWS, WORLD};
use super::statistic::Statistic;
use crate::base::time::Duration;
use crate::sim::lifetimes::NodeTime;
use crate::sim::world::World;

/// Seconds for which our nodes, and others, were up in a world.
const LIVED: [&str; 2] = ["lived_ours", "lived_others"];

/// Whose sample it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Whose {
    Ours,
    Reference,
    World,
}

impl Whose {
    /// Who is compared.
    pub(super) const BOTH: [Whose; 2] = [Whose::Ours, Whose::Reference];
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

    /// A world has come to its end: how long its nodes were up.
    pub(super) fn lived(&mut self, world: &World) {
        self.add_lived(world.node_time());
    }

    /// The same of what is known of a world that is gone.
    pub(super) fn add_lived(&mut self, time: NodeTime) {
        for (of, time) in LIVED.into_iter().zip([time.ours, time.others]) {
            self.samples.entry((0, Whose::World, of, 0)).or_default().push(time.as_secs_f64());
        }
    }

    /// How long nodes were up in all worlds together.
    fn node_time(&self) -> NodeTime {
        let [ours, others] = LIVED.map(|of| {
            let all = self.samples.get(&(0, Whose::World, of, 0)).into_iter().flatten().sum();
            Duration::try_from_secs_f64(all).unwrap_or_default()
        });
        NodeTime { ours, others }
    }

    /// All samples of another one.
    pub fn merge(&mut self, other: Tally) {
        for (key, samples) in other.samples {
            self.samples.entry(key).or_default().extend(samples);
        }
    }

    /// All samples as lines of text, from which they come back to the last bit.
    #[must_use]
    pub fn to_lines(&self) -> String {
        let mut lines = String::new();
        for ((row, whose, of, size), samples) in &self.samples {
            lines += &format!("{row} {whose:?} {of} {size}");
            samples.iter().for_each(|sample| lines += &format!(" {sample:?}"));
            lines.push('\n');
        }
        lines
    }

    /// Samples from such lines; those of which no figure is made are left out. `None` if a line is none of them.
    #[must_use]
    pub fn from_lines(lines: &str) -> Option<Self> {
        let mut tally = Tally::default();
        for line in lines.lines() {
            let mut words = line.split(' ');
            let row: u8 = words.next()?.parse().ok()?;
            let whose = words.next()?;
            let whose = [Whose::Ours, Whose::Reference, Whose::World]
                .into_iter()
                .find(|known| format!("{known:?}") == whose)?;
            let (of, size) = (words.next()?, words.next()?.parse().ok()?);
            let samples = words.map(str::parse).collect::<Result<Vec<f64>, _>>().ok()?;
            let figures = ROWS.iter().filter(|spec| spec.number == row).flat_map(|spec| spec.figures);
            let mut known = figures.map(|figure| figure.of).chain(WORLD.iter().map(|input| input.of)).chain(LIVED);
            if let Some(of) = known.find(|known| *known == of) {
                tally.samples.entry((row, whose, of, size)).or_default().extend(samples);
            }
        }
        Some(tally)
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
        let (world, rows) = (world.collect(), rows.collect());
        Report { nodes, seeds, world, node_time: self.node_time(), rows }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_come_back_from_their_lines_to_the_last_bit() {
        let mut tally = Tally::of_size(600);
        let samples = [0.1 + 0.2, -0.0, 1e300, f64::NAN, f64::INFINITY, 7.0];
        samples.iter().for_each(|sample| tally.add(15, Whose::Reference, "20", *sample));
        tally.add(0, Whose::World, "rtt", 159.0);
        tally.add_lived(NodeTime { ours: Duration::from_secs(90), others: Duration::from_millis(500) });
        tally.add_lived(NodeTime { ours: Duration::from_secs(10), others: Duration::ZERO });
        tally.add(31, Whose::Ours, "of which no figure is made", 1.0);
        let lines = tally.to_lines();
        assert!(Tally::from_lines(&lines).is_none(), "no word has a blank in it");
        let lines = lines.replace("of which no figure is made", "unknown");
        let back = Tally::from_lines(&lines).unwrap();
        let bits =
            |tally: &Tally, key| tally.samples[&key].iter().map(|sample: &f64| sample.to_bits()).collect::<Vec<_>>();
        let key = (15, Whose::Reference, "20", 600);
        assert_eq!(bits(&back, key), bits(&tally, key));
        assert_eq!((back.samples.len(), back.to_lines()), (4, lines.replace("31 Ours unknown 600 1.0\n", "")));
        let lived = NodeTime { ours: Duration::from_secs(100), others: Duration::from_millis(500) };
        assert_eq!((back.node_time(), back.report(600, Vec::new()).node_time), (lived, lived));
        for wrong in ["x", "15", "15 Theirs 20 0 1", "15 Ours 20 x 1", "15 Ours 20 0 x", "256 Ours 20 0 1"] {
            assert!(Tally::from_lines(wrong).is_none(), "{wrong}");
        }
    }
}
