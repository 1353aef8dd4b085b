use super::*;
use crate::krpc::bencode::reader::is_canonical;
use std::{format, string::String, vec::Vec};

const ID: &str = "2:id20:abcdefghij0123456789";
const HASH: &str = "20:mnopqrstuvwxyz123456";

fn query(name: &str, arguments: &str) -> Vec<u8> {
    format!("d1:ad{ID}{arguments}e1:q{}:{name}1:t2:aa1:y1:qe", name.len()).into_bytes()
}

fn response(fields: &str) -> Vec<u8> {
    format!("d1:rd{ID}{fields}e1:t2:aa1:y1:re").into_bytes()
}

#[track_caller]
fn method(bytes: &[u8]) -> Method<'_> {
    match decode(bytes) {
        Ok(Decoded::Query(query)) => query.method,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn refusal(bytes: &[u8]) -> (i64, &'static str) {
    match decode(bytes) {
        Ok(Decoded::Refuse(Refusal { tid: b"aa", error, text })) => (error.code(), text),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn answer(bytes: &[u8]) -> Response<'_> {
    match decode(bytes) {
        Ok(Decoded::Response(response)) => response,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn dropped(bytes: &[u8]) -> Malformed {
    match decode(bytes) {
        Err(malformed) => malformed,
        other => panic!("{}: {other:?}", String::from_utf8_lossy(bytes)),
    }
}

// K1
#[test]
fn datagrams_that_are_no_dictionary_are_dropped() {
    for (datagram, reason) in [
        (&b""[..], Malformed::Empty),
        (b"d", Malformed::Syntax),
        (b"de", Malformed::NoTid),
        (b"le", Malformed::NotADictionary),
        (b"i5e", Malformed::NotADictionary),
        (b"5:hello", Malformed::NotADictionary),
        (b"\0\0\0\0", Malformed::NotADictionary),
        (b"dee", Malformed::Trailing),
        (&[b'd'; 1501], Malformed::Oversize),
    ] {
        assert_eq!(dropped(datagram), reason, "{}", String::from_utf8_lossy(datagram));
    }
}

// K10, K11, K12
#[test]
fn without_tid_kind_or_method_nobody_is_answered() {
    let message = |rest: &str| format!("d1:ad{ID}e{rest}e").into_bytes();
    for (rest, reason) in [
        ("1:q4:ping1:t2:aa", Malformed::NoKind),
        ("1:q4:ping1:t2:aa1:y1:x", Malformed::NoKind),
        ("1:q4:ping1:t2:aa1:yi1e", Malformed::NoKind),
        ("1:q4:ping1:t2:aa1:y2:qq", Malformed::NoKind),
        ("1:q4:ping1:t2:aa1:y0:", Malformed::NoKind),
        ("1:q4:ping1:y1:q", Malformed::NoTid),
        ("1:q4:ping1:ti7e1:y1:q", Malformed::NoTid),
        ("1:t2:aa1:y1:q", Malformed::NoMethod),
    ] {
        assert_eq!(dropped(&message(rest)), reason, "{rest}");
    }
}

// K10
#[test]
fn a_tid_of_0_to_64_bytes_is_echoed() {
    for (length, ok) in [(0, true), (64, true), (65, false)] {
        let message = format!("d1:ad{ID}e1:q4:ping1:t{length}:{}1:y1:qe", "t".repeat(length));
        match decode(message.as_bytes()) {
            Ok(Decoded::Query(query)) => assert!(ok && query.tid.len() == length),
            other => assert!(!ok && matches!(other, Err(Malformed::NoTid))),
        }
    }
}

// K2, K4, K16, K18
#[test]
fn envelopes_are_read_leniently() {
    let unsorted = format!("d1:y1:q1:t2:aa1:q4:ping1:ad{ID}ee");
    assert_eq!(method(unsorted.as_bytes()), Method::Ping);
    let zeros = format!("d1:ad{ID}e1:q04:ping1:xi-0e1:xi007e2:roi01e1:t2:aa1:y1:qe");
    let Ok(Decoded::Query(query)) = decode(zeros.as_bytes()) else { panic!() };
    assert!(query.read_only && query.method == Method::Ping && query.version.is_none());
    let text = format!("d1:ad{ID}e1:q4:ping2:ro1:11:t2:aa1:v3:abc1:y1:qe");
    let Ok(Decoded::Query(query)) = decode(text.as_bytes()) else { panic!() };
    assert!(!query.read_only && query.version == Some(b"abc"));
}

// K3
#[test]
fn a_known_key_stands_once_in_its_dictionary() {
    for twice in [
        format!("d1:ad{ID}e1:q4:ping1:t2:aa1:t2:aa1:y1:qe"),
        format!("d1:ad{ID}{ID}e1:q4:ping1:t2:aa1:y1:qe"),
        format!("d1:ad{ID}e1:q4:ping2:roi1e2:roi1e1:t2:aa1:y1:qe"),
        format!("d1:rd{ID}5:nodes0:5:nodes0:e1:t2:aa1:y1:re"),
    ] {
        assert_eq!(dropped(twice.as_bytes()), Malformed::RepeatedKey);
    }
    assert_eq!(method(&query("ping", "1:zi1e1:zi2e")), Method::Ping);
}

// K5
#[test]
fn what_is_no_bencode_is_dropped() {
    for arguments in ["1:xie", "1:xi-e", "1:xi9223372036854775808e", "i5ei6e", "1:x", "1:x9:aa", "1:vie", "1:vd1:xiee"]
    {
        assert_eq!(dropped(&query("ping", arguments)), Malformed::Syntax, "{arguments}");
    }
    let mut truncated = query("ping", "");
    truncated.pop();
    assert_eq!(dropped(&truncated), Malformed::Syntax);
}

// K6
#[test]
fn depth_and_tokens_are_capped_at_ten_and_five_hundred() {
    let nested = |n| format!("1:x{}{}", "l".repeat(n), "e".repeat(n));
    assert_eq!(method(&query("ping", &nested(8))), Method::Ping);
    assert_eq!(dropped(&query("ping", &nested(9))), Malformed::TooDeep);
    // The outer dictionary, three keys with strings, and `a` with `id` and a list: 13 tokens.
    let many = |n| format!("1:xl{}e", "0:".repeat(n));
    assert_eq!(method(&query("ping", &many(487))), Method::Ping);
    assert_eq!(dropped(&query("ping", &many(488))), Malformed::TooManyTokens);
}

// K12, K13
#[test]
fn every_query_needs_arguments_with_an_id() {
    for (message, text) in [
        ("d1:q4:ping1:t2:aa1:y1:qe".into(), "bad a"),
        ("d1:ale1:q4:ping1:t2:aa1:y1:qe".into(), "bad a"),
        ("d1:ade1:q4:ping1:t2:aa1:y1:qe".into(), "bad id"),
        ("d1:ad2:idi7ee1:q4:ping1:t2:aa1:y1:qe".into(), "bad id"),
        ("d1:ad2:id19:abcdefghij012345678e1:q4:ping1:t2:aa1:y1:qe".into(), "bad id"),
        ("d1:ad2:id21:abcdefghij01234567890e1:q4:ping1:t2:aa1:y1:qe".into(), "bad id"),
        (format!("d1:ad{ID}e1:qi1e1:t2:aa1:y1:qe"), "bad q"),
    ] {
        assert_eq!(refusal(message.as_bytes()), (203, text), "{message}");
    }
}

// K21, K22, K25, K27
#[test]
fn targets_and_info_hashes_have_twenty_bytes() {
    for name in ["find_node", "get", "sample_infohashes"] {
        assert_eq!(refusal(&query(name, "")), (203, "bad target"));
        assert_eq!(refusal(&query(name, "6:target19:mnopqrstuvwxyz12345")), (203, "bad target"));
    }
    for name in ["get_peers", "announce_peer"] {
        assert_eq!(refusal(&query(name, "9:info_hashi1e")), (203, "bad info_hash"));
    }
}

// K28
#[test]
fn an_unknown_method_is_served_for_its_target_or_info_hash() {
    let target = Id(*b"mnopqrstuvwxyz123456");
    for arguments in [format!("6:target{HASH}"), format!("9:info_hash{HASH}6:target3:abc")] {
        let bytes = query("frob", &arguments);
        assert_eq!(method(&bytes), Method::Unknown { name: b"frob", target, want: Want::default() });
    }
    assert_eq!(refusal(&query("frob", "6:target3:abc")), (204, "unknown method"));
    assert_eq!(refusal(&query(&"x".repeat(1000), "")), (204, "unknown method"));
    assert_eq!(refusal(&query("", "")), (204, "unknown method"));
}

// K24
#[test]
fn want_is_read_from_the_first_four_entries_of_a_list() {
    let want = |want: &str| match method(&query("find_node", &format!("6:target{HASH}4:want{want}"))) {
        Method::FindNode { want, .. } => (want.v4, want.v6),
        other => panic!("{other:?}"),
    };
    assert_eq!(want("l2:n4e"), (true, false));
    assert_eq!(want("l2:n62:n4e"), (true, true));
    assert_eq!(want("li6e2:xxle2:n6e"), (false, true));
    assert_eq!(want("li6e2:xxle2:n42:n6e"), (true, false));
    assert_eq!(want("l2:xx2:xx2:xx2:xx2:n6e"), (false, false));
    assert_eq!(want("i4e"), (false, false));
    assert_eq!(want("2:n4"), (false, false));
    assert_eq!(want("le"), (false, false));
}

// K23, K31
#[test]
fn a_port_is_1_to_65535_unless_it_is_implied() {
    let announce = |rest: &str| query("announce_peer", &format!("9:info_hash{HASH}5:token2:tt{rest}"));
    let port = |rest: &str| match method(&announce(rest)) {
        Method::AnnouncePeer { port, implied_port, .. } => (port, implied_port),
        other => panic!("{other:?}"),
    };
    assert_eq!(port("4:porti1e"), (1, false));
    assert_eq!(port("4:porti65535e12:implied_porti0e"), (65535, false));
    assert_eq!(port("12:implied_porti1e"), (0, true));
    assert_eq!(port("12:implied_porti2e4:porti0e"), (0, true));
    assert_eq!(port("12:implied_porti1e4:port3:abc"), (0, true));
    for bad in ["", "4:porti0e", "4:porti65536e", "4:porti-1e", "4:port2:80", "12:implied_port1:1"] {
        assert_eq!(refusal(&announce(bad)), (203, "bad port"), "{bad}");
    }
    let no_token = query("announce_peer", &format!("9:info_hash{HASH}4:porti1e"));
    assert_eq!(refusal(&no_token), (203, "bad token"));
    let bad_token = query("announce_peer", &format!("9:info_hash{HASH}4:porti1e5:tokenle"));
    assert_eq!(refusal(&bad_token), (203, "bad token"));
}

// K29
#[test]
fn flags_are_numbers_that_are_not_zero() {
    let flags = |rest: &str| match method(&query("get_peers", &format!("9:info_hash{HASH}{rest}"))) {
        Method::GetPeers { noseed, scrape, .. } => (noseed, scrape),
        other => panic!("{other:?}"),
    };
    assert_eq!(flags("6:noseedi1e6:scrapei0e"), (true, false));
    assert_eq!(flags("6:noseed1:16:scrapei2e"), (false, true));
}

// K25, K30
#[test]
fn a_get_may_ask_for_a_higher_number_only() {
    let seq = |rest: &str| match method(&query("get", &format!("6:target{HASH}{rest}"))) {
        Method::Get { seq, .. } => seq,
        other => panic!("{other:?}"),
    };
    assert_eq!(seq(""), None);
    assert_eq!(seq("3:seqi7e"), Some(7));
    assert_eq!(refusal(&query("get", &format!("6:target{HASH}3:seq1:7"))), (203, "bad seq"));
}

// I3, I10, I11, I12
#[test]
fn a_put_is_immutable_or_has_key_number_and_signature() {
    let (k, sig) = (format!("1:k32:{}", "k".repeat(32)), format!("3:sig64:{}", "s".repeat(64)));
    let put = |rest: &str| query("put", &format!("5:token2:tt1:v1:x{rest}"));
    let Method::Put { token: b"tt", item: Item { value: b"1:x", mutable: None }, cas: None, target: None } =
        method(&put("4:salt0:"))
    else {
        panic!()
    };
    let whole = put(&format!("{k}3:seqi0e{sig}4:salt2:ab3:casi-1e6:target{HASH}"));
    let Method::Put { item: Item { mutable: Some(mutable), .. }, cas, target, .. } = method(&whole) else { panic!() };
    assert_eq!((mutable.salt, mutable.seq, cas), (&b"ab"[..], 0, Some(-1)));
    assert_eq!(target, Some(Id(*b"mnopqrstuvwxyz123456")));
    for (rest, text) in [
        (k.clone(), "bad k, seq, sig"),
        (sig.clone(), "bad k, seq, sig"),
        ("3:seqi1e".into(), "bad k, seq, sig"),
        (format!("{k}{sig}"), "bad k, seq, sig"),
        (format!("{k}3:seqi1e"), "bad k, seq, sig"),
        (format!("{k}3:seq1:1{sig}"), "bad k, seq, sig"),
        (format!("1:k31:{}3:seqi1e{sig}", "k".repeat(31)), "bad k, seq, sig"),
        (format!("{k}3:seqi1e3:sig63:{}", "s".repeat(63)), "bad k, seq, sig"),
        (format!("{k}3:seqi-1e{sig}"), "bad seq"),
        (format!("{k}3:seqi1e{sig}4:salti1e"), "bad salt"),
        (format!("{k}3:seqi1e{sig}3:cas1:1"), "bad cas"),
        ("4:salt1:a".into(), "bad salt"),
        ("3:casi1e".into(), "bad cas"),
    ] {
        assert_eq!(refusal(&put(&rest)), (203, text), "{rest}");
    }
    assert_eq!(refusal(&query("put", "5:token2:tt")), (203, "no v"));
    assert_eq!(refusal(&query("put", "1:v1:x")), (203, "bad token"));
}

// I1, I6, I7
#[test]
fn the_value_of_a_put_has_one_spelling_and_a_thousand_bytes() {
    let put = |value: &str| query("put", &format!("5:token2:tt1:v{value}"));
    let string = |total: usize| format!("{}:{}", total - 4, "x".repeat(total - 4));
    assert!(matches!(method(&put(&string(1000))), Method::Put { item: Item { value, .. }, .. } if value.len() == 1000));
    // One byte string is the node's to judge, as far as its bare bytes are a thousand.
    assert!(matches!(method(&put(&string(1001))), Method::Put { .. }));
    assert!(matches!(method(&put(&format!("1000:{}", "x".repeat(1000)))), Method::Put { .. }));
    assert_eq!(refusal(&put(&format!("1001:{}", "x".repeat(1001)))), (205, "v too large"));
    assert_eq!(refusal(&put(&format!("l{}e", "2:xx".repeat(250)))), (205, "v too large"));
    for odd in ["01:x", "i007e", "i-0e", "ie", "i-e", "i9223372036854775808e", "d1:b0:1:a0:e", "d1:a0:1:a0:e", "l01:xe"]
    {
        assert_eq!(refusal(&put(odd)), (203, "v not canonical"), "{odd}");
        assert!(!is_canonical(odd.as_bytes()));
    }
    assert_eq!(dropped(&put("i1x2e")), Malformed::Syntax);
    assert_eq!(dropped(&put(&format!("{}{}", "l".repeat(9), "e".repeat(9)))), Malformed::TooDeep);
    let tokens = |n: usize| format!("l{}e", "0:".repeat(n - 1));
    assert!(matches!(method(&put(&tokens(468))), Method::Put { .. }));
    assert_eq!(refusal(&put(&tokens(469))), (203, "v not canonical"));
}

// I20
#[test]
fn of_several_faults_of_a_put_shape_goes_before_spelling_before_size_before_salt() {
    let mutable = |k: usize, salt: usize, value: &str| {
        let (k, sig, salt) = (format!("{k}:{}", "k".repeat(k)), "s".repeat(64), format!("{salt}:{}", "s".repeat(salt)));
        query("put", &format!("5:token2:tt1:k{k}4:salt{salt}3:seqi1e3:sig64:{sig}1:v{value}"))
    };
    let long = format!("998:{}", "x".repeat(998));
    let long_odd = format!("l01:x998:{}e", "x".repeat(998));
    assert_eq!(refusal(&mutable(31, 65, &long_odd)), (203, "bad k, seq, sig"));
    assert_eq!(refusal(&mutable(32, 65, &long_odd)), (203, "v not canonical"));
    assert_eq!(refusal(&mutable(32, 65, &long)), (205, "v too large"));
    assert_eq!(refusal(&mutable(32, 65, "1:x")), (207, "salt too long"));
    assert!(matches!(method(&mutable(32, 64, "1:x")), Method::Put { .. }));
}

// K14, K15, K72
#[test]
fn a_response_needs_a_body_with_an_id() {
    for (message, expected) in [
        (&b"d1:t2:aa1:y1:re"[..], Broken::NoBody),
        (b"d1:rle1:t2:aa1:y1:re", Broken::NoBody),
        (b"d1:rde1:t2:aa1:y1:re", Broken::BadId),
        (b"d1:rd2:id3:abce1:t2:aa1:y1:re", Broken::BadId),
        (b"d1:rd2:idi3ee1:t2:aa1:y1:re", Broken::BadId),
        (b"d1:t2:aa1:y1:ee", Broken::BadError),
        (b"d1:e3:abc1:t2:aa1:y1:ee", Broken::BadError),
        (b"d1:ele1:t2:aa1:y1:ee", Broken::BadError),
        (b"d1:el1:ai1ee1:t2:aa1:y1:ee", Broken::BadError),
        (b"d1:eli203ee1:t2:aa1:y1:ee", Broken::BadError),
    ] {
        match decode(message) {
            Ok(Decoded::Broken { tid: b"aa", reason }) => assert_eq!(reason, expected),
            other => panic!("{other:?}"),
        }
    }
}

// K40, K43, K45, K46
#[test]
fn fields_of_a_response_with_another_type_or_size_are_absent() {
    let wrong = response(
        "5:nodesi1e6:nodes6le6:values2:ab5:tokenle1:k3:abc3:sigi1e3:seq1:18:interval1:13:numle7:samplesi0e4:\
         BFsd3:abc4:BFpede",
    );
    let mut read = answer(&wrong);
    assert_eq!(read.values, Values::Absent);
    read.values = Values::Absent;
    assert_eq!(format!("{read:?}"), format!("{:?}", Response::new(b"aa", Id(*b"abcdefghij0123456789"))));
    for out_of_range in ["8:intervali-1e", "8:intervali21601e", "3:numi-1e", "3:seqi-1e"] {
        let bytes = response(out_of_range);
        let read = answer(&bytes);
        assert_eq!((read.interval, read.num, read.seq), (None, None, None));
    }
    let token = |n: usize| response(&format!("5:token{n}:{}", "t".repeat(n)));
    assert_eq!(answer(&token(64)).token.map(<[u8]>::len), Some(64));
    assert_eq!(answer(&token(65)).token, None);
}

// I5, I8
#[test]
fn a_response_keeps_the_exact_value() {
    for value in ["1:x", "d1:b0:1:a0:e", "i007e", "ie", "li99999999999999999999ee"] {
        let bytes = response(&format!("1:v{value}5:nodes0:"));
        let read = answer(&bytes);
        assert_eq!((read.value, read.nodes), (Some(value.as_bytes()), Some(&b""[..])));
    }
}

// K17
#[test]
fn the_address_in_a_reply_has_6_or_18_bytes() {
    let ip = |n: usize| {
        let message =
            [format!("d2:ip{n}:").as_bytes(), &[7; 18][..n], b"1:rd", ID.as_bytes(), b"e1:t2:aa1:y1:re"].concat();
        answer(&message).ip
    };
    assert_eq!(ip(6), Some(Endpoint::v4([7; 4], 0x0707)));
    assert_eq!(ip(18), Some(Endpoint::v6([7; 16], 0x0707)));
    assert!([0, 2, 4, 5, 7, 16, 17].into_iter().all(|n| ip(n).is_none()));
}

// K15
#[test]
fn an_error_may_have_a_body_and_more_entries() {
    let message = format!("d1:eli203e5:oh noi1ee1:rd{ID}e1:t2:aa1:y1:ee");
    let message = message.replace("5:oh no", "5:oh_no");
    match decode(message.as_bytes()) {
        Ok(Decoded::Error(error)) => assert_eq!((error.tid, error.code, error.text), (&b"aa"[..], 203, &b"oh_no"[..])),
        other => panic!("{other:?}"),
    }
}

// K65
#[test]
fn texts_of_errors_have_at_most_sixteen_bytes_and_are_listed() {
    for code in [
        ErrorCode::Protocol,
        ErrorCode::MethodUnknown,
        ErrorCode::TooLarge,
        ErrorCode::BadSignature,
        ErrorCode::SaltTooLong,
        ErrorCode::CasMismatch,
        ErrorCode::SeqTooOld,
    ] {
        assert!(code.text().len() <= 16);
    }
    let faults = [
        Fault::METHOD_TYPE,
        Fault::ARGUMENTS,
        Fault::ID,
        Fault::TARGET,
        Fault::INFO_HASH,
        Fault::TOKEN,
        Fault::PORT,
        Fault::VALUE,
        Fault::MUTABLE,
        Fault::SALT,
        Fault::CAS,
        Fault::SEQ,
        Fault::NOT_CANONICAL,
        Fault::TOO_LARGE,
        Fault::SALT_TOO_LONG,
        Fault::METHOD_UNKNOWN,
    ];
    assert!(faults.iter().all(|Fault(_, text)| text.len() <= 16));
    // K70, K71, K72: the page lists them all.
    let page = include_str!("../../../../spec/krpc.md");
    let listed = |name: &str| page.contains(&format!("| `{name}` |"));
    assert!(faults.iter().all(|Fault(_, text)| listed(text)));
    assert!([Broken::NoBody, Broken::BadId, Broken::BadError].iter().all(|reason| listed(reason.name())));
}
