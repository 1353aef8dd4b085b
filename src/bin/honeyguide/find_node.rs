use honeyguide::Id;
use serde_json::json;

use crate::asking::Asking;
use crate::failed::Failed;
use crate::joining_options::Asks;
use crate::options::{self, Options};
use crate::print::outcome_json;

/// Find the nodes that are closest to an id
#[derive(clap::Args)]
pub struct Args {
    /// 40 hex digits
    #[arg(value_parser = options::id)]
    id: Id,
    #[command(flatten)]
    asks: Asks,
}

pub async fn run(options: &Options, args: Args) -> Result<(), Failed> {
    let (out, asking) = (options.out(), Asking::begin(options, &args.asks).await?);
    let progress = options.progress("looking for the closest nodes");
    let finished = asking.wait_for(options, |node| node.lookup(args.id), |closest| !closest.nodes.is_empty()).await?;
    progress.finish_and_clear();
    let (answer, outcome) = (finished.response.as_ref(), &finished.outcome);
    let nodes: Vec<_> = match answer {
        Some(answer) => answer.nodes.iter().collect(),
        None => finished.results.last().into_iter().flat_map(|closest| closest.nodes.iter()).collect(),
    };
    for (id, addr) in &nodes {
        out.line(format_args!("{id} {addr}"), json!({ "id": id.to_string(), "addr": addr.to_string() }))?;
    }
    if nodes.is_empty() && answer.is_none() {
        return Err(asking.nothing(options, format!("no node was found near {}", args.id), outcome).await);
    }
    let object = json!({ "target": args.id.to_string(), "nodes": nodes.len(), "outcome": outcome_json(outcome) });
    asking.sum_up(out, object, answer)?;
    if nodes.is_empty() {
        return Err(asking.nothing(options, format!("no node was named near {}", args.id), outcome).await);
    }
    options.under_way.interrupted(outcome).map_or(Ok(()), Err)
}
