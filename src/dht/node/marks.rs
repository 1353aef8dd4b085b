//! One bit for each operation: who has something to do, who waits for what.

/// Most operations at the same time, upkeep included.
pub const MAX_OPERATIONS: usize = 256;

/// A set of numbers below [`MAX_OPERATIONS`].
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Marks([u64; MAX_OPERATIONS / 64]);

impl Marks {
    pub(super) fn insert(&mut self, i: u16) {
        if let Some(word) = self.0.get_mut(usize::from(i) / 64) {
            *word |= 1 << (i % 64);
        }
    }

    pub(super) fn contains(&self, i: u16) -> bool {
        self.0.get(usize::from(i) / 64).is_some_and(|word| word & 1 << (i % 64) != 0)
    }

    pub(super) fn remove(&mut self, i: u16) {
        if let Some(word) = self.0.get_mut(usize::from(i) / 64) {
            *word &= !(1 << (i % 64));
        }
    }

    /// Moves all numbers of `other` here.
    pub(super) fn take_all(&mut self, other: &mut Marks) {
        for (word, other) in self.0.iter_mut().zip(&mut other.0) {
            *word |= core::mem::take(other);
        }
    }

    pub(super) fn first(&self) -> Option<u16> {
        self.0.iter().zip(0u16..).find(|(word, _)| **word != 0).map(|(word, i)| i * 64 + word.trailing_zeros() as u16)
    }
}
