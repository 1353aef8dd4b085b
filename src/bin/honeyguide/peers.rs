use std::collections::BTreeSet;

use honeyguide::Id;
use honeyguide::adapters::PeerList;
use serde_json::json;

use crate::asking::Asking;
use crate::failed::Failed;
use crate::joining_options::Asks;
use crate::options::{self, Options};
use crate::print::outcome_json;

/// Find the peers of an info-hash
#[derive(clap::Args)]
pub struct Args {
    /// 40 hex digits
    #[arg(value_parser = options::id)]
    info_hash: Id,
    #[command(flatten)]
    asks: Asks,
}

pub async fn run(options: &Options, args: Args) -> Result<(), Failed> {
    let (out, asking) = (options.out(), Asking::begin(options, &args.asks).await?);
    let progress = options.progress("looking for peers");
    let mut seen = BTreeSet::new();
    let tell = |list: PeerList| {
        for peer in list.peers {
            if seen.insert(peer) {
                progress.suspend(|| out.line(peer, json!({ "peer": peer.to_string() })))?;
            }
        }
        Ok(!seen.is_empty())
    };
    let finished = asking.wait_telling(options, |node| node.get_peers(args.info_hash), tell).await?;
    progress.finish_and_clear();
    let (answer, outcome) = (finished.response.as_ref(), &finished.outcome);
    if !seen.is_empty() || answer.is_some() {
        let (info_hash, peers) = (args.info_hash.to_string(), seen.len());
        let object = json!({ "info_hash": info_hash, "peers": peers, "outcome": outcome_json(outcome) });
        asking.sum_up(out, object, answer)?;
    }
    if seen.is_empty() {
        return Err(asking.nothing(options, format!("no peer of {} was found", args.info_hash), outcome).await);
    }
    options.under_way.interrupted(outcome).map_or(Ok(()), Err)
}
