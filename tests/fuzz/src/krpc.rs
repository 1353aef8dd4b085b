//! Datagrams: decoded, encoded again, and judged.

use honeyguide::Id;
use honeyguide::dht::DropReason;
use honeyguide::dht::Network;
use honeyguide::dht::{Inspector, Judgement, inspect};
use honeyguide::internals::krpc::bencode::{MAX_BYTES, is_canonical};
use honeyguide::internals::krpc::compact::{MAX_NODES, MAX_PEERS, nodes4, nodes6};
use honeyguide::internals::krpc::item;
use honeyguide::internals::krpc::message::{MAX_TID, MAX_TOKEN};
use honeyguide::krpc::Item;
use honeyguide::krpc::{Decoded, Malformed, Method, Query, Response, decode};

/// Decodes a datagram; what is decoded keeps every promise of its type, encodes to one spelling that decodes to the same,
/// and the inspector sees in it what the decoder saw.
pub fn krpc(data: &[u8]) {
    let decoded = decode(data);
    check_verdicts(data, &decoded);
    let Ok(decoded) = decoded else { return };
    assert!(data.len() <= MAX_BYTES);
    let mut out = [0; 2 * MAX_BYTES];
    let written = match &decoded {
        Decoded::Query(query) => {
            check_query(query);
            query.encode(&mut out)
        }
        Decoded::Response(response) => {
            check_response(response);
            response.encode(&mut out)
        }
        Decoded::Error(error) => {
            assert!(error.tid.len() <= MAX_TID);
            error.encode(&mut out)
        }
        Decoded::Refuse(refusal) => {
            assert!(refusal.tid.len() <= MAX_TID && refusal.text.len() <= 16 && refusal.error.text().len() <= 16);
            return;
        }
        Decoded::Broken { tid, .. } => {
            assert!(tid.len() <= MAX_TID);
            return;
        }
    };
    let written = &out[..written.expect("no message grows to twice its size")];
    match decode(written) {
        Ok(again) => {
            assert_eq!(again, decoded, "nothing is lost or added");
            let mut other = [0; 2 * MAX_BYTES];
            let rewritten = encode(&again, &mut other);
            assert_eq!(written, rewritten, "one spelling");
        }
        // An implied port that was left out is written, which can be a little too much for the caps.
        Err(malformed) => assert!(matches!(malformed, Malformed::Oversize | Malformed::TooManyTokens)),
    }
}

fn encode<'o>(decoded: &Decoded<'_>, out: &'o mut [u8]) -> &'o [u8] {
    let len = match decoded {
        Decoded::Query(query) => query.encode(out),
        Decoded::Response(response) => response.encode(out),
        Decoded::Error(error) => error.encode(out),
        Decoded::Refuse(_) | Decoded::Broken { .. } => Ok(0),
    };
    &out[..len.expect("it fitted before")]
}

fn check_query(query: &Query<'_>) {
    assert!(query.tid.len() <= MAX_TID);
    match query.method {
        Method::AnnouncePeer { port, implied_port, .. } => assert!(port > 0 || implied_port),
        Method::Put { item, cas, .. } => {
            assert!(is_canonical(item.value));
            assert!(item.value.len() <= Item::MAX_VALUE || Item::is_bare_length(item.value));
            match item.mutable {
                Some(mutable) => assert!(mutable.salt.len() <= Item::MAX_SALT && mutable.seq >= 0),
                None => assert!(cas.is_none()),
            }
        }
        _ => {}
    }
}

fn check_response(response: &Response<'_>) {
    assert!(response.tid.len() <= MAX_TID);
    assert!(nodes4(response.nodes.unwrap_or_default()).count() <= MAX_NODES);
    assert!(nodes6(response.nodes6.unwrap_or_default()).count() <= MAX_NODES);
    assert!(response.values.peers().count() <= MAX_PEERS);
    assert!(response.token.is_none_or(|token| token.len() <= MAX_TOKEN));
    assert!(response.seq.is_none_or(|seq| seq >= 0) && response.num.is_none_or(|num| num >= 0));
    assert!(response.interval.is_none_or(|seconds| (0..=21_600).contains(&seconds)));
    if let Some(value) = response.value {
        let _ = (
            is_canonical(value),
            honeyguide::krpc::Item { value, mutable: None }.pointer(),
            item::immutable_target(value),
        );
    }
}

fn check_verdicts(data: &[u8], decoded: &Result<Decoded<'_>, Malformed>) {
    let target = match decoded {
        Ok(Decoded::Response(Response { value: Some(value), .. })) => item::immutable_target(value),
        _ => Id::default(),
    };
    for network in [Network::Public, Network::Local] {
        for (salt, target) in [(None, None), (Some(&b"salt"[..]), None), (None, Some(target))] {
            let judge = Inspector { own: Id([7; 20]), network, salt, target };
            match (inspect(&judge, data), decoded) {
                (Judgement::Drop(reason), Err(_)) => assert!(reason != DropReason::Unsolicited),
                (Judgement::Query(seen), Ok(Decoded::Query(query))) => assert_eq!(seen, *query),
                (Judgement::Refuse { tid, .. }, Ok(Decoded::Query(Query { tid: same, method, .. }))) => {
                    assert!(tid == *same && matches!(method, Method::Put { .. }), "only a signature is judged later");
                }
                (Judgement::Refuse { tid, .. }, Ok(Decoded::Refuse(refusal))) => assert_eq!(tid, refusal.tid),
                (Judgement::Error(seen), Ok(Decoded::Error(error))) => assert_eq!(seen, *error),
                (Judgement::FailQuery { tid, reason }, Ok(broken)) => {
                    assert_eq!(*broken, Decoded::Broken { tid, reason });
                }
                (
                    Judgement::Response { response: seen, kept_nodes, kept_values, genuine },
                    Ok(Decoded::Response(response)),
                ) => {
                    assert_eq!(seen, *response);
                    assert!(kept_nodes <= 2 * MAX_NODES && kept_values <= MAX_PEERS);
                    let unsigned = response.key.is_none() || response.seq.is_none() || response.signature.is_none();
                    if target.is_some() && unsigned && response.value.is_some() {
                        assert_eq!(genuine, Some(true), "its hash was asked for");
                    }
                }
                (verdict, decoded) => panic!("{verdict:?} of {decoded:?}"),
            }
        }
    }
}
