//! Puts that fill up: they add copies where there are none, until there are so many.

use super::{Candidate, CandidateState, Lookup, LookupWindow, NO_TOKEN, Rules, Version};

impl Lookup {
    /// The same, for a put that fills up: who has returned the very item keeps its copy, and the nearest others get one
    /// until there are so many.
    pub fn filling(self, copies: u8) -> Self {
        Lookup { fills: copies, ..self }
    }

    /// Whether a node that has answered gets a copy.
    pub(super) fn is_to_be_stored_on(&self, c: &Candidate) -> bool {
        c.token != NO_TOKEN && !(self.fills > 0 && c.version == Version::Same)
    }

    /// Whether there are as many copies as a put that fills up is to leave.
    pub(super) fn is_filled(&self, w: &LookupWindow<'_>, rules: &Rules<'_>) -> bool {
        self.fills > 0 && self.copies(w.candidates, rules.config.replicas).1 >= usize::from(self.fills)
    }

    /// Of as many of the nearest as a put stores on: how many have answered, and how many of those have a copy or are
    /// about to get one. Those for whom the density alarm is raised count for neither.
    pub fn copies(&self, candidates: &[Candidate], replicas: u8) -> (usize, usize) {
        let answered = candidates[..usize::from(self.len)].iter().filter(|c| {
            !matches!(
                c.state,
                CandidateState::Fresh | CandidateState::Asked | CandidateState::Late | CandidateState::Failed
            )
        });
        let (mut nearest, mut copies) = (0, 0);
        for c in answered.filter(|c| !self.is_crowded(c)).take(usize::from(replicas)) {
            nearest += 1;
            let has_one = c.state == CandidateState::Answered && c.version == Version::Same;
            copies += usize::from(has_one || matches!(c.state, CandidateState::Stored | CandidateState::Storing));
        }
        (nearest, copies)
    }
}
