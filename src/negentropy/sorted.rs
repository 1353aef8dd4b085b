//! The set that does not change: entries in one sorted slice, and a running sum after every eighth.
//!
//! ```text
//! entries  0 .. 7 | 8 .. 15 | 16 .. 23 | 24 25
//! sums           S0        S1         S2             S1 = the sum of entries 0 to 15
//! ```
//!
//! The sum of any range costs two running sums and at most four ids at either edge, whatever its length: less than
//! the hash, for 4 bytes an entry.

use core::fmt;
use core::ops::{ControlFlow, Range};

use crate::negentropy::message::Entry;
use crate::negentropy::search::{estimate, gallop};
use crate::negentropy::set::{SortedSet, Sum};

/// How many entries lie between two running sums.
const BLOCK: usize = 8;

/// Up to so many entries, adding up is quicker than looking for running sums.
const NARROW: usize = 3 * BLOCK;

/// Why entries are no set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum NotASet {
    /// They are not in ascending order, or one is there twice.
    Unsorted {
        /// The first one that is not above the one before it, counted from 0.
        place: usize,
    },
    /// One has the timestamp that stands for infinity (N5).
    Reserved,
    /// There are fewer running sums than [`Sorted::sums_len`] says.
    SumsTooShort {
        /// How many there are.
        sums: usize,
        /// How many it says.
        least: usize,
    },
}

impl fmt::Display for NotASet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotASet::Unsorted { place } => write!(f, "entry {place} is not above the one before it; entries ascend"),
            NotASet::Reserved => f.write_str("an entry has the timestamp 2^64 - 1, which is reserved"),
            NotASet::SumsTooShort { sums, least } => {
                write!(f, "there is room for {sums} running sums; at least {least}")
            }
        }
    }
}

impl core::error::Error for NotASet {}

/// A sorted slice with its running sums, in memory that is lent; the entries may lie in flash.
#[derive(Clone, Copy, Debug)]
pub struct Sorted<'a> {
    entries: &'a [Entry],
    /// Element k is the sum of the first (k + 1) * [`BLOCK`] ids.
    sums: &'a [Sum],
}

impl<'a> Sorted<'a> {
    /// The set of `entries`, which must ascend. Fills `sums`.
    ///
    /// # Errors
    ///
    /// When the entries do not ascend, one of them has the reserved timestamp, or there are too few sums.
    pub fn new(entries: &'a [Entry], sums: &'a mut [Sum]) -> Result<Self, NotASet> {
        check_order(entries)?;
        fill(entries, sums)?;
        Ok(Sorted { entries, sums })
    }

    /// The set of `entries` in any order: sorts them where they are, and drops repetitions. Fills `sums`.
    ///
    /// # Errors
    ///
    /// When an entry has the reserved timestamp, or there are too few sums.
    pub fn sort(entries: &'a mut [Entry], sums: &'a mut [Sum]) -> Result<Self, NotASet> {
        let mut len = entries.len();
        if !entries.is_sorted_by(|a, b| a < b) {
            entries.sort_unstable();
            len = without_repetitions(entries);
        }
        let entries = entries.get(..len).unwrap_or_default();
        fill(entries, sums)?;
        Ok(Sorted { entries, sums })
    }

    /// A set that was built before.
    #[allow(dead_code, reason = "a sealed set is made with an allocator only")]
    pub(super) fn of_parts(entries: &'a [Entry], sums: &'a [Sum]) -> Self {
        Sorted { entries, sums }
    }

    /// How many running sums so many entries need.
    #[must_use]
    pub const fn sums_len(entries: usize) -> usize {
        entries / BLOCK
    }

    /// The entries, ascending.
    #[must_use]
    pub fn entries(&self) -> &'a [Entry] {
        self.entries
    }

    #[inline]
    fn slice(&self, range: Range<usize>) -> &'a [Entry] {
        self.entries.get(range.start..range.end.min(self.entries.len())).unwrap_or_default()
    }
}

impl SortedSet for Sorted<'_> {
    fn len(&self) -> usize {
        self.entries.len()
    }

    fn entry(&self, index: usize) -> Option<Entry> {
        self.entries.get(index).copied()
    }

    fn lower_bound(&self, bound: &Entry, from: usize, near: usize) -> usize {
        let len = self.entries.len();
        if bound.timestamp == u64::MAX {
            return len;
        }
        gallop(from, len, near, |place| self.entries.get(place).is_some_and(|entry| entry.is_below(bound)))
    }

    #[inline]
    fn prefix(&self, index: usize) -> Sum {
        let index = index.min(self.entries.len());
        let block = index / BLOCK;
        let start = block * BLOCK;
        if index - start > BLOCK / 2
            && let (Some(sum), Some(over)) = (self.sums.get(block), self.entries.get(index..start + BLOCK))
        {
            return sum.minus(Sum::of(over));
        }
        let sum = block.checked_sub(1).and_then(|before| self.sums.get(before)).copied().unwrap_or_default();
        sum.plus(Sum::of(self.entries.get(start..index).unwrap_or_default()))
    }

    #[inline]
    fn sum(&self, range: Range<usize>) -> Sum {
        let slice = self.slice(range.clone());
        if slice.len() <= NARROW {
            Sum::of(slice)
        } else {
            self.prefix(range.start + slice.len()).minus(self.prefix(range.start))
        }
    }

    #[inline]
    fn scan(&self, range: Range<usize>, mut visit: impl FnMut(&Entry) -> ControlFlow<()>) {
        for entry in self.slice(range) {
            if visit(entry).is_break() {
                return;
            }
        }
    }

    #[inline]
    fn prepare(&self, places: impl Iterator<Item = usize>) {
        core::hint::black_box(places.fold(0, |all, place| {
            let sum = self.sums.get(place / BLOCK).map_or(0, Sum::low_bits);
            all ^ sum ^ self.entries.get(place).map_or(0, |entry| entry.timestamp)
        }));
    }

    fn estimate(&self, from: usize, times: &[u64], places: &mut [usize]) {
        let time = |place: usize| self.entries.get(place).map_or(0, |entry| entry.timestamp);
        estimate(from, self.entries.len(), time, times, places);
        self.prepare(places.iter().take(times.len()).copied());
    }
}

/// Moves the first of each run of equal entries to the front; returns how many there are.
fn without_repetitions(entries: &mut [Entry]) -> usize {
    let mut kept = 0;
    for i in 0..entries.len() {
        let Some(entry) = entries.get(i).copied() else { break };
        if kept == 0 || entries.get(kept - 1) != Some(&entry) {
            if let Some(place) = entries.get_mut(kept) {
                *place = entry;
            }
            kept += 1;
        }
    }
    kept
}

/// Whether entries ascend.
pub(super) fn check_order(entries: &[Entry]) -> Result<(), NotASet> {
    let mut pairs = entries.iter().zip(entries.iter().skip(1));
    match pairs.position(|(before, entry)| before >= entry) {
        Some(pair) => Err(NotASet::Unsorted { place: pair + 1 }),
        None => Ok(()),
    }
}

/// Fills the running sums of ascending entries.
pub(super) fn fill(entries: &[Entry], sums: &mut [Sum]) -> Result<(), NotASet> {
    if entries.last().is_some_and(|last| last.timestamp == u64::MAX) {
        return Err(NotASet::Reserved);
    }
    let (len, least) = (sums.len(), Sorted::sums_len(entries.len()));
    let places = sums.get_mut(..least).ok_or(NotASet::SumsTooShort { sums: len, least })?;
    let mut sum = Sum::ZERO;
    for (block, place) in entries.chunks_exact(BLOCK).zip(places) {
        sum = sum.plus(Sum::of(block));
        *place = sum;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;
    use std::vec::Vec;

    fn entries(n: usize) -> Vec<Entry> {
        let id = |i: usize| core::array::from_fn(|at| (i.wrapping_mul(2_654_435_761) >> (at % 8 * 3)) as u8 ^ at as u8);
        (0..n).map(|i| Entry { timestamp: i as u64 / 3, id: id(i) }).collect()
    }

    #[test]
    fn every_range_has_the_sum_of_its_entries() {
        let mut entries = entries(70);
        entries.sort_unstable();
        let mut sums = [Sum::ZERO; 8];
        let set = Sorted::new(&entries, &mut sums).unwrap();
        for a in 0..=entries.len() {
            for b in a..=entries.len() {
                assert_eq!(set.sum(a..b), Sum::of(&entries[a..b]), "{a}..{b}");
            }
            assert_eq!(set.sum(a..usize::MAX), Sum::of(&entries[a..]));
        }
        assert_eq!(set.sum(90..100), Sum::ZERO);
    }

    #[test]
    fn the_lower_bound_is_the_first_entry_not_below_wherever_the_search_begins() {
        let mut entries = entries(50);
        entries.sort_unstable();
        let mut sums = [Sum::ZERO; 6];
        let set = Sorted::new(&entries, &mut sums).unwrap();
        let infinity = Entry { timestamp: u64::MAX, id: [0; 32] };
        for from in 0..=50 {
            for (i, bound) in entries.iter().enumerate() {
                for near in [0, from, i, i / 2, i + 1, 49, 50, usize::MAX] {
                    assert_eq!(set.lower_bound(bound, from, near), i.max(from));
                    let above = Entry { timestamp: bound.timestamp, id: [0xff; 32] };
                    let place = entries.partition_point(|e| *e < above).max(from);
                    assert_eq!(set.lower_bound(&above, from, near), place);
                }
            }
            assert_eq!(set.lower_bound(&infinity, from, 0), 50);
        }
    }

    #[test]
    fn sorting_drops_repetitions_in_lent_memory() {
        let (mut memory, mut sums) = (entries(40), [Sum::ZERO; 5]);
        memory.reverse();
        memory.extend_from_within(3..20);
        memory.extend_from_within(3..20);
        let set = Sorted::sort(&mut memory, &mut sums).unwrap();
        assert_eq!(set.len(), 40);
        let mut model = entries(40);
        model.sort_unstable();
        assert_eq!(set.entries(), model);
        assert_eq!(set.sum(5..39), Sum::of(&model[5..39]));
    }

    #[test]
    fn what_is_no_set_is_refused() {
        let mut few = entries(40);
        few.sort_unstable();
        let error = Sorted::new(&few, &mut [Sum::ZERO; 4]).unwrap_err();
        assert_eq!(error, NotASet::SumsTooShort { sums: 4, least: 5 });
        assert_eq!(error.to_string(), "there is room for 4 running sums; at least 5");
        assert!(Sorted::new(&few, &mut [Sum::ZERO; 5]).is_ok());
        let unsorted = |entries: &[Entry]| Sorted::new(entries, &mut []).unwrap_err();
        assert_eq!(unsorted(&[few[1], few[0]]), NotASet::Unsorted { place: 1 });
        let error = unsorted(&[few[1], few[2], few[2], few[0]]);
        assert_eq!(error, NotASet::Unsorted { place: 2 }, "one is there twice");
        assert_eq!(error.to_string(), "entry 2 is not above the one before it; entries ascend");
        let reserved = Entry { timestamp: u64::MAX, id: [0; 32] };
        assert_eq!(Sorted::new(&[few[1], reserved], &mut []).unwrap_err(), NotASet::Reserved);
        let mut both = [reserved, few[1]];
        assert_eq!(Sorted::sort(&mut both, &mut []).unwrap_err(), NotASet::Reserved);
    }
}
