//! A store that is to end before it is over: it is cancelled, and how far it had come is told (rule U25).

use std::convert::Infallible;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use honeyguide::Outcome;
use honeyguide::adapters::{Finished, Operation, OperationError};
use tokio::sync::Notify;

use crate::count::count;
use crate::ending::Ending;
use crate::failed::Failed;

/// Between the command that stores and whoever ends it.
#[derive(Default)]
pub struct Storing {
    is_under_way: AtomicBool,
    why: OnceLock<Ending>,
    end: Notify,
}

impl Storing {
    /// Asks the store that is under way to end; whether there is one, which has a last word then.
    pub fn end(&self, why: Ending) -> bool {
        let is_under_way = self.is_under_way.load(Ordering::Relaxed);
        if is_under_way {
            let _ = self.why.set(why);
            self.end.notify_one();
        }
        is_under_way
    }

    /// Waits for a store to its end, whatever ends it.
    pub async fn wait(&self, mut store: Operation<Infallible>) -> Result<Finished<Infallible>, OperationError> {
        self.is_under_way.store(true, Ordering::Relaxed);
        let stored = tokio::select! {
            biased;
            stored = &mut store => stored,
            () = self.end.notified() => {
                store.cancel();
                store.await
            }
        };
        self.is_under_way.store(false, Ordering::Relaxed);
        stored
    }

    /// What is said of a store that was to end before it was over.
    pub fn ended(&self, outcome: &Outcome) -> Option<Failed> {
        let why = Failed::from(*self.why.get()?).sentence;
        let far = match outcome.stored.all {
            0 => "no node has confirmed it, though some may have stored it".into(),
            1 => "1 node has stored it already, so it may be found".into(),
            n => format!("{} have stored it already, so it may be found", count(n, "node")),
        };
        Some(Failed::from(format!("{why}: {far}")).with(outcome))
    }
}
