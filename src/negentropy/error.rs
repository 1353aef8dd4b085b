//! Why a session ends before it is done.

use core::fmt;

use crate::base::error::NoRoom;
use crate::negentropy::message::MalformedFrame;

/// Why a session has ended. What was reported before stays true.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ReconcileError {
    /// The message cannot be read.
    Malformed(MalformedFrame),
    /// The responder speaks another version, this byte at most.
    Version(u8),
    /// The message is longer than [`Limits::message`](crate::negentropy::Limits::message).
    MessageTooLong,
    /// It has more ranges than [`Limits::ranges`](crate::negentropy::Limits::ranges).
    TooManyRanges,
    /// More messages than the sets justify: [`Limits::rounds`](crate::negentropy::Limits::rounds).
    TooManyRounds,
    /// The partner goes round in circles: [`Limits::stalled`](crate::negentropy::Limits::stalled).
    NoProgress,
    /// The partner claims more ids than [`Limits::needs`](crate::negentropy::Limits::needs).
    TooManyNeeds,
    /// The message asks for more than [`Limits::work`](crate::negentropy::Limits::work).
    TooMuchWork,
    /// A list has more ids than there are words of scratch memory:
    /// [`ReconcilerConfig::scratch_len`](crate::negentropy::ReconcilerConfig::scratch_len).
    ListTooLong,
    /// The buffer for the answer is too short: [`MIN_FRAME`](crate::negentropy::ReconcilerConfig::MIN_FRAME).
    BufferTooSmall,
    /// Our call was out of order: initiated twice, or a message before that, or anything after the end.
    Misuse,
}

impl fmt::Display for ReconcileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ReconcileError::Malformed(why) => return why.fmt(f),
            ReconcileError::Version(version) => return write!(f, "the partner speaks version {version:#04x} at most"),
            ReconcileError::MessageTooLong => "the message has more bytes than limits.message",
            ReconcileError::TooManyRanges => "the message has more ranges than limits.ranges",
            ReconcileError::TooManyRounds => "the session takes more messages than limits.rounds and the sets justify",
            ReconcileError::NoProgress => "the session made no progress in more messages than limits.stalled",
            ReconcileError::TooManyNeeds => "the partner claims more ids than limits.needs",
            ReconcileError::TooMuchWork => "the message asks for more steps than limits.work",
            ReconcileError::ListTooLong => "a list has more ids than there are words of scratch memory",
            ReconcileError::BufferTooSmall => "the buffer for the answer is too short",
            ReconcileError::Misuse => "the session has ended, or has not begun",
        })
    }
}

impl core::error::Error for ReconcileError {}

impl From<MalformedFrame> for ReconcileError {
    fn from(why: MalformedFrame) -> Self {
        ReconcileError::Malformed(why)
    }
}

/// No room in the buffer for the answer.
impl From<NoRoom> for ReconcileError {
    fn from(NoRoom: NoRoom) -> Self {
        ReconcileError::BufferTooSmall
    }
}
