//! Memory that is lent or owned, and pools of slots in it.
//!
//! Nothing in the core asks an allocator for memory while it runs. A [`Memory`] is a slice of fixed length,
//! lent by the embedder (`&'s mut [T]`, for firmware) or allocated once at construction (feature `alloc`).
//! A [`Slab`] hands out its slots under generational keys: the key of a slot that was freed in the meantime
//! no longer finds anything, so a stale handle can never reach somebody else's value.

use core::ops::{Deref, DerefMut};

/// A slice of fixed length, lent or owned.
#[derive(Debug)]
pub enum Memory<'s, T> {
    /// Lent by the embedder.
    Lent(&'s mut [T]),
    /// Allocated once.
    #[cfg(feature = "alloc")]
    Owned(alloc::boxed::Box<[T]>),
}

impl<'s, T> Memory<'s, T> {
    /// No memory at all.
    pub fn empty() -> Self {
        Memory::Lent(&mut [])
    }

    /// Allocates `len` default values.
    #[cfg(feature = "alloc")]
    pub fn allocate(len: usize) -> Self
    where
        T: Default,
    {
        Memory::Owned((0..len).map(|_| T::default()).collect())
    }

    /// Takes the first `len` elements (or all, if there are fewer) away from this memory.
    pub fn split_front(&mut self, len: usize) -> Memory<'s, T> {
        match core::mem::replace(self, Memory::empty()) {
            Memory::Lent(slice) => {
                let (front, rest) = slice.split_at_mut(len.min(slice.len()));
                *self = Memory::Lent(rest);
                Memory::Lent(front)
            }
            #[cfg(feature = "alloc")]
            Memory::Owned(boxed) => {
                let mut front = alloc::vec::Vec::from(boxed);
                let rest = front.split_off(len.min(front.len()));
                *self = Memory::Owned(rest.into_boxed_slice());
                Memory::Owned(front.into_boxed_slice())
            }
        }
    }

    /// This memory without what lies past [`MAX_ENTRIES`], so that every index fits into 16 bits with values to spare.
    pub(crate) fn numbered(mut self) -> Self {
        if self.len() > MAX_ENTRIES { self.split_front(MAX_ENTRIES) } else { self }
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

impl<'s, T> From<&'s mut [T]> for Memory<'s, T> {
    fn from(slice: &'s mut [T]) -> Self {
        Memory::Lent(slice)
    }
}

impl<T> Deref for Memory<'_, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Memory::Lent(slice) => slice,
            #[cfg(feature = "alloc")]
            Memory::Owned(boxed) => boxed,
        }
    }
}

impl<T> DerefMut for Memory<'_, T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match self {
            Memory::Lent(slice) => slice,
            #[cfg(feature = "alloc")]
            Memory::Owned(boxed) => boxed,
        }
    }
}

/// Most slots that one pool uses; a slice that is longer is used up to here.
pub const MAX_ENTRIES: usize = u16::MAX as usize - 1;

/// The end of a chain of free slots.
const NO_SLOT: u16 = u16::MAX;

/// A handle of a value in a [`Slab`]. It goes stale when the value is removed, and never finds another one
/// (before its slot has been used 2^32 times).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SlabKey {
    /// SlabPlace in the pool.
    pub index: u16,
    /// How often that place had been vacated before.
    pub generation: u32,
}

/// Room for one value of a [`Slab`].
#[derive(Clone, Debug)]
pub struct SlabEntry<T> {
    generation: u32,
    place: SlabPlace<T>,
}

/// With this representation a free place with nothing behind it has no bit set.
#[derive(Clone, Debug)]
#[repr(u8)]
enum SlabPlace<T> {
    Free { next: u16 },
    Taken(T),
}

impl<T> SlabEntry<T> {
    /// Unused memory: all its bits are zero, so that a static of it costs no flash.
    pub const BLANK: Self = SlabEntry { generation: 0, place: SlabPlace::Free { next: 0 } };
}

impl<T> Default for SlabEntry<T> {
    fn default() -> Self {
        SlabEntry::BLANK
    }
}

/// Values in slots of fixed number, found by [`SlabKey`]. A value stays where it was put until it is removed; every
/// operation takes the same time however full the pool is.
#[derive(Debug)]
pub struct Slab<'s, T> {
    slots: Memory<'s, SlabEntry<T>>,
    first_free: u16,
    len: u16,
}

impl<'s, T> Slab<'s, T> {
    /// A pool over `slots`, at most [`MAX_ENTRIES`] of them. Values that the slots still hold are dropped, and the keys
    /// to them go stale.
    pub fn new(slots: Memory<'s, SlabEntry<T>>) -> Self {
        let mut slots = slots.numbered();
        let mut first_free = NO_SLOT;
        for (i, slot) in slots.iter_mut().enumerate().rev() {
            if matches!(slot.place, SlabPlace::Taken(_)) {
                slot.generation = slot.generation.wrapping_add(1);
            }
            slot.place = SlabPlace::Free { next: first_free };
            first_free = i as u16;
        }
        Slab { slots, first_free, len: 0 }
    }

    /// Puts `value` into a free slot, or gives it back when there is none.
    pub fn insert(&mut self, value: T) -> Result<SlabKey, T> {
        let index = self.first_free;
        let Some(slot) = self.slots.get_mut(usize::from(index)) else { return Err(value) };
        let SlabPlace::Free { next } = slot.place else { return Err(value) };
        slot.place = SlabPlace::Taken(value);
        self.first_free = next;
        self.len += 1;
        Ok(SlabKey { index, generation: slot.generation })
    }

    /// The value of `key`, unless it was removed.
    pub fn get(&self, key: SlabKey) -> Option<&T> {
        match self.slots.get(usize::from(key.index)) {
            Some(SlabEntry { generation, place: SlabPlace::Taken(value) }) if *generation == key.generation => {
                Some(value)
            }
            _ => None,
        }
    }

    /// The value of `key`, unless it was removed.
    pub fn get_mut(&mut self, key: SlabKey) -> Option<&mut T> {
        match self.slots.get_mut(usize::from(key.index)) {
            Some(SlabEntry { generation, place: SlabPlace::Taken(value) }) if *generation == key.generation => {
                Some(value)
            }
            _ => None,
        }
    }

    /// Takes the value of `key` out; every copy of the key goes stale.
    pub fn remove(&mut self, key: SlabKey) -> Option<T> {
        self.get(key)?;
        let slot = self.slots.get_mut(usize::from(key.index))?;
        let vacated = core::mem::replace(&mut slot.place, SlabPlace::Free { next: self.first_free });
        slot.generation = slot.generation.wrapping_add(1);
        self.first_free = key.index;
        self.len -= 1;
        match vacated {
            SlabPlace::Taken(value) => Some(value),
            SlabPlace::Free { .. } => None,
        }
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many values there is room for.
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is no free slot.
    pub fn is_full(&self) -> bool {
        self.first_free == NO_SLOT
    }

    /// All values, in the order of their slots.
    pub fn iter(&self) -> impl Iterator<Item = (SlabKey, &T)> {
        self.slots.iter().enumerate().filter_map(|(i, slot)| match &slot.place {
            SlabPlace::Taken(value) => Some((SlabKey { index: i as u16, generation: slot.generation }, value)),
            SlabPlace::Free { .. } => None,
        })
    }

    /// The key of the value in slot `index`, if one is there.
    pub fn key_at(&self, index: u16) -> Option<SlabKey> {
        match self.slots.get(usize::from(index)) {
            Some(SlabEntry { generation, place: SlabPlace::Taken(_) }) => {
                Some(SlabKey { index, generation: *generation })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_holds_as_many_values_as_it_has_slots_and_not_one_more() {
        let mut slots: [SlabEntry<u8>; 3] = Default::default();
        let mut pool = Slab::new(Memory::from(&mut slots[..]));
        for value in 0..3 {
            assert!(!pool.is_full());
            assert_eq!(pool.insert(value).unwrap().index, u16::from(value));
        }
        assert!(pool.is_full());
        assert_eq!(pool.insert(3), Err(3));
        assert_eq!((pool.len(), pool.capacity()), (3, 3));
    }

    #[test]
    fn a_stale_key_finds_nothing_even_when_its_slot_is_taken_again() {
        let mut slots: [SlabEntry<&str>; 1] = Default::default();
        let mut pool = Slab::new(Memory::from(&mut slots[..]));
        let old = pool.insert("old").unwrap();
        assert_eq!(pool.remove(old), Some("old"));
        let new = pool.insert("new").unwrap();
        assert_eq!(new.index, old.index);
        assert!(pool.get(old).is_none() && pool.get_mut(old).is_none() && pool.remove(old).is_none());
        assert_eq!(pool.get(new), Some(&"new"));
        assert_eq!(pool.key_at(0), Some(new));
    }

    #[test]
    fn a_pool_over_used_memory_starts_empty_and_knows_no_old_key() {
        let mut slots: [SlabEntry<u8>; 2] = Default::default();
        let old = Slab::new(Memory::from(&mut slots[..])).insert(1).unwrap();
        let mut pool = Slab::new(Memory::from(&mut slots[..]));
        assert!(pool.is_empty() && pool.get(old).is_none() && pool.key_at(0).is_none());
        let new = pool.insert(2).unwrap();
        assert_eq!((pool.get(old), pool.get(new)), (None, Some(&2)));
    }

    #[test]
    fn a_pool_without_memory_refuses() {
        let mut pool = Slab::new(Memory::empty());
        assert!(pool.is_full() && pool.is_empty());
        assert_eq!(pool.insert(1), Err(1));
    }

    #[cfg(feature = "alloc")]
    #[test]
    fn slots_past_the_last_that_a_key_can_name_are_not_used() {
        for (len, capacity) in
            [(MAX_ENTRIES, MAX_ENTRIES), (MAX_ENTRIES + 1, MAX_ENTRIES), (MAX_ENTRIES + 3, MAX_ENTRIES)]
        {
            let mut pool = Slab::new(Memory::allocate(len));
            assert_eq!(pool.capacity(), capacity);
            assert!((0..capacity).all(|i| pool.insert(i).is_ok_and(|key| usize::from(key.index) == i)));
            assert_eq!(pool.insert(0), Err(0));
        }
    }
}
