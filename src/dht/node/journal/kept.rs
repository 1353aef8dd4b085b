//! Calls about what is kept, as bytes and back.

use serde::{Deserialize, Serialize};

use crate::base::time::Duration;
use crate::dht::command::PeerKind;
use crate::dht::event::KeepId;
use crate::dht::keep::{KeepSchedule, KeepState, Kept, NextAction};
use crate::dht::node::journal::call::Call;
use crate::krpc::id::Id;
use crate::krpc::item::{Item, MAX_SALT, MAX_VALUE, Mutable};

#[derive(Serialize, Deserialize)]
pub(super) enum StoredKeeping<'a> {
    Keep {
        tag: u64,
        #[serde(borrow)]
        kept: StoredKept<'a>,
        /// Least, refill, and microseconds between two looks.
        schedule: (u8, u8, u64),
        before: StoredState,
    },
    Supply {
        keep: (u16, u32),
        value: &'a [u8],
        mutable: Option<StoredMutable<'a>>,
    },
    Later {
        keep: (u16, u32),
        by: u64,
    },
    Unkeep((u16, u32)),
    UnkeepKey(&'a [u8]),
}

#[derive(Serialize, Deserialize)]
pub(super) struct StoredMutable<'a> {
    key: &'a [u8],
    salt: &'a [u8],
    seq: i64,
    signature: &'a [u8],
}

#[derive(Serialize, Deserialize)]
pub(super) enum StoredKept<'a> {
    Immutable([u8; 20]),
    Mutable { key: &'a [u8], salt: &'a [u8] },
    Announced { info_hash: [u8; 20], port: Option<u16>, seed: bool },
}

#[derive(Serialize, Deserialize)]
pub(super) struct StoredState {
    copies: Option<u8>,
    seq: Option<i64>,
    newest: Option<i64>,
    every: u64,
    futile: u8,
    renewals: u8,
    refused: Option<u16>,
    wants: bool,
    due_in: u64,
}

impl<'a> StoredKeeping<'a> {
    /// `None` for a call about anything else.
    pub(super) fn from_call(call: &Call<'a>) -> Option<Self> {
        Some(match *call {
            Call::Keep { tag, kept, schedule, before } => StoredKeeping::Keep {
                tag,
                kept: StoredKept::from_kept(kept),
                schedule: (schedule.least, schedule.refill, micros(schedule.check_every)),
                before: StoredState {
                    copies: before.copies,
                    seq: before.seq,
                    newest: before.newest,
                    every: micros(before.every),
                    futile: before.futile,
                    renewals: before.renewals,
                    refused: before.refused,
                    wants: before.next == NextAction::Want,
                    due_in: micros(before.due_in),
                },
            },
            Call::Supply { keep, item: Item { value, mutable } } => StoredKeeping::Supply {
                keep: (keep.index, keep.generation),
                value: cut(value, MAX_VALUE),
                mutable: mutable.map(|m| StoredMutable {
                    key: m.key,
                    salt: cut(m.salt, MAX_SALT),
                    seq: m.seq,
                    signature: m.signature,
                }),
            },
            Call::Later { keep, by } => StoredKeeping::Later { keep: (keep.index, keep.generation), by: micros(by) },
            Call::Unkeep { keep } => StoredKeeping::Unkeep((keep.index, keep.generation)),
            Call::UnkeepKey { key } => StoredKeeping::UnkeepKey(key),
            _ => return None,
        })
    }

    pub(super) fn into_call(self) -> Option<Call<'a>> {
        let handle = |(index, generation)| KeepId { index, generation };
        Some(match self {
            StoredKeeping::Keep { tag, kept, schedule: (least, refill, every), before } => Call::Keep {
                tag,
                kept: kept.into_kept()?,
                schedule: KeepSchedule { least, refill, check_every: Duration::from_micros(every) },
                before: KeepState {
                    copies: before.copies,
                    seq: before.seq,
                    newest: before.newest,
                    every: Duration::from_micros(before.every),
                    futile: before.futile,
                    renewals: before.renewals,
                    refused: before.refused,
                    next: if before.wants { NextAction::Want } else { NextAction::Look },
                    due_in: Duration::from_micros(before.due_in),
                },
            },
            StoredKeeping::Supply { keep, value, mutable } => {
                let mutable = match mutable {
                    None => None,
                    Some(StoredMutable { key, salt, seq, signature }) => {
                        Some(Mutable { key: key.try_into().ok()?, salt, seq, signature: signature.try_into().ok()? })
                    }
                };
                Call::Supply { keep: handle(keep), item: Item { value, mutable } }
            }
            StoredKeeping::Later { keep, by } => Call::Later { keep: handle(keep), by: Duration::from_micros(by) },
            StoredKeeping::Unkeep(keep) => Call::Unkeep { keep: handle(keep) },
            StoredKeeping::UnkeepKey(key) => Call::UnkeepKey { key: key.try_into().ok()? },
        })
    }
}

impl<'a> StoredKept<'a> {
    fn from_kept(kept: Kept<'a>) -> Self {
        match kept {
            Kept::Immutable { target } => StoredKept::Immutable(target.0),
            Kept::Mutable { key, salt } => StoredKept::Mutable { key, salt: cut(salt, MAX_SALT) },
            Kept::Announced { info_hash, port, kind } => {
                StoredKept::Announced { info_hash: info_hash.0, port, seed: kind == PeerKind::Seed }
            }
        }
    }

    fn into_kept(self) -> Option<Kept<'a>> {
        Some(match self {
            StoredKept::Immutable(target) => Kept::Immutable { target: Id(target) },
            StoredKept::Mutable { key, salt } => Kept::Mutable { key: key.try_into().ok()?, salt },
            StoredKept::Announced { info_hash, port, seed } => {
                let kind = if seed { PeerKind::Seed } else { PeerKind::Downloader };
                Kept::Announced { info_hash: Id(info_hash), port, kind }
            }
        })
    }
}

/// So much of it that a node refuses what is too long in the replay too.
pub(super) fn cut(bytes: &[u8], longest: usize) -> &[u8] {
    &bytes[..bytes.len().min(longest + 1)]
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
