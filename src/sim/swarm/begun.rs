//! An operation that somebody began in a small world, and what must be true of what its node tells of it.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::base::time::{Duration, Instant};
use crate::dht::outcome::{Outcome, Reason};
use crate::krpc::endpoint::{Endpoint, Family};
use crate::krpc::id::Id;
use crate::sim::news::Told;
use crate::sim::paths::HostId;
use crate::sim::world::World;

/// What an operation is for.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Aim {
    /// To be among others.
    Join,
    /// To find the nearest nodes.
    Nodes,
    /// To store an item in this version.
    Put { target: Id, seq: i64 },
    /// To find an item, of which everybody stores this value.
    Get { value: String },
    /// To find peers.
    Peers,
    /// To be found as a peer.
    Announce,
}

/// An operation.
#[derive(Clone, Debug)]
pub(super) struct Begun {
    host: HostId,
    tag: u64,
    aim: Aim,
    at: Instant,
    ends: u32,
    values: u32,
    outcome: Option<Outcome>,
    /// The highest version that was told.
    seq: Option<i64>,
    nodes: Vec<Endpoint>,
    /// Its node was stopped.
    is_lost: bool,
}

/// What excuses a host for not holding what it confirmed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Excused {
    /// Hosts that may have lost it, or lie.
    hosts: usize,
    /// Hosts that may have gone since they answered.
    gone: usize,
}

impl Excused {
    pub(super) fn new(hosts: usize, gone: usize) -> Self {
        Excused { hosts, gone }
    }
}

impl Begun {
    pub(super) fn new(host: HostId, tag: u64, aim: Aim, at: Instant) -> Self {
        let (ends, values, outcome, seq, nodes) = (0, 0, None, None, Vec::new());
        Begun { host, tag, aim, at, ends, values, outcome, seq, nodes, is_lost: false }
    }

    pub(super) fn is(&self, host: HostId, tag: u64) -> bool {
        self.host == host && self.tag == tag
    }

    pub(super) fn host(&self) -> HostId {
        self.host
    }

    pub(super) fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    pub(super) fn seq(&self) -> Option<i64> {
        self.seq
    }

    pub(super) fn nodes(&self) -> &[Endpoint] {
        &self.nodes
    }

    pub(super) fn at(&self) -> Instant {
        self.at
    }

    /// Its node was stopped, and has taken it away.
    pub(super) fn on_stop(&mut self) {
        self.is_lost |= self.ends == 0;
    }

    pub(super) fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// It has ended other than once, at its time.
    pub(super) fn complaint(&self, now: Instant, longest: Duration) -> Option<String> {
        let is_late = self.ends == 0 && !self.is_lost && now.since(self.at) > longest;
        let is_wrong = self.ends > 1 || is_late;
        is_wrong.then(|| format!("operation {} ({:?}) has ended {} times", self.tag, self.aim, self.ends))
    }

    /// Its node told something of it; what of that cannot be true.
    pub(super) fn on_told(
        &mut self,
        world: &World,
        told: Told,
        deadline: Duration,
        excused: Excused,
    ) -> Option<String> {
        match told {
            Told::Value { value, seq, .. } => {
                self.values += 1;
                self.seq = self.seq.max(seq);
                let wanted = matches!(&self.aim, Aim::Get { value: stored } if *stored.as_bytes() == *value);
                (!wanted).then(|| format!("{:?}: {value:?} was put by nobody", self.aim))
            }
            Told::Peers(mut peers) => {
                let all = peers.len();
                peers.sort_unstable();
                peers.dedup();
                (peers.len() < all).then(|| format!("one answer with {all} peers, of which {} differ", peers.len()))
            }
            Told::Nodes(nodes) => {
                self.nodes = nodes.into_iter().map(|(_, endpoint)| endpoint).collect();
                let gone = self.nodes.iter().filter(|node| !is_there(world, node)).count();
                (gone > excused.gone).then(|| format!("{gone} of those that answered are not there"))
            }
            Told::Finished(outcome) => {
                self.ends += 1;
                self.outcome = Some(outcome);
                self.wrong_counts(&outcome, deadline).or_else(|| self.wrong_copies(world, &outcome, excused))
            }
            _ => None,
        }
    }

    /// Numbers of an end that contradict one another.
    fn wrong_counts(&self, outcome: &Outcome, deadline: Duration) -> Option<String> {
        let Outcome { reason, queried, answered, elapsed, .. } = *outcome;
        let is_wrong = match reason {
            Reason::Hit => matches!(self.aim, Aim::Get { .. }) && self.values == 0,
            Reason::Converged => answered == 0,
            Reason::Exhausted => answered > 0 || elapsed >= deadline,
            Reason::Deadline => elapsed < deadline,
            Reason::Cancelled => true,
        };
        let is_wrong = is_wrong || answered > queried;
        is_wrong.then(|| format!("{:?} cannot have ended like this: {outcome:?}", self.aim))
    }

    /// Copies of which it is told, and that are nowhere.
    fn wrong_copies(&self, world: &World, outcome: &Outcome, excused: Excused) -> Option<String> {
        let Aim::Put { target, seq } = &self.aim else { return None };
        let has_it = |host: &HostId| world.holds(*host, target).is_some_and(|held| held >= *seq);
        let holders: Vec<_> = world.holders(*target).filter(has_it).collect();
        let sites: BTreeSet<_> = holders.iter().map(|host| site(&world.endpoint(*host))).collect();
        let [copies, networks] = [holders.len(), sites.len()].map(|many| many + excused.hosts);
        let stored = outcome.stored;
        let is_wrong = usize::from(stored.all) > copies || usize::from(stored.networks) > networks;
        is_wrong.then(|| format!("{stored:?}, but there are {copies} copies in {networks} networks at most"))
    }
}

/// Whether somebody is up at this address.
fn is_there(world: &World, node: &Endpoint) -> bool {
    world.oracle().hosts().any(|(host, known)| world.is_up(host) && known.endpoint.same_ip(node))
}

/// The network that one party has: a /24 of IPv4, a /48 of IPv6.
fn site(endpoint: &Endpoint) -> Vec<u8> {
    let bytes = match endpoint.family() {
        Family::V4 => 3,
        Family::V6 => 6,
    };
    endpoint.ip_bytes()[..bytes].to_vec()
}
