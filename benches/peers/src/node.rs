//! From datagram to datagram through a whole node: limiter, decoder, table, stores, tokens, encoder. Nobody else has
//! such a seam; mainline's server is reached only through its sockets. So the rows beside ours are lower bounds: the part
//! of the work that another library does, alone.

use std::collections::VecDeque;
use std::hint::black_box;

use bendy::decoding::{Decoder, Object};
use honeyguide::base::Rng;
use honeyguide::dht::Rate;
use honeyguide::krpc::SignedItem;
use honeyguide::krpc::{Item, Method, Want};
use honeyguide::{Config, Endpoint, Id};
use mainline::SigningKey;

use crate::codec::fixtures::hand;
use crate::measure::{Contenders, Group};
use crate::{codec, table};
use server::{Server, find_nodes, put, query};

#[path = "../../fixtures/server.rs"]
#[expect(dead_code, reason = "not every measurement needs everything")]
pub mod server;

const SECRET_KEY: [u8; 32] = [9; 32];
const SWARM: Id = Id([0x5a; 20]);
const STRANGER: Endpoint = Endpoint::v4([99, 99, 99, 99], 999);

pub fn groups() -> Vec<Group> {
    let find_node = [271, 1280].map(|contacts| {
        Group::new(format!("find_node answered with {contacts} contacts"), move || find_node(contacts))
    });
    let others = [
        Group::new("find_node answered, 65,536 strangers in turn", find_node_of_strangers),
        Group::new("get of a mutable item (500 bytes) answered", get),
        Group::new("get of an absent item answered, 1,000 held", get_absent),
        Group::new("get_peers of a swarm of 500 answered, whole and past the budget", || ask_for_peers(false)),
        Group::new("scrape of a swarm of 500 answered, whole and past the budget", || ask_for_peers(true)),
        Group::new("sample_infohashes answered", sample),
        Group::new("put of a newer mutable item (500 bytes) accepted", put_newer),
        Group::new("put of a mutable item that is held accepted", put_held),
        Group::new("put of an immutable item that is held accepted", put_immutable),
    ];
    find_node.into_iter().chain(others).collect()
}

fn find_node(contacts: usize) -> Contenders {
    let mut server = Server::new(contacts);
    let (id, from) = server.contact();
    let queries = find_nodes(id, 1024);
    let reply = server.serve(from, &queries[0]).to_vec();
    let (query, mut i) = (queries[0].clone(), 0);
    let contenders = Contenders::first("honeyguide", move || {
        i = (i + 1) % queries.len();
        server.serve(from, black_box(&queries[i])).len()
    })
    .and("bendy 0.6, codec work alone", bendy(query, reply));
    if contacts > table::MAINLINE {
        contenders
    } else {
        contenders.and("mainline 8.0, closest(20) alone", table::mainline())
    }
}

/// Each query comes from an address that has not been heard of for 65,535 queries, and under an id that is no contact's: a
/// meter, a newcomer's place and two keyed hashes more.
fn find_node_of_strangers() -> Contenders {
    let [mut to_strangers, mut to_a_contact] = [Server::new(1280), Server::new(1280)];
    let (contact, address) = to_a_contact.contact();
    let mut rng = Rng::from_seed([6; 32]);
    let of_strangers: Vec<_> = (0..1024).flat_map(|_| find_nodes(Id::random(&mut rng), 1)).collect();
    let of_a_contact = find_nodes(contact, 1024);
    let strangers = |i: u16| Endpoint::v4([60, i.to_be_bytes()[0], i.to_be_bytes()[1], 7], 6881);
    let strangers: Vec<Endpoint> = (0..=u16::MAX).map(strangers).collect();
    let (mut i, mut k) = (0, 0);
    Contenders::first("honeyguide", move || {
        i = (i + 1) % strangers.len();
        to_strangers.serve(strangers[i], black_box(&of_strangers[i % of_strangers.len()])).len()
    })
    .and("honeyguide, one contact", move || {
        k = (k + 1) % of_a_contact.len();
        to_a_contact.serve(address, black_box(&of_a_contact[k])).len()
    })
}

fn get() -> Contenders {
    let mut server = Server::new(271);
    let asker = server.contact();
    let mut versions = Versions::new();
    let token = server.token(asker, versions.target());
    let stored = versions.next_put(asker.0, &token);
    assert!(is_pong(server.serve(asker.1, &stored)));
    let question = query(asker.0, Method::Get { target: versions.target(), seq: None, want: Want::default() });
    let reply = server.serve(asker.1, &question).to_vec();
    assert!(reply.len() > 800, "an item of 500 bytes and eight nodes");
    let asked = question.clone();
    Contenders::first("honeyguide", move || server.serve(asker.1, black_box(&question)).len())
        .and("bendy 0.6, codec work alone", bendy(asked, reply))
}

fn get_absent() -> Contenders {
    let mut server = Server::new(271);
    let asker = server.contact();
    for i in 0..1_000u32 {
        let value = format!("150:{i:0150}").into_bytes();
        let item = Item::immutable(&value).expect("bencode");
        let token = server.token(asker, item.target());
        assert!(is_pong(server.serve(asker.1, &put(asker.0, &token, item))));
    }
    let mut rng = Rng::from_seed([5; 32]);
    let mut ask = || query(asker.0, Method::Get { target: Id::random(&mut rng), seq: None, want: Want::default() });
    let queries: Vec<_> = (0..1024).map(|_| ask()).collect();
    let mut i = 0;
    Contenders::first("honeyguide", move || {
        i = (i + 1) % queries.len();
        server.serve(asker.1, black_box(&queries[i])).len()
    })
}

/// A swarm in which every third is a seed, asked about by a stranger.
fn swarm(budget: Rate) -> Server {
    let mut config = Config::default();
    config.limiter.reply_bytes = budget;
    let mut server = Server::with(config, 271);
    for i in 0..500u16 {
        let [high, low] = i.to_be_bytes();
        let asker = (Id([3; 20]), Endpoint::v4([60, high, low, 7], 6881));
        let token = server.token_for_peer(asker, SWARM);
        let (port, seed) = (6881, i % 3 == 0);
        let method = Method::AnnouncePeer { info_hash: SWARM, port, implied_port: false, seed, token: &token };
        let announce = query(asker.0, method);
        assert!(is_pong(server.serve(asker.1, &announce)));
    }
    server
}

fn ask_for_peers(scrape: bool) -> Contenders {
    let ask = move |mut server: Server| {
        let method = Method::GetPeers { info_hash: SWARM, want: Want::default(), noseed: false, scrape };
        let question = query(Id([3; 20]), method);
        move || server.serve(STRANGER, black_box(&question)).len()
    };
    let nothing = Rate { per_second: 0, burst: 0 };
    Contenders::first("honeyguide", ask(swarm(Config::default().limiter.reply_bytes)))
        .and("honeyguide, past the budget", ask(swarm(nothing)))
}

fn sample() -> Contenders {
    let mut server = swarm(Config::default().limiter.reply_bytes);
    let question = query(Id([3; 20]), Method::SampleInfohashes { target: SWARM, want: Want::default() });
    Contenders::first("honeyguide", move || server.serve(STRANGER, black_box(&question)).len())
}

/// Each one is newer than that before it: its signature is checked.
fn put_newer() -> Contenders {
    let mut server = Server::new(271);
    let asker = server.contact();
    let mut versions = Versions::new();
    let token = server.token(asker, versions.target());
    let key = SigningKey::from_bytes(&SECRET_KEY).verifying_key();
    let item = Item::mutable(&SECRET_KEY, &versions.value).sign().expect("short");
    let signature = ed25519_dalek::Signature::from_bytes(item.mutable().signature);
    let text = [b"3:seqi1e1:v", item.value()].concat();
    let mut puts = VecDeque::new();
    Contenders::first("honeyguide", move || {
        // Signed in advance: now and then a batch takes longer, which a median does not see.
        if puts.is_empty() {
            puts.extend((0..1024).map(|_| versions.next_put(asker.0, &token)));
        }
        let put = puts.pop_front().expect("some were signed");
        assert!(is_pong(server.serve(asker.1, black_box(&put))));
    })
    .and("ed25519-dalek 3.0, verify_strict alone", move || key.verify_strict(black_box(&text), &signature).is_ok())
}

/// A version that is held already is refreshed without a look at its signature.
fn put_held() -> Contenders {
    let mut server = Server::new(271);
    let asker = server.contact();
    let mut versions = Versions::new();
    let token = server.token(asker, versions.target());
    let put = versions.next_put(asker.0, &token);
    Contenders::first("honeyguide", move || assert!(is_pong(server.serve(asker.1, black_box(&put)))))
}

/// Its target is computed, which is what it costs.
fn put_immutable() -> Contenders {
    let mut server = Server::new(271);
    let asker = server.contact();
    let values = (0u32..900).map(|i| [b"500:".to_vec(), vec![b'x'; 496], i.to_be_bytes().to_vec()].concat());
    let puts: Vec<Vec<u8>> = values
        .map(|value| {
            let token = server.token(asker, Item::immutable_target(&value));
            put(asker.0, &token, Item { value: &value, mutable: None })
        })
        .collect();
    let mut i = 0;
    Contenders::first("honeyguide", move || {
        i = (i + 1) % puts.len();
        assert!(is_pong(server.serve(asker.1, black_box(&puts[i]))));
    })
}

fn is_pong(reply: &[u8]) -> bool {
    reply.ends_with(b"1:y1:re")
}

/// One mutable item in ever newer versions.
struct Versions {
    key: [u8; 32],
    value: Vec<u8>,
    seq: i64,
}

impl Versions {
    fn new() -> Versions {
        let value = [b"500:".to_vec(), vec![b'v'; 500]].concat();
        Versions { key: SignedItem::public_key(&SECRET_KEY), value, seq: 0 }
    }

    fn target(&self) -> Id {
        Item::mutable_target(&self.key, b"")
    }

    fn next_put(&mut self, id: Id, token: &[u8]) -> Vec<u8> {
        self.seq += 1;
        let item = Item::mutable(&SECRET_KEY, &self.value).seq(self.seq).sign().expect("short");
        put(id, token, item.as_item())
    }
}

/// What every server has to do with bendy, and nothing more: take the query apart, put the reply together.
fn bendy(query: Vec<u8>, reply: Vec<u8>) -> impl FnMut() -> usize {
    // The fields outlive this function; there are a few servers for the whole run.
    let reply: &'static [u8] = reply.leak();
    let fields = hand::decode(reply).expect("a response");
    assert_eq!(codec::with_bendy(&fields, None), reply);
    move || {
        let target = target(black_box(&query)).map_or(0, <[u8]>::len);
        target + codec::with_bendy(black_box(&fields), None).len()
    }
}

fn target(query: &[u8]) -> Option<&[u8]> {
    let mut decoder = Decoder::new(query);
    let mut target = None;
    let mut top = decoder.next_object().ok()??.try_into_dictionary().ok()?;
    while let Some((key, object)) = top.next_pair().ok()? {
        if let (b"a", Object::Dict(mut arguments)) = (key, object) {
            while let Some((key, object)) = arguments.next_pair().ok()? {
                if let (b"target", Object::Bytes(bytes)) = (key, object) {
                    target = Some(bytes);
                }
            }
        }
    }
    target
}
