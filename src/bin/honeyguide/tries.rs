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
}

impl Tries {
    /// Whether a question that went like this is asked again. If not, its outcome is that of all tries.
    pub fn again(&mut self, outcome: &mut Outcome) -> bool {
        self.lost += 1;
        let is_lost = outcome.answered < outcome.queried && outcome.errored == 0 && outcome.refused.total() == 0;
        let is_over = matches!(outcome.reason, Reason::Deadline | Reason::Cancelled);
        if is_lost && !is_over && self.lost < MOST {
            self.outcome.queried = self.outcome.queried.saturating_add(outcome.queried);
            self.outcome.timed_out = self.outcome.timed_out.saturating_add(outcome.timed_out);
            self.outcome.elapsed = self.outcome.elapsed.saturating_add(outcome.elapsed);
            return true;
        }
        outcome.queried = outcome.queried.saturating_add(self.outcome.queried);
        outcome.timed_out = outcome.timed_out.saturating_add(self.outcome.timed_out);
        outcome.elapsed = outcome.elapsed.saturating_add(self.outcome.elapsed);
        false
    }
}
