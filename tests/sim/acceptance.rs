//! The rows of the report, on a small world.

use honeyguide::sim::acceptance::{Tally, jobs};

#[test]
fn a_small_world_fills_every_row_and_a_run_can_be_had_again() {
    let run = || {
        let mut tally = Tally::default();
        jobs(300, &[1]).iter().for_each(|job| tally.merge(job.run()));
        tally.report(300, vec![1])
    };
    let report = run();
    assert_eq!(report, run());
    let numbers: Vec<_> = report.rows.iter().map(|row| row.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7]);
    for row in &report.rows {
        assert!(!row.ours.is_empty() && row.ours.len() == row.reference.len(), "{row:?}");
        assert!(row.ours.iter().all(|figure| figure.value.is_finite()), "{row:?}");
    }
    // What the world is like does not depend on its size.
    for (figure, wanted) in &report.world {
        assert!((figure.value / wanted - 1.0).abs() < 0.2, "{figure:?} {wanted}");
    }
}
