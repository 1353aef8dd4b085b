use honeyguide::Id;
use serde_json::json;

use crate::client::{self, ended};
use crate::failed::Failed;
use crate::options::{self, Options};
use crate::print::{outcome_json, outcome_text};

/// Find the nodes that are closest to an id
#[derive(clap::Args)]
pub struct Args {
    /// 40 hex digits
    #[arg(value_parser = options::id)]
    id: Id,
}

pub async fn run(options: &Options, args: Args) -> Result<(), Failed> {
    let out = options.out();
    let node = client::joined(options).await?;
    let progress = options.progress("looking for the closest nodes");
    let finished = ended(node.lookup(args.id).await)?;
    progress.finish_and_clear();
    let nodes: Vec<_> = finished.results.iter().flat_map(|closest| closest.nodes.iter()).collect();
    for (id, addr) in &nodes {
        out.line(format_args!("{id} {addr}"), json!({ "id": id.to_string(), "addr": addr.to_string() }))?;
    }
    out.json_only(json!({
        "target": args.id.to_string(),
        "nodes": nodes.len(),
        "outcome": outcome_json(&finished.outcome),
    }))?;
    if nodes.is_empty() {
        return Err(format!("no node was found near {} ({})", args.id, outcome_text(&finished.outcome)).into());
    }
    Ok(())
}
