//! An initiator that allocates its scratch memory.

use alloc::vec;

use crate::base::error::ConfigError;
use crate::negentropy::config::{ReconcilerConfig, Splitting};
use crate::negentropy::reconciler::party::{MessageMemory, Scratch};
use crate::negentropy::reconciler::session::Reconciler;

impl Reconciler<'static> {
    /// The side that asks and learns. Allocates once, and nothing after: [`ReconcilerConfig::scratch_len`] words,
    /// and for adaptive splitting as many bytes as one message may have, of which only those are touched that are
    /// used (N26).
    ///
    /// # Errors
    ///
    /// When the frame limit is neither 0 nor at least [`MIN_FRAME`](ReconcilerConfig::MIN_FRAME), or messages may
    /// be longer than [`MAX_MESSAGE`](ReconcilerConfig::MAX_MESSAGE).
    pub fn initiator(config: ReconcilerConfig) -> Result<Self, ConfigError> {
        let scratch = vec![0; config.scratch_len()];
        let deferred = vec![0; if config.splitting == Splitting::Adaptive { config.deferred_len() } else { 0 }];
        Reconciler::asking(config, Scratch::Owned(scratch.into()), MessageMemory::Owned(deferred.into()))
    }
}
