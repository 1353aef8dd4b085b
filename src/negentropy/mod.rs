//! Set reconciliation: two parties find what they do not have in common without telling each other everything.
//!
//! Negentropy V1, byte-compatible: [`SortedSet`] is the seam between the protocol and whatever holds the entries,
//! [`Reconciler`] the protocol itself. `spec/negentropy.md` states the rules and where they come from.

pub mod config;
mod diff;
pub mod message;
#[cfg(feature = "alloc")]
pub mod rateless;
pub mod reconciler;
pub mod set;
#[cfg(feature = "alloc")]
mod sort;
pub mod sorted;
mod split;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub mod tree;
pub mod varint;

pub use config::{Limits, ReconcilerConfig, Splitting};
pub use reconciler::{ReconcileError, Reconciler, Step};
pub use set::{Difference, SortedSet, Window};
pub use sorted::{Sealed, Sorted};
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub use tree::Tree;
