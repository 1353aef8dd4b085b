//! Stored items (BEP 44): where they are stored, and what is signed.
//!
//! An immutable item is stored under the SHA-1 of its bencoded value; a mutable one under the SHA-1 of its public key
//! and salt, and carries a signature over salt, sequence number and value. Values are always the exact bytes of the
//! wire: nothing here decodes a value and encodes it again.

use core::fmt;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha1::{Digest, Sha1};

use crate::base::error::NoRoom;
use crate::krpc::bencode::reader::{MAX_VALUE_DEPTH, MAX_VALUE_TOKENS, is_canonical};
use crate::krpc::bencode::writer::Writer;
use crate::krpc::id::Id;

/// The longest bencoded value, in bytes (BEP 44).
pub const MAX_ENCODED: usize = 1000;
/// The longest value that is read: a byte string of 1,000 bytes, and its length in front. Some count such values
/// without that length.
pub const MAX_VALUE: usize = "1000:".len() + 1000;
/// The longest salt, in bytes.
pub const MAX_SALT: usize = 64;
/// The longest text that is signed, in bytes.
pub const MAX_SIGNABLE: usize = "4:salt64:".len() + MAX_SALT + "3:seqi-9223372036854775808e1:v".len() + MAX_VALUE;

/// Where an immutable item is stored: SHA-1 of its bencoded value.
pub fn immutable_target(value: &[u8]) -> Id {
    Id(Sha1::digest(value).into())
}

/// Where a mutable item is stored: SHA-1 of public key and salt.
pub fn mutable_target(key: &[u8; 32], salt: &[u8]) -> Id {
    Id(Sha1::new().chain_update(key).chain_update(salt).finalize().into())
}

/// A BEP 44 item; all slices are the exact bytes of the wire.
///
/// Exhaustive: plain data that users write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Item<'a> {
    /// The bencoded value, at most 1000 bytes, or one byte string of 1000.
    pub value: &'a [u8],
    /// Present when the item is mutable.
    pub mutable: Option<Mutable<'a>>,
}

/// What makes an item mutable.
///
/// Exhaustive: plain data that users write, and all that is signed beside the value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mutable<'a> {
    /// Ed25519 public key.
    pub key: &'a [u8; 32],
    /// 0 to 64 bytes.
    pub salt: &'a [u8],
    /// Sequence number, 0 to 2^63-1.
    pub seq: i64,
    /// Signature over salt, seq and value.
    pub signature: &'a [u8; 64],
}

impl<'a> Item<'a> {
    /// The longest bencoded value that every node takes, in bytes. A byte string of 997 to 1,000 bytes has more, up to
    /// 1,005, when its length is counted: that one shape is read, and may be published; see
    /// [`is_bare_length`](Item::is_bare_length).
    pub const MAX_VALUE: usize = MAX_ENCODED;
    /// The longest salt, in bytes.
    pub const MAX_SALT: usize = MAX_SALT;

    /// Where an immutable item is stored: the SHA-1 of its bencoded value.
    #[must_use]
    pub fn immutable_target(value: &[u8]) -> Id {
        immutable_target(value)
    }

    /// Where a mutable item is stored: the SHA-1 of public key and salt.
    #[must_use]
    pub fn mutable_target(key: &[u8; 32], salt: &[u8]) -> Id {
        mutable_target(key, salt)
    }

    /// Whether a value is a byte string of at most 1,000 bytes that has more when it is bencoded. Nodes that count as
    /// BEP 44 does, ours and libtorrent's among them, refuse it (205); mainline's count the bare bytes and store it.
    /// Who publishes such a value should be warned that few nodes may hold it.
    #[must_use]
    pub fn is_bare_length(value: &[u8]) -> bool {
        value.len() > MAX_ENCODED && is_readable(value)
    }

    /// An immutable item.
    ///
    /// # Errors
    /// [`ItemError`] when no node may store it.
    pub fn immutable(value: &'a [u8]) -> Result<Self, ItemError> {
        check_value(value)?;
        Ok(Item { value, mutable: None })
    }

    /// Begins a mutable item, which is signed with an ed25519 secret key. Its salt is empty and its sequence number 1
    /// unless something else is said.
    ///
    /// ```
    /// use honeyguide::krpc::Item;
    ///
    /// let item = Item::mutable(&[7; 32], b"5:hello").salt(b"greeting").seq(2).sign()?;
    /// println!("to be found under {}", item.target());
    /// # Ok::<(), honeyguide::krpc::ItemError>(())
    /// ```
    pub const fn mutable(secret_key: &'a [u8; 32], value: &'a [u8]) -> ItemBuilder<'a> {
        ItemBuilder { secret_key, value, salt: &[], seq: 1 }
    }

    /// Where the item is stored.
    #[must_use]
    pub fn target(&self) -> Id {
        match &self.mutable {
            None => immutable_target(self.value),
            Some(mutable) => mutable_target(mutable.key, mutable.salt),
        }
    }
}

/// A mutable item that is not signed yet: see [`Item::mutable`].
#[derive(Clone, Copy)]
#[must_use = "an item is made by `sign`"]
pub struct ItemBuilder<'a> {
    secret_key: &'a [u8; 32],
    value: &'a [u8],
    salt: &'a [u8],
    seq: i64,
}

impl<'a> ItemBuilder<'a> {
    /// Tells several items of one key apart; at most 64 bytes.
    pub const fn salt(self, salt: &'a [u8]) -> Self {
        ItemBuilder { salt, ..self }
    }

    /// Its version: nodes that hold a lower one replace that. At least 0.
    pub const fn seq(self, seq: i64) -> Self {
        ItemBuilder { seq, ..self }
    }

    /// Signs it.
    ///
    /// # Errors
    /// [`ItemError`] when no node may store it.
    pub fn sign(self) -> Result<SignedItem<'a>, ItemError> {
        let ItemBuilder { secret_key, value, salt, seq } = self;
        check_value(value)?;
        check_seq(seq)?;
        let signature = sign(secret_key, salt, seq, value)?;
        Ok(SignedItem { value, salt, key: public_key(secret_key), seq, signature })
    }
}

impl fmt::Debug for ItemBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ItemBuilder { secret_key: _, value, salt, seq } = self;
        f.debug_struct("ItemBuilder")
            .field("value", value)
            .field("salt", salt)
            .field("seq", seq)
            .finish_non_exhaustive()
    }
}

/// A mutable item that every node may store and whose signature fits: made by [`ItemBuilder::sign`], or from a received
/// [`Item`] by `try_from`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SignedItem<'a> {
    value: &'a [u8],
    salt: &'a [u8],
    key: [u8; 32],
    seq: i64,
    signature: [u8; 64],
}

impl<'a> SignedItem<'a> {
    /// The public key of an ed25519 secret key.
    #[must_use]
    pub fn public_key(secret_key: &[u8; 32]) -> [u8; 32] {
        public_key(secret_key)
    }

    /// The bencoded value.
    #[must_use]
    pub const fn value(&self) -> &'a [u8] {
        self.value
    }

    /// Everything else.
    #[must_use]
    pub const fn mutable(&self) -> Mutable<'_> {
        Mutable { key: &self.key, salt: self.salt, seq: self.seq, signature: &self.signature }
    }

    /// The same as plain data.
    #[must_use]
    pub const fn as_item(&self) -> Item<'_> {
        Item { value: self.value, mutable: Some(self.mutable()) }
    }

    /// Where it is stored.
    #[must_use]
    pub fn target(&self) -> Id {
        mutable_target(&self.key, self.salt)
    }
}

impl<'a> TryFrom<Item<'a>> for SignedItem<'a> {
    type Error = ItemError;

    /// Checks an item that came from elsewhere.
    fn try_from(item: Item<'a>) -> Result<Self, ItemError> {
        let Item { value, mutable } = item;
        let mutable = mutable.ok_or(ItemError::Unsigned)?;
        check_value(value)?;
        check_salt(mutable.salt)?;
        check_seq(mutable.seq)?;
        if !verify(&mutable, value) {
            return Err(ItemError::BadSignature);
        }
        let Mutable { key, salt, seq, signature } = mutable;
        Ok(SignedItem { value, salt, key: *key, seq, signature: *signature })
    }
}

/// Why an item is none that a node may store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ItemError {
    /// The value has this number of bytes, bencoded.
    ValueTooLong(usize),
    /// The value is not canonical bencode.
    NotCanonical,
    /// The salt has this number of bytes.
    SaltTooLong(usize),
    /// The sequence number is this one.
    NegativeSeq(i64),
    /// The signature does not fit key, salt, sequence number and value.
    BadSignature,
    /// The item is immutable, where a signed one is needed.
    Unsigned,
}

impl fmt::Display for ItemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ItemError::ValueTooLong(len) => write!(f, "the value has {len} bytes, bencoded; at most {MAX_ENCODED}"),
            ItemError::NotCanonical => write!(
                f,
                "the value is not canonical bencode (one value, sorted keys, the shortest numbers, of at most 64 bits; \
                 at most {MAX_VALUE_DEPTH} levels and {MAX_VALUE_TOKENS} tokens)"
            ),
            ItemError::SaltTooLong(len) => write!(f, "the salt has {len} bytes; at most {MAX_SALT}"),
            ItemError::NegativeSeq(seq) => write!(f, "the sequence number is {seq}; at least 0"),
            ItemError::BadSignature => f.write_str("the signature does not fit key, salt, sequence number and value"),
            ItemError::Unsigned => f.write_str("the item is immutable; a signed one is needed"),
        }
    }
}

impl core::error::Error for ItemError {}

/// Whether every node may store a value of its own right: spelling before size, the order of `spec/items.md`.
pub(crate) fn check_value(value: &[u8]) -> Result<(), ItemError> {
    if is_canonical(value) { check_length(value) } else { Err(ItemError::NotCanonical) }
}

fn check_length(value: &[u8]) -> Result<(), ItemError> {
    if is_readable(value) { Ok(()) } else { Err(ItemError::ValueTooLong(value.len())) }
}

/// Whether a value is short enough to be read: bencoded, or bare where it is one byte string.
pub(crate) fn is_readable(value: &[u8]) -> bool {
    value.len() <= MAX_ENCODED || value.len() <= MAX_VALUE && is_one_string(value)
}

/// Whether all of a value is one byte string, with its length in three digits or four.
fn is_one_string(value: &[u8]) -> bool {
    let colon = value.iter().take(5).position(|&byte| byte == b':').unwrap_or_default();
    let (digits, rest) = value.split_at(colon);
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| usize::from(byte - b'0'));
    let length = digits.iter().try_fold(0, |length, byte| Some(10 * length + digit(byte)?));
    length.is_some_and(|length| length + 1 == rest.len()) && digits.first().is_some_and(|&first| first != b'0')
}

pub(crate) fn check_salt(salt: &[u8]) -> Result<(), ItemError> {
    if salt.len() > MAX_SALT { Err(ItemError::SaltTooLong(salt.len())) } else { Ok(()) }
}

pub(crate) fn check_seq(seq: i64) -> Result<(), ItemError> {
    if seq < 0 { Err(ItemError::NegativeSeq(seq)) } else { Ok(()) }
}

/// Writes the text that is signed (`[4:salt<salt>]3:seqi<seq>e1:v<value>`) and returns its length. It always fits when
/// salt and value keep their limits.
pub fn signable(salt: &[u8], seq: i64, value: &[u8], out: &mut [u8; MAX_SIGNABLE]) -> Result<usize, NoRoom> {
    let mut writer = Writer::new(out);
    if !salt.is_empty() {
        writer.raw(b"4:salt");
        writer.bytes(salt);
    }
    writer.raw(b"3:seq");
    writer.int(seq);
    writer.raw(b"1:v");
    writer.raw(value);
    writer.finish()
}

/// The public key of an ed25519 secret key.
pub fn public_key(secret_key: &[u8; 32]) -> [u8; 32] {
    SigningKey::from_bytes(secret_key).verifying_key().to_bytes()
}

/// Signs a mutable item with an ed25519 secret key, whatever its value and its sequence number are.
///
/// # Errors
/// [`ItemError`] when salt or value are longer than a node may accept.
pub fn sign(secret_key: &[u8; 32], salt: &[u8], seq: i64, value: &[u8]) -> Result<[u8; 64], ItemError> {
    check_salt(salt)?;
    check_length(value)?;
    let mut text = [0; MAX_SIGNABLE];
    let length = signable(salt, seq, value, &mut text).map_err(|NoRoom| ItemError::ValueTooLong(value.len()))?;
    let text = text.get(..length).unwrap_or_default();
    Ok(SigningKey::from_bytes(secret_key).sign(text).to_bytes())
}

/// Whether the signature of a mutable item fits. Strict: keys of small order and scalars that are not reduced are
/// refused, so that all who check an item agree on it.
#[inline(never)]
pub fn verify(mutable: &Mutable<'_>, value: &[u8]) -> bool {
    let Ok(key) = VerifyingKey::from_bytes(mutable.key) else { return false };
    let mut text = [0; MAX_SIGNABLE];
    signable(mutable.salt, mutable.seq, value, &mut text)
        .ok()
        .and_then(|length| text.get(..length))
        .is_some_and(|text| key.verify_strict(text, &Signature::from_bytes(mutable.signature)).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    const SECRET_KEY: [u8; 32] = [7; 32];

    fn id(text: &str) -> Id {
        let mut id = Id::default();
        hex::decode_to_slice(text, &mut id.0).unwrap();
        id
    }

    fn key(text: &str) -> [u8; 32] {
        let mut key = [0; 32];
        hex::decode_to_slice(text, &mut key).unwrap();
        key
    }

    // I1, I14
    #[test]
    fn one_byte_string_may_be_longer_by_its_length_and_nothing_else() {
        let string = |len: usize| [std::format!("{len}:").into_bytes(), std::vec![b'v'; len]].concat();
        for (len, bencoded, is_longer) in [(0, 2, false), (996, 1000, false), (997, 1001, true), (1000, 1005, true)] {
            let value = string(len);
            assert_eq!((value.len(), Item::is_bare_length(&value)), (bencoded, is_longer));
            assert_eq!(check_value(&value), Ok(()));
        }
        assert_eq!(check_value(&string(1001)), Err(ItemError::ValueTooLong(1006)));
        for middle in ["2:vv".repeat(250), std::format!("997:{}", "v".repeat(997))] {
            let list = std::format!("l{middle}e").into_bytes();
            assert!(!Item::is_bare_length(&list));
            assert_eq!(check_value(&list), Err(ItemError::ValueTooLong(list.len())));
        }
        // As long as one, and none.
        for odd in ["0997:", "+997:", "1000;", "99a:", ":997"] {
            let value = [odd.as_bytes(), &[b'v'; 1010]].concat();
            assert!((1000..=1005).all(|len| !is_one_string(&value[..len])), "{odd}");
        }
    }

    // I2, I3
    #[test]
    fn targets_are_those_of_the_bep() {
        let key = key("77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3e7e548");
        assert_eq!(immutable_target(b"12:Hello World!"), id("e5f96f6f38320f0f33959cb4d3d656452117aadb"));
        assert_eq!(mutable_target(&key, b""), id("4a533d47ec9c7d95b1ad75f576cffc641853b750"));
        assert_eq!(mutable_target(&key, b"foobar"), id("411eba73b6f087ca51a3795d9c8c938d365e32c1"));
    }

    #[test]
    fn targets_of_pointers_are_those_of_bep_46() {
        let key = key("8543d3e6115f0f98c944077a4493dcd543e49c739fd998550a1f614ab36ed63e");
        assert_eq!(mutable_target(&key, b""), id("cc3f9d90b572172053626f9980ce261a850d050b"));
        assert_eq!(mutable_target(&key, b"n"), id("59ee7c2cb9b4f7eb1986ee2d18fd2fdb8a56554f"));
    }

    // I4
    #[test]
    fn the_signed_text_is_that_of_the_bep() {
        let mut out = [0; MAX_SIGNABLE];
        let length = signable(b"foobar", 4, b"12:Hello World!", &mut out).unwrap();
        assert_eq!(&out[..length], b"4:salt6:foobar3:seqi4e1:v12:Hello World!");
        let length = signable(b"", 1, b"12:Hello World!", &mut out).unwrap();
        assert_eq!(&out[..length], b"3:seqi1e1:v12:Hello World!");
        assert_eq!(signable(&[0; 64], i64::MIN, &[0; MAX_VALUE], &mut out), Ok(MAX_SIGNABLE));
    }

    /// The first test of RFC 8032, section 7.1.
    #[test]
    fn the_public_key_of_a_secret_is_that_of_the_rfc() {
        let secret = key("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
        let public = key("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
        assert_eq!(SignedItem::public_key(&secret), public);
    }

    #[test]
    fn a_signature_fits_its_item_and_no_other() {
        let value = b"5:hello";
        let public = public_key(&SECRET_KEY);
        let signature = sign(&SECRET_KEY, b"salt", 7, value).unwrap();
        let good = Mutable { key: &public, salt: b"salt", seq: 7, signature: &signature };
        assert!(verify(&good, value));
        assert!(!verify(&good, b"5:hellO"));
        assert!(!verify(&Mutable { seq: 8, ..good }, value));
        assert!(!verify(&Mutable { salt: b"", ..good }, value));
        assert!(!verify(&Mutable { key: &[0; 32], ..good }, value));
        assert!(!verify(&Mutable { key: &[0xff; 32], ..good }, value));
        let mut flipped = signature;
        flipped[0] ^= 1;
        assert!(!verify(&Mutable { signature: &flipped, ..good }, value));
    }

    // I9
    #[test]
    fn weak_keys_and_unreduced_scalars_are_refused() {
        // The identity point as key, with R the identity and S zero, satisfies the plain equation for every text.
        let mut identity = [0; 32];
        identity[0] = 1;
        let mut signature = [0; 64];
        signature[0] = 1;
        let forged = Mutable { key: &identity, salt: b"", seq: 1, signature: &signature };
        assert!(!verify(&forged, b"1:x"));

        // S plus the order of the group.
        let order = group_order();
        let mut unreduced = sign(&SECRET_KEY, b"", 1, b"1:x").unwrap();
        let mut carry = 0u16;
        for (byte, order) in unreduced[32..].iter_mut().zip(order) {
            carry += u16::from(*byte) + u16::from(order);
            *byte = carry as u8;
            carry >>= 8;
        }
        let public = public_key(&SECRET_KEY);
        assert!(!verify(&Mutable { key: &public, salt: b"", seq: 1, signature: &unreduced }, b"1:x"));
    }

    /// The order of the base point, little endian.
    fn group_order() -> [u8; 32] {
        key("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
    }

    #[test]
    fn nothing_is_signed_that_no_node_may_accept() {
        let text = |len: usize| [std::format!("{len}:").into_bytes(), std::vec![0; len]].concat();
        let signed = |salt: &[u8], seq: i64, value: &[u8]| {
            Item::mutable(&SECRET_KEY, value).salt(salt).seq(seq).sign().map(|_| ()).map_err(|error| error.to_string())
        };
        assert_eq!([996, 1000].map(|len| signed(&[0; 64], 0, &text(len))), [Ok(()), Ok(())]);
        for (salt, seq, value, error) in [
            (&[0; 65][..], 1, &b"0:"[..], "the salt has 65 bytes; at most 64"),
            (b"", 1, &text(1001), "the value has 1006 bytes, bencoded; at most 1000"),
            (b"", -1, b"0:", "the sequence number is -1; at least 0"),
            (
                b"",
                1,
                b"hello",
                "the value is not canonical bencode (one value, sorted keys, the shortest numbers, of at most 64 bits; \
                 at most 8 levels and 468 tokens)",
            ),
        ] {
            assert_eq!(signed(salt, seq, value), Err(error.into()));
        }
        assert_eq!(Item::immutable(b"hello"), Err(ItemError::NotCanonical));
        assert_eq!(Item::immutable(b"5:hello").map(|item| item.target()), Ok(immutable_target(b"5:hello")));
    }

    #[test]
    fn what_was_received_is_signed_if_its_signature_fits() {
        let signed = Item::mutable(&SECRET_KEY, b"5:hello").salt(b"salt").seq(7).sign().unwrap();
        let item = signed.as_item();
        assert_eq!(SignedItem::try_from(item), Ok(signed));
        assert_eq!((item.target(), signed.target()), (signed.target(), mutable_target(signed.mutable().key, b"salt")));
        assert_eq!(SignedItem::try_from(Item { value: b"5:hellO", ..item }), Err(ItemError::BadSignature));
        assert_eq!(SignedItem::try_from(Item { value: b"hello", ..item }), Err(ItemError::NotCanonical));
        assert_eq!(SignedItem::try_from(Item { mutable: None, ..item }), Err(ItemError::Unsigned));
    }

    #[test]
    fn a_builder_does_not_show_the_secret_key() {
        let text = std::format!("{:?}", Item::mutable(&[0xab; 32], b"0:").salt(b"s"));
        assert!(!text.contains("171") && !text.contains("ab"), "{text}");
    }
}
