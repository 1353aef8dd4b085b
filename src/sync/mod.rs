//! Set reconciliation: two parties find what they do not have in common without telling each other everything.
//!
//! Negentropy V1, byte-compatible: [`SortedSet`] is the seam between the protocol and whatever holds the entries,
//! [`Reconciler`] the protocol itself. `spec/negentropy.md` states the rules and where they come from.

pub mod config;
mod lists;
#[cfg(feature = "alloc")]
pub mod rateless;
pub mod reconciler;
pub mod sealed;
pub mod set;
#[cfg(feature = "alloc")]
mod sort;
mod split;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub mod tree;

pub use config::{Config, Limits, Splitting};
pub use reconciler::{Error, Reconciler, Step};
pub use sealed::{Sealed, Sorted};
pub use set::{Difference, SortedSet, Window};
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub use tree::Tree;
