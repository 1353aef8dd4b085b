//! What the contract promises to whoever embeds a node, one promise a test.

use std::collections::BTreeSet;
use std::time::Duration;

use honeyguide::Instant;
use honeyguide::base::Rng;
use honeyguide::dht::CallError;
use honeyguide::dht::DropReason::{ReadOnly, ReplyOverflow, ResultOverflow, Unsolicited};
use honeyguide::dht::Health;
use honeyguide::dht::LinkConfig;
use honeyguide::dht::Role;
use honeyguide::dht::{Buffer, DirectQuery, Freshness, LinkId, PeerKind, Reason, Scope};
use honeyguide::internals::krpc::{compact, item};
use honeyguide::krpc::{Family, Item, ItemError, Method};
use honeyguide::{Command, Input, Output};
use honeyguide::{Endpoint, Id};

use crate::lab::{LATENCY, Lab, config, nodes, pair, query, query_of, raw, reply, string};
use crate::world::News;

const TARGET: Id = Id([0x42; 20]);

pub fn finished(lab: &Lab, tag: u64) -> Vec<Reason> {
    let ends = lab.news.iter().filter_map(|news| match news {
        News::Finished { tag: t, outcome } if *t == tag => Some(outcome.reason),
        _ => None,
    });
    ends.collect()
}

/// Friends, nearest to the target first.
fn by_distance(lab: &Lab, target: &Id) -> Vec<(Id, Endpoint)> {
    let mut friends = lab.friends.to_vec();
    friends.sort_by_key(|(id, _)| id.distance(target));
    friends
}

// Ends.

/// Rule L14.
#[test]
fn an_answer_after_the_end_feeds_the_table_and_is_no_event() {
    for mut lab in Lab::each() {
        let value = b"5:hello";
        let target = item::immutable_target(value);
        let friends = by_distance(&lab, &target);
        let ((id, first), stranger) = (friends[0], lab.stranger());
        // The first is slow with the value; the second names a stranger, who is even slower.
        let (second_id, second) = friends[1];
        let mut near = target;
        near.0[19] ^= 1;
        lab.minds
            .insert(second, Box::new(move |query| Some(reply(query.tid, &second_id, &nodes(&[(near, stranger)])))));
        lab.minds.remove(&first);
        lab.node.get_immutable(lab.now, 1, target, 1).unwrap();
        lab.drain();
        lab.run(LATENCY * if lab.is_local() { 2 } else { 5 });
        let (to_first, to_stranger) = (lab.query_to(first).tid(), lab.query_to(stranger).tid());
        lab.give(first, &reply(&to_first, &id, &raw(b"v", value)));
        assert_eq!(finished(&lab, 1), [Reason::Hit]);
        let told = lab.news.len();
        lab.give(stranger, &reply(&to_stranger, &near, &raw(b"v", value)));
        assert!(lab.knows(stranger), "it answered a query of ours");
        lab.run(Duration::from_secs(40));
        assert_eq!(lab.news.len(), told, "{:?}", &lab.news[told..]);
        assert_eq!(lab.dropped(Unsolicited), 0);
    }
}

#[test]
fn an_operation_cancelled_before_its_first_drain_sends_nothing() {
    for mut lab in Lab::each() {
        lab.node.lookup(lab.now, 1, TARGET).unwrap();
        lab.node.cancel(lab.now, 1);
        lab.drain();
        assert_eq!((lab.sent.len(), finished(&lab, 1)), (0, vec![Reason::Cancelled]));
        lab.run(Duration::from_secs(40));
        assert_eq!(finished(&lab, 1).len(), 1);
    }
}

/// Rule L13.
#[test]
fn an_operation_cancelled_on_its_way_ends_once_and_says_nothing_more() {
    for mut lab in Lab::each() {
        let op = lab.node.get_peers(lab.now, 1, TARGET).unwrap();
        // The same tag, another operation: both end.
        lab.node.lookup(lab.now, 1, TARGET).unwrap();
        lab.node.lookup(lab.now, 2, TARGET).unwrap();
        lab.drain();
        assert!(lab.node.op(op).is_some());
        lab.node.cancel(lab.now, 1);
        lab.node.cancel(lab.now, 77);
        lab.drain();
        assert_eq!(finished(&lab, 1), [Reason::Cancelled; 2]);
        assert!(lab.node.op(op).is_none(), "the handle is stale");
        lab.run(Duration::from_secs(40));
        assert_eq!((finished(&lab, 1).len(), finished(&lab, 2)), (2, vec![Reason::Converged]));
        // After the end there is nothing to cancel.
        let told = lab.news.len();
        lab.node.cancel(lab.now, 2);
        lab.drain();
        assert_eq!(lab.news.len(), told);
    }
}

#[test]
fn false_referrals_without_end_cannot_keep_an_operation_longer_than_its_deadline() {
    let mut lab = Lab::public();
    let mut n = 0u32;
    let (ids, friends) = (std::cell::RefCell::new(std::collections::BTreeMap::new()), lab.friends.clone());
    lab.minds.clear();
    // Nobody ever answers but to name somebody nearer, who takes just less than the hard timeout.
    lab.anyone_else = Some(Box::new(move |me, query| {
        let known = friends.iter().find(|(_, friend)| *friend == me).map(|(id, _)| *id);
        let id = known.or_else(|| ids.borrow().get(&me).copied())?;
        n += 1;
        let [_, b, c, d] = n.to_be_bytes();
        let next = Endpoint::v4([60 + b % 8, c, d, 1], 6881);
        let mut near = TARGET;
        near.0[12..16].copy_from_slice(&(u32::MAX - n).to_be_bytes());
        near.0[16] ^= 1;
        ids.borrow_mut().insert(next, near);
        Some(reply(query.tid, &id, &nodes(&[(near, next)])))
    }));
    lab.node.lookup(lab.now, 1, TARGET).unwrap();
    lab.drain();
    let started = lab.now;
    let outcome = lab.finish();
    assert!(lab.now.since(started) <= Duration::from_secs(30), "{outcome:?}");
}

#[test]
fn every_event_of_an_operation_has_its_tag_and_two_operations_of_one_target_are_two() {
    let mut lab = Lab::public();
    let (a, b) = (lab.node.lookup(lab.now, 5, TARGET).unwrap(), lab.node.lookup(lab.now, 6, TARGET).unwrap());
    assert_ne!(a, b);
    assert_eq!((lab.node.op(a).unwrap().tag, lab.node.op(b).unwrap().tag), (5, 6));
    lab.drain();
    lab.run(Duration::from_secs(5));
    for tag in [5, 6] {
        assert_eq!(finished(&lab, tag), [Reason::Converged]);
        let lists = lab.news.iter().filter(|news| matches!(news, News::Nodes { tag: t, .. } if *t == tag));
        assert_eq!(lists.count(), 1);
    }
}

// Places.

#[test]
fn a_user_has_as_many_places_as_configured_and_not_one_more() {
    for mut lab in Lab::each() {
        assert_eq!(lab.node.config().capacity.operations, 4);
        for tag in 1..=4 {
            lab.node.lookup(lab.now, tag, TARGET).unwrap();
        }
        let before = lab.stats();
        assert_eq!(lab.node.lookup(lab.now, 5, TARGET), Err(CallError::Full(4)));
        let error = lab.node.put_immutable(lab.now, 5, b"5:hello").unwrap_err().to_string();
        assert_eq!(error, "4 operations are running; at most 4 at the same time: wait until one has finished");
        let router = lab.stranger();
        assert_eq!(lab.node.bootstrap(lab.now, 5, &[router]), Err(CallError::Full(4)));
        assert_eq!(lab.stats(), before);
        lab.drain();
        lab.run(Duration::from_secs(5));
        assert!((1..=4).all(|tag| finished(&lab, tag).len() == 1) && finished(&lab, 5).is_empty());
        lab.node.lookup(lab.now, 6, TARGET).unwrap();
        lab.drain();
        lab.run(Duration::from_secs(5));
        assert_eq!(finished(&lab, 6), [Reason::Converged]);
    }
}

#[test]
fn upkeep_never_takes_a_users_place_and_users_never_take_that_of_upkeep() {
    let mut lab = Lab::new(config().with_links(&[LinkConfig::V4, LinkConfig::V6]).unwrap());
    let router = lab.stranger();
    // Nobody answers: both links bootstrap again and again.
    lab.node.bootstrap(lab.now, 9, &[router, Endpoint::v6([0x20; 16], 6881)]).unwrap();
    lab.drain();
    let upkeep = |lab: &Lab| lab.stats().operations;
    for _ in 0..20 {
        lab.run(Duration::from_secs(7));
        let mut accepted = 0;
        while lab.node.lookup(lab.now, accepted, TARGET).is_ok() {
            accepted += 1;
        }
        assert_eq!(accepted, 4);
        (0..4).for_each(|tag| lab.node.cancel(lab.now, tag));
        lab.drain();
    }
    // While every place of users is taken by queries that nobody answers, the node goes on looking for others.
    lab.news.clear();
    let before = upkeep(&lab);
    let end = lab.now + Duration::from_secs(120);
    let mut mine = 0;
    while lab.now < end {
        while lab.node.ping(lab.now, 100 + mine, router).is_ok() {
            mine += 1;
        }
        lab.drain();
        lab.run(Duration::from_millis(500));
    }
    assert!(upkeep(&lab) - before > mine, "bootstraps of its own: {} beside {mine}", upkeep(&lab) - before);
}

#[test]
fn puts_that_go_on_in_the_background_take_no_place_of_a_user() {
    let mut config = config();
    config.lookup.report_at = 1;
    config.lookup.replicas = 16;
    let mut lab = Lab::new(config);
    lab.befriend(16);
    // One node confirms at once, the others never answer a put.
    let mut order = lab.friends.to_vec();
    for n in 0..12u8 {
        let value = string(&[n; 5]);
        let target = item::immutable_target(&value);
        order.sort_by_key(|(id, _)| id.distance(&target));
        for (place, &(id, friend)) in order.iter().enumerate() {
            let mut honest = lab.honest(id, friend);
            lab.minds.insert(
                friend,
                Box::new(move |query| match query.method {
                    Method::Put { .. } if place > 0 => None,
                    _ => honest(query),
                }),
            );
        }
        lab.node.put_immutable(lab.now, u64::from(n), &value).unwrap();
        lab.drain();
        let end = lab.now + Duration::from_secs(5);
        assert!(lab.run_until(end, |lab| !finished(lab, u64::from(n)).is_empty()), "put {n} is reported at once");
    }
    assert!((0..12).all(|tag| finished(&lab, tag) == [Reason::Converged]));
}

// Drains.

#[test]
fn skipped_drains_lose_replies_and_count_them_and_nothing_else() {
    for mut lab in Lab::each() {
        let places = lab.node.config().capacity.replies;
        let target = Id([0x33; 20]);
        let (from, mut info) = (lab.stranger(), Vec::new());
        let token = lab.token(from, &target);
        lab.sent.clear();
        for port in 1..=6u16 {
            info =
                [pair(b"info_hash", &target.0), raw(b"port", format!("i{port}e").as_bytes()), pair(b"token", &token)]
                    .concat();
            let payload = query(b"announce_peer", &info);
            lab.node.handle_input(lab.now, Input::Datagram { link: LinkId(0), from, payload: &payload });
        }
        lab.drain();
        assert_eq!(lab.sent_to(from), places);
        assert_eq!(lab.dropped(ReplyOverflow), 6 - places as u64);
        assert_eq!(lab.held(), (0, 1), "what was not answered was not done either");
        assert!(lab.ask(from, &query(b"announce_peer", &info)).response().tid == b"aa");
        lab.serves();
    }
}

#[test]
fn skipped_drains_lose_results_and_count_them_and_never_the_end() {
    for mut lab in Lab::each() {
        let friends = by_distance(&lab, &TARGET);
        for &(id, friend) in &friends {
            let peer = friend.ip_bytes().to_vec();
            let one = string(&[&peer[..], &[0, 9]].concat());
            let body = raw(b"values", &[b"l", &one[..], b"e"].concat());
            lab.minds.insert(friend, Box::new(move |query| Some(reply(query.tid, &id, &body))));
        }
        lab.node.get_peers(lab.now, 1, TARGET).unwrap();
        // Each drain lets five queries out; then their answers come in, all before the next drain.
        let (mut buf, mut results): (Buffer, usize) = ([0; 1500], 0);
        let outcome = 'run: loop {
            let mut answers = Vec::new();
            loop {
                match lab.node.poll_output(&mut buf) {
                    Output::Transmit { to, payload, .. } => answers.push((to, payload.to_vec())),
                    Output::Event(honeyguide::Event::Finished { outcome, .. }) => break 'run outcome,
                    Output::Event(_) => results += 1,
                    Output::Timeout(at) => {
                        lab.deadline = at;
                        break;
                    }
                }
            }
            if answers.is_empty() {
                lab.now = lab.deadline.unwrap();
                lab.node.handle_input(lab.now, Input::Timeout);
            }
            for (from, bytes) in answers {
                let packet = crate::lab::Packet { link: LinkId(0), to: from, bytes };
                let payload = lab.minds.get_mut(&from).unwrap()(&packet.query().unwrap()).unwrap();
                lab.node.handle_input(lab.now, Input::Datagram { link: LinkId(0), from, payload: &payload });
            }
        };
        assert_eq!(outcome.reason, Reason::Converged);
        assert_eq!(usize::from(outcome.results), results);
        assert_eq!(u64::from(outcome.dropped_results), lab.dropped(ResultOverflow));
        assert_eq!(outcome.results + outcome.dropped_results, outcome.answered, "each answer brought one");
        if !lab.is_local() {
            continue;
        }
        assert!(outcome.dropped_results > 0, "in a local network the queries leave all at once");
    }
}

#[test]
fn commands_and_inputs_are_legal_in_the_middle_of_a_drain() {
    let mut lab = Lab::local();
    let mut buf: Buffer = [0; 1500];
    lab.node.lookup(lab.now, 1, TARGET).unwrap();
    assert!(matches!(lab.node.poll_output(&mut buf), Output::Transmit { .. }));
    lab.node.lookup(lab.now, 2, Id([0x24; 20])).unwrap();
    let from = lab.stranger();
    lab.node.handle_input(lab.now, Input::Datagram { link: LinkId(0), from, payload: &query(b"ping", b"") });
    assert!(matches!(lab.node.poll_output(&mut buf), Output::Transmit { to, .. } if to == from));
    lab.node.cancel(lab.now, 1);
    lab.drain();
    assert_eq!(finished(&lab, 1), [Reason::Cancelled]);
    lab.run(Duration::from_secs(5));
    assert_eq!(finished(&lab, 2), [Reason::Converged]);
}

#[test]
fn a_drain_that_stops_early_goes_on_where_it_stopped() {
    let mut lab = Lab::local();
    let mut buf: Buffer = [0; 1500];
    lab.node.lookup(lab.now, 1, TARGET).unwrap();
    let mut sent = BTreeSet::new();
    while let Output::Transmit { to, .. } = lab.node.poll_output(&mut buf) {
        assert!(sent.insert(to), "{to} was asked twice");
        // A timeout between any two polls is free.
        lab.node.handle_input(lab.now, Input::Timeout);
    }
    assert_eq!(sent.len(), usize::from(lab.node.config().lookup.slots_good));
}

// Time.

#[test]
fn early_late_and_repeated_timeouts_are_free() {
    let mut lab = Lab::public();
    let before = lab.stats();
    for _ in 0..1_000 {
        lab.timeout();
    }
    assert_eq!(lab.stats(), before, "nothing was due");
    lab.node.lookup(lab.now, 1, TARGET).unwrap();
    lab.drain();
    // An hour too late: everything that was due in it happens once.
    lab.now += Duration::from_secs(3600);
    lab.timeout();
    assert_eq!(finished(&lab, 1).len(), 1);
    lab.run(Duration::from_secs(60));
    lab.serves();
}

#[test]
fn a_clock_that_steps_back_is_followed_from_there() {
    let mut lab = Lab::public();
    lab.now = Instant::ZERO;
    lab.node.handle_input(lab.now, Input::Timeout);
    lab.node.lookup(lab.now, 1, TARGET).unwrap();
    lab.drain();
    assert!(lab.deadline.unwrap() < Instant::from_secs(10));
    let outcome = lab.finish();
    assert_eq!(outcome.reason, Reason::Converged);
    assert!(outcome.elapsed < Duration::from_secs(2));
    let told: Vec<_> = lab.node.contacts().filter_map(|(_, contact)| contact.last_answer).collect();
    assert!(!told.is_empty() && told.iter().all(|at| *at <= lab.now), "times are told as the clock has them");
}

#[test]
fn an_idle_node_wakes_for_its_deadlines_only() {
    for mut lab in Lab::each() {
        let started = lab.now;
        let mut wakes = 0;
        while lab.now.since(started) < Duration::from_secs(3600) {
            lab.run_until(lab.deadline.unwrap(), |_| false);
            wakes += 1;
            assert!(wakes < 20_000, "{:?}", lab.node.next_timer());
        }
        let queries = lab.sent.len();
        assert!(queries < 1_500, "{queries} queries in an idle hour");
    }
}

// Health.

/// Rule L7.
#[test]
fn a_lookup_among_dead_contacts_does_not_wait_for_their_hard_timeout() {
    for mut lab in Lab::each() {
        let friends = by_distance(&lab, &TARGET);
        // Every other one is dead, the nearest among them.
        for (_, dead) in friends.iter().step_by(2) {
            lab.minds.remove(dead);
        }
        let outcome = lab.operate(|node, now| {
            node.lookup(now, 1, TARGET).unwrap();
        });
        assert_eq!((outcome.reason, outcome.answered), (Reason::Converged, 8));
        assert!(outcome.elapsed < Duration::from_millis(800), "{outcome:?}");
    }
}

/// Rule L29.
#[test]
fn what_we_could_not_send_is_charged_to_nobody_and_a_refusal_to_whoever_refused() {
    for refused in [false, true] {
        let mut lab = Lab::public();
        lab.minds.clear();
        for (n, &(_, to)) in lab.friends.clone().iter().take(3).enumerate() {
            lab.node.lookup(lab.now, 1, lab.friends[n].0).unwrap();
            lab.drain();
            // The first query of the lookup goes to the nearest.
            assert_eq!(lab.sent_to(to), 1);
            lab.input(if refused {
                Input::Refused { link: LinkId(0), to }
            } else {
                Input::SendFailed { link: LinkId(0), to }
            });
            lab.node.cancel(lab.now, 1);
            lab.drain();
            lab.sent.clear();
            let health = lab.node.contacts().find(|(_, c)| c.endpoint == to).unwrap().1.health;
            assert_eq!(health, if refused { Health::Suspect } else { Health::Good });
        }
        assert_eq!(finished(&lab, 1).len(), 3);
    }
}

#[test]
fn broken_answers_are_no_sign_of_an_outage() {
    let mut lab = Lab::public();
    // Somebody else sits on every line and garbles what passes.
    for &(_, friend) in lab.friends.clone().iter() {
        lab.minds.insert(friend, Box::new(|query| Some([b"d1:t", &string(query.tid)[..], b"1:y1:re"].concat())));
    }
    lab.now += Duration::from_secs(60);
    for _ in 0..3 {
        lab.operate(|node, now| {
            node.lookup(now, 1, TARGET).unwrap();
        });
    }
    let bad = lab.node.contacts().filter(|(_, contact)| contact.health != Health::Good).count();
    let gone = 16 - lab.node.contacts().count();
    assert!(bad + gone >= 8, "failures are charged: {bad} bad, {gone} gone");
}

/// Rule T27. While nobody at all answers it is our own link that is in doubt.
#[test]
fn a_node_that_was_cut_off_recovers_without_bootstrap_nodes() {
    for outage in [60, 3_600, 24 * 3_600] {
        for mut lab in [Lab::public(), Lab::local()] {
            let before = lab.belongings();
            let minds = std::mem::take(&mut lab.minds);
            let end = lab.now + Duration::from_secs(outage);
            // Its user tries now and then.
            while lab.now < end {
                let _ = lab.node.lookup(lab.now, 1, TARGET);
                lab.drain();
                lab.run(Duration::from_secs(outage / 10));
            }
            lab.sent.clear();
            assert_eq!(lab.belongings(), before, "nobody is expelled, however long it lasts");
            lab.minds = minds;
            lab.run(Duration::from_secs(600));
            let outcome = lab.operate(|node, now| {
                node.lookup(now, 1, TARGET).unwrap();
            });
            assert_eq!(
                outcome.reason,
                Reason::Converged,
                "after {outage} s: {:?}",
                lab.node.contacts().collect::<Vec<_>>()
            );
            assert!(outcome.answered >= 8 && lab.node.contacts().count() >= 8, "after {outage} s: {outcome:?}");
            lab.serves();
        }
    }
}

/// Rule L29.
#[test]
fn a_short_outage_costs_no_contact() {
    for mut lab in [Lab::public(), Lab::local()] {
        // Nobody had answered lately.
        lab.now += Duration::from_secs(60);
        let minds = std::mem::take(&mut lab.minds);
        let before = lab.belongings();
        for _ in 0..10 {
            let _ = lab.node.lookup(lab.now, 1, TARGET);
            lab.drain();
            lab.run(Duration::from_secs(3));
        }
        lab.minds = minds;
        lab.run(Duration::from_secs(120));
        assert_eq!(lab.belongings(), before);
        assert!(lab.node.contacts().all(|(_, contact)| contact.health == Health::Good));
    }
}

/// Rule T28.
#[test]
fn a_line_that_is_down_again_and_again_costs_no_contact() {
    for mut lab in [Lab::public(), Lab::local()] {
        let before = lab.belongings();
        for _ in 0..3 {
            // They have just answered, so that the line is not suspected for 15 s.
            let outcome = lab.operate(|node, now| node.lookup(now, 1, TARGET).map(drop).unwrap());
            assert!(outcome.answered > 0);
            let minds = std::mem::take(&mut lab.minds);
            for _ in 0..2 {
                lab.operate(|node, now| node.lookup(now, 1, TARGET).map(drop).unwrap());
                lab.run(Duration::from_secs(20));
            }
            lab.minds = minds;
        }
        lab.run(Duration::from_secs(60));
        assert_eq!(lab.belongings(), before);
        assert!(lab.node.contacts().all(|(_, contact)| contact.health == Health::Good));
    }
}

// Bootstrap.

/// Rule L28.
#[test]
fn a_bootstrap_is_tried_again_until_somebody_answers() {
    for mut lab in [Lab::new(config()), Lab::new(config().local())] {
        let router = lab.stranger();
        let outcome = lab.operate(|node, now| {
            node.bootstrap(now, 1, &[router]).unwrap();
        });
        assert_eq!((outcome.reason, outcome.timed_out), (Reason::Exhausted, 2), "asked twice");
        lab.run(Duration::from_secs(3_600));
        let tries = lab.sent_to(router);
        assert!((3_600 / 20..3_600 / 16).contains(&tries), "{tries} tries in an hour");
        // It comes back, and so do its friends.
        let friends: Vec<_> = (0..12u8).map(|n| (Id([n * 20 + 1; 20]), lab.stranger())).collect();
        for &(id, friend) in &friends {
            let list = friends.clone();
            lab.minds.insert(friend, Box::new(move |query| Some(crate::lab::honest_answer(&list, id, friend, query))));
        }
        let list = friends.clone();
        lab.minds.insert(
            router,
            Box::new(move |query| Some(crate::lab::honest_answer(&list, Id([0xf0; 20]), router, query))),
        );
        lab.run(Duration::from_secs(60));
        assert!(lab.node.contacts().count() >= 8, "{} contacts", lab.node.contacts().count());
        assert_eq!(finished(&lab, 1).len(), 1, "nobody waits for the later tries");
    }
}

#[test]
fn a_bootstrap_that_is_answered_converges() {
    let mut lab = Lab::public();
    let friends = lab.friends.clone();
    let mut fresh = Lab::new(config());
    std::mem::swap(&mut fresh.minds, &mut lab.minds);
    let outcome = fresh.operate(|node, now| {
        node.bootstrap(now, 1, &[friends[0].1]).unwrap();
    });
    assert_eq!(outcome.reason, Reason::Converged);
    assert!(fresh.node.contacts().count() >= 8);
}

// Read-only nodes (BEP 43).

#[test]
fn a_read_only_node_asks_and_does_not_answer() {
    let mut config = config();
    config.role = Role::Client;
    let mut lab = Lab::new(config);
    lab.befriend(16);
    let before = lab.belongings();
    for (payload, n) in [query(b"ping", b""), query(b"nonsense", b""), query(b"find_node", b"")].iter().zip(1..) {
        let from = lab.stranger();
        assert!(lab.give(from, payload).is_empty());
        assert_eq!(lab.dropped(ReadOnly), n);
    }
    lab.run(Duration::from_secs(200));
    assert_eq!(lab.belongings(), before, "who asks is not asked back");
    lab.sent.clear();
    let outcome = lab.operate(|node, now| {
        node.put_immutable(now, 1, b"5:hello").unwrap();
    });
    assert!(outcome.stored.all >= 8, "{outcome:?}");
    assert!(lab.sent.iter().all(|packet| packet.query().unwrap().read_only), "each of its queries says so");
}

#[test]
fn others_do_not_say_that_they_are_read_only() {
    let mut lab = Lab::public();
    lab.operate(|node, now| {
        node.put_immutable(now, 1, b"5:hello").unwrap();
    });
    assert!(lab.sent.iter().all(|packet| !packet.query().unwrap().read_only));
}

// Links (BEP 45).

#[test]
fn a_reply_leaves_by_the_link_that_was_asked_with_its_id_and_its_contacts() {
    let mut lab = Lab::new(config().with_links(&[LinkConfig::V4, LinkConfig::V4]).unwrap());
    let mut rng = Rng::from_seed([3; 32]);
    let mut of_link = [BTreeSet::new(), BTreeSet::new()];
    for n in 0..16 {
        let (link, endpoint) = (LinkId(n as u8 % 2), lab.addr(5, n));
        let id = Id::secure(endpoint.ip(), &mut rng);
        lab.minds.insert(endpoint, Box::new(move |query| Some(reply(query.tid, &id, b""))));
        lab.news.clear();
        lab.node
            .command_in(lab.now, 1, Scope::Link(link), Command::Query { to: endpoint, query: DirectQuery::Ping })
            .unwrap();
        lab.drain();
        assert_eq!(lab.finish().reason, Reason::Hit);
        of_link[usize::from(link.0)].insert(endpoint);
    }
    let ids = [lab.node.id(LinkId(0)).unwrap(), lab.node.id(LinkId(1)).unwrap()];
    assert!(ids[0].shared_prefix_len(&ids[1]) < 8, "far apart");
    for link in [LinkId(0), LinkId(1)] {
        let from = lab.stranger();
        let answer = lab.give_via(link, from, &query(b"find_node", &pair(b"target", &TARGET.0))).remove(0);
        assert_eq!((answer.link, answer.to), (link, from));
        assert_eq!(answer.response().id, ids[usize::from(link.0)]);
        let named: BTreeSet<_> = compact::nodes4(answer.response().nodes.unwrap()).map(|(_, e)| e).collect();
        assert_eq!(named, of_link[usize::from(link.0)]);
    }
    // A link that does not exist, and one of the other family.
    let from = lab.stranger();
    assert!(lab.give_via(LinkId(2), from, &query(b"ping", b"")).is_empty());
    assert!(lab.give_via(LinkId(0), Endpoint::v6([0x20; 16], 1), &query(b"ping", b"")).is_empty());
}

/// Rule L10.
#[test]
fn an_answer_by_another_link_than_the_query_left_from_is_none() {
    let mut lab = Lab::new(config().with_links(&[LinkConfig::V4, LinkConfig::V4]).unwrap());
    let to = lab.stranger();
    lab.node.command_in(lab.now, 1, Scope::Link(LinkId(1)), Command::Query { to, query: DirectQuery::Ping }).unwrap();
    lab.drain();
    let packet = lab.query_to(to);
    assert_eq!(packet.link, LinkId(1));
    let answer = reply(&packet.tid(), &Id([7; 20]), b"");
    lab.give_via(LinkId(0), to, &answer);
    assert_eq!((lab.dropped(Unsolicited), lab.outcome()), (1, None));
    lab.give_via(LinkId(1), to, &answer);
    assert_eq!(lab.outcome().unwrap().reason, Reason::Hit);
}

#[test]
fn what_happens_on_one_link_is_not_charged_on_the_other() {
    let mut lab = Lab::new(config().with_links(&[LinkConfig::V4, LinkConfig::V4]).unwrap());
    let mut ids = Vec::new();
    let both: Vec<_> = (0..8).map(|n| lab.addr(5, n)).collect();
    let mut rng = Rng::from_seed([3; 32]);
    for &endpoint in &both {
        let id = Id::secure(endpoint.ip(), &mut rng);
        lab.minds.insert(endpoint, Box::new(move |query| Some(reply(query.tid, &id, b""))));
        ids.push(id);
        for link in [LinkId(0), LinkId(1)] {
            lab.news.clear();
            lab.node
                .command_in(lab.now, 1, Scope::Link(link), Command::Query { to: endpoint, query: DirectQuery::Ping })
                .unwrap();
            lab.drain();
            lab.finish();
        }
    }
    assert_eq!(lab.node.contacts().count(), 16);
    // The first link goes down; the second, which has another id, is heard.
    let second = lab.node.id(LinkId(1)).unwrap();
    for (&endpoint, id) in both.iter().zip(ids) {
        lab.minds.insert(endpoint, Box::new(move |query| (query.id == second).then(|| reply(query.tid, &id, b""))));
    }
    for _ in 0..5 {
        lab.news.clear();
        lab.node.command_in(lab.now, 1, Scope::Link(LinkId(0)), Command::Lookup { target: TARGET }).unwrap();
        lab.drain();
        lab.finish();
        lab.now += Duration::from_secs(20);
    }
    let health = |link| lab.node.contacts().filter(|(v, c)| *v == link && c.health == Health::Good).count();
    assert!(health(LinkId(0)) < 8);
    assert_eq!(health(LinkId(1)), 8);
}

// Packets.

/// Rule L23.
#[test]
fn the_largest_put_fits_whatever_the_token() {
    let (secret, salt) = ([5; 32], [b's'; 64]);
    let value = string(&[b'v'; 996]);
    let signed = Item::mutable(&secret, &value).salt(&salt).seq(i64::MAX).sign().unwrap();
    for read_only in [false, true] {
        for length in [4, 8, 20, 63, 64] {
            let mut config = config();
            config.role = if read_only { Role::Client } else { Role::Server };
            let mut lab = Lab::new(config);
            lab.befriend(16);
            for &(id, friend) in lab.friends.clone().iter() {
                lab.minds.insert(
                    friend,
                    Box::new(move |query| Some(reply(query.tid, &id, &pair(b"token", &vec![7; length])))),
                );
            }
            let outcome = lab.operate(|node, now| {
                node.put_mutable(now, 1, &signed, Some(i64::MAX - 1)).unwrap();
            });
            // That none is larger than 1400 bytes is checked with every packet of a lab.
            assert!(outcome.stored.all >= 8, "{outcome:?}");
            let put = lab.sent.iter().find(|p| matches!(p.query().unwrap().method, Method::Put { .. })).unwrap();
            assert_eq!(put.tid().len(), 4, "the mainline crate's servers drop any other");
            let Method::Put { token, target, item, cas } = put.query().unwrap().method else { unreachable!() };
            assert_eq!((token, cas, item.value), (&[7; 64][..length], Some(i64::MAX - 1), &value[..]));
            assert_eq!(
                target.is_some(),
                length <= 20,
                "the mainline crate's servers need it, and give tokens of 4 bytes"
            );
        }
    }
}

#[test]
fn a_token_longer_than_any_that_is_kept_is_none() {
    let mut lab = Lab::public();
    for &(id, friend) in lab.friends.clone().iter() {
        lab.minds.insert(friend, Box::new(move |query| Some(reply(query.tid, &id, &pair(b"token", &[7; 65])))));
    }
    let outcome = lab.operate(|node, now| {
        node.put_immutable(now, 1, b"5:hello").unwrap();
    });
    assert_eq!((outcome.reason, outcome.stored.all), (Reason::Converged, 0));
}

// Lookups with little memory.

#[test]
fn a_small_window_finds_the_nearest_all_the_same() {
    let mut config = config().local();
    config.capacity.candidates = 20;
    config.capacity.operations = 1;
    let mut lab = Lab::new(config);
    // 200 nodes, each of whom knows only the eight next in a long line towards the target.
    let line: Vec<(Id, Endpoint)> = (0..200u8)
        .map(|n| {
            let mut id = TARGET;
            id.0[10] ^= 200 - n;
            (id, lab.addr(9, u16::from(n) + 1))
        })
        .collect();
    for (place, &(id, endpoint)) in line.iter().enumerate() {
        let next = line[place + 1..].iter().take(8).copied().collect::<Vec<_>>();
        lab.minds.insert(endpoint, Box::new(move |query| Some(reply(query.tid, &id, &nodes(&next)))));
    }
    lab.operate(|node, now| {
        node.bootstrap(now, 1, &[line[0].1]).unwrap();
    });
    let outcome = lab.operate(|node, now| {
        node.lookup(now, 1, TARGET).unwrap();
    });
    let found = lab.news.iter().rev().find_map(|news| match news {
        News::Nodes { nodes, .. } => Some(nodes.iter().map(|(id, _)| *id).collect::<Vec<_>>()),
        _ => None,
    });
    let mut nearest: Vec<_> = line.iter().map(|(id, _)| *id).collect();
    nearest.sort_by_key(|id| id.distance(&TARGET));
    assert_eq!(found.unwrap(), nearest[..8], "{outcome:?}");
}

// Calls.

#[test]
fn a_call_that_makes_no_sense_is_an_error_and_changes_nothing() {
    let mut lab = Lab::public();
    let before = lab.stats().operations;
    let (key, signature) = (item::public_key(&[5; 32]), item::sign(&[5; 32], b"", 1, b"5:hello").unwrap());
    let put = |value: &'static [u8], salt: &'static [u8], seq, cas| Command::PutMutable {
        value,
        key: &key,
        salt,
        seq,
        signature: &signature,
        cas,
    };
    let large = string(&[b'v'; 1001]).leak();
    let list = [b"l", &b"2:vv".repeat(250)[..], b"e"].concat().leak();
    let to = Endpoint::v4([8, 8, 8, 8], 0);
    let get = Command::GetMutable { key: &key, salt: &[0; 65], newer_than: None, freshness: Freshness::First };
    for (command, expected) in [
        (Command::PutImmutable { value: large }, ItemError::ValueTooLong(1006).into()),
        (Command::PutImmutable { value: list }, ItemError::ValueTooLong(1002).into()),
        (Command::PutImmutable { value: b"hello" }, ItemError::NotCanonical.into()),
        (Command::PutImmutable { value: b"" }, ItemError::NotCanonical.into()),
        (Command::PutImmutable { value: b"i007e" }, ItemError::NotCanonical.into()),
        (put(b"5:hello", &[0; 65], 1, None), ItemError::SaltTooLong(65).into()),
        (get, ItemError::SaltTooLong(65).into()),
        (put(b"5:hello", b"", 2, None), ItemError::BadSignature.into()),
        (put(b"5:hello", b"", -1, None), ItemError::NegativeSeq(-1).into()),
        (put(b"5:hello", b"", 1, Some(-1)), CallError::NegativeCas(-1)),
        (Command::Announce { info_hash: TARGET, port: Some(0), kind: PeerKind::Downloader }, CallError::BadPort),
        (Command::Query { to, query: DirectQuery::Ping }, CallError::BadAddress(to)),
        (Command::Query { to: Endpoint::v6([0x20; 16], 1), query: DirectQuery::Ping }, CallError::NoFamily(Family::V6)),
    ] {
        assert_eq!(lab.node.command(lab.now, 1, command).err(), Some(expected), "{command:?}");
    }
    assert_eq!(
        lab.node.command_in(lab.now, 1, Scope::Link(LinkId(1)), Command::Lookup { target: TARGET }).err(),
        Some(CallError::NoLink(LinkId(1)))
    );
    lab.drain();
    assert_eq!((lab.sent.len(), lab.news.len(), lab.stats().operations), (0, 0, before));
    assert!(lab.node.command(lab.now, 1, put(b"5:hello", b"", 1, Some(0))).is_ok(), "0 is a number as others");
    lab.drain();
    let from = lab.stranger();
    lab.ask(from, &query_of(&Id([1; 20]), b"ping", b"")).response();
}
