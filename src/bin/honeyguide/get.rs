use std::path::PathBuf;

use honeyguide::adapters::{Found, Handle, Operation, Signed};
use honeyguide::dht::Freshness;
use honeyguide::dht::Reason;
use honeyguide::krpc::{Item, Mutable};
use honeyguide::{Id, Outcome};

use serde_json::json;

use crate::asking::Asking;
use crate::count::count;
use crate::escape;
use crate::failed::Failed;
use crate::joining_options::Asks;
use crate::options::{self, Options};
use crate::output;
use crate::pkarr;
use crate::print::{outcome_json, outcome_text, say};

/// Find a stored item: an immutable one by its target, a signed one by its public key (BEP 44)
///
/// A value that is printable text is printed as such, any other in hex as it is stored, in bencode.
#[derive(clap::Args)]
pub struct Args {
    /// Target of an immutable item, 40 hex digits
    #[arg(value_parser = target, conflicts_with_all = ["key", "pkarr"])]
    target: Option<Id>,
    /// Public key of a signed item, 64 hex digits
    #[arg(long, value_name = "PUBKEY", value_parser = options::key, conflicts_with = "pkarr")]
    key: Option<[u8; 32]>,
    /// Public key of a pkarr packet, 52 characters of z-base-32
    #[arg(long, value_name = "KEY", value_parser = pkarr::key)]
    pkarr: Option<[u8; 32]>,
    /// Salt of the signed item
    #[arg(long, value_name = "S", value_parser = options::salt, conflicts_with_all = ["target", "pkarr"])]
    salt: Option<String>,
    /// The highest sequence number that the closest nodes hold (the default without -n)
    #[arg(long, conflicts_with_all = ["target", "first", "newer_than"])]
    newest: bool,
    /// The first version that is found, or with -n that so many nodes have returned
    #[arg(long, conflicts_with = "target")]
    first: bool,
    /// Only a version with a higher sequence number than this one
    #[arg(long, value_name = "SEQ", value_parser = options::seq, conflicts_with_all = ["target", "first"])]
    newer_than: Option<i64>,
    /// Done when so many nodes have returned a valid copy, with --newest when all near ones have answered; fewer are a
    /// failure. Not all that hold one need be found, but for the eight nearest
    #[arg(short = 'n', value_name = "N", value_parser = options::whole::<u16>(1..=u16::MAX.into()))]
    copies: Option<u16>,
    /// Write the bytes of the value, as they were given to `put`, to this new file; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// With --output: the value as it is stored, in bencode
    #[arg(long, requires = "output")]
    bencode: bool,
    #[command(flatten)]
    asks: Asks,
}

impl Args {
    fn target(&self) -> Result<Id, Failed> {
        match self.key.or(self.pkarr) {
            Some(key) => Ok(Item::mutable_target(&key, self.salt())),
            None => self.target.ok_or_else(nothing_named),
        }
    }

    fn salt(&self) -> &[u8] {
        self.salt.as_deref().unwrap_or_default().as_bytes()
    }

    fn start(&self, node: &Handle, target: Id) -> Operation<Found> {
        let Some(key) = self.key.or(self.pkarr) else { return node.get_immutable(target, self.copies.unwrap_or(1)) };
        let freshness = match self.copies {
            // So many copies of the newest are had when all have answered.
            Some(_) if self.newest => Freshness::Copies(u16::MAX),
            Some(copies) => Freshness::Copies(copies),
            None if self.first => Freshness::First,
            None => Freshness::Newest,
        };
        node.get_mutable(&key, self.salt(), self.newer_than, freshness)
    }

    fn check(&self, options: &Options) -> Result<(), Failed> {
        if let Some(path) = &self.output {
            output::check(path, options.json)?;
        }
        match (&self.asks.at, self.copies) {
            (Some(at), Some(copies)) if copies > 1 => {
                Err(Failed::usage(format!("-n {copies} cannot be had of {at} alone: one node returns one copy")))
            }
            _ => Ok(()),
        }
    }
}

pub async fn run(options: &Options, args: Args) -> Result<(), Failed> {
    args.check(options)?;
    let target = args.target()?;
    let asking = Asking::begin(options, &args.asks).await?;
    let progress = options.progress("looking for the item");
    let finished = asking.wait(options, |node| args.start(node, target)).await?;
    progress.finish_and_clear();
    let (answer, outcome) = (finished.response.as_ref(), &finished.outcome);
    // Each version beats those before it.
    let Some(found) = finished.results.last() else {
        let what = match args.newer_than {
            Some(seq) => format!("no version of the item {target} newer than {seq} was found"),
            None => format!("no node returned the item {target}"),
        };
        if answer.is_some() {
            asking.sum_up(options.out(), json!({ "target": target.to_string() }), answer)?;
        }
        return Err(asking.nothing(options, what, outcome).await);
    };
    let text = found.as_text().filter(|text| is_printable(text));
    let signed = found.mutable.as_ref();
    let salt = signed.map(|signed| &signed.salt).filter(|salt| !salt.is_empty());
    let object = json!({
        "target": target.to_string(),
        "k": signed.map(|signed| hex::encode(signed.key)),
        "seq": signed.map(|signed| signed.seq),
        "salt": salt.map(hex::encode),
        "sig": signed.map(|signed| hex::encode(signed.signature)),
        "v_hex": hex::encode(&found.value),
        "text": found.as_text(),
        "copies": outcome.copies,
        "outcome": outcome_json(outcome),
    });
    if let Some(warning) = two_values(&asking, &args, (found, outcome)).await {
        say(format_args!("warning: {warning}"));
    }
    let few = args.copies.filter(|wanted| outcome.copies < *wanted).map(|wanted| {
        let (copies, how) = (count(outcome.copies, "valid copy"), outcome_text(outcome));
        let why = match outcome.reason {
            Reason::Deadline => ": give it more time with --timeout",
            _ if outcome.answered < outcome.queried => "; others gave no usable answer: ask again",
            _ => "",
        };
        Failed::from(format!("{copies} of {target} came, and -n {wanted} wants more{why} ({how})")).with(outcome)
    });
    let out = options.out();
    let printed = match &args.output {
        Some(path) => output::write(out, path, &found.value, args.bencode),
        None => out.text_only(text.unwrap_or(&hex::encode(&found.value))),
    };
    let printed = printed.and_then(|()| asking.sum_up(out, object, answer));
    options.under_way.interrupted(outcome).or(few).map_or(printed, Err)
}

/// What is to be said where the owner signed two values with one sequence number (rule U24).
async fn two_values(asking: &Asking, args: &Args, (found, outcome): (&Found, &Outcome)) -> Option<String> {
    let signed = found.mutable.as_ref()?;
    let Signed { key, salt, seq, signature, .. } = signed;
    let item = Item { value: &found.value, mutable: Some(Mutable { key, salt, seq: *seq, signature }) };
    match asking.has_other_value(&item).await {
        Some(true) => {}
        Some(false) => return None,
        None => {
            return Some(format!(
                "more was sent to this node than it keeps, so that it cannot tell whether another value with sequence \
                 number {seq} was among that"
            ));
        }
    }
    let mend = match seq.checked_add(1) {
        Some(next) => format!("the owner mends it by putting one of them again with --seq {next}"),
        None => "no higher number can mend it".into(),
    };
    // Whoever has enough compares no more.
    let rule = match args.copies.map_or(args.first, |wanted| !args.newest && outcome.copies >= wanted) {
        true => "the first that was heard, and others may see the other one",
        false => "the larger in the order of bytes, as every reader decides that hears both",
    };
    Some(format!(
        "there are two values with sequence number {seq}, and both are signed: the owner has published two. The one \
         that is shown is {rule}; {mend}"
    ))
}

fn nothing_named() -> Failed {
    Failed::usage("get does not know what to look for: name a TARGET of 40 hex digits, --key PUBKEY, or --pkarr KEY")
}

/// A target, and the way out for those who have something else.
fn target(text: &str) -> Result<Id, String> {
    match options::id(text) {
        Err(_) if options::key(text).is_ok() => Err("64 hex digits are a public key: pass it with --key".into()),
        Err(_) if pkarr::key(text).is_ok() => Err("z-base-32 is a pkarr key: pass it with --pkarr".into()),
        result => result,
    }
}

/// Whether a text can be shown as it is.
fn is_printable(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| escape::is_shown(c) || matches!(c, '\n' | '\t'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_printable_characters_are_shown_as_text() {
        assert!(is_printable("hello") && is_printable("h\u{e9}\n"));
        assert!(!is_printable("a\0") && !is_printable("") && !is_printable("a\u{202e}b") && !is_printable("\u{9b}31m"));
    }
}
