//! Floods, in process: packets with forged sources, faster than any node could serve.
//!
//! What has to hold: memory is what it was (a node has nothing that could grow: what could be filled is counted here),
//! strangers are served at the configured rate and no faster, lookups of our own go on, and nobody can use the node
//! to flood somebody else.
//!
//! `HONEYGUIDE_FLOOD_PACKETS` sets the packets of the large flood: 100,000 by default, which takes seconds in a debug
//! build. The long run is `HONEYGUIDE_FLOOD_PACKETS=10000000 cargo test --release --test node flood`.

use std::time::Duration;

use honeyguide::Config;
use honeyguide::Instant;
use honeyguide::base::Rng;
use honeyguide::dht::DropReason::{Limited, Unsolicited};
use honeyguide::dht::LinkConfig;
use honeyguide::dht::Rate;
use honeyguide::dht::{LinkId, Reason};
use honeyguide::internals::krpc::item;
use honeyguide::krpc;
use honeyguide::krpc::Decoded;
use honeyguide::{Endpoint, Id};

use crate::lab::{Lab, config, error, pair, query_of, raw, reply, string};

/// Sources of the large flood.
const SOURCES: u32 = 1_000_000;
/// Packets of the flood in a second.
const RATE: u64 = 50_000;

fn packets() -> u64 {
    let set = std::env::var("HONEYGUIDE_FLOOD_PACKETS").ok();
    set.map_or(100_000, |text| text.parse().expect("a number of packets"))
}

/// One of a million addresses, spread over the whole space.
fn source(rng: &mut Rng) -> Endpoint {
    let n = rng.below(SOURCES).wrapping_mul(2_654_435_761);
    let [a, b, c, d] = n.to_be_bytes();
    Endpoint::v4([1 + a % 120, b, c, d.max(1)], 1024 + (n % 60_000) as u16)
}

/// Something that a stranger may send: mostly queries, of every kind, and some of everything else.
fn packet(rng: &mut Rng) -> Vec<u8> {
    let id = Id::random(rng);
    let target = Id::random(rng);
    match rng.below(10) {
        0 => query_of(&id, b"ping", b""),
        1 | 2 => query_of(&id, b"find_node", &pair(b"target", &target.0)),
        3 => query_of(&id, b"get_peers", &pair(b"info_hash", &target.0)),
        4 => query_of(&id, b"get", &pair(b"target", &target.0)),
        5 => query_of(&id, b"sample_infohashes", &pair(b"target", &target.0)),
        6 => {
            let announce = [pair(b"info_hash", &target.0), raw(b"port", b"i1e"), pair(b"token", b"12345678")];
            query_of(&id, b"announce_peer", &announce.concat())
        }
        7 => query_of(&id, b"put", &[pair(b"token", b"12345678"), raw(b"v", b"5:hello")].concat()),
        8 => reply(&rng.bytes::<4>(), &id, &pair(b"nodes", &rng.bytes::<208>())),
        _ => rng.bytes::<100>().to_vec(),
    }
}

#[test]
fn packets_from_a_million_forged_sources_change_nothing_and_stop_no_lookup() {
    let mut lab = Lab::new(Config::default());
    lab.befriend(16);
    let before = lab.belongings();
    let mut rng = Rng::from_seed([8; 32]);
    let (start, stats) = (lab.now, lab.stats());
    let mut sent = 0;
    let mut lookups = 0;
    while sent < packets() {
        // A millisecond of the flood, between the packets of our own lookups.
        for _ in 0..RATE / 1000 {
            let (from, packet) = (source(&mut rng), packet(&mut rng));
            lab.give(from, &packet);
        }
        sent += RATE / 1000;
        if lab.outcome().is_some() || lookups == 0 {
            if let Some(outcome) = lab.outcome() {
                assert_eq!((outcome.reason, outcome.timed_out, outcome.late), (Reason::Converged, 0, 0));
                assert!(outcome.answered >= 8, "{outcome:?}");
            }
            lab.news.clear();
            lab.node.lookup(lab.now, 1, Id::random(&mut rng)).unwrap();
            lab.drain();
            lookups += 1;
        }
        lab.sent.clear();
        lab.run(Duration::from_millis(1));
    }
    assert!(lookups >= sent / 20_000, "{lookups} lookups");

    let (after, seconds) = (lab.stats(), lab.now.since(start).as_secs_f64());
    let served = after.queries + after.refused - stats.queries - stats.refused;
    let Rate { per_second, burst } = lab.node.config().limiter.per_node;
    let share = f64::from(burst) + f64::from(per_second) * seconds;
    assert!(served as f64 <= share, "{served} served, {share} allowed in {seconds} s");
    assert!(served as f64 > share / 3.0, "the limit was reached: {served} of {share}");
    let limited = after.dropped.by(Limited) - stats.dropped.by(Limited);
    // Whom we asked may answer past all limits, and our own lookups were answered.
    let credits = (after.rpc_sent - stats.rpc_sent) as f64;
    assert!(limited as f64 >= sent as f64 - share - credits, "{limited} of {sent} cost no more than a look");
    assert_eq!(lab.belongings(), before, "nothing was stored, nobody was added");
    assert_eq!(lab.node.contacts().count(), 16);
    lab.now += Duration::from_secs(2);
    lab.serves();
}

#[test]
fn a_flood_asks_back_at_the_pace_of_the_table_and_no_faster() {
    // One in two seconds, and of a poor node no more than it starts by itself in any case (T41).
    for (enough, most) in [(0, 350), (30, 4 * 600 + 56)] {
        let mut config = Config::default();
        config.table.enough = enough;
        let asked = asked_back(config);
        assert!((1..=most).contains(&asked), "{asked} of 12,000 were asked back in ten minutes");
    }
}

/// How many strangers a node asks back that floods it for ten minutes.
fn asked_back(config: Config) -> usize {
    let mut lab = Lab::new(config);
    lab.befriend(16);
    let mut rng = Rng::from_seed([9; 32]);
    // As many strangers as are served.
    let start = lab.now;
    while lab.now.since(start) < Duration::from_secs(600) {
        for _ in 0..20 {
            let (from, id) = (source(&mut rng), Id::random(&mut rng));
            lab.give(from, &query_of(&id, b"ping", b""));
        }
        lab.sent
            .retain(|packet| packet.query().is_some() && lab.friends.iter().all(|(_, friend)| *friend != packet.to));
        lab.run(Duration::from_secs(1));
    }
    assert_eq!(lab.node.contacts().count(), 16, "none of them answers");
    lab.sent.iter().filter(|packet| packet.query().is_some()).count()
}

#[test]
fn responses_and_errors_out_of_nowhere_stop_no_lookup() {
    for mut lab in Lab::each() {
        let mut rng = Rng::from_seed([10; 32]);
        lab.node.lookup(lab.now, 1, Id([0x42; 20])).unwrap();
        lab.drain();
        for _ in 0..2_000 {
            let from = lab.stranger();
            let (tid, id) = (rng.bytes::<4>(), Id::random(&mut rng));
            lab.give(from, &if rng.below(2) == 0 { reply(&tid, &id, b"") } else { error(&tid, 201) });
        }
        assert_eq!(lab.dropped(Unsolicited), 2_000);
        let outcome = lab.finish();
        assert_eq!((outcome.reason, outcome.invalid, outcome.errored), (Reason::Converged, 0, 0));
    }
}

#[test]
fn forged_packets_in_the_name_of_contacts_keep_none_of_their_answers_out() {
    for mut lab in Lab::each() {
        let mut rng = Rng::from_seed([13; 32]);
        let served = lab.stats().queries;
        let start = lab.now;
        // Their buckets are empty before the first query leaves.
        for &(id, friend) in lab.friends.clone().iter() {
            (0..120).for_each(|_| _ = lab.give(friend, &query_of(&id, b"ping", b"")));
        }
        lab.node.lookup(lab.now, 1, Id([0x42; 20])).unwrap();
        lab.drain();
        while lab.outcome().is_none() {
            // A packet of each kind in the name of each contact, every millisecond.
            for i in 0..lab.friends.len() {
                let (id, friend) = lab.friends[i];
                lab.give(friend, &query_of(&id, b"ping", b""));
                lab.give(friend, &reply(&rng.bytes::<4>(), &id, b""));
                lab.give(friend, &error(&rng.bytes::<4>(), 201));
            }
            lab.run(Duration::from_millis(1));
        }
        let outcome = lab.outcome().unwrap();
        assert_eq!((outcome.reason, outcome.timed_out, outcome.late), (Reason::Converged, 0, 0), "{outcome:?}");
        assert!(outcome.answered >= 8);
        // Nor do they get more than their share, for being asked something.
        let seconds = lab.now.since(start).as_secs_f64();
        assert!((lab.stats().queries - served) as f64 <= 16.0 * (100.0 + 10.0 * seconds));
    }
}

/// A node that holds large things, has nodes of both families and no byte to spare for strangers.
fn generous(limits: Rate) -> Lab {
    let mut config = config().with_links(&[LinkConfig::V4, LinkConfig::V6]).unwrap();
    config.capacity.peers = 512;
    config.capacity.items = 8;
    config.capacity.value_bytes = 8192;
    config.limiter.per_endpoint = Rate { per_second: 1_000_000, burst: 1_000_000 };
    config.limiter.per_network = Rate { per_second: 1_000_000, burst: 1_000_000 };
    config.limiter.per_node = Rate { per_second: 1_000_000, burst: 1_000_000 };
    config.limiter.reply_bytes = limits;
    config.server.peers_per_reply = 100;
    let mut lab = Lab::new(config);
    lab.befriend(16);
    befriend6(&mut lab);
    let give = |lab: &mut Lab, from: Endpoint, key: &[u8], target: Id, method: &[u8], rest: &[u8]| {
        let link = LinkId(u8::from(!from.is_v4()));
        let get: &[u8] = if key == b"info_hash" { b"get_peers" } else { b"get" };
        let answer = lab.give_via(link, from, &query_of(&Id([0x5a; 20]), get, &pair(key, &target.0))).remove(0);
        let token = answer.response().token.unwrap().to_vec();
        let arguments = [pair(b"token", &token), rest.to_vec()].concat();
        lab.give_via(link, from, &query_of(&Id([0x5a; 20]), method, &arguments)).remove(0).response();
    };
    for n in 0..240u8 {
        for from in [Endpoint::v4([110, n, 1, 1], 6881), six(0xbb, u16::from(n))] {
            let seed = raw(b"seed", if n % 2 == 0 { b"i1e" } else { b"i0e" });
            // Half of them for one info-hash, the others for one each.
            let hash = if n < 120 { HASH } else { Id([n; 20]) };
            let rest = [pair(b"info_hash", &hash.0), raw(b"port", b"i6881e"), seed].concat();
            give(&mut lab, from, b"info_hash", hash, b"announce_peer", &rest);
        }
    }
    let value = string(&[b'v'; 996]);
    let from = Endpoint::v4([111, 1, 1, 1], 6881);
    give(&mut lab, from, b"target", item::immutable_target(&value), b"put", &raw(b"v", &value));
    let (key, signature) = (item::public_key(&SECRET_KEY), item::sign(&SECRET_KEY, b"", i64::MAX, &value).unwrap());
    let rest =
        [pair(b"k", &key), raw(b"seq", b"i9223372036854775807e"), pair(b"sig", &signature), raw(b"v", &value)].concat();
    give(&mut lab, from, b"target", item::mutable_target(&key, b""), b"put", &rest);
    assert_eq!(lab.held(), (2, 480));
    lab.sent.clear();
    lab
}

const SECRET_KEY: [u8; 32] = [5; 32];
const HASH: Id = Id([0x33; 20]);

fn six(group: u8, n: u16) -> Endpoint {
    let [high, low] = n.to_be_bytes();
    Endpoint::v6([0x20, 1, 0xd, group, high, low, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9], 6881)
}

/// Nodes of the second link.
fn befriend6(lab: &mut Lab) {
    let mut rng = Rng::from_seed([4; 32]);
    for n in 0..16 {
        let endpoint = six(0xaa, n);
        let id = Id::secure(endpoint.ip(), &mut rng);
        let mind = lab.honest(id, endpoint);
        lab.minds.insert(endpoint, mind);
        lab.operate(|node, now| {
            node.ping(now, 1, endpoint).unwrap();
        });
        assert!(lab.knows(endpoint));
    }
}

/// Every kind of query and of mistake, in the fewest bytes and with tids of several lengths, and the queries of others
/// in the conformance data.
fn every_query() -> Vec<Vec<u8>> {
    let id = pair(b"id", &[0x5a; 20]);
    let value = string(&[b'v'; 996]);
    let (large, mutable) = (item::immutable_target(&value), item::mutable_target(&item::public_key(&SECRET_KEY), b""));
    let target = |id: &Id| pair(b"target", &id.0);
    let want = raw(b"want", b"l2:n42:n6e");
    let (token, key, signature) = (pair(b"token", b""), pair(b"k", &[7; 32]), pair(b"sig", &[7; 64]));
    let bodies: Vec<(&[u8], Vec<u8>)> = vec![
        (b"ping", vec![]),
        (b"find_node", target(&Id([9; 20]))),
        (b"find_node", [target(&Id([9; 20])), want.clone()].concat()),
        (b"find_node", [target(&Id([9; 20])), raw(b"want", b"l2:n6e")].concat()),
        (b"find_node", vec![]),
        (b"get_peers", pair(b"info_hash", &HASH.0)),
        (b"get_peers", [pair(b"info_hash", &HASH.0), want.clone()].concat()),
        (b"get_peers", [pair(b"info_hash", &HASH.0), raw(b"scrape", b"i1e")].concat()),
        (
            b"get_peers",
            [pair(b"info_hash", &HASH.0), raw(b"scrape", b"i1e"), want.clone(), raw(b"noseed", b"i1e")].concat(),
        ),
        (b"get_peers", pair(b"info_hash", &[1; 20])),
        (b"get_peers", vec![]),
        (b"get", target(&large)),
        (b"get", [target(&large), want.clone()].concat()),
        (b"get", target(&mutable)),
        (b"get", [target(&mutable), raw(b"seq", b"i9223372036854775807e")].concat()),
        (b"get", target(&Id([1; 20]))),
        (b"get", vec![]),
        (b"sample_infohashes", target(&Id([9; 20]))),
        (b"sample_infohashes", [target(&Id([9; 20])), want].concat()),
        (b"sample_infohashes", vec![]),
        (b"announce_peer", vec![]),
        (b"announce_peer", [pair(b"info_hash", &HASH.0), raw(b"port", b"i0e")].concat()),
        (b"announce_peer", [pair(b"info_hash", &HASH.0), raw(b"port", b"i1e"), token.clone()].concat()),
        (b"put", vec![]),
        (b"put", token.clone()),
        (b"put", [token.clone(), raw(b"v", b"0:")].concat()),
        (b"put", [token.clone(), raw(b"v", b"i-0e")].concat()),
        (b"put", [token.clone(), raw(b"v", &string(&[b'v'; 997]))].concat()),
        (b"put", [token.clone(), key.clone(), raw(b"v", b"0:")].concat()),
        (b"put", [token.clone(), raw(b"cas", b"i1e"), raw(b"v", b"0:")].concat()),
        (b"put", [token, key, raw(b"seq", b"i1e"), signature, pair(b"salt", &[0; 65]), raw(b"v", b"0:")].concat()),
        (b"x", vec![]),
        (b"", vec![]),
        (b"vote", target(&Id([9; 20]))),
    ];
    let mut queries = Vec::new();
    for tid in [0, 1, 2, 4, 20, 64].map(|len| string(&vec![b't'; len])) {
        let tail = |method: &[u8]| [b"1:q", method, b"1:t", &tid[..], b"1:y1:qe"].concat();
        for (method, arguments) in &bodies {
            queries.push([b"d1:ad", &id[..], arguments, b"e", &tail(&string(method))].concat());
        }
        // Without a usable part of what every query has.
        for method in [&b"0:"[..], b"1:x", b"i0e", b"4:ping", b"3:put"] {
            queries.push([b"d", &tail(method)[..]].concat());
            queries.push([b"d1:a0:", &tail(method)[..]].concat());
            queries.push([b"d1:ade", &tail(method)[..]].concat());
        }
    }
    let file: serde_json::Value = serde_json::from_str(include_str!("../../vectors/krpc/krpc.json")).unwrap();
    let hex = file["cases"].as_array().unwrap().iter().filter_map(|case| case["hex"].as_str());
    let datagrams = hex.map(|hex| hex::decode(hex).unwrap());
    queries.extend(datagrams.filter(|bytes| matches!(krpc::decode(bytes), Ok(Decoded::Query(_) | Decoded::Refuse(_)))));
    queries
}

/// S20: over every kind of message, v4 and v6.
#[test]
fn past_its_budget_a_stranger_gets_at_most_3_2_times_what_it_sent() {
    let mut lab = generous(Rate { per_second: 0, burst: 0 });
    let (mut trimmed, mut n) = (0, 0u16);
    for sent in every_query() {
        n += 1;
        let [high, low] = n.to_be_bytes();
        for (link, from) in [(LinkId(0), Endpoint::v4([45, high, low, 1], 1)), (LinkId(1), six(0xcc, n))] {
            let full = lab.stats().trimmed;
            let answers = lab.give_via(link, from, &sent);
            assert_eq!(answers.len(), 1, "{}", crate::lab::show(&sent));
            let answer = &answers[0].bytes;
            let text = || {
                format!(
                    "{} bytes for {}: {} for {}",
                    answer.len(),
                    sent.len(),
                    crate::lab::show(answer),
                    crate::lab::show(&sent)
                )
            };
            assert!(answer.len() * 5 <= sent.len() * 16, "{}", text());
            trimmed += lab.stats().trimmed - full;
            // What was left out, the token stays: whoever comes back with it has proved himself.
            if let (Ok(Decoded::Query(query)), Ok(Decoded::Response(response))) =
                (krpc::decode(&sent), krpc::decode(answer))
            {
                let writes = matches!(query.method, krpc::Method::Get { .. } | krpc::Method::GetPeers { .. });
                assert_eq!(response.token.is_some(), writes, "{}", text());
                assert_eq!((response.tid, response.ip), (query.tid, Some(from)));
            }
        }
        lab.sent.clear();
    }
    assert!(trimmed > 100, "{trimmed} replies were trimmed");
}

/// Within its budget everybody gets everything; the sizes that a full reply has (BEP 32, rule S19).
#[test]
fn within_its_budget_a_stranger_gets_full_replies_of_bounded_size() {
    let mut lab = generous(Rate { per_second: 1_000_000_000, burst: 1_000_000_000 });
    let mut largest = 0;
    let mut n = 0u16;
    for sent in every_query() {
        n += 1;
        let [high, low] = n.to_be_bytes();
        for (link, from) in [(LinkId(0), Endpoint::v4([45, high, low, 1], 1)), (LinkId(1), six(0xcc, n))] {
            let answer = lab.give_via(link, from, &sent).remove(0);
            largest = largest.max(answer.bytes.len());
            if let Ok(Decoded::Response(response)) = krpc::decode(&answer.bytes) {
                let most = if response.value.is_some() { 1400 } else { 1024 };
                assert!(answer.bytes.len() <= most, "{}: {}", answer.bytes.len(), crate::lab::show(&sent));
                if let Ok(Decoded::Query(query)) = krpc::decode(&sent)
                    && let krpc::Method::GetPeers { info_hash: HASH, scrape, .. } = query.method
                {
                    // Beside two filters there is not always room for peers.
                    assert!(scrape || response.values.peers().count() >= 20, "{}", crate::lab::show(&sent));
                    assert_eq!(response.seeds.is_some(), scrape);
                }
            }
        }
        lab.sent.clear();
    }
    assert_eq!(lab.stats().trimmed, 0);
    assert_eq!(largest, 1300, "the largest item to an IPv6 peer with a tid of 64 bytes");
}

/// At every limit that a query of its length can have, the one at which all fits just so included.
#[test]
fn a_reply_is_counted_as_trimmed_exactly_when_something_is_missing() {
    let mut config = config();
    config.limiter.reply_bytes = Rate { per_second: 0, burst: 0 };
    let mut lab = Lab::new(config);
    for n in 1..=15 {
        let (from, hash) = (lab.stranger(), Id([n; 20]));
        let token = lab.token(from, &hash);
        let announce = [pair(b"info_hash", &hash.0), raw(b"port", b"i1e"), pair(b"token", &token)].concat();
        lab.ask(from, &query_of(&Id([0x5a; 20]), b"announce_peer", &announce)).response();
    }
    let mut seen = [0; 16];
    for len in 0..100 {
        let (from, before) = (lab.stranger(), lab.stats().trimmed);
        let arguments = [pair(b"target", &[9; 20]), pair(b"zz", &vec![b'z'; len])].concat();
        let answer = lab.ask(from, &query_of(&Id([0x5a; 20]), b"sample_infohashes", &arguments));
        let response = answer.response();
        let samples = response.samples.unwrap_or_default().len() / 20;
        // The list of nodes is empty, and is missing all the same.
        let is_cut = samples < 15 || response.nodes.is_none();
        assert_eq!(lab.stats().trimmed - before, u64::from(is_cut), "{samples} samples for {len} bytes more");
        seen[samples] += 1;
    }
    assert!(seen[12..].iter().all(|&times| times > 0), "{seen:?}");
}

/// A3: the budget itself, under a flood that claims to come from one network, among floods from everywhere.
#[test]
fn a_network_gets_no_more_reply_bytes_than_its_budget_and_3_2_times_what_was_sent_in_its_name() {
    for forgetful in [false, true] {
        let mut lab = generous(Rate { per_second: 32_000, burst: 64_000 });
        let mut rng = Rng::from_seed([11; 32]);
        let value = string(&[b'v'; 996]);
        let asked = query_of(&Id([0x5a; 20]), b"get", &pair(b"target", &item::immutable_target(&value).0));
        let (start, mut sent, mut received) = (lab.now, 0, 0);
        while lab.now.since(start) < Duration::from_secs(2) {
            let target = Endpoint::v4([55, 5, 5, rng.below(256) as u8], 53);
            sent += asked.len();
            received += lab.give(target, &asked).iter().map(|packet| packet.bytes.len()).sum::<usize>();
            // Others try to make the node forget how much went there.
            for _ in 0..if forgetful { 5 } else { 0 } {
                let from = source(&mut rng);
                lab.give(from, &asked);
            }
            lab.sent.clear();
            lab.now += Duration::from_millis(1);
        }
        let budget = 64_000 + 2 * 32_000;
        assert!(received <= budget + sent * 16 / 5, "{received} bytes, {sent} sent, {budget} allowed");
        assert!(received > budget, "the budget was used up");
    }
}

#[test]
fn who_echoed_a_token_or_answered_us_gets_full_replies_past_the_budget() {
    let mut lab = generous(Rate { per_second: 0, burst: 0 });
    let large = item::immutable_target(&string(&[b'v'; 996]));
    let asked = |id: &Id| query_of(id, b"get", &pair(b"target", &large.0));
    let (id, friend) = lab.friends[0];
    let answer = lab.ask(friend, &asked(&id));
    assert!(answer.response().value.is_some(), "a contact has proved that it is there");
    // Neither its id alone nor its address alone proves anything.
    let stranger = lab.stranger();
    assert!(lab.ask(stranger, &asked(&id)).response().value.is_none());
    assert!(lab.ask(friend, &asked(&Id([0x5a; 20]))).response().value.is_none());
    assert!(lab.ask(friend.with_port(9), &asked(&id)).response().value.is_none());
}

#[test]
fn time_that_does_not_move_gives_a_flood_nothing() {
    let mut lab = Lab::public();
    let mut rng = Rng::from_seed([12; 32]);
    let before = lab.stats();
    for n in 0..20_000u64 {
        // A clock that stands still, and one that runs backwards.
        let back = if n % 2 == 0 { n / 2 * 7919 } else { (n - 1) / 2 * 7919 };
        lab.node.handle_input(
            Instant::from_micros(1_000_000_000 - back),
            honeyguide::Input::Datagram { link: LinkId(0), from: source(&mut rng), payload: &packet(&mut rng) },
        );
        lab.drain();
    }
    let after = lab.stats();
    assert!(after.queries + after.refused - before.queries - before.refused <= 4_000);
}
