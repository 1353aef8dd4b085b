//! How a lookup counts the nodes around its target.
//!
//! Whoever is asked about the target names the eight nearest to it, again and again, and those behind them are never
//! told. So a lookup that counts asks about one part of the surroundings after the other, once it knows how large they
//! are; and because many of those that are named are dead, it asks those first of whom it knows that they live, and
//! who are near enough to know everybody there.

use crate::krpc::id::{Distance, Id};

/// The k-th nearest node shares so many bits more with a target than all that is asked about.
const AROUND: u32 = 2;
/// Bits by which the parts of the surroundings differ.
const PART_BITS: u32 = 5;
/// Nodes that are asked a second time.
const AGAIN: u8 = 16;

/// What a lookup that counts asks about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sounding {
    /// Leading bits of the target that all its surroundings share, once they are known.
    shared: Option<u8>,
    /// The part that is asked about next, of so many.
    part: u8,
    parts: u8,
    /// Nodes that were asked a second time.
    again: u8,
}

impl Sounding {
    /// It looks for its target first.
    pub(super) const fn new() -> Self {
        Sounding { shared: None, part: 0, parts: 1, again: 0 }
    }

    /// Whether it has found its target, and counts.
    pub(super) fn counts(&self) -> bool {
        self.shared.is_some()
    }

    /// From now on it counts: four times as far as the k-th nearest is. There are four times as many nodes, and one
    /// or two in each part.
    pub(super) fn begin_to_count(&mut self, kth: &Distance) {
        let distance = Id(kth.0).prefix();
        let shared = distance.leading_zeros();
        self.shared = u8::try_from(shared.saturating_sub(AROUND)).ok();
        // Eighths of the next larger power of two, of which a part is one.
        let eighths = distance.checked_shl(shared).unwrap_or_default() >> (u64::BITS - 3);
        self.parts = 4 * (eighths as u8 + 1);
        if shared < AROUND {
            // They are all there are, or nearly.
            self.again = AGAIN;
        }
    }

    /// Which of the nearest that have answered is to be asked again.
    pub(super) fn again(&self) -> Option<usize> {
        (self.counts() && self.again < AGAIN).then_some(self.again.into())
    }

    /// About whom a node is asked now.
    pub(super) fn about(&self, target: &Id) -> Id {
        let mut about = *target;
        let Some(shared) = self.shared else { return about };
        for bit in 0..PART_BITS {
            let place = usize::from(shared) + bit as usize;
            let is_other = self.part >> (PART_BITS - 1 - bit) & 1 == 1;
            if let Some(byte) = about.0.get_mut(place / 8).filter(|_| is_other) {
                *byte ^= 0x80 >> (place % 8);
            }
        }
        about
    }

    /// A node is asked: the next one about the next part, the nearest part first.
    pub(super) fn on_asked(&mut self, again: bool) {
        if self.counts() {
            self.part = (self.part + 1) % self.parts;
            self.again = self.again.saturating_add(u8::from(again));
        }
    }

    /// It was not asked after all: its part has its turn again.
    pub(super) fn on_not_asked(&mut self, again: bool) {
        if self.counts() {
            self.part = (self.part + self.parts - 1) % self.parts;
            self.again = self.again.saturating_sub(u8::from(again));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What it asks about after the k-th nearest was found at this distance, in units of 2^-64.
    fn asked(distance: u64, queries: usize) -> std::vec::Vec<u64> {
        let mut sounding = Sounding::new();
        let mut kth = [0xff; 20];
        kth[..8].copy_from_slice(&distance.to_be_bytes());
        sounding.begin_to_count(&Distance(kth));
        let target = Id([0; 20]);
        let mut next = || {
            sounding.on_asked(false);
            sounding.about(&target).prefix()
        };
        (0..queries).map(|_| next()).collect()
    }

    #[test]
    fn it_asks_about_its_target_until_it_has_found_it() {
        let mut sounding = Sounding::new();
        sounding.on_asked(false);
        assert_eq!((sounding.about(&Id([7; 20])), sounding.again()), (Id([7; 20]), None));
    }

    #[test]
    fn parts_follow_one_another_as_far_as_four_times_the_kth() {
        for (distance, parts) in [(0x80 << 32, 20), (0x9f << 32, 20), (0xff << 32, 32)] {
            let part = 0x20 << 32;
            let all: std::vec::Vec<u64> = (1..=parts).map(|i| i % parts * part).collect();
            assert_eq!(asked(distance, parts as usize), all, "{distance:x}");
            assert!((4 * distance..=5 * distance).contains(&(parts * part)));
        }
    }

    #[test]
    fn no_distance_is_too_small_or_too_large() {
        for distance in [0, 1, 7, u64::MAX] {
            assert_eq!(asked(distance, 100).len(), 100);
        }
    }

    #[test]
    fn sixteen_nodes_are_asked_again() {
        let mut sounding = Sounding::new();
        sounding.begin_to_count(&Distance([1; 20]));
        for nth in 0..16 {
            assert_eq!(sounding.again(), Some(nth));
            sounding.on_asked(true);
            sounding.on_asked(false);
        }
        assert_eq!(sounding.again(), None);
    }

    #[test]
    fn what_could_not_be_asked_has_its_turn_again() {
        let mut sounding = Sounding::new();
        sounding.begin_to_count(&Distance([1; 20]));
        for again in [false, true].repeat(20) {
            let before = (sounding.about(&Id([0; 20])), sounding.again());
            sounding.on_asked(again);
            sounding.on_not_asked(again);
            assert_eq!((sounding.about(&Id([0; 20])), sounding.again()), before);
            sounding.on_asked(again);
        }
    }
}
