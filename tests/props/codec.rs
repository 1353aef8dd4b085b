//! Properties of the packet codec. The oracle is bendy, an independent and strict implementation of bencode.

use bendy::decoding::{Decoder, Object};
use bendy::encoding::{Error as BendyError, SingleItemEncoder, ToBencode};
use bendy::state_tracker::Token;
use honeyguide::base::NoRoom;
use honeyguide::internals::krpc::bencode::{MAX_VALUE_DEPTH, MAX_VALUE_TOKENS, Reader, Writer, is_canonical};
use honeyguide::internals::krpc::bloom::Bloom;
use honeyguide::internals::krpc::{compact, item};
use honeyguide::krpc::{
    Decoded, ErrorMessage, Family, Item, Malformed, Method, Mutable, Query, Response, Values, Want, decode,
};
use honeyguide::{Endpoint, Id};
use quickcheck::{Arbitrary, Gen, QuickCheck, TestResult, Testable};

fn check(tests: u64, property: impl Testable) {
    QuickCheck::new().tests(tests).max_tests(10 * tests).quickcheck(property);
}

// ---- random material -------------------------------------------------------------------------------------------

/// Random bytes, at most `max`.
fn some_bytes(g: &mut Gen, max: usize) -> Vec<u8> {
    let length = usize::arbitrary(g) % (max + 1);
    (0..length).map(|_| u8::arbitrary(g)).collect()
}

fn array<const N: usize>(g: &mut Gen) -> [u8; N] {
    std::array::from_fn(|_| u8::arbitrary(g))
}

fn id(g: &mut Gen) -> Id {
    Id(array(g))
}

fn maybe<T>(g: &mut Gen, make: impl FnOnce(&mut Gen) -> T) -> Option<T> {
    bool::arbitrary(g).then(|| make(g))
}

fn number(g: &mut Gen) -> i64 {
    let choices = [i64::arbitrary(g), i64::from(i8::arbitrary(g)), 0, i64::MAX, i64::MIN];
    *g.choose(&choices).unwrap()
}

fn natural(g: &mut Gen) -> i64 {
    number(g).checked_abs().unwrap_or(0)
}

/// Any bencoded value.
#[derive(Clone, Debug)]
enum Tree {
    Int(i64),
    Bytes(Vec<u8>),
    List(Vec<Tree>),
    Dict(std::collections::BTreeMap<Vec<u8>, Tree>),
}

fn tree(g: &mut Gen, depth: usize) -> Tree {
    match u8::arbitrary(g) % if depth == 0 { 2 } else { 4 } {
        0 => Tree::Int(number(g)),
        1 => Tree::Bytes(some_bytes(g, 12)),
        2 => Tree::List((0..u8::arbitrary(g) % 4).map(|_| tree(g, depth - 1)).collect()),
        _ => Tree::Dict((0..u8::arbitrary(g) % 4).map(|_| (some_bytes(g, 3), tree(g, depth - 1))).collect()),
    }
}

impl Arbitrary for Tree {
    fn arbitrary(g: &mut Gen) -> Self {
        tree(g, 5)
    }
}

impl ToBencode for Tree {
    const MAX_DEPTH: usize = 16;

    fn encode(&self, encoder: SingleItemEncoder) -> Result<(), BendyError> {
        match self {
            Tree::Int(number) => encoder.emit_int(*number),
            Tree::Bytes(bytes) => encoder.emit_bytes(bytes),
            Tree::List(list) => encoder.emit_list(|encoder| list.iter().try_for_each(|entry| encoder.emit(entry))),
            Tree::Dict(dict) => {
                encoder.emit_dict(|mut encoder| dict.iter().try_for_each(|(key, value)| encoder.emit_pair(key, value)))
            }
        }
    }
}

/// The owned parts of a query.
#[derive(Clone, Debug)]
struct AnyQuery {
    tid: Vec<u8>,
    version: Option<Vec<u8>>,
    read_only: bool,
    id: Id,
    method: u8,
    name: Vec<u8>,
    hash: Id,
    want: Want,
    flags: [bool; 2],
    port: u16,
    token: Vec<u8>,
    value: Vec<u8>,
    mutable: Option<AnyMutable>,
    number: Option<i64>,
    target: Option<Id>,
}

/// Key, salt, sequence number and signature.
type AnyMutable = ([u8; 32], Vec<u8>, i64, [u8; 64]);

impl Arbitrary for AnyQuery {
    fn arbitrary(g: &mut Gen) -> Self {
        AnyQuery {
            tid: some_bytes(g, 64),
            version: maybe(g, |g| some_bytes(g, 8)),
            read_only: bool::arbitrary(g),
            id: id(g),
            method: u8::arbitrary(g) % 8,
            name: some_bytes(g, 6),
            hash: id(g),
            want: Want { v4: bool::arbitrary(g), v6: bool::arbitrary(g) },
            flags: [bool::arbitrary(g), bool::arbitrary(g)],
            port: u16::arbitrary(g).max(1),
            token: some_bytes(g, 30),
            value: tree(g, 3).to_bencode().unwrap(),
            mutable: maybe(g, |g| (array(g), some_bytes(g, 64), natural(g), array(g))),
            number: maybe(g, number),
            target: maybe(g, id),
        }
    }
}

impl AnyQuery {
    fn query(&self) -> Query<'_> {
        let [one, two] = self.flags;
        let (hash, want, token) = (self.hash, self.want, &self.token[..]);
        let method = match self.method {
            0 => Method::Ping,
            1 => Method::FindNode { target: hash, want },
            2 => Method::GetPeers { info_hash: hash, want, noseed: one, scrape: two },
            3 => Method::AnnouncePeer { info_hash: hash, port: self.port, implied_port: one, seed: two, token },
            4 => Method::Get { target: hash, seq: self.number, want },
            5 => {
                let mutable = self.mutable.as_ref().map(|(key, salt, seq, signature)| Mutable {
                    key,
                    salt,
                    seq: *seq,
                    signature,
                });
                let item = Item { value: &self.value, mutable };
                Method::Put { token, item, cas: self.number.filter(|_| mutable.is_some()), target: self.target }
            }
            6 => Method::SampleInfohashes { target: hash, want },
            _ => Method::Unknown { name: &self.name, target: hash, want },
        };
        Query { tid: &self.tid, version: self.version.as_deref(), read_only: self.read_only, id: self.id, method }
    }
}

/// The owned parts of a response.
#[derive(Clone, Debug)]
struct AnyResponse {
    tid: Vec<u8>,
    version: Option<Vec<u8>>,
    ip: Option<Endpoint>,
    id: Id,
    lists: [Option<Vec<u8>>; 3],
    peers: Option<(Family, Vec<u8>)>,
    token: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    key: Option<[u8; 32]>,
    signature: Option<[u8; 64]>,
    numbers: [Option<i64>; 2],
    interval: Option<i64>,
    filters: [Option<Box<[u8; Bloom::LEN]>>; 2],
}

fn endpoint(g: &mut Gen) -> Endpoint {
    if bool::arbitrary(g) {
        Endpoint::v4(array(g), u16::arbitrary(g))
    } else {
        Endpoint::v6(array(g), u16::arbitrary(g))
    }
}

impl Arbitrary for AnyResponse {
    fn arbitrary(g: &mut Gen) -> Self {
        AnyResponse {
            tid: some_bytes(g, 64),
            version: maybe(g, |g| some_bytes(g, 8)),
            ip: maybe(g, endpoint),
            id: id(g),
            lists: std::array::from_fn(|_| maybe(g, |g| some_bytes(g, 80))),
            peers: maybe(g, |g| {
                let family = if bool::arbitrary(g) { Family::V4 } else { Family::V6 };
                let stride = if family == Family::V4 { 6 } else { 18 };
                let mut bytes = some_bytes(g, 8 * stride);
                bytes.truncate(bytes.len() / stride * stride);
                (family, bytes)
            }),
            token: maybe(g, |g| some_bytes(g, 64)),
            value: maybe(g, |g| tree(g, 3).to_bencode().unwrap()),
            key: maybe(g, array),
            signature: maybe(g, array),
            numbers: std::array::from_fn(|_| maybe(g, natural)),
            interval: maybe(g, |g| i64::from(u16::arbitrary(g)) % 21_601),
            filters: std::array::from_fn(|_| maybe(g, |g| Box::new(array(g)))),
        }
    }
}

impl AnyResponse {
    fn response(&self) -> Response<'_> {
        let [nodes, nodes6, samples] = self.lists.each_ref().map(Option::as_deref);
        let [seeds, peers] = self.filters.each_ref().map(Option::as_deref);
        let [seq, num] = self.numbers;
        Response {
            tid: &self.tid,
            version: self.version.as_deref(),
            ip: self.ip,
            id: self.id,
            nodes,
            nodes6,
            values: match &self.peers {
                None => Values::Absent,
                Some((Family::V4, bytes)) => Values::Packed { bytes, stride: 6 },
                Some((Family::V6, bytes)) => Values::Packed { bytes, stride: 18 },
            },
            token: self.token.as_deref(),
            value: self.value.as_deref(),
            key: self.key.as_ref(),
            signature: self.signature.as_ref(),
            seq,
            interval: self.interval,
            num,
            samples,
            seeds,
            peers,
        }
    }
}

/// A valid datagram.
#[derive(Clone, Debug)]
struct Datagram(Vec<u8>);

impl Arbitrary for Datagram {
    fn arbitrary(g: &mut Gen) -> Self {
        Datagram(match u8::arbitrary(g) % 3 {
            0 => encoded(|out| AnyQuery::arbitrary(g).query().encode(out)),
            1 => encoded(|out| AnyResponse::arbitrary(g).response().encode(out)),
            _ => {
                let (tid, text, ip) = (some_bytes(g, 8), some_bytes(g, 20), maybe(g, endpoint));
                let error = ErrorMessage { tid: &tid, version: None, ip, code: number(g), text: &text };
                encoded(|out| error.encode(out))
            }
        })
    }
}

/// Changes to bytes: where, what kind, and with what.
#[derive(Clone, Debug)]
struct Damage(Vec<(usize, u8, u8)>);

impl Arbitrary for Damage {
    fn arbitrary(g: &mut Gen) -> Self {
        // Bytes that mean something in bencode do more harm than others.
        let byte = |g: &mut Gen| *g.choose(b"0123456789ilde:-aqrtvy\0\xff").unwrap();
        let few = *g.choose(&[1, 1, 1, 1, 2, 4]).unwrap();
        Damage(
            (0..few).map(|_| (usize::arbitrary(g), *g.choose(&[0, 0, 0, 0, 1, 2, 3, 4]).unwrap(), byte(g))).collect(),
        )
    }
}

impl Damage {
    fn apply(&self, bytes: &mut Vec<u8>) {
        for (place, kind, byte) in &self.0 {
            let at = place % (bytes.len() + 1);
            match (kind, at < bytes.len()) {
                (0, true) => bytes[at] = *byte,
                (1, true) => drop(bytes.remove(at)),
                (2, _) => bytes.truncate(at),
                (3, _) => {
                    let again = bytes[at..bytes.len().min(at + usize::from(*byte))].to_vec();
                    bytes.splice(at..at, again);
                }
                _ => bytes.insert(at, *byte),
            }
        }
    }
}

fn encoded(encode: impl FnOnce(&mut [u8]) -> Result<usize, NoRoom>) -> Vec<u8> {
    let mut out = vec![0; 4000];
    let length = encode(&mut out).unwrap();
    out.truncate(length);
    out
}

// ---- properties ------------------------------------------------------------------------------------------------

#[test]
fn a_query_is_decoded_as_it_was_encoded() {
    fn property(any: AnyQuery) -> bool {
        let query = any.query();
        let bytes = encoded(|out| query.encode(out));
        assert!(bendy_accepts(&bytes));
        decode(&bytes) == Ok(Decoded::Query(query))
    }
    check(2000, property as fn(AnyQuery) -> bool);
}

#[test]
fn a_response_is_decoded_as_it_was_encoded() {
    fn property(any: AnyResponse) -> TestResult {
        let response = any.response();
        let bytes = encoded(|out| response.encode(out));
        if bytes.len() > 1500 {
            return TestResult::from_bool(decode(&bytes) == Err(Malformed::Oversize));
        }
        assert!(bendy_accepts(&bytes));
        let Ok(Decoded::Response(decoded)) = decode(&bytes) else { return TestResult::failed() };
        assert!(decoded.values.peers().eq(response.values.peers()));
        // Peers are packed on the way out and a list on the way in; all else is the same.
        TestResult::from_bool(Response { values: response.values, ..decoded } == response)
    }
    check(2000, property as fn(AnyResponse) -> TestResult);
}

#[test]
fn an_error_is_decoded_as_it_was_encoded() {
    fn property(tid: Vec<u8>, code: i64, text: Vec<u8>, port: u16, with_ip: bool) -> TestResult {
        let ip = with_ip.then_some(Endpoint::v4([1, 2, 3, 4], port));
        let error = ErrorMessage { tid: &tid, version: Some(b"hg01"), ip, code, text: &text };
        let bytes = encoded(|out| error.encode(out));
        if bytes.len() > 1500 || tid.len() > 64 {
            return TestResult::discard();
        }
        TestResult::from_bool(decode(&bytes) == Ok(Decoded::Error(error)))
    }
    check(100, property as fn(Vec<u8>, i64, Vec<u8>, u16, bool) -> TestResult);
}

#[test]
fn a_buffer_with_one_byte_too_few_is_too_small() {
    fn property(query: AnyQuery, response: AnyResponse) -> bool {
        let exact = |encode: &dyn Fn(&mut [u8]) -> Result<usize, NoRoom>| {
            let length = encoded(encode).len();
            let mut out = vec![0; length];
            encode(&mut out) == Ok(length) && encode(&mut out[..length - 1]) == Err(NoRoom)
        };
        exact(&|out| query.query().encode(out)) && exact(&|out| response.response().encode(out))
    }
    check(100, property as fn(AnyQuery, AnyResponse) -> bool);
}

#[test]
fn canonical_values_are_read_as_the_oracle_reads_them() {
    fn property(tree: Tree) -> bool {
        let bytes = tree.to_bencode().unwrap();
        let mut decoder = Decoder::new(&bytes);
        let object = decoder.next_object().unwrap().unwrap();
        let mut reader = Reader::new(&bytes);
        same(&mut reader, object);
        assert!(reader.rest().is_empty());
        let value = Reader::new(&bytes).value().unwrap();
        value.raw.as_ptr_range() == bytes.as_ptr_range() && value.readable
    }
    check(1000, property as fn(Tree) -> bool);
}

/// Reads one value with both; strings and the raw bytes of containers have to be the same slices.
fn same<'a>(reader: &mut Reader<'a>, object: Object<'_, 'a>) {
    match object {
        Object::Integer(text) => assert_eq!(reader.int().unwrap(), text.parse::<i64>().unwrap()),
        Object::Bytes(bytes) => assert_eq!(reader.string().unwrap().as_ptr_range(), bytes.as_ptr_range()),
        Object::List(list) => {
            let raw = list.into_raw().unwrap();
            assert_eq!(reader.clone().value().unwrap().raw.as_ptr_range(), raw.as_ptr_range());
            let mut decoder = Decoder::new(raw);
            let mut list = decoder.next_object().unwrap().unwrap().try_into_list().unwrap();
            assert!(reader.open_list().unwrap());
            while let Some(entry) = list.next_object().unwrap() {
                same(reader, entry);
            }
            assert!(reader.close());
        }
        Object::Dict(dict) => {
            let raw = dict.into_raw().unwrap();
            assert_eq!(reader.clone().value().unwrap().raw.as_ptr_range(), raw.as_ptr_range());
            let mut decoder = Decoder::new(raw);
            let mut dict = decoder.next_object().unwrap().unwrap().try_into_dictionary().unwrap();
            assert!(reader.open_dict().unwrap());
            while let Some((key, entry)) = dict.next_pair().unwrap() {
                assert_eq!(reader.key().unwrap().unwrap().as_ptr_range(), key.as_ptr_range());
                same(reader, entry);
            }
            assert_eq!(reader.key(), Ok(None));
        }
    }
}

#[test]
fn what_we_write_is_what_the_oracle_writes() {
    fn write(writer: &mut Writer<'_>, tree: &Tree) {
        match tree {
            Tree::Int(number) => writer.int(*number),
            Tree::Bytes(bytes) => writer.bytes(bytes),
            Tree::List(list) => {
                writer.raw(b"l");
                list.iter().for_each(|entry| write(writer, entry));
                writer.raw(b"e");
            }
            Tree::Dict(dict) => {
                writer.raw(b"d");
                for (key, entry) in dict {
                    writer.bytes(key);
                    write(writer, entry);
                }
                writer.raw(b"e");
            }
        }
    }
    fn property(tree: Tree) -> bool {
        let mut out = vec![0; 100_000];
        let mut writer = Writer::new(&mut out);
        write(&mut writer, &tree);
        let length = writer.finish().unwrap();
        out[..length] == tree.to_bencode().unwrap()
    }
    check(1000, property as fn(Tree) -> bool);
}

#[test]
fn canonical_is_what_the_oracle_accepts() {
    fn property(tree: Tree, damage: Option<Damage>) -> bool {
        let mut bytes = tree.to_bencode().unwrap();
        if let Some(damage) = damage {
            damage.apply(&mut bytes);
        }
        is_canonical(&bytes) == bendy_accepts_value(&bytes)
    }
    check(20_000, property as fn(Tree, Option<Damage>) -> bool);
}

#[test]
fn a_careless_spelling_is_judged_as_the_oracle_judges_it() {
    fn property(spelling: Spelling) -> bool {
        is_canonical(&spelling.0) == bendy_accepts_value(&spelling.0)
    }
    check(20_000, property as fn(Spelling) -> bool);
}

/// One value, now and then with another spelling than the canonical one.
#[derive(Clone, Debug)]
struct Spelling(Vec<u8>);

impl Arbitrary for Spelling {
    fn arbitrary(g: &mut Gen) -> Self {
        let mut out = Vec::new();
        spell(g, 4, &mut out);
        Spelling(out)
    }
}

fn spell(g: &mut Gen, depth: usize, out: &mut Vec<u8>) {
    let careless = u8::arbitrary(g) % 16 == 0;
    match u8::arbitrary(g) % if depth == 0 { 2 } else { 4 } {
        0 if careless => {
            let spellings = ["i-0e", "i00e", "i01e", "i-01e", "ie", "i-e", "i9223372036854775808e"];
            out.extend(g.choose(&spellings).unwrap().bytes());
        }
        0 => out.extend(g.choose(&["i0e", "i10e", "i-1e", "i9223372036854775807e"]).unwrap().bytes()),
        1 if careless => out.extend(g.choose(&["01:x", "00:", "010:0123456789"]).unwrap().bytes()),
        1 => out.extend(g.choose(&["0:", "1:x", "10:0123456789"]).unwrap().bytes()),
        2 => {
            out.push(b'l');
            (0..u8::arbitrary(g) % 4).for_each(|_| spell(g, depth - 1, out));
            out.push(b'e');
        }
        _ => {
            let mut keys: Vec<_> =
                (0..u8::arbitrary(g) % 4).map(|_| *g.choose(&["0:", "1:a", "1:b", "2:aa", "2:ab"]).unwrap()).collect();
            if !careless {
                keys.sort_by_key(|key| &key[2..]);
                keys.dedup();
            }
            out.push(b'd');
            for key in keys {
                out.extend(key.bytes());
                spell(g, depth - 1, out);
            }
            out.push(b'e');
        }
    }
}

/// Exactly one value, strictly spelled, within our caps (which the oracle does not know).
fn bendy_accepts_value(bytes: &[u8]) -> bool {
    let (mut depth, mut tokens, mut values) = (0, 0, 0);
    for token in Decoder::new(bytes).with_max_depth(100).tokens() {
        let Ok(token) = token else { return false };
        tokens += u32::from(token != Token::End);
        match token {
            Token::List | Token::Dict => depth += 1,
            Token::End => depth -= 1,
            Token::Num(text) if text.parse::<i64>().is_err() => return false,
            Token::Num(_) | Token::String(_) => {}
        }
        values += u32::from(depth == 0);
        if depth > MAX_VALUE_DEPTH {
            return false;
        }
    }
    values == 1 && tokens <= MAX_VALUE_TOKENS
}

/// One strictly spelled value and nothing behind it.
fn bendy_accepts(bytes: &[u8]) -> bool {
    let mut decoder = Decoder::new(bytes);
    let whole = match decoder.next_object() {
        Ok(Some(Object::Dict(mut dict))) => dict.consume_all().is_ok(),
        _ => false,
    };
    whole && matches!(decoder.next_object(), Ok(None))
}

#[test]
fn arbitrary_bytes_are_survived() {
    fn property(bytes: Vec<u8>) -> bool {
        survive(&bytes);
        is_canonical(&bytes) == bendy_accepts_value(&bytes)
    }
    check(5000, property as fn(Vec<u8>) -> bool);
}

#[test]
fn damaged_datagrams_are_survived_and_mean_the_same_when_encoded_again() {
    fn property(datagram: Datagram, damage: Damage) -> TestResult {
        let mut bytes = datagram.0;
        damage.apply(&mut bytes);
        survive(&bytes)
    }
    check(20_000, property as fn(Datagram, Damage) -> TestResult);
}

#[test]
fn messages_of_known_keys_with_any_values_in_any_order_are_survived() {
    fn property(message: Loose) -> TestResult {
        survive(&message.0)
    }
    check(20_000, property as fn(Loose) -> TestResult);
}

/// A dictionary as a careless or hostile sender might write it: known keys in any order, some of them twice, with
/// values that often have the wrong type or size, and spelled with superfluous zeros.
#[derive(Clone, Debug)]
struct Loose(Vec<u8>);

impl Arbitrary for Loose {
    fn arbitrary(g: &mut Gen) -> Self {
        let kind = *g.choose(&["q", "r", "e"]).unwrap();
        let mut fields = vec![("t", some_string(g)), ("y", format!("1:{kind}").into_bytes())];
        let methods = ["4:ping", "9:find_node", "9:get_peers", "13:announce_peer", "3:get", "3:put", "4:frob", "i1e"];
        fields.push(("q", g.choose(&methods).unwrap().as_bytes().to_vec()));
        if bool::arbitrary(g) {
            let keys = [
                "target",
                "info_hash",
                "want",
                "noseed",
                "scrape",
                "implied_port",
                "seed",
                "port",
                "token",
                "k",
                "sig",
                "seq",
                "salt",
                "cas",
                "v",
                "x",
            ];
            fields.push(("a", loose_body(g, &keys)));
        }
        if kind == "r" || u8::arbitrary(g) % 8 == 0 {
            let keys = [
                "nodes", "nodes6", "values", "token", "v", "k", "sig", "seq", "interval", "num", "samples", "BFsd",
                "BFpe", "p",
            ];
            fields.push(("r", loose_body(g, &keys)));
        }
        if kind == "e" {
            fields.push(("e", g.choose(&[&b"li203e2:noe"[..], b"li203ee", b"le", b"l2:noi1ee"]).unwrap().to_vec()));
        }
        for key in ["v", "ip", "ro", "x"] {
            if bool::arbitrary(g) {
                fields.push((key, loose_value(g)));
            }
        }
        Loose(dictionary(g, fields))
    }
}

fn dictionary(g: &mut Gen, mut fields: Vec<(&str, Vec<u8>)>) -> Vec<u8> {
    for i in (1..fields.len()).rev() {
        fields.swap(i, usize::arbitrary(g) % (i + 1));
    }
    if u8::arbitrary(g) % 32 == 0 {
        fields.extend(fields.first().cloned());
    }
    let zero = if u8::arbitrary(g) % 16 == 0 { "0" } else { "" };
    let mut bytes = vec![b'd'];
    for (key, value) in fields {
        bytes.extend(format!("{zero}{}:{key}", key.len()).bytes());
        bytes.extend(value);
    }
    bytes.push(b'e');
    bytes
}

fn loose_body(g: &mut Gen, keys: &[&'static str]) -> Vec<u8> {
    let mut fields = vec![("id", b"20:abcdefghij0123456789".to_vec())];
    for key in keys {
        if u8::arbitrary(g) % 3 == 0 {
            fields.push((key, loose_value(g)));
        }
    }
    dictionary(g, fields)
}

fn some_string(g: &mut Gen) -> Vec<u8> {
    let bytes = some_bytes(g, 70);
    [format!("{}:", bytes.len()).as_bytes(), &bytes].concat()
}

fn loose_value(g: &mut Gen) -> Vec<u8> {
    let fixed = *g.choose(&[6usize, 18, 20, 32, 64]).unwrap();
    match u8::arbitrary(g) % 8 {
        0..3 => format!("{fixed}:{}", "x".repeat(fixed)).into_bytes(),
        3 => some_string(g),
        4 => format!("i{}e", number(g)).into_bytes(),
        5 => g
            .choose(&["i01e", "i-0e", "ie", "i99999999999999999999e", "i1e", "l2:n4e", "l6:abcdefe"])
            .unwrap()
            .bytes()
            .collect(),
        _ => tree(g, 4).to_bencode().unwrap(),
    }
}

/// Decodes, reads everything that was decoded, and checks that encoding it again does not change what it means.
fn survive(bytes: &[u8]) -> TestResult {
    let Ok(decoded) = decode(bytes) else { return TestResult::passed() };
    let mut out = [0; 2000];
    let length = match decoded {
        Decoded::Query(query) => {
            if let Method::Put { item, .. } = query.method {
                assert!(is_canonical(item.value) && item.value.len() <= item::MAX_VALUE);
                let _ = item.pointer();
                let _ = item.target();
            }
            query.encode(&mut out)
        }
        Decoded::Response(response) => {
            assert!(compact::nodes4(response.nodes.unwrap_or_default()).count() <= compact::MAX_NODES);
            assert!(compact::nodes6(response.nodes6.unwrap_or_default()).count() <= compact::MAX_NODES);
            assert!(response.values.peers().count() <= compact::MAX_PEERS);
            let _ = response
                .value
                .map(|value| (is_canonical(value), honeyguide::krpc::Item { value, mutable: None }.pointer()));
            response.encode(&mut out)
        }
        Decoded::Error(error) => error.encode(&mut out),
        Decoded::Refuse(refusal) => {
            assert!(refusal.tid.len() <= 64 && refusal.text.len() <= 16);
            return TestResult::passed();
        }
        Decoded::Broken { tid, .. } => {
            assert!(tid.len() <= 64);
            return TestResult::passed();
        }
    };
    let again = &out[..length.unwrap()];
    match decode(again) {
        Ok(same) => TestResult::from_bool(same == decoded),
        // An implied port that was left out is written, which can be a little too much for the caps.
        Err(Malformed::Oversize | Malformed::TooManyTokens) => TestResult::discard(),
        Err(_) => TestResult::failed(),
    }
}
