//! A node that adapts, minute by minute.

use std::vec::Vec;

use super::*;

/// Minutes after a quarter of an hour.
fn minute(minutes: u64) -> Instant {
    Instant::from_secs(60 * (1_000 + minutes))
}

/// One that knows whom it has sent to, at this minute.
fn begun(at: u64) -> Reachability {
    let mut node = Reachability::new();
    assert_eq!((node.due(), node.role()), (Instant::ZERO, Role::Client));
    node.on_timeout(Instant::from_secs(60 * (985 + at)), 20, |_| 0);
    assert_eq!((node.due(), node.role()), (minute(at), Role::Client));
    node
}

/// A minute passes, in which so many contacts of twenty have answered.
fn pass(node: &mut Reachability, at: u64, answered: usize) -> Role {
    node.on_timeout(minute(at), 20, |_| answered);
    node.role()
}

/// One that three networks have shown to be reached, at this minute.
fn server(at: u64) -> Reachability {
    let mut node = begun(at);
    assert_eq!(pass(&mut node, at, 8), Role::Adaptive);
    (1..=3).for_each(|network| node.on_asked(minute(at), network));
    assert_eq!(node.role(), Role::Server);
    node
}

/// Rule D8.
#[test]
fn a_probation_lasts_ten_minutes_and_the_wait_after_it_an_hour_that_doubles_up_to_a_day() {
    let mut node = begun(0);
    let (mut changes, mut before) = (Vec::new(), Role::Client);
    for at in 0..200 * 60 {
        let role = pass(&mut node, at, 8);
        if role != before {
            changes.push(at);
            before = role;
        }
    }
    let waits: Vec<_> = changes[1..].windows(2).step_by(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(waits[..8], [1, 2, 4, 8, 16, 24, 24, 24].map(|hours| 60 * hours));
    assert!(changes.chunks(2).filter(|pair| pair.len() == 2).all(|pair| pair[1] - pair[0] == 10));
}

/// Rule D8.
#[test]
fn it_tries_as_soon_as_somebody_is_known_and_at_once_where_it_has_moved() {
    let mut node = begun(0);
    for at in 0..10 {
        node.on_timeout(minute(at), LEAST_CONTACTS - 1, |_| 0);
        assert_eq!(node.role(), Role::Client);
    }
    assert_eq!(pass(&mut node, 10, 0), Role::Adaptive);
    assert_eq!(pass(&mut node, 20, 0), Role::Client);
    node.on_moved(minute(30));
    assert_eq!((node.due(), pass(&mut node, 30, 0)), (minute(30), Role::Adaptive));
    node.on_asked(minute(31), 1);
    node.on_asked(minute(31), 2);
    node.on_moved(minute(35));
    node.on_asked(minute(36), 3);
    assert_eq!(node.role(), Role::Adaptive, "what was shown elsewhere is no proof here");
    assert_eq!((pass(&mut node, 44, 0), pass(&mut node, 45, 0)), (Role::Adaptive, Role::Client));
    assert_eq!(node.due(), minute(45 + 60), "the waits begin anew");
}

/// Rule D9.
#[test]
fn three_networks_are_the_proof_and_one_counts_once() {
    let mut node = begun(0);
    node.on_asked(minute(0), 9);
    assert_eq!(pass(&mut node, 0, 8), Role::Adaptive);
    for network in [1, 1, 2, 1, 2, 2] {
        node.on_asked(minute(1), network);
        assert_eq!(node.role(), Role::Adaptive);
    }
    node.on_asked(minute(9), 3);
    assert_eq!(node.role(), Role::Server);
}

/// Rule D10.
#[test]
fn a_server_that_nobody_asks_for_half_an_hour_while_others_answer_is_a_client() {
    for (answered, role) in [(7, Role::Server), (8, Role::Client)] {
        let mut node = server(0);
        node.on_asked(minute(50), 4);
        assert_eq!((pass(&mut node, 79, answered), pass(&mut node, 80, answered)), (Role::Server, role));
    }
    let mut node = server(0);
    node.on_link_back(minute(100));
    assert_eq!((pass(&mut node, 129, 8), pass(&mut node, 130, 8)), (Role::Server, Role::Client));
}

/// Rule D11.
#[test]
fn a_role_is_not_changed_twice_an_hour() {
    let mut node = server(0);
    assert_eq!((pass(&mut node, 59, 8), pass(&mut node, 60, 8)), (Role::Server, Role::Client), "silent for an hour");
    node.on_moved(minute(70));
    assert_eq!(pass(&mut node, 70, 8), Role::Adaptive, "a probation is no change");
    (1..=3).for_each(|network| node.on_asked(minute(71), network));
    for at in 71..120 {
        assert_eq!(pass(&mut node, at, 8), Role::Adaptive, "it goes on until the hour is over");
    }
    assert_eq!(pass(&mut node, 120, 8), Role::Server);
}

/// Rules D11 and D12.
#[test]
fn whoever_makes_a_server_a_client_has_changed_its_role() {
    let mut node = server(0);
    node.begin_anew(minute(5));
    assert_eq!(pass(&mut node, 5, 8), Role::Adaptive);
    (1..=3).for_each(|network| node.on_asked(minute(6), network));
    assert_eq!((pass(&mut node, 64, 8), pass(&mut node, 65, 8)), (Role::Adaptive, Role::Server));
}

/// Rule D8.
#[test]
fn an_outage_says_nothing_of_who_reaches_us() {
    let mut node = begun(0);
    assert_eq!(pass(&mut node, 0, 8), Role::Adaptive);
    node.on_link_back(minute(9));
    assert_eq!((pass(&mut node, 18, 8), pass(&mut node, 19, 8)), (Role::Adaptive, Role::Client));
    node.on_link_back(minute(20));
    assert_eq!(node.due(), minute(19 + 60));
}

/// Rules D8 and D12.
#[test]
fn nothing_brings_the_first_probation_before_a_quarter_of_an_hour_has_passed() {
    let made_to_ask: fn(&mut Reachability, Instant) = Reachability::begin_anew;
    for changes in [made_to_ask, Reachability::on_moved] {
        let mut node = begun(0);
        for at in 985..999 {
            changes(&mut node, Instant::from_secs(60 * at + 20));
            node.on_timeout(Instant::from_secs(60 * at + 20), 30, |_| 30);
            assert_eq!((node.role(), node.due()), (Role::Client, minute(0)));
        }
        assert_eq!(pass(&mut node, 0, 30), Role::Adaptive);
    }
}
