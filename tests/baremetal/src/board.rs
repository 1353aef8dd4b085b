//! The two things that a board has to bring besides its network: entropy and a clock.
//!
//! Both are scripted here, so that two machines can be compared; the comments say what a real board does.

use honeyguide::Instant;

use crate::wire::Wire;

pub struct Board {
    pub wire: Wire,
    now: Instant,
}

impl Board {
    pub fn new() -> Self {
        Board { wire: Wire::new(), now: Instant::ZERO }
    }

    /// 32 bytes that nobody can guess, others at each start: of the hardware's generator of random numbers. Ids and write
    /// tokens are made of them, so neither a serial number nor the time since the start will do. A board without a
    /// generator keeps a secret in flash and hashes it together with a count of its starts.
    pub fn entropy(&self) -> [u8; 32] {
        [5; 32]
    }

    /// Microseconds since the start, which never run backwards: of a timer that is extended to 64 bits, since 32 bits of
    /// microseconds wrap after 71 minutes. How late it is does not matter, and neither does the date.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Sleeps until then or until a packet comes, whichever is first: `wfi` with a timer set. Here the clock jumps.
    pub fn wait(&mut self, until: Instant) {
        let next = self.wire.next().unwrap_or(until).min(until);
        self.now = self.now.max(next);
    }
}
