//! Other addresses in the place of real ones, such that a node does the same with them.
//!
//! The same address becomes the same other one, two addresses share as long a prefix after as before, and each stays in
//! the range that it is in: private, loopback, link-local or public. So whatever is counted for a network is counted
//! for as many. Of each bit it depends on the key and on the bits before it whether it is turned over (Xu, Fan, Ammar,
//! Moon, "Prefix-preserving IP address anonymization", 2002); the first one that may be is.
//!
//! On the public network those bits stay as they are that an id of BEP 42 tells: the ids stay, since the targets of
//! items are hashes, and the distances to them decide what a node does.

use std::hash::Hasher;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use honeyguide::Endpoint;
use siphasher::sip::SipHasher13;

/// First address and length of each range whose addresses mean something else than those beside it.
const RANGES_V4: [([u8; 4], usize); 8] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 168, 0, 0], 16),
    ([224, 0, 0, 0], 3),
];
const RANGES_V6: [([u8; 16], usize); 7] = [
    ([0; 16], 96),
    ([0; 16], 128),
    ([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 128),
    ([0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 3),
    ([0xfc, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 7),
    ([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 10),
    ([0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 8),
];

/// The bits that an id tells of its address (BEP 42).
const TOLD_V4: [u8; 4] = [0x03, 0x0f, 0x3f, 0xff];
const TOLD_V6: [u8; 8] = [0x01, 0x03, 0x07, 0x0f, 0x1f, 0x3f, 0x7f, 0xff];

/// Ports that mean the same, and have as many digits: in a message they take the same place.
const PORTS: [(u16, u16); 6] = [(1, 9), (10, 99), (100, 999), (1000, 1023), (1024, 9999), (10_000, 65_535)];

pub struct Addresses {
    key: [u8; 16],
    is_public: bool,
    /// What each port becomes.
    ports: Vec<u16>,
}

impl Addresses {
    pub fn new(key: [u8; 16], is_public: bool) -> Addresses {
        Addresses { key, is_public, ports: ports(&key) }
    }

    pub fn endpoint(&self, real: Endpoint) -> Endpoint {
        let mut ip = real.ip_bytes().to_vec();
        self.turn(&mut ip);
        let ip = match <[u8; 4]>::try_from(ip.as_slice()) {
            Ok(v4) => IpAddr::V4(Ipv4Addr::from(v4)),
            Err(_) => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(ip.as_slice()).unwrap_or_default())),
        };
        std::net::SocketAddr::new(ip, self.port(real.port())).into()
    }

    /// An address of 4 or 16 bytes.
    pub fn turn(&self, ip: &mut [u8]) {
        let real = ip.to_vec();
        let mut is_first = true;
        for i in 0..real.len() * 8 {
            if self.is_told(real.len(), i) || !is_one_range(&real, i) {
                continue;
            }
            if std::mem::take(&mut is_first) || self.is_turned(&real, i) {
                ip[i / 8] ^= 0x80 >> (i % 8);
            }
        }
    }

    pub fn port(&self, real: u16) -> u16 {
        self.ports[usize::from(real)]
    }

    fn is_told(&self, len: usize, i: usize) -> bool {
        let told: &[u8] = if len == 4 { &TOLD_V4 } else { &TOLD_V6 };
        self.is_public && told.get(i / 8).is_some_and(|byte| byte & (0x80 >> (i % 8)) != 0)
    }

    fn is_turned(&self, real: &[u8], i: usize) -> bool {
        let mut hash = SipHasher13::new_with_key(&self.key);
        hash.write(&[real.len() as u8, i as u8]);
        hash.write(&real[..i / 8]);
        hash.write(&[real[i / 8] & !(0xff >> (i % 8))]);
        hash.finish() & 1 == 1
    }
}

/// The ports of each range stand in a circle whose order depends on the key, and each becomes the one behind it: so
/// none stays, and one that is known tells of no other.
fn ports(key: &[u8; 16]) -> Vec<u16> {
    let mut ports: Vec<u16> = (0..=u16::MAX).collect();
    for (first, last) in PORTS {
        let mut circle: Vec<u16> = (first..=last).collect();
        circle.sort_by_cached_key(|port| {
            let mut hash = SipHasher13::new_with_key(key);
            hash.write(&port.to_be_bytes());
            (hash.finish(), *port)
        });
        for (port, next) in circle.iter().zip(circle.iter().cycle().skip(1)) {
            ports[usize::from(*port)] = *next;
        }
    }
    ports
}

/// Whether no range begins or ends among the addresses that have the first `i` bits of this one.
fn is_one_range(real: &[u8], i: usize) -> bool {
    let is_within = |first: &[u8], len: usize| len > i && has_prefix(real, first, i);
    match real.len() {
        4 => !RANGES_V4.iter().any(|(first, len)| is_within(first, *len)),
        _ => !RANGES_V6.iter().any(|(first, len)| is_within(first, *len)),
    }
}

fn has_prefix(a: &[u8], b: &[u8], bits: usize) -> bool {
    let (whole, rest) = (bits / 8, bits % 8);
    a[..whole] == b[..whole] && (rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use honeyguide::Id;
    use honeyguide::base::Rng;
    use honeyguide::dht::Network;

    fn shared(a: &Endpoint, b: &Endpoint) -> usize {
        let bits = a.ip_bytes().len() * 8;
        (0..=bits).rfind(|i| has_prefix(a.ip_bytes(), b.ip_bytes(), *i)).unwrap()
    }

    /// Rule J11. Whoever has the program and no key cannot turn an address back.
    #[test]
    fn what_an_address_becomes_depends_on_the_key() {
        let real = Endpoint::v4([93, 184, 216, 34], 6881);
        let turned: std::collections::BTreeSet<_> =
            (0..32).map(|key| Addresses::new([key; 16], false).endpoint(real).ip_bytes().to_vec()).collect();
        assert!(turned.len() > 30, "{} of 32 keys make a difference", turned.len());
    }

    #[test]
    fn prefixes_ranges_and_families_stay_and_no_address_does() {
        let mut rng = Rng::from_seed([1; 32]);
        for is_public in [false, true] {
            let addresses = Addresses::new(rng.bytes(), is_public);
            let mut v4 = |first: [u8; 2]| {
                let [a, b] = rng.bytes();
                Endpoint::v4([first[0], first[1], a, b], 6881)
            };
            let firsts = [[127, 0], [10, 1], [192, 168], [172, 20], [8, 8], [9, 0], [45, 3], [45, 9], [1, 1], [223, 5]];
            let mut all: Vec<_> = firsts.into_iter().flat_map(|first| [v4(first), v4(first), v4(first)]).collect();
            for first in [0x20, 0x26, 0xfd, 0xfe] {
                let mut ip: [u8; 16] = rng.bytes();
                (ip[0], ip[1]) = (first, if first == 0xfe { 0x80 } else { ip[1] });
                all.push(Endpoint::v6(ip, 6881));
                ip[15] ^= 1;
                all.push(Endpoint::v6(ip, 6881));
            }
            for a in &all {
                let other = addresses.endpoint(*a);
                assert!(!other.same_ip(a) && other.family() == a.family() && other.port() != 6881, "{a} {other}");
                assert_eq!(other.is_usable(Network::Public), a.is_usable(Network::Public), "{a} {other}");
                for b in all.iter().filter(|b| b.family() == a.family()) {
                    assert_eq!(shared(a, b), shared(&other, &addresses.endpoint(*b)), "{a} {b}");
                }
                let id = Id::secure(a.ip(), &mut rng);
                assert!(!is_public || id.is_secure_for(other.ip()), "{a} {other}");
            }
        }
    }

    #[test]
    fn ports_stay_among_their_like_and_stay_apart() {
        let addresses = Addresses::new([7; 16], false);
        let mut seen = vec![false; 1 << 16];
        for port in 0..=u16::MAX {
            let other = addresses.port(port);
            assert!(!std::mem::replace(&mut seen[usize::from(other)], true));
            assert!((other != port || port == 0) && other.to_string().len() == port.to_string().len());
            assert_eq!(other < 1024, port < 1024);
        }
        assert!(!seen.contains(&false), "each port is another's");
    }

    /// Rule J11. Whoever knows one port of the original knows no other by it.
    #[test]
    fn ports_of_one_range_are_not_moved_by_the_same_amount() {
        let addresses = [Addresses::new([7; 16], false), Addresses::new([8; 16], false)];
        for (first, last) in PORTS {
            let moved = |addresses: &Addresses, port| i32::from(addresses.port(port)) - i32::from(port);
            let amounts = (first..=last).map(|port| moved(&addresses[0], port));
            let distinct = amounts.collect::<std::collections::BTreeSet<_>>().len();
            assert!(distinct * 3 > usize::from(last - first), "{first} to {last}: {distinct}");
            let is_other = |port: u16| addresses[0].port(port) != addresses[1].port(port);
            assert!((first..=last).any(is_other), "{first} to {last}: the key decides");
        }
    }

    #[test]
    fn what_no_datagram_reaches_stays_as_it_is() {
        let addresses = Addresses::new([7; 16], false);
        for text in ["[::]:1", "[::1]:1"] {
            let real: Endpoint = text.parse().unwrap();
            assert!(addresses.endpoint(real).same_ip(&real), "there is no other of its kind");
        }
    }
}
