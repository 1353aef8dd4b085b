//! A running operation, seen by whoever started it.

use std::boxed::Box;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time;
use std::vec::Vec;

use crate::adapters::mailbox::{Consumer, Late, Mailbox};
use crate::adapters::message::{End, Message, OperationEnd, Post, WaitingCommand};
use crate::adapters::operation_error::OperationError;
use crate::adapters::permits::{Permit, PermitWish};
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
    post: Arc<Post>,
    taken: Vec<T>,
    judge: Judge,
    /// The command itself, while the queue in front of the node has no place for it.
    unsent: Option<Unsent>,
}

/// Why an operation that went like this has failed, if it has.
pub(super) type Judge = fn(&Outcome) -> Option<OperationError>;

/// Makes a command, once it has a place in the queue.
pub(super) type MakeCommand = Box<dyn FnOnce(Permit) -> WaitingCommand + Send>;

/// A command without a place in the queue.
pub(super) struct Unsent {
    pub wish: PermitWish,
    pub make: MakeCommand,
}

impl<T: FromEvent> Operation<T> {
    pub(super) fn new(
        mail: Arc<Mailbox<T, End>>,
        tag: u64,
        post: Arc<Post>,
        judge: Judge,
        unsent: Option<Unsent>,
    ) -> Self {
        Operation { mail: mail.into(), tag, post, taken: Vec::new(), judge, unsent }
    }

    /// The next result, or `None` when the operation has ended.
    pub async fn next(&mut self) -> Option<T> {
        poll_fn(|cx| self.poll_send(cx)).await;
        self.mail.next().await
    }

    /// The next result, or `None` when the operation has ended. Blocks.
    pub fn wait_next(&mut self) -> Option<T> {
        self.send_until(None).ok()?;
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

    /// How it went, once it has ended.
    ///
    /// # Errors
    /// When the node did not accept the command or was shut down.
    #[must_use]
    pub fn outcome(&self) -> Option<Result<Outcome, OperationError>> {
        self.mail.end().map(|end| self.judged(end).map(|end| end.outcome))
    }

    /// Results lost so far because nobody took them.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.mail.lost()
    }

    /// Ends the operation early; its outcome says so.
    ///
    /// One that still waits for a place in the queue is not cancelled by this, but by dropping it.
    pub fn cancel(&self) {
        self.post.send(Message::Cancel { tag: self.tag });
    }

    /// Sends the command as soon as the queue has a place for it.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(unsent) = &self.unsent {
            let permit = ready!(unsent.wish.poll(cx));
            self.send(permit);
        }
        Poll::Ready(())
    }

    fn send_until(&mut self, deadline: Option<time::Instant>) -> Result<(), OperationError> {
        if let Some(unsent) = &self.unsent {
            let permit = unsent.wish.wait(deadline).ok_or(OperationError::Late)?;
            self.send(permit);
        }
        Ok(())
    }

    fn send(&mut self, permit: Permit) {
        if let Some(Unsent { make, .. }) = self.unsent.take() {
            self.post.send(Message::Run(make(permit)));
        }
    }

    fn wait_until(mut self, deadline: Option<time::Instant>) -> Result<Finished<T>, OperationError> {
        self.send_until(deadline)?;
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
        ready!(self.poll_send(cx));
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
        ready!(self.poll_send(cx));
        self.mail.poll_next(cx)
    }
}

impl<T: FromEvent> Drop for Operation<T> {
    fn drop(&mut self) {
        if self.unsent.is_none() && self.mail.end().is_none() {
            self.cancel();
        }
    }
}

impl<T: FromEvent> fmt::Debug for Operation<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (tag, outcome, lost) = (&self.tag, &self.outcome(), &self.lost());
        let mut shown = f.debug_struct("Operation");
        shown.field("tag", tag).field("outcome", outcome).field("lost", lost).finish_non_exhaustive()
    }
}
