//! Bootstrap nodes and the operations that ask them. Rules L2 and L5.

use std::rc::Rc;
use std::time::Duration;

use honeyguide::base::Rng;
use honeyguide::dht::{LinkId, Reason, SavedContact};
use honeyguide::internals::krpc::item;
use honeyguide::krpc::{Method, Query};
use honeyguide::{Config, Endpoint, Id, Input, Instant, Outcome};

use crate::lab::{LATENCY, Lab, Packet, config, error, honest_answer, nodes, pair, raw, reply};
use crate::world::News;

const TARGET: Id = Id([0x42; 20]);

/// A node that knows nobody but these addresses, which its operations ask.
fn told_of(config: Config, count: u16) -> (Lab, Vec<Endpoint>) {
    let mut lab = Lab::new(config);
    let routers: Vec<_> = (0..count).map(|n| lab.addr(1, n)).collect();
    lab.node.bootstrap(lab.now, 9, &routers).unwrap();
    lab.node.cancel(lab.now, 9);
    lab.drain();
    lab.sent.clear();
    (lab, routers)
}

/// The same with a window of twenty places, and the target of what the tests put.
fn about_to_put(routers: u16) -> (Lab, Vec<Endpoint>, Id) {
    let mut config = config();
    config.capacity.candidates = 20;
    let (lab, routers) = told_of(config, routers);
    (lab, routers, item::immutable_target(b"5:hello"))
}

/// The transactions in which a node was asked for a value or for peers.
fn asked(lab: &Lab, node: Endpoint) -> Vec<Vec<u8>> {
    lab.sent.iter().filter(|packet| packet.to == node && is_get(packet)).map(Packet::tid).collect()
}

fn is_get(packet: &Packet) -> bool {
    packet.query().is_some_and(|query| matches!(query.method, Method::Get { .. } | Method::GetPeers { .. }))
}

/// Rule L5. Seen in a small world: the put had an answer, stored nothing, and said that nobody was left to ask.
#[test]
fn the_only_node_that_answers_has_a_place_however_far_it_is() {
    let (mut lab, routers, target) = about_to_put(1);
    let opposite = Id(target.0.map(|byte| !byte));
    let router = routers[0];
    lab.minds.insert(router, Box::new(move |query| Some(honest_answer(&[], opposite, router, query))));
    // More of the dead than its window has places, and all are nearer.
    let mut rng = Rng::from_seed([5; 32]);
    let dead: Vec<_> =
        (0..50).map(|n| SavedContact { id: target.random_in_bucket(1, &mut rng), endpoint: lab.addr(2, n) }).collect();
    lab.node.import(lab.now, LinkId(0), &dead).unwrap();
    let outcome = lab.operate(|node, now| {
        node.put_immutable(now, 1, b"5:hello").unwrap();
    });
    assert_eq!((outcome.reason, outcome.answered, outcome.stored.all), (Reason::Converged, 2, 1), "{outcome:?}");
}

/// Rule L5.
#[test]
fn of_two_that_answer_one_has_a_place_whomever_they_name() {
    let (mut lab, routers, target) = about_to_put(2);
    let mut rng = Rng::from_seed([5; 32]);
    let mut dead =
        |group: u8, n: u16| (target.random_in_bucket(1, &mut rng), Endpoint::v4([30 + group, 1, n as u8, 9], 1));
    // Both are farther than all others, and name whom nobody else has named, and who does not answer.
    for (i, router) in routers.into_iter().enumerate() {
        let named: Vec<_> = (0..8).map(|n| dead(1 + i as u8, n)).collect();
        let mut far = Id(target.0.map(|byte| !byte));
        far.0[19] = i as u8;
        lab.minds.insert(router, Box::new(move |query| Some(honest_answer(&named, far, router, query))));
    }
    let saved: Vec<_> = (0..50).map(|n| dead(0, n)).map(|(id, endpoint)| SavedContact { id, endpoint }).collect();
    lab.node.import(lab.now, LinkId(0), &saved).unwrap();
    let outcome = lab.operate(|node, now| {
        node.put_immutable(now, 1, b"5:hello").unwrap();
    });
    assert!(outcome.reason == Reason::Converged && outcome.stored.all > 0, "{outcome:?}");
}

/// One bootstrap node names the second while that is being asked, and the third is silent.
fn named_while_asked(start: impl FnOnce(&mut Lab), found: &[u8]) -> Lab {
    let (mut lab, routers) = told_of(config(), 3);
    let mut rng = Rng::from_seed([5; 32]);
    let [one, two] = [routers[0], routers[1]].map(|router| (Id::secure(router.ip(), &mut rng), router));
    start(&mut lab);
    lab.drain();
    let tid = asked(&lab, one.1).remove(0);
    lab.give(one.1, &reply(&tid, &one.0, &[nodes(&[two]), pair(b"token", b"x")].concat()));
    lab.run(LATENCY * 3);
    let tids = asked(&lab, two.1);
    assert_eq!(tids.len(), 1, "asked once");
    lab.give(two.1, &reply(&tids[0], &two.0, &[&pair(b"token", b"y"), found].concat()));
    lab
}

#[test]
fn a_bootstrap_node_that_another_names_meanwhile_is_asked_once_and_counts_once() {
    let target = item::immutable_target(b"5:hello");
    let get = |lab: &mut Lab| {
        lab.node.get_immutable(lab.now, 1, target, 2).unwrap();
    };
    let outcome = named_while_asked(get, &raw(b"v", b"5:hello")).finish();
    assert_eq!((outcome.reason, outcome.copies), (Reason::Converged, 1));
    let get_peers = |lab: &mut Lab| {
        lab.node.get_peers(lab.now, 1, TARGET).unwrap();
    };
    let mut lab = named_while_asked(get_peers, &raw(b"values", b"l6:\x08\x08\x08\x08\x1a\xe1e"));
    assert_eq!(lab.finish().answered, 2);
    assert_eq!(lab.news.iter().filter(|news| matches!(news, News::Peers { tag: 1, .. })).count(), 1);
}

#[test]
fn a_bootstrap_node_that_was_not_asked_is_found_like_any_other() {
    let mut lab = Lab::public();
    let router = lab.stranger();
    lab.node.bootstrap(lab.now, 9, &[router]).unwrap();
    lab.node.cancel(lab.now, 9);
    lab.drain();
    let mut near = TARGET;
    near.0[19] ^= 1;
    for &(id, friend) in lab.friends.clone().iter() {
        let friends = [&lab.friends[..7], &[(near, router)]].concat();
        lab.minds.insert(friend, Box::new(move |query| Some(honest_answer(&friends, id, friend, query))));
    }
    lab.operate(|node, now| {
        node.get_peers(now, 1, TARGET).unwrap();
    });
    assert_eq!(asked(&lab, router).len(), 1);
}

/// Sixteen are kept. One more takes the place of the oldest, also while somebody is about to ask them; and since nobody
/// answers, those that are kept are asked once more.
#[test]
fn who_waits_for_a_place_asks_each_bootstrap_node_that_is_still_kept() {
    let mut config = config();
    config.capacity.transactions = 8;
    let (mut lab, routers) = told_of(config, 16);
    lab.node.get_peers(lab.now, 1, TARGET).unwrap();
    lab.drain();
    let at_once = lab.sent.len();
    assert!((1..16).contains(&at_once), "{at_once} are asked at once");
    for n in 0..2 {
        let one_more = lab.addr(2, n);
        lab.node.bootstrap(lab.now, 9, &[one_more]).unwrap();
        lab.node.cancel(lab.now, 9);
    }
    let mut times: Vec<Vec<Instant>> = vec![Vec::new(); 16];
    for _ in 0..2_000 {
        for packet in lab.sent.drain(..) {
            let router = routers.iter().position(|&router| router == packet.to);
            if let Some(router) = router.filter(|_| is_get(&packet)) {
                times[router].push(lab.now);
            }
        }
        lab.run(Duration::from_millis(10));
    }
    let often: Vec<_> = times.iter().map(Vec::len).collect();
    assert_eq!((&often[..2], &often[2..]), ([1; 2].as_slice(), [2; 14].as_slice()));
    // The last of them had to wait for a place, and has as long to answer as the first.
    let gaps = times[2..].iter().map(|times| times[1].since(times[0]));
    assert!(gaps.min() >= Some(Duration::from_millis(990)), "{times:?}");
}

/// Rules L5 and L12: one that is late is waited for like anybody who is.
#[test]
fn a_bootstrap_node_that_is_silent_holds_up_no_lookup_that_has_answers() {
    let mut lab = Lab::new(config());
    lab.befriend(4);
    let router = lab.addr(1, 0);
    lab.node.bootstrap(lab.now, 9, &[router]).unwrap();
    lab.node.cancel(lab.now, 9);
    lab.drain();
    lab.sent.clear();
    let outcome = lab.operate(|node, now| {
        node.get_peers(now, 1, TARGET).unwrap();
    });
    assert_eq!((asked(&lab, router).len(), outcome.reason, outcome.answered), (1, Reason::Converged, 4));
    assert!(outcome.elapsed < Duration::from_secs(1), "{:?}", outcome.elapsed);
}

/// A bootstrap node names a node.
fn one_names(lab: &mut Lab, one: Endpoint, named: Endpoint) {
    let mut rng = Rng::from_seed([5; 32]);
    let [id, of_named] = [one, named].map(|node| Id::secure(node.ip(), &mut rng));
    let tid = asked(lab, one).remove(0);
    lab.give(one, &reply(&tid, &id, &nodes(&[(of_named, named)])));
    lab.run(Duration::from_secs(5));
}

/// Rule L5: one lost datagram fails no operation. Whoever answers is not asked again, and who answers twice is one.
#[test]
fn bootstrap_nodes_are_asked_once_more_while_nobody_answers() {
    for (answers_first, delay, times) in [(false, 0, 2), (true, 500, 1), (true, 1_300, 2)] {
        let (mut lab, routers) = told_of(config(), 1);
        let router = routers[0];
        let id = Id::secure(router.ip(), &mut Rng::from_seed([5; 32]));
        lab.node.get_immutable(lab.now, 1, item::immutable_target(b"5:hello"), 2).unwrap();
        lab.drain();
        let body = b"5:token1:t1:v5:hello";
        let first = asked(&lab, router).remove(0);
        lab.run(Duration::from_millis(delay));
        if answers_first {
            lab.give(router, &reply(&first, &id, body));
        }
        lab.run(Duration::from_millis(1_300 - delay.min(1_300)));
        let all = asked(&lab, router);
        assert_eq!(all.len(), times, "after {delay} ms");
        if times > 1 {
            lab.give(router, &reply(&all[1], &id, body));
        }
        let outcome = lab.finish();
        assert_eq!((outcome.reason, outcome.results, outcome.copies), (Reason::Converged, 1, 1), "after {delay} ms");
    }
}

/// Nobody knows who is there, so it is no candidate that has failed.
#[test]
fn a_bootstrap_node_that_failed_is_found_like_any_other() {
    type Failure = fn(&mut Lab, Endpoint, &[u8]);
    let failures: [Failure; 4] = [
        |lab, to, _| lab.input(Input::SendFailed { link: LinkId(0), to }),
        |lab, to, _| lab.input(Input::Refused { link: LinkId(0), to }),
        |lab, from, tid| drop(lab.give(from, &error(tid, 202))),
        |lab, from, tid| drop(lab.give(from, &[b"d1:r5:wrong1:t4:", tid, b"1:y1:re"].concat())),
    ];
    for (n, fail) in failures.into_iter().enumerate() {
        let (mut lab, routers) = told_of(config(), 2);
        lab.node.get_peers(lab.now, 1, TARGET).unwrap();
        lab.drain();
        let tid = asked(&lab, routers[0]).remove(0);
        fail(&mut lab, routers[0], &tid);
        one_names(&mut lab, routers[1], routers[0]);
        assert_eq!(asked(&lab, routers[0]).len(), 2, "failure {n}");
    }
}

/// The first is silent when it is asked and when it is asked again; it is named when the hard timeout of that has passed.
#[test]
fn a_bootstrap_node_that_was_silent_is_found_like_any_other() {
    let (mut lab, routers) = told_of(config(), 2);
    let third = (Id::secure(lab.addr(3, 0).ip(), &mut Rng::from_seed([6; 32])), lab.addr(3, 0));
    lab.node.get_peers(lab.now, 1, TARGET).unwrap();
    lab.drain();
    lab.run(Duration::from_millis(1900));
    let tid = asked(&lab, routers[1]).remove(0);
    lab.give(routers[1], &reply(&tid, &Id::secure(routers[1].ip(), &mut Rng::from_seed([5; 32])), &nodes(&[third])));
    lab.run(Duration::from_millis(1200));
    let tid = asked(&lab, third.1).remove(0);
    let first = (Id::secure(routers[0].ip(), &mut Rng::from_seed([4; 32])), routers[0]);
    assert_eq!(asked(&lab, routers[0]).len(), 2);
    lab.give(third.1, &reply(&tid, &third.0, &nodes(&[first])));
    lab.run(Duration::from_secs(5));
    assert_eq!(asked(&lab, routers[0]).len(), 3);
}

/// A lookup has asked sixteen, as many as are kept; then one more is named, which takes the place of the first.
fn one_more_than_are_kept() -> (Lab, Vec<Endpoint>, Endpoint) {
    let (mut lab, routers) = told_of(config(), 16);
    lab.node.get_peers(lab.now, 1, TARGET).unwrap();
    lab.drain();
    let later = lab.addr(2, 0);
    lab.node.bootstrap(lab.now, 9, &[later]).unwrap();
    lab.node.cancel(lab.now, 9);
    (lab, routers, later)
}

/// It has the place of one in the list, and was not asked.
#[test]
fn a_bootstrap_node_that_took_the_place_of_one_that_was_asked_is_found_like_any_other() {
    let (mut lab, routers, later) = one_more_than_are_kept();
    one_names(&mut lab, routers[1], later);
    assert_eq!(asked(&lab, later).len(), 1);
}

#[test]
fn a_bootstrap_node_that_lost_its_place_while_it_was_asked_is_not_asked_again() {
    let (mut lab, routers, _) = one_more_than_are_kept();
    one_names(&mut lab, routers[1], routers[0]);
    assert_eq!(asked(&lab, routers[0]).len(), 1);
}

#[test]
fn a_bootstrap_node_that_names_itself_by_another_id_is_asked_once() {
    let (mut lab, routers) = told_of(config(), 1);
    lab.node.get_peers(lab.now, 1, TARGET).unwrap();
    lab.drain();
    one_names(&mut lab, routers[0], routers[0]);
    assert_eq!(asked(&lab, routers[0]).len(), 1);
    assert_eq!(lab.outcome().map(|outcome| (outcome.reason, outcome.answered)), Some((Reason::Converged, 1)));
}

/// Sixteen are kept: all of the latest call, and of those before the ones that were named last.
#[test]
fn a_call_keeps_every_bootstrap_node_that_it_names_and_those_go_that_were_named_longest_ago() {
    let kept = |calls: &[Vec<u16>]| -> Vec<u16> {
        let (mut lab, _) = told_of(config(), 16);
        for call in calls {
            let nodes: Vec<_> = call.iter().map(|&n| lab.addr(1, n)).collect();
            lab.node.bootstrap(lab.now, 9, &nodes).unwrap();
            lab.node.cancel(lab.now, 9);
            lab.drain();
        }
        lab.node.get_peers(lab.now, 1, TARGET).unwrap();
        lab.drain();
        (0..40).filter(|&n| !asked(&lab, lab.addr(1, n)).is_empty()).collect()
    };
    let without_1: Vec<u16> = [0].into_iter().chain(2..17).collect();
    assert_eq!(kept(&[vec![0, 16]]), without_1);
    assert_eq!(kept(&[vec![16, 0]]), without_1);
    assert_eq!(kept(&[vec![0], vec![16]]), without_1, "the latest that was named, and not the latest that was new");
    assert_eq!(kept(&[vec![16]]), Vec::from_iter(1..17));
    assert_eq!(kept(&[vec![16], vec![17], vec![18, 19]]), Vec::from_iter(4..20));
    assert_eq!(kept(&[Vec::from_iter(8..24)]), Vec::from_iter(8..24));
    assert_eq!(kept(&[Vec::from_iter((8..24).rev())]), Vec::from_iter(8..24));
    assert_eq!(kept(&[Vec::from_iter(16..40)]), Vec::from_iter(16..32), "the first of one call");
    // However often others are named.
    let often: Vec<_> = (0..300).map(|_| Vec::from_iter(1..16)).chain([vec![16, 17]]).collect();
    assert_eq!(kept(&often), Vec::from_iter(2..18));
}

/// What came of sixty gets at once.
struct Sixty {
    called: Instant,
    /// When the bootstrap node was sent a packet.
    asked: Vec<Instant>,
    /// How they ended, when, and whether the bootstrap node is one of the nearest to what they look for.
    ended: Vec<(Outcome, Instant, bool)>,
}

/// Sixty gets at once of a node that knows one bootstrap node, which knows 200 others or is silent.
fn sixty_gets(is_there: bool) -> Sixty {
    let mut config = Config::default();
    config.capacity.operations = 60;
    let (mut lab, routers) = told_of(config, 1);
    let mut rng = Rng::from_seed([3; 32]);
    let others = (0..200).map(|n| lab.addr(2, n)).chain(routers.iter().copied());
    lab.friends = Rc::new(others.map(|endpoint| (Id::secure(endpoint.ip(), &mut rng), endpoint)).collect());
    for &(id, endpoint) in lab.friends.clone().iter().filter(|_| is_there) {
        let mind = lab.honest(id, endpoint);
        lab.minds.insert(endpoint, mind);
    }
    let mut sixty = Sixty { called: lab.now, asked: Vec::new(), ended: Vec::new() };
    let targets: Vec<_> = (0..60).map(|_| Id(rng.bytes())).collect();
    for (tag, &target) in (100..).zip(&targets) {
        lab.node.get_immutable(lab.now, tag, target, 2).unwrap();
    }
    let router = lab.friends[200].0;
    let is_near = |target: &Id| {
        let nearer = |(id, _): &&(Id, Endpoint)| id.distance(target) < router.distance(target);
        lab.friends.iter().filter(nearer).count() < 8
    };
    let near: Vec<_> = targets.iter().map(is_near).collect();
    lab.drain();
    let end = lab.now + Duration::from_secs(60);
    while lab.now < end && sixty.ended.len() < 60 {
        let to_it = lab.sent.drain(..).filter(|packet| packet.to == routers[0]).count();
        sixty.asked.extend(std::iter::repeat_n(lab.now, to_it));
        lab.run(Duration::from_millis(10));
        for news in lab.news.drain(..) {
            if let News::Finished { tag: tag @ 100.., outcome } = news {
                sixty.ended.push((outcome, lab.now, near[tag as usize - 100]));
            }
        }
    }
    sixty
}

fn most_in_ten_seconds(times: &[Instant]) -> usize {
    let since = |from: Instant| times.iter().filter(|at| (from..from + Duration::from_secs(10)).contains(at)).count();
    times.iter().map(|&from| since(from)).max().unwrap_or(0)
}

/// Rule L42. The others hear of whom it names from those that were answered, before it bears more.
#[test]
fn a_bootstrap_node_is_sent_no_more_than_it_bears_and_nobody_waits_for_it_who_knows_others() {
    let Sixty { called, asked, ended } = sixty_gets(true);
    assert_eq!(ended.len(), 60);
    assert!(ended.iter().all(|(outcome, ..)| outcome.answered >= 8), "{ended:?}");
    assert!((10..=40).contains(&most_in_ten_seconds(&asked)), "{asked:?}");
    let [mut others, mut near] = [Duration::ZERO; 2];
    for &(_, at, is_near) in &ended {
        let longest = if is_near { &mut near } else { &mut others };
        *longest = at.since(called).max(*longest);
    }
    assert!(others < Duration::from_millis(340) && near < Duration::from_secs(3), "{others:?}, {near:?}");
    let again = asked.iter().filter(|at| at.since(called) > Duration::from_millis(250)).count();
    assert!(again <= ended.iter().filter(|(.., is_near)| *is_near).count(), "{again}");
}

/// Nobody else is known, so each has to ask it before it may give up.
#[test]
fn a_bootstrap_node_that_is_silent_is_asked_by_each_operation_in_its_turn() {
    let Sixty { asked, ended, .. } = sixty_gets(false);
    assert!(asked.len() >= 60, "{}", asked.len());
    assert!(most_in_ten_seconds(&asked) <= 40, "{asked:?}");
    assert_eq!(ended.len(), 60);
    assert!(ended.iter().all(|(outcome, ..)| outcome.reason == Reason::Exhausted), "{ended:?}");
}

/// Rules L42 and D4. Its bootstrap node has had enough; two others become contacts meanwhile.
#[test]
fn of_those_who_were_found_meanwhile_who_shares_our_address_is_asked_last() {
    let mut config = Config::default();
    config.capacity.operations = 20;
    let (mut lab, _) = told_of(config, 1);
    let mut rng = Rng::from_seed([3; 32]);
    let [neighbour, other] =
        [2, 3].map(|n| lab.addr(n, 0)).map(|endpoint| (Id::secure(endpoint.ip(), &mut rng), endpoint));
    lab.node.set_external(lab.now, LinkId(0), neighbour.1.with_port(1)).unwrap();
    lab.friends = Rc::new(vec![neighbour, other]);
    for (id, endpoint) in [neighbour, other] {
        let mind = lab.honest(id, endpoint);
        lab.minds.insert(endpoint, mind);
    }
    for tag in 100..110 {
        lab.node.get_immutable(lab.now, tag, Id([tag as u8; 20]), 2).unwrap();
    }
    lab.drain();
    lab.node.get_immutable(lab.now, 110, neighbour.0, 2).unwrap();
    lab.node.ping(lab.now, 111, neighbour.1).unwrap();
    lab.node.ping(lab.now, 112, other.1).unwrap();
    lab.run(Duration::from_millis(600));
    assert!(lab.knows(neighbour.1) && lab.knows(other.1));
    let is_of_last = |method| matches!(method, Method::Get { target, .. } if target == neighbour.0);
    let of_last = lab.sent.iter().filter(|packet| packet.query().is_some_and(|query| is_of_last(query.method)));
    assert_eq!(of_last.map(|packet| packet.to).collect::<Vec<_>>(), [other.1, neighbour.1]);
}

/// Rule L42. Those who are known have gone: their last word need not be waited for.
#[test]
fn a_bootstrap_node_that_was_put_off_is_asked_when_it_bears_more_and_others_are_late() {
    let mut config = Config::default();
    config.capacity.operations = 20;
    let (mut lab, routers) = told_of(config, 1);
    let mut rng = Rng::from_seed([3; 32]);
    let gone = [2, 3, 4].map(|n| lab.addr(n, 0)).map(|endpoint| (Id::secure(endpoint.ip(), &mut rng), endpoint));
    lab.friends = Rc::new(gone.to_vec());
    for (tag, (id, endpoint)) in (200..).zip(gone) {
        let mind = lab.honest(id, endpoint);
        lab.minds.insert(endpoint, mind);
        lab.node.ping(lab.now, tag, endpoint).unwrap();
    }
    lab.drain();
    lab.run(Duration::from_millis(600));
    assert!(gone.iter().all(|(_, endpoint)| lab.knows(*endpoint)));
    lab.minds.clear();
    (100..110).for_each(|tag| _ = lab.node.ping(lab.now, tag, routers[0]).unwrap());
    lab.drain();
    let called = lab.now;
    lab.node.get_immutable(lab.now, 110, TARGET, 2).unwrap();
    lab.drain();
    let is_last = |query: Query<'_>| matches!(query.method, Method::Get { target: TARGET, .. });
    let has_asked =
        |lab: &Lab, to| lab.sent.iter().any(|packet| packet.to == to && packet.query().is_some_and(is_last));
    while !has_asked(&lab, routers[0]) {
        lab.run(Duration::from_millis(10));
        assert!(lab.now.since(called) < Duration::from_millis(1_500));
    }
    assert!(gone.iter().all(|(_, endpoint)| has_asked(&lab, *endpoint)));
}

/// Rule T42. Three contacts that know nobody else are no network; its bootstrap nodes are asked again and again.
#[test]
fn a_table_with_few_contacts_is_bootstrapped_like_an_empty_one() {
    let mut lab = Lab::new(config());
    lab.befriend(3);
    let router = lab.addr(1, 0);
    lab.node.bootstrap(lab.now, 9, &[router]).unwrap();
    lab.run(Duration::from_secs(3_600));
    assert_eq!(lab.node.contacts().count(), 3);
    let tries = lab.sent_to(router);
    assert!((10..40).contains(&tries), "{tries} tries in an hour");
    let mut rng = Rng::from_seed([5; 32]);
    let others: Vec<_> = (0..40).map(|n| lab.addr(1, n)).map(|at| (Id::secure(at.ip(), &mut rng), at)).collect();
    lab.friends = Rc::new(others);
    for &(id, endpoint) in lab.friends.clone().iter() {
        let mind = lab.honest(id, endpoint);
        lab.minds.insert(endpoint, mind);
    }
    lab.run(Duration::from_secs(300));
    assert!(lab.node.contacts().count() >= 30, "{} contacts", lab.node.contacts().count());
}
