//! What each kind of packet costs, from datagram to datagram, as the stores grow: for a known contact, for strangers, and
//! for strangers whose network is past its budget of reply bytes. And an indexer's node, filled and measured.
//!
//! `cargo bench --bench packets` prints the tables of `spec/performance.md`; with words behind `--`, the rows that hold
//! each of them. A figure is the least of many short batches, which other work on the machine disturbs least. Those who
//! ask take turns, batch by batch. A datagram is in the cache when it is served, as it is when a socket has just
//! delivered it. `cut` marks replies that were shorter for the budget.

use std::hint::black_box;
use std::time::Instant as Clock;

use honeyguide::base::Rng;
use honeyguide::dht::{LinkConfig, Rate};
use honeyguide::krpc::{Item, Method, SignedItem, Want};
use honeyguide::{Config, Endpoint, Id};
use server::{Server, find_nodes, put, query};

#[path = "fixtures/server.rs"]
#[expect(dead_code, reason = "not every measurement needs everything")]
mod server;

const CONTACTS: usize = 271;
const BATCHES: usize = 60;
const BATCH: usize = 512;
/// Batches of one asker in a row.
const TURN: usize = 6;
const SWARM: Id = Id([0x5a; 20]);
const WANT: Want = Want { v4: false, v6: false };
const SECRET_KEY: [u8; 32] = [9; 32];

/// Who asks.
#[derive(Clone, Copy, PartialEq)]
enum Who {
    Contact,
    Stranger,
    PastBudget,
}

const ALL: [Who; 3] = [Who::Contact, Who::Stranger, Who::PastBudget];

fn main() {
    if std::env::args().any(|arg| arg == "--test") {
        return;
    }
    println!("nanoseconds a packet: a known contact | strangers | strangers past their network's budget\n");
    for items in [0, 1_000, 100_000] {
        println!("with {items} items");
        of_items(items);
    }
    for peers in [10, 500, 2_000] {
        println!("with a swarm of {peers} peers");
        of_peers(peers);
    }
    if is_wanted("over IPv6") {
        println!("over IPv6");
        find_node_over_ipv6();
    }
    if is_wanted("indexer") {
        indexer();
    }
}

/// A node of which the stores hold so much.
fn node(who: Who, items: usize, peers_of_swarm: usize) -> Server {
    let mut config = Config::default();
    config.capacity.items = items.max(16);
    config.capacity.value_bytes = config.capacity.items * 192;
    config.server.peers_per_info_hash = 4_000;
    if who == Who::PastBudget {
        config.limiter.reply_bytes = Rate { per_second: 0, burst: 0 };
    }
    let mut server = Server::with(config, CONTACTS);
    fill_items(&mut server, items);
    fill_swarms(&mut server, peers_of_swarm, 40);
    server
}

fn stranger(i: usize) -> Endpoint {
    let [.., a, b, c] = (i as u32).to_be_bytes();
    Endpoint::v4([60 + a % 100, b, c, 7], 6881)
}

fn fill_items(server: &mut Server, items: usize) {
    for i in 0..items {
        let value = value(i);
        let item = Item::immutable(&value).expect("bencode");
        let asker = (Id([3; 20]), stranger(i));
        let token = server.token(asker, item.target());
        let reply = server.serve(asker.1, &put(asker.0, &token, item)).len();
        assert!(reply > 0);
    }
    assert_eq!(server.held().1, items);
}

fn value(i: usize) -> Vec<u8> {
    format!("150:{i:0150}").into_bytes()
}

/// One swarm of so many peers, and some of one peer.
fn fill_swarms(server: &mut Server, peers: usize, swarms: usize) {
    for i in 0..peers {
        announce(server, SWARM, i, i % 3 == 0);
    }
    let mut rng = Rng::from_seed([8; 32]);
    (0..swarms).for_each(|i| announce(server, Id::random(&mut rng), i, false));
    assert_eq!(server.held().0, peers + swarms);
}

fn announce(server: &mut Server, info_hash: Id, i: usize, seed: bool) {
    let asker = (Id([3; 20]), stranger(i));
    let token = server.token_for_peer(asker, info_hash);
    let datagram = announce_of(asker.0, info_hash, &token, seed);
    server.serve(asker.1, &datagram);
}

fn announce_of(id: Id, info_hash: Id, token: &[u8], seed: bool) -> Vec<u8> {
    query(id, Method::AnnouncePeer { info_hash, port: 6881, implied_port: false, seed, token })
}

fn of_items(items: usize) {
    let mut rng = Rng::from_seed([5; 32]);
    let held = Item::immutable_target(&value(items / 2));
    let get = |target| move |id, _: &mut Server, _: Endpoint| query(id, Method::Get { target, seq: None, want: WANT });
    row("ping", items, 10, |id, _, _| query(id, Method::Ping));
    row("find_node", items, 10, |id, _, _| {
        let target = Id::random(&mut rng);
        query(id, Method::FindNode { target, want: WANT })
    });
    row("get, absent", items, 10, |id, _, _| {
        let target = Id::random(&mut rng);
        query(id, Method::Get { target, seq: None, want: WANT })
    });
    if items > 0 {
        row("get, held", items, 10, get(held));
        row("put again, immutable", items, 10, |id, server, from| {
            let value = value(items / 2);
            let item = Item::immutable(&value).expect("bencode");
            let token = server.token((id, from), item.target());
            put(id, &token, item)
        });
    }
    row("put refused, nothing held (bad token)", items, 10, |id, _, _| {
        let value = value(items + 1);
        put(id, b"badtoken", Item::immutable(&value).expect("bencode"))
    });
    if is_wanted(&format!("put, new {items} items")) {
        put_new(items);
    }
}

fn of_peers(peers: usize) {
    let ask = |scrape, noseed| {
        move |id, _: &mut Server, _: Endpoint| {
            query(id, Method::GetPeers { info_hash: SWARM, want: WANT, noseed, scrape })
        }
    };
    row("get_peers", 0, peers, ask(false, false));
    row("get_peers without seeds", 0, peers, ask(false, true));
    row("scrape", 0, peers, ask(true, false));
    row_of(
        "announce again",
        0,
        peers,
        |i| stranger(i % peers),
        |id, server, from| {
            let token = server.token_for_peer((id, from), SWARM);
            announce_of(id, SWARM, &token, false)
        },
    );
    row("sample_infohashes", 0, peers, |id, _, _| query(id, Method::SampleInfohashes { target: SWARM, want: WANT }));
}

/// Prints what a kind of query costs each of those who ask. `make` has the id and the address of the asker.
fn row(name: &str, items: usize, peers: usize, make: impl FnMut(Id, &mut Server, Endpoint) -> Vec<u8>) {
    row_of(name, items, peers, |i| stranger(100_000 + i), make);
}

/// The same, and who the strangers are.
fn row_of(
    name: &str,
    items: usize,
    peers: usize,
    asker: impl Fn(usize) -> Endpoint,
    mut make: impl FnMut(Id, &mut Server, Endpoint) -> Vec<u8>,
) {
    if !is_wanted(&format!("{name} {items} items {peers} peers")) {
        return;
    }
    let mut askers = ALL.map(|who| {
        let mut server = node(who, items, peers);
        let mut rng = Rng::from_seed([6; 32]);
        let contact = server.contact();
        let mut make_one = |i| {
            let (id, from) = if who == Who::Contact { contact } else { (Id::random(&mut rng), asker(i)) };
            (from, make(id, &mut server, from))
        };
        let queries: Vec<_> = (0..BATCH * 16).map(&mut make_one).collect();
        Asker { server, queries, next: 0 }
    });
    let before = askers[2].server.cut();
    let mut least = [u128::MAX; 3];
    for _ in 0..BATCHES / TURN {
        for (asker, least) in askers.iter_mut().zip(&mut least) {
            // One after the other, since a node has the caches of its machine to itself.
            (0..TURN).for_each(|_| *least = asker.batch().min(*least));
        }
    }
    let [contact, stranger, past] = least;
    let cut = if askers[2].server.cut() > before { ", cut" } else { "" };
    println!("| {name} | {contact} | {stranger} | {past}{cut} |");
}

/// Whether the words of the command line choose what has this name.
fn is_wanted(name: &str) -> bool {
    std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).all(|word| name.contains(&word))
}

/// A node and what it is asked.
struct Asker {
    server: Server,
    queries: Vec<(Endpoint, Vec<u8>)>,
    next: usize,
}

impl Asker {
    /// Nanoseconds for each of the next queries.
    fn batch(&mut self) -> u128 {
        let queries = &self.queries[self.next..self.next + BATCH];
        self.next = (self.next + BATCH) % self.queries.len();
        black_box(queries.iter().map(|(from, datagram)| from.port() as usize + sum(datagram)).sum::<usize>());
        let start = Clock::now();
        for (from, datagram) in queries {
            black_box(self.server.serve(*from, datagram).len());
        }
        start.elapsed().as_nanos() / BATCH as u128
    }
}

/// Reads all of it.
fn sum(bytes: &[u8]) -> usize {
    bytes.iter().copied().map(usize::from).sum()
}

/// New items of a full store: each has to be asked about before, which is measured apart.
fn put_new(items: usize) {
    let mut server = node(Who::Stranger, items, 10);
    let key = |i: u32| {
        let mut key = SECRET_KEY;
        key[..4].copy_from_slice(&i.to_be_bytes());
        key
    };
    let keys: Vec<[u8; 32]> = (0..BATCH as u32 * 4).map(key).collect();
    let signed: Vec<_> = keys.iter().map(|key| Item::mutable(key, b"5:hello").sign().expect("bencode")).collect();
    let asker = (Id([3; 20]), stranger(7));
    let tokens: Vec<_> = signed.iter().map(|item| server.token_if_any(asker, item.target())).collect();
    let puts: Vec<_> =
        signed.iter().zip(tokens).filter_map(|(item, token)| Some(put(asker.0, &token?, item.as_item()))).collect();
    let mut times: Vec<u128> = puts
        .iter()
        .map(|datagram| {
            let start = Clock::now();
            black_box(server.serve(asker.1, datagram).len());
            start.elapsed().as_nanos()
        })
        .collect();
    let verify = {
        let item = SignedItem::try_from(signed[0].as_item()).expect("signed");
        least(|| _ = black_box(SignedItem::try_from(item.as_item())))
    };
    times.sort_unstable();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    println!("| put, new and mutable (verification alone: {verify}) | | {median} | |");
}

fn find_node_over_ipv6() {
    let config = Config::default().with_links(&[LinkConfig::V6]).expect("a link");
    let mut server = Server::with(config, CONTACTS);
    let (id, contact) = server.contact();
    let queries = find_nodes(id, 1024);
    let mut next = queries.iter().cycle();
    let known = least(|| _ = black_box(server.serve(contact, next.next().expect("endless")).len()));
    let mut rng = Rng::from_seed([6; 32]);
    let queries: Vec<_> = (0..1024).flat_map(|_| find_nodes(Id::random(&mut rng), 1)).collect();
    let mut i = 0u16;
    let strange = least(|| {
        i = i.wrapping_add(1);
        let [a, b] = i.to_be_bytes();
        let from = Endpoint::v6([0x2a, 0, a, b, 0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 9], 6881);
        black_box(server.serve(from, &queries[usize::from(i) % 1024]).len());
    });
    println!("| find_node | {known} | {strange} | |");
}

/// A node that holds what an indexer does.
fn indexer() {
    const PEERS: usize = 1_000_000;
    const ITEMS: usize = 100_000;
    let mut config = Config::default();
    config.capacity.peers = PEERS;
    config.capacity.items = ITEMS;
    config.capacity.value_bytes = 64 << 20;
    config.server.samples = 50;
    let before = resident();
    let mut server = Server::with(config, CONTACTS);
    let empty = resident();
    let start = Clock::now();
    for i in 0..ITEMS {
        let value = [b"600:", &[b'v'; 590][..], format!("{i:010}").as_bytes()].concat();
        let item = Item::immutable(&value).expect("bencode");
        let asker = (Id([3; 20]), stranger(i));
        let token = server.token(asker, item.target());
        server.serve(asker.1, &put(asker.0, &token, item));
    }
    let with_items = start.elapsed();
    let start = Clock::now();
    let mut rng = Rng::from_seed([4; 32]);
    let swarms: Vec<Id> = (0..PEERS / 20).map(|_| Id::random(&mut rng)).collect();
    for i in 0..PEERS {
        announce(&mut server, swarms[i % swarms.len()], i, false);
    }
    let with_peers = start.elapsed();
    let (peers, items) = server.held();
    let mib = |bytes: usize| bytes >> 20;
    println!("\nan indexer: {items} items of 604 bytes after {with_items:.1?}, {peers} peers after {with_peers:.1?}");
    println!("resident: {} MiB empty, {} MiB full", mib(empty - before), mib(resident() - before));
    let asker = server.contact();
    let mut time = |name: &str, make: &mut dyn FnMut(&mut Server, usize) -> Vec<u8>| {
        let queries: Vec<_> = (0..BATCH * 16).map(|i| make(&mut server, i)).collect();
        let mut next = queries.iter().cycle();
        let cost = least(|| _ = black_box(server.serve(asker.1, next.next().expect("endless")).len()));
        println!("| {name} | {cost} |");
    };
    let ask = |info_hash| query(asker.0, Method::GetPeers { info_hash, want: WANT, noseed: false, scrape: false });
    let get = |target| query(asker.0, Method::Get { target, seq: None, want: WANT });
    time("get, absent", &mut |_, _| get(Id::random(&mut rng)));
    time("get_peers, 20 held", &mut |_, i| ask(swarms[i]));
    time("sample_infohashes, 50", &mut |_, i| {
        query(asker.0, Method::SampleInfohashes { target: swarms[i], want: WANT })
    });
    time("announce, new, into the full store", &mut |server, i| {
        let token = server.token_for_peer(asker, swarms[i]);
        announce_of(asker.0, swarms[i], &token, false)
    });
}

/// The least time of one call, in nanoseconds.
fn least(mut call: impl FnMut()) -> u128 {
    let mut batch = || {
        let start = Clock::now();
        (0..BATCH).for_each(|_| call());
        start.elapsed().as_nanos() / BATCH as u128
    };
    batch();
    (0..BATCHES).map(|_| batch()).min().unwrap_or_default()
}

fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap_or_default() << 10
}
