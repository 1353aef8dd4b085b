//! How much of its memory an idle node touches. Alone in its process: what other tests allocate would count too.
#![cfg(target_os = "linux")]

use std::time::Duration;

use honeyguide::base::Rng;
use honeyguide::dht::Buffer;
use honeyguide::krpc::{self, Decoded, Distance, Method, Response};
use honeyguide::{Config, Endpoint, Id, Input, Instant, Node, Output, Storage};

/// Most that the resident set of a process may grow by a node with the default configuration that has nothing to do.
const IDLE: usize = 256 << 10;

/// Several nodes, so that what the process does beside them does not count.
const NODES: usize = 8;

/// Everything in one test: two would share what is measured. No node is dropped before the end: an allocator that hands
/// out again what one gave back clears it first, and so touches what its node never would.
#[test]
fn an_idle_default_node_touches_little_of_its_memory() {
    let network = Made::network();
    let nobody = Made { nodes: Vec::new() };
    // Whatever the first use of anything takes does not count.
    let mut nodes = vec![idle(0, &network)];
    for (name, network, contacts) in [("nobody", &nobody, 0), ("a network of 1,500", &network, 64)] {
        nodes.reserve(NODES);
        let before = resident();
        nodes.extend((0..NODES).map(|n| idle(n as u8, network)));
        let each = resident().saturating_sub(before) / NODES;
        let reserved = Storage::allocate(&Config::default()).bytes();
        println!("default, idle for an hour among {name}: {each} bytes touched of {reserved} reserved");
        let fewest = nodes[nodes.len() - NODES..].iter().map(|node| node.contacts().count()).min().unwrap_or_default();
        assert!(fewest >= contacts, "{fewest} contacts");
        assert!(each < IDLE, "an idle node touches {each} bytes, more than {IDLE}");
        assert!(each > 4096, "{each} bytes: is anything measured at all?");
    }
}

/// A network that answers, and asks nothing: ids and addresses, without nodes.
struct Made {
    nodes: Vec<(Id, Endpoint)>,
}

impl Made {
    fn network() -> Made {
        let mut rng = Rng::from_seed([7; 32]);
        let node = |i: u16| {
            let [a, b] = i.to_be_bytes();
            let endpoint = Endpoint::v4([20 + a, b, 1, 1], 6881);
            (Id::secure(endpoint.ip(), &mut rng), endpoint)
        };
        Made { nodes: (0..1_500).map(node).collect() }
    }

    /// What the node at `to` answers; its length.
    fn answer(&self, to: Endpoint, query: &[u8], out: &mut Buffer) -> Option<usize> {
        let (id, _) = *self.nodes.iter().find(|(_, endpoint)| *endpoint == to)?;
        let Ok(Decoded::Query(query)) = krpc::decode(query) else { return None };
        let mut response = Response::new(query.tid, id);
        let mut nodes = [0; 8 * 26];
        if let Method::FindNode { target, .. } = query.method {
            let mut nearest: [(Distance, Endpoint, Id); 8] = [(Distance([255; 20]), to, id); 8];
            for &(id, endpoint) in &self.nodes {
                let candidate = (id.distance(&target), endpoint, id);
                if candidate.0 < nearest[7].0 {
                    nearest[7] = candidate;
                    nearest.sort_by_key(|(distance, ..)| *distance);
                }
            }
            for (place, (_, endpoint, id)) in nodes.chunks_exact_mut(26).zip(nearest) {
                place[..20].copy_from_slice(id.as_bytes());
                place[20..24].copy_from_slice(endpoint.ip_bytes());
                place[24..].copy_from_slice(&endpoint.port().to_be_bytes());
            }
            response.nodes = Some(&nodes);
        }
        response.encode(out).ok()
    }
}

/// A node that joined a network, or looked for one in vain, and had nothing to do for an hour since.
fn idle(seed: u8, network: &Made) -> Node<'static> {
    let config = Config::default();
    let storage = Storage::allocate(&config);
    let mut node = Node::new(config, [seed; 32], storage).unwrap();
    let mut bootstrap_nodes = [Endpoint::v4([192, 0, 2, 1], 6881), Endpoint::v4([198, 51, 100, 1], 6881)];
    if let Some((_, endpoint)) = network.nodes.first() {
        bootstrap_nodes[0] = *endpoint;
    }
    node.bootstrap(Instant::ZERO, 1, &bootstrap_nodes).unwrap();
    let (mut now, end) = (Instant::ZERO, Instant::ZERO + Duration::from_secs(3600));
    let (mut buffer, mut answer): (Buffer, Buffer) = ([0; 1500], [0; 1500]);
    while now < end {
        let deadline = loop {
            match node.poll_output(&mut buffer) {
                Output::Timeout(deadline) => break deadline,
                Output::Event(_) => {}
                Output::Transmit { link, to, payload } => {
                    if let Some(len) = network.answer(to, payload, &mut answer) {
                        // The answer of one is there before the next is asked.
                        node.handle_input(now, Input::Datagram { link, from: to, payload: &answer[..len] });
                    }
                }
            }
        };
        now = deadline.unwrap_or(end).max(now);
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
