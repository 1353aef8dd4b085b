//! What a loop around a machine needs of the world: to send a datagram, and to wait for one.
//!
//! A loop that is written against these two methods runs on a socket and in a simulated world alike, and is tested in
//! the one as it runs on the other.

use crate::base::time::Instant;
use crate::dht::event::{Buffer, LinkId};
use crate::krpc::endpoint::Endpoint;

/// Somewhere to send datagrams to and to wait for them.
pub trait Transport {
    /// Sends a datagram; false if that failed on our own side.
    fn send(&mut self, link: LinkId, to: Endpoint, payload: &[u8]) -> bool;

    /// Waits until a datagram arrives, or until this time, or for as long as it likes: a loop may be woken early.
    fn wait(&mut self, until: Option<Instant>, packet: &mut Buffer) -> Woken;
}

/// Why a wait is over.
///
/// Exhaustive: a time, and perhaps a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Woken {
    /// What time it is.
    pub now: Instant,
    /// The datagram that arrived: by which socket, from whom, and how many bytes of the buffer it has.
    pub datagram: Option<(LinkId, Endpoint, usize)>,
}
