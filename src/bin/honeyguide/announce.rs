use honeyguide::Id;
use honeyguide::dht::PeerKind;
use serde_json::json;

use crate::client::{self, outcome_of};
use crate::failed::Failed;
use crate::options::{self, Options};
use crate::print::{outcome_json, outcome_text, refused_json, refused_text};

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
}

pub async fn run(options: &Options, args: Args) -> Result<(), Failed> {
    let node = client::joined(options).await?;
    let kind = if args.seeding { PeerKind::Seed } else { PeerKind::Downloader };
    let progress = options.progress("announcing");
    let announced = node.announce(args.info_hash, Some(args.port), kind).await;
    let outcome = outcome_of(&announced)?;
    progress.finish_and_clear();
    options.out().line(
        format_args!("stored {}\nrefused {}", outcome.stored.all, refused_text(&outcome)),
        json!({
            "info_hash": args.info_hash.to_string(),
            "port": args.port,
            "stored": outcome.stored.all,
            "refused": refused_json(&outcome),
            "outcome": outcome_json(&outcome),
        }),
    )?;
    match announced {
        Ok(_) => Ok(()),
        Err(failure) => Err(format!("{failure} ({})", outcome_text(&outcome)).into()),
    }
}
