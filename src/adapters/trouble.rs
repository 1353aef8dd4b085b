//! A socket that fails at each receive: it is left alone for a while, longer and longer, and its owner is told.
//!
//! Some systems report at a receive that somebody refused a datagram of ours, so failures alone mean little. So many in
//! a row, without a datagram and without a moment of silence, are a socket that is broken: its interface went, or
//! somebody shut it down. Rules B5 and B6 of `spec/joining.md`.

use std::io;
use std::time;

use crate::adapters::results::Notice;
use crate::base::time::Duration;
use crate::dht::event::LinkId;

/// Failures in a row that are nothing yet.
const HARMLESS: u32 = 64;
/// The first pause; each one after it is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// The longest pause, and so how late a socket that works again is heard.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A socket that hears something and then does not fail for so long works again.
const SOUND: Duration = Duration::from_secs(1);

/// How receiving goes on one link.
#[derive(Debug)]
pub(super) struct Trouble {
    link: LinkId,
    failures: u32,
    /// Its owner has been told.
    is_told: bool,
    /// When a datagram came after which it has not failed, while its owner knows of trouble.
    sound_since: Option<time::Instant>,
    news: Option<Notice>,
}

impl Trouble {
    pub fn new(link: LinkId) -> Self {
        Trouble { link, failures: 0, is_told: false, sound_since: None, news: None }
    }

    /// A receive failed; the socket is left alone for so long.
    pub fn on_failure(&mut self, error: io::ErrorKind) -> Option<Duration> {
        self.failures = self.failures.saturating_add(1);
        self.sound_since = None;
        let pauses = self.failures.checked_sub(HARMLESS + 1)?;
        if !self.is_told {
            self.is_told = true;
            self.news = Some(Notice::LinkTrouble { link: self.link, error });
        }
        Some(FIRST_PAUSE.saturating_mul(1 << pauses.min(16)).min(LONGEST_PAUSE))
    }

    /// A datagram came. That alone is no end of a trouble: a socket that was shut down still hands over what it has.
    pub fn on_datagram(&mut self) {
        if !self.is_told {
            self.failures = 0;
        } else if self.sound_since.get_or_insert_with(time::Instant::now).elapsed() >= SOUND {
            self.end();
        }
    }

    /// Nothing came, and no failure either. After a datagram that is the end of a trouble, and whoever was told of it
    /// is told of its end.
    pub fn on_silence(&mut self) {
        if !self.is_told {
            self.failures = 0;
        } else if self.sound_since.is_some() {
            self.end();
        }
    }

    fn end(&mut self) {
        (self.failures, self.is_told, self.sound_since) = (0, false, None);
        self.news = Some(Notice::LinkRecovered { link: self.link });
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

    /// Rule B5.
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

    fn fail(trouble: &mut Trouble, times: u32) {
        (0..times).for_each(|_| _ = trouble.on_failure(ERROR));
    }

    /// Rule B6.
    #[test]
    fn its_end_is_told_when_the_trouble_was() {
        for end in [Trouble::on_silence, Trouble::on_datagram] {
            let mut trouble = Trouble::new(LINK);
            fail(&mut trouble, HARMLESS);
            end(&mut trouble);
            assert_eq!((trouble.take_news(), trouble.on_failure(ERROR)), (None, None), "it begins anew");
        }
        let mut trouble = Trouble::new(LINK);
        fail(&mut trouble, HARMLESS + 1);
        assert!(trouble.take_news().is_some());
        trouble.on_datagram();
        assert_eq!(trouble.take_news(), None);
        trouble.on_silence();
        assert_eq!(trouble.take_news(), Some(Notice::LinkRecovered { link: LINK }));
        trouble.on_silence();
        assert_eq!(trouble.take_news(), None);
    }

    /// Rule B6. A busy socket may know no silence.
    #[test]
    fn datagrams_without_a_failure_for_a_second_are_its_end_too() {
        let mut trouble = Trouble::new(LINK);
        fail(&mut trouble, HARMLESS + 1);
        trouble.on_datagram();
        assert!(trouble.take_news().is_some_and(|news| matches!(news, Notice::LinkTrouble { .. })));
        trouble.sound_since = trouble.sound_since.and_then(|since| since.checked_sub(SOUND));
        trouble.on_datagram();
        assert_eq!(trouble.take_news(), Some(Notice::LinkRecovered { link: LINK }));
    }

    /// Rule B6.
    #[test]
    fn silence_alone_and_datagrams_between_failures_end_nothing() {
        let mut trouble = Trouble::new(LINK);
        fail(&mut trouble, HARMLESS + 1);
        assert!(trouble.take_news().is_some());
        trouble.on_silence();
        for _ in 0..3 {
            trouble.on_datagram();
            assert!(trouble.on_failure(ERROR).is_some(), "it is paused at once");
            trouble.on_silence();
            assert_eq!(trouble.take_news(), None);
        }
    }
}
