//! A question to one node may be lost, or its answer: it is asked again before that node is said to be silent (B8).

use honeyguide::Outcome;
use honeyguide::dht::Reason;

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

    /// Whether a question that went like this is asked again. If not, its outcome counts what all tries had.
    pub fn again(&mut self, outcome: &mut Outcome) -> bool {
        self.lost += 1;
        let is_lost = outcome.answered < outcome.queried && outcome.errored == 0 && outcome.refused.total() == 0;
        let is_over = matches!(outcome.reason, Reason::Deadline | Reason::Cancelled)
            || (self.end_with_an_answer && outcome.answered > 0);
        if is_lost && !is_over && self.lost < MOST {
            add(&mut self.outcome, outcome);
            return true;
        }
        add(outcome, &self.outcome);
        false
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
