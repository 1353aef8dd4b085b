//! The handle of a running node: the node's own methods, asynchronous.

use std::boxed::Box;
use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::vec::Vec;

use crate::adapters::mailbox::Mailbox;
use crate::adapters::message::{Lifetime, Message, Post, Submit, SubmitCall, Waiter, WaitingCommand};
use crate::adapters::operation::{Judge, Operation, Unsent};
use crate::adapters::operation_error::OperationError;
use crate::adapters::permits::Permits;
use crate::adapters::queue::MOST_WAITING;
use crate::adapters::results::{Answer, Closest, Found, FromEvent, PeerList, Sample, Swarm};
use crate::adapters::watch::{Ended, Notices, Observation};
use crate::base::time::Duration;
use crate::dht::command::{Command, DirectQuery, Freshness, PeerKind, Scope};
use crate::dht::contact::{ContactView, SavedContact};
use crate::dht::error::CallError;
use crate::dht::event::{Input, KeepId, LinkId};
use crate::dht::keep::{KeepSchedule, KeepState, Kept};
use crate::dht::node::Node;
use crate::dht::node::journal::Call;
use crate::dht::role::Role;
use crate::dht::size::SizeEstimate;
use crate::dht::stats::Stats;
use crate::dht::trace::TraceSink;
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;
use crate::krpc::item::{Item, Mutable, SignedItem};

/// Results that wait for one consumer, unless [`Handle::with_backlog`] says otherwise.
const BACKLOG: usize = 256;

/// The handle of a running node. Clones are cheap and mean the same node.
///
/// Its operations are those of [`Node`], under the same names and with the same arguments; they are copied in, and
/// nothing is borrowed after the call. Dropping an operation cancels it. The node runs as many at a time as its
/// configuration says; 16,384 more wait in a queue, in which the clones of a handle take turns, and one past that
/// enters it when it is first awaited or waited for. When the last handle and the last operation are gone, the driver
/// ends and closes its sockets.
pub struct Handle {
    shared: Arc<Shared>,
    post: Arc<Post>,
    scope: Scope,
    backlog: usize,
    /// Its number in the queue.
    source: u64,
}

impl Clone for Handle {
    fn clone(&self) -> Self {
        Handle { source: self.shared.next_source.fetch_add(1, Ordering::Relaxed), ..self.same() }
    }
}

struct Shared {
    next_tag: AtomicU64,
    next_source: AtomicU64,
    places: Arc<Permits>,
    addrs: Vec<SocketAddr>,
    ended: Arc<Mailbox<Infallible, ()>>,
}

/// What a node is asked, under the names that [`Node`] has for it.
impl Handle {
    /// Asks these addresses for our own neighbourhood; see [`Command::Bootstrap`].
    pub fn bootstrap(&self, nodes: &[Endpoint]) -> Operation<Infallible> {
        let nodes = nodes.to_vec();
        self.start_judged(OperationError::of_bootstrap, move |submit| submit(Command::Bootstrap { nodes: &nodes }))
    }

    /// Asks one node whether it is there.
    pub fn ping(&self, to: Endpoint) -> Operation<Answer> {
        self.query(to, DirectQuery::Ping)
    }

    /// Asks one node one question, without a lookup.
    pub fn query(&self, to: Endpoint, query: DirectQuery) -> Operation<Answer> {
        self.start(move |submit| submit(Command::Query { to, query }))
    }

    /// Finds the closest nodes that answer; [`at`](Handle::at) one node, what it names is no result but its
    /// [`response`](crate::adapters::Finished::response).
    pub fn lookup(&self, target: Id) -> Operation<Closest> {
        self.start(move |submit| submit(Command::Lookup { target }))
    }

    /// Finds an immutable item, on so many nodes.
    pub fn get_immutable(&self, target: Id, copies: u16) -> Operation<Found> {
        self.start(move |submit| submit(Command::GetImmutable { target, copies }))
    }

    /// Finds a mutable item. For the newest, each result beats those before it.
    pub fn get_mutable(
        &self,
        key: &[u8; 32],
        salt: &[u8],
        newer_than: Option<i64>,
        freshness: Freshness,
    ) -> Operation<Found> {
        let (key, salt) = (*key, salt.to_vec());
        self.start(move |submit| submit(Command::GetMutable { key: &key, salt: &salt, newer_than, freshness }))
    }

    /// Finds peers: a list of each node that knows some, so that one peer comes as often as nodes name it.
    pub fn get_peers(&self, info_hash: Id) -> Operation<PeerList> {
        self.start(move |submit| submit(Command::GetPeers { info_hash }))
    }

    /// Stores an immutable item: canonical bencode, at most 1000 bytes. A plain byte string may have up to 1005, but
    /// few nodes store one above 1000: [`Item::is_bare_length`](crate::krpc::Item::is_bare_length) tells, for those
    /// who want to warn.
    pub fn put_immutable(&self, value: &[u8]) -> Operation<Infallible> {
        let value = value.to_vec();
        self.store(move |submit| submit(Command::PutImmutable { value: &value }))
    }

    /// Stores a signed item; with `cas`, only where that sequence number is held now.
    pub fn put_mutable(&self, item: &SignedItem<'_>, cas: Option<i64>) -> Operation<Infallible> {
        let Mutable { key: &key, salt, seq, signature: &signature } = item.mutable();
        let (value, salt) = (item.value().to_vec(), salt.to_vec());
        self.store(move |submit| {
            let (key, signature) = (&key, &signature);
            submit(Command::PutMutable { value: &value, key, salt: &salt, seq, signature, cas })
        })
    }

    /// Announces a peer; without `port`, at the port that others see us at.
    pub fn announce(&self, info_hash: Id, port: Option<u16>, kind: PeerKind) -> Operation<Infallible> {
        self.store(move |submit| submit(Command::Announce { info_hash, port, kind }))
    }

    /// Estimates the size of a swarm.
    pub fn scrape(&self, info_hash: Id) -> Operation<Swarm> {
        self.start(move |submit| submit(Command::Scrape { info_hash }))
    }

    /// Collects info-hashes from the nodes around a target.
    pub fn sample(&self, target: Id) -> Operation<Sample> {
        self.start(move |submit| submit(Command::Sample { target }))
    }

    /// Offers contacts of an earlier run; see [`Node::import`]. They are taken whether or not anybody waits.
    ///
    /// # Errors
    /// [`CallError::NoLink`] when there is no such link; nothing was taken then.
    pub fn import(&self, link: LinkId, contacts: &[SavedContact]) -> Observation<Result<(), CallError>> {
        let (observation, reply) = Observation::new();
        let reply = Box::new(move |taken| reply.send(taken));
        self.post.send(Message::Import { link, contacts: contacts.to_vec(), reply });
        observation
    }

    /// Tells of an id that an earlier run had; see [`Node::import_id`].
    ///
    /// # Errors
    /// Those of [`Node::import_id`].
    pub fn import_id(&self, link: LinkId, id: &Id) -> Observation<Result<(), CallError>> {
        self.tell(Call::ImportId { link, id: *id })
    }

    /// Begins to keep an item or an announcement; see [`Node::keep`]. That it is wanted is one of the
    /// [`notices`](Handle::notices), for which somebody has to wait.
    ///
    /// # Errors
    /// [`CallError`] says why it is not kept.
    pub fn keep(&self, tag: u64, kept: Kept<'_>, schedule: KeepSchedule) -> Observation<Result<KeepId, CallError>> {
        self.keep_on(tag, kept, schedule, KeepState::default())
    }

    /// The same, going on from where an earlier run was; see [`Node::keep_on`].
    ///
    /// # Errors
    /// [`CallError`] says why it is not kept.
    pub fn keep_on(
        &self,
        tag: u64,
        kept: Kept<'_>,
        schedule: KeepSchedule,
        before: KeepState,
    ) -> Observation<Result<KeepId, CallError>> {
        let (key, salt, other) = match kept {
            Kept::Mutable { key, salt } => (*key, salt.to_vec(), None),
            Kept::Immutable { target } => ([0; 32], Vec::new(), Some(Kept::Immutable { target })),
            Kept::Announced { info_hash, port, kind } => {
                ([0; 32], Vec::new(), Some(Kept::Announced { info_hash, port, kind }))
            }
        };
        self.submit(move |submit| {
            let kept = other.unwrap_or(Kept::Mutable { key: &key, salt: &salt });
            let begun = submit(Call::Keep { tag, kept, schedule, before })?;
            begun.ok_or(CallError::NotKept)
        })
    }

    /// The item of something that is kept; see [`Node::supply`].
    ///
    /// # Errors
    /// [`CallError`] says why it is not put; a wanted item stays wanted then.
    pub fn supply(&self, keep: KeepId, item: Item<'_>) -> Observation<Result<(), CallError>> {
        let value = item.value.to_vec();
        let signed = item.mutable.map(|m| (*m.key, m.salt.to_vec(), m.seq, *m.signature));
        self.submit(move |submit| {
            let mutable = signed.as_ref();
            let mutable = mutable.map(|(key, salt, seq, signature)| Mutable { key, salt, seq: *seq, signature });
            submit(Call::Supply { keep, item: Item { value: &value, mutable } }).map(drop)
        })
    }

    /// The item that is wanted will be wanted again so much later; see [`Node::later`].
    ///
    /// # Errors
    /// [`CallError::NotKept`].
    pub fn later(&self, keep: KeepId, by: Duration) -> Observation<Result<(), CallError>> {
        self.tell(Call::Later { keep, by })
    }

    /// Keeps something no more.
    ///
    /// # Errors
    /// [`CallError::NotKept`].
    pub fn unkeep(&self, keep: KeepId) -> Observation<Result<(), CallError>> {
        self.tell(Call::Unkeep { keep })
    }

    /// Keeps nothing of a publisher any more.
    ///
    /// # Errors
    /// None.
    pub fn unkeep_key(&self, key: &[u8; 32]) -> Observation<Result<(), CallError>> {
        let key = *key;
        self.submit(move |submit| submit(Call::UnkeepKey { key: &key }).map(drop))
    }

    /// The node asks and does not answer, or takes the part of its role again; see [`Node::set_passive`].
    ///
    /// # Errors
    /// None.
    pub fn set_passive(&self, is_passive: bool) -> Observation<Result<(), CallError>> {
        self.tell(Call::SetPassive { is_passive })
    }

    /// Others see a link at this address; see [`Node::set_external`].
    ///
    /// # Errors
    /// Those of [`Node::set_external`].
    pub fn set_external(&self, link: LinkId, addr: Endpoint) -> Observation<Result<(), CallError>> {
        self.tell(Call::SetExternal { link, addr })
    }

    /// The machine is about to sleep: the node sends nothing until [`resume`](Handle::resume). See [`Input::Suspend`].
    ///
    /// # Errors
    /// None.
    pub fn suspend(&self) -> Observation<Result<(), CallError>> {
        self.tell(Call::Input(Input::Suspend))
    }

    /// The machine is awake; see [`Input::Resume`].
    ///
    /// # Errors
    /// None.
    pub fn resume(&self) -> Observation<Result<(), CallError>> {
        self.tell(Call::Input(Input::Resume))
    }

    /// A call that borrows nothing.
    fn tell(&self, call: Call<'static>) -> Observation<Result<(), CallError>> {
        self.submit(move |submit| submit(call).map(drop))
    }

    fn submit<R: Send + 'static>(
        &self,
        ask: impl FnOnce(SubmitCall<'_>) -> Result<R, CallError> + Send + 'static,
    ) -> Observation<Result<R, CallError>> {
        let (observation, reply) = Observation::new();
        self.post.send(Message::Call(Box::new(move |submit| reply.send(ask(submit)))));
        observation
    }

    /// An operation that succeeds whatever comes of it.
    fn start<T: FromEvent>(
        &self,
        start: impl FnOnce(Submit<'_>) -> Result<(), CallError> + Send + 'static,
    ) -> Operation<T> {
        self.start_judged(|_| None, start)
    }

    /// An operation that succeeds when somebody has stored what it stores.
    fn store(&self, start: impl FnOnce(Submit<'_>) -> Result<(), CallError> + Send + 'static) -> Operation<Infallible> {
        self.start_judged(OperationError::of_store, start)
    }

    fn start_judged<T: FromEvent>(
        &self,
        judge: Judge,
        start: impl FnOnce(Submit<'_>) -> Result<(), CallError> + Send + 'static,
    ) -> Operation<T> {
        let tag = self.shared.next_tag.fetch_add(1, Ordering::Relaxed);
        let mail = Mailbox::new(self.backlog);
        let waiter = Waiter::new(mail.clone());
        let (source, scope, permits) = (self.source, self.scope, &self.shared.places);
        let command = WaitingCommand { tag, source, scope, start: Box::new(start), waiter };
        let unsent = match permits.ask() {
            Some(permit) => {
                self.post.send(Message::Run { command, permit });
                None
            }
            None => Some(Box::new(Unsent { command, permits: permits.clone(), ended: self.shared.ended.clone() })),
        };
        Operation::new(mail, (tag, source), self.post.clone(), judge, unsent)
    }
}

/// What a node tells, under the names that [`Node`] has for it.
impl Handle {
    /// The id of a link.
    pub fn id(&self, link: LinkId) -> Observation<Option<Id>> {
        self.observe(move |node| node.id(link))
    }

    /// The address that others see a link at, where enough of them agree.
    pub fn external_addr(&self, link: LinkId) -> Observation<Option<Endpoint>> {
        self.observe(move |node| node.external_addr(link))
    }

    /// The ids that a link had at other addresses, the one that it had longest ago first.
    pub fn former_ids(&self, link: LinkId) -> Observation<Vec<Id>> {
        self.observe(move |node| node.former_ids(link).collect())
    }

    /// What a link is at the moment; [`Role::Adaptive`] while it tries whether others reach it.
    pub fn role(&self, link: LinkId) -> Observation<Option<Role>> {
        self.observe(move |node| node.role(link))
    }

    /// All verified contacts, link by link, of each the best to save first.
    pub fn contacts(&self) -> Observation<Vec<(LinkId, ContactView)>> {
        self.observe(|node| node.contacts().collect())
    }

    /// How many nodes the network of a link seems to have.
    pub fn size_estimate(&self, link: LinkId) -> Observation<Option<SizeEstimate>> {
        self.observe(move |node| node.size_estimate(link))
    }

    /// Counters since the start.
    pub fn stats(&self) -> Observation<Stats> {
        self.observe(Node::stats)
    }

    /// How many items the node holds for others.
    pub fn items_held(&self) -> Observation<usize> {
        self.observe(Node::items_held)
    }

    /// How many peers the node holds for others.
    pub fn peers_held(&self) -> Observation<usize> {
        self.observe(Node::peers_held)
    }

    /// Where trace events go from now on. A sink runs on the driver's thread: it has to be short, and it must not own a
    /// handle or an operation.
    pub fn set_sink(&self, sink: TraceSink<'static>) {
        self.post.send(Message::Trace(sink));
    }

    /// Runs `look` on the node, between two inputs, and returns what it says. It runs on the driver's thread: it has to
    /// be short, and it must not own a handle or an operation.
    pub fn observe<R: Send + 'static>(
        &self,
        look: impl FnOnce(&Node<'static>) -> R + Send + 'static,
    ) -> Observation<R> {
        let (observation, reply) = Observation::new();
        self.post.send(Message::Observe(Box::new(move |node| reply.send(look(node)))));
        observation
    }
}

/// What only a running node has.
impl Handle {
    /// A handle that posts its messages with `post`, and what the driver has to keep alive as long as it runs.
    pub(super) fn new(addrs: Vec<SocketAddr>, post: impl Fn(Message) + Send + Sync + 'static) -> (Self, Lifetime) {
        let ended = Mailbox::new(1);
        let lifetime = Lifetime::new(ended.clone());
        let (next_tag, next_source, places) = (AtomicU64::new(1), AtomicU64::new(1), Permits::new(MOST_WAITING));
        let shared = Arc::new(Shared { next_tag, next_source, places, addrs, ended });
        (Handle { shared, post: Arc::new(Post::new(post)), scope: Scope::All, backlog: BACKLOG, source: 0 }, lifetime)
    }

    /// The same handle, in the same line of the queue.
    fn same(&self) -> Handle {
        let Handle { shared, post, scope, backlog, source } = self;
        Handle { shared: shared.clone(), post: post.clone(), scope: *scope, backlog: *backlog, source: *source }
    }

    /// The same node, with commands that run on one link only; those of a handle [`at`](Handle::at) one node ask it by
    /// this link.
    #[must_use]
    pub fn on(&self, link: LinkId) -> Handle {
        let scope = match self.scope {
            Scope::Node(node) | Scope::NodeOn { node, .. } => Scope::NodeOn { link, node },
            Scope::All | Scope::Link(_) => Scope::Link(link),
        };
        Handle { scope, ..self.same() }
    }

    /// The same node, with commands that ask this node alone, without a lookup, by the link that [`on`](Handle::on) has
    /// named, before or after; see [`Scope::Node`].
    ///
    /// One datagram is sent for each command, and one more for what a put or an announce stores; none is sent again,
    /// and without an answer the command ends after `lookup.hard_timeout`. What the node said (nodes, token, our
    /// address, version) is [`Finished::response`](crate::adapters::Finished::response): a [`lookup`](Handle::lookup)
    /// has its nodes there, and no results.
    #[must_use]
    pub fn at(&self, node: Endpoint) -> Handle {
        let scope = match self.scope {
            Scope::Link(link) | Scope::NodeOn { link, .. } => Scope::NodeOn { link, node },
            Scope::All | Scope::Node(_) => Scope::Node(node),
        };
        Handle { scope, ..self.same() }
    }

    /// The same node, with room for `results` undelivered results in each operation started from here; 256 unless said
    /// otherwise.
    #[must_use]
    pub fn with_backlog(&self, results: usize) -> Handle {
        Handle { backlog: results, ..self.same() }
    }

    /// Local addresses of the links, in the order of their [`LinkId`].
    #[must_use]
    pub fn addrs(&self) -> &[SocketAddr] {
        &self.shared.addrs
    }

    /// News that belongs to no operation. The stream ends with the node.
    pub fn notices(&self) -> Notices {
        let mail = Mailbox::new(self.backlog);
        self.post.send(Message::Watch(Waiter::new(mail.clone())));
        Notices::new(mail, &self.post)
    }

    /// Shuts the node down, for every handle. Running operations end with
    /// [`OperationError::Stopped`](crate::adapters::OperationError::Stopped). The value that is returned tells when the
    /// sockets are closed; it need not be waited for.
    #[allow(clippy::must_use_candidate, reason = "the node ends whether or not anybody waits for it")]
    pub fn shutdown(&self) -> Ended {
        self.post.send(Message::Shutdown);
        self.ended()
    }

    /// Tells when the node has ended, whoever ends it.
    #[must_use]
    pub fn ended(&self) -> Ended {
        Ended::new(self.shared.ended.clone())
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Handle { shared, post: _, scope, backlog, source: _ } = self;
        let mut shown = f.debug_struct("Handle");
        shown.field("addrs", &shared.addrs).field("scope", scope).field("backlog", backlog).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dht::node::journal::examples;
    use std::string::String;
    use std::sync::Mutex;

    /// Whoever adds a command is asked here for its method.
    fn command(handle: &Handle, command: Command<'_>) {
        match command {
            Command::Bootstrap { nodes } => drop(handle.bootstrap(nodes)),
            Command::Query { to, query: DirectQuery::Ping } => drop(handle.ping(to)),
            Command::Query { to, query } => drop(handle.query(to, query)),
            Command::Lookup { target } => drop(handle.lookup(target)),
            Command::GetImmutable { target, copies } => drop(handle.get_immutable(target, copies)),
            Command::GetMutable { key, salt, newer_than, freshness } => {
                drop(handle.get_mutable(key, salt, newer_than, freshness));
            }
            Command::GetPeers { info_hash } => drop(handle.get_peers(info_hash)),
            Command::PutImmutable { value } => drop(handle.put_immutable(value)),
            Command::PutMutable { cas, .. } => drop(handle.put_mutable(&examples::signed(), cas)),
            Command::Announce { info_hash, port, kind } => drop(handle.announce(info_hash, port, kind)),
            Command::Scrape { info_hash } => drop(handle.scrape(info_hash)),
            Command::Sample { target } => drop(handle.sample(target)),
        }
    }

    /// Whoever adds a call is asked here for its method. An operation is cancelled when it is dropped, and datagrams
    /// and time are the driver's.
    fn call(handle: &Handle, call: Call<'_>) {
        match call {
            Call::Input(Input::Suspend) => drop(handle.suspend()),
            Call::Input(Input::Resume) => drop(handle.resume()),
            Call::Command { scope: Scope::Link(link), command: named, .. } => command(&handle.on(link), named),
            Call::Command { command: named, .. } => command(handle, named),
            Call::Import { link, contact } => drop(handle.import(link, &[contact])),
            Call::Keep { tag, kept: kept @ Kept::Immutable { .. }, schedule, .. } => {
                drop(handle.keep(tag, kept, schedule));
            }
            Call::Keep { tag, kept, schedule, before } => drop(handle.keep_on(tag, kept, schedule, before)),
            Call::Supply { keep, item } => drop(handle.supply(keep, item)),
            Call::Later { keep, by } => drop(handle.later(keep, by)),
            Call::Unkeep { keep } => drop(handle.unkeep(keep)),
            Call::UnkeepKey { key } => drop(handle.unkeep_key(key)),
            Call::SetPassive { is_passive } => drop(handle.set_passive(is_passive)),
            Call::SetExternal { link, addr } => drop(handle.set_external(link, addr)),
            Call::ImportId { link, id } => drop(handle.import_id(link, &id)),
            Call::Cancel { .. } | Call::Input(_) | Call::Mark { .. } | Call::End => {}
        }
    }

    #[test]
    fn each_call_has_a_method_and_reaches_the_node_as_it_was_made() {
        let submitted = Arc::new(Mutex::new(Vec::new()));
        let seen = submitted.clone();
        let see = move |message| match message {
            Message::Run { command: WaitingCommand { tag, scope, start, .. }, .. } => {
                let mut see = |command: Command<'_>| {
                    seen.lock().unwrap().push(std::format!("{:?}", Call::Command { tag, scope, command }));
                    Ok(())
                };
                let _ = start(&mut see);
            }
            Message::Call(start) => start(&mut |call| {
                seen.lock().unwrap().push(std::format!("{call:?}"));
                Ok(None)
            }),
            Message::Import { link, contacts, .. } => {
                let calls = contacts.iter().map(|contact| Call::Import { link, contact: *contact });
                seen.lock().unwrap().extend(calls.map(|call| std::format!("{call:?}")));
            }
            _ => {}
        };
        let (handle, _lifetime) = Handle::new(Vec::new(), see);
        let item = examples::signed();
        let commands = examples::commands(&item).map(|command| Call::Command { tag: 0, scope: Scope::All, command });
        let mut tag_of_next = 1;
        for made in commands.into_iter().chain(examples::others(&item)) {
            let made = match made {
                Call::Cancel { .. } => continue,
                // The handle has tags of its own.
                Call::Command { scope, command, .. } => {
                    tag_of_next += 1;
                    Call::Command { tag: tag_of_next - 1, scope, command }
                }
                other => other,
            };
            call(&handle, made);
            let arrived: Vec<String> = std::mem::take(&mut *submitted.lock().unwrap());
            assert_eq!(arrived, [std::format!("{made:?}")]);
        }
    }
}
