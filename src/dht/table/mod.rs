//! The routing table of one link: which contacts we know, which we hand out, whom to ask next.
//!
//! **What is in it.** Only nodes that answered a query of ours, from the endpoint that we asked and under the id that
//! we keep. Names in other nodes' lists and senders of queries are unverified: they may wait as newcomers until a query
//! of our own has been answered, and nothing that they send changes a contact.
//!
//! **Shape.** Contacts lie in one array in the order of their ids, with the first 64 bits of each id in a parallel
//! array. That array is a binary trie without pointers: the contacts that share a given prefix are neighbours. So the
//! nearest contacts of a target are found by a few binary searches, and bucket `b`, the contacts that share exactly `b`
//! leading bits with our own id (BEP 5), is a range. There are 32 buckets; the last one holds all that share more,
//! which in a network of fewer than 10^10 nodes only a node does that chose its id.
//!
//! **Life of a contact.** `Newcomer -> (asked, answered) -> Contact -> Suspect -> (asked again after 30 s) ->
//! remembered`, and from any of these back to a good contact by one answer. A full bucket takes nobody in until one of
//! its contacts fails twice: a contact that answers stays, however many newcomers wait. Each contact is asked again
//! when it was silent for a quarter of an hour, so a newcomer never has to trigger a check; it only moves the checks
//! of its bucket to the front.
//!
//! **Prefixes.** Outside local networks one address has one contact, one /24 (/64) has two in a bucket and ten in all.
//! An endpoint that answers under another id than before loses its contact, and waits for a while.
//!
//! **Callers.** Who asks us before we know it competes for a part of the free places only: those who want to be in our
//! table come by themselves, again and again, and never leave. All others are for those whom we find.
//!
//! **Memory.** Who was a contact is remembered, apart from the table, and asked again: often while the table is poor,
//! every few minutes else. So a node comes back after any outage, and the halves of a network that was cut meet again.
//!
//! **Cost.** A received query costs a binary search and a look at the few newcomers of one bucket. The contacts are
//! scanned only when an answer is about to add one, at a check, of which there is one in two seconds, and for one query
//! of a stranger in a quarter of a second. The times of the next check and the next refresh are kept up to date, not
//! searched for.

mod admission;
mod buckets;
#[cfg(test)]
mod caller_tests;
mod callers;
mod closest;
mod contacts;
mod id_changes;
mod members;
#[cfg(test)]
mod memory_tests;
mod newcomers;
mod remembered;
#[cfg(test)]
mod restart_tests;
mod routing;
mod silences;
mod table_memory;
#[cfg(test)]
mod tests;
mod upkeep;
mod worth;

#[allow(unused_imports, reason = "named by tests only")]
pub use admission::Failed;
pub use admission::{Admission, AdmissionRefusal, Seen};
pub use buckets::{BUCKETS, Bucket};
pub use id_changes::{ID_CHANGES, IdChange};
pub use newcomers::Newcomer;
pub use remembered::RememberedContact;
pub use routing::Table;
pub use table_memory::TableMemory;
