use std::sync::OnceLock;

use honeyguide::base::Rng;

use super::*;
use crate::places::KEYS;

const ID: &str = "2:id20:abcdefghij0123456789";

fn addresses() -> &'static Addresses {
    static ADDRESSES: OnceLock<Addresses> = OnceLock::new();
    ADDRESSES.get_or_init(|| Addresses::new([3; 16], false))
}

/// The datagram after a rewriting by one whose query asked for this.
fn rewritten(datagram: &[u8], asked: Option<Asked>) -> Vec<u8> {
    let addresses = addresses();
    let token = |token: &[u8]| (token == b"original").then(|| b"replaced".to_vec());
    let rewriter = Rewriter { addresses, key: [4; 16], token: &token, asked: &|_| asked };
    let mut after = datagram.to_vec();
    assert!(rewriter.rewrite(&mut after), "{}", datagram.escape_ascii());
    after
}

fn turned(bytes: &[u8]) -> Vec<u8> {
    let addresses = addresses();
    let rewriter = Rewriter { addresses, key: [4; 16], token: &|_| None, asked: &|_| None };
    let mut bytes = bytes.to_vec();
    rewriter.turn(&mut bytes);
    bytes
}

/// Another address, and another port if there is one.
fn other(ip: &[u8], port: Option<u16>) -> Vec<u8> {
    let addresses = addresses();
    let mut ip = ip.to_vec();
    addresses.turn(&mut ip);
    [ip, port.map_or(vec![], |port| addresses.port(port).to_be_bytes().to_vec())].concat()
}

fn assert_same(after: &[u8], expected: &[u8]) {
    assert_eq!(after.escape_ascii().to_string(), expected.escape_ascii().to_string());
}

#[test]
fn addresses_ports_and_tokens_change_and_nothing_else() {
    let build = |own: &[u8], peer: &[u8], contact: &[u8], token: &[u8]| {
        let id: &[u8] = b"abcdefghij0123456789";
        let parts =
            [b"d2:ip6:", own, b"1:rd2:id20:", id, b"5:nodes26:", id, contact, b"5:token8:", token, b"6:valuesl6:"];
        [&parts.concat(), peer, b"ee1:t2:aa1:v4:LT121:y1:re"].concat()
    };
    let datagram =
        build(b"\x7f\x00\x00\x01\x1a\xe1", b"\x08\x08\x08\x08\x00\x50", b"\x01\x02\x03\x04\x1a\xe1", b"original");
    let (own, contact) = (other(&[127, 0, 0, 1], Some(6881)), other(&[1, 2, 3, 4], Some(6881)));
    let after = build(&own, &other(&[8, 8, 8, 8], Some(80)), &contact, &turned(b"original"));
    assert_same(&rewritten(&datagram, Some(Asked::Peers)), &after);

    let announce = |port: &str, token: &[u8], tid: &[u8]| {
        let begin: &[u8] = b"d1:ad2:id20:abcdefghij01234567899:info_hash20:abcdefghij01234567894:porti";
        let end = [b"e5:token8:", token, b"e1:q13:announce_peer1:t2:", tid, b"1:y1:qe"].concat();
        [begin, port.as_bytes(), &end].concat()
    };
    let port = addresses().port(6881);
    for (token, after) in [(b"original", b"replaced".to_vec()), (b"unheard.", turned(b"unheard."))] {
        let after = |port: &str| announce(port, &after, &turned(b"aa"));
        assert_same(&rewritten(&announce("6881", token, b"aa"), None), &after(&port.to_string()));
        assert_same(&rewritten(&announce("0006881", token, b"aa"), None), &after(&format!("000{port}")));
    }
}

/// Rules J11 and K17.
#[test]
fn an_own_address_without_a_port_changes_as_one_with_it() {
    let answer = |ip: &[u8]| {
        [format!("d2:ip{}:", ip.len()).as_bytes(), ip, format!("1:rd{ID}e1:t4:ABCD1:y1:re").as_bytes()].concat()
    };
    let v6 = [0x20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
    let mapped = [&[0; 10][..], &[255, 255, 192, 0, 2, 77]].concat();
    let in_v6 = [&mapped[..12], &other(&[192, 0, 2, 77], None)].concat();
    assert_same(&rewritten(&answer(&mapped), Some(Asked::Else)), &answer(&in_v6));
    for ip in [&[10, 1, 2, 3][..], &[192, 0, 2, 77], &v6] {
        assert_ne!(other(ip, None), ip);
        assert_same(&rewritten(&answer(ip), Some(Asked::Else)), &answer(&other(ip, None)));
        let with_port = [ip, &6881u16.to_be_bytes()].concat();
        assert_same(&rewritten(&answer(&with_port), Some(Asked::Else)), &answer(&other(ip, Some(6881))));
    }
    assert_same(&rewritten(&answer(b"SECRT"), Some(Asked::Else)), &answer(b"xxxxx"));
}

#[test]
fn of_what_is_no_message_only_its_length_stays() {
    let addresses = addresses();
    let rewriter = Rewriter { addresses, key: [4; 16], token: &|_| None, asked: &|_| None };
    for text in ["127.0.0.1:6881", "", "d1:y1:qe", "l99999999999999999999:e", "d1:rde1:t1:a1:y1:reSECRET"] {
        let mut datagram = text.as_bytes().to_vec();
        assert!(!rewriter.rewrite(&mut datagram));
        assert_eq!(datagram, vec![0; text.len()]);
    }
}

/// Rule J11. Whatever strangers may write where a node reads nothing of it, or reads it and it has not its form.
#[test]
fn what_is_not_in_a_form_that_the_protocol_gives_it_is_written_over() {
    let query = |arguments: &str, method: &str, rest: &str| {
        format!("d1:ad{ID}{arguments}e1:q{}:{method}{rest}1:t0:1:y1:qe", method.len())
    };
    let put = |salt: &str, seq: &str| {
        let (k, sig) = ("k".repeat(32), "s".repeat(64));
        let salt = format!("4:salt{}:{salt}", salt.len());
        query(&format!("1:k32:{k}{salt}3:seqi{seq}e3:sig64:{sig}5:token0:1:v2:hi"), "put", "")
    };
    let refused = |salt: &str, value: &str| {
        let (k, sig) = ("x".repeat(32), "x".repeat(64));
        let salt = format!("4:salt{}:{salt}", salt.len());
        let arguments = format!("1:k32:{k}{salt}3:seqi1e3:sig64:{sig}5:token0:1:v{value}");
        query(&arguments, "put", "").replace("abcdefghij0123456789", &"x".repeat(20))
    };
    let hash = "9:info_hash20:aaaaaaaaaaaaaaaaaaaa";
    let (target, secret, x) = ("6:target20:aaaaaaaaaaaaaaaaaaaa", "SECRET".repeat(14), "x".repeat(84));
    let [refused_id, refused_hash, refused_target] =
        ["2:id20:xxxxxxxxxxxxxxxxxxxx", "9:info_hash20:xxxxxxxxxxxxxxxxxxxx", "6:target20:xxxxxxxxxxxxxxxxxxxx"];
    for (before, after) in [
        (query("6:SECRETi7777e4:name6:SECRET", "ping", ""), query("6:xxxxxxi1111e4:xxxx6:xxxxxx", "ping", "")),
        (query("", "ping", "2:roi7777e"), query("", "ping", "2:roi0000e")),
        (query("", "ping", "2:roi7e1:v4:LT\x01\x02"), query("", "ping", "2:roi0e1:v4:LT\x01\x02")),
        (query("", "ping", "2:roi01e1:v5:LTSEC"), query("", "ping", "2:roi01e1:v5:xxxxx")),
        (query("", "ping", "1:v6:SECRET"), query("", "ping", "1:v6:xxxxxx")),
        (query(target, "ping", "1:v4:\x01\x02\x03\x04"), query(refused_target, "ping", "1:v4:xxxx")),
        (query("6:scrapei7777e", "ping", ""), query("6:scrapei1111e", "ping", "")),
        (
            query(&format!("{hash}6:noseedi-77e6:scrapei0e"), "get_peers", ""),
            query(&format!("{hash}6:noseedi-11e6:scrapei0e"), "get_peers", ""),
        ),
        (
            query(&format!("{target}4:wantl6:SECRET2:n4e"), "find_node", ""),
            query(&format!("{target}4:wantl6:xxxxxx2:n4e"), "find_node", ""),
        ),
        (query(target, "SECRET", ""), query(target, "xxxxxx", "")),
        (query(&format!("{target}3:seqi77e"), "get", ""), query(&format!("{target}3:seqi77e"), "get", "")),
        (query(&format!("{target}3:seqi-77e"), "get", ""), query(&format!("{target}3:seqi-11e"), "get", "")),
        (
            query(&format!("{target}3:casi77e3:seqi77e"), "find_node", ""),
            query(&format!("{target}3:casi11e3:seqi11e"), "find_node", ""),
        ),
        (
            query(&format!("12:implied_porti7777e{hash}4:porti70000e4:seedi77e5:token0:"), "announce_peer", ""),
            query(&format!("12:implied_porti1111e{hash}4:porti00000e4:seedi11e5:token0:"), "announce_peer", ""),
        ),
        (
            query(&format!("{hash}4:porti70000e5:tokeni7e"), "announce_peer", "").replace(ID, refused_id),
            query(&format!("{hash}4:porti00000e5:tokeni1e"), "announce_peer", "")
                .replace(ID, refused_id)
                .replace(hash, refused_hash),
        ),
        (
            query(&format!("{hash}6:target20:{}", "b".repeat(20)), "get_peers", ""),
            query(&format!("{hash}{refused_target}"), "get_peers", ""),
        ),
        (put("salt", "77"), put("salt", "77")),
        (
            refused(&secret, "li-9223372036854775809ei-9223372036854775808ee"),
            refused(&x, "li-9999999999999999999ei-1111111111111111111ee"),
        ),
        (refused(&secret, "l2:zz1:ai007ee"), refused(&x, "l2:xx1:xi001ee")),
        (refused(&secret, "d2:zz1:a2:aai-77e2:zz2:bbe"), refused(&x, "d2:\x01x1:x2:\0xi-11e2:\x01x2:xxe")),
    ] {
        assert_same(&rewritten(before.as_bytes(), None), after.as_bytes());
    }
}

/// Rule J11. What nobody asked for is read by nobody, whatever its form.
#[test]
fn of_an_answer_stays_what_was_asked_for() {
    let answer = |body: &str, rest: &str| format!("d{rest}1:rd{ID}{body}e1:t4:ABCD1:y1:re");
    let (a, x) = (|n| "a".repeat(n), |n| "x".repeat(n));
    let item = |letter: fn(usize) -> String, digits, value| {
        let (k, sig) = (letter(32), letter(64));
        format!("1:k32:{k}3:seqi{digits}e3:sig64:{sig}1:v{value}")
    };
    let [samples, other_samples] = [a, x].map(|letter| format!("7:samples40:{}", letter(40)));
    let [filter, other_filter] = [a, x].map(|letter| format!("4:BFpe256:{0}4:BFsd256:{0}", letter(256)));
    let [whole, blurred] =
        [(a as fn(usize) -> String, "77", "d2:zzi7ee"), (x, "11", "d2:\0xi1ee")].map(|(l, d, v)| item(l, d, v));
    let [long, other_long] = [a, x].map(|letter| format!("1:v1006:{}", letter(1006)));
    for (asked, before, after) in [
        (Asked::Samples, &samples, &samples),
        (Asked::Peers, &samples, &other_samples),
        (Asked::Peers, &filter, &filter),
        (Asked::Item, &filter, &other_filter),
        (Asked::Item, &whole, &whole),
        (Asked::Samples, &whole, &blurred),
        (Asked::Else, &whole, &blurred),
        (Asked::Item, &long, &other_long),
        (Asked::Item, &"3:seqi-77e".to_string(), &"3:seqi-11e".to_string()),
        (Asked::Samples, &format!("7:samples25:{}", a(25)), &format!("7:samples25:{}", x(25))),
        (Asked::Samples, &"8:intervali7777e3:numi-7777e".to_string(), &"8:intervali1111e3:numi-1111e".to_string()),
        (Asked::Item, &"4:salt6:SECRET6:valuesl6:SECRETe".to_string(), &"4:salt6:xxxxxx6:valuesl6:xxxxxxe".to_string()),
        (Asked::Peers, &"6:valuesl7:SECRET7e".to_string(), &"6:valuesl7:xxxxxxxe".to_string()),
        (Asked::Peers, &"5:nodes6:SECRET".to_string(), &"5:nodes6:xxxxxx".to_string()),
    ] {
        let version = "1:v4:LT12";
        let after = answer(after, version);
        assert_same(&rewritten(answer(before, version).as_bytes(), Some(asked)), after.as_bytes());
        let nobody = rewritten(answer(before, "2:ip6:SECRET1:v4:LT12").as_bytes(), None);
        let text = nobody.escape_ascii().to_string();
        assert!(!["aaa", "SEC", "77", "LT12", "ABCD", "abc"].iter().any(|kept| text.contains(kept)), "{text}");
    }
    let error = |code: &str, text: &str| format!("d1:el{code}{text}e1:t4:ABCD1:y1:ee");
    for (before, after) in [
        (error("i201e", "6:SECRET6:SECRET"), error("i201e", "6:xxxxxx6:xxxxxx")),
        (error("i777e", "6:SECRETi203e"), error("i111e", "6:xxxxxxi111e")),
        (error("6:SECRET", "i203e"), error("6:xxxxxx", "i111e")),
    ] {
        assert_same(&rewritten(before.as_bytes(), Some(Asked::Else)), after.as_bytes());
    }
    let nobody = [&b"d1:eli111e1:xe1:t4:"[..], &turned(b"ABCD"), b"1:y1:ee"].concat();
    assert_same(&rewritten(error("i203e", "1:S").as_bytes(), None), &nobody);
}

/// A message in parts: where each stands ("" for the outermost dictionary), its key or its number, and what it is.
#[derive(Clone)]
struct Parts(Vec<(&'static str, &'static str, Vec<u8>)>);

impl Parts {
    fn of(kind: &str, arguments: &str, body: &str, error: &str) -> Parts {
        const KNOWN: [(&str, &str); 9] = [
            ("id", "20:abcdefghij0123456789"),
            ("target", "20:aaaaaaaaaaaaaaaaaaaa"),
            ("info_hash", "20:bbbbbbbbbbbbbbbbbbbb"),
            ("token", "4:abcd"),
            ("port", "i6881e"),
            ("v", "2:hi"),
            ("k", "32:kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"),
            ("sig", "64:ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss"),
            ("seq", "i1e"),
        ];
        let mut parts = vec![("", "t", b"4:ABCD".to_vec()), ("", "y", format!("1:{kind}").into_bytes())];
        for (place, keys) in [("a", arguments), ("r", body)] {
            let known = KNOWN.iter().filter(|(key, _)| keys.split(' ').any(|other| other == *key));
            parts.extend(known.map(|(key, value)| (place, *key, value.as_bytes().to_vec())));
        }
        parts.extend(["0", "1"].into_iter().zip(error.split_inclusive('e')).map(|(nth, part)| ("e", nth, part.into())));
        Parts(parts)
    }

    /// With this in one place, and where that is.
    fn with(&self, place: &'static str, key: &'static str, planted: &[u8]) -> (Vec<u8>, usize) {
        let mut parts = self.0.clone();
        parts.retain(|part| (part.0, part.1) != (place, key) && !(place.is_empty() && part.0 == key));
        parts.push((place, key, planted.to_vec()));
        parts.sort_by_key(|part| (part.0, part.1));
        let (mut message, mut at, mut last) = (b"d".to_vec(), 0, "");
        for (part, name, value) in parts {
            if part != last {
                message.extend_from_slice(if last.is_empty() { b"" } else { b"e" });
                message.extend_from_slice(format!("1:{part}{}", if part == "e" { 'l' } else { 'd' }).as_bytes());
                last = part;
            }
            if part != "e" {
                message.extend_from_slice(format!("{}:{name}", name.len()).as_bytes());
            }
            if (part, name) == (place, key) {
                at = message.len();
            }
            message.extend_from_slice(&value);
        }
        message.extend_from_slice(if last.is_empty() { b"e" } else { b"ee" });
        (message, at)
    }
}

/// All kinds of messages, with what the protocol has a place for.
fn all_kinds() -> Vec<Parts> {
    let arguments = "id target info_hash token port v";
    let queries = METHODS.iter().copied().chain([&b"other"[..]]).map(|method| {
        let mut parts = Parts::of("q", arguments, "id", "");
        parts.0.push(("", "q", [format!("{}:", method.len()).as_bytes(), method].concat()));
        parts
    });
    let mut all: Vec<_> = queries.collect();
    let mut put = Parts::of("q", "id token v k sig seq", "", "");
    put.0.push(("", "q", b"3:put".to_vec()));
    let broken = [Parts::of("r", "", "", ""), Parts::of("r", "", "token", ""), Parts::of("e", "", "id", "")];
    all.extend([put, Parts::of("r", arguments, "id token", ""), Parts::of("e", arguments, "id", "i201e1:x")]);
    all.extend(broken);
    all
}

/// What the table of rule J11 lets stay, by what the message is to a node.
fn may_stay(message: &[u8], asked: Option<Asked>, place: &str, key: &str, planted: &[u8]) -> bool {
    let text = planted.iter().position(|byte| *byte == b':').filter(|_| planted[0].is_ascii_digit());
    let len = text.map_or(0, |colon| planted.len() - colon - 1);
    let is_value = planted.len() <= 1000 || (1..=1000).contains(&len);
    let (is_number, is_list) = ([&b"i7777e"[..], b"i203e"].contains(&planted), planted[0] == b'l');
    let is_answered = asked.is_some();
    let decoded = decode(message).unwrap();
    if (place, key) == ("", "v") {
        return len == 4 && (is_answered || matches!(decoded, Decoded::Query(_) | Decoded::Refuse(_)));
    }
    match (decoded, place, key) {
        (Decoded::Query(query), "a", key) => match (key, query.method) {
            ("id", _) => len == 20,
            ("target", Method::FindNode { .. } | Method::Get { .. } | Method::SampleInfohashes { .. })
            | ("target", Method::Unknown { .. })
            | ("info_hash", Method::GetPeers { .. } | Method::AnnouncePeer { .. }) => len == 20,
            ("k", Method::Put { .. }) => len == 32,
            ("sig", Method::Put { .. }) => len == 64,
            ("salt", Method::Put { .. }) => text.is_some(),
            ("seq", Method::Get { .. }) | ("seq" | "cas", Method::Put { .. }) => is_number,
            ("v", Method::Put { .. }) => true,
            _ => false,
        },
        (Decoded::Response(_) | Decoded::Error(_) | Decoded::Broken { .. }, "", "t") => is_answered,
        (Decoded::Response(_), "r", key) if is_answered => match (key, asked) {
            ("id", _) => len == 20,
            ("nodes", _) => len >= 26,
            ("nodes6", _) => len >= 38,
            ("k", Some(Asked::Item)) => len == 32,
            ("sig", Some(Asked::Item)) => len == 64,
            ("seq", Some(Asked::Item)) => is_number,
            ("v", Some(Asked::Item)) => is_value,
            ("samples", Some(Asked::Samples)) => text.is_some() && len % 20 == 0,
            ("BFsd" | "BFpe", Some(Asked::Peers)) => len == 256,
            _ => false,
        },
        (Decoded::Error(_), "e", "0") => is_answered && planted == b"i203e",
        (Decoded::Error(_), "", "e") => is_answered && is_list && planted.starts_with(b"li203e"),
        _ => false,
    }
}

/// Rule J11. In every place of every kind of message, in every form.
#[test]
fn what_is_planted_in_a_message_stays_where_the_protocol_has_a_place_for_it_and_nowhere_else() {
    let text = |len: usize| [format!("{len}:").as_bytes(), &b"SECRET!".repeat(172)[..len]].concat();
    let mut forms: Vec<_> = [4, 6, 16, 18, 20, 26, 32, 38, 40, 64, 65, 256, 996, 1000, 1001, 1200].map(text).into();
    forms.extend([&b"i7777e"[..], b"i-7777e", b"i203e"].map(<[u8]>::to_vec));
    forms.extend([6, 18, 900, 1000].map(|len| [b"l", &text(len)[..], b"e"].concat()));
    forms.extend([b"li203e6:SECRETe".to_vec(), b"d6:SECRETi7777ee".to_vec()]);
    let keys = KEYS.split(' ').chain(["SECRET"]);
    let places = ["", "a", "r"].iter().flat_map(|place| keys.clone().map(move |key| (*place, key)));
    let places: Vec<_> = places.chain([("e", "0"), ("e", "1")]).collect();
    let (mut stay, mut go) = (0, 0);
    for (parts, (place, key)) in all_kinds().iter().flat_map(|parts| places.iter().map(move |place| (parts, *place))) {
        for planted in &forms {
            let (before, at) = parts.with(place, key, planted);
            if decode(&before).is_err() {
                continue;
            }
            for asked in [None, Some(Asked::Item), Some(Asked::Peers), Some(Asked::Samples), Some(Asked::Else)] {
                let after = rewritten(&before, asked);
                let is_there = |secret: &[u8]| after[at..][..planted.len()].windows(secret.len()).any(|w| w == secret);
                let stays = [&b"SECR"[..], b"7777", b"203"].iter().any(|secret| is_there(secret));
                let may = may_stay(&before, asked, place, key, planted);
                assert_eq!(stays, may, "{asked:?} {place} {key}: {} {}", before.escape_ascii(), after.escape_ascii());
                assert!(key != "SECRET" || !after.windows(6).any(|window| window == b"SECRET"));
                (stay, go) = (stay + u32::from(stays), go + u32::from(!stays));
            }
        }
    }
    assert!(stay > 500 && go > 100_000, "{stay} {go}");
}

/// Where a secret stands, whatever is around it.
const SECRET: &[u8] = b"SECRET!";

fn random_value(rng: &mut Rng, depth: u32, out: &mut Vec<u8>) {
    match rng.below(if depth < 4 { 6 } else { 3 }) {
        0 => out.extend_from_slice([&b"i7777e"[..], b"i0e", b"i-7777e", b"i007e", b"i1e"][rng.below(5) as usize]),
        1 | 2 => random_text(rng, out),
        3 => {
            out.push(b'l');
            (0..rng.below(4)).for_each(|_| random_value(rng, depth + 1, out));
            out.push(b'e');
        }
        _ => {
            out.push(b'd');
            for _ in 0..rng.below(4) {
                random_text(rng, out);
                random_value(rng, depth + 1, out);
            }
            out.push(b'e');
        }
    }
}

/// As long as no text is that the protocol has a place for.
fn random_text(rng: &mut Rng, out: &mut Vec<u8>) {
    let len = [7, 9, 17, 21, 25, 33, 65, 84, 255][rng.below(9) as usize];
    let text: Vec<u8> = SECRET.iter().copied().cycle().take(len).collect();
    out.extend_from_slice(format!("{len}:").as_bytes());
    out.extend_from_slice(&text);
}

/// A message that has each of these keys once or not at all.
fn random_message(rng: &mut Rng) -> Vec<u8> {
    const METHOD: [&str; 9] = [
        "4:ping",
        "9:find_node",
        "9:get_peers",
        "13:announce_peer",
        "3:get",
        "3:put",
        "17:sample_infohashes",
        "4:SECR",
        "i7e",
    ];
    const BODY: &str = "k sig salt seq cas port implied_port seed noseed scrape want samples BFsd BFpe \
                        interval num values token info_hash target";
    let mut body = ID.as_bytes().to_vec();
    for key in BODY.split(' ') {
        if rng.below(4) > 0 {
            continue;
        }
        body.extend_from_slice(format!("{}:{key}", key.len()).as_bytes());
        match key {
            // Of these something stays.
            "seq" => body.extend_from_slice([&b"i5e"[..], b"i0e", b"i-5e", b"1:x"][rng.below(4) as usize]),
            "target" | "info_hash" if rng.below(4) > 0 => body.extend_from_slice(b"20:aaaaaaaaaaaaaaaaaaaa"),
            _ => random_value(rng, 1, &mut body),
        }
    }
    let [kind, name] = [["q", "q", "r", "e"][rng.below(4) as usize], METHOD[rng.below(9) as usize]];
    let mut message = [&b"d1:q"[..], name.as_bytes()].concat();
    for key in ["a", "r"] {
        message.extend_from_slice(&[format!("1:{key}d").as_bytes(), &body, b"e"].concat());
    }
    message.extend_from_slice(b"1:eli201e");
    random_text(rng, &mut message);
    random_value(rng, 1, &mut message);
    message.extend_from_slice(b"e");
    for key in ["v", "ip", "ro"] {
        if rng.below(2) == 0 {
            continue;
        }
        message.extend_from_slice(format!("{}:{key}", key.len()).as_bytes());
        random_value(rng, 1, &mut message);
    }
    [&message[..], format!("1:t4:ABCD1:y1:{kind}e").as_bytes()].concat()
}

/// What a node does with a message, apart from what is written in it.
fn shape(message: &[u8]) -> String {
    match decode(message).unwrap() {
        Decoded::Query(query) => {
            let (mut seen, read_only) = (format!("{:?}", std::mem::discriminant(&query.method)), query.read_only);
            if let Method::GetPeers { want, noseed, scrape, .. } = query.method {
                seen += &format!("{want:?}{noseed}{scrape}");
            }
            if let Method::AnnouncePeer { port, implied_port, seed, .. } = query.method {
                seen += &format!("{}{implied_port}{seed}", port > 0);
            }
            if let Method::Get { seq, .. } = query.method {
                seen += &format!("{:?}", seq.map(|seq| seq.max(-1)));
            }
            format!("{seen}{read_only}")
        }
        Decoded::Refuse(refusal) => format!("{:?}{}", refusal.error, refusal.text),
        Decoded::Response(response) => format!(
            "{:?}{:?}{:?}{:?}",
            response.nodes.map(<[u8]>::len),
            response.samples.map(<[u8]>::len),
            response.token.map(<[u8]>::len),
            response.seq.is_some()
        ),
        Decoded::Error(error) => format!("{}{}", error.code, error.text.len()),
        Decoded::Broken { reason, .. } => reason.name().into(),
    }
}

/// Rule J11.
#[test]
fn no_secret_survives_and_a_node_makes_the_same_of_whatever_was_a_message() {
    let (mut rng, mut kinds) = (Rng::from_seed([9; 32]), std::collections::BTreeSet::new());
    for _ in 0..5_000 {
        let before = random_message(&mut rng);
        if decode(&before).is_err() {
            continue;
        }
        for asked in [None, Some(Asked::Item), Some(Asked::Peers), Some(Asked::Samples), Some(Asked::Else)] {
            let after = rewritten(&before, asked);
            let text = after.escape_ascii().to_string();
            assert!(!["SECR", "RET!", "7777"].iter().any(|secret| text.contains(secret)), "{text}");
            let is_read = asked.is_some() || !matches!(decode(&before), Ok(Decoded::Error(_)));
            assert!(!is_read || shape(&before) == shape(&after), "{} {text}", before.escape_ascii());
        }
        kinds.insert(shape(&before));
    }
    assert!(kinds.len() > 30, "{kinds:?}");
}
