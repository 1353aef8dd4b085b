//! Going on when the nearest that answered stand too far apart: somebody is being kept from us.

use super::Lookup;
use crate::base::time::Instant;
use crate::dht::lookup::candidate::{Candidate, CandidateState, Class, LookupWindow, Once};
use crate::dht::lookup::engine::Next;
use crate::dht::lookup::rules::Rules;
use crate::dht::lookup::spacing::share;

/// Most candidates that are asked because too few were found.
const FURTHER: u8 = 24;
/// Paths that are told apart.
const PATHS: usize = 32;

impl Lookup {
    /// What to do instead of ending, if there are too few nodes near the target: each path in its turn.
    pub(super) fn go_further(
        &mut self,
        now: Instant,
        w: &mut LookupWindow<'_>,
        rules: &Rules<'_>,
        unverified_allowed: bool,
    ) -> Option<Next> {
        if !self.is_thin(w, rules) {
            return None;
        }
        let is_on_its_way = self.asking() > 0;
        let place = match self.behind(now, w, rules) {
            Some(place) if self.further < FURTHER => place,
            _ => return is_on_its_way.then_some(Next::Wait(None)),
        };
        if w.candidates[place].class == Class::Unverified && !unverified_allowed {
            return Some(Next::Held { alone: !is_on_its_way });
        }
        self.further += 1;
        let candidate = &mut w.candidates[place];
        candidate.once = candidate.once.with(Once::FURTHER);
        Some(self.ask(now, candidate))
    }

    /// A candidate was not asked after all.
    pub(super) fn take_further_back(&mut self, candidate: &mut Candidate) {
        if candidate.once.is_done(Once::FURTHER) {
            candidate.once = candidate.once.without(Once::FURTHER);
            self.further = self.further.saturating_sub(1);
        }
    }

    /// Whether the nearest that answered are so far apart that there must be others.
    fn is_thin(&self, w: &LookupWindow<'_>, rules: &Rules<'_>) -> bool {
        let Some(spacing) = self.known_spacing() else { return false };
        let k = usize::from(rules.config.k);
        let known = &w.candidates[..usize::from(self.len)];
        let mut closed = known.iter().filter(|c| c.state == CandidateState::Answered && rules.counts(c));
        let kth = k.checked_sub(1).and_then(|before| closed.nth(before));
        kth.is_some_and(|c| spacing.is_thin(k, share(&c.distance), self.seeks && !self.found))
    }

    /// The nearest of those that may be asked now and were come upon by the path that was asked least.
    fn behind(&self, now: Instant, w: &LookupWindow<'_>, rules: &Rules<'_>) -> Option<usize> {
        let known = &w.candidates[..usize::from(self.len)];
        let mut asked = [0_u8; PATHS];
        let path = |c: &Candidate| usize::from(c.path) % PATHS;
        for c in known.iter().filter(|c| c.state != CandidateState::Fresh) {
            asked[path(c)] = asked[path(c)].saturating_add(1);
        }
        let may_be_asked = |c: &Candidate| {
            c.state == CandidateState::Fresh
                && c.class != Class::Bad
                && self.in_flight[c.class as usize] < rules.slots(c.class)
                && rules.burdens.bears_more_at(now, &c.endpoint).is_none()
        };
        let places = (0..known.len()).filter(|&place| may_be_asked(&known[place]));
        places.min_by_key(|&place| asked[path(&known[place])])
    }
}
