//! The shortest round trip of late: what the way itself takes, without any waiting.
//!
//! It forgets: the least of the minute that runs and of the one before it. A single neighbour that answered once does
//! not slow a node down for ever. It is one for all links, and so the least, with which every socket's buffer is safe.

use crate::base::time::{Duration, Instant};

/// How long a round trip counts at least; twice as long at most.
const SPAN: Duration = Duration::from_secs(60);

/// The least of two spans of time.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct LeastRtt {
    /// When the span that runs began.
    since: Instant,
    now: Option<Duration>,
    before: Option<Duration>,
}

impl LeastRtt {
    /// A query was answered.
    pub(super) fn on_answer(&mut self, now: Instant, rtt: Duration) {
        if now.since(self.since) >= SPAN {
            // What is older than a span by then says nothing any more.
            self.before = self.now.filter(|_| now.since(self.since) < SPAN.saturating_mul(2));
            (self.since, self.now) = (now, None);
        }
        self.now = Some(self.now.map_or(rtt, |least| least.min(rtt)));
    }

    /// The least; zero when none is known.
    pub(super) fn get(&self) -> Duration {
        self.now.into_iter().chain(self.before).min().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_round_trip_counts_for_a_minute_and_is_forgotten_after_two() {
        let (mut least, start) = (LeastRtt::default(), Instant::from_secs(1000));
        assert_eq!(least.get(), Duration::ZERO);
        let mut told = |second: u64, millis: u64| {
            least.on_answer(start + Duration::from_secs(second), Duration::from_millis(millis));
            least.get().as_millis()
        };
        assert_eq!([told(0, 80), told(1, 1), told(59, 80)], [80, 1, 1]);
        assert_eq!([told(60, 90), told(119, 80)], [1, 1], "of the minute before");
        assert_eq!([told(120, 100), told(121, 70)], [80, 70]);
        assert_eq!(told(1000, 120), 120, "after a long pause");
    }
}
