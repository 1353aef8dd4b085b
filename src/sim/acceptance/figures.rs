//! Rows of the report, and what they are held against.

use alloc::vec::Vec;

use crate::sim::lifetimes::NodeTime;

/// What a figure has to be.
///
/// Exhaustive: whoever judges a figure has an answer to each.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Threshold {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
    /// No more than so many times the reference's.
    AtMostOfReference(f64),
}

/// A figure that was measured.
///
/// Exhaustive: a name and a number.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Figure {
    /// What it is, with its unit: `p50_ms`.
    pub name: &'static str,
    /// The number.
    pub value: f64,
}

/// What one figure of a row has to be.
///
/// Exhaustive: a name and a bound.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct RowGoal {
    /// The figure.
    pub name: &'static str,
    /// What it has to be.
    pub bound: Threshold,
}

/// A row of the report.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct Row {
    /// Its number in the table of `spec/simulator.md`.
    pub number: u8,
    /// What is measured, where.
    pub metric: &'static str,
    /// What is wanted.
    pub goals: Vec<RowGoal>,
    /// Our node.
    pub ours: Vec<Figure>,
    /// The reference; empty where it makes no sense.
    pub reference: Vec<Figure>,
}

/// Everything that was measured.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct Report {
    /// How many nodes a world has where its row says nothing else.
    pub nodes: usize,
    /// The seeds of the worlds.
    pub seeds: Vec<u64>,
    /// What the worlds were like: what was measured of them, beside what it should be.
    pub world: Vec<(Figure, f64)>,
    /// For how long their nodes were up, all together.
    pub node_time: NodeTime,
    /// The rows, each once.
    pub rows: Vec<Row>,
}

/// What a parameter does while all others are as they are.
///
/// Exhaustive: a curve, with what its axes are.
#[derive(Clone, PartialEq, Debug)]
pub struct Sweep {
    /// The parameter, by the name of its field.
    pub name: &'static str,
    /// What its values are counted in.
    pub unit: &'static str,
    /// The value that a node has where nothing else is said.
    pub default: f64,
    /// One for each value, in their order.
    pub points: Vec<SweepPoint>,
}

/// What was measured with one value of a parameter.
///
/// Exhaustive: a place on a curve.
#[derive(Clone, PartialEq, Debug)]
pub struct SweepPoint {
    /// The value.
    pub value: f64,
    /// The same ones for each value.
    pub figures: Vec<Figure>,
}

impl Row {
    /// Whether every goal is met. What was not measured is not met.
    #[must_use]
    pub fn is_met(&self) -> bool {
        self.goals.iter().all(|goal| self.meets(goal))
    }

    /// Whether one goal is met.
    #[must_use]
    pub fn meets(&self, goal: &RowGoal) -> bool {
        let value =
            |figures: &[Figure]| figures.iter().find(|figure| figure.name == goal.name).map(|figure| figure.value);
        let Some(ours) = value(&self.ours) else { return false };
        match goal.bound {
            Threshold::AtMost(most) => ours <= most,
            Threshold::AtLeast(least) => ours >= least,
            Threshold::AtMostOfReference(times) => value(&self.reference).is_some_and(|other| ours <= times * other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_met_by_a_figure_that_was_measured_and_by_nothing_else() {
        let figure = |name, value| Figure { name, value };
        let row = |bound, ours: &[Figure], reference: &[Figure]| Row {
            number: 1,
            metric: "",
            goals: [RowGoal { name: "p50_ms", bound }].to_vec(),
            ours: ours.to_vec(),
            reference: reference.to_vec(),
        };
        let (five, ten) = (figure("p50_ms", 5.0), figure("p50_ms", 10.0));
        for (bound, is_met) in [
            (Threshold::AtMost(5.0), true),
            (Threshold::AtMost(4.9), false),
            (Threshold::AtLeast(5.0), true),
            (Threshold::AtLeast(5.1), false),
            (Threshold::AtMostOfReference(0.5), true),
            (Threshold::AtMostOfReference(0.4), false),
        ] {
            assert_eq!(row(bound, &[five], &[ten]).is_met(), is_met, "{bound:?}");
            assert!(!row(bound, &[], &[ten]).is_met() && !row(bound, &[figure("p95_ms", 5.0)], &[ten]).is_met());
            assert!(!row(bound, &[figure("p50_ms", f64::NAN)], &[ten]).is_met());
        }
        assert!(!row(Threshold::AtMostOfReference(2.0), &[five], &[]).is_met());
    }
}
