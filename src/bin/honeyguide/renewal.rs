//! When a daemon asks all names and addresses again (B9): soon while it has nobody, at times while it has few.

use std::time::Duration;

use tokio::time::Instant;

/// With so many contacts a node finds any other.
const ENOUGH: usize = 8;
/// The first pause without a contact; each one after it is twice as long.
const FIRST: Duration = Duration::from_secs(1);
/// The longest pause without a contact.
const LONGEST: Duration = Duration::from_secs(60);
/// So long few contacts are the node's own affair.
const POOR: Duration = Duration::from_secs(300);
/// The longest pause with few.
const LONGEST_POOR: Duration = Duration::from_secs(3600);

/// The pause that runs, and how long the next one is.
pub struct Renewal {
    since: Instant,
    pause: Option<(Wealth, Duration)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wealth {
    Nobody,
    Poor,
    Enough,
}

impl Renewal {
    /// A round was just begun.
    pub fn new(now: Instant) -> Renewal {
        Renewal { since: now, pause: None }
    }

    /// Whether a round is due, with so many contacts; it counts as begun.
    pub fn is_due(&mut self, now: Instant, contacts: usize) -> bool {
        let wealth = match contacts {
            0 => Wealth::Nobody,
            1..ENOUGH => Wealth::Poor,
            _ => Wealth::Enough,
        };
        let (first, longest) = match wealth {
            Wealth::Nobody => (FIRST, LONGEST),
            Wealth::Poor => (POOR, LONGEST_POOR),
            Wealth::Enough => {
                (self.since, self.pause) = (now, None);
                return false;
            }
        };
        let pause = match self.pause {
            Some((before, pause)) if before == wealth => pause,
            // Whoever just lost the last contact, or found the first, is not late for that.
            Some(_) => {
                self.since = now;
                first
            }
            None => first,
        };
        self.pause = Some((wealth, pause));
        if now.duration_since(self.since) < pause {
            return false;
        }
        (self.since, self.pause) = (now, Some((wealth, (2 * pause).min(longest))));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds after the start at which a round is due, looked at each second.
    fn rounds(seconds: u64, contacts: impl Fn(u64) -> usize) -> Vec<u64> {
        let start = Instant::now();
        let mut renewal = Renewal::new(start);
        let at = |second| start + Duration::from_secs(second);
        (1..=seconds).filter(|second| renewal.is_due(at(*second), contacts(*second))).collect()
    }

    /// Rule B9.
    #[test]
    fn whoever_has_nobody_asks_again_soon_and_then_every_minute() {
        assert_eq!(rounds(250, |_| 0), [1, 3, 7, 15, 31, 63, 123, 183, 243]);
    }

    /// Rule B9.
    #[test]
    fn whoever_has_few_for_long_asks_again_ever_more_rarely() {
        assert_eq!(rounds(15_000, |_| ENOUGH - 1), [300, 900, 2100, 4500, 8100, 11_700]);
        assert_eq!(rounds(15_000, |_| ENOUGH), [0; 0]);
    }

    #[test]
    fn a_change_begins_anew() {
        let lost_after_an_hour = |second| if second < 3600 { ENOUGH } else { 0 };
        assert_eq!(rounds(3603, lost_after_an_hour), [3600, 3602]);
        let found_one = |second| usize::from(second >= 100);
        assert_eq!(rounds(500, found_one), [1, 3, 7, 15, 31, 63, 400]);
        let comes_and_goes = |second| usize::from(second % 400 >= 299) * ENOUGH;
        assert!(rounds(4000, comes_and_goes).len() > 10, "nobody is nobody, however often it changes");
    }
}
