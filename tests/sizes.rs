//! The memory of the three stock configurations, printed and bounded.

use honeyguide::dht::node::Storage;
use honeyguide::dht::{Config, Node};

#[test]
fn each_stock_configuration_stays_within_its_memory() {
    let node = size_of::<Node<'_>>();
    println!("node itself: {node} bytes");
    for (name, config, limit) in [
        ("default", Config::default(), 4 << 20),
        ("small", Config::small(), 24 << 10),
        ("tiny", Config::tiny(), 64 << 10),
    ] {
        let storage = Storage::allocate(&config);
        for part in storage.parts() {
            println!("{name}: {}: {} x {} bytes", part.name, part.count, part.size);
        }
        let bytes = node + storage.bytes();
        println!("{name}: {bytes} bytes of {limit}");
        assert!(bytes < limit, "{name} takes {bytes} bytes, more than {limit}");
    }
}
