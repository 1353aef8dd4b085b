//! How a reconciliation behaves, and what a partner may cost.

use core::fmt;

use crate::negentropy::message::{ID_LEN, Strictness};

/// See [`ReconcilerConfig::MIN_FRAME`].
pub(crate) const MIN_FRAME: usize = ReconcilerConfig::MIN_FRAME;

/// How ranges that differ are split.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Splitting {
    /// As the reference does: 16 buckets, lists below 32 entries. The messages are the same, byte for byte.
    Conformance,
    /// By the size of the range, by how many fingerprints of the message differed and by how far the session is (N20 to
    /// N24). Any partner understands it.
    Adaptive,
}

/// What a partner may cost at most. Each limit has an [error](crate::negentropy::ReconcileError) of its own (N30).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of one received message. Also bounds the scratch memory: see [`ReconcilerConfig::scratch_len`].
    pub message: usize,
    /// Ranges of one received message.
    pub ranges: usize,
    /// Messages that may be received, besides those that the size of the set and of what was found justify (N31).
    pub rounds: u32,
    /// Messages in a row that neither name an id nor narrow the ranges that differ (initiator).
    pub stalled: u32,
    /// Ids that the partner may claim to have and we lack, repetitions included (initiator).
    pub needs: u64,
    /// Steps of one message: fingerprints computed, bounds sought, entries looked at or sent.
    pub work: u64,
}

impl Limits {
    /// For the responder of a partner who may be hostile.
    #[must_use]
    pub const fn responder() -> Self {
        Limits { message: 65_536, ranges: 16_384, rounds: 64, stalled: 32, needs: u64::MAX, work: 4_000_000 }
    }

    /// For the initiator whose partner may be hostile.
    #[must_use]
    pub const fn initiator() -> Self {
        Limits { message: 1 << 20, ranges: 65_536, rounds: 64, stalled: 32, needs: 1_000_000, work: 16_000_000 }
    }

    /// For a partner who is trusted, with messages up to `message` bytes.
    #[must_use]
    pub const fn trusting(message: usize) -> Self {
        Limits { message, ranges: usize::MAX, rounds: u32::MAX, stalled: u32::MAX, needs: u64::MAX, work: u64::MAX }
    }
}

/// What a [`Reconciler`](crate::negentropy::Reconciler) is made of.
#[derive(Clone)]
#[non_exhaustive]
pub struct ReconcilerConfig {
    /// Bytes of our messages at most, at least [`MIN_FRAME`](Self::MIN_FRAME); 0 leaves it to the length of the buffer
    /// that each is written to, which bounds it in any case.
    pub frame_limit: usize,
    /// How ranges that differ are split.
    pub splitting: Splitting,
    /// Moves the points at which ranges are split at random, drawn from these secret bytes, so that nobody can prepare
    /// entries whose sums cancel out between them (N25). Adaptive only.
    pub random_splits: Option<[u8; 32]>,
    /// How messages are read.
    pub strictness: Strictness,
    /// What the partner may cost.
    pub limits: Limits,
}

impl ReconcilerConfig {
    /// Smallest frame limit: every answer to one range has to fit (N7).
    pub const MIN_FRAME: usize = 4096;
    /// Largest limit of a message, since the scratch memory grows with it.
    pub const MAX_MESSAGE: usize = 1 << 30;

    /// Adaptive splitting, frames as long as the buffers, lenient reading, and these limits.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        let (splitting, strictness) = (Splitting::Adaptive, Strictness::Lenient);
        ReconcilerConfig { frame_limit: 0, splitting, random_splits: None, strictness, limits }
    }

    /// The same, with the messages of the reference.
    #[must_use]
    pub const fn conformance(mut self) -> Self {
        self.splitting = Splitting::Conformance;
        self
    }

    /// The same, with messages of at most `bytes`.
    #[must_use]
    pub const fn with_frame_limit(mut self, bytes: usize) -> Self {
        self.frame_limit = bytes;
        self
    }

    /// How many words of scratch memory an initiator needs: one for each id that one list can have.
    #[must_use]
    pub const fn scratch_len(&self) -> usize {
        let message = self.limits.message;
        (if message < Self::MAX_MESSAGE { message } else { Self::MAX_MESSAGE }) / ID_LEN
    }
}

/// Says whether splits are random, and not from which bytes.
impl fmt::Debug for ReconcilerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ReconcilerConfig { frame_limit, splitting, random_splits, strictness, limits } = self;
        f.debug_struct("ReconcilerConfig")
            .field("frame_limit", frame_limit)
            .field("splitting", splitting)
            .field("random_splits", &random_splits.map(|_| "secret"))
            .field("strictness", strictness)
            .field("limits", limits)
            .finish()
    }
}
