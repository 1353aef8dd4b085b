//! The client: operations, from their commands to their ends, and what they need of the network.
//!
//! Each operation is a lookup with a goal. An answer goes to the lookup, and what it is worth to the results that wait;
//! a drain asks each operation that may have something to do what it wants next. What the node does for itself
//! (bootstrap, refresh) are operations too, in places of their own, which never take a user's.

mod answers;
mod bootstrap_nodes;
mod budget;
mod goal;
#[cfg(any(test, debug_assertions))]
mod invariants;
mod keeping;
mod named_nodes;
mod operation;
mod operations;
mod payload;
mod queues;
mod results;
mod route;
mod unanswered;
mod upkeep;

pub use operation::OperationState;
pub use operations::Operations;
pub use payload::Payload;
pub use results::WaitingResult;

use arrayvec::ArrayVec;

use crate::base::deadlines::Deadlines;
use crate::base::planted::{Bug, planted};
use crate::base::ring::Ring;
use crate::base::slab::SlabKey;
use crate::base::time::{Duration, Instant};
use crate::dht::capacity::MAX_LINKS;
use crate::dht::command::{Command, Scope};
use crate::dht::error::CallError;
use crate::dht::event::{Buffer, Event, OpId, OpView};
use crate::dht::keep::KeeperConfig;
use crate::dht::keeper::Keeper;
use crate::dht::limiter::Limiter;
use crate::dht::node::context::Context;
use crate::dht::node::link::QueryFailure;
use crate::dht::node::links::Links;
use crate::dht::node::plan::{Note, Plan};
use crate::dht::node::rpc::{Addressee, BACKGROUND_WAIT, Rpc, encode_query};
use crate::dht::outcome::{Outcome, Reason};
use crate::dht::trace::TraceEvent;
use crate::dht::transactions::{Open, Purpose, Stage};
use crate::krpc::endpoint::{Family, Network};
use crate::krpc::message::{Method, Response, Want};

use answers::Arrival;
use bootstrap_nodes::BootstrapNodes;
use budget::{FlowBudget, UnverifiedBudget};
use goal::{CheckedCommand, Goal};
use operation::Todo;
use queues::Queue;
use results::Results;
use route::route;

/// The operations of a node, and what they share.
#[derive(Debug)]
pub(super) struct Client<'s> {
    operations: Operations<'s>,
    /// When operations wake up, by their index.
    wakes: Deadlines<'s>,
    results: Results<'s>,
    bootstrap_nodes: BootstrapNodes,
    budget: UnverifiedBudget,
    keeper: Keeper<'s>,
    flows: FlowBudget,
}

/// The parts of the node by which queries leave.
pub(super) struct Outlet<'a, 's> {
    pub cx: &'a mut Context<'s>,
    pub links: &'a mut Links<'s>,
    pub rpc: &'a mut Rpc<'s>,
    pub limiter: &'a mut Limiter<'s>,
}

impl<'s> Client<'s> {
    pub(super) fn new(
        operations: Operations<'s>,
        wakes: Deadlines<'s>,
        results: Ring<'s, WaitingResult>,
        keeper: Keeper<'s>,
    ) -> Self {
        Client {
            operations,
            wakes,
            results: Results::new(results),
            bootstrap_nodes: BootstrapNodes::new(),
            budget: UnverifiedBudget::default(),
            keeper,
            flows: FlowBudget::default(),
        }
    }

    /// A running operation.
    pub(super) fn view(&self, op: OpId) -> Option<OpView> {
        self.operations.view(op.into())
    }

    // ---- commands ----

    /// Starts the operation of a command.
    pub(super) fn on_command(
        &mut self,
        cx: &mut Context<'_>,
        links: &mut Links<'_>,
        tag: u64,
        scope: Scope,
        command: &Command<'_>,
    ) -> Result<OpId, CallError> {
        let request = CheckedCommand::of(command, &mut cx.stats_mut().verifications)?;
        let (on, at) = route(cx, links, scope, command)?;
        if let (Goal::Announce { port: None, .. }, Some(&link)) =
            (request.goal, on.iter().find(|&&link| links.get(link).is_none_or(|link| link.port() == 0)))
        {
            return Err(CallError::UnknownPort(link));
        }
        if let Command::Bootstrap { nodes } = command {
            self.bootstrap_nodes.remember(cx.config().network, nodes);
        }
        let most = self.operations.most_for_users();
        if self.operations.count_for_users() >= most {
            if request.goal == Goal::Bootstrap {
                for &link in &on {
                    links.get_mut(link).into_iter().for_each(|link| link.want_bootstrap(cx.now()));
                }
            }
            return Err(CallError::Full(most));
        }
        let mut first = None;
        for link in on {
            let target = match request.goal {
                Goal::Bootstrap => *links.get(link).ok_or(CallError::NoLink(link))?.own(),
                _ => request.target,
            };
            if let (Goal::Bootstrap, Some(link)) = (request.goal, links.get_mut(link)) {
                link.on_user_bootstrap(cx.now() + cx.config().lookup.hard_timeout);
            }
            let part = OperationState::new(cx.now(), tag, link, request.goal, target, cx.config().lookup.deadline);
            let part = at.map_or(part, |node| part.at(node));
            // The first has a place for certain, now that those that were reported give theirs up.
            let started = self.start(cx, links, part, first);
            first = first.or(started);
        }
        let first = first.ok_or(CallError::Full(most))?;
        if let Some((_, payload)) = self.operations.active(first).as_mut().and_then(|active| active.carrying()) {
            payload.load(&request.carried);
        }
        cx.stats_mut().operations += 1;
        cx.trace(TraceEvent::Started { op: first.into() });
        Ok(first.into())
    }

    /// Ends every operation of a user with this tag: each says `Finished` with [`Reason::Cancelled`] at the next drain.
    pub(super) fn cancel(&mut self, tag: u64) {
        for index in 0..self.operations.capacity() as u16 {
            let Some(key) = self.operations.key_at(index) else { continue };
            if let Some(operation) = self.operations.get_mut(key).filter(|o| o.is_for_user() && o.tag() == tag) {
                operation.end_unless_ended(Reason::Cancelled);
                self.operations.join(key, Queue::Ready);
            }
        }
    }

    /// Claims a place for a part, after those of `first`. A user's waits in line with its first query.
    fn start(
        &mut self,
        cx: &Context<'_>,
        links: &Links<'_>,
        part: OperationState,
        first: Option<SlabKey>,
    ) -> Option<SlabKey> {
        let insert = |operations: &mut Operations<'_>| match (part.is_for_user(), first) {
            (false, _) if part.keep().is_none() => operations.insert_upkeep(part),
            (_, None) => operations.insert_first(part),
            (_, Some(first)) => operations.insert_part(first, part),
        };
        let key = match insert(&mut self.operations) {
            Some(key) => key,
            None => {
                self.end_reported();
                insert(&mut self.operations)?
            }
        };
        if part.is_for_user() {
            self.operations.join(key, Queue::New);
        } else {
            self.begin(cx, links, key);
        }
        Some(key)
    }

    /// The part may ask: its lookup starts from the nearest contacts, and from who else may help if they are few (L5).
    fn begin(&mut self, cx: &Context<'_>, links: &Links<'_>, key: SlabKey) {
        self.operations.leave_line(key);
        self.operations.join(key, Queue::Ready);
        let (network, k) = (cx.config().network, cx.config().lookup.k);
        let Some(mut active) = self.operations.active(key) else { return };
        let part = *active.operation();
        let link = links.get(part.link()).filter(|_| !part.is_at_node());
        let Some(link) = link else { return };
        if part.is_for_user() && *part.goal() == Goal::Nodes {
            active.operation().lookup_mut().list();
        }
        let table = link.table();
        if let Some(spacing) = link.spacing().filter(|_| !part.is_of_upkeep() && network == Network::Public) {
            active.operation().lookup_mut().expect(spacing);
        }
        let (offered, fresh) =
            named_nodes::offer_contacts(cx, table, &mut active, (part.target(), named_nodes::START_FROM), None);
        if offered < k && !planted(Bug::ImportUnused) {
            named_nodes::offer_others(network, table, cx.now(), &mut active);
        }
        let is_in_need = part.is_for_user() || fresh < k || link.is_deserted();
        if fresh < k && offered < k || *part.goal() == Goal::Bootstrap && is_in_need {
            active.operation().ask_bootstrap_nodes();
        }
    }

    /// Gives up a put or an announce that was reported already, so that a user's operation finds a place.
    fn end_reported(&mut self) {
        let mut operations = self.operations.iter();
        if let Some((key, _)) = operations.find(|(_, o)| !o.is_for_user() && o.keep().is_none() && o.goal().stores()) {
            drop(operations);
            self.remove(key);
        }
    }

    fn remove(&mut self, key: SlabKey) {
        let Some(first) = self.operations.get(key).map(OperationState::leader) else { return };
        self.operations.parts(first).for_each(|(key, _)| self.wakes.clear(key.index));
        self.operations.remove(first);
    }

    // ---- answers and failures ----

    /// A query was answered.
    pub(super) fn on_answer(
        &mut self,
        cx: &mut Context<'_>,
        links: &mut Links<'_>,
        rpc: &Rpc<'_>,
        open: &Open,
        response: &Response<'_>,
    ) {
        let Some((key, stage)) = open.step() else { return };
        if let Some(mut active) = self.operations.running(key) {
            named_nodes::offer(cx, links, &mut active, rpc, open, response);
        }
        let first_of_network = stage == Stage::Store && !self.operations.has_stored_near(key, &open.to);
        let Some(mut active) = self.operations.running(key) else { return };
        let op = active.operation().leader();
        if active.on_answer(cx.config().network, stage, open, response, first_of_network) {
            let rtt = cx.now().since(open.sent);
            Arrival { op, from: open.to, response, rtt }.take(cx, links, &mut active, &mut self.results);
        }
        let hit = active.operation().is_hit();
        self.operations.join(key, Queue::Ready);
        if hit {
            self.end_all(op, Reason::Hit);
        }
    }

    /// A query was answered with an error.
    pub(super) fn on_error(&mut self, network: Network, open: &Open, code: i64) {
        let Some((key, stage)) = open.step() else { return };
        let first_of_network = stage == Stage::Store && !self.operations.has_stored_near(key, &open.to);
        let Some(mut active) = self.operations.running(key) else { return };
        active.on_error(network, stage, open, code, first_of_network);
        self.operations.join(key, Queue::Ready);
    }

    /// A query failed.
    pub(super) fn on_failure(&mut self, open: &Open, failure: QueryFailure) {
        let Some((key, stage)) = open.step() else { return };
        let Some(mut active) = self.operations.running(key) else { return };
        active.on_failure(stage, open, failure);
        self.operations.join(key, Queue::Ready);
    }

    /// A query passed its soft timeout: its slot is free again, its answer still welcome.
    pub(super) fn on_late(&mut self, open: &Open) {
        let Some((key, Stage::Bootstrap | Stage::Converge | Stage::Aside { .. })) = open.step() else { return };
        if let Some(mut active) = self.operations.running(key) {
            active.on_late(open);
            self.operations.join(key, Queue::Ready);
        }
    }

    /// All parts of an operation end.
    fn end_all(&mut self, first: SlabKey, reason: Reason) {
        let mut parts = ArrayVec::<SlabKey, MAX_LINKS>::new();
        self.operations.each_part(first, |key, part| {
            if part.ended().is_none() {
                part.end_unless_ended(reason);
                parts.push(key);
            }
        });
        parts.into_iter().for_each(|key| self.operations.join(key, Queue::Ready));
    }

    // ---- time ----

    /// Operations whose time has come go on or end.
    pub(super) fn on_timeout(&mut self, now: Instant) {
        while let Some(index) = self.wakes.pop_due(now) {
            let Some(key) = self.operations.key_at(index) else { continue };
            let Some(operation) = self.operations.get_mut(key) else { continue };
            match operation.deadline() {
                // No other wake-up, which would be due at once and for ever: the next drain ends it.
                Some(at) if at <= now => operation.end_unless_ended(Reason::Deadline),
                Some(at) => self.wakes.set(index, at),
                None => {}
            }
            self.operations.join(key, Queue::Ready);
        }
    }

    /// When a frugal node may turn to somebody again, if users wait for that.
    pub(super) fn flow_at(&self, cx: &Context<'_>, rpc: &Rpc<'_>) -> Option<Instant> {
        let waits = |queue| self.operations.first(queue).is_some();
        rpc.has_flow_at(cx).filter(|_| waits(Queue::Blocked) || waits(Queue::New))
    }

    pub(super) fn wake_at(&self) -> Option<Instant> {
        Instant::earliest(self.wakes.next().map(|(at, _)| at), self.budget.next())
    }

    /// The node is awake again, after so long: that time counts to no operation.
    pub(super) fn on_resume(&mut self, slept: Duration) {
        for index in 0..self.operations.capacity() as u16 {
            let Some(key) = self.operations.key_at(index) else { continue };
            let Some(operation) = self.operations.get_mut(key) else { continue };
            operation.on_resume(slept);
            // Whatever else it waited for, the drain finds out.
            match operation.deadline() {
                Some(at) => self.wakes.set(index, at),
                None => self.wakes.clear(index),
            }
            if operation.places().are_in(Queue::New) {
                continue;
            }
            self.operations.join(key, Queue::Ready);
        }
    }

    // ---- the drain ----

    /// The next result that waits.
    pub(super) fn next_result(&mut self, network: Network, buf: &mut Buffer) -> Option<Note> {
        if self.results.is_empty() { None } else { self.results.next(&mut self.operations, network, buf) }
    }

    /// The next query or event of the operations that may have something to do: each in its turn, first queries first.
    #[inline]
    pub(super) fn next(&mut self, out: &mut Outlet<'_, '_>, buf: &mut Buffer) -> Option<Plan> {
        loop {
            let new = self.operations.first_new().filter(|_| out.rpc.has_one_for_new(out.cx));
            let Some(index) = new.or_else(|| self.operations.first(Queue::Ready)) else {
                if self.admit(out) {
                    continue;
                }
                return None;
            };
            let key = self.operations.key_at(index)?;
            if new.is_some() {
                self.begin(out.cx, out.links, key);
            }
            if let Some(plan) = self.step(out, key, buf) {
                self.operations.pass_turn(key);
                return Some(plan);
            }
        }
    }

    /// Hands out what is scarce and has become free.
    fn admit(&mut self, out: &mut Outlet<'_, '_>) -> bool {
        let (rate, now) = (out.cx.config().lookup.unverified_query_rate, out.cx.now());
        let has_place = out.rpc.has_one_for_users(out.cx) && out.rpc.has_flow_at(out.cx).is_none();
        let somebody = self.operations.let_in(has_place, || self.budget.has_one(now, rate));
        self.budget.hold(self.operations.first(Queue::Held).is_some(), rate);
        somebody
    }

    /// The next thing that one operation wants; `None` when it has to wait (it is not ready any more then), or when it
    /// is to be asked again.
    fn step(&mut self, out: &mut Outlet<'_, '_>, key: SlabKey, buf: &mut Buffer) -> Option<Plan> {
        let now = out.cx.now();
        let rate = out.cx.config().lookup.unverified_query_rate;
        let allowed = out.cx.is_local() || self.operations.may_spend(key) && self.budget.has_one(now, rate);
        let rules = out.rpc.rules(out.cx.config(), out.limiter);
        let mut active = self.operations.active(key)?;
        active.operation().on_released(now);
        let link = active.operation().link();
        let family = out.links.get(link).map(|link| link.family());
        match active.next(now, family, &self.bootstrap_nodes, &rules, allowed) {
            Todo::End(reason) => self.finish(out, key, reason, buf),
            Todo::Ask { to, id, stage, unverified } => {
                let plan = self.ask(out, key, Addressee { link, to, id }, stage, buf);
                if unverified && plan.is_some() {
                    self.budget.take(now, rate);
                }
                plan
            }
            Todo::Store { to, id } => self.store(out, key, Addressee { link, to, id: Some(id) }, buf),
            Todo::LookAside => named_nodes::offer_aside(out.cx, out.links.get(link), &mut active),
            Todo::Report => {
                active.operation().on_enough();
                self.report_if_settled(out.cx, key, buf)
            }
            Todo::Again => None,
            Todo::Unanswered { until } => self.ask_others(out, key, until),
            Todo::Wait(at) => self.wait(key, at, None),
            Todo::Held => self.wait(key, None, Some(Queue::Held)),
        }
    }

    /// An operation has nothing to do before an answer, this time or its deadline.
    fn wait(&mut self, key: SlabKey, at: Option<Instant>, queue: Option<Queue>) -> Option<Plan> {
        let deadline = self.operations.get(key)?.deadline();
        match Instant::earliest(at, deadline) {
            Some(at) => self.wakes.set(key.index, at),
            None => self.wakes.clear(key.index),
        }
        self.operations.rest(key);
        match queue {
            Some(queue) => self.operations.join(key, queue),
            None => self.operations.leave_line(key),
        }
        None
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
        let method: Method<'static> = match stage {
            Stage::Aside { bits, quarter } => {
                Method::FindNode { target: operation.beside_target(bits, quarter), want: Want::default() }
            }
            _ => operation.goal().query(operation.asks_about(), families),
        };
        let Addressee { link, to, .. } = addressee;
        let tid = self.open(out, key, addressee, stage)?;
        let len = encode_query(out.cx, out.links.get(link)?, &tid, method, buf)?;
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
        let at = out.links.get(link)?;
        let mut active = self.operations.active(key)?;
        let len = encode_query(out.cx, at, &tid, active.store(&to, &id?, at.port())?, buf)?;
        Some(Plan::Transmit { link, to, len })
    }

    /// Opens a transaction for an operation; gives back what it wanted when there is none.
    fn open(&mut self, out: &mut Outlet<'_, '_>, key: SlabKey, addressee: Addressee, stage: Stage) -> Option<[u8; 4]> {
        let Outlet { cx, links, rpc, limiter } = out;
        let now = cx.now();
        let [some_blocked, some_new] = [Queue::Blocked, Queue::New].map(|queue| self.operations.first(queue).is_some());
        // A store needs no flow, which is what the others of a frugal node wait for.
        let frugal = cx.config().frugal;
        let needs_none = stage == Stage::Store && frugal;
        let is_its_turn = self.operations.is_its_turn(key) || needs_none;
        let mut active = self.operations.active(key)?;
        let in_background = !active.operation().is_for_user();
        let opens_flow = active.operation().keep().is_some() && stage != Stage::Store;
        let flows = cx.config().keeper.flows;
        // The keeper's part is one of what the node may start by itself, unless its owner has raised it.
        let is_usual = flows <= KeeperConfig::default().flows || frugal;
        let by_itself = active.operation().is_of_upkeep() || opens_flow;
        let is_bounded = by_itself && (is_usual || !opens_flow);
        let is_for_store = stage == Stage::Store;
        let later = match by_itself {
            true => rpc.may_start_at(cx, opens_flow),
            false => rpc.has_flow_at(cx).filter(|_| !is_for_store),
        };
        cx.stats_mut().flows_held += u64::from(later.is_some());
        if let Some(at) = self.flows.held_until(now, flows).or(later).filter(|_| opens_flow) {
            active.on_not_sent(stage, &addressee.to, addressee.id);
            active.operation().on_held(now);
            self.wait(key, Some(at), None);
            return None;
        }
        // While others wait with their first query, whoever asks somebody leaves the rest to them.
        let leaves_it = some_new && stage == Stage::Converge && active.operation().asking() > 1;
        let has_one = match in_background {
            _ if later.is_some() => false,
            true => rpc.has_one_for_background(cx, some_blocked || some_new),
            false => is_its_turn && !leaves_it && rpc.has_one_for_users(cx),
        };
        let purpose = Purpose::Operation { key, stage };
        let tid = if has_one { rpc.open(cx, links, limiter, addressee, purpose, in_background) } else { None };
        if tid.is_some() {
            if by_itself || !is_for_store {
                rpc.on_flow(cx, by_itself, is_bounded);
            }
            if opens_flow {
                self.flows.take(now, flows);
            }
            self.operations.on_query_sent(key, now, stage, frugal, &mut self.wakes);
            return tid;
        }
        active.on_not_sent(stage, &addressee.to, addressee.id);
        if frugal && !by_itself && active.operation().asking() == 0 {
            active.operation().on_paused(now);
        }
        match in_background {
            true => self.wait(key, later.or(Some(now + BACKGROUND_WAIT)), None),
            false if leaves_it => self.wait(key, None, Some(Queue::Narrow)),
            false => self.wait(key, None, Some(Queue::Blocked)),
        };
        None
    }

    // ---- ends ----

    /// A part ends. The last one to end sums up, says `Finished`, and gives all places back.
    fn finish(&mut self, out: &mut Outlet<'_, '_>, key: SlabKey, reason: Reason, buf: &mut Buffer) -> Option<Plan> {
        let part = *self.operations.get(key)?;
        self.operations.rest(key);
        self.operations.leave_line(key);
        self.wakes.clear(key.index);
        if part.ended().is_none() {
            self.on_end(out, key, reason);
            self.operations.get_mut(key)?.on_end(reason);
        }
        let first = part.leader();
        if self.operations.parts(first).any(|(_, part)| part.ended().is_none()) {
            return self.report_if_settled(out.cx, key, buf);
        }
        if let Some(note) = self.operations.sum_up(first, buf) {
            // Asked once more, it says that it has finished.
            self.operations.join(first, Queue::Ready);
            return Some(Plan::Note(note));
        }
        let plan = self.report(out.cx, first, Reason::Exhausted);
        self.on_kept(out.cx, first);
        self.remove(first);
        plan
    }

    /// Tells the user that enough nodes have confirmed, or who has answered, once no part has more to say of that; what
    /// is left goes on, of stores in the background.
    fn report_if_settled(&mut self, cx: &mut Context<'_>, key: SlabKey, buf: &mut Buffer) -> Option<Plan> {
        let operation = self.operations.get(key)?;
        let (first, stores) = (operation.leader(), operation.goal().stores());
        let settled = self.operations.parts(first).all(|(_, part)| part.is_settled());
        match settled {
            true if stores => self.report(cx, first, Reason::Converged),
            true => self.operations.list_so_far(first, buf).map(Plan::Note),
            false => None,
        }
    }

    /// Tells the user how it ended, at the least as said, if somebody waits for that.
    fn report(&mut self, cx: &mut Context<'_>, first: SlabKey, least: Reason) -> Option<Plan> {
        if !self.operations.stop_waiting(first) && !planted(Bug::EndsTwice) {
            return None;
        }
        let leader = self.operations.get(first)?;
        let (tag, elapsed) = (leader.tag(), leader.elapsed(cx.now()));
        let reason = self.operations.reason(first, least);
        let outcome = Outcome { reason, elapsed, ..self.operations.outcome(first) };
        cx.trace(TraceEvent::Ended { op: first.into(), stored: outcome.stored.all });
        Some(Plan::Note(Note::Plain(Event::Finished { op: first.into(), tag, outcome })))
    }
}
