//! Memory that is lent or owned.
//!
//! Nothing in the core asks an allocator for memory while it runs. A [`List`] has a fixed capacity, which the embedder
//! lends (firmware) or which was reserved once at construction (feature `alloc`). A list grows within its capacity, and
//! allocated memory that it has not grown into was never touched: a capacity costs nothing until it is used.
//!
//! What is addressed by a hash or by a number from outside cannot grow. It is an array of plain integers
//! ([`List::zeroed`]): those an allocator hands out as pages of zeros that nobody has touched either.

use core::fmt;
use core::ops::{Deref, DerefMut};

/// A list of fixed capacity, lent or owned.
#[derive(Debug)]
pub enum List<'s, T> {
    /// Lent by the embedder.
    Lent(&'s mut heapless::VecView<T>),
    /// Reserved once.
    #[cfg(feature = "alloc")]
    Owned(alloc::vec::Vec<T>),
}

impl<'s, T> List<'s, T> {
    /// An empty list with memory for `capacity` elements, none of it touched.
    #[cfg(feature = "alloc")]
    pub fn with_capacity(capacity: usize) -> Self {
        List::Owned(alloc::vec::Vec::with_capacity(capacity))
    }

    /// A full list of `len` zeros. Of integers, and of arrays of integers, none is touched.
    #[cfg(feature = "alloc")]
    pub fn zeroed(len: usize) -> Self
    where
        T: Clone + Default,
    {
        List::Owned(alloc::vec![T::default(); len])
    }

    /// Elements that there is room for.
    pub fn capacity(&self) -> usize {
        match self {
            List::Lent(list) => list.capacity(),
            #[cfg(feature = "alloc")]
            List::Owned(list) => list.capacity(),
        }
    }

    /// Whether there is no room for one more.
    pub fn is_full(&self) -> bool {
        self.len() >= self.capacity()
    }

    /// Adds an element at the end. False, and nothing is changed, when there is no room.
    pub fn push(&mut self, value: T) -> bool {
        match self {
            List::Lent(list) => list.push(value).is_ok(),
            #[cfg(feature = "alloc")]
            List::Owned(list) => {
                let fits = list.len() < list.capacity();
                if fits {
                    list.push(value);
                }
                fits
            }
        }
    }

    /// Makes `value` the element at place `at`. False, and nothing is changed, when there is no room or no such place.
    pub fn insert(&mut self, at: usize, value: T) -> bool {
        if at > self.len() || self.is_full() {
            return false;
        }
        match self {
            List::Lent(list) => list.insert(at, value).is_ok(),
            #[cfg(feature = "alloc")]
            List::Owned(list) => {
                list.insert(at, value);
                true
            }
        }
    }

    /// Takes out the element at place `at`.
    pub fn remove(&mut self, at: usize) -> Option<T> {
        if at >= self.len() {
            return None;
        }
        Some(match self {
            List::Lent(list) => list.remove(at),
            #[cfg(feature = "alloc")]
            List::Owned(list) => list.remove(at),
        })
    }

    /// Takes out, in one pass, every element of which `keep` says false.
    pub fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        match self {
            List::Lent(list) => list.retain(keep),
            #[cfg(feature = "alloc")]
            List::Owned(list) => list.retain(keep),
        }
    }

    /// Takes out all elements.
    pub fn clear(&mut self) {
        match self {
            List::Lent(list) => list.clear(),
            #[cfg(feature = "alloc")]
            List::Owned(list) => list.clear(),
        }
    }

    /// This list as an array of zeros, as long as its capacity. What is lent is overwritten; what is allocated for this
    /// is zero already ([`List::zeroed`]).
    pub fn into_zeros(mut self) -> Self
    where
        T: Default,
    {
        match &mut self {
            List::Lent(list) => list.clear(),
            #[cfg(feature = "alloc")]
            List::Owned(_) => {}
        }
        self.grow_to(self.capacity());
        self
    }

    /// Adds default values until there are `len`, or as many as there is room for.
    pub fn grow_to(&mut self, len: usize)
    where
        T: Default,
    {
        while self.len() < len && self.push(T::default()) {}
    }
}

impl<T> Deref for List<'_, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            List::Lent(list) => list,
            #[cfg(feature = "alloc")]
            List::Owned(list) => list,
        }
    }
}

impl<T> DerefMut for List<'_, T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match self {
            List::Lent(list) => list,
            #[cfg(feature = "alloc")]
            List::Owned(list) => list,
        }
    }
}

/// A short list of at most `N` values, filled once: inline without an allocator, with one as long as it has to be.
#[derive(Debug)]
pub struct SmallList<T, const N: usize> {
    #[cfg(feature = "alloc")]
    values: alloc::vec::Vec<T>,
    #[cfg(not(feature = "alloc"))]
    values: arrayvec::ArrayVec<T, N>,
}

impl<T, const N: usize> FromIterator<T> for SmallList<T, N> {
    /// The first `N` values.
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        SmallList { values: values.into_iter().take(N).collect() }
    }
}

impl<T, const N: usize> Deref for SmallList<T, N> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.values
    }
}

impl<T, const N: usize> DerefMut for SmallList<T, N> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.values
    }
}

/// A slice of fixed length, lent or owned: words that the set reconciler writes before it reads them. It is lent as a
/// plain slice, and has no length of its own.
pub enum Memory<'s, T> {
    /// Lent by the embedder.
    Lent(&'s mut [T]),
    /// Reserved once. Only what was used has been touched.
    #[cfg(feature = "alloc")]
    Owned(alloc::vec::Vec<T>),
}

impl<T: Clone + Default> Memory<'_, T> {
    /// Memory for `len` elements, none of it touched.
    #[cfg(feature = "alloc")]
    pub fn reserved(len: usize) -> Self {
        Memory::Owned(alloc::vec::Vec::with_capacity(len))
    }

    /// Elements that there is room for.
    pub fn capacity(&self) -> usize {
        match self {
            Memory::Lent(slice) => slice.len(),
            #[cfg(feature = "alloc")]
            Memory::Owned(list) => list.capacity(),
        }
    }

    /// The first so many elements, if there is room for them. What was not used yet is zero.
    pub fn first(&mut self, len: usize) -> Option<&mut [T]> {
        match self {
            Memory::Lent(slice) => slice.get_mut(..len),
            #[cfg(feature = "alloc")]
            Memory::Owned(list) => {
                if list.len() < len && len <= list.capacity() {
                    list.resize(len, T::default());
                }
                list.get_mut(..len)
            }
        }
    }

    /// What was used.
    pub fn used(&self) -> &[T] {
        match self {
            Memory::Lent(slice) => slice,
            #[cfg(feature = "alloc")]
            Memory::Owned(list) => list,
        }
    }
}

/// Its length alone: what scratch memory holds means nothing, and is long.
impl<T: Clone + Default> fmt::Debug for Memory<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Memory").field(&self.capacity()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Does the same to a lent list and to an owned one, with room for four.
    fn with_both(check: impl Fn(List<'_, u16>)) {
        check(List::Lent(&mut heapless::Vec::<u16, 4>::new()));
        #[cfg(feature = "alloc")]
        check(List::with_capacity(4));
    }

    #[test]
    fn memory_has_room_for_as_much_as_was_asked_for_and_no_more() {
        let check = |mut memory: Memory<'_, u16>| {
            assert_eq!(memory.capacity(), 4);
            memory.first(2).unwrap()[1] = 5;
            assert_eq!((memory.first(3).unwrap()[1], memory.first(3).unwrap().len(), memory.used()[1]), (5, 3, 5));
            assert!(memory.first(4).is_some() && memory.first(5).is_none());
        };
        check(Memory::Lent(&mut [9; 4]));
        #[cfg(feature = "alloc")]
        check(Memory::reserved(4));
    }

    #[test]
    fn elements_are_inserted_and_removed_at_their_place() {
        with_both(|mut list| {
            assert!(list.insert(0, 5) && list.insert(0, 3) && list.insert(1, 4) && list.push(6));
            assert_eq!(list[..], [3, 4, 5, 6]);
            assert_eq!((list.remove(1), list.remove(2), list.remove(2)), (Some(4), Some(6), None));
            assert_eq!(list[..], [3, 5]);
            list.clear();
            assert!(list.is_empty() && list.capacity() == 4);
        });
    }

    #[test]
    fn a_full_list_and_a_place_past_the_end_are_refused() {
        with_both(|mut list| {
            assert!(!list.insert(1, 9), "past the end");
            assert!((0..4).all(|i| !list.is_full() && list.push(i)));
            assert!(list.is_full() && !list.insert(0, 9) && !list.insert(4, 9) && !list.push(9));
            assert_eq!(list[..], [0, 1, 2, 3]);
        });
    }

    #[test]
    fn retain_keeps_the_order_of_what_it_keeps() {
        with_both(|mut list| {
            assert!((0..4).all(|i| list.push(i)));
            list.retain(|number| number % 2 == 0);
            assert_eq!(list[..], [0, 2]);
            list.retain(|_| false);
            assert!(list.is_empty());
        });
    }

    #[test]
    fn a_list_grows_to_its_capacity_and_no_further() {
        with_both(|mut list| {
            assert!(list.push(7));
            list.grow_to(3);
            assert_eq!(list[..], [7, 0, 0]);
            list.grow_to(2);
            list.grow_to(9);
            assert_eq!(list[..], [7, 0, 0, 0]);
        });
    }

    #[test]
    fn lent_memory_of_any_content_becomes_zeros() {
        let mut memory = heapless::Vec::<u16, 3>::from_array([1, 2]);
        assert_eq!(List::Lent(&mut memory).into_zeros()[..], [0; 3]);
        #[cfg(feature = "alloc")]
        assert!(
            List::<u16>::zeroed(3).into_zeros()[..] == [0; 3]
                && List::<u16>::with_capacity(2).into_zeros()[..] == [0; 2]
        );
    }

    #[cfg(feature = "alloc")]
    #[test]
    fn an_allocated_list_has_exactly_the_capacity_that_was_asked_for() {
        for capacity in [0, 1, 7, 100, 65_534] {
            assert_eq!(List::<[u8; 42]>::with_capacity(capacity).capacity(), capacity);
            assert_eq!(List::<u64>::zeroed(capacity).capacity(), capacity);
        }
    }
}
