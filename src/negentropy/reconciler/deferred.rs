//! What an initiator has been told and has not answered yet (N26).
//!
//! ```text
//! message 4 of the partner     a b c d e f g h        our frame takes the answers to a and b: c to h are set aside
//! message 6, about a and b     i j k                  our frame takes the answers to i, j, k and c: d to h stay aside
//! ```
//!
//! The reference ends a message that is full with one fingerprint of all that was left, and forgets what it was told
//! there; all of it is split anew. Here the rest is left out instead, which tells the partner to skip it, and taken up
//! as soon as there is room. What is set aside last lies lowest, so it is taken up first, and messages ascend.

use core::fmt;

use crate::base::list;
use crate::negentropy::message::{Bound, FrameReader, Strictness};
use crate::negentropy::reconciler::party::MessageMemory;
use crate::negentropy::split::MessageSurvey;

/// Lent or owned, for the places of those ends.
pub type TailMemory<'s> = list::Memory<'s, Tail>;

/// The end of a message.
#[derive(Clone, Copy)]
pub struct Tail {
    /// Where its bytes begin, and where what is left of them does.
    start: usize,
    at: usize,
    /// The bound before what is left, as it stands in the message.
    last: Bound,
    /// Everything in it that is below was answered.
    from: Bound,
    survey: Option<MessageSurvey>,
}

impl Default for Tail {
    fn default() -> Self {
        Tail { start: 0, at: 0, last: Bound::ZERO, from: Bound::ZERO, survey: None }
    }
}

/// Ends of messages, the highest first.
pub struct Deferred<'s> {
    memory: MessageMemory<'s>,
    used: usize,
    tails: TailMemory<'s>,
    count: usize,
}

impl<'s> Deferred<'s> {
    /// With as much memory as there is for the bytes of messages and for their places.
    pub fn new(memory: MessageMemory<'s>, tails: TailMemory<'s>) -> Self {
        Deferred { memory, used: 0, tails, count: 0 }
    }

    /// Without any: of who answers, nothing is set aside, and of who asks in lent memory neither.
    pub fn none() -> Self {
        Deferred::new(MessageMemory::Lent(&mut []), TailMemory::Lent(&mut []))
    }

    /// Where the lowest of them begins, or that which so many are below.
    pub fn front(&self, below: usize) -> Option<Bound> {
        self.tails.used().get(self.count.checked_sub(1 + below)?).map(|tail| tail.from)
    }

    /// Sets aside what `rest` has not read of a message that is answered below `from`. `false`: there is no room.
    pub fn push(&mut self, rest: &FrameReader<'_>, from: Bound, survey: Option<MessageSurvey>) -> bool {
        let (bytes, start) = (rest.rest(), self.used);
        let end = start.saturating_add(bytes.len());
        let place = self.memory.first(end).and_then(|used| used.get_mut(start..));
        let tail = self.tails.first(self.count + 1).and_then(<[Tail]>::last_mut);
        let (Some(place), Some(tail)) = (place, tail) else { return false };
        place.copy_from_slice(bytes);
        *tail = Tail { start, at: start, last: rest.last_bound(), from, survey };
        (self.used, self.count) = (end, self.count + 1);
        true
    }

    /// The lowest of them, to be read on, from where it is to be answered.
    pub fn resume(&self, strictness: Strictness) -> Option<(FrameReader<'_>, Bound, Option<MessageSurvey>)> {
        let tail = self.last()?;
        let bytes = self.memory.used().get(tail.at..self.used).unwrap_or_default();
        Some((FrameReader::resume(bytes, tail.last, strictness), tail.from, tail.survey))
    }

    /// Of the lowest of them, so many bytes are left, and it is answered below `from`.
    pub fn advance(&mut self, left: usize, last: Bound, from: Bound) {
        let at = self.used.saturating_sub(left);
        if let Some(tail) = self.tails.first(self.count).and_then(<[Tail]>::last_mut) {
            *tail = Tail { at, last, from, ..*tail };
        }
    }

    /// The lowest of them is answered.
    pub fn pop(&mut self) {
        if let Some(tail) = self.last() {
            (self.used, self.count) = (tail.start, self.count - 1);
        }
    }

    /// All of them are part of what is asked anew.
    pub fn clear(&mut self) {
        (self.used, self.count) = (0, 0);
    }

    fn last(&self) -> Option<&Tail> {
        self.tails.used().get(self.count.checked_sub(1)?)
    }
}

impl fmt::Debug for Deferred<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deferred").field("tails", &self.count).field("bytes", &self.used).finish_non_exhaustive()
    }
}
