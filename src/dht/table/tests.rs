//! Behaviour of the table, one rule of `spec/table.md` each.

extern crate std;
use std::vec::Vec;

use super::*;
use crate::base::list::List;
use crate::base::rng::Rng;
use crate::base::time::{Duration, Instant};
use crate::dht::config::{Config, TableConfig};
use crate::dht::contact::{Health, QueryKind};
use crate::krpc::endpoint::{Endpoint, Network};
use crate::krpc::id::Id;

pub(super) const OWN: Id = Id([0x55; 20]);
pub(super) const RTT: Option<Duration> = Some(Duration::from_millis(50));

pub(super) fn at(secs: u64) -> Instant {
    Instant::from_secs(secs)
}

pub(super) fn memory(contacts: usize, newcomers: usize) -> TableMemory<'static> {
    memory_with(contacts, newcomers, 0)
}

pub(super) fn memory_with(contacts: usize, newcomers: usize, remembered: usize) -> TableMemory<'static> {
    TableMemory {
        contacts: List::with_capacity(contacts),
        prefixes: List::with_capacity(contacts),
        newcomers: List::with_capacity(newcomers),
        buckets: List::with_capacity(BUCKETS),
        id_changes: List::with_capacity(ID_CHANGES),
        remembered: List::with_capacity(remembered),
        callers: List::zeroed(64),
    }
}

/// The rules of a table that is never poor.
pub(super) fn rules() -> TableConfig {
    TableConfig { enough: 0, ..Config::default().table }
}

fn table() -> Table<'static> {
    Table::new(rules(), Network::Public, OWN, memory(512, 256))
}

/// A table whose buckets hold four contacts each.
fn narrow() -> Table<'static> {
    Table::new(TableConfig { bucket_sizes: [4; 5], ..rules() }, Network::Public, OWN, memory(512, 256))
}

/// The `n`th id of a bucket.
pub(super) fn id(bucket: usize, n: u32) -> Id {
    let mut id = OWN;
    id.0[bucket / 8] ^= 0x80 >> (bucket % 8);
    id.0[16..].copy_from_slice(&n.to_be_bytes());
    id
}

/// An endpoint in the `n`th network.
pub(super) fn endpoint(n: u32) -> Endpoint {
    let [_, b, c, d] = n.to_be_bytes();
    Endpoint::v4([20 + b, c, d, 7], 1000)
}

pub(super) fn fill(table: &mut Table<'_>, bucket: usize, contacts: u32) {
    (0..contacts).for_each(|n| assert_eq!(add(table, at(0), bucket, n), Admission::Added));
}

pub(super) fn add(table: &mut Table<'_>, now: Instant, bucket: usize, n: u32) -> Admission {
    let result = table.on_response(now, &id(bucket, n), endpoint(1000 * bucket as u32 + n), RTT);
    table.check_invariants();
    result
}

fn nearest(table: &Table<'_>, target: &Id, n: usize) -> Vec<Id> {
    let mut found = Vec::new();
    table.closest(target, None, n, |c| found.push(*c.id()));
    found
}

/// Ids that somebody made alike in their first 64 bits.
#[test]
fn of_contacts_whose_ids_begin_alike_the_nearest_come_first() {
    let mut t = table();
    fill(&mut t, 0, 60);
    for target in [id(0, 7), id(0, 33), id(0, 59), OWN] {
        let mut all: Vec<Id> = (0..60).map(|n| id(0, n)).collect();
        all.sort_by_key(|id| target.distance(id));
        for n in [1, 8, 20, 60] {
            assert_eq!(nearest(&t, &target, n), all[..n]);
        }
    }
}

/// T1.
#[test]
fn only_an_answer_makes_a_contact() {
    let mut t = table();
    assert_eq!(t.on_query(at(0), &id(0, 1), endpoint(1)), Seen::Waiting);
    assert!(t.offer(at(0), &id(1, 2), endpoint(2)));
    assert!(t.is_empty() && nearest(&t, &OWN, 8).is_empty());
    assert_eq!(t.on_response(at(1), &id(0, 1), endpoint(1), RTT), Admission::Added);
    assert_eq!(t.on_query(at(2), &id(0, 1), endpoint(1)), Seen::Contact);
    assert_eq!(t.len(), 1);
    let contact = t.find(&id(0, 1)).unwrap();
    assert_eq!((contact.health(), contact.history().rtt()), (Health::Good, RTT));
}

/// T2.
#[test]
fn our_own_id_the_zero_id_our_own_address_and_unusable_addresses_never_enter() {
    let own_addr = Endpoint::v4([9, 9, 9, 9], 99);
    let mut t = Table::new(rules(), Network::Public, OWN, memory(8, 8));
    t.set_addr(at(0), Some(own_addr));
    for (id, endpoint, why) in [
        (OWN, endpoint(1), AdmissionRefusal::OwnId),
        (Id([0; 20]), endpoint(1), AdmissionRefusal::ZeroId),
        (id(0, 1), own_addr, AdmissionRefusal::OwnAddress),
        (id(0, 1), Endpoint::v4([127, 0, 0, 1], 5), AdmissionRefusal::BadAddress),
        (id(0, 1), Endpoint::v4([8, 8, 8, 8], 0), AdmissionRefusal::BadAddress),
    ] {
        assert_eq!(t.on_response(at(0), &id, endpoint, RTT), Admission::Refused(why));
        assert_eq!(t.on_query(at(0), &id, endpoint), Seen::Ignored);
        assert!(!t.offer(at(0), &id, endpoint));
    }
    assert!(t.is_empty() && t.check_at().is_none() && t.refresh_at().is_none());
}

/// T3.
#[test]
fn nothing_that_a_stranger_sends_moves_a_contact_to_another_address() {
    let mut t = table();
    add(&mut t, at(0), 0, 1);
    let (id, home) = (id(0, 1), endpoint(1));
    assert_eq!(t.on_query(at(1), &id, endpoint(2)), Seen::Waiting, "in case it has moved");
    assert!(!t.offer(at(1), &id, endpoint(2)));
    assert_eq!(t.on_response(at(1), &id, endpoint(2), RTT), Admission::Refused(AdmissionRefusal::IdTaken));
    assert_eq!(t.find(&id).unwrap().endpoint(), home);
    assert_eq!(t.on_failure(at(1), &id, endpoint(2), QueryKind::Data), Failed::Stranger);
    assert_eq!(t.find(&id).unwrap().health(), Health::Good);
}

/// T3.
#[test]
fn who_squats_on_an_id_gives_way_to_the_one_address_that_may_carry_it() {
    let (squatter, owner) = (endpoint(1), endpoint(2));
    let id = Id::secure(owner.ip(), &mut Rng::from_seed([8; 32]));
    let mut t = table();
    assert_eq!(t.on_response(at(0), &id, squatter, RTT), Admission::Added);
    assert_eq!(t.on_response(at(0), &id, endpoint(3), RTT), Admission::Refused(AdmissionRefusal::IdTaken));
    assert_eq!(t.on_response(at(0), &id, owner, RTT), Admission::Added);
    assert_eq!(t.on_response(at(0), &id, squatter, RTT), Admission::Refused(AdmissionRefusal::IdTaken));
    t.check_invariants();
    assert_eq!(t.find(&id).unwrap().endpoint(), owner);
}

/// T6.
#[test]
fn a_full_bucket_never_gives_up_a_contact_that_answers() {
    let mut t = narrow();
    fill(&mut t, 0, 4);
    for n in 4..1000 {
        assert_eq!(add(&mut t, at(u64::from(n)), 0, n), Admission::Full);
        (0..4).for_each(|n| assert_eq!(add(&mut t, at(1), 0, n), Admission::Updated));
    }
    assert_eq!(t.len(), 4);
}

/// T18, T19, T22, T25.
#[test]
fn a_newcomer_takes_the_place_of_a_contact_that_failed_twice() {
    let mut t = narrow();
    fill(&mut t, 0, 4);
    assert_eq!(add(&mut t, at(1), 0, 9), Admission::Full);
    // Nothing happens until a contact was silent for 12 minutes: then the oldest is asked.
    assert_eq!(t.check_at(), Some(at(720)));
    assert_eq!(t.next_check(at(719)), None);
    let (first, home) = t.next_check(at(720)).unwrap();
    assert_eq!(t.on_failure(at(722), &first, home, QueryKind::Check), Failed::Kept);
    assert_eq!(t.on_failure(at(760), &first, home, QueryKind::Check), Failed::Dropped);
    t.check_invariants();
    // The contacts and the newcomer take turns; the newcomer is due at once.
    let mut asked = Vec::new();
    for s in 760..770 {
        asked.extend(t.next_check(at(s)));
        t.check_invariants();
    }
    assert!(asked.contains(&(id(0, 9), endpoint(9))));
    assert_eq!(add(&mut t, at(770), 0, 9), Admission::Added);
}

/// T22.
#[test]
fn who_has_answered_for_an_hour_may_be_silent_for_longer_than_a_young_contact() {
    let mut t = table();
    assert_eq!(add(&mut t, at(0), 0, 1), Admission::Added);
    for (answered, asked) in [(0, 720), (1_800, 2_520), (3_500, 4_220), (3_800, 4_700), (90_000, 90_900)] {
        t.on_response(at(answered), &id(0, 1), endpoint(1), RTT);
        assert_eq!(t.next_check(at(asked - 1)), None, "silent since {answered}");
        assert_eq!(t.next_check(at(asked)), Some((id(0, 1), endpoint(1))));
        t.check_invariants();
    }
}

/// T22, T23.
#[test]
fn checks_keep_their_pace_and_each_contact_has_its_turn() {
    let mut t = table();
    fill(&mut t, 0, 20);
    let (mut now, mut asked) = (at(0), Vec::new());
    while let Some(due) = t.check_at() {
        assert!(due > now);
        now = due;
        if now > at(1000) {
            break;
        }
        let Some((id, endpoint)) = t.next_check(now) else { continue };
        assert_eq!(t.next_check(now), None, "one at a time");
        asked.push((now, id));
        t.on_response(now, &id, endpoint, RTT);
        t.check_invariants();
    }
    assert_eq!(asked.len(), 20);
    assert!(asked.windows(2).all(|w| w[1].0.since(w[0].0) == Duration::from_secs(2) && w[0].1 != w[1].1));
}

/// T13, T17.
#[test]
fn a_newcomer_is_asked_90_s_after_its_last_packet() {
    let mut t = table();
    t.on_query(at(0), &id(3, 1), endpoint(1));
    assert_eq!(t.check_at(), Some(at(90)));
    t.on_query(at(60), &id(3, 1), endpoint(1));
    t.check_invariants();
    assert_eq!(t.next_check(at(90)), None);
    assert_eq!(t.check_at(), Some(at(150)));
    assert_eq!(t.next_check(at(150)), Some((id(3, 1), endpoint(1))));
    assert_eq!(t.on_failure(at(152), &id(3, 1), endpoint(1), QueryKind::Check), Failed::Stranger);
    assert_eq!(t.next_check(at(179)), None);
    assert_eq!(t.next_check(at(180)), Some((id(3, 1), endpoint(1))), "packets get lost");
    assert_eq!(t.on_failure(at(182), &id(3, 1), endpoint(1), QueryKind::Check), Failed::Stranger);
    assert_eq!(t.next_check(at(1000)), None);
    assert_eq!(t.check_at(), None);
}

/// T13, T25.
#[test]
fn a_packet_of_a_contact_that_was_dropped_does_not_bring_its_check_forward() {
    let mut t = table();
    fill(&mut t, 3, 2);
    for secs in [10, 20] {
        t.on_failure(at(secs), &id(3, 1), endpoint(3001), QueryKind::Check);
    }
    assert_eq!(t.len(), 1);
    assert_eq!(t.next_check(at(20)), None, "it waits for 3 min");
    assert_eq!(t.on_query(at(21), &id(3, 1), endpoint(3001)), Seen::Waiting);
    t.check_invariants();
    assert_eq!(t.next_check(at(199)), None);
    assert_eq!(t.next_check(at(200)), Some((id(3, 1), endpoint(3001))));
}

/// T24.
#[test]
fn a_check_whose_end_is_never_told_is_repeated() {
    let mut t = table();
    t.offer(at(0), &id(3, 1), endpoint(1));
    assert!(t.next_check(at(0)).is_some());
    assert_eq!(t.next_check(at(29)), None);
    assert!(t.next_check(at(30)).is_some());
}

/// T15.
#[test]
fn five_newcomers_wait_for_a_bucket_and_those_who_came_first_stay() {
    let mut t = table();
    for n in 0..5 {
        assert_eq!(t.on_query(at(0), &id(2, n), endpoint(n)), Seen::Waiting);
    }
    assert_eq!(t.on_query(at(1), &id(2, 5), endpoint(5)), Seen::Ignored);
    assert_eq!(t.on_query(at(1), &id(3, 5), endpoint(5)), Seen::Waiting, "another bucket");
    assert_eq!(t.on_query(at(7200), &id(2, 5), endpoint(5)), Seen::Waiting, "after two hours they are forgotten");
    t.check_invariants();
}

/// T1, T15.
#[test]
fn a_flood_of_strangers_changes_neither_contacts_nor_memory() {
    let mut t = Table::new(rules(), Network::Public, OWN, memory(512, 64));
    fill(&mut t, 0, 40);
    let before: Vec<_> = t.contacts().collect();
    let mut rng = Rng::from_seed([1; 32]);
    for n in 0..100_000u64 {
        let from = Endpoint::v4(rng.bytes(), 1 + rng.below(60_000) as u16);
        t.on_query(Instant::from_millis(n), &Id::random(&mut rng), from);
    }
    t.check_invariants();
    assert!(t.contacts().eq(before));
}

/// T8.
#[test]
fn one_address_has_one_contact_and_a_network_two_in_a_bucket_and_ten_in_all() {
    let mut t = table();
    let host = |n: u8| Endpoint::v4([7, 7, 7, n], 1);
    assert_eq!(t.on_response(at(0), &id(0, 1), host(1), RTT), Admission::Added);
    let other_port = host(1).with_port(2);
    assert_eq!(t.on_response(at(0), &id(0, 2), other_port, RTT), Admission::Refused(AdmissionRefusal::SameIp));
    assert_eq!(t.on_response(at(0), &id(0, 2), host(2), RTT), Admission::Added);
    assert_eq!(t.on_response(at(0), &id(0, 3), host(3), RTT), Admission::Refused(AdmissionRefusal::Network));
    for bucket in 1..5 {
        for n in 0..2 {
            let host = host(10 * bucket + n);
            assert_eq!(t.on_response(at(0), &id(bucket.into(), n.into()), host, RTT), Admission::Added);
        }
    }
    t.check_invariants();
    assert_eq!(t.on_response(at(0), &id(6, 1), host(99), RTT), Admission::Refused(AdmissionRefusal::Network));
    assert_eq!(t.len(), 10);
}

/// T8.
#[test]
fn of_ipv6_a_64_a_56_and_a_48_have_a_quota_each() {
    let host = |subnet: u16| {
        let [high, low] = subnet.to_be_bytes();
        Endpoint::v6([0x20, 1, 0xd, 0xb8, 0, 7, high, low, 0, 0, 0, 0, 0, 0, 0, 1], 1)
    };
    // As many as there are in all buckets, and in the first one.
    for (step, in_bucket, in_all) in [(1, 2, 12), (0x100, 3, 15)] {
        let mut t = table();
        let mut n = 0;
        let mut add = |t: &mut Table<'_>, bucket| {
            n += 1;
            t.on_response(at(0), &id(bucket, n.into()), host(n * step), RTT)
        };
        let first = (0..20).filter(|_| add(&mut t, 0) == Admission::Added).count();
        let others = (0..60).filter(|n| add(&mut t, 1 + n / 6) == Admission::Added).count();
        assert_eq!((first, first + others), (in_bucket, in_all), "{step:#x}");
        t.check_invariants();
        // Nor may more of them wait for a bucket than one.
        assert_eq!(t.on_query(at(1), &id(20, 1), host(0xff00)), Seen::Waiting);
        assert_eq!(t.on_query(at(1), &id(20, 2), host(0xfe00)), Seen::Ignored);
    }
}

/// T8.
#[test]
fn a_local_network_has_no_prefix_rules() {
    let mut t = Table::new(rules(), Network::Local, OWN, memory(512, 256));
    for n in 0..100 {
        let from = Endpoint::v4([127, 0, 0, 1], 1000 + n as u16);
        assert_eq!(t.on_response(at(0), &id(0, n), from, RTT), Admission::Added);
    }
    t.check_invariants();
}

/// T9.
#[test]
fn an_endpoint_that_changes_its_id_loses_its_contact_and_waits_longer_at_first() {
    let mut t = table();
    let from = endpoint(1);
    assert_eq!(t.on_response(at(0), &id(0, 1), from, RTT), Admission::Added);
    assert_eq!(t.on_response(at(1), &id(0, 2), from, RTT), Admission::IdChanged);
    assert!(t.is_empty());
    let mut now = 1;
    for n in 0..13 {
        let wait = (9 << n).min(36);
        let too_soon = t.on_response(at(now + wait - 1), &id(0, 2 + n), from, RTT);
        assert_eq!(too_soon, Admission::Refused(AdmissionRefusal::IdChanged), "change {n}");
        now += wait;
        assert_eq!(t.on_response(at(now), &id(0, 2 + n), from, RTT), Admission::Added, "a node may be restarted");
        t.on_wrong_id(at(now), &id(0, 2 + n), from, &id(0, 3 + n));
        assert!(t.is_empty());
    }
    // It may wait until it is let in again, under the id that it says now.
    assert_eq!(t.on_query(at(now), &id(0, 99), from), Seen::Waiting);
    t.check_invariants();
}

/// T10.
#[test]
fn an_endpoint_that_was_named_with_a_false_id_is_not_to_blame() {
    let mut t = table();
    add(&mut t, at(0), 0, 1);
    assert!(t.offer(at(0), &id(3, 7), endpoint(7)));
    for _ in 0..5 {
        t.on_wrong_id(at(1), &id(3, 7), endpoint(7), &id(4, 7));
        t.on_wrong_id(at(1), &id(0, 1), endpoint(7), &id(4, 7));
    }
    assert_eq!(t.len(), 1);
    assert_eq!(t.on_response(at(2), &id(4, 7), endpoint(7), RTT), Admission::Added);
}

/// T26, T32.
#[test]
fn bad_contacts_are_not_handed_out_and_the_last_ones_are_kept_to_recover_from() {
    let mut t = table();
    fill(&mut t, 0, 8);
    for n in 0..8 {
        for _ in 0..2 {
            t.on_failure(at(1000), &id(0, n), endpoint(n), QueryKind::Data);
            t.check_invariants();
        }
    }
    assert_eq!((t.len(), nearest(&t, &OWN, 8).len()), (1, 0), "the last one stays, and is not handed out");
    let mut asked = None;
    (0..=60).for_each(|s| asked = asked.or(t.next_check(at(1000 + s))));
    assert!(asked.is_some(), "and is asked again");
}

/// T32.
#[test]
fn whoever_asks_is_left_out_of_the_answer() {
    let mut t = table();
    fill(&mut t, 0, 3);
    let mut found = Vec::new();
    t.closest(&id(0, 1), Some(&endpoint(1)), 8, |c| found.push(*c.id()));
    assert_eq!(found, [id(0, 0), id(0, 2)]);
    t.closest(&id(0, 1), None, 0, |_| panic!("nothing was asked for"));
}

/// T12, T2.
#[test]
fn a_new_id_of_ours_keeps_the_contacts_that_still_fit() {
    let mut t = narrow();
    let mut rng = Rng::from_seed([5; 32]);
    for n in 0..200 {
        t.on_response(at(n.into()), &Id::random(&mut rng), endpoint(n), RTT);
    }
    let before = t.len();
    let own = Id::random(&mut rng);
    t.set_own(at(20), own);
    t.check_invariants();
    assert!(t.len() > before / 3 && *t.own() == own);
    let contact = *t.find(&t.contacts().next().unwrap().id).unwrap();
    t.set_own(at(20), *contact.id());
    t.check_invariants();
    assert!(t.find(contact.id()).is_none());
    let contact = *t.find(&t.contacts().next().unwrap().id).unwrap();
    t.set_addr(at(302), Some(contact.endpoint()));
    t.check_invariants();
    assert!(t.find(contact.id()).is_none());
}

/// T7.
#[test]
fn when_memory_is_short_far_buckets_give_way_to_near_ones() {
    let mut t = Table::new(rules(), Network::Public, OWN, memory(32, 16));
    fill(&mut t, 0, 32);
    assert_eq!(add(&mut t, at(0), 0, 99), Admission::Full);
    let added = (0..30).filter(|&n| add(&mut t, at(1), 2, n) == Admission::Added).count();
    assert_eq!((added, t.len()), (16, 32), "both have their half");
}

/// T29, T30, T31.
#[test]
fn thin_buckets_are_refreshed_eagerly_at_first_and_full_ones_when_nothing_is_heard() {
    let mut rng = Rng::from_seed([6; 32]);
    let mut t = table();
    assert_eq!(t.next_refresh(at(0), &mut rng), None);
    fill(&mut t, 0, 9);
    // The empty bucket 1 is behind the deepest one.
    let (mut now, mut seen) = (at(0), Vec::new());
    while let Some(due) = t.refresh_at() {
        now = now.max(due);
        if now > at(4000) {
            break;
        }
        if let Some(target) = t.next_refresh(now, &mut rng) {
            assert_eq!(t.next_refresh(now, &mut rng), None);
            seen.push((now.as_secs(), target.shared_prefix_len(&OWN)));
        }
    }
    let of_1: Vec<u64> = seen.iter().filter(|(_, b)| *b == 1).map(|(s, _)| *s).collect();
    let of_0: Vec<u64> = seen.iter().filter(|(_, b)| *b == 0).map(|(s, _)| *s).collect();
    assert_eq!(of_1[..5], [0, 30, 150, 750, 1650]);
    assert_eq!(of_0[0], 900);
}

/// T16.
#[test]
fn newcomers_of_a_full_bucket_are_not_asked() {
    let mut t = narrow();
    fill(&mut t, 0, 4);
    assert!(t.offer(at(0), &id(0, 9), endpoint(9)));
    assert_eq!((t.check_at(), t.next_check(at(719))), (Some(at(720)), None));
}

/// T16.
#[test]
fn a_newcomer_that_could_not_be_added_is_forgotten_without_being_asked() {
    let mut t = table();
    fill(&mut t, 0, 1);
    for (n, port) in (0..5).zip(2000..) {
        assert!(t.offer(at(0), &id(1 + n, 9), endpoint(0).with_port(port)));
    }
    assert_eq!(t.next_check(at(1)), None, "four are looked at in one check");
    assert_eq!((t.check_at(), t.next_check(at(3))), (Some(at(3)), None));
    assert_eq!(t.check_at(), Some(at(720)));
}

/// T15, T16.
#[test]
fn newcomers_are_asked_in_the_order_of_their_arrival_and_an_endpoint_waits_once() {
    let mut t = Table::new(rules(), Network::Local, OWN, memory(8, 8));
    let from = |port| Endpoint::v4([127, 0, 0, 1], port);
    assert_eq!(t.on_query(at(0), &id(2, 9), from(9)), Seen::Waiting);
    assert_eq!(t.on_query(at(0), &id(2, 1), from(1)), Seen::Waiting);
    assert_eq!(t.on_query(at(0), &id(2, 2), from(1)), Seen::Ignored);
    assert_eq!(t.on_query(at(0), &id(2, 1), from(2)), Seen::Ignored);
    assert_eq!(t.next_check(at(90)), Some((id(2, 9), from(9))));
    assert_eq!(t.next_check(at(93)), Some((id(2, 1), from(1))));
}

/// T23.
#[test]
fn contacts_and_newcomers_take_turns() {
    let mut t = table();
    fill(&mut t, 0, 4);
    (0..4).for_each(|n| assert!(t.offer(at(0), &id(2, n), endpoint(100 + n))));
    let asked: Vec<u32> =
        (0..8).filter_map(|n| t.next_check(at(900 + 3 * n))).map(|(id, _)| id.shared_prefix_len(&OWN)).collect();
    assert_eq!(asked, [0, 2, 0, 2, 0, 2, 0, 2]);
}

/// T24.
#[test]
fn a_contact_that_is_being_asked_is_left_alone() {
    let mut t = table();
    fill(&mut t, 0, 1);
    assert!(t.next_check(at(900)).is_some());
    assert_eq!((t.next_check(at(903)), t.check_at()), (None, Some(at(930))));
    assert!(t.next_check(at(930)).is_some());
}

/// T23.
#[test]
fn whoever_failed_is_asked_first_and_then_where_somebody_waits() {
    let mut t = narrow();
    fill(&mut t, 0, 4);
    fill(&mut t, 1, 4);
    assert!(t.offer(at(1), &id(1, 9), endpoint(9)));
    t.on_failure(at(100), &id(0, 3), endpoint(3), QueryKind::Data);
    let bucket_of = |check: Option<(Id, Endpoint)>| check.map(|(id, _)| id.shared_prefix_len(&OWN));
    assert_eq!(t.next_check(at(1000)), Some((id(0, 3), endpoint(3))));
    (1..=4).for_each(|n| assert_eq!(bucket_of(t.next_check(at(1000 + 3 * n))), Some(1)));
    assert_eq!(bucket_of(t.next_check(at(1015))), Some(0));
}

/// T22.
#[test]
fn a_contact_that_failed_and_sends_a_query_is_asked_at_once() {
    let mut t = table();
    fill(&mut t, 0, 2);
    t.on_failure(at(100), &id(0, 1), endpoint(1), QueryKind::Data);
    assert_eq!(t.check_at(), Some(at(130)));
    assert_eq!(t.on_query(at(101), &id(0, 1), endpoint(1)), Seen::Contact);
    assert_eq!(t.next_check(at(101)), Some((id(0, 1), endpoint(1))));
    (102..130).for_each(|s| assert_eq!(t.on_query(at(s), &id(0, 1), endpoint(1)), Seen::Contact));
    assert_eq!(t.check_at(), Some(at(131)), "once");
}

/// T30, T31.
#[test]
fn a_bucket_that_loses_contacts_is_refreshed_soon_and_the_deepest_comes_first() {
    let mut rng = Rng::from_seed([6; 32]);
    let mut t = table();
    fill(&mut t, 0, 8);
    fill(&mut t, 2, 3);
    let mut refreshed = |t: &mut Table<'_>, s| t.next_refresh(at(s), &mut rng).map(|id| id.shared_prefix_len(&OWN));
    assert_eq!(
        [0, 15, 30, 45, 60].map(|s| refreshed(&mut t, s)),
        [Some(3), None, Some(3), None, None],
        "all three at once"
    );
    (0..2).for_each(|_| _ = t.on_failure(at(100), &id(0, 1), endpoint(1), QueryKind::Data));
    let later: Vec<_> = (100..200).filter_map(|s| Some((s, refreshed(&mut t, s)?))).collect();
    assert_eq!(later, [(130, 0), (150, 3), (165, 0)]);
}

/// Rule T22, where the time that is taken for silence is shorter than the wait after a failure.
#[test]
fn a_contact_that_answers_after_a_failure_is_due_as_soon_as_it_has_been_silent_again() {
    for is_error in [false, true] {
        let rules = TableConfig { stale_after: Duration::from_secs(5), ..rules() };
        let mut t = Table::new(rules, Network::Public, OWN, memory(8, 8));
        add(&mut t, at(0), 0, 1);
        assert_eq!(t.next_check(at(5)), Some((id(0, 1), endpoint(1))));
        assert_eq!(t.on_failure(at(40), &id(0, 1), endpoint(1), QueryKind::Check), Failed::Kept);
        assert_eq!(t.next_check(at(41)), None, "it rests for half a minute");
        match is_error {
            true => t.on_alive(at(42), &id(0, 1), endpoint(1), Duration::from_millis(50)),
            false => _ = add(&mut t, at(42), 0, 1),
        }
        assert!(t.check_at().is_some_and(|due| due <= at(47)));
        assert_eq!(t.next_check(at(47)), Some((id(0, 1), endpoint(1))));
    }
}
