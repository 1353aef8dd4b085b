//! The contacts, how they fill their buckets, and the rules for who may be one.

use core::cmp::Reverse;

use super::admission::{AdmissionRefusal, Density};
use super::buckets::{BUCKETS, Bucket, Buckets};
use super::contacts::Contacts;
use super::id_changes::{IdChange, IdChanges};
use super::newcomers::Newcomer;
use crate::base::list::List;
use crate::base::planted::{Bug, planted};
#[cfg(any(test, debug_assertions))]
use crate::base::recount::Imprint;
use crate::base::time::{Duration, Instant};
use crate::dht::config::{K, TableConfig};
use crate::dht::contact::{Contact, Health};
use crate::krpc::endpoint::{Endpoint, Network};
use crate::krpc::id::Id;
use crate::krpc::networks::{Neighbours, Networks};

/// A contact that is dropped waits for this many `check_every` (3 min at 3 s).
const QUARANTINE: u32 = 60;
/// Of the places of a bucket that callers want to be in, one in so many is theirs.
const CALLERS_SHARE: usize = 16;
/// Of those whom we find though there are enough of them, one in so many gets a place.
const FOUND: u8 = 4;
/// Contacts are searched for by their endpoint once in so many microseconds at most (250 ms).
const SEARCH_EVERY: u64 = 250_000;
/// A contact that answers for less than this is young ..
const YOUNG: Duration = Duration::from_secs(3_600);
/// .. and asked earlier: after so many fifths of the time that others may be silent for.
const EARLIER: u32 = 4;
/// An endpoint that changed its id for the first time, for this many (9 s).
const ID_CHANGE: u32 = 3;

/// What the contacts say about a node that wants to become one. A contact with the same id or the same address is not
/// counted with its network, since it goes if the newcomer comes.
#[derive(Default)]
pub(super) struct Rivals {
    same_endpoint: Option<usize>,
    same_ip: Option<usize>,
    of_network_in_bucket: Neighbours,
    of_network: Neighbours,
}

impl Rivals {
    /// The contact at its endpoint, under another id.
    pub(super) fn same_endpoint(&self) -> Option<usize> {
        self.same_endpoint
    }

    /// The contact at its IP address.
    pub(super) fn same_ip(&self) -> Option<usize> {
        self.same_ip
    }
}

/// What is to be done about a newcomer whose time has come.
pub(super) enum NewcomerStanding {
    /// It would become a contact if it answered.
    Welcome,
    /// The contact at this index has its id or its endpoint, and has not answered since it came: that one is asked.
    Replaces(usize),
    /// Its endpoint has to stay out for a while.
    Waits,
    /// It could not become one.
    Refused,
}

/// Whether a bucket has a place for one more contact.
pub(super) enum Place {
    Free,
    /// The contact at this index has to go for it.
    GivenUp(usize),
    None,
}

/// The contacts of one table. A bucket counts as many as there are.
#[derive(Debug)]
pub(super) struct Members<'s> {
    config: TableConfig,
    network: Network,
    own: Id,
    addr: Option<Endpoint>,
    contacts: Contacts<'s>,
    buckets: Buckets<'s>,
    id_changes: IdChanges<'s>,
    /// How many nodes the network seems to have, where lookups have told.
    network_size: Option<u64>,
    /// Nobody is remembered who lost a place.
    keeps_last: bool,
    /// Callers that were turned away since one was not.
    turned_away: u8,
    /// The part of a second in which a contact was searched for by its endpoint.
    searched: u32,
}

impl<'s> Members<'s> {
    pub(super) fn new(
        config: TableConfig,
        network: Network,
        own: Id,
        contacts: Contacts<'s>,
        buckets: List<'s, Bucket>,
        id_changes: List<'s, IdChange>,
    ) -> Self {
        let (buckets, id_changes) = (Buckets::new(&config, buckets), IdChanges::new(id_changes));
        Members {
            config,
            network,
            own,
            addr: None,
            contacts,
            buckets,
            id_changes,
            network_size: None,
            keeps_last: false,
            turned_away: 0,
            searched: 0,
        }
    }

    /// Nobody is remembered who lost a place.
    pub(super) fn keep_last(&mut self) {
        self.keeps_last = true;
    }

    /// The network seems to have so many nodes.
    pub(super) fn set_network_size(&mut self, nodes: u64) {
        self.network_size = Some(nodes);
    }

    /// How many contacts a table of this shape has in a network of that size; none where nothing is known.
    pub(super) fn expected(&self) -> usize {
        let Some(nodes) = self.network_size else { return 0 };
        let of_bucket = |bucket: usize| usize::try_from(nodes >> (bucket + 1)).unwrap_or(usize::MAX);
        let all: usize = (0..BUCKETS).map(|bucket| of_bucket(bucket).min(self.buckets.size(bucket))).sum();
        all.min(self.capacity())
    }

    pub(super) fn config(&self) -> &TableConfig {
        &self.config
    }

    /// Whether the rules for prefixes and for secure ids hold.
    pub(super) fn is_public(&self) -> bool {
        self.network == Network::Public
    }

    pub(super) fn own(&self) -> &Id {
        &self.own
    }

    /// All contacts, in id order.
    pub(super) fn all(&self) -> &[Contact] {
        self.contacts.all()
    }

    pub(super) fn len(&self) -> usize {
        self.contacts.len()
    }

    pub(super) fn capacity(&self) -> usize {
        self.contacts.capacity()
    }

    /// Where the contact with this id is.
    pub(super) fn search(&self, id: &Id) -> Option<usize> {
        self.contacts.search(id).ok()
    }

    /// Where the contact at this endpoint is. That takes a look at all of them, so none is found by a second search
    /// within the same part of a second.
    pub(super) fn search_endpoint(&mut self, now: Instant, endpoint: &Endpoint) -> Option<usize> {
        let part = (now.as_micros() / SEARCH_EVERY) as u32;
        if core::mem::replace(&mut self.searched, part) == part {
            return None;
        }
        self.all().iter().position(|contact| contact.endpoint() == *endpoint)
    }

    /// The contact at `index`. A change leaves its id alone.
    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut Contact> {
        self.contacts.get_mut(index)
    }

    /// The contact with this id, if it is at this endpoint.
    pub(super) fn find_mut(&mut self, id: &Id, endpoint: Endpoint) -> Option<&mut Contact> {
        let index = self.search(id)?;
        self.contacts.get_mut(index).filter(|contact| contact.endpoint() == endpoint)
    }

    /// Another seems to have the id or the endpoint of the contact at `index`: when it is due for that, which is now
    /// where it answered when it was asked last.
    pub(super) fn on_doubt(&mut self, index: usize) -> Option<Instant> {
        let contact = self.contacts.get_mut(index)?;
        contact.history_mut().on_doubt();
        let contact = *contact;
        Some(self.due(&contact))
    }

    /// A contact answered: its bucket has news.
    pub(super) fn on_news(&mut self, now: Instant, id: &Id) {
        self.buckets.on_news(now, Buckets::index(&self.own, id));
    }

    /// The bucket that an id belongs to.
    pub(super) fn bucket_of(&self, id: &Id) -> usize {
        Buckets::index(&self.own, id)
    }

    pub(super) fn is_full(&self, bucket: usize) -> bool {
        self.buckets.is_full(bucket)
    }

    /// Shows `visit` the `n` contacts nearest to `target` that may be handed out, nearest first: those that are not bad
    /// and not `skip`, the one who asks. Costs a few binary searches, whatever the size of the table.
    // One copy of the walk, whoever visits: another takes more than a kilobyte of flash.
    pub(super) fn closest(&self, target: &Id, skip: Option<&Endpoint>, n: usize, visit: &mut dyn FnMut(&Contact)) {
        let mut left = n;
        if left == 0 {
            return;
        }
        self.contacts.nearest_first(target, |contact| {
            if !contact.history().is_bad() && skip != Some(&contact.endpoint()) {
                visit(contact);
                left -= 1;
            }
            left > 0
        });
    }

    /// How densely our own neighbourhood is populated.
    pub(super) fn density(&self) -> Density {
        let depth = self.buckets.deepest_full().map_or(0, |bucket| bucket + 1);
        let contacts: usize = (depth..BUCKETS).map(|bucket| self.buckets.count(bucket)).sum();
        Density { depth: depth as u32, contacts: contacts as u32 }
    }

    // ---- who comes and who goes ----

    /// Puts a contact into its place; false when there is none.
    pub(super) fn insert(&mut self, now: Instant, contact: Contact) -> bool {
        let fits = self.contacts.insert(contact);
        if fits {
            self.buckets.on_added(now, self.bucket_of(contact.id()), contact.is_caller());
        }
        fits
    }

    pub(super) fn remove(&mut self, now: Instant, index: usize) -> Option<Contact> {
        let contact = self.contacts.remove(index)?;
        self.buckets.on_removed(now, self.bucket_of(contact.id()), contact.is_caller());
        Some(contact)
    }

    /// Our id changed: contacts stay as far as their new buckets have room for them. `on_gone` is told of the others.
    pub(super) fn set_own(&mut self, own: Id, mut on_gone: impl FnMut(Contact)) {
        self.own = own;
        if let Some(index) = self.search(&own) {
            self.contacts.remove(index);
        }
        for bucket in 0..BUCKETS {
            while let Some(gone) = self.surplus(bucket).and_then(|index| self.contacts.remove(index)) {
                on_gone(gone);
            }
        }
        self.buckets.recount(self.contacts.all().iter().map(|c| (Buckets::index(&own, c.id()), c.is_caller())));
    }

    /// Our address as others see it, which no contact may have.
    pub(super) fn set_addr(&mut self, addr: Option<Endpoint>) {
        self.addr = addr;
    }

    pub(super) fn addr(&self) -> Option<Endpoint> {
        self.addr
    }

    /// The endpoint changed its id.
    pub(super) fn on_id_change(&mut self, now: Instant, endpoint: Endpoint) {
        let first = self.config.check_every.saturating_mul(ID_CHANGE);
        self.id_changes.on_change(now, endpoint, first);
    }

    /// How long a node that was dropped stays outside.
    pub(super) fn quarantine(&self) -> Duration {
        self.config.check_every.saturating_mul(QUARANTINE)
    }

    /// A bucket to look up an id in, so that it gets news.
    pub(super) fn next_refresh(&mut self, now: Instant) -> Option<usize> {
        self.buckets.next_refresh(now)
    }

    pub(super) fn refresh_at(&self) -> Option<Instant> {
        self.buckets.refresh_at()
    }

    /// What went wrong since then was our own trouble.
    pub(super) fn take_back_failures(&mut self, since: Instant) {
        for index in 0..self.len() {
            if let Some(contact) = self.get_mut(index) {
                contact.history_mut().take_back_failure(since);
            }
        }
    }

    /// When a contact is to be asked.
    pub(super) fn due(&self, contact: &Contact) -> Instant {
        let rule = match (contact.history().health(), contact.history().last_answer()) {
            (Health::Good, Some(at)) if !contact.history().is_doubted() => at + self.patience(contact, at),
            _ => contact.history().retry_at(),
        };
        rule.max(Instant::from_secs(contact.checked_until().into()))
    }

    /// When it would be due if nobody doubted it: doubts are made by strangers, and so put nobody before others, nor
    /// behind those who answered later.
    pub(super) fn overdue_since(&self, contact: &Contact) -> Instant {
        match (contact.health(), contact.history().last_answer()) {
            (Health::Good, Some(at)) => at + self.patience(contact, at),
            _ => self.due(contact),
        }
    }

    /// For how long a contact may be silent that answered then. The longer it has been here, the longer it stays.
    fn patience(&self, contact: &Contact, answered: Instant) -> Duration {
        let is_young = answered.since(contact.history().known_since(answered)) < YOUNG;
        let all = self.config.stale_after;
        if is_young { all / 5 * EARLIER } else { all }
    }

    // ---- the rules ----

    /// The rules that look at the name of a node alone.
    pub(super) fn name_refusal(&self, id: &Id, endpoint: &Endpoint) -> Option<AdmissionRefusal> {
        AdmissionRefusal::of_name(self.network, &self.own, self.addr, id, endpoint)
    }

    /// The rules that need no look at the contacts.
    pub(super) fn refusal(&self, now: Instant, id: &Id, endpoint: &Endpoint) -> Option<AdmissionRefusal> {
        let id_changed = || self.out_until(now, endpoint).map(|_| AdmissionRefusal::IdChanged);
        self.name_refusal(id, endpoint).or_else(id_changed)
    }

    /// The second until which an endpoint stays outside, since it changed its id.
    pub(super) fn out_until(&self, now: Instant, endpoint: &Endpoint) -> Option<u32> {
        self.id_changes.out_until(now, endpoint)
    }

    /// What is to be done about a newcomer; looks at all contacts.
    pub(super) fn standing_of(&self, now: Instant, newcomer: &Newcomer) -> NewcomerStanding {
        let same_id = self.search(&newcomer.id);
        let rivals = self.rivals(&newcomer.id, &newcomer.endpoint, same_id);
        if self.name_refusal(&newcomer.id, &newcomer.endpoint).is_some() {
            return NewcomerStanding::Refused;
        }
        let is_bad = |index: &usize| self.contacts.all().get(*index).is_some_and(|c| c.history().is_bad());
        if let Some(index) = rivals.same_endpoint.or(same_id.filter(|index| !is_bad(index))) {
            let Some(contact) = self.contacts.all().get(index) else { return NewcomerStanding::Refused };
            let came = Instant::from_secs(newcomer.since.into());
            return match contact.history().last_answer() {
                // What others say of it is no reason to ask it.
                Some(at) if at > came || newcomer.is_named() => NewcomerStanding::Refused,
                _ if contact.health() == Health::Good => NewcomerStanding::Replaces(index),
                // Its answer shows at least that the line is not to blame.
                _ => NewcomerStanding::Welcome,
            };
        }
        match self.out_until(now, &newcomer.endpoint) {
            Some(_) => NewcomerStanding::Waits,
            None if self.prefix_refusal(&rivals).is_some() => NewcomerStanding::Refused,
            None => NewcomerStanding::Welcome,
        }
    }

    /// Looks at all contacts for those that stand in the way of a new one; `same_id` has its id.
    pub(super) fn rivals(&self, id: &Id, endpoint: &Endpoint, same_id: Option<usize>) -> Rivals {
        let in_bucket = self.contacts.bucket(&self.own, self.bucket_of(id));
        let (mut rivals, networks) = (Rivals::default(), Networks::of(endpoint));
        for (index, contact) in self.contacts.all().iter().enumerate() {
            if contact.endpoint() == *endpoint {
                rivals.same_endpoint = Some(index);
            }
            let shared = networks.shared_with(Networks::of(&contact.endpoint()));
            if self.network == Network::Local || shared == 0 {
                continue;
            }
            if contact.endpoint().same_ip(endpoint) {
                rivals.same_ip = Some(index);
            } else if same_id != Some(index) {
                rivals.of_network.add(shared);
                rivals.of_network_in_bucket.add(if in_bucket.contains(&index) { shared } else { 0 });
            }
        }
        rivals
    }

    /// The rules for one prefix. A contact of the same address that is bad gives way.
    pub(super) fn prefix_refusal(&self, rivals: &Rivals) -> Option<AdmissionRefusal> {
        let is_bad = |index: usize| self.contacts.all().get(index).is_some_and(|c| c.history().is_bad());
        if rivals.same_ip.is_some_and(|index| !is_bad(index)) {
            return Some(AdmissionRefusal::SameIp);
        }
        let many = rivals.of_network_in_bucket.is_full(self.config.per_network_in_bucket.into())
            || rivals.of_network.is_full(self.config.per_network.into());
        many.then_some(AdmissionRefusal::Network)
    }

    /// Whether a contact loses its id to another endpoint that answers with it: when it does not answer any more, or
    /// when it may not carry that id and the other one may (BEP 42).
    pub(super) fn gives_way(&self, index: usize, id: &Id, to: &Endpoint) -> bool {
        // Addresses that may carry any id prove nothing by it.
        let mut another = *id;
        another.0[0] ^= 0x80;
        let owns = id.is_secure_for(to.ip()) && !another.is_secure_for(to.ip());
        let squats = |c: &Contact| self.network == Network::Public && !c.is_secure() && owns;
        self.contacts.all().get(index).is_none_or(|c| c.history().is_bad() || squats(c))
    }

    /// Whether a bucket has fewer places than there are nodes for it, as far as is known.
    pub(super) fn is_contested(&self, bucket: usize) -> bool {
        let nodes = self.network_size.unwrap_or(0).checked_shr(bucket as u32 + 1).unwrap_or(0);
        self.is_public() && nodes > self.buckets.size(bucket) as u64
    }

    /// Whether no more of those may be in a bucket who asked us before we knew them (T45).
    pub(super) fn is_closed_to_callers(&self, bucket: usize) -> bool {
        let share = (self.buckets.size(bucket) / CALLERS_SHARE).max(1);
        self.buckets.callers(bucket) >= share && self.is_contested(bucket)
    }

    /// Whether one who asked us before we knew it, and whom we found as well, gets a free place.
    pub(super) fn takes_caller(&mut self, bucket: usize) -> bool {
        if !self.is_closed_to_callers(bucket) {
            return true;
        }
        self.turned_away = (self.turned_away + 1) % FOUND;
        self.turned_away == 0
    }

    /// Whether it makes sense to ask newcomers of this bucket.
    pub(super) fn has_space(&self, bucket: usize) -> bool {
        if self.buckets.is_full(bucket) {
            return self.is_last_resort();
        }
        self.len() < self.capacity() || self.overfed(bucket).is_some()
    }

    /// Whether there are only a few contacts left and none of them answers. Where nobody is remembered, they are kept
    /// until one does, to start from when the network is back.
    pub(super) fn is_last_resort(&self) -> bool {
        self.keeps_last && self.len() <= K && self.contacts.all().iter().all(|c| c.history().is_bad())
    }

    /// A contact whose place a new one of `bucket` may have, where it needs one. A full bucket gives up only a bad
    /// contact, or one that failed and has been silent for `stale_after` by now, or failed while most of those that are
    /// asked do (`is_deserted`). When the memory of the whole table is used up, a far bucket with at
    /// least two more contacts gives up its worst.
    pub(super) fn place_for(&self, now: Instant, bucket: usize, is_deserted: bool) -> Place {
        let given_up = if self.buckets.is_full(bucket) {
            let gives_up = |c: &Contact| {
                let is_stale = is_deserted || !c.history().answered_within(now, self.config.stale_after);
                c.history().is_bad() || c.health() == Health::Suspect && is_stale
            };
            let gives_up = |index: &usize| self.contacts.all().get(*index).is_some_and(gives_up);
            self.worst(bucket).filter(|index| gives_up(index) || planted(Bug::EvictsLive))
        } else if self.len() < self.capacity() {
            return Place::Free;
        } else {
            self.overfed(bucket).and_then(|far| self.worst(far))
        };
        given_up.map_or(Place::None, Place::GivenUp)
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
        (contact.history().health(), Reverse(contact.history().last_answer()))
    }

    /// A contact that is too much in its bucket, if there is one: the worst of it, or of a network in it.
    fn surplus(&self, bucket: usize) -> Option<usize> {
        let range = self.contacts.bucket(&self.own, bucket);
        let contacts = self.contacts.all();
        if range.len() > self.buckets.size(bucket) {
            return self.worst(bucket);
        }
        let networks = |contact: &Contact| Networks::of(&contact.endpoint());
        let over_quota = |index: &usize| {
            let (mut neighbours, of) = (Neighbours::default(), networks(&contacts[*index]));
            contacts[range.clone()].iter().for_each(|c| neighbours.add(of.shared_with(networks(c))));
            neighbours.is_over(self.config.per_network_in_bucket.into())
        };
        let has_rules = self.network == Network::Public;
        range.clone().filter(|_| has_rules).filter(over_quota).max_by_key(|&index| Self::badness(&contacts[index]))
    }

    /// Who the contacts are and how they are counted, as a number: what [`check_names`](Self::check_names) reads.
    #[cfg(any(test, debug_assertions))]
    pub(super) fn imprint(&self) -> Imprint {
        let mut names = Imprint::new();
        names.add_name(&self.own.0, &self.addr.unwrap_or(Endpoint::UNSPECIFIED).to_bytes(), [0; 2]);
        for (contact, prefix) in self.contacts.all().iter().zip(self.contacts.prefixes()) {
            names.add_name(&contact.id().0, &contact.endpoint().to_bytes(), [contact.is_caller().into(), *prefix]);
        }
        names.add([(self.contacts.len() as u64, self.contacts.prefixes().len() as u64)]);
        self.buckets.add_counts(&mut names);
        names
    }

    /// Recounts what depends on who the contacts are.
    #[cfg(any(test, debug_assertions))]
    pub(super) fn check_names(&self) {
        let contacts = self.contacts.all();
        assert!(contacts.is_sorted_by(|a, b| a.id() < b.id()), "ids are distinct and in order");
        assert!(contacts.iter().map(|c| c.id().prefix()).eq(self.contacts.prefixes().iter().copied()), "prefixes fit");
        self.buckets.assert_counts(contacts.iter().map(|c| (self.bucket_of(c.id()), c.is_caller())));
        for bucket in 0..BUCKETS {
            assert_eq!(self.contacts.bucket(&self.own, bucket).len(), self.buckets.count(bucket), "bucket {bucket}");
        }
        for contact in contacts {
            assert_eq!(self.name_refusal(contact.id(), &contact.endpoint()), None);
            let of_ip = contacts.iter().filter(|c| c.endpoint().same_ip(&contact.endpoint()));
            let of_endpoint = of_ip.clone().filter(|c| c.endpoint() == contact.endpoint());
            assert_eq!(of_endpoint.count(), 1, "one id per endpoint");
            assert!(!self.is_public() || of_ip.count() == 1, "one contact per address");
            let rivals = self.rivals(contact.id(), &contact.endpoint(), None);
            assert!(!rivals.of_network_in_bucket.is_full(self.config.per_network_in_bucket.into()));
            assert!(!rivals.of_network.is_full(self.config.per_network.into()));
        }
    }

    /// Recounts what changes with every answer.
    #[cfg(any(test, debug_assertions))]
    pub(super) fn check_times(&self) {
        self.buckets.assert_times();
        let all = self.contacts.all();
        assert!(all.iter().all(|c| c.history().last_answer().is_some()), "only who answered is a contact");
    }
}
