//! A node for the length of one command: it asks, stores, and goes.

use std::time::Duration;

use honeyguide::adapters::tokio::spawn;
use honeyguide::adapters::{Finished, Handle, OperationError};
use honeyguide::dht::Network;
use honeyguide::{Config, Outcome};
use tokio::time::{Instant, sleep, timeout_at};

use crate::failed::Failed;
use crate::joining::{Joining, Step};
use crate::options::Options;
use crate::print::say;
use crate::sockets;
use crate::start::Start;

/// An operation has at least so long, however soon the command is given up.
const SHORTEST: Duration = Duration::from_millis(1);
/// The first pause between two rounds of joining; each one after it is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest of them.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
/// How long the links that still ask are waited for when one has joined.
const OTHER_LINKS: Duration = Duration::from_millis(500);

/// A node on ports of the system's choice that can talk to these addresses and serves nobody (BEP 43).
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
    let sockets = sockets::ephemeral(start)?;
    spawn(config, rng_seed, sockets).map_err(|error| format!("a node could not be started: {error}").into())
}

/// The same, and it has joined the network.
pub async fn joined(options: &Options) -> Result<Handle, Failed> {
    let start = Start::of(options)?;
    let node = node(options, &start, options.rng()?.bytes())?;
    join(options, &node, &start).await?;
    Ok(node)
}

/// Joins, over and over until somebody answers or the time of the command is up.
pub async fn join(options: &Options, node: &Handle, start: &Start) -> Result<Outcome, Failed> {
    if let Some(refused) = start.refused() {
        return Err(refused.into());
    }
    let progress = options.progress("joining the network");
    let mut joining = Joining::new(node, start);
    let rounds = async {
        let mut pause = FIRST_PAUSE;
        loop {
            if let Some(outcome) = round(&mut joining).await? {
                return Ok(outcome);
            }
            progress.set_message("joining the network: nobody has answered yet");
            sleep(pause).await;
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
    };
    let result = match options.deadline() {
        None => rounds.await,
        Some(deadline) => timeout_at(deadline, rounds).await.unwrap_or_else(|_| Err(joining.why().into())),
    };
    progress.finish_and_clear();
    result
}

/// One round: the outcome of the first link that somebody answered.
async fn round(joining: &mut Joining) -> Result<Option<Outcome>, Failed> {
    let (mut first, mut limit) = (None, None);
    joining.begin();
    loop {
        let step = match limit {
            None => joining.next().await,
            Some(limit) => timeout_at(limit, joining.next()).await.unwrap_or(None),
        };
        match step {
            None => return Ok(first),
            Some(Step::Word(word)) => say(word),
            Some(Step::Fault(_)) => {} // told at the end, if it matters
            Some(Step::Asked { outcome, .. }) => {
                let outcome = outcome.map_err(|failure| failure.to_string())?;
                if outcome.answered > 0 && first.is_none() {
                    (first, limit) = (Some(outcome), Some(Instant::now() + OTHER_LINKS));
                }
            }
        }
        if first.is_some() && !joining.is_asking() {
            return Ok(first);
        }
    }
}

/// How an operation went, whether or not it did what it was started for.
pub fn outcome_of<T>(finished: &Result<Finished<T>, OperationError>) -> Result<Outcome, Failed> {
    match finished {
        Ok(finished) => Ok(finished.outcome),
        Err(failure) => failure.outcome().copied().ok_or_else(|| failure.to_string().into()),
    }
}

/// The end of an operation, or a sentence about why there is none.
pub fn ended<T>(finished: Result<Finished<T>, OperationError>) -> Result<Finished<T>, Failed> {
    finished.map_err(|failure| failure.to_string().into())
}
