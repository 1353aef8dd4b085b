//! The rateless mode: for own ends that have agreed to it, and for differences that are few and scattered.
//!
//! ```text
//! initiator                                   responder
//!     2048 counts            ------->         estimates how much differs
//!                            <-------         that many symbols: sums of ids, each over a random part of the set
//!     takes its own sums away: what is left are sums over the differences alone
//!     a sum of one difference shows it; taken out of all others that it was in, it shows more
//!     (not all found)        ------->
//!                            <-------         more symbols
//! ```
//!
//! The parts get smaller along the stream of symbols. About 1.4 symbols a difference are enough, wherever the
//! differences lie, and more can be had when they are not.
//!
//! The result is believed only if the own set with the differences applied has the fingerprint that the responder
//! named. Everything else ends in [`RatelessStep::FallBack`]: too many differences, sums that lead nowhere, or a
//! partner that speaks V1 only and says so by the byte `61`. Then the session begins anew with a
//! [`Reconciler`](crate::negentropy::Reconciler). Rules N40 to N49 of `spec/negentropy.md`.
//!
//! An answer costs the responder a walk over its whole set: enable it for partners whom you know. Own ends that share a
//! secret key spare the walk by symbols that their sets keep (N49).

mod estimate;
mod session;
mod sketch;

pub use session::{RatelessInitiator, RatelessResponder, RatelessStep};
