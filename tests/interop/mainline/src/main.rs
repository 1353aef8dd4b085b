//! The `mainline` crate behind the agent protocol of tests/interop/README.md.
//!
//! ```text
//! interop-mainline [--nodes N] [--bootstrap HOST:PORT]... [--lifetime SECONDS]
//! ```
//!
//! N nodes in server mode on 127.0.0.1; the first one carries out the requests.

use std::io::{BufRead, Write};
use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use futures_lite::StreamExt;
use futures_lite::future::block_on;
use mainline::async_dht::AsyncDht;
use mainline::errors::{ConcurrencyError, PutMutableError};
use mainline::{Dht, Id, MutableItem, SigningKey};
use serde_json::{Value, json};

/// An operation that was carried out and did not succeed: what happened, and the KRPC code where it is known.
struct Failure(String, Option<u16>);

impl<T: std::fmt::Display> From<T> for Failure {
    fn from(error: T) -> Self {
        Failure(error.to_string(), None)
    }
}

struct Options {
    nodes: usize,
    bootstrap: Vec<String>,
    lifetime: u64,
}

fn main() {
    let options = options();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(options.lifetime));
        std::process::exit(3);
    });
    let (nodes, addresses) = start(options.nodes, &options.bootstrap);
    say(&json!({ "implementation": "mainline 8.0.1", "addresses": addresses }));
    for line in std::io::stdin().lock().lines() {
        let request: Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
        match block_on(carry_out(&nodes, &request)) {
            Ok(Value::Object(mut answer)) => {
                answer.insert("ok".to_string(), json!(true));
                say(&Value::Object(answer));
            }
            Ok(other) => unreachable!("an answer is an object, not {other}"),
            Err(Failure(error, code)) => say(&json!({ "ok": false, "error": error, "code": code })),
        }
    }
    std::process::exit(0);
}

fn options() -> Options {
    let mut options = Options { nodes: 1, bootstrap: Vec::new(), lifetime: 600 };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().expect("a value after each option");
        match name.as_str() {
            "--nodes" => options.nodes = value.parse().expect("a number of nodes"),
            "--bootstrap" => options.bootstrap.push(value),
            "--lifetime" => options.lifetime = value.parse().expect("a number of seconds"),
            _ => panic!("unknown option {name}"),
        }
    }
    options
}

/// Starts the nodes. A server without any bootstrap address takes the target of each find_node for the asker's id, so
/// its table fills with ids that do not exist; and a server enters only nodes that it asked itself. Hence all nodes of
/// the swarm bootstrap from one another, on ports that the system chose a moment before.
fn start(count: usize, foreign: &[String]) -> (Vec<AsyncDht>, Vec<String>) {
    let ports: Vec<u16> = {
        let sockets: Vec<UdpSocket> =
            (0..count).map(|_| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port")).collect();
        sockets.iter().map(|socket| socket.local_addr().expect("an address").port()).collect()
    };
    let addresses: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let nodes = ports
        .iter()
        .enumerate()
        .map(|(i, port)| {
            let mut bootstrap = foreign.to_vec();
            bootstrap.extend(addresses.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, a)| a.clone()));
            Dht::builder()
                .server_mode()
                .bootstrap(&bootstrap)
                .bind_address(Ipv4Addr::LOCALHOST)
                .port(*port)
                .request_timeout(Duration::from_millis(1_000))
                .build()
                .expect("a node")
                .as_async()
        })
        .collect();
    (nodes, addresses)
}

async fn carry_out(nodes: &[AsyncDht], request: &Value) -> Result<Value, Failure> {
    let dht = &nodes[0];
    match request["op"].as_str().unwrap_or_default() {
        "join" => {
            let least = request["least"].as_u64().unwrap_or(1) as usize;
            let deadline = Instant::now() + Duration::from_secs(request["seconds"].as_u64().unwrap_or(20));
            loop {
                let mut sizes = Vec::new();
                for node in nodes {
                    sizes.push(if node.bootstrapped().await { node.to_bootstrap().await.len() } else { 0 });
                }
                if sizes.iter().all(|size| *size >= least) {
                    return Ok(json!({ "nodes": sizes }));
                }
                if Instant::now() > deadline {
                    return Err(Failure(format!("tables hold {sizes:?}"), None));
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        "find_node" => {
            let found = dht.find_node(id(&request["target"])?).await;
            Ok(json!({ "nodes": found.len() }))
        }
        "announce" => {
            let port = request["port"].as_u64().and_then(|port| u16::try_from(port).ok()).ok_or("a port is missing")?;
            dht.announce_peer(id(&request["info_hash"])?, Some(port)).await?;
            Ok(json!({}))
        }
        "peers" => {
            let lists: Vec<_> = dht.get_peers(id(&request["info_hash"])?).collect().await;
            let peers: Vec<String> = lists.concat().iter().map(ToString::to_string).collect();
            Ok(json!({ "peers": peers }))
        }
        "put_immutable" => {
            let target = dht.put_immutable(&bytes(&request["value"])?).await?;
            Ok(json!({ "target": target.to_string() }))
        }
        "get_immutable" => {
            let value = dht.get_immutable(id(&request["target"])?).await.ok_or("nobody has it")?;
            Ok(json!({ "value": hex(&value) }))
        }
        "put_mutable" => {
            let seed: [u8; 32] = bytes(&request["seed"])?.try_into().map_err(|_| "a seed has 32 bytes")?;
            let signer = SigningKey::from_bytes(&seed);
            let key = signer.verifying_key().to_bytes();
            let salt = bytes(&request["salt"])?;
            let seq = request["seq"].as_i64().ok_or("a seq is missing")?;
            let salt = Some(salt.as_slice()).filter(|salt| !salt.is_empty());
            let item = MutableItem::new(signer, &bytes(&request["value"])?, seq, salt);
            let target = item.target().to_string();
            match dht.put_mutable(item, request["cas"].as_i64()).await {
                Ok(outcome) => {
                    Ok(json!({ "key": hex(&key), "seq": seq, "target": target, "stored": outcome.stored_at }))
                }
                Err(PutMutableError::Concurrency(ConcurrencyError::CasFailed)) => {
                    Err(Failure("cas mismatch".to_string(), Some(301)))
                }
                Err(PutMutableError::Concurrency(ConcurrencyError::NotMostRecent)) => {
                    Err(Failure("seq too old".to_string(), Some(302)))
                }
                Err(error) => Err(error.into()),
            }
        }
        "get_mutable" => {
            let key: [u8; 32] = bytes(&request["key"])?.try_into().map_err(|_| "a key has 32 bytes")?;
            let salt = bytes(&request["salt"])?;
            let salt = Some(salt.as_slice()).filter(|salt| !salt.is_empty());
            let item = dht.get_mutable_most_recent(&key, salt).await.ok_or("nobody has it")?;
            Ok(json!({ "value": hex(item.value()), "seq": item.seq() }))
        }
        other => Err(Failure(format!("mainline has no {other}"), None)),
    }
}

fn say(message: &Value) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{message}").and_then(|()| out.flush()).expect("the reader is there");
}

fn id(value: &Value) -> Result<Id, Failure> {
    Ok(Id::from_bytes(bytes(value)?)?)
}

/// Bytes from hex; a missing value is empty.
fn bytes(value: &Value) -> Result<Vec<u8>, Failure> {
    let text = value.as_str().unwrap_or_default();
    (0..text.len())
        .step_by(2)
        .map(|i| text.get(i..i + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok()))
        .collect::<Option<Vec<u8>>>()
        .ok_or_else(|| Failure(format!("not hex: {text}"), None))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
