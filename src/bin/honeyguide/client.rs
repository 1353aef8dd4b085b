//! A node for the length of one command: it asks, stores, and goes.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use honeyguide::Config;
use honeyguide::Endpoint;
use honeyguide::Outcome;
use honeyguide::adapters::resolve::{Resolved, resolve};
use honeyguide::adapters::tokio::spawn;
use honeyguide::adapters::{Finished, Handle, Operation, OperationError};
use honeyguide::dht::Network;
use tokio::time::{Instant, timeout_at};

use crate::failed::Failed;
use crate::options::{NetworkName, Options};

/// Where strangers enter the public network.
const ROUTERS: [&str; 4] = [
    "dht.libtorrent.org:25401",
    "router.bittorrent.com:6881",
    "dht.transmissionbt.com:6881",
    "router.utorrent.com:6881",
];
/// How long the first address is waited for.
const FIRST_ADDRESS: Duration = Duration::from_secs(5);
/// How long the others are waited for after it.
const OTHER_ADDRESSES: Duration = Duration::from_secs(1);

/// An operation has at least so long, however soon the command is given up.
const SHORTEST: Duration = Duration::from_millis(1);

/// Addresses to join through, and the rules that follow from them.
pub struct Start {
    pub routers: Vec<SocketAddr>,
    pub network: Network,
}

impl Start {
    /// Why nobody is asked, when the rules of the network rule out every address.
    pub fn refused(&self) -> Option<String> {
        let is_usable = |addr: &SocketAddr| Endpoint::from(*addr).is_usable(self.network);
        let first = self.routers.first().filter(|_| !self.routers.iter().any(is_usable))?;
        Some(format!(
            "{first} was not asked: the rules of the public network refuse such an address; --network local allows a \
             loopback address"
        ))
    }
}

/// The addresses given with `--bootstrap`, or those of the public routers.
pub async fn start(options: &Options) -> Result<Start, Failed> {
    let routers = if !options.bootstrap.is_empty() {
        addresses(options.bootstrap.iter().cloned()).await?
    } else if options.network == Some(NetworkName::Local) {
        return Err(Failed::usage("a local network has no public routers: name one of its nodes with --bootstrap"));
    } else {
        addresses(ROUTERS.map(String::from)).await?
    };
    let network = options.network(routers.iter().any(|router| router.ip().is_loopback()));
    Ok(Start { routers, network })
}

/// The addresses of all names that have one; an error when none has, or when one is malformed.
pub async fn addresses(names: impl IntoIterator<Item = String>) -> Result<Vec<SocketAddr>, Failed> {
    let (mut addrs, mut faults) = (Vec::new(), Vec::new());
    let (mut answers, mut limit) = (resolve(names), Instant::now() + FIRST_ADDRESS);
    loop {
        match timeout_at(limit, answers.next()).await {
            Ok(Some(Resolved { addrs: Ok(found), .. })) => {
                limit = limit.min(Instant::now() + OTHER_ADDRESSES);
                addrs.extend(found);
            }
            Ok(Some(Resolved { addrs: Err(fault), .. })) if fault.is_wrong_usage() => return Err(Failed::usage(fault)),
            Ok(Some(Resolved { addrs: Err(fault), .. })) => faults.push(fault.to_string()),
            Ok(None) => break,
            Err(_) => {
                faults.push("the name service did not answer".into());
                break;
            }
        }
    }
    if addrs.is_empty() {
        return Err(format!("no address to talk to: {}", faults.join("; ")).into());
    }
    Ok(addrs)
}

/// A node on a port of the system's choice that can talk to these addresses and serves nobody (BEP 43).
pub fn node(options: &Options, start: &Start, rng_seed: [u8; 32]) -> Result<Handle, Failed> {
    let stock = Config::default();
    let mut config = if start.network == Network::Local { stock.local() } else { stock };
    config.read_only = true;
    // Nothing goes on in the background of a program that ends: a put is over when every node was tried.
    config.lookup.report_at = config.lookup.replicas;
    if let Some(limit) = options.timeout {
        // The rest is for joining, so that an operation can still end by itself and say how far it came.
        config.lookup.deadline = config.lookup.deadline.min(limit.mul_f64(0.75)).max(SHORTEST);
    }
    let socket = ephemeral(&start.routers)?;
    spawn(config, rng_seed, vec![socket]).map_err(|error| format!("a node could not be started: {error}").into())
}

/// The same, and it has joined the network.
pub async fn joined(options: &Options) -> Result<Handle, Failed> {
    let start = start(options).await?;
    let node = node(options, &start, options.rng()?.bytes())?;
    let progress = options.progress("joining the network");
    let outcome = join(&start.routers, |some| node.bootstrap(some)).await?;
    progress.finish_and_clear();
    if outcome.answered == 0 {
        return Err(no_answer(&start).into());
    }
    Ok(node)
}

/// Joins through the first of these addresses that answer. It begins with the call, not only when it is awaited.
pub fn join<B: Fn(&[Endpoint]) -> Operation<Infallible>>(
    addrs: &[SocketAddr],
    bootstrap: B,
) -> impl Future<Output = Result<Outcome, Failed>> + use<B> {
    let nodes: Vec<Endpoint> = addrs.iter().map(|&addr| addr.into()).collect();
    // A node keeps so many, and forgets those before them.
    let (first, others) = nodes.split_at(nodes.len().min(Config::MAX_BOOTSTRAP_NODES));
    let (joining, others) = (bootstrap(first), others.to_vec());
    async move {
        let mut outcome = ended(joining.await)?.outcome;
        for more in others.chunks(Config::MAX_BOOTSTRAP_NODES) {
            if outcome.answered > 0 {
                break;
            }
            outcome = ended(bootstrap(more).await)?.outcome;
        }
        Ok(outcome)
    }
}

/// Why nothing can be done without a node that answers.
pub fn no_answer(start: &Start) -> String {
    if let Some(refused) = start.refused() {
        return refused;
    }
    let routers: Vec<_> = start.routers.iter().map(SocketAddr::to_string).collect();
    format!("no node answered at {}: check the address and whether UDP gets through", routers.join(", "))
}

/// The end of an operation, or a sentence about why there is none.
pub fn ended<T>(finished: Result<Finished<T>, OperationError>) -> Result<Finished<T>, Failed> {
    finished.map_err(|failure| failure.to_string().into())
}

/// IPv4 where it is among the destinations; loopback when nothing else is.
fn ephemeral(destinations: &[SocketAddr]) -> Result<UdpSocket, Failed> {
    let v4 = destinations.iter().any(SocketAddr::is_ipv4);
    let loopback = destinations.iter().filter(|addr| addr.is_ipv4() == v4).all(|addr| addr.ip().is_loopback());
    let ip: IpAddr = match (v4, loopback) {
        (true, true) => Ipv4Addr::LOCALHOST.into(),
        (true, false) => Ipv4Addr::UNSPECIFIED.into(),
        (false, true) => Ipv6Addr::LOCALHOST.into(),
        (false, false) => Ipv6Addr::UNSPECIFIED.into(),
    };
    bind(SocketAddr::new(ip, 0))
}

pub fn bind(addr: SocketAddr) -> Result<UdpSocket, Failed> {
    UdpSocket::bind(addr).map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            format!("port {} of {} is in use by another program: choose another one", addr.port(), addr.ip()).into()
        }
        _ => format!("{addr} cannot be listened on: {error}").into(),
    })
}
