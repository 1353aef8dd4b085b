//! Nodes on loopback sockets, run by either driver through the one handle that they share.

use std::net::UdpSocket;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

#[cfg(feature = "journal")]
use honeyguide::adapters::Recording;
use honeyguide::adapters::{Handle, std_thread, tokio as tokio_driver};
use honeyguide::{Config, Endpoint};
use tokio::sync::Notify;

pub fn socket() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").unwrap()
}

/// Where a node's first link is.
pub fn addr(node: &Handle) -> Endpoint {
    node.addrs()[0].into()
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A driver, and what it runs on.
pub struct Driver {
    tasks: Option<(tokio::runtime::Handle, Arc<Notify>, JoinHandle<()>)>,
}

impl Driver {
    pub fn threads() -> Self {
        Driver { tasks: None }
    }

    /// The tasks have a thread of their own, so that the test may block.
    fn tasks() -> Self {
        let runtime = runtime();
        let (handle, stop) = (runtime.handle().clone(), Arc::new(Notify::new()));
        let stopped = stop.clone();
        let thread = thread::spawn(move || runtime.block_on(stopped.notified()));
        Driver { tasks: Some((handle, stop, thread)) }
    }

    pub fn both() -> [Self; 2] {
        [Driver::threads(), Driver::tasks()]
    }

    #[allow(dead_code, reason = "not every test needs a node that is not recorded")]
    pub fn spawn(&self, config: Config, seed: u8, sockets: Vec<UdpSocket>) -> Handle {
        match &self.tasks {
            None => std_thread::spawn(config, [seed; 32], sockets).unwrap(),
            Some((runtime, ..)) => {
                let _entered = runtime.enter();
                tokio_driver::spawn(config, [seed; 32], sockets).unwrap()
            }
        }
    }

    #[cfg(feature = "journal")]
    #[allow(dead_code, reason = "not every test records")]
    pub fn record(
        &self,
        config: Config,
        seed: u8,
        sockets: Vec<UdpSocket>,
        sink: impl std::io::Write + Send + 'static,
    ) -> (Handle, Recording) {
        match &self.tasks {
            None => std_thread::spawn_recorded(config, [seed; 32], sockets, sink).unwrap(),
            Some((runtime, ..)) => {
                let _entered = runtime.enter();
                tokio_driver::spawn_recorded(config, [seed; 32], sockets, sink).unwrap()
            }
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some((_, stop, thread)) = self.tasks.take() {
            stop.notify_one();
            let _ = thread.join();
        }
    }
}
