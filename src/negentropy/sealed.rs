//! The set that does not change, in memory of its own.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::{ControlFlow, Range};

use crate::negentropy::kept::KeptSymbols;
use crate::negentropy::message::Entry;
use crate::negentropy::set::{SortedSet, Sum};
use crate::negentropy::sort::sort;
use crate::negentropy::sorted::{NotASet, Sorted, fill};

/// A set that is built once from entries in any order, and never changes. As quick as [`Sorted`], whose slices it owns.
///
/// ```
/// use honeyguide::negentropy::{Entry, Sealed, SortedSet};
/// use sha2::{Digest, Sha256};
///
/// let entry = |timestamp, text: &str| Entry { timestamp, id: Sha256::digest(text).into() };
/// let set = Sealed::build(vec![entry(30, "c"), entry(10, "a"), entry(20, "b"), entry(10, "a")])?;
/// assert_eq!(set.len(), 3);
/// assert_eq!(set.entry(0), Some(entry(10, "a")));
///
/// // Equal sets have equal fingerprints, and so have equal stretches of sets that differ.
/// let other = Sealed::build(vec![entry(10, "a"), entry(20, "b"), entry(40, "d")])?;
/// assert_eq!(set.fingerprint(0..2), other.fingerprint(0..2));
/// assert_ne!(set.fingerprint(0..3), other.fingerprint(0..3));
/// # Ok::<(), honeyguide::negentropy::NotASet>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sealed {
    entries: Box<[Entry]>,
    sums: Box<[Sum]>,
    symbols: Option<Box<KeptSymbols>>,
}

impl Sealed {
    /// The set of these entries, in any order, repetitions dropped. 44 bytes an entry.
    ///
    /// # Errors
    ///
    /// When an entry has the timestamp that stands for infinity.
    pub fn build(mut entries: Vec<Entry>) -> Result<Self, NotASet> {
        if !entries.is_sorted_by(|a, b| a < b) {
            sort(&mut entries);
        }
        let mut sums: Box<[Sum]> = vec![Sum::ZERO; Sorted::sums_len(entries.len())].into();
        fill(&entries, &mut sums)?;
        Ok(Sealed { entries: entries.into(), sums, symbols: None })
    }

    /// The entries, ascending.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Keeps `number` [symbols](KeptSymbols) under `key`, a secret of one's own ends: built now in one walk. With 0,
    /// none are kept.
    pub fn keep_symbols(&mut self, key: [u8; 16], number: usize) {
        self.symbols = (number > 0).then(|| {
            let mut kept = KeptSymbols::new(key, number);
            self.entries.iter().for_each(|entry| kept.insert(&entry.id));
            Box::new(kept)
        });
    }

    /// Bytes of memory in use, without what the allocator adds.
    #[must_use]
    pub fn memory(&self) -> usize {
        let symbols = self.symbols.as_ref().map_or(0, |symbols| symbols.memory());
        size_of::<Self>() + size_of_val(&*self.entries) + size_of_val(&*self.sums) + symbols
    }

    fn view(&self) -> Sorted<'_> {
        Sorted::of_parts(&self.entries, &self.sums)
    }
}

impl SortedSet for Sealed {
    fn len(&self) -> usize {
        self.entries.len()
    }

    fn entry(&self, index: usize) -> Option<Entry> {
        self.view().entry(index)
    }

    fn lower_bound(&self, bound: &Entry, from: usize, near: usize) -> usize {
        self.view().lower_bound(bound, from, near)
    }

    fn prefix(&self, index: usize) -> Sum {
        self.view().prefix(index)
    }

    fn sum(&self, range: Range<usize>) -> Sum {
        self.view().sum(range)
    }

    fn scan(&self, range: Range<usize>, visit: impl FnMut(&Entry) -> ControlFlow<()>) {
        self.view().scan(range, visit);
    }

    #[inline]
    fn prepare(&self, places: impl Iterator<Item = usize>) {
        self.view().prepare(places);
    }

    fn estimate(&self, from: usize, times: &[u64], places: &mut [usize]) {
        self.view().estimate(from, times, places);
    }

    fn symbols(&self) -> Option<&KeptSymbols> {
        self.symbols.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    #[test]
    fn any_input_is_sorted_as_by_comparing_entries() {
        let mut rng = Rng::from_seed([4; 32]);
        let shapes: [(u64, usize); 7] =
            [(0, 32), (0, 1), (5, 0), (1 << 20, 32), (u64::MAX - 1, 32), (u64::MAX - 1, 0), (3, 2)];
        for (spread, id_bytes) in shapes {
            for n in [0, 1, 2, 3, 17, 63, 64, 65, 255, 256, 257, 2000, 20_000] {
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

    /// Most entries lie in the lower half of the time, and of those most in the lower half, and so on: every pass tells
    /// few of them apart.
    #[test]
    fn entries_near_the_lowest_timestamps_are_sorted_too() {
        let mut rng = Rng::from_seed([6; 32]);
        let mut entries = Vec::new();
        for i in 0..5000 {
            entries.push(Entry { timestamp: 1 << (i % 63), id: rng.bytes() });
            entries.push(Entry { timestamp: i / 9, id: [3; 32] });
        }
        let built = Sealed::build(entries.clone()).unwrap();
        entries.sort_unstable();
        entries.dedup();
        assert_eq!(built.entries(), entries);
    }

    #[test]
    fn an_entry_at_infinity_is_refused() {
        let reserved = Entry { timestamp: u64::MAX, id: [0; 32] };
        assert_eq!(Sealed::build(vec![reserved, Entry::default()]).unwrap_err(), NotASet::Reserved);
    }

    #[test]
    fn a_set_is_empty_when_it_has_no_entry() {
        assert!(Sealed::build(vec![]).unwrap().is_empty());
        assert!(!Sealed::build(vec![Entry::default()]).unwrap().is_empty());
    }
}
