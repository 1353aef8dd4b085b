//! honeyguide beside other implementations: one command, one table of ratios.
//!
//! `cargo run --release --manifest-path benches/peers/Cargo.toml [-- --json FILE] [--rounds N] [--only TEXT]`
//!
//! All contenders of a group run alternately in one process, round after round, so that whatever else the machine does
//! hits all of them; a ratio is taken within each round. A further subject is a file with a function `groups`.
//! libtorrent takes part where `python3`, or the interpreter that `PYTHON` names, has its module.
//! `--instructions` counts instructions under callgrind instead (`--profiles FOLDER` keeps what it saw).

use std::fmt::Display;
use std::process::ExitCode;

use measure::Group;
use serde::Serialize;
use settings::Settings;

mod batch;
mod codec;
mod driver;
mod instructions;
mod journal;
mod measure;
mod memory;
mod networks;
mod node;
mod reconcile;
mod settings;
mod table;

fn groups() -> Vec<Group> {
    [codec::groups(), node::groups()].into_iter().flatten().collect()
}

fn main() -> ExitCode {
    match Settings::from_args(std::env::args().skip(1)).and_then(|settings| run(&settings)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(complaint) => {
            eprintln!("{complaint}");
            ExitCode::from(2)
        }
    }
}

fn run(settings: &Settings) -> Result<(), String> {
    if let Some(who) = settings.grow {
        memory::grow(who);
        return Ok(());
    }
    let groups = groups().into_iter().filter(|group| settings.wants(&group.name));
    if let Some(contender) = settings.alone {
        groups.for_each(|group| instructions::alone(group, contender));
        return Ok(());
    }
    if settings.instructions {
        let count = |group| instructions::count(group, settings.profiles.as_deref());
        let counted = groups.map(|group| count(group).map(show)).collect::<Result<Vec<_>, _>>()?;
        return write(settings, &counted);
    }
    let mut results: Vec<_> = groups.map(|group| show(group.measure(settings.rounds))).collect();
    if settings.wants(driver::TIME) || settings.wants(driver::WORK) {
        results.extend(driver::results(settings.rounds).into_iter().map(show));
    }
    if batch::WINDOWS.iter().any(|(_, name)| settings.wants(name)) {
        results.extend(batch::results(settings.rounds).into_iter().map(show));
    }
    if settings.wants(journal::PACED) || settings.wants(journal::QUICK) {
        results.extend(journal::results(settings.rounds).into_iter().map(show));
    }
    if settings.wants(networks::PUT) || settings.wants(networks::GET) {
        results.extend(networks::results(settings.rounds).into_iter().map(show));
    }
    // Sessions of a second each: a report of its own, with bytes and round trips besides times.
    if settings.wants(reconcile::NAME) {
        reconcile::report(settings.rounds);
    }
    if settings.wants(memory::NAME) {
        results.push(show(memory::result()));
    }
    write(settings, &results)
}

/// Prints a result as soon as it is there.
fn show<T: Display>(result: T) -> T {
    println!("{result}");
    result
}

fn write<T: Serialize>(settings: &Settings, results: &[T]) -> Result<(), String> {
    let Some(path) = &settings.json else { return Ok(()) };
    let text = serde_json::to_string_pretty(results).expect("plain data");
    std::fs::write(path, text + "\n").map_err(|error| format!("{path}: {error}"))
}
