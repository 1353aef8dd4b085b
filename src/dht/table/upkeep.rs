//! Whom to ask next: checks of contacts and newcomers, and refreshes of buckets.
//!
//! All checks of a table share one pace. A contact is due when it was silent for `stale_after`, or 30 s after it
//! failed; a newcomer is due after its delay, as soon as its bucket has room; one of the remembered is due now and
//! then. When several kinds are due they take turns, so that many of one kind cannot keep us from noticing that others
//! died. A poor table checks faster.

use super::callers::Callers;
use super::members::{Members, NewcomerStanding};
use super::newcomers::Newcomers;
use super::remembered::Remembered;
use super::silences::Silences;
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
/// Two checks of a rich table are so many thirds of `check_every` apart (2 s at 3 s).
const PACE: u32 = 2;
/// A contact of a full bucket for which somebody waits is asked so much earlier than others that are due.
const WANTED: Duration = Duration::from_secs(60);
/// A poor table makes so many checks in one `check_every` (five a second at 3 s) ..
const FAST: u32 = 15;
/// .. and twice as many while some are left that an earlier run saved ..
const FASTER: u32 = 2 * FAST;
/// .. but none sooner after another, where `check_every` is not shorter itself.
const FASTEST: Duration = Duration::from_millis(20);

/// Who answered within this time tells whether our line is down.
const WITNESS: Duration = Duration::from_secs(120);

/// Everybody who is remembered is asked at once only so often.
const SELDOM: Duration = Duration::from_secs(900);

/// Which kind of node is asked first, in turn.
#[derive(Clone, Copy, Debug, Default)]
enum NextKind {
    #[default]
    Contact,
    Newcomer,
    Remembered,
}

impl NextKind {
    fn next(self) -> NextKind {
        match self {
            NextKind::Contact => NextKind::Newcomer,
            NextKind::Newcomer => NextKind::Remembered,
            NextKind::Remembered => NextKind::Contact,
        }
    }
}

/// The nodes of a table, by their kind.
pub(super) struct TableParts<'a, 's> {
    members: &'a mut Members<'s>,
    newcomers: &'a mut Newcomers<'s>,
    remembered: &'a mut Remembered<'s>,
    callers: &'a Callers<'s>,
}

impl<'a, 's> TableParts<'a, 's> {
    pub(super) fn new(
        members: &'a mut Members<'s>,
        newcomers: &'a mut Newcomers<'s>,
        remembered: &'a mut Remembered<'s>,
        callers: &'a Callers<'s>,
    ) -> Self {
        TableParts { members, newcomers, remembered, callers }
    }
}

/// When there is something to check.
#[derive(Debug)]
pub(super) struct Schedule {
    /// The earliest time at which a node is due, or an earlier one.
    due: Option<Instant>,
    /// When the next check may be sent, and when the last one was.
    paced: Instant,
    last: Option<Instant>,
    turn: NextKind,
    /// Since when the table has been poor (T39), if it is, and the last time at which it became so.
    poor: Option<Instant>,
    poor_since: Instant,
    /// What the contacts did that were asked last.
    silences: Silences,
}

impl Schedule {
    /// Of a table without contacts.
    pub(super) fn of(members: &Members<'_>) -> Self {
        let poor = has_few(Instant::ZERO, members).then_some(Instant::ZERO);
        let (paced, poor_since) = (Instant::ZERO, Instant::ZERO);
        let silences = Silences::default();
        Schedule { due: None, paced, last: None, turn: NextKind::Contact, poor, poor_since, silences }
    }

    /// Since when the table has been poor, if it is.
    pub(super) fn poor(&self) -> Option<Instant> {
        self.poor
    }

    /// Looks whether the table is poor.
    pub(super) fn judge(&mut self, now: Instant, members: &Members<'_>) {
        if !self.silences.are_most() && !has_few(now, members) {
            self.poor = None;
        } else if self.poor.is_none() {
            // One that is poor every few minutes does not ask everybody every few minutes.
            if now.since(self.poor_since) >= SELDOM {
                self.poor_since = now;
            }
            self.poor = Some(self.poor_since);
        }
    }

    /// A contact answered.
    pub(super) fn on_answer(&mut self) {
        self.silences.on_answer();
    }

    /// A contact did not answer that had the time before: maybe most have gone.
    pub(super) fn on_silence(&mut self, now: Instant, members: &Members<'_>) {
        self.silences.on_silence();
        if self.silences.are_most() && self.poor.is_none() {
            self.judge(now, members);
            self.wake_at_once();
        }
    }

    /// Whether most of the contacts that were asked of late are gone.
    pub(super) fn is_deserted(&self) -> bool {
        self.silences.are_most()
    }

    /// Everything that was known before may be different now: all that may help is due at once.
    pub(super) fn begin_anew(&mut self, now: Instant, members: &Members<'_>) {
        self.poor_since = now;
        self.silences = Silences::default();
        self.poor = has_few(now, members).then_some(now);
        self.paced = self.paced.min(now);
        self.wake_at_once();
    }

    /// Our line is in doubt: the check that tells does not wait for its turn.
    pub(super) fn on_line_in_doubt(&mut self, now: Instant) {
        self.paced = self.paced.min(now);
        self.wake_at_once();
    }

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

    /// One node to be asked whether it is alive, if one is due; whoever is likeliest to, while our line is in doubt.
    pub(super) fn next_check(
        &mut self,
        now: Instant,
        in_doubt: bool,
        known: &mut TableParts<'_, '_>,
    ) -> Option<(Id, Endpoint)> {
        if self.check_at().is_none_or(|at| now < at) || self.last == Some(now) {
            return None;
        }
        self.judge(now, known.members);
        let mut chosen = if in_doubt { check_witness(now, known.members) } else { None };
        self.last = if chosen.is_some() { Some(now) } else { self.last };
        for _ in 0..if chosen.is_some() { 0 } else { 3 } {
            let turn = self.turn;
            self.turn = turn.next();
            chosen = match turn {
                NextKind::Contact if self.poor.is_some() => check_freshest(now, known.members),
                NextKind::Contact => check_contact(now, known.members, known.newcomers),
                NextKind::Newcomer => check_newcomer(now, self.poor.is_some(), known),
                NextKind::Remembered => check_remembered(now, self.poor, known),
            };
            if chosen.is_some() {
                self.last = Some(now);
                break;
            }
        }
        self.due = next_due(known, self.poor);
        if chosen.is_some() || self.covers(now) {
            self.paced = now + self.pace(known);
        }
        chosen
    }

    /// One that an earlier run saved and nobody has asked yet, if it is time for a check.
    pub(super) fn next_saved(&mut self, now: Instant, known: &mut TableParts<'_, '_>) -> Option<(Id, Endpoint)> {
        if self.check_at().is_none_or(|at| now < at) || self.last == Some(now) {
            return None;
        }
        self.judge(now, known.members);
        self.poor?;
        let chosen = known.remembered.next_saved(now)?;
        (self.last, self.paced) = (Some(now), now + self.pace(known));
        Some(chosen)
    }

    /// The time between two checks.
    fn pace(&self, known: &TableParts<'_, '_>) -> Duration {
        let check_every = known.members.config().check_every;
        let fast = if known.remembered.has_saved() { FASTER } else { FAST };
        match self.poor {
            Some(_) => (check_every / fast).max(FASTEST).min(check_every),
            None => check_every / 3 * PACE,
        }
    }
}

/// Whether so few contacts have answered of late that a table needs others (T39).
fn has_few(now: Instant, members: &Members<'_>) -> bool {
    let config = members.config();
    let is_fresh = |contact: &&Contact| contact.history().answered_within(now, config.stale_after);
    let fresh = members.all().iter().filter(is_fresh).count();
    members.capacity() > 0 && fresh < usize::from(config.enough).max(members.expected() / 2)
}

/// Of a table whose contacts may all be gone, asks the one that is due and answered last.
fn check_freshest(now: Instant, members: &mut Members<'_>) -> Option<(Id, Endpoint)> {
    let due = members.all().iter().enumerate().filter(|(_, contact)| members.due(contact) <= now);
    let rank = |contact: &Contact| (contact.health() == Health::Good, contact.history().last_answer());
    let (index, _) = due.max_by_key(|(_, contact)| rank(contact))?;
    ask_contact(now, members, index)
}

/// Of those that answered a moment ago, asks the one that did so last, due or not: while all that were asked since are
/// dead, only that one tells whether our line is.
fn check_witness(now: Instant, members: &mut Members<'_>) -> Option<(Id, Endpoint)> {
    let is_witness = |contact: &Contact| {
        contact.history().answered_within(now, WITNESS) && Instant::from_secs(contact.checked_until().into()) <= now
    };
    let all = members.all().iter().enumerate().filter(|(_, contact)| is_witness(contact));
    let (index, _) = all.max_by_key(|(_, contact)| contact.history().last_answer())?;
    ask_contact(now, members, index)
}

fn ask_contact(now: Instant, members: &mut Members<'_>, index: usize) -> Option<(Id, Endpoint)> {
    let busy = asked_until(now, members);
    let contact = members.get_mut(index)?;
    contact.on_check(busy);
    Some((*contact.id(), contact.endpoint()))
}

/// Asks the contact that most needs it: those that failed, then the longest overdue. Those of full buckets that a
/// newcomer waits for come a minute earlier, and among equals those whose ids are not secure.
fn check_contact(now: Instant, members: &mut Members<'_>, newcomers: &Newcomers<'_>) -> Option<(Id, Endpoint)> {
    let is_wanted = |contact: &Contact| {
        let bucket = members.bucket_of(contact.id());
        members.is_full(bucket) && !newcomers.run(bucket).is_empty()
    };
    let secure = |contact: &Contact| members.is_public() && contact.is_secure();
    let due = members.all().iter().enumerate().filter(|(_, contact)| members.due(contact) <= now);
    let rank = |contact: &Contact| {
        let is_good = contact.health() == Health::Good;
        let earlier = if is_good && is_wanted(contact) { Duration::ZERO } else { WANTED };
        (is_good, members.overdue_since(contact) + earlier, secure(contact))
    };
    let (index, _) = due.min_by_key(|(_, contact)| rank(contact))?;
    ask_contact(now, members, index)
}

/// Of the newcomers whose bucket has room, asks the one that is due first, secure ones before others, and forgets those
/// that could not be added anyway. Instead of one that says to have taken a contact's place, that contact is asked
/// (T43).
fn check_newcomer(now: Instant, is_poor: bool, known: &mut TableParts<'_, '_>) -> Option<(Id, Endpoint)> {
    let TableParts { members, newcomers, callers, .. } = known;
    let second = seconds(now);
    let all = 0..newcomers.all().len();
    newcomers.forget_old(all, now, members.config().newcomer_lifetime);
    for _ in 0..TRIES {
        let waiting = newcomers.all().iter().enumerate();
        let (index, newcomer) = waiting
            .filter(|(_, n)| n.due <= second && members.has_space(n.bucket.into()))
            .min_by_key(|(_, n)| (members.is_public() && !n.secure, n.due, n.since))?;
        let newcomer = *newcomer;
        let later = asked_until(now, members);
        let is_too_many = !is_poor && members.is_closed_to_callers(newcomer.bucket.into());
        if is_too_many && !newcomer.is_named() && callers.contains(now, &newcomer.endpoint) {
            newcomers.remove(index);
            continue;
        }
        match members.standing_of(now, &newcomer) {
            NewcomerStanding::Welcome => {
                newcomers.get_mut(index)?.on_check(later);
                return Some((newcomer.id, newcomer.endpoint));
            }
            NewcomerStanding::Replaces(contact) => {
                newcomers.get_mut(index)?.put_off(later);
                return ask_contact(now, members, contact);
            }
            NewcomerStanding::Waits => newcomers.get_mut(index)?.put_off(later),
            NewcomerStanding::Refused => newcomers.remove(index),
        }
    }
    None
}

/// One of those that are remembered, if it is time.
fn check_remembered(now: Instant, poor: Option<Instant>, known: &mut TableParts<'_, '_>) -> Option<(Id, Endpoint)> {
    let TableParts { members, remembered, .. } = known;
    remembered.due_at(poor).filter(|at| *at <= now)?;
    let has_space = |id: &Id| members.has_space(members.bucket_of(id));
    remembered.next(now, poor, has_space)
}

fn asked_until(now: Instant, members: &Members<'_>) -> u32 {
    seconds_up(now + members.config().check_every.saturating_mul(ASK_AGAIN).max(IN_FLIGHT))
}

/// Finds out exactly when a node is due next.
fn next_due(known: &TableParts<'_, '_>, poor: Option<Instant>) -> Option<Instant> {
    let TableParts { members, newcomers, remembered, .. } = known;
    let contacts = members.all().iter().map(|c| members.due(c));
    let waiting = newcomers.all().iter().filter(|n| members.has_space(n.bucket.into()));
    contacts.chain(waiting.map(|n| Instant::from_secs(n.due.into()))).chain(remembered.due_at(poor)).min()
}
