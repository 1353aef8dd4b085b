//! The version of an item that is to be stored, against what others hold.

use honeyguide::Outcome;

pub struct Version {
    pub seq: i64,
    /// The number that was named by whoever can sign the item; `None` where somebody else has signed it.
    pub signs: Option<Option<i64>>,
    /// The number that it may replace alone.
    pub cas: Option<i64>,
}

impl Version {
    /// What to do where it was refused for what is held, or is to be found by nobody beside that.
    pub fn tip(&self, outcome: &Outcome) -> String {
        let Some(held) = outcome.held_seq else { return String::new() };
        let (is_late, is_other) = (outcome.refused.seq_too_old > 0, outcome.refused.cas_mismatch > 0);
        if !is_late && !is_other && held <= self.seq && self.cas.is_none_or(|cas| cas == held) {
            return String::new();
        }
        // Whoever refused holds something else than what was seen.
        let is_unseen = self.seq > held && (is_late || (is_other && self.cas == Some(held)));
        if is_unseen && self.cas.is_some() {
            return ": get it again, since a node holds another version than that one".into();
        }
        let most = if is_unseen { self.seq } else { held };
        let Some(next) = most.checked_add(1) else { return String::new() };
        match (self.signs, self.cas) {
            (Some(typed), None) => format!(": pass --seq {} to replace it", next.max(typed.unwrap_or(next))),
            (Some(typed), Some(_)) => {
                format!(": pass --seq {} --cas {held} to replace it", next.max(typed.unwrap_or(next)))
            }
            (None, Some(_)) if self.seq >= next => format!(": pass --cas {held} to replace it"),
            (None, None) => format!(": to replace it, have it signed with a sequence number of {next} or more"),
            (None, Some(_)) => {
                format!(
                    ": to replace it, have it signed with a sequence number of {next} or more, and pass --cas {held}"
                )
            }
        }
    }

    /// That it is older than what was seen, by some who stored it since they did not know.
    pub fn is_older(&self, outcome: &Outcome) -> Option<String> {
        let held = outcome.held_seq.filter(|held| *held > self.seq)?;
        Some(format!(
            "a newer version was seen, with sequence number {held}, and who looks for the item finds that one where it \
             is held{}",
            self.tip(outcome)
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(held_seq: i64, cas_mismatch: u8, seq_too_old: u8) -> Outcome {
        let mut outcome = Outcome::default();
        outcome.held_seq = Some(held_seq);
        (outcome.refused.cas_mismatch, outcome.refused.seq_too_old) = (cas_mismatch, seq_too_old);
        outcome
    }

    /// Rule U16.
    #[test]
    fn a_tip_names_a_number_that_is_higher_than_all_that_were_refused() {
        let tip =
            |seq, typed: Option<i64>, cas, outcome: &Outcome| Version { seq, signs: Some(typed), cas }.tip(outcome);
        // Refused for another version: who named a number that is high enough keeps it.
        for (seq, typed, told) in [(4, None, 4), (2, Some(2), 4), (9, Some(9), 9)] {
            let told = format!(": pass --seq {told} --cas 3 to replace it");
            assert_eq!(tip(seq, typed, Some(1), &outcome(3, 1, 0)), told);
        }
        // Refused as too old: it is too low, whatever was seen.
        for (seq, typed, told) in [(4, None, 5), (9, Some(9), 10), (2, Some(2), 4)] {
            assert_eq!(tip(seq, typed, None, &outcome(3, 0, 1)), format!(": pass --seq {told} to replace it"));
        }
        // Nobody has refused, and something else is seen all the same.
        assert_eq!(tip(2, Some(2), None, &outcome(3, 0, 0)), ": pass --seq 4 to replace it");
        assert_eq!(tip(9, Some(9), Some(3), &outcome(7, 0, 0)), ": pass --seq 9 --cas 7 to replace it");
        assert_eq!(tip(9, Some(9), Some(7), &outcome(7, 0, 0)), "");
        assert_eq!(tip(3, Some(3), None, &outcome(3, 0, 0)), "");
        assert_eq!(tip(3, Some(3), None, &Outcome::default()), "");
        assert_eq!(tip(3, Some(3), None, &outcome(i64::MAX, 0, 0)), "", "none is higher");
        // What somebody holds was not seen.
        let again = ": get it again, since a node holds another version than that one";
        assert_eq!(tip(4, Some(4), Some(3), &outcome(3, 1, 0)), again);
        assert_eq!(tip(9, Some(9), Some(3), &outcome(3, 0, 1)), again);
        // Too low whatever came.
        for refused in [outcome(3, 0, 1), outcome(3, 1, 0)] {
            assert_eq!(tip(2, Some(2), Some(3), &refused), ": pass --seq 4 --cas 3 to replace it");
        }
        // Signed by somebody else.
        let tip = |seq, cas, outcome: &Outcome| Version { seq, signs: None, cas }.tip(outcome);
        assert!(tip(4, None, &outcome(3, 0, 1)).ends_with("of 5 or more"));
        assert_eq!(tip(9, Some(3), &outcome(7, 1, 0)), ": pass --cas 7 to replace it");
        assert!(tip(6, Some(3), &outcome(7, 1, 0)).ends_with("of 8 or more, and pass --cas 7"));
    }

    /// Rule U16.
    #[test]
    fn what_is_older_than_what_is_held_is_told_so_and_nothing_else_is() {
        let version = Version { seq: 6, signs: Some(None), cas: None };
        let mut newer = outcome(7, 0, 0);
        newer.refused.too_large = 1;
        let told = version.is_older(&newer).unwrap();
        assert!(told.contains("sequence number 7") && told.ends_with(": pass --seq 8 to replace it"), "{told}");
        assert_eq!(version.is_older(&outcome(6, 1, 1)), None);
    }
}
