//! How much of a message differs, seen before any of it is answered (N21).

use crate::negentropy::error::ReconcileError;
use crate::negentropy::message::{Bound, FrameReader, Mode};
use crate::negentropy::set::SortedSet;
use crate::negentropy::split::MessageSurvey;

/// Most fingerprints that are compared.
const SURVEYED: usize = 64;

/// Compares some of the fingerprints of a message, evenly chosen. Reads the message to its end, so that a malformed one
/// is refused before anything was reported.
///
/// # Errors
///
/// When the message is malformed anywhere, or has more ranges than `most`.
pub fn survey<S: SortedSet>(set: &S, reader: FrameReader<'_>, most: usize) -> Result<MessageSurvey, ReconcileError> {
    let mut fingerprints = 0usize;
    for (before, range) in reader.clone().enumerate() {
        if before == most {
            return Err(ReconcileError::TooManyRanges { most });
        }
        fingerprints += usize::from(matches!(range?.mode, Mode::Fingerprint(_)));
    }
    let every = fingerprints.div_ceil(SURVEYED).max(1);
    let (mut survey, mut seen) = (MessageSurvey { compared: 0, differ: 0 }, 0usize);
    let (mut before, mut index, mut apart, mut width) = (Bound::ZERO, 0usize, 0usize, 0usize);
    for range in reader {
        let range = range?;
        if let Mode::Fingerprint(theirs) = range.mode {
            if seen.is_multiple_of(every) {
                let lower = set.lower_bound(before.entry(), index, index + apart);
                (apart, index) = (lower - index, set.lower_bound(range.bound.entry(), lower, lower + width));
                width = index - lower;
                survey.compared += 1;
                survey.differ += usize::from(set.fingerprint(lower..index).0 != *theirs);
            }
            seen += 1;
        }
        before = range.bound;
    }
    Ok(survey)
}
