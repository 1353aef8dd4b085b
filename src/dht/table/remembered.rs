//! The memory of a table: nodes that answered once and are no contacts (rules T37 to T40 and T48 of `spec/table.md`).
//!
//! They are asked and never handed out. Whoever was a contact for a long time is kept longest, however long ago that
//! was: session lengths are heavy-tailed, so the longer a node was there, the likelier it comes back. Places are spread
//! over the buckets, since what was lost may be one part of the network.

use core::cmp::Reverse;

use super::buckets::{BUCKETS, Buckets};
use crate::base::list::List;
use crate::base::time::{Duration, Instant, seconds};
use crate::dht::contact::Contact;
use crate::krpc::endpoint::{Endpoint, Network};
use crate::krpc::id::Id;
use crate::krpc::networks::Networks;

/// So many of one network (/24, /48) keep their places as others do, outside local networks.
const OF_NETWORK: usize = 2;
/// A rich table asks one of them in so many `check_every` (3 min at 3 s), a poor one more often (30 s).
const RICH: u32 = 60;
const POOR: u32 = 10;
/// .. but, where `check_every` is short, as in a local network, no more often than this.
const LEAST_RICH: Duration = Duration::from_secs(30);
const LEAST_POOR: Duration = Duration::from_secs(5);
/// Who was asked is left alone for so long by the lookups that the node makes for itself.
const REST: u32 = 60;

/// A node that answered once.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct RememberedContact {
    id: Id,
    endpoint: Endpoint,
    /// For how many seconds it was a contact.
    tenure: u32,
    /// The second of its last answer; 0 of one that an earlier run saved.
    last_answer: u32,
    /// The second at which it was asked last; 0 while it was not.
    asked: u32,
    /// Since its last answer.
    failures: u8,
}

impl RememberedContact {
    /// One that an earlier run saved.
    pub(super) fn saved(id: Id, endpoint: Endpoint) -> Self {
        RememberedContact { id, endpoint, ..RememberedContact::default() }
    }

    /// One that answers, and never was a contact.
    pub(super) fn answering(id: Id, endpoint: Endpoint, now: Instant) -> Self {
        let now = seconds(now).max(1);
        RememberedContact { id, endpoint, last_answer: now, asked: now, ..RememberedContact::default() }
    }

    /// A contact that loses its place.
    pub(super) fn of(contact: &Contact, now: Instant) -> Self {
        let tenure = u32::try_from(contact.tenure(now).as_secs()).unwrap_or(u32::MAX);
        let answered = contact.history().last_answer().unwrap_or_default();
        let (last_answer, asked) = (seconds(answered).max(1), seconds(now).max(1));
        RememberedContact { id: *contact.id(), endpoint: contact.endpoint(), tenure, last_answer, asked, failures: 0 }
    }

    pub(super) fn id(&self) -> &Id {
        &self.id
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        self.endpoint
    }

    /// What is missed least comes last.
    fn worth(&self) -> impl Ord + use<> {
        (self.tenure, Reverse(self.failures), self.last_answer)
    }
}

/// A fixed number of them, in the order in which they came.
#[derive(Debug)]
pub(super) struct Remembered<'s> {
    places: List<'s, RememberedContact>,
    network: Network,
    check_every: Duration,
    /// When the next one is asked, if all have been asked lately.
    next: Instant,
}

impl<'s> Remembered<'s> {
    pub(super) fn new(network: Network, check_every: Duration, mut places: List<'s, RememberedContact>) -> Self {
        places.clear();
        Remembered { places, network, check_every, next: Instant::ZERO }
    }

    pub(super) fn all(&self) -> &[RememberedContact] {
        &self.places
    }

    pub(super) fn capacity(&self) -> usize {
        self.places.capacity()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Those that the node's own lookups may turn to: the others are about to be asked, or were just now.
    pub(super) fn rested(&self, now: Instant) -> impl Iterator<Item = &RememberedContact> {
        let now = seconds(now);
        self.places.iter().filter(move |node| node.asked > 0 && node.asked.saturating_add(REST) <= now)
    }

    /// Whether an earlier run saved one that was not asked yet.
    pub(super) fn has_saved(&self) -> bool {
        self.places.iter().any(|node| node.asked == 0)
    }

    /// One that an earlier run saved, and that was not asked yet.
    pub(super) fn next_saved(&mut self, now: Instant) -> Option<(Id, Endpoint)> {
        let node = self.places.iter_mut().find(|node| node.asked == 0)?;
        node.asked = seconds(now).max(1);
        Some((node.id, node.endpoint))
    }

    /// Whether one that never was a contact has a place: without another's going, and not as a third of its network.
    pub(super) fn has_space(&self, endpoint: &Endpoint) -> bool {
        !self.places.is_full() && self.of_network(endpoint) < OF_NETWORK
    }

    /// How many are of the network of an endpoint; in a local network none.
    fn of_network(&self, endpoint: &Endpoint) -> usize {
        let network = Networks::of(endpoint).largest();
        let is_neighbour = |known: &&RememberedContact| Networks::of(&known.endpoint).largest() == network;
        if self.network == Network::Local { 0 } else { self.places.iter().filter(is_neighbour).count() }
    }

    /// Whether a node is remembered there under this id.
    pub(super) fn contains(&self, id: &Id, endpoint: &Endpoint) -> bool {
        self.places.iter().any(|known| known.id == *id && known.endpoint == *endpoint)
    }

    /// Whether a node is remembered under this id, or there.
    pub(super) fn knows(&self, id: &Id, endpoint: &Endpoint) -> bool {
        self.places.iter().any(|known| known.id == *id || known.endpoint == *endpoint)
    }

    /// Remembers a node, if there is a place for it or it is worth more than another in the network or the bucket of
    /// the most. Whoever had its id or its endpoint is remembered no more.
    pub(super) fn remember(&mut self, own: &Id, mut node: RememberedContact) {
        if self.places.capacity() == 0 {
            return;
        }
        let same = |known: &&RememberedContact| known.id == node.id && known.endpoint == node.endpoint;
        if let Some(known) = self.places.iter().find(same) {
            node.tenure = node.tenure.max(known.tenure);
        }
        self.forget(&node.id, &node.endpoint);
        if self.places.is_full() {
            match self.worst(own, &node) {
                Some(place) => self.places.remove(place),
                None => return,
            };
        }
        if self.is_empty() && node.asked > 0 {
            self.next = Instant::from_secs(node.asked.into()) + self.rhythm(None);
        }
        self.places.push(node);
    }

    /// The time between two of them.
    fn rhythm(&self, poor: Option<Instant>) -> Duration {
        match poor {
            Some(_) => self.check_every.saturating_mul(POOR).max(LEAST_POOR),
            None => self.check_every.saturating_mul(RICH).max(LEAST_RICH),
        }
    }

    /// Whose place a new one gets: the worst of the network of which most are remembered, the new one among them, and
    /// where no network has too many, of the bucket of which most are. Nobody's, if that is the new one.
    fn worst(&self, own: &Id, new: &RememberedContact) -> Option<usize> {
        self.most_of_network(new).map_or_else(
            || {
                let bucket = |node: &RememberedContact| Buckets::index(own, &node.id);
                let mut counts = [0u16; BUCKETS];
                self.places.iter().chain([new]).for_each(|node| counts[bucket(node)] += 1);
                let most = (0..BUCKETS).max_by_key(|&bucket| counts[bucket])?;
                self.worst_of(new, |node| bucket(node) == most)
            },
            |network| self.worst_of(new, |node| Networks::of(&node.endpoint).largest() == network),
        )
    }

    /// The network of which most are remembered, the new one among them, if these are too many.
    fn most_of_network(&self, new: &RememberedContact) -> Option<u64> {
        let count = |node: &RememberedContact| {
            let network = Networks::of(&node.endpoint).largest();
            self.of_network(&node.endpoint) + usize::from(Networks::of(&new.endpoint).largest() == network)
        };
        let most = self.places.iter().chain([new]).max_by_key(|node| count(node))?;
        (self.network == Network::Public && count(most) > OF_NETWORK).then(|| Networks::of(&most.endpoint).largest())
    }

    /// The worst of some of them; nobody, if that is the new one.
    fn worst_of(&self, new: &RememberedContact, among: impl Fn(&RememberedContact) -> bool) -> Option<usize> {
        let all = self.places.iter().enumerate().filter(|(_, node)| among(node));
        let (place, worst) = all.min_by_key(|(place, node)| (node.worth(), Reverse(*place)))?;
        (!among(new) || worst.worth() < new.worth()).then_some(place)
    }

    /// A node is a contact now, or its id or endpoint is another's.
    pub(super) fn forget(&mut self, id: &Id, endpoint: &Endpoint) {
        if self.knows(id, endpoint) {
            self.places.retain(|known| known.id != *id && known.endpoint != *endpoint);
        }
    }

    /// One that was asked is a contact again: whatever was amiss may be over, and the next one is asked soon.
    pub(super) fn on_return(&mut self, now: Instant) {
        self.next = self.next.min(now + self.check_every);
    }

    /// One that was asked did not answer.
    pub(super) fn on_failure(&mut self, id: &Id, endpoint: &Endpoint) {
        let mut all = self.places.iter_mut();
        if let Some(known) = all.find(|known| known.id == *id && known.endpoint == *endpoint) {
            known.failures = known.failures.saturating_add(1);
        }
    }

    /// From when on one of them is to be asked. `poor`: since when the table has been.
    pub(super) fn due_at(&self, poor: Option<Instant>) -> Option<Instant> {
        let is_due = self.places.iter().any(|node| Self::is_due(node, poor));
        let at = if is_due { Instant::ZERO } else { self.next };
        (!self.is_empty()).then_some(at)
    }

    /// Whether it is to be asked at once: it never was, or the table has become poor since.
    fn is_due(node: &RememberedContact, poor: Option<Instant>) -> bool {
        node.asked == 0 || poor.is_some_and(|since| node.asked < seconds(since))
    }

    /// The one to be asked now, if it is time: those whose bucket `has_space` first, then those that failed least.
    pub(super) fn next(
        &mut self,
        now: Instant,
        poor: Option<Instant>,
        has_space: impl Fn(&Id) -> bool,
    ) -> Option<(Id, Endpoint)> {
        let is_time = self.next <= now;
        let all = self.places.iter().enumerate().filter(|(_, node)| is_time || Self::is_due(node, poor));
        let rank = |(_, node): &(usize, &RememberedContact)| {
            (!Self::is_due(node, poor), !has_space(&node.id), node.failures, node.asked, Reverse(node.tenure))
        };
        let (place, _) = all.min_by_key(rank)?;
        if is_time {
            self.next = now + self.rhythm(poor);
        }
        let node = self.places.get_mut(place)?;
        node.asked = seconds(now).max(1);
        Some((node.id, node.endpoint))
    }
}
