//! A queue of fixed length: first in, first out, claimed in place.

use crate::base::slab::Memory;

/// A queue in memory that is lent or owned.
#[derive(Debug)]
pub struct Ring<'s, T> {
    places: Memory<'s, T>,
    first: usize,
    len: usize,
}

impl<'s, T> Ring<'s, T> {
    /// A queue with a place for each element of `places`.
    pub fn new(places: Memory<'s, T>) -> Self {
        Ring { places, first: 0, len: 0 }
    }

    /// Elements that wait.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The place behind the last element, which now counts as one and still holds what was there before; `None` when
    /// every place is taken.
    pub fn claim(&mut self) -> Option<&mut T> {
        let capacity = self.places.len();
        if self.len >= capacity {
            return None;
        }
        let at = (self.first + self.len) % capacity;
        self.len += 1;
        self.places.get_mut(at)
    }

    /// The first element.
    pub fn front(&mut self) -> Option<&mut T> {
        if self.len == 0 { None } else { self.places.get_mut(self.first) }
    }

    /// Forgets the first element.
    pub fn pop(&mut self) {
        if self.len > 0 {
            self.first = (self.first + 1) % self.places.len();
            self.len -= 1;
        }
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;

    #[test]
    fn elements_leave_in_the_order_they_came_and_none_past_the_capacity_enters() {
        let mut ring = Ring::<u8>::new(Memory::allocate(3));
        for round in 0..5 {
            for i in 0..3 {
                *ring.claim().unwrap() = round * 3 + i;
            }
            assert!(ring.claim().is_none() && ring.len() == 3);
            for i in 0..3 {
                assert_eq!(ring.front().copied(), Some(round * 3 + i));
                ring.pop();
            }
            assert!(ring.is_empty() && ring.front().is_none());
            ring.pop();
            // Start the next round at another place.
            assert!(ring.claim().is_some());
            ring.pop();
        }
    }

    #[test]
    fn a_queue_without_places_takes_nothing() {
        assert!(Ring::<u8>::new(Memory::empty()).claim().is_none());
    }
}
