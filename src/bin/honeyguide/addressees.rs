//! Nodes that are asked alone: the address that was typed, or those of a name.

use std::net::SocketAddr;

use honeyguide::adapters::Handle;

use crate::client;
use crate::failed::Failed;
use crate::heard::Heard;
use crate::joining_options::Rules;
use crate::name_service;
use crate::options::Options;
use crate::print::say;
use crate::randomness::Randomness;
use crate::start::{Judgement, Start, family_of, way_to_use};

/// A node of our own, which keeps what it hears, and those of the addresses that it can reach, IPv4 first: at least
/// one.
pub async fn reach(
    options: &Options,
    rules: &Rules,
    random: &Randomness,
    typed: &str,
    heard: Heard,
) -> Result<(Handle, Vec<SocketAddr>), Failed> {
    let start = Start::typed(rules, &[typed.into()])?;
    if let Some(refused) = start.refused_without_bind().or_else(|| start.refused()) {
        return Err(refused);
    }
    let mut addrs = addresses(options, &start).await?;
    let node = client::keeping_to_itself(options, &start, random.rng()?.bytes(), heard)?;
    let first = addrs[0];
    addrs.retain(|addr| node.addrs().iter().any(|own| family_of(own) == family_of(addr)));
    if addrs.is_empty() {
        return Err(format!("{first} was not asked: this machine has no socket of its family").into());
    }
    Ok((node, addrs))
}

/// The address that was typed, or those of the name, IPv4 first.
async fn addresses(options: &Options, start: &Start) -> Result<Vec<SocketAddr>, Failed> {
    let Some(name) = start.names.first() else { return Ok(start.typed.clone()) };
    let answer = name_service::answer(name.clone(), name, options.deadline()).await;
    let answer = answer.ok_or_else(|| format!("\"{name}\": the name service did not answer"))?;
    let mut addrs = answer.addrs.map_err(|fault| fault.to_string())?;
    // A private address is the only one that was asked for, so it is no stranger among public ones.
    let judged = |addr: &SocketAddr| match start.judge(*addr) {
        Judgement::LeaveOut(what) => {
            let (ip, use_it) = (addr.ip(), way_to_use(*addr));
            Some(format!("\"{name}\" resolves to {ip}, {what}, which is not asked{use_it}"))
        }
        Judgement::Ask | Judgement::AskIfNoneIsPublic => None,
    };
    let left_out: Vec<_> = addrs.iter().filter_map(judged).collect();
    addrs.retain(|addr| judged(addr).is_none());
    addrs.sort_by_key(SocketAddr::is_ipv6);
    if addrs.is_empty() {
        return Err(left_out.join("; ").into());
    }
    left_out.into_iter().for_each(say);
    Ok(addrs)
}
