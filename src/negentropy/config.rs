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
///
/// Those of `message`, `ranges` and `work` are far above what a sound partner with frames asks for: a partner without a
/// frame limit, with a million entries of which we have none, still fits. What reaches a session is in memory already,
/// so the transport is the place for a tighter limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of one received message, at least [`MIN_FRAME`](ReconcilerConfig::MIN_FRAME). Also bounds the scratch
    /// memory, see [`ReconcilerConfig::scratch_len`], and our own messages where there is no frame limit: what we would
    /// refuse, we do not send.
    pub message: usize,
    /// Ranges of one received message.
    pub ranges: usize,
    /// Messages in a row that may bring neither side anything new (N31, N32). A message that does costs nothing, and
    /// what was charged before it is forgotten: so a session may take as many rounds as the sets and the frames ask
    /// for.
    pub rounds: u32,
    /// Ids that the partner may claim to have and we lack, repetitions included (initiator). A session that ends here
    /// is taken up by another: see [`initiate_from`](crate::negentropy::Reconciler::initiate_from).
    pub needs: u64,
    /// How often own ids may be told as lacking there, in all, for each own entry (initiator): frames that are cut have
    /// some told again (few, N38), and a partner could have all of them told for a few bytes. 8,192 are free.
    pub haves: u32,
    /// Steps of one message: ranges read, fingerprints written, entries compared or sent.
    pub work: u64,
}

impl Limits {
    /// For the responder of a partner who may be hostile.
    #[must_use]
    pub const fn responder() -> Self {
        Limits { message: 64 << 20, ranges: 1 << 22, rounds: 64, needs: u64::MAX, haves: u32::MAX, work: 1 << 26 }
    }

    /// For the initiator whose partner may be hostile.
    #[must_use]
    pub const fn initiator() -> Self {
        Limits { message: 64 << 20, ranges: 1 << 22, rounds: 64, needs: 1 << 20, haves: 8, work: 1 << 26 }
    }

    /// For a partner who is trusted, with messages up to `message` bytes.
    #[must_use]
    pub const fn trusting(message: usize) -> Self {
        Limits { message, ranges: usize::MAX, rounds: u32::MAX, needs: u64::MAX, haves: u32::MAX, work: u64::MAX }
    }
}

/// What a [`Reconciler`](crate::negentropy::Reconciler) is made of.
#[derive(Clone)]
#[non_exhaustive]
pub struct ReconcilerConfig {
    /// Bytes of our messages at most, at least [`MIN_FRAME`](Self::MIN_FRAME). The buffer that a message is written to
    /// bounds it in any case, and so does [`Limits::message`]; with 0 nothing else does.
    ///
    /// The partner has to accept messages of that length: see [`longest_message`](Self::longest_message).
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

    /// The frame limit unless another one is asked for: what clients use, and every relay accepts (in hex it fits a
    /// websocket message of 128 KiB).
    pub const FRAME: usize = 60_000;

    /// Adaptive splitting, frames of [`FRAME`](Self::FRAME) bytes, lenient reading, and these limits.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        let (splitting, strictness) = (Splitting::Adaptive, Strictness::Lenient);
        ReconcilerConfig { frame_limit: Self::FRAME, splitting, random_splits: None, strictness, limits }
    }

    /// The same, with the messages of the reference.
    #[must_use]
    pub const fn conformance(mut self) -> Self {
        self.splitting = Splitting::Conformance;
        self
    }

    /// The same, with messages of at most `bytes`; 0 leaves it to the buffers.
    #[must_use]
    pub const fn with_frame_limit(mut self, bytes: usize) -> Self {
        self.frame_limit = bytes;
        self
    }

    /// Bytes of the longest message that this side sends, whatever the buffers: what the partner and all between have
    /// to accept. Its own messages may be as long as [`Limits::message`] here. With the limits of [`Limits::responder`]
    /// and [`Limits::initiator`] two own ends always fit each other.
    #[must_use]
    pub const fn longest_message(&self) -> usize {
        let most = self.limits.message;
        if self.frame_limit == 0 || self.frame_limit > most { most } else { self.frame_limit }
    }

    /// How many words of scratch memory an initiator needs: one for each id that one list can have.
    #[must_use]
    pub const fn scratch_len(&self) -> usize {
        self.deferred_len() / ID_LEN
    }

    /// How many bytes an initiator may set aside (N26).
    pub(crate) const fn deferred_len(&self) -> usize {
        let message = self.limits.message;
        if message < Self::MAX_MESSAGE { message } else { Self::MAX_MESSAGE }
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
