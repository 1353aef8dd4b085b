//! Deterministic random numbers: one ChaCha8 stream for each machine.
//!
//! Transaction ids and write tokens are security-relevant, so the generator is a cryptographic one; and a
//! run has to replay exactly, so it is never reseeded and never asks the platform.

use core::fmt;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng};

/// A deterministic random stream: the same seed gives the same values on every platform.
#[derive(Clone)]
pub struct Rng(ChaCha8Rng);

impl fmt::Debug for Rng {
    /// Not the state: all secrets of a machine come out of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rng").finish_non_exhaustive()
    }
}

impl Rng {
    /// Starts the stream of `rng_seed`.
    #[must_use]
    pub fn from_seed(rng_seed: [u8; 32]) -> Self {
        Rng(ChaCha8Rng::from_seed(rng_seed))
    }

    /// The next 32 bits.
    pub fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A value in `0..bound`; 0 when `bound` is 0. The bias is below `bound / 2^32`.
    pub fn below(&mut self, bound: u32) -> u32 {
        ((u64::from(self.next_u32()) * u64::from(bound)) >> 32) as u32
    }

    /// Fills `out`.
    pub fn fill(&mut self, out: &mut [u8]) {
        self.0.fill_bytes(out);
    }

    /// `N` random bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        self.fill(&mut out);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_stream() {
        let (mut a, mut b) = (Rng::from_seed([7; 32]), Rng::from_seed([7; 32]));
        assert_eq!(a.bytes::<64>(), b.bytes::<64>());
        assert_ne!(Rng::from_seed([8; 32]).bytes::<64>(), Rng::from_seed([7; 32]).bytes::<64>());
    }

    #[test]
    fn below_stays_below() {
        let mut rng = Rng::from_seed([1; 32]);
        assert_eq!(rng.below(0), 0);
        assert!((0..1000).all(|_| rng.below(3) < 3));
    }
}
