//! What is kept stays: a node and its keeper among others, in virtual time.

use std::time::Duration;

use honeyguide::dht::{CallError, KeepId, KeepSchedule, KeepState, Kept, NextAction, PeerKind};
use honeyguide::internals::dht::capacity::KEEPING;
use honeyguide::krpc::Item;
use honeyguide::{Config, Id};

use crate::world::{News, World};

const VALUE: &[u8] = b"4:kept";
const ALL: usize = 24;
/// The host that keeps.
const KEEPER: usize = ALL - 1;

fn config() -> Config {
    let mut config = Config::small().local();
    config.server.item_lifetime = Duration::from_secs(30 * 24 * 3600);
    (config.lookup.replicas, config.capacity.kept, config.capacity.candidates) = (12, 4, 24);
    config
}

fn target() -> Id {
    Item::immutable_target(VALUE)
}

fn schedule() -> KeepSchedule {
    KeepSchedule { least: 4, refill: 6, check_every: Duration::from_secs(3600) }
}

/// A world whose last host begins to keep a value.
fn keeping() -> (World, KeepId) {
    let mut world = World::settled(ALL, &config());
    let kept = Kept::Immutable { target: target() };
    let keep = world.with(KEEPER, |node, now| node.keep(now, 7, kept, schedule()).unwrap());
    (world, keep)
}

fn said(world: &World, word: &str) -> usize {
    let is_it = |news: &&News| matches!(news, News::Other(text) if text.starts_with(word));
    world.hosts[KEEPER].news.iter().filter(is_it).count()
}

/// Waits until the item is wanted, and supplies it.
fn supply(world: &mut World, keep: KeepId, within: Duration) {
    world.hosts[KEEPER].news.clear();
    let end = world.now + within;
    assert!(world.run_until(end, |world| said(world, "Wanted") > 0), "it is wanted");
    let item = Item { value: VALUE, mutable: None };
    world.with(KEEPER, |node, now| node.supply(now, keep, item).unwrap());
    // The budget of flows lets a few queries a second leave.
    world.run_for(Duration::from_secs(60));
}

fn state(world: &World, keep: KeepId) -> KeepState {
    world.hosts[KEEPER].node.kept(keep).unwrap().state
}

fn holders(world: &World) -> Vec<usize> {
    let holds = |i: &usize| world.hosts[*i].alive && world.hosts[*i].node.holds(&target()).is_some();
    (0..world.hosts.len()).filter(holds).collect()
}

// P5, P8, P10
#[test]
fn what_is_kept_is_wanted_while_it_is_not_there_and_again_when_its_holders_are_gone() {
    let (mut world, keep) = keeping();
    supply(&mut world, keep, Duration::from_secs(10));
    let before = holders(&world);
    let stats = world.hosts[KEEPER].node.stats();
    assert_eq!(
        (usize::from(state(&world, keep).copies.unwrap()), stats.keep_stores as usize),
        (before.len(), before.len())
    );
    assert!(before.len() >= 8, "{before:?}");
    world.hosts[KEEPER].news.clear();
    world.run_for(Duration::from_secs(4 * 3600));
    assert_eq!((said(&world, "Wanted"), holders(&world)), (0, before.clone()), "as long as they are there it is not");
    for &host in before[3..].iter().filter(|host| **host != KEEPER) {
        world.stop(host);
    }
    let left = holders(&world).len();
    supply(&mut world, keep, Duration::from_secs(2 * 3600));
    let stats = world.hosts[KEEPER].node.stats();
    assert_eq!(holders(&world).len(), 6, "as many as the schedule says");
    assert_eq!(stats.keep_stores as usize, before.len() + 6 - left, "and none is put where it is");
    assert_eq!(state(&world, keep).next, NextAction::Look);
}

// P7
#[test]
fn while_nobody_at_all_answers_the_keeper_rests_and_it_goes_on_when_somebody_does() {
    let (mut world, keep) = keeping();
    supply(&mut world, keep, Duration::from_secs(10));
    world.run_for(Duration::from_secs(3600));
    let looks = |world: &World| world.hosts[KEEPER].node.stats().keep_looks;
    world.lose_every = 1;
    let before = looks(&world);
    world.run_for(Duration::from_secs(8 * 3600));
    assert!(looks(&world) - before <= 2, "{}", looks(&world) - before);
    assert!(state(&world, keep).futile <= 2, "{:?}", state(&world, keep));
    world.lose_every = 0;
    let before = looks(&world);
    world.run_for(Duration::from_secs(180));
    assert!(looks(&world) > before && state(&world, keep).futile == 0, "{:?}", state(&world, keep));
}

// P9
#[test]
fn an_item_that_is_older_than_what_there_is_is_not_put() {
    let (mut world, _) = keeping();
    let item = |seq, value| Item::mutable(&[9; 32], value).salt(b"s").seq(seq).sign().unwrap();
    let (old, new) = (item(4, &b"3:old"[..]), item(5, &b"3:new"[..]));
    world.operate(3, |node, now| {
        node.put_mutable(now, 1, &new, None).unwrap();
    });
    world.run_for(Duration::from_secs(5));
    let mutable = new.as_item().mutable.unwrap();
    let kept = Kept::Mutable { key: mutable.key, salt: b"s" };
    let keep = world.with(KEEPER, |node, now| node.keep(now, 8, kept, schedule()).unwrap());
    world.run_for(Duration::from_secs(5));
    assert_eq!(state(&world, keep).newest, Some(5));
    assert!(state(&world, keep).copies.is_none_or(|copies| copies >= 8), "whoever put them");
    world.with(KEEPER, |node, now| node.supply(now, keep, old.as_item()).unwrap());
    assert_eq!(said(&world, "Superseded"), 1);
    world.run_for(Duration::from_secs(5));
    let held = (0..ALL).filter_map(|i| world.hosts[i].node.holds(&kept.target()));
    assert!(held.into_iter().all(|seq| seq == 5));
    let newer = item(6, b"5:newer");
    world.with(KEEPER, |node, now| node.supply(now, keep, newer.as_item()).unwrap());
    world.run_for(Duration::from_secs(5));
    let held = (0..ALL).filter(|i| world.hosts[*i].node.holds(&kept.target()) == Some(6)).count();
    assert!(held >= 6, "{held}");
    assert_eq!(world.with(KEEPER, |node, now| node.unkeep_key(now, mutable.key)), 1);
    assert_eq!(world.hosts[KEEPER].node.kept(keep), None);
}

// P13
#[test]
fn an_announcement_is_made_again_before_it_is_forgotten() {
    let (mut world, _) = keeping();
    let (info_hash, kind) = (Id([3; 20]), PeerKind::Seed);
    let kept = Kept::Announced { info_hash, port: Some(99), kind };
    let keep = world.with(KEEPER, |node, now| node.keep(now, 9, kept, schedule()).unwrap());
    world.run_for(Duration::from_secs(3 * 3600));
    assert!(state(&world, keep).copies.is_some_and(|copies| copies >= 8), "{:?}", state(&world, keep));
    let (_, news) = world.operate(2, |node, now| {
        node.get_peers(now, 1, info_hash).unwrap();
    });
    assert!(news.iter().any(|news| matches!(news, News::Peers { peers, .. } if peers[0].port() == 99)));
    assert_eq!(world.with(KEEPER, |node, now| node.unkeep(now, keep)), Ok(()));
    world.run_for(Duration::from_secs(3600));
    let (_, news) = world.operate(2, |node, now| {
        node.get_peers(now, 1, info_hash).unwrap();
    });
    assert!(!news.iter().any(|news| matches!(news, News::Peers { .. })), "it is made no more");
}

// P14
#[test]
fn the_keeper_takes_no_place_of_a_user_and_a_user_none_of_the_keeper() {
    let (mut world, keep) = keeping();
    let second = Kept::Immutable { target: Id([1; 20]) };
    world.with(KEEPER, |node, now| node.keep(now, 8, second, schedule()).unwrap());
    let places = world.hosts[KEEPER].node.config().capacity.operations;
    let item = Item { value: VALUE, mutable: None };
    world.with(KEEPER, |node, now| node.supply(now, keep, item).unwrap());
    for tag in 0..places as u64 {
        world.with(KEEPER, |node, now| node.lookup(now, tag, Id([tag as u8; 20])).unwrap());
    }
    let full = world.with(KEEPER, |node, now| node.lookup(now, 99, Id([99; 20])));
    assert_eq!(full, Err(CallError::Full(places)));
    world.run_for(Duration::from_secs(5));
    assert!(holders(&world).len() >= 8);
    // Puts that were reported and go on in the background give way to users, and leave the keeper's places alone.
    for tag in 0..20 {
        let _full = world.with(KEEPER, |node, now| node.put_immutable(now, tag, b"i5e"));
        world.run_for(Duration::from_millis(70));
        world.with(KEEPER, |node, now| node.supply(now, keep, item).unwrap());
    }
    world.run_for(Duration::from_secs(10));
}

// P15
#[test]
fn what_a_keeper_opens_is_never_counted_for_users() {
    for flows in [40, 41, 400] {
        let mut config = config();
        config.keeper.flows = flows;
        let mut world = World::settled(ALL, &config);
        let before = world.hosts[KEEPER].node.stats();
        let kept = Kept::Immutable { target: target() };
        world.with(KEEPER, |node, now| node.keep(now, 7, kept, schedule()).unwrap());
        world.run_for(Duration::from_secs(60));
        let after = world.hosts[KEEPER].node.stats();
        assert!(after.flows_by_itself >= before.flows_by_itself + 12, "{flows}");
        assert_eq!(after.flows_for_users, before.flows_for_users, "{flows}");
    }
}

// P1, P9
#[test]
fn what_cannot_be_kept_is_refused_with_the_reason() {
    let (mut world, keep) = keeping();
    let node = &mut world.hosts[KEEPER].node;
    let now = world.now;
    let kept = Kept::Immutable { target: target() };
    let keep_by = |node: &mut honeyguide::Node<'static>, schedule| node.keep(now, 1, kept, schedule);
    for (least, refill, secs) in [(0, 4, 3600), (5, 4, 3600), (4, 21, 3600), (4, 6, 899), (4, 6, 30 * 24 * 3600 + 1)] {
        let schedule = KeepSchedule { least, refill, check_every: Duration::from_secs(secs) };
        assert_eq!(keep_by(node, schedule), Err(CallError::BadSchedule));
    }
    let announced = Kept::Announced { info_hash: target(), port: Some(0), kind: PeerKind::Seed };
    assert_eq!(node.keep(now, 1, announced, schedule()), Err(CallError::BadPort));
    let salted = Kept::Mutable { key: &[1; 32], salt: &[0; 65] };
    assert!(matches!(node.keep(now, 1, salted, schedule()), Err(CallError::Item(_))));
    let kept: Vec<_> = (1..4).map(|_| keep_by(node, schedule()).unwrap()).collect();
    assert_eq!(keep_by(node, schedule()), Err(CallError::KeeperFull(4)));
    assert_eq!(node.supply(now, keep, Item { value: b"5:other", mutable: None }), Err(CallError::OtherItem));
    let item = Item { value: VALUE, mutable: None };
    let taken = kept.iter().chain([&keep]).filter(|keep| node.supply(now, **keep, item).is_ok()).count();
    assert_eq!(taken, KEEPING, "each has a place");
    assert_eq!(node.unkeep(now, keep), Ok(()));
    for error in [node.unkeep(now, keep), node.supply(now, keep, item), node.later(now, keep, Duration::ZERO)] {
        assert_eq!(error, Err(CallError::NotKept));
    }
    let mut without = config();
    without.capacity.kept = 0;
    let mut world = World::settled(2, &without);
    let kept = Kept::Immutable { target: target() };
    assert_eq!(world.with(0, |node, now| node.keep(now, 1, kept, schedule())), Err(CallError::KeeperFull(0)));
}

#[test]
fn a_later_run_goes_on_with_what_an_earlier_one_kept() {
    let (mut world, keep) = keeping();
    supply(&mut world, keep, Duration::from_secs(10));
    let saved = *world.hosts[KEEPER].node.all_kept().collect::<Vec<_>>().first().unwrap();
    let (kept, state) = (Kept::Immutable { target: target() }, saved.state);
    let again = world.with(5, |node, now| node.keep_on(now, 7, kept, saved.schedule, state).unwrap());
    assert_eq!(world.hosts[5].node.kept(again).unwrap().state, state);
    world.run_for(Duration::from_secs(2 * 3600));
    assert!(world.hosts[5].node.stats().keep_looks >= 1);
}
