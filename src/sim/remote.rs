//! A remote node of another make: it answers as such nodes do, holds what it is given, and does nothing by itself, but
//! for those that ask somebody from time to time.
//!
//! It has no table ([`Knowledge`] says whom it names), so ten thousand of them cost no more than the questions that are
//! put to them. What it does is what libtorrent and the mainline crate do: eight or twenty nodes, write tokens that are
//! good for five to ten minutes, items for two hours, refusals by number.

use alloc::vec::Vec;
use core::hash::Hasher;

use siphasher::sip::SipHasher13;

use crate::base::time::{Duration, Instant};
use crate::krpc::compact::{NODE6, PEER6, Values, put_node, put_peer};
use crate::krpc::endpoint::{Endpoint, Family};
use crate::krpc::id::Id;
use crate::krpc::item::Item;
use crate::krpc::message::{Decoded, ErrorCode, ErrorMessage, Method, Query, Response, Want, decode};
use crate::sim::distribution::Weibull;
use crate::sim::holdings::Holdings;
use crate::sim::oracle::Oracle;
use crate::sim::participant::{Moment, Participant};
use crate::sim::paths::HostId;
use crate::sim::referrals::Knowledge;

/// A write token is good in the period in which it was given, and in the next.
const TOKEN_PERIOD: Duration = Duration::from_secs(5 * 60);
/// How long an item is kept (BEP 44).
const ITEM_LASTS: Duration = Duration::from_secs(2 * 3_600);
/// Peers in one reply.
const PEERS: usize = 50;
/// Most nodes in one reply.
const NODES: usize = 20;

/// A remote node.
#[derive(Clone, Debug)]
pub struct Remote {
    id: Id,
    knowledge: Knowledge,
    holdings: Holdings,
    version: [u8; 4],
    /// How long it keeps items, where that is not for two hours.
    keeps: Option<Weibull>,
    /// How often it asks somebody, and when next.
    asks: Option<(Duration, Instant)>,
    /// It answers nobody, and says so.
    is_read_only: bool,
}

impl Remote {
    /// A node with this id that knows so much of the world.
    #[must_use]
    pub fn new(id: Id, knowledge: Knowledge) -> Self {
        let (holdings, version) = (Holdings::default(), *b"LT\x02\x00");
        Remote { id, knowledge, holdings, version, keeps: None, asks: None, is_read_only: false }
    }

    /// The same, and it keeps items for times of this law.
    #[must_use]
    pub fn keeping(self, law: Weibull) -> Self {
        Remote { keeps: Some(law), ..self }
    }

    /// The same, and it asks somebody who can be reached, another one each time: so often, and then for the first time.
    #[must_use]
    pub fn asking(self, every: Duration, first: Instant) -> Self {
        Remote { asks: Some((every.max(Duration::from_millis(1)), first)), ..self }
    }

    /// The same, and it answers nobody, and says so to those that it asks (BEP 43).
    #[must_use]
    pub fn read_only(self) -> Self {
        Remote { is_read_only: true, ..self }
    }

    /// Until when it keeps an item that it is given now.
    fn keeps_until(&self, now: Instant, item: &Item<'_>) -> Instant {
        let Some(law) = self.keeps else { return now + ITEM_LASTS };
        let mut hasher = SipHasher13::new();
        hasher.write(self.id.as_bytes());
        hasher.write(item.target().as_bytes());
        hasher.write_u64(now.as_micros());
        now + law.quantile((hasher.finish() >> 11) as f64 / (1_u64 << 53) as f64)
    }

    fn token(&self, now: Instant, from: &Endpoint, periods_ago: u64) -> [u8; 8] {
        let period = (now.as_micros() / TOKEN_PERIOD.as_micros() as u64).saturating_sub(periods_ago);
        let mut hasher = SipHasher13::new();
        hasher.write(self.id.as_bytes());
        hasher.write(from.ip_bytes());
        hasher.write_u64(period);
        hasher.finish().to_be_bytes()
    }

    fn takes(&self, now: Instant, from: &Endpoint, token: &[u8]) -> Result<(), ErrorCode> {
        let is_good = (0..2).any(|ago| token == self.token(now, from, ago));
        if is_good { Ok(()) } else { Err(ErrorCode::Protocol) }
    }

    /// What a query asks to be stored.
    fn store(&mut self, now: Instant, from: Endpoint, method: &Method<'_>) -> Result<(), ErrorCode> {
        match *method {
            Method::AnnouncePeer { info_hash, port, implied_port, token, .. } => {
                self.takes(now, &from, token)?;
                let peer = if implied_port { from } else { from.with_port(port) };
                self.holdings.announce(now, info_hash, peer);
                Ok(())
            }
            Method::Put { token, item, cas, .. } => {
                self.takes(now, &from, token)?;
                let until = self.keeps_until(now, &item);
                self.holdings.put((now, until), &item, cas)
            }
            _ => Ok(()),
        }
    }

    /// What it answers to a query, in memory that is lent.
    fn respond<'a>(
        &'a self,
        (now, oracle): (Instant, &Oracle),
        from: Endpoint,
        query: &Query<'a>,
        parts: &'a mut Parts,
    ) -> Response<'a> {
        let Parts { nodes, peers, token } = parts;
        *token = self.token(now, &from, 0);
        let (token, family) = (Some(&token[..]), from.family());
        let mut response =
            Response { ip: Some(from), version: Some(&self.version), ..Response::new(query.tid, self.id) };
        match query.method {
            Method::GetPeers { info_hash, .. } => {
                (response.token, response.values) = (token, self.peers(now, &info_hash, family, peers));
            }
            Method::Get { target, seq, .. } => {
                response.token = token;
                self.item(now, &target, seq, &mut response);
            }
            _ => {}
        }
        if let Some(target) = target_of(&query.method) {
            let named = self.knowledge.named(oracle, &self.id, &target, now).into_iter();
            let named =
                named.filter_map(|host| oracle.known(host)).filter_map(|known| Some((known.id?, known.endpoint)));
            name(&mut response, family, named, nodes);
        }
        response
    }

    fn peers<'a>(&self, now: Instant, topic: &Id, family: Family, out: &'a mut [u8]) -> Values<'a> {
        let mut len = 0;
        for peer in self.holdings.peers(now, topic).filter(|peer| peer.family() == family).take(PEERS) {
            len += put_peer(&mut out[len..], &peer);
        }
        if len == 0 { Values::Absent } else { Values::Packed { bytes: &out[..len], family } }
    }

    fn item<'a>(&'a self, now: Instant, target: &Id, newer_than: Option<i64>, response: &mut Response<'a>) {
        let Some(held) = self.holdings.item(now, target) else { return };
        if let Some((key, signature, seq)) = &held.signed {
            response.seq = Some(*seq);
            if newer_than.is_some_and(|than| *seq <= than) {
                return;
            }
            (response.key, response.signature) = (Some(key), Some(signature));
        }
        response.value = Some(&held.value);
    }

    /// Takes what a query asks to be stored, and answers it, with these changes.
    pub(super) fn serve(
        &mut self,
        moment: &Moment<'_>,
        from: Endpoint,
        query: &Query<'_>,
        changed: &Changes<'_>,
    ) -> Vec<u8> {
        let mut out = [0; 1500];
        let stored = if changed.confirms { Ok(()) } else { self.store(moment.now, from, &query.method) };
        let written = match stored {
            Ok(()) => {
                let (mut parts, mut named) = (Parts::default(), [0; NODES * NODE6]);
                let mut response = self.respond((moment.now, moment.oracle), from, query, &mut parts);
                changed.apply(&mut response, from.family(), &mut named);
                response.encode(&mut out)
            }
            Err(error) => {
                let (tid, version) = (query.tid, Some(&self.version[..]));
                let (code, text) = (error.code(), error.text().as_bytes());
                ErrorMessage { tid, version, ip: Some(from), code, text }.encode(&mut out)
            }
        };
        out[..written.unwrap_or(0)].to_vec()
    }
}

/// What is answered otherwise than it should be.
#[derive(Default)]
pub(super) struct Changes<'a> {
    pub(super) id: Option<Id>,
    pub(super) ip: Option<Endpoint>,
    pub(super) token: Option<&'a [u8]>,
    /// Named instead of others.
    pub(super) named: Option<&'a [(Id, Endpoint)]>,
    /// A version without an item.
    pub(super) claim: Option<i64>,
    /// Nothing that is held is returned.
    pub(super) withholds: bool,
    /// What is to be stored is confirmed, and not taken.
    pub(super) confirms: bool,
    /// Returned as the value.
    pub(super) value: Option<&'a [u8]>,
}

impl<'a> Changes<'a> {
    fn apply(&self, response: &mut Response<'a>, family: Family, out: &'a mut [u8]) {
        response.id = self.id.unwrap_or(response.id);
        response.ip = self.ip.or(response.ip);
        if response.token.is_some() {
            response.token = self.token.or(response.token);
        }
        if let Some(named) = self.named.filter(|_| response.nodes.is_some() || response.nodes6.is_some()) {
            name(response, family, named.iter().copied(), out);
        }
        if self.withholds || self.claim.is_some() {
            (response.value, response.key, response.signature, response.seq) = (None, None, None, self.claim);
            response.values = Values::Absent;
        }
        response.value = self.value.or(response.value);
    }
}

/// Memory for the lists of an answer.
struct Parts {
    nodes: [u8; NODES * NODE6],
    peers: [u8; PEERS * PEER6],
    token: [u8; 8],
}

impl Default for Parts {
    fn default() -> Self {
        Parts { nodes: [0; NODES * NODE6], peers: [0; PEERS * PEER6], token: [0; 8] }
    }
}

/// What a query looks for, if nodes near it are to be named.
pub(super) fn target_of(method: &Method<'_>) -> Option<Id> {
    match *method {
        Method::FindNode { target, .. } | Method::SampleInfohashes { target, .. } | Method::Get { target, .. } => {
            Some(target)
        }
        Method::GetPeers { info_hash, .. } => Some(info_hash),
        _ => None,
    }
}

/// Nodes of a family, as many as there is memory for.
fn name<'a>(
    response: &mut Response<'a>,
    family: Family,
    named: impl Iterator<Item = (Id, Endpoint)>,
    out: &'a mut [u8],
) {
    let (mut len, most) = (0, out.len() / NODE6);
    for (id, endpoint) in named.filter(|(_, endpoint)| endpoint.family() == family).take(most) {
        len += put_node(&mut out[len..], &id, &endpoint);
    }
    match family {
        Family::V4 => response.nodes = Some(&out[..len]),
        Family::V6 => response.nodes6 = Some(&out[..len]),
    }
}

impl Participant for Remote {
    fn on_datagram(&mut self, moment: &mut Moment<'_>, from: Endpoint, payload: &[u8]) {
        let Ok(Decoded::Query(query)) = decode(payload) else { return };
        if self.is_read_only {
            return;
        }
        let answer = self.serve(moment, from, &query, &Changes::default());
        moment.send(from, &answer);
    }

    fn on_timer(&mut self, moment: &mut Moment<'_>) {
        let Some((every, next)) = &mut self.asks else { return };
        *next = moment.now + *every;
        let target = Id::random(moment.rng);
        let Some(known) = moment.oracle.closest(&target, 1).first().and_then(|host| moment.oracle.known(*host)) else {
            return;
        };
        let (mut out, to) = ([0; 1500], known.endpoint);
        let method = Method::FindNode { target, want: Want::default() };
        let (version, read_only) = (Some(&self.version[..]), self.is_read_only);
        let len = Query { tid: b"rm", version, read_only, id: self.id, method }.encode(&mut out).unwrap_or(0);
        moment.send(to, &out[..len]);
    }

    fn deadline(&self) -> Option<Instant> {
        self.asks.map(|(_, next)| next)
    }

    fn hold_item(&mut self, now: Instant, item: &Item<'_>) {
        // A newer one that it holds stays.
        let until = self.keeps_until(now, item);
        let _ = self.holdings.put((now, until), item, None);
    }

    fn hold_peer(&mut self, now: Instant, topic: Id, peer: Endpoint) {
        self.holdings.announce(now, topic, peer);
    }

    fn named(&self, oracle: &Oracle, now: Instant, target: &Id) -> Vec<HostId> {
        self.knowledge.named(oracle, &self.id, target, now)
    }

    fn on_start(&mut self) {
        self.holdings = Holdings::default();
    }

    fn holds(&self, now: Instant, target: &Id) -> Option<i64> {
        let held = self.holdings.item(now, target)?;
        Some(held.signed.map_or(0, |(.., seq)| seq))
    }
}
