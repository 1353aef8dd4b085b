//! What happens next: events in the order of their times, and of their making where the times are equal.
//!
//! The order is total, so a run has one course. An event is a few bytes; what it carries lies with whoever made it.

use alloc::collections::BinaryHeap;
use core::cmp::{Ordering, Reverse};

use crate::base::time::Instant;

/// Events that are to come.
#[derive(Debug)]
pub(super) struct Course<T> {
    heap: BinaryHeap<Reverse<Planned<T>>>,
    made: u64,
}

#[derive(Debug)]
struct Planned<T> {
    at: Instant,
    /// How many were made before: no two are alike.
    number: u64,
    what: T,
}

impl<T> Course<T> {
    pub(super) fn new() -> Self {
        Course { heap: BinaryHeap::new(), made: 0 }
    }

    pub(super) fn add(&mut self, at: Instant, what: T) {
        self.made += 1;
        self.heap.push(Reverse(Planned { at, number: self.made, what }));
    }

    /// When the next one is.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse(due)| due.at)
    }

    /// Takes the next one out.
    pub(super) fn pop(&mut self) -> Option<(Instant, T)> {
        self.heap.pop().map(|Reverse(due)| (due.at, due.what))
    }
}

impl<T> PartialEq for Planned<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Planned<T> {}

impl<T> PartialOrd for Planned<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Planned<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_in_the_order_of_their_times_and_then_of_their_making() {
        let mut course = Course::new();
        for (at, what) in [(5, 'c'), (1, 'a'), (5, 'd'), (1, 'b')] {
            course.add(Instant::from_secs(at), what);
        }
        assert_eq!(course.next_at(), Some(Instant::from_secs(1)));
        let all: alloc::string::String = core::iter::from_fn(|| course.pop()).map(|(_, what)| what).collect();
        assert_eq!((all.as_str(), course.next_at()), ("abcd", None));
    }
}
