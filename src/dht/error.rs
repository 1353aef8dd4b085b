//! What a caller can do wrong. Strangers' mistakes are never errors: they are counted in
//! [`Stats`](crate::dht::stats::Stats).

use core::fmt;

use crate::dht::event::LinkId;
use crate::krpc::endpoint::{Endpoint, Family};
use crate::krpc::item::ItemError;

/// Why a command was not accepted. No operation was started, and nothing was changed but the bootstrap nodes: those of
/// a [`Bootstrap`](crate::Command::Bootstrap) that is [`Full`](CallError::Full) are remembered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CallError {
    /// All places for operations are taken: there are this many
    /// ([`Capacity::operations`](crate::dht::Capacity::operations)).
    Full(usize),
    /// The item is none that a node may store.
    Item(ItemError),
    /// The sequence number that is to be held now is negative.
    NegativeCas(i64),
    /// The port of the announced peer is 0.
    BadPort,
    /// No link has this number.
    NoLink(LinkId),
    /// No link has the address family that the command needs.
    NoFamily(Family),
    /// No datagram can be sent to this address from the link.
    BadAddress(Endpoint),
    /// The port of this link is not known, so that it cannot be announced.
    UnknownPort(LinkId),
    /// A bootstrap asks the nodes that it names, and cannot be narrowed to one.
    NotAtOneNode,
    /// As much is kept as can be ([`Capacity::kept`](crate::dht::Capacity::kept)).
    KeeperFull(usize),
    /// Nothing that is kept has this handle, any more or ever.
    NotKept,
    /// The item that is supplied is not the one that is kept.
    OtherItem,
    /// The numbers of a schedule make no sense.
    BadSchedule,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::Full(most) => {
                write!(f, "{most} operations are running; at most {most} at the same time: wait until one has finished")
            }
            CallError::Item(error) => error.fmt(f),
            CallError::NegativeCas(cas) => write!(f, "cas is {cas}; a sequence number is 0 or more"),
            CallError::BadPort => f.write_str("the port to announce is 0; a peer has a port from 1 to 65535"),
            CallError::NoLink(LinkId(link)) => {
                write!(
                    f,
                    "there is no link {link}; links are counted from 0 in the order in which they were configured"
                )
            }
            CallError::NoFamily(family) => write!(f, "no link is an {family} socket; configure one"),
            CallError::UnknownPort(LinkId(link)) => {
                write!(f, "nobody has told the port of link {link} yet; name one, or set LinkConfig::port")
            }
            CallError::NotAtOneNode => f.write_str("a bootstrap asks the nodes that it names; name one of them alone"),
            CallError::KeeperFull(most) => {
                write!(f, "{most} items and announcements are kept, and no more can be: set Capacity::kept")
            }
            CallError::NotKept => f.write_str("nothing that is kept has this handle; it was ended, or never begun"),
            CallError::OtherItem => {
                f.write_str("the item is not the one that is kept; it takes the same target, or the same key and salt")
            }
            CallError::BadSchedule => f.write_str(
                "the schedule makes no sense; it takes least from 1 to refill, refill up to 20, and a check every 15 \
                 minutes to 30 days",
            ),
            CallError::BadAddress(to) => write!(
                f,
                "no datagram can be sent to {to}; it takes a unicast address of the link's family and a port that is \
                 not 0, and in the public network none of loopback, private or reserved ranges: Config::local() is for \
                 those"
            ),
        }
    }
}

impl core::error::Error for CallError {}

impl From<ItemError> for CallError {
    fn from(error: ItemError) -> Self {
        CallError::Item(error)
    }
}
