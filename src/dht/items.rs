//! The items that we hold for others (BEP 44).
//!
//! One table, sorted by (target, kind): a target may be held as a mutable and as an immutable item at the same time,
//! and neither can take the other's place. Values lie in the block arena, exactly as they came over the wire. The salt
//! is not kept: it is part of the target, and nobody is ever told it.
//!
//! An item lives for a fixed time after its last put. When the table or the arena is full, a new item has to push out
//! another: of the [`CANDIDATES`] items that are farthest from our id, and farther than the new one, the one that was
//! longest without a put. So an item near us, or one that somebody keeps alive, stays. The farthest items of an order
//! by target are found on one walk down the bits of our id, by a binary search for each bit: no scan.
//!
//! Three rules bound what a flood can destroy. A network may hold a fixed number of items, counted for the network that
//! put an item first, for as long as it is held. An item that needs the place of another takes it from the network that
//! holds most, so from its own where that is the one; only while nobody holds more than one it is as above. And an item
//! pushes out at most one other, only when it is new: a put that would have to remove more, and an update that outgrows
//! the room, are refused. Of the items that might go, those that were put again in another period go last.

use core::cmp::Reverse;
use core::ops::Range;

use arrayvec::ArrayVec;

use crate::base::arena::{Arena, Block, Chain};
use crate::base::list::List;
use crate::base::lru::{Lru, LruLink};
use crate::base::order::{Order, OrderPlace, Ordered};
use crate::base::planted::{Bug, planted};
use crate::base::time::{Duration, Instant};
use crate::dht::config::ServerConfig;
use crate::dht::holders::Holders;
use crate::krpc::endpoint::{Endpoint, Network};
use crate::krpc::id::Id;
use crate::krpc::item::{Item, MAX_ENCODED, MAX_SALT, MAX_VALUE, Mutable, is_readable};
use crate::krpc::networks::Networks;

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
    /// It was put in one period and again in another.
    is_kept: bool,
}

/// A handle of an item: once it was removed it finds nothing, even if another item has its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ItemKey {
    index: u32,
    /// How often an item had been removed from that place before.
    generation: u32,
}

/// Memory of [`Items`]. The first two have the same capacity, the orders what [`Order::memory_for`] says of it.
#[derive(Debug)]
pub struct ItemsMemory<'s> {
    /// The items.
    pub entries: List<'s, ItemEntry>,
    /// Their order by last put.
    pub ages: List<'s, LruLink>,
    /// Their order by target.
    pub by_target: List<'s, Ordered>,
    /// Their order by network.
    pub by_network: List<'s, Ordered>,
    /// Their values.
    pub blocks: List<'s, Block>,
}

/// The items that we hold for others.
#[derive(Debug)]
pub struct Items<'s> {
    entries: List<'s, ItemEntry>,
    recency: Lru<'s>,
    by_target: Order<'s>,
    holders: Holders<'s>,
    arena: Arena<'s>,
    lifetime: Duration,
    /// In which items are to be put again: half a lifetime, in microseconds.
    period: u64,
    quota: usize,
    latest: Instant,
    /// One that was far from us when it was last looked for: while it is held, most targets are known to be nearer.
    far: u32,
}

impl<'s> Items<'s> {
    /// A store without items. In a local network, no network has a quota.
    pub fn new(config: &ServerConfig, network: Network, memory: ItemsMemory<'s>) -> Self {
        let ItemsMemory { mut entries, ages, by_target, by_network, blocks } = memory;
        let sorted = by_target.capacity().min(by_network.capacity());
        debug_assert!(entries.capacity() >= ages.capacity(), "a place for every age");
        debug_assert!(sorted >= Order::memory_for(ages.capacity()), "a place in both orders for every age");
        entries.clear();
        Items {
            entries,
            recency: Lru::new(ages),
            by_target: Order::new(by_target),
            holders: Holders::new(by_network),
            arena: Arena::new(blocks),
            lifetime: config.item_lifetime,
            period: u64::try_from(config.item_lifetime.as_micros() / 2).unwrap_or(u64::MAX).max(1),
            quota: match network {
                Network::Public => usize::from(config.items_per_network),
                Network::Local => usize::MAX,
            },
            latest: Instant::ZERO,
            far: 0,
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
        if !is_readable(put.item.value) || salt > MAX_SALT {
            return PutOutcome::Rejected(Rejection::Size);
        }
        match (self.held_as(&put.target, Kind::of(&put.item)), &put.item.mutable) {
            (None, _) => self.put_new(own, put, verify),
            (Some(number), Some(mutable)) => self.put_version(number, mutable, put, verify),
            // The target is the hash of the value, so this is the value that is held.
            (Some(number), None) => self.refresh(number),
        }
    }

    /// The handle of the item that is held under `target`; the mutable one, if both kinds are.
    pub fn find(&self, target: &Id) -> Option<ItemKey> {
        let [first, second] = self.held_under(target);
        let number = second.or(first)?;
        Some(ItemKey { index: number, generation: self.entry(number).generation })
    }

    /// The sequence number of a mutable item; `None` for an immutable one, or once it was removed.
    pub fn seq(&self, key: ItemKey) -> Option<i64> {
        let entry = self.held(key)?;
        (entry.kind == Kind::Mutable).then_some(entry.seq)
    }

    /// The item of `key`, its value copied into `buf`; `None` once it was removed.
    pub fn view<'b>(&'b self, key: ItemKey, buf: &'b mut [u8; MAX_VALUE]) -> Option<StoredItem<'b>> {
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
    pub fn would_evict_first(&mut self, own: &Id, target: &Id) -> bool {
        let full = self.recency.is_full() || self.arena.free_blocks() < Block::count_for(MAX_ENCODED);
        full && !self.has_farther(own, target) && self.find(target).is_none()
    }

    /// Removes every item whose lifetime is over.
    pub fn sweep(&mut self, now: Instant) {
        self.latest = self.latest.max(now);
        if planted(Bug::ExpiredServed) {
            return;
        }
        while let Some(oldest) = self.recency.oldest().filter(|&oldest| self.expires_at(oldest) <= self.latest) {
            self.remove(oldest);
        }
    }

    /// When the next lifetime is over.
    pub fn sweep_at(&self) -> Option<Instant> {
        if planted(Bug::ExpiredServed) {
            return None;
        }
        self.recency.oldest().map(|oldest| self.expires_at(oldest))
    }

    fn put_new(&mut self, own: &Id, put: &Put<'_>, verify: impl FnOnce() -> bool) -> PutOutcome {
        let networks = Networks::of(&put.from);
        let mut held = self.holders.held(networks, &|number| self.entry(number).network);
        if self.holders.is_full(networks, held, self.quota, &|number| self.entry(number).network) {
            return PutOutcome::Rejected(Rejection::Quota);
        }
        let evicted = match self.evicted_for(own, put, held) {
            Ok(evicted) => evicted,
            Err(refusal) => return refusal,
        };
        if put.item.mutable.is_some() && !verify() {
            return PutOutcome::BadSignature;
        }
        if let Some(evicted) = evicted {
            self.remove(evicted);
            held = self.holders.held(networks, &|number| self.entry(number).network);
        }
        match self.add(networks, held, put) {
            Some(()) => PutOutcome::Stored,
            None => PutOutcome::Rejected(Rejection::Space),
        }
    }

    fn put_version(
        &mut self,
        number: u32,
        mutable: &Mutable<'_>,
        put: &Put<'_>,
        verify: impl FnOnce() -> bool,
    ) -> PutOutcome {
        let held = self.entry(number);
        if put.cas.is_some_and(|expected| expected != held.seq) {
            return PutOutcome::CasMismatch;
        }
        let newer = mutable.seq > held.seq;
        if !newer
            && (mutable.seq < held.seq || planted(Bug::IdenticalRefused) || !self.arena.eq(held.value, put.item.value))
        {
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
            self.entries[number as usize].value = Chain::EMPTY;
            self.remove(number);
            return PutOutcome::Rejected(Rejection::Space);
        };
        let held = &mut self.entries[number as usize];
        (held.value, held.seq, held.key, held.signature) = (value, mutable.seq, *mutable.key, *mutable.signature);
        self.refresh(number);
        PutOutcome::Replaced
    }

    fn refresh(&mut self, number: u32) -> PutOutcome {
        let (period, now) = (self.period, self.latest);
        let entry = &mut self.entries[number as usize];
        entry.is_kept |= entry.put_at.as_micros() / period != now.as_micros() / period;
        entry.put_at = now;
        self.recency.refresh(number);
        PutOutcome::Identical
    }

    /// Whether a new item, of networks that hold so many, fits: at once, or in place of the item that is returned.
    fn evicted_for(&mut self, own: &Id, put: &Put<'_>, held: usize) -> Result<Option<u32>, PutOutcome> {
        let needed = Block::count_for(put.item.value.len());
        if !self.recency.is_full() && needed <= self.arena.free_blocks() {
            return Ok(None);
        }
        let candidates = self.farthest(own, CANDIDATES);
        let nearest_to_go = own.distance(&put.target);
        let is_farther = |&number: &u32| own.distance(&self.entry(number).target) > nearest_to_go;
        let farther: ArrayVec<u32, CANDIDATES> = candidates.iter().copied().filter(is_farther).collect();
        if farther.is_empty() && !candidates.is_empty() {
            return Err(PutOutcome::EvictedSelf);
        }
        let giving_way = match self.quota {
            usize::MAX => ArrayVec::new(),
            _ => {
                let of = |number: u32| self.entries[number as usize].network;
                self.holders.giving_way(Networks::of(&put.from), held, &farther, &of)
            }
        };
        let some = if giving_way.is_empty() { farther } else { giving_way };
        let fits = |entry: &ItemEntry| needed <= self.arena.free_blocks() + entry.value.blocks();
        some.into_iter()
            .map(|number| (self.entry(number), number))
            .filter(|(entry, _)| fits(entry))
            .min_by_key(|(entry, _)| (entry.is_kept, entry.put_at, Reverse(own.distance(&entry.target)), entry.kind))
            .map(|(_, number)| Some(number))
            .ok_or(PutOutcome::Rejected(Rejection::Space))
    }

    /// The `wanted` items farthest from `own` (or all), in no particular order.
    fn farthest(&self, own: &Id, mut wanted: usize) -> ArrayVec<u32, CANDIDATES> {
        let mut found = ArrayVec::new();
        let mut range = self.by_target.start()..self.by_target.end();
        while self.by_target.count(&range) > wanted
            && let Some(bit) = self.parting_bit(&range)
        {
            let (far, near) = self.halves(own, &range, bit);
            let in_far = self.by_target.count(&far);
            if in_far >= wanted {
                range = far;
            } else {
                found.extend(self.by_target.iter(far));
                wanted -= in_far;
                range = near;
            }
        }
        found.extend(self.by_target.iter(range).take(wanted));
        found
    }

    /// Whether some item is farther from `own` than `target` is. The farthest ones are those that share most bits with
    /// the opposite of `own`, and one of the two that it would stand between is among them: for nearly every target,
    /// that one is farther.
    fn has_farther(&mut self, own: &Id, target: &Id) -> bool {
        let nearest_to_go = own.distance(target);
        let is_farther = |store: &Self, number| own.distance(&store.entry(number).target) > nearest_to_go;
        if self.recency.is_taken(self.far) && is_farther(self, self.far) {
            return true;
        }
        let opposite = Id(own.0.map(|byte| !byte));
        let place = self.place_of(&opposite, Kind::Immutable);
        let beside = [self.by_target.back(place), Some(place)].into_iter().flatten();
        let beside = beside.filter_map(|place| self.by_target.get(place));
        if let Some(far) = beside.into_iter().find(|&number| is_farther(self, number)) {
            self.far = far;
            return true;
        }
        self.farthest(own, 1).iter().any(|&number| is_farther(self, number))
    }

    /// The first bit in which the targets of `range` differ: that in which its two ends do. `None`, when all have one
    /// target.
    fn parting_bit(&self, range: &Range<OrderPlace>) -> Option<u32> {
        let first = self.entry(self.by_target.get(range.start)?).target;
        let last = self.entry(self.by_target.get(self.by_target.back(range.end)?)?).target;
        Some(first.shared_prefix_len(&last)).filter(|&bit| bit < 160)
    }

    /// Parts items by the first bit in which their targets differ into those that are farther from `own` and those that
    /// are nearer: the half that differs from our id in that bit is the farther one, whatever follows.
    fn halves(&self, own: &Id, range: &Range<OrderPlace>, bit: u32) -> (Range<OrderPlace>, Range<OrderPlace>) {
        let any = self.by_target.get(range.start).map_or(*own, |number| self.entry(number).target);
        let mut first_one = first_with(&any, bit);
        first_one.0[(bit / 8) as usize] |= 0x80 >> (bit % 8);
        let middle = self.place_of(&first_one, Kind::Immutable);
        let (zeros, ones) = (range.start..middle, middle..range.end);
        if own.bit(bit) { (zeros, ones) } else { (ones, zeros) }
    }

    fn add(&mut self, networks: Networks, held: usize, put: &Put<'_>) -> Option<()> {
        let value = self.arena.store(put.item.value)?;
        let Some(number) = self.recency.claim() else {
            self.arena.release(value);
            return None;
        };
        let kind = Kind::of(&put.item);
        self.by_target.insert(self.place_of(&put.target, kind), put.target.front(), number);
        let mutable = put.item.mutable.as_ref();
        let entry = ItemEntry {
            put_at: self.latest,
            network: networks.smallest(),
            seq: mutable.map_or(0, |mutable| mutable.seq),
            key: mutable.map_or([0; 32], |mutable| *mutable.key),
            signature: mutable.map_or([0; 64], |mutable| *mutable.signature),
            target: put.target,
            generation: self.entries.get(number as usize).map_or(0, |entry| entry.generation),
            value,
            kind,
            is_kept: false,
        };
        match self.entries.get_mut(number as usize) {
            Some(place) => *place = entry,
            None => _ = self.entries.push(entry),
        }
        self.holders.add(networks, held, number, &|number| self.entries[number as usize].network);
        Some(())
    }

    fn remove(&mut self, number: u32) {
        let ItemEntry { target, kind, network, value, .. } = *self.entry(number);
        self.by_target.remove(self.place_of(&target, kind));
        self.holders.remove(network, number, &|number| self.entries[number as usize].network);
        self.arena.release(value);
        self.recency.release(number);
        let entry = &mut self.entries[number as usize];
        entry.generation = entry.generation.wrapping_add(1);
    }

    fn held_as(&self, target: &Id, kind: Kind) -> Option<u32> {
        self.held_under(target).into_iter().flatten().find(|&number| self.entry(number).kind == kind)
    }

    /// The items that are held under a target, the mutable one last.
    fn held_under(&self, target: &Id) -> [Option<u32>; 2] {
        let mut place = self.place_of(target, Kind::Immutable);
        let mut held = [None; 2];
        for held in &mut held {
            // What is not held ends here, nearly always: no item is looked at.
            *held = self.by_target.get_if(place, target.front()).filter(|&n| self.entry(n).target == *target);
            if held.is_none() {
                break;
            }
            place = self.by_target.skip(place, 1);
        }
        held
    }

    /// Where an item is, or would be, in the order by target.
    fn place_of(&self, target: &Id, kind: Kind) -> OrderPlace {
        self.by_target.place(target.front(), &|number| {
            let entry = self.entry(number);
            (&entry.target, entry.kind) < (target, kind)
        })
    }

    fn expires_at(&self, number: u32) -> Instant {
        self.entry(number).put_at + self.lifetime
    }

    /// The item of a handle; `None` once it was removed.
    fn held(&self, key: ItemKey) -> Option<&ItemEntry> {
        self.entries.get(key.index as usize).filter(|entry| entry.generation == key.generation)
    }

    fn entry(&self, number: u32) -> &ItemEntry {
        &self.entries[number as usize]
    }

    /// Recounts everything that has to hold.
    #[cfg(any(test, debug_assertions))]
    pub fn check_invariants(&self) {
        let by_target = || self.by_target.iter(self.by_target.start()..self.by_target.end());
        assert_eq!([by_target().count(), self.by_target.len(), self.recency.iter().count()], [self.len(); 3]);
        self.holders.check_invariants(self.len(), self.quota, &|number| self.entry(number).network);
        assert!(
            by_target().map(|number| (self.entry(number).target, self.entry(number).kind)).is_sorted_by(|a, b| a < b)
        );
        assert!(self.recency.iter().is_sorted_by_key(|number| self.entry(number).put_at));
        assert!(self.recency.iter().all(|number| self.expires_at(number) > self.latest));
        let taken: usize = by_target().map(|number| self.entry(number).value.blocks()).sum();
        let free = self.arena.capacity_bytes() / Block::BYTES - taken;
        assert!(self.arena.free_blocks() <= free, "no block is used twice");
    }
}

/// The first of all ids that share so many leading bits with `id`.
fn first_with(id: &Id, bits: u32) -> Id {
    let mut first = *id;
    for (byte, from) in first.0.iter_mut().zip((0u32..).step_by(8)) {
        *byte &= !(0xff_u32 >> bits.saturating_sub(from).min(8)) as u8;
    }
    first
}

#[cfg(test)]
mod tests;
