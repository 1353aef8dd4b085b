//! Every command once as it succeeds, and once as it fails.

use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};

use honeyguide::krpc::{Item, SignedItem};

use crate::folder::Folder;
use crate::process::{run, words};
use crate::program::Running;

pub const ID: &str = "4242424242424242424242424242424242424242";

/// All commands, so that none is forgotten.
pub const ALL: [&str; 22] = [
    "demo",
    "testnet",
    "node",
    "replay",
    "journal scrub",
    "journal shrink",
    "ping",
    "find-node",
    "announce",
    "peers",
    "scrape",
    "sample",
    "put",
    "get",
    "keygen",
    "pubkey",
    "inspect",
    "negentropy-harness",
    "reconcile",
    "sim",
    "completions",
    "man",
];

/// A command with all that it needs.
pub struct Case {
    typed: String,
    made: PathBuf,
    pub input: Vec<u8>,
}

impl Case {
    /// What it makes has another name each time.
    pub fn args(&self) -> Vec<String> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let new = self.made.join(format!("{}-", NUMBER.fetch_add(1, Ordering::Relaxed)));
        self.typed.replace("NEW/", new.to_str().unwrap()).split(' ').map(String::from).collect()
    }

    /// Whether it runs a node that asks or is asked.
    pub fn has_node(&self) -> bool {
        self.typed.contains("--bootstrap") || ["demo", "ping"].contains(&self.name())
    }

    pub fn name(&self) -> &'static str {
        ALL.into_iter().find(|name| self.typed.starts_with(name)).unwrap()
    }
}

/// A network, files of each kind, and an address where nobody answers.
pub struct World {
    pub folder: Folder,
    pub network: String,
    pub nobody: String,
    made: Folder,
    _running: Running,
    _silent: UdpSocket,
}

impl World {
    pub fn new() -> World {
        World::of(6)
    }

    pub fn of(nodes: u32) -> World {
        let folder = Folder::new();
        let testnet = ["testnet", "--nodes", &nodes.to_string()];
        let mut running = Running::of(Running::command(&testnet).stdout(Stdio::piped()));
        let network = running.line().strip_prefix("bootstrap ").unwrap().to_string();
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        let nobody = silent.local_addr().unwrap().to_string();
        folder.with("secret", "09".repeat(32));
        folder.with("a", format!("1,{}\n2,{}\n", "ab".repeat(32), "cd".repeat(32)));
        folder.with("b", format!("1,{}\n3,{}\n", "ab".repeat(32), "ef".repeat(32)));
        folder.with("packet", packet(1_000_000));
        folder.with("item", item(1));
        let journal = folder.file("journal");
        let args = ["node", "--bind", "127.0.0.1:0", "--bootstrap", &network, "--journal", &journal];
        run(&[&args[..], &["--timeout", "1"]].concat(), b"").done();
        run(&["put", "hello", "--bootstrap", &network], b"").done();
        run(&["announce", ID, "--port", "7", "--bootstrap", &network], b"").done();
        World { folder, network, nobody, made: Folder::new(), _running: running, _silent: silent }
    }

    fn case(&self, typed: &str, input: &[u8]) -> Case {
        let typed = typed.replace("HERE/", &self.folder.file("")).replace("ID", ID);
        let typed = typed.replace("NETWORK", &self.network).replace("NOBODY", &self.nobody);
        Case { typed, made: self.made.path().into(), input: input.to_vec() }
    }

    /// Each command as it does what it should.
    pub fn successes(&self) -> Vec<Case> {
        let target = Item::immutable_target(b"5:hello").to_string();
        let cases = [
            ("demo --nodes 4", &b""[..]),
            ("testnet --nodes 2 --timeout 0.5", b""),
            ("node --bind 127.0.0.1:0 --timeout 0.2", b""),
            ("replay HERE/journal", b""),
            ("journal scrub HERE/journal NEW/out", b""),
            ("journal shrink HERE/journal NEW/out -- false", b""),
            ("ping NETWORK", b""),
            ("find-node ID --bootstrap NETWORK", b""),
            ("announce ID --port 7 --bootstrap NETWORK", b""),
            ("peers ID --bootstrap NETWORK", b""),
            ("scrape ID --bootstrap NETWORK", b""),
            ("sample ID --bootstrap NETWORK", b""),
            ("put hello --bootstrap NETWORK", b""),
            ("get TARGET --bootstrap NETWORK", b""),
            ("keygen NEW/key", b""),
            ("pubkey HERE/secret", b""),
            ("inspect", b"6465\n"),
            ("negentropy-harness", b"seal\ninitiate\n"),
            ("reconcile HERE/a HERE/b", b""),
            ("sim", b""),
            ("completions bash", b""),
            ("man NEW/pages", b""),
        ];
        cases.into_iter().map(|(args, input)| self.case(&args.replace("TARGET", &target), input)).collect()
    }

    /// Each command as it fails, with 1.
    pub fn failures(&self) -> Vec<Case> {
        let cases = [
            ("demo --nodes 4 --stop-holders", &b""[..]),
            ("testnet --nodes 2 --port PORT", b""),
            ("node --bind 127.0.0.1:0 --bootstrap NOBODY --timeout 0.1", b""),
            ("replay HERE/missing", b""),
            ("journal scrub HERE/secret NEW/out", b""),
            ("journal shrink HERE/journal NEW/out -- true", b""),
            ("ping NOBODY --timeout 0.1", b""),
            ("find-node ID --bootstrap NOBODY --timeout 0.1", b""),
            ("announce ID --port 7 --bootstrap NOBODY --timeout 0.1", b""),
            ("peers ID --at NOBODY --timeout 0.1", b""),
            ("scrape ID --bootstrap NOBODY --timeout 0.1", b""),
            ("sample ID --at NOBODY --timeout 0.1", b""),
            ("put hello --bootstrap NETWORK --require 40", b""),
            ("get ID --bootstrap NETWORK", b""),
            ("keygen HERE/secret", b""),
            ("pubkey HERE/a", b""),
            ("inspect", b"zz\n"),
            ("negentropy-harness", b"dance\n"),
            ("reconcile HERE/a HERE/secret", b""),
            ("sim acceptance --report HERE/secret/report", b""),
            ("man HERE/secret/pages", b""),
        ];
        let port = self.network.rsplit(':').next().unwrap();
        cases.into_iter().map(|(args, input)| self.case(&args.replace("PORT", port), input)).collect()
    }
}

/// A signed item as `get --json` prints it.
pub fn item(seq: i64) -> String {
    let (secret, value) = ([5; 32], b"5:hello");
    let item = Item::mutable(&secret, value).salt(b"salt").seq(seq).sign().unwrap();
    serde_json::json!({
        "k": hex::encode(SignedItem::public_key(&secret)),
        "salt": hex::encode("salt"),
        "seq": seq,
        "sig": hex::encode(item.mutable().signature),
        "v_hex": hex::encode(value),
    })
    .to_string()
}

/// A packet of pkarr of this time, with an empty DNS message: a header alone.
pub fn packet(time: u64) -> Vec<u8> {
    let (secret, message) = ([6; 32], b"\0\0\x80\0\0\0\0\0\0\0\0\0");
    let value = [&b"12:"[..], message].concat();
    let item = Item::mutable(&secret, &value).seq(time as i64).sign().unwrap();
    let signature = *item.mutable().signature;
    [&SignedItem::public_key(&secret)[..], &signature, &time.to_be_bytes(), message].concat()
}

#[test]
fn every_command_succeeds_and_fails_as_its_case_says_and_none_is_forgotten() {
    let world = World::new();
    let (good, bad) = (world.successes(), world.failures());
    assert_eq!(good.iter().map(Case::name).collect::<Vec<_>>(), ALL);
    let can_fail = ALL.into_iter().filter(|name| *name != "completions").collect::<Vec<_>>();
    assert_eq!(bad.iter().map(Case::name).collect::<Vec<_>>(), can_fail);
    for case in good {
        let run = run(&words(&case.args()), &case.input);
        assert_eq!(run.code, Some(0), "{}: {run:?}", case.name());
    }
    for case in bad {
        run(&words(&case.args()), &case.input).failed(1, &[]);
    }
    let help = run(&["--help"], b"").done().out;
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let listed: Vec<_> = listed.filter_map(|line| line.split_whitespace().next()).collect();
    let here = |name: &str| ALL.iter().any(|all| all.split(' ').next() == Some(name)) || name == "help";
    assert!(listed.iter().all(|name| here(name)) && listed.len() > 15, "{listed:?}");
}
