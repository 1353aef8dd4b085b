//! A set of small numbers, one bit for each.

/// A set of numbers below [`BitSet::CAPACITY`].
#[derive(Clone, Copy, Default, Debug)]
pub struct BitSet([u64; BitSet::CAPACITY / 64]);

impl BitSet {
    /// Numbers that it can hold: `0..CAPACITY`. Others are never in it.
    pub const CAPACITY: usize = 256;

    /// Adds a number.
    pub fn insert(&mut self, i: u16) {
        if let Some(word) = self.0.get_mut(usize::from(i) / 64) {
            *word |= 1 << (i % 64);
        }
    }

    /// Whether a number is in it.
    pub fn contains(&self, i: u16) -> bool {
        self.0.get(usize::from(i) / 64).is_some_and(|word| word & 1 << (i % 64) != 0)
    }

    /// Takes a number out.
    pub fn remove(&mut self, i: u16) {
        if let Some(word) = self.0.get_mut(usize::from(i) / 64) {
            *word &= !(1 << (i % 64));
        }
    }

    /// Moves all numbers of `other` here.
    pub fn take_all(&mut self, other: &mut BitSet) {
        for (word, other) in self.0.iter_mut().zip(&mut other.0) {
            *word |= core::mem::take(other);
        }
    }

    /// The smallest number in it.
    pub fn first(&self) -> Option<u16> {
        // It is empty more often than not, and then one test says so.
        if self.0.iter().fold(0, |all, word| all | word) == 0 {
            return None;
        }
        self.0.iter().zip(0u16..).find(|(word, _)| **word != 0).map(|(word, i)| i * 64 + word.trailing_zeros() as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_past_the_last_are_never_in_it() {
        let mut set = BitSet::default();
        for number in [0, 63, 64, 255, 256, u16::MAX] {
            set.insert(number);
            assert_eq!(set.contains(number), number < 256);
            set.remove(number);
            assert_eq!(set.first(), None);
        }
    }

    #[test]
    fn the_smallest_comes_first_and_a_set_that_was_moved_is_empty() {
        let (mut a, mut b) = (BitSet::default(), BitSet::default());
        a.insert(200);
        b.insert(65);
        a.take_all(&mut b);
        assert_eq!((a.first(), b.first()), (Some(65), None));
    }
}
