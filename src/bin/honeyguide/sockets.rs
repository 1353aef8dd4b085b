//! The sockets of the program: where the user wants them, or where a command needs them (B13).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};

use honeyguide::adapters::BoundSocket;
use honeyguide::adapters::resolve::ResolveError;
use honeyguide::dht::Network;
use honeyguide::krpc::Family;

use crate::failed::Failed;
use crate::name_service;
use crate::print::{say, say_step};
use crate::start::{Start, canonical, is_localhost, zoned};

/// What `--bind` was given: an address with a port, or a name with one.
#[derive(Clone, Debug)]
pub enum Place {
    Addr(SocketAddr),
    Name { host: String, port: u16 },
}

impl Place {
    /// Reads it, for the command line.
    pub fn parse(text: &str) -> Result<Place, String> {
        if let Ok(addr) = text.parse::<SocketAddr>() {
            return Ok(Place::Addr(canonical(addr)));
        }
        if let Some((_, zone)) = zoned(text) {
            return at_interface(text, zone);
        }
        let parts = text.rsplit_once(':').and_then(|(host, port)| Some((host, number(port)?)));
        let Some((host, port)) = parts else {
            return Err("it takes a port: write it as address:port or host:port".into());
        };
        // A port of 0 is one of the system's choice, so the form is judged with another.
        match ResolveError::of_form(&format!("{host}:1")) {
            Some(_) => Err("neither an address nor a name: write it as address:port or host:port".into()),
            None => Ok(Place::Name { host: host.into(), port }),
        }
    }

    /// Whether the user named a loopback address.
    pub fn is_loopback(&self) -> bool {
        match self {
            Place::Addr(addr) => addr.ip().is_loopback(),
            Place::Name { host, .. } => is_localhost(host),
        }
    }

    /// Why no link is bound there under the rules of this network (B19).
    pub fn refused(&self, network: Network) -> Option<Failed> {
        let Place::Addr(addr) = self else { return None };
        if is_of_many(addr.ip()) {
            let sentence = format!("--bind {addr}: many hosts have such an address: name one of this machine alone");
            return Some(Failed::usage(sentence));
        }
        let is_link_local = match addr.ip() {
            IpAddr::V4(ip) => ip.is_link_local(),
            IpAddr::V6(ip) => ip.is_unicast_link_local(),
        };
        (is_link_local && network == Network::Public).then(|| {
            Failed::usage(format!(
                "--bind {addr}: no public node is reached from a link-local address: add --network local for nodes on \
                 the same link, or name another address"
            ))
        })
    }
}

fn is_of_many(ip: IpAddr) -> bool {
    ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST)
}

/// A port by its digits alone.
fn number(port: &str) -> Option<u16> {
    port.parse().ok().filter(|_| port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// An address with the name of its interface, as in `[fe80::1%eth0]:6881`: the system knows its number.
fn at_interface(text: &str, zone: &str) -> Result<Place, String> {
    let form = "write it as [fe80::1%eth0]:port";
    let parts = text.strip_prefix('[').and_then(|text| text.rsplit_once("]:"));
    let parts = parts.and_then(|(host, port)| Some((host, number(port)?)));
    let addrs = parts.ok_or(form)?.to_socket_addrs();
    let addr = addrs.ok().and_then(|mut addrs| addrs.next());
    addr.map(Place::Addr).ok_or_else(|| format!("this machine has no interface \"{zone}\": {form}"))
}

/// A socket for each of these places, or for each family that the machine has.
pub async fn bind_all(places: Vec<Place>) -> Result<Vec<BoundSocket>, Failed> {
    if places.is_empty() {
        // Nobody has asked for a family by its name.
        let everywhere = [IpAddr::from(Ipv4Addr::UNSPECIFIED), Ipv6Addr::UNSPECIFIED.into()];
        return Ok(bind_each(everywhere.map(|ip| SocketAddr::new(ip, 0)), BoundSocket::at, say_step)?);
    }
    let mut sockets = Vec::new();
    for place in places {
        match place {
            Place::Addr(addr) => sockets.push(bind(addr)?),
            Place::Name { host, port } => sockets.extend(bind_name(&host, port).await?),
        }
    }
    Ok(sockets)
}

/// A name has one socket for each of its addresses; a family that this machine lacks is passed over.
async fn bind_name(host: &str, port: u16) -> Result<Vec<BoundSocket>, Failed> {
    // A port of 0 is one of the system's choice, and no name is resolved with it: nobody hears of the other one.
    let asked = format!("{host}:1");
    let answer = name_service::answer(asked.clone(), &format!("{host}:{port}"), None).await;
    let addrs = match answer.map(|answer| answer.addrs) {
        Some(Ok(addrs)) => addrs,
        Some(Err(fault)) => {
            let fault = fault.to_string().replace(&asked, host);
            return Err(Failed::usage(format!("--bind {host}:{port}: {fault}; name an address of this machine")));
        }
        None => {
            return Err(format!(
                "--bind {host}:{port}: the name service did not answer: name an address of this machine"
            )
            .into());
        }
    };
    if let Some(addr) = addrs.iter().find(|addr| is_of_many(addr.ip())) {
        let sentence = format!("--bind {host}:{port}: many hosts have {}: name an address of this machine", addr.ip());
        return Err(Failed::usage(sentence));
    }
    let addrs = addrs.into_iter().map(|addr| SocketAddr::new(addr.ip(), port));
    let bound = bind_each(addrs, BoundSocket::at, say);
    bound.map_err(|refused| format!("--bind {host}:{port}: {refused}").into())
}

/// A socket at each of these addresses; a family that the machine lacks is told of, unless none is left (B3).
fn bind_each<T>(
    addrs: impl IntoIterator<Item = SocketAddr>,
    bind: impl Fn(SocketAddr) -> io::Result<T>,
    tell: impl FnMut(String),
) -> Result<Vec<T>, String> {
    let (mut sockets, mut missing) = (Vec::new(), Vec::new());
    for addr in addrs {
        match bind(addr) {
            Ok(socket) => sockets.push(socket),
            Err(error) if error.kind() == io::ErrorKind::Unsupported => missing.push(error.to_string()),
            Err(error) => return Err(error.to_string()),
        }
    }
    if sockets.is_empty() {
        return Err(missing.join("; "));
    }
    missing.into_iter().for_each(tell);
    Ok(sockets)
}

fn bind(addr: SocketAddr) -> Result<BoundSocket, Failed> {
    BoundSocket::at(addr).map_err(|error| error.to_string().into())
}

/// Sockets on ports of the system's choice for whoever is to be asked, IPv4 first: at the loopback interface when
/// nobody is anywhere else.
pub fn ephemeral(start: &Start) -> Result<Vec<UdpSocket>, Failed> {
    let families = [Family::V4, Family::V6].into_iter().filter(|family| start.may_need(*family));
    let addrs = families.map(|family| {
        let ip: IpAddr = match (family, start.is_on_loopback(family)) {
            (Family::V4, true) => Ipv4Addr::LOCALHOST.into(),
            (Family::V4, false) => Ipv4Addr::UNSPECIFIED.into(),
            (Family::V6, true) => Ipv6Addr::LOCALHOST.into(),
            (Family::V6, false) => Ipv6Addr::UNSPECIFIED.into(),
        };
        SocketAddr::new(ip, 0)
    });
    // Whom a missing family leaves out is named when it is known who that is.
    Ok(bind_each(addrs, |addr| BoundSocket::at(addr).map(|bound| bound.socket), say_step)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule B13.
    #[test]
    fn a_place_is_an_address_or_a_name_with_a_port() {
        assert!(matches!(Place::parse("[::]:0"), Ok(Place::Addr(_))));
        assert!(matches!(Place::parse("0.0.0.0:65535"), Ok(Place::Addr(_))));
        assert!(matches!(Place::parse("host.example:0"), Ok(Place::Name { port: 0, .. })));
        for wrong in ["", "127.0.0.1", "host", ":1", "a:b:1", "host:65536", "host:-1", "::1", "[::1]"] {
            assert!(Place::parse(wrong).is_err(), "{wrong}");
        }
        assert!(matches!(Place::parse("[fe80::1%1]:7"), Ok(Place::Addr(_))));
        for wrong in ["[fe80::1%nowhere]:7", "fe80::1%lo:7", "[fe80::1%lo]", "[fe80::1%lo]:x", "[fe80::1%lo]:65536"] {
            let refusal = Place::parse(wrong).unwrap_err();
            assert!(refusal.contains("[fe80::1%eth0]:port"), "{wrong}: {refusal}");
        }
        let loopback = |text| Place::parse(text).unwrap().is_loopback();
        assert!(loopback("localhost:0") && loopback("[::1]:0") && loopback("[::ffff:127.0.0.1]:0"));
        assert!(!loopback("0.0.0.0:0") && !loopback("localhost.example:0"));
    }

    /// Rules B3 and B13.
    #[test]
    fn a_family_that_the_machine_lacks_is_named_and_the_other_one_is_bound() {
        let addrs = ["0.0.0.0:7", "[::]:7"].map(|addr| addr.parse::<SocketAddr>().unwrap());
        let lacks = |lacking: &[usize], kind: io::ErrorKind| {
            let bind = |addr: SocketAddr| match lacking.iter().any(|at| addrs[*at] == addr) {
                true => Err(io::Error::new(kind, format!("no {addr}"))),
                false => Ok(addr),
            };
            let mut told = Vec::new();
            let bound = bind_each(addrs, bind, |word| told.push(word));
            (bound, told)
        };
        let missing = io::ErrorKind::Unsupported;
        assert_eq!(lacks(&[], missing), (Ok(addrs.to_vec()), vec![]));
        assert_eq!(lacks(&[0], missing), (Ok(vec![addrs[1]]), vec!["no 0.0.0.0:7".into()]));
        assert_eq!(lacks(&[1], missing), (Ok(vec![addrs[0]]), vec!["no [::]:7".into()]));
        assert_eq!(lacks(&[0, 1], missing), (Err("no 0.0.0.0:7; no [::]:7".into()), vec![]));
        for other in [io::ErrorKind::AddrInUse, io::ErrorKind::AddrNotAvailable, io::ErrorKind::PermissionDenied] {
            assert_eq!(lacks(&[1], other), (Err("no [::]:7".into()), vec![]));
        }
    }
}
