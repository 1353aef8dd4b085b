use std::net::SocketAddr;

use honeyguide::Outcome;
use honeyguide::adapters::Handle;
use serde_json::json;

use crate::addressees;
use crate::failed::Failed;
use crate::heard::Heard;
use crate::joining_options::Rules;
use crate::options::Options;
use crate::print::{millis, outcome_json};
use crate::randomness::Randomness;
use crate::tries::Tries;
use crate::unsent::Unsent;

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
    let heard = Heard::default();
    let reached = addressees::reach(options, &args.rules, &args.random, &args.addr, heard.clone());
    let (node, addrs) = reached.await?;
    let unsent = Unsent::of(&node);
    let mut silent = Vec::new();
    for addr in addrs {
        match ping(options, &node, addr).await? {
            None => return Ok(()),
            Some(outcome) => silent.push((addr, outcome)),
        }
    }
    node.shutdown().await;
    let sentences: Vec<_> =
        silent.iter().map(|(addr, outcome)| heard.of(*addr, outcome).why(*addr, outcome, &unsent)).collect();
    let failed = Failed::from(sentences.join("; "));
    Err(silent.last().map_or(Failed::from("nobody was asked"), |(_, outcome)| failed.with(outcome)))
}

/// Prints the answer, or returns how it went without one.
async fn ping(options: &Options, node: &Handle, to: SocketAddr) -> Result<Option<Outcome>, Failed> {
    let mut tries = Tries::default();
    let finished = loop {
        let mut finished = options.under_way.wait(node.ping(to.into())).await?;
        if !tries.again(&mut finished.outcome) {
            break finished;
        }
    };
    if let Some(interrupted) = options.under_way.interrupted(&finished.outcome) {
        return Err(interrupted);
    }
    let Some(answer) = finished.results.first() else { return Ok(Some(finished.outcome)) };
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
