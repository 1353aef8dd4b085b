//! Rule T35: whoever answers with our own id began with the same state, or lies.

use honeyguide::base::Rng;
use honeyguide::dht::{LinkConfig, LinkId};
use honeyguide::{Endpoint, Id};

use crate::lab::{Lab, config, query_of, reply};
use crate::world::News;

/// Asks a node, which answers with the id that we have now.
fn answered_with_our_id(lab: &mut Lab, by: Endpoint) {
    lab.node.ping(lab.now, 9, by).unwrap();
    lab.drain();
    let (tid, own) = (lab.query_to(by).tid(), lab.own());
    lab.give(by, &reply(&tid, &own, b""));
}

fn told(lab: &Lab) -> Vec<&str> {
    let others = lab.news.iter().filter_map(|news| match news {
        News::Other(text) => Some(text.as_str()),
        _ => None,
    });
    others.filter(|text| text.starts_with("IdChanged")).collect()
}

#[test]
fn another_node_that_answers_with_our_id_gives_us_a_new_one_once() {
    for mut lab in Lab::each() {
        let old = lab.own();
        let other = lab.stranger();
        answered_with_our_id(&mut lab, other);
        let new = lab.own();
        assert_ne!(new, old);
        assert!(matches!(told(&lab)[..], [text] if text.contains(&new.to_string()) && text.contains("Taken")));
        assert!(!lab.knows(other), "an id that was ours a moment ago is no contact's");
        // Who begins with what we began with is a node like any other now.
        lab.node.ping(lab.now, 9, other).unwrap();
        lab.drain();
        let tid = lab.query_to(other).tid();
        lab.give(other, &reply(&tid, &old, b""));
        assert!(lab.knows(other));
        // Who lies has one try.
        for _ in 0..3 {
            let other = lab.stranger();
            answered_with_our_id(&mut lab, other);
        }
        assert_eq!((lab.own(), told(&lab).len()), (new, 1));
        lab.serves();
    }
}

/// Some nodes answer with the id of whoever asks; they were named with another one, or were contacts.
#[test]
fn whoever_was_to_have_another_id_and_answers_with_ours_changes_nothing() {
    for mut lab in Lab::each() {
        let (own, echo) = (lab.own(), lab.friends[0].1);
        lab.minds.insert(echo, Box::new(|query| Some(reply(query.tid, &query.id, b""))));
        let target = lab.friends[0].0;
        lab.operate(|node, now| {
            node.lookup(now, 1, target).unwrap();
        });
        assert!(lab.sent_to(echo) > 0);
        assert_eq!((lab.own(), told(&lab).len()), (own, 0));
    }
}

#[test]
fn a_query_with_our_id_proves_nothing() {
    for mut lab in Lab::each() {
        let (old, other) = (lab.own(), lab.stranger());
        lab.ask(other, &query_of(&old, b"ping", b"")).response();
        assert_eq!(lab.own(), old);
        assert_eq!(told(&lab).len(), 0);
        // Nor does a contact who sends back what it was asked.
        let (id, echo) = lab.friends[0];
        lab.minds.remove(&echo);
        lab.node.lookup(lab.now, 9, id).unwrap();
        lab.drain();
        let query = lab.query_to(echo);
        lab.ask(echo, &query.bytes).response();
        answered_with_our_id(&mut lab, other);
        assert_ne!(lab.own(), old, "it is no less a copy of us");
    }
}

/// Through a router that sends back what is for itself, say.
#[test]
fn a_node_that_meets_itself_keeps_its_id() {
    for mut lab in Lab::each() {
        let (old, ourselves) = (lab.own(), lab.stranger());
        lab.node.ping(lab.now, 9, ourselves).unwrap();
        lab.drain();
        let query = lab.query_to(ourselves);
        // Such a router may put its own address in the place of ours.
        let router = lab.stranger();
        let answers = lab.give(router, &query.bytes);
        assert_eq!(answers.len(), 1, "it is answered like any other");
        lab.give(ourselves, &answers[0].bytes);
        assert_eq!(lab.own(), old);
        // Which is all that is known of those addresses: others may be told lies by the same router.
        answered_with_our_id(&mut lab, ourselves);
        assert_eq!(lab.own(), old);
        assert_eq!(told(&lab).len(), 0);
    }
}

/// A copied state file behind the same router: the id fits the first address that is agreed on.
#[test]
fn an_id_that_another_node_has_does_not_come_back_with_the_address_that_it_fits() {
    const LINK: LinkId = LinkId(0);
    let (home, away) = (Endpoint::v4([90, 7, 7, 7], 6881), Endpoint::v4([91, 7, 7, 7], 6881));
    let own = Id::secure(home.ip(), &mut Rng::from_seed([5; 32]));
    for learns_home in [false, true] {
        let link = LinkConfig { id: Some(own), ..LinkConfig::V4 };
        let mut lab = Lab::new(config().with_links(&[link]).unwrap());
        lab.befriend(16);
        lab.node.import_id(lab.now, LINK, &own).unwrap();
        if learns_home {
            lab.node.set_external(lab.now, LINK, home).unwrap();
        }
        let other = lab.stranger();
        answered_with_our_id(&mut lab, other);
        for at in [home, away, home] {
            lab.node.set_external(lab.now, LINK, at).unwrap();
            assert!(lab.own() != own && lab.own().is_secure_for(at.ip()));
            assert!(lab.node.former_ids(LINK).all(|id| id != own), "nor is it saved");
        }
    }
}
