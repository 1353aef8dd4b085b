//! How much to ask for in one message, so that the answer fits the partner's frames, which nobody tells us (N27).

use crate::negentropy::config::MIN_FRAME;

/// Bytes of an id that is listed, with its share of bounds and counts.
const LISTED: usize = 36;

/// Costs of fingerprints are counted in parts of a byte.
const PARTS: usize = 16;

/// What a fingerprint costs at most, as far as is reckoned: 64 fingerprints with short bounds, or a list of ids.
const MOST: usize = 2048 * PARTS;

/// What was asked for, and what answers cost.
#[derive(Clone, Copy, Default, Debug)]
pub struct Pace {
    /// Bytes of the partner's longest message that was cut at its frame limit.
    frame: Option<usize>,
    /// Own entries in ranges of which a list was asked for, and fingerprints, of the last message.
    listed: usize,
    fingerprints: usize,
    /// Own entries in the widest range that was asked about.
    widest: usize,
    /// What the answer to a fingerprint costs, in parts of a byte.
    cost: usize,
}

impl Pace {
    /// We asked for this.
    pub fn on_asked(&mut self, listed: usize, fingerprints: usize, widest: usize) {
        (self.listed, self.fingerprints, self.widest) = (listed, fingerprints, widest);
    }

    /// Whether a last range with so many own entries is the rest of a message that was cut: wider than any that was
    /// asked about, unless the set has grown meanwhile.
    pub fn is_cut(&self, width: usize) -> bool {
        width > self.widest
    }

    /// The answer has so many bytes, and was cut or was not.
    pub fn on_answer(&mut self, bytes: usize, cut: bool) {
        if cut {
            // Nobody's frame is shorter than the least one: of a set that has grown, a short answer may seem cut.
            self.frame = self.frame.max(Some(bytes.max(MIN_FRAME)));
        }
        let split = bytes.saturating_sub(self.listed.saturating_mul(LISTED)).saturating_mul(PARTS);
        if let Some(cost) = split.checked_div(self.fingerprints) {
            // An answer that was cut would have cost more. Costs are taken for high at once, and for low little by
            // little.
            let cost = if cut { cost.max(self.cost).min(MOST) / 4 * 5 } else { cost };
            self.cost = cost.max((3 * self.cost + cost.min(MOST)) / 4).min(MOST);
        }
    }

    /// Whether the answer to this is likely to fit with something to spare.
    pub fn will_fit(&self, listed: usize, fingerprints: usize) -> bool {
        let bytes = listed.saturating_mul(LISTED).saturating_add(fingerprints.saturating_mul(self.cost) / PARTS);
        self.frame.is_none_or(|frame| bytes < frame - frame / 8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule N27.
    #[test]
    fn a_last_range_is_the_rest_of_a_cut_message_if_it_is_wider_than_any_that_was_asked_about() {
        let mut pace = Pace::default();
        pace.on_asked(3, 2, 10);
        assert_eq!([0, 9, 10, 11, 1000].map(|width| pace.is_cut(width)), [false, false, false, true, true]);
    }
}
