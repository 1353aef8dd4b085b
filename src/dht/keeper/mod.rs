//! The keeper: keeps alive what its user has stored. Rules: `spec/keeper.md`.
//!
//! It holds a schedule for each key, and never a value. It says which key is due, is told what came of the look or of
//! the put, and says when that key is due again, or that the user is to supply the item.

mod entry;
mod ledger;
mod links;
#[cfg(all(test, feature = "alloc"))]
mod tests;

pub use entry::{KeptEntry, KeptPut, Looked, Supplied};
pub use ledger::{Keeper, KeeperMemory, Work};
pub use links::{CopiesByLink, LinkCopies};
