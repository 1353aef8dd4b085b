//! Where the machines meet sockets, clocks and threads: floor 4, feature `std`.
//!
//! A driver owns sockets and waits; the node decides. Both drivers ([`std_thread`] and, with feature `tokio`, [`tokio`])
//! give out the same [`Handle`](handle::Handle), whose [`Operation`](handle::Operation)s can be waited for by a thread
//! and awaited by a task.

pub mod clock;
pub mod handle;
mod mailbox;
#[cfg(feature = "journal")]
pub mod recording;
pub mod resolve;
pub mod results;
mod runner;
pub mod std_thread;
#[cfg(feature = "tokio")]
pub mod testnet;
#[cfg(feature = "tokio")]
pub mod tokio;
