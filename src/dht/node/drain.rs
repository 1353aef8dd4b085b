//! What goes out: the drain pulls replies, results, queries and news out of the node's state, one at a time.
//!
//! There is no queue behind this. Replies and results wait in places of fixed number; operations are asked for
//! their next query when there is somebody to send it; news (our address, our id) is level-triggered. Every packet is
//! encoded at the moment it is handed out, straight into the caller's buffer.

use crate::base::slab::SlabKey;
use crate::base::time::{Duration, Instant};
use crate::dht::command::DirectQuery;
use crate::dht::command::PeerKind;
use crate::dht::config::K;
use crate::dht::event::{Buffer, Event, LinkId, Output, Reason};
use crate::dht::lookup::Next;
use crate::dht::node::inbox::ResultKind;
use crate::dht::node::operation::{Goal, Parts};
use crate::dht::node::server::{LARGEST, Pantry};
use crate::dht::node::state::{Node, rules};
use crate::dht::stats::DropReason;
use crate::dht::trace::TraceEvent;
use crate::dht::transactions::{Open, Purpose, Stage};
use crate::krpc::compact::Values;
use crate::krpc::endpoint::{Endpoint, Family};
use crate::krpc::id::Id;
use crate::krpc::item::{Item, MAX_VALUE, Mutable};
use crate::krpc::lists::{Nodes, Peers, Samples};
use crate::krpc::message::{Method, Query, Want};

/// Peers in one event: what fits the buffer.
const PEERS_IN_EVENT: usize = 80;
/// Wait of an operation that the budget for unverified nodes holds up.
const UNVERIFIED_WAIT: Duration = Duration::from_millis(20);

/// What the next output is, without the borrow of the buffer that holds its bytes.
#[derive(Clone, Copy)]
enum Plan {
    Transmit { link: u8, to: Endpoint, len: usize },
    Note(Note),
    Rest,
}

/// An event whose bytes, if any, are in the buffer.
#[derive(Clone, Copy)]
enum Note {
    /// The value, then key, salt and signature of a mutable item.
    Value {
        key: SlabKey,
        tag: u64,
        from: Endpoint,
        len: usize,
        salt: usize,
        seq: Option<i64>,
    },
    Peers {
        key: SlabKey,
        tag: u64,
        from: Endpoint,
        len: usize,
    },
    Nodes {
        key: SlabKey,
        tag: u64,
        len: usize,
    },
    Samples {
        key: SlabKey,
        tag: u64,
        from: Endpoint,
        id: Id,
        num: u64,
        interval: Duration,
        len: usize,
    },
    Response {
        key: SlabKey,
        tag: u64,
        from: Endpoint,
        id: Id,
        rtt: Duration,
        len: usize,
    },
    /// An event that needs no bytes.
    Plain(Event<'static>),
}

impl Node<'_> {
    /// The next thing that the node wants. Call until it says `Timeout`: that ends the drain, and every drain ends.
    pub fn poll_output<'b>(&mut self, buf: &'b mut Buffer) -> Output<'b> {
        match self.plan(buf) {
            Plan::Transmit { link, to, len } => {
                self.stats.tx += 1;
                self.stats.tx_bytes += len as u64;
                Output::Transmit { link: LinkId(link), to, payload: buf.get(..len).unwrap_or_default() }
            }
            Plan::Note(note) => Output::Event(note.render(buf)),
            Plan::Rest => Output::Timeout(self.deadline()),
        }
    }

    fn plan(&mut self, buf: &mut Buffer) -> Plan {
        if let Some(plan) = self.next_reply(buf) {
            return plan;
        }
        if let Some(note) = self.next_result(buf) {
            return Plan::Note(note);
        }
        while let Some(index) = self.ready.first() {
            if let Some(plan) = self.next_step(index, buf) {
                return plan;
            }
        }
        if let Some(plan) = self.next_check(buf) {
            return plan;
        }
        match self.next_news() {
            Some(event) => Plan::Note(Note::Plain(event)),
            None => Plan::Rest,
        }
    }

    fn next_reply(&mut self, buf: &mut Buffer) -> Option<Plan> {
        while let Some(reply) = self.replies.front() {
            let (to, link) = (reply.to, reply.link);
            let own = self.links.get(usize::from(link)).map(|l| *l.table.own()).unwrap_or_default();
            let (now, allowed) = (self.now, reply.fit());
            let mut pantry = Pantry {
                items: &self.items,
                peers: &mut self.peers,
                tables: self.links.iter().map(|l| (l.family, &l.table)).collect(),
                link,
                rng: &mut self.rng,
                config: &self.config.server,
                own,
                version: self.config.version,
            };
            let mut len = reply.encode(&mut pantry, now, None, buf);
            if let Some(full) = len
                && !reply.proven
                && !self.limiter.charge(now, &to, full)
                && full > allowed
            {
                self.stats.trimmed += 1;
                len = reply.encode(&mut pantry, now, Some(allowed), buf);
            }
            drop(pantry);
            self.replies.pop();
            match len {
                Some(len) => return Some(Plan::Transmit { link, to, len }),
                None => self.drop(DropReason::StaleReply),
            }
        }
        None
    }

    fn next_result(&mut self, buf: &mut Buffer) -> Option<Note> {
        let network = self.config.network;
        while let Some(place) = self.inbox.front() {
            let (key, from, id) = (place.op, place.from, place.id);
            let bytes = place.bytes();
            let Some(Parts { operation, payload: Some(payload), .. }) = self.operations.parts(key) else {
                self.inbox.pop();
                continue;
            };
            let tag = operation.tag;
            let len = bytes.len();
            let note = match place.found {
                ResultKind::Value { seq, signature } => {
                    buf[..len].copy_from_slice(bytes);
                    let mutable = matches!(operation.goal, Goal::Mutable { .. });
                    let salt = payload.salt.len();
                    let mut at = len;
                    for part in [&payload.key[..], &payload.salt, &signature[..]] {
                        buf[at..at + part.len()].copy_from_slice(part);
                        at += part.len();
                    }
                    Note::Value { key, tag, from, len, salt, seq: mutable.then_some(seq) }
                }
                ResultKind::Peers { done } => {
                    let (mut written, mut count) = (0, 0);
                    let peers = Values::List(bytes).peers().filter(|peer| peer.is_usable(network));
                    for peer in peers.skip(usize::from(done)).take(PEERS_IN_EVENT) {
                        written += Peers::write(&mut buf[written..], &peer).unwrap_or_default();
                        count += 1;
                    }
                    if count == 0 {
                        self.inbox.pop();
                        continue;
                    }
                    place.found = ResultKind::Peers { done: done + count };
                    return Some(Note::Peers { key, tag, from, len: written });
                }
                ResultKind::Samples { num, interval } => {
                    buf[..len].copy_from_slice(bytes);
                    Note::Samples { key, tag, from, id, num, interval, len }
                }
                ResultKind::Response { rtt } => {
                    buf[..len].copy_from_slice(bytes);
                    Note::Response { key, tag, from, id, rtt, len }
                }
            };
            self.inbox.pop();
            return Some(note);
        }
        None
    }

    /// The next thing that an operation wants; `None` when it has to wait (its ready bit is cleared then).
    fn next_step(&mut self, index: u16, buf: &mut Buffer) -> Option<Plan> {
        let now = self.now;
        let Some(key) = self.operations.key_at(index) else {
            self.ready.remove(index);
            return None;
        };
        let Parts { operation, mut window, .. } = self.operations.parts(key)?;
        if let Some(reason) = operation.finish {
            return self.finish(key, reason, buf);
        }
        let target = *operation.lookup.target();
        let want = want(operation.goal, &self.links);
        if let Goal::Direct { to, sent, .. } = &mut operation.goal {
            if *sent {
                self.ready.remove(index);
                return None;
            }
            *sent = true;
            let to = *to;
            return self.ask(key, to, None, Stage::Direct, operation_query(self, key, target, want), buf);
        }
        if let Some(&to) = self.bootstrap_nodes.get(usize::from(operation.next_bootstrap)) {
            operation.next_bootstrap += 1;
            let family = self.links.get(usize::from(operation.link)).map(|l| l.family);
            if family == Some(to.family()) && !operation.lookup.knows(&window, &to) {
                operation.lookup.on_bootstrap_sent();
                return self.ask(key, to, None, Stage::Bootstrap, operation_query(self, key, target, want), buf);
            }
            return None;
        }
        let allowed = self.config.network == crate::dht::config::Network::Local
            || self.unverified_budget.has(now, self.config.lookup.unverified_query_rate);
        match operation.lookup.next(now, &mut window, &rules(&self.config, &self.rtt), allowed) {
            Next::Ask { id, endpoint, unverified } => {
                if unverified {
                    self.unverified_budget.take(now, self.config.lookup.unverified_query_rate);
                }
                let query = operation_query(self, key, target, want);
                self.ask(key, endpoint, Some(id), Stage::Converge, query, buf)
            }
            Next::Store { id, endpoint } => self.store(key, id, endpoint, buf),
            Next::Report => self.report(key, Reason::Converged),
            Next::Done { converged } => {
                operation.finish = Some(if converged { Reason::Converged } else { Reason::Exhausted });
                None
            }
            Next::Wait(at) => {
                let at = if allowed { at } else { Some(at.unwrap_or(now + UNVERIFIED_WAIT)) };
                let wake = at.map_or(operation.deadline, |at| at.min(operation.deadline));
                self.deadlines.set(self.wake_key(index), wake);
                self.ready.remove(index);
                None
            }
        }
    }

    /// Sends the query of a stage; gives the stage back when there is no transaction for it.
    fn ask(
        &mut self,
        key: SlabKey,
        to: Endpoint,
        id: Option<Id>,
        stage: Stage,
        method: Method<'static>,
        buf: &mut Buffer,
    ) -> Option<Plan> {
        let link = self.operations.get(key)?.link;
        let Some(tid) = self.open(link, to, id, key, stage) else {
            self.give_back(key, to, id, stage);
            return None;
        };
        let len = self.encode_query(link, &tid, method, buf)?;
        Some(Plan::Transmit { link, to, len })
    }

    /// Sends a put or an announce.
    fn store(&mut self, key: SlabKey, id: Id, to: Endpoint, buf: &mut Buffer) -> Option<Plan> {
        let link = self.operations.get(key)?.link;
        let Some(tid) = self.open(link, to, Some(id), key, Stage::Store) else {
            self.give_back(key, to, Some(id), Stage::Store);
            return None;
        };
        let own = *self.links.get(usize::from(link))?.table.own();
        let Parts { operation, window, payload } = self.operations.parts(key)?;
        let payload = payload?;
        let target = *operation.lookup.target();
        let token = operation.lookup.token(&window, &id, &to).unwrap_or_default();
        let method = match operation.goal {
            Goal::Announce { port, kind } => Method::AnnouncePeer {
                info_hash: target,
                port: port.unwrap_or(0),
                implied_port: port.is_none(),
                seed: kind == PeerKind::Seed,
                token,
            },
            Goal::PutMutable { cas } => Method::Put { token, item: payload.item(true), cas, target: Some(target) },
            _ => Method::Put { token, item: payload.item(false), cas: None, target: Some(target) },
        };
        let mut query =
            Query { tid: &tid, version: Some(&self.config.version), read_only: self.config.read_only, id: own, method };
        let mut len = query.encode(buf).ok()?;
        if len > LARGEST
            && let Method::Put { target, .. } = &mut query.method
        {
            // Only the mainline crate's servers need it, and their tokens are short.
            *target = None;
            len = query.encode(buf).ok()?;
        }
        Some(Plan::Transmit { link, to, len })
    }

    fn encode_query(&self, link: u8, tid: &[u8; 4], method: Method<'_>, buf: &mut Buffer) -> Option<usize> {
        let id = *self.links.get(usize::from(link))?.table.own();
        let version = Some(&self.config.version[..]);
        Query { tid, version, read_only: self.config.read_only, id, method }.encode(buf).ok()
    }

    /// Opens a transaction for a stage of an operation.
    fn open(&mut self, link: u8, to: Endpoint, id: Option<Id>, key: SlabKey, stage: Stage) -> Option<[u8; 4]> {
        if !self.operations.get(key)?.for_user && !self.upkeep_may_ask() {
            return None;
        }
        let purpose = Purpose::Operation { index: key.index, generation: key.generation, stage };
        let tid = self.launch(link, to, id, purpose)?;
        if let Some(Parts { operation, .. }) = self.operations.parts(key) {
            operation.outcome.queried = operation.outcome.queried.saturating_add(1);
        }
        Some(tid)
    }

    /// Whether there is a transaction for what nobody waits for. It leaves half of them to users: dead contacts keep theirs
    /// until the hard timeout, and what the node asks for itself must not hold up what it was asked for.
    fn upkeep_may_ask(&self) -> bool {
        self.transactions.len() < (self.transactions.capacity() / 2).max(1)
    }

    fn launch(&mut self, link: u8, to: Endpoint, id: Option<Id>, purpose: Purpose) -> Option<[u8; 4]> {
        let now = self.now;
        let bounds = self.config.lookup.soft_timeout;
        let contact = id.and_then(|id| self.links.get(usize::from(link))?.table.find(&id));
        let soft = match contact.filter(|c| c.endpoint() == to) {
            Some(contact) => contact.record().soft_timeout(bounds),
            None => self.rtt.soft_timeout(bounds),
        };
        let open = Open { to, link, id, purpose, sent: now, late: false };
        let (index, tid) = self.transactions.open(open)?;
        self.deadlines.set(index, now + soft);
        self.limiter.expect(now, &to);
        self.stats.rpc_sent += 1;
        let index = if let Purpose::Operation { index, .. } = purpose { index } else { u16::MAX };
        self.sink.tell(now, TraceEvent::QuerySent { operation: index });
        Some(tid)
    }

    /// There is no transaction for it: the operation waits until one ends.
    fn give_back(&mut self, key: SlabKey, to: Endpoint, id: Option<Id>, stage: Stage) {
        self.ready.remove(key.index);
        self.blocked.insert(key.index);
        let Some(Parts { operation, mut window, .. }) = self.operations.parts(key) else { return };
        match (stage, id, &mut operation.goal) {
            (Stage::Direct, _, Goal::Direct { sent, .. }) => *sent = false,
            (Stage::Bootstrap, ..) => {
                operation.lookup.on_bootstrap_failed();
                operation.next_bootstrap = operation.next_bootstrap.saturating_sub(1);
            }
            (_, Some(id), _) => operation.lookup.on_not_sent(&mut window, &id, &to),
            _ => {}
        }
    }

    /// Tells the user that enough nodes have confirmed; the rest goes on in the background.
    fn report(&mut self, key: SlabKey, reason: Reason) -> Option<Plan> {
        let now = self.now;
        let Parts { operation, .. } = self.operations.parts(key)?;
        if !core::mem::take(&mut operation.for_user) {
            return None;
        }
        let mut outcome = operation.outcome;
        outcome.reason = reason;
        outcome.hops = operation.lookup.hops();
        outcome.elapsed = now.since(operation.started);
        let tag = operation.tag;
        self.sink.tell(now, TraceEvent::Ended { operation: key.index, stored: outcome.stored });
        Some(Plan::Note(Note::Plain(Event::Finished { op: key.into(), tag, outcome })))
    }

    /// Sums up, says `Finished`, and gives the place back.
    fn finish(&mut self, key: SlabKey, reason: Reason, buf: &mut Buffer) -> Option<Plan> {
        let Parts { operation, window, payload } = self.operations.parts(key)?;
        let (op, tag) = (key.into(), operation.tag);
        if operation.for_user && !core::mem::replace(&mut operation.summed_up, true) {
            match operation.goal {
                Goal::Nodes => {
                    let mut len = 0;
                    for (id, endpoint) in operation.lookup.answered(&window).take(K) {
                        len += Nodes::write(&mut buf[len..], &id, &endpoint).unwrap_or_default();
                        operation.outcome.results = operation.outcome.results.saturating_add(1);
                    }
                    return Some(Plan::Note(Note::Nodes { key, tag, len }));
                }
                Goal::Scrape => {
                    let responders = operation.outcome.results;
                    let (seeds, peers) = payload.map(|payload| payload.filters()).unwrap_or_default();
                    let (seeds, peers) = (seeds.estimate(), peers.estimate());
                    return Some(Plan::Note(Note::Plain(Event::Scrape { op, tag, seeds, peers, responders })));
                }
                _ => {}
            }
        }
        self.ended(key, reason);
        let plan = self.report(key, reason);
        self.ready.remove(key.index);
        self.deadlines.clear(self.wake_key(key.index));
        self.operations.remove(key);
        plan
    }

    /// The next check of a table.
    fn next_check(&mut self, buf: &mut Buffer) -> Option<Plan> {
        let now = self.now;
        for link in 0..self.links.len() {
            if !self.links[link].check_due {
                continue;
            }
            if !self.upkeep_may_ask() {
                self.links[link].hold_checks(now + Duration::from_millis(250));
                continue;
            }
            let next = self.links[link].table.next_check(now);
            let Some((id, to)) = next else {
                self.links[link].check_due = false;
                continue;
            };
            let tid = self.launch(link as u8, to, Some(id), Purpose::Check)?;
            let len = self.encode_query(link as u8, &tid, Method::Ping, buf)?;
            return Some(Plan::Transmit { link: link as u8, to, len });
        }
        None
    }

    fn next_news(&mut self) -> Option<Event<'static>> {
        for (link, i) in self.links.iter_mut().zip(0..) {
            if core::mem::take(&mut link.news_id) {
                return Some(Event::IdChanged { link: LinkId(i), id: *link.table.own() });
            }
            if let (Some(votes), Some(addr)) = (link.news_address.take(), link.external) {
                return Some(Event::ExternalAddr { link: LinkId(i), addr, votes });
            }
        }
        None
    }

    /// The next deadline. After a timeout was served, it lies later than that timeout.
    fn deadline(&self) -> Option<Instant> {
        let (_, at) = self.earliest_timer()?;
        Some(match self.served {
            Some(served) => at.max(served + Duration::from_millis(1)),
            None => at,
        })
    }
}

/// The query of an operation.
fn operation_query(node: &Node<'_>, key: SlabKey, target: Id, want: Want) -> Method<'static> {
    node.operations.get(key).map_or(Method::Ping, |operation| operation.goal.query(target, want))
}

/// Both families while bootstrapping a node that has both; otherwise the family of the query.
fn want(goal: Goal, links: &[crate::dht::node::state::Link<'_>]) -> Want {
    match goal {
        Goal::Direct { query: DirectQuery::FindNode { want, .. }, .. } => want,
        Goal::Bootstrap => {
            let has = |family| links.iter().any(|l| l.family == family);
            let both = has(Family::V4) && has(Family::V6);
            Want { v4: both, v6: both }
        }
        _ => Want::default(),
    }
}

impl Note {
    fn render(self, buf: &Buffer) -> Event<'_> {
        let bytes = |len: usize| buf.get(..len).unwrap_or_default();
        match self {
            Note::Value { key, tag, from, len, salt, seq } => {
                let (value, rest) = buf.split_at(len.min(MAX_VALUE));
                let mutable = seq.and_then(|seq| {
                    let (key, rest) = rest.split_first_chunk::<32>()?;
                    let (salt, rest) = rest.split_at_checked(salt)?;
                    let signature = rest.first_chunk::<64>()?;
                    Some(Mutable { key, salt, seq, signature })
                });
                Event::Value { op: key.into(), tag, from, item: Item { value, mutable } }
            }
            Note::Peers { key, tag, from, len } => {
                Event::Peers { op: key.into(), tag, from, peers: Peers::from_bytes(bytes(len)) }
            }
            Note::Nodes { key, tag, len } => Event::Nodes { op: key.into(), tag, nodes: Nodes::from_bytes(bytes(len)) },
            Note::Samples { key, tag, from, id, num, interval, len } => Event::Samples {
                op: key.into(),
                tag,
                from,
                id,
                num,
                interval,
                samples: Samples::from_bytes(bytes(len)),
            },
            Note::Response { key, tag, from, id, rtt, len } => {
                let nodes = Nodes::from_bytes(bytes(len));
                Event::Response { op: key.into(), tag, from, id, rtt, nodes }
            }
            Note::Plain(event) => event,
        }
    }
}
