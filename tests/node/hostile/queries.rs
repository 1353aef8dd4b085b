//! Queries that are none, or ask for odd things.

use honeyguide::Id;
use honeyguide::internals::krpc::compact;

use super::{is_never_added, is_refused, refused_everywhere};
use crate::lab::{Lab, pair, query, query_of, raw, string};

/// A ping with this in place of its id.
fn with_id(id: &[u8]) -> Vec<u8> {
    [b"d1:ad", id, b"e1:q4:ping1:t2:aa1:y1:qe"].concat()
}

/// In every kind of network: refused, and its sender is never added.
fn refused_and_never_added(payload: &[u8], code: i64) {
    for mut lab in Lab::each() {
        let from = lab.stranger();
        is_refused(&mut lab, from, payload, code);
        is_never_added(&mut lab, from);
        lab.serves();
    }
}

#[test]
fn r14_a_query_without_arguments_is_refused() {
    for method in ["ping", "find_node", "get_peers", "announce_peer", "get", "put", "sample_infohashes", "vote"] {
        let payload = format!("d1:q{}:{method}1:t2:aa1:y1:qe", method.len());
        refused_everywhere(payload.as_bytes(), 203);
    }
}

#[test]
fn r15_arguments_that_are_a_list_are_refused() {
    refused_everywhere(b"d1:al2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe", 203);
}

#[test]
fn r16_a_query_without_id_is_refused_and_its_sender_not_added() {
    refused_and_never_added(&with_id(b""), 203);
}

#[test]
fn r17_an_id_of_19_bytes_is_refused_and_its_sender_not_added() {
    refused_and_never_added(&with_id(&pair(b"id", &[1; 19])), 203);
}

#[test]
fn r18_an_id_of_21_bytes_is_refused_and_its_sender_not_added() {
    refused_and_never_added(&with_id(&pair(b"id", &[1; 21])), 203);
}

#[test]
fn r19_an_integer_id_is_refused_and_its_sender_not_added() {
    refused_and_never_added(&with_id(b"2:idi7e"), 203);
}

#[test]
fn r20_an_integer_method_is_refused() {
    refused_everywhere(b"d1:ad2:id20:abcdefghij0123456789e1:qi1e1:t2:aa1:y1:qe", 203);
}

#[test]
fn r21_an_unknown_method_without_target_is_unknown() {
    refused_everywhere(&query(b"vote", b""), 204);
    refused_everywhere(&query(b"", b""), 204);
    refused_everywhere(&query(b"vote", &pair(b"target", &[1; 19])), 204);
}

#[test]
fn r22_an_unknown_method_with_a_target_is_served_as_find_node() {
    let target = Id([3; 20]);
    for mut lab in Lab::each() {
        let from = lab.stranger();
        let expected = lab.ask(from, &query(b"find_node", &pair(b"target", &target.0)));
        for key in [&b"target"[..], b"info_hash"] {
            assert_eq!(lab.ask(from, &query(b"vote", &pair(key, &target.0))), expected);
        }
        lab.serves();
    }
}

#[test]
fn r23_find_node_without_target_is_refused() {
    refused_everywhere(&query(b"find_node", b""), 203);
    refused_everywhere(&query(b"get", b""), 203);
    refused_everywhere(&query(b"get_peers", b""), 203);
    refused_everywhere(&query(b"sample_infohashes", b""), 203);
}

#[test]
fn r24_a_target_of_19_bytes_is_refused() {
    refused_everywhere(&query(b"find_node", &pair(b"target", &[1; 19])), 203);
    refused_everywhere(&query(b"find_node", &pair(b"target", &[1; 21])), 203);
    refused_everywhere(&query(b"get", &pair(b"target", &[1; 19])), 203);
    refused_everywhere(&query(b"get_peers", &pair(b"info_hash", &[1; 19])), 203);
}

#[test]
fn r86_want_that_is_no_list_is_as_good_as_absent() {
    let target = pair(b"target", &[9; 20]);
    for mut lab in Lab::each() {
        let from = lab.stranger();
        let expected = lab.ask(from, &query(b"find_node", &target));
        for want in [&b"i4e"[..], b"2:n6", b"d2:n6i1ee", b"le", b"li4el2:n6ee"] {
            let asked = query(b"find_node", &[target.clone(), raw(b"want", want)].concat());
            assert_eq!(lab.ask(from, &asked), expected);
        }
        lab.serves();
    }
}

#[test]
fn r86_of_a_long_want_four_entries_are_read() {
    let want = |before: usize, family: &str, after: usize| {
        let list = format!("l{}{}{}e", "2:xx".repeat(before), string_of(family), "2:xx".repeat(after));
        query(b"find_node", &[pair(b"target", &[9; 20]), raw(b"want", list.as_bytes())].concat())
    };
    let mut lab = Lab::public();
    let from = lab.stranger();
    // No IPv6 link, so no IPv6 nodes; but whoever wants only those gets no others.
    let fourth = lab.ask(from, &want(3, "n6", 296));
    assert_eq!((fourth.response().nodes, fourth.response().nodes6), (None, Some(&b""[..])));
    let fifth = lab.ask(from, &want(4, "n6", 295));
    assert_eq!(compact::nodes4(fifth.response().nodes.unwrap()).count(), 8);
    assert_eq!(fifth.response().nodes6, None);
    lab.serves();
}

fn string_of(text: &str) -> String {
    String::from_utf8(string(text.as_bytes())).unwrap()
}

#[test]
fn r88_a_query_with_our_own_id_or_none_is_answered_and_its_sender_never_added() {
    for mut lab in Lab::each() {
        for id in [lab.own(), Id([0; 20])] {
            let from = lab.stranger();
            let before = lab.belongings();
            lab.ask(from, &query_of(&id, b"ping", b"")).response();
            lab.ask(from, &query_of(&id, b"find_node", &pair(b"target", &id.0))).response();
            is_never_added(&mut lab, from);
            assert_eq!(lab.belongings(), before);
        }
        lab.serves();
    }
}

#[test]
fn r89_a_get_with_a_seq_that_is_no_integer_is_refused() {
    for seq in [&b"1:7"[..], b"le", b"de"] {
        refused_everywhere(&query(b"get", &[pair(b"target", &[1; 20]), raw(b"seq", seq)].concat()), 203);
    }
}
