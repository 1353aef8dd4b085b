//! What a journal costs: two nodes of the std driver, of which one is recorded to a file in memory, answer find_node
//! queries through loopback sockets.
//!
//! They are asked in turn, at 50,000 queries a second, and as quickly as they answer. What counts is the processor time
//! of the threads of each.

use std::collections::HashSet;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use honeyguide::Id;
use honeyguide::adapters::testnet::Testnet;
use honeyguide::adapters::{Handle, std_thread};

use crate::driver::config;
use crate::measure::{GroupResult, Record};
use crate::node::server::find_nodes;

pub const PACED: &str = "journal: find_node at 50,000 a second, threads of the server";
pub const QUICK: &str = "journal: find_node as quickly as it goes, threads of the server";

/// Between two queries of the paced batch.
const PACE: Duration = Duration::from_micros(20);
/// Queries of a batch: it lasts longer than a journal waits before it is written.
const BATCH: usize = 10_000;
/// Queries in flight at most, so that none is lost where a socket's buffer is small.
const WINDOW: usize = 32;
/// Rounds: fewer are measured when fewer were asked for.
const ROUNDS: usize = 51;
/// A file system in memory.
const MEMORY: &str = "/dev/shm";

/// A node, and its threads.
struct Server {
    name: &'static str,
    node: Handle,
    threads: HashSet<String>,
}

pub fn results(rounds: usize) -> Vec<GroupResult> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let testnet = runtime.block_on(Testnet::start(32, 0, [1; 32])).expect("free ports");
    let path = format!("{MEMORY}/honeyguide-bench-{}", std::process::id());
    let journal = File::create_new(&path).expect("a file in memory");
    let servers = [
        server("without a journal", || std_thread::spawn(config(), [2; 32], vec![socket()])),
        server("with a journal", || {
            std_thread::spawn_recorded(config(), [2; 32], vec![socket()], journal).map(|s| s.0)
        }),
    ];
    for server in &servers {
        // So that its table fills a reply.
        server.node.bootstrap(&[testnet.bootstrap().into()]).wait().expect("a network");
    }
    runtime.block_on(testnet.stop());
    let queries = find_nodes(Id([7; 20]), 256);
    let kinds = [(PACED, PACE), (QUICK, Duration::ZERO)];
    let results = kinds.map(|(name, pace)| measure(name, &servers, rounds.min(ROUNDS), &queries, pace));
    for server in servers {
        server.node.shutdown().wait();
    }
    let bytes = std::fs::metadata(&path).map(|file| file.len()).unwrap_or_default();
    let asked = 2 * rounds.min(ROUNDS) * BATCH;
    let _ = std::fs::remove_file(&path);
    let [paced, quick] = results;
    vec![paced.note(format!("{} bytes of journal a query", bytes / asked as u64)), quick]
}

fn measure(name: &str, servers: &[Server; 2], rounds: usize, queries: &[Vec<u8>], pace: Duration) -> GroupResult {
    let mut work = [const { Vec::new() }; 2];
    let (mut lost, mut elapsed) = (0, Duration::ZERO);
    for round in 0..rounds {
        for turn in 0..2 {
            let who = (round + turn) % 2;
            let before = processor_time(&servers[who].threads);
            let begin = Instant::now();
            let heard = ask(servers[who].node.addrs()[0], queries, pace);
            elapsed += begin.elapsed();
            let used = processor_time(&servers[who].threads) - before;
            work[who].push(Some(used.as_secs_f64() * 1e6 / heard as f64));
            lost += BATCH - heard;
        }
    }
    let rate = (2 * rounds * BATCH - lost) as f64 / elapsed.as_secs_f64();
    let records = servers.iter().zip(work).map(|(server, work)| Record::new(server.name, work)).collect();
    GroupResult::of(name, "us", records).note(format!("{rate:.0} answers a second, {lost} lost"))
}

fn server(name: &'static str, spawn: impl FnOnce() -> std::io::Result<Handle>) -> Server {
    let before = threads();
    let node = spawn().expect("a node");
    Server { name, node, threads: threads().difference(&before).cloned().collect() }
}

fn socket() -> UdpSocket {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port")
}

/// Asks a batch; how many answers came.
fn ask(addr: SocketAddr, queries: &[Vec<u8>], pace: Duration) -> usize {
    let socket = socket();
    socket.set_nonblocking(true).expect("a socket");
    let (mut buffer, mut next) = ([0; 1501], queries.iter().cycle());
    let (mut sent, mut heard) = (0, 0);
    let begin = Instant::now();
    let mut last = begin;
    while heard < BATCH && (sent < BATCH || last.elapsed() < Duration::from_millis(200)) {
        while sent < BATCH && sent - heard < WINDOW && begin.elapsed() >= pace * sent as u32 {
            if socket.send_to(next.next().expect("endless"), addr).is_ok() {
                (sent, last) = (sent + 1, Instant::now());
            }
        }
        while let Ok(len) = socket.recv(&mut buffer) {
            heard += usize::from(buffer[..len].ends_with(b"1:y1:re"));
            last = Instant::now();
        }
    }
    heard
}

fn threads() -> HashSet<String> {
    let tasks = std::fs::read_dir("/proc/self/task").expect("a Linux").flatten();
    tasks.map(|task| task.file_name().to_string_lossy().into_owned()).collect()
}

/// Processor time that these threads have used so far.
fn processor_time(threads: &HashSet<String>) -> Duration {
    let of_thread = |thread: &String| {
        let usage = std::fs::read_to_string(format!("/proc/self/task/{thread}/schedstat")).ok()?;
        usage.split(' ').next()?.parse().ok().map(Duration::from_nanos)
    };
    threads.iter().filter_map(of_thread).sum()
}
