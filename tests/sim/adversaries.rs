//! Rows of the report among those who harm, on small worlds: what held of a larger one has to hold of these.

use honeyguide::sim::acceptance::{Report, Tally, jobs};

fn report(row: u8, nodes: usize) -> Report {
    let mut tally = Tally::default();
    jobs(nodes, &[1]).into_iter().filter(|job| job.rows().contains(&row)).for_each(|job| tally.merge(job.run()));
    tally.report(nodes, vec![1])
}

/// A figure of our node.
fn figure(report: &Report, row: u8, name: &str) -> f64 {
    let row = report.rows.iter().find(|found| found.number == row).unwrap();
    row.ours.iter().find(|figure| figure.name == name).unwrap().value
}

/// Rule L37.
#[test]
fn colluders_keep_next_to_nothing_from_being_found() {
    let report = report(15, 1_200);
    let found = ["found_20", "found_30", "found_50"].map(|name| figure(&report, 15, name));
    assert!(found[0] >= 0.999 && found[1] >= 0.99 && found[2] >= 0.9, "{found:?}");
}

/// Rules L38 to L40.
#[test]
fn those_who_come_next_to_a_key_keep_nobody_from_storing_and_finding() {
    let report = report(16, 600);
    let figures = ["put", "get", "success_without_copy"].map(|name| figure(&report, 16, name));
    assert_eq!(figures, [1.0, 1.0, 0.0]);
    // P3: nor the keeper, and nothing that they confirm is a copy.
    let [honest, false_ones] = ["kept_honest_copies", "kept_false_copies"].map(|name| figure(&report, 16, name));
    assert!(honest >= 8.0 && false_ones == 0.0, "{honest} {false_ones}");
}
