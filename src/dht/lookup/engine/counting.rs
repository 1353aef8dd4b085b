//! What a lookup does otherwise that counts the nodes around its target: see [`Sounding`].

use super::super::candidate::{CandidateState, Class, LookupWindow};
use super::super::rules::Rules;
use super::super::sounding::Sounding;
use super::Lookup;
use crate::krpc::id::{Distance, Id};

impl Lookup {
    /// The same, but when it has converged it goes on, to as many nodes as a put stores on, to count those around its
    /// target.
    pub fn sounding(self) -> Self {
        Lookup { sounding: Some(Sounding::new()), ..self }
    }

    /// Whether it has found its target, and counts from now on.
    pub(super) fn begins_to_count(&mut self, w: &LookupWindow<'_>, rules: &Rules<'_>) -> bool {
        if self.wide || self.is_storing() || self.answers == 0 {
            return false;
        }
        let kth = self.answered(w.candidates).take(rules.config.k.into()).last();
        let distance = kth.map_or(Distance([0xff; 20]), |(id, _)| id.distance(&self.target));
        let Some(sounding) = &mut self.sounding else { return false };
        sounding.begin_to_count(&distance);
        self.wide = true;
        true
    }

    /// Whom a lookup that counts asks a second time, if it has a slot.
    pub(super) fn next_again(&self, w: &LookupWindow<'_>, rules: &Rules<'_>) -> Option<usize> {
        let nth = self.sounding?.again()?;
        let known = w.candidates[..usize::from(self.len)].iter().enumerate();
        let (place, c) = known.filter(|(_, c)| c.state.has_answered()).nth(nth)?;
        let has_slot = self.in_flight[Class::Good as usize] < rules.slots(Class::Good);
        (has_slot && c.state == CandidateState::Answered).then_some(place)
    }

    /// About whom a node is asked: the target, or ids around it in turn.
    pub fn asks_about(&self) -> Id {
        self.sounding.map_or(self.target, |sounding| sounding.about(&self.target))
    }

    /// Whether it counts the nodes around its target.
    pub fn is_sounding(&self) -> bool {
        self.sounding.is_some()
    }

    /// Who was asked a second time has answered before, whatever came of it.
    pub(super) fn end_again(&mut self, w: &mut LookupWindow<'_>, place: usize) {
        self.free_slot(w.candidates[place].class);
        w.candidates[place].state = CandidateState::Answered;
    }
}
