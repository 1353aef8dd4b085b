//! The items that we hold for others (BEP 44).
//!
//! One table, sorted by (target, kind): a target may be held as a mutable and as an immutable item at the same time,
//! and neither can take the other's place. Values lie in the block arena, exactly as they came over the wire. The salt
//! is not kept: it is part of the target, and nobody is ever told it.
//!
//! An item lives for a fixed time after its last put. When the table or the arena is full, a new item has to push out
//! another: of the [`CANDIDATES`] items that are farthest from our id, and farther than the new one, the one that was
//! longest without a put. So an item near us, or one that somebody keeps alive, stays. The farthest items of a list
//! that is sorted by target are found on one walk down the bits of our id, by a binary search for each bit: no scan.
//!
//! Two rules bound what a flood can destroy. A network (/24 or /64) may hold a fixed number of items, counted for the
//! network that put an item first, for as long as it is held. And an item pushes out at most one other, only when it is
//! new: a put that would have to remove more, and an update that outgrows the room, are refused. So a network removes
//! at most as many items of others as its own quota gives it.

use core::cmp::Reverse;

use arrayvec::ArrayVec;

use crate::base::arena::{Arena, Block, Chain};
use crate::base::list::List;
use crate::base::lru::{Lru, LruLink};
use crate::base::slab::SlabKey;
use crate::base::time::{Duration, Instant};
use crate::dht::config::ServerConfig;
use crate::krpc::endpoint::{Endpoint, Network};
use crate::krpc::id::Id;
use crate::krpc::item::{Item, MAX_SALT, MAX_VALUE, Mutable};

/// Among this many of the farthest items, the one longest without a put has to go.
pub const CANDIDATES: usize = 8;

/// A put whose token was verified.
#[derive(Clone, Copy, Debug)]
pub struct Put<'a> {
    /// Who puts.
    pub from: Endpoint,
    /// Where the item belongs: [`Item::target`].
    pub target: Id,
    /// The item.
    pub item: Item<'a>,
    /// The sequence number that the stored item must have, if there is one.
    pub cas: Option<i64>,
}

/// What became of a put.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PutOutcome {
    /// A new item is held.
    Stored,
    /// A newer version is held in place of an older one.
    Replaced,
    /// The same item was held already; its lifetime begins anew.
    Identical,
    /// Error 301: the expected sequence number is not the stored one.
    CasMismatch,
    /// Error 302: a higher sequence number is held, or the same one with another value.
    SeqTooOld,
    /// Error 206.
    BadSignature,
    /// Not stored: a limit of ours.
    Rejected(Rejection),
    /// Not stored: it would have been the next to be pushed out.
    EvictedSelf,
}

impl PutOutcome {
    /// Whether the item that was put is held now.
    #[allow(dead_code, reason = "asked by tests only")]
    pub fn is_held(self) -> bool {
        matches!(self, PutOutcome::Stored | PutOutcome::Replaced | PutOutcome::Identical)
    }
}

/// The limit that a put ran into.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rejection {
    /// The putter's network holds as many items as one network may.
    Quota,
    /// More than one other item would have to go, or the newer version of an item outgrows the room.
    Space,
    /// Value or salt are longer than BEP 44 allows.
    Size,
}

/// An item as it is held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StoredItem<'b> {
    /// The bencoded value.
    pub value: &'b [u8],
    /// Present when the item is mutable.
    pub mutable: Option<StoredVersion<'b>>,
}

/// What is told of a mutable item besides its value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StoredVersion<'b> {
    /// Public key.
    pub key: &'b [u8; 32],
    /// Sequence number.
    pub seq: i64,
    /// Signature.
    pub signature: &'b [u8; 64],
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
enum Kind {
    #[default]
    Immutable,
    Mutable,
}

impl Kind {
    fn of(item: &Item<'_>) -> Kind {
        if item.mutable.is_some() { Kind::Mutable } else { Kind::Immutable }
    }
}

/// Memory for one item, its value apart.
#[derive(Clone, Copy, Debug)]
pub struct ItemEntry {
    put_at: Instant,
    /// Network of the first putter, which the item is counted for.
    network: u64,
    seq: i64,
    key: [u8; 32],
    signature: [u8; 64],
    target: Id,
    /// How often an item was removed from this place.
    generation: u32,
    value: Chain,
    kind: Kind,
}

/// Memory of [`Items`]. The first four have the same capacity.
#[derive(Debug)]
pub struct ItemsMemory<'s> {
    /// The items.
    pub entries: List<'s, ItemEntry>,
    /// Their order by last put.
    pub ages: List<'s, LruLink>,
    /// Their order by target.
    pub by_target: List<'s, u16>,
    /// Their order by network.
    pub by_network: List<'s, u16>,
    /// Their values.
    pub blocks: List<'s, Block>,
}

/// The items that we hold for others.
#[derive(Debug)]
pub struct Items<'s> {
    entries: List<'s, ItemEntry>,
    recency: Lru<'s>,
    by_target: List<'s, u16>,
    by_network: List<'s, u16>,
    arena: Arena<'s>,
    lifetime: Duration,
    quota: usize,
    latest: Instant,
}

impl<'s> Items<'s> {
    /// A store without items. In a local network, no network has a quota.
    pub fn new(config: &ServerConfig, network: Network, memory: ItemsMemory<'s>) -> Self {
        let ItemsMemory { mut entries, ages, mut by_target, mut by_network, blocks } = memory;
        let shortest = entries.capacity().min(by_target.capacity()).min(by_network.capacity());
        debug_assert!(shortest >= ages.capacity(), "a place for every age");
        entries.clear();
        by_target.clear();
        by_network.clear();
        Items {
            entries,
            recency: Lru::new(ages),
            by_target,
            by_network,
            arena: Arena::new(blocks),
            lifetime: config.item_lifetime,
            quota: match network {
                Network::Public => usize::from(config.items_per_network),
                Network::Local => usize::MAX,
            },
            latest: Instant::ZERO,
        }
    }

    /// How many items are held.
    pub fn len(&self) -> usize {
        self.recency.len()
    }

    /// Whether no item is held.
    #[allow(dead_code, reason = "asked by tests only")]
    pub fn is_empty(&self) -> bool {
        self.recency.is_empty()
    }

    /// Bytes of all values together.
    #[allow(dead_code, reason = "asked by tests only")]
    pub fn bytes(&self) -> usize {
        self.recency.iter().map(|number| self.entry(number).value.len()).sum()
    }

    /// Stores the item of a put, or says why not (rules S6 to S16). `own` is our id on the link that the put came in
    /// by, `verify` checks the signature and is called at most once, only for a mutable item, only when everything
    /// else speaks for it, and not for one that is held already.
    pub fn put(&mut self, now: Instant, own: &Id, put: &Put<'_>, verify: impl FnOnce() -> bool) -> PutOutcome {
        self.sweep(now);
        let salt = put.item.mutable.map_or(0, |mutable| mutable.salt.len());
        if put.item.value.len() > MAX_VALUE || salt > MAX_SALT {
            return PutOutcome::Rejected(Rejection::Size);
        }
        match (self.number_of(&put.target, Kind::of(&put.item)), &put.item.mutable) {
            (None, _) => self.put_new(own, put, verify),
            (Some(number), Some(mutable)) => self.put_version(number, mutable, put, verify),
            // The target is the hash of the value, so this is the value that is held.
            (Some(number), None) => self.refresh(number),
        }
    }

    /// The handle of the item that is held under `target`; the mutable one, if both kinds are.
    pub fn find(&self, target: &Id) -> Option<SlabKey> {
        let number = self.number_of(target, Kind::Mutable).or_else(|| self.number_of(target, Kind::Immutable))?;
        Some(SlabKey { index: number, generation: self.entry(number).generation })
    }

    /// The sequence number of a mutable item; `None` for an immutable one, or once it was removed.
    pub fn seq(&self, key: SlabKey) -> Option<i64> {
        let entry = self.held(key)?;
        (entry.kind == Kind::Mutable).then_some(entry.seq)
    }

    /// The item of `key`, its value copied into `buf`; `None` once it was removed.
    pub fn view<'b>(&'b self, key: SlabKey, buf: &'b mut [u8; MAX_VALUE]) -> Option<StoredItem<'b>> {
        let entry = self.held(key)?;
        let len = self.arena.copy_to(entry.value, buf)?;
        let mutable = match entry.kind {
            Kind::Immutable => None,
            Kind::Mutable => Some(StoredVersion { key: &entry.key, seq: entry.seq, signature: &entry.signature }),
        };
        Some(StoredItem { value: buf.get(..len)?, mutable })
    }

    /// Whether an item that is not held would be the first to be pushed out if it were stored now, so that a token
    /// for it is not worth giving: the store is full, and everything in it is nearer to `own`. Full means without
    /// room for one more value of any size.
    pub fn would_evict_first(&self, own: &Id, target: &Id) -> bool {
        let full = self.recency.is_full() || self.arena.free_blocks() < Block::count_for(MAX_VALUE);
        let farthest = || self.farthest(own, 1).first().map(|&number| own.distance(&self.entry(number).target));
        full && self.find(target).is_none() && farthest().is_none_or(|farthest| farthest <= own.distance(target))
    }

    /// Removes every item whose lifetime is over.
    pub fn sweep(&mut self, now: Instant) {
        self.latest = self.latest.max(now);
        while let Some(oldest) = self.recency.oldest().filter(|&oldest| self.expires_at(oldest) <= self.latest) {
            self.remove(oldest);
        }
    }

    /// When the next lifetime is over.
    pub fn sweep_at(&self) -> Option<Instant> {
        self.recency.oldest().map(|oldest| self.expires_at(oldest))
    }

    fn put_new(&mut self, own: &Id, put: &Put<'_>, verify: impl FnOnce() -> bool) -> PutOutcome {
        let network = put.from.network();
        if self.held_for(network) >= self.quota {
            return PutOutcome::Rejected(Rejection::Quota);
        }
        let evicted = match self.evicted_for(own, put) {
            Ok(evicted) => evicted,
            Err(refusal) => return refusal,
        };
        if put.item.mutable.is_some() && !verify() {
            return PutOutcome::BadSignature;
        }
        if let Some(evicted) = evicted {
            self.remove(evicted);
        }
        match self.add(network, put) {
            Some(()) => PutOutcome::Stored,
            None => PutOutcome::Rejected(Rejection::Space),
        }
    }

    fn put_version(
        &mut self,
        number: u16,
        mutable: &Mutable<'_>,
        put: &Put<'_>,
        verify: impl FnOnce() -> bool,
    ) -> PutOutcome {
        let held = self.entry(number);
        if put.cas.is_some_and(|expected| expected != held.seq) {
            return PutOutcome::CasMismatch;
        }
        let newer = mutable.seq > held.seq;
        if !newer && (mutable.seq < held.seq || !self.arena.eq(held.value, put.item.value)) {
            return PutOutcome::SeqTooOld;
        }
        if !newer {
            let known = held.key == *mutable.key && held.signature == *mutable.signature;
            return if known || verify() { self.refresh(number) } else { PutOutcome::BadSignature };
        }
        if Block::count_for(put.item.value.len()) > self.arena.free_blocks() + held.value.blocks() {
            return PutOutcome::Rejected(Rejection::Space);
        }
        if !verify() {
            return PutOutcome::BadSignature;
        }
        let old = held.value;
        self.arena.release(old);
        let Some(value) = self.arena.store(put.item.value) else {
            debug_assert!(false, "the room was counted");
            self.entries[usize::from(number)].value = Chain::EMPTY;
            self.remove(number);
            return PutOutcome::Rejected(Rejection::Space);
        };
        let held = &mut self.entries[usize::from(number)];
        (held.value, held.seq, held.key, held.signature) = (value, mutable.seq, *mutable.key, *mutable.signature);
        self.refresh(number);
        PutOutcome::Replaced
    }

    fn refresh(&mut self, number: u16) -> PutOutcome {
        self.entries[usize::from(number)].put_at = self.latest;
        self.recency.refresh(number);
        PutOutcome::Identical
    }

    /// Whether a new item fits: at once, or in place of the item that is returned.
    fn evicted_for(&self, own: &Id, put: &Put<'_>) -> Result<Option<u16>, PutOutcome> {
        let needed = Block::count_for(put.item.value.len());
        if !self.recency.is_full() && needed <= self.arena.free_blocks() {
            return Ok(None);
        }
        let candidates = self.farthest(own, CANDIDATES);
        let nearest_to_go = own.distance(&put.target);
        let mut farther = candidates
            .iter()
            .map(|&number| (self.entry(number), number))
            .filter(|(entry, _)| own.distance(&entry.target) > nearest_to_go)
            .peekable();
        if farther.peek().is_none() && !candidates.is_empty() {
            return Err(PutOutcome::EvictedSelf);
        }
        let fits = |entry: &ItemEntry| needed <= self.arena.free_blocks() + entry.value.blocks();
        farther
            .filter(|(entry, _)| fits(entry))
            .min_by_key(|(entry, _)| (entry.put_at, Reverse(own.distance(&entry.target)), entry.kind))
            .map(|(_, number)| Some(number))
            .ok_or(PutOutcome::Rejected(Rejection::Space))
    }

    /// The `wanted` items farthest from `own` (or all), in no particular order.
    fn farthest(&self, own: &Id, mut wanted: usize) -> ArrayVec<u16, CANDIDATES> {
        let mut found = ArrayVec::new();
        let mut range = &self.by_target[..];
        // All targets of `range` share the bits before the one where its two ends differ. That bit parts it into two
        // halves, of which the one that differs from our id is the farther one, whatever follows.
        while let [first, .., last] = range {
            let bit = self.entry(*first).target.shared_prefix_len(&self.entry(*last).target);
            if range.len() <= wanted || bit >= 160 {
                break;
            }
            let half = range.partition_point(|&number| !self.entry(number).target.bit(bit));
            let (zeros, ones) = range.split_at(half);
            let (far, near) = if own.bit(bit) { (zeros, ones) } else { (ones, zeros) };
            if far.len() >= wanted {
                range = far;
            } else {
                found.extend(far.iter().copied());
                wanted -= far.len();
                range = near;
            }
        }
        found.extend(range.iter().copied().take(wanted));
        found
    }

    fn add(&mut self, network: u64, put: &Put<'_>) -> Option<()> {
        let value = self.arena.store(put.item.value)?;
        let Some(number) = self.recency.claim() else {
            self.arena.release(value);
            return None;
        };
        let kind = Kind::of(&put.item);
        let at = self.place_of(&put.target, kind);
        self.by_target.insert(at, number);
        let at = self.place_in_network(network, number);
        self.by_network.insert(at, number);
        let mutable = put.item.mutable.as_ref();
        let entry = ItemEntry {
            put_at: self.latest,
            network,
            seq: mutable.map_or(0, |mutable| mutable.seq),
            key: mutable.map_or([0; 32], |mutable| *mutable.key),
            signature: mutable.map_or([0; 64], |mutable| *mutable.signature),
            target: put.target,
            generation: self.entries.get(usize::from(number)).map_or(0, |entry| entry.generation),
            value,
            kind,
        };
        match self.entries.get_mut(usize::from(number)) {
            Some(place) => *place = entry,
            None => _ = self.entries.push(entry),
        }
        Some(())
    }

    fn remove(&mut self, number: u16) {
        let ItemEntry { target, kind, network, value, .. } = *self.entry(number);
        self.by_target.remove(self.place_of(&target, kind));
        self.by_network.remove(self.place_in_network(network, number));
        self.arena.release(value);
        self.recency.release(number);
        let entry = &mut self.entries[usize::from(number)];
        entry.generation = entry.generation.wrapping_add(1);
    }

    fn number_of(&self, target: &Id, kind: Kind) -> Option<u16> {
        let number = *self.by_target.get(self.place_of(target, kind))?;
        let entry = self.entry(number);
        (entry.target == *target && entry.kind == kind).then_some(number)
    }

    /// Where an item is, or would be, in the order by target.
    fn place_of(&self, target: &Id, kind: Kind) -> usize {
        let entries = &self.entries[..];
        self.by_target.partition_point(move |&number| {
            let entry = &entries[usize::from(number)];
            (&entry.target, entry.kind) < (target, kind)
        })
    }

    /// Where an item is, or would be, in the order by network.
    fn place_in_network(&self, network: u64, number: u16) -> usize {
        let entries = &self.entries[..];
        self.by_network.partition_point(move |&other| (entries[usize::from(other)].network, other) < (network, number))
    }

    fn held_for(&self, network: u64) -> usize {
        self.place_in_network(network, u16::MAX) - self.place_in_network(network, 0)
    }

    fn expires_at(&self, number: u16) -> Instant {
        self.entry(number).put_at + self.lifetime
    }

    /// The item of a handle; `None` once it was removed.
    fn held(&self, key: SlabKey) -> Option<&ItemEntry> {
        self.entries.get(usize::from(key.index)).filter(|entry| entry.generation == key.generation)
    }

    fn entry(&self, number: u16) -> &ItemEntry {
        &self.entries[usize::from(number)]
    }

    /// Recounts everything that has to hold.
    #[cfg(any(test, debug_assertions))]
    pub fn check_invariants(&self) {
        let by_target = &self.by_target;
        let by_network = &self.by_network;
        assert!(
            by_target.len() == self.len()
                && by_network.len() == self.len()
                && self.recency.iter().count() == self.len()
        );
        assert!(by_target.is_sorted_by(|&a, &b| {
            let (a, b) = (self.entry(a), self.entry(b));
            (a.target, a.kind) < (b.target, b.kind)
        }));
        assert!(by_network.is_sorted_by(|&a, &b| (self.entry(a).network, a) < (self.entry(b).network, b)));
        assert!(by_target.iter().all(|&number| self.held_for(self.entry(number).network) <= self.quota));
        assert!(self.recency.iter().is_sorted_by_key(|number| self.entry(number).put_at));
        assert!(self.recency.iter().all(|number| self.expires_at(number) > self.latest));
        let taken: usize = by_target.iter().map(|&number| self.entry(number).value.blocks()).sum();
        let free = self.arena.capacity_bytes() / Block::BYTES - taken;
        assert!(self.arena.free_blocks() <= free, "no block is used twice");
    }
}

#[cfg(test)]
mod tests;
