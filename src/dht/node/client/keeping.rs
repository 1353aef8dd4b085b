//! The keeper's operations: looks, puts and announces, in places of their own (`spec/keeper.md`).

use crate::base::slab::SlabKey;
use crate::base::time::{Duration, Instant};
use crate::dht::capacity::KEEPING;
use crate::dht::command::{Command, Freshness};
use crate::dht::error::CallError;
use crate::dht::event::{KeepId, LinkId};
use crate::dht::keep::{KeepSchedule, KeepState, KeepView, Kept};
use crate::dht::keeper::{KeptPut, Looked, Supplied, Work};
use crate::dht::node::client::Client;
use crate::dht::node::client::goal::{CheckedCommand, Goal};
use crate::dht::node::client::operation::OperationState;
use crate::dht::node::client::payload::Carried;
use crate::dht::node::context::Context;
use crate::dht::node::link::Link;
use crate::dht::node::links::Links;
use crate::dht::node::plan::Note;
use crate::krpc::id::Id;
use crate::krpc::item::Item;

impl Client<'_> {
    // ---- calls ----

    /// Begins to keep something.
    pub(in crate::dht::node) fn keep(
        &mut self,
        now: Instant,
        tag: u64,
        kept: &Kept<'_>,
        schedule: &KeepSchedule,
        before: &KeepState,
    ) -> Result<KeepId, CallError> {
        kept.check()?;
        schedule.check()?;
        let most = self.keeper.capacity();
        self.keeper.insert(now, tag, kept, schedule, before).ok_or(CallError::KeeperFull(most))
    }

    /// The item of something that is kept: it is put at once.
    pub(in crate::dht::node) fn supply(
        &mut self,
        cx: &mut Context<'_>,
        links: &Links<'_>,
        keep: KeepId,
        item: &Item<'_>,
    ) -> Result<(), CallError> {
        self.keeper.kept(keep).ok_or(CallError::NotKept)?;
        let Item { value, mutable } = *item;
        let command = match mutable {
            None => Command::PutImmutable { value },
            Some(m) => {
                Command::PutMutable { value, key: m.key, salt: m.salt, seq: m.seq, signature: m.signature, cas: None }
            }
        };
        let CheckedCommand { goal, target, carried } = CheckedCommand::of(&command, &mut cx.stats_mut().verifications)?;
        if !self.operations.has_place_for_keeper(0) && self.keeper.running(keep).is_none() {
            return Err(CallError::Full(KEEPING));
        }
        let (supplied, ran) = self.keeper.supply(keep, item).ok_or(CallError::NotKept)?;
        if let Some(op) = ran {
            self.remove(op.into());
        }
        let copies = match supplied {
            Supplied::Other => return Err(CallError::OtherItem),
            Supplied::Superseded => return Ok(()),
            Supplied::Put { anew: true, .. } => 0,
            Supplied::Put { copies, .. } => copies,
        };
        self.start_kept(cx, links, keep, (goal, target, copies), &carried);
        Ok(())
    }

    /// There is no item for it now.
    pub(in crate::dht::node) fn put_off(&mut self, now: Instant, keep: KeepId, by: Duration) -> Result<(), CallError> {
        if self.keeper.put_off(now, keep, by) { Ok(()) } else { Err(CallError::NotKept) }
    }

    /// Ends it.
    pub(in crate::dht::node) fn unkeep(&mut self, keep: KeepId) -> Result<(), CallError> {
        if let Some(op) = self.keeper.remove(keep).ok_or(CallError::NotKept)? {
            self.remove(op.into());
        }
        Ok(())
    }

    /// Ends all of a publisher's; how many those were.
    pub(in crate::dht::node) fn unkeep_key(&mut self, publisher: &[u8; 32]) -> usize {
        let (mut from, mut ended) = (0, 0);
        while let Some(keep) = self.keeper.next_of(publisher, from) {
            from = keep.index;
            ended += usize::from(self.unkeep(keep).is_ok());
        }
        ended
    }

    // ---- time ----

    /// When something is to be looked at, or to be said.
    #[inline]
    pub(in crate::dht::node) fn keep_at(&self, cx: &Context<'_>, links: &Links<'_>) -> Option<Instant> {
        if self.keeper.is_empty() { None } else { self.next_keep_at(cx, links) }
    }

    fn next_keep_at(&self, cx: &Context<'_>, links: &Links<'_>) -> Option<Instant> {
        let now = cx.now();
        let look = self.keeper.look_at().filter(|_| self.may_look(now, links));
        let free = look.and_then(|at| Some(at.max(self.flows.held_until(now, cx.config().keeper.flows)?)));
        let say = self.keeper.say_at().filter(|_| self.may_be_put(links));
        Instant::earliest(free.or(look), say)
    }

    /// Whether there is somebody to ask, and a place to look: one is left for what is wanted.
    fn may_look(&self, now: Instant, links: &Links<'_>) -> bool {
        links.iter().any(reaches_somebody)
            && self.operations.has_place_for_keeper(usize::from(self.keeper.is_one_wanted(now)))
    }

    /// Whether what is wanted could be put now.
    fn may_be_put(&self, links: &Links<'_>) -> bool {
        links.iter().any(reaches_somebody) && self.operations.has_place_for_keeper(0)
    }

    /// Looks at what is due.
    pub(in crate::dht::node) fn look(&mut self, cx: &Context<'_>, links: &Links<'_>) {
        let (now, flows) = (cx.now(), cx.config().keeper.flows);
        while self.may_look(now, links) && self.flows.held_until(now, flows).is_none() {
            let Some((keep, work)) = self.keeper.next(now) else { return };
            let Some(kept) = self.keeper.kept(keep) else { return };
            let goal = match (kept, work) {
                (Kept::Announced { port, kind, .. }, _) => Goal::Announce { port, kind },
                (Kept::Mutable { .. }, Work::Look { newer_than }) => {
                    Goal::Mutable { newer_than, freshness: Freshness::Copies(u16::MAX) }
                }
                _ => Goal::Immutable { copies: u16::MAX },
            };
            let what = (goal, kept.target(), 0);
            match kept {
                Kept::Mutable { key, salt } => {
                    let (key, salt) = (*key, heapless::Vec::<u8, { Item::MAX_SALT }>::from_slice(salt));
                    let carried = Carried::Key { key: &key, salt: salt.as_deref().unwrap_or_default() };
                    self.start_kept(cx, links, keep, what, &carried);
                }
                _ => self.start_kept(cx, links, keep, what, &Carried::Nothing),
            }
        }
    }

    /// Starts an operation on all links that operations run on.
    fn start_kept(
        &mut self,
        cx: &Context<'_>,
        links: &Links<'_>,
        keep: KeepId,
        (goal, target, copies): (Goal, Id, u8),
        carried: &Carried<'_>,
    ) {
        let needs_port = matches!(goal, Goal::Announce { port: None, .. });
        let mut first: Option<SlabKey> = None;
        for (link, at) in links.to_run_on(cx.now()) {
            if needs_port && at.port() == 0 {
                continue;
            }
            let part = OperationState::new(cx.now(), 0, link, goal, target, cx.config().lookup.deadline);
            let started = self.start(cx, links, part.of_keeper(keep, copies), first);
            first = first.or(started);
        }
        let Some(first) = first else { return self.keeper.on_not_started(cx.now(), keep) };
        if let Some((_, payload)) = self.operations.active(first).as_mut().and_then(|active| active.carrying()) {
            payload.load(carried);
        }
        self.keeper.on_started(keep, first.into());
    }

    // ---- ends ----

    /// An operation has ended: if it is the keeper's, that learns what came of it.
    pub(super) fn on_kept(&mut self, cx: &mut Context<'_>, first: SlabKey) {
        let Some((keep, stores)) =
            self.operations.get(first).and_then(|part| Some((part.keep()?, part.goal().stores())))
        else {
            return;
        };
        let (now, op, outcome) = (cx.now(), first.into(), self.operations.outcome(first));
        let (links, newest) = self.operations.copies(first, cx.config().lookup.replicas);
        let stats = cx.stats_mut();
        stats.operations += 1;
        if stores {
            stats.keep_puts += 1;
            stats.keep_stores += u64::from(outcome.stored.all);
            let refused = outcome.refused.by_code().max_by_key(|(_, count)| *count).map(|(code, _)| code);
            let put = KeptPut { links, refused, newest };
            self.keeper.on_put(now, cx.rng(), keep, op, put);
        } else {
            stats.keep_looks += 1;
            self.keeper.on_looked(now, cx.rng(), keep, op, Looked { links, newest });
        }
    }

    // ---- the drain ----

    /// What the user is to be told of what is kept.
    #[inline]
    pub(in crate::dht::node) fn next_keep_news(&mut self, cx: &mut Context<'_>, links: &Links<'_>) -> Option<Note> {
        if self.keeper.is_empty() { None } else { self.keep_news(cx, links) }
    }

    fn keep_news(&mut self, cx: &mut Context<'_>, links: &Links<'_>) -> Option<Note> {
        self.keeper.say_at()?;
        let (now, may_be_put) = (cx.now(), self.may_be_put(links));
        self.keeper.next_news(now, cx.rng(), may_be_put).map(Note::Plain)
    }

    // ---- views ----

    pub(in crate::dht::node) fn kept(&self, now: Instant, keep: KeepId) -> Option<KeepView<'_>> {
        self.keeper.view(now, keep)
    }

    pub(in crate::dht::node) fn all_kept(&self, now: Instant) -> impl Iterator<Item = KeepView<'_>> {
        self.keeper.views(now)
    }

    #[cfg(any(test, debug_assertions))]
    pub(super) fn check_keeper(&self) {
        self.keeper.check_invariants();
        for (key, part) in self.operations.iter().filter(|(_, part)| part.ended().is_none()) {
            let is_known = part.keep().is_none_or(|keep| self.keeper.running(keep) == Some(part.leader().into()));
            assert!(is_known, "operation {} of the keeper is one that it waits for", key.index);
        }
    }
}

/// Whether a link has contacts, of which most are there as far as is known.
fn reaches_somebody((_, link): (LinkId, &Link<'_>)) -> bool {
    link.table().has_anybody_good() && !link.is_deserted()
}
