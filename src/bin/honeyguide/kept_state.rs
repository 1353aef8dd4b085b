//! How it goes with what a node keeps, as its state file has it: what a later run goes on from.

use std::time::{Duration, SystemTime};

use honeyguide::Id;
use honeyguide::dht::{KeepState, KeepView, NextAction};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

/// An hour, the longest wait that does not follow from how often an item is looked at.
const HOUR: u64 = 3_600;

/// The names stand in their order, as the file has them.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct StateKept {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    copies: Option<u8>,
    /// When the next thing happens, in seconds since 1970: time goes on while no node runs.
    due: u64,
    every: u64,
    futile: u8,
    id: ByteArray<20>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    newest: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refused: Option<u16>,
    renewals: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seq: Option<i64>,
    /// 1 where it is wanted next, and 0 where it is looked at.
    wanted: u8,
}

impl StateKept {
    pub fn new(view: &KeepView<'_>, now: SystemTime) -> StateKept {
        let KeepState { copies, seq, newest, every, futile, renewals, refused, next, due_in } = view.state;
        let id = ByteArray::new(view.kept.target().0);
        let (due, every) = (seconds(now) + due_in.as_secs(), every.as_secs());
        StateKept {
            copies,
            due,
            every,
            futile,
            id,
            newest,
            refused,
            renewals,
            seq,
            wanted: (next == NextAction::Want).into(),
        }
    }

    /// The id near which it is stored.
    pub fn target(&self) -> Id {
        Id(*self.id)
    }

    /// How it goes now. A clock that was wrong puts nothing off for longer than it may wait.
    pub fn state(&self, now: SystemTime) -> KeepState {
        let StateKept { copies, seq, newest, futile, renewals, refused, .. } = *self;
        let longest = self.every.max(HOUR).saturating_mul(11) / 10;
        let due_in = Duration::from_secs(self.due.saturating_sub(seconds(now)).min(longest));
        let next = if self.wanted == 1 { NextAction::Want } else { NextAction::Look };
        let every = Duration::from_secs(self.every);
        KeepState { copies, seq, newest, every, futile, renewals, refused, next, due_in }
    }

    /// The same in a network of which nothing is known: it is looked for at once.
    pub fn state_elsewhere(&self, now: SystemTime) -> KeepState {
        KeepState { copies: None, due_in: Duration::ZERO, next: NextAction::Look, ..self.state(now) }
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    // P2
    #[test]
    fn what_is_saved_comes_back_as_much_later_as_time_has_passed() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let saved = StateKept {
            copies: Some(12),
            due: 1_000_000 + 5_000,
            every: 21_600,
            futile: 1,
            id: ByteArray::new([7; 20]),
            newest: Some(4),
            refused: None,
            renewals: 2,
            seq: Some(4),
            wanted: 1,
        };
        let due_in = |after: u64| saved.state(now + Duration::from_secs(after)).due_in.as_secs();
        assert_eq!([due_in(0), due_in(1_000), due_in(9_000)], [5_000, 4_000, 0]);
        assert_eq!(saved.state(SystemTime::UNIX_EPOCH).due_in.as_secs(), 23_760, "by a clock that was set");
        let elsewhere = saved.state_elsewhere(now);
        assert_eq!((elsewhere.copies, elsewhere.due_in, elsewhere.next), (None, Duration::ZERO, NextAction::Look));
        assert_eq!((elsewhere.seq, elsewhere.newest), (Some(4), Some(4)));
        let KeepState { copies, seq, newest, futile, renewals, next, .. } = saved.state(now);
        assert_eq!((copies, seq, newest), (Some(12), Some(4), Some(4)));
        assert_eq!((futile, renewals, next), (1, 2, NextAction::Want));
        let bytes = bendy::serde::to_bytes(&saved).unwrap();
        assert_eq!(bendy::serde::from_bytes::<StateKept>(&bytes).unwrap(), saved);
    }
}
