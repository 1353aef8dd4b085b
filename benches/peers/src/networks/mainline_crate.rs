//! Mainline's: its own `Testnet`, seeded, a thread a node, in this process.

use std::time::Instant;

use futures_lite::StreamExt;
use futures_lite::future::block_on;
use mainline::async_dht::AsyncDht;
use mainline::{MutableItem, Testnet};

use super::{Network, Task};

pub struct Theirs {
    nodes: Vec<AsyncDht>,
}

impl Theirs {
    pub fn start(nodes: usize) -> Theirs {
        let testnet = Testnet::builder(nodes).build().expect("free ports");
        Theirs { nodes: testnet.nodes.into_iter().map(|node| node.as_async()).collect() }
    }
}

impl Network for Theirs {
    fn name(&self) -> String {
        "mainline 8.0".into()
    }

    fn put(&mut self, task: &Task) -> Result<f64, String> {
        let item = MutableItem::new(task.signer.clone(), &task.value, 1, None);
        let begin = Instant::now();
        block_on(self.nodes[task.writer()].put_mutable(item, None)).map_err(|error| error.to_string())?;
        Ok(begin.elapsed().as_secs_f64() * 1e3)
    }

    fn get(&mut self, task: &Task) -> Result<f64, String> {
        let key = task.signer.verifying_key().to_bytes();
        let begin = Instant::now();
        let mut found = self.nodes[task.reader()].get_mutable(&key, None, None);
        let first = block_on(found.next()).ok_or("nobody has it")?;
        let elapsed = begin.elapsed();
        // Its lookup goes on; the next round should not find it at work.
        block_on(found.count());
        if first.value() == task.value { Ok(elapsed.as_secs_f64() * 1e3) } else { Err("another value".into()) }
    }

    fn notes(&self) -> Vec<String> {
        vec!["mainline: seeded test network, takes part in every fifth round".into()]
    }
}
