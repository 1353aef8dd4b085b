//! What the fuzz targets do: one function for each, from any bytes to an assertion that holds.
//!
//! The targets in `targets/` only hand the bytes of the fuzzer on, so that everything can be called from elsewhere too:
//! from a test that has caught something, or from `examples/seeds.rs`, which makes the first corpus.

mod bencode;
mod compact;
mod differential;
mod item;
mod krpc;
mod negentropy;
mod node_ops;
pub mod run;
pub mod setting;
mod tree;

pub use bencode::bencode;
pub use compact::compact;
pub use differential::differential;
pub use item::item;
pub use krpc::krpc;
pub use negentropy::{changing_set, frame, hostile_partner, reconciler};
pub use node_ops::node_ops;
pub use run::journal;
