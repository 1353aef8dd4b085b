//! Floor 0: time, chance, memory and counters. Knows no protocol.

pub mod arena;
pub mod budget;
pub mod error;
pub mod heap;
pub mod order;
pub mod pool;
pub mod probe;
pub mod recency;
pub mod ring;
pub mod rng;
pub mod stats;
pub mod time;
