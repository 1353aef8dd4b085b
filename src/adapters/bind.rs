//! Sockets as a node wants them, and what a driver asks of those that it is given.
//!
//! An IPv6 socket takes IPv6 alone, so that `0.0.0.0:P` and `[::]:P` go together (rakshasa/libtorrent#819) and no IPv4
//! datagram arrives on a link of the other family (BEP 32). Buffers of 4 MiB are asked for, since a burst of answers
//! must not be lost before the node sees it; the system may give less, and what it gave is reported.
//!
//! Rules B1 to B4 of `spec/joining.md`.

use std::format;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::string::String;
use std::vec::Vec;

use socket2::{Domain, SockRef, Socket, Type};

use crate::adapters::cause::cause;

/// EAFNOSUPPORT and EPROTONOSUPPORT as each system numbers them: Windows, Linux, those that descend from BSD.
const NO_FAMILY: [i32; 2] = if cfg!(windows) {
    [10_047, 10_043]
} else if cfg!(any(target_os = "android", target_os = "fuchsia", target_os = "linux")) {
    [97, 93]
} else {
    [47, 43]
};

/// A socket that is bound, and what the system gave it.
///
/// ```
/// use honeyguide::adapters::{BoundSocket, rng_seed, std_thread};
/// use honeyguide::Config;
///
/// let bound = BoundSocket::at("127.0.0.1:0".parse()?)?;
/// assert!(bound.receive_buffer > 0);
/// let node = std_thread::spawn(Config::small().local(), rng_seed()?, vec![bound.socket])?;
/// node.shutdown().wait();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct BoundSocket {
    /// The socket, for a driver.
    pub socket: UdpSocket,
    /// Bytes of its receive buffer as the system counts them: Linux adds its overhead, and says twice what it gave.
    pub receive_buffer: usize,
    /// Bytes of its send buffer, counted alike.
    pub send_buffer: usize,
}

impl BoundSocket {
    /// Bytes that are asked for as receive and as send buffer.
    pub const BUFFER: usize = 4 << 20;

    /// A socket at this address; port 0 is one of the system's choice.
    ///
    /// # Errors
    /// With a sentence that names the address and the cause: the port is in use, the machine has no such address or
    /// none of this family, or it is not permitted. [`Unsupported`](io::ErrorKind::Unsupported) is the kind where the
    /// machine lacks the family, so that the other one may still serve.
    pub fn at(addr: SocketAddr) -> io::Result<BoundSocket> {
        bind(addr, None)
    }

    /// The same, for what comes and goes through one network interface alone (`SO_BINDTODEVICE`).
    ///
    /// # Errors
    /// Those of [`at`](BoundSocket::at), and [`Unsupported`](io::ErrorKind::Unsupported) where the platform has no
    /// such thing.
    pub fn on_device(addr: SocketAddr, device: &str) -> io::Result<BoundSocket> {
        bind(addr, Some(device))
    }

    /// A socket for each address family that this machine has, IPv4 first, at all addresses and this port.
    ///
    /// # Errors
    /// Those of [`at`](BoundSocket::at), when there is neither family, or when one that is there refuses the port.
    pub fn every_family(port: u16) -> io::Result<Vec<BoundSocket>> {
        let unspecified = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), Ipv6Addr::UNSPECIFIED.into()];
        let (mut bound, mut missing) = (Vec::new(), None);
        for ip in unspecified {
            match BoundSocket::at(SocketAddr::new(ip, port)) {
                Ok(socket) => bound.push(socket),
                Err(error) if error.kind() == io::ErrorKind::Unsupported => drop(missing.get_or_insert(error)),
                Err(error) => return Err(error),
            }
        }
        match missing {
            Some(error) if bound.is_empty() => Err(error),
            _ => Ok(bound),
        }
    }
}

fn bind(addr: SocketAddr, device: Option<&str>) -> io::Result<BoundSocket> {
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, None).map_err(|error| no_socket(addr, &error))?;
    let refused = |error: io::Error| {
        let lacks = error.kind() == io::ErrorKind::AddrNotAvailable && lacks_family(addr);
        refused(addr, &error, lacks)
    };
    if addr.is_ipv6() {
        socket.set_only_v6(true).map_err(refused)?;
    }
    if let Some(device) = device {
        bind_device(&socket, device)?;
    }
    ask_for_buffers(&socket);
    socket.bind(&addr.into()).map_err(refused)?;
    let (receive_buffer, send_buffer) = (socket.recv_buffer_size()?, socket.send_buffer_size()?);
    Ok(BoundSocket { socket: socket.into(), receive_buffer, send_buffer })
}

/// Why there is no socket. Only a family that the machine lacks is unsupported; too many open files, or a right that is
/// not there, would be so for the other family too, and may pass.
fn no_socket(addr: SocketAddr, error: &io::Error) -> io::Error {
    if error.raw_os_error().is_some_and(|number| NO_FAMILY.contains(&number)) {
        return io::Error::new(io::ErrorKind::Unsupported, no_family(addr));
    }
    io::Error::new(error.kind(), format!("this machine gives no {} socket for {addr}: {}", family(addr), cause(error)))
}

fn no_family(addr: SocketAddr) -> String {
    let (family, other) = if addr.is_ipv4() { ("IPv4", "IPv6") } else { ("IPv6", "IPv4") };
    format!("{addr} cannot be listened on: this machine has no {family}, and an {other} address may serve instead")
}

/// What cannot be had is done without: some systems give less and say nothing, others refuse the whole wish.
fn ask_for_buffers(socket: &Socket) {
    let halves = || std::iter::successors(Some(BoundSocket::BUFFER), |bytes| (*bytes > 1 << 16).then_some(bytes / 2));
    let _ = halves().find(|bytes| socket.set_recv_buffer_size(*bytes).is_ok());
    let _ = halves().find(|bytes| socket.set_send_buffer_size(*bytes).is_ok());
}

#[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
fn bind_device(socket: &Socket, device: &str) -> io::Result<()> {
    socket.bind_device(Some(device.as_bytes())).map_err(|error| {
        let sentence = match error.kind() {
            io::ErrorKind::PermissionDenied => {
                format!("binding to the interface {device} takes the administrator's rights")
            }
            _ => format!("the interface \"{device}\" cannot be bound to: {}", cause(&error)),
        };
        io::Error::new(error.kind(), sentence)
    })
}

#[cfg(not(any(target_os = "android", target_os = "fuchsia", target_os = "linux")))]
fn bind_device(_: &Socket, device: &str) -> io::Result<()> {
    let sentence = format!("this system binds no socket to an interface, so not to {device}: bind to an address of it");
    Err(io::Error::new(io::ErrorKind::Unsupported, sentence))
}

fn family(addr: SocketAddr) -> &'static str {
    if addr.is_ipv4() { "IPv4" } else { "IPv6" }
}

/// What comes of an address that cannot be bound, on a machine that lacks its family or that does not.
fn refused(addr: SocketAddr, error: &io::Error, lacks_family: bool) -> io::Error {
    match lacks_family {
        true if addr.ip().is_loopback() => {
            let family = family(addr);
            let sentence = format!("{addr} cannot be listened on: this machine has no {family} loopback address now");
            io::Error::new(io::ErrorKind::Unsupported, sentence)
        }
        true => io::Error::new(io::ErrorKind::Unsupported, no_family(addr)),
        false => io::Error::new(error.kind(), refusal(addr, error)),
    }
}

/// Whether an address is lacking with its family: of one that is switched off there are sockets all the same. Then the
/// one address is not there that every machine with it has, and of IPv6, where the system lists them, no other one.
fn lacks_family(addr: SocketAddr) -> bool {
    let loopback = if addr.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { IpAddr::from(Ipv6Addr::LOCALHOST) };
    let bound = UdpSocket::bind((loopback, 0));
    let has_none = bound.is_err_and(|error| error.kind() == io::ErrorKind::AddrNotAvailable);
    let is_everywhere = addr.ip().is_loopback() || addr.ip().is_unspecified();
    let has_others = || addr.is_ipv4() || std::fs::read("/proc/net/if_inet6").is_ok_and(|list| !list.is_empty());
    has_none && (is_everywhere || !has_others())
}

/// Why an address cannot be bound, and what would be right.
fn refusal(addr: SocketAddr, error: &io::Error) -> String {
    let (ip, port) = (addr.ip(), addr.port());
    let link_local = matches!(addr, SocketAddr::V6(v6) if v6.ip().is_unicast_link_local() && v6.scope_id() == 0);
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("port {port} of {ip} is in use already: choose another one, or 0 for one that is free")
        }
        io::ErrorKind::AddrNotAvailable if link_local => {
            format!("{addr} cannot be listened on: that interface does not have this address")
        }
        io::ErrorKind::AddrNotAvailable => format!(
            "{addr} cannot be listened on: {ip} is no address of this machine; choose one that it has, or {} for all",
            if addr.is_ipv4() { "0.0.0.0" } else { "[::]" }
        ),
        io::ErrorKind::PermissionDenied if port > 0 && port < 1024 => {
            format!("port {port} of {ip} is not permitted: ports below 1024 need the administrator's rights")
        }
        io::ErrorKind::PermissionDenied => format!("{addr} is not permitted: {}", cause(error)),
        _ if link_local => {
            format!(
                "{addr} cannot be listened on: a link-local address takes the interface that has it, by its number in \
                 a socket address or by its name in a text, as in [{ip}%eth0]:{port}"
            )
        }
        _ => format!("{addr} cannot be listened on: {}", cause(error)),
    }
}

/// Local addresses of the sockets that a driver was given, if each keeps to one family.
///
/// An IPv6 socket that takes IPv4 as well would hand over mapped addresses, for which its link has no table. What can
/// still be changed is changed; most systems refuse it once the socket is bound.
pub(super) fn addrs_of(sockets: &[UdpSocket]) -> io::Result<Vec<SocketAddr>> {
    sockets.iter().map(addr_of).collect()
}

fn addr_of(socket: &UdpSocket) -> io::Result<SocketAddr> {
    let addr = socket.local_addr()?;
    let SocketAddr::V6(v6) = addr else { return Ok(addr) };
    let refused = |sentence| Err(io::Error::new(io::ErrorKind::InvalidInput, sentence));
    if v6.ip().to_ipv4_mapped().is_some() {
        return refused(format!(
            "the socket at {addr} is an IPv6 socket at an IPv4 address: bind one at that address itself"
        ));
    }
    // At one address nothing arrives but what was sent to it.
    let socket = SockRef::from(socket);
    if v6.ip().is_unspecified() && !socket.only_v6()? && socket.set_only_v6(true).is_err() {
        return refused(format!(
            "the socket at {addr} takes IPv4 too, and it is too late to change that: bind it with BoundSocket::at, or \
             set IPV6_V6ONLY before it is bound"
        ));
    }
    Ok(addr)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    fn parse(addr: &str) -> SocketAddr {
        addr.parse().unwrap()
    }

    fn sentence<T: std::fmt::Debug>(refused: io::Result<T>) -> String {
        refused.expect_err("it cannot be had").to_string()
    }

    /// Rule B1.
    #[test]
    fn both_families_share_one_port() {
        let four = BoundSocket::at(parse("0.0.0.0:0")).unwrap();
        let port = four.socket.local_addr().unwrap().port();
        let six = BoundSocket::at(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port)).unwrap();
        assert!(SockRef::from(&six.socket).only_v6().unwrap());
        let again = sentence(BoundSocket::every_family(port));
        assert!(again.contains("in use") && again.contains(&port.to_string()), "{again}");
    }

    /// Rule B2.
    #[test]
    fn what_the_buffers_became_is_reported() {
        let plain = UdpSocket::bind("127.0.0.1:0").unwrap();
        let bound = BoundSocket::at(parse("127.0.0.1:0")).unwrap();
        assert!(bound.receive_buffer >= SockRef::from(&plain).recv_buffer_size().unwrap());
        assert_eq!(bound.receive_buffer, SockRef::from(&bound.socket).recv_buffer_size().unwrap());
        assert_eq!(bound.send_buffer, SockRef::from(&bound.socket).send_buffer_size().unwrap());
    }

    #[test]
    fn every_family_of_the_machine_gets_a_socket_ipv4_first() {
        let bound = BoundSocket::every_family(0).unwrap();
        let addrs: Vec<_> = bound.iter().map(|bound| bound.socket.local_addr().unwrap()).collect();
        assert!(addrs.iter().all(|addr| addr.ip().is_unspecified() && addr.port() > 0));
        assert!(addrs.is_sorted_by_key(SocketAddr::is_ipv6) && !addrs.is_empty());
    }

    /// Rule B3.
    #[test]
    fn a_refusal_names_the_address_and_the_cause() {
        let foreign = sentence(BoundSocket::at(parse("192.0.2.1:7")));
        assert!(foreign.contains("192.0.2.1") && foreign.contains("no address of this machine"), "{foreign}");
        let unscoped = sentence(BoundSocket::at(parse("[fe80::1]:7")));
        assert!(unscoped.contains("[fe80::1]:7") && unscoped.contains("interface"), "{unscoped}");
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        assert!(refusal(parse("0.0.0.0:53"), &denied).contains("below 1024"));
        let device = sentence(BoundSocket::on_device(parse("127.0.0.1:0"), "no-such-device"));
        assert!(device.contains("no-such-device"), "{device}");
    }

    /// Rule B3.
    #[test]
    fn only_a_family_that_the_machine_lacks_may_be_left_out() {
        let is_missing = |error: &io::Error| error.kind() == io::ErrorKind::Unsupported;
        let no_socket_for = |number| no_socket(parse("[::]:7"), &io::Error::from_raw_os_error(number));
        for error in NO_FAMILY.map(no_socket_for) {
            let words = ["[::]:7", "no IPv6", "an IPv4 address"];
            assert!(is_missing(&error) && words.iter().all(|word| error.to_string().contains(word)), "{error}");
        }
        // EACCES, ENFILE and EMFILE.
        for number in [13, 23, 24] {
            let refused = no_socket_for(number);
            assert!(!is_missing(&refused) && refused.to_string().contains("no IPv6 socket for [::]:7"), "{refused}");
        }
        let unknown = Socket::new(Domain::from(0x7fff), Type::DGRAM, None).unwrap_err();
        assert!(is_missing(&no_socket(parse("[::]:7"), &unknown)), "{unknown}");
        let unavailable = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for addr in ["127.0.0.1:7", "[::1]:7", "[::]:7", "192.0.2.1:7"] {
            for lacks in [true, false] {
                assert_eq!(is_missing(&refused(parse(addr), &unavailable, lacks)), lacks, "{addr}");
            }
        }
        assert!(["127.0.0.9:7", "[::]:7"].iter().all(|addr| !lacks_family(parse(addr))), "this machine has both");
        let foreign = BoundSocket::at(parse("192.0.2.1:7")).unwrap_err();
        assert_eq!(foreign.kind(), io::ErrorKind::AddrNotAvailable);
    }

    /// Rule B4.
    #[test]
    fn a_socket_of_two_families_is_no_link() {
        let both = Socket::new(Domain::IPV6, Type::DGRAM, None).unwrap();
        both.set_only_v6(false).unwrap();
        both.bind(&parse("[::]:0").into()).unwrap();
        let refusal = addrs_of(&[both.into()]).unwrap_err();
        assert!(refusal.to_string().contains("IPV6_V6ONLY"), "{refusal}");
        let mapped = Socket::new(Domain::IPV6, Type::DGRAM, None).unwrap();
        mapped.set_only_v6(false).unwrap();
        mapped.bind(&parse("[::ffff:127.0.0.1]:0").into()).unwrap();
        let refusal = addrs_of(&[mapped.into()]).unwrap_err();
        assert!(refusal.to_string().contains("IPv4 address"), "{refusal}");
        let at_one_address = UdpSocket::bind("[::1]:0").expect("this machine has IPv6 on its loopback interface");
        assert!(addrs_of(&[at_one_address]).is_ok());
    }
}
