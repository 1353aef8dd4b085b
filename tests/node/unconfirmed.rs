//! Stores that were sent and of which nothing was heard. Rule L36.

use std::time::Duration;

use honeyguide::krpc::{Method, Query};
use honeyguide::{Id, Input, Outcome};

use crate::lab::{Lab, Mind, error, honest_answer, reply};

/// How a node answers what it is to store; `None`: as an honest one.
type Answer = Option<fn(&Query<'_>) -> Option<Vec<u8>>>;

const SILENCE: Answer = Some(|_| None);
const REFUSAL: Answer = Some(|query| Some(error(query.tid, 205)));
const OTHER_ID: Answer = Some(|query| Some(reply(query.tid, &Id([7; 20]), b"")));

fn is_store(query: &Query<'_>) -> bool {
    matches!(query.method, Method::Put { .. } | Method::AnnouncePeer { .. })
}

/// Sixteen friends that answer what they are to store in these manners, in turn.
fn with_answers(answers: &[Answer]) -> Lab {
    let mut lab = Lab::public();
    let friends = lab.friends.clone();
    for (&(id, endpoint), &answer) in friends.iter().zip(answers.iter().cycle()) {
        let friends = friends.clone();
        let mind: Mind = Box::new(move |query| match answer {
            Some(answer) if is_store(query) => answer(query),
            _ => Some(honest_answer(&friends, id, endpoint, query)),
        });
        lab.minds.insert(endpoint, mind);
    }
    lab
}

fn put(lab: &mut Lab) -> Outcome {
    lab.operate(|node, now| {
        node.put_immutable(now, 1, b"5:hello").unwrap();
    })
}

#[test]
fn a_store_that_a_node_neither_confirms_nor_refuses_is_counted() {
    for (answers, counts) in [
        (&[None][..], [8, 0, 0]),
        (&[SILENCE], [0, 0, 16]),
        (&[REFUSAL], [0, 8, 0]),
        (&[OTHER_ID], [0, 0, 16]),
        (&[SILENCE, REFUSAL], [0, 8, 8]),
    ] {
        let outcome = put(&mut with_answers(answers));
        assert_eq!([outcome.stored.all, outcome.refused.total(), outcome.unconfirmed], counts, "{outcome:?}");
    }
}

/// Whoever does not know a method answers as if it had been asked for nodes; so a put whose method lost a bit on its way
/// is answered, and not stored.
#[test]
fn an_answer_to_a_store_that_names_nodes_confirms_nothing() {
    let mut lab = Lab::public();
    let friends = lab.friends.clone();
    for &(id, endpoint) in friends.iter() {
        let friends = friends.clone();
        let mind: Mind = Box::new(move |query| match is_store(query) {
            true => Some(reply(query.tid, &id, b"5:nodes0:")),
            false => Some(honest_answer(&friends, id, endpoint, query)),
        });
        lab.minds.insert(endpoint, mind);
    }
    let outcome = put(&mut lab);
    assert_eq!((outcome.stored.all, outcome.stored.counted), (0, 0), "{outcome:?}");
    assert_eq!((outcome.unconfirmed, outcome.invalid), (16, 16), "{outcome:?}");
}

/// One that our own side could not send is none; one that is on its way when the user ends it all is one.
#[test]
fn a_store_that_did_not_leave_is_not_unconfirmed_and_one_that_is_under_way_is() {
    for (fails, unconfirmed) in [(true, 0), (false, 8)] {
        let mut lab = with_answers(&[SILENCE]);
        lab.node.put_immutable(lab.now, 1, b"5:hello").unwrap();
        lab.drain();
        let (mut failed, mut seen) = (0, 0);
        let end = lab.now + Duration::from_secs(20);
        while lab.outcome().is_none() && failed < 8 {
            lab.run_until(end, |lab| lab.sent.len() > seen || lab.outcome().is_some());
            while let Some(packet) = lab.sent.get(seen).cloned() {
                seen += 1;
                if packet.query().is_some_and(|query| is_store(&query)) {
                    failed += 1;
                    if fails {
                        lab.input(Input::SendFailed { link: packet.link, to: packet.to });
                    }
                }
            }
        }
        lab.node.cancel(lab.now, 1);
        lab.drain();
        let outcome = lab.finish();
        assert_eq!((outcome.unconfirmed, outcome.stored.all), (unconfirmed, 0), "{failed} left: {outcome:?}");
    }
}
