//! Storage from the heap: once, and as much as the configuration says.

use crate::base::arena::Block;
use crate::base::slab::Memory;
use crate::dht::config::Config;
use crate::dht::items::ItemsMemory;
use crate::dht::node::storage::{Storage, UPKEEP};
use crate::dht::peers::PeersMemory;
use crate::dht::table::{BUCKETS, ID_CHANGES};
use crate::dht::votes::VOTERS;

impl Storage<'static> {
    /// Allocates what a configuration asks for.
    pub fn allocate(config: &Config) -> Self {
        let c = &config.capacity;
        let links = config.links.len();
        let operations = c.lookups + UPKEEP;
        Storage {
            contacts: Memory::allocate(c.contacts * links),
            prefixes: Memory::allocate(c.contacts * links),
            newcomers: Memory::allocate(c.pending * links),
            buckets: Memory::allocate(BUCKETS * links),
            id_changes: Memory::allocate(ID_CHANGES * links),
            votes: Memory::allocate(VOTERS * links),
            operations: Memory::allocate(operations),
            candidates: Memory::allocate(c.candidates * operations),
            tokens: Memory::allocate(usize::from(config.lookup.replicas) * c.lookups),
            payloads: Memory::allocate(c.lookups),
            transactions: Memory::allocate(c.transactions),
            deadlines: Memory::allocate(c.transactions + operations),
            items: ItemsMemory {
                entries: Memory::allocate(c.items),
                links: Memory::allocate(c.items),
                by_target: Memory::allocate(c.items),
                by_network: Memory::allocate(c.items),
                blocks: Memory::allocate(c.value_bytes.div_ceil(Block::BYTES)),
            },
            peers: PeersMemory {
                entries: Memory::allocate(c.peers),
                links: Memory::allocate(c.peers),
                order: Memory::allocate(c.peers),
            },
            replies: Memory::allocate(c.replies),
            inbox: Memory::allocate(c.inbox),
            meters: Memory::allocate(c.meters),
        }
    }
}
