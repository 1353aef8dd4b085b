//! Nodes that were named or that asked us something, and that have not answered a query of ours yet.
//!
//! They lie in the order of their buckets and, within one, of their arrival, so that the few of one bucket are found by
//! a binary search. Who comes first stays: many strangers cannot push out those who wait already.

use core::ops::Range;

use crate::base::slab::Memory;
use crate::base::time::{Duration, Instant};
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;

/// A node that waits to be checked.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Newcomer {
    pub(super) id: Id,
    pub(super) endpoint: Endpoint,
    pub(super) bucket: u8,
    pub(super) secure: bool,
    /// The second of its arrival.
    pub(super) since: u32,
    /// The second from which it may be asked.
    pub(super) due: u32,
}

impl Newcomer {
    /// Unused memory: all its bits are zero, so that a static of it costs no flash.
    pub const BLANK: Newcomer =
        Newcomer { id: Id([0; 20]), endpoint: Endpoint::UNSPECIFIED, bucket: 0, secure: false, since: 0, due: 0 };
}

/// A fixed number of newcomers, sorted by bucket and arrival.
#[derive(Debug)]
pub(super) struct Newcomers<'s> {
    places: Memory<'s, Newcomer>,
    len: usize,
}

impl<'s> Newcomers<'s> {
    pub(super) fn new(places: Memory<'s, Newcomer>) -> Self {
        Newcomers { places, len: 0 }
    }

    pub(super) fn all(&self) -> &[Newcomer] {
        &self.places[..self.len]
    }

    /// Where the newcomers of a bucket are.
    pub(super) fn run(&self, bucket: usize) -> Range<usize> {
        let start = self.all().partition_point(|n| usize::from(n.bucket) < bucket);
        let waiting = self.all()[start..].iter().take_while(|n| usize::from(n.bucket) == bucket).count();
        start..start + waiting
    }

    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut Newcomer> {
        self.places[..self.len].get_mut(index)
    }

    /// Queues a newcomer behind those of its bucket. False when all places are taken.
    pub(super) fn push(&mut self, newcomer: Newcomer) -> bool {
        if self.len >= self.places.len() {
            return false;
        }
        let index = self.all().partition_point(|n| n.bucket <= newcomer.bucket);
        self.places.copy_within(index..self.len, index + 1);
        self.places[index] = newcomer;
        self.len += 1;
        true
    }

    pub(super) fn remove(&mut self, index: usize) {
        if index < self.len {
            self.places.copy_within(index + 1..self.len, index);
            self.len -= 1;
        }
    }

    /// Forgets those of `range` who came longer than `life` ago, and returns how many that were.
    pub(super) fn forget_old(&mut self, range: Range<usize>, now: Instant, life: Duration) -> usize {
        self.retain(range, |n| now.since(Instant::from_secs(n.since.into())) < life)
    }

    /// Forgets those of `range` that `keep` does not want, and returns how many were forgotten.
    pub(super) fn retain(&mut self, range: Range<usize>, keep: impl Fn(&Newcomer) -> bool) -> usize {
        let mut kept = range.start;
        for index in range.clone() {
            if keep(&self.places[index]) {
                self.places[kept] = self.places[index];
                kept += 1;
            }
        }
        self.places.copy_within(range.end..self.len, kept);
        self.len -= range.end - kept;
        range.end - kept
    }
}
