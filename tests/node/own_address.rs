//! What we are told of our own address, and the id that follows it: rules V1 to V7.

use std::time::Duration;

use honeyguide::base::Rng;
use honeyguide::dht::{LinkId, Reason};
use honeyguide::{Endpoint, Id, Input};

use crate::lab::{Lab, pair, string};
use crate::world::News;

const TARGET: Id = Id([0x42; 20]);

/// Votes by as many friends, each in a network of its own, for an address.
fn vote(lab: &mut Lab, voters: std::ops::Range<usize>, addr: Endpoint) {
    for i in voters {
        let (id, friend) = lab.friends[i];
        lab.sent.clear();
        lab.node.ping(lab.now, u64::MAX, friend).unwrap();
        let mind = lab.minds.remove(&friend).unwrap();
        lab.drain();
        let tid = lab.query_to(friend).tid();
        let ip = [addr.ip_bytes(), &addr.port().to_be_bytes()].concat();
        lab.give(
            friend,
            &[b"d", &pair(b"ip", &ip)[..], b"1:rd2:id20:", &id.0, b"e1:t", &string(&tid), b"1:y1:re"].concat(),
        );
        lab.minds.insert(friend, mind);
    }
}

fn news_of_ours(lab: &Lab) -> Vec<String> {
    let others = lab.news.iter().filter_map(|news| match news {
        News::Other(text) => Some(text.clone()),
        _ => None,
    });
    others.collect()
}

#[test]
fn an_address_that_others_agree_on_gives_a_new_id_and_both_are_told_once() {
    for mut lab in [Lab::public(), Lab::public6()] {
        let (old, home) = (lab.own(), lab.addr(70, 7));
        vote(&mut lab, 0..2, home);
        assert!(news_of_ours(&lab).is_empty() && lab.own() == old, "two are no majority");
        vote(&mut lab, 2..3, home);
        let told = news_of_ours(&lab);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("IdChanged") && told[1].starts_with("ExternalAddr"), "{told:?}");
        assert!(told[1].contains(&home.to_string()) && told[1].contains("votes: 3"));
        assert_ne!(lab.own(), old);
        assert!(lab.own().is_secure_for(home.ip()) && told[0].contains(&lab.own().to_string()));
        assert_eq!(lab.node.external_addr(LinkId(0)), Some(home));
        assert!(lab.node.contacts().count() >= 8, "contacts stay as far as there is room");
        vote(&mut lab, 3..10, home);
        assert_eq!(news_of_ours(&lab).len(), 2, "no news");
        lab.serves();
        // Queries and lookups go on under the new id.
        let outcome = lab.operate(|node, now| {
            node.lookup(now, 1, TARGET).unwrap();
        });
        assert_eq!(outcome.reason, Reason::Converged);
        let own = lab.own();
        assert!(lab.sent.iter().filter_map(|p| p.query()).next_back().unwrap().id == own);
    }
}

/// Rules V6 and V7.
#[test]
fn an_uplink_that_goes_to_and_fro_has_two_ids_and_keeps_each_for_minutes() {
    for mut lab in [Lab::public(), Lab::public6()] {
        lab.run(Duration::from_secs(130));
        let homes = [lab.addr(70, 7), lab.addr(71, 7)];
        vote(&mut lab, 0..8, homes[0]);
        let mut ids = vec![lab.own()];
        for turn in 1..=12 {
            let began = lab.now;
            while ids.last() == Some(&lab.own()) {
                vote(&mut lab, 0..8, homes[turn % 2]);
                lab.run(Duration::from_secs(20));
            }
            let took = lab.now.since(began).as_secs();
            assert!((300..350).contains(&took), "{took} s");
            assert_eq!(lab.node.external_addr(LinkId(0)), Some(homes[turn % 2]));
            ids.push(lab.own());
        }
        assert!(ids.iter().enumerate().all(|(turn, id)| *id == ids[turn % 2]), "{ids:?}");
        assert!(lab.own().is_secure_for(homes[0].ip()) && ids[1].is_secure_for(homes[1].ip()));
    }
}

/// Rule V6.
#[test]
fn strangers_that_come_to_our_notice_take_no_address_away() {
    let mut lab = Lab::public();
    lab.run(Duration::from_secs(130));
    let home = lab.addr(70, 7);
    vote(&mut lab, 0..8, home);
    let own = lab.own();
    // They are many, answer us for an hour, and all say the same.
    let ip = [lab.addr(99, 9).ip_bytes(), &[1, 1]].concat();
    let forgers: Vec<_> = (0..10).map(|n| lab.addr(60, n)).collect();
    for &forger in &forgers {
        let (id, ip) = (Id::secure(forger.ip(), &mut Rng::from_seed([9; 32])), ip.clone());
        lab.minds.insert(
            forger,
            Box::new(move |query| {
                let head = [b"d", &pair(b"ip", &ip)[..], b"1:rd2:id20:", &id.0].concat();
                Some([&head[..], b"e1:t", &string(query.tid), b"1:y1:re"].concat())
            }),
        );
    }
    for round in 0..10 {
        for &forger in &forgers {
            lab.operate(|node, now| {
                node.ping(now, 1, forger).unwrap();
            });
        }
        vote(&mut lab, 0..8, home);
        lab.run(Duration::from_secs(30));
        assert_eq!((lab.own(), lab.node.external_addr(LinkId(0))), (own, Some(home)), "round {round}");
    }
}

#[test]
fn of_two_changes_between_two_drains_the_latest_is_told() {
    let mut lab = Lab::public();
    let first = lab.addr(70, 7);
    let second = first.with_port(7);
    // All are asked first; their answers come in without a drain between.
    let mut answers = Vec::new();
    for i in 0..8 {
        let (id, friend) = lab.friends[i];
        lab.minds.remove(&friend);
        if lab.node.ping(lab.now, u64::MAX, friend).is_err() {
            break;
        }
        lab.drain();
        answers.push((id, friend, lab.query_to(friend).tid()));
        lab.node.cancel(lab.now, u64::MAX);
        lab.drain();
    }
    assert_eq!(answers.len(), 8);
    lab.news.clear();
    for (n, (id, friend, tid)) in answers.into_iter().enumerate() {
        let home = if n < 3 { first } else { second };
        let ip = [home.ip_bytes(), &home.port().to_be_bytes()].concat();
        let payload = [b"d", &pair(b"ip", &ip)[..], b"1:rd2:id20:", &id.0, b"e1:t", &string(&tid), b"1:y1:re"].concat();
        lab.node.handle_input(lab.now, Input::Datagram { link: LinkId(0), from: friend, payload: &payload });
    }
    lab.drain();
    let told = news_of_ours(&lab);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains(&lab.own().to_string()) && told[1].contains(&second.to_string()), "{told:?}");
}
