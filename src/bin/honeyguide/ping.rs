use honeyguide::Outcome;
use honeyguide::adapters::Answer;
use serde_json::json;

use crate::addressees;
use crate::failed::Failed;
use crate::first_answer::Ping;
use crate::heard::Heard;
use crate::joining_options::Rules;
use crate::options::Options;
use crate::print::{millis, outcome_json};
use crate::randomness::Randomness;
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
    let ping = Ping { options, node: &node, heard: &heard, unsent: &unsent };
    let (answer, outcome) = ping.first(addrs).await?;
    report(options, &answer, &outcome)
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
