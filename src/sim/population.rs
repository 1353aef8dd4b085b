//! The nodes of a network that is there before ours: as many as are up at any time, and those that are not.

use alloc::vec::Vec;

use crate::base::time::Duration;
use crate::krpc::endpoint::Family;
use crate::krpc::id::Id;
use crate::sim::addresses::sold_endpoint;
use crate::sim::churn::Churn;
use crate::sim::distribution::{Weibull, happens, uniform};
use crate::sim::nat::NatKind;
use crate::sim::paths::{HostId, Site};
use crate::sim::referrals::Knowledge;
use crate::sim::remote::Remote;
use crate::sim::world::World;

/// How often those ask whom nobody can begin to ask.
const ASKS_EVERY: Duration = Duration::from_secs(60);

/// A network of remote nodes.
///
/// Exhaustive: it is written as a literal over [`Population::WORLD`].
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Population {
    /// How many are up, on average.
    pub nodes: usize,
    /// Their family.
    pub family: Family,
    /// What they know.
    pub knowledge: Knowledge,
    /// Which part of them names 20 nodes instead of as many as the others.
    pub wide: f64,
    /// Which part has an id that fits its address (BEP 42).
    pub secure: f64,
    /// They come and go. Without it there are as many dead addresses as are named, and nothing changes.
    pub churn: Option<Churn>,
    /// They ban who sends too much.
    pub bans: bool,
    /// Which part asks somebody each minute, answers nobody, and says so (BEP 43).
    pub read_only: f64,
    /// Which part is behind a router that lets in nobody but those who were asked; these ask somebody each minute too.
    pub natted: f64,
    /// How long they keep items, where that is not for two hours.
    pub keeps: Option<Weibull>,
}

impl Population {
    /// Ten thousand, as they are in the world (`spec/simulator.md`).
    pub const WORLD: Population = Population {
        nodes: 10_000,
        family: Family::V4,
        knowledge: Knowledge::WORLD,
        wide: 0.2,
        secure: 0.8,
        churn: Some(Churn::WORLD),
        bans: true,
        read_only: 0.0,
        natted: 0.0,
        keeps: None,
    };

    /// As many that are all up, know whom they name to be so, and stay.
    pub const CALM: Population = Population {
        knowledge: Knowledge { dead: 0.0, missed: 0.0, ..Knowledge::WORLD },
        churn: None,
        bans: false,
        ..Population::WORLD
    };

    /// Adds them to a world.
    pub fn settle(&self, world: &mut World) -> Vec<HostId> {
        // Of all that there are one in twenty is alive at least: worlds would have no end.
        let share_up = self.churn.map_or(1.0 - self.knowledge.dead, |churn| churn.share_up()).clamp(0.05, 1.0);
        let all = (self.nodes as f64 / share_up) as usize;
        let mut hosts = Vec::with_capacity(all);
        for _ in 0..all {
            let host = self.add_one(world);
            match self.churn {
                Some(churn) => churn.begin(world, host),
                None if happens(world.rng(), 1.0 - share_up) => world.stop(host),
                None => {}
            }
            hosts.push(host);
        }
        hosts
    }

    fn add_one(&self, world: &mut World) -> HostId {
        let now = world.now();
        let rng = world.rng();
        let endpoint = sold_endpoint(self.family, rng);
        let id = if happens(rng, self.secure) { Id::secure(endpoint.ip(), rng) } else { Id::random(rng) };
        let names = if happens(rng, self.wide) { 20 } else { self.knowledge.names };
        let mut place = Site::at(endpoint, rng);
        let is_read_only = happens(rng, self.read_only);
        place.nat = happens(rng, self.natted).then_some(NatKind::PORT_RESTRICTED);
        let mut remote = Remote::new(id, Knowledge { names, ..self.knowledge });
        if is_read_only || place.nat.is_some() {
            remote = remote.asking(ASKS_EVERY, now + ASKS_EVERY.mul_f64(uniform(rng)));
        }
        if is_read_only {
            remote = remote.read_only();
        }
        let remote = match self.keeps {
            Some(law) => remote.keeping(law),
            None => remote,
        };
        // Who answers nobody is no part of the network.
        let host = world.add(remote, place, (!is_read_only).then_some(id), false);
        if self.bans {
            world.set_bans(host);
        }
        host
    }
}
