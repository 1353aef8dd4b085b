//! Datagrams that the system refuses to send: the owner is told of the first, and then ever more rarely.
//!
//! Rule B18 of `spec/joining.md`.

use std::io;
use std::net::SocketAddr;

use crate::adapters::results::Notice;
use crate::base::time::{Duration, Instant};
use crate::dht::event::LinkId;

/// So long nothing more is told after the first word; each pause after it is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
/// The longest pause. Whoever fails no more for so long is a new trouble.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// How sending fails on one link.
#[derive(Clone, Debug, Default)]
pub(super) struct SendTrouble {
    /// Since the last word.
    failures: u64,
    /// When the last word was, and for how long it holds.
    told: Option<(Instant, Duration)>,
    /// When a send failed last.
    last: Option<Instant>,
}

impl SendTrouble {
    /// A send failed; the word about it, if there is one.
    pub fn on_failure(&mut self, now: Instant, link: LinkId, to: SocketAddr, error: io::ErrorKind) -> Option<Notice> {
        self.failures = self.failures.saturating_add(1);
        let is_new = self.last.replace(now).is_none_or(|last| now.since(last) >= LONGEST_PAUSE);
        let pause = match self.told {
            Some((at, pause)) if now.since(at) < pause => return None,
            Some((_, pause)) if !is_new => pause.saturating_mul(2).min(LONGEST_PAUSE),
            _ => FIRST_PAUSE,
        };
        self.told = Some((now, pause));
        let failures = std::mem::take(&mut self.failures);
        Some(Notice::SendTrouble { link, to, error, failures })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn failures(notice: Option<Notice>) -> u64 {
        match notice {
            Some(Notice::SendTrouble { failures, .. }) => failures,
            other => panic!("{other:?}"),
        }
    }

    /// Rule B18.
    #[test]
    fn words_come_ever_more_rarely_and_count_what_was_not_told() {
        let mut trouble = SendTrouble::default();
        let to = SocketAddr::from(([203, 0, 113, 9], 7));
        let mut at = |seconds: u64| {
            trouble.on_failure(Instant::from_secs(1000 + seconds), LinkId(1), to, io::ErrorKind::NetworkUnreachable)
        };
        let told: Vec<_> = (0..2000).filter_map(|second| at(second).map(|notice| (second, notice))).collect();
        let seconds: Vec<_> = told.iter().map(|(second, _)| *second).collect();
        assert_eq!(seconds, [0, 10, 30, 70, 150, 310, 630, 1230, 1830]);
        let counts: Vec<_> = told.into_iter().map(|(_, notice)| failures(Some(notice))).collect();
        assert_eq!(counts, [1, 10, 20, 40, 80, 160, 320, 600, 600]);
        assert_eq!(failures(at(1999 + 600)), 170, "a long silence begins anew");
        assert_eq!((at(1999 + 609), failures(at(1999 + 610))), (None, 2));
    }
}
