//! The iterative lookup: which contact to ask next, and when the answer is complete.
//!
//! A lookup keeps a *window* of candidates, nearest to the target first, and a few *slots* for queries in flight.
//!
//! ```text
//! candidate: Fresh -> Asked -> Answered [-> Storing -> Stored | Refused]
//!                      |  \-> Failed                \-> Failed
//!                      \-> Late (soft timeout: the slot is free again) -> Answered | Failed
//! ```
//!
//! It *converges* when the `k` nearest candidates that are alive have all answered: nobody alive and nearer can be
//! missing then, because each of the `k` would have named it. A candidate that is late or has failed does not count as
//! alive, so a silent node costs its soft timeout and never holds the end up; only when fewer than `k`
//! have answered and nobody else is left, late answers are waited for, for a while. A put or an announce then turns
//! from converging to *storing*: it stores on each of the `replicas` nearest that answered and gave a token, asks those
//! among them that were not asked yet, reports after `report_at` confirmations and goes on in the background.
//!
//! Candidates are classed by what is known of them: *good* (answered us before), *unverified* (named by others), *bad*
//! (failed lately). Each class has slots of its own, so that dead referrals cannot occupy the slots of good contacts;
//! bad ones are asked only when nothing else is left.
//!
//! Against many addresses of one prefix and against false referrals: the window is bounded, each endpoint is asked at
//! most once, one reply adds at most [`SHARE`] candidates, the unverified nodes of one /24 (/48) get one place
//! together, and a responder must carry the id it was asked by.
//!
//! This is pure policy: no clock, no packets, no memory of its own. The node lends the window and carries the answers.

mod candidate;
mod engine;
mod rules;
mod sounding;
mod spacing;
mod survey;

pub use candidate::{Candidate, Class, LookupWindow, Offer, SHARE, TokenCell, Version};
pub use engine::{Lookup, Next};
pub use rules::{Burdens, Rules};
pub use spacing::Spacing;
