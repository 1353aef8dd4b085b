//! What a driver and the node in it add to the system calls: find_node answered through a real loopback socket, beside
//! bare servers that make the same calls with datagrams of the same sizes and know nothing.
//!
//! One client keeps a window of queries open, so that nothing is lost. Two numbers are taken of each batch: how long it
//! took, client included, and how much processor time the threads of the server used, which the client and other
//! programs do not blur. The second one says what share is ours.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

use honeyguide::Config;
use honeyguide::Id;
use honeyguide::adapters::Handle;
use honeyguide::adapters::std_thread;
use honeyguide::adapters::testnet::Testnet;
use honeyguide::adapters::tokio::spawn;

use crate::measure::{GroupResult, Record};
use crate::node::server::{find_nodes, open};

pub const TIME: &str = "find_node through a loopback socket, client included";
pub const WORK: &str = "find_node through a loopback socket, threads of the server";

/// Queries in flight.
const WINDOW: usize = 32;
/// Queries of a batch.
const BATCH: usize = 2_000;
/// Rounds: fewer are measured when fewer were asked for.
const ROUNDS: usize = 101;

/// A server to ask, and the names of its threads.
struct Server {
    name: &'static str,
    addr: SocketAddr,
    threads: &'static [&'static str],
}

pub fn results(rounds: usize) -> Vec<GroupResult> {
    let rounds = rounds.min(ROUNDS);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let testnet = runtime.block_on(Testnet::start(32, 0, [1; 32])).expect("free ports");
    let (node, on_tokio) = (on_threads(), on_tokio());
    for node in [&node, &on_tokio] {
        // So that its table fills a reply.
        node.bootstrap(&[testnet.bootstrap().into()]).wait().expect("a network");
    }
    let queries = find_nodes(Id([7; 20]), 256);
    let client = Client::new(socket(), WINDOW, BATCH);
    let (_, reply) = client.ask(node.addrs()[0], &queries);

    let servers = [
        Server { name: "honeyguide, std driver", addr: node.addrs()[0], threads: &["honeyguide", "honeyguide-read-0"] },
        Server { name: "echo, one thread", addr: echo(reply.clone()), threads: &["echo"] },
        Server { name: "echo, two threads and a channel", addr: relay(reply), threads: &["relay", "relay-read"] },
        Server { name: "honeyguide, tokio driver", addr: on_tokio.addrs()[0], threads: &["on-tokio"] },
    ];
    let (mut time, mut work) = (vec![Vec::new(); servers.len()], vec![Vec::new(); servers.len()]);
    for round in 0..rounds {
        for turn in 0..servers.len() {
            let who = (round + turn) % servers.len();
            let before = processor_time(servers[who].threads);
            let (elapsed, _) = client.ask(servers[who].addr, &queries);
            let used = processor_time(servers[who].threads) - before;
            time[who].push(Some(elapsed.as_secs_f64() * 1e6 / BATCH as f64));
            work[who].push(Some(used.as_secs_f64() * 1e6 / BATCH as f64));
        }
    }
    runtime.block_on(testnet.stop());
    let records =
        |samples: Vec<Vec<_>>| servers.iter().zip(samples).map(|(server, s)| Record::new(server.name, s)).collect();
    let (time, work) = (GroupResult::of(TIME, "us", records(time)), GroupResult::of(WORK, "us", records(work)));
    let packets = format!("std driver: {:.0} packets a second each way", 1e6 / time.rows[0].median);
    let share = format!("share of the std driver and its node: {:.0} %", 100.0 * (1.0 - work.rows[1].ratio));
    vec![time.note(packets), work.note(share)]
}

pub fn config() -> Config {
    let mut config = Config::default().local();
    open(&mut config.limiter);
    config
}

fn on_threads() -> Handle {
    std_thread::spawn(config(), [2; 32], vec![socket()]).expect("a node")
}

/// A node in a runtime of its own, on a thread of its own.
fn on_tokio() -> Handle {
    let (sender, started) = sync_channel(1);
    let serve = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let node = spawn(config(), [3; 32], vec![socket()]).expect("a node");
            let ended = node.ended();
            sender.send(node).expect("somebody waits");
            ended.await;
        });
    };
    thread::Builder::new().name("on-tokio".into()).spawn(serve).expect("a thread");
    started.recv().expect("a node")
}

fn socket() -> UdpSocket {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port")
}

/// A server that receives and sends, and nothing else.
fn echo(reply: Vec<u8>) -> SocketAddr {
    let socket = socket();
    let addr = socket.local_addr().expect("an address");
    let serve = move || {
        let mut buffer = [0; 1501];
        while let Ok((_, from)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(&reply, from);
        }
    };
    thread::Builder::new().name("echo".into()).spawn(serve).expect("a thread");
    addr
}

/// The same with a thread that receives and another one that sends.
fn relay(reply: Vec<u8>) -> SocketAddr {
    let socket = socket();
    let addr = socket.local_addr().expect("an address");
    let sending = socket.try_clone().expect("a socket");
    let (sender, receiver) = sync_channel::<(SocketAddr, Box<[u8]>)>(128);
    let read = move || {
        let mut buffer = [0; 1501];
        while let Ok((len, from)) = socket.recv_from(&mut buffer) {
            if sender.send((from, buffer[..len].into())).is_err() {
                return;
            }
        }
    };
    let send = move || {
        for (from, _) in receiver {
            let _ = sending.send_to(&reply, from);
        }
    };
    thread::Builder::new().name("relay-read".into()).spawn(read).expect("a thread");
    thread::Builder::new().name("relay".into()).spawn(send).expect("a thread");
    addr
}

/// Asks so many queries, of which so many are open at the same time.
pub struct Client {
    socket: UdpSocket,
    window: usize,
    batch: usize,
}

impl Client {
    pub fn new(socket: UdpSocket, window: usize, batch: usize) -> Client {
        socket.set_read_timeout(Some(Duration::from_millis(200))).expect("a timeout");
        Client { socket, window, batch }
    }

    /// Sends a batch, window after window; how long it took, and the last reply.
    pub fn ask(&self, addr: SocketAddr, queries: &[Vec<u8>]) -> (Duration, Vec<u8>) {
        let mut buffer = [0; 1501];
        let mut length = 0;
        let begin = Instant::now();
        let mut next = queries.iter().cycle();
        let (mut sent, mut heard) = (0, 0);
        while heard < self.batch {
            while sent < self.batch && sent - heard < self.window {
                self.socket.send_to(next.next().expect("endless"), addr).expect("room in the socket");
                sent += 1;
            }
            match self.socket.recv(&mut buffer) {
                Ok(received) if buffer[..received].ends_with(b"1:y1:re") => (length, heard) = (received, heard + 1),
                // A node of ours would like to know us.
                Ok(_) => {}
                // Whatever was lost is not waited for.
                Err(_) => heard = sent,
            }
        }
        (begin.elapsed(), buffer[..length].to_vec())
    }
}

/// Processor time that all threads with these names have used so far.
pub fn processor_time(names: &[&str]) -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").expect("a Linux").flatten();
    let of_task = |task: std::fs::DirEntry| {
        let name = std::fs::read_to_string(task.path().join("comm")).ok()?;
        // The system keeps 15 bytes of a name.
        if !names.iter().any(|wanted| wanted.get(..15).unwrap_or(wanted) == name.trim_end()) {
            return None;
        }
        let usage = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        usage.split(' ').next()?.parse().ok().map(Duration::from_nanos)
    };
    tasks.filter_map(of_task).sum()
}
