//! What real peers sent to our nodes, and ours to them, read again without them.
//!
//! `vectors/krpc/captured.jsonl` was written by `tests/interop/run --capture`: for each sender and receiver one datagram of
//! each kind and each set of keys. An independent reader, written here, says what is in it; the codec has to say the same.

use std::collections::{BTreeMap, BTreeSet};

use honeyguide::internals::krpc::{compact, item};
use honeyguide::krpc;
use honeyguide::krpc::{Decoded, ErrorMessage, Method, Mutable, Query, Response};
use serde_json::Value as Json;

const OURS: &str = "honeyguide";
/// Items were signed with one of these salts; a response does not say which.
const SALTS: [&[u8]; 2] = [b"", b"salty"];

#[test]
fn every_captured_datagram_is_read_as_it_stands() {
    let mut senders = BTreeSet::new();
    let lines = include_str!("../vectors/krpc/captured.jsonl").lines();
    assert_eq!(lines.clone().count(), 114, "as vectors/README.md says");
    for (number, line) in lines.enumerate() {
        let record: Json = serde_json::from_str(line).unwrap();
        let text = |key: &str| record[key].as_str().unwrap();
        let name = format!("line {}: {} from {} to {}", number + 1, text("kind"), text("sender"), text("receiver"));
        senders.insert(text("sender").to_string());
        let bytes = hex::decode(text("hex")).unwrap();
        let Tree::Dict(message) = tree(&bytes) else { panic!("{name}: no dictionary") };
        let (kind, encoded) = match krpc::decode(&bytes) {
            Ok(Decoded::Query(query)) => {
                check_query(&name, &query, &message);
                (format!("query {}", String::from_utf8_lossy(query.method.name())), encoded(|out| query.encode(out)))
            }
            Ok(Decoded::Response(response)) => {
                check_response(&name, &response, &message);
                ("response".to_string(), encoded(|out| response.encode(out)))
            }
            Ok(Decoded::Error(error)) => {
                check_error(&name, &error, &message);
                (format!("error {}", error.code), encoded(|out| error.encode(out)))
            }
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!(kind, text("kind"), "{name}");
        if text("sender") == OURS {
            assert_eq!(hex::encode(encoded), text("hex"), "{name}: what we send is not what we would send again");
        }
    }
    let all = [OURS, "bittorrent-dht 11.0.12", "libtorrent 2.1.1", "mainline 8.0.1"];
    assert_eq!(senders, all.map(str::to_string).into());
}

fn check_query(name: &str, query: &Query<'_>, message: &Dict) {
    let a = message["a"].dict();
    assert_eq!(query.tid, message["t"].bytes(), "{name}");
    assert_eq!(query.version, message.get("v").map(Tree::bytes), "{name}");
    assert_eq!(query.read_only, message.get("ro").is_some_and(|ro| ro.int() == 1), "{name}");
    assert_eq!(query.id.as_bytes(), a["id"].bytes(), "{name}");
    match query.method {
        Method::Ping => {}
        Method::FindNode { target, .. } | Method::Get { target, .. } | Method::SampleInfohashes { target, .. } => {
            assert_eq!(target.as_bytes(), a["target"].bytes(), "{name}");
        }
        Method::GetPeers { info_hash, .. } => assert_eq!(info_hash.as_bytes(), a["info_hash"].bytes(), "{name}"),
        Method::AnnouncePeer { info_hash, port, implied_port, seed, token } => {
            assert_eq!(info_hash.as_bytes(), a["info_hash"].bytes(), "{name}");
            assert_eq!(i64::from(port), a["port"].int(), "{name}");
            assert_eq!(implied_port, a.get("implied_port").is_some_and(|x| x.int() != 0), "{name}");
            assert_eq!(seed, a.get("seed").is_some_and(|x| x.int() != 0), "{name}");
            assert_eq!(token, a["token"].bytes(), "{name}");
        }
        Method::Put { token, item, cas, target } => {
            assert_eq!(token, a["token"].bytes(), "{name}");
            assert_eq!(item.value, a["v"].raw(), "{name}");
            assert_eq!(cas, a.get("cas").map(Tree::int), "{name}");
            assert_eq!(target.as_ref().map(|id| &id.as_bytes()[..]), a.get("target").map(Tree::bytes), "{name}");
            assert_eq!(item.mutable.is_some(), a.contains_key("k"), "{name}");
            if let Some(mutable) = item.mutable {
                assert_eq!(mutable.key, a["k"].bytes(), "{name}");
                assert_eq!(mutable.salt, a.get("salt").map_or(&b""[..], Tree::bytes), "{name}");
                assert_eq!(mutable.seq, a["seq"].int(), "{name}");
                assert!(item::verify(&mutable, item.value), "{name}: the signature does not fit");
            }
        }
        other => panic!("{name}: {other:?}"),
    }
}

fn check_response(name: &str, response: &Response<'_>, message: &Dict) {
    let r = message["r"].dict();
    let bytes = |key: &str| r.get(key).map(Tree::bytes);
    let int = |key: &str| r.get(key).map(Tree::int);
    assert_eq!(response.tid, message["t"].bytes(), "{name}");
    assert_eq!(response.id.as_bytes(), r["id"].bytes(), "{name}");
    let ip = message.get("ip").map(|ip| compact::peer(ip.bytes()).expect("an endpoint"));
    assert_eq!(response.ip, ip, "{name}");
    assert_eq!((response.nodes, response.nodes6), (bytes("nodes"), bytes("nodes6")), "{name}");
    assert_eq!((response.token, response.samples), (bytes("token"), bytes("samples")), "{name}");
    assert_eq!((response.seq, response.num, response.interval), (int("seq"), int("num"), int("interval")), "{name}");
    let peers: Vec<_> = response.values.peers().collect();
    let listed = r.get("values").map_or(Vec::new(), |values| values.list().iter().map(Tree::bytes).collect());
    assert_eq!(peers, listed.iter().map(|peer| compact::peer(peer).unwrap()).collect::<Vec<_>>(), "{name}");
    assert_eq!(response.value, r.get("v").map(Tree::raw), "{name}");
    if let (Some(value), Some(key), Some(signature), Some(seq)) =
        (response.value, response.key, response.signature, response.seq)
    {
        let fits = SALTS.iter().any(|salt| item::verify(&Mutable { key, salt, seq, signature }, value));
        assert!(fits, "{name}: the signature does not fit");
    }
}

fn check_error(name: &str, error: &ErrorMessage<'_>, message: &Dict) {
    let listed = message["e"].list();
    assert_eq!(error.tid, message["t"].bytes(), "{name}");
    assert_eq!((error.code, error.text), (listed[0].int(), listed[1].bytes()), "{name}");
}

fn encoded<E: std::fmt::Debug>(encode: impl FnOnce(&mut [u8]) -> Result<usize, E>) -> Vec<u8> {
    let mut out = [0; 1500];
    let length = encode(&mut out).unwrap();
    out[..length].to_vec()
}

// ---- the independent reader: trusts its input, and panics where it should not have ----

type Dict<'a> = BTreeMap<String, Tree<'a>>;

enum Tree<'a> {
    Int(i64, &'a [u8]),
    Bytes(&'a [u8], &'a [u8]),
    List(Vec<Tree<'a>>, &'a [u8]),
    Dict(Dict<'a>),
}

impl<'a> Tree<'a> {
    fn int(&self) -> i64 {
        let Tree::Int(value, _) = self else { panic!("no integer") };
        *value
    }

    fn bytes(&self) -> &'a [u8] {
        let Tree::Bytes(value, _) = self else { panic!("no byte string") };
        value
    }

    fn list(&self) -> &[Tree<'a>] {
        let Tree::List(value, _) = self else { panic!("no list") };
        value
    }

    fn dict(&self) -> &Dict<'a> {
        let Tree::Dict(value) = self else { panic!("no dictionary") };
        value
    }

    /// The bytes that it is written with.
    fn raw(&self) -> &'a [u8] {
        match self {
            Tree::Int(_, raw) | Tree::Bytes(_, raw) | Tree::List(_, raw) => raw,
            Tree::Dict(_) => panic!("nobody stored a dictionary"),
        }
    }
}

fn tree(bytes: &[u8]) -> Tree<'_> {
    let (tree, rest) = read(bytes);
    assert!(rest.is_empty());
    tree
}

fn read(bytes: &[u8]) -> (Tree<'_>, &[u8]) {
    let find = |byte: u8| bytes.iter().position(|b| *b == byte).unwrap();
    let number = |digits: &[u8]| std::str::from_utf8(digits).unwrap().parse::<i64>().unwrap();
    let items = || {
        let (mut items, mut rest) = (Vec::new(), &bytes[1..]);
        while rest[0] != b'e' {
            let (item, after) = read(rest);
            items.push(item);
            rest = after;
        }
        (items, &rest[1..])
    };
    match bytes[0] {
        b'i' => {
            let end = find(b'e');
            (Tree::Int(number(&bytes[1..end]), &bytes[..=end]), &bytes[end + 1..])
        }
        b'l' => {
            let (items, rest) = items();
            (Tree::List(items, &bytes[..bytes.len() - rest.len()]), rest)
        }
        b'd' => {
            let (items, rest) = items();
            let mut dict = Dict::new();
            let mut items = items.into_iter();
            while let (Some(key), Some(value)) = (items.next(), items.next()) {
                dict.insert(String::from_utf8(key.bytes().to_vec()).unwrap(), value);
            }
            (Tree::Dict(dict), rest)
        }
        _ => {
            let start = find(b':') + 1;
            let end = start + number(&bytes[..start - 1]) as usize;
            (Tree::Bytes(&bytes[start..end], &bytes[..end]), &bytes[end..])
        }
    }
}
