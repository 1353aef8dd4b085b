//! What is made of a contact that was restarted or has moved: rules T9 and T43 of `spec/table.md`.

extern crate std;
use std::vec::Vec;

use super::memory_tests::{checks, poor, rich};
use super::tests::{OWN, RTT, add, at, endpoint, fill, id, memory_with, rules};
use super::*;
use crate::base::time::Instant;
use crate::dht::config::TableConfig;
use crate::dht::contact::{Health, QueryKind};
use crate::krpc::endpoint::{Endpoint, Network};
use crate::krpc::id::Id;

/// T43.
#[test]
fn a_contact_that_asks_from_elsewhere_is_back_when_its_old_address_is_silent() {
    is_back(|t, it, new| assert_eq!(t.on_query(at(100), it, new), Seen::Waiting));
}

/// T43. It was named to a lookup, and asked there.
#[test]
fn a_contact_that_answers_from_elsewhere_is_back_when_its_old_address_is_silent() {
    let id_taken = Admission::Refused(AdmissionRefusal::IdTaken);
    is_back(|t, it, new| assert_eq!(t.on_response(at(100), it, new, RTT), id_taken));
}

fn is_back(seen_at: impl FnOnce(&mut Table<'_>, &Id, Endpoint)) {
    let mut t = rich(8);
    add(&mut t, at(0), 3, 1);
    let (it, old, new) = (id(3, 1), endpoint(3001), endpoint(77));
    seen_at(&mut t, &it, new);
    assert_eq!(t.next_check(at(100)), Some((it, old)), "whether it is still there");
    t.on_failure(at(102), &it, old, QueryKind::Check);
    assert_eq!(t.find(&it).map(|c| (c.endpoint(), c.health())), Some((old, Health::Suspect)));
    let asked = checks(&mut t, 103, 140);
    assert_eq!(asked.iter().map(|(_, id, to)| (*id, *to)).collect::<Vec<_>>(), [(it, old)], "packets get lost");
    t.on_failure(at(140), &it, old, QueryKind::Check);
    assert!(checks(&mut t, 140, 260).iter().any(|(_, id, to)| (*id, *to) == (it, new)));
    assert_eq!(t.on_response(at(261), &it, new, RTT), Admission::Added);
    t.check_invariants();
}

/// T43, T3.
#[test]
fn a_contact_that_answers_keeps_its_place_whoever_says_to_be_it() {
    let mut t = rich(8);
    add(&mut t, at(0), 3, 1);
    assert_eq!(t.on_query(at(100), &id(3, 1), endpoint(77)), Seen::Waiting);
    assert_eq!(t.next_check(at(100)), Some((id(3, 1), endpoint(3001))));
    assert_eq!(add(&mut t, at(101), 3, 1), Admission::Updated);
    assert_eq!(checks(&mut t, 101, 600), [], "nobody else is asked");
}

/// T9, T43.
#[test]
fn a_neighbour_that_was_restarted_with_a_new_id_is_a_contact_again_within_minutes_however_often() {
    // After so many restarts five minutes apart, rich within 5 min, poor within 2.
    for (mut t, within) in [(rich(8), 290), (poor(8), 110)] {
        let home = endpoint(1);
        t.on_response(at(0), &id(3, 0), home, RTT);
        for n in 1..=100 {
            let now = 300 * u64::from(n);
            // It goes on asking, as a neighbour does that starts.
            for secs in now..now + within {
                t.on_query(at(secs), &id(4, n), home);
                if let Some((asked, _)) = t.next_check(at(secs)) {
                    match asked == id(4, n) {
                        true => _ = t.on_response(at(secs), &asked, home, RTT),
                        false => t.on_wrong_id(at(secs), &asked, home, &id(4, n)),
                    }
                }
            }
            assert!(t.find(&id(4, n)).is_some(), "after restart {n}");
        }
    }
}

/// Somebody asks us every second for two hours and answers each check, under one id or under another after each answer:
/// for how many seconds he has a place, how often he was asked, and how often he answered.
fn asks_every_second(changes: bool) -> (u32, u32, u32) {
    let mut t = rich(8);
    let home = endpoint(1);
    t.on_response(at(0), &id(3, 0), home, RTT);
    let (mut has, mut asked, mut answered) = (0, 0, 0);
    for secs in 0..7_200 {
        has += u32::from(!t.is_empty());
        let own = if changes { id(4, answered) } else { id(3, 0) };
        t.on_query(at(secs), &own, home);
        if let Some((who, _)) = t.next_check(at(secs)) {
            asked += 1;
            if who == own {
                t.on_response(at(secs), &who, home, RTT);
                answered += 1;
            } else {
                t.on_wrong_id(at(secs), &who, home, &own);
            }
        }
        assert!(t.len() <= 1);
        t.check_invariants();
    }
    (has, asked, answered)
}

/// T9: he says so at once, and never answers under an id that he had before.
#[test]
fn who_changes_his_id_after_each_answer_has_one_place_and_for_less_time_than_who_keeps_his() {
    let (has, asked, answered) = asks_every_second(true);
    let (kept, ..) = asks_every_second(false);
    assert!(kept == 7_200 && has < kept / 50, "{has} s of two hours, and {kept}");
    assert!(asked <= 7_200 / 90 && answered <= 40, "and costs us a check in 90 s at most: {asked}, {answered}");
}

/// T17, T43.
#[test]
fn a_newcomer_that_gives_a_contact_its_chance_first_keeps_its_own_two() {
    let mut table = rich(8);
    fill(&mut table, 0, 1);
    let (new, home) = (id(0, 7), endpoint(0));
    assert_eq!(table.on_query(at(100), &new, home), Seen::Waiting);
    assert_eq!(table.next_check(at(190)), Some((id(0, 0), home)), "the contact there");
    table.on_wrong_id(at(191), &id(0, 0), home, &new);
    let mut asked = 0;
    for secs in 192..400 {
        if table.next_check(at(secs)).is_some_and(|(id, _)| id == new) {
            asked += 1;
            table.on_failure(at(secs), &new, home, QueryKind::Check);
        }
    }
    assert_eq!(asked, 2);
}

/// T43: the newcomer's own bucket has no place, or somebody named it before it asked.
#[test]
fn a_contact_is_asked_at_once_when_another_id_asks_from_its_endpoint_whatever_becomes_of_that() {
    let narrow = TableConfig { bucket_sizes: [4; 5], ..rules() };
    for (new, is_named) in [(id(0, 9), false), (id(4, 9), false), (id(4, 9), true)] {
        let mut t = Table::new(narrow, Network::Public, OWN, memory_with(512, 256, 8));
        fill(&mut t, 0, 4);
        add(&mut t, at(0), 3, 1);
        let (old, home) = (id(3, 1), endpoint(3001));
        assert!(!is_named || t.offer(at(90), &new, home));
        assert_eq!(t.next_check(at(99)), None, "what others say is no reason");
        t.on_query(at(100), &new, home);
        assert_eq!(t.next_check(at(100)), Some((old, home)));
        t.on_wrong_id(at(101), &old, home, &new);
        assert!(t.find(&old).is_none());
        t.check_invariants();
    }
}

/// T43, T24.
#[test]
fn a_contact_that_asks_under_an_id_for_each_query_is_asked_once_in_half_a_minute_and_stays() {
    let mut t = rich(8);
    add(&mut t, at(0), 3, 1);
    let (own, home) = (id(3, 1), endpoint(3001));
    let mut asked = 0;
    for secs in 1..=600 {
        t.on_query(at(secs), &id(4, secs as u32), home);
        if let Some((who, _)) = t.next_check(at(secs)) {
            assert_eq!(who, own);
            t.on_response(at(secs), &own, home, RTT);
            asked += 1;
        }
        t.check_invariants();
    }
    assert!((10..=20).contains(&asked) && t.find(&own).is_some(), "{asked}");
}

/// T43: at the limit and one past it.
#[test]
fn for_one_stranger_in_a_quarter_of_a_second_the_table_looks_whether_he_asks_from_a_contacts_endpoint() {
    let asks = |t: &mut Table<'_>, millis: u64, n: u32| {
        t.on_query(Instant::from_millis(millis), &id(4, n), endpoint(3000 + n));
    };
    let mut t = rich(8);
    fill(&mut t, 3, 5);
    for (millis, n) in [(100_000, 9), (100_249, 0), (100_250, 1), (100_499, 2), (100_500, 3), (100_600, 4)] {
        asks(&mut t, millis, n);
    }
    let asked = checks(&mut t, 101, 125);
    assert_eq!(asked.iter().map(|(_, id, _)| *id).collect::<Vec<_>>(), [id(3, 1), id(3, 3)]);
}

/// T9, T13. Somebody asks in its name, under another id.
#[test]
fn a_neighbour_that_was_restarted_is_a_contact_again_whoever_asks_in_its_name() {
    let mut t = rich(8);
    fill(&mut t, 0, 40);
    let (old, new, home) = (id(0, 7), id(4, 7), endpoint(7));
    let mut asked_forged = 0;
    for secs in 100..400 {
        t.on_query(at(secs), &id(4, 1_000 + secs as u32 % 3), home);
        if secs % 30 == 15 {
            t.on_query(at(secs), &new, home);
        }
        match t.next_check(at(secs)) {
            Some((who, to)) if to == home && who != new => {
                asked_forged += u32::from(who != old);
                t.on_wrong_id(at(secs), &who, to, &new);
            }
            Some((who, to)) => _ = t.on_response(at(secs), &who, to, RTT),
            None => {}
        }
        t.check_invariants();
    }
    assert!(t.find(&new).is_some_and(|contact| contact.endpoint() == home) && t.find(&old).is_none());
    assert!(asked_forged <= 300 / 30, "{asked_forged}");
}

/// T9. Whoever says another id each time is asked once more, and no further.
#[test]
fn who_answers_a_check_under_another_id_each_time_is_asked_twice_for_a_query() {
    let mut t = rich(8);
    t.on_query(at(0), &id(4, 0), endpoint(7));
    let mut asked = 0;
    for secs in 0..4_000 {
        if let Some((who, to)) = t.next_check(at(secs)) {
            asked += 1;
            t.on_wrong_id(at(secs), &who, to, &id(4, asked));
        }
        t.check_invariants();
    }
    assert_eq!((asked, t.len()), (2, 0));
}

/// T23, T43.
#[test]
fn doubts_keep_no_contact_from_its_check_that_is_overdue() {
    let mut t = rich(0);
    fill(&mut t, 0, 100);
    let is_dead = |who: &Id| (50..100).any(|n| *who == id(0, n));
    // Once each, and twenty of them again and again: so many as there are checks in half a minute, and more.
    for secs in 700..2_700 {
        for n in [secs - 700, secs % 20].into_iter().filter(|n| *n < 100) {
            t.on_query(at(secs), &id(0, n as u32), endpoint(77));
        }
        match t.next_check(at(secs)) {
            Some((who, to)) if is_dead(&who) => _ = t.on_failure(at(secs), &who, to, QueryKind::Check),
            Some((who, to)) if to != endpoint(77) => _ = t.on_response(at(secs), &who, to, RTT),
            Some((who, to)) => _ = t.on_failure(at(secs), &who, to, QueryKind::Check),
            None => {}
        }
        t.check_invariants();
    }
    assert_eq!(t.contacts().filter(|contact| is_dead(&contact.id)).count(), 0);
}
