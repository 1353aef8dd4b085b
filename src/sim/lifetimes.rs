//! How long nodes were up, all of them together.

use alloc::vec::Vec;

use crate::base::time::{Duration, Instant};
use crate::sim::paths::HostId;

/// The times for which nodes were up, added up.
///
/// Exhaustive: a node is one of ours, or another.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct NodeTime {
    /// Of our own nodes, which run whole.
    pub ours: Duration,
    /// Of all others: remote nodes of other makes, and adversaries.
    pub others: Duration,
}

impl NodeTime {
    fn add(&mut self, is_ours: bool, time: Duration) {
        let sum = if is_ours { &mut self.ours } else { &mut self.others };
        *sum = sum.saturating_add(time);
    }
}

/// Who is up, since when.
#[derive(Default, Debug)]
pub(super) struct Lifetimes {
    /// By host; whether it is a node of ours.
    up: Vec<Option<(Instant, bool)>>,
    /// Of those that have ended.
    past: NodeTime,
}

impl Lifetimes {
    /// A node is up from now on, in place of what was there.
    pub(super) fn begin(&mut self, now: Instant, host: HostId, is_ours: bool) {
        self.end(now, host);
        self.up.resize(self.up.len().max(host.index() + 1), None);
        self.up[host.index()] = Some((now, is_ours));
    }

    /// It is no more.
    pub(super) fn end(&mut self, now: Instant, host: HostId) {
        if let Some((since, is_ours)) = self.up.get_mut(host.index()).and_then(Option::take) {
            self.past.add(is_ours, now.since(since));
        }
    }

    /// With those that are up still.
    pub(super) fn so_far(&self, now: Instant) -> NodeTime {
        let mut sum = self.past;
        self.up.iter().flatten().for_each(|(since, is_ours)| sum.add(*is_ours, now.since(*since)));
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_node_counts_for_as_long_as_it_is_up() {
        let (mut lifetimes, at) = (Lifetimes::default(), Instant::from_secs);
        let [ours, other] = [3, 1].map(HostId::nth);
        lifetimes.begin(at(10), ours, true);
        lifetimes.begin(at(20), other, false);
        lifetimes.end(at(25), HostId::nth(7));
        let sum = |ours, others| NodeTime { ours: Duration::from_secs(ours), others: Duration::from_secs(others) };
        assert_eq!(lifetimes.so_far(at(30)), sum(20, 10));
        lifetimes.end(at(40), ours);
        lifetimes.end(at(50), ours);
        assert_eq!(lifetimes.so_far(at(60)), sum(30, 40));
        lifetimes.begin(at(100), ours, true);
        // Another node at the same place.
        lifetimes.begin(at(101), ours, true);
        assert_eq!(lifetimes.so_far(at(103)), sum(33, 83));
    }
}
