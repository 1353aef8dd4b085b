//! The whole node in lent memory: it boots, joins, answers, publishes and looks up.

use core::fmt::Write;
use core::mem::MaybeUninit;
use core::time::Duration;

use honeyguide::Config;
use honeyguide::Instant;
use honeyguide::dht::journal::OutputHash;
use honeyguide::dht::{Buffer, Freshness, LinkId, Part, PeerKind, Reason};
use honeyguide::krpc;
use honeyguide::krpc::{Decoded, Item, Method, Mutable, Response, Want};
use honeyguide::{Command, Event, Input, Node, Outcome, Output, Storage};
use honeyguide::{Endpoint, Id};

use crate::network::{Held, NODE, Network, address};

/// The memory that `Config::tiny()` speaks of.
type Memory = honeyguide::storage!(type {});

const LINK: LinkId = LinkId(0);
/// The seed of our own signing key.
const SECRET: [u8; 32] = [42; 32];

/// Node, network and clock.
struct Run<'n, 's> {
    node: &'n mut Node<'s>,
    network: Network,
    now: Instant,
    deadline: Option<Instant>,
    trace: OutputHash,
    finished: Option<(u64, Outcome)>,
    /// The sequence number of the last item that came as an event.
    value: Option<i64>,
    /// The last peer that came as an event, and how many seeds and other peers were counted.
    peer: Option<Endpoint>,
    swarm: Option<(u32, u32)>,
    /// What was received, then what is sent: an input is over before the drain begins, so one buffer serves both.
    buffer: Buffer,
    tag: u64,
}

// Everything that lasts is static: the memory of zeros takes no flash, and what the making of the others needs of the
// stack is given back before the run begins.
static mut MEMORY: Memory = Memory::new();
static mut PARTICIPANT: MaybeUninit<Node<'static>> = MaybeUninit::uninit();
static mut RUN: MaybeUninit<Run<'static, 'static>> = MaybeUninit::uninit();

/// A run of a node; `vector` is the published item that somebody else put. To be called once.
pub fn run(out: &mut dyn Write, vector: &Held) {
    // SAFETY: one thread, one call.
    let (memory, node, run) = unsafe {
        let (memory, node, run) = (&raw mut MEMORY, &raw mut PARTICIPANT, &raw mut RUN);
        (&mut *memory, &mut *node, &mut *run)
    };
    let storage = memory.lend();
    list(out, &storage);
    let node = make(node, storage);
    tell(out, prepare(run, node, vector));
}

/// Says what the lent memory consists of.
#[inline(never)]
fn list(out: &mut dyn Write, storage: &Storage<'_>) {
    for Part { name, size, count, .. } in storage.parts() {
        writeln!(out, "lent: {name}: {count} x {size} = {} bytes", size * count).expect("the console takes everything");
    }
}

#[inline(never)]
fn make<'n, 's>(place: &'n mut MaybeUninit<Node<'s>>, storage: Storage<'s>) -> &'n mut Node<'s> {
    let Ok(node) = Node::new(Config::tiny(), [5; 32], storage) else { panic!("the stock configuration is sound") };
    place.write(node)
}

#[inline(never)]
fn prepare<'r, 'n, 's>(
    place: &'r mut MaybeUninit<Run<'n, 's>>,
    node: &'n mut Node<'s>,
    vector: &Held,
) -> &'r mut Run<'n, 's> {
    let ours = Held {
        key: krpc::SignedItem::public_key(&SECRET),
        salt: b"relays",
        seq: 1,
        signature: [0; 64],
        value: b"11:wss://relay",
        at: 0,
    };
    place.write(Run {
        node,
        network: Network::new([*vector, ours]),
        now: Instant::ZERO,
        deadline: None,
        trace: OutputHash::default(),
        finished: None,
        value: None,
        peer: None,
        swarm: None,
        buffer: [0; 1500],
        tag: 0,
    })
}

fn tell(out: &mut dyn Write, run: &mut Run<'_, '_>) {
    run.join();
    run.report(out, "join");
    run.answer();
    run.report(out, "answer");
    run.serve_swarm();
    run.report(out, "serve a swarm");
    run.serve_signed();
    run.report(out, "serve a signed item");
    run.get();
    run.report(out, "get");
    run.put();
    run.report(out, "put");
    run.announce();
    run.report(out, "announce");
    run.keep();
    run.report(out, "keep");
    let (memory, node, run) = (size_of::<Memory>(), size_of::<Node<'_>>(), size_of::<Run<'_, '_>>());
    writeln!(out, "lent memory {memory} bytes, node {node} bytes, scripted network and buffer {run} bytes")
        .expect("the console takes everything");
}

impl Run<'_, '_> {
    fn report(&self, out: &mut dyn Write, what: &str) {
        writeln!(out, "ok node {what} {:032x}", self.trace.finish()).expect("the console takes everything");
    }

    /// Bootstraps from one peer.
    fn join(&mut self) {
        let outcome = self.operate(Command::Bootstrap { nodes: &[address(0)] });
        assert!(outcome.reason == Reason::Converged, "nobody answered");
        self.run_for(Duration::from_secs(60));
        let contacts = self.node.contacts().count();
        assert!(contacts >= 8, "only {contacts} contacts");
        assert!(self.node.external_addr(LINK) == Some(NODE), "nobody said where we are");
    }

    /// Strangers' queries get their answers, and a stranger's item is kept.
    fn answer(&mut self) {
        let target = Id([7; 20]);
        self.ask(1, Method::Ping, &mut |response| assert!(response.nodes.is_none()));
        self.ask(2, Method::FindNode { target, want: Want::default() }, &mut |response| {
            assert!(response.nodes.is_some_and(|nodes| nodes.len() == 8 * 26));
        });
        let item = Item { value: b"5:guest", mutable: None };
        let get = Method::Get { target: item.target(), seq: None, want: Want::default() };
        let token = self.token(4, get);
        self.ask(4, Method::Put { token: &token, item, cas: None, target: None }, &mut |_| {});
        assert!(self.node.items_held() == 1);
        self.ask(5, get, &mut |response| assert!(response.value == Some(item.value)));
    }

    /// A seed and a downloader announce themselves at the node, which hands them out and counts them.
    #[inline(never)]
    fn serve_swarm(&mut self) {
        let info_hash = Id([9; 20]);
        let get = |scrape| Method::GetPeers { info_hash, want: Want::default(), noseed: false, scrape };
        for (peer, implied_port) in [(6, true), (7, false)] {
            let token = &self.token(peer, get(false));
            let (port, seed) = (1000, !implied_port);
            let announce = Method::AnnouncePeer { info_hash, port, implied_port, seed, token };
            self.ask(peer, announce, &mut |_| {});
            let stolen = Method::AnnouncePeer { info_hash, port, implied_port, seed, token: &token[1..] };
            assert!(self.query(peer, stolen, &mut |_| {}) == Err(203), "a token that is not ours");
        }
        assert!(self.node.peers_held() == 2);
        self.ask(8, get(false), &mut |response| {
            let peers = [address(6), Endpoint::v4([57, 20, 30, 40], 1000)];
            assert!(peers.iter().all(|&peer| response.values.peers().any(|found| found == peer)));
            assert!(response.values.peers().count() == 2);
        });
        self.ask(8, get(true), &mut |response| {
            for filter in [response.seeds, response.peers] {
                let bits: u32 = filter.expect("a filter").iter().map(|byte| byte.count_ones()).sum();
                assert!((1..=2).contains(&bits), "one address in each filter");
            }
        });
    }

    /// A stranger's signed item is kept, a newer version takes its place, and what is forged or old is refused.
    #[inline(never)]
    fn serve_signed(&mut self) {
        let (secret_key, salt) = ([43; 32], b"guest");
        let target = Item::mutable_target(&krpc::SignedItem::public_key(&secret_key), salt);
        let get = Method::Get { target, seq: None, want: Want::default() };
        let token = self.token(9, get);
        for (seq, forged, answer) in [(1, 0, Ok(())), (2, 1, Err(206)), (2, 0, Ok(())), (1, 0, Err(302))] {
            let Ok(signed) = Item::mutable(&secret_key, b"3:new").salt(salt).seq(seq).sign() else {
                panic!("too long")
            };
            let mut signature = *signed.mutable().signature;
            signature[9] ^= forged;
            let mutable = Mutable { signature: &signature, ..signed.mutable() };
            let item = Item { value: b"3:new", mutable: Some(mutable) };
            let put = Method::Put { token: &token, item, cas: None, target: None };
            assert!(self.query(9, put, &mut |_| {}) == answer, "seq {seq}");
        }
        self.ask(10, get, &mut |response| {
            assert!((response.seq, response.value) == (Some(2), Some(&b"3:new"[..])));
        });
    }

    /// Finds the newest version of an item that somebody else signed; one peer forges it.
    fn get(&mut self) {
        let (key, salt) = (self.network.held[0].key, self.network.held[0].salt);
        let get = Command::GetMutable { key: &key, salt, newer_than: None, freshness: Freshness::Newest };
        let outcome = self.operate(get);
        assert!(self.value.take() == Some(1), "not found");
        assert!(outcome.answered >= 8, "{} answered", outcome.answered);
    }

    /// Signs an item of our own, stores it, and reads it back.
    fn put(&mut self) {
        let Held { key, salt, seq, value, .. } = self.network.held[1];
        let Ok(item) = Item::mutable(&SECRET, value).salt(salt).seq(seq).sign() else { panic!("too long") };
        let signature = item.mutable().signature;
        let put = Command::PutMutable { value, key: &key, salt, seq, signature, cas: None };
        let outcome = self.operate(put);
        assert!(outcome.stored.all >= 8, "{} have it", outcome.stored.all);
        self.operate(Command::GetMutable { key: &key, salt, newer_than: None, freshness: Freshness::First });
        assert!(self.value.take() == Some(seq));
    }

    /// Announces itself as a seed, finds itself among the peers, and counts the swarm.
    #[inline(never)]
    fn announce(&mut self) {
        let info_hash = Id([11; 20]);
        let announce = Command::Announce { info_hash, port: Some(NODE.port()), kind: PeerKind::Seed };
        assert!(self.operate(announce).stored.all >= 8, "few have the announcement");
        self.operate(Command::GetPeers { info_hash });
        assert!(self.peer == Some(NODE));
        self.operate(Command::Scrape { info_hash });
        assert!(self.swarm == Some((1, 0)));
    }

    /// Three hours of upkeep: contacts are checked, buckets refreshed, and what strangers put expires.
    fn keep(&mut self) {
        self.run_for(Duration::from_secs(3 * 3600));
        assert!(self.node.items_held() == 0, "an item outlived its time");
        assert!(self.node.contacts().count() >= 8);
    }

    // ---- the loop that every embedder has ----

    /// What lies in the buffer came from there.
    fn datagram(&mut self, from: Endpoint, length: usize) {
        let payload = &self.buffer[..length];
        self.node.handle_input(self.now, Input::Datagram { link: LINK, from, payload });
    }

    fn drain(&mut self) {
        loop {
            let output = self.node.poll_output(&mut self.buffer);
            self.trace.add(&output);
            match output {
                Output::Transmit { to, payload, .. } => self.network.receive(self.now, to, payload),
                Output::Event(Event::Finished { tag, outcome, .. }) => self.finished = Some((tag, outcome)),
                Output::Event(Event::Value { item, .. }) => self.value = item.mutable.map(|mutable| mutable.seq),
                Output::Event(Event::Peers { peers, .. }) => self.peer = peers.iter().last(),
                Output::Event(Event::Scrape { seeds, peers, .. }) => self.swarm = Some((seeds, peers)),
                Output::Event(_) => {}
                Output::Timeout(deadline) => {
                    self.deadline = deadline;
                    return;
                }
            }
        }
    }

    /// Goes to the next thing that happens before `end`: a reply, or the node's deadline.
    fn step(&mut self, end: Instant) {
        let next = [self.network.next(), self.deadline].into_iter().flatten().min().unwrap_or(end);
        if next > end {
            self.now = end;
            return;
        }
        self.now = self.now.max(next);
        match self.network.reply(self.now, &mut self.buffer) {
            Some((from, length)) => self.datagram(from, length),
            None => self.node.handle_input(self.now, Input::Timeout),
        }
        self.drain();
    }

    fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.step(end);
        }
    }

    fn operate(&mut self, command: Command<'_>) -> Outcome {
        self.tag += 1;
        assert!(self.node.command(self.now, self.tag, command).is_ok(), "the command is sound");
        self.drain();
        let end = self.now + Duration::from_secs(60);
        while self.now < end {
            if let Some((tag, outcome)) = self.finished.take()
                && tag == self.tag
            {
                return outcome;
            }
            self.step(end);
        }
        panic!("an operation has no end");
    }

    /// A query of a peer that has to be answered; the response is looked at.
    fn ask(&mut self, peer: usize, method: Method<'_>, look: &mut dyn FnMut(&Response<'_>)) {
        assert!(self.query(peer, method, look) == Ok(()), "refused");
    }

    /// The write token that a peer is given with the answer to this query.
    fn token(&mut self, peer: usize, method: Method<'_>) -> [u8; 8] {
        let mut token = [0; 8];
        self.ask(peer, method, &mut |response| token.copy_from_slice(response.token.expect("a token")));
        token
    }

    /// A query of a peer: the node's response to it is looked at, or an error has this code.
    fn query(&mut self, peer: usize, method: Method<'_>, look: &mut dyn FnMut(&Response<'_>)) -> Result<(), i64> {
        let length = self.network.query(peer, method, &mut self.buffer);
        let from = address(peer);
        self.datagram(from, length);
        let mut answer = None;
        loop {
            let output = self.node.poll_output(&mut self.buffer);
            self.trace.add(&output);
            match output {
                Output::Transmit { to, payload, .. } => match krpc::decode(payload) {
                    Ok(Decoded::Response(response)) => {
                        assert!((to, response.tid) == (from, &b"peer"[..]));
                        look(&response);
                        assert!(answer.replace(Ok(())).is_none(), "one query, one answer");
                    }
                    Ok(Decoded::Error(error)) => answer = Some(Err(error.code)),
                    _ => self.network.receive(self.now, to, payload),
                },
                Output::Event(_) => {}
                Output::Timeout(deadline) => {
                    self.deadline = deadline;
                    return answer.expect("no answer");
                }
            }
        }
    }
}
