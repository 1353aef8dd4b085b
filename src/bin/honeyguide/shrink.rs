//! The shortest run that still fails: calls are left out as long as a check of the user's says that what is left fails.
//!
//! Delta debugging (Zeller, Hildebrandt, "Simplifying and isolating failure-inducing input", 2002): large parts first,
//! then smaller ones, until no single call can go. Each run is made anew, since without a call the node puts out
//! something else. The best so far is always in the file.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use honeyguide::dht::Buffer;
use honeyguide::dht::journal::{Call, OutputHash, Record};
use honeyguide::{Config, Endpoint, Instant, Node, Output};
use serde_json::json;

use crate::caught::caught;
use crate::cause::cause;
use crate::count::count;
use crate::failed::Failed;
use crate::file::{self, Owned};
use crate::guarded::{Guarded, Stop};
use crate::journal_file::{self, Head, Journal};
use crate::options::{self, Options};
use crate::print::say;
use crate::worker;

/// Checks at most: a run of a thousand calls that all have to stay takes about two thousand.
const MOST_CHECKS: u32 = 20_000;
/// How often a running check is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// A signal that has ended a check has reached us, too, after this time.
const SIGNAL: Duration = Duration::from_millis(10);
/// Calls between two hashes in the journal.
const MARK_EVERY: usize = 64;

/// Write the shortest run of a journal for which a check still fails
#[derive(clap::Args)]
pub struct Args {
    /// What `node --journal` recorded
    #[arg(value_parser = options::named_file())]
    file: PathBuf,
    /// File to create; it is never overwritten
    #[arg(value_parser = options::named_file())]
    out: PathBuf,
    /// A program and its arguments, started with the path of a journal as the last one; it fails with any exit code
    /// but 0
    #[arg(last = true, required = true, value_name = "CHECK")]
    check: Vec<OsString>,
}

pub async fn run(options: &Options, args: Args) -> Result<(), Failed> {
    let (stop, out) = (Arc::new(AtomicBool::new(false)), options.out());
    let (mut ending, path) = (std::pin::pin!(options.ending()), args.file.clone());
    // What is there may be a device, which would keep whoever looks into it.
    file::can_be_new(&args.out)?;
    // A pipe may never be written to.
    let opening = worker::work(move || journal_file::open(&path));
    let journal = tokio::select! {
        opened = opening => opened??,
        why = &mut ending => return Err(why.into()),
    };
    let is_stopped = stop.clone();
    let mut working = worker::work(move || shrink(&args, journal, &is_stopped, MOST_CHECKS));
    let (why, worked) = tokio::select! {
        worked = &mut working => (None, worked),
        why = &mut ending => {
            stop.store(true, Ordering::Relaxed);
            (Some(Failed::from(why).sentence), working.await)
        }
    };
    let Shrunk { name, calls, of, checks, is_complete } = worked??;
    if let Some(why) = why {
        return Err(format!("{why}: the shortest run so far, of {calls} of {}, is in {name}", count(of, "call")).into());
    }
    if !is_complete {
        say(format_args!(
            "no more is tried than {}: the run in {name} may not be the shortest, and can be shrunk again",
            count(checks, "check")
        ));
    }
    out.line(
        format_args!("left: {calls} of {} after {}", count(of, "call"), count(checks, "check")),
        json!({ "calls": calls, "of": of, "checks": checks, "complete": is_complete }),
    )
}

/// What is left.
struct Shrunk {
    name: String,
    calls: usize,
    of: usize,
    checks: u32,
    /// Nothing more can be left out.
    is_complete: bool,
}

fn shrink(args: &Args, journal: Journal, stop: &AtomicBool, most_checks: u32) -> Result<Shrunk, Failed> {
    let (shown, name) = (args.file.display().to_string(), args.out.display().to_string());
    look_at(&journal, &shown, stop)?;
    let records = calls(&journal.records);
    let owned =
        Owned::take(&args.out, b"", 0).map_err(|error| format!("{name} cannot be created: {}", cause(&error)))?;
    if !owned.is_new() {
        return Err(format!("{name} exists and was left as it is: name a new file").into());
    }
    // The hashes are those of this program, whoever recorded it.
    let head = Head { version: Some(env!("CARGO_PKG_VERSION").into()), ..journal.head };
    let (beside, check, checks) = (&*args.out, &*args.check, 0);
    let mut shrinking = Shrinking { head, records, check, out: owned, beside, stop, checks, most_checks };
    let whole: Vec<usize> = (0..shrinking.records.len()).collect();
    if !shrinking.fails(&whole)? {
        let sentence = match stop.load(Ordering::Relaxed) {
            true => "interrupted before the check had failed once".into(),
            false => format!("the check does not fail for {shown} as a whole: it has to exit with another code than 0"),
        };
        return Err(sentence.into());
    }
    let of = whole.len();
    let (left, is_complete) = shrinking.minimise(whole)?;
    Ok(Shrunk { name, calls: left.len(), of, checks: shrinking.checks, is_complete })
}

/// What is damaged is refused; what was cut, or is not what this program does, is said and shrunk all the same.
fn look_at(journal: &Journal, shown: &str, stop: &AtomicBool) -> Result<(), Failed> {
    let mut node = journal.head.node().map_err(|error| format!("{shown}: the node cannot be made: {error}"))?;
    let mut guarded = Guarded::new(&journal.records);
    while !stop.load(Ordering::Relaxed) {
        match guarded.step(&mut node, &mut |_| {}) {
            Ok(true) => {}
            Ok(false) | Err(Stop::Panic(_)) => return Ok(()),
            Err(Stop::Untrue(error)) if error.is_cut() || error.differs() => {
                let (at, why) = (journal.byte(error.sound()), error.reason());
                say(format_args!("{shown} is true up to byte {at}, and its calls are shrunk all the same: {why}"));
                return Ok(());
            }
            Err(Stop::Untrue(error)) => return Err(journal.untrue(shown, error, "")),
        }
    }
    Ok(())
}

/// Each call of a journal as far as it is whole.
fn calls(mut records: &[u8]) -> Vec<Vec<u8>> {
    let mut calls = Vec::new();
    loop {
        let mut nodes = [Endpoint::UNSPECIFIED; Config::MAX_BOOTSTRAP_NODES];
        let Ok((record, rest)) = Record::decode(records, &mut nodes) else { return calls };
        let (left, is_call) = (rest.len(), !matches!(record.call, Call::Mark { .. }));
        if let Call::End = record.call {
            return calls;
        }
        let (this, rest) = records.split_at(records.len() - left);
        if is_call {
            calls.push(this.to_vec());
        }
        records = rest;
    }
}

struct Shrinking<'a> {
    head: Head,
    records: Vec<Vec<u8>>,
    check: &'a [OsString],
    out: Owned,
    /// Where the best so far is, and what is checked beside it.
    beside: &'a Path,
    stop: &'a AtomicBool,
    checks: u32,
    most_checks: u32,
}

impl Shrinking<'_> {
    /// Leaves out what can be left out of a run that fails; false when there are no more checks for that.
    fn minimise(&mut self, mut left: Vec<usize>) -> Result<(Vec<usize>, bool), Failed> {
        let mut parts = 2;
        while left.len() > 1 {
            let size = left.len().div_ceil(parts);
            let (mut from, mut is_shorter) = (0, false);
            // Less than all of it is left out: a run without any call is the last one to be tried.
            while from < left.len() && left.len() > size {
                if self.is_over() {
                    return Ok((left, false));
                }
                let part = from..left.len().min(from + size);
                let rest: Vec<usize> = [&left[..part.start], &left[part.end..]].concat();
                if self.fails(&rest)? {
                    (left, is_shorter) = (rest, true);
                    say(format_args!("left: {} after {}", count(left.len(), "call"), count(self.checks, "check")));
                } else {
                    from = part.end;
                }
            }
            match (is_shorter, size) {
                (false, 1) => break,
                (false, _) => parts = (parts * 2).min(left.len()),
                (true, _) => parts = parts.min(left.len()).max(2),
            }
        }
        if left.len() != 1 {
            return Ok((left, true));
        }
        if self.is_over() {
            return Ok((left, false));
        }
        if self.fails(&[])? {
            left.clear();
        }
        Ok((left, true))
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.checks >= self.most_checks
    }

    /// Whether the check fails for a run of these calls; it is the best so far then, and is kept.
    fn fails(&mut self, chosen: &[usize]) -> Result<bool, Failed> {
        let front = self.head.encode().map_err(|error| error.to_string())?;
        let node = self.head.node().map_err(|error| format!("the node cannot be made: {error}"))?;
        let run = Run::of(node, chosen.iter().map(|i| self.records[*i].as_slice()), self.stop);
        let journal = [front, run].concat();
        let name = self.beside.display();
        let candidate = file::beside(self.beside, &journal)
            .map_err(|error| format!("no journal for the check can be written beside {name}: {}", cause(&error)))?;
        let (program, arguments) = self.check.split_first().ok_or("there is no check")?;
        self.checks += 1;
        let mut command = Command::new(program);
        command.args(arguments).arg(candidate.path());
        let started = alone(&mut command).spawn();
        let child = started
            .map_err(|error| format!("the check \"{}\" cannot be started: {}", program.display(), cause(&error)))?;
        let Some(status) = self.wait(child)? else { return Ok(false) };
        if status.success() {
            return Ok(false);
        }
        std::thread::sleep(SIGNAL);
        if self.stop.load(Ordering::Relaxed) {
            return Ok(false);
        }
        self.out.replace(&journal).map_err(|error| format!("{name} cannot be written: {}", cause(&error)))?;
        Ok(true)
    }

    /// How the check ended; `None` when it was ended because we are to end.
    fn wait(&self, mut child: Child) -> Result<Option<ExitStatus>, Failed> {
        loop {
            let ended =
                child.try_wait().map_err(|error| format!("the check cannot be waited for: {}", cause(&error)))?;
            if let Some(status) = ended {
                return Ok(Some(status));
            }
            if self.stop.load(Ordering::Relaxed) {
                end(&mut child);
                return Ok(None);
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

/// A command that neither hears what is typed nor says anything, and is in a group of its own with all that it starts:
/// a signal for us is none for it.
fn alone(command: &mut Command) -> &mut Command {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null())
}

/// Ends it, with all that it has started.
fn end(child: &mut Child) {
    #[cfg(unix)]
    if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// A run that is made anew.
#[derive(Default)]
struct Run {
    bytes: Vec<u8>,
    hash: OutputHash,
    polls: u32,
    now: Instant,
}

impl Run {
    /// The records of a run of these calls. A node that panics ends it without an end, as it did when it was recorded.
    fn of<'r>(mut node: Node<'_>, calls: impl Iterator<Item = &'r [u8]>, stop: &AtomicBool) -> Vec<u8> {
        let mut run = Run::default();
        let made = caught(|| {
            let mut buffer: Buffer = [0; 1500];
            for (i, call) in calls.enumerate() {
                let mut nodes = [Endpoint::UNSPECIFIED; Config::MAX_BOOTSTRAP_NODES];
                let Ok((record, _)) = Record::decode(call, &mut nodes) else { continue };
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                run.now = record.now;
                if i % MARK_EVERY == MARK_EVERY - 1 {
                    run.write(Call::Mark { hash: run.hash.finish() });
                }
                run.write(record.call);
                let _ = record.call.apply(&mut node, record.now);
                loop {
                    let output = node.poll_output(&mut buffer);
                    run.polls += 1;
                    run.hash.add(&output);
                    if let Output::Timeout(_) = output {
                        break;
                    }
                }
            }
        });
        run.write(Call::Mark { hash: run.hash.finish() });
        if made.is_ok() {
            run.write(Call::End);
        }
        run.bytes
    }

    fn write(&mut self, call: Call<'_>) {
        let mut bytes = [0; Record::MAX_LEN];
        // There is room for any record.
        if let Ok(len) = (Record { polls: std::mem::take(&mut self.polls), now: self.now, call }).encode(&mut bytes) {
            self.bytes.extend_from_slice(&bytes[..len]);
        }
    }
}

#[cfg(test)]
mod tests {
    use honeyguide::Input;

    use super::*;
    use crate::guarded;

    /// Rule J12: what is left is a journal like any other, with a hash at every 64th call and at its end.
    #[test]
    fn a_run_that_is_made_anew_has_its_hashes_where_a_recorded_one_has_them() {
        let head = guarded::tests::head();
        let mut call = [0; Record::MAX_LEN];
        let timeout = Record { polls: 0, now: Instant::ZERO, call: Call::Input(Input::Timeout) };
        let len = timeout.encode(&mut call).unwrap();
        for (calls, marks) in [(0, vec![0]), (63, vec![63]), (64, vec![63, 65]), (200, vec![63, 128, 193, 203])] {
            let calls = std::iter::repeat_n(&call[..len], calls);
            let bytes = Run::of(head.node().unwrap(), calls, &AtomicBool::new(false));
            let (mut rest, mut places, mut records) = (&bytes[..], Vec::new(), 0);
            while !rest.is_empty() {
                let mut nodes = [Endpoint::UNSPECIFIED; Config::MAX_BOOTSTRAP_NODES];
                let (record, after) = Record::decode(rest, &mut nodes).unwrap();
                if let Call::Mark { .. } = record.call {
                    places.push(records);
                }
                let left = after.len();
                (rest, records) = (&rest[rest.len() - left..], records + 1);
            }
            assert_eq!(places, marks);
        }
    }

    /// Rule J12.
    #[test]
    fn a_shrinking_that_ran_out_of_checks_says_so() {
        let _alone = file::tests::CHILDREN.write();
        let out = std::env::temp_dir().join(format!("honeyguide-shrink-{}", std::process::id()));
        let (records, _) = guarded::tests::records();
        let shrunk = |most_checks| {
            // It fails whatever is left.
            let args = Args { file: "journal".into(), out: out.clone(), check: vec!["false".into()] };
            let journal = Journal::of(guarded::tests::head(), records.clone());
            let shrunk = shrink(&args, journal, &AtomicBool::new(false), most_checks).unwrap();
            std::fs::remove_file(&out).unwrap();
            (shrunk.calls, shrunk.checks, shrunk.is_complete)
        };
        let (calls, needed, is_complete) = shrunk(MOST_CHECKS);
        assert!(calls == 0 && is_complete && needed > 1);
        assert_eq!(shrunk(needed), (0, needed, true));
        let (calls, checks, is_complete) = shrunk(needed - 1);
        assert!(calls > 0 && checks == needed - 1 && !is_complete);
    }

    /// Rules J12 and J18.
    #[test]
    fn a_run_in_which_the_node_panics_ends_with_the_call_that_it_panics_at() {
        let (records, _) = guarded::tests::records();
        for (on, made) in [("Dropped", 2), ("QuerySent", 1)] {
            let calls = calls(&records);
            let node = guarded::tests::panicking(on);
            let bytes = Run::of(node, calls.iter().map(Vec::as_slice), &AtomicBool::new(false));
            assert_eq!(super::calls(&bytes).len(), made, "{on}");
            let mut guarded = guarded::Guarded::new(&bytes);
            let mut node = guarded::tests::panicking(on);
            let stop = loop {
                if let Err(stop) = guarded.step(&mut node, &mut |_| {}) {
                    break stop;
                }
            };
            assert!(matches!(stop, guarded::Stop::Panic(_)), "{on}");
            let mut whole = guarded::Guarded::new(&bytes);
            let mut sound = guarded::tests::head().node().unwrap();
            while whole.step(&mut sound, &mut |_| {}).is_ok() {}
            assert_eq!(whole.replay.at(), bytes.len(), "a node that is mended puts out the same up to there");
        }
    }
}
