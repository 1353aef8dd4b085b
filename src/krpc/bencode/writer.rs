//! Bencode (BEP 3), written in place.

use crate::base::error::NoRoom;

/// Writes bencode into a lent buffer. A write that does not fit is remembered and reported by
/// [`finish`](Writer::finish), so that the calls between need no checks. The order of keys is the caller's.
///
/// It does not wrap a [`SliceWriter`](crate::base::bytes::SliceWriter), whose few lines it repeats: measured, one more
/// type in between costs encoding three instructions in a hundred.
#[derive(Debug)]
pub struct Writer<'b> {
    rest: &'b mut [u8],
    size: usize,
    full: bool,
}

impl<'b> Writer<'b> {
    /// A writer at the start of `buffer`.
    pub fn new(buffer: &'b mut [u8]) -> Self {
        let size = buffer.len();
        Writer { rest: buffer, size, full: false }
    }

    /// The next `count` bytes of the buffer, to be filled by the caller.
    #[inline]
    pub fn claim(&mut self, count: usize) -> Option<&mut [u8]> {
        match core::mem::take(&mut self.rest).split_at_mut_checked(count) {
            Some((claimed, rest)) => {
                self.rest = rest;
                Some(claimed)
            }
            None => {
                self.full = true;
                None
            }
        }
    }

    /// Bytes that are bencode already.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) {
        if let Some(claimed) = self.claim(bytes.len()) {
            claimed.copy_from_slice(bytes);
        }
    }

    /// A byte string.
    #[inline]
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.decimal(bytes.len() as u64);
        self.raw(b":");
        self.raw(bytes);
    }

    /// An integer.
    pub fn int(&mut self, value: i64) {
        self.raw(if value < 0 { b"i-" } else { b"i" });
        self.decimal(value.unsigned_abs());
        self.raw(b"e");
    }

    #[inline]
    fn decimal(&mut self, value: u64) {
        match value {
            0..10 => self.raw(&[b'0' + value as u8]),
            10..100 => self.raw(&[b'0' + (value / 10) as u8, b'0' + (value % 10) as u8]),
            _ => self.long_decimal(value),
        }
    }

    fn long_decimal(&mut self, mut value: u64) {
        let mut digits = [0; 20];
        let mut from = digits.len();
        for (i, digit) in digits.iter_mut().enumerate().rev() {
            *digit = b'0' + (value % 10) as u8;
            value /= 10;
            from = i;
            if value == 0 {
                break;
            }
        }
        self.raw(digits.get(from..).unwrap_or_default());
    }

    /// The number of bytes written.
    ///
    /// # Errors
    /// [`NoRoom`] when something did not fit.
    pub fn finish(self) -> Result<usize, NoRoom> {
        if self.full { Err(NoRoom) } else { Ok(self.size - self.rest.len()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::krpc::bencode::reader::is_canonical;
    use std::vec::Vec;

    #[test]
    fn what_is_written_is_canonical_and_has_the_length_reported() {
        let write = |buffer: &mut [u8]| {
            let mut writer = Writer::new(buffer);
            writer.raw(b"d");
            writer.bytes(b"a");
            writer.raw(b"l");
            [0, 9, 10, 99, 100, 1234, i64::MAX, i64::MIN].into_iter().for_each(|n| writer.int(n));
            writer.raw(b"e");
            writer.bytes(b"b");
            writer.bytes(&[b'x'; 100]);
            writer.raw(b"e");
            writer.finish()
        };
        let mut buffer = [0; 300];
        let length = write(&mut buffer).unwrap();
        assert!(is_canonical(&buffer[..length]));
        assert!(
            buffer.starts_with(b"d1:ali0ei9ei10ei99ei100ei1234ei9223372036854775807ei-9223372036854775808ee1:b100:xxx")
        );
        let mut exact: Vec<u8> = std::vec![0; length];
        assert_eq!(write(&mut exact), Ok(length));
        assert!((0..length).all(|short| write(&mut exact[..short]) == Err(NoRoom)));
    }
}
