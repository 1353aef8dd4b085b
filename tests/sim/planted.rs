//! Which bugs that are planted the small worlds catch, and how many seeds that takes: in builds with `--cfg planted`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use honeyguide::sim::swarm::run;
use honeyguide::sim::{Bug, plant};

/// Seeds that are tried at most; and those that are run twice, where nothing else was found.
const SEEDS: u64 = 30;
const TWICE: u64 = 3;

const PAGE: &str = include_str!("../../spec/simulator.md");

/// What the world of a seed has against the bug that is planted.
fn complaint(seed: u64) -> Option<String> {
    match catch_unwind(AssertUnwindSafe(|| run(seed))) {
        Ok(run) => run.complaints.into_iter().next(),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| String::from(*text)));
            Some(text.unwrap_or_default())
        }
    }
}

/// How many seeds it takes until the bug that is planted is caught, and how that shows.
fn caught() -> Option<(u64, String)> {
    let once = (0..SEEDS).find_map(|seed| Some((seed + 1, complaint(seed)?)));
    once.or_else(|| (0..TWICE).find_map(|seed| (run(seed) != run(seed)).then(|| (seed + 1, "two runs differ".into()))))
}

/// Rule W20.
#[test]
fn every_planted_bug_is_caught() {
    std::panic::set_hook(Box::new(|_| {}));
    let only = std::env::var("BUG").unwrap_or_default();
    plant(None);
    let unplanted: Vec<_> = (0..SEEDS).filter_map(complaint).collect();
    assert!(unplanted.is_empty(), "without any bug: {unplanted:?}");
    let mut missed = Vec::new();
    eprintln!("| bug | seeds | how it shows |\n|---|---|---|");
    for bug in Bug::ALL.iter().filter(|bug| only.is_empty() || only == bug.name()) {
        plant(Some(*bug));
        let (seeds, what) = caught().unwrap_or_default();
        if seeds == 0 || !PAGE.contains(&format!("| {} |", bug.name())) {
            missed.push(bug.name());
        }
        let what: String = what.lines().next().unwrap_or_default().chars().take(100).collect();
        eprintln!("| {} | {seeds} | {what} |", bug.name());
    }
    plant(None);
    let _ = std::panic::take_hook();
    assert!(missed.is_empty(), "not caught, or not in the table of spec/simulator.md: {missed:?}");
}
