//! The table of operations.
//!
//! An operation of a user has a part on each link that it runs on: a lookup of its own, with its own window of
//! candidates and its own tokens. The first part leads: its handle is the user's, and what is carried (the item, the
//! best value so far) is carried once for all. The node's own upkeep has one part and carries nothing.
//!
//! Memory is flat: the place of a part in the slab is the place of its window; the place of a payload and the number of
//! a link are the place of the tokens.

use crate::base::deadlines::Deadlines;
use crate::base::list::List;
use crate::base::planted::{Bug, planted};
use crate::base::slab::{Slab, SlabEntry, SlabKey};
use crate::base::time::Instant;
use crate::dht::capacity::MAX_LINKS;
use crate::dht::config::K;
use crate::dht::event::{Buffer, Event, OpId, OpView};
use crate::dht::keeper::CopiesByLink;
use crate::dht::lookup::{Candidate, LookupWindow, TokenCell};
use crate::dht::node::client::goal::Goal;
use crate::dht::node::client::operation::{OperationState, active::Active};
use crate::dht::node::client::payload::{NO_PAYLOAD, Payload};
use crate::dht::node::client::queues::{Queue, Queues};
use crate::dht::node::plan::Note;
use crate::dht::outcome::{Outcome, Reason};
use crate::dht::transactions::Stage;
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;
use crate::krpc::lists::Nodes;

/// All running operations.
#[derive(Debug)]
pub struct Operations<'s> {
    slab: Slab<'s, OperationState>,
    queues: Queues,
    candidates: List<'s, Candidate>,
    tokens: List<'s, TokenCell>,
    payloads: List<'s, Payload>,
    /// The first of the payloads that were carried before and are free now.
    free_payload: u16,
    links: usize,
    /// Operations that somebody waits for.
    for_users: usize,
    /// Lookups of the node's own upkeep.
    of_upkeep: usize,
    /// Operations of the keeper, and how many it may have.
    of_keeper: usize,
    most_of_keeper: usize,
    /// Payloads of users, those included that nobody waits for any more.
    carried_for_users: usize,
    /// Who was let in last out of a line and has not asked yet: what is free now is meant for it.
    let_in: Option<SlabKey>,
}

impl<'s> Operations<'s> {
    pub(in crate::dht::node) fn new(
        operations: List<'s, SlabEntry<OperationState>>,
        mut candidates: List<'s, Candidate>,
        mut tokens: List<'s, TokenCell>,
        mut payloads: List<'s, Payload>,
        links: usize,
        most_of_keeper: usize,
    ) -> Self {
        candidates.clear();
        tokens.clear();
        payloads.clear();
        Operations {
            slab: Slab::new(operations),
            queues: Queues::default(),
            candidates,
            tokens,
            payloads,
            free_payload: NO_PAYLOAD,
            links: links.max(1),
            for_users: 0,
            of_upkeep: 0,
            of_keeper: 0,
            most_of_keeper,
            carried_for_users: 0,
            let_in: None,
        }
    }

    /// Operations that users may have at the same time.
    pub(super) fn most_for_users(&self) -> usize {
        self.payloads.capacity().saturating_sub(self.most_of_keeper)
    }

    /// Whether the keeper may have so many operations and one more.
    pub(super) fn has_place_for_keeper(&self, left: usize) -> bool {
        self.of_keeper + left < self.most_of_keeper
    }

    /// Places of parts.
    pub(super) fn capacity(&self) -> usize {
        self.slab.capacity()
    }

    /// Operations that somebody waits for.
    pub(super) fn count_for_users(&self) -> usize {
        self.for_users
    }

    /// Lookups of the node's own upkeep.
    pub(super) fn count_of_upkeep(&self) -> usize {
        self.of_upkeep
    }

    // ---- starts and ends ----

    /// Claims a place for an operation of the node's own upkeep.
    pub(super) fn insert_upkeep(&mut self, operation: OperationState) -> Option<SlabKey> {
        let key = self.insert(operation)?;
        self.of_upkeep += 1;
        Some(key)
    }

    /// Claims a place for the first part of an operation of a user or of the keeper, and an empty payload.
    pub(super) fn insert_first(&mut self, mut operation: OperationState) -> Option<SlabKey> {
        let for_keeper = operation.keep().is_some();
        let has_place = match for_keeper {
            true => self.has_place_for_keeper(0),
            false => self.carried_for_users < self.most_for_users(),
        };
        let payload = if has_place { self.claim_payload()? } else { return None };
        operation.set_payload(payload);
        let Some(key) = self.insert(operation) else {
            self.release_payload(payload);
            return None;
        };
        self.for_users += usize::from(!for_keeper);
        self.carried_for_users += usize::from(!for_keeper);
        self.of_keeper += usize::from(for_keeper);
        Some(key)
    }

    /// Claims a place for one more part of the operation that `first` leads.
    pub(super) fn insert_part(&mut self, first: SlabKey, mut operation: OperationState) -> Option<SlabKey> {
        let leader = *self.slab.get(first)?;
        operation.set_payload(leader.payload());
        let key = self.insert(operation)?;
        self.slab.get_mut(key)?.join(first, leader.next_part());
        self.slab.get_mut(first)?.set_next_part(key);
        Some(key)
    }

    fn insert(&mut self, operation: OperationState) -> Option<SlabKey> {
        let key = self.slab.insert(operation).ok()?;
        self.slab.get_mut(key)?.lead(key);
        self.candidates.grow_to(share_of(&self.candidates, self.slab.capacity()) * (usize::from(key.index) + 1));
        Some(key)
    }

    /// Memory is touched when a payload is carried for the first time.
    fn claim_payload(&mut self) -> Option<u16> {
        let place = match self.payloads.get(usize::from(self.free_payload)) {
            Some(free) => core::mem::replace(&mut self.free_payload, free.next_free()),
            None if self.payloads.len() < self.payloads.capacity() => self.payloads.len() as u16,
            None => return None,
        };
        self.grow_to_payload(usize::from(place) + 1);
        self.payloads.get_mut(usize::from(place))?.clear();
        Some(place)
    }

    // Own stack frame (E1): a new payload passes over the stack once.
    #[inline(never)]
    fn grow_to_payload(&mut self, payloads: usize) {
        self.tokens.grow_to(self.tokens_each() * payloads * self.links);
        self.payloads.grow_to(payloads);
    }

    fn release_payload(&mut self, place: u16) {
        if let Some(payload) = self.payloads.get_mut(usize::from(place)) {
            payload.free(core::mem::replace(&mut self.free_payload, place));
        }
    }

    /// Gives back all places of the operation that a part belongs to.
    pub(super) fn remove(&mut self, key: SlabKey) {
        let Some(first) = self.slab.get(key).map(OperationState::leader) else { return };
        let Some(leader) = self.slab.get(first).copied() else { return };
        self.stop_waiting(first);
        self.release_payload(leader.payload());
        self.of_upkeep -= usize::from(leader.payload() == NO_PAYLOAD);
        self.of_keeper -= usize::from(leader.keep().is_some());
        self.carried_for_users -= usize::from(leader.payload() != NO_PAYLOAD && leader.keep().is_none());
        let mut next = Some(first);
        while let Some(key) = next {
            next = self.slab.get(key).and_then(OperationState::next_part);
            self.rest(key);
            self.leave_line(key);
            self.slab.remove(key);
        }
    }

    /// Nobody waits for this operation any more; whether somebody did.
    pub(super) fn stop_waiting(&mut self, key: SlabKey) -> bool {
        let Some(first) = self.slab.get(key).map(OperationState::leader) else { return false };
        let waited = self.slab.get(first).is_some_and(OperationState::is_for_user);
        self.for_users -= usize::from(waited);
        self.each_part(first, |_, part| part.stop_waiting());
        waited
    }

    // ---- views ----

    pub(super) fn get(&self, key: SlabKey) -> Option<&OperationState> {
        self.slab.get(key)
    }

    pub(super) fn get_mut(&mut self, key: SlabKey) -> Option<&mut OperationState> {
        self.slab.get_mut(key)
    }

    pub(super) fn key_at(&self, index: u16) -> Option<SlabKey> {
        self.slab.key_at(index)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (SlabKey, &OperationState)> {
        self.slab.iter()
    }

    /// The parts of an operation, the first one first.
    pub(super) fn parts(&self, first: SlabKey) -> impl Iterator<Item = (SlabKey, &OperationState)> {
        let with_key = |key: SlabKey| Some((key, self.slab.get(key)?));
        core::iter::successors(with_key(first), move |(_, part)| with_key(part.next_part()?))
    }

    /// Does the same with each part of an operation.
    pub(super) fn each_part(&mut self, first: SlabKey, mut visit: impl FnMut(SlabKey, &mut OperationState)) {
        let mut next = Some(first);
        while let Some((key, part)) = next.and_then(|key| Some((key, self.slab.get_mut(key)?))) {
            visit(key, part);
            next = part.next_part();
        }
    }

    /// A part with its memory.
    pub(super) fn active(&mut self, key: SlabKey) -> Option<Active<'_>> {
        let (of_place, of_payload) = (share_of(&self.candidates, self.slab.capacity()), self.tokens_each());
        let operation = self.slab.get_mut(key)?;
        let payload = usize::from(operation.payload());
        let tokens = payload * self.links + usize::from(operation.link().0);
        let carries = operation.payload() != NO_PAYLOAD;
        let window = LookupWindow {
            candidates: share(&mut self.candidates, of_place, key.index.into()),
            tokens: if carries { share(&mut self.tokens, of_payload, tokens) } else { &mut [] },
        };
        Some(Active::new(operation, window, self.payloads.get_mut(payload)))
    }

    /// The same for a part that has not ended.
    pub(super) fn running(&mut self, key: SlabKey) -> Option<Active<'_>> {
        self.slab.get(key).filter(|part| part.ended().is_none())?;
        self.active(key)
    }

    fn tokens_each(&self) -> usize {
        share_of(&self.tokens, self.payloads.capacity() * self.links)
    }

    /// The candidates of a part.
    fn candidates_of(&self, key: SlabKey) -> &[Candidate] {
        let each = share_of(&self.candidates, self.slab.capacity());
        &self.candidates[each * usize::from(key.index)..][..each]
    }

    /// Whether a node of the network of this one has confirmed a store already, to any part of the operation.
    pub(super) fn has_stored_near(&self, key: SlabKey, node: &Endpoint) -> bool {
        let Some(first) = self.slab.get(key).map(OperationState::leader) else { return false };
        self.parts(first).any(|(key, part)| part.has_stored_near(self.candidates_of(key), node))
    }

    /// The nearest nodes that answered, at most eight of each link, nearest first.
    pub(super) fn nearest(&self, first: SlabKey) -> impl Iterator<Item = (Id, Endpoint)> {
        let mut taken = [0; MAX_LINKS];
        core::iter::from_fn(move || {
            let parts = self.parts(first).zip(0..);
            let heads = parts.filter_map(|((key, part), place)| {
                let nth = taken.get(place).copied().filter(|&nth| nth < K)?;
                Some((part.answered_nodes(self.candidates_of(key)).nth(nth)?, part.target(), place))
            });
            let (node, _, place) = heads.min_by_key(|((id, _), target, _)| id.distance(target))?;
            taken[place] += 1;
            Some(node)
        })
    }

    /// The counts of all parts together, so far.
    pub(super) fn outcome(&self, first: SlabKey) -> Outcome {
        let mut all = Outcome::default();
        self.parts(first).for_each(|(_, part)| part.add_to(&mut all));
        if let Some(payload) = self.slab.get(first).and_then(|part| self.payloads.get(usize::from(part.payload()))) {
            (all.copies, all.held_seq) = (payload.copies(), payload.held_seq());
        }
        all
    }

    /// Of the nearest nodes of each link, how many answered, and how many copies are known of; and which is the newest
    /// version that was met.
    pub(super) fn copies(&self, first: SlabKey, replicas: u8) -> (CopiesByLink, Option<i64>) {
        let payload = self.slab.get(first).and_then(|part| self.payloads.get(usize::from(part.payload())));
        let (best, newest) = payload.map_or((-1, None), |payload| (payload.best(), payload.held_seq()));
        let links = self.parts(first).fold(CopiesByLink::default(), |links, (key, part)| {
            links.with(part.link(), part.copies(self.candidates_of(key), replicas, best))
        });
        (links, newest)
    }

    /// How all of it ended, at the least as said: what was found holds wherever it was found, and without the answers
    /// of one link there is no proof.
    pub(super) fn reason(&self, first: SlabKey, least: Reason) -> Reason {
        let rank = |reason: &Reason| match reason {
            Reason::Exhausted => 0,
            Reason::Converged => 1,
            Reason::Deadline => 2,
            Reason::Hit => 3,
            Reason::Cancelled => 4,
        };
        if planted(Bug::DeadlineIsExhausted) {
            let ends = self.parts(first).filter_map(|(_, part)| part.ended()).chain([least]);
            return ends.filter(|end| *end != Reason::Deadline).max_by_key(rank).unwrap_or(least);
        }
        self.parts(first).filter_map(|(_, part)| part.ended()).chain([least]).max_by_key(rank).unwrap_or(least)
    }

    /// What the user is told of all answers together, once, before the end.
    pub(super) fn sum_up(&mut self, first: SlabKey, buf: &mut Buffer) -> Option<Note> {
        let operation = *self.get(first)?;
        // The nodes that the only node named are a part of its response; its swarm is not.
        let is_told = operation.is_at_node() && *operation.goal() != Goal::Scrape;
        if !operation.is_for_user() || is_told || !self.get_mut(first)?.take_summary() {
            return None;
        }
        let (op, tag) = (first.into(), operation.tag());
        match operation.goal() {
            Goal::Nodes => {
                let (len, count) = self.list(first, buf);
                self.get_mut(first)?.on_summary(count);
                Some(Note::Nodes { op, tag, len })
            }
            Goal::Scrape => {
                let (seeds, peers, responders) = self.active(first)?.swarm();
                Some(Note::Plain(Event::Scrape { op, tag, seeds, peers, responders }))
            }
            _ => None,
        }
    }

    /// The nearest nodes that have answered so far: what the user is told while others may still, once.
    pub(super) fn list_so_far(&mut self, first: SlabKey, buf: &mut Buffer) -> Option<Note> {
        let operation = *self.get(first)?;
        let is_told = *operation.goal() != Goal::Nodes || !operation.is_for_user();
        if is_told || !self.get_mut(first)?.take_list() {
            return None;
        }
        let (len, _) = self.list(first, buf);
        Some(Note::Nodes { op: first.into(), tag: operation.tag(), len })
    }

    /// Writes the nearest nodes: how many bytes, and how many nodes.
    fn list(&self, first: SlabKey, buf: &mut Buffer) -> (usize, u16) {
        let (mut len, mut count) = (0, 0);
        for (id, endpoint) in self.nearest(first) {
            len += Nodes::write(&mut buf[len..], &id, &endpoint).unwrap_or_default();
            count += 1;
        }
        (len, count)
    }

    /// An operation, as its owner may see it.
    pub(super) fn view(&self, first: SlabKey) -> Option<OpView> {
        let operation = self.slab.get(first).filter(|operation| operation.leader() == first)?;
        let storing = self.parts(first).all(|(_, part)| part.is_storing());
        Some(OpView { target: *operation.target(), tag: operation.tag(), outcome: self.outcome(first), storing })
    }

    // ---- turns ----

    /// The first of those that stand in a line.
    #[inline]
    pub(super) fn first(&self, queue: Queue) -> Option<u16> {
        self.queues.first(queue)
    }

    /// The first of those that wait with their first query, unless others wait for a place in flight, or one was let in
    /// that has not taken it yet.
    pub(super) fn first_new(&self) -> Option<u16> {
        self.first(Queue::New).filter(|_| self.first(Queue::Blocked).is_none() && self.let_in.is_none())
    }

    /// Puts a part at the end of a line, unless it stands there already.
    pub(super) fn join(&mut self, key: SlabKey, queue: Queue) {
        self.queues.join(&mut self.slab, key, queue);
    }

    /// Lets in whoever is first in line for what is free; whether there was somebody. Each stands in line for one thing
    /// at a time, so who has got the budget may then wait for a place.
    pub(super) fn let_in(&mut self, has_place: bool, has_budget: impl Fn() -> bool) -> bool {
        let is_free = |queue| match queue {
            Queue::Blocked => has_place && !planted(Bug::NeverLetIn),
            Queue::Held => has_budget(),
            _ => self.first(Queue::New).is_none(),
        };
        let first = |queue| Some((queue, self.key_at(self.first(queue)?)?)).filter(|_| is_free(queue));
        let next = [Queue::Blocked, Queue::Held, Queue::Narrow].into_iter().find_map(first);
        self.let_in = next.filter(|(queue, _)| *queue != Queue::Narrow).map(|(_, key)| key);
        if let Some((_, key)) = next {
            self.leave_line(key);
            self.join(key, Queue::Ready);
        }
        next.is_some()
    }

    /// Whether a place in flight that is free is for this part, and not for one that stands in line for it.
    pub(super) fn is_its_turn(&mut self, key: SlabKey) -> bool {
        let is_let_in = self.let_in.take_if(|let_in| *let_in == key).is_some();
        is_let_in || self.first(Queue::Blocked).is_none()
    }

    /// Whether what is left of the budget for unverified nodes is for this part, and not for one that stands in line.
    pub(super) fn may_spend(&self, key: SlabKey) -> bool {
        self.first(Queue::Held).is_none() || self.let_in == Some(key)
    }

    /// A part was served: the others that are ready come first now.
    pub(super) fn pass_turn(&mut self, key: SlabKey) {
        if self.slab.get(key).is_some_and(|part| part.places().are_in(Queue::Ready)) {
            self.queues.rest(&mut self.slab, key);
            self.join(key, Queue::Ready);
        }
    }

    /// A query of a part left. The deadline of all parts of its operation runs from the first one on, also of those
    /// that still wait in line, but for a line that only the budget of a frugal node makes.
    pub(super) fn on_query_sent(
        &mut self,
        key: SlabKey,
        now: Instant,
        stage: Stage,
        frugal: bool,
        wakes: &mut Deadlines<'_>,
    ) {
        self.leave_line(key);
        let Some(first) = self.slab.get_mut(key).map(|part| part.on_query_sent(now, stage)) else { return };
        self.each_part(first, |key, part| {
            if frugal && part.places().are_in(Queue::New) {
                return;
            }
            if let Some(deadline) = part.on_begin(now) {
                wakes.set(key.index, deadline);
            }
        });
    }

    /// A part is not ready any more, and leaves what it was let in for to others.
    pub(super) fn rest(&mut self, key: SlabKey) {
        self.let_in.take_if(|let_in| *let_in == key);
        self.queues.rest(&mut self.slab, key);
    }

    /// A part has what it stood in line for, or wants it no more.
    pub(super) fn leave_line(&mut self, key: SlabKey) {
        self.queues.leave_line(&mut self.slab, key);
    }

    /// How many tokens the lookup of a part may keep, and its candidates.
    #[cfg(any(test, debug_assertions))]
    pub(super) fn window(&self, key: SlabKey) -> (&[Candidate], usize) {
        let carries = self.slab.get(key).is_some_and(|operation| operation.payload() != NO_PAYLOAD);
        (self.candidates_of(key), if carries { self.tokens_each() } else { 0 })
    }

    /// Recounts what is kept as a number.
    #[cfg(any(test, debug_assertions))]
    pub(super) fn check_invariants(&self) {
        let leads = |(key, operation): &(SlabKey, &OperationState)| operation.leader() == *key;
        let leaders = || self.slab.iter().filter(leads);
        let place = |index| self.slab.get(self.slab.key_at(index)?).map(OperationState::places);
        self.queues.check_invariants(&self.slab, place);
        assert_eq!(self.for_users, leaders().filter(|(_, o)| o.is_for_user()).count());
        assert_eq!(self.of_upkeep, leaders().filter(|(_, o)| o.payload() == NO_PAYLOAD).count());
        let carries =
            |for_keeper| leaders().filter(move |(_, o)| o.payload() != NO_PAYLOAD && o.keep().is_some() == for_keeper);
        assert_eq!((self.carried_for_users, self.of_keeper), (carries(false).count(), carries(true).count()));
        assert!(self.carried_for_users <= self.most_for_users(), "users keep to their places");
        assert!(self.of_keeper <= self.most_of_keeper, "and so does the keeper");
        for (key, operation) in self.slab.iter() {
            assert!(self.parts(operation.leader()).any(|(part, _)| part == key), "a part is found from the first");
            let shares = leaders().filter(|(_, o)| o.payload() == operation.payload()).count();
            assert!(shares == 1 || operation.payload() == NO_PAYLOAD, "one payload for each");
        }
    }
}

/// Elements of a list for each of so many.
fn share_of<T>(all: &List<'_, T>, count: usize) -> usize {
    all.capacity() / count.max(1)
}

/// The `index`-th share of `each` elements; nothing past the last.
fn share<T>(all: &mut [T], each: usize, index: usize) -> &mut [T] {
    let start = each.saturating_mul(index);
    all.get_mut(start..start.saturating_add(each)).unwrap_or_default()
}

impl From<SlabKey> for OpId {
    fn from(key: SlabKey) -> Self {
        OpId { index: key.index, generation: key.generation }
    }
}

impl From<OpId> for SlabKey {
    fn from(op: OpId) -> Self {
        SlabKey { index: op.index, generation: op.generation }
    }
}
