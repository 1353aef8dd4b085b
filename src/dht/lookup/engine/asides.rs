//! Looking beside the target: whom nobody names who is asked for the target itself.
//!
//! A node names the eight that are nearest to what it is asked for. Of the twenty nearest to a target the last twelve
//! are named to nobody who asks for the target; and where many have come to stand next to it, nobody else is. Those who
//! share exactly so many bits with the target are a part of the id space, and whoever is asked for the id to which they
//! are nearest names them. Where more than four are to be expected in a part, its farther half is asked for besides.

use super::Lookup;
use crate::base::time::Instant;
use crate::dht::lookup::candidate::{Candidate, CandidateState, LookupWindow};
use crate::dht::lookup::rules::Rules;
use crate::dht::lookup::spacing::share;
use crate::dht::lookup::survey::Aside;
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::{Distance, Id};

/// Parts that are looked through under the alarm, each twice as large as the one before.
const LEVELS: u8 = 8;
/// Without it.
const CALM_LEVELS: u8 = 6;
/// Nodes of a part that one answer names for certain.
const NAMED: u64 = 4;
/// How many are asked for one part: the nearest to it, so that one that lies or is silent hides nobody.
const WITNESSES: usize = 2;
/// Most that are asked for one part while ever nearer ones turn up.
const MOST_WITNESSES: usize = 6;
/// On their way at the same time.
const AT_ONCE: u8 = 3;

/// So many bits shared with the target; the farther half of those that share them.
type AsidePart = (u8, bool);

impl Lookup {
    /// It looks beside its target from now on, outward from this distance.
    pub(super) fn look_aside(&mut self, w: &mut LookupWindow<'_>, from: u64) {
        // Nobody is told apart behind 64 bits.
        self.aside_from = Some(from.leading_zeros().min(63) as u8);
        // Who was asked for which part is told by its place from there.
        w.candidates.iter_mut().for_each(|candidate| candidate.asides = 0);
    }

    /// The same, from among the k nearest that answered on, for a put: as many are alive as it stores on, and not all
    /// of them were named.
    pub(super) fn look_aside_of(&mut self, w: &mut LookupWindow<'_>, rules: &Rules<'_>) {
        let nodes = self.spacing.map_or(0, |spacing| spacing.nodes());
        if nodes <= 2 * u64::from(rules.config.replicas) {
            // So few are all named.
            return;
        }
        let known = &w.candidates[..usize::from(self.len)];
        let mut answered = known.iter().filter(|c| c.state == CandidateState::Answered);
        if let Some(middle) = answered.nth(usize::from(rules.config.k / 2)) {
            let from = share(&middle.distance);
            self.look_aside(w, from);
        }
    }

    /// The parts beside the target, outward.
    pub fn parts_aside(&self) -> impl Iterator<Item = (u8, bool)> + use<> {
        let levels = if self.is_alarmed() { LEVELS } else { CALM_LEVELS };
        let nodes = self.spacing.map_or(0, |spacing| spacing.nodes());
        let bits = self.aside_from.into_iter().flat_map(|from| (0..=from).rev()).take(levels.into());
        bits.flat_map(move |bits| {
            let halves = if nodes.checked_shr(u32::from(bits) + 1).unwrap_or(0) > NAMED { 2 } else { 1 };
            [(bits, false), (bits, true)].into_iter().take(halves)
        })
    }

    /// What to do next beside the target.
    pub(super) fn next_aside(&self, now: Instant, w: &LookupWindow<'_>, rules: &Rules<'_>) -> Aside {
        if self.asides < AT_ONCE && !self.has_asked_enough(w) {
            for part in self.parts_aside() {
                if self.live_before(w, rules, part) >= usize::from(rules.config.replicas) {
                    break;
                }
                match self.witness(w, part) {
                    // It has enough to do: our own side could not tell which of two queries it failed to send.
                    Some((place, _)) if w.candidates[place].state == CandidateState::Storing => {
                        return Aside::Wait(None);
                    }
                    Some((place, asked)) => {
                        return match rules.burdens.bears_more_at(now, &w.candidates[place].endpoint) {
                            None => Aside::Ask { place, part, other_end: asked % 2 == 1 },
                            at => Aside::Wait(at),
                        };
                    }
                    None => {}
                }
            }
        }
        if self.asides > 0 { Aside::Wait(None) } else { Aside::Done }
    }

    /// How many that are alive, as far as is known, are nearer to the target than this part.
    fn live_before(&self, w: &LookupWindow<'_>, rules: &Rules<'_>, (bits, far): AsidePart) -> usize {
        let half = (u64::MAX >> 1).checked_shr(bits.into()).unwrap_or(0);
        let least = half.saturating_add(if far { half / 2 } else { 0 });
        let known = &w.candidates[..usize::from(self.len)];
        let near = known.iter().take_while(|c| share(&c.distance) <= least);
        let is_live = |c: &&Candidate| !matches!(c.state, CandidateState::Failed | CandidateState::Late);
        near.filter(is_live).filter(|c| rules.counts(c) && !self.is_crowded(c)).count()
    }

    /// Who is to be asked for a part: one of the nearest to it that answered. How many were before.
    /// Each names the eight that are nearest to an end of the part, so that two name all, where ten are in it.
    fn witness(&self, w: &LookupWindow<'_>, part: AsidePart) -> Option<(usize, usize)> {
        let known = &w.candidates[..usize::from(self.len)];
        let mask = self.aside_mask(part);
        let asked = known.iter().filter(|c| c.asides & mask != 0).count();
        if asked >= MOST_WITNESSES {
            return None;
        }
        let has_answered = |c: &Candidate| {
            use CandidateState::{Answered, Refused, Stored, Storing};
            matches!(c.state, Answered | Storing | Stored | Refused) && !self.is_crowded(c)
        };
        let mut nearest: [Option<usize>; WITNESSES] = [None; WITNESSES];
        let distance = |place: usize| Distance(Id(known[place].distance.0).beside(part.0, 2 * u8::from(part.1)).0);
        for place in (0..known.len()).filter(|&place| has_answered(&known[place])) {
            let mut next = Some(place);
            for taken in &mut nearest {
                if next.is_some_and(|next| taken.is_none_or(|taken| distance(next) < distance(taken))) {
                    core::mem::swap(taken, &mut next);
                }
            }
        }
        let place = nearest.into_iter().flatten().find(|&place| known[place].asides & mask == 0)?;
        Some((place, asked))
    }

    /// A candidate is asked for a part.
    pub(super) fn ask_aside(&mut self, candidate: &mut Candidate, part: AsidePart) {
        candidate.asides |= self.aside_mask(part);
        self.asides = self.asides.saturating_add(1);
        self.queries = self.queries.saturating_add(1);
    }

    /// It could not be asked after all.
    pub fn on_aside_not_sent(&mut self, w: &mut LookupWindow<'_>, id: &Id, endpoint: &Endpoint, part: (u8, bool)) {
        self.on_aside_end();
        self.take_query_back();
        let mask = self.aside_mask(part);
        if let Some(place) = self.find(w, id, endpoint) {
            w.candidates[place].asides &= !mask;
        }
    }

    /// It has answered, or its answer is not waited for any more.
    pub fn on_aside_end(&mut self) {
        self.asides = self.asides.saturating_sub(1);
    }

    fn aside_mask(&self, (bits, far): AsidePart) -> u16 {
        let level = self.aside_from.unwrap_or(0).saturating_sub(bits);
        1_u16.checked_shl(2 * u32::from(level) + u32::from(far)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dht::lookup::candidate::{Class, Offer, TokenCell};
    use crate::krpc::endpoint::{Endpoint, Network};
    use crate::krpc::id::Id;

    /// Rule L39, after L44.
    #[test]
    fn a_lookup_that_begins_to_look_aside_from_elsewhere_has_asked_nobody_there_yet() {
        let (mut candidates, mut tokens) = ([Candidate::default(); 20], [TokenCell::default()]);
        let mut w = LookupWindow { candidates: &mut candidates, tokens: &mut tokens };
        let mut lookup = Lookup::new(Instant::ZERO, Id([0; 20]));
        for n in 1..=8 {
            let (id, endpoint) = (Id([n; 20]), Endpoint::v4([20, n, 1, 1], 1));
            let offer = Offer { id, endpoint, class: Class::Good, hops: 0, path: None, secure: true };
            assert!(lookup.offer(&mut w, Network::Public, offer));
            w.candidates[usize::from(n) - 1].state = CandidateState::Answered;
        }
        for from in [1_u64 << 60, 1 << 59] {
            lookup.look_aside(&mut w, from);
            for bits in 0..=from.leading_zeros() as u8 {
                let Some((place, 0)) = lookup.witness(&w, (bits, false)) else { panic!("nobody was asked for {bits}") };
                lookup.ask_aside(&mut w.candidates[place], (bits, false));
                assert!(matches!(lookup.witness(&w, (bits, false)), Some((other, 1)) if other != place));
            }
        }
    }
}
