//! How many unverified nodes may be asked (rule L9): what bounds what false referrals can make us send to others.

use crate::base::rate::{Flow, Rate, TokenBucket};
use crate::base::time::{Duration, Instant};

/// So many times its deadline an operation may take at the most, however long the budget holds it up.
const STANDSTILL: u32 = 4;

/// What is left for queries to unverified nodes, and when those that it holds up go on.
#[derive(Default, Debug)]
pub(super) struct UnverifiedBudget {
    left: TokenBucket,
    next: Option<Instant>,
}

impl UnverifiedBudget {
    /// Whether it has something left.
    pub(super) fn has_one(&self, now: Instant, rate: Rate) -> bool {
        self.left.minus_one(now, &rate.into()).is_some()
    }

    /// One is asked.
    pub(super) fn take(&mut self, now: Instant, rate: Rate) {
        self.left = self.left.minus_one(now, &rate.into()).unwrap_or(self.left);
    }

    /// Whether it holds somebody up, from now on.
    pub(super) fn hold(&mut self, somebody: bool, rate: Rate) {
        self.next = somebody.then(|| self.left.one_at(&Flow::from(rate)));
    }

    /// When it has something left for those that it holds up.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next
    }
}

/// How long after its first query an operation ends that may take so long, and that stood still for so long.
pub(super) fn time_limit([time, stood]: [Duration; 2], is_held: bool) -> Duration {
    let longest = time.saturating_mul(STANDSTILL);
    if is_held { longest } else { time.saturating_add(stood).min(longest) }
}
