//! What is asked of a node in the world, in numbers: each row is measured of our node, and of a reference in the same
//! worlds, and held against a goal.
//!
//! A [`Job`] runs worlds of one seed and brings samples for some rows; jobs know nothing of one another, so that they
//! may run side by side. The [`Tally`] of all samples makes the [`Report`].

mod amplification;
mod busy;
mod figures;
mod gone;
mod home;
mod hostile;
mod idle;
mod jobs;
mod joining;
mod lasting;
mod lookups;
mod neighbours;
mod networks;
mod ordeals;
mod partitions;
mod places;
mod rows;
mod silence;
mod statistic;
mod sweeps;
mod tally;
mod varied;
mod world_inputs;

pub use figures::{Figure, Report, Row, RowGoal, Sweep, SweepPoint, Threshold};
pub use jobs::{Job, jobs};
pub use sweeps::{TableParameter, sweep};
pub use tally::Tally;
pub use varied::LookupParameter;
