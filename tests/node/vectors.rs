//! The conformance data of `vectors/krpc/krpc.json` against whole nodes: each query is asked, each response answers an
//! open query of its kind, and [`inspect`] says beforehand what the node does. `tests/vectors.rs` judges the codec alone.

use std::collections::BTreeSet;

use honeyguide::dht::DropReason;
use honeyguide::dht::{DirectQuery, Freshness, PeerKind, Reason};
use honeyguide::dht::{Inspector, Judgement, inspect};
use honeyguide::dht::{LinkConfig, Network};
use honeyguide::internals::krpc::item;
use honeyguide::krpc;
use honeyguide::krpc::{Decoded, ErrorMessage, Method, Mutable, Query, Response, Values, Want};
use honeyguide::{Command, Outcome};
use honeyguide::{Endpoint, Id};
use serde_json::Value as Json;

use crate::lab::{Lab, config, pair, query, reply, string};
use crate::world::News;

/// Our own id, which the malformed cases assume. In those of BEP 5 it is that of a responder.
const OWN: &str = "6d6e6f707172737475767778797a313233343536";
/// The source of every datagram.
const FROM: Endpoint = Endpoint::v4([127, 0, 44, 1], 4444);
const FROM_FAR: Endpoint = Endpoint::v4([44, 44, 44, 44], 4444);

struct Case {
    name: String,
    bytes: Vec<u8>,
    expect: Json,
    /// Captured on loopback, where loopback addresses mean something.
    local: bool,
    malformed: bool,
}

fn cases() -> Vec<Case> {
    let file: Json = serde_json::from_str(include_str!("../../vectors/krpc/krpc.json")).unwrap();
    let cases = file["cases"].as_array().unwrap().iter();
    let datagrams = cases
        .filter(|case| ["captured", "bep5", "bep44-derived", "malformed"].contains(&case["class"].as_str().unwrap()));
    datagrams
        .map(|case| Case {
            name: format!("case {}: {}", case["id"], case["kind"]),
            bytes: hex::decode(case["hex"].as_str().unwrap()).unwrap(),
            expect: case["expect"].clone(),
            local: case["class"] == "captured",
            malformed: case["class"] == "malformed",
        })
        .collect()
}

impl Case {
    fn own(&self) -> Id {
        if self.malformed { Id::try_from(&hex::decode(OWN).unwrap()[..]).unwrap() } else { Id([0xe7; 20]) }
    }

    fn network(&self) -> Network {
        if self.local { Network::Local } else { Network::Public }
    }

    fn judge(&self) -> Inspector<'static> {
        Inspector { own: self.own(), network: self.network(), salt: None, target: None }
    }

    fn result(&self) -> &str {
        self.expect["result"].as_str().unwrap()
    }

    fn from(&self) -> Endpoint {
        if self.local { FROM } else { FROM_FAR }
    }

    /// A node with the id that the cases assume, and nobody in its table.
    fn lab(&self) -> Lab {
        let link = LinkConfig { id: Some(self.own()), ..LinkConfig::V4 };
        let config = config().with_links(&[link]).unwrap();
        Lab::new(if self.local { config.local() } else { config })
    }

    /// The datagram with a part of it in another place's words. The part is one of its slices.
    fn with(&self, part: &[u8], other: &[u8]) -> Vec<u8> {
        let at = part.as_ptr() as usize - self.bytes.as_ptr() as usize;
        let head = self.bytes[..at].strip_suffix(format!("{}:", part.len()).as_bytes()).unwrap();
        [head, &string(other), &self.bytes[at + part.len()..]].concat()
    }
}

/// `inspect` says what the case expects.
#[test]
fn inspect_agrees_with_every_case() {
    let mut seen = BTreeSet::new();
    for case in cases() {
        let expected = case.result();
        let verdict = inspect(&case.judge(), &case.bytes);
        let name = &case.name;
        let agreed = match (&verdict, expected) {
            (Judgement::Query(_), "ok") | (Judgement::Error(_), "ok") => true,
            (Judgement::Response { kept_nodes, kept_values, .. }, "ok" | "partial") => {
                let fits = |key: &str, kept: usize| case.expect.get(key).is_none_or(|expected| *expected == kept);
                fits("kept_nodes", *kept_nodes) && fits("kept_values", *kept_values)
            }
            (Judgement::Query(Query { method: Method::Unknown { .. }, .. }), "find_node") => true,
            (Judgement::Refuse { error, text, .. }, "error") => {
                case.expect["code"] == error.code() && !text.is_empty() && text.len() <= 16
            }
            (Judgement::FailQuery { .. }, "fail_query") => true,
            (Judgement::Drop(_), "drop") => true,
            // For inspect every response is the one that was waited for.
            (Judgement::Response { .. } | Judgement::Error(_), "drop") => name.contains("unsolicited"),
            _ => false,
        };
        assert!(agreed, "{name}: {expected} expected, {verdict:?}");
        if let Some(target) = case.expect["target"].as_str()
            && let Some(salt) = case.expect["salt_known_by_caller"].as_str()
        {
            let target = Id::try_from(&hex::decode(target).unwrap()[..]).ok();
            let salt = hex::decode(salt).unwrap();
            for (salt, genuine) in [(&salt[..], true), (b"another", false)] {
                let judge = Inspector { salt: Some(salt), target, ..case.judge() };
                let Judgement::Response { genuine: judged, .. } = inspect(&judge, &case.bytes) else {
                    panic!("{name}")
                };
                assert_eq!(judged, Some(genuine), "{name}");
            }
        }
        seen.insert(expected.to_string());
    }
    assert_eq!(seen.len(), 5, "{seen:?}");
}

/// Each query case, asked of a whole node with a token that is good.
#[test]
fn a_node_answers_every_query_case_as_inspect_says() {
    let mut asked = 0;
    for case in cases() {
        let name = &case.name;
        let from = case.from();
        let mut lab = case.lab();
        // All queries of the data are judged with a valid token.
        let datagram = match krpc::decode(&case.bytes) {
            Ok(Decoded::Query(Query { method: Method::AnnouncePeer { info_hash, token, .. }, .. })) => {
                case.with(token, &lab.token(from, &info_hash))
            }
            Ok(Decoded::Query(Query { method: Method::Put { token, item, .. }, .. })) => {
                case.with(token, &lab.token(from, &item.target()))
            }
            Ok(Decoded::Query(_) | Decoded::Refuse(_)) => case.bytes.clone(),
            _ => continue,
        };
        asked += 1;
        let answer = lab.ask(from, &datagram);
        assert_eq!(lab.stats().dropped.total(), 0, "{name}");
        match inspect(&case.judge(), &datagram) {
            Judgement::Query(query) => {
                assert!(["ok", "find_node"].contains(&case.result()), "{name}");
                let response = answer.response();
                assert_eq!((response.tid, response.id, response.ip), (query.tid, case.own(), Some(from)), "{name}");
                let held = match query.method {
                    Method::AnnouncePeer { .. } => (0, 1),
                    Method::Put { .. } => (1, 0),
                    _ => (0, 0),
                };
                assert_eq!(lab.held(), held, "{name}");
                let names_nodes =
                    !matches!(query.method, Method::Ping | Method::AnnouncePeer { .. } | Method::Put { .. });
                assert_eq!(response.nodes.is_some(), names_nodes, "{name}");
            }
            Judgement::Refuse { tid, error, text } => {
                assert_eq!(case.expect["code"], error.code(), "{name}");
                let ErrorMessage { tid: echoed, code, text: said, .. } = answer.error();
                assert_eq!((echoed, code, said), (tid, error.code(), text.as_bytes()), "{name}");
                assert_eq!(lab.held(), (0, 0), "{name}");
            }
            verdict => panic!("{name}: {verdict:?}"),
        }
        lab.serves();
    }
    assert!(asked >= 40, "{asked} queries in the data");
}

/// Each datagram that is dropped, and each response and error that nobody asked for.
#[test]
fn a_node_drops_every_other_case_for_the_reason_that_inspect_names() {
    let (mut malformed, mut unsolicited) = (0, 0);
    for case in cases() {
        let (reason, count) = match inspect(&case.judge(), &case.bytes) {
            Judgement::Drop(reason) => (reason, &mut malformed),
            Judgement::Response { .. } | Judgement::Error(_) | Judgement::FailQuery { .. } => {
                (DropReason::Unsolicited, &mut unsolicited)
            }
            Judgement::Query(_) | Judgement::Refuse { .. } => continue,
        };
        *count += 1;
        let mut lab = case.lab();
        assert!(lab.give(case.from(), &case.bytes).is_empty(), "{}", case.name);
        assert_eq!((lab.dropped(reason), lab.stats().dropped.total()), (1, 1), "{}", case.name);
        lab.serves();
    }
    assert!(malformed >= 13 && unsolicited >= 40, "{malformed}, {unsolicited}");
}

/// Each response and each error as the answer to an open query of its kind.
#[test]
fn a_node_takes_every_response_case_as_inspect_says() {
    // Salts of the items in the data are those of its own puts.
    let salts: Vec<Vec<u8>> = cases()
        .iter()
        .filter_map(|case| match krpc::decode(&case.bytes) {
            Ok(Decoded::Query(Query { method: Method::Put { item, .. }, .. })) => Some(item.mutable?.salt.to_vec()),
            _ => None,
        })
        .chain([Vec::new()])
        .collect();
    let mut taken = 0;
    for case in cases() {
        let name = &case.name;
        match krpc::decode(&case.bytes) {
            Ok(Decoded::Response(response)) => answers_an_open_query(&case, &response, &salts),
            Ok(Decoded::Error(ErrorMessage { tid, .. })) => {
                let outcome = direct(&case, tid);
                assert_eq!((outcome.reason, outcome.errored, outcome.invalid), (Reason::Exhausted, 1, 0), "{name}");
            }
            Ok(Decoded::Broken { tid, .. }) => {
                assert_eq!(case.result(), "fail_query", "{name}");
                let outcome = direct(&case, tid);
                assert_eq!((outcome.reason, outcome.errored, outcome.invalid), (Reason::Exhausted, 0, 1), "{name}");
            }
            _ => continue,
        }
        taken += 1;
    }
    assert!(taken >= 40, "{taken} responses in the data");
}

/// The case answers a ping.
fn direct(case: &Case, tid: &[u8]) -> Outcome {
    let (mut lab, from) = (case.lab(), case.from());
    lab.node.ping(lab.now, 1, from).unwrap();
    lab.drain();
    let answer = case.with(tid, &lab.query_to(from).tid());
    lab.give(from, &answer);
    lab.outcome().expect("the query has ended")
}

fn answers_an_open_query(case: &Case, response: &Response<'_>, salts: &[Vec<u8>]) {
    let (mut lab, from, name) = (case.lab(), case.from(), &case.name);
    // The responder is a contact, so that a lookup asks it.
    lab.node.ping(lab.now, 2, from).unwrap();
    lab.drain();
    let tid = lab.query_to(from).tid();
    lab.give(from, &reply(&tid, &response.id, b""));
    assert!(lab.knows(from), "{name}");
    lab.news.clear();

    let target = response.value.map(item::immutable_target).unwrap_or(Id([7; 20]));
    let salt = response.key.and_then(|key| {
        let (seq, signature) = (response.seq?, response.signature?);
        salts.iter().find(|salt| item::verify(&Mutable { key, salt, seq, signature }, response.value.unwrap()))
    });
    let command = match (response.key, response.value, response.values) {
        (Some(key), ..) => {
            let salt = salt.unwrap_or_else(|| panic!("{name}: the item is genuine"));
            Command::GetMutable { key, salt, newer_than: None, freshness: Freshness::Newest }
        }
        (_, Some(_), _) => Command::GetImmutable { target, copies: 1 },
        (_, _, Values::List(_)) => Command::GetPeers { info_hash: target },
        _ if response.samples.is_some() => Command::Query { to: from, query: DirectQuery::Sample { target } },
        _ if response.token.is_some() => {
            Command::Announce { info_hash: target, port: Some(1), kind: PeerKind::Downloader }
        }
        _ if response.nodes.is_some() => {
            Command::Query { to: from, query: DirectQuery::FindNode { target, want: Want::default() } }
        }
        _ => Command::Query { to: from, query: DirectQuery::Ping },
    };
    lab.node.command(lab.now, 1, command).unwrap();
    lab.drain();
    let answer = case.with(response.tid, &lab.query_to(from).tid());
    // Whoever was named stays silent; the responder confirms what it was given its own token for.
    let (id, token) = (response.id, response.token.map(<[u8]>::to_vec));
    lab.minds.insert(
        from,
        Box::new(move |query| match query.method {
            Method::AnnouncePeer { token: used, .. } if Some(used) == token.as_deref() => {
                Some(reply(query.tid, &id, b""))
            }
            _ => None,
        }),
    );
    lab.give(from, &answer);
    let outcome = lab.finish();
    assert_eq!(outcome.stored.all, u16::from(matches!(command, Command::Announce { .. })), "{name}");
    assert_eq!(
        (outcome.answered - outcome.stored.all, outcome.invalid, outcome.dropped_results),
        (1, 0, 0),
        "{name}: {outcome:?}"
    );

    let Judgement::Response { kept_nodes, kept_values, .. } = inspect(&case.judge(), &case.bytes) else {
        panic!("{name}")
    };
    let mut found = 0;
    for news in &lab.news {
        match news {
            News::Value { value, seq, .. } => {
                assert_eq!((Some(&value[..]), *seq), (response.value, response.seq), "{name}");
                found += 1;
            }
            News::Peers { peers, .. } => {
                assert_eq!(peers.len(), kept_values, "{name}");
                found += 1;
            }
            News::Samples { samples, .. } => {
                assert_eq!(samples.len() * 20, response.samples.unwrap().len(), "{name}");
                found += 1;
            }
            News::Response { nodes, .. } => {
                assert_eq!(nodes.len(), kept_nodes, "{name}");
                found += 1;
            }
            _ => {}
        }
    }
    let expected = match command {
        Command::Announce { .. } => 0,
        Command::GetPeers { .. } => usize::from(kept_values > 0),
        // What the one who was asked said comes besides.
        Command::Query { .. } if response.samples.is_some() => 2,
        _ => 1,
    };
    assert_eq!(found, expected, "{name}");
    // Nobody is in the table who has only been named.
    assert_eq!(lab.node.contacts().count(), 1, "{name}");
    let asker = lab.stranger();
    lab.ask(asker, &query(b"find_node", &pair(b"target", &[1; 20]))).response();
}
