use std::net::SocketAddr;

use honeyguide::adapters::Handle;
use serde_json::json;

use crate::addressees;
use crate::failed::Failed;
use crate::joining_options::Rules;
use crate::options::Options;
use crate::print::{millis, outcome_json, outcome_text};
use crate::randomness::Randomness;

/// Ask one node whether it is there
#[derive(clap::Args)]
pub struct Args {
    /// host:port or address:port
    addr: String,
    #[command(flatten)]
    rules: Rules,
    #[command(flatten)]
    random: Randomness,
}

pub async fn run(options: &Options, args: Args) -> Result<(), Failed> {
    let (node, addrs) = addressees::reach(options, &args.rules, &args.random, &args.addr).await?;
    let mut silent: Option<Failed> = None;
    for addr in addrs {
        match ping(options, &node, addr).await? {
            None => return Ok(()),
            Some(mut failed) => {
                if let Some(before) = silent {
                    failed.sentence = format!("{}; {}", before.sentence, failed.sentence);
                }
                silent = Some(failed);
            }
        }
    }
    silent.map_or(Ok(()), Err)
}

/// Prints the answer, or returns why there is none.
async fn ping(options: &Options, node: &Handle, to: SocketAddr) -> Result<Option<Failed>, Failed> {
    let finished = node.ping(to.into()).await?;
    let Some(answer) = finished.results.first() else {
        let sentence = format!("{to} did not answer ({})", outcome_text(&finished.outcome));
        return Ok(Some(Failed::from(sentence).with(&finished.outcome)));
    };
    let rtt = millis(answer.rtt);
    options.out().line(
        format_args!("{} answered in {rtt:.3} ms, id {}", answer.from, answer.id),
        json!({
            "addr": answer.from.to_string(),
            "id": answer.id.to_string(),
            "rtt_ms": rtt,
            "outcome": outcome_json(&finished.outcome),
        }),
    )?;
    Ok(None)
}
