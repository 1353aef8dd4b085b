//! Storage from the heap: once, and as much as the configuration says.

use crate::base::arena::Block;
use crate::base::deadlines::DeadlinesMemory;
use crate::base::list::List;
use crate::base::slab::MAX_ENTRIES;
use crate::dht::capacity::{Capacity, MAX_CANDIDATES, MAX_METERS, MAX_OPERATIONS, UPKEEP};
use crate::dht::config::Config;
use crate::dht::items::ItemsMemory;
use crate::dht::node::link::LinkMemory;
use crate::dht::node::storage::Storage;
use crate::dht::peers::PeersMemory;
use crate::dht::table::{BUCKETS, ID_CHANGES, TableMemory};
use crate::dht::transactions::TransactionsMemory;
use crate::dht::votes::VOTERS;

impl Storage<'static> {
    /// Reserves what a configuration asks for. Memory is touched only when it is used for the first time.
    #[must_use]
    pub fn allocate(config: &Config) -> Self {
        let c = &config.capacity;
        // More than can be numbered is refused when the node is made, so it is not asked of the allocator.
        let parts = c.operations.min(MAX_OPERATIONS + 1) * config.links().len();
        let all_parts = parts + UPKEEP;
        Storage {
            links: config.links().iter().map(|_| link(c)).collect(),
            operations: list(all_parts),
            candidates: List::with_capacity(c.candidates.min(MAX_CANDIDATES + 1) * all_parts),
            tokens: List::with_capacity(parts * usize::from(config.lookup.replicas)),
            payloads: list(c.operations),
            wakes: deadlines(all_parts),
            transactions: TransactionsMemory { entries: list(c.transactions), ages: list(c.transactions) },
            soft_timeouts: deadlines(c.transactions),
            items: ItemsMemory {
                entries: list(c.items),
                ages: list(c.items),
                by_target: list(c.items),
                by_network: list(c.items),
                blocks: list(c.value_bytes.div_ceil(Block::BYTES)),
            },
            peers: PeersMemory { entries: list(c.peers), ages: list(c.peers), order: list(c.peers) },
            replies: list(c.replies),
            results: list(c.results),
            meters: List::zeroed(c.meters.min(MAX_METERS + 1)),
        }
    }
}

fn link(c: &Capacity) -> LinkMemory<'static> {
    LinkMemory {
        table: TableMemory {
            contacts: list(c.contacts),
            prefixes: list(c.contacts),
            newcomers: list(c.newcomers),
            buckets: list(BUCKETS),
            id_changes: list(ID_CHANGES),
        },
        votes: list(VOTERS),
    }
}

fn deadlines(keys: usize) -> DeadlinesMemory<'static> {
    DeadlinesMemory { heap: list(keys), places: List::zeroed(most(keys)) }
}

/// The same for what is numbered one by one.
fn most(capacity: usize) -> usize {
    capacity.min(MAX_ENTRIES + 1)
}

fn list<T>(capacity: usize) -> List<'static, T> {
    List::with_capacity(most(capacity))
}
