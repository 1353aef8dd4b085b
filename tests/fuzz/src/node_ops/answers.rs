//! Answers to the queries of the node, from honest to absurd.

use arbitrary::{Result, Unstructured};
use honeyguide::base::NoRoom;
use honeyguide::dht::LinkId;
use honeyguide::internals::krpc::compact::{NODE4, put_node, put_peer};
use honeyguide::krpc::{ErrorMessage, Family, Method, Query, Response, Values};
use honeyguide::{Endpoint, Id};

use super::world::World;
use crate::setting::{NEIGHBOURS, SIGNED, TARGETS, VALUES};

/// How an answer is made.
#[derive(Clone, Copy, Default, Debug)]
pub struct Manner {
    /// Nodes and peers in the answer.
    pub count: u8,
    /// The first of them.
    pub first: u8,
    /// Which value, if the query is a `get`: nothing, an immutable one, a mutable one, only a sequence number.
    pub value: u8,
    /// One bit each for what is there and what is wrong.
    pub flags: u16,
}

pub const TOKEN: u16 = 1;
pub const LONG_TOKEN: u16 = 1 << 1;
pub const PEERS: u16 = 1 << 2;
pub const EXTRAS: u16 = 1 << 3;
pub const IP: u16 = 1 << 4;
pub const OTHER_IP: u16 = 1 << 5;
pub const OUR_ID: u16 = 1 << 6;
pub const BOTH_FAMILIES: u16 = 1 << 7;
pub const WRONG_ID: u16 = 1 << 8;
pub const NODES_ID: u16 = 1 << 9;
pub const FORGED: u16 = 1 << 10;
pub const ERROR: u16 = 1 << 11;
pub const BROKEN: u16 = 1 << 12;

impl Manner {
    pub fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
        // Two bytes of flags, of which both have to be set: most answers are mostly honest.
        let (count, first, value, either, other): (u8, u8, u8, u16, u16) = u.arbitrary()?;
        let common = TOKEN | PEERS | EXTRAS | IP;
        let count = if count < 250 { count % 12 } else { 70 };
        Ok(Manner { count, first, value, flags: (either & common) | (either & other) })
    }

    /// An honest and helpful answer.
    pub fn generous(variant: u8) -> Self {
        Manner { count: 8, first: variant, value: variant, flags: TOKEN | PEERS | EXTRAS | IP }
    }

    fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }
}

/// What the node at `from` answers to a query of ours, which left by `link`.
pub fn answer(world: &World, link: LinkId, from: Endpoint, query: &Query<'_>, manner: Manner) -> Vec<u8> {
    let mut out = vec![0; 10_000];
    let len = if manner.has(ERROR) {
        let code = [201, 202, 203, 204, 205, 206, 207, 301, 302, -1, i64::MAX][usize::from(manner.value) % 11];
        ErrorMessage { tid: query.tid, version: None, ip: None, code, text: b"no" }.encode(&mut out)
    } else {
        respond(world, link, from, query, manner, &mut out)
    };
    out.truncate(len.expect("there is room for everything"));
    if manner.has(BROKEN) {
        let (place, byte) = (1 + usize::from(manner.first) % (out.len() - 1), manner.value);
        out[place] ^= byte.max(1);
    }
    out
}

/// Our address, as others see it.
fn us(link: LinkId, to: Endpoint) -> Endpoint {
    if to.is_v4() {
        Endpoint::v4([90, 1, 2, 3], 6881 + u16::from(link.0))
    } else {
        Endpoint::v6([0x20, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 6881)
    }
}

fn respond(
    world: &World,
    link: LinkId,
    from: Endpoint,
    query: &Query<'_>,
    manner: Manner,
    out: &mut [u8],
) -> std::result::Result<usize, NoRoom> {
    let first = usize::from(manner.first);
    let own = world.node.id(link).expect("a link of ours");
    let id = match world.neighbours.iter().find(|n| n.endpoint == from) {
        _ if manner.has(NODES_ID) => own,
        _ if manner.has(WRONG_ID) => world.neighbour(manner.first).id,
        Some(neighbour) => neighbour.id,
        None => TARGETS[first % TARGETS.len()],
    };
    let mut response = Response::new(query.tid, id);
    if manner.has(IP) {
        response.ip = Some(if manner.has(OTHER_IP) {
            world.neighbour(manner.first).endpoint.with_port(7)
        } else {
            us(link, from)
        });
    }
    let lists = Lists::new(world, &manner, own);
    let (four, six) = (from.family() == Family::V4, from.family() == Family::V6);
    if !matches!(query.method, Method::Ping | Method::AnnouncePeer { .. } | Method::Put { .. }) {
        response.nodes = (four || manner.has(BOTH_FAMILIES)).then_some(&lists.nodes4[..]);
        response.nodes6 = (six || manner.has(BOTH_FAMILIES)).then_some(&lists.nodes6[..]);
    }
    let token = [b't'; 65];
    let filter = [manner.value; 256];
    match query.method {
        Method::GetPeers { scrape, .. } => {
            response.token = manner.has(TOKEN).then_some(&token[..8]);
            if manner.has(PEERS) {
                let (bytes, family) = if four { (&lists.peers4, Family::V4) } else { (&lists.peers6, Family::V6) };
                response.values = Values::Packed { bytes, family };
            }
            if scrape && manner.has(EXTRAS) {
                (response.seeds, response.peers) = (Some(&filter), Some(&filter));
            }
        }
        Method::Get { .. } => {
            response.token = manner.has(TOKEN).then_some(&token[..8]);
            hold(&mut response, &manner);
        }
        Method::SampleInfohashes { .. } if manner.has(EXTRAS) => {
            (response.interval, response.num) = (Some(i64::from(manner.value)), Some(i64::MAX));
            response.samples = Some(&lists.nodes4[..lists.nodes4.len().min(60)]);
        }
        _ => {}
    }
    if manner.has(LONG_TOKEN) {
        response.token = Some(&token[..64 + first % 2]);
    }
    let forged = response.signature.map(|signature| {
        let mut forged = *signature;
        forged[first % 64] ^= 1;
        forged
    });
    if manner.has(FORGED) {
        response.signature = forged.as_ref();
    }
    response.encode(out)
}

/// The item that the answer to a `get` holds.
fn hold(response: &mut Response<'_>, manner: &Manner) {
    let which = usize::from(manner.value);
    match which % 4 {
        0 => {}
        1 => response.value = Some(&VALUES[which / 4 % VALUES.len()]),
        2 => {
            let signed = &SIGNED[which / 4 % SIGNED.len()];
            response.value = Some(signed.value);
            response.key = Some(&signed.key);
            response.seq = Some(signed.seq);
            response.signature = Some(&signed.signature);
        }
        _ => response.seq = Some((which / 4) as i64),
    }
}

/// Compact lists of neighbours.
#[derive(Default)]
struct Lists {
    nodes4: Vec<u8>,
    nodes6: Vec<u8>,
    peers4: Vec<u8>,
    peers6: Vec<u8>,
}

impl Lists {
    fn new(world: &World, manner: &Manner, own: Id) -> Self {
        let mut lists = Lists::default();
        // Whole numbers past the neighbours are strangers that exist nowhere else.
        for i in (usize::from(manner.first)..).take(usize::from(manner.count)) {
            let (mut id, endpoint) = match world.neighbours.get(i % (2 * NEIGHBOURS)) {
                Some(neighbour) => (neighbour.id, neighbour.endpoint),
                None => (TARGETS[i % TARGETS.len()], Endpoint::v4([100, i as u8, 1, 1], i as u16 % 2 * 6881)),
            };
            if manner.flags & OUR_ID != 0 && i % 2 == 0 {
                id = own;
            }
            let mut entry = [0; 38];
            let len = put_node(&mut entry, &id, &endpoint);
            if len == NODE4 { &mut lists.nodes4 } else { &mut lists.nodes6 }.extend_from_slice(&entry[..len]);
            let len = put_peer(&mut entry, &endpoint);
            if len == 6 { &mut lists.peers4 } else { &mut lists.peers6 }.extend_from_slice(&entry[..len]);
        }
        lists
    }
}
