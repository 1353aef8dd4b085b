//! A journal that can be handed on.
//!
//! Two nodes run side by side: the one that was recorded, and one with other secrets, which is called the same way with
//! other addresses. What the second one needs to do the same is known from what both put out: whoever shows a write
//! token of the first one shows that of the second. What differs all the same is counted.

use std::collections::HashMap;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use honeyguide::adapters::Replayed;
use honeyguide::dht::journal::{Call, OutputHash, Record};
use honeyguide::dht::{Buffer, DirectQuery, Kept, LinkId, SavedContact, Scope};
use honeyguide::krpc::{Decoded, Item, Mutable, decode};
use honeyguide::{Command, Config, Endpoint, Input, Instant, Node, Output};
use serde_json::json;

use crate::addresses::Addresses;
use crate::caught::caught;
use crate::count::count;
use crate::failed::Failed;
use crate::file;
use crate::guarded::{Guarded, NodePanic, Stop};
use crate::journal_file;
use crate::options::{self, Options};
use crate::print::say;
use crate::randomness::Randomness;
use crate::scrubbed_datagram::{Asked, Rewriter};
use crate::simulated_copy;
use crate::worker;

/// What cannot be taken out, or is of use to whoever looks for a fault.
const KEPT: &str = "ids, info-hashes, targets, samples and filters of swarms, keys, values, salts, signatures, \
                    sequence numbers, versions, error codes, transaction ids of answers, tags, times and lengths stay \
                    as they are where the protocol has a place for them";
const TOLD: &str = "an id of BEP 42 tells 20 bits of an IPv4 address and 36 of an IPv6 address, and these stay as well";

/// A value that nobody stores; a part of it is a salt that nobody takes.
static TOO_LONG: [u8; 1006] = [b'x'; 1006];

/// A salt, or one that no node takes either.
fn salted(salt: &[u8]) -> &[u8] {
    if salt.len() > Item::MAX_SALT { &TOO_LONG[..=Item::MAX_SALT] } else { salt }
}

/// A value, or one that no node stores either.
fn valued(value: &[u8]) -> &[u8] {
    Item::immutable(value).map_or(&TOO_LONG[..], |item| item.value)
}

/// Write a journal without the node's secrets and with other addresses, in which the node does the same
#[derive(clap::Args)]
pub struct Args {
    /// What `node --journal` recorded
    #[arg(value_parser = options::named_file())]
    file: PathBuf,
    /// File to create; it is never overwritten
    #[arg(value_parser = options::named_file())]
    out: PathBuf,
    #[command(flatten)]
    random: Randomness,
}

pub async fn run(options: &Options, args: Args) -> Result<(), Failed> {
    // Whoever comes first decides: whether the file is written, or the program ends. Nothing ends it in the middle.
    let is_decided = Arc::<AtomicBool>::default();
    let (decided, own) = (Arc::clone(&is_decided), options.clone());
    let mut ending = pin!(options.ending());
    let mut scrubbing = worker::work(move || scrub(&own, args, &decided));
    tokio::select! {
        biased;
        scrubbed = &mut scrubbing => scrubbed?,
        why = &mut ending => match is_decided.swap(true, Ordering::Relaxed) {
            true => scrubbing.await?,
            false => Err(why.into()),
        },
    }
}

fn scrub(options: &Options, args: Args, is_decided: &AtomicBool) -> Result<(), Failed> {
    let shown = args.file.display();
    let journal = journal_file::open_written(&args.file)?;
    let mut head = journal.head.clone();
    if head.simulated.is_some() {
        return simulated_copy::write(options, &journal, &shown.to_string(), &args.out, is_decided);
    }
    let mut rng = args.random.rng_beside(&head.rng_seed)?;
    // What the node does follows from the first half alone.
    rng.fill(&mut head.rng_seed[16..]);
    let addresses = Addresses::new(rng.bytes(), !head.local);
    head.links.iter_mut().for_each(|link| link.port = addresses.port(link.port));
    head.version = Some(env!("CARGO_PKG_VERSION").into());
    let not_made = |error| format!("{shown}: the node cannot be made: {error}");
    let mut original = journal.head.node().map_err(not_made)?;
    let mut scrubbed = Scrubbed::new(head.node().map_err(not_made)?, addresses, rng.bytes());
    let end = scrubbed.go(&journal.records, &mut original);
    if scrubbed.is_unknown {
        return Err(format!(
            "{shown}: call {} is of a kind of which this program does not know what it tells of the node, so that \
             nothing was written; that is a fault of honeyguide",
            scrubbed.counts.calls
        )
        .into());
    }
    match &end {
        Some(Stop::Untrue(error)) if error.is_cut() => {
            let (at, why) = (journal.byte(error.sound()), error.reason());
            say(format_args!("{shown} is true up to byte {at}, and what follows is left out: {why}"));
        }
        Some(Stop::Untrue(error)) => return Err(journal.untrue(shown, *error, "")),
        Some(Stop::Panic(_)) | None => {}
    }
    let panic = match (&end, &scrubbed.panic) {
        (Some(Stop::Panic(panic)), Some(_)) => Some(panic.text(journal.byte(panic.at))),
        (Some(Stop::Panic(panic)), None) => Some(format!(
            "{}, but not with what is written, so that this is of no use",
            panic.text(journal.byte(panic.at))
        )),
        (_, Some(said)) => Some(format!("the node panics with what is written, and did not before: {said}")),
        (_, None) => None,
    };
    if let Some(panic) = &panic {
        say(format_args!("{shown}: {panic}; what is written ends there"));
    }
    let front = head.encode().map_err(|error| error.to_string())?;
    if is_decided.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    file::write_new(&args.out, &[front, scrubbed.records].concat())?;
    say(format_args!("{KEPT}{}", if head.local { String::new() } else { format!("; {TOLD}") }));
    let Counts { calls, outputs, differ, emptied } = scrubbed.counts;
    options.out().line(
        format_args!(
            "kept {}, emptied {} without a message; of {}, {differ} with more that differs than addresses and tokens",
            count(calls, "call"),
            count(emptied, "datagram"),
            count(outputs, "output")
        ),
        json!({ "calls": calls, "emptied": emptied, "outputs": outputs, "differ": differ, "panic": panic }),
    )
}

#[derive(Default)]
struct Counts {
    calls: u64,
    outputs: u64,
    differ: u64,
    emptied: u64,
}

/// The second node, and its journal.
struct Scrubbed {
    node: Node<'static>,
    addresses: Addresses,
    /// What strangers' tokens and transaction ids become depends on it.
    key: [u8; 16],
    records: Vec<u8>,
    hash: OutputHash,
    /// What the first one has put out since the last call.
    originals: Vec<Put>,
    /// Write tokens of the first node, and those of the second for the same.
    tokens: HashMap<Vec<u8>, Vec<u8>>,
    /// What the first one has asked whom for, with which transaction id.
    asked: HashMap<(LinkId, Endpoint, Vec<u8>), Asked>,
    now: Instant,
    /// Since the last record.
    polls: u32,
    /// What the second one said when it panicked. It is neither called nor polled any more.
    panic: Option<String>,
    /// The newest call is of a kind that would go out as it is.
    is_unknown: bool,
    counts: Counts,
}

/// An output, as far as both nodes can be compared.
#[derive(PartialEq)]
enum Put {
    Transmit { to: Endpoint, len: usize, token: Option<Vec<u8>> },
    Event,
    Timeout(Option<Instant>),
}

impl Put {
    fn of(output: &Output<'_>, to: impl Fn(Endpoint) -> Endpoint) -> Put {
        match *output {
            Output::Transmit { to: real, payload, .. } => {
                let token = match decode(payload) {
                    Ok(Decoded::Response(response)) => response.token.map(<[u8]>::to_vec),
                    _ => None,
                };
                Put::Transmit { to: to(real), len: payload.len(), token }
            }
            Output::Event(_) => Put::Event,
            Output::Timeout(at) => Put::Timeout(at),
        }
    }
}

impl Scrubbed {
    fn new(node: Node<'static>, addresses: Addresses, key: [u8; 16]) -> Scrubbed {
        Scrubbed {
            node,
            addresses,
            key,
            records: Vec::new(),
            hash: OutputHash::default(),
            originals: Vec::new(),
            tokens: HashMap::new(),
            asked: HashMap::new(),
            now: Instant::ZERO,
            polls: 0,
            panic: None,
            is_unknown: false,
            counts: Counts::default(),
        }
    }

    /// Both nodes go on until the journal ends, stops being true, or either panics. `None`: to its end.
    fn go(&mut self, records: &[u8], original: &mut Node<'_>) -> Option<Stop> {
        let mut guarded = Guarded::new(records);
        while self.panic.is_none() && !self.is_unknown {
            let marks = guarded.replay.marks();
            match guarded.step(original, &mut |step| self.see(step)) {
                Ok(true) if guarded.replay.marks() > marks => self.mark(),
                Ok(true) => {}
                Ok(false) => {
                    self.poll();
                    self.write(Call::End);
                    return None;
                }
                Err(stop) => {
                    // The call that the first one panics at is the last one of the journal.
                    if let Stop::Panic(NodePanic { at, is_in_call: true, .. }) = stop {
                        let mut nodes = [Endpoint::UNSPECIFIED; Config::MAX_BOOTSTRAP_NODES];
                        let record = Record::decode(&records[at..], &mut nodes);
                        record.into_iter().for_each(|(record, _)| self.see_call(record.now, &record.call));
                    }
                    self.mark();
                    if let Stop::Panic(_) = stop {
                        self.drain();
                    }
                    return Some(stop);
                }
            }
        }
        self.mark();
        None
    }

    fn see(&mut self, step: Replayed<'_>) {
        match step {
            Replayed::Output(output) => {
                if let Output::Transmit { link, to, payload } = *output
                    && let Ok(Decoded::Query(query)) = decode(payload)
                {
                    self.asked.insert((link, to, query.tid.to_vec()), Asked::of(&query.method));
                }
                let put = Put::of(output, |real| self.addresses.endpoint(real));
                self.originals.push(put);
            }
            Replayed::Call(now, call, _) => self.see_call(now, call),
        }
    }

    fn see_call(&mut self, now: Instant, call: &Call<'_>) {
        self.poll();
        if self.panic.is_none() {
            self.now = now;
            self.call(call);
        }
    }

    /// The same call with other addresses.
    fn call(&mut self, call: &Call<'_>) {
        self.counts.calls += 1;
        let (mut datagram, mut nodes) = (Vec::new(), Vec::new());
        let map = |real| self.addresses.endpoint(real);
        let other = match *call {
            Call::Input(Input::Datagram { link, from, payload }) => {
                datagram.extend_from_slice(payload);
                let token = |token: &[u8]| self.tokens.get(token).cloned();
                let asked = |tid: &[u8]| self.asked.get(&(link, from, tid.to_vec())).copied();
                let rewriter = Rewriter { addresses: &self.addresses, key: self.key, token: &token, asked: &asked };
                let is_message = rewriter.rewrite(&mut datagram);
                self.counts.emptied += u64::from(!is_message);
                Some(Call::Input(Input::Datagram { link, from: map(from), payload: &datagram }))
            }
            Call::Input(Input::Refused { link, to }) => Some(Call::Input(Input::Refused { link, to: map(to) })),
            Call::Input(Input::SendFailed { link, to }) => Some(Call::Input(Input::SendFailed { link, to: map(to) })),
            Call::Import { link, contact: SavedContact { id, endpoint } } => {
                Some(Call::Import { link, contact: SavedContact { id, endpoint: map(endpoint) } })
            }
            Call::Command { tag, scope, command } => self
                .command(command, &mut nodes)
                .zip(self.scope(scope))
                .map(|(command, scope)| Call::Command { tag, scope, command }),
            Call::Keep { tag, kept, schedule, before } => {
                self.kept(kept).map(|kept| Call::Keep { tag, kept, schedule, before })
            }
            Call::Supply { keep, item: Item { value, mutable } } => {
                let mutable = mutable.map(|mutable| Mutable { salt: salted(mutable.salt), ..mutable });
                Some(Call::Supply { keep, item: Item { value: valued(value), mutable } })
            }
            Call::SetExternal { link, addr } => Some(Call::SetExternal { link, addr: map(addr) }),
            Call::Input(Input::Timeout | Input::Suspend | Input::Resume)
            | Call::SetPassive { is_passive: _ }
            | Call::ImportId { link: _, id: _ }
            | Call::Cancel { tag: _ }
            | Call::Later { keep: _, by: _ }
            | Call::Unkeep { keep: _ }
            | Call::UnkeepKey { key: _ }
            | Call::Mark { hash: _ }
            | Call::End => Some(*call),
            Call::Input(_) => None,
        };
        let Some(other) = other else {
            self.is_unknown = true;
            return;
        };
        self.write(other);
        match caught(|| other.apply(&mut self.node, self.now)) {
            // What was refused is refused again.
            Ok(Ok(()) | Err(_)) => {}
            Err(said) => self.panic = Some(said),
        }
    }

    /// What is kept, with another port. `None` for a kind that is not known here.
    fn kept<'a>(&self, kept: Kept<'a>) -> Option<Kept<'a>> {
        Some(match kept {
            Kept::Immutable { target: _ } => kept,
            Kept::Mutable { key, salt } => Kept::Mutable { key, salt: salted(salt) },
            Kept::Announced { info_hash, port, kind } => {
                Kept::Announced { info_hash, port: port.map(|port| self.addresses.port(port)), kind }
            }
            _ => return None,
        })
    }

    /// `None` for a kind that is not known here, and may name somebody.
    fn scope(&self, scope: Scope) -> Option<Scope> {
        match scope {
            Scope::All | Scope::Link(_) => Some(scope),
            Scope::Node(node) => Some(Scope::Node(self.addresses.endpoint(node))),
            Scope::NodeOn { link, node } => Some(Scope::NodeOn { link, node: self.addresses.endpoint(node) }),
            _ => None,
        }
    }

    /// The same command with other addresses, and without what a node refuses for its form, its length or its sign.
    /// `None` for a kind that is not known here: it may have anything in it.
    fn command<'a>(&self, command: Command<'a>, nodes: &'a mut Vec<Endpoint>) -> Option<Command<'a>> {
        Some(match command {
            Command::Bootstrap { nodes: real } => {
                nodes.extend(real.iter().map(|real| self.addresses.endpoint(*real)));
                Command::Bootstrap { nodes }
            }
            Command::Query {
                to,
                query:
                    query @ (DirectQuery::Ping
                    | DirectQuery::FindNode { target: _, want: _ }
                    | DirectQuery::Sample { target: _ }),
            } => Command::Query { to: self.addresses.endpoint(to), query },
            Command::Announce { info_hash, port, kind } => {
                Command::Announce { info_hash, port: port.map(|port| self.addresses.port(port)), kind }
            }
            Command::GetMutable { key, salt, newer_than, freshness } => Command::GetMutable {
                key,
                salt: salted(salt),
                newer_than: newer_than.map(|seq| seq.max(-1)),
                freshness,
            },
            Command::PutImmutable { value } => Command::PutImmutable { value: valued(value) },
            Command::PutMutable { value, key, salt, seq, signature, cas } => Command::PutMutable {
                value: valued(value),
                key,
                salt: salted(salt),
                seq: seq.max(-1),
                signature,
                cas: cas.map(|seq| seq.max(-1)),
            },
            // Nothing but what is kept of every message, too.
            Command::Lookup { target: _ }
            | Command::GetImmutable { target: _, copies: _ }
            | Command::GetPeers { info_hash: _ }
            | Command::Scrape { info_hash: _ }
            | Command::Sample { target: _ } => command,
            _ => return None,
        })
    }

    fn mark(&mut self) {
        self.poll();
        self.write(Call::Mark { hash: self.hash.finish() });
    }

    /// What the last call leads to, beyond what the first node has put out.
    fn drain(&mut self) {
        let mut buffer: Buffer = [0; 1500];
        while self.panic.is_none() {
            match caught(|| matches!(self.node.poll_output(&mut buffer), Output::Timeout(_))) {
                Ok(true) => return,
                Ok(false) => {}
                Err(said) => self.panic = Some(said),
            }
        }
    }

    /// Polls as the first node was polled, and compares.
    fn poll(&mut self) {
        let originals = std::mem::take(&mut self.originals);
        let mut buffer: Buffer = [0; 1500];
        for original in originals.iter().filter(|_| self.panic.is_none()) {
            let output = match caught(|| self.node.poll_output(&mut buffer)) {
                Ok(output) => output,
                Err(said) => {
                    self.panic = Some(said);
                    return;
                }
            };
            self.polls += 1;
            self.hash.add(&output);
            let mut put = Put::of(&output, |same| same);
            if let (Put::Transmit { token: Some(theirs), .. }, Put::Transmit { token: ours @ Some(_), .. }) =
                (original, &mut put)
            {
                self.tokens.insert(theirs.clone(), ours.take().unwrap_or_default());
                *ours = Some(theirs.clone());
            }
            self.counts.outputs += 1;
            self.counts.differ += u64::from(put != *original);
        }
    }

    fn write(&mut self, call: Call<'_>) {
        let (polls, mut bytes) = (std::mem::take(&mut self.polls), [0; Record::MAX_LEN]);
        // There is room for any record.
        if let Ok(len) = (Record { polls, now: self.now, call }).encode(&mut bytes) {
            self.records.extend_from_slice(&bytes[..len]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guarded::tests;
    use honeyguide::dht::{Freshness, PeerKind};
    use honeyguide::krpc::Want;

    fn scrubbed(node: Node<'static>) -> Scrubbed {
        Scrubbed::new(node, Addresses::new([1; 16], false), [2; 16])
    }

    /// Where a replay of these records stops, of a node like this.
    fn stop_of(records: &[u8], node: &mut Node<'_>) -> Option<Stop> {
        let mut guarded = Guarded::new(records);
        loop {
            match guarded.step(node, &mut |_| {}) {
                Ok(true) => {}
                Ok(false) => return None,
                Err(stop) => return Some(stop),
            }
        }
    }

    /// Rule J11. What is no value, such as a text as it was typed, is refused again, and tells nothing but its refusal.
    #[test]
    fn of_a_command_whose_value_is_none_nothing_is_kept_but_that_it_is_refused() {
        let scrubbed = scrubbed(tests::head().node().unwrap());
        let (key, salt, signature, cas, seq) = (&[1; 32], &b"salt"[..], &[2; 64], None, 1);
        for (value, is_kept) in [
            (&b"password=SECRET"[..], false),
            (b"\xff\x00SECRET", false),
            (b"", false),
            (b"6:SECRET1:x", false),
            (b"06:SECRET", false),
            (b"d1:ai0e6:SECRETi0ee", false),
            (b"lllllllll6:SECRETeeeeeeeee", false),
            (b"6:SECRET", true),
            (b"d6:SECRETi0e1:ai0ee", true),
        ] {
            let put = Command::PutMutable { value, key, salt, seq, signature, cas };
            for command in [Command::PutImmutable { value }, put] {
                let (mut nodes, mut node) = (Vec::new(), tests::head().node().unwrap());
                let after = scrubbed.command(command, &mut nodes).expect("it is known");
                let (Command::PutImmutable { value: after_value } | Command::PutMutable { value: after_value, .. }) =
                    after
                else {
                    panic!("another command")
                };
                assert_eq!(after_value == value, is_kept, "{}", value.escape_ascii());
                let refused = node.command(Instant::ZERO, 0, after).is_err();
                assert!(is_kept || refused, "{}", value.escape_ascii());
            }
        }
    }

    /// Rule J11. What is too long for any node is refused again, and tells nothing but that.
    #[test]
    fn of_a_command_that_is_refused_for_its_length_or_its_sign_that_alone_is_kept() {
        let scrubbed = scrubbed(tests::head().node().unwrap());
        let (key, signature, string) =
            ([1; 32], [2; 64], |len: usize| format!("{len}:{}", "s".repeat(len)).into_bytes());
        let (long_value, salts) = (string(1001), [vec![b's'; 64], vec![b's'; 65], vec![b's'; 300]]);
        for (value, is_long) in
            [(string(5), false), (string(1000), false), (long_value, true), (vec![b'i'; 1001], true)]
        {
            for (salt, other_len) in salts.iter().zip([64, 65, 65]) {
                for (number, other) in [(7, 7), (0, 0), (-7, -1), (i64::MIN, -1)] {
                    let cas = Some(number);
                    let put =
                        Command::PutMutable { value: &value, key: &key, salt, seq: number, signature: &signature, cas };
                    let mut nodes = Vec::new();
                    let after = scrubbed.command(put, &mut nodes);
                    let Some(Command::PutMutable { value: after, salt: other_salt, seq, cas, .. }) = after else {
                        panic!("another command")
                    };
                    assert_eq!((after == value, after.contains(&b's')), (!is_long, !is_long));
                    assert_eq!((other_salt.len(), other_salt[0] == b's'), (other_len, other_len == 64));
                    assert_eq!((seq, cas), (other, Some(other)));
                }
            }
        }
    }

    /// Rule J11.
    #[test]
    fn every_command_and_every_scope_is_known_and_none_keeps_an_address() {
        let scrubbed = scrubbed(tests::head().node().unwrap());
        let (to, id) = (Endpoint::v4([127, 9, 8, 7], 4321), honeyguide::Id([5; 20]));
        let (key, salt, value, seq) = (&[1; 32], &[][..], &b"1:x"[..], 1);
        let (freshness, newer_than, kind) = (Freshness::Newest, None, PeerKind::Seed);
        let find_node = DirectQuery::FindNode { target: id, want: Want::default() };
        for command in [
            Command::Bootstrap { nodes: &[to] },
            Command::Query { to, query: DirectQuery::Ping },
            Command::Query { to, query: find_node },
            Command::Query { to, query: DirectQuery::Sample { target: id } },
            Command::Lookup { target: id },
            Command::GetImmutable { target: id, copies: 1 },
            Command::GetMutable { key, salt, newer_than, freshness },
            Command::GetPeers { info_hash: id },
            Command::PutImmutable { value },
            Command::PutMutable { value, key, salt, seq, signature: &[2; 64], cas: None },
            Command::Announce { info_hash: id, port: Some(4321), kind },
            Command::Scrape { info_hash: id },
            Command::Sample { target: id },
        ] {
            let mut nodes = Vec::new();
            let shown = format!("{:?}", scrubbed.command(command, &mut nodes).expect("it is known"));
            assert!(!shown.contains("127.9.8.7") && !shown.contains("4321"), "{shown}");
        }
        assert_eq!([Scope::All, Scope::Link(LinkId(1))].map(|scope| scrubbed.scope(scope) == Some(scope)), [true; 2]);
        assert!(scrubbed.scope(Scope::Node(to)).is_some_and(|scope| scope != Scope::Node(to)));
    }

    /// Rule J11. What a later node can be called with may name anybody.
    #[test]
    fn a_call_of_an_unknown_kind_ends_the_scrubbing() {
        let (records, _) = tests::records();
        let mut scrubbed = scrubbed(tests::head().node().unwrap());
        scrubbed.is_unknown = true;
        assert!(scrubbed.go(&records, &mut tests::head().node().unwrap()).is_none() && scrubbed.counts.calls == 0);
    }

    /// Rules J11 and J19.
    #[test]
    fn a_journal_at_which_the_node_panics_is_scrubbed_up_to_there() {
        let (records, _) = tests::records();
        for (on, calls) in [("Dropped", 2), ("QuerySent", 1)] {
            // Both nodes panic, or either alone.
            for (first, second) in [(true, true), (true, false), (false, true)] {
                let node = |panics| if panics { tests::panicking(on) } else { tests::head().node().unwrap() };
                let mut scrubbed = scrubbed(node(second));
                let stop = scrubbed.go(&records, &mut node(first));
                assert_eq!((matches!(stop, Some(Stop::Panic(_))), stop.is_some()), (first, first), "{on}");
                assert_eq!(scrubbed.panic.is_some(), second, "{on}");
                assert_eq!(scrubbed.counts.calls, calls, "{on} {first} {second}");
                let stop = stop_of(&scrubbed.records, &mut node(true));
                assert!(matches!(stop, Some(Stop::Panic(_))), "{on}: it panics at what is written, too");
                let stop = stop_of(&scrubbed.records, &mut node(false));
                assert!(matches!(stop, Some(Stop::Untrue(error)) if error.is_cut()), "{on}: a mended one does not");
            }
        }
    }
}
