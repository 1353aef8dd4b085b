//! A question may be lost, or its answer: it is asked again before one node is said to be silent, or before little that
//! was answered decides (B8).

use honeyguide::Outcome;
use honeyguide::dht::Reason;

/// How often it is asked at most.
const MOST: u32 = 3;

/// What was asked in vain.
#[derive(Default)]
pub struct Tries {
    lost: u32,
    outcome: Outcome,
    end_with_a_store: bool,
}

impl Tries {
    /// Of a store that must not be sent twice.
    pub fn until_a_store() -> Tries {
        Tries { end_with_a_store: true, ..Tries::default() }
    }

    /// Whether a question to one node that went like this is asked again. If not, its outcome counts what all tries
    /// had.
    pub fn again(&mut self, outcome: &mut Outcome) -> bool {
        if self.is_one_more(outcome) {
            add(&mut self.outcome, outcome);
            return true;
        }
        add(outcome, &self.outcome);
        if outcome.stored.all > 0 {
            // The one node has confirmed it, and the stores before it were the same.
            outcome.unconfirmed = 0;
        }
        false
    }

    /// Whether a question to a network is, that came to nothing, unless enough is known. If not, its outcome is that of
    /// the try in which most answered, or one refused: in each it is the same nodes that are told. What may be held
    /// since some try may be held after all of them.
    pub fn again_in_network(&mut self, outcome: &mut Outcome, is_enough: bool) -> bool {
        let unconfirmed = outcome.unconfirmed.max(self.outcome.unconfirmed);
        let held_seq = outcome.held_seq.max(self.outcome.held_seq);
        let elapsed = outcome.elapsed.saturating_add(self.outcome.elapsed);
        let is_best = self.outcome.queried == 0
            || outcome.refused.total() > 0
            || (outcome.queried > 0 && outcome.answered >= self.outcome.answered);
        let is_one_more = !is_enough && self.is_one_more(outcome);
        if is_best {
            self.outcome = *outcome;
        }
        let told = &mut self.outcome;
        (told.unconfirmed, told.held_seq, told.elapsed) = (unconfirmed, held_seq, elapsed);
        if !is_one_more {
            self.outcome.reason = outcome.reason;
            *outcome = self.outcome;
        }
        is_one_more
    }

    /// A question to a network that came to something is not asked again. What others took was time, and what they saw
    /// is seen.
    pub fn end(&self, outcome: &mut Outcome) -> bool {
        outcome.elapsed = outcome.elapsed.saturating_add(self.outcome.elapsed);
        outcome.held_seq = outcome.held_seq.max(self.outcome.held_seq);
        false
    }

    fn is_one_more(&mut self, outcome: &Outcome) -> bool {
        self.lost += 1;
        let is_lost = outcome.answered < outcome.queried && outcome.errored == 0 && outcome.refused.total() == 0;
        let is_over = matches!(outcome.reason, Reason::Deadline | Reason::Cancelled)
            || (self.end_with_a_store && outcome.unconfirmed > 0);
        is_lost && !is_over && self.lost < MOST
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
        (&mut one.unconfirmed, other.unconfirmed),
    ] {
        *count = count.saturating_add(more);
    }
    one.held_seq = one.held_seq.max(other.held_seq);
    one.elapsed = one.elapsed.saturating_add(other.elapsed);
    for (link, more) in one.links.iter_mut().zip(&other.links) {
        link.queried = link.queried.saturating_add(more.queried);
        link.answered = link.answered.saturating_add(more.answered);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn of(queried: u16, answered: u16) -> Outcome {
        let mut outcome = Outcome::default();
        (outcome.queried, outcome.answered) = (queried, answered);
        outcome.elapsed = Duration::from_secs(1);
        outcome
    }

    /// What is told of a question to a network that went like this one time after the other.
    fn told<const N: usize>(times: [Outcome; N]) -> (u16, u16, Reason) {
        let outcome = outcome_told(times);
        (outcome.queried, outcome.answered, outcome.reason)
    }

    fn outcome_told<const N: usize>(times: [Outcome; N]) -> Outcome {
        let mut tries = Tries::default();
        let mut times = times.into_iter().peekable();
        while let Some(mut outcome) = times.next() {
            let is_enough = outcome.answered >= 8;
            let is_again = tries.again_in_network(&mut outcome, is_enough);
            assert_eq!(is_again, times.peek().is_some(), "{outcome:?}");
            if !is_again {
                return outcome;
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
        assert_eq!(told([of(7, 1), of(7, 3), of(7, 2)]), (7, 3, usual));
        assert_eq!(told([of(7, 1), of(1, 1)]), (1, 1, usual), "all have answered");
        assert_eq!(told([of(7, 1), of(20, 8)]), (20, 8, usual), "that is enough");
        assert_eq!(told([of(7, 3), ended(5, 1)]), (7, 3, Reason::Deadline));
        assert_eq!(told([of(7, 0), ended(0, 0)]), (7, 0, Reason::Deadline), "it had no time to ask anybody");
    }

    /// Rule U29.
    #[test]
    fn what_a_node_may_hold_since_one_try_it_may_hold_after_all_of_them() {
        let sent = |queried, answered| {
            let mut outcome = of(queried, answered);
            outcome.unconfirmed = 1;
            outcome
        };
        let mut refused = of(3, 1);
        refused.refused.other = 1;
        for (first, then) in
            [(sent(2, 1), of(2, 2)), (sent(4, 2), of(8, 8)), (sent(4, 2), refused), (of(2, 1), sent(12, 8))]
        {
            let told = outcome_told([first, then]);
            assert_eq!((told.unconfirmed, told.queried, told.refused), (1, then.queried, then.refused));
            assert_eq!(told.elapsed, Duration::from_secs(2), "all tries took their time");
        }
        let mut tries = Tries::default();
        let mut seen = sent(2, 1);
        seen.held_seq = Some(7);
        assert!(tries.again_in_network(&mut seen.clone(), false));
        let mut stored = of(2, 2);
        stored.stored.all = 1;
        // Who has confirmed may be the one that was silent before.
        assert!(!tries.end(&mut stored));
        assert_eq!((stored.unconfirmed, stored.held_seq, stored.elapsed), (0, Some(7), Duration::from_secs(2)));
        let mut nothing = of(2, 2);
        assert!(!tries.again_in_network(&mut nothing, false));
        assert_eq!((nothing.unconfirmed, nothing.held_seq), (1, Some(7)));
        // Of one node it is known then.
        let mut tries = Tries::default();
        assert!(tries.again(&mut seen));
        stored.held_seq = None;
        assert!(!tries.again(&mut stored));
        assert_eq!((stored.unconfirmed, stored.held_seq), (0, Some(7)));
        let mut tries = Tries::until_a_store();
        assert!(tries.again_in_network(&mut of(3, 1), false), "nothing was sent to be stored");
        assert!(!tries.again_in_network(&mut sent(3, 1), false));
    }
}
