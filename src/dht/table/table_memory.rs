//! What a table keeps its nodes in, which whoever makes one brings.

use super::buckets::Bucket;
use super::id_changes::IdChange;
use super::newcomers::Newcomer;
use super::remembered::RememberedContact;
use crate::base::list::List;
use crate::dht::contact::Contact;

/// The memory of a table. The two capacities for contacts should be equal.
#[derive(Debug)]
pub struct TableMemory<'s> {
    /// Verified contacts.
    pub contacts: List<'s, Contact>,
    /// The first 64 bits of their ids.
    pub prefixes: List<'s, u64>,
    /// Nodes that wait to be checked.
    pub newcomers: List<'s, Newcomer>,
    /// [`BUCKETS`](super::BUCKETS) of them.
    pub buckets: List<'s, Bucket>,
    /// Endpoints that changed their ids; [`ID_CHANGES`](super::ID_CHANGES) are enough.
    pub id_changes: List<'s, IdChange>,
    /// Nodes that answered once and are no contacts; there may be none.
    pub remembered: List<'s, RememberedContact>,
    /// Networks from which strangers asked us something, 16 bits of each; there may be none.
    pub callers: List<'s, u16>,
}
