//! Signed items that come without their secret: one JSON object as `get --json` prints it, or a packet of pkarr.

use std::path::Path;

use honeyguide::krpc::{Item, ItemError, Mutable, SignedItem};
use serde_json::Value;

use crate::failed::Failed;
use crate::options;
use crate::pkarr::Packet;
use crate::small_file::{self, Purpose, read, shown};

/// All of an item that is stored.
pub struct Owned {
    /// Where it was read from.
    from: String,
    value: Vec<u8>,
    salt: Vec<u8>,
    key: [u8; 32],
    seq: i64,
    signature: [u8; 64],
}

impl Owned {
    /// The object in a file, or on standard input for `-`.
    pub fn from_json(path: &Path) -> Result<Owned, Failed> {
        let bytes = read(path, Purpose { what: "the item", most: small_file::MOST })?;
        Owned::from_line(shown(path), &bytes)
    }

    /// The object in a line of a file.
    pub fn from_line(from: String, line: &[u8]) -> Result<Owned, Failed> {
        let wrong = |fault: String| Failed::usage(format!("the item in {from} {fault}"));
        let object: Value = serde_json::from_slice(line).map_err(|_| {
            wrong("is not one JSON object: write it as `get --json` prints it, with k, salt, seq, sig and v_hex".into())
        })?;
        Owned::of(from.clone(), &object).map_err(wrong)
    }

    /// The packet in a file, or on standard input for `-`.
    pub fn from_packet(path: &Path) -> Result<Owned, Failed> {
        let bytes = read(path, Purpose { what: "the packet", most: Packet::MAX_LEN as u64 })?;
        let packet =
            Packet::decode(&bytes).map_err(|fault| Failed::usage(format!("the packet in {} {fault}", shown(path))))?;
        let Packet { key, signature, seq, value } = packet;
        Ok(Owned { from: shown(path), value, salt: vec![], key, seq, signature })
    }

    fn of(from: String, object: &Value) -> Result<Owned, String> {
        let text = |name: &str| {
            let text = object.get(name).and_then(Value::as_str);
            text.ok_or_else(|| {
                format!("has no {name}: it takes k, salt, seq, sig and v_hex, as `get --json` prints them")
            })
        };
        let hex_of = |name: &str| hex::decode(text(name)?).map_err(|_| format!("has a {name} that is not hex"));
        let salt = match object.get("salt") {
            None | Some(Value::Null) => vec![],
            Some(_) => hex_of("salt")?,
        };
        let whole = format!("it is a whole number from 0 to {}", i64::MAX);
        let seq = || match object.get("seq") {
            None | Some(Value::Null) => Err(format!("has no seq: {whole}")),
            Some(Value::Number(seq)) => seq.as_i64().ok_or_else(|| format!("has the seq {seq}, and {whole}")),
            Some(_) => Err(format!("has a seq that is no number: {whole}")),
        };
        Ok(Owned {
            from,
            key: options::hex_array(text("k")?).map_err(|fault| format!("has a k that is {fault}"))?,
            salt,
            seq: seq()?,
            signature: options::hex_array(text("sig")?).map_err(|fault| format!("has a sig that is {fault}"))?,
            value: hex_of("v_hex")?,
        })
    }

    /// The item, if it is signed and may be stored.
    pub fn verified(&self) -> Result<SignedItem<'_>, Failed> {
        let Owned { from, value, salt, key, seq, signature } = self;
        let item = Item { value, mutable: Some(Mutable { key, salt, seq: *seq, signature }) };
        SignedItem::try_from(item).map_err(|error| {
            let mend = match error {
                ItemError::BadSignature => ": it was changed, or signed with another key",
                _ => "",
            };
            Failed::usage(format!("the item in {from} cannot be stored: {error}{mend}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_object_lacks_nothing_and_everything_in_it_is_what_it_should_be() {
        let (secret, value) = ([3; 32], b"5:hello");
        let signed = Item::mutable(&secret, value).salt(b"s").seq(4).sign().unwrap();
        let object = json!({
            "k": hex::encode(SignedItem::public_key(&secret)),
            "salt": "73",
            "seq": 4,
            "sig": hex::encode(signed.mutable().signature),
            "v_hex": hex::encode(value),
        });
        assert!(Owned::of("file".into(), &object).unwrap().verified().is_ok());
        for name in ["k", "seq", "sig", "v_hex"] {
            let mut lacks = object.clone();
            lacks.as_object_mut().unwrap().remove(name);
            assert!(Owned::of("file".into(), &lacks).err().unwrap().contains(&format!("no {name}")));
            lacks[name] = json!("zz");
            assert!(Owned::of("file".into(), &lacks).err().unwrap().contains(name));
        }
        for (seq, why) in [
            (json!(1.0), "has the seq 1.0, and it is a whole number from 0 to 9223372036854775807"),
            (json!(9_223_372_036_854_775_808_u64), "has the seq 9223372036854775808, and it is a whole number from 0"),
            (json!("4"), "has a seq that is no number"),
            (json!([4]), "has a seq that is no number"),
            (json!(null), "has no seq"),
        ] {
            let mut other = object.clone();
            other["seq"] = seq;
            let fault = Owned::of("file".into(), &other).err().unwrap();
            assert!(fault.starts_with(why), "{fault}");
        }
        // Without its salt, as another version and with another value it was never signed.
        for (name, other) in [("salt", Value::Null), ("seq", json!(5)), ("v_hex", json!("353a68656c6c70"))] {
            let mut changed = object.clone();
            changed[name] = other;
            assert_eq!(Owned::of("file".into(), &changed).unwrap().verified().err().unwrap().code, 2, "{name}");
        }
    }
}
