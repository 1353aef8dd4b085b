//! Those who harm by asking: they come by themselves, again and again, and answer like anybody else.

use alloc::vec::Vec;

use crate::base::time::{Duration, Instant};
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;
use crate::krpc::item::Item;
use crate::krpc::message::{Decoded, Method, Query, Response, Want, decode};
use crate::sim::addresses::random_endpoint;
use crate::sim::participant::{Moment, Participant};
use crate::sim::referrals::Knowledge;
use crate::sim::remote::Remote;

/// What somebody comes for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Errand {
    /// To be known: it asks, so that it waits to be checked.
    Poison,
    /// To store items that nobody looks for.
    FlushItems,
    /// To announce peers that are none, all of one topic or each of another.
    FlushPeers(Option<Id>),
    /// To have others be answered: it asks in their names.
    Spoof,
}

/// Whoever comes by himself.
#[derive(Debug)]
pub struct Intruder {
    id: Id,
    remote: Remote,
    errand: Errand,
    targets: Vec<Endpoint>,
    every: Duration,
    next: Instant,
    asked: usize,
    /// What it wants to store next: a token is good for its target alone.
    value: [u8; 16],
    topic: Id,
}

impl Intruder {
    /// Somebody with this id who comes to one of these after the other, one every so often.
    #[must_use]
    pub fn new(id: Id, errand: Errand, targets: Vec<Endpoint>, every: Duration, first: Instant) -> Self {
        let remote = Remote::new(id, Knowledge::WORLD);
        Intruder {
            id,
            remote,
            errand,
            targets,
            every: every.max(Duration::from_millis(1)),
            next: first,
            asked: 0,
            value: [b'0'; 16],
            topic: Id::default(),
        }
    }

    fn query(&self, tid: &[u8; 2], method: Method<'_>) -> Vec<u8> {
        let mut out = [0; 1500];
        let query = Query { tid, version: None, read_only: false, id: self.id, method };
        let len = query.encode(&mut out).unwrap_or(0);
        out[..len].to_vec()
    }

    fn encoded_value(&self) -> [u8; 19] {
        let mut encoded = *b"16:0123456789abcdef";
        encoded[3..].copy_from_slice(&self.value);
        encoded
    }

    /// A token came: it is used at once.
    fn store(&self, moment: &mut Moment<'_>, to: Endpoint, token: &[u8]) {
        let payload = match self.errand {
            Errand::FlushItems => {
                let value = self.encoded_value();
                let item = Item { value: &value, mutable: None };
                self.query(b"pp", Method::Put { token, item, cas: None, target: Some(item.target()) })
            }
            Errand::FlushPeers(_) => {
                let info_hash = self.topic;
                let port = 1_024 + moment.rng.below(60_000) as u16;
                let (implied_port, seed) = (false, false);
                self.query(b"aa", Method::AnnouncePeer { info_hash, port, implied_port, seed, token })
            }
            Errand::Poison | Errand::Spoof => return,
        };
        moment.send(to, &payload);
    }
}

impl Participant for Intruder {
    fn on_datagram(&mut self, moment: &mut Moment<'_>, from: Endpoint, payload: &[u8]) {
        match decode(payload) {
            Ok(Decoded::Response(Response { token: Some(token), .. })) => self.store(moment, from, token),
            Ok(Decoded::Query(_)) => self.remote.on_datagram(moment, from, payload),
            _ => {}
        }
    }

    fn on_timer(&mut self, moment: &mut Moment<'_>) {
        self.next = moment.now + self.every;
        let Some(to) = self.targets.get(self.asked % self.targets.len().max(1)).copied() else { return };
        self.asked += 1;
        let (target, want) = (Id::random(moment.rng), Want::default());
        let method = match self.errand {
            Errand::FlushItems => {
                self.value = moment.rng.bytes();
                let target = Item::immutable_target(&self.encoded_value());
                Method::Get { target, seq: None, want }
            }
            Errand::FlushPeers(topic) => {
                let info_hash = topic.unwrap_or(target);
                self.topic = info_hash;
                Method::GetPeers { info_hash, want, noseed: false, scrape: false }
            }
            Errand::Poison | Errand::Spoof => Method::FindNode { target, want },
        };
        let payload = self.query(b"ff", method);
        match self.errand {
            Errand::Spoof => {
                let from = random_endpoint(to.family(), moment.rng);
                moment.send_as(from, to, &payload);
            }
            _ => moment.send(to, &payload),
        }
    }

    fn holds(&self, now: Instant, target: &Id) -> Option<i64> {
        self.remote.holds(now, target)
    }

    fn deadline(&self) -> Option<Instant> {
        (!self.targets.is_empty()).then_some(self.next)
    }
}
