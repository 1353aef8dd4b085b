//! Bencoded files and values. What is in them may be anybody's, and the library's reader goes one call deeper for each
//! list in a list, in a field that it passes over, too. So nesting is looked at first, a token at a time.

use std::collections::BTreeMap;

use bendy::decoding::{Decoder, Object};
use bendy::serde::Deserializer;
use serde::Deserialize;

/// Deeper ones are none of ours: a state file has three levels, and a later program may add some.
const DEEPEST: usize = 16;

/// What these bytes say, all of them; `None` where they are something else.
pub fn read<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Option<T> {
    let is_sound = Decoder::new(bytes).with_max_depth(DEEPEST).tokens().all(|token| token.is_ok());
    let reader = || Deserializer::from_bytes(bytes).with_forbid_trailing_bytes(true);
    is_sound.then(reader)?.deserialize().ok()
}

/// Keys and values of a dictionary; a value as it is written.
pub type Pairs = BTreeMap<Vec<u8>, Vec<u8>>;

/// Those of a dictionary. What may follow it is not looked at.
pub fn pairs(bytes: &[u8]) -> Option<Pairs> {
    let mut decoder = Decoder::new(bytes).with_max_depth(DEEPEST);
    let mut dictionary = decoder.next_object().ok()??.try_into_dictionary().ok()?;
    let mut pairs = Pairs::new();
    while let Some((key, value)) = dictionary.next_pair().ok()? {
        pairs.insert(key.to_vec(), written(value)?);
    }
    Some(pairs)
}

/// What stands in a list, each as it is written. What may follow it is not looked at.
pub fn entries(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut decoder = Decoder::new(bytes).with_max_depth(DEEPEST);
    let mut list = decoder.next_object().ok()??.try_into_list().ok()?;
    let mut entries = Vec::new();
    while let Some(entry) = list.next_object().ok()? {
        entries.push(written(entry)?);
    }
    Some(entries)
}

fn written(value: Object<'_, '_>) -> Option<Vec<u8>> {
    Some(match value {
        Object::List(list) => list.into_raw().ok()?.to_vec(),
        Object::Dict(dictionary) => dictionary.into_raw().ok()?.to_vec(),
        Object::Integer(digits) => format!("i{digits}e").into_bytes(),
        Object::Bytes(bytes) => string(bytes),
    })
}

pub fn dictionary(pairs: &Pairs) -> Vec<u8> {
    let pairs = pairs.iter().flat_map(|(key, value)| [string(key), value.clone()]);
    [b"d".to_vec()].into_iter().chain(pairs).chain([b"e".to_vec()]).flatten().collect()
}

pub fn list(entries: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    [b"l".to_vec()].into_iter().chain(entries).chain([b"e".to_vec()]).flatten().collect()
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [format!("{}:", bytes.len()).as_bytes(), bytes].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize, PartialEq, Debug)]
    struct One {
        one: u8,
    }

    /// So many lists in one another within a field that nobody asked for.
    fn nested(lists: usize) -> Vec<u8> {
        [&b"d3:onei1e5:other"[..], &b"l".repeat(lists), &b"e".repeat(lists), b"e"].concat()
    }

    /// Rule J20.
    #[test]
    fn what_is_nested_too_deep_is_refused_before_anything_recurses() {
        // The dictionary is a level, too.
        assert_eq!(read(&nested(DEEPEST - 1)), Some(One { one: 1 }));
        for lists in [DEEPEST, 4_000, 1_000_000] {
            assert_eq!(read::<One>(&nested(lists)), None, "{lists}");
            assert_eq!(read::<One>(&nested(lists)[..lists]), None, "{lists}, cut");
        }
    }

    #[test]
    fn a_dictionary_comes_back_from_its_pairs_as_it_was() {
        for whole in ["de", "d0:0:e", "d1:ai-1e1:bd1:xi0ee1:cl1:yi2ee4:zzzz3:abce"] {
            let pairs = pairs(whole.as_bytes()).unwrap();
            assert_eq!(dictionary(&pairs).escape_ascii().to_string(), whole);
        }
        assert!(["", "le", "i1e", "d1:a", "d1:ae", "x"].iter().all(|none| pairs(none.as_bytes()).is_none()));
    }

    #[test]
    fn a_list_comes_back_from_its_entries_as_it_was() {
        for (whole, count) in [("le", 0), ("l0:i-1ed1:xi0eel1:yi2eee", 4)] {
            let entries = entries(whole.as_bytes()).unwrap();
            assert_eq!(entries.len(), count);
            assert_eq!(list(entries.into_iter()).escape_ascii().to_string(), whole);
        }
        assert!(["", "de", "i1e", "l1:a", "x"].iter().all(|none| entries(none.as_bytes()).is_none()));
    }

    #[test]
    fn nothing_may_follow_or_be_missing() {
        let whole = nested(1);
        assert!((0..whole.len()).all(|cut| read::<One>(&whole[..cut]).is_none()));
        assert!([&b"e"[..], b"i1e", b"x", b"de"].iter().all(|more| read::<One>(&[&whole, *more].concat()).is_none()));
    }
}
