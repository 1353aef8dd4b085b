//! Asking ahead: who has to be asked anyhow is asked at once.
//!
//! A lookup ends when the k nearest that are alive have answered, so whoever stands nearer than the kth is to be
//! expected has to be asked sooner or later, unless nearer ones come up. Where half of those that are named are gone,
//! to ask them a few at a time is to wait for one timeout after the other. So they have slots of their own, and of those
//! that have not answered yet each counts for as much as is likely to be there (rules L6 and L41).

use super::Lookup;
use crate::dht::lookup::candidate::{Candidate, CandidateState, Class};
use crate::dht::lookup::rules::{CERTAIN, Rules};
use crate::dht::lookup::spacing::share;

/// So many times their slots are for unverified nodes where few others are known.
const EAGERLY: u8 = 6;

/// So far beyond where the kth is to be expected it may well be, in tenths.
const BEYOND: u64 = 16;

impl Lookup {
    /// Queries in flight when one more may be sent to a candidate of its class. Until somebody has answered it may be
    /// that nearly all are gone, as after a restart, and more of those that nobody vouches for are asked at once.
    pub(super) fn slots(&self, rules: &Rules<'_>, c: &Candidate) -> u8 {
        let is_eager = self.answers == 0 || self.eager;
        let slots = rules.slots(c.class);
        match c.class {
            Class::Unverified if is_eager => slots.saturating_mul(EAGERLY),
            Class::Unverified if self.is_near(rules, c) => rules.config.slots_near,
            Class::Unverified if rules.asks_ahead() => rules.for_answers(slots),
            _ => slots,
        }
    }

    /// How much of one that is alive a candidate is taken for, in thousandths.
    pub(super) fn likelihood(&self, rules: &Rules<'_>, c: &Candidate) -> u32 {
        let is_open = matches!(c.state, CandidateState::Fresh | CandidateState::Asked);
        let is_doubtful = c.class == Class::Unverified && is_open && rules.asks_ahead() && self.is_near(rules, c);
        if is_doubtful { rules.answering } else { CERTAIN }
    }

    /// Whether it stands where the k nearest are to be expected, as far as the size of the network is known.
    fn is_near(&self, rules: &Rules<'_>, c: &Candidate) -> bool {
        let tenths = u64::from(rules.config.k) * BEYOND;
        self.spacing.is_some_and(|spacing| share(&c.distance) / tenths < spacing.of_one() / 10)
    }
}
