//! Lists: what a lookup does otherwise of which nothing is wanted but the nearest nodes (rule L43).
//!
//! Whoever looks for an item has it as soon as one node returns it, and who is slow is not missed. In a list a slow
//! node is missed, and so is whom it alone would have named. So what there is when a lookup has converged is told at
//! once, and it goes on for as long as those who are late may still answer.

use super::{Lookup, Next};
use crate::base::time::Instant;
use crate::dht::lookup::candidate::{CandidateState, LookupWindow};
use crate::dht::lookup::rules::Rules;

impl Lookup {
    /// Nothing else is wanted of it but the nearest nodes.
    pub fn list(&mut self) {
        self.lists = true;
    }

    /// What to do instead of ending, while one that is late would be among the nearest: to tell of those who have
    /// answered, once, and to wait. Under the alarm who is near counts for little.
    pub(super) fn await_late(&mut self, now: Instant, w: &LookupWindow<'_>, rules: &Rules<'_>) -> Option<Next> {
        let until = self.asked + rules.patience;
        if !self.lists || self.is_alarmed() || now >= until || !self.is_late_among_nearest(w, rules) {
            return None;
        }
        let is_told = core::mem::replace(&mut self.reported, true);
        Some(if is_told { Next::Wait(Some(until)) } else { Next::Report })
    }

    fn is_late_among_nearest(&self, w: &LookupWindow<'_>, rules: &Rules<'_>) -> bool {
        let mut nearest = w.candidates[..usize::from(self.len)].iter().filter(|c| rules.counts(c));
        let mut answered = 0;
        nearest.any(|c| {
            answered += u8::from(c.state.has_answered());
            c.state == CandidateState::Late && answered < rules.config.k
        })
    }
}
