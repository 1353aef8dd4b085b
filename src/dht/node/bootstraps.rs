//! When a poor table is filled again (rule T42 of `spec/table.md`).
//!
//! One bootstrap at a time. After one that brought contacts the next comes at once; the waits after fruitless ones
//! double: up to 16 s while nobody answers, since then the line may come back at any moment, and up to four
//! minutes where others do answer, since then the network may just be small.

use crate::base::planted::{Bug, planted};
use crate::base::rng::Rng;
use crate::base::time::{Duration, Instant};
use crate::krpc::id::Id;

/// The first wait, of a second, doubles so often while nobody answers (16 s) ..
const DOUBLINGS: u8 = 4;
/// .. and so often where others do (256 s).
const DOUBLINGS_WITH_OTHERS: u8 = 8;

/// The bootstraps that a link starts by itself.
#[derive(Debug, Default)]
pub(super) struct Bootstraps {
    at: Option<Instant>,
    is_under_way: bool,
    /// The most contacts that the table had when one began or ended, since nobody answered.
    most_contacts: usize,
    /// Fruitless ones in a row.
    futile: u8,
    looked_for_ourselves: bool,
}

impl Bootstraps {
    /// When the next one is due.
    pub(super) fn at(&self) -> Option<Instant> {
        self.at
    }

    /// Whether one is under way or has a time.
    pub(super) fn is_planned(&self) -> bool {
        self.is_under_way || self.at.is_some()
    }

    /// The user started one, which looks for ourselves: ours waits for what that brings.
    pub(super) fn on_user_bootstrap(&mut self, later: Instant) {
        self.looked_for_ourselves = true;
        self.at = if self.is_under_way { None } else { Some(later) };
    }

    /// The first contact answered, maybe to a bootstrap of the user: another one looks for others beside it.
    pub(super) fn on_first_contact(&mut self, now: Instant) {
        if !self.is_under_way {
            self.at = Some(now);
        }
    }

    /// Whether they bring contacts: nothing else has to look for any.
    pub(super) fn are_fruitful(&self) -> bool {
        self.is_planned() && self.futile == 0
    }

    /// One is wanted at once.
    pub(super) fn want(&mut self, now: Instant) {
        if !self.is_under_way {
            self.at.get_or_insert(now);
        }
    }

    /// Those next to us are to hear of us: one that looks for ourselves is wanted at once.
    pub(super) fn show_ourselves(&mut self, now: Instant) {
        self.looked_for_ourselves = false;
        self.want(now);
    }

    /// The next one gets a time, if none has.
    pub(super) fn plan(&mut self, now: Instant, does_somebody_answer: bool) {
        if !self.is_planned() && !planted(Bug::BootstrapOnce) {
            let most = if does_somebody_answer { DOUBLINGS_WITH_OTHERS } else { DOUBLINGS };
            let wait = self.futile.checked_sub(1).map_or(0, |doublings| 1 << doublings.min(most));
            self.at = Some(now + Duration::from_secs(wait));
        }
    }

    /// What is due cannot be done before this.
    pub(super) fn put_off(&mut self, until: Instant) {
        self.at = self.at.map(|at| at.max(until));
    }

    /// The target of the one that is due, with so many contacts; it counts as begun. The first looks for ourselves,
    /// later ones for others each time.
    pub(super) fn take(&mut self, now: Instant, contacts: usize, own: &Id, rng: &mut Rng) -> Option<Id> {
        self.at.take_if(|at| *at <= now)?;
        self.is_under_way = true;
        self.most_contacts = self.most_contacts.max(contacts);
        let is_known = core::mem::replace(&mut self.looked_for_ourselves, true) && contacts > 0;
        Some(if is_known { Id::random(rng) } else { *own })
    }

    /// The one under way ended, with so many contacts.
    pub(super) fn on_end(&mut self, contacts: usize) {
        self.is_under_way = false;
        // One that only replaces those that went in the meantime would go on for ever.
        self.futile = if contacts > self.most_contacts { 0 } else { self.futile.saturating_add(1) };
        self.most_contacts = self.most_contacts.max(contacts);
    }

    /// Whoever was known may be gone, and others may be there.
    pub(super) fn begin_anew(&mut self, now: Instant, is_poor: bool) {
        (self.futile, self.most_contacts) = (0, 0);
        self.looked_for_ourselves = false;
        self.at = if is_poor && !self.is_under_way { Some(now) } else { None };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Id = Id([7; 20]);

    fn at(secs: u64) -> Instant {
        Instant::from_secs(secs)
    }

    /// Waits after so many bootstraps, each of which brings as many contacts as it had.
    fn waits(does_somebody_answer: bool, contacts: impl Fn(usize) -> usize) -> [u64; 12] {
        let (mut plan, mut rng, mut now) = (Bootstraps::default(), Rng::from_seed([1; 32]), at(1));
        core::array::from_fn(|n| {
            plan.plan(now, does_somebody_answer);
            plan.plan(now + Duration::from_secs(1), does_somebody_answer);
            let next = plan.at().unwrap();
            assert_eq!(plan.take(Instant::from_micros(next.as_micros() - 1), contacts(n), &OWN, &mut rng), None);
            assert!(plan.take(next, contacts(n), &OWN, &mut rng).is_some());
            plan.plan(next, does_somebody_answer);
            assert_eq!(plan.at(), None, "one at a time");
            plan.on_end(contacts(n + 1));
            let wait = next.since(now).as_secs();
            now = next;
            wait
        })
    }

    /// Rule T42.
    #[test]
    fn waits_double_while_they_are_fruitless() {
        assert_eq!(waits(false, |_| 3), [0, 1, 2, 4, 8, 16, 16, 16, 16, 16, 16, 16]);
        assert_eq!(waits(true, |_| 3), [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 256, 256]);
        assert_eq!(waits(true, |n| n), [0; 12]);
        assert_eq!(waits(true, |n| n / 4), [0, 1, 2, 4, 0, 1, 2, 4, 0, 1, 2, 4]);
        assert_eq!(waits(true, |n| 3 + n % 2), [0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 256], "as many come as go");
    }

    /// Rule T42.
    #[test]
    fn the_first_looks_for_ourselves_and_later_ones_for_others() {
        let (mut plan, mut rng) = (Bootstraps::default(), Rng::from_seed([1; 32]));
        let mut target = |contacts| {
            plan.want(at(0));
            let target = plan.take(at(0), contacts, &OWN, &mut rng).unwrap();
            plan.on_end(contacts);
            target
        };
        let [first, second, third, empty] = [3, 3, 3, 0].map(&mut target);
        assert_eq!((first, empty), (OWN, OWN));
        assert!(second != OWN && third != OWN && second != third);
        plan.begin_anew(at(9), true);
        assert_eq!((plan.at(), plan.take(at(9), 3, &OWN, &mut rng)), (Some(at(9)), Some(OWN)));
    }
}
