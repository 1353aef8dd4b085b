//! Time as the machines see it: microseconds since an origin that the embedder chooses.
//!
//! A machine never reads a clock. `now` is the first argument of every input and of every command. A machine adds up
//! the forward steps between its readings, each of thirty days at most: a step back costs that step and nothing more, a
//! leap forward what a long sleep costs, and a clock that wraps goes on.
//! Deadlines are `Option<Instant>`; they are combined with [`Instant::earliest`], never with `Option::min`, for
//! which "no deadline" would win.

use core::ops::{Add, AddAssign};
pub use core::time::Duration;

/// A point in time, in microseconds since the embedder's own origin (for example program start).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Instant(u64);

impl Instant {
    /// The origin.
    pub const ZERO: Instant = Instant(0);

    /// The point `micros` microseconds after the origin.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Instant(micros)
    }

    /// The point `millis` milliseconds after the origin; saturates.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Instant(millis.saturating_mul(1_000))
    }

    /// The point `secs` seconds after the origin; saturates.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Instant(secs.saturating_mul(1_000_000))
    }

    /// Microseconds since the origin.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Whole seconds since the origin.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000_000
    }

    /// The earlier of two deadlines, where `None` means "no deadline".
    #[must_use]
    pub fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
        match (a, b) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// How long ago `earlier` was; zero if it lies in the future.
    #[must_use]
    pub const fn since(self, earlier: Instant) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// The point so long before; the origin, if that lies before it.
    pub(crate) fn before(self, d: Duration) -> Instant {
        Instant(self.0.saturating_sub(u64::try_from(d.as_micros()).unwrap_or(u64::MAX)))
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    /// Saturates at the end of time instead of wrapping.
    fn add(self, d: Duration) -> Instant {
        let micros = u64::try_from(d.as_micros()).unwrap_or(u64::MAX);
        Instant(self.0.saturating_add(micros))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, d: Duration) {
        *self = *self + d;
    }
}

/// Whole seconds since the origin, rounded down; saturates after 136 years.
pub(crate) fn seconds(at: Instant) -> u32 {
    u32::try_from(at.as_secs()).unwrap_or(u32::MAX)
}

/// Whole seconds since the origin, rounded up.
pub(crate) fn seconds_up(at: Instant) -> u32 {
    u32::try_from(at.as_micros().div_ceil(1_000_000)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_deadline_never_hides_a_deadline() {
        let t = Instant::from_secs(5);
        assert_eq!(Instant::earliest(Some(t), None), Some(t));
        assert_eq!(Instant::earliest(None, Some(t)), Some(t));
        assert_eq!(Instant::earliest(None, None), None);
        assert_eq!(Instant::earliest(Some(t), Some(Instant::ZERO)), Some(Instant::ZERO));
    }

    #[test]
    fn the_end_of_time_saturates() {
        let end = Instant::from_micros(u64::MAX);
        assert_eq!(end + Duration::from_secs(1), end);
        assert_eq!(Instant::ZERO + Duration::MAX, end);
        assert_eq!(Instant::ZERO.since(end), Duration::ZERO);
    }
}
