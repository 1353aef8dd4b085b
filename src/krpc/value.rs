//! Values of items: texts, and pointers to torrents (BEP 46).

use crate::base::error::NoRoom;
use crate::krpc::bencode::reader::Reader;
use crate::krpc::bencode::writer::Writer;
use crate::krpc::id::Id;
use crate::krpc::item::Item;

/// Length of the value of a pointer.
pub const POINTER: usize = POINTER_HEAD.len() + Id::LEN + 1;

const POINTER_HEAD: &[u8; 8] = b"d2:ih20:";

/// Bencodes a text as one byte string into `buffer`: the text's length and some five bytes more.
///
/// ```
/// use honeyguide::krpc::{self, Item};
///
/// let mut buffer = [0; 32];
/// let item = Item::mutable(&[7; 32], krpc::text("hello", &mut buffer)?).sign()?;
/// assert_eq!(item.value(), b"5:hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`NoRoom`] when `buffer` is too short.
pub fn text<'b>(text: &str, buffer: &'b mut [u8]) -> Result<&'b [u8], NoRoom> {
    let mut writer = Writer::new(buffer);
    writer.bytes(text.as_bytes());
    let length = writer.finish()?;
    buffer.get(..length).ok_or(NoRoom)
}

impl<'a> Item<'a> {
    /// The text, if the value is one byte string of UTF-8.
    #[must_use]
    pub fn as_text(&self) -> Option<&'a str> {
        let mut reader = Reader::new(self.value);
        let text = reader.string().ok().filter(|_| reader.rest().is_empty())?;
        core::str::from_utf8(text).ok()
    }

    /// The value of an item that points at a torrent (BEP 46).
    #[must_use]
    pub fn pointer_value(info_hash: &Id) -> [u8; POINTER] {
        let mut value = [b'e'; POINTER];
        let (head, rest) = value.split_at_mut(POINTER_HEAD.len());
        head.copy_from_slice(POINTER_HEAD);
        rest[..Id::LEN].copy_from_slice(info_hash.as_bytes());
        value
    }

    /// The torrent that the item points at (BEP 46): the `ih` of a dictionary, whatever else that holds.
    #[must_use]
    pub fn pointer(&self) -> Option<Id> {
        let mut reader = Reader::new(self.value);
        if !reader.open_dict().ok()? {
            return None;
        }
        let mut info_hash = None;
        while let Some(key) = reader.key().ok()? {
            if key == b"ih" {
                info_hash = Id::try_from(reader.string().ok()?).ok();
            } else {
                reader.skip().ok()?;
            }
        }
        info_hash.filter(|_| reader.rest().is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // I30
    #[test]
    fn a_pointer_is_read_as_written() {
        let pointer = |value| Item { value, mutable: None }.pointer();
        let target = Id([0x5a; 20]);
        let value = Item::pointer_value(&target);
        assert_eq!(pointer(&value), Some(target));
        let extended = [&value[..POINTER - 1], b"1:xi1ee"].concat();
        assert_eq!(pointer(&extended), Some(target));
        for bad in [&value[1..], &value[..POINTER - 1], b"d2:ih3:abce", b"de", b"2:ih", b"d2:ihi1ee", b""] {
            assert_eq!(pointer(bad), None);
        }
        assert_eq!(pointer(&[&value[..], b"e"].concat()), None);
    }

    #[test]
    fn a_text_is_one_byte_string() {
        let mut buffer = [0; 8];
        assert_eq!(text("hello", &mut buffer), Ok(&b"5:hello"[..]));
        assert_eq!(text("", &mut buffer), Ok(&b"0:"[..]));
        assert_eq!(text("hello, world", &mut buffer), Err(NoRoom));
        let read = |value| Item { value, mutable: None }.as_text();
        assert_eq!([read(b"5:hello"), read(b"0:")], [Some("hello"), Some("")]);
        for other in [&b"5:hell"[..], b"5:hello!", b"i5e", b"2:\xff\xfe", b"", b"l5:helloe"] {
            assert_eq!(read(other), None);
        }
    }
}
