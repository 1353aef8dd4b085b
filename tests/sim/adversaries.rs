//! Rows of the report among those who harm, on small worlds: what held of a larger one has to hold of these.

use std::time::Duration;

use honeyguide::krpc::{Family, Item};
use honeyguide::sim::acceptance::{Report, Tally, jobs};
use honeyguide::sim::{Adversary, Faults, Knowledge, Malice, Population, Site, Told, World, random_endpoint};
use honeyguide::{Config, Id};

fn report(row: u8, nodes: usize) -> Report {
    report_of(row, nodes, 1)
}

fn report_of(row: u8, nodes: usize, seed: u64) -> Report {
    let mut tally = Tally::default();
    jobs(nodes, &[seed]).into_iter().filter(|job| job.rows().contains(&row)).for_each(|job| tally.merge(job.run()));
    tally.report(nodes, vec![seed])
}

/// A figure of our node.
fn figure(report: &Report, row: u8, name: &str) -> f64 {
    let row = report.rows.iter().find(|found| found.number == row).unwrap();
    row.ours.iter().find(|figure| figure.name == name).unwrap().value
}

/// Rule L37.
#[test]
fn colluders_keep_next_to_nothing_from_being_found() {
    let report = report(15, 1_200);
    let found = ["found_20", "found_30", "found_50"].map(|name| figure(&report, 15, name));
    assert!(found[0] >= 0.999 && found[1] >= 0.99 && found[2] >= 0.9, "{found:?}");
}

/// Rules L38 to L40.
#[test]
fn those_who_come_next_to_a_key_keep_nobody_from_storing_and_finding() {
    let report = report(16, 600);
    let figures = ["put", "get", "success_without_copy"].map(|name| figure(&report, 16, name));
    assert_eq!(figures, [1.0, 1.0, 0.0]);
    // P3: nor the keeper, and nothing that they confirm is a copy.
    let [honest, false_ones] = ["kept_honest_copies", "kept_false_copies"].map(|name| figure(&report, 16, name));
    assert!(honest >= 8.0 && false_ones == 0.0, "{honest} {false_ones}");
}

/// Puts of one node in one world, so many for each number of those around a key who do this wrong: how many there were,
/// and the honest copies.
fn copies_among(config: &Config, malice: &Malice, numbers: &[usize], puts: u64) -> Vec<(usize, usize)> {
    let mut world = World::new(1);
    let remote = Population { nodes: 300, ..Population::CALM }.settle(&mut world);
    world.set_faults(Faults::NONE);
    let site = |world: &mut World| {
        let endpoint = random_endpoint(Family::V4, world.rng());
        Site::at(endpoint, world.rng())
    };
    let via: Vec<_> = remote[..4].iter().map(|host| world.endpoint(*host)).collect();
    let at = site(&mut world);
    let host = world.add_node(config, at).unwrap();
    world.call(host, |node, now| node.bootstrap(now, u64::MAX, &via).is_ok());
    world.run_for(Duration::from_secs(3600));
    let mut copies = Vec::new();
    for (tag, &many) in (0..).zip(numbers.iter().flat_map(|many| (0..puts).map(move |_| many))) {
        let value = format!("16:{:016x}", world.rng().next_u64());
        let target = Item::immutable_target(value.as_bytes());
        let beset = |world: &mut World| {
            let (near, at) = (24 + world.rng().below(60), site(world));
            let id: Id = target.random_in_bucket(near, world.rng());
            world.add(Adversary::new(id, Knowledge::WORLD, malice.clone()), at, Some(id), true)
        };
        let sybils: Vec<_> = (0..many).map(|_| beset(&mut world)).collect();
        world.call(host, |node, now| node.put_immutable(now, tag, value.as_bytes()).is_ok());
        world.run_for(Duration::from_secs(20));
        let ended = world.take_news(host).into_iter().find_map(|news| match news.what {
            Told::Finished(outcome) if news.tag == tag => Some(outcome),
            _ => None,
        });
        let outcome = ended.expect("it has ended");
        assert!(outcome.queried < 120, "{outcome:?}");
        copies.push((many, world.holders(target).filter(|host| !sybils.contains(host)).count()));
        sybils.into_iter().for_each(|host| world.stop(host));
    }
    copies
}

/// Rule L38: also where a put has no more tokens than those have taken, and where it is small.
#[test]
fn those_who_come_next_to_a_key_keep_nobody_from_storing_on_few() {
    let mut twelve = Config::default();
    twelve.lookup.replicas = 12;
    for (name, config) in [("tiny", Config::tiny()), ("small", Config::small()), ("12 replicas", twelve)] {
        let copies = copies_among(&config, &Malice::Withhold, &[5, 6, 7, 8, 20, 100], 12);
        assert!(copies.iter().all(|(_, copies)| *copies >= 6), "{name}: {copies:?}");
        let all = copies.iter().filter(|(_, copies)| *copies >= config.lookup.replicas.into()).count();
        assert!(20 * all >= 19 * copies.len(), "{name}: {copies:?}");
    }
}

/// Rule L38: also where they answer when the put has turned to storing. Seven may take as many copies, as ever.
#[test]
fn those_who_come_next_to_a_key_and_answer_late_keep_nobody_from_storing() {
    for late in [300, 700, 1_000, 1_500, 1_900] {
        let malice = Malice::Slow(Duration::from_millis(late));
        let copies = copies_among(&Config::default(), &malice, &[8, 20, 100], 12);
        assert!(copies.iter().all(|(_, copies)| *copies >= 13), "{late} ms: {copies:?}");
    }
}

/// Rules Z5 and L38. What the node looks for to know how large the network is may end in vain, as in the first minute of
/// these worlds: it is made again before anybody could use that there is no alarm.
#[test]
fn a_node_whose_first_look_at_the_size_of_the_network_ended_in_vain_is_guarded_after_a_quarter_of_an_hour() {
    for seed in [14, 16] {
        let report = report_of(16, 600, seed);
        let figures = ["put", "get", "success_without_copy"].map(|name| figure(&report, 16, name));
        assert_eq!(figures, [1.0, 1.0, 0.0], "seed {seed}");
    }
}
