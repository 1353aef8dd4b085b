//! One operation: it lives from its command to its `Finished`, told of each answer and asked what it wants next.

use crate::base::time::Instant;
use crate::dht::config::K;
use crate::dht::event::{Event, LinkId, OpId, OpView, Outcome, Reason, Refusals};
use crate::dht::lookup::{Class, Lookup, LookupWindow, Next, Offer, Rules};
use crate::dht::node::client::goal::Goal;
use crate::dht::node::client::payload::Payload;
use crate::dht::node::link::QueryFailure;
use crate::dht::node::plan::Note;
use crate::dht::transactions::{Open, Stage};
use crate::krpc::endpoint::{Endpoint, Family, Network};
use crate::krpc::id::Id;
use crate::krpc::lists::Nodes;
use crate::krpc::message::{Method, Response};

/// A running operation.
#[derive(Clone, Copy, Debug)]
pub struct OperationState {
    tag: u64,
    link: LinkId,
    goal: Goal,
    lookup: Lookup,
    outcome: Outcome,
    started: Instant,
    deadline: Instant,
    /// Set when the end is decided; the next drain says so.
    finish: Option<Reason>,
    /// The only query of a direct one has left.
    sent: bool,
    /// Next of the bootstrap nodes to ask; past the end when none is to be asked.
    next_bootstrap: u8,
    /// Started by a command, not by upkeep: somebody waits for its `Finished`.
    for_user: bool,
    /// The closing list or estimate was delivered.
    summed_up: bool,
    /// Place of its payload and its tokens; operations of the node's own upkeep carry nothing.
    payload: u16,
}

/// What an operation wants.
pub(super) enum Todo {
    /// It is over.
    End(Reason),
    /// A query that finds closer nodes, or the only one.
    Ask { to: Endpoint, id: Option<Id>, stage: Stage, unverified: bool },
    /// A store.
    Store { to: Endpoint, id: Id },
    /// Enough nodes have confirmed: the user is to be told.
    Report,
    /// Nothing now, but perhaps at once.
    Again,
    /// Nothing before an answer or this time.
    Wait(Option<Instant>),
    /// Nothing before its only answer.
    Rest,
}

impl OperationState {
    /// An operation that is about to begin. It carries no bytes yet: see [`Self::set_payload`].
    pub(super) fn new(now: Instant, tag: u64, link: LinkId, goal: Goal, target: Id, deadline: Instant) -> Self {
        let mut lookup = Lookup::new(now, target);
        if goal.stores() {
            lookup = lookup.storing();
        }
        if goal.is_guarded() {
            lookup = lookup.guarded();
        }
        OperationState {
            tag,
            link,
            goal,
            lookup,
            outcome: Outcome::default(),
            started: now,
            deadline,
            finish: None,
            sent: false,
            next_bootstrap: u8::MAX,
            for_user: true,
            summed_up: false,
            payload: 0,
        }
    }

    /// The same, for the node's own upkeep: nobody waits for it.
    pub(super) fn of_upkeep(self) -> Self {
        OperationState { for_user: false, ..self }
    }

    pub(super) fn tag(&self) -> u64 {
        self.tag
    }

    pub(super) fn link(&self) -> LinkId {
        self.link
    }

    pub(super) fn goal(&self) -> &Goal {
        &self.goal
    }

    pub(super) fn target(&self) -> &Id {
        self.lookup.target()
    }

    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(super) fn is_for_user(&self) -> bool {
        self.for_user
    }

    pub(super) fn payload(&self) -> u16 {
        self.payload
    }

    pub(super) fn set_payload(&mut self, place: u16) {
        self.payload = place;
    }

    /// What its owner may see of it.
    pub(super) fn view(&self) -> OpView {
        OpView {
            target: *self.lookup.target(),
            link: self.link,
            tag: self.tag,
            outcome: self.outcome,
            storing: self.lookup.is_storing(),
        }
    }

    /// How many of its queries were answered so far.
    pub(super) fn answered(&self) -> u16 {
        self.outcome.answered
    }

    /// It ends, whatever else was decided before.
    pub(super) fn end(&mut self, reason: Reason) {
        self.finish = Some(reason);
    }

    /// It ends, unless that was decided before.
    pub(super) fn end_unless_ended(&mut self, reason: Reason) {
        self.finish = self.finish.or(Some(reason));
    }

    pub(super) fn is_ending(&self) -> bool {
        self.finish.is_some()
    }

    /// The bootstrap nodes are asked too.
    pub(super) fn ask_bootstrap_nodes(&mut self) {
        self.next_bootstrap = 0;
    }

    pub(super) fn on_query_sent(&mut self) {
        self.outcome.queried = self.outcome.queried.saturating_add(1);
    }

    /// An answer was broken or lied.
    pub(super) fn on_invalid(&mut self) {
        self.outcome.invalid = self.outcome.invalid.saturating_add(1);
    }

    /// A result was left for the user, or lost because too many wait.
    pub(super) fn on_result(&mut self, delivered: bool) {
        let count = if delivered { &mut self.outcome.results } else { &mut self.outcome.dropped_results };
        *count = count.saturating_add(1);
    }

    /// A responder holds a better version than all before.
    pub(super) fn on_best(&mut self) {
        self.outcome.copies = 1;
    }

    /// One more responder holds the best version so far.
    pub(super) fn on_copy(&mut self) {
        self.outcome.copies = self.outcome.copies.saturating_add(1);
    }

    pub(super) fn copies(&self) -> u16 {
        self.outcome.copies
    }

    pub(super) fn lookup_mut(&mut self) -> &mut Lookup {
        &mut self.lookup
    }

    /// How it went, for the user; `None` when nobody waits for it any more.
    pub(super) fn report(&mut self, now: Instant, reason: Reason) -> Option<Outcome> {
        if !core::mem::take(&mut self.for_user) {
            return None;
        }
        let (hops, elapsed) = (self.lookup.hops(), now.since(self.started));
        Some(Outcome { reason, hops, elapsed, ..self.outcome })
    }

    /// Recounts the lookup; see [`Lookup::check_invariants`].
    #[cfg(any(test, debug_assertions))]
    pub(super) fn check_invariants(
        &self,
        candidates: &[crate::dht::lookup::Candidate],
        tokens: usize,
        asked: impl Fn(&Id, &Endpoint) -> bool,
        storing: impl Fn(&Id, &Endpoint) -> bool,
        unidentified: usize,
    ) {
        assert!(self.finish.is_none(), "a drain ends what is over");
        self.lookup.check_invariants(candidates, tokens, asked, storing, unidentified);
    }
}

/// One operation with its memory.
pub(super) struct Active<'a> {
    operation: &'a mut OperationState,
    window: LookupWindow<'a>,
    /// None for operations of the node's own upkeep.
    payload: Option<&'a mut Payload>,
}

impl<'a> Active<'a> {
    pub(super) fn new(
        operation: &'a mut OperationState,
        window: LookupWindow<'a>,
        payload: Option<&'a mut Payload>,
    ) -> Self {
        Active { operation, window, payload }
    }

    pub(super) fn operation(&mut self) -> &mut OperationState {
        self.operation
    }

    /// The operation beside what it carries.
    pub(super) fn carrying(&mut self) -> Option<(&mut OperationState, &mut Payload)> {
        Some((self.operation, self.payload.as_deref_mut()?))
    }

    /// The lookup beside its window and what the operation carries.
    pub(super) fn storing(&mut self) -> Option<(&mut OperationState, &mut LookupWindow<'a>, &mut Payload)> {
        Some((self.operation, &mut self.window, self.payload.as_deref_mut()?))
    }

    /// Offers a node to the lookup; whether it was taken.
    pub(super) fn offer(&mut self, network: Network, offer: Offer) -> bool {
        self.operation.lookup.offer(&mut self.window, network, offer)
    }

    /// Referrals that lead to a node which the one that was asked names.
    pub(super) fn hops_behind(&self, open: &Open) -> u8 {
        match open.id {
            Some(id) => self.operation.lookup.hops_to(&self.window, &id, &open.to).saturating_add(1),
            None => 1,
        }
    }

    // ---- what came of its queries ----

    /// A query was answered. Whether the answer may bring results.
    pub(super) fn on_answer(&mut self, network: Network, stage: Stage, open: &Open, response: &Response<'_>) -> bool {
        let OperationState { outcome, lookup, finish, .. } = &mut *self.operation;
        let window = &mut self.window;
        outcome.answered = outcome.answered.saturating_add(1);
        outcome.late = outcome.late.saturating_add(u16::from(open.late));
        match stage {
            Stage::Store => {
                lookup.on_stored(window, &response.id, &open.to);
                outcome.stored = outcome.stored.saturating_add(1);
                return false;
            }
            Stage::Converge => {
                lookup.on_answer(window, &response.id, &open.to, response.token);
            }
            Stage::Bootstrap => {
                let offer = Offer { id: response.id, endpoint: open.to, class: Class::Good, hops: 0, secure: true };
                lookup.on_bootstrap_answer(window, network, offer, response.token);
            }
            Stage::Direct => *finish = Some(Reason::Hit),
        }
        outcome.hops = lookup.hops();
        true
    }

    /// A query was answered with an error.
    pub(super) fn on_error(&mut self, stage: Stage, open: &Open, code: i64) {
        let OperationState { outcome, lookup, finish, .. } = &mut *self.operation;
        let window = &mut self.window;
        if let (Stage::Store, Some(id)) = (stage, open.id) {
            // An identical put counts as stored even where the peer calls it too old (bittorrent-dht does).
            if code == 302 && lookup.holds(window, &id, &open.to) {
                lookup.on_stored(window, &id, &open.to);
                outcome.stored = outcome.stored.saturating_add(1);
            } else {
                lookup.on_refused(window, &id, &open.to);
                count_refusal(&mut outcome.refused, code);
            }
            return;
        }
        outcome.errored = outcome.errored.saturating_add(1);
        match (stage, open.id) {
            (Stage::Converge, Some(id)) => lookup.on_failure(window, &id, &open.to),
            (Stage::Bootstrap, _) => lookup.on_bootstrap_failed(),
            _ => *finish = Some(Reason::Exhausted),
        }
    }

    /// A query failed.
    pub(super) fn on_failure(&mut self, stage: Stage, open: &Open, failure: QueryFailure) {
        let OperationState { outcome, lookup, finish, .. } = &mut *self.operation;
        match failure {
            QueryFailure::Broken | QueryFailure::WrongId => outcome.invalid = outcome.invalid.saturating_add(1),
            QueryFailure::Timeout | QueryFailure::Refused => outcome.timed_out = outcome.timed_out.saturating_add(1),
            QueryFailure::Ours => {}
        }
        match (stage, open.id) {
            (Stage::Direct, _) => *finish = Some(Reason::Exhausted),
            (Stage::Bootstrap, _) => lookup.on_bootstrap_failed(),
            (_, Some(id)) => lookup.on_failure(&mut self.window, &id, &open.to),
            (_, None) => {}
        }
    }

    /// A query passed its soft timeout.
    pub(super) fn on_late(&mut self, open: &Open) {
        if let Some(id) = open.id {
            self.operation.lookup.on_late(&mut self.window, &id, &open.to);
        }
    }

    /// There was no transaction for what it wanted.
    pub(super) fn on_not_sent(&mut self, stage: Stage, to: &Endpoint, id: Option<Id>) {
        let OperationState { lookup, sent, next_bootstrap, .. } = &mut *self.operation;
        match (stage, id) {
            (Stage::Direct, _) => *sent = false,
            (Stage::Bootstrap, _) => {
                lookup.on_bootstrap_failed();
                *next_bootstrap = next_bootstrap.saturating_sub(1);
            }
            (_, Some(id)) => lookup.on_not_sent(&mut self.window, &id, to),
            (_, None) => {}
        }
    }

    // ---- what it wants ----

    /// The next thing that it wants. `unverified_allowed`: whether the budget for unverified nodes has something left.
    pub(super) fn next(
        &mut self,
        now: Instant,
        family: Option<Family>,
        bootstrap_nodes: &[Endpoint],
        rules: &Rules<'_>,
        unverified_allowed: bool,
    ) -> Todo {
        let operation = &mut *self.operation;
        if let Some(reason) = operation.finish {
            return Todo::End(reason);
        }
        if let Goal::Direct { to, .. } = operation.goal {
            return match core::mem::replace(&mut operation.sent, true) {
                true => Todo::Rest,
                false => Todo::Ask { to, id: None, stage: Stage::Direct, unverified: false },
            };
        }
        if let Some(&to) = bootstrap_nodes.get(usize::from(operation.next_bootstrap)) {
            operation.next_bootstrap += 1;
            if family != Some(to.family()) || operation.lookup.knows(&self.window, &to) {
                return Todo::Again;
            }
            operation.lookup.on_bootstrap_sent();
            return Todo::Ask { to, id: None, stage: Stage::Bootstrap, unverified: false };
        }
        match operation.lookup.next(now, &mut self.window, rules, unverified_allowed) {
            Next::Ask { id, endpoint, unverified } => {
                Todo::Ask { to: endpoint, id: Some(id), stage: Stage::Converge, unverified }
            }
            Next::Store { id, endpoint } => Todo::Store { to: endpoint, id },
            Next::Report => Todo::Report,
            Next::Done { converged } => {
                operation.finish = Some(if converged { Reason::Converged } else { Reason::Exhausted });
                Todo::Again
            }
            Next::Wait(at) => Todo::Wait(at),
        }
    }

    /// The query that stores at a candidate.
    pub(super) fn store(&mut self, to: &Endpoint, id: &Id) -> Option<Method<'_>> {
        let OperationState { lookup, goal, .. } = &*self.operation;
        let token = lookup.token(&self.window, id, to).unwrap_or_default();
        Some(goal.store(*lookup.target(), self.payload.as_deref()?, token))
    }

    /// What the user is told of all answers together, once, before the end.
    pub(super) fn sum_up(&mut self, op: OpId, buf: &mut [u8]) -> Option<Note> {
        let operation = &mut *self.operation;
        if !operation.for_user || core::mem::replace(&mut operation.summed_up, true) {
            return None;
        }
        let tag = operation.tag;
        match operation.goal {
            Goal::Nodes => {
                let mut len = 0;
                for (id, endpoint) in operation.lookup.answered(&self.window).take(K) {
                    len += Nodes::write(&mut buf[len..], &id, &endpoint).unwrap_or_default();
                    operation.outcome.results = operation.outcome.results.saturating_add(1);
                }
                Some(Note::Nodes { op, tag, len })
            }
            Goal::Scrape => {
                let (seeds, peers) = self.payload.as_deref().map(Payload::filters).unwrap_or_default();
                let (seeds, peers) = (seeds.estimate(), peers.estimate());
                let responders = operation.outcome.results;
                Some(Note::Plain(Event::Scrape { op, tag, seeds, peers, responders }))
            }
            _ => None,
        }
    }

    /// The nearest nodes that answered, nearest first.
    pub(super) fn nearest(&self) -> impl Iterator<Item = Id> {
        self.operation.lookup.answered(&self.window).map(|(id, _)| id).take(K)
    }
}

fn count_refusal(refused: &mut Refusals, code: i64) {
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
