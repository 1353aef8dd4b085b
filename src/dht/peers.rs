//! The peers that we hold for others (BEP 5, 32, 33, 51).
//!
//! All peers of all info-hashes share one pool of entries of 52 bytes; sorted are only their numbers, by (info-hash,
//! family, seed or not, address), and by network. So the peers of one info-hash, those of one family, its seeds and
//! those of one network are each a range of that order, found by binary search. An address is held once for an
//! info-hash, whatever its port; a later announce updates port, seed flag and lifetime. Each info-hash has a place in a
//! list of its own, which names the first of its peers: so some of them are drawn without a walk.
//!
//! Limits: an info-hash has a fixed number of places, of which one network may take an eighth, or a single /64 could
//! close an info-hash to everybody else; and one network may take a tenth of the whole pool. Who goes for a newcomer
//! when all places are taken: [`replacing`].
//!
//! Times are seconds modulo 2^30 beside two flags, in four bytes. Entries never differ by more than a lifetime, so
//! their order stays unambiguous however long the node runs.

mod replacing;

use core::ops::Range;

use arrayvec::ArrayVec;

use crate::base::list::List;
use crate::base::lru::{Lru, LruLink};
use crate::base::order::{Order, OrderPlace, Ordered};
use crate::base::planted::{Bug, planted};
use crate::base::rng::Rng;
use crate::base::time::{Duration, Instant};
use crate::dht::command::PeerKind;
use crate::dht::config::{MAX_SAMPLES, ServerConfig};
use crate::dht::holders::Holders;
use crate::krpc::bloom::{Bloom, BloomBits};
use crate::krpc::compact::MAX_PEERS;
use crate::krpc::endpoint::{Endpoint, Family, Network};
use crate::krpc::id::Id;
use crate::krpc::networks::{Networks, quotas};

/// One network may take one part in this many of the places of an info-hash.
pub const NETWORK_SHARE: usize = 8;

/// One network may take one part in this many of all places, or as many as of one info-hash.
pub const NETWORK_SHARE_OF_ALL: usize = 10;

/// Words of bits for the numbers that were drawn of a swarm: of up to 512 peers, one for each.
const SEEN: usize = 8;

const SEED: u32 = 1 << 31;
const KEPT: u32 = 1 << 30;
const CLOCK: u32 = KEPT - 1;

/// What became of an announce.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Announced {
    /// A new peer is held.
    New,
    /// A peer that was held already has its new port and seed flag, and a new lifetime.
    Updated,
    /// Not stored: the info-hash has as many peers as it may, and the lot was against the newcomer.
    Full,
    /// Not stored: the peer's network has taken its share of the info-hash.
    Quota,
}

impl Announced {
    /// Whether the peer that was announced is held now.
    #[allow(dead_code, reason = "asked by tests only")]
    pub fn is_held(self) -> bool {
        matches!(self, Announced::New | Announced::Updated)
    }
}

/// No place among the swarms.
const NOWHERE: u32 = u32::MAX;

/// Memory for one peer.
#[derive(Clone, Copy, Debug)]
pub struct PeerEntry {
    info_hash: Id,
    endpoint: Endpoint,
    /// Seed flag, whether it was announced in one period and again in another, and time of the last announce.
    stamp: [u8; 4],
    /// What its address sets in a filter.
    bits: BloomBits,
    /// The place of its info-hash among the swarms, if it is the first of its peers; else [`NOWHERE`].
    swarm: u32,
}

impl PeerEntry {
    fn is_seed(&self) -> bool {
        u32::from_le_bytes(self.stamp) & SEED != 0
    }

    fn is_kept(&self) -> bool {
        u32::from_le_bytes(self.stamp) & KEPT != 0
    }

    /// Seconds since its last announce, where the last one of all was at `latest`.
    fn age(&self, latest: u64) -> u32 {
        (latest as u32).wrapping_sub(u32::from_le_bytes(self.stamp)) & CLOCK
    }

    fn key(&self) -> PeerKey {
        PeerKey::new(&self.info_hash, self.endpoint, self.is_seed())
    }
}

/// What peers are sorted by. So all of an info-hash, those of one family, its seeds, and among these the ones of a
/// network stand side by side.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct PeerKey {
    info_hash: Id,
    family: Family,
    is_seed: bool,
    address: Endpoint,
}

impl PeerKey {
    fn new(info_hash: &Id, peer: Endpoint, is_seed: bool) -> Self {
        PeerKey { info_hash: *info_hash, family: peer.family(), is_seed, address: peer.with_port(0) }
    }
}

/// Memory of a [`PeerStore`]. All have the same capacity, but the order what [`Order::memory_for`] says of it.
#[derive(Debug)]
pub struct PeersMemory<'s> {
    /// The peers.
    pub entries: List<'s, PeerEntry>,
    /// Their order by last announce.
    pub ages: List<'s, LruLink>,
    /// Their order by info-hash.
    pub order: List<'s, Ordered>,
    /// Their order by network.
    pub by_network: List<'s, Ordered>,
    /// The first peer of each info-hash, in any order.
    pub swarms: List<'s, u32>,
}

/// The peers that we hold for others.
#[derive(Debug)]
pub struct PeerStore<'s> {
    entries: List<'s, PeerEntry>,
    recency: Lru<'s>,
    order: Order<'s>,
    holders: Holders<'s>,
    swarms: List<'s, u32>,
    /// Seconds of the last announce, rounded up.
    latest: u64,
    /// In seconds, rounded up.
    lifetime: u64,
    places: usize,
    /// What one network may have of an info-hash, ..
    share: usize,
    /// .. and of all places.
    share_of_all: usize,
    /// So many at the front of the swarms are the current sample.
    sampled: usize,
    sample_size: usize,
    sample_interval: Duration,
    sample_until: Instant,
}

impl<'s> PeerStore<'s> {
    /// A store without peers. In a local network, no network has a share.
    pub fn new(config: &ServerConfig, network: Network, memory: PeersMemory<'s>) -> Self {
        let PeersMemory { mut entries, ages, order, by_network, mut swarms } = memory;
        debug_assert!(entries.capacity().min(swarms.capacity()) >= ages.capacity(), "a place for every age");
        let sorted = order.capacity().min(by_network.capacity());
        debug_assert!(sorted >= Order::memory_for(ages.capacity()), "a place in both orders for every age");
        entries.clear();
        swarms.clear();
        let places = usize::from(config.peers_per_info_hash);
        let (share, share_of_all) = match network {
            Network::Local => (usize::MAX, usize::MAX),
            Network::Public => {
                let share = (places / NETWORK_SHARE).max(1);
                (share, share.max(ages.capacity() / NETWORK_SHARE_OF_ALL))
            }
        };
        PeerStore {
            entries,
            recency: Lru::new(ages),
            order: Order::new(order),
            holders: Holders::new(by_network),
            swarms,
            latest: 0,
            lifetime: whole_seconds(config.peer_lifetime).min(u64::from(CLOCK)),
            places,
            share,
            share_of_all,
            sampled: 0,
            sample_size: usize::from(config.samples.min(MAX_SAMPLES)),
            sample_interval: config.sample_interval,
            sample_until: Instant::ZERO,
        }
    }

    /// How many peers are held, those of all info-hashes together.
    pub fn len(&self) -> usize {
        self.recency.len()
    }

    /// Whether no peer is held.
    #[allow(dead_code, reason = "asked by tests only")]
    pub fn is_empty(&self) -> bool {
        self.recency.is_empty()
    }

    /// How many info-hashes have peers: the `num` of BEP 51.
    pub fn info_hashes(&self) -> usize {
        self.swarms.len()
    }

    /// How many peers an info-hash has.
    pub fn peers_of(&self, info_hash: &Id) -> usize {
        self.order.count(&self.swarm(info_hash))
    }

    /// Whether an info-hash has as many peers as it may.
    fn is_full_for(&self, info_hash: &Id) -> bool {
        // There are so many when there is a last one: one search, where counting them takes two.
        let Some(last) = self.places.checked_sub(1) else { return true };
        self.number_beside(info_hash, self.order.skip(self.first_of(info_hash), last)).is_some()
    }

    /// Holds a peer of an info-hash from now on, or for a lifetime more. When all places are taken, the lot decides.
    pub fn announce(
        &mut self,
        now: Instant,
        info_hash: &Id,
        peer: Endpoint,
        kind: PeerKind,
        rng: &mut Rng,
    ) -> Announced {
        self.sweep(now);
        self.latest = self.latest.max(now.as_micros().div_ceil(1_000_000));
        let is_seed = kind == PeerKind::Seed;
        for held_as in [is_seed, !is_seed] {
            if let Some((at, number)) = self.find(&PeerKey::new(info_hash, peer, held_as))
                && !planted(Bug::PeersTwice)
            {
                self.update(at, number, peer, is_seed);
                return Announced::Updated;
            }
        }
        let full_size = self.full_size(info_hash, &peer, 0);
        let is_full = self.is_full_for(info_hash);
        if full_size > 0 && !is_full {
            return Announced::Quota;
        }
        let (networks, of) = (Networks::of(&peer), |number: u32| network_of(&self.entries, number));
        let mut held = self.holders.held(networks, &of);
        // Who takes the place of his own neighbour takes no other.
        if full_size == 0 && self.holders.is_full(networks, held, self.share_of_all, &of) {
            return Announced::Quota;
        }
        if is_full {
            let Some(replaced) = self.replaced_in(info_hash, networks, full_size, rng) else { return Announced::Full };
            self.forget(replaced);
            held = self.holders.held(networks, &|number| network_of(&self.entries, number));
        } else if self.recency.is_full() {
            self.evict(networks, held);
            held = self.holders.held(networks, &|number| network_of(&self.entries, number));
        }
        let Some(number) = self.recency.claim() else { return Announced::Full };
        let stamp = self.stamp(is_seed, false);
        let bits = BloomBits::of(&peer);
        let entry = PeerEntry { info_hash: *info_hash, endpoint: peer, stamp, bits, swarm: NOWHERE };
        match self.entries.get_mut(number as usize) {
            Some(place) => *place = entry,
            None => _ = self.entries.push(entry),
        }
        self.sort_in(number);
        self.holders.add(networks, held, number, &|number| network_of(&self.entries, number));
        Announced::New
    }

    /// Hands out at most `max` peers of one family, without seeds if `noseed` (BEP 33), and returns how many. Every
    /// subset of that size is as likely as any other, so all are found by asking again. At most [`MAX_PEERS`], unless
    /// all are wanted; one draw for each that is handed out.
    pub fn sample(
        &self,
        info_hash: &Id,
        family: Family,
        noseed: bool,
        rng: &mut Rng,
        max: usize,
        mut emit: impl FnMut(Endpoint),
    ) -> usize {
        let [first, last] = [false, !noseed].map(|is_seed| (*info_hash, family, is_seed));
        let part = |entry: &PeerEntry| (entry.info_hash, entry.endpoint.family(), entry.is_seed());
        let places = self.range(info_hash, &first, &last, part);
        let eligible = self.order.count(&places);
        if max >= eligible {
            self.order.iter(places).for_each(|number| emit(self.entry(number).endpoint));
            return eligible;
        }
        // Floyd's sampling: one draw for each, and one that was drawn before stands for the last that may be drawn.
        let wanted = max.min(MAX_PEERS);
        let mut drawn = ArrayVec::<u32, MAX_PEERS>::new();
        let mut seen = [0u64; SEEN];
        for last in (eligible - wanted) as u32..eligible as u32 {
            let any = rng.below(last + 1);
            // Nearly always its bit says that it is new.
            let was_drawn = has_bit(&seen, any) && drawn.contains(&any);
            let number = if was_drawn { last } else { any };
            seen[word_of(number)] |= 1 << (number % 64);
            drawn.push(number);
        }
        for by in drawn {
            if let Some(number) = self.order.get(self.order.skip(places.start, by as usize)) {
                emit(self.entry(number).endpoint);
            }
        }
        wanted
    }

    /// The filters of an info-hash (BEP 33): its seeds, and its other peers; `None` when it has neither.
    pub fn filters(&self, info_hash: &Id) -> Option<(Bloom, Bloom)> {
        let places = self.swarm(info_hash);
        if places.is_empty() {
            return None;
        }
        let (mut seeds, mut peers) = (Bloom::default(), Bloom::default());
        for entry in self.order.iter(places).map(|number| self.entry(number)) {
            if entry.is_seed() { &mut seeds } else { &mut peers }.insert(entry.bits);
        }
        Some((seeds, peers))
    }

    /// Hands out at most `max` of the info-hashes of the current sample (BEP 51) that still have peers, and returns how
    /// many. A sample is drawn when it is first asked for and then stays for the interval, unless a sample has room
    /// for everything there is, or nothing of it is left: then the next call draws again.
    pub fn sample_infohashes(&mut self, now: Instant, rng: &mut Rng, max: usize, mut emit: impl FnMut(&Id)) -> usize {
        if self.interval_left(now).is_zero() || self.sampled == 0 || self.swarms.len() <= self.sample_size {
            self.draw_sample(now, rng);
        }
        let sample = self.swarms.get(..self.sampled.min(max)).unwrap_or_default();
        sample.iter().map(|&first| emit(&self.entry(first).info_hash)).count()
    }

    /// How long the sample of info-hashes that was handed out last stays; zero when the next call of
    /// [`sample_infohashes`](Self::sample_infohashes) draws a new one.
    pub fn interval_left(&self, now: Instant) -> Duration {
        self.sample_until.since(now)
    }

    /// Forgets every peer whose lifetime is over. Costs nothing before [`sweep_at`](Self::sweep_at), and a search for
    /// each that is forgotten then, unless it is all of them.
    pub fn sweep(&mut self, now: Instant) {
        let expired = |store: &Self, number| expires_at(store.latest, store.lifetime, store.entry(number)) <= now;
        if self.recency.newest().is_some_and(|newest| expired(self, newest)) {
            self.entries.clear();
            self.recency.clear();
            self.order.clear();
            self.holders.clear();
            self.swarms.clear();
            self.sampled = 0;
        }
        while let Some(oldest) = self.recency.oldest().filter(|&oldest| expired(self, oldest)) {
            self.forget(oldest);
        }
    }

    /// When the next lifetime is over.
    pub fn sweep_at(&self) -> Option<Instant> {
        self.recency.oldest().map(|oldest| expires_at(self.latest, self.lifetime, self.entry(oldest)))
    }

    /// The first steps of a shuffle of all info-hashes: each is as likely as any other, in a random order, so that a
    /// reply with room for a few of them has a fair choice too.
    fn draw_sample(&mut self, now: Instant, rng: &mut Rng) {
        let all = self.swarms.len();
        self.sampled = all.min(self.sample_size);
        for place in 0..self.sampled {
            self.swap_swarms(place, place + rng.below((all - place) as u32) as usize);
        }
        self.sample_until = if self.sampled == all { now } else { now + self.sample_interval };
    }

    /// A peer that is held has announced itself again.
    fn update(&mut self, at: OrderPlace, number: u32, peer: Endpoint, is_seed: bool) {
        let entry = self.entry(number);
        let is_kept = entry.is_kept() || self.period_of(entry) != self.latest / self.period();
        let stamp = self.stamp(is_seed, is_kept);
        // Alone, it is first of the swarm in any order.
        let moves = entry.is_seed() != is_seed && self.peers_of(&entry.info_hash) > 1;
        if moves {
            self.take_out(at, number);
        }
        let entry = &mut self.entries[number as usize];
        (entry.endpoint, entry.stamp) = (peer, stamp);
        if moves {
            self.sort_in(number);
        }
        self.recency.refresh(number);
    }

    fn stamp(&self, is_seed: bool, is_kept: bool) -> [u8; 4] {
        let time = self.latest as u32 & CLOCK;
        (time | if is_seed { SEED } else { 0 } | if is_kept { KEPT } else { 0 }).to_le_bytes()
    }

    /// Peers are to be announced again each period, three times in their lifetime.
    fn period(&self) -> u64 {
        (self.lifetime / 3).max(1)
    }

    /// The period in which a peer was announced last.
    fn period_of(&self, entry: &PeerEntry) -> u64 {
        self.latest.saturating_sub(u64::from(entry.age(self.latest))) / self.period()
    }

    /// Sorts a new entry in. The first one of an info-hash stands for it among the swarms.
    fn sort_in(&mut self, number: u32) {
        let key = self.entry(number).key();
        let at = self.place_of(&key);
        let is_beside = |place| self.number_beside(&key.info_hash, place);
        let (before, after) = (self.order.back(at).and_then(is_beside), is_beside(at));
        match (before, after) {
            (Some(_), _) => {}
            (None, Some(after)) => self.hand_over(after, number),
            (None, None) => {
                self.entries[number as usize].swarm = self.swarms.len() as u32;
                self.swarms.push(number);
            }
        }
        self.order.insert(at, key.info_hash.front(), number);
    }

    /// Takes an entry out of the order, and its info-hash out of the swarms and the sample if it has no other.
    fn take_out(&mut self, at: OrderPlace, number: u32) {
        let PeerEntry { info_hash, swarm, .. } = *self.entry(number);
        let next = self.number_beside(&info_hash, self.order.skip(at, 1));
        self.order.remove(at);
        if swarm == NOWHERE {
            return;
        }
        if let Some(next) = next {
            return self.hand_over(number, next);
        }
        let (mut place, last) = (swarm as usize, self.swarms.len() - 1);
        if place < self.sampled {
            self.sampled -= 1;
            self.swap_swarms(place, self.sampled);
            place = self.sampled;
        }
        self.swap_swarms(place, last);
        self.swarms.remove(last);
    }

    fn swap_swarms(&mut self, one: usize, other: usize) {
        self.swarms.swap(one, other);
        for place in [one, other] {
            self.entries[self.swarms[place] as usize].swarm = place as u32;
        }
    }

    /// The peer at a place of the order, if it is one of the info-hash.
    fn number_beside(&self, info_hash: &Id, place: OrderPlace) -> Option<u32> {
        self.order.get(place).filter(|&number| self.entry(number).info_hash == *info_hash)
    }

    /// Another peer is the first of the info-hash from now on.
    fn hand_over(&mut self, from: u32, to: u32) {
        let swarm = core::mem::replace(&mut self.entries[from as usize].swarm, NOWHERE);
        self.entries[to as usize].swarm = swarm;
        self.swarms[swarm as usize] = to;
    }

    fn forget(&mut self, number: u32) {
        let of = |number: u32| network_of(&self.entries, number);
        self.holders.remove(of(number), number, &of);
        self.take_out(self.place_of(&self.entry(number).key()), number);
        self.recency.release(number);
    }

    /// The places of the peers of one info-hash.
    fn swarm(&self, info_hash: &Id) -> Range<OrderPlace> {
        self.range(info_hash, info_hash, info_hash, |entry| entry.info_hash)
    }

    /// The place of the first peer of an info-hash, if it has any.
    fn first_of(&self, info_hash: &Id) -> OrderPlace {
        self.order.place(info_hash.front(), &|number| self.entry(number).info_hash < *info_hash)
    }

    /// How many sizes one shares with `peer` who lies in the smallest of its networks that has as many peers of an
    /// info-hash as it may, or more by so many; 0 where none has.
    fn full_size(&self, info_hash: &Id, peer: &Endpoint, more: usize) -> usize {
        if self.share == usize::MAX {
            return 0;
        }
        let ([small, middle, large], networks) = (quotas(self.share), Networks::of(peer));
        let [smallest, half, largest] = networks.ranges();
        let count = |between| self.neighbours(info_hash, peer.family(), between);
        // What all of it has is enough to know of most.
        match count(largest) {
            all if all < small + more => 0,
            _ if count(smallest) >= small + more => 3,
            _ if count(half) >= middle + more => 2,
            all => usize::from(all >= large + more),
        }
    }

    /// How many peers of one info-hash are in the networks between two.
    fn neighbours(&self, info_hash: &Id, family: Family, (first, last): (u64, u64)) -> usize {
        let part = |entry: &PeerEntry| {
            let endpoint = entry.endpoint;
            (entry.info_hash, endpoint.family(), entry.is_seed(), endpoint.network())
        };
        let of_kind = |is_seed| {
            let [first, last] = [first, last].map(|network| (*info_hash, family, is_seed, network));
            self.order.count(&self.range(info_hash, &first, &last, part))
        };
        of_kind(false) + of_kind(true)
    }

    /// The places of all entries whose `part` of what they are sorted by is between two, both included.
    fn range<K: Ord>(&self, info_hash: &Id, first: &K, last: &K, part: impl Fn(&PeerEntry) -> K) -> Range<OrderPlace> {
        let (front, part) = (info_hash.front(), |number| part(self.entry(number)));
        self.order.place(front, &|number| part(number) < *first)
            ..self.order.place(front, &|number| part(number) <= *last)
    }

    /// The place and the number of a peer, if it is held.
    fn find(&self, key: &PeerKey) -> Option<(OrderPlace, u32)> {
        let at = self.place_of(key);
        self.order.get(at).filter(|&number| self.entry(number).key() == *key).map(|number| (at, number))
    }

    /// Where a peer is, or would be, in the order.
    fn place_of(&self, key: &PeerKey) -> OrderPlace {
        self.order.place(key.info_hash.front(), &|number| self.entry(number).key() < *key)
    }

    fn entry(&self, number: u32) -> &PeerEntry {
        &self.entries[number as usize]
    }

    /// Recounts everything that has to hold.
    #[cfg(any(test, debug_assertions))]
    pub fn check_invariants(&self) {
        let numbers = || self.order.iter(self.order.start()..self.order.end());
        assert_eq!([numbers().count(), self.order.len(), self.recency.iter().count()], [self.len(); 3]);
        self.holders.check_invariants(self.len(), self.share_of_all, &|number| network_of(&self.entries, number));
        assert!(numbers().map(|number| self.entry(number).key()).is_sorted_by(|a, b| a < b), "sorted, and none twice");
        let (mut info_hashes, mut peers) = (0, 0);
        let mut last = None;
        for number in numbers() {
            let entry = self.entry(number);
            let is_first = last != Some(entry.info_hash);
            info_hashes += usize::from(is_first);
            last = Some(entry.info_hash);
            assert_eq!(self.swarms.get(entry.swarm as usize) == Some(&number), is_first, "it stands for its info-hash");
            if is_first {
                peers = self.peers_of(&entry.info_hash);
                assert!(peers <= self.places);
            }
            // Nobody has too many of a topic that has no more than one may have.
            if peers > quotas(self.share)[0] {
                assert_eq!(self.full_size(&entry.info_hash, &entry.endpoint, 1), 0);
            }
        }
        assert_eq!(info_hashes, self.swarms.len());
        assert!(self.sampled <= info_hashes);
        assert!(
            self.recency.iter().is_sorted_by_key(|number| expires_at(self.latest, self.lifetime, self.entry(number))),
            "the oldest is the next to expire"
        );
    }
}

/// The network that a peer counts for.
fn network_of(entries: &[PeerEntry], number: u32) -> u64 {
    entries[number as usize].endpoint.network()
}

/// Whether a number may be among those that were drawn.
fn has_bit(seen: &[u64; SEEN], number: u32) -> bool {
    seen[word_of(number)] & 1 << (number % 64) != 0
}

fn word_of(number: u32) -> usize {
    number as usize / 64 % SEEN
}

/// When a peer is forgotten, in a store whose last announce was at `latest`.
fn expires_at(latest: u64, lifetime: u64, entry: &PeerEntry) -> Instant {
    Instant::from_secs(latest.saturating_sub(entry.age(latest).into()).saturating_add(lifetime))
}

fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests;
