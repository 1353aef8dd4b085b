//! Frames: what tells a whole record from one that was cut or changed.
//!
//! ```text
//! length of the record (2 bytes), the same with every bit flipped (2 bytes), CRC-32C of the record (4 bytes), record
//! ```
//! Numbers are little-endian. The length stands there twice so that a record that was cut, as by the death of who
//! wrote it, is told from one whose length was changed and only seems to lead past the end.

use core::fmt;

/// Bytes in front of a record.
pub(super) const FRAME: usize = 8;

/// The tables are worth their 16 KiB: a byte at a time, the checksum is the dearest part of a record.
const CRC: crc::Crc<u32, crc::Table<16>> = crc::Crc::<u32, crc::Table<16>>::new(&crc::CRC_32_ISCSI);

/// Why bytes are no record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RecordError {
    /// They end within it.
    Cut,
    /// They are not what was written.
    Changed,
    /// They are what was written, by a program that knows more kinds of records.
    Unknown,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RecordError::Cut => "the record is cut: its end is missing",
            RecordError::Changed => "the record is not what was written: its checksum does not fit",
            RecordError::Unknown => "the record is of a kind that only a later version knows",
        })
    }
}

impl core::error::Error for RecordError {}

/// Puts a frame around the record that stands behind the first [`FRAME`] bytes, to the end.
pub(super) fn seal(frame: &mut [u8]) {
    let Some((front, record)) = frame.split_first_chunk_mut::<FRAME>() else { return };
    let len = record.len() as u16;
    let ([a, b], [c, d]) = (len.to_le_bytes(), (!len).to_le_bytes());
    let [e, f, g, h] = CRC.checksum(record).to_le_bytes();
    *front = [a, b, c, d, e, f, g, h];
}

/// The record of the first frame, and what follows it.
pub(super) fn open(bytes: &[u8]) -> Result<(&[u8], &[u8]), RecordError> {
    let (&[a, b, c, d, e, f, g, h], rest) = bytes.split_first_chunk::<FRAME>().ok_or(RecordError::Cut)?;
    let len = u16::from_le_bytes([a, b]);
    if u16::from_le_bytes([c, d]) != !len {
        return Err(RecordError::Changed);
    }
    let (record, rest) = rest.split_at_checked(usize::from(len)).ok_or(RecordError::Cut)?;
    if CRC.checksum(record) != u32::from_le_bytes([e, f, g, h]) {
        return Err(RecordError::Changed);
    }
    Ok((record, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_cut_is_told_from_what_was_changed() {
        let mut frame = [&[0; FRAME][..], b"record"].concat();
        seal(&mut frame);
        assert_eq!(open(&frame), Ok((&b"record"[..], &b""[..])));
        for cut in 0..frame.len() {
            assert_eq!(open(&frame[..cut]), Err(RecordError::Cut), "cut at {cut}");
        }
        for bit in 0..frame.len() * 8 {
            frame[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(&frame), Err(RecordError::Changed), "bit {bit}");
            frame[bit / 8] ^= 1 << (bit % 8);
        }
        // What a file system leaves where it never came to write.
        assert_eq!(open(&[0; 64]), Err(RecordError::Changed));
    }
}
