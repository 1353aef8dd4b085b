//! The table itself: what it is told, and what becomes of it.

#[cfg(any(test, debug_assertions))]
mod recount;

use super::admission::{Admission, AdmissionRefusal, Density, Failed, Seen};
use super::callers::Callers;
use super::contacts::Contacts;
use super::members::{Members, Place};
use super::newcomers::{Newcomer, Newcomers};
use super::remembered::{Remembered, RememberedContact};
use super::table_memory::TableMemory;
use super::upkeep::{Schedule, TableParts};
use super::worth;
use crate::base::planted::{Bug, planted};
#[cfg(any(test, debug_assertions))]
use crate::base::recount::Recounted;
use crate::base::rng::Rng;
use crate::base::time::{Duration, Instant, seconds, seconds_up};
use crate::dht::config::TableConfig;
use crate::dht::contact::{Contact, ContactView, Health, QueryKind};
use crate::krpc::endpoint::{Endpoint, Network};
use crate::krpc::id::Id;
use crate::krpc::networks::Networks;

/// The routing table of one link.
#[derive(Debug)]
pub struct Table<'s> {
    members: Members<'s>,
    newcomers: Newcomers<'s>,
    remembered: Remembered<'s>,
    callers: Callers<'s>,
    schedule: Schedule,
    #[cfg(any(test, debug_assertions))]
    recounted: Recounted,
}

/// A stranger waits so long, in a poor table: it is asked at the next check, and yet nobody has named it.
const AT_ONCE: Duration = Duration::from_secs(1);

impl<'s> Table<'s> {
    /// An empty table for the node `own`.
    ///
    /// # Panics
    /// There is not memory for every bucket.
    pub fn new(config: TableConfig, network: Network, own: Id, memory: TableMemory<'s>) -> Self {
        let contacts = Contacts::new(memory.contacts, memory.prefixes);
        let mut members = Members::new(config, network, own, contacts, memory.buckets, memory.id_changes);
        if memory.remembered.capacity() == 0 {
            members.keep_last();
        }
        Table {
            schedule: Schedule::of(&members),
            members,
            newcomers: Newcomers::new(memory.newcomers),
            remembered: Remembered::new(network, config.check_every, memory.remembered),
            callers: Callers::new(memory.callers),
            #[cfg(any(test, debug_assertions))]
            recounted: Recounted::default(),
        }
    }

    /// Our id.
    pub fn own(&self) -> &Id {
        self.members.own()
    }

    /// Contacts in the table.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Contacts that there is memory for.
    #[allow(dead_code, reason = "asked by tests only")]
    pub fn capacity(&self) -> usize {
        self.members.capacity()
    }

    /// The contact with this id.
    pub fn find(&self, id: &Id) -> Option<&Contact> {
        self.members.search(id).and_then(|index| self.members.all().get(index))
    }

    /// All contacts, in the order of their ids.
    pub fn contacts(&self) -> impl ExactSizeIterator<Item = ContactView> + '_ {
        self.members.all().iter().map(Contact::view)
    }

    /// All contacts, best to save first.
    pub fn best_to_save(&self, now: Instant) -> impl Iterator<Item = ContactView> + '_ {
        worth::best_to_save(self.members.all(), now)
    }

    /// Shows `visit` the `n` contacts nearest to `target` that may be handed out, nearest first: those that are not bad
    /// and not `skip`, the one who asks. Costs a few binary searches, whatever the size of the table.
    pub fn closest(&self, target: &Id, skip: Option<&Endpoint>, n: usize, mut visit: impl FnMut(&Contact)) {
        self.members.closest(target, skip, n, &mut visit);
    }

    /// Those that wait to be checked and that somebody named, and whether their ids fit their addresses.
    pub fn named(&self) -> impl Iterator<Item = (Id, Endpoint, bool)> {
        let named = self.newcomers.all().iter().filter(|newcomer| newcomer.is_named());
        named.map(|newcomer| (newcomer.id, newcomer.endpoint, newcomer.secure))
    }

    /// Those that are not handed out.
    pub fn bad_contacts(&self) -> impl Iterator<Item = &Contact> {
        self.members.all().iter().filter(|contact| contact.history().is_bad())
    }

    /// Those that are remembered.
    pub fn remembered(&self) -> impl Iterator<Item = (Id, Endpoint)> {
        self.remembered.all().iter().map(|node| (*node.id(), node.endpoint()))
    }

    /// Those of them that the node's own lookups may turn to.
    pub fn rested(&self, now: Instant) -> impl Iterator<Item = (Id, Endpoint)> {
        self.remembered.rested(now).map(|node| (*node.id(), node.endpoint()))
    }

    /// Whether it needs others, and an earlier run saved some that were not asked yet.
    pub fn awaits_saved(&self) -> bool {
        self.is_poor() && self.remembered.has_saved()
    }

    /// Whether it needs others (T39), as the last check or failure told.
    pub fn is_poor(&self) -> bool {
        self.schedule.poor().is_some() || self.is_empty() && self.members.capacity() > 0
    }

    /// Whether most of the contacts that were asked of late did not answer, while others did, or before our line was
    /// suspected.
    pub fn is_deserted(&self) -> bool {
        self.schedule.is_deserted()
    }

    /// Whether there is anybody to ask.
    pub fn knows_somebody(&self) -> bool {
        !self.is_empty() || !self.remembered.is_empty()
    }

    /// Whether any contact answered when it was asked last.
    pub fn has_anybody_good(&self) -> bool {
        self.members.all().iter().any(|contact| contact.health() == Health::Good)
    }

    /// How densely our own neighbourhood is populated.
    pub fn density(&self) -> Density {
        self.members.density()
    }

    /// Our id changed (BEP 42). Contacts stay as far as their new buckets have room for them, and the others are
    /// remembered; newcomers are forgotten.
    pub fn set_own(&mut self, now: Instant, own: Id) {
        let all = 0..self.newcomers.all().len();
        self.newcomers.retain(all, |_| false);
        let remembered = &mut self.remembered;
        self.members.set_own(own, |contact| remembered.remember(&own, RememberedContact::of(&contact, now)));
        self.schedule.wake_at_once();
    }

    /// The network seems to have so many nodes.
    pub fn set_network_size(&mut self, nodes: u64) {
        self.members.set_network_size(nodes);
    }

    /// An earlier run knew this node: it is remembered, or waits as one that was named where there is no memory.
    pub fn remember(&mut self, now: Instant, id: &Id, endpoint: Endpoint) {
        if self.remembered.capacity() == 0 || self.members.capacity() == 0 {
            self.offer(now, id, endpoint);
        } else if self.members.name_refusal(id, &endpoint).is_none() && self.members.search(id).is_none() {
            self.remembered.remember(self.members.own(), RememberedContact::saved(*id, endpoint));
            self.schedule.wake_at_once();
        }
    }

    /// Our line was down, from then until a moment ago: first failures of that time are taken back. That most were
    /// silent is not: ten answers show that they are there.
    pub fn on_short_outage(&mut self, since: Instant) {
        self.members.take_back_failures(since);
        self.schedule.wake_at_once();
    }

    /// Our line is in doubt: whoever is to be asked is asked at once.
    pub fn on_line_in_doubt(&mut self, now: Instant) {
        self.schedule.on_line_in_doubt(now);
    }

    /// Somebody answers again after nobody had for long: whatever was known may have changed meanwhile.
    pub fn on_link_back(&mut self, now: Instant) {
        self.schedule.begin_anew(now, &self.members);
    }

    /// Our address as others see it.
    pub fn addr(&self) -> Option<Endpoint> {
        self.members.addr()
    }

    /// Whether a node that is named may be one, and another than us.
    pub fn may_be_named(&self, id: &Id, endpoint: &Endpoint) -> bool {
        self.members.name_refusal(id, endpoint).is_none()
    }

    /// Our address as others see it. It never enters, and a contact at that address goes.
    pub fn set_addr(&mut self, now: Instant, addr: Option<Endpoint>) {
        self.members.set_addr(addr);
        if let Some(index) = self.members.all().iter().position(|c| Some(c.endpoint()) == addr) {
            self.remove(now, index);
        }
    }

    /// A node that is not read-only sent a query. Proves nothing, since its source may be forged: a stranger may wait
    /// to be checked, and a contact that failed is worth a query at once.
    pub fn on_query(&mut self, now: Instant, id: &Id, from: Endpoint) -> Seen {
        match self.members.search(id) {
            Some(index) => match self.members.get_mut(index) {
                Some(contact) if contact.endpoint() == from => {
                    if contact.history().health() != Health::Good {
                        contact.history_mut().on_activity();
                        let contact = *contact;
                        self.schedule.wake(self.members.due(&contact));
                    }
                    Seen::Contact
                }
                #[cfg(planted)]
                _ if planted(Bug::QueryRebinds) => self.rebind(now, id, from),
                Some(_) => {
                    // It takes that place, or none.
                    self.callers.on_query(now, &from);
                    self.on_elsewhere(now, index, id, from)
                }
                None => Seen::Ignored,
            },
            #[cfg(planted)]
            None if planted(Bug::QueryVerifies) => self.rebind(now, id, from),
            None => self.on_caller(now, id, from),
        }
    }

    /// Somebody elsewhere has the id of this contact (T43): whoever is there is asked when the contact is silent.
    fn on_elsewhere(&mut self, now: Instant, index: usize, id: &Id, endpoint: Endpoint) -> Seen {
        self.on_doubt(index);
        self.wait(now, id, endpoint, self.stranger_delay())
    }

    /// Another seems to have the id or the endpoint of this contact: it is asked whether it is still there (T43).
    fn on_doubt(&mut self, index: usize) {
        if let Some(due) = self.members.on_doubt(index) {
            self.schedule.wake(due);
        }
    }

    /// A stranger sent a query: it may wait to be checked, if its bucket takes more of those who do so (T45).
    fn on_caller(&mut self, now: Instant, id: &Id, from: Endpoint) -> Seen {
        self.callers.on_query(now, &from);
        if let Some(index) = self.members.search_endpoint(now, &from) {
            self.on_doubt(index);
        }
        if !self.takes_callers(id) {
            return Seen::Ignored;
        }
        self.wait(now, id, from, self.stranger_delay())
    }

    /// Whether another one that came by itself may wait for the bucket of this id (T45).
    fn takes_callers(&self, id: &Id) -> bool {
        self.schedule.poor().is_some() || !self.members.is_closed_to_callers(self.members.bucket_of(id))
    }

    /// How long a stranger waits to be asked.
    fn stranger_delay(&self) -> Duration {
        let delay = self.members.config().newcomer_delay;
        if self.schedule.poor().is_some() { delay.min(AT_ONCE) } else { delay }
    }

    /// A node that we asked named this one. Whether it waits to be checked now.
    pub fn offer(&mut self, now: Instant, id: &Id, endpoint: Endpoint) -> bool {
        #[cfg(planted)]
        if planted(Bug::NamingRebinds) && self.members.search(id).is_some() {
            self.rebind(now, id, endpoint);
        }
        self.members.search(id).is_none() && self.wait(now, id, endpoint, Duration::ZERO) == Seen::Waiting
    }

    /// What some bugs do: whoever is told of becomes a contact there.
    // Not in other builds: `admit` is inlined where it has one caller, and another would cost flash if it never called.
    #[cfg(planted)]
    fn rebind(&mut self, now: Instant, id: &Id, endpoint: Endpoint) -> Seen {
        if let Some(index) = self.members.search(id) {
            self.remove(now, index);
        }
        self.admit(now, id, endpoint, None, None);
        Seen::Contact
    }

    /// Lets a node wait for `delay` and then for its check, if its bucket has a place to wait in.
    fn wait(&mut self, now: Instant, id: &Id, endpoint: Endpoint, delay: Duration) -> Seen {
        if self.members.name_refusal(id, &endpoint).is_some() {
            return Seen::Ignored;
        }
        let bucket = self.members.bucket_of(id);
        let due = if delay < Duration::from_secs(1) { seconds(now) } else { seconds_up(now + delay) };
        let due = self.members.out_until(now, &endpoint).map_or(due, |until| until.max(due));
        let (run, networks) = (self.newcomers.run(bucket), Networks::of(&endpoint));
        for index in run.clone() {
            let Some(waiting) = self.newcomers.get_mut(index) else { break };
            let is_neighbour = networks.shared_with(Networks::of(&waiting.endpoint)) > 0;
            if !is_neighbour && waiting.id.prefix() != id.prefix() {
                continue;
            }
            if waiting.id == *id || waiting.endpoint == endpoint {
                let same = waiting.id == *id && waiting.endpoint == endpoint;
                if same && delay > Duration::ZERO {
                    // Later, never earlier: a contact that was dropped waits longer than a stranger. But whoever talks
                    // without a pause is asked too.
                    let latest = seconds_up(Instant::from_secs(waiting.since.into()) + 2 * delay);
                    waiting.due = waiting.due.max(due.min(latest));
                }
                return if same { Seen::Waiting } else { Seen::Ignored };
            }
            if self.members.is_public() && is_neighbour {
                return Seen::Ignored;
            }
        }
        let since = seconds(now);
        let gone = self.newcomers.forget_old(run.clone(), now, self.members.config().newcomer_lifetime);
        if run.len() - gone >= usize::from(self.members.config().newcomers_in_bucket) {
            return Seen::Ignored;
        }
        let secure = id.is_secure_for(endpoint.ip());
        if !self.newcomers.push(Newcomer { id: *id, endpoint, bucket: bucket as u8, secure, asked: 0, since, due }) {
            return Seen::Ignored;
        }
        if self.members.has_space(bucket) {
            self.schedule.wake(Instant::from_secs(due.into()));
        }
        Seen::Waiting
    }

    /// A node answered a query that was sent to `from`, under the id that was expected there, if one was.
    pub fn on_response(&mut self, now: Instant, id: &Id, from: Endpoint, rtt: Option<Duration>) -> Admission {
        if self.on_contact_alive(now, id, from, rtt) {
            return Admission::Updated;
        }
        match self.members.search(id) {
            Some(index) if !self.members.gives_way(index, id, &from) => {
                self.on_elsewhere(now, index, id, from);
                Admission::Refused(AdmissionRefusal::IdTaken)
            }
            same_id => self.admit(now, id, from, rtt, same_id),
        }
    }

    /// A node answered with an error: a contact that does so is alive, a stranger proves nothing by it.
    pub fn on_alive(&mut self, now: Instant, id: &Id, from: Endpoint, rtt: Duration) {
        self.on_contact_alive(now, id, from, Some(rtt));
    }

    /// Whether it is a contact that answered: then it is due when it has been silent for long again.
    fn on_contact_alive(&mut self, now: Instant, id: &Id, from: Endpoint, rtt: Option<Duration>) -> bool {
        let Some(contact) = self.members.find_mut(id, from) else { return false };
        contact.history_mut().on_answer(now, rtt);
        let contact = *contact;
        self.schedule.wake(self.members.due(&contact));
        self.members.on_news(now, id);
        self.schedule.on_answer();
        true
    }

    /// A node that is no contact answered; the contact `same_id` would give its id to it.
    fn admit(
        &mut self,
        now: Instant,
        id: &Id,
        from: Endpoint,
        rtt: Option<Duration>,
        same_id: Option<usize>,
    ) -> Admission {
        if let Some(why) = self.members.refusal(now, id, &from) {
            return Admission::Refused(why);
        }
        let bucket = self.members.bucket_of(id);
        let rivals = self.members.rivals(id, &from, same_id);
        if let Some(index) = rivals.same_endpoint().filter(|_| !planted(Bug::IdChangeKept)) {
            self.remove(now, index);
            self.members.on_id_change(now, from);
            return Admission::IdChanged;
        }
        if let Some(why) = self.members.prefix_refusal(&rivals) {
            self.forget(bucket, id);
            return Admission::Refused(why);
        }
        // From behind, so that the other index stays right.
        let (last, first) = (same_id.max(rivals.same_ip()), same_id.min(rivals.same_ip()));
        for index in last.into_iter().chain(first.filter(|_| first != last)) {
            self.remove(now, index);
        }
        let is_caller = self.callers.contains(now, &from);
        let place = self.members.place_for(now, bucket, self.is_deserted());
        let is_rival = is_caller && !matches!(place, Place::None) && self.schedule.poor().is_none();
        if is_rival && !self.members.takes_caller(bucket) {
            self.forget(bucket, id);
            return Admission::Refused(AdmissionRefusal::Caller);
        }
        match place {
            Place::None if is_caller => return Admission::Full,
            Place::Free => {}
            Place::GivenUp(index) => self.retire(now, index),
            Place::None => {
                self.wait(now, id, from, Duration::ZERO);
                // Those that were contacts do not give way to it, nor to one that says to be one of them.
                let has_place = self.remembered.has_space(&from) && !self.remembered.knows(id, &from);
                let has_place = has_place || self.remembered.contains(id, &from);
                if has_place && self.members.capacity() > 0 {
                    let node = RememberedContact::answering(*id, from, now);
                    self.remembered.remember(self.members.own(), node);
                    self.wake_for_remembered();
                }
                return Admission::Full;
            }
        }
        self.forget(bucket, id);
        let mut contact = Contact::new(*id, from).calling(is_caller);
        contact.history_mut().on_answer(now, rtt);
        if !self.members.insert(now, contact) {
            return Admission::Full;
        }
        if self.remembered.contains(id, &from) {
            self.remembered.on_return(now);
        }
        self.remembered.forget(id, &from);
        self.wake_for_remembered();
        self.schedule.wake(self.members.due(&contact));
        Admission::Added
    }

    /// A query to a node failed. The second failure in a row costs a contact its place, unless no contact answers any
    /// more and only a few are left.
    pub fn on_failure(&mut self, now: Instant, id: &Id, endpoint: Endpoint, kind: QueryKind) -> Failed {
        let Some(index) = self.members.search(id) else {
            return self.on_failed_check(id, &endpoint);
        };
        let Some(contact) = self.members.get_mut(index).filter(|c| c.endpoint() == endpoint) else {
            return Failed::Stranger;
        };
        let is_first = contact.history().health() == Health::Good;
        contact.history_mut().on_failure(now, kind);
        let contact = *contact;
        if is_first {
            self.schedule.on_silence(now, &self.members);
        }
        if contact.history().is_bad() && self.members.is_last_resort() {
            self.schedule.wake_at_once();
        } else if contact.history().is_bad() {
            self.retire(now, index);
            // It may come back: it is asked once more, if no other waits for that place. Where it is remembered, it
            // leaves most places to wait in to others.
            let (bucket, most) = (self.members.bucket_of(id), self.members.config().newcomers_in_bucket);
            if self.remembered.capacity() == 0 || self.newcomers.run(bucket).len() < usize::from(most / 2) {
                self.wait(now, id, endpoint, self.members.quarantine());
            }
            return Failed::Dropped;
        }
        self.schedule.wake(self.members.due(&contact));
        Failed::Kept
    }

    fn on_failed_check(&mut self, id: &Id, endpoint: &Endpoint) -> Failed {
        let bucket = self.members.bucket_of(id);
        let run = self.newcomers.run(bucket);
        self.newcomers.retain(run, |n| n.id != *id || n.endpoint != *endpoint || !n.is_given_up());
        self.remembered.on_failure(id, endpoint);
        Failed::Stranger
    }

    /// The node at `endpoint` answered under another id than `expected`: the one that it `said`. If it was a contact
    /// under that id, it is none any more, and the endpoint stays out for a while. If not, the referral was false, or
    /// somebody asked in its name, and the node is not to blame.
    pub fn on_wrong_id(&mut self, now: Instant, expected: &Id, endpoint: Endpoint, said: &Id) {
        if self.forget_caller(expected, &endpoint) && self.members.search(said).is_none() && self.takes_callers(said) {
            self.wait(now, said, endpoint, Duration::ZERO);
        }
        self.on_failed_check(expected, &endpoint);
        self.remembered.forget(expected, &endpoint);
        let Some(index) = self.members.search(expected) else { return };
        if self.members.all().get(index).is_some_and(|c| c.endpoint() == endpoint) {
            self.remove(now, index);
            self.members.on_id_change(now, endpoint);
        }
    }

    /// A newcomer that came by itself is forgotten; whether there was one.
    fn forget_caller(&mut self, id: &Id, endpoint: &Endpoint) -> bool {
        let run = self.newcomers.run(self.members.bucket_of(id));
        self.newcomers.retain(run, |n| n.id != *id || n.endpoint != *endpoint || n.is_named()) > 0
    }

    fn forget(&mut self, bucket: usize, id: &Id) {
        let run = self.newcomers.run(bucket);
        self.newcomers.retain(run, |n| n.id != *id);
    }

    fn wake_for_remembered(&mut self) {
        if let Some(at) = self.remembered.due_at(self.schedule.poor()) {
            self.schedule.wake(at);
        }
    }

    /// Removes a contact that may be back one day: it is remembered.
    fn retire(&mut self, now: Instant, index: usize) {
        if let Some(contact) = self.members.all().get(index) {
            self.remembered.remember(self.members.own(), RememberedContact::of(contact, now));
        }
        self.remove(now, index);
    }

    /// Removes a contact; a node that waits for its bucket may be checked at once.
    fn remove(&mut self, now: Instant, index: usize) {
        if self.members.remove(now, index).is_some() {
            self.schedule.wake_at_once();
        }
        if self.is_empty() {
            self.schedule.judge(now, &self.members);
        }
    }

    // ---- what to do next ----

    /// When [`next_check`](Self::next_check) has something next; `None` when only new facts can give it work.
    pub fn check_at(&self) -> Option<Instant> {
        self.schedule.check_at()
    }

    /// One node to be asked whether it is alive, if one is due. It is not returned again for a while; its answer or
    /// failure is told by [`on_response`](Self::on_response) and [`on_failure`](Self::on_failure).
    #[allow(dead_code, reason = "asked by tests only")]
    pub fn next_check(&mut self, now: Instant) -> Option<(Id, Endpoint)> {
        self.next_check_in_doubt(now, false)
    }

    /// The same; while our own line is in doubt, one that answered a moment ago, if there is one.
    pub fn next_check_in_doubt(&mut self, now: Instant, in_doubt: bool) -> Option<(Id, Endpoint)> {
        let Table { members, newcomers, remembered, callers, schedule, .. } = self;
        schedule.next_check(now, in_doubt, &mut TableParts::new(members, newcomers, remembered, callers))
    }

    /// One that an earlier run saved, if one was not asked yet and it is time for a check.
    pub fn next_saved(&mut self, now: Instant) -> Option<(Id, Endpoint)> {
        let Table { members, newcomers, remembered, callers, schedule, .. } = self;
        schedule.next_saved(now, &mut TableParts::new(members, newcomers, remembered, callers))
    }

    /// An id to look up, so that a bucket without news gets some. At most one in five `check_every`, deepest bucket
    /// first; nothing while the table is empty, since then there is nobody to ask.
    pub fn next_refresh(&mut self, now: Instant, rng: &mut Rng) -> Option<Id> {
        let bucket = self.members.next_refresh(now)?;
        Some(self.members.own().random_in_bucket(bucket as u32, rng))
    }

    /// When [`next_refresh`](Self::next_refresh) has something next.
    pub fn refresh_at(&self) -> Option<Instant> {
        self.members.refresh_at()
    }
}
