//! A node for the length of one command: it asks, stores, and goes.

use std::io;
use std::time::Duration;

use honeyguide::adapters::Handle;
use honeyguide::dht::{Network, Role};
use honeyguide::{Config, Outcome};
use tokio::time::{Instant, sleep, timeout_at};

use crate::cause::cause;
use crate::datagrams;
use crate::ending::Ending;
use crate::failed::Failed;
use crate::heard::Heard;
use crate::joining::{Joining, Step};
use crate::options::Options;
use crate::print::{outcome_text, say, say_step};
use crate::sockets;
use crate::start::Start;

/// An operation has at least so long, however soon the command is given up.
const SHORTEST: Duration = Duration::from_millis(1);
/// The first pause between two rounds of joining; each one after it is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest of them.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
/// A network that says nothing for so long is told of.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the links that still ask are waited for when one has joined.
const OTHER_LINKS: Duration = Duration::from_millis(500);

/// One in so many of a keeper's flows may be opened at once (P15) ..
const AT_ONCE: u16 = 4;
/// .. and no put opens more.
const FLOWS_OF_A_PUT: u16 = 100;

/// A node on ports of the system's choice that can talk to these addresses and serves nobody (BEP 43).
pub fn node(options: &Options, start: &Start, rng_seed: [u8; 32]) -> Result<Handle, Failed> {
    start_node(config(options.deadline(), start), start, rng_seed, None::<io::Sink>)
}

/// The same, and it keeps something, for which there is no time to lose: a put at once, instead of as many queries as a
/// daemon's keeper has for all that it keeps.
pub fn keeper(options: &Options, start: &Start, rng_seed: [u8; 32]) -> Result<Handle, Failed> {
    let mut config = config(options.deadline(), start);
    config.keeper.flows = AT_ONCE * FLOWS_OF_A_PUT;
    start_node(config, start, rng_seed, None::<io::Sink>)
}

/// The same as the first, and what it hears is kept.
pub fn listening(options: &Options, start: &Start, rng_seed: [u8; 32], heard: Heard) -> Result<Handle, Failed> {
    listening_with(config(options.deadline(), start), start, rng_seed, heard)
}

/// The same, which keeps up no table: it asks whom it is told to ask, and nobody else (U15).
pub fn keeping_to_itself(options: &Options, start: &Start, rng_seed: [u8; 32], heard: Heard) -> Result<Handle, Failed> {
    let mut config = config(options.deadline(), start);
    config.capacity.contacts = 0;
    listening_with(config, start, rng_seed, heard)
}

fn listening_with(config: Config, start: &Start, rng_seed: [u8; 32], heard: Heard) -> Result<Handle, Failed> {
    let node = start_node(config, start, rng_seed, Some(heard.clone()))?;
    heard.listen(&node);
    Ok(node)
}

/// A search lasts as long as the command, be that shorter or longer than a node's own.
fn config(deadline: Option<Instant>, start: &Start) -> Config {
    let stock = Config::default();
    let mut config = if start.network == Network::Local { stock.local() } else { stock };
    config.role = Role::Client;
    // Nothing goes on in the background of a program that ends: a put is over when every node was tried.
    config.lookup.report_at = config.lookup.replicas;
    if let Some(deadline) = deadline {
        let left = deadline.saturating_duration_since(Instant::now());
        config.lookup.deadline = left.max(SHORTEST);
    }
    config
}

fn start_node(
    config: Config,
    start: &Start,
    rng_seed: [u8; 32],
    journal: Option<impl io::Write + Send + 'static>,
) -> Result<Handle, Failed> {
    let started = datagrams::start(config, rng_seed, sockets::ephemeral(start)?, journal);
    let (node, _) = started.map_err(|error| format!("a node could not be started: {}", cause(&error)))?;
    Ok(node)
}

/// Joins, over and over until somebody answers or the time of the command is up.
pub async fn join(options: &Options, node: &Handle, start: &Start) -> Result<Outcome, Failed> {
    if let Some(refused) = start.refused_without_bind().or_else(|| start.refused()) {
        return Err(refused);
    }
    let progress = options.progress("joining the network");
    let mut joining = Joining::new(node, start);
    let rounds = async {
        let (begun, mut pause, mut told) = (Instant::now(), FIRST_PAUSE, String::new());
        loop {
            if let Some(outcome) = round(&mut joining).await? {
                return Ok(outcome);
            }
            // That nobody answers is no news at once, for datagrams are lost; that they cannot be sent is.
            let why = if begun.elapsed() >= PATIENCE { joining.unheard() } else { joining.unsent() }.join("; ");
            if !why.is_empty() && why != told {
                say(format_args!("{why}; they are asked again"));
                told = why;
            }
            progress.set_message("joining the network: nobody has answered yet");
            sleep(pause).await;
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
    };
    let result = match options.deadline() {
        None => rounds.await,
        Some(deadline) => timeout_at(deadline, rounds).await.unwrap_or_else(|_| Err(in_time(options, joining.why()))),
    };
    progress.finish_and_clear();
    if let Ok(outcome) = &result {
        say_step(format_args!("joined the network ({})", outcome_text(outcome)));
    }
    result
}

/// Why nobody was joined: nodes that had little time to answer are not the only cause.
fn in_time(options: &Options, why: String) -> Failed {
    let limit = options.timeout.filter(|limit| *limit < PATIENCE);
    limit.map_or(why.clone(), |limit| format!("{why}; {}", Failed::from(Ending::TimeUp(limit)).sentence)).into()
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
            Some(Step::Fault(fault)) => say(format_args!("{fault}; it is asked for again")),
            // Told together, and at the end.
            Some(Step::FaultOfList(fault)) => say_step(fault),
            Some(Step::Asked { outcome, .. }) => {
                let outcome = outcome?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_gives_a_search_more_time_has_it_last_longer() {
        let start = Start::alone(Network::Public);
        let deadline = |left: u64| config(Some(Instant::now() + Duration::from_secs(left)), &start).lookup.deadline;
        assert!(deadline(120) > Duration::from_secs(110) && deadline(5) <= Duration::from_secs(5));
        assert_eq!((deadline(0), config(None, &start).lookup.deadline), (SHORTEST, Config::default().lookup.deadline));
    }
}
