//! Storage from the heap: once, and as much as the configuration says.

use crate::base::arena::{Block, MAX_BLOCKS};
use crate::base::deadlines::DeadlinesMemory;
use crate::base::list::List;
use crate::base::order::{MAX_ORDERED, Order, Ordered};
use crate::base::slab::MAX_ENTRIES;
use crate::dht::capacity::{Capacity, MAX_CANDIDATES, MAX_METERS, MAX_OPERATIONS, MAX_SENT_TO, UPKEEP, keeping};
use crate::dht::config::Config;
use crate::dht::items::ItemsMemory;
use crate::dht::keeper::KeeperMemory;
use crate::dht::node::link::LinkMemory;
use crate::dht::node::storage::Storage;
use crate::dht::peers::PeersMemory;
use crate::dht::sent_to::SentTo;
use crate::dht::size::LOOKUPS;
use crate::dht::table::{BUCKETS, ID_CHANGES, TableMemory};
use crate::dht::transactions::TransactionsMemory;
use crate::dht::votes::VOTERS;

impl Storage<'static> {
    /// Reserves what a configuration asks for. Memory is touched only when it is used for the first time.
    #[must_use]
    pub fn allocate(config: &Config) -> Self {
        let c = &config.capacity;
        // More than can be numbered is refused when the node is made, so it is not asked of the allocator.
        let payloads = c.operations.min(MAX_OPERATIONS + 1) + keeping(c.kept);
        let parts = payloads * config.links().len();
        let all_parts = parts + UPKEEP;
        let [items, peers] = [c.items, c.peers].map(|entries| at_most(entries, MAX_ORDERED));
        Storage {
            links: config.links().iter().map(|_| link(c)).collect(),
            operations: list(all_parts),
            candidates: List::with_capacity(c.candidates.min(MAX_CANDIDATES + 1) * all_parts),
            tokens: List::with_capacity(parts * usize::from(config.lookup.replicas)),
            payloads: list(payloads),
            wakes: deadlines(all_parts),
            transactions: TransactionsMemory { entries: list(c.transactions), ages: list(c.transactions) },
            soft_timeouts: deadlines(c.transactions),
            items: ItemsMemory {
                entries: List::with_capacity(items),
                ages: List::with_capacity(items),
                by_target: order(items),
                by_network: order(items),
                blocks: List::with_capacity(at_most(c.value_bytes.div_ceil(Block::BYTES), MAX_BLOCKS)),
            },
            value_bytes: c.value_bytes,
            peers: PeersMemory {
                entries: List::with_capacity(peers),
                ages: List::with_capacity(peers),
                order: order(peers),
                by_network: order(peers),
                swarms: List::with_capacity(peers),
            },
            replies: list(c.replies),
            results: list(c.results),
            meters: List::zeroed(at_most(c.meters, MAX_METERS)),
            keeper: KeeperMemory { entries: list(c.kept), looks: deadlines(c.kept), wants: deadlines(c.kept) },
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
            remembered: list(c.remembered),
            callers: List::zeroed(at_most(c.callers, MAX_ENTRIES)),
        },
        votes: list(VOTERS),
        soundings: list(LOOKUPS),
        sent_to: List::zeroed(SentTo::words(at_most(c.sent_to, MAX_SENT_TO))),
    }
}

fn deadlines(keys: usize) -> DeadlinesMemory<'static> {
    DeadlinesMemory { heap: list(keys), places: List::zeroed(at_most(keys, MAX_ENTRIES)) }
}

fn order(entries: usize) -> List<'static, Ordered> {
    List::with_capacity(Order::memory_for(entries))
}

fn list<T>(capacity: usize) -> List<'static, T> {
    List::with_capacity(at_most(capacity, MAX_ENTRIES))
}

/// More than can be numbered is refused when the node is made, so nothing of it is asked of the allocator.
fn at_most(capacity: usize, most: usize) -> usize {
    if capacity > most { 0 } else { capacity }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dht::config::LinkConfig;

    #[test]
    fn each_operation_has_a_part_on_each_link_and_upkeep_has_its_own() {
        let mut config = Config::small().with_links(&[LinkConfig::V4, LinkConfig::V6]).unwrap();
        config.capacity.operations = 7;
        let storage = Storage::allocate(&config);
        assert_eq!(storage.operations.capacity(), 7 * 2 + UPKEEP);
        assert_eq!(storage.tokens.capacity(), 7 * 2 * usize::from(config.lookup.replicas));
    }
}
