use std::collections::VecDeque;

use honeyguide::Outcome;
use honeyguide::adapters::Answer;
use honeyguide::dht::Reason;
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
    let mut waiting: VecDeque<_> = addrs.into_iter().map(|addr| (addr, Tries::default())).collect();
    let mut silent = Vec::new();
    // Each of a name's addresses is asked once before one is asked again.
    while let Some((addr, mut tries)) = waiting.pop_front() {
        let mut finished = options.under_way.wait(node.ping(addr.into())).await?;
        let is_again = tries.again(&mut finished.outcome);
        if let Some(answer) = finished.results.first() {
            return report(options, answer, &finished.outcome);
        }
        match is_again {
            true => waiting.push_back((addr, tries)),
            false => silent.push((addr, finished.outcome)),
        }
        if let Some(interrupted) = options.under_way.interrupted(&finished.outcome) {
            return Err(interrupted);
        }
        if finished.outcome.reason == Reason::Deadline {
            break;
        }
    }
    node.shutdown().await;
    let sentences: Vec<_> =
        silent.iter().map(|(addr, outcome)| heard.of(*addr, outcome).why(*addr, outcome, &unsent)).collect();
    let failed = Failed::from(sentences.join("; "));
    Err(silent.last().map_or(Failed::from("nobody was asked"), |(_, outcome)| failed.with(outcome)))
}

fn report(options: &Options, answer: &Answer, outcome: &Outcome) -> Result<(), Failed> {
    let rtt = millis(answer.rtt);
    options.out().line(
        format_args!("{} answered in {rtt:.3} ms, id {}", answer.from, answer.id),
        json!({
            "addr": answer.from.to_string(),
            "id": answer.id.to_string(),
            "rtt_ms": rtt,
            "outcome": outcome_json(outcome),
        }),
    )
}
