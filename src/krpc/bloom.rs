//! The filters of BEP 33: sets of addresses in 2048 bits, with which a swarm is counted without listing it.
//!
//! An address sets two bits, chosen by its SHA-1. The union of filters is their OR, so filters of many nodes make one
//! of which the number of addresses is estimated from the bits that are still zero: with `c` of `m` zero and `k` = 2
//! bits for each address, `ln(c/m) / (k ln(1 - 1/m))` addresses.
//!
//! The estimate is taken in fixed-point arithmetic, so it is the same on every platform.

use sha1::{Digest, Sha1};

use crate::krpc::endpoint::Endpoint;

/// A set of addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bloom(pub [u8; Bloom::LEN]);

impl Bloom {
    /// Length in bytes.
    pub const LEN: usize = 256;
    /// Number of bits, `m`.
    const BITS: u32 = 8 * Self::LEN as u32;

    /// Adds an address.
    pub fn insert(&mut self, bits: BloomBits) {
        let [a, b, c, d] = bits.0;
        for index in [u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d])] {
            let bit = u32::from(index) % Self::BITS;
            if let Some(byte) = self.0.get_mut((bit / 8) as usize) {
                *byte |= 1 << (bit % 8);
            }
        }
    }

    /// Adds all addresses of `other`.
    pub fn union(&mut self, other: &[u8; Bloom::LEN]) {
        for (mine, theirs) in self.0.iter_mut().zip(other) {
            *mine |= theirs;
        }
    }

    /// The estimated number of addresses, rounded; at most 7,806, which also stands for a full filter.
    pub fn estimate(&self) -> u32 {
        (self.estimate_millis() + 500) / 1000
    }

    /// The estimated number of addresses in thousandths. An empty filter has none (the BEP, which takes at most 2047
    /// zeros, would say half of one).
    pub fn estimate_millis(&self) -> u32 {
        // 1000 ln 2 / (2 * -ln(1 - 1/2048)), with 20 binary digits after the point.
        const MILLIS_PER_DOUBLING: u128 = 744_079_398_790;
        let ones: u32 = self.0.iter().map(|byte| byte.count_ones()).sum();
        let zeros = (Self::BITS - ones).max(1);
        let doublings = u128::from((11 << FRACTION) - log2(zeros));
        ((doublings * MILLIS_PER_DOUBLING) >> (FRACTION + 20)) as u32
    }
}

/// The two bits that an address sets: the front of its SHA-1. Kept where it is asked for often.
#[derive(Clone, Copy, Default, Debug)]
pub struct BloomBits([u8; 4]);

impl BloomBits {
    /// The bits of the address of `endpoint`; its port does not count.
    pub fn of(endpoint: &Endpoint) -> Self {
        let hash: [u8; 20] = Sha1::digest(endpoint.ip_bytes()).into();
        let [a, b, c, d, ..] = hash;
        BloomBits([a, b, c, d])
    }
}

impl Default for Bloom {
    fn default() -> Self {
        Bloom([0; Bloom::LEN])
    }
}

/// Binary digits after the point of [`log2`].
const FRACTION: u32 = 40;

/// The binary logarithm of `n` >= 1, in units of 2^-40: each squaring of the mantissa yields the next digit.
fn log2(n: u32) -> u64 {
    const ONE: u32 = 62;
    let whole = n.ilog2();
    let mut mantissa = u128::from(n) << (ONE - whole);
    let mut log = u64::from(whole);
    for _ in 0..FRACTION {
        mantissa = (mantissa * mantissa) >> ONE;
        let digit = mantissa >> (ONE + 1);
        mantissa >>= digit;
        log = log << 1 | digit as u64;
    }
    log
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The addresses of BEP 33's check: 192.0.2.0 to 192.0.2.255 and 2001:db8:: to 2001:db8::3e7.
    fn bep33() -> (Bloom, Bloom) {
        let (mut v4, mut v6) = (Bloom::default(), Bloom::default());
        for last in 0..=255 {
            v4.insert(BloomBits::of(&Endpoint::v4([192, 0, 2, last], 1)));
        }
        for last in 0..0x3e8u16 {
            let [high, low] = last.to_be_bytes();
            let address = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, high, low];
            v6.insert(BloomBits::of(&Endpoint::v6(address, 1)));
        }
        (v4, v6)
    }

    // K55
    #[test]
    fn the_check_of_bep_33_gives_its_estimate() {
        let (mut both, v6) = bep33();
        both.union(&v6.0);
        assert!(both.estimate_millis().abs_diff(1_224_931) <= 1, "{}", both.estimate_millis());
        assert_eq!(both.estimate(), 1225);
    }

    #[test]
    fn an_address_counts_once_whatever_its_port() {
        let mut bloom = Bloom::default();
        assert_eq!(bloom.estimate(), 0);
        bloom.insert(BloomBits::of(&Endpoint::v4([1, 2, 3, 4], 1)));
        let once = bloom;
        bloom.insert(BloomBits::of(&Endpoint::v4([1, 2, 3, 4], 2)));
        assert_eq!(bloom, once);
        assert_eq!(bloom.estimate(), 1);
    }

    #[test]
    fn a_full_filter_has_the_largest_estimate() {
        let mut bloom = Bloom([0xff; 256]);
        let full = bloom.estimate();
        bloom.0[0] = 0xfe;
        assert_eq!(bloom.estimate(), full);
        bloom.0[0] = 0xfc;
        assert!(bloom.estimate() < full);
        assert_eq!(full, 7806);
    }

    #[test]
    fn the_logarithm_is_exact_at_powers_of_two_and_grows() {
        for power in 0..=11u32 {
            assert_eq!(log2(1 << power), u64::from(power) << FRACTION);
        }
        assert!((1..2048).all(|n| log2(n) < log2(n + 1)));
        // log2(3) = 1.584962500721156..
        assert_eq!((log2(3) * 1_000_000) >> FRACTION, 1_584_962);
    }
}
