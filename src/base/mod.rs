//! Floor 0: time, random numbers, memory, errors. Knows no protocol.

pub mod arena;
pub mod bitset;
pub mod bytes;
pub mod deadlines;
pub mod error;
pub mod list;
pub mod lru;
pub mod rate;
pub mod ring;
pub mod rng;
pub mod slab;
pub mod time;
