//! The table itself: who comes in, who goes, who is handed out.

use super::buckets::{BUCKETS, Bucket, Buckets};
use super::contacts::Contacts;
use super::id_changes::{IdChange, IdChanges};
use super::newcomers::{Newcomer, Newcomers};
use super::upkeep::Schedule;
use crate::base::list::List;
use crate::base::time::{Duration, Instant};
use crate::dht::config::{K, Network, TableConfig};
use crate::dht::contact::{Contact, ContactView, Health, QueryKind, seconds, seconds_up};
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;

/// A contact that is dropped, and an endpoint that changed its id once, wait for this many `check_every` (3 min at 3 s).
const QUARANTINE: u32 = 60;

/// The memory of a table. The two capacities for contacts should be equal.
#[derive(Debug)]
pub struct TableMemory<'s> {
    /// Verified contacts.
    pub contacts: List<'s, Contact>,
    /// The first 64 bits of their ids.
    pub prefixes: List<'s, u64>,
    /// Nodes that wait to be checked.
    pub newcomers: List<'s, Newcomer>,
    /// [`BUCKETS`] of them.
    pub buckets: List<'s, Bucket>,
    /// Endpoints that changed their ids; [`ID_CHANGES`](super::ID_CHANGES) are enough.
    pub id_changes: List<'s, IdChange>,
}

/// What became of the sender of a query, or of a node that was named.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seen {
    /// It is a contact.
    Contact,
    /// It waits to be checked.
    Waiting,
    /// Nothing was changed: no place, or one of the rules is against it.
    Ignored,
}

/// What became of a node that answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Admission {
    /// It was a contact before.
    Updated,
    /// It is a contact now.
    Added,
    /// Its bucket is full of nodes that answer. It waits, and the checks of that bucket come first.
    Full,
    /// The endpoint was a contact under another id, and is none any more.
    IdChanged,
    /// It must not be a contact.
    Refused(AdmissionRefusal),
}

/// Why a node must not be a contact.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AdmissionRefusal {
    /// It carries our own id.
    OwnId,
    /// Its id is all zero.
    ZeroId,
    /// Its address is ours.
    OwnAddress,
    /// Its address is none that a datagram can be sent to.
    BadAddress,
    /// Another endpoint that answers has that id.
    IdTaken,
    /// Its IP address has a contact already.
    SameIp,
    /// Its /24 (/64) has as many contacts as it may have.
    Network,
    /// The endpoint changed its id too often.
    IdChanged,
}

/// What became of a node that did not answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failed {
    /// It is still a contact.
    Kept,
    /// It is a contact no more.
    Dropped,
    /// It was no contact.
    Stranger,
}

/// How densely our own neighbourhood is populated; input of the size estimate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Density {
    /// One more than the number of the deepest full bucket, 0 if there is none.
    pub depth: u32,
    /// Contacts in the buckets from `depth` on.
    pub contacts: u32,
}

/// The routing table of one link.
#[derive(Debug)]
pub struct Table<'s> {
    pub(super) config: TableConfig,
    pub(super) network: Network,
    pub(super) own: Id,
    addr: Option<Endpoint>,
    pub(super) contacts: Contacts<'s>,
    pub(super) newcomers: Newcomers<'s>,
    pub(super) buckets: Buckets<'s>,
    id_changes: IdChanges<'s>,
    pub(super) schedule: Schedule,
}

/// What the contacts say about a node that wants to become one. Whoever has the same id or the same address is not
/// counted with its network, since it goes if the newcomer comes.
struct Rivals {
    same_endpoint: Option<usize>,
    same_ip: Option<usize>,
    of_network_in_bucket: usize,
    of_network: usize,
}

impl<'s> Table<'s> {
    /// An empty table for the node `own`.
    ///
    /// # Panics
    /// There is not memory for every bucket.
    pub fn new(config: TableConfig, network: Network, own: Id, memory: TableMemory<'s>) -> Self {
        Table {
            config,
            network,
            own,
            addr: None,
            contacts: Contacts::new(memory.contacts, memory.prefixes),
            newcomers: Newcomers::new(memory.newcomers),
            buckets: Buckets::new(&config, memory.buckets),
            id_changes: IdChanges::new(memory.id_changes),
            schedule: Schedule::default(),
        }
    }

    /// Our id.
    pub fn own(&self) -> &Id {
        &self.own
    }

    /// Contacts in the table.
    pub fn len(&self) -> usize {
        self.contacts.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Contacts that there is memory for.
    pub fn capacity(&self) -> usize {
        self.contacts.capacity()
    }

    /// The contact with this id.
    pub fn find(&self, id: &Id) -> Option<&Contact> {
        self.contacts.search(id).ok().and_then(|index| self.contacts.all().get(index))
    }

    /// All contacts, in the order of their ids.
    pub fn contacts(&self) -> impl ExactSizeIterator<Item = ContactView> + '_ {
        self.contacts.all().iter().map(Contact::view)
    }

    /// Shows `visit` the `n` contacts nearest to `target` that may be handed out, nearest first: those that are not bad
    /// and not `skip`, the one who asks. Costs a few binary searches, whatever the size of the table.
    pub fn closest(&self, target: &Id, skip: Option<&Endpoint>, n: usize, mut visit: impl FnMut(&Contact)) {
        let mut left = n;
        if left == 0 {
            return;
        }
        self.contacts.nearest_first(target, |contact| {
            if !contact.record.is_bad() && skip != Some(&contact.endpoint) {
                visit(contact);
                left -= 1;
            }
            left > 0
        });
    }

    /// How densely our own neighbourhood is populated.
    pub fn density(&self) -> Density {
        let depth = self.buckets.deepest_full().map_or(0, |bucket| bucket + 1);
        let contacts: usize = (depth..BUCKETS).map(|bucket| self.buckets.count(bucket)).sum();
        Density { depth: depth as u32, contacts: contacts as u32 }
    }

    /// Our id changed (BEP 42). Contacts stay as far as their new buckets have room for them; newcomers are forgotten.
    pub fn set_own(&mut self, own: Id) {
        self.own = own;
        let all = 0..self.newcomers.all().len();
        self.newcomers.retain(all, |_| false);
        if let Ok(index) = self.contacts.search(&own) {
            self.contacts.remove(index);
        }
        for bucket in 0..BUCKETS {
            while let Some(index) = self.surplus(bucket) {
                self.contacts.remove(index);
            }
        }
        self.buckets.recount(self.contacts.all().iter().map(|c| Buckets::index(&own, &c.id)));
        self.schedule.wake_at_once();
    }

    /// A contact that is too much in its bucket, if there is one: the worst of it, or of a network in it.
    fn surplus(&self, bucket: usize) -> Option<usize> {
        let range = self.contacts.bucket(&self.own, bucket);
        let contacts = self.contacts.all();
        if range.len() > self.buckets.size(bucket) {
            return self.worst(bucket);
        }
        let of_network = |index: &usize| {
            let network = contacts[*index].endpoint.network();
            contacts[range.clone()].iter().filter(|c| c.endpoint.network() == network).count()
        };
        let over_quota = |index: &usize| of_network(index) > usize::from(self.config.per_network_in_bucket);
        let has_rules = self.network == Network::Public;
        range.clone().filter(|_| has_rules).filter(over_quota).max_by_key(|&index| Self::badness(&contacts[index]))
    }

    /// Our address as others see it. It never enters, and a contact at that address goes.
    pub fn set_addr(&mut self, now: Instant, addr: Option<Endpoint>) {
        self.addr = addr;
        if let Some(index) = self.contacts.all().iter().position(|c| Some(c.endpoint) == addr) {
            self.remove(now, index);
        }
    }

    /// Somebody who is not read-only sent a query. Proves nothing, since its source may be forged: a stranger may wait
    /// to be checked, and a contact that failed is worth a question at once.
    pub fn on_query(&mut self, now: Instant, id: &Id, from: Endpoint) -> Seen {
        match self.contacts.search(id) {
            Ok(index) => match self.contacts.get_mut(index) {
                Some(contact) if contact.endpoint == from => {
                    if contact.record.health() != Health::Good {
                        contact.record.on_activity();
                        let contact = *contact;
                        self.schedule.wake(self.due(&contact));
                    }
                    Seen::Contact
                }
                _ => Seen::Ignored,
            },
            Err(_) => self.wait(now, id, from, self.config.newcomer_delay),
        }
    }

    /// Somebody whom we asked named this node. Whether it waits to be checked now.
    pub fn offer(&mut self, now: Instant, id: &Id, endpoint: Endpoint) -> bool {
        self.contacts.search(id).is_err() && self.wait(now, id, endpoint, Duration::ZERO) == Seen::Waiting
    }

    /// Lets a node wait for `delay` and then for its check, if its bucket has a place to wait in.
    fn wait(&mut self, now: Instant, id: &Id, endpoint: Endpoint, delay: Duration) -> Seen {
        if self.refusal(now, id, &endpoint).is_some() {
            return Seen::Ignored;
        }
        let bucket = Buckets::index(&self.own, id);
        let due = if delay < Duration::from_secs(1) { seconds(now) } else { seconds_up(now + delay) };
        let run = self.newcomers.run(bucket);
        for index in run.clone() {
            let Some(waiting) = self.newcomers.get_mut(index) else { break };
            if waiting.id == *id || waiting.endpoint == endpoint {
                let same = waiting.id == *id && waiting.endpoint == endpoint;
                if same && delay > Duration::ZERO {
                    // Later, never earlier: a contact that was dropped waits longer than a stranger.
                    waiting.due = waiting.due.max(due);
                }
                return if same { Seen::Waiting } else { Seen::Ignored };
            }
            if self.network == Network::Public && waiting.endpoint.network() == endpoint.network() {
                return Seen::Ignored;
            }
        }
        let since = seconds(now);
        let gone = self.newcomers.forget_old(run.clone(), now, self.config.newcomer_lifetime);
        if run.len() - gone >= usize::from(self.config.newcomers_in_bucket) {
            return Seen::Ignored;
        }
        let secure = id.is_secure_for(endpoint.ip());
        if !self.newcomers.push(Newcomer { id: *id, endpoint, bucket: bucket as u8, secure, since, due }) {
            return Seen::Ignored;
        }
        if self.has_space(bucket) {
            self.schedule.wake(Instant::from_secs(due.into()));
        }
        Seen::Waiting
    }

    /// A node answered a query that was sent to `from`, under the id that was expected there, if one was.
    pub fn on_response(&mut self, now: Instant, id: &Id, from: Endpoint, rtt: Option<Duration>) -> Admission {
        if let Ok(index) = self.contacts.search(id) {
            if let Some(contact) = self.contacts.get_mut(index).filter(|c| c.endpoint == from) {
                contact.record.on_answer(now, rtt);
                self.buckets.on_news(now, Buckets::index(&self.own, id));
                return Admission::Updated;
            }
            if !self.gives_way(index, id, &from) {
                return Admission::Refused(AdmissionRefusal::IdTaken);
            }
        }
        self.admit(now, id, from, rtt)
    }

    /// Whether a contact loses its id to another endpoint that answers with it: when it does not answer any more, or
    /// when it may not carry that id and the other one may (BEP 42).
    fn gives_way(&self, index: usize, id: &Id, to: &Endpoint) -> bool {
        // Addresses that may carry any id prove nothing by it.
        let mut another = *id;
        another.0[0] ^= 0x80;
        let owns = id.is_secure_for(to.ip()) && !another.is_secure_for(to.ip());
        let squats = |c: &Contact| self.network == Network::Public && !c.secure && owns;
        self.contacts.all().get(index).is_none_or(|c| c.record.is_bad() || squats(c))
    }

    /// A node answered with an error: a contact that does so is alive, a stranger proves nothing by it.
    pub fn on_alive(&mut self, now: Instant, id: &Id, from: Endpoint, rtt: Duration) {
        let Ok(index) = self.contacts.search(id) else { return };
        if let Some(contact) = self.contacts.get_mut(index).filter(|c| c.endpoint == from) {
            contact.record.on_answer(now, Some(rtt));
            self.buckets.on_news(now, Buckets::index(&self.own, id));
        }
    }

    /// A node that is no contact answered.
    fn admit(&mut self, now: Instant, id: &Id, from: Endpoint, rtt: Option<Duration>) -> Admission {
        if let Some(why) = self.refusal(now, id, &from) {
            return Admission::Refused(why);
        }
        let bucket = Buckets::index(&self.own, id);
        let same_id = self.contacts.search(id).ok();
        let survey = self.survey(bucket, &from, same_id);
        if let Some(index) = survey.same_endpoint {
            self.remove(now, index);
            self.id_changes.on_change(now, from, self.quarantine());
            return Admission::IdChanged;
        }
        if let Some(why) = self.prefix_refusal(&survey) {
            self.forget(bucket, id);
            return Admission::Refused(why);
        }
        // From behind, so that the other index stays right.
        let (last, first) = (same_id.max(survey.same_ip), same_id.min(survey.same_ip));
        for index in last.into_iter().chain(first.filter(|_| first != last)) {
            self.remove(now, index);
        }
        if !self.make_space(now, bucket) {
            self.wait(now, id, from, Duration::ZERO);
            return Admission::Full;
        }
        self.forget(bucket, id);
        let mut contact = Contact::new(*id, from);
        contact.record.on_answer(now, rtt);
        if !self.contacts.insert(contact) {
            return Admission::Full;
        }
        self.buckets.on_added(now, bucket);
        self.schedule.wake(self.due(&contact));
        Admission::Added
    }

    /// The rules that need no look at the contacts.
    fn refusal(&self, now: Instant, id: &Id, endpoint: &Endpoint) -> Option<AdmissionRefusal> {
        if *id == self.own {
            Some(AdmissionRefusal::OwnId)
        } else if id.0 == [0; 20] {
            Some(AdmissionRefusal::ZeroId)
        } else if self.addr == Some(*endpoint) {
            Some(AdmissionRefusal::OwnAddress)
        } else if !endpoint.is_usable(self.network) {
            Some(AdmissionRefusal::BadAddress)
        } else if self.id_changes.is_out(now, endpoint) {
            Some(AdmissionRefusal::IdChanged)
        } else {
            None
        }
    }

    /// Looks at all contacts for those that stand in the way of a new one; `same_id` has its id.
    fn survey(&self, bucket: usize, endpoint: &Endpoint, same_id: Option<usize>) -> Rivals {
        let in_bucket = self.contacts.bucket(&self.own, bucket);
        let mut survey = Rivals { same_endpoint: None, same_ip: None, of_network_in_bucket: 0, of_network: 0 };
        for (index, contact) in self.contacts.all().iter().enumerate() {
            if contact.endpoint == *endpoint {
                survey.same_endpoint = Some(index);
            }
            if self.network == Network::Local || contact.endpoint.network() != endpoint.network() {
                continue;
            }
            if contact.endpoint.same_ip(endpoint) {
                survey.same_ip = Some(index);
            } else if same_id != Some(index) {
                survey.of_network += 1;
                survey.of_network_in_bucket += usize::from(in_bucket.contains(&index));
            }
        }
        survey
    }

    /// The rules for one prefix. A contact of the same address that is bad gives way.
    fn prefix_refusal(&self, survey: &Rivals) -> Option<AdmissionRefusal> {
        let is_bad = |index: usize| self.contacts.all().get(index).is_some_and(|c| c.record.is_bad());
        if survey.same_ip.is_some_and(|index| !is_bad(index)) {
            return Some(AdmissionRefusal::SameIp);
        }
        let many = survey.of_network_in_bucket >= self.config.per_network_in_bucket.into()
            || survey.of_network >= self.config.per_network.into();
        many.then_some(AdmissionRefusal::Network)
    }

    /// Whether it makes sense to ask newcomers of this bucket.
    pub(super) fn has_space(&self, bucket: usize) -> bool {
        if self.buckets.is_full(bucket) {
            return self.is_last_resort();
        }
        self.len() < self.capacity() || self.overfed(bucket).is_some()
    }

    /// Whether there are only a few contacts left and none of them answers. They are kept until somebody does, to start
    /// from when the network is back.
    fn is_last_resort(&self) -> bool {
        self.len() <= K && self.contacts.all().iter().all(|c| c.record.is_bad())
    }

    /// Makes room for one contact in a bucket, and says whether there is some. A full bucket gives up only a bad contact.
    /// When the memory of the whole table is used up, a far bucket with at least two more contacts gives up its worst.
    fn make_space(&mut self, now: Instant, bucket: usize) -> bool {
        let evicted = if self.buckets.is_full(bucket) {
            let bad = |index: &usize| self.contacts.all().get(*index).is_some_and(|c| c.record.is_bad());
            self.worst(bucket).filter(bad)
        } else if self.len() < self.capacity() {
            return true;
        } else {
            self.overfed(bucket).and_then(|far| self.worst(far))
        };
        match evicted {
            Some(index) => {
                self.remove(now, index);
                true
            }
            None => false,
        }
    }

    /// The fullest bucket farther away than `bucket`, if it has at least two contacts more.
    fn overfed(&self, bucket: usize) -> Option<usize> {
        let far = (0..bucket).max_by_key(|&b| self.buckets.count(b))?;
        (self.buckets.count(far) >= self.buckets.count(bucket) + 2).then_some(far)
    }

    /// The contact of a bucket that we would miss least.
    fn worst(&self, bucket: usize) -> Option<usize> {
        let contacts = self.contacts.all();
        self.contacts.bucket(&self.own, bucket).max_by_key(|&index| contacts.get(index).map(Self::badness))
    }

    /// More failures first, then the longest silence.
    fn badness(contact: &Contact) -> impl Ord + use<> {
        (contact.record.health(), core::cmp::Reverse(contact.record.last_answer()))
    }

    /// A query to a node failed. The second failure in a row costs a contact its place, unless no contact answers any
    /// more and only a few are left.
    pub fn on_failure(&mut self, now: Instant, id: &Id, endpoint: Endpoint, kind: QueryKind) -> Failed {
        let Ok(index) = self.contacts.search(id) else {
            return self.on_failed_check(id, &endpoint);
        };
        let Some(contact) = self.contacts.get_mut(index).filter(|c| c.endpoint == endpoint) else {
            return Failed::Stranger;
        };
        contact.record.on_failure(now, kind);
        let contact = *contact;
        if contact.record.is_bad() && self.is_last_resort() {
            self.schedule.wake_at_once();
        } else if contact.record.is_bad() {
            self.remove(now, index);
            // It may come back: it is asked once more, if nobody else waits for that place.
            self.wait(now, id, endpoint, self.quarantine());
            return Failed::Dropped;
        }
        self.schedule.wake(self.due(&contact));
        Failed::Kept
    }

    fn on_failed_check(&mut self, id: &Id, endpoint: &Endpoint) -> Failed {
        let bucket = Buckets::index(&self.own, id);
        let run = self.newcomers.run(bucket);
        self.newcomers.retain(run, |n| n.id != *id || n.endpoint != *endpoint);
        Failed::Stranger
    }

    /// The node at `endpoint` answered under another id than `expected`. If it was a contact under that id, it is none any
    /// more, and the endpoint stays out for a while. If not, whoever named it lied, and it is not to blame.
    pub fn on_wrong_id(&mut self, now: Instant, expected: &Id, endpoint: Endpoint) {
        self.on_failed_check(expected, &endpoint);
        let Ok(index) = self.contacts.search(expected) else { return };
        if self.contacts.all().get(index).is_some_and(|c| c.endpoint == endpoint) {
            self.remove(now, index);
            self.id_changes.on_change(now, endpoint, self.quarantine());
        }
    }

    fn quarantine(&self) -> Duration {
        self.config.check_every.saturating_mul(QUARANTINE)
    }

    fn forget(&mut self, bucket: usize, id: &Id) {
        let run = self.newcomers.run(bucket);
        self.newcomers.retain(run, |n| n.id != *id);
    }

    /// Removes a contact; who waits for its bucket may be checked at once.
    fn remove(&mut self, now: Instant, index: usize) {
        if let Some(contact) = self.contacts.remove(index) {
            self.buckets.on_removed(now, Buckets::index(&self.own, &contact.id));
            self.schedule.wake_at_once();
        }
    }

    /// Whether a newcomer could be added if it answered; looks at all contacts.
    pub(super) fn is_welcome(&self, now: Instant, newcomer: &Newcomer) -> bool {
        let bucket = usize::from(newcomer.bucket);
        let survey = self.survey(bucket, &newcomer.endpoint, None);
        self.refusal(now, &newcomer.id, &newcomer.endpoint).is_none()
            && survey.same_endpoint.is_none()
            && self.prefix_refusal(&survey).is_none()
    }

    /// Recounts everything.
    #[cfg(any(test, debug_assertions))]
    pub fn check_invariants(&self) {
        let contacts = self.contacts.all();
        assert!(contacts.is_sorted_by(|a, b| a.id < b.id), "ids are distinct and in order");
        assert!(contacts.iter().map(|c| c.id.prefix()).eq(self.contacts.prefixes().iter().copied()), "prefixes fit");
        self.buckets.assert_counts(contacts.iter().map(|c| Buckets::index(&self.own, &c.id)));
        for bucket in 0..BUCKETS {
            assert_eq!(self.contacts.bucket(&self.own, bucket).len(), self.buckets.count(bucket), "bucket {bucket}");
        }
        for contact in contacts {
            assert!(contact.id != self.own && contact.id.0 != [0; 20] && Some(contact.endpoint) != self.addr);
            assert!(contact.endpoint.is_usable(self.network));
            assert!(contact.record.last_answer().is_some(), "only who answered is a contact");
            assert_eq!(contacts.iter().filter(|c| c.endpoint == contact.endpoint).count(), 1, "one id per endpoint");
            let bucket = Buckets::index(&self.own, &contact.id);
            let survey = self.survey(bucket, &contact.endpoint, None);
            assert_eq!(survey.same_ip.is_some(), self.network == Network::Public, "one contact per address");
            assert!(survey.of_network_in_bucket < self.config.per_network_in_bucket.into());
            assert!(survey.of_network < self.config.per_network.into());
            assert!(self.schedule.covers(self.due(contact)), "no check is missed");
        }
        let newcomers = self.newcomers.all();
        assert!(newcomers.is_sorted_by_key(|n| n.bucket));
        for newcomer in newcomers {
            let bucket = usize::from(newcomer.bucket);
            assert_eq!(bucket, Buckets::index(&self.own, &newcomer.id));
            assert!(self.newcomers.run(bucket).len() <= self.config.newcomers_in_bucket.into());
            assert!(self.find(&newcomer.id).is_none(), "nobody waits who is a contact");
            let due = Instant::from_secs(newcomer.due.into());
            assert!(!self.has_space(bucket) || self.schedule.covers(due), "no newcomer is forgotten");
        }
    }
}
