//! Row 26: small worlds with ordeals.

use super::tally::{Tally, Whose};
use crate::sim::swarm;

/// Small worlds for each seed.
const WORLDS: u64 = 20;

pub(super) fn small_worlds(seed: u64, tally: &mut Tally) {
    for i in 0..WORLDS {
        let run = swarm::run(seed * 1_000 + i);
        tally.count(26, Whose::Ours, "broken", !run.complaints.is_empty());
        tally.add(26, Whose::Ours, "recall", run.recall);
        tally.add_lived(run.node_time);
    }
}
