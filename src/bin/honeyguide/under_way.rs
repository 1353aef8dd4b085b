//! An operation that is to end before it is over: it is cancelled, and how far it had come is told (rules U9 and U25).

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use honeyguide::Outcome;
use honeyguide::adapters::{Finished, FromEvent, Operation, OperationError};
use tokio::sync::Notify;

use crate::absence::answers;
use crate::count::count;
use crate::ending::Ending;
use crate::failed::Failed;

/// Between a command whose operation runs and whoever ends it.
#[derive(Default)]
pub struct UnderWay {
    is_there: AtomicBool,
    why: OnceLock<Ending>,
    end: Notify,
}

impl UnderWay {
    /// Asks the operation that is under way to end; whether there is one, of which the command has a last word then.
    pub fn end(&self, why: Ending) -> bool {
        let is_there = self.is_there.load(Ordering::Relaxed);
        if is_there {
            let _ = self.why.set(why);
            self.end.notify_one();
        }
        is_there
    }

    /// Waits for an operation to its end, whatever ends it.
    pub async fn wait<T: FromEvent + Unpin>(&self, mut operation: Operation<T>) -> Result<Finished<T>, OperationError> {
        self.is_there.store(true, Ordering::Relaxed);
        let finished = tokio::select! {
            biased;
            finished = &mut operation => finished,
            () = self.end.notified() => {
                operation.cancel();
                operation.await
            }
        };
        self.is_there.store(false, Ordering::Relaxed);
        finished
    }

    /// The next result of an operation that is to be waited for after the last one.
    pub async fn next<T: FromEvent>(&self, operation: &mut Operation<T>) -> Option<T> {
        self.is_there.store(true, Ordering::Relaxed);
        loop {
            tokio::select! {
                biased;
                result = operation.next() => return result,
                () = self.end.notified() => operation.cancel(),
            }
        }
    }

    /// What is said of a search that was to end before it was over; what it had found stands before that.
    pub fn ended(&self, outcome: &Outcome) -> Option<Failed> {
        let why = Failed::from(*self.why.get()?).sentence;
        Some(Failed::from(format!("{why}: {}", answers(outcome))).with(outcome))
    }

    /// The same of a store.
    pub fn ended_store(&self, outcome: &Outcome) -> Option<Failed> {
        let why = Failed::from(*self.why.get()?).sentence;
        let far = match outcome.stored.all {
            0 => "no node has confirmed it, though some may have stored it".into(),
            1 => "1 node has stored it already, so it may be found".into(),
            n => format!("{} have stored it already, so it may be found", count(n, "node")),
        };
        Some(Failed::from(format!("{why}: {far}")).with(outcome))
    }
}
