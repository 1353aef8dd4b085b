//! The memory structures against `BTreeMap` and `Vec`.

use std::collections::BTreeMap;

use honeyguide::Instant;
use honeyguide::internals::base::arena::{Arena, Block, Chain};
use honeyguide::internals::base::deadlines::{Deadlines, DeadlinesMemory};
use honeyguide::internals::base::list::List;
use honeyguide::internals::base::slab::{Slab, SlabKey};
use quickcheck::quickcheck;

quickcheck! {
    /// A key finds its value until it is removed and nothing from then on, whoever takes its place.
    fn a_slab_is_a_map_that_never_uses_a_key_twice(operations: Vec<(bool, u8)>, capacity: u8) -> bool {
        let capacity = usize::from(capacity % 12);
        let mut slab = Slab::new(List::with_capacity(capacity));
        let mut model: BTreeMap<SlabKey, usize> = BTreeMap::new();
        let mut issued: Vec<SlabKey> = Vec::new();
        for (value, (insert, choice)) in operations.into_iter().enumerate() {
            if insert {
                match slab.insert(value) {
                    Ok(key) => {
                        assert!(!issued.contains(&key), "every key is new");
                        issued.push(key);
                        model.insert(key, value);
                    }
                    Err(back) => assert!(back == value && model.len() == capacity),
                }
            } else if !issued.is_empty() {
                let key = issued[usize::from(choice) % issued.len()];
                assert_eq!(slab.remove(key), model.remove(&key));
            }
            assert_eq!((slab.len(), slab.is_full()), (model.len(), model.len() == capacity));
            assert!(issued.iter().all(|&key| slab.get(key) == model.get(&key)));
            assert!(slab.iter().map(|(key, &value)| (key, value)).eq(model.iter().map(|(&key, &value)| (key, value))));
            assert!(slab.iter().all(|(key, _)| slab.key_at(key.index) == Some(key)));
        }
        true
    }

    /// A value stays where it is while others come and go.
    fn a_change_of_one_value_changes_no_other(values: Vec<u8>, choice: u8, new: u8) -> bool {
        let mut slab = Slab::new(List::with_capacity(values.len()));
        let keys: Vec<SlabKey> = values.iter().map(|&value| slab.insert(value).unwrap()).collect();
        let Some(chosen) = usize::from(choice).checked_rem(keys.len()) else { return true };
        *slab.get_mut(keys[chosen]).unwrap() = new;
        keys.iter().enumerate().all(|(i, &key)| slab.get(key) == Some(if i == chosen { &new } else { &values[i] }))
    }

    /// Set, clear and pop give what a sorted list of (deadline, key) gives.
    fn a_heap_is_a_sorted_list_of_deadlines(operations: Vec<(u8, u16, u8)>, capacity: u8) -> bool {
        let capacity = u16::from(capacity % 20) + 1;
        let keys = usize::from(capacity);
        let memory = DeadlinesMemory { heap: List::with_capacity(keys), places: List::zeroed(keys) };
        let mut heap = Deadlines::new(memory);
        let mut model: BTreeMap<u16, Instant> = BTreeMap::new();
        for (operation, key, at) in operations {
            let (key, at) = (key % capacity, Instant::from_micros(u64::from(at % 16)));
            match operation % 4 {
                0 | 1 => {
                    heap.set(key, at);
                    model.insert(key, at);
                }
                2 => {
                    heap.clear(key);
                    model.remove(&key);
                }
                _ => {
                    let due = model.iter().map(|(&key, &at)| (at, key)).min().filter(|&(due, _)| due <= at);
                    assert_eq!(heap.pop_due(at), due.map(|(_, key)| key));
                    due.map(|(_, key)| model.remove(&key));
                }
            }
            heap.check_invariants();
            assert_eq!(heap.len(), model.len());
            assert_eq!(heap.next(), model.iter().map(|(&key, &at)| (at, key)).min());
            assert!((0..capacity).all(|key| heap.at(key) == model.get(&key).copied()));
        }
        true
    }

    /// Values come back whole, and no block is lost or used twice.
    fn an_arena_is_a_list_of_values(operations: Vec<(bool, u16, u8)>, blocks: u8) -> bool {
        let blocks = usize::from(blocks % 40);
        let mut arena = Arena::new(List::<Block>::with_capacity(blocks));
        let mut model: Vec<(Chain, Vec<u8>)> = Vec::new();
        for (store, len, fill) in operations {
            if store {
                let value: Vec<u8> = (0..len % 700).map(|i| (i as u8).wrapping_mul(31) ^ fill).collect();
                let fits = Block::count_for(value.len()) <= arena.free_blocks();
                match arena.store(&value) {
                    Some(chain) => model.push((chain, value)),
                    None => assert!(!fits),
                }
            } else if !model.is_empty() {
                let (chain, _) = model.swap_remove(usize::from(fill) % model.len());
                arena.release(chain);
            }
            let used: usize = model.iter().map(|(_, value)| value.len().div_ceil(Block::BYTES)).sum();
            assert_eq!(arena.free_blocks(), blocks - used);
            assert_eq!((arena.free_bytes(), arena.capacity_bytes()), ((blocks - used) * 64, blocks * 64));
            for (chain, value) in &model {
                let mut copy = vec![0; value.len()];
                assert_eq!(arena.copy_to(*chain, &mut copy), Some(value.len()));
                assert!(copy == *value && arena.eq(*chain, value) && arena.chunks(*chain).collect::<Vec<_>>().concat() == *value);
            }
        }
        true
    }
}
