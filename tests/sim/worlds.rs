//! What a world does to those in it.

use std::time::Duration;

use honeyguide::adapters::{Replay, replay};
use honeyguide::dht::{KeepSchedule, Kept, LinkId, SavedContact};
use honeyguide::krpc::{Family, Item};
use honeyguide::sim::{
    Bursts, Churn, Faults, HostId, Journals, Knowledge, LineFault, NatKind, Population, Remote, Site, Told, World,
    random_endpoint,
};
use honeyguide::{Config, Endpoint, Id, Node, Storage};

/// So many nodes that have joined by way of the first one, ten minutes ago.
fn joined(seed: u64, count: usize, faults: Faults) -> (World, Vec<HostId>) {
    let mut world = World::new(seed);
    world.hash_outputs();
    world.set_faults(faults);
    let mut add = |_| {
        let endpoint = random_endpoint(Family::V4, world.rng());
        let site = Site::at(endpoint, world.rng());
        world.add_node(&Config::small(), site).unwrap()
    };
    let hosts: Vec<_> = (0..count).map(&mut add).collect();
    let first = world.endpoint(hosts[0]);
    for host in &hosts[1..] {
        world.call(*host, |node, now| node.bootstrap(now, 1, &[first]).unwrap());
        world.run_for(Duration::from_millis(300));
    }
    world.run_for(Duration::from_secs(600));
    (world, hosts)
}

/// How a lookup of this host ended, and which of the eight nearest it found.
fn found(world: &mut World, host: HostId, target: Id) -> usize {
    world.take_news(host);
    world.call(host, |node, now| node.lookup(now, 7, target).unwrap());
    world.run_for(Duration::from_secs(5));
    let near = world.oracle().closest(&target, 9).into_iter().filter(|near| *near != host).take(8);
    let near: Vec<Endpoint> = near.map(|near| world.endpoint(near)).collect();
    let told = world.take_news(host).into_iter().rev().find_map(|news| match news.what {
        Told::Nodes(nodes) if news.tag == 7 => Some(nodes),
        _ => None,
    });
    told.into_iter().flatten().filter(|(_, endpoint)| near.contains(endpoint)).count()
}

/// Rule W1.
#[test]
fn two_runs_of_a_seed_have_the_same_outputs_and_another_seed_has_others() {
    let faults = Faults { loss: 0.1, duplication: 0.1, reordering: 0.1, corruption: 0.05, ..Faults::WORLD };
    let hash = |seed| joined(seed, 24, faults).0.outputs_hash().unwrap();
    assert_eq!(hash(1), hash(1));
    assert_ne!(hash(1), hash(2));
}

/// Rule W23.
#[test]
fn every_thousandth_drain_is_recounted_unless_somebody_wants_it_otherwise() {
    let recounts = |every: Option<u64>| {
        let (mut world, hosts) = (World::new(9), 20);
        every.into_iter().for_each(|every| world.recount_every(every));
        let mut add = |_| {
            let endpoint = random_endpoint(Family::V4, world.rng());
            let site = Site::at(endpoint, world.rng());
            world.add_node(&Config::small(), site).unwrap()
        };
        let hosts: Vec<_> = (0..hosts).map(&mut add).collect();
        let mut many = hosts.len() as u64;
        for i in 0..3_000 {
            many += u64::from(world.call(hosts[i % hosts.len()], |_, _| ()).is_some());
        }
        (world.recounts(), many)
    };
    // Builds without debug assertions recount nothing.
    let done = |recounts| if cfg!(debug_assertions) { recounts } else { 0 };
    let (by_default, drains) = recounts(None);
    assert_eq!((by_default, drains / 1_000), (done(3), 3));
    assert_eq!((recounts(Some(1)), recounts(Some(0))), ((done(drains), drains), (0, drains)));
}

/// Rule W24.
#[test]
fn the_times_for_which_nodes_are_up_are_added_up() {
    let mut world = World::new(1);
    let mut site = || {
        let endpoint = random_endpoint(Family::V4, world.rng());
        Site::at(endpoint, world.rng())
    };
    let sites = [0; 3].map(|_| site());
    let ours = [0, 1].map(|i: usize| world.add_node(&Config::small(), sites[i]).unwrap());
    let other = world.add(Remote::new(Id([7; 20]), Knowledge::WORLD), sites[2], Some(Id([7; 20])), false);
    let minute = Duration::from_secs(60);
    let times = |world: &World| {
        let time = world.node_time();
        [time.ours, time.others].map(|time| time.as_secs() / 60)
    };
    world.run_for(10 * minute);
    assert_eq!(times(&world), [20, 10]);
    [ours[0], other].into_iter().for_each(|host| world.stop(host));
    world.run_for(10 * minute);
    assert_eq!(times(&world), [30, 10]);
    world.start(other);
    world.start_node(ours[0], &Config::small(), None).unwrap();
    world.run_for(10 * minute);
    assert_eq!(times(&world), [50, 20]);
}

/// Rule W15. In a calm world nodes find most of what the oracle knows; how much, `sim acceptance` tells.
#[test]
fn lookups_find_most_nodes_that_are_truly_closest() {
    let (mut world, hosts) = joined(3, 40, Faults::NONE);
    let found: usize = (0..10).map(|i| found(&mut world, hosts[i], Id([i as u8 * 25; 20]))).sum();
    assert!(found >= 68, "{found} of 80");
}

/// Rule W6.
#[test]
fn what_a_world_cuts_off_is_cut_off_and_counted() {
    let (mut world, hosts) = joined(4, 24, Faults::NONE);
    let ping = |world: &mut World, from: HostId, to: HostId| {
        world.take_news(from);
        let to = world.endpoint(to);
        world.call(from, |node, now| node.ping(now, 9, to).unwrap());
        world.run_for(Duration::from_secs(3));
        let end = world.take_news(from).into_iter().find_map(|news| match news.what {
            Told::Finished(outcome) if news.tag == 9 => Some(outcome),
            _ => None,
        });
        end.unwrap()
    };
    let [a, b] = [hosts[5], hosts[6]];
    assert_eq!(ping(&mut world, a, b).answered, 1);
    world.set_part(b, 1);
    assert_eq!(ping(&mut world, a, b).timed_out, 1);
    assert!(world.traffic().cut_off > 0);
    world.set_part(b, 0);
    for (fault, queried) in [(LineFault::Silent, 1), (LineFault::Failing, 0)] {
        world.set_line_fault(a, Some(fault));
        let outcome = ping(&mut world, a, b);
        assert_eq!((outcome.queried, outcome.answered), (queried, 0), "{fault:?}");
        world.set_line_fault(a, None);
    }
    assert_eq!(ping(&mut world, a, b).answered, 1);
    // Whoever sends to the old address reaches nobody.
    let old = world.endpoint(b);
    let new = random_endpoint(Family::V4, world.rng());
    world.move_to(b, new);
    let before = world.traffic().to_nobody;
    world.call(a, |node, now| node.ping(now, 9, old).unwrap());
    world.run_for(Duration::from_secs(3));
    assert!(world.traffic().to_nobody > before);
    assert_eq!(ping(&mut world, a, b).answered, 1, "by the new one");
    world.stop(b);
    assert!(ping(&mut world, a, b).timed_out == 1 && world.node(b).is_none());
    world.start_node(b, &Config::small(), None).unwrap();
    assert_eq!(ping(&mut world, a, b).answered, 1);
}

/// Rule W2. A node sleeps for as long as it wanted to, whatever its clock says meanwhile.
#[test]
fn a_clock_that_jumps_stops_nobody() {
    let (mut world, hosts) = joined(5, 24, Faults::NONE);
    for (forward, by) in [(true, 3_600), (false, 7_200), (true, 1), (false, 1)] {
        world.set_clock(hosts[7], forward, Duration::from_secs(by));
        assert!(found(&mut world, hosts[7], Id([0x42; 20])) >= 7, "{forward} {by}");
        world.run_for(Duration::from_secs(60));
    }
}

/// Rule W21.
#[test]
fn what_a_node_did_in_a_world_is_had_again_without_the_world() {
    let (mut world, journals) = (World::new(5), Journals::default());
    world.keep_journals(&journals);
    let mut config = Config::small();
    config.capacity.kept = 4;
    let mut add = |_| {
        let endpoint = random_endpoint(Family::V4, world.rng());
        let site = Site::at(endpoint, world.rng());
        world.add_node(&config, site).unwrap()
    };
    let hosts = [0; 12].map(&mut add);
    let sites = hosts.map(|host| world.endpoint(host));
    for host in &hosts[1..] {
        world.call(*host, |node, now| node.bootstrap(now, 1, &sites[..2]).unwrap());
    }
    world.run_for(Duration::from_secs(60));
    let host = hosts[3];
    world.set_line_fault(host, Some(LineFault::Failing));
    world.call(host, |node, now| node.put_immutable(now, 2, b"5:value").unwrap());
    world.run_for(Duration::from_secs(30));
    world.set_line_fault(host, None);
    world.call(host, |node, now| {
        node.keep(now, 3, Kept::Immutable { target: Id([7; 20]) }, KeepSchedule::default()).unwrap();
        let saved = sites.map(|endpoint| SavedContact { id: Id([9; 20]), endpoint });
        node.import(now, LinkId(0), &saved).unwrap();
        node.put_immutable(now, 4, b"5:value").unwrap();
        node.cancel(now, 4);
    });
    world.set_clock(host, true, Duration::from_secs(100));
    world.run_for(Duration::from_secs(600));
    for other in hosts {
        let journal = journals.newest(other).unwrap();
        let node = || Node::new(journal.config.clone(), journal.rng_seed, Storage::allocate(&journal.config)).unwrap();
        let (mut again, mut steps) = (node(), Replay::new(&journal.records));
        while steps.step(&mut again, &mut |_| {}).unwrap() {}
        assert!(steps.calls() > 20 && steps.marks() > 0 && again.stats() == world.node(other).unwrap().stats());
        assert_eq!(replay(&mut node(), &journal.records), Ok(steps.hash()));
    }
    assert_eq!(journals.hosts(), hosts);
    // Whoever begins anew has another journal.
    let before = journals.newest(host).unwrap();
    world.stop(host);
    world.start_node(host, &config, None).unwrap();
    let after = journals.newest(host).unwrap();
    assert!(after.rng_seed != before.rng_seed && after.records.len() < before.records.len());
    assert_eq!(journals.last().unwrap().host, host);
}

#[test]
fn a_host_of_another_world_is_none_here() {
    let foreign = joined(1, 3, Faults::NONE).1[2];
    let (mut world, hosts) = joined(2, 2, Faults::NONE);
    assert!(world.site(foreign).is_none() && world.endpoint(foreign) == Endpoint::UNSPECIFIED);
    assert!(world.node(foreign).is_none() && world.call(foreign, |_, _| ()).is_none());
    assert!(world.news(foreign).is_empty() && world.take_news(foreign).is_empty() && world.bans_of(foreign) == 0);
    assert!(world.named_by(foreign, &Id([7; 20])).is_empty() && world.holds(foreign, &Id([7; 20])).is_none());
    assert_eq!(world.start_node(foreign, &Config::small(), None), Ok(false));
    world.replace(foreign, Remote::new(Id([7; 20]), Knowledge::WORLD), false);
    let (topic, item) = (Id([7; 20]), Item { value: b"5:value", mutable: None });
    world.give_item(foreign, &item);
    world.give_peer(foreign, topic, Endpoint::UNSPECIFIED);
    world.set_line_fault(foreign, Some(LineFault::Silent));
    world.set_part(foreign, 1);
    world.set_bans(foreign);
    world.set_router(foreign, Some(NatKind::PORT_RESTRICTED));
    world.set_clock(foreign, true, Duration::from_secs(1));
    world.move_to(foreign, Endpoint::v4([1, 2, 3, 4], 5));
    world.watch_flows(foreign);
    world.stop(foreign);
    world.start(foreign);
    Churn::WORLD.begin(&mut world, foreign);
    world.run_for(Duration::from_secs(3_600));
    assert!(world.host_at(&Endpoint::v4([1, 2, 3, 4], 5)).is_none() && world.most_flows() == 0);
    assert!(world.oracle().known(foreign).is_none() && hosts.iter().all(|host| world.node(*host).is_some()));
}

/// Each of these has no end, or needs memory without bound, if it is taken at its word.
#[test]
fn numbers_that_make_no_sense_end_like_any_other() {
    for (good, bad) in [(0, 0), (1, 0), (20, 100), (u64::MAX, 1), (0, u64::MAX)] {
        let [good, bad] = [good, bad].map(Duration::from_millis);
        let bursts = Some(Bursts { good, bad, loss: 0.5 });
        let (mut world, hosts) = joined(1, 4, Faults { bursts, ..Faults::NONE });
        world.call(hosts[0], |node, now| node.lookup(now, 5, Id([5; 20])).unwrap());
        world.run_for(Duration::from_secs(60));
    }
    for knowledge in [Knowledge { dead: 1.0, ..Knowledge::WORLD }, Knowledge { names: usize::MAX, ..Knowledge::WORLD }]
    {
        let mut world = World::new(1);
        let hosts = Population { nodes: 20, knowledge, ..Population::CALM }.settle(&mut world);
        assert!((20..=400).contains(&hosts.len()), "{}", hosts.len());
        assert!(world.named_by(hosts[0], &Id([7; 20])).len() <= 100);
    }
}

/// So many of its queries are late a millisecond after one another that it seems to wake up for nothing.
#[test]
fn a_node_with_hundreds_of_queries_that_are_late_is_not_taken_for_a_restless_one() {
    let mut config = Config::default();
    (config.capacity.operations, config.capacity.transactions) = (1_000, 512);
    let mut world = World::new(1);
    let remote = Population { nodes: 1_500, ..Population::CALM }.settle(&mut world);
    let endpoint = random_endpoint(Family::V4, world.rng());
    let site = Site::at(endpoint, world.rng());
    let host = world.add_node(&config, site).unwrap();
    let via: Vec<_> = remote[..4].iter().map(|host| world.endpoint(*host)).collect();
    world.call(host, |node, now| node.bootstrap(now, 1, &via).unwrap());
    world.run_for(Duration::from_secs(900));
    for n in 0..1_000_u64 {
        let value = format!("16:{:016x}", world.rng().next_u64());
        world.call(host, |node, now| node.put_immutable(now, n, value.as_bytes()).unwrap());
    }
    world.run_for(Duration::from_secs(30));
    assert!(world.news(host).len() > 500);
}
