//! What a handle gives out besides operations: news, looks at the node, and its end.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use crate::adapters::mailbox::{Consumer, Mailbox};
use crate::adapters::message::{End, Message, Post};
use crate::adapters::results::Notice;

/// A stream of [`Notice`]s.
#[must_use = "awaited or waited for, it says what there is to know"]
pub struct Notices {
    mail: Consumer<Notice, End>,
    /// Dropped after the mailbox, so that the driver finds nobody there.
    _watching: Watching,
}

impl Notices {
    pub(super) fn new(mail: Arc<Mailbox<Notice, End>>, post: &Arc<Post>) -> Self {
        Notices { mail: mail.into(), _watching: Watching(Arc::downgrade(post)) }
    }

    /// The next one, or `None` when the node has ended.
    pub async fn next(&mut self) -> Option<Notice> {
        self.mail.next().await
    }

    /// The next one, or `None` when the node has ended. Blocks.
    pub fn wait_next(&mut self) -> Option<Notice> {
        self.mail.wait_next(None).unwrap_or(None)
    }
}

/// Tells the driver that somebody watches no longer. It keeps no node running.
struct Watching(Weak<Post>);

impl Drop for Watching {
    fn drop(&mut self) {
        if let Some(post) = self.0.upgrade() {
            post.send(Message::Unwatch);
        }
    }
}

#[cfg(feature = "stream")]
impl futures_core::Stream for Notices {
    type Item = Notice;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Notice>> {
        self.mail.poll_next(cx)
    }
}

impl fmt::Debug for Notices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notices").field("lost", &self.mail.lost()).finish_non_exhaustive()
    }
}

/// Future of a look at the node: what was seen, or `None` when the node has ended.
#[must_use = "awaited or waited for, it says what was seen"]
pub struct Observation<R>(Consumer<R, ()>);

impl<R> Observation<R> {
    pub(super) fn new() -> (Self, ObservationReply<R>) {
        let mail = Mailbox::new(1);
        (Observation(mail.clone().into()), ObservationReply(mail))
    }

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

impl<R> fmt::Debug for Observation<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observation").field("ended", &self.0.end().is_some()).finish_non_exhaustive()
    }
}

/// The driver's side. Without an end, whoever asked a node that is gone would wait for ever.
pub(super) struct ObservationReply<R>(Arc<Mailbox<R, ()>>);

impl<R> ObservationReply<R> {
    pub(super) fn send(self, seen: R) {
        self.0.put(seen);
    }
}

impl<R> Drop for ObservationReply<R> {
    fn drop(&mut self) {
        self.0.finish(());
    }
}

/// Completes when the node has shut down and its sockets are closed. It need not be waited for.
pub struct Ended(Consumer<Infallible, ()>);

impl Ended {
    pub(super) fn new(ended: Arc<Mailbox<Infallible, ()>>) -> Self {
        Ended(ended.into())
    }

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

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ended").field("ended", &self.0.end().is_some()).finish_non_exhaustive()
    }
}
