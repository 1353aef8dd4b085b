//! What the node hands to each of its parts: the configuration, the time, randomness, and where they count and trace.

use crate::base::rng::Rng;
use crate::base::time::Instant;
use crate::dht::config::Config;
use crate::dht::stats::{DropReason, Stats};
use crate::dht::trace::{TraceEvent, TraceSink};
use crate::krpc::endpoint::Network;

/// The surroundings of every part of one node.
#[derive(Debug)]
pub(super) struct Context<'s> {
    config: Config,
    /// The largest time seen.
    now: Instant,
    rng: Rng,
    stats: Stats,
    sink: TraceSink<'s>,
}

impl<'s> Context<'s> {
    pub(super) fn new(config: Config, rng: Rng) -> Self {
        Context { config, now: Instant::ZERO, rng, stats: Stats::default(), sink: TraceSink::None }
    }

    pub(super) fn set_sink(&mut self, sink: TraceSink<'s>) {
        self.sink = sink;
    }

    /// Time goes on: a clock that steps back is clamped.
    pub(super) fn advance(&mut self, now: Instant) -> Instant {
        self.now = self.now.max(now);
        self.now
    }

    pub(super) fn now(&self) -> Instant {
        self.now
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
        self.sink.tell(self.now, event);
    }

    /// Counts something from outside that is dropped.
    pub(super) fn drop(&mut self, reason: DropReason) {
        self.stats.dropped.count(reason);
        self.trace(TraceEvent::Dropped(reason));
    }
}
