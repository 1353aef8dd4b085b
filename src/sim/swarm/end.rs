//! The end of a small world: it is calm, everybody is found, and what is stored now is found too.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::begun::{Aim, Begun};
use super::{Ordeal, SmallWorld, SwarmRun};
use crate::base::time::Duration;

use crate::dht::outcome::{Outcome, Reason};
use crate::dht::role::Role;
use crate::krpc::endpoint::{Endpoint, Network};
use crate::krpc::id::Id;
use crate::krpc::item::Item;
use crate::krpc::networks::Networks;
use crate::sim::addresses::random_endpoint;
use crate::sim::faults::Faults;
use crate::sim::news::Told;
use crate::sim::paths::{HostId, LineFault};

/// How long a world is calm before it is judged, and how long it is looked at then.
const CALM: Duration = Duration::from_secs(3 * 60);
const LOOKED_AT: Duration = Duration::from_secs(3 * 60);
/// Time for one operation.
const STEP: Duration = Duration::from_secs(30);
/// Keys of what is stored in the end.
const KEYS: [u8; 4] = [200, 201, 202, 203];
/// How long one line carries nothing in the end.
const OUTAGE: Duration = Duration::from_secs(5 * 60);

impl SmallWorld {
    pub(super) fn calm(&mut self) {
        self.world.set_faults(Faults::WORLD);
        for host in self.hosts.clone() {
            self.world.set_part(host, 0);
            self.world.set_line_fault(host, None);
        }
        self.absent.iter_mut().for_each(|(until, _)| *until = self.world.now());
        self.return_of_the_absent();
        self.world.run_for(CALM);
        self.hear();
        let sent = self.world.traffic().sent;
        self.world.run_for(LOOKED_AT);
        self.hear();
        let rate = (self.world.traffic().sent - sent) as f64 / LOOKED_AT.as_secs_f64() / self.hosts.len() as f64;
        let beliefs = self.look();
        let size = beliefs.median_size() as f64 / (self.hosts.len() + self.adversaries.len()) as f64;
        let gone = beliefs.gone() as f64 / beliefs.contacts().max(1) as f64;
        let late: u64 =
            self.hosts.iter().filter_map(|host| self.world.node(*host)).map(|node| node.stats().rpc_late).sum();
        self.expect(late > 0, "no answer was taken that came late".into());
        // Bounds lie next to the worst of 1,000 seeds: here 0.86, nobody lonely, 0.06 of the contacts and 1.2 times.
        self.expect(rate < 0.9, format!("{rate:.2} datagrams a second from each node"));
        self.expect(beliefs.lonely() == 0, format!("{} nodes know nobody", beliefs.lonely()));
        // Who has moved answers no more where it was: 0.008 in worlds where nobody does.
        let most_gone = if self.has(Ordeal::Move) { 0.08 } else { 0.015 };
        self.expect(gone < most_gone, format!("{gone:.2} of all contacts are gone"));
        // What is lost is taken for dead: 0.18 with losses, and 0.37 without.
        let least = if self.has(Ordeal::Loss) { 0.15 } else { 0.3 };
        self.expect((least..1.3).contains(&size), format!("as nodes have it there are {size:.2} times as many"));
    }

    pub(super) fn expect(&mut self, holds: bool, complaint: String) {
        self.complaints.extend((!holds).then_some(complaint));
    }

    /// Each step is judged, and the last one is the end.
    pub(super) fn finish(&mut self) {
        let before = self.look();
        (self.recall, self.queries) = self.looked_up();
        self.newcomer();
        self.many_at_once();
        let lost = before.lost_until(&self.look());
        // Whoever is behind a router is lost when nobody has sent for a while.
        let most = if self.has(Ordeal::Nat) { 110 } else { 30 };
        self.expect(lost < most, format!("{lost} contacts that answered are contacts no more"));
        for step in [SmallWorld::store, SmallWorld::outage] {
            if !self.is_over() {
                step(self);
            }
        }
        self.world.run_for(super::LONGEST_OPERATION);
        self.hear();
        let now = self.world.now();
        self.complaints.extend(self.begun.iter().filter_map(|begun| begun.complaint(now, Duration::ZERO)));
    }

    pub(super) fn told(self) -> SwarmRun {
        let operations = self.begun.iter().filter(|begun| !begun.is_lost()).count() as u32;
        SwarmRun {
            seed: self.seed,
            nodes: self.hosts.len(),
            ordeals: self.ordeals,
            operations,
            sent: self.world.traffic().sent,
            node_time: self.world.node_time(),
            recall: self.recall,
            queries: self.queries,
            hash: self.world.outputs_hash().unwrap_or_default(),
            complaints: self.complaints,
            blamed: self.blamed,
        }
    }

    fn outcome(&self, host: HostId, tag: u64) -> Outcome {
        self.began(host, tag).and_then(Begun::outcome).copied().unwrap_or_default()
    }

    fn began(&self, host: HostId, tag: u64) -> Option<&Begun> {
        self.begun.iter().find(|begun| begun.is(host, tag))
    }

    /// Whether users wait as long as they usually do.
    fn is_patient(&self) -> bool {
        self.config.lookup.deadline >= STEP
    }

    /// Eight nodes look for eight targets: which part of the nearest that can be reached they find, and with how many
    /// queries.
    fn looked_up(&mut self) -> (f64, f64) {
        let (mut found, mut wanted, mut queries) = (0, 0, 0);
        for i in 0..8 {
            let (host, target) = (self.hosts[3 * i], Id([i as u8 * 31; 20]));
            let tag = self.begin(host, Aim::Nodes, |node, now, tag| node.lookup(now, tag, target).is_ok());
            self.world.run_for(Duration::from_millis(3_750));
            self.hear();
            let near = self.nearest(host, &target);
            let nodes = self.began(host, tag).map_or(&[][..], Begun::nodes);
            wanted += near.len();
            found += self.found(&near, nodes);
            queries += self.outcome(host, tag).queried;
        }
        let (recall, queries) = (found as f64 / wanted.max(1) as f64, f64::from(queries) / 8.0);
        // 0.78 and 18.4.
        self.expect(recall > 0.7 || !self.is_patient(), format!("{recall:.2} of the nearest nodes were found"));
        self.expect(queries < 19.0, format!("{queries:.1} queries for one lookup"));
        (recall, queries)
    }

    /// Somebody new asks one of them, and looks for what is far from it as soon as it has answered.
    fn newcomer(&mut self) {
        let (mut found, mut wanted) = (0, 0);
        for i in 0..6_u8 {
            let (family, target) = (self.world.endpoint(self.hosts[0]).family(), Id([40 * i; 20]));
            let endpoint = random_endpoint(family, &mut self.rng);
            let site = self.place(endpoint, true);
            let mut config = self.config.clone();
            config.role = Role::Client;
            let Ok(host) = self.world.add_node(&config, site) else { continue };
            self.mute.push(host);
            let through = [self.world.endpoint(self.hosts[usize::from(i % 4)])];
            self.world.call(host, |node, now| node.bootstrap(now, 0, &through).is_ok());
            self.world.run_for(Duration::from_millis(300));
            self.world.call(host, |node, now| node.lookup(now, 1, target).is_ok());
            self.world.run_for(STEP);
            let near = self.nearest(host, &target);
            let nodes = self.world.take_news(host).into_iter().rev().find_map(|news| match news.what {
                Told::Nodes(nodes) if news.tag == 1 => Some(nodes),
                _ => None,
            });
            let nodes: Vec<_> = nodes.into_iter().flatten().map(|(_, endpoint)| endpoint).collect();
            wanted += near.len();
            found += self.found(&near, &nodes);
        }
        let recall = found as f64 / wanted.max(1) as f64;
        // 0.46.
        self.expect(recall > 0.4 || !self.is_patient(), format!("who is new found {recall:.2} of the nearest nodes"));
    }

    /// Of the eight nearest to a target that a host can reach, those that are honest, and of a network one (L3).
    fn nearest(&self, host: HostId, target: &Id) -> Vec<HostId> {
        let oracle = self.world.oracle();
        let is_honest = |near: &HostId| oracle.known(*near).is_some_and(|known| !known.is_adversary);
        let near = oracle.closest(target, 9 + self.mute.len()).into_iter();
        let near = near.filter(|near| *near != host && !self.mute.contains(near)).take(8).filter(is_honest);
        let mut places = BTreeSet::new();
        near.filter(|near| places.insert(self.place_of(&self.world.endpoint(*near)))).collect()
    }

    /// How many of them were found. Whoever is behind a router has a port that the router gave it.
    fn found(&self, near: &[HostId], nodes: &[Endpoint]) -> usize {
        let found: BTreeSet<_> = nodes.iter().map(|node| self.place_of(node)).collect();
        near.iter().filter(|near| found.contains(&self.place_of(&self.world.endpoint(**near)))).count()
    }

    /// Who counts as one: a host, or in a public network all that share one.
    fn place_of(&self, endpoint: &Endpoint) -> Result<u64, Option<HostId>> {
        match self.config.network {
            Network::Local => Err(self.world.host_at(endpoint)),
            Network::Public => Ok(Networks::of(endpoint).largest()),
        }
    }

    /// How often nodes have refused something.
    fn refusals(&self) -> u64 {
        self.hosts.iter().filter_map(|host| self.world.node(*host)).map(|node| node.stats().refused).sum()
    }

    /// One stores; the world is divided, and in one half another replaces what was stored and stores it again. When the
    /// world is whole, the newer version is found.
    fn store(&mut self) {
        let value = "5:val99";
        let store = |world: &mut Self, i: usize, seq, cas| {
            let host = world.hosts[i];
            let tags = KEYS.map(|key| world.put(host, &[key; 32], value, seq, cas));
            world.world.run_for(STEP);
            world.hear();
            tags.map(|tag| world.outcome(host, tag).stored.all).into_iter().min()
        };
        let first = store(self, 1, 1, None);
        for host in self.hosts.clone().into_iter().skip(4).step_by(2) {
            self.world.set_part(host, 1);
        }
        let second = store(self, 2, 2, Some(1));
        let refusals = self.refusals();
        let again = store(self, 3, 2, None);
        let refusals = self.refusals() - refusals;
        self.hosts.clone().into_iter().for_each(|host| self.world.set_part(host, 0));
        let host = self.hosts[0];
        let is_near = KEYS.map(|key| self.is_held_near(host, &[key; 32], value, 2));
        let tags = KEYS.map(|key| self.get(host, &[key; 32], value.into()));
        self.world.run_for(STEP);
        self.hear();
        let seqs = tags.map(|tag| self.began(host, tag).and_then(Begun::seq));
        let copies = [first, second, again].map(Option::unwrap_or_default);
        if self.is_patient() {
            self.expect(!copies.contains(&0), format!("{copies:?} copies in a calm world"));
            let is_found = is_near.iter().zip(seqs).all(|(is_near, seq)| !is_near || seq == Some(2));
            self.expect(is_found, format!("the newest versions are 2, {is_near:?} near by, {seqs:?} were found"));
        }
        let is_disturbed = self.has(Ordeal::Forgery);
        self.expect(refusals == 0 || is_disturbed, format!("{refusals} refused what they hold"));
    }

    /// Whether three of the six nearest that a host can reach hold this version of an item: then it is found. Of the
    /// half where it was stored those may have been nearest of whom the whole world has eight that are nearer, and what
    /// two answer may be lost: of the ways there and back 4 % are.
    fn is_held_near(&self, host: HostId, secret: &[u8; 32], value: &str, seq: i64) -> bool {
        let Ok(item) = Item::mutable(secret, value.as_bytes()).seq(seq).sign() else { return false };
        let near = self.nearest(host, &item.target());
        near.iter().take(6).filter(|near| self.world.holds(**near, &item.target()) == Some(seq)).count() > 2
    }

    /// Some begin as much at once as they have places for: each of it comes to its end before its time.
    fn many_at_once(&mut self) {
        let first = self.begun.len();
        for (i, number) in (0..8).flat_map(|i| (0..4).map(move |number| (i, 4 * i as u32 + number))) {
            let value = format!("6:end{number:03}");
            let aim = Aim::Put { target: Item::immutable_target(value.as_bytes()), seq: 0 };
            let host = self.hosts[2 * i];
            self.begin(host, aim, |node, now, tag| node.put_immutable(now, tag, value.as_bytes()).is_ok());
        }
        self.world.run_for(Duration::from_secs(31));
        self.hear();
        let outcomes = self.begun[first..].iter().filter_map(Begun::outcome);
        let late = outcomes.filter(|outcome| outcome.reason == Reason::Deadline).count();
        self.expect(late == 0 || !self.is_patient(), format!("{late} of 32 operations have ended by their deadline"));
    }

    /// The lines of some carry nothing for a while. Whoever is behind one knows others still, and reaches them when it
    /// is mended.
    fn outage(&mut self) {
        let cut_off = [4, 8, 12, 16].map(|i| self.hosts[i]);
        let contacts = |world: &Self| cut_off.map(|host| world.contacts_of(host));
        let look = |world: &mut Self, host: HostId| {
            world.begin(host, Aim::Nodes, |node, now, tag| node.lookup(now, tag, Id([3; 20])).is_ok())
        };
        let before = contacts(self);
        cut_off.iter().for_each(|host| self.world.set_line_fault(*host, Some(LineFault::Silent)));
        for _ in 0..OUTAGE.as_secs() / STEP.as_secs() {
            cut_off.iter().for_each(|host| _ = look(self, *host));
            self.world.run_for(STEP);
            self.hear();
        }
        let left = contacts(self);
        cut_off.iter().for_each(|host| self.world.set_line_fault(*host, None));
        let tags = cut_off.map(|host| (host, look(self, host)));
        self.world.run_for(STEP);
        self.hear();
        let answered = tags.map(|(host, tag)| self.outcome(host, tag).answered);
        // 0.84 of them at least.
        let is_kept = 5 * left.iter().sum::<usize>() >= 4 * before.iter().sum::<usize>();
        self.expect(is_kept, format!("of {before:?} contacts {left:?} outlast an outage"));
        let heard = answered.iter().filter(|answered| **answered > 0).count();
        self.expect(heard == 4, format!("{answered:?} have answered after an outage"));
    }
}
