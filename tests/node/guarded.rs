//! Puts that may replace one version only (BEP 44's `cas`). Rule L25.

use honeyguide::dht::Reason;
use honeyguide::internals::krpc::item;
use honeyguide::krpc::{Item, Method, Query};
use honeyguide::{Endpoint, Id, Outcome};

use crate::lab::{Lab, config, error, honest_answer, pair, raw, reply};

const SECRET_KEY: [u8; 32] = [9; 32];

/// What a node says to a `get`, its token apart, and the code that it refuses a put with.
struct Manner {
    held: Vec<u8>,
    refuses: Option<i64>,
}

fn honest(seq: i64, value: &[u8]) -> Manner {
    Manner { held: version(seq, value, &item::sign(&SECRET_KEY, b"", seq, value).unwrap()), refuses: None }
}

/// A version, signed by whomever.
fn version(seq: i64, value: &[u8], signature: &[u8; 64]) -> Vec<u8> {
    let key = pair(b"k", &item::public_key(&SECRET_KEY));
    let seq = raw(b"seq", format!("i{seq}e").as_bytes());
    [key, seq, pair(b"sig", signature), raw(b"v", value)].concat()
}

/// A node that stores at up to twelve, and its friends, nearest to the item first. The nearest have these manners; the
/// others hold nothing.
fn with_manners(transactions: usize, manners: Vec<Manner>) -> (Lab, Vec<Endpoint>) {
    let mut config = config();
    (config.capacity.transactions, config.lookup.replicas) = (transactions, 12);
    let mut lab = Lab::new(config);
    lab.befriend(16);
    let target = item::mutable_target(&item::public_key(&SECRET_KEY), b"");
    let mut near: Vec<(Id, Endpoint)> = lab.friends.to_vec();
    near.sort_by_key(|(id, _)| id.distance(&target));
    for (&(id, endpoint), manner) in near.iter().zip(manners) {
        let friends = lab.friends.clone();
        let mind = move |query: &Query<'_>| match (query.method, manner.refuses) {
            (Method::Put { .. }, Some(code)) => Some(error(query.tid, code)),
            (Method::Get { .. }, _) => {
                // The keys of a dictionary are in order: all that a version has but its value stands before the token.
                let at = manner.held.windows(3).rposition(|w| w == b"1:v").unwrap_or(manner.held.len());
                let (before, value) = manner.held.split_at(at);
                Some(reply(query.tid, &id, &[before, &pair(b"token", b"tok"), value].concat()))
            }
            _ => Some(honest_answer(&friends, id, endpoint, query)),
        };
        lab.minds.insert(endpoint, Box::new(mind));
    }
    (lab, near.into_iter().map(|(_, endpoint)| endpoint).collect())
}

/// Puts version 4 in place of version 3; how that ended, and whom it was sent to.
fn replace_version_3(lab: &mut Lab) -> (Outcome, Vec<Endpoint>) {
    replace_version_3_with(lab, 4)
}

fn replace_version_3_with(lab: &mut Lab, seq: i64) -> (Outcome, Vec<Endpoint>) {
    let item = Item::mutable(&SECRET_KEY, b"5:hello").seq(seq).sign().unwrap();
    lab.sent.clear();
    let outcome = lab.operate(|node, now| {
        node.put_mutable(now, 1, &item, Some(3)).unwrap();
    });
    lab.run(std::time::Duration::from_secs(5));
    let is_put = |query: Query<'_>| matches!(query.method, Method::Put { .. });
    (outcome, lab.sent.iter().filter(|p| p.query().is_some_and(is_put)).map(|p| p.to).collect())
}

/// Nobody holds anything, but one says that it does: what is not signed is no version, and vetoes nothing.
#[test]
fn what_nobody_has_signed_keeps_no_put_from_a_fresh_key() {
    let forged = |seq| version(seq, b"4:junk", &[7; 64]);
    let same = [pair(b"k", &item::public_key(&SECRET_KEY)), raw(b"seq", b"i4e"), raw(b"v", b"5:hello")].concat();
    let claims = [
        raw(b"v", b"4:junk"),
        raw(b"seq", b"i3e"),
        [raw(b"seq", b"i3e"), raw(b"v", b"4:junk")].concat(),
        forged(2),
        forged(3),
        forged(i64::MAX),
        same,
        version(4, b"5:hello", &[7; 64]),
    ];
    for held in claims {
        for code in [301, 302] {
            let (mut lab, _) = with_manners(32, vec![Manner { held: held.clone(), refuses: Some(code) }]);
            let (outcome, _) = replace_version_3(&mut lab);
            let refused = outcome.refused.cas_mismatch + outcome.refused.seq_too_old;
            let said = crate::lab::show(&held);
            assert_eq!((outcome.reason, outcome.stored.all, refused), (Reason::Converged, 8, 1), "{said}, {code}");
        }
    }
}

/// A genuine version counts, whoever tells of it first.
#[test]
fn nodes_without_a_version_wait_until_one_that_holds_one_has_agreed() {
    let manners = vec![honest(3, b"3:old"), honest(3, b"3:old"), honest(2, b"5:older")];
    let (mut lab, near) = with_manners(32, manners);
    let (outcome, stored_at) = replace_version_3(&mut lab);
    assert_eq!(outcome.reason, Reason::Converged);
    assert_eq!(stored_at[..3], near[..3], "first those that hold one");
    assert!(stored_at.len() > 8, "then the others");
    // All that hold one refuse.
    let refuses = || Manner { refuses: Some(301), ..honest(3, b"3:old") };
    let (mut lab, near) = with_manners(32, vec![refuses(), refuses()]);
    let (outcome, stored_at) = replace_version_3(&mut lab);
    assert_eq!((outcome.stored.all, outcome.refused.cas_mismatch), (0, 2));
    assert_eq!(stored_at, near[..2]);
}

#[test]
fn nodes_without_a_version_are_left_out_once_two_have_refused() {
    let refuses = || Manner { refuses: Some(301), ..honest(3, b"3:old") };
    let (mut lab, near) = with_manners(32, vec![refuses(), refuses(), honest(3, b"3:old")]);
    let (outcome, stored_at) = replace_version_3(&mut lab);
    assert_eq!((outcome.stored.all, outcome.refused.cas_mismatch), (1, 2));
    assert_eq!(stored_at, near[..3]);
}

/// Whether the only node that holds a version is silent, refuses what it should take, or gave a token that it does not
/// take: it is one copy less, and all others are stored on.
#[test]
fn one_node_that_holds_the_expected_version_keeps_no_put_from_the_others() {
    for code in [None, Some(203), Some(301), Some(302)] {
        let (mut lab, near) = with_manners(32, vec![honest(3, b"3:old")]);
        let mut honest = lab.minds.remove(&near[0]).unwrap();
        lab.minds.insert(
            near[0],
            Box::new(move |query| match query.method {
                Method::Put { .. } => code.map(|code| error(query.tid, code)),
                _ => honest(query),
            }),
        );
        let (outcome, stored_at) = replace_version_3(&mut lab);
        assert_eq!(stored_at[0], near[0], "{code:?}: who holds it is asked first");
        assert_eq!((outcome.reason, outcome.stored.all), (Reason::Converged, 8), "{code:?}: {outcome:?}");
    }
}

/// Only a newer version makes those that hold the expected one stale; who refuses is one node less.
#[test]
fn one_refusal_keeps_no_put_from_the_nodes_that_hold_the_expected_version() {
    for (transactions, code) in [(32, 202), (2, 202), (2, 301)] {
        let mut manners: Vec<_> = (0..16).map(|_| honest(3, b"3:old")).collect();
        manners[0].refuses = Some(code);
        let (mut lab, _) = with_manners(transactions, manners);
        let (outcome, stored_at) = replace_version_3(&mut lab);
        let refused = outcome.refused.other + outcome.refused.cas_mismatch;
        assert_eq!((outcome.stored.all, refused), (8, 1), "{transactions} transactions, {code}");
        assert!(stored_at.len() > 9, "the rest goes on in the background: {}", stored_at.len());
    }
}

#[test]
fn nodes_that_missed_a_newer_version_are_left_out() {
    let manners = vec![honest(3, b"3:old"), Manner { refuses: Some(301), ..honest(5, b"5:newer") }];
    let (mut lab, near) = with_manners(32, manners);
    let (outcome, stored_at) = replace_version_3(&mut lab);
    assert_eq!((outcome.stored.all, outcome.refused.cas_mismatch, outcome.held_seq), (0, 1, Some(5)));
    assert_eq!(stored_at, near[1..2]);
}

/// Who repeats a put of which he has heard no confirmation finds the very item at the nodes that have it, and they refuse
/// to replace it. That is no newer version, and keeps it from nobody else.
#[test]
fn a_put_with_cas_that_is_repeated_is_stored_where_its_very_item_is_held() {
    for (transactions, held_by) in [(32, 16), (2, 16), (32, 1), (2, 1)] {
        let mut manners: Vec<_> = (0..16).map(|_| honest(3, b"3:old")).collect();
        manners[..held_by].fill_with(|| Manner { refuses: Some(301), ..honest(4, b"5:hello") });
        let (mut lab, _) = with_manners(transactions, manners);
        let (outcome, _) = replace_version_3(&mut lab);
        let refused = outcome.refused.total();
        assert_eq!((outcome.stored.all, refused), (8, 0), "{transactions} transactions, {held_by} hold it");
    }
}

/// Whoever is heard first: a version of somebody else that is newer than the expected one supersedes the put, also when
/// it is no newer than the very item that one node holds already.
#[test]
fn a_rival_supersedes_a_put_whether_it_or_the_very_item_is_seen_first() {
    for (seq, rival) in [(4, 4), (5, 4), (4, 5)] {
        for rival_first in [false, true] {
            let mut manners: Vec<_> = (0..16).map(|_| honest(3, b"3:old")).collect();
            let rivals = || Manner { refuses: Some(301), ..honest(rival, b"5:rival") };
            manners[..3].fill_with(rivals);
            manners[usize::from(rival_first)] = honest(seq, b"5:hello");
            let (mut lab, near) = with_manners(32, manners);
            let before = lab.stats().verifications;
            let (outcome, mut stored_at) = replace_version_3_with(&mut lab, seq);
            stored_at.sort();
            let mut all = near[..3].to_vec();
            all.sort();
            let said = format!("{seq} against {rival}, the rival first: {rival_first}");
            assert_eq!(stored_at, all, "{said}");
            assert_eq!((outcome.stored.all, outcome.refused.cas_mismatch), (1, 2), "{said}");
            assert_eq!(outcome.held_seq, Some(seq.max(rival)), "{said}");
            let verified = lab.stats().verifications - before;
            assert!((2..=3).contains(&verified), "{said}: its own, the very item and one rival, not {verified}");
        }
    }
}

/// The same without a signature that fits is nothing.
#[test]
fn a_forged_rival_supersedes_no_put_after_the_very_item_was_seen() {
    let mut manners: Vec<_> = (0..16).map(|_| honest(3, b"3:old")).collect();
    manners[0] = Manner { refuses: Some(301), ..honest(4, b"5:hello") };
    manners[1] = Manner { held: version(4, b"5:rival", &[7; 64]), refuses: Some(302) };
    let (mut lab, _) = with_manners(32, manners);
    let (outcome, _) = replace_version_3(&mut lab);
    assert_eq!((outcome.stored.all, outcome.invalid), (8, 1));
}

/// Rule L24: who refuses may hold the newer version by now.
#[test]
fn a_refusal_by_who_held_the_very_item_is_a_refusal_once_the_put_is_superseded() {
    for code in [301, 302] {
        let mut manners: Vec<_> = (0..16).map(|_| honest(3, b"3:old")).collect();
        manners[0] = Manner { refuses: Some(code), ..honest(4, b"5:hello") };
        manners[1] = Manner { refuses: Some(code), ..honest(5, b"5:newer") };
        let (mut lab, _) = with_manners(32, manners);
        let (outcome, _) = replace_version_3(&mut lab);
        assert_eq!((outcome.stored.all, outcome.refused.total()), (0, 2), "{code}");
    }
}
