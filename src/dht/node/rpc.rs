//! Our open queries: sent, late, answered or failed, and whether somebody waits for a free transaction.
//!
//! A query opens a transaction, a soft timeout and a credit with the limiter. Whatever ends it goes through
//! [`Rpc::close`], so that all three go together. The link is told what came of it; whom the query was for is the
//! caller's to tell.

use crate::base::deadlines::Deadlines;
use crate::base::planted::{Bug, planted};
use crate::base::rate::{Rate, TokenBucket};
use crate::base::recount::Tracked;
#[cfg(any(test, debug_assertions))]
use crate::base::recount::recount_together;
use crate::base::time::{Duration, Instant};
use crate::dht::config::Config;
use crate::dht::event::{LinkId, OpId};
use crate::dht::limiter::Limiter;
use crate::dht::lookup::{Burdens, Rules};
use crate::dht::node::context::Context;
use crate::dht::node::flow_window::FlowWindow;
use crate::dht::node::link::{Link, QueryFailure};
use crate::dht::node::links::Links;
use crate::dht::node::near_rtt::NearRtt;
use crate::dht::node::referrals::Referrals;
use crate::dht::trace::TraceEvent;
use crate::dht::transactions::{Open, Purpose, Stage, Transactions};
use crate::krpc::endpoint::{Endpoint, Network};
use crate::krpc::id::Id;
use crate::krpc::message::{Decoded, ErrorMessage, Method, Query, Response};

/// No query of ours is longer.
const LARGEST: usize = 1400;
/// Soft timeouts of an unverified node that late answers are waited for ..
const PATIENCE: u32 = 4;
/// .. and the least: a busy machine is late more often than it is dead.
const LEAST_PATIENCE: Duration = Duration::from_millis(500);

/// Queries that may be in flight besides, for each millisecond of the way to the nearest nodes and back.
const PACE: usize = 16;
/// One query in flight for so many nodes of the network is what it bears: each answers three a second (L42), and after
/// 0.22 s, so that they are asked for half of that, and few operations wait for one who has had enough.
const NODES_A_QUERY: u64 = 3;
/// Answers take so long where one in ten comes within so many milliseconds. Where they come sooner fewer may be in
/// flight: it is how many leave in a second that the network bears.
const FAR: usize = 135;
/// However soon they come, so many may be in flight where there are nodes for them: of few nodes each operation asks so
/// large a part that none is asked much more often than the others.
const LEAST_WHERE_NEAR: usize = 32;
/// However few nodes there are, so many may be: what two lookups have in flight.
const LEAST_IN_FLIGHT: usize = 16;
/// Of so many places users leave one to the background where that has none.
const MANY: usize = 16;
/// Wait of what goes on in the background for a transaction.
pub(super) const BACKGROUND_WAIT: Duration = Duration::from_millis(250);
/// Queries that the node may start by itself, outside a local network: at most 96 in any 10 s, so that the tables of
/// NATs and firewalls on the way have room for them.
const BY_ITSELF: Rate = Rate { per_second: 4, burst: 56 };

/// The keeper waits while fewer than so many of those may leave at once: a table that has to be filled uses them up.
const LEFT_BY_KEEPER: u32 = 44;
/// The same of a frugal node, of what it opens by itself in 10 s.
const LEFT_BY_FRUGAL_KEEPER: u32 = 24;

/// To whom a query goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addressee {
    /// The link that it leaves by.
    pub link: LinkId,
    pub to: Endpoint,
    /// Who is expected there, where that is known.
    pub id: Option<Id>,
}

/// A frugal node leaves so many of its flows to its user.
const FOR_USERS: u32 = 48;
/// A frugal node begins another operation only with fewer queries in flight than this: a few operations end soon, and
/// with the others they would all go on for minutes.
const FEW: usize = 4;

/// The open queries of a node.
#[derive(Debug)]
pub(super) struct Rpc<'s> {
    transactions: Tracked<Transactions<'s>>,
    /// Soft timeouts, by transaction, and until when those that are late count as in flight.
    soft: Tracked<Deadlines<'s>>,
    /// How many of those are for what nobody waits for.
    background_in_flight: Tracked<usize>,
    referrals: Referrals,
    near_rtt: NearRtt,
    /// Queries in flight that the network bears, as far as its size is known.
    bearable: u16,
    /// What is left for those that the node starts by itself.
    by_itself: TokenBucket,
    /// What a frugal one has opened.
    window_of_flows: FlowWindow,
}

impl Burdens for Limiter<'_> {
    fn bears_more_at(&self, now: Instant, to: &Endpoint) -> Option<Instant> {
        self.sends_on(now, to)
    }
}

impl<'s> Rpc<'s> {
    pub(super) fn new(transactions: Transactions<'s>, soft: Deadlines<'s>) -> Self {
        let (referrals, near_rtt) = (Referrals::new(), NearRtt::new());
        let (by_itself, window_of_flows) = (TokenBucket::default(), FlowWindow::default());
        let (transactions, soft) = (Tracked::new(transactions), Tracked::new(soft));
        let (background_in_flight, bearable) = (Tracked::new(0), u16::MAX);
        Rpc { transactions, soft, background_in_flight, referrals, near_rtt, bearable, by_itself, window_of_flows }
    }

    // ---- sending ----

    /// Opens a query; its transaction id, or `None` when every transaction is taken.
    pub(super) fn open(
        &mut self,
        cx: &mut Context<'_>,
        links: &Links<'_>,
        limiter: &mut Limiter<'_>,
        addressee: Addressee,
        purpose: Purpose,
        in_background: bool,
    ) -> Option<[u8; 4]> {
        let Addressee { link, to, id } = addressee;
        let now = cx.now();
        let bounds = cx.config().lookup.soft_timeout;
        let contact = id.and_then(|id| links.contact(link, &id, &to));
        let soft = match contact {
            Some(contact) => contact.history().soft_timeout(bounds),
            None => self.referrals.soft_timeout(bounds, in_background),
        };
        let is_named = id.is_some() && contact.is_none() && purpose != Purpose::Check;
        let open = Open { to, link, id, purpose, sent: now, late: false, in_background, is_named };
        let (index, tid) = self.transactions.open(open)?;
        self.soft.set(index, now + soft);
        *self.background_in_flight += usize::from(in_background);
        limiter.expect(now, &to);
        cx.stats_mut().rpc_sent += 1;
        cx.trace(TraceEvent::QuerySent { op: operation_of(purpose) });
        Some(tid)
    }

    /// Whether there is a transaction for what nobody waits for. It leaves half of them to users, and half of what may
    /// be in flight: dead contacts keep theirs until the hard timeout, and what the node asks for itself must not hold
    /// up what it was asked for. Where there is only one, it goes to users who wait; of many, users leave it one.
    pub(super) fn has_one_for_background(&self, cx: &Context<'_>, users_wait: bool) -> bool {
        let (window, all) = (self.window(cx), self.transactions.capacity());
        let half = |of: usize| (of / 2).max(of.min(usize::from(!users_wait)));
        let most = if left_to_background(all, self.transactions.in_background()) > 0 { all } else { half(all) };
        let within = if left_to_background(window, *self.background_in_flight) > 0 { window } else { half(window) };
        self.transactions.len() < most && self.soft.len() < within
    }

    /// From when on the node may start a query by itself; `None` now. The keeper leaves some to the others.
    pub(super) fn may_start_at(&self, cx: &Context<'_>, for_keeper: bool) -> Option<Instant> {
        let left = if for_keeper { LEFT_BY_FRUGAL_KEEPER } else { 0 };
        match cx.config().frugal {
            _ if cx.is_local() => None,
            true => self.window_of_flows.has_at(cx.now(), FOR_USERS + 1 + left),
            false => one_at(self.by_itself, cx.now(), for_keeper),
        }
    }

    /// From when on a user of a frugal node may turn to somebody; `None` now.
    pub(super) fn has_flow_at(&self, cx: &Context<'_>) -> Option<Instant> {
        if cx.config().frugal && !cx.is_local() { self.window_of_flows.has_at(cx.now(), 1) } else { None }
    }

    /// A query left that may open a flow, which the node had started by itself or for its user. `is_bounded`: it is one
    /// of those that the node may start by itself.
    pub(super) fn on_flow(&mut self, cx: &mut Context<'_>, by_itself: bool, is_bounded: bool) {
        let now = cx.now();
        let stats = cx.stats_mut();
        let count = if by_itself { &mut stats.flows_by_itself } else { &mut stats.flows_for_users };
        *count += 1;
        if cx.config().frugal {
            self.window_of_flows.on_flow(now);
        } else if is_bounded {
            self.by_itself = self.by_itself.minus_one(now, &BY_ITSELF.into()).unwrap_or(self.by_itself);
        }
    }

    /// Whether there is a transaction for a user's operation. So many answers at once have room in the buffer of any
    /// socket, and the farther away the nearest nodes are, the more are under way without harm.
    pub(super) fn has_one_for_users(&self, cx: &Context<'_>) -> bool {
        let (window, all) = (self.window(cx), self.transactions.capacity());
        self.transactions.len() < all - left_to_background(all, self.transactions.in_background())
            && self.soft.len() < window - left_to_background(window, *self.background_in_flight)
    }

    /// Whether somebody was asked in the background who may bring others: by a check or a lookup of whatever link.
    pub(super) fn awaits_others(&self) -> bool {
        let stores = |open: &Open| matches!(open.purpose, Purpose::Operation { stage: Stage::Store, .. });
        self.transactions.iter().any(|open| open.in_background && !stores(open))
    }

    /// Whether an operation may send its first query: a quarter is left to those that began before.
    pub(super) fn has_one_for_new(&self, cx: &Context<'_>) -> bool {
        let (window, all) = (self.window(cx), self.transactions.capacity());
        let is_soon =
            !cx.config().frugal || self.soft.len() - *self.background_in_flight < FEW && self.has_flow_at(cx).is_none();
        is_soon && self.soft.len() < window - window / 4 && self.transactions.len() < all - all / 4
    }

    /// Queries that may be in flight: none while the node is suspended.
    fn window(&self, cx: &Context<'_>) -> usize {
        if cx.is_suspended() {
            return 0;
        }
        let millis = self.near_rtt.way(cx.now()) as usize / 1000;
        let least = usize::from(cx.config().lookup.in_flight);
        let pace = least.saturating_add(millis.saturating_mul(PACE));
        if cx.is_local() {
            return pace;
        }
        // It is not known, or so short that it is none.
        let way = if millis > 0 { millis.min(FAR) } else { FAR };
        let far = usize::from(self.bearable);
        let bearable = (far * way / FAR).max(far.min(LEAST_WHERE_NEAR));
        pace.min(bearable.max(least.min(LEAST_IN_FLIGHT)))
    }

    /// The largest network of all links has so many nodes.
    pub(super) fn on_network_size(&mut self, nodes: u64) {
        self.bearable = u16::try_from(nodes / NODES_A_QUERY).unwrap_or(u16::MAX);
    }

    /// The rules of lookups: those of the configuration, and how patient the round trips so far allow to be.
    pub(super) fn rules<'a>(&self, config: &'a Config, limiter: &'a Limiter<'_>) -> Rules<'a> {
        let soft = self.referrals.soft_timeout(config.lookup.soft_timeout, false);
        Rules {
            config: &config.lookup,
            answering: self.referrals.answering(),
            burdens: limiter,
            patience: soft.saturating_mul(PATIENCE).max(LEAST_PATIENCE).min(config.lookup.hard_timeout),
            enforce_secure_ids: config.enforce_secure_ids && config.network == Network::Public,
        }
    }

    // ---- ends ----

    /// Whether a message ends an open query.
    pub(super) fn is_answer(&self, message: &Decoded<'_>, from: &Endpoint, link: LinkId) -> bool {
        let tid = match message {
            Decoded::Response(Response { tid, .. }) => tid,
            Decoded::Error(ErrorMessage { tid, .. }) => tid,
            Decoded::Broken { tid, .. } => tid,
            Decoded::Query(_) | Decoded::Refuse(_) => return false,
        };
        self.find(tid, from, link).is_some()
    }

    /// The open query that a message with this transaction id answers.
    pub(super) fn find(&self, tid: &[u8], from: &Endpoint, link: LinkId) -> Option<u16> {
        if planted(Bug::LateDropped) {
            return self.transactions.find(tid, from, link).filter(|index| self.query(*index).is_some_and(|q| !q.late));
        }
        self.transactions.find(tid, from, link)
    }

    /// Whether this is the transaction id of a query to an address of which no id was expected.
    pub(super) fn is_of_unnamed(&self, tid: &[u8], link: LinkId) -> bool {
        let open = self.transactions.find_by_tid(tid, link).and_then(|index| self.transactions.at(index));
        open.is_some_and(|open| open.id.is_none())
    }

    /// The latest open query to an address.
    pub(super) fn find_by_endpoint(&self, to: &Endpoint, link: LinkId) -> Option<u16> {
        self.transactions.find_by_endpoint(to, link)
    }

    /// The open queries for `purpose`. Scans all that are open.
    pub(super) fn open_for(&self, purpose: Purpose) -> impl Iterator<Item = &Open> {
        self.transactions.iter().filter(move |open| open.purpose == purpose)
    }

    pub(super) fn query(&self, index: u16) -> Option<&Open> {
        self.transactions.at(index)
    }

    /// A query was answered by the node that was asked: its link learns of it.
    pub(super) fn on_answer(
        &mut self,
        cx: &mut Context<'_>,
        links: &mut Links<'_>,
        index: u16,
        response: &Response<'_>,
    ) -> Option<Open> {
        let now = cx.now();
        let open = self.close(index)?;
        let rtt = now.since(open.sent);
        cx.stats_mut().rpc_ok += 1;
        cx.stats_mut().rpc_late += u64::from(open.late);
        self.referrals.on_round_trip(now, rtt);
        if open.is_named {
            self.referrals.on_end(true);
        }
        let rtt_micros = u32::try_from(rtt.as_micros()).unwrap_or(u32::MAX);
        self.near_rtt.on_answer(now, rtt_micros);
        cx.trace(TraceEvent::Answered { op: operation_of(open.purpose), rtt_micros });
        let link = links.get_mut(open.link)?;
        if link.on_answer(now, &response.id, open.to, open.sent) {
            cx.trace(TraceEvent::ContactAdded { link: open.link });
        }
        if let Some(addr) = response.ip {
            link.on_vote(now, cx.rng(), &response.id, open.to, addr);
        }
        Some(open)
    }

    /// A query was answered with an error.
    pub(super) fn on_error(&mut self, cx: &mut Context<'_>, links: &mut Links<'_>, index: u16) -> Option<Open> {
        let open = self.close(index)?;
        cx.stats_mut().rpc_errors += 1;
        if let Some(link) = links.get_mut(open.link) {
            link.on_error(cx.now(), &open);
        }
        Some(open)
    }

    /// A query failed: its link learns of it.
    pub(super) fn on_failure(
        &mut self,
        cx: &mut Context<'_>,
        links: &mut Links<'_>,
        index: u16,
        failure: QueryFailure,
    ) -> Option<Open> {
        let open = self.close(index)?;
        if open.is_named && failure != QueryFailure::Ours {
            self.referrals.on_end(false);
        }
        match failure {
            QueryFailure::Timeout => cx.stats_mut().rpc_timeouts += 1,
            QueryFailure::Broken | QueryFailure::WrongId(_) => cx.stats_mut().rpc_broken += 1,
            QueryFailure::Refused | QueryFailure::Ours => {}
        }
        cx.trace(TraceEvent::Failed { op: operation_of(open.purpose) });
        if let Some(link) = links.get_mut(open.link)
            && link.on_failure(cx.now(), &open, failure)
        {
            cx.trace(TraceEvent::OutageSuspected { link: open.link });
        }
        Some(open)
    }

    /// Takes an open query away of which nobody will know how it went: nobody is to blame.
    pub(super) fn forget_oldest(&mut self) -> Option<Open> {
        self.close(self.transactions.oldest()?)
    }

    /// Takes an open query and its soft timeout away.
    fn close(&mut self, index: u16) -> Option<Open> {
        let open = self.transactions.take(index)?;
        if self.soft.at(index).is_some() {
            self.soft.clear(index);
            *self.background_in_flight -= usize::from(open.in_background);
        }
        Some(open)
    }

    // ---- time ----

    /// A query whose hard timeout has passed.
    pub(super) fn next_expired(&self, now: Instant) -> Option<u16> {
        self.transactions.hard_deadline().filter(|at| *at <= now)?;
        self.transactions.oldest()
    }

    /// A query whose soft timeout has passed: it is late from now on, and its answer still welcome. For a while it
    /// counts as in flight: on a busy machine all answers are late, and arrive.
    pub(super) fn next_late(&mut self, now: Instant) -> Option<Open> {
        while self.soft_deadline().is_some_and(|at| at <= now)
            && let Some(index) = self.soft.pop_due(now)
        {
            let late = self.transactions.mark_late(index);
            match late.map(|open| open.sent + LEAST_PATIENCE).filter(|gone| *gone > now) {
                Some(gone) => self.soft.set(index, gone),
                None => {
                    let in_background = self.transactions.at(index).is_some_and(|open| open.in_background);
                    *self.background_in_flight -= usize::from(in_background);
                }
            }
            if late.is_some() {
                return late;
            }
        }
        None
    }

    pub(super) fn hard_deadline(&self) -> Option<Instant> {
        self.transactions.hard_deadline()
    }

    pub(super) fn soft_deadline(&self) -> Option<Instant> {
        self.soft.next().map(|(at, _)| at)
    }

    // ---- invariants ----

    /// A query has a soft timeout until it is late, and what is not open has none.
    #[cfg(any(test, debug_assertions))]
    pub(super) fn check_invariants(&self) {
        let marks = [self.transactions.mark(), self.soft.mark(), self.background_in_flight.mark()];
        recount_together(marks, || self.check_open());
    }

    #[cfg(any(test, debug_assertions))]
    fn check_open(&self) {
        self.transactions.check_invariants();
        self.soft.check_invariants();
        let mut in_background = 0;
        for index in 0..self.transactions.capacity() as u16 {
            let (open, soft) = (self.transactions.at(index), self.soft.at(index).is_some());
            in_background += usize::from(soft && open.is_some_and(|open| open.in_background));
            assert!(
                if soft { open.is_some() } else { open.is_none_or(|open| open.late) },
                "soft timeout of query {index}"
            );
        }
        assert_eq!(*self.background_in_flight, in_background);
    }

    /// Whether no query is open.
    #[cfg(any(test, debug_assertions))]
    pub(super) fn is_idle(&self) -> bool {
        self.transactions.is_empty()
    }
}

/// Writes a query that leaves by a link; its length.
pub(super) fn encode_query(
    cx: &Context<'_>,
    link: &Link<'_>,
    tid: &[u8; 4],
    method: Method<'_>,
    buf: &mut [u8],
) -> Option<usize> {
    let (version, read_only, id) = (Some(&cx.config().version[..]), link.is_read_only(), *link.own());
    let mut query = Query { tid, version, read_only, id, method };
    let len = query.encode(buf).ok()?;
    if len > LARGEST
        && let Method::Put { target, .. } = &mut query.method
    {
        // Only the mainline crate's servers need it, and their tokens are short.
        *target = None;
        return query.encode(buf).ok();
    }
    Some(len)
}

/// How many of these places users leave to the background where that has so many.
fn left_to_background(places: usize, taken: usize) -> usize {
    usize::from(places >= MANY && taken == 0)
}

fn operation_of(purpose: Purpose) -> Option<OpId> {
    match purpose {
        Purpose::Check => None,
        Purpose::Operation { key, .. } => Some(key.into()),
    }
}

/// When there is something left in the bucket of what the node starts by itself; `None` now.
fn one_at(bucket: TokenBucket, now: Instant, for_keeper: bool) -> Option<Instant> {
    let left = if for_keeper { LEFT_BY_KEEPER } else { 0 };
    let rate = Rate { burst: BY_ITSELF.burst - left, ..BY_ITSELF }.into();
    if bucket.minus_one(now, &rate).is_some() { None } else { Some(bucket.one_at(&rate)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    // P15
    #[test]
    fn while_others_use_up_what_the_node_may_start_the_keeper_starts_nothing() {
        let (mut bucket, mut now, mut taken) = (TokenBucket::default(), Instant::from_secs(100), 0);
        let mut take = |now: Instant, for_keeper: bool| {
            let may = one_at(bucket, now, for_keeper).is_none();
            if may {
                bucket = bucket.minus_one(now, &BY_ITSELF.into()).unwrap();
            }
            may
        };
        let of_keeper = (0..100).filter(|_| take(now, true)).count();
        let of_others = (0..100).filter(|_| take(now, false)).count();
        assert_eq!([of_keeper, of_others], [12, 44]);
        for _ in 0..60 {
            now += Duration::from_millis(250);
            assert!(!take(now, true), "what comes is for the others");
            taken += usize::from(take(now, false));
        }
        assert_eq!(taken, 60);
        now += Duration::from_secs(11) + Duration::from_millis(250);
        assert_eq!([take(now, true), take(now, true)], [true, false], "when they need no more, the keeper goes on");
    }
}
