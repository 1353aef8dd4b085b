//! What nodes told their users, kept: events borrow from a buffer, and a report is made later.

use alloc::vec::Vec;

use crate::base::time::Instant;
use crate::dht::event::{Event, KeepId};
use crate::dht::outcome::Outcome;
use crate::dht::role::Role;
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;

/// Something that a node told its user.
///
/// Exhaustive: when, whose, and what.
#[derive(Clone, PartialEq, Debug)]
pub struct News {
    /// When.
    pub at: Instant,
    /// The tag of the operation, or of what is kept; 0 where it belongs to none.
    pub tag: u64,
    /// What.
    pub what: Told,
}

/// What a node tells.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Told {
    /// A verified value.
    Value {
        /// Who returned it.
        from: Endpoint,
        /// Its bytes.
        value: Vec<u8>,
        /// Its version, if it has one.
        seq: Option<i64>,
    },
    /// Peers that one node lists.
    Peers(Vec<Endpoint>),
    /// The closest nodes that answered, so far or in the end.
    Nodes(Vec<(Id, Endpoint)>),
    /// The end of an operation.
    Finished(Outcome),
    /// Others agree on our address.
    ExternalAddr(Endpoint),
    /// A new id.
    IdChanged(Id),
    /// Another role.
    RoleChanged(Role),
    /// An item that is kept is wanted.
    Wanted(KeepId),
    /// An item that was supplied is older than what there is.
    Superseded(KeepId),
    /// Something else.
    Other,
}

impl News {
    pub(super) fn of(at: Instant, event: &Event<'_>) -> Self {
        let what = match *event {
            Event::Value { from, item, .. } => {
                Told::Value { from, value: item.value.to_vec(), seq: item.mutable.map(|mutable| mutable.seq) }
            }
            Event::Peers { peers, .. } => Told::Peers(peers.iter().collect()),
            Event::Nodes { nodes, .. } => Told::Nodes(nodes.iter().collect()),
            Event::Finished { outcome, .. } => Told::Finished(outcome),
            Event::ExternalAddr { addr, .. } => Told::ExternalAddr(addr),
            Event::IdChanged { id, .. } => Told::IdChanged(id),
            Event::RoleChanged { role, .. } => Told::RoleChanged(role),
            Event::Wanted { keep, .. } => Told::Wanted(keep),
            Event::Superseded { keep, .. } => Told::Superseded(keep),
            _ => Told::Other,
        };
        let tag = match *event {
            Event::Wanted { tag, .. } | Event::Superseded { tag, .. } => tag,
            _ => event.operation().map_or(0, |(_, tag)| tag),
        };
        News { at, tag, what }
    }
}
