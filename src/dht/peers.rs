//! The peers that we hold for others (BEP 5, 32, 33, 51).
//!
//! All peers of all info-hashes share one pool of entries of 42 bytes; sorted are only their numbers, by (info-hash,
//! family, address). So the peers of one info-hash, those of one family and those of one network are each a slice of
//! that order, found by binary search; counting them costs nothing more. An address is held once for an info-hash,
//! whatever its port; a later announce updates port, seed flag and lifetime.
//!
//! Limits: an info-hash has a fixed number of places; when they are taken, a newcomer is refused (and its token was
//! withheld), so that announces spill over to our neighbours. One network may take an eighth of them, or a single /64
//! could close an info-hash to everybody else. When the whole pool is full, a newcomer replaces one of the
//! [`CANDIDATES`] entries that were announced longest ago: the one whose info-hash has most peers, since that one
//! misses it least. Refusing instead would let a flood keep everybody out for a whole lifetime; taking always the
//! oldest would let it thin out small swarms as fast as large ones. The choice costs two binary searches for each
//! candidate.
//!
//! Times are seconds modulo 2^31 beside the seed flag, in four bytes. Entries never differ by more than a lifetime, so
//! their order stays unambiguous however long the node runs.

use core::ops::Range;

use arrayvec::ArrayVec;

use crate::base::list::List;
use crate::base::lru::{Lru, LruLink};
use crate::base::rng::Rng;
use crate::base::time::{Duration, Instant};
use crate::dht::command::PeerKind;
use crate::dht::config::{MAX_SAMPLES, ServerConfig};
use crate::krpc::bloom::Bloom;
use crate::krpc::endpoint::{Endpoint, Family, Network};
use crate::krpc::id::Id;

/// When the pool is full, one of this many of the oldest entries goes.
pub const CANDIDATES: usize = 8;
/// One network may take one part in this many of the places of an info-hash.
pub const NETWORK_SHARE: usize = 8;

const SEED: u32 = 1 << 31;
const CLOCK: u32 = SEED - 1;

/// What became of an announce.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Announced {
    /// A new peer is held.
    New,
    /// A peer that was held already has its new port and seed flag, and a new lifetime.
    Updated,
    /// Not stored: the info-hash has as many peers as it may.
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

/// Memory for one peer.
#[derive(Clone, Copy, Default, Debug)]
pub struct PeerEntry {
    info_hash: Id,
    endpoint: Endpoint,
    /// Seed flag and time of the last announce.
    stamp: [u8; 4],
}

impl PeerEntry {
    fn is_seed(&self) -> bool {
        u32::from_le_bytes(self.stamp) & SEED != 0
    }

    fn place(&self) -> (Id, Family, Endpoint) {
        place(&self.info_hash, &self.endpoint)
    }
}

/// What peers are sorted by.
fn place(info_hash: &Id, peer: &Endpoint) -> (Id, Family, Endpoint) {
    (*info_hash, peer.family(), peer.with_port(0))
}

/// Memory of a [`PeerStore`]. All have the same capacity.
#[derive(Debug)]
pub struct PeersMemory<'s> {
    /// The peers.
    pub entries: List<'s, PeerEntry>,
    /// Their order by last announce.
    pub ages: List<'s, LruLink>,
    /// Their order by info-hash.
    pub order: List<'s, u16>,
}

/// The peers that we hold for others.
#[derive(Debug)]
pub struct PeerStore<'s> {
    entries: List<'s, PeerEntry>,
    recency: Lru<'s>,
    order: List<'s, u16>,
    info_hashes: usize,
    /// Seconds of the last announce, rounded up.
    latest: u64,
    /// In seconds, rounded up.
    lifetime: u64,
    places: usize,
    share: usize,
    sample: ArrayVec<Id, { MAX_SAMPLES as usize }>,
    sample_size: usize,
    sample_interval: Duration,
    sample_until: Instant,
}

impl<'s> PeerStore<'s> {
    /// A store without peers. In a local network, no network has a share.
    pub fn new(config: &ServerConfig, network: Network, memory: PeersMemory<'s>) -> Self {
        let PeersMemory { mut entries, ages, mut order } = memory;
        debug_assert!(entries.capacity().min(order.capacity()) >= ages.capacity(), "a place for every age");
        entries.clear();
        order.clear();
        let places = usize::from(config.peers_per_info_hash);
        PeerStore {
            entries,
            recency: Lru::new(ages),
            order,
            info_hashes: 0,
            latest: 0,
            lifetime: whole_seconds(config.peer_lifetime).min(u64::from(CLOCK)),
            places,
            share: match network {
                Network::Public => (places / NETWORK_SHARE).max(1),
                Network::Local => usize::MAX,
            },
            sample: ArrayVec::new(),
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
        self.info_hashes
    }

    /// How many peers an info-hash has.
    pub fn peers_of(&self, info_hash: &Id) -> usize {
        self.swarm(info_hash).len()
    }

    /// Whether an info-hash has as many peers as it may, so that no token is given for it.
    pub fn is_full_for(&self, info_hash: &Id) -> bool {
        self.peers_of(info_hash) >= self.places
    }

    /// Holds a peer of an info-hash from now on, or for a lifetime more.
    pub fn announce(&mut self, now: Instant, info_hash: &Id, peer: Endpoint, kind: PeerKind) -> Announced {
        self.sweep(now);
        self.latest = self.latest.max(now.as_micros().div_ceil(1_000_000));
        if let Some(number) = self.number_of(info_hash, &peer) {
            self.write(number, info_hash, peer, kind);
            self.recency.refresh(number);
            return Announced::Updated;
        }
        if self.is_full_for(info_hash) {
            return Announced::Full;
        }
        if self.neighbours(info_hash, &peer).len() >= self.share {
            return Announced::Quota;
        }
        if self.recency.is_full() {
            self.evict();
        }
        let Some(number) = self.recency.claim() else { return Announced::Full };
        let at = self.place_of(info_hash, &peer);
        if self.swarm(info_hash).is_empty() {
            self.info_hashes += 1;
        }
        self.order.insert(at, number);
        self.write(number, info_hash, peer, kind);
        Announced::New
    }

    /// Hands out at most `max` peers of one family, without seeds if `noseed` (BEP 33), and returns how many. Every
    /// subset of that size is as likely as any other, so all are found by asking again. One draw for each peer that
    /// is held.
    pub fn sample(
        &self,
        info_hash: &Id,
        family: Family,
        noseed: bool,
        rng: &mut Rng,
        max: usize,
        mut emit: impl FnMut(Endpoint),
    ) -> usize {
        let numbers =
            self.numbers(self.range((*info_hash, family), |entry| (entry.info_hash, entry.endpoint.family())));
        let eligible = |&&number: &&u16| !(noseed && self.entry(number).is_seed());
        let mut left = if noseed { numbers.iter().filter(eligible).count() } else { numbers.len() };
        let wanted = max.min(left);
        let mut missing = wanted;
        for &number in numbers.iter().filter(eligible) {
            if missing == 0 {
                break;
            }
            if (rng.below(left as u32) as usize) < missing {
                emit(self.entry(number).endpoint);
                missing -= 1;
            }
            left -= 1;
        }
        wanted
    }

    /// The filters of an info-hash (BEP 33): its seeds, and its other peers; `None` when it has neither.
    pub fn filters(&self, info_hash: &Id) -> Option<(Bloom, Bloom)> {
        let numbers = self.numbers(self.swarm(info_hash));
        let (mut seeds, mut peers) = (Bloom::default(), Bloom::default());
        for entry in numbers.iter().map(|&number| self.entry(number)) {
            if entry.is_seed() { &mut seeds } else { &mut peers }.insert(&entry.endpoint);
        }
        (!numbers.is_empty()).then_some((seeds, peers))
    }

    /// Hands out at most `max` of the info-hashes of the current sample (BEP 51) that still have peers, and returns how
    /// many. A sample is drawn when it is first asked for and then stays for the interval. One that held everything
    /// there is does not stay: the next call draws again. Drawing is one pass over the store for each interval.
    pub fn sample_infohashes(&mut self, now: Instant, rng: &mut Rng, max: usize, emit: impl FnMut(&Id)) -> usize {
        if self.interval_left(now).is_zero() {
            self.draw_sample(now, rng);
        }
        let held = self.sample.iter().filter(|info_hash| !self.swarm(info_hash).is_empty());
        held.take(max).map(emit).count()
    }

    /// How long the current sample of info-hashes stays; zero when the next call of
    /// [`sample_infohashes`](Self::sample_infohashes) draws a new one.
    pub fn interval_left(&self, now: Instant) -> Duration {
        self.sample_until.since(now)
    }

    /// Forgets every peer whose lifetime is over. Costs nothing before [`sweep_at`](Self::sweep_at), and one pass over
    /// the store then: at most once a second.
    pub fn sweep(&mut self, now: Instant) {
        if self.sweep_at().is_none_or(|at| at > now) {
            return;
        }
        let expired = |entry: &PeerEntry| expires_at(self.latest, self.lifetime, entry) <= now;
        let mut info_hashes = 0;
        let mut last = None;
        self.order.retain(|&number| {
            let entry = &self.entries[usize::from(number)];
            let keep = !expired(entry);
            if keep && last != Some(entry.info_hash) {
                last = Some(entry.info_hash);
                info_hashes += 1;
            }
            keep
        });
        self.info_hashes = info_hashes;
        while let Some(oldest) = self.recency.oldest().filter(|&oldest| expired(&self.entries[usize::from(oldest)])) {
            self.recency.release(oldest);
        }
    }

    /// When the next lifetime is over.
    pub fn sweep_at(&self) -> Option<Instant> {
        self.recency.oldest().map(|oldest| expires_at(self.latest, self.lifetime, self.entry(oldest)))
    }

    fn draw_sample(&mut self, now: Instant, rng: &mut Rng) {
        self.sample.clear();
        let mut left = self.info_hashes;
        let mut last = None;
        for &number in self.order.iter() {
            let info_hash = self.entries[usize::from(number)].info_hash;
            if last == Some(info_hash) {
                continue;
            }
            last = Some(info_hash);
            let missing = self.sample_size - self.sample.len();
            if (rng.below(left as u32) as usize) < missing {
                self.sample.push(info_hash);
            }
            left = left.saturating_sub(1);
        }
        // In random order, so that a reply with room for a few of them has a fair choice too.
        for i in (1..self.sample.len()).rev() {
            self.sample.swap(i, rng.below(i as u32 + 1) as usize);
        }
        let complete = self.sample.len() == self.info_hashes;
        self.sample_until = if complete { now } else { now + self.sample_interval };
    }

    fn write(&mut self, number: u16, info_hash: &Id, peer: Endpoint, kind: PeerKind) {
        let time = self.latest as u32 & CLOCK;
        let stamp = (time | if kind == PeerKind::Seed { SEED } else { 0 }).to_le_bytes();
        let entry = PeerEntry { info_hash: *info_hash, endpoint: peer, stamp };
        match self.entries.get_mut(usize::from(number)) {
            Some(place) => *place = entry,
            None => _ = self.entries.push(entry),
        }
    }

    fn evict(&mut self) {
        // The last maximum wins, and the oldest comes first: hence the reversal.
        let candidates: ArrayVec<u16, CANDIDATES> = self.recency.iter().take(CANDIDATES).collect();
        let peers_beside = |&number: &u16| self.peers_of(&self.entry(number).info_hash);
        if let Some(evicted) = candidates.into_iter().rev().max_by_key(peers_beside) {
            let PeerEntry { info_hash, endpoint, .. } = *self.entry(evicted);
            self.order.remove(self.place_of(&info_hash, &endpoint));
            self.recency.release(evicted);
            if self.swarm(&info_hash).is_empty() {
                self.info_hashes -= 1;
            }
        }
    }

    /// The places of the peers of one info-hash.
    fn swarm(&self, info_hash: &Id) -> Range<usize> {
        self.range(*info_hash, |entry| entry.info_hash)
    }

    /// The places of the peers of one info-hash in the network of `peer`. The network is the front of the address, so
    /// they lie side by side.
    fn neighbours(&self, info_hash: &Id, peer: &Endpoint) -> Range<usize> {
        let key = |info_hash: &Id, peer: &Endpoint| (*info_hash, peer.family(), peer.network());
        self.range(key(info_hash, peer), |entry| key(&entry.info_hash, &entry.endpoint))
    }

    /// The places of all entries whose `part` of what they are sorted by is `wanted`.
    fn range<K: Ord>(&self, wanted: K, part: impl Fn(&PeerEntry) -> K) -> Range<usize> {
        let (numbers, entries) = (&self.order[..], &self.entries[..]);
        let part = |number: u16| part(&entries[usize::from(number)]);
        let start = numbers.partition_point(|&number| part(number) < wanted);
        // No info-hash has more entries than it has places, so the end is not far.
        let rest = numbers.get(start..numbers.len().min(start + self.places)).unwrap_or_default();
        start..start + rest.partition_point(|&number| part(number) <= wanted)
    }

    fn numbers(&self, places: Range<usize>) -> &[u16] {
        self.order.get(places).unwrap_or_default()
    }

    fn number_of(&self, info_hash: &Id, peer: &Endpoint) -> Option<u16> {
        let number = *self.order.get(self.place_of(info_hash, peer))?;
        (self.entry(number).place() == place(info_hash, peer)).then_some(number)
    }

    /// Where a peer is, or would be, in the order.
    fn place_of(&self, info_hash: &Id, peer: &Endpoint) -> usize {
        let wanted = place(info_hash, peer);
        self.order.partition_point(|&number| self.entry(number).place() < wanted)
    }

    fn entry(&self, number: u16) -> &PeerEntry {
        &self.entries[usize::from(number)]
    }

    /// Recounts everything that has to hold.
    #[cfg(any(test, debug_assertions))]
    pub fn check_invariants(&self) {
        let entries = || self.order.iter().map(|&number| self.entry(number));
        assert!(entries().count() == self.len() && self.recency.iter().count() == self.len());
        assert!(entries().is_sorted_by(|a, b| a.place() < b.place()), "sorted, and no peer twice");
        let mut info_hashes = 0;
        let mut last = None;
        for entry in entries() {
            info_hashes += usize::from(last != Some(entry.info_hash));
            last = Some(entry.info_hash);
            assert!(self.peers_of(&entry.info_hash) <= self.places);
            assert!(self.neighbours(&entry.info_hash, &entry.endpoint).len() <= self.share);
        }
        assert_eq!(info_hashes, self.info_hashes);
        assert!(
            self.recency.iter().is_sorted_by_key(|number| expires_at(self.latest, self.lifetime, self.entry(number))),
            "the oldest is the next to expire"
        );
    }
}

/// When a peer is forgotten, in a store whose last announce was at `latest`.
fn expires_at(latest: u64, lifetime: u64, entry: &PeerEntry) -> Instant {
    let age = (latest as u32).wrapping_sub(u32::from_le_bytes(entry.stamp)) & CLOCK;
    Instant::from_secs(latest.saturating_sub(u64::from(age)).saturating_add(lifetime))
}

fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests;
