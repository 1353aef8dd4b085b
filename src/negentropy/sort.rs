//! Building a [`Sealed`] set quickly where an allocator is at hand.
//!
//! Sorting 40-byte entries moves each of them many times. Sorted instead are 64-bit words: the first bits of the entry
//! (its timestamp above the smallest, then its id) with its place behind them; then every entry moves once. Words with
//! equal first bits may stand in the wrong order; such runs are sorted by the whole entries, which also makes the result
//! right for every input, however its timestamps lie.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use crate::base::slab::Memory;
use crate::negentropy::message::Entry;
use crate::negentropy::set::Sum;
use crate::negentropy::sorted::{NotASet, Sealed, sums_len};

impl Sealed<'static> {
    /// The set of these entries, in any order, repetitions dropped. 42 bytes an entry, and up to twelve more while it is
    /// built.
    pub fn build(mut entries: Vec<Entry>) -> Result<Self, NotASet> {
        if !entries.is_sorted_by(|a, b| a < b) {
            sort(&mut entries);
        }
        let len = entries.len();
        let sums: Box<[Sum]> = vec![Sum::ZERO; sums_len(len)].into();
        Sealed::from_ascending(Memory::Owned(entries.into_boxed_slice()), len, Memory::Owned(sums))
    }
}

/// Puts the entries in ascending order and drops repetitions.
fn sort(entries: &mut Vec<Entry>) {
    let (lowest, highest) = entries
        .iter()
        .fold((u64::MAX, 0), |(lowest, highest), entry| (lowest.min(entry.timestamp), highest.max(entry.timestamp)));
    let time_bits = u64::BITS - highest.saturating_sub(lowest).leading_zeros();
    let place_bits = usize::BITS - entries.len().leading_zeros();
    if place_bits >= u32::BITS {
        // Two thousand million entries have no 31-bit places.
        entries.sort_unstable();
        entries.dedup();
        return;
    }
    let mut words: Vec<u64> = entries
        .iter()
        .zip(0u64..)
        .map(|(entry, place)| first_bits(entry, lowest, time_bits) >> place_bits << place_bits | place)
        .collect();
    words.sort_unstable();
    let mut ties = false;
    for run in words.chunk_by_mut(|a, b| a >> place_bits == b >> place_bits).filter(|run| run.len() > 1) {
        ties = true;
        run.sort_unstable_by_key(|word| entries.get((word & ((1 << place_bits) - 1)) as usize));
    }
    let mut places: Vec<u32> = words.iter().map(|word| (word & ((1 << place_bits) - 1)) as u32).collect();
    drop(words);
    permute(entries, &mut places);
    if ties {
        entries.dedup();
    }
}

/// How many walkers move entries at the same time.
const WALKERS: usize = 16;

/// Somebody has come by here.
const DONE: u32 = u32::MAX;

/// A walk began here; the other bits say which, and the entry that was here is kept aside.
const HEAD: u32 = 1 << 31;

/// Follows a cycle of the permutation: what is at `from` belongs to `to`.
#[derive(Clone, Copy)]
struct Walker {
    to: usize,
    from: usize,
}

/// Puts the entry from `places[i]` at `i`, for every i; places are below 2^31.
///
/// In the memory that is there, along the cycles of the permutation: a second copy would cost more for its fresh pages than
/// all the moves. Every move waits for the memory to say where to go next, so several walkers take turns; each ends where
/// one of them began.
fn permute(entries: &mut [Entry], places: &mut [u32]) {
    let mut heads = [Entry::default(); WALKERS];
    let mut walkers = [None; WALKERS];
    let mut unseen = 0;
    for (index, (walker, head)) in walkers.iter_mut().zip(&mut heads).enumerate() {
        *walker = begin(&mut unseen, index as u32, entries, places, head);
    }
    let mut walking = true;
    while walking {
        walking = false;
        for turn in &mut walkers {
            let Some(Walker { to, from }) = *turn else { continue };
            walking = true;
            let next = places.get_mut(from).map_or(DONE, |place| core::mem::replace(place, DONE));
            let head = (next & HEAD != 0).then(|| heads.get_mut((next & !HEAD) as usize)).flatten();
            let moved = match &head {
                Some(head) => Some(**head),
                None => entries.get(from).copied(),
            };
            if let (Some(place), Some(moved)) = (entries.get_mut(to), moved) {
                *place = moved;
            }
            *turn = match head {
                Some(head) => begin(&mut unseen, next & !HEAD, entries, places, head),
                None if next == DONE => None,
                None => Some(Walker { to: from, from: next as usize }),
            };
        }
    }
}

/// Sends a walker off from the next place that nobody has come by and whose entry belongs elsewhere.
fn begin(unseen: &mut usize, index: u32, entries: &[Entry], places: &mut [u32], head: &mut Entry) -> Option<Walker> {
    loop {
        let to = *unseen;
        let (place, entry) = (places.get_mut(to)?, entries.get(to)?);
        *unseen += 1;
        if *place & HEAD == 0 && *place as usize != to {
            *head = *entry;
            let from = core::mem::replace(place, HEAD | index) as usize;
            return Some(Walker { to, from });
        }
    }
}

/// The timestamp above `lowest` in the highest `time_bits` bits, then the first bits of the id.
fn first_bits(entry: &Entry, lowest: u64, time_bits: u32) -> u64 {
    let id = entry.id.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    match time_bits {
        0 => id,
        64 => entry.timestamp - lowest,
        bits => (entry.timestamp - lowest) << (64 - bits) | id >> bits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    #[test]
    fn every_permutation_is_carried_out() {
        let mut rng = Rng::from_seed([5; 32]);
        for n in [0u32, 1, 2, 3, 16, 17, 40, 1000] {
            let identity: Vec<u32> = (0..n).collect();
            let swapped: Vec<u32> = (0..n).map(|i| if i ^ 1 < n { i ^ 1 } else { i }).collect();
            let turned: Vec<u32> = (0..n).map(|i| (i + 7) % n).collect();
            let mut shuffled = identity.clone();
            (1..n).rev().for_each(|i| shuffled.swap(i as usize, rng.below(i + 1) as usize));
            for places in [identity, swapped, turned, shuffled] {
                let mut entries: Vec<Entry> = (0..n).map(|i| Entry { timestamp: i.into(), id: [0; 32] }).collect();
                permute(&mut entries, &mut places.clone());
                assert!(entries.iter().zip(&places).all(|(entry, place)| entry.timestamp == u64::from(*place)));
            }
        }
    }

    #[test]
    fn any_input_is_sorted_as_by_comparing_entries() {
        let mut rng = Rng::from_seed([4; 32]);
        let shapes: [(u64, usize); 7] =
            [(0, 32), (0, 1), (5, 0), (1 << 20, 32), (u64::MAX - 1, 32), (u64::MAX - 1, 0), (3, 2)];
        for (spread, id_bytes) in shapes {
            for n in [0, 1, 2, 3, 17, 255, 256, 257, 2000] {
                let mut entries: Vec<Entry> = (0..n)
                    .map(|_| {
                        let mut id = [0; 32];
                        rng.fill(&mut id[32 - id_bytes..]);
                        Entry { timestamp: if spread == 0 { 9 } else { rng.next_u64() % spread }, id }
                    })
                    .collect();
                if n > 2 {
                    entries[1].timestamp = spread.saturating_sub(1);
                }
                let built = Sealed::build(entries.clone()).unwrap();
                entries.sort_unstable();
                entries.dedup();
                assert_eq!(built.entries(), entries, "{spread} {id_bytes} {n}");
            }
        }
    }
}
