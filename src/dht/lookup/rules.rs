//! The numbers that a lookup keeps to.

use super::candidate::{Candidate, Class};
use crate::base::time::Duration;
use crate::dht::config::LookupConfig;

/// The rules that hold for a lookup.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// Numbers.
    pub config: &'a LookupConfig,
    /// How long after the last query late answers are waited for, when fewer than k have answered and nobody is left.
    pub patience: Duration,
    /// Nodes whose id does not fit their address never count for closure (BEP 42).
    pub enforce_secure_ids: bool,
}

impl Rules<'_> {
    /// Whether its answer counts for closure.
    pub(super) fn counts(&self, c: &Candidate) -> bool {
        c.secure || !self.enforce_secure_ids
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
