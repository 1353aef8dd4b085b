//! How many of those that other nodes name answer, and how long one of them is waited for.
//!
//! In a calm network all do; of contacts that are handed out in the world, half are gone. So the share of the latest
//! ones is learnt. Where nearly all answer, whoever is silent is probably slow and worth waiting for; where half of
//! them do, whoever takes longer than others on average may well be gone, and more are asked at once (rules L6, L7,
//! L41).

use crate::base::time::{Duration, Instant};
use crate::dht::config::Bounds;
use crate::dht::contact::AnswerHistory;

/// The whole.
pub(super) const ALL: u32 = 1_000;
/// Each that ends weighs so much against those before it.
const WEIGHT: u32 = 32;
/// No more are believed to be gone, whatever the last ones were.
const LEAST: u32 = 400;
/// Deviations of the round trip, in tenths, that are waited beyond it where half of them answer and somebody waits, ..
const FEWEST_DEVIATIONS: u64 = 0;
/// .. where half of them do and nobody waits, ..
const BACKGROUND_DEVIATIONS: u64 = 25;
/// .. and where all do.
const MOST_DEVIATIONS: u64 = 50;

/// What was seen of those that others name.
#[derive(Debug)]
pub(super) struct Referrals {
    /// Which part of them answers, in 64ths of a thousandth.
    share: u32,
    /// Round trips of all nodes together: the guess for a node never asked.
    rtt: AnswerHistory,
}

impl Referrals {
    pub(super) fn new() -> Self {
        Referrals { share: 64 * ALL, rtt: AnswerHistory::default() }
    }

    /// Anybody answered.
    pub(super) fn on_round_trip(&mut self, now: Instant, rtt: Duration) {
        self.rtt.on_answer(now, Some(rtt));
    }

    /// One that was named has answered, or it has not.
    pub(super) fn on_end(&mut self, answered: bool) {
        let gained = if answered { 64 * ALL / WEIGHT } else { 0 };
        self.share = self.share - self.share / WEIGHT + gained;
    }

    /// How many of a thousand answer.
    pub(super) fn answering(&self) -> u32 {
        (self.share / 64).clamp(LEAST, ALL)
    }

    /// How long one of them is waited for: longer where nobody waits, since time is had there for nothing, and queries
    /// are not.
    pub(super) fn soft_timeout(&self, bounds: Bounds, in_background: bool) -> Duration {
        let least = if in_background { BACKGROUND_DEVIATIONS } else { FEWEST_DEVIATIONS };
        let beyond_half = u64::from(self.answering().saturating_sub(ALL / 2));
        self.rtt.timeout(least + (MOST_DEVIATIONS - least) * beyond_half / u64::from(ALL / 2), bounds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { least: Duration::from_millis(50), most: Duration::from_secs(1) };

    fn ended(answered: &[bool]) -> Referrals {
        let mut referrals = Referrals::new();
        referrals.on_round_trip(Instant::ZERO, Duration::from_millis(100));
        (0..400).for_each(|i| referrals.on_end(answered[i % answered.len()]));
        referrals
    }

    /// Rule L7: 100 ms, and 50 ms of deviation, not once or five times; 2.5 times at least where nobody waits.
    #[test]
    fn who_is_named_is_waited_for_as_long_as_those_that_are_named_use_to_answer() {
        let after = |answered: &[bool]| {
            let referrals = ended(answered);
            let [awaited, background] = [false, true].map(|it| referrals.soft_timeout(BOUNDS, it).as_millis());
            (referrals.answering(), awaited, background)
        };
        let near = |found: u32, wanted: u32| assert!(found.abs_diff(wanted) <= 20, "{found} {wanted}");
        near(after(&[true]).0, ALL);
        near(after(&[true, false]).0, 500);
        assert_eq!(after(&[false]).0, LEAST);
        assert_eq!([after(&[true]).1, after(&[true, false]).1, after(&[false]).1], [350, 100, 100]);
        assert_eq!([after(&[true]).2, after(&[true, false]).2, after(&[false]).2], [350, 225, 225]);
    }

    #[test]
    fn whoever_was_never_answered_waits_for_as_long_as_it_may() {
        assert_eq!(Referrals::new().soft_timeout(BOUNDS, false), BOUNDS.most);
    }
}
