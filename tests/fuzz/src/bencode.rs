//! The reader against itself, and the writer against the reader.

use honeyguide::internals::krpc::bencode::{MAX_DEPTH, MAX_VALUE_DEPTH, MAX_VALUE_TOKENS, Reader, is_canonical};

use crate::tree::Tree;

/// Reads the bytes in every way there is; all ways agree, and what was read is written as it was.
pub fn bencode(data: &[u8]) {
    let (mut by_value, mut by_skip, mut by_tree) = (Reader::new(data), Reader::new(data), Reader::new(data));
    let value = by_value.value();
    let skipped = by_skip.skip();
    let tree = Tree::read(&mut by_tree);
    check_pieces(data);

    let Ok(value) = value else {
        assert!(skipped.is_err() && tree.is_err() && !is_canonical(data));
        return;
    };
    assert_eq!(value.raw, &data[..data.len() - by_value.rest().len()], "the exact bytes");
    assert!(!value.canonical || value.readable);
    assert_eq!(skipped.is_ok(), value.readable);
    assert_eq!(tree.is_ok(), value.readable);
    let Ok(tree) = tree else { return };
    for other in [&by_skip, &by_tree] {
        assert_eq!((other.rest(), other.tokens()), (by_value.rest(), by_value.tokens()));
    }
    assert_eq!(by_value.tokens(), tree.tokens());
    assert!(tree.depth() <= MAX_DEPTH);

    let written = tree.to_bytes();
    let within_caps = tree.depth() <= MAX_VALUE_DEPTH && tree.tokens() <= MAX_VALUE_TOKENS;
    assert_eq!(is_canonical(&written), tree.is_sorted() && within_caps, "our own spelling is the canonical one");
    assert_eq!(is_canonical(value.raw), written == value.raw && tree.is_sorted() && within_caps, "no other one is");
    assert_eq!(Tree::read(&mut Reader::new(&written)), Ok(tree));
}

/// No step of the reader takes what is not there, and one that fails or does not apply takes nothing that counts.
fn check_pieces(data: &[u8]) {
    let mut reader = Reader::new(data);
    for step in 0..2000u32 {
        let before = reader.clone();
        let moved = match (step.wrapping_mul(7) ^ u32::from(reader.peek())) % 7 {
            0 => reader.open_dict(),
            1 => reader.open_list(),
            2 => Ok(reader.close()),
            3 => reader.string_or_skip().map(|_| true),
            4 => reader.int_or_skip().map(|_| true),
            5 => reader.key().map(|_| true),
            _ => reader.value().map(|_| true),
        };
        assert!(data.ends_with(reader.rest()));
        match moved {
            Ok(true) => assert!(reader.rest().len() < before.rest().len()),
            Ok(false) => assert_eq!(reader.rest(), before.rest()),
            Err(_) => break,
        }
    }
}
