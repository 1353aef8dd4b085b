//! Coming and going: a host is up for a session, away for an absence, and so on for ever.

use crate::base::time::Duration;
use crate::sim::distribution::{Weibull, uniform};
use crate::sim::paths::HostId;
use crate::sim::world::World;

/// How long hosts stay and how long they are away.
///
/// Exhaustive: it is written as a literal over [`Churn::WORLD`].
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Churn {
    /// The sessions of those that are up when the world begins: who is met at any time is more likely to be in a long
    /// one.
    pub first_session: Weibull,
    /// All later sessions.
    pub session: Weibull,
    /// The time between two of them.
    pub absence: Weibull,
}

impl Churn {
    /// As it was measured of KAD over months (RR-07-205).
    pub const WORLD: Churn =
        Churn { first_session: Weibull::FIRST_SESSION, session: Weibull::SESSION, absence: Weibull::ABSENCE };

    /// Which part of all hosts is up at any time.
    #[must_use]
    pub fn share_up(&self) -> f64 {
        let (up, away) = (self.session.mean().as_secs_f64(), self.absence.mean().as_secs_f64());
        up / (up + away)
    }

    /// From now on a host that is no node of ours comes and goes; it is up at first, or away.
    pub fn begin(self, world: &mut World, host: HostId) {
        if uniform(world.rng()) < self.share_up() {
            let time = self.first_session.draw(world.rng());
            world.after(time, move |world| self.leave(world, host));
        } else {
            world.stop(host);
            let time = self.absence.remaining(world.rng()).max(Duration::from_secs(1));
            world.after(time, move |world| self.come(world, host));
        }
    }

    fn leave(self, world: &mut World, host: HostId) {
        world.stop(host);
        let time = self.absence.draw(world.rng()).max(Duration::from_secs(1));
        world.after(time, move |world| self.come(world, host));
    }

    fn come(self, world: &mut World, host: HostId) {
        world.start(host);
        let time = self.session.draw(world.rng()).max(Duration::from_secs(1));
        world.after(time, move |world| self.leave(world, host));
    }
}
