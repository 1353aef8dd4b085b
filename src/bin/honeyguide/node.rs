use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use honeyguide::Config;
use honeyguide::adapters::tokio::{spawn, spawn_recorded};
use honeyguide::adapters::{Handle, Notice, Recording};
use honeyguide::dht::LinkId;
use honeyguide::dht::Network;
use serde_json::json;

use crate::client;
use crate::failed::Failed;
use crate::file;
use crate::journal_file::{self, Head, HeadLink};
use crate::options::Options;
use crate::print::{Out, outcome_json, outcome_text};
use crate::state::{State, StateContact, StateFile};

/// How often the state is saved besides at the end.
const SAVE_EVERY: Duration = Duration::from_secs(300);

/// How often a link that reached nobody is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Run one node until it is interrupted
#[derive(clap::Args)]
pub struct Args {
    /// Local address and port of a link; several make several links [default: 0.0.0.0:0]
    #[arg(long, value_name = "ADDR", num_args = 1..)]
    bind: Vec<SocketAddr>,
    /// Ask, but do not answer (BEP 43)
    #[arg(long)]
    read_only: bool,
    /// Ids and contacts are loaded from this file and saved to it
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Record the run in this new file, for `replay`; it contains the node's secrets
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
}

pub async fn run(options: &Options, args: Args) -> Result<(), Failed> {
    let ending = options.ending();
    let binds = if args.bind.is_empty() { vec![SocketAddr::from(([0, 0, 0, 0], 0))] } else { args.bind };
    if binds.len() > Config::MAX_LINKS {
        return Err(Failed::usage(format!("a node has at most {} links, not {}", Config::MAX_LINKS, binds.len())));
    }
    if let (Some(journal), Some(state)) = (&args.journal, &args.state)
        && file::are_one(journal, state)
    {
        let (journal, state) = (journal.display(), state.display());
        return Err(Failed::usage(format!("--journal {journal} and --state {state} are one file: name two")));
    }
    let opened = args.state.as_deref().map(StateFile::open).transpose()?;
    let (state_file, saved) = opened.map_or((None, None), |(state_file, saved)| (Some(state_file), saved));
    let loopback = binds.iter().any(|addr| addr.ip().is_loopback());
    let start = start(options, loopback, saved.as_ref()).await?;
    let network = if loopback { options.network(true) } else { start.network };
    let sockets = binds.iter().map(|addr| client::bind(*addr)).collect::<Result<Vec<_>, _>>()?;
    let ids: Vec<_> = saved.iter().flat_map(State::ids).map(|id| id.0).collect();
    let links = binds.iter().enumerate();
    let head = Head {
        links: links.map(|(i, addr)| HeadLink { id: ids.get(i).copied(), v6: addr.is_ipv6() }).collect(),
        local: network == Network::Local,
        read_only: args.read_only,
        rng_seed: options.rng()?.bytes(),
        version: Some(env!("CARGO_PKG_VERSION").into()),
    };
    let journal = args.journal.as_deref().map(|path| journal_file::create(path, &head)).transpose()?;
    let config = head.config().map_err(|error| error.to_string())?;
    let started = match journal {
        None => spawn(config, head.rng_seed, sockets).map(|node| (node, None)),
        Some(sink) => {
            spawn_recorded(config, head.rng_seed, sockets, sink).map(|(node, recording)| (node, Some(recording)))
        }
    };
    let (node, recording) = started.map_err(|error| format!("the node could not be started: {error}"))?;
    let out = options.out();
    for (i, addr) in (0u8..).zip(node.addrs()) {
        let id = node.id(LinkId(i)).await.flatten().map(|id| id.to_string());
        let text = format!("link {i} {addr} id {}", id.as_deref().unwrap_or("none"));
        out.line(text, json!({ "link": i, "addr": addr.to_string(), "id": id }))?;
        let contacts = saved.iter().flat_map(|saved| &saved.contacts).filter(|contact| contact.link == i);
        let contacts: Vec<_> = contacts.filter_map(StateContact::contact).collect();
        node.import(LinkId(i), &contacts).await.transpose().map_err(|error| error.to_string())?;
    }
    let mut store = state_file.map(|file| Store { file, before: saved });
    // Written at once, so that a place where nothing can be saved is noticed now.
    save(&node, &mut store).await?;
    let mut recording = recording.map(|running| Recorded { name: args.journal.unwrap_or_default(), running });
    let ran = until_interrupted(out, &node, &start.routers, &mut store, &mut recording, ending).await;
    let kept = save(&node, &mut store).await;
    node.shutdown().await;
    if let Some(mut recorded) = recording {
        report_hash(out, recorded.end().await?)?;
    }
    ran.and(kept)
}

/// Where the node begins. One that knows others needs no router, and no name service either.
async fn start(options: &Options, loopback: bool, saved: Option<&State>) -> Result<client::Start, Failed> {
    let network = options.network(loopback);
    if network == Network::Local && options.bootstrap.is_empty() {
        // A local network may begin with this very node.
        return Ok(client::Start { routers: vec![], network });
    }
    match client::start(options).await {
        // Wrong usage stays wrong, whoever is known.
        Err(Failed { code: 1, .. }) if saved.is_some_and(|saved| !saved.contacts.is_empty()) => {
            Ok(client::Start { routers: vec![], network })
        }
        start => start,
    }
}

/// A run that is being recorded.
struct Recorded {
    name: PathBuf,
    running: Recording,
}

impl Recorded {
    /// The hash of all that the node put out, once it has ended or the journal cannot be written any more.
    async fn end(&mut self) -> Result<u128, Failed> {
        let ended = (&mut self.running).await;
        ended.map_err(|error| format!("the journal {} was not written to its end: {error}", self.name.display()).into())
    }
}

/// The hash of all that a node put out, in the same words for a recording and its replay.
fn report_hash(out: Out, hash: u128) -> Result<(), Failed> {
    let hash = hash_text(hash);
    out.line(format_args!("hash {hash}"), json!({ "hash": hash }))
}

pub fn hash_text(hash: u128) -> String {
    format!("{hash:032x}")
}

async fn until_interrupted(
    out: Out,
    node: &Handle,
    routers: &[SocketAddr],
    store: &mut Option<Store>,
    recorded: &mut Option<Recorded>,
    ending: impl Future<Output = Failed>,
) -> Result<(), Failed> {
    let mut notices = node.notices();
    let mut save_at = tokio::time::interval(SAVE_EVERY);
    save_at.tick().await;
    let (mut joining, mut ending) = (std::pin::pin!(join(out, node, routers)), std::pin::pin!(ending));
    let (mut joined, mut unrecorded) = (false, Ok(()));
    loop {
        tokio::select! {
            result = &mut joining, if !joined => { result?; joined = true; }
            Some(notice) = notices.next() => print(out, notice)?,
            // A full disk can have room again at the next time; only at the end it is a failure.
            _ = save_at.tick() => {
                if let Err(failed) = save(node, store).await {
                    eprintln!("honeyguide: {}", failed.sentence);
                }
            }
            failed = failure(recorded), if recorded.is_some() => {
                eprintln!("honeyguide: {}; the node goes on without it", failed.sentence);
                (*recorded, unrecorded) = (None, Err(failed));
            }
            _ = &mut ending => return unrecorded,
        }
    }
}

/// A journal that cannot be written any more. The end of the node is no failure.
async fn failure(recorded: &mut Option<Recorded>) -> Failed {
    if let Some(recorded) = recorded
        && let Err(failed) = recorded.end().await
    {
        return failed;
    }
    std::future::pending().await
}

/// Each link has an id of its own and finds its own neighbours. It is over when each has found some.
async fn join(out: Out, node: &Handle, routers: &[SocketAddr]) -> Result<(), Failed> {
    let joining: Vec<_> = (0u8..)
        .zip(node.addrs())
        .map(|(i, addr)| {
            let routers: Vec<_> = routers.iter().copied().filter(|router| router.is_ipv4() == addr.is_ipv4()).collect();
            (i, client::join(&routers, move |some| node.on(LinkId(i)).bootstrap(some)))
        })
        .collect();
    let mut alone = Vec::new();
    for (i, joined) in joining {
        let outcome = joined.await?;
        let contacts = contacts(node, i).await;
        out.line(
            format_args!("link {i} joined with {contacts} contacts ({})", outcome_text(&outcome)),
            json!({ "link": i, "contacts": contacts, "outcome": outcome_json(&outcome) }),
        )?;
        if contacts == 0 {
            alone.push(i);
        }
    }
    // The node goes on trying by itself, and others may find it.
    while !alone.is_empty() {
        tokio::time::sleep(LOOK_EVERY).await;
        for i in std::mem::take(&mut alone) {
            match contacts(node, i).await {
                0 => alone.push(i),
                n => out.line(
                    format_args!("link {i} is no longer alone: {n} contacts"),
                    json!({ "link": i, "contacts": n, "outcome": null }),
                )?,
            }
        }
    }
    Ok(())
}

async fn contacts(node: &Handle, link: u8) -> usize {
    let contacts = node.observe(move |node| node.contacts().filter(|(at, _)| *at == LinkId(link)).count());
    contacts.await.unwrap_or(0)
}

fn print(out: Out, notice: Notice) -> Result<(), Failed> {
    match notice {
        Notice::ExternalAddr { link: LinkId(link), addr } => out
            .line(format_args!("link {link} is seen at {addr}"), json!({ "link": link, "external": addr.to_string() })),
        Notice::IdChanged { link: LinkId(link), id } => {
            out.line(format_args!("link {link} has the new id {id}"), json!({ "link": link, "id": id.to_string() }))
        }
        _ => Ok(()),
    }
}

/// Where the state goes, and what it was at the start.
struct Store {
    file: StateFile,
    before: Option<State>,
}

async fn save(node: &Handle, store: &mut Option<Store>) -> Result<(), Failed> {
    let Some(Store { file, before }) = store else { return Ok(()) };
    let links = node.addrs().len() as u8;
    let state = node.observe(move |node| {
        let contacts = node.contacts().map(|(link, view)| StateContact::new(link.0, view.id, view.endpoint));
        ((0..links).filter_map(|i| node.id(LinkId(i))).collect::<Vec<_>>(), contacts.collect::<Vec<_>>())
    });
    let (mut ids, mut contacts) = state.await.ok_or("the node has ended before its state was saved")?;
    // A link that has reached nobody yet, or that is not there this time, has learned nothing better than before.
    if let Some(before) = before {
        ids.extend(before.ids().skip(ids.len()));
        let reached = |link: u8| contacts.iter().any(|contact| contact.link == link);
        let old: Vec<_> = before.contacts.iter().filter(|contact| !reached(contact.link)).cloned().collect();
        contacts.extend(old);
    }
    file.save(&State::new(ids.into_iter(), contacts))
}
