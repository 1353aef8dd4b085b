use honeyguide::Id;
use serde_json::json;

use crate::asking::Asking;
use crate::failed::Failed;
use crate::joining_options::Asks;
use crate::options::{self, Options};
use crate::print::outcome_json;

/// Estimate how many seeds and peers an info-hash has (BEP 33)
#[derive(clap::Args)]
pub struct Args {
    /// 40 hex digits
    #[arg(value_parser = options::id)]
    info_hash: Id,
    #[command(flatten)]
    asks: Asks,
}

pub async fn run(options: &Options, args: Args) -> Result<(), Failed> {
    let asking = Asking::begin(options, &args.asks).await?;
    let progress = options.progress("counting");
    let finished = asking.wait_for(options, |node| node.scrape(args.info_hash), |swarm| swarm.responders > 0).await?;
    progress.finish_and_clear();
    let (answer, outcome) = (finished.response.as_ref(), &finished.outcome);
    let swarm = finished.results.first().filter(|swarm| swarm.responders > 0);
    let (seeds, peers, responders) = swarm.map_or((0, 0, 0), |swarm| (swarm.seeds, swarm.peers, swarm.responders));
    let object = json!({
        "info_hash": args.info_hash.to_string(),
        "seeds": seeds,
        "peers": peers,
        "responders": responders,
        "outcome": outcome_json(outcome),
    });
    if swarm.is_none() {
        if answer.is_some() {
            asking.sum_up(options.out(), object, answer)?;
        }
        return Err(asking.nothing(options, format!("no node knows a swarm of {}", args.info_hash), outcome).await);
    }
    let (told, object) = (asking.told_text(answer), asking.told(object, answer));
    options.out().line(format_args!("seeds {seeds}\npeers {peers}\nresponders {responders}{told}"), object)?;
    options.under_way.interrupted(outcome).map_or(Ok(()), Err)
}
