//! A journal that can be handed on.
//!
//! Two nodes run side by side: the one that was recorded, and one with other secrets, which is called the same way with
//! other addresses. What the second one needs to do the same is known from what both put out: whoever shows a write
//! token of the first one shows that of the second. What differs all the same is counted.

use std::collections::HashMap;
use std::path::PathBuf;

use honeyguide::adapters::{Replay, Replayed};
use honeyguide::dht::journal::{Call, OutputHash, Record};
use honeyguide::dht::{Buffer, SavedContact, Scope};
use honeyguide::krpc::{Decoded, decode};
use honeyguide::{Command, Endpoint, Input, Instant, Node, Output};
use serde_json::json;

use crate::addresses::Addresses;
use crate::failed::Failed;
use crate::file;
use crate::journal_file;
use crate::options::Options;
use crate::print::say;
use crate::randomness::Randomness;
use crate::scrubbed_datagram::Rewriter;

/// Write a journal without the node's secrets and with other addresses, in which the node does the same
#[derive(clap::Args)]
pub struct Args {
    /// What `node --journal` recorded
    file: PathBuf,
    /// File to create; it is never overwritten
    out: PathBuf,
    #[command(flatten)]
    random: Randomness,
}

/// What cannot be taken out.
const KEPT: &str = "ids, info-hashes, targets, keys, values and salts stay as they are, since a node's work follows \
                    from them";
const TOLD: &str = "an id of BEP 42 tells 20 bits of an IPv4 address and 36 of an IPv6 address, and these stay as well";

pub fn run(options: &Options, args: Args) -> Result<(), Failed> {
    let shown = args.file.display();
    if journal_file::is_being_written(&args.file) {
        return Err(format!("{shown} is still being written, and its node's secrets count: stop the node first").into());
    }
    let journal = journal_file::open(&args.file)?;
    let mut head = journal.head.clone();
    let mut rng = args.random.rng_beside(&head.rng_seed)?;
    // What the node does follows from the first half alone.
    rng.fill(&mut head.rng_seed[16..]);
    let addresses = Addresses::new(rng.bytes(), !head.local);
    head.links.iter_mut().for_each(|link| link.port = addresses.port(link.port));
    head.version = Some(env!("CARGO_PKG_VERSION").into());
    let not_made = |error| format!("{shown}: the node cannot be made: {error}");
    let mut original = journal.head.node().map_err(not_made)?;
    let mut scrubbed = Scrubbed {
        node: head.node().map_err(not_made)?,
        addresses,
        records: Vec::new(),
        hash: OutputHash::default(),
        originals: Vec::new(),
        tokens: HashMap::new(),
        now: Instant::ZERO,
        counts: Counts::default(),
    };
    let mut replay = Replay::new(&journal.records);
    let end = loop {
        let marks = replay.marks();
        let stepped = replay.step(&mut original, &mut |step| scrubbed.see(step));
        match stepped {
            Ok(true) if replay.marks() > marks => scrubbed.mark(),
            Ok(true) => {}
            Ok(false) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    match end {
        Ok(()) => scrubbed.record(Call::End),
        Err(error) => {
            let (at, why) = (journal.front + error.sound(), error.reason());
            say(format_args!("{shown} is true up to byte {at}, and what follows is left out: {why}"));
        }
    }
    let front = head.encode().map_err(|error| error.to_string())?;
    file::write_new(&args.out, &[front, scrubbed.records].concat())?;
    say(format_args!("{KEPT}{}", if head.local { String::new() } else { format!("; {TOLD}") }));
    let Counts { calls, outputs, differ, emptied } = scrubbed.counts;
    options.out().line(
        format_args!(
            "{calls} calls kept, {emptied} datagrams that were no messages emptied; {differ} of {outputs} outputs \
             differ in more than addresses and tokens"
        ),
        json!({ "calls": calls, "emptied": emptied, "outputs": outputs, "differ": differ }),
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
    records: Vec<u8>,
    hash: OutputHash,
    /// What the first one has put out since the last call.
    originals: Vec<Put>,
    /// Write tokens of the first node, and those of the second for the same.
    tokens: HashMap<Vec<u8>, Vec<u8>>,
    now: Instant,
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
    fn see(&mut self, step: Replayed<'_>) {
        match step {
            Replayed::Output(output) => {
                let put = Put::of(output, |real| self.addresses.endpoint(real));
                self.originals.push(put);
            }
            Replayed::Call(now, call, _) => {
                self.now = now;
                self.call(call);
            }
        }
    }

    /// The same call with other addresses.
    fn call(&mut self, call: &Call<'_>) {
        let polls = self.poll();
        self.counts.calls += 1;
        let (mut datagram, mut nodes) = (Vec::new(), Vec::new());
        let map = |real| self.addresses.endpoint(real);
        let other = match *call {
            Call::Input(Input::Datagram { link, from, payload }) => {
                datagram.extend_from_slice(payload);
                let token = |token: &[u8]| self.tokens.get(token).cloned();
                let is_message = Rewriter { addresses: &self.addresses, token: &token }.rewrite(&mut datagram);
                self.counts.emptied += u64::from(!is_message);
                Call::Input(Input::Datagram { link, from: map(from), payload: &datagram })
            }
            Call::Input(Input::Refused { link, to }) => Call::Input(Input::Refused { link, to: map(to) }),
            Call::Input(Input::SendFailed { link, to }) => Call::Input(Input::SendFailed { link, to: map(to) }),
            Call::Import { link, contact: SavedContact { id, endpoint } } => {
                Call::Import { link, contact: SavedContact { id, endpoint: map(endpoint) } }
            }
            Call::Command { tag, scope, command } => {
                let command = match command {
                    Command::Bootstrap { nodes: real } => {
                        nodes.extend(real.iter().map(|real| map(*real)));
                        Command::Bootstrap { nodes: &nodes }
                    }
                    Command::Query { to, query } => Command::Query { to: map(to), query },
                    Command::Announce { info_hash, port, kind } => {
                        Command::Announce { info_hash, port: port.map(|port| self.addresses.port(port)), kind }
                    }
                    command => command,
                };
                let scope = if let Scope::Node(node) = scope { Scope::Node(map(node)) } else { scope };
                Call::Command { tag, scope, command }
            }
            call => call,
        };
        self.write(polls, other);
        let _ = other.apply(&mut self.node, self.now);
    }

    fn mark(&mut self) {
        let polls = self.poll();
        self.write(polls, Call::Mark { hash: self.hash.finish() });
    }

    fn record(&mut self, call: Call<'_>) {
        let polls = self.poll();
        self.write(polls, call);
    }

    /// Polls as the first node was polled, and compares.
    fn poll(&mut self) -> u32 {
        let originals = std::mem::take(&mut self.originals);
        let mut buffer: Buffer = [0; 1500];
        for original in &originals {
            let output = self.node.poll_output(&mut buffer);
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
        originals.len() as u32
    }

    fn write(&mut self, polls: u32, call: Call<'_>) {
        let mut bytes = [0; Record::MAX_LEN];
        // There is room for any record.
        if let Ok(len) = (Record { polls, now: self.now, call }).encode(&mut bytes) {
            self.records.extend_from_slice(&bytes[..len]);
        }
    }
}
