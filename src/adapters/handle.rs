//! The handle of a running node, and the operations that it starts.
//!
//! Model: the node lives with its driver; handles send it messages and share nothing with it. Each command is an
//! [`Operation`] with a mailbox of its own: a stream of results and one end. Dropping an operation cancels it by its
//! tag. When the last handle and the last operation are gone, the driver ends and closes its sockets.

use std::boxed::Box;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time;
use std::vec::Vec;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::adapters::mailbox::{Late, Mailbox};
use crate::adapters::results::{
    Answer, Closest, Finished, Found, FromEvent, Notice, OperationError, PeerList, Sample, Signed, Swarm,
};
use crate::base::time::Duration;
use crate::dht::command::{Command, DirectQuery, Freshness, PeerKind};
use crate::dht::contact::SavedContact;
use crate::dht::error::CallError;
use crate::dht::event::{Event, LinkId, OpId, Outcome};
use crate::dht::node::Node;
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;

/// Results that wait for one consumer, unless [`Handle::with_backlog`] says otherwise.
pub const BACKLOG: usize = 256;

/// What the driver is told.
pub(super) enum Message {
    Run { tag: u64, link: Option<LinkId>, start: Start, waiter: Waiter },
    Cancel { tag: u64 },
    Import { link: LinkId, contacts: Vec<SavedContact> },
    Observe(Box<dyn FnOnce(&Node<'static>) + Send>),
    Watch(Waiter),
    Shutdown,
}

/// What takes a command: the node, by way of its driver.
pub(super) type Submit<'a> = &'a mut dyn FnMut(Command<'_>) -> Result<OpId, CallError>;

/// Submits a command that borrows from what the closure owns, so that no second set of commands is needed.
pub(super) type Start = Box<dyn FnOnce(Submit<'_>) -> Result<OpId, CallError> + Send>;

/// How an operation ends for its consumer.
pub(super) type End = Result<Outcome, OperationError>;

/// The driver's side of a mailbox. However it is lost, the consumer sees an end.
pub(super) struct Waiter(Arc<dyn Deliver>);

trait Deliver: Send + Sync {
    fn event(&self, event: &Event<'_>);
    fn finish(&self, end: End);
}

impl<T: FromEvent> Deliver for Mailbox<T, End> {
    fn event(&self, event: &Event<'_>) {
        if let Some(result) = T::from_event(event) {
            self.put(result);
        }
    }

    fn finish(&self, end: End) {
        Mailbox::finish(self, end);
    }
}

impl Waiter {
    pub(super) fn event(&self, event: &Event<'_>) {
        self.0.event(event);
    }

    pub(super) fn finish(self, end: End) {
        self.0.finish(end);
    }

    /// Whether the consumer is still there.
    pub(super) fn is_wanted(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.0.finish(Err(OperationError::Stopped));
    }
}

/// Ends with the driver, whatever ends the driver.
pub(super) struct Lifetime(Arc<Mailbox<Infallible, ()>>);

impl Drop for Lifetime {
    fn drop(&mut self) {
        self.0.finish(());
    }
}

/// The handle of a running node. Clones are cheap and mean the same node.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
    link: Option<LinkId>,
    backlog: usize,
}

struct Shared {
    post: Box<dyn Fn(Message) + Send + Sync>,
    next_tag: AtomicU64,
    addrs: SmallVec<[SocketAddr; 2]>,
    ended: Arc<Mailbox<Infallible, ()>>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        (self.post)(Message::Shutdown);
    }
}

impl Handle {
    /// A handle that posts its messages with `post`, and what the driver has to keep alive as long as it runs.
    pub(super) fn new(
        addrs: SmallVec<[SocketAddr; 2]>,
        post: impl Fn(Message) + Send + Sync + 'static,
    ) -> (Self, Lifetime) {
        let ended = Mailbox::new(1);
        let lifetime = Lifetime(ended.clone());
        let shared = Shared { post: Box::new(post), next_tag: AtomicU64::new(1), addrs, ended };
        (Handle { shared: Arc::new(shared), link: None, backlog: BACKLOG }, lifetime)
    }

    /// The same node, with commands that run on one link only.
    pub fn on(&self, link: LinkId) -> Handle {
        Handle { link: Some(link), ..self.clone() }
    }

    /// The same node, with room for `results` undelivered results in each operation started from here.
    pub fn with_backlog(&self, results: usize) -> Handle {
        Handle { backlog: results, ..self.clone() }
    }

    /// Local addresses of the links, in the order of their [`LinkId`].
    pub fn addrs(&self) -> &[SocketAddr] {
        &self.shared.addrs
    }

    /// Asks these addresses for our own neighbourhood; see [`Command::Bootstrap`].
    pub fn bootstrap(&self, nodes: &[SocketAddr]) -> Operation<Infallible> {
        let nodes: SmallVec<[Endpoint; 8]> = nodes.iter().map(|&node| node.into()).collect();
        self.start(move |submit| submit(Command::Bootstrap { nodes: &nodes }))
    }

    /// Pings one node.
    pub fn ping(&self, to: SocketAddr) -> Operation<Answer> {
        self.query(to, DirectQuery::Ping)
    }

    /// Asks one node one question, without a lookup.
    pub fn query(&self, to: SocketAddr, query: DirectQuery) -> Operation<Answer> {
        self.start(move |submit| submit(Command::Query { to: to.into(), query }))
    }

    /// Finds the closest nodes that answer.
    pub fn lookup(&self, target: Id) -> Operation<Closest> {
        self.start(move |submit| submit(Command::Lookup { target }))
    }

    /// Finds an immutable item.
    pub fn get_immutable(&self, target: Id) -> Operation<Found> {
        self.start(move |submit| submit(Command::GetImmutable { target }))
    }

    /// Finds a mutable item. For the newest, each result beats those before it.
    pub fn get_mutable(
        &self,
        key: [u8; 32],
        salt: &[u8],
        newer_than: Option<i64>,
        freshness: Freshness,
    ) -> Operation<Found> {
        let salt = SmallVec::<[u8; 64]>::from_slice(salt);
        self.start(move |submit| submit(Command::GetMutable { key: &key, salt: &salt, newer_than, freshness }))
    }

    /// Finds peers.
    pub fn get_peers(&self, info_hash: Id) -> Operation<PeerList> {
        self.start(move |submit| submit(Command::GetPeers { info_hash }))
    }

    /// Stores an immutable item: canonical bencode, at most 1000 bytes.
    pub fn put_immutable(&self, value: Bytes) -> Operation<Infallible> {
        self.start(move |submit| submit(Command::PutImmutable { value: &value }))
    }

    /// Stores a signed item; with `cas`, only where that sequence number is held now.
    pub fn put_mutable(&self, value: Bytes, signed: Signed, cas: Option<i64>) -> Operation<Infallible> {
        self.start(move |submit| {
            let Signed { key, salt, seq, signature } = &signed;
            submit(Command::PutMutable { value: &value, key, salt, seq: *seq, signature, cas })
        })
    }

    /// Announces a peer; without `port`, at the port that others see us at.
    pub fn announce(&self, info_hash: Id, port: Option<u16>, seed: bool) -> Operation<Infallible> {
        let kind = if seed { PeerKind::Seed } else { PeerKind::Downloader };
        self.start(move |submit| submit(Command::Announce { info_hash, port, kind }))
    }

    /// Estimates the size of a swarm.
    pub fn scrape(&self, info_hash: Id) -> Operation<Swarm> {
        self.start(move |submit| submit(Command::Scrape { info_hash }))
    }

    /// Collects info-hashes from the nodes around a target.
    pub fn sample(&self, target: Id) -> Operation<Sample> {
        self.start(move |submit| submit(Command::Sample { target }))
    }

    /// News that belongs to no operation. The stream ends with the node.
    pub fn notices(&self) -> Notices {
        let mail = Mailbox::new(self.backlog);
        self.post(Message::Watch(Waiter(mail.clone())));
        Notices(mail)
    }

    /// Adds contacts of an earlier run to a link's table; they are unverified until they answer.
    pub fn import(&self, link: LinkId, contacts: Vec<SavedContact>) {
        self.post(Message::Import { link, contacts });
    }

    /// Runs `look` on the node, between two inputs, and returns what it says; `None` when the node has ended. It runs
    /// on the driver's thread: it has to be short, and it must not own a handle or an operation.
    pub fn observe<R: Send + 'static>(
        &self,
        look: impl FnOnce(&Node<'static>) -> R + Send + 'static,
    ) -> Observation<R> {
        let mail = Mailbox::new(1);
        let reply = ObservationReply(mail.clone());
        self.post(Message::Observe(Box::new(move |node| reply.0.put(look(node)))));
        Observation(mail)
    }

    /// Shuts the node down, for every handle. Running operations end with [`OperationError::Stopped`]. The value that is returned
    /// tells when the sockets are closed; it need not be waited for.
    pub fn shutdown(&self) -> Ended {
        self.post(Message::Shutdown);
        self.ended()
    }

    /// Tells when the node has ended, whoever ends it.
    pub fn ended(&self) -> Ended {
        Ended(self.shared.ended.clone())
    }

    fn start<T: FromEvent>(
        &self,
        start: impl FnOnce(Submit<'_>) -> Result<OpId, CallError> + Send + 'static,
    ) -> Operation<T> {
        let tag = self.shared.next_tag.fetch_add(1, Ordering::Relaxed);
        let mail = Mailbox::new(self.backlog);
        let waiter = Waiter(mail.clone());
        self.post(Message::Run { tag, link: self.link, start: Box::new(start), waiter });
        Operation { mail, tag, shared: self.shared.clone(), taken: SmallVec::new() }
    }

    fn post(&self, message: Message) {
        // A driver that has ended drops the message, and with it the waiter inside.
        (self.shared.post)(message);
    }
}

/// A running operation: a stream of results and one end.
///
/// A task awaits it, or each of its results ([`next`](Operation::next)); a thread waits ([`wait`](Operation::wait),
/// [`wait_next`](Operation::wait_next)). Dropping it cancels the operation.
#[must_use = "dropping an operation cancels it"]
pub struct Operation<T: FromEvent> {
    mail: Arc<Mailbox<T, End>>,
    tag: u64,
    shared: Arc<Shared>,
    taken: SmallVec<[T; 2]>,
}

impl<T: FromEvent> Operation<T> {
    /// The next result, or `None` when the operation has ended.
    pub async fn next(&mut self) -> Option<T> {
        poll_fn(|cx| self.mail.poll_next(cx)).await
    }

    /// The next result, or `None` when the operation has ended. Blocks.
    pub fn wait_next(&mut self) -> Option<T> {
        self.mail.wait_next(None).unwrap_or(None)
    }

    /// Everything, at the end. Blocks; the node ends each operation at its own deadline.
    pub fn wait(self) -> Result<Finished<T>, OperationError> {
        self.wait_until(None)
    }

    /// Everything, at the end, if it comes within `limit`; else the operation is cancelled. Blocks.
    pub fn wait_for(self, limit: Duration) -> Result<Finished<T>, OperationError> {
        self.wait_until(time::Instant::now().checked_add(limit))
    }

    /// How it went, once it has ended.
    pub fn outcome(&self) -> Option<Result<Outcome, OperationError>> {
        self.mail.end()
    }

    /// Results lost so far because nobody took them.
    pub fn lost(&self) -> u64 {
        self.mail.lost()
    }

    /// Ends the operation early; its outcome says so.
    pub fn cancel(&self) {
        (self.shared.post)(Message::Cancel { tag: self.tag });
    }

    fn wait_until(mut self, deadline: Option<time::Instant>) -> Result<Finished<T>, OperationError> {
        while let Some(result) = self.mail.wait_next(deadline).map_err(|Late| OperationError::Late)? {
            self.taken.push(result);
        }
        self.finished()
    }

    fn finished(&mut self) -> Result<Finished<T>, OperationError> {
        let outcome = self.mail.end().unwrap_or(Err(OperationError::Stopped))?;
        Ok(Finished { results: std::mem::take(&mut self.taken), outcome, lost: self.mail.lost() })
    }
}

impl<T: FromEvent + Unpin> Future for Operation<T> {
    type Output = Result<Finished<T>, OperationError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        while let Some(result) = ready!(self.mail.poll_next(cx)) {
            self.taken.push(result);
        }
        Poll::Ready(self.finished())
    }
}

impl<T: FromEvent> Drop for Operation<T> {
    fn drop(&mut self) {
        if self.mail.end().is_none() {
            self.cancel();
        }
    }
}

/// A stream of [`Notice`]s.
pub struct Notices(Arc<Mailbox<Notice, End>>);

impl Notices {
    /// The next one, or `None` when the node has ended.
    pub async fn next(&mut self) -> Option<Notice> {
        poll_fn(|cx| self.0.poll_next(cx)).await
    }

    /// The next one, or `None` when the node has ended. Blocks.
    pub fn wait_next(&mut self) -> Option<Notice> {
        self.0.wait_next(None).unwrap_or(None)
    }
}

/// What a look at the node says, soon.
#[must_use = "awaited or waited for, it says what was seen"]
pub struct Observation<R>(Arc<Mailbox<R, ()>>);

impl<R> Observation<R> {
    /// What was seen, or `None` when the node has ended. Blocks.
    pub fn wait(self) -> Option<R> {
        self.0.wait_next(None).unwrap_or(None)
    }
}

impl<R> Future for Observation<R> {
    type Output = Option<R>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<R>> {
        self.0.poll_next(cx)
    }
}

struct ObservationReply<R>(Arc<Mailbox<R, ()>>);

impl<R> Drop for ObservationReply<R> {
    fn drop(&mut self) {
        // Without an end, whoever asked a node that is gone would wait for ever.
        self.0.finish(());
    }
}

/// The end of a node, soon.
pub struct Ended(Arc<Mailbox<Infallible, ()>>);

impl Ended {
    /// Blocks until the node has ended and its sockets are closed.
    pub fn wait(self) {
        let _ = self.0.wait_next(None);
    }
}

impl Future for Ended {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll_next(cx).map(|_| ())
    }
}
