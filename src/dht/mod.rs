//! The Mainline DHT: its vocabulary, its parts.

pub mod config;
pub mod contact;
pub mod health;
pub mod items;
pub mod limiter;
pub mod lookup;
pub mod peers;
pub mod size;
pub mod table;
pub mod tokens;
pub mod transactions;
pub mod votes;

pub use config::Config;
