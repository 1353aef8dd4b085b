//! Which of the bootstrap nodes an operation asks next: each once, and each once more while nobody has answered, since
//! packets get lost.

/// Their number is far below it.
const SECOND: u8 = 0x80;

/// A place among them, and in which round.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::dht::node::client) struct BootstrapTurn(u8);

impl BootstrapTurn {
    /// None is to be asked, nor later.
    pub(super) const NONE: BootstrapTurn = BootstrapTurn(u8::MAX);
    /// The first one, for the first time.
    pub(super) const FIRST: BootstrapTurn = BootstrapTurn(0);

    /// Its place; past the end when none is to be asked now.
    pub(super) fn place(self) -> usize {
        usize::from(self.0 & !SECOND)
    }

    /// Whether they were asked before, or are not to be asked at all.
    pub(super) fn is_last_round(self) -> bool {
        self.0 & SECOND != 0
    }

    /// The next one's turn.
    pub(super) fn advance(&mut self) {
        self.0 = self.0.saturating_add(1);
    }

    /// The one before could not be asked.
    pub(super) fn go_back(&mut self) {
        self.0 -= u8::from(self.place() > 0);
    }

    /// All are asked once more.
    pub(super) fn begin_again(&mut self) {
        self.0 = SECOND;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
