//! Token buckets: so many a second on average, so many at once at most.
//!
//! A bucket is kept as one number: the time at which it will be full again. One that is full says nothing about the
//! past, so it can be forgotten without loss.

use crate::base::time::Instant;

/// How much is allowed: so much a second on average, and so much at once after a pause. A rate of zero a second lets
/// nothing through.
///
/// Exhaustive: a token bucket has these two numbers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Rate {
    /// Units a second.
    pub per_second: u32,
    /// Units at once.
    pub burst: u32,
}

impl Rate {
    /// More than anybody can use.
    pub const UNLIMITED: Rate = Rate { per_second: u32::MAX, burst: u32::MAX };
}

/// A rate as times in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    per_second: u64,
    /// Time in which one unit flows in.
    one: u64,
    /// Time in which an empty bucket fills.
    depth: u64,
}

impl From<Rate> for Flow {
    fn from(rate: Rate) -> Self {
        let mut flow = Flow { per_second: rate.per_second.into(), one: u64::MAX, depth: 0 };
        if rate.per_second > 0 {
            (flow.one, flow.depth) = (flow.time(1), flow.time(rate.burst.into()));
        }
        flow
    }
}

impl Flow {
    /// Time in which so many units flow in, rounded up.
    pub fn time(&self, units: u64) -> u64 {
        units.saturating_mul(1_000_000_000).div_ceil(self.per_second.max(1))
    }
}

/// What is left of an allowance. A new one is full.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct TokenBucket {
    full_at: u64,
}

impl TokenBucket {
    /// A bucket by the time at which it will be full, in nanoseconds.
    pub fn until(full_at: u64) -> Self {
        TokenBucket { full_at }
    }

    /// The time at which it will be full, in nanoseconds.
    pub fn full_at(self) -> u64 {
        self.full_at
    }

    /// The bucket after one unit is taken out; `None` when none is left.
    pub fn minus_one(self, now: Instant, flow: &Flow) -> Option<TokenBucket> {
        self.minus_time(now, flow.one, flow)
    }

    /// The bucket after so many units are taken out; `None` when it holds fewer.
    pub fn minus(self, now: Instant, units: u64, flow: &Flow) -> Option<TokenBucket> {
        self.minus_time(now, flow.time(units), flow)
    }

    /// When it holds one unit at the soonest.
    pub fn one_at(self, flow: &Flow) -> Instant {
        Instant::from_micros(self.full_at.saturating_add(flow.one).saturating_sub(flow.depth).div_ceil(1_000))
    }

    /// The bucket after what flows in in such a time ([`Flow::time`]) is taken out; `None` when it holds less.
    pub fn minus_time(self, now: Instant, cost: u64, flow: &Flow) -> Option<TokenBucket> {
        let now = nanos(now);
        let full_at = self.full_at.max(now).checked_add(cost)?;
        (full_at - now <= flow.depth).then_some(TokenBucket { full_at })
    }
}

/// Nanoseconds since the origin; saturates after five centuries.
fn nanos(at: Instant) -> u64 {
    at.as_micros().min(u64::MAX / 1_000) * 1_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Duration;

    /// How many units come out of a bucket, one by one.
    fn taken(bucket: &mut TokenBucket, now: Instant, flow: &Flow) -> usize {
        core::iter::from_fn(|| bucket.minus_one(now, flow).map(|rest| *bucket = rest)).take(1000).count()
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let (mut bucket, flow) = (TokenBucket::default(), Flow::from(Rate { per_second: 10, burst: 3 }));
        let start = Instant::from_secs(100);
        assert_eq!(taken(&mut bucket, start, &flow), 3);
        assert_eq!(taken(&mut bucket, start + Duration::from_millis(99), &flow), 0);
        assert_eq!(taken(&mut bucket, start + Duration::from_millis(100), &flow), 1);
        assert_eq!(taken(&mut bucket, start + Duration::from_secs(1000), &flow), 3, "never more than the burst");
    }

    #[test]
    fn a_clock_that_steps_back_gives_nothing_away() {
        let (mut bucket, flow) = (TokenBucket::default(), Flow::from(Rate { per_second: 10, burst: 3 }));
        taken(&mut bucket, Instant::from_secs(100), &flow);
        assert_eq!(taken(&mut bucket, Instant::from_secs(50), &flow), 0);
    }

    #[test]
    fn many_units_are_taken_together_or_not_at_all() {
        let (bucket, flow) = (TokenBucket::default(), Flow::from(Rate { per_second: 10, burst: 30 }));
        let now = Instant::from_secs(100);
        let rest = bucket.minus(now, 20, &flow).unwrap();
        assert!(rest.minus(now, 11, &flow).is_none() && bucket.minus(now, u64::MAX, &flow).is_none());
        assert!(rest.minus(now, 10, &flow).is_some_and(|rest| rest.minus_one(now, &flow).is_none()));
    }

    #[test]
    fn a_rate_of_nothing_and_a_burst_of_nothing_give_nothing() {
        for rate in [Rate { per_second: 0, burst: 9 }, Rate { per_second: 9, burst: 0 }] {
            assert_eq!(taken(&mut TokenBucket::default(), Instant::from_secs(9), &Flow::from(rate)), 0);
        }
    }
}
