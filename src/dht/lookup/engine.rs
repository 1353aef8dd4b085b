//! What to do next, and when it is over.

mod ahead;
mod alarm;
mod asides;
mod counting;
mod facts;
mod fill;
mod further;
mod listing;
#[cfg(any(test, debug_assertions))]
mod recount;
mod window;

use super::candidate::{Candidate, CandidateState, Class, Conflict, LookupWindow, NO_TOKEN, Once, Version};
use super::rules::{CERTAIN, Rules};
use super::sounding::Sounding;
use super::spacing::Spacing;
use super::survey::{Aside, Standing, WindowSurvey};
use crate::base::planted::{Bug, planted, unseeded};
use crate::base::time::{Duration, Instant};
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;

/// So many more than the k nearest are stored on before it shows who else is near.
const AHEAD: u8 = 4;

/// A lookup that counts nodes leaves so many times the spacing of the first burst between any two queries.
const UNHURRIED: u32 = 4;

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
    /// Ask this node for those that share so many bits with the target, and no more.
    AskAside {
        /// Its id.
        id: Id,
        /// Its address.
        endpoint: Endpoint,
        /// How many bits.
        bits: u8,
        /// The quarter of those, outward, to which it is nearest.
        quarter: u8,
    },
    /// The density alarm is raised: offer it contacts that are near the parts beside the target. Said once.
    Alarm,
    /// Store on this node. It counts as being stored on from now on.
    Store {
        /// Its id.
        id: Id,
        /// Its address.
        endpoint: Endpoint,
    },
    /// Enough nodes confirmed, or the nearest have answered and others may yet: tell the caller. Said once.
    Report,
    /// Nothing to do before an answer, a timeout or this moment.
    Wait(Option<Instant>),
    /// The same, but for candidates that only the budget for unverified nodes keeps from being asked.
    Held {
        /// No answer is awaited: nothing else holds it up.
        alone: bool,
    },
    /// The same, but for nodes that were sent as much as they bear, until then.
    Burdened {
        /// When one of them may be sent something again.
        until: Instant,
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
    /// It converges on as many nodes as a put stores on.
    wide: bool,
    stores: bool,
    /// A version may only replace the one it expects (cas).
    guarded: bool,
    /// It asks more unverified nodes at once than others do.
    eager: bool,
    /// It stores until there are so many copies, those included that were there; 0: on all that it has place for.
    fills: u8,
    /// Some candidate holds a version.
    versions: bool,
    conflict: Conflict,
    reported: bool,
    answers: u16,
    stored: u16,
    /// Those that count towards enough.
    counted: u16,
    hops: u8,
    /// Queries sent, also beside the target, as far as they are counted.
    queries: u8,
    /// Queries that hold a slot, by class.
    in_flight: [u8; 3],
    /// Queries to addresses whose id is not known yet, and those of them that are late.
    unidentified: u8,
    late_unidentified: u8,
    /// Nothing else is wanted of it but the nearest nodes.
    lists: bool,
    /// What it looks for is held by few.
    seeks: bool,
    /// Some of that was found.
    found: bool,
    /// How many nodes there should be near its target.
    spacing: Option<Spacing>,
    /// Candidates that it began with: each leads a path.
    paths: u8,
    /// Candidates that were asked because too few were found.
    further: u8,
    /// The bit of the first part beside the target, if that is looked for.
    aside_from: Option<u8>,
    /// Queries beside the target that are waited for.
    asides: u8,
    /// Up to which distance the density alarm is raised.
    stretch: Option<u64>,
    /// Nobody else is left: those for whom it was raised are stored on too.
    last_resort: bool,
    /// It counts the nodes around its target.
    sounding: Option<Sounding>,
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
            wide: false,
            stores: false,
            guarded: false,
            eager: false,
            fills: 0,
            versions: false,
            conflict: Conflict::None,
            reported: false,
            answers: 0,
            stored: 0,
            counted: 0,
            hops: 0,
            queries: 0,
            in_flight: [0; 3],
            unidentified: 0,
            late_unidentified: 0,
            lists: false,
            seeks: false,
            found: false,
            spacing: None,
            paths: 0,
            further: 0,
            aside_from: None,
            asides: 0,
            stretch: None,
            last_resort: false,
            sounding: None,
            len: 0,
        }
    }

    /// The same, but it turns to storing when it has converged.
    pub fn storing(self) -> Self {
        Lookup { stores: true, ..self }
    }

    /// The same, for a put that may only replace the version it expects (BEP 44's `cas`). A node without any version,
    /// or one that missed the latest, would store it, and a stale writer would win there. So nodes that hold a version
    /// are asked first, the others only after one of them has agreed, or none is left that could, and while no two have
    /// refused; and once a newer version was seen, only those that hold another than the expected one. If nobody holds
    /// any, all are asked.
    pub fn guarded(self) -> Self {
        Lookup { guarded: true, ..self }
    }

    /// The same, for what is looked for in the answers of few.
    pub fn seeking(self) -> Self {
        Lookup { seeks: true, ..self }
    }

    /// So many nodes are to be expected near its target.
    pub fn expect(&mut self, spacing: Spacing) {
        self.spacing = Some(spacing);
    }

    /// The same, as far as other lookups have told it.
    fn known_spacing(&self) -> Option<Spacing> {
        self.spacing.and_then(Spacing::known)
    }

    /// Some of what it looks for was found.
    pub fn on_found(&mut self) {
        self.found = true;
    }

    /// The same, but it asks more unverified nodes at once: it is to find as many as it can.
    pub fn eager(self) -> Self {
        Lookup { eager: true, ..self }
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

    /// What to do next. Call again until it says `Wait` or `Done`; each call scans the window once.
    /// Without `unverified_allowed` no candidate that is unverified is asked.
    pub fn next(
        &mut self,
        now: Instant,
        w: &mut LookupWindow<'_>,
        rules: &Rules<'_>,
        unverified_allowed: bool,
    ) -> Next {
        if self.heed_alarm(w, rules) {
            return Next::Alarm;
        }
        if self.is_storing() && self.counted >= u16::from(rules.config.report_at) && !self.reported {
            self.reported = true;
            return Next::Report;
        }
        let aside = self.next_aside(now, w, rules);
        let width = match self.phase {
            LookupPhase::Converge if planted(Bug::NeverConverges) => usize::MAX,
            LookupPhase::Converge if !self.wide => usize::from(rules.config.k),
            // Who else is near shows first.
            LookupPhase::Store if !self.is_alarmed() && !matches!(aside, Aside::Done) => {
                usize::from(rules.config.k + AHEAD).min(rules.config.replicas.into())
            }
            LookupPhase::Converge | LookupPhase::Store => usize::from(rules.config.replicas),
        };
        let view = self.survey(now, w, rules, width, unverified_allowed);
        if let Some(place) = view.storable.filter(|_| !self.is_filled(w, rules)) {
            let candidate = &mut w.candidates[place];
            candidate.state = CandidateState::Storing;
            return Next::Store { id: self.id_of(candidate.distance), endpoint: candidate.endpoint };
        }
        let (tokenless, token_at) = self.next_without_token(now, w, rules);
        if let Some(place) = self.next_again(w, rules).or(tokenless) {
            return self.ask_in_time(now, w, rules, place);
        }
        if !self.is_storing() && view.closed == width && matches!(aside, Aside::Done) {
            return self.close(now, w, rules, unverified_allowed);
        }
        if let Some(place) = view.askable {
            return self.ask_in_time(now, w, rules, place);
        }
        if let Aside::Ask { place, part: (bits, far), other_end } = aside {
            let candidate = &mut w.candidates[place];
            self.ask_aside(candidate, (bits, far));
            let quarter = 2 * u8::from(far) + u8::from(other_end);
            return Next::AskAside { id: self.id_of(candidate.distance), endpoint: candidate.endpoint, bits, quarter };
        }
        let aside_at = if let Aside::Wait(at) = aside { at } else { None };
        let burdened = Instant::earliest(Instant::earliest(view.burdened, aside_at), token_at);
        let busy = view.busy || self.unidentified > self.late_unidentified || matches!(aside, Aside::Wait(_));
        let late = view.late || self.late_unidentified > 0;
        if view.throttled {
            return Next::Held { alone: !busy };
        }
        if let Some(until) = burdened {
            return Next::Burdened { until, alone: !busy };
        }
        if busy {
            return Next::Wait(None);
        }
        match self.phase {
            LookupPhase::Store if self.is_alarmed() && self.counted == 0 && !self.last_resort => {
                self.last_resort = true;
                self.next(now, w, rules, unverified_allowed)
            }
            LookupPhase::Store => Next::Done { converged: true },
            _ if late && self.answers == 0 => Next::Wait(None),
            _ if late && now < self.asked + rules.patience => Next::Wait(Some(self.asked + rules.patience)),
            _ => self.close(now, w, rules, unverified_allowed),
        }
    }

    /// The end of converging.
    fn close(&mut self, now: Instant, w: &mut LookupWindow<'_>, rules: &Rules<'_>, unverified_allowed: bool) -> Next {
        if self.answers == 0 {
            return Next::Done { converged: false };
        }
        if self.begins_to_count(w, rules) {
            return self.next(now, w, rules, unverified_allowed);
        }
        if !self.is_storing() {
            if self.raise_alarm(w, rules) {
                return Next::Alarm;
            }
            if let Some(next) = self.go_further(now, w, rules, unverified_allowed) {
                return next;
            }
            // Of the copies that a put has left any may be the last one.
            if self.seeks && !self.found && !self.wide && self.spacing.is_some() {
                self.widen();
                self.look_aside_of(w, rules);
                return self.next(now, w, rules, unverified_allowed);
            }
        }
        if !self.stores {
            return self.await_late(now, w, rules).unwrap_or(Next::Done { converged: true });
        }
        self.phase = LookupPhase::Store;
        if !self.is_alarmed() {
            self.look_aside_of(w, rules);
        }
        self.next(now, w, rules, unverified_allowed)
    }

    /// One pass over the window: what could be done among the `width` nearest live candidates.
    fn survey(
        &self,
        now: Instant,
        w: &LookupWindow<'_>,
        rules: &Rules<'_>,
        width: usize,
        unverified_allowed: bool,
    ) -> WindowSurvey {
        let mut view = WindowSurvey::default();
        let (mut live, mut likely, mut spare) = (0, 0, None);
        let enough = u32::try_from(width).unwrap_or(u32::MAX).saturating_mul(CERTAIN);
        let others_first = self.awaits_agreement(w);
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
            if likely >= enough {
                // Queries beyond them still hold slots, but nothing depends on their answers.
                break;
            }
            let depends = live < width;
            let is_next = match standing {
                Standing::ToAsk => view.askable.is_none(),
                Standing::ToStore => view.storable.is_none(),
                _ => false,
            };
            let burdened = if is_next { rules.burdens.bears_more_at(now, &c.endpoint) } else { None };
            if burdened.is_some() && matches!(standing, Standing::ToAsk) && self.has_many() {
                continue;
            }
            view.burdened = Instant::earliest(view.burdened, burdened.filter(|_| depends));
            if rules.counts(c) {
                live += 1;
                likely += self.likelihood(rules, c);
            }
            match standing {
                Standing::ToAsk | Standing::ToStore if burdened.is_some() => {}
                Standing::ToAsk if !self.has_slot(w, rules, c) => view.busy |= depends,
                Standing::ToAsk if c.class == Class::Unverified && !unverified_allowed => view.throttled |= depends,
                Standing::ToAsk if planted(Bug::OrderNotReplayed) && unseeded() => view.askable = Some(place),
                Standing::ToAsk => view.askable = view.askable.or(Some(place)),
                Standing::Awaited => view.busy |= depends,
                Standing::ToStore if !depends || self.waits_for_others(c, others_first) => {}
                Standing::ToStore => view.storable = view.storable.or(Some(place)),
                Standing::Closed => view.closed += usize::from(depends && rules.counts(c)),
                Standing::Gone | Standing::Late | Standing::Spare => {}
            }
        }
        let nothing_else = view.askable.is_none() && !view.busy && !view.throttled && view.burdened.is_none();
        if nothing_else && live < width && self.in_flight[Class::Bad as usize] < rules.slots(Class::Bad) {
            match spare.and_then(|place| rules.burdens.bears_more_at(now, &w.candidates[place].endpoint)) {
                None => view.askable = spare,
                later => view.burdened = later,
            }
        }
        view
    }

    /// What a candidate means in this phase: the whole table, of which [`survey`](Self::survey) is the sum.
    fn standing(&self, c: &Candidate) -> Standing {
        match (c.state, self.phase) {
            (CandidateState::Failed, _) => Standing::Gone,
            (CandidateState::Asked | CandidateState::AskedAgain | CandidateState::Storing, _) => Standing::Awaited,
            // Also one that has a copy: that is none of those that there should be.
            (state, _) if state != CandidateState::Late && !self.last_resort && self.is_crowded(c) => Standing::Gone,
            // Nobody waits for it, and who is slow is there too.
            (CandidateState::Late, LookupPhase::Converge) if self.wide && self.is_sounding() => Standing::Awaited,
            (CandidateState::Late, _) => Standing::Late,
            (CandidateState::Fresh, _) if c.class == Class::Bad => Standing::Spare,
            (CandidateState::Fresh, _) => Standing::ToAsk,
            (CandidateState::Answered, LookupPhase::Store) if self.is_to_be_stored_on(c) => Standing::ToStore,
            (CandidateState::Answered | CandidateState::Stored | CandidateState::Refused, _) => Standing::Closed,
        }
    }

    /// Whether one that holds a version may still agree, and none has.
    fn awaits_agreement(&self, w: &LookupWindow<'_>) -> bool {
        let may_agree = |c: &Candidate| match c.state {
            CandidateState::Answered => c.token != NO_TOKEN && !self.waits_for_others(c, false),
            state => state == CandidateState::Storing,
        };
        let known = &w.candidates[..usize::from(self.len)];
        let mut holders = known.iter().filter(|c| c.version != Version::None);
        self.guarded && self.versions && self.stored == 0 && holders.any(may_agree)
    }

    /// Whether a candidate is not to be stored on yet (see [`guarded`](Self::guarded)).
    fn waits_for_others(&self, c: &Candidate, others_first: bool) -> bool {
        self.guarded
            && match c.version {
                Version::None => others_first || matches!(self.conflict, Conflict::Refused | Conflict::Superseded),
                Version::Expected => self.conflict == Conflict::Superseded,
                Version::Same | Version::Other => false,
            }
    }

    fn ask_in_time(&mut self, now: Instant, w: &mut LookupWindow<'_>, rules: &Rules<'_>, place: usize) -> Next {
        match self.stagger(rules.config.initial_stagger) {
            Some(at) if at > now => Next::Wait(Some(at)),
            _ => self.ask(now, &mut w.candidates[place]),
        }
    }

    /// When the next query of the first burst may start; `None` once any node answered. Who counts is never in a hurry.
    fn stagger(&self, step: Duration) -> Option<Instant> {
        match &self.sounding {
            Some(sounding) if sounding.counts() => Some(self.asked + step.saturating_mul(UNHURRIED)),
            _ => (self.answers == 0).then(|| self.started + step.saturating_mul(u32::from(self.queries))),
        }
    }

    fn ask(&mut self, now: Instant, candidate: &mut Candidate) -> Next {
        if self.queries == 0 {
            self.started = now;
        }
        self.asked = now;
        let is_again = candidate.state == CandidateState::Answered;
        if is_again {
            (candidate.state, candidate.class) = (CandidateState::AskedAgain, Class::Good);
            candidate.once = candidate.once.with(Once::ASKED_FOR_TOKEN);
        } else {
            candidate.state = CandidateState::Asked;
        }
        self.queries = self.queries.saturating_add(1);
        let slots = &mut self.in_flight[candidate.class as usize];
        *slots = slots.saturating_add(1);
        self.sounding.iter_mut().for_each(|sounding| sounding.on_asked(is_again));
        Next::Ask {
            id: self.id_of(candidate.distance),
            endpoint: candidate.endpoint,
            unverified: candidate.class == Class::Unverified,
        }
    }

    /// It converges on as many nodes as a put stores on, from now on; it stores nothing itself.
    pub fn widen(&mut self) {
        self.wide = true;
    }

    /// Turns to storing on those that have answered, without asking anybody else.
    pub fn turn_to_storing(&mut self) {
        self.phase = LookupPhase::Store;
    }

    /// How many candidates are being asked, late ones not counted.
    pub fn asking(&self) -> usize {
        self.in_flight.iter().map(|&slots| usize::from(slots)).sum()
    }
}
