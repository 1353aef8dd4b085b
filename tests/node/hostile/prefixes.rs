//! Many false nodes, many packets, many names: what one party can get out of a node is bounded.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use honeyguide::Config;
use honeyguide::base::Rng;
use honeyguide::dht::DropReason::Limited;
use honeyguide::dht::Rate;
use honeyguide::dht::{LinkId, Reason};
use honeyguide::internals::krpc::item;
use honeyguide::krpc::Method;
use honeyguide::{Endpoint, Id};

use super::is_never_added;
use crate::lab::{Lab, config, nodes, pair, query, query_of, raw, reply, string};
use crate::world::News;

const TARGET: Id = Id([0x42; 20]);

/// An id that shares so many leading bits with the target, otherwise random.
fn near(bits: u32, rng: &mut Rng) -> Id {
    TARGET.random_in_bucket(bits, rng)
}

/// A network of false nodes without end: whoever is asked names seven more of them, nearer and nearer, each in a network
/// of its own, and `target` under yet another id.
fn refer_falsely(lab: &mut Lab, target: impl Fn(u32) -> Endpoint + 'static) {
    let mut rng = Rng::from_seed([1; 32]);
    let mut ids = BTreeMap::new();
    let mut named = 0u32;
    for &(id, friend) in lab.friends.iter() {
        ids.insert(friend, id);
    }
    lab.minds.clear();
    lab.anyone_else = Some(Box::new(move |me, query| {
        let id = *ids.get(&me)?;
        let mut list = Vec::new();
        for _ in 0..7 {
            named += 1;
            let [_, b, c, d] = named.to_be_bytes();
            let forger = Endpoint::v4([60 + (b & 7), c, d, 9], 6881);
            let false_id = near((8 + named / 4).min(150), &mut rng);
            ids.insert(forger, false_id);
            list.push((false_id, forger));
        }
        list.push((near((8 + named / 4).min(158), &mut rng), target(named)));
        Some(reply(query.tid, &id, &nodes(&list)))
    }));
}

#[test]
fn r76_replies_that_all_name_one_target_cost_it_one_packet_in_a_lookup() {
    let target = Endpoint::v4([55, 5, 5, 5], 53);
    let mut lab = Lab::public();
    refer_falsely(&mut lab, move |_| target);
    let outcome = lab.operate(|node, now| {
        node.lookup(now, 1, TARGET).unwrap();
    });
    // 79, of which each names seven more.
    assert!(outcome.queried > 75, "false nodes keep a lookup busy: {outcome:?}");
    assert_eq!(lab.sent_to(target), 1);
    lab.serves();
}

#[test]
fn r76_of_a_targets_network_one_address_at_a_time_is_asked() {
    let mut lab = Lab::public();
    // Every port of every address of a /24.
    refer_falsely(&mut lab, |n| Endpoint::v4([55, 5, 5, n as u8], 1024 + (n % 60_000) as u16));
    let started = lab.now;
    lab.operate(|node, now| {
        node.lookup(now, 1, TARGET).unwrap();
    });
    let packets = lab.sent.iter().filter(|p| p.to.ip_bytes().starts_with(&[55, 5, 5])).count();
    // A place is free again when the query in it has failed.
    let failures = lab.now.since(started).as_secs() / 2 + 1;
    assert!(packets as u64 <= failures, "{packets} packets in {failures} times two seconds");
}

#[test]
fn r76_queries_to_nodes_unverified_may_be_given_a_budget() {
    let mut config = config();
    config.lookup.unverified_query_rate = Rate { per_second: 50, burst: 100 };
    let mut lab = Lab::new(config);
    lab.befriend(16);
    refer_falsely(&mut lab, |n| Endpoint::v4([55, (n >> 8) as u8, n as u8, 5], 53));
    let friends: BTreeSet<_> = lab.friends.iter().map(|(_, endpoint)| *endpoint).collect();
    let started = lab.now;
    for _ in 0..100 {
        while lab.node.lookup(lab.now, 1, TARGET).is_ok() {
            lab.drain();
        }
        lab.run(Duration::from_millis(100));
    }
    let unverified = lab.sent.iter().filter(|packet| !friends.contains(&packet.to)).count() as u64;
    let Rate { per_second, burst } = lab.node.config().lookup.unverified_query_rate;
    let allowed = u64::from(burst) + u64::from(per_second) * lab.now.since(started).as_secs();
    assert!(unverified <= allowed, "{unverified} packets, {allowed} allowed");
    assert!(unverified > allowed / 2, "the test would not notice: {unverified}");
}

#[test]
fn r77_a_flood_with_a_forged_source_is_cut_off_before_it_is_read() {
    for mut lab in [Lab::public(), Lab::public6()] {
        let target = lab.stranger();
        let asked = query(b"find_node", &pair(b"target", &TARGET.0));
        let before = lab.belongings();
        let mut bytes = 0;
        // A second of it.
        for _ in 0..10_000 {
            lab.now += Duration::from_micros(100);
            bytes += lab.give(target, &asked).iter().map(|packet| packet.bytes.len()).sum::<usize>();
        }
        let served = lab.stats().queries;
        assert!((109..=110).contains(&served), "{served}: the burst and ten a second");
        assert_eq!(lab.dropped(Limited), 10_000 - served);
        assert!(bytes <= 64_000 + 32_000 + asked.len() * 110 * 16 / 5, "{bytes} bytes to the target");
        assert_eq!(lab.belongings(), before);
        lab.serves();
    }
}

#[test]
fn r78_an_endpoint_that_changes_its_id_loses_its_place_and_has_it_again_for_one_answer_in_36_s() {
    for mut lab in Lab::each() {
        let from = lab.stranger();
        let mut rng = Rng::from_seed([2; 32]);
        lab.minds.insert(from, Box::new(move |query| Some(reply(query.tid, &Id::random(&mut rng), b""))));
        let ping = |lab: &mut Lab| {
            lab.operate(|node, now| {
                node.ping(now, 1, from).unwrap();
            });
            lab.knows(from)
        };
        assert!(ping(&mut lab), "a first id is as good as any");
        assert!(!ping(&mut lab), "the second costs the place");
        for _ in 0..20 {
            assert!(!ping(&mut lab));
        }
        // Asked again and again, it is a contact now and then, more seldom at first.
        let first = lab.node.config().table.check_every * 3;
        let (mut now, mut stays) = (Duration::ZERO, Vec::new());
        while now < 100 * first {
            lab.now += first / 2;
            now += first / 2;
            if ping(&mut lab) {
                stays.push(now);
            }
        }
        let waits: Vec<_> = stays.windows(2).map(|w| w[1] - w[0]).collect();
        assert!(waits.len() > 8 && waits[0] >= 2 * first, "{waits:?}");
        assert!(waits[1..].iter().all(|wait| *wait >= 4 * first), "{waits:?}");
        lab.run(Duration::from_secs(60));
        lab.serves();
    }
}

#[test]
fn r78_queries_under_many_ids_from_one_endpoint_bring_at_most_one_of_them_in() {
    for mut lab in Lab::each() {
        let from = lab.stranger();
        let mut rng = Rng::from_seed([2; 32]);
        let before = lab.belongings();
        for _ in 0..50 {
            lab.ask(from, &query_of(&Id::random(&mut rng), b"ping", b"")).response();
        }
        // It always answers with the id that it is asked under, as a forger would.
        lab.minds.insert(from, Box::new(move |query| Some(reply(query.tid, &Id([0x66; 20]), b""))));
        lab.run(Duration::from_secs(400));
        let after = lab.belongings();
        let others = after.contacts.iter().filter(|(_, _, endpoint)| *endpoint != from);
        assert!(others.eq(before.contacts.iter()));
        assert!(after.contacts.len() <= before.contacts.len() + 1);
        lab.serves();
    }
}

#[test]
fn r79_many_of_one_network_gets_few_places_in_the_table() {
    let mut config = Config::default();
    config.capacity.peers = 16;
    let mut lab = Lab::new(config);
    lab.befriend(16);
    let own = lab.own();
    let mut rng = Rng::from_seed([4; 32]);
    for host in 1..=40 {
        let sybil = Endpoint::v4([66, 6, 6, host], 6881);
        // Spread over the buckets, to take as many places as there are.
        let id = own.random_in_bucket(u32::from(host % 20), &mut rng);
        lab.minds.insert(sybil, Box::new(move |query| Some(reply(query.tid, &id, b""))));
        lab.operate(|node, now| {
            node.ping(now, 1, sybil).unwrap();
        });
    }
    let of_sybils: Vec<_> = lab
        .node
        .contacts()
        .filter(|(_, c)| c.endpoint.ip_bytes().starts_with(&[66, 6, 6]))
        .map(|(_, c)| c.id)
        .collect();
    assert_eq!(of_sybils.len(), 10, "ten in the table");
    for bucket in 0..32 {
        assert!(of_sybils.iter().filter(|id| own.shared_prefix_len(id) == bucket).count() <= 2, "two in a bucket");
    }
    lab.serves();
}

#[test]
fn r79_many_of_one_network_round_a_target_gets_one_place_in_a_lookup() {
    for mut lab in [Lab::public(), Lab::local()] {
        let local = lab.is_local();
        let mut rng = Rng::from_seed([5; 32]);
        let sybils: Vec<(Id, Endpoint)> = (1..=20)
            .map(|host| {
                let ip = if local { [127, 0, 66, host] } else { [66, 6, 6, host] };
                (near(100, &mut rng), Endpoint::v4(ip, 6881))
            })
            .collect();
        for (place, &(id, sybil)) in sybils.iter().enumerate() {
            let friends: Vec<_> = (0..8).map(|i| sybils[(place + i) % 20]).collect();
            lab.minds.insert(
                sybil,
                Box::new(move |query| match query.method {
                    Method::Put { .. } => Some(reply(query.tid, &id, b"")),
                    _ => Some(reply(query.tid, &id, &[nodes(&friends), pair(b"token", b"evil")].concat())),
                }),
            );
        }
        // Every contact names the sybils: nothing better can happen to it.
        for i in 0..lab.friends.len() {
            let (id, friend) = lab.friends[i];
            let named: Vec<_> = (0..8).map(|n| sybils[(i + n) % 20]).collect();
            lab.minds.insert(
                friend,
                Box::new(move |query| match query.method {
                    Method::Put { .. } => Some(reply(query.tid, &id, b"")),
                    _ => Some(reply(query.tid, &id, &[nodes(&named), pair(b"token", b"good")].concat())),
                }),
            );
        }
        let outcome = lab.operate(|node, now| {
            node.put_immutable(now, 1, b"5:hello").unwrap();
        });
        assert!(outcome.stored.all >= 8);
        // It stores on in the background.
        lab.run(Duration::from_secs(20));
        lab.sent.clear();
        let outcome = lab.operate(|node, now| {
            node.lookup(now, 1, TARGET).unwrap();
        });
        assert_eq!(outcome.reason, Reason::Converged);
        let asked: usize = sybils.iter().map(|(_, sybil)| lab.sent_to(*sybil)).sum();
        let found = lab.news.iter().rev().find_map(|news| match news {
            News::Nodes { nodes, .. } => Some(nodes.clone()),
            _ => None,
        });
        let of_sybils = found.unwrap().iter().filter(|(id, _)| sybils.iter().any(|(sybil, _)| sybil == id)).count();
        if local {
            assert_eq!(of_sybils, 8, "where one machine is the network, no prefix rule holds");
        } else {
            assert_eq!((asked, of_sybils), (1, 1));
        }
        lab.serves();
    }
}

#[test]
fn r83_lies_about_our_address_from_few_networks_change_nothing() {
    let mut lab = Lab::public();
    let own = lab.own();
    let vote = |lab: &mut Lab, voter: Endpoint, id: Id, addr: Endpoint| {
        let ip = [addr.ip_bytes(), &addr.port().to_be_bytes()].concat();
        lab.minds.insert(
            voter,
            Box::new(move |query| {
                let head = [b"d", &pair(b"ip", &ip)[..], b"1:rd2:id20:", &id.0].concat();
                Some([&head[..], b"e1:t", &string(query.tid), b"1:y1:re"].concat())
            }),
        );
        lab.operate(|node, now| {
            node.ping(now, 1, voter).unwrap();
        });
    };
    let evil = Endpoint::v4([99, 9, 9, 9], 9);
    let mut rng = Rng::from_seed([6; 32]);
    for host in 1..=60 {
        let forger = Endpoint::v4([66, 6, 6 + host % 2, host], 6881);
        vote(&mut lab, forger, Id::random(&mut rng), evil);
    }
    assert_eq!(
        (lab.node.external_addr(LinkId(0)), lab.own()),
        (None, own),
        "two networks, however many addresses they have"
    );
    // What is no answer of somebody we asked is no vote: nor a query, nor a response out of nowhere.
    for _ in 0..10 {
        let from = lab.stranger();
        let ip = pair(b"ip", &[&[99, 9, 9, 9][..], &[0, 9]].concat());
        lab.give(from, &[b"d", &ip[..], b"1:rd2:id20:", &[1; 20], b"e1:t4:abcd1:y1:re"].concat());
        lab.ask(from, &[b"d1:ad2:id20:", &[1; 20][..], b"e", &ip, b"1:q4:ping1:t2:aa1:y1:qe"].concat());
    }
    assert_eq!(lab.node.external_addr(LinkId(0)), None);
    // Three honest networks are a majority; and then the false nodes change nothing.
    let home = Endpoint::v4([90, 1, 2, 3], 6881);
    for i in 0..4 {
        let (id, friend) = lab.friends[i];
        vote(&mut lab, friend, id, home);
    }
    assert_eq!(lab.node.external_addr(LinkId(0)), Some(home));
    let (named, _) = (lab.own(), own);
    assert!(named.is_secure_for(home.ip()), "a new address, a new id (BEP 42)");
    for host in 100..=160 {
        let forger = Endpoint::v4([66, 6, 6 + host % 2, host], 6881);
        vote(&mut lab, forger, Id::random(&mut rng), evil);
    }
    assert_eq!((lab.node.external_addr(LinkId(0)), lab.own()), (Some(home), named));
    lab.serves();
}

#[test]
fn r93_pings_in_a_row_are_answered_up_to_the_bucket_and_then_not() {
    for mut lab in Lab::each() {
        let from = lab.stranger();
        let answered =
            |lab: &mut Lab, n: usize| (0..n).filter(|_| !lab.give(from, &query(b"ping", b"")).is_empty()).count();
        assert_eq!(answered(&mut lab, 60), 60);
        assert_eq!(answered(&mut lab, 60), 40);
        assert_eq!((lab.dropped(Limited), lab.stats().dropped.total()), (20, 20));
        lab.now += Duration::from_secs(1);
        assert_eq!(answered(&mut lab, 60), 10);
        // Nothing is remembered against it longer than that.
        lab.now += Duration::from_secs(10);
        assert_eq!(answered(&mut lab, 200), 100);
        lab.serves();
    }
}

#[test]
fn r94_a_storm_of_puts_from_one_network_pushes_out_one_item_of_others() {
    let mut config = config();
    config.capacity.items = 24;
    config.capacity.value_bytes = 64 * 64;
    config.server.items_per_network = 5;
    let mut lab = Lab::new(config);
    lab.befriend(16);
    let put = |lab: &mut Lab, from: Endpoint, seed: u64| {
        let mut secret = [0; 32];
        secret[..8].copy_from_slice(&seed.to_le_bytes());
        let (key, value) = (item::public_key(&secret), b"5:hello");
        let signature = item::sign(&secret, b"", 1, value).unwrap();
        let answer = lab.ask(from, &query(b"get", &pair(b"target", &item::mutable_target(&key, b"").0)));
        let Some(token) = answer.response().token.map(<[u8]>::to_vec) else { return false };
        let arguments =
            [pair(b"k", &key), raw(b"seq", b"i1e"), pair(b"sig", &signature), pair(b"token", &token), raw(b"v", value)];
        let answer = lab.ask(from, &query(b"put", &arguments.concat()));
        answer.bytes.windows(7).any(|w| w == b"1:y1:re")
    };
    for seed in 0..24 {
        let from = lab.stranger();
        assert!(put(&mut lab, from, seed));
        lab.now += Duration::from_secs(1);
    }
    assert_eq!(lab.node.items_held(), 24);
    let mut stored = 0;
    for seed in 1000..1400 {
        let from = Endpoint::v4([66, 6, 6, seed as u8], 6881);
        stored += usize::from(put(&mut lab, from, seed));
        lab.now += Duration::from_millis(250);
    }
    assert!(stored > 300, "{stored} of the storm were stored, each in the place of the one before");
    assert_eq!(lab.node.items_held(), 24);
    let survivors = (0..24).filter(|&seed: &u64| {
        let mut secret = [0; 32];
        secret[..8].copy_from_slice(&seed.to_le_bytes());
        let target = item::mutable_target(&item::public_key(&secret), b"");
        let from = lab.stranger();
        lab.ask(from, &query(b"get", &pair(b"target", &target.0))).response().value.is_some()
    });
    assert_eq!(survivors.count(), 23);
    let from = lab.stranger();
    is_never_added(&mut lab, from);
    lab.serves();
}
