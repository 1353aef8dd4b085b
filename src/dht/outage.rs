//! Whether it is we who are cut off.
//!
//! An [`Outage`] watches a whole link. When several different contacts fail within a short time and nobody answers, it
//! is far more likely that our own line is down than that all of them died together: their failures are then not
//! charged, and only a check now and then asks whether the line is back, until somebody answers. What single contacts
//! did is in their [`AnswerHistory`](crate::dht::contact::AnswerHistory)s.

use crate::base::planted::{Bug, planted};
use crate::base::time::{Duration, Instant};
use crate::krpc::endpoint::Endpoint;

/// An answer of late was one within this time.
const OF_LATE: Duration = Duration::from_secs(60);
/// Distinct contacts that must fail.
const WITNESSES: usize = 4;
/// .. within this time, with no answer from anybody for as long.
const WITHIN: Duration = Duration::from_secs(15);
/// A link that nobody answered on for so long may be in another place, among others.
const LONG: Duration = Duration::from_secs(120);
/// A query waits no longer for its answer.
const AWAITED: Duration = Duration::from_secs(2);
/// How often one check is let through while it is suspected, until somebody answers.
const CHECK_EVERY: Duration = Duration::from_secs(15);

/// Suspicion that one of our own links is down.
#[derive(Clone, Debug, Default)]
pub struct Outage {
    witnesses: [Option<(Endpoint, Instant)>; WITNESSES],
    last_answer: Option<Instant>,
    suspicion: Option<Suspicion>,
}

/// The link is suspected.
#[derive(Clone, Copy, Debug)]
struct Suspicion {
    /// When the next check may be sent.
    check_at: Instant,
    sent: ChecksSent,
}

/// Checks that were sent while a link was suspected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ChecksSent {
    None,
    /// 15 s before the next one may be.
    One,
    More,
}

/// Somebody answers on a link that was suspected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OutageOver {
    /// The first check was answered, or what was sent beside it, and somebody had before, not long ago: there was none,
    /// and those that failed are gone.
    Never,
    /// Nobody had since then, which is not long: all is as it was.
    Short {
        /// The last answer before.
        since: Instant,
    },
    /// Nobody had for long: everything may be different now.
    Long,
}

impl Outage {
    /// A contact did not answer. Whether that is to be charged to it: false while the link is suspected.
    pub fn on_failure(&mut self, now: Instant, contact: &Endpoint) -> bool {
        if planted(Bug::OutageCharged) {
            return true;
        }
        if self.is_suspected() {
            return false;
        }
        self.remember(now, contact);
        let recent = |at: Instant| now.since(at) <= WITHIN;
        let silent = !self.last_answer.is_some_and(recent);
        if silent && self.witnesses.iter().all(|w| w.is_some_and(|(_, at)| recent(at))) {
            self.witnesses = Default::default();
            self.suspicion = Some(Suspicion { check_at: now, sent: ChecksSent::None });
        }
        !self.is_suspected()
    }

    /// Keeps the latest failure of each of the last few contacts.
    fn remember(&mut self, now: Instant, contact: &Endpoint) {
        let same = self.witnesses.iter().position(|w| w.is_some_and(|(e, _)| e == *contact));
        let oldest = (0..WITNESSES).min_by_key(|&i| self.witnesses[i].map(|(_, at)| at));
        if let Some(place) = same.or(oldest) {
            self.witnesses[place] = Some((*contact, now));
        }
    }

    /// Somebody answered what was sent then: if the link was suspected, it no longer is.
    pub fn on_success(&mut self, now: Instant, sent: Instant) -> Option<OutageOver> {
        let before = self.last_answer.replace(now);
        self.witnesses = Default::default();
        let suspicion = self.suspicion.take()?;
        let Some(since) = before.filter(|before| now.since(*before) < LONG) else { return Some(OutageOver::Long) };
        // What was sent while the first check was awaited, or could have been sent at once, would hardly be answered on
        // a line that was down.
        let was_up = match suspicion.sent {
            ChecksSent::None => sent < suspicion.check_at + AWAITED,
            ChecksSent::One => sent + CHECK_EVERY < suspicion.check_at + AWAITED,
            ChecksSent::More => false,
        };
        Some(if was_up { OutageOver::Never } else { OutageOver::Short { since } })
    }

    /// Whether it is suspected, and no check was sent yet that tells whether it is down.
    pub fn awaits_check(&self) -> bool {
        self.suspicion.is_some_and(|suspicion| suspicion.sent == ChecksSent::None)
    }

    /// Whether anybody answered in the last minute.
    pub fn has_answer_of_late(&self, now: Instant) -> bool {
        self.last_answer.is_some_and(|at| now.since(at) < OF_LATE)
    }

    /// When somebody answered last.
    pub fn last_answer(&self) -> Option<Instant> {
        self.last_answer
    }

    /// Whether anybody has answered since then.
    pub fn has_heard_since(&self, then: Instant) -> bool {
        self.last_answer.is_some_and(|at| at >= then)
    }

    /// Whether the link is thought to be down. It is until somebody answers: while nobody at all does, nothing that
    /// others do not do says anything of them.
    pub fn is_suspected(&self) -> bool {
        self.suspicion.is_some()
    }

    /// From when on a check may be sent: on a link that seems to be down one in 15 s is let through.
    pub fn check_from(&self) -> Option<Instant> {
        self.suspicion.map(|suspicion| suspicion.check_at)
    }

    /// A check was sent.
    pub fn on_check(&mut self, now: Instant) {
        if let Some(suspicion) = &mut self.suspicion {
            suspicion.check_at = now + CHECK_EVERY;
            suspicion.sent = if suspicion.sent == ChecksSent::None { ChecksSent::One } else { ChecksSent::More };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Instant {
        Instant::from_secs(secs)
    }

    fn endpoint(n: u8) -> Endpoint {
        Endpoint::v4([1, 2, 3, n], 1)
    }

    /// Rule L29.
    #[test]
    fn four_contacts_that_fail_together_are_not_charged_and_the_link_is_suspected() {
        let mut o = Outage::default();
        o.on_success(at(0), at(0));
        assert!(o.on_failure(at(16), &endpoint(1)));
        assert!(o.on_failure(at(17), &endpoint(1)), "one contact is one witness");
        assert!(o.on_failure(at(18), &endpoint(2)));
        assert!(o.on_failure(at(19), &endpoint(3)));
        assert!(!o.is_suspected());
        assert!(!o.on_failure(at(20), &endpoint(4)));
        assert!(o.is_suspected());
        let beside = Instant::from_micros(at(22).as_micros() - 1);
        assert_eq!(o.check_from(), Some(at(20)), "a check, at once");
        assert!(o.awaits_check());
        assert_eq!(o.clone().on_success(at(24), beside), Some(OutageOver::Never), "none was sent yet");
        assert_eq!(o.clone().on_success(at(24), at(22)), Some(OutageOver::Short { since: at(0) }), "nor for 2 s");
        o.on_check(at(20));
        assert!(!o.awaits_check());
        assert_eq!(o.check_from(), Some(at(35)), "one");
        assert!(!o.on_failure(at(22), &endpoint(5)), "and nothing is charged");
        assert!(o.is_suspected());
        assert_eq!(o.clone().on_success(at(24), at(20)), Some(OutageOver::Never), "that check was answered");
        assert_eq!(o.clone().on_success(at(24), beside), Some(OutageOver::Never), "or another query beside it");
        assert_eq!(o.clone().on_success(at(24), at(22)), Some(OutageOver::Short { since: at(0) }));
        assert_eq!(o.on_success(at(119), at(119)), Some(OutageOver::Short { since: at(0) }));
        assert!(!o.is_suspected(), "an answer ends it");
        o.on_check(at(119));
        assert_eq!(o.check_from(), None);
        assert!((1..=4).map(|n| o.on_failure(at(200), &endpoint(n))).eq([true, true, true, false]));
        o.on_check(at(200));
        let mut at_once = o.clone();
        assert_eq!(at_once.on_success(at(239), at(200)), Some(OutageOver::Long), "nobody answered for two minutes,");
        assert_eq!(o.on_success(at(238), at(200)), Some(OutageOver::Never), "or less");
    }

    #[test]
    fn failures_beside_answers_are_charged() {
        let mut o = Outage::default();
        for n in 0..20 {
            o.on_success(at(n), at(n));
            assert!(o.on_failure(at(n), &endpoint(n as u8)));
        }
        let mut o = Outage::default();
        for n in 0..20 {
            assert!(o.on_failure(at(6 * n), &endpoint(n as u8)), "too slow to be one event");
        }
    }

    /// Rule L29.
    #[test]
    fn an_answer_in_the_last_15_s_speaks_for_the_link() {
        let mut o = Outage::default();
        o.on_success(at(0), at(0));
        assert!((1..=8).all(|n| o.on_failure(at(n), &endpoint(n as u8))));
        assert!(!o.on_failure(at(16), &endpoint(9)));
    }

    /// Rule T27.
    #[test]
    fn a_suspicion_lasts_until_somebody_answers_however_long_that_takes() {
        let mut o = Outage::default();
        assert!((1..=4).map(|n| o.on_failure(at(0), &endpoint(n))).eq([true, true, true, false]));
        let mut asked = 0;
        for second in 0..86_400 {
            if o.check_from().is_some_and(|from| from <= at(second)) {
                o.on_check(at(second));
                asked += 1;
            }
            assert!(!o.on_failure(at(second), &endpoint(second as u8)));
        }
        assert_eq!(asked, 86_400 / 15);
        assert_eq!(o.on_success(at(86_400), at(86_400)), Some(OutageOver::Long), "it was suspected, for long");
        assert!(o.on_success(at(86_401), at(86_401)).is_none() && !o.is_suspected());
        assert!(o.on_failure(at(86_500), &endpoint(1)), "and new witnesses are needed");
    }
}
