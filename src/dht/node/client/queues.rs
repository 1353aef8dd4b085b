//! Who is next: operations stand in lines, and what is scarce is handed out behind the one served last.
//!
//! An operation that may have something to do is ready, and besides it may stand in one line for what it lacks. It
//! moves from one line to the next in constant time, and keeps its place in line while it is looked at for another
//! reason. None is overtaken twice by the same one, so none waits for ever while others are served.

use crate::base::slab::{Slab, SlabKey};

/// The end of a line.
const NONE: u16 = u16::MAX;

/// A line that an operation may stand in: that of those that are ready, and one of the others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Queue {
    /// It may have something to do at this drain.
    Ready,
    /// It waits for a place among the queries in flight.
    Blocked,
    /// It waits for the budget of unverified nodes.
    Held,
    /// It waits with its first query.
    New,
    /// It asks one node at a time while others wait with their first query.
    Narrow,
}

const QUEUES: usize = 5;

/// Where one operation stands.
#[derive(Clone, Copy, Default, Debug)]
pub struct QueuePlaces {
    ready: QueuePlace,
    waiting: QueuePlace,
}

impl QueuePlaces {
    /// Whether it stands in a line.
    pub(super) fn are_in(&self, queue: Queue) -> bool {
        self.of(queue).queue == Some(queue)
    }

    /// Whether it stands in any line of those that wait.
    #[cfg(any(test, debug_assertions))]
    pub(super) fn wait(&self) -> bool {
        self.waiting.queue.is_some()
    }

    fn of(&self, queue: Queue) -> &QueuePlace {
        if queue == Queue::Ready { &self.ready } else { &self.waiting }
    }

    fn of_mut(&mut self, queue: Queue) -> &mut QueuePlace {
        if queue == Queue::Ready { &mut self.ready } else { &mut self.waiting }
    }
}

/// A place in one line.
#[derive(Clone, Copy, Debug)]
struct QueuePlace {
    queue: Option<Queue>,
    before: u16,
    behind: u16,
}

impl Default for QueuePlace {
    /// In no line.
    fn default() -> Self {
        QueuePlace { queue: None, before: NONE, behind: NONE }
    }
}

/// What stands in lines.
pub(super) trait Queued {
    /// Where it stands.
    fn places_mut(&mut self) -> &mut QueuePlaces;
}

/// First and last of a line.
#[derive(Clone, Copy, Debug)]
struct Line {
    first: u16,
    last: u16,
}

/// The lines, by the numbers of the operations.
#[derive(Debug)]
pub(super) struct Queues([Line; QUEUES]);

impl Default for Queues {
    fn default() -> Self {
        Queues([Line { first: NONE, last: NONE }; QUEUES])
    }
}

impl Queues {
    /// The first of a line.
    #[inline]
    pub(super) fn first(&self, queue: Queue) -> Option<u16> {
        Some(self.0[queue as usize].first).filter(|&first| first != NONE)
    }

    /// Recounts each line.
    #[cfg(any(test, debug_assertions))]
    pub(super) fn check_invariants(&self, slab: &Slab<'_, impl Queued>, places: impl Fn(u16) -> Option<QueuePlaces>) {
        for queue in [Queue::Ready, Queue::Blocked, Queue::Held, Queue::New, Queue::Narrow] {
            let line = &self.0[queue as usize];
            let (mut len, mut last, mut next) = (0, NONE, line.first);
            while let Some(at) = places(next).map(|places| *places.of(queue)) {
                assert_eq!((at.queue, at.before), (Some(queue), last), "a line is the same from both ends");
                (len, last, next) = (len + 1, next, at.behind);
                assert!(len <= slab.capacity(), "a line ends");
            }
            assert_eq!((line.last, next), (last, NONE));
        }
    }

    /// Puts an operation at the end of a line, unless it stands there already. It leaves the one that it waits in for
    /// another; who is ready keeps it.
    pub(super) fn join(&mut self, slab: &mut Slab<'_, impl Queued>, key: SlabKey, queue: Queue) {
        let Some(places) = slab.get_mut(key).map(Queued::places_mut) else { return };
        if places.are_in(queue) {
            return;
        }
        if let Some(other) = places.of(queue).queue {
            self.leave(slab, key, other);
        }
        let line = &mut self.0[queue as usize];
        let before = core::mem::replace(&mut line.last, key.index);
        match at(slab, before, queue) {
            Some(place) => place.behind = key.index,
            None => line.first = key.index,
        }
        if let Some(place) = at(slab, key.index, queue) {
            *place = QueuePlace { queue: Some(queue), before, behind: NONE };
        }
    }

    /// It is not ready any more.
    pub(super) fn rest(&mut self, slab: &mut Slab<'_, impl Queued>, key: SlabKey) {
        self.leave(slab, key, Queue::Ready);
    }

    /// It waits for nothing any more.
    pub(super) fn leave_line(&mut self, slab: &mut Slab<'_, impl Queued>, key: SlabKey) {
        let Some(places) = slab.get_mut(key).map(Queued::places_mut) else { return };
        if let Some(queue) = places.waiting.queue {
            self.leave(slab, key, queue);
        }
    }

    fn leave(&mut self, slab: &mut Slab<'_, impl Queued>, key: SlabKey, queue: Queue) {
        let Some(places) = slab.get_mut(key).map(Queued::places_mut).filter(|places| places.are_in(queue)) else {
            return;
        };
        let QueuePlace { before, behind, .. } = core::mem::take(places.of_mut(queue));
        let line = &mut self.0[queue as usize];
        match at(slab, before, queue) {
            Some(place) => place.behind = behind,
            None => line.first = behind,
        }
        match at(slab, behind, queue) {
            Some(place) => place.before = before,
            None => line.last = before,
        }
    }
}

fn at<'a>(slab: &'a mut Slab<'_, impl Queued>, index: u16, queue: Queue) -> Option<&'a mut QueuePlace> {
    let key = slab.key_at(index)?;
    slab.get_mut(key).map(|queued| queued.places_mut().of_mut(queue))
}
