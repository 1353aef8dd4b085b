//! The address of a name at which a node is: that whose ping is answered first.

use std::net::SocketAddr;

use honeyguide::Outcome;
use honeyguide::adapters::{Answer, Handle};

use crate::failed::Failed;
use crate::heard::Heard;
use crate::options::Options;
use crate::tries::Tries;
use crate::unsent::Unsent;

/// Whether a node is there, of several addresses of its name.
pub struct Ping<'a> {
    pub options: &'a Options,
    /// Our own.
    pub node: &'a Handle,
    pub heard: &'a Heard,
    pub unsent: &'a Unsent,
}

impl Ping<'_> {
    /// The first that answers, and how that went. All are asked at once, so that a silent one takes no time from
    /// another's tries; of several that answer, the one that stands first is taken.
    pub async fn first(&self, addrs: Vec<SocketAddr>) -> Result<(Answer, Outcome), Failed> {
        let under_way = &self.options.under_way;
        let mut waiting: Vec<_> = addrs.into_iter().map(|addr| (addr, Tries::default())).collect();
        let mut silent = Vec::new();
        while !waiting.is_empty() {
            let ask = |(addr, tries): (SocketAddr, Tries)| (addr, tries, self.node.ping(addr.into()));
            let asked: Vec<_> = waiting.drain(..).map(ask).collect();
            for (addr, mut tries, ping) in asked {
                let mut finished = under_way.wait(ping).await?;
                let is_again = tries.again(&mut finished.outcome);
                if let Some(answer) = finished.results.pop() {
                    return Ok((answer, finished.outcome));
                }
                if let Some(interrupted) = under_way.interrupted(&finished.outcome) {
                    return Err(interrupted);
                }
                match is_again {
                    true => waiting.push((addr, tries)),
                    false => silent.push((addr, finished.outcome)),
                }
            }
        }
        Err(self.nobody(&silent).await)
    }

    /// Why none of them answered. Nothing is asked after that.
    async fn nobody(&self, silent: &[(SocketAddr, Outcome)]) -> Failed {
        self.node.shutdown().await;
        let why =
            |(addr, outcome): &(SocketAddr, Outcome)| self.heard.of(*addr, outcome).why(*addr, outcome, self.unsent);
        let failed = Failed::from(silent.iter().map(why).collect::<Vec<_>>().join("; "));
        silent.last().map_or(Failed::from("nobody was asked"), |(_, outcome)| failed.with(outcome))
    }
}
