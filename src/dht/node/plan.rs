//! The next output, decided without the borrow of the buffer that holds its bytes.

use crate::base::time::Duration;
use crate::dht::event::{Buffer, Event, LinkId, OpId, ReceivedToken};
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;
use crate::krpc::item::{Item, MAX_VALUE, Mutable};
use crate::krpc::lists::{Nodes, Peers, Samples};

/// What the next output is.
#[derive(Clone, Copy)]
pub(super) enum Plan {
    Transmit { link: LinkId, to: Endpoint, len: usize },
    Note(Note),
    Rest,
}

/// An event whose bytes, if any, are in the buffer.
#[derive(Clone, Copy)]
pub(super) enum Note {
    /// The value, then key, salt and signature of a mutable item.
    Value {
        op: OpId,
        tag: u64,
        from: Endpoint,
        len: usize,
        salt: usize,
        seq: Option<i64>,
    },
    Peers {
        op: OpId,
        tag: u64,
        from: Endpoint,
        len: usize,
    },
    Nodes {
        op: OpId,
        tag: u64,
        len: usize,
    },
    Samples {
        op: OpId,
        tag: u64,
        from: Endpoint,
        id: Id,
        num: u64,
        interval: Duration,
        len: usize,
    },
    Response {
        op: OpId,
        tag: u64,
        from: Endpoint,
        id: Id,
        rtt: Duration,
        ip: Option<Endpoint>,
        /// Bytes of each of the parts, which follow one another.
        nodes: usize,
        token: usize,
        version: usize,
    },
    /// An event that needs no bytes.
    Plain(Event<'static>),
}

impl Note {
    pub(super) fn render(self, buf: &Buffer) -> Event<'_> {
        let bytes = |len: usize| buf.get(..len).unwrap_or_default();
        match self {
            Note::Value { op, tag, from, len, salt, seq } => {
                let (value, rest) = buf.split_at(len.min(MAX_VALUE));
                let mutable = seq.and_then(|seq| {
                    let (key, rest) = rest.split_first_chunk::<32>()?;
                    let (salt, rest) = rest.split_at_checked(salt)?;
                    let signature = rest.first_chunk::<64>()?;
                    Some(Mutable { key, salt, seq, signature })
                });
                Event::Value { op, tag, from, item: Item { value, mutable } }
            }
            Note::Peers { op, tag, from, len } => Event::Peers { op, tag, from, peers: Peers::from_bytes(bytes(len)) },
            Note::Nodes { op, tag, len } => Event::Nodes { op, tag, nodes: Nodes::from_bytes(bytes(len)) },
            Note::Samples { op, tag, from, id, num, interval, len } => {
                Event::Samples { op, tag, from, id, num, interval, samples: Samples::from_bytes(bytes(len)) }
            }
            Note::Response { op, tag, from, id, rtt, ip, nodes, token, version } => {
                let (nodes, rest) = bytes(nodes + token + version).split_at_checked(nodes).unwrap_or_default();
                let (token, version) = rest.split_at_checked(token).unwrap_or_default();
                let token = Some(ReceivedToken::new(token)).filter(|token| !token.as_bytes().is_empty());
                Event::Response { op, tag, from, id, rtt, nodes: Nodes::from_bytes(nodes), token, ip, version }
            }
            Note::Plain(event) => event,
        }
    }
}
