//! Whom a node joins through: what the user typed, the rules that follow from it, and what becomes of resolved names.
//!
//! Only what was typed decides about the network (B10): a name may resolve to anything, and whoever answers for it must
//! not be able to lift a rule.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use honeyguide::Endpoint;
use honeyguide::adapters::Router;
use honeyguide::adapters::resolve::ResolveError;
use honeyguide::dht::Network;
use honeyguide::krpc::Family;

use crate::failed::Failed;
use crate::joining_options::{Joins, NetworkName, Rules};

/// How a link-local address of IPv6 can be used all the same.
const LINK_LOCAL: &str = "name another address of that node; a link-local one is reached only by `node --network \
                          local`, without %, from a link on the same interface (--bind [fe80::..%eth0]:port)";

/// Addresses and names to join through, and the rules of the network.
#[derive(Clone)]
pub struct Start {
    pub typed: Vec<SocketAddr>,
    pub names: Vec<String>,
    pub network: Network,
    /// Nobody typed these names: they are the public list.
    is_public_list: bool,
}

impl Start {
    /// What was given with `--bootstrap`, or the public routers.
    pub fn of(joins: &Joins) -> Result<Start, Failed> {
        if !joins.bootstrap.is_empty() {
            return Start::typed(&joins.rules, &joins.bootstrap);
        }
        if joins.rules.network == Some(NetworkName::Local) {
            let sentence = "a local network has no public routers: name one of its nodes with --bootstrap";
            return Err(Failed::usage(sentence));
        }
        let names = Router::PUBLIC.iter().map(|router| router.name.to_string()).collect();
        Ok(Start { typed: vec![], names, network: Network::Public, is_public_list: true })
    }

    /// Addresses and names that the user typed, `host:port` each.
    pub fn typed(rules: &Rules, given: &[String]) -> Result<Start, Failed> {
        let (mut typed, mut names) = (Vec::new(), Vec::new());
        for text in given {
            if let Some(refused) = zone_refused(text) {
                return Err(Failed::usage(refused));
            }
            match text.parse::<SocketAddr>() {
                Ok(addr) if addr.port() > 0 => typed.push(canonical(addr)),
                _ => match ResolveError::of_form(text) {
                    Some(fault) => return Err(Failed::usage(fault)),
                    None => names.push(text.clone()),
                },
            }
        }
        let is_loopback =
            typed.iter().any(|addr| addr.ip().is_loopback()) || names.iter().any(|name| is_localhost(name));
        Ok(Start { typed, names, network: rules.of(is_loopback), is_public_list: false })
    }

    /// One address of a network with these rules.
    pub fn at(addr: SocketAddr, network: Network) -> Start {
        Start { typed: vec![addr], names: vec![], network, is_public_list: false }
    }

    /// Nobody: others may find this node.
    pub fn alone(network: Network) -> Start {
        Start { typed: vec![], names: vec![], network, is_public_list: false }
    }

    /// The same under these rules.
    pub fn under(self, network: Network) -> Start {
        Start { network, ..self }
    }

    pub fn is_public_list(&self) -> bool {
        self.is_public_list
    }

    pub fn is_alone(&self) -> bool {
        self.typed.is_empty() && self.names.is_empty()
    }

    /// Whether a socket of this family may be of use.
    pub fn may_need(&self, family: Family) -> bool {
        !self.names.is_empty() || self.typed.iter().any(|addr| family_of(addr) == family)
    }

    /// Whether all of this family are on this machine, as far as is known.
    pub fn is_on_loopback(&self, family: Family) -> bool {
        let mut typed = self.typed.iter().filter(|addr| family_of(addr) == family);
        typed.all(|addr| addr.ip().is_loopback()) && self.names.iter().all(|name| is_localhost(name))
    }

    /// Why nobody is asked by a command that has sockets of the system's choice: a link-local address of IPv6 takes a
    /// socket at the same interface (B19).
    pub fn refused_without_bind(&self) -> Option<Failed> {
        let is_link_local = |addr: &&SocketAddr| matches!(addr, SocketAddr::V6(v6) if v6.ip().is_unicast_link_local());
        let addr = self.typed.iter().find(is_link_local)?;
        Some(Failed::usage(format!("{addr} is a link-local address: {LINK_LOCAL}")))
    }

    /// Why nobody is asked, when the rules of the network rule out every address.
    pub fn refused(&self) -> Option<Failed> {
        let is_usable = |addr: &SocketAddr| Endpoint::from(*addr).is_usable(self.network);
        let nobody = self.names.is_empty() && !self.typed.iter().any(is_usable);
        let first = self.typed.first().filter(|_| nobody)?;
        if !Endpoint::from(*first).is_usable(Network::Local) {
            return Some(Failed::usage(format!("{first} is no address of a node: name one that a host can have")));
        }
        let sentence = format!(
            "{first} was not asked: the rules of the public network refuse such an address; --network local allows a \
             loopback address"
        );
        Some(sentence.into())
    }

    /// What to do with an address that a name resolved to.
    pub fn judge(&self, addr: SocketAddr) -> Judgement {
        let ip = addr.ip();
        if self.network == Network::Local {
            return Judgement::Ask;
        }
        if !Endpoint::from(addr).is_usable(Network::Public) {
            return Judgement::LeaveOut(kind_of(ip));
        }
        match (is_private(ip), self.is_public_list) {
            (false, _) => Judgement::Ask,
            (true, false) => Judgement::AskIfNoneIsPublic,
            (true, true) => Judgement::LeaveOut("a private address"),
        }
    }

    /// Whether a typed address is a public one.
    pub fn knows_public(&self) -> bool {
        self.typed.iter().any(|addr| self.judge(*addr) == Judgement::Ask)
    }
}

/// What to do about an address that is left out, if a node can be there at all (B11).
pub fn way_to_use(addr: SocketAddr) -> &'static str {
    match Endpoint::from(addr).is_usable(Network::Local) {
        true => "; to use it, type the address itself, or pass --network local",
        false => "",
    }
}

/// What becomes of a resolved address (B11).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Judgement {
    Ask,
    AskIfNoneIsPublic,
    /// With what it is.
    LeaveOut(&'static str),
}

pub fn family_of(addr: &SocketAddr) -> Family {
    Endpoint::from(*addr).family()
}

/// A mapped address is the one it stands for, and is judged and asked as such.
pub fn canonical(addr: SocketAddr) -> SocketAddr {
    match addr.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::new(ip.into(), addr.port()),
        IpAddr::V6(_) => addr,
    }
}

/// Why an address with the interface of a link-local one is refused (B19): those of nodes have none.
fn zone_refused(text: &str) -> Option<String> {
    let (ip, zone) = zoned(text)?;
    let given = format!("\"{text}\" names an interface, and addresses of nodes have none");
    Some(match ip.is_unicast_link_local() {
        true => format!("{given}: {LINK_LOCAL}"),
        false => format!("{given}: leave out %{zone}"),
    })
}

/// An address of IPv6 with its interface, in brackets or without, as in `[fe80::1%eth0]:6881`.
pub fn zoned(text: &str) -> Option<(Ipv6Addr, &str)> {
    let (ip, rest) = text.split_once('%')?;
    let ip = ip.strip_prefix('[').unwrap_or(ip).parse().ok()?;
    Some((ip, rest.split([']', ':']).next().unwrap_or_default()))
}

/// A name that means this machine and nothing else (RFC 6761, 6.3).
pub fn is_localhost(name: &str) -> bool {
    let host = name.rsplit_once(':').map_or(name, |(host, _)| host).trim_end_matches('.').to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost")
}

fn kind_of(ip: IpAddr) -> &'static str {
    if ip.is_loopback() {
        "a loopback address"
    } else if ip.is_unspecified() {
        "no address of anybody"
    } else {
        "an address that no public node has"
    }
}

/// Private, shared with a carrier's customers (RFC 6598), or unique and local (RFC 4193).
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || matches!(ip.octets(), [100, 64..=127, ..]),
        IpAddr::V6(ip) => ip.is_unique_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(start: &Start, ip: &str) -> Judgement {
        start.judge(SocketAddr::new(ip.parse().unwrap(), 6881))
    }

    fn start(is_public_list: bool, network: Network) -> Start {
        Start { typed: vec![], names: vec!["router.example:6881".into()], network, is_public_list }
    }

    /// Rule B11.
    #[test]
    fn a_resolved_address_is_asked_only_where_a_node_can_be() {
        let (ours, list) = (start(false, Network::Public), start(true, Network::Public));
        for public in ["8.8.8.8", "198.18.0.5", "2001:db8::1"] {
            assert_eq!((judged(&ours, public), judged(&list, public)), (Judgement::Ask, Judgement::Ask));
        }
        for nobody in ["127.0.0.1", "127.9.9.9", "0.0.0.0", "::", "::1", "169.254.1.1", "fe80::1", "224.0.0.1"] {
            assert!(matches!(judged(&ours, nobody), Judgement::LeaveOut(_)), "{nobody}");
            assert!(matches!(judged(&list, nobody), Judgement::LeaveOut(_)), "{nobody}");
        }
        for private in ["10.0.0.1", "172.31.0.1", "192.168.1.1", "100.64.0.1", "fd00::1"] {
            assert_eq!(judged(&ours, private), Judgement::AskIfNoneIsPublic, "{private}");
            assert!(matches!(judged(&list, private), Judgement::LeaveOut(_)), "{private}");
        }
        assert_eq!(judged(&start(false, Network::Local), "127.0.0.1"), Judgement::Ask);
    }

    /// Rule B11.
    #[test]
    fn a_private_address_that_is_typed_is_no_public_one() {
        let typed = |addr: &str| Start::at(addr.parse().unwrap(), Network::Public).knows_public();
        assert_eq!(["8.8.8.8:1", "10.0.0.1:1", "[fd00::1]:1"].map(typed), [true, false, false]);
    }

    /// Rule B10.
    #[test]
    fn localhost_is_what_the_user_typed_and_other_names_are_not() {
        assert!(["localhost:1", "LocalHost:1", "localhost.:1", "a.localhost:1"].into_iter().all(is_localhost));
        assert!(!["localhost.example:1", "notlocalhost:1", "local:1"].into_iter().any(is_localhost));
    }

    /// Rule B19.
    #[test]
    fn an_interface_is_seen_in_every_spelling_of_an_address() {
        let ip = "fe80::1".parse().unwrap();
        for text in ["[fe80::1%eth0]:6881", "fe80::1%eth0", "fe80::1%eth0:6881", "[fe80::1%eth0", "fe80::1%eth0]:1"] {
            assert_eq!(zoned(text), Some((ip, "eth0")), "{text}");
        }
        assert_eq!((zoned("[fe80::1%]:1"), zoned("[fe80::1%2]:1")), (Some((ip, "")), Some((ip, "2"))));
        for text in ["[fe80::1]:6881", "127.0.0.1%eth0:1", "host%eth0:1", "%", "", "%%%"] {
            assert_eq!(zoned(text), None, "{text}");
        }
    }

    #[test]
    fn a_mapped_address_is_the_one_it_stands_for() {
        let mapped = canonical("[::ffff:127.0.0.1]:7".parse().unwrap());
        assert!(mapped.is_ipv4() && mapped.ip().is_loopback());
    }
}
