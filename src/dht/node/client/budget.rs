//! How many unverified nodes may be asked (rule L9): what bounds what false referrals can make us send to others.

use crate::base::rate::{Flow, Rate, TokenBucket};
use crate::base::time::Instant;

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
