//! A reply that waits to be drained: to whom it goes, and handles of what it is to carry.

use heapless::Vec;

use crate::dht::event::LinkId;
use crate::dht::items::ItemKey;
use crate::dht::tokens::WriteToken;
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;
use crate::krpc::message::{ErrorCode, MAX_TID, Want};

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(in crate::dht::node) struct Requester {
    pub endpoint: Endpoint,
    /// The link that the query came in by.
    pub link: LinkId,
    /// Size of the query in bytes.
    pub asked: usize,
}

/// A reply that waits to be drained.
#[derive(Clone, Debug)]
pub struct Reply {
    to: Endpoint,
    link: LinkId,
    tid: Vec<u8, MAX_TID, u8>,
    /// Bytes of the query.
    asked: u16,
    /// The source has proved that it receives what is sent to it.
    proven: bool,
    body: ReplyBody,
}

/// What a query is answered with.
#[derive(Clone, Copy, Debug)]
pub(super) enum ReplyBody {
    Pong,
    Nodes {
        target: Id,
        want: Want,
    },
    Peers {
        info_hash: Id,
        want: Want,
        token: Option<WriteToken>,
        noseed: bool,
        scrape: bool,
    },
    Item {
        target: Id,
        want: Want,
        token: Option<WriteToken>,
        found: HeldItem,
    },
    Samples {
        target: Id,
        want: Want,
    },
    Error(ErrorCode, &'static str),
    /// A write with a valid token, so that its source is proven: done ..
    Stored,
    /// .. or refused.
    NotStored(ErrorCode, &'static str),
}

/// The item that a `get` is answered with.
#[derive(Clone, Copy, Debug)]
pub(super) enum HeldItem {
    Nothing,
    Item(ItemKey),
    /// The asker's version is as new as ours.
    SeqOnly(i64),
}

impl Default for Reply {
    fn default() -> Self {
        Reply {
            to: Endpoint::UNSPECIFIED,
            link: LinkId(0),
            tid: Vec::new(),
            asked: 0,
            proven: false,
            body: ReplyBody::Pong,
        }
    }
}

impl Reply {
    /// Makes this a reply to `requester`.
    pub(super) fn set(&mut self, requester: &Requester, tid: &[u8]) {
        self.to = requester.endpoint;
        self.link = requester.link;
        self.tid.clear();
        let _fits = self.tid.extend_from_slice(&tid[..tid.len().min(MAX_TID)]);
        self.asked = requester.asked.min(usize::from(u16::MAX)) as u16;
        self.proven = false;
    }

    /// Its source is a contact that answered us.
    pub(super) fn on_proof(&mut self) {
        self.proven = true;
    }

    pub(super) fn answer(&mut self, body: ReplyBody) {
        self.proven |= matches!(body, ReplyBody::Stored | ReplyBody::NotStored(..));
        self.body = body;
    }

    /// The link it goes out by, and to whom.
    pub(super) fn destination(&self) -> (LinkId, Endpoint) {
        (self.link, self.to)
    }

    pub(super) fn tid(&self) -> &[u8] {
        &self.tid
    }

    pub(super) fn body(&self) -> &ReplyBody {
        &self.body
    }

    /// Whether its source has proved that it receives what is sent to it.
    pub(super) fn is_proven(&self) -> bool {
        self.proven
    }

    /// Whether this is an error message.
    pub(super) fn is_error(&self) -> bool {
        matches!(self.body, ReplyBody::Error(..) | ReplyBody::NotStored(..))
    }

    /// The most bytes that it may have past its source's budget: 3.2 times the query.
    pub(super) fn limit(&self) -> usize {
        usize::from(self.asked) * 16 / 5
    }
}
