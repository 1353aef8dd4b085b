//! The memory of a node: allocated once, or lent.
//!
//! `Storage::allocate` takes what [`Capacity`](crate::dht::config::Capacity) says from the heap (feature `alloc`). Firmware
//! puts a [`StorageBuf`] wherever it likes (a static, the stack) and lends it. Every list keeps its capacity and grows
//! within it, so that memory which is never needed is never touched. Each link has lists of its own; candidates are shared
//! out evenly among all operations, tokens among those of users.

use arrayvec::ArrayVec;
use heapless::Vec;

use crate::base::arena::Block;
use crate::base::deadlines::{Deadline, DeadlinesMemory};
use crate::base::error::ConfigError;
use crate::base::list::List;
use crate::base::lru::LruLink;
use crate::base::slab::{MAX_ENTRIES, SlabEntry};
use crate::dht::config::MAX_LINKS;
use crate::dht::contact::Contact;
use crate::dht::items::{ItemEntry, ItemsMemory};
use crate::dht::limiter::MeterCell;
use crate::dht::lookup::{Candidate, TokenCell};
use crate::dht::node::client::{OperationState, Payload, WaitingResult};
use crate::dht::node::link::LinkMemory;
use crate::dht::node::server::Reply;
use crate::dht::peers::{PeerEntry, PeersMemory};
use crate::dht::table::{BUCKETS, Bucket, ID_CHANGES, IdChange, Newcomer, TableMemory};
use crate::dht::transactions::{TransactionEntry, TransactionsMemory};
use crate::dht::votes::{VOTERS, Vote};

/// Most operations at the same time, upkeep included.
pub const MAX_OPERATIONS: usize = crate::base::bitset::BitSet::CAPACITY;

/// Operations that the node may run for itself beside those of its user.
pub const UPKEEP: usize = 2;

/// The memory of a node.
#[derive(Debug)]
pub struct Storage<'s> {
    pub(super) links: ArrayVec<LinkMemory<'s>, MAX_LINKS>,
    pub(super) operations: List<'s, SlabEntry<OperationState>>,
    pub(super) candidates: List<'s, Candidate>,
    pub(super) tokens: List<'s, TokenCell>,
    pub(super) payloads: List<'s, Payload>,
    pub(super) wakes: DeadlinesMemory<'s>,
    pub(super) transactions: TransactionsMemory<'s>,
    pub(super) soft_timeouts: DeadlinesMemory<'s>,
    pub(super) items: ItemsMemory<'s>,
    pub(super) peers: PeersMemory<'s>,
    pub(super) replies: List<'s, Reply>,
    pub(super) inbox: List<'s, WaitingResult>,
    pub(super) meters: List<'s, MeterCell>,
}

/// One list of a node's memory, or the lists of all links together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part {
    /// What it holds.
    pub name: &'static str,
    /// Bytes of one element.
    pub size: usize,
    /// Elements that there is room for.
    pub count: usize,
}

impl Part {
    fn of<T>(name: &'static str, list: &List<'_, T>) -> Part {
        Part { name, size: size_of::<T>(), count: list.capacity() }
    }
}

impl Storage<'_> {
    /// Bytes of all lists together.
    pub fn bytes(&self) -> usize {
        self.parts().iter().map(|part| part.size * part.count).sum()
    }

    /// What the memory consists of.
    pub fn parts(&self) -> [Part; 27] {
        [
            self.of_links::<Contact>("contacts", |link| link.table.contacts.capacity()),
            self.of_links::<u64>("prefixes", |link| link.table.prefixes.capacity()),
            self.of_links::<Newcomer>("newcomers", |link| link.table.pending.capacity()),
            self.of_links::<Bucket>("buckets", |link| link.table.buckets.capacity()),
            self.of_links::<IdChange>("id_changes", |link| link.table.id_changes.capacity()),
            self.of_links::<Vote>("votes", |link| link.votes.capacity()),
            Part::of("operations", &self.operations),
            Part::of("candidates", &self.candidates),
            Part::of("tokens", &self.tokens),
            Part::of("payloads", &self.payloads),
            Part::of("operations: wakes", &self.wakes.heap),
            Part::of("operations: wakes by key", &self.wakes.places),
            Part::of("transactions", &self.transactions.entries),
            Part::of("transactions: links", &self.transactions.links),
            Part::of("transactions: timeouts", &self.soft_timeouts.heap),
            Part::of("transactions: timeouts by key", &self.soft_timeouts.places),
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

    fn of_links<T>(&self, name: &'static str, capacity: impl Fn(&LinkMemory<'_>) -> usize) -> Part {
        Part { name, size: size_of::<T>(), count: self.links.iter().map(capacity).sum() }
    }

    /// Whether a node of `links` links can live in this memory.
    pub(super) fn check(&self, links: usize) -> Result<(), ConfigError> {
        let operations = self.operations.capacity();
        let of_links = self.links.iter().flat_map(|link| {
            [
                ("contacts", link.table.contacts.capacity(), 1, MAX_ENTRIES),
                ("newcomers", link.table.pending.capacity(), 1, MAX_ENTRIES),
            ]
        });
        let of_node = [
            ("links", self.links.len(), links, MAX_LINKS),
            ("operations", operations, UPKEEP + 1, MAX_OPERATIONS),
            ("candidates", self.candidates.capacity() / operations.max(1), 8, 255),
            ("tokens", self.tokens.capacity() / self.payloads.capacity().max(1), 1, 254),
            ("transactions", self.transactions.entries.capacity(), 1, MAX_ENTRIES - MAX_OPERATIONS),
            ("peers", self.peers.entries.capacity(), 0, MAX_ENTRIES),
            ("items", self.items.entries.capacity(), 0, MAX_ENTRIES),
            ("value_bytes", self.items.blocks.capacity(), 0, MAX_ENTRIES),
            ("replies", self.replies.capacity(), 1, MAX_ENTRIES),
            ("inbox", self.inbox.capacity(), 1, MAX_ENTRIES),
            ("meters", self.meters.capacity(), 8, usize::MAX),
        ];
        for (what, have, least, most) in of_links.chain(of_node) {
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

/// Memory for a node without an allocator. The parameters are, in this order: links, contacts of each link, newcomers of
/// each link, operations of users, operations (two more than those of users, for upkeep), candidates of all operations,
/// tokens of users' operations, transactions, peers, items, value blocks of 64
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
    const PEERS: usize,
    const ITEMS: usize,
    const BLOCKS: usize,
    const REPLIES: usize,
    const INBOX: usize,
    const METERS: usize,
> {
    links: [LinkBuf<CONTACTS, NEWCOMERS>; LINKS],
    operations: Vec<SlabEntry<OperationState>, OPERATIONS>,
    candidates: Vec<Candidate, CANDIDATES>,
    tokens: Vec<TokenCell, TOKENS>,
    payloads: Vec<Payload, USERS>,
    wakes: DeadlinesBuf<OPERATIONS>,
    transactions: Vec<TransactionEntry, TRANSACTIONS>,
    transaction_links: Vec<LruLink, TRANSACTIONS>,
    soft_timeouts: DeadlinesBuf<TRANSACTIONS>,
    items: Vec<ItemEntry, ITEMS>,
    item_links: Vec<LruLink, ITEMS>,
    items_by_target: Vec<u16, ITEMS>,
    items_by_network: Vec<u16, ITEMS>,
    blocks: Vec<Block, BLOCKS>,
    peers: Vec<PeerEntry, PEERS>,
    peer_links: Vec<LruLink, PEERS>,
    peer_order: Vec<u16, PEERS>,
    replies: Vec<Reply, REPLIES>,
    inbox: Vec<WaitingResult, INBOX>,
    meters: Vec<MeterCell, METERS>,
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
        PEERS,
        ITEMS,
        BLOCKS,
        REPLIES,
        INBOX,
        METERS,
    >
{
    /// Fresh memory. It holds nothing but lengths of zero, so a static of it takes no flash.
    #[expect(clippy::new_without_default, reason = "fourteen parameters again, and nobody is generic over this")]
    pub const fn new() -> Self {
        StorageBuf {
            links: [const { LinkBuf::new() }; LINKS],
            operations: Vec::new(),
            candidates: Vec::new(),
            tokens: Vec::new(),
            payloads: Vec::new(),
            wakes: DeadlinesBuf::new(),
            transactions: Vec::new(),
            transaction_links: Vec::new(),
            soft_timeouts: DeadlinesBuf::new(),
            items: Vec::new(),
            item_links: Vec::new(),
            items_by_target: Vec::new(),
            items_by_network: Vec::new(),
            blocks: Vec::new(),
            peers: Vec::new(),
            peer_links: Vec::new(),
            peer_order: Vec::new(),
            replies: Vec::new(),
            inbox: Vec::new(),
            meters: Vec::new(),
        }
    }

    /// Lends it to a node, for as long as the node lives.
    pub fn lend(&mut self) -> Storage<'_> {
        Storage {
            links: self.links.iter_mut().take(MAX_LINKS).map(LinkBuf::lend).collect(),
            operations: List::Lent(&mut self.operations),
            candidates: List::Lent(&mut self.candidates),
            tokens: List::Lent(&mut self.tokens),
            payloads: List::Lent(&mut self.payloads),
            wakes: self.wakes.lend(),
            transactions: TransactionsMemory {
                entries: List::Lent(&mut self.transactions),
                links: List::Lent(&mut self.transaction_links),
            },
            soft_timeouts: self.soft_timeouts.lend(),
            items: ItemsMemory {
                entries: List::Lent(&mut self.items),
                links: List::Lent(&mut self.item_links),
                by_target: List::Lent(&mut self.items_by_target),
                by_network: List::Lent(&mut self.items_by_network),
                blocks: List::Lent(&mut self.blocks),
            },
            peers: PeersMemory {
                entries: List::Lent(&mut self.peers),
                links: List::Lent(&mut self.peer_links),
                order: List::Lent(&mut self.peer_order),
            },
            replies: List::Lent(&mut self.replies),
            inbox: List::Lent(&mut self.inbox),
            meters: List::Lent(&mut self.meters),
        }
    }
}

/// Memory for one link.
#[derive(Debug)]
struct LinkBuf<const CONTACTS: usize, const NEWCOMERS: usize> {
    contacts: Vec<Contact, CONTACTS>,
    prefixes: Vec<u64, CONTACTS>,
    newcomers: Vec<Newcomer, NEWCOMERS>,
    buckets: Vec<Bucket, BUCKETS>,
    id_changes: Vec<IdChange, ID_CHANGES>,
    votes: Vec<Vote, VOTERS>,
}

impl<const CONTACTS: usize, const NEWCOMERS: usize> LinkBuf<CONTACTS, NEWCOMERS> {
    const fn new() -> Self {
        LinkBuf {
            contacts: Vec::new(),
            prefixes: Vec::new(),
            newcomers: Vec::new(),
            buckets: Vec::new(),
            id_changes: Vec::new(),
            votes: Vec::new(),
        }
    }

    fn lend(&mut self) -> LinkMemory<'_> {
        LinkMemory {
            table: TableMemory {
                contacts: List::Lent(&mut self.contacts),
                prefixes: List::Lent(&mut self.prefixes),
                pending: List::Lent(&mut self.newcomers),
                buckets: List::Lent(&mut self.buckets),
                id_changes: List::Lent(&mut self.id_changes),
            },
            votes: List::Lent(&mut self.votes),
        }
    }
}

/// Memory for the deadlines of so many keys.
#[derive(Debug)]
struct DeadlinesBuf<const KEYS: usize> {
    heap: Vec<Deadline, KEYS>,
    places: Vec<u16, KEYS>,
}

impl<const KEYS: usize> DeadlinesBuf<KEYS> {
    const fn new() -> Self {
        DeadlinesBuf { heap: Vec::new(), places: Vec::new() }
    }

    fn lend(&mut self) -> DeadlinesMemory<'_> {
        DeadlinesMemory { heap: List::Lent(&mut self.heap), places: List::Lent(&mut self.places) }
    }
}
