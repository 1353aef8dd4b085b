//! Datagrams that the system refuses to send: the owner is told of the first to each of some destinations, and then
//! ever more rarely.
//!
//! Rule B18 of `spec/joining.md`.

use std::io;
use std::net::SocketAddr;
use std::vec::Vec;

use crate::adapters::results::Notice;
use crate::base::time::{Duration, Instant};
use crate::dht::event::LinkId;

/// So long nothing more is told after the first word; each pause after it is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
/// The longest pause. Whoever fails no more for so long is a new trouble.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// Destinations of which the first failure is told at once: whoever asks some nodes hears which of them were not asked.
const MOST_NAMED: usize = 8;

/// How sending fails on one link.
#[derive(Clone, Debug, Default)]
pub(super) struct SendTrouble {
    /// Since the last word.
    failures: u64,
    /// When the last word was, and for how long it holds.
    told: Option<(Instant, Duration)>,
    /// When a send failed last.
    last: Option<Instant>,
    /// Destinations that this trouble was told of, each once.
    named: Vec<SocketAddr>,
}

impl SendTrouble {
    /// A send failed; the word about it, if there is one.
    pub fn on_failure(&mut self, now: Instant, link: LinkId, to: SocketAddr, error: io::ErrorKind) -> Option<Notice> {
        self.failures = self.failures.saturating_add(1);
        let is_new = self.last.replace(now).is_none_or(|last| now.since(last) >= LONGEST_PAUSE);
        if is_new {
            self.named.clear();
        }
        let is_named = self.named.contains(&to) || self.named.len() >= MOST_NAMED;
        match self.told {
            // A word of its own puts off no other.
            Some((at, pause)) if now.since(at) < pause && is_named => return None,
            Some((at, pause)) if now.since(at) < pause => {}
            Some((_, pause)) if !is_new => self.told = Some((now, pause.saturating_mul(2).min(LONGEST_PAUSE))),
            _ => self.told = Some((now, FIRST_PAUSE)),
        }
        if !is_named {
            self.named.push(to);
        }
        let failures = std::mem::take(&mut self.failures);
        Some(Notice::SendTrouble { link, to, error, failures })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    /// Rule B18. An interface goes, and nothing reaches anybody.
    #[test]
    fn each_of_the_first_destinations_is_told_of_and_no_more_than_those() {
        let mut trouble = SendTrouble::default();
        let mut told = |now, port| {
            let to = SocketAddr::from(([203, 0, 113, 9], port));
            let notice = trouble.on_failure(Instant::from_secs(now), LinkId(0), to, io::ErrorKind::NetworkUnreachable);
            notice.is_some_and(|notice| matches!(notice, Notice::SendTrouble { to: named, .. } if named == to))
        };
        let all =
            |told: &mut dyn FnMut(u64, u16) -> bool, now| (1..=20).filter(|port| told(now, *port)).collect::<Vec<_>>();
        assert_eq!(all(&mut told, 1000), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(all(&mut told, 1009), [0; 0]);
        assert_eq!(all(&mut told, 1010), [1], "the words of the link come as they did");
        assert_eq!(all(&mut told, 1029), [0; 0]);
        assert_eq!(all(&mut told, 1030), [1]);
        assert_eq!(all(&mut told, 1030 + 600), [1, 2, 3, 4, 5, 6, 7, 8], "a new trouble");
    }
}
