//! A mailbox: what a driver leaves for one consumer, and how it ends.
//!
//! Model: a bounded queue of results and one end. Whoever fills it never waits: when the queue is full the newest
//! result is lost and counted, while the end always fits, and the first one holds. The consumer takes the results in
//! order and then sees the end; it may block a thread or await, since a mailbox wakes both. No channel that is to be
//! had counts what it loses, keeps a place for the end, and wakes both kinds.
//!
//! Tasks wait as a [`Consumer`], each in a place of its own that goes with it: a waker keeps its whole task, and an end
//! that many wait for may be far away.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;
use std::vec::Vec;

/// A bounded queue of results of type `T` with one end of type `E`.
#[derive(Debug)]
pub(super) struct Mailbox<T, E> {
    state: Mutex<MailboxState<T, E>>,
    arrived: Condvar,
    capacity: usize,
}

#[derive(Debug)]
struct MailboxState<T, E> {
    results: VecDeque<T>,
    lost: u64,
    end: Option<E>,
    /// By the number of the consumer. Usually one; several tasks may wait for the same end.
    wakers: Vec<(u64, Waker)>,
    next_consumer: u64,
}

/// The deadline of a blocking wait passed before anything arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Late;

impl<T, E: Clone> Mailbox<T, E> {
    /// An empty mailbox for `capacity` results, at least one.
    pub fn new(capacity: usize) -> Arc<Self> {
        let state = MailboxState { results: VecDeque::new(), lost: 0, end: None, wakers: Vec::new(), next_consumer: 0 };
        Arc::new(Mailbox { state: Mutex::new(state), arrived: Condvar::new(), capacity: capacity.max(1) })
    }

    /// Leaves a result; without room, or after the end, it is lost and counted.
    pub fn put(&self, result: T) {
        let mut state = self.lock();
        if state.results.len() >= self.capacity || state.end.is_some() {
            state.lost += 1;
            return;
        }
        state.results.push_back(result);
        self.wake(state);
    }

    /// Ends the mailbox. The first end holds.
    pub fn finish(&self, end: E) {
        let mut state = self.lock();
        if state.end.is_none() {
            state.end = Some(end);
            self.wake(state);
        }
    }

    fn poll_next(&self, consumer: u64, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let waker = cx.waker().clone();
        let mut state = self.lock();
        if let Some(result) = state.results.pop_front() {
            return Poll::Ready(Some(result));
        }
        if state.end.is_some() {
            return Poll::Ready(None);
        }
        let before = state.take_waker(consumer);
        state.wakers.push((consumer, waker));
        // What a waker takes with it must not find the lock held.
        drop(state);
        drop(before);
        Poll::Pending
    }

    /// The next result, or `None` after the last one. Blocks the thread, until `deadline` if there is one.
    pub fn wait_next(&self, deadline: Option<Instant>) -> Result<Option<T>, Late> {
        let mut state = self.lock();
        loop {
            if let Some(result) = state.results.pop_front() {
                return Ok(Some(result));
            }
            if state.end.is_some() {
                return Ok(None);
            }
            state = match deadline.map(|at| at.saturating_duration_since(Instant::now())) {
                None => self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) if left.is_zero() => return Err(Late),
                Some(left) => self.arrived.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
    }

    /// The end, once it is there.
    pub fn end(&self) -> Option<E> {
        self.lock().end.clone()
    }

    /// Results that were lost because the consumer was slow.
    pub fn lost(&self) -> u64 {
        self.lock().lost
    }

    fn wake(&self, mut state: MutexGuard<'_, MailboxState<T, E>>) {
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        self.arrived.notify_all();
        let mut wakers = Wakers(wakers.into_iter());
        wakers.by_ref().for_each(Waker::wake);
    }
}

/// Those who are to be woken. Should one of them panic, which is its own affair, the others are woken all the same.
struct Wakers(std::vec::IntoIter<(u64, Waker)>);

impl Iterator for Wakers {
    type Item = Waker;

    fn next(&mut self) -> Option<Waker> {
        self.0.next().map(|(_, waker)| waker)
    }
}

impl Drop for Wakers {
    fn drop(&mut self) {
        for waker in self.by_ref() {
            // A second panic while one goes on would end the program.
            let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
        }
    }
}

impl<T, E> Mailbox<T, E> {
    fn enter(&self) -> u64 {
        let mut state = self.lock();
        state.next_consumer += 1;
        state.next_consumer
    }

    /// Nobody waits under this number any more.
    fn leave(&self, consumer: u64) {
        let waker = self.lock().take_waker(consumer);
        drop(waker);
    }

    fn lock(&self) -> MutexGuard<'_, MailboxState<T, E>> {
        // Nothing here panics while it holds the lock, and every state in between is a valid one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T, E> MailboxState<T, E> {
    fn take_waker(&mut self, consumer: u64) -> Option<Waker> {
        let at = self.wakers.iter().position(|(number, _)| *number == consumer)?;
        Some(self.wakers.swap_remove(at).1)
    }
}

/// One who takes from a mailbox. Dropped, it waits no longer, and nothing of its task stays.
#[derive(Debug)]
pub(super) struct Consumer<T, E> {
    mail: Arc<Mailbox<T, E>>,
    number: u64,
}

impl<T, E: Clone> Consumer<T, E> {
    /// The next result, or `None` after the last one. Waits for it as a task does.
    pub fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.mail.poll_next(self.number, cx)
    }

    /// The same as a future, which waits no longer when it is dropped.
    pub fn next(&mut self) -> impl Future<Output = Option<T>> {
        let waiting = Consumer::from(self.mail.clone());
        poll_fn(move |cx| waiting.poll_next(cx))
    }
}

impl<T, E> From<Arc<Mailbox<T, E>>> for Consumer<T, E> {
    fn from(mail: Arc<Mailbox<T, E>>) -> Self {
        let number = mail.enter();
        Consumer { mail, number }
    }
}

impl<T, E> Deref for Consumer<T, E> {
    type Target = Mailbox<T, E>;

    fn deref(&self) -> &Mailbox<T, E> {
        &self.mail
    }
}

impl<T, E> Drop for Consumer<T, E> {
    fn drop(&mut self) {
        self.mail.leave(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Wake;
    use std::thread;
    use std::time::Duration;

    #[test]
    fn results_come_in_order_and_then_the_end() {
        let mail = Mailbox::new(8);
        mail.put(1);
        mail.put(2);
        mail.finish("done");
        mail.finish("again");
        assert_eq!(mail.wait_next(None), Ok(Some(1)));
        assert_eq!(mail.wait_next(None), Ok(Some(2)));
        assert_eq!(mail.wait_next(None), Ok(None));
        assert_eq!((mail.end(), mail.lost()), (Some("done"), 0));
    }

    #[test]
    fn a_slow_consumer_loses_the_newest_results_but_never_the_end() {
        let mail = Mailbox::new(2);
        (0..5).for_each(|i| mail.put(i));
        mail.finish(());
        assert_eq!(mail.lost(), 3);
        assert_eq!(mail.wait_next(None), Ok(Some(0)));
        assert_eq!(mail.wait_next(None), Ok(Some(1)));
        assert_eq!(mail.wait_next(None), Ok(None));
    }

    #[test]
    fn a_wait_ends_at_its_deadline() {
        let mail: Arc<Mailbox<(), ()>> = Mailbox::new(1);
        assert_eq!(mail.wait_next(Some(Instant::now() + Duration::from_millis(1))), Err(Late));
    }

    #[test]
    fn another_thread_wakes_a_waiting_one() {
        let mail = Mailbox::new(1);
        let sender = mail.clone();
        let thread = thread::spawn(move || sender.put(7));
        assert_eq!(mail.wait_next(None), Ok(Some(7)));
        mail.finish(());
        thread.join().unwrap();
    }

    #[test]
    fn a_waiting_task_is_woken() {
        let mail: Arc<Mailbox<u8, ()>> = Mailbox::new(1);
        let consumer = Consumer::from(mail.clone());
        let task = Arc::new(Task::default());
        let waker = Waker::from(task.clone());
        let mut cx = Context::from_waker(&waker);
        assert_eq!(consumer.poll_next(&mut cx), Poll::Pending);
        mail.put(3);
        assert_eq!(task.0.load(Ordering::Relaxed), 1);
        assert_eq!(consumer.poll_next(&mut cx), Poll::Ready(Some(3)));
        mail.finish(());
        assert_eq!(consumer.poll_next(&mut cx), Poll::Ready(None));
    }

    #[derive(Default)]
    struct Task(AtomicU32);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The panic goes on where it came from, once everybody behind was woken.
    #[test]
    fn a_waker_that_panics_takes_nobodys_wake_up() {
        struct Panics;
        impl Wake for Panics {
            fn wake(self: Arc<Self>) {
                panic!("a waker");
            }
        }
        let mail: Arc<Mailbox<u8, ()>> = Mailbox::new(1);
        let sound = [(); 3].map(|()| Arc::new(Task::default()));
        let [first, second, third] = sound.clone().map(Waker::from);
        let [bad, worse] = [(); 2].map(|()| Waker::from(Arc::new(Panics)));
        let consumers = [first, bad, second, worse, third].map(|waker| {
            let consumer = Consumer::from(mail.clone());
            assert!(consumer.poll_next(&mut Context::from_waker(&waker)).is_pending());
            consumer
        });
        assert!(catch_unwind(AssertUnwindSafe(|| mail.finish(()))).is_err());
        assert_eq!(sound.map(|task| task.0.load(Ordering::Relaxed)), [1, 1, 1]);
        assert_eq!((mail.end(), consumers.len()), (Some(()), 5));
    }

    /// Rule B7.
    #[test]
    fn whoever_waits_no_longer_leaves_nothing_behind() {
        let mail: Arc<Mailbox<u8, ()>> = Mailbox::new(1);
        let task = Arc::new(Task::default());
        let waker = Waker::from(task.clone());
        let mut cx = Context::from_waker(&waker);
        for _ in 0..3 {
            let mut consumer = Consumer::from(mail.clone());
            for _ in 0..3 {
                assert!(consumer.poll_next(&mut cx).is_pending());
                // The branch of a `select!` that was not taken.
                assert!(pin!(consumer.next()).poll(&mut cx).is_pending());
            }
            assert_eq!(mail.lock().wakers.len(), 1, "one place for one consumer");
        }
        assert!(mail.lock().wakers.is_empty());
        drop(waker);
        assert_eq!(Arc::strong_count(&task), 1);
    }
}
