//! Replies on the wire: what a reply carries is looked up once, and left out bit by bit until it fits.
//!
//! A reply never helps to attack a third party with a forged source: past its network's budget of reply bytes, a source
//! that has not proved itself gets at most 3.2 times the bytes it sent (rule S20 of `spec/server.md`). Leaving out
//! takes no second look at the stores: the same parts are encoded again, fewer of them each time.

use crate::base::rng::Rng;
use crate::base::time::Instant;
use crate::dht::config::{Config, K, MAX_SAMPLES};
use crate::dht::items::Items;
use crate::dht::node::link::Links;
use crate::dht::node::server::reply::{HeldItem, Reply, ReplyBody};
use crate::dht::peers::PeerStore;
use crate::krpc::compact::{self, MAX_PEERS, NODE4, NODE6, PEER4, PEER6, Values};
use crate::krpc::endpoint::Family;
use crate::krpc::id::Id;
use crate::krpc::item::MAX_VALUE;
use crate::krpc::message::{ErrorCode, ErrorMessage, Response, Want};

/// Replies are trimmed to this many bytes (BEP 32) ..
const TRIM_TO: usize = 1024;
/// .. except that one whose value alone is larger may have this many, without nodes.
const LARGEST: usize = 1400;
/// Bytes of the nodes of both families.
const NODES: usize = K * (NODE4 + NODE6);

/// What the parts of a reply are looked up in.
pub(super) struct Sources<'a, 's> {
    pub items: &'a Items<'s>,
    pub peers: &'a mut PeerStore<'s>,
    pub links: &'a Links<'s>,
    pub now: Instant,
    pub config: &'a Config,
    pub rng: &'a mut Rng,
    /// Our id on the link that the query came by.
    pub own: Id,
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

/// Is told the length of a reply, and says to how many bytes it has to be cut, if at all.
type Budget<'a> = &'a mut dyn FnMut(usize) -> Option<usize>;

/// Encodes with less and less until the result is short enough, and again if `budget` allows that length less. `None`:
/// what the reply was to carry is gone.
fn fit(budget: Budget<'_>, encode: &mut dyn FnMut(Trim) -> Option<usize>) -> Option<usize> {
    let mut shorten = |limit: Option<usize>| {
        let mut shortest = None;
        for trim in Trim::STEPS {
            // Not even the buffer is large enough for everything; what is gone is gone at every step.
            let Some(len) = encode(trim) else { continue };
            shortest = Some(len);
            let most = limit.unwrap_or(if trim >= Trim::Nodes { LARGEST } else { TRIM_TO });
            if len <= most {
                break;
            }
        }
        shortest
    };
    let len = shorten(None)?;
    match budget(len) {
        None => Some(len),
        limit => shorten(limit),
    }
}

impl Reply {
    /// Encodes into `buf`. `budget` is told the length and says to how many bytes the reply has to be cut, if at all.
    pub(super) fn encode<'a>(
        &'a self,
        sources: &mut Sources<'a, '_>,
        budget: Budget<'_>,
        buf: &mut [u8],
    ) -> Option<usize> {
        let (target, want) = match *self.body() {
            ReplyBody::Error(code, text) | ReplyBody::NotStored(code, text) => {
                return fit(budget, &mut |trim| self.encode_error(sources.config, code, text, trim, buf));
            }
            ReplyBody::Pong | ReplyBody::Stored => {
                let head = Head::new(self, sources);
                return fit(budget, &mut |trim| head.response(trim, None).encode(buf).ok());
            }
            ReplyBody::Nodes { target, want }
            | ReplyBody::Item { target, want, .. }
            | ReplyBody::Samples { target, want }
            | ReplyBody::Peers { info_hash: target, want, .. } => (target, want),
        };
        let mut nodes = [0; NODES];
        let mut head = Head::new(self, sources);
        head.add_nodes(sources, &target, want, &mut nodes);
        match *self.body() {
            ReplyBody::Peers { info_hash, token, noseed, scrape, .. } => {
                let wanted = PeersWanted { info_hash: &info_hash, noseed, scrape };
                head.with_peers(sources, &wanted, token.as_ref().map(|token| &token.as_bytes()[..]), budget, buf)
            }
            ReplyBody::Item { token, found, .. } => {
                head.with_item(sources.items, found, token.as_ref().map(|token| &token.as_bytes()[..]), budget, buf)
            }
            ReplyBody::Samples { .. } => head.with_samples(sources, budget, buf),
            _ => fit(budget, &mut |trim| head.response(trim, None).encode(buf).ok()),
        }
    }

    fn encode_error(&self, config: &Config, code: ErrorCode, text: &str, trim: Trim, buf: &mut [u8]) -> Option<usize> {
        let version = (trim < Trim::Version).then_some(&config.version[..]);
        let text = if trim < Trim::Text { text.as_bytes() } else { b"" };
        let (_, to) = self.destination();
        ErrorMessage { tid: self.tid(), version, ip: Some(to), code: code.code(), text }.encode(buf).ok()
    }
}

/// Which peers are asked for.
struct PeersWanted<'a> {
    info_hash: &'a Id,
    noseed: bool,
    scrape: bool,
}

/// What every response has: ids, addresses, and the nearest contacts where they are asked for.
struct Head<'a> {
    reply: &'a Reply,
    own: Id,
    version: &'a [u8],
    /// Families that are asked for; none without contacts.
    want: Option<Want>,
    nodes: [&'a [u8]; 2],
}

impl<'a> Head<'a> {
    fn new(reply: &'a Reply, sources: &Sources<'a, '_>) -> Self {
        Head { reply, own: sources.own, version: &sources.config.version, want: None, nodes: [&[]; 2] }
    }

    /// Adds the contacts nearest to `target`, which are written to `buf`.
    #[inline]
    fn add_nodes(&mut self, sources: &Sources<'_, '_>, target: &Id, want: Want, buf: &'a mut [u8; NODES]) {
        let (_, to) = self.reply.destination();
        let families = families(to.family(), want, Trim::Nothing);
        let (four, six) = buf.split_at_mut(K * NODE4);
        self.want = Some(want);
        if families.v4 {
            let len = closest(self.reply, sources, Family::V4, target, four);
            self.nodes[0] = &four[..len];
        }
        if families.v6 {
            let len = closest(self.reply, sources, Family::V6, target, six);
            self.nodes[1] = &six[..len];
        }
    }

    /// Always inlined, so that a response is built in place: copying it takes as long as encoding a part of it.
    #[inline(always)]
    fn response<'r>(&'r self, trim: Trim, token: Option<&'r [u8]>) -> Response<'r> {
        let (_, to) = self.reply.destination();
        let mut response = Response::new(self.reply.tid(), self.own);
        response.token = token;
        response.version = (trim < Trim::Version).then_some(self.version);
        response.ip = Some(to);
        if let Some(want) = self.want.filter(|_| trim < Trim::Nodes) {
            let families = families(to.family(), want, trim);
            response.nodes = families.v4.then_some(self.nodes[0]);
            response.nodes6 = families.v6.then_some(self.nodes[1]);
        }
        response
    }

    // Own stack frames (E1), here and below: no reply pays for the bytes of the others.
    #[inline(never)]
    fn with_peers(
        &self,
        sources: &mut Sources<'_, '_>,
        wanted: &PeersWanted<'_>,
        token: Option<&[u8]>,
        budget: Budget<'_>,
        buf: &mut [u8],
    ) -> Option<usize> {
        let (_, to) = self.reply.destination();
        let stride = if to.is_v4() { PEER4 } else { PEER6 };
        let filters = if wanted.scrape { sources.peers.filters(wanted.info_hash) } else { None };
        let (seeds, downloaders) = filters.as_ref().map(|(seeds, peers)| (&seeds.0, &peers.0)).unzip();
        let mut bytes = [0; MAX_PEERS * PEER6];
        let most = usize::from(sources.config.server.peers_per_reply).min(MAX_PEERS);
        let mut len = 0;
        sources.peers.sample(wanted.info_hash, to.family(), wanted.noseed, sources.rng, most, |peer| {
            len += compact::put_peer(&mut bytes[len..], &peer);
        });
        let mut shuffled = false;
        fit(budget, &mut |trim| {
            let mut response = self.response(trim, token);
            if trim < Trim::Payload {
                (response.seeds, response.peers) = (seeds, downloaders);
            }
            let kept = match trim {
                Trim::Nothing | Trim::OtherFamily => len,
                Trim::Values | Trim::Nodes => {
                    // Any of them is as likely to be kept as any other.
                    if !core::mem::replace(&mut shuffled, true) {
                        shuffle(&mut bytes[..len], stride, sources.rng);
                    }
                    let rest = response.encode(buf).ok()? + b"6:valuesle".len();
                    let space = TRIM_TO.saturating_sub(rest) / (stride + if stride == PEER4 { 2 } else { 3 });
                    len.min(space * stride)
                }
                Trim::Payload | Trim::Version | Trim::Text => 0,
            };
            if kept > 0 {
                response.values = Values::Packed { bytes: &bytes[..kept], family: to.family() };
            }
            response.encode(buf).ok()
        })
    }

    #[inline(never)]
    fn with_item(
        &self,
        items: &Items<'_>,
        found: HeldItem,
        token: Option<&[u8]>,
        budget: Budget<'_>,
        buf: &mut [u8],
    ) -> Option<usize> {
        let key = match found {
            HeldItem::Nothing => {
                return fit(budget, &mut |trim| self.response(trim, token).encode(buf).ok());
            }
            HeldItem::SeqOnly(seq) => {
                return fit(budget, &mut |trim| {
                    let mut response = self.response(trim, token);
                    response.seq = Some(seq);
                    response.encode(buf).ok()
                });
            }
            HeldItem::Item(key) => key,
        };
        let mut value = [0; MAX_VALUE];
        let stored = items.view(key, &mut value)?;
        fit(budget, &mut |trim| {
            let mut response = self.response(trim, token);
            if trim < Trim::Payload {
                response.value = Some(stored.value);
                if let Some(mutable) = stored.mutable {
                    response.key = Some(mutable.key);
                    response.seq = Some(mutable.seq);
                    response.signature = Some(mutable.signature);
                }
            }
            response.encode(buf).ok()
        })
    }

    #[inline(never)]
    fn with_samples(&self, sources: &mut Sources<'_, '_>, budget: Budget<'_>, buf: &mut [u8]) -> Option<usize> {
        let mut samples = [0; MAX_SAMPLES as usize * Id::LEN];
        let most = usize::from(sources.config.server.samples);
        let mut len = 0;
        sources.peers.sample_infohashes(sources.now, sources.rng, most, |hash| {
            samples[len..len + Id::LEN].copy_from_slice(hash.as_bytes());
            len += Id::LEN;
        });
        let num = i64::try_from(sources.peers.info_hashes()).ok();
        let interval = i64::try_from(sources.peers.interval_left(sources.now).as_secs()).ok();
        fit(budget, &mut |trim| {
            let mut response = self.response(trim, None);
            response.samples = Some(if trim < Trim::Values { &samples[..len] } else { &[] });
            (response.num, response.interval) = (num, interval);
            response.encode(buf).ok()
        })
    }
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
fn closest(reply: &Reply, sources: &Sources<'_, '_>, family: Family, target: &Id, out: &mut [u8]) -> usize {
    let (link, to) = reply.destination();
    let Some(table) = sources.links.table_of(link, family) else { return 0 };
    let mut len = 0;
    table.closest(target, Some(&to), K, |contact| {
        len += compact::put_node(&mut out[len..], contact.id(), &contact.endpoint());
    });
    len
}

/// Puts entries of `stride` bytes into a random order.
fn shuffle(bytes: &mut [u8], stride: usize, rng: &mut Rng) {
    for last in (1..bytes.len() / stride).rev() {
        let other = rng.below(last as u32 + 1) as usize;
        if other < last {
            let (front, back) = bytes.split_at_mut(last * stride);
            front[other * stride..][..stride].swap_with_slice(&mut back[..stride]);
        }
    }
}
