//! One part of an operation, from its command to its `Finished`: its state, and what is counted.

pub(super) mod active;
mod bootstrap_turn;
mod kept;

use self::bootstrap_turn::BootstrapTurn;
use crate::base::slab::SlabKey;
use crate::base::time::{Duration, Instant};
use crate::dht::event::LinkId;
use crate::dht::lookup::{Candidate, Lookup};
use crate::dht::node::client::budget::TimeLimit;
use crate::dht::node::client::goal::Goal;
use crate::dht::node::client::payload::NO_PAYLOAD;
use crate::dht::node::client::queues::{QueuePlaces, Queued};
use crate::dht::outcome::{Outcome, Reason};
use crate::dht::transactions::{Open, Stage};
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;

/// One part of a running operation: the lookup on one link, or the question to one node.
#[derive(Clone, Copy, Debug)]
pub struct OperationState {
    tag: u64,
    link: LinkId,
    goal: Goal,
    /// The node that is asked alone, without a lookup.
    at: Option<Endpoint>,
    lookup: Lookup,
    outcome: Outcome,
    /// When the first query of its operation left.
    started: Option<Instant>,
    /// How long it may take from then on.
    time: TimeLimit,
    /// Nothing but a budget, or the limit of an endpoint (L42), holds it up: its deadline stands still.
    held: Option<HoldUp>,
    /// Set when the end is decided; the next drain says so.
    finish: Option<Reason>,
    /// It has ended, and waits for the other parts of its operation.
    ended: Option<Reason>,
    /// The first query to the only node has left.
    sent: bool,
    /// Next of the bootstrap nodes to ask.
    next_bootstrap: BootstrapTurn,
    /// It had enough when its turn came, and is asked when nobody else is left (L42).
    puts_off: bool,
    for_whom: ForWhom,
    /// Enough nodes have confirmed what it stores, or have answered for a first list.
    reported: bool,
    /// The closing list or estimate was delivered.
    summed_up: bool,
    /// The list of those who had answered so far was.
    listed: bool,
    /// Place of what it carries; operations of the node's own upkeep carry nothing.
    payload: u16,
    /// The version whose copies a look of the keeper has met.
    copied: i64,
    /// The first part of its operation, and the part after this one.
    leader: SlabKey,
    next_part: Option<SlabKey>,
    places: QueuePlaces,
}

/// Something holds an operation up.
#[derive(Clone, Copy, Debug)]
struct HoldUp {
    since: Instant,
    /// It is the budget of a frugal node, and however long that takes, it is not its time.
    is_pause: bool,
}

/// Whom an operation is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ForWhom {
    /// Whoever gave the command, and waits for its `Finished`.
    User,
    /// The keeper: its tag is made of the handle.
    Keeper,
    /// Nobody who waits: it is one of upkeep, or was reported and goes on.
    Nobody,
}

/// What an operation wants.
pub(super) enum Todo {
    /// It is over.
    End(Reason),
    /// A query that finds closer nodes, or the only one.
    Ask { to: Endpoint, id: Option<Id>, stage: Stage, unverified: bool },
    /// A store.
    Store { to: Endpoint, id: Id },
    /// Contacts that are near its target, and not next to it.
    LookAside,
    /// Enough nodes have confirmed: the user is to be told.
    Report,
    /// Nothing now, but perhaps at once.
    Again,
    /// Nothing before an answer or this time.
    Wait(Option<Instant>),
    /// Nobody whom it could ask has answered. Whom it has put off bears more now, or nobody does before this.
    Unanswered { until: Option<Instant> },
    /// Nothing before the budget for unverified nodes has something left, or an answer.
    Held,
}

impl OperationState {
    /// A part of an operation, which may take `time` from the first query of any part on. It carries no bytes yet.
    pub(super) fn new(now: Instant, tag: u64, link: LinkId, goal: Goal, target: Id, time: Duration) -> Self {
        let mut lookup = Lookup::new(now, target);
        if goal.stores() {
            lookup = lookup.storing();
        }
        if goal.is_sought() {
            lookup = lookup.seeking();
        }
        if goal.is_guarded() {
            lookup = lookup.guarded();
        }
        if goal == Goal::Bootstrap {
            lookup = lookup.eager();
        }
        OperationState {
            tag,
            link,
            goal,
            at: None,
            lookup,
            outcome: Outcome::default(),
            started: None,
            time: TimeLimit::of(time),
            held: None,
            finish: None,
            ended: None,
            sent: false,
            next_bootstrap: BootstrapTurn::NONE,
            puts_off: false,
            for_whom: ForWhom::User,
            reported: false,
            summed_up: false,
            listed: false,
            payload: NO_PAYLOAD,
            copied: i64::MIN,
            leader: SlabKey { index: 0, generation: 0 },
            next_part: None,
            places: QueuePlaces::default(),
        }
    }

    /// The same, for the node's own upkeep: nobody waits for it.
    pub(super) fn of_upkeep(self) -> Self {
        OperationState { for_whom: ForWhom::Nobody, ..self }
    }

    /// The same, to know how many nodes there are around its target.
    pub(super) fn sounding(self) -> Self {
        OperationState { lookup: self.lookup.sounding(), ..self }
    }

    /// The same, without a lookup: this node alone is asked.
    pub(super) fn at(self, node: Endpoint) -> Self {
        OperationState { at: Some(node), ..self }
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

    /// To what those are nearest that share so many bits with the target (in this quarter of theirs, outward).
    pub(super) fn beside_target(&self, bits: u8, quarter: u8) -> Id {
        self.target().beside(bits, quarter)
    }

    /// What was asked for with a query.
    pub(super) fn target_of(&self, open: &Open) -> Id {
        match open.step() {
            Some((_, Stage::Aside { bits, quarter })) => self.beside_target(bits, quarter),
            _ => *self.target(),
        }
    }

    /// About whom a node is asked now.
    pub(super) fn asks_about(&self) -> Id {
        self.lookup.asks_about()
    }

    pub(super) fn is_storing(&self) -> bool {
        self.lookup.is_storing()
    }

    /// Whether one node alone is asked.
    pub(super) fn is_at_node(&self) -> bool {
        self.at.is_some()
    }

    /// When it has to end, unless the budget holds it up meanwhile; `None` before the first query and after its end.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let time = self.time.after(self.held.is_some());
        let is_paused = self.held.is_some_and(|held| held.is_pause);
        self.started.filter(|_| self.ended.is_none() && !is_paused).map(|at| at + time)
    }

    // ---- its place among the parts of its operation ----

    pub(super) fn is_for_user(&self) -> bool {
        self.for_whom == ForWhom::User
    }

    pub(super) fn stop_waiting(&mut self) {
        if self.is_for_user() {
            self.for_whom = ForWhom::Nobody;
        }
    }

    pub(super) fn payload(&self) -> u16 {
        self.payload
    }

    pub(super) fn set_payload(&mut self, place: u16) {
        self.payload = place;
    }

    /// The first part of its operation.
    pub(super) fn leader(&self) -> SlabKey {
        self.leader
    }

    /// It is the first part itself.
    pub(super) fn lead(&mut self, own: SlabKey) {
        self.leader = own;
    }

    /// It belongs to the operation of `first`, and `next` comes after it.
    pub(super) fn join(&mut self, first: SlabKey, next: Option<SlabKey>) {
        (self.leader, self.next_part) = (first, next);
    }

    pub(super) fn next_part(&self) -> Option<SlabKey> {
        self.next_part
    }

    pub(super) fn set_next_part(&mut self, next: SlabKey) {
        self.next_part = Some(next);
    }

    /// Where it stands.
    pub(super) fn places(&self) -> QueuePlaces {
        self.places
    }

    /// Whether it counts the nodes around its target.
    pub(super) fn is_sounding(&self) -> bool {
        self.lookup.is_sounding()
    }

    /// Whether the node runs it for itself.
    pub(super) fn is_of_upkeep(&self) -> bool {
        self.payload == NO_PAYLOAD
    }

    // ---- its end ----

    /// It ends, whatever else was decided before.
    pub(super) fn end(&mut self, reason: Reason) {
        self.finish = Some(reason);
    }

    /// It ends, unless that was decided before.
    pub(super) fn end_unless_ended(&mut self, reason: Reason) {
        self.finish = self.finish.or(Some(reason));
    }

    /// Whether what it looked for was found.
    pub(super) fn is_hit(&self) -> bool {
        self.finish == Some(Reason::Hit)
    }

    /// It has ended; nothing changes it any more.
    pub(super) fn on_end(&mut self, reason: Reason) {
        self.ended = Some(reason);
    }

    /// How it ended.
    pub(super) fn ended(&self) -> Option<Reason> {
        self.ended
    }

    /// Enough nodes have confirmed what it stores, or have answered for a first list.
    pub(super) fn on_enough(&mut self) {
        self.reported = true;
    }

    /// Whether that is so, or no more will.
    pub(super) fn is_settled(&self) -> bool {
        self.reported || self.ended.is_some()
    }

    /// Whether what all answers together say was not delivered yet; it counts as delivered from now on.
    pub(super) fn take_summary(&mut self) -> bool {
        !core::mem::replace(&mut self.summed_up, true)
    }

    /// Whether the list of those who have answered so far was not delivered yet; it counts as delivered from now on.
    pub(super) fn take_list(&mut self) -> bool {
        !core::mem::replace(&mut self.listed, true)
    }

    // ---- what is counted ----

    /// The bootstrap nodes are asked too.
    pub(super) fn ask_bootstrap_nodes(&mut self) {
        self.next_bootstrap = BootstrapTurn::FIRST;
    }

    /// All of so many bootstrap nodes are asked once more when they are late, of whom nobody has said anything; when
    /// that is, if it is not now.
    fn ask_bootstrap_nodes_again(&mut self, now: Instant, nodes: usize, late: Duration) -> Option<Instant> {
        let turn = self.next_bootstrap;
        let Outcome { answered, errored, invalid, .. } = self.outcome;
        let is_heard = answered > 0 || errored > 0 || invalid > 0;
        let is_wanted = self.is_for_user() && !is_heard && self.lookup.awaits_unidentified();
        if !is_wanted || turn.is_last_round() || turn.place() < nodes {
            return None;
        }
        let left = late.saturating_sub(turn.since_asked(now));
        if left.is_zero() {
            self.next_bootstrap.begin_again();
            return None;
        }
        Some(now + left)
    }

    /// Whether it has put off a bootstrap node, which has its turn now.
    pub(super) fn take_put_off(&mut self) -> bool {
        core::mem::take(&mut self.puts_off)
    }

    /// Whether it awaits answers of bootstrap nodes.
    pub(super) fn awaits_bootstrap_nodes(&self) -> bool {
        self.lookup.awaits_unidentified()
    }

    /// A query of it left; the first part of its operation.
    pub(super) fn on_query_sent(&mut self, now: Instant, stage: Stage) -> SlabKey {
        self.outcome.count_query(stage == Stage::Store);
        if stage == Stage::Bootstrap {
            self.next_bootstrap.on_asked(now);
        }
        self.on_released(now);
        self.leader
    }

    /// A query of its operation left. If that was the first: when the part has to end.
    pub(super) fn on_begin(&mut self, now: Instant) -> Option<Instant> {
        if self.started.is_some() {
            return None;
        }
        self.started = Some(now);
        self.deadline()
    }

    /// Nothing but the budget for unverified nodes holds it up, from now on.
    pub(super) fn on_held(&mut self, now: Instant) {
        self.held.get_or_insert(HoldUp { since: now, is_pause: false });
    }

    /// Nothing but the budget of a frugal node holds it up, from now on: its deadline is put off.
    pub(super) fn on_paused(&mut self, now: Instant) {
        self.held = Some(HoldUp { since: now, is_pause: true });
    }

    /// It goes on. The time in which it was held up does not count.
    pub(super) fn on_released(&mut self, now: Instant) {
        let Some(HoldUp { since, is_pause }) = self.held.take() else { return };
        if is_pause {
            self.started = self.started.map(|at| at + now.since(since));
        } else {
            self.time.stand_still(now.since(since));
        }
    }

    /// The node was suspended for so long: of its time that is nothing.
    pub(super) fn on_resume(&mut self, slept: Duration) {
        self.started = self.started.map(|at| at + slept);
        self.held = self.held.map(|held| HoldUp { since: held.since + slept, ..held });
    }

    /// An answer was broken or lied.
    pub(super) fn on_invalid(&mut self) {
        self.outcome.invalid = self.outcome.invalid.saturating_add(1);
    }

    /// A result was left for the user, or lost because too many wait.
    pub(super) fn on_result(&mut self, delivered: bool) {
        let count = if delivered { &mut self.outcome.results } else { &mut self.outcome.dropped_results };
        *count = count.saturating_add(1);
        self.lookup.on_found();
    }

    /// So many results were delivered with the last event but one.
    pub(super) fn on_summary(&mut self, results: u16) {
        self.outcome.results = self.outcome.results.saturating_add(results);
    }

    /// The only node has answered: a store may follow, where it gave a token.
    fn on_only_answer(&mut self) {
        if self.goal.stores() {
            self.lookup.turn_to_storing();
        } else {
            let found = matches!(self.goal, Goal::Query { .. });
            self.end_unless_ended(if found { Reason::Hit } else { Reason::Converged });
        }
    }

    /// Whether a node of the network of this one has confirmed a store.
    pub(super) fn has_stored_near(&self, candidates: &[Candidate], node: &Endpoint) -> bool {
        self.lookup.has_stored_near(candidates, node)
    }

    /// The nodes that answered, nearest first.
    pub(super) fn answered_nodes<'w>(
        &self,
        candidates: &'w [Candidate],
    ) -> impl Iterator<Item = (Id, Endpoint)> + use<'w> {
        self.lookup.answered(candidates)
    }

    /// How many candidates it is asking.
    pub(super) fn asking(&self) -> usize {
        self.lookup.asking()
    }

    pub(super) fn lookup_mut(&mut self) -> &mut Lookup {
        &mut self.lookup
    }

    /// Adds its counts to those of its whole operation.
    pub(super) fn add_to(&self, all: &mut Outcome) {
        let Outcome { queried, answered, stored, .. } = self.outcome;
        all.add(&self.outcome);
        all.hops = all.hops.max(self.lookup.hops());
        all.density_alarm |= self.lookup.is_alarmed();
        if let Some(link) = all.links.get_mut(usize::from(self.link.0)) {
            link.add(queried, answered, stored.all);
        }
    }

    /// How long ago the first query of its operation left.
    pub(super) fn elapsed(&self, now: Instant) -> Duration {
        self.started.map_or(Duration::ZERO, |at| now.since(at))
    }

    /// Recounts the lookup; see [`Lookup::check_invariants`].
    #[cfg(any(test, debug_assertions))]
    pub(super) fn check_invariants(
        &self,
        candidates: &[Candidate],
        tokens: usize,
        asked: impl Fn(&Id, &Endpoint) -> bool,
        storing: impl Fn(&Id, &Endpoint) -> bool,
        unidentified: (usize, usize),
    ) {
        assert!(self.finish.is_none(), "a drain ends what is over");
        self.lookup.check_invariants(candidates, tokens, asked, storing, unidentified);
    }
}

impl Queued for OperationState {
    fn places_mut(&mut self) -> &mut QueuePlaces {
        &mut self.places
    }
}
