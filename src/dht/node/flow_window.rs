//! How many flows a frugal node has opened of late (rule D14 of `spec/role.md`).
//!
//! They are counted by the second, over so many seconds that every ten seconds lie within. So what is allowed may be
//! spent at once, on a lookup that somebody waits for, and no interval sees more.

use crate::base::time::{Instant, seconds};

/// Flows in any ten seconds.
const MOST: u32 = 96;
/// Ten seconds that begin anywhere touch so many of the clock.
const SECONDS: u32 = 11;

/// Flows by the second in which they were opened.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct FlowWindow {
    counts: [u8; SECONDS as usize],
    /// The last of those seconds.
    last: u32,
}

impl FlowWindow {
    /// One is opened.
    pub(super) fn on_flow(&mut self, now: Instant) {
        let second = seconds(now);
        for passed in self.last.saturating_add(1).max(second.saturating_sub(SECONDS - 1))..=second {
            *self.count_mut(passed) = 0;
        }
        self.last = self.last.max(second);
        let count = self.count_mut(second);
        *count = count.saturating_add(1);
    }

    /// From when on there are so many left, of which there are never more than all; `None` now.
    pub(super) fn has_at(&self, now: Instant, flows: u32) -> Option<Instant> {
        let now = seconds(now);
        let has = |at: u32| self.opened(at) + flows.min(MOST) <= MOST;
        let at = (now..=now.saturating_add(SECONDS)).find(|&at| has(at)).unwrap_or(u32::MAX);
        (at > now).then(|| Instant::from_secs(at.into()))
    }

    /// How many were opened in the seconds up to this one.
    fn opened(&self, until: u32) -> u32 {
        let first = until.saturating_sub(SECONDS - 1).max(self.last.saturating_sub(SECONDS - 1));
        (first..=until.min(self.last)).map(|second| u32::from(self.counts[(second % SECONDS) as usize])).sum()
    }

    fn count_mut(&mut self, second: u32) -> &mut u8 {
        &mut self.counts[(second % SECONDS) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;
    use crate::base::time::Duration;
    use std::vec::Vec;

    /// Rule D14.
    #[test]
    fn no_ten_seconds_see_more_than_are_allowed_and_they_see_nearly_as_many() {
        let (mut rng, mut now) = (Rng::from_seed([4; 32]), Instant::from_micros(77_777_777));
        let (mut window, mut opened, begun) = (FlowWindow::default(), Vec::new(), now);
        for i in 0..5_000 {
            if let Some(at) = window.has_at(now, 1) {
                assert!(at > now && at <= now + Duration::from_secs(11));
                now = at;
                assert_eq!(window.has_at(now, 1), None, "the time that it names is enough");
            }
            window.on_flow(now);
            opened.push(now);
            now += Duration::from_micros(rng.below(if i % 500 < 100 { 400_000 } else { 20_000 }).into());
        }
        let in_ten =
            |at: &Instant| opened.iter().filter(|o| *o >= at && o.since(*at) < Duration::from_secs(10)).count();
        let most = opened.iter().map(in_ten).max();
        assert_eq!(most, Some(96));
        let each = now.since(begun).as_secs_f64() / 5_000.0;
        assert!(each < 0.16, "{each} s for each");
    }

    /// Rule D14.
    #[test]
    fn all_may_be_opened_at_once_and_are_back_after_ten_seconds() {
        let at = Instant::from_secs;
        let mut window = FlowWindow::default();
        assert_eq!([window.has_at(at(50), 96), window.has_at(at(50), 1_000)], [None, None]);
        (0..95).for_each(|_| window.on_flow(at(50)));
        assert_eq!([window.has_at(at(50), 1), window.has_at(at(50), 2)], [None, Some(at(61))]);
        window.on_flow(at(52));
        assert_eq!([1, 95, 96].map(|flows| window.has_at(at(52), flows)), [Some(at(61)), Some(at(61)), Some(at(63))]);
        assert_eq!(window.has_at(at(61), 95), None);
        assert_eq!(window.has_at(at(9_000), 96), None, "a long time later it is empty");
        window.on_flow(at(9_000));
        assert_eq!(window.has_at(at(9_000), 96), Some(at(9_011)));
    }
}
