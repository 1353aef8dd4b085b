//! Worlds of the simulator: what is told of them, and the report.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::folder::Folder;
use crate::process::run;
use crate::program::{PROGRAM, Running, run_as};

/// Some rows of the table, for which a build without optimization has time.
const SMALL: [&str; 6] = ["sim", "publish", "--nodes", "100", "--seeds", "1..1"];

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn without_a_scenario_all_are_listed_with_what_is_built() {
    let objects = run(&["sim", "--json"], b"").done().objects();
    let names: Vec<_> = objects.iter().map(|object| object["scenario"].as_str().unwrap()).collect();
    let all = ["acceptance", "churn", "eclipse", "partition", "bootstrap", "publish", "swarm", "nostr", "circuit"];
    assert_eq!(names, all);
    let unbuilt = objects.iter().filter(|object| object["built"] == false).count();
    assert!(unbuilt == 2 && objects.iter().all(|object| object["about"].as_str().unwrap().len() > 20), "{objects:?}");
    let text = run(&["sim"], b"").done().out;
    assert_eq!(text.lines().map(|line| line.split(' ').next().unwrap()).collect::<Vec<_>>(), all);
    for name in ["nostr", "circuit"] {
        run(&["sim", name], b"").failed(1, &[&format!("sim {name}"), "not built yet"]);
    }
}

/// Rules U30 to U32.
#[test]
fn each_row_that_is_wanted_stands_once_beside_its_goals_and_in_the_report() {
    let folder = Folder::new();
    let dir = folder.file("deep/report");
    let once = run(&[&SMALL[..], &["--json", "--report", &dir]].concat(), b"").done();
    let objects = once.objects();
    let [object] = &objects[..] else { panic!("{objects:?}") };
    assert_eq!((&object["nodes"], &object["seeds"]), (&100.into(), &serde_json::json!([1])));
    for input in ["rtt_p50_ms", "dead_share", "loss"] {
        let input = &object["world"][input];
        assert!(number(&input["measured"]) > 0.0 && number(&input["source"]) > 0.0, "{object}");
    }
    for whose in ["ours", "others"] {
        assert!(number(&object["node_years"][whose]) > 0.0, "{object}");
    }
    // In so few nodes it comes by chance, and is no failure.
    for (name, input) in object["world"].as_object().unwrap() {
        let is_off = (number(&input["measured"]) / number(&input["source"]) - 1.0).abs() > 0.05;
        assert_eq!(is_off, once.err.contains(&format!("{name} is ")), "{once:?}");
    }
    assert!(once.err.contains("by chance in fewer than 20000 nodes"), "{once:?}");
    let rows = object["rows"].as_array().unwrap();
    let numbers: Vec<_> = rows.iter().map(|row| row["row"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [2, 3, 4, 12, 24]);
    for row in rows {
        assert!(row["metric"].is_string() && row["met"].is_boolean(), "{row}");
        for (figure, goal) in row["goal"].as_object().unwrap() {
            let bounds = ["at_most", "at_least", "at_most_of_reference"].map(|bound| goal[bound].is_number());
            assert_eq!(bounds.into_iter().filter(|is| *is).count(), 1, "{row}");
            number(&row["ours"][figure]);
        }
    }
    let mut names = fs::read_dir(&dir).unwrap().map(|file| file.unwrap().file_name()).collect::<Vec<_>>();
    names.sort();
    assert_eq!(names, ["report.html", "rows.json"]);
    let read = |name: &str| fs::read_to_string(format!("{dir}/{name}")).unwrap();
    assert_eq!(&serde_json::from_str::<Value>(&read("rows.json")).unwrap(), object);
    is_a_page_of_its_own(&read("report.html"), rows[0]["metric"].as_str().unwrap());
    run(&[&SMALL[..], &["--report", &dir]].concat(), b"").failed(1, &["report.html", "exists"]);
}

/// Whoever reads it needs nothing besides.
fn is_a_page_of_its_own(page: &str, has: &str) {
    assert!(page.starts_with("<!doctype html>") && page.trim_end().ends_with("</html>"), "{page}");
    assert!(page.contains(has) && page.contains("<svg") && page.contains("prefers-color-scheme: dark"), "{page}");
    let lower = page.to_lowercase();
    for fetched in ["http", "src=", "href=", "@import", "url(", "<script", "<link"] {
        assert!(!lower.contains(fetched), "{fetched} in {page}");
    }
}

/// Rule U30.
#[test]
fn the_same_seeds_tell_the_same_again_on_as_many_threads_as_there_are() {
    let args = ["sim", "bootstrap", "--nodes", "200", "--seeds", "1..2"];
    let once = run(&args, b"").done();
    assert!(["ours", "reference", "goal", "met"].iter().all(|word| once.out.contains(word)), "{once:?}");
    let mut one_thread = Command::new("taskset");
    let again = run_as(one_thread.args(["--cpu-list", "0", PROGRAM]).args(args), b"").done();
    assert_eq!(once.out, again.out);
    let object = run(&[&args[..], &["--json"]].concat(), b"").done().objects().remove(0);
    assert_eq!(object["rows"].as_array().unwrap().iter().map(|row| &row["row"]).collect::<Vec<_>>(), [10, 29]);
    let other = run(&["sim", "bootstrap", "--nodes", "200", "--seeds", "3..4"], b"").done();
    assert_ne!(once.out, other.out);
}

/// Rule U30.
#[test]
fn small_worlds_are_run_twice_and_told_in_their_order_with_what_they_came_to() {
    let folder = Folder::new();
    let dir = folder.file("report");
    let objects = run(&["sim", "swarm", "--seeds", "0..1", "--json", "--report", &dir], b"").done().objects();
    let [first, second, sum] = &objects[..] else { panic!("{objects:?}") };
    assert_eq!((&first["seed"], &second["seed"]), (&0.into(), &1.into()));
    for world in [first, second] {
        assert!(world["nodes"].as_u64() >= Some(24) && world["operations"].as_u64() > Some(100), "{world}");
        assert!(world["sent"].as_u64() > Some(0) && number(&world["recall"]) <= 1.0, "{world}");
        assert!(world["ordeals"].as_array().unwrap().len() >= 2, "{world}");
        assert_eq!((world["hash"].as_str().unwrap().len(), &world["complaints"]), (32, &serde_json::json!([])));
    }
    assert_eq!((&sum["worlds"], &sum["failed"], &sum["replay"]), (&2.into(), &serde_json::json!([]), &Value::Null));
    // Two worlds, twice, of 24 nodes at least, for a third of an hour at least.
    assert!(number(&sum["node_years"]["ours"]) > 4.0 * 24.0 / 3.0 / 8_766.0, "{sum}");
    let rows: Value = serde_json::from_str(&fs::read_to_string(format!("{dir}/rows.json")).unwrap()).unwrap();
    assert_eq!((&rows["rows"], &rows["sum"]), (&serde_json::json!([first, second]), sum));
    is_a_page_of_its_own(&fs::read_to_string(format!("{dir}/report.html")).unwrap(), first["hash"].as_str().unwrap());
}

/// Rules U5 and U30.
#[test]
fn a_signal_ends_it_while_all_threads_are_at_work() {
    for signal in ["INT", "TERM", "HUP"] {
        let mut running = Running::start(&["sim", "acceptance", "--nodes", "1000", "-v"]);
        running.word_with("took");
        let begun = Instant::now();
        running.end_by(signal).ended(1, &["interrupted; ", "worlds had been run"]);
        assert!(begun.elapsed() < Duration::from_secs(1), "{signal}: {:?}", begun.elapsed());
    }
}

/// Rules U30 and U32.
#[test]
fn whoever_ends_it_is_told_how_many_worlds_had_been_run_and_no_folder_is_left() {
    let folder = Folder::new();
    let dir = folder.file("report");
    let args = ["sim", "acceptance", "--nodes", "2000", "--timeout", "0.2", "--report", &dir];
    run(&args, b"").failed(1, &["gave up after 0.2 s", "worlds had been run"]);
    assert!(folder.names().is_empty(), "{:?}", folder.names());
    let file = folder.with("file", "theirs");
    run(&["sim", "swarm", "--report", &file], b"").failed(1, &[&file, "cannot be made"]);
    run(&["sim", "swarm", "--report", "/proc/report"], b"").failed(1, &["/proc/report", "cannot be made"]);
}

/// Rule W21.
#[test]
fn one_node_of_a_small_world_leaves_a_journal_that_is_replayed_and_shrunk() {
    let folder = Folder::new();
    let [file, short] = ["run.journal", "short.journal"].map(|name| folder.file(name));
    let args = ["sim", "swarm", "--seeds", "0..0", "--journal", &file];
    let objects = run(&[&args[..], &["--host", "3", "--json"]].concat(), b"").done().objects();
    assert_eq!(objects, [serde_json::json!({ "seed": 0, "host": 3, "journal": file })]);
    run(&args, b"").failed(1, &[&file, "exists"]);
    run(&["replay", &file], b"").done();
    let copy = folder.file("copy.journal");
    run(&["journal", "scrub", &file, &copy], b"").done().said(&["simulated world", "nothing in it needs to be hidden"]);
    assert_eq!(fs::read(&copy).unwrap(), fs::read(&file).unwrap());
    // It fails as long as an item is stored in it.
    let check = ["sh", "-c", "test -z \"$($0 replay --explain $1 | grep ' put ')\"", PROGRAM];
    let shrunk =
        run(&[&["journal", "shrink", &file, &short, "--json", "--"][..], &check].concat(), b"").done().objects();
    assert_eq!(shrunk[0]["calls"], 1);
    assert!(run(&["replay", &short, "--explain"], b"").done().out.contains(" put "));
    for wrong in [
        &["sim", "swarm", "--seeds", "0..1", "--journal", &file][..],
        &["sim", "churn", "--seeds", "0..0", "--journal", &file],
        &["sim", "swarm", "--seeds", "0..0", "--host", "1"],
        &["sim", "swarm", "--seeds", "0..0", "--journal", "other", "--nodes", "500"],
        &["sim", "swarm", "--seeds", "0..0", "--journal", "other", "--sweeps"],
        &["sim", "swarm", "--seeds", "0..0", "--journal", "other", "--resume", "partial"],
    ] {
        run(wrong, b"").failed(2, &["--journal"]);
    }
}

/// Rule U33.
#[test]
fn a_run_that_was_stopped_goes_on_where_it_was() {
    let folder = Folder::new();
    let file = folder.file("partial");
    let args = ["sim", "bootstrap", "--nodes", "200", "--seeds", "1..2", "--resume", &file];
    let whole = run(&args, b"").done().out;
    // The last world is not whole, and is run again; the others are taken as they are.
    let text = fs::read_to_string(&file).unwrap();
    let worlds = text.matches("\nend\n").count();
    fs::write(&file, &text[..text.len() - 10]).unwrap();
    let again = run(&args, b"").done();
    assert_eq!(again.out, whole);
    assert!(again.err.contains(&format!("has {} worlds already", worlds - 1)), "{again:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
    let other = ["sim", "bootstrap", "--nodes", "200", "--seeds", "1..3", "--resume", &file];
    run(&other, b"").failed(1, &[&file, "another run"]);
    run(&["sim", "swarm", "--resume", &file], b"").failed(2, &["--resume"]);
    run(&["sim", "bootstrap", "--sweeps"], b"").failed(2, &["--sweeps"]);
}

/// Rule U33. Worlds end in another order than they begin in: each is in the file once it has ended.
#[test]
fn whoever_stops_it_finds_as_many_worlds_in_the_file_as_he_is_told_of() {
    let folder = Folder::new();
    let file = folder.file("partial");
    let args = ["sim", "bootstrap", "--nodes", "100", "--seeds", "1..3", "--resume", &file];
    let mut running = Running::start(&[&args[..], &["-v"]].concat());
    (0..3).for_each(|_| drop(running.word_with("took")));
    let stopped = running.end_by("INT").ended(1, &["interrupted; ", "worlds had been run; the same command goes on"]);
    let told = stopped.err.lines().last().unwrap().split(' ').nth(2).unwrap().to_owned();
    let kept = fs::read_to_string(&file).unwrap().matches("\nend\n").count();
    assert!(kept >= 3 && kept.to_string() == told, "{kept} worlds are kept: {stopped:?}");
    let rest = run(&args, b"").done();
    assert!(rest.err.contains(&format!("has {kept} worlds already")), "{rest:?}");
    assert_eq!(rest.out, run(&args[..6], b"").done().out, "the same as of one run");
}

/// Rule U34.
#[test]
fn a_log_is_told_now_and_then_how_far_the_worlds_are_and_nothing_when_it_is_to_be_quiet() {
    let mut running = Running::start(&["sim", "acceptance", "--nodes", "1000"]);
    let line = running.word_with(" worlds after ");
    assert!(line.contains(" s; now: seed 1: "), "{line}");
    running.end_by("INT").ended(1, &["worlds had been run"]);
    let quiet = run(&["sim", "bootstrap", "--nodes", "100", "--seeds", "1..2", "-q"], b"");
    assert_eq!(quiet.done().err, "");
}
