//! The rows of the report, on a small world. All of them are run by `honeyguide sim acceptance`, which has them quicker
//! than a build without optimization.

use std::collections::BTreeSet;

use honeyguide::sim::acceptance::{Report, Tally, jobs};

fn report() -> Report {
    let mut tally = Tally::default();
    let lookups = jobs(300, &[1]).into_iter().filter(|job| job.rows().contains(&7));
    lookups.for_each(|job| tally.merge(job.run()));
    tally.report(300, vec![1])
}

#[test]
fn a_small_world_fills_its_rows_and_a_run_can_be_had_again() {
    let once = report();
    assert_eq!(once, report());
    let numbers: Vec<_> = once.rows.iter().map(|row| row.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7]);
    for row in &once.rows {
        assert!(!row.ours.is_empty() && row.ours.len() == row.reference.len(), "{row:?}");
        assert!(row.ours.iter().all(|figure| figure.value.is_finite()), "{row:?}");
    }
    // What the world is like does not depend on its size.
    for (figure, wanted) in &once.world {
        assert!((figure.value / wanted - 1.0).abs() < 0.2, "{figure:?} {wanted}");
    }
}

#[test]
fn each_seed_has_the_same_jobs_and_together_they_bring_every_row() {
    let rows = |seeds: &[u64]| jobs(300, seeds).iter().flat_map(|job| job.rows()).copied().collect::<BTreeSet<_>>();
    let all =
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 24, 26, 27, 28, 29, 30, 31, 32, 33, 34];
    assert_eq!(rows(&[1]), BTreeSet::from(all));
    assert_eq!(jobs(300, &[1, 2]).len(), 2 * jobs(300, &[1]).len());
    assert!(jobs(300, &[1, 2]).iter().skip(jobs(300, &[1]).len()).all(|job| job.seed() == 2 && !job.name().is_empty()));
}
