//! What responses bring: peers, items, tokens. Only what was asked for and is genuine reaches the user.

use std::net::SocketAddr;

use honeyguide::dht::DropReason::ResultOverflow;
use honeyguide::dht::{Freshness, Reason};
use honeyguide::internals::krpc::item;
use honeyguide::krpc::{Item, Method};
use honeyguide::{Command, Outcome};
use honeyguide::{Endpoint, Id};

use crate::lab::{Lab, nodes, pair, raw, reply, string};
use crate::world::News;

const SECRET_KEY: [u8; 32] = [5; 32];
const SALT: &[u8] = b"salt";
const HASH: Id = Id([0x33; 20]);

/// The nearest nodes, so many of them, lie: beside id and nodes they answer with this body. The others answer honestly.
fn lie(lab: &mut Lab, false_nodes: usize, target: &Id, body: &[u8]) {
    let mut order: Vec<_> = lab.friends.to_vec();
    order.sort_by_key(|(id, _)| id.distance(target));
    for (id, friend) in order.into_iter().take(false_nodes) {
        let others: Vec<_> = lab.friends.iter().filter(|(_, e)| *e != friend).take(4).copied().collect();
        let body = [nodes(&others), body.to_vec()].concat();
        lab.minds.insert(friend, Box::new(move |query| Some(reply(query.tid, &id, &body))));
    }
}

fn peers(lab: &Lab) -> Vec<Endpoint> {
    let found = lab.news.iter().flat_map(|news| match news {
        News::Peers { peers, .. } => peers.clone(),
        _ => Vec::new(),
    });
    found.map(|addr: SocketAddr| addr.into()).collect()
}

/// A search for peers in which the nearest contact returns this list of `values`, and nobody else any.
fn peers_from(lab: &mut Lab, values: &[u8]) -> Outcome {
    lie(lab, 1, &HASH, &raw(b"values", values));
    let outcome = lab.operate(|node, now| {
        node.get_peers(now, 1, HASH).unwrap();
    });
    assert_eq!((outcome.reason, outcome.invalid), (Reason::Converged, 0));
    assert_eq!((outcome.dropped_results, lab.dropped(ResultOverflow)), (0, 0), "every drain was made");
    outcome
}

fn compact(endpoint: &Endpoint) -> Vec<u8> {
    string(&[endpoint.ip_bytes(), &endpoint.port().to_be_bytes()].concat())
}

fn list(entries: &[Vec<u8>]) -> Vec<u8> {
    [b"l", &entries.concat()[..], b"e"].concat()
}

/// Rule L18.
#[test]
fn r69_an_entry_of_values_that_is_no_peer_is_skipped_and_the_others_are_kept() {
    let (four, six) = (Endpoint::v4([7, 7, 7, 7], 7), Endpoint::v6([0x20; 16], 6));
    for mut lab in Lab::each() {
        let entries = [
            string(b"12345"),
            compact(&four),
            string(b""),
            string(&[9; 17]),
            b"i6e".to_vec(),
            b"le".to_vec(),
            string(&[9; 7]),
            compact(&six),
            string(&[9; 19]),
        ];
        peers_from(&mut lab, &list(&entries));
        assert_eq!(peers(&lab), [four, six]);
        lab.serves();
    }
}

#[test]
fn r70_a_peer_with_port_0_is_skipped() {
    let good = Endpoint::v4([7, 7, 7, 7], 7);
    for mut lab in Lab::each() {
        peers_from(&mut lab, &list(&[compact(&good.with_port(0)), compact(&good)]));
        assert_eq!(peers(&lab), [good]);
        lab.serves();
    }
}

#[test]
fn r71_a_peer_that_is_no_unicast_address_is_skipped() {
    let good = Endpoint::v4([7, 7, 7, 7], 7);
    let loopback = Endpoint::v4([127, 0, 0, 1], 7);
    let bad: Vec<_> = [[0, 0, 0, 0], [224, 0, 0, 1], [255; 4]].map(|ip| compact(&Endpoint::v4(ip, 7))).to_vec();
    for mut lab in Lab::each() {
        peers_from(&mut lab, &list(&[bad.clone(), vec![compact(&loopback), compact(&good)]].concat()));
        assert_eq!(peers(&lab), if lab.is_local() { vec![loopback, good] } else { vec![good] });
        lab.serves();
    }
}

/// Rule L18.
#[test]
fn r82_of_many_values_a_hundred_are_read() {
    for mut lab in Lab::each() {
        // As many as fit a datagram.
        let all: Vec<_> = (0..140).map(|n| Endpoint::v4([7, 7, 7, n], 7)).collect();
        let outcome = peers_from(&mut lab, &list(&all.iter().map(compact).collect::<Vec<_>>()));
        assert_eq!(peers(&lab), all[..100]);
        assert_eq!(outcome.results, 1);
        lab.serves();
    }
}

#[test]
fn r82_a_datagram_full_of_ipv6_values_is_not_lost() {
    for mut lab in Lab::each() {
        let six = |n: u8| Endpoint::v6([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, n], 7);
        let all: Vec<_> = (1..=52).map(six).collect();
        peers_from(&mut lab, &list(&all.iter().map(compact).collect::<Vec<_>>()));
        assert!(peers(&lab).len() >= 50, "{} of {}", peers(&lab).len(), all.len());
        assert_eq!(peers(&lab), all[..peers(&lab).len()]);
        lab.serves();
    }
}

#[test]
fn r82_more_samples_than_any_node_should_send_are_not_lost() {
    for mut lab in Lab::each() {
        let (id, friend) = lab.friends[0];
        let body = [raw(b"interval", b"i60e"), raw(b"num", b"i99e"), pair(b"samples", &[8; 20 * 60 + 3])].concat();
        lab.minds.insert(friend, Box::new(move |query| Some(reply(query.tid, &id, &body))));
        let outcome = lab.operate(|node, now| {
            let query = honeyguide::dht::DirectQuery::Sample { target: HASH };
            node.command(now, 1, Command::Query { to: friend, query }).unwrap();
        });
        assert_eq!((outcome.results, outcome.dropped_results, lab.dropped(ResultOverflow)), (2, 0, 0));
        let samples = lab.news.iter().find_map(|news| match news {
            News::Samples { samples, .. } => Some(samples.len()),
            _ => None,
        });
        assert!(samples.unwrap() >= 50, "{samples:?}");
        lab.serves();
    }
}

#[test]
fn r90_values_that_are_a_string_and_a_token_that_is_a_list_are_absent() {
    for mut lab in Lab::each() {
        let target = HASH;
        let named = lab.stranger();
        let (id, friend) = *lab.friends.iter().min_by_key(|(id, _)| id.distance(&target)).unwrap();
        let mut near = target;
        near.0[19] ^= 1;
        let body = [nodes(&[(near, named)]), raw(b"token", b"l3:toke"), pair(b"values", b"abcdef")].concat();
        lab.minds.insert(friend, Box::new(move |query| Some(reply(query.tid, &id, &body))));
        let outcome = lab.operate(|node, now| {
            node.announce(now, 1, target, Some(6881), honeyguide::dht::PeerKind::Downloader).unwrap();
        });
        assert_eq!((outcome.reason, outcome.invalid), (Reason::Converged, 0));
        assert_eq!(outcome.stored.all, 7, "the others of the nearest eight took it: {outcome:?}");
        assert_eq!(lab.sent_to(named), 1, "the rest of the answer is used");
        let stores = lab.sent.iter().filter(|packet| {
            packet.to == friend && matches!(packet.query().unwrap().method, Method::AnnouncePeer { .. })
        });
        assert_eq!(stores.count(), 0, "no token, no announce");
        assert!(peers(&lab).is_empty());
        lab.serves();
    }
}

/// A mutable item as it stands in a response.
fn signed(salt: &[u8], seq: i64, said: i64, value: &[u8]) -> Vec<u8> {
    let signature = item::sign(&SECRET_KEY, salt, seq, value).unwrap();
    let key = pair(b"k", &item::public_key(&SECRET_KEY));
    [key, raw(b"seq", format!("i{said}e").as_bytes()), pair(b"sig", &signature), raw(b"v", value)].concat()
}

/// A search for the newest version. Whoever of the nearest has a body answers with it. Versions delivered, and the end.
fn newest(lab: &mut Lab, bodies: &[Vec<u8>]) -> (Vec<(i64, Vec<u8>)>, Outcome) {
    let key = item::public_key(&SECRET_KEY);
    let target = item::mutable_target(&key, SALT);
    for (place, body) in bodies.iter().enumerate().rev() {
        // Each but the last of these is overwritten by the next call, which has fewer false nodes.
        lie(lab, place + 1, &target, body);
    }
    let outcome = lab.operate(|node, now| {
        node.get_mutable(now, 1, &key, SALT, None, Freshness::Newest).unwrap();
    });
    assert_eq!(outcome.reason, Reason::Converged);
    let found = lab.news.iter().filter_map(|news| match news {
        News::Value { value, seq, .. } => Some((seq.unwrap(), value.clone())),
        _ => None,
    });
    (found.collect(), outcome)
}

/// Rule L16.
#[test]
fn r80_a_signature_for_another_salt_or_another_seq_is_refused_and_the_best_genuine_version_kept() {
    for mut lab in Lab::each() {
        let forged = [
            signed(b"other", 9, 9, b"4:evil"),
            signed(SALT, 1, 9, b"4:evil"),
            signed(SALT, 9, i64::MAX, b"4:evil"),
            signed(SALT, 2, 2, b"5:hello"),
            signed(b"", 9, 9, b"4:evil"),
        ];
        let (found, outcome) = newest(&mut lab, &forged);
        assert_eq!(found, [(2, b"5:hello".to_vec())]);
        assert_eq!((outcome.invalid, outcome.copies, outcome.results), (4, 1, 1));
        lab.serves();
    }
}

#[test]
fn r80_another_key_or_a_part_of_an_item_is_not_delivered() {
    let (key, signature) = (item::public_key(&[6; 32]), item::sign(&[6; 32], SALT, 3, b"4:evil").unwrap());
    let foreign = [pair(b"k", &key), raw(b"seq", b"i3e"), pair(b"sig", &signature), raw(b"v", b"4:evil")].concat();
    let own_key = pair(b"k", &item::public_key(&SECRET_KEY));
    let no_signature = [own_key.clone(), raw(b"seq", b"i3e"), raw(b"v", b"4:evil")].concat();
    let short = [own_key, raw(b"seq", b"i3e"), pair(b"sig", &[1; 63]), raw(b"v", b"4:evil")].concat();
    for mut lab in Lab::each() {
        let bodies = [
            foreign.clone(),
            no_signature.clone(),
            short.clone(),
            raw(b"v", b"4:evil"),
            signed(SALT, -1, -1, b"4:evil"),
        ];
        let (found, outcome) = newest(&mut lab, &bodies);
        assert_eq!((found.len(), outcome.copies), (0, 0));
        assert!(outcome.invalid >= 1);
        lab.serves();
    }
}

#[test]
fn r80_a_genuine_item_with_a_value_past_the_limit_is_refused() {
    // Signed by hand, since our own signer refuses it.
    use ed25519_dalek::{Signer, SigningKey};
    let value = string(&[b'v'; 1100]);
    let text = [b"4:salt4:salt3:seqi3e1:v", &value[..]].concat();
    let signature = SigningKey::from_bytes(&SECRET_KEY).sign(&text).to_bytes();
    let key = pair(b"k", &item::public_key(&SECRET_KEY));
    let body = [key, raw(b"seq", b"i3e"), pair(b"sig", &signature), raw(b"v", &value)].concat();
    let mut lab = Lab::public();
    let (id, friend) = lab.friends[0];
    lab.minds.clear();
    lab.minds.insert(friend, Box::new(move |query| Some(reply(query.tid, &id, &body))));
    let outcome = lab.operate(|node, now| {
        node.get_mutable(now, 1, &item::public_key(&SECRET_KEY), SALT, None, Freshness::Newest).unwrap();
    });
    assert_eq!((outcome.results, outcome.dropped_results, outcome.invalid), (0, 0, 1));
    assert!(!lab.news.iter().any(|news| matches!(news, News::Value { .. })));
}

/// Rules L16 and L17.
#[test]
fn r81_the_highest_seq_wins_and_of_equals_the_larger_value_in_whatever_order_they_come() {
    let versions = [(1, &b"3:old"[..]), (3, b"1:b"), (2, b"3:mid"), (3, b"1:c"), (3, b"1:a")];
    for turn in 0..versions.len() {
        let mut lab = Lab::local();
        let mut turned = versions;
        turned.rotate_left(turn);
        let bodies: Vec<_> = turned.iter().map(|&(seq, value)| signed(SALT, seq, seq, value)).collect();
        let (found, outcome) = newest(&mut lab, &bodies);
        assert_eq!(found.last(), Some(&(3, b"1:c".to_vec())), "turned by {turn}");
        assert!(found.windows(2).all(|pair| pair[0] < pair[1]), "each beats the one before: {found:?}");
        assert_eq!((outcome.invalid, outcome.copies), (0, 1));
        lab.serves();
    }
}

#[test]
fn r81_a_reader_that_has_a_version_is_not_shown_an_older_one() {
    let key = item::public_key(&SECRET_KEY);
    let target = item::mutable_target(&key, SALT);
    let mut lab = Lab::public();
    lie(&mut lab, 8, &target, &signed(SALT, 4, 4, b"4:four"));
    let outcome = lab.operate(|node, now| {
        let newer_than = Some(4);
        node.command(now, 1, Command::GetMutable { key: &key, salt: SALT, newer_than, freshness: Freshness::Newest })
            .unwrap();
    });
    assert_eq!((outcome.reason, outcome.results, outcome.invalid), (Reason::Converged, 0, 0));
}

#[test]
fn r85_the_last_sequence_number_reaches_the_user() {
    for mut lab in Lab::each() {
        let (found, _) = newest(&mut lab, &[signed(SALT, i64::MAX, i64::MAX, b"4:last")]);
        assert_eq!(found, [(i64::MAX, b"4:last".to_vec())]);
        // The owner may put it, too, and expect it.
        let item = Item::mutable(&SECRET_KEY, b"4:last").salt(SALT).seq(i64::MAX).sign().unwrap();
        let befriended = lab.friends.clone();
        for &(id, friend) in befriended.iter() {
            let mind = lab.honest(id, friend);
            lab.minds.insert(friend, mind);
        }
        let outcome = lab.operate(|node, now| {
            node.put_mutable(now, 1, &item, Some(i64::MAX)).unwrap();
        });
        assert!(outcome.stored.all >= 8, "{outcome:?}");
        lab.serves();
    }
}

/// Rule L15.
#[test]
fn r95_a_value_with_another_hash_is_none_and_its_sender_counts_as_invalid() {
    let value = b"5:hello";
    let target = item::immutable_target(value);
    for mut lab in Lab::each() {
        lie(&mut lab, 16, &target, &raw(b"v", b"5:hellO"));
        let outcome = lab.operate(|node, now| {
            node.get_immutable(now, 1, target, 1).unwrap();
        });
        assert_eq!((outcome.reason, outcome.results), (Reason::Converged, 0));
        assert!(outcome.invalid >= 8, "{outcome:?}");
        // One honest node among false ones is enough.
        lie(&mut lab, 7, &target, &raw(b"v", b"5:hellO"));
        let (id, honest) = {
            let mut order = lab.friends.to_vec();
            order.sort_by_key(|(id, _)| id.distance(&target));
            order[7]
        };
        let body = raw(b"v", value);
        lab.minds.insert(honest, Box::new(move |query| Some(reply(query.tid, &id, &body))));
        let outcome = lab.operate(|node, now| {
            node.get_immutable(now, 1, target, 1).unwrap();
        });
        assert_eq!((outcome.reason, outcome.results, outcome.copies), (Reason::Hit, 1, 1));
        assert!(lab.news.contains(&News::Value { tag: 1, value: value.to_vec(), seq: None }));
        lab.serves();
    }
}

#[test]
fn r95_a_value_past_the_limit_is_none_even_if_its_hash_is_right() {
    let strings = [1001, 1050, 1200].map(|length| string(&vec![b'v'; length]));
    for value in strings.into_iter().chain([[b"l", &b"2:vv".repeat(250)[..], b"e"].concat()]) {
        let length = value.len();
        let target = item::immutable_target(&value);
        let mut lab = Lab::public();
        let (id, friend) = lab.friends[0];
        let body = raw(b"v", &value);
        lab.minds.clear();
        lab.minds.insert(friend, Box::new(move |query| Some(reply(query.tid, &id, &body))));
        let outcome = lab.operate(|node, now| {
            node.get_immutable(now, 1, target, 1).unwrap();
        });
        assert_eq!((outcome.results, outcome.dropped_results, outcome.invalid), (0, 0, 1), "{length}");
        assert!(!lab.news.iter().any(|news| matches!(news, News::Value { .. })));
    }
}

/// Rule I14: some count the bare bytes of a byte string, and store it; whoever looks for it reads it.
#[test]
fn a_byte_string_of_1000_bytes_is_read_though_it_has_more_when_it_is_bencoded() {
    for length in [997, 1000] {
        let value = string(&vec![b'v'; length]);
        let target = item::immutable_target(&value);
        let mut lab = Lab::public();
        lie(&mut lab, 1, &target, &raw(b"v", &value));
        let outcome = lab.operate(|node, now| {
            node.get_immutable(now, 1, target, 1).unwrap();
        });
        assert_eq!((outcome.reason, outcome.results, outcome.invalid), (Reason::Hit, 1, 0), "{length}");
        assert!(lab.news.contains(&News::Value { tag: 1, value, seq: None }));
    }
}
