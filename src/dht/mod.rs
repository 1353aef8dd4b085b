//! The Mainline DHT: its vocabulary, its parts and the [`Node`] that they make together.

pub mod command;
pub mod config;
pub mod contact;
pub mod error;
pub mod event;
pub mod items;
pub mod limiter;
pub mod lookup;
pub mod node;
pub mod outage;
pub mod peers;
pub mod size;
pub mod stats;
pub mod table;
pub mod tokens;
pub mod trace;
pub mod transactions;
pub mod votes;

pub use config::Config;
pub use node::Node;
