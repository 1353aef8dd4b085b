//! Ours: the test network of the crate, driven by tokio, in this process.

use std::time::Instant;

use honeyguide::Config;
use honeyguide::adapters::Handle;
use honeyguide::adapters::testnet::Testnet;
use honeyguide::dht::DropReason;
use honeyguide::dht::Freshness;
use honeyguide::krpc::Item;
use tokio::runtime::Runtime;

use super::{Network, Task};

pub struct Ours {
    runtime: Runtime,
    testnet: Testnet,
    /// Confirmations of the put that had the fewest.
    stored: u16,
}

impl Ours {
    pub fn start(nodes: usize) -> Ours {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        // The stock nodes of a test network have room for eight items; all that is put here has to stay.
        let mut config = Config::small().local();
        (config.capacity.items, config.capacity.value_bytes) = (1_000, 1 << 20);
        let testnet = runtime.block_on(Testnet::start_with(config, nodes, 0, [1; 32])).expect("free ports");
        Ours { runtime, testnet, stored: u16::MAX }
    }

    fn node(&self, number: usize) -> Handle {
        self.testnet.nodes()[number].clone()
    }

    /// Datagrams that a node refused to look at since their sender was past its rate.
    fn limited(&self) -> u64 {
        let limited = |node: &Handle| node.observe(|node| node.stats().dropped.by(DropReason::Limited)).wait();
        self.testnet.nodes().iter().filter_map(limited).sum()
    }
}

impl Network for Ours {
    fn name(&self) -> String {
        "honeyguide".into()
    }

    fn put(&mut self, task: &Task) -> Result<f64, String> {
        let secret_key = task.signer.to_bytes();
        let item = Item::mutable(&secret_key, &task.value).sign().expect("a short value");
        let node = self.node(task.writer());
        let begin = Instant::now();
        let put = self.runtime.block_on(node.put_mutable(&item, None));
        let elapsed = begin.elapsed();
        let stored = put.map_err(|failure| failure.to_string())?.outcome.stored.all;
        self.stored = self.stored.min(stored);
        if stored == 0 { Err("nobody stored it".into()) } else { Ok(elapsed.as_secs_f64() * 1e3) }
    }

    fn get(&mut self, task: &Task) -> Result<f64, String> {
        let (node, key) = (self.node(task.reader()), task.signer.verifying_key().to_bytes());
        let begin = Instant::now();
        let found = self.runtime.block_on(node.get_mutable(&key, b"", None, Freshness::First).next());
        let elapsed = begin.elapsed();
        if found.is_none_or(|found| found.value != task.value) {
            return Err("nobody has it".into());
        }
        Ok(elapsed.as_secs_f64() * 1e3)
    }

    fn notes(&self) -> Vec<String> {
        vec![format!(
            "honeyguide: test network with room for 1000 items a node, stock limits on traffic: {} datagrams were past them; each put was confirmed by at least {} nodes",
            self.limited(),
            self.stored
        )]
    }
}
