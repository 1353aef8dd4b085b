//! A slab of values that are found by generational keys: the key of a value that was removed no longer finds anything,
//! so a stale handle can never reach another value.

use crate::base::list::List;

/// Most entries of anything that is addressed by 16-bit numbers, of which some mean "none".
pub const MAX_ENTRIES: usize = u16::MAX as usize - 1;

/// The end of a chain of free entries.
const NONE: u16 = u16::MAX;

/// A handle of a value in a [`Slab`]. It goes stale when the value is removed, and never finds another one
/// (before its entry has been used 2^32 times).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SlabKey {
    /// Number of the entry.
    pub index: u16,
    /// How often that entry had been vacated before.
    pub generation: u32,
}

/// Memory for one value of a [`Slab`].
#[derive(Clone, Debug)]
pub struct SlabEntry<T> {
    generation: u32,
    place: SlabPlace<T>,
}

#[derive(Clone, Debug)]
enum SlabPlace<T> {
    Free { next: u16 },
    Taken(T),
}

/// Values in entries of limited number, found by [`SlabKey`]. A value stays where it was put until it is removed; every
/// operation takes the same time however full the slab is. An entry that was vacated last is used first, so that no
/// more memory is touched than there ever were values at the same time.
#[derive(Debug)]
pub struct Slab<'s, T> {
    entries: List<'s, SlabEntry<T>>,
    first_free: u16,
    len: u16,
}

impl<'s, T> Slab<'s, T> {
    /// An empty slab; at most [`MAX_ENTRIES`] of the list are used.
    pub fn new(mut entries: List<'s, SlabEntry<T>>) -> Self {
        entries.clear();
        Slab { entries, first_free: NONE, len: 0 }
    }

    /// Puts `value` into a free entry, or gives it back when there is none.
    pub fn insert(&mut self, value: T) -> Result<SlabKey, T> {
        if self.is_full() {
            return Err(value);
        }
        self.len += 1;
        if let Some(entry) = self.entries.get_mut(usize::from(self.first_free))
            && let SlabPlace::Free { next } = entry.place
        {
            let index = core::mem::replace(&mut self.first_free, next);
            entry.place = SlabPlace::Taken(value);
            return Ok(SlabKey { index, generation: entry.generation });
        }
        let key = SlabKey { index: self.entries.len() as u16, generation: 0 };
        self.entries.push(SlabEntry { generation: 0, place: SlabPlace::Taken(value) });
        Ok(key)
    }

    /// The value of `key`, unless it was removed.
    pub fn get(&self, key: SlabKey) -> Option<&T> {
        match self.entries.get(usize::from(key.index)) {
            Some(SlabEntry { generation, place: SlabPlace::Taken(value) }) if *generation == key.generation => {
                Some(value)
            }
            _ => None,
        }
    }

    /// The value of `key`, unless it was removed.
    pub fn get_mut(&mut self, key: SlabKey) -> Option<&mut T> {
        match self.entries.get_mut(usize::from(key.index)) {
            Some(SlabEntry { generation, place: SlabPlace::Taken(value) }) if *generation == key.generation => {
                Some(value)
            }
            _ => None,
        }
    }

    /// Takes the value of `key` out; every copy of the key goes stale.
    pub fn remove(&mut self, key: SlabKey) -> Option<T> {
        self.get(key)?;
        let entry = self.entries.get_mut(usize::from(key.index))?;
        let vacated = core::mem::replace(&mut entry.place, SlabPlace::Free { next: self.first_free });
        entry.generation = entry.generation.wrapping_add(1);
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
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many values there is room for.
    pub fn capacity(&self) -> usize {
        self.entries.capacity().min(MAX_ENTRIES)
    }

    /// Whether there is no room for one more.
    pub fn is_full(&self) -> bool {
        self.len() >= self.capacity()
    }

    /// All values, in the order of their entries.
    pub fn iter(&self) -> impl Iterator<Item = (SlabKey, &T)> {
        self.entries.iter().enumerate().filter_map(|(i, entry)| match &entry.place {
            SlabPlace::Taken(value) => Some((SlabKey { index: i as u16, generation: entry.generation }, value)),
            SlabPlace::Free { .. } => None,
        })
    }

    /// The key of the value in entry `index`, if one is there.
    pub fn key_at(&self, index: u16) -> Option<SlabKey> {
        match self.entries.get(usize::from(index)) {
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

    fn list<T, const N: usize>() -> heapless::Vec<SlabEntry<T>, N> {
        heapless::Vec::new()
    }

    #[test]
    fn a_slab_holds_as_many_values_as_it_has_entries_and_not_one_more() {
        let mut memory = list::<u8, 3>();
        let mut slab = Slab::new(List::Lent(&mut memory));
        for value in 0..3 {
            assert!(!slab.is_full());
            assert_eq!(slab.insert(value).unwrap().index, u16::from(value));
        }
        assert!(slab.is_full());
        assert_eq!(slab.insert(3), Err(3));
        assert_eq!((slab.len(), slab.capacity()), (3, 3));
    }

    #[test]
    fn a_stale_key_finds_nothing_even_when_its_entry_is_taken_again() {
        let mut memory = list::<&str, 1>();
        let mut slab = Slab::new(List::Lent(&mut memory));
        let old = slab.insert("old").unwrap();
        assert_eq!(slab.remove(old), Some("old"));
        let new = slab.insert("new").unwrap();
        assert_eq!(new.index, old.index);
        assert!(slab.get(old).is_none() && slab.get_mut(old).is_none() && slab.remove(old).is_none());
        assert_eq!(slab.get(new), Some(&"new"));
        assert_eq!(slab.key_at(0), Some(new));
    }

    #[test]
    fn an_entry_that_was_vacated_is_used_before_a_fresh_one() {
        let mut memory = list::<u8, 4>();
        let mut slab = Slab::new(List::Lent(&mut memory));
        let keys = [0, 1, 2].map(|value| slab.insert(value).unwrap());
        slab.remove(keys[0]);
        slab.remove(keys[2]);
        let order = [3, 4, 5].map(|value| slab.insert(value).unwrap().index);
        assert_eq!(order, [2, 0, 3]);
    }

    #[test]
    fn a_slab_over_used_memory_starts_empty() {
        let mut memory = list::<u8, 2>();
        Slab::new(List::Lent(&mut memory)).insert(1).unwrap();
        let slab = Slab::new(List::Lent(&mut memory));
        assert!(slab.is_empty() && slab.key_at(0).is_none() && slab.iter().next().is_none());
    }

    #[test]
    fn a_slab_without_memory_refuses() {
        let mut memory = list::<u8, 0>();
        let mut slab = Slab::new(List::Lent(&mut memory));
        assert!(slab.is_full() && slab.is_empty());
        assert_eq!(slab.insert(1), Err(1));
    }
}
