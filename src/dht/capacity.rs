//! How large the tables of a node are.

use crate::base::bitset::BitSet;

/// Most operations at the same time, upkeep included.
pub const MAX_OPERATIONS: usize = BitSet::CAPACITY;

/// Most meters of a node: half a GiB.
pub const MAX_METERS: usize = 1 << 24;

/// Operations that the node may run for itself beside those of its user.
pub const UPKEEP: usize = 2;

/// How many entries each table holds. Memory is reserved at construction and used as it is needed; no table grows past
/// it.
///
/// Exhaustive: each table takes memory, so firmware that says how much for each is not to overlook a new one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Capacity {
    /// Verified contacts, for each link.
    pub contacts: usize,
    /// Unverified newcomers that wait to be checked, for each link.
    pub newcomers: usize,
    /// Operations of the user at the same time; the node's own upkeep has two more.
    pub operations: usize,
    /// Candidates of one lookup.
    pub candidates: usize,
    /// Queries in flight.
    pub transactions: usize,
    /// Peers that we hold for others.
    pub peers: usize,
    /// Items that we hold for others.
    pub items: usize,
    /// Bytes for the values of those items.
    pub value_bytes: usize,
    /// Replies that wait to be drained.
    pub replies: usize,
    /// Intermediate results that wait to be drained.
    pub results: usize,
    /// Addresses and networks whose traffic is metered.
    pub meters: usize,
}

impl Capacity {
    pub(crate) const TINY: Capacity = Capacity {
        contacts: 128,
        newcomers: 32,
        operations: 2,
        candidates: 32,
        transactions: 32,
        peers: 64,
        items: 16,
        value_bytes: 4096,
        replies: 2,
        results: 1,
        meters: 32,
    };
}
