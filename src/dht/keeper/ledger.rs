//! All that is kept: who is due, and who is wanted.
//!
//! An entry waits in one heap for its time to be looked at, or in another for its item; while a look or a put runs it
//! is in neither. So whoever is due next is found in constant time, and every event costs the logarithm of how many
//! there are; only what ends all of a publisher's looks at each.

use crate::base::deadlines::{Deadlines, DeadlinesMemory};
use crate::base::list::List;
use crate::base::rng::Rng;
use crate::base::slab::{Slab, SlabEntry, SlabKey};
use crate::base::time::{Duration, Instant};
use crate::dht::capacity::MAX_REPLICAS;
use crate::dht::event::{Event, KeepId, OpId};
use crate::dht::keep::{KeepSchedule, KeepState, KeepView, Kept, NextAction};
use crate::dht::keeper::entry::{KeptEntry, KeptPut, Looked, Phase, Supplied, Then};
use crate::krpc::item::Item;

/// Who is wanted is said again after this long (P8).
const SAY_AGAIN: Duration = Duration::from_secs(10);
/// Nothing waits longer.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// Memory of a [`Keeper`]; all three parts have the same capacity.
#[derive(Debug)]
pub struct KeeperMemory<'s> {
    /// What is kept.
    pub entries: List<'s, SlabEntry<KeptEntry>>,
    /// When it is to be looked at.
    pub looks: DeadlinesMemory<'s>,
    /// Since when it is wanted.
    pub wants: DeadlinesMemory<'s>,
}

/// What is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Work {
    /// Copies are to be looked for: of a mutable item those that are newer than this.
    Look {
        /// A version.
        newer_than: Option<i64>,
    },
    /// A peer is to be announced.
    Announce,
}

/// All that is kept.
#[derive(Debug)]
pub struct Keeper<'s> {
    entries: Slab<'s, KeptEntry>,
    looks: Deadlines<'s>,
    wants: Deadlines<'s>,
    /// Who was said to be wanted, and when that is said again.
    said: Option<(u16, Instant)>,
}

impl<'s> Keeper<'s> {
    /// Nothing is kept yet.
    pub fn new(memory: KeeperMemory<'s>) -> Self {
        let KeeperMemory { entries, looks, wants } = memory;
        let (looks, wants) = (Deadlines::new(looks), Deadlines::new(wants));
        Keeper { entries: Slab::new(entries), looks, wants, said: None }
    }

    /// Whether nothing is kept.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How much can be kept.
    pub fn capacity(&self) -> usize {
        self.entries.capacity()
    }

    /// Begins to keep something, going on from where an earlier run was.
    pub fn insert(
        &mut self,
        now: Instant,
        tag: u64,
        kept: &Kept<'_>,
        schedule: &KeepSchedule,
        before: &KeepState,
    ) -> Option<KeepId> {
        let key = self.entries.insert(KeptEntry::new(tag, kept, schedule, before)).ok()?;
        let at = now + before.due_in.min(LONGEST);
        match before.next {
            NextAction::Want if !matches!(kept, Kept::Announced { .. }) => self.want(key.index, at),
            _ => self.looks.set(key.index, at),
        }
        Some(key.into())
    }

    /// Ends it. The operation that runs for it, if one does; `None` where nothing has that handle.
    pub fn remove(&mut self, keep: KeepId) -> Option<Option<OpId>> {
        let entry = self.entries.remove(keep.into())?;
        self.looks.clear(keep.index);
        self.wants.clear(keep.index);
        self.said.take_if(|(said, _)| *said == keep.index);
        Some(running(entry.phase()))
    }

    /// The first at or behind this place that is of a publisher.
    pub fn next_of(&self, publisher: &[u8; 32], from: u16) -> Option<KeepId> {
        let all = (from..self.capacity() as u16).filter_map(|index| self.entries.key_at(index));
        let mut of_publisher = all.filter(|key| self.entries.get(*key).is_some_and(|entry| entry.is_of(publisher)));
        of_publisher.next().map(KeepId::from)
    }

    /// The user has no item for it now; whether there is such a thing.
    pub fn put_off(&mut self, now: Instant, keep: KeepId, by: Duration) -> bool {
        let Some(entry) = self.entries.get(keep.into()) else { return false };
        if entry.phase() == Phase::Wanted {
            self.wants.set(keep.index, now + by.min(LONGEST));
            self.said.take_if(|(said, _)| *said == keep.index);
        }
        true
    }

    /// The user supplies an item, whose signature was checked; what it is good for, and the operation that ran for it
    /// until now.
    pub fn supply(&mut self, keep: KeepId, item: &Item<'_>) -> Option<(Supplied, Option<OpId>)> {
        let entry = self.entries.get_mut(keep.into())?;
        let (supplied, ran) = (entry.supply(item, MAX_REPLICAS), running(entry.phase()));
        match supplied {
            Supplied::Other => return Some((supplied, None)),
            Supplied::Put { .. } => {
                entry.set_phase(Phase::Storing(None));
                self.looks.clear(keep.index);
                self.wants.clear(keep.index);
            }
            Supplied::Superseded => self.supersede(keep),
        }
        self.said.take_if(|(said, _)| *said == keep.index);
        Some((supplied, ran))
    }

    /// What is kept under this handle.
    pub fn kept(&self, keep: KeepId) -> Option<Kept<'_>> {
        self.entries.get(keep.into()).map(KeptEntry::kept)
    }

    /// The operation that runs for it.
    pub fn running(&self, keep: KeepId) -> Option<OpId> {
        self.entries.get(keep.into()).and_then(|entry| running(entry.phase()))
    }

    // ---- what is due ----

    /// When the next one is to be looked at.
    pub fn look_at(&self) -> Option<Instant> {
        self.looks.next().map(|(at, _)| at)
    }

    /// What has been due longest; it is under way from now on.
    pub fn next(&mut self, now: Instant) -> Option<(KeepId, Work)> {
        let index = self.looks.pop_due(now)?;
        let key = self.entries.key_at(index)?;
        let entry = self.entries.get_mut(key)?;
        let (phase, work) = match entry.kept() {
            Kept::Announced { .. } => (Phase::Storing(None), Work::Announce),
            _ => (Phase::Looking(None), Work::Look { newer_than: entry.newer_than() }),
        };
        entry.set_phase(phase);
        Some((key.into(), work))
    }

    /// What is under way has this operation.
    pub fn on_started(&mut self, keep: KeepId, op: OpId) {
        let Some(entry) = self.entries.get_mut(keep.into()) else { return };
        match entry.phase() {
            Phase::Looking(_) => entry.set_phase(Phase::Looking(Some(op))),
            Phase::Storing(_) => entry.set_phase(Phase::Storing(Some(op))),
            Phase::Waiting | Phase::Wanted | Phase::Superseded => {}
        }
    }

    /// What was to be under way could not be started.
    pub fn on_not_started(&mut self, now: Instant, keep: KeepId) {
        let then = self.entries.get_mut(keep.into()).map(KeptEntry::on_futile);
        self.follow(now, keep, then);
    }

    /// A look has ended. One that is not under way any more changes nothing.
    pub fn on_looked(&mut self, now: Instant, rng: &mut Rng, keep: KeepId, op: OpId, looked: Looked) {
        let then = self.under_way(keep, Phase::Looking(Some(op))).map(|entry| entry.on_looked(rng, looked));
        self.follow(now, keep, then);
    }

    /// A put or an announce has ended. One that is not under way any more changes nothing.
    pub fn on_put(&mut self, now: Instant, rng: &mut Rng, keep: KeepId, op: OpId, put: KeptPut) {
        let then = self.under_way(keep, Phase::Storing(Some(op))).map(|entry| entry.on_put(rng, put));
        self.follow(now, keep, then);
    }

    fn under_way(&mut self, keep: KeepId, phase: Phase) -> Option<&mut KeptEntry> {
        self.entries.get_mut(keep.into()).filter(|entry| entry.phase() == phase)
    }

    fn follow(&mut self, now: Instant, keep: KeepId, then: Option<Then>) {
        let later = |seconds: u32| now + Duration::from_secs(seconds.into());
        match then {
            None => {}
            Some(Then::Want(seconds)) => self.want(keep.index, later(seconds)),
            Some(Then::Look(_)) if self.entries.get(keep.into()).is_some_and(KeptEntry::is_to_be_told) => {
                self.supersede(keep);
            }
            Some(Then::Look(seconds)) => {
                if let Some(entry) = self.entries.get_mut(keep.into()) {
                    entry.set_phase(Phase::Waiting);
                    self.looks.set(keep.index, later(seconds));
                }
            }
        }
    }

    /// The user is told that there is a newer version. That comes before whoever is wanted, at once.
    fn supersede(&mut self, keep: KeepId) {
        if let Some(entry) = self.entries.get_mut(keep.into()) {
            entry.set_phase(Phase::Superseded);
            self.looks.clear(keep.index);
            self.wants.set(keep.index, Instant::ZERO);
        }
    }

    fn want(&mut self, index: u16, since: Instant) {
        let Some(key) = self.entries.key_at(index) else { return };
        if let Some(entry) = self.entries.get_mut(key) {
            entry.set_phase(Phase::Wanted);
            self.wants.set(index, since);
        }
    }

    // ---- what is said ----

    /// Whether something is wanted.
    pub fn is_one_wanted(&self, now: Instant) -> bool {
        self.wants.next().is_some_and(|(since, _)| since <= now)
    }

    /// When there is something to be said.
    pub fn say_at(&self) -> Option<Instant> {
        let (since, index) = self.wants.next()?;
        Some(self.said.filter(|(said, _)| *said == index).map_or(since, |(_, again)| again))
    }

    /// What is to be said now, once. Who is wanted is said only while it `may_be_put`.
    pub fn next_news(&mut self, now: Instant, rng: &mut Rng, may_be_put: bool) -> Option<Event<'static>> {
        let (_, index) = self.wants.next().filter(|_| self.say_at().is_some_and(|at| at <= now))?;
        let key = self.entries.key_at(index)?;
        let entry = self.entries.get_mut(key)?;
        let (keep, tag) = (key.into(), entry.tag());
        if entry.phase() == Phase::Superseded {
            let then = entry.on_superseded(rng);
            self.wants.clear(index);
            self.follow(now, keep, Some(then));
            return Some(Event::Superseded { keep, tag });
        }
        if !may_be_put {
            return None;
        }
        self.said = Some((index, now + SAY_AGAIN));
        Some(Event::Wanted { keep, tag })
    }

    // ---- views ----

    /// How it goes with one.
    pub fn view(&self, now: Instant, keep: KeepId) -> Option<KeepView<'_>> {
        self.entries.get(keep.into()).map(|entry| self.view_of(now, keep, entry))
    }

    /// How it goes with all, in the order of their places.
    pub fn views(&self, now: Instant) -> impl Iterator<Item = KeepView<'_>> {
        self.entries.iter().map(move |(key, entry)| self.view_of(now, key.into(), entry))
    }

    fn view_of<'a>(&self, now: Instant, keep: KeepId, entry: &'a KeptEntry) -> KeepView<'a> {
        let (next, at) = match entry.phase() {
            Phase::Waiting => (NextAction::Look, self.looks.at(keep.index)),
            Phase::Wanted => (NextAction::Want, self.wants.at(keep.index)),
            Phase::Looking(_) | Phase::Storing(_) | Phase::Superseded => (NextAction::Busy, None),
        };
        let due_in = at.map_or(Duration::ZERO, |at| at.since(now));
        let state = KeepState { next, due_in, ..entry.state() };
        KeepView { keep, tag: entry.tag(), kept: entry.kept(), schedule: entry.schedule(), state }
    }

    /// Recounts everything that has to hold.
    #[cfg(any(test, debug_assertions))]
    pub fn check_invariants(&self) {
        self.looks.check_invariants();
        self.wants.check_invariants();
        let (mut waiting, mut wanted) = (0, 0);
        for (key, entry) in self.entries.iter() {
            let places = (self.looks.at(key.index).is_some(), self.wants.at(key.index).is_some());
            let expected = match entry.phase() {
                Phase::Waiting => (true, false),
                Phase::Wanted | Phase::Superseded => (false, true),
                Phase::Looking(_) | Phase::Storing(_) => (false, false),
            };
            assert_eq!(places, expected, "each waits for one thing");
            waiting += usize::from(places.0);
            wanted += usize::from(places.1);
        }
        assert_eq!((self.looks.len(), self.wants.len()), (waiting, wanted), "only what is kept waits");
    }
}

fn running(phase: Phase) -> Option<OpId> {
    match phase {
        Phase::Looking(op) | Phase::Storing(op) => op,
        Phase::Waiting | Phase::Wanted | Phase::Superseded => None,
    }
}

impl From<SlabKey> for KeepId {
    fn from(key: SlabKey) -> Self {
        KeepId { index: key.index, generation: key.generation }
    }
}

impl From<KeepId> for SlabKey {
    fn from(keep: KeepId) -> Self {
        SlabKey { index: keep.index, generation: keep.generation }
    }
}
