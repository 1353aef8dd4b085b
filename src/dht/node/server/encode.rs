//! Replies on the wire: each part is looked up once, when it is known that there is room for it.
//!
//! A reply never helps to attack a third party with a forged source: past its network's budget of reply bytes, a source
//! that has not proved itself gets at most 3.2 times the bytes it sent (rule S20 of `spec/server.md`). That is known
//! before anything is looked up, and so is how long the rest of the reply is: what does not fit is never made. So a
//! reply that is cut costs less than the same one whole.

use crate::base::planted::{Bug, planted};
use crate::base::recount::Tracked;
use crate::base::rng::Rng;
use crate::base::time::Instant;
use crate::dht::config::{Config, K, LARGEST_REPLY, MAX_SAMPLES, SAMPLES};
use crate::dht::items::{ItemKey, Items};
use crate::dht::node::links::Links;
use crate::dht::node::server::reply::{HeldItem, Reply, ReplyBody};
use crate::dht::peers::PeerStore;
use crate::dht::tokens::WriteToken;
use crate::krpc::bloom::Bloom;
use crate::krpc::compact::{self, MAX_PEERS, NODE4, NODE6, PEER4, PEER6, Values};
use crate::krpc::endpoint::Family;
use crate::krpc::id::Id;
use crate::krpc::item::MAX_VALUE;
use crate::krpc::message::{ErrorCode, ErrorMessage, Response, Want};

/// Replies have at most this many bytes (BEP 32) ..
const TRIM_TO: usize = 1024;
/// .. except that one whose value alone is larger may have this many, without nodes, and one with more samples than are
/// usual.
const LARGEST: usize = LARGEST_REPLY;

/// What stands around the values, beside what stands around each, and around the nodes of a family.
const AROUND_VALUES: usize = b"6:valuesle".len();
const AROUND_NODES: usize = b"6:nodes6304:".len();
/// What stands around our version, which has four bytes.
const AROUND_VERSION: usize = b"1:v4:".len();
/// What stands around a value, and besides in a mutable item with a long number.
const AROUND_VALUE: usize = b"1:v".len();
const MUTABLE: usize = b"1:k32:3:seqi9223372036854775807e3:sig64:".len() + 32 + 64;
/// Two filters (BEP 33).
const FILTERS: usize = 2 * (b"4:BFsd256:".len() + Bloom::LEN);
/// What a list of samples has more around it than an empty one.
const AROUND_SAMPLES: usize = b"1000".len() - b"0".len();

/// What the parts of a reply are looked up in.
pub(super) struct Sources<'a, 's> {
    pub items: &'a Items<'s>,
    pub peers: &'a mut Tracked<PeerStore<'s>>,
    pub links: &'a Links<'s>,
    pub now: Instant,
    pub config: &'a Config,
    pub rng: &'a mut Rng,
    /// Our id on the link that the query came by.
    pub own: Id,
}

/// How long a reply may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Limit {
    /// As long as its kind may be.
    Usual,
    /// At most so many bytes.
    Bytes(usize),
}

/// A reply in the buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Encoded {
    pub len: usize,
    /// Whether it would have been longer, but for [`Limit::Bytes`].
    pub is_cut: bool,
}

/// Room for the nodes of the asker's family, and of the other.
type NodesBufs<'a> = [&'a mut [u8]; 2];

impl Reply {
    /// Encodes into `buf`. `None`: what the reply was to carry is gone.
    pub(super) fn encode<'a>(&'a self, sources: &mut Sources<'a, '_>, limit: Limit, buf: &mut [u8]) -> Option<Encoded> {
        let (target, want) = match *self.body() {
            ReplyBody::Error(code, text) | ReplyBody::NotStored(code, text) => {
                return self.encode_error(Head::new(self, sources, limit), code, text, buf);
            }
            ReplyBody::Pong | ReplyBody::Stored => {
                let mut head = Head::new(self, sources, limit);
                head.bare_len();
                let len = head.response().encode(buf).ok()?;
                return Some(Encoded { len, is_cut: head.is_cut });
            }
            ReplyBody::Nodes { target, want }
            | ReplyBody::Item { target, want, .. }
            | ReplyBody::Samples { target, want }
            | ReplyBody::Peers { info_hash: target, want, .. } => (target, want),
        };
        let (mut four, mut six) = ([0; K * NODE4], [0; K * NODE6]);
        let (_, to) = self.destination();
        let nodes: NodesBufs<'_> = if to.is_v4() { [&mut four, &mut six] } else { [&mut six, &mut four] };
        let mut head = Head { asked: Some((target, want)), ..Head::new(self, sources, limit) };
        let len = match self.body() {
            ReplyBody::Peers { token, noseed, scrape, .. } => {
                head.token = token.as_ref();
                head.with_peers(sources, &target, *noseed, *scrape, nodes, buf)
            }
            ReplyBody::Item { token, found, .. } => {
                head.token = token.as_ref();
                match *found {
                    HeldItem::Item(key) => head.with_item(sources, key, nodes, buf),
                    HeldItem::Nothing => head.with_nodes(sources, nodes, buf),
                    HeldItem::SeqOnly(seq) => {
                        head.seq = Some(seq);
                        head.with_nodes(sources, nodes, buf)
                    }
                }
            }
            ReplyBody::Samples { .. } => head.with_samples(sources, nodes, buf),
            _ => head.with_nodes(sources, nodes, buf),
        }?;
        Some(Encoded { len, is_cut: head.is_cut })
    }

    fn encode_error(&self, head: Head<'_>, code: ErrorCode, text: &str, buf: &mut [u8]) -> Option<Encoded> {
        let (_, to) = self.destination();
        let mut error = ErrorMessage {
            tid: self.tid(),
            version: head.version,
            ip: Some(to),
            code: code.code(),
            text: text.as_bytes(),
        };
        let mut len = error.encode(buf).ok()?;
        let mut is_cut = false;
        if head.limit_is_below(len) {
            (error.version, is_cut) = (None, true);
            len = error.encode(buf).ok()?;
        }
        if head.limit_is_below(len) {
            error.text = b"";
            len = error.encode(buf).ok()?;
        }
        Some(Encoded { len, is_cut })
    }
}

/// What every response of a kind has, and the nearest contacts where there is room for them.
struct Head<'a> {
    reply: &'a Reply,
    limit: Limit,
    own: Id,
    version: Option<&'a [u8]>,
    /// What nodes are asked for, near to what.
    asked: Option<(Id, Want)>,
    token: Option<&'a WriteToken>,
    seq: Option<i64>,
    /// Number of info-hashes, and for how long it is the same sample of them.
    samples: Option<(i64, i64)>,
    nodes: Option<&'a [u8]>,
    nodes6: Option<&'a [u8]>,
    is_cut: bool,
}

impl<'a> Head<'a> {
    fn new(reply: &'a Reply, sources: &Sources<'a, '_>, limit: Limit) -> Self {
        Head {
            reply,
            limit,
            own: sources.own,
            version: Some(&sources.config.version),
            asked: None,
            token: None,
            seq: None,
            samples: None,
            nodes: None,
            nodes6: None,
            is_cut: false,
        }
    }

    /// Always inlined, so that a response is built in place: copying it takes as long as encoding a part of it.
    #[inline(always)]
    fn response(&self) -> Response<'_> {
        let (_, to) = self.reply.destination();
        let mut response = Response::new(self.reply.tid(), self.own);
        response.token = self.token.map(|token| &token.as_bytes()[..]);
        response.version = self.version;
        response.ip = Some(to);
        response.seq = self.seq;
        (response.nodes, response.nodes6) = (self.nodes, self.nodes6);
        if let Some((num, interval)) = self.samples {
            (response.num, response.interval) = (Some(num), Some(interval));
            response.samples = Some(&[]);
        }
        response
    }

    /// How long it is with what every response of its kind has; without our version, if that is too long.
    fn bare_len(&mut self) -> usize {
        let len = self.response().bare_len();
        match self.version.take_if(|_| matches!(self.limit, Limit::Bytes(limit) if len > limit)) {
            Some(version) => {
                self.is_cut = true;
                len - AROUND_VERSION - version.len()
            }
            None => len,
        }
    }

    fn limit_is_below(&self, len: usize) -> bool {
        matches!(self.limit, Limit::Bytes(limit) if len > limit)
    }

    fn is_limited(&self) -> bool {
        self.limit != Limit::Usual
    }

    /// How many bytes there are for the parts of a response that may have `usual` bytes.
    fn space(&mut self, usual: usize) -> usize {
        let most = match self.limit {
            Limit::Usual => usual,
            Limit::Bytes(limit) => limit,
        };
        most.saturating_sub(self.bare_len())
    }

    #[inline]
    fn with_nodes(&mut self, sources: &Sources<'_, '_>, nodes: NodesBufs<'a>, buf: &mut [u8]) -> Option<usize> {
        // The usual reply has room for the nodes of both families, so nobody has to measure it.
        let mut space = if self.is_limited() { self.space(0) } else { usize::MAX };
        let [own, other] = nodes;
        self.add_nodes(sources, self.own_family(), own, &mut space);
        self.add_nodes(sources, self.other_family(), other, &mut space);
        self.response().encode(buf).ok()
    }

    // Own stack frames (E1), here and below: no reply pays for the bytes of the others.
    #[inline(never)]
    fn with_peers(
        &mut self,
        sources: &mut Sources<'_, '_>,
        info_hash: &Id,
        noseed: bool,
        scrape: bool,
        nodes: NodesBufs<'a>,
        buf: &mut [u8],
    ) -> Option<usize> {
        let mut space = self.space(TRIM_TO);
        let [own, other] = nodes;
        let mut own = Some(own);
        let filters = if scrape && space >= FILTERS { sources.peers.filters(info_hash) } else { None };
        self.is_cut |= scrape && space < FILTERS;
        space -= if filters.is_some() { FILTERS } else { 0 };
        // Nodes go first where a reply is cut; usually, values do.
        if !self.is_limited()
            && let Some(own) = own.take()
        {
            self.add_nodes(sources, self.own_family(), own, &mut space);
        }
        let family = self.own_family();
        let stride = if family == Family::V4 { PEER4 } else { PEER6 };
        let each = stride + if family == Family::V4 { b"6:".len() } else { b"18:".len() };
        let wanted = usize::from(sources.config.server.peers_per_reply).min(MAX_PEERS);
        let most = wanted.min(space.saturating_sub(AROUND_VALUES) / each);
        let mut bytes = [0; MAX_PEERS * PEER6];
        let mut len = 0;
        let count = sources.peers.sample(info_hash, family, noseed, sources.rng, most, |peer| {
            len += compact::put_peer(&mut bytes[len..], &peer);
        });
        self.is_cut |= self.is_limited() && most < wanted && count == most;
        space -= if count > 0 { AROUND_VALUES + count * each } else { 0 };
        if let Some(own) = own {
            self.add_nodes(sources, family, own, &mut space);
        }
        self.add_nodes(sources, self.other_family(), other, &mut space);
        let mut response = self.response();
        if let Some((seeds, peers)) = &filters {
            (response.seeds, response.peers) = (Some(&seeds.0), Some(&peers.0));
        }
        if count > 0 {
            response.values = Values::Packed { bytes: &bytes[..len], family };
        }
        response.encode(buf).ok()
    }

    #[inline(never)]
    fn with_item(
        &mut self,
        sources: &Sources<'_, '_>,
        key: ItemKey,
        nodes: NodesBufs<'a>,
        buf: &mut [u8],
    ) -> Option<usize> {
        let mut value = [0; MAX_VALUE];
        let stored = sources.items.view(key, &mut value)?;
        let item = AROUND_VALUE + stored.value.len() + if stored.mutable.is_some() { MUTABLE } else { 0 };
        let space = self.space(LARGEST);
        let has_item = item <= space;
        self.is_cut |= !has_item;
        let mut space = space - if has_item { item } else { 0 };
        if !self.is_limited() {
            // Only the value may take more than is usual.
            space = space.saturating_sub(LARGEST - TRIM_TO);
        }
        let [own, other] = nodes;
        self.add_nodes(sources, self.own_family(), own, &mut space);
        self.add_nodes(sources, self.other_family(), other, &mut space);
        let mut response = self.response();
        if has_item {
            response.value = Some(stored.value);
            if let Some(mutable) = stored.mutable {
                response.key = Some(mutable.key);
                response.seq = Some(mutable.seq);
                response.signature = Some(mutable.signature);
            }
        }
        response.encode(buf).ok()
    }

    #[inline(never)]
    fn with_samples(&mut self, sources: &mut Sources<'_, '_>, nodes: NodesBufs<'a>, buf: &mut [u8]) -> Option<usize> {
        let wanted = sources.config.server.samples;
        let mut samples = [0; MAX_SAMPLES as usize * Id::LEN];
        let mut len = 0;
        sources.peers.sample_infohashes(sources.now, sources.rng, wanted.into(), |hash| {
            samples[len..len + Id::LEN].copy_from_slice(hash.as_bytes());
            len += Id::LEN;
        });
        let num = i64::try_from(sources.peers.info_hashes()).unwrap_or(i64::MAX);
        let interval = i64::try_from(sources.peers.interval_left(sources.now).as_secs()).unwrap_or(i64::MAX);
        self.samples = Some((num, interval));
        let mut space = self.space(if wanted > SAMPLES { LARGEST } else { TRIM_TO });
        let [own, other] = nodes;
        let mut own = Some(own);
        if !self.is_limited()
            && let Some(own) = own.take()
        {
            self.add_nodes(sources, self.own_family(), own, &mut space);
        }
        let most = space.saturating_sub(AROUND_SAMPLES) / Id::LEN * Id::LEN;
        // Where a limit cuts them, no node finds room behind them: that says that the reply is cut.
        len = len.min(most);
        space -= if len > 0 { AROUND_SAMPLES + len } else { 0 };
        if let Some(own) = own {
            self.add_nodes(sources, self.own_family(), own, &mut space);
        }
        self.add_nodes(sources, self.other_family(), other, &mut space);
        let mut response = self.response();
        response.samples = Some(&samples[..len]);
        response.encode(buf).ok()
    }

    fn own_family(&self) -> Family {
        self.reply.destination().1.family()
    }

    fn other_family(&self) -> Family {
        match self.own_family() {
            Family::V4 => Family::V6,
            Family::V6 => Family::V4,
        }
    }

    /// Adds the contacts of a family that are nearest to what was asked for, if that family is wanted, as many as there
    /// is space for. They are written to `out`.
    #[inline]
    fn add_nodes(&mut self, sources: &Sources<'_, '_>, family: Family, out: &'a mut [u8], space: &mut usize) {
        let Some((target, want)) = &self.asked else { return };
        let is_wanted = match (want, family) {
            (Want { v4: false, v6: false }, family) => family == self.own_family(),
            (want, Family::V4) => want.v4,
            (want, Family::V6) => want.v6,
        };
        if !is_wanted {
            return;
        }
        let size = if family == Family::V4 { NODE4 } else { NODE6 };
        // A division costs as much as a node does.
        let all_fit = *space >= AROUND_NODES + K * size;
        let most = if all_fit { K } else { space.saturating_sub(AROUND_NODES) / size };
        if most == 0 {
            self.is_cut |= self.is_limited();
            return;
        }
        let len = closest(self.reply, sources, family, target, most, out);
        self.is_cut |= self.is_limited() && most < K && len == most * size;
        *space = space.saturating_sub(AROUND_NODES + len);
        let nodes = Some(&out[..len]);
        match family {
            Family::V4 => self.nodes = nodes,
            Family::V6 => self.nodes6 = nodes,
        }
    }
}

/// Writes the closest contacts of a family; bytes written.
fn closest(
    reply: &Reply,
    sources: &Sources<'_, '_>,
    family: Family,
    target: &Id,
    most: usize,
    out: &mut [u8],
) -> usize {
    let (link, to) = reply.destination();
    let Some(table) = sources.links.table_of(link, family) else { return 0 };
    let mut len = 0;
    let target = if planted(Bug::NamesOwnNeighbours) { table.own() } else { target };
    table.closest(target, Some(&to), most, |contact| {
        len += compact::put_node(&mut out[len..], contact.id(), &contact.endpoint());
    });
    len
}
