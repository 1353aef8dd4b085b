//! The numbers that a lookup keeps to.

use super::candidate::{Candidate, Class};
use crate::base::time::{Duration, Instant};
use crate::dht::config::LookupConfig;
use crate::krpc::endpoint::Endpoint;

/// One node that is alive, in thousandths.
pub(super) const CERTAIN: u32 = 1_000;

/// What others were sent of late.
pub trait Burdens: core::fmt::Debug {
    /// From when on one query more may go to a node; `None` now.
    fn bears_more_at(&self, now: Instant, to: &Endpoint) -> Option<Instant>;
}

/// Nobody was sent anything.
impl Burdens for () {
    fn bears_more_at(&self, _: Instant, _: &Endpoint) -> Option<Instant> {
        None
    }
}

/// The rules that hold for a lookup.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// Numbers.
    pub config: &'a LookupConfig,
    /// How long after the last query late answers are waited for, when fewer than k have answered and nobody is left.
    pub patience: Duration,
    /// How many of a thousand that others name answer.
    pub answering: u32,
    /// What others bear.
    pub burdens: &'a dyn Burdens,
    /// Nodes whose id does not fit their address never count for closure (BEP 42).
    pub enforce_secure_ids: bool,
}

impl Rules<'_> {
    /// Whether its answer counts for closure.
    pub(super) fn counts(&self, c: &Candidate) -> bool {
        c.secure || !self.enforce_secure_ids
    }

    /// Whether more unverified nodes are asked at once than are to answer.
    pub(super) fn asks_ahead(&self) -> bool {
        self.config.slots_near > self.config.slots_unverified
    }

    /// How many unverified nodes are to be asked so that as many answer, three times as many at most.
    pub(super) fn for_answers(&self, answers: u8) -> u8 {
        let asked = u32::from(answers) * CERTAIN / self.answering.max(1);
        u8::try_from(asked).unwrap_or(u8::MAX).min(answers.saturating_mul(3))
    }

    /// Queries of this class that may be in flight at a time.
    pub(super) fn slots(&self, class: Class) -> u8 {
        match class {
            Class::Good => self.config.slots_good,
            Class::Unverified => self.config.slots_unverified,
            Class::Bad => self.config.slots_bad,
        }
    }
}
