//! The main job, on real sockets: what one node signs and stores, a stranger finds with the public key alone.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use honeyguide::Id;
use honeyguide::Outcome;
use honeyguide::adapters::testnet::Testnet;
use honeyguide::adapters::{Found, Handle};
use honeyguide::base::Rng;
use honeyguide::dht::Network;
use honeyguide::dht::{Freshness, PeerKind};
use honeyguide::krpc::{Item, Mutable, SignedItem};
use serde_json::json;

use crate::bencoded;
use crate::client;
use crate::count::count;
use crate::demo_keeper::{self, Confirmed};
use crate::failed::Failed;
use crate::joining_options::{Joins, NetworkName};
use crate::options::Options;
use crate::print::{Out, Volume, is_said, millis, outcome_text};
use crate::start::Start;
use crate::testnet;
use crate::under_way::UnderWay;

/// Tells relay lists from other items of the same key.
const SALT: &[u8] = b"relays";

/// Publish, resolve, update and keep a signed relay list, and find a peer, on a network of real nodes
#[derive(clap::Args)]
pub struct Args {
    /// Nodes of the embedded network; with --bootstrap there is none
    #[arg(long, default_value_t = 64, value_parser = testnet::nodes(), conflicts_with = "bootstrap")]
    nodes: u32,
    /// Stop every node that holds the list before it is resolved: the demo then has to fail
    #[arg(long, hide = true)]
    stop_holders: bool,
    #[command(flatten)]
    joins: Joins,
}

pub async fn run(options: &Options, args: Args) -> Result<(), Failed> {
    if args.joins.bootstrap.is_empty() && args.joins.rules.network == Some(NetworkName::Public) {
        return Err(Failed::usage("the embedded network is a local one: name another with --bootstrap"));
    }
    let (out, begin, mut rng) = (options.out(), Instant::now(), args.joins.random.rng()?);
    out.text_only("step          time  queries  acks  hops  what was done")?;
    let demo = Demo::start(options, &args, begin, &mut rng).await?;
    let (first, second) = (relay_list(&mut rng), relay_list(&mut rng));

    let mut step = Step::default();
    let published = demo.publish(&mut step, &first, 1, None).await;
    step.report(out, "publish", published, |_| format!("the author signed {}", count(first.len(), "relay")))?;

    if args.stop_holders {
        demo.stop_holders().await;
    }
    let mut step = Step::default();
    let resolved = demo.resolve(&mut step, &first, 1).await;
    step.report(out, "resolve", resolved, |_| format!("the stranger found {}", first.join(" ")))?;

    let mut step = Step::default();
    let updated = demo.update(&mut step, &second).await;
    let list = step.report(out, "update", updated, |_| format!("the stranger now finds {}", second.join(" ")))?;

    let mut step = Step::default();
    let met = demo.meet(&mut step, Id::random(&mut rng), 1 + rng.below(65_535) as u16).await;
    step.report(out, "peers", met, |peer| format!("the stranger found the author's peer {peer}"))?;

    let mut step = Step::default();
    let kept = demo.keep(&mut step, &list).await;
    step.report(out, "keep", kept, |copies| {
        format!("the stranger, without the secret, keeps the list: {}", count(*copies, "copy"))
    })?;

    demo.stop().await;
    out.line(format_args!("done     {:6.1} ms", millis(begin.elapsed())), json!({ "step": "done", "ok": true }))?;
    if is_said(Volume::Normal) { out.text_only(next_steps()) } else { Ok(()) }
}

/// Who takes part.
struct Demo {
    testnet: Option<Testnet>,
    author: Handle,
    /// Knows the public key and nothing else.
    stranger: Handle,
    secret_key: [u8; 32],
    under_way: Arc<UnderWay>,
}

impl Demo {
    async fn start(options: &Options, args: &Args, begin: Instant, rng: &mut Rng) -> Result<Demo, Failed> {
        let progress = options.progress("starting the nodes");
        let (testnet, start) = if args.joins.bootstrap.is_empty() {
            let testnet = testnet::start(args.nodes, 0, rng.bytes()).await?;
            let start = Start::at(testnet.bootstrap(), Network::Local);
            (Some(testnet), start)
        } else {
            (None, Start::of(&args.joins)?)
        };
        let author = client::node(options, &start, rng.bytes())?;
        let stranger = client::keeper(options, &start, rng.bytes())?;
        progress.finish_and_clear();

        let mut step = Step::default();
        let joined = join(options, &mut step, &[&author, &stranger], &start).await;
        // Starting the network is more than the two operations at its end.
        step.elapsed = begin.elapsed();
        let done = match &testnet {
            Some(testnet) => {
                let nodes = count(testnet.nodes().len(), "node");
                format!("{nodes} on loopback; an author and a stranger joined")
            }
            None => "an author and a stranger joined".into(),
        };
        step.report(options.out(), "start", joined, |_| done)?;
        Ok(Demo { testnet, author, stranger, secret_key: rng.bytes(), under_way: options.under_way.clone() })
    }

    async fn publish(&self, step: &mut Step, relays: &[String], seq: i64, cas: Option<i64>) -> Result<(), Failed> {
        let value = bendy::serde::to_bytes(relays).map_err(|error| error.to_string())?;
        let item = Item::mutable(&self.secret_key, &value).salt(SALT).seq(seq).sign();
        let item = item.map_err(|error| error.to_string())?;
        let put = self.under_way.wait(self.author.put_mutable(&item, cas)).await?;
        step.count(&put.outcome, put.outcome.stored.all);
        Ok(())
    }

    /// The stranger has to find these relays, in this version.
    async fn resolve(&self, step: &mut Step, relays: &[String], seq: i64) -> Result<Found, Failed> {
        let key = SignedItem::public_key(&self.secret_key);
        let got = self.stranger.get_mutable(&key, SALT, None, Freshness::Newest);
        let got = self.under_way.wait(got).await?;
        step.count(&got.outcome, got.outcome.answered);
        let none = || Failed::from(format!("no node returned the list ({})", outcome_text(&got.outcome)));
        let none = || none().with(&got.outcome);
        let found = got.results.last().cloned().ok_or_else(none)?;
        match found.mutable.as_ref().map(|signed| signed.seq) {
            Some(found) if found == seq => {}
            other => return Err(format!("version {other:?} was found instead of {seq}").into()),
        }
        let list: Vec<String> = bencoded::read(&found.value).ok_or("what was found is no list of relays")?;
        if list == relays { Ok(found) } else { Err("the list that was found is not the one that was published".into()) }
    }

    async fn update(&self, step: &mut Step, relays: &[String]) -> Result<Found, Failed> {
        self.publish(step, relays, 2, Some(1)).await?;
        self.resolve(step, relays, 2).await
    }

    async fn meet(&self, step: &mut Step, info_hash: Id, port: u16) -> Result<SocketAddr, Failed> {
        let announced = self.author.announce(info_hash, Some(port), PeerKind::Downloader);
        let announced = self.under_way.wait(announced).await?;
        step.count(&announced.outcome, announced.outcome.stored.all);
        let found = self.under_way.wait(self.stranger.get_peers(info_hash)).await?;
        step.count(&found.outcome, found.outcome.answered);
        let mut peers = found.results.iter().flat_map(|list| list.peers.iter());
        let none = || Failed::from(format!("the announced peer was not found ({})", outcome_text(&found.outcome)));
        let none = || none().with(&found.outcome);
        peers.find(|peer| peer.port() == port).copied().ok_or_else(none)
    }

    async fn keep(&self, step: &mut Step, list: &Found) -> Result<u8, Failed> {
        let signed = list.mutable.as_ref().ok_or("what was found is not signed")?;
        let mutable = Mutable { key: &signed.key, salt: &signed.salt, seq: signed.seq, signature: &signed.signature };
        let item = Item { value: &list.value, mutable: Some(mutable) };
        let Confirmed { copies, queries, elapsed } = demo_keeper::keep(&self.stranger, item).await?;
        step.elapsed += elapsed;
        step.queries += u32::try_from(queries).unwrap_or(u32::MAX);
        step.acks += u32::from(copies);
        Ok(copies)
    }

    async fn stop_holders(&self) {
        for node in self.testnet.iter().flat_map(Testnet::nodes) {
            if node.items_held().await.is_some_and(|items| items > 0) {
                node.shutdown().await;
            }
        }
    }

    async fn stop(self) {
        self.author.shutdown().await;
        self.stranger.shutdown().await;
        if let Some(testnet) = self.testnet {
            testnet.stop().await;
        }
    }
}

/// What the operations of one step cost.
#[derive(Default)]
struct Step {
    elapsed: Duration,
    queries: u32,
    acks: u32,
    hops: u8,
}

impl Step {
    fn count(&mut self, outcome: &Outcome, acks: u16) {
        self.elapsed += outcome.elapsed;
        self.queries += u32::from(outcome.queried);
        self.acks += u32::from(acks);
        self.hops = self.hops.max(outcome.hops);
    }

    /// Prints it, with a sentence about what came of it.
    fn report<T>(
        &self,
        out: Out,
        name: &str,
        result: Result<T, Failed>,
        done: impl FnOnce(&T) -> String,
    ) -> Result<T, Failed> {
        let Step { queries, acks, hops, .. } = self;
        let (ms, ok) = (millis(self.elapsed), result.is_ok());
        let text = result.as_ref().map_or("failed".into(), done);
        out.line(
            format_args!("{name:8} {ms:6.1} ms  {queries:7}  {acks:4}  {hops:4}  {text}"),
            json!({ "step": name, "ok": ok, "ms": ms, "queries": queries, "acks": acks, "hops": hops }),
        )?;
        result.map_err(|why| Failed { sentence: format!("the step \"{name}\" failed: {}", why.sentence), ..why })
    }
}

async fn join(options: &Options, step: &mut Step, nodes: &[&Handle], start: &Start) -> Result<(), Failed> {
    for node in nodes {
        let outcome = client::join(options, node, start).await?;
        step.count(&outcome, outcome.answered);
    }
    Ok(())
}

/// Three relays that nobody has seen before.
fn relay_list(rng: &mut Rng) -> Vec<String> {
    (0..3).map(|_| format!("wss://relay-{:08x}.example/", rng.next_u32())).collect()
}

/// Commands that can be copied: this program as it was called, and a network of one's own.
fn next_steps() -> String {
    let program = std::env::args().next().unwrap_or("honeyguide".into());
    let target = Item::immutable_target(b"5:hello");
    format!(
        "\nTry next, with a network of your own:\n  \
         {program} testnet --port 6881 &\n  \
         sleep 1\n  \
         {program} put hello --bootstrap 127.0.0.1:6881\n  \
         {program} get {target} --bootstrap 127.0.0.1:6881\n\
         A signed item, which you alone can change:\n  \
         {program} keygen secret.key\n  \
         {program} put --secret secret.key --salt relays \"wss://relay.example/\" --bootstrap 127.0.0.1:6881\n\
         `{program} --help` lists the rest."
    )
}
