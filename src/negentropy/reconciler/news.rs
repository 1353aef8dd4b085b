//! Rounds that bring nothing new: the limit of rounds counts them alone (N31, N32).

use crate::negentropy::error::ReconcileError;
use crate::negentropy::reconciler::party::Party;
use crate::negentropy::reconciler::turn::OpenRange;

/// What was new in a session so far.
#[derive(Default, Debug)]
pub struct SessionNews {
    needs: u64,
    named: u64,
    /// The farthest own place at which ranges began to be open.
    front: usize,
    /// Messages in a row that brought nothing new.
    idle: u32,
}

impl SessionNews {
    /// A message was answered, by a side with `len` entries: the first range that stays open begins at `open`.
    ///
    /// Each kind of news is bounded by the sets, so that a partner who makes it up comes to an end: needs by their
    /// limit, own ids and places by the number of own entries.
    ///
    /// # Errors
    ///
    /// When more messages in a row brought nothing new than the limit.
    pub fn on_answered(
        &mut self,
        party: &Party<'_>,
        len: usize,
        open: Option<OpenRange>,
    ) -> Result<(), ReconcileError> {
        let (needs, named) = (party.needs(), party.named());
        let front = open.map_or(0, |open| open.place);
        let told = needs > self.needs || named > self.named && named <= len as u64;
        if told || front > self.front {
            self.idle = 0;
        } else {
            self.idle = self.idle.saturating_add(1);
        }
        (self.needs, self.named, self.front) = (needs, named, front.max(self.front));
        let most = party.config().limits.rounds;
        if self.idle > most { Err(ReconcileError::TooManyRounds { most }) } else { Ok(()) }
    }
}
