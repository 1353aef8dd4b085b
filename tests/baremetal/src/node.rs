//! The whole node in lent memory: it boots, joins, answers, publishes and looks up.

use core::fmt::Write;
use core::mem::MaybeUninit;
use core::time::Duration;

use honeyguide::Config;
use honeyguide::Instant;
use honeyguide::dht::journal::OutputHash;
use honeyguide::dht::{Buffer, Freshness, LinkId, Part, Reason};
use honeyguide::krpc;
use honeyguide::krpc::{Decoded, Item, Method, Response, Want};
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
    place.write(Node::new(Config::tiny(), [5; 32], storage).expect("the stock configuration is sound"))
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
        buffer: [0; 1500],
        tag: 0,
    })
}

fn tell(out: &mut dyn Write, run: &mut Run<'_, '_>) {
    run.join();
    run.report(out, "join");
    run.answer();
    run.report(out, "answer");
    run.get();
    run.report(out, "get");
    run.put();
    run.report(out, "put");
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
        assert_eq!(outcome.reason, Reason::Converged, "{outcome:?}");
        self.run_for(Duration::from_secs(60));
        let contacts = self.node.contacts().count();
        assert!(contacts >= 8, "only {contacts} contacts");
        assert_eq!(self.node.external_addr(LINK), Some(NODE), "nobody said where we are");
    }

    /// Strangers' queries get their answers, and a stranger's item is kept.
    fn answer(&mut self) {
        let target = Id([7; 20]);
        self.ask(1, Method::Ping, |response| assert!(response.nodes.is_none()));
        self.ask(2, Method::FindNode { target, want: Want::default() }, |response| {
            assert_eq!(response.nodes.map(<[u8]>::len), Some(8 * 26));
        });
        let item = Item { value: b"5:guest", mutable: None };
        let get = Method::Get { target: item.target(), seq: None, want: Want::default() };
        let mut token = [0; 8];
        self.ask(4, get, |response| token.copy_from_slice(response.token.expect("a token")));
        self.ask(4, Method::Put { token: &token, item, cas: None, target: None }, |_| {});
        assert_eq!(self.node.items_held(), 1);
        self.ask(5, get, |response| assert_eq!(response.value, Some(item.value)));
    }

    /// Finds the newest version of an item that somebody else signed; one peer forges it.
    fn get(&mut self) {
        let (key, salt) = (self.network.held[0].key, self.network.held[0].salt);
        let get = Command::GetMutable { key: &key, salt, newer_than: None, freshness: Freshness::Newest };
        let outcome = self.operate(get);
        assert_eq!(self.value.take(), Some(1), "{outcome:?}");
        assert!(outcome.answered >= 8, "{outcome:?}");
    }

    /// Signs an item of our own, stores it, and reads it back.
    fn put(&mut self) {
        let Held { key, salt, seq, value, .. } = self.network.held[1];
        let item = Item::mutable(&SECRET, value).salt(salt).seq(seq).sign().expect("salt and value are short");
        let signature = item.mutable().signature;
        let put = Command::PutMutable { value, key: &key, salt, seq, signature, cas: None };
        let outcome = self.operate(put);
        assert!(outcome.stored.all >= 8, "{outcome:?}");
        self.operate(Command::GetMutable { key: &key, salt, newer_than: None, freshness: Freshness::First });
        assert_eq!(self.value.take(), Some(seq));
    }

    /// Three hours of upkeep: contacts are checked, buckets refreshed, and what strangers put expires.
    fn keep(&mut self) {
        self.run_for(Duration::from_secs(3 * 3600));
        assert_eq!(self.node.items_held(), 0, "an item outlived its time");
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
        self.node.command(self.now, self.tag, command).expect("the command is sound");
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

    /// A query of a peer; the node's response to it is looked at.
    fn ask(&mut self, peer: usize, method: Method<'_>, look: impl FnOnce(&Response<'_>)) {
        let length = self.network.query(peer, method, &mut self.buffer);
        let from = address(peer);
        self.datagram(from, length);
        let mut look = Some(look);
        loop {
            let output = self.node.poll_output(&mut self.buffer);
            self.trace.add(&output);
            match output {
                Output::Transmit { to, payload, .. } => match krpc::decode(payload) {
                    Ok(Decoded::Response(response)) => {
                        assert_eq!((to, response.tid), (from, &b"peer"[..]));
                        look.take().expect("one query, one answer")(&response);
                    }
                    Ok(Decoded::Error(error)) => panic!("refused: {error:?}"),
                    _ => self.network.receive(self.now, to, payload),
                },
                Output::Event(_) => {}
                Output::Timeout(deadline) => {
                    self.deadline = deadline;
                    break;
                }
            }
        }
        assert!(look.is_none(), "no answer");
    }
}
