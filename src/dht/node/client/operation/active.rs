//! A part of an operation beside its memory: told of each answer, and asked what it wants next.

use core::ops::ControlFlow;

use super::{OperationState, Todo};
use crate::base::planted::{Bug, planted};
use crate::base::time::Instant;
use crate::dht::lookup::{Class, LookupWindow, Next, Offer, Rules};
use crate::dht::node::client::payload::Payload;
use crate::dht::node::link::QueryFailure;
use crate::dht::outcome::Reason;
use crate::dht::transactions::{Open, Stage};
use crate::krpc::endpoint::{Endpoint, Family, Network};
use crate::krpc::id::Id;
use crate::krpc::message::{Method, Response};

/// A part of an operation with its memory.
pub(in crate::dht::node::client) struct Active<'a> {
    operation: &'a mut OperationState,
    window: LookupWindow<'a>,
    /// None for operations of the node's own upkeep.
    payload: Option<&'a mut Payload>,
}

/// Whether it answers another query than a store: a node that does not know a method answers as if it had been asked
/// for the nodes near the target. Then either it has no such method, or the query was damaged on its way.
fn names_nodes(response: &Response<'_>) -> bool {
    response.nodes.is_some() || response.nodes6.is_some()
}

impl<'a> Active<'a> {
    pub(in crate::dht::node::client) fn new(
        operation: &'a mut OperationState,
        window: LookupWindow<'a>,
        payload: Option<&'a mut Payload>,
    ) -> Self {
        Active { operation, window, payload }
    }

    pub(in crate::dht::node::client) fn operation(&mut self) -> &mut OperationState {
        self.operation
    }

    /// The operation beside what it carries.
    pub(in crate::dht::node::client) fn carrying(&mut self) -> Option<(&mut OperationState, &mut Payload)> {
        Some((self.operation, self.payload.as_deref_mut()?))
    }

    /// The lookup beside its window and what the operation carries.
    pub(in crate::dht::node::client) fn storing(
        &mut self,
    ) -> Option<(&mut OperationState, &mut LookupWindow<'a>, &mut Payload)> {
        Some((self.operation, &mut self.window, self.payload.as_deref_mut()?))
    }

    /// Offers a node to the lookup; whether it was taken.
    pub(in crate::dht::node::client) fn offer(&mut self, network: Network, offer: Offer) -> bool {
        self.operation.lookup.offer(&mut self.window, network, offer)
    }

    /// Whether a node is a candidate already.
    pub(in crate::dht::node::client) fn knows(&self, endpoint: &Endpoint) -> bool {
        self.operation.lookup.knows(&self.window, endpoint)
    }

    /// Referrals that lead to a node which the one that was asked names.
    pub(in crate::dht::node::client) fn hops_behind(&self, open: &Open) -> u8 {
        match open.id {
            Some(id) => self.operation.lookup.hops_to(&self.window, &id, &open.to).saturating_add(1),
            None => 1,
        }
    }

    /// The path by which the one that was asked was come upon.
    pub(in crate::dht::node::client) fn path_of(&self, open: &Open) -> Option<u8> {
        self.operation.lookup.path_to(&self.window, &open.id?, &open.to)
    }

    // ---- what came of its queries ----

    /// A query was answered. Whether that may bring results. `first_of_network`: a store is the first of its network.
    pub(in crate::dht::node::client) fn on_answer(
        &mut self,
        network: Network,
        stage: Stage,
        open: &Open,
        response: &Response<'_>,
        first_of_network: bool,
    ) -> bool {
        if stage == Stage::Store && names_nodes(response) {
            self.on_failure(stage, open, QueryFailure::Broken);
            return false;
        }
        let operation = &mut *self.operation;
        operation.outcome.answered = operation.outcome.answered.saturating_add(1);
        operation.outcome.late = operation.outcome.late.saturating_add(u16::from(open.late));
        let (window, lookup) = (&mut self.window, &mut operation.lookup);
        match stage {
            Stage::Store => {
                self.on_stored(network, open, &response.id, first_of_network);
                return false;
            }
            Stage::Aside { .. } => {
                self.on_aside_end(open);
                return false;
            }
            Stage::Converge => {
                lookup.on_answer(window, &response.id, &open.to, response.token);
            }
            Stage::Bootstrap | Stage::Direct => {
                let secure = response.id.is_secure_for(open.to.ip());
                let offer =
                    Offer { id: response.id, endpoint: open.to, class: Class::Good, hops: 0, path: None, secure };
                if !lookup.on_bootstrap_answer(window, network, offer, response.token, open.late) {
                    // It was asked twice, and has said what it knows.
                    return false;
                }
            }
        }
        if stage == Stage::Direct {
            operation.on_only_answer();
        }
        true
    }

    /// The answer to a query beside the target is not waited for any more: a late one was given up before.
    fn on_aside_end(&mut self, open: &Open) {
        if !open.late {
            self.operation.lookup.on_aside_end();
        }
    }

    /// A node confirmed that it stored.
    fn on_stored(&mut self, network: Network, open: &Open, id: &Id, first_of_network: bool) {
        let first_of_network = first_of_network || planted(Bug::OneNetworkCounts);
        let crowded = self.operation.lookup.is_in_crowded_stretch(&self.window, id, &open.to);
        let may_count = first_of_network || network == Network::Local;
        let counts = may_count && !crowded;
        self.operation.lookup.on_stored(&mut self.window, id, &open.to, counts);
        let secure = id.is_secure_for(open.to.ip());
        let outcome = &mut self.operation.outcome;
        outcome.count_confirmation(secure, first_of_network, counts);
        outcome.crowded = outcome.crowded.saturating_add((may_count && crowded).into());
    }

    /// A query was answered with an error.
    pub(in crate::dht::node::client) fn on_error(
        &mut self,
        network: Network,
        stage: Stage,
        open: &Open,
        code: i64,
        first_of_network: bool,
    ) {
        if let (Stage::Store, Some(id)) = (stage, open.id) {
            // An identical put counts as stored, though the peer calls it too old, or no longer the one to be replaced.
            if matches!(code, 301 | 302) && self.operation.lookup.holds(&self.window, &id, &open.to)
                || planted(Bug::RefusedCounts)
            {
                self.on_stored(network, open, &id, first_of_network);
            } else {
                let conflicts = matches!(code, 301 | 302);
                self.operation.lookup.on_refused(&mut self.window, &id, &open.to, conflicts);
                self.operation.outcome.count_refusal(code);
            }
            return;
        }
        self.operation.outcome.errored = self.operation.outcome.errored.saturating_add(1);
        if matches!(stage, Stage::Aside { .. }) {
            return self.on_aside_end(open);
        }
        let lookup = &mut self.operation.lookup;
        match (stage, open.id) {
            (Stage::Converge, Some(id)) => lookup.on_failure(&mut self.window, &id, &open.to),
            (Stage::Bootstrap, _) => lookup.on_bootstrap_failed(open.late),
            _ => self.operation.end_unless_ended(Reason::Exhausted),
        }
    }

    /// A query failed.
    pub(in crate::dht::node::client) fn on_failure(&mut self, stage: Stage, open: &Open, failure: QueryFailure) {
        let OperationState { outcome, lookup, .. } = &mut *self.operation;
        match failure {
            QueryFailure::Broken | QueryFailure::WrongId(_) => outcome.invalid = outcome.invalid.saturating_add(1),
            QueryFailure::Timeout | QueryFailure::Refused => outcome.timed_out = outcome.timed_out.saturating_add(1),
            QueryFailure::Ours => outcome.forget_query(stage == Stage::Store),
        }
        match (stage, open.id, failure) {
            (Stage::Direct, ..) => self.operation.end_unless_ended(Reason::Exhausted),
            (Stage::Aside { .. }, ..) => self.on_aside_end(open),
            (Stage::Bootstrap, ..) => lookup.on_bootstrap_failed(open.late),
            (Stage::Converge, Some(id), QueryFailure::WrongId(own)) => {
                lookup.on_wrong_id(&mut self.window, &id, &open.to, &own);
            }
            (_, Some(id), _) => lookup.on_failure(&mut self.window, &id, &open.to),
            (_, None, _) => {}
        }
    }

    /// A query passed its soft timeout.
    pub(in crate::dht::node::client) fn on_late(&mut self, open: &Open) {
        let lookup = &mut self.operation.lookup;
        match (open.step(), open.id) {
            (Some((_, Stage::Aside { .. })), _) => lookup.on_aside_end(),
            (Some((_, Stage::Bootstrap)), _) => lookup.on_bootstrap_late(),
            (_, Some(id)) => lookup.on_late(&mut self.window, &id, &open.to),
            (_, None) => {}
        }
    }

    /// There was no transaction for what it wanted.
    pub(in crate::dht::node::client) fn on_not_sent(&mut self, stage: Stage, to: &Endpoint, id: Option<Id>) {
        let OperationState { lookup, sent, next_bootstrap, .. } = &mut *self.operation;
        match (stage, id) {
            (Stage::Direct, _) => *sent = false,
            (Stage::Bootstrap, _) => {
                lookup.on_bootstrap_failed(false);
                next_bootstrap.go_back();
            }
            (Stage::Aside { bits, quarter }, Some(id)) => {
                lookup.on_aside_not_sent(&mut self.window, &id, to, (bits, quarter >= 2))
            }
            (_, Some(id)) => lookup.on_not_sent(&mut self.window, &id, to),
            (_, None) => {}
        }
    }

    // ---- what it wants ----

    /// The next thing that it wants. `unverified_allowed`: whether the budget for unverified nodes has something left.
    pub(in crate::dht::node::client) fn next(
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
        if let Some(to) = operation.at.filter(|_| !operation.lookup.is_storing()) {
            return match core::mem::replace(&mut operation.sent, true) {
                true => Todo::Wait(None),
                false => Todo::Ask { to, id: None, stage: Stage::Direct, unverified: false },
            };
        }
        let late = rules.config.soft_timeout.most;
        let again_at = operation.ask_bootstrap_nodes_again(now, bootstrap_nodes.len(), late);
        let later = match self.next_bootstrap_node(now, family, bootstrap_nodes, rules) {
            ControlFlow::Break(todo) => return todo,
            ControlFlow::Continue(later) => later,
        };
        let operation = &mut *self.operation;
        let counted = operation.lookup.counted();
        let next = operation.lookup.next(now, &mut self.window, rules, unverified_allowed);
        operation.outcome.take_back(counted - operation.lookup.counted());
        // Whoever is late may be gone: whom it has put off need not wait for that.
        let is_in_need = operation.puts_off && operation.outcome.answered == 0 && operation.lookup.asking() == 0;
        match next {
            Next::Ask { id, endpoint, unverified } => {
                Todo::Ask { to: endpoint, id: Some(id), stage: Stage::Converge, unverified }
            }
            Next::AskAside { id, endpoint, bits, quarter } => {
                Todo::Ask { to: endpoint, id: Some(id), stage: Stage::Aside { bits, quarter }, unverified: false }
            }
            Next::Store { id, endpoint } => Todo::Store { to: endpoint, id },
            Next::Alarm => Todo::LookAside,
            Next::Report => Todo::Report,
            Next::Done { converged: true } => {
                operation.finish = Some(Reason::Converged);
                Todo::Again
            }
            Next::Done { converged: false } => {
                if later.is_some() {
                    operation.on_held(now);
                }
                Todo::Unanswered { until: later }
            }
            Next::Wait(None) if is_in_need => Todo::Unanswered { until: later },
            Next::Wait(at) => Todo::Wait(Instant::earliest(at, again_at)),
            Next::Burdened { until, alone } => {
                if alone {
                    operation.on_held(now);
                }
                match is_in_need {
                    true => Todo::Unanswered { until: later.map(|later| later.min(until)) },
                    false => Todo::Wait(Some(until)),
                }
            }
            Next::Held { alone } => {
                if alone {
                    operation.on_held(now);
                }
                Todo::Held
            }
        }
    }

    /// Asks the bootstrap node that is next, or passes it over; when it bears more, if it has had enough. Then it is
    /// put off until others were asked (L42).
    fn next_bootstrap_node(
        &mut self,
        now: Instant,
        family: Option<Family>,
        nodes: &[Endpoint],
        rules: &Rules<'_>,
    ) -> ControlFlow<Todo, Option<Instant>> {
        let operation = &mut *self.operation;
        let Some(&to) = nodes.get(operation.next_bootstrap.place()) else { return ControlFlow::Continue(None) };
        if family != Some(to.family()) || operation.lookup.knows(&self.window, &to) {
            operation.next_bootstrap.advance();
            return ControlFlow::Break(Todo::Again);
        }
        let later = rules.burdens.bears_more_at(now, &to);
        if later.is_some() && operation.next_bootstrap.is_last_round() {
            operation.next_bootstrap.advance();
            return ControlFlow::Break(Todo::Again);
        }
        operation.puts_off |= later.is_some();
        if operation.puts_off {
            return ControlFlow::Continue(later);
        }
        operation.next_bootstrap.advance();
        operation.lookup.on_bootstrap_sent();
        ControlFlow::Break(Todo::Ask { to, id: None, stage: Stage::Bootstrap, unverified: false })
    }

    /// The query that stores at a candidate. `port` is where others reach us.
    pub(in crate::dht::node::client) fn store(&mut self, to: &Endpoint, id: &Id, port: u16) -> Option<Method<'_>> {
        let OperationState { lookup, goal, .. } = &*self.operation;
        let token = lookup.token(&self.window, id, to).unwrap_or_default();
        Some(goal.store(*lookup.target(), self.payload.as_deref()?, token, port))
    }

    /// What a scrape found: the union of the filters of all responders (seeds, peers), and how many they were.
    pub(in crate::dht::node::client) fn swarm(&self) -> (u32, u32, u16) {
        let Some(payload) = self.payload.as_deref() else { return (0, 0, 0) };
        let (seeds, peers) = payload.filters();
        (seeds.estimate(), peers.estimate(), payload.responders())
    }

    /// The nodes that answered, nearest first.
    pub(in crate::dht::node::client) fn answered(&self) -> impl Iterator<Item = (Id, Endpoint)> {
        self.operation.lookup.answered(self.window.candidates)
    }
}
