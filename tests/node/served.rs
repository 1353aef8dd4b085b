//! How much of what we hold is handed out on the wire: as much as is configured, wherever a datagram has room for it.

use std::collections::BTreeSet;

use honeyguide::dht::LinkConfig;
use honeyguide::internals::krpc::{compact, item};
use honeyguide::krpc::Family;
use honeyguide::{Endpoint, Id};

use crate::lab::{LARGEST, Lab, Packet, config, pair, query, raw};

/// A node that hands out so many, knows 16 others, and holds nothing.
fn lab(link: LinkConfig, samples: u8, peers_per_reply: u8) -> Lab {
    let mut config = config().with_links(&[link]).unwrap();
    config.capacity.peers = 150;
    config.server.samples = samples;
    config.server.peers_per_reply = peers_per_reply;
    config.server.peers_per_info_hash = 150;
    let mut lab = Lab::new(config);
    lab.befriend(16);
    lab
}

/// Somebody announces himself as a peer of an info-hash; his endpoint.
fn announce(lab: &mut Lab, info_hash: &Id) -> Endpoint {
    let from = lab.stranger();
    let token = lab.token(from, info_hash);
    let port = raw(b"port", format!("i{}e", from.port()).as_bytes());
    let arguments = [pair(b"info_hash", &info_hash.0), port, pair(b"token", &token)].concat();
    let answer = lab.ask(from, &query(b"announce_peer", &arguments));
    assert_eq!(answer.response().id, lab.own());
    from
}

fn ask(lab: &mut Lab, method: &[u8], key: &[u8], id: &Id) -> Packet {
    let from = lab.stranger();
    let answer = lab.ask(from, &query(method, &pair(key, &id.0)));
    assert!(answer.bytes.len() <= LARGEST);
    answer
}

/// The info-hashes of a sample on the wire, each of them one of those that were announced.
fn sampled(answer: &Packet, announced: &BTreeSet<Id>) -> usize {
    let response = answer.response();
    assert_eq!(response.num, Some(announced.len() as i64));
    let (samples, rest) = response.samples.expect("samples").as_chunks::<20>();
    let distinct: BTreeSet<Id> = samples.iter().copied().map(Id).collect();
    assert!(rest.is_empty() && distinct.len() == samples.len() && distinct.is_subset(announced));
    distinct.len()
}

/// Rules S19 and S39; the query has a tid of two bytes, where most have four.
#[test]
fn a_sample_has_as_many_info_hashes_on_the_wire_as_are_configured() {
    for (link, most) in [(LinkConfig::V4, 50), (LinkConfig::V6, 48)] {
        for samples in [1, 20, 21, 35, 48, 49, 50] {
            let mut lab = lab(link, samples, 50);
            let announced: BTreeSet<Id> = (0..60).map(|n| Id([n; 20])).skip(1).collect();
            announced.iter().for_each(|info_hash| _ = announce(&mut lab, info_hash));
            let answer = ask(&mut lab, b"sample_infohashes", b"target", &Id([9; 20]));
            assert_eq!(sampled(&answer, &announced), usize::from(samples).min(most), "{samples}, {most}");
        }
    }
}

/// Rule S39: one fewer than a sample, as many, and one more.
#[test]
fn a_store_that_a_sample_has_room_for_is_listed_whole() {
    for held in [49, 50, 51] {
        let mut lab = lab(LinkConfig::V4, 50, 50);
        let announced: BTreeSet<Id> = (1..=held).map(|n| Id([n; 20])).collect();
        announced.iter().for_each(|info_hash| _ = announce(&mut lab, info_hash));
        let answer = ask(&mut lab, b"sample_infohashes", b"target", &Id([9; 20]));
        assert_eq!(sampled(&answer, &announced), usize::from(held).min(50));
        let again = answer.response().interval.expect("an interval") == 0;
        assert_eq!(again, held <= 50, "all of them: the next reply lists them anew");
    }
}

/// Rule S19, for peers: as many as are configured and fit beside 8 nodes.
#[test]
fn a_reply_has_as_many_peers_on_the_wire_as_are_configured_and_fit() {
    const SWARM: Id = Id([0x77; 20]);
    for (link, family, most) in [(LinkConfig::V4, Family::V4, 88), (LinkConfig::V6, Family::V6, 28)] {
        for wanted in [1, 20, 28, 29, 50, 88, 89, 100] {
            let mut lab = lab(link, 20, wanted);
            let announced: BTreeSet<Endpoint> = (0..120).map(|_| announce(&mut lab, &SWARM)).collect();
            let answer = ask(&mut lab, b"get_peers", b"info_hash", &SWARM);
            let response = answer.response();
            let peers: BTreeSet<Endpoint> = response.values.peers().collect();
            assert!(peers.is_subset(&announced));
            assert_eq!(peers.len(), usize::from(wanted).min(most), "{wanted}, {family}");
            let nodes = compact::nodes4(response.nodes.unwrap_or_default());
            assert_eq!(nodes.chain(compact::nodes6(response.nodes6.unwrap_or_default())).count(), 8);
        }
    }
}

/// Rule S19: an item goes before nodes, and of those there are as many as fit beside it in 1024 bytes.
#[test]
fn beside_an_item_a_reply_has_as_many_nodes_as_fit() {
    const SECRET: [u8; 32] = [0x51; 32];
    for is_mutable in [false, true] {
        let (mut all, mut some, mut none) = (0, 0, 0);
        for len in (500..=996).step_by(3) {
            let mut lab = lab(LinkConfig::V4, 20, 50);
            let from = lab.stranger();
            let value = [format!("{len}:").as_bytes(), &vec![0x61; len]].concat();
            let (target, signed) = match is_mutable {
                false => (item::immutable_target(&value), vec![]),
                true => {
                    // The longest number, which is what a reply leaves room for.
                    let (key, seq) = (item::public_key(&SECRET), i64::MAX);
                    let signature = item::sign(&SECRET, b"", seq, &value).unwrap();
                    let number = raw(b"seq", format!("i{seq}e").as_bytes());
                    (item::mutable_target(&key, b""), [pair(b"k", &key), number, pair(b"sig", &signature)].concat())
                }
            };
            let token = lab.token(from, &target);
            lab.ask(from, &query(b"put", &[signed, pair(b"token", &token), raw(b"v", &value)].concat()));
            let answer = ask(&mut lab, b"get", b"target", &target);
            let response = answer.response();
            assert_eq!(response.value, Some(&value[..]));
            let nodes = compact::nodes4(response.nodes.unwrap_or_default()).count();
            // One more would have been too many: its 26 bytes, the first one's key and length, and two bytes that are
            // kept for the longer names and lengths of nodes6.
            let one_more = 26 + 2 + if nodes == 0 { b"5:nodes26:".len() } else { 0 };
            assert!(nodes == 0 || answer.bytes.len() <= 1024, "{len}: {nodes}, {}", answer.bytes.len());
            assert!(nodes == 8 || answer.bytes.len() + one_more > 1024, "{len}: {nodes}, {}", answer.bytes.len());
            *match nodes {
                8 => &mut all,
                0 => &mut none,
                _ => &mut some,
            } += 1;
        }
        assert!(all > 9 && some > 9 && none > 9, "{all} {some} {none}");
    }
}

/// Rules S4 and S32.
#[test]
fn in_a_full_swarm_a_peer_can_refresh_and_a_newcomer_has_a_token() {
    let mut config = config();
    config.server.peers_per_info_hash = 3;
    let mut lab = Lab::new(config);
    lab.befriend(16);
    let info_hash = Id([0x77; 20]);
    let tell = |lab: &mut Lab, from: Endpoint| {
        let answer = lab.ask(from, &query(b"get_peers", &pair(b"info_hash", &info_hash.0)));
        let token = answer.response().token.expect("a token").to_vec();
        let arguments = [pair(b"info_hash", &info_hash.0), raw(b"port", b"i7e"), pair(b"token", &token)].concat();
        let answer = lab.ask(from, &query(b"announce_peer", &arguments));
        answer.bytes.windows(7).any(|window| window == b"1:y1:re")
    };
    let peers: Vec<_> = (0..3).map(|_| lab.stranger()).collect();
    for _ in 0..2 {
        assert!(peers.iter().all(|peer| tell(&mut lab, *peer)));
    }
    let came = (0..40).filter(|_| {
        let newcomer = lab.stranger();
        tell(&mut lab, newcomer)
    });
    assert!((10..30).contains(&came.count()));
    assert_eq!(lab.node.peers_held(), 3);
}
