//! Announces and puts: what is wrong with them is refused, and nothing of it is kept.

use std::time::Duration;

use honeyguide::Input;
use honeyguide::internals::krpc::item;
use honeyguide::krpc::{Item, Mutable};
use honeyguide::{Endpoint, Id};

use super::is_refused;
use crate::lab::{Lab, pair, query, raw};

const HASH: Id = Id([0x33; 20]);
const SECRET_KEY: [u8; 32] = [5; 32];
const SALT: &[u8] = b"salt";

fn announce(port: &str, token: &[u8]) -> Vec<u8> {
    let port = raw(b"port", format!("i{port}e").as_bytes());
    query(b"announce_peer", &[pair(b"info_hash", &HASH.0), port, pair(b"token", token)].concat())
}

/// Refused although its token is good, and without a token as well; a good announce from there is taken afterwards.
fn announce_is_refused(port: &str) {
    for mut lab in Lab::each() {
        let from = lab.stranger();
        let token = lab.token(from, &HASH);
        is_refused(&mut lab, from, &announce(port, &token), 203);
        is_refused(&mut lab, from, &announce(port, b""), 203);
        lab.ask(from, &announce("6881", &token)).response();
        assert_eq!(lab.held(), (0, 1));
        lab.serves();
    }
}

#[test]
fn r44_port_0_is_not_announced() {
    announce_is_refused("0");
}

#[test]
fn r45_port_65536_is_not_announced() {
    announce_is_refused("65536");
    announce_is_refused("72417");
}

#[test]
fn r46_port_minus_1_is_not_announced() {
    announce_is_refused("-1");
}

#[test]
fn r47_an_announce_needs_a_token_of_its_own() {
    for mut lab in Lab::each() {
        let (from, other) = (lab.stranger(), lab.stranger());
        let (token, foreign) = (lab.token(from, &HASH), lab.token(other, &HASH));
        let elsewhere = lab.token(from, &Id([0x34; 20]));
        for bad in [&b""[..], b"aoeusnth", &foreign, &elsewhere, &token[..7], &[&token[..], b"x"].concat(), &[0; 64]] {
            is_refused(&mut lab, from, &announce("6881", bad), 203);
        }
        is_refused(
            &mut lab,
            from,
            &query(b"announce_peer", &[pair(b"info_hash", &HASH.0), raw(b"port", b"i1e")].concat()),
            203,
        );
        lab.ask(from, &announce("6881", &token)).response();
        assert_eq!(lab.held(), (0, 1));
        lab.serves();
    }
}

/// The arguments of a put, each of which a test may replace.
#[derive(Clone)]
struct Put {
    cas: Option<Vec<u8>>,
    key: Option<Vec<u8>>,
    salt: Option<Vec<u8>>,
    seq: Option<Vec<u8>>,
    signature: Option<Vec<u8>>,
    token: Vec<u8>,
    value: Option<Vec<u8>>,
}

impl Put {
    /// A genuine mutable item.
    fn mutable(seq: i64, value: &[u8]) -> Put {
        let signature = item::sign(&SECRET_KEY, SALT, seq, value).unwrap();
        Put {
            cas: None,
            key: Some(item::public_key(&SECRET_KEY).to_vec()),
            salt: Some(SALT.to_vec()),
            seq: Some(format!("i{seq}e").into_bytes()),
            signature: Some(signature.to_vec()),
            token: Vec::new(),
            value: Some(value.to_vec()),
        }
    }

    fn immutable(value: &[u8]) -> Put {
        let value = Some(value.to_vec());
        Put { key: None, salt: None, seq: None, signature: None, value, ..Put::mutable(0, b"0:") }
    }

    fn token(mut self, token: &[u8]) -> Put {
        self.token = token.to_vec();
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut arguments = Vec::new();
        let mut add = |key: &[u8], value: Option<Vec<u8>>| {
            if let Some(value) = value {
                arguments.extend(raw(key, &value));
            }
        };
        let text = |bytes: &Option<Vec<u8>>| bytes.as_ref().map(|bytes| crate::lab::string(bytes));
        add(b"cas", self.cas.clone());
        add(b"k", text(&self.key));
        add(b"salt", text(&self.salt));
        add(b"seq", self.seq.clone());
        add(b"sig", text(&self.signature));
        add(b"token", Some(crate::lab::string(&self.token)));
        add(b"v", self.value.clone());
        query(b"put", &arguments)
    }
}

fn mutable_target() -> Id {
    item::mutable_target(&item::public_key(&SECRET_KEY), SALT)
}

/// Refused with a good token as well as without one, before the good put was made and after it.
fn put_is_refused(target: Id, bad: Put, code: i64, good: Put) {
    for mut lab in Lab::each() {
        let from = lab.stranger();
        let token = lab.token(from, &target);
        is_refused(&mut lab, from, &bad.clone().token(&token).bytes(), code);
        is_refused(&mut lab, from, &bad.bytes(), code);
        lab.ask(from, &good.clone().token(&token).bytes()).response();
        assert_eq!(lab.held(), (1, 0));
        is_refused(&mut lab, from, &bad.clone().token(&token).bytes(), code);
        assert_eq!(held_value(&mut lab, &target), good.value);
        lab.serves();
    }
}

/// What the node gives out under a target.
fn held_value(lab: &mut Lab, target: &Id) -> Option<Vec<u8>> {
    let from = lab.stranger();
    let answer = lab.ask(from, &query(b"get", &pair(b"target", &target.0)));
    answer.response().value.map(<[u8]>::to_vec)
}

fn odd_mutable_is_refused(change: impl Fn(&mut Put), code: i64) {
    let good = Put::mutable(4, b"5:hello");
    let mut bad = Put::mutable(5, b"5:world");
    change(&mut bad);
    put_is_refused(mutable_target(), bad, code, good);
}

#[test]
fn r48_a_put_with_key_and_no_signature_is_refused() {
    odd_mutable_is_refused(|put| put.signature = None, 203);
    odd_mutable_is_refused(|put| (put.signature, put.seq) = (None, None), 203);
}

#[test]
fn r49_a_put_with_key_and_signature_and_no_seq_is_refused() {
    odd_mutable_is_refused(|put| put.seq = None, 203);
}

#[test]
fn r50_a_put_with_signature_and_no_key_is_refused() {
    odd_mutable_is_refused(|put| put.key = None, 203);
    odd_mutable_is_refused(|put| (put.key, put.seq) = (None, None), 203);
    odd_mutable_is_refused(|put| (put.key, put.signature) = (None, None), 203);
}

#[test]
fn r51_a_key_of_31_bytes_is_refused() {
    odd_mutable_is_refused(|put| put.key.as_mut().unwrap().truncate(31), 203);
    odd_mutable_is_refused(|put| put.key.as_mut().unwrap().push(0), 203);
}

#[test]
fn r52_a_signature_of_63_bytes_is_refused() {
    odd_mutable_is_refused(|put| put.signature.as_mut().unwrap().truncate(63), 203);
    odd_mutable_is_refused(|put| put.signature.as_mut().unwrap().push(0), 203);
}

#[test]
fn r53_a_value_of_1000_bytes_is_taken_and_given_out() {
    let value = crate::lab::string(&[b'v'; 996]);
    assert_eq!(value.len(), 1000);
    let target = item::immutable_target(&value);
    for mut lab in Lab::each() {
        let from = lab.stranger();
        let token = lab.token(from, &target);
        lab.ask(from, &Put::immutable(&value).token(&token).bytes()).response();
        assert_eq!(lab.held(), (1, 0));
        assert_eq!(held_value(&mut lab, &target), Some(value.clone()));
        lab.serves();
    }
}

#[test]
fn r54_a_value_of_1001_bytes_is_refused() {
    let long = crate::lab::string(&[b'v'; 997]);
    for mut lab in Lab::each() {
        let from = lab.stranger();
        let token = lab.token(from, &item::immutable_target(&long));
        is_refused(&mut lab, from, &Put::immutable(&long).token(&token).bytes(), 205);
        lab.serves();
    }
    odd_mutable_is_refused(|put| put.value = Some(long.clone()), 205);
    // The limit is that of the bencoded value, whatever its type.
    let list = [b"l", &b"2:vv".repeat(250)[..], b"e"].concat();
    odd_mutable_is_refused(|put| put.value = Some(list.clone()), 205);
    // What is answered does not hang on the token, nor on the salt.
    let salt = || Some(vec![b's'; 65]);
    odd_mutable_is_refused(|put| (put.value, put.salt) = (Some(long.clone()), salt()), 205);
}

/// Rule I14: the other way of counting, where it was chosen: one byte string, whatever its length has in front.
#[test]
fn a_byte_string_of_1000_bytes_is_stored_and_given_out_where_that_is_configured() {
    let mut config = crate::lab::config();
    config.server.bare_length = true;
    config.capacity.value_bytes = 3 * 1024;
    let mut lab = Lab::new(config);
    for len in [997, 1000] {
        let value = crate::lab::string(&vec![b'v'; len]);
        let target = item::immutable_target(&value);
        let from = lab.stranger();
        let token = lab.token(from, &target);
        lab.ask(from, &Put::immutable(&value).token(&token).bytes()).response();
        assert_eq!(held_value(&mut lab, &target), Some(value));
        let signed = crate::lab::string(&vec![b'w'; len]);
        let token = lab.token(from, &mutable_target());
        lab.ask(from, &Put::mutable(len as i64, &signed).token(&token).bytes()).response();
        assert_eq!(held_value(&mut lab, &mutable_target()), Some(signed));
    }
    assert_eq!(lab.held(), (3, 0), "one takes no more blocks than one of 1000 bytes");
    let list = [b"l", &b"2:vv".repeat(250)[..], b"e"].concat();
    for value in [crate::lab::string(&[b'v'; 1001]), list] {
        let from = lab.stranger();
        let token = lab.token(from, &item::immutable_target(&value));
        let refused = lab.ask(from, &Put::immutable(&value).token(&token).bytes());
        assert_eq!(refused.error().code, 205);
    }
    lab.serves();
}

#[test]
fn r55_a_salt_of_65_bytes_is_refused() {
    odd_mutable_is_refused(|put| put.salt = Some(vec![b's'; 65]), 207);
}

#[test]
fn r56_a_value_with_an_unsorted_dictionary_is_refused() {
    odd_value_is_refused(b"d1:bi1e1:ai2ee");
}

#[test]
fn r57_a_value_with_duplicate_keys_is_refused() {
    odd_value_is_refused(b"d1:ai1e1:ai2ee");
}

#[test]
fn r58_a_value_with_leading_zeros_is_refused() {
    odd_value_is_refused(b"i007e");
    odd_value_is_refused(b"i-0e");
    // Delimited, and no number at all.
    odd_value_is_refused(b"ie");
    odd_value_is_refused(b"i-e");
    odd_value_is_refused(b"i1208925819614629174706176e");
    // R31 inside of a value.
    odd_value_is_refused(b"04:ping");
}

/// Refused as the value of an item of either kind.
fn odd_value_is_refused(value: &[u8]) {
    for mut lab in Lab::each() {
        let from = lab.stranger();
        let token = lab.token(from, &item::immutable_target(value));
        is_refused(&mut lab, from, &Put::immutable(value).token(&token).bytes(), 203);
        let token = lab.token(from, &mutable_target());
        is_refused(&mut lab, from, &Put::mutable(1, value).token(&token).bytes(), 203);
        lab.serves();
    }
}

#[test]
fn r59_a_put_without_value_is_refused() {
    odd_mutable_is_refused(|put| put.value = None, 203);
    let value = b"5:hello";
    put_is_refused(
        item::immutable_target(value),
        Put { value: None, ..Put::immutable(b"") },
        203,
        Put::immutable(value),
    );
}

#[test]
fn r84_keys_and_signatures_off_the_rules_are_refused() {
    let (seq, value) = (1, &b"5:hello"[..]);
    let genuine = item::sign(&SECRET_KEY, b"", seq, value).unwrap();
    let key = item::public_key(&SECRET_KEY);
    let hex = |text: &str| -> [u8; 32] { hex::decode(text).unwrap().try_into().unwrap() };
    // The order of the group: S + L is the same scalar, spelled another way.
    let order = hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let mut unreduced = genuine;
    let mut carry = 0;
    for (byte, add) in unreduced[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    // Points of small order: with S = 0 and R of small order the equation holds for many messages.
    let small = [
        hex("0100000000000000000000000000000000000000000000000000000000000000"),
        hex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
        hex("0000000000000000000000000000000000000000000000000000000000000000"),
        hex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    ];
    let mut cases = vec![(key, unreduced), (key, [0; 64]), (key, [0xff; 64])];
    for point in small {
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&point);
        cases.push((point, signature));
        signature[..32].copy_from_slice(&small[0]);
        cases.push((point, signature));
    }
    // Not on the curve, and a y that is not reduced.
    cases.push((hex("0200000000000000000000000000000000000000000000000000000000000000"), genuine));
    cases.push(([0xff; 32], genuine));
    for mut lab in Lab::each() {
        for (key, signature) in &cases {
            let from = lab.stranger();
            let token = lab.token(from, &item::mutable_target(key, b""));
            let put = Put {
                key: Some(key.to_vec()),
                signature: Some(signature.to_vec()),
                salt: None,
                ..Put::mutable(seq, value)
            };
            is_refused(&mut lab, from, &put.token(&token).bytes(), 206);
        }
        lab.serves();
    }
}

#[test]
fn r84_no_signature_is_checked_before_the_token() {
    let mut lab = Lab::public();
    let from = lab.stranger();
    let before = lab.stats().verifications;
    is_refused(&mut lab, from, &Put::mutable(1, b"5:hello").token(b"12345678").bytes(), 203);
    assert_eq!(lab.stats().verifications, before);
}

#[test]
fn r85_the_last_sequence_number_is_legal_and_locks_the_owner_out() {
    for mut lab in Lab::each() {
        let from = lab.stranger();
        let token = lab.token(from, &mutable_target());
        lab.ask(from, &Put::mutable(i64::MAX, b"4:last").token(&token).bytes()).response();
        is_refused(&mut lab, from, &Put::mutable(i64::MAX - 1, b"4:next").token(&token).bytes(), 302);
        is_refused(&mut lab, from, &Put::mutable(i64::MAX, b"4:next").token(&token).bytes(), 302);
        // A refresh is none of these.
        lab.ask(from, &Put::mutable(i64::MAX, b"4:last").token(&token).bytes()).response();
        let get = query(
            b"get",
            &[raw(b"seq", format!("i{}e", i64::MAX).as_bytes()), pair(b"target", &mutable_target().0)].concat(),
        );
        let answer = lab.ask(from, &get);
        assert_eq!((answer.response().seq, answer.response().value), (Some(i64::MAX), None));
        assert_eq!(held_value(&mut lab, &mutable_target()), Some(b"4:last".to_vec()));
        lab.serves();
    }
}

#[test]
fn r85_a_negative_sequence_number_or_one_past_the_last_is_refused() {
    odd_mutable_is_refused(|put| put.seq = Some(b"i-1e".to_vec()), 203);
    odd_mutable_is_refused(|put| put.seq = Some(b"1:5".to_vec()), 203);
}

#[test]
fn r89_cas_without_a_key_is_refused() {
    let put = Put { cas: Some(b"i1e".to_vec()), ..Put::immutable(b"5:hello") };
    put_is_refused(item::immutable_target(b"5:hello"), put, 203, Put::immutable(b"5:hello"));
    odd_mutable_is_refused(|put| put.cas = Some(b"1:4".to_vec()), 203);
    // A salt alone makes nothing mutable either.
    let put = Put { salt: Some(SALT.to_vec()), ..Put::immutable(b"5:hello") };
    put_is_refused(item::immutable_target(b"5:hello"), put, 203, Put::immutable(b"5:hello"));
}

#[test]
fn puts_are_judged_in_order_cas_then_seq_then_signature() {
    let mut lab = Lab::public();
    let from = lab.stranger();
    let token = lab.token(from, &mutable_target());
    let put = |seq, value: &[u8]| Put::mutable(seq, value).token(&token);
    lab.ask(from, &put(4, b"4:four").bytes()).response();
    let forged = |mut put: Put| {
        put.signature.as_mut().unwrap()[0] ^= 1;
        put
    };
    let cas = |put: Put, cas: i64| Put { cas: Some(format!("i{cas}e").into_bytes()), ..put };
    is_refused(&mut lab, from, &forged(cas(put(3, b"5:three"), 3)).bytes(), 301);
    is_refused(&mut lab, from, &forged(cas(put(3, b"5:three"), 4)).bytes(), 302);
    is_refused(&mut lab, from, &forged(put(4, b"5:other")).bytes(), 302);
    is_refused(&mut lab, from, &forged(put(5, b"4:five")).bytes(), 206);
    is_refused(&mut lab, from, &forged(put(4, b"4:four")).bytes(), 206);
    // The same again is a refresh, whatever its signature was checked for.
    let before = lab.stats().verifications;
    lab.ask(from, &put(4, b"4:four").bytes()).response();
    assert_eq!(lab.stats().verifications, before);
    lab.ask(from, &cas(put(5, b"4:five"), 4).bytes()).response();
    assert_eq!(held_value(&mut lab, &mutable_target()), Some(b"4:five".to_vec()));
}

#[test]
fn an_unsigned_value_never_stands_where_a_signed_one_does() {
    // What libtorrent 2.1.1 does with a put of key and no signature.
    let mut lab = Lab::public();
    let from = lab.stranger();
    let token = lab.token(from, &mutable_target());
    lab.ask(from, &Put::mutable(1, b"5:hello").token(&token).bytes()).response();
    let mut partial = Put::mutable(2, b"4:evil").token(&token);
    (partial.signature, partial.seq) = (None, None);
    is_refused(&mut lab, from, &partial.bytes(), 203);
    // An immutable put that names the target of the signed item is stored under its own hash.
    let value = b"4:evil";
    let own = item::immutable_target(value);
    let token = lab.token(from, &own);
    let named =
        query(b"put", &[pair(b"target", &mutable_target().0), pair(b"token", &token), raw(b"v", value)].concat());
    lab.ask(from, &named).response();
    assert_eq!(held_value(&mut lab, &mutable_target()), Some(b"5:hello".to_vec()));
    assert_eq!(held_value(&mut lab, &own), Some(value.to_vec()));
    let item = Item { value, mutable: None::<Mutable<'_>> };
    assert_eq!(item.target(), own);
}

#[test]
fn r96_a_token_is_dead_after_two_rotations_and_from_another_address() {
    let rotation = Duration::from_secs(300);
    for mut lab in Lab::each() {
        let (from, other) = (lab.stranger(), lab.stranger());
        let token = lab.token(from, &HASH);
        is_refused(&mut lab, other, &announce("6881", &token), 203);
        // Another port of the same address is the same source, as behind a NAT.
        lab.ask(from.with_port(1024), &announce("6881", &token)).response();
        lab.run(rotation);
        lab.ask(from, &announce("6881", &token)).response();
        lab.run(rotation);
        is_refused(&mut lab, from, &announce("6881", &token), 203);
        lab.serves();
    }
}

#[test]
fn r96_a_token_is_dead_after_two_rotations_even_if_timeouts_come_late() {
    let mut lab = Lab::public();
    let from = lab.stranger();
    let token = lab.token(from, &HASH);
    lab.now += Duration::from_secs(601);
    is_refused(&mut lab, from, &announce("6881", &token), 203);
    let fresh = lab.token(from, &HASH);
    lab.ask(from, &announce("6881", &fresh)).response();
}

#[test]
fn what_has_expired_is_not_given_out_even_if_timeouts_come_late() {
    let mut lab = Lab::public();
    let from = lab.stranger();
    let (token, target) = (lab.token(from, &mutable_target()), mutable_target());
    lab.ask(from, &Put::mutable(1, b"5:hello").token(&token).bytes()).response();
    let token = lab.token(from, &HASH);
    lab.ask(from, &announce("6881", &token)).response();
    let peers = |lab: &mut Lab, from: Endpoint| {
        let answer = lab.ask(from, &query(b"get_peers", &pair(b"info_hash", &HASH.0)));
        answer.response().values.peers().count()
    };
    assert_eq!(peers(&mut lab, from), 1);
    lab.now += Duration::from_secs(45 * 60 + 1);
    assert_eq!(peers(&mut lab, from), 0);
    lab.now += Duration::from_secs(75 * 60);
    assert_eq!(held_value(&mut lab, &target), None);
    lab.input(Input::Timeout);
    assert_eq!(lab.held(), (0, 0));
}
