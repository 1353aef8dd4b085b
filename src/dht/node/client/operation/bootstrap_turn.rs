//! Which of the bootstrap nodes an operation asks next: each once, and each once more while nobody has answered, since
//! packets get lost.

use crate::base::time::{Duration, Instant};

/// Their number is far below it.
const SECOND: u8 = 0x80;
/// In what the time since one was asked is counted (65.536 ms): there is one byte for it.
const UNIT: Duration = Duration::from_micros(1 << 16);

/// A place among them, and in which round.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::dht::node::client) struct BootstrapTurn {
    turn: u8,
    /// When the latest of them was asked, in units of [`UNIT`]: the last bits. While it is awaited, that was no longer
    /// ago than the hard timeout.
    asked: u8,
}

impl BootstrapTurn {
    /// None is to be asked, nor later.
    pub(super) const NONE: BootstrapTurn = BootstrapTurn { turn: u8::MAX, asked: 0 };
    /// The first one, for the first time.
    pub(super) const FIRST: BootstrapTurn = BootstrapTurn { turn: 0, asked: 0 };

    /// Its place; past the end when none is to be asked now.
    pub(super) fn place(self) -> usize {
        usize::from(self.turn & !SECOND)
    }

    /// Whether they were asked before, or are not to be asked at all.
    pub(super) fn is_last_round(self) -> bool {
        self.turn & SECOND != 0
    }

    /// One of them was asked.
    pub(super) fn on_asked(&mut self, now: Instant) {
        self.asked = units(now);
    }

    /// For how long none was asked, but for a unit: less than eight seconds; nothing where the clock has stepped back.
    pub(super) fn since_asked(self, now: Instant) -> Duration {
        let since = units(now).wrapping_sub(self.asked).cast_signed();
        UNIT * u32::try_from(since).unwrap_or(0)
    }

    /// The next one's turn.
    pub(super) fn advance(&mut self) {
        self.turn = self.turn.saturating_add(1);
    }

    /// The one before could not be asked.
    pub(super) fn go_back(&mut self) {
        self.turn -= u8::from(self.place() > 0);
    }

    /// All are asked once more.
    pub(super) fn begin_again(&mut self) {
        self.turn = SECOND;
    }
}

/// The last bits of a moment.
fn units(at: Instant) -> u8 {
    (at.as_micros() >> UNIT.as_micros().trailing_zeros()) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_is_as_old_as_it_is_but_for_a_unit_also_when_the_units_have_begun_anew() {
        let mut turn = BootstrapTurn::FIRST;
        for (asked, now, since) in [(5, 1_005, 15), (16_770, 18_000, 19), (500, 4, 0), (5, 8_300, 126)] {
            turn.on_asked(Instant::from_millis(asked));
            assert_eq!(turn.since_asked(Instant::from_millis(now)), UNIT * since, "{asked} {now}");
        }
        turn.on_asked(Instant::from_micros(u64::MAX));
        assert_eq!(turn.since_asked(Instant::from_micros(u64::MAX)), Duration::ZERO);
    }

    #[test]
    fn there_are_two_rounds_and_none_is_no_turn_of_anybody() {
        let mut turn = BootstrapTurn::FIRST;
        turn.go_back();
        assert_eq!((turn.place(), turn.is_last_round()), (0, false));
        turn.advance();
        turn.advance();
        turn.go_back();
        assert_eq!((turn.place(), turn.is_last_round()), (1, false));
        turn.begin_again();
        assert_eq!((turn.place(), turn.is_last_round()), (0, true));
        turn.advance();
        assert_eq!((turn.place(), turn.is_last_round()), (1, true));
        let mut none = BootstrapTurn::NONE;
        none.advance();
        assert_eq!((none.place(), none.is_last_round()), (0x7f, true));
    }
}
