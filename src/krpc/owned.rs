//! Values of items that own their bytes.

use alloc::vec::Vec;

/// Bencodes a text as one byte string.
///
/// ```
/// assert_eq!(honeyguide::krpc::text_value("hello"), b"5:hello");
/// ```
#[must_use]
pub fn text_value(text: &str) -> Vec<u8> {
    alloc::format!("{}:{text}", text.len()).into_bytes()
}
