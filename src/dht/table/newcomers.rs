//! Nodes that were named or that asked us something, and that have not answered a query of ours yet.
//!
//! They are sorted by bucket and arrival, so that those of one bucket are found by a binary search. Who comes first
//! stays: many strangers cannot push out those who wait already.

use core::ops::Range;

use crate::base::list::List;
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
    /// How often it was asked.
    pub(super) asked: u8,
    /// The second of its arrival; of one that was named and is being asked, that from which it may be asked again.
    pub(super) since: u32,
    /// The second from which it may be asked.
    pub(super) due: u32,
}

impl Newcomer {
    /// Whether somebody named it, or an earlier run knew it. Who only sent us a query has to wait before it is asked.
    pub(super) fn is_named(&self) -> bool {
        self.due <= self.since
    }

    /// Whether it has had its chance: who came by itself is asked again after one failure, since packets get lost.
    pub(super) fn is_given_up(&self) -> bool {
        self.is_named() || self.asked > 1
    }

    /// It is being asked, and may be asked again at this second.
    pub(super) fn on_check(&mut self, again: u32) {
        self.asked = self.asked.saturating_add(1);
        self.put_off(again);
    }

    /// It may not be asked before this second.
    pub(super) fn put_off(&mut self, again: u32) {
        if self.is_named() {
            self.since = again;
        }
        self.due = again;
    }
}

/// A fixed number of newcomers, sorted by bucket and arrival.
#[derive(Debug)]
pub(super) struct Newcomers<'s>(List<'s, Newcomer>);

impl<'s> Newcomers<'s> {
    pub(super) fn new(mut places: List<'s, Newcomer>) -> Self {
        places.clear();
        Newcomers(places)
    }

    pub(super) fn all(&self) -> &[Newcomer] {
        &self.0
    }

    /// Where the newcomers of a bucket are.
    pub(super) fn run(&self, bucket: usize) -> Range<usize> {
        let start = self.all().partition_point(|n| usize::from(n.bucket) < bucket);
        let waiting = self.all()[start..].iter().take_while(|n| usize::from(n.bucket) == bucket).count();
        start..start + waiting
    }

    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut Newcomer> {
        self.0.get_mut(index)
    }

    /// Queues a newcomer behind those of its bucket. False when all places are taken.
    pub(super) fn push(&mut self, newcomer: Newcomer) -> bool {
        let index = self.0.partition_point(|n| n.bucket <= newcomer.bucket);
        self.0.insert(index, newcomer)
    }

    pub(super) fn remove(&mut self, index: usize) {
        self.0.remove(index);
    }

    /// Forgets those of `range` who came longer than `lifetime` ago, and returns how many that were.
    pub(super) fn forget_old(&mut self, range: Range<usize>, now: Instant, lifetime: Duration) -> usize {
        self.retain(range, |n| now.since(Instant::from_secs(n.since.into())) < lifetime)
    }

    /// Forgets those of `range` that `keep` does not want, and returns how many were forgotten.
    pub(super) fn retain(&mut self, range: Range<usize>, keep: impl Fn(&Newcomer) -> bool) -> usize {
        if self.0.get(range.clone()).is_none_or(|asked| asked.iter().all(&keep)) {
            return 0;
        }
        let (before, mut index) = (self.0.len(), 0);
        self.0.retain(|newcomer| {
            let is_asked = range.contains(&index);
            index += 1;
            !is_asked || keep(newcomer)
        });
        before - self.0.len()
    }
}
