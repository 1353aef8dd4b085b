//! Responses and errors that nobody asked for, that are broken, or that come from somebody else.

use std::time::Duration;

use honeyguide::dht::DropReason::Unsolicited;
use honeyguide::dht::{DirectQuery, Reason};
use honeyguide::krpc::Want;
use honeyguide::{Endpoint, Id};

use super::{is_dropped, is_never_added, stays_silent};
use crate::lab::{LATENCY, Lab, error, pair, reply};
use crate::world::News;

const TARGET: Id = Id([0x42; 20]);

#[test]
fn r60_an_unsolicited_response_is_dropped_and_its_sender_not_added() {
    stays_silent(&reply(b"abcd", &Id([8; 20]), b""), Unsolicited);
    stays_silent(&reply(b"aa", &Id([8; 20]), &pair(b"nodes", &[1; 26])), Unsolicited);
}

#[test]
fn r60_a_thousand_guesses_of_the_tid_of_an_open_query_find_nothing() {
    for mut lab in Lab::each() {
        let (id, friend) = lab.friends[0];
        lab.minds.remove(&friend);
        lab.node.ping(lab.now, 1, friend).unwrap();
        lab.drain();
        let tid = lab.query_to(friend).tid();
        let mut guesses = 0;
        for guess in (0..100_000u32).step_by(1009).map(u32::to_be_bytes).filter(|guess| guess[..] != tid) {
            lab.give(friend, &reply(&guess, &id, b""));
            guesses += 1;
        }
        assert!(
            guesses > 90 && lab.dropped(Unsolicited) + lab.dropped(honeyguide::dht::DropReason::Limited) == guesses
        );
        assert_eq!(lab.outcome(), None, "the query is still open");
        lab.run(Duration::from_secs(30));
        lab.serves();
    }
}

#[test]
fn r61_an_unsolicited_error_is_dropped() {
    stays_silent(&error(b"abcd", 201), Unsolicited);
}

/// The node asks a contact; this answer fails the query at once, and costs the contact at most a failure.
fn fails_the_query(answer: impl Fn(&[u8], &Id) -> Vec<u8>) {
    // Without an open query it is dropped.
    stays_silent(&answer(b"abcd", &Id([8; 20])), Unsolicited);
    for mut lab in Lab::each() {
        let (id, friend) = lab.friends[3];
        lab.minds.remove(&friend);
        let before = lab.belongings();

        lab.node.query(lab.now, 1, friend, DirectQuery::FindNode { target: TARGET, want: Want::default() }).unwrap();
        lab.drain();
        let tid = lab.query_to(friend).tid();
        // From anywhere else it is nothing.
        let other = lab.stranger();
        is_dropped(&mut lab, other, &answer(&tid, &id), Unsolicited);
        assert_eq!(lab.outcome(), None);
        lab.give(friend, &answer(&tid, &id));
        let outcome = lab.outcome().expect("the query has failed");
        assert_eq!((outcome.reason, outcome.answered, outcome.invalid), (Reason::Exhausted, 0, 1));
        assert_eq!(lab.belongings(), before);
        is_dropped(&mut lab, friend, &answer(&tid, &id), Unsolicited);

        // As a step of a lookup: the others carry it.
        lab.news.clear();
        let stats = lab.stats();
        lab.node.lookup(lab.now, 1, id).unwrap();
        lab.drain();
        let tid = lab.query_to(friend).tid();
        lab.give(friend, &answer(&tid, &id));
        assert_eq!(lab.stats().rpc_broken, stats.rpc_broken + 1);
        let outcome = lab.finish();
        assert_eq!((outcome.reason, outcome.invalid), (Reason::Converged, 1));
        assert!(outcome.answered >= 8);
        assert!(
            lab.news
                .iter()
                .any(|news| matches!(news, News::Nodes { nodes, .. } if nodes.iter().all(|(i, _)| *i != id)))
        );
        lab.serves();
    }
}

#[test]
fn r62_an_error_that_is_a_string_fails_the_query() {
    fails_the_query(|tid, _| [b"d1:e3:bad1:t", &crate::lab::string(tid)[..], b"1:y1:ee"].concat());
    fails_the_query(|tid, _| [b"d1:eli201ee1:t", &crate::lab::string(tid)[..], b"1:y1:ee"].concat());
    fails_the_query(|tid, _| [b"d1:el3:bad3:bade1:t", &crate::lab::string(tid)[..], b"1:y1:ee"].concat());
}

#[test]
fn r63_an_error_that_is_an_empty_list_fails_the_query() {
    fails_the_query(|tid, _| [b"d1:ele1:t", &crate::lab::string(tid)[..], b"1:y1:ee"].concat());
}

#[test]
fn r64_a_response_without_r_fails_the_query() {
    fails_the_query(|tid, _| [b"d1:t", &crate::lab::string(tid)[..], b"1:y1:re"].concat());
    fails_the_query(|tid, _| [b"d1:rle1:t", &crate::lab::string(tid)[..], b"1:y1:re"].concat());
}

#[test]
fn r65_an_id_of_19_bytes_in_a_response_fails_the_query() {
    let with_id = |tid: &[u8], id: Vec<u8>| [b"d1:rd", &id[..], b"e1:t", &crate::lab::string(tid), b"1:y1:re"].concat();
    fails_the_query(|tid, id| with_id(tid, pair(b"id", &id.0[..19])));
    fails_the_query(|tid, id| with_id(tid, pair(b"id", &[&id.0[..], b"x"].concat())));
    fails_the_query(|tid, _| with_id(tid, b"2:idi7e".to_vec()));
    fails_the_query(|tid, _| with_id(tid, Vec::new()));
}

#[test]
fn r65_a_stranger_with_a_broken_id_is_not_added() {
    for mut lab in Lab::each() {
        let from = lab.stranger();
        lab.node.ping(lab.now, 1, from).unwrap();
        lab.drain();
        let tid = lab.query_to(from).tid();
        let short = [b"d1:rd", &pair(b"id", &[7; 19])[..], b"e1:t", &crate::lab::string(&tid), b"1:y1:re"].concat();
        lab.give(from, &short);
        assert_eq!(lab.outcome().unwrap().reason, Reason::Exhausted);
        is_never_added(&mut lab, from);
        lab.serves();
    }
}

/// Rule L10.
#[test]
fn r66_another_id_than_the_one_asked_fails_the_query_and_costs_the_contact_its_place() {
    for mut lab in Lab::each() {
        // Any other id, ours among them.
        for (place, other) in [(3, Id([0x99; 20])), (5, lab.own()), (7, lab.friends[8].0), (9, Id([0; 20]))] {
            let (id, friend) = lab.friends[place];
            lab.minds.remove(&friend);
            lab.news.clear();
            lab.sent.clear();
            let before = lab.belongings();
            lab.node.lookup(lab.now, 1, id).unwrap();
            lab.drain();
            let tid = lab.query_to(friend).tid();
            lab.give(friend, &reply(&tid, &other, &pair(b"token", b"t")));
            let mut expected = before.clone();
            expected.contacts.retain(|(_, _, endpoint)| *endpoint != friend);
            assert_eq!(lab.belongings(), expected, "the entry is gone, and nobody came for it");
            let outcome = lab.finish();
            assert_eq!((outcome.reason, outcome.invalid), (Reason::Converged, 1));
            assert!(!lab.knows(friend));
        }
        lab.serves();
    }
}

/// Rule L10.
#[test]
fn r66_whoever_answers_with_our_id_is_never_added() {
    for mut lab in Lab::each() {
        let from = lab.stranger();
        lab.node.ping(lab.now, 1, from).unwrap();
        lab.drain();
        let tid = lab.query_to(from).tid();
        let own = lab.own();
        lab.give(from, &reply(&tid, &own, b""));
        assert_eq!(lab.outcome().unwrap().reason, Reason::Exhausted);
        is_never_added(&mut lab, from);
        lab.serves();
    }
}

/// Rule L10.
#[test]
fn r74_the_right_tid_from_the_wrong_place_is_dropped() {
    for mut lab in Lab::each() {
        let (id, friend) = lab.friends[0];
        lab.minds.remove(&friend);
        lab.node.ping(lab.now, 1, friend).unwrap();
        lab.drain();
        let answer = reply(&lab.query_to(friend).tid(), &id, b"");
        let elsewhere = lab.stranger();
        for from in [friend.with_port(1234), elsewhere, lab.friends[1].1] {
            is_dropped(&mut lab, from, &answer, Unsolicited);
        }
        assert_eq!(lab.outcome(), None);
        lab.give(friend, &answer);
        assert_eq!(lab.outcome().unwrap().reason, Reason::Hit);
        lab.serves();
    }
}

/// The soft timeout has passed, the hard one has not.
const LATE: Duration = Duration::from_millis(1500);

/// Rule L7.
#[test]
fn r75_a_late_answer_counts_once_and_its_duplicate_is_dropped() {
    for mut lab in Lab::each() {
        let (id, friend) = lab.friends[0];
        let answer = late_lookup(&mut lab, id, friend);
        lab.run(LATE);
        assert_eq!(lab.outcome(), None, "nobody else is left to ask");
        let before = lab.stats();
        lab.give(friend, &answer);
        assert_eq!((lab.stats().rpc_ok, lab.stats().rpc_late), (before.rpc_ok + 1, before.rpc_late + 1));
        is_dropped(&mut lab, friend, &answer, Unsolicited);
        assert_eq!((lab.stats().rpc_ok, lab.stats().rpc_late), (before.rpc_ok + 1, before.rpc_late + 1));
        let outcome = lab.finish();
        assert_eq!((outcome.answered, outcome.late, outcome.timed_out), (1, 1, 0));
        lab.serves();
    }
}

/// Rule L7.
#[test]
fn r75_an_answer_after_the_hard_timeout_is_dropped() {
    for mut lab in Lab::each() {
        let (id, friend) = lab.friends[0];
        let answer = late_lookup(&mut lab, id, friend);
        lab.run(Duration::from_millis(2001));
        is_dropped(&mut lab, friend, &answer, Unsolicited);
        let outcome = lab.finish();
        assert_eq!((outcome.answered, outcome.late, outcome.timed_out), (0, 0, 1));
        lab.serves();
    }
}

#[test]
fn r75_a_duplicate_that_comes_at_once_is_dropped_too() {
    for mut lab in Lab::each() {
        let (id, friend) = lab.friends[0];
        let answer = late_lookup(&mut lab, id, friend);
        lab.run(LATENCY);
        lab.give(friend, &answer);
        is_dropped(&mut lab, friend, &answer, Unsolicited);
        let outcome = lab.finish();
        assert_eq!((outcome.answered, outcome.late), (1, 0));
        lab.serves();
    }
}

/// Starts a lookup that asks only `friend`, who stays silent; what he would have answered.
fn late_lookup(lab: &mut Lab, id: Id, friend: Endpoint) -> Vec<u8> {
    let mut alone = Lab::new(lab.node.config().clone());
    std::mem::swap(lab, &mut alone);
    lab.now = alone.now;
    lab.node.ping(lab.now, 2, friend).unwrap();
    lab.drain();
    let tid = lab.query_to(friend).tid();
    lab.give(friend, &reply(&tid, &id, b""));
    assert!(lab.knows(friend));
    lab.news.clear();
    lab.sent.clear();
    lab.node.lookup(lab.now, 1, TARGET).unwrap();
    lab.drain();
    reply(&lab.query_to(friend).tid(), &id, b"")
}
