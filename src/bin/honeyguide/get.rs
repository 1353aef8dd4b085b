use honeyguide::Id;
use honeyguide::adapters::{Found, Operation};
use honeyguide::dht::Freshness;
use honeyguide::krpc::Item;

use serde_json::json;

use crate::client::{self, ended};
use crate::failed::Failed;
use crate::options::{self, Options};
use crate::print::{outcome_json, outcome_text};

/// Find a stored item: an immutable one by its target, a signed one by its public key (BEP 44)
#[derive(clap::Args)]
pub struct Args {
    /// Target of an immutable item, 40 hex digits
    #[arg(value_parser = options::id, required_unless_present = "key", conflicts_with = "key")]
    target: Option<Id>,
    /// Public key of a signed item, 64 hex digits
    #[arg(long, value_name = "PUBKEY", value_parser = options::key)]
    key: Option<[u8; 32]>,
    /// Salt of the signed item
    #[arg(long, value_parser = options::salt, conflicts_with = "target", default_value = "", hide_default_value = true)]
    salt: String,
    /// The highest sequence number that the closest nodes hold (the default)
    #[arg(long, conflicts_with_all = ["target", "first"])]
    newest: bool,
    /// The first one that is found
    #[arg(long, conflicts_with = "target")]
    first: bool,
}

pub async fn run(options: &Options, args: Args) -> Result<(), Failed> {
    let node = client::joined(options).await?;
    let freshness = if args.first { Freshness::First } else { Freshness::Newest };
    let (target, operation): (Id, Operation<Found>) = match (args.target, args.key) {
        (_, Some(key)) => {
            let salt = args.salt.as_bytes();
            (Item::mutable_target(&key, salt), node.get_mutable(&key, salt, None, freshness))
        }
        (Some(target), None) => (target, node.get_immutable(target, 1)),
        (None, None) => return Err(Failed::usage("name a target or --key")),
    };
    let progress = options.progress("looking for the item");
    let finished = ended(operation.await)?;
    progress.finish_and_clear();
    let outcome = &finished.outcome;
    // Each version beats those before it.
    let Some(found) = finished.results.last() else {
        return Err(format!("no node returned the item {target} ({})", outcome_text(outcome)).into());
    };
    let text = found.as_text().filter(|text| is_printable(text));
    options.out().line(
        text.unwrap_or(&hex::encode(&found.value)),
        json!({
            "target": target.to_string(),
            "k": found.mutable.as_ref().map(|m| hex::encode(m.key)),
            "seq": found.mutable.as_ref().map(|m| m.seq),
            "salt": args.key.map(|_| args.salt),
            "v_hex": hex::encode(&found.value),
            "text": text,
            "copies": outcome.copies,
            "outcome": outcome_json(outcome),
        }),
    )
}

/// Whether a text can be shown as it is.
fn is_printable(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\t'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_printable_characters_are_shown_as_text() {
        assert!(is_printable("hello") && is_printable("h\u{e9}\n"));
        assert!(!is_printable("a\0") && !is_printable(""));
    }
}
