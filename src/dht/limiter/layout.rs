//! How meters lie in memory: the numbers of a set by kind, so that its tags are side by side.
//!
//! ```text
//! set:   [8 tags | 8 buckets of packets | 8 buckets of bytes | 8 credits, and counts of what others were sent]
//! ```

/// Meters that compete with each other.
pub(super) const WAYS: usize = 8;

/// Memory for the meter of one endpoint or of one network: four plain numbers, see
/// [`List::zeroed`](crate::base::list::List::zeroed).
pub type Meter = [u64; 4];

/// Numbers of a set.
pub(super) const SET: usize = WAYS * size_of::<Meter>() / size_of::<u64>();
/// A meter is known by the place of its tag, the keyed hash of whom it is for; 0 while it is free. So far behind it is
/// the bucket of its packets, ..
pub(super) const PACKETS: usize = WAYS;
/// .. that of the bytes of replies to it, ..
pub(super) const BYTES: usize = 2 * WAYS;
/// .. and how many answers it has credit for, in the lowest byte, below the second from which they are void. Above that
/// are two counts that are not the meter's, see [`burdens`](super::burdens).
pub(super) const CREDITS: usize = 3 * WAYS;
