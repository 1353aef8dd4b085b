//! The client: operations, from their commands to their ends, and what they need of the network.
//!
//! Each operation is a lookup with a goal. An answer goes to the lookup, and what it is worth to the results that wait;
//! a drain asks each operation that may have something to do what it wants next. What the node does for itself
//! (bootstrap, refresh) are operations too, in places of their own, which never take a user's.

mod answers;
mod goal;
mod operation;
mod operations;
mod payload;
mod results;

pub use operation::OperationState;
pub use operations::Operations;
pub use payload::Payload;
pub use results::WaitingResult;

use arrayvec::ArrayVec;

use crate::base::bitset::BitSet;
use crate::base::deadlines::Deadlines;
use crate::base::rate::{Flow, TokenBucket};
use crate::base::ring::Ring;
use crate::base::slab::SlabKey;
use crate::base::time::{Duration, Instant};
use crate::dht::capacity::UPKEEP;
use crate::dht::command::Command;
use crate::dht::config::{K, MAX_BOOTSTRAP_NODES};
use crate::dht::error::CallError;
use crate::dht::event::{Buffer, Event, LinkId, OpId, OpView, Reason};
use crate::dht::limiter::Limiter;
use crate::dht::lookup::{Offer, SHARE};
use crate::dht::node::context::Context;
use crate::dht::node::link::{Links, QueryFailure, class_of};
use crate::dht::node::plan::{Note, Plan};
use crate::dht::node::rpc::{Addressee, Rpc, encode_query};
use crate::dht::trace::TraceEvent;
use crate::dht::transactions::{Open, Purpose, Stage};
use crate::krpc::compact;
use crate::krpc::endpoint::{Endpoint, Family, Network};
use crate::krpc::id::Id;
use crate::krpc::message::{Method, Response, Want};

use answers::Arrival;
use goal::{CheckedCommand, Goal};
use operation::Todo;
use results::Results;

/// Contacts of the table that a lookup starts from.
const START_FROM: usize = 20;
/// Wait of an operation that the budget for unverified nodes holds up.
const UNVERIFIED_WAIT: Duration = Duration::from_millis(20);

/// The operations of a node, and what they share.
#[derive(Debug)]
pub(super) struct Client<'s> {
    operations: Operations<'s>,
    /// Operations that may have something to do at the next drain.
    ready: BitSet,
    /// When operations wake up, by their index.
    wakes: Deadlines<'s>,
    results: Results<'s>,
    bootstrap_nodes: ArrayVec<Endpoint, MAX_BOOTSTRAP_NODES>,
    /// Bounds what false referrals can make us send to others.
    unverified_budget: TokenBucket,
}

/// The parts of the node by which queries leave.
pub(super) struct Outlet<'a, 's> {
    pub cx: &'a mut Context<'s>,
    pub links: &'a mut Links<'s>,
    pub rpc: &'a mut Rpc<'s>,
    pub limiter: &'a mut Limiter<'s>,
}

impl<'s> Client<'s> {
    pub(super) fn new(operations: Operations<'s>, wakes: Deadlines<'s>, results: Ring<'s, WaitingResult>) -> Self {
        Client {
            operations,
            ready: BitSet::default(),
            wakes,
            results: Results::new(results),
            bootstrap_nodes: ArrayVec::new(),
            unverified_budget: TokenBucket::default(),
        }
    }

    /// A running operation.
    pub(super) fn view(&self, op: OpId) -> Option<OpView> {
        self.operations.get(op.into()).map(OperationState::view)
    }

    // ---- commands ----

    /// Starts the operation of a command on a link.
    pub(super) fn on_command(
        &mut self,
        cx: &mut Context<'_>,
        links: &mut Links<'_>,
        tag: u64,
        link: LinkId,
        command: &Command<'_>,
    ) -> Result<OpId, CallError> {
        let at = links.get(link).ok_or(CallError::NoLink(link))?;
        let verifications = &mut cx.stats_mut().verifications;
        let request = CheckedCommand::of(command, *at.own(), at.family(), verifications)?;
        if let Command::Bootstrap { nodes } = command {
            self.remember(nodes);
            self.bootstrap_others(cx.now(), links, link);
        }
        let most = self.operations.capacity().saturating_sub(UPKEEP);
        if self.operations.count_for_users() >= most {
            return Err(CallError::Full(most));
        }
        let deadline = cx.now() + cx.config().lookup.deadline;
        let operation = OperationState::new(cx.now(), tag, link, request.goal, request.target, deadline);
        let key = self.start(cx, links, operation).ok_or(CallError::Full(most))?;
        if let Some((_, payload)) = self.operations.active(key).as_mut().and_then(|active| active.carrying()) {
            payload.load(&request.carried);
        }
        Ok(key.into())
    }

    /// Ends every operation of a user with this tag: each says `Finished` with [`Reason::Cancelled`] at the next drain.
    pub(super) fn cancel(&mut self, tag: u64) {
        for index in 0..self.operations.capacity() as u16 {
            let Some(key) = self.operations.key_at(index) else { continue };
            if let Some(operation) = self.operations.get_mut(key).filter(|o| o.is_for_user() && o.tag() == tag) {
                operation.end_unless_ended(Reason::Cancelled);
                self.ready.insert(index);
            }
        }
    }

    fn remember(&mut self, nodes: &[Endpoint]) {
        for &node in nodes.iter().take(MAX_BOOTSTRAP_NODES) {
            if !self.bootstrap_nodes.contains(&node) && node.is_usable(Network::Local) {
                if self.bootstrap_nodes.is_full() {
                    self.bootstrap_nodes.remove(0);
                }
                self.bootstrap_nodes.push(node);
            }
        }
    }

    /// Links whose family has bootstrap nodes and whose table is empty are filled too, by the node's own upkeep.
    fn bootstrap_others(&self, now: Instant, links: &mut Links<'_>, but: LinkId) {
        for (_, link) in links.iter_mut().filter(|(id, _)| *id != but) {
            if self.bootstrap_nodes.iter().any(|node| node.family() == link.family()) {
                link.want_bootstrap(now);
            }
        }
    }

    /// Claims a place, and offers the nearest contacts to the new lookup. Asks the bootstrap nodes too while the table
    /// is poor.
    fn start(&mut self, cx: &mut Context<'_>, links: &Links<'_>, operation: OperationState) -> Option<SlabKey> {
        let key = match self.operations.insert(operation) {
            Some(key) => key,
            None => {
                self.end_background();
                self.operations.insert(operation)?
            }
        };
        let (now, network, k) = (cx.now(), cx.config().network, cx.config().lookup.k);
        let table = links.get(operation.link())?.table();
        let mut active = self.operations.active(key)?;
        if !matches!(operation.goal(), Goal::Direct { .. }) {
            let mut offered = 0;
            table.closest(operation.target(), None, START_FROM, |contact| {
                let class = class_of(Some(contact), now);
                let (id, endpoint, secure) = (*contact.id(), contact.endpoint(), contact.is_secure());
                offered += u8::from(active.offer(network, Offer { id, endpoint, class, hops: 0, secure }));
            });
            if offered < k || *operation.goal() == Goal::Bootstrap {
                active.operation().ask_bootstrap_nodes();
            }
        }
        cx.stats_mut().operations += 1;
        cx.trace(TraceEvent::Started { op: key.into() });
        self.wakes.set(key.index, operation.deadline());
        self.ready.insert(key.index);
        Some(key)
    }

    /// Gives up a put or an announce that was reported already, so that a user's operation finds a place.
    fn end_background(&mut self) {
        let mut operations = self.operations.iter();
        if let Some((key, _)) = operations.find(|(_, o)| !o.is_for_user() && o.goal().stores()) {
            drop(operations);
            self.remove(key);
        }
    }

    fn remove(&mut self, key: SlabKey) {
        self.ready.remove(key.index);
        self.wakes.clear(key.index);
        self.operations.remove(key);
    }

    // ---- answers and failures ----

    /// A query was answered.
    pub(super) fn on_answer(
        &mut self,
        cx: &mut Context<'_>,
        links: &mut Links<'_>,
        open: &Open,
        response: &Response<'_>,
    ) {
        let Some((key, stage)) = step_of(open) else { return };
        self.offer_named(cx, links, key, open, response);
        let Some(mut active) = self.operations.active(key) else { return };
        self.ready.insert(key.index);
        if active.on_answer(cx.config().network, stage, open, response) {
            let rtt = cx.now().since(open.sent);
            Arrival { key, from: open.to, response, rtt }.take(cx, links, &mut active, &mut self.results);
        }
    }

    /// A query was answered with an error.
    pub(super) fn on_error(&mut self, open: &Open, code: i64) {
        let Some((key, stage)) = step_of(open) else { return };
        let Some(mut active) = self.operations.active(key) else { return };
        active.on_error(stage, open, code);
        self.ready.insert(key.index);
    }

    /// A query failed.
    pub(super) fn on_failure(&mut self, open: &Open, failure: QueryFailure) {
        let Some((key, stage)) = step_of(open) else { return };
        let Some(mut active) = self.operations.active(key) else { return };
        active.on_failure(stage, open, failure);
        self.ready.insert(key.index);
    }

    /// A query passed its soft timeout: its slot is free again, its answer still welcome.
    pub(super) fn on_late(&mut self, open: &Open) {
        let Some((key, Stage::Converge)) = step_of(open) else { return };
        if let (Some(mut active), Some(_)) = (self.operations.active(key), open.id) {
            active.on_late(open);
            self.ready.insert(key.index);
        }
    }

    /// Offers the nodes that a response names: those of the link's family to the lookup, others to their own table.
    fn offer_named(
        &mut self,
        cx: &Context<'_>,
        links: &mut Links<'_>,
        key: SlabKey,
        open: &Open,
        response: &Response<'_>,
    ) {
        let (now, network) = (cx.now(), cx.config().network);
        let Some(link) = links.get(open.link) else { return };
        let family = link.family();
        let Some(mut active) = self.operations.active(key) else { return };
        let hops = active.hops_behind(open);
        if !matches!(active.operation().goal(), Goal::Direct { .. }) {
            // The nearest come first: a long list must not push them out of its sender's share.
            let mut nearest = ArrayVec::<(Id, Endpoint), SHARE>::new();
            let target = *active.operation().target();
            for_each_node(response, family, usize::MAX, |id, endpoint| {
                if !link.table().may_be_named(&id, &endpoint) {
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
            });
            for (id, endpoint) in nearest {
                let (class, secure) = (link.class_of(now, &id, &endpoint), id.is_secure_for(endpoint.ip()));
                active.offer(network, Offer { id, endpoint, class, hops, secure });
            }
        }
        for (_, other) in links.iter_mut().filter(|(_, link)| link.family() != family) {
            let family = other.family();
            for_each_node(response, family, SHARE, |id, endpoint| other.offer(now, &id, endpoint));
        }
    }

    // ---- time ----

    /// Operations whose time has come go on or end.
    pub(super) fn on_timeout(&mut self, now: Instant) {
        while let Some(index) = self.wakes.pop_due(now) {
            let Some(key) = self.operations.key_at(index) else { continue };
            let Some(operation) = self.operations.get_mut(key) else { continue };
            self.ready.insert(index);
            if operation.deadline() <= now {
                // No other wake-up, which would be due at once and for ever: the next drain ends it.
                operation.end_unless_ended(Reason::Deadline);
            } else {
                self.wakes.set(index, operation.deadline());
            }
        }
    }

    /// Starts the lookups that keep a table alive: from the bootstrap nodes while it is empty, for a bucket without
    /// news later.
    pub(super) fn keep_up(&mut self, cx: &mut Context<'_>, links: &mut Links<'_>) {
        let now = cx.now();
        for id in links.ids() {
            let busy = self.operations.count_of_upkeep() >= UPKEEP;
            let Some(link) = links.get_mut(id).filter(|link| link.wants_upkeep(now)) else { continue };
            if busy {
                // One of them ends soon; ask again then.
                link.put_off_upkeep(now + Duration::from_secs(1));
                continue;
            }
            let (goal, target) = if link.take_bootstrap(now) {
                (Goal::Bootstrap, Some(*link.own()))
            } else {
                (Goal::Nodes, link.take_refresh(now, cx.rng()))
            };
            if let Some(target) = target {
                let deadline = now + cx.config().lookup.deadline;
                let operation = OperationState::new(now, 0, id, goal, target, deadline).of_upkeep();
                self.start(cx, links, operation);
            }
            if let Some(link) = links.get_mut(id) {
                link.hold_refresh(now);
            }
        }
    }

    pub(super) fn wake_at(&self) -> Option<Instant> {
        self.wakes.next().map(|(at, _)| at)
    }

    // ---- the drain ----

    /// The next result that waits.
    pub(super) fn next_result(&mut self, network: Network, buf: &mut Buffer) -> Option<Note> {
        if self.results.is_empty() { None } else { self.results.next(&mut self.operations, network, buf) }
    }

    /// The next query or event of the operations that may have something to do.
    #[inline]
    pub(super) fn next(&mut self, out: &mut Outlet<'_, '_>, buf: &mut Buffer) -> Option<Plan> {
        if let Some(mut unblocked) = out.rpc.take_unblocked() {
            self.ready.take_all(&mut unblocked);
        }
        while let Some(index) = self.ready.first() {
            let Some(key) = self.operations.key_at(index) else {
                self.ready.remove(index);
                continue;
            };
            if let Some(plan) = self.step(out, key, buf) {
                return Some(plan);
            }
        }
        None
    }

    /// The next thing that one operation wants; `None` when it has to wait (it is not ready any more then), or when it
    /// is to be asked again.
    fn step(&mut self, out: &mut Outlet<'_, '_>, key: SlabKey, buf: &mut Buffer) -> Option<Plan> {
        let now = out.cx.now();
        let rate = Flow::from(out.cx.config().lookup.unverified_query_rate);
        let budget = self.unverified_budget.minus_one(now, &rate);
        let allowed = out.cx.is_local() || budget.is_some();
        let rules = out.rpc.rules(out.cx.config());
        let mut active = self.operations.active(key)?;
        let link = active.operation().link();
        let family = out.links.get(link).map(|link| link.family());
        match active.next(now, family, &self.bootstrap_nodes, &rules, allowed) {
            Todo::End(reason) => self.finish(out, key, reason, buf),
            Todo::Ask { to, id, stage, unverified } => {
                if unverified && let Some(budget) = budget {
                    self.unverified_budget = budget;
                }
                self.ask(out, key, Addressee { link, to, id }, stage, buf)
            }
            Todo::Store { to, id } => self.store(out, key, Addressee { link, to, id: Some(id) }, buf),
            Todo::Report => self.report(out.cx, key, Reason::Converged),
            Todo::Again => None,
            Todo::Wait(at) => {
                let at = if allowed { at } else { Some(at.unwrap_or(now + UNVERIFIED_WAIT)) };
                let deadline = active.operation().deadline();
                self.wakes.set(key.index, at.map_or(deadline, |at| at.min(deadline)));
                self.ready.remove(key.index);
                None
            }
            Todo::Rest => {
                self.ready.remove(key.index);
                None
            }
        }
    }

    /// Sends the query that finds closer nodes, or the only one.
    fn ask(
        &mut self,
        out: &mut Outlet<'_, '_>,
        key: SlabKey,
        addressee: Addressee,
        stage: Stage,
        buf: &mut Buffer,
    ) -> Option<Plan> {
        let operation = self.operations.get(key)?;
        let both = out.links.has_family(Family::V4) && out.links.has_family(Family::V6);
        let families = Want { v4: both, v6: both };
        let method: Method<'static> = operation.goal().query(*operation.target(), families);
        let Addressee { link, to, .. } = addressee;
        let tid = self.open(out, key, addressee, stage)?;
        let len = encode_query(out.cx, *out.links.get(link)?.own(), &tid, method, buf)?;
        Some(Plan::Transmit { link, to, len })
    }

    /// Sends a put or an announce.
    fn store(
        &mut self,
        out: &mut Outlet<'_, '_>,
        key: SlabKey,
        addressee: Addressee,
        buf: &mut Buffer,
    ) -> Option<Plan> {
        let Addressee { link, to, id } = addressee;
        let tid = self.open(out, key, addressee, Stage::Store)?;
        let own = *out.links.get(link)?.own();
        let mut active = self.operations.active(key)?;
        let len = encode_query(out.cx, own, &tid, active.store(&to, &id?)?, buf)?;
        Some(Plan::Transmit { link, to, len })
    }

    /// Opens a transaction for an operation; gives back what it wanted when there is none.
    fn open(&mut self, out: &mut Outlet<'_, '_>, key: SlabKey, addressee: Addressee, stage: Stage) -> Option<[u8; 4]> {
        let Outlet { cx, links, rpc, limiter } = out;
        let mut active = self.operations.active(key)?;
        let operation = active.operation();
        let tid = if operation.is_for_user() || rpc.has_one_for_upkeep() {
            let purpose = Purpose::Operation { key, stage };
            rpc.open(cx, links, limiter, addressee, purpose)
        } else {
            None
        };
        match tid {
            Some(_) => operation.on_query_sent(),
            None => {
                active.on_not_sent(stage, &addressee.to, addressee.id);
                self.ready.remove(key.index);
                rpc.block(key.index);
            }
        }
        tid
    }

    /// Tells the user that enough nodes have confirmed, or how it ended; what is left goes on in the background.
    fn report(&mut self, cx: &mut Context<'_>, key: SlabKey, reason: Reason) -> Option<Plan> {
        let operation = self.operations.get_mut(key)?;
        let outcome = operation.report(cx.now(), reason)?;
        let tag = operation.tag();
        cx.trace(TraceEvent::Ended { op: key.into(), stored: outcome.stored });
        Some(Plan::Note(Note::Plain(Event::Finished { op: key.into(), tag, outcome })))
    }

    /// Sums up, says `Finished`, and gives the place back.
    fn finish(&mut self, out: &mut Outlet<'_, '_>, key: SlabKey, reason: Reason, buf: &mut Buffer) -> Option<Plan> {
        if let Some(note) = self.operations.active(key)?.sum_up(key.into(), buf) {
            return Some(Plan::Note(note));
        }
        self.on_end(out.cx, out.links, key, reason);
        let plan = self.report(out.cx, key, reason);
        self.remove(key);
        plan
    }

    /// An operation is about to end: its link learns what it is worth to the node's own upkeep.
    fn on_end(&mut self, cx: &Context<'_>, links: &mut Links<'_>, key: SlabKey, reason: Reason) {
        let Some(mut active) = self.operations.active(key) else { return };
        let operation = *active.operation();
        let Some(link) = links.get_mut(operation.link()) else { return };
        if *operation.goal() == Goal::Nodes && !operation.is_for_user() && reason == Reason::Converged {
            // The target of a refresh is random.
            let nearest: ArrayVec<_, K> = active.nearest().collect();
            link.on_random_lookup(operation.target(), &nearest);
        }
        if *operation.goal() == Goal::Bootstrap && operation.answered() > 0 {
            link.on_bootstrapped();
        }
        if !self.bootstrap_nodes.is_empty() && reason != Reason::Cancelled {
            link.plan_bootstrap(cx.now());
        }
    }

    // ---- invariants ----

    /// After a drain every operation has an open query or a deadline, and nothing is left to do.
    #[cfg(any(test, debug_assertions))]
    pub(super) fn check_invariants(&self, rpc: &Rpc<'_>) {
        self.wakes.check_invariants();
        assert!(self.results.is_empty(), "a drain takes every result");
        assert_eq!(self.ready.first(), None, "a drain leaves nothing to do");
        let mut payloads = BitSet::default();
        for (key, operation) in self.operations.iter() {
            assert!(self.wakes.at(key.index).is_some(), "every operation wakes up");
            assert!(!rpc.is_blocked_for_ever(key.index), "an open query will end its wait");
            let place = operation.payload();
            assert!(!payloads.contains(place), "one payload for each");
            payloads.insert(place);
            assert!(
                usize::from(place) < BitSet::CAPACITY || !operation.is_for_user(),
                "a user's operation carries one"
            );
            self.check_lookup(rpc, key, operation);
        }
        for index in 0..self.operations.capacity() as u16 {
            let waits = self.wakes.at(index).is_some();
            assert_eq!(waits, self.operations.key_at(index).is_some(), "only what is there wakes up");
        }
        let places = self.operations.capacity().saturating_sub(UPKEEP);
        assert!(self.operations.count_for_users() <= places, "users keep to their places");
    }

    #[cfg(any(test, debug_assertions))]
    fn check_lookup(&self, rpc: &Rpc<'_>, key: SlabKey, operation: &OperationState) {
        let open_for = |stage| rpc.open_for(Purpose::Operation { key, stage });
        let is_to = |open: &Open, id: &Id, to: &Endpoint| open.id == Some(*id) && open.to == *to;
        let asked = |id: &Id, to: &Endpoint| open_for(Stage::Converge).any(|open| is_to(open, id, to) && !open.late);
        let storing = |id: &Id, to: &Endpoint| open_for(Stage::Store).any(|open| is_to(open, id, to));
        let (candidates, tokens) = self.operations.window(key);
        let unidentified = open_for(Stage::Bootstrap).count();
        operation.check_invariants(candidates, tokens, asked, storing, unidentified);
    }
}

/// The operation that an open query belongs to, and its stage.
fn step_of(open: &Open) -> Option<(SlabKey, Stage)> {
    match open.purpose {
        Purpose::Check => None,
        Purpose::Operation { key, stage } => Some((key, stage)),
    }
}

/// Shows the first `most` nodes of one family that a response names.
fn for_each_node(response: &Response<'_>, family: Family, most: usize, mut visit: impl FnMut(Id, Endpoint)) {
    match family {
        Family::V4 => {
            let nodes = compact::nodes4(response.nodes.unwrap_or_default());
            nodes.take(most).for_each(|(id, endpoint)| visit(id, endpoint));
        }
        Family::V6 => {
            let nodes = compact::nodes6(response.nodes6.unwrap_or_default());
            nodes.take(most).for_each(|(id, endpoint)| visit(id, endpoint));
        }
    }
}
