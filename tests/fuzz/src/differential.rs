//! The library's bencode against bendy, an independent and strict implementation.

use arbitrary::Unstructured;
use bendy::decoding::{Decoder, Object};
use bendy::encoding::{Error, SingleItemEncoder, ToBencode};
use bendy::state_tracker::Token;
use honeyguide::internals::krpc::bencode::{MAX_DEPTH, MAX_VALUE_DEPTH, MAX_VALUE_TOKENS, Reader, is_canonical};
use honeyguide::krpc::{Decoded, Response, Values, decode};

use crate::tree::Tree;

/// Canonical is exactly what bendy accepts within our caps; it reads the same there; and both write the same.
pub fn differential(data: &[u8]) {
    let accepted = accepts_value(data);
    assert_eq!(is_canonical(data), accepted);
    if accepted {
        compare(data);
    }
    check_message(data);
    let mut u = Unstructured::new(data);
    if let Ok(tree) = Tree::grow(&mut u, 9, true) {
        let written = tree.to_bytes();
        assert_eq!(written, tree.to_bencode().expect("sorted, and not too deep"), "both write the same");
        if tree.depth() <= MAX_DEPTH {
            compare(&written);
        }
        assert_eq!(is_canonical(&written), accepts_value(&written));
    }
}

/// Exactly one value, strictly spelled, within our caps, which bendy does not know.
fn accepts_value(bytes: &[u8]) -> bool {
    let (mut depth, mut tokens, mut values) = (0u32, 0u32, 0u32);
    for token in Decoder::new(bytes).with_max_depth(100).tokens() {
        let Ok(token) = token else { return false };
        tokens += u32::from(token != Token::End);
        match token {
            Token::List | Token::Dict => depth += 1,
            Token::End => depth -= 1,
            Token::Num(text) if text.parse::<i64>().is_err() => return false,
            Token::Num(_) | Token::String(_) => {}
        }
        values += u32::from(depth == 0);
        if depth > MAX_VALUE_DEPTH {
            return false;
        }
    }
    values == 1 && tokens <= MAX_VALUE_TOKENS
}

/// Reads one value with both; strings and the bytes of containers are the same slices.
fn compare(bytes: &[u8]) {
    let mut decoder = Decoder::new(bytes).with_max_depth(100);
    let object = decoder.next_object().expect("accepted").expect("not empty");
    let mut reader = Reader::new(bytes);
    same(&mut reader, object);
    assert!(reader.rest().is_empty());
    let value = Reader::new(bytes).value().expect("accepted");
    assert!(value.readable && value.raw == bytes);
}

fn same<'a>(reader: &mut Reader<'a>, object: Object<'_, 'a>) {
    match object {
        Object::Integer(text) => assert_eq!(reader.int().ok(), text.parse::<i64>().ok()),
        Object::Bytes(bytes) => {
            assert_eq!(reader.string().map(<[u8]>::as_ptr_range), Ok(bytes.as_ptr_range()));
        }
        Object::List(mut list) => {
            assert_eq!(reader.open_list(), Ok(true));
            while let Some(entry) = list.next_object().expect("accepted") {
                same(reader, entry);
            }
            assert!(reader.close());
        }
        Object::Dict(mut dict) => {
            assert_eq!(reader.open_dict(), Ok(true));
            while let Some((key, entry)) = dict.next_pair().expect("accepted") {
                let ours = reader.key().expect("accepted").expect("not the end");
                assert_eq!(ours.as_ptr_range(), key.as_ptr_range());
                same(reader, entry);
            }
            assert_eq!(reader.key(), Ok(None));
        }
    }
}

/// What we make of a datagram and encode is one strict dictionary for bendy too, unless a value or a list of peers in it,
/// which are kept as they came, were not strict.
fn check_message(data: &[u8]) {
    let mut out = [0; 3000];
    let written = match decode(data) {
        Ok(Decoded::Query(query)) => query.encode(&mut out),
        Ok(Decoded::Response(response)) if is_strict(&response) => response.encode(&mut out),
        Ok(Decoded::Error(error)) => error.encode(&mut out),
        _ => return,
    };
    let written = &out[..written.expect("no message grows to twice its size")];
    let mut decoder = Decoder::new(written);
    match decoder.next_object() {
        Ok(Some(Object::Dict(mut dict))) => dict.consume_all().expect("strict"),
        other => panic!("{:?}", other.map(|_| "not a dictionary")),
    }
    assert!(matches!(decoder.next_object(), Ok(None)), "nothing behind it");
}

fn is_strict(response: &Response<'_>) -> bool {
    let peers = match response.values {
        Values::List(entries) => is_canonical(&[b"l", entries, b"e"].concat()),
        Values::Absent | Values::Packed { .. } => true,
    };
    peers && response.value.is_none_or(is_canonical)
}

impl ToBencode for Tree {
    const MAX_DEPTH: usize = 16;

    fn encode(&self, encoder: SingleItemEncoder) -> Result<(), Error> {
        match self {
            Tree::Int(number) => encoder.emit_int(*number),
            Tree::Bytes(bytes) => encoder.emit_bytes(bytes),
            Tree::List(entries) => {
                encoder.emit_list(|encoder| entries.iter().try_for_each(|entry| encoder.emit(entry)))
            }
            Tree::Dict(entries) => encoder
                .emit_dict(|mut encoder| entries.iter().try_for_each(|(key, entry)| encoder.emit_pair(key, entry))),
        }
    }
}
