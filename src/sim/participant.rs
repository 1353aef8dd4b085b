//! Whoever is no node of ours: what it does with a datagram, and when it wants to be woken.
//!
//! A participant is as deterministic as all else: it has no clock and no randomness but what it is handed.

use alloc::vec::Vec;
use core::fmt;

use crate::base::rng::Rng;
use crate::base::time::Instant;
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;
use crate::krpc::item::Item;
use crate::sim::oracle::Oracle;
use crate::sim::paths::HostId;

/// Whoever is no node of ours.
pub trait Participant {
    /// A datagram has arrived.
    fn on_datagram(&mut self, moment: &mut Moment<'_>, from: Endpoint, payload: &[u8]);

    /// The time that it named has come.
    fn on_timer(&mut self, _turn: &mut Moment<'_>) {}

    /// Its host is up again: what it kept in memory is gone.
    fn on_start(&mut self) {}

    /// The version of an item that it holds for others; 0 of one that has none.
    fn holds(&self, _now: Instant, _target: &Id) -> Option<i64> {
        None
    }

    /// It has been given an item to hold, without a word.
    fn hold_item(&mut self, _now: Instant, _item: &Item<'_>) {}

    /// It has been given a peer of a topic to tell of.
    fn hold_peer(&mut self, _now: Instant, _topic: Id, _peer: Endpoint) {}

    /// Whom it would name to one that asks for a target.
    fn named(&self, _oracle: &Oracle, _now: Instant, _target: &Id) -> Vec<HostId> {
        Vec::new()
    }

    /// When it wants to be woken next.
    fn deadline(&self) -> Option<Instant> {
        None
    }
}

/// What a participant is handed when something happens to it.
pub struct Moment<'w> {
    /// The time of the world.
    pub now: Instant,
    /// Its own address, as it knows it.
    pub own: Endpoint,
    /// The world's randomness.
    pub rng: &'w mut Rng,
    /// Who there is in the world: adversaries know more than anybody could.
    pub oracle: &'w Oracle,
    sends: &'w mut Sends,
}

impl fmt::Debug for Moment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Moment").field("now", &self.now).field("own", &self.own).finish_non_exhaustive()
    }
}

/// What a participant has sent in its moment.
#[derive(Default, Debug)]
pub(super) struct Sends {
    to: Vec<(Endpoint, Option<Endpoint>, usize)>,
    bytes: Vec<u8>,
}

impl<'w> Moment<'w> {
    pub(super) fn new(
        (now, own): (Instant, Endpoint),
        rng: &'w mut Rng,
        oracle: &'w Oracle,
        sends: &'w mut Sends,
    ) -> Self {
        Moment { now, own, rng, oracle, sends }
    }

    /// Sends a datagram.
    pub fn send(&mut self, to: Endpoint, payload: &[u8]) {
        self.sends.add(to, None, payload);
    }

    /// Sends a datagram in another's name: nobody on the way looks at the sender's address.
    pub fn send_as(&mut self, from: Endpoint, to: Endpoint, payload: &[u8]) {
        self.sends.add(to, Some(from), payload);
    }
}

impl Sends {
    fn add(&mut self, to: Endpoint, from: Option<Endpoint>, payload: &[u8]) {
        self.bytes.extend_from_slice(payload);
        self.to.push((to, from, payload.len()));
    }

    /// Each datagram: where to, in whose name, and its bytes.
    pub(super) fn drain(&mut self, mut each: impl FnMut(Endpoint, Option<Endpoint>, &[u8])) {
        let mut at = 0;
        for (to, from, len) in self.to.drain(..) {
            each(to, from, &self.bytes[at..at + len]);
            at += len;
        }
        self.bytes.clear();
    }
}
