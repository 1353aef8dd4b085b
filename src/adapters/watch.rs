//! What a handle gives out besides operations: news, looks at the node, and its end.

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::adapters::mailbox::Mailbox;
use crate::adapters::message::End;
use crate::adapters::results::Notice;

/// A stream of [`Notice`]s.
#[must_use = "awaited or waited for, it says what there is to know"]
pub struct Notices(Arc<Mailbox<Notice, End>>);

impl Notices {
    pub(super) fn new(mail: Arc<Mailbox<Notice, End>>) -> Self {
        Notices(mail)
    }

    /// The next one, or `None` when the node has ended.
    pub async fn next(&mut self) -> Option<Notice> {
        poll_fn(|cx| self.0.poll_next(cx)).await
    }

    /// The next one, or `None` when the node has ended. Blocks.
    pub fn wait_next(&mut self) -> Option<Notice> {
        self.0.wait_next(None).unwrap_or(None)
    }
}

#[cfg(feature = "stream")]
impl futures_core::Stream for Notices {
    type Item = Notice;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Notice>> {
        self.0.poll_next(cx)
    }
}

impl fmt::Debug for Notices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notices").field("lost", &self.0.lost()).finish_non_exhaustive()
    }
}

/// Future of a look at the node: what was seen, or `None` when the node has ended.
#[must_use = "awaited or waited for, it says what was seen"]
pub struct Observation<R>(Arc<Mailbox<R, ()>>);

impl<R> Observation<R> {
    pub(super) fn new() -> (Self, ObservationReply<R>) {
        let mail = Mailbox::new(1);
        (Observation(mail.clone()), ObservationReply(mail))
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
pub struct Ended(Arc<Mailbox<Infallible, ()>>);

impl Ended {
    pub(super) fn new(ended: Arc<Mailbox<Infallible, ()>>) -> Self {
        Ended(ended)
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
