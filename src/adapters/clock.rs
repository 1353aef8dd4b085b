//! The platform's monotonic clock as the machines' [`Instant`].

use std::time;

use crate::base::time::{Duration, Instant};

/// A monotonic clock whose origin is the moment it was made. Copies share the origin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock(time::Instant);

impl Clock {
    /// A clock that starts at zero now.
    pub fn start() -> Self {
        Clock(time::Instant::now())
    }

    /// The time since the origin.
    pub fn now(&self) -> Instant {
        Instant::ZERO + self.0.elapsed()
    }

    /// How long from now until `at`; zero when that has passed.
    pub fn until(&self, at: Instant) -> Duration {
        at.since(self.now())
    }

    /// The platform's own time of `at`.
    #[cfg(any(feature = "tokio", test))]
    pub fn platform(&self, at: Instant) -> time::Instant {
        let distance = Duration::from_micros(at.as_micros());
        // A deadline past what the platform can name is as good as a very late one.
        self.0.checked_add(distance).unwrap_or_else(|| time::Instant::now() + Duration::from_secs(86_400))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_never_steps_back_and_knows_what_is_left() {
        let clock = Clock::start();
        let a = clock.now();
        let b = clock.now();
        assert!(a <= b);
        assert_eq!(clock.until(a), Duration::ZERO);
        assert!(clock.until(b + Duration::from_secs(60)) > Duration::from_secs(50));
        assert!(clock.platform(Instant::from_micros(u64::MAX)) > time::Instant::now());
    }
}
