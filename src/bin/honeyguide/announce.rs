use honeyguide::Id;
use honeyguide::dht::PeerKind;
use serde_json::json;

use crate::asking::Asking;
use crate::failed::Failed;
use crate::joining_options::Asks;
use crate::options::{self, Options};
use crate::print::{outcome_json, outcome_text, refused_json, refused_text, stored_text};

/// Announce a peer of an info-hash
#[derive(clap::Args)]
pub struct Args {
    /// 40 hex digits
    #[arg(value_parser = options::id)]
    info_hash: Id,
    /// Port of the peer
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// The peer is a seed
    #[arg(long)]
    seeding: bool,
    #[command(flatten)]
    asks: Asks,
}

pub async fn run(options: &Options, args: Args) -> Result<(), Failed> {
    let asking = Asking::begin(options, &args.asks).await?;
    let kind = if args.seeding { PeerKind::Seed } else { PeerKind::Downloader };
    let progress = options.progress("announcing");
    let announced = asking.node.announce(args.info_hash, Some(args.port), kind).await;
    progress.finish_and_clear();
    let announced = announced.map_err(|failure| {
        let how = failure.outcome().map(|outcome| format!(" ({})", outcome_text(outcome)));
        let failed = Failed::from(failure);
        Failed { sentence: format!("{}{}", failed.sentence, how.unwrap_or_default()), ..failed }
    })?;
    let (answer, outcome) = (announced.response.as_ref(), &announced.outcome);
    let told = asking.told_text(answer);
    let object = json!({
        "info_hash": args.info_hash.to_string(),
        "port": args.port,
        "stored": outcome.stored.all,
        "refused": refused_json(outcome),
        "outcome": outcome_json(outcome),
    });
    options.out().line(
        format_args!("stored {}\nrefused {}{told}", stored_text(outcome), refused_text(outcome)),
        asking.told(object, answer),
    )
}
