//! A journal of a run of a node, from which the run replays exactly.
//!
//! A node is a function of its configuration, its seed, the sizes of its storage and the calls made to it, in their
//! order: inputs, commands and polls. A [`Call`] is one of them as a value. With feature `journal`, a [`Record`] is a
//! call with its time and the number of polls since the record before; a journal is records back to back, each in a
//! frame with its length and its checksum. Now and then a record is no call, but a mark: the hash of all that the node
//! had put out by then.

mod call;
#[cfg(feature = "journal")]
mod frame;
#[cfg(feature = "journal")]
mod kept;
#[cfg(feature = "journal")]
mod record;

pub use call::Call;
#[cfg(test)]
pub(crate) use call::examples;
#[cfg(feature = "journal")]
pub use frame::RecordError;
#[cfg(feature = "journal")]
pub use record::Record;
