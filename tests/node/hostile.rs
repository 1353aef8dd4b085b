//! Hostile input, row by row: what strangers may send, and what a whole node makes of it.
//!
//! The rows R1 to R96 are those of the table of hostile inputs (`spec/hostile.md`); each has a test whose name begins with
//! its number. A row says that the node answers or stays silent; every row moreover holds that table and stores are as
//! they were, that the drop is counted under its reason, and that an honest node is served afterwards. Rows about
//! responses open a query of the node first and answer it.

mod envelope;
mod names;
mod prefixes;
mod queries;
mod results;
mod stores;
mod transactions;

use std::time::Duration;

use honeyguide::Endpoint;
use honeyguide::dht::DropReason;

use crate::lab::{Lab, Packet, show};

/// The table of the specification and the tests name the same rows.
#[test]
fn every_row_has_a_test() {
    let table = include_str!("../../spec/hostile.md");
    let tests = [
        include_str!("hostile/prefixes.rs"),
        include_str!("hostile/envelope.rs"),
        include_str!("hostile/names.rs"),
        include_str!("hostile/queries.rs"),
        include_str!("hostile/results.rs"),
        include_str!("hostile/stores.rs"),
        include_str!("hostile/transactions.rs"),
    ];
    let rows = table.lines().filter_map(|line| line.strip_prefix("| R")?.split(' ').next()?.parse::<u32>().ok());
    assert!(rows.clone().eq(1..=96));
    for row in rows {
        assert!(tests.iter().any(|text| text.contains(&format!("r{row:02}_"))), "R{row}");
    }
}

/// Nobody answers, one drop is counted, under this reason, and everything else is as it was.
fn is_dropped(lab: &mut Lab, from: Endpoint, payload: &[u8], reason: impl Into<DropReason>) {
    let reason = reason.into();
    let (before, stats) = (lab.belongings(), lab.stats());
    let answers = lab.give(from, payload);
    assert!(answers.is_empty(), "{} was answered: {answers:?}", show(payload));
    let after = lab.stats();
    let counted = after.dropped.by(reason) - stats.dropped.by(reason);
    assert_eq!(counted, 1, "{} was not dropped as {}: {:?}", show(payload), reason.name(), after.dropped);
    assert_eq!(after.dropped.total() - stats.dropped.total(), 1, "{}", show(payload));
    assert_eq!((after.queries, after.refused), (stats.queries, stats.refused));
    assert_eq!(lab.belongings(), before, "{}", show(payload));
}

/// In every kind of network: dropped, its sender is never asked anything, and others are served.
fn stays_silent(payload: &[u8], reason: impl Into<DropReason> + Copy) {
    for mut lab in Lab::each() {
        let from = lab.stranger();
        is_dropped(&mut lab, from, payload, reason);
        is_never_added(&mut lab, from);
        lab.serves();
    }
}

/// The error that a query is answered with; everything else is as it was.
fn is_refused(lab: &mut Lab, from: Endpoint, payload: &[u8], code: i64) -> Packet {
    let (before, stats) = (lab.belongings(), lab.stats());
    let answer = lab.ask(from, payload);
    let error = answer.error();
    assert_eq!(error.code, code, "{}: {}", show(payload), show(&answer.bytes));
    assert!(error.text.len() <= 16 && error.ip == Some(from), "{}", show(&answer.bytes));
    assert!(answer.bytes.len() <= payload.len() * 16 / 5, "{} for {}", answer.bytes.len(), payload.len());
    assert!(!answer.bytes.windows(3).any(|w| w == b"1:q"), "the method is echoed: {}", show(&answer.bytes));
    let after = lab.stats();
    assert_eq!((after.refused, after.queries), (stats.refused + 1, stats.queries));
    assert_eq!(after.dropped, stats.dropped);
    assert_eq!(lab.belongings(), before, "{}", show(payload));
    answer
}

/// In every kind of network: refused with this code, and others are served.
fn refused_everywhere(payload: &[u8], code: i64) {
    for mut lab in Lab::each() {
        let from = lab.stranger();
        let answer = is_refused(&mut lab, from, payload, code);
        assert_eq!(answer.tid(), b"aa");
        lab.serves();
    }
}

/// Longer than any newcomer has to wait until he is asked.
fn is_never_added(lab: &mut Lab, from: Endpoint) {
    let before = lab.sent_to(from);
    lab.run(Duration::from_secs(if lab.is_local() { 5 } else { 200 }));
    assert_eq!(lab.sent_to(from), before, "{from} was asked back");
    assert!(!lab.knows(from));
}
