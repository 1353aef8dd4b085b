//! A socket of the platform, as a loop around a machine sees it.

use std::net::{SocketAddr, UdpSocket};

use crate::adapters::clock::Clock;
use crate::base::time::{Duration, Instant};
use crate::dht::event::{Buffer, LinkId};
use crate::dht::transport::{Transport, Woken};
use crate::krpc::endpoint::Endpoint;

/// Shortest wait: a socket takes zero for no limit.
const SHORTEST: Duration = Duration::from_millis(1);
/// Longest wait for a loop that names none.
const LONGEST: Duration = Duration::from_secs(60);

/// One socket, and the platform's clock since it was made.
#[derive(Debug)]
pub struct DatagramSocket {
    socket: UdpSocket,
    clock: Clock,
}

impl DatagramSocket {
    /// A socket that is bound, as link 0.
    #[must_use]
    pub fn new(socket: UdpSocket) -> Self {
        DatagramSocket { socket, clock: Clock::start() }
    }

    /// What time it is, as a wait tells it.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.clock.now()
    }
}

impl Transport for DatagramSocket {
    fn send(&mut self, link: LinkId, to: Endpoint, payload: &[u8]) -> bool {
        link == LinkId(0) && self.socket.send_to(payload, SocketAddr::from(to)).is_ok()
    }

    fn wait(&mut self, until: Option<Instant>, packet: &mut Buffer) -> Woken {
        let wait = until.map_or(LONGEST, |at| self.clock.until(at).max(SHORTEST));
        let received = self.socket.set_read_timeout(Some(wait)).and_then(|()| self.socket.recv_from(packet));
        // What fails is told by silence: a loop that is woken early asks again.
        let datagram = received.ok().map(|(len, from)| (LinkId(0), from.into(), len));
        Woken { now: self.clock.now(), datagram }
    }
}
