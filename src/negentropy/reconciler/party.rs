//! What one side knows all along a session.

use core::ops::Range;

use crate::base::error::NoRoom;
use crate::base::list;
use crate::base::rng::Rng;
use crate::negentropy::config::{ReconcilerConfig, Splitting};
use crate::negentropy::diff;
use crate::negentropy::message::Entry;
use crate::negentropy::reconciler::pace::Pace;
use crate::negentropy::reconciler::stretches::Stretches;
use crate::negentropy::set::{Difference, SortedSet};

/// Lent or owned.
pub type Scratch<'s> = list::Memory<'s, u32>;

/// Lent or owned, for bytes of messages.
pub type MessageMemory<'s> = list::Memory<'s, u8>;

/// Own ids that may be told as lacking there, however few there are.
const FREE_HAVES: u64 = 8192;

/// So many own entries that are compared again count as one that is told.
const AGAIN: u64 = 64;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PartyRole {
    Initiator,
    Responder,
}

#[derive(Debug)]
pub struct Party<'s> {
    role: PartyRole,
    config: ReconcilerConfig,
    /// A word for each id that a received list may have (initiator).
    scratch: Scratch<'s>,
    /// Moves split points.
    random: Option<Rng>,
    /// Messages of both sides so far.
    messages: u32,
    /// Ids that the partner claimed to have and we lack.
    needs: u64,
    /// Own ids that were told: as lacking there (initiator), or to the partner (responder).
    named: u64,
    /// How many of them may be told (initiator): by the longest that the set was.
    most_named: u64,
    /// Own entries that were compared with lists again (initiator).
    again: u64,
    /// Whether one of our messages was cut at the frame limit.
    framed: bool,
    pace: Pace,
    settled: Stretches,
}

impl<'s> Party<'s> {
    pub fn new(role: PartyRole, config: ReconcilerConfig, scratch: Scratch<'s>) -> Self {
        let random = config.random_splits.map(Rng::from_seed);
        let (needs, named, most_named, again) = (0, 0, FREE_HAVES, 0);
        let (messages, framed, pace) = (0, false, Pace::default());
        let settled = Stretches::new(role == PartyRole::Initiator);
        Party { role, config, scratch, random, messages, needs, named, most_named, again, framed, pace, settled }
    }

    pub fn role(&self) -> PartyRole {
        self.role
    }

    pub fn config(&self) -> &ReconcilerConfig {
        &self.config
    }

    pub fn is_adaptive(&self) -> bool {
        self.config.splitting == Splitting::Adaptive
    }

    /// Bytes that a message into a buffer of `space` bytes may have.
    pub fn frame(&self, space: usize) -> usize {
        space.min(self.config.longest_message())
    }

    /// Words that there are for the ids of a received list.
    pub fn scratch_len(&self) -> usize {
        self.scratch.capacity()
    }

    /// By how much a split point moves: less than `range`, in the mode that moves them.
    pub fn nudge(&mut self, range: usize) -> usize {
        let is_adaptive = self.is_adaptive();
        match &mut self.random {
            Some(random) if is_adaptive => random.below(u32::try_from(range).unwrap_or(u32::MAX)) as usize,
            _ => 0,
        }
    }

    // ---- the session so far ----

    pub fn messages(&self) -> u32 {
        self.messages
    }

    pub fn set_messages(&mut self, messages: u32) {
        self.messages = messages;
    }

    pub fn count_message(&mut self) {
        self.messages = self.messages.saturating_add(1);
    }

    pub fn is_framed(&self) -> bool {
        self.framed
    }

    /// One of our messages was cut.
    pub fn on_cut(&mut self) {
        self.framed = true;
    }

    pub fn pace(&mut self) -> &mut Pace {
        &mut self.pace
    }

    /// What is settled (initiator).
    pub fn settled(&mut self) -> &mut Stretches {
        &mut self.settled
    }

    pub fn needs(&self) -> u64 {
        self.needs
    }

    pub fn named(&self) -> u64 {
        self.named
    }

    /// Ids that were told in all.
    pub fn told(&self) -> u64 {
        self.needs.saturating_add(self.named)
    }

    /// Whether more own ids were told as lacking there than may be, in a session over a set with `len` entries.
    pub fn has_told_too_many(&mut self, len: usize) -> bool {
        self.named.saturating_add(self.again / AGAIN) > self.most_haves(len)
    }

    /// How many own ids may be told as lacking there, in a session over a set with `len` entries.
    pub fn most_haves(&mut self, len: usize) -> u64 {
        let most = u64::from(self.config.limits.haves).saturating_mul(len as u64).saturating_add(FREE_HAVES);
        self.most_named = self.most_named.max(most);
        self.most_named
    }

    /// So many own ids were listed.
    pub fn on_listed(&mut self, ids: usize) {
        self.named = self.named.saturating_add(ids as u64);
    }

    /// Reports what a list and the own entries of a range do not have in common, as far as the limit of needs allows,
    /// and without own entries that are settled.
    pub fn compare<S: SortedSet>(
        &mut self,
        set: &S,
        range: Range<usize>,
        theirs: &[[u8; 32]],
        sink: &mut impl FnMut(Difference<'_>),
    ) -> Result<(), NoRoom> {
        let Party { scratch, needs, named, again, config, settled, .. } = self;
        let mut walk = settled.walk();
        let is_settled = |entry: &Entry| {
            let is_settled = walk.covers(entry);
            *again += u64::from(is_settled);
            is_settled
        };
        let most = config.limits.needs;
        let mut tell = |difference: Difference<'_>| {
            match difference {
                Difference::Have(_) => *named += 1,
                Difference::Need(_) => *needs += 1,
            }
            if *needs <= most {
                sink(difference);
            }
        };
        diff::compare(set, range, theirs, scratch.first(theirs.len()).ok_or(NoRoom)?, is_settled, &mut tell)
    }
}
