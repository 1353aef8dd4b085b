//! What a response is worth to the operation that asked: values that are genuine and new, peers, filters, samples.

use crate::base::slab::SlabKey;
use crate::base::time::Duration;
use crate::dht::command::Freshness;
use crate::dht::event::{Outcome, Reason};
use crate::dht::lookup::Version;
use crate::dht::node::inbox::{self, ResultKind};
use crate::dht::node::operation::{Parts, Payload};
use crate::dht::node::state::Node;
use crate::dht::stats::DropReason;
use crate::krpc::compact;
use crate::krpc::compact::Values;
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;
use crate::krpc::item::{self, Mutable};
use crate::krpc::lists::Nodes;
use crate::krpc::message::Response;

/// One response on its way to the results of its operation.
pub(super) struct Results<'a, 'r> {
    pub key: SlabKey,
    pub from: Endpoint,
    pub response: &'a Response<'r>,
    pub rtt: Duration,
}

impl Results<'_, '_> {
    pub(super) fn immutable(&self, node: &mut Node<'_>) {
        let Some(value) = self.response.value else { return };
        let Some(Parts { operation, .. }) = node.operations.parts(self.key) else { return };
        if value.len() > item::MAX_VALUE || item::immutable_target(value) != *operation.lookup.target() {
            return invalid(&mut operation.outcome);
        }
        if operation.finish.is_none() {
            operation.finish = Some(Reason::Hit);
            operation.outcome.copies = 1;
            self.deliver(node, ResultKind::Value { seq: 0, signature: [0; 64] }, value);
        }
    }

    pub(super) fn mutable(&self, node: &mut Node<'_>, newer_than: Option<i64>, freshness: Freshness) {
        let (Some(value), Some(key), Some(seq), Some(signature)) =
            (self.response.value, self.response.key, self.response.seq, self.response.signature)
        else {
            return;
        };
        let Some(Parts { operation, payload: Some(payload), .. }) = node.operations.parts(self.key) else { return };
        if *key != payload.key || seq < 0 {
            return invalid(&mut operation.outcome);
        }
        let copies = &mut operation.outcome.copies;
        if *copies > 0 && (seq, value, signature) == (payload.seq, &payload.value[..], &payload.signature.0) {
            *copies = copies.saturating_add(1);
        }
        if !beats(seq, value, payload, newer_than) {
            return;
        }
        let mutable = Mutable { key: &payload.key, salt: &payload.salt, seq, signature };
        node.stats.verifications += 1;
        if value.len() > item::MAX_VALUE || !item::verify(&mutable, value) {
            return invalid(&mut operation.outcome);
        }
        operation.outcome.copies = 1;
        payload.seq = seq;
        payload.signature.0 = *signature;
        payload.value.clear();
        let _fits = payload.value.try_extend_from_slice(value);
        if freshness == Freshness::First {
            operation.finish = Some(Reason::Hit);
        }
        self.deliver(node, ResultKind::Value { seq, signature: *signature }, value);
    }

    /// What a node holds where we are about to put.
    pub(super) fn held(&self, node: &mut Node<'_>, cas: Option<i64>) {
        let Response { value, key, seq, signature, .. } = *self.response;
        let Some(Parts { operation, mut window, payload: Some(payload) }) = node.operations.parts(self.key) else {
            return;
        };
        let version = match seq {
            _ if value == Some(&payload.value[..]) && seq.is_none_or(|seq| seq == payload.seq) => Version::Same,
            None if value.is_none() => return,
            Some(seq) if cas == Some(seq) => Version::Expected,
            _ => Version::Other,
        };
        operation.lookup.on_version(&mut window, &self.response.id, &self.from, version);
        if let (Some(expected), Some(value), Some(key), Some(seq), Some(signature)) = (cas, value, key, seq, signature)
            && seq > expected
            && !operation.lookup.is_superseded()
            && *key == payload.key
        {
            node.stats.verifications += 1;
            if item::verify(&Mutable { key, salt: &payload.salt, seq, signature }, value) {
                operation.lookup.on_superseded();
            } else {
                invalid(&mut operation.outcome);
            }
        }
    }

    pub(super) fn peers(&self, node: &mut Node<'_>) {
        let network = node.config.network;
        if let Values::List(list) = self.response.values
            && self.response.values.peers().any(|peer| peer.is_usable(network))
        {
            // A longer list is read as far as there is room; an entry that was cut ends it.
            self.deliver(node, ResultKind::Peers { done: 0 }, &list[..list.len().min(inbox::MAX_LEN)]);
        }
    }

    pub(super) fn filters(&self, node: &mut Node<'_>) {
        if let (Some(seeds), Some(peers)) = (self.response.seeds, self.response.peers)
            && let Some(Parts { operation, payload: Some(payload), .. }) = node.operations.parts(self.key)
        {
            payload.add_filters(seeds, peers);
            operation.outcome.results = operation.outcome.results.saturating_add(1);
        }
    }

    pub(super) fn samples(&self, node: &mut Node<'_>) {
        if let Some(samples) = self.response.samples {
            let whole = samples.len().min(inbox::MAX_LEN) / Id::LEN * Id::LEN;
            let num = u64::try_from(self.response.num.unwrap_or(0)).unwrap_or(0);
            let interval = self.response.interval.unwrap_or(0).clamp(0, 21_600) as u64;
            let found = ResultKind::Samples { num, interval: Duration::from_secs(interval) };
            self.deliver(node, found, &samples[..whole]);
        }
    }

    pub(super) fn direct(&self, node: &mut Node<'_>) {
        let mut nodes = [0; 28 * 38];
        let mut len = 0;
        let fours = compact::nodes4(self.response.nodes.unwrap_or_default());
        let sixes = compact::nodes6(self.response.nodes6.unwrap_or_default());
        let network = node.config.network;
        let worth = |(id, endpoint): &(Id, Endpoint)| node.links.iter().all(|l| l.may_be_named(network, id, endpoint));
        for (id, endpoint) in fours.chain(sixes).filter(worth) {
            let named = Nodes::from_bytes(&nodes[..len]).iter().any(|(_, other)| other == endpoint);
            if !named && len < nodes.len() {
                len += Nodes::write(&mut nodes[len..], &id, &endpoint).unwrap_or_default();
            }
        }
        self.deliver(node, ResultKind::Response { rtt: self.rtt }, &nodes[..len]);
    }

    fn deliver(&self, node: &mut Node<'_>, found: ResultKind, bytes: &[u8]) {
        let delivered = inbox::push(&mut node.inbox, self.key, self.from, self.response.id, found, bytes);
        if !delivered {
            node.drop(DropReason::InboxOverflow);
        }
        if let Some(Parts { operation, .. }) = node.operations.parts(self.key) {
            let outcome = &mut operation.outcome;
            let count = if delivered { &mut outcome.results } else { &mut outcome.dropped_results };
            *count = count.saturating_add(1);
        }
    }
}

/// Whether a version of a mutable item is worth a look: newer than what was asked for and than the best so far; of
/// two versions with one sequence number the larger value wins, so that all readers agree.
fn beats(seq: i64, value: &[u8], best: &Payload, newer_than: Option<i64>) -> bool {
    newer_than.is_none_or(|asked| seq > asked) && (seq > best.seq || (seq == best.seq && value > &best.value[..]))
}

fn invalid(outcome: &mut Outcome) {
    outcome.invalid = outcome.invalid.saturating_add(1);
}
