//! Byte slices read and written from front to back, without a length that anyone has to keep in step.

use crate::base::error::NoRoom;

/// A position in borrowed bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SliceReader<'a> {
    rest: &'a [u8],
}

impl<'a> SliceReader<'a> {
    /// A reader at the start of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        SliceReader { rest: bytes }
    }

    /// What has not been read yet.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `count` bytes; nothing is read when fewer are left.
    #[inline]
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    /// The next `N` bytes; nothing is read when fewer are left.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(taken)
    }

    /// The next byte.
    #[inline]
    pub fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| *byte)
    }
}

/// Writes into a lent buffer. What does not fit is remembered and told by [`finish`](SliceWriter::finish), so that the
/// calls between need no checks; what follows it is not written either.
#[derive(Debug)]
pub struct SliceWriter<'b> {
    rest: &'b mut [u8],
    size: usize,
    full: bool,
}

impl<'b> SliceWriter<'b> {
    /// A writer at the start of `buffer`.
    pub const fn new(buffer: &'b mut [u8]) -> Self {
        let size = buffer.len();
        SliceWriter { rest: buffer, size, full: false }
    }

    /// The next `count` bytes of the buffer, to be filled by the caller.
    #[inline]
    pub fn claim(&mut self, count: usize) -> Option<&'b mut [u8]> {
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

    /// Writes `bytes`.
    #[inline]
    pub fn put(&mut self, bytes: &[u8]) {
        if let Some(claimed) = self.claim(bytes.len()) {
            claimed.copy_from_slice(bytes);
        }
    }

    /// The number of bytes written.
    ///
    /// # Errors
    /// [`NoRoom`] when something did not fit.
    #[inline]
    pub fn finish(self) -> Result<usize, NoRoom> {
        if self.full { Err(NoRoom) } else { Ok(self.size - self.rest.len()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_not_read() {
        let mut reader = SliceReader::new(b"abcde");
        assert_eq!((reader.byte(), reader.take(2), reader.array::<3>()), (Some(b'a'), Some(&b"bc"[..]), None));
        assert_eq!((reader.take(3), reader.rest()), (None, &b"de"[..]));
        assert_eq!((reader.array(), reader.byte(), reader.take(0)), (Some(b"de"), None, Some(&b""[..])));
    }

    #[test]
    fn what_does_not_fit_is_told_at_the_end() {
        let mut buffer = [0; 5];
        let mut writer = SliceWriter::new(&mut buffer);
        writer.put(b"abc");
        writer.put(b"de");
        assert_eq!(writer.finish(), Ok(5));
        assert_eq!(&buffer, b"abcde");
        let mut writer = SliceWriter::new(&mut buffer);
        writer.put(b"xyz");
        writer.put(b"xyz");
        writer.put(b"x");
        assert_eq!(writer.finish(), Err(NoRoom));
        assert_eq!(&buffer, b"xyzde");
    }
}
