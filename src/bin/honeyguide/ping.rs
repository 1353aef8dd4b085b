use serde_json::json;

use crate::client::{self, Start, ended};
use crate::failed::Failed;
use crate::options::Options;
use crate::print::{millis, outcome_json, outcome_text};

/// Ask one node whether it is there
#[derive(clap::Args)]
pub struct Args {
    /// host:port or address:port
    addr: String,
}

pub async fn run(options: &Options, args: Args) -> Result<(), Failed> {
    let addrs = client::addresses([args.addr.clone()]).await?;
    // One destination, and IPv4 where there is a choice, as `ephemeral` has it.
    let to = *addrs.iter().find(|addr| addr.is_ipv4()).unwrap_or(&addrs[0]);
    let start = Start { routers: vec![to], network: options.network(to.ip().is_loopback()) };
    let node = client::node(options, &start, options.rng()?.bytes())?;
    let finished = ended(node.ping(to.into()).await)?;
    match finished.results.first() {
        Some(answer) => {
            let rtt = millis(answer.rtt);
            options.out().line(
                format_args!("{} answered in {rtt:.3} ms, id {}", answer.from, answer.id),
                json!({
                    "addr": answer.from.to_string(),
                    "id": answer.id.to_string(),
                    "rtt_ms": rtt,
                    "outcome": outcome_json(&finished.outcome),
                }),
            )
        }
        None => {
            let why = start.refused();
            Err(why.unwrap_or_else(|| format!("{to} did not answer ({})", outcome_text(&finished.outcome))).into())
        }
    }
}
