//! Where an operation runs: on all links, on one, at one node.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use honeyguide::base::Rng;
use honeyguide::dht::{
    CallError, DirectQuery, Freshness, Health, LinkConfig, LinkId, Network, PeerKind, Reason, Scope,
};
use honeyguide::internals::krpc::item;
use honeyguide::krpc::{Family, Item, Method, Query};
use honeyguide::{Command, Config, Endpoint, Event, Id, Output};

use crate::lab::{Lab, config, honest_answer, pair, raw, reply, string};
use crate::world::News;

const TARGET: Id = Id([0x42; 20]);
const SECRET_KEY: [u8; 32] = [9; 32];
const FOUR: LinkId = LinkId(0);
const SIX: LinkId = LinkId(1);

/// What a node of these tests stores, by the family of its address: the value and its version.
#[derive(Clone, Copy)]
pub struct Held {
    four: Option<(i64, &'static [u8])>,
    six: Option<(i64, &'static [u8])>,
}

pub const NOTHING: Held = Held { four: None, six: None };

pub fn address(family: Family, n: u8) -> Endpoint {
    match family {
        Family::V4 => Endpoint::v4([20, n, 1, 9], 6881),
        Family::V6 => Endpoint::v6([0x20, 1, n, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9], 6881),
    }
}

/// A node on both families that knows so many honest nodes of each.
fn dual(fours: u8, sixes: u8, held: Held) -> Lab {
    dual_of(config(), fours, sixes, held)
}

/// The same with a configuration.
pub fn dual_of(config: Config, fours: u8, sixes: u8, held: Held) -> Lab {
    let links = [LinkConfig { port: 7001, ..LinkConfig::V4 }, LinkConfig { port: 7002, ..LinkConfig::V6 }];
    let mut lab = Lab::new(config.with_links(&links).unwrap());
    let mut rng = Rng::from_seed([3; 32]);
    for (family, count, held) in [(Family::V4, fours, held.four), (Family::V6, sixes, held.six)] {
        let friends: Vec<_> = (0..count)
            .map(|n| address(family, n))
            .map(|endpoint| (Id::secure(endpoint.ip(), &mut rng), endpoint))
            .collect();
        for (id, endpoint) in friends.clone() {
            let friends = friends.clone();
            let mind = move |query: &Query<'_>| Some(answer(&friends, id, endpoint, query, held));
            lab.minds.insert(endpoint, Box::new(mind));
            lab.node.ping(lab.now, u64::MAX, endpoint).unwrap();
            lab.drain();
            lab.run(Duration::from_millis(50));
        }
    }
    assert_eq!(lab.node.contacts().count(), usize::from(fours) + usize::from(sixes));
    lab.sent.clear();
    lab.news.clear();
    lab
}

fn answer(
    friends: &[(Id, Endpoint)],
    id: Id,
    endpoint: Endpoint,
    query: &Query<'_>,
    held: Option<(i64, &[u8])>,
) -> Vec<u8> {
    match (query.method, held) {
        (Method::Get { target, .. }, Some((seq, value))) => {
            let token = pair(b"token", &endpoint.to_bytes());
            let mutable = target == item::mutable_target(&item::public_key(&SECRET_KEY), b"");
            let body = match mutable {
                false => [token, raw(b"v", value)].concat(),
                true => {
                    let key = item::public_key(&SECRET_KEY);
                    let signature = item::sign(&SECRET_KEY, b"", seq, value).unwrap();
                    let seq = raw(b"seq", format!("i{seq}e").as_bytes());
                    [pair(b"k", &key), seq, pair(b"sig", &signature), token, raw(b"v", value)].concat()
                }
            };
            reply(query.tid, &id, &body)
        }
        _ => honest_answer(friends, id, endpoint, query),
    }
}

fn ends(lab: &Lab) -> usize {
    lab.news.iter().filter(|news| matches!(news, News::Finished { .. })).count()
}

fn queried(lab: &Lab) -> BTreeSet<Endpoint> {
    lab.sent.iter().filter(|packet| packet.query().is_some()).map(|packet| packet.to).collect()
}

#[test]
fn a_command_runs_on_all_links_and_has_one_end() {
    let mut lab = dual(12, 12, NOTHING);
    let outcome = lab.operate(|node, now| {
        node.lookup(now, 1, TARGET).unwrap();
    });
    assert_eq!((outcome.reason, ends(&lab)), (Reason::Converged, 1));
    let [four, six, ..] = outcome.links;
    assert!(four.answered >= 8 && six.answered >= 8, "{outcome:?}");
    assert_eq!((outcome.queried, outcome.answered), (four.queried + six.queried, four.answered + six.answered));
    let lists =
        lab.news.iter().filter_map(|news| if let News::Nodes { nodes, .. } = news { Some(nodes) } else { None });
    let lists: Vec<_> = lists.collect();
    let [nodes] = &lists[..] else { panic!("{} lists", lists.len()) };
    assert_eq!((nodes.len(), outcome.results), (16, 16), "the nearest eight of each family");
    assert_eq!(nodes.iter().filter(|(_, addr)| addr.is_ipv4()).count(), 8);
    assert!(nodes.is_sorted_by_key(|(id, _)| id.distance(&TARGET)), "nearest first");
}

/// What each find_node that went out wants.
fn wants(lab: &Lab) -> Vec<(bool, bool)> {
    let methods = lab.sent.iter().filter_map(|packet| packet.query().map(|query| query.method));
    let wants = methods.filter_map(|method| if let Method::FindNode { want, .. } = method { Some(want) } else { None });
    wants.map(|want| (want.v4, want.v6)).collect()
}

/// L31 and K24: a link without contacts learns of nodes from a node of the other family, but only where there are both.
#[test]
fn a_bootstrap_wants_nodes_of_both_families_where_there_are_links_of_both() {
    let bootstrap = |lab: &mut Lab, node: Endpoint| {
        lab.operate(|own, now| {
            own.bootstrap(now, 1, &[node]).unwrap();
        });
        wants(lab)
    };
    for family in [Family::V4, Family::V6] {
        let asked = bootstrap(&mut dual(3, 3, NOTHING), address(family, 0));
        assert!(!asked.is_empty() && asked.iter().all(|want| *want == (true, true)), "{asked:?}");
    }
    for mut lab in Lab::each() {
        lab.sent.clear();
        let node = lab.addr(0, 0);
        let asked = bootstrap(&mut lab, node);
        assert!(!asked.is_empty() && asked.iter().all(|want| *want == (false, false)), "{asked:?}");
    }
    let mut lab = dual(3, 3, NOTHING);
    lab.operate(|node, now| {
        node.lookup(now, 1, TARGET).unwrap();
    });
    let asked = wants(&lab);
    assert!(
        !asked.is_empty() && asked.iter().all(|want| *want == (false, false)),
        "a lookup has a part in each family"
    );
}

#[test]
fn what_only_one_family_holds_is_found() {
    for held in [Held { four: Some((1, b"5:hello")), six: None }, Held { four: None, six: Some((1, b"5:hello")) }] {
        let mut lab = dual(12, 12, held);
        let target = item::immutable_target(b"5:hello");
        let outcome = lab.operate(|node, now| {
            node.get_immutable(now, 1, target, 1).unwrap();
        });
        assert_eq!((outcome.reason, outcome.results, outcome.copies, ends(&lab)), (Reason::Hit, 1, 1, 1));
        // Nothing of it is left: all places are free again.
        for _ in 0..20 {
            lab.operate(|node, now| {
                node.get_immutable(now, 1, target, 1).unwrap();
            });
        }
    }
}

#[test]
fn the_newest_version_of_both_families_is_the_last_value() {
    let mut lab = dual(12, 12, Held { four: Some((4, b"3:old")), six: Some((7, b"3:new")) });
    let key = item::public_key(&SECRET_KEY);
    let outcome = lab.operate(|node, now| {
        node.get_mutable(now, 1, &key, b"", None, Freshness::Newest).unwrap();
    });
    let mut values =
        lab.news.iter().filter_map(|n| if let News::Value { value, .. } = n { Some(&value[..]) } else { None });
    assert_eq!(values.next_back(), Some(&b"3:new"[..]));
    assert_eq!((outcome.reason, outcome.held_seq), (Reason::Converged, Some(7)));
    assert!(outcome.copies >= 8, "{outcome:?}");
    assert_eq!(ends(&lab), 1);
}

#[test]
fn a_put_is_stored_on_the_nearest_of_both_families_and_counted_once() {
    let mut lab = dual(12, 12, NOTHING);
    let outcome = lab.operate(|node, now| {
        node.put_immutable(now, 1, b"5:hello").unwrap();
    });
    let [four, six, ..] = outcome.links;
    assert!(four.stored >= 8 && six.stored >= 8, "{outcome:?}");
    assert_eq!(outcome.stored.all, four.stored + six.stored);
    assert_eq!((outcome.stored.counted, outcome.stored.networks), (outcome.stored.all, outcome.stored.all));
    assert_eq!((outcome.stored.secure, outcome.crowded), (outcome.stored.all, 0));
    lab.run(Duration::from_secs(5));
    assert_eq!(ends(&lab), 1, "what goes on in the background has no end of its own");
}

#[test]
fn of_one_network_one_confirmation_counts_and_on_a_local_network_each() {
    for local in [false, true] {
        let config = if local { config().local() } else { config() };
        let mut lab = Lab::new(config);
        let mut rng = Rng::from_seed([5; 32]);
        let mut friends = Vec::new();
        for n in 0..8 {
            let endpoint = Endpoint::v4([20, 1, n / 2, 9 + n], 6881);
            friends.push((Id::secure(endpoint.ip(), &mut rng), endpoint));
        }
        for (id, endpoint) in friends.clone() {
            let friends = friends.clone();
            lab.minds.insert(endpoint, Box::new(move |query| Some(honest_answer(&friends, id, endpoint, query))));
            lab.node.ping(lab.now, u64::MAX, endpoint).unwrap();
            lab.drain();
            lab.run(Duration::from_millis(50));
        }
        let outcome = lab.operate(|node, now| {
            node.put_immutable(now, 1, b"5:hello").unwrap();
        });
        let stored = outcome.stored;
        assert_eq!((stored.all, stored.networks), (8, 4));
        assert_eq!(stored.counted, if local { 8 } else { 4 });
    }
}

#[test]
fn a_family_without_contacts_costs_nothing() {
    let mut lab = dual(12, 0, NOTHING);
    let outcome = lab.operate(|node, now| {
        node.lookup(now, 1, TARGET).unwrap();
    });
    assert_eq!((outcome.reason, outcome.links[1]), (Reason::Converged, Default::default()));
    assert!(outcome.elapsed < Duration::from_secs(1));
    let mut none = dual(0, 0, NOTHING);
    let outcome = none.operate(|node, now| {
        node.lookup(now, 1, TARGET).unwrap();
    });
    assert_eq!((outcome.reason, outcome.queried, ends(&none)), (Reason::Exhausted, 0, 1));
}

/// Rule L31.
#[test]
fn a_link_on_which_nobody_answers_any_more_holds_nobody_up() {
    let mut lab = dual(12, 12, NOTHING);
    let part = |lab: &mut Lab| {
        let minds = std::mem::take(&mut lab.minds);
        let (fours, sixes): (BTreeMap<_, _>, _) = minds.into_iter().partition(|(to, _)| to.family() == Family::V4);
        lab.minds = fours;
        sixes
    };
    let sixes = part(&mut lab);
    let look = |lab: &mut Lab| {
        lab.news.clear();
        lab.operate(|node, now| {
            node.lookup(now, 1, TARGET).unwrap();
        })
    };
    lab.run(Duration::from_secs(60));
    look(&mut lab);
    let outcome = look(&mut lab);
    assert_eq!((outcome.reason, outcome.links[1]), (Reason::Converged, Default::default()));
    assert!(outcome.elapsed < Duration::from_secs(1), "{outcome:?}");
    // A bootstrap may help there.
    lab.news.clear();
    let outcome = lab.operate(|node, now| {
        node.bootstrap(now, 1, &[]).unwrap();
    });
    assert!(outcome.links[1].queried > 0, "{outcome:?}");
    // They are back, and found by the checks.
    lab.minds.extend(sixes);
    lab.run(Duration::from_secs(60));
    assert!(look(&mut lab).links[1].answered >= 8);
    // With too few contacts for a suspicion it is the same.
    let mut few = dual(12, 3, NOTHING);
    let sixes = part(&mut few);
    few.run(Duration::from_secs(60));
    look(&mut few);
    assert_eq!(look(&mut few).links[1], Default::default());
    // The other one is cut off, and nothing was heard here since it answered: all are asked.
    few.minds.extend(sixes);
    few.run(Duration::from_secs(60));
    look(&mut few);
    for is_up in [true, false, false] {
        few.operate(|node, now| {
            node.command_in(now, 1, Scope::Link(FOUR), Command::Lookup { target: TARGET }).unwrap();
        });
        few.minds.retain(|_, _| is_up);
        few.run(Duration::from_secs(10));
    }
    assert!(few.node.contacts().any(|(link, it)| link == FOUR && it.health != Health::Good));
    assert!(look(&mut few).links.iter().take(2).all(|link| link.queried > 0));
    // Nobody answers on two that are both suspected: all are asked.
    lab.minds.clear();
    lab.run(Duration::from_secs(60));
    look(&mut lab);
    assert!(look(&mut lab).links.iter().take(2).all(|link| link.queried > 0));
}

#[test]
fn a_link_can_be_named() {
    for link in [FOUR, SIX] {
        let mut lab = dual(12, 12, NOTHING);
        let outcome = lab.operate(|node, now| {
            node.command_in(now, 1, Scope::Link(link), Command::Lookup { target: TARGET }).unwrap();
        });
        assert_eq!(outcome.links[usize::from(link.0)].queried, outcome.queried);
        assert!(lab.sent.iter().all(|packet| packet.link == link));
    }
    let mut lab = dual(1, 1, NOTHING);
    let refused = lab.node.command_in(lab.now, 1, Scope::Link(LinkId(2)), Command::Lookup { target: TARGET });
    assert_eq!(refused, Err(CallError::NoLink(LinkId(2))));
}

#[test]
fn a_cancelled_operation_ends_on_every_link_once() {
    let mut lab = dual(12, 12, NOTHING);
    for _ in 0..20 {
        lab.news.clear();
        lab.node.lookup(lab.now, 1, TARGET).unwrap();
        lab.drain();
        lab.node.cancel(lab.now, 1);
        lab.drain();
        assert_eq!((lab.outcome().map(|outcome| outcome.reason), ends(&lab)), (Some(Reason::Cancelled), 1));
    }
    lab.run(Duration::from_secs(5));
    assert_eq!(ends(&lab), 1);
}

/// The fuzzer found that the handle was that of the part started last, which no event ever named.
#[test]
fn the_handle_of_a_command_is_that_of_its_end_on_however_many_links_it_runs() {
    for links in [&[LinkConfig::V4][..], &[LinkConfig::V4, LinkConfig::V6], &[LinkConfig::V4; 4]] {
        let mut lab = Lab::new(config().with_links(links).unwrap());
        let both = [address(Family::V4, 9), address(Family::V6, 9)];
        let op = lab.node.bootstrap(lab.now, 5, &both).unwrap();
        assert_eq!(lab.node.op(op).map(|view| view.tag), Some(5));
        lab.node.cancel(lab.now, 5);
        let mut buffer = [0; 1500];
        let mut ended = Vec::new();
        loop {
            match lab.node.poll_output(&mut buffer) {
                Output::Event(Event::Finished { op, outcome, .. }) => ended.push((op, outcome.reason)),
                Output::Timeout(_) => break,
                _ => {}
            }
        }
        assert_eq!(ended, [(op, Reason::Cancelled)]);
        assert!(lab.node.op(op).is_none());
    }
}

#[test]
fn nodes_of_a_bootstrap_are_asked_by_the_links_of_their_families() {
    let mut lab = dual(0, 0, NOTHING);
    let (four, six) = (address(Family::V4, 1), address(Family::V6, 1));
    for node in [four, six] {
        let id = Id::secure(node.ip(), &mut Rng::from_seed([8; 32]));
        lab.minds.insert(node, Box::new(move |query| Some(reply(query.tid, &id, b""))));
    }
    let outcome = lab.operate(|node, now| {
        node.bootstrap(now, 1, &[six, four]).unwrap();
    });
    assert_eq!((outcome.reason, outcome.links[0].answered, outcome.links[1].answered), (Reason::Converged, 1, 1));
    // Without a link for a family its nodes are left out, wherever they stand; with nobody left it is an error.
    let mut lab = Lab::public();
    let friend = lab.friends[0].1;
    assert!(lab.node.bootstrap(lab.now, 1, &[six, friend]).is_ok());
    assert_eq!(lab.node.bootstrap(lab.now, 2, &[six]), Err(CallError::NoFamily(Family::V6)));
    let loopback = Endpoint::v4([127, 0, 0, 1], 6881);
    assert_eq!(lab.node.bootstrap(lab.now, 3, &[loopback]), Err(CallError::BadAddress(loopback)));
    assert_eq!(lab.node.ping(lab.now, 4, loopback), Err(CallError::BadAddress(loopback)));
}

/// Rule L28.
/// The fuzzer found that the families of all were bootstrapped, though no more are kept, and written to a journal.
/// Rule L31: as without the name of a link, where it is the only one.
#[test]
fn a_bootstrap_on_a_link_of_another_family_is_refused() {
    let (four, six) = (address(Family::V4, 1), address(Family::V6, 1));
    let bootstrap = |lab: &mut Lab, link, nodes: &[Endpoint]| {
        lab.node.command_in(lab.now, 1, Scope::Link(link), Command::Bootstrap { nodes }).err()
    };
    let mut alone = Lab::new(config().with_links(&[LinkConfig::V6]).unwrap());
    assert_eq!(bootstrap(&mut alone, FOUR, &[four]), Some(CallError::NoFamily(Family::V4)));
    assert_eq!(bootstrap(&mut alone, SIX, &[four]), Some(CallError::NoLink(SIX)));
    assert_eq!(bootstrap(&mut alone, LinkId(0), &[four, six]), None, "one of them is of its family");
    let mut both = dual(0, 0, NOTHING);
    assert_eq!(bootstrap(&mut both, SIX, &[four]), Some(CallError::BadAddress(four)));
    assert_eq!(bootstrap(&mut both, FOUR, &[six, six]), Some(CallError::BadAddress(six)));
    assert_eq!(bootstrap(&mut both, SIX, &[four, six]), None);
}

#[test]
fn of_more_nodes_than_a_bootstrap_keeps_the_rest_counts_for_nothing() {
    let mut config = config();
    // A poor table asks those of the other family besides.
    config.table.enough = 0;
    let mut lab = dual_of(config, 0, 3, NOTHING);
    let mut nodes: Vec<_> = (0..16).map(|n| address(Family::V4, 100 + n)).collect();
    nodes.push(address(Family::V6, 100));
    let outcome = lab.operate(|dht, now| {
        dht.command(now, 1, Command::Bootstrap { nodes: &nodes }).unwrap();
    });
    assert!(queried(&lab).iter().all(|node| node.is_v4()), "{:?}", queried(&lab));
    assert_eq!((outcome.queried, outcome.reason), (2 * 16, Reason::Exhausted), "each twice");
}

/// Rule L32.
#[test]
fn a_get_at_one_node_asks_that_node_alone_and_tells_all_that_it_said() {
    for node in [address(Family::V4, 3), address(Family::V6, 3)] {
        let held = Some((1, &b"5:hello"[..]));
        let mut lab = dual(12, 12, Held { four: held, six: held });
        let target = item::immutable_target(b"5:hello");
        let id = Id::secure(node.ip(), &mut Rng::from_seed([8; 32]));
        let seen = address(node.family(), 99).with_port(4242);
        lab.minds.insert(
            node,
            Box::new(move |query| {
                let body = [&b"2:id20:"[..], &id.0, &pair(b"token", b"secret"), &raw(b"v", b"5:hello")].concat();
                let port = seen.port().to_be_bytes();
                let ip = pair(b"ip", &[seen.ip_bytes(), &port].concat());
                Some(
                    [b"d", &ip[..], b"1:rd", &body, b"e1:t", &string(query.tid), b"1:v4:LT\x01\x02", b"1:y1:re"]
                        .concat(),
                )
            }),
        );
        let outcome = lab.operate(|machine, now| {
            machine.command_in(now, 1, Scope::Node(node), Command::GetImmutable { target, copies: 1 }).unwrap();
        });
        assert_eq!((outcome.reason, outcome.queried, outcome.results), (Reason::Hit, 1, 2));
        assert_eq!(queried(&lab), BTreeSet::from([node]));
        assert!(lab.news.iter().any(|news| matches!(news, News::Value { value, .. } if value == b"5:hello")));
        let said = lab.news.iter().find_map(|news| match news {
            News::Response { token, ip, version, .. } => Some((token.clone(), *ip, version.clone())),
            _ => None,
        });
        assert_eq!(said, Some((b"secret".to_vec(), Some(seen), b"LT\x01\x02".to_vec())));
    }
}

/// Rule L32. Whom that node names, in either family, is asked nothing, and neither is who asks us.
#[test]
fn a_node_that_keeps_no_contacts_asks_nobody_but_whom_it_is_told_to_ask() {
    for network in [Network::Public, Network::Local] {
        let mut config = if network == Network::Local { config().local() } else { config() };
        config.capacity.contacts = 0;
        let mut lab = Lab::new(config.with_links(&[LinkConfig::V4, LinkConfig::V6]).unwrap());
        let node = address(Family::V4, 3);
        let id = Id::secure(node.ip(), &mut Rng::from_seed([8; 32]));
        let [four, six] = [Family::V4, Family::V6].map(|family| {
            let nodes = (10..18).map(|n| [&[n; 20][..], &address(family, n).to_bytes()].concat());
            nodes.collect::<Vec<_>>().concat()
        });
        let body = [pair(b"id", &id.0), pair(b"nodes", &four), pair(b"nodes6", &six), pair(b"token", b"t")].concat();
        lab.minds.insert(
            node,
            Box::new(move |query| match query.method {
                Method::AnnouncePeer { .. } => Some(reply(query.tid, &id, b"")),
                _ => Some([b"d1:rd", &body[..], b"e1:t", &string(query.tid), b"1:y1:re"].concat()),
            }),
        );
        let outcome = lab.operate(|dht, now| {
            let announce = Command::Announce { info_hash: TARGET, port: Some(7), kind: PeerKind::Seed };
            dht.command_in(now, 1, Scope::Node(node), announce).unwrap();
        });
        assert_eq!((outcome.reason, outcome.stored.all), (Reason::Converged, 1));
        lab.give(address(Family::V4, 30), b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe");
        lab.run(Duration::from_secs(3600));
        assert_eq!(queried(&lab), BTreeSet::from([node]));
    }
}

/// Rule L32.
#[test]
fn one_node_is_asked_by_the_link_that_is_named() {
    let links = [LinkConfig::V4, LinkConfig::V4, LinkConfig::V6];
    let mut config = config();
    config.capacity.contacts = 0;
    let (mut lab, node) = (Lab::new(config.with_links(&links).unwrap()), address(Family::V4, 3));
    let id = Id::secure(node.ip(), &mut Rng::from_seed([8; 32]));
    lab.minds.insert(node, Box::new(move |query| Some(reply(query.tid, &id, &pair(b"token", b"t")))));
    let put = Command::PutImmutable { value: b"5:hello" };
    for (link, scope) in [(0, Scope::Node(node)), (1, Scope::NodeOn { link: LinkId(1), node })] {
        lab.sent.clear();
        let outcome = lab.operate(|dht, now| {
            dht.command_in(now, 1, scope, put).unwrap();
        });
        assert_eq!((outcome.queried, outcome.stored.all, outcome.links[link].stored), (2, 1, 1));
        let questions = lab.sent.iter().filter(|packet| packet.to == node);
        assert!(questions.clone().count() == 2 && questions.clone().all(|p| p.link == LinkId(link as u8)));
    }
    let mut refused = |link, command| {
        lab.node.command_in(lab.now, 1, Scope::NodeOn { link: LinkId(link), node }, command).unwrap_err()
    };
    assert_eq!(refused(2, put), CallError::BadAddress(node), "it is of another family");
    assert_eq!(refused(3, put), CallError::NoLink(LinkId(3)));
    assert_eq!(refused(1, Command::Bootstrap { nodes: &[node] }), CallError::NotAtOneNode);
}

/// A swarm that one node knows is told as that of many is.
#[test]
fn a_scrape_at_one_node_tells_its_swarm() {
    let mut lab = dual(12, 0, NOTHING);
    let node = address(Family::V4, 3);
    let id = Id::secure(node.ip(), &mut Rng::from_seed([8; 32]));
    // Two bits are one address (BEP 33).
    let mut peers = [0; 256];
    (peers[1], peers[200]) = (1, 1);
    let body = [pair(b"BFpe", &peers), pair(b"BFsd", &[0; 256]), pair(b"id", &id.0)].concat();
    lab.minds.insert(
        node,
        Box::new(move |query| Some([b"d1:rd", &body[..], b"e1:t", &string(query.tid), b"1:y1:re"].concat())),
    );
    let outcome = lab.operate(|dht, now| {
        dht.command_in(now, 1, Scope::Node(node), Command::Scrape { info_hash: TARGET }).unwrap();
    });
    assert_eq!((outcome.reason, outcome.queried), (Reason::Converged, 1));
    let swarms: Vec<_> =
        lab.news.iter().filter(|news| matches!(news, News::Scrape { seeds: 0, peers: 1, .. })).collect();
    assert_eq!(swarms.len(), 1, "{:?}", lab.news);
}

#[test]
fn a_node_that_knows_an_empty_swarm_is_a_responder_and_one_without_filters_is_none() {
    for (filters, expected) in [(true, 1), (false, 0)] {
        let mut lab = dual(12, 0, NOTHING);
        let node = address(Family::V4, 3);
        let id = Id::secure(node.ip(), &mut Rng::from_seed([8; 32]));
        let empty = [pair(b"BFpe", &[0; 256]), pair(b"BFsd", &[0; 256])].concat();
        let body = [if filters { empty } else { Vec::new() }, pair(b"id", &id.0)].concat();
        lab.minds.insert(
            node,
            Box::new(move |query| Some([b"d1:rd", &body[..], b"e1:t", &string(query.tid), b"1:y1:re"].concat())),
        );
        lab.operate(|dht, now| {
            dht.command_in(now, 1, Scope::Node(node), Command::Scrape { info_hash: TARGET }).unwrap();
        });
        let told = lab.news.iter().find_map(|news| match news {
            News::Scrape { responders, .. } => Some(*responders),
            _ => None,
        });
        assert_eq!(told, Some(expected), "{:?}", lab.news);
    }
}

/// The fuzzer found that with one place for results, what the node said was lost behind the value.
#[test]
fn one_place_for_results_holds_all_that_one_answer_brings() {
    let mut few = config();
    few.capacity.results = 1;
    let (mut lab, node) = (Lab::new(few), address(Family::V4, 3));
    let id = Id::secure(node.ip(), &mut Rng::from_seed([8; 32]));
    let held = Some((1, &b"5:hello"[..]));
    lab.minds.insert(node, Box::new(move |query| Some(answer(&[(id, node)], id, node, query, held))));
    let get = Command::GetImmutable { target: item::immutable_target(b"5:hello"), copies: 1 };
    let outcome = lab.operate(|dht, now| {
        dht.command_in(now, 1, Scope::Node(node), get).unwrap();
    });
    assert_eq!((outcome.reason, outcome.results, outcome.dropped_results), (Reason::Hit, 2, 0));
}

/// Rules L30 and L32.
#[test]
fn a_put_at_one_node_asks_it_for_a_token_first() {
    let mut lab = dual(12, 12, NOTHING);
    let node = address(Family::V4, 3);
    let item = Item::mutable(&SECRET_KEY, b"5:hello").seq(3).sign().unwrap();
    let signed = item.mutable();
    let put = Command::PutMutable {
        value: b"5:hello",
        key: signed.key,
        salt: b"",
        seq: 3,
        signature: signed.signature,
        cas: None,
    };
    for (command, method) in [
        (put, "put"),
        (Command::PutImmutable { value: b"5:hello" }, "put"),
        (Command::Announce { info_hash: TARGET, port: None, kind: PeerKind::Seed }, "announce_peer"),
    ] {
        lab.sent.clear();
        let outcome = lab.operate(|machine, now| {
            machine.command_in(now, 1, Scope::Node(node), command).unwrap();
        });
        assert_eq!((outcome.reason, outcome.queried, outcome.stored.all), (Reason::Converged, 2, 1), "{method}");
        assert_eq!(queried(&lab), BTreeSet::from([node]));
        let stores = lab.sent.iter().filter_map(|packet| packet.query()).filter_map(|query| match query.method {
            Method::Put { token, .. } => Some(("put", token.to_vec())),
            Method::AnnouncePeer { token, port, implied_port, seed, .. } => {
                assert_eq!((port, implied_port, seed), (7001, true, true), "our own port, never 0");
                Some(("announce_peer", token.to_vec()))
            }
            _ => None,
        });
        assert_eq!(stores.collect::<Vec<_>>(), [(method, node.to_bytes().to_vec())]);
    }
}

/// Rule L24: some nodes refuse an identical put as too old.
#[test]
fn an_item_that_a_node_returned_before_is_stored_there_though_it_says_that_it_is_too_old() {
    let signed = Item::mutable(&SECRET_KEY, b"5:hello").seq(3).sign().unwrap();
    for (held, same) in [((3, &b"5:hello"[..]), true), ((2, b"5:hello"), false), ((3, b"5:other"), false)] {
        let held = Some(held);
        let mut lab = dual(12, 0, Held { four: held, six: None });
        for node in lab.minds.keys().copied().collect::<Vec<_>>() {
            let mut mind = lab.minds.remove(&node).unwrap();
            lab.minds.insert(
                node,
                Box::new(move |query| match query.method {
                    Method::Put { .. } => Some(crate::lab::error(query.tid, 302)),
                    _ => mind(query),
                }),
            );
        }
        let outcome = lab.operate(|node, now| {
            node.put_mutable(now, 1, &signed, None).unwrap();
        });
        let (stored, refused) = (outcome.stored.all >= 8, outcome.refused.seq_too_old >= 8);
        assert_eq!((stored, refused), (same, !same), "{outcome:?}");
    }
}

#[test]
fn a_node_that_gives_no_token_or_refuses_stores_nothing() {
    let mut lab = dual(2, 2, NOTHING);
    let node = address(Family::V4, 1);
    let id = Id::secure(node.ip(), &mut Rng::from_seed([8; 32]));
    lab.minds.insert(node, Box::new(move |query| Some(reply(query.tid, &id, b""))));
    let put = |lab: &mut Lab| {
        lab.operate(|machine, now| {
            machine.command_in(now, 1, Scope::Node(node), Command::PutImmutable { value: b"5:hello" }).unwrap();
        })
    };
    let outcome = put(&mut lab);
    assert_eq!((outcome.queried, outcome.answered, outcome.stored.all), (1, 1, 0));
    lab.minds.insert(
        node,
        Box::new(move |query| match query.method {
            Method::Put { .. } => Some(crate::lab::error(query.tid, 205)),
            _ => Some(reply(query.tid, &id, &pair(b"token", b"t"))),
        }),
    );
    let outcome = put(&mut lab);
    assert_eq!((outcome.queried, outcome.stored.all, outcome.refused.too_large), (2, 0, 1));
    lab.minds.remove(&node);
    let outcome = put(&mut lab);
    assert_eq!((outcome.reason, outcome.timed_out), (Reason::Exhausted, 1));
    let bootstrap = Command::Bootstrap { nodes: &[node] };
    assert_eq!(lab.node.command_in(lab.now, 1, Scope::Node(node), bootstrap), Err(CallError::NotAtOneNode));
    let ping = Command::Query { to: node, query: DirectQuery::Ping };
    let other = address(Family::V4, 0);
    assert_eq!(lab.node.command_in(lab.now, 1, Scope::Node(other), ping), Err(CallError::BadAddress(other)));
}

/// Rule L17.
#[test]
fn a_get_ends_with_so_many_copies() {
    let held = Some((3, &b"5:hello"[..]));
    let mut lab = dual(12, 12, Held { four: held, six: held });
    let (target, key) = (item::immutable_target(b"5:hello"), item::public_key(&SECRET_KEY));
    for copies in [1, 3, 6] {
        let outcome = lab.operate(|node, now| {
            node.get_immutable(now, 1, target, copies).unwrap();
        });
        assert_eq!((outcome.reason, outcome.copies, outcome.results), (Reason::Hit, copies, 1));
        let outcome = lab.operate(|node, now| {
            node.get_mutable(now, 1, &key, b"", None, Freshness::Copies(copies)).unwrap();
        });
        assert_eq!((outcome.reason, outcome.copies, outcome.results), (Reason::Hit, copies, 1));
    }
    // More than there are: what there is, and an end that says so.
    let outcome = lab.operate(|node, now| {
        node.get_immutable(now, 1, target, 100).unwrap();
    });
    assert_eq!(outcome.reason, Reason::Converged);
    assert!(outcome.copies >= 16, "{outcome:?}");
}

/// Rule L30.
#[test]
fn a_port_that_nobody_knows_is_not_announced() {
    let mut lab = Lab::public();
    let announce = |lab: &mut Lab, port| lab.node.announce(lab.now, 1, TARGET, port, PeerKind::Downloader);
    assert_eq!(announce(&mut lab, None), Err(CallError::UnknownPort(FOUR)));
    assert!(announce(&mut lab, Some(80)).is_ok());
}

#[test]
fn there_are_as_many_operations_as_memory_is_given_for() {
    // Elsewhere sixteen nodes do not bear so many.
    let mut config = config().local();
    config.capacity.operations = 1_000;
    let mut lab = Lab::new(config);
    lab.befriend(16);
    for tag in 0..1_000 {
        lab.node.lookup(lab.now, tag, TARGET).unwrap();
    }
    assert_eq!(lab.node.lookup(lab.now, 1_000, TARGET), Err(CallError::Full(1_000)));
    lab.drain();
    lab.run(Duration::from_secs(120));
    let ends =
        lab.news.iter().filter(|n| matches!(n, News::Finished { outcome, .. } if outcome.reason == Reason::Converged));
    assert_eq!(ends.count(), 1_000, "none waits for ever while others are served");
}
