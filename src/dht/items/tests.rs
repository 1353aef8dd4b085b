//! Behaviour of the store of items, one rule of `spec/server.md` each.

use super::*;
use crate::krpc::item::mutable_target;

const OWN: Id = Id([0; 20]);
const LIFETIME: Duration = Duration::from_secs(7_200);
const KEY: [u8; 32] = [1; 32];
const GOOD: [u8; 64] = [2; 64];

fn at(secs: u64) -> Instant {
    Instant::from_secs(secs)
}

fn from(network: u8) -> Endpoint {
    Endpoint::v4([192, 0, network, 1], 6881)
}

fn store(items: usize, blocks: usize) -> Items<'static> {
    let config =
        ServerConfig { item_lifetime: LIFETIME, items_per_network: 3, ..crate::dht::config::Config::default().server };
    store_with(&config, Network::Public, items, blocks)
}

fn store_with(config: &ServerConfig, network: Network, items: usize, blocks: usize) -> Items<'static> {
    let memory = ItemsMemory {
        entries: List::with_capacity(items),
        ages: List::with_capacity(items),
        by_target: List::with_capacity(Order::memory_for(items)),
        by_network: List::with_capacity(Order::memory_for(items)),
        blocks: List::with_capacity(blocks),
    };
    Items::new(config, network, memory)
}

/// An immutable item at a target of our choice: whether value and target fit is not the store's business.
fn item_at(distance: u8, network: u8, value: &[u8]) -> Put<'_> {
    Put { from: from(network), target: Id([distance; 20]), item: Item { value, mutable: None }, cas: None }
}

fn put_at(items: &mut Items<'_>, secs: u64, distance: u8, network: u8) -> PutOutcome {
    put(items, secs, &item_at(distance, network, b"1:x"))
}

fn put(items: &mut Items<'_>, secs: u64, put: &Put<'_>) -> PutOutcome {
    let good = put.item.mutable.is_none_or(|mutable| *mutable.signature == GOOD);
    let outcome = items.put(at(secs), &OWN, put, || good);
    items.check_invariants();
    outcome
}

fn version<'a>(seq: i64, value: &'a [u8], signature: &'a [u8; 64]) -> Put<'a> {
    let mutable = Mutable { key: &KEY, salt: b"salt", seq, signature };
    let target = mutable_target(&KEY, b"salt");
    Put { from: from(0), target, item: Item { value, mutable: Some(mutable) }, cas: None }
}

fn held(items: &Items<'_>, distance: u8) -> bool {
    items.find(&Id([distance; 20])).is_some()
}

/// Rule S9: every row of the table of sequence numbers.
#[test]
fn versions_replace_refresh_or_are_too_old() {
    let mut items = store(4, 100);
    assert_eq!(put(&mut items, 0, &version(5, b"1:a", &GOOD)), PutOutcome::Stored);
    assert_eq!(put(&mut items, 1, &version(4, b"1:a", &GOOD)), PutOutcome::SeqTooOld);
    assert_eq!(put(&mut items, 1, &version(4, b"1:b", &GOOD)), PutOutcome::SeqTooOld);
    assert_eq!(put(&mut items, 1, &version(5, b"1:b", &GOOD)), PutOutcome::SeqTooOld);
    assert_eq!(items.sweep_at(), Some(at(0) + LIFETIME));
    assert_eq!(put(&mut items, 2, &version(5, b"1:a", &GOOD)), PutOutcome::Identical);
    assert_eq!(items.sweep_at(), Some(at(2) + LIFETIME));
    assert_eq!(put(&mut items, 3, &version(6, b"1:a", &GOOD)), PutOutcome::Replaced);
    assert_eq!(put(&mut items, 4, &version(i64::MAX, b"2:bb", &GOOD)), PutOutcome::Replaced);
    assert_eq!(items.sweep_at(), Some(at(4) + LIFETIME));
    assert_eq!((items.len(), items.bytes()), (1, 4));
    let mut buf = [0; MAX_VALUE];
    let key = items.find(&mutable_target(&KEY, b"salt")).unwrap();
    let stored = items.view(key, &mut buf).unwrap();
    assert_eq!(stored.value, b"2:bb");
    assert_eq!(stored.mutable, Some(StoredVersion { key: &KEY, seq: i64::MAX, signature: &GOOD }));
}

/// Rule S8: 301 comes before 302, and before the signature.
#[test]
fn cas_is_compared_with_what_is_stored_and_only_then() {
    let mut items = store(4, 100);
    let cas = |seq, cas| Put { cas: Some(cas), ..version(seq, b"1:a", &GOOD) };
    assert_eq!(put(&mut items, 0, &cas(5, 99)), PutOutcome::Stored, "nothing stored: no comparison");
    assert_eq!(put(&mut items, 0, &cas(6, 4)), PutOutcome::CasMismatch);
    assert_eq!(put(&mut items, 0, &cas(4, 6)), PutOutcome::CasMismatch);
    assert_eq!(put(&mut items, 0, &Put { cas: Some(9), ..version(6, b"1:a", &[0; 64]) }), PutOutcome::CasMismatch);
    assert_eq!(put(&mut items, 0, &cas(6, 5)), PutOutcome::Replaced);
    assert_eq!(put(&mut items, 0, &cas(6, 5)), PutOutcome::CasMismatch, "a retransmission of the same");
    assert_eq!(put(&mut items, 0, &cas(6, 6)), PutOutcome::Identical);
}

/// Rule S10.
#[test]
fn signatures_are_checked_last_and_not_again_for_what_is_held() {
    let mut items = store(4, 100);
    let bad = [0; 64];
    assert_eq!(put(&mut items, 0, &version(5, b"1:a", &bad)), PutOutcome::BadSignature);
    assert!(items.is_empty());
    assert_eq!(put(&mut items, 0, &version(5, b"1:a", &GOOD)), PutOutcome::Stored);
    assert_eq!(put(&mut items, 0, &version(6, b"1:b", &bad)), PutOutcome::BadSignature);
    assert_eq!(put(&mut items, 0, &version(5, b"1:a", &bad)), PutOutcome::BadSignature, "refreshed by forgery");
    assert_eq!(put(&mut items, 0, &version(4, b"1:a", &bad)), PutOutcome::SeqTooOld);
    let never = || -> bool { unreachable!("a signature was checked in vain") };
    assert_eq!(items.put(at(0), &OWN, &version(5, b"1:a", &GOOD), never), PutOutcome::Identical);
    assert_eq!(items.put(at(0), &OWN, &version(5, b"1:b", &GOOD), never), PutOutcome::SeqTooOld);
    assert_eq!(items.put(at(0), &OWN, &item_at(1, 0, b"1:x"), never), PutOutcome::Stored);
}

/// Rule S6.
#[test]
fn an_immutable_item_and_a_mutable_one_of_one_target_live_side_by_side() {
    let mut items = store(4, 100);
    let mutable = version(5, b"1:m", &GOOD);
    let immutable = Put { target: mutable.target, ..item_at(0, 0, b"1:i") };
    assert_eq!(put(&mut items, 0, &immutable), PutOutcome::Stored);
    let mut buf = [0; MAX_VALUE];
    assert_eq!(items.view(items.find(&mutable.target).unwrap(), &mut buf).unwrap().value, b"1:i");
    assert_eq!(put(&mut items, 0, &mutable), PutOutcome::Stored);
    assert_eq!(put(&mut items, 0, &immutable), PutOutcome::Identical);
    assert_eq!(items.len(), 2);
    assert_eq!(items.view(items.find(&mutable.target).unwrap(), &mut buf).unwrap().value, b"1:m");
}

/// Rule S7; R53, R54 and R55 of the hostile inputs, should one get past the codec.
#[test]
fn values_and_salts_are_taken_up_to_their_limit_and_not_one_byte_more() {
    let mut items = store(4, 100);
    let value = [b'x'; MAX_ENCODED + 1];
    let salt = [b's'; MAX_SALT + 1];
    let too_large = PutOutcome::Rejected(Rejection::Size);
    let limit = &value[..MAX_ENCODED];
    assert_eq!(put(&mut items, 0, &item_at(1, 0, &value)), too_large);
    assert_eq!(put(&mut items, 0, &item_at(1, 0, limit)), PutOutcome::Stored);
    for (salt, outcome) in [(&salt[..], too_large), (&salt[..MAX_SALT], PutOutcome::Stored)] {
        let item = Item { value: limit, mutable: Some(Mutable { key: &KEY, salt, seq: 0, signature: &GOOD }) };
        assert_eq!(put(&mut items, 0, &Put { target: item.target(), item, from: from(0), cas: None }), outcome);
    }
    assert_eq!(items.bytes(), 2 * MAX_ENCODED);
}

/// Rule S11: R94 of the hostile inputs.
#[test]
fn a_network_may_hold_its_quota_and_not_one_item_more() {
    let mut items = store(8, 100);
    assert!((1..=3).all(|d| put_at(&mut items, 0, d, 7) == PutOutcome::Stored));
    assert_eq!(put_at(&mut items, 0, 4, 7), PutOutcome::Rejected(Rejection::Quota));
    assert_eq!(put_at(&mut items, 0, 3, 7), PutOutcome::Identical, "a refresh needs no place");
    assert_eq!(put_at(&mut items, 0, 4, 8), PutOutcome::Stored);
    assert_eq!(put_at(&mut items, 10, 1, 8), PutOutcome::Identical, "and stays with the network that was first");
    assert_eq!(put_at(&mut items, 7_200, 5, 7), PutOutcome::Stored, "a place is free when an item expires");
}

#[test]
fn of_ipv6_a_64_a_56_and_a_48_have_a_quota_each() {
    let config = ServerConfig { items_per_network: 4, ..crate::dht::config::Config::default().server };
    for ([high, low], most) in [([0, 0], 4), ([0, 1], 5), ([1, 0], 6)] {
        let mut items = store_with(&config, Network::Public, 20, 20);
        let taken = (1..16).filter(|&n| {
            let ip = [0x20, 1, 0xd, 0xb8, 0, 0, n * high, n * low, 0, 0, 0, 0, 0, 0, 0, n];
            let from = Endpoint::v6(ip, 6881);
            put(&mut items, 0, &Put { from, ..item_at(n, 0, b"1:x") }) == PutOutcome::Stored
        });
        assert_eq!(taken.count(), most);
    }
}

#[test]
fn in_a_local_network_one_address_may_fill_the_store() {
    let config = ServerConfig { items_per_network: 1, ..crate::dht::config::Config::default().server };
    let mut items = store_with(&config, Network::Local, 8, 100);
    assert!((1..=8).all(|d| put_at(&mut items, 0, d, 7) == PutOutcome::Stored));
}

/// Rules S12 and S13.
#[test]
fn a_full_store_gives_up_the_farthest_item_that_was_longest_without_a_put() {
    let mut items = store(12, 100);
    for (i, d) in (101..=112).enumerate() {
        assert_eq!(put_at(&mut items, 0, d, i as u8), PutOutcome::Stored);
    }
    // The eight farthest are 105 to 112; all of them but 107 are put again.
    for (i, d) in (101..=112).enumerate().filter(|&(_, d)| d != 107 && d != 101) {
        assert_eq!(put_at(&mut items, 10, d, i as u8), PutOutcome::Identical);
    }
    assert!(items.would_evict_first(&OWN, &Id([113; 20])) && !items.would_evict_first(&OWN, &Id([111; 20])));
    assert!(!items.would_evict_first(&OWN, &Id([112; 20])), "it is held");
    assert_eq!(put_at(&mut items, 20, 113, 100), PutOutcome::EvictedSelf);
    assert_eq!(put_at(&mut items, 20, 1, 100), PutOutcome::Stored);
    assert!(!held(&items, 107) && held(&items, 101) && held(&items, 112) && items.len() == 12);
    // 104 to 112 without 107 were refreshed at the same time: the farthest one goes.
    assert_eq!(put_at(&mut items, 20, 2, 101), PutOutcome::Stored);
    assert!(!held(&items, 112));
    // Only what is farther than the new item can go: 111.
    assert_eq!(put_at(&mut items, 20, 110, 102), PutOutcome::Identical);
    let other = Put { target: Id([110; 20]), from: from(102), ..version(1, b"1:m", &GOOD) };
    assert_eq!(put(&mut items, 20, &other), PutOutcome::Stored);
    assert!(!held(&items, 111));
}

/// Rule S12.
#[test]
fn a_full_store_takes_from_whoever_holds_most() {
    let config = ServerConfig { items_per_network: 100, ..crate::dht::config::Config::default().server };
    let mut items = store_with(&config, Network::Public, 60, 100);
    let honest = 150..170;
    honest.clone().for_each(|d| assert_eq!(put_at(&mut items, 0, d, d), PutOutcome::Stored));
    // Two networks fill the rest, and go on.
    for d in 1..=119 {
        assert_eq!(put_at(&mut items, 1, d, d % 2), PutOutcome::Stored);
        assert!(honest.clone().all(|d| held(&items, d)), "{d}");
    }
    // Whoever comes new has a place, however late, and costs them each the same.
    for d in 200..216 {
        assert_eq!(put_at(&mut items, 2, d - 80, d), PutOutcome::Stored);
    }
    let of = |items: &Items<'_>, network| items.holders.held(Networks::of(&from(network)), &|n| items.entry(n).network);
    assert_eq!([of(&items, 0), of(&items, 1), items.len()], [12, 12, 60]);
    assert!(honest.clone().all(|d| held(&items, d)));
}

/// Rule S12.
#[test]
fn an_item_that_was_put_in_two_periods_goes_last() {
    let mut items = store(3, 100);
    (1..=3).for_each(|d| assert_eq!(put_at(&mut items, 0, d, 7), PutOutcome::Stored));
    // In the same period, and an hour later.
    assert_eq!(put_at(&mut items, 3_599, 1, 7), PutOutcome::Identical);
    assert_eq!(put_at(&mut items, 3_600, 3, 8), PutOutcome::Identical);
    assert_eq!(put_at(&mut items, 3_700, 2, 7), PutOutcome::Identical);
    assert_eq!(put_at(&mut items, 3_800, 0, 9), PutOutcome::Stored);
    assert!(!held(&items, 1) && held(&items, 2) && held(&items, 3), "put again last, but in one period");
    // Of those that were, the one put longest ago.
    assert_eq!(put_at(&mut items, 3_900, 1, 10), PutOutcome::Stored);
    assert!(held(&items, 2) && !held(&items, 3));
}

/// Rule S12: distance is measured from whatever our id is.
#[test]
fn farthest_is_farthest_from_our_own_id() {
    let mut items = store(2, 100);
    for (i, d) in [0x00, 0xf0].into_iter().enumerate() {
        put_at(&mut items, 0, d, i as u8);
    }
    let own = Id([0xff; 20]);
    assert_eq!(items.put(at(0), &own, &item_at(0xf1, 9, b"1:x"), || true), PutOutcome::Stored);
    assert!(!held(&items, 0) && held(&items, 0xf0));
}

/// Rule S13: an item pushes out one other at most.
#[test]
fn a_put_that_would_push_out_two_is_refused() {
    let mut items = store(8, 4);
    let (small, large) = ([b'x'; 64], [b'x'; 128]);
    for d in 101..=104 {
        assert_eq!(put(&mut items, 0, &item_at(d, d, &small)), PutOutcome::Stored);
    }
    assert_eq!(put(&mut items, 0, &item_at(1, 0, &large)), PutOutcome::Rejected(Rejection::Space));
    assert_eq!(items.len(), 4);
    assert_eq!(put(&mut items, 0, &item_at(2, 0, &small)), PutOutcome::Stored);
    assert!(!held(&items, 104) && items.len() == 4);
}

/// Rule S14.
#[test]
fn a_newer_version_pushes_nothing_out() {
    let mut items = store(8, 3);
    let (small, large) = ([b'x'; 64], [b'x'; 65]);
    assert_eq!(put(&mut items, 0, &version(1, &small, &GOOD)), PutOutcome::Stored);
    assert_eq!(put(&mut items, 0, &item_at(255, 0, &small)), PutOutcome::Stored);
    assert_eq!(put(&mut items, 0, &version(2, &large, &GOOD)), PutOutcome::Replaced, "one block was free");
    assert_eq!(put(&mut items, 0, &version(3, &[b'x'; 129], &GOOD)), PutOutcome::Rejected(Rejection::Space));
    assert_eq!(put(&mut items, 0, &version(4, &[b'x'; 128], &GOOD)), PutOutcome::Replaced);
    assert_eq!((items.len(), items.bytes()), (2, 192));
}

/// Rule S15: expired items are neither counted nor held twice.
#[test]
fn an_item_is_held_for_its_lifetime_and_not_a_microsecond_more() {
    let mut items = store(4, 100);
    put_at(&mut items, 0, 1, 1);
    put_at(&mut items, 5, 2, 1);
    items.sweep(Instant::from_micros(7_200_000_000 - 1));
    assert_eq!((items.len(), items.sweep_at()), (2, Some(at(7_200))));
    items.sweep(at(7_200));
    assert_eq!((items.len(), items.bytes(), items.sweep_at()), (1, 3, Some(at(7_205))));
    assert!(!held(&items, 1) && held(&items, 2));
    assert_eq!(put_at(&mut items, 7_201, 1, 1), PutOutcome::Stored);
    items.sweep(at(100_000));
    assert_eq!((items.len(), items.bytes(), items.sweep_at()), (0, 0, None));
}

#[test]
fn a_clock_that_steps_back_ends_no_lifetime_early() {
    let mut items = store(4, 100);
    put_at(&mut items, 100, 1, 1);
    put_at(&mut items, 50, 2, 1);
    assert_eq!(items.sweep_at(), Some(at(7_300)));
}

/// Rule S16: a reply that was planned for an item that has gone is dropped, not filled with another.
#[test]
fn a_key_goes_stale_with_its_item() {
    let mut items = store(1, 100);
    put_at(&mut items, 0, 9, 1);
    let key = items.find(&Id([9; 20])).unwrap();
    assert_eq!(put_at(&mut items, 0, 1, 2), PutOutcome::Stored);
    let mut buf = [0; MAX_VALUE];
    assert_eq!(items.view(key, &mut buf), None);
    let key = items.find(&Id([1; 20])).unwrap();
    assert_eq!(items.view(key, &mut buf), Some(StoredItem { value: b"1:x", mutable: None }));
}

#[test]
fn a_store_without_memory_refuses_and_gives_no_token() {
    for mut items in [store(0, 0), store(4, 0), store(0, 4)] {
        assert!(items.would_evict_first(&OWN, &Id([1; 20])));
        assert_eq!(put_at(&mut items, 0, 1, 1), PutOutcome::Rejected(Rejection::Space));
        assert!(items.is_empty() && items.sweep_at().is_none());
    }
}

#[test]
fn an_item_takes_160_bytes_besides_its_value() {
    assert_eq!(core::mem::size_of::<ItemEntry>(), 160);
}

/// Indices of 16 bits ended at 65,534 items, and at 4 MiB of values.
#[test]
fn a_store_holds_as_many_items_and_bytes_as_it_was_made_for() {
    let (count, blocks) = (70_000u32, 16);
    let config = ServerConfig { items_per_network: u16::MAX, ..crate::dht::config::Config::default().server };
    let mut items = store_with(&config, Network::Public, count as usize, blocks * count as usize);
    let value = [b'x'; MAX_ENCODED];
    let target = |i: u32| crate::krpc::item::immutable_target(&i.to_be_bytes());
    let put = |items: &mut Items<'_>, i: u32| {
        let item = Item { value: &value, mutable: None };
        items.put(at(0), &OWN, &Put { from: from(i as u8), target: target(i), item, cas: None }, || true)
    };
    for i in 0..count {
        assert_eq!(put(&mut items, i), PutOutcome::Stored);
    }
    assert_eq!((items.len(), items.bytes()), (count as usize, 1_000 * count as usize));
    assert!((0..count).all(|i| items.find(&target(i)).is_some()) && items.find(&target(count)).is_none());
    (count..count + 9).for_each(|i| _ = put(&mut items, i));
    assert_eq!(items.len(), count as usize, "and not one more");
    items.check_invariants();
}
