//! Which entry of a store was refreshed longest ago, in constant time.
//!
//! The taken entries form a chain from the oldest to the newest, linked both ways by entry number; the free ones form
//! a second chain. Claiming and refreshing put an entry at the newest end, so where all entries live equally long, the
//! oldest one is the next to expire. The links are memory of their own, so that entries need not know of them.

use crate::base::list::List;

/// The end of a chain.
const NONE: u32 = u32::MAX;

/// Memory for one entry.
#[derive(Clone, Copy, Debug)]
pub struct LruLink {
    /// The entry that was refreshed before this one; of a free entry, itself, which no taken entry can have.
    older: u32,
    /// The entry that was refreshed after this one; of a free entry, the next free one.
    newer: u32,
}

/// The entries `0..n` of a store in the order of their last refresh, where `n` is the capacity of its memory (at most
/// 2^32 - 1).
#[derive(Debug)]
pub struct Lru<'s> {
    links: List<'s, LruLink>,
    oldest: u32,
    newest: u32,
    first_free: u32,
    len: usize,
}

impl<'s> Lru<'s> {
    /// All entries are free.
    pub fn new(mut links: List<'s, LruLink>) -> Self {
        links.clear();
        Lru { links, oldest: NONE, newest: NONE, first_free: NONE, len: 0 }
    }

    /// Takes a free entry, which becomes the newest: one that was released if there is any, else the one after the
    /// last that was ever taken.
    pub fn claim(&mut self) -> Option<u32> {
        if self.is_full() {
            return None;
        }
        let entry = match self.links.get(self.first_free as usize) {
            Some(link) => core::mem::replace(&mut self.first_free, link.newer),
            None => {
                self.links.push(LruLink { older: NONE, newer: NONE });
                (self.links.len() - 1) as u32
            }
        };
        self.append(entry);
        self.len += 1;
        Some(entry)
    }

    /// Makes a taken entry the newest. Does nothing to a free one.
    pub fn refresh(&mut self, entry: u32) {
        if entry != self.newest && self.is_taken(entry) {
            self.unlink(entry);
            self.append(entry);
        }
    }

    /// Frees an entry. Does nothing to one that is free.
    pub fn release(&mut self, entry: u32) {
        if self.is_taken(entry) {
            self.unlink(entry);
            self.links[entry as usize] = LruLink { older: entry, newer: self.first_free };
            self.first_free = entry;
            self.len -= 1;
        }
    }

    /// Frees all entries.
    pub fn clear(&mut self) {
        self.links.clear();
        (self.oldest, self.newest, self.first_free, self.len) = (NONE, NONE, NONE, 0);
    }

    /// The taken entry that was refreshed last.
    pub fn newest(&self) -> Option<u32> {
        (self.newest != NONE).then_some(self.newest)
    }

    /// The taken entry that was refreshed longest ago.
    pub fn oldest(&self) -> Option<u32> {
        (self.oldest != NONE).then_some(self.oldest)
    }

    /// The taken entries, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        core::iter::successors(self.oldest(), |&entry| {
            let newer = self.links[entry as usize].newer;
            (newer != NONE).then_some(newer)
        })
    }

    /// How many entries are taken.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no entry is taken.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether no entry is free.
    pub fn is_full(&self) -> bool {
        self.len >= self.capacity()
    }

    /// How many entries there are.
    pub fn capacity(&self) -> usize {
        self.links.capacity()
    }

    /// Whether an entry is taken.
    pub fn is_taken(&self, entry: u32) -> bool {
        self.links.get(entry as usize).is_some_and(|link| link.older != entry)
    }

    fn append(&mut self, entry: u32) {
        let links = &mut self.links[..];
        let link = LruLink { older: self.newest, newer: NONE };
        links[entry as usize] = link;
        match links.get_mut(link.older as usize) {
            Some(older) => older.newer = entry,
            None => self.oldest = entry,
        }
        self.newest = entry;
    }

    fn unlink(&mut self, entry: u32) {
        let links = &mut self.links[..];
        let LruLink { older, newer } = links[entry as usize];
        match links.get_mut(older as usize) {
            Some(link) => link.newer = newer,
            None => self.oldest = newer,
        }
        match links.get_mut(newer as usize) {
            Some(link) => link.older = older,
            None => self.newest = older,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order<const N: usize>(recency: &Lru<'_>) -> [u32; N] {
        let mut entries = recency.iter();
        let out = core::array::from_fn(|_| entries.next().unwrap());
        assert!(entries.next().is_none() && recency.len() == N);
        out
    }

    #[test]
    fn a_refreshed_entry_becomes_the_newest() {
        let mut memory = heapless::Vec::<LruLink, 3>::new();
        let mut recency = Lru::new(List::Lent(&mut memory));
        assert_eq!([recency.claim(), recency.claim(), recency.claim()], [Some(0), Some(1), Some(2)]);
        for (refreshed, expected) in [(0, [1, 2, 0]), (2, [1, 0, 2]), (2, [1, 0, 2])] {
            recency.refresh(refreshed);
            assert_eq!(order(&recency), expected);
            assert_eq!(recency.oldest(), Some(expected[0]));
        }
    }

    #[test]
    fn there_are_as_many_entries_as_memory_and_not_one_more() {
        let mut memory = heapless::Vec::<LruLink, 2>::new();
        let mut recency = Lru::new(List::Lent(&mut memory));
        assert!(recency.claim().is_some() && !recency.is_full() && recency.claim().is_some());
        assert!(recency.is_full() && recency.claim().is_none());
        recency.release(0);
        assert_eq!((recency.claim(), recency.capacity()), (Some(0), 2));
        assert_eq!(order(&recency), [1, 0]);
    }

    #[test]
    fn a_free_entry_can_be_neither_refreshed_nor_released() {
        let mut memory = heapless::Vec::<LruLink, 2>::new();
        let mut recency = Lru::new(List::Lent(&mut memory));
        recency.claim();
        for free in [1, 2, NONE] {
            recency.refresh(free);
            recency.release(free);
        }
        recency.release(0);
        recency.release(0);
        assert!(recency.is_empty() && recency.oldest().is_none());
        assert_eq!((recency.claim(), recency.claim(), recency.claim()), (Some(0), Some(1), None));
        assert_eq!((recency.oldest(), recency.newest()), (Some(0), Some(1)));
        recency.clear();
        assert_eq!((recency.len(), recency.oldest(), recency.newest(), recency.claim()), (0, None, None, Some(0)));
    }
}
