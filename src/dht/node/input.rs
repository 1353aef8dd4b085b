//! What comes in: datagrams, refusals and time. Nothing is sent here; the drain pulls the consequences.

use crate::base::slab::SlabKey;
use crate::base::time::Instant;
use crate::dht::contact::{Contact, Health, QueryKind};
use crate::dht::event::{Input, LinkId, Outcome, Reason};
use crate::dht::limiter::Verdict;
use crate::dht::lookup::{Class, Offer, SHARE};
use crate::dht::node::operation::{Goal, Parts};
use crate::dht::node::results::Results;
use crate::dht::node::server::{self, Requester, Shelves};
use crate::dht::node::state::Node;
use crate::dht::stats::DropReason;
use crate::dht::table::{Admission, Seen};
use crate::dht::trace::TraceEvent;
use crate::dht::transactions::{Open, Purpose, Stage};
use crate::krpc::compact;
use crate::krpc::endpoint::{Endpoint, Family};
use crate::krpc::id::Id;
use crate::krpc::message::{self, Decoded, ErrorMessage, Query, Refusal, Response};

/// The number of a check of the table in probes, where operations have their place.
const NO_SLOT: u16 = u16::MAX;

impl Node<'_> {
    /// Takes one input. Never fails: a stranger's packet is not the caller's error. Drain afterwards.
    ///
    /// `now` may repeat or stage back; the largest value seen counts.
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        let now = self.advance(now);
        match input {
            Input::Datagram { link: via, from, payload } => self.on_datagram(now, via, from, payload),
            Input::Refused { link: via, to } => {
                if let Some(index) = self.transactions.find_by_endpoint(&to, via.0) {
                    self.fail(now, index, QueryFailure::Refused);
                }
            }
            Input::SendFailed { link: via, to } => {
                if let Some(index) = self.transactions.find_by_endpoint(&to, via.0) {
                    self.fail(now, index, QueryFailure::Ours);
                }
            }
            Input::Timeout => self.on_timeout(now),
        }
    }

    fn on_datagram(&mut self, now: Instant, via: LinkId, from: Endpoint, payload: &[u8]) {
        self.stats.rx += 1;
        self.stats.rx_bytes += payload.len() as u64;
        let network = self.config.network;
        let Some(link) = self.links.get(usize::from(via.0)) else { return self.drop(DropReason::Martian) };
        if !from.is_usable(network) || from.family() != link.family {
            return self.drop(DropReason::Martian);
        }
        let verdict = self.limiter.judge(now, &from);
        if verdict == Verdict::Drop {
            return self.drop(DropReason::Limited);
        }
        let decoded = message::decode(payload);
        if verdict == Verdict::Expected {
            if decoded.as_ref().is_ok_and(|decoded| self.is_answer(decoded, &from, via.0)) {
                self.limiter.on_answer(&from);
            } else if !self.limiter.admit(now, &from) {
                return self.drop(DropReason::Limited);
            }
        }
        match decoded {
            Err(malformed) => self.drop(malformed.into()),
            Ok(Decoded::Query(query)) => self.on_query(now, via.0, from, &query, payload.len()),
            Ok(Decoded::Refuse(refusal)) => self.on_refusal(via.0, from, &refusal, payload.len()),
            Ok(Decoded::Response(response)) => self.on_response(now, via.0, from, &response),
            Ok(Decoded::Error(error)) => self.on_error(now, via.0, from, &error),
            Ok(Decoded::Broken { tid, .. }) => match self.transactions.find(tid, &from, via.0) {
                Some(index) => self.fail(now, index, QueryFailure::Broken),
                None => self.drop(DropReason::Unsolicited),
            },
        }
    }

    /// Whether a message ends an open query.
    fn is_answer(&self, message: &Decoded<'_>, from: &Endpoint, via: u8) -> bool {
        let tid = match message {
            Decoded::Response(Response { tid, .. }) => tid,
            Decoded::Error(ErrorMessage { tid, .. }) => tid,
            Decoded::Broken { tid, .. } => tid,
            Decoded::Query(_) | Decoded::Refuse(_) => return false,
        };
        self.transactions.find(tid, from, via).is_some()
    }

    fn on_query(&mut self, now: Instant, via: u8, from: Endpoint, query: &Query<'_>, asked: usize) {
        if self.config.read_only {
            return self.drop(DropReason::ReadOnly);
        }
        self.expire(now);
        let Some(link) = self.links.get_mut(usize::from(via)) else { return };
        let verified = match query.read_only {
            true => link.table.find(&query.id).is_some_and(|contact| contact.endpoint() == from),
            false => link.table.on_query(now, &query.id, from) == Seen::Contact,
        };
        let own = *link.table.own();
        let Some(reply) = self.replies.claim() else { return self.drop(DropReason::ReplyOverflow) };
        let mut shelves = Shelves { items: &mut self.items, peers: &mut self.peers, tokens: &self.tokens, own };
        let asker = Requester { endpoint: from, link: via, asked, verified };
        let checked = server::answer(reply, &mut shelves, now, &asker, query);
        if reply.is_error() {
            self.stats.refused += 1;
        } else {
            self.stats.queries += 1;
        }
        self.stats.verifications += u64::from(checked);
        self.sink.tell(now, TraceEvent::Served);
    }

    fn on_refusal(&mut self, via: u8, from: Endpoint, refusal: &Refusal<'_>, asked: usize) {
        if self.config.read_only {
            return self.drop(DropReason::ReadOnly);
        }
        let Some(reply) = self.replies.claim() else { return self.drop(DropReason::ReplyOverflow) };
        reply.refuse(&Requester { endpoint: from, link: via, asked, verified: false }, refusal);
        self.stats.refused += 1;
    }

    fn on_response(&mut self, now: Instant, via: u8, from: Endpoint, response: &Response<'_>) {
        let Some(index) = self.transactions.find(response.tid, &from, via) else {
            return self.drop(DropReason::Unsolicited);
        };
        let Some(&open) = self.transactions.at(index) else { return };
        let Some(link) = self.links.get_mut(usize::from(via)) else { return };
        if open.id.is_some_and(|id| id != response.id) || response.id == *link.table.own() {
            if let Some(expected) = open.id {
                link.table.on_wrong_id(now, &expected, from);
            }
            return self.fail(now, index, QueryFailure::WrongId);
        }
        self.close(index);
        let rtt = now.since(open.sent);
        self.stats.rpc_ok += 1;
        self.stats.rpc_late += u64::from(open.late);
        self.rtt.on_answer(now, Some(rtt));
        self.sink.tell(
            now,
            TraceEvent::Answered {
                operation: operation_of(&open),
                rtt_micros: u32::try_from(rtt.as_micros()).unwrap_or(u32::MAX),
            },
        );
        let Some(link) = self.links.get_mut(usize::from(via)) else { return };
        link.outage.on_success(now);
        link.futile = 0;
        if link.table.on_response(now, &response.id, from, Some(rtt)) == Admission::Added {
            self.sink.tell(now, TraceEvent::ContactAdded { link: via });
        }
        if let Some(addr) = response.ip {
            self.on_vote(now, via, from, addr);
        }
        if let Purpose::Operation { index, generation, stage } = open.purpose {
            self.on_step_answered(now, SlabKey { index, generation }, stage, &open, response);
        }
    }

    /// An answer to a stage of an operation.
    fn on_step_answered(&mut self, now: Instant, key: SlabKey, stage: Stage, open: &Open, response: &Response<'_>) {
        let (from, rtt) = (open.to, now.since(open.sent));
        self.offer_named(now, key, open, response);
        let Some(Parts { operation, mut window, .. }) = self.operations.parts(key) else { return };
        let outcome = &mut operation.outcome;
        outcome.answered = outcome.answered.saturating_add(1);
        outcome.late = outcome.late.saturating_add(u16::from(open.late));
        match stage {
            Stage::Store => {
                operation.lookup.on_stored(&mut window, &response.id, &from);
                outcome.stored = outcome.stored.saturating_add(1);
                self.ready.insert(key.index);
                return;
            }
            Stage::Converge => {
                operation.lookup.on_answer(&mut window, &response.id, &from, response.token);
            }
            Stage::Bootstrap => {
                let offer = Offer { id: response.id, endpoint: from, class: Class::Good, hops: 0, secure: true };
                operation.lookup.on_bootstrap_answer(&mut window, self.config.network, offer, response.token);
            }
            Stage::Direct => operation.finish = Some(Reason::Hit),
        }
        outcome.hops = operation.lookup.hops();
        let goal = operation.goal;
        self.ready.insert(key.index);
        let results = Results { key, from, response, rtt };
        match goal {
            Goal::Immutable => results.immutable(self),
            Goal::Mutable { newer_than, freshness } => results.mutable(self, newer_than, freshness),
            Goal::Peers => results.peers(self),
            Goal::Scrape => results.filters(self),
            Goal::Sample => results.samples(self),
            Goal::Direct { .. } if response.samples.is_some() => results.samples(self),
            Goal::Direct { .. } => results.direct(self),
            Goal::PutImmutable => results.held(self, None),
            Goal::PutMutable { cas } => results.held(self, cas),
            Goal::Bootstrap | Goal::Nodes | Goal::Announce { .. } => {}
        }
    }

    /// Offers the nodes that a response names: those of the link's family to the lookup, others to their own table.
    fn offer_named(&mut self, now: Instant, key: SlabKey, open: &Open, response: &Response<'_>) {
        let network = self.config.network;
        let Some(link) = self.links.get(usize::from(open.link)) else { return };
        let family = link.family;
        let Some(Parts { operation, mut window, .. }) = self.operations.parts(key) else { return };
        let hops = match open.id {
            Some(id) => operation.lookup.hops_to(&window, &id, &open.to).saturating_add(1),
            None => 1,
        };
        if !matches!(operation.goal, Goal::Direct { .. }) {
            // The nearest come first: a long list must not push them out of its sender's share.
            let mut nearest = arrayvec::ArrayVec::<(Id, Endpoint), SHARE>::new();
            let target = *operation.lookup.target();
            let mut consider = |id: Id, endpoint: Endpoint| {
                if !link.may_be_named(network, &id, &endpoint) {
                    return;
                }
                let distance = id.distance(&target);
                let place = nearest.partition_point(|(other, _)| other.distance(&target) <= distance);
                if nearest.is_full() && place < SHARE {
                    nearest.pop();
                }
                if place <= nearest.len() && !nearest.is_full() {
                    nearest.insert(place, (id, endpoint));
                }
            };
            match family {
                Family::V4 => {
                    compact::nodes4(response.nodes.unwrap_or_default()).for_each(|(id, e)| consider(id, e));
                }
                Family::V6 => {
                    compact::nodes6(response.nodes6.unwrap_or_default()).for_each(|(id, e)| consider(id, e));
                }
            }
            for (id, endpoint) in nearest {
                let class = class_of(link.table.find(&id).filter(|c| c.endpoint() == endpoint), now);
                let secure = id.is_secure_for(endpoint.ip());
                operation.lookup.offer(&mut window, network, Offer { id, endpoint, class, hops, secure });
            }
        }
        for other in self.links.iter_mut().filter(|l| l.family != family) {
            let family = other.family;
            let mut take = |id: Id, endpoint: Endpoint| {
                if other.may_be_named(network, &id, &endpoint) {
                    other.table.offer(now, &id, endpoint);
                }
            };
            match family {
                Family::V4 => {
                    for (id, e) in compact::nodes4(response.nodes.unwrap_or_default()).take(SHARE) {
                        take(id, e);
                    }
                }
                Family::V6 => {
                    for (id, e) in compact::nodes6(response.nodes6.unwrap_or_default()).take(SHARE) {
                        take(id, e);
                    }
                }
            }
        }
    }

    fn on_error(&mut self, now: Instant, via: u8, from: Endpoint, error: &ErrorMessage<'_>) {
        let Some(index) = self.transactions.find(error.tid, &from, via) else {
            return self.drop(DropReason::Unsolicited);
        };
        let Some(open) = self.close(index) else { return };
        self.stats.rpc_errors += 1;
        let rtt = now.since(open.sent);
        if let Some(link) = self.links.get_mut(usize::from(via)) {
            // Whoever refuses is alive.
            link.outage.on_success(now);
            if let Some(id) = open.id {
                link.table.on_alive(now, &id, from, rtt);
            }
        }
        let Purpose::Operation { index, generation, stage } = open.purpose else { return };
        let key = SlabKey { index, generation };
        let Some(Parts { operation, mut window, .. }) = self.operations.parts(key) else { return };
        let outcome = &mut operation.outcome;
        match (stage, open.id) {
            (Stage::Store, Some(id)) => {
                // An identical put counts as stored even where the peer calls it too old (bittorrent-dht does).
                if error.code == 302 && operation.lookup.holds(&window, &id, &from) {
                    operation.lookup.on_stored(&mut window, &id, &from);
                    outcome.stored = outcome.stored.saturating_add(1);
                } else {
                    operation.lookup.on_refused(&mut window, &id, &from);
                    count_refusal(outcome, error.code);
                }
            }
            (Stage::Converge, Some(id)) => {
                outcome.errored = outcome.errored.saturating_add(1);
                operation.lookup.on_failure(&mut window, &id, &from);
            }
            (Stage::Bootstrap, _) => {
                outcome.errored = outcome.errored.saturating_add(1);
                operation.lookup.on_bootstrap_failed();
            }
            _ => {
                outcome.errored = outcome.errored.saturating_add(1);
                operation.finish = Some(Reason::Exhausted);
            }
        }
        self.ready.insert(index);
    }

    /// Ends an open query without a usable answer.
    pub(super) fn fail(&mut self, now: Instant, index: u16, failure: QueryFailure) {
        let Some(open) = self.close(index) else { return };
        match failure {
            QueryFailure::Timeout => self.stats.rpc_timeouts += 1,
            QueryFailure::Broken | QueryFailure::WrongId => self.stats.rpc_broken += 1,
            QueryFailure::Refused | QueryFailure::Ours => {}
        }
        self.sink.tell(now, TraceEvent::Failed { operation: operation_of(&open) });
        self.charge(now, &open, failure);
        let Purpose::Operation { index, generation, stage } = open.purpose else { return };
        let key = SlabKey { index, generation };
        let Some(Parts { operation, mut window, .. }) = self.operations.parts(key) else { return };
        let outcome = &mut operation.outcome;
        match failure {
            QueryFailure::Broken | QueryFailure::WrongId => outcome.invalid = outcome.invalid.saturating_add(1),
            QueryFailure::Timeout | QueryFailure::Refused => outcome.timed_out = outcome.timed_out.saturating_add(1),
            QueryFailure::Ours => {}
        }
        match (stage, open.id) {
            (Stage::Direct, _) => operation.finish = Some(Reason::Exhausted),
            (Stage::Bootstrap, _) => operation.lookup.on_bootstrap_failed(),
            (_, Some(id)) => operation.lookup.on_failure(&mut window, &id, &open.to),
            (_, None) => {}
        }
        self.ready.insert(index);
    }

    /// Charges a failure to the contact, unless it was our own trouble.
    fn charge(&mut self, now: Instant, open: &Open, failure: QueryFailure) {
        let Some(link) = self.links.get_mut(usize::from(open.link)) else { return };
        if matches!(failure, QueryFailure::Broken | QueryFailure::WrongId) {
            // Whatever it is worth, it came in by this link.
            link.outage.on_success(now);
        }
        let Some(id) = open.id else { return };
        if failure == QueryFailure::Ours {
            return;
        }
        // Only who answered before can bear witness: a referral that leads nowhere says nothing about our link.
        let contact = link.table.find(&id).is_some_and(|contact| contact.endpoint() == open.to);
        if contact && !link.outage.on_failure(now, &open.to) {
            self.sink.tell(now, TraceEvent::OutageSuspected { link: open.link });
            return;
        }
        let kind = if open.purpose == Purpose::Check { QueryKind::Check } else { QueryKind::Data };
        link.table.on_failure(now, &id, open.to, kind);
    }

    /// Takes an open query and its soft timeout away.
    fn close(&mut self, index: u16) -> Option<Open> {
        self.deadlines.clear(index);
        self.ready.take_all(&mut self.blocked);
        self.transactions.take(index)
    }

    fn on_vote(&mut self, now: Instant, via: u8, from: Endpoint, addr: Endpoint) {
        let Some(link) = self.links.get_mut(usize::from(via)) else { return };
        if addr.family() != link.family {
            return;
        }
        let Some((addr, votes)) = link.votes.on_vote(now, from, addr) else { return };
        let moved = link.external.is_none_or(|old| !old.same_ip(&addr));
        link.external = Some(addr);
        link.table.set_addr(now, Some(addr));
        link.news_address = Some(votes);
        if moved && !link.table.own().is_secure_for(addr.ip()) {
            link.table.set_own(Id::secure(addr.ip(), &mut self.rng));
            link.news_id = true;
        }
    }
}

/// Why a query of ours failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum QueryFailure {
    /// No answer until the hard timeout.
    Timeout,
    /// An answer that is none.
    Broken,
    /// Somebody else answered at that address.
    WrongId,
    /// Nobody listens there.
    Refused,
    /// Our own side could not send.
    Ours,
}

fn count_refusal(outcome: &mut Outcome, code: i64) {
    let refused = &mut outcome.refused;
    let count = match code {
        203 => &mut refused.protocol,
        205 => &mut refused.too_large,
        206 => &mut refused.bad_signature,
        207 => &mut refused.salt_too_long,
        301 => &mut refused.cas_mismatch,
        302 => &mut refused.seq_too_old,
        _ => &mut refused.other,
    };
    *count = count.saturating_add(1);
}

/// How a lookup treats a contact of the table, or a stranger.
pub(super) fn class_of(contact: Option<&Contact>, now: Instant) -> Class {
    match contact.map(|c| c.health()) {
        None | Some(Health::Unknown) => Class::Unverified,
        Some(Health::Good | Health::Suspect) => Class::Good,
        Some(Health::Bad) => match contact.is_some_and(|c| c.may_retry(now)) {
            true => Class::Unverified,
            false => Class::Bad,
        },
    }
}

fn operation_of(open: &Open) -> u16 {
    match open.purpose {
        Purpose::Check => NO_SLOT,
        Purpose::Operation { index, .. } => index,
    }
}
