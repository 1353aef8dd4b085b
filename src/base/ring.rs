//! A queue of fixed length: first in, first out, claimed in place.

use crate::base::list::List;

/// A queue in memory that is lent or owned.
#[derive(Debug)]
pub struct Ring<'s, T> {
    places: List<'s, T>,
    first: usize,
    len: usize,
}

impl<'s, T: Default> Ring<'s, T> {
    /// An empty queue.
    pub fn new(mut places: List<'s, T>) -> Self {
        places.clear();
        Ring { places, first: 0, len: 0 }
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The place behind the last element, which now counts as one and still holds what was there before; `None` when
    /// every place is taken.
    pub fn claim(&mut self) -> Option<&mut T> {
        let capacity = self.places.capacity();
        if self.len >= capacity {
            return None;
        }
        let behind = self.first + self.len;
        let at = if behind < capacity { behind } else { behind - capacity };
        if at >= self.places.len() {
            self.grow();
        }
        self.len += 1;
        self.places.get_mut(at)
    }

    /// Adds a place that was never used. Own stack frame (E1).
    #[inline(never)]
    fn grow(&mut self) {
        self.places.push(T::default());
    }

    /// The first element.
    pub fn front(&mut self) -> Option<&mut T> {
        if self.len == 0 { None } else { self.places.get_mut(self.first) }
    }

    /// The last element.
    pub fn back(&mut self) -> Option<&mut T> {
        let last = self.first + self.len.checked_sub(1)?;
        let capacity = self.places.capacity();
        self.places.get_mut(if last < capacity { last } else { last - capacity })
    }

    /// Forgets the first element.
    pub fn pop(&mut self) {
        if self.len > 0 {
            self.len -= 1;
            // An empty queue begins anew, so that it never needs more places than there were elements at the same time.
            self.first = if self.len == 0 { 0 } else { (self.first + 1) % self.places.capacity() };
        }
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;

    #[test]
    fn elements_leave_in_the_order_they_came_and_none_past_the_capacity_enters() {
        let mut ring = Ring::<u8>::new(List::with_capacity(3));
        for round in 0..5 {
            for i in 0..3 {
                *ring.claim().unwrap() = round * 3 + i;
                assert_eq!(ring.back().copied(), Some(round * 3 + i));
            }
            assert!(ring.claim().is_none() && ring.len == 3);
            for i in 0..3 {
                assert_eq!(ring.front().copied(), Some(round * 3 + i));
                ring.pop();
            }
            assert!(ring.is_empty() && ring.front().is_none() && ring.back().is_none());
            ring.pop();
        }
    }

    #[test]
    fn a_queue_that_never_empties_goes_round() {
        let mut ring = Ring::<u8>::new(List::with_capacity(3));
        *ring.claim().unwrap() = 0;
        for i in 1..20 {
            *ring.claim().unwrap() = i;
            assert_eq!((ring.front().copied(), ring.back().copied()), (Some(i - 1), Some(i)));
            ring.pop();
        }
    }

    #[test]
    fn no_more_places_are_touched_than_elements_waited_at_the_same_time() {
        let mut ring = Ring::<u8>::new(List::with_capacity(9));
        for _ in 0..20 {
            ring.claim().unwrap();
            ring.claim().unwrap();
            ring.pop();
            ring.pop();
        }
        assert_eq!(ring.places.len(), 2);
    }

    #[test]
    fn a_queue_without_places_takes_nothing() {
        assert!(Ring::<u8>::new(List::with_capacity(0)).claim().is_none());
    }
}
