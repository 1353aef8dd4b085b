//! What an answer is worth to the operation that asked: values that are genuine and new, peers, filters, samples.

use crate::base::planted::{Bug, planted};
use crate::base::slab::SlabKey;
use crate::base::time::Duration;
use crate::dht::command::Freshness;
use crate::dht::lookup::Version;
use crate::dht::node::client::goal::Sought;
use crate::dht::node::client::operation::{OperationState, active::Active};
use crate::dht::node::client::payload::Payload;
use crate::dht::node::client::results::{MAX_FOUND, ResultHead, ResultKind, Results};
use crate::dht::node::context::Context;
use crate::dht::node::links::Links;
use crate::dht::outcome::Reason;
use crate::dht::stats::DropReason;
use crate::krpc::compact::Values;
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;
use crate::krpc::item::{self, Mutable};
use crate::krpc::message::Response;

/// One answer on its way to the results of its operation.
pub(super) struct Arrival<'a, 'r> {
    /// The first part of the operation.
    pub op: SlabKey,
    pub from: Endpoint,
    pub response: &'a Response<'r>,
    pub rtt: Duration,
}

impl Arrival<'_, '_> {
    /// Takes what the operation looks for.
    pub(super) fn take(
        &self,
        cx: &mut Context<'_>,
        links: &Links<'_>,
        active: &mut Active<'_>,
        results: &mut Results<'_>,
    ) {
        let mut delivery = Delivery { answer: self, cx, results, found: false };
        match active.operation().goal().seeks() {
            Sought::Nothing => {}
            Sought::Immutable { copies } => delivery.immutable(active, copies),
            Sought::Mutable { newer_than, freshness } => delivery.mutable(active, newer_than, freshness),
            Sought::Held { cas } => delivery.held(active, cas),
            Sought::Peers => delivery.peers(active),
            Sought::Filters => delivery.filters(active),
            Sought::Samples => delivery.samples(active),
        }
        if active.operation().is_at_node() {
            delivery.response(active, links);
        }
    }

    fn head(&self) -> ResultHead {
        ResultHead { op: self.op, from: self.from, id: self.response.id }
    }

    /// The version of a mutable item that it brings, if it is complete.
    fn version(&self) -> Option<(Mutable<'_>, &[u8])> {
        let Response { value, key, seq, signature, .. } = *self.response;
        Some((Mutable { key: key?, salt: b"", seq: seq?, signature: signature? }, value?))
    }
}

/// Ends a get that has what it wants. One that wants more copies of it asks everybody who may hold one (L17).
fn end_with(operation: &mut OperationState, payload: &Payload, freshness: Freshness) {
    let enough = match freshness {
        Freshness::Newest if !planted(Bug::FirstIsNewest) => return,
        Freshness::Newest | Freshness::First => 1,
        Freshness::Copies(copies) => copies.max(1),
    };
    if payload.copies() >= enough {
        operation.end(Reason::Hit);
    } else {
        operation.lookup_mut().widen();
    }
}

/// An answer and where its results go.
struct Delivery<'a, 'b, 'r, 'c, 's> {
    answer: &'a Arrival<'b, 'r>,
    cx: &'a mut Context<'c>,
    results: &'a mut Results<'s>,
    /// What it found waits, as the newest.
    found: bool,
}

impl Delivery<'_, '_, '_, '_, '_> {
    fn immutable(&mut self, active: &mut Active<'_>, copies: u16) {
        let Some(value) = self.answer.response.value else { return };
        let Some((operation, window, payload)) = active.storing() else { return };
        if !item::is_readable(value) || item::immutable_target(value) != *operation.target() {
            return operation.on_invalid();
        }
        if operation.is_hit() {
            return;
        }
        payload.on_copy();
        operation.on_copy(window, payload.best(), &self.answer.response.id, &self.answer.from);
        end_with(operation, payload, Freshness::Copies(copies));
        if payload.copies() == 1 {
            self.deliver(active, ResultKind::Value { seq: 0, signature: [0; 64] }, value);
        }
    }

    fn mutable(&mut self, active: &mut Active<'_>, newer_than: Option<i64>, freshness: Freshness) {
        let Some((version, value)) = self.answer.version() else { return };
        let Some((operation, window, payload)) = active.storing() else { return };
        let Arrival { from, response: Response { id, .. }, .. } = self.answer;
        if version.key != payload.key() || version.seq < 0 {
            return operation.on_invalid();
        }
        if payload.copies() > 0 && payload.is_best(&version, value) {
            payload.on_copy();
            operation.on_copy(window, payload.best(), id, from);
            return end_with(operation, payload, freshness);
        }
        if !payload.is_beaten_by(version.seq, value, newer_than) {
            return;
        }
        self.cx.stats_mut().verifications += 1;
        if !payload.is_genuine(&version, value) && !planted(Bug::UnsignedTaken) {
            return operation.on_invalid();
        }
        payload.set_best(&version, value);
        operation.on_copy(window, payload.best(), id, from);
        end_with(operation, payload, freshness);
        self.deliver(active, ResultKind::Value { seq: version.seq, signature: *version.signature }, value);
    }

    /// What a node holds where we are about to put. Where that decides who is asked (`cas`), it counts if it is
    /// genuine, or no newer than what was.
    fn held(&mut self, active: &mut Active<'_>, cas: Option<i64>) {
        let Response { id, value, seq, .. } = *self.answer.response;
        let Some((operation, window, payload)) = active.storing() else { return };
        let (mut counts, is_same) = (cas.is_none(), payload.is_same(value, seq));
        if planted(Bug::ClaimSteers) && cas.is_some_and(|expected| seq.is_some_and(|seq| seq > expected)) {
            operation.lookup_mut().on_superseded();
        }
        if let Some((version, value)) = self.answer.version()
            && version.key == payload.key()
        {
            let lookup = operation.lookup_mut();
            let supersedes = !is_same && !lookup.is_superseded() && cas.is_some_and(|expected| version.seq > expected);
            // One check of a signature for each version that is newer than all before, and for the first that
            // supersedes the put: the very item may be as new, and seen before.
            if supersedes || payload.held_seq().is_none_or(|held| version.seq > held) {
                self.cx.stats_mut().verifications += 1;
                if !payload.is_genuine(&version, value) {
                    return operation.on_invalid();
                }
                payload.on_held(version.seq);
                if supersedes {
                    lookup.on_superseded();
                }
            }
            counts = true;
        }
        if counts {
            let version = match is_same {
                true => Version::Same,
                false if seq == cas => Version::Expected,
                false => Version::Other,
            };
            operation.lookup_mut().on_version(window, &id, &self.answer.from, version);
        }
    }

    fn peers(&mut self, active: &mut Active<'_>) {
        let network = self.cx.config().network;
        let values = self.answer.response.values;
        if let Values::List(list) = values
            && values.peers().any(|peer| peer.is_usable(network))
        {
            // A longer list is read as far as it fits; an entry that was cut ends it.
            self.deliver(active, ResultKind::Peers { done: 0 }, &list[..list.len().min(MAX_FOUND)]);
        }
    }

    fn filters(&mut self, active: &mut Active<'_>) {
        if let (Some(seeds), Some(peers)) = (self.answer.response.seeds, self.answer.response.peers)
            && let Some((operation, payload)) = active.carrying()
        {
            payload.add_filters(seeds, peers);
            operation.on_result(true);
        }
    }

    fn samples(&mut self, active: &mut Active<'_>) {
        let Response { samples: Some(samples), num, interval, .. } = *self.answer.response else { return };
        let whole = samples.len().min(MAX_FOUND) / Id::LEN * Id::LEN;
        let num = u64::try_from(num.unwrap_or(0)).unwrap_or(0);
        let interval = Duration::from_secs(u64::try_from(interval.unwrap_or(0)).unwrap_or(0));
        self.deliver(active, ResultKind::Samples { num, interval }, &samples[..whole]);
    }

    /// What the only node said.
    fn response(&mut self, active: &mut Active<'_>, links: &Links<'_>) {
        let Arrival { rtt, response, .. } = *self.answer;
        let worth = |id: &Id, node: &Endpoint| links.iter().all(|(_, link)| link.table().may_be_named(id, node));
        let delivered = self.results.said(self.answer.head(), self.found, rtt, response, worth);
        self.count(active, delivered);
    }

    fn deliver(&mut self, active: &mut Active<'_>, found: ResultKind, bytes: &[u8]) {
        if active.operation().keep().is_some() {
            return;
        }
        self.found = self.results.found(self.answer.head(), found, bytes);
        self.count(active, self.found);
    }

    fn count(&mut self, active: &mut Active<'_>, delivered: bool) {
        if !delivered {
            self.cx.drop(DropReason::ResultOverflow);
        }
        active.operation().on_result(delivered);
    }
}
