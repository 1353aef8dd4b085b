//! Deadlines of numbered things: which one is next, in constant time; set, move or clear one in logarithmic time.
//!
//! The model is a binary min-heap of (deadline, key), which grows to as many deadlines as there ever were at the same
//! time, and a map from key to place, which is an array of numbers. A key has at most one deadline. Equal deadlines
//! come out in the order of their keys, so that a run replays exactly. The order of the heap is kept by the two walks
//! `sift_up` and `sift_down`, the only code that moves anything.

use crate::base::list::List;
use crate::base::slab::MAX_ENTRIES;
use crate::base::time::Instant;

/// One place of the heap.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    at: Instant,
    key: u16,
}

/// Memory of [`Deadlines`]; both parts have the same capacity.
#[derive(Debug)]
pub struct DeadlinesMemory<'s> {
    /// The heap.
    pub heap: List<'s, Deadline>,
    /// Where each key is in it: an array of zeros.
    pub places: List<'s, u16>,
}

/// An indexed min-heap of deadlines for the keys `0..n`, where `n` is the shorter one of its two capacities (at most
/// [`MAX_ENTRIES`]).
#[derive(Debug)]
pub struct Deadlines<'s> {
    heap: List<'s, Deadline>,
    /// For each key its place in the heap, counted from one; zero when it has no deadline.
    places: List<'s, u16>,
}

impl<'s> Deadlines<'s> {
    /// A heap without deadlines.
    pub fn new(memory: DeadlinesMemory<'s>) -> Self {
        let DeadlinesMemory { mut heap, places } = memory;
        heap.clear();
        Deadlines { heap, places: places.into_zeros() }
    }

    /// How many keys there can be.
    pub fn capacity(&self) -> usize {
        self.places.len().min(self.heap.capacity()).min(MAX_ENTRIES)
    }

    /// How many keys have a deadline.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether no key has a deadline.
    #[allow(dead_code, reason = "asked by tests only")]
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// Gives `key` the deadline `at`, in place of one that it may have. A key past the capacity is a mistake of the
    /// caller and is ignored.
    pub fn set(&mut self, key: u16, at: Instant) {
        debug_assert!(usize::from(key) < self.capacity(), "key past the capacity of the heap");
        if usize::from(key) >= self.capacity() {
            return;
        }
        let place = match self.place_of(key) {
            Some(place) => place,
            None => {
                self.heap.push(Deadline { at, key });
                self.len() - 1
            }
        };
        self.put(place, at, key);
        self.settle(place);
    }

    /// Takes the deadline of `key` away, if it has one.
    pub fn clear(&mut self, key: u16) {
        let Some(place) = self.place_of(key) else { return };
        self.places[usize::from(key)] = 0;
        let last = self.heap.remove(self.len() - 1);
        if let Some(Deadline { at, key }) = last.filter(|_| place < self.len()) {
            self.put(place, at, key);
            self.settle(place);
        }
    }

    /// The deadline of `key`.
    pub fn at(&self, key: u16) -> Option<Instant> {
        self.place_of(key).map(|place| self.heap[place].at)
    }

    /// The earliest deadline and its key.
    pub fn next(&self) -> Option<(Instant, u16)> {
        self.heap.first().map(|first| (first.at, first.key))
    }

    /// Takes out the earliest deadline, if it is not later than `now`, and returns its key.
    pub fn pop_due(&mut self, now: Instant) -> Option<u16> {
        let (at, key) = self.next()?;
        if at > now {
            return None;
        }
        self.clear(key);
        Some(key)
    }

    fn place_of(&self, key: u16) -> Option<usize> {
        usize::from(*self.places.get(usize::from(key))?).checked_sub(1)
    }

    fn put(&mut self, place: usize, at: Instant, key: u16) {
        self.heap[place] = Deadline { at, key };
        self.places[usize::from(key)] = place as u16 + 1;
    }

    fn rank(&self, place: usize) -> (Instant, u16) {
        (self.heap[place].at, self.heap[place].key)
    }

    /// Restores the order of the heap after the entry at `place` was written.
    fn settle(&mut self, place: usize) {
        let place = self.sift_up(place);
        self.sift_down(place);
    }

    fn sift_up(&mut self, mut place: usize) -> usize {
        while place > 0 {
            let parent = (place - 1) / 2;
            if self.rank(parent) <= self.rank(place) {
                break;
            }
            self.swap(parent, place);
            place = parent;
        }
        place
    }

    fn sift_down(&mut self, mut place: usize) {
        loop {
            let left = 2 * place + 1;
            let Some(least) = (left..self.len()).take(2).min_by_key(|&child| self.rank(child)) else { return };
            if self.rank(place) <= self.rank(least) {
                return;
            }
            self.swap(place, least);
            place = least;
        }
    }

    fn swap(&mut self, a: usize, b: usize) {
        let ((at_a, key_a), (at_b, key_b)) = (self.rank(a), self.rank(b));
        self.put(a, at_b, key_b);
        self.put(b, at_a, key_a);
    }

    /// Recounts everything that has to hold.
    #[cfg(any(test, debug_assertions))]
    pub fn check_invariants(&self) {
        assert!(self.len() <= self.capacity());
        for place in 0..self.len() {
            assert!(
                place == 0 || self.rank((place - 1) / 2) < self.rank(place),
                "a parent is not later than its child"
            );
            assert_eq!(self.place_of(self.heap[place].key), Some(place), "the map leads to the place");
        }
        let mapped = self.places.iter().filter(|place| **place != 0).count();
        assert_eq!(mapped, self.len(), "only keys with a deadline have a place");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Memory for `N` keys.
    #[derive(Default)]
    struct Lent<const N: usize>(heapless::Vec<Deadline, N>, heapless::Vec<u16, N>);

    impl<const N: usize> Lent<N> {
        fn heap(&mut self) -> Deadlines<'_> {
            Deadlines::new(DeadlinesMemory { heap: List::Lent(&mut self.0), places: List::Lent(&mut self.1) })
        }
    }

    fn secs(secs: u64) -> Instant {
        Instant::from_secs(secs)
    }

    #[test]
    fn the_earliest_deadline_comes_first_and_ties_go_by_key() {
        let mut memory = Lent::<4>::default();
        let mut heap = memory.heap();
        for (key, at) in [(3, 5), (1, 7), (2, 5), (0, 9)] {
            heap.set(key, secs(at));
        }
        assert_eq!(heap.next(), Some((secs(5), 2)));
        let mut out = [0; 4];
        out.fill_with(|| heap.pop_due(secs(9)).unwrap());
        assert_eq!(out, [2, 3, 1, 0]);
        assert!(heap.is_empty() && heap.next().is_none() && heap.pop_due(secs(100)).is_none());
    }

    #[test]
    fn a_deadline_is_due_at_its_instant_and_not_a_microsecond_before() {
        let mut memory = Lent::<1>::default();
        let mut heap = memory.heap();
        heap.set(0, Instant::from_micros(10));
        assert_eq!(heap.pop_due(Instant::from_micros(9)), None);
        assert_eq!(heap.pop_due(Instant::from_micros(10)), Some(0));
    }

    #[test]
    fn a_second_deadline_of_a_key_replaces_the_first() {
        let mut memory = Lent::<2>::default();
        let mut heap = memory.heap();
        heap.set(0, secs(1));
        heap.set(1, secs(2));
        heap.set(0, secs(3));
        assert_eq!((heap.len(), heap.at(0), heap.next()), (2, Some(secs(3)), Some((secs(2), 1))));
        heap.clear(1);
        heap.clear(1);
        assert_eq!((heap.len(), heap.at(1), heap.next()), (1, None, Some((secs(3), 0))));
    }

    #[test]
    fn a_heap_over_used_memory_starts_empty() {
        let mut memory = Lent::<2>::default();
        memory.heap().set(1, secs(1));
        let heap = memory.heap();
        assert!(heap.is_empty() && heap.at(1).is_none());
        heap.check_invariants();
    }

    #[test]
    fn an_entry_takes_sixteen_bytes() {
        assert_eq!(core::mem::size_of::<Deadline>(), 16);
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "past the capacity")]
    fn a_key_past_the_capacity_is_a_mistake_of_the_caller() {
        Lent::<2>::default().heap().set(2, secs(1));
    }
}
