//! What every machine stands on: time, random numbers, memory, errors. Knows no protocol.

pub(crate) mod arena;
pub(crate) mod bytes;
pub(crate) mod deadlines;
pub(crate) mod error;
pub(crate) mod list;
pub(crate) mod lru;
pub(crate) mod order;
pub(crate) mod planted;
pub(crate) mod rate;
pub(crate) mod recount;
pub(crate) mod ring;
pub(crate) mod rng;
pub(crate) mod slab;
pub(crate) mod time;

pub use error::{ConfigError, NoRoom};
pub use rng::Rng;
