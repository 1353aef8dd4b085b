//! Whom a remote node names: as good a list as was measured of lists in the world.
//!
//! A node knows a few of each part of the id space that is far from it, and its neighbours well. So where many share
//! more bits with the target than the node itself does, it names some of them, the same ones for a while; where few do,
//! it names the nearest to the target, apart from those that it misses. A given share of what it names is dead.

use alloc::vec::Vec;
use core::hash::Hasher;

use siphasher::sip::SipHasher13;

use crate::base::time::{Duration, Instant};
use crate::krpc::id::Id;
use crate::sim::oracle::Oracle;
use crate::sim::paths::HostId;

/// How long it names the same ones.
const EPOCH: Duration = Duration::from_secs(15 * 60);
/// Looks for somebody who is as dead, or as alive, as this one is to be.
const LOOKS: u64 = 48;

/// How much a remote node knows.
///
/// Exhaustive: it is written as a literal over [`Knowledge::WORLD`].
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Knowledge {
    /// How many it names, up to 100.
    pub names: usize,
    /// Which part of those is dead.
    pub dead: f64,
    /// Which part of its neighbours it does not know.
    pub missed: f64,
}

impl Knowledge {
    /// As measured: of contacts that were handed out 40 % could not be reached (mldht), and 61 % of nodes know all 20
    /// of their 20 nearest (probe-lab, RFM-19), so that each is missed by 2.4 %.
    pub const WORLD: Knowledge = Knowledge { names: 8, dead: 0.4, missed: 0.024 };

    /// More have no place in a datagram.
    fn most(&self) -> usize {
        self.names.min(100)
    }

    /// Whom a node names to one that asks for a target.
    pub(super) fn named(&self, oracle: &Oracle, own: &Id, target: &Id, now: Instant) -> Vec<HostId> {
        let bits = own.shared_prefix_len(target);
        let epoch = now.as_micros() / EPOCH.as_micros() as u64;
        let beyond = oracle.sharing(target, (bits + 1).min(160));
        match beyond.len() > 2 * self.most() {
            true => self.some(oracle, beyond, (own, bits, epoch)),
            false => self.nearest(oracle, target, (own, epoch)),
        }
    }

    /// Some of those that are many.
    fn some(&self, oracle: &Oracle, beyond: &[(Id, HostId)], (own, bits, epoch): (&Id, u32, u64)) -> Vec<HostId> {
        let mut named = Vec::with_capacity(self.most());
        for place in 0..self.most() as u64 {
            let is_dead = is_in(self.dead, draw(own, &[epoch, u64::from(bits), place, u64::MAX]));
            let looks = (0..LOOKS).map(|look| {
                let at = draw(own, &[epoch, u64::from(bits), place, look]) % beyond.len() as u64;
                beyond[at as usize].1
            });
            let fits = |host: &HostId| oracle.is_reachable(*host) != is_dead && !named.contains(host);
            named.extend(looks.into_iter().find(fits));
        }
        named
    }

    /// The nearest to the target. Of the dead ones among them as many are left out as there are too many.
    fn nearest(&self, oracle: &Oracle, target: &Id, (own, epoch): (&Id, u64)) -> Vec<HostId> {
        let near = oracle.closest_named(target, 8 * self.most());
        let (living, dead): (Vec<_>, Vec<_>) = near.into_iter().partition(|host| oracle.is_reachable(*host));
        let is_known = |host: &HostId| !is_in(self.missed, draw(own, &[host.index() as u64]));
        let (mut living, mut dead) = (living.into_iter().filter(is_known), dead.into_iter());
        let mut named = Vec::with_capacity(self.most());
        for place in 0..self.most() as u64 {
            let is_dead = is_in(self.dead, draw(own, &[epoch, place, u64::MAX]));
            named.extend(if is_dead { dead.next().or_else(|| living.next()) } else { living.next() });
        }
        named
    }
}

/// Whether a number that was drawn from all of them lies in this part.
fn is_in(part: f64, drawn: u64) -> bool {
    ((drawn >> 11) as f64) < part * (1_u64 << 53) as f64
}

/// A number that follows from a node and a few others.
fn draw(own: &Id, from: &[u64]) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write(own.as_bytes());
    from.iter().for_each(|number| hasher.write_u64(*number));
    hasher.finish()
}
