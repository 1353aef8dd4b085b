//! The types through which a [`Node`](crate::Node) is driven: inputs, outputs and events.

use core::fmt;

use crate::base::time::{Duration, Instant};
use crate::dht::outcome::Outcome;
use crate::dht::role::Role;
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;
use crate::krpc::item::Item;
use crate::krpc::lists::{Nodes, Peers, Samples};

/// The buffer that the caller lends to [`poll_output`](crate::Node::poll_output). One per loop is enough.
pub type Buffer = [u8; 1500];

/// One of our sockets: an index into [`Config::links`](crate::dht::config::Config::links).
///
/// Exhaustive: it is that number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct LinkId(pub u8);

/// Something that happened outside.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Input<'a> {
    /// A datagram arrived.
    Datagram {
        /// The socket that received it.
        link: LinkId,
        /// Who sent it.
        from: Endpoint,
        /// Its bytes.
        payload: &'a [u8],
    },
    /// The destination refused a datagram (ICMP unreachable): charged to the contact.
    Refused {
        /// The socket that had sent.
        link: LinkId,
        /// The destination.
        to: Endpoint,
    },
    /// Our own side could not send a query: charged to nobody. It ends the latest open query to the destination, so a
    /// reply that could not be sent is not told.
    SendFailed {
        /// The socket that failed.
        link: LinkId,
        /// The destination.
        to: Endpoint,
    },
    /// Time passed. Early, late and repeated timeouts are free and safe.
    Timeout,
    /// The machine is about to sleep, or has no network: until [`Resume`](Input::Resume) the node sends nothing, takes
    /// nothing in and has no deadline. Queries that are open are given up, without blame; operations stay, and their
    /// time stands still.
    Suspend,
    /// The machine is awake, maybe in another place: whoever is known is asked again at once. Also legal where nobody
    /// had said that it would sleep.
    Resume,
}

/// Something that the machine wants.
///
/// Exhaustive: the loop around a machine has to have an answer to each, and the compiler checks that it has.
#[derive(Clone, Copy, Debug)]
#[must_use = "a transmit has to be sent or dropped, and a timeout to be waited for"]
pub enum Output<'b> {
    /// Send this datagram at once, or drop it.
    Transmit {
        /// The socket to send from.
        link: LinkId,
        /// The destination.
        to: Endpoint,
        /// The bytes, in the caller's buffer.
        payload: &'b [u8],
    },
    /// Something to know.
    Event(Event<'b>),
    /// The drain is over. Wait for a packet, a command or this deadline.
    Timeout(Option<Instant>),
}

/// A handle of a running operation. It goes stale when the operation ends and never finds another one.
///
/// Exhaustive: plain data that users may keep.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct OpId {
    /// Place in the table of operations.
    pub index: u16,
    /// How often that place had been used before.
    pub generation: u32,
}

/// A handle of something that is kept. It goes stale when it is kept no more, and never finds anything else.
///
/// Exhaustive: plain data that users may keep.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct KeepId {
    /// Place in the keeper's table.
    pub index: u16,
    /// How often that place had been used before.
    pub generation: u32,
}

/// A write token (BEP 5) of another node. Who knows it can store there in our name, so it is not shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ReceivedToken<'b>(&'b [u8]);

impl<'b> ReceivedToken<'b> {
    pub(crate) fn new(bytes: &'b [u8]) -> Self {
        ReceivedToken(bytes)
    }

    /// The bytes, at most 64.
    #[must_use]
    pub const fn as_bytes(&self) -> &'b [u8] {
        self.0
    }
}

impl fmt::Debug for ReceivedToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReceivedToken({} bytes)", self.0.len())
    }
}

/// A running operation, as its owner may see it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct OpView {
    /// What it looks for.
    pub target: Id,
    /// The caller's tag.
    pub tag: u64,
    /// Counts so far.
    pub outcome: Outcome,
    /// It has converged and is storing.
    pub storing: bool,
}

/// News from the machine. Items and lists lie in the caller's buffer.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'b> {
    /// A verified item. For a newest-wins get, each one that beats those before it.
    Value {
        /// The operation.
        op: OpId,
        /// The caller's tag.
        tag: u64,
        /// Who returned it.
        from: Endpoint,
        /// The item; its slices live in the caller's buffer.
        item: Item<'b>,
    },
    /// Peers of an info-hash, as one responder lists them.
    Peers {
        /// The operation.
        op: OpId,
        /// The caller's tag.
        tag: u64,
        /// Who returned them.
        from: Endpoint,
        /// The peers.
        peers: Peers<'b>,
    },
    /// The closest nodes that answered, at most eight of each link: the result of a `lookup`, sent just before its
    /// `Finished`; and once before, as far as they have answered, while others who would be among them are late.
    Nodes {
        /// The operation.
        op: OpId,
        /// The caller's tag.
        tag: u64,
        /// Nearest first.
        nodes: Nodes<'b>,
    },
    /// Sampled info-hashes (BEP 51).
    Samples {
        /// The operation.
        op: OpId,
        /// The caller's tag.
        tag: u64,
        /// Who returned them.
        from: Endpoint,
        /// Id of who returned them.
        id: Id,
        /// How many info-hashes the responder holds.
        num: u64,
        /// How long its sample stays the same.
        interval: Duration,
        /// Info-hashes.
        samples: Samples<'b>,
    },
    /// Seeds and other peers of an info-hash (BEP 33), estimated from the union of all filters; sent just before
    /// `Finished`.
    Scrape {
        /// The operation.
        op: OpId,
        /// The caller's tag.
        tag: u64,
        /// Estimated seeds.
        seeds: u32,
        /// Estimated peers that are no seeds.
        peers: u32,
        /// Responders that sent filters.
        responders: u16,
    },
    /// What the only node said: the answer to a `ping` or a `query`, and to every operation at one node, besides what
    /// was asked for.
    Response {
        /// The operation.
        op: OpId,
        /// The caller's tag.
        tag: u64,
        /// Who answered.
        from: Endpoint,
        /// Its id.
        id: Id,
        /// Round-trip time.
        rtt: Duration,
        /// Nodes that it named.
        nodes: Nodes<'b>,
        /// The write token that it gave.
        token: Option<ReceivedToken<'b>>,
        /// The address that it sees us at.
        ip: Option<Endpoint>,
        /// Its client and version, as it says: eight bytes at most, empty where it says nothing.
        version: &'b [u8],
    },
    /// The one end of every operation.
    Finished {
        /// The operation.
        op: OpId,
        /// The caller's tag.
        tag: u64,
        /// How it ended.
        outcome: Outcome,
    },
    /// Others agree on our address, or changed their mind. The latest wins.
    ExternalAddr {
        /// The socket.
        link: LinkId,
        /// Our address as seen from outside.
        addr: Endpoint,
        /// Networks that said so.
        votes: u16,
    },
    /// A link has a new id. The latest wins.
    IdChanged {
        /// The socket.
        link: LinkId,
        /// The new id.
        id: Id,
        /// Why the old one went.
        why: IdLoss,
    },
    /// A link has another role than before. The latest wins.
    RoleChanged {
        /// The socket.
        link: LinkId,
        /// What it is now; [`Role::Adaptive`] while it tries whether others reach it.
        role: Role,
    },
    /// Of something that is kept there are too few copies, and its item is to be supplied. Of all of them the one that
    /// waits longest is said, once, and again every ten seconds until it is supplied, put off, or not kept any more.
    Wanted {
        /// Its handle.
        keep: KeepId,
        /// The caller's tag.
        tag: u64,
    },
    /// The item that was supplied is older than one met on the network, and is not put. Also said, once, when a look at
    /// what was supplied before meets a newer one.
    Superseded {
        /// Its handle.
        keep: KeepId,
        /// The caller's tag.
        tag: u64,
    },
}

/// Why a link takes a new id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum IdLoss {
    /// Our address changed, and the old id does not fit it (BEP 42).
    Moved,
    /// Another node answers with the old one. That is believed once in a run, for each link.
    Taken,
}

impl Event<'_> {
    /// Operation and tag of an event that belongs to one.
    #[must_use]
    pub fn operation(&self) -> Option<(OpId, u64)> {
        match *self {
            Event::Value { op, tag, .. }
            | Event::Peers { op, tag, .. }
            | Event::Nodes { op, tag, .. }
            | Event::Samples { op, tag, .. }
            | Event::Scrape { op, tag, .. }
            | Event::Response { op, tag, .. }
            | Event::Finished { op, tag, .. } => Some((op, tag)),
            Event::ExternalAddr { .. }
            | Event::IdChanged { .. }
            | Event::RoleChanged { .. }
            | Event::Wanted { .. }
            | Event::Superseded { .. } => None,
        }
    }
}
