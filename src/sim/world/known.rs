//! What is known of a world and of its hosts, and what they are given without a word.

use alloc::vec::Vec;

use super::World;
use crate::base::rng::Rng;
use crate::base::time::Instant;
use crate::dht::node::Node;
use crate::dht::node::output_hash::OutputHash;
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;
use crate::krpc::item::Item;
use crate::sim::host::{Host, Mind};
use crate::sim::journals::Journals;
use crate::sim::lifetimes::NodeTime;
use crate::sim::news::News;
use crate::sim::oracle::Oracle;
use crate::sim::paths::{HostId, Site, Traffic};

impl World {
    /// The time of the world.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now
    }

    /// How long there were nodes, all of them together.
    #[must_use]
    pub fn node_time(&self) -> NodeTime {
        self.lifetimes.so_far(self.now)
    }

    /// The world's randomness, for whoever builds it.
    pub fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }

    /// The truth.
    #[must_use]
    pub fn oracle(&self) -> &Oracle {
        &self.oracle
    }

    /// What became of all datagrams.
    #[must_use]
    pub fn traffic(&self) -> &Traffic {
        self.paths.traffic()
    }

    /// The flows of this host are counted from now on, and those of no other: an endpoint to which nothing was sent for
    /// three minutes is a new one.
    pub fn watch_flows(&mut self, host: HostId) {
        self.paths.watch_flows(host);
    }

    /// The most flows that the watched host has opened in any ten seconds.
    #[must_use]
    pub fn most_flows(&self) -> usize {
        self.paths.most_flows()
    }

    /// Who is reached at an address, were he up.
    #[must_use]
    pub fn host_at(&self, endpoint: &Endpoint) -> Option<HostId> {
        self.paths.host_at(endpoint)
    }

    /// How often a host has banned somebody.
    #[must_use]
    pub fn bans_of(&self, host: HostId) -> u64 {
        self.paths.bans_of(host)
    }

    pub(super) fn is_open(&self, host: HostId) -> bool {
        self.site(host).is_some_and(Site::is_open)
    }

    /// Whether a host is up.
    pub(in crate::sim) fn is_up(&self, host: HostId) -> bool {
        self.paths.is_up(host)
    }

    /// A node of ours.
    #[must_use]
    pub fn node(&self, host: HostId) -> Option<&Node<'static>> {
        match self.hosts.get(host.index())?.mind() {
            Mind::Node(node) => Some(node),
            _ => None,
        }
    }

    /// Gives a remote node an item to hold, without a word between them.
    pub fn give_item(&mut self, host: HostId, item: &Item<'_>) {
        if !self.has(host) {
            return;
        }
        let now = self.now;
        if let Mind::Participant(mind) = self.host(host).mind_mut() {
            mind.hold_item(now, item);
        }
    }

    /// Gives a remote node a peer of a topic to tell of.
    pub fn give_peer(&mut self, host: HostId, topic: Id, peer: Endpoint) {
        if !self.has(host) {
            return;
        }
        let now = self.now;
        if let Mind::Participant(mind) = self.host(host).mind_mut() {
            mind.hold_peer(now, topic, peer);
        }
    }

    /// Whom a remote node would name to one that asks for a target.
    #[must_use]
    pub fn named_by(&self, host: HostId, target: &Id) -> Vec<HostId> {
        match self.hosts.get(host.index()).map(Host::mind) {
            Some(Mind::Participant(mind)) => mind.named(&self.oracle, self.now, target),
            _ => Vec::new(),
        }
    }

    /// The version of an item that a host holds for others; 0 of one that has none.
    #[must_use]
    pub fn holds(&self, host: HostId, target: &Id) -> Option<i64> {
        match self.hosts.get(host.index())?.mind() {
            Mind::Node(node) => node.holds(target),
            Mind::Participant(mind) => mind.holds(self.now, target),
            Mind::Application(_) | Mind::Absent => None,
        }
    }

    /// The hosts that are up and hold an item for others.
    pub fn holders(&self, target: Id) -> impl Iterator<Item = HostId> {
        let is_up = |host: &HostId| self.paths.is_up(*host);
        (0..self.hosts.len() as u32)
            .map(HostId::nth)
            .filter(is_up)
            .filter(move |host| self.holds(*host, &target).is_some())
    }

    /// Where a host is; `None` if it is none of this world.
    #[must_use]
    pub fn site(&self, host: HostId) -> Option<&Site> {
        self.paths.site(host)
    }

    /// Where others send to reach a host. Nobody is reached at the unspecified address, which one has that is none of
    /// this world.
    #[must_use]
    pub fn endpoint(&self, host: HostId) -> Endpoint {
        self.site(host).map_or(Endpoint::UNSPECIFIED, |site| site.endpoint)
    }

    /// What a node has told its user since this was asked last.
    pub fn take_news(&mut self, host: HostId) -> Vec<News> {
        if !self.has(host) {
            return Vec::new();
        }
        self.host(host).take_news()
    }

    /// What a node has told its user since that was taken last.
    #[must_use]
    pub fn news(&self, host: HostId) -> &[News] {
        self.hosts.get(host.index()).map_or(&[], Host::news)
    }

    /// Makes one number of all outputs of all nodes from now on: two runs of a seed have the same.
    pub fn hash_outputs(&mut self) {
        self.outputs = Some(OutputHash::default());
    }

    /// That number.
    #[must_use]
    pub fn outputs_hash(&self) -> Option<u128> {
        self.outputs.as_ref().map(OutputHash::finish)
    }

    /// Nodes that begin from now on have journals, which are kept there.
    pub fn keep_journals(&mut self, journals: &Journals) {
        self.journals = Some(journals.clone());
    }

    /// All that has to hold in a node is recounted after every so many drains of all nodes together, 1,000 unless
    /// something else is said here; 0: never. Only in builds with debug assertions.
    pub fn recount_every(&mut self, drains: u64) {
        self.recount_every = drains;
    }

    /// How often that was done.
    #[must_use]
    pub fn recounts(&self) -> u64 {
        self.recounts
    }
}
