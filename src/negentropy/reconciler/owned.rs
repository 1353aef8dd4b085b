//! An initiator that allocates its scratch memory.

use alloc::vec;

use crate::base::error::ConfigError;
use crate::negentropy::config::ReconcilerConfig;
use crate::negentropy::reconciler::party::Scratch;
use crate::negentropy::reconciler::session::Reconciler;

impl Reconciler<'static> {
    /// The side that asks and learns. Allocates [`ReconcilerConfig::scratch_len`] words once, and nothing after.
    ///
    /// # Errors
    ///
    /// When the frame limit is neither 0 nor at least [`MIN_FRAME`](ReconcilerConfig::MIN_FRAME), or messages may be
    /// longer than [`MAX_MESSAGE`](ReconcilerConfig::MAX_MESSAGE).
    pub fn initiator(config: ReconcilerConfig) -> Result<Self, ConfigError> {
        let scratch = vec![0; config.scratch_len()];
        Reconciler::asking(config, Scratch::Owned(scratch.into()))
    }
}
