//! How much of its memory an idle node touches. Alone in its process: what other tests allocate would count too.
#![cfg(target_os = "linux")]

use std::time::Duration;

use honeyguide::dht::Buffer;
use honeyguide::{Config, Endpoint, Input, Instant, Node, Output, Storage};

/// Most that the resident set of a process may grow by a node with the default configuration that has nothing to do.
const IDLE: usize = 256 << 10;

/// Several nodes, so that what the process does beside them does not count.
const NODES: usize = 16;

#[test]
fn an_idle_default_node_touches_little_of_its_memory() {
    let mut nodes = Vec::with_capacity(NODES);
    let before = resident();
    for n in 0..NODES {
        nodes.push(idle(n as u8));
    }
    let each = resident().saturating_sub(before) / NODES;
    let reserved = Storage::allocate(&Config::default()).bytes();
    println!("default, idle: {each} bytes touched of {reserved} reserved");
    assert!(nodes.iter().all(|node| node.contacts().count() == 0));
    assert!(each < IDLE, "an idle node touches {each} bytes, more than {IDLE}");
    assert!(each > 4096, "{each} bytes: is anything measured at all?");
}

/// A node that looked for others for an hour and found none.
fn idle(seed: u8) -> Node<'static> {
    let config = Config::default();
    let storage = Storage::allocate(&config);
    let mut node = Node::new(config, [seed; 32], storage).unwrap();
    let bootstrap_nodes = [Endpoint::v4([192, 0, 2, 1], 6881), Endpoint::v4([198, 51, 100, 1], 6881)];
    node.bootstrap(Instant::ZERO, 1, &bootstrap_nodes).unwrap();
    let (mut now, end) = (Instant::ZERO, Instant::ZERO + Duration::from_secs(3600));
    while now < end {
        let mut buffer: Buffer = [0; 1500];
        let deadline = loop {
            if let Output::Timeout(deadline) = node.poll_output(&mut buffer) {
                break deadline;
            }
        };
        now = deadline.unwrap_or(end);
        node.handle_input(now, Input::Timeout);
    }
    node
}

/// Bytes of this process that are in memory.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    kib.expect("a size").parse::<usize>().unwrap() * 1024
}
