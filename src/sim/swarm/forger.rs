//! Somebody who takes part in nothing and sends what nobody asked for: answers without a question, queries under the
//! ids of others, queries in their names, and stores with tokens that nobody gave.

use crate::base::time::{Duration, Instant};
use crate::krpc::id::Id;
use crate::krpc::item::Item;
use crate::krpc::message::{Method, Query, Response, Want};
use crate::sim::addresses::random_endpoint;
use crate::sim::participant::{Moment, Participant};

/// It sends something this often.
const EVERY: Duration = Duration::from_millis(400);
/// What it stores, if it can.
pub(super) const FORGED: &[u8] = b"6:forged";

/// Somebody who sends what nobody asked for.
#[derive(Debug)]
pub(super) struct Forger {
    next: Instant,
}

impl Forger {
    /// One that begins at this time.
    pub(super) fn new(first: Instant) -> Self {
        Forger { next: first }
    }

    /// A query under this id.
    fn query(id: Id, method: Method<'_>, out: &mut [u8]) -> usize {
        let query = Query { tid: b"frgd", version: None, read_only: false, id, method };
        query.encode(out).unwrap_or(0)
    }
}

impl Participant for Forger {
    fn on_datagram(&mut self, _: &mut Moment<'_>, _: crate::Endpoint, _: &[u8]) {}

    fn on_timer(&mut self, moment: &mut Moment<'_>) {
        self.next = moment.now + EVERY;
        let others = moment.oracle.hosts().filter(|(_, known)| !known.is_adversary).count() as u32;
        let mut draw = || moment.oracle.hosts().nth(moment.rng.below(others.max(1)) as usize).map(|(_, known)| *known);
        let (Some(receiver), Some(other)) = (draw(), draw()) else { return };
        let (to, Some(id)) = (receiver.endpoint, other.id) else { return };
        let (mut out, target, want) = ([0; 1500], Id::random(moment.rng), Want::default());
        let token = &moment.rng.bytes::<8>()[..];
        let item = Item { value: FORGED, mutable: None };
        let (implied_port, seed) = (true, false);
        let find = Method::FindNode { target, want };
        let (len, is_in_anothers_name) = match moment.rng.below(6) {
            0 => (Response::new(&token[..4], id).encode(&mut out).unwrap_or(0), false),
            1 => (Response::new(&token[..4], target).encode(&mut out).unwrap_or(0), true),
            2 => (Self::query(id, find, &mut out), false),
            3 => (Self::query(target, find, &mut out), true),
            4 => {
                let info_hash = Item::immutable_target(FORGED);
                let announce = Method::AnnouncePeer { info_hash, port: 6, implied_port, seed, token };
                (Self::query(target, announce, &mut out), false)
            }
            _ => {
                let put = Method::Put { token, item, cas: None, target: Some(item.target()) };
                (Self::query(target, put, &mut out), false)
            }
        };
        match is_in_anothers_name {
            true => {
                let from = random_endpoint(to.family(), moment.rng);
                moment.send_as(from, to, &out[..len]);
            }
            false => moment.send(to, &out[..len]),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        Some(self.next)
    }
}
