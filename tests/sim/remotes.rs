//! Remote nodes of other makes, and those who harm.

use std::rc::Rc;
use std::time::Duration;

use honeyguide::dht::{KeepSchedule, Kept, Reason};
use honeyguide::krpc::{Family, Item};
use honeyguide::sim::random_endpoint;
use honeyguide::sim::{Adversary, Faults, HostId, Knowledge, Malice, News, Population, Site, Told, World};
use honeyguide::{Config, Endpoint, Id, Outcome};

/// A node of ours that joined a network of remote ones a quarter of an hour ago.
fn at_home(seed: u64, population: Population, faults: Faults) -> (World, HostId) {
    let mut world = World::new(seed);
    world.set_faults(faults);
    let remote = population.settle(&mut world);
    let up = remote.into_iter().filter(|host| world.oracle().is_reachable(*host));
    let through: Vec<_> = up.take(4).map(|host| world.endpoint(host)).collect();
    let endpoint = random_endpoint(Family::V4, world.rng());
    let site = Site::at(endpoint, world.rng());
    let node = world.add_node(&Config::default(), site).unwrap();
    world.call(node, |node, now| node.bootstrap(now, 1, &through).unwrap());
    world.run_for(Duration::from_secs(900));
    world.take_news(node);
    (world, node)
}

fn outcome(world: &mut World, host: HostId) -> Outcome {
    world.run_for(Duration::from_secs(31));
    let ends = world.take_news(host).into_iter().filter_map(|news| match news.what {
        Told::Finished(outcome) => Some(outcome),
        _ => None,
    });
    let ends: Vec<_> = ends.collect();
    assert_eq!(ends.len(), 1, "an operation ends once");
    ends[0]
}

/// Rules W11 and W12.
#[test]
fn a_node_that_joins_the_world_finds_what_it_stored() {
    let (mut world, node) = at_home(5, Population { nodes: 1_000, ..Population::WORLD }, Faults::WORLD);
    for i in 0..10_u8 {
        let value = [b"4:abc", &[b'0' + i][..]].concat();
        world.call(node, |node, now| node.put_immutable(now, 2, &value).unwrap());
        let put = outcome(&mut world, node);
        let target = Item::immutable_target(&value);
        assert!(world.holders(target).count() >= usize::from(put.stored.all), "{put:?}");
        world.call(node, |node, now| node.get_immutable(now, 3, target, 1).unwrap());
        assert_eq!(outcome(&mut world, node).reason, Reason::Hit);
    }
}

/// Rule W14. A node of its kind next to the key, and what becomes of it there: what the malice is, can be seen.
#[test]
fn each_adversary_does_the_one_thing_wrong() {
    let population = Population { nodes: 60, wide: 0.0, ..Population::CALM };
    for malice in [
        Malice::Silent,
        Malice::Slow(Duration::from_millis(1_500)),
        Malice::Echo,
        Malice::ReflectId,
        Malice::HopId,
        Malice::Collude(Rc::new(vec![(Id([9; 20]), Endpoint::v4([5, 5, 5, 5], 5))])),
        Malice::WrongIds,
        Malice::Withhold,
        Malice::Stale,
        Malice::Claim(99),
        Malice::WrongToken,
        Malice::Huge,
        Malice::Vote(Endpoint::v4([6, 6, 6, 6], 6)),
    ] {
        let (mut world, node) = at_home(6, population, Faults::NONE);
        let endpoint = random_endpoint(Family::V4, world.rng());
        let (site, id) = (Site::at(endpoint, world.rng()), Id::secure(endpoint.ip(), world.rng()));
        let host = world.add(Adversary::new(id, Knowledge::WORLD, malice.clone()), site, Some(id), true);
        let target = Item::immutable_target(b"4:abcd");
        world.call(node, |node, now| node.get_immutable(now, 4, target, 1).unwrap());
        outcome(&mut world, node);
        let at = honeyguide::dht::Scope::Node(endpoint);
        let get = honeyguide::Command::GetImmutable { target, copies: 1 };
        world.call(node, |node, now| node.command_in(now, 5, at, get).unwrap());
        let got = outcome(&mut world, node);
        let put = honeyguide::Command::PutImmutable { value: b"4:abcd" };
        world.call(node, |node, now| node.command_in(now, 6, at, put).unwrap());
        let put = outcome(&mut world, node);
        let is_heard = !matches!(malice, Malice::Silent | Malice::Echo);
        assert_eq!(got.answered > 0, is_heard && malice != Malice::ReflectId, "{malice:?} {got:?}");
        let is_stored = !matches!(malice, Malice::WrongToken | Malice::ReflectId) && is_heard;
        // Whoever confirms it under another id has not confirmed it.
        assert_eq!(put.stored.all, u16::from(is_stored && malice != Malice::HopId), "{malice:?} {put:?}");
        assert_eq!(world.holds(host, &target).is_some(), is_stored && malice != Malice::Withhold, "{malice:?}");
        assert_eq!(put.refused.total() > 0, malice == Malice::WrongToken, "{malice:?} {put:?}");
        assert_eq!(
            got.invalid > 0,
            matches!(malice, Malice::Huge | Malice::ReflectId | Malice::Echo),
            "{malice:?} {got:?}"
        );
    }
}

/// The most flows in ten seconds of a node that keeps so many keys, none of which is there, for half an hour; how many
/// it has looked at; and how many are stored then.
fn keeping(keys: u32, flows: u16) -> (usize, u64, usize) {
    let mut world = World::new(5);
    let remote = Population { nodes: 800, ..Population::CALM }.settle(&mut world);
    let router = world.endpoint(remote[0]);
    let endpoint = random_endpoint(Family::V4, world.rng());
    let site = Site::at(endpoint, world.rng());
    let mut config = Config::default();
    config.keeper.flows = flows;
    config.capacity.kept = keys as usize;
    let host = world.add_node(&config, site).unwrap();
    world.call(host, |node, now| node.bootstrap(now, 1, &[router]).unwrap());
    world.run_for(Duration::from_secs(300));
    world.watch_flows(host);
    let values: Vec<_> = (0..keys).map(|i| format!("i{i}e")).collect();
    for (tag, value) in (0..).zip(&values) {
        let kept = Kept::Immutable { target: Item::immutable_target(value.as_bytes()) };
        world.call(host, |node, now| node.keep(now, tag, kept, KeepSchedule::default()).unwrap());
    }
    let end = world.now() + Duration::from_secs(1_800);
    let is_wanted = |news: &News| matches!(news.what, Told::Wanted(_));
    while world.run_until(end, |world| world.news(host).iter().any(is_wanted)) {
        for news in world.take_news(host) {
            if let Told::Wanted(keep) = news.what {
                let item = Item { value: values[news.tag as usize].as_bytes(), mutable: None };
                let _later = world.call(host, |node, now| node.supply(now, keep, item));
            }
        }
    }
    let is_held = |value: &&String| world.holders(Item::immutable_target(value.as_bytes())).count() >= 8;
    let looks = world.node(host).unwrap().stats().keep_looks;
    (world.most_flows(), looks, values.iter().filter(is_held).count())
}

/// Rules P14 and P15. What the table asks for itself comes besides.
#[test]
fn the_keeper_opens_no_more_flows_than_it_may_and_keeps_more_keys_where_it_may_open_more() {
    let (idle, ..) = keeping(0, 40);
    let (little, looks, held) = keeping(300, 12);
    assert!(little <= idle + 12, "{little} flows, of which {idle} are none of the keeper");
    // 0.9 queries a second are two lookups a minute.
    assert!((30..100).contains(&looks) && held >= 15, "{looks} looks, {held} held");
    let (much, looks, held) = keeping(300, 500);
    assert!(much > 2 * little && much <= idle + 500, "{much} flows");
    assert!(looks >= 300 && held == 300, "{looks} looks, {held} held");
}
