//! The timers of a node: each part says in constant time when it is due next, and the earliest is the node's deadline.

use core::fmt;

use crate::base::time::Instant;

/// What the next deadline is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Timer {
    /// A query gets no answer any more: it has failed.
    HardTimeout,
    /// A query is late and gives its slot back, or an operation wants to go on or has to end.
    SoftTimeout,
    /// A contact is to be asked whether it still answers.
    Check,
    /// A bucket without news is to be looked up.
    Refresh,
    /// An empty table is to be filled from the bootstrap nodes.
    Bootstrap,
    /// The secret behind the write tokens is to be changed.
    Tokens,
    /// A peer that we hold for others expires.
    Peers,
    /// An item that we hold for others expires.
    Items,
    /// Something that is kept is to be looked at, or its item is wanted.
    Keep,
    /// A role has to be decided on.
    Role,
}

impl fmt::Display for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Timer::HardTimeout => "hard timeout",
            Timer::SoftTimeout => "soft timeout",
            Timer::Check => "check",
            Timer::Refresh => "refresh",
            Timer::Bootstrap => "bootstrap",
            Timer::Tokens => "tokens",
            Timer::Peers => "peers",
            Timer::Items => "items",
            Timer::Keep => "keep",
            Timer::Role => "role",
        })
    }
}

/// The earliest of the timers it is shown; of equal ones the first.
#[derive(Default)]
pub(super) struct Earliest(Option<(Timer, Instant)>);

impl Earliest {
    pub(super) fn consider(&mut self, timer: Timer, at: Option<Instant>) {
        if let Some(at) = at
            && self.0.is_none_or(|(_, earliest)| at < earliest)
        {
            self.0 = Some((timer, at));
        }
    }

    pub(super) fn get(self) -> Option<(Timer, Instant)> {
        self.0
    }
}
