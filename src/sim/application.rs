//! A program of the user's in the world: it waits, and time passes while it does.

use core::fmt;

use crate::base::time::{Duration, Instant};
use crate::dht::event::{Buffer, LinkId};
use crate::dht::transport::{Transport, Woken};
use crate::krpc::endpoint::Endpoint;
use crate::sim::host::Mind;
use crate::sim::paths::{HostId, Site};
use crate::sim::world::World;

/// Longest wait of a program that names no end of it.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// A program's socket in the world. While it [waits](Transport::wait), everything else happens.
pub struct SimSocket<'w> {
    world: &'w mut World,
    host: HostId,
}

impl World {
    /// Runs a program of the user's at this place, beside all else there is in the world, until it returns. What it
    /// tells its node before it waits for the first time happens at the time of the world ([`now`](World::now)), not
    /// at zero. It has one socket, link 0, of the family of the place. The [oracle](World::oracle) does not know its
    /// id, and counts it among nobody's nearest.
    pub fn with<R>(&mut self, place: Site, app: impl FnOnce(&mut SimSocket<'_>) -> R) -> R {
        let host = self.add_application(place);
        let result = app(&mut SimSocket { world: self, host });
        self.stop(host);
        result
    }
}

impl SimSocket<'_> {
    /// Where it runs: for [`World::set_line_fault`] and the like.
    #[must_use]
    pub fn host(&self) -> HostId {
        self.host
    }

    /// The world around it.
    pub fn world(&mut self) -> &mut World {
        self.world
    }
}

impl fmt::Debug for SimSocket<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimSocket").field("host", &self.host).finish_non_exhaustive()
    }
}

impl Transport for SimSocket<'_> {
    fn send(&mut self, link: LinkId, to: Endpoint, payload: &[u8]) -> bool {
        link == LinkId(0) && self.world.send(self.host, to, payload)
    }

    fn wait(&mut self, until: Option<Instant>, packet: &mut Buffer) -> Woken {
        let end = until.unwrap_or(self.world.now() + LONGEST_WAIT);
        loop {
            if let Mind::Application(inbox) = self.world.host(self.host).mind_mut()
                && let Some((from, bytes)) = inbox.pop_front()
            {
                let len = bytes.len().min(packet.len());
                packet[..len].copy_from_slice(&bytes[..len]);
                return Woken { now: self.world.now(), datagram: Some((LinkId(0), from, len)) };
            }
            if !self.world.step(end) {
                return Woken { now: self.world.now(), datagram: None };
            }
        }
    }
}
