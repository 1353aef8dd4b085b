//! An initiator that allocates its scratch memory.

use crate::base::error::ConfigError;
use crate::negentropy::config::{ReconcilerConfig, Splitting};
use crate::negentropy::reconciler::deferred::{Deferred, TailMemory};
use crate::negentropy::reconciler::party::{MessageMemory, Scratch};
use crate::negentropy::reconciler::session::Reconciler;

/// Most ends of messages that are set aside at once; a session goes about ten levels deep.
const TAILS: usize = 32;

impl Reconciler<'static> {
    /// The side that asks and learns. Allocates once, and nothing after: [`ReconcilerConfig::scratch_len`] words,
    /// and for adaptive splitting as many bytes as one message may have (N26): with stock limits 8 and 64 MiB, and 7 kB
    /// besides. Only that is touched which is used; where memory is counted when it is asked for, lower
    /// [`Limits::message`](crate::negentropy::Limits::message).
    ///
    /// # Errors
    ///
    /// When the frame limit is neither 0 nor at least [`MIN_FRAME`](ReconcilerConfig::MIN_FRAME), or the limit of
    /// messages is below that or above [`MAX_MESSAGE`](ReconcilerConfig::MAX_MESSAGE).
    pub fn initiator(config: ReconcilerConfig) -> Result<Self, ConfigError> {
        let scratch = Scratch::reserved(config.scratch_len());
        let deferred = match config.splitting {
            Splitting::Adaptive => {
                Deferred::new(MessageMemory::reserved(config.deferred_len()), TailMemory::reserved(TAILS))
            }
            Splitting::Conformance => Deferred::none(),
        };
        Reconciler::asking(config, scratch, deferred)
    }
}
