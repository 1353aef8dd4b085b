//! Negentropy's whole numbers: base 128, the most significant digit first, a high bit on every byte but the last.
//!
//! Rule N2 of `spec/negentropy.md`. A number has at most ten bytes and fits 64 bits; leading zero digits are legal
//! unless the caller asks for the shortest form. Nothing is ever read past the end: a number that stops in the middle
//! is an error, not the value so far.

use core::fmt;

use crate::base::bytes::{SliceReader, SliceWriter};
use crate::base::error::NoRoom;

/// Most bytes of one number.
pub const MAX_LEN: usize = 10;

/// Why no number could be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unreadable {
    /// The input ends before the number does.
    Truncated,
    /// More than ten bytes, or more than 64 bits.
    TooLarge,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unreadable::Truncated => "the input ends before the number does",
            Unreadable::TooLarge => "the number has more than ten bytes, or more than 64 bits",
        })
    }
}

impl core::error::Error for Unreadable {}

/// Reads a number. The second value tells whether it was written in the fewest bytes.
///
/// # Errors
///
/// When the input ends before the number does, and when the number has more than ten bytes or 64 bits.
#[inline]
pub fn take(input: &mut SliceReader<'_>) -> Result<(u64, bool), Unreadable> {
    match *input.rest() {
        [byte @ 0..=0x7f, ..] => {
            input.take(1);
            Ok((u64::from(byte), true))
        }
        [high @ 0x81..=0xff, low @ 0..=0x7f, ..] => {
            input.take(2);
            Ok((u64::from(high & 0x7f) << 7 | u64::from(low), true))
        }
        _ => take_any(input),
    }
}

/// Numbers of more than two bytes, which are few, and whatever is wrong.
#[inline(never)]
fn take_any(input: &mut SliceReader<'_>) -> Result<(u64, bool), Unreadable> {
    let bytes = input.rest();
    let shortest = bytes.first() != Some(&0x80);
    let mut value = 0u64;
    for (i, &byte) in bytes.iter().take(MAX_LEN).enumerate() {
        if value > u64::MAX >> 7 {
            return Err(Unreadable::TooLarge);
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte < 0x80 {
            input.take(i + 1);
            return Ok((value, shortest));
        }
    }
    Err(if bytes.len() < MAX_LEN { Unreadable::Truncated } else { Unreadable::TooLarge })
}

/// How many bytes the shortest form of `value` has.
fn len(value: u64) -> usize {
    (70 - (value | 1).leading_zeros() as usize) / 7
}

/// Writes the shortest form of `value` to the front of `out` and returns its length.
///
/// # Errors
///
/// When it does not fit; then nothing is written.
#[inline]
pub fn put(value: u64, out: &mut [u8]) -> Result<usize, NoRoom> {
    match out {
        [digit, ..] if value < 1 << 7 => {
            *digit = value as u8;
            Ok(1)
        }
        [high, low, ..] if value < 1 << 14 => {
            (*high, *low) = ((value >> 7) as u8 | 0x80, value as u8 & 0x7f);
            Ok(2)
        }
        _ => put_any(value, out),
    }
}

/// Numbers of more than two bytes, and places that are too short.
#[inline(never)]
fn put_any(value: u64, out: &mut [u8]) -> Result<usize, NoRoom> {
    let len = len(value);
    let place = out.get_mut(..len).ok_or(NoRoom)?;
    let mut rest = value;
    for (i, byte) in place.iter_mut().rev().enumerate() {
        *byte = (rest & 0x7f) as u8 | if i == 0 { 0 } else { 0x80 };
        rest >>= 7;
    }
    Ok(len)
}

/// Writes the shortest form of `value`.
///
/// # Errors
///
/// When it does not fit; then nothing is written.
#[allow(dead_code, reason = "the rateless mode is there with an allocator only")]
pub fn write(value: u64, out: &mut SliceWriter<'_>) -> Result<(), NoRoom> {
    let mut digits = [0; MAX_LEN];
    let len = put(value, &mut digits)?;
    out.put(digits.get(..len).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_again_and_is_as_short_as_it_can_be() {
        let edges = (0..64).flat_map(|bit| [1u64 << bit, (1u64 << bit) - 1, u64::MAX >> bit]);
        for value in edges {
            let mut out = [0; MAX_LEN];
            let n = put(value, &mut out).unwrap();
            assert_eq!(n, len(value));
            assert!(n == 1 || value >> (7 * (n - 1)) != 0);
            let mut input = SliceReader::new(&out[..n]);
            assert_eq!(take(&mut input), Ok((value, true)));
            assert!(input.rest().is_empty());
            assert_eq!(put(value, &mut out[..n - 1]), Err(NoRoom));
        }
    }

    #[test]
    fn a_number_that_stops_in_the_middle_is_no_number() {
        for input in [&b""[..], b"\x80", b"\xff\xff\xff", b"\x81\x80\x80\x80\x80\x80\x80\x80\x80"] {
            assert_eq!(take(&mut SliceReader::new(input)), Err(Unreadable::Truncated));
        }
    }

    #[test]
    fn ten_bytes_and_64_bits_are_the_most() {
        assert_eq!(take(&mut SliceReader::new(b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\x7f")), Ok((u64::MAX, true)));
        assert_eq!(take(&mut SliceReader::new(b"\x82\x80\x80\x80\x80\x80\x80\x80\x80\x00")), Err(Unreadable::TooLarge));
        assert_eq!(
            take(&mut SliceReader::new(b"\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\x00")),
            Err(Unreadable::TooLarge)
        );
        assert_eq!(take(&mut SliceReader::new(&[0x80; 30])), Err(Unreadable::TooLarge));
    }

    #[test]
    fn leading_zero_digits_are_read_and_told() {
        let mut input = SliceReader::new(b"\x80\x80\x05\x07");
        assert_eq!((take(&mut input), input.rest()), (Ok((5, false)), &b"\x07"[..]));
    }
}
