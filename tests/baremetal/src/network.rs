//! The network that the node meets: peers that answer by a script.
//!
//! A reply arrives [`LATENCY`] after its query left. The peers with the highest numbers never answer, and one lies about
//! signatures. All peers together remember two signed items and who has the node's announcement, which is as much as the
//! scenario needs.

use core::time::Duration;

use honeyguide::Instant;
use honeyguide::base::Rng;
use honeyguide::krpc;
use honeyguide::krpc::{Decoded, Family, Item, Method, Query, Response, SignedItem, Values};
use honeyguide::{Endpoint, Id};

const LATENCY: Duration = Duration::from_millis(20);
const PEERS: usize = 24;
/// The peers from here on are silent.
const SILENT: usize = 20;
/// Answers a `get` with a signature that does not fit.
const FALSE: usize = 3;
/// Nodes in a reply, and bytes of one.
const NODES: usize = 8;
const NODE4: usize = Id::LEN + 6;

/// A signed item and the peers that have it, one bit each.
#[derive(Clone, Copy)]
pub struct Held {
    pub key: [u8; 32],
    pub salt: &'static [u8],
    pub seq: i64,
    pub signature: [u8; 64],
    pub value: &'static [u8],
    pub at: u32,
}

impl Held {
    pub const EVERYWHERE: u32 = (1 << PEERS) - 1;

    fn target(&self) -> Id {
        krpc::Item::mutable_target(&self.key, self.salt)
    }
}

/// A reply under way.
#[derive(Clone, Copy)]
struct Pending {
    at: Instant,
    peer: usize,
    tid: [u8; 4],
    what: What,
}

#[derive(Clone, Copy)]
enum What {
    /// To `ping` and to every store.
    Plain,
    /// To `find_node`.
    Nodes(Id),
    /// To `get`: nodes, a token and perhaps an item.
    Looked(Id),
    /// To `get_peers`: nodes, a token and, of who has the announcement, the node as a peer or in a filter (BEP 33).
    Swarm { info_hash: Id, scrape: bool },
}

pub struct Network {
    ids: [Id; PEERS],
    pub held: [Held; 2],
    /// What the node announced, and the peers that have it, one bit each.
    announced: (Id, u32),
    pending: [Option<Pending>; 64],
}

impl Network {
    pub fn new(held: [Held; 2]) -> Self {
        let mut rng = Rng::from_seed([77; 32]);
        let ids = core::array::from_fn(|peer| Id::secure(address(peer).ip(), &mut rng));
        Network { ids, held, announced: (Id::default(), 0), pending: [None; 64] }
    }

    /// Takes a datagram of the node at `now`. Nobody is at an address that is no peer's.
    pub fn receive(&mut self, now: Instant, to: Endpoint, datagram: &[u8]) {
        let Ok(Decoded::Query(query)) = krpc::decode(datagram) else { panic!("the network understands queries alone") };
        let Some(peer) = (0..SILENT).find(|&peer| address(peer) == to) else { return };
        let what = match query.method {
            Method::Ping => What::Plain,
            Method::FindNode { target, .. } => What::Nodes(target),
            Method::Get { target, .. } => What::Looked(target),
            Method::GetPeers { info_hash, scrape, .. } => What::Swarm { info_hash, scrape },
            Method::AnnouncePeer { info_hash, port, implied_port: false, seed: true, token } => {
                assert!(token == token_of(peer) && port == NODE.port());
                self.announced = (info_hash, self.announced.1 | 1 << peer);
                What::Plain
            }
            Method::Put { token, item, .. } => {
                assert!(token == token_of(peer));
                self.store(peer, &item);
                What::Plain
            }
            _ => panic!("nobody expects this query"),
        };
        let tid = *query.tid.first_chunk().expect("our transaction ids have four bytes");
        let free = self.pending.iter_mut().find(|place| place.is_none()).expect("the network is too slow");
        *free = Some(Pending { at: now + LATENCY, peer, tid, what });
    }

    fn store(&mut self, peer: usize, item: &Item<'_>) {
        let mutable = item.mutable.expect("only signed items are put");
        assert!(SignedItem::try_from(*item).is_ok(), "a put with a wrong signature");
        let held = self.held.iter_mut().find(|held| held.target() == item.target()).expect("a known target");
        assert!((held.seq, held.value) == (mutable.seq, item.value), "another item");
        held.signature = *mutable.signature;
        held.at |= 1 << peer;
    }

    /// When the next reply arrives.
    pub fn next(&self) -> Option<Instant> {
        self.pending.iter().flatten().map(|pending| pending.at).min()
    }

    /// Writes the next reply that has arrived by `now` and returns who sent it and its length.
    pub fn reply(&mut self, now: Instant, out: &mut [u8]) -> Option<(Endpoint, usize)> {
        let due = |place: &Option<Pending>| place.is_some_and(|pending| pending.at <= now);
        let Pending { peer, tid, what, .. } = self.pending.iter_mut().find(|place| due(place))?.take()?;
        let mut nodes = [0; NODES * NODE4];
        let mut response = Response::new(&tid, self.ids[peer]);
        response.ip = Some(NODE);
        let (token, node) = (token_of(peer), compact(NODE));
        let mut signature;
        match what {
            What::Plain => {}
            What::Nodes(target) => {
                self.write_closest(&target, &mut nodes);
                response.nodes = Some(&nodes);
            }
            What::Looked(target) => {
                self.write_closest(&target, &mut nodes);
                response.nodes = Some(&nodes);
                response.token = Some(&token);
                if let Some(held) = self.held.iter().find(|held| held.target() == target && held.at & 1 << peer != 0) {
                    signature = held.signature;
                    signature[0] ^= u8::from(peer == FALSE);
                    response.value = Some(held.value);
                    response.key = Some(&held.key);
                    response.seq = Some(held.seq);
                    response.signature = Some(&signature);
                }
            }
            What::Swarm { info_hash, scrape } => {
                self.write_closest(&info_hash, &mut nodes);
                response.nodes = Some(&nodes);
                response.token = Some(&token);
                if self.announced.0 == info_hash && self.announced.1 & 1 << peer != 0 {
                    if scrape {
                        (response.seeds, response.peers) = (Some(&ONE_SEED), Some(&NOBODY));
                    } else {
                        response.values = Values::Packed { bytes: &node, family: Family::V4 };
                    }
                }
            }
        }
        let Ok(length) = response.encode(out) else { panic!("a reply fits") };
        Some((address(peer), length))
    }

    fn write_closest(&self, target: &Id, out: &mut [u8; NODES * NODE4]) {
        let mut order: [usize; PEERS] = core::array::from_fn(|peer| peer);
        order.sort_unstable_by_key(|&peer| self.ids[peer].distance(target));
        for (entry, &peer) in out.chunks_exact_mut(NODE4).zip(&order) {
            let (id, at) = entry.split_at_mut(Id::LEN);
            id.copy_from_slice(self.ids[peer].as_bytes());
            at.copy_from_slice(&compact(address(peer)));
        }
    }

    /// Writes a query of a peer's own and returns its length.
    pub fn query(&self, peer: usize, method: Method<'_>, out: &mut [u8]) -> usize {
        let query = Query { tid: b"peer", version: None, read_only: false, id: self.ids[peer], method };
        query.encode(out).unwrap_or_else(|_| panic!("a query fits"))
    }
}

/// Where the node is.
pub const NODE: Endpoint = Endpoint::v4([203, 0, 113, 5], 6881);

pub fn address(peer: usize) -> Endpoint {
    Endpoint::v4([50 + peer as u8, 20, 30, 40], 6881)
}

/// Filters of BEP 33 with one address, which sets two bits, and with none.
const ONE_SEED: [u8; 256] = {
    let mut filter = NOBODY;
    filter[17] = 0b1000_0001;
    filter
};
const NOBODY: [u8; 256] = [0; 256];

/// An address as it stands on the wire.
fn compact(endpoint: Endpoint) -> [u8; 6] {
    let mut bytes = [0; 6];
    let (ip, port) = bytes.split_at_mut(4);
    ip.copy_from_slice(endpoint.ip_bytes());
    port.copy_from_slice(&endpoint.port().to_be_bytes());
    bytes
}

fn token_of(peer: usize) -> [u8; 2] {
    [b't', peer as u8]
}
