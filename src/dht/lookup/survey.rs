//! What one pass over the window of a lookup finds.

use crate::base::time::Instant;

/// What a candidate means for the rest of the lookup.
#[derive(Clone, Copy)]
pub(super) enum Standing {
    /// Nothing any more.
    Gone,
    /// It does not count as alive, but its answer is still welcome.
    Late,
    /// It failed lately: asked only when nothing else is left.
    Spare,
    /// To be asked, when a slot is free.
    ToAsk,
    /// Its answer is awaited.
    Awaited,
    /// To be stored on.
    ToStore,
    /// Alive, and nothing more is wanted of it.
    Closed,
}

#[derive(Default)]
pub(super) struct WindowSurvey {
    /// Live candidates among the nearest that need nothing more.
    pub closed: usize,
    /// A candidate that may be asked now.
    pub askable: Option<usize>,
    /// A candidate that may be stored on now.
    pub storable: Option<usize>,
    /// A candidate is still to answer or to be asked.
    pub busy: bool,
    /// A late candidate may still answer.
    pub late: bool,
    /// When a node that was sent as much as it bears may be sent something again.
    pub burdened: Option<Instant>,
    /// Only the budget for unverified nodes keeps a candidate from being asked.
    pub throttled: bool,
}

/// What there is to do beside the target.
pub(super) enum Aside {
    /// To ask the candidate at this place for those that share so many bits with the target, of
    /// them perhaps the farther
    /// half; beginning at the other end, if so said.
    Ask { place: usize, part: (u8, bool), other_end: bool },
    /// To wait for answers, or for this time.
    Wait(Option<Instant>),
    /// Nothing more.
    Done,
}
