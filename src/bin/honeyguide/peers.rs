use std::collections::BTreeSet;

use honeyguide::Id;
use serde_json::json;

use crate::client::{self, ended};
use crate::failed::Failed;
use crate::options::{self, Options};
use crate::print::{outcome_json, outcome_text};

/// Find the peers of an info-hash
#[derive(clap::Args)]
pub struct Args {
    /// 40 hex digits
    #[arg(value_parser = options::id)]
    info_hash: Id,
}

pub async fn run(options: &Options, args: Args) -> Result<(), Failed> {
    let out = options.out();
    let node = client::joined(options).await?;
    let progress = options.progress("looking for peers");
    let mut operation = node.get_peers(args.info_hash);
    let mut seen = BTreeSet::new();
    while let Some(list) = operation.next().await {
        for peer in list.peers {
            if seen.insert(peer) {
                progress.suspend(|| out.line(peer, json!({ "peer": peer.to_string() })))?;
            }
        }
    }
    let finished = ended(operation.await)?;
    progress.finish_and_clear();
    out.json_only(json!({
        "info_hash": args.info_hash.to_string(),
        "peers": seen.len(),
        "outcome": outcome_json(&finished.outcome),
    }))?;
    if seen.is_empty() {
        return Err(format!("no peer of {} was found ({})", args.info_hash, outcome_text(&finished.outcome)).into());
    }
    Ok(())
}
