use std::path::{Path, PathBuf};

use honeyguide::adapters::Handle;
use honeyguide::dht::Freshness;
use honeyguide::krpc::{Item, ItemError, SignedItem};
use honeyguide::{Config, Id, Outcome};
use serde_json::{Value, json};

use crate::absence::{answers, holders, is_little};
use crate::asking::Asking;
use crate::count::count;
use crate::failed::Failed;
use crate::joining_options::Asks;
use crate::options::{self, Options};
use crate::print::{outcome_json, outcome_text, refused_json, refused_text, say, stored_text};
use crate::secret;
use crate::signed_item::Owned;
use crate::small_file::{Purpose, is_standard_input, read, shown};
use crate::version::Version;
use crate::worker;

/// Where a value comes from.
const SOURCES: [&str; 4] = ["value", "file", "item", "pkarr"];

/// Longer ones than are stored are read to tell how long they are when bencoded.
const VALUE: Purpose = Purpose { what: "the value", most: Item::MAX_VALUE as u64 };

/// Store an item, immutable or signed (BEP 44)
#[derive(clap::Args)]
pub struct Args {
    /// Text, stored as one byte string; `-` takes bytes from standard input
    #[arg(conflicts_with_all = &SOURCES[1..])]
    value: Option<String>,
    /// Take bytes from this file; `-` is standard input
    #[arg(long, value_name = "F", conflicts_with_all = &SOURCES[2..])]
    file: Option<PathBuf>,
    /// What is given is bencode already
    #[arg(long, conflicts_with_all = &SOURCES[2..])]
    bencode: bool,
    /// File with a signed item, as `get --json` prints it; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "pkarr")]
    item: Option<PathBuf>,
    /// File with a signed packet of pkarr; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pkarr: Option<PathBuf>,
    /// File with the 64 hex digits of an ed25519 seed: signs the item; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = &SOURCES[2..])]
    secret: Option<PathBuf>,
    /// Tells several items of one key apart
    #[arg(long, value_name = "S", value_parser = options::salt)]
    #[arg(conflicts_with_all = &SOURCES[2..])]
    salt: Option<String>,
    /// Sequence number [default: one more than the highest that is found, or 1]
    #[arg(long, value_name = "N", value_parser = options::seq)]
    #[arg(conflicts_with_all = &SOURCES[2..])]
    seq: Option<i64>,
    /// Store a signed item only where this sequence number is held now
    #[arg(long, value_name = "N", value_parser = options::seq)]
    cas: Option<i64>,
    /// Fail unless so many confirmations count; IPv4 and IPv6 give at most 20 each
    #[arg(long, value_name = "N", value_parser = options::whole::<u16>(1..=most_copies()), default_value_t = 1)]
    require: u16,
    #[command(flatten)]
    asks: Asks,
}

/// As many as both families give.
fn most_copies() -> u64 {
    2 * u64::from(Config::default().lookup.replicas)
}

/// What is to be stored.
enum Input {
    Immutable(Vec<u8>),
    Unsigned { value: Vec<u8>, secret: [u8; 32] },
    Signed(Owned),
}

pub async fn run(options: &Options, args: Args) -> Result<(), Failed> {
    args.check()?;
    // Files and standard input may block, which must not keep an interruption from being noticed.
    let (args, input) = worker::work(move || args.input().map(|input| (args, input))).await??;
    if let Input::Signed(item) = &input {
        warn_of_length(item.verified()?.value());
    } else if let Input::Immutable(value) | Input::Unsigned { value, .. } = &input {
        warn_of_length(value);
    }
    let asking = Asking::begin(options, &args.asks).await?;
    let progress = options.progress("storing");
    let (item, value, target) = match &input {
        Input::Immutable(value) => (None, value.as_slice(), Item::immutable_target(value)),
        Input::Unsigned { value, secret } => {
            let salt = args.salt.as_deref().unwrap_or_default().as_bytes();
            let seq = match args.seq {
                Some(seq) => seq,
                None => next_seq(options, &asking, &SignedItem::public_key(secret), salt).await?,
            };
            let item = Item::mutable(secret, value).salt(salt).seq(seq).sign().map_err(|error| error.to_string())?;
            (Some(item), value.as_slice(), item.target())
        }
        Input::Signed(item) => {
            let item = item.verified()?;
            (Some(item), item.value(), item.target())
        }
    };
    let store = |node: &Handle| match &item {
        Some(item) => node.put_mutable(item, args.cas),
        None => node.put_immutable(value),
    };
    let signs = args.secret.is_some().then_some(args.seq);
    let version = item.as_ref().map(|item| Version { seq: item.mutable().seq, signs, cas: args.cas });
    let stored = match args.cas {
        None => asking.wait(options, store).await,
        // Sent again, it would be refused by a node that has stored it already.
        Some(_) => asking.wait_sending_once(options, store).await,
    };
    progress.finish_and_clear();
    let finished = match stored {
        Ok(finished) => finished,
        Err(failure) => {
            let outcome = failure.outcome().copied().unwrap_or_default();
            let tip = version.map(|version| version.tip(&outcome)).unwrap_or_default();
            let report = report(target, item.as_ref(), &outcome);
            return Err(asking.not_stored(options, report, (failure, tip)).await);
        }
    };
    let (outcome, answer) = (finished.outcome, finished.response.as_ref());
    // Copies are a result, though they may be too few.
    let (text, object) = report(target, item.as_ref(), &outcome);
    let printed = options.out().line(text + &asking.told_text(answer), asking.told(object, answer));
    let older = version.and_then(|version| version.is_older(&outcome));
    let interrupted = options.under_way.interrupted_store(&outcome).map(|mut interrupted| {
        interrupted.sentence += &older.as_deref().map(|older| format!("; {older}")).unwrap_or_default();
        interrupted
    });
    let ended = interrupted.or_else(|| args.too_few(&outcome, older.as_deref()));
    ended.map_or(printed, Err)?;
    if let Some(warning) = older.or_else(|| warning(&outcome).filter(|_| !asking.is_at_one_node())) {
        say(format_args!("warning: {warning}"));
    }
    Ok(())
}

fn report(target: Id, item: Option<&SignedItem<'_>>, outcome: &Outcome) -> (String, Value) {
    let signed = item.map(SignedItem::mutable);
    let salt = signed.map(|signed| signed.salt).filter(|salt| !salt.is_empty());
    let seq = signed.map(|signed| format!("seq {}\n", signed.seq)).unwrap_or_default();
    let (copies, refused) = (stored_text(outcome), refused_text(outcome));
    let object = json!({
        "target": target.to_string(),
        "k": signed.map(|signed| hex::encode(signed.key)),
        "seq": signed.map(|signed| signed.seq),
        "salt": salt.map(hex::encode),
        "stored": outcome.stored.all,
        "refused": refused_json(outcome),
        "outcome": outcome_json(outcome),
    });
    (format!("target {target}\n{seq}stored {copies}\nrefused {refused}"), object)
}

impl Args {
    /// What no option's own rule says.
    fn check(&self) -> Result<(), Failed> {
        let Args { value, file, item, pkarr, secret, cas, salt, seq, .. } = self;
        if value.is_none() && file.is_none() && item.is_none() && pkarr.is_none() {
            return Err(Failed::usage(
                "put does not know what to store: name a VALUE, --file F, --item FILE or --pkarr FILE",
            ));
        }
        let is_stdin = |path: &Option<PathBuf>| path.as_deref().is_some_and(is_standard_input);
        if (value.as_deref() == Some("-") || is_stdin(file)) && is_stdin(secret) {
            return Err(Failed::usage("value and secret cannot both come from standard input: name a file for one"));
        }
        if let Some(at) = self.asks.at.as_ref().filter(|_| self.require > 1) {
            let require = self.require;
            return Err(Failed::usage(format!(
                "--require {require} cannot be had of {at} alone: one node stores one copy"
            )));
        }
        if cas.is_some() && secret.is_none() && item.is_none() && pkarr.is_none() {
            return Err(Failed::usage("--cas is for signed items: add --secret FILE, or leave it out"));
        }
        for (name, is_there) in [("--salt", salt.is_some()), ("--seq", seq.is_some())] {
            if is_there && secret.is_none() {
                let sentence = format!("{name} is for an item that is signed here: add --secret FILE, or leave it out");
                return Err(Failed::usage(sentence));
            }
        }
        Ok(())
    }

    fn input(&self) -> Result<Input, Failed> {
        if let Some(path) = &self.item {
            return Owned::from_json(path).map(Input::Signed);
        }
        if let Some(path) = &self.pkarr {
            return Owned::from_packet(path).map(Input::Signed);
        }
        let value = self.value()?;
        Ok(match &self.secret {
            None => Input::Immutable(value),
            Some(path) => Input::Unsigned { value, secret: secret::secret(path)? },
        })
    }

    /// The bencoded value.
    fn value(&self) -> Result<Vec<u8>, Failed> {
        let (what, raw) = match (&self.value, &self.file) {
            (Some(text), _) if text != "-" => ("the value".into(), text.clone().into_bytes()),
            (_, path) => {
                let path = path.as_deref().unwrap_or(Path::new("-"));
                (format!("the value in {}", shown(path)), read(path, VALUE)?)
            }
        };
        if raw.is_empty() {
            let sentence = "is empty: give a text, or `--bencode 0:` if an empty byte string is meant";
            return Err(Failed::usage(format!("{what} {sentence}")));
        }
        let value = if self.bencode { raw } else { [format!("{}:", raw.len()).as_bytes(), &raw].concat() };
        match Item::immutable(&value) {
            Ok(_) => Ok(value),
            Err(ItemError::NotCanonical) => Err(Failed::usage(format!(
                "{what} is not canonical bencode (sorted keys, shortest numbers, nothing after it): correct it, or \
                 store it as text, without --bencode"
            ))),
            Err(_) => {
                let (len, max) = (value.len(), Item::MAX_VALUE);
                Err(Failed::usage(format!(
                    "{what} has {len} bytes when bencoded, and {max} is the most that a node stores: shorten it"
                )))
            }
        }
    }

    fn too_few(&self, outcome: &Outcome, older: Option<&str>) -> Option<Failed> {
        let (counted, wanted) = (outcome.stored.counted, self.require);
        let sentence = || {
            let refused = match outcome.refused.total() {
                0 => String::new(),
                _ => format!("; {}", outcome.refused),
            };
            let unconfirmed = match outcome.unconfirmed {
                0 => "",
                _ => "; others were sent it and have not confirmed it, and may hold it all the same",
            };
            let older = older.map(|older| format!("; {older}")).unwrap_or_default();
            format!(
                "{} counted, and --require {wanted} wants more{refused}{unconfirmed}{older} ({})",
                count(counted, "confirmation"),
                outcome_text(outcome)
            )
        };
        (counted < wanted).then(|| Failed::from(sentence()).with(outcome))
    }
}

fn warn_of_length(value: &[u8]) {
    if Item::is_bare_length(value) {
        let (len, max) = (value.len(), Item::MAX_VALUE);
        say(format_args!(
            "warning: the value has {len} bytes when bencoded: nodes that keep to BEP 44 refuse more than {max}, so \
             few may store it; shorten it to be sure"
        ));
    }
}

/// What is doubtful about an item that is stored.
fn warning(outcome: &Outcome) -> Option<String> {
    let (stored, refused) = (outcome.stored.all, outcome.refused.total());
    let wanted = holders();
    if refused > stored {
        let versions = outcome.refused.seq_too_old.saturating_add(outcome.refused.cas_mismatch);
        let tip =
            if versions > 0 { "; put it again with a higher --seq, or without, which takes the next one" } else { "" };
        Some(format!("the item was refused by {refused} and stored by {stored}: who looks for it may miss it{tip}"))
    } else if stored < wanted {
        Some(format!("the item was stored by {stored}, and {wanted} should hold it: put it again, later"))
    } else {
        None
    }
}

/// The number that follows the highest that is found.
async fn next_seq(options: &Options, asking: &Asking, key: &[u8; 32], salt: &[u8]) -> Result<i64, Failed> {
    let found = asking.wait(options, |node| node.get_mutable(key, salt, None, Freshness::Newest)).await?;
    let outcome = &found.outcome;
    if let Some(ended) = options.under_way.ended_before(outcome) {
        return Err(ended);
    }
    let highest = found.results.iter().filter_map(|found| found.mutable.as_ref()).map(|m| m.seq).max();
    let next = highest.map_or(Some(1), |seq| seq.checked_add(1)).ok_or_else(|| {
        let seq = i64::MAX;
        format!("sequence number {seq} is held, and none is higher: this key and salt can never change again")
    })?;
    if is_little(outcome) && outcome.answered < outcome.queried && !asking.is_at_one_node() {
        say(format_args!(
            "warning: sequence number {next} is taken for the next one, but only {}, and others may hold a higher \
             one: --seq N names it",
            answers(outcome)
        ));
    }
    Ok(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_that_most_refuse_or_too_few_hold_gets_a_warning() {
        let warning = |stored, refused| {
            let mut outcome = Outcome::default();
            (outcome.stored.all, outcome.refused.other) = (stored, refused);
            super::warning(&outcome)
        };
        assert_eq!((warning(8, 0), warning(8, 8), warning(20, 3)), (None, None, None));
        assert!(warning(8, 9).unwrap().contains("refused by 9 and"));
        assert!(warning(7, 0).unwrap().contains("stored by 7, and 8 should"));
    }
}
