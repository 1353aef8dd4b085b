//! Whom to ask next: checks of contacts and newcomers, and refreshes of buckets.
//!
//! All checks of a table share one pace. A contact is due when it was silent for `stale_after`, or 30 s after it failed;
//! a newcomer is due after its delay, as soon as its bucket has room. When both kinds are due they take
//! turns, so that many newcomers cannot keep us from noticing that contacts died.

use super::buckets::Buckets;
use super::routing::Table;
use crate::base::rng::Rng;
use crate::base::time::{Duration, Instant};
use crate::dht::config::Network;
use crate::dht::contact::{Contact, Health, seconds, seconds_up};
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;

/// Whoever was asked is not asked again by upkeep for this many `check_every` (30 s at 3 s), even if nobody tells us
/// how it ended ..
const ASK_AGAIN: u32 = 10;
/// .. nor before the query has failed for certain.
const IN_FLIGHT: Duration = Duration::from_secs(5);
/// Newcomers that are looked at in one check, when the first ones turn out to be unwelcome.
const TRIES: usize = 4;

/// When there is something to check.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    /// The earliest time at which somebody is due, or an earlier one.
    due: Option<Instant>,
    /// When the next check may be sent, and when the last one was.
    paced: Instant,
    last: Option<Instant>,
    newcomers_turn: bool,
}

impl Schedule {
    /// Somebody is due at `at`.
    pub(super) fn wake(&mut self, at: Instant) {
        self.due = Instant::earliest(self.due, Some(at));
    }

    /// Somebody may be due already.
    pub(super) fn wake_at_once(&mut self) {
        self.due = Some(Instant::ZERO);
    }

    /// Whether it is known that somebody may be due at `at`.
    pub(super) fn covers(&self, at: Instant) -> bool {
        self.due.is_some_and(|due| due <= at)
    }
}

impl Table<'_> {
    /// When a contact is to be asked.
    pub(super) fn due(&self, contact: &Contact) -> Instant {
        let rule = match (contact.record.health(), contact.record.last_answer()) {
            (Health::Good, Some(at)) => at + self.config.stale_after,
            _ => contact.record.retry_at(),
        };
        rule.max(Instant::from_secs(contact.checked_until.into()))
    }

    /// When [`next_check`](Self::next_check) has something next; `None` when only new facts can give it work.
    pub fn check_at(&self) -> Option<Instant> {
        self.schedule.due.map(|due| due.max(self.schedule.paced))
    }

    /// One node to be asked whether it is alive, if one is due. It is not returned again for a while; its answer or
    /// failure is told by [`on_response`](Self::on_response) and [`on_failure`](Self::on_failure).
    pub fn next_check(&mut self, now: Instant) -> Option<(Id, Endpoint)> {
        if self.check_at().is_none_or(|at| now < at) || self.schedule.last == Some(now) {
            return None;
        }
        let newcomers_first = self.schedule.newcomers_turn;
        let chosen = if newcomers_first {
            self.check_newcomer(now).or_else(|| self.check_contact(now))
        } else {
            self.check_contact(now).or_else(|| self.check_newcomer(now))
        };
        self.reschedule();
        if chosen.is_some() {
            self.schedule.newcomers_turn = !newcomers_first;
            self.schedule.last = Some(now);
        }
        if chosen.is_some() || self.schedule.covers(now) {
            self.schedule.paced = now + self.config.check_every;
        }
        chosen
    }

    /// Asks the contact that most needs it: those that failed, then those of full buckets that somebody waits for, and
    /// among equals those whose ids are not secure, then the longest overdue.
    fn check_contact(&mut self, now: Instant) -> Option<(Id, Endpoint)> {
        let rank = |contact: &Contact| {
            let bucket = Buckets::index(&self.own, &contact.id);
            let wanted = || self.buckets.is_full(bucket) && !self.newcomers.run(bucket).is_empty();
            match contact.record.health() {
                Health::Good if !wanted() => 2,
                Health::Good => 1,
                _ => 0,
            }
        };
        let secure = |contact: &Contact| self.network == Network::Public && contact.secure;
        let contacts = self.contacts.all();
        let (index, _) = contacts
            .iter()
            .enumerate()
            .filter(|(_, contact)| self.due(contact) <= now)
            .min_by_key(|(_, contact)| (rank(contact), secure(contact), self.due(contact)))?;
        let busy = self.asked_until(now);
        let contact = self.contacts.get_mut(index)?;
        contact.checked_until = busy;
        Some((contact.id, contact.endpoint))
    }

    /// Asks the newcomer that waits longest for a bucket that has room, secure ones first, and forgets those that could
    /// not be added anyway.
    fn check_newcomer(&mut self, now: Instant) -> Option<(Id, Endpoint)> {
        let second = seconds(now);
        let all = 0..self.newcomers.all().len();
        self.newcomers.forget_old(all, now, self.config.newcomer_lifetime);
        for _ in 0..TRIES {
            let (index, newcomer) = self
                .newcomers
                .all()
                .iter()
                .enumerate()
                .filter(|(_, n)| n.due <= second && self.has_space(n.bucket.into()))
                .min_by_key(|(_, n)| (self.network == Network::Public && !n.secure, n.due, n.since))?;
            let newcomer = *newcomer;
            if self.is_welcome(now, &newcomer) {
                let busy = self.asked_until(now);
                self.newcomers.get_mut(index)?.due = busy;
                return Some((newcomer.id, newcomer.endpoint));
            }
            self.newcomers.remove(index);
        }
        None
    }

    fn asked_until(&self, now: Instant) -> u32 {
        seconds_up(now + self.config.check_every.saturating_mul(ASK_AGAIN).max(IN_FLIGHT))
    }

    /// Finds out exactly when somebody is due next.
    fn reschedule(&mut self) {
        let contacts = self.contacts.all().iter().map(|c| self.due(c));
        let newcomers = self.newcomers.all().iter().filter(|n| self.has_space(n.bucket.into()));
        self.schedule.due = contacts.chain(newcomers.map(|n| Instant::from_secs(n.due.into()))).min();
    }

    /// An id to look up, so that a bucket without news gets some. At most one in five `check_every`, deepest bucket
    /// first; nothing while the table is empty, since then there is nobody to ask.
    pub fn next_refresh(&mut self, now: Instant, rng: &mut Rng) -> Option<Id> {
        let bucket = self.buckets.next_refresh(now)?;
        Some(self.own.random_in_bucket(bucket as u32, rng))
    }

    /// When [`next_refresh`](Self::next_refresh) has something next.
    pub fn refresh_at(&self) -> Option<Instant> {
        self.buckets.refresh_at()
    }
}
