//! Pure state machines for the Mainline DHT: packets, timers and commands go in; packets, events and deadlines come
//! out.
//!
//! The library owns no socket, no clock, no thread and no global state. Whoever embeds it owns the sockets, the clock
//! and the threads; the library decides what to send, to whom and when. Everything a machine does is a function of its
//! configuration, a 32-byte seed, its storage and the calls made to it: same calls, same bytes, on every platform.
//!
//! # The contract
//!
//! 1. Give the machine ONE input, with `now`: a datagram, a refusal, a timeout, a command. Commands are inputs too, and
//!    are legal in the middle of a drain.
//! 2. Drain it: call [`poll_output(&mut buf)`](Node::poll_output) until it returns [`Output::Timeout`]. A drain is
//!    finite. One datagram, one drain: batch the sends, never the inputs.
//! 3. Send each `Transmit` at once, or drop it: loss is always legal.
//! 4. Wait for a packet, a command of your own, or the deadline that `Timeout` named. After a `Timeout` input at t and
//!    its drain, the next deadline is later than t.
//! 5. Early, late and repeated timeouts are free and safe. The forward steps of the clock are added up: a step
//!    back costs that step and nothing more, a leap forward what a long sleep costs.
//! 6. Skipping a drain can lose a reply or an intermediate result, both counted; never a `Finished`, and never state.
//!
//! # A node in twenty lines
//!
//! ```
//! use honeyguide::{Config, Event, Id, Input, Instant, Node, Output, Storage};
//!
//! let config = Config::small().local();
//! let storage = Storage::allocate(&config);
//! let mut node = Node::new(config, [7; 32], storage)?;
//! let mut buf = [0; 1500];
//!
//! let now = Instant::ZERO; // yours: microseconds since whatever you like
//! node.lookup(now, 1, Id([0x42; 20]))?;
//! let deadline = loop {
//!     match node.poll_output(&mut buf) {
//!         Output::Transmit { to, payload, .. } => println!("send {} bytes to {to}", payload.len()),
//!         Output::Event(Event::Finished { outcome, .. }) => println!("{}", outcome.reason),
//!         Output::Event(event) => println!("{event:?}"),
//!         Output::Timeout(deadline) => break deadline,
//!     }
//! };
//! // .. wait for a packet or for the deadline, then:
//! node.handle_input(deadline.unwrap_or(now), Input::Timeout);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Layout
//!
//! [`base`] knows no protocol; [`krpc`] turns bytes into values and back; [`dht`] holds the parts of the DHT and the
//! [`Node`] that they make together; [`negentropy`] finds what two sets do not have in common; `adapters` (feature
//! `std`) drives the node on sockets. A file imports only from floors below its own: `spec/architecture.md`.
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `std` (default) | the thread driver, name resolution; implies `alloc` |
//! | `alloc` | storage that a machine allocates once, for itself |
//! | `journal` | recording runs of a node, and replaying them |
//! | `tokio` | the tokio driver and the loopback test network |
//! | `stream` | `futures_core::Stream` for results and notices |
//! | `sim` | worlds of thousands of nodes in virtual time, with what befalls them |
//! | `serde` | `Serialize` and `Deserialize` for ids, endpoints, saved contacts, outcomes and counters |
//! | `cli` | the program `honeyguide`; turns everything on but `internals` |
//!
//! Without features the whole node is there, with lent storage, needing neither std nor an allocator.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
// What is called for its result alone says so. Not with `internals`, where every inner part counts as public.
#![cfg_attr(not(feature = "internals"), warn(clippy::must_use_candidate, clippy::return_self_not_must_use))]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

#[cfg(feature = "std")]
pub mod adapters;
pub mod base;
pub mod dht;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals;
pub mod krpc;
pub mod negentropy;
#[cfg(feature = "serde")]
mod serde;
#[cfg(feature = "sim")]
pub mod sim;

pub use base::time::Instant;
pub use dht::command::Command;
pub use dht::config::Config;
pub use dht::event::{Event, Input, Output};
pub use dht::node::{Node, Storage};
pub use dht::outcome::Outcome;
pub use krpc::endpoint::Endpoint;
pub use krpc::id::Id;

/// What the macro [`storage!`] refers to. Not part of the API.
#[doc(hidden)]
pub mod __private {
    pub use crate::dht::node::lend::{Sizes, StorageBuf};
}

/// The README's examples compile.
#[cfg(all(doctest, feature = "tokio"))]
#[doc = include_str!("../README.md")]
struct Readme;
