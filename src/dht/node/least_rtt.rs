//! The shortest round trip of late: what the way itself takes, without any waiting.
//!
//! It forgets: the least of the minute that runs and of the one before it. A single neighbour that answered once does
//! not slow a node down for ever. It is one for all links, and so the least, with which every socket's buffer is safe.

use crate::base::time::Instant;

/// How many seconds a round trip counts at least; twice as long at most.
const SPAN: u64 = 60;
const TWO_SPANS: u64 = 2 * SPAN;
/// No round trip is known.
const NONE: u32 = u32::MAX;

/// The least of two spans of time, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct LeastRtt {
    /// When the span that runs began.
    since: Instant,
    now: u32,
    before: u32,
}

impl LeastRtt {
    /// None is known yet.
    pub(super) const fn new() -> Self {
        LeastRtt { since: Instant::ZERO, now: NONE, before: NONE }
    }

    /// A query was answered after so many microseconds.
    pub(super) fn on_answer(&mut self, now: Instant, micros: u32) {
        let age = self.age(now);
        if age >= SPAN {
            // What is older than a span by then says nothing any more.
            self.before = if age < TWO_SPANS { self.now } else { NONE };
            (self.since, self.now) = (now, NONE);
        }
        self.now = self.now.min(micros);
    }

    /// The least in microseconds; zero when none is known.
    pub(super) fn get(&self, now: Instant) -> u32 {
        let least = match self.age(now) {
            0..SPAN => self.now.min(self.before),
            SPAN..TWO_SPANS => self.now,
            _ => NONE,
        };
        if least == NONE { 0 } else { least }
    }

    /// Whole seconds since the span that runs began.
    fn age(&self, now: Instant) -> u64 {
        now.since(self.since).as_secs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Duration;

    #[test]
    fn the_shortest_round_trip_counts_for_a_minute_and_is_forgotten_after_two() {
        let (mut least, start) = (LeastRtt::new(), Instant::from_secs(1000));
        assert_eq!(least.get(start), 0);
        let mut told = |second: u64, micros: u32| {
            let now = start + Duration::from_secs(second);
            least.on_answer(now, micros);
            least.get(now)
        };
        assert_eq!([told(0, 80), told(1, 1), told(59, 80)], [80, 1, 1]);
        assert_eq!([told(60, 90), told(119, 80)], [1, 1], "of the minute before");
        assert_eq!([told(120, 100), told(121, 70)], [80, 70]);
        assert_eq!(told(1000, 120), 120, "after a long pause");
    }

    #[test]
    fn what_is_older_than_two_minutes_counts_for_nothing_also_while_nobody_answers() {
        let (mut least, start) = (LeastRtt::new(), Instant::from_secs(1000));
        least.on_answer(start, 5);
        least.on_answer(start + Duration::from_secs(60), 80);
        let get = |second| least.get(start + Duration::from_secs(second));
        assert_eq!([60, 119, 120, 179, 180, 3_600].map(get), [5, 5, 80, 80, 0, 0]);
    }
}
