//! A journal of a run of a node, from which the run replays exactly.
//!
//! A node is a function of its configuration, its seed, the sizes of its storage and the calls made to it, in their
//! order: inputs, commands and polls. A [`Call`] is one of them as a value. With feature `journal`, a [`Record`] is a
//! call with its time and the number of polls since the record before; a journal is records back to back.

mod call;
#[cfg(feature = "journal")]
mod record;

pub use call::Call;
#[cfg(feature = "journal")]
pub use record::Record;
