//! The far end of the cable: the scripted network behind IP packets. A real board has the driver of its radio here.

use honeyguide::krpc::{self, Decoded, Method};
use honeyguide::{Endpoint, Instant};
use smoltcp::phy::{ChecksumCapabilities, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant as WireInstant;
use smoltcp::wire::{IpProtocol, Ipv4Address, Ipv4Packet, Ipv4Repr, UdpPacket, UdpRepr};

use crate::network::{Held, NODE, Network, address};

const IP_HEADER: usize = 20;
const UDP_HEADER: usize = 8;
const HEADERS: usize = IP_HEADER + UDP_HEADER;
/// The longest reply of a peer, with both filters of BEP 33, stays below this.
const LONGEST: usize = 1024;
/// When a peer asks the node something of its own accord.
const ASKED_AT: Instant = Instant::from_millis(5_000);

pub struct Wire {
    far: Far,
    incoming: [u8; HEADERS + LONGEST],
    outgoing: [u8; 1500],
}

/// Whom the packets reach.
struct Far {
    network: Network,
    asked: bool,
    answered: bool,
}

impl Wire {
    pub fn new() -> Self {
        let nothing = Held { key: [0; 32], salt: b"", seq: 0, signature: [0; 64], value: b"0:", at: Held::EVERYWHERE };
        let far = Far { network: Network::new([nothing; 2]), asked: false, answered: false };
        Wire { far, incoming: [0; HEADERS + LONGEST], outgoing: [0; 1500] }
    }

    /// When the next packet comes.
    pub fn next(&self) -> Option<Instant> {
        let asked = if self.far.asked { None } else { Some(ASKED_AT) };
        [self.far.network.next(), asked].into_iter().flatten().min()
    }

    /// Whether the peer that asked has its answer.
    pub fn is_answered(&self) -> bool {
        self.far.answered
    }
}

impl Far {
    /// The next datagram that has come by `now`.
    fn send(&mut self, now: Instant, out: &mut [u8]) -> Option<(Endpoint, usize)> {
        if !self.asked && now >= ASKED_AT {
            self.asked = true;
            return Some((address(5), self.network.query(5, Method::Ping, out)));
        }
        self.network.reply(now, out)
    }

    fn receive(&mut self, now: Instant, packet: &[u8]) {
        let Ok(ip) = Ipv4Packet::new_checked(packet) else { panic!("a whole IP packet") };
        let Ok(udp) = UdpPacket::new_checked(ip.payload()) else { panic!("a whole datagram") };
        let to = Endpoint::v4(ip.dst_addr().octets(), udp.dst_port());
        match krpc::decode(udp.payload()) {
            Ok(Decoded::Response(_)) => self.answered = true,
            _ => self.network.receive(now, to, udp.payload()),
        }
    }
}

impl Device for Wire {
    type RxToken<'a> = Incoming<'a>;
    type TxToken<'a> = Outgoing<'a>;

    fn receive(&mut self, at: WireInstant) -> Option<(Incoming<'_>, Outgoing<'_>)> {
        let now = ours(at);
        let (from, length) = self.far.send(now, &mut self.incoming[HEADERS..])?;
        wrap(from, length, &mut self.incoming);
        let outgoing = Outgoing { far: &mut self.far, packet: &mut self.outgoing, now };
        Some((Incoming(&self.incoming[..HEADERS + length]), outgoing))
    }

    fn transmit(&mut self, at: WireInstant) -> Option<Outgoing<'_>> {
        Some(Outgoing { far: &mut self.far, packet: &mut self.outgoing, now: ours(at) })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = 1500;
        capabilities
    }
}

/// Puts the headers before a payload that lies in its place already.
fn wrap(from: Endpoint, length: usize, packet: &mut [u8]) {
    let checksums = ChecksumCapabilities::default();
    let (source, destination) = (ipv4(from), ipv4(NODE));
    let ip = Ipv4Repr {
        src_addr: source,
        dst_addr: destination,
        next_header: IpProtocol::Udp,
        payload_len: UDP_HEADER + length,
        hop_limit: 64,
    };
    ip.emit(&mut Ipv4Packet::new_unchecked(&mut packet[..HEADERS + length]), &checksums);
    let udp = UdpRepr { src_port: from.port(), dst_port: NODE.port() };
    let mut datagram = UdpPacket::new_unchecked(&mut packet[IP_HEADER..HEADERS + length]);
    udp.emit(&mut datagram, &source.into(), &destination.into(), length, |_| {}, &checksums);
}

pub fn ipv4(endpoint: Endpoint) -> Ipv4Address {
    let mut ip = [0; 4];
    ip.copy_from_slice(endpoint.ip_bytes());
    ip.into()
}

fn ours(at: WireInstant) -> Instant {
    Instant::from_micros(at.total_micros().unsigned_abs())
}

pub struct Incoming<'a>(&'a [u8]);

impl RxToken for Incoming<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(self.0)
    }
}

pub struct Outgoing<'a> {
    far: &'a mut Far,
    packet: &'a mut [u8],
    now: Instant,
}

impl TxToken for Outgoing<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let packet = &mut self.packet[..length];
        let result = write(packet);
        self.far.receive(self.now, packet);
        result
    }
}
