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

/// How long an operation may take from its first query on.
#[derive(Clone, Copy, Debug)]
pub(super) struct TimeLimit {
    time: Duration,
    /// How long the budget alone held it up.
    stood: Duration,
}

impl TimeLimit {
    /// So long, and as much longer as it stands still.
    pub(super) fn of(time: Duration) -> Self {
        TimeLimit { time, stood: Duration::ZERO }
    }

    /// It stood still for so long.
    pub(super) fn stand_still(&mut self, time: Duration) {
        self.stood = self.stood.saturating_add(time);
    }

    /// After so long it ends, while it stands still or does not.
    pub(super) fn after(&self, is_held: bool) -> Duration {
        let longest = self.time.saturating_mul(STANDSTILL);
        if is_held { longest } else { self.time.saturating_add(self.stood).min(longest) }
    }
}
