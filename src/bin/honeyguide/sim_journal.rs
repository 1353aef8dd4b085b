//! One node's run in a small world, as a journal: what it saw, without the world.

use std::io::Write;
use std::path::{Path, PathBuf};

use honeyguide::sim::swarm::{self, SwarmRun};
use honeyguide::sim::{Journals, NodeJournal};
use serde_json::json;

use crate::caught::caught;
use crate::cause::cause;
use crate::escape;
use crate::failed::Failed;
use crate::file;
use crate::journal_file::{self, Head};
use crate::options::Options;
use crate::sim_jobs::{self, Came};

/// How the world went, and the journal that was asked for.
type Ran = (Came<SwarmRun>, Result<NodeJournal, String>);

/// Runs the world of a seed up to its first complaint.
pub async fn run(options: &Options, seed: u64, host: Option<u32>, path: PathBuf) -> Result<(), Failed> {
    file::can_be_new(&path)?;
    let (out, name) = (options.out(), path.display().to_string());
    let mut ran = None;
    sim_jobs::run(
        options,
        1,
        |_| format!("seed {seed}"),
        move |_| record(seed, host),
        |_, came| {
            ran = Some(came);
            Ok(())
        },
    )
    .await?;
    let (came, journal) = match ran {
        Some(Ok(ran)) => ran,
        Some(Err(panic)) => return Err(panic.into()),
        None => return Err("the world was not run".into()),
    };
    let journal = journal.map_err(Failed::usage)?;
    write(&path, &Head::simulated(seed, &journal), &journal)?;
    let complaints = match came {
        Ok(run) => run.complaints,
        Err(panic) => vec![format!("it has come to a panic: {panic}")],
    };
    let number = journal.host.number();
    for complaint in &complaints {
        out.line(format_args!("seed {seed}: {}", escape::line(complaint)), json!({ "complaint": complaint }))?;
    }
    let object = json!({ "seed": seed, "host": number, "journal": name });
    out.line(format_args!("the run of node {number} is in {name}"), object)?;
    match complaints.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "in the world of seed {seed} something does not hold: `honeyguide replay {name}` runs node {number} again"
        )
        .into()),
    }
}

fn record(seed: u64, host: Option<u32>) -> Ran {
    let journals = Journals::default();
    let came = caught(|| swarm::record(seed, &journals));
    let blamed = came.as_ref().ok().and_then(|run| run.blamed).and_then(|host| journals.newest(host));
    let journal = match host {
        None => blamed.or_else(|| journals.last()).ok_or_else(|| "no node was called".into()),
        Some(number) => {
            let hosts = journals.hosts();
            let host = hosts.iter().find(|host| host.number() == number);
            host.and_then(|host| journals.newest(*host)).ok_or_else(|| {
                let last = hosts.last().map_or(0, |host| host.number());
                format!("no node of the world of seed {seed} has the number {number}: the last one has {last}")
            })
        }
    };
    (came, journal)
}

fn write(path: &Path, head: &Head, journal: &NodeJournal) -> Result<(), Failed> {
    let mut file = journal_file::create(path, head)?;
    file.write_all(&journal.records).map_err(|error| {
        // Made just now, and half of it is worth nothing.
        let _ = std::fs::remove_file(path);
        format!("the journal {} cannot be written: {}", path.display(), cause(&error)).into()
    })
}
