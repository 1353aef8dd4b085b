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
use honeyguide::negentropy::{
    Entry, Limits, RatelessInitiator, RatelessResponder, Reconciler, ReconcilerConfig, Sealed, SortedSet,
};
use honeyguide::{Config, Endpoint, Id, Input, Instant, Node, Output, Storage};

const SEED: [u8; 32] = *b"thirty-two bytes nobody may see.";

/// Every way in which bytes of a secret in a row could be printed, as `printed` leaves it: four of them as numbers or as
/// a word, eight as a longer word or as text, sixteen as the longest word. What is short enough to be there by accident
/// is left out.
fn traces(secret: &[u8]) -> Vec<String> {
    let bytes = secret.windows(4).flat_map(|bytes| {
        let number = |digits: fn(&u8) -> String| bytes.iter().map(digits).collect::<Vec<_>>().join(",");
        [number(u8::to_string), number(|byte| format!("{byte:x}")), hex::encode(bytes)]
    });
    let words = [4, 8, 16].into_iter().flat_map(|length| secret.windows(length)).flat_map(|word| {
        let big = word.iter().fold(0, |number, byte| number << 8 | u128::from(*byte));
        let little = word.iter().rev().fold(0, |number, byte| number << 8 | u128::from(*byte));
        [big, little].into_iter().flat_map(|number| [number.to_string(), format!("{number:x}")])
    });
    let texts = secret.windows(8).flat_map(|bytes| {
        let plain = std::str::from_utf8(bytes).unwrap_or_default();
        [bytes.escape_ascii().to_string(), plain.to_string()].map(|text| squeezed(&text))
    });
    bytes.chain(words.chain(texts).filter(|trace| trace.len() >= 7)).collect()
}

fn shows(machine: &dyn Debug, secret: &[u8]) -> bool {
    is_in(&printed(machine), secret)
}

fn printed(machine: &dyn Debug) -> String {
    let printed = [format!("{machine:?}"), format!("{machine:#?}"), format!("{machine:x?}"), format!("{machine:#x?}")];
    squeezed(&printed.concat())
}

/// Without spaces, and without backslashes: an escape is escaped again when text is printed.
fn squeezed(text: &str) -> String {
    text.to_lowercase().replace(|c: char| c.is_whitespace() || c == '\\', "")
}

fn is_in(printed: &str, secret: &[u8]) -> bool {
    traces(secret).iter().any(|trace| printed.contains(trace))
}

/// A machine with a secret in it, in one form or another: what is looked for would be found.
#[derive(Debug)]
struct Careless<T> {
    #[expect(dead_code, reason = "printed")]
    secret: T,
}

#[test]
fn a_secret_that_is_printed_is_found_in_whatever_form() {
    fn careless<T: Debug + 'static>(secret: T) -> Box<dyn Debug> {
        Box::new(Careless { secret })
    }
    let (four, eight) = (SEED[5..9].try_into().unwrap(), SEED[3..11].try_into().unwrap());
    let sixteen = SEED[9..25].try_into().unwrap();
    let (word, long) = (u32::from_be_bytes(four), u64::from_le_bytes(eight));
    for machine in [
        careless(SEED[..16].to_vec()),
        careless(hex::encode(&SEED[..4])),
        careless(u32::from_le_bytes(four)),
        careless(word),
        careless([word, 0]),
        careless(format!("{word:#x}")),
        careless(u64::from_be_bytes(eight)),
        careless(long),
        careless(format!("{long:x}")),
        careless(u128::from_le_bytes(sixteen)),
        careless(format!("{:X}", u128::from_be_bytes(sixteen))),
        careless(std::str::from_utf8(&SEED).unwrap()),
        careless(SEED[7..].escape_ascii().to_string()),
    ] {
        assert!(shows(&machine, &SEED), "{machine:?}");
        assert!(!shows(&machine, &[0xA5; 16]), "{machine:?}");
    }
    let secret = [0xA5, 0xC3, 0x5A, b'x', 0, 0xB6, 0xC3, 0xFF];
    assert!(shows(&careless(secret.escape_ascii().to_string()), &secret));
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
    // What it does follows from the first half of the seed: its id comes first, then the keys.
    let mut first_half = SEED;
    first_half[16..].fill(0);
    let mut rng = Rng::from_seed(first_half);
    let id: [u8; 20] = rng.bytes();
    assert!(shows(&node, &id), "the id is no secret, and is drawn from the same stream");
    let secrets: [u8; 256] = rng.clone().bytes();
    assert!(!shows(&node, &SEED[..16]) && !shows(&node, &SEED[16..]) && !shows(&node, &secrets));
    assert!(!shows(&rng, &SEED[..16]) && !shows(&rng, &secrets));
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

#[test]
fn neither_the_key_of_a_session_nor_that_of_random_splits_is_shown() {
    let entries = (0..100u64).map(|i| {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&(i.wrapping_mul(0x9E37_79B9_7F4A_7C15)).to_le_bytes());
        Entry { timestamp: i, id }
    });
    let set = Sealed::build(entries.collect()).unwrap();
    let mut out = vec![0; 1 << 20];
    let mut config = ReconcilerConfig::new(Limits::responder());
    config.random_splits = Some(SEED);
    let mut initiator = Reconciler::initiator(config.clone()).unwrap();
    let mut responder = Reconciler::responder(config.clone()).unwrap();
    let length = initiator.initiate(&set, &mut out).unwrap();
    let message = out[..length].to_vec();
    responder.reconcile(&set, &message, &mut out, &mut |_| ()).unwrap();
    let mut rateless = RatelessInitiator::new(SEED[..16].try_into().unwrap(), 100);
    rateless.initiate(&set, &mut out).unwrap();
    // Where a split moves is drawn from the stream that begins with the key.
    let drawn: [u8; 256] = Rng::from_seed(SEED).bytes();
    let mut keeping = set.clone();
    keeping.keep_symbols(SEED[..16].try_into().unwrap(), 100);
    let mut own = RatelessInitiator::kept(100);
    let length = own.initiate(&keeping, &mut out).unwrap();
    let (message, mut answer) = (out[..length].to_vec(), vec![0; 1 << 20]);
    // What it has found has hashes under the key: it was answered by a set that has one entry more.
    let stranger = Entry { timestamp: 9, id: [0xb7; 32] };
    let mut other = Sealed::build([set.entries(), &[stranger]].concat()).unwrap();
    other.keep_symbols(SEED[..16].try_into().unwrap(), 100);
    let length = RatelessResponder::new(100).answer(&other, &message, &mut answer).unwrap();
    let mut needed = 0;
    own.reconcile(&keeping, &answer[..length], &mut out, &mut |_| needed += 1).unwrap();
    assert_eq!(needed, 1);
    assert!(!shows(&own, &stranger.id));
    let kept = keeping.symbols().unwrap();
    let machines: [&dyn Debug; 6] = [&config, &initiator, &responder, &rateless, kept, &own];
    for machine in machines {
        assert!(!shows(machine, &SEED) && !shows(machine, &drawn), "{machine:?}");
    }
    assert!(printed(&config).contains(r#"random_splits:some("secret")"#));
}
