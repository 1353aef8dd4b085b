//! Comparing a list of ids with a stretch of the own set, without hashing and without an allocator.
//!
//! Sound partners list ids in the order of their entries, so a walk along both that looks a few ids ahead pairs nearly
//! all of them. What is left is settled exactly: a few by looking at all, many by sorting. No list can be made that
//! costs more than (ours + theirs) times the logarithm of theirs, as there is no hash to collide in.

use core::ops::{ControlFlow, Range};

use crate::base::error::NoRoom;
use crate::negentropy::message::{Entry, ID_LEN};
use crate::negentropy::set::{Difference, SortedSet};

/// How far ahead the walk looks in their list.
const AHEAD: usize = 6;

/// Up to so many comparisons, looking at all is quicker than sorting.
const FEW: usize = 4096;

/// Set in a word of scratch memory: that id is settled.
const SETTLED: u32 = 1 << 31;

/// Reports what only one side has: our ids that `theirs` lacks as `Have`, theirs that we lack as `Need`, each id once.
/// Of own entries that are `settled` nothing is said; it is asked in their order.
///
/// # Errors
///
/// When the list has more ids than there are words of `scratch`.
pub fn compare<S: SortedSet>(
    set: &S,
    range: Range<usize>,
    theirs: &[[u8; ID_LEN]],
    scratch: &mut [u32],
    mut settled: impl FnMut(&Entry) -> bool,
    tell: &mut impl FnMut(Difference<'_>),
) -> Result<(), NoRoom> {
    let words = scratch.get_mut(..theirs.len()).filter(|words| words.len() < SETTLED as usize).ok_or(NoRoom)?;
    for (place, word) in words.iter_mut().enumerate() {
        *word = place as u32;
    }
    let (mut walk, mut paired, mut alone) = (ListWalk::default(), 0, 0);
    scan(set, range.clone(), |entry| match walk.find(theirs, &entry.id) {
        Some(place) => {
            paired += 1;
            if let Some(word) = words.get_mut(place) {
                *word |= SETTLED;
            }
        }
        None => alone += 1,
    });
    let left = theirs.len() - paired;
    let sorted = left.saturating_mul(theirs.len() + alone) > FEW;
    let words = if left == 0 {
        &mut []
    } else if sorted {
        sort(words, theirs)
    } else {
        settle_repetitions(words, theirs);
        words
    };
    if alone > 0 {
        let mut walk = ListWalk::default();
        scan(set, range, |entry| {
            let id = &entry.id;
            if walk.find(theirs, id).is_some() {
                return;
            }
            match find_open(words, theirs, id, sorted) {
                Some(word) => *word |= SETTLED,
                None if settled(entry) => {}
                None => tell(Difference::Have(id)),
            }
        });
    }
    let open = words.iter().filter(|word| **word & SETTLED == 0);
    open.filter_map(|word| theirs.get(*word as usize)).for_each(|id| tell(Difference::Need(id)));
    Ok(())
}

fn scan<S: SortedSet>(set: &S, range: Range<usize>, mut visit: impl FnMut(&Entry)) {
    set.scan(range, |entry| {
        visit(entry);
        ControlFlow::Continue(())
    });
}

/// Pairs ids that come in the same order in both lists. The same calls give the same pairs.
#[derive(Default)]
struct ListWalk {
    next: usize,
}

impl ListWalk {
    #[inline]
    fn find(&mut self, theirs: &[[u8; ID_LEN]], id: &[u8; ID_LEN]) -> Option<usize> {
        let ahead = theirs.get(self.next..)?;
        let place = self.next + ahead.iter().take(AHEAD).position(|other| other == id)?;
        self.next = place + 1;
        Some(place)
    }
}

fn id_of(theirs: &[[u8; ID_LEN]], word: u32) -> Option<&[u8; ID_LEN]> {
    theirs.get((word & !SETTLED) as usize)
}

/// Settles what repeats a settled id or an earlier one.
fn settle_repetitions(words: &mut [u32], theirs: &[[u8; ID_LEN]]) {
    for place in 0..words.len() {
        let repeats = |(other, word): (usize, &u32)| {
            (word & SETTLED != 0 || other < place) && other != place && theirs.get(other) == theirs.get(place)
        };
        if words.get(place).is_some_and(|word| word & SETTLED == 0) && words.iter().enumerate().any(repeats) {
            words.iter_mut().skip(place).take(1).for_each(|word| *word |= SETTLED);
        }
    }
}

/// Sorts by id and keeps one word for each, settled if one of its repetitions was.
fn sort<'w>(words: &'w mut [u32], theirs: &[[u8; ID_LEN]]) -> &'w mut [u32] {
    words.sort_unstable_by(|a, b| id_of(theirs, *a).cmp(&id_of(theirs, *b)));
    let mut kept = 0usize;
    for i in 0..words.len() {
        let Some(word) = words.get(i).copied() else { break };
        match kept.checked_sub(1).and_then(|last| words.get_mut(last)) {
            Some(last) if id_of(theirs, *last) == id_of(theirs, word) => *last |= word & SETTLED,
            _ => {
                words.iter_mut().skip(kept).take(1).for_each(|place| *place = word);
                kept += 1;
            }
        }
    }
    words.get_mut(..kept).unwrap_or_default()
}

/// The word of an id that is not settled.
fn find_open<'w>(
    words: &'w mut [u32],
    theirs: &[[u8; ID_LEN]],
    id: &[u8; ID_LEN],
    sorted: bool,
) -> Option<&'w mut u32> {
    let place = if sorted {
        words.binary_search_by(|word| id_of(theirs, *word).cmp(&Some(id))).ok()
    } else {
        words.iter().position(|word| word & SETTLED == 0 && id_of(theirs, *word) == Some(id))
    };
    place.and_then(|place| words.get_mut(place)).filter(|word| **word & SETTLED == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;
    use crate::negentropy::set::Sum;
    use crate::negentropy::sorted::Sorted;
    use std::collections::BTreeSet;
    use std::vec::Vec;

    fn differences(ours: &[Entry], theirs: &[[u8; ID_LEN]]) -> (Vec<[u8; ID_LEN]>, Vec<[u8; ID_LEN]>) {
        let mut sums = std::vec![Sum::ZERO; ours.len()];
        let set = Sorted::new(ours, &mut sums).unwrap();
        let (mut have, mut need) = (Vec::new(), Vec::new());
        let mut scratch = std::vec![7; theirs.len()];
        let mut tell = |difference: Difference<'_>| match difference {
            Difference::Have(id) => have.push(*id),
            Difference::Need(id) => need.push(*id),
        };
        compare(&set, 0..ours.len(), theirs, &mut scratch, |_| false, &mut tell).unwrap();
        (have, need)
    }

    #[test]
    fn any_list_gives_the_difference_of_the_two_sets_of_ids() {
        let mut rng = Rng::from_seed([3; 32]);
        for round in 0..600u32 {
            let n = [5, 40, 400][round as usize % 3];
            let ids: Vec<[u8; ID_LEN]> = (0..n).map(|_| rng.bytes()).collect();
            let mut ours: Vec<Entry> = Vec::new();
            let mut theirs: Vec<[u8; ID_LEN]> = Vec::new();
            for (i, id) in ids.iter().enumerate() {
                let kind = rng.below([3, 8, 100][round as usize / 3 % 3]);
                if kind != 0 {
                    ours.push(Entry { timestamp: i as u64, id: *id });
                }
                if kind != 1 {
                    theirs.push(*id);
                }
                if kind == 2 && round % 2 == 0 {
                    theirs.push(theirs[rng.below(theirs.len() as u32) as usize]);
                }
            }
            match round / 9 % 4 {
                0 => theirs.reverse(),
                1 => theirs.sort_unstable(),
                2 => {
                    let middle = theirs.len() / 3;
                    theirs.rotate_left(middle);
                }
                _ => {}
            }
            let a: BTreeSet<[u8; ID_LEN]> = ours.iter().map(|entry| entry.id).collect();
            let b: BTreeSet<[u8; ID_LEN]> = theirs.iter().copied().collect();
            let (mut have, mut need) = differences(&ours, &theirs);
            have.sort_unstable();
            need.sort_unstable();
            assert_eq!(have, a.difference(&b).copied().collect::<Vec<_>>(), "round {round}");
            assert_eq!(need, b.difference(&a).copied().collect::<Vec<_>>(), "round {round}");
        }
    }

    #[test]
    fn of_two_own_copies_the_second_is_reported() {
        let ours = [Entry { timestamp: 1, id: [5; 32] }, Entry { timestamp: 2, id: [5; 32] }];
        assert_eq!(differences(&ours, &[[5; 32]]), (std::vec![[5; 32]], std::vec![]));
    }

    #[test]
    fn a_list_needs_a_word_of_scratch_for_each_id() {
        let set = Sorted::new(&[], &mut []).unwrap();
        let call = |words: &mut [u32]| compare(&set, 0..0, &[[1; 32], [2; 32]], words, |_| false, &mut |_| ());
        assert!(call(&mut [0; 2]).is_ok() && call(&mut [0; 1]).is_err());
    }
}
