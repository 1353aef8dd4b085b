//! The protocol: one side asks and learns, the other answers.
//!
//! ```text
//! initiator                                          responder
//!     fingerprints of 16 ranges        ------->
//!                                      <-------      ranges that differ, in parts: fingerprints, lists of ids
//!     compares the lists, and learns   ------->      ..
//!     nothing is left to ask: done
//! ```
//!
//! A message speaks of ranges, one after the other from the lowest entry to the highest: skip it, this is the
//! fingerprint of what I have there, these are all the ids I have there. A range whose fingerprint differs is answered
//! by those of its parts, or by its ids when they are few; the initiator compares such lists with its own and learns.
//! When it has nothing left to ask, it is done. The responder keeps nothing between messages but counters. An initiator
//! whose frame is full sets the rest of the message aside, and takes it up when there is room (N26).
//!
//! Why it ends: an answer to a range either lists it, or splits it into parts that are smaller on the side that split
//! it; what was cut at the frame limit is a range again, and what came before it was not cut. Why nothing is lost: a
//! range is skipped only when both fingerprints are equal, when one side knows all ids of the other there, or when the
//! initiator has set it aside, and it is not done before it has asked about that; and the fingerprint of what was cut
//! begins at the last bound that was written (N8).

mod deferred;
mod news;
#[cfg(feature = "alloc")]
mod owned;
mod pace;
mod party;
mod reading;
mod session;
mod stretches;
mod survey;
mod turn;

pub use session::{Reconciler, Step};
