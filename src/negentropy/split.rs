//! Into how many buckets a range is split that differs: rules N20 to N24 of `spec/negentropy.md`.
//!
//! Every level of splitting costs about 20 bytes a bucket and half a round trip, and a list costs 32 bytes an
//! entry. The plan is to reach lists of a few entries with the eighth message, the answer of the fourth round trip,
//! and to spread the splits evenly over the messages until then. Where nearly everything differs, wide splits get
//! there sooner and no dearer.

use crate::negentropy::config::Splitting;

/// Buckets and largest list of the reference.
const REFERENCE: (usize, usize) = (16, 32);

/// The message in which lists of small ranges should arrive; the ones before carry fingerprints.
const LAST_MESSAGE: u32 = 8;

/// Entries in a list that answers a fingerprint.
const LIST: usize = 3;

/// Most buckets of a range.
const MOST: usize = 64;

/// How much of a message differed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MessageSurvey {
    /// Fingerprints that were looked at.
    pub compared: usize,
    /// Those that differ.
    pub differ: usize,
}

impl MessageSurvey {
    /// About how many differences there are in a range that differs: what a Poisson distribution with this share of
    /// empty ranges says, in whole numbers.
    fn differences(self) -> usize {
        match self.compared - self.differ.min(self.compared) {
            0 => 2 * (self.compared.max(1).ilog2() as usize),
            equal => 1 + (self.compared / equal).max(1).ilog2() as usize,
        }
    }

    fn is_dense(self) -> bool {
        self.compared >= 8 && self.differ == self.compared
    }
}

/// Where in a session a range is split.
#[derive(Clone, Copy, Debug)]
pub struct Situation {
    /// The number of the message that is being written, the first of the session being 1.
    pub message: u32,
    /// Whether the other side learns from lists (it is the initiator), so that one needs no answer.
    pub lists_end_it: bool,
    /// Whether this session's messages have been cut at the frame limit.
    pub framed: bool,
    /// What the message that is answered says.
    pub survey: Option<MessageSurvey>,
}

/// What becomes of a range that differs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SplitPlan {
    /// All its ids.
    List,
    /// A list without ids: the responder lists all that it has, which tells the initiator as much as if it had
    /// listed its own, in fewer bytes.
    Ask,
    /// So many fingerprints.
    Buckets(usize),
}

/// The plan for a range of `n` own entries.
pub fn plan(splitting: Splitting, n: usize, at: Situation) -> SplitPlan {
    if splitting == Splitting::Conformance {
        return if n < REFERENCE.1 { SplitPlan::List } else { SplitPlan::Buckets(REFERENCE.0) };
    }
    let late = at.framed || at.message >= LAST_MESSAGE;
    let longest = match at.survey {
        None => 1,
        Some(_) if at.lists_end_it && late => 4 * LIST,
        Some(_) => LIST + 1,
    };
    if n <= longest {
        return if at.lists_end_it { SplitPlan::List } else { SplitPlan::Ask };
    }
    let Some(survey) = at.survey else { return SplitPlan::Buckets(REFERENCE.0.min(n)) };
    let levels = LAST_MESSAGE.saturating_sub(at.message).max(1);
    let even = root(n / LIST, levels);
    let wide = if survey.is_dense() { (n / (2 * LIST)).max(2) } else { 2 * survey.differences() };
    SplitPlan::Buckets(even.max(wide).clamp(2, MOST).min(n))
}

/// The smallest number of at least 2 whose power with `levels` is not below `n`.
fn root(n: usize, levels: u32) -> usize {
    (2..MOST).find(|base| base.saturating_pow(levels) >= n).unwrap_or(MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EARLY: Situation = Situation { message: 2, lists_end_it: true, framed: false, survey: None };

    #[test]
    fn conformance_splits_as_the_reference() {
        let survey = Some(MessageSurvey { compared: 16, differ: 1 });
        for at in [EARLY, Situation { message: 7, lists_end_it: false, framed: true, survey }] {
            assert_eq!(plan(Splitting::Conformance, 31, at), SplitPlan::List);
            assert_eq!(plan(Splitting::Conformance, 32, at), SplitPlan::Buckets(16));
        }
    }

    /// N24: five bytes ask for what a list of own ids would ask for.
    #[test]
    fn an_initiator_asks_for_small_ranges_and_a_responder_lists_them() {
        let survey = Some(MessageSurvey { compared: 16, differ: 3 });
        let plan_of = |n, message, lists_end_it| {
            plan(Splitting::Adaptive, n, Situation { message, lists_end_it, framed: false, survey })
        };
        assert_eq!((plan_of(4, 3, false), plan_of(4, 4, true)), (SplitPlan::Ask, SplitPlan::List));
        assert!(matches!((plan_of(5, 9, false), plan_of(5, 4, true)), (SplitPlan::Buckets(_), SplitPlan::Buckets(_))));
        assert_eq!((plan_of(12, 8, true), plan_of(0, 3, false)), (SplitPlan::List, SplitPlan::Ask));
    }

    /// N20 to N23, one entry below and above each threshold.
    #[test]
    fn how_long_a_list_may_be_depends_on_who_learns_from_it_and_on_how_late_it_is() {
        let survey = Some(MessageSurvey { compared: 16, differ: 3 });
        let is_split = |n, at| matches!(plan(Splitting::Adaptive, n, at), SplitPlan::Buckets(_));
        let at = |message, lists_end_it, framed, survey| Situation { message, lists_end_it, framed, survey };
        for (situation, longest) in [
            (at(2, true, false, None), 1),
            (at(8, true, true, None), 1),
            (at(7, true, false, survey), 4),
            (at(8, true, false, survey), 12),
            (at(3, true, true, survey), 12),
            (at(8, false, false, survey), 4),
            (at(9, false, true, survey), 4),
        ] {
            assert!(!is_split(longest, situation) && is_split(longest + 1, situation), "{longest}: {situation:?}");
        }
    }

    /// The buckets of a range follow from the messages that are left, from how much differs, and from what there is.
    #[test]
    fn splits_are_as_wide_as_the_messages_that_are_left_and_the_differences_want() {
        let buckets = |n, message, compared, differ| {
            let survey = (compared > 0).then_some(MessageSurvey { compared, differ });
            plan(Splitting::Adaptive, n, Situation { message, lists_end_it: true, framed: false, survey })
        };
        for (n, message, compared, differ, expected) in [
            // The first split, which knows nothing yet.
            (1000, 2, 0, 0, 16),
            (9, 2, 0, 0, 9),
            // Few differ: 1,000 thirds of an entry in so many steps.
            (3000, 7, 16, 1, 64),
            (3000, 5, 16, 1, 10),
            (3000, 3, 16, 1, 4),
            // Half differ: two differences in a range, so four buckets.
            (30, 3, 16, 8, 4),
            // All of eight differ: lists of six entries. Of seven: six differences each, twice that.
            (60, 3, 8, 8, 10),
            (60, 3, 7, 7, 8),
            // All differ, and no message is left: as fine as the end wants it.
            (60, 7, 8, 8, 20),
        ] {
            assert_eq!(buckets(n, message, compared, differ), SplitPlan::Buckets(expected), "{n} at {message}");
        }
    }

    #[test]
    fn a_split_always_has_at_least_two_buckets_and_at_most_one_an_entry() {
        for n in 0..2000 {
            for message in 0..12 {
                for (compared, differ) in [(0, 0), (1, 1), (16, 0), (16, 1), (16, 15), (16, 16), (9000, 9000)] {
                    for lists_end_it in [false, true] {
                        let survey = Some(MessageSurvey { compared, differ });
                        let at = Situation { message, lists_end_it, framed: n % 2 == 0, survey };
                        if let SplitPlan::Buckets(buckets) = plan(Splitting::Adaptive, n, at) {
                            assert!(buckets >= 2 && buckets <= n.min(MOST));
                        }
                    }
                }
            }
        }
    }
}
