use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use honeyguide::negentropy::{Difference, Sealed, SortedSet, Step};
use indicatif::ProgressBar;
use serde_json::{Value, json};

use crate::negentropy_harness::{config, entry, initiator, make_room, responder};
use crate::options::{Failed, Options};
use crate::print::millis;

/// Find what two files of `timestamp,id` lines do not have in common, by the messages that two machines would exchange
#[derive(clap::Args)]
pub struct Args {
    /// The side that asks and learns
    a: PathBuf,
    /// The side that answers
    b: PathBuf,
    /// Split ranges by what is known of the differences; without it, the messages of the reference
    #[arg(long)]
    adaptive: bool,
    /// Longest message in bytes, at least 4096; 0 for no limit
    #[arg(long, value_name = "N", default_value_t = 0)]
    frame: usize,
    /// Print the ids: what A has and B lacks, then what A needs
    #[arg(long)]
    list: bool,
}

#[derive(Default)]
struct Times {
    build: Duration,
    initiate: Duration,
    client: Duration,
    server: Duration,
}

pub fn run(options: &Options, args: Args) -> Result<(), Failed> {
    let mut config = config(args.adaptive, args.frame);
    if options.seed.is_some() && args.adaptive {
        config.random_splits = Some(options.rng()?.bytes());
    }
    let (mut client, mut server) = (initiator(config.clone())?, responder(config)?);
    let bar = options.progress("reading");
    let mut times = Times::default();
    let a = read(&args.a, &bar, &mut times)?;
    let b = read(&args.b, &bar, &mut times)?;

    bar.set_message("reconciling");
    let (mut have, mut need) = (BTreeSet::new(), BTreeSet::new());
    let (mut out, mut answer) = (Vec::new(), Vec::new());
    make_room(&mut out, a.len(), 0);
    let mut len = timed(&mut times.initiate, || client.initiate(&a, &mut out)).map_err(|error| error.to_string())?;
    let (mut rounds, mut up, mut down) = (0u64, 0, 0);
    loop {
        rounds += 1;
        up += len;
        make_room(&mut answer, b.len(), len);
        let step = timed(&mut times.server, || server.reconcile(&b, &out[..len], &mut answer, &mut |_| ()));
        let Step::Reply(reply) = step.map_err(|error| error.to_string())? else { break };
        down += reply;
        make_room(&mut out, a.len(), reply);
        let mut found = Vec::new();
        let step = timed(&mut times.client, || {
            client.reconcile(&a, &answer[..reply], &mut out, &mut |difference| {
                found.push(match difference {
                    Difference::Have(id) => (true, *id),
                    Difference::Need(id) => (false, *id),
                });
            })
        });
        for (ours, id) in found {
            if ours {
                have.insert(id)
            } else {
                need.insert(id)
            };
        }
        bar.set_message(format!("round {rounds}: have {}, need {}", have.len(), need.len()));
        match step.map_err(|error| error.to_string())? {
            Step::Reply(next) => len = next,
            Step::Done => break,
        }
    }
    bar.finish_and_clear();

    let out = options.out();
    if args.list {
        for (side, ids) in [("have", &have), ("need", &need)] {
            for id in ids {
                let id = hex::encode(id);
                out.line(format_args!("{side},{id}"), &[(side, json!(id))])?;
            }
        }
    }
    let ms = |duration| json!(millis(duration));
    let text = format!(
        "{} only in A, {} only in B; {rounds} rounds, {up} bytes up, {down} bytes down; build {:.1} ms, initiate {:.3} ms, \
         client {:.3} ms, server {:.3} ms",
        have.len(),
        need.len(),
        millis(times.build),
        millis(times.initiate),
        millis(times.client),
        millis(times.server)
    );
    let fields: [(&str, Value); 6] = [
        ("have", json!(have.len())),
        ("need", json!(need.len())),
        ("rounds", json!(rounds)),
        ("bytes_up", json!(up)),
        ("bytes_down", json!(down)),
        (
            "ms",
            json!({"build": ms(times.build), "initiate": ms(times.initiate), "client": ms(times.client),
                   "server": ms(times.server)}),
        ),
    ];
    out.line(text, &fields)
}

fn read(path: &Path, bar: &ProgressBar, times: &mut Times) -> Result<Sealed, Failed> {
    let name = path.display();
    let file = std::fs::File::open(path).map_err(|error| format!("{name} cannot be opened: {error}"))?;
    let mut entries = Vec::new();
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(|error| format!("{name} cannot be read: {error}"))?;
        if !line.trim().is_empty() {
            let entry =
                entry(&line).map_err(|Failed { sentence, .. }| format!("{name}, line {}: {sentence}", number + 1));
            entries.push(entry?);
        }
        if number % 65_536 == 0 {
            bar.set_message(format!("reading {name}: {number} lines"));
        }
    }
    let set = timed(&mut times.build, || Sealed::build(entries));
    set.map_err(|error| format!("{name}: {error}").into())
}

fn timed<R>(total: &mut Duration, work: impl FnOnce() -> R) -> R {
    let start = Instant::now();
    let result = work();
    *total += start.elapsed();
    result
}
