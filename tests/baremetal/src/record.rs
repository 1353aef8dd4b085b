//! Records what the image `replay` runs again: a node of `Config::tiny()` in a simulated world, among six others.
//!
//!     honeyguide-baremetal-record FILE
//!
//! The world is run twice, and both runs have to be the same.

use std::time::Duration;

use honeyguide::krpc::Family;
use honeyguide::sim::{Faults, Journals, Site, World, random_endpoint};
use honeyguide::{Config, Endpoint};

/// Where the node is. It is not told, so that its configuration is the stock one.
const PLACE: Endpoint = Endpoint::v4([57, 20, 30, 40], 6881);

fn main() {
    let path = std::env::args_os().nth(1).expect("the name of a file");
    let (once, again) = (recorded(), recorded());
    assert!(once == again, "two runs of a seed differ");
    std::fs::write(path, once.1).expect("the file can be written");
}

/// The hash of all that came out of all nodes, and the seed of the one that is recorded, with its records behind it.
fn recorded() -> (Option<u128>, Vec<u8>) {
    let (mut world, journals) = (World::new(25), Journals::default());
    world.hash_outputs();
    world.set_faults(Faults::WORLD);
    let mut others = Vec::new();
    for _ in 0..6 {
        let endpoint = random_endpoint(Family::V4, world.rng());
        let site = Site::at(endpoint, world.rng());
        let host = world.add_node(&Config::small(), site).expect("a stock configuration makes sense");
        let first = others.first().map(|host| world.endpoint(*host));
        world.call(host, |node, now| node.bootstrap(now, 1, first.as_slice()).is_ok());
        world.run_for(Duration::from_secs(1));
        others.push(host);
    }
    world.keep_journals(&journals);
    let site = Site { is_told: false, ..Site::at(PLACE, world.rng()) };
    let tiny = world.add_node(&Config::tiny(), site).expect("a stock configuration makes sense");
    let first = world.endpoint(others[0]);
    world.call(tiny, |node, now| node.bootstrap(now, 2, &[first]).is_ok());
    world.run_for(Duration::from_secs(4));
    world.call(tiny, |node, now| node.put_immutable(now, 3, b"5:value").is_ok());
    world.run_for(Duration::from_secs(4));
    let journal = journals.newest(tiny).expect("it has been recorded");
    (world.outputs_hash(), [&journal.rng_seed[..], &journal.records].concat())
}
