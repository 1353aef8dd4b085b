//! What the table says of nodes: plain answers to what it is told.

use crate::krpc::endpoint::{Endpoint, Network};
use crate::krpc::id::Id;

/// What became of the sender of a query, or of a node that was named.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seen {
    /// It is a contact.
    Contact,
    /// It waits to be checked.
    Waiting,
    /// Nothing was changed: no place, or one of the rules is against it.
    Ignored,
}

/// What became of a node that answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Admission {
    /// It was a contact before.
    Updated,
    /// It is a contact now.
    Added,
    /// Its bucket is full of nodes that answer. It waits, and the checks of that bucket come first.
    Full,
    /// The endpoint was a contact under another id, and is none any more.
    IdChanged,
    /// It must not be a contact.
    Refused(AdmissionRefusal),
}

/// Why a node must not be a contact.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AdmissionRefusal {
    /// It carries our own id.
    OwnId,
    /// Its id is all zero.
    ZeroId,
    /// Its address is ours.
    OwnAddress,
    /// Its address is none that a datagram can be sent to.
    BadAddress,
    /// Another endpoint that answers has that id.
    IdTaken,
    /// Its IP address has a contact already.
    SameIp,
    /// One of its networks has as many contacts as it may have.
    Network,
    /// It asked us before we knew it, and there are enough of those.
    Caller,
    /// The endpoint changed its id too often.
    IdChanged,
}

impl AdmissionRefusal {
    /// What shows of its name alone that a node is none, or is ourselves at `own_addr`.
    pub fn of_name(
        network: Network,
        own: &Id,
        own_addr: Option<Endpoint>,
        id: &Id,
        endpoint: &Endpoint,
    ) -> Option<Self> {
        if id == own {
            Some(AdmissionRefusal::OwnId)
        } else if *id == Id::default() {
            Some(AdmissionRefusal::ZeroId)
        } else if own_addr == Some(*endpoint) {
            Some(AdmissionRefusal::OwnAddress)
        } else if !endpoint.is_usable(network) {
            Some(AdmissionRefusal::BadAddress)
        } else {
            None
        }
    }
}

/// What became of a node that did not answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failed {
    /// It is still a contact.
    Kept,
    /// It is a contact no more.
    Dropped,
    /// It was no contact.
    Stranger,
}

/// How densely our own neighbourhood is populated; input of the size estimate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Density {
    /// One more than the number of the deepest full bucket, 0 if there is none.
    pub depth: u32,
    /// Contacts in the buckets from `depth` on.
    pub contacts: u32,
}
