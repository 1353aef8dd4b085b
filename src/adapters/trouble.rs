//! A socket that fails at each receive: it is left alone for a while, longer and longer, and its owner is told.
//!
//! Some systems report at a receive that somebody refused a datagram of ours, so failures alone mean little. So many in
//! a row, without a datagram and without a moment of silence, are a socket that is broken: its interface went, or
//! somebody shut it down. Rules J5 and J6 of `spec/joining.md`.

use std::io;

use crate::adapters::results::Notice;
use crate::base::time::Duration;
use crate::dht::event::LinkId;

/// Failures in a row that are nothing yet.
const HARMLESS: u32 = 64;
/// The first pause; each one after it is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// The longest pause, and so how late a socket that works again is heard.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How receiving goes on one link.
#[derive(Debug)]
pub(super) struct Trouble {
    link: LinkId,
    failures: u32,
    news: Option<Notice>,
}

impl Trouble {
    pub fn new(link: LinkId) -> Self {
        Trouble { link, failures: 0, news: None }
    }

    /// A receive failed; the socket is left alone for so long.
    pub fn on_failure(&mut self, error: io::ErrorKind) -> Option<Duration> {
        self.failures = self.failures.saturating_add(1);
        let pauses = self.failures.checked_sub(HARMLESS + 1)?;
        if pauses == 0 {
            self.news = Some(Notice::LinkTrouble { link: self.link, error });
        }
        Some(FIRST_PAUSE.saturating_mul(1 << pauses.min(16)).min(LONGEST_PAUSE))
    }

    /// A datagram came, or nothing did and no failure either: whoever was told of trouble is told of its end.
    pub fn on_success(&mut self) {
        if std::mem::take(&mut self.failures) > HARMLESS {
            self.news = Some(Notice::LinkRecovered { link: self.link });
        }
    }

    /// What the owner is to be told.
    pub fn take_news(&mut self) -> Option<Notice> {
        self.news.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: LinkId = LinkId(2);
    const ERROR: io::ErrorKind = io::ErrorKind::NetworkDown;

    /// Rule J5.
    #[test]
    fn pauses_grow_to_a_second_and_trouble_is_told_once() {
        let mut trouble = Trouble::new(LINK);
        for _ in 0..HARMLESS {
            assert_eq!((trouble.on_failure(ERROR), trouble.take_news()), (None, None));
        }
        assert_eq!(trouble.on_failure(ERROR), Some(FIRST_PAUSE));
        assert_eq!(trouble.take_news(), Some(Notice::LinkTrouble { link: LINK, error: ERROR }));
        let pauses: std::vec::Vec<_> = (0..100).map(|_| trouble.on_failure(ERROR)).collect();
        assert!(pauses.is_sorted() && pauses[99] == Some(LONGEST_PAUSE) && trouble.take_news().is_none());
        trouble.failures = u32::MAX;
        assert_eq!(trouble.on_failure(ERROR), Some(LONGEST_PAUSE));
    }

    /// Rule J6.
    #[test]
    fn its_end_is_told_when_the_trouble_was() {
        let mut trouble = Trouble::new(LINK);
        let fail = |trouble: &mut Trouble, times| (0..times).for_each(|_| _ = trouble.on_failure(ERROR));
        fail(&mut trouble, HARMLESS);
        trouble.on_success();
        assert_eq!(trouble.take_news(), None, "nobody was told");
        fail(&mut trouble, HARMLESS + 1);
        trouble.on_success();
        assert_eq!(trouble.take_news(), Some(Notice::LinkRecovered { link: LINK }));
        trouble.on_success();
        assert_eq!(trouble.take_news(), None);
    }
}
