//! Where the nodes of the fuzzer live: small configurations, so that every limit is met, a few neighbours, and a few
//! things to look for, so that what one input stores the next one finds.

use std::sync::LazyLock;

use honeyguide::Config;
use honeyguide::base::Rng;
use honeyguide::dht::Rate;
use honeyguide::dht::{Capacity, LinkConfig, Role};
use honeyguide::internals::krpc::item;
use honeyguide::{Endpoint, Id};

/// The seed of every node here.
pub const RNG_SEED: [u8; 32] = *b"what a fuzzer finds, it finds ag";

/// Settings that [`config`] knows.
pub const CONFIGS: u8 = 8;

/// A configuration, by number.
pub fn config(number: u8) -> Config {
    let mut config = Config::small();
    config.capacity = Capacity {
        contacts: 12,
        newcomers: 6,
        remembered: 5,
        callers: 8,
        operations: 2,
        candidates: 12,
        transactions: 6,
        peers: 10,
        items: 5,
        value_bytes: 2400,
        replies: 2,
        results: 1,
        meters: 16,
        sent_to: 64,
        kept: 3,
    };
    config.table.bucket_sizes = [4, 3, 3, 2, 2];
    config.lookup.k = 4;
    config.lookup.replicas = 6;
    config.lookup.report_at = 2;
    config.limiter.per_endpoint = Rate { per_second: 10, burst: 30 };
    config.limiter.reply_bytes = Rate { per_second: 500, burst: 3_000 };
    config.server.peers_per_info_hash = 6;
    config.server.peers_per_reply = 4;
    config.server.items_per_network = 3;
    match number % CONFIGS {
        0 => config.local(),
        1 => config,
        2 => config.local().with_links(&[LinkConfig::V4, LinkConfig::V6]).unwrap(),
        3 => {
            config.enforce_secure_ids = true;
            config.with_links(&[LinkConfig::V6, LinkConfig::V4]).unwrap()
        }
        4 => {
            // One user, one query in flight, one of everything.
            config.capacity = Capacity {
                contacts: 2,
                newcomers: 1,
                remembered: 1,
                callers: 4,
                operations: 1,
                candidates: 8,
                transactions: 1,
                peers: 1,
                items: 1,
                value_bytes: 1024,
                replies: 1,
                results: 1,
                meters: 8,
                sent_to: 0,
                kept: 0,
            };
            config.local()
        }
        5 => {
            config.role = Role::Client;
            config.local().with_links(&[LinkConfig::V4, LinkConfig::V4]).unwrap()
        }
        6 => {
            config.role = Role::Adaptive;
            let external = Some(std::net::SocketAddr::from(([90, 1, 2, 3], 6881)));
            config.with_links(&[LinkConfig { external, ..LinkConfig::V4 }]).unwrap()
        }
        _ => {
            // Roomy, and with more users than the transactions can serve at once.
            config.capacity.operations = 5;
            config.capacity.contacts = 30;
            config.capacity.candidates = 30;
            config.capacity.results = 4;
            config.local()
        }
    }
}

/// Another node, or what claims to be one.
#[derive(Clone, Copy, Debug)]
pub struct Neighbour {
    pub id: Id,
    pub endpoint: Endpoint,
}

/// How many neighbours there are.
pub const NEIGHBOURS: usize = 32;

/// The neighbours of the node `own`: most in networks of their own, some packed into one, some with ids that fit their
/// addresses. In a `dense` neighbourhood all ids are near that of the node, and half of them very near.
pub fn neighbours(own: Id, dense: bool) -> [Neighbour; NEIGHBOURS] {
    let mut rng = Rng::from_seed([1; 32]);
    std::array::from_fn(|i| {
        let n = i as u8;
        let endpoint = match i {
            0..16 => Endpoint::v4([60 + n, 1, 2, 3], 6881),
            16..20 => Endpoint::v4([80, 1, 2, n], 6881),
            20..22 => Endpoint::v4([81, 1, 2, 3], 6881 + u16::from(n)),
            22 => Endpoint::v4([127, 0, 0, 1], 6881),
            23..30 => Endpoint::v6([0x20, 1, 0xd, 0xb8, n, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 6881),
            _ => Endpoint::v6([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, n], 6881),
        };
        let id = if i % 2 == 0 { Id::secure(endpoint.ip(), &mut rng) } else { Id::random(&mut rng) };
        let shared = if i % 2 == 0 { 72 + u32::from(n) } else { u32::from(n) };
        Neighbour { id: if dense { own.random_in_bucket(shared, &mut rng) } else { id }, endpoint }
    })
}

/// A signed item of which there are several versions.
#[derive(Debug)]
pub struct Signed {
    pub key: [u8; 32],
    pub salt: &'static [u8],
    pub seq: i64,
    pub value: &'static [u8],
    pub signature: [u8; 64],
}

/// Values of items. The last two are too large to be stored, and one of them fits into a datagram with all else.
pub static VALUES: LazyLock<[Vec<u8>; 6]> = LazyLock::new(|| {
    let string = |len: usize| [format!("{len}:").into_bytes(), vec![b'x'; len]].concat();
    [
        b"5:hello".to_vec(),
        b"d2:ih20:abcdefghij0123456789e".to_vec(),
        b"i-7e".to_vec(),
        string(996),
        string(997),
        string(1150),
    ]
});

/// Versions of mutable items: two keys, without salt and with a long one, old and new versions, and the last of all.
pub static SIGNED: LazyLock<Vec<Signed>> = LazyLock::new(|| {
    let mut all = Vec::new();
    for seed in [[1; 32], [2; 32]] {
        for salt in [&b""[..], &[b's'; 64]] {
            for (seq, value) in [(0, 0), (1, 0), (1, 1), (2, 3), (i64::MAX, 2)] {
                let (key, value) = (item::public_key(&seed), &VALUES[value][..]);
                let signature = item::sign(&seed, salt, seq, value).expect("within the limits");
                all.push(Signed { key, salt, seq, value, signature });
            }
        }
    }
    all
});

/// Versions of one mutable item that stand side by side in [`SIGNED`].
pub const VERSIONS: usize = 5;

/// Keys to look for: of the values, of the mutable items, and some where nothing is.
pub static TARGETS: LazyLock<Vec<Id>> = LazyLock::new(|| {
    let mut rng = Rng::from_seed([2; 32]);
    let mut all: Vec<Id> = VALUES.iter().map(|value| item::immutable_target(value)).collect();
    all.extend(SIGNED.iter().step_by(VERSIONS).map(|signed| item::mutable_target(&signed.key, signed.salt)));
    all.extend((0..4).map(|_| Id::random(&mut rng)));
    all.extend([Id::default(), Id([0xff; 20])]);
    all
});
