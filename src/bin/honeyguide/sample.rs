use std::collections::BTreeSet;

use honeyguide::Id;
use serde_json::json;

use crate::client::{self, ended};
use crate::failed::Failed;
use crate::options::{self, Options};
use crate::print::{outcome_json, outcome_text};

/// Collect info-hashes from the nodes around an id (BEP 51)
#[derive(clap::Args)]
pub struct Args {
    /// 40 hex digits
    #[arg(value_parser = options::id)]
    id: Id,
}

pub async fn run(options: &Options, args: Args) -> Result<(), Failed> {
    let out = options.out();
    let node = client::joined(options).await?;
    let progress = options.progress("sampling");
    let mut operation = node.sample(args.id);
    let mut distinct = BTreeSet::new();
    while let Some(sample) = operation.next().await {
        let hashes: Vec<_> = sample.info_hashes.iter().map(Id::to_string).collect();
        distinct.extend(sample.info_hashes.iter().copied());
        let head = format!("{} {} holds {}", sample.id, sample.from, sample.num);
        let text = hashes.iter().fold(head, |text, hash| format!("{text}\n  {hash}"));
        let object = json!({
            "id": sample.id.to_string(),
            "addr": sample.from.to_string(),
            "num": sample.num,
            "interval": sample.interval.as_secs(),
            "samples": hashes,
        });
        progress.suspend(|| out.line(text, object))?;
    }
    let finished = ended(operation.await)?;
    progress.finish_and_clear();
    out.json_only(json!({
        "target": args.id.to_string(),
        "info_hashes": distinct.len(),
        "outcome": outcome_json(&finished.outcome),
    }))?;
    if distinct.is_empty() {
        return Err(format!("no node near {} gave an info-hash ({})", args.id, outcome_text(&finished.outcome)).into());
    }
    Ok(())
}
