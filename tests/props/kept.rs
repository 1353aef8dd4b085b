//! Symbols that are kept with a set, and sessions over them.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use honeyguide::base::Rng;
use honeyguide::negentropy::{
    Difference, Entry, RatelessInitiator, RatelessResponder, RatelessStep, ReconcileError, Sealed, SortedSet, Tree,
};

type Ids = BTreeSet<[u8; 32]>;

fn entries(rng: &mut Rng, n: usize) -> Vec<Entry> {
    (0..n).map(|_| Entry { timestamp: rng.next_u64() >> 40, id: rng.bytes() }).collect()
}

/// A session over kept symbols: bytes and round trips, what was found, or nothing for a fall-back.
fn run(a: &impl SortedSet, b: &impl SortedSet) -> Option<(usize, [Ids; 2])> {
    let (mut initiator, responder) = (RatelessInitiator::kept(10_000), RatelessResponder::new(10_000));
    let (mut up, mut down) = (vec![0; 3000], vec![0; 1 << 20]);
    let mut len = initiator.initiate(a, &mut up).unwrap();
    let (mut have, mut need) = (BTreeSet::new(), BTreeSet::new());
    for round in 1.. {
        let reply = responder.answer(b, &up[..len], &mut down).unwrap();
        let step = initiator.reconcile(a, &down[..reply], &mut up, &mut |difference| match difference {
            Difference::Have(id) => assert!(have.insert(*id)),
            Difference::Need(id) => assert!(need.insert(*id)),
        });
        match step.unwrap() {
            RatelessStep::Reply(next) => len = next,
            RatelessStep::Done => return Some((round, [have, need])),
            RatelessStep::FallBack => return None,
        }
    }
    None
}

/// N49: whatever happened to the set, the symbols are those of what it holds, few or many of them.
#[test]
fn kept_symbols_serve_sessions_after_any_history() {
    let mut rng = Rng::from_seed([35; 32]);
    for number in [1, 40, 700] {
        let key = rng.bytes();
        let common = Sealed::build(entries(&mut rng, 2000)).unwrap();
        let mut trees = [0, 1].map(|_| Tree::from_sorted(common.entries()).unwrap());
        trees.iter_mut().for_each(|tree| tree.keep_symbols(key, number));
        for changes in [0, 1, 30, 200] {
            let mut expected = [BTreeSet::new(), BTreeSet::new()];
            let before = [trees[0].snapshot(), trees[1].snapshot()];
            for (i, tree) in trees.iter_mut().enumerate() {
                for entry in entries(&mut rng, changes) {
                    assert_eq!(tree.insert(entry), Ok(true));
                    assert_eq!(tree.insert(entry), Ok(false), "no change, so none of the symbols");
                    expected[i].insert(entry.id);
                }
                let gone = tree.entry(rng.below(1000) as usize).unwrap();
                assert!(tree.erase(&gone) && !tree.erase(&gone));
                if !expected[i].remove(&gone.id) {
                    expected[1 - i].insert(gone.id);
                }
            }
            let (rounds, found) = run(&trees[0], &trees[1]).unwrap();
            assert_eq!(found, expected, "{number} {changes}");
            assert!(rounds <= 4);
            // A snapshot is as it was, symbols too, and a sealed set is a set like any other.
            assert_eq!(run(&before[0], &before[1]), Some((1, [Ids::new(), Ids::new()])));
            let mut sealed = Vec::new();
            trees[1].scan(0..usize::MAX, |entry| {
                sealed.push(*entry);
                ControlFlow::Continue(())
            });
            let mut sealed = Sealed::build(sealed).unwrap();
            sealed.keep_symbols(key, number + 3);
            assert_eq!(run(&trees[0], &sealed).map(|(_, found)| found), Some(expected));
            trees[1] = trees[0].snapshot();
        }
    }
}

/// N49: without symbols, or with those of another key, the session begins anew; 0 symbols are none.
#[test]
fn kept_symbols_serve_nobody_with_another_key() {
    let mut rng = Rng::from_seed([36; 32]);
    let list = entries(&mut rng, 50);
    let with = |key: u8, number| {
        let mut set = Sealed::build(list[usize::from(key)..].to_vec()).unwrap();
        set.keep_symbols([key; 16], number);
        set
    };
    assert_eq!(run(&with(1, 30), &with(2, 30)), None);
    assert_eq!(run(&with(1, 30), &with(1, 0)), None);
    let (none, mut out) = (with(1, 0), vec![0; 3000]);
    assert!(none.symbols().is_none() && none.memory() < with(1, 1).memory());
    assert_eq!(RatelessInitiator::kept(99).initiate(&none, &mut out), Err(ReconcileError::NoSymbols));
    // A session with a key of its own takes no notice of what is kept, even if the key is the same.
    let len = RatelessInitiator::new([1; 16], 99).initiate(&with(1, 30), &mut out).unwrap();
    assert_eq!(out[1], 0);
    let replies = [with(1, 30), with(1, 0)].map(|set| {
        let mut reply = vec![0; 9000];
        let len = RatelessResponder::new(99).answer(&set, &out[..len], &mut reply).unwrap();
        reply.truncate(len);
        reply
    });
    assert!(replies[0] == replies[1]);
    // The kept key never travels.
    let len = RatelessInitiator::kept(99).initiate(&with(7, 30), &mut out).unwrap();
    assert!(!out[..len].windows(16).any(|bytes| bytes == [7; 16]));
}

#[test]
fn the_memory_of_a_tree_is_that_of_its_entries_and_of_the_symbols_that_it_keeps() {
    let (mut tree, mut rng) = (Tree::new(), Rng::from_seed([8; 32]));
    let empty = tree.memory();
    for entry in entries(&mut rng, 1000) {
        tree.insert(entry).unwrap();
    }
    let (filled, bytes) = (tree.memory(), 1000 * size_of::<Entry>());
    assert!((bytes..4 * bytes).contains(&(filled - empty)), "{filled} bytes");
    tree.keep_symbols([1; 16], 100);
    assert_eq!(tree.memory(), filled + tree.symbols().unwrap().memory());
}
