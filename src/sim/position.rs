//! Where hosts are, and how long a datagram takes between two of them.
//!
//! A host lies somewhere on a square and has an access line of its own; a round trip is the way between the two, on the
//! square, and both lines. The ways make the middle of the distribution and the lines its tail: a few lines are slow
//! (log-normal, sigma 1), and one in twenty is four times as slow as it would be. The square's side and the lines'
//! median are such that the round trips of two random hosts have the median and the ninth decile that were measured
//! between hosts of the Internet (King, by way of p2psim): 159 ms and 320 ms. `spec/simulator.md` has the fit.

use crate::base::rng::Rng;
use crate::base::time::Duration;
use crate::sim::distribution::{happens, normal, uniform};

/// Median round trip of two random hosts, in milliseconds.
#[cfg(test)]
const MEDIAN_RTT_MS: f64 = 159.0;
/// What nine of ten round trips are shorter than, in milliseconds.
#[cfg(test)]
const DECILE_RTT_MS: f64 = 320.0;

/// Time along a side of the square, in milliseconds of round trip.
const SIDE: f64 = 128.8;
/// Half of all lines add less than this, in milliseconds of round trip.
const LINE: f64 = 33.0;
/// The deviation of a line's logarithm.
const SIGMA: f64 = 1.0;
/// How many lines are slow, and by how much.
const SLOW: (f64, f64) = (0.05, 4.0);

/// Where a host is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Position {
    x: f32,
    y: f32,
    /// What its line adds to a round trip, in milliseconds.
    line: f32,
}

impl Position {
    /// Somewhere.
    #[must_use]
    pub fn random(rng: &mut Rng) -> Self {
        let (x, y) = (SIDE * uniform(rng), SIDE * uniform(rng));
        let slow = if happens(rng, SLOW.0) { SLOW.1 } else { 1.0 };
        let line = LINE * slow * libm::exp(SIGMA * normal(rng));
        Position { x: x as f32, y: y as f32, line: line as f32 }
    }

    /// A round trip between two hosts whose lines are empty.
    #[must_use]
    pub fn rtt(&self, other: &Position) -> Duration {
        let (x, y) = (self.x - other.x, self.y - other.y);
        let millis = libm::sqrtf(x * x + y * y) + self.line + other.line;
        Duration::from_micros((millis * 1000.0) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_have_the_quantiles_that_were_measured() {
        let mut rng = Rng::from_seed([3; 32]);
        let mut drawn: alloc::vec::Vec<f64> = (0..200_000)
            .map(|_| Position::random(&mut rng).rtt(&Position::random(&mut rng)).as_secs_f64() * 1000.0)
            .collect();
        drawn.sort_by(f64::total_cmp);
        let (median, decile) = (drawn[100_000], drawn[180_000]);
        assert!((median / MEDIAN_RTT_MS - 1.0).abs() < 0.02, "{median}");
        assert!((decile / DECILE_RTT_MS - 1.0).abs() < 0.02, "{decile}");
    }
}
