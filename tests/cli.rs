//! The program, end to end: what it prints, what it leaves behind and how it exits.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Command, Stdio};

use folder::Folder;
use program::{PROGRAM, Run, Running, honeyguide, honeyguide_with};
use serde_json::Value;

#[path = "shared/folder.rs"]
mod folder;
#[path = "shared/program.rs"]
mod program;

impl Run {
    fn lines(&self) -> Vec<&str> {
        self.out.lines().collect()
    }

    /// It failed with one sentence that has all of these words.
    fn failed(self, code: i32, words: &[&str]) -> Run {
        assert_eq!(self.code, Some(code), "{self:?}");
        let sentences: Vec<_> = self.err.lines().collect();
        assert_eq!(sentences.len(), 1, "{self:?}");
        assert!(sentences[0].starts_with("honeyguide: "), "{self:?}");
        assert!(words.iter().all(|word| sentences[0].contains(word)), "{self:?} lacks one of {words:?}");
        self
    }
}

/// A test network of our own and its address.
fn network(nodes: u32) -> (Running, String) {
    let mut running = Running::start(&["testnet", "--nodes", &nodes.to_string()]);
    let addr = running.line().strip_prefix("bootstrap ").expect("the first line").to_string();
    (running, addr)
}

/// An address where nobody answers, as long as the socket lives.
fn silent() -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let addr = socket.local_addr().unwrap().to_string();
    (socket, addr)
}

fn keys(object: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = object.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

const INFO_HASH: &str = "4242424242424242424242424242424242424242";

#[test]
fn a_command_that_is_interrupted_says_so_though_it_has_a_timeout() {
    let mut command = Command::new(PROGRAM);
    let mut running = Running::piped(command.args(["inspect", "--timeout", "600"]).stdin(Stdio::piped()));
    let mut stdin = running.child.stdin.take().unwrap();
    stdin.write_all(b"6465\n").unwrap();
    running.line(); // it listens by now
    running.end_by("INT").failed(1, &["interrupted"]);
    drop(stdin);
}

#[test]
fn the_demo_does_its_steps_in_order_and_says_so() {
    let run = honeyguide(&["demo", "--nodes", "16", "--json"]).done();
    let steps = run.objects();
    let names: Vec<_> = steps.iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(names, ["start", "publish", "resolve", "update", "peers", "keep", "done"]);
    assert!(steps.iter().all(|step| step["ok"] == true));
    for step in &steps[..6] {
        assert_eq!(keys(step), ["acks", "hops", "ms", "ok", "queries", "step"]);
        assert!(step["ms"].is_f64() && step["queries"].as_u64() > Some(0) && step["acks"].as_u64() > Some(0));
    }
    assert_eq!(run.lines()[6], r#"{"step":"done","ok":true}"#);
}

/// The demo's last lines are commands that work as they are printed.
#[cfg(unix)]
#[test]
fn what_the_demo_says_to_try_next_works() {
    let quiet = honeyguide(&["demo", "--nodes", "4", "-q"]).done().out;
    assert!(quiet.lines().last().unwrap().starts_with("done"), "{quiet}");
    let run = honeyguide(&["demo", "--nodes", "4"]).done();
    assert!(run.lines()[0].starts_with("step "), "headings come first: {run:?}");
    let commands: Vec<_> = run.lines().into_iter().filter_map(|line| line.strip_prefix("  ")).collect();
    let network = commands[0].strip_suffix(" testnet --port 6881 &").expect("a network first, in the background");
    assert_eq!(network, PROGRAM);
    let (_network, addr) = crate::network(6);
    let folder = Folder::new();
    // Nodes take a moment to start, and whoever pastes the lines does not wait.
    assert_eq!(commands[1], "sleep 1");
    for command in &commands[2..] {
        let command = command.replace("127.0.0.1:6881", &addr);
        let output = Command::new("sh").args(["-c", &command]).current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{command}: {output:?}");
    }
    assert_eq!(commands.len(), 6, "{commands:?}");
}

#[test]
fn the_demo_publishes_new_values_each_time_unless_it_is_seeded() {
    let relays = |args: &[&str]| {
        let run = honeyguide(&[&["demo", "--nodes", "4"], args].concat()).done();
        let words: Vec<_> =
            run.out.split_whitespace().filter(|word| word.starts_with("wss://")).map(String::from).collect();
        assert_eq!(words.len(), 6, "{run:?}");
        words
    };
    assert_ne!(relays(&[]), relays(&[]));
    assert_eq!(relays(&["--seed", "7"]), relays(&["--seed", "7"]));
}

#[test]
fn the_demo_fails_when_nobody_is_left_who_holds_the_list() {
    let run = honeyguide(&["demo", "--nodes", "16", "--json", "--stop-holders"]).failed(1, &["resolve", "no node"]);
    let mut objects = run.objects();
    let (last, step) = (objects.pop().unwrap(), objects.pop().unwrap());
    assert_eq!((&step["step"], &step["ok"]), (&Value::from("resolve"), &Value::from(false)));
    assert_eq!((&last["code"], &last["outcome"]["copies"]), (&1.into(), &0.into()));
}

#[test]
fn the_demo_works_on_a_foreign_network_too() {
    let (_network, addr) = network(12);
    let run = honeyguide(&["demo", "--bootstrap", &addr, "--json"]).done();
    assert_eq!(run.objects().len(), 7);
    let (_socket, nobody) = silent();
    honeyguide(&["demo", "--bootstrap", &nobody, "--timeout", "0.5"]).failed(1, &["start", &nobody]);
}

#[test]
fn a_test_network_tells_its_address_first_and_ends_in_order() {
    let mut running = Running::start(&["testnet", "--nodes", "3", "--json"]);
    let first: Value = serde_json::from_str(&running.line()).unwrap();
    assert_eq!(keys(&first), ["bootstrap"]);
    let addr: SocketAddr = first["bootstrap"].as_str().unwrap().parse().unwrap();
    assert!(addr.ip().is_loopback());
    let port = addr.port().to_string();
    honeyguide(&["testnet", "--nodes", "3", "--port", &port]).failed(1, &["in use", &port]);
    assert_eq!(running.end_by("INT").done().out, "");
    // The port is free again.
    honeyguide(&["testnet", "--nodes", "1", "--port", &port, "--timeout", "0.2"]).done();
}

#[test]
fn a_node_is_pinged() {
    let (_network, addr) = network(1);
    let run = honeyguide(&["ping", &addr, "--json"]).done();
    let answer = &run.objects()[0];
    assert_eq!(answer["addr"], Value::from(addr.clone()));
    assert_eq!(answer["id"].as_str().unwrap().len(), 40);
    assert!(answer["rtt_ms"].as_f64().unwrap() > 0.0);
    assert!(honeyguide(&["ping", &addr]).done().out.contains(answer["id"].as_str().unwrap()));
    let port = addr.rsplit(':').next().unwrap();
    honeyguide(&["ping", &format!("localhost:{port}")]).done();
    let (_socket, nobody) = silent();
    honeyguide(&["ping", &nobody]).failed(1, &[&nobody, "did not answer"]);
    honeyguide(&["ping", "nowhere"]).failed(2, &["nowhere", "host:port"]);
}

#[test]
fn nodes_peers_and_samples_are_found() {
    let (_network, addr) = network(12);
    let client = |args: &[&str]| honeyguide(&[args, &["--bootstrap", &addr]].concat());

    let found = client(&["find-node", INFO_HASH, "--json"]).done().objects();
    let (last, nodes) = found.split_last().unwrap();
    assert_eq!(nodes.len() as u64, last["nodes"].as_u64().unwrap());
    assert!(nodes.len() >= 8, "{found:?}");
    assert!(nodes.iter().all(|node| keys(node) == ["addr", "id"]));

    let nothing = client(&["peers", INFO_HASH, "--json"]).failed(1, &[INFO_HASH, "converged"]);
    let nothing = nothing.objects();
    assert_eq!((nothing.len(), keys(&nothing[0])), (1, vec!["code", "error", "outcome"]));
    assert_eq!((&nothing[0]["code"], &nothing[0]["outcome"]["reason"]), (&1.into(), &"converged".into()));
    client(&["scrape", INFO_HASH]).failed(1, &[INFO_HASH, "converged"]);
    client(&["sample", INFO_HASH]).failed(1, &[INFO_HASH, "converged"]);

    let announced = client(&["announce", INFO_HASH, "--port", "4321", "--json"]).done().objects();
    assert!(announced[0]["stored"].as_u64().unwrap() >= 8, "{announced:?}");
    let peers = client(&["peers", INFO_HASH, "--json"]).done().objects();
    assert_eq!(peers[0]["peer"], "127.0.0.1:4321");
    assert_eq!(peers[1]["peers"], 1);
    assert_eq!(client(&["peers", INFO_HASH]).done().out, "127.0.0.1:4321\n");
    let swarm = client(&["scrape", INFO_HASH, "--json"]).done().objects();
    assert_eq!((&swarm[0]["seeds"], &swarm[0]["peers"]), (&Value::from(0), &Value::from(1)));
    let samples = client(&["sample", INFO_HASH, "--json"]).done().objects();
    assert!(samples.iter().any(|sample| sample["samples"][0] == INFO_HASH), "{samples:?}");
    assert_eq!(samples.last().unwrap()["info_hashes"], 1);
}

#[test]
fn an_immutable_item_comes_back_as_it_was_stored() {
    let (_network, addr) = network(12);
    let folder = Folder::new();
    let file = folder.file("value");
    fs::write(&file, [0, 1, 2, 255]).unwrap();
    let put = |args: &[&str], input: &[u8]| {
        let run = honeyguide_with(&[&["put", "--bootstrap", &addr, "--json"], args].concat(), input).done();
        let put = run.objects().remove(0);
        assert_eq!(keys(&put), ["k", "outcome", "refused", "salt", "seq", "stored", "target"]);
        assert!(put["stored"].as_u64() > Some(0) && put["k"].is_null() && put["seq"].is_null());
        put["target"].as_str().unwrap().to_string()
    };
    let get = |target: &str| {
        let text = honeyguide(&["get", target, "--bootstrap", &addr]).done().out;
        let got = honeyguide(&["--json", "get", target, "--bootstrap", &addr]).done().objects().remove(0);
        assert_eq!(keys(&got), ["copies", "k", "outcome", "salt", "seq", "sig", "target", "text", "v_hex"]);
        assert!(got["k"].is_null() && got["seq"].is_null() && got["salt"].is_null() && got["sig"].is_null());
        assert!(got["copies"].as_u64() > Some(0));
        assert_eq!(got["target"], target);
        (text, got["v_hex"].as_str().unwrap().to_string(), got["text"].clone())
    };
    // SHA-1 of "12:Hello World!", as BEP 44 has it.
    let target = put(&["Hello World!"], b"");
    assert_eq!(target, "e5f96f6f38320f0f33959cb4d3d656452117aadb");
    assert_eq!(get(&target), ("Hello World!\n".into(), hex::encode("12:Hello World!"), "Hello World!".into()));
    assert_eq!(put(&["-"], b"Hello World!"), target);
    assert_eq!(put(&["--file", "-", "--bencode"], b"12:Hello World!"), target);

    let binary = hex::encode(b"4:\0\x01\x02\xff");
    assert_eq!(get(&put(&["--file", &file], b"")), (format!("{binary}\n"), binary, Value::Null));
    let list = hex::encode("l3:onei2ee");
    assert_eq!(get(&put(&["--bencode", "l3:onei2ee"], b"")), (format!("{list}\n"), list, Value::Null));

    let human = honeyguide(&["put", "Hello World!", "--bootstrap", &addr]).done();
    assert_eq!(human.err, "", "enough nodes hold it");
    assert!(human.out.starts_with("target e5f96f6f38320f0f33959cb4d3d656452117aadb\nstored "), "{human:?}");
    honeyguide(&["get", INFO_HASH, "--bootstrap", &addr]).failed(1, &[INFO_HASH, "converged"]);
}

#[test]
fn a_signed_item_is_updated_in_sequence_and_guarded() {
    // So few nodes that each of them holds each version.
    let (_network, addr) = network(6);
    let folder = Folder::new();
    let secret = folder.file("secret");
    let key = honeyguide(&["keygen", &secret]).done().out.trim().to_string();
    let put = |args: &[&str]| {
        honeyguide(&[&["put", "--bootstrap", &addr, "--json", "--secret", &secret, "--salt", "news"], args].concat())
    };
    let get = |args: &[&str]| {
        let run = honeyguide(&[&["get", "--key", &key, "--bootstrap", &addr, "--json"], args].concat()).done();
        let got = run.objects().remove(0);
        (got["seq"].as_i64().unwrap(), got["text"].as_str().unwrap().to_string())
    };
    let first = put(&["one"]).done();
    assert!(first.err.starts_with("honeyguide: warning: the item was stored by 6, and 8 should"), "{first:?}");
    let first = first.objects().remove(0);
    assert_eq!(
        (&first["seq"], &first["k"], &first["salt"]),
        (&1.into(), &key.clone().into(), &hex::encode("news").into())
    );
    assert_eq!(put(&["two"]).done().objects()[0]["seq"], 2);
    assert_eq!(get(&["--salt", "news"]), (2, "two".into()));
    assert_eq!(put(&["ten", "--seq", "10", "--cas", "2"]).done().objects()[0]["seq"], 10);
    assert_eq!(get(&["--salt", "news", "--newest"]), (10, "ten".into()));
    assert_eq!(get(&["--salt", "news", "--first"]).0, 10);

    let guarded = put(&["eleven", "--seq", "11", "--cas", "3"]).failed(1, &["301"]).objects().remove(0);
    assert_eq!(guarded["outcome"]["stored"]["all"], 0);
    let old = put(&["nine", "--seq", "9"]).failed(1, &["302"]).objects().remove(0);
    assert!(old["outcome"]["refused"]["302"].as_u64() > Some(0), "{old}");
    assert_eq!(get(&["--salt", "news"]), (10, "ten".into()));

    // Without its salt it is another item.
    honeyguide(&["get", "--key", &key, "--bootstrap", &addr]).failed(1, &["converged"]);
    let piped = honeyguide_with(
        &["put", "piped", "--secret", "-", "--bootstrap", &addr, "--json"],
        &fs::read(&secret).unwrap(),
    );
    assert_eq!(piped.done().objects()[0]["k"], key);
}

#[test]
fn whoever_publishes_a_string_that_few_nodes_store_is_warned() {
    let (_socket, addr) = silent();
    for (len, warned) in [(996, false), (997, true), (1000, true)] {
        let run = honeyguide(&["put", &"x".repeat(len), "--bootstrap", &addr, "--timeout", "0.3"]);
        assert_eq!(run.code, Some(1), "nobody answers: {run:?}");
        assert_eq!(run.err.contains("BEP 44 refuse more than 1000"), warned, "{run:?}");
    }
    // It may as well be signed elsewhere, or come from a file.
    let (folder, secret, text) = (Folder::new(), [5; 32], [b'x'; 1000]);
    let value = [&b"1000:"[..], &text].concat();
    let item = honeyguide::krpc::Item::mutable(&secret, &value).sign().unwrap();
    let (key, signature) = (hex::encode(item.mutable().key), hex::encode(item.mutable().signature));
    let object = serde_json::json!({ "k": key, "seq": 1, "sig": signature, "v_hex": hex::encode(&value) });
    let (object, text) = (folder.with("item", object.to_string()), folder.with("text", text));
    for (from, file) in [("--item", object), ("--file", text)] {
        let run = honeyguide(&["put", from, &file, "--bootstrap", &addr, "--timeout", "0.3"]);
        assert!(run.code == Some(1) && run.err.contains("1005 bytes"), "{run:?}");
    }
}

#[test]
fn a_value_that_no_node_would_store_is_not_sent() {
    let (_socket, addr) = silent();
    let put = |args: &[&str]| honeyguide(&[&["put", "--bootstrap", &addr], args].concat());
    put(&[&"x".repeat(1001)]).failed(2, &["1006", "1000"]);
    put(&["--bencode", &format!("l{}e", "2:xx".repeat(250))]).failed(2, &["1002", "1000"]);
    put(&["--bencode", "hello"]).failed(2, &["canonical"]);
    put(&["--bencode", "i01e"]).failed(2, &["canonical"]);
    put(&["--bencode", "d1:b0:1:a0:e"]).failed(2, &["canonical"]);
    put(&["--file", "/nonexistent/value"]).failed(1, &["/nonexistent/value"]);
    let folder = Folder::new();
    let bad = folder.file("bad");
    fs::write(&bad, "0123456789abcdef").unwrap();
    let run = put(&["x", "--secret", &bad]).failed(1, &[&bad, "64 hex"]);
    assert!(!run.err.contains("0123456789abcdef"), "a secret is never printed");
    put(&["-", "--secret", "-"]).failed(2, &["standard input"]);
}

#[test]
fn a_secret_is_made_once_and_kept_private() {
    let folder = Folder::new();
    let path = folder.file("secret");
    let made = honeyguide(&["keygen", &path, "--json"]).done().objects().remove(0);
    let secret = fs::read_to_string(&path).unwrap();
    assert_eq!(secret.trim().len(), 64);
    let seed: [u8; 32] = hex::decode(secret.trim()).unwrap().try_into().unwrap();
    assert_eq!(made["public_key"], hex::encode(honeyguide::krpc::SignedItem::public_key(&seed)));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    // A key is there as a whole and its public key is known, or nothing is there.
    let hasty = folder.file("hasty");
    let made = honeyguide(&["keygen", &hasty, "--timeout", "1e-10"]).done();
    assert_eq!((made.out.trim().len(), fs::exists(&hasty).unwrap()), (64, true));
    #[cfg(target_os = "linux")]
    {
        let (unread, full) = (folder.file("unread"), fs::File::options().write(true).open("/dev/full").unwrap());
        let status = Command::new(PROGRAM).args(["keygen", &unread]).stdout(full).stderr(Stdio::null()).status();
        assert_eq!((status.unwrap().code(), fs::exists(&unread).unwrap()), (Some(1), false));
    }
    honeyguide(&["keygen", &path]).failed(1, &[&path, "exists"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), secret);
    let nowhere = honeyguide(&["keygen", "/nonexistent/secret"]).failed(1, &["/nonexistent/secret"]);
    assert!(!nowhere.err.contains(".tmp"), "a name that nobody gave: {nowhere:?}");
}

#[test]
fn a_node_keeps_its_ids_and_contacts() {
    let (network, addr) = network(6);
    let folder = Folder::new();
    let state = folder.file("state");
    let two = ["node", "--bind", "127.0.0.1:0", "127.0.0.1:0", "--bind", "[::1]:0"];
    let args = [&two[..], &["--state", &state, "--bootstrap", &addr, "--json"]].concat();
    let ids = |lines: &[Value]| lines[..3].iter().map(|link| link["id"].clone()).collect::<Vec<_>>();
    let (mut running, mut first) = (Running::start(&args), Vec::<Value>::new());
    // Each link says when it has joined.
    while first.iter().filter(|line| line["contacts"].is_u64()).count() < 3 {
        first.push(serde_json::from_str(&running.line()).unwrap());
    }
    running.end_by("INT").done();
    assert_eq!(first[2]["link"], 2);
    assert!(first.iter().any(|line| line["contacts"].as_u64() > Some(0)), "{first:?}");
    let args = [&args[..], &["--timeout", "1"]].concat();
    let saved = fs::read(&state).unwrap();
    let contacts = |saved: &[u8]| saved.windows(4).filter(|bytes| bytes == b"2:ip").count();
    assert!(contacts(&saved) > 3, "{saved:?}");
    assert_eq!(ids(&honeyguide(&args).done().objects()), ids(&first));
    // Nobody answers: what was known is not forgotten for that.
    let (_socket, nobody) = silent();
    let alone = ["node", "--bind", "127.0.0.1:0", "--state", &state, "--bootstrap", &nobody, "--timeout", "0.1"];
    drop(network);
    honeyguide(&alone).failed(1, &["no contact after 0.1 s", &nobody]);
    assert!(contacts(&fs::read(&state).unwrap()) > 3);

    for damage in [&saved[..saved.len() - 1], b"", b"something else", &[&saved[..], b"0:"].concat()] {
        fs::write(&state, damage).unwrap();
        honeyguide(&args).failed(1, &[&state, "damaged"]);
        assert_eq!(fs::read(&state).unwrap(), damage, "it is left as it was");
    }
    let folder_as_state = folder.path().to_str().unwrap();
    honeyguide(&["node", "--bind", "127.0.0.1:0", "--state", folder_as_state]).failed(1, &[folder_as_state]);
    let nowhere = "/nonexistent/state";
    let run = honeyguide(&["node", "--bind", "127.0.0.1:0", "--state", nowhere]).failed(1, &[nowhere]);
    assert!(!run.err.contains(".tmp"), "a name that nobody gave: {run:?}");
    let (_socket, used) = silent();
    honeyguide(&["node", "--bind", &used]).failed(1, &["in use"]);
    assert_eq!(honeyguide(&["node", "--bind", "127.0.0.1"]).code, Some(2), "an address has a port");
}

#[test]
fn a_node_that_was_alone_says_when_it_no_longer_is() {
    let mut first = Running::start(&["node", "--bind", "127.0.0.1:0", "--json"]);
    let mut line = || serde_json::from_str::<Value>(&first.line()).unwrap();
    let addr = line()["addr"].as_str().unwrap().to_string();
    assert_eq!(line()["contacts"], 0);
    let _second = Running::start(&["node", "--bind", "127.0.0.1:0", "--bootstrap", &addr]);
    assert_eq!(line()["contacts"], 1);
}

#[cfg(unix)]
#[test]
fn a_journal_is_never_the_state_file_too_by_whatever_name() {
    let folder = Folder::new();
    let (file, link, dotted) = (folder.file("file"), folder.file("link"), folder.file("./file"));
    std::os::unix::fs::symlink("file", &link).unwrap();
    for (journal, state) in [(&file, &file), (&file, &link), (&file, &dotted), (&dotted, &link), (&link, &file)] {
        let args = ["node", "--bind", "127.0.0.1:0", "--journal", journal, "--state", state, "--timeout", "1"];
        honeyguide(&args).failed(2, &[journal, state, "one file"]);
        assert!(!fs::exists(&file).unwrap() && fs::symlink_metadata(&link).unwrap().is_symlink());
    }
}

#[cfg(unix)]
#[test]
fn what_may_block_is_no_state_file_and_elsewhere_ends_in_time() {
    let folder = Folder::new();
    let pipe = folder.file("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    honeyguide(&["node", "--bind", "127.0.0.1:0", "--state", &pipe]).failed(1, &[&pipe, "not a regular file"]);
    // A shell hands over the output of another program as a pipe, so commands that can wait for one do.
    for args in [&["replay", &pipe][..], &["put", "--file", &pipe], &["reconcile", &pipe, &pipe]] {
        honeyguide(&[args, &["--timeout", "0.1"]].concat()).failed(1, &["gave up after 0.1 s"]);
    }
}

#[test]
fn a_journal_replays_to_the_hash_of_its_recording() {
    let (_network, addr) = network(4);
    let folder = Folder::new();
    let journal = folder.file("journal");
    let args = ["node", "--bind", "127.0.0.1:0", "--journal", &journal, "--bootstrap", &addr];
    let mut running = Running::start(&args);
    assert!(running.line().starts_with("link 0 127.0.0.1:"));
    while !running.line().contains("joined with ") {}
    let recorded = running.end_by("INT").done();
    assert!(recorded.out.starts_with("hash ") && recorded.lines().len() == 1, "{recorded:?}");
    assert_eq!(honeyguide(&["replay", &journal]).done().out, recorded.out);
    let hash = honeyguide(&["replay", "--json", &journal]).done().objects().remove(0);
    assert_eq!(format!("hash {}\n", hash["hash"].as_str().unwrap()), recorded.out);

    let whole = fs::read(&journal).unwrap();
    fs::write(&journal, &whole[..whole.len() - 3]).unwrap();
    let cut = honeyguide(&["replay", &journal]).done();
    assert!(cut.err.contains("has no end") && cut.out == recorded.out, "the end itself puts out nothing: {cut:?}");
    fs::write(&journal, "my diary").unwrap();
    honeyguide(&["replay", &journal]).failed(1, &[&journal, "not a journal"]);
    honeyguide(&args).failed(1, &[&journal, "left as it is"]);
    assert_eq!(fs::read_to_string(&journal).unwrap(), "my diary");
    honeyguide(&["replay", "/nonexistent/journal"]).failed(1, &["/nonexistent/journal"]);
}

/// One run, as programs of the first two formats recorded it.
#[test]
fn a_journal_of_format_2_is_still_read_and_an_older_one_is_refused() {
    let journals = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/journals");
    let replay = |number: u32| honeyguide(&["replay", &format!("{journals}/format-{number}.journal")]);
    let second = replay(2).done();
    assert!(second.out.starts_with("hash ") && second.err.contains("of format 2"), "{second:?}");
    replay(1).failed(1, &["format-1.journal", "of format 1", "before honeyguide 0.1.0"]);
}

#[test]
fn a_read_only_node_does_not_answer() {
    let mut running = Running::start(&["node", "--bind", "127.0.0.1:0", "--read-only", "--json"]);
    let link: Value = serde_json::from_str(&running.line()).unwrap();
    honeyguide(&["ping", link["addr"].as_str().unwrap()]).failed(1, &["did not answer"]);
    running.end_by("INT").done();
}

/// Rule D7.
#[test]
fn a_node_that_adapts_answers_in_a_local_network() {
    let mut running = Running::start(&["node", "--bind", "127.0.0.1:0", "--adaptive", "--json"]);
    let link: Value = serde_json::from_str(&running.line()).unwrap();
    honeyguide(&["ping", link["addr"].as_str().unwrap()]).done();
    running.end_by("INT").done();
    honeyguide(&["node", "--adaptive", "--read-only"]).failed(2, &["--adaptive", "--read-only"]);
}

/// Rule D13.
#[test]
fn a_frugal_node_does_not_answer_and_its_run_is_replayed() {
    let folder = Folder::new();
    let journal = folder.file("run.journal");
    let mut running = Running::start(&["node", "--bind", "127.0.0.1:0", "--frugal", "--json", "--journal", &journal]);
    let link: Value = serde_json::from_str(&running.line()).unwrap();
    honeyguide(&["ping", link["addr"].as_str().unwrap()]).failed(1, &["did not answer"]);
    let recorded = running.end_by("INT").done();
    let hash = |run: Run| run.objects().last().unwrap()["hash"].clone();
    assert_eq!(hash(honeyguide(&["replay", &journal, "--json"]).done()), hash(recorded));
}

#[test]
fn inspect_answers_each_line_with_one_line() {
    let ping = hex::encode("d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe");
    let dance = hex::encode("d1:ad2:id20:abcdefghij01234567896:target20:abcdefghij0123456789e1:q5:dance1:t2:aa1:y1:qe");
    let refused = hex::encode("d1:q4:ping1:t2:aa1:y1:qe");
    let error = hex::encode("d1:eli201e4:Oopse1:t2:aa1:y1:ee");
    let broken = hex::encode("d1:t2:aa1:y1:re");
    let nodes = b"d1:rd2:id20:abcdefghij01234567895:nodes52:mnopqrstuvwxyz123456\x08\x08\x08\x08\x1a\xe1mnopqrstuvwxyz123457\x7f\x00\x00\x01\x1a\xe1e1:t2:aa1:y1:re";
    let input = [&ping, "", &dance, "zz", &refused, &error, &broken, &hex::encode(nodes), "6"].join("\n");
    let run = honeyguide_with(&["inspect"], input.as_bytes()).failed(1, &["2 of 9"]);
    let lines = run.objects();
    let verdicts: Vec<_> = lines.iter().map(|line| line["verdict"].as_str().unwrap()).collect();
    assert_eq!(
        verdicts,
        ["query", "drop", "query", "bad_input", "refuse", "error", "fail_query", "response", "bad_input"]
    );
    assert_eq!((&lines[0]["method"], &lines[0]["tid"]), (&Value::from("ping"), &Value::from("6161")));
    assert_eq!(lines[1]["reason"], "empty");
    assert_eq!((&lines[2]["method"], &lines[2]["served_as"]), (&Value::from("dance"), &Value::from("find_node")));
    assert_eq!(lines[4]["code"], 203);
    assert_eq!((&lines[5]["code"], &lines[5]["message"]), (&Value::from(201), &Value::from("Oops")));
    // The first node has our id; the second is on the loopback.
    assert_eq!((&lines[7]["kept_nodes"], &lines[7]["kept_values"]), (&Value::from(0), &Value::from(0)));

    let kept = |args: &[&str]| {
        let run = honeyguide_with(&[&["inspect", "--json"], args].concat(), hex::encode(nodes).as_bytes()).done();
        run.objects()[0]["kept_nodes"].as_u64().unwrap()
    };
    assert_eq!(kept(&["--loopback"]), 1);
    assert_eq!(kept(&["--id", INFO_HASH]), 1);
    assert_eq!(kept(&["--id", INFO_HASH, "--loopback"]), 2);
    assert_eq!(honeyguide_with(&["inspect"], b"").done().out, "");
}

#[test]
fn inspect_judges_the_item_of_a_response_when_it_is_told_what_was_asked() {
    let secret = [3; 32];
    let (key, value) = (honeyguide::krpc::SignedItem::public_key(&secret), b"5:hello");
    let item = honeyguide::krpc::Item::mutable(&secret, value).salt(b"salt").sign().unwrap();
    let signature = *item.mutable().signature;
    let head: &[u8] = b"d1:rd2:id20:abcdefghij01234567891:k32:";
    let reply = [head, &key, b"3:seqi1e3:sig64:", &signature, b"1:v5:helloe1:t2:aa1:y1:re"].concat();
    let verdict = |args: &[&str]| {
        let run = honeyguide_with(&[&["inspect"], args].concat(), hex::encode(&reply).as_bytes()).done();
        run.objects()[0]["verdict"].as_str().unwrap().to_string()
    };
    let target = honeyguide::krpc::Item::mutable_target(&key, b"salt").to_string();
    assert_eq!(verdict(&[]), "response");
    assert_eq!(verdict(&["--salt", "salt", "--target", &target]), "response");
    assert_eq!(verdict(&["--salt", "salt"]), "response");
    assert_eq!(verdict(&["--salt", "pepper"]), "fail_query");
    assert_eq!(verdict(&["--salt", "salt", "--target", INFO_HASH]), "fail_query");
}

#[test]
fn a_network_that_does_not_answer_is_a_failure_with_a_reason() {
    let (_socket, nobody) = silent();
    std::thread::scope(|scope| {
        for command in ["find-node", "peers", "scrape", "sample", "get"] {
            let nobody = nobody.as_str();
            let run = move || honeyguide(&[command, INFO_HASH, "--bootstrap", nobody, "--timeout", "0.5"]);
            scope.spawn(move || run().failed(1, &["no usable answer", nobody]));
        }
    });
    let unknown = ["peers", INFO_HASH, "--bootstrap", "no-such-host.invalid:6881", "--timeout", "0.5"];
    let unknown = honeyguide(&unknown).ended(1, &["no address to talk to"]);
    assert!(unknown.err.lines().all(|line| line.contains("no-such-host.invalid")), "{unknown:?}");
    // One that is malformed is wrong usage, whatever the others are.
    for other in [&nobody[..], "no-such-host.invalid:6881"] {
        let args = ["peers", INFO_HASH, "--bootstrap", other, "--bootstrap", "127.0.0.1"];
        honeyguide(&args).failed(2, &["\"127.0.0.1\"", "port"]);
    }
    let public = ["--network", "public", "--bootstrap", &nobody];
    let refused = |run: Run| run.failed(1, &[&nobody, "public network refuse", "--network local"]);
    refused(honeyguide(&[&["get", INFO_HASH], &public[..]].concat()));
    refused(honeyguide(&["ping", &nobody, "--network", "public"]));
    honeyguide(&["peers", INFO_HASH, "--network", "local"]).failed(2, &["--bootstrap"]);
}

#[test]
fn a_network_is_joined_through_any_one_of_many_addresses() {
    let (_network, addr) = network(6);
    let sockets: Vec<_> = (0..40).map(|_| silent()).collect();
    let mut args = vec!["find-node", INFO_HASH];
    args.extend(sockets.iter().flat_map(|(_, nobody)| ["--bootstrap", nobody.as_str()]));
    args.extend(["--bootstrap", &addr]);
    assert!(honeyguide(&args).done().lines().len() >= 6);
}

#[test]
fn a_timeout_is_kept_however_short_and_its_limit_is_named() {
    let (_socket, nobody) = silent();
    let run = honeyguide(&["ping", &nobody, "--timeout", "1e-10"]).failed(1, &[]);
    assert!(["gave up", "did not answer"].iter().any(|words| run.err.contains(words)), "{run:?}");
    for wrong in ["inf", "1000000001", "0", "NaN"] {
        let run = honeyguide(&["ping", &nobody, "--timeout", wrong]);
        assert!(run.code == Some(2) && run.err.contains("above 0 and at most 1000000000"), "{run:?}");
    }
}

#[test]
fn a_command_that_waits_gives_up_when_its_time_is_over() {
    for args in [&["put", "-"][..], &["inspect"]] {
        let mut command = Command::new(PROGRAM);
        command.args(args).args(["--timeout", "0.1"]).stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdin = child.stdin.take();
        assert_eq!(child.wait().unwrap().code(), Some(1));
        let mut err = String::new();
        child.stderr.unwrap().read_to_string(&mut err).unwrap();
        assert!(err.contains("gave up after 0.1 s"), "{err}");
        drop(stdin);
    }
}

#[test]
fn wrong_usage_is_exit_code_2() {
    for args in [
        &[][..],
        &["dance"],
        &["get"],
        &["get", "abc"],
        &["get", INFO_HASH, "--key", INFO_HASH],
        &["get", "--key", INFO_HASH],
        &["get", INFO_HASH, "--salt", "x"],
        &["get", INFO_HASH, "--first"],
        &["find-node", "zz42424242424242424242424242424242424242"],
        &["announce", INFO_HASH],
        &["announce", INFO_HASH, "--port", "0"],
        &["announce", INFO_HASH, "--port", "65536"],
        &["put"],
        &["put", "x", "--seq", "1"],
        &["put", "x", "--secret", "f", "--seq", "-1"],
        &["put", "x", "--bencod"],
        &["put", "x", "--secret", "f", "--salt", &"s".repeat(65)],
        &["peers", INFO_HASH, "--timeout", "0"],
        &["peers", INFO_HASH, "--timeout", "soon"],
        &["peers", INFO_HASH, "--network", "moon"],
        &["testnet", "--nodes", "0"],
        &["inspect", "--id", "12"],
        &["node", "--bind", "a:1"],
    ] {
        let run = honeyguide(args);
        assert_eq!(run.code, Some(2), "{args:?} {run:?}");
        assert!(run.out.is_empty() && !run.err.is_empty());
    }
    assert!(honeyguide(&["--help"]).done().out.contains("testnet"));
    assert!(honeyguide(&["put", "--help"]).done().out.contains("--bootstrap"));
}
