//! The stores of a server against lists that are searched from end to end, with everything recounted after each step.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use honeyguide::Config;
use honeyguide::Instant;
use honeyguide::base::Rng;
use honeyguide::dht::{Network, PeerKind, ServerConfig};
use honeyguide::internals::base::arena::Block;
use honeyguide::internals::base::list::List;
use honeyguide::internals::base::lru::Lru;
use honeyguide::internals::base::order::Order;
use honeyguide::internals::dht::items::{Items, ItemsMemory, Put, PutOutcome, Rejection};
use honeyguide::internals::dht::peers;
use honeyguide::internals::dht::peers::{Announced, PeerStore, PeersMemory};
use honeyguide::internals::dht::tokens::Tokens;
use honeyguide::internals::krpc::item;
use honeyguide::krpc::{Family, Item, Mutable};
use honeyguide::{Endpoint, Id};
use quickcheck::{Arbitrary, Gen, quickcheck};
use std::time::Duration;

// --- Tokens -----------------------------------------------------------------------------------------------------

quickcheck! {
    /// Rules S1 to S3: a token is valid for one rotation at least and two at most, whenever rotations are made, and
    /// for its own address and target only.
    fn tokens_are_valid_for_one_to_two_rotations(steps: Vec<u8>, seed: u8, issued_at: u8, ip: u32, target: u8) -> bool {
        let rotation = Duration::from_secs(100);
        let mut rng = Rng::from_seed([seed; 32]);
        let mut now = Instant::ZERO;
        let mut tokens = Tokens::new(&mut rng, now, rotation);
        let (ip, target) = (Endpoint::v4(ip.to_be_bytes(), 1), Id([target; 20]));
        let mut issued = None;
        for (i, step) in steps.into_iter().enumerate() {
            now += Duration::from_secs(u64::from(step));
            tokens.rotate(now);
            assert!(tokens.rotate_at() > now);
            if i == usize::from(issued_at % 8) {
                issued = Some((now, *tokens.issue(&ip, &target).as_bytes()));
            }
            let Some((then, token)) = issued else { continue };
            let valid = tokens.verify(&ip, &target, &token);
            assert!(valid || now.since(then) >= rotation, "at least one rotation");
            assert!(!valid || now.since(then) < 2 * rotation, "at most two");
            let mut other = target;
            other.0[19] ^= 1;
            let [a, b, c, d] = ip.ip_bytes().try_into().unwrap();
            assert!(!tokens.verify(&ip, &other, &token));
            assert!(!tokens.verify(&Endpoint::v4([a, b, c, d ^ 1], 1), &target, &token));
            assert_eq!(tokens.verify(&ip.with_port(9), &target, &token), valid);
        }
        true
    }
}

// --- What the stores stand on -----------------------------------------------------------------------------------

quickcheck! {
    fn a_list_is_a_vector_with_a_capacity(operations: Vec<(u8, u8)>, capacity: u8) -> bool {
        let capacity = usize::from(capacity % 20);
        let mut list = List::with_capacity(capacity);
        let mut model: Vec<u16> = Vec::new();
        for (i, (operation, at)) in operations.into_iter().enumerate() {
            let (at, number) = (usize::from(at % 24), i as u16);
            match operation % 5 {
                0..=2 => {
                    let fits = at <= model.len() && model.len() < capacity;
                    assert_eq!(list.insert(at, number), fits);
                    if fits {
                        model.insert(at, number);
                    }
                }
                3 => assert_eq!(list.remove(at), (at < model.len()).then(|| model.remove(at))),
                _ => {
                    list.retain(|number| number % 3 != 0);
                    model.retain(|number| number % 3 != 0);
                }
            }
            assert_eq!(list[..], model);
        }
        true
    }

    fn an_lru_is_a_queue_in_which_some_go_to_the_end(operations: Vec<(u8, u16)>, capacity: u8) -> bool {
        let capacity = usize::from(capacity % 12);
        let mut lru = Lru::new(List::with_capacity(capacity));
        let mut model: Vec<u32> = Vec::new();
        for (operation, entry) in operations {
            let entry = u32::from(entry % 14);
            let place = model.iter().position(|&other| other == entry);
            match operation % 4 {
                0 | 1 => match lru.claim() {
                    Some(new) => {
                        assert!((new as usize) < capacity && !model.contains(&new));
                        model.push(new);
                    }
                    None => assert_eq!(model.len(), capacity),
                },
                2 => {
                    lru.refresh(entry);
                    if let Some(place) = place {
                        let entry = model.remove(place);
                        model.push(entry);
                    }
                }
                _ => {
                    lru.release(entry);
                    place.map(|place| model.remove(place));
                }
            }
            assert!(lru.iter().eq(model.iter().copied()));
            assert_eq!((lru.len(), lru.oldest()), (model.len(), model.first().copied()));
            assert_eq!((lru.is_full(), lru.is_empty()), (model.len() == capacity, model.is_empty()));
        }
        true
    }
}

// --- Items ------------------------------------------------------------------------------------------------------

/// One put of a small world: five networks, few keys, salts, sequence numbers and values.
#[derive(Clone, Copy, Debug)]
struct RandomPut {
    wait: u16,
    network: u8,
    key: Option<u8>,
    salt: u8,
    seq: i64,
    len: u16,
    fill: u8,
    cas: Option<i64>,
    signed: bool,
}

impl Arbitrary for RandomPut {
    fn arbitrary(g: &mut Gen) -> Self {
        let mut below = |n: u16| u16::arbitrary(g) % n;
        RandomPut {
            wait: if below(4) == 0 { below(400) } else { 0 },
            network: below(5) as u8,
            key: (below(3) > 0).then_some(below(3) as u8),
            salt: below(4) as u8,
            seq: i64::from(below(4)),
            len: LENGTHS[usize::from(below(LENGTHS.len() as u16))],
            fill: below(2) as u8,
            cas: (below(5) == 0).then_some(i64::from(below(4))),
            signed: below(8) > 0,
        }
    }
}

/// Around the limits of a block and of a value.
const LENGTHS: [u16; 9] = [0, 1, 20, 63, 64, 65, 300, 1_000, 1_001];

struct HeldItem {
    target: Id,
    mutable: bool,
    seq: i64,
    value: Vec<u8>,
    network: u8,
    put_at: u64,
}

fn items_of(config: &ServerConfig, capacity: usize, blocks: usize) -> Items<'static> {
    let memory = ItemsMemory {
        entries: List::with_capacity(capacity),
        ages: List::with_capacity(capacity),
        by_target: List::with_capacity(Order::memory_for(capacity)),
        by_network: List::with_capacity(Order::memory_for(capacity)),
        blocks: List::with_capacity(blocks),
    };
    Items::new(config, Network::Public, memory)
}

const ITEM_LIFETIME: u64 = 1_000;
const QUOTA: usize = 4;

quickcheck! {
    /// Rules S6 to S16.
    fn items_are_a_list_with_rules(puts: Vec<RandomPut>, own: u8, capacity: u8, blocks: u8) -> bool {
        let own = Id([own; 20]);
        let (capacity, blocks) = (usize::from(capacity % 24), usize::from(blocks % 100));
        let lifetime = Duration::from_secs(ITEM_LIFETIME);
        let config = ServerConfig { item_lifetime: lifetime, items_per_network: QUOTA as u16, ..Config::default().server };
        let mut store = items_of(&config, capacity, blocks);
        let mut model: Vec<HeldItem> = Vec::new();
        let mut now = 0;
        for random in puts {
            now += u64::from(random.wait);
            model.retain(|held| held.put_at + ITEM_LIFETIME > now);
            step(&mut store, &mut model, now, &own, capacity, blocks, &random);

            #[cfg(debug_assertions)]
            store.check_invariants();
            assert_eq!(store.len(), model.len());
            assert_eq!(store.bytes(), model.iter().map(|held| held.value.len()).sum::<usize>());
            let next = model.iter().map(|held| held.put_at).min();
            assert_eq!(store.sweep_at(), next.map(|put_at| Instant::from_secs(put_at + ITEM_LIFETIME)));
            for held in &model {
                let shadowed = !held.mutable && model.iter().any(|other| other.target == held.target && other.mutable);
                let mut buf = [0; item::MAX_VALUE];
                let stored = store.view(store.find(&held.target).unwrap(), &mut buf).unwrap();
                assert!(shadowed || (stored.value, stored.mutable.map_or(0, |m| m.seq)) == (&held.value[..], held.seq));
            }
        }
        true
    }

    /// Rule S11; R94 of the hostile inputs: whatever one network puts, it removes at most as many items of others as
    /// it may hold.
    fn a_flood_from_one_network_removes_no_more_than_its_quota(values: Vec<u16>, lens: Vec<u16>, own: u8) -> bool {
        let config = ServerConfig { items_per_network: QUOTA as u16, ..Config::default().server };
        let mut store = items_of(&config, 32, 64);
        let own = Id([own; 20]);
        let mut others = Vec::new();
        for (i, len) in lens.into_iter().enumerate() {
            let value = [&i.to_be_bytes(), &vec![b'h'; usize::from(len % 300)][..]].concat();
            let target = item::immutable_target(&value);
            let item = Item { value: &value, mutable: None };
            let from = Endpoint::v4([10, 1, (i / QUOTA) as u8, 1], 1);
            store.put(Instant::ZERO, &own, &Put { from, target, item, cas: None }, || true);
            others.push(target);
        }
        others.retain(|target| store.find(target).is_some());
        for value in values {
            let value = [&[b'f'; 4][..], &value.to_be_bytes(), &vec![b'f'; usize::from(value % 900)]].concat();
            let item = Item { value: &value, mutable: None };
            let from = Endpoint::v4([10, 2, 3, value[4]], 1);
            store.put(Instant::ZERO, &own, &Put { from, target: item.target(), item, cas: None }, || true);
        }
        others.iter().filter(|target| store.find(target).is_none()).count() <= QUOTA
    }

    /// Rule S4: the token is withheld exactly where the put of a value of any size would push itself out.
    fn a_token_is_withheld_when_the_put_would_be_in_vain(distances: Vec<u8>, asked: u8, own: u8) -> bool {
        let own = Id([own; 20]);
        let mut store = items_of(&Config::default().server, 8, 200);
        for (i, distance) in distances.iter().enumerate() {
            let item = Item { value: b"1:x", mutable: None };
            let from = Endpoint::v4([10, 1, i as u8, 1], 1);
            store.put(Instant::ZERO, &own, &Put { from, target: Id([*distance; 20]), item, cas: None }, || true);
        }
        let put = Put {
            from: Endpoint::v4([10, 2, 3, 4], 1),
            target: Id([asked; 20]),
            item: Item { value: b"1:x", mutable: None },
            cas: None,
        };
        let withheld = store.would_evict_first(&own, &put.target);
        withheld == (store.put(Instant::ZERO, &own, &put, || true) == PutOutcome::EvictedSelf)
    }
}

/// Puts once into the store and by the rules into the model, and compares what both say.
fn step(
    store: &mut Items<'_>,
    model: &mut Vec<HeldItem>,
    now: u64,
    own: &Id,
    capacity: usize,
    blocks: usize,
    random: &RandomPut,
) {
    let value: Vec<u8> = vec![random.fill; usize::from(random.len)];
    let (key, salt, signature) = ([random.key.unwrap_or(0); 32], [random.salt; 3], [u8::from(random.signed); 64]);
    let mutable = Mutable { key: &key, salt: &salt, seq: random.seq, signature: &signature };
    let item = Item { value: &value, mutable: random.key.map(|_| mutable) };
    let target = item.target();
    let from = Endpoint::v4([10, 0, random.network, 1], 1);
    let put = Put { from, target, item, cas: random.cas.filter(|_| random.key.is_some()) };

    let verified = Cell::new(false);
    let outcome = store.put(Instant::from_secs(now), own, &put, || {
        verified.set(true);
        random.signed
    });

    let used = |model: &[HeldItem]| model.iter().map(|held| Block::count_for(held.value.len())).sum::<usize>();
    let needed = Block::count_for(value.len());
    let place = model.iter().position(|held| held.target == target && held.mutable == random.key.is_some());
    let expected = match place.map(|place| &mut model[place]) {
        _ if value.len() > Item::MAX_VALUE => PutOutcome::Rejected(Rejection::Size),
        Some(held) if !held.mutable => {
            held.put_at = now;
            PutOutcome::Identical
        }
        Some(held) if put.cas.is_some_and(|cas| cas != held.seq) => PutOutcome::CasMismatch,
        Some(held) if random.seq < held.seq => PutOutcome::SeqTooOld,
        Some(held) if random.seq == held.seq && held.value != value => PutOutcome::SeqTooOld,
        Some(held) if random.seq == held.seq => {
            if random.signed {
                held.put_at = now;
                PutOutcome::Identical
            } else {
                PutOutcome::BadSignature
            }
        }
        Some(held) => {
            let old = Block::count_for(held.value.len());
            if needed > blocks - used(model) + old {
                PutOutcome::Rejected(Rejection::Space)
            } else if !random.signed {
                PutOutcome::BadSignature
            } else {
                let held = &mut model[place.unwrap()];
                (held.value, held.seq, held.put_at) = (value.clone(), random.seq, now);
                PutOutcome::Replaced
            }
        }
        None => put_new(store, model, own, capacity, blocks, random, (&target, &value), outcome, now),
    };
    assert_eq!(outcome, expected);
    let must_verify = random.key.is_some() && matches!(outcome, PutOutcome::Stored | PutOutcome::Replaced);
    assert!(!must_verify || verified.get(), "nothing mutable is stored unverified");
    assert!(random.key.is_some() || !verified.get(), "nothing immutable is verified");
    let held = model.iter().any(|held| held.target == target && held.put_at == now && held.value == value);
    assert!(held || !outcome.is_held());
}

/// What is expected of a put of something new, where the outcome was that.
#[expect(clippy::too_many_arguments, reason = "all that decides")]
fn put_new(
    store: &Items<'_>,
    model: &mut Vec<HeldItem>,
    own: &Id,
    capacity: usize,
    blocks: usize,
    random: &RandomPut,
    (target, value): (&Id, &[u8]),
    outcome: PutOutcome,
    now: u64,
) -> PutOutcome {
    let distance = |held: &HeldItem| own.distance(&held.target);
    let used = model.iter().map(|held| Block::count_for(held.value.len())).sum::<usize>();
    let of = |network: u8| model.iter().filter(|held| held.network == network).count();
    let held = of(random.network);
    if held >= QUOTA {
        return PutOutcome::Rejected(Rejection::Quota);
    }
    let (free, needed) = (blocks - used, Block::count_for(value.len()));
    let is_full = model.len() >= capacity || needed > free;
    let is_nearest = model.iter().all(|held| distance(held) <= own.distance(target));
    if is_full && is_nearest && !model.is_empty() {
        return PutOutcome::EvictedSelf;
    }
    if is_full && outcome == PutOutcome::Rejected(Rejection::Space) {
        let fits_all = model.iter().all(|held| needed <= free + Block::count_for(held.value.len()));
        assert!(model.is_empty() || !fits_all, "whoever had to go would have made room enough");
        return outcome;
    }
    if random.key.is_some() && !random.signed {
        return PutOutcome::BadSignature;
    }
    if is_full {
        let is_held = |held: &HeldItem| {
            let key = store.find(&held.target);
            key.is_some_and(|key| store.seq(key).is_some() == held.mutable) || (!held.mutable && key.is_some())
        };
        let gone: Vec<usize> = (0..model.len()).filter(|&i| !is_held(&model[i])).collect();
        // Two kinds of one target hide each other; then any of both may have gone.
        if let [gone] = gone[..] {
            let gone = &model[gone];
            let from = of(gone.network);
            let fair =
                if gone.network == random.network { held > 0 } else { from > held + 1 || (held, from) == (0, 1) };
            assert!(fair, "of a network with {from}, for one with {held}");
            assert!(needed <= free + Block::count_for(gone.value.len()));
        }
        assert!(gone.len() <= 1, "one at most");
        match gone[..] {
            [gone] => _ = model.remove(gone),
            _ => model
                .retain(|held| !(held.mutable && store.find(&held.target).is_some_and(|key| store.seq(key).is_none()))),
        }
    }
    let mutable = random.key.is_some();
    let seq = if mutable { random.seq } else { 0 };
    model.push(HeldItem { target: *target, mutable, seq, value: value.to_vec(), network: random.network, put_at: now });
    PutOutcome::Stored
}

// --- Peers ------------------------------------------------------------------------------------------------------

#[derive(Clone, Copy, Debug)]
struct RandomAnnounce {
    wait_millis: u32,
    info_hash: u8,
    peer: Endpoint,
    seed: bool,
}

impl Arbitrary for RandomAnnounce {
    fn arbitrary(g: &mut Gen) -> Self {
        let mut below = |n: u16| u16::arbitrary(g) % n;
        let (network, host, port) = (below(12) as u8, below(4) as u8, below(2) + 1);
        RandomAnnounce {
            wait_millis: if below(3) == 0 { u32::from(below(9_000)) } else { 0 },
            info_hash: below(6) as u8,
            peer: match below(3) {
                0 => Endpoint::v6([0x20, 1, 0, 0, 0, network, 0, 0, 0, 0, 0, 0, 0, 0, 0, host], port),
                _ => Endpoint::v4([192, 0, network, host], port),
            },
            seed: below(3) == 0,
        }
    }
}

struct HeldPeer {
    info_hash: Id,
    peer: Endpoint,
    seed: bool,
    /// Whole seconds, rounded up.
    announced: u64,
}

fn peers_of(config: &ServerConfig, capacity: usize) -> PeerStore<'static> {
    let memory = PeersMemory {
        entries: List::with_capacity(capacity),
        ages: List::with_capacity(capacity),
        order: List::with_capacity(Order::memory_for(capacity)),
        by_network: List::with_capacity(Order::memory_for(capacity)),
        swarms: List::with_capacity(capacity),
    };
    PeerStore::new(config, Network::Public, memory)
}

const PEER_LIFETIME: u64 = 60;
const PLACES: u16 = 16;

quickcheck! {
    /// Rules S31 to S38.
    fn peers_are_a_list_with_rules(announces: Vec<RandomAnnounce>, capacity: u8, seed: u8) -> bool {
        let capacity = usize::from(capacity % 50);
        let lifetime = Duration::from_secs(PEER_LIFETIME);
        let config = ServerConfig { peer_lifetime: lifetime, peers_per_info_hash: PLACES, ..Config::default().server };
        let share = usize::from(PLACES) / peers::NETWORK_SHARE;
        let share_of_all = share.max(capacity / peers::NETWORK_SHARE_OF_ALL);
        let mut store = peers_of(&config, capacity);
        let mut rng = Rng::from_seed([seed; 32]);
        // Oldest first.
        let mut model: Vec<HeldPeer> = Vec::new();
        let mut now = Instant::ZERO;
        for RandomAnnounce { wait_millis, info_hash, peer, seed } in announces {
            now += Duration::from_millis(u64::from(wait_millis));
            let info_hash = Id([info_hash; 20]);
            model.retain(|held| Instant::from_secs(held.announced + PEER_LIFETIME) > now);
            let swarm_size = |model: &[HeldPeer], id: &Id| model.iter().filter(|held| held.info_hash == *id).count();
            let kind = if seed { PeerKind::Seed } else { PeerKind::Downloader };
            let announced = store.announce(now, &info_hash, peer, kind, &mut rng);
            let is_neighbour = |held: &&HeldPeer| held.peer.network() == peer.network();
            let has_share = model.iter().filter(is_neighbour).filter(|held| held.info_hash == info_hash).count() >= share;
            let is_full = swarm_size(&model, &info_hash) >= usize::from(PLACES);
            let expected = match model.iter().position(|held| held.info_hash == info_hash && held.peer.same_ip(&peer)) {
                Some(place) => {
                    model.remove(place);
                    Announced::Updated
                }
                None if !is_full && has_share => Announced::Quota,
                None if !has_share
                    && model.iter().filter(|held| held.peer.network() == peer.network()).count() >= share_of_all =>
                {
                    Announced::Quota
                }
                None if capacity == 0 || (is_full && announced == Announced::Full) => Announced::Full,
                None => Announced::New,
            };
            let evicts = expected == Announced::New && (is_full || model.len() == capacity);
            if expected.is_held() {
                model.push(HeldPeer { info_hash, peer, seed, announced: now.as_micros().div_ceil(1_000_000) });
            }
            assert_eq!(announced, expected);
            if evicts {
                let mut listed = BTreeSet::new();
                for (info_hash, family) in (0..6).flat_map(|n| [(Id([n; 20]), Family::V4), (Id([n; 20]), Family::V6)]) {
                    store.sample(&info_hash, family, false, &mut rng, 100, |peer| _ = listed.insert((info_hash, peer)));
                }
                let is_gone = |held: &HeldPeer| !listed.contains(&(held.info_hash, held.peer));
                let of = |endpoint: &Endpoint| model.iter().filter(|held| held.peer.network() == endpoint.network()).count();
                let gone = model.iter().position(is_gone).expect("one goes");
                let (from, held) = (of(&model[gone].peer), of(&peer) - 1);
                let own = model[gone].peer.network() == peer.network();
                assert!(!is_full || model[gone].info_hash == info_hash);
                assert!(is_full || if own { held > 0 } else { from > held + 1 || (held, from) == (0, 1) }, "{from} {held}");
                model.remove(gone);
            }

            #[cfg(debug_assertions)]
            store.check_invariants();
            assert_eq!(store.len(), model.len());
            assert_eq!(store.info_hashes(), model.iter().map(|held| held.info_hash).collect::<BTreeSet<_>>().len());
            assert_eq!(store.sweep_at(), model.first().map(|held| Instant::from_secs(held.announced + PEER_LIFETIME)));
            assert!(store.peers_of(&info_hash) <= usize::from(PLACES));
            for (family, noseed) in [(Family::V4, false), (Family::V4, true), (Family::V6, false), (Family::V6, true)] {
                let mut found = Vec::new();
                store.sample(&info_hash, family, noseed, &mut rng, 100, |peer| found.push(peer));
                found.sort();
                let mut all: Vec<Endpoint> = model
                    .iter()
                    .filter(|held| held.info_hash == info_hash && held.peer.family() == family && !(noseed && held.seed))
                    .map(|held| held.peer)
                    .collect();
                all.sort();
                assert_eq!(found, all);
            }
        }
        true
    }

    /// Rule S35.
    fn every_peer_is_found_by_asking_again(n: u8, max: u8, seed: u8) -> bool {
        let (n, max) = (n % 60 + 1, usize::from(max % 10 + 1));
        let mut store = peers_of(&Config::default().server, 100);
        let mut rng = Rng::from_seed([seed; 32]);
        for i in 0..n {
            store.announce(Instant::ZERO, &Id([1; 20]), Endpoint::v4([10, 0, i, 1], 1), PeerKind::Downloader, &mut rng);
        }
        let mut found = BTreeSet::new();
        // A peer stays unseen in all of these with a probability below e^-50.
        for _ in 0..50 * usize::from(n).div_ceil(max) {
            let mut page = BTreeSet::new();
            let count = store.sample(&Id([1; 20]), Family::V4, false, &mut rng, max, |peer| {
                assert!(page.insert(peer), "no peer twice");
            });
            assert_eq!((count, page.len()), (max.min(usize::from(n)), max.min(usize::from(n))));
            found.extend(page);
        }
        found.len() == usize::from(n)
    }

    /// Rule S39: a sample of info-hashes only loses those that lost their peers, until its interval is over, none of it is
    /// left, or all that are left fit a sample.
    fn a_sample_of_info_hashes_is_fixed_within_its_interval(steps: Vec<(u8, u16)>, size: u8, seed: u8) -> bool {
        let size = size % 8 + 1;
        let interval = Duration::from_secs(1_000);
        let lifetime = Duration::from_secs(900);
        let config =
            ServerConfig { sample_interval: interval, samples: size, peer_lifetime: lifetime, ..Config::default().server };
        let mut store = peers_of(&config, 64);
        let mut rng = Rng::from_seed([seed; 32]);
        let mut now = Instant::ZERO;
        let mut fixed: Option<(Instant, BTreeSet<Id>)> = None;
        let mut held: BTreeMap<Id, Instant> = BTreeMap::new();
        for (wait, info_hash) in steps {
            now += Duration::from_secs(u64::from(wait));
            let info_hash = Id([(info_hash % 32) as u8; 20]);
            store.announce(now, &info_hash, Endpoint::v4([10, 0, 0, 1], 1), PeerKind::Downloader, &mut rng);
            held.retain(|_, announced| *announced + lifetime > now);
            if let Some((_, before)) = &mut fixed {
                before.retain(|id| held.contains_key(id));
            }
            held.insert(info_hash, now);
            let left = store.interval_left(now);
            let mut sample = BTreeSet::new();
            let count = store.sample_infohashes(now, &mut rng, usize::from(size), |id| {
                sample.insert(*id);
            });
            assert!(count == sample.len() && count <= usize::from(size));
            assert!(sample.iter().all(|id| held.contains_key(id)), "only what is held");
            match &fixed {
                Some((until, before)) if now < *until && !before.is_empty() && held.len() > usize::from(size) => {
                    assert_eq!(left, until.since(now));
                    assert_eq!(sample, *before);
                }
                _ => {
                    assert_eq!(left.is_zero(), fixed.is_none_or(|(until, _)| now >= until));
                    assert_eq!(sample.len(), held.len().min(usize::from(size)), "as many as there are and fit");
                    let until = now + store.interval_left(now);
                    assert_eq!(until > now, held.len() > usize::from(size), "what is everything does not stay");
                    fixed = Some((until, sample));
                }
            }
        }
        true
    }
}
