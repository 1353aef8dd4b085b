//! When an operation ends, and what it says of why: its deadline, and of several parts the reason that counts.

use std::time::Duration;

use honeyguide::base::Rng;
use honeyguide::dht::{LinkConfig, PeerKind, Rate, Reason};
use honeyguide::krpc::{Family, Item, Method, Query};
use honeyguide::{Command, Config, Endpoint, Id, Input, Outcome};

use crate::lab::{self, Lab};
use crate::promises::finished;
use crate::scopes::{NOTHING, address, dual_of};
use crate::world::News;

const TARGET: Id = Id([0x42; 20]);

/// A node on both families whose put, or announce, has its eight confirmations of one family, where four nodes have not
/// said yet, and none of the other.
fn with_one_part_settled(mut config: Config, settled: Family, command: Command<'_>) -> Lab {
    config.lookup.replicas = 12;
    // What a poor node asks for itself would take turns with it.
    config.table.enough = 0;
    let mut lab = dual_of(config, 12, 12, NOTHING);
    let (mut of_settled, nodes) = (0, lab.minds.keys().copied().collect::<Vec<_>>());
    for node in nodes {
        of_settled += u32::from(node.family() == settled);
        let stores = node.family() == settled && of_settled <= 8;
        let mut mind = lab.minds.remove(&node).unwrap();
        lab.minds.insert(
            node,
            Box::new(move |query| match query.method {
                Method::Put { .. } | Method::AnnouncePeer { .. } if !stores => None,
                _ => mind(query),
            }),
        );
    }
    let op = lab.node.command(lab.now, 1, command).unwrap();
    lab.drain();
    lab.run(Duration::from_millis(500));
    let mut stored = lab.node.op(op).expect("it goes on").outcome.links.map(|link| link.stored);
    if settled == Family::V6 {
        stored.swap(0, 1);
    }
    assert_eq!(stored[..2], [8, 0], "confirmed by the family that is settled, and by the other");
    lab
}

/// Rule L31: cancelled, deadline, then converged, whichever part is looked at first.
#[test]
fn a_put_that_one_link_has_confirmed_does_not_converge_when_it_is_cancelled_or_out_of_time() {
    let put = Command::PutImmutable { value: b"5:hello" };
    let announce = Command::Announce { info_hash: TARGET, port: Some(80), kind: PeerKind::Downloader };
    for (command, settled) in [(put, Family::V4), (put, Family::V6), (announce, Family::V4), (announce, Family::V6)] {
        let mut lab = with_one_part_settled(lab::config(), settled, command);
        lab.node.cancel(lab.now, 1);
        lab.drain();
        assert_eq!(lab.outcome().map(|outcome| outcome.reason), Some(Reason::Cancelled), "{command:?}, {settled:?}");
        let mut brief = lab::config();
        brief.lookup.deadline = Duration::from_secs(1);
        let outcome = with_one_part_settled(brief, settled, command).finish();
        assert_eq!((outcome.reason, outcome.elapsed), (Reason::Deadline, Duration::from_secs(1)), "{settled:?}");
        assert_eq!(outcome.stored.all, 8, "{command:?}");
    }
}

/// Rule L31: that a part found nobody says nothing against the copies of the other.
#[test]
fn a_put_that_one_link_has_confirmed_converges_when_the_other_has_tried_all() {
    for settled in [Family::V4, Family::V6] {
        let outcome =
            with_one_part_settled(lab::config(), settled, Command::PutImmutable { value: b"5:hello" }).finish();
        assert_eq!((outcome.reason, outcome.stored.all), (Reason::Converged, 8));
    }
}

/// A node with one place for queries in flight that knows so many nodes of each family, all of whom answered at once: a
/// longer way would let more queries be under way.
fn with_one_place(deadline: Duration, fours: u8, sixes: u8) -> Lab {
    let mut narrow = lab::config().with_links(&[LinkConfig::V4, LinkConfig::V6]).unwrap();
    (narrow.lookup.in_flight, narrow.lookup.deadline) = (1, deadline);
    let (mut lab, mut rng) = (Lab::new(narrow), Rng::from_seed([3; 32]));
    let nodes = (0..fours).map(|n| address(Family::V4, n)).chain((0..sixes).map(|n| address(Family::V6, n)));
    for endpoint in nodes {
        lab.node.ping(lab.now, 9, endpoint).unwrap();
        lab.drain();
        let query = lab.query_to(endpoint);
        lab.give_via(query.link, endpoint, &lab::reply(&query.tid(), &Id::secure(endpoint.ip(), &mut rng), b""));
    }
    lab
}

/// Rule L33: with one place for all queries in flight and nobody who answers, the second link's part has to wait for half
/// a second before it may ask.
#[test]
fn the_deadline_of_all_parts_runs_from_the_first_query_of_any() {
    for (deadline, links_that_asked) in [(1_000, 2), (400, 1)] {
        let mut lab = with_one_place(Duration::from_millis(deadline), 1, 3);
        let began = lab.now;
        let outcome = lab.operate(|node, now| {
            node.lookup(now, 1, TARGET).unwrap();
        });
        let elapsed = Duration::from_millis(deadline);
        assert_eq!((outcome.reason, outcome.elapsed, lab.now.since(began)), (Reason::Deadline, elapsed, elapsed));
        assert_eq!(outcome.links.iter().filter(|link| link.queried > 0).count(), links_that_asked);
    }
}

/// Rule L33: the only place in flight is taken for longer than an operation may take.
#[test]
fn a_deadline_does_not_run_while_an_operation_waits_with_its_first_query() {
    let mut lab = with_one_place(Duration::from_secs(1), 8, 0);
    for contact in lab.node.contacts().map(|(_, contact)| contact).collect::<Vec<_>>() {
        let answer = move |query: &Query<'_>| Some(lab::reply(query.tid, &contact.id, b""));
        lab.minds.insert(contact.endpoint, Box::new(answer));
    }
    for tag in [2, 3, 4] {
        let silent = lab.stranger();
        lab.node.ping(lab.now, tag, silent).unwrap();
    }
    let began = lab.now;
    let outcome = lab.operate(|node, now| {
        node.lookup(now, 1, TARGET).unwrap();
    });
    assert!(lab.now.since(began) > Duration::from_millis(1_500), "it waited in line: {outcome:?}");
    assert_eq!((outcome.reason, outcome.answered), (Reason::Converged, 8));
    assert!(outcome.elapsed < Duration::from_secs(1), "{outcome:?}");
}

/// Rule L33: of strangers one a second may be asked, and eight have to answer.
#[test]
fn a_deadline_stands_still_while_the_budget_for_unverified_nodes_alone_holds_an_operation_up() {
    let deadline = Duration::from_secs(5);
    let mut slow = lab::config();
    slow.lookup.unverified_query_rate = Rate { per_second: 1, burst: 1 };
    slow.lookup.deadline = deadline;
    let mut lab = Lab::new(slow);
    lab.befriend(4);
    let stranger = |n: u8| (Id([0x42 ^ n; 20]), Endpoint::v4([55, n, 1, 5], 53));
    for &(id, endpoint) in &*lab.friends.clone() {
        let named: Vec<_> = (0..8).map(stranger).collect();
        lab.minds.insert(endpoint, Box::new(move |query| Some(lab::reply(query.tid, &id, &lab::nodes(&named)))));
    }
    lab.anyone_else = Some(Box::new(move |to, query| match to.ip_bytes() {
        [55, n, ..] => Some(lab::reply(query.tid, &stranger(*n).0, b"")),
        _ => None,
    }));
    let outcome = lab.operate(|node, now| {
        node.lookup(now, 1, TARGET).unwrap();
    });
    assert_eq!(outcome.reason, Reason::Converged, "{outcome:?}");
    assert!(outcome.answered > 8 && outcome.elapsed > deadline * 2, "{outcome:?}");
}

/// Rule L33. Whoever answers at once, and always names nodes that are nearer and that nobody knows, keeps the budget
/// empty.
#[test]
fn an_operation_that_is_held_up_again_and_again_ends_after_four_deadlines() {
    let deadline = Duration::from_secs(3);
    let mut slow = lab::config();
    slow.lookup.unverified_query_rate = Rate { per_second: 1, burst: 1 };
    slow.lookup.deadline = deadline;
    let mut lab = Lab::new(slow);
    lab.befriend(4);
    // At each step nearer by a byte.
    let stranger = |step: u8, n: u8| {
        let mut id = TARGET.0;
        id[usize::from(step) % 20] ^= 1 + n;
        (Id(id), Endpoint::v4([55, step, n, 5], 53))
    };
    for &(id, endpoint) in &*lab.friends.clone() {
        let named: Vec<_> = (0..8).map(|n| stranger(0, n)).collect();
        lab.minds.insert(endpoint, Box::new(move |query| Some(lab::reply(query.tid, &id, &lab::nodes(&named)))));
    }
    lab.anyone_else = Some(Box::new(move |to, query| match *to.ip_bytes() {
        [55, step, n, 5] => {
            let named: Vec<_> = (0..8).map(|n| stranger(step + 1, n)).collect();
            Some(lab::reply(query.tid, &stranger(step, n).0, &lab::nodes(&named)))
        }
        _ => None,
    }));
    let outcome = lab.operate(|node, now| {
        node.lookup(now, 1, TARGET).unwrap();
    });
    assert_eq!((outcome.reason, outcome.elapsed), (Reason::Deadline, deadline * 4), "{outcome:?}");
}

/// Rule L13.
#[test]
fn an_operation_ends_at_its_deadline_also_when_drains_are_skipped() {
    for skipped in [0, 3] {
        let mut config = lab::config();
        config.lookup.deadline = Duration::from_secs(1);
        let mut lab = Lab::new(config);
        lab.befriend(4);
        lab.minds.clear();
        lab.node.lookup(lab.now, 1, TARGET).unwrap();
        lab.drain();
        lab.now += Duration::from_secs(1);
        for _ in 0..skipped {
            lab.node.handle_input(lab.now, Input::Timeout);
            lab.now += Duration::from_millis(1);
        }
        lab.timeout();
        assert_eq!(finished(&lab, 1), [Reason::Deadline]);
        lab.run(Duration::from_secs(10));
        assert_eq!(finished(&lab, 1).len(), 1);
    }
}

/// Rule L13: what comes of its query before the next drain changes nothing.
#[test]
fn a_question_to_one_node_that_is_cancelled_was_cancelled_though_the_node_fails() {
    for code in [Some(202), None] {
        let mut lab = Lab::new(lab::config());
        let node = lab.stranger();
        lab.node.ping(lab.now, 1, node).unwrap();
        lab.drain();
        let tid = lab.query_to(node).tid();
        lab.node.cancel(lab.now, 1);
        match code {
            Some(code) => drop(lab.give(node, &lab::error(&tid, code))),
            None => {
                lab.now += Duration::from_secs(3);
                lab.timeout();
            }
        }
        assert_eq!(finished(&lab, 1), [Reason::Cancelled], "{code:?}");
    }
}

/// Rule L27. The first place is that of a put whose user waits, the second that of one that was reported.
#[test]
fn a_put_that_was_reported_makes_room_for_others_and_one_that_is_waited_for_does_not() {
    let mut config = lab::config();
    config.lookup.replicas = 16;
    let mut lab = Lab::new(config);
    lab.befriend(16);
    let target = Item::immutable_target(b"5:hello");
    let mut far = lab.friends.to_vec();
    far.sort_by_key(|(id, _)| id.distance(&target));
    for (id, endpoint) in far.split_off(8) {
        let friends = lab.friends.clone();
        let mind = move |query: &Query<'_>| match query.method {
            Method::Put { .. } => None,
            _ => Some(lab::honest_answer(&friends, id, endpoint, query)),
        };
        lab.minds.insert(endpoint, Box::new(mind));
    }
    let silent = lab.stranger();
    lab.node.ping(lab.now, 9, silent).unwrap();
    assert_eq!(lab.operate(|node, now| _ = node.put_immutable(now, 1, b"5:hello").unwrap()).stored.all, 8);
    lab.node.cancel(lab.now, 9);
    lab.drain();
    lab.news.clear();
    lab.node.put_immutable(lab.now, 1, b"5:hello").unwrap();
    let looked = (2..9).map(|tag| lab.node.lookup(lab.now, tag, TARGET)).take_while(Result::is_ok).count();
    assert_eq!(looked, 3, "all places but that of the put");
    lab.drain();
    assert_eq!(lab.finish().stored.all, 8);
}

/// The lists of nodes that were told, and the end.
fn lists(lab: &mut Lab) -> (Vec<Vec<Endpoint>>, Outcome) {
    let outcome = lab.operate(|node, now| {
        node.lookup(now, 1, TARGET).unwrap();
    });
    let lists = lab.news.iter().filter_map(|news| match news {
        News::Nodes { nodes, .. } => Some(nodes.iter().map(|(_, addr)| Endpoint::from(*addr)).collect()),
        _ => None,
    });
    (lists.collect(), outcome)
}

/// Rule L43: also of two links, where on one of them nobody is late.
#[test]
fn a_list_is_told_at_once_and_whole_in_the_end_if_one_of_the_nearest_is_late() {
    for mut lab in [Lab::public(), dual_of(lab::config(), 12, 12, NOTHING)] {
        let (all, outcome) = lists(&mut lab);
        let [whole] = &all[..] else { panic!("{all:?}") };
        assert_eq!(whole.len(), usize::from(outcome.results), "nobody is late");
        let nearest = whole[0];
        lab.news.clear();
        lab.minds.insert(nearest, Box::new(|_| None));
        let (all, outcome) = lists(&mut lab);
        let [first, whole] = &all[..] else { panic!("{all:?}") };
        assert_eq!((first, whole.len()), (whole, usize::from(outcome.results)), "it never answered");
        assert!(!whole.contains(&nearest));
        assert_eq!(outcome.reason, Reason::Converged);
    }
}
