//! Recounts that are not made twice of the same.
//!
//! A recount of invariants reads some state, and whether they hold depends on nothing else. So where that state is the
//! same, bit by bit, as when they held last, they still do, and a recount after every drain of a small world costs a
//! look at what changed. There are two ways to know that nothing did:
//!
//! * [`Tracked`] says so of a value that nobody has borrowed to change it: it cannot be changed otherwise;
//! * `Imprint` is a number of all the bits that a recount depends on, where those lie among others that change with
//!   every message. `Recounted` keeps the one with which all held.
//!
//! Builds without debug assertions recount nothing; there a tracked value is the value alone.

use core::ops::{Deref, DerefMut};
#[cfg(any(test, debug_assertions))]
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// A value that tells whether anybody could have changed it since its last recount.
#[derive(Debug)]
pub struct Tracked<T> {
    value: T,
    #[cfg(any(test, debug_assertions))]
    is_recounted: AtomicBool,
}

impl<T> Tracked<T> {
    /// A value that was not recounted yet.
    pub fn new(value: T) -> Self {
        Tracked {
            value,
            #[cfg(any(test, debug_assertions))]
            is_recounted: AtomicBool::new(false),
        }
    }

    /// Recounts it, unless it is the same as at the last time.
    #[cfg(any(test, debug_assertions))]
    pub fn recount(&self, check: impl FnOnce(&T)) {
        recount_together([self.mark()], || check(&self.value));
    }

    /// Whether it is the same as at the last recount.
    #[cfg(any(test, debug_assertions))]
    pub fn mark(&self) -> &AtomicBool {
        &self.is_recounted
    }
}

/// Recounts what depends on several values, unless all of them are the same as at the last time.
#[cfg(any(test, debug_assertions))]
pub fn recount_together<const N: usize>(marks: [&AtomicBool; N], check: impl FnOnce()) {
    if !marks.iter().all(|mark| mark.load(Ordering::Relaxed)) {
        check();
        marks.iter().for_each(|mark| mark.store(true, Ordering::Relaxed));
    }
}

impl<T> Deref for Tracked<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Tracked<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        #[cfg(any(test, debug_assertions))]
        self.is_recounted.store(false, Ordering::Relaxed);
        &mut self.value
    }
}

/// The imprint of what held at the last recount, in halves: not every machine shares words of 64 bits.
#[cfg(any(test, debug_assertions))]
#[derive(Debug, Default)]
pub struct Recounted([AtomicU32; 2]);

#[cfg(any(test, debug_assertions))]
impl Recounted {
    /// Recounts what has this imprint, unless it is that of the last time.
    pub fn recount(&self, imprint: Imprint, check: impl FnOnce()) {
        let halves = [imprint.0 as u32, (imprint.0 >> 32) as u32];
        let [low, high] = &self.0;
        if [low, high].map(|half| half.load(Ordering::Relaxed)) != halves {
            check();
            low.store(halves[0], Ordering::Relaxed);
            high.store(halves[1], Ordering::Relaxed);
        }
    }
}

/// A number of many bits: of two states that differ it is the same once in 2^64 times.
#[cfg(any(test, debug_assertions))]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Imprint(u64);

#[cfg(any(test, debug_assertions))]
impl Imprint {
    /// That of nothing.
    pub const fn new() -> Self {
        Imprint(0x9e37_79b9_7f4a_7c15)
    }

    /// Adds two words for each of so many pairs. The products do not wait for one another.
    #[inline]
    pub fn add<const N: usize>(&mut self, pairs: [(u64, u64); N]) {
        const MIX: u64 = 0xa076_1d64_78bd_642f;
        let mut sum = self.0.rotate_left(29);
        for (a, b) in pairs {
            let product = u128::from(a ^ MIX) * u128::from(b ^ 0xe703_7ed1_a0b4_28db);
            sum = sum.rotate_left(17) ^ product as u64 ^ (product >> 64) as u64;
        }
        self.0 = sum.wrapping_mul(MIX);
    }

    /// Adds somebody's name: an id and an endpoint, and what else there is.
    #[inline]
    pub fn add_name(&mut self, id: &[u8; 20], endpoint: &[u8; 18], rest: [u64; 2]) {
        let word = |bytes: &[u8]| bytes.first_chunk().map_or(0, |word| u64::from_ne_bytes(*word));
        let ends = (word(&id[12..]), word(&endpoint[10..]));
        self.add([(word(&id[..]), word(&id[8..])), (word(&endpoint[..]), word(&endpoint[8..])), ends, rest.into()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::Cell;

    #[test]
    fn only_what_may_have_changed_is_recounted() {
        let (mut tracked, recounts) = (Tracked::new([1, 2, 3]), Cell::new(0));
        let recount = |tracked: &Tracked<[i32; 3]>| tracked.recount(|_| recounts.set(recounts.get() + 1));
        for (step, expected) in [(0, 1), (0, 1), (1, 2), (0, 2), (2, 3)] {
            match step {
                0 => assert_eq!(tracked.len(), 3),
                1 => tracked[0] = 7,
                _ => tracked.reverse(),
            }
            recount(&tracked);
            recount(&tracked);
            assert_eq!(recounts.get(), expected);
        }
    }

    #[test]
    fn what_depends_on_two_is_recounted_when_one_of_them_changes() {
        let (mut one, mut other, recounts) = (Tracked::new(1), Tracked::new(2), Cell::new(0));
        let recount = |one: &Tracked<i32>, other: &Tracked<i32>| {
            recount_together([one.mark(), other.mark()], || recounts.set(recounts.get() + 1));
        };
        recount(&one, &other);
        *one = 3;
        recount(&one, &other);
        *other = 4;
        recount(&one, &other);
        recount(&one, &other);
        assert_eq!((recounts.get(), *one, *other), (3, 3, 4));
    }

    #[test]
    fn what_does_not_hold_is_recounted_until_it_does() {
        let tracked = Tracked::new(1);
        let fails =
            || std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| tracked.recount(|_| panic!()))).is_err();
        assert!(fails() && fails());
    }

    #[test]
    fn each_bit_of_a_name_has_another_imprint() {
        let mut seen = std::collections::BTreeSet::new();
        let mut note = |id: [u8; 20], endpoint: [u8; 18], rest| {
            let mut imprint = Imprint::new();
            imprint.add_name(&id, &endpoint, rest);
            assert!(seen.insert(imprint.0));
            let (recounted, mut recounts) = (Recounted::default(), 0);
            (0..2).for_each(|_| recounted.recount(imprint, || recounts += 1));
            assert_eq!(recounts, 1);
        };
        note([0; 20], [0; 18], [0; 2]);
        note([0; 20], [0; 18], [1, 0]);
        note([0; 20], [0; 18], [0, 1]);
        for bit in 0..160 {
            let mut id = [0; 20];
            id[bit / 8] |= 1 << (bit % 8);
            note(id, [0; 18], [0; 2]);
        }
        for bit in 0..144 {
            let mut endpoint = [0; 18];
            endpoint[bit / 8] |= 1 << (bit % 8);
            note([0; 20], endpoint, [0; 2]);
        }
    }
}
