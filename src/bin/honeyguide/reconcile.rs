use std::collections::BTreeSet;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use honeyguide::negentropy::{Difference, Entry, Reconciler, Sealed, SortedSet, Step};
use indicatif::ProgressBar;
use serde_json::json;

use crate::cause::cause;
use crate::count::count;
use crate::failed::Failed;
use crate::lines::Lines;
use crate::options::{self, Options};
use crate::print::{Out, millis, say};
use crate::randomness::Randomness;
use crate::reconcilers::{ENTRY_LINE, config, entry, grow, initiator, responder};
use crate::small_file::{self, shown};
use crate::standard;

/// Find what two files of `timestamp,id` lines do not have in common, by the messages that two machines would exchange
///
/// Ids have to be uniform hashes: what is compared are sums of ids, and those of numbers or counters collide (1 + 4 =
/// 2 + 3), so that differences are missed. As both files are at hand, what was found is compared with what there is to
/// be found: if anything was missed, the command fails and says how much. `--salted` finds it.
#[derive(clap::Args)]
pub struct Args {
    /// The side that asks and learns; `-` is standard input
    a: PathBuf,
    /// The side that answers; `-` is standard input
    b: PathBuf,
    /// Split ranges by what is known of the differences; without it, the messages of the reference
    #[arg(long)]
    adaptive: bool,
    /// Longest message in bytes, at least 4096; 0 for no limit
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = options::frame)]
    frame: usize,
    /// Run a second session over salted ids, and join what both found: for files whose ids are no hashes, or were made
    /// up by somebody else
    #[arg(long)]
    salted: bool,
    /// Print the ids: what A has and B lacks, then what A needs
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    random: Randomness,
}

pub fn run(options: &Options, args: Args) -> Result<(), Failed> {
    if [&args.a, &args.b].into_iter().all(|path| standard::is_stream(path)) {
        return Err(Failed::usage("A and B cannot both come from standard input: name a file for one"));
    }
    let mut config = config(args.adaptive, args.frame);
    if args.random.seed.is_some() && args.adaptive {
        config.random_splits = Some(args.random.rng()?.bytes());
    }
    let sides = || Ok::<_, Failed>((initiator(config.clone())?, responder(config.clone())?));
    let first = sides()?;
    let bar = options.progress("reading");
    let mut exchange = Exchange::default();
    let a = read(&args.a, &bar, &mut exchange.times)?;
    let b = read(&args.b, &bar, &mut exchange.times)?;
    bar.set_message("reconciling");
    exchange.run(first, &a, &b, &bar)?;
    if args.salted {
        exchange.run_salted(sides()?, &a, &b, &args.random.rng()?.bytes(), &bar)?;
    }
    bar.finish_and_clear();
    exchange.check(&a, &b)?;
    let out = options.out();
    if args.list {
        exchange.list(out)?;
    }
    exchange.report(out)
}

/// What two sides said to each other, and what came of it.
#[derive(Default)]
struct Exchange {
    have: BTreeSet<[u8; 32]>,
    need: BTreeSet<[u8; 32]>,
    rounds: u64,
    up: usize,
    down: usize,
    times: Times,
}

#[derive(Default)]
struct Times {
    build: Duration,
    initiate: Duration,
    client: Duration,
    server: Duration,
}

impl Exchange {
    fn run(
        &mut self,
        (mut client, mut server): (Reconciler<'_>, Reconciler<'_>),
        a: &Sealed,
        b: &Sealed,
        bar: &ProgressBar,
    ) -> Result<(), Failed> {
        let (mut message, mut answer) = (Vec::new(), Vec::new());
        grow(&mut message, a.len(), 0);
        let len = timed(&mut self.times.initiate, || client.initiate(a, &mut message));
        let mut len = len.map_err(|error| error.to_string())?;
        loop {
            self.rounds += 1;
            self.up += len;
            grow(&mut answer, b.len(), len);
            let step = timed(&mut self.times.server, || server.reconcile(b, &message[..len], &mut answer, &mut |_| ()));
            let Step::Reply(reply) = step.map_err(|error| error.to_string())? else { return Ok(()) };
            self.down += reply;
            grow(&mut message, a.len(), reply);
            let mut found = Vec::new();
            let step = timed(&mut self.times.client, || {
                client.reconcile(a, &answer[..reply], &mut message, &mut |difference| {
                    found.push(match difference {
                        Difference::Have(id) => (true, *id),
                        Difference::Need(id) => (false, *id),
                    });
                })
            });
            for (ours, id) in found {
                if ours {
                    self.have.insert(id)
                } else {
                    self.need.insert(id)
                };
            }
            bar.set_message(format!("round {}: have {}, need {}", self.rounds, self.have.len(), self.need.len()));
            match step.map_err(|error| error.to_string())? {
                Step::Reply(next) => len = next,
                Step::Done => return Ok(()),
            }
        }
    }

    /// A session over salted ids, whose differences are told by the ids as they are.
    fn run_salted(
        &mut self,
        sides: (Reconciler<'_>, Reconciler<'_>),
        a: &Sealed,
        b: &Sealed,
        salt: &[u8; 32],
        bar: &ProgressBar,
    ) -> Result<(), Failed> {
        let salted = |set: &Sealed| set.entries().iter().map(|entry| entry.salted(salt)).collect();
        let mut second = Exchange::default();
        let build = || Ok::<_, Failed>([sealed(salted(a))?, sealed(salted(b))?]);
        let [salted_a, salted_b] = timed(&mut self.times.build, build)?;
        second.run(sides, &salted_a, &salted_b, bar)?;
        for (set, found, ids) in [(a, &second.have, &mut self.have), (b, &second.need, &mut self.need)] {
            ids.extend(
                set.entries().iter().filter(|entry| found.contains(&entry.salted(salt).id)).map(|entry| entry.id),
            );
        }
        self.rounds += second.rounds;
        self.up += second.up;
        self.down += second.down;
        self.times.initiate += second.times.initiate;
        self.times.client += second.times.client;
        self.times.server += second.times.server;
        Ok(())
    }

    /// Whether all was found that only one of the files has (N35). What both have is taken out.
    fn check(&mut self, a: &Sealed, b: &Sealed) -> Result<(), Failed> {
        let [only_a, only_b] = [(a, b), (b, a)].map(|(one, other)| only_in(one, other));
        // An id with two timestamps is in both files, and may be told or not (N12).
        let differ: BTreeSet<[u8; 32]> = only_a.union(&only_b).copied().collect();
        let [of_a, of_b] = [a, b].map(|set| -> BTreeSet<[u8; 32]> {
            set.entries().iter().map(|entry| entry.id).filter(|id| differ.contains(id)).collect()
        });
        let moved: BTreeSet<[u8; 32]> = of_a.intersection(&of_b).copied().collect();
        if !moved.is_empty() {
            say(format_args!(
                "{} in both files, and not with the same timestamps: that is no difference, as ids are what is told",
                count(moved.len(), "id")
            ));
        }
        self.have.retain(|id| !moved.contains(id));
        self.need.retain(|id| !moved.contains(id));
        let missed = |only: &BTreeSet<[u8; 32]>, found: &BTreeSet<[u8; 32]>| {
            only.iter().filter(|id| !moved.contains(*id) && !found.contains(*id)).count()
        };
        let (missed_a, missed_b) = (missed(&only_a, &self.have), missed(&only_b, &self.need));
        if missed_a + missed_b == 0 {
            return Ok(());
        }
        Err(format!(
            "{} that only A has, and {missed_b} that only B has, had to be found and were not, as different ids have \
             equal sums; ids have to be uniform hashes, or be reconciled with --salted",
            count(missed_a, "id")
        )
        .into())
    }

    fn list(&self, out: Out) -> Result<(), Failed> {
        for (side, file, ids) in [("have", "a", &self.have), ("need", "b", &self.need)] {
            for id in ids.iter().map(hex::encode) {
                out.line(format_args!("{side},{id}"), json!({ "id": id, "only_in": file }))?;
            }
        }
        Ok(())
    }

    fn report(&self, out: Out) -> Result<(), Failed> {
        let Exchange { have, need, rounds, up, down, times } = self;
        let (have, need) = (have.len(), need.len());
        let (build, initiate) = (millis(times.build), millis(times.initiate));
        let (client, server) = (millis(times.client), millis(times.server));
        out.line(
            format_args!(
                "{have} only in A, {need} only in B; {}, {} up, {} down; \
                 build {build:.1} ms, initiate {initiate:.3} ms, client {client:.3} ms, server {server:.3} ms",
                count(*rounds, "round"),
                count(*up, "byte"),
                count(*down, "byte")
            ),
            json!({
                "have": have,
                "need": need,
                "rounds": rounds,
                "bytes_up": up,
                "bytes_down": down,
                "ms": { "build": build, "initiate": initiate, "client": client, "server": server },
            }),
        )
    }
}

fn read(path: &Path, bar: &ProgressBar, times: &mut Times) -> Result<Sealed, Failed> {
    let name = shown(path);
    let file = small_file::open(path).map_err(|error| format!("{name} cannot be opened: {}", cause(&error)))?;
    let mut entries = Vec::new();
    let mut lines = Lines::new(BufReader::new(file));
    while let Some(line) = lines.next(ENTRY_LINE).map_err(|fault| format!("{name}, {fault}"))? {
        let found = (!line.trim().is_empty()).then(|| entry(line)).transpose();
        let number = lines.number;
        entries.extend(found.map_err(|Failed { sentence, .. }| format!("{name}, line {number}: {sentence}"))?);
        if number % 65_536 == 0 {
            bar.set_message(format!("reading {name}: {}", count(number, "line")));
        }
    }
    let lines = entries.len();
    let set = timed(&mut times.build, || sealed(entries));
    let set = set.map_err(|Failed { sentence, .. }| format!("{name}: {sentence}"))?;
    let repeated = lines - set.len();
    if repeated > 0 {
        // Of repetitions one counts (N5).
        let (stand, count) = if repeated == 1 { ("stands", "counts") } else { ("stand", "count") };
        say(format_args!("{name}: {repeated} of {lines} entries {stand} there before, and {count} once"));
    }
    Ok(set)
}

fn sealed(entries: Vec<Entry>) -> Result<Sealed, Failed> {
    Sealed::build(entries).map_err(|error| error.to_string().into())
}

/// The ids of the entries that `one` has and `other` has not.
fn only_in(one: &Sealed, other: &Sealed) -> BTreeSet<[u8; 32]> {
    let (mut ids, mut theirs) = (BTreeSet::new(), other.entries().iter().peekable());
    for entry in one.entries() {
        while theirs.next_if(|other| *other < entry).is_some() {}
        if theirs.peek() != Some(&entry) {
            ids.insert(entry.id);
        }
    }
    ids
}

fn timed<R>(total: &mut Duration, work: impl FnOnce() -> R) -> R {
    let start = Instant::now();
    let result = work();
    *total += start.elapsed();
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule N35.
    #[test]
    fn what_is_missed_on_one_side_alone_is_missed() {
        let entry = |n: u8| Entry { timestamp: n.into(), id: [n; 32] };
        let set = |numbers: &[u8]| sealed(numbers.iter().copied().map(entry).collect()).unwrap();
        let (one, other) = (set(&[1, 2]), set(&[1]));
        for (a, b, words) in [(&one, &other, "1 id that only A has"), (&other, &one, "1 that only B has")] {
            let failed = Exchange::default().check(a, b).unwrap_err();
            assert!(failed.sentence.contains(words), "{failed:?}");
        }
        let mut exchange = Exchange { have: [[2; 32]].into(), ..Exchange::default() };
        assert!(exchange.check(&one, &other).is_ok());
    }

    #[test]
    fn how_far_a_long_file_is_read_is_told_at_times() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let lines: String = (0..65_537).map(|n| format!("{n},{n:064x}\n")).collect();
        std::io::Write::write_all(&mut file, lines.as_bytes()).unwrap();
        let (bar, name) = (ProgressBar::hidden(), file.path().display());
        assert_eq!(read(file.path(), &bar, &mut Times::default()).unwrap().len(), 65_537);
        assert_eq!(bar.message(), format!("reading {name}: 65536 lines"));
    }
}
