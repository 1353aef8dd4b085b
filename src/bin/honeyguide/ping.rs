use std::net::SocketAddr;

use honeyguide::adapters::Handle;
use honeyguide::adapters::resolve::resolve;
use serde_json::json;
use tokio::time::timeout_at;

use crate::client::{self, ended};
use crate::failed::Failed;
use crate::options::Options;
use crate::print::{millis, outcome_json, outcome_text, say};
use crate::start::{Judgement, Start, family_of};

/// Ask one node whether it is there
#[derive(clap::Args)]
pub struct Args {
    /// host:port or address:port
    addr: String,
}

pub async fn run(options: &Options, args: Args) -> Result<(), Failed> {
    let start = Start::typed(options, &[args.addr])?;
    if let Some(refused) = start.refused() {
        return Err(refused.into());
    }
    let addrs = addresses(options, &start).await?;
    let node = client::node(options, &start, options.rng()?.bytes())?;
    let is_reached = |addr: &&SocketAddr| node.addrs().iter().any(|own| family_of(own) == family_of(addr));
    let reached: Vec<_> = addrs.iter().filter(is_reached).collect();
    let mut silent = Vec::new();
    for addr in reached {
        match ping(options, &node, *addr).await? {
            None => return Ok(()),
            Some(why) => silent.push(why),
        }
    }
    if silent.is_empty() {
        return Err(format!("{} was not asked: this machine has no socket of its family", addrs[0]).into());
    }
    Err(silent.join("; ").into())
}

/// The address that was typed, or those of the name, IPv4 first.
async fn addresses(options: &Options, start: &Start) -> Result<Vec<SocketAddr>, Failed> {
    let Some(name) = start.names.first() else { return Ok(start.typed.clone()) };
    let mut answers = resolve([name.clone()]);
    let answer = match options.deadline() {
        None => answers.next().await,
        Some(deadline) => timeout_at(deadline, answers.next()).await.unwrap_or(None),
    };
    let answer = answer.ok_or_else(|| format!("\"{name}\": the name service did not answer"))?;
    let mut addrs = answer.addrs.map_err(|fault| fault.to_string())?;
    // A private address is the only one that was asked for, so it is no stranger among public ones.
    let judged = |addr: &SocketAddr| match start.judge(*addr) {
        Judgement::LeaveOut(what) => Some(format!("\"{name}\" resolves to {}, {what}, which is not asked", addr.ip())),
        Judgement::Ask | Judgement::AskIfNoneIsPublic => None,
    };
    let left_out: Vec<_> = addrs.iter().filter_map(judged).collect();
    addrs.retain(|addr| judged(addr).is_none());
    addrs.sort_by_key(SocketAddr::is_ipv6);
    if addrs.is_empty() {
        return Err(format!("{}: type the address itself to use it", left_out.join("; ")).into());
    }
    left_out.into_iter().for_each(say);
    Ok(addrs)
}

/// Prints the answer, or returns why there is none.
async fn ping(options: &Options, node: &Handle, to: SocketAddr) -> Result<Option<String>, Failed> {
    let finished = ended(node.ping(to.into()).await)?;
    let Some(answer) = finished.results.first() else {
        return Ok(Some(format!("{to} did not answer ({})", outcome_text(&finished.outcome))));
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
