//! The main job, on real sockets: what one node signs and stores, a stranger finds with the public key alone.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bendy::decoding::FromBencode;
use bendy::encoding::ToBencode;
use bytes::Bytes;
use honeyguide::adapters::handle::Handle;
use honeyguide::adapters::results::{Found, Signed};
use honeyguide::adapters::testnet::Testnet;
use honeyguide::base::rng::Rng;
use honeyguide::dht::command::Freshness;
use honeyguide::dht::config::Network;
use honeyguide::dht::event::Outcome;
use honeyguide::krpc::id::Id;
use honeyguide::krpc::item;
use serde_json::json;

use crate::client::{self, Start};
use crate::failed::Failed;
use crate::options::Options;
use crate::print::{Out, millis, outcome_text};
use crate::testnet;

/// Tells relay lists from other items of the same key.
const SALT: &[u8] = b"relays";

/// Publish, resolve and update a signed relay list, and find a peer, on a network of real nodes
#[derive(clap::Args)]
pub struct Args {
    /// Nodes of the embedded network; with --bootstrap there is none
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    nodes: u32,
    /// Stop every node that holds the list before it is resolved: the demo then has to fail
    #[arg(long, hide = true)]
    stop_holders: bool,
}

pub async fn run(options: &Options, args: Args) -> Result<(), Failed> {
    let out = options.out();
    let mut rng = options.rng()?;
    let begin = Instant::now();
    let progress = options.progress("starting the nodes");
    let (testnet, start) = if options.bootstrap.is_empty() {
        let testnet = testnet::start(args.nodes, 0, rng.bytes()).await?;
        let start = Start { routers: vec![testnet.bootstrap()], network: Network::Local };
        (Some(testnet), start)
    } else {
        (None, client::start(options).await?)
    };
    let author = client::node(options, &start, rng.bytes())?;
    let stranger = client::node(options, &start, rng.bytes())?;
    progress.finish_and_clear();

    let mut step = Step::default();
    let joined = join(&mut step, &[&author, &stranger], &start.routers).await;
    // Starting the network is more than the two operations at its end.
    step.elapsed = begin.elapsed();
    step.report(
        out,
        "start",
        joined.map(|()| match &testnet {
            Some(testnet) => format!("{} nodes on loopback; an author and a stranger joined", testnet.nodes().len()),
            None => "an author and a stranger joined".into(),
        }),
    )?;

    let secret: [u8; 32] = rng.bytes();
    let first = relay_list(&mut rng);
    let mut step = Step::default();
    let published = publish(&mut step, &author, &secret, &first, 1, None).await;
    step.report(out, "publish", published.map(|()| format!("the author signed {} relays", first.len())))?;

    if let (true, Some(testnet)) = (args.stop_holders, &testnet) {
        stop_holders(testnet).await;
    }
    // From here on the stranger uses the public key and nothing else.
    let key = item::public_key(&secret);
    let mut step = Step::default();
    let resolved = resolve(&mut step, &stranger, key, 1).await.and_then(|relays| same(relays, &first));
    step.report(out, "resolve", resolved.map(|relays| format!("the stranger found {}", relays.join(" "))))?;

    let second = relay_list(&mut rng);
    let mut step = Step::default();
    let updated = async {
        publish(&mut step, &author, &secret, &second, 2, Some(1)).await?;
        same(resolve(&mut step, &stranger, key, 2).await?, &second)
    };
    let updated = updated.await;
    step.report(out, "update", updated.map(|relays| format!("the stranger now finds {}", relays.join(" "))))?;

    let mut step = Step::default();
    let met = meet(&mut step, &author, &stranger, Id::random(&mut rng), 1 + rng.below(65_535) as u16).await;
    step.report(out, "peers", met.map(|peer| format!("the stranger found the author's peer {peer}")))?;

    author.shutdown().await;
    stranger.shutdown().await;
    if let Some(testnet) = testnet {
        testnet.stop().await;
    }
    let took = millis(begin.elapsed());
    out.line(format_args!("done     {took:8.1} ms"), json!({ "step": "done", "ok": true }))
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

    fn report(&self, out: Out, name: &str, result: Result<String, String>) -> Result<(), Failed> {
        let Step { queries, acks, hops, .. } = self;
        let ms = millis(self.elapsed);
        let text = result.as_deref().unwrap_or("failed");
        out.line(
            format_args!("{name:8} {ms:8.1} ms  {queries:3} queries  {acks:3} acks  {hops} hops  {text}"),
            json!({
                "step": name,
                "ok": result.is_ok(),
                "ms": ms,
                "queries": queries,
                "acks": acks,
                "hops": hops,
            }),
        )?;
        result.map(drop).map_err(|why| format!("the step \"{name}\" failed: {why}").into())
    }
}

async fn join(step: &mut Step, nodes: &[&Handle], routers: &[SocketAddr]) -> Result<(), String> {
    for node in nodes {
        let outcome = node.bootstrap(routers).await.map_err(|failure| failure.to_string())?.outcome;
        step.count(&outcome, outcome.answered);
        if outcome.answered == 0 {
            return Err(client::no_answer(routers));
        }
    }
    Ok(())
}

async fn publish(
    step: &mut Step,
    author: &Handle,
    secret: &[u8; 32],
    relays: &[String],
    seq: i64,
    cas: Option<i64>,
) -> Result<(), String> {
    let value = relays.to_vec().to_bencode().map_err(|error| error.to_string())?;
    let signature = item::sign(secret, SALT, seq, &value).ok_or("the list is too long")?;
    let signed = Signed { key: item::public_key(secret), salt: Bytes::from_static(SALT), seq, signature };
    let put = author.put_mutable(value.into(), signed, cas).await.map_err(|failure| failure.to_string())?;
    step.count(&put.outcome, put.outcome.stored);
    if put.outcome.stored == 0 {
        return Err(format!("no node stored the list ({})", outcome_text(&put.outcome)));
    }
    Ok(())
}

async fn resolve(step: &mut Step, stranger: &Handle, key: [u8; 32], seq: i64) -> Result<Vec<String>, String> {
    let got = stranger.get_mutable(key, SALT, None, Freshness::Newest).await.map_err(|failure| failure.to_string())?;
    step.count(&got.outcome, got.outcome.answered);
    let none = || format!("no node returned the list ({})", outcome_text(&got.outcome));
    let found: &Found = got.results.last().ok_or_else(none)?;
    match found.mutable.as_ref().map(|signed| signed.seq) {
        Some(found) if found == seq => {}
        other => return Err(format!("version {other:?} was found instead of {seq}")),
    }
    Vec::<String>::from_bencode(&found.value).map_err(|error| format!("the list cannot be read: {error}"))
}

fn same(found: Vec<String>, published: &[String]) -> Result<Vec<String>, String> {
    if found == published { Ok(found) } else { Err("the list that was found is not the one that was published".into()) }
}

async fn meet(
    step: &mut Step,
    author: &Handle,
    stranger: &Handle,
    info_hash: Id,
    port: u16,
) -> Result<SocketAddr, String> {
    let announced = author.announce(info_hash, Some(port), false).await.map_err(|failure| failure.to_string())?;
    step.count(&announced.outcome, announced.outcome.stored);
    let found = stranger.get_peers(info_hash).await.map_err(|failure| failure.to_string())?;
    step.count(&found.outcome, found.outcome.answered);
    let mut peers = found.results.iter().flat_map(|list| list.peers.iter());
    let none = || format!("the announced peer was not found ({})", outcome_text(&found.outcome));
    peers.find(|peer| peer.port() == port).copied().ok_or_else(none)
}

async fn stop_holders(testnet: &Testnet) {
    for node in testnet.nodes() {
        if node.observe(|node| node.held().0 > 0).await == Some(true) {
            node.shutdown().await;
        }
    }
}

/// Three relays that nobody has seen before.
fn relay_list(rng: &mut Rng) -> Vec<String> {
    (0..3).map(|_| format!("wss://relay-{:08x}.example/", rng.next_u32())).collect()
}
