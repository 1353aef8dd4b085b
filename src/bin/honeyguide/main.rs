//! `honeyguide`: a Mainline DHT node, its test network and its tools on the command line.

mod absence;
mod addressees;
mod addresses;
mod announce;
mod aside;
mod asking;
mod bencoded;
mod caught;
mod cause;
mod client;
mod command_line;
mod completions;
mod count;
mod daemon;
mod datagrams;
mod demo;
mod demo_keeper;
mod ending;
mod escape;
mod examples;
mod explain;
mod failed;
mod file;
mod find_node;
mod first_answer;
mod folder;
mod former_state;
mod get;
mod guarded;
mod heard;
mod inspect;
mod joining;
mod joining_options;
mod journal;
mod journal_file;
mod kept_items;
mod kept_state;
mod keygen;
mod lines;
mod man;
mod name_service;
mod negentropy_harness;
mod node;
mod notices;
mod options;
mod output;
mod peers;
mod ping;
mod pkarr;
mod places;
mod print;
mod progress;
mod pubkey;
mod put;
mod randomness;
mod reconcile;
mod reconcilers;
mod recorded;
mod renewal;
mod replay;
mod sample;
mod saving;
mod scrape;
mod scrub;
mod scrubbed_datagram;
mod secret;
mod shrink;
mod signed_item;
mod sim;
mod sim_acceptance;
mod sim_bars;
mod sim_charts;
mod sim_folder;
mod sim_jobs;
mod sim_journal;
mod sim_page;
mod sim_partial;
mod sim_rows;
mod sim_scenario;
mod sim_seeds;
mod sim_swarm;
mod sim_sweeps;
mod sim_watch;
mod simulated_copy;
mod small_file;
mod sockets;
mod standard;
mod start;
mod state;
mod testnet;
mod told;
mod tries;
mod under_way;
mod unread;
mod unsent;
mod usage;
mod version;
mod worker;

use std::process::ExitCode;
use std::time::Instant;

use serde_json::json;

use crate::caught::caught;
use crate::cause::cause;
use crate::command_line::{Command, Refused, program};
use crate::failed::Failed;
use crate::options::Options;
use crate::print::{Out, Volume, millis, object_line, outcome_json, say_at, set_volume};

fn main() -> ExitCode {
    let begin = Instant::now();
    #[cfg(planted)]
    plant_from_environment();
    let (options, command) = match command_line::read() {
        Ok(read) => read,
        Err(Refused::Answered { what, text, json }) => {
            return report(Out { json }.line(&text, json!({ what: &text })), json);
        }
        Err(Refused::Wrong { failed, json }) => return report(Err(failed), json),
    };
    set_volume(options.volume());
    let json = options.json;
    // It panics where there is no descriptor for what signals are heard by.
    let runtime = match caught(|| tokio::runtime::Builder::new_current_thread().enable_all().build()) {
        Ok(Ok(runtime)) => runtime,
        Ok(Err(error)) => {
            return report(Err(format!("the system gives no event loop: {}", cause(&error)).into()), json);
        }
        Err(_) => {
            let sentence = "the system gives nothing to hear signals by: raise the limit of open files (ulimit -n)";
            return report(Err(sentence.into()), json);
        }
    };
    unread::watch(&options, options.timeout.or(command.time()));
    let result = runtime.block_on(async {
        options::outlive_large_files();
        run(options, command).await
    });
    // Whoever still blocks on standard input must not hold the program back.
    runtime.shutdown_background();
    say_at(Volume::Verbose, format_args!("it took {:.1} ms", millis(begin.elapsed())));
    aside::finish();
    report(result, json)
}

async fn run(options: Options, command: Command) -> Result<(), Failed> {
    let options = &options;
    let time = command.time();
    match command {
        Command::Demo(args) => options.bounded(demo::run(options, args), time).await,
        Command::Testnet(args) => testnet::run(options, args).await,
        Command::Node(args) => node::run(options, args).await,
        Command::Ping(args) => options.bounded(ping::run(options, args), time).await,
        Command::FindNode(args) => options.bounded(find_node::run(options, args), time).await,
        Command::Peers(args) => options.bounded(peers::run(options, args), time).await,
        Command::Announce(args) => options.bounded(announce::run(options, args), time).await,
        Command::Scrape(args) => options.bounded(scrape::run(options, args), time).await,
        Command::Sample(args) => options.bounded(sample::run(options, args), time).await,
        Command::Get(args) => options.bounded(get::run(options, args), time).await,
        Command::Put(args) => options.bounded(put::run(options, args), time).await,
        Command::Replay(args) => options.blocking(move |options| replay::run(options, args)).await,
        Command::Journal(args) => journal::run(options, args).await,
        Command::Keygen(args) => keygen::run(options, args).await,
        Command::Pubkey(args) => options.blocking(move |options| pubkey::run(options, args)).await,
        Command::Inspect(args) => options.blocking(move |options| inspect::run(options, args)).await,
        Command::NegentropyHarness(args) => {
            options.blocking(move |options| negentropy_harness::run(options, args)).await
        }
        Command::Reconcile(args) => options.blocking(move |options| reconcile::run(options, args)).await,
        Command::Sim(args) => sim::run(options, args).await,
        Command::Completions(args) => options.blocking(move |options| completions::run(options, args, program())).await,
        Command::Man(args) => man::run(options, args, program()).await,
    }
}

/// In builds with bugs to plant, the one that is named is planted: a journal of a run with it is replayed with it.
#[cfg(planted)]
fn plant_from_environment() {
    use honeyguide::sim::{Bug, plant};
    let named = std::env::var("HONEYGUIDE_BUG").unwrap_or_default();
    plant(Bug::ALL.iter().copied().find(|bug| bug.name() == named));
}

/// What is said of a failure: one sentence, and for programs the last object on standard output.
fn report(result: Result<(), Failed>, json: bool) -> ExitCode {
    let Err(Failed { sentence, code, outcome }) = result else { return ExitCode::SUCCESS };
    if code > 0 {
        say_at(Volume::Quiet, &sentence);
        if json {
            let outcome = outcome.map(|outcome| outcome_json(&outcome));
            // There is no other place to tell it.
            let _ = object_line(&json!({ "error": sentence, "code": code, "outcome": outcome }));
        }
    }
    ExitCode::from(code)
}
