//! What handles and a driver say to each other.
//!
//! Model: the node lives with its driver; handles send it messages and share nothing with it. Whoever waits for an
//! answer has a mailbox; the driver has the other end of it, and however it loses that, the mailbox ends.

use std::boxed::Box;
use std::convert::Infallible;
use std::sync::Arc;
use std::vec::Vec;

use crate::adapters::mailbox::Mailbox;
use crate::adapters::operation_error::OperationError;
use crate::adapters::permits::Permit;
use crate::adapters::results::{Answer, FromEvent, Notice};
use crate::dht::command::{Command, Scope};
use crate::dht::contact::SavedContact;
use crate::dht::error::CallError;
use crate::dht::event::{Event, KeepId, LinkId};
use crate::dht::node::Node;
use crate::dht::node::journal::Call;
use crate::dht::outcome::{Outcome, Reason};
use crate::dht::trace::TraceSink;

/// What the driver is told.
pub(super) enum Message {
    Run {
        command: WaitingCommand,
        permit: Permit,
    },
    /// Of each operation one at most, and only if its command was sent.
    Cancel {
        tag: u64,
        /// The number of the handle.
        source: u64,
    },
    Import {
        link: LinkId,
        contacts: Vec<SavedContact>,
        reply: CallReply,
    },
    /// A call that starts no operation.
    Call(CallStart),
    Observe(Box<dyn FnOnce(&Node<'static>) + Send>),
    Watch(Waiter),
    /// Somebody who watched is gone.
    Unwatch,
    Trace(TraceSink<'static>),
    Shutdown,
}

/// A command and who waits for what comes of it.
pub(super) struct WaitingCommand {
    pub tag: u64,
    /// The number of the handle.
    pub source: u64,
    pub scope: Scope,
    pub start: Start,
    pub waiter: Waiter,
}

/// Hears whether a call was accepted.
pub(super) type CallReply = Box<dyn FnOnce(Result<(), CallError>) + Send>;

/// What takes a command: the node, by way of its driver.
pub(super) type Submit<'a> = &'a mut dyn FnMut(Command<'_>) -> Result<(), CallError>;

/// Submits a command that borrows from what the closure owns, so that no second set of commands is needed.
pub(super) type Start = Box<dyn FnOnce(Submit<'_>) -> Result<(), CallError> + Send>;

/// What takes any other call: the node, by way of its driver. The handle is that of what begins to be kept.
pub(super) type SubmitCall<'a> = &'a mut dyn FnMut(Call<'_>) -> Result<Option<KeepId>, CallError>;

/// Makes a call that borrows from what the closure owns, and tells whoever waits what came of it.
pub(super) type CallStart = Box<dyn FnOnce(SubmitCall<'_>) + Send>;

/// How an operation ends for its consumer.
pub(super) type End = Result<OperationEnd, OperationError>;

/// How an operation went, and what the only node said where one alone was asked.
#[derive(Clone, Debug)]
pub(super) struct OperationEnd {
    pub outcome: Outcome,
    pub response: Option<Answer>,
}

impl OperationEnd {
    /// Of an operation that was cancelled before the node heard of it.
    pub(super) fn of_cancelled() -> Self {
        OperationEnd { outcome: Outcome { reason: Reason::Cancelled, ..Outcome::default() }, response: None }
    }
}

/// The driver's side of a mailbox. However it is lost, the consumer sees an end.
pub(super) struct Waiter(Arc<dyn Deliver>);

trait Deliver: Send + Sync {
    fn event(&self, event: &Event<'_>);
    fn notice(&self, notice: Notice);
    fn finish(&self, end: End);
}

impl<T: FromEvent> Deliver for Mailbox<T, End> {
    fn event(&self, event: &Event<'_>) {
        if let Some(result) = T::from_event(event) {
            self.put(result);
        }
    }

    fn notice(&self, notice: Notice) {
        if let Some(result) = T::from_notice(notice) {
            self.put(result);
        }
    }

    fn finish(&self, end: End) {
        Mailbox::finish(self, end);
    }
}

impl Waiter {
    pub(super) fn new<T: FromEvent>(mail: Arc<Mailbox<T, End>>) -> Self {
        Waiter(mail)
    }

    pub(super) fn event(&self, event: &Event<'_>) {
        self.0.event(event);
    }

    /// What the driver itself has to say.
    pub(super) fn notice(&self, notice: Notice) {
        self.0.notice(notice);
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

impl Lifetime {
    pub(super) fn new(ended: Arc<Mailbox<Infallible, ()>>) -> Self {
        Lifetime(ended)
    }
}

impl Drop for Lifetime {
    fn drop(&mut self) {
        self.0.finish(());
    }
}

/// How a message reaches the driver. When nobody can send one any more, the driver ends.
pub(super) struct Post(Box<dyn Fn(Message) + Send + Sync>);

impl Post {
    pub(super) fn new(post: impl Fn(Message) + Send + Sync + 'static) -> Self {
        Post(Box::new(post))
    }

    /// A driver that has ended drops the message, and with it the waiter inside.
    pub(super) fn send(&self, message: Message) {
        (self.0)(message);
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        self.send(Message::Shutdown);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::mailbox::Consumer;

    /// What watched and was dropped leaves its place.
    #[test]
    fn nobody_is_waited_for_who_has_gone() {
        let mailbox = Mailbox::<Notice, End>::new(1);
        let consumer = Consumer::from(mailbox.clone());
        let waiter = Waiter::new(mailbox);
        assert!(waiter.is_wanted());
        drop(consumer);
        assert!(!waiter.is_wanted());
    }
}
