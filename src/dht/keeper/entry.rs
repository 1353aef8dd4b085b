//! One thing that is kept: what it is, how it went, and what follows from that.

use heapless::Vec;

use crate::base::rng::Rng;
use crate::base::time::Duration;
use crate::dht::command::PeerKind;
use crate::dht::event::OpId;
use crate::dht::keep::{KeepSchedule, KeepState, Kept};
use crate::dht::keeper::links::{CopiesByLink, LinkCopies};
use crate::krpc::id::Id;
use crate::krpc::item::{Item, MAX_SALT, Mutable, immutable_target};

/// The first look after a put (P11).
const FIRST: u32 = 3600;
/// The one after it, so that both together, a tenth shorter each, take two hours: for so long items live, where nobody
/// renews them.
const SECOND: u32 = 75 * 60;
/// The shortest time between two puts where copies do not last (P12).
const SHORTEST: u32 = 30 * 60;
/// So many puts follow without a look (P12).
const RENEWALS: u8 = 24;
/// Copies do not last where of so many none is left (P12).
const NEARLY_ALL: u8 = 8;
/// A check that found too few is repeated (P6).
const REPEAT: u32 = 30;
/// Announcements (P13).
const ANNOUNCE_EVERY: u32 = 20 * 60;
/// What was futile is tried again (P7).
const AGAIN: [u32; 5] = [30, 120, 600, 1800, 3600];

/// The same as [`Kept`], owned.
#[derive(Clone, Debug)]
enum OwnKept {
    Immutable(Id),
    Mutable { key: [u8; 32], salt: Vec<u8, MAX_SALT, u8> },
    Announced { info_hash: Id, port: Option<u16>, kind: PeerKind },
}

/// What an entry waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// Its time.
    Waiting,
    /// The end of a look.
    Looking(Option<OpId>),
    /// Its item, from the user.
    Wanted,
    /// The end of a put, or of an announce.
    Storing(Option<OpId>),
    /// The user is to be told that what he supplied is older than what there is.
    Superseded,
}

/// What a look found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Looked {
    /// Copies of the newest version.
    pub links: CopiesByLink,
    /// That version, where it has a number.
    pub newest: Option<i64>,
}

/// What came of a put or an announce.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeptPut {
    /// Copies that there are now: of those that had one, and of those that confirmed.
    pub links: CopiesByLink,
    /// The code by which most refused.
    pub refused: Option<u16>,
    /// The newest version that was met.
    pub newest: Option<i64>,
}

/// What an item that was supplied is good for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Supplied {
    /// It is to be put, until there are so many copies; who has it already is left alone, or not.
    Put {
        /// Copies.
        copies: u8,
        /// Whoever has one gets it again.
        anew: bool,
    },
    /// It is older than what was met or supplied.
    Superseded,
    /// It is something else.
    Other,
}

/// What is to happen to an entry, and so many seconds later.
pub(super) enum Then {
    Look(u32),
    Want(u32),
}

/// One thing that is kept.
#[derive(Clone, Debug)]
pub struct KeptEntry {
    kept: OwnKept,
    tag: u64,
    /// The version that was supplied last, and the newest that was met; -1: none.
    seq: i64,
    newest: i64,
    phase: Phase,
    /// Seconds between two looks, at most and as it is now.
    check_every: u32,
    every: u32,
    refused: Option<u16>,
    least: u8,
    refill: u8,
    copies: Option<u8>,
    futile: u8,
    renewals: u8,
    /// The last look found too few, and is repeated.
    doubted: bool,
    /// The user was told that there is a newer version than his.
    told: bool,
    /// Links on which nobody took it at the last put, though others did: a bit for each (P4).
    refusing: u8,
}

impl KeptEntry {
    pub(super) fn new(tag: u64, kept: &Kept<'_>, schedule: &KeepSchedule, before: &KeepState) -> Self {
        let kept = match *kept {
            Kept::Immutable { target } => OwnKept::Immutable(target),
            Kept::Mutable { key, salt } => {
                OwnKept::Mutable { key: *key, salt: Vec::from_slice(salt).unwrap_or_default() }
            }
            Kept::Announced { info_hash, port, kind } => OwnKept::Announced { info_hash, port, kind },
        };
        let number = |seq: Option<i64>| seq.unwrap_or(-1);
        let check_every = seconds_of(schedule.check_every);
        KeptEntry {
            kept,
            tag,
            seq: number(before.seq),
            newest: number(before.newest),
            phase: Phase::Waiting,
            check_every,
            every: seconds_of(before.every).max(SHORTEST).min(check_every),
            refused: before.refused,
            least: schedule.least,
            refill: schedule.refill,
            copies: before.copies,
            futile: before.futile,
            renewals: before.renewals.min(RENEWALS),
            doubted: false,
            told: false,
            refusing: 0,
        }
    }

    /// The caller's tag.
    pub(super) fn tag(&self) -> u64 {
        self.tag
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    pub(super) fn set_phase(&mut self, phase: Phase) {
        self.phase = phase;
    }

    /// What is kept.
    pub fn kept(&self) -> Kept<'_> {
        match &self.kept {
            OwnKept::Immutable(target) => Kept::Immutable { target: *target },
            OwnKept::Mutable { key, salt } => Kept::Mutable { key, salt },
            OwnKept::Announced { info_hash, port, kind } => {
                Kept::Announced { info_hash: *info_hash, port: *port, kind: *kind }
            }
        }
    }

    pub(super) fn schedule(&self) -> KeepSchedule {
        KeepSchedule {
            least: self.least,
            refill: self.refill,
            check_every: Duration::from_secs(self.check_every.into()),
        }
    }

    /// How it goes, but for what follows next.
    pub(super) fn state(&self) -> KeepState {
        let number = |seq: i64| Some(seq).filter(|seq| *seq >= 0);
        KeepState {
            copies: self.copies,
            seq: number(self.seq),
            newest: number(self.newest),
            every: Duration::from_secs(self.every.into()),
            futile: self.futile,
            renewals: self.renewals,
            refused: self.refused,
            ..KeepState::default()
        }
    }

    /// Only what is newer than this is asked for, so that who has the kept version returns it (P3).
    pub fn newer_than(&self) -> Option<i64> {
        self.seq.max(self.newest).checked_sub(1).filter(|seq| *seq >= 0)
    }

    pub(super) fn is_of(&self, publisher: &[u8; 32]) -> bool {
        matches!(&self.kept, OwnKept::Mutable { key, .. } if key == publisher)
    }

    /// The user supplies an item, whose signature was checked (P9).
    pub(super) fn supply(&mut self, item: &Item<'_>, most: u8) -> Supplied {
        let seq = match (&self.kept, item.mutable) {
            (OwnKept::Immutable(target), None) if immutable_target(item.value) == *target => 0,
            (OwnKept::Mutable { key, salt }, Some(Mutable { key: of, salt: under, seq, .. }))
                if key == of && salt == under =>
            {
                seq
            }
            _ => return Supplied::Other,
        };
        let newest = self.newest.max(self.seq);
        if item.mutable.is_some() {
            if seq < newest {
                return Supplied::Superseded;
            }
            if seq > newest {
                // Copies are of the version before.
                self.copies = Some(0);
            }
            self.seq = seq;
        }
        let anew = self.renewals > 0;
        let is_gone = self.copies.unwrap_or(0) < half(self.least);
        Supplied::Put { copies: if anew || is_gone { most } else { self.refill }, anew }
    }

    /// A look has ended: what follows.
    pub(super) fn on_looked(&mut self, rng: &mut Rng, looked: Looked) -> Then {
        self.refusing &= !looked.links.holding();
        let Some(LinkCopies { answered, copies }) = looked.links.scarcest(self.least, self.refusing) else {
            return self.on_futile();
        };
        let enough = self.least.min(answered);
        let is_newer = looked.newest.is_some_and(|newest| newest > self.newest.max(self.seq));
        let had = self.copies.filter(|copies| *copies >= enough && !is_newer).unwrap_or(0);
        self.meet(looked.newest);
        if copies >= enough {
            (self.copies, self.doubted, self.futile, self.renewals) = (Some(copies), false, 0, 0);
            let longest = if self.every == FIRST { SECOND } else { u32::MAX };
            self.every = self.every.saturating_mul(2).min(self.check_every);
            return Then::Look(spread(rng, self.every.min(longest)));
        }
        let is_gone = copies < half(enough);
        if !is_gone && !self.doubted {
            self.doubted = true;
            return Then::Look(REPEAT);
        }
        (self.copies, self.doubted) = (Some(copies), false);
        if looked.links.most() < had / NEARLY_ALL {
            self.every = (self.every / 2).max(SHORTEST).min(self.check_every);
            self.renewals = RENEWALS;
        }
        Then::Want(0)
    }

    /// A put has ended, or an announce: what follows.
    pub(super) fn on_put(&mut self, rng: &mut Rng, put: KeptPut) -> Then {
        self.meet(put.newest);
        self.refusing = put.links.refusing();
        let LinkCopies { answered, copies } = put.links.scarcest(self.least, self.refusing).unwrap_or_default();
        self.copies = Some(copies);
        self.refused = put.refused;
        if copies < self.least.min(answered).max(1) {
            return self.on_futile();
        }
        self.futile = 0;
        if matches!(self.kept, OwnKept::Announced { .. }) {
            return Then::Look(spread(rng, ANNOUNCE_EVERY));
        }
        if self.renewals > 0 {
            self.renewals -= 1;
            return Then::Want(spread(rng, self.every));
        }
        self.every = FIRST.min(self.check_every);
        Then::Look(spread(rng, self.every))
    }

    /// Nothing came of it (P7).
    pub(super) fn on_futile(&mut self) -> Then {
        let wait = AGAIN.get(usize::from(self.futile)).or(AGAIN.last()).copied().unwrap_or(REPEAT);
        self.futile = self.futile.saturating_add(1);
        Then::Look(wait)
    }

    /// Whether the user is to be told, once, that there is a newer version than the one that he has supplied (P9). What
    /// is wanted tells him when he supplies it.
    pub(super) fn is_to_be_told(&self) -> bool {
        let is_superseded = (0..self.newest).contains(&self.seq);
        is_superseded && !self.told && !self.doubted && self.futile == 0
    }

    /// The user was told that there is a newer version.
    pub(super) fn on_superseded(&mut self, rng: &mut Rng) -> Then {
        self.told = true;
        Then::Look(spread(rng, self.check_every))
    }

    fn meet(&mut self, newest: Option<i64>) {
        let newest = newest.unwrap_or(-1);
        self.told &= newest <= self.newest;
        self.newest = self.newest.max(newest);
    }
}

/// So many are half of it, rounded up.
fn half(copies: u8) -> u8 {
    copies.div_ceil(2)
}

/// Up to a tenth sooner or later (P11).
fn spread(rng: &mut Rng, seconds: u32) -> u32 {
    (seconds - seconds / 10).saturating_add(rng.below(seconds / 5 + 1))
}

fn seconds_of(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
}
