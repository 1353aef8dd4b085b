//! Who is in the window of a lookup: who enters, who goes, who is found there, and whose token is kept.

use super::Lookup;
use crate::base::planted::{Bug, planted};
use crate::dht::capacity::MAX_REPLICAS;
use crate::dht::lookup::candidate::{
    Candidate, CandidateState, LookupWindow, NO_TOKEN, Offer, Once, TokenCell, Version, site_of,
};
use crate::dht::lookup::spacing::{EMPTY, share};
use crate::krpc::endpoint::{Endpoint, Network};
use crate::krpc::id::{Distance, Id};

/// So many places of a full window, and no more than a quarter, are for those where nobody is to be expected.
const LEAST_IN_EMPTY: usize = 8;

/// A lookup asks so many for each place of its window, and hears of nobody else after that.
const ASKED_FOR_EACH_PLACE: usize = 4;

impl Lookup {
    /// Offers a node; whether it was taken as a candidate.
    pub fn offer(&mut self, w: &mut LookupWindow<'_>, network: Network, offer: Offer) -> bool {
        if offer.hops > 0 && self.has_asked_enough(w) {
            return false;
        }
        let distance = offer.id.distance(&self.target);
        let len = usize::from(self.len);
        let known = &w.candidates[..len];
        let one_a_prefix = offer.hops > 0 && network == Network::Public;
        let prefix = site_of(&offer.endpoint);
        if known.iter().any(|c| {
            c.endpoint == offer.endpoint
                || (one_a_prefix && c.state != CandidateState::Failed && site_of(&c.endpoint) == prefix)
        }) {
            return false;
        }
        let place = known.partition_point(|c| c.distance <= distance);
        let Some(place) = self.make_space(w, place) else { return false };
        w.candidates[place] = self.candidate(offer);
        true
    }

    /// Takes a node in, however far, at the cost of the farthest candidate that no answer is expected of.
    pub(super) fn take_in(&mut self, w: &mut LookupWindow<'_>, offer: Offer) {
        if self.knows(w, &offer.endpoint) {
            return;
        }
        if let Some(farthest) = w.candidates[..usize::from(self.len)].iter().rposition(is_idle) {
            let candidate = self.candidate(offer);
            self.rename(w, farthest, candidate);
        }
    }

    fn candidate(&mut self, offer: Offer) -> Candidate {
        let path = offer.path.unwrap_or(self.paths);
        self.paths = self.paths.wrapping_add(u8::from(offer.path.is_none()));
        Candidate {
            distance: offer.id.distance(&self.target),
            endpoint: offer.endpoint,
            state: CandidateState::Fresh,
            class: offer.class,
            hops: offer.hops,
            path,
            asides: 0,
            token: NO_TOKEN,
            secure: offer.secure,
            version: Version::None,
            once: Once::default(),
        }
    }

    /// Whether it has asked so many that it is led in circles: who has left a full window may be named again, by
    /// another id too, and is asked again then.
    pub(super) fn has_asked_enough(&self, w: &LookupWindow<'_>) -> bool {
        usize::from(self.queries) >= (ASKED_FOR_EACH_PLACE * w.candidates.len()).min(usize::from(u8::MAX))
    }

    /// A query that was counted has not left. Where the count has come to its end, nobody knows how many there were.
    pub(super) fn take_query_back(&mut self) {
        self.queries -= u8::from((1..u8::MAX).contains(&self.queries));
    }

    /// Opens a gap at `place`. A full window gives up its farthest candidate that no answer is expected of: those that
    /// answered are useful for being near, so a nearer one is always welcome. Under the density alarm those for whom it
    /// was raised go first, and where more than a few stand where nobody is to be expected, one of those: they would be
    /// all that is left.
    fn make_space(&mut self, w: &mut LookupWindow<'_>, place: usize) -> Option<usize> {
        let len = usize::from(self.len);
        let capacity = w.candidates.len().min(usize::from(u16::MAX));
        if len < capacity {
            w.candidates.copy_within(place..len, place + 1);
            self.len += 1;
            return Some(place);
        }
        let empty = self.known_spacing().map_or(0, |spacing| spacing.of_one() / EMPTY);
        let in_empty = w.candidates[..len].partition_point(|c| share(&c.distance) < empty);
        let is_full_there = in_empty > (capacity / 4).max(LEAST_IN_EMPTY);
        let crowded = w.candidates[..len].iter().rposition(|c| is_idle(c) && self.is_crowded(c));
        let others = if is_full_there { in_empty } else { len };
        let evicted = crowded.or_else(|| w.candidates[..others].iter().rposition(is_idle))?;
        if evicted >= place {
            w.candidates.copy_within(place..evicted, place + 1);
            return Some(place);
        }
        if crowded.is_none() && (!is_full_there || place <= in_empty) {
            return None;
        }
        w.candidates.copy_within(evicted + 1..place, evicted);
        Some(place - 1)
    }

    /// Puts a candidate in place of the one at `place`, where its distance belongs.
    pub(super) fn rename(&self, w: &mut LookupWindow<'_>, place: usize, renamed: Candidate) {
        let known = &mut w.candidates[..usize::from(self.len)];
        let new = known.partition_point(|c| c.distance <= renamed.distance);
        if new > place {
            known[place..new].rotate_left(1);
            known[new - 1] = renamed;
        } else {
            known[new..=place].rotate_right(1);
            known[new] = renamed;
        }
    }

    /// Keeps the token of the candidate at `place`, at the cost of one for whom the density alarm is raised, or of the
    /// farthest candidate that has one.
    pub(super) fn keep_token(&self, w: &mut LookupWindow<'_>, place: usize, token: &[u8]) {
        let len = usize::from(self.len);
        let holders = || w.candidates[..len].iter().filter(|c| c.token != NO_TOKEN);
        let free = (0..w.tokens.len().min(usize::from(NO_TOKEN)))
            .find(|&cell| !holders().any(|c| usize::from(c.token) == cell));
        let cell = match free {
            Some(cell) => cell,
            None => {
                let may_lose_it = |c: &Candidate| c.token != NO_TOKEN && c.state == CandidateState::Answered;
                let crowded = w.candidates[..len].iter().rposition(|c| may_lose_it(c) && self.is_crowded(c));
                let farthest = w.candidates[..len].iter().rposition(|c| c.token != NO_TOKEN);
                let farthest = farthest.filter(|&f| f > place && may_lose_it(&w.candidates[f]));
                match crowded.filter(|_| !self.is_crowded(&w.candidates[place])).or(farthest) {
                    Some(f) => usize::from(core::mem::replace(&mut w.candidates[f].token, NO_TOKEN)),
                    None => return,
                }
            }
        };
        if w.tokens[cell].set(token) {
            w.candidates[place].token = cell as u8;
        }
    }

    /// The token that a node gave, if it is still kept.
    pub fn token<'w>(&self, w: &'w LookupWindow<'_>, id: &Id, endpoint: &Endpoint) -> Option<&'w [u8]> {
        let place = self.find(w, id, endpoint)?;
        w.tokens.get(usize::from(w.candidates[place].token)).map(TokenCell::bytes)
    }

    /// Referrals that led to a candidate.
    pub fn hops_to(&self, w: &LookupWindow<'_>, id: &Id, endpoint: &Endpoint) -> u8 {
        self.find(w, id, endpoint).map_or(0, |place| w.candidates[place].hops)
    }

    /// The path that led to a candidate.
    pub fn path_to(&self, w: &LookupWindow<'_>, id: &Id, endpoint: &Endpoint) -> Option<u8> {
        self.find(w, id, endpoint).map(|place| w.candidates[place].path)
    }

    /// Whether there are many candidates, so that it can do without one.
    pub fn has_many(&self) -> bool {
        self.len > 2 * u16::from(MAX_REPLICAS)
    }

    /// Whether an endpoint is a candidate already.
    pub fn knows(&self, w: &LookupWindow<'_>, endpoint: &Endpoint) -> bool {
        w.candidates[..usize::from(self.len)].iter().any(|c| c.endpoint == *endpoint)
    }

    /// The nearest nodes that answered, nearest first.
    pub fn answered<'w>(&self, candidates: &'w [Candidate]) -> impl Iterator<Item = (Id, Endpoint)> + use<'w> {
        let target = self.target;
        candidates[..usize::from(self.len)]
            .iter()
            .filter(|c| c.state.has_answered() || planted(Bug::FailedAmongClosest) && c.state == CandidateState::Failed)
            .map(move |c| (Id(c.distance.0).distance(&target).into(), c.endpoint))
    }

    pub(super) fn id_of(&self, distance: Distance) -> Id {
        Id(distance.0).distance(&self.target).into()
    }

    pub(super) fn find(&self, w: &LookupWindow<'_>, id: &Id, endpoint: &Endpoint) -> Option<usize> {
        let distance = id.distance(&self.target);
        let known = &w.candidates[..usize::from(self.len)];
        let first = known.partition_point(|c| c.distance < distance);
        let same = known[first..].iter().take_while(|c| c.distance == distance);
        same.clone().position(|c| c.endpoint == *endpoint).map(|i| first + i)
    }
}

/// Whether no answer is expected of a candidate.
fn is_idle(c: &Candidate) -> bool {
    matches!(c.state, CandidateState::Fresh | CandidateState::Failed | CandidateState::Answered)
}
