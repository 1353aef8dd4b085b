//! Other nodes, as our routing table knows them, and how well they answer.
//!
//! A [`Contact`] is a node that has answered one of our queries from this endpoint under this id; a name that others
//! gave us is unverified and is never a contact. It is packed into one cache line, since a table of hundreds is walked
//! for every query that we answer.
//!
//! Its [`AnswerHistory`] is `Unknown` until the first answer, `Good` while the last query was answered, `Suspect` after
//! one failure in a row and `Bad` after two. Each failure of a data query doubles the time for which a bad node is left
//! alone (30 s, 1 min, 2 min, .. 8.5 h); a failed check never lengthens it, since a check is sent to find out, not
//! because somebody needed the answer. One answer heals everything. Round-trip times are smoothed as TCP does it (RFC
//! 6298), in units of 100 us, so that a record takes 16 bytes.

use crate::base::time::{Duration, Instant, seconds, seconds_up};
use crate::dht::config::Bounds;
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;

/// Left alone after the first failure, in seconds.
const FIRST_RETRY: u32 = 30;
/// The back-off doubles at most this often: 30 s << 10 is about eight and a half hours.
const MAX_DOUBLINGS: u8 = 10;
/// Seconds to which the first answer of a node is known: so its age is told up to 48 days.
const UNIT: u32 = 64;
/// Failures in a row that make a node bad.
const BAD_AFTER: u8 = 2;

/// A node of the routing table.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Contact {
    id: Id,
    endpoint: Endpoint,
    secure: bool,
    /// It asked us before we knew it.
    caller: bool,
    /// Not checked before this second, since a check is under way.
    checked_until: u32,
    history: AnswerHistory,
}

impl Contact {
    /// A node that has not been heard of yet. Whether its id fits its address (BEP 42) is computed here, once.
    pub fn new(id: Id, endpoint: Endpoint) -> Self {
        let secure = id.is_secure_for(endpoint.ip());
        Contact { id, endpoint, secure, caller: false, checked_until: 0, history: AnswerHistory::default() }
    }

    /// The same, where it asked us before we knew it.
    pub fn calling(self, caller: bool) -> Self {
        Contact { caller, ..self }
    }

    /// Whether it asked us before we knew it.
    pub fn is_caller(&self) -> bool {
        self.caller
    }

    /// How long it has answered for, up to its last answer.
    pub fn tenure(&self, now: Instant) -> Duration {
        self.history.last_answer().unwrap_or_default().since(self.history.known_since(now))
    }

    /// Its id.
    pub fn id(&self) -> &Id {
        &self.id
    }

    /// Where it answers.
    pub fn endpoint(&self) -> Endpoint {
        self.endpoint
    }

    /// Whether its id is valid for its address (BEP 42).
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// Its answers and failures.
    pub fn history(&self) -> &AnswerHistory {
        &self.history
    }

    /// Where what it does is entered.
    pub fn history_mut(&mut self) -> &mut AnswerHistory {
        &mut self.history
    }

    /// Before this second it is not checked, since a check is under way.
    pub fn checked_until(&self) -> u32 {
        self.checked_until
    }

    /// A check is under way.
    pub fn on_check(&mut self, until: u32) {
        self.checked_until = until;
    }

    /// What we think of it.
    pub fn health(&self) -> Health {
        self.history.health()
    }

    /// Whether its last failure is long enough ago to ask it again.
    pub fn may_retry(&self, now: Instant) -> bool {
        now >= self.history.retry_at()
    }

    /// What users see of it.
    pub fn view(&self) -> ContactView {
        ContactView {
            id: self.id,
            endpoint: self.endpoint,
            health: self.health(),
            rtt: self.history.rtt(),
            last_answer: self.history.last_answer(),
            secure: self.secure,
        }
    }
}

/// A snapshot of a contact.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ContactView {
    /// Its id.
    pub id: Id,
    /// Where it answers.
    pub endpoint: Endpoint,
    /// What we think of it.
    pub health: Health,
    /// Smoothed round-trip time.
    pub rtt: Option<Duration>,
    /// When it last answered, to the second.
    pub last_answer: Option<Instant>,
    /// Whether its id is valid for its address (BEP 42).
    pub secure: bool,
}

/// A contact in a saved state: a name to ask, unverified when it is read back.
///
/// Exhaustive: plain data that users write.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SavedContact {
    /// Its id then.
    pub id: Id,
    /// Where it answered.
    pub endpoint: Endpoint,
}

/// What we think of a node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
#[non_exhaustive]
pub enum Health {
    /// Never answered and never failed.
    #[default]
    Unknown,
    /// Answered our last query.
    Good,
    /// Did not answer our last query.
    Suspect,
    /// Did not answer the last two queries or more.
    Bad,
}

/// What a query that failed was for.
///
/// Exhaustive: somebody waits for its answer or nobody does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum QueryKind {
    /// Somebody wanted the answer.
    Data,
    /// It was sent only to see whether the node is alive.
    Check,
}

/// Whether a node has answered.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum AnswerRecord {
    #[default]
    Never,
    Once,
    /// The same, but since its last answer somebody else seems to have taken its place.
    Doubted,
    /// The same, but since its only failure it has asked us something.
    Active,
}

/// The memory of one node's answers and failures.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct AnswerHistory {
    last_answer: u32,
    retry_at: u32,
    srtt: u16,
    rttvar: u16,
    failures: u8,
    answered: AnswerRecord,
    /// Its first answer, in units of [`UNIT`] seconds, of which only the lowest 16 bits are kept.
    first_answer: u16,
}

impl AnswerHistory {
    /// It answered. `rtt` is given only when the query was sent once, so that the sample is unambiguous.
    pub fn on_answer(&mut self, now: Instant, rtt: Option<Duration>) {
        if self.answered == AnswerRecord::Never {
            self.first_answer = (seconds(now) / UNIT) as u16;
        }
        self.answered = AnswerRecord::Once;
        self.failures = 0;
        self.last_answer = seconds(now);
        self.retry_at = 0;
        if let Some(rtt) = rtt {
            self.sample(rtt);
        }
    }

    /// Since when we know it, a minute late at most. One that is known for more than 48 days may be taken for new.
    pub fn known_since(&self, now: Instant) -> Instant {
        let unit = seconds(now) / UNIT;
        let age = (unit as u16).wrapping_sub(self.first_answer);
        Instant::from_secs(u64::from(unit.saturating_sub(age.into()) + 1) * u64::from(UNIT))
    }

    fn sample(&mut self, rtt: Duration) {
        let rtt = u16::try_from(rtt.as_micros() / 100).unwrap_or(u16::MAX).max(1);
        if self.srtt == 0 {
            (self.srtt, self.rttvar) = (rtt, rtt / 2);
            return;
        }
        let (srtt, rttvar, rtt) = (u32::from(self.srtt), u32::from(self.rttvar), u32::from(rtt));
        // Weighted means of values of 16 bits stay within 16 bits.
        self.rttvar = ((3 * rttvar + srtt.abs_diff(rtt) + 2) / 4).min(u32::from(u16::MAX)) as u16;
        self.srtt = ((7 * srtt + rtt + 4) / 8).clamp(1, u32::from(u16::MAX)) as u16;
    }

    /// It did not answer.
    pub fn on_failure(&mut self, now: Instant, kind: QueryKind) {
        self.end_doubt();
        let wait = match kind {
            QueryKind::Data => {
                self.failures = self.failures.saturating_add(1);
                FIRST_RETRY << (self.failures - 1).min(MAX_DOUBLINGS)
            }
            QueryKind::Check if self.failures < BAD_AFTER => {
                self.failures += 1;
                FIRST_RETRY
            }
            QueryKind::Check => (self.retry_at.saturating_sub(seconds(now)) / 2).max(FIRST_RETRY),
        };
        self.retry_at = seconds_up(now).saturating_add(wait);
    }

    /// What went wrong after that was our own trouble: its only failure is taken back, if it was later.
    pub fn take_back_failure(&mut self, since: Instant) {
        if self.failed_at().is_some_and(|at| at > Instant::from_secs(seconds_up(since).into())) {
            if self.answered == AnswerRecord::Active {
                self.answered = AnswerRecord::Once;
            }
            self.failures = 0;
            self.retry_at = 0;
        }
    }

    /// It did something that proves nothing (a query that carries its id): worth a query at once, if it had failed
    /// before.
    pub fn on_activity(&mut self) {
        if self.failures == 1 && self.has_answered() {
            // When it failed is remembered (T28).
            self.answered = AnswerRecord::Active;
        } else {
            self.retry_at = 0;
        }
    }

    /// Somebody else says to be it, or to be where it is: worth a query at once.
    pub fn on_doubt(&mut self) {
        if self.answered == AnswerRecord::Once {
            self.answered = AnswerRecord::Doubted;
        }
    }

    /// Whether somebody else seems to have taken its place since its last answer.
    pub fn is_doubted(&self) -> bool {
        self.answered == AnswerRecord::Doubted
    }

    fn end_doubt(&mut self) {
        if self.has_answered() {
            self.answered = AnswerRecord::Once;
        }
    }

    fn has_answered(&self) -> bool {
        self.answered != AnswerRecord::Never
    }

    /// What we think of it.
    pub fn health(&self) -> Health {
        match self.failures {
            0 if self.has_answered() => Health::Good,
            0 => Health::Unknown,
            1 => Health::Suspect,
            _ => Health::Bad,
        }
    }

    /// Whether it answered within this time.
    pub fn answered_within(&self, now: Instant, time: Duration) -> bool {
        self.has_answered() && now.since(Instant::from_secs(self.last_answer.into())) <= time
    }

    /// Whether it failed so often that it is not handed out.
    pub fn is_bad(&self) -> bool {
        self.failures >= BAD_AFTER
    }

    /// When the only failure since its last answer was, to the second.
    pub fn failed_at(&self) -> Option<Instant> {
        let at = self.retry_at.saturating_sub(FIRST_RETRY);
        (self.failures == 1).then_some(Instant::from_secs(at.into()))
    }

    /// When it may be asked again after its last failure; the origin when it did not fail.
    pub fn retry_at(&self) -> Instant {
        let at = if self.answered == AnswerRecord::Active { 0 } else { self.retry_at };
        Instant::from_secs(at.into())
    }

    /// When it last answered, to the second.
    pub fn last_answer(&self) -> Option<Instant> {
        self.has_answered().then(|| Instant::from_secs(self.last_answer.into()))
    }

    /// Smoothed round-trip time.
    pub fn rtt(&self) -> Option<Duration> {
        (self.srtt != 0).then(|| units(self.srtt.into()))
    }

    /// How long an answer may reasonably take: the smoothed round-trip time and four times its deviation, within
    /// `bounds`; the upper bound while there is no sample.
    pub fn soft_timeout(&self, bounds: Bounds) -> Duration {
        self.timeout(40, bounds)
    }

    /// The same, with so many tenths of its deviation.
    pub fn timeout(&self, deviations: u64, bounds: Bounds) -> Duration {
        if self.srtt == 0 {
            return bounds.most;
        }
        let timeout = units(u64::from(self.srtt) + deviations * u64::from(self.rttvar) / 10);
        timeout.max(bounds.least).min(bounds.most)
    }
}

/// Duration of `n` units of 100 us.
fn units(n: u64) -> Duration {
    Duration::from_micros(100 * n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_fits_in_a_cache_line() {
        assert!(size_of::<Contact>() <= 64, "{}", size_of::<Contact>());
        assert_eq!(size_of::<AnswerHistory>(), 16);
    }

    #[test]
    fn a_new_contact_is_unknown_and_knows_whether_its_id_is_secure() {
        let mut rng = crate::base::rng::Rng::from_seed([1; 32]);
        let endpoint = Endpoint::v4([8, 8, 8, 8], 1);
        let contact = Contact::new(Id::secure(endpoint.ip(), &mut rng), endpoint);
        assert!(contact.is_secure() && contact.health() == Health::Unknown);
        assert!(!Contact::new(Id([0x55; 20]), endpoint).is_secure());
        assert_eq!(contact.view().last_answer, None);
    }

    fn at(secs: u64) -> Instant {
        Instant::from_secs(secs)
    }

    #[test]
    fn two_failures_in_a_row_make_a_node_bad_and_one_answer_heals_it() {
        let mut r = AnswerHistory::default();
        assert_eq!(r.health(), Health::Unknown);
        r.on_answer(at(1), None);
        assert_eq!(r.health(), Health::Good);
        r.on_failure(at(2), QueryKind::Data);
        assert_eq!(r.health(), Health::Suspect);
        r.on_failure(at(3), QueryKind::Check);
        assert_eq!(r.health(), Health::Bad);
        assert!(r.is_bad());
        r.on_answer(at(4), None);
        assert_eq!((r.health(), r.last_answer()), (Health::Good, Some(at(4))));
    }

    /// Rule T28.
    #[test]
    fn an_only_failure_is_taken_back_if_it_was_later() {
        let mut r = AnswerHistory::default();
        r.on_answer(at(1), None);
        r.on_failure(at(10), QueryKind::Check);
        r.take_back_failure(at(10));
        assert_eq!((r.health(), r.retry_at()), (Health::Suspect, at(40)));
        r.on_activity();
        assert_eq!((r.failed_at(), r.retry_at()), (Some(at(10)), at(0)), "it may be asked, and has failed then");
        r.take_back_failure(at(9));
        assert_eq!((r.health(), r.retry_at()), (Health::Good, at(0)));
        (0..2).for_each(|_| r.on_failure(at(20), QueryKind::Data));
        r.take_back_failure(at(9));
        assert!(r.is_bad(), "two are not one");
        r.on_answer(at(25), None);
        r.on_failure(at(30), QueryKind::Check);
        r.on_doubt();
        r.take_back_failure(at(25));
        assert_eq!((r.health(), r.is_doubted()), (Health::Good, true), "what others say of it stands");
    }

    #[test]
    fn the_back_off_doubles_ten_times_and_never_overflows() {
        let mut r = AnswerHistory::default();
        for n in 0..300u32 {
            r.on_failure(at(0), QueryKind::Data);
            assert_eq!(r.retry_at(), at(30 << n.min(10)));
        }
        r.on_failure(Instant::from_micros(u64::MAX), QueryKind::Data);
        assert_eq!(r.retry_at(), at(u32::MAX.into()));
    }

    #[test]
    fn a_failed_check_halves_what_is_left_of_the_back_off() {
        let mut r = AnswerHistory::default();
        for _ in 0..6 {
            r.on_failure(at(0), QueryKind::Data);
        }
        assert_eq!(r.retry_at(), at(960));
        r.on_failure(at(160), QueryKind::Check);
        assert_eq!(r.retry_at(), at(160 + 400));
        r.on_failure(at(559), QueryKind::Check);
        assert_eq!(r.retry_at(), at(559 + 30), "but never asks more often than every 30 s");
    }

    /// Rule L7.
    #[test]
    fn the_soft_timeout_follows_the_round_trip_times() {
        let bounds = Bounds { least: Duration::from_millis(50), most: Duration::from_secs(1) };
        let mut r = AnswerHistory::default();
        assert_eq!(r.soft_timeout(bounds), bounds.most);
        assert_eq!(r.rtt(), None);
        r.on_answer(at(1), Some(Duration::from_millis(100)));
        assert_eq!(r.rtt(), Some(Duration::from_millis(100)));
        assert_eq!(r.soft_timeout(bounds), Duration::from_millis(300));
        for _ in 0..100 {
            r.on_answer(at(1), Some(Duration::from_millis(20)));
        }
        assert_eq!(r.soft_timeout(bounds), bounds.least);
        r.on_answer(at(1), Some(Duration::MAX));
        assert_eq!(r.soft_timeout(bounds), bounds.most);
    }
}
