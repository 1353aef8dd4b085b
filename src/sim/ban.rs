//! The patience of a remote node: who sends too much is not heard for a while, as libtorrent does it.

use alloc::vec::Vec;

use crate::base::time::{Duration, Instant};
use crate::krpc::endpoint::Endpoint;

/// Senders that are remembered; the one that was heard longest ago makes room.
const MOST: usize = 20;
/// Datagrams in a window that are too many.
const TOO_MANY: u32 = 50;
const WINDOW: Duration = Duration::from_secs(10);
const BAN: Duration = Duration::from_secs(300);

/// What a host remembers of those who send to it.
#[derive(Clone, Default, Debug)]
pub(super) struct Bans {
    senders: Vec<Sender>,
    made: u64,
}

#[derive(Clone, Debug)]
struct Sender {
    /// Without a port.
    addr: Endpoint,
    since: Instant,
    count: u32,
    banned_until: Instant,
    last: Instant,
}

impl Bans {
    /// Whether a datagram of this sender is heard.
    pub(super) fn admits(&mut self, now: Instant, from: &Endpoint) -> bool {
        let addr = from.with_port(0);
        let Some(sender) = self.senders.iter_mut().find(|sender| sender.addr == addr) else {
            if self.senders.len() == MOST
                && let Some(idle) = (0..MOST).min_by_key(|i| self.senders[*i].last)
            {
                self.senders.swap_remove(idle);
            }
            self.senders.push(Sender { addr, since: now, count: 1, banned_until: Instant::ZERO, last: now });
            return true;
        };
        sender.last = now;
        if now < sender.banned_until {
            return false;
        }
        if now.since(sender.since) >= WINDOW {
            (sender.since, sender.count) = (now, 0);
        }
        sender.count += 1;
        if sender.count > TOO_MANY {
            sender.banned_until = now + BAN;
            self.made += 1;
            return false;
        }
        true
    }

    /// How many bans there were.
    pub(super) fn made(&self) -> u64 {
        self.made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifty_datagrams_in_ten_seconds_are_heard_and_one_more_is_a_ban() {
        let (mut bans, from) = (Bans::default(), Endpoint::v4([1, 2, 3, 4], 5));
        let at = |millis: u64| Instant::from_millis(1_000 + millis);
        assert!((0..50).all(|i| bans.admits(at(i * 190), &from)));
        assert!(!bans.admits(at(9_900), &from) && bans.made() == 1);
        assert!(!bans.admits(at(9_900 + 299_999), &from));
        assert!(bans.admits(at(9_900 + 300_000), &from));
        assert!(bans.admits(at(9_900), &Endpoint::v4([1, 2, 3, 5], 5)), "others are heard");
    }

    #[test]
    fn whoever_keeps_to_the_limit_is_heard_for_ever() {
        let (mut bans, from) = (Bans::default(), Endpoint::v4([1, 2, 3, 4], 5));
        assert!((0..10_000).all(|i| bans.admits(Instant::from_millis(200 * i), &from)));
        assert_eq!(bans.made(), 0);
    }
}
