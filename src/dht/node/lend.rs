//! Storage without an allocator: memory of the embedder, as large as [`storage!`](crate::storage) is told.

use core::fmt;

use heapless::Vec;

use crate::base::arena::Block;
use crate::base::deadlines::{Deadline, DeadlinesMemory};
use crate::base::list::List;
use crate::base::lru::LruLink;
use crate::base::order::{Order, Ordered};
use crate::base::slab::SlabEntry;
use crate::dht::capacity::{Capacity, MAX_LINKS, UPKEEP, keeping};
use crate::dht::config::K;
use crate::dht::contact::Contact;
use crate::dht::items::{ItemEntry, ItemsMemory};
use crate::dht::keeper::{KeeperMemory, KeptEntry};
use crate::dht::limiter::Meter;
use crate::dht::lookup::{Candidate, TokenCell};
use crate::dht::node::client::{OperationState, Payload, WaitingResult};
use crate::dht::node::link::LinkMemory;
use crate::dht::node::server::Reply;
use crate::dht::node::storage::Storage;
use crate::dht::peers::{PeerEntry, PeersMemory};
use crate::dht::sent_to::SentTo;
use crate::dht::size::{LOOKUPS, Surroundings};
use crate::dht::table::{BUCKETS, Bucket, ID_CHANGES, IdChange, Newcomer, RememberedContact, TableMemory};
use crate::dht::transactions::{TransactionEntry, TransactionsMemory};
use crate::dht::votes::{VOTERS, Vote};

/// Memory for a node without an allocator.
///
/// Named capacities in any order, separated by commas; those that are left out are as in [`Config::tiny`]. They have
/// the names of [`Capacity`], and there are two more: `links`, how many the configuration has (1), and `replicas`, the
/// largest `lookup.replicas` that it may have (8). Contacts, newcomers, callers and those that are
/// remembered are counted for each link, candidates for each operation.
///
/// ```
/// use honeyguide::{Config, Node};
///
/// let mut memory = honeyguide::storage! { contacts: 32, operations: 1, items: 4 };
/// let node = Node::new(Config::tiny(), [7; 32], memory.lend())?;
/// # drop(node);
/// # Ok::<(), honeyguide::base::ConfigError>(())
/// ```
///
/// More links than a node can have do not compile. Every other number is checked when the node is made.
///
/// ```compile_fail
/// let memory = honeyguide::storage! { links: 5 };
/// ```
///
/// A static needs its type: that is the same macro with `type` and braces. Fresh memory holds nothing but zeros, so a
/// static of it takes no flash.
///
/// ```
/// use std::sync::Mutex;
///
/// type Memory = honeyguide::storage!(type { contacts: 32, operations: 1, items: 4 });
/// static MEMORY: Mutex<Memory> = Mutex::new(Memory::new());
/// ```
///
/// [`Capacity`]: crate::dht::capacity::Capacity
/// [`Config::tiny`]: crate::dht::config::Config::tiny
#[macro_export]
macro_rules! storage {
    (type { $($name:ident: $count:expr),* $(,)? }) => {
        $crate::__private::StorageBuf<
            { $crate::__private::Sizes { $($name: $count,)* ..$crate::__private::Sizes::TINY }.links },
            { $crate::__private::Sizes { $($name: $count,)* ..$crate::__private::Sizes::TINY }.contacts },
            { $crate::__private::Sizes { $($name: $count,)* ..$crate::__private::Sizes::TINY }.newcomers },
            { $crate::__private::Sizes { $($name: $count,)* ..$crate::__private::Sizes::TINY }.remembered },
            { $crate::__private::Sizes { $($name: $count,)* ..$crate::__private::Sizes::TINY }.sent_to_words() },
            { $crate::__private::Sizes { $($name: $count,)* ..$crate::__private::Sizes::TINY }.callers },
            { $crate::__private::Sizes { $($name: $count,)* ..$crate::__private::Sizes::TINY }.payloads() },
            { $crate::__private::Sizes { $($name: $count,)* ..$crate::__private::Sizes::TINY }.all_operations() },
            { $crate::__private::Sizes { $($name: $count,)* ..$crate::__private::Sizes::TINY }.all_candidates() },
            { $crate::__private::Sizes { $($name: $count,)* ..$crate::__private::Sizes::TINY }.tokens() },
            { $crate::__private::Sizes { $($name: $count,)* ..$crate::__private::Sizes::TINY }.transactions },
            { $crate::__private::Sizes { $($name: $count,)* ..$crate::__private::Sizes::TINY }.peers },
            { $crate::__private::Sizes { $($name: $count,)* ..$crate::__private::Sizes::TINY }.peer_order() },
            { $crate::__private::Sizes { $($name: $count,)* ..$crate::__private::Sizes::TINY }.items },
            { $crate::__private::Sizes { $($name: $count,)* ..$crate::__private::Sizes::TINY }.item_order() },
            { $crate::__private::Sizes { $($name: $count,)* ..$crate::__private::Sizes::TINY }.value_bytes },
            { $crate::__private::Sizes { $($name: $count,)* ..$crate::__private::Sizes::TINY }.value_blocks() },
            { $crate::__private::Sizes { $($name: $count,)* ..$crate::__private::Sizes::TINY }.replies },
            { $crate::__private::Sizes { $($name: $count,)* ..$crate::__private::Sizes::TINY }.results },
            { $crate::__private::Sizes { $($name: $count,)* ..$crate::__private::Sizes::TINY }.meters },
            { $crate::__private::Sizes { $($name: $count,)* ..$crate::__private::Sizes::TINY }.kept },
        >
    };
    ($($name:ident: $count:expr),* $(,)?) => {
        <$crate::storage!(type { $($name: $count),* })>::new()
    };
}

/// What [`storage!`](crate::storage) is told.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the capacities of these names, see the macro")]
pub struct Sizes {
    pub links: usize,
    pub contacts: usize,
    pub newcomers: usize,
    pub remembered: usize,
    pub callers: usize,
    pub operations: usize,
    pub candidates: usize,
    pub replicas: usize,
    pub transactions: usize,
    pub peers: usize,
    pub items: usize,
    pub value_bytes: usize,
    pub replies: usize,
    pub results: usize,
    pub meters: usize,
    pub sent_to: usize,
    pub kept: usize,
}

impl Sizes {
    /// What the configuration for microcontrollers needs, on one link.
    pub const TINY: Sizes = {
        let c = Capacity::TINY;
        Sizes {
            links: 1,
            contacts: c.contacts,
            newcomers: c.newcomers,
            remembered: c.remembered,
            callers: c.callers,
            operations: c.operations,
            candidates: c.candidates,
            replicas: K,
            transactions: c.transactions,
            peers: c.peers,
            items: c.items,
            value_bytes: c.value_bytes,
            replies: c.replies,
            results: c.results,
            meters: c.meters,
            sent_to: c.sent_to,
            kept: c.kept,
        }
    };

    /// Words for the addresses that were sent to.
    #[must_use]
    pub const fn sent_to_words(self) -> usize {
        SentTo::words(self.sent_to)
    }

    /// Payloads of the operations of the user and of the keeper.
    #[must_use]
    pub const fn payloads(self) -> usize {
        self.operations + keeping(self.kept)
    }

    /// Parts of those operations, one on each link, and those of the node's own upkeep.
    #[must_use]
    pub const fn all_operations(self) -> usize {
        self.payloads() * self.links + UPKEEP
    }

    /// Candidates of all operations.
    #[must_use]
    pub const fn all_candidates(self) -> usize {
        self.candidates * self.all_operations()
    }

    /// Tokens of all operations that carry something.
    #[must_use]
    pub const fn tokens(self) -> usize {
        self.replicas * self.payloads() * self.links
    }

    /// Memory for the order of the peers.
    #[must_use]
    pub const fn peer_order(self) -> usize {
        Order::memory_for(self.peers)
    }

    /// Memory for an order of the items.
    #[must_use]
    pub const fn item_order(self) -> usize {
        Order::memory_for(self.items)
    }

    /// Blocks for the values of items.
    #[must_use]
    pub const fn value_blocks(self) -> usize {
        Block::count_for(self.value_bytes)
    }
}

/// The memory that [`storage!`](crate::storage) makes.
pub struct StorageBuf<
    const LINKS: usize,
    const CONTACTS: usize,
    const NEWCOMERS: usize,
    const REMEMBERED: usize,
    const SENT_TO: usize,
    const CALLERS: usize,
    const PAYLOADS: usize,
    const ALL_OPERATIONS: usize,
    const CANDIDATES: usize,
    const TOKENS: usize,
    const TRANSACTIONS: usize,
    const PEERS: usize,
    const PEER_ORDER: usize,
    const ITEMS: usize,
    const ITEM_ORDER: usize,
    const VALUE_BYTES: usize,
    const BLOCKS: usize,
    const REPLIES: usize,
    const RESULTS: usize,
    const METERS: usize,
    const KEPT: usize,
> {
    links: [LinkBuf<CONTACTS, NEWCOMERS, REMEMBERED, SENT_TO, CALLERS>; LINKS],
    operations: Vec<SlabEntry<OperationState>, ALL_OPERATIONS>,
    candidates: Vec<Candidate, CANDIDATES>,
    tokens: Vec<TokenCell, TOKENS>,
    payloads: Vec<Payload, PAYLOADS>,
    wakes: DeadlinesBuf<ALL_OPERATIONS>,
    transactions: Vec<TransactionEntry, TRANSACTIONS>,
    transaction_ages: Vec<LruLink, TRANSACTIONS>,
    soft_timeouts: DeadlinesBuf<TRANSACTIONS>,
    items: Vec<ItemEntry, ITEMS>,
    item_ages: Vec<LruLink, ITEMS>,
    items_by_target: Vec<Ordered, ITEM_ORDER>,
    items_by_network: Vec<Ordered, ITEM_ORDER>,
    blocks: Vec<Block, BLOCKS>,
    peers: Vec<PeerEntry, PEERS>,
    peer_ages: Vec<LruLink, PEERS>,
    peer_order: Vec<Ordered, PEER_ORDER>,
    peers_by_network: Vec<Ordered, PEER_ORDER>,
    swarms: Vec<u32, PEERS>,
    replies: Vec<Reply, REPLIES>,
    results: Vec<WaitingResult, RESULTS>,
    meters: Vec<Meter, METERS>,
    kept: Vec<SlabEntry<KeptEntry>, KEPT>,
    looks: DeadlinesBuf<KEPT>,
    wants: DeadlinesBuf<KEPT>,
}

impl<
    const LINKS: usize,
    const CONTACTS: usize,
    const NEWCOMERS: usize,
    const REMEMBERED: usize,
    const SENT_TO: usize,
    const CALLERS: usize,
    const PAYLOADS: usize,
    const ALL_OPERATIONS: usize,
    const CANDIDATES: usize,
    const TOKENS: usize,
    const TRANSACTIONS: usize,
    const PEERS: usize,
    const PEER_ORDER: usize,
    const ITEMS: usize,
    const ITEM_ORDER: usize,
    const VALUE_BYTES: usize,
    const BLOCKS: usize,
    const REPLIES: usize,
    const RESULTS: usize,
    const METERS: usize,
    const KEPT: usize,
>
    StorageBuf<
        LINKS,
        CONTACTS,
        NEWCOMERS,
        REMEMBERED,
        SENT_TO,
        CALLERS,
        PAYLOADS,
        ALL_OPERATIONS,
        CANDIDATES,
        TOKENS,
        TRANSACTIONS,
        PEERS,
        PEER_ORDER,
        ITEMS,
        ITEM_ORDER,
        VALUE_BYTES,
        BLOCKS,
        REPLIES,
        RESULTS,
        METERS,
        KEPT,
    >
{
    /// Fresh memory. It holds nothing but lengths of zero, so a static of it takes no flash.
    #[expect(clippy::new_without_default, reason = "twenty parameters again, and nothing is generic over this")]
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(LINKS <= MAX_LINKS, "links: a node has at most Config::MAX_LINKS") };
        StorageBuf {
            links: [const { LinkBuf::new() }; LINKS],
            operations: Vec::new(),
            candidates: Vec::new(),
            tokens: Vec::new(),
            payloads: Vec::new(),
            wakes: DeadlinesBuf::new(),
            transactions: Vec::new(),
            transaction_ages: Vec::new(),
            soft_timeouts: DeadlinesBuf::new(),
            items: Vec::new(),
            item_ages: Vec::new(),
            items_by_target: Vec::new(),
            items_by_network: Vec::new(),
            blocks: Vec::new(),
            peers: Vec::new(),
            peer_ages: Vec::new(),
            peer_order: Vec::new(),
            peers_by_network: Vec::new(),
            swarms: Vec::new(),
            replies: Vec::new(),
            results: Vec::new(),
            meters: Vec::new(),
            kept: Vec::new(),
            looks: DeadlinesBuf::new(),
            wants: DeadlinesBuf::new(),
        }
    }

    /// Lends it to a node, for as long as the node lives.
    pub fn lend(&mut self) -> Storage<'_> {
        Storage {
            links: self.links.iter_mut().map(LinkBuf::lend).collect(),
            operations: List::Lent(&mut self.operations),
            candidates: List::Lent(&mut self.candidates),
            tokens: List::Lent(&mut self.tokens),
            payloads: List::Lent(&mut self.payloads),
            wakes: self.wakes.lend(),
            transactions: TransactionsMemory {
                entries: List::Lent(&mut self.transactions),
                ages: List::Lent(&mut self.transaction_ages),
            },
            soft_timeouts: self.soft_timeouts.lend(),
            items: ItemsMemory {
                entries: List::Lent(&mut self.items),
                ages: List::Lent(&mut self.item_ages),
                by_target: List::Lent(&mut self.items_by_target),
                by_network: List::Lent(&mut self.items_by_network),
                blocks: List::Lent(&mut self.blocks),
            },
            value_bytes: VALUE_BYTES,
            peers: PeersMemory {
                entries: List::Lent(&mut self.peers),
                ages: List::Lent(&mut self.peer_ages),
                order: List::Lent(&mut self.peer_order),
                by_network: List::Lent(&mut self.peers_by_network),
                swarms: List::Lent(&mut self.swarms),
            },
            replies: List::Lent(&mut self.replies),
            results: List::Lent(&mut self.results),
            meters: List::Lent(&mut self.meters),
            keeper: KeeperMemory {
                entries: List::Lent(&mut self.kept),
                looks: self.looks.lend(),
                wants: self.wants.lend(),
            },
        }
    }
}

impl<
    const LINKS: usize,
    const CONTACTS: usize,
    const NEWCOMERS: usize,
    const REMEMBERED: usize,
    const SENT_TO: usize,
    const CALLERS: usize,
    const PAYLOADS: usize,
    const ALL_OPERATIONS: usize,
    const CANDIDATES: usize,
    const TOKENS: usize,
    const TRANSACTIONS: usize,
    const PEERS: usize,
    const PEER_ORDER: usize,
    const ITEMS: usize,
    const ITEM_ORDER: usize,
    const VALUE_BYTES: usize,
    const BLOCKS: usize,
    const REPLIES: usize,
    const RESULTS: usize,
    const METERS: usize,
    const KEPT: usize,
> fmt::Debug
    for StorageBuf<
        LINKS,
        CONTACTS,
        NEWCOMERS,
        REMEMBERED,
        SENT_TO,
        CALLERS,
        PAYLOADS,
        ALL_OPERATIONS,
        CANDIDATES,
        TOKENS,
        TRANSACTIONS,
        PEERS,
        PEER_ORDER,
        ITEMS,
        ITEM_ORDER,
        VALUE_BYTES,
        BLOCKS,
        REPLIES,
        RESULTS,
        METERS,
        KEPT,
    >
{
    /// How large it is; not what is in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StorageBuf").field("bytes", &size_of::<Self>()).finish_non_exhaustive()
    }
}

/// Memory for one link.
struct LinkBuf<
    const CONTACTS: usize,
    const NEWCOMERS: usize,
    const REMEMBERED: usize,
    const SENT_TO: usize,
    const CALLERS: usize,
> {
    contacts: Vec<Contact, CONTACTS>,
    prefixes: Vec<u64, CONTACTS>,
    newcomers: Vec<Newcomer, NEWCOMERS>,
    buckets: Vec<Bucket, BUCKETS>,
    id_changes: Vec<IdChange, ID_CHANGES>,
    remembered: Vec<RememberedContact, REMEMBERED>,
    callers: Vec<u16, CALLERS>,
    votes: Vec<Vote, VOTERS>,
    soundings: Vec<Surroundings, LOOKUPS>,
    sent_to: Vec<u64, SENT_TO>,
}

impl<const CONTACTS: usize, const NEWCOMERS: usize, const REMEMBERED: usize, const SENT_TO: usize, const CALLERS: usize>
    LinkBuf<CONTACTS, NEWCOMERS, REMEMBERED, SENT_TO, CALLERS>
{
    const fn new() -> Self {
        LinkBuf {
            contacts: Vec::new(),
            prefixes: Vec::new(),
            newcomers: Vec::new(),
            buckets: Vec::new(),
            id_changes: Vec::new(),
            remembered: Vec::new(),
            callers: Vec::new(),
            votes: Vec::new(),
            soundings: Vec::new(),
            sent_to: Vec::new(),
        }
    }

    fn lend(&mut self) -> LinkMemory<'_> {
        LinkMemory {
            table: TableMemory {
                contacts: List::Lent(&mut self.contacts),
                prefixes: List::Lent(&mut self.prefixes),
                newcomers: List::Lent(&mut self.newcomers),
                buckets: List::Lent(&mut self.buckets),
                id_changes: List::Lent(&mut self.id_changes),
                remembered: List::Lent(&mut self.remembered),
                callers: List::Lent(&mut self.callers),
            },
            votes: List::Lent(&mut self.votes),
            soundings: List::Lent(&mut self.soundings),
            sent_to: List::Lent(&mut self.sent_to),
        }
    }
}

/// Memory for the deadlines of so many keys.
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
