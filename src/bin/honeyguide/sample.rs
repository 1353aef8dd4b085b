use std::collections::BTreeSet;

use honeyguide::Id;
use honeyguide::adapters::Sample;
use serde_json::json;

use crate::asking::Asking;
use crate::failed::Failed;
use crate::joining_options::Asks;
use crate::options::{self, Options};
use crate::print::outcome_json;

/// Collect info-hashes from the nodes around an id (BEP 51)
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
    let progress = options.progress("sampling");
    let mut distinct = BTreeSet::new();
    let tell = |sample: Sample| {
        // A node that holds none is no result; one with an interval is not to be asked again before it is over.
        if sample.info_hashes.is_empty() {
            return Ok(!sample.interval.is_zero());
        }
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
        progress.suspend(|| out.line(text, object)).map(|()| true)
    };
    let finished = asking.wait_telling(options, |node| node.sample(args.id), tell).await?;
    progress.finish_and_clear();
    let (answer, outcome) = (finished.response.as_ref(), &finished.outcome);
    if !distinct.is_empty() || answer.is_some() {
        let (target, found) = (args.id.to_string(), distinct.len());
        let object = json!({ "target": target, "info_hashes": found, "outcome": outcome_json(outcome) });
        asking.sum_up(out, object, answer)?;
    }
    if distinct.is_empty() {
        return Err(asking.nothing(options, format!("no node near {} gave an info-hash", args.id), outcome).await);
    }
    options.under_way.interrupted(outcome).map_or(Ok(()), Err)
}
