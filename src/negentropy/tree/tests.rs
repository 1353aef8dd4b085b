//! Behaviour of the tree, against a set of the standard library.

use super::*;
use crate::base::rng::Rng;
use std::collections::BTreeSet;

/// Recounts everything; returns the depth.
fn check(node: &TreeNode, root: bool) -> usize {
    match node {
        TreeNode::Leaf(entries) => {
            assert!(entries.len() <= LEAF && entries.is_sorted_by(|a, b| a < b));
            0
        }
        TreeNode::Inner(children) => {
            assert!(children.len() <= FAN && (root || !children.is_empty()));
            let depths: BTreeSet<usize> = children.iter().map(|child| check(&child.node, false)).collect();
            assert_eq!(depths.len(), 1);
            for (i, child) in children.iter().enumerate() {
                let recounted = Child::of(child.node.clone());
                assert_eq!((child.count, child.sum), (recounted.count, recounted.sum));
                assert!(child.first <= recounted.first || recounted.count == 0);
                if let Some(next) = children.get(i + 1) {
                    let _ = child.node.scan(0, usize::MAX, &mut |entry| {
                        assert!(*entry < next.first);
                        ControlFlow::Continue(())
                    });
                }
            }
            1 + depths.into_iter().next().unwrap_or(0)
        }
    }
}

fn same(tree: &Tree, model: &BTreeSet<Entry>) {
    check(&tree.root, true);
    let mut entries = Vec::new();
    tree.scan(0..usize::MAX, |entry| {
        entries.push(*entry);
        ControlFlow::Continue(())
    });
    assert!(entries.iter().eq(model.iter()));
    assert_eq!((tree.len(), tree.sum(0..tree.len())), (model.len(), Sum::of(&entries)));
}

#[test]
fn a_tree_is_the_set_of_what_was_put_in_and_not_taken_out() {
    let mut rng = Rng::from_seed([8; 32]);
    let (mut tree, mut model) = (Tree::new(), BTreeSet::new());
    let entry = |rng: &mut Rng| Entry { timestamp: rng.next_u64() % 5000, id: [rng.below(4) as u8; 32] };
    for step in 0..60_000 {
        let entry = entry(&mut rng);
        let mostly_growing = step / 15_000 % 2 == 0;
        if (rng.below(4) == 0) != mostly_growing {
            assert_eq!(tree.insert(entry), Ok(model.insert(entry)));
        } else {
            assert_eq!(tree.erase(&entry), model.remove(&entry));
        }
        if step % 5_000 == 0 {
            same(&tree, &model);
        }
    }
    for entry in model.clone() {
        assert!(tree.erase(&entry));
    }
    same(&tree, &BTreeSet::new());
}

/// Wide enough for nodes above nodes above leaves, which are joined when much is taken out in one place.
#[test]
fn a_tree_that_is_thinned_out_in_one_place_stays_a_tree() {
    let all = 150_000;
    let entry = |n: u64| Entry { timestamp: n, id: [n as u8; 32] };
    let mut tree = Tree::new();
    (0..all).for_each(|n| assert_eq!(tree.insert(entry(n)), Ok(true)));
    let mut model: BTreeSet<Entry> = (0..all).map(entry).collect();
    for from in [0, 70_000] {
        for (n, place) in (from..from + 70_000).enumerate() {
            if n % 40 != 0 {
                assert!(tree.erase(&entry(place)) && model.remove(&entry(place)));
            }
            if n % 9_000 == 0 {
                check(&tree.root, true);
            }
        }
    }
    same(&tree, &model);
    // What is joined stays joined.
    let mut fresh = Tree::new();
    model.iter().for_each(|entry| assert_eq!(fresh.insert(*entry), Ok(true)));
    let (kept, least) = (tree.memory(), fresh.memory());
    assert!(kept < 2 * least, "{kept} bytes where a tree that grew takes {least}");
    let (kept, least) = (inner(&tree.root), inner(&fresh.root));
    assert!(kept <= 6 * least, "{kept} nodes above leaves where a tree that grew has {least}");
}

/// Nodes above leaves.
fn inner(node: &TreeNode) -> usize {
    match node {
        TreeNode::Leaf(_) => 0,
        TreeNode::Inner(children) => 1 + children.iter().map(|child| inner(&child.node)).sum::<usize>(),
    }
}

#[test]
fn a_snapshot_stays_as_it_was() {
    let mut rng = Rng::from_seed([9; 32]);
    let (mut tree, mut model) = (Tree::new(), BTreeSet::new());
    let mut snapshots = Vec::new();
    for step in 0..20_000 {
        let entry = Entry { timestamp: rng.next_u64() % 3000, id: [rng.below(2) as u8; 32] };
        if rng.below(3) > 0 {
            tree.insert(entry).unwrap();
            model.insert(entry);
        } else {
            tree.erase(&entry);
            model.remove(&entry);
        }
        if step % 4_000 == 999 {
            snapshots.push((tree.snapshot(), model.clone()));
        }
    }
    assert!(snapshots.iter().all(|(tree, model)| {
        same(tree, model);
        true
    }));
}

fn leaves(node: &TreeNode) -> usize {
    match node {
        TreeNode::Leaf(_) => 1,
        TreeNode::Inner(children) => children.iter().map(|child| leaves(&child.node)).sum(),
    }
}

#[test]
fn entries_in_order_leave_full_leaves_behind_and_others_leave_halves() {
    const ALL: u64 = 5_000;
    let entry = |n: u64| Entry { timestamp: n, id: [n as u8; 32] };
    let leaves_of = |order: &mut dyn Iterator<Item = u64>| {
        let mut tree = Tree::new();
        order.for_each(|n| assert_eq!(tree.insert(entry(n)), Ok(true)));
        leaves(&tree.root)
    };
    let all = ALL as usize;
    assert_eq!(leaves_of(&mut (0..ALL)), all.div_ceil(LEAF));
    // 1,009 is a prime: each comes once, here and there.
    for leaves in [leaves_of(&mut (0..ALL).rev()), leaves_of(&mut (0..ALL).map(|n| n * 1_009 % ALL))] {
        assert!(leaves <= all.div_ceil(LEAF / 2), "{leaves}");
    }
}

/// Nodes above leaves that are not also those of a snapshot.
fn copied(node: &TreeNode, snapshot: &TreeNode) -> usize {
    match (node, snapshot) {
        (TreeNode::Inner(ours), TreeNode::Inner(theirs)) if Arc::ptr_eq(ours, theirs) => 0,
        (TreeNode::Inner(ours), TreeNode::Inner(theirs)) => {
            1 + ours.iter().zip(theirs.iter()).map(|(ours, theirs)| copied(&ours.node, &theirs.node)).sum::<usize>()
        }
        _ => 0,
    }
}

#[test]
fn what_changes_nothing_copies_nothing_of_a_snapshot() {
    // Two levels above the leaves.
    let entry = |n: u64| Entry { timestamp: n, id: [n as u8; 32] };
    let mut tree = Tree::from_sorted(&(0..20_000).map(|n| entry(2 * n)).collect::<Vec<_>>()).unwrap();
    let unchanging = |tree: &mut Tree| {
        for n in (0..20_000).step_by(97) {
            assert_eq!(tree.insert(entry(2 * n)), Ok(false));
            assert!(!tree.erase(&entry(2 * n + 1)));
        }
    };
    let snapshot = tree.snapshot();
    unchanging(&mut tree);
    assert_eq!(copied(&tree.root, &snapshot.root), 0);
    // A change copies one path, and the rest stays shared.
    assert_eq!(tree.insert(entry(1)), Ok(true));
    assert!(tree.erase(&entry(1)));
    assert_eq!(copied(&tree.root, &snapshot.root), 2);
    unchanging(&mut tree);
    assert_eq!(copied(&tree.root, &snapshot.root), 2);
    assert!(tree.erase(&entry(20_000)));
    assert_eq!(copied(&tree.root, &snapshot.root), 3);
}

#[test]
fn a_tree_that_was_loaded_is_the_same_as_one_that_grew() {
    for n in [0, 1, LEAF, LEAF + 1, 20_000] {
        let entries: Vec<Entry> = (0..n).map(|i| Entry { timestamp: i as u64, id: [i as u8; 32] }).collect();
        let mut loaded = Tree::from_sorted(&entries).unwrap();
        same(&loaded, &entries.iter().copied().collect());
        let mut grown = Tree::new();
        entries.iter().rev().for_each(|entry| assert_eq!(grown.insert(*entry), Ok(true)));
        for (a, b) in [(0, n), (n / 3, n / 2), (n / 2, n / 2), (1, n), (0, n / 7), (n, n + 5)] {
            assert_eq!(loaded.fingerprint(a..b), grown.fingerprint(a..b));
            assert_eq!(loaded.entry(a), entries.get(a).copied());
            assert_eq!(grown.entry(a), entries.get(a).copied());
        }
        assert_eq!(loaded.insert(Entry { timestamp: u64::MAX, id: [0; 32] }), Err(NotASet::Reserved));
        entries.iter().for_each(|entry| assert_eq!(loaded.insert(*entry), Ok(false)));
    }
}
