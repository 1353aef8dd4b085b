//! Lists of nodes in responses: what is no node is skipped, one by one, and the rest is used.

use std::time::Duration;

use honeyguide::Outcome;
use honeyguide::dht::{DirectQuery, LinkId, Reason};
use honeyguide::krpc::{Family, Method, Want};
use honeyguide::{Endpoint, Id};

use super::is_never_added;
use crate::lab::{Lab, nodes, pair, raw, reply};
use crate::world::News;

const TARGET: Id = Id([0x42; 20]);

/// An id near the target; the lower, the nearer.
fn near(n: u8) -> Id {
    let mut id = TARGET;
    id.0[19] ^= n;
    id
}

/// A lookup in which the nearest contact answers with this body besides its id. The lab, its end, whom it asked.
fn lookup_with(mut lab: Lab, body: &[u8]) -> (Lab, Outcome) {
    let outcome = lookup_in(&mut lab, body);
    (lab, outcome)
}

fn lookup_in(lab: &mut Lab, body: &[u8]) -> Outcome {
    let (id, forger) = *lab.friends.iter().min_by_key(|(id, _)| id.distance(&TARGET)).unwrap();
    let body = body.to_vec();
    lab.minds.insert(forger, Box::new(move |query| Some(reply(query.tid, &id, &body))));
    let outcome = lab.operate(|node, now| {
        node.lookup(now, 1, TARGET).unwrap();
    });
    // The forger's answer counts, and the honest ones do.
    assert_eq!((outcome.reason, outcome.invalid), (Reason::Converged, 0));
    assert!(outcome.answered >= 8, "{outcome:?}");
    outcome
}

/// How often the lookup asked a node; whoever is named is checked besides.
fn asked(lab: &Lab, node: Endpoint) -> usize {
    let queries = lab.sent.iter().filter(|packet| packet.to == node).filter_map(|packet| packet.query());
    queries.filter(|query| matches!(query.method, Method::FindNode { target: TARGET, .. })).count()
}

/// The address lists that a single query brings.
fn named_in_event(lab: &Lab) -> Option<Vec<(Id, std::net::SocketAddr)>> {
    lab.news.iter().find_map(|news| match news {
        News::Response { nodes, .. } => Some(nodes.clone()),
        _ => None,
    })
}

/// The key and the packed form of a list in this lab's family.
fn packed(lab: &Lab, list: &[(Id, Endpoint)], rest: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (id, endpoint) in list {
        bytes.extend([&id.0[..], endpoint.ip_bytes(), &endpoint.port().to_be_bytes()].concat());
    }
    bytes.extend(rest);
    let four = lab.friends[0].1.family() == Family::V4;
    pair(if four { b"nodes" } else { b"nodes6" }, &bytes)
}

/// Names `bad` between two good nodes: those are asked, the bad one is not, neither in a lookup nor by upkeep, and an
/// event does not show it.
fn is_skipped(mut lab: Lab, bad: (Id, Endpoint)) {
    let good = [(near(1), lab.stranger()), (near(2), lab.stranger())];
    let body = packed(&lab, &[good[0], bad, good[1]], b"");
    lookup_in(&mut lab, &body);
    for (_, endpoint) in good {
        assert_eq!(asked(&lab, endpoint), 1, "{endpoint} is as good as any");
    }
    if !lab.knows(bad.1) {
        assert_eq!(lab.sent_to(bad.1), 0, "{} was asked", bad.1);
        is_never_added(&mut lab, bad.1);
    }
    let (_, friend) = *lab.friends.iter().min_by_key(|(id, _)| id.distance(&TARGET)).unwrap();
    lab.operate(|node, now| {
        node.query(now, 1, friend, DirectQuery::FindNode { target: TARGET, want: Want::default() }).unwrap();
    });
    let shown: Vec<_> =
        named_in_event(&lab).unwrap().into_iter().map(|(id, addr)| (id, Endpoint::from(addr))).collect();
    assert_eq!(shown, good, "what an event shows");
    lab.serves();
}

#[test]
fn r67_of_27_bytes_of_nodes_one_entry_is_used() {
    for mut lab in Lab::each() {
        let named = lab.stranger();
        let body = packed(&lab, &[(near(1), named)], b"x");
        let (mut lab, _) = lookup_with(lab, &body);
        assert_eq!(asked(&lab, named), 1);
        lab.serves();
    }
}

#[test]
fn r67_nodes_too_short_for_one_entry_are_none() {
    for lab in Lab::each() {
        let body = packed(&lab, &[], b"012345678");
        let (mut lab, _) = lookup_with(lab, &body);
        lab.serves();
    }
}

#[test]
fn r68_nodes_that_are_an_integer_are_ignored_and_the_rest_is_used() {
    for lab in Lab::each() {
        let (id, friend) = lab.friends[2];
        let body = [raw(b"nodes", b"i7e"), raw(b"nodes6", b"le"), pair(b"token", b"tok")].concat();
        let (mut lab, _) = lookup_with(lab, &body);
        // The token of such an answer is good.
        lab.minds.clear();
        let body = body.clone();
        lab.minds.insert(friend, Box::new(move |query| Some(reply(query.tid, &id, &body))));
        let outcome = lab.operate(|node, now| {
            node.announce(now, 1, TARGET, Some(6881), honeyguide::dht::PeerKind::Downloader).unwrap();
        });
        assert_eq!(outcome.stored.all, 1, "{outcome:?}");
        lab.serves();
    }
}

/// Rule L4.
#[test]
fn r70_a_node_with_port_0_is_skipped() {
    for mut lab in Lab::each() {
        let bad = (near(0), lab.stranger().with_port(0));
        is_skipped(lab, bad);
    }
}

/// Rule L4.
#[test]
fn r71_a_node_that_is_no_unicast_address_is_skipped() {
    for ip in [[0, 0, 0, 0], [0, 9, 9, 9], [127, 0, 0, 1], [169, 254, 7, 7], [224, 0, 0, 1], [240, 1, 1, 1], [255; 4]] {
        is_skipped(Lab::public(), (near(0), Endpoint::v4(ip, 6881)));
    }
    for ip in [[0, 0, 0, 0], [0, 9, 9, 9], [224, 0, 0, 1], [240, 1, 1, 1], [255; 4]] {
        is_skipped(Lab::local(), (near(0), Endpoint::v4(ip, 6881)));
    }
    let six = |head: [u8; 2], last: u8| {
        let mut ip = [0; 16];
        ip[..2].copy_from_slice(&head);
        ip[15] = last;
        Endpoint::v6(ip, 6881)
    };
    for endpoint in [six([0, 0], 0), six([0, 0], 1), six([0xfe, 0x80], 1), six([0xff, 2], 1)] {
        is_skipped(Lab::public6(), (near(0), endpoint));
    }
}

#[test]
fn r71_loopback_nodes_are_asked_in_a_local_network() {
    let mut lab = Lab::local();
    let named = Endpoint::v4([127, 0, 0, 1], 4242);
    lookup_in(&mut lab, &nodes(&[(near(1), named)]));
    assert_eq!(asked(&lab, named), 1);
    lab.serves();
}

/// Rule L4; the zero id too.
#[test]
fn r72_a_node_with_our_own_id_is_skipped() {
    for mut lab in Lab::each() {
        let bad = (lab.own(), lab.stranger());
        is_skipped(lab, bad);
    }
    for mut lab in Lab::each() {
        let bad = (Id([0; 20]), lab.stranger());
        is_skipped(lab, bad);
    }
}

/// Rule L4.
#[test]
fn r73_a_node_at_our_own_address_is_skipped() {
    for mut lab in Lab::each() {
        // Three networks tell us where we are.
        let home = lab.addr(200 - 20, 7);
        for i in 0..3 {
            let (id, friend) = lab.friends[i];
            let mind = lab.minds.remove(&friend).unwrap();
            lab.node.ping(lab.now, 1, friend).unwrap();
            lab.drain();
            let tid = lab.query_to(friend).tid();
            let ip = [home.ip_bytes(), &home.port().to_be_bytes()].concat();
            let pong = [b"d", &pair(b"ip", &ip)[..], b"1:rd2:id20:", &id.0, b"e1:t4:", &tid, b"1:y1:re"].concat();
            lab.give(friend, &pong);
            lab.minds.insert(friend, mind);
        }
        assert_eq!(lab.node.external_addr(LinkId(0)), Some(home));
        lab.news.clear();
        is_skipped(lab, (near(0), home));
    }
}

#[test]
fn r73_a_query_that_claims_to_come_from_our_own_address_makes_us_ask_nobody() {
    use honeyguide::dht::LinkConfig;
    let home = Endpoint::v4([90, 1, 2, 3], 6881);
    let link = LinkConfig { external: Some(home.into()), ..LinkConfig::V4 };
    let mut lab = Lab::new(crate::lab::config().with_links(&[link]).unwrap());
    lab.befriend(16);
    lab.ask(home, &crate::lab::query(b"ping", b"")).response();
    is_never_added(&mut lab, home);
    lab.serves();
}

#[test]
fn r82_of_many_nodes_the_nearest_few_are_asked() {
    for mut lab in Lab::each() {
        // As many as fit a datagram, the farthest first.
        let count = if lab.friends[0].1.is_v4() { 50 } else { 35 };
        let named: Vec<_> = (0..count).map(|n| (near(count - n), lab.stranger())).collect();
        let body = packed(&lab, &named, b"");
        let (mut lab, _) = lookup_with(lab, &body);
        let asked: Vec<usize> = (0..named.len()).filter(|&i| lab.sent_to(named[i].1) > 0).collect();
        assert_eq!(asked.len(), 8, "the share of one reply");
        // Forty of a family are read; the nearest of those are taken.
        let read = named.len().min(40);
        assert_eq!(asked, (read - 8..read).collect::<Vec<_>>());
        lab.serves();
    }
}

#[test]
fn r82_three_thousand_bytes_of_nodes_are_no_message() {
    let body = pair(b"nodes", &[7; 2600]);
    super::stays_silent(&reply(b"abcd", &Id([8; 20]), &body), honeyguide::krpc::Malformed::Oversize);
}

#[test]
fn r91_an_endpoint_that_is_named_twice_counts_once() {
    for mut lab in Lab::each() {
        let (named, other) = (lab.stranger(), lab.stranger());
        let list = [(near(1), named), (near(2), named), (near(3), named), (near(4), other)];
        let body = packed(&lab, &list, b"");
        let (mut lab, _) = lookup_with(lab, &body);
        assert_eq!((asked(&lab, named), asked(&lab, other)), (1, 1));
        lab.serves();
    }
    // In both lists, where the second one spells it as a mapped address.
    let mut lab = Lab::public();
    let named = lab.stranger();
    let mapped = pair(b"nodes6", &[&near(2).0[..], &named.to_bytes()].concat());
    let body = [nodes(&[(near(1), named)]), mapped].concat();
    let (mut lab, _) = lookup_with(lab, &body);
    assert_eq!(asked(&lab, named), 1);
    lab.serves();
}

#[test]
fn r92_a_mapped_address_in_nodes6_is_skipped() {
    for mut lab in [Lab::public6(), Lab::public()] {
        let mapped = Endpoint::v4([44, 1, 1, 1], 6881);
        let body = pair(b"nodes6", &[&near(1).0[..], &mapped.to_bytes()].concat());
        lookup_in(&mut lab, &body);
        assert_eq!(lab.sent_to(mapped), 0);
        lab.run(Duration::from_secs(200));
        assert_eq!(lab.sent_to(mapped), 0);
        lab.serves();
    }
}
