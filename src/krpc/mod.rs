//! Floor 1: bytes to values and back. No time, no randomness.

pub mod bencode;
pub mod bloom;
pub mod compact;
pub mod endpoint;
pub mod id;
pub mod item;
pub mod message;

pub use endpoint::Endpoint;
pub use id::Id;
