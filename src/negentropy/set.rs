//! What the protocol needs of a set: entries in order, found by place and by value, and the sum of any stretch of them.
//!
//! The fingerprint of a range is a hash of the sum of its ids and of their number (N3). Sums of neighbouring ranges add
//! up, so a set that keeps sums of stretches answers for any range at the cost of its two edges.

use core::ops::{ControlFlow, Range};

use sha2::block_api::compress256;

#[cfg(feature = "alloc")]
use crate::negentropy::kept::KeptSymbols;
use crate::negentropy::message::{Entry, Fingerprint};
use crate::negentropy::varint;

/// The sum of ids as 256-bit whole numbers, little-endian, modulo 2^256.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Sum {
    low: u128,
    high: u128,
}

impl Sum {
    /// Of no ids.
    pub const ZERO: Sum = Sum { low: 0, high: 0 };

    /// Of these entries' ids.
    #[inline]
    #[must_use]
    pub fn of(entries: &[Entry]) -> Sum {
        entries.iter().fold(Sum::ZERO, |sum, entry| sum.plus(Sum::from_id(&entry.id)))
    }

    /// Of one id.
    #[inline]
    #[must_use]
    pub fn from_id(id: &[u8; 32]) -> Sum {
        let half = |bytes: Option<&[u8; 16]>| bytes.map_or(0, |bytes| u128::from_le_bytes(*bytes));
        Sum { low: half(id.first_chunk()), high: half(id.last_chunk()) }
    }

    /// Something of it, to have looked at it.
    #[inline]
    pub(super) fn low_bits(&self) -> u64 {
        self.low as u64
    }

    /// The sum of both.
    #[inline]
    #[must_use]
    pub fn plus(self, other: Sum) -> Sum {
        let (low, carry) = self.low.overflowing_add(other.low);
        Sum { low, high: self.high.wrapping_add(other.high).wrapping_add(u128::from(carry)) }
    }

    /// What is left when `other` is taken away.
    #[inline]
    #[must_use]
    pub fn minus(self, other: Sum) -> Sum {
        let (low, borrow) = self.low.overflowing_sub(other.low);
        Sum { low, high: self.high.wrapping_sub(other.high).wrapping_sub(u128::from(borrow)) }
    }

    /// The fingerprint of `count` ids with this sum: the first half of the SHA-256 of both (N3).
    ///
    /// What is hashed has 33 to 42 bytes, so it is always one block, padded here.
    #[must_use]
    pub fn fingerprint(self, count: usize) -> Fingerprint {
        const START: [u32; 8] =
            [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];
        let mut block = [0u8; 64];
        let (sum, rest) = block.split_at_mut(32);
        let (low, high) = sum.split_at_mut(16);
        low.copy_from_slice(&self.low.to_le_bytes());
        high.copy_from_slice(&self.high.to_le_bytes());
        let len = varint::put(count as u64, rest).unwrap_or_default();
        if let Some(end) = rest.get_mut(len) {
            *end = 0x80;
        }
        let bits = (32 + len as u16) * 8;
        if let Some(length) = block.last_chunk_mut() {
            *length = bits.to_be_bytes();
        }
        let mut state = START;
        compress256(&mut state, core::slice::from_ref(&block));
        let mut out = [0; 16];
        for (to, word) in out.as_chunks_mut().0.iter_mut().zip(state) {
            *to = word.to_be_bytes();
        }
        Fingerprint(out)
    }
}

/// What only one side has. The same one may be reported again in a later message of a session with frames.
///
/// Exhaustive: what differs is on one side or on the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Difference<'a> {
    /// We have it, the partner lacks it.
    Have(&'a [u8; 32]),
    /// The partner says to have it, we lack it. A claim: check what you get.
    Need(&'a [u8; 32]),
}

/// Entries in ascending order, without repetition. Places past the end mean the end.
///
/// [`Sorted`](crate::negentropy::Sorted), `Sealed` and `Tree` are such sets; a database that keeps its entries in order
/// can be one too.
pub trait SortedSet {
    /// How many entries there are.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entry at a place.
    fn entry(&self, index: usize) -> Option<Entry>;

    /// The first place, not below `from`, whose entry is not below `bound`. It is quickest when that is close to
    /// `near`.
    fn lower_bound(&self, bound: &Entry, from: usize, near: usize) -> usize;

    /// The sum of the ids before a place. Only differences of two such sums mean something.
    fn prefix(&self, index: usize) -> Sum;

    /// The sum of the ids of a stretch.
    fn sum(&self, range: Range<usize>) -> Sum {
        self.prefix(range.end.max(range.start)).minus(self.prefix(range.start))
    }

    /// Shows the entries of a stretch, in order, until told to stop.
    fn scan(&self, range: Range<usize>, visit: impl FnMut(&Entry) -> ControlFlow<()>);

    /// The fingerprint of a stretch.
    fn fingerprint(&self, range: Range<usize>) -> Fingerprint {
        let end = range.end.min(self.len());
        self.sum(range.clone()).fingerprint(end.saturating_sub(range.start))
    }

    /// These places will be looked at next. A set that is larger than a cache can look at all of them now, so that they
    /// come from memory together; nothing else depends on it.
    fn prepare(&self, places: impl Iterator<Item = usize>) {
        let _ = places;
    }

    /// Writes about where bounds at `times` stand, which are not before the place `from`: what
    /// [`lower_bound`](Self::lower_bound) takes for `near`. Any place will do, and none need be written.
    fn estimate(&self, from: usize, times: &[u64], places: &mut [usize]) {
        let _ = (from, times, places);
    }

    /// The symbols of the rateless mode that are kept with the set, if any are.
    #[cfg(feature = "alloc")]
    fn symbols(&self) -> Option<&KeptSymbols> {
        None
    }
}

impl<S: SortedSet + ?Sized> SortedSet for &S {
    fn len(&self) -> usize {
        (**self).len()
    }

    fn entry(&self, index: usize) -> Option<Entry> {
        (**self).entry(index)
    }

    fn lower_bound(&self, bound: &Entry, from: usize, near: usize) -> usize {
        (**self).lower_bound(bound, from, near)
    }

    fn prefix(&self, index: usize) -> Sum {
        (**self).prefix(index)
    }

    fn sum(&self, range: Range<usize>) -> Sum {
        (**self).sum(range)
    }

    fn scan(&self, range: Range<usize>, visit: impl FnMut(&Entry) -> ControlFlow<()>) {
        (**self).scan(range, visit);
    }

    fn prepare(&self, places: impl Iterator<Item = usize>) {
        (**self).prepare(places);
    }

    fn estimate(&self, from: usize, times: &[u64], places: &mut [usize]) {
        (**self).estimate(from, times, places);
    }

    #[cfg(feature = "alloc")]
    fn symbols(&self) -> Option<&KeptSymbols> {
        (**self).symbols()
    }
}

/// The part of a set that lies between two entries, as a set of its own: for a filter by time.
#[derive(Clone, Copy, Debug)]
pub struct Window<S> {
    set: S,
    start: usize,
    end: usize,
}

impl<S: SortedSet> Window<S> {
    /// The entries of `set` that are not below `from` and below `to`.
    #[must_use]
    pub fn new(set: S, from: &Entry, to: &Entry) -> Self {
        let start = set.lower_bound(from, 0, 0);
        let end = set.lower_bound(to, start, start);
        Window { set, start, end }
    }

    /// The entries of `set` with a timestamp in `range`.
    #[must_use]
    pub fn of_time(set: S, range: Range<u64>) -> Self {
        let at = |timestamp| Entry { timestamp, id: [0; 32] };
        Window::new(set, &at(range.start), &at(range.end))
    }

    fn inside(&self, range: Range<usize>) -> Range<usize> {
        let place = |index: usize| self.start.saturating_add(index).min(self.end);
        place(range.start)..place(range.end)
    }
}

impl<S: SortedSet> SortedSet for Window<S> {
    fn len(&self) -> usize {
        self.end - self.start
    }

    fn entry(&self, index: usize) -> Option<Entry> {
        if index < self.len() { self.set.entry(self.start + index) } else { None }
    }

    fn lower_bound(&self, bound: &Entry, from: usize, near: usize) -> usize {
        let Range { start: from, end: near } = self.inside(from..near);
        self.set.lower_bound(bound, from, near).min(self.end) - self.start
    }

    fn prefix(&self, index: usize) -> Sum {
        self.set.prefix(self.inside(index..index).start)
    }

    fn sum(&self, range: Range<usize>) -> Sum {
        self.set.sum(self.inside(range))
    }

    fn scan(&self, range: Range<usize>, visit: impl FnMut(&Entry) -> ControlFlow<()>) {
        self.set.scan(self.inside(range), visit);
    }

    fn prepare(&self, places: impl Iterator<Item = usize>) {
        self.set.prepare(places.map(|place| self.inside(place..place).start));
    }

    fn estimate(&self, from: usize, times: &[u64], places: &mut [usize]) {
        self.set.estimate(self.inside(from..from).start, times, places);
        places.iter_mut().for_each(|place| *place = place.saturating_sub(self.start));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::negentropy::sorted::Sorted;

    #[test]
    fn sums_carry_and_borrow_over_all_32_bytes_and_wrap_at_the_end() {
        let ones = Sum::from_id(&[0xff; 32]);
        let mut one = [0; 32];
        one[0] = 1;
        let one = Sum::from_id(&one);
        assert_eq!(ones.plus(one), Sum::ZERO);
        assert_eq!(Sum::ZERO.minus(one), ones);
        let mut half = [0; 32];
        half[..16].fill(0xff);
        let carried = Sum::from_id(&half).plus(one);
        assert_eq!((carried.low, carried.high), (0, 1));
        assert_eq!(carried.minus(one), Sum::from_id(&half));
    }

    #[test]
    fn the_fingerprint_is_the_hash_of_sum_and_count() {
        use sha2::{Digest, Sha256};
        for count in [0usize, 1, 127, 128, 1 << 20, usize::MAX] {
            let sum = Sum::from_id(&core::array::from_fn(|i| (i * 7) as u8));
            let mut text = std::vec::Vec::from(core::array::from_fn::<u8, 32, _>(|i| (i * 7) as u8));
            let mut number = [0; 10];
            let len = varint::put(count as u64, &mut number).unwrap();
            text.extend_from_slice(&number[..len]);
            assert_eq!(sum.fingerprint(count).0, Sha256::digest(&text)[..16]);
        }
    }

    #[test]
    fn a_window_is_the_set_that_has_only_the_entries_inside() {
        let entries: [Entry; 40] = core::array::from_fn(|i| Entry { timestamp: i as u64 / 2, id: [i as u8; 32] });
        let mut sums = [Sum::ZERO; 5];
        let whole = Sorted::new(&entries, &mut sums).unwrap();
        for (from, to) in [(0, 20), (3, 3), (3, 9), (9, 3), (19, 100)] {
            let window = Window::of_time(whole, from..to);
            let inside: std::vec::Vec<Entry> =
                entries.iter().copied().filter(|entry| (from..to).contains(&entry.timestamp)).collect();
            let mut more = [Sum::ZERO; 5];
            let model = Sorted::new(&inside, &mut more).unwrap();
            assert_eq!(window.len(), inside.len());
            for a in 0..=inside.len() + 1 {
                assert_eq!(window.entry(a), inside.get(a).copied());
                for b in a..=inside.len() + 1 {
                    assert_eq!(window.fingerprint(a..b), model.fingerprint(a..b));
                }
                for probe in &entries {
                    assert_eq!(window.lower_bound(probe, a, a + 3), model.lower_bound(probe, a, a));
                }
            }
        }
    }
}
