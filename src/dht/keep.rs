//! What is kept, by which schedule, and how it goes.

use crate::base::time::Duration;
use crate::dht::capacity::MAX_REPLICAS;
use crate::dht::command::PeerKind;
use crate::dht::error::CallError;
use crate::dht::event::KeepId;
use crate::krpc::id::Id;
use crate::krpc::item::{check_salt, mutable_target};

/// Shortest and longest time between two looks at a key.
const LOOKS: [Duration; 2] = [Duration::from_secs(15 * 60), Duration::from_secs(30 * 24 * 3600)];

/// What the keeper may cost.
///
/// Exhaustive: it is written as a literal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeeperConfig {
    /// Nodes to which nothing was sent for three minutes that it may turn to in any ten seconds: how much can be kept
    /// follows from that (`spec/keeper.md`).
    pub flows: u16,
}

impl Default for KeeperConfig {
    fn default() -> Self {
        KeeperConfig { flows: 40 }
    }
}

/// What is to be kept: nothing of it is a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Kept<'a> {
    /// An immutable item.
    Immutable {
        /// SHA-1 of its bencoded value.
        target: Id,
    },
    /// A mutable item.
    Mutable {
        /// Ed25519 public key.
        key: &'a [u8; 32],
        /// 0 to 64 bytes.
        salt: &'a [u8],
    },
    /// An announcement of a peer.
    Announced {
        /// Info-hash.
        info_hash: Id,
        /// Port of the peer; `None`: the port that others see us at.
        port: Option<u16>,
        /// What the peer has.
        kind: PeerKind,
    },
}

impl Kept<'_> {
    /// The id near which it is stored.
    #[must_use]
    pub fn target(&self) -> Id {
        match *self {
            Kept::Immutable { target } => target,
            Kept::Mutable { key, salt } => mutable_target(key, salt),
            Kept::Announced { info_hash, .. } => info_hash,
        }
    }

    /// Whether it is something that can be kept.
    pub(crate) fn check(&self) -> Result<(), CallError> {
        match *self {
            Kept::Mutable { salt, .. } => Ok(check_salt(salt)?),
            Kept::Announced { port: Some(0), .. } => Err(CallError::BadPort),
            Kept::Immutable { .. } | Kept::Announced { .. } => Ok(()),
        }
    }
}

/// How many copies there are to be, and how often that is looked at (`spec/keeper.md`).
///
/// Exhaustive: it is written as a literal over the default one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeepSchedule {
    /// With fewer live copies the item is wanted.
    pub least: u8,
    /// It is then put on so many nodes, those that have it included.
    pub refill: u8,
    /// The longest time between two looks: from a quarter of an hour to thirty days. Announcements have a time of
    /// their own.
    pub check_every: Duration,
}

impl Default for KeepSchedule {
    fn default() -> Self {
        KeepSchedule { least: 8, refill: 12, check_every: Duration::from_secs(6 * 3600) }
    }
}

impl KeepSchedule {
    /// Whether its numbers make sense together.
    pub(crate) fn check(&self) -> Result<(), CallError> {
        let copies = (1..=self.refill).contains(&self.least) && self.refill <= MAX_REPLICAS;
        let [shortest, longest] = LOOKS;
        let times = (shortest..=longest).contains(&self.check_every);
        if copies && times { Ok(()) } else { Err(CallError::BadSchedule) }
    }
}

/// What is to happen next to what is kept.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub enum NextAction {
    /// Its copies are looked for, or it is announced.
    #[default]
    Look,
    /// It is wanted from the user.
    Want,
    /// That is done at this moment.
    Busy,
}

/// How it goes with what is kept: what a later run goes on from. What passes between two runs is to be taken off
/// [`due_in`](KeepState::due_in) by whoever keeps it; with `next: NextAction::Want` an item is wanted without a look
/// before, as is best where it was never put.
///
/// Exhaustive: plain data, which users write down and read back.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct KeepState {
    /// Copies that were confirmed at the last look or put; `None` before the first.
    pub copies: Option<u8>,
    /// The version that was supplied last.
    pub seq: Option<i64>,
    /// The newest version that was met on the network.
    pub newest: Option<i64>,
    /// Time between two looks, as it is now.
    pub every: Duration,
    /// Attempts in a row of which nothing came.
    pub futile: u8,
    /// For so many puts more it is not looked at, since copies did not last.
    pub renewals: u8,
    /// The code by which most nodes refused the last put.
    pub refused: Option<u16>,
    /// What is to happen next.
    pub next: NextAction,
    /// How much later than now, where this was asked for.
    pub due_in: Duration,
}

/// Something that is kept, as its owner may see it.
///
/// Exhaustive: whoever saves it has to name all of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeepView<'a> {
    /// Its handle.
    pub keep: KeepId,
    /// The caller's tag.
    pub tag: u64,
    /// What it is.
    pub kept: Kept<'a>,
    /// By which schedule.
    pub schedule: KeepSchedule,
    /// How it goes.
    pub state: KeepState,
}
