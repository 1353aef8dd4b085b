//! How meters lie in memory: their numbers by kind, so that the tags of a set are side by side, and memory is touched
//! only for the kinds that are used. A node that nobody asks has meters of those that it asks itself: of these there
//! are tags and credits, and no buckets.
//!
//! ```text
//! [all tags | all buckets of packets | all buckets of bytes | all credits, and counts of what others were sent]
//! ```

/// Meters that compete with each other.
pub(super) const WAYS: usize = 8;

/// As much memory as the meter of one endpoint or of one network takes: four plain numbers, see
/// [`List::zeroed`](crate::base::list::List::zeroed). Numbers lie by kind, so that a list of so many has place for so
/// many meters, and none of its entries is one of them.
pub type Meter = [u64; KINDS];

const KINDS: usize = 4;

/// One of the numbers of a meter. A meter is known by its place among the tags.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum MeterKind {
    /// The keyed hash of whom it is for, and 0 while it is free.
    Tag = 0,
    /// The bucket of its packets.
    Packets = 1,
    /// The bucket of the bytes of replies to it.
    Bytes = 2,
    /// How many answers it has credit for, in the lowest byte, below the second from which they are void. Above that
    /// are two counts that are not the meter's, see [`burdens`](super::burdens).
    Credits = 3,
}

/// How many meters so many numbers are.
pub(super) fn count(numbers: usize) -> usize {
    numbers / KINDS
}

impl MeterKind {
    /// Where the number of this kind is, of the meter at this place and so many numbers in all.
    pub(super) fn of(self, numbers: usize, at: usize) -> usize {
        self as usize * count(numbers) + at
    }
}
