//! The memory of a node: allocated once, or lent.
//!
//! `Storage::allocate` takes what [`Capacity`](crate::dht::capacity::Capacity) says from the heap (feature `alloc`).
//! Firmware makes its memory with [`storage!`](crate::storage), wherever it likes (a static, the stack), and lends it.
//! Every list keeps its capacity and grows within it, so that memory which is never needed is never touched. Each link
//! has lists of its own; candidates are shared out evenly among all operations, tokens among those of users.

use core::fmt;

use arrayvec::ArrayVec;

use crate::base::deadlines::DeadlinesMemory;
use crate::base::error::{ConfigError, at_least};
use crate::base::list::List;
use crate::base::slab::SlabEntry;
use crate::dht::capacity::{Capacity, MAX_LINKS, keeping};
use crate::dht::config::Config;
use crate::dht::contact::Contact;
use crate::dht::items::ItemsMemory;
use crate::dht::keeper::{KeeperMemory, KeptEntry};
use crate::dht::limiter::Meter;
use crate::dht::lookup::{Candidate, TokenCell};
use crate::dht::node::client::{OperationState, Payload, WaitingResult};
use crate::dht::node::link::LinkMemory;
use crate::dht::node::server::Reply;
use crate::dht::peers::PeersMemory;
use crate::dht::sent_to::SentTo;
use crate::dht::size::Surroundings;
use crate::dht::table::{Bucket, IdChange, Newcomer, RememberedContact};
use crate::dht::transactions::TransactionsMemory;
use crate::dht::votes::Vote;

/// The memory of a node.
///
/// With an allocator `Storage::allocate` makes it, as large as the configuration says. Without one it is lent:
///
/// ```
/// use honeyguide::{Config, Node};
///
/// let mut memory = honeyguide::storage! { contacts: 32, operations: 1, items: 4 };
/// let node = Node::new(Config::tiny(), [7; 32], memory.lend())?;
/// # drop(node);
/// # Ok::<(), honeyguide::base::ConfigError>(())
/// ```
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
    /// What the blocks for the values of items were made for.
    pub(super) value_bytes: usize,
    pub(super) peers: PeersMemory<'s>,
    pub(super) replies: List<'s, Reply>,
    pub(super) results: List<'s, WaitingResult>,
    pub(super) meters: List<'s, Meter>,
    pub(super) keeper: KeeperMemory<'s>,
}

impl fmt::Debug for Storage<'_> {
    /// How large it is; not what is in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Storage").field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}

/// One list of a node's memory, or the lists of all links together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
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
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.parts().map(|part| part.size * part.count).sum()
    }

    /// What the memory consists of.
    pub fn parts(&self) -> impl Iterator<Item = Part> {
        [
            self.of_links::<Contact>("contacts", |link| link.table.contacts.capacity()),
            self.of_links::<u64>("prefixes", |link| link.table.prefixes.capacity()),
            self.of_links::<Newcomer>("newcomers", |link| link.table.newcomers.capacity()),
            self.of_links::<Bucket>("buckets", |link| link.table.buckets.capacity()),
            self.of_links::<IdChange>("id_changes", |link| link.table.id_changes.capacity()),
            self.of_links::<RememberedContact>("remembered", |link| link.table.remembered.capacity()),
            self.of_links::<u16>("callers", |link| link.table.callers.capacity()),
            self.of_links::<Vote>("votes", |link| link.votes.capacity()),
            self.of_links::<Surroundings>("soundings", |link| link.soundings.capacity()),
            self.of_links::<u64>("sent to", |link| link.sent_to.capacity()),
            Part::of("operations", &self.operations),
            Part::of("candidates", &self.candidates),
            Part::of("tokens", &self.tokens),
            Part::of("payloads", &self.payloads),
            Part::of("operations: wakes", &self.wakes.heap),
            Part::of("operations: wakes by key", &self.wakes.places),
            Part::of("transactions", &self.transactions.entries),
            Part::of("transactions: ages", &self.transactions.ages),
            Part::of("transactions: timeouts", &self.soft_timeouts.heap),
            Part::of("transactions: timeouts by key", &self.soft_timeouts.places),
            Part::of("items", &self.items.entries),
            Part::of("items: ages", &self.items.ages),
            Part::of("items: by target", &self.items.by_target),
            Part::of("items: by network", &self.items.by_network),
            Part::of("items: value blocks", &self.items.blocks),
            Part::of("peers", &self.peers.entries),
            Part::of("peers: ages", &self.peers.ages),
            Part::of("peers: order", &self.peers.order),
            Part::of("peers: by network", &self.peers.by_network),
            Part::of("peers: swarms", &self.peers.swarms),
            Part::of("replies", &self.replies),
            Part::of("results", &self.results),
            Part::of("meters", &self.meters),
            Part::of::<SlabEntry<KeptEntry>>("kept", &self.keeper.entries),
            Part::of("kept: looks", &self.keeper.looks.heap),
            Part::of("kept: looks by key", &self.keeper.looks.places),
            Part::of("kept: wants", &self.keeper.wants.heap),
            Part::of("kept: wants by key", &self.keeper.wants.places),
        ]
        .into_iter()
    }

    fn of_links<T>(&self, name: &'static str, capacity: impl Fn(&LinkMemory<'_>) -> usize) -> Part {
        Part { name, size: size_of::<T>(), count: self.links.iter().map(capacity).sum() }
    }

    /// Whether a node of this configuration can live in this memory.
    pub(super) fn check(&self, config: &Config) -> Result<(), ConfigError> {
        let (links, least) = (self.links.len() as u64, config.links().len() as u64);
        at_least("links", links, least)
            .map_err(|error| error.against("Config::links").mended_by("storage! takes the number by this name"))?;
        let (capacity, replicas) = (self.capacity(), config.lookup.replicas.into());
        config.check_role(&capacity).map_err(|error| error.outside("capacity."))?;
        capacity.check().map_err(|error| error.outside("capacity."))?;
        // A put stores where it has a token: with fewer it would reach fewer nodes than was asked for, and not say so.
        let tokens = self.tokens.capacity() / (self.payloads.capacity() * config.links().len().max(1));
        for (field, value) in [("candidates", capacity.candidates), ("replicas", tokens)] {
            at_least(field, value as u64, replicas).map_err(|error| {
                error.against("lookup.replicas").mended_by("storage! takes the number by this name")
            })?;
        }
        Ok(())
    }

    /// The capacities that it was made with.
    fn capacity(&self) -> Capacity {
        let of_link = |capacity: fn(&LinkMemory<'_>) -> usize| self.links.first().map_or(0, capacity);
        let operations = self.operations.capacity().max(1);
        let kept = self.keeper.entries.capacity();
        Capacity {
            contacts: of_link(|link| link.table.contacts.capacity()),
            newcomers: of_link(|link| link.table.newcomers.capacity()),
            remembered: of_link(|link| link.table.remembered.capacity()),
            callers: of_link(|link| link.table.callers.capacity()),
            operations: self.payloads.capacity().saturating_sub(keeping(kept)),
            candidates: self.candidates.capacity() / operations,
            transactions: self.transactions.entries.capacity(),
            peers: self.peers.entries.capacity(),
            items: self.items.entries.capacity(),
            value_bytes: self.value_bytes,
            replies: self.replies.capacity(),
            results: self.results.capacity(),
            meters: self.meters.capacity(),
            sent_to: SentTo::addresses(of_link(|link| link.sent_to.capacity())),
            kept,
        }
    }
}
