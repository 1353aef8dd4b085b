//! The server: what a query is answered with.
//!
//! [`answer`] judges a query against what we hold and returns a small [`Reply`]: handles and numbers, no bytes. It waits
//! in a place of its own until the drain, which encodes it straight into the caller's buffer with [`encode`]. If what
//! it was to carry is gone by then, it is dropped and counted.
//!
//! A reply never helps to attack a third party with a forged source: past its network's budget of reply bytes, a source
//! that has not proved itself gets at most 3.2 times the bytes it sent ([`Reply::fit`], rule S20 of `spec/server.md`).

use arrayvec::ArrayVec;

use crate::base::rng::Rng;
use crate::base::time::Instant;
use crate::dht::config::{K, ServerConfig};
use crate::dht::items::{ItemKey, Items, Put, PutOutcome, Rejection};
use crate::dht::peers::{Announced, PeerStore};
use crate::dht::table::Table;
use crate::dht::tokens::Tokens;
use crate::krpc::compact;
use crate::krpc::compact::Values;
use crate::krpc::endpoint::{Endpoint, Family};
use crate::krpc::id::Id;
use crate::krpc::item::{self, MAX_VALUE};
use crate::krpc::message::{ErrorCode, ErrorMessage, MAX_TID, Method, Query, Refusal, Response, Want};

/// Replies are trimmed to this many bytes (BEP 32) ..
const TRIM_TO: usize = 1024;
/// .. except that one whose value alone is larger may have this many, without nodes. No query of ours has more.
pub(super) const LARGEST: usize = 1400;

/// Most peers in a reply.
const MAX_PEERS: usize = 100;
/// Most info-hashes in a sample.
const MAX_SAMPLES: usize = 50;

/// What the server looks at and writes to.
pub(super) struct Shelves<'a, 's> {
    pub items: &'a mut Items<'s>,
    pub peers: &'a mut PeerStore<'s>,
    pub tokens: &'a Tokens,
    pub own: Id,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Requester {
    pub endpoint: Endpoint,
    /// The link that the query came in by.
    pub link: u8,
    /// Size of the query in bytes.
    pub asked: usize,
    /// It is a contact that answered us.
    pub verified: bool,
}

/// A reply that waits to be drained.
#[derive(Clone, Debug)]
pub struct Reply {
    pub(super) to: Endpoint,
    pub(super) link: u8,
    tid: ArrayVec<u8, MAX_TID>,
    /// Bytes of the query.
    asked: u16,
    /// The source has proved that it receives what is sent to it.
    pub(super) proven: bool,
    body: ReplyBody,
}

/// With this representation `Pong` has no bit set.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
enum ReplyBody {
    Pong,
    Nodes { target: Id, want: Want },
    Peers { info_hash: Id, want: Want, token: Option<[u8; 8]>, noseed: bool, scrape: bool },
    Item { target: Id, want: Want, token: Option<[u8; 8]>, found: HeldItem },
    Samples { target: Id, want: Want },
    Error(ErrorCode, &'static str),
}

#[derive(Clone, Copy, Debug)]
enum HeldItem {
    Nothing,
    Item(ItemKey),
    /// The asker's version is as new as ours.
    SeqOnly(i64),
}

impl Default for Reply {
    fn default() -> Self {
        Reply::BLANK
    }
}

impl Reply {
    /// Unused memory: all its bits are zero, so that a static of it costs no flash.
    pub const BLANK: Reply = Reply {
        to: Endpoint::UNSPECIFIED,
        link: 0,
        tid: ArrayVec::new_const(),
        asked: 0,
        proven: false,
        body: ReplyBody::Pong,
    };

    fn set(&mut self, asker: &Requester, tid: &[u8]) {
        self.to = asker.endpoint;
        self.link = asker.link;
        self.tid.clear();
        let _fits = self.tid.try_extend_from_slice(&tid[..tid.len().min(MAX_TID)]);
        self.asked = asker.asked.min(usize::from(u16::MAX)) as u16;
        self.proven = asker.verified;
    }

    /// Makes this the error that a malformed query deserves.
    pub(super) fn refuse(&mut self, asker: &Requester, refusal: &Refusal<'_>) {
        self.set(asker, refusal.tid);
        self.body = ReplyBody::Error(refusal.error, refusal.text);
    }

    /// Whether this is an error message.
    pub(super) fn is_error(&self) -> bool {
        matches!(self.body, ReplyBody::Error(..))
    }
}

/// Serves a query: changes the stores and makes `reply` what answers it. Returns how many signatures were checked.
pub(super) fn answer(
    reply: &mut Reply,
    shelves: &mut Shelves<'_, '_>,
    now: Instant,
    asker: &Requester,
    query: &Query<'_>,
) -> u32 {
    reply.set(asker, query.tid);
    let from = asker.endpoint;
    let mut verifications = 0;
    reply.body = match query.method {
        Method::Ping => ReplyBody::Pong,
        Method::FindNode { target, want } | Method::Unknown { target, want, .. } => ReplyBody::Nodes { target, want },
        Method::GetPeers { info_hash, want, noseed, scrape } => {
            let full = shelves.peers.is_full_for(&info_hash);
            let token = (!full).then(|| shelves.tokens.issue(&from, &info_hash));
            ReplyBody::Peers { info_hash, want, token, noseed, scrape }
        }
        Method::AnnouncePeer { info_hash, port, implied_port, seed, token } => {
            if !shelves.tokens.verify(&from, &info_hash, token) {
                error(ErrorCode::Protocol, "bad token")
            } else {
                reply.proven = true;
                let peer = if implied_port { from } else { from.with_port(port) };
                match shelves.peers.announce(now, &info_hash, peer, seed) {
                    Announced::New | Announced::Updated => ReplyBody::Pong,
                    Announced::Full => error(ErrorCode::Protocol, "full"),
                    Announced::Quota => error(ErrorCode::Protocol, "quota reached"),
                }
            }
        }
        Method::Get { target, seq, want } => {
            let withheld = shelves.items.would_evict_first(&shelves.own, &target);
            let token = (!withheld).then(|| shelves.tokens.issue(&from, &target));
            let found = match shelves.items.find(&target) {
                None => HeldItem::Nothing,
                Some(key) => match (seq, shelves.items.seq(key)) {
                    (Some(asked), Some(stored)) if stored <= asked => HeldItem::SeqOnly(stored),
                    _ => HeldItem::Item(key),
                },
            };
            ReplyBody::Item { target, want, token, found }
        }
        Method::Put { token, item, cas, .. } => {
            let target = item.target();
            if !shelves.tokens.verify(&from, &target, token) {
                error(ErrorCode::Protocol, "bad token")
            } else {
                reply.proven = true;
                let verify = || match &item.mutable {
                    None => true,
                    Some(mutable) => {
                        verifications += 1;
                        item::verify(mutable, item.value)
                    }
                };
                let put = Put { from, target, item, cas };
                match shelves.items.put(now, &shelves.own, &put, verify) {
                    PutOutcome::Stored | PutOutcome::Replaced | PutOutcome::Identical => ReplyBody::Pong,
                    PutOutcome::CasMismatch => plain(ErrorCode::CasMismatch),
                    PutOutcome::SeqTooOld => plain(ErrorCode::SeqTooOld),
                    PutOutcome::BadSignature => plain(ErrorCode::BadSignature),
                    PutOutcome::Rejected(Rejection::Quota) => error(ErrorCode::Protocol, "quota reached"),
                    PutOutcome::Rejected(Rejection::Space) => error(ErrorCode::Protocol, "full"),
                    PutOutcome::Rejected(Rejection::Size) => plain(ErrorCode::TooLarge),
                    PutOutcome::EvictedSelf => error(ErrorCode::Protocol, "full"),
                }
            }
        }
        Method::SampleInfohashes { target, want } => ReplyBody::Samples { target, want },
    };
    verifications
}

fn plain(code: ErrorCode) -> ReplyBody {
    ReplyBody::Error(code, code.text())
}

fn error(code: ErrorCode, text: &'static str) -> ReplyBody {
    ReplyBody::Error(code, text)
}

/// What a reply is made of at the drain.
pub(super) struct Pantry<'a, 's> {
    pub items: &'a Items<'s>,
    pub peers: &'a mut PeerStore<'s>,
    /// Tables of all links, with their families, for nodes of the family that is wanted.
    pub tables: ArrayVec<(Family, &'a Table<'s>), { crate::dht::config::MAX_LINKS }>,
    /// The link that the query came by.
    pub link: u8,
    pub rng: &'a mut Rng,
    pub config: &'a ServerConfig,
    pub own: Id,
    pub version: [u8; 4],
}

/// How much of a reply is left out, from nothing to everything that can be spared.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Trim {
    Nothing,
    OtherFamily,
    Values,
    Nodes,
    Payload,
    Version,
    Text,
}

impl Trim {
    const STEPS: [Trim; 7] =
        [Trim::Nothing, Trim::OtherFamily, Trim::Values, Trim::Nodes, Trim::Payload, Trim::Version, Trim::Text];
}

impl Reply {
    /// The most bytes that this reply may have past its source's budget: 3.2 times the query.
    pub(super) fn fit(&self) -> usize {
        usize::from(self.asked) * 16 / 5
    }

    /// Encodes into `buf`, within `limit` bytes if given. `None`: what it was to carry is gone.
    pub(super) fn encode(
        &self,
        pantry: &mut Pantry<'_, '_>,
        now: Instant,
        limit: Option<usize>,
        buf: &mut [u8],
    ) -> Option<usize> {
        let mut shortest = None;
        for trim in Trim::STEPS {
            // Not even the buffer is large enough for everything; what is gone is gone at every step.
            let Some(len) = self.encode_trimmed(pantry, now, trim, buf) else { continue };
            let cap = match limit {
                Some(limit) => limit,
                None if trim >= Trim::Nodes => LARGEST,
                None => TRIM_TO,
            };
            shortest = Some(len);
            if len <= cap {
                break;
            }
        }
        shortest
    }

    fn encode_trimmed(&self, pantry: &mut Pantry<'_, '_>, now: Instant, trim: Trim, buf: &mut [u8]) -> Option<usize> {
        let version = (trim < Trim::Version).then_some(pantry.version);
        let version = version.as_ref().map(|v| &v[..]);
        if let ReplyBody::Error(code, text) = self.body {
            let text = if trim < Trim::Text { text.as_bytes() } else { b"" };
            let message = ErrorMessage { tid: &self.tid, version, ip: Some(self.to), code: code.code(), text };
            return message.encode(buf).ok();
        }
        let mut response = Response::new(&self.tid, pantry.own);
        response.version = version;
        response.ip = Some(self.to);

        let (mut nodes4, mut nodes6) = ([0; K * 26], [0; K * 38]);
        if let Some((target, want)) = self.nodes_wanted()
            && trim < Trim::Nodes
        {
            let families = families(self.to.family(), want, trim);
            if families.v4 {
                let len = closest(pantry, Family::V4, &target, &self.to, &mut nodes4);
                response.nodes = Some(&nodes4[..len]);
            }
            if families.v6 {
                let len = closest(pantry, Family::V6, &target, &self.to, &mut nodes6);
                response.nodes6 = Some(&nodes6[..len]);
            }
        }
        match &self.body {
            ReplyBody::Pong | ReplyBody::Nodes { .. } | ReplyBody::Error(..) => response.encode(buf).ok(),
            ReplyBody::Peers { info_hash, token, noseed, scrape, .. } => {
                response.token = token.as_ref().map(|t| &t[..]);
                self.encode_peers(&response, pantry, info_hash, *noseed, *scrape, trim, buf)
            }
            ReplyBody::Item { token, found, .. } => {
                response.token = token.as_ref().map(|t| &t[..]);
                encode_item(&response, pantry.items, *found, trim, buf)
            }
            ReplyBody::Samples { .. } => encode_samples(&response, pantry, now, trim, buf),
        }
    }

    // A frame of its own, like those below: on a small stack no reply is to pay for the bytes of the others.
    #[inline(never)]
    #[expect(clippy::too_many_arguments, reason = "the fields of one query")]
    fn encode_peers(
        &self,
        response: &Response<'_>,
        pantry: &mut Pantry<'_, '_>,
        info_hash: &Id,
        noseed: bool,
        scrape: bool,
        trim: Trim,
        buf: &mut [u8],
    ) -> Option<usize> {
        let mut bytes = [0; MAX_PEERS * 18];
        let stride = if self.to.is_v4() { 6 } else { 18 };
        let most = usize::from(pantry.config.peers_per_reply).min(MAX_PEERS);
        let filters = if scrape && trim < Trim::Payload { pantry.peers.filters(info_hash) } else { None };
        let (seeds, peers) = filters.as_ref().map(|(seeds, peers)| (&seeds.0, &peers.0)).unzip();
        let response = Response { seeds, peers, ..*response };
        let most = match trim {
            Trim::Nothing | Trim::OtherFamily => most,
            Trim::Values | Trim::Nodes => {
                let rest = response.encode(buf).ok()? + b"6:valuesle".len();
                most.min(TRIM_TO.saturating_sub(rest) / (stride + if stride < 10 { 2 } else { 3 }))
            }
            Trim::Payload | Trim::Version | Trim::Text => 0,
        };
        let mut len = 0;
        pantry.peers.sample(info_hash, self.to.family(), noseed, pantry.rng, most, |peer| {
            len += compact::put_peer(&mut bytes[len..], &peer);
        });
        let values = if len > 0 { Values::Packed { bytes: &bytes[..len], stride } } else { Values::Absent };
        Response { values, ..response }.encode(buf).ok()
    }

    fn nodes_wanted(&self) -> Option<(Id, Want)> {
        match self.body {
            ReplyBody::Nodes { target, want }
            | ReplyBody::Item { target, want, .. }
            | ReplyBody::Samples { target, want }
            | ReplyBody::Peers { info_hash: target, want, .. } => Some((target, want)),
            ReplyBody::Pong | ReplyBody::Error(..) => None,
        }
    }
}

#[inline(never)]
fn encode_item(
    response: &Response<'_>,
    items: &Items<'_>,
    found: HeldItem,
    trim: Trim,
    buf: &mut [u8],
) -> Option<usize> {
    match found {
        HeldItem::Nothing => response.encode(buf).ok(),
        HeldItem::SeqOnly(seq) => Response { seq: Some(seq), ..*response }.encode(buf).ok(),
        HeldItem::Item(key) => {
            let mut value = [0; MAX_VALUE];
            let stored = items.view(key, &mut value)?;
            if trim >= Trim::Payload {
                return response.encode(buf).ok();
            }
            let mut response = Response { value: Some(stored.value), ..*response };
            if let Some(mutable) = stored.mutable {
                response.key = Some(mutable.key);
                response.seq = Some(mutable.seq);
                response.signature = Some(mutable.signature);
            }
            response.encode(buf).ok()
        }
    }
}

#[inline(never)]
fn encode_samples(
    response: &Response<'_>,
    pantry: &mut Pantry<'_, '_>,
    now: Instant,
    trim: Trim,
    buf: &mut [u8],
) -> Option<usize> {
    let mut samples = [0; MAX_SAMPLES * Id::LEN];
    let most = if trim < Trim::Values { usize::from(pantry.config.samples).min(MAX_SAMPLES) } else { 0 };
    let mut len = 0;
    pantry.peers.sample_infohashes(now, pantry.rng, most, |hash| {
        samples[len..len + Id::LEN].copy_from_slice(hash.as_bytes());
        len += Id::LEN;
    });
    let num = i64::try_from(pantry.peers.info_hashes()).ok();
    let interval = i64::try_from(pantry.peers.interval_left(now).as_secs()).ok();
    Response { samples: Some(&samples[..len]), num, interval, ..*response }.encode(buf).ok()
}

/// Families of nodes to send: those asked for, else that of the query; when trimming, that of the query comes last.
fn families(own: Family, want: Want, trim: Trim) -> Want {
    let own = Want { v4: own == Family::V4, v6: own == Family::V6 };
    match want {
        Want { v4: false, v6: false } => own,
        Want { v4: true, v6: true } if trim >= Trim::OtherFamily => own,
        want => want,
    }
}

/// Writes the closest contacts of a family; bytes written.
fn closest(pantry: &Pantry<'_, '_>, family: Family, target: &Id, asker: &Endpoint, out: &mut [u8]) -> usize {
    let mut len = 0;
    let of_link = pantry.tables.get(usize::from(pantry.link));
    if let Some((_, table)) = of_link.into_iter().chain(&pantry.tables).find(|(f, _)| *f == family) {
        table.closest(target, Some(asker), K, |contact| {
            len += match family {
                Family::V4 => compact::put_node4(&mut out[len..], contact.id(), &contact.endpoint()),
                Family::V6 => compact::put_node6(&mut out[len..], contact.id(), &contact.endpoint()),
            };
        });
    }
    len
}
