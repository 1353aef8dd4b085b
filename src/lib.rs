//! Pure state machines for the Mainline DHT: packets, timers and commands go in; packets, events and deadlines come out.
//!
//! The library owns no socket, no clock, no thread and no global state. Whoever embeds it owns the sockets, the clock and
//! the threads; the library decides what to send, to whom and when. Everything a machine does is a function of its
//! configuration, a 32-byte seed, its storage and the calls made to it: same calls, same bytes, on every platform.
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `std` (default) | the thread driver, name resolution, the clock; implies `alloc` |
//! | `alloc` | storage that a machine allocates once, for itself |
//! | `tokio` | the tokio driver and the loopback test network |
//! | `cli` | the program `honeyguide`; turns everything on |
//!
//! Without features the whole node is there, with lent storage, needing neither std nor an allocator.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

pub mod base;
pub mod dht;
pub mod sync;
pub mod wire;
