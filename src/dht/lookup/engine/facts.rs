//! What a lookup is told: answers, failures, confirmations, and what candidates hold.

use super::Lookup;
use crate::base::planted::{Bug, planted};
use crate::dht::lookup::candidate::{
    Candidate, CandidateState, Class, Conflict, LookupWindow, NO_TOKEN, Offer, Once, Version, site_of,
};
use crate::krpc::endpoint::{Endpoint, Network};
use crate::krpc::id::Id;
use crate::krpc::message::MAX_TOKEN;

impl Lookup {
    /// Takes back an `Ask` or a `Store` that could not be carried out.
    pub fn on_not_sent(&mut self, w: &mut LookupWindow<'_>, id: &Id, endpoint: &Endpoint) {
        if let Some(place) = self.find(w, id, endpoint) {
            match w.candidates[place].state {
                CandidateState::Asked => {
                    self.free_slot(w.candidates[place].class);
                    w.candidates[place].state = CandidateState::Fresh;
                    self.take_query_back();
                    self.take_further_back(&mut w.candidates[place]);
                    self.sounding.iter_mut().for_each(|sounding| sounding.on_not_asked(false));
                }
                CandidateState::Storing => w.candidates[place].state = CandidateState::Answered,
                CandidateState::AskedAgain => {
                    self.end_again(w, place);
                    self.take_query_back();
                    w.candidates[place].once = w.candidates[place].once.without(Once::ASKED_FOR_TOKEN);
                    self.sounding.iter_mut().for_each(|sounding| sounding.on_not_asked(true));
                }
                _ => {}
            }
        }
    }

    /// A query to an address without a known id left.
    pub fn on_bootstrap_sent(&mut self) {
        self.unidentified = self.unidentified.saturating_add(1);
    }

    /// Whether an answer from such an address is awaited.
    pub fn awaits_unidentified(&self) -> bool {
        self.unidentified > 0
    }

    /// The soft timeout of a query to one passed.
    pub fn on_bootstrap_late(&mut self) {
        self.late_unidentified = self.late_unidentified.saturating_add(1);
    }

    /// A bootstrap node failed; `late`: after its soft timeout.
    pub fn on_bootstrap_failed(&mut self, late: bool) {
        self.unidentified = self.unidentified.saturating_sub(1);
        self.late_unidentified = self.late_unidentified.saturating_sub(late.into());
    }

    /// A bootstrap node answered, and so told its id: it becomes a candidate that has answered. While there is no
    /// other, there is a place for it, however far it is. Whether it had not answered before, under another id either.
    pub fn on_bootstrap_answer(
        &mut self,
        w: &mut LookupWindow<'_>,
        network: Network,
        offer: Offer,
        token: Option<&[u8]>,
        late: bool,
    ) -> bool {
        self.on_bootstrap_failed(late);
        let known = &w.candidates[..usize::from(self.len)];
        let is_first = !known.iter().any(|c| c.endpoint == offer.endpoint && c.state.has_answered());
        if !self.offer(w, network, offer) && self.answered(w.candidates).next().is_none() {
            self.take_in(w, offer);
        }
        if let Some(place) = self.find(w, &offer.id, &offer.endpoint) {
            self.settle(w, place, token);
        }
        is_first
    }

    /// A candidate answered. Whether it belongs to the window.
    pub fn on_answer(&mut self, w: &mut LookupWindow<'_>, id: &Id, endpoint: &Endpoint, token: Option<&[u8]>) -> bool {
        let Some(place) = self.find(w, id, endpoint) else { return false };
        self.settle(w, place, token);
        true
    }

    pub(super) fn settle(&mut self, w: &mut LookupWindow<'_>, place: usize, token: Option<&[u8]>) {
        let candidate = &mut w.candidates[place];
        match candidate.state {
            CandidateState::AskedAgain => {
                self.end_again(w, place);
                return self.take_token(w, place, token);
            }
            CandidateState::Asked => self.free_slot(candidate.class),
            CandidateState::Fresh | CandidateState::Late => {}
            // It was asked again for its token, and its answer is late.
            CandidateState::Answered if candidate.token == NO_TOKEN => return self.take_token(w, place, token),
            _ => return,
        }
        candidate.state = CandidateState::Answered;
        self.hops = self.hops.max(candidate.hops);
        self.answers = self.answers.saturating_add(1);
        self.take_token(w, place, token);
    }

    fn take_token(&self, w: &mut LookupWindow<'_>, place: usize, token: Option<&[u8]>) {
        if let Some(token) = token.filter(|t| t.len() <= MAX_TOKEN && self.stores) {
            self.keep_token(w, place, token);
        }
    }

    /// A candidate returned a version of the item that is to be stored.
    pub fn on_version(&mut self, w: &mut LookupWindow<'_>, id: &Id, endpoint: &Endpoint, version: Version) {
        if let Some(place) = self.find(w, id, endpoint) {
            self.versions = true;
            w.candidates[place].version = version;
        }
    }

    /// A candidate returned what is looked for, in the newest version so far; `is_first`: no other has that one, and
    /// what was a copy is none any more.
    pub fn on_copy(&mut self, w: &mut LookupWindow<'_>, id: &Id, endpoint: &Endpoint, is_first: bool) {
        self.found = true;
        if is_first {
            w.candidates[..usize::from(self.len)].iter_mut().for_each(|c| c.version = Version::None);
        }
        if let Some(place) = self.find(w, id, endpoint) {
            w.candidates[place].version = Version::Same;
        }
    }

    /// A genuine version was seen that is newer than the expected one.
    pub fn on_superseded(&mut self) {
        self.conflict = Conflict::Superseded;
    }

    /// Whether such a version was seen.
    pub fn is_superseded(&self) -> bool {
        self.conflict == Conflict::Superseded
    }

    /// Whether a candidate returned the very item that is to be stored, and nothing says that it has lost it since.
    pub fn holds(&self, w: &LookupWindow<'_>, id: &Id, endpoint: &Endpoint) -> bool {
        let is_same = |place: usize| w.candidates[place].version == Version::Same;
        !self.is_superseded() && self.find(w, id, endpoint).is_some_and(is_same)
    }

    /// The soft timeout of a query passed: its slot is free, its answer still welcome.
    pub fn on_late(&mut self, w: &mut LookupWindow<'_>, id: &Id, endpoint: &Endpoint) {
        let Some(place) = self.find(w, id, endpoint) else { return };
        match w.candidates[place].state {
            CandidateState::Asked => {
                self.free_slot(w.candidates[place].class);
                w.candidates[place].state = CandidateState::Late;
            }
            CandidateState::AskedAgain => self.end_again(w, place),
            _ => {}
        }
    }

    /// A candidate failed: no answer, a broken one, or one with another id.
    pub fn on_failure(&mut self, w: &mut LookupWindow<'_>, id: &Id, endpoint: &Endpoint) {
        if let Some(place) = self.find(w, id, endpoint) {
            let candidate = &mut w.candidates[place];
            match candidate.state {
                CandidateState::Asked => self.free_slot(candidate.class),
                CandidateState::AskedAgain => return self.end_again(w, place),
                _ => {}
            }
            if matches!(candidate.state, CandidateState::Asked | CandidateState::Late | CandidateState::Storing) {
                candidate.state = CandidateState::Failed;
                candidate.token = NO_TOKEN;
            }
        }
    }

    /// Another node than the one that was asked answered at its address: whoever named it lied, or it has a new id. It
    /// is a candidate under its own id then, once, so that nobody is kept from us by being named wrongly.
    pub fn on_wrong_id(&mut self, w: &mut LookupWindow<'_>, id: &Id, endpoint: &Endpoint, own: &Id) {
        self.on_failure(w, id, endpoint);
        let Some(place) = self.find(w, id, endpoint) else { return };
        let candidate = w.candidates[place];
        if candidate.once.is_done(Once::RENAMED) || candidate.state != CandidateState::Failed {
            return;
        }
        let secure = own.is_secure_for(endpoint.ip());
        self.rename(
            w,
            place,
            Candidate {
                distance: own.distance(&self.target),
                state: CandidateState::Fresh,
                class: Class::Unverified,
                secure,
                once: candidate.once.without(Once::FURTHER).with(Once::RENAMED),
                ..candidate
            },
        );
    }

    /// A node confirmed that it stored; `counts`: towards enough.
    pub fn on_stored(&mut self, w: &mut LookupWindow<'_>, id: &Id, endpoint: &Endpoint, counts: bool) {
        if let Some(place) = self.end_store(w, id, endpoint, CandidateState::Stored).filter(|_| counts) {
            let candidate = &mut w.candidates[place];
            candidate.once = candidate.once.with(Once::COUNTED);
            self.counted = self.counted.saturating_add(1);
        }
    }

    /// Confirmations that count. They become fewer only when the density alarm is raised for some of them.
    pub fn counted(&self) -> u16 {
        self.counted
    }

    /// Whether a node of the network of this one has confirmed that it stored.
    pub fn has_stored_near(&self, candidates: &[Candidate], node: &Endpoint) -> bool {
        let site = site_of(node);
        let known = &candidates[..usize::from(self.len)];
        known.iter().any(|c| c.state == CandidateState::Stored && site_of(&c.endpoint) == site)
    }

    /// A node refused to store; `conflicts`: since it holds another version than the one that is to be replaced. That
    /// may be a lie, so one alone is believed for itself.
    pub fn on_refused(&mut self, w: &mut LookupWindow<'_>, id: &Id, endpoint: &Endpoint, conflicts: bool) {
        self.end_store(w, id, endpoint, CandidateState::Refused);
        self.conflict = match self.conflict {
            Conflict::None if conflicts => Conflict::OneRefused,
            Conflict::OneRefused if conflicts => Conflict::Refused,
            known => known,
        };
    }

    /// The place of the candidate, if it was stored on.
    fn end_store(
        &mut self,
        w: &mut LookupWindow<'_>,
        id: &Id,
        endpoint: &Endpoint,
        end: CandidateState,
    ) -> Option<usize> {
        let place = self.find(w, id, endpoint).filter(|&place| w.candidates[place].state == CandidateState::Storing)?;
        w.candidates[place].state = end;
        w.candidates[place].token = NO_TOKEN;
        self.stored = self.stored.saturating_add(u16::from(end == CandidateState::Stored));
        Some(place)
    }

    pub(super) fn free_slot(&mut self, class: Class) {
        let slots = &mut self.in_flight[class as usize];
        *slots = if planted(Bug::NoPlaceFreed) { *slots } else { slots.saturating_sub(1) };
    }
}
