//! Whom to ask next: checks of contacts and newcomers, and refreshes of buckets.
//!
//! All checks of a table share one pace. A contact is due when it was silent for `stale_after`, or 30 s after it
//! failed; a newcomer is due after its delay, as soon as its bucket has room. When both kinds are due they take turns,
//! so that many newcomers cannot keep us from noticing that contacts died.

use super::members::Members;
use super::newcomers::Newcomers;
use crate::base::time::{Duration, Instant, seconds, seconds_up};
use crate::dht::config::MAX_HARD_TIMEOUT;
use crate::dht::contact::{Contact, Health};
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;

/// A node that was asked is not asked again by upkeep for this many `check_every` (30 s at 3 s), even if we are not
/// told how it ended ..
const ASK_AGAIN: u32 = 10;
/// .. nor before the query has failed for certain.
const IN_FLIGHT: Duration = MAX_HARD_TIMEOUT;
/// Newcomers that are looked at in one check, when the first ones turn out to be unwelcome.
const TRIES: usize = 4;

/// When there is something to check.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    /// The earliest time at which a node is due, or an earlier one.
    due: Option<Instant>,
    /// When the next check may be sent, and when the last one was.
    paced: Instant,
    last: Option<Instant>,
    newcomers_turn: bool,
}

impl Schedule {
    /// A node is due at `at`.
    pub(super) fn wake(&mut self, at: Instant) {
        self.due = Instant::earliest(self.due, Some(at));
    }

    /// A node may be due already.
    pub(super) fn wake_at_once(&mut self) {
        self.due = Some(Instant::ZERO);
    }

    /// Whether it is known that a node may be due at `at`.
    pub(super) fn covers(&self, at: Instant) -> bool {
        self.due.is_some_and(|due| due <= at)
    }

    /// When the next check may have something to do.
    pub(super) fn check_at(&self) -> Option<Instant> {
        self.due.map(|due| due.max(self.paced))
    }

    /// One node to be asked whether it is alive, if one is due.
    pub(super) fn next_check(
        &mut self,
        now: Instant,
        members: &mut Members<'_>,
        newcomers: &mut Newcomers<'_>,
    ) -> Option<(Id, Endpoint)> {
        if self.check_at().is_none_or(|at| now < at) || self.last == Some(now) {
            return None;
        }
        let newcomers_first = self.newcomers_turn;
        let chosen = if newcomers_first {
            check_newcomer(now, members, newcomers).or_else(|| check_contact(now, members, newcomers))
        } else {
            check_contact(now, members, newcomers).or_else(|| check_newcomer(now, members, newcomers))
        };
        self.due = next_due(members, newcomers);
        if chosen.is_some() {
            self.newcomers_turn = !newcomers_first;
            self.last = Some(now);
        }
        if chosen.is_some() || self.covers(now) {
            self.paced = now + members.config().check_every;
        }
        chosen
    }
}

/// Asks the contact that most needs it: those that failed, then those of full buckets that a newcomer waits for, and
/// among equals those whose ids are not secure, then the longest overdue.
fn check_contact(now: Instant, members: &mut Members<'_>, newcomers: &Newcomers<'_>) -> Option<(Id, Endpoint)> {
    let rank = |contact: &Contact| {
        let bucket = members.bucket_of(contact.id());
        let wanted = || members.is_full(bucket) && !newcomers.run(bucket).is_empty();
        match contact.history().health() {
            Health::Good if !wanted() => 2,
            Health::Good => 1,
            _ => 0,
        }
    };
    let secure = |contact: &Contact| members.is_public() && contact.is_secure();
    let due = members.all().iter().enumerate().filter(|(_, contact)| members.due(contact) <= now);
    let (index, _) = due.min_by_key(|(_, contact)| (rank(contact), secure(contact), members.due(contact)))?;
    let busy = asked_until(now, members);
    let contact = members.get_mut(index)?;
    contact.on_check(busy);
    Some((*contact.id(), contact.endpoint()))
}

/// Of the newcomers whose bucket has room, asks the one that is due first, secure ones before others, and forgets those
/// that could not be added anyway.
fn check_newcomer(now: Instant, members: &Members<'_>, newcomers: &mut Newcomers<'_>) -> Option<(Id, Endpoint)> {
    let second = seconds(now);
    let all = 0..newcomers.all().len();
    newcomers.forget_old(all, now, members.config().newcomer_lifetime);
    for _ in 0..TRIES {
        let waiting = newcomers.all().iter().enumerate();
        let (index, newcomer) = waiting
            .filter(|(_, n)| n.due <= second && members.has_space(n.bucket.into()))
            .min_by_key(|(_, n)| (members.is_public() && !n.secure, n.due, n.since))?;
        let newcomer = *newcomer;
        if members.is_welcome(now, &newcomer) {
            newcomers.get_mut(index)?.on_check(asked_until(now, members));
            return Some((newcomer.id, newcomer.endpoint));
        }
        newcomers.remove(index);
    }
    None
}

fn asked_until(now: Instant, members: &Members<'_>) -> u32 {
    seconds_up(now + members.config().check_every.saturating_mul(ASK_AGAIN).max(IN_FLIGHT))
}

/// Finds out exactly when a node is due next.
fn next_due(members: &Members<'_>, newcomers: &Newcomers<'_>) -> Option<Instant> {
    let contacts = members.all().iter().map(|c| members.due(c));
    let waiting = newcomers.all().iter().filter(|n| members.has_space(n.bucket.into()));
    contacts.chain(waiting.map(|n| Instant::from_secs(n.due.into()))).min()
}
