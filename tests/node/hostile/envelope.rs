//! Datagrams that are no message, and messages that are spelled oddly.

use honeyguide::Id;
use honeyguide::dht::DropReason;
use honeyguide::krpc::Malformed::{
    Empty, NoKind, NoTid, NotADictionary, Oversize, RepeatedKey, Syntax, TooDeep, TooManyTokens, Trailing,
};

use super::{is_dropped, is_never_added, stays_silent};
use crate::lab::{Lab, pair, query, query_of, raw, string};

const PING: &[u8] = b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe";

/// The ping with something else in place of a part of it.
fn with(part: &str, other: &str) -> Vec<u8> {
    let text = String::from_utf8(PING.to_vec()).unwrap();
    assert!(text.contains(part));
    text.replace(part, other).into_bytes()
}

/// In every kind of network: answered like a ping.
fn is_answered(payload: &[u8]) {
    for mut lab in Lab::each() {
        let from = lab.stranger();
        let before = lab.belongings();
        let answer = lab.ask(from, payload);
        assert_eq!((answer.response().tid, answer.response().id), (&b"aa"[..], lab.own()));
        assert_eq!(lab.stats().dropped.total(), 0);
        assert_eq!(lab.belongings(), before);
        lab.serves();
    }
}

macro_rules! silent {
    ($($row:ident: $payload:expr => $reason:expr;)*) => {
        $(#[test] fn $row() { stays_silent(&$payload[..], $reason); })*
    };
}

silent! {
    r01_an_empty_datagram_is_dropped: b"" => Empty;
    r02_a_lone_d_is_dropped: b"d" => Syntax;
    r03_an_empty_dictionary_is_dropped: b"de" => NoTid;
    r04_a_list_is_dropped: b"le" => NotADictionary;
    r05_an_integer_is_dropped: b"i42e" => NotADictionary;
    r06_a_bare_string_is_dropped: b"4:ping" => NotADictionary;
    r07_nul_bytes_are_dropped: [0; 64] => NotADictionary;
    r08_a_message_without_y_is_dropped: with("1:y1:q", "") => NoKind;
    r09_an_unknown_y_is_dropped: with("1:y1:q", "1:y1:x") => NoKind;
    r10_an_integer_y_is_dropped: with("1:y1:q", "1:yi1e") => NoKind;
    r11_a_y_of_two_bytes_is_dropped: with("1:y1:q", "1:y2:qq") => NoKind;
    r12_a_query_without_t_is_dropped: with("1:t2:aa", "") => NoTid;
    r13_an_integer_t_is_dropped: with("1:t2:aa", "1:ti7e") => NoTid;
    r25_a_byte_after_the_dictionary_costs_it_all: [PING, b"x"].concat() => Trailing;
    r28_a_length_of_twenty_digits_does_not_wrap: with("4:ping", "18446744073709551620:ping") => Syntax;
    r29_a_length_of_2_to_the_32_and_4_does_not_wrap: with("4:ping", "4294967300:ping") => Syntax;
    r30_a_negative_length_is_dropped: with("4:ping", "-4:ping") => Syntax;
    r33_a_repeated_known_key_is_dropped: with("1:t2:aa", "1:t2:aa1:t2:bb") => RepeatedKey;
    r36_an_integer_without_digits_is_dropped: with("1:t2:aa", "2:roie1:t2:aa") => Syntax;
    r37_an_integer_of_2_to_the_80_is_dropped: with("1:t2:aa", "2:roi1208925819614629174706176e1:t2:aa") => Syntax;
    r38_an_integer_as_key_is_dropped: with("1:t2:aa", "i1e2:aa1:t2:aa") => Syntax;
    r39_a_key_without_value_is_dropped: with("1:y1:q", "1:y1:q1:z") => Syntax;
    r40_an_integer_without_end_is_dropped: b"d1:t2:aa1:y1:q2:roi1" => Syntax;
    r41_nesting_of_64_is_dropped: nested(64) => TooDeep;
    r42_nesting_of_700_is_dropped: nested(700) => TooDeep;
    r43_six_hundred_empty_strings_are_dropped: with("1:t2:aa", &format!("2:roi0e1:t2:aa1:xl{}e", "0:".repeat(600)))
        => TooManyTokens;
}

fn nested(depth: usize) -> Vec<u8> {
    with("1:y1:q", &format!("1:x{}{}1:y1:q", "l".repeat(depth), "e".repeat(depth)))
}

#[test]
fn r26_a_message_cut_anywhere_is_dropped() {
    let mut lab = Lab::local();
    for end in 1..PING.len() {
        let from = lab.stranger();
        is_dropped(&mut lab, from, &PING[..end], Syntax);
    }
    stays_silent(&PING[..PING.len() - 1], Syntax);
}

#[test]
fn r27_a_length_past_the_end_is_dropped() {
    stays_silent(&with("4:ping", "999:ping"), Syntax);
    stays_silent(&with("4:ping", "999999999:ping"), Syntax);
    stays_silent(b"d1:ad2:id999999999:", Syntax);
}

#[test]
fn r31_a_length_with_a_leading_zero_is_taken_outside_of_v() {
    is_answered(&with("4:ping", "04:ping"));
}

#[test]
fn r32_keys_in_any_order_are_taken() {
    is_answered(b"d1:y1:q1:t2:aa1:q4:ping1:ad2:id20:abcdefghij0123456789ee");
}

#[test]
fn r33_a_known_key_is_not_repeated_in_any_dictionary() {
    stays_silent(&query(b"ping", &pair(b"id", &[1; 20])), RepeatedKey);
    let want = raw(b"want", b"l2:n4e");
    stays_silent(&query(b"find_node", &[pair(b"target", &[1; 20]), want.clone(), want].concat()), RepeatedKey);
    // What means nothing may stand there twice.
    is_answered(&with("1:t2:aa", "1:t2:aa1:x0:1:x0:"));
}

#[test]
fn r34_an_integer_with_leading_zeros_is_taken_outside_of_v() {
    is_answered(&with("1:t2:aa", "2:roi01e1:t2:aa"));
    let mut lab = Lab::public();
    let (from, target) = (lab.stranger(), Id([4; 20]));
    let token = lab.token(from, &target);
    let announce = [pair(b"info_hash", &target.0), raw(b"port", b"i006881e"), pair(b"token", &token)].concat();
    lab.ask(from, &query(b"announce_peer", &announce)).response();
    assert_eq!(lab.held(), (0, 1));
}

#[test]
fn r35_minus_zero_is_zero_outside_of_v() {
    is_answered(&with("1:t2:aa", "2:roi-0e1:t2:aa"));
}

#[test]
fn r41_nesting_of_10_is_taken_and_of_11_is_not() {
    // The outer dictionary counts as one.
    is_answered(&nested(9));
    stays_silent(&nested(10), TooDeep);
}

#[test]
fn r43_500_tokens_are_taken_and_501_are_not() {
    // Ten for the ping, two for the list and its key.
    let with_strings = |n| with("1:y1:q", &format!("1:xl{}e1:y1:q", "0:".repeat(n)));
    is_answered(&with_strings(500 - 13));
    stays_silent(&with_strings(500 - 12), TooManyTokens);
}

#[test]
fn r87_a_tid_is_echoed_up_to_64_bytes_and_dropped_past_that() {
    let with_tid = |n: usize| {
        [&b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t"[..], &string(&vec![b't'; n]), b"1:y1:qe"].concat()
    };
    for mut lab in Lab::each() {
        for n in [0, 1, 4, 63, 64] {
            let from = lab.stranger();
            assert_eq!(lab.ask(from, &with_tid(n)).tid(), vec![b't'; n]);
        }
        for n in [65, 1200] {
            let from = lab.stranger();
            is_dropped(&mut lab, from, &with_tid(n), NoTid);
        }
        lab.serves();
    }
}

#[test]
fn r87_a_method_of_1000_bytes_is_refused_without_an_echo() {
    for mut lab in Lab::each() {
        let from = lab.stranger();
        let answer = super::is_refused(&mut lab, from, &query(&[b'm'; 1000], b""), 204);
        assert!(answer.bytes.len() < 100);
        lab.serves();
    }
}

#[test]
fn a_datagram_larger_than_any_message_is_dropped() {
    let long = with("1:t2:aa", &format!("1:t2:aa1:x{}:{}", 1600, "x".repeat(1600)));
    stays_silent(&long, Oversize);
}

#[test]
fn sources_that_no_reply_could_reach_are_dropped_before_they_are_read() {
    use honeyguide::Endpoint;
    let mut lab = Lab::public();
    let mapped = Endpoint::v6([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 6881);
    for from in [
        Endpoint::v4([8, 8, 8, 8], 0),
        Endpoint::v4([0, 0, 0, 0], 6881),
        Endpoint::v4([0, 1, 2, 3], 6881),
        Endpoint::v4([127, 0, 0, 1], 6881),
        Endpoint::v4([169, 254, 1, 1], 6881),
        Endpoint::v4([224, 0, 0, 1], 6881),
        Endpoint::v4([255, 255, 255, 255], 6881),
        mapped,
    ] {
        is_dropped(&mut lab, from, PING, DropReason::Martian);
    }
    lab.serves();
    let mut lab = Lab::local();
    let from = lab.stranger().with_port(0);
    is_dropped(&mut lab, from, PING, DropReason::Martian);
    lab.serves();
}

#[test]
fn the_sender_of_a_good_query_is_asked_back() {
    // What `is_never_added` looks for does happen otherwise.
    for mut lab in Lab::each() {
        let from = lab.stranger();
        let id = Id([0x77; 20]);
        let mind = lab.honest(id, from);
        lab.minds.insert(from, mind);
        lab.ask(from, &query_of(&id, b"ping", b""));
        lab.run(std::time::Duration::from_secs(200));
        assert!(lab.knows(from));
    }
    let mut lab = Lab::public();
    let from = lab.stranger();
    // BEP 43: who does not answer is served and not asked.
    lab.ask(from, b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping2:roi1e1:t2:aa1:y1:qe");
    is_never_added(&mut lab, from);
}
