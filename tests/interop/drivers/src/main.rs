//! One node of ours behind the agent protocol of tests/interop/README.md, on either driver: what an embedder of the library
//! calls, where the other agents show what users of other libraries call.
//!
//! ```text
//! interop-drivers --driver std|tokio [--nodes 1] [--bootstrap HOST:PORT]... [--lifetime SECONDS]
//! ```
//!
//! With the thread driver every operation is waited for on this thread, with the other one in a task of a runtime.

use std::io::{BufRead, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use honeyguide::adapters::{BoundSocket, Finished, FromEvent, Handle, Operation, OperationError, rng_seed, std_thread};
use honeyguide::dht::{Freshness, PeerKind};
use honeyguide::krpc::Item;
use honeyguide::{Config, Endpoint, Id, Outcome};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// Longer than any operation's own deadline.
const LIMIT: Duration = Duration::from_secs(60);

/// An operation that was carried out and did not succeed: what happened, and the KRPC code that most nodes refused with.
struct Failure(String, Option<u16>);

impl From<&str> for Failure {
    fn from(error: &str) -> Self {
        Failure(error.to_string(), None)
    }
}

impl From<OperationError> for Failure {
    fn from(error: OperationError) -> Self {
        let refused = error.outcome().and_then(|outcome| outcome.refused.by_code().max_by_key(|(_, count)| *count));
        Failure(error.to_string(), refused.filter(|(_, count)| *count > 0).map(|(code, _)| code))
    }
}

struct Agent {
    node: Handle,
    /// There is one where the node is a task.
    runtime: Option<Runtime>,
    bootstrap: Vec<Endpoint>,
}

fn main() {
    let (driver, bootstrap, lifetime) = options();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(lifetime));
        std::process::exit(3);
    });
    let agent = Agent::start(&driver, bootstrap);
    let addresses: Vec<String> = agent.node.addrs().iter().map(ToString::to_string).collect();
    say(&json!({ "implementation": format!("honeyguide, {driver} driver"), "addresses": addresses }));
    for line in std::io::stdin().lock().lines() {
        let request: Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
        match agent.carry_out(&request) {
            Ok(mut answer) => {
                answer["ok"] = json!(true);
                say(&answer);
            }
            Err(Failure(error, code)) => say(&json!({ "ok": false, "error": error, "code": code })),
        }
    }
    agent.end(agent.node.shutdown());
}

fn options() -> (String, Vec<Endpoint>, u64) {
    let (mut driver, mut bootstrap, mut lifetime) = (String::new(), Vec::new(), 600);
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().expect("a value after each option");
        match name.as_str() {
            "--driver" => driver = value,
            "--nodes" => assert_eq!(value, "1", "this agent is one node"),
            "--bootstrap" => bootstrap.push(value.parse::<SocketAddr>().expect("an address").into()),
            "--lifetime" => lifetime = value.parse().expect("a number of seconds"),
            _ => panic!("unknown option {name}"),
        }
    }
    (driver, bootstrap, lifetime)
}

impl Agent {
    fn start(driver: &str, bootstrap: Vec<Endpoint>) -> Agent {
        let socket = BoundSocket::at((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port").socket;
        let (config, seed) = (Config::default().local(), rng_seed().expect("randomness of the system"));
        let (node, runtime) = match driver {
            "std" => (std_thread::spawn(config, seed, vec![socket]), None),
            "tokio" => {
                let runtime = Runtime::new().expect("a runtime");
                let inside = runtime.enter();
                let node = honeyguide::adapters::tokio::spawn(config, seed, vec![socket]);
                drop(inside);
                (node, Some(runtime))
            }
            _ => panic!("--driver std or --driver tokio"),
        };
        Agent { node: node.expect("a node"), runtime, bootstrap }
    }

    fn wait<T: FromEvent + Unpin>(&self, operation: Operation<T>) -> Result<Finished<T>, Failure> {
        Ok(match &self.runtime {
            None => operation.wait_for(LIMIT)?,
            Some(runtime) => runtime
                .block_on(async { tokio::time::timeout(LIMIT, operation).await })
                .map_err(|_| Failure::from("an operation without end"))??,
        })
    }

    fn carry_out(&self, request: &Value) -> Result<Value, Failure> {
        let node = &self.node;
        match request["op"].as_str().unwrap_or_default() {
            "join" => {
                let joined = self.wait(node.bootstrap(&self.bootstrap))?;
                if joined.outcome.answered == 0 {
                    return Err("nobody answered".into());
                }
                Ok(json!({ "answered": joined.outcome.answered }))
            }
            "ping" => {
                let address: SocketAddr = text(&request["address"])?.parse().map_err(|_| "not an address")?;
                let pinged = self.wait(node.ping(address.into()))?;
                let answer = pinged.results.first().or(pinged.response.as_ref()).ok_or("no answer")?;
                Ok(json!({ "id": answer.id.to_string() }))
            }
            "find_node" => {
                let found = self.wait(node.lookup(id(&request["target"])?))?;
                Ok(json!({ "nodes": found.results.iter().map(|closest| closest.nodes.len()).sum::<usize>() }))
            }
            "announce" => {
                let port =
                    request["port"].as_u64().and_then(|port| u16::try_from(port).ok()).ok_or("a port is missing")?;
                let stored = self.wait(node.announce(id(&request["info_hash"])?, Some(port), PeerKind::Downloader))?;
                Ok(json!({ "stored": stored.outcome.stored.all }))
            }
            "peers" => {
                let lists = self.wait(node.get_peers(id(&request["info_hash"])?))?.results;
                let peers: Vec<String> = lists.iter().flat_map(|list| &list.peers).map(ToString::to_string).collect();
                Ok(json!({ "peers": peers }))
            }
            "scrape" => {
                let counted = self.wait(node.scrape(id(&request["info_hash"])?))?;
                let swarm = counted.results.first().ok_or("nobody knows the swarm")?;
                Ok(json!({ "seeds": swarm.seeds, "peers": swarm.peers, "responders": swarm.responders }))
            }
            "put_immutable" => {
                let value = bencoded(&request["value"])?;
                let stored = self.wait(node.put_immutable(&value))?;
                let target = Item { value: &value, mutable: None }.target();
                Ok(json!({ "target": target.to_string(), "stored": stored.outcome.stored.all }))
            }
            "get_immutable" => {
                let found = self.wait(node.get_immutable(id(&request["target"])?, 1))?;
                Ok(json!({ "value": text_of(&found.results.last().ok_or("nobody has it")?.value)? }))
            }
            "put_mutable" => self.put_mutable(request),
            "get_mutable" => {
                let (key, salt) = (bytes::<32>(&request["key"])?, unhex(&request["salt"])?);
                let found = self.wait(node.get_mutable(&key, &salt, None, Freshness::Newest))?;
                let newest = found.results.last().ok_or("nobody has it")?;
                let seq = newest.mutable.as_ref().map(|signed| signed.seq);
                Ok(json!({ "value": text_of(&newest.value)?, "seq": seq }))
            }
            other => Err(Failure(format!("this agent has no {other}"), None)),
        }
    }

    fn put_mutable(&self, request: &Value) -> Result<Value, Failure> {
        let (secret_key, salt) = (bytes::<32>(&request["seed"])?, unhex(&request["salt"])?);
        let (value, seq) = (bencoded(&request["value"])?, request["seq"].as_i64().ok_or("a seq is missing")?);
        let item = Item::mutable(&secret_key, &value).salt(&salt).seq(seq).sign().map_err(|_| "too long")?;
        let stored = self.wait(self.node.put_mutable(&item, request["cas"].as_i64()))?.outcome;
        let key = hex::encode(item.mutable().key);
        Ok(json!({ "key": key, "seq": seq, "stored": stored.stored.all, "refused": refused(&stored) }))
    }

    fn end(&self, ended: honeyguide::adapters::Ended) {
        match &self.runtime {
            None => ended.wait(),
            Some(runtime) => runtime.block_on(ended),
        }
    }
}

fn refused(outcome: &Outcome) -> Value {
    let codes = outcome.refused.by_code().filter(|(_, count)| *count > 0);
    codes.map(|(code, count)| (code.to_string(), json!(count))).collect::<serde_json::Map<_, _>>().into()
}

fn say(message: &Value) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{message}").and_then(|()| out.flush()).expect("the reader is there");
}

fn text(value: &Value) -> Result<&str, Failure> {
    value.as_str().ok_or_else(|| "a text is missing".into())
}

fn unhex(value: &Value) -> Result<Vec<u8>, Failure> {
    hex::decode(text(value)?).map_err(|error| Failure(error.to_string(), None))
}

fn bytes<const N: usize>(value: &Value) -> Result<[u8; N], Failure> {
    unhex(value)?.try_into().map_err(|_| "another number of bytes is needed".into())
}

fn id(value: &Value) -> Result<Id, Failure> {
    bytes(value).map(Id)
}

/// Bytes as values travel: one bencoded byte string.
fn bencoded(value: &Value) -> Result<Vec<u8>, Failure> {
    let bytes = unhex(value)?;
    Ok([format!("{}:", bytes.len()).into_bytes(), bytes].concat())
}

/// The bytes of a value that is one bencoded byte string, as hex.
fn text_of(value: &[u8]) -> Result<String, Failure> {
    let colon = value.iter().position(|&byte| byte == b':').ok_or("no byte string")?;
    let length = std::str::from_utf8(&value[..colon]).ok().and_then(|digits| digits.parse().ok());
    let bytes = &value[colon + 1..];
    if length != Some(bytes.len()) {
        return Err("no byte string".into());
    }
    Ok(hex::encode(bytes))
}
