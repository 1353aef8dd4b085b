//! What a frugal node opens, and how soon its user is served all the same: rules D13 to D16.

use std::time::Duration;

use honeyguide::dht::{LinkId, Reason, Role, Stats};
use honeyguide::krpc::{Family, Item};
use honeyguide::sim::{Faults, HostId, Population, Site, Told, World, random_endpoint};
use honeyguide::{Config, Outcome};

/// A node that is at home in a network as the world has it.
fn at_home(seed: u64, nodes: usize, config: &Config) -> (World, HostId) {
    let mut world = World::new(seed);
    world.set_faults(Faults::WORLD);
    let remote = Population { nodes, ..Population::WORLD }.settle(&mut world);
    let up = remote.into_iter().filter(|host| world.oracle().is_reachable(*host));
    let through: Vec<_> = up.take(4).map(|host| world.site(host).unwrap().endpoint).collect();
    let endpoint = random_endpoint(Family::V4, world.rng());
    let site = Site::at(endpoint, world.rng());
    let host = world.add_node(config, site).unwrap();
    world.watch_flows(host);
    world.call(host, |node, now| node.bootstrap(now, 1, &through).unwrap());
    world.run_for(Duration::from_secs(3600));
    world.take_news(host);
    (world, host)
}

fn frugal() -> Config {
    let mut config = Config::default();
    config.frugal = true;
    config
}

fn stats(world: &World, host: HostId) -> Stats {
    world.node(host).unwrap().stats()
}

/// How all that were begun have ended, and when the last one did.
fn ended(world: &mut World, host: HostId, many: usize) -> (Vec<Outcome>, Duration) {
    let (begun, end) = (world.now(), world.now() + Duration::from_secs(3600));
    let is_end = |told: &Told| matches!(told, Told::Finished(_));
    world.run_until(end, |world| world.news(host).iter().filter(|news| is_end(&news.what)).count() >= many);
    let took = world.now().since(begun);
    let ends = world.take_news(host).into_iter().filter_map(|news| match news.what {
        Told::Finished(outcome) => Some(outcome),
        _ => None,
    });
    (ends.collect(), took)
}

/// The 64 items that the tests store.
fn values() -> Vec<String> {
    (0..64).map(|i| format!("i{i}e")).collect()
}

/// Rules D14 and D15.
#[test]
fn many_puts_at_once_all_succeed_within_the_budget() {
    let (mut world, host) = at_home(1, 1_500, &frugal());
    let values = values();
    for (tag, value) in (0..).zip(&values) {
        world.call(host, |node, now| node.put_immutable(now, tag, value.as_bytes()).unwrap());
    }
    let (puts, took) = ended(&mut world, host, 64);
    let is_good = |put: &&Outcome| put.reason == Reason::Converged && put.stored.all >= 8;
    assert_eq!(puts.iter().filter(is_good).count(), 64);
    assert!(puts.iter().all(|put| put.elapsed < Duration::from_secs(30)), "none of them needs more than its time");
    // 6,000 nodes have to be asked, of which more than half are gone.
    assert!(took < Duration::from_secs(900), "{took:?}");
    assert!(world.most_flows() <= 96, "{} flows in ten seconds", world.most_flows());
    let stats = stats(&world, host);
    assert!(stats.flows_held > 0 && stats.flows_for_users > 4_000, "{stats}");
    for value in &values {
        assert!(world.holders(Item::immutable_target(value.as_bytes())).count() >= 8);
    }
}

/// Rules D13 and D14.
#[test]
fn a_lone_get_is_as_quick_as_ever() {
    let mut idle = Vec::new();
    for config in [Config::default(), frugal()] {
        let (mut world, host) = at_home(2, 1_500, &config);
        idle.push(stats(&world, host).rpc_sent);
        assert!(!config.frugal || world.most_flows() <= 96, "{} flows while it joins", world.most_flows());
        let mut times = Vec::new();
        for value in values() {
            world.call(host, |node, now| node.put_immutable(now, 1, value.as_bytes()).unwrap());
            assert_eq!(ended(&mut world, host, 1).0[0].reason, Reason::Converged);
            world.run_for(Duration::from_secs(60));
            let target = Item::immutable_target(value.as_bytes());
            world.call(host, |node, now| node.get_immutable(now, 1, target, 1).unwrap());
            let get = ended(&mut world, host, 1).0[0];
            assert_eq!(get.reason, Reason::Hit);
            times.push(get.elapsed);
        }
        times.sort();
        assert!(times[60] < Duration::from_secs(3), "{:?}", &times[50..]);
        assert!(!config.frugal || world.most_flows() <= 96, "{} flows in ten seconds", world.most_flows());
        let contacts = world.node(host).unwrap().contacts().count();
        assert!(contacts > 150, "{contacts} contacts");
    }
    assert!(2 * idle[1] < idle[0] + 500, "{idle:?} queries in the first hour");
}

/// Rule D13.
#[test]
fn a_frugal_node_is_a_client_whatever_its_role_is() {
    for role in [Role::Client, Role::Server, Role::Adaptive] {
        let mut config = frugal();
        config.role = role;
        let (world, host) = at_home(1, 60, &config);
        assert_eq!(world.node(host).unwrap().role(LinkId(0)), Some(Role::Client));
        assert_eq!(stats(&world, host).queries, 0);
    }
}
