use std::path::{Path, PathBuf};

use honeyguide::adapters::Handle;
use honeyguide::dht::Freshness;
use honeyguide::krpc::SignedItem;
use honeyguide::krpc::{Item, ItemError};
use honeyguide::{Config, Outcome};
use serde_json::json;

use crate::client::{self, ended, outcome_of};
use crate::failed::Failed;
use crate::options::{self, Options};
use crate::print::{outcome_json, outcome_text, refused_json, refused_text};
use crate::secret;

/// Store an item, immutable or signed (BEP 44)
#[derive(clap::Args)]
pub struct Args {
    /// Text, stored as one byte string; `-` takes bytes from standard input
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    value: Option<String>,
    /// Take bytes from this file; `-` is standard input
    #[arg(long, value_name = "F")]
    file: Option<PathBuf>,
    /// What is given is bencode already
    #[arg(long)]
    bencode: bool,
    /// File with the 64 hex digits of an ed25519 seed: signs the item; `-` is standard input
    #[arg(long, value_name = "FILE")]
    secret: Option<PathBuf>,
    /// Tells several items of one key apart
    #[arg(long, value_parser = options::salt, requires = "secret", default_value = "", hide_default_value = true)]
    salt: String,
    /// Sequence number [default: one more than the highest that is found, or 1]
    #[arg(long, value_name = "N", value_parser = options::seq, requires = "secret")]
    seq: Option<i64>,
    /// Store only where this sequence number is held now
    #[arg(long, value_name = "N", value_parser = options::seq, requires = "secret")]
    cas: Option<i64>,
}

pub async fn run(options: &Options, args: Args) -> Result<(), Failed> {
    let stdin = [args.value.as_deref() == Some("-"), is_stdin(&args.file), is_stdin(&args.secret)];
    if stdin.iter().filter(|&&used| used).count() > 1 {
        return Err(Failed::usage("value and secret cannot both come from standard input"));
    }
    // Files and standard input may block, which must not keep an interruption from being noticed.
    let inputs = tokio::task::spawn_blocking(move || {
        let value = value(&args)?;
        let secret = args.secret.as_deref().map(secret::secret).transpose()?;
        Ok::<_, Failed>((args, value, secret))
    });
    let (args, value, secret) = inputs.await.map_err(|error| format!("internal error: {error}"))??;
    if Item::is_bare_length(&value) {
        let (len, max) = (value.len(), Item::MAX_VALUE);
        eprintln!(
            "honeyguide: warning: the value has {len} bytes when bencoded: nodes that keep to BEP 44 refuse more than \
             {max}, so few may store it; shorten it to be sure"
        );
    }
    let node = client::joined(options).await?;
    let progress = options.progress("storing");
    let salt = args.salt.as_bytes();
    let (target, key, seq, operation) = match secret {
        None => (Item::immutable_target(&value), None, None, node.put_immutable(&value)),
        Some(secret) => {
            let key = SignedItem::public_key(&secret);
            let seq = match args.seq {
                Some(seq) => seq,
                None => next_seq(&node, &key, salt).await?,
            };
            let item = Item::mutable(&secret, &value).salt(salt).seq(seq).sign().map_err(|error| error.to_string())?;
            (item.target(), Some(key), Some(seq), node.put_mutable(&item, args.cas))
        }
    };
    let stored = operation.await;
    let outcome = outcome_of(&stored)?;
    progress.finish_and_clear();
    let seq_text = seq.map(|seq| format!("seq {seq}\n")).unwrap_or_default();
    let (copies, refused) = (outcome.stored.all, refused_text(&outcome));
    options.out().line(
        format_args!("target {target}\n{seq_text}stored {copies}\nrefused {refused}"),
        json!({
            "target": target.to_string(),
            "k": key.map(hex::encode),
            "seq": seq,
            "salt": key.map(|_| args.salt),
            "stored": copies,
            "refused": refused_json(&outcome),
            "outcome": outcome_json(&outcome),
        }),
    )?;
    if let Err(failure) = stored {
        let tip = tip(&outcome, args.cas.is_some());
        return Err(format!("{failure}{tip} ({})", outcome_text(&outcome)).into());
    }
    if let Some(warning) = warning(copies, outcome.refused.total()) {
        eprintln!("honeyguide: warning: {warning}");
    }
    Ok(())
}

/// What to do about a version that was refused for another that is held.
fn tip(outcome: &Outcome, guarded: bool) -> String {
    match outcome.held_seq.and_then(|seq| Some((seq, seq.checked_add(1)?))) {
        Some((seq, next)) if outcome.refused.cas_mismatch > 0 || outcome.refused.seq_too_old > 0 => {
            let cas = if guarded { format!(" --cas {seq}") } else { String::new() };
            format!(": pass --seq {next}{cas} to replace it")
        }
        _ => String::new(),
    }
}

/// What is doubtful about an item that is stored.
fn warning(stored: u16, refused: u16) -> Option<String> {
    // So many are asked by those who look for it.
    let wanted = u16::from(Config::default().lookup.k);
    if refused > stored {
        Some(format!("the item was refused by {refused} and stored by {stored}: who looks for it may miss it"))
    } else if stored < wanted {
        Some(format!("the item was stored by {stored}, and {wanted} should hold it: put it again, later"))
    } else {
        None
    }
}

/// The bencoded value.
fn value(args: &Args) -> Result<Vec<u8>, Failed> {
    let raw = match (&args.value, &args.file) {
        (Some(text), _) if text != "-" => text.clone().into_bytes(),
        (_, Some(path)) => secret::read(path, "the value")?,
        _ => secret::read(Path::new("-"), "the value")?,
    };
    let value = if args.bencode { raw } else { [format!("{}:", raw.len()).as_bytes(), &raw].concat() };
    match Item::immutable(&value) {
        Ok(_) => Ok(value),
        Err(ItemError::NotCanonical) => Err(Failed::usage(
            "the value is not canonical bencode (sorted keys, shortest numbers, nothing after it): correct it, \
             or store it as text, without --bencode",
        )),
        Err(_) => {
            let (len, max) = (value.len(), Item::MAX_VALUE);
            Err(Failed::usage(format!(
                "the value has {len} bytes when bencoded, and {max} is the most that a node stores: shorten it"
            )))
        }
    }
}

fn is_stdin(path: &Option<PathBuf>) -> bool {
    path.as_deref() == Some(Path::new("-"))
}

async fn next_seq(node: &Handle, key: &[u8; 32], salt: &[u8]) -> Result<i64, Failed> {
    let found = ended(node.get_mutable(key, salt, None, Freshness::Newest).await)?;
    match found.results.iter().filter_map(|found| found.mutable.as_ref()).map(|m| m.seq).max() {
        None => Ok(1),
        Some(seq) => seq.checked_add(1).ok_or_else(|| {
            format!("sequence number {seq} is held, and none is higher: this key and salt can never change again")
                .into()
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_that_most_refuse_or_too_few_hold_gets_a_warning() {
        assert_eq!((warning(8, 0), warning(8, 8), warning(20, 3)), (None, None, None));
        assert!(warning(8, 9).unwrap().contains("refused by 9 and"));
        assert!(warning(7, 0).unwrap().contains("stored by 7, and 8 should"));
    }
}
