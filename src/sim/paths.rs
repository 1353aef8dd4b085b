//! The way of a datagram from host to host: out of the sender's line and router, across the distance, and in again.
//!
//! Whatever is lost is counted by its cause, so that a report can say what a network was like. A datagram is judged
//! twice: when it leaves (the sender's line and router, the size, chance) and when it arrives (the receiver's line,
//! router and patience), since what is up may have gone down in between.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::hash::BuildHasherDefault;
use std::collections::HashMap;

use siphasher::sip::SipHasher13;

use crate::base::rng::Rng;
use crate::base::time::Instant;
use crate::krpc::endpoint::Endpoint;
use crate::sim::ban::Bans;
use crate::sim::faults::{BurstState, Faults};
use crate::sim::flows::Flows;
use crate::sim::nat::{Dependence, Nat, NatKind};
use crate::sim::position::Position;

/// A host of one world, in the order in which they were added. It means nothing in another world.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct HostId(u32);

impl HostId {
    pub(super) const fn nth(number: u32) -> Self {
        HostId(number)
    }

    /// How many hosts of its world were added before it.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Why a host's own line carries nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum LineFault {
    /// What is sent vanishes.
    Silent,
    /// Sending fails, and the host is told.
    Failing,
}

/// Where a host is, and what is between it and the others.
///
/// Exhaustive: it is written as a literal over [`Site::at`].
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Site {
    /// The address and port that it sends from. Behind a router the port means nothing to others.
    pub endpoint: Endpoint,
    /// Where it is.
    pub position: Position,
    /// The router before it.
    pub nat: Option<NatKind>,
    /// A node that starts here knows where others see it, and begins with an id that fits (BEP 42).
    pub is_told: bool,
}

impl Site {
    /// A host with an address of its own, somewhere.
    #[must_use]
    pub fn at(endpoint: Endpoint, rng: &mut Rng) -> Self {
        Site { endpoint, position: Position::random(rng), nat: None, is_told: true }
    }

    /// Whether others may start a conversation with a host there.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.nat.is_none_or(|kind| kind.filtering == Dependence::Endpoint)
    }
}

/// What became of all datagrams.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct Traffic {
    /// Sent, whatever became of them.
    pub sent: u64,
    /// Bytes of those.
    pub sent_bytes: u64,
    /// Arrived.
    pub arrived: u64,
    /// To an address that nobody has, or whose host is down.
    pub to_nobody: u64,
    /// Kept out by a router.
    pub kept_out: u64,
    /// From one part of a divided network to another.
    pub cut_off: u64,
    /// By a line that carries nothing.
    pub line_down: u64,
    /// By chance.
    pub lost: u64,
    /// Longer than the way allows.
    pub too_long: u64,
    /// From somebody who had sent too much.
    pub banned: u64,
}

/// All hosts' ends of the network, and what is under way between them.
#[derive(Debug)]
pub(super) struct Paths {
    ends: Vec<HostEnd>,
    /// Who is reached at an address; whoever is behind a router, at all ports of its address (entered with port 0).
    book: HashMap<Endpoint, HostId, BuildHasherDefault<SipHasher13>>,
    faults: Faults,
    flying: Vec<Packet>,
    free: Vec<u32>,
    traffic: Traffic,
    /// Of the one host that is watched.
    flows: Option<(HostId, Flows)>,
}

/// A host's end of the network.
#[derive(Debug)]
struct HostEnd {
    site: Site,
    nat: Option<Box<Nat>>,
    is_up: bool,
    line_fault: Option<LineFault>,
    bursts: BurstState,
    /// Those with the same number reach one another.
    part: u8,
    bans: Option<Box<Bans>>,
}

/// A datagram under way. Its bytes keep their memory for the next one.
#[derive(Debug)]
struct Packet {
    /// `None` once it has arrived.
    from: Option<Endpoint>,
    sender: HostId,
    to: Endpoint,
    bytes: Vec<u8>,
}

/// A datagram that has arrived.
pub(super) struct Arrived {
    pub(super) host: HostId,
    pub(super) from: Endpoint,
    pub(super) bytes: Vec<u8>,
}

impl Paths {
    pub(super) fn new() -> Self {
        Paths {
            ends: Vec::new(),
            book: HashMap::default(),
            faults: Faults::NONE,
            flying: Vec::new(),
            free: Vec::new(),
            traffic: Traffic::default(),
            flows: None,
        }
    }

    /// A host that is up. Whoever had its address before is no longer reached there.
    pub(super) fn add(&mut self, site: Site) -> HostId {
        let host = HostId(self.ends.len() as u32);
        let nat = site.nat.map(|kind| Box::new(Nat::new(kind, site.endpoint)));
        let (line_fault, bursts) = (None, BurstState::default());
        self.ends.push(HostEnd { site, nat, is_up: true, line_fault, bursts, part: 0, bans: None });
        self.enter(host);
        host
    }

    pub(super) fn site(&self, host: HostId) -> Option<&Site> {
        self.ends.get(host.index()).map(|end| &end.site)
    }

    /// The host has another address, and whoever sends to the old one reaches nobody.
    pub(super) fn move_to(&mut self, host: HostId, endpoint: Endpoint) {
        let key = self.key(host);
        if self.book.get(&key) == Some(&host) {
            self.book.remove(&key);
        }
        let end = &mut self.ends[host.index()];
        end.site.endpoint = endpoint;
        if let Some(nat) = &mut end.nat {
            nat.restart(endpoint);
        }
        self.enter(host);
    }

    /// Another router stands before a host, at the same address, or none: nothing that was open is.
    pub(super) fn set_router(&mut self, host: HostId, nat: Option<NatKind>) {
        let key = self.key(host);
        if self.book.get(&key) == Some(&host) {
            self.book.remove(&key);
        }
        let end = &mut self.ends[host.index()];
        end.site.nat = nat;
        end.nat = nat.map(|kind| Box::new(Nat::new(kind, end.site.endpoint)));
        self.enter(host);
    }

    pub(super) fn set_up(&mut self, host: HostId, is_up: bool) {
        self.ends[host.index()].is_up = is_up;
    }

    pub(super) fn is_up(&self, host: HostId) -> bool {
        self.ends.get(host.index()).is_some_and(|end| end.is_up)
    }

    pub(super) fn set_line_fault(&mut self, host: HostId, fault: Option<LineFault>) {
        self.ends[host.index()].line_fault = fault;
    }

    pub(super) fn set_part(&mut self, host: HostId, part: u8) {
        self.ends[host.index()].part = part;
    }

    pub(super) fn set_bans(&mut self, host: HostId, bans: Bans) {
        self.ends[host.index()].bans = Some(Box::new(bans));
    }

    pub(super) fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    pub(super) fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// The flows of this host are counted from now on, and those of no other.
    pub(super) fn watch_flows(&mut self, host: HostId) {
        self.flows = Some((host, Flows::default()));
    }

    /// The most flows that were opened in ten seconds by the host that is watched.
    pub(super) fn most_flows(&self) -> usize {
        self.flows.as_ref().map_or(0, |(_, flows)| flows.most())
    }

    /// Who is reached at an address.
    pub(super) fn host_at(&self, to: &Endpoint) -> Option<HostId> {
        self.book.get(to).or_else(|| self.book.get(&to.with_port(0))).copied()
    }

    /// How many were banned by this host.
    pub(super) fn bans_of(&self, host: HostId) -> u64 {
        let bans = self.ends.get(host.index()).and_then(|end| end.bans.as_ref());
        bans.map_or(0, |bans| bans.made())
    }

    /// Sends a datagram: each copy of it that gets under way, with when it arrives. False if the host is told that it
    /// could not send.
    pub(super) fn send(
        &mut self,
        (now, rng): (Instant, &mut Rng),
        sender: HostId,
        to: Endpoint,
        bytes: &[u8],
        fly: impl FnMut(Instant, u32),
    ) -> bool {
        if let Some((_, flows)) = self.flows.as_mut().filter(|(watched, _)| *watched == sender) {
            flows.on_sent(now, to);
        }
        let end = &mut self.ends[sender.index()];
        if end.line_fault.is_some() {
            let is_told = end.line_fault == Some(LineFault::Failing);
            self.count_sent(bytes);
            self.traffic.line_down += 1;
            return !is_told;
        }
        let from = end.nat.as_mut().map_or(end.site.endpoint, |nat| nat.send(now, to));
        self.send_as((now, rng), (sender, from), to, bytes, fly);
        true
    }

    /// The same in whatever name: nobody on the way looks at the sender's address.
    pub(super) fn send_as(
        &mut self,
        (now, rng): (Instant, &mut Rng),
        (sender, from): (HostId, Endpoint),
        to: Endpoint,
        bytes: &[u8],
        mut fly: impl FnMut(Instant, u32),
    ) {
        self.count_sent(bytes);
        let end = &mut self.ends[sender.index()];
        let (position, mut is_lost) = (end.site.position, end.loses(now, rng, &self.faults));
        if bytes.len() > self.faults.mtu {
            self.traffic.too_long += 1;
            return;
        }
        let Some(receiver) = self.host_at(&to) else {
            self.traffic.to_nobody += 1;
            return;
        };
        let end = &mut self.ends[receiver.index()];
        let distance = position.rtt(&end.site.position) / 2;
        is_lost |= end.loses(now, rng, &self.faults);
        let mut copies = 0;
        for delay in self.faults.copies(rng) {
            if is_lost {
                break;
            }
            copies += 1;
            let place = self.place_for_one();
            let packet = &mut self.flying[place as usize];
            (packet.from, packet.sender, packet.to) = (Some(from), sender, to);
            packet.bytes.clear();
            packet.bytes.extend_from_slice(bytes);
            self.faults.corrupt(rng, &mut packet.bytes);
            fly(now + distance + delay, place);
        }
        self.traffic.lost += u64::from(copies == 0);
    }

    fn count_sent(&mut self, bytes: &[u8]) {
        self.traffic.sent += 1;
        self.traffic.sent_bytes += bytes.len() as u64;
    }

    /// A datagram is there. Its bytes are to be handed back.
    pub(super) fn arrive(&mut self, now: Instant, place: u32) -> Option<Arrived> {
        let packet = &mut self.flying[place as usize];
        let (from, to, sender) = (packet.from.take()?, packet.to, packet.sender);
        let bytes = core::mem::take(&mut packet.bytes);
        match self.receiver(now, (from, sender), to) {
            Some(host) => {
                self.traffic.arrived += 1;
                self.free.push(place);
                Some(Arrived { host, from, bytes })
            }
            None => {
                self.take_back(place, bytes);
                self.free.push(place);
                None
            }
        }
    }

    /// The memory of a datagram, for another one.
    pub(super) fn reuse(&mut self, bytes: Vec<u8>) {
        if let Some(place) = self.free.last().copied() {
            self.take_back(place, bytes);
        }
    }

    fn take_back(&mut self, place: u32, bytes: Vec<u8>) {
        self.flying[place as usize].bytes = bytes;
    }

    fn receiver(&mut self, now: Instant, (from, sender): (Endpoint, HostId), to: Endpoint) -> Option<HostId> {
        let Some(host) = self.host_at(&to).filter(|host| self.is_up(*host)) else {
            self.traffic.to_nobody += 1;
            return None;
        };
        let part = self.ends[sender.index()].part;
        let end = &mut self.ends[host.index()];
        if end.line_fault.is_some() {
            self.traffic.line_down += 1;
            return None;
        }
        if end.part != part {
            self.traffic.cut_off += 1;
            return None;
        }
        if end.nat.as_ref().is_some_and(|nat| !nat.lets_in(now, from, to.port())) {
            self.traffic.kept_out += 1;
            return None;
        }
        if end.bans.as_mut().is_some_and(|bans| !bans.admits(now, &from)) {
            self.traffic.banned += 1;
            return None;
        }
        Some(host)
    }

    fn enter(&mut self, host: HostId) {
        let key = self.key(host);
        self.book.insert(key, host);
    }

    fn key(&self, host: HostId) -> Endpoint {
        let end = &self.ends[host.index()];
        if end.nat.is_some() { end.site.endpoint.with_port(0) } else { end.site.endpoint }
    }

    fn place_for_one(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.flying.push(Packet { from: None, sender: HostId(0), to: Endpoint::UNSPECIFIED, bytes: Vec::new() });
            self.flying.len() as u32 - 1
        })
    }
}

impl HostEnd {
    fn loses(&mut self, now: Instant, rng: &mut Rng, faults: &Faults) -> bool {
        faults.bursts.as_ref().is_some_and(|bursts| self.bursts.loses(now, rng, bursts))
    }
}
