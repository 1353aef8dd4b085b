//! What `Debug` prints of a machine is not enough to forge anything.

use std::fmt::Debug;
use std::time::Duration;

use honeyguide::base::Rng;
use honeyguide::dht::{LinkId, Network};
use honeyguide::internals::base::list::List;
use honeyguide::internals::dht::limiter::Limiter;
use honeyguide::internals::dht::tokens::Tokens;
use honeyguide::internals::dht::transactions::{Transactions, TransactionsMemory};
use honeyguide::krpc::{Decoded, Item, Method, Query, Response, Want, decode};
use honeyguide::{Config, Endpoint, Id, Input, Instant, Node, Output, Storage};

const SEED: [u8; 32] = *b"thirty-two bytes nobody may see.";

/// Every way in which four bytes of a secret in a row, or a number that is secret, could be printed.
fn traces(secret: &[u8]) -> Vec<String> {
    let bytes = secret.windows(4).flat_map(|bytes| {
        let number = |digits: fn(&u8) -> String| bytes.iter().map(digits).collect::<Vec<_>>().join(",");
        [number(u8::to_string), number(|byte| format!("{byte:x}")), hex::encode(bytes)]
    });
    let words = secret.chunks_exact(8).flat_map(|word| {
        let word: [u8; 8] = word.try_into().unwrap();
        [u64::from_le_bytes(word), u64::from_be_bytes(word)].map(|word| word.to_string())
    });
    bytes.chain(words).collect()
}

fn shows(machine: &dyn Debug, secret: &[u8]) -> bool {
    is_in(&printed(machine), secret)
}

fn printed(machine: &dyn Debug) -> String {
    let printed = [format!("{machine:?}"), format!("{machine:#?}"), format!("{machine:x?}"), format!("{machine:#x?}")];
    printed.concat().to_lowercase().split_whitespace().collect()
}

fn is_in(printed: &str, secret: &[u8]) -> bool {
    traces(secret).iter().any(|trace| printed.contains(trace))
}

/// The same with the secret in it: what is looked for would be found.
#[derive(Debug)]
struct Careless {
    #[expect(dead_code, reason = "printed")]
    secret: Vec<u8>,
    #[expect(dead_code, reason = "printed")]
    key: u64,
}

#[test]
fn a_secret_that_is_printed_is_found() {
    let careless = Careless { secret: SEED[..16].to_vec(), key: u64::from_le_bytes(SEED[24..].try_into().unwrap()) };
    assert!(shows(&careless, &SEED[..16]) && shows(&careless, &SEED[24..]) && !shows(&careless, &[0xA5; 16]));
}

#[test]
fn the_secrets_of_write_tokens_are_not_shown() {
    let mut rng = Rng::from_seed(SEED);
    let secrets: [u8; 32] = rng.clone().bytes();
    assert!(!shows(&Tokens::new(&mut rng, Instant::ZERO, Duration::from_secs(300)), &secrets));
}

#[test]
fn the_keys_of_meters_and_of_transaction_ids_are_not_shown() {
    let secret = &SEED[..16];
    let keys = [&secret[..8], &secret[8..]].map(|word| u64::from_le_bytes(word.try_into().unwrap()));
    let limiter = Limiter::new(Config::default().limiter, Network::Public, keys, List::zeroed(16));
    let memory = TransactionsMemory { entries: List::with_capacity(4), ages: List::with_capacity(4) };
    let transactions = Transactions::new(memory, keys, Duration::from_secs(2));
    assert!(!shows(&limiter, secret) && !shows(&transactions, secret));
}

#[test]
fn neither_a_node_nor_its_random_numbers_show_the_seed_or_what_comes_of_it() {
    let config = Config::tiny();
    let node = Node::new(config.clone(), SEED, Storage::allocate(&config)).unwrap();
    // Its id comes first, then the keys and the secrets.
    let mut rng = Rng::from_seed(SEED);
    let id: [u8; 20] = rng.bytes();
    assert!(shows(&node, &id), "the id is no secret, and is drawn from the same stream");
    let secrets: [u8; 256] = rng.clone().bytes();
    assert!(!shows(&node, &SEED) && !shows(&node, &secrets));
    assert!(!shows(&rng, &SEED) && !shows(&rng, &secrets));
}

/// Who knows a token can store in the name of who has it.
#[test]
fn a_node_shows_neither_the_tokens_that_it_gives_nor_those_that_it_was_given() {
    let (now, link, from) = (Instant::from_secs(1), LinkId(0), Endpoint::v4([127, 0, 0, 1], 6881));
    let config = Config::tiny().local();
    let mut node = Node::new(config.clone(), SEED, Storage::allocate(&config)).unwrap();
    let mut buf = [0; 1500];
    let mut query = [0; 200];
    let (id, target) = (Id([1; 20]), Id([0x77; 20]));
    let method = Method::Get { target, seq: None, want: Want::default() };
    let len = Query { tid: b"aa", version: None, read_only: false, id, method }.encode(&mut query).unwrap();
    node.handle_input(now, Input::Datagram { link, from, payload: &query[..len] });
    let waiting = printed(&node);
    let Output::Transmit { payload, .. } = node.poll_output(&mut buf) else { panic!("no reply") };
    let Ok(Decoded::Response(reply)) = decode(payload) else { panic!("no response") };
    assert!(is_in(&waiting, &target.0) && !is_in(&waiting, reply.token.expect("a token")));

    let given = *b"\xa1\xb2\xc3\xd4token";
    node.bootstrap(now, 1, &[from]).unwrap();
    let item = Item::mutable(&[9; 32], b"5:hello").sign().unwrap();
    node.put_mutable(now, 2, &item, None).unwrap();
    for _ in 0..50 {
        let Output::Transmit { to, payload, .. } = node.poll_output(&mut buf) else { continue };
        let Ok(Decoded::Query(query)) = decode(payload) else { continue };
        let mut response = Response::new(query.tid, id);
        response.token = Some(&given);
        let mut answer = [0; 1500];
        let is_store = matches!(query.method, Method::Put { .. });
        let len = response.encode(&mut answer).unwrap();
        if is_store {
            assert!(payload.windows(given.len()).any(|bytes| bytes == given), "it stores with the token");
            assert!(!shows(&node, &given));
            return;
        }
        node.handle_input(now, Input::Datagram { link, from: to, payload: &answer[..len] });
    }
    panic!("nothing was stored");
}
