use honeyguide::adapters::testnet::Testnet;
use serde_json::json;

use crate::cause::cause;
use crate::count::count;
use crate::ending::Ending;
use crate::failed::Failed;
use crate::options::{self, Options};
use crate::randomness::Randomness;
use crate::standard;
use crate::worker;

/// Run a network of nodes on the loopback interface until it is interrupted
///
/// Its nodes are small: each holds 8 items and 16 peers. As eight of them or more hold a copy, the network has room for
/// about as many items as it has nodes; what comes on top is refused, or takes the place of others.
#[derive(clap::Args)]
pub struct Args {
    /// How many nodes
    #[arg(long, default_value_t = 32, value_parser = nodes())]
    nodes: u32,
    /// Port of the first node [default: one that is free]
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    #[arg(value_parser = options::whole::<u16>(0..=u16::MAX.into()))]
    port: u16,
    #[command(flatten)]
    random: Randomness,
}

/// As many as are of use on one machine.
pub fn nodes() -> impl Fn(&str) -> Result<u32, String> + Clone {
    options::whole(1..=10_000)
}

pub async fn run(options: &Options, args: Args) -> Result<(), Failed> {
    let mut ending = std::pin::pin!(options.ending());
    let rng_seed = args.random.rng()?.bytes();
    let progress = options.progress("starting the nodes");
    let running = async {
        let testnet = start(args.nodes, args.port, rng_seed).await?;
        progress.finish_and_clear();
        let bootstrap = testnet.bootstrap().to_string();
        options.out().line(format_args!("bootstrap {bootstrap}"), json!({ "bootstrap": bootstrap }))?;
        Ok::<_, Failed>(testnet)
    };
    let testnet = tokio::select! {
        testnet = running => testnet?,
        why = &mut ending => return Err(match why {
            Ending::TimeUp(limit) => {
                let (nodes, limit) = (count(args.nodes, "node"), limit.as_secs_f64());
                format!("the network of {nodes} did not stand after {limit} s; --timeout gives it more").into()
            }
            Ending::Interrupted => why.into(),
        }),
    };
    tokio::select! {
        _ = ending => {}
        () = standard::reader_gone() => {}
    }
    // Nothing is kept of it, so that its sockets may close with the program.
    drop(testnet);
    Ok(())
}

pub async fn start(nodes: u32, port: u16, rng_seed: [u8; 32]) -> Result<Testnet, Failed> {
    // Many sockets and nodes take a while, in which a signal has to be heard. The program may end meanwhile, and its
    // runtime with it, so the start has a clock of its own; the nodes have threads of their own.
    let starting = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        runtime.block_on(Testnet::start(nodes as usize, port, rng_seed))
    };
    worker::work(starting)
        .await?
        .map_err(|error| format!("the test network could not be started: {}", cause(&error)).into())
}
