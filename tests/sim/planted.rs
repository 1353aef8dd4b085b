//! Which bugs that are planted the small worlds catch, and how many seeds that takes: in builds with `--cfg planted`.

use std::panic::{AssertUnwindSafe, catch_unwind};
#[cfg(feature = "cli")]
use std::process::{Command, Output};

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

/// What the page has of a bug: the words of what catches it, and how many seeds that takes, about.
fn written(bug: &str) -> Option<(&'static str, u64)> {
    let row = PAGE.lines().find(|line| line.starts_with(&format!("| {bug} |")))?;
    let [.., words, seeds] = row.trim_matches(['|', ' ']).split(" | ").collect::<Vec<_>>()[..] else { return None };
    Some((words.trim_matches('`'), seeds.parse().ok()?))
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
        let is_as_written =
            |(words, about): (&str, u64)| what.contains(words) && (about.div_ceil(4)..=4 * about).contains(&seeds);
        if !written(bug.name()).is_some_and(is_as_written) {
            missed.push(bug.name());
        }
        let what: String = what.lines().next().unwrap_or_default().chars().take(100).collect();
        eprintln!("| {} | {seeds} | {what} |", bug.name());
    }
    plant(None);
    let _ = std::panic::take_hook();
    assert!(missed.is_empty(), "not caught, or not as the table of spec/simulator.md has it: {missed:?}");
}

/// The program, with a bug in it or none.
#[cfg(feature = "cli")]
fn program(bug: &str, args: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_honeyguide"));
    program.args(args).env("HONEYGUIDE_BUG", bug).output().unwrap()
}

/// Rule W21. What is left of the run is what a node without the bug does otherwise.
#[cfg(feature = "cli")]
#[test]
fn the_world_that_catches_a_bug_gives_a_journal_that_is_shrunk_to_what_shows_it() {
    let bug = "QueryVerifies";
    let folder = std::env::temp_dir().join(format!("honeyguide-planted-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let [whole, short] = ["whole", "short"].map(|name| folder.join(name).to_str().unwrap().to_owned());
    let mut worlds = (0..SEEDS).map(|seed| format!("{seed}..{seed}"));
    let catches = |world: &String| program(bug, &["sim", "swarm", "--seeds", world, "-q"]).status.code() == Some(1);
    let world = worlds.find(catches).expect("some world catches it");
    let recorded = program(bug, &["sim", "swarm", "--seeds", &world, "--journal", &whole]);
    assert_eq!(recorded.status.code(), Some(1), "{recorded:?}");
    assert!(
        String::from_utf8_lossy(&recorded.stderr).contains(&format!("`honeyguide replay {whole}`")),
        "{recorded:?}"
    );
    assert!(program(bug, &["replay", &whole]).status.success());
    assert!(!program("", &["replay", &whole]).status.success(), "the bug shows in the run of one node");
    // A node without the bug puts out something else.
    let check = [env!("CARGO_BIN_EXE_honeyguide"), "replay"];
    let without = ["env", "-u", "HONEYGUIDE_BUG", check[0], check[1]];
    let shrunk = program(bug, &[&["journal", "shrink", "-q", &whole, &short, "--"][..], &without].concat());
    assert!(shrunk.status.success(), "{shrunk:?}");
    let text = String::from_utf8_lossy(&shrunk.stdout).into_owned();
    let numbers: Vec<u32> = text.split(' ').filter_map(|word| word.parse().ok()).collect();
    assert!(numbers[0] <= 8 && numbers[1] > 100, "{text}");
    assert!(program(bug, &["replay", &short]).status.success() && !program("", &["replay", &short]).status.success());
    std::fs::remove_dir_all(&folder).unwrap();
}
