//! A question may be lost, or its answer: it is asked again before one node is said to be silent, or before little that
//! was answered decides (B8).

use std::net::SocketAddr;

use honeyguide::Outcome;
use honeyguide::adapters::{Answer, Handle};
use honeyguide::dht::Reason;

use crate::failed::Failed;
use crate::heard::Heard;
use crate::options::Options;
use crate::unsent::Unsent;

/// How often it is asked at most.
const MOST: u32 = 3;

/// What was asked in vain.
#[derive(Default)]
pub struct Tries {
    lost: u32,
    outcome: Outcome,
    end_with_an_answer: bool,
}

impl Tries {
    /// Of what must not be done twice, and is not done before the node has answered something.
    pub fn until_an_answer() -> Tries {
        Tries { end_with_an_answer: true, ..Tries::default() }
    }

    /// Whether a question to one node that went like this is asked again. If not, its outcome counts what all tries
    /// had.
    pub fn again(&mut self, outcome: &mut Outcome) -> bool {
        if self.is_one_more(outcome) {
            add(&mut self.outcome, outcome);
            return true;
        }
        add(outcome, &self.outcome);
        false
    }

    /// Whether a question to a network is, that came to nothing. If not, its outcome is that of the try in which most
    /// answered: in each it is the same nodes that are told.
    pub fn again_in_network(&mut self, outcome: &mut Outcome) -> bool {
        let is_best = outcome.answered >= self.outcome.answered || outcome.refused.total() > 0;
        if self.is_one_more(outcome) {
            self.outcome = if is_best { *outcome } else { self.outcome };
            return true;
        }
        if !is_best {
            self.outcome.reason = outcome.reason;
            *outcome = self.outcome;
        }
        false
    }

    fn is_one_more(&mut self, outcome: &Outcome) -> bool {
        self.lost += 1;
        let is_lost = outcome.answered < outcome.queried && outcome.errored == 0 && outcome.refused.total() == 0;
        let is_over = matches!(outcome.reason, Reason::Deadline | Reason::Cancelled)
            || (self.end_with_an_answer && outcome.answered > 0);
        is_lost && !is_over && self.lost < MOST
    }
}

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

/// What was asked and what came of it, together; the rest is that of the one.
fn add(one: &mut Outcome, other: &Outcome) {
    for (count, more) in [
        (&mut one.queried, other.queried),
        (&mut one.answered, other.answered),
        (&mut one.late, other.late),
        (&mut one.timed_out, other.timed_out),
        (&mut one.invalid, other.invalid),
    ] {
        *count = count.saturating_add(more);
    }
    one.elapsed = one.elapsed.saturating_add(other.elapsed);
    for (link, more) in one.links.iter_mut().zip(&other.links) {
        link.queried = link.queried.saturating_add(more.queried);
        link.answered = link.answered.saturating_add(more.answered);
    }
}
