//! A running operation, seen by whoever started it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time;
use std::vec::Vec;

use crate::adapters::mailbox::{Consumer, Late, Mailbox};
use crate::adapters::message::{End, Message, Post};
use crate::adapters::results::{Finished, FromEvent, OperationError};
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
}

impl<T: FromEvent> Operation<T> {
    pub(super) fn new(mail: Arc<Mailbox<T, End>>, tag: u64, post: Arc<Post>) -> Self {
        Operation { mail: mail.into(), tag, post, taken: Vec::new() }
    }

    /// The next result, or `None` when the operation has ended.
    pub async fn next(&mut self) -> Option<T> {
        self.mail.next().await
    }

    /// The next result, or `None` when the operation has ended. Blocks.
    pub fn wait_next(&mut self) -> Option<T> {
        self.mail.wait_next(None).unwrap_or(None)
    }

    /// Everything, at the end. Blocks; the node ends each operation at its own deadline.
    ///
    /// # Errors
    /// When the node did not accept the command or was shut down.
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
        self.mail.end()
    }

    /// Results lost so far because nobody took them.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.mail.lost()
    }

    /// Ends the operation early; its outcome says so.
    pub fn cancel(&self) {
        self.post.send(Message::Cancel { tag: self.tag });
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

#[cfg(feature = "stream")]
impl<T: FromEvent> futures_core::Stream for Operation<T> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.mail.poll_next(cx)
    }
}

impl<T: FromEvent> Drop for Operation<T> {
    fn drop(&mut self) {
        if self.mail.end().is_none() {
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
