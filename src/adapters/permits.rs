//! How many commands are in a queue or on their way to it.
//!
//! Of those that nobody awaits there are so many at most. One that somebody awaits always has a place: its caller holds
//! an operation for it, and waits. So nobody stands in line for a place, and none is kept for one who does not come.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// So many places.
#[derive(Debug)]
pub(super) struct Permits {
    taken: AtomicUsize,
    places: usize,
}

/// A place. Dropped, it is given back.
#[derive(Debug)]
pub(super) struct Permit(Arc<Permits>);

impl Permits {
    pub(super) fn new(places: usize) -> Arc<Self> {
        Arc::new(Permits { taken: AtomicUsize::new(0), places })
    }

    /// A place, if one is free.
    pub(super) fn ask(self: &Arc<Self>) -> Option<Permit> {
        let one_more = |taken| (taken < self.places).then_some(taken + 1);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(Permit(self.clone()))
    }

    /// A place for what somebody awaits; it may be one past those that there are.
    pub(super) fn insist(self: &Arc<Self>) -> Permit {
        self.taken.fetch_add(1, Ordering::Relaxed);
        Permit(self.clone())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule L35.
    #[test]
    fn there_are_as_many_places_as_were_made_and_one_more_for_each_who_waits() {
        let permits = Permits::new(2);
        let (one, two) = (permits.ask().unwrap(), permits.ask().unwrap());
        assert!(permits.ask().is_none());
        let awaited = permits.insist();
        drop(one);
        assert!(permits.ask().is_none(), "two are taken still");
        drop(two);
        let three = permits.ask().unwrap();
        assert!(permits.ask().is_none());
        drop((awaited, three));
        assert!([permits.ask(), permits.ask()].iter().all(Option::is_some));
    }
}
