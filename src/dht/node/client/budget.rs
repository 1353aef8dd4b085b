//! How many unverified nodes may be asked (rule L9): what bounds what false referrals can make us send to others.

use crate::base::rate::{Flow, Rate, TokenBucket};
use crate::base::time::{Duration, Instant};

/// So many times its deadline an operation may take at the most, however long the budget holds it up.
const STANDSTILL: u32 = 4;

/// Flows of the keeper are counted over so many microseconds.
const WINDOW: u32 = 10_000_000;

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

/// How many nodes the keeper may turn to (P15): a quarter of them at once, and the rest one after another, so that in
/// any ten seconds there are no more.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct FlowBudget {
    full_at: Instant,
}

impl FlowBudget {
    /// When it has something left, if it has nothing now.
    pub(super) fn held_until(&self, now: Instant, flows: u16) -> Option<Instant> {
        let (burst, each) = FlowBudget::pace(flows);
        let at = self.full_at.before(each.saturating_mul(burst - 1));
        Some(at).filter(|at| *at > now)
    }

    /// One is turned to.
    pub(super) fn take(&mut self, now: Instant, flows: u16) {
        self.full_at = self.full_at.max(now) + FlowBudget::pace(flows).1;
    }

    /// So many at once, and one more after so long.
    fn pace(flows: u16) -> (u32, Duration) {
        let flows = u32::from(flows.max(2));
        let burst = (flows / 4).max(1);
        // Rounded up: an interval of ten seconds sees the burst and no more than the rest.
        let micros = WINDOW.div_ceil(flows - burst);
        (burst, Duration::from_micros(micros.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    // P15
    #[test]
    fn no_ten_seconds_see_more_flows_than_are_allowed_and_they_see_nearly_as_many() {
        for flows in [2, 3, 7, 40, 250, u16::MAX] {
            let (mut budget, mut now, mut last) = (FlowBudget::default(), Instant::from_secs(100), VecDeque::new());
            let mut most = 0;
            for _ in 0..3 * usize::from(flows) {
                if let Some(at) = budget.held_until(now, flows) {
                    assert!(at > now);
                    now = at;
                    assert_eq!(budget.held_until(now, flows), None, "the time that it names is enough");
                }
                budget.take(now, flows);
                last.push_back(now);
                while last.front().is_some_and(|at| now.since(*at) >= Duration::from_secs(10)) {
                    last.pop_front();
                }
                most = most.max(last.len());
            }
            assert!(
                most <= usize::from(flows) && most >= usize::from(flows) - usize::from(flows).div_ceil(100),
                "{flows}: {most}"
            );
        }
    }
}
