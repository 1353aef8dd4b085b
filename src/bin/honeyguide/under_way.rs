//! An operation that is to end before it is over: it is cancelled, and how far it had come is told (rules U9 and U25).

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use honeyguide::Outcome;
use honeyguide::adapters::{Finished, FromEvent, Operation, OperationError};
use honeyguide::dht::Reason;
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
    /// Asks the operation that is under way to end, and all that come after it; whether there is one now, of which the
    /// command has a last word then.
    pub fn end(&self, why: Ending) -> bool {
        let _ = self.why.set(why);
        self.end.notify_one();
        self.is_there.load(Ordering::Relaxed)
    }

    /// Waits for an operation to its end, whatever ends it.
    pub async fn wait<T: FromEvent + Unpin>(&self, mut operation: Operation<T>) -> Result<Finished<T>, OperationError> {
        self.is_there.store(true, Ordering::Relaxed);
        if self.why.get().is_some() {
            operation.cancel();
        }
        let finished = tokio::select! {
            biased;
            finished = &mut operation => finished,
            () = self.end.notified() => {
                operation.cancel();
                operation.await
            }
        };
        self.is_there.store(false, Ordering::Relaxed);
        self.named(finished)
    }

    /// What was cancelled since its time was up ended at its deadline.
    fn named<T>(&self, finished: Result<Finished<T>, OperationError>) -> Result<Finished<T>, OperationError> {
        let mut finished = finished;
        let outcome = match &mut finished {
            Ok(finished) => Some(&mut finished.outcome),
            Err(OperationError::NotStored(outcome) | OperationError::Crowded(outcome)) => Some(&mut **outcome),
            Err(_) => None,
        };
        if let (Some(Ending::TimeUp(_)), Some(outcome)) = (self.why.get(), outcome)
            && outcome.reason == Reason::Cancelled
        {
            outcome.reason = Reason::Deadline;
        }
        finished
    }

    /// The next result of an operation that is to be waited for after the last one.
    pub async fn next<T: FromEvent>(&self, operation: &mut Operation<T>) -> Option<T> {
        self.is_there.store(true, Ordering::Relaxed);
        if self.why.get().is_some() {
            operation.cancel();
        }
        loop {
            tokio::select! {
                biased;
                result = operation.next() => return result,
                () = self.end.notified() => operation.cancel(),
            }
        }
    }

    /// Why an operation that did what it was started for is a failure all the same: the user wanted no more of it. That
    /// its time was up is its own end, as good as any.
    pub fn interrupted(&self, outcome: &Outcome) -> Option<Failed> {
        match self.why.get()? {
            Ending::Interrupted => Some(Failed::from(format!("interrupted: {}", answers(outcome))).with(outcome)),
            Ending::TimeUp(_) => None,
        }
    }

    /// What is said where a store was to end before it had begun.
    pub fn ended_before(&self, outcome: &Outcome) -> Option<Failed> {
        let why = Failed::from(*self.why.get()?).sentence;
        Some(Failed::from(format!("{why}: nothing was stored")).with(outcome))
    }

    /// The same of a store that did what it was started for.
    pub fn interrupted_store(&self, outcome: &Outcome) -> Option<Failed> {
        match self.why.get()? {
            Ending::Interrupted => self.ended_store(outcome),
            Ending::TimeUp(_) => None,
        }
    }

    /// What is said of a store that was to end before it was over.
    pub fn ended_store(&self, outcome: &Outcome) -> Option<Failed> {
        let why = Failed::from(*self.why.get()?).sentence;
        let far = match outcome.stored.all {
            0 if outcome.unconfirmed == 0 => "nothing was stored".into(),
            0 => "no node has confirmed it, though some may have stored it".into(),
            1 => "1 node has stored it already, so it may be found".into(),
            n => format!("{} have stored it already, so it may be found", count(n, "node")),
        };
        Some(Failed::from(format!("{why}: {far}")).with(outcome))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule U29.
    #[test]
    fn of_a_store_that_was_ended_it_is_said_whether_it_may_be_there() {
        let under_way = UnderWay::default();
        under_way.end(Ending::Interrupted);
        let told = |stored, unconfirmed| {
            let mut outcome = Outcome::default();
            (outcome.stored.all, outcome.unconfirmed) = (stored, unconfirmed);
            under_way.ended_store(&outcome).unwrap().sentence
        };
        assert_eq!(told(0, 0), "interrupted: nothing was stored");
        assert_eq!(told(0, 1), "interrupted: no node has confirmed it, though some may have stored it");
        assert_eq!(told(1, 1), "interrupted: 1 node has stored it already, so it may be found");
        assert_eq!(told(2, 0), "interrupted: 2 nodes have stored it already, so it may be found");
    }
}
