use std::path::{Path, PathBuf};
use std::time::Duration;

use honeyguide::adapters::{ReplayError, Replayed};
use honeyguide::{Instant, Node};
use serde_json::{Value, json};

use crate::count::count;
use crate::explain::Explainer;
use crate::failed::Failed;
use crate::guarded::{Guarded, NodePanic, Stop};
use crate::journal_file::{self, Journal};
use crate::node::hash_text;
use crate::options::{self, Options};
use crate::print::{Out, say};

/// Run a journal again and print the hash of the output stream
#[derive(clap::Args)]
// One is always needed, though it may stand behind --explain.
#[command(override_usage = "honeyguide replay [OPTIONS] <FILE>")]
pub struct Args {
    /// What `node --journal` recorded
    #[arg(required_unless_present = "explain", value_parser = options::named_file())]
    file: Option<PathBuf>,
    /// Stop so many seconds after the start of the run
    #[arg(long, value_name = "T", value_parser = options::seconds_or_none)]
    until: Option<Duration>,
    /// List the operations of the run, or tell what became of the one with this tag
    #[arg(long, value_name = "TAG", num_args = 0..=1, value_parser = options::named_file())]
    explain: Option<Option<PathBuf>>,
    /// Print the contacts that the node has at the end
    #[arg(long)]
    table: bool,
}

impl Args {
    /// Which journal, and what of it is to be explained. What follows `--explain` and is no number is the file.
    fn meant(&self) -> Result<(&Path, Option<Explained>), Failed> {
        let explained = self.explain.as_ref().map(Option::as_deref);
        match (self.file.as_deref(), explained) {
            (Some(file), None) => Ok((file, None)),
            (Some(file), Some(None)) => Ok((file, Some(Explained::All))),
            (Some(file), Some(Some(text))) => {
                let tag = tag(text).ok_or_else(|| no_tag(file, text))?;
                Ok((file, Some(Explained::One(tag))))
            }
            (None, Some(Some(file))) if tag(file).is_none() => Ok((file, Some(Explained::All))),
            (None, tag) => {
                let tag = tag.flatten().map(|tag| format!(" {}", tag.display())).unwrap_or_default();
                Err(Failed::usage(format!("<FILE> is missing: write `replay FILE --explain{tag}`")))
            }
        }
    }
}

/// What is to be explained.
#[derive(Clone, Copy)]
enum Explained {
    All,
    One(u64),
}

fn tag(text: &Path) -> Option<u64> {
    text.to_str()?.parse().ok()
}

fn no_tag(file: &Path, text: &Path) -> Failed {
    let (file, text, tag) = (file.display(), text.display(), tag(file));
    let right = match tag {
        Some(tag) => format!("`replay {text} --explain {tag}`"),
        None => format!("`replay {file} --explain TAG`, or `replay {file} --explain` for the list of all"),
    };
    Failed::usage(format!("'{text}' is no TAG for --explain, which is a number: write {right}"))
}

/// How far a journal was replayed.
enum Extent {
    ToItsEnd,
    Until,
    /// As far as it is true.
    To(ReplayError),
    Panic(NodePanic),
}

pub fn run(options: &Options, args: Args) -> Result<(), Failed> {
    let (file, explained) = args.meant()?;
    let (out, shown) = (options.out(), file.display());
    let journal = journal_file::open(file)?;
    let mut node = journal.head.node().map_err(|error| format!("{shown}: the node cannot be made: {error}"))?;
    let mut guarded = Guarded::new(&journal.records);
    let begin = guarded.replay.next_at().unwrap_or(Instant::ZERO);
    let mut explainer = Explainer::new(begin);
    if explained.is_some() {
        explainer.attach(&mut node);
    }
    let extent = go(&mut guarded, &mut node, &mut explainer, args.until.map(|until| begin + until));
    let replay = guarded.replay;
    let mut unknown = None;
    match explained {
        Some(Explained::All) => explainer.print_operations(out)?,
        Some(Explained::One(tag)) if !explainer.print_timeline(out, tag)? => unknown = Some(tag),
        Some(Explained::One(_)) | None => {}
    }
    if args.table && !matches!(extent, Extent::Panic(_)) {
        print_table(out, &node)?;
    }
    let seconds = replay.now().since(begin).as_secs_f64();
    let (calls, hashes) = (count(replay.calls(), "call"), replay.marks());
    let held = if hashes == 1 { "holds" } else { "hold" };
    let far = format!("{calls} in {seconds:.3} s, {} {held}", count(hashes, "hash"));
    let end = match extent {
        Extent::ToItsEnd => "end",
        Extent::Until => "until",
        Extent::To(error) if error.is_cut() => {
            let at = journal.byte(error.sound());
            say(format_args!("{shown} has no end, it was cut after byte {at}; up to there it is true ({far})"));
            "cut"
        }
        Extent::To(error) => return Err(journal.untrue(shown, error, &format!(" ({far})"))),
        Extent::Panic(panic) => return Err(panicked(&journal, &panic, &shown.to_string())),
    };
    if let Some(tag) = unknown {
        return Err(format!("{shown}: there is no operation with the tag {tag}: --explain lists them").into());
    }
    if journal.head.version.is_none() {
        say(format_args!("{shown} is of format 2, without hashes: nothing tells whether this is what happened"));
    }
    let hash = hash_text(replay.hash());
    out.line(
        format_args!("hash {hash}"),
        json!({ "hash": hash, "calls": replay.calls(), "marks": replay.marks(), "seconds": seconds, "end": end }),
    )
}

fn go(guarded: &mut Guarded<'_>, node: &mut Node<'_>, explainer: &mut Explainer, until: Option<Instant>) -> Extent {
    let mut see = |step: Replayed<'_>| explainer.see(step);
    loop {
        let is_last = until.is_some_and(|until| guarded.replay.next_at().is_some_and(|at| at > until));
        let stepped = match is_last {
            // What the last call before it led to.
            true => guarded.drain(node, &mut see).map(|()| true),
            false => guarded.step(node, &mut see),
        };
        match stepped {
            Ok(_) if is_last => return Extent::Until,
            Ok(true) => {}
            Ok(false) => return Extent::ToItsEnd,
            Err(Stop::Untrue(error)) => return Extent::To(error),
            Err(Stop::Panic(panic)) => return Extent::Panic(panic),
        }
    }
}

/// A node that panics is a fault of this program, and the journal is what it can be found with.
fn panicked(journal: &Journal, panic: &NodePanic, shown: &str) -> Failed {
    let program = std::env::args().next().unwrap_or("honeyguide".into());
    format!(
        "{shown}: {}; that is a fault of honeyguide: `{program} journal shrink {shown} OUT -- {program} replay` makes \
         a short journal of it, and `{program} journal scrub` one that can be handed on",
        panic.text(journal.byte(panic.at))
    )
    .into()
}

fn print_table(out: Out, node: &Node<'_>) -> Result<(), Failed> {
    for (link, contact) in node.contacts() {
        let (link, id, addr) = (link.0, contact.id.to_string(), contact.endpoint.to_string());
        let health = format!("{:?}", contact.health).to_lowercase();
        let rtt = contact.rtt.map_or(Value::Null, |rtt| crate::print::millis(rtt).into());
        out.line(
            format_args!("link {link} {id} {addr} {health}"),
            json!({ "link": link, "id": id, "addr": addr, "health": health, "rtt_ms": rtt, "secure": contact.secure }),
        )?;
    }
    Ok(())
}
