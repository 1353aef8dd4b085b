//! The distributions that a network is made of, drawn from the one random stream.
//!
//! Logarithms and powers are those of `libm`, which computes the same on every platform; the machine's own would not,
//! and a seed would be another run elsewhere.

use crate::base::rng::Rng;
use crate::base::time::Duration;

/// A number in (0, 1), neither of the ends.
pub(super) fn uniform(rng: &mut Rng) -> f64 {
    ((rng.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
}

/// Whether something of this probability happens.
pub(super) fn happens(rng: &mut Rng, probability: f64) -> bool {
    probability > 0.0 && uniform(rng) < probability
}

/// A time that is as likely to end in each moment, however long it has lasted.
pub(super) fn exponential(rng: &mut Rng, mean: Duration) -> Duration {
    seconds(-mean.as_secs_f64() * libm::log(uniform(rng)))
}

/// A number around zero, of standard deviation 1.
pub(super) fn normal(rng: &mut Rng) -> f64 {
    let (a, b) = (uniform(rng), uniform(rng));
    libm::sqrt(-2.0 * libm::log(a)) * libm::cos(core::f64::consts::TAU * b)
}

/// A number of the gamma distribution: the whole part of its shape as exponential ones, and the rest as Joehnk has it.
fn gamma(rng: &mut Rng, shape: f64) -> f64 {
    let rest = shape - libm::floor(shape);
    let whole = (0..shape as u32).map(|_| -libm::log(uniform(rng))).sum();
    if rest <= 0.0 {
        return whole;
    }
    loop {
        let (a, b) = (libm::pow(uniform(rng), 1.0 / rest), libm::pow(uniform(rng), 1.0 / (1.0 - rest)));
        if a + b <= 1.0 && a + b > 0.0 {
            return whole - libm::log(uniform(rng)) * a / (a + b);
        }
    }
}

/// Times of which many are short and a few very long.
///
/// Exhaustive: a distribution has these two parameters.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Weibull {
    /// 63 % are shorter than this.
    pub scale: Duration,
    /// Below 1: what has lasted goes on lasting.
    pub shape: f64,
}

impl Weibull {
    /// Sessions of KAD's nodes, seen over months (RR-07-205): median 93 min, mean 247 min, 267 in the sample.
    pub const SESSION: Weibull = Weibull { scale: Duration::from_millis(10_172_310), shape: 0.615_11 };
    /// Sessions of the nodes that were there when one looked first: mean 617 min, 671 in the sample.
    pub const FIRST_SESSION: Weibull = Weibull { scale: Duration::from_millis(21_462_912), shape: 0.545_12 };
    /// How long they were away in between: mean 908 min, 1,110 in the sample.
    pub const ABSENCE: Weibull = Weibull { scale: Duration::from_millis(24_820_590), shape: 0.476_48 };

    /// How long one of many copies of an item can be had, where nobody puts it again (pkarr-churn, 2024: of 20 copies
    /// one is left after a day in all cases, after two in 99.64 %).
    pub const COPY: Weibull = Weibull { scale: Duration::from_secs(25 * 3_600), shape: 0.56 };

    /// A time.
    #[must_use]
    pub fn draw(&self, rng: &mut Rng) -> Duration {
        self.quantile(uniform(rng))
    }

    /// What is left of a time in which one looks in by chance: long ones are met more often than short ones.
    // Its density is that part of all times that is longer: with y = (x / scale)^shape that of a gamma distribution.
    #[must_use]
    pub fn remaining(&self, rng: &mut Rng) -> Duration {
        seconds(self.scale.as_secs_f64() * libm::pow(gamma(rng, 1.0 / self.shape), 1.0 / self.shape))
    }

    /// What so large a part of all times is shorter than.
    #[must_use]
    pub fn quantile(&self, part: f64) -> Duration {
        seconds(self.scale.as_secs_f64() * libm::pow(-libm::log(1.0 - part), 1.0 / self.shape))
    }

    /// The mean of all times.
    #[must_use]
    pub fn mean(&self) -> Duration {
        seconds(self.scale.as_secs_f64() * libm::tgamma(1.0 + 1.0 / self.shape))
    }
}

/// A time that is no number of seconds, or longer than a century, is a century.
fn seconds(seconds: f64) -> Duration {
    const CENTURY: f64 = 100.0 * 365.25 * 86_400.0;
    Duration::try_from_secs_f64(seconds.min(CENTURY)).unwrap_or(Duration::from_secs(CENTURY as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(value: f64, wanted: f64, part: f64) -> bool {
        (value / wanted - 1.0).abs() < part
    }

    #[test]
    fn sessions_and_absences_are_those_of_their_source() {
        let minutes = |time: Duration| time.as_secs_f64() / 60.0;
        assert!(near(minutes(Weibull::SESSION.mean()), 247.1, 0.01), "{:?}", Weibull::SESSION.mean());
        assert!(near(minutes(Weibull::SESSION.quantile(0.5)), 93.4, 0.01));
        let mut rng = Rng::from_seed([1; 32]);
        for law in [Weibull::SESSION, Weibull::FIRST_SESSION, Weibull::ABSENCE] {
            let mut drawn: alloc::vec::Vec<_> = (0..20_000).map(|_| law.draw(&mut rng)).collect();
            drawn.sort();
            for part in [0.1, 0.5, 0.9] {
                let (is, wanted) = (drawn[(20_000.0 * part) as usize], law.quantile(part));
                assert!(near(is.as_secs_f64(), wanted.as_secs_f64(), 0.08), "{part}: {is:?} {wanted:?}");
            }
        }
    }

    #[test]
    fn what_is_left_when_one_looks_in_is_longer_than_the_mean_where_times_differ_much() {
        let mut rng = Rng::from_seed([3; 32]);
        for law in [Weibull::SESSION, Weibull::ABSENCE, Weibull { shape: 1.0, ..Weibull::SESSION }] {
            let mean = (0..40_000).map(|_| law.remaining(&mut rng).as_secs_f64()).sum::<f64>() / 40_000.0;
            // Half the mean of the squares over the mean.
            let square = libm::pow(law.scale.as_secs_f64(), 2.0) * libm::tgamma(1.0 + 2.0 / law.shape);
            assert!(near(mean, square / 2.0 / law.mean().as_secs_f64(), 0.05), "{law:?}: {mean}");
        }
    }

    #[test]
    fn normal_numbers_have_mean_zero_and_deviation_one() {
        let mut rng = Rng::from_seed([2; 32]);
        let drawn: alloc::vec::Vec<f64> = (0..20_000).map(|_| normal(&mut rng)).collect();
        let mean = drawn.iter().sum::<f64>() / 20_000.0;
        let variance = drawn.iter().map(|x| x * x).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.03 && near(variance, 1.0, 0.05), "{mean} {variance}");
    }
}
