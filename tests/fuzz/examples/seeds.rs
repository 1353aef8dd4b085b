//! Makes the first corpus: what the conformance data holds, and runs of nodes that work.
//!
//!     cargo run --manifest-path tests/fuzz/Cargo.toml --example seeds [FOLDER]
//!
//! Without a folder, `corpus/` beside this package. Only files that begin with `seed-` are written.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::time::Duration;

use honeyguide::Endpoint;
use honeyguide::Instant;
use honeyguide::dht::journal::{Call, Record};
use honeyguide::dht::{Buffer, Freshness, LinkId, PeerKind, Scope};
use honeyguide::krpc::{Decoded, Method, decode};
use honeyguide::{Command, Event, Input, Node, Output, Storage};
use honeyguide_fuzz::run::newborn;
use honeyguide_fuzz::setting::{SIGNED, TARGETS, VALUES, config};

fn main() -> std::io::Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = std::env::args().nth(1).map_or_else(|| here.join("corpus"), PathBuf::from);
    let mut corpus = Corpus { folder, files: BTreeMap::new() };
    datagrams(&here.join("../../vectors/krpc/krpc.json"), &mut corpus)?;
    values(&mut corpus);
    items(&mut corpus);
    runs(&mut corpus);
    deeds(&mut corpus);
    corpus.write()
}

/// What is to be written, by target.
struct Corpus {
    folder: PathBuf,
    files: BTreeMap<&'static str, Vec<Vec<u8>>>,
}

impl Corpus {
    fn add(&mut self, target: &'static str, bytes: &[u8]) {
        let files = self.files.entry(target).or_default();
        if !files.iter().any(|known| known == bytes) {
            files.push(bytes.to_vec());
        }
    }

    fn write(&self) -> std::io::Result<()> {
        for (target, files) in &self.files {
            let folder = self.folder.join(target);
            std::fs::create_dir_all(&folder)?;
            for (i, bytes) in files.iter().enumerate() {
                std::fs::write(folder.join(format!("seed-{i:03}")), bytes)?;
            }
            println!("{target}: {} seeds, {} bytes", files.len(), files.iter().map(Vec::len).sum::<usize>());
        }
        Ok(())
    }
}

/// Every datagram of the conformance data, and the lists in it.
fn datagrams(file: &Path, corpus: &mut Corpus) -> std::io::Result<()> {
    let json: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file)?)?;
    for case in json["cases"].as_array().expect("a list of cases") {
        let Some(bytes) = case["hex"].as_str().and_then(|text| hex::decode(text).ok()) else { continue };
        for target in ["krpc", "bencode", "differential"] {
            corpus.add(target, &bytes);
        }
        match decode(&bytes) {
            Ok(Decoded::Response(response)) => {
                for list in [response.nodes, response.nodes6, response.samples].into_iter().flatten() {
                    corpus.add("compact", list);
                }
                if let honeyguide::krpc::Values::List(list) = response.values {
                    corpus.add("compact", list);
                }
                if let (Some(value), Some(key), Some(seq), Some(signature)) =
                    (response.value, response.key, response.seq, response.signature)
                {
                    corpus.add("item", &[&[1], &key[..], signature, &seq.to_le_bytes(), value, &[0]].concat());
                }
            }
            Ok(Decoded::Query(query)) => {
                if let Method::Put { item, .. } = query.method {
                    corpus.add("bencode", item.value);
                    corpus.add("differential", item.value);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Values in every shape, and in spellings that only look like them.
fn values(corpus: &mut Corpus) {
    let texts: [&[u8]; 14] = [
        b"d1:ai1e1:bl2:xy0:ee",
        b"d0:de1:adee",
        b"i9223372036854775807e",
        b"i-9223372036854775808e",
        b"i9223372036854775808e",
        b"i-0e",
        b"i007e",
        b"03:abc",
        b"4294967300:abcd",
        b"lllllllleeeeeeee",
        b"llllllllllleeeeeeeeeee",
        b"d1:bi1e1:ai2ee",
        b"d1:ai1e1:ai2ee",
        b"d2:ih20:abcdefghij01234567891:xi1ee",
    ];
    for text in texts.into_iter().chain(VALUES.iter().map(|value| &value[..])) {
        corpus.add("bencode", text);
        corpus.add("differential", text);
        corpus.add("item", &[&[0; 12], text, &[0]].concat());
    }
    corpus.add("compact", &[&[0; 20][..], &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1, 2, 3, 4, 5, 6]].concat());
    corpus.add("compact", b"6:abcdef18:abcdefghijklmnopqr5:abcdei1e0:");
}

/// Keys and signatures of every kind.
fn items(corpus: &mut Corpus) {
    for signed in SIGNED.iter() {
        let head = [&[1], &signed.key[..], &signed.signature, &signed.seq.to_le_bytes()].concat();
        corpus.add("item", &[&head, signed.salt, signed.value, &[signed.salt.len() as u8]].concat());
    }
    corpus.add("item", &[&[1], &[0; 32][..], &[0; 64], &[0; 8], b"5:hello", &[0]].concat());
}

/// Journals of nodes that join a small network and do all that nodes do.
fn runs(corpus: &mut Corpus) {
    let (signed, value) = (&SIGNED[1], &VALUES[0][..]);
    let (key, salt) = (&signed.key, signed.salt);
    let put = Command::PutMutable {
        value: signed.value,
        key,
        salt,
        seq: signed.seq,
        signature: &signed.signature,
        cas: None,
    };
    let get = Command::GetMutable { key, salt, newer_than: None, freshness: Freshness::Newest };
    let (target, info_hash) = (TARGETS[0], TARGETS[11]);
    let announce = Command::Announce { info_hash, port: Some(9), kind: PeerKind::Seed };
    let stories: [&[(usize, Command<'_>)]; 6] = [
        &[(0, Command::Lookup { target })],
        &[(0, put), (0, get)],
        &[(0, Command::PutImmutable { value }), (0, Command::GetImmutable { target, copies: 1 })],
        &[(0, announce), (0, Command::GetPeers { info_hash }), (0, Command::Scrape { info_hash })],
        &[(1, put), (1, announce), (2, get), (2, Command::Scrape { info_hash })],
        &[(1, announce), (0, Command::Sample { target: info_hash }), (2, Command::Sample { target: info_hash })],
    ];
    for setting in [0, 2, 4, 5, 7] {
        for story in stories {
            let mut network = Network::new(setting, 4);
            for &(who, command) in story {
                network.call(who, Call::Command { tag: 1, scope: Scope::All, command });
                network.run();
            }
            network.record(Call::End);
            let mut run = vec![setting];
            run.extend_from_slice(&network.journal);
            run.truncate(12_000);
            corpus.add("journal", &run);
        }
    }
}

/// Nodes that reach each other at once; the journal of the first is kept.
struct Network {
    now: Instant,
    nodes: Vec<Node<'static>>,
    flying: VecDeque<(usize, usize, Vec<u8>)>,
    deadlines: Vec<Option<Instant>>,
    journal: Vec<u8>,
    polls: u32,
    busy: bool,
}

impl Network {
    fn new(setting: u8, size: usize) -> Self {
        let strangers = (1..size).map(|i| {
            let config = config(0);
            let storage = Storage::allocate(&config);
            Node::new(config, [i as u8; 32], storage).expect("the settings are sound")
        });
        let mut network = Network {
            now: Instant::from_secs(100),
            nodes: std::iter::once(newborn(setting)).chain(strangers).collect(),
            flying: VecDeque::new(),
            deadlines: vec![None; size],
            journal: Vec::new(),
            polls: 0,
            busy: false,
        };
        for i in 0..size {
            let nodes = [address((i + 1) % size)];
            network.call(i, Call::Command { tag: 0, scope: Scope::All, command: Command::Bootstrap { nodes: &nodes } });
            network.run();
        }
        network
    }

    fn call(&mut self, i: usize, call: Call<'_>) {
        self.busy |= matches!(call, Call::Command { .. });
        if i == 0 {
            self.record(call);
        }
        let _ = call.apply(&mut self.nodes[i], self.now);
        let mut buffer: Buffer = [0; 1500];
        loop {
            self.polls += u32::from(i == 0);
            match self.nodes[i].poll_output(&mut buffer) {
                Output::Transmit { to, payload, .. } => {
                    if let Some(j) = (0..self.nodes.len()).find(|&j| address(j) == to) {
                        self.flying.push_back((i, j, payload.to_vec()));
                    }
                }
                Output::Event(Event::Finished { .. }) => self.busy = false,
                Output::Event(_) => {}
                Output::Timeout(at) => {
                    self.deadlines[i] = at;
                    return;
                }
            }
        }
    }

    fn record(&mut self, call: Call<'_>) {
        let record = Record { polls: std::mem::take(&mut self.polls), now: self.now, call };
        let mut out = [0; Record::MAX_LEN];
        let len = record.encode(&mut out).expect("there is room for any record");
        // Without its frame, which the target does not read.
        self.journal.extend_from_slice(&out[8..len]);
    }

    /// Runs until the operation has finished and everything has arrived.
    fn run(&mut self) {
        loop {
            self.now += Duration::from_millis(1);
            if let Some((from, to, payload)) = self.flying.pop_front() {
                let datagram = Input::Datagram { link: LinkId(0), from: address(from), payload: &payload };
                self.call(to, Call::Input(datagram));
            } else if self.busy {
                let (at, i) =
                    (0..self.nodes.len()).filter_map(|i| Some((self.deadlines[i]?, i))).min().expect("timers");
                self.now = self.now.max(at);
                self.call(i, Call::Input(Input::Timeout));
            } else {
                return;
            }
        }
    }
}

fn address(i: usize) -> Endpoint {
    Endpoint::v4([10, i as u8, 0, 1], 6881)
}

/// A node that joins and then does one thing, for each setting and each command; and one that is asked everything.
fn deeds(corpus: &mut Corpus) {
    const ANSWER_ALL: [u8; 3] = [6, 0, 10];
    const BOOTSTRAP: [u8; 5] = [23, 0, 0, 32, 0];
    const TO_DEADLINE: [u8; 3] = [19, 0, 0];
    for setting in 0..16u8 {
        let mut joined = vec![setting];
        joined.extend(BOOTSTRAP);
        (0..4u8).for_each(|i| joined.extend([6, 5 * i, 10]));
        for what in 0..16u8 {
            let which = what.wrapping_mul(3);
            let mut run = joined.clone();
            run.extend([23, what, which, 0, 1]);
            for i in 0..4u8 {
                run.extend(if i % 2 == 0 { [6, 7 * i, 10] } else { TO_DEADLINE });
                run.extend(ANSWER_ALL);
            }
            corpus.add("node_ops", &run);
        }
        // The largest item, with a key and a salt, to nodes that give the longest tokens.
        let mut run = joined.clone();
        run.extend([23, 9, 8, 4, 1]);
        (0..12).for_each(|_| run.extend([0, 0, 0, 0, 0, 0, 3, 0, 3, 0]));
        corpus.add("node_ops", &run);
        // An item that is gone when the reply that holds it is drained.
        corpus
            .add("node_ops", &[&[setting, 13, 0, 1, 0x81, 0, 8, 30, 2][..], &[9, 2, 0x87, 0, 0, 19, 6, 200]].concat());
        let mut run = vec![setting];
        for what in 0..32u8 {
            // Everything twice, so that the second time there is a token.
            let (who, kind) = (what % 8, if what < 16 { what } else { 0x80 | what });
            run.extend([9, who, kind, 0, 0, 9, who, kind, 10, 0]);
        }
        corpus.add("node_ops", &run);
        // Peers and items from all sides, one at a time and all at once.
        let mut run = vec![setting];
        for what in [0, 1, 0x81] {
            run.extend([13, 0, 11, what, 1, 8, 13, 12, 11, what, 1, 8, 13, 16, 0x47, what, 6, 8]);
        }
        run.extend([19, 6, 200]);
        corpus.add("node_ops", &run);
    }
}
