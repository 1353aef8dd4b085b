//! Whether a node answers, where it is, when it sleeps, and how much it may ask: rules D1 to D6, D14 and D15.

use std::time::Duration;

use honeyguide::dht::DropReason::{ReadOnly, Suspended};
use honeyguide::dht::{CallError, LinkConfig, LinkId, Reason, Role};
use honeyguide::{Endpoint, Id, Input};

use crate::lab::{Lab, config, query};
use crate::world::News;

const LINK: LinkId = LinkId(0);
const TARGET: Id = Id([0x42; 20]);

/// Rule D2.
#[test]
fn a_node_that_is_told_to_be_passive_asks_and_does_not_answer_until_it_is_told_again() {
    for mut lab in Lab::each() {
        for is_passive in [false, true, true, false, true] {
            let (now, before) = (lab.now, lab.dropped(ReadOnly));
            lab.node.set_passive(now, is_passive);
            lab.drain();
            let from = lab.stranger();
            for bytes in [query(b"ping", b""), query(b"nonsense", b"")] {
                assert_eq!(lab.give(from, &bytes).is_empty(), is_passive);
            }
            assert_eq!(lab.dropped(ReadOnly) - before, if is_passive { 2 } else { 0 });
            lab.sent.clear();
            let outcome = lab.operate(|node, now| {
                node.put_immutable(now, 1, b"5:hello").unwrap();
            });
            assert!(outcome.stored.all >= 8, "{outcome:?}");
            let mut queries = lab.sent.iter().filter_map(|packet| packet.query());
            assert!(queries.all(|query| query.read_only == is_passive));
            lab.run(Duration::from_secs(20));
        }
    }
}

/// Rule D2.
#[test]
fn a_client_that_is_told_not_to_be_passive_is_a_client_still() {
    let mut lab = Lab::new({
        let mut config = config();
        config.role = Role::Client;
        config
    });
    lab.befriend(16);
    let now = lab.now;
    lab.node.set_passive(now, false);
    let from = lab.stranger();
    assert!(lab.give(from, &query(b"ping", b"")).is_empty());
}

/// Rule D3.
#[test]
fn an_address_that_the_user_knows_gives_an_id_that_fits_it_and_holds() {
    for mut lab in [Lab::public(), Lab::public6()] {
        let (now, old, home) = (lab.now, lab.own(), lab.addr(70, 7));
        lab.node.set_external(now, LINK, home).unwrap();
        lab.drain();
        assert_eq!(lab.node.external_addr(LINK), Some(home));
        assert!(lab.own() != old && lab.own().is_secure_for(home.ip()));
        let own = lab.own();
        lab.node.set_external(now, LINK, home.with_port(99)).unwrap();
        assert_eq!((lab.own(), lab.node.external_addr(LINK)), (own, Some(home.with_port(99))));
        lab.run(Duration::from_secs(3600));
        assert_eq!((lab.own(), lab.node.external_addr(LINK)), (own, Some(home.with_port(99))));
        let away = lab.addr(71, 7);
        let now = lab.now;
        lab.node.set_external(now, LINK, away).unwrap();
        assert!(lab.own().is_secure_for(away.ip()));
        lab.node.set_external(now, LINK, home).unwrap();
        assert_eq!(lab.own(), own, "whoever comes back has the id again that it had there");
    }
}

/// Rule V7: two addresses, in two runs, and in a third one that begins at the other.
#[test]
fn the_ids_of_an_earlier_run_come_back_with_their_addresses() {
    let mut before = Lab::public();
    let (now, home, away) = (before.now, before.addr(70, 7), before.addr(71, 7));
    before.node.set_external(now, LINK, home).unwrap();
    let at_home = before.own();
    before.node.set_external(now, LINK, away).unwrap();
    let at_away = before.own();
    assert_eq!(before.node.former_ids(LINK).collect::<Vec<_>>(), [at_home]);
    for first in [away, home] {
        let mut lab = Lab::public();
        for id in [at_home, at_away] {
            lab.node.import_id(now, LINK, &id).unwrap();
        }
        for addr in [first, home, away, first] {
            lab.node.set_external(now, LINK, addr).unwrap();
            assert_eq!(lab.own(), if addr == home { at_home } else { at_away });
        }
        let other = if first == home { at_away } else { at_home };
        assert_eq!(lab.node.former_ids(LINK).collect::<Vec<_>>(), [other]);
        assert_eq!(lab.node.import_id(now, LinkId(1), &at_home), Err(CallError::NoLink(LinkId(1))));
    }
}

/// A node that begins with this id, and is told of it and of those that it had before.
fn restarted(own: Id, former: &[Id]) -> Lab {
    let link = LinkConfig { id: Some(own), ..LinkConfig::V4 };
    let mut lab = Lab::new(config().with_links(&[link]).unwrap());
    lab.befriend(16);
    for id in former.iter().chain([&own]) {
        lab.node.import_id(lab.now, LINK, id).unwrap();
    }
    lab
}

/// The id that the node has at an address.
fn id_at(lab: &mut Lab, addr: Endpoint) -> Id {
    lab.node.set_external(lab.now, LINK, addr).unwrap();
    lab.own()
}

fn former(lab: &Lab) -> Vec<Id> {
    lab.node.former_ids(LINK).collect()
}

/// Rule V7.
#[test]
fn four_addresses_have_ids_of_their_own_however_an_uplink_goes_round_among_them() {
    let mut lab = Lab::public();
    let addrs = [70, 71, 72, 73].map(|group| lab.addr(group, 7));
    let ids = addrs.map(|addr| id_at(&mut lab, addr));
    for n in [0, 1, 2, 3, 0, 1, 2, 3, 2, 1, 0, 3, 1, 3, 0, 2, 2, 0] {
        assert_eq!(id_at(&mut lab, addrs[n]), ids[n], "at the address {n}");
        assert_eq!(former(&lab).len(), 3);
        assert!(!former(&lab).contains(&ids[n]));
    }
}

/// Rule V7.
#[test]
fn four_ids_outlast_restarts_wherever_the_next_runs_begin() {
    let mut before = Lab::public();
    let addrs: [_; 5] = core::array::from_fn(|n| before.addr(70, 7 + n as u16));
    let ids = [0, 1, 2, 3].map(|n| id_at(&mut before, addrs[n]));
    // Nowhere, for a run that ended before it was told where it is.
    for begins in [&[][..], &[0], &[1], &[2], &[3], &[3, 0], &[0, 1, 2, 3]] {
        let (mut own, mut had) = (before.own(), former(&before));
        for begin in begins.iter().map(Some).chain([None]) {
            let mut lab = restarted(own, &had);
            assert_eq!(former(&lab), had, "as it was told");
            if let Some(n) = begin {
                assert_eq!(id_at(&mut lab, addrs[*n]), ids[*n], "{begins:?}");
            }
            (own, had) = (lab.own(), former(&lab));
        }
        let mut lab = restarted(own, &had);
        for n in 0..4 {
            assert_eq!(id_at(&mut lab, addrs[n]), ids[n], "{begins:?}");
        }
    }
    // At a fifth address the oldest goes, and no other.
    let mut lab = restarted(before.own(), &former(&before));
    assert!(!ids.contains(&id_at(&mut lab, addrs[4])));
    assert_eq!(former(&lab), ids[1..]);
}

/// Rule V7.
#[test]
fn an_id_that_the_link_drew_for_no_address_takes_the_place_of_none_that_it_had_at_one() {
    let mut before = Lab::public();
    let addrs = [70, 71, 72].map(|group| before.addr(group, 7));
    let ids = addrs.map(|addr| id_at(&mut before, addr));
    let mut lab = Lab::public();
    // Zeros are no id.
    for id in [&ids[..], &[Id::default()]].concat() {
        lab.node.import_id(lab.now, LINK, &id).unwrap();
    }
    assert_eq!(former(&lab), ids);
    assert_eq!(id_at(&mut lab, addrs[1]), ids[1]);
    assert_eq!(former(&lab), [ids[0], ids[2]]);
    // Nor is one remembered that was said to be that of an address which it does not fit.
    let link = LinkConfig { id: Some(ids[0]), external: Some(addrs[1].into()), ..LinkConfig::V4 };
    let mut lab = Lab::new(config().with_links(&[link]).unwrap());
    assert!(id_at(&mut lab, addrs[2]).is_secure_for(addrs[2].ip()));
    assert_eq!(former(&lab), []);
}

/// Rule D3.
#[test]
fn an_address_that_nobody_can_send_to_is_refused() {
    let mut lab = Lab::public();
    let (now, before) = (lab.now, lab.own());
    let no_port = Endpoint::v4([9, 9, 9, 9], 0);
    for addr in [no_port, Endpoint::v4([127, 0, 0, 1], 1), Endpoint::v6([0x20; 16], 1)] {
        assert_eq!(lab.node.set_external(now, LINK, addr), Err(CallError::BadAddress(addr)));
    }
    let link = LinkId(1);
    assert_eq!(lab.node.set_external(now, link, Endpoint::v4([9, 9, 9, 9], 1)), Err(CallError::NoLink(link)));
    assert_eq!((lab.own(), lab.node.external_addr(LINK)), (before, None));
}

/// Rule D4.
#[test]
fn who_shares_our_address_is_asked_last() {
    for mut lab in Lab::each() {
        let (now, (_, neighbour)) = (lab.now, lab.friends[5]);
        let target = lab.friends[5].0;
        let first = |lab: &mut Lab| {
            lab.sent.clear();
            let outcome = lab.operate(|node, now| {
                node.lookup(now, 1, target).unwrap();
            });
            assert_eq!(outcome.reason, Reason::Converged);
            let at = lab.sent.iter().position(|packet| packet.to == neighbour);
            (at, lab.sent.len())
        };
        assert_eq!(first(&mut lab).0, Some(0), "the nearest is asked first");
        lab.node.set_external(now, LINK, neighbour.with_port(1)).unwrap();
        lab.drain();
        let (at, sent) = first(&mut lab);
        assert!(if lab.is_local() { at == Some(0) } else { at.is_none_or(|at| at + 1 == sent) }, "{at:?} of {sent}");
        assert!(lab.knows(neighbour), "it is a contact like any other");
    }
}

/// Rule D5.
#[test]
fn a_node_that_is_not_to_refresh_looks_nobody_up_by_itself() {
    for refresh in [true, false] {
        let mut lab = Lab::new({
            let mut config = config();
            config.refresh = refresh;
            // A poor table lives on bootstraps all the same.
            config.table.enough = 0;
            config
        });
        lab.befriend(16);
        lab.run(Duration::from_secs(2 * 3600));
        let names: Vec<_> = lab.sent.iter().map(|packet| packet.query().unwrap().method.name()).collect();
        assert_eq!(names.contains(&&b"find_node"[..]), refresh);
        assert!(names.contains(&&b"ping"[..]), "contacts are checked");
    }
}

/// Rule D6.
#[test]
fn a_node_that_sleeps_sends_nothing_and_goes_on_when_it_is_awake() {
    for mut lab in Lab::each() {
        lab.node.put_immutable(lab.now, 1, b"5:hello").unwrap();
        lab.drain();
        assert!(!lab.sent.is_empty() && lab.outcome().is_none());
        lab.input(Input::Suspend);
        lab.input(Input::Suspend);
        lab.sent.clear();
        assert_eq!((lab.deadline, lab.node.next_timer()), (None, None));
        let from = lab.stranger();
        for (now, n) in [1, 60, 3_000].into_iter().zip(1..) {
            lab.now += Duration::from_secs(now);
            lab.input(Input::Timeout);
            lab.give(from, &query(b"ping", b""));
            assert_eq!((lab.dropped(Suspended), lab.deadline, lab.sent.len()), (n, None, 0));
        }
        lab.input(Input::Resume);
        let outcome = lab.finish();
        assert!(outcome.reason == Reason::Converged && outcome.stored.all >= 8, "{outcome:?}");
        assert!(outcome.elapsed < Duration::from_secs(30), "{:?}", outcome.elapsed);
        lab.serves();
        let friends: Vec<_> = lab.friends.iter().map(|(_, friend)| *friend).collect();
        assert!(friends.iter().all(|friend| lab.knows(*friend)), "nobody is to blame");
    }
}

/// Rule D6.
#[test]
fn a_node_that_falls_asleep_in_the_middle_of_something_sends_nothing_more() {
    let alone = [config(), config().with_links(&[LinkConfig::V6, LinkConfig::V4]).unwrap()].map(|config| {
        let mut lab = Lab::new(config);
        let nodes: Vec<_> = (0..7).map(|_| lab.stranger()).collect();
        lab.node.bootstrap(lab.now, 1, &nodes).unwrap();
        lab.drain();
        lab
    });
    for mut lab in alone.into_iter().chain(Lab::each()) {
        for moment in 0..1_800 {
            lab.run(Duration::from_millis(100));
            lab.sent.clear();
            lab.input(Input::Suspend);
            assert_eq!(lab.sent.len(), 0, "queries of a node that fell asleep at moment {moment}");
            lab.input(Input::Resume);
        }
    }
}

/// Rule D6.
#[test]
fn what_is_begun_or_given_up_while_a_node_sleeps_has_its_end() {
    let mut lab = Lab::public();
    lab.node.lookup(lab.now, 1, TARGET).unwrap();
    lab.drain();
    lab.input(Input::Suspend);
    let now = lab.now;
    lab.node.cancel(now, 1);
    lab.drain();
    assert_eq!(lab.outcome().unwrap().reason, Reason::Cancelled);
    lab.news.clear();
    lab.sent.clear();
    lab.node.lookup(now, 1, TARGET).unwrap();
    lab.drain();
    assert!(lab.sent.is_empty());
    lab.now += Duration::from_secs(3_600);
    lab.input(Input::Resume);
    assert_eq!(lab.finish().reason, Reason::Converged);
}

/// Rule D6.
#[test]
fn a_node_that_was_frozen_without_a_word_blames_nobody() {
    let mut lab = Lab::public();
    lab.node.lookup(lab.now, 1, TARGET).unwrap();
    lab.drain();
    lab.now += Duration::from_secs(3_600);
    lab.input(Input::Resume);
    assert_eq!(lab.stats().rpc_timeouts, 0);
    lab.run(Duration::from_secs(30));
    assert_eq!(lab.node.contacts().count(), 16);
    lab.serves();
}

/// Rules D14 and D15.
#[test]
fn a_frugal_node_puts_what_it_cannot_ask_now_off_and_its_time_with_it() {
    let mut lab = Lab::new({
        let mut config = config();
        config.frugal = true;
        (config.capacity.operations, config.capacity.transactions) = (60, 64);
        config
    });
    lab.befriend(16);
    lab.run(Duration::from_secs(60));
    lab.sent.clear();
    let (begun, mut sent) = (lab.now, 0);
    for tag in 1..=60 {
        lab.node.lookup(lab.now, tag, Id([tag as u8 * 4; 20])).unwrap();
    }
    lab.drain();
    assert!(lab.sent.len() <= 96);
    for second in 0..10 {
        lab.run(Duration::from_secs(1));
        sent = lab.sent.len();
        assert!(sent <= 96, "{sent} after {second} s");
    }
    assert!(sent >= 90 && lab.stats().flows_held > 0, "{sent}");
    // One that has not been asked for yet, and one whose turn it is, end when they are given up.
    let now = lab.now;
    lab.node.cancel(now, 59);
    lab.node.cancel(now, 20);
    lab.drain();
    let ends = |lab: &Lab| -> Vec<_> {
        let ends = lab.news.iter().filter_map(|news| match news {
            News::Finished { tag, outcome } => Some((*tag, *outcome)),
            _ => None,
        });
        ends.collect()
    };
    let cancelled = ends(&lab).into_iter().filter(|(_, outcome)| outcome.reason == Reason::Cancelled).count();
    assert_eq!(cancelled, 2);
    let end = begun + Duration::from_secs(600);
    assert!(lab.run_until(end, |lab| ends(lab).len() == 60));
    let converged = ends(&lab).into_iter().filter(|(_, outcome)| outcome.reason == Reason::Converged);
    let longest = converged.clone().map(|(_, outcome)| outcome.elapsed).max().unwrap();
    assert!(converged.count() == 58 && longest < Duration::from_secs(20), "{longest:?}");
    assert!(lab.now.since(begun) > Duration::from_secs(30), "longer than the deadline of one");
    let stats = lab.stats();
    assert!(stats.flows_for_users > 400 && stats.flows_by_itself > 0, "{stats}");
}
