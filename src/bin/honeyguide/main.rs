//! `honeyguide`: a Mainline DHT node, its test network and its tools on the command line.

mod addresses;
mod announce;
mod client;
mod demo;
mod explain;
mod failed;
mod file;
mod find_node;
mod get;
mod inspect;
mod joining;
mod journal;
mod journal_file;
mod keygen;
mod lines;
mod negentropy_harness;
mod node;
mod options;
mod peers;
mod ping;
mod print;
mod pubkey;
mod put;
mod reconcile;
mod reconcilers;
mod renewal;
mod replay;
mod sample;
mod scrape;
mod scrub;
mod scrubbed_datagram;
mod secret;
mod shrink;
mod sockets;
mod start;
mod state;
mod testnet;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failed::Failed;
use crate::options::Options;

#[derive(Parser)]
#[command(name = "honeyguide", version, about = "A Mainline DHT node and its tools")]
struct Cli {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::Args),
    Testnet(testnet::Args),
    Node(node::Args),
    Replay(replay::Args),
    Journal(journal::Args),
    Ping(ping::Args),
    FindNode(find_node::Args),
    Peers(peers::Args),
    Announce(announce::Args),
    Scrape(scrape::Args),
    Sample(sample::Args),
    Get(get::Args),
    Put(put::Args),
    Keygen(keygen::Args),
    Pubkey(pubkey::Args),
    Inspect(inspect::Args),
    NegentropyHarness(negentropy_harness::Args),
    Reconcile(reconcile::Args),
}

fn main() -> ExitCode {
    let Cli { options, command } = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report(Err(format!("the system gives no event loop: {error}").into())),
    };
    let result = runtime.block_on(run(options, command));
    // Whoever still blocks on standard input must not hold the program back.
    runtime.shutdown_background();
    report(result)
}

async fn run(options: Options, command: Command) -> Result<(), Failed> {
    match command {
        Command::Demo(args) => options.bounded(demo::run(&options, args), 60.0).await,
        Command::Testnet(args) => testnet::run(&options, args).await,
        Command::Node(args) => node::run(&options, args).await,
        Command::Ping(args) => options.bounded(ping::run(&options, args), 10.0).await,
        Command::FindNode(args) => options.bounded(find_node::run(&options, args), 30.0).await,
        Command::Peers(args) => options.bounded(peers::run(&options, args), 30.0).await,
        Command::Announce(args) => options.bounded(announce::run(&options, args), 30.0).await,
        Command::Scrape(args) => options.bounded(scrape::run(&options, args), 30.0).await,
        Command::Sample(args) => options.bounded(sample::run(&options, args), 30.0).await,
        Command::Get(args) => options.bounded(get::run(&options, args), 30.0).await,
        Command::Put(args) => options.bounded(put::run(&options, args), 30.0).await,
        Command::Replay(args) => options.blocking(move |options| replay::run(options, args)).await,
        Command::Journal(args) => journal::run(&options, args).await,
        Command::Keygen(args) => keygen::run(&options, args),
        Command::Pubkey(args) => options.blocking(move |options| pubkey::run(options, args)).await,
        Command::Inspect(args) => options.blocking(move |options| inspect::run(options, args)).await,
        Command::NegentropyHarness(args) => {
            options.blocking(move |options| negentropy_harness::run(options, args)).await
        }
        Command::Reconcile(args) => options.blocking(move |options| reconcile::run(options, args)).await,
    }
}

fn report(result: Result<(), Failed>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed { sentence, code }) => {
            eprintln!("honeyguide: {sentence}");
            ExitCode::from(code)
        }
    }
}
