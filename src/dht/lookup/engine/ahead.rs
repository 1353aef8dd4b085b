//! Asking ahead: who has to be asked anyhow is asked at once.
//!
//! A lookup ends when the k nearest that are alive have answered, so whoever stands nearer than the kth is to be
//! expected has to be asked sooner or later, unless nearer ones come up. Where half of those that are named are gone,
//! to ask them a few at a time is to wait for one timeout after the other. So they have slots of their own, and of
//! those that have not answered yet each counts for as much as is likely to be there (rules L6 and L41).

use super::Lookup;
use crate::dht::lookup::candidate::{Candidate, CandidateState, Class, LookupWindow};
use crate::dht::lookup::rules::{CERTAIN, Rules};
use crate::dht::lookup::spacing::{EMPTY, share};

/// So many times their slots are for unverified nodes where few others are known.
const EAGERLY: u8 = 6;

/// So far beyond where the kth is to be expected it may well be, in tenths.
const BEYOND: u64 = 16;

/// Where a candidate stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stand {
    /// Nearer than anybody is to be expected: it may have been put there with many others, and is asked like anybody.
    Nearer,
    /// Where the k nearest are to be expected.
    Near,
    Far,
}

impl Lookup {
    /// Whether one more query may be in flight to a candidate of its class.
    pub(super) fn has_slot(&self, w: &LookupWindow<'_>, rules: &Rules<'_>, c: &Candidate) -> bool {
        let (asked, slots) = (self.in_flight[c.class as usize], rules.slots(c.class));
        if c.class != Class::Unverified {
            return asked < slots;
        }
        if self.answers == 0 || self.eager {
            // Perhaps nearly all are gone, as after a restart, and nobody vouches for any.
            return asked < slots.saturating_mul(EAGERLY);
        }
        match self.stand(rules, c) {
            _ if !rules.asks_ahead() => asked < slots,
            Stand::Near => asked < rules.config.slots_near,
            Stand::Far => asked < rules.for_answers(slots),
            Stand::Nearer => self.asked_nearer(w, rules) < rules.for_answers(slots).into(),
        }
    }

    /// How many are asked that stand nearer than anybody should.
    fn asked_nearer(&self, w: &LookupWindow<'_>, rules: &Rules<'_>) -> usize {
        let known = w.candidates[..usize::from(self.len)].iter();
        let nearer = known.take_while(|c| self.stand(rules, c) == Stand::Nearer);
        nearer.filter(|c| c.class == Class::Unverified && c.state == CandidateState::Asked).count()
    }

    /// How much of one that is alive a candidate is taken for, in thousandths.
    pub(super) fn likelihood(&self, rules: &Rules<'_>, c: &Candidate) -> u32 {
        let is_open = matches!(c.state, CandidateState::Fresh | CandidateState::Asked);
        let is_doubtful =
            c.class == Class::Unverified && is_open && rules.asks_ahead() && self.stand(rules, c) == Stand::Near;
        if is_doubtful { rules.answering } else { CERTAIN }
    }

    /// Where it stands, as far as the size of the network is known.
    fn stand(&self, rules: &Rules<'_>, c: &Candidate) -> Stand {
        let Some(spacing) = self.spacing else { return Stand::Far };
        let (distance, one) = (share(&c.distance), spacing.of_one());
        match distance / (u64::from(rules.config.k) * BEYOND) < one / 10 {
            true if distance < one / EMPTY => Stand::Nearer,
            true => Stand::Near,
            false => Stand::Far,
        }
    }
}
