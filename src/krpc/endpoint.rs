//! Packed socket addresses.
//!
//! An [`Endpoint`] is 18 bytes with alignment 1 where the standard library's `SocketAddr` takes 32. It is canonical: a
//! mapped IPv6 address (`::ffff:a.b.c.d`) is the IPv4 address it stands for, and scope and flow label are dropped, so
//! two spellings of one address always compare equal. Every address enters a machine through here.

use core::fmt;
use core::net::{AddrParseError, IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::str::FromStr;

/// The address families of BEP 5 and BEP 32.
///
/// Exhaustive: there are no others, and all that depends on the family has to say so for both.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Family {
    /// IPv4: 6-byte peers, 26-byte nodes.
    V4,
    /// IPv6: 18-byte peers, 38-byte nodes.
    V6,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        })
    }
}

/// Which network is meant: it decides which addresses can be sent to, and whether the rules for one prefix apply.
///
/// Exhaustive: a rule holds on the Internet or is lifted.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Network {
    /// The Internet: every rule holds.
    #[default]
    Public,
    /// One machine or one laboratory: every per-prefix rule is lifted (table, lookup, limiter, item quota, votes,
    /// BEP 42 preference), and loopback addresses are usable. Per-endpoint limits stay.
    Local,
}

/// An IP address and a port.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    ip: [u8; 16],
    port: [u8; 2],
}

const MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

impl Endpoint {
    /// `[::]:0`, which is never a valid destination. All its bits are zero.
    pub const UNSPECIFIED: Endpoint = Endpoint::v6([0; 16], 0);

    /// An IPv4 endpoint.
    #[must_use]
    pub const fn v4(ip: [u8; 4], port: u16) -> Self {
        let [a, b, c, d] = ip;
        Endpoint { ip: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d], port: port.to_be_bytes() }
    }

    /// An IPv6 endpoint; a mapped IPv4 address becomes that IPv4 endpoint.
    #[must_use]
    pub const fn v6(ip: [u8; 16], port: u16) -> Self {
        Endpoint { ip, port: port.to_be_bytes() }
    }

    /// Address (16 bytes, mapped when IPv4) and port, in network order: the form that lists in events carry.
    #[must_use]
    pub const fn to_bytes(&self) -> [u8; 18] {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = self.ip;
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, self.port[0], self.port[1]]
    }

    /// The endpoint that [`to_bytes`](Endpoint::to_bytes) wrote.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 18]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, high, low] = bytes;
        Endpoint { ip: [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p], port: [high, low] }
    }

    /// The family.
    #[must_use]
    pub fn family(&self) -> Family {
        if self.ip[..12] == MAPPED { Family::V4 } else { Family::V6 }
    }

    /// Whether this is an IPv4 endpoint.
    #[must_use]
    pub fn is_v4(&self) -> bool {
        self.family() == Family::V4
    }

    /// The address.
    #[must_use]
    pub fn ip(&self) -> IpAddr {
        match self.family() {
            Family::V4 => IpAddr::V4(Ipv4Addr::new(self.ip[12], self.ip[13], self.ip[14], self.ip[15])),
            Family::V6 => IpAddr::V6(Ipv6Addr::from(self.ip)),
        }
    }

    /// The address as it stands on the wire: 4 or 16 bytes.
    #[must_use]
    pub fn ip_bytes(&self) -> &[u8] {
        match self.family() {
            Family::V4 => &self.ip[12..],
            Family::V6 => &self.ip,
        }
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        u16::from_be_bytes(self.port)
    }

    /// The same address with another port.
    #[must_use]
    pub fn with_port(self, port: u16) -> Self {
        Endpoint { port: port.to_be_bytes(), ..self }
    }

    /// Whether both have the same address, whatever the ports.
    #[must_use]
    pub fn same_ip(&self, other: &Endpoint) -> bool {
        self.ip == other.ip
    }

    /// The network that counts as one party: the /24 of an IPv4 address, the /64 of an IPv6 address.
    /// Families never collide: an IPv4 value has its upper 32 bits set.
    #[must_use]
    pub fn network(&self) -> u64 {
        match self.family() {
            Family::V4 => u64::from_be_bytes([0xff, 0xff, 0xff, 0xff, 0, self.ip[12], self.ip[13], self.ip[14]]),
            Family::V6 => {
                let [a, b, c, d, e, f, g, h, ..] = self.ip;
                u64::from_be_bytes([a, b, c, d, e, f, g, h])
            }
        }
    }

    /// Whether a datagram may be sent there: port and address are not zero, and the address is unicast and not
    /// reserved. Loopback and link-local addresses count only in a local network; private ranges always count, since
    /// they are real inside their own network.
    #[must_use]
    pub fn is_usable(&self, network: Network) -> bool {
        let local = network == Network::Local;
        self.port() != 0
            && match self.ip() {
                IpAddr::V4(ip) => {
                    let [a, ..] = ip.octets();
                    a != 0 && a < 224 && (local || !(ip.is_loopback() || ip.is_link_local()))
                }
                IpAddr::V6(ip) => {
                    !ip.is_unspecified()
                        && !ip.is_multicast()
                        && (local || !(ip.is_loopback() || ip.is_unicast_link_local()))
                        && !matches!(ip.segments(), [0, 0, 0, 0, 0, 0, high, _] if high != 0)
                }
            }
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(addr: SocketAddr) -> Self {
        match addr.ip() {
            IpAddr::V4(ip) => Endpoint::v4(ip.octets(), addr.port()),
            IpAddr::V6(ip) => Endpoint::v6(ip.octets(), addr.port()),
        }
    }
}

impl From<Endpoint> for SocketAddr {
    fn from(endpoint: Endpoint) -> Self {
        SocketAddr::new(endpoint.ip(), endpoint.port())
    }
}

impl FromStr for Endpoint {
    type Err = AddrParseError;

    /// Reads `1.2.3.4:5` or `[2001:db8::1]:6`.
    fn from_str(text: &str) -> Result<Self, AddrParseError> {
        text.parse::<SocketAddr>().map(Endpoint::from)
    }
}

impl Default for Endpoint {
    fn default() -> Self {
        Endpoint::UNSPECIFIED
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&SocketAddr::from(*self), f)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    fn endpoint(text: &str) -> Endpoint {
        text.parse().unwrap()
    }

    #[test]
    fn two_spellings_of_one_address_are_equal() {
        assert_eq!(endpoint("[::ffff:1.2.3.4]:5"), endpoint("1.2.3.4:5"));
        assert!(endpoint("[::ffff:1.2.3.4]:5").is_v4());
        assert_eq!(SocketAddr::from(endpoint("1.2.3.4:5")).to_string(), "1.2.3.4:5");
        assert_eq!(endpoint("[2001:db8::1]:6").to_string(), "[2001:db8::1]:6");
        assert_eq!(core::mem::size_of::<Endpoint>(), 18);
    }

    #[test]
    fn bytes_go_there_and_back() {
        for text in ["1.2.3.4:5", "[2001:db8::1]:6"] {
            assert_eq!(Endpoint::from_bytes(endpoint(text).to_bytes()), endpoint(text));
        }
    }

    #[test]
    fn one_network_is_a_slash_24_or_a_slash_64() {
        assert_eq!(endpoint("1.2.3.4:5").network(), endpoint("1.2.3.99:6").network());
        assert_ne!(endpoint("1.2.3.4:5").network(), endpoint("1.2.4.4:5").network());
        assert_eq!(endpoint("[2001:db8::1]:1").network(), endpoint("[2001:db8::ffff:0:0:1]:1").network());
        assert_ne!(endpoint("[2001:db8::1]:1").network(), endpoint("[2001:db8:0:1::1]:1").network());
    }

    #[test]
    fn only_unicast_destinations_are_usable() {
        for good in ["8.8.8.8:1", "10.0.0.1:1", "[2001:db8::1]:1", "[fd00::1]:1"] {
            assert!(endpoint(good).is_usable(Network::Public), "{good}");
        }
        for bad in ["8.8.8.8:0", "0.1.2.3:1", "224.0.0.1:1", "255.255.255.255:1", "[::]:1", "[ff02::1]:1", "[::5:1]:1"]
        {
            assert!(!endpoint(bad).is_usable(Network::Public) && !endpoint(bad).is_usable(Network::Local), "{bad}");
        }
        for local in ["127.0.0.1:1", "169.254.1.1:1", "[::1]:1", "[fe80::1]:1"] {
            assert!(
                !endpoint(local).is_usable(Network::Public) && endpoint(local).is_usable(Network::Local),
                "{local}"
            );
        }
    }
}
