//! A router that shares one address: where its mappings lead, whom it lets in, and how long they last.
//!
//! Names are those of RFC 4787. A host behind it is reached through a mapping that its own datagrams have made, and by
//! nobody when none is left.

use alloc::vec::Vec;

use crate::base::time::{Duration, Instant};
use crate::krpc::endpoint::Endpoint;

/// Most mappings of one router; the one that was idle for longest makes room.
const MOST: usize = 1024;
/// The first port that is given away.
const FIRST_PORT: u16 = 20_000;

/// What a mapping, or the right to come in by it, depends on.
///
/// Exhaustive: RFC 4787 has these three.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Dependence {
    /// On nothing: all destinations share a mapping, and anybody comes in by it.
    Endpoint,
    /// On the other address.
    Address,
    /// On the other address and port.
    AddressAndPort,
}

/// A kind of router.
///
/// Exhaustive: it is written as a literal over one of its constants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NatKind {
    /// What a mapping depends on.
    pub mapping: Dependence,
    /// What it takes to come in.
    pub filtering: Dependence,
    /// A mapping by which nothing was sent for this long is gone.
    pub expiry: Duration,
}

impl NatKind {
    /// Anybody comes in.
    pub const FULL_CONE: NatKind =
        NatKind { mapping: Dependence::Endpoint, filtering: Dependence::Endpoint, expiry: Duration::from_secs(120) };
    /// Whoever's address was sent to comes in.
    pub const ADDRESS_RESTRICTED: NatKind = NatKind { filtering: Dependence::Address, ..NatKind::FULL_CONE };
    /// Whoever's address and port were sent to comes in.
    pub const PORT_RESTRICTED: NatKind = NatKind { filtering: Dependence::AddressAndPort, ..NatKind::FULL_CONE };
    /// Each destination sees another port, and is alone in coming in by it.
    pub const SYMMETRIC: NatKind = NatKind { mapping: Dependence::AddressAndPort, ..NatKind::PORT_RESTRICTED };
}

/// A router with its mappings, before one host.
#[derive(Clone, Debug)]
pub(super) struct Nat {
    kind: NatKind,
    /// Without a port.
    public: Endpoint,
    mappings: Vec<Mapping>,
    next_port: u16,
}

#[derive(Clone, Debug)]
struct Mapping {
    port: u16,
    /// The part of the destination that it depends on.
    to: Endpoint,
    /// Those sent to, as far as the filter cares, with when.
    sent: Vec<(Endpoint, Instant)>,
    last: Instant,
}

impl Nat {
    pub(super) fn new(kind: NatKind, public: Endpoint) -> Self {
        Nat { kind, public: public.with_port(0), mappings: Vec::new(), next_port: FIRST_PORT }
    }

    /// From where the other side sees a datagram of ours come.
    pub(super) fn send(&mut self, now: Instant, to: Endpoint) -> Endpoint {
        let (part, right) = (relevant(self.kind.mapping, to), relevant(self.kind.filtering, to));
        let expiry = self.kind.expiry;
        self.mappings.retain(|mapping| now.since(mapping.last) < expiry);
        let place = match self.mappings.iter().position(|mapping| mapping.to == part) {
            Some(place) => place,
            None => self.open(now, part),
        };
        let mapping = &mut self.mappings[place];
        mapping.last = now;
        mapping.sent.retain(|(_, at)| now.since(*at) < expiry);
        match mapping.sent.iter_mut().find(|(who, _)| *who == right) {
            Some((_, at)) => *at = now,
            None => mapping.sent.push((right, now)),
        }
        self.public.with_port(mapping.port)
    }

    /// Whether a datagram to this port comes in.
    pub(super) fn lets_in(&self, now: Instant, from: Endpoint, port: u16) -> bool {
        let right = relevant(self.kind.filtering, from);
        let is_fresh = |at: Instant| now.since(at) < self.kind.expiry;
        self.mappings.iter().any(|mapping| {
            let is_known = || mapping.sent.iter().any(|(who, at)| *who == right && is_fresh(*at));
            mapping.port == port && is_fresh(mapping.last) && is_known()
        })
    }

    /// The router has started anew, perhaps with another address: nothing that was open is.
    pub(super) fn restart(&mut self, public: Endpoint) {
        (self.public, self.next_port) = (public.with_port(0), self.next_port.wrapping_add(101).max(FIRST_PORT));
        self.mappings.clear();
    }

    fn open(&mut self, now: Instant, to: Endpoint) -> usize {
        if self.mappings.len() == MOST
            && let Some(idle) = (0..MOST).min_by_key(|i| self.mappings[*i].last)
        {
            self.mappings.remove(idle);
        }
        let port = self.next_port;
        self.next_port = self.next_port.wrapping_add(1).max(FIRST_PORT);
        self.mappings.push(Mapping { port, to, sent: Vec::new(), last: now });
        self.mappings.len() - 1
    }
}

/// The part of another endpoint that matters.
fn relevant(dependence: Dependence, other: Endpoint) -> Endpoint {
    match dependence {
        Dependence::Endpoint => Endpoint::UNSPECIFIED,
        Dependence::Address => other.with_port(0),
        Dependence::AddressAndPort => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: Endpoint = Endpoint::v4([9, 9, 9, 9], 0);
    const FRIEND: Endpoint = Endpoint::v4([1, 1, 1, 1], 5);

    #[test]
    fn who_comes_in_depends_on_the_kind() {
        let (same_host, stranger) = (FRIEND.with_port(6), Endpoint::v4([2, 2, 2, 2], 5));
        for (kind, lets_in) in [
            (NatKind::FULL_CONE, [true, true, true]),
            (NatKind::ADDRESS_RESTRICTED, [true, true, false]),
            (NatKind::PORT_RESTRICTED, [true, false, false]),
            (NatKind::SYMMETRIC, [true, false, false]),
        ] {
            let mut nat = Nat::new(kind, PUBLIC);
            let now = Instant::from_secs(10);
            let port = nat.send(now, FRIEND).port();
            let is = [FRIEND, same_host, stranger].map(|from| nat.lets_in(now, from, port));
            assert_eq!(is, lets_in, "{kind:?}");
            let other = nat.send(now, stranger).port();
            assert_eq!(other != port, kind == NatKind::SYMMETRIC, "{kind:?}");
        }
    }

    #[test]
    fn a_mapping_lasts_as_long_as_something_is_sent_by_it() {
        let mut nat = Nat::new(NatKind::PORT_RESTRICTED, PUBLIC);
        let port = nat.send(Instant::from_secs(0), FRIEND).port();
        assert!(nat.lets_in(Instant::from_secs(119), FRIEND, port));
        assert!(!nat.lets_in(Instant::from_secs(120), FRIEND, port));
        assert_eq!(nat.send(Instant::from_secs(119), FRIEND).port(), port);
        assert!(nat.lets_in(Instant::from_secs(238), FRIEND, port));
        assert_ne!(nat.send(Instant::from_secs(300), FRIEND).port(), port, "it was gone");
    }

    #[test]
    fn no_more_mappings_are_kept_than_there_may_be() {
        let mut nat = Nat::new(NatKind::SYMMETRIC, PUBLIC);
        let now = Instant::from_secs(1);
        let ports: Vec<u16> = (0..=MOST as u16).map(|i| nat.send(now, FRIEND.with_port(i + 1)).port()).collect();
        assert_eq!(nat.mappings.len(), MOST);
        assert!(!nat.lets_in(now, FRIEND.with_port(1), ports[0]), "the oldest made room");
        assert!(nat.lets_in(now, FRIEND.with_port(2), ports[1]));
    }

    #[test]
    fn after_a_restart_nothing_is_open_and_ports_are_others() {
        let mut nat = Nat::new(NatKind::FULL_CONE, PUBLIC);
        let before = nat.send(Instant::ZERO, FRIEND);
        nat.restart(Endpoint::v4([9, 9, 9, 10], 0));
        assert!(!nat.lets_in(Instant::ZERO, FRIEND, before.port()));
        let after = nat.send(Instant::ZERO, FRIEND);
        assert!(!after.same_ip(&before) && after.port() != before.port());
    }
}
