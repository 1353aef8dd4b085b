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

    /// Whether a question to a network is, that came to nothing, unless enough is known. If not, its outcome is that of
    /// the try in which most answered: in each it is the same nodes that are told. Of tries to store, one counts more
    /// after which a node may hold it, and a refusal is always told.
    pub fn again_in_network(&mut self, outcome: &mut Outcome, is_enough: bool, is_store: bool) -> bool {
        let rank = |outcome: &Outcome| (is_store && may_be_sent(outcome), outcome.answered);
        let is_best = self.outcome.queried == 0
            || outcome.refused.total() > 0
            || (outcome.queried > 0 && rank(outcome) >= rank(&self.outcome));
        if !is_enough && self.is_one_more(outcome) {
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

/// Whether what was to be stored may have been sent: that is a query without an answer, behind a token.
pub fn may_be_sent(outcome: &Outcome) -> bool {
    outcome.answered > 0 && u32::from(outcome.answered) + u32::from(outcome.errored) < u32::from(outcome.queried)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn of(queried: u16, answered: u16) -> Outcome {
        let mut outcome = Outcome::default();
        (outcome.queried, outcome.answered) = (queried, answered);
        outcome
    }

    /// What is told of a question to a network that went like this one time after the other.
    fn told<const N: usize>(is_store: bool, times: [Outcome; N]) -> (u16, u16, Reason) {
        let mut tries = Tries::default();
        let mut times = times.into_iter().peekable();
        while let Some(mut outcome) = times.next() {
            let is_enough = outcome.answered >= 8;
            let is_again = tries.again_in_network(&mut outcome, is_enough, is_store);
            assert_eq!(is_again, times.peek().is_some(), "{outcome:?}");
            if !is_again {
                return (outcome.queried, outcome.answered, outcome.reason);
            }
        }
        panic!("it goes on")
    }

    /// Rule U29.
    #[test]
    fn of_a_network_the_try_is_told_in_which_most_answered() {
        let ended = |queried, answered| {
            let mut outcome = of(queried, answered);
            outcome.reason = Reason::Deadline;
            outcome
        };
        let usual = Reason::default();
        assert_eq!(told(false, [of(7, 1), of(7, 3), of(7, 2)]), (7, 3, usual));
        assert_eq!(told(false, [of(7, 1), of(1, 1)]), (1, 1, usual), "all have answered");
        assert_eq!(told(false, [of(7, 1), of(20, 8)]), (20, 8, usual), "that is enough");
        assert_eq!(told(false, [of(7, 3), ended(5, 1)]), (7, 3, Reason::Deadline));
        assert_eq!(told(false, [of(7, 0), ended(0, 0)]), (7, 0, Reason::Deadline), "it had no time to ask anybody");
    }

    /// Rule U29.
    #[test]
    fn of_a_store_the_try_is_told_after_which_a_node_may_hold_it_but_for_a_refusal() {
        let usual = Reason::default();
        assert_eq!(told(true, [of(2, 1), of(2, 2)]), (2, 1, usual), "a store was sent, and then no token was given");
        assert_eq!(told(true, [of(2, 1), of(12, 8)]), (12, 8, usual), "others are silent there, too");
        assert_eq!(told(true, [of(2, 1), of(8, 8)]), (2, 1, usual));
        let mut refused = of(3, 1);
        refused.refused.other = 1;
        assert_eq!(told(true, [of(4, 2), refused]), (3, 1, usual));
    }
}
