//! Why a session ends before it is done.

use core::fmt;

use crate::negentropy::message::{Entry, MalformedFrame};

/// Why a session has ended. What was reported before stays true.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ReconcileError {
    /// The message cannot be read.
    Malformed(MalformedFrame),
    /// The responder speaks another version, this byte at most.
    Version(u8),
    /// The message is longer than [`Limits::message`](crate::negentropy::Limits::message).
    MessageTooLong {
        /// Bytes of the message.
        bytes: usize,
        /// The limit.
        most: usize,
    },
    /// It has more ranges than [`Limits::ranges`](crate::negentropy::Limits::ranges); nobody counted on.
    TooManyRanges {
        /// The limit.
        most: usize,
    },
    /// The partner goes round in circles: [`Limits::rounds`](crate::negentropy::Limits::rounds).
    TooManyRounds {
        /// The limit.
        most: u32,
    },
    /// The partner claims more ids than [`Limits::needs`](crate::negentropy::Limits::needs); nobody counted on.
    ///
    /// The session has told so many that are new, or claimed to be. Once what was told is in the set, a new session
    /// that begins at `from` goes on where this one ended: see
    /// [`initiate_from`](crate::negentropy::Reconciler::initiate_from).
    TooManyNeeds {
        /// The limit.
        most: u64,
        /// Everything below this entry is settled.
        from: Entry,
    },
    /// Own ids were told more often than [`Limits::haves`](crate::negentropy::Limits::haves) allows.
    TooManyHaves {
        /// Ids that might be told in all.
        most: u64,
        /// Everything below this entry is settled: a new session goes on there, as after `TooManyNeeds`.
        from: Entry,
    },
    /// The message asks for more than [`Limits::work`](crate::negentropy::Limits::work); nobody counted on.
    TooMuchWork {
        /// The limit.
        most: u64,
    },
    /// A list has more ids than there are words of scratch memory:
    /// [`ReconcilerConfig::scratch_len`](crate::negentropy::ReconcilerConfig::scratch_len).
    ListTooLong {
        /// Ids of the list.
        ids: usize,
        /// Words of the memory.
        words: usize,
    },
    /// The buffer for the answer is too short.
    BufferTooSmall {
        /// Bytes of the buffer.
        bytes: usize,
        /// Bytes that are enough for any answer of this kind.
        least: usize,
    },
    /// The session is over kept symbols, and the set keeps none.
    NoSymbols,
    /// Our call was out of order: initiated twice, or a message before that, or anything after the end.
    Misuse,
}

impl fmt::Display for ReconcileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReconcileError::Malformed(why) => why.fmt(f),
            ReconcileError::Version(version) => write!(f, "the partner speaks version {version:#04x} at most"),
            ReconcileError::MessageTooLong { bytes, most } => {
                write!(f, "the message has {bytes} bytes; at most limits.message, {most}")
            }
            ReconcileError::TooManyRanges { most } => {
                write!(f, "the message has more ranges than limits.ranges, {most}")
            }
            ReconcileError::TooManyRounds { most } => {
                write!(f, "more messages in a row brought nothing new than limits.rounds, {most}")
            }
            ReconcileError::TooManyNeeds { most, from } => {
                let timestamp = from.timestamp;
                write!(
                    f,
                    "the partner claims more ids than limits.needs, {most}; what is below timestamp {timestamp} is \
                     settled, and another session can go on there"
                )
            }
            ReconcileError::TooManyHaves { most, from } => {
                let timestamp = from.timestamp;
                write!(
                    f,
                    "the partner has own ids told again and again; at most {most} in all, by limits.haves; what is \
                     below timestamp {timestamp} is settled, and another session can go on there"
                )
            }
            ReconcileError::TooMuchWork { most } => {
                write!(f, "the message asks for more steps than limits.work, {most}")
            }
            ReconcileError::ListTooLong { ids, words } => {
                write!(f, "a list has {ids} ids; at most the words of scratch memory, {words}")
            }
            ReconcileError::BufferTooSmall { bytes, least } => {
                write!(f, "the buffer for the answer has {bytes} bytes; at least {least}")
            }
            ReconcileError::NoSymbols => f.write_str("the set keeps no symbols"),
            ReconcileError::Misuse => f.write_str(
                "the call is out of order: an initiator begins once, and nothing comes before that or after the end",
            ),
        }
    }
}

impl core::error::Error for ReconcileError {}

impl From<MalformedFrame> for ReconcileError {
    fn from(why: MalformedFrame) -> Self {
        ReconcileError::Malformed(why)
    }
}
