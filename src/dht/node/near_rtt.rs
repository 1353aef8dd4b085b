//! How far away the nearest nodes are: the round trip within which one answer in ten comes.
//!
//! What bounds the answers that come at the same moment is how many of those that were asked are as near as each other.
//! The very nearest says little of it: one neighbour, or one who wants us to be slow, would hold up all others.
//!
//! The value is followed, not counted: an answer that was quicker lowers it by nine steps, another raises it by one, so
//! it rests where there are nine of these for one of those. A step is a part of the value itself, so both the
//! microseconds of one machine and the seconds of satellites are found within a few lookups, the short ones sooner. It
//! is one for all links. What nobody has answered for two minutes says nothing any more.
//!
//! The first ten milliseconds do not count: on one machine, or in one house, they are not the way but the waiting for a
//! turn, and who has more in flight the longer answers wait lets them wait longer still.

use crate::base::time::{Duration, Instant};

/// How long it counts without an answer.
const LASTING: Duration = Duration::from_secs(120);
/// A step is this part of the value.
const PART: u32 = 128;
/// What may be waiting.
const WAITING: u32 = 10_000;
/// For each that is quicker there are so many that are not.
const OTHERS: u32 = 9;

/// A round trip in microseconds, and when the last one was told.
#[derive(Clone, Copy, Debug)]
pub(super) struct NearRtt {
    last: Instant,
    /// Zero while none is known.
    micros: u32,
}

impl NearRtt {
    /// None is known yet.
    pub(super) const fn new() -> Self {
        NearRtt { last: Instant::ZERO, micros: 0 }
    }

    /// A query was answered after so many microseconds.
    pub(super) fn on_answer(&mut self, now: Instant, micros: u32) {
        let known = self.get(now);
        let step = known / PART + 1;
        self.micros = if known == 0 {
            micros.max(1)
        } else if micros < known {
            known - step.saturating_mul(OTHERS).min(known - micros)
        } else {
            known + step.min(micros - known)
        };
        self.micros = self.micros.max(1);
        self.last = now;
    }

    /// What of it is the way, in microseconds; zero when none is known.
    pub(super) fn way(&self, now: Instant) -> u32 {
        self.get(now).saturating_sub(WAITING)
    }

    fn get(&self, now: Instant) -> u32 {
        if now.since(self.last) < LASTING { self.micros } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    /// What is known after so many answers, a millisecond apart, that take what `next` says.
    fn after(near: &mut NearRtt, answers: usize, mut next: impl FnMut() -> u32) -> u32 {
        let mut now = near.last.max(Instant::from_secs(1_000));
        for _ in 0..answers {
            now += Duration::from_millis(1);
            near.on_answer(now, next());
        }
        near.get(now)
    }

    #[test]
    fn one_answer_in_ten_is_quicker() {
        let (mut near, mut rng) = (NearRtt::new(), Rng::from_seed([1; 32]));
        assert_eq!(near.get(Instant::from_secs(1_000)), 0, "none is known");
        let mut quicker = 0;
        after(&mut near, 500, || 1_000 + rng.below(100_000));
        for _ in 0..5_000 {
            let micros = 1_000 + rng.below(100_000);
            let before = after(&mut near, 0, || 0);
            quicker += u32::from(micros < before);
            after(&mut near, 1, || micros);
        }
        assert!((400..600).contains(&quicker), "{quicker}");
    }

    #[test]
    fn one_near_neighbour_among_twenty_does_not_count_and_five_do() {
        for (every, counts) in [(20, false), (4, true)] {
            let (mut near, mut n) = (NearRtt::new(), 0);
            let known = after(&mut near, 4_000, || {
                n += 1;
                if n % every == 0 { 200 } else { 150_000 }
            });
            assert_eq!(known < 10_000, counts, "{known}");
        }
    }

    #[test]
    fn who_comes_to_a_local_network_knows_it_after_two_lookups_and_who_leaves_it_after_twenty() {
        let mut near = NearRtt::new();
        assert_eq!(after(&mut near, 1, || 150_000), 150_000);
        assert!(after(&mut near, 80, || 300) < 1_000);
        assert!(after(&mut near, 40, || 300) <= 300);
        assert!(after(&mut near, 800, || 150_000) > 100_000);
        assert_eq!((after(&mut near, 1, || 0), after(&mut near, 500, || 0)).1, 1, "never none");
        assert!(after(&mut near, 10_000, || u32::MAX) > 1_000);
    }

    #[test]
    fn what_nobody_has_answered_for_two_minutes_says_nothing() {
        let (mut near, start) = (NearRtt::new(), Instant::from_secs(1_000));
        near.on_answer(start, 70);
        let get = |near: &NearRtt, second| near.get(start + Duration::from_secs(second));
        assert_eq!([0, 119, 120, 3_600].map(|second| get(&near, second)), [70, 70, 0, 0]);
        near.on_answer(start + Duration::from_secs(500), 9);
        assert_eq!(get(&near, 501), 9, "after a long pause");
    }

    #[test]
    fn ten_milliseconds_may_be_waiting() {
        let now = Instant::from_secs(1_000);
        for (micros, way) in [(1, 0), (10_000, 0), (10_001, 1), (90_000, 80_000)] {
            let mut near = NearRtt::new();
            near.on_answer(now, micros);
            assert_eq!(near.way(now), way);
        }
    }
}
