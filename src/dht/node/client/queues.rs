//! Who is next: operations stand in lines, and what is scarce is handed out behind the one served last.
//!
//! An operation stands in one line at most, and moves from one to the next in constant time. None is ever overtaken
//! twice by the same one, so none waits for ever while others are served.

use crate::base::slab::{Slab, SlabKey};

/// The end of a line.
const NONE: u16 = u16::MAX;

/// A line that an operation may stand in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Queue {
    /// It may have something to do at this drain.
    Ready,
    /// It waits for a free transaction.
    Blocked,
    /// It waits for the budget of unverified nodes.
    Held,
    /// It waits with its first query.
    New,
}

const QUEUES: usize = 4;

/// Where one operation stands.
#[derive(Clone, Copy, Debug)]
pub struct QueuePlace {
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

impl QueuePlace {
    /// Whether it stands in a line.
    pub(super) fn is_in(&self, queue: Queue) -> bool {
        self.queue == Some(queue)
    }
}

/// What stands in lines.
pub(super) trait Queued {
    /// Where it stands.
    fn place_mut(&mut self) -> &mut QueuePlace;
}

/// First and last of a line, and how many stand in it.
#[derive(Clone, Copy, Debug)]
struct Line {
    first: u16,
    last: u16,
    len: u16,
}

/// The lines, by the numbers of the operations.
#[derive(Debug)]
pub(super) struct Queues([Line; QUEUES]);

impl Default for Queues {
    fn default() -> Self {
        Queues([Line { first: NONE, last: NONE, len: 0 }; QUEUES])
    }
}

impl Queues {
    /// The first of a line.
    #[inline]
    pub(super) fn first(&self, queue: Queue) -> Option<u16> {
        Some(self.0[queue as usize].first).filter(|&first| first != NONE)
    }

    /// How many stand in a line.
    pub(super) fn len(&self, queue: Queue) -> usize {
        self.0[queue as usize].len.into()
    }

    /// Recounts each line.
    #[cfg(any(test, debug_assertions))]
    pub(super) fn check_invariants(&self, slab: &Slab<'_, impl Queued>, place: impl Fn(u16) -> Option<QueuePlace>) {
        for line in &self.0 {
            let (mut len, mut last, mut next) = (0, NONE, line.first);
            while let Some(at) = place(next) {
                assert_eq!(at.before, last, "a line is the same from both ends");
                (len, last, next) = (len + 1, next, at.behind);
                assert!(usize::from(len) <= slab.capacity(), "a line ends");
            }
            assert_eq!((line.len, line.last, next), (len, last, NONE));
        }
    }

    /// Puts an operation at the end of a line, unless it stands there already.
    pub(super) fn join(&mut self, slab: &mut Slab<'_, impl Queued>, key: SlabKey, queue: Queue) {
        let Some(turn) = slab.get_mut(key).map(Queued::place_mut) else { return };
        if turn.is_in(queue) {
            return;
        }
        self.leave(slab, key);
        let line = &mut self.0[queue as usize];
        line.len += 1;
        let before = core::mem::replace(&mut line.last, key.index);
        match at(slab, before) {
            Some(turn) => turn.behind = key.index,
            None => line.first = key.index,
        }
        if let Some(turn) = at(slab, key.index) {
            *turn = QueuePlace { queue: Some(queue), before, behind: NONE };
        }
    }

    /// Takes an operation out of its line, if it stands in one.
    pub(super) fn leave(&mut self, slab: &mut Slab<'_, impl Queued>, key: SlabKey) {
        let Some(turn) = slab.get_mut(key).map(Queued::place_mut) else { return };
        let QueuePlace { queue: Some(queue), before, behind } = core::mem::take(turn) else { return };
        let line = &mut self.0[queue as usize];
        line.len -= 1;
        match at(slab, before) {
            Some(turn) => turn.behind = behind,
            None => line.first = behind,
        }
        match at(slab, behind) {
            Some(turn) => turn.before = before,
            None => line.last = before,
        }
    }
}

fn at<'a>(slab: &'a mut Slab<'_, impl Queued>, index: u16) -> Option<&'a mut QueuePlace> {
    let key = slab.key_at(index)?;
    slab.get_mut(key).map(Queued::place_mut)
}
