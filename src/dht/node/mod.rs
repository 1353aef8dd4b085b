//! The node: a full participant of the DHT. This file is its front: the fields, the way in, the way out and the views.
//!
//! ```text
//!        datagram, refusal, timeout          command
//!              |                                |
//!              v                                v
//!   limiter -> decode -+-> server           client  (operations, a lookup each)
//!                      |   (items, peers,    ^  |
//!                      |    tokens, replies) |  v
//!                      +-> rpc --------------+ rpc  (open queries, timeouts)
//!                           |                   |
//!                           v                   v
//!                          link  (table, votes, outage, id)
//!
//!   out, in this order: replies, results, queries of operations, checks, news, the next deadline
//! ```
//!
//! Each part owns what it works on, and none knows the node: it is handed the surroundings ([`context`]) and the parts
//! below it. Control goes down once and comes back once. There is no queue behind the drain: replies and results wait
//! in places of fixed number, operations are asked for their next query when there is somebody to send it to, news is
//! level-triggered, and every packet is encoded when it is handed out, straight into the caller's buffer.

#[cfg(feature = "alloc")]
mod allocate;
mod bootstraps;
mod checks;
mod client;
mod context;
mod flow_window;
pub(crate) mod inspect;
pub(crate) mod journal;
pub(crate) mod lend;
mod link;
mod links;
pub(crate) mod named;
mod near_rtt;
pub(crate) mod output_hash;
mod plan;
mod referrals;
mod rpc;
mod server;
pub(crate) mod storage;
mod timer;

pub use storage::{Part, Storage};
pub use timer::Timer;

use crate::base::deadlines::Deadlines;
use crate::base::error::ConfigError;
#[cfg(planted)]
use crate::base::planted::{Bug, planted};
use crate::base::ring::Ring;
use crate::base::time::{Duration, Instant};
use crate::dht::capacity::keeping;
use crate::dht::command::{Command, Scope};
use crate::dht::config::Config;
use crate::dht::contact::{ContactView, SavedContact};
use crate::dht::error::CallError;
use crate::dht::event::{Buffer, Input, KeepId, LinkId, OpId, OpView, Output};
use crate::dht::items::Items;
use crate::dht::keep::{KeepSchedule, KeepState, KeepView, Kept};
use crate::dht::keeper::Keeper;
use crate::dht::limiter::{Limiter, Verdict};
use crate::dht::peers::PeerStore;
use crate::dht::role::Role;
use crate::dht::size::SizeEstimate;
use crate::dht::stats::{DropReason, Stats};
use crate::dht::tokens::Tokens;
use crate::dht::trace::TraceSink;
use crate::dht::transactions::Transactions;
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;
use crate::krpc::item::Item;
use crate::krpc::message::{self, Decoded, ErrorMessage, Response};

use client::{Client, Operations, Outlet};
use context::{Context, streams};
use link::{Link, QueryFailure};
use links::Links;
use plan::{Note, Plan};
use rpc::Rpc;
use server::{Requester, Server};
use timer::Earliest;

/// A participant of the DHT: a pure state machine.
///
/// The contract is printed at the top of the crate. In short: give one input, drain [`poll_output`](Node::poll_output)
/// until it says `Timeout`, send what it wants sent, and come back with the next packet, command or deadline.
#[derive(Debug)]
pub struct Node<'s> {
    cx: Context<'s>,
    links: Links<'s>,
    rpc: Rpc<'s>,
    client: Client<'s>,
    server: Server<'s>,
    limiter: Limiter<'s>,
    /// The last time at which a timeout was served: no deadline after it lies before it.
    served: Option<Instant>,
}

impl<'s> Node<'s> {
    /// Makes a node. All randomness comes from `rng_seed`, 32 random bytes: two nodes with the same configuration,
    /// seed, storage sizes and calls do the same. What the node does follows from the first half alone; the secrets of
    /// its write tokens follow from all of it, so that a journal can be handed on without the second.
    ///
    /// # Errors
    /// A capacity of the configuration or of the storage that is too small or too large, or a rule that makes no sense:
    /// the error names it, both numbers, and what it is compared with.
    pub fn new(config: Config, rng_seed: [u8; 32], storage: Storage<'s>) -> Result<Node<'s>, ConfigError> {
        config.check()?;
        storage.check(&config)?;
        let Storage {
            links,
            operations,
            candidates,
            tokens,
            payloads,
            wakes,
            transactions,
            soft_timeouts,
            items,
            value_bytes: _,
            peers,
            replies,
            results,
            meters,
            keeper,
        } = storage;
        let ((mut rng, mut secrets), now) = (streams(rng_seed), Instant::ZERO);
        let links = Links::new(&config, now, &mut rng, links);
        let mut key = || [rng.next_u64(), rng.next_u64()];
        let (tid_key, limiter_key) = (key(), key());
        let transactions = Transactions::new(transactions, tid_key, config.lookup.hard_timeout);
        let keeper = Keeper::new(keeper);
        let operations =
            Operations::new(operations, candidates, tokens, payloads, config.links().len(), keeping(keeper.capacity()));
        Ok(Node {
            links,
            rpc: Rpc::new(transactions, Deadlines::new(soft_timeouts)),
            client: Client::new(operations, Deadlines::new(wakes), Ring::new(results), keeper),
            server: Server::new(
                Items::new(&config.server, config.network, items),
                PeerStore::new(&config.server, config.network, peers),
                Tokens::new(&mut secrets, now, config.server.token_rotation),
                Ring::new(replies),
            ),
            limiter: Limiter::new(config.limiter, config.network, limiter_key, meters),
            served: None,
            cx: Context::new(config, rng),
        })
    }

    /// Where trace events go from now on.
    pub fn set_sink(&mut self, sink: TraceSink<'s>) {
        self.cx.set_sink(sink);
    }

    // ---- the way in ----

    /// Takes one input. Never fails: a stranger's packet is not the caller's error. Drain afterwards.
    ///
    /// `now` may repeat or step back: time is the sum of its forward steps, each of thirty days at most.
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        self.cx.advance(now);
        match input {
            Input::Datagram { link, from, payload } => self.on_datagram(link, from, payload),
            Input::Refused { link, to } => self.on_not_delivered(link, to, QueryFailure::Refused),
            Input::SendFailed { link, to } => self.on_not_delivered(link, to, QueryFailure::Ours),
            Input::Timeout => self.on_timeout(),
            Input::Suspend => self.on_suspend(),
            Input::Resume => self.on_resume(),
        }
    }

    /// Starts an operation on one link, or at one node.
    ///
    /// # Errors
    /// [`CallError`] says what is wrong with the call; no operation was started then.
    pub fn command_in(
        &mut self,
        now: Instant,
        tag: u64,
        scope: Scope,
        command: Command<'_>,
    ) -> Result<OpId, CallError> {
        self.cx.advance(now);
        self.client.on_command(&mut self.cx, &mut self.links, tag, scope, &command)
    }

    /// Ends every operation of a user with this tag: each says `Finished` with
    /// [`Reason::Cancelled`](crate::dht::Reason::Cancelled) at the next drain.
    pub fn cancel(&mut self, now: Instant, tag: u64) {
        self.cx.advance(now);
        self.client.cancel(tag);
    }

    /// Offers contacts of an earlier run; those of another address family than the link's are left out. They are
    /// unverified until they have answered. An operation that begins while no other node is known starts from them.
    ///
    /// # Errors
    /// [`CallError::NoLink`] when there is no such link; nothing was taken then.
    pub fn import(&mut self, now: Instant, link: LinkId, contacts: &[SavedContact]) -> Result<(), CallError> {
        let now = self.cx.advance(now);
        let link = self.links.get_mut(link).ok_or(CallError::NoLink(link))?;
        let family = link.family();
        for saved in contacts.iter().filter(|saved| saved.endpoint.family() == family) {
            link.remember(now, &saved.id, saved.endpoint);
        }
        Ok(())
    }

    /// Tells of an id that an earlier run had: of several the one that it had longest ago first, and the one that it
    /// had last behind all others. It comes back with the address that it fits (BEP 42). The one that the link has,
    /// from its [`LinkConfig`](crate::dht::LinkConfig), takes a place among the last three when the link moves, and
    /// none when another node has it. An id of zeros is passed over.
    ///
    /// # Errors
    /// [`CallError::NoLink`] when there is no such link.
    pub fn import_id(&mut self, now: Instant, link: LinkId, id: &Id) -> Result<(), CallError> {
        self.cx.advance(now);
        self.links.get_mut(link).ok_or(CallError::NoLink(link))?.import_id(id);
        Ok(())
    }

    /// From now on the node asks and does not answer (BEP 43), or takes the part again that `Config::role` gives it.
    pub fn set_passive(&mut self, now: Instant, is_passive: bool) {
        let now = self.cx.advance(now);
        self.links.iter_mut().for_each(|(_, link)| link.set_passive(now, is_passive));
    }

    /// Others see a link at this address, as its user knows, until they agree on another one. An id that does not fit
    /// it goes (BEP 42), and who shares it is asked last.
    ///
    /// # Errors
    /// [`CallError::NoLink`], and [`CallError::BadAddress`] for an address that nobody can send to.
    pub fn set_external(&mut self, now: Instant, link: LinkId, addr: Endpoint) -> Result<(), CallError> {
        let now = self.cx.advance(now);
        let at = self.links.get_mut(link).ok_or(CallError::NoLink(link))?;
        if at.family() != addr.family() || !addr.is_usable(self.cx.config().network) {
            return Err(CallError::BadAddress(addr));
        }
        at.set_external(now, self.cx.rng(), addr);
        Ok(())
    }

    /// Begins to keep something as [`keep`](Node::keep) does, and goes on from where an earlier run was.
    ///
    /// # Errors
    /// [`CallError`] says why it is not kept.
    pub fn keep_on(
        &mut self,
        now: Instant,
        tag: u64,
        kept: Kept<'_>,
        schedule: KeepSchedule,
        before: KeepState,
    ) -> Result<KeepId, CallError> {
        let now = self.cx.advance(now);
        self.client.keep(now, tag, &kept, &schedule, &before)
    }

    /// The item of something that is kept, as it is wanted, or since there is a newer version (of one that was signed
    /// here, [`as_item`](crate::krpc::SignedItem::as_item)). It is put at once, unless a newer one was met: then the
    /// node says [`Superseded`](crate::Event::Superseded).
    ///
    /// # Errors
    /// [`CallError`] says why it is not put; a wanted item stays wanted then.
    pub fn supply(&mut self, now: Instant, keep: KeepId, item: Item<'_>) -> Result<(), CallError> {
        self.cx.advance(now);
        self.client.supply(&mut self.cx, &self.links, keep, &item)
    }

    /// The item that is wanted cannot be supplied now: it is wanted again so much later. Any other stays as it is.
    ///
    /// # Errors
    /// [`CallError::NotKept`].
    pub fn later(&mut self, now: Instant, keep: KeepId, by: Duration) -> Result<(), CallError> {
        let now = self.cx.advance(now);
        self.client.put_off(now, keep, by)
    }

    /// Keeps something no more.
    ///
    /// # Errors
    /// [`CallError::NotKept`].
    pub fn unkeep(&mut self, now: Instant, keep: KeepId) -> Result<(), CallError> {
        self.cx.advance(now);
        self.client.unkeep(keep)
    }

    /// Keeps nothing of a publisher any more; how many items those were. Looks at all that is kept.
    pub fn unkeep_key(&mut self, now: Instant, key: &[u8; 32]) -> usize {
        self.cx.advance(now);
        self.client.unkeep_key(key)
    }

    fn on_datagram(&mut self, link: LinkId, from: Endpoint, payload: &[u8]) {
        let Node { cx, links, rpc, server, limiter, .. } = self;
        cx.stats_mut().rx += 1;
        cx.stats_mut().rx_bytes += payload.len() as u64;
        let now = cx.now();
        let family = links.get(link).map(|link| link.family());
        if family != Some(from.family()) || !from.is_usable(cx.config().network) {
            return cx.drop(DropReason::Martian);
        }
        if cx.is_suspended() {
            return cx.drop(DropReason::Suspended);
        }
        let verdict = limiter.judge(now, &from);
        if verdict == Verdict::Drop {
            return cx.drop(DropReason::Limited);
        }
        let requester = Requester { link, endpoint: from, asked: payload.len() };
        let decoded = message::decode(payload);
        if verdict == Verdict::Expected {
            if decoded.as_ref().is_ok_and(|decoded| rpc.is_answer(decoded, &from, link)) {
                limiter.on_answer(&from);
            } else if !limiter.admit(now, &from) {
                return cx.drop(DropReason::Limited);
            }
        }
        match decoded {
            Err(malformed) => cx.drop(malformed.into()),
            Ok(Decoded::Query(query)) => {
                if let Some(at) = links.get_mut(link)
                    && query.id == *at.own()
                    && rpc.is_of_unnamed(query.tid, link)
                {
                    at.on_own_query();
                }
                server.on_query(cx, links, &requester, &query);
            }
            Ok(Decoded::Refuse(refusal)) => server.on_refusal(cx, links, &requester, &refusal),
            Ok(Decoded::Response(response)) => self.on_response(link, from, &response),
            Ok(Decoded::Error(error)) => self.on_error(link, from, &error),
            Ok(Decoded::Broken { tid, .. }) => match rpc.find(tid, &from, link) {
                Some(index) => self.fail(index, QueryFailure::Broken),
                None => cx.drop(DropReason::Unsolicited),
            },
        }
    }

    fn on_response(&mut self, link: LinkId, from: Endpoint, response: &Response<'_>) {
        let Some(index) = self.rpc.find(response.tid, &from, link) else {
            #[cfg(planted)]
            if let (true, Some(at)) = (planted(Bug::UnaskedVerifies), self.links.get_mut(link)) {
                at.on_answer(self.cx.now(), &response.id, from, self.cx.now());
            }
            return self.cx.drop(DropReason::Unsolicited);
        };
        let (Some(open), Some(at)) = (self.rpc.query(index), self.links.get_mut(link)) else { return };
        if !at.is_expected(open, &response.id) {
            // Of a node that was to have another id, it is an echo.
            if open.id.is_none() && response.id == *at.own() {
                at.on_own_id(self.cx.now(), self.cx.rng());
            }
            return self.fail(index, QueryFailure::WrongId(response.id));
        }
        if let Some(open) = self.rpc.on_answer(&mut self.cx, &mut self.links, index, response) {
            self.client.on_answer(&mut self.cx, &mut self.links, &self.rpc, &open, response);
        }
    }

    fn on_error(&mut self, link: LinkId, from: Endpoint, error: &ErrorMessage<'_>) {
        let Some(index) = self.rpc.find(error.tid, &from, link) else {
            return self.cx.drop(DropReason::Unsolicited);
        };
        if let Some(open) = self.rpc.on_error(&mut self.cx, &mut self.links, index) {
            self.client.on_error(self.cx.config().network, &open, error.code);
        }
    }

    fn on_not_delivered(&mut self, link: LinkId, to: Endpoint, failure: QueryFailure) {
        if let Some(index) = self.rpc.find_by_endpoint(&to, link) {
            self.fail(index, failure);
        }
    }

    /// Ends an open query without a usable answer.
    fn fail(&mut self, index: u16, failure: QueryFailure) {
        if let Some(open) = self.rpc.on_failure(&mut self.cx, &mut self.links, index, failure) {
            self.client.on_failure(&open, failure);
        }
    }

    fn on_timeout(&mut self) {
        if self.cx.is_suspended() {
            return;
        }
        let now = self.cx.now();
        self.served = Some(now);
        while let Some(index) = self.rpc.next_expired(now) {
            self.fail(index, QueryFailure::Timeout);
        }
        while let Some(open) = self.rpc.next_late(now) {
            self.client.on_late(&open);
        }
        self.client.on_timeout(now);
        self.links.iter_mut().for_each(|(_, link)| link.on_timeout(now));
        self.client.keep_up(&mut self.cx, &mut self.links);
        self.client.look(&self.cx, &self.links);
        self.server.expire(&mut self.cx);
    }

    fn on_suspend(&mut self) {
        self.forget_queries();
        self.cx.suspend();
    }

    fn on_resume(&mut self) {
        self.forget_queries();
        let (slept, now) = (self.cx.resume(), self.cx.now());
        self.client.on_resume(slept);
        self.links.iter_mut().for_each(|(_, link)| link.on_resume(now));
    }

    /// Gives up all open queries: nobody listened for the answers.
    fn forget_queries(&mut self) {
        while let Some(open) = self.rpc.forget_oldest() {
            self.client.on_failure(&open, QueryFailure::Ours);
        }
    }

    // ---- the way out ----

    /// The next thing that the node wants. Call until it says `Timeout`: that ends the drain, and every drain ends.
    pub fn poll_output<'b>(&mut self, buf: &'b mut Buffer) -> Output<'b> {
        match self.plan(buf) {
            Plan::Transmit { link, to, len } => {
                let now = self.cx.now();
                self.links.get_mut(link).into_iter().for_each(|link| link.on_sent(now, &to));
                self.cx.stats_mut().tx += 1;
                self.cx.stats_mut().tx_bytes += len as u64;
                Output::Transmit { link, to, payload: buf.get(..len).unwrap_or_default() }
            }
            Plan::Note(note) => Output::Event(note.render(buf)),
            Plan::Rest => Output::Timeout(self.deadline()),
        }
    }

    fn plan(&mut self, buf: &mut Buffer) -> Plan {
        let Node { cx, links, rpc, client, server, limiter, .. } = self;
        if let Some(plan) = server.next_reply(cx, links, limiter, buf) {
            return plan;
        }
        if let Some(note) = client.next_result(cx.config().network, buf) {
            return Plan::Note(note);
        }
        let out = &mut Outlet { cx, links, rpc, limiter };
        if let Some(plan) = client.next(out, buf).or_else(|| checks::next(out, client.has_users(), buf)) {
            return plan;
        }
        let news = self.client.next_keep_news(&mut self.cx, &self.links);
        news.or_else(|| self.links.next_news().map(Note::Plain)).map_or(Plan::Rest, Plan::Note)
    }

    /// The next deadline. After a timeout was served, it lies later than that timeout.
    fn deadline(&self) -> Option<Instant> {
        let (_, at) = self.earliest_timer()?;
        Some(self.cx.as_read(match self.served {
            Some(served) => at.max(served + Duration::from_millis(1)),
            None => at,
        }))
    }

    #[inline]
    fn earliest_timer(&self) -> Option<(Timer, Instant)> {
        if self.cx.is_suspended() {
            return None;
        }
        let mut earliest = Earliest::default();
        earliest.consider(Timer::HardTimeout, self.rpc.hard_deadline());
        earliest.consider(Timer::SoftTimeout, self.rpc.soft_deadline());
        earliest.consider(Timer::SoftTimeout, self.client.wake_at());
        earliest.consider(Timer::SoftTimeout, self.client.flow_at(&self.cx, &self.rpc));
        for (_, link) in self.links.iter() {
            earliest.consider(Timer::Check, link.check_at());
            earliest.consider(Timer::Refresh, link.refresh_at());
            earliest.consider(Timer::Bootstrap, link.bootstrap_at());
            earliest.consider(Timer::Role, link.role_at());
            let is_to_be_planned = link.lacks_bootstrap(self.client.has_bootstrap_nodes());
            earliest.consider(Timer::Bootstrap, is_to_be_planned.then_some(self.cx.now()));
        }
        earliest.consider(Timer::Tokens, Some(self.server.tokens_at()));
        earliest.consider(Timer::Peers, self.server.peers_at());
        earliest.consider(Timer::Items, self.server.items_at());
        earliest.consider(Timer::Keep, self.client.keep_at(&self.cx, &self.links));
        earliest.get()
    }

    // ---- the views ----

    /// The next deadline and what it is for. Right after a timeout, [`Output::Timeout`] names a time that is later by
    /// up to a millisecond, so that no loop stands still.
    #[must_use]
    pub fn next_timer(&self) -> Option<(Timer, Instant)> {
        self.earliest_timer().map(|(timer, at)| (timer, self.cx.as_read(at)))
    }

    /// The id of a link.
    #[must_use]
    pub fn id(&self, link: LinkId) -> Option<Id> {
        self.links.get(link).map(|link| *link.own())
    }

    /// The ids that a link had at other addresses, at most three, the one that it had longest ago first (rule V7 of
    /// `spec/table.md`): to be saved with its id, and given back by [`import_id`](Self::import_id).
    pub fn former_ids(&self, link: LinkId) -> impl Iterator<Item = Id> {
        self.links.get(link).into_iter().flat_map(|link| link.former_ids())
    }

    /// The address that others see a link at, where enough of them agree.
    #[must_use]
    pub fn external_addr(&self, link: LinkId) -> Option<Endpoint> {
        self.links.get(link)?.external()
    }

    /// What a link is at the moment; [`Role::Adaptive`] while it tries whether others reach it.
    #[must_use]
    pub fn role(&self, link: LinkId) -> Option<Role> {
        self.links.get(link).map(Link::role)
    }

    /// Counters since the start.
    #[must_use]
    pub fn stats(&self) -> Stats {
        *self.cx.stats()
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        self.cx.config()
    }

    /// All verified contacts, link by link, of each those first that are best to save, and among these from every part
    /// of the ids (T47). It costs four walks through the table.
    pub fn contacts(&self) -> impl Iterator<Item = (LinkId, ContactView)> {
        self.links.contacts(self.cx.now()).map(|(link, contact)| {
            let last_answer = contact.last_answer.map(|at| self.cx.as_read(at));
            (link, ContactView { last_answer, ..contact })
        })
    }

    /// How many nodes the network of a link seems to have.
    #[must_use]
    pub fn size_estimate(&self, link: LinkId) -> Option<SizeEstimate> {
        self.links.get(link).map(|link| link.size_estimate())
    }

    /// The version of an item that we hold for others; 0 of an immutable one.
    #[must_use]
    pub fn holds(&self, target: &Id) -> Option<i64> {
        self.server.holds(target)
    }

    /// How many items we hold for others.
    #[must_use]
    pub fn items_held(&self) -> usize {
        self.server.items_held()
    }

    /// How many peers we hold for others.
    #[must_use]
    pub fn peers_held(&self) -> usize {
        self.server.peers_held()
    }

    /// How it goes with something that is kept.
    #[must_use]
    pub fn kept(&self, keep: KeepId) -> Option<KeepView<'_>> {
        self.client.kept(self.cx.now(), keep)
    }

    /// How it goes with all that is kept: what a later run goes on from with [`keep_on`](Node::keep_on).
    pub fn all_kept(&self) -> impl Iterator<Item = KeepView<'_>> {
        self.client.all_kept(self.cx.now())
    }

    /// A running operation.
    #[must_use]
    pub fn op(&self, op: OpId) -> Option<OpView> {
        self.client.view(op)
    }

    /// Recounts everything that has to hold after a complete drain.
    #[cfg(any(test, debug_assertions))]
    #[allow(dead_code, reason = "called by tests, by way of `internals`")]
    pub(crate) fn check_invariants(&self) {
        self.links.check_invariants();
        self.rpc.check_invariants();
        self.client.check_invariants(&self.cx, &self.rpc);
        assert!(self.rpc.is_idle() || !self.cx.is_suspended(), "a node that sleeps waits for no answer");
        self.server.check_invariants();
    }
}
