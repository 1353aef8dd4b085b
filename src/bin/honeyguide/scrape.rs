use honeyguide::Id;
use serde_json::json;

use crate::client::{self, ended};
use crate::failed::Failed;
use crate::options::{self, Options};
use crate::print::{outcome_json, outcome_text};

/// Estimate how many seeds and peers an info-hash has (BEP 33)
#[derive(clap::Args)]
pub struct Args {
    /// 40 hex digits
    #[arg(value_parser = options::id)]
    info_hash: Id,
}

pub async fn run(options: &Options, args: Args) -> Result<(), Failed> {
    let node = client::joined(options).await?;
    let progress = options.progress("counting");
    let finished = ended(node.scrape(args.info_hash).await)?;
    progress.finish_and_clear();
    let outcome = &finished.outcome;
    match finished.results.first().filter(|swarm| swarm.responders > 0) {
        Some(swarm) => options.out().line(
            format_args!("seeds {}\npeers {}\nresponders {}", swarm.seeds, swarm.peers, swarm.responders),
            json!({
                "info_hash": args.info_hash.to_string(),
                "seeds": swarm.seeds,
                "peers": swarm.peers,
                "responders": swarm.responders,
                "outcome": outcome_json(outcome),
            }),
        ),
        None => Err(format!("no node knows a swarm of {} ({})", args.info_hash, outcome_text(outcome)).into()),
    }
}
