//! What one side knows all along a session.

use crate::base::list::Memory;
use crate::base::rng::Rng;
use crate::negentropy::config::{ReconcilerConfig, Splitting};

/// Lent or owned.
pub type Scratch<'s> = Memory<'s, u32>;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    Initiator,
    Responder,
}

#[derive(Debug)]
pub struct Party<'s> {
    pub role: Role,
    pub config: ReconcilerConfig,
    /// A word for each id that a received list may have (initiator).
    pub scratch: Scratch<'s>,
    /// Moves split points.
    pub random: Option<Rng>,
    /// Messages of both sides so far.
    pub messages: u32,
    /// Ids that the partner claimed to have and we lack.
    pub needs: u64,
    /// Whether one of our messages was cut at the frame limit.
    pub framed: bool,
}

impl<'s> Party<'s> {
    pub fn new(role: Role, config: ReconcilerConfig, scratch: Scratch<'s>) -> Self {
        let random = config.random_splits.map(Rng::from_seed);
        Party { role, config, scratch, random, messages: 0, needs: 0, framed: false }
    }

    pub fn is_adaptive(&self) -> bool {
        self.config.splitting == Splitting::Adaptive
    }
}
