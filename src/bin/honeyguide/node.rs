use std::future::Future;
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use honeyguide::adapters::{Handle, Notice, Recording};
use honeyguide::dht::{LinkId, Network};
use honeyguide::{Config, Id, Outcome};
use serde_json::json;
use tokio::time::{Instant, interval};

use crate::cause::cause;
use crate::count::count;
use crate::datagrams;
use crate::ending::Ending;
use crate::failed::Failed;
use crate::file;
use crate::joining::{Joining, Step};
use crate::joining_options::Joins;
use crate::journal_file::{self, Head, HeadLink};
use crate::options::{self, Options};
use crate::print::{Out, outcome_json, outcome_text, say, say_step};
use crate::renewal::Renewal;
use crate::saving::Store;
use crate::sockets::{self, Place};
use crate::start::{Start, family_of};
use crate::state::{State, StateContact, StateFile};
use crate::unsent;
use crate::worker;

/// How often the links are looked at: whether they reach somebody, and whether that is worth a save.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Run one node until it is interrupted
#[derive(clap::Args)]
pub struct Args {
    /// Local address or name, with a port, of a link; several make several links [default: each family there is]
    #[arg(long, value_name = "ADDR", num_args = 1.., value_parser = Place::parse)]
    bind: Vec<Place>,
    /// Ask, but do not answer (BEP 43)
    #[arg(long)]
    read_only: bool,
    /// Ids and contacts are loaded from this file and saved to it
    #[arg(long, value_name = "FILE", value_parser = options::named_file())]
    state: Option<PathBuf>,
    /// Record the run in this new file, for `replay`; it contains the node's secrets
    #[arg(long, value_name = "FILE", value_parser = options::named_file())]
    journal: Option<PathBuf>,
    #[command(flatten)]
    joins: Joins,
}

pub async fn run(options: &Options, args: Args) -> Result<(), Failed> {
    let mut ending = std::pin::pin!(options.ending());
    if let (Some(journal), Some(state)) = (&args.journal, &args.state)
        && file::are_one(journal, state)
    {
        let (journal, state) = (journal.display(), state.display());
        return Err(Failed::usage(format!("--journal {journal} and --state {state} are one file: name two")));
    }
    let path = args.state.clone();
    let open = move || path.as_deref().map(StateFile::open).transpose();
    let (state_file, saved) =
        opened(ending.as_mut(), open).await?.map_or((None, None), |(state_file, saved)| (Some(state_file), saved));
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
    let buffers: Vec<_> = bound.iter().map(|bound| bound.receive_buffer).collect();
    let sockets: Vec<_> = bound.into_iter().map(|bound| bound.socket).collect();
    let addrs = sockets.iter().map(UdpSocket::local_addr).collect::<Result<Vec<_>, _>>();
    let addrs = addrs.map_err(|error| format!("the sockets cannot be used: {}", cause(&error)))?;
    let saved = saved.map(|saved| saved.arranged(&addrs.iter().map(SocketAddr::is_ipv6).collect::<Vec<_>>()));
    let ids: Vec<_> = saved.iter().flat_map(State::ids).map(|id| (id != Id::default()).then_some(id.0)).collect();
    let mut ids = ids.into_iter();
    let link = |addr: &SocketAddr| HeadLink { id: ids.next().flatten(), v6: addr.is_ipv6(), port: addr.port() };
    let head = Head {
        links: addrs.iter().map(link).collect(),
        local: start.network == Network::Local,
        read_only: args.read_only,
        rng_seed: args.joins.random.rng()?.bytes(),
        version: Some(env!("CARGO_PKG_VERSION").into()),
    };
    let (path, of) = (args.journal.clone(), head.clone());
    let create = move || path.as_deref().map(|path| journal_file::create(path, &of)).transpose();
    let journal = opened(ending.as_mut(), create).await?;
    let config = head.config().map_err(|error| error.to_string())?;
    let started = datagrams::start(config, head.rng_seed, sockets, journal);
    let (node, recording) = started.map_err(|error| format!("the node could not be started: {}", cause(&error)))?;
    let out = options.out();
    for ((i, addr), buffer) in (0u8..).zip(node.addrs()).zip(buffers) {
        let id = node.id(LinkId(i)).await.flatten().map(|id| id.to_string());
        let text = format!("link {i} {addr} id {}", id.as_deref().unwrap_or("none"));
        out.line(text, json!({ "link": i, "addr": addr.to_string(), "id": id, "receive_buffer": buffer }))?;
        let contacts = saved.iter().flat_map(|saved| &saved.contacts).filter(|contact| contact.link == i);
        let contacts: Vec<_> = contacts.filter_map(StateContact::contact).collect();
        node.import(LinkId(i), &contacts).await.transpose().map_err(|error| error.to_string())?;
    }
    let mut store = state_file.map(|file| Store::new(file, saved));
    // Written at once, so that a place where nothing can be saved is noticed now.
    save(&node, &mut store).await?;
    let mut recording = recording.map(|running| Recorded { name: args.journal.unwrap_or_default(), running });
    let ran = Daemon::new(out, &node, &start, &mut store, &mut recording).run(ending).await;
    let kept = save(&node, &mut store).await;
    node.shutdown().await;
    let recorded = match recording {
        Some(mut recorded) => recorded.end().await.and_then(|hash| report_hash(out, hash)),
        None => Ok(()),
    };
    worst(ran, recorded, kept)
}

/// How it ends when a run, its journal or its state came to a bad end: what ended the run counts most, but that nobody
/// reads is no failure, and hides none. A state that was not kept is a loss of its own, and is told beside the others.
fn worst(ran: Result<(), Failed>, recorded: Result<(), Failed>, kept: Result<(), Failed>) -> Result<(), Failed> {
    let mut failures = [ran, recorded, kept].into_iter().filter_map(Result::err).collect::<Vec<_>>();
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

/// A run that is being recorded.
struct Recorded {
    name: PathBuf,
    running: Recording,
}

impl Recorded {
    /// The hash of all that the node put out, once it has ended or the journal cannot be written any more.
    async fn end(&mut self) -> Result<u128, Failed> {
        let ended = (&mut self.running).await;
        ended.map_err(|error| {
            format!("the journal {} was not written to its end: {}", self.name.display(), cause(&error)).into()
        })
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

/// The hash of all that a node put out, in the same words for a recording and its replay.
fn report_hash(out: Out, hash: u128) -> Result<(), Failed> {
    let hash = hash_text(hash);
    out.line(format_args!("hash {hash}"), json!({ "hash": hash }))
}

pub fn hash_text(hash: u128) -> String {
    format!("{hash:032x}")
}

/// A node that runs for as long as it may, and says what becomes of it.
struct Daemon<'a> {
    out: Out,
    node: &'a Handle,
    store: &'a mut Option<Store>,
    recorded: &'a mut Option<Recorded>,
    start: &'a Start,
    joining: Joining,
    renewal: Renewal,
    /// How each link was told of last.
    links: Vec<LinkNews>,
    /// Why the run is not recorded any more.
    unrecorded: Result<(), Failed>,
}

/// What was said of a link.
#[derive(Clone, Default)]
struct LinkNews {
    /// How its last bootstrap went.
    outcome: Option<Outcome>,
    /// How many contacts it had when that was said.
    contacts: Option<usize>,
}

impl<'a> Daemon<'a> {
    fn new(
        out: Out,
        node: &'a Handle,
        start: &'a Start,
        store: &'a mut Option<Store>,
        recorded: &'a mut Option<Recorded>,
    ) -> Self {
        let (joining, renewal) = (Joining::new(node, start), Renewal::new(Instant::now()));
        let links = vec![LinkNews::default(); node.addrs().len()];
        Daemon { out, node, store, recorded, start, joining, renewal, links, unrecorded: Ok(()) }
    }

    async fn run(mut self, ending: Pin<&mut impl Future<Output = Ending>>) -> Result<(), Failed> {
        tokio::select! {
            biased;
            why = ending => self.end(why).await.and(self.unrecorded),
            Err(failed) = self.go() => Err(failed),
        }
    }

    /// Runs until something fails.
    async fn go(&mut self) -> Result<(), Failed> {
        let mut notices = self.node.notices();
        let (mut keep_at, mut look_at) = (interval(LOOK_EVERY), interval(LOOK_EVERY));
        self.say_alone();
        self.joining.begin();
        let mut is_joining = true;
        loop {
            tokio::select! {
                biased;
                () = self.node.ended() => return Err(self.panicked()),
                Some(notice) = notices.next() => print(self.out, notice).await?,
                step = self.joining.next(), if is_joining => {
                    is_joining = step.is_some();
                    self.take(step).await?;
                }
                _ = look_at.tick(), if !is_joining => is_joining = self.look().await?,
                _ = keep_at.tick(), if self.store.is_some() => self.keep().await,
                failed = failure(self.recorded), if self.recorded.is_some() => {
                    say(format_args!("{}; the node goes on without it", failed.sentence));
                    (*self.recorded, self.unrecorded) = (None, Err(failed));
                }
            }
        }
    }

    /// Who has nobody to ask waits for others, and the user has to know that and where they come.
    fn say_alone(&self) {
        if !self.start.is_alone() || self.knows_somebody() {
            return;
        }
        let place = |addr: &SocketAddr| match addr.ip().is_unspecified() {
            true => format!("at port {} of any {} address of this machine", addr.port(), family_of(addr)),
            false => format!("with --bootstrap {addr}"),
        };
        let places: Vec<_> = self.node.addrs().iter().map(place).collect();
        say(format_args!(
            "this node knows no node and waits for others, who join it {}; to join a network, name one of its nodes \
             with --bootstrap ADDR",
            places.join(" or ")
        ));
    }

    /// A full disk can have room again at the next time; only at the end it is a failure.
    async fn keep(&mut self) {
        let contacts = self.node.observe(|node| node.contacts().count()).await.unwrap_or(0);
        if let Some(store) = self.store
            && let Err(failed) = store.keep(self.node, contacts).await
        {
            say(failed.sentence);
        }
    }

    /// Nobody has shut the node down: it is gone because it panicked.
    fn panicked(&self) -> Failed {
        let journal = match &self.recorded {
            Some(recorded) => format!("the journal {} holds the run up to there", recorded.name.display()),
            None => "--journal FILE records a run, so that it can be found".into(),
        };
        format!("the node has ended by a panic, which is a fault of honeyguide: {journal}").into()
    }

    /// A bootstrap that was answered is told at once, and at the end of the first round every link was told of.
    async fn take(&mut self, step: Option<Step>) -> Result<(), Failed> {
        match step {
            Some(Step::Word(word)) => say(word),
            Some(Step::Fault(fault)) => say(format_args!("{fault}; it is asked for again")),
            Some(Step::FaultOfList(fault)) => say_step(fault),
            Some(Step::Asked { link, outcome }) => {
                let outcome = outcome?;
                self.links[link].outcome = Some(outcome);
                if outcome.answered > 0 {
                    self.tell(link).await?;
                }
            }
            None => {
                for link in 0..self.links.len() {
                    if self.links[link].contacts.is_none() {
                        self.tell(link).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// What is known of a link that has joined, or that has not.
    async fn tell(&mut self, link: usize) -> Result<(), Failed> {
        let (contacts, knows_somebody) = (contacts(self.node, link).await, self.knows_somebody());
        let news = &mut self.links[link];
        if news.contacts.is_some_and(|before| before > 0) {
            return Ok(());
        }
        news.contacts = Some(contacts);
        let how = match &news.outcome {
            Some(outcome) => outcome_text(outcome),
            None if knows_somebody => "those that it knew in the run before are asked".into(),
            None if self.start.is_alone() => "nobody to join through was named".into(),
            None => "nobody of its family was asked".into(),
        };
        let text = match contacts {
            0 if self.start.is_alone() && !knows_somebody => {
                format!("link {link} has no contacts yet and waits ({how})")
            }
            0 => format!("link {link} has no contacts yet and goes on trying ({how})"),
            n if news.outcome.as_ref().is_some_and(|outcome| outcome.answered == 0) => {
                format!(
                    "link {link} has {}, and whom it was to join through did not answer ({how})",
                    count(n, "contact")
                )
            }
            n => format!("link {link} joined with {} ({how})", count(n, "contact")),
        };
        let outcome = news.outcome.as_ref().map(outcome_json);
        self.out.line_aside(text, json!({ "link": link, "contacts": contacts, "outcome": outcome })).await
    }

    /// Whether its state file named anybody.
    fn knows_somebody(&self) -> bool {
        self.store.as_ref().is_some_and(Store::knows_somebody)
    }

    /// Looks at the links now and then; whether another round has begun.
    async fn look(&mut self) -> Result<bool, Failed> {
        let mut all = 0;
        for link in 0..self.links.len() {
            let contacts = contacts(self.node, link).await;
            all += contacts;
            if contacts > 0 && self.links[link].contacts == Some(0) {
                self.links[link].contacts = Some(contacts);
                let text = format!("link {link} is no longer alone: {}", count(contacts, "contact"));
                let object = json!({ "link": link, "contacts": contacts, "outcome": null });
                self.out.line_aside(text, object).await?;
            }
        }
        let is_due = self.renewal.is_due(Instant::now(), all) && !self.start.is_alone();
        if is_due {
            self.joining.begin();
        }
        Ok(is_due)
    }

    /// Time that passes without a contact is no success, when somebody was to be joined.
    async fn end(&self, why: Ending) -> Result<(), Failed> {
        let mut all = 0;
        for link in 0..self.links.len() {
            all += contacts(self.node, link).await;
        }
        match why {
            Ending::TimeUp(limit) if all == 0 && self.start.is_alone() && self.knows_somebody() => {
                let limit = limit.as_secs_f64();
                Err(format!(
                    "no contact after {limit} s: nobody of the state file answered; name others by --bootstrap"
                )
                .into())
            }
            Ending::TimeUp(limit) if all == 0 && !self.start.is_alone() => {
                let refused = self.start.refused().map(|refused| refused.sentence);
                let refused = refused.unwrap_or_else(|| self.joining.why());
                Err(format!("no contact after {} s: {refused}", limit.as_secs_f64()).into())
            }
            _ => Ok(()),
        }
    }
}

async fn contacts(node: &Handle, link: usize) -> usize {
    let is_of_link = move |at: LinkId| usize::from(at.0) == link;
    node.observe(move |node| node.contacts().filter(|(at, _)| is_of_link(*at)).count()).await.unwrap_or(0)
}

async fn print(out: Out, notice: Notice) -> Result<(), Failed> {
    let (text, object) = match notice {
        Notice::ExternalAddr { link: LinkId(link), addr } => {
            (format!("link {link} is seen at {addr}"), json!({ "link": link, "external": addr.to_string() }))
        }
        Notice::IdChanged { link: LinkId(link), id } => {
            (format!("link {link} has the new id {id}"), json!({ "link": link, "id": id.to_string() }))
        }
        Notice::LinkTrouble { link: LinkId(link), error } => (
            format!("link {link} cannot receive and is tried again: {error}"),
            json!({ "link": link, "trouble": error.to_string() }),
        ),
        Notice::LinkRecovered { link: LinkId(link) } => {
            (format!("link {link} receives again"), json!({ "link": link, "trouble": null }))
        }
        Notice::SendTrouble { link: LinkId(link), to, error, failures } => {
            let (why, times) = (unsent::why(to, error), count(failures, "datagram"));
            (
                format!("link {link} cannot send to {to}: {why} ({times} since the last word of it)"),
                json!({ "link": link, "unsent": error.to_string(), "to": to.to_string(), "failures": failures }),
            )
        }
        _ => return Ok(()),
    };
    out.line_aside(text, object).await
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
    use honeyguide::adapters::tokio::spawn_recorded;
    use honeyguide::dht::TraceSink;

    /// Rule J18.
    #[tokio::test]
    async fn a_node_that_panics_is_no_daemon_that_goes_on() {
        for is_recorded in [false, true] {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            let addr = socket.local_addr().unwrap();
            let (node, recording) =
                spawn_recorded(Config::tiny().local(), [1; 32], vec![socket], std::io::sink()).unwrap();
            node.set_sink(TraceSink::Boxed(Box::new(|_, event| panic!("{event:?}, on purpose"))));
            let recorded = Recorded { name: "run.journal".into(), running: recording };
            let (mut recorded, mut store) = (is_recorded.then_some(recorded), None);
            let start = Start::alone(Network::Local);
            let daemon = Daemon::new(Out { json: true }, &node, &start, &mut store, &mut recorded);
            node.stats().await.unwrap();
            UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"x", addr).unwrap();
            let mut never = std::pin::pin!(std::future::pending());
            let failed = daemon.run(never.as_mut()).await.unwrap_err();
            assert!(failed.sentence.contains("ended by a panic"), "{failed:?}");
            assert_eq!(failed.sentence.contains("run.journal"), is_recorded, "{failed:?}");
        }
    }
}
