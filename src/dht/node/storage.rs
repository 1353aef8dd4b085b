//! The memory of a node: allocated once, or lent.
//!
//! `Storage::allocate` takes what [`Capacity`](crate::dht::config::Capacity) says from the heap (feature `alloc`). Firmware puts a [`StorageBuf`]
//! wherever it likes (a static, the stack) and lends it. Nothing grows later. The lengths of the slices are the
//! capacities; what belongs to tables and votes is shared out evenly among the links, candidates among all operations, tokens
//! among those of users.

use crate::base::arena::Block;
use crate::base::deadlines;
use crate::base::error::ConfigError;
use crate::base::lru::LruLink;
use crate::base::slab::{Memory, SlabEntry};
use crate::dht::contact::Contact;
use crate::dht::items::{ItemEntry, ItemsMemory};
use crate::dht::limiter::Meter;
use crate::dht::lookup::{Candidate, TokenCell};
use crate::dht::node::inbox::WaitingResult;
use crate::dht::node::operation::{OperationState, Payload};
use crate::dht::node::server::Reply;
use crate::dht::peers::{PeerEntry, PeersMemory};
use crate::dht::table::{BUCKETS, Bucket, ID_CHANGES, IdChange, Newcomer};
use crate::dht::transactions;
use crate::dht::votes::{VOTERS, Vote};

/// Most operations at the same time, upkeep included.
pub const MAX_OPERATIONS: usize = crate::base::bitset::BitSet::CAPACITY;

/// Operations that the node may run for itself beside those of its user.
pub const UPKEEP: usize = 2;

/// The memory of a node.
#[derive(Debug)]
pub struct Storage<'s> {
    pub(super) contacts: Memory<'s, Contact>,
    pub(super) prefixes: Memory<'s, u64>,
    pub(super) newcomers: Memory<'s, Newcomer>,
    pub(super) buckets: Memory<'s, Bucket>,
    pub(super) id_changes: Memory<'s, IdChange>,
    pub(super) votes: Memory<'s, Vote>,
    pub(super) operations: Memory<'s, SlabEntry<OperationState>>,
    pub(super) candidates: Memory<'s, Candidate>,
    pub(super) tokens: Memory<'s, TokenCell>,
    pub(super) payloads: Memory<'s, Payload>,
    pub(super) transactions: Memory<'s, transactions::TransactionEntry>,
    pub(super) deadlines: Memory<'s, deadlines::Deadline>,
    pub(super) items: ItemsMemory<'s>,
    pub(super) peers: PeersMemory<'s>,
    pub(super) replies: Memory<'s, Reply>,
    pub(super) inbox: Memory<'s, WaitingResult>,
    pub(super) meters: Memory<'s, Meter>,
}

/// One slice of a node's memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part {
    /// What it holds.
    pub name: &'static str,
    /// Bytes of one element.
    pub size: usize,
    /// Elements.
    pub count: usize,
}

impl Part {
    fn of<T>(name: &'static str, slice: &[T]) -> Part {
        Part { name, size: size_of::<T>(), count: slice.len() }
    }
}

impl Storage<'_> {
    /// Bytes of all slices together.
    pub fn bytes(&self) -> usize {
        self.parts().iter().map(|part| part.size * part.count).sum()
    }

    /// What the memory consists of, slice by slice.
    pub fn parts(&self) -> [Part; 23] {
        [
            Part::of("contacts", &self.contacts),
            Part::of("prefixes", &self.prefixes),
            Part::of("newcomers", &self.newcomers),
            Part::of("buckets", &self.buckets),
            Part::of("id_changes", &self.id_changes),
            Part::of("votes", &self.votes),
            Part::of("operations", &self.operations),
            Part::of("candidates", &self.candidates),
            Part::of("tokens", &self.tokens),
            Part::of("payloads", &self.payloads),
            Part::of("transactions", &self.transactions),
            Part::of("deadlines", &self.deadlines),
            Part::of("items", &self.items.entries),
            Part::of("items: links", &self.items.links),
            Part::of("items: by target", &self.items.by_target),
            Part::of("items: by network", &self.items.by_network),
            Part::of("items: value blocks", &self.items.blocks),
            Part::of("peers", &self.peers.entries),
            Part::of("peers: links", &self.peers.links),
            Part::of("peers: order", &self.peers.order),
            Part::of("replies", &self.replies),
            Part::of("inbox", &self.inbox),
            Part::of("meters", &self.meters),
        ]
    }

    /// Whether a node of `links` links can live in this memory.
    pub(super) fn check(&self, links: usize) -> Result<(), ConfigError> {
        const MOST: usize = u16::MAX as usize - 1;
        let operations = self.operations.len();
        let needs = [
            ("contacts", self.contacts.len() / links, 1, MOST),
            ("newcomers", self.newcomers.len() / links, 1, MOST),
            ("buckets", self.buckets.len() / links, BUCKETS, MOST),
            ("id_changes", self.id_changes.len() / links, 1, MOST),
            ("votes", self.votes.len() / links, 1, MOST),
            ("operations", operations, UPKEEP + 1, MAX_OPERATIONS),
            ("candidates", self.candidates.len() / operations.max(1), 8, 255),
            ("tokens", self.tokens.len() / self.payloads.len().max(1), 1, 254),
            ("payloads", self.payloads.len() + UPKEEP, operations, operations),
            ("transactions", self.transactions.len(), 1, MOST - MAX_OPERATIONS),
            ("deadlines", self.deadlines.len(), self.transactions.len() + operations, usize::MAX),
            ("prefixes", self.prefixes.len(), self.contacts.len(), usize::MAX),
            ("replies", self.replies.len(), 1, MOST),
            ("inbox", self.inbox.len(), 1, MOST),
            ("meters", self.meters.len(), 8, usize::MAX),
        ];
        for (what, have, least, most) in needs {
            if have < least {
                return Err(ConfigError::new(what, have as u64, "at least", least as u64));
            }
            if have > most {
                return Err(ConfigError::new(what, have as u64, "at most", most as u64));
            }
        }
        Ok(())
    }
}

/// Memory for a node without an allocator. The parameters are, in this order: links, contacts of all links, newcomers of
/// all links, operations of users, operations (two more than those of users, for upkeep), candidates of all operations,
/// tokens of users' operations, transactions, deadlines (transactions + operations), peers, items, value blocks of 64
/// bytes, replies, results, meters.
#[derive(Debug)]
pub struct StorageBuf<
    const LINKS: usize,
    const CONTACTS: usize,
    const NEWCOMERS: usize,
    const USERS: usize,
    const OPERATIONS: usize,
    const CANDIDATES: usize,
    const TOKENS: usize,
    const TRANSACTIONS: usize,
    const DEADLINES: usize,
    const PEERS: usize,
    const ITEMS: usize,
    const BLOCKS: usize,
    const REPLIES: usize,
    const INBOX: usize,
    const METERS: usize,
> {
    contacts: [Contact; CONTACTS],
    prefixes: [u64; CONTACTS],
    newcomers: [Newcomer; NEWCOMERS],
    buckets: [[Bucket; BUCKETS]; LINKS],
    id_changes: [[IdChange; ID_CHANGES]; LINKS],
    votes: [[Vote; VOTERS]; LINKS],
    operations: [SlabEntry<OperationState>; OPERATIONS],
    candidates: [Candidate; CANDIDATES],
    tokens: [TokenCell; TOKENS],
    payloads: [Payload; USERS],
    transactions: [transactions::TransactionEntry; TRANSACTIONS],
    deadlines: [deadlines::Deadline; DEADLINES],
    items: [ItemEntry; ITEMS],
    item_links: [LruLink; ITEMS],
    items_by_target: [u16; ITEMS],
    items_by_network: [u16; ITEMS],
    blocks: [Block; BLOCKS],
    peers: [PeerEntry; PEERS],
    peer_links: [LruLink; PEERS],
    peer_order: [u16; PEERS],
    replies: [Reply; REPLIES],
    inbox: [WaitingResult; INBOX],
    meters: [Meter; METERS],
}

impl<
    const LINKS: usize,
    const CONTACTS: usize,
    const NEWCOMERS: usize,
    const USERS: usize,
    const OPERATIONS: usize,
    const CANDIDATES: usize,
    const TOKENS: usize,
    const TRANSACTIONS: usize,
    const DEADLINES: usize,
    const PEERS: usize,
    const ITEMS: usize,
    const BLOCKS: usize,
    const REPLIES: usize,
    const INBOX: usize,
    const METERS: usize,
>
    StorageBuf<
        LINKS,
        CONTACTS,
        NEWCOMERS,
        USERS,
        OPERATIONS,
        CANDIDATES,
        TOKENS,
        TRANSACTIONS,
        DEADLINES,
        PEERS,
        ITEMS,
        BLOCKS,
        REPLIES,
        INBOX,
        METERS,
    >
{
    /// Fresh memory, all bits zero: a static of it takes no flash, and no stack.
    #[expect(clippy::new_without_default, reason = "fifteen parameters again, and nobody is generic over this")]
    pub const fn new() -> Self {
        StorageBuf {
            contacts: [Contact::BLANK; CONTACTS],
            prefixes: [0; CONTACTS],
            newcomers: [Newcomer::BLANK; NEWCOMERS],
            buckets: [[Bucket::BLANK; BUCKETS]; LINKS],
            id_changes: [[IdChange::BLANK; ID_CHANGES]; LINKS],
            votes: [[Vote::BLANK; VOTERS]; LINKS],
            operations: [const { SlabEntry::BLANK }; OPERATIONS],
            candidates: [Candidate::BLANK; CANDIDATES],
            tokens: [TokenCell::BLANK; TOKENS],
            payloads: [const { Payload::BLANK }; USERS],
            transactions: [transactions::TransactionEntry::BLANK; TRANSACTIONS],
            deadlines: [deadlines::Deadline::BLANK; DEADLINES],
            items: [const { ItemEntry::BLANK }; ITEMS],
            item_links: [LruLink::BLANK; ITEMS],
            items_by_target: [0; ITEMS],
            items_by_network: [0; ITEMS],
            blocks: [Block::BLANK; BLOCKS],
            peers: [PeerEntry::BLANK; PEERS],
            peer_links: [LruLink::BLANK; PEERS],
            peer_order: [0; PEERS],
            replies: [const { Reply::BLANK }; REPLIES],
            inbox: [const { WaitingResult::BLANK }; INBOX],
            meters: [Meter::BLANK; METERS],
        }
    }

    /// Lends it to a node, for as long as the node lives.
    pub fn lend(&mut self) -> Storage<'_> {
        Storage {
            contacts: Memory::Lent(&mut self.contacts),
            prefixes: Memory::Lent(&mut self.prefixes),
            newcomers: Memory::Lent(&mut self.newcomers),
            buckets: Memory::Lent(self.buckets.as_flattened_mut()),
            id_changes: Memory::Lent(self.id_changes.as_flattened_mut()),
            votes: Memory::Lent(self.votes.as_flattened_mut()),
            operations: Memory::Lent(&mut self.operations),
            candidates: Memory::Lent(&mut self.candidates),
            tokens: Memory::Lent(&mut self.tokens),
            payloads: Memory::Lent(&mut self.payloads),
            transactions: Memory::Lent(&mut self.transactions),
            deadlines: Memory::Lent(&mut self.deadlines),
            items: ItemsMemory {
                entries: Memory::Lent(&mut self.items),
                links: Memory::Lent(&mut self.item_links),
                by_target: Memory::Lent(&mut self.items_by_target),
                by_network: Memory::Lent(&mut self.items_by_network),
                blocks: Memory::Lent(&mut self.blocks),
            },
            peers: PeersMemory {
                entries: Memory::Lent(&mut self.peers),
                links: Memory::Lent(&mut self.peer_links),
                order: Memory::Lent(&mut self.peer_order),
            },
            replies: Memory::Lent(&mut self.replies),
            inbox: Memory::Lent(&mut self.inbox),
            meters: Memory::Lent(&mut self.meters),
        }
    }
}
