//! Events as values that a consumer can keep: owned copies of what a machine lends for the length of one call.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::vec::Vec;

use bytes::Bytes;

use crate::base::time::Duration;
use crate::dht::event::{Event, IdLoss, KeepId, LinkId};
use crate::dht::outcome::Outcome;
use crate::dht::role::Role;
use crate::krpc::id::Id;
use crate::krpc::item::Item;

/// A verified item and who returned it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Found {
    /// Who returned it.
    pub from: SocketAddr,
    /// The bencoded value, exactly as it was received.
    pub value: Bytes,
    /// Present when the item is mutable.
    pub mutable: Option<Signed>,
}

impl Found {
    /// The text, if the value is one byte string of UTF-8.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        Item { value: &self.value, mutable: None }.as_text()
    }
}

/// What makes an item mutable.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Signed {
    /// Ed25519 public key.
    pub key: [u8; 32],
    /// 0 to 64 bytes.
    pub salt: Bytes,
    /// Sequence number.
    pub seq: i64,
    /// Signature over salt, seq and value.
    pub signature: [u8; 64],
}

/// Peers of an info-hash, as one responder listed them.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct PeerList {
    /// Who listed them.
    pub from: SocketAddr,
    /// The peers.
    pub peers: Vec<SocketAddr>,
}

/// The closest nodes that answered, at most eight of each link, nearest first. The last list of a lookup is the whole;
/// one before it tells whoever is in a hurry who has answered so far.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Closest {
    /// Id and address of each.
    pub nodes: Vec<(Id, SocketAddr)>,
}

/// What one node said that was asked alone.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// Who answered.
    pub from: SocketAddr,
    /// Its id.
    pub id: Id,
    /// Round-trip time.
    pub rtt: Duration,
    /// Nodes that it named.
    pub nodes: Vec<(Id, SocketAddr)>,
    /// The write token that it gave. Who knows it can store there in our name, so it is not shown.
    pub token: Option<Bytes>,
    /// The address that it sees us at.
    pub ip: Option<SocketAddr>,
    /// Its client and version, as it says: eight bytes at most.
    pub version: Bytes,
}

impl Answer {
    pub(super) fn of(event: &Event<'_>) -> Option<Self> {
        let Event::Response { from, id, rtt, nodes, token, ip, version, .. } = *event else { return None };
        Some(Answer {
            from: from.into(),
            id,
            rtt,
            nodes: nodes.iter().map(|(id, addr)| (id, addr.into())).collect(),
            token: token.map(|token| Bytes::copy_from_slice(token.as_bytes())),
            ip: ip.map(SocketAddr::from),
            version: Bytes::copy_from_slice(version),
        })
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Answer { from, id, rtt, nodes, token, ip, version } = self;
        let token = token.as_ref().map(Bytes::len);
        let mut shown = f.debug_struct("Answer");
        shown.field("from", from).field("id", id).field("rtt", rtt).field("nodes", nodes).field("token", &token);
        shown.field("ip", ip).field("version", version).finish()
    }
}

/// Info-hashes that one responder holds (BEP 51).
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Sample {
    /// Who answered.
    pub from: SocketAddr,
    /// Its id.
    pub id: Id,
    /// How many info-hashes it holds.
    pub num: u64,
    /// How long its sample stays the same.
    pub interval: Duration,
    /// The sample.
    pub info_hashes: Vec<Id>,
}

/// Size of a swarm (BEP 33), estimated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Swarm {
    /// Seeds.
    pub seeds: u32,
    /// Peers that are no seeds.
    pub peers: u32,
    /// Nodes that contributed.
    pub responders: u16,
}

/// News that belongs to no operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Notice {
    /// Others agree on our address.
    ExternalAddr {
        /// The socket.
        link: LinkId,
        /// Our address as seen from outside.
        addr: SocketAddr,
    },
    /// A link has a new id.
    IdChanged {
        /// The socket.
        link: LinkId,
        /// The new id.
        id: Id,
        /// Why the old one went.
        why: IdLoss,
    },
    /// A link has another role; [`Role::Adaptive`] while it tries whether others reach it.
    RoleChanged {
        /// The socket.
        link: LinkId,
        /// What it is now.
        role: Role,
    },
    /// Of something that is kept the item is to be supplied: see [`Event::Wanted`].
    Wanted {
        /// Its handle.
        keep: KeepId,
        /// The caller's tag.
        tag: u64,
    },
    /// What was supplied is older than what there is: see [`Event::Superseded`].
    Superseded {
        /// Its handle.
        keep: KeepId,
        /// The caller's tag.
        tag: u64,
    },
    /// A socket fails at each receive. It is tried again after pauses of at most a second; the node can still send.
    /// Whoever begins to watch is told of trouble that is already there.
    LinkTrouble {
        /// The socket.
        link: LinkId,
        /// What its system says; [`BrokenPipe`](io::ErrorKind::BrokenPipe) where somebody shut the socket down.
        error: io::ErrorKind,
    },
    /// A socket receives again: something was received, and no failure followed.
    LinkRecovered {
        /// The socket.
        link: LinkId,
    },
    /// A datagram could not be sent: there is no route, or it is not permitted. Told of the first that fails on a link,
    /// of the first to each of up to 8 destinations, and of others at most after 10 s, 20 s .. 10 min.
    SendTrouble {
        /// The socket.
        link: LinkId,
        /// Where the datagram was to go.
        to: SocketAddr,
        /// What its system says.
        error: io::ErrorKind,
        /// How many failed since the last word of this, with this one.
        failures: u64,
    },
}

/// What an [`Operation`](crate::adapters::Operation) can deliver. The types are those of this module and no others.
pub trait FromEvent: sealed::OfEvent {}

impl<T: sealed::OfEvent> FromEvent for T {}

mod sealed {
    use crate::adapters::results::Notice;
    use crate::dht::event::Event;

    /// A result that is made from one kind of event.
    pub trait OfEvent: Sized + Send + 'static {
        /// The result that `event` stands for, if it is of that kind.
        fn from_event(event: &Event<'_>) -> Option<Self>;

        /// What a driver itself has to say, for those who take notices.
        fn from_notice(_: Notice) -> Option<Self> {
            None
        }
    }
}

impl sealed::OfEvent for Found {
    fn from_event(event: &Event<'_>) -> Option<Self> {
        let Event::Value { from, item, .. } = *event else { return None };
        let mutable = item.mutable.map(|m| Signed {
            key: *m.key,
            salt: Bytes::copy_from_slice(m.salt),
            seq: m.seq,
            signature: *m.signature,
        });
        Some(Found { from: from.into(), value: Bytes::copy_from_slice(item.value), mutable })
    }
}

impl sealed::OfEvent for PeerList {
    fn from_event(event: &Event<'_>) -> Option<Self> {
        let Event::Peers { from, peers, .. } = *event else { return None };
        Some(PeerList { from: from.into(), peers: peers.iter().map(SocketAddr::from).collect() })
    }
}

impl sealed::OfEvent for Closest {
    fn from_event(event: &Event<'_>) -> Option<Self> {
        let Event::Nodes { nodes, .. } = *event else { return None };
        Some(Closest { nodes: nodes.iter().map(|(id, addr)| (id, addr.into())).collect() })
    }
}

impl sealed::OfEvent for Answer {
    fn from_event(event: &Event<'_>) -> Option<Self> {
        Answer::of(event)
    }
}

impl sealed::OfEvent for Sample {
    fn from_event(event: &Event<'_>) -> Option<Self> {
        let Event::Samples { from, id, num, interval, samples, .. } = *event else { return None };
        Some(Sample { from: from.into(), id, num, interval, info_hashes: samples.iter().collect() })
    }
}

impl sealed::OfEvent for Swarm {
    fn from_event(event: &Event<'_>) -> Option<Self> {
        let Event::Scrape { seeds, peers, responders, .. } = *event else { return None };
        Some(Swarm { seeds, peers, responders })
    }
}

impl sealed::OfEvent for Notice {
    fn from_event(event: &Event<'_>) -> Option<Self> {
        match *event {
            Event::ExternalAddr { link, addr, .. } => Some(Notice::ExternalAddr { link, addr: addr.into() }),
            Event::IdChanged { link, id, why } => Some(Notice::IdChanged { link, id, why }),
            Event::RoleChanged { link, role } => Some(Notice::RoleChanged { link, role }),
            Event::Wanted { keep, tag } => Some(Notice::Wanted { keep, tag }),
            Event::Superseded { keep, tag } => Some(Notice::Superseded { keep, tag }),
            _ => None,
        }
    }

    fn from_notice(notice: Notice) -> Option<Self> {
        Some(notice)
    }
}

/// An operation that has no results besides its outcome.
impl sealed::OfEvent for Infallible {
    fn from_event(_: &Event<'_>) -> Option<Self> {
        None
    }
}

/// A whole operation: everything that it delivered and how it went.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Finished<T> {
    /// The results, in order of arrival.
    pub results: Vec<T>,
    /// How it went.
    pub outcome: Outcome,
    /// What the only node said, where one alone was asked.
    pub response: Option<Answer>,
    /// Results that were lost because their consumer was slow.
    pub lost: u64,
}
