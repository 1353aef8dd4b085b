//! Endpoints that answered under more than one id.
//!
//! A node that was restarted has a new id once in a while; one that changes it to be everywhere in the table does so
//! again and again. A change costs an endpoint its contact and a short wait, the second and the third within a day
//! twice as long a wait each. Nobody is out for longer than that: whoever restarts often is a neighbour all the same,
//! and who changes his id on purpose has one place at most, loses it each time that he is asked, and has to earn the
//! next one by an answer. The list has a fixed length: when it is full, the endpoint that would be free again first is
//! forgotten.

use crate::base::list::List;
use crate::base::time::{Duration, Instant, seconds, seconds_up};
use crate::krpc::endpoint::Endpoint;

/// Endpoints that a table remembers.
pub const ID_CHANGES: usize = 16;
/// How long a change is remembered.
const DAY: u32 = 24 * 3600;
/// The wait doubles at most this often (36 s at 9 s): a poor table is to have a neighbour back within 2 min, though a
/// packet was lost.
const MAX_DOUBLINGS: u32 = 2;

/// An endpoint that changed its id.
#[derive(Clone, Copy, Default, Debug)]
pub struct IdChange {
    endpoint: Endpoint,
    changes: u8,
    changed_at: u32,
    out_until: u32,
}

#[derive(Debug)]
pub(super) struct IdChanges<'s>(List<'s, IdChange>);

impl<'s> IdChanges<'s> {
    pub(super) fn new(mut places: List<'s, IdChange>) -> Self {
        places.clear();
        IdChanges(places)
    }

    /// The endpoint changed its id. `wait` is the price of the first change.
    pub(super) fn on_change(&mut self, now: Instant, endpoint: Endpoint, wait: Duration) {
        let at = seconds(now);
        let known = |h: &IdChange| h.endpoint == endpoint && h.changed_at.saturating_add(DAY) > at;
        let place = match self.0.iter().position(known) {
            Some(index) => index,
            None if self.0.push(IdChange::default()) => self.0.len() - 1,
            None => (0..self.0.len()).min_by_key(|&i| (self.0[i].out_until, self.0[i].changed_at)).unwrap_or(0),
        };
        let Some(entry) = self.0.get_mut(place) else { return };
        let changes = if known(entry) { entry.changes.saturating_add(1) } else { 1 };
        let times = 1 << u32::from(changes - 1).min(MAX_DOUBLINGS);
        let out_until = seconds_up(now + wait.saturating_mul(times));
        *entry = IdChange { endpoint, changes, changed_at: at, out_until };
    }

    /// The second until which the endpoint has to stay outside, if it has to.
    pub(super) fn out_until(&self, now: Instant, endpoint: &Endpoint) -> Option<u32> {
        let out = self.0.iter().find(|h| h.endpoint == *endpoint && seconds(now) < h.out_until)?;
        Some(out.out_until)
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;

    fn id_changes() -> IdChanges<'static> {
        IdChanges::new(List::with_capacity(ID_CHANGES))
    }

    const WAIT: Duration = Duration::from_secs(15);

    fn endpoint(n: u8) -> Endpoint {
        Endpoint::v4([1, 2, 3, n], 1)
    }

    fn at(secs: u64) -> Instant {
        Instant::from_secs(secs)
    }

    /// T9.
    #[test]
    fn each_further_change_within_a_day_costs_twice_as_long_up_to_four_times_the_first() {
        let (mut h, mut now) = (id_changes(), 0);
        for n in 0..300 {
            h.on_change(at(now), endpoint(1), WAIT);
            let wait = (15 << n.min(2)).min(60);
            assert_eq!(h.out_until(at(now), &endpoint(1)), Some((now + wait) as u32), "change {n}");
            assert_eq!(h.out_until(at(now + wait), &endpoint(1)), None);
            assert_eq!(h.out_until(at(now), &endpoint(2)), None);
            now += wait - 1;
        }
    }

    #[test]
    fn a_change_is_forgotten_after_a_day() {
        let mut h = id_changes();
        h.on_change(at(0), endpoint(1), WAIT);
        h.on_change(at(86_400), endpoint(1), WAIT);
        assert_eq!(h.out_until(at(86_400), &endpoint(1)), Some(86_415));
    }

    #[test]
    fn a_full_list_forgets_first_offenders_before_those_that_are_out_for_long() {
        let mut h = id_changes();
        for _ in 0..4 {
            h.on_change(at(1), endpoint(0), WAIT);
        }
        for n in 1..=40 {
            h.on_change(at(2), endpoint(n), WAIT);
        }
        let is_out = |n: u8| h.out_until(at(3), &endpoint(n)).is_some();
        assert!(is_out(0) && is_out(40));
        assert_eq!((0..=40).filter(|&n| is_out(n)).count(), ID_CHANGES);
    }
}
