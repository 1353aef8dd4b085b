//! How large the tables of a node are, and how large they may be.
//!
//! Peers, items and the blocks of their values are numbered in 32 bits, everything else in 16. The limits are those of
//! the numbers, and no table that the node cannot do without is empty.

use crate::base::arena::{Block, MAX_BLOCKS};
use crate::base::error::{ConfigError, at_least, at_most};
use crate::base::order::MAX_ORDERED;
use crate::base::slab::MAX_ENTRIES;
use crate::krpc::item::MAX_ENCODED;

/// Most local sockets of one node.
pub const MAX_LINKS: usize = 4;
/// Ids that a link remembers besides the one that it has.
pub const FORMER_IDS: usize = 3;

/// Most operations of users at the same time: each may have a part on every link, and upkeep has parts of its own.
pub const MAX_OPERATIONS: usize = (MAX_ENTRIES - UPKEEP) / MAX_LINKS - KEEPING;

/// Most nodes that a put or an announce is stored on.
pub const MAX_REPLICAS: u8 = 20;

/// Most candidates of one lookup.
pub const MAX_CANDIDATES: usize = 255;

/// Most meters of a node: half a GiB.
pub const MAX_METERS: usize = 1 << 24;

/// Most addresses that are told from others by an adaptive node: with as many as a node sends to in a quarter of an
/// hour there is nothing to gain.
pub const MAX_SENT_TO: usize = 1 << 20;

/// Operations that the node may run for itself beside those of its user.
pub const UPKEEP: usize = 2;

/// Operations that the keeper may run beside those, where there is one.
pub const KEEPING: usize = 4;

/// So many the keeper may run where so much can be kept.
pub const fn keeping(kept: usize) -> usize {
    if kept > 0 { KEEPING } else { 0 }
}

/// How many entries each table holds. Memory is reserved at construction and used as it is needed; no table grows past
/// it.
///
/// Exhaustive: each table takes memory, so firmware that says how much for each is not to overlook a new one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Capacity {
    /// Verified contacts, for each link. With 0 none is kept and nothing is kept up: a node that was not bootstrapped
    /// asks whom its operations ask, and nobody else.
    pub contacts: usize,
    /// Unverified newcomers that wait to be checked, for each link.
    pub newcomers: usize,
    /// Nodes that answered once and are remembered though they are no contacts, for each link: whom the node asks when
    /// it comes back after an outage or a restart. With 0 nobody is, and those that are imported wait as newcomers.
    pub remembered: usize,
    /// Networks that are remembered because strangers asked us something from there, for each link: fewer of those may
    /// be contacts. With 0 none is, and nothing is made of it.
    pub callers: usize,
    /// Operations of the user at the same time; the node's own upkeep has two more.
    pub operations: usize,
    /// Candidates of one lookup: at least as many as `lookup.replicas`.
    pub candidates: usize,
    /// Queries in flight.
    pub transactions: usize,
    /// Peers that we hold for others.
    pub peers: usize,
    /// Items that we hold for others.
    pub items: usize,
    /// Bytes for the values of those items: at least 1,000 where there are any, so that the largest has a place.
    pub value_bytes: usize,
    /// Replies that wait to be drained.
    pub replies: usize,
    /// Intermediate results that wait to be drained.
    pub results: usize,
    /// Addresses and networks whose traffic is metered. What others were sent is counted in the same memory: whoever
    /// sends to tens of thousands at a time waits less with more of them.
    pub meters: usize,
    /// IP addresses that something was sent to within a quarter of an hour and that an
    /// [`Adaptive`](crate::dht::Role::Adaptive) node tells from others, for each link: 2 bytes each. With 0 a node
    /// cannot adapt.
    pub sent_to: usize,
    /// Items and announcements that are kept. With 0 there is no keeper; with one there are four more operations.
    pub kept: usize,
}

impl Capacity {
    /// A full participant.
    pub(crate) const DEFAULT: Capacity = Capacity {
        contacts: 512,
        newcomers: 256,
        remembered: 320,
        callers: 4_096,
        operations: 64,
        candidates: 100,
        transactions: 2_048,
        peers: 19_000,
        items: 1_000,
        value_bytes: 1 << 20,
        replies: 16,
        results: 16,
        meters: 4_096,
        sent_to: 8_192,
        kept: 256,
    };

    /// A node of a simulation.
    pub(crate) const SMALL: Capacity = Capacity {
        contacts: 64,
        newcomers: 12,
        remembered: 32,
        callers: 64,
        operations: 1,
        candidates: 20,
        transactions: 16,
        peers: 16,
        items: 8,
        value_bytes: 1600,
        replies: 2,
        results: 1,
        meters: 32,
        sent_to: 0,
        kept: 0,
    };

    /// A node of a microcontroller.
    pub(crate) const TINY: Capacity = Capacity {
        contacts: 96,
        newcomers: 32,
        remembered: 16,
        callers: 0,
        operations: 2,
        candidates: 26,
        transactions: 32,
        peers: 48,
        items: 16,
        value_bytes: 4096,
        replies: 2,
        results: 1,
        meters: 32,
        sent_to: 0,
        kept: 0,
    };

    /// Whether every table is as large as it has to be, and no larger than its entries can be numbered.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        // With fewer, no item is ever taken: a store is full when the largest value has no place in it.
        let least_value = if self.items > 0 { MAX_ENCODED } else { 0 };
        for (field, value, least, most) in [
            ("capacity.contacts", self.contacts, 0, MAX_ENTRIES),
            ("capacity.newcomers", self.newcomers, 1, MAX_ENTRIES),
            ("capacity.remembered", self.remembered, 0, MAX_ENTRIES),
            ("capacity.callers", self.callers, 0, MAX_ENTRIES),
            ("capacity.operations", self.operations, 1, MAX_OPERATIONS),
            ("capacity.candidates", self.candidates, 8, MAX_CANDIDATES),
            ("capacity.transactions", self.transactions, 1, MAX_ENTRIES),
            ("capacity.peers", self.peers, 0, MAX_ORDERED),
            ("capacity.items", self.items, 0, MAX_ORDERED),
            ("capacity.value_bytes", self.value_bytes, least_value, MAX_BLOCKS * Block::BYTES),
            ("capacity.replies", self.replies, 1, MAX_ENTRIES),
            ("capacity.results", self.results, 1, MAX_ENTRIES),
            ("capacity.meters", self.meters, 8, MAX_METERS),
            ("capacity.sent_to", self.sent_to, 0, MAX_SENT_TO),
            ("capacity.kept", self.kept, 0, MAX_ENTRIES),
        ] {
            at_least(field, value as u64, least as u64)?;
            at_most(field, value as u64, most as u64)?;
        }
        Ok(())
    }
}
