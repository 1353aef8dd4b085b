//! Work that blocks, in a thread of its own, while the event loop goes on listening for signals.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;

use tokio::sync::oneshot;

use crate::cause::cause;
use crate::failed::Failed;

/// What the work gives, once it is done.
pub struct Working<T> {
    done: oneshot::Receiver<T>,
    refused: Option<String>,
}

/// Begins it. Where the system gives no thread, that is what comes of it.
pub fn work<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Working<T> {
    let (sender, done) = oneshot::channel();
    let body = move || drop(sender.send(work()));
    let started = thread::Builder::new().name("honeyguide-work".into()).spawn(body);
    let refused = started.err().map(|error| {
        format!("the system gives no thread ({}): end other programs, or raise the limit of processes", cause(&error))
    });
    Working { done, refused }
}

impl<T> Future for Working<T> {
    type Output = Result<T, Failed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.done).poll(cx).map(|done| {
            // Nobody sends any more: the thread was never there, or it panicked.
            done.map_err(|_| self.refused.take().unwrap_or_else(|| "internal error: a thread panicked".into()).into())
        })
    }
}
