//! Operations of a node that knows nobody yet but those whom it was told of.

use std::collections::BTreeSet;
use std::time::Duration;

use honeyguide::dht::{LinkConfig, LinkId, Reason, SavedContact};
use honeyguide::krpc::Family;
use honeyguide::{Endpoint, Id, Node};

use crate::lab::{self, Lab};
use crate::scopes::{NOTHING, address, dual_of};

const TARGET: Id = Id([0x42; 20]);

/// The nodes that somebody knew when his run ended, by the link that he knew them on.
fn saved(of: &Lab) -> Vec<(LinkId, SavedContact)> {
    let saved = |(link, view): (LinkId, honeyguide::dht::ContactView)| {
        (link, SavedContact { id: view.id, endpoint: view.endpoint })
    };
    of.node.contacts().map(saved).collect()
}

fn import(lab: &mut Lab, contacts: &[(LinkId, SavedContact)]) {
    for (link, contact) in contacts {
        lab.node.import(lab.now, *link, &[*contact]).unwrap();
    }
    lab.drain();
}

type Start = fn(&mut Node<'static>, honeyguide::Instant);

const EACH: [(&str, Start); 4] = [
    ("lookup", |node, now| {
        let _ = node.lookup(now, 1, TARGET).unwrap();
    }),
    ("get", |node, now| {
        let _ = node.get_peers(now, 1, TARGET).unwrap();
    }),
    ("put", |node, now| {
        let _ = node.put_immutable(now, 1, b"5:hello").unwrap();
    }),
    ("bootstrap", |node, now| {
        let _ = node.bootstrap(now, 1, &[]).unwrap();
    }),
];

/// Rule L5. The first thing that a node does after it was told of the contacts of its last run.
#[test]
fn an_operation_that_begins_right_after_an_import_asks_those_who_were_imported() {
    for (what, start) in EACH {
        let before = Lab::public();
        let mut lab = Lab::new(lab::config());
        lab.friends = before.friends.clone();
        for &(id, endpoint) in &*before.friends {
            lab.minds.insert(endpoint, before.honest(id, endpoint));
        }
        import(&mut lab, &saved(&before));
        let outcome = lab.operate(start);
        assert_eq!(outcome.reason, Reason::Converged, "{what}: {outcome:?}");
        assert!(outcome.answered >= 8, "{what}: {outcome:?}");
        assert_eq!(outcome.stored.all >= 8, what == "put", "{what}: {outcome:?}");
    }
}

/// Rules L5 and L31: on the link where they are, whatever its number.
#[test]
fn an_operation_runs_on_the_link_that_was_told_of_somebody() {
    for (what, start) in EACH {
        let before = dual_of(lab::config(), 0, 12, NOTHING);
        let mut lab = dual_of(lab::config(), 0, 0, NOTHING);
        let contacts = saved(&before);
        lab.minds = before.minds;
        import(&mut lab, &contacts);
        let outcome = lab.operate(start);
        assert_eq!(outcome.reason, Reason::Converged, "{what}: {outcome:?}");
        assert_eq!((outcome.links[0].queried, outcome.links[1].answered > 0), (0, true), "{what}: {outcome:?}");
    }
}

/// Rule L5.
#[test]
fn an_operation_ends_when_everybody_who_was_imported_is_dead() {
    for (what, start) in EACH {
        for count in [1, 64] {
            let mut lab = Lab::new(lab::config());
            let dead = |n| SavedContact { id: Id([n; 20]), endpoint: address(Family::V4, n) };
            import(&mut lab, &(0..count).map(|n| (LinkId(0), dead(n + 1))).collect::<Vec<_>>());
            let outcome = lab.operate(start);
            assert!(outcome.queried > 0 && outcome.answered == 0, "{what}, {count}: {outcome:?}");
            assert!(matches!(outcome.reason, Reason::Exhausted | Reason::Deadline), "{what}: {outcome:?}");
            assert!(outcome.elapsed <= Duration::from_secs(30), "{what}: {outcome:?}");
        }
    }
}

/// Rule L5. Strangers who only say that they are there do not add to whom a lookup starts from, as long as anybody is
/// known.
#[test]
fn whoever_is_remembered_is_asked_by_no_operation_of_a_node_that_knows_enough() {
    let mut lab = Lab::new(lab::config().with_links(&[LinkConfig::V4]).unwrap());
    lab.befriend(8);
    let stranger = Endpoint::v4([55, 1, 1, 5], 53);
    import(&mut lab, &[(LinkId(0), SavedContact { id: TARGET, endpoint: stranger })]);
    let before = lab.sent_to(stranger);
    let outcome = lab.operate(EACH[0].1);
    assert_eq!((outcome.queried, outcome.answered), (8, 8), "{before}");
}

/// One that an earlier run saved, and that is dead now.
fn dead(n: u32) -> SavedContact {
    let id = n.wrapping_add(1).wrapping_mul(0x9e37_79b9).to_be_bytes();
    let [.., b, c] = n.to_be_bytes();
    SavedContact { id: Id(std::array::from_fn(|at| id[at % 4])), endpoint: Endpoint::v4([60, b, c, 9], 6881) }
}

/// Rules L5 and T48: more than a lookup has places for, of which one lives, the last that is named.
#[test]
fn an_operation_that_begins_right_after_an_import_succeeds_if_any_of_those_who_were_imported_lives() {
    for count in [100, 101, 200, 320] {
        let before = Lab::public();
        let mut lab = Lab::new(honeyguide::Config::default());
        for &(id, endpoint) in &*before.friends {
            lab.minds.insert(endpoint, before.honest(id, endpoint));
        }
        let mut contacts: Vec<_> = (1..count).map(|n| (LinkId(0), dead(n))).collect();
        contacts.push(saved(&before)[0]);
        import(&mut lab, &contacts);
        let outcome = lab.operate(EACH[1].1);
        // Places are taken by those who are dead and nearer.
        assert!(outcome.reason == Reason::Converged && outcome.answered >= 5, "{count}: {outcome:?}");
        assert!(outcome.elapsed <= Duration::from_secs(45), "{count}: {outcome:?}");
    }
}

/// How many of so many saved contacts, all of them dead, are asked within a minute, and within ten minutes.
fn asked_of_dead(count: u32, start: Option<Start>) -> (usize, usize, Lab) {
    let mut lab = Lab::new(honeyguide::Config::default());
    import(&mut lab, &(0..count).map(|n| (LinkId(0), dead(n))).collect::<Vec<_>>());
    start.into_iter().for_each(|start| start(&mut lab.node, lab.now));
    let asked = |lab: &Lab| lab.sent.iter().map(|packet| packet.to).collect::<BTreeSet<_>>().len();
    lab.run(Duration::from_secs(60));
    let soon = asked(&lab);
    lab.run(Duration::from_secs(540));
    (soon, asked(&lab), lab)
}

/// Rules T40 and T48: by its own budget a node asks two hundred, while a user waits as many as it remembers.
#[test]
fn saved_contacts_are_asked_within_a_minute_however_many_are_dead() {
    let (_, get) = EACH[1];
    for (count, start) in [(200, None), (200, Some(get)), (300, Some(get))] {
        let (soon, all, lab) = asked_of_dead(count, start);
        let stats = lab.stats();
        assert_eq!((soon, all), (count as usize, count as usize), "{stats}");
        assert_eq!(stats.flows_for_users > 100, start.is_some(), "{stats}");
        assert!(stats.flows_by_itself < 56 + 4 * 600, "{stats}");
    }
}

/// Rules T40 and T48: what a node asks by itself keeps to its budget, and the lookups that it makes leave it to checks.
#[test]
fn more_saved_contacts_than_the_budget_of_a_minute_take_longer() {
    let (soon, all, _) = asked_of_dead(300, None);
    assert!((270..300).contains(&soon) && all == 300, "{soon} {all}");
}
