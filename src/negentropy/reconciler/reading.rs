//! Which ranges one answer is about: those of the message, and then those that were set aside (N26).

use core::ops::ControlFlow;

use crate::negentropy::error::ReconcileError;
use crate::negentropy::message::{Bound, FrameReader, Mode, Range, Strictness};
use crate::negentropy::reconciler::deferred::Deferred;
use crate::negentropy::reconciler::turn::Turn;
use crate::negentropy::search::AHEAD;
use crate::negentropy::set::{Difference, SortedSet};

/// How far ranges were answered.
enum Answered<'m> {
    /// All of them; the last was cut off at the partner's frame limit or was not.
    All { cut: bool },
    /// All, and what follows is equal, set aside or not.
    RestIsEqual,
    /// The frame is full: this is left to be read, and everything below that bound is answered.
    Until(FrameReader<'m>, Bound),
    /// The ids of a range that ends beyond where what was set aside begins: they cannot be told apart.
    ListsMore,
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
        Answered::ListsMore => return ask_anew(turn, deferred),
        Answered::Until(rest, from) => {
            if !(turn.may_set_aside() && deferred.push(&rest, from, turn.survey())) {
                return ask_anew(turn, deferred);
            }
            return Ok(());
        }
    }
    while let Some((ranges, from, survey)) = deferred.resume(strictness) {
        turn.jump(&from, survey);
        match answer_ranges(turn, deferred.front(1), ranges, sink)? {
            Answered::All { .. } => deferred.pop(),
            Answered::RestIsEqual => deferred.clear(),
            Answered::ListsMore => return ask_anew(turn, deferred),
            Answered::Until(rest, from) => {
                let (left, last) = (rest.rest().len(), rest.last_bound());
                deferred.advance(left, last, from);
                return Ok(());
            }
        }
    }
    Ok(())
}

/// What is cut off is asked anew, up to the end, and what was set aside with it.
fn ask_anew<S: SortedSet>(turn: &mut Turn<'_, '_, '_, S>, deferred: &mut Deferred<'_>) -> Result<(), ReconcileError> {
    deferred.clear();
    turn.cut_off()
}

/// What lies from `front` on was set aside: nothing was asked about it, and what is said of it is passed over.
fn answer_ranges<'m, S: SortedSet>(
    turn: &mut Turn<'_, '_, '_, S>,
    front: Option<Bound>,
    mut ranges: FrameReader<'m>,
    sink: &mut impl FnMut(Difference<'_>),
) -> Result<Answered<'m>, ReconcileError> {
    let (mut cut, mut ahead) = (false, Ahead::NOTHING);
    loop {
        let (rest, last) = (ranges.rest(), ranges.last_bound());
        let Some(range) = ranges.next() else { return Ok(Answered::All { cut }) };
        let mut range = range?;
        turn.count_range().map_err(|excess| turn.error(excess, &range))?;
        if front.is_some_and(|front| front.entry() < last.entry()) {
            continue;
        }
        cut |= range.bound.is_infinity() && matches!(range.mode, Mode::Fingerprint(_)) && turn.is_wider_than_asked();
        if let Some(front) = front.filter(|front| front.entry() < range.bound.entry()) {
            // Where its own frame ended, the partner sends one fingerprint of everything behind.
            if let (true, Mode::Fingerprint(theirs)) = (range.bound.is_infinity(), range.mode)
                && turn.is_equal(theirs)
            {
                return Ok(Answered::RestIsEqual);
            }
            if front.entry() <= turn.bound().entry() {
                continue;
            }
            if matches!(range.mode, Mode::IdList(_)) {
                return Ok(Answered::ListsMore);
            }
            range.bound = front;
        }
        if turn.may_set_aside() && !turn.will_fit() {
            return Ok(Answered::Until(FrameReader::resume(rest, last, ranges.strictness()), *turn.bound()));
        }
        let near = ahead.near(turn, &range, &ranges);
        match turn.range(&range, near, sink) {
            Ok(ControlFlow::Continue(())) => {}
            Ok(ControlFlow::Break(())) => {
                let rest = FrameReader::resume(rest, last, ranges.strictness());
                return Ok(Answered::Until(rest, turn.answered_below()));
            }
            Err(excess) => return Err(turn.error(excess, &range)),
        }
    }
}

/// About where the next skipped ranges end, looked for together; 0: nothing is known.
struct Ahead {
    places: [usize; AHEAD],
    next: usize,
    count: usize,
}

impl Ahead {
    const NOTHING: Ahead = Ahead { places: [0; AHEAD], next: 0, count: 0 };

    /// About where `range` ends, if that is worth knowing: `rest` is what follows it.
    fn near<S: SortedSet>(
        &mut self,
        turn: &Turn<'_, '_, '_, S>,
        range: &Range<'_>,
        rest: &FrameReader<'_>,
    ) -> Option<usize> {
        if range.mode != Mode::Skip {
            return None;
        }
        if self.next == self.count {
            if !turn.skips_widely() {
                return None;
            }
            self.look(turn, range, rest);
        }
        let place = self.places.get(self.next).copied();
        self.next += 1;
        place.filter(|place| *place > 0)
    }

    /// Reads on until there are enough of them. What is read twice once is not read a third time, since all that is
    /// found is used first.
    fn look<S: SortedSet>(&mut self, turn: &Turn<'_, '_, '_, S>, range: &Range<'_>, rest: &FrameReader<'_>) {
        // Fingerprints stand together and follow the width of those before; reading them twice would not pay.
        let following =
            rest.clone().map_while(Result::ok).take_while(|range| !matches!(range.mode, Mode::Fingerprint(_)));
        let skipped = following.filter(|range| range.mode == Mode::Skip).map(|range| range.bound);
        let mut times = [0; AHEAD];
        *self = Ahead::NOTHING;
        for (time, bound) in times.iter_mut().zip(core::iter::once(range.bound).chain(skipped)) {
            *time = bound.entry().timestamp;
            self.count += 1;
        }
        turn.estimate(times.get(..self.count).unwrap_or_default(), &mut self.places);
    }
}
