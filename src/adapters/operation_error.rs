//! Why an operation did not do what it was started for.

use std::boxed::Box;
use std::fmt;
use std::format;

use crate::dht::error::CallError;
use crate::dht::outcome::{Outcome, Reason};

/// Why an operation did not do what it was started for.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum OperationError {
    /// The node did not accept the command.
    Refused(CallError),
    /// The node was shut down before the end.
    Stopped,
    /// The caller's own deadline passed; the operation was cancelled.
    Late,
    /// A bootstrap that nobody answered.
    NobodyAnswered(Box<Outcome>),
    /// A put or an announce that nobody confirmed.
    NotStored(Box<Outcome>),
    /// A put or an announce that only nodes have confirmed which crowd around its target: that is no proof.
    Crowded(Box<Outcome>),
}

impl OperationError {
    /// How the operation went, if it ran to its end.
    #[must_use]
    pub fn outcome(&self) -> Option<&Outcome> {
        match self {
            OperationError::Refused(_) | OperationError::Stopped | OperationError::Late => None,
            OperationError::NobodyAnswered(outcome)
            | OperationError::NotStored(outcome)
            | OperationError::Crowded(outcome) => Some(outcome),
        }
    }

    /// Whether somebody answered a bootstrap.
    pub(super) fn of_bootstrap(outcome: &Outcome) -> Option<Self> {
        (outcome.answered == 0).then(|| OperationError::NobodyAnswered(Box::new(*outcome)))
    }

    /// Whether a put or an announce has a confirmation that counts.
    pub(super) fn of_store(outcome: &Outcome) -> Option<Self> {
        match (outcome.stored.all, outcome.stored.counted) {
            (0, _) => Some(OperationError::NotStored(Box::new(*outcome))),
            (_, 0) => Some(OperationError::Crowded(Box::new(*outcome))),
            _ => None,
        }
    }
}

impl From<CallError> for OperationError {
    fn from(error: CallError) -> Self {
        OperationError::Refused(error)
    }
}

impl fmt::Display for OperationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OperationError::Refused(error) => error.fmt(f),
            OperationError::Stopped => f.write_str("the node was shut down before the operation ended"),
            OperationError::Late => f.write_str("the operation did not end in the time it was given"),
            OperationError::NobodyAnswered(outcome) => {
                let asked = if outcome.queried == 1 { "node was" } else { "nodes were" };
                write!(f, "nobody answered: {} {asked} asked{}", outcome.queried, Ending(outcome.reason))?;
                match outcome.errored {
                    0 => Ok(()),
                    errored => write!(f, ", and {errored} sent an error"),
                }
            }
            OperationError::Crowded(outcome) => {
                match outcome.stored.all {
                    1 => f.write_str("1 copy, with one of the nodes that crowd around this target")?,
                    n => write!(f, "{n} copies, all with nodes that crowd around this target")?,
                }
                newest(outcome, f)
            }
            OperationError::NotStored(outcome) if outcome.queried == 0 && outcome.reason == Reason::Exhausted => {
                f.write_str("nobody stored it: nobody could be asked, as when no node is known: bootstrap first")
            }
            OperationError::NotStored(outcome) => not_stored(outcome, f),
        }
    }
}

/// The usual cause, and no more than that: a store may also have been held back since a newer version is held, or our
/// own side could not send it.
const NOTHING_SENT: &str = concat!(
    ", and nothing was sent to be stored, as where there is no write token of at most 64 bytes; ",
    "a node whose store is full gives none"
);

/// Nobody has confirmed. A node that did not refuse what it was sent may hold it.
fn not_stored(outcome: &Outcome, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Outcome { queried, answered, errored, unconfirmed, refused, reason, .. } = *outcome;
    f.write_str(match unconfirmed {
        0 => "nobody stored it",
        _ => "nobody confirmed that it is stored, and a node that was sent it may hold it all the same",
    })?;
    if refused.total() > 0 {
        write!(f, ": {refused}")?;
    } else {
        let queries = if queried == 1 { "1 query was".into() } else { format!("{queried} queries were") };
        write!(f, ": {answered} of {queries} answered{}", Ending(reason))?;
        if errored > 0 {
            write!(f, ", and {errored} with an error")?;
        }
        let is_over = matches!(reason, Reason::Deadline | Reason::Cancelled);
        if answered > 0 && unconfirmed == 0 && !is_over {
            f.write_str(NOTHING_SENT)?;
        }
    }
    newest(outcome, f)
}

fn newest(outcome: &Outcome, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match outcome.held_seq {
        Some(seq) => write!(f, "; the newest version that was seen has sequence number {seq}"),
        None => Ok(()),
    }
}

impl std::error::Error for OperationError {}

/// What is to be said of an end that was not the operation's own.
struct Ending(Reason);

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Reason::Deadline => " before its time was up",
            Reason::Cancelled => " before it was cancelled",
            _ => "",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dht::outcome::{Refusals, Stored};
    use std::string::ToString;

    #[test]
    fn a_store_succeeds_with_one_confirmation_that_counts() {
        let judge = |all, counted| {
            let stored = Stored { all, counted, ..Stored::default() };
            OperationError::of_store(&Outcome { stored, ..Outcome::default() })
        };
        let judge_seen = |held| {
            let stored = Stored { all: 1, ..Stored::default() };
            OperationError::of_store(&Outcome { stored, held_seq: Some(held), ..Outcome::default() })
                .unwrap()
                .to_string()
        };
        assert_eq!(judge(1, 1), None);
        assert_eq!(judge(20, 1), None);
        assert!(matches!(judge(0, 0), Some(OperationError::NotStored(_))));
        let crowded = judge(8, 0).unwrap();
        assert!(matches!(crowded, OperationError::Crowded(_)));
        assert_eq!(crowded.to_string(), "8 copies, all with nodes that crowd around this target");
        let crowded = judge_seen(7);
        assert!(
            crowded.ends_with("around this target; the newest version that was seen has sequence number 7"),
            "{crowded}"
        );
    }

    #[test]
    fn what_was_refused_is_said_in_words() {
        let refused = Refusals { cas_mismatch: 20, ..Refusals::default() };
        let outcome = Outcome { refused, held_seq: Some(7), answered: 20, queried: 40, ..Outcome::default() };
        let error = OperationError::of_store(&outcome).unwrap();
        assert_eq!(
            error.to_string(),
            "nobody stored it: 20 hold another version than the one that was to be replaced (301); the newest version \
             that was seen has sequence number 7"
        );
        assert_eq!(error.outcome(), Some(&outcome));
        let outcome = Outcome { reason: Reason::Deadline, queried: 3, ..Outcome::default() };
        let error = OperationError::of_bootstrap(&outcome).unwrap();
        assert_eq!(error.to_string(), "nobody answered: 3 nodes were asked before its time was up");
        let error = OperationError::of_bootstrap(&Outcome { queried: 1, ..Outcome::default() }).unwrap();
        assert_eq!(error.to_string(), "nobody answered: 1 node was asked");
        let error = OperationError::of_store(&Outcome { queried: 1, ..Outcome::default() }).unwrap();
        assert_eq!(error.to_string(), "nobody stored it: 0 of 1 query was answered");
    }

    /// Rule U29.
    #[test]
    fn a_store_that_may_have_been_sent_is_not_told_to_have_failed() {
        let told = |answered, unconfirmed, too_large, reason| {
            let refused = Refusals { too_large, ..Refusals::default() };
            let outcome = Outcome { queried: 3, answered, unconfirmed, refused, reason, ..Outcome::default() };
            OperationError::of_store(&outcome).unwrap().to_string()
        };
        let may_hold = "nobody confirmed that it is stored, and a node that was sent it may hold it all the same: ";
        let nobody = "nobody stored it: ";
        for (told, begin, end) in [
            (told(2, 1, 0, Reason::Converged), may_hold, "2 of 3 queries were answered"),
            (told(2, 1, 0, Reason::Deadline), may_hold, "2 of 3 queries were answered before its time was up"),
            (told(2, 1, 1, Reason::Converged), may_hold, "1 takes no value that large (205)"),
            (told(2, 0, 1, Reason::Converged), nobody, "1 takes no value that large (205)"),
            (told(2, 0, 0, Reason::Deadline), nobody, "2 of 3 queries were answered before its time was up"),
            (told(0, 0, 0, Reason::Exhausted), nobody, "0 of 3 queries were answered"),
            (
                told(2, 0, 0, Reason::Converged),
                nobody,
                "2 of 3 queries were answered, and nothing was sent to be stored, as where there is no write token of \
                 at most 64 bytes; a node whose store is full gives none",
            ),
        ] {
            assert_eq!(told, format!("{begin}{end}"));
        }
        let superseded = Outcome { queried: 2, answered: 1, held_seq: Some(7), ..Outcome::default() };
        let told = OperationError::of_store(&superseded).unwrap().to_string();
        let errors = Outcome { queried: 3, errored: 3, ..Outcome::default() };
        let of_errors = OperationError::of_store(&errors).unwrap().to_string();
        assert_eq!(of_errors, "nobody stored it: 0 of 3 queries were answered, and 3 with an error");
        assert!(told.ends_with("; the newest version that was seen has sequence number 7"), "{told}");
    }
}
