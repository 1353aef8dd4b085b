//! The server: what we hold for others, and what their queries are answered with.
//!
//! A query changes the stores at once and leaves a small [`Reply`]: handles and numbers, no bytes. It waits in a place
//! of its own until the drain, which encodes it straight into the caller's buffer. If what it was to carry is gone by
//! then, it is dropped and counted.

mod encode;
mod reply;

pub use reply::Reply;
pub(super) use reply::Requester;

use crate::base::recount::Tracked;
use crate::base::ring::Ring;
use crate::base::rng::Rng;
use crate::base::time::Instant;
use crate::dht::command::PeerKind;
use crate::dht::items::{Items, Put, PutOutcome, Rejection};
use crate::dht::limiter::Limiter;
use crate::dht::node::context::Context;
use crate::dht::node::link::Link;
use crate::dht::node::links::Links;
use crate::dht::node::plan::Plan;
use crate::dht::peers::{Announced, PeerStore};
use crate::dht::stats::DropReason;
use crate::dht::tokens::Tokens;
use crate::dht::trace::TraceEvent;
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;
use crate::krpc::item;
use crate::krpc::message::{ErrorCode, Method, Query, Refusal};

use encode::{Encoded, Limit, Sources};
use reply::{HeldItem, ReplyBody};

/// What we hold for others, and the replies that wait to be drained.
#[derive(Debug)]
pub(super) struct Server<'s> {
    items: Tracked<Items<'s>>,
    peers: Tracked<PeerStore<'s>>,
    tokens: Tokens,
    replies: Ring<'s, Reply>,
}

impl<'s> Server<'s> {
    pub(super) fn new(items: Items<'s>, peers: PeerStore<'s>, tokens: Tokens, replies: Ring<'s, Reply>) -> Self {
        Server { items: Tracked::new(items), peers: Tracked::new(peers), tokens, replies }
    }

    pub(super) fn holds(&self, target: &Id) -> Option<i64> {
        let key = self.items.find(target)?;
        Some(self.items.seq(key).unwrap_or_default())
    }

    pub(super) fn items_held(&self) -> usize {
        self.items.len()
    }

    pub(super) fn peers_held(&self) -> usize {
        self.peers.len()
    }

    /// Serves a query: changes the stores and leaves a reply.
    pub(super) fn on_query(
        &mut self,
        cx: &mut Context<'_>,
        links: &mut Links<'_>,
        requester: &Requester,
        query: &Query<'_>,
    ) {
        let Some(at) = links.get_mut(requester.link) else { return };
        if at.is_read_only() {
            return cx.drop(DropReason::ReadOnly);
        }
        self.expire(cx);
        let from = requester.endpoint;
        let verified = at.on_query(cx.now(), query, from);
        let own = *at.own();
        let Some(reply) = self.replies.claim() else { return cx.drop(DropReason::ReplyOverflow) };
        reply.set(requester, query.tid);
        if verified {
            reply.on_proof();
        }
        let mut verifications = 0;
        let bare_length = cx.config().server.bare_length;
        let stores = Stores { items: &mut self.items, peers: &mut self.peers, tokens: &self.tokens, bare_length };
        let (now, rng) = (cx.now(), cx.rng());
        let body = stores.answer(now, rng, &own, from, &query.method, &mut verifications);
        reply.answer(body);
        let stats = cx.stats_mut();
        *(if reply.is_error() { &mut stats.refused } else { &mut stats.queries }) += 1;
        stats.verifications += verifications;
        cx.trace(TraceEvent::Served);
    }

    /// Answers a malformed query with the error that it deserves.
    pub(super) fn on_refusal(
        &mut self,
        cx: &mut Context<'_>,
        links: &Links<'_>,
        requester: &Requester,
        refusal: &Refusal<'_>,
    ) {
        if links.get(requester.link).is_none_or(Link::is_read_only) {
            return cx.drop(DropReason::ReadOnly);
        }
        let Some(reply) = self.replies.claim() else { return cx.drop(DropReason::ReplyOverflow) };
        reply.set(requester, refusal.tid);
        reply.answer(ReplyBody::Error(refusal.error, refusal.text));
        cx.stats_mut().refused += 1;
    }

    /// Encodes the reply that waits longest. One that was to carry what is gone by now is dropped.
    #[inline]
    pub(super) fn next_reply(
        &mut self,
        cx: &mut Context<'_>,
        links: &Links<'s>,
        limiter: &mut Limiter<'_>,
        buf: &mut [u8],
    ) -> Option<Plan> {
        while let Some(reply) = self.replies.front() {
            let (link, to) = reply.destination();
            let now = cx.now();
            let own = links.get(link).map(|link| *link.own()).unwrap_or_default();
            let is_free = reply.is_proven();
            let within_budget = is_free || limiter.has_budget(now, &to);
            let limit = if within_budget { Limit::Usual } else { Limit::Bytes(reply.limit()) };
            let (config, rng) = cx.config_and_rng();
            let mut sources = Sources { items: &self.items, peers: &mut self.peers, links, now, config, rng, own };
            let encoded = reply.encode(&mut sources, limit, buf);
            self.replies.pop();
            let Some(Encoded { len, is_cut }) = encoded else {
                cx.drop(DropReason::StaleReply);
                continue;
            };
            if !is_free && within_budget {
                limiter.charge(now, &to, len);
            }
            cx.stats_mut().trimmed += u64::from(is_cut);
            return Some(Plan::Transmit { link, to, len });
        }
        None
    }

    /// Takes out of service what is too old to serve: secrets, peers, items. Each query is preceded by this, so that a
    /// timeout that comes late lengthens no lifetime.
    pub(super) fn expire(&mut self, cx: &mut Context<'_>) {
        let now = cx.now();
        if self.tokens.rotate_at() <= now {
            self.tokens.rotate(now);
        }
        if self.peers.sweep_at().is_some_and(|at| at <= now) {
            self.peers.sweep(now);
        }
        if self.items.sweep_at().is_some_and(|at| at <= now) {
            self.items.sweep(now);
        }
    }

    pub(super) fn tokens_at(&self) -> Instant {
        self.tokens.rotate_at()
    }

    pub(super) fn peers_at(&self) -> Option<Instant> {
        self.peers.sweep_at()
    }

    pub(super) fn items_at(&self) -> Option<Instant> {
        self.items.sweep_at()
    }

    #[cfg(any(test, debug_assertions))]
    pub(super) fn check_invariants(&self) {
        self.items.recount(Items::check_invariants);
        self.peers.recount(PeerStore::check_invariants);
        assert!(self.replies.is_empty(), "a drain takes every reply");
    }
}

/// The stores of the server, lent for one query.
struct Stores<'a, 's> {
    items: &'a mut Tracked<Items<'s>>,
    peers: &'a mut Tracked<PeerStore<'s>>,
    tokens: &'a Tokens,
    /// Whether a byte string of 1,000 bytes is stored.
    bare_length: bool,
}

impl Stores<'_, '_> {
    /// What a query is answered with; `own` is our id on the link it came in by. Counts the signatures that were
    /// checked.
    fn answer(
        self,
        now: Instant,
        rng: &mut Rng,
        own: &Id,
        from: Endpoint,
        method: &Method<'_>,
        verifications: &mut u64,
    ) -> ReplyBody {
        match *method {
            Method::Ping => ReplyBody::Pong,
            Method::FindNode { target, want } | Method::Unknown { target, want, .. } => {
                ReplyBody::Nodes { target, want }
            }
            Method::GetPeers { info_hash, want, noseed, scrape } => {
                let token = Some(self.tokens.issue(&from, &info_hash));
                ReplyBody::Peers { info_hash, want, token, noseed, scrape }
            }
            Method::Get { target, seq, want } => {
                let withheld = self.items.would_evict_first(own, &target);
                let token = (!withheld).then(|| self.tokens.issue(&from, &target));
                ReplyBody::Item { target, want, token, found: self.find(&target, seq) }
            }
            Method::SampleInfohashes { target, want } => ReplyBody::Samples { target, want },
            Method::AnnouncePeer { info_hash, port, implied_port, seed, token } => {
                if !self.tokens.verify(&from, &info_hash, token) {
                    return ReplyBody::Error(ErrorCode::Protocol, "bad token");
                }
                let peer = if implied_port { from } else { from.with_port(port) };
                let kind = if seed { PeerKind::Seed } else { PeerKind::Downloader };
                self.announce(now, rng, &info_hash, peer, kind)
            }
            Method::Put { token, item, cas, .. } => {
                if item.value.len() > item::MAX_ENCODED && !self.bare_length {
                    return ReplyBody::Error(ErrorCode::TooLarge, ErrorCode::TooLarge.text());
                }
                let target = item.target();
                if !self.tokens.verify(&from, &target, token) {
                    return ReplyBody::Error(ErrorCode::Protocol, "bad token");
                }
                self.put(now, own, &Put { from, target, item, cas }, verifications)
            }
        }
    }

    /// The item that a `get` is answered with; one that is no newer than what was asked for is told by its number.
    fn find(&self, target: &Id, asked: Option<i64>) -> HeldItem {
        let Some(key) = self.items.find(target) else { return HeldItem::Nothing };
        let stored = asked.and_then(|asked| self.items.seq(key).filter(|&stored| stored <= asked));
        stored.map_or(HeldItem::Item(key), HeldItem::SeqOnly)
    }

    fn announce(self, now: Instant, rng: &mut Rng, info_hash: &Id, peer: Endpoint, kind: PeerKind) -> ReplyBody {
        match self.peers.announce(now, info_hash, peer, kind, rng) {
            Announced::New | Announced::Updated => ReplyBody::Stored,
            Announced::Full => ReplyBody::NotStored(ErrorCode::Protocol, "full"),
            Announced::Quota => ReplyBody::NotStored(ErrorCode::Protocol, "quota reached"),
        }
    }

    fn put(self, now: Instant, own: &Id, put: &Put<'_>, verifications: &mut u64) -> ReplyBody {
        let verify = || match &put.item.mutable {
            None => true,
            Some(mutable) => {
                *verifications += 1;
                item::verify(mutable, put.item.value)
            }
        };
        let refused = |code: ErrorCode| ReplyBody::NotStored(code, code.text());
        match self.items.put(now, own, put, verify) {
            PutOutcome::Stored | PutOutcome::Replaced | PutOutcome::Identical => ReplyBody::Stored,
            PutOutcome::CasMismatch => refused(ErrorCode::CasMismatch),
            PutOutcome::SeqTooOld => refused(ErrorCode::SeqTooOld),
            PutOutcome::BadSignature => refused(ErrorCode::BadSignature),
            PutOutcome::Rejected(Rejection::Size) => refused(ErrorCode::TooLarge),
            PutOutcome::Rejected(Rejection::Quota) => ReplyBody::NotStored(ErrorCode::Protocol, "quota reached"),
            PutOutcome::Rejected(Rejection::Space) | PutOutcome::EvictedSelf => {
                ReplyBody::NotStored(ErrorCode::Protocol, "full")
            }
        }
    }
}
