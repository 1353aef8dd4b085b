//! What `Debug` prints of a machine is not enough to forge anything.

use std::fmt::Debug;
use std::time::Duration;

use honeyguide::base::Rng;
use honeyguide::dht::Network;
use honeyguide::internals::base::list::List;
use honeyguide::internals::dht::limiter::Limiter;
use honeyguide::internals::dht::tokens::Tokens;
use honeyguide::internals::dht::transactions::{Transactions, TransactionsMemory};
use honeyguide::{Config, Instant, Node, Storage};

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
    let printed = [format!("{machine:?}"), format!("{machine:#?}"), format!("{machine:x?}"), format!("{machine:#x?}")];
    let printed: String = printed.concat().to_lowercase().split_whitespace().collect();
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
    let memory = TransactionsMemory { entries: List::with_capacity(4), links: List::with_capacity(4) };
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
