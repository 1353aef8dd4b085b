//! Who is remembered, and what a poor table does: rules of `spec/table.md`.

extern crate std;
use std::vec::Vec;

use super::tests::{OWN, RTT, add, at, endpoint, fill, id, memory_with, rules};
use super::*;
use crate::base::rng::Rng;
use crate::base::time::{Duration, Instant};
use crate::dht::config::{Config, TableConfig};
use crate::dht::contact::QueryKind;
use crate::krpc::endpoint::{Endpoint, Network};
use crate::krpc::id::Id;

/// A table that is never poor, and remembers so many.
pub(super) fn rich(remembered: usize) -> Table<'static> {
    Table::new(rules(), Network::Public, OWN, memory_with(512, 256, remembered))
}

/// A table with fewer than thirty contacts is poor.
pub(super) fn poor(remembered: usize) -> Table<'static> {
    Table::new(Config::default().table, Network::Public, OWN, memory_with(512, 256, remembered))
}

fn remembered(table: &Table<'_>) -> Vec<Id> {
    table.remembered().map(|(id, _)| id).collect()
}

/// A contact fails twice, and loses its place.
fn lose(table: &mut Table<'_>, now: u64, bucket: usize, n: u32) {
    for secs in [0, 40] {
        let endpoint = endpoint(1000 * bucket as u32 + n);
        table.on_failure(at(now + secs), &id(bucket, n), endpoint, QueryKind::Check);
        table.check_invariants();
    }
}

/// All checks from one second to another, and what comes of each.
fn each_check(
    table: &mut Table<'_>,
    from: u64,
    to: u64,
    mut tell: impl FnMut(&mut Table<'_>, Instant, Id, Endpoint),
) -> Vec<(Instant, Id, Endpoint)> {
    let mut asked = Vec::new();
    while let Some(due) = table.check_at().map(|due| due.max(at(from))).filter(|due| *due < at(to)) {
        let next = table.next_check(due);
        assert!(next.is_some() || table.check_at() != Some(due), "no check is due for ever");
        if let Some((id, endpoint)) = next {
            asked.push((due, id, endpoint));
            tell(table, due, id, endpoint);
            table.check_invariants();
        }
    }
    asked
}

/// The same, of checks whose ends are not told.
pub(super) fn checks(table: &mut Table<'_>, from: u64, to: u64) -> Vec<(Instant, Id, Endpoint)> {
    each_check(table, from, to, |_, _, _, _| {})
}

/// The same, of checks that fail.
fn failed_checks(table: &mut Table<'_>, from: u64, to: u64) -> Vec<(Instant, Id, Endpoint)> {
    each_check(table, from, to, |table, now, id, from| {
        table.on_failure(now, &id, from, QueryKind::Check);
    })
}

/// T47.
#[test]
fn contacts_are_told_in_the_order_in_which_they_are_worth_saving() {
    let mut t = rich(0);
    (0..4).for_each(|n| _ = add(&mut t, at(10), 3, n));
    let rtt = RTT.unwrap_or_default();
    (1..4).for_each(|n| t.on_alive(at(3_700), &id(3, n), endpoint(3_000 + n), rtt));
    add(&mut t, at(3_700), 4, 9);
    t.on_failure(at(3_710), &id(3, 1), endpoint(3_001), QueryKind::Data);
    let told: Vec<_> = t.best_to_save(at(3_720)).map(|contact| contact.id).collect();
    assert_eq!(told.len(), 5);
    assert!(told[..2].contains(&id(3, 2)) && told[..2].contains(&id(3, 3)), "{told:?}");
    assert!(told[2..4].contains(&id(4, 9)) && told[2..4].contains(&id(3, 0)), "{told:?}");
    assert_eq!(told[4], id(3, 1));
}

/// T37.
#[test]
fn who_loses_its_place_is_remembered_until_it_is_a_contact_again() {
    let mut t = rich(8);
    fill(&mut t, 3, 3);
    lose(&mut t, 100, 3, 1);
    assert_eq!((t.len(), remembered(&t)), (2, [id(3, 1)].to_vec()));
    assert_eq!(add(&mut t, at(500), 3, 1), Admission::Added);
    assert_eq!(remembered(&t), []);
}

/// T37.
#[test]
fn no_stranger_is_remembered_and_who_answers_only_where_there_is_a_place() {
    let mut t =
        Table::new(TableConfig { bucket_sizes: [4; 5], ..rules() }, Network::Public, OWN, memory_with(512, 256, 2));
    fill(&mut t, 0, 4);
    for n in 100..200 {
        t.on_query(at(1), &id(0, n), endpoint(n));
        t.offer(at(1), &id(1, n), endpoint(n));
    }
    assert_eq!(remembered(&t), []);
    for n in 10..20 {
        assert_eq!(add(&mut t, at(2), 0, n), Admission::Full);
    }
    assert_eq!(remembered(&t), [id(0, 10), id(0, 11)], "they do not push one another out");
    add(&mut t, at(4000), 0, 0);
    lose(&mut t, 5000, 0, 0);
    assert!(remembered(&t).contains(&id(0, 0)), "but give way to one that was a contact");
}

/// T38: at the limit and one past it.
#[test]
fn a_full_memory_keeps_those_that_were_contacts_longest_and_some_of_every_bucket() {
    let mut t = rich(4);
    // The lower its number, the longer each of them answered.
    for bucket in [3, 5] {
        for n in 0..5 {
            assert_eq!(add(&mut t, at(1000 * u64::from(n)), bucket, n), Admission::Added);
            assert_eq!(add(&mut t, at(10_000), bucket, n), Admission::Updated);
        }
    }
    for n in [4, 2, 0, 1] {
        lose(&mut t, 11_000, 3, n);
    }
    assert_eq!(remembered(&t), [4, 2, 0, 1].map(|n| id(3, n)), "four have a place");
    lose(&mut t, 12_000, 3, 3);
    assert_eq!(remembered(&t), [2, 0, 1, 3].map(|n| id(3, n)), "the fifth takes that of who was there shortest");
    lose(&mut t, 13_000, 5, 4);
    assert_eq!(remembered(&t), [id(3, 2), id(3, 0), id(3, 1), id(5, 4)], "each bucket has its share");
    lose(&mut t, 14_000, 5, 0);
    assert_eq!(remembered(&t), [id(3, 0), id(3, 1), id(5, 4), id(5, 0)]);
    lose(&mut t, 15_000, 5, 2);
    assert_eq!(remembered(&t), [id(3, 0), id(3, 1), id(5, 0), id(5, 2)]);
}

/// T37.
#[test]
fn what_there_is_of_one_network_has_every_free_place_and_goes_first_when_others_come() {
    let here = |n: u8| Endpoint::v4([30, 1, 1, n], 1000);
    for (network, left) in [(Network::Public, 2), (Network::Local, 8)] {
        let mut t = Table::new(rules(), network, OWN, memory_with(64, 64, 8));
        // In a bucket each, while all the others are in one.
        (0..8).for_each(|n| t.remember(at(0), &id(n, 1), here(n as u8)));
        assert_eq!(remembered(&t).len(), 8);
        for n in 0..6 {
            t.remember(at(0), &id(9, n), endpoint(n));
            t.check_invariants();
        }
        let of_network = t.remembered().filter(|(_, at)| (0..8).any(|n| *at == here(n))).count();
        assert_eq!((of_network, t.remembered().count()), (left, 8));
        t.remember(at(0), &id(20, 1), here(99));
        assert!(t.find(&id(20, 1)).is_none() && !remembered(&t).contains(&id(20, 1)), "the third of its network");
    }
}

/// One of the /64 of a /48.
fn subnet(n: u8) -> Endpoint {
    Endpoint::v6([0x20, 1, 0xd, 0xb8, 0, 7, n, n, 0, 0, 0, 0, 0, 0, 0, 1], 1000)
}

/// T37, T38.
#[test]
fn of_those_in_the_64s_of_one_48_two_are_remembered_when_others_come() {
    let elsewhere = |n: u8| Endpoint::v6([0x20, 1, 0xd, 0xb8, 1, n, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 1000);
    for (network, left) in [(Network::Public, 2), (Network::Local, 8)] {
        let mut t = Table::new(rules(), network, OWN, memory_with(64, 64, 8));
        // In a bucket each, while all the others are in one.
        (0..8).for_each(|n| t.remember(at(0), &id(n, 1), subnet(n as u8)));
        assert_eq!(remembered(&t).len(), 8);
        (0..6).for_each(|n| t.remember(at(0), &id(9, n), elsewhere(n as u8)));
        t.check_invariants();
        assert_eq!(t.remembered().filter(|(_, at)| (0..8).any(|n| *at == subnet(n))).count(), left);
    }
    let narrow = TableConfig { bucket_sizes: [4; 5], ..rules() };
    let mut t = Table::new(narrow, Network::Public, OWN, memory_with(512, 256, 32));
    fill(&mut t, 0, 4);
    for n in 0..9 {
        assert_eq!(t.on_response(at(2), &id(0, 9 + u32::from(n)), subnet(n), RTT), Admission::Full);
    }
    assert_eq!(remembered(&t), [id(0, 9), id(0, 10)], "nor more of those who only answered");
}

/// T15.
#[test]
fn of_those_in_the_64s_of_one_48_one_waits_for_a_bucket() {
    for (network, waiting) in [(Network::Public, 1), (Network::Local, 4)] {
        let mut t = Table::new(rules(), network, OWN, memory_with(64, 64, 8));
        let seen = (0..4).filter(|n| t.on_query(at(0), &id(3, u32::from(*n)), subnet(*n)) == Seen::Waiting);
        assert_eq!(seen.count(), waiting);
    }
}

/// T37, T47.
#[test]
fn whoever_is_told_to_be_saved_is_remembered_by_the_next_run_though_all_are_of_one_network() {
    let mut before = rich(8);
    for n in 0..10 {
        before.on_response(at(0), &id(n, 1), Endpoint::v4([30, 1, 1, n as u8], 1000), RTT);
    }
    assert_eq!(before.len(), 10);
    let mut after = poor(16);
    before.best_to_save(at(1)).for_each(|saved| after.remember(at(0), &saved.id, saved.endpoint));
    assert_eq!(after.remembered().count(), 10);
    assert_eq!(checks(&mut after, 0, 5).len(), 10, "and asked");
}

/// T37.
#[test]
fn of_those_who_only_answered_two_of_a_network_are_remembered() {
    let narrow = TableConfig { bucket_sizes: [4; 5], ..rules() };
    let mut t = Table::new(narrow, Network::Public, OWN, memory_with(512, 256, 32));
    fill(&mut t, 0, 4);
    for n in 0..9 {
        assert_eq!(
            t.on_response(at(2), &id(0, 9 + u32::from(n)), Endpoint::v4([30, 1, 1, n], 1000), RTT),
            Admission::Full
        );
    }
    assert_eq!(remembered(&t), [id(0, 9), id(0, 10)]);
}

/// T39, T40, T41.
#[test]
fn a_poor_table_asks_everybody_who_is_remembered_once_and_then_now_and_then() {
    let mut t = poor(100);
    for n in 0..100 {
        t.remember(at(0), &id(n as usize % 20, n), endpoint(n));
    }
    let asked = checks(&mut t, 0, 320);
    let first: Vec<_> = asked.iter().take_while(|(when, ..)| *when <= at(10)).collect();
    assert_eq!(first.len(), 100, "ten a second of those that were saved");
    assert!(first.windows(2).all(|w| w[1].0.since(w[0].0) >= Duration::from_millis(100)));
    let mut once: Vec<_> = first.iter().map(|(_, id, _)| *id).collect();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), 100, "each of them");
    assert_eq!(asked.len() - first.len(), 10, "and then one in 30 s");
}

/// T40.
#[test]
fn a_rich_table_asks_one_who_is_remembered_every_3_min_and_goes_on_when_it_answers() {
    let mut t = rich(8);
    (0..4).for_each(|n| assert_eq!(add(&mut t, at(0), 3, n), Admission::Added));
    (0..4).for_each(|n| lose(&mut t, 10, 3, n));
    // The checks that follow each loss by themselves (T25).
    failed_checks(&mut t, 50, 600);
    let asked: Vec<_> = failed_checks(&mut t, 600, 1500).into_iter().map(|(when, ..)| when).collect();
    assert_eq!(asked.len(), 5);
    assert!(asked.windows(2).all(|w| w[1].since(w[0]) == Duration::from_secs(180)), "{asked:?}");
    let back = each_check(&mut t, 1500, 1700, |t, now, id, from| {
        assert_eq!(t.on_response(now, &id, from, RTT), Admission::Added);
    });
    let times: Vec<_> = back.iter().map(|(when, ..)| when.since(back[0].0).as_secs()).collect();
    assert_eq!(times, [0, 3, 6, 9], "others may be back too");
}

/// T39: the line is back, and everybody is worth a query again.
#[test]
fn who_comes_back_after_an_outage_asks_the_remembered_again_at_once() {
    let mut t = poor(8);
    for n in 0..4 {
        t.remember(at(0), &id(3, n), endpoint(n));
    }
    assert_eq!(checks(&mut t, 0, 29).len(), 4);
    t.on_link_back(at(5000));
    assert_eq!(checks(&mut t, 5000, 5002).len(), 4);
    t.check_invariants();
}

/// T41.
#[test]
fn of_contacts_that_are_due_a_poor_table_asks_those_that_answered_last_first() {
    let mut t = poor(0);
    for n in 0..20 {
        add(&mut t, at(u64::from(n)), 3, n);
    }
    let asked: Vec<_> = checks(&mut t, 5000, 5004).into_iter().map(|(_, id, _)| id).collect();
    assert_eq!(asked, (0..16).rev().map(|n| id(3, n)).collect::<Vec<_>>(), "as many as their bucket holds");
}

/// T6.
#[test]
fn a_contact_that_failed_gives_way_only_if_it_was_silent_for_long() {
    let full = || {
        let mut t =
            Table::new(TableConfig { bucket_sizes: [4; 5], ..rules() }, Network::Public, OWN, memory_with(512, 256, 8));
        fill(&mut t, 0, 4);
        t
    };
    let mut t = full();
    t.on_failure(at(800), &id(0, 1), endpoint(1), QueryKind::Data);
    assert_eq!(add(&mut t, at(801), 0, 9), Admission::Full, "it answered not long ago");
    let mut t = full();
    assert_eq!(add(&mut t, at(1000), 0, 9), Admission::Full, "all are silent, and none has failed");
    t.on_failure(at(1000), &id(0, 1), endpoint(1), QueryKind::Data);
    assert_eq!(add(&mut t, at(1001), 0, 9), Admission::Added);
    assert!(t.find(&id(0, 1)).is_none() && remembered(&t).contains(&id(0, 1)), "and it is remembered");
}

/// T13.
#[test]
fn who_asks_us_every_second_is_asked_after_3_min() {
    let mut t = rich(0);
    let mut asked = None;
    for secs in 0..200 {
        t.on_query(at(secs), &id(3, 1), endpoint(1));
        asked = asked.or(t.next_check(at(secs)).map(|_| secs));
    }
    assert_eq!(asked, Some(180));
}

/// T13.
#[test]
fn a_poor_table_asks_a_stranger_at_once() {
    let mut t = poor(0);
    t.on_query(at(5), &id(3, 1), endpoint(1));
    assert_eq!(t.next_check(at(6)), Some((id(3, 1), endpoint(1))));
    assert_eq!(t.named().count(), 0, "nobody has named it");
}

/// T25.
#[test]
fn those_that_lost_their_places_and_are_remembered_keep_nobody_from_waiting() {
    for (places, expected) in [(8, 2), (0, 5)] {
        let mut table = rich(places);
        fill(&mut table, 0, 20);
        (0..6).for_each(|n| lose(&mut table, 1_000, 0, n));
        let waiting = (0..9).filter(|n| table.on_query(at(1_050), &id(0, 50 + n), endpoint(50 + n)) == Seen::Waiting);
        assert_eq!(waiting.count(), 5 - expected);
        table.check_invariants();
    }
}

/// T12, T37.
#[test]
fn contacts_that_a_new_id_of_ours_has_no_place_for_are_remembered() {
    let mut t = Table::new(Config::default().table, Network::Public, OWN, memory_with(512, 256, 320));
    let mut rng = Rng::from_seed([4; 32]);
    for n in 0..6_000 {
        t.on_response(at(10), &Id::random(&mut rng), endpoint(n), RTT);
    }
    let before: Vec<_> = t.contacts().map(|contact| (contact.id, contact.endpoint)).collect();
    before.iter().for_each(|(id, endpoint)| _ = t.on_response(at(15), id, *endpoint, RTT));
    // Those that found no place have filled the memory, and give way.
    assert_eq!((t.remembered().count(), before.len()), (320, 288));
    t.set_own(at(20), Id::random(&mut rng));
    t.check_invariants();
    let gone: Vec<_> = before.into_iter().filter(|(id, _)| t.find(id).is_none()).collect();
    assert!(gone.len() > 30, "{}", gone.len());
    assert!(gone.iter().all(|one| t.remembered().any(|remembered| remembered == *one)));
}

/// T37.
#[test]
fn who_answers_under_the_ids_of_those_that_are_remembered_takes_nothing_from_them() {
    let narrow = TableConfig { bucket_sizes: [4; 5], ..rules() };
    let mut t = Table::new(narrow, Network::Public, OWN, memory_with(512, 256, 32));
    fill(&mut t, 0, 4);
    (0..4).for_each(|n| lose(&mut t, 10_000, 0, n));
    (4..8).for_each(|n| _ = add(&mut t, at(10_100), 0, n));
    let before: Vec<_> = t.remembered().collect();
    assert_eq!(before.len(), 4);
    for n in 0..4 {
        let evil = Endpoint::v4([66, 6, 6, 6], 1_000 + n as u16);
        assert_eq!(t.on_response(at(10_200), &id(0, n), evil, RTT), Admission::Full);
    }
    assert!(t.remembered().eq(before));
}

/// T37.
#[test]
fn a_contact_that_has_taken_the_place_of_one_remembered_is_remembered_instead() {
    let mut t = rich(32);
    let here = |n: u8| Endpoint::v4([66, 6, 6, n], 1_000);
    (1..=2).for_each(|n| t.remember(at(1), &id(9, n.into()), here(n)));
    for (n, endpoint) in [(1, here(3)), (2, here(2)), (3, here(4))] {
        // Two of one network are contacts of one bucket, or not.
        assert_eq!(t.on_response(at(2), &id(n as usize, n), endpoint, RTT), Admission::Added);
    }
    t.check_invariants();
    assert_eq!(t.remembered().collect::<Vec<_>>(), [(id(9, 1), here(1))]);
    for (n, endpoint) in [(1, here(3)), (2, here(2)), (3, here(4))] {
        [10, 50].iter().for_each(|secs| _ = t.on_failure(at(*secs), &id(n as usize, n), endpoint, QueryKind::Check));
    }
    let lost = [(id(9, 1), here(1)), (id(1, 1), here(3)), (id(2, 2), here(2)), (id(3, 3), here(4))];
    assert_eq!(t.remembered().collect::<Vec<_>>(), lost);
}

/// T39.
#[test]
fn a_table_is_poor_until_half_of_what_it_expects_has_answered_of_late() {
    let mut t = Table::new(Config::default().table, Network::Public, OWN, memory_with(512, 256, 8));
    t.set_network_size(400);
    fill(&mut t, 0, 128);
    fill(&mut t, 1, 64);
    // An hour later nobody has failed, and 64 answer again: there should be 258.
    t.on_link_back(at(3_600));
    (0..64).for_each(|n| _ = add(&mut t, at(3_600), 1, n));
    checks(&mut t, 3_600, 3_610);
    assert!(t.is_poor());
    (0..66).for_each(|n| _ = add(&mut t, at(3_610), 0, n));
    checks(&mut t, 3_610, 3_620);
    assert!(!t.is_poor());
}

/// T39, T6.
#[test]
fn a_table_of_which_ten_of_the_last_twelve_fell_silent_is_poor_until_most_answer_again() {
    let mut t = rich(8);
    fill(&mut t, 0, 128);
    fill(&mut t, 1, 20);
    let fail = |t: &mut Table<'_>, n| {
        t.on_failure(at(60), &id(0, n), endpoint(n), QueryKind::Check);
        t.check_invariants();
    };
    (0..9).for_each(|n| fail(&mut t, n));
    fail(&mut t, 0);
    assert!(!t.is_poor() && !t.is_deserted(), "who fails again does not count again");
    assert_eq!(add(&mut t, at(61), 0, 200), Admission::Added, "in the place of the one that lost it");
    assert_eq!(add(&mut t, at(61), 0, 201), Admission::Full, "who failed once has answered not long ago");
    fail(&mut t, 20);
    assert!(t.is_poor() && t.is_deserted(), "they answered a minute ago, and have gone");
    assert_eq!(add(&mut t, at(62), 0, 202), Admission::Added, "whoever failed gives way");
    (0..10).for_each(|n| _ = add(&mut t, at(63), 1, n));
    checks(&mut t, 64, 66);
    assert!(!t.is_poor() && !t.is_deserted());
}

/// T39: what it says of those who want a table to look deserted.
#[test]
fn ten_contacts_that_fail_one_check_each_make_a_table_poor_and_lose_nothing_if_they_answer_the_next() {
    let mut t = rich(8);
    fill(&mut t, 0, 128);
    fill(&mut t, 1, 20);
    for minute in 1..6 {
        (0..10).for_each(|n| _ = t.on_failure(at(60 * minute), &id(0, n), endpoint(n), QueryKind::Check));
        assert!(t.is_poor() && t.is_deserted());
        (0..10).for_each(|n| assert_eq!(add(&mut t, at(60 * minute + 2), 0, n), Admission::Updated));
        checks(&mut t, 60 * minute + 3, 60 * minute + 5);
        assert!(!t.is_poor() && !t.is_deserted());
    }
    assert_eq!(t.len(), 148);
}

/// T27.
#[test]
fn while_our_line_is_in_doubt_who_answered_last_is_asked_due_or_not() {
    let mut t = poor(8);
    fill(&mut t, 0, 40);
    (0..3).for_each(|n| _ = add(&mut t, at(1_000 + u64::from(n)), 0, n));
    let mut asked = |now| t.next_check_in_doubt(at(now), true).map(|(id, _)| id);
    assert_eq!([1_010, 1_025, 1_039].map(&mut asked), [2, 1, 0].map(|n| Some(id(0, n))));
    assert_eq!(asked(1_054), Some(id(0, 2)), "half a minute later once more");
    let long_silent = asked(1_123);
    assert!(long_silent.is_some_and(|asked| (3..40).any(|n| asked == id(0, n))), "and then whoever is due");
}

/// T28.
#[test]
fn the_check_that_tells_of_our_line_does_not_wait_for_its_turn() {
    let mut t = rich(8);
    fill(&mut t, 0, 128);
    fill(&mut t, 1, 20);
    let last = checks(&mut t, 800, 1_000).last().map(|(last, ..)| *last);
    let now = last.unwrap_or_default() + Duration::from_secs(1);
    for is_asked in [false, true] {
        assert_eq!(t.next_check_in_doubt(now, true).is_some(), is_asked);
        t.on_line_in_doubt(now);
    }
}
