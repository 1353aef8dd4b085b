//! Behaviour of the store of peers, one rule of `spec/server.md` each.

use super::*;
use crate::dht::command::PeerKind::{Downloader, Seed};
use crate::dht::config::Config;
use std::vec::Vec;

const HASH: Id = Id([7; 20]);

fn at(secs: u64) -> Instant {
    Instant::from_secs(secs)
}

fn rng() -> Rng {
    Rng::from_seed([1; 32])
}

/// By which it is drawn who goes where an info-hash has all its peers.
fn lots() -> Rng {
    Rng::from_seed([2; 32])
}

fn store_with(config: &ServerConfig, network: Network, capacity: usize) -> PeerStore<'static> {
    let memory = PeersMemory {
        entries: List::with_capacity(capacity),
        ages: List::with_capacity(capacity),
        order: List::with_capacity(Order::memory_for(capacity)),
        by_network: List::with_capacity(Order::memory_for(capacity)),
        swarms: List::with_capacity(capacity),
    };
    PeerStore::new(config, network, memory)
}

fn store(capacity: usize) -> PeerStore<'static> {
    store_with(&Config::default().server, Network::Public, capacity)
}

/// A peer in a network of its own.
fn peer(i: u16) -> Endpoint {
    let [a, b] = i.to_be_bytes();
    Endpoint::v4([10, a, b, 1], 6881)
}

fn peer6(i: u16) -> Endpoint {
    let [a, b] = i.to_be_bytes();
    Endpoint::v6([0x20, 1, 0xd, 0xb8, a, b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 6881)
}

fn kind_if(has_all: bool) -> PeerKind {
    if has_all { Seed } else { Downloader }
}

fn announce(peers: &mut PeerStore<'_>, secs: u64, info_hash: u8, peer: Endpoint, kind: PeerKind) -> Announced {
    let announced = peers.announce(at(secs), &Id([info_hash; 20]), peer, kind, &mut lots());
    peers.check_invariants();
    announced
}

fn all(peers: &PeerStore<'_>, info_hash: u8, family: Family, noseed: bool) -> Vec<Endpoint> {
    let mut found = Vec::new();
    let n = peers.sample(&Id([info_hash; 20]), family, noseed, &mut rng(), usize::MAX, |peer| found.push(peer));
    assert_eq!(n, found.len());
    found
}

/// Rule S33.
#[test]
fn of_ipv6_a_64_a_56_and_a_48_have_a_share_each() {
    for (step, most) in [(0, 62), (1, 77), (0x100, 93)] {
        let mut peers = store(1_000);
        let taken = (0..200u16).filter(|&n| {
            let [[a, b], [c, d]] = [n * step, n].map(u16::to_be_bytes);
            let peer = Endpoint::v6([0x20, 1, 0xd, 0xb8, 0, 0, a, b, 0, 0, 0, 0, 0, 0, c, d], 6881);
            peers.announce(at(0), &HASH, peer, kind_if(n % 3 == 0), &mut lots()) == Announced::New
        });
        assert_eq!(taken.count(), most, "{step:#x}");
        peers.check_invariants();
    }
}

/// Rule S31.
#[test]
fn an_address_is_held_once_for_an_info_hash() {
    let mut peers = store(10);
    assert_eq!(announce(&mut peers, 0, 1, peer(1), Downloader), Announced::New);
    assert_eq!(announce(&mut peers, 1, 1, peer(1).with_port(99), Seed), Announced::Updated);
    assert_eq!(all(&peers, 1, Family::V4, false), [peer(1).with_port(99)]);
    assert_eq!(all(&peers, 1, Family::V4, true), [], "it is a seed now");
    assert_eq!(announce(&mut peers, 2, 2, peer(1), Downloader), Announced::New);
    assert_eq!((peers.len(), peers.info_hashes(), peers.peers_of(&Id([1; 20]))), (2, 2, 1));
}

/// Rule S32.
#[test]
fn an_info_hash_has_five_hundred_peers_and_not_one_more() {
    let (mut peers, mut lots) = (store(600), lots());
    for i in 0..500 {
        assert!(!peers.is_full_for(&HASH));
        assert_eq!(peers.announce(at(0), &HASH, peer(i), Downloader, &mut lots), Announced::New);
    }
    assert!(peers.is_full_for(&HASH) && !peers.is_full_for(&Id([8; 20])));
    assert_eq!(announce(&mut peers, 0, 7, peer(499), Seed), Announced::Updated);
    assert_eq!(announce(&mut peers, 0, 8, peer(500), Downloader), Announced::New);
    // One of two newcomers comes in, for one who was there.
    let came = (0..1_000u16).filter(|i| {
        let newcomer = if i % 5 == 0 { peer6(*i) } else { peer(1_000 + i) };
        let announced = peers.announce(at(1), &HASH, newcomer, kind_if(i % 3 == 0), &mut lots);
        assert!(matches!(announced, Announced::New | Announced::Full));
        assert_eq!(peers.peers_of(&HASH), 500);
        announced == Announced::New
    });
    assert!((440..560).contains(&came.count()));
    peers.check_invariants();
}

fn neighbour(n: u8) -> Endpoint {
    Endpoint::v4([7, 7, 7, n], 1)
}

fn neighbours_of(peers: &PeerStore<'_>) -> usize {
    all(peers, 7, Family::V4, false).iter().filter(|peer| peer.network() == neighbour(0).network()).count()
}

/// Rule S32.
#[test]
fn in_a_full_swarm_the_network_that_has_most_gives_way_to_others_and_to_its_own() {
    let (mut peers, mut lots) = (store(600), lots());
    for i in 0..500 {
        let from = if i < 62 { neighbour(i as u8) } else { peer(i) };
        assert_eq!(peers.announce(at(0), &HASH, from, Downloader, &mut lots), Announced::New);
    }
    // Its own, since it has all that it may.
    let own = (100..150).filter(|&n| {
        let announced = peers.announce(at(1), &HASH, neighbour(n), kind_if(n % 2 == 0), &mut lots);
        assert_eq!(neighbours_of(&peers), 62);
        announced == Announced::New
    });
    assert!(own.count() > 10);
    let came =
        (0..80).filter(|&i| peers.announce(at(1), &HASH, peer(1_000 + i), Downloader, &mut lots).is_held()).count();
    assert!(came > 20 && neighbours_of(&peers) == 62 - came, "{came}");
    peers.check_invariants();
}

/// Rule S32.
#[test]
fn in_a_full_swarm_who_announced_in_two_periods_goes_last() {
    let (mut peers, mut lots) = (store(600), lots());
    (0..500).for_each(|i| _ = peers.announce(at(0), &HASH, peer(i), Downloader, &mut lots));
    (0..480).for_each(|i| _ = peers.announce(at(1_000), &HASH, peer(i), Downloader, &mut lots));
    let is_there = |peers: &PeerStore<'_>, i| all(peers, 7, Family::V4, false).contains(&peer(i));
    for i in 1_000..1_200 {
        peers.announce(at(1_001), &HASH, peer(i), Downloader, &mut lots);
    }
    assert!((0..480).all(|i| is_there(&peers, i)) && !(480..500).all(|i| is_there(&peers, i)));
    // All are there to stay: then any of them may go.
    for peer in all(&peers, 7, Family::V4, false) {
        peers.announce(at(1_900), &HASH, peer, Downloader, &mut lots);
    }
    let came = (2_000..2_100).filter(|&i| peers.announce(at(1_901), &HASH, peer(i), Downloader, &mut lots).is_held());
    assert!(came.count() > 20);
    let stayed = (0..1_200).filter(|i| is_there(&peers, *i)).count();
    assert_eq!(stayed, 499, "only the first of them took the place of one, the others that of him before");
}

/// Rule S33.
#[test]
fn a_network_takes_its_share_of_an_info_hash_and_not_one_place_more() {
    let config = ServerConfig { peers_per_info_hash: 16, ..Config::default().server };
    for (v4, addresses) in [
        (true, [1, 2, 3].map(|last| Endpoint::v4([192, 0, 2, last], 1))),
        (false, [1, 2, 3].map(|last| Endpoint::v6([0x20, 1, 0, 0, 0, 0, 0, 5, last, 0, 0, 0, 0, 0, 0, 9], 1))),
    ] {
        let mut peers = store_with(&config, Network::Public, 100);
        assert_eq!(addresses.map(|a| a.is_v4()), [v4; 3]);
        let outcomes = addresses.map(|address| announce(&mut peers, 0, 1, address, Downloader));
        assert_eq!(outcomes, [Announced::New, Announced::New, Announced::Quota]);
        assert_eq!(announce(&mut peers, 0, 1, addresses[1], Seed), Announced::Updated);
        assert_eq!(announce(&mut peers, 0, 1, peer(1), Downloader), Announced::New);
        let mut local = store_with(&config, Network::Local, 100);
        assert!(addresses.map(|address| announce(&mut local, 0, 1, address, Downloader)) == [Announced::New; 3]);
    }
}

/// Rule S34.
#[test]
fn a_full_store_gives_up_an_old_peer_of_the_largest_swarm() {
    let mut peers = store(10);
    announce(&mut peers, 0, 1, peer(0), Downloader);
    for i in 1..=3 {
        announce(&mut peers, 1, 2, peer(i), Downloader);
    }
    for i in 4..10 {
        announce(&mut peers, 2, 3, peer(i), Downloader);
    }
    // Info-hash 3 is the largest, and its first four peers are among the eight oldest entries.
    assert_eq!(announce(&mut peers, 3, 4, peer(20), Downloader), Announced::New);
    assert_eq!(peers.peers_of(&Id([3; 20])), 5);
    assert!(!all(&peers, 3, Family::V4, false).contains(&peer(4)));
    assert_eq!((peers.len(), peers.info_hashes()), (10, 4));
    // Among equals the oldest goes, and with it the info-hash.
    let mut peers = store(2);
    announce(&mut peers, 0, 1, peer(0), Downloader);
    announce(&mut peers, 1, 2, peer(0), Downloader);
    announce(&mut peers, 2, 3, peer(0), Downloader);
    assert_eq!((peers.peers_of(&Id([1; 20])), peers.len(), peers.info_hashes()), (0, 2, 2));
    assert_eq!(announce(&mut store(0), 0, 1, peer(0), Downloader), Announced::Full);
}

fn hash_of(i: u16) -> Id {
    let [a, b] = i.to_be_bytes();
    let mut id = HASH;
    (id.0[0], id.0[1]) = (a, b);
    id
}

/// Rule S34.
#[test]
fn nobody_who_floods_a_full_store_takes_more_than_one_place_for_each_of_his_networks() {
    for networks in [1, 10] {
        let mut peers = store(1_000);
        (0..1_000).for_each(|i| _ = peers.announce(at(0), &hash_of(i), peer(i), Downloader, &mut lots()));
        for i in 0..3_000 {
            // One address in each, with five ports.
            let from = Endpoint::v4([66, 6, (i % networks) as u8, 1], 1 + i % 5);
            assert_eq!(peers.announce(at(1), &hash_of(2_000 + i), from, Downloader, &mut lots()), Announced::New);
        }
        let lost = (0..1_000).filter(|&i| peers.peers_of(&hash_of(i)) == 0).count();
        assert_eq!((lost, peers.len()), (networks.into(), 1_000));
        peers.check_invariants();
    }
}

/// Rules S33 and S34.
#[test]
fn a_network_has_a_tenth_of_all_places_and_gives_them_to_whoever_comes() {
    let mut peers = store(1_000);
    let flood = |network: u16, i: u16| Endpoint::v4([66, 6, network as u8, (i % 250) as u8], 1);
    for network in 0..8 {
        let taken = (0..200u16).filter(|&i| {
            let announced =
                peers.announce(at(0), &hash_of(1_000 * network + i), flood(network, i), Downloader, &mut lots());
            announced == Announced::New
        });
        assert_eq!(taken.count(), 100);
    }
    (500..700).for_each(|i| _ = peers.announce(at(0), &hash_of(i + 30_000), peer(i), Downloader, &mut lots()));
    assert_eq!(peers.len(), 1_000);
    (0..480).for_each(|i| assert_eq!(peers.announce(at(1), &HASH, peer(i), Downloader, &mut lots()), Announced::New));
    assert_eq!(peers.peers_of(&HASH), 480);
    let held = |network| peers.holders.held(Networks::of(&flood(network, 0)), &|n| network_of(&peers.entries, n));
    assert!((0..8).all(|network| (38..=42).contains(&held(network))));
    peers.check_invariants();
}

/// Rule S34.
#[test]
fn a_peer_that_was_announced_in_two_periods_goes_last() {
    let mut peers = store(4);
    let of_one = |n: u8| Endpoint::v4([7, 7, 7, n], 1);
    (1..=4).for_each(|n| _ = announce(&mut peers, 0, n, of_one(n), Downloader));
    for n in [1, 2, 4] {
        assert_eq!(announce(&mut peers, if n == 4 { 899 } else { 900 }, n, of_one(n), Downloader), Announced::Updated);
    }
    for (n, gone) in [(10, 3), (11, 4)] {
        assert_eq!(announce(&mut peers, 1_000, n, peer(n.into()), Downloader), Announced::New);
        assert_eq!(peers.peers_of(&Id([gone; 20])), 0);
    }
    assert_eq!([1, 2].map(|n| peers.peers_of(&Id([n; 20]))), [1, 1]);
}

/// Rules S35 and S36.
#[test]
fn a_sample_is_of_one_family_and_without_seeds_if_so_asked() {
    let mut peers = store(100);
    for i in 0..20 {
        announce(&mut peers, 0, 7, peer(i), kind_if(i % 2 == 0));
        announce(&mut peers, 0, 7, peer6(i), kind_if(i % 4 == 0));
        announce(&mut peers, 0, 8, peer(i), Downloader);
    }
    assert_eq!(all(&peers, 7, Family::V4, false).len(), 20);
    assert_eq!(all(&peers, 7, Family::V6, false).len(), 20);
    assert!(all(&peers, 7, Family::V6, false).iter().all(|peer| !peer.is_v4()));
    assert_eq!(all(&peers, 7, Family::V4, true), (0..20).filter(|i| i % 2 == 1).map(peer).collect::<Vec<_>>());
    assert_eq!(all(&peers, 7, Family::V6, true).len(), 15);
    assert_eq!(all(&peers, 9, Family::V4, false), []);
    assert_eq!(peers.sample(&HASH, Family::V4, false, &mut rng(), 0, |_| unreachable!()), 0);
}

/// Rule S35.
#[test]
fn every_peer_is_found_equally_often() {
    let mut peers = store(100);
    for i in 0..40 {
        announce(&mut peers, 0, 7, peer(i), kind_if(i % 2 == 0));
    }
    for (noseed, eligible, max) in [(false, 40, 10), (true, 20, 5)] {
        let mut found = [0; 40];
        let mut rng = rng();
        for _ in 0..2_000 {
            peers.sample(&HASH, Family::V4, noseed, &mut rng, max, |peer| found[usize::from(peer.ip_bytes()[2])] += 1);
        }
        // Each is expected 500 times, with a deviation of about 19.
        let found: Vec<u32> = found.into_iter().filter(|&n| n > 0).collect();
        assert_eq!(found.len(), eligible);
        assert!(found.iter().all(|n| (400..600).contains(n)), "{found:?}");
    }
}

/// Rule S37.
#[test]
fn the_filters_hold_seeds_and_others_apart() {
    let mut peers = store(10);
    assert_eq!(peers.filters(&HASH), None);
    announce(&mut peers, 0, 7, peer(1), Seed);
    announce(&mut peers, 0, 7, peer6(2), Downloader);
    announce(&mut peers, 0, 8, peer(3), Downloader);
    let (mut seeds, mut others) = (Bloom::default(), Bloom::default());
    seeds.insert(BloomBits::of(&peer(1)));
    others.insert(BloomBits::of(&peer6(2)));
    assert_eq!(peers.filters(&HASH), Some((seeds, others)));
}

/// Rule S38.
#[test]
fn a_peer_is_held_for_its_lifetime_and_not_a_microsecond_more() {
    let mut peers = store(10);
    announce(&mut peers, 0, 1, peer(1), Downloader);
    peers.announce(Instant::from_micros(4_000_001), &Id([2; 20]), peer(1), Downloader, &mut lots());
    assert_eq!(peers.sweep_at(), Some(at(2_700)));
    peers.sweep(Instant::from_micros(2_700_000_000 - 1));
    assert_eq!(peers.len(), 2);
    peers.sweep(at(2_700));
    assert_eq!((peers.len(), peers.info_hashes(), peers.sweep_at()), (1, 1, Some(at(2_705))));
    assert_eq!(announce(&mut peers, 2_704, 2, peer(1), Downloader), Announced::Updated);
    peers.sweep(at(2_705));
    assert_eq!(peers.len(), 1);
    peers.sweep(at(10_000));
    assert_eq!((peers.len(), peers.info_hashes(), peers.sweep_at()), (0, 0, None));
}

#[test]
fn lifetimes_end_in_time_however_long_the_node_runs() {
    for start in [u64::from(CLOCK) - 10, u64::from(u32::MAX) - 10, u64::from(u32::MAX) * 100] {
        let mut peers = store(10);
        announce(&mut peers, start, 1, peer(1), Seed);
        announce(&mut peers, start + 20, 1, peer(2), Downloader);
        assert_eq!(peers.sweep_at(), Some(at(start + 2_700)));
        assert_eq!(all(&peers, 1, Family::V4, true), [peer(2)]);
        announce(&mut peers, start + 2_700, 1, peer(3), Downloader);
        assert_eq!((peers.len(), peers.sweep_at()), (2, Some(at(start + 2_720))));
    }
}

#[test]
fn a_clock_that_steps_back_ends_no_lifetime_early() {
    let mut peers = store(10);
    announce(&mut peers, 100, 1, peer(1), Downloader);
    announce(&mut peers, 50, 1, peer(2), Downloader);
    assert_eq!(peers.sweep_at(), Some(at(2_800)));
}

fn info_hash(i: u16) -> Id {
    let mut id = Id([i as u8; 20]);
    id.0[..2].copy_from_slice(&i.to_be_bytes());
    id
}

fn samples(peers: &mut PeerStore<'_>, secs: u64, max: usize, rng: &mut Rng) -> Vec<Id> {
    let mut found = Vec::new();
    assert_eq!(peers.sample_infohashes(at(secs), rng, max, |id| found.push(*id)), found.len());
    found
}

/// Rule S39.
#[test]
fn a_sample_of_info_hashes_stays_for_its_interval_and_changes_after_it() {
    let config = ServerConfig { peer_lifetime: Duration::from_secs(30_000), ..Config::default().server };
    let mut peers = store_with(&config, Network::Public, 300);
    let mut rng = rng();
    for i in 0..100 {
        for p in 0..if i == 50 { 100 } else { 1 } {
            peers.announce(at(19_000), &info_hash(i), peer(p), Downloader, &mut lots());
        }
    }
    let first = samples(&mut peers, 20_000, 20, &mut rng);
    assert_eq!(first.len(), 20);
    assert_eq!(peers.interval_left(at(20_000)), Duration::from_secs(21_600));
    peers.announce(at(20_500), &info_hash(1_000), peer(0), Downloader, &mut lots());
    assert_eq!(samples(&mut peers, 41_599, 20, &mut rng), first);
    assert_eq!(samples(&mut peers, 41_599, 7, &mut rng), first[..7], "a shorter reply has the front of it");
    assert_eq!(peers.interval_left(at(41_599)), Duration::from_secs(1));
    let next = samples(&mut peers, 41_600, 20, &mut rng);
    assert!(next.len() == 20 && next != first);
    let mut sorted = next.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(sorted.len(), 20, "no info-hash twice");
    // What has lost its peers is not listed any more, even if it has others again.
    peers.announce(at(41_600), &next[3], peer(200), Downloader, &mut lots());
    for i in 200..220 {
        peers.announce(at(41_600), &info_hash(i), peer(200), Downloader, &mut lots());
    }
    peers.sweep(at(50_500));
    assert_eq!(peers.info_hashes(), 21);
    assert_eq!(samples(&mut peers, 50_500, 20, &mut rng), [next[3]]);
    peers.announce(at(50_501), &next[4], peer(200), Downloader, &mut lots());
    assert_eq!(samples(&mut peers, 50_501, 20, &mut rng), [next[3]]);
}

/// Rule S39: peers are gone long before the interval is over.
#[test]
fn a_sample_is_drawn_anew_where_all_that_are_left_fit_it_and_where_none_of_it_is_left() {
    for left in [1, 19, 20, 21, 60] {
        let (mut peers, mut rng) = (store(200), rng());
        for i in 0..21 {
            peers.announce(at(0), &info_hash(i), peer(i), Downloader, &mut lots());
        }
        assert_eq!(samples(&mut peers, 1, 20, &mut rng).len(), 20);
        assert_eq!(peers.interval_left(at(1)), Duration::from_secs(21_600));
        for i in 100..100 + left {
            peers.announce(at(1_000), &info_hash(i), peer(i), Downloader, &mut lots());
        }
        peers.sweep(at(2_700));
        assert_eq!(peers.info_hashes(), usize::from(left));
        assert_eq!(samples(&mut peers, 2_701, 20, &mut rng).len(), usize::from(left.min(20)), "of {left}");
        let stays = if left > 20 { 21_600 } else { 0 };
        assert_eq!(peers.interval_left(at(2_701)), Duration::from_secs(stays), "of {left}");
    }
}

/// Rule S39.
#[test]
fn a_sample_that_is_everything_does_not_stay() {
    let mut peers = store(100);
    let mut rng = rng();
    assert_eq!(samples(&mut peers, 0, 20, &mut rng), []);
    for i in 0..20 {
        peers.announce(at(1), &info_hash(i), peer(1), Downloader, &mut lots());
    }
    assert_eq!(samples(&mut peers, 1, 20, &mut rng).len(), 20);
    assert_eq!(peers.interval_left(at(1)), Duration::ZERO);
    peers.announce(at(2), &info_hash(20), peer(1), Downloader, &mut lots());
    assert_eq!(samples(&mut peers, 2, 20, &mut rng).len(), 20);
    assert_eq!(peers.interval_left(at(2)), Duration::from_secs(21_600));
}

#[test]
fn a_peer_takes_70_bytes_with_its_links_and_its_places_in_order_and_swarms() {
    use core::mem::size_of;
    assert_eq!(size_of::<PeerEntry>() + size_of::<LruLink>() + size_of::<Ordered>() + size_of::<u32>(), 72);
}

/// Orders of more than a page, swarms that come and go, and peers that become seeds and cease to be.
#[test]
fn thousands_of_peers_of_few_and_of_many_swarms_are_kept_in_order() {
    for swarms in [2, 3_000] {
        let mut peers = store(3_000);
        let mut rng = rng();
        for step in 0..12_000u64 {
            let (hash, peer) = (info_hash(rng.below(swarms) as u16), peer(rng.below(400) as u16));
            peers.announce(at(step / 3), &hash, peer, kind_if(rng.below(3) == 0), &mut lots());
            if step % 400 == 0 {
                peers.check_invariants();
                samples(&mut peers, step / 3, 20, &mut rng);
            }
        }
        peers.check_invariants();
        assert!(peers.len() > 700 && peers.info_hashes() > 1);
        peers.sweep(at(5_000));
        peers.check_invariants();
        peers.sweep(at(9_000));
        peers.check_invariants();
        assert!(peers.is_empty() && peers.info_hashes() == 0);
    }
}

/// Indices of 16 bits ended at 65,534.
#[test]
fn a_store_holds_as_many_peers_as_it_was_made_for() {
    let mut peers = store(70_000);
    for i in 0..70_000u32 {
        let [_, a, b, c] = i.to_be_bytes();
        let hash = info_hash((i / 400) as u16);
        assert_eq!(
            peers.announce(at(0), &hash, Endpoint::v4([10 + a, b, c, 1], 1), Downloader, &mut lots()),
            Announced::New
        );
    }
    assert_eq!((peers.len(), peers.info_hashes()), (70_000, 175));
    assert_eq!(peers.announce(at(0), &info_hash(999), peer(1), Downloader, &mut lots()), Announced::New);
    assert_eq!(peers.len(), 70_000, "and not one more");
    peers.check_invariants();
}
