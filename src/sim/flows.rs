//! The flows that a host opens: what the tables of home routers see of it.

use alloc::collections::{BTreeMap, VecDeque};

use crate::base::time::{Duration, Instant};
use crate::krpc::endpoint::Endpoint;

/// Whom nothing was sent to for this long is a new flow.
const IDLE: Duration = Duration::from_secs(180);
/// New flows are counted over this long.
const WINDOW: Duration = Duration::from_secs(10);

/// The flows of one host.
#[derive(Clone, Default, Debug)]
pub(super) struct Flows {
    last: BTreeMap<Endpoint, Instant>,
    opened: VecDeque<Instant>,
    most: usize,
}

impl Flows {
    pub(super) fn on_sent(&mut self, now: Instant, to: Endpoint) {
        if self.last.insert(to, now).is_some_and(|last| now.since(last) < IDLE) {
            return;
        }
        while self.opened.front().is_some_and(|at| now.since(*at) >= WINDOW) {
            self.opened.pop_front();
        }
        self.opened.push_back(now);
        self.most = self.most.max(self.opened.len());
    }

    /// The most that were opened in ten seconds.
    pub(super) fn most(&self) -> usize {
        self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_nothing_was_sent_to_for_three_minutes_is_a_new_flow() {
        let mut flows = Flows::default();
        let (at, to) = (Instant::from_secs, |i| Endpoint::v4([1, 1, 1, i], 5));
        for (now, who, most) in [(0, 1, 1), (1, 1, 1), (2, 2, 2), (9, 3, 3), (10, 4, 3), (181, 4, 3), (182, 1, 3)] {
            flows.on_sent(at(now), to(who));
            assert_eq!(flows.most(), most, "{now}");
        }
        // One more than the most, in ten seconds.
        (5..9).for_each(|who| flows.on_sent(at(183), to(who)));
        assert_eq!(flows.most(), 5);
    }
}
