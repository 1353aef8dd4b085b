//! Places in a queue of limited length, for those who want to stand in it.
//!
//! Whoever finds no place waits for one, a thread or a task, in the order of coming. A place that is given back goes to
//! the first who waits; one who waits no longer leaves nothing behind.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;
use std::vec::Vec;

/// So many places.
#[derive(Debug)]
pub(super) struct Permits {
    state: Mutex<PermitsState>,
    granted: Condvar,
}

#[derive(Debug)]
struct PermitsState {
    free: usize,
    /// Those who wait, by their numbers, the first first.
    waiting: VecDeque<(u64, Option<Waker>)>,
    /// Those who have a place and do not know it yet.
    granted: Vec<u64>,
    next: u64,
}

/// A place. Dropped, it is given back.
#[derive(Debug)]
pub(super) struct Permit(Arc<Permits>);

/// The wish for a place. Dropped, it is given up.
#[derive(Debug)]
pub(super) struct PermitWish {
    permits: Arc<Permits>,
    number: u64,
}

impl Permits {
    pub(super) fn new(places: usize) -> Arc<Self> {
        let state = PermitsState { free: places, waiting: VecDeque::new(), granted: Vec::new(), next: 0 };
        Arc::new(Permits { state: Mutex::new(state), granted: Condvar::new() })
    }

    /// A place, if one is free and nobody waits; otherwise the wish for one.
    pub(super) fn ask(self: &Arc<Self>) -> Result<Permit, PermitWish> {
        let mut state = self.lock();
        if state.free > 0 && state.waiting.is_empty() {
            state.free -= 1;
            return Ok(Permit(self.clone()));
        }
        state.next += 1;
        let number = state.next;
        state.waiting.push_back((number, None));
        Err(PermitWish { permits: self.clone(), number })
    }

    fn give_back(&self) {
        let mut state = self.lock();
        let Some((number, waker)) = state.waiting.pop_front() else {
            state.free += 1;
            return;
        };
        state.granted.push(number);
        drop(state);
        self.granted.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, PermitsState> {
        // Nothing panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PermitWish {
    /// The place, once it is granted. Waits for it as a task does.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<Permit> {
        let mut state = self.permits.lock();
        if state.take(self.number) {
            return Poll::Ready(Permit(self.permits.clone()));
        }
        let own = state.waiting.iter_mut().find(|(number, _)| *number == self.number);
        let before = own.and_then(|(_, waker)| waker.replace(cx.waker().clone()));
        // What a waker takes with it must not find the lock held.
        drop(state);
        drop(before);
        Poll::Pending
    }

    /// The place, if it is granted before the deadline. Blocks the thread.
    pub(super) fn wait(&self, deadline: Option<Instant>) -> Option<Permit> {
        let mut state = self.permits.lock();
        while !state.take(self.number) {
            let granted = &self.permits.granted;
            state = match deadline.map(|at| at.saturating_duration_since(Instant::now())) {
                None => granted.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) if left.is_zero() => return None,
                Some(left) => granted.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
        Some(Permit(self.permits.clone()))
    }
}

impl PermitsState {
    /// Whether this one was granted a place; it knows now.
    fn take(&mut self, number: u64) -> bool {
        let place = self.granted.iter().position(|granted| *granted == number);
        place.map(|place| self.granted.swap_remove(place)).is_some()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

impl Drop for PermitWish {
    fn drop(&mut self) {
        let mut state = self.permits.lock();
        let granted = state.take(self.number);
        let place = state.waiting.iter().position(|(number, _)| *number == self.number);
        let waiting = place.and_then(|place| state.waiting.remove(place));
        drop(state);
        drop(waiting);
        if granted {
            self.permits.give_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use std::time::Duration;

    #[test]
    fn there_are_as_many_places_as_were_made_and_not_one_more() {
        let permits = Permits::new(2);
        let (one, two) = (permits.ask().unwrap(), permits.ask().unwrap());
        let wish = permits.ask().unwrap_err();
        assert!(wish.wait(Some(Instant::now())).is_none());
        drop(one);
        assert!(wish.wait(None).is_some());
        drop((wish, two));
        assert!(permits.ask().is_ok() && permits.ask().is_ok());
    }

    #[test]
    fn places_are_granted_in_the_order_of_coming() {
        let permits = Permits::new(1);
        let held = permits.ask().unwrap();
        let (first, second) = (permits.ask().unwrap_err(), permits.ask().unwrap_err());
        drop(held);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(second.poll(&mut cx).is_pending());
        assert!(permits.ask().is_err(), "nobody overtakes those who wait");
        let Poll::Ready(place) = first.poll(&mut cx) else { panic!("it is the first") };
        drop(place);
        assert!(second.poll(&mut cx).is_ready());
    }

    #[test]
    fn one_who_waits_no_longer_holds_nobody_up() {
        let permits = Permits::new(1);
        let held = permits.ask().unwrap();
        let wishes: Vec<_> = (0..3).map(|_| permits.ask().unwrap_err()).collect();
        let mut wishes = wishes.into_iter();
        let (granted, waiting, last) = (wishes.next().unwrap(), wishes.next().unwrap(), wishes.next().unwrap());
        drop(waiting);
        drop(held);
        // It was granted, and nobody ever asked it.
        drop(granted);
        assert!(last.wait(Some(Instant::now() + Duration::from_secs(10))).is_some());
    }

    #[test]
    fn a_thread_that_waits_is_woken() {
        let permits = Permits::new(1);
        let held = permits.ask().unwrap();
        let wish = permits.ask().unwrap_err();
        let thread = thread::spawn(move || wish.wait(None).is_some());
        drop(held);
        assert!(thread.join().unwrap());
    }
}
