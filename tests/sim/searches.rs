//! What a search costs, and whom it needs: in networks of every size, right after a node has begun, among the dead, and
//! of one that nobody knows.

use std::time::Duration;

use honeyguide::dht::{Reason, Role};
use honeyguide::krpc::{Family, Item};
use honeyguide::sim::{Faults, HostId, Knowledge, News, Population, Site, Told, World, random_endpoint};
use honeyguide::{Config, Endpoint, Id, Outcome};

/// A node of ours and four that are up, in a calm network of so many of which this part is dead.
fn newcomer(nodes: usize, dead: f64) -> (World, HostId, Vec<Endpoint>) {
    let mut world = World::new(1);
    world.set_faults(Faults::NONE);
    let knowledge = Knowledge { dead, ..Population::CALM.knowledge };
    let remote = Population { nodes, knowledge, ..Population::CALM }.settle(&mut world);
    let up = remote.into_iter().filter(|host| world.oracle().is_reachable(*host));
    let through = up.take(4).map(|host| world.endpoint(host)).collect();
    let host = add(&mut world, &Config::default());
    (world, host, through)
}

fn add(world: &mut World, config: &Config) -> HostId {
    let endpoint = random_endpoint(Family::V4, world.rng());
    let site = Site::at(endpoint, world.rng());
    world.add_node(config, site).unwrap()
}

/// The same, a quarter of an hour after it has joined.
fn at_home(nodes: usize, dead: f64) -> (World, HostId) {
    let (mut world, host, through) = newcomer(nodes, dead);
    world.call(host, |node, now| node.bootstrap(now, 1, &through).unwrap());
    world.run_for(Duration::from_secs(900));
    world.take_news(host);
    (world, host)
}

/// How the operation with tag 7 ends.
fn ended(world: &mut World, host: HostId) -> Outcome {
    let end = world.now() + Duration::from_secs(31);
    let outcome = |news: &News| match news.what {
        Told::Finished(outcome) if news.tag == 7 => Some(outcome),
        _ => None,
    };
    let ended = |world: &World| world.news(host).iter().find_map(outcome);
    world.run_until(end, |world| ended(world).is_some());
    let outcome = ended(world).expect("it ends");
    world.take_news(host);
    outcome
}

/// A search for those next to a target, to its end.
fn search(world: &mut World, host: HostId) -> Outcome {
    let target = Id::random(world.rng());
    world.call(host, |node, now| node.lookup(now, 7, target).unwrap());
    let outcome = ended(world, host);
    assert_eq!(outcome.reason, Reason::Converged, "{outcome:?}");
    outcome
}

/// A put of something new, and a search for it.
fn put_and_get(world: &mut World, host: HostId) -> [Outcome; 2] {
    let value = format!("16:{:016x}", world.rng().next_u64());
    world.call(host, |node, now| node.put_immutable(now, 7, value.as_bytes()).unwrap());
    let put = ended(world, host);
    let target = Item::immutable_target(value.as_bytes());
    world.call(host, |node, now| node.get_immutable(now, 7, target, 1).unwrap());
    [put, ended(world, host)]
}

/// Rule L11. Where a search asks all that it hears of, these are 42, 161, 517 and 1,489. One of two hundred takes honest
/// nodes for too dense, and asks further (L38).
#[test]
fn a_search_asks_no_more_in_a_large_network_than_its_few_hops_more() {
    let mut means = Vec::new();
    for nodes in [150, 1_000, 5_000, 20_000] {
        let (mut world, host) = at_home(nodes, 0.0);
        let queried: Vec<u32> = (0..20).map(|_| search(&mut world, host).queried.into()).collect();
        assert!(queried.iter().all(|queried| (8..=60).contains(queried)), "{nodes}: {queried:?}");
        means.push(queried.iter().sum::<u32>() / 20);
    }
    assert!(means[3] <= 20 && means[3] <= means[0] + 12, "{means:?}");
}

/// Rules L6 and L8. Whom nobody has vouched for is asked at once too, and not one after another.
#[test]
fn a_search_right_after_the_start_takes_at_most_twice_as_long_as_later_ones() {
    let [mut cold, mut warm] = [Vec::new(), Vec::new()];
    for nodes in [50, 150, 1_000] {
        let (mut world, first, through) = newcomer(nodes, 0.0);
        let mut hosts = vec![first];
        hosts.extend((0..10).map(|_| add(&mut world, &Config::default())));
        for host in &hosts {
            world.call(*host, |node, now| node.bootstrap(now, 1, &through).unwrap());
            cold.push(search(&mut world, *host).elapsed);
        }
        world.run_for(Duration::from_secs(900));
        warm.extend(hosts.iter().map(|host| search(&mut world, *host).elapsed));
    }
    let [cold, warm] = [cold, warm].map(|mut times| {
        times.sort();
        times[times.len() / 2]
    });
    assert!(cold < 2 * warm && cold < Duration::from_secs(2), "{cold:?} {warm:?}");
}

/// Rule L7.
#[test]
fn whatever_part_of_the_network_is_dead_things_are_stored_and_found() {
    for (dead, most) in [(0.0, 3), (0.25, 3), (0.5, 3), (0.9, 8)] {
        let (mut world, host) = at_home(150, dead);
        let mut times = Vec::new();
        for _ in 0..10 {
            let [put, get] = put_and_get(&mut world, host);
            assert!(put.stored.all >= 8, "{dead}: {put:?}");
            assert!(get.reason == Reason::Hit && get.elapsed < Duration::from_secs(2), "{dead}: {get:?}");
            times.push(put.elapsed);
        }
        times.sort();
        assert!(times[8] < Duration::from_secs(most), "{dead}: {times:?}");
    }
}

/// All have full tables, and whoever says that he only asks has a place in none.
#[test]
fn who_is_in_nobodys_table_stores_and_finds_like_any_other() {
    let mut world = World::new(1);
    world.set_faults(Faults::NONE);
    let mut config = Config::small();
    config.capacity.contacts = 24;
    let hosts: Vec<_> = (0..40).map(|_| add(&mut world, &config)).collect();
    let first = world.endpoint(hosts[0]);
    for host in &hosts[1..] {
        world.call(*host, |node, now| node.bootstrap(now, 1, &[first]).unwrap());
        world.run_for(Duration::from_millis(300));
    }
    world.run_for(Duration::from_secs(300));
    config.role = Role::Client;
    let host = add(&mut world, &config);
    world.call(host, |node, now| node.bootstrap(now, 1, &[first]).unwrap());
    world.run_for(Duration::from_secs(60));
    let contacts =
        |world: &World, of| world.node(of).unwrap().contacts().map(|(_, it)| it.endpoint).collect::<Vec<_>>();
    let own = world.endpoint(host);
    for other in hosts {
        let known = contacts(&world, other);
        assert!(known.len() >= 20 && !known.contains(&own), "{known:?}");
    }
    for _ in 0..10 {
        let [put, get] = put_and_get(&mut world, host);
        assert!(put.stored.all >= 8 && get.reason == Reason::Hit, "{put:?} {get:?}");
    }
}
