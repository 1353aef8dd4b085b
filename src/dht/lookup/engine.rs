//! What to do next, and when it is over.

use super::candidate::{
    Candidate, CandidateState, Class, Conflict, LookupWindow, NO_TOKEN, Offer, TokenCell, Version, site_of,
};
use super::rules::Rules;
use super::survey::{Standing, WindowSurvey};
use crate::base::planted::{Bug, planted, unseeded};
use crate::base::time::{Duration, Instant};
use crate::krpc::endpoint::{Endpoint, Network};
use crate::krpc::id::{Distance, Id};
use crate::krpc::message::MAX_TOKEN;

/// What a lookup wants to do next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// Ask this node. It counts as asked from now on.
    Ask {
        /// Its id.
        id: Id,
        /// Its address.
        endpoint: Endpoint,
        /// Whether it is unverified.
        unverified: bool,
    },
    /// Store on this node. It counts as being stored on from now on.
    Store {
        /// Its id.
        id: Id,
        /// Its address.
        endpoint: Endpoint,
    },
    /// Enough nodes confirmed: tell the caller. Said once.
    Report,
    /// Nothing to do before an answer, a timeout or this moment.
    Wait(Option<Instant>),
    /// The same, but for candidates that only the budget for unverified nodes keeps from being asked.
    Held {
        /// No answer is awaited: nothing else holds it up.
        alone: bool,
    },
    /// The end: the k nearest live candidates answered (`true`), or none answered at all (`false`).
    Done {
        /// Whether any node answered.
        converged: bool,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum LookupPhase {
    Converge,
    /// The same, on as many nodes as a put stores on.
    ConvergeWidely,
    Store,
}

/// One lookup.
#[derive(Clone, Copy, Debug)]
pub struct Lookup {
    target: Id,
    started: Instant,
    /// When the latest query left.
    asked: Instant,
    phase: LookupPhase,
    stores: bool,
    /// A version may only replace the one it expects (cas).
    guarded: bool,
    /// Some candidate holds a version.
    versions: bool,
    conflict: Conflict,
    reported: bool,
    answers: u16,
    stored: u16,
    /// Those that count towards enough.
    counted: u16,
    hops: u8,
    /// Queries sent in the first burst.
    burst: u8,
    /// Queries that hold a slot, by class.
    in_flight: [u8; 3],
    /// Queries to addresses whose id is not known yet.
    unidentified: u8,
    len: u16,
}

impl Lookup {
    /// A lookup of `target`.
    pub fn new(now: Instant, target: Id) -> Self {
        Lookup {
            target,
            started: now,
            asked: now,
            phase: LookupPhase::Converge,
            stores: false,
            guarded: false,
            versions: false,
            conflict: Conflict::None,
            reported: false,
            answers: 0,
            stored: 0,
            counted: 0,
            hops: 0,
            burst: 0,
            in_flight: [0; 3],
            unidentified: 0,
            len: 0,
        }
    }

    /// The same, but it turns to storing when it has converged.
    pub fn storing(self) -> Self {
        Lookup { stores: true, ..self }
    }

    /// The same, for a put that may only replace the version it expects (BEP 44's `cas`). A node without any version,
    /// or one that missed the latest, would store it, and a stale writer would win there. So nodes that hold a version
    /// are asked first, the others only after one of them has agreed and while none has refused; and once a newer
    /// version was seen, only those that hold another than the expected one. If nobody holds any, all are asked.
    pub fn guarded(self) -> Self {
        Lookup { guarded: true, ..self }
    }

    /// What it looks for.
    pub fn target(&self) -> &Id {
        &self.target
    }

    /// Length of the longest chain of referrals to a node that answered.
    pub fn hops(&self) -> u8 {
        self.hops
    }

    /// Whether it has turned from converging to storing.
    pub fn is_storing(&self) -> bool {
        self.phase == LookupPhase::Store
    }

    /// Offers a node; whether it was taken as a candidate.
    pub fn offer(&mut self, w: &mut LookupWindow<'_>, network: Network, offer: Offer) -> bool {
        let distance = offer.id.distance(&self.target);
        let len = usize::from(self.len);
        let known = &w.candidates[..len];
        let one_a_prefix = offer.hops > 0 && network == Network::Public;
        let prefix = offer.endpoint.network();
        if known.iter().any(|c| {
            c.endpoint == offer.endpoint
                || (one_a_prefix && c.state != CandidateState::Failed && c.endpoint.network() == prefix)
        }) {
            return false;
        }
        let place = known.partition_point(|c| c.distance <= distance);
        if !self.make_space(w, place) {
            return false;
        }
        w.candidates[place] = Candidate {
            distance,
            endpoint: offer.endpoint,
            state: CandidateState::Fresh,
            class: offer.class,
            hops: offer.hops,
            token: NO_TOKEN,
            secure: offer.secure,
            version: Version::None,
        };
        true
    }

    /// Opens a gap at `place`. A full window gives up its farthest candidate that no answer is expected of: those that
    /// answered are useful for being near, so a nearer one is always welcome.
    fn make_space(&mut self, w: &mut LookupWindow<'_>, place: usize) -> bool {
        let len = usize::from(self.len);
        let capacity = w.candidates.len().min(usize::from(u16::MAX));
        if len < capacity {
            w.candidates.copy_within(place..len, place + 1);
            self.len += 1;
            return true;
        }
        let idle = |c: &Candidate| {
            matches!(c.state, CandidateState::Fresh | CandidateState::Failed | CandidateState::Answered)
        };
        let Some(evicted) = w.candidates[..len].iter().rposition(idle) else { return false };
        if evicted < place {
            return false;
        }
        w.candidates.copy_within(place..evicted, place + 1);
        true
    }

    /// What to do next. Call again until it says `Wait` or `Done`; each call scans the window once.
    /// Without `unverified_allowed` no candidate that is unverified is asked.
    pub fn next(
        &mut self,
        now: Instant,
        w: &mut LookupWindow<'_>,
        rules: &Rules<'_>,
        unverified_allowed: bool,
    ) -> Next {
        if self.phase == LookupPhase::Store && self.counted >= u16::from(rules.config.report_at) && !self.reported {
            self.reported = true;
            return Next::Report;
        }
        let width = match self.phase {
            LookupPhase::Converge if planted(Bug::NeverConverges) => usize::MAX,
            LookupPhase::Converge => usize::from(rules.config.k),
            LookupPhase::ConvergeWidely | LookupPhase::Store => usize::from(rules.config.replicas),
        };
        let view = self.survey(w, rules, width, unverified_allowed);
        if let Some(place) = view.storable {
            let candidate = &mut w.candidates[place];
            candidate.state = CandidateState::Storing;
            return Next::Store { id: self.id_of(candidate.distance), endpoint: candidate.endpoint };
        }
        if !self.is_storing() && view.closed == width {
            return self.close(now, w, rules, unverified_allowed);
        }
        if let Some(place) = view.askable {
            return match self.stagger(rules.config.initial_stagger) {
                Some(at) if at > now => Next::Wait(Some(at)),
                _ => self.ask(now, &mut w.candidates[place]),
            };
        }
        let busy = view.busy || self.unidentified > 0;
        if view.throttled {
            return Next::Held { alone: !busy };
        }
        if busy {
            return Next::Wait(None);
        }
        match self.phase {
            LookupPhase::Store => Next::Done { converged: true },
            _ if view.late && self.answers == 0 => Next::Wait(None),
            _ if view.late && now < self.asked + rules.patience => Next::Wait(Some(self.asked + rules.patience)),
            _ => self.close(now, w, rules, unverified_allowed),
        }
    }

    /// The end of converging.
    fn close(&mut self, now: Instant, w: &mut LookupWindow<'_>, rules: &Rules<'_>, unverified_allowed: bool) -> Next {
        if !self.stores || self.answers == 0 {
            return Next::Done { converged: self.answers > 0 };
        }
        self.phase = LookupPhase::Store;
        self.next(now, w, rules, unverified_allowed)
    }

    /// One pass over the window: what could be done among the `width` nearest live candidates.
    fn survey(&self, w: &LookupWindow<'_>, rules: &Rules<'_>, width: usize, unverified_allowed: bool) -> WindowSurvey {
        let mut view = WindowSurvey::default();
        let (mut live, mut spare) = (0, None);
        for (place, c) in w.candidates[..usize::from(self.len)].iter().enumerate() {
            let standing = self.standing(c);
            match standing {
                Standing::Gone => continue,
                Standing::Late => {
                    view.late = true;
                    continue;
                }
                Standing::Spare => {
                    spare = spare.or(Some(place));
                    continue;
                }
                Standing::ToAsk | Standing::Awaited | Standing::ToStore | Standing::Closed => {}
            }
            if live == width {
                // Queries beyond the width still hold slots, but nothing depends on their answers.
                break;
            }
            live += usize::from(rules.counts(c));
            match standing {
                Standing::ToAsk if self.in_flight[c.class as usize] >= rules.slots(c.class) => view.busy = true,
                Standing::ToAsk if c.class == Class::Unverified && !unverified_allowed => view.throttled = true,
                Standing::ToAsk if planted(Bug::OrderNotReplayed) && unseeded() => view.askable = Some(place),
                Standing::ToAsk => view.askable = view.askable.or(Some(place)),
                Standing::Awaited => view.busy = true,
                Standing::ToStore if self.waits_for_others(c) => {}
                Standing::ToStore => view.storable = view.storable.or(Some(place)),
                Standing::Closed => view.closed += usize::from(rules.counts(c)),
                Standing::Gone | Standing::Late | Standing::Spare => {}
            }
        }
        let nothing_else = view.askable.is_none() && !view.busy && !view.throttled;
        if nothing_else && live < width && self.in_flight[Class::Bad as usize] < rules.slots(Class::Bad) {
            view.askable = spare;
        }
        view
    }

    /// What a candidate means in this phase: the whole table, of which [`survey`](Self::survey) is the sum.
    fn standing(&self, c: &Candidate) -> Standing {
        match (c.state, self.phase) {
            (CandidateState::Failed, _) => Standing::Gone,
            (CandidateState::Late, _) => Standing::Late,
            (CandidateState::Fresh, _) if c.class == Class::Bad => Standing::Spare,
            (CandidateState::Fresh, _) => Standing::ToAsk,
            (CandidateState::Asked | CandidateState::Storing, _) => Standing::Awaited,
            (CandidateState::Answered, LookupPhase::Store) if c.token != NO_TOKEN => Standing::ToStore,
            (CandidateState::Answered | CandidateState::Stored | CandidateState::Refused, _) => Standing::Closed,
        }
    }

    /// Whether a candidate is not to be stored on yet (see [`guarded`](Self::guarded)).
    fn waits_for_others(&self, c: &Candidate) -> bool {
        self.guarded
            && match c.version {
                Version::None => self.versions && (self.stored == 0 || self.conflict != Conflict::None),
                Version::Expected => self.conflict == Conflict::Superseded,
                Version::Same | Version::Other => false,
            }
    }

    /// When the next query of the first burst may start; `None` once any node answered.
    fn stagger(&self, step: Duration) -> Option<Instant> {
        (self.answers == 0).then(|| self.started + step.saturating_mul(u32::from(self.burst)))
    }

    fn ask(&mut self, now: Instant, candidate: &mut Candidate) -> Next {
        if self.burst == 0 {
            self.started = now;
        }
        self.asked = now;
        candidate.state = CandidateState::Asked;
        self.burst = self.burst.saturating_add(1);
        let slots = &mut self.in_flight[candidate.class as usize];
        *slots = slots.saturating_add(1);
        Next::Ask {
            id: self.id_of(candidate.distance),
            endpoint: candidate.endpoint,
            unverified: candidate.class == Class::Unverified,
        }
    }

    /// It converges on as many nodes as a put stores on, from now on; it stores nothing itself.
    pub fn widen(&mut self) {
        self.phase = LookupPhase::ConvergeWidely;
    }

    /// Turns to storing on those that have answered, without asking anybody else.
    pub fn turn_to_storing(&mut self) {
        self.phase = LookupPhase::Store;
    }

    /// How many candidates are being asked, late ones not counted.
    pub fn asking(&self) -> usize {
        self.in_flight.iter().map(|&slots| usize::from(slots)).sum()
    }

    /// Takes back an `Ask` or a `Store` that could not be carried out.
    pub fn on_not_sent(&mut self, w: &mut LookupWindow<'_>, id: &Id, endpoint: &Endpoint) {
        if let Some(place) = self.find(w, id, endpoint) {
            match w.candidates[place].state {
                CandidateState::Asked => {
                    self.free_slot(w.candidates[place].class);
                    w.candidates[place].state = CandidateState::Fresh;
                    self.burst = self.burst.saturating_sub(1);
                }
                CandidateState::Storing => w.candidates[place].state = CandidateState::Answered,
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

    /// A bootstrap node failed.
    pub fn on_bootstrap_failed(&mut self) {
        self.unidentified = self.unidentified.saturating_sub(1);
    }

    /// A bootstrap node answered, and so told its id: it becomes a candidate that has answered.
    pub fn on_bootstrap_answer(
        &mut self,
        w: &mut LookupWindow<'_>,
        network: Network,
        offer: Offer,
        token: Option<&[u8]>,
    ) {
        self.unidentified = self.unidentified.saturating_sub(1);
        self.offer(w, network, offer);
        if let Some(place) = self.find(w, &offer.id, &offer.endpoint) {
            self.settle(w, place, token);
        }
    }

    /// A candidate answered. Whether it belongs to the window.
    pub fn on_answer(&mut self, w: &mut LookupWindow<'_>, id: &Id, endpoint: &Endpoint, token: Option<&[u8]>) -> bool {
        let Some(place) = self.find(w, id, endpoint) else { return false };
        self.settle(w, place, token);
        true
    }

    fn settle(&mut self, w: &mut LookupWindow<'_>, place: usize, token: Option<&[u8]>) {
        let candidate = &mut w.candidates[place];
        match candidate.state {
            CandidateState::Asked => self.free_slot(candidate.class),
            CandidateState::Fresh | CandidateState::Late => {}
            _ => return,
        }
        candidate.state = CandidateState::Answered;
        self.hops = self.hops.max(candidate.hops);
        self.answers = self.answers.saturating_add(1);
        if let Some(token) = token.filter(|t| t.len() <= MAX_TOKEN && self.stores) {
            self.keep_token(w, place, token);
        }
    }

    /// Keeps the token of the candidate at `place`, at the cost of the farthest candidate that has one.
    fn keep_token(&self, w: &mut LookupWindow<'_>, place: usize, token: &[u8]) {
        let len = usize::from(self.len);
        let holders = || w.candidates[..len].iter().filter(|c| c.token != NO_TOKEN);
        let free = (0..w.tokens.len().min(usize::from(NO_TOKEN)))
            .find(|&cell| !holders().any(|c| usize::from(c.token) == cell));
        let cell = match free {
            Some(cell) => cell,
            None => {
                let farthest = w.candidates[..len].iter().rposition(|c| c.token != NO_TOKEN);
                match farthest.filter(|&f| f > place && w.candidates[f].state == CandidateState::Answered) {
                    Some(f) => usize::from(core::mem::replace(&mut w.candidates[f].token, NO_TOKEN)),
                    None => return,
                }
            }
        };
        if w.tokens[cell].set(token) {
            w.candidates[place].token = cell as u8;
        }
    }

    /// A candidate returned a version of the item that is to be stored.
    pub fn on_version(&mut self, w: &mut LookupWindow<'_>, id: &Id, endpoint: &Endpoint, version: Version) {
        if let Some(place) = self.find(w, id, endpoint) {
            self.versions = true;
            w.candidates[place].version = version;
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
        if let Some(place) = self.find(w, id, endpoint)
            && w.candidates[place].state == CandidateState::Asked
        {
            self.free_slot(w.candidates[place].class);
            w.candidates[place].state = CandidateState::Late;
        }
    }

    /// A candidate failed: no answer, a broken one, or one with another id.
    pub fn on_failure(&mut self, w: &mut LookupWindow<'_>, id: &Id, endpoint: &Endpoint) {
        if let Some(place) = self.find(w, id, endpoint) {
            let candidate = &mut w.candidates[place];
            if candidate.state == CandidateState::Asked {
                self.free_slot(candidate.class);
            }
            if matches!(candidate.state, CandidateState::Asked | CandidateState::Late | CandidateState::Storing) {
                candidate.state = CandidateState::Failed;
                candidate.token = NO_TOKEN;
            }
        }
    }

    /// A node confirmed that it stored; `counts`: towards enough.
    pub fn on_stored(&mut self, w: &mut LookupWindow<'_>, id: &Id, endpoint: &Endpoint, counts: bool) {
        let before = self.stored;
        self.end_store(w, id, endpoint, CandidateState::Stored);
        self.counted = self.counted.saturating_add(u16::from(counts && self.stored > before));
    }

    /// Whether a node of the network of this one has confirmed that it stored.
    pub fn has_stored_near(&self, candidates: &[Candidate], node: &Endpoint) -> bool {
        let site = site_of(node);
        let known = &candidates[..usize::from(self.len)];
        known.iter().any(|c| c.state == CandidateState::Stored && site_of(&c.endpoint) == site)
    }

    /// A node refused to store.
    pub fn on_refused(&mut self, w: &mut LookupWindow<'_>, id: &Id, endpoint: &Endpoint) {
        self.end_store(w, id, endpoint, CandidateState::Refused);
    }

    fn end_store(&mut self, w: &mut LookupWindow<'_>, id: &Id, endpoint: &Endpoint, end: CandidateState) {
        if let Some(place) = self.find(w, id, endpoint)
            && w.candidates[place].state == CandidateState::Storing
        {
            w.candidates[place].state = end;
            w.candidates[place].token = NO_TOKEN;
            self.stored = self.stored.saturating_add(u16::from(end == CandidateState::Stored));
            if end == CandidateState::Refused && self.conflict == Conflict::None {
                self.conflict = Conflict::Refused;
            }
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

    /// Whether an endpoint is a candidate already.
    pub fn knows(&self, w: &LookupWindow<'_>, endpoint: &Endpoint) -> bool {
        w.candidates[..usize::from(self.len)].iter().any(|c| c.endpoint == *endpoint)
    }

    /// The nearest nodes that answered, nearest first.
    pub fn answered<'w>(&self, candidates: &'w [Candidate]) -> impl Iterator<Item = (Id, Endpoint)> + use<'w> {
        let target = self.target;
        candidates[..usize::from(self.len)]
            .iter()
            .filter(|c| {
                matches!(
                    c.state,
                    CandidateState::Answered
                        | CandidateState::Storing
                        | CandidateState::Stored
                        | CandidateState::Refused
                ) || planted(Bug::FailedAmongClosest) && c.state == CandidateState::Failed
            })
            .map(move |c| (Id(c.distance.0).distance(&target).into(), c.endpoint))
    }

    fn id_of(&self, distance: Distance) -> Id {
        Id(distance.0).distance(&self.target).into()
    }

    fn find(&self, w: &LookupWindow<'_>, id: &Id, endpoint: &Endpoint) -> Option<usize> {
        let distance = id.distance(&self.target);
        let known = &w.candidates[..usize::from(self.len)];
        let first = known.partition_point(|c| c.distance < distance);
        let same = known[first..].iter().take_while(|c| c.distance == distance);
        same.clone().position(|c| c.endpoint == *endpoint).map(|i| first + i)
    }

    fn free_slot(&mut self, class: Class) {
        let slots = &mut self.in_flight[class as usize];
        *slots = if planted(Bug::NoPlaceFreed) { *slots } else { slots.saturating_sub(1) };
    }

    /// Recounts everything that has to hold. `asked` and `storing` say whether a query of that kind to a candidate is
    /// open, and not late; `unidentified` is the number of open queries to addresses without a known id.
    #[cfg(any(test, debug_assertions))]
    pub fn check_invariants(
        &self,
        candidates: &[Candidate],
        tokens: usize,
        asked: impl Fn(&Id, &Endpoint) -> bool,
        storing: impl Fn(&Id, &Endpoint) -> bool,
        unidentified: usize,
    ) {
        let candidates = &candidates[..usize::from(self.len)];
        assert!(candidates.is_sorted_by_key(|c| c.distance), "nearest first");
        let mut in_flight = [0; 3];
        for (place, c) in candidates.iter().enumerate() {
            let before = &candidates[..place];
            assert!(before.iter().all(|other| other.endpoint != c.endpoint), "one place for each endpoint");
            if c.token != NO_TOKEN {
                assert!(usize::from(c.token) < tokens && before.iter().all(|other| other.token != c.token));
            }
            let id = self.id_of(c.distance);
            match c.state {
                CandidateState::Asked => {
                    in_flight[c.class as usize] += 1;
                    assert!(asked(&id, &c.endpoint), "no answer is waited for that was not asked for");
                }
                CandidateState::Storing => {
                    assert!(storing(&id, &c.endpoint), "no store is waited for that was not sent")
                }
                _ => {}
            }
        }
        assert_eq!(self.in_flight, in_flight, "slots are freed and taken by queries alone");
        assert_eq!(usize::from(self.unidentified), unidentified, "none is waited for that was not asked");
    }
}
