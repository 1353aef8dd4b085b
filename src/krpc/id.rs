//! 160-bit identifiers, the XOR metric, and ids that are bound to an address (BEP 42).
//!
//! An [`Id`] names a node, an info-hash or a stored item: they share one space, and "close" means a small
//! [`Distance`], the XOR of two ids read as a big-endian number (BEP 5). BEP 42 ties the first 21 bits of a node's
//! id to a CRC32C of its address, so that one address cannot choose where in the space it sits.

use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;

use crate::base::rng::Rng;

/// A 160-bit identifier.
///
/// Exhaustive: it is its twenty bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Id(pub [u8; 20]);

/// The XOR of two ids; ordered as a big-endian number, nearest first.
///
/// Exhaustive: it is its twenty bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Distance(pub [u8; 20]);

impl Id {
    /// Length in bytes.
    pub const LEN: usize = 20;

    /// A uniformly random id.
    pub fn random(rng: &mut Rng) -> Id {
        Id(rng.bytes())
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// The id to which those are nearest that share exactly `bits` bits with this one, in this quarter of theirs,
    /// counted from this id outward.
    #[must_use]
    pub(crate) fn beside(mut self, bits: u8, quarter: u8) -> Id {
        for (bit, turned) in (bits..).zip([true, quarter & 2 != 0, quarter & 1 != 0]) {
            if let Some(byte) = self.0.get_mut(usize::from(bit / 8)).filter(|_| turned) {
                *byte ^= 0x80 >> (bit % 8);
            }
        }
        self
    }

    /// The first 64 bits, big-endian: enough to order ids in almost every comparison.
    #[must_use]
    pub fn prefix(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// The first 32 bits, big-endian.
    pub(crate) fn front(&self) -> u32 {
        (self.prefix() >> 32) as u32
    }

    /// XOR distance.
    #[must_use]
    pub fn distance(&self, other: &Id) -> Distance {
        let mut d = [0; 20];
        for ((d, a), b) in d.iter_mut().zip(self.0).zip(other.0) {
            *d = a ^ b;
        }
        Distance(d)
    }

    /// The number of leading bits that the two ids share, 0 to 160.
    #[must_use]
    pub fn shared_prefix_len(&self, other: &Id) -> u32 {
        self.distance(other).leading_zeros()
    }

    /// Bit `i`, counted from the most significant; false past the end.
    #[must_use]
    pub fn bit(&self, i: u32) -> bool {
        self.0.get((i / 8) as usize).is_some_and(|byte| byte & (0x80 >> (i % 8)) != 0)
    }

    /// A random id that shares exactly `len` leading bits with this one (for `len` >= 160: this id).
    #[must_use]
    pub fn random_in_bucket(&self, len: u32, rng: &mut Rng) -> Id {
        let noise: [u8; 20] = rng.bytes();
        let mut out = *self;
        for (i, (byte, noise)) in out.0.iter_mut().zip(noise).enumerate() {
            let first_bit = 8 * i as u32;
            for b in 0..8u32 {
                let mask = 0x80u8 >> b;
                match (first_bit + b).cmp(&len) {
                    core::cmp::Ordering::Less => {}
                    core::cmp::Ordering::Equal => *byte ^= mask,
                    core::cmp::Ordering::Greater => *byte = (*byte & !mask) | (noise & mask),
                }
            }
        }
        out
    }

    /// A random id that is valid for `ip` under BEP 42; for an exempt address simply a random id.
    pub fn secure(ip: IpAddr, rng: &mut Rng) -> Id {
        let mut id = Id::random(rng);
        if let Some(crc) = bep42_crc(ip, id.0[19]) {
            let [a, b, c, _] = crc.to_be_bytes();
            id.0[0] = a;
            id.0[1] = b;
            id.0[2] = (c & 0xf8) | (id.0[2] & 0x07);
        }
        id
    }

    /// Whether a node at `ip` may carry this id (BEP 42). Exempt addresses may carry any.
    #[must_use]
    pub fn is_secure_for(&self, ip: IpAddr) -> bool {
        match bep42_crc(ip, self.0[19]) {
            None => true,
            Some(crc) => {
                let [a, b, c, _] = crc.to_be_bytes();
                self.0[0] == a && self.0[1] == b && (self.0[2] ^ c) & 0xf8 == 0
            }
        }
    }
}

impl Distance {
    /// Leading zero bits, 0 to 160: the length of the prefix that the two ids share.
    #[must_use]
    pub fn leading_zeros(&self) -> u32 {
        match self.0.iter().position(|&b| b != 0) {
            Some(i) => 8 * i as u32 + self.0[i].leading_zeros(),
            None => 160,
        }
    }
}

impl From<Distance> for Id {
    /// The id at this distance from zero: `a.distance(b)` is the distance, and from `b` it leads back to `a`.
    fn from(distance: Distance) -> Self {
        Id(distance.0)
    }
}

impl From<[u8; 20]> for Id {
    fn from(bytes: [u8; 20]) -> Self {
        Id(bytes)
    }
}

/// Why something is no [`Id`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum IdError {
    /// It has this number of bytes.
    Bytes(usize),
    /// It has this number of bytes, as a text.
    Text(usize),
    /// The byte at this place of a text is no hex digit.
    NotHex(usize),
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IdError::Bytes(count) => write!(f, "an id has 20 bytes, not {count}"),
            IdError::Text(count) => write!(f, "an id has 40 hex digits, not {count}"),
            IdError::NotHex(at) => write!(f, "an id has 40 hex digits, and what stands behind {at} of them is none"),
        }
    }
}

impl core::error::Error for IdError {}

impl TryFrom<&[u8]> for Id {
    type Error = IdError;

    /// The id in exactly twenty bytes.
    fn try_from(bytes: &[u8]) -> Result<Self, IdError> {
        bytes.try_into().map(Id).map_err(|_| IdError::Bytes(bytes.len()))
    }
}

impl FromStr for Id {
    type Err = IdError;

    /// Reads 40 hex digits of either case.
    fn from_str(text: &str) -> Result<Self, IdError> {
        let mut id = Id::default();
        match hex::decode_to_slice(text, &mut id.0) {
            Ok(()) => Ok(id),
            Err(hex::FromHexError::InvalidHexCharacter { index, .. }) => Err(IdError::NotHex(index)),
            Err(_) => Err(IdError::Text(text.len())),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

const CRC32C: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI);

/// The checksum of BEP 42 for `ip` and the last byte of an id, or `None` for an exempt address.
fn bep42_crc(ip: IpAddr, last: u8) -> Option<u32> {
    let r = last & 0x07;
    match ip {
        IpAddr::V4(v4) => {
            if v4.is_private() || v4.is_link_local() || v4.is_loopback() {
                return None;
            }
            let masked = u32::from(v4) & 0x030f_3fff | u32::from(r) << 29;
            Some(CRC32C.checksum(&masked.to_be_bytes()))
        }
        IpAddr::V6(v6) => {
            if v6.is_loopback() || v6.is_unicast_link_local() || v6.is_unique_local() {
                return None;
            }
            let high = (u128::from(v6) >> 64) as u64;
            let masked = high & 0x0103_070f_1f3f_7fff | u64::from(r) << 61;
            Some(CRC32C.checksum(&masked.to_be_bytes()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_prefixes_are_counted_in_bits() {
        let a = Id([0; 20]);
        assert_eq!(a.shared_prefix_len(&a), 160);
        let mut b = a;
        b.0[2] = 0x10;
        assert_eq!(a.shared_prefix_len(&b), 19);
        assert!(b.bit(19) && !b.bit(18) && !b.bit(500));
    }

    #[test]
    fn an_id_is_read_from_the_text_that_it_is_written_as() {
        let id = Id(*b"abcdefghij0123456789");
        assert_eq!(std::format!("{id}").parse(), Ok(id));
        for bad in ["", "61", "6162636465666768696a3031323334353637383g", "6162636465666768696a30313233343536373839ff"]
        {
            assert!(bad.parse::<Id>().is_err(), "{bad}");
        }
        assert_eq!("61".parse::<Id>(), Err(IdError::Text(2)));
        assert_eq!("6162636465666768696a3031323334353637383g".parse::<Id>(), Err(IdError::NotHex(39)));
    }

    #[test]
    fn twenty_bytes_are_an_id() {
        assert_eq!(Id::try_from(&b"abcdefghij0123456789"[..]), Ok(Id(*b"abcdefghij0123456789")));
        assert_eq!(Id::try_from(&[0u8; 21][..]), Err(IdError::Bytes(21)));
    }

    #[test]
    fn a_random_id_of_a_bucket_is_in_that_bucket() {
        let mut rng = Rng::from_seed([3; 32]);
        let own = Id::random(&mut rng);
        for len in 0..160 {
            assert_eq!(own.random_in_bucket(len, &mut rng).shared_prefix_len(&own), len);
        }
        assert_eq!(own.random_in_bucket(160, &mut rng), own);
    }

    #[test]
    fn secure_ids_are_valid_for_their_address_only() {
        let mut rng = Rng::from_seed([4; 32]);
        for ip in ["124.31.75.21", "2001:db8:85a3::7334", "8.8.8.8"] {
            let ip: IpAddr = ip.parse().unwrap();
            let mut id = Id::secure(ip, &mut rng);
            assert!(id.is_secure_for(ip));
            id.0[0] ^= 0x80;
            assert!(!id.is_secure_for(ip));
        }
    }

    /// The BEP's own listing, byte by byte: mask the address, put the last byte's three bits on top, take the checksum.
    fn front_by_the_bep(octets: &mut [u8], mask: &[u8], last: u8) -> [u8; 3] {
        octets.iter_mut().zip(mask).for_each(|(octet, mask)| *octet &= mask);
        octets[0] |= (last & 7) << 5;
        let crc = octets[..mask.len()].iter().fold(!0u32, |crc, &octet| {
            (0..8).fold(crc ^ u32::from(octet), |crc, _| crc >> 1 ^ (0x82f6_3b78 * (crc & 1)))
        });
        let [a, b, c, _] = (!crc).to_be_bytes();
        [a, b, c & 0xf8]
    }

    #[test]
    fn secure_ids_of_both_families_are_those_of_the_bep() {
        for last in [0, 1, 2, 3, 4, 5, 6, 7, 0x58, 0xff] {
            for ip in ["124.31.75.21", "255.255.255.255", "2001:db8:85a3:1234::7334", "ffff:ffff:ffff:ffff::", "2a00::"]
            {
                let ip: IpAddr = ip.parse().unwrap();
                let front = match ip {
                    IpAddr::V4(v4) => front_by_the_bep(&mut v4.octets(), &[0x03, 0x0f, 0x3f, 0xff], last),
                    IpAddr::V6(v6) => {
                        let mask = [0x01, 0x03, 0x07, 0x0f, 0x1f, 0x3f, 0x7f, 0xff];
                        front_by_the_bep(&mut v6.octets(), &mask, last)
                    }
                };
                let mut id = Id([0x33; 20]);
                (id.0[0], id.0[1], id.0[2], id.0[19]) = (front[0], front[1], front[2] | 5, last);
                assert!(id.is_secure_for(ip), "{ip}, {last}");
                id.0[19] = last ^ 1;
                assert!(!id.is_secure_for(ip), "{ip}, {last} and another last byte");
            }
        }
    }

    #[test]
    fn exempt_addresses_may_carry_any_id() {
        for ip in ["10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.0.1", "127.0.0.1", "::1", "fe80::1", "fd00::1"] {
            assert!(Id([0x5a; 20]).is_secure_for(ip.parse().unwrap()), "{ip}");
        }
    }
}
