//! Row 19: how much more than it is asked a node sends to an address that has proved nothing, past that address's
//! budget.

use alloc::vec::Vec;

use super::tally::{Tally, Whose};
use crate::base::time::{Duration, Instant};
use crate::dht::config::Config;
use crate::dht::event::{Buffer, Input, LinkId, Output};
use crate::dht::node::{Node, Storage};
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;
use crate::krpc::item::Item;
use crate::krpc::message::{Decoded, Method, Query, Response, Want, decode};

/// Peers of the topic that is asked about.
const PEERS: u32 = 500;
/// Queries that use a budget up.
const WASTE: u32 = 120;
/// Queries of each kind, past the budget.
const QUERIES: u32 = 50;
/// The topic that has peers.
const TOPIC: Id = Id([0x77; 20]);

/// Every kind of message, from an address whose budget is used up.
pub(super) fn past_the_budget(tally: &mut Tally) {
    let mut server = Amplifier::new();
    server.fill();
    let value = value();
    let target = Item { value: &value, mutable: None }.target();
    let (want, token) = (Want { v4: true, v6: true }, b"no token".as_slice());
    let get_peers = |scrape| Method::GetPeers { info_hash: TOPIC, want, noseed: false, scrape };
    let item = Item { value: b"5:value", mutable: None };
    for method in [
        Method::Ping,
        Method::FindNode { target, want },
        get_peers(false),
        get_peers(true),
        Method::Get { target, seq: None, want },
        Method::SampleInfohashes { target, want },
        Method::Put { token, item, cas: None, target: None },
        Method::AnnouncePeer { info_hash: TOPIC, port: 7, implied_port: false, seed: false, token },
        Method::Unknown { name: b"vote", target, want },
    ] {
        // Another network for each, whose budget is whole.
        server.network += 1;
        server.now += Duration::from_secs(60);
        for i in 0..WASTE {
            server.ask(i % 3, Method::Get { target, seq: None, want });
        }
        for i in 0..QUERIES {
            let (asked, replied, _) = server.ask(3 + i % 3, method);
            tally.add(19, Whose::Ours, "times", replied as f64 / asked as f64);
        }
    }
}

/// A value as large as any.
fn value() -> Vec<u8> {
    [b"995:".as_slice(), &[b'x'; 995]].concat()
}

/// A node of ours that knows nobody.
struct Amplifier {
    node: Node<'static>,
    now: Instant,
    network: u8,
}

impl Amplifier {
    fn new() -> Self {
        let config = Config::default();
        let storage = Storage::allocate(&config);
        let Ok(node) = Node::new(config, [7; 32], storage) else { unreachable!("the configuration is our own") };
        Amplifier { node, now: Instant::from_secs(1), network: 0 }
    }

    /// Holds as many peers of a topic as it may, and an item.
    fn fill(&mut self) {
        let want = Want::default();
        for i in 0..PEERS {
            self.now += Duration::from_secs(1);
            self.network = (i % 200) as u8;
            let (.., token) = self.ask(i, Method::GetPeers { info_hash: TOPIC, want, noseed: false, scrape: false });
            let announce =
                |token| Method::AnnouncePeer { info_hash: TOPIC, port: 7, implied_port: false, seed: false, token };
            self.ask(i, announce(&token));
        }
        let value = value();
        let item = Item { value: &value, mutable: None };
        let (.., token) = self.ask(1, Method::Get { target: item.target(), seq: None, want });
        self.ask(1, Method::Put { token: &token, item, cas: None, target: None });
        self.network = 220;
    }

    /// The bytes of a query and of all that is sent to the one who asked, with the token in it.
    fn ask(&mut self, who: u32, method: Method<'_>) -> (usize, usize, Vec<u8>) {
        let [.., high, low] = who.to_be_bytes();
        let from = Endpoint::v4([77, self.network, high, 1 + low % 250], 1_024 + u16::from(low));
        let (mut query, mut buf): (Buffer, Buffer) = ([0; 1500], [0; 1500]);
        let message = Query { tid: b"aa", version: None, read_only: true, id: Id([9; 20]), method };
        let asked = message.encode(&mut query).unwrap_or(0);
        let datagram = Input::Datagram { link: LinkId(0), from, payload: &query[..asked] };
        self.node.handle_input(self.now, datagram);
        let (mut replied, mut token) = (0, Vec::new());
        loop {
            match self.node.poll_output(&mut buf) {
                Output::Transmit { to, payload, .. } if to == from => {
                    replied += payload.len();
                    if let Ok(Decoded::Response(Response { token: Some(given), .. })) = decode(payload) {
                        token = given.to_vec();
                    }
                }
                Output::Timeout(_) => return (asked, replied, token),
                Output::Transmit { .. } | Output::Event(_) => {}
            }
        }
    }
}
