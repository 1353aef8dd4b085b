//! A running operation, seen by whoever started it.

use std::boxed::Box;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time;
use std::vec::Vec;

use crate::adapters::mailbox::{Consumer, Late, Mailbox};
use crate::adapters::message::{End, Message, OperationEnd, Post, WaitingCommand};
use crate::adapters::operation_error::OperationError;
use crate::adapters::permits::Permits;
use crate::adapters::results::{Finished, FromEvent};
use crate::base::time::Duration;
use crate::dht::outcome::Outcome;

/// A running operation: a stream of results and one end.
///
/// A task awaits it, or each of its results ([`next`](Operation::next), or `futures_core::Stream` with feature
/// `stream`); a thread waits ([`wait`](Operation::wait), [`wait_next`](Operation::wait_next)). Dropping it cancels the
/// operation.
#[must_use = "dropping an operation cancels it"]
pub struct Operation<T: FromEvent> {
    mail: Consumer<T, End>,
    tag: u64,
    /// The number of the handle.
    source: u64,
    post: Arc<Post>,
    taken: Vec<T>,
    judge: Judge,
    /// The command itself, if the queue in front of the node had no place for it, until somebody awaits it.
    unsent: Option<Box<Unsent>>,
    is_cancelled: AtomicBool,
}

/// Why an operation that went like this has failed, if it has.
pub(super) type Judge = fn(&Outcome) -> Option<OperationError>;

/// A command without a place in the queue.
pub(super) struct Unsent {
    pub command: WaitingCommand,
    pub permits: Arc<Permits>,
    /// Says when the node has ended, of which the command hears nothing.
    pub ended: Arc<Mailbox<Infallible, ()>>,
}

impl<T: FromEvent> Operation<T> {
    pub(super) fn new(
        mail: Arc<Mailbox<T, End>>,
        (tag, source): (u64, u64),
        post: Arc<Post>,
        judge: Judge,
        unsent: Option<Box<Unsent>>,
    ) -> Self {
        let is_cancelled = AtomicBool::new(false);
        Operation { mail: mail.into(), tag, source, post, taken: Vec::new(), judge, unsent, is_cancelled }
    }

    /// The next result, or `None` when the operation has ended.
    pub async fn next(&mut self) -> Option<T> {
        self.send();
        self.mail.next().await
    }

    /// The next result, or `None` when the operation has ended. Blocks.
    pub fn wait_next(&mut self) -> Option<T> {
        self.send();
        self.mail.wait_next(None).unwrap_or(None)
    }

    /// Everything, at the end. Blocks; the node ends each operation at its own deadline.
    ///
    /// # Errors
    /// When the node did not accept the command or was shut down; when nobody confirmed what was to be stored, or
    /// nobody answered a bootstrap.
    pub fn wait(self) -> Result<Finished<T>, OperationError> {
        self.wait_until(None)
    }

    /// Everything, at the end, if it comes within `limit`; else the operation is cancelled. Blocks.
    ///
    /// # Errors
    /// Those of [`wait`](Operation::wait), and [`OperationError::Late`].
    pub fn wait_for(self, limit: Duration) -> Result<Finished<T>, OperationError> {
        self.wait_until(time::Instant::now().checked_add(limit))
    }

    /// How it went, once it has ended. To look at it is not to wait for it: it starts no operation that has found the
    /// queue full.
    ///
    /// # Errors
    /// Those of [`wait`](Operation::wait).
    #[must_use]
    pub fn outcome(&self) -> Option<Result<Outcome, OperationError>> {
        let is_lost = || self.unsent.as_ref().is_some_and(|unsent| unsent.ended.end().is_some());
        let end = self.mail.end().or_else(|| is_lost().then_some(Err(OperationError::Stopped)));
        end.map(|end| self.judged(end).map(|end| end.outcome))
    }

    /// Results lost so far because nobody took them.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.mail.lost()
    }

    /// Ends the operation early; its outcome says so.
    pub fn cancel(&self) {
        if self.unsent.is_some() {
            self.mail.finish(Ok(OperationEnd::of_cancelled()));
        } else if self.mail.end().is_none() && !self.is_cancelled.swap(true, Ordering::Relaxed) {
            self.post.send(Message::Cancel { tag: self.tag, source: self.source });
        }
    }

    /// Somebody awaits it: a command that the queue had no place for enters it now, unless it was cancelled.
    fn send(&mut self) {
        let Some(unsent) = self.unsent.take() else { return };
        if self.mail.end().is_none() {
            let Unsent { command, permits, .. } = *unsent;
            self.post.send(Message::Run { command, permit: permits.insist() });
        }
    }

    fn wait_until(mut self, deadline: Option<time::Instant>) -> Result<Finished<T>, OperationError> {
        self.send();
        while let Some(result) = self.mail.wait_next(deadline).map_err(|Late| OperationError::Late)? {
            self.taken.push(result);
        }
        self.finished()
    }

    fn finished(&mut self) -> Result<Finished<T>, OperationError> {
        let end = self.mail.end().unwrap_or(Err(OperationError::Stopped));
        let OperationEnd { outcome, response } = self.judged(end)?;
        Ok(Finished { results: std::mem::take(&mut self.taken), outcome, response, lost: self.mail.lost() })
    }

    fn judged(&self, end: End) -> End {
        end.and_then(|end| (self.judge)(&end.outcome).map_or(Ok(end), Err))
    }
}

impl<T: FromEvent + Unpin> Future for Operation<T> {
    type Output = Result<Finished<T>, OperationError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.send();
        while let Some(result) = ready!(self.mail.poll_next(cx)) {
            self.taken.push(result);
        }
        Poll::Ready(self.finished())
    }
}

#[cfg(feature = "stream")]
impl<T: FromEvent + Unpin> futures_core::Stream for Operation<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.send();
        self.mail.poll_next(cx)
    }
}

impl<T: FromEvent> Drop for Operation<T> {
    fn drop(&mut self) {
        self.cancel();
    }
}

impl<T: FromEvent> fmt::Debug for Operation<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (tag, outcome, lost) = (&self.tag, &self.outcome(), &self.lost());
        let mut shown = f.debug_struct("Operation");
        shown.field("tag", tag).field("outcome", outcome).field("lost", lost).finish_non_exhaustive()
    }
}
