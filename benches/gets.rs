//! Many gets at once on a local network: how many queries may be in flight before answers are lost, and how few before
//! time is.
//!
//! `cargo bench --bench gets --features tokio,std` prints the table of `spec/performance.md`. The buffer of the asking
//! socket is as the system makes it; what it had no place for is counted by the kernel, in the last column of
//! `/proc/net/udp`, which is what SO_RXQ_OVFL tells.

use std::net::UdpSocket;
use std::sync::mpsc::channel;
use std::time::Instant;

use honeyguide::Config;
use honeyguide::adapters::{Handle, std_thread, testnet::Testnet, tokio as tokio_driver};
use honeyguide::krpc::Item;

#[path = "../tests/shared/lost.rs"]
mod lost;

use lost::datagrams_lost;

const NODES: usize = 64;
const GETS: usize = 10_000;
const ROUNDS: usize = 11;
const WINDOWS: [u16; 10] = [8, 16, 32, 48, 64, 96, 128, 192, 256, u16::MAX];
const VALUE: &[u8] = b"5:hello";

fn main() {
    if std::env::args().any(|arg| arg == "--test") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let bootstrap = network();
    println!("{GETS} gets at once, {NODES} nodes; least and median of {ROUNDS} rounds, and what was lost in all\n");
    println!("| in flight | std: ms | lost | tokio: ms | lost |");
    println!("|---:|---:|---:|---:|---:|");
    let mut results = WINDOWS.map(|window| (window, [Sample::default(), Sample::default()]));
    for _ in 0..ROUNDS {
        for (window, samples) in &mut results {
            for (driver, sample) in samples.iter_mut().enumerate() {
                runtime.block_on(round(driver == 0, *window, bootstrap, sample));
            }
        }
    }
    for (window, samples) in results {
        let window = if window == u16::MAX { "no limit".into() } else { window.to_string() };
        let [threads, tasks] = samples.map(Sample::row);
        println!("| {window} | {threads} | {tasks} |");
    }
}

/// Starts the network on a thread of its own, which lasts as long as the program; the address of one of its nodes.
fn network() -> honeyguide::Endpoint {
    let (tell, told) = channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let testnet = Testnet::start(NODES, 0, [1; 32]).await.expect("free ports");
            tell.send(testnet.bootstrap().into()).expect("somebody waits");
            std::future::pending::<()>().await;
        });
    });
    told.recv().expect("a network")
}

/// Milliseconds of each round, and datagrams lost.
#[derive(Default)]
struct Sample {
    ms: Vec<f64>,
    lost: u64,
}

impl Sample {
    fn row(mut self) -> String {
        self.ms.sort_by(f64::total_cmp);
        let (least, median) = (self.ms[0], self.ms[self.ms.len() / 2]);
        format!("{least:.0} / {median:.0} | {}", self.lost)
    }
}

async fn round(threads: bool, window: u16, bootstrap: honeyguide::Endpoint, sample: &mut Sample) {
    let mut config = Config::default().local();
    config.lookup.in_flight = window;
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let port = socket.local_addr().expect("an address").port();
    let node: Handle = match threads {
        true => std_thread::spawn(config, [2; 32], vec![socket]),
        false => tokio_driver::spawn(config, [3; 32], vec![socket]),
    }
    .expect("a node");
    node.bootstrap(&[bootstrap]).await.expect("a network");
    node.put_immutable(VALUE).await.expect("a store");
    let (before, began) = (datagrams_lost(port), Instant::now());
    let gets: Vec<_> = (0..GETS).map(|_| node.get_immutable(Item::immutable_target(VALUE), 1)).collect();
    for get in gets {
        let found = get.await.expect("an answer");
        assert_eq!(found.results.len(), 1, "every get finds it");
    }
    sample.ms.push(began.elapsed().as_secs_f64() * 1e3);
    sample.lost += datagrams_lost(port) - before;
    node.shutdown().await;
}
