//! What befalls datagrams on their way, the same for all of them: each is a probability, and zero is a calm network.

use crate::base::rng::Rng;
use crate::base::time::{Duration, Instant};
use crate::sim::distribution::{exponential, happens, uniform};

/// What befalls datagrams on their way.
///
/// Exhaustive: it is written as a literal over [`Faults::NONE`] or [`Faults::WORLD`].
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Faults {
    /// Lost, each by itself.
    pub loss: f64,
    /// Losses that come together.
    pub bursts: Option<Bursts>,
    /// Arrives twice.
    pub duplication: f64,
    /// Arrives late, behind what was sent after it.
    pub reordering: f64,
    /// A bit of it arrives changed.
    pub corruption: f64,
    /// Longer ones are lost.
    pub mtu: usize,
    /// At most so much longer on the way than the distance takes.
    pub jitter: Duration,
}

/// Losses that come together: a line is good, and then for a while bad.
///
/// Exhaustive: the two states of a line, and what is lost in the bad one.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Bursts {
    /// How long a line is good, on average.
    pub good: Duration,
    /// How long it is bad, on average.
    pub bad: Duration,
    /// How much is lost while it is bad.
    pub loss: f64,
}

/// A datagram that is behind others is so by this much, at most.
const LATEST: Duration = Duration::from_millis(500);

impl Faults {
    /// Nothing happens to anything.
    pub const NONE: Faults = Faults {
        loss: 0.0,
        bursts: None,
        duplication: 0.0,
        reordering: 0.0,
        corruption: 0.0,
        mtu: 1500,
        jitter: Duration::ZERO,
    };

    /// As on the Internet on an ordinary day: 2 % are lost, and queues add up to 20 ms.
    pub const WORLD: Faults = Faults { loss: 0.02, jitter: Duration::from_millis(20), ..Faults::NONE };

    /// How much later than the distance takes each copy of a datagram arrives: none, one, or two copies.
    pub(super) fn copies(&self, rng: &mut Rng) -> impl Iterator<Item = Duration> + use<> {
        let is_lost = happens(rng, self.loss);
        let first = (!is_lost).then(|| self.delay(rng));
        let second = (!is_lost && happens(rng, self.duplication)).then(|| self.delay(rng));
        first.into_iter().chain(second)
    }

    fn delay(&self, rng: &mut Rng) -> Duration {
        let mut delay = Duration::ZERO;
        if !self.jitter.is_zero() {
            delay += self.jitter.mul_f64(uniform(rng));
        }
        if happens(rng, self.reordering) {
            delay += LATEST.mul_f64(uniform(rng));
        }
        delay
    }

    /// Changes one bit, sometimes.
    pub(super) fn corrupt(&self, rng: &mut Rng, bytes: &mut [u8]) {
        if happens(rng, self.corruption)
            && let Some(byte) = bytes.get_mut(rng.below(bytes.len() as u32) as usize)
        {
            *byte ^= 1 << rng.below(8);
        }
    }
}

/// No state of a line is shorter.
const SHORTEST: Duration = Duration::from_millis(1);
/// A line that carried nothing for so many times its good and its bad time together begins anew.
const FORGOTTEN: u32 = 16;

/// The state of one line while there are bursts.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct BurstState {
    is_bad: bool,
    until: Instant,
}

impl BurstState {
    /// Whether it loses the datagram that it carries now.
    pub(super) fn loses(&mut self, now: Instant, rng: &mut Rng, bursts: &Bursts) -> bool {
        let [good, bad] = [bursts.good, bursts.bad].map(|mean| mean.max(SHORTEST));
        if now.since(self.until) > good.saturating_add(bad).saturating_mul(FORGOTTEN) {
            // What it was so long ago says nothing: whatever it is, it is for the usual time from now on.
            self.is_bad = happens(rng, bad.as_secs_f64() / (good.as_secs_f64() + bad.as_secs_f64()));
            self.until = now + exponential(rng, if self.is_bad { bad } else { good }).max(SHORTEST);
        }
        while self.until <= now {
            self.is_bad = !self.is_bad;
            self.until += exponential(rng, if self.is_bad { bad } else { good }).max(SHORTEST);
        }
        self.is_bad && happens(rng, bursts.loss)
    }
}
