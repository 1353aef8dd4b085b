//! Conformance data against the codec: every case of `vectors/krpc/krpc.json`, as far as one datagram can be judged
//! without a node. A class, a result or a field that is not known here fails the test, and so does a case that no
//! check consumed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use honeyguide::Id;
use honeyguide::dht::Network;
use honeyguide::internals::krpc::{compact, item};
use honeyguide::krpc;
use honeyguide::krpc::{Decoded, Method, Mutable, Query, Response};
use serde_json::Value as Json;

use generic::Tree;

/// Our own id, which the cases of class `malformed` assume.
const OWN: &str = "6d6e6f707172737475767778797a313233343536";

#[test]
fn every_krpc_case_is_judged_as_it_says() {
    let text = include_str!("../vectors/krpc/krpc.json");
    let file: Json = serde_json::from_str(text).unwrap();
    assert_eq!(file["format"], "krpc-vectors/2");
    let cases = file["cases"].as_array().unwrap();
    assert_eq!(file["count"], cases.len());
    let ids: BTreeSet<u64> = cases.iter().map(|case| case["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), cases.len(), "an id stands twice");

    let mut consumed = 0;
    for case in cases {
        let mut case = Case::new(case);
        match case.class.as_str() {
            "captured" | "bep5" | "bep44-derived" | "malformed" => case.datagram(),
            "bep44-official" => case.signed_or_hashed(),
            "bep42-official" | "bep42-derived" => case.secure_id(),
            class => panic!("class {class:?} is unknown"),
        }
        assert!(case.expect.is_empty(), "{}: {:?} was not checked", case.name, case.expect.keys());
        consumed += 1;
    }
    assert_eq!(consumed, cases.len());
}

/// One case; what it expects is taken out of `expect` by the checks.
struct Case {
    name: String,
    class: String,
    kind: String,
    input: Json,
    expect: BTreeMap<String, Json>,
}

impl Case {
    fn new(case: &Json) -> Case {
        let text = |key: &str| case[key].as_str().unwrap_or_default().to_string();
        let mut expect: BTreeMap<String, Json> =
            case["expect"].as_object().unwrap().iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        expect.remove("note");
        let name = format!("case {} ({}, {})", case["id"], text("class"), text("kind"));
        Case { name, class: text("class"), kind: text("kind"), input: case.clone(), expect }
    }

    fn take(&mut self, key: &str) -> Option<Json> {
        self.expect.remove(key)
    }

    fn take_text(&mut self, key: &str) -> String {
        self.take(key).and_then(|value| value.as_str().map(str::to_string)).unwrap_or_else(|| panic!("{}", self.name))
    }

    fn take_hex(&mut self, key: &str) -> Vec<u8> {
        hex::decode(self.take_text(key)).unwrap()
    }

    fn datagram(&mut self) {
        let bytes = hex::decode(self.input["hex"].as_str().unwrap()).unwrap();
        let decoded = krpc::decode(&bytes);
        let name = self.name.clone();
        match (self.take_text("result").as_str(), decoded) {
            ("ok", Ok(decoded @ (Decoded::Query(_) | Decoded::Response(_) | Decoded::Error(_)))) => {
                self.fields(&bytes, &decoded);
            }
            ("partial", Ok(decoded @ Decoded::Response(_))) => self.fields(&bytes, &decoded),
            ("drop", Err(_)) => {}
            // Sound in itself: that no open query matches is for a node to see.
            ("drop", Ok(Decoded::Response(_) | Decoded::Error(_))) if self.kind.starts_with("unsolicited") => {}
            ("fail_query", Ok(Decoded::Broken { .. })) => {}
            ("find_node", Ok(Decoded::Query(Query { method: Method::Unknown { .. }, .. }))) => {}
            ("error", Ok(Decoded::Refuse(refusal))) => {
                assert_eq!(self.take("code"), Some(refusal.error.code().into()), "{name}");
                // Refused for its shape, so there is no item whose key could be compared.
                self.take("target");
            }
            // The signature is judged behind the token and the stored item, so the codec hands the item on.
            ("error", Ok(Decoded::Query(query))) if self.expect.get("code") == Some(&206.into()) => {
                self.take("code");
                let Method::Put { item, .. } = query.method else { panic!("{name}") };
                assert!(!item::verify(&item.mutable.unwrap(), item.value), "{name}");
                assert_eq!(item.target().to_string(), self.take_text("target"), "{name}");
            }
            (result @ ("ok" | "partial" | "drop" | "fail_query" | "find_node" | "error"), decoded) => {
                panic!("{name}: expected {result}, found {decoded:?}")
            }
            (result, _) => panic!("{name}: result {result:?} is unknown"),
        }
    }

    fn fields(&mut self, bytes: &[u8], decoded: &Decoded<'_>) {
        let name = self.name.clone();
        let (tid, encoded) = match decoded {
            Decoded::Query(query) => (query.tid, encoded(|out| query.encode(out))),
            Decoded::Response(response) => (response.tid, encoded(|out| response.encode(out))),
            Decoded::Error(error) => (error.tid, encoded(|out| error.encode(out))),
            _ => unreachable!(),
        };
        if let Some(length) = self.take("tid_len") {
            assert_eq!(length, tid.len(), "{name}");
        }
        // The generic reader is strict, so only what is canonical can be compared through it.
        if let Some(mut tree) = generic::parse(bytes) {
            if let Some(parsed) = self.take("parsed") {
                assert_eq!(tree, Tree::from_json(&parsed), "{name}");
            }
            if self.take("canonical").is_some() {
                assert_eq!(tree.encode(), bytes, "{name}");
            }
            // All that our structures carry is there again after encoding, and nothing else.
            tree.drop_what_is_not_carried();
            assert_eq!(String::from_utf8_lossy(&encoded), String::from_utf8_lossy(&tree.encode()), "{name}");
            assert_eq!(encoded, tree.encode(), "{name}");
        }
        if let Decoded::Response(response) = decoded {
            self.lists(response);
            self.served_item(response);
        }
        if let (Decoded::Query(Query { method: Method::Put { item, .. }, .. }), Some(target)) =
            (decoded, self.take("target"))
        {
            assert_eq!(target, item.target().to_string(), "{name}");
            assert!(item.mutable.is_none_or(|mutable| item::verify(&mutable, item.value)), "{name}");
        }
    }

    /// Entries that survive: a usable address outside of one's own machine, and not ourselves.
    fn lists(&mut self, response: &Response<'_>) {
        let own = Id::try_from(&hex::decode(OWN).unwrap()[..]).unwrap();
        let nodes = compact::nodes4(response.nodes.unwrap_or_default())
            .chain(compact::nodes6(response.nodes6.unwrap_or_default()))
            .filter(|(id, endpoint)| *id != own && endpoint.is_usable(Network::Public))
            .map(|(_, endpoint)| endpoint)
            .collect::<BTreeSet<_>>();
        if let Some(kept) = self.take("kept_nodes") {
            assert_eq!(kept, nodes.len(), "{}", self.name);
        }
        let values = response.values.peers().filter(|peer| peer.is_usable(Network::Public)).count();
        if let Some(kept) = self.take("kept_values") {
            assert_eq!(kept, values, "{}", self.name);
        }
    }

    fn served_item(&mut self, response: &Response<'_>) {
        let Some(target) = self.take("target") else { return };
        let salt = self.take_hex("salt_known_by_caller");
        let (key, signature) = (response.key.unwrap(), response.signature.unwrap());
        let mutable = Mutable { key, salt: &salt, seq: response.seq.unwrap(), signature };
        assert!(item::verify(&mutable, response.value.unwrap()), "{}", self.name);
        assert_eq!(target, item::mutable_target(key, &salt).to_string(), "{}", self.name);
    }

    fn signed_or_hashed(&mut self) {
        let bytes = hex::decode(self.input["hex"].as_str().unwrap()).unwrap();
        match self.take_text("result").as_str() {
            "target" => assert_eq!(item::immutable_target(&bytes).to_string(), self.take_text("target")),
            "signature_valid" => {
                let key: [u8; 32] = self.take_hex("public_key").try_into().unwrap();
                let signature: [u8; 64] = self.take_hex("signature").try_into().unwrap();
                let salt = self.take_hex("salt");
                let seq = self.take("seq").unwrap().as_i64().unwrap();
                // Given for signers that start from the expanded key; ours start from the seed.
                assert_eq!(self.take_hex("private_key_expanded").len(), 64);
                let marker = b"1:v";
                let at = bytes.windows(marker.len()).position(|window| window == marker).unwrap() + marker.len();
                let value = &bytes[at..];
                let mut text = [0; item::MAX_SIGNABLE];
                let length = item::signable(&salt, seq, value, &mut text).unwrap();
                assert_eq!(&text[..length], bytes, "{}", self.name);
                let mutable = Mutable { key: &key, salt: &salt, seq, signature: &signature };
                assert!(item::verify(&mutable, value), "{}", self.name);
                assert_eq!(item::mutable_target(&key, &salt).to_string(), self.take_text("target"), "{}", self.name);
            }
            result => panic!("{}: result {result:?} is unknown", self.name),
        }
    }

    fn secure_id(&mut self) {
        let ip: IpAddr = self.input["ip"].as_str().unwrap().parse().unwrap();
        let id = Id::try_from(&hex::decode(self.input["node_id"].as_str().unwrap()).unwrap()[..]).unwrap();
        let valid = match self.take_text("result").as_str() {
            "id_valid" => true,
            "id_invalid" => false,
            result => panic!("{}: result {result:?} is unknown", self.name),
        };
        assert_eq!(id.is_secure_for(ip), valid, "{}", self.name);
        if self.expect.contains_key("crc32c") {
            let (crc, mask) = (self.take_hex("crc32c"), self.take_hex("first21bits_mask"));
            assert!(mask.iter().zip(&crc).zip(id.0).all(|((mask, crc), byte)| (crc ^ byte) & mask == 0));
        }
    }
}

fn encoded<E: std::fmt::Debug>(encode: impl Fn(&mut [u8]) -> Result<usize, E>) -> Vec<u8> {
    let mut out = vec![0; 1500];
    let length = encode(&mut out).unwrap();
    out.truncate(length);
    out
}

/// Bencode as a tree, by a reader and a writer of its own.
mod generic {
    use std::collections::BTreeMap;

    use serde_json::Value as Json;

    #[derive(Clone, PartialEq, Debug)]
    pub enum Tree {
        Int(i64),
        Bytes(Vec<u8>),
        List(Vec<Tree>),
        Dict(BTreeMap<Vec<u8>, Tree>),
    }

    /// The whole input as one tree, if that is its only spelling.
    pub fn parse(bytes: &[u8]) -> Option<Tree> {
        let (tree, rest) = value(bytes)?;
        (rest.is_empty() && tree.encode() == bytes).then_some(tree)
    }

    fn value(bytes: &[u8]) -> Option<(Tree, &[u8])> {
        match bytes.first()? {
            b'i' => {
                let end = bytes.iter().position(|byte| *byte == b'e')?;
                let number = std::str::from_utf8(&bytes[1..end]).ok()?.parse().ok()?;
                Some((Tree::Int(number), &bytes[end + 1..]))
            }
            b'l' => {
                let (mut list, mut rest) = (Vec::new(), &bytes[1..]);
                while *rest.first()? != b'e' {
                    let (entry, after) = value(rest)?;
                    list.push(entry);
                    rest = after;
                }
                Some((Tree::List(list), &rest[1..]))
            }
            b'd' => {
                let (mut dict, mut rest) = (BTreeMap::new(), &bytes[1..]);
                while *rest.first()? != b'e' {
                    let (Tree::Bytes(key), after) = value(rest)? else { return None };
                    let (entry, after) = value(after)?;
                    dict.insert(key, entry);
                    rest = after;
                }
                Some((Tree::Dict(dict), &rest[1..]))
            }
            _ => {
                let colon = bytes.iter().position(|byte| *byte == b':')?;
                let length: usize = std::str::from_utf8(&bytes[..colon]).ok()?.parse().ok()?;
                let end = (colon + 1).checked_add(length)?;
                Some((Tree::Bytes(bytes.get(colon + 1..end)?.to_vec()), &bytes[end..]))
            }
        }
    }

    impl Tree {
        pub fn from_json(json: &Json) -> Tree {
            match json {
                Json::Number(number) => Tree::Int(number.as_i64().unwrap()),
                Json::Array(list) => Tree::List(list.iter().map(Tree::from_json).collect()),
                Json::Object(object) => match object.get("hex") {
                    Some(Json::String(text)) => Tree::Bytes(hex::decode(text).unwrap()),
                    _ => Tree::Dict(
                        object.iter().map(|(key, json)| (key.as_bytes().to_vec(), Tree::from_json(json))).collect(),
                    ),
                },
                other => panic!("{other} stands for no bencode"),
            }
        }

        pub fn encode(&self) -> Vec<u8> {
            match self {
                Tree::Int(number) => format!("i{number}e").into_bytes(),
                Tree::Bytes(bytes) => [format!("{}:", bytes.len()).as_bytes(), bytes].concat(),
                Tree::List(list) => {
                    let entries: Vec<u8> = list.iter().flat_map(Tree::encode).collect();
                    [b"l", &entries[..], b"e"].concat()
                }
                Tree::Dict(dict) => {
                    let entries =
                        dict.iter().flat_map(|(key, tree)| [Tree::Bytes(key.clone()).encode(), tree.encode()]);
                    [b"d", &entries.flatten().collect::<Vec<_>>()[..], b"e"].concat()
                }
            }
        }

        fn dict(&mut self) -> &mut BTreeMap<Vec<u8>, Tree> {
            match self {
                Tree::Dict(dict) => dict,
                other => panic!("{other:?} is no dictionary"),
            }
        }

        /// Takes out what the structures of the codec leave out: keys that no BEP names, flags that are off, `ro` and
        /// a body where they mean nothing.
        pub fn drop_what_is_not_carried(&mut self) {
            let message = self.dict();
            message.remove(&b"p"[..]);
            let kind = message[&b"y"[..]].encode();
            if kind != b"1:q" || message.get(&b"ro"[..]) == Some(&Tree::Int(0)) {
                message.remove(&b"ro"[..]);
            }
            if kind == b"1:e" {
                message.remove(&b"r"[..]);
            }
            if let Some(body) = message.get_mut(&b"r"[..]) {
                body.dict().remove(&b"p"[..]);
            }
            if let Some(arguments) = message.get_mut(&b"a"[..]) {
                for flag in [&b"seed"[..], b"implied_port", b"noseed", b"scrape"] {
                    if arguments.dict().get(flag) == Some(&Tree::Int(0)) {
                        arguments.dict().remove(flag);
                    }
                }
            }
        }
    }
}
