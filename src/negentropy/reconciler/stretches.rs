//! What an initiator has settled already, and may be told of again (N38).
//!
//! ```text
//! message 2 of the partner     a b C D E    C to E are lists, and settled: one stretch
//! message 4, about a and b     f g h        its frame is full: one fingerprint of all behind h, C to E among it
//! message 6                    i j K L      lists: of K what lies below C is told, and of L nothing, within C to E
//! ```
//!
//! What lies behind the end of a full frame is asked anew. For a few bytes a partner says each time that it has nothing
//! there, and each time all own ids would be told. A list settles its range, and so do equal fingerprints; ranges that
//! follow one another are one stretch. Those of which most was told are remembered.

use core::fmt;
use core::ops::Range;

use crate::base::list::SmallList;
use crate::negentropy::message::Entry;

/// Most stretches that are remembered.
const STRETCHES: usize = 32;

/// Ranges, one after the other, of which everything is known.
#[derive(Clone, Copy, Default)]
pub struct Stretch {
    from: Entry,
    /// Where they end, exclusive.
    to: Entry,
    /// Ids that were told of them.
    told: u64,
}

impl Stretch {
    /// Of ranges from one entry up to another, of which so many ids were told.
    pub fn new(from: Entry, to: Entry, told: u64) -> Self {
        Stretch { from, to, told }
    }
}

/// Stretches that neither overlap nor touch, in order.
pub struct Stretches {
    places: SmallList<Stretch, STRETCHES>,
    count: usize,
}

impl Stretches {
    /// For a side that asks: with places. One that answers remembers nothing, and may be one of many.
    pub fn new(asks: bool) -> Self {
        let places = if asks { STRETCHES } else { 0 };
        Stretches { places: core::iter::repeat_n(Stretch::default(), places).collect(), count: 0 }
    }

    /// Whether a range lies within one of them; one that does not ascend is empty (N9) and lies nowhere.
    pub fn cover(&self, from: &Entry, to: &Entry) -> bool {
        let at = self.used().partition_point(|stretch| stretch.to < *to);
        from < to && self.used().get(at).is_some_and(|stretch| stretch.from <= *from)
    }

    /// The first of them that reaches beyond an entry: where it begins and ends.
    pub fn beyond(&self, at: &Entry) -> Option<(Entry, Entry)> {
        let place = self.used().partition_point(|stretch| stretch.to <= *at);
        self.used().get(place).map(|stretch| (stretch.from, stretch.to))
    }

    /// To be asked of one entry after the other.
    pub fn walk(&self) -> StretchWalk<'_> {
        StretchWalk { left: self.used() }
    }

    /// Remembers a stretch, as one with those that it overlaps or touches. Where there is no place, the one of which
    /// least was told goes.
    pub fn add(&mut self, new: Stretch) {
        let first = self.used().partition_point(|stretch| stretch.to < new.from);
        let end = self.used().partition_point(|stretch| stretch.from <= new.to);
        let touched = self.used().get(first..end).unwrap_or_default();
        let all = touched.iter().fold(new, |all, stretch| Stretch {
            from: all.from.min(stretch.from),
            to: all.to.max(stretch.to),
            told: all.told.saturating_add(stretch.told),
        });
        if all.told == 0 || all.from >= all.to || self.places.is_empty() {
            return;
        }
        self.take_out(first..end);
        let least = self.used().iter().enumerate().min_by_key(|(_, stretch)| stretch.told);
        let first = match least.filter(|_| self.count == STRETCHES) {
            Some((_, least)) if least.told >= all.told => return,
            Some((place, _)) => {
                self.take_out(place..place + 1);
                first - usize::from(place < first)
            }
            None => first,
        };
        self.places.copy_within(first..self.count, first + 1);
        self.places[first] = all;
        self.count += 1;
    }

    fn take_out(&mut self, places: Range<usize>) {
        self.places.copy_within(places.end..self.count, places.start);
        self.count -= places.len();
    }

    fn used(&self) -> &[Stretch] {
        self.places.get(..self.count).unwrap_or_default()
    }
}

/// Goes along with entries that ascend.
pub struct StretchWalk<'s> {
    left: &'s [Stretch],
}

impl StretchWalk<'_> {
    /// Whether an entry lies within a stretch.
    pub fn covers(&mut self, entry: &Entry) -> bool {
        while let [first, after @ ..] = self.left
            && first.to <= *entry
        {
            self.left = after;
        }
        self.left.first().is_some_and(|stretch| stretch.from <= *entry)
    }
}

impl fmt::Debug for Stretches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stretches").field("count", &self.count).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    fn at(time: u64) -> Entry {
        Entry { timestamp: time, id: [0; 32] }
    }

    fn add(stretches: &mut Stretches, from: u64, to: u64, told: u64) {
        stretches.add(Stretch::new(at(from), at(to), told));
    }

    /// N38, against a list of all that was added.
    #[test]
    fn what_is_covered_was_added_and_all_of_it_is_as_long_as_there_is_room() {
        let mut rng = Rng::from_seed([81; 32]);
        for round in 0..300 {
            let (mut stretches, mut model, wide) = (Stretches::new(true), [false; 300], [3, 20, 60][round % 3]);
            let mut all_fitted = true;
            for _ in 0..100 {
                let from = u64::from(rng.below(300));
                let to = (from + u64::from(rng.below(wide))).min(300);
                model[from as usize..to as usize].fill(true);
                add(&mut stretches, from, to, 1 + u64::from(rng.below(3)));
                all_fitted &= stretches.count < STRETCHES;
                for _ in 0..20 {
                    let from = u64::from(rng.below(299));
                    let to = from + 1 + u64::from(rng.below(300 - from as u32));
                    let is_added = model[from as usize..to as usize].iter().all(|added| *added);
                    let is_covered = stretches.cover(&at(from), &at(to));
                    assert!(is_added || !is_covered, "{from} to {to}");
                    assert!(is_covered || !is_added || !all_fitted, "{from} to {to}");
                    let beyond = stretches.beyond(&at(from));
                    assert!(beyond.is_none_or(|(begin, end)| begin < end && at(from) < end));
                    assert_eq!(is_covered, beyond.is_some_and(|(begin, end)| begin <= at(from) && at(to) <= end));
                }
                let mut walk = stretches.walk();
                for (time, added) in model.iter().enumerate() {
                    let is_covered = walk.covers(&at(time as u64));
                    assert!(is_covered == *added || *added && !all_fitted, "{time}");
                }
                let apart = stretches.used().windows(2).all(|pair| pair[0].to < pair[1].from);
                assert!(apart && stretches.used().iter().all(|stretch| stretch.from < stretch.to));
            }
        }
    }

    /// N9: the bounds of a lenient message may go back.
    #[test]
    fn a_range_that_ends_where_it_begins_or_before_lies_within_nothing() {
        let mut stretches = Stretches::new(true);
        add(&mut stretches, 10, 20, 1);
        for (from, to) in [(15, 15), (10, 10), (20, 20), (19, 12), (100, 15), (100, 20), (20, 10)] {
            assert!(!stretches.cover(&at(from), &at(to)), "{from} to {to}");
        }
        assert!(stretches.cover(&at(12), &at(19)) && stretches.cover(&at(10), &at(20)));
    }

    #[test]
    fn without_a_place_the_one_of_which_least_was_told_goes() {
        let mut stretches = Stretches::new(true);
        (0..32).for_each(|i| add(&mut stretches, 10 * i, 10 * i + 1, 5 + (i + 16) % 32));
        assert!(stretches.cover(&at(160), &at(161)));
        add(&mut stretches, 155, 156, 5);
        assert!(!stretches.cover(&at(155), &at(156)), "no more than the least");
        add(&mut stretches, 165, 166, 6);
        assert!(stretches.cover(&at(165), &at(166)) && !stretches.cover(&at(160), &at(161)));
        // What joins two of them leaves a place, and what was told of them counts together.
        add(&mut stretches, 1, 10, 0);
        assert!(stretches.cover(&at(0), &at(11)));
        add(&mut stretches, 400, 401, 1);
        assert!(stretches.cover(&at(400), &at(401)));
        (0..60).for_each(|i| add(&mut stretches, 500 + 2 * i, 501 + 2 * i, 40));
        assert!(stretches.cover(&at(0), &at(11)) && !stretches.cover(&at(400), &at(401)));
    }

    #[test]
    fn a_side_that_answers_remembers_nothing() {
        let mut stretches = Stretches::new(false);
        add(&mut stretches, 5, 8, 3);
        assert!(!stretches.cover(&at(5), &at(8)) && stretches.beyond(&at(5)).is_none());
        assert!(!stretches.walk().covers(&at(6)));
    }

    #[test]
    fn of_what_nothing_was_told_only_what_touches_something_is_remembered() {
        let mut stretches = Stretches::new(true);
        add(&mut stretches, 5, 8, 0);
        assert!(!stretches.cover(&at(5), &at(8)));
        add(&mut stretches, 8, 9, 1);
        add(&mut stretches, 9, 12, 0);
        add(&mut stretches, 5, 8, 0);
        assert!(stretches.cover(&at(5), &at(12)) && !stretches.cover(&at(5), &at(13)));
        assert!(!stretches.cover(&at(4), &at(12)));
    }
}
