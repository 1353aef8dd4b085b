//! What receiving many datagrams in one call would save: an echo server with the system calls of the std driver, and one
//! that takes up to 32 datagrams at a time (recvmmsg, by quinn-udp) and waits with poll where there is none.
//!
//! Processor time of the server's thread, by how many queries are open: a burst is what batches are for, and one query at
//! a time is what they cost.

use std::io::{ErrorKind, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::thread;

use honeyguide::Id;
use honeyguide::adapters::BoundSocket;
use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSocketState};
use rustix::event::{PollFd, PollFlags, poll};

use crate::driver::{Client, processor_time};
use crate::measure::{GroupResult, Record};
use crate::node::server::find_nodes;

/// By how many queries are open.
pub const WINDOWS: [(usize, &str); 3] = [
    (1, "echo server, processor time, 1 query open"),
    (32, "echo server, processor time, 32 queries open"),
    (256, "echo server, processor time, 256 queries open"),
];
/// Queries of a batch.
const BATCH: usize = 2_000;
/// Rounds: fewer are measured when fewer were asked for.
const ROUNDS: usize = 101;
/// Bytes of an answer to find_node with eight nodes.
const REPLY: usize = 287;
const NAMES: [&str; 2] = ["echo-one", "echo-batch"];

pub fn results(rounds: usize) -> Vec<GroupResult> {
    let queries = find_nodes(Id([7; 20]), 256);
    let servers = [one_by_one(), in_batches()];
    WINDOWS
        .map(|(window, name)| {
            let client = Client::new(socket(), window, BATCH);
            let mut samples = [Vec::new(), Vec::new()];
            for round in 0..rounds.min(ROUNDS) {
                for who in [round % 2, 1 - round % 2] {
                    let before = processor_time(&[NAMES[who]]);
                    client.ask(servers[who], &queries);
                    let used = processor_time(&[NAMES[who]]) - before;
                    samples[who].push(Some(used.as_secs_f64() * 1e6 / BATCH as f64));
                }
            }
            let [one, many] = samples;
            GroupResult::of(name, "us", vec![Record::new("one by one", one), Record::new("in batches", many)])
        })
        .into()
}

fn socket() -> UdpSocket {
    BoundSocket::at((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port").socket
}

fn reply() -> Vec<u8> {
    let mut reply = vec![b'n'; REPLY];
    reply[REPLY - 7..].copy_from_slice(b"1:y1:re");
    reply
}

fn one_by_one() -> SocketAddr {
    let (socket, reply) = (socket(), reply());
    let addr = socket.local_addr().expect("an address");
    let serve = move || {
        let mut buffer = [0; 1501];
        while let Ok((_, from)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(&reply, from);
        }
    };
    thread::Builder::new().name(NAMES[0].into()).spawn(serve).expect("a thread");
    addr
}

fn in_batches() -> SocketAddr {
    let (socket, reply) = (socket(), reply());
    let addr = socket.local_addr().expect("an address");
    let serve = move || {
        let state = UdpSocketState::new((&socket).into()).expect("a socket");
        let mut memory = vec![[0; 1501]; BATCH_SIZE];
        let mut metas = [RecvMeta::default(); BATCH_SIZE];
        loop {
            let mut buffers: Vec<_> = memory.iter_mut().map(|buffer| IoSliceMut::new(buffer)).collect();
            match state.recv((&socket).into(), &mut buffers, &mut metas) {
                Ok(count) => {
                    for meta in &metas[..count] {
                        let _ = socket.send_to(&reply, meta.addr);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let _ = poll(&mut [PollFd::new(&socket, PollFlags::IN)], None);
                }
                Err(_) => return,
            }
        }
    };
    thread::Builder::new().name(NAMES[1].into()).spawn(serve).expect("a thread");
    addr
}
