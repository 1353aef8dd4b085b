//! The nearest contacts of a target: a walk over the sorted prefixes as over a binary trie.
//!
//! In sorted order the contacts that share at least `d` bits with a target surround the place where the target itself
//! would be, and those that share exactly `d` all lie on one side of the others, since the target's bit `d`
//! is the same for all of them. So the walk starts at that place and takes block after block, left or right, whichever
//! shares more bits: every contact of an earlier block is nearer than any of a later one. A small block is sorted by
//! distance. A large one is walked in the same way, with the target moved into it by flipping bit `d`, which adds
//! the same number to all distances in it. Each step down fixes at least one more bit of 64, so the walk is never more
//! than 64 deep, and that only when an attacker arranges more than a leaf of contacts under every single bit.
//!
//! Six contacts with ids of four bits, and the target 0111:
//!
//! ```text
//!                target 0111 would be here
//!                           v
//! index        0     1    2    3     4     5
//! id         0010  0101 0110  1000  1011  1110
//! distance      5     2    1    15    12     9
//! differs at bit 2   bit 1 bit 0 '--- bit 3 ---'   the first bit, from above, in which id and target differ
//! block       3rd   2nd  1st       4th
//! ```
//!
//! The walk looks left and right of the place: 0110 differs from the target at bit 0, 1000 at bit 3, and the lower bit
//! is nearer. So it takes the block of those that differ first at bit 0, to the left, which is 0110 alone; then bit 1,
//! then bit 2; then nothing is left on this side, and the block of bit 3 is all that begins with 1. Inside it, sorted
//! by distance, come 1110, 1011 and 1000. Were it large, the walk would go on in it with the target 1111: the distances
//! 1, 4 and 7 are 8 less each than those to 0111, so their order is the same.

use super::contacts::Contacts;
use crate::dht::contact::Contact;
use crate::krpc::id::Id;

/// Blocks up to this size are sorted.
const LEAF: usize = 16;

impl Contacts<'_> {
    /// Shows all contacts to `visit`, nearest to `target` first, until it returns false.
    pub(super) fn nearest_first(&self, target: &Id, mut visit: impl FnMut(&Contact) -> bool) {
        let walk = ClosestWalk { contacts: self.all(), prefixes: self.prefixes(), target };
        walk.block(0, self.len(), target.prefix(), &mut visit);
    }
}

struct ClosestWalk<'a> {
    contacts: &'a [Contact],
    prefixes: &'a [u64],
    target: &'a Id,
}

impl ClosestWalk<'_> {
    /// Visits the contacts `lo..hi`, which share all bits above some bit with `t`, the target as moved among them.
    /// Returns false as soon as the visitor did.
    fn block<F: FnMut(&Contact) -> bool>(&self, lo: usize, hi: usize, t: u64, visit: &mut F) -> bool {
        let middle = lo + self.prefixes[lo..hi].partition_point(|&p| p < t);
        let (mut left, mut right) = (middle, middle);
        loop {
            let to_left = if left > lo { Some(self.prefixes[left - 1] ^ t) } else { None };
            let to_right = if right < hi { Some(self.prefixes[right] ^ t) } else { None };
            let (start, end, first_differing) = match (to_left, to_right) {
                (None, None) => return true,
                (Some(l), r) if r.is_none_or(|r| l < r) => {
                    let end = left;
                    left = self.start_of_block(lo, end, below(l));
                    (left, end, l)
                }
                (_, Some(r)) => {
                    let start = right;
                    right = self.end_of_block(start, hi, below(r));
                    (start, right, r)
                }
                (Some(_), None) => return true,
            };
            let go_on = if end - start == 1 {
                visit(&self.contacts[start])
            } else if end - start <= LEAF {
                self.leaf(start, end, t, visit)
            } else if first_differing == 0 {
                self.twins(start, end, visit)
            } else {
                self.block(start, end, t ^ (below(first_differing) + 1), visit)
            };
            if !go_on {
                return false;
            }
        }
    }

    /// Start of the block that ends before `end` and whose members differ only in the bits `low`.
    fn start_of_block(&self, lo: usize, end: usize, low: u64) -> usize {
        let least = self.prefixes[end - 1] & !low;
        let mut start = end - 1;
        while start > lo && self.prefixes[start - 1] >= least {
            if end - start > LEAF {
                return lo + self.prefixes[lo..start].partition_point(|&p| p < least);
            }
            start -= 1;
        }
        start
    }

    /// End of the block that begins at `start` and whose members differ only in the bits `low`.
    fn end_of_block(&self, start: usize, hi: usize, low: u64) -> usize {
        let most = self.prefixes[start] | low;
        let mut end = start + 1;
        while end < hi && self.prefixes[end] <= most {
            if end - start > LEAF {
                return end + self.prefixes[end..hi].partition_point(|&p| p <= most);
            }
            end += 1;
        }
        end
    }

    /// Sorts a small block by distance and visits it.
    fn leaf<F: FnMut(&Contact) -> bool>(&self, start: usize, end: usize, t: u64, visit: &mut F) -> bool {
        let mut order = [(0u64, 0usize); LEAF];
        let count = end - start;
        for (filled, index) in (start..end).enumerate() {
            let distance = self.prefixes[index] ^ t;
            let mut place = filled;
            while place > 0 {
                let (d, i) = order[place - 1];
                if d < distance || (d == distance && self.is_nearer(i, index)) {
                    break;
                }
                order[place] = (d, i);
                place -= 1;
            }
            order[place] = (distance, index);
        }
        order[..count].iter().all(|&(_, index)| visit(&self.contacts[index]))
    }

    /// Visits a large block of ids that share their first 64 bits, which only an attacker makes: each step looks for
    /// the nearest one that is farther than the one before.
    fn twins<F: FnMut(&Contact) -> bool>(&self, start: usize, end: usize, visit: &mut F) -> bool {
        let block = &self.contacts[start..end];
        let mut reached = None;
        while let Some((distance, contact)) = block
            .iter()
            .map(|c| (self.target.distance(c.id()), c))
            .filter(|(d, _)| Some(*d) > reached)
            .min_by_key(|(d, _)| *d)
        {
            if !visit(contact) {
                return false;
            }
            reached = Some(distance);
        }
        true
    }

    fn is_nearer(&self, a: usize, b: usize) -> bool {
        self.target.distance(self.contacts[a].id()) < self.target.distance(self.contacts[b].id())
    }
}

/// A mask of the bits below the highest one that is set in `x`.
fn below(x: u64) -> u64 {
    u64::MAX.checked_shr(x.leading_zeros() + 1).unwrap_or(0)
}
