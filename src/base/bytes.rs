//! Reading from a slice and writing into one, from front to back, checked at every step.

use crate::base::error::NoRoom;

/// What is left to be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SliceReader<'a>(&'a [u8]);

impl<'a> SliceReader<'a> {
    /// Reads `bytes` from the front.
    pub fn new(bytes: &'a [u8]) -> Self {
        SliceReader(bytes)
    }

    /// The next `len` bytes; nothing is read when fewer are left.
    #[inline]
    pub fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    /// The next `N` bytes; nothing is read when fewer are left.
    #[allow(dead_code, reason = "what reads whole arrays is there with an allocator only")]
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    /// All that has not been read.
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }
}

/// A slice of which the front is written.
#[derive(PartialEq, Eq, Debug)]
pub struct SliceWriter<'b> {
    out: &'b mut [u8],
    len: usize,
}

impl<'b> SliceWriter<'b> {
    /// Nothing is written yet.
    pub fn new(out: &'b mut [u8]) -> Self {
        SliceWriter { out, len: 0 }
    }

    /// How many bytes are written.
    #[inline]
    pub fn written(&self) -> usize {
        self.len
    }

    /// Writes all of `bytes`, or nothing when they do not fit.
    #[inline]
    pub fn put(&mut self, bytes: &[u8]) -> Result<(), NoRoom> {
        let end = self.len.checked_add(bytes.len()).ok_or(NoRoom)?;
        self.out.get_mut(self.len..end).ok_or(NoRoom)?.copy_from_slice(bytes);
        self.len = end;
        Ok(())
    }

    /// Forgets what was written past `len`.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_whole_is_not_read_at_all() {
        let mut reader = SliceReader::new(b"abcdef");
        assert_eq!((reader.take(2), reader.array(), reader.rest()), (Some(&b"ab"[..]), Some(*b"cd"), &b"ef"[..]));
        assert_eq!((reader.take(3), reader.array::<3>(), reader.rest()), (None, None, &b"ef"[..]));
        assert_eq!((reader.take(2), reader.take(0), reader.take(1)), (Some(&b"ef"[..]), Some(&b""[..]), None));
    }

    #[test]
    fn what_does_not_fit_whole_is_not_written_at_all() {
        let mut out = [0; 4];
        let mut writer = SliceWriter::new(&mut out);
        assert_eq!((writer.put(b"abc"), writer.put(b"de"), writer.written()), (Ok(()), Err(NoRoom), 3));
        writer.truncate(9);
        writer.truncate(1);
        assert_eq!((writer.put(b"xyz"), writer.written(), out), (Ok(()), 4, *b"axyz"));
    }
}
