//! The networks that an address lies in, and how many of one network there may be.
//!
//! Whoever has bought a network has all addresses in it, so rules count networks. IPv4 is sold by the /24. Of IPv6 one
//! customer has a /64, another a /56 and another a /48, and nobody can see which: so all three are counted, each with a
//! quota of its own. That of the largest is one and a half times that of the smallest: a /48 costs its owner no more
//! than a /64, but in some of them many customers have a /64 each.

use crate::krpc::endpoint::Endpoint;

/// Sizes in which IPv6 is sold: /64, /56, /48.
pub const SIZES: usize = 3;

/// The networks of an address, of every size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Networks(u64);

impl Networks {
    /// Those that an endpoint lies in.
    pub fn of(endpoint: &Endpoint) -> Self {
        Networks(endpoint.network())
    }

    /// Those that a smallest one lies in.
    pub fn of_smallest(network: u64) -> Self {
        Networks(network)
    }

    /// The smallest one: the /24 or the /64.
    #[inline]
    pub fn smallest(self) -> u64 {
        self.0
    }

    /// The largest one: the /24, or the /48 as the first /64 in it.
    #[inline]
    pub fn largest(self) -> u64 {
        if self.is_v4() { self.0 } else { self.0 & !0xffff }
    }

    /// Whether it is a /24, so that there is only one size.
    #[inline]
    pub fn is_v4(self) -> bool {
        self.0 >> 32 == u64::from(u32::MAX)
    }

    /// How many of its sizes both lie in: all or none of IPv4.
    #[inline]
    pub fn shared_with(self, other: Networks) -> usize {
        match self.0 ^ other.0 {
            0 => SIZES,
            _ if self.is_v4() => 0,
            0x1..=0xff => 2,
            0x100..=0xffff => 1,
            _ => 0,
        }
    }

    /// The first and the last of the smallest networks in the one of each size, smallest first.
    pub fn ranges(self) -> [(u64, u64); SIZES] {
        [0, 0xff, 0xffff].map(|rest| if self.is_v4() { (self.0, self.0) } else { (self.0 & !rest, self.0 | rest) })
    }
}

/// How many there are in the networks of an address, of each size.
#[derive(Clone, Copy, Default, Debug)]
pub struct Neighbours([usize; SIZES]);

impl Neighbours {
    /// One more, with which so many sizes are shared.
    pub fn add(&mut self, shared: usize) {
        let sizes = self.0.iter_mut().rev().take(shared);
        sizes.for_each(|count| *count += 1);
    }

    /// Whether one more would be too many, in a network of any size, where so many of a /24 or a /64 may be.
    pub fn is_full(&self, quota: usize) -> bool {
        self.0.iter().zip(quotas(quota)).any(|(count, most)| *count >= most)
    }

    /// Whether there are too many already.
    pub fn is_over(&self, quota: usize) -> bool {
        self.0.iter().zip(quotas(quota)).any(|(count, most)| *count > most)
    }
}

/// How many may be of each size where so many of a /24 or a /64 may be: half as many more of a /48.
pub fn quotas(quota: usize) -> [usize; SIZES] {
    [quota, quota.saturating_add(quota / 4), quota.saturating_add(quota / 2)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(text: &str) -> Networks {
        Networks::of(&text.parse::<Endpoint>().unwrap())
    }

    #[test]
    fn addresses_share_the_networks_that_both_lie_in() {
        let home = networks("[2001:db8:7:1234::1]:1");
        for (other, shared) in [
            ("[2001:db8:7:1234:ffff::9]:2", 3),
            ("[2001:db8:7:12ff::1]:1", 2),
            ("[2001:db8:7:ff34::1]:1", 1),
            ("[2001:db8:8:1234::1]:1", 0),
            ("1.2.3.4:1", 0),
        ] {
            let other = networks(other);
            assert_eq!((home.shared_with(other), other.shared_with(home)), (shared, shared), "{other:?}");
            assert_eq!(home.largest() == other.largest(), shared > 0);
            let is_in = |(first, last): (u64, u64)| (first..=last).contains(&other.smallest());
            assert_eq!(home.ranges().map(is_in), [shared > 2, shared > 1, shared > 0]);
        }
        let home = networks("1.2.3.4:5");
        for (other, shared) in [("1.2.3.99:6", 3), ("1.2.4.4:5", 0), ("1.3.3.4:5", 0)] {
            assert_eq!(home.shared_with(networks(other)), shared);
            assert_eq!(home.largest() == networks(other).largest(), shared > 0);
        }
        assert_eq!(home.ranges(), [(home.smallest(), home.smallest()); 3]);
    }

    #[test]
    fn a_larger_network_has_a_larger_quota_and_each_of_its_own() {
        assert_eq!([quotas(1), quotas(2), quotas(10)], [[1, 1, 1], [2, 2, 3], [10, 12, 15]]);
        assert_eq!(quotas(usize::MAX), [usize::MAX; 3]);
        for (shared, most) in [(3, 10), (2, 12), (1, 15)] {
            let mut neighbours = Neighbours::default();
            for count in 0..most {
                assert!(!neighbours.is_full(10), "{count} of {most}");
                neighbours.add(shared);
            }
            assert!(neighbours.is_full(10) && !neighbours.is_over(10));
            neighbours.add(shared);
            assert!(neighbours.is_over(10));
            neighbours.add(0);
        }
    }
}
