//! The set that changes: a B+ tree whose parents know of each child how many entries it has and what their ids add up
//! to.
//!
//! ```text
//!            | first, 100, sum | first, 55, sum |            inner nodes, shared by snapshots
//!               /                        \
//!   | first, 60, sum | first, 40, sum |  | first, 55, sum |
//!        /                   \                /
//!   60 entries           40 entries       55 entries         leaves
//! ```
//!
//! So a place, a bound and the sum of any range are found on one path from the root, and inserting or erasing an entry
//! touches one path. Inner nodes are shared: a [snapshot](Tree::snapshot) costs nothing and stays as it is, while the
//! tree copies those parts that it changes from then on: nothing for an entry that is there already, or is not. Leaves
//! are as long as what they hold, in steps of six entries, so that a tree filled in random order needs little more
//! memory than the entries themselves.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::{ControlFlow, Range};

use crate::negentropy::kept::KeptSymbols;
use crate::negentropy::message::Entry;
use crate::negentropy::search::{find, gallop, guess};
use crate::negentropy::set::{SortedSet, Sum};
use crate::negentropy::sorted::{NotASet, check_order};

/// Most entries of a leaf.
const LEAF: usize = 64;

/// Most children of an inner node.
const FAN: usize = 32;

/// Up to so many entries, one path and adding up is quicker than two paths.
const NARROW: usize = LEAF / 2;

/// By how many entries a leaf grows.
const STEP: usize = 6;

#[derive(Clone, Debug)]
enum TreeNode {
    Leaf(Vec<Entry>),
    Inner(Arc<Vec<Child>>),
}

/// What a parent knows of a child.
#[derive(Clone, Debug)]
struct Child {
    /// Not above any entry of the child, and above every entry of the children before.
    first: Entry,
    count: usize,
    sum: Sum,
    node: TreeNode,
}

enum Inserted {
    AlreadyThere,
    Yes,
    /// And the upper part of the node has become one of its own.
    Split(Child),
}

/// A changing set.
///
/// ```
/// use honeyguide::negentropy::{Entry, SortedSet, Tree};
/// use sha2::{Digest, Sha256};
///
/// let entry = |n: u64| Entry { timestamp: n, id: Sha256::digest(n.to_be_bytes()).into() };
/// let mut set = Tree::new();
/// for n in [30, 10, 20] {
///     assert!(set.insert(entry(n))?);
/// }
/// assert!(!set.insert(entry(10))?, "it is there already");
///
/// // A session works on the set as it was when it began.
/// let snapshot = set.snapshot();
/// assert!(set.erase(&entry(20)));
/// assert_eq!((set.len(), snapshot.len()), (2, 3));
/// assert_eq!(set.entry(1), Some(entry(30)));
/// # Ok::<(), honeyguide::negentropy::NotASet>(())
/// ```
#[derive(Clone, Debug)]
pub struct Tree {
    root: TreeNode,
    len: usize,
    sum: Sum,
    symbols: Option<Arc<KeptSymbols>>,
}

impl Default for Tree {
    fn default() -> Self {
        Tree::new()
    }
}

impl Tree {
    /// The empty set.
    #[must_use]
    pub fn new() -> Self {
        Tree { root: TreeNode::Leaf(Vec::new()), len: 0, sum: Sum::ZERO, symbols: None }
    }

    /// The set of `entries`, which must ascend: in one pass, without searching.
    ///
    /// # Errors
    ///
    /// When the entries do not ascend, or one has the timestamp that stands for infinity.
    pub fn from_sorted(entries: &[Entry]) -> Result<Self, NotASet> {
        check_order(entries)?;
        if entries.last().is_some_and(|last| last.timestamp == u64::MAX) {
            return Err(NotASet::Reserved);
        }
        // Nearly full, so that a few more entries do not split every leaf.
        let mut level: Vec<Child> =
            entries.chunks(LEAF - 2 * STEP).map(|chunk| Child::of(TreeNode::Leaf(chunk.to_vec()))).collect();
        while level.len() > 1 {
            level =
                level.chunks(FAN - STEP).map(|chunk| Child::of(TreeNode::Inner(Arc::new(chunk.to_vec())))).collect();
        }
        match level.pop() {
            Some(Child { count, sum, node, .. }) => Ok(Tree { root: node, len: count, sum, symbols: None }),
            None => Ok(Tree::new()),
        }
    }

    /// Puts an entry in. `false`: it was there already.
    ///
    /// # Errors
    ///
    /// When its timestamp is the one that stands for infinity.
    pub fn insert(&mut self, entry: Entry) -> Result<bool, NotASet> {
        if entry.timestamp == u64::MAX {
            return Err(NotASet::Reserved);
        }
        match self.root.insert(&entry) {
            Inserted::AlreadyThere => return Ok(false),
            Inserted::Yes => {}
            Inserted::Split(right) => {
                let left = core::mem::replace(&mut self.root, TreeNode::Leaf(Vec::new()));
                self.root = TreeNode::Inner(Arc::new(alloc::vec![Child::of(left), right]));
            }
        }
        self.len += 1;
        self.sum = self.sum.plus(Sum::from_id(&entry.id));
        self.symbols.iter_mut().for_each(|symbols| Arc::make_mut(symbols).insert(&entry.id));
        Ok(true)
    }

    /// Takes an entry out. `false`: it was not there.
    pub fn erase(&mut self, entry: &Entry) -> bool {
        if !self.root.erase(entry) {
            return false;
        }
        while let TreeNode::Inner(children) = &self.root
            && let [only] = &children[..]
        {
            self.root = only.node.clone();
        }
        self.len -= 1;
        self.sum = self.sum.minus(Sum::from_id(&entry.id));
        self.symbols.iter_mut().for_each(|symbols| Arc::make_mut(symbols).erase(&entry.id));
        true
    }

    /// Keeps `number` [symbols](KeptSymbols) under `key`, a secret of one's own ends: built now in one walk, and
    /// updated by every change (the first after a snapshot copies them). With 0, none are kept and nothing is paid.
    pub fn keep_symbols(&mut self, key: [u8; 16], number: usize) {
        self.symbols = (number > 0).then(|| {
            let mut kept = KeptSymbols::new(key, number);
            self.scan(0..self.len, |entry| {
                kept.insert(&entry.id);
                ControlFlow::Continue(())
            });
            Arc::new(kept)
        });
    }

    /// Bytes of memory in use, without what the allocator adds.
    #[must_use]
    pub fn memory(&self) -> usize {
        size_of::<Self>() + self.root.memory() + self.symbols().map_or(0, KeptSymbols::memory)
    }

    /// Whether an entry is there.
    #[must_use]
    pub fn contains(&self, entry: &Entry) -> bool {
        self.root.contains(entry)
    }

    /// How many entries are below `bound`.
    #[must_use]
    pub fn rank(&self, bound: &Entry) -> usize {
        let (mut node, mut rank) = (&self.root, 0);
        loop {
            match node {
                TreeNode::Leaf(entries) => return rank + find(entries, bound).unwrap_or_else(|place| place),
                TreeNode::Inner(children) => {
                    let place = place_of(children, bound);
                    rank += children.iter().take(place).map(|child| child.count).sum::<usize>();
                    match children.get(place) {
                        Some(child) => node = &child.node,
                        None => return rank,
                    }
                }
            }
        }
    }

    /// The set as it is now, for a session: it stays so whatever happens to this one.
    #[must_use]
    pub fn snapshot(&self) -> Tree {
        self.clone()
    }
}

impl SortedSet for Tree {
    fn len(&self) -> usize {
        self.len
    }

    fn entry(&self, index: usize) -> Option<Entry> {
        let (mut node, mut left) = (&self.root, index);
        loop {
            match node {
                TreeNode::Leaf(entries) => return entries.get(left).copied(),
                TreeNode::Inner(children) => {
                    let child = children.iter().find(|child| {
                        let inside = left < child.count;
                        left -= if inside { 0 } else { child.count };
                        inside
                    })?;
                    node = &child.node;
                }
            }
        }
    }

    fn lower_bound(&self, bound: &Entry, from: usize, _near: usize) -> usize {
        if bound.timestamp == u64::MAX { self.len } else { self.rank(bound).max(from.min(self.len)) }
    }

    /// On every level from the nearer end: the sum of the whole node is known.
    fn prefix(&self, index: usize) -> Sum {
        let (mut node, mut left, mut sum) = (&self.root, index.min(self.len), Sum::ZERO);
        let (mut count, mut total) = (self.len, self.sum);
        loop {
            let children = match node {
                TreeNode::Leaf(entries) if left > count / 2 => {
                    return sum.plus(total).minus(Sum::of(entries.get(left..).unwrap_or_default()));
                }
                TreeNode::Leaf(entries) => return sum.plus(Sum::of(entries.get(..left).unwrap_or_default())),
                TreeNode::Inner(children) => children,
            };
            let child = if left <= count / 2 {
                children.iter().find(|child| {
                    let inside = left <= child.count;
                    if !inside {
                        left -= child.count;
                        sum = sum.plus(child.sum);
                    }
                    inside
                })
            } else {
                let mut over = count - left;
                sum = sum.plus(total);
                let child = children.iter().rev().find(|child| {
                    sum = sum.minus(child.sum);
                    let inside = over < child.count;
                    if !inside {
                        over -= child.count;
                    }
                    inside
                });
                left = child.map_or(0, |child| child.count - over);
                child
            };
            let Some(child) = child else { return sum };
            (node, count, total) = (&child.node, child.count, child.sum);
        }
    }

    fn sum(&self, range: Range<usize>) -> Sum {
        if range.end.saturating_sub(range.start) > NARROW {
            return self.prefix(range.end).minus(self.prefix(range.start));
        }
        let mut sum = Sum::ZERO;
        self.scan(range, |entry| {
            sum = sum.plus(Sum::from_id(&entry.id));
            ControlFlow::Continue(())
        });
        sum
    }

    fn scan(&self, range: Range<usize>, mut visit: impl FnMut(&Entry) -> ControlFlow<()>) {
        let _ = self.root.scan(range.start, range.end, &mut visit);
    }

    fn symbols(&self) -> Option<&KeptSymbols> {
        self.symbols.as_deref()
    }
}

/// The child that an entry belongs to.
fn place_of(children: &[Child], entry: &Entry) -> usize {
    let near = guess(children.len(), |place| children.get(place).map(|child| &child.first), entry);
    let after = gallop(0, children.len(), near, |place| children.get(place).is_some_and(|child| child.first <= *entry));
    after.saturating_sub(1)
}

/// Whether the child at that place has an entry.
fn has_below(children: &[Child], place: usize, entry: &Entry) -> bool {
    children.get(place).is_some_and(|child| child.node.contains(entry))
}

impl Child {
    /// Counts and adds up what a node holds.
    fn of(node: TreeNode) -> Child {
        let (first, count, sum) = match &node {
            TreeNode::Leaf(entries) => (entries.first().copied(), entries.len(), Sum::of(entries)),
            TreeNode::Inner(children) => (
                children.first().map(|child| child.first),
                children.iter().map(|child| child.count).sum(),
                children.iter().fold(Sum::ZERO, |sum, child| sum.plus(child.sum)),
            ),
        };
        Child { first: first.unwrap_or_default(), count, sum, node }
    }
}

impl TreeNode {
    fn contains(&self, entry: &Entry) -> bool {
        let mut node = self;
        loop {
            match node {
                TreeNode::Leaf(entries) => return find(entries, entry).is_ok(),
                TreeNode::Inner(children) => match children.get(place_of(children, entry)) {
                    Some(child) => node = &child.node,
                    None => return false,
                },
            }
        }
    }

    fn insert(&mut self, entry: &Entry) -> Inserted {
        match self {
            TreeNode::Leaf(entries) => {
                let Err(at) = find(entries, entry) else { return Inserted::AlreadyThere };
                insert_into_leaf(entries, at, *entry)
            }
            TreeNode::Inner(children) => {
                let place = place_of(children, entry);
                let children = match Arc::get_mut(children) {
                    Some(children) => children,
                    // A snapshot has them too: a look costs less than a copy.
                    None => {
                        if has_below(children, place, entry) {
                            return Inserted::AlreadyThere;
                        }
                        Arc::make_mut(children)
                    }
                };
                let Some(child) = children.get_mut(place) else { return Inserted::AlreadyThere };
                let inserted = child.node.insert(entry);
                if matches!(inserted, Inserted::AlreadyThere) {
                    return inserted;
                }
                child.first = child.first.min(*entry);
                child.count += 1;
                child.sum = child.sum.plus(Sum::from_id(&entry.id));
                let Inserted::Split(right) = inserted else { return Inserted::Yes };
                child.count -= right.count;
                child.sum = child.sum.minus(right.sum);
                children.insert(place + 1, right);
                if children.len() <= FAN {
                    return Inserted::Yes;
                }
                let middle = if place + 2 == children.len() { children.len() - 1 } else { children.len() / 2 };
                let upper = children.split_off(middle);
                Inserted::Split(Child::of(TreeNode::Inner(Arc::new(upper))))
            }
        }
    }

    /// Takes out an entry; `false` when it is not there.
    fn erase(&mut self, entry: &Entry) -> bool {
        match self {
            TreeNode::Leaf(entries) => {
                let Ok(at) = find(entries, entry) else { return false };
                entries.remove(at);
                if entries.capacity() >= entries.len() + 2 * STEP {
                    entries.shrink_to(entries.len() + STEP);
                }
                true
            }
            TreeNode::Inner(children) => {
                let place = place_of(children, entry);
                let children = match Arc::get_mut(children) {
                    Some(children) => children,
                    None => {
                        if !has_below(children, place, entry) {
                            return false;
                        }
                        Arc::make_mut(children)
                    }
                };
                let Some(child) = children.get_mut(place) else { return false };
                if !child.node.erase(entry) {
                    return false;
                }
                child.count -= 1;
                child.sum = child.sum.minus(Sum::from_id(&entry.id));
                if child.node.is_sparse() && children.len() > 1 {
                    join(children, place.min(children.len() - 2));
                }
                true
            }
        }
    }

    fn memory(&self) -> usize {
        match self {
            TreeNode::Leaf(entries) => entries.capacity() * size_of::<Entry>(),
            TreeNode::Inner(children) => {
                let below: usize = children.iter().map(|child| child.node.memory()).sum();
                // The vector and the two counters of its owner.
                below + children.capacity() * size_of::<Child>() + size_of::<Vec<Child>>() + size_of::<[usize; 2]>()
            }
        }
    }

    fn is_sparse(&self) -> bool {
        match self {
            TreeNode::Leaf(entries) => entries.len() < LEAF / 4,
            TreeNode::Inner(children) => children.len() < FAN / 4,
        }
    }

    fn scan(&self, start: usize, end: usize, visit: &mut impl FnMut(&Entry) -> ControlFlow<()>) -> ControlFlow<()> {
        match self {
            TreeNode::Leaf(entries) => {
                entries.get(start..end.min(entries.len())).unwrap_or_default().iter().try_for_each(visit)
            }
            TreeNode::Inner(children) => {
                let mut before = 0usize;
                for child in children.iter() {
                    let after = before + child.count;
                    if after > start && before < end {
                        child.node.scan(start.saturating_sub(before), end - before, visit)?;
                    }
                    before = after;
                    if before >= end {
                        break;
                    }
                }
                ControlFlow::Continue(())
            }
        }
    }
}

fn insert_into_leaf(entries: &mut Vec<Entry>, at: usize, entry: Entry) -> Inserted {
    if entries.len() < LEAF {
        if entries.len() == entries.capacity() {
            entries.reserve_exact(STEP.min(LEAF - entries.len()));
        }
        entries.insert(at, entry);
        return Inserted::Yes;
    }
    // Entries that come in order leave full leaves behind.
    let middle = if at == entries.len() { at } else { entries.len() / 2 };
    let mut upper = entries.split_off(middle);
    entries.shrink_to(entries.len() + STEP);
    if at < middle {
        entries.insert(at, entry);
    } else {
        upper.reserve_exact(STEP);
        upper.insert(at - middle, entry);
    }
    Inserted::Split(Child::of(TreeNode::Leaf(upper)))
}

/// Makes one node of two neighbours, or two of the same size if one would be too full.
fn join(children: &mut Vec<Child>, place: usize) {
    if place + 1 >= children.len() {
        return;
    }
    let right = children.remove(place + 1);
    let Some(left) = children.get_mut(place) else { return };
    let upper = match (&mut left.node, right.node) {
        (TreeNode::Leaf(left), TreeNode::Leaf(right)) => {
            let entries = left;
            entries.reserve_exact(right.len());
            entries.extend_from_slice(&right);
            let split = entries.len() > LEAF * 3 / 4;
            split.then(|| {
                let upper = entries.split_off(entries.len() / 2);
                entries.shrink_to(entries.len() + STEP);
                TreeNode::Leaf(upper)
            })
        }
        (TreeNode::Inner(left), TreeNode::Inner(right)) => {
            let list = Arc::make_mut(left);
            list.extend_from_slice(&right);
            let split = list.len() > FAN * 3 / 4;
            split.then(|| TreeNode::Inner(Arc::new(list.split_off(list.len() / 2))))
        }
        // All leaves are equally deep.
        (_, right) => Some(right),
    };
    let first = left.first;
    let node = core::mem::replace(&mut left.node, TreeNode::Leaf(Vec::new()));
    *left = Child { first, ..Child::of(node) };
    if let Some(upper) = upper {
        children.insert(place + 1, Child::of(upper));
    }
}

#[cfg(test)]
mod tests;
