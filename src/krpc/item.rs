//! Stored items (BEP 44): where they are stored, what is signed, and pointers (BEP 46).
//!
//! An immutable item is stored under the SHA-1 of its bencoded value; a mutable one under the SHA-1 of its public key
//! and salt, and carries a signature over salt, sequence number and value. Values are always the exact bytes of the
//! wire: nothing here decodes a value and encodes it again.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha1::{Digest, Sha1};

use crate::krpc::bencode::{BufferTooSmall, Reader, Writer};
use crate::krpc::id::Id;
use crate::krpc::message::{Item, Mutable};

/// The longest bencoded value, in bytes.
pub const MAX_VALUE: usize = 1000;
/// The longest salt, in bytes.
pub const MAX_SALT: usize = 64;
/// The longest text that is signed, in bytes.
pub const MAX_SIGNABLE: usize = "4:salt64:".len() + MAX_SALT + "3:seqi-9223372036854775808e1:v".len() + MAX_VALUE;
/// Length of the value of a pointer.
pub const POINTER: usize = POINTER_HEAD.len() + Id::LEN + 1;

const POINTER_HEAD: &[u8; 8] = b"d2:ih20:";

/// Where an immutable item is stored: SHA-1 of its bencoded value.
pub fn immutable_target(value: &[u8]) -> Id {
    Id(Sha1::digest(value).into())
}

/// Where a mutable item is stored: SHA-1 of public key and salt.
pub fn mutable_target(key: &[u8; 32], salt: &[u8]) -> Id {
    Id(Sha1::new().chain_update(key).chain_update(salt).finalize().into())
}

impl Item<'_> {
    /// Where the item is stored.
    pub fn target(&self) -> Id {
        match &self.mutable {
            None => immutable_target(self.value),
            Some(mutable) => mutable_target(mutable.key, mutable.salt),
        }
    }
}

/// Writes the text that is signed (`[4:salt<salt>]3:seqi<seq>e1:v<value>`) and returns its length. It always fits when
/// salt and value keep their limits.
pub fn signable(salt: &[u8], seq: i64, value: &[u8], out: &mut [u8; MAX_SIGNABLE]) -> Result<usize, BufferTooSmall> {
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

/// Signs a mutable item with an ed25519 secret key. `None` when salt or value are longer than a node may accept.
pub fn sign(secret_key: &[u8; 32], salt: &[u8], seq: i64, value: &[u8]) -> Option<[u8; 64]> {
    if salt.len() > MAX_SALT || value.len() > MAX_VALUE {
        return None;
    }
    let mut text = [0; MAX_SIGNABLE];
    let length = signable(salt, seq, value, &mut text).ok()?;
    Some(SigningKey::from_bytes(secret_key).sign(text.get(..length)?).to_bytes())
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

/// The value of an item that points at a torrent (BEP 46).
pub fn pointer_value(info_hash: &Id) -> [u8; POINTER] {
    let mut value = [b'e'; POINTER];
    let (head, rest) = value.split_at_mut(POINTER_HEAD.len());
    head.copy_from_slice(POINTER_HEAD);
    rest[..Id::LEN].copy_from_slice(info_hash.as_bytes());
    value
}

/// The torrent that a value points at (BEP 46): the `ih` of a dictionary, whatever else that holds.
pub fn pointer(value: &[u8]) -> Option<Id> {
    let mut reader = Reader::new(value);
    if !reader.open_dict().ok()? {
        return None;
    }
    let mut info_hash = None;
    while let Some(key) = reader.key().ok()? {
        if key == b"ih" {
            info_hash = Id::from_slice(reader.string().ok()?);
        } else {
            reader.skip().ok()?;
        }
    }
    info_hash.filter(|_| reader.rest().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(signable(&[0; 64], i64::MIN, &[0; 1000], &mut out), Ok(MAX_SIGNABLE));
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
        assert!(sign(&SECRET_KEY, &[0; 64], 1, &[0; 1000]).is_some());
        assert!(sign(&SECRET_KEY, &[0; 65], 1, b"0:").is_none());
        assert!(sign(&SECRET_KEY, b"", 1, &[0; 1001]).is_none());
    }

    // I30
    #[test]
    fn a_pointer_is_read_as_written() {
        let target = immutable_target(b"0:");
        let value = pointer_value(&target);
        assert_eq!(pointer(&value), Some(target));
        let extended = [&value[..POINTER - 1], b"1:xi1ee"].concat();
        assert_eq!(pointer(&extended), Some(target));
        for bad in [&value[1..], &value[..POINTER - 1], b"d2:ih3:abce", b"de", b"2:ih", b"d2:ihi1ee", b""] {
            assert_eq!(pointer(bad), None);
        }
        assert_eq!(pointer(&[&value[..], b"e"].concat()), None);
    }
}
