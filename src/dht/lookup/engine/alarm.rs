//! The density alarm: more nodes next to a target than chance puts there.

use super::Lookup;
use crate::base::time::Instant;
use crate::dht::lookup::candidate::{Candidate, CandidateState, Class, LookupWindow, NO_TOKEN, Once};
use crate::dht::lookup::rules::Rules;
use crate::dht::lookup::spacing::{EMPTY, share};
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;

impl Lookup {
    /// Whether the alarm was raised.
    pub fn is_alarmed(&self) -> bool {
        self.stretch.is_some()
    }

    /// Whether a candidate stands where the alarm is raised, under an id that does not fit its address (BEP 42).
    pub(super) fn is_crowded(&self, c: &Candidate) -> bool {
        !c.secure && self.stretch.is_some_and(|stretch| share(&c.distance) <= stretch)
    }

    /// Whether that holds for this one.
    pub fn is_in_crowded_stretch(&self, w: &LookupWindow<'_>, id: &Id, endpoint: &Endpoint) -> bool {
        self.find(w, id, endpoint).is_some_and(|place| self.is_crowded(&w.candidates[place]))
    }

    /// One that is raised reaches farther, as far as it has to. Whether one is raised now: while a put stores those are
    /// judged who answer late, and so were not waited for.
    pub(super) fn heed_alarm(&mut self, w: &mut LookupWindow<'_>, rules: &Rules<'_>) -> bool {
        if self.is_alarmed() {
            self.extend_alarm(w, rules);
            return false;
        }
        self.is_storing() && self.raise_alarm(w, rules)
    }

    /// Raises the alarm if the k nearest that answered are too near together, or, for few copies, half of them. Whether
    /// it then converges on as many as a put stores on, without those that do not count, and looks for them beside the
    /// target.
    pub(super) fn raise_alarm(&mut self, w: &mut LookupWindow<'_>, rules: &Rules<'_>) -> bool {
        let k = usize::from(rules.config.k);
        let Some(spacing) = self.known_spacing().filter(|_| !self.is_alarmed()) else { return false };
        let nth = |n: usize| self.answered_within(w).nth(n.checked_sub(1)?);
        let Some(kth) = nth(k) else { return false };
        // Where fewer than half of the copies would be on others.
        let half = nth(k / 2).filter(|_| usize::from(rules.config.replicas) < 2 * k);
        let stretch = match half.filter(|half| spacing.is_crowded_by_half(k, *half)) {
            _ if spacing.is_crowded(k, kth) => kth,
            Some(half) => half,
            None => return false,
        };
        self.reach(w, stretch.max(spacing.of_one() / EMPTY));
        let goes_on = self.seeks || self.stores;
        if goes_on {
            self.wide = true;
            self.look_aside(w, spacing.of_one() / 2);
        }
        goes_on
    }

    /// The alarm reaches as far as those that answered are too near together, k by k.
    fn extend_alarm(&mut self, w: &mut LookupWindow<'_>, rules: &Rules<'_>) {
        let (Some(spacing), Some(before)) = (self.spacing, self.stretch) else { return };
        let mut stretch = before;
        let k = usize::from(rules.config.k);
        for (first, last) in self.answered_within(w).zip(self.answered_within(w).skip(k)) {
            if spacing.is_crowded(k, last.saturating_sub(first)) && first <= stretch {
                stretch = stretch.max(last);
            }
        }
        if stretch > before {
            self.reach(w, stretch);
        }
    }

    /// The alarm is raised up to this distance: confirmations from there do not count any more.
    fn reach(&mut self, w: &mut LookupWindow<'_>, stretch: u64) {
        self.stretch = Some(stretch);
        for c in &mut w.candidates[..usize::from(self.len)] {
            if self.is_crowded(c) && c.once.is_done(Once::COUNTED) {
                c.once = c.once.without(Once::COUNTED);
                self.counted = self.counted.saturating_sub(1);
            }
        }
    }

    /// Of those that a put is to be stored on: one whose token is not kept, since there are no more tokens than copies,
    /// and those who do not count were nearer. It is asked once more, if there is a slot: where it stands, or else when
    /// the first of them bears more.
    pub(super) fn next_without_token(
        &self,
        now: Instant,
        w: &LookupWindow<'_>,
        rules: &Rules<'_>,
    ) -> (Option<usize>, Option<Instant>) {
        if !self.stores || !self.is_alarmed() || self.in_flight[Class::Good as usize] >= rules.slots(Class::Good) {
            return (None, None);
        }
        let known = w.candidates[..usize::from(self.len)].iter().enumerate();
        let others = known.filter(|(_, c)| c.state.has_answered() && rules.counts(c) && !self.is_crowded(c));
        let mut until = None;
        for (place, c) in others.take(rules.config.replicas.into()) {
            let is_asked = c.token != NO_TOKEN || c.once.is_done(Once::ASKED_FOR_TOKEN);
            if c.state != CandidateState::Answered || is_asked {
                continue;
            }
            match rules.burdens.bears_more_at(now, &c.endpoint) {
                None => return (Some(place), None),
                later => until = Instant::earliest(until, later),
            }
        }
        (None, until)
    }

    /// The distances of those that answered, nearest first.
    fn answered_within<'w>(&self, w: &'w LookupWindow<'_>) -> impl Iterator<Item = u64> + use<'w> {
        use CandidateState::{Answered, Refused, Stored, Storing};
        let known = &w.candidates[..usize::from(self.len)];
        let answered = known.iter().filter(|c| matches!(c.state, Answered | Storing | Stored | Refused));
        answered.map(|c| share(&c.distance))
    }
}
