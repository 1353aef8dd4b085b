//! Endpoints that answered under more than one id.
//!
//! A node that was restarted has a new id once in a while; one that changes it to be everywhere in the table does so
//! again and again. The first change costs an endpoint its contact and a short wait, the second one a day. The list has
//! a fixed length: when it is full, the endpoint that would be free again first is forgotten.

use crate::base::list::List;
use crate::base::time::{Duration, Instant, seconds, seconds_up};
use crate::krpc::endpoint::Endpoint;

/// Endpoints that a table remembers.
pub const ID_CHANGES: usize = 16;
/// How long the second change keeps an endpoint out, and how long the first is remembered.
const DAY: u32 = 24 * 3600;

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
        let out_until = if changes == 1 { seconds_up(now + wait) } else { at.saturating_add(DAY) };
        *entry = IdChange { endpoint, changes, changed_at: at, out_until };
    }

    /// Whether the endpoint has to stay outside for now.
    pub(super) fn is_out(&self, now: Instant, endpoint: &Endpoint) -> bool {
        self.0.iter().any(|h| h.endpoint == *endpoint && seconds(now) < h.out_until)
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;

    fn id_changes() -> IdChanges<'static> {
        IdChanges::new(List::with_capacity(ID_CHANGES))
    }

    const WAIT: Duration = Duration::from_secs(180);

    fn endpoint(n: u8) -> Endpoint {
        Endpoint::v4([1, 2, 3, n], 1)
    }

    fn at(secs: u64) -> Instant {
        Instant::from_secs(secs)
    }

    #[test]
    fn the_second_change_costs_a_day() {
        let mut h = id_changes();
        h.on_change(at(0), endpoint(1), WAIT);
        assert!(h.is_out(at(179), &endpoint(1)) && !h.is_out(at(180), &endpoint(1)));
        h.on_change(at(200), endpoint(1), WAIT);
        assert!(h.is_out(at(200 + 86_399), &endpoint(1)) && !h.is_out(at(200 + 86_400), &endpoint(1)));
        assert!(!h.is_out(at(200), &endpoint(2)));
    }

    #[test]
    fn a_change_is_forgotten_after_a_day() {
        let mut h = id_changes();
        h.on_change(at(0), endpoint(1), WAIT);
        h.on_change(at(86_400), endpoint(1), WAIT);
        assert!(!h.is_out(at(86_400 + 180), &endpoint(1)));
    }

    #[test]
    fn a_full_list_forgets_first_offenders_before_those_that_are_out_for_a_day() {
        let mut h = id_changes();
        h.on_change(at(0), endpoint(0), WAIT);
        h.on_change(at(1), endpoint(0), WAIT);
        for n in 1..=40 {
            h.on_change(at(2), endpoint(n), WAIT);
        }
        assert!(h.is_out(at(3), &endpoint(0)) && h.is_out(at(3), &endpoint(40)));
        assert_eq!((0..=40).filter(|&n| h.is_out(at(3), &endpoint(n))).count(), ID_CHANGES);
    }
}
