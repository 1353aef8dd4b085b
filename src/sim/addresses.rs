//! Addresses and networks as they are sold: to a household one of IPv4 and a /64 or /56 of IPv6, to a server a /64 or a
//! /48, and to whoever wants many a /24.

use crate::base::rng::Rng;
use crate::krpc::endpoint::{Endpoint, Family};

/// First bytes of IPv4 of which no part is set aside for something else than hosts of the Internet.
const FIRST: [u8; 16] = [5, 24, 31, 46, 62, 77, 80, 91, 109, 126, 151, 176, 186, 195, 201, 217];
/// Lowest port that a host has.
const LEAST_PORT: u16 = 1024;

/// Networks of which parts are sold: each a /48.
const PROVIDERS: u32 = 4_096;
const DATA_CENTRES: u32 = 1_024;

/// A network that somebody has bought.
///
/// Exhaustive: a prefix is bits and how many of them count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prefix {
    /// The first address in it, with port 0.
    pub first: Endpoint,
    /// Bits that all addresses in it share: of 32 for IPv4, of 128 for IPv6.
    pub bits: u32,
}

/// An address of some household or server, with a port.
#[must_use]
pub fn random_endpoint(family: Family, rng: &mut Rng) -> Endpoint {
    let bits = match family {
        Family::V4 => 24,
        Family::V6 => 48,
    };
    Prefix::random(family, bits, rng).endpoint(rng)
}

/// An address of somebody who has what is sold to most: of IPv6 half have a /56, which lies in one of so many /48 of
/// their providers, a quarter a /64 in one of so many data centres, and a quarter a /48 of their own.
pub(super) fn sold_endpoint(family: Family, rng: &mut Rng) -> Endpoint {
    if family == Family::V4 {
        return random_endpoint(family, rng);
    }
    let (kind, many, bits) = match rng.below(4) {
        0 => return random_endpoint(family, rng),
        1 => (1, DATA_CENTRES, 64),
        _ => (2, PROVIDERS, 56),
    };
    let mut seed = [kind; 32];
    seed[..4].copy_from_slice(&rng.below(many).to_le_bytes());
    // The same /48 each time.
    let shared = Prefix::random(family, 48, &mut Rng::from_seed(seed));
    let sold = Prefix { first: shared.endpoint(rng), bits };
    sold.endpoint(rng)
}

impl Prefix {
    /// Some network of this size.
    #[must_use]
    pub fn random(family: Family, bits: u32, rng: &mut Rng) -> Self {
        let first = match family {
            Family::V4 => {
                let mut ip: [u8; 4] = rng.bytes();
                ip[0] = FIRST[rng.below(FIRST.len() as u32) as usize];
                clear(&mut ip, bits);
                Endpoint::v4(ip, 0)
            }
            Family::V6 => {
                let mut ip: [u8; 16] = rng.bytes();
                // Global unicast, apart from 2001::/16 and 2002::/16, of which parts mean something else.
                (ip[0], ip[1]) = (0x2a, ip[1] & 0x0f);
                clear(&mut ip, bits);
                Endpoint::v6(ip, 0)
            }
        };
        Prefix { first, bits }
    }

    /// Whether an address lies in it.
    #[must_use]
    pub fn contains(&self, endpoint: &Endpoint) -> bool {
        let (own, other) = (self.first.ip_bytes(), endpoint.ip_bytes());
        own.len() == other.len() && (0..own.len()).all(|i| (own[i] ^ other[i]) & kept(i, self.bits) == 0)
    }

    /// An address in it, with a port: of a /24 and larger ones of IPv4 never one that ends with 0 or 255.
    #[must_use]
    pub fn endpoint(&self, rng: &mut Rng) -> Endpoint {
        let port = LEAST_PORT + rng.below(u32::from(u16::MAX - LEAST_PORT)) as u16;
        match self.first.ip_bytes() {
            &[a, b, c, d] => {
                let mut drawn: [u8; 4] = rng.bytes();
                if self.bits <= 24 {
                    drawn[3] = 1 + rng.below(254) as u8;
                }
                Endpoint::v4(keep([a, b, c, d], drawn, self.bits), port)
            }
            first => {
                let mut ip = [0; 16];
                ip.copy_from_slice(first);
                Endpoint::v6(keep(ip, rng.bytes(), self.bits), port)
            }
        }
    }
}

/// The bits behind so many are zero.
fn clear(ip: &mut [u8], bits: u32) {
    for (i, byte) in ip.iter_mut().enumerate() {
        *byte &= kept(i, bits);
    }
}

/// So many bits of one, and the rest of another.
fn keep<const N: usize>(first: [u8; N], rest: [u8; N], bits: u32) -> [u8; N] {
    core::array::from_fn(|i| (first[i] & kept(i, bits)) | (rest[i] & !kept(i, bits)))
}

/// Which bits of a byte are among the first so many of an address.
fn kept(byte: usize, bits: u32) -> u8 {
    let many = bits.saturating_sub(8 * byte as u32).min(8);
    (0xff00_u16 >> many) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::krpc::endpoint::Network;

    #[test]
    fn every_address_is_one_that_can_be_sent_to_and_lies_in_its_network() {
        let mut rng = Rng::from_seed([6; 32]);
        for (family, bits) in [
            (Family::V4, 24),
            (Family::V4, 32),
            (Family::V4, 20),
            (Family::V6, 48),
            (Family::V6, 56),
            (Family::V6, 64),
            (Family::V6, 128),
        ] {
            for _ in 0..200 {
                let prefix = Prefix::random(family, bits, &mut rng);
                let (one, first) = (prefix.endpoint(&mut rng), prefix.first);
                assert!(one.is_usable(Network::Public) && one.port() >= LEAST_PORT, "{one}");
                assert!(prefix.contains(&one) && !prefix.contains(&Endpoint::v4([1, 1, 1, 1], 1)));
                let shared: u32 = shared(one.ip_bytes(), first.ip_bytes());
                assert!(shared >= bits.min(if family == Family::V4 { 24 } else { 128 }), "{one} {first} {bits}");
            }
        }
    }

    #[test]
    fn of_ipv6_some_share_a_48_with_others_and_few_a_smaller_one() {
        let mut rng = Rng::from_seed([7; 32]);
        let all: alloc::vec::Vec<_> = (0..20_000).map(|_| sold_endpoint(Family::V6, &mut rng)).collect();
        assert!(all.iter().all(|one| one.is_usable(Network::Public) && one.port() >= LEAST_PORT));
        let networks = |bytes: usize| {
            let first = all.iter().map(|one| one.ip_bytes()[..bytes].to_vec());
            first.collect::<alloc::collections::BTreeSet<_>>().len()
        };
        // A quarter have one each, and 10,000 and 5,000 are dealt out among those that are shared.
        let [of_48, of_56, of_64] = [6, 7, 8].map(networks);
        assert!((9_300..9_900).contains(&of_48), "{of_48}");
        assert!(of_56 > 19_000 && of_56 < of_64 && of_64 > 19_900, "{of_56} {of_64}");
        let same = |family| {
            let mut rngs = [8, 8].map(|seed| Rng::from_seed([seed; 32]));
            sold_endpoint(family, &mut rngs[0]) == random_endpoint(family, &mut rngs[1])
        };
        assert!(same(Family::V4), "of IPv4 all have a /24 of their own");
    }

    fn shared(a: &[u8], b: &[u8]) -> u32 {
        let differ = a.iter().zip(b).position(|(a, b)| a != b).unwrap_or(a.len());
        8 * differ as u32 + a.get(differ).zip(b.get(differ)).map_or(0, |(a, b)| (a ^ b).leading_zeros())
    }
}
