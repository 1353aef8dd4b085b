//! The changing set against the sealed one: whatever was done to it, it answers every question alike.

use std::collections::BTreeSet;

use honeyguide::negentropy::{Entry, Sealed, SortedSet, Tree};
use quickcheck::quickcheck;

fn entry((timestamp, id): (u16, u8)) -> Entry {
    Entry { timestamp: u64::from(timestamp % 700), id: [id % 3; 32] }
}

quickcheck! {
    /// Sums, places and bounds after any history are those of the entries that are left (N13).
    fn a_tree_after_any_history_equals_the_sealed_set_of_what_is_left(
        history: Vec<(bool, (u16, u8))>, more: Vec<(u16, u8)>, ranges: Vec<(u16, u16)>
    ) -> bool {
        let mut model: BTreeSet<Entry> = more.iter().copied().map(entry).collect();
        let mut tree = Tree::from_sorted(&model.iter().copied().collect::<Vec<_>>()).unwrap();
        // Long enough to split and join leaves and their parents.
        let long = history.iter().cycle().take(history.len() * 40).enumerate();
        for (i, (insert, raw)) in long {
            let entry = entry((raw.0.wrapping_add(i as u16), raw.1));
            let same = if *insert { tree.insert(entry) == Ok(model.insert(entry)) } else { tree.erase(&entry) == model.remove(&entry) };
            if !same {
                return false;
            }
        }
        let sealed = Sealed::build(model.iter().copied().collect()).unwrap();
        let n = sealed.len();
        tree.len() == n && ranges.iter().all(|&(a, b)| {
            let (a, b) = (usize::from(a) % (n + 2), usize::from(b) % (n + 2));
            let (a, b) = (a.min(b), a.max(b));
            let bound = entry((a as u16, b as u8));
            tree.fingerprint(a..b) == sealed.fingerprint(a..b)
                && tree.entry(a) == sealed.entry(a)
                && tree.lower_bound(&bound, b, a) == sealed.lower_bound(&bound, b, n)
        })
    }
}
