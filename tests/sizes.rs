//! The memory of the three stock configurations, printed and bounded.

use std::sync::Mutex;

use honeyguide::Storage;
use honeyguide::dht::{Capacity, LinkConfig, Role};
use honeyguide::{Config, Node};

#[test]
fn each_stock_configuration_stays_within_its_memory() {
    let node = size_of::<Node<'_>>();
    println!("node itself: {node} bytes");
    for (name, config, limit) in [
        ("default", Config::default(), 4 << 20),
        ("small", Config::small(), 27 << 10),
        // What it needs on 32 bits, with the stack, `tests/baremetal` shows.
        ("tiny", Config::tiny(), 41 << 10),
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

#[test]
fn the_macro_without_capacities_makes_the_memory_of_the_tiny_configuration() {
    let mut memory = honeyguide::storage!();
    assert!(memory.lend().parts().eq(Storage::allocate(&Config::tiny()).parts()));
}

#[test]
fn named_capacities_are_those_that_the_node_gets() {
    let mut config = Config::tiny().with_links(&[LinkConfig::V4, LinkConfig::V6]).unwrap();
    let capacity = Capacity { contacts: 32, operations: 1, items: 4, value_bytes: 1000, ..config.capacity };
    (config.capacity, config.lookup.replicas) = (capacity, 12);
    let mut memory =
        honeyguide::storage! { items: 4, contacts: 32, operations: 1, value_bytes: 1000, links: 2, replicas: 12 };
    assert!(memory.lend().parts().eq(Storage::allocate(&config).parts()));
    assert!(Node::new(config, [1; 32], memory.lend()).is_ok());
}

/// Memory that a test of a large capacity needs lies in a static, where firmware has it too.
macro_rules! refusal {
    ($($name:ident: $count:expr),*) => {{
        type Memory = honeyguide::storage!(type { $($name: $count),* });
        static MEMORY: Mutex<Memory> = Mutex::new(Memory::new());
        let lent = Node::new(Config::tiny(), [1; 32], MEMORY.lock().unwrap().lend()).err();
        let mut config = Config::tiny();
        config.capacity = Capacity { $($name: $count,)* ..config.capacity };
        let allocated = refusal_of_allocated(&config);
        let lent = lent.map(|error| error.to_string());
        assert_eq!(lent.as_ref().map(|text| format!("capacity.{text}")), allocated);
        lent
    }};
}

fn refusal_of_allocated(config: &Config) -> Option<String> {
    let storage = Storage::allocate(config);
    Node::new(config.clone(), [1; 32], storage).err().map(|error| error.to_string())
}

#[test]
fn a_capacity_that_can_be_numbered_is_taken_and_one_more_is_refused() {
    assert_eq!(refusal! { peers: 70_000 }, None);
    assert_eq!(refusal! { operations: 16_379 }, None);
    assert_eq!(refusal! { operations: 16_380 }.unwrap(), "operations is 16380; at most 16379");
    assert_eq!(refusal! { contacts: 65_535 }.unwrap(), "contacts is 65535; at most 65534");
    assert_eq!(refusal! { items: 70_000 }, None);
    assert_eq!(refusal! { transactions: 65_534 }, None);
    assert_eq!(refusal! { transactions: 65_535 }.unwrap(), "transactions is 65535; at most 65534");
    assert_eq!(refusal! { candidates: 256 }.unwrap(), "candidates is 256; at most 255");
    assert_eq!(refusal! { results: 0 }.unwrap(), "results is 0; at least 1");
    assert_eq!(refusal! { items: 4, value_bytes: 0 }.unwrap(), "value_bytes is 0; at least 1000");
    assert_eq!(refusal! { items: 4, value_bytes: 1 }.unwrap(), "value_bytes is 1; at least 1000");
    assert_eq!(refusal! { items: 4, value_bytes: 999 }.unwrap(), "value_bytes is 999; at least 1000");
    assert_eq!(refusal! { items: 4, value_bytes: 1_000 }, None);
    assert_eq!(refusal! { items: 0, value_bytes: 0 }, None);
}

#[test]
fn a_capacity_past_what_is_allocated_is_refused_with_the_number_of_the_caller() {
    for (change, text) in [
        ((|c| c.contacts = 100_000) as fn(&mut Capacity), "capacity.contacts is 100000; at most 65534"),
        (|c| c.peers = 10_000_001, "capacity.peers is 10000001; at most 10000000"),
        (|c| c.items = usize::MAX, "capacity.items is 18446744073709551615; at most 10000000"),
        (|c| c.value_bytes = (1 << 31) + 1, "capacity.value_bytes is 2147483649; at most 2147483648"),
        (|c| c.value_bytes = 999, "capacity.value_bytes is 999; at least 1000"),
        (|c| c.transactions = usize::MAX, "capacity.transactions is 18446744073709551615; at most 65534"),
        (|c| c.operations = usize::MAX, "capacity.operations is 18446744073709551615; at most 16379"),
        (|c| c.sent_to = (1 << 20) + 1, "capacity.sent_to is 1048577; at most 1048576"),
        (|c| c.meters = usize::MAX, "capacity.meters is 18446744073709551615; at most 16777216"),
    ] {
        let mut config = Config::tiny();
        change(&mut config.capacity);
        assert_eq!(refusal_of_allocated(&config).unwrap(), text);
    }
}

#[test]
fn lent_storage_has_a_candidate_and_a_token_for_each_replica_or_the_node_is_not_made() {
    let mut config = Config::tiny();
    config.lookup.replicas = 12;
    let refusal = |storage| Node::new(config.clone(), [1; 32], storage).err().map(|error| error.to_string());
    let mut enough = honeyguide::storage! { operations: 1, replicas: 12 };
    assert_eq!(refusal(enough.lend()), None);
    let mut too_few = honeyguide::storage! { operations: 1, replicas: 11 };
    assert_eq!(
        refusal(too_few.lend()).unwrap(),
        "replicas is 11; at least lookup.replicas, 12 (storage! takes the number by this name)"
    );
    let mut too_near = honeyguide::storage! { operations: 1, replicas: 12, candidates: 11 };
    assert_eq!(
        refusal(too_near.lend()).unwrap(),
        "candidates is 11; at least lookup.replicas, 12 (storage! takes the number by this name)"
    );
    let mut for_tiny = honeyguide::storage! { operations: 1 };
    assert_eq!(
        refusal(for_tiny.lend()).unwrap(),
        "replicas is 8; at least lookup.replicas, 12 (storage! takes the number by this name)"
    );
}

/// Rule D9.
#[test]
fn an_adaptive_node_has_memory_of_whom_it_sends_to_or_is_not_made() {
    let mut config = Config::tiny();
    config.role = Role::Adaptive;
    let refusal = |config: &Config, storage| Node::new(config.clone(), [1; 32], storage).err().map(|e| e.to_string());
    let allocated = |config: &Config| refusal(config, Storage::allocate(config));
    let words = "capacity.sent_to is 0; at least 64 (an adaptive role needs as many)";
    assert_eq!(allocated(&config).unwrap(), words);
    config.capacity.sent_to = 63;
    assert_eq!(allocated(&config).unwrap(), words.replace("is 0", "is 63"));
    config.capacity.sent_to = 64;
    assert_eq!(allocated(&config), None);
    let (mut none, mut enough) = (honeyguide::storage! {}, honeyguide::storage! { sent_to: 64 });
    assert_eq!(refusal(&config, none.lend()).unwrap(), words.replace("capacity.", ""));
    assert_eq!(refusal(&config, enough.lend()), None);
    config.capacity.sent_to = 1 << 20;
    assert_eq!(allocated(&config), None);
}

#[test]
fn lent_storage_has_memory_for_every_link() {
    let refusal = |config: Config, storage| Node::new(config, [1; 32], storage).err().map(|error| error.to_string());
    let two = Config::tiny().with_links(&[LinkConfig::V4, LinkConfig::V6]).unwrap();
    let mut none = honeyguide::storage! { links: 0 };
    assert_eq!(
        refusal(Config::tiny(), none.lend()).unwrap(),
        "links is 0; at least Config::links, 1 (storage! takes the number by this name)"
    );
    let mut one = honeyguide::storage!();
    assert_eq!(
        refusal(two, one.lend()).unwrap(),
        "links is 1; at least Config::links, 2 (storage! takes the number by this name)"
    );
    let mut more = honeyguide::storage! { links: 4 };
    assert_eq!(refusal(Config::tiny(), more.lend()), None);
}
