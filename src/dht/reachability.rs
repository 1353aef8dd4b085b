//! Whether others reach us, as far as they have shown it (rules D7 to D12 of `spec/role.md`).
//!
//! A node that says `ro` is asked by nobody, so whoever wants to know has to try: in a *probation* it answers, and
//! leaves `ro` out. Who asks it though nothing was sent to his address has come in by himself. What was sent to whom is
//! for others to know; here are the times, and the proof.

use crate::base::time::{Instant, seconds, seconds_up};
use crate::dht::role::Role;

// Times are whole seconds, and networks short hashes: a node has this state for each link, whether it adapts or not.

/// What was sent longer ago than this lets nobody in.
const MEMORY: u32 = 15 * 60;
/// How long a probation lasts.
const PROBATION: u32 = 10 * 60;
/// Networks that make the proof.
const NETWORKS: usize = 3;
/// The wait after the first probation without a proof; it doubles ..
const FIRST_WAIT: u32 = 3600;
/// .. up to this.
const LONGEST_WAIT: u32 = 24 * 3600;
/// No role is changed sooner after another change.
const LEAST_STAY: u32 = 3600;
/// A server that nobody asks for so long ..
const SILENCE: u32 = 30 * 60;
/// .. while so many contacts have answered, is one no more.
const ANSWERED: usize = 8;
/// Nobody could ask us while fewer know us; then it is looked again after a while.
const LEAST_CONTACTS: usize = NETWORKS;
const LOOK_AGAIN: u32 = 15;

#[derive(Clone, Copy, Debug)]
enum RolePhase {
    /// Nothing has happened to it yet.
    New,
    /// It asks, until the next probation.
    Client { until: u32 },
    /// It tries. Networks of these hashes have asked by themselves; 0 stands for none.
    Probation { until: u32, networks: [u16; NETWORKS] },
    /// It answers. `since` then nobody has asked by himself, as far as is known.
    Server { since: u32 },
}

/// What a node that adapts knows of how it is reached by one link.
#[derive(Debug)]
pub struct Reachability {
    phase: RolePhase,
    /// Probations in a row that proved nothing.
    futile: u8,
    /// The end of the hour after the last change from client to server or back.
    may_change: u32,
    /// No probation begins before this, whatever happens.
    first: u32,
}

impl Reachability {
    /// A client that tries a quarter of an hour after it has begun: whom an earlier run has sent to nobody knows.
    pub fn new() -> Self {
        Reachability { phase: RolePhase::New, futile: 0, may_change: 0, first: 0 }
    }

    /// What it is now; a probation is [`Role::Adaptive`].
    pub fn role(&self) -> Role {
        match self.phase {
            RolePhase::New | RolePhase::Client { .. } => Role::Client,
            RolePhase::Probation { .. } => Role::Adaptive,
            RolePhase::Server { .. } => Role::Server,
        }
    }

    /// When something has to be decided.
    pub fn due(&self) -> Instant {
        match self.phase {
            RolePhase::New => Instant::ZERO,
            RolePhase::Client { until } | RolePhase::Probation { until, .. } => Instant::from_secs(until.into()),
            RolePhase::Server { since } => Instant::from_secs(later(since, SILENCE).max(self.may_change).into()),
        }
    }

    /// Somebody of this network asks, whose address nothing was sent to.
    pub fn on_asked(&mut self, now: Instant, network: u64) {
        match &mut self.phase {
            RolePhase::New | RolePhase::Client { .. } => {}
            RolePhase::Server { since } => *since = seconds_up(now),
            RolePhase::Probation { networks, .. } => {
                // Two networks of one hash count as one.
                let network = ((network.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) as u16).max(1);
                if let Some(place) = networks.iter_mut().find(|known| **known == 0 || **known == network) {
                    *place = network;
                }
                self.become_server_if_proven(seconds_up(now));
            }
        }
    }

    /// What is due is decided. The table has so many contacts, and so many of them have answered since a time.
    pub fn on_timeout(&mut self, now: Instant, contacts: usize, answered_since: impl Fn(Instant) -> usize) {
        if self.due() > now {
            return;
        }
        let now = seconds_up(now);
        match self.phase {
            RolePhase::New => {
                self.first = later(now, MEMORY);
                self.phase = RolePhase::Client { until: self.first };
            }
            RolePhase::Client { .. } if contacts < LEAST_CONTACTS => {
                self.phase = RolePhase::Client { until: later(now, LOOK_AGAIN) }
            }
            RolePhase::Client { .. } => self.begin(now),
            RolePhase::Probation { .. } => {
                self.become_server_if_proven(now);
                if self.role() != Role::Server {
                    self.wait(now);
                }
            }
            // Without answers nothing shows that anybody could have asked.
            RolePhase::Server { since } if answered_since(Instant::from_secs(since.into())) < ANSWERED => {
                self.phase = RolePhase::Server { since: now }
            }
            RolePhase::Server { .. } => {
                (self.futile, self.may_change) = (0, later(now, LEAST_STAY));
                self.wait(now);
            }
        }
    }

    /// We have another address. What was found out holds no more.
    pub fn on_moved(&mut self, now: Instant) {
        let now = seconds(now);
        self.futile = 0;
        match self.phase {
            RolePhase::New | RolePhase::Server { .. } => {}
            RolePhase::Client { .. } => self.phase = RolePhase::Client { until: now.max(self.first) },
            RolePhase::Probation { .. } => self.begin(now),
        }
    }

    /// Nobody could ask us for a while: that says nothing.
    pub fn on_link_back(&mut self, now: Instant) {
        let now = seconds_up(now);
        match &mut self.phase {
            RolePhase::New | RolePhase::Client { .. } => {}
            RolePhase::Probation { until, .. } => *until = (*until).max(later(now, PROBATION)),
            RolePhase::Server { since } => *since = now,
        }
    }

    /// It was made to ask only, and is not any more.
    pub fn begin_anew(&mut self, now: Instant) {
        let now = seconds(now);
        match self.phase {
            RolePhase::New => return,
            RolePhase::Server { .. } => self.may_change = later(now, LEAST_STAY),
            RolePhase::Client { .. } | RolePhase::Probation { .. } => {}
        }
        (self.phase, self.futile) = (RolePhase::Client { until: now.max(self.first) }, 0);
    }

    fn begin(&mut self, now: u32) {
        self.phase = RolePhase::Probation { until: later(now, PROBATION), networks: [0; NETWORKS] };
    }

    /// With enough networks, and an hour after the change before, it is a server. Until that hour is over the probation
    /// goes on.
    fn become_server_if_proven(&mut self, now: u32) {
        let RolePhase::Probation { until, networks } = &mut self.phase else { return };
        if networks.contains(&0) {
            return;
        }
        if self.may_change <= now {
            (self.phase, self.futile) = (RolePhase::Server { since: now }, 0);
            self.may_change = later(now, LEAST_STAY);
        } else {
            *until = self.may_change;
        }
    }

    fn wait(&mut self, now: u32) {
        let wait = FIRST_WAIT.saturating_mul(1 << self.futile.min(5)).min(LONGEST_WAIT);
        self.futile = self.futile.saturating_add(1);
        self.phase = RolePhase::Client { until: later(now, wait) };
    }
}

fn later(second: u32, by: u32) -> u32 {
    second.saturating_add(by)
}

#[cfg(test)]
mod tests;
