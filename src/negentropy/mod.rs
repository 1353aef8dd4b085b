//! Set reconciliation: two parties find what they do not have in common without telling each other everything.
//!
//! Each side has a set of [entries](Entry): timestamps and ids, in order. The sum of the ids of a range, hashed, is its
//! [`Fingerprint`]: ranges with equal fingerprints are equal, and need not be spoken of again. Ranges that differ are
//! split until the ids of what is left can be listed. Ten differences between two sets of a million cost four round
//! trips and 7.5 kB.
//!
//! ```text
//! ours               theirs
//! a b c    sum 17    a b c    sum 17     equal: nothing to do
//! d e f    sum 24    d f      sum 19     different: split again, or list the ids: "d f" comes, so e is missing there
//! g h i    sum 39    g h i    sum 39     equal
//! ```
//!
//! | name | what it is (what has no link needs the feature `alloc`) |
//! |---|---|
//! | [`Reconciler`] | one side of a session in negentropy V1, byte-compatible with other implementations |
//! | `RatelessInitiator`, `RatelessResponder` | another mode, between own ends: fewer bytes and round trips |
//! | `Sealed`, [`Sorted`] | a set that does not change, in memory of its own or lent |
//! | `Tree` | a set that changes, with snapshots |
//! | `KeptSymbols` | what a set keeps so that rateless sessions between own ends need no walk over it |
//! | [`Window`] | the part of a set in some span of time |
//! | [`SortedSet`] | what the protocol needs of a set: yours can be one too |
//!
//! A session is plain calls: no I/O, no clock, and no randomness but the bytes that you give it. What a partner may
//! cost is bounded by [`Limits`]. `spec/negentropy.md` states the rules and where they come from.

pub(crate) mod config;
pub(crate) mod diff;
pub(crate) mod error;
#[cfg(feature = "alloc")]
pub(crate) mod kept;
pub(crate) mod message;
#[cfg(feature = "alloc")]
pub(crate) mod rateless;
pub(crate) mod reconciler;
#[cfg(feature = "alloc")]
pub(crate) mod sealed;
pub(crate) mod search;
pub(crate) mod set;
#[cfg(feature = "alloc")]
pub(crate) mod sort;
pub(crate) mod sorted;
pub(crate) mod split;
#[cfg(feature = "alloc")]
pub(crate) mod symbol;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub(crate) mod tree;
pub(crate) mod varint;

pub use config::{Limits, ReconcilerConfig, Splitting};
pub use error::ReconcileError;
#[cfg(feature = "alloc")]
pub use kept::KeptSymbols;
pub use message::{Entry, Fingerprint, MalformedFrame, Strictness};
#[cfg(feature = "alloc")]
pub use rateless::{RatelessInitiator, RatelessResponder, RatelessStep};
pub use reconciler::{Reconciler, Step};
#[cfg(feature = "alloc")]
pub use sealed::Sealed;
pub use set::{Difference, SortedSet, Sum, Window};
pub use sorted::{NotASet, Sorted};
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub use tree::Tree;
