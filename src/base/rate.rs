//! A token bucket: so many a second on average, so many at once at most.

use crate::base::time::Instant;

/// What is left of an allowance. A new one is full.
#[derive(Clone, Copy, Default, Debug)]
pub struct TokenBucket {
    /// Millionths of a unit spent and not yet regained.
    spent: u64,
    at: Instant,
}

const UNIT: u64 = 1_000_000;

impl TokenBucket {
    /// Whether one unit is left, where `rate` is (units a second, units at once).
    pub fn has(&self, now: Instant, (rate, burst): (u32, u32)) -> bool {
        self.owed(now, rate) + UNIT <= u64::from(burst) * UNIT
    }

    /// Takes one unit; `false` when none is left.
    pub fn take(&mut self, now: Instant, rate: (u32, u32)) -> bool {
        let granted = self.has(now, rate);
        self.spent = self.owed(now, rate.0) + if granted { UNIT } else { 0 };
        self.at = self.at.max(now);
        granted
    }

    fn owed(&self, now: Instant, rate: u32) -> u64 {
        let micros = u64::try_from(now.since(self.at).as_micros()).unwrap_or(u64::MAX);
        self.spent.saturating_sub(micros.saturating_mul(u64::from(rate)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Duration;

    #[test]
    fn a_budget_gives_its_burst_and_then_its_rate() {
        let (mut budget, rate) = (TokenBucket::default(), (10, 3));
        let start = Instant::from_secs(100);
        assert!((0..3).all(|_| budget.take(start, rate)));
        assert!(!budget.has(start, rate) && !budget.take(start, rate));
        let later = start + Duration::from_millis(100);
        assert!(budget.take(later, rate) && !budget.take(later, rate));
        let much_later = start + Duration::from_secs(1000);
        assert_eq!((0..10).filter(|_| budget.take(much_later, rate)).count(), 3);
    }

    #[test]
    fn a_budget_of_nothing_gives_nothing() {
        assert!(!TokenBucket::default().take(Instant::from_secs(9), (0, 0)));
    }
}
