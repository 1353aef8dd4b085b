//! Which ranges one answer is about: those of the message, and then those that were set aside (N26).

use core::ops::ControlFlow;

use crate::negentropy::error::ReconcileError;
use crate::negentropy::message::{Bound, FrameReader, Mode, Strictness};
use crate::negentropy::reconciler::deferred::Deferred;
use crate::negentropy::reconciler::turn::Turn;
use crate::negentropy::set::{Difference, SortedSet};

/// How far ranges were answered.
enum Answered<'m> {
    /// All of them; the last was cut off at the partner's frame limit or was not.
    All { cut: bool },
    /// All, and what follows is equal, set aside or not.
    RestIsEqual,
    /// The frame is full: this is left to be read, and everything below that bound is answered.
    Until(FrameReader<'m>, Bound),
}

/// Answers the ranges of a message, and what was set aside as far as there is room.
///
/// # Errors
///
/// When a range cannot be read, or costs more than the limits allow.
pub fn answer<S: SortedSet>(
    turn: &mut Turn<'_, '_, '_, S>,
    deferred: &mut Deferred<'_>,
    ranges: FrameReader<'_>,
    strictness: Strictness,
    sink: &mut impl FnMut(Difference<'_>),
) -> Result<(), ReconcileError> {
    let bytes = ranges.rest().len();
    match answer_ranges(turn, deferred.front(0), ranges, sink)? {
        Answered::All { cut } => turn.on_answer(bytes, cut),
        Answered::RestIsEqual => deferred.clear(),
        Answered::Until(rest, from) => {
            if !(turn.may_set_aside() && deferred.push(&rest, from, turn.survey())) {
                // What is cut off is asked anew, up to the end.
                deferred.clear();
                turn.cut_off()?;
            }
            return Ok(());
        }
    }
    while let Some((ranges, from, survey)) = deferred.resume(strictness) {
        turn.jump(&from, survey);
        match answer_ranges(turn, deferred.front(1), ranges, sink)? {
            Answered::All { .. } => deferred.pop(),
            Answered::RestIsEqual => deferred.clear(),
            Answered::Until(rest, from) => {
                let (left, last) = (rest.rest().len(), rest.last_bound());
                deferred.advance(left, last, from);
                return Ok(());
            }
        }
    }
    Ok(())
}

/// What lies from `front` on was set aside: of it this message says nothing that is not known.
fn answer_ranges<'m, S: SortedSet>(
    turn: &mut Turn<'_, '_, '_, S>,
    front: Option<Bound>,
    mut ranges: FrameReader<'m>,
    sink: &mut impl FnMut(Difference<'_>),
) -> Result<Answered<'m>, ReconcileError> {
    let mut cut = false;
    loop {
        let (rest, last) = (ranges.rest(), ranges.last_bound());
        let Some(range) = ranges.next() else { return Ok(Answered::All { cut }) };
        let mut range = range?;
        cut |= range.bound.is_infinity() && matches!(range.mode, Mode::Fingerprint(_)) && turn.is_wider_than_asked();
        if let Some(front) = front.filter(|front| front.entry() < range.bound.entry()) {
            // Where its own frame ended, the partner sends one fingerprint of everything behind.
            if let (true, Mode::Fingerprint(theirs)) = (range.bound.is_infinity(), range.mode)
                && turn.is_equal(&theirs)
            {
                return Ok(Answered::RestIsEqual);
            }
            if !matches!(range.mode, Mode::IdList(_)) {
                if front.entry() <= turn.bound().entry() {
                    continue;
                }
                range.bound = front;
            }
        }
        if turn.may_set_aside() && !turn.will_fit() {
            return Ok(Answered::Until(FrameReader::resume(rest, last, ranges.strictness()), *turn.bound()));
        }
        match turn.range(&range, sink) {
            Ok(ControlFlow::Continue(())) => {}
            Ok(ControlFlow::Break(())) => {
                let rest = FrameReader::resume(rest, last, ranges.strictness());
                return Ok(Answered::Until(rest, turn.answered_below()));
            }
            Err(excess) => return Err(turn.error(excess, &range)),
        }
    }
}
