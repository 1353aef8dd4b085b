//! Whether the contacts that were asked of late are gone (rule T39 of `spec/table.md`).
//!
//! Who answered a quarter of an hour ago counts as fresh, and yet all may have moved since. So the last few answers and
//! silences are counted, each silence that is the first since its contact answered. Nobody counts by failing again, so
//! whoever wants us to think that everybody has gone needs contacts that fail one check each. Answers are not told
//! apart: they are as frequent as queries, and were silences counted more often, a line that loses some would look
//! deserted.

/// Of so many ..
const LAST: u32 = 12;
/// .. so many are most.
const MOST: u32 = 10;
/// Most were silent, and not most have answered since.
const ARE_MOST: u16 = 1 << LAST;

/// What contacts did when they were asked the last few times, a bit each, the latest lowest: 1 is silence.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Silences(u16);

impl Silences {
    /// One answered.
    pub(super) fn on_answer(&mut self) {
        self.shift(0);
    }

    /// One did not that had answered the time before.
    pub(super) fn on_silence(&mut self) {
        self.shift(1);
    }

    /// Whether most of them were silent, until most answer.
    pub(super) fn are_most(self) -> bool {
        self.0 & ARE_MOST != 0
    }

    #[inline]
    fn shift(&mut self, silence: u16) {
        let last = (self.0 << 1 | silence) & (ARE_MOST - 1);
        let are_most = match last.count_ones() {
            MOST.. => ARE_MOST,
            silent if silent > LAST - MOST => self.0 & ARE_MOST,
            _ => 0,
        };
        self.0 = last | are_most;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// T39: at the limits and one past them.
    #[test]
    fn ten_of_the_last_twelve_are_most_until_ten_answer() {
        let mut silences = Silences::default();
        (0..9).for_each(|_| silences.on_silence());
        assert!(!silences.are_most());
        silences.on_answer();
        silences.on_silence();
        assert!(silences.are_most());
        (0..12).for_each(|_| silences.on_silence());
        (0..9).for_each(|_| silences.on_answer());
        assert!(silences.are_most());
        silences.on_answer();
        assert!(!silences.are_most());
    }
}
