//! Sorting entries quickly, where they are.
//!
//! Entries have 40 bytes, and a comparing sort moves and compares each of them some twenty times, most of them out of
//! the cache. Here one pass distributes all of them among 256 buckets by their first bits (the timestamp above the
//! smallest, then the id), and a second one does the same within each bucket, which fits a cache. What is left in a
//! bucket, about sixteen, is sorted by comparing. A bucket has bounds of its own for its timestamps, so it does not
//! matter where most of them lie; after [`PASSES`] comparing takes over, so no input takes longer than that and a sort.
//!
//! No memory is needed but 4 KiB of stack for each pass.

use alloc::vec::Vec;

use crate::negentropy::message::Entry;

/// Buckets of one pass.
const BUCKETS: usize = 256;

/// Entries that a bucket has at the end, about.
const LEFT: usize = 16;

/// Up to so many entries, comparing is quicker.
const SMALL: usize = 4 * LEFT;

/// How far ahead a bucket is read: two to five lines of a cache.
const AHEAD: usize = 8;

/// Most passes over an entry: three sort two hundred million with evenly spread timestamps, and two are for others.
const PASSES: u32 = 5;

/// Puts the entries in ascending order and drops repetitions.
pub fn sort(entries: &mut Vec<Entry>) {
    let mut ties = false;
    by_first_bits(entries, PASSES, &mut ties);
    if ties {
        entries.dedup();
    }
}

/// `ties` becomes true when two entries may be equal.
fn by_first_bits(entries: &mut [Entry], passes: u32, ties: &mut bool) {
    if entries.len() <= SMALL || passes == 0 {
        by_comparing(entries, ties);
        return;
    }
    let ends = distribute(entries);
    let (mut rest, mut start) = (entries, 0);
    for end in ends {
        let Some((bucket, after)) = rest.split_at_mut_checked(end - start) else { return };
        if bucket.len() > 1 {
            by_first_bits(bucket, passes - 1, ties);
        }
        (rest, start) = (after, end);
    }
}

/// Puts every entry in the bucket of its first bits; buckets follow one another. Returns where each ends.
#[inline(never)]
fn distribute(entries: &mut [Entry]) -> [usize; BUCKETS] {
    let (lowest, highest) = entries
        .iter()
        .fold((u64::MAX, 0), |(lowest, highest), entry| (lowest.min(entry.timestamp), highest.max(entry.timestamp)));
    let time_bits = u64::BITS - highest.saturating_sub(lowest).leading_zeros();
    let bits = (entries.len() / LEFT).max(2).ilog2().min(BUCKETS.ilog2());
    let bucket = |entry: &Entry| (first_bits(entry, lowest, time_bits) >> (u64::BITS - bits)) as usize;
    let mut ends = [0; BUCKETS];
    for entry in &*entries {
        if let Some(count) = ends.get_mut(bucket(entry)) {
            *count += 1;
        }
    }
    // Where the next entry of each bucket goes.
    let mut heads = [0; BUCKETS];
    let mut sum = 0;
    for (head, end) in heads.iter_mut().zip(&mut ends) {
        *head = sum;
        sum += *end;
        *end = sum;
    }
    for (at, end) in ends.iter().enumerate() {
        // What lies at the head of this bucket goes where it belongs, what lay there likewise, until one belongs here.
        while let Some(head) = heads.get(at).filter(|head| *head < end)
            && let Some(mut held) = entries.get(*head).copied()
        {
            let mut to = BUCKETS;
            while to != at {
                to = bucket(&held);
                let Some(head) = heads.get_mut(to) else { break };
                if let Some(place) = entries.get_mut(*head) {
                    core::mem::swap(&mut held, place);
                }
                // A look at what comes later in this bucket, for which nothing has to wait.
                core::hint::black_box(entries.get(*head + AHEAD).map(|entry| entry.timestamp));
                *head += 1;
            }
        }
    }
    ends
}

/// By the first 16 bytes, which nearly always tell entries apart, and those that they do not by all.
fn by_comparing(entries: &mut [Entry], ties: &mut bool) {
    entries.sort_unstable_by_key(Entry::head);
    for run in entries.chunk_by_mut(|a, b| a.head() == b.head()).filter(|run| run.len() > 1) {
        run.sort_unstable();
        *ties = true;
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
