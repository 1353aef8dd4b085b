//! Those who ask us before we know them: rule T45 of `spec/table.md`.

extern crate std;

use super::tests::{OWN, RTT, at, endpoint, fill, id, memory, rules};
use super::*;
use crate::base::time::Instant;
use crate::dht::config::{Config, TableConfig};
use crate::dht::contact::QueryKind;
use crate::krpc::endpoint::{Endpoint, Network};

/// A bucket of 32 places, of which two are for callers.
const WIDE: usize = 2;
/// A network in which that bucket and those before it are contested, and no other.
const NODES: u64 = 400;

/// A table that is rich, with none but those that did not call.
fn table() -> Table<'static> {
    let mut table = Table::new(rules(), Network::Public, OWN, memory(512, 256));
    fill(&mut table, 0, 128);
    fill(&mut table, 1, 64);
    table.set_network_size(NODES);
    table
}

/// Where the `n`th stranger is.
fn caller(n: u32) -> Endpoint {
    endpoint(10_000 + n)
}

/// A stranger asks, and answers when it is asked, if it is.
fn call(table: &mut Table<'_>, now: Instant, bucket: usize, n: u32) -> (Seen, Admission) {
    let (id, from) = (id(bucket, n), caller(n));
    let seen = table.on_query(now, &id, from);
    let told = (seen, table.on_response(now, &id, from, RTT));
    table.check_invariants();
    told
}

const TAKEN: (Seen, Admission) = (Seen::Waiting, Admission::Added);
const TURNED_AWAY: (Seen, Admission) = (Seen::Ignored, Admission::Refused(AdmissionRefusal::Caller));

/// T45.
#[test]
fn of_a_contested_bucket_a_sixteenth_is_for_callers_and_one_in_four_of_those_that_are_found() {
    let mut t = table();
    let of_share = (0..2).map(|n| call(&mut t, at(0), WIDE, n));
    assert!(of_share.into_iter().all(|told| told == TAKEN));
    for n in 2..14 {
        let (seen, admission) = call(&mut t, at(0), WIDE, n);
        let expected = if n % 4 == 1 { Admission::Added } else { TURNED_AWAY.1 };
        assert_eq!((seen, admission), (Seen::Ignored, expected), "{n}");
    }
    assert_eq!(t.on_response(at(0), &id(WIDE, 99), caller(99), RTT), Admission::Added, "it did not call");
}

/// T45.
#[test]
fn where_there_is_a_place_for_everybody_callers_are_like_others() {
    let mut t = table();
    let deep = WIDE + 3;
    assert!((0..8).all(|n| call(&mut t, at(0), deep, n) == TAKEN), "400 nodes, of which six are for this bucket");
    let mut unknown = Table::new(rules(), Network::Public, OWN, memory(512, 256));
    assert!((0..20).all(|n| call(&mut unknown, at(0), WIDE, n) == TAKEN), "nothing is known of the network");
    let mut poor = Table::new(TableConfig { enough: 30, ..rules() }, Network::Public, OWN, memory(512, 256));
    poor.set_network_size(NODES);
    assert!((0..20).all(|n| call(&mut poor, at(0), WIDE, n) == TAKEN), "it needs others");
    let mut local = Table::new(Config::default().table, Network::Local, OWN, memory(512, 256));
    local.set_network_size(NODES);
    assert!((0..20).all(|n| call(&mut local, at(0), WIDE, n) == TAKEN), "a local network");
}

/// T45.
#[test]
fn a_caller_that_leaves_makes_room_for_another_and_whoever_called_long_ago_is_none() {
    let mut t = table();
    assert_eq!([0, 1].map(|n| call(&mut t, at(0), WIDE, n)), [TAKEN; 2]);
    assert_eq!(call(&mut t, at(0), WIDE, 2), TURNED_AWAY);
    t.on_wrong_id(at(1), &id(WIDE, 0), caller(0), &id(WIDE, 99));
    assert_eq!([3, 4].map(|n| call(&mut t, at(2), WIDE, n)), [TAKEN, TURNED_AWAY]);
    assert_eq!(t.on_response(at(3_600), &id(WIDE, 4), caller(4), RTT), Admission::Added);
}

/// T45.
#[test]
fn callers_that_wait_are_not_asked_once_there_are_enough_of_them() {
    let mut t = table();
    let wait = |t: &mut Table<'_>, n: u32| t.on_query(at(0), &id(WIDE, n), caller(n));
    assert!((0..5).all(|n| wait(&mut t, n) == Seen::Waiting));
    let mut asked = 0;
    for secs in 90..200 {
        if let Some((id, from)) = t.next_check(at(secs)) {
            asked += 1;
            assert_eq!(t.on_response(at(secs), &id, from, RTT), Admission::Added);
        }
        t.check_invariants();
    }
    assert_eq!((asked, t.len()), (2, 192 + 2));
}

/// T43, T45.
#[test]
fn a_contact_that_calls_from_elsewhere_waits_for_its_own_place() {
    let mut t = table();
    assert!((0..2).all(|n| call(&mut t, at(0), WIDE, n) == TAKEN));
    assert_eq!(t.on_query(at(1), &id(WIDE, 9), caller(9)), Seen::Ignored, "there are enough of them");
    let moved = caller(1).with_port(7);
    assert_eq!(t.on_query(at(1), &id(WIDE, 1), moved), Seen::Waiting);
    (0..2).for_each(|_| _ = t.on_failure(at(9), &id(WIDE, 1), caller(1), QueryKind::Check));
    assert_eq!(t.on_response(at(95), &id(WIDE, 1), moved, RTT), Admission::Added);
    t.check_invariants();
}

/// T43, T45.
#[test]
fn a_contact_is_asked_when_another_id_asks_from_its_endpoint_though_that_may_not_wait() {
    let mut t = table();
    assert!((0..2).all(|n| call(&mut t, at(0), WIDE, n) == TAKEN));
    assert_eq!(t.on_query(at(1), &id(WIDE, 9), caller(1)), Seen::Ignored, "there are enough of them");
    assert_eq!(t.next_check(at(1)), Some((id(WIDE, 1), caller(1))));
    t.check_invariants();
}

/// T45: as many as a count of eight bits holds, and one more.
#[test]
fn callers_of_a_large_bucket_are_all_counted() {
    let large = TableConfig { bucket_sizes: [512; 5], ..rules() };
    let mut t = Table::new(large, Network::Local, OWN, memory(512, 256));
    (0..256).for_each(|n| assert_eq!(call(&mut t, at(0), 0, n).1, Admission::Added));
    for n in 0..256 {
        t.on_wrong_id(at(1), &id(0, n), caller(n), &id(1, n));
        t.check_invariants();
    }
    assert!(t.is_empty());
}
