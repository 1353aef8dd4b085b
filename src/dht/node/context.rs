//! What the node hands to each of its parts: the configuration, the time, randomness, and where they count and trace.

use crate::base::planted::{Bug, planted};
use crate::base::rng::Rng;
use crate::base::time::{Duration, Instant};
use crate::dht::config::Config;
use crate::dht::stats::{DropReason, Stats};
use crate::dht::trace::{TraceEvent, TraceSink};
use crate::krpc::endpoint::Network;

/// The most that one reading moves time: longer than anything is kept, and so short that a clock which once says
/// something absurd does not bring the end of time.
const LONGEST_STEP: Duration = Duration::from_secs(30 * 24 * 3600);

/// What the node does, and its secrets. Of the second half of the seed the first stream knows nothing; the label keeps
/// the streams apart even for a seed whose second half was left empty.
pub(super) fn streams(rng_seed: [u8; 32]) -> (Rng, Rng) {
    let (mut doing, mut secret) = (rng_seed, rng_seed);
    doing[16..].fill(0);
    secret[16..].iter_mut().zip(b"the token secret").for_each(|(byte, label)| *byte ^= label);
    (Rng::from_seed(doing), Rng::from_seed(secret))
}

/// The surroundings of every part of one node.
#[derive(Debug)]
pub(super) struct Context<'s> {
    config: Config,
    /// The sum of all forward steps of the caller's clock.
    now: Instant,
    /// What that clock said last.
    reading: Instant,
    rng: Rng,
    stats: Stats,
    sink: TraceSink<'s>,
    /// Since when the node has been suspended, if it is.
    suspended: Option<Instant>,
}

impl<'s> Context<'s> {
    pub(super) fn new(config: Config, rng: Rng) -> Self {
        let (now, reading) = (Instant::ZERO, Instant::ZERO);
        Context { config, now, reading, rng, stats: Stats::default(), sink: TraceSink::None, suspended: None }
    }

    pub(super) fn set_sink(&mut self, sink: TraceSink<'s>) {
        self.sink = sink;
    }

    /// The caller's clock says `reading`. Time goes on by what it stepped forward: a step back costs that step and
    /// nothing more, a leap forward what a long sleep costs.
    pub(super) fn advance(&mut self, reading: Instant) -> Instant {
        if planted(Bug::ClockStandsStill) {
            self.now = self.now.max(reading);
        } else {
            self.now += reading.since(self.reading).min(LONGEST_STEP);
        }
        self.reading = reading;
        self.now
    }

    /// Our own time. The caller's is told with [`Self::as_read`].
    pub(super) fn now(&self) -> Instant {
        self.now
    }

    /// A point of our own time, as the caller's clock has it by its last reading.
    pub(super) fn as_read(&self, at: Instant) -> Instant {
        match at >= self.now {
            true => self.reading + at.since(self.now),
            false => self.reading.before(self.now.since(at)),
        }
    }

    pub(super) fn is_suspended(&self) -> bool {
        self.suspended.is_some()
    }

    /// The node is suspended from now on, unless it is already.
    pub(super) fn suspend(&mut self) {
        self.suspended.get_or_insert(self.now);
    }

    /// It is not any more; for how long it was.
    pub(super) fn resume(&mut self) -> Duration {
        self.suspended.take().map_or(Duration::ZERO, |since| self.now.since(since))
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    pub(super) fn is_local(&self) -> bool {
        self.config.network == Network::Local
    }

    pub(super) fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }

    /// The configuration beside the random stream, where both are needed at once.
    pub(super) fn config_and_rng(&mut self) -> (&Config, &mut Rng) {
        (&self.config, &mut self.rng)
    }

    pub(super) fn stats(&self) -> &Stats {
        &self.stats
    }

    pub(super) fn stats_mut(&mut self) -> &mut Stats {
        &mut self.stats
    }

    pub(super) fn trace(&mut self, event: TraceEvent) {
        self.sink.tell(self.reading, event);
    }

    /// Counts something from outside that is dropped.
    pub(super) fn drop(&mut self, reason: DropReason) {
        self.stats.dropped.count(reason);
        self.trace(TraceEvent::Dropped(reason));
    }
}
