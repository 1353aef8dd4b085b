//! How many contacts each bucket has, and when it needs news.
//!
//! A full bucket is refreshed when nothing was heard from it for 15 min (BEP 5). A thin one, with fewer than eight
//! contacts although there would be room, is refreshed soon and then less and less often, since near our own id
//! it may be thin because the network has nobody else to offer; after four futile tries it waits for news like a full
//! one. A loss that makes it thin makes it eager again. The empty bucket behind the deepest one that has
//! contacts counts as thin: its refresh is a search for ourselves. Where a few buckets have so few contacts that one
//! lookup names all of them, they are refreshed together.

use crate::base::list::List;
#[cfg(any(test, debug_assertions))]
use crate::base::recount::Imprint;
use crate::base::time::{Duration, Instant, seconds_up};
use crate::dht::config::{K, LARGEST_BUCKET, TableConfig};
use crate::krpc::id::Id;

/// Buckets of a table. The last one holds all contacts that share more leading bits with us.
pub const BUCKETS: usize = 32;
/// Waits of a thin bucket, in units of `check_every` (30 s, 2 min and 10 min at 3 s); then `refresh_after`.
const COOLDOWNS: [u32; 3] = [10, 40, 200];
/// Futile refreshes after which a thin bucket is no longer special.
const SETTLED: u16 = COOLDOWNS.len() as u16 + 1;
/// Time between two refreshes, in units of `check_every` (15 s at 3 s).
const SPACING: u32 = 5;

/// What a table knows of one of its buckets.
#[derive(Clone, Copy, Default, Debug)]
pub struct Bucket {
    /// The second from which a refresh is wanted.
    due: u32,
    contacts: u16,
    /// Those of them that asked us before we knew them, times eight, and how many refreshes were futile: so a bucket
    /// takes eight bytes.
    callers_and_futile: u16,
}

impl Bucket {
    const FUTILE: u16 = 7;

    fn callers(&self) -> u16 {
        self.callers_and_futile / (Self::FUTILE + 1)
    }

    fn set_callers(&mut self, callers: u16) {
        self.callers_and_futile = (callers.min(LARGEST_BUCKET) * (Self::FUTILE + 1)) | self.futile();
    }

    /// Futile refreshes in a row, seven at the most.
    fn futile(&self) -> u16 {
        self.callers_and_futile & Self::FUTILE
    }

    fn set_futile(&mut self, futile: u16) {
        self.callers_and_futile = (self.callers_and_futile & !Self::FUTILE) | futile.min(Self::FUTILE);
    }

    /// One more.
    fn count(&mut self, is_caller: bool) {
        self.contacts += 1;
        self.set_callers(self.callers() + u16::from(is_caller));
    }
}

#[derive(Debug)]
pub(super) struct Buckets<'s> {
    /// As long as there are buckets.
    list: List<'s, Bucket>,
    sizes: [u16; 5],
    refresh_after: Duration,
    check_every: Duration,
    /// The earliest `due`, or an earlier time.
    next_due: Option<Instant>,
    /// When the next refresh may start, and when the last one did.
    spaced: Instant,
    last: Option<Instant>,
}

impl<'s> Buckets<'s> {
    pub(super) fn new(config: &TableConfig, mut list: List<'s, Bucket>) -> Self {
        list.clear();
        list.grow_to(BUCKETS);
        assert!(list.len() == BUCKETS, "memory for every bucket");
        Buckets {
            list,
            sizes: config.bucket_sizes,
            refresh_after: config.refresh_after,
            check_every: config.check_every,
            next_due: None,
            spaced: Instant::ZERO,
            last: None,
        }
    }

    /// The bucket of `id` in the table of `own`.
    pub(super) fn index(own: &Id, id: &Id) -> usize {
        (own.shared_prefix_len(id) as usize).min(BUCKETS - 1)
    }

    /// Contacts that a bucket has room for.
    pub(super) fn size(&self, bucket: usize) -> usize {
        self.sizes[bucket.min(self.sizes.len() - 1)].into()
    }

    /// Contacts in a bucket.
    pub(super) fn count(&self, bucket: usize) -> usize {
        self.list.get(bucket).map_or(0, |b| b.contacts.into())
    }

    /// How many of them asked us before we knew them.
    pub(super) fn callers(&self, bucket: usize) -> usize {
        self.list.get(bucket).map_or(0, |b| b.callers().into())
    }

    pub(super) fn is_full(&self, bucket: usize) -> bool {
        self.count(bucket) >= self.size(bucket)
    }

    /// The deepest bucket that is full.
    pub(super) fn deepest_full(&self) -> Option<usize> {
        (0..BUCKETS).rev().find(|&b| self.is_full(b) && self.count(b) > 0)
    }

    fn is_thin(&self, bucket: usize) -> bool {
        self.count(bucket) < self.size(bucket).min(K)
    }

    /// Buckets that are worth a refresh: all up to one behind the deepest one that has contacts.
    fn reach(&self) -> usize {
        self.list.iter().rposition(|b| b.contacts > 0).map_or(0, |deepest| (deepest + 2).min(BUCKETS))
    }

    /// A contact was added.
    pub(super) fn on_added(&mut self, now: Instant, bucket: usize, is_caller: bool) {
        self.list[bucket].count(is_caller);
        if !self.is_thin(bucket) {
            self.list[bucket].set_futile(0);
        }
        self.on_news(now, bucket);
        self.update();
    }

    /// A contact was removed.
    pub(super) fn on_removed(&mut self, now: Instant, bucket: usize, is_caller: bool) {
        let was_thin = self.is_thin(bucket);
        let callers = self.list[bucket].callers().saturating_sub(is_caller.into());
        self.list[bucket].set_callers(callers);
        self.list[bucket].contacts = self.list[bucket].contacts.saturating_sub(1);
        if self.is_thin(bucket) && !was_thin {
            self.list[bucket].set_futile(0);
            self.list[bucket].due = seconds_up(now + self.cooldown(0));
        }
        self.update();
    }

    /// A contact of the bucket answered. Later, the refresh is only put off, so `next_due` may stay as it is.
    pub(super) fn on_news(&mut self, now: Instant, bucket: usize) {
        if !self.is_thin(bucket) || self.list[bucket].futile() >= SETTLED {
            self.list[bucket].due = seconds_up(now + self.refresh_after);
        }
    }

    /// All contacts lie in other buckets now: `contacts` says in which, and who asked us before we knew it.
    pub(super) fn recount(&mut self, contacts: impl Iterator<Item = (usize, bool)>) {
        self.list.fill(Bucket::default());
        contacts.for_each(|(bucket, is_caller)| self.list[bucket].count(is_caller));
        self.update();
    }

    fn update(&mut self) {
        let due = self.list[..self.reach()].iter().map(|b| b.due).min();
        self.next_due = due.map(|secs| Instant::from_secs(secs.into()));
    }

    fn cooldown(&self, futile: u16) -> Duration {
        match COOLDOWNS.get(usize::from(futile)) {
            Some(&units) => self.check_every.saturating_mul(units).min(self.refresh_after),
            None => self.refresh_after,
        }
    }

    /// A bucket to be refreshed now, deepest first.
    pub(super) fn next_refresh(&mut self, now: Instant) -> Option<usize> {
        if self.refresh_at().is_none_or(|at| now < at) || self.last == Some(now) {
            return None;
        }
        let due = |b: &Bucket| Instant::from_secs(b.due.into()) <= now;
        let chosen = self.list[..self.reach()].iter().rposition(due);
        if let Some(bucket) = chosen {
            let near = self.nearest_few();
            let refreshed = if bucket < near { bucket..bucket + 1 } else { near..self.reach() };
            refreshed.for_each(|bucket| self.on_refresh(now, bucket));
            self.spaced = now + self.check_every.saturating_mul(SPACING);
            self.last = Some(now);
        }
        self.update();
        chosen
    }

    /// The first of the deepest buckets that have no more contacts together than a lookup ends with: one of an id in
    /// any of them names all nodes of all of them.
    fn nearest_few(&self) -> usize {
        let (mut first, mut contacts) = (self.reach(), 0);
        while first > 0 && contacts + self.count(first - 1) <= K {
            first -= 1;
            contacts += self.count(first);
        }
        first
    }

    /// A bucket is refreshed.
    fn on_refresh(&mut self, now: Instant, bucket: usize) {
        let wait = if self.is_thin(bucket) { self.cooldown(self.list[bucket].futile()) } else { self.refresh_after };
        let entry = &mut self.list[bucket];
        entry.set_futile(entry.futile() + 1);
        entry.due = seconds_up(now + wait);
    }

    /// When the next refresh is due.
    pub(super) fn refresh_at(&self) -> Option<Instant> {
        self.next_due.map(|due| due.max(self.spaced))
    }

    /// Counts again, by hand.
    #[cfg(any(test, debug_assertions))]
    pub(super) fn assert_counts(&self, contacts: impl Iterator<Item = (usize, bool)>) {
        let mut counts = [(0, 0); BUCKETS];
        for (bucket, is_caller) in contacts {
            let (all, callers) = &mut counts[bucket];
            (*all, *callers) = (*all + 1_u16, *callers + u16::from(is_caller));
        }
        assert!(self.list.iter().map(|b| (b.contacts, b.callers())).eq(counts), "bucket counts");
        for (bucket, &(count, _)) in counts.iter().enumerate() {
            assert!(usize::from(count) <= self.size(bucket), "bucket {bucket} holds {count}");
        }
    }

    /// What [`assert_counts`](Self::assert_counts) reads.
    #[cfg(any(test, debug_assertions))]
    pub(super) fn add_counts(&self, imprint: &mut Imprint) {
        let count = |bucket: &Bucket| u64::from(bucket.contacts) << 16 | u64::from(bucket.callers());
        for buckets in self.list.chunks_exact(8) {
            let pair = |i: usize| (count(&buckets[i]), count(&buckets[i + 1]));
            imprint.add([pair(0), pair(2), pair(4), pair(6)]);
        }
    }

    /// Looks again for the next refresh.
    #[cfg(any(test, debug_assertions))]
    pub(super) fn assert_times(&self) {
        let due = self.list[..self.reach()].iter().map(|b| b.due).min();
        assert!(due.is_none() == self.next_due.is_none(), "a refresh has a time");
        assert!(self.next_due <= due.map(|d| Instant::from_secs(d.into())), "no refresh is missed");
    }
}
