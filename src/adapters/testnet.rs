//! A network of real nodes on the loopback interface, for tests, demonstrations and other programs.
//!
//! A few threads serve all nodes, each with a runtime of its own; a node is one task and one socket. The nodes join one
//! after the other through those before them, as they would anywhere, so that their tables fill by themselves.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::vec::Vec;

use tokio::time::{sleep, timeout};

use crate::adapters::bind::BoundSocket;
use crate::adapters::handle::Handle;
use crate::adapters::tokio::{find_clock, spawn};
use crate::base::arena::Block;
use crate::base::rate::Rate;
use crate::base::rng::Rng;
use crate::dht::config::Config;
use crate::krpc::item::Item;

/// Nodes that join at the same time.
const JOINING: usize = 16;
/// A node with so many contacts finds any other.
const SETTLED: usize = 8;
/// A network that takes longer to settle is used as it is.
const PATIENCE: Duration = Duration::from_secs(5);
/// Threads at most.
const THREADS: usize = 4;
/// What may be asked of a node: more than a processor answers, or a burst would be answered for its first second alone.
const OPEN: Rate = Rate { per_second: 1_000_000, burst: 1_000_000 };

/// A running network. When it is dropped, its nodes end.
///
/// ```
/// use honeyguide::adapters::testnet::Testnet;
/// use honeyguide::Id;
/// use honeyguide::dht::PeerKind;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let network = Testnet::start(8, 0, [7; 32]).await?;
/// let [author, .., stranger] = network.nodes() else { unreachable!() };
/// let info_hash = Id([0x42; 20]);
/// author.announce(info_hash, Some(6881), PeerKind::Downloader).await?;
/// let found = stranger.get_peers(info_hash).await?;
/// assert_eq!(found.results[0].peers, ["127.0.0.1:6881".parse().unwrap()]);
/// network.stop().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Testnet {
    nodes: Vec<Handle>,
    threads: Vec<JoinHandle<()>>,
    first: SocketAddr,
}

impl Testnet {
    /// Starts `nodes` nodes, at least one, and returns when all have joined and know one another well enough. The first
    /// listens on `port` (0: any), the others where the system likes.
    ///
    /// Its nodes answer one asker as much as it asks: a node of the public network that is sent thousands of queries by
    /// one endpoint answers ten of them a second.
    ///
    /// They are small ([`Config::small`]): each holds 8 items, of whichever length, and 16 peers, and at least eight
    /// hold a copy. So there is room for about as many items as there are nodes, and twice as many peers;
    /// [`start_with`](Testnet::start_with) takes more.
    ///
    /// # Errors
    /// When a socket or a thread cannot be had, for example because the port is in use; when no node reaches another,
    /// since the loopback interface is down; outside a tokio runtime, and in one without a clock (`enable_time`), as
    /// [`spawn`].
    pub async fn start(nodes: usize, port: u16, rng_seed: [u8; 32]) -> io::Result<Testnet> {
        let mut config = Config::small().local();
        // A small node has room for eight items of a few hundred bytes each; those of a test may be long.
        config.capacity.value_bytes = config.capacity.items * Item::MAX_VALUE.next_multiple_of(Block::BYTES);
        Testnet::start_with(config, nodes, port, rng_seed).await
    }

    /// The same with nodes of another configuration, for example with more room for items than the smallest nodes have.
    /// It should be a [`local`](Config::local) one. They answer one asker as much as it asks as well, unless the
    /// configuration has a limiter of its own: another one than [`Config::default`] has.
    ///
    /// # Errors
    /// Those of [`start`](Testnet::start), and when the configuration makes no sense.
    pub async fn start_with(config: Config, nodes: usize, port: u16, rng_seed: [u8; 32]) -> io::Result<Testnet> {
        find_clock()?;
        let config = opened(config);
        let mut rng = Rng::from_seed(rng_seed);
        let mut sockets = Vec::new();
        for i in 0..nodes.max(1) {
            let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, if i == 0 { port } else { 0 }));
            sockets.push((BoundSocket::at(addr)?.socket, rng.bytes()));
        }
        let first = sockets[0].0.local_addr()?;
        let mut testnet = Testnet { nodes: Vec::with_capacity(sockets.len()), threads: Vec::new(), first };
        let threads = thread::available_parallelism().map_or(1, |n| n.get().min(THREADS));
        let share = sockets.len().div_ceil(threads);
        while !sockets.is_empty() {
            let rest = sockets.split_off(share.min(sockets.len()));
            testnet.serve(&config, std::mem::replace(&mut sockets, rest))?;
        }
        // A machine that is busy may lose one.
        let is_alone = testnet.nodes.len() == 1;
        if !is_alone && testnet.join(&mut rng).await == 0 && testnet.join(&mut rng).await == 0 {
            let sentence =
                "no node reached another over the loopback interface: is it up, and does a firewall let UDP through?";
            return Err(io::Error::new(io::ErrorKind::NetworkUnreachable, sentence));
        }
        testnet.settle().await;
        Ok(testnet)
    }

    /// Address of the first node.
    #[must_use]
    pub fn bootstrap(&self) -> SocketAddr {
        self.first
    }

    /// The nodes, the first one first.
    #[must_use]
    pub fn nodes(&self) -> &[Handle] {
        &self.nodes
    }

    /// Shuts all nodes down and returns when their sockets are closed.
    pub async fn stop(self) {
        for node in &self.nodes {
            node.shutdown();
        }
        for node in &self.nodes {
            node.ended().await;
        }
        for thread in self.threads {
            let _ = thread.join();
        }
    }

    /// Starts a thread that serves these nodes until all of them have ended.
    fn serve(&mut self, config: &Config, sockets: Vec<(UdpSocket, [u8; 32])>) -> io::Result<()> {
        let (sender, started) = mpsc::channel();
        let config = config.clone();
        let body = move || {
            // Made here: whoever starts the network may be a task, in which no runtime may be dropped.
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(sender.send(Err(error))),
            };
            runtime.block_on(async move {
                let nodes: io::Result<Vec<Handle>> = sockets
                    .into_iter()
                    .map(|(socket, rng_seed)| spawn(config.clone(), rng_seed, [socket].into()))
                    .collect();
                let ended: Vec<_> = nodes.iter().flatten().map(Handle::ended).collect();
                let _ = sender.send(nodes);
                for node in ended {
                    node.await;
                }
            });
        };
        self.threads.push(thread::Builder::new().name("honeyguide-testnet".into()).spawn(body)?);
        self.nodes.extend(started.recv().map_err(io::Error::other)??);
        Ok(())
    }

    /// How many joined; the first one has nobody to join.
    async fn join(&self, rng: &mut Rng) -> usize {
        let (mut joined, mut successes) = (1, 0);
        while joined < self.nodes.len() {
            // Never more at once than there are already, so that nobody joins a network that does not exist yet.
            let next = (joined + JOINING.min(joined)).min(self.nodes.len());
            let joining: Vec<_> = self.nodes[joined..next]
                .iter()
                .map(|node| {
                    let other = &self.nodes[rng.below(joined as u32) as usize];
                    node.bootstrap(&[self.first.into(), other.addrs()[0].into()])
                })
                .collect();
            for operation in joining {
                // A node that could not join at once goes on trying; that is its own business.
                successes += usize::from(operation.await.is_ok());
            }
            joined = next;
        }
        successes
    }

    /// Waits until every node knows some others: a node asks those back who asked it, but in its own time.
    async fn settle(&self) {
        let enough = SETTLED.min(self.nodes.len() - 1);
        let settled = async {
            for node in &self.nodes {
                while node.observe(|node| node.contacts().count()).await.is_some_and(|known| known < enough) {
                    sleep(Duration::from_millis(5)).await;
                }
            }
        };
        let _ = timeout(PATIENCE, settled).await;
    }
}

/// The configuration of a node that answers one asker as much as it asks, unless it has a limiter of its own.
fn opened(mut config: Config) -> Config {
    if config.limiter == Config::default().limiter {
        (config.limiter.per_endpoint, config.limiter.per_node) = (OPEN, OPEN);
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::list::List;
    use crate::base::time::Instant;
    use crate::dht::limiter::Limiter;
    use crate::krpc::endpoint::Endpoint;

    #[test]
    fn a_node_of_a_test_network_answers_twenty_bursts_of_ten_thousand_at_one_instant() {
        let config = opened(Config::small().local());
        let mut limiter = Limiter::new(config.limiter, config.network, [7, 8], List::zeroed(64));
        let asked = |port| Endpoint::v4([127, 0, 0, 1], port);
        let admitted = (0..200_000u32).filter(|n| limiter.admit(Instant::ZERO, &asked(1000 + (n / 10_000) as u16)));
        assert_eq!(admitted.count(), 200_000, "each burst by an asker of its own");
    }

    #[test]
    fn a_test_network_of_any_configuration_is_open_but_for_one_with_a_limiter_of_its_own() {
        for stock in [Config::default(), Config::small(), Config::tiny().local()] {
            let limiter = opened(stock).limiter;
            assert_eq!((limiter.per_endpoint, limiter.per_node), (OPEN, OPEN));
        }
        let mut own = Config::small().local();
        own.limiter.per_endpoint.burst = 7;
        assert_eq!(opened(own.clone()), own);
    }
}
