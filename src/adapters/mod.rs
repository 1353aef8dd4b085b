//! Where the machines meet sockets, clocks and threads: floor 4, feature `std`.
//!
//! A driver owns sockets and waits; the node decides. Both drivers ([`std_thread`] and, with feature `tokio`, `tokio`)
//! give out the same [`Handle`], whose [`Operation`]s can be waited for by a thread and awaited by a task.

mod bind;
mod cause;
mod clock;
mod contacts;
mod datagram_socket;
mod handle;
mod links;
mod mailbox;
mod message;
mod operation;
mod operation_error;
mod permits;
mod queue;
mod random;
#[cfg(feature = "journal")]
mod recording;
#[cfg(feature = "journal")]
mod replaying;
pub mod resolve;
mod results;
mod routers;
mod runner;
mod send_trouble;
pub mod std_thread;
#[cfg(feature = "tokio")]
pub mod testnet;
#[cfg(feature = "tokio")]
pub mod tokio;
mod trouble;
mod watch;

pub use bind::BoundSocket;
pub use bytes;
pub use datagram_socket::DatagramSocket;
pub use handle::Handle;
pub use links::links;
pub use operation::Operation;
pub use operation_error::OperationError;
pub use random::rng_seed;
#[cfg(feature = "journal")]
pub use recording::Recording;
#[cfg(feature = "journal")]
pub use replaying::{Replay, ReplayError, Replayed, replay};
pub use results::{Answer, Closest, Finished, Found, FromEvent, Notice, PeerList, Sample, Signed, Swarm};
pub use routers::Router;
pub use watch::{Ended, Notices, Observation};
