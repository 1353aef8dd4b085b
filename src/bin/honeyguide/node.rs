use std::fs::{self, File};
use std::future::Future;
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::pin::Pin;

use honeyguide::adapters::Handle;
use honeyguide::dht::{LinkId, Network};
use honeyguide::{Config, Id};
use serde_json::json;

use crate::cause::cause;
use crate::daemon::Daemon;
use crate::datagrams;
use crate::ending::Ending;
use crate::failed::Failed;
use crate::file;
use crate::joining_options::Joins;
use crate::journal_file::{self, Head, HeadLink};
use crate::kept_items::KeptItems;
use crate::options::{self, Options};
use crate::print::say;
use crate::recorded::Recorded;
use crate::saving::Store;
use crate::sockets::{self, Place};
use crate::start::Start;
use crate::state::{State, StateContact, StateFile};
use crate::told::Told;
use crate::worker;

/// Run one node until it is interrupted
#[derive(clap::Args)]
pub struct Args {
    /// Local address or name, with a port, of a link; several make several links [default: each family there is]
    #[arg(long, value_name = "ADDR", num_args = 1.., value_parser = Place::parse)]
    bind: Vec<Place>,
    /// Ask, but do not answer (BEP 43)
    #[arg(long)]
    read_only: bool,
    /// Find out on each link whether others reach it, and answer as long as they do
    #[arg(long, conflicts_with = "read_only")]
    adaptive: bool,
    /// Open at most 96 flows in any 10 s, check less, and do not answer: for phones, and for small routers
    #[arg(long, conflicts_with = "adaptive")]
    frugal: bool,
    /// Ids and contacts are loaded from this file and saved to it; two nodes that run on copies of one have one id, and
    /// disturb each other
    #[arg(long, value_name = "FILE", value_parser = options::named_file())]
    state: Option<PathBuf>,
    /// Record the run in this new file, for `replay`; it contains the node's secrets
    #[arg(long, value_name = "FILE", value_parser = options::named_file())]
    journal: Option<PathBuf>,
    /// Keep the signed items of this file on the network, one a line as `get --json` prints it, without their secrets
    #[arg(long, value_name = "FILE", value_parser = options::named_file())]
    keep: Option<PathBuf>,
    #[command(flatten)]
    joins: Joins,
}

impl Args {
    fn check(&self) -> Result<(), Failed> {
        if let (Some(journal), Some(state)) = (&self.journal, &self.state)
            && file::are_one(journal, state)
        {
            let (journal, state) = (journal.display(), state.display());
            return Err(Failed::usage(format!("--journal {journal} and --state {state} are one file: name two")));
        }
        Ok(())
    }
}

pub async fn run(options: &Options, args: Args) -> Result<(), Failed> {
    let mut ending = std::pin::pin!(options.ending());
    args.check()?;
    let path = args.state.clone();
    let open = move || path.as_deref().map(StateFile::open).transpose();
    let (state_file, saved) =
        opened(ending.as_mut(), open).await?.map_or((None, None), |(state_file, saved)| (Some(state_file), saved));
    let path = args.keep.clone();
    let read = move || path.as_deref().map(KeptItems::read).transpose();
    let kept = opened(ending.as_mut(), read).await?.unwrap_or_default();
    let start = start(&args.joins, args.bind.iter().any(Place::is_loopback))?;
    if let Some(refused) = args.bind.iter().find_map(|place| place.refused(start.network)) {
        return Err(refused);
    }
    let bound = tokio::select! {
        bound = sockets::bind_all(args.bind) => bound?,
        why = &mut ending => return Err(why.into()),
    };
    if bound.len() > Config::MAX_LINKS {
        return Err(Failed::usage(format!("a node has at most {} links, not {}", Config::MAX_LINKS, bound.len())));
    }
    let (sockets, buffers): (Vec<_>, Vec<_>) = bound.into_iter().map(|at| (at.socket, at.receive_buffer)).unzip();
    let addrs = addresses(&sockets)?;
    let saved = saved.map(|saved| saved.arranged(&addrs.iter().map(SocketAddr::is_ipv6).collect::<Vec<_>>()));
    let has_new_link = (0..addrs.len()).any(|link| id_before(saved.as_ref(), link).is_none());
    let kept = kept.after(saved.as_ref(), has_new_link);
    let head = Head {
        links: head_links(&addrs, saved.as_ref()),
        local: start.network == Network::Local,
        read_only: args.read_only,
        adaptive: args.adaptive,
        frugal: args.frugal,
        rng_seed: args.joins.random.rng()?.bytes(),
        version: Some(env!("CARGO_PKG_VERSION").into()),
        kept: kept.len() as u32,
        simulated: None,
    };
    let (path, of) = (args.journal.clone(), head.clone());
    let create = move || path.map(|path| begin_journal(path, &of)).transpose();
    let (journal, unused) = opened(ending.as_mut(), create).await?.unzip();
    let config = head.config().map_err(|error| error.to_string())?;
    let started = datagrams::start(config, head.rng_seed, sockets, journal);
    let (node, recording) = started.map_err(|error| format!("the node could not be started: {}", cause(&error)))?;
    let told = Told::new(options.out());
    let mut begun = begin(&told, &node, saved.as_ref(), buffers).await;
    let mut store = state_file.map(|file| Store::new(file, saved));
    let known_links = store.as_ref().map(|store| store.known_links(node.addrs().len())).unwrap_or_default();
    if begun.is_ok() {
        // Written at once, so that a place where nothing can be saved is noticed now.
        begun = save(&node, &mut store).await;
    }
    if begun.is_err() {
        // First, since what is told may never be read.
        drop(unused);
        return worst([begun, told.finish()]);
    }
    let mut recorded = recording.map(|running| Recorded::new(args.journal.unwrap_or_default(), running));
    unused.into_iter().for_each(Unused::keep);
    let daemon = Daemon::new(&told, &node, &start, known_links, kept);
    let ran = daemon.run(&mut store, &mut recorded, ending).await;
    let kept = save(&node, &mut store).await;
    node.shutdown().await;
    let finished = told.finish();
    let recorded = match recorded {
        // It is a result like any other, and for the same reader.
        Some(mut recorded) => recorded.end().await.and_then(|hash| report_hash(&told, hash)),
        None => Ok(()),
    };
    worst([ran, recorded, kept, finished])
}

/// Each link with the id that it had in the run before.
fn head_links(addrs: &[SocketAddr], saved: Option<&State>) -> Vec<HeadLink> {
    let id = |link| id_before(saved, link).map(|id| id.0);
    let link = |(i, addr): (usize, &SocketAddr)| HeadLink { id: id(i), v6: addr.is_ipv6(), port: addr.port() };
    addrs.iter().enumerate().map(link).collect()
}

fn addresses(sockets: &[UdpSocket]) -> Result<Vec<SocketAddr>, Failed> {
    let addrs = sockets.iter().map(UdpSocket::local_addr).collect::<Result<_, _>>();
    Ok(addrs.map_err(|error| format!("the sockets cannot be used: {}", cause(&error)))?)
}

/// The id that a link had in the run before, if it was there.
fn id_before(saved: Option<&State>, link: usize) -> Option<Id> {
    saved?.ids().nth(link).filter(|id| *id != Id::default())
}

fn begin_journal(path: PathBuf, head: &Head) -> Result<(File, Unused), Failed> {
    let journal = journal_file::create(&path, head)?;
    let same = journal.try_clone();
    Ok((journal, Unused(same.ok().map(|file| (path, file)))))
}

/// The journal of a node that has not begun, and goes with it if it never does: the next try has the same name.
struct Unused(Option<(PathBuf, File)>);

impl Unused {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Unused {
    fn drop(&mut self) {
        if let Some((path, file)) = &self.0 {
            // What somebody else has put there meanwhile is not ours.
            if file::is_still(path, file).unwrap_or(false) {
                let _ = fs::remove_file(path);
            }
        }
    }
}

/// Tells the links, and asks those whom they knew in the run before.
async fn begin(told: &Told, node: &Handle, saved: Option<&State>, buffers: Vec<usize>) -> Result<(), Failed> {
    for ((i, addr), buffer) in (0u8..).zip(node.addrs()).zip(buffers) {
        let id = node.id(LinkId(i)).await.flatten().map(|id| id.to_string());
        let text = format!("link {i} {addr} id {}", id.as_deref().unwrap_or("none"));
        told.line(text, json!({ "link": i, "addr": addr.to_string(), "id": id, "receive_buffer": buffer }))?;
        let contacts = saved.into_iter().flat_map(|saved| &saved.contacts).filter(|contact| contact.link == i);
        let contacts: Vec<_> = contacts.filter_map(StateContact::contact).collect();
        node.import(LinkId(i), &contacts).await.transpose().map_err(|error| error.to_string())?;
        // The one that it has behind all others: where that fits no more it is one of those.
        let former = saved.and_then(|saved| saved.former().nth(i.into())).unwrap_or_default();
        for id in former.into_iter().chain(id_before(saved, i.into())) {
            node.import_id(LinkId(i), &id).await.transpose().map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

/// How it ends when a run, its journal, its state or what it tells came to a bad end: what ended the run counts most,
/// but that nobody reads is no failure, and hides none. The other losses are told beside it.
fn worst<const N: usize>(ended: [Result<(), Failed>; N]) -> Result<(), Failed> {
    let mut failures = ended.into_iter().filter_map(Result::err).collect::<Vec<_>>();
    failures.sort_by_key(|failed| failed.code == 0);
    let mut failures = failures.into_iter();
    let Some(first) = failures.next() else { return Ok(()) };
    failures.filter(|failed| failed.code > 0).for_each(|failed| say(failed.sentence));
    Err(first)
}

/// A file, unless the end comes first: what looks like one may be something else, and keep whoever reads it.
async fn opened<T: Send + 'static>(
    ending: Pin<&mut impl Future<Output = Ending>>,
    open: impl FnOnce() -> Result<T, Failed> + Send + 'static,
) -> Result<T, Failed> {
    tokio::select! {
        opened = worker::work(open) => opened?,
        why = ending => Err(why.into()),
    }
}

/// Whom the node joins through. A local network may begin with this very node.
fn start(joins: &Joins, binds_loopback: bool) -> Result<Start, Failed> {
    let network = joins.rules.of(binds_loopback);
    if network == Network::Local && joins.bootstrap.is_empty() {
        return Ok(Start::alone(network));
    }
    let start = Start::of(joins)?;
    Ok(if binds_loopback { start.under(network) } else { start })
}

/// The hash of all that a node put out, in the same words for a recording and its replay.
fn report_hash(told: &Told, hash: u128) -> Result<(), Failed> {
    let hash = hash_text(hash);
    told.last_line(format_args!("hash {hash}"), json!({ "hash": hash }))
}

pub fn hash_text(hash: u128) -> String {
    format!("{hash:032x}")
}

async fn save(node: &Handle, store: &mut Option<Store>) -> Result<(), Failed> {
    match store {
        Some(store) => store.save(node).await,
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_of_a_node_that_never_begins_goes_with_it_and_nothing_else_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.journal");
        let head = Head {
            links: Vec::new(),
            local: true,
            read_only: false,
            adaptive: false,
            frugal: false,
            rng_seed: [7; 32],
            version: None,
            kept: 0,
            simulated: None,
        };
        let begin = || begin_journal(path.clone(), &head).unwrap().1;
        drop(begin());
        assert!(!path.exists());
        begin().keep();
        assert!(path.exists());
        fs::remove_file(&path).unwrap();
        let unused = begin();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "somebody else's").unwrap();
        drop(unused);
        assert!(path.exists());
    }
}
