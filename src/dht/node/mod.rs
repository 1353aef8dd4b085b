//! The composite: a full participant of the DHT.
//!
//! ```text
//!   datagram, refusal, timeout            command
//!              |                             |
//!            input ----- facts ------+     start
//!              |                     v       v
//!           server  --> replies    operations (a lookup each)
//!                         |          |            |
//!                       drain <------+-- inbox ---+---- news
//!                         |
//!      transmit, event, next deadline
//! ```
//!
//! The parts (table, lookups, open queries, stores, limiter) never see each other: the node tells them facts, asks
//! them for work and acts on their verdicts. Control goes down once and comes back once.

#[cfg(feature = "alloc")]
mod allocate;
mod drain;
mod inbox;
mod input;
pub mod inspect;
#[cfg(any(test, debug_assertions))]
mod invariants;
pub mod journal;
mod operation;
pub mod output_hash;
mod results;
mod server;
mod start;
mod state;
pub mod storage;
mod upkeep;

pub use crate::dht::command::{Command, DirectQuery, Freshness, PeerKind};
pub use crate::dht::event::{Buffer, Event, Input, LinkId, OpId, Outcome, Output, Reason, Refusals};
pub use state::{MAX_BOOTSTRAP_NODES, Node, OpView};
pub use storage::{MAX_OPERATIONS, Part, Storage, StorageBuf};
pub use upkeep::Timer;
