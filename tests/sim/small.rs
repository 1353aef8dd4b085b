//! Small worlds, each with ordeals of its own.

use honeyguide::sim::swarm::{Ordeal, run};

/// Rule W16. All of a thousand are run by `.ci/run`; these are those that a debug build has time for.
#[test]
fn in_small_worlds_all_holds_that_must_and_a_run_can_be_had_again() {
    let mut ordeals = Vec::new();
    for seed in 0..4 {
        let (once, again) = (run(seed), run(seed));
        assert!(once.complaints.is_empty(), "seed {seed}: {once:?}");
        assert_eq!(once, again, "seed {seed}");
        assert!(once.nodes >= 24 && once.ordeals.len() >= 2 && once.operations > 100, "{once:?}");
        ordeals.extend(once.ordeals);
    }
    assert!(Ordeal::ALL.iter().filter(|ordeal| ordeals.contains(ordeal)).count() > 4);
}
