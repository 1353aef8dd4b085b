//! What a user asks a node to do.

use crate::dht::event::LinkId;
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;
use crate::krpc::message::Want;

/// Which of several versions of a mutable item is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub enum Freshness {
    /// The highest sequence number that the closest live contacts hold, with proof of closure.
    #[default]
    Newest,
    /// The first valid one.
    First,
    /// The highest sequence number so far, as soon as so many nodes have returned it, counted as in
    /// [`Outcome::copies`](crate::Outcome::copies).
    Copies(u16),
}

/// A query to one node, without a lookup.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DirectQuery {
    /// `ping`.
    Ping,
    /// `find_node`.
    FindNode {
        /// Id whose neighbours are wanted.
        target: Id,
        /// Families wanted.
        want: Want,
    },
    /// `sample_infohashes` (BEP 51).
    Sample {
        /// Steers the nodes of the reply.
        target: Id,
    },
}

impl DirectQuery {
    /// The id that it names; that of nobody for a ping.
    pub(crate) fn target(&self) -> Id {
        match *self {
            DirectQuery::Ping => Id::default(),
            DirectQuery::FindNode { target, .. } | DirectQuery::Sample { target } => target,
        }
    }
}

/// Where an operation runs.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub enum Scope {
    /// On every link that has contacts, under one tag and with one `Finished`. A link without contacts costs nothing,
    /// nor does one on which nobody answers, where on another somebody has since.
    #[default]
    All,
    /// On one link.
    Link(LinkId),
    /// At one node, without a lookup. What it says comes as a [`Response`](crate::Event::Response) besides; a put or an
    /// announce asks it for a write token first. Of several links of its family the first one asks.
    Node(Endpoint),
    /// The same, and this link asks.
    NodeOn {
        /// The link, of the family of the node.
        link: LinkId,
        /// The node.
        node: Endpoint,
    },
}

/// What an announced peer has of a torrent.
///
/// Exhaustive: BEP 33 knows no third kind.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum PeerKind {
    /// A part, or nothing yet.
    #[default]
    Downloader,
    /// All of it.
    Seed,
}

/// A request to a node. Everything is copied in; nothing is borrowed after the call.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Command<'a> {
    /// Ask these addresses for our own neighbourhood until the table stands. Finishes `Converged` when at least one
    /// contact answered; the addresses are remembered, also when all places are taken, and asked again whenever the
    /// table runs empty.
    Bootstrap {
        /// Addresses of any family; those without a link of their family are skipped. The first 16 are kept, in place
        /// of those that were named longest ago; those behind them count for nothing.
        nodes: &'a [Endpoint],
    },
    /// Ask one node.
    Query {
        /// The node.
        to: Endpoint,
        /// The question.
        query: DirectQuery,
    },
    /// Find the closest nodes that answer.
    Lookup {
        /// Target.
        target: Id,
    },
    /// Find an immutable item.
    GetImmutable {
        /// SHA-1 of its bencoded value.
        target: Id,
        /// How many nodes are to return it before the search ends; one for 0. A node that several links of one family
        /// ask counts for each.
        copies: u16,
    },
    /// Find a mutable item.
    GetMutable {
        /// Ed25519 public key.
        key: &'a [u8; 32],
        /// 0 to 64 bytes.
        salt: &'a [u8],
        /// Only items with a higher sequence number are wanted.
        newer_than: Option<i64>,
        /// When to stop.
        freshness: Freshness,
    },
    /// Find peers.
    GetPeers {
        /// Info-hash.
        info_hash: Id,
    },
    /// Store an immutable item on the closest nodes.
    PutImmutable {
        /// Canonical bencode, at most 1000 bytes; a plain byte string at most 1005.
        value: &'a [u8],
    },
    /// Store a signed item on the closest nodes.
    PutMutable {
        /// Canonical bencode, at most 1000 bytes; a plain byte string at most 1005.
        value: &'a [u8],
        /// Ed25519 public key.
        key: &'a [u8; 32],
        /// 0 to 64 bytes.
        salt: &'a [u8],
        /// Sequence number.
        seq: i64,
        /// Signature; checked at the call.
        signature: &'a [u8; 64],
        /// Store only where this sequence number is held now.
        cas: Option<i64>,
    },
    /// Announce a peer on the closest nodes.
    Announce {
        /// Info-hash.
        info_hash: Id,
        /// Port of the peer; `None`: the port that others see us at.
        port: Option<u16>,
        /// What the peer has.
        kind: PeerKind,
    },
    /// Estimate the size of a swarm (BEP 33).
    Scrape {
        /// Info-hash.
        info_hash: Id,
    },
    /// Collect info-hashes from the nodes around a target (BEP 51).
    Sample {
        /// Target.
        target: Id,
    },
}
