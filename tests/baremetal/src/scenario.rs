//! What is run on both machines. Every line it prints has to be the same on both.

use core::fmt::Write;
use core::net::Ipv4Addr;

use honeyguide::Id;
use honeyguide::base::Rng;
use honeyguide::krpc;
use honeyguide::krpc::{Decoded, Item, Method, Mutable, Query, SignedItem};

use crate::hash::{Hash, report};
use crate::network::Held;
use crate::node;

// The frames are kept apart, so that what one chapter needs of the stack is not there during the next.

/// Runs everything; a check that fails panics, which the machine turns into an exit code.
pub fn run(out: &mut dyn Write) {
    let mut hash = Hash::new();
    random(&mut hash);
    report(out, "random", &hash);
    items(&mut hash);
    report(out, "items", &hash);
    codec(&mut hash);
    report(out, "codec", &hash);
    node::run(out, &published());
}

/// The stream of a seed is the same everywhere.
#[inline(never)]
fn random(hash: &mut Hash) {
    let mut rng = Rng::from_seed([7; 32]);
    for _ in 0..100 {
        hash.eat(&rng.bytes::<33>());
        hash.eat(&rng.next_u64().to_be_bytes());
    }
    let address = Ipv4Addr::new(124, 31, 75, 21).into();
    let id = Id::secure(address, &mut rng);
    assert!(id.is_secure_for(address));
    hash.eat(id.as_bytes());
}

/// Key, value, and then salt, target and signature of the two signed items of BEP 44's test vectors.
const KEY: [u8; 32] = unhex(b"77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3e7e548");
const VALUE: &[u8] = b"12:Hello World!";
const VECTORS: [(&[u8], [u8; 20], [u8; 64]); 2] = [
    (
        b"",
        unhex(b"4a533d47ec9c7d95b1ad75f576cffc641853b750"),
        unhex(
            b"305ac8aeb6c9c151fa120f120ea2cfb923564e11552d06a5d856091e5e853cff\
              1260d3f39e4999684aa92eb73ffd136e6f4f3ecbfda0ce53a1608ecd7ae21f01",
        ),
    ),
    (
        b"foobar",
        unhex(b"411eba73b6f087ca51a3795d9c8c938d365e32c1"),
        unhex(
            b"6834284b6b24c3204eb2fea824d82f88883a3d95e8b4a21b8c0ded553d17d17d\
              df9a8a7104b1258f30bed3787e6cb896fca78c58f8e03b5f18f14951a87d9a08",
        ),
    ),
];

/// The second of them, as an item that every peer of the network has.
fn published() -> Held {
    let (salt, _, signature) = VECTORS[1];
    Held { key: KEY, salt, seq: 1, signature, value: VALUE, at: Held::EVERYWHERE }
}

/// Published signatures, and one of our own.
#[inline(never)]
fn items(hash: &mut Hash) {
    let value = VALUE;
    for (salt, target, signature) in &VECTORS {
        let mutable = Mutable { key: &KEY, salt, seq: 1, signature };
        assert!(fits(mutable, value), "the signature of a published vector");
        assert!(!fits(Mutable { seq: 2, ..mutable }, value), "the signature of another seq");
        assert!(krpc::Item::mutable_target(&KEY, salt) == Id(*target));
        hash.eat(target);
    }
    let secret_key = [42; 32];
    let Ok(item) = Item::mutable(&secret_key, value).salt(b"salt").seq(3).sign() else { panic!("too long") };
    assert!(fits(item.mutable(), value));
    hash.eat(item.mutable().signature);
}

fn fits(mutable: Mutable<'_>, value: &[u8]) -> bool {
    SignedItem::try_from(Item { value, mutable: Some(mutable) }).is_ok()
}

/// A put, the largest of the queries, out and in again.
#[inline(never)]
fn codec(hash: &mut Hash) {
    let (key, signature) = ([1; 32], [2; 64]);
    let mutable = Some(Mutable { key: &key, salt: b"salt", seq: 9, signature: &signature });
    let put = Query {
        tid: b"abcd",
        version: Some(b"HG\0\x01"),
        read_only: false,
        id: Id([3; 20]),
        method: Method::Put {
            token: b"token",
            item: Item { value: b"5:value", mutable },
            cas: Some(8),
            target: Some(Id([4; 20])),
        },
    };
    let mut buffer = [0; 1500];
    let Ok(length) = put.encode(&mut buffer) else { panic!("it fits") };
    match krpc::decode(&buffer[..length]) {
        Ok(Decoded::Query(query)) => assert!(query == put, "another query came back"),
        _ => panic!("the put became something else"),
    }
    hash.eat(&buffer[..length]);
}

const fn unhex<const N: usize>(text: &[u8]) -> [u8; N] {
    const fn digit(c: u8) -> u8 {
        if c <= b'9' { c - b'0' } else { c - b'a' + 10 }
    }
    assert!(text.len() == 2 * N);
    let (mut out, mut i) = ([0; N], 0);
    while i < N {
        out[i] = digit(text[2 * i]) << 4 | digit(text[2 * i + 1]);
        i += 1;
    }
    out
}
