//! Negentropy's whole numbers: base 128, the most significant digit first, a high bit on every byte but the last.
//!
//! Rule N2 of `spec/negentropy.md`. A number has at most ten bytes and fits 64 bits; leading zero digits are legal unless
//! the caller asks for the shortest form. Nothing is ever read past the end: a number that stops in the middle is an
//! error, not the value so far.

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

/// Reads a number off the front of `input`. The second value tells whether it was written in the fewest bytes.
pub fn take(input: &mut &[u8]) -> Result<(u64, bool), Unreadable> {
    if let Some((&byte, rest)) = input.split_first().filter(|(byte, _)| **byte < 0x80) {
        *input = rest;
        return Ok((u64::from(byte), true));
    }
    let shortest = input.first() != Some(&0x80);
    let mut value = 0u64;
    for (i, &byte) in input.iter().take(MAX_LEN).enumerate() {
        if value > u64::MAX >> 7 {
            return Err(Unreadable::TooLarge);
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte < 0x80 {
            *input = input.get(i + 1..).unwrap_or_default();
            return Ok((value, shortest));
        }
    }
    Err(if input.len() < MAX_LEN { Unreadable::Truncated } else { Unreadable::TooLarge })
}

/// How many bytes the shortest form of `value` has.
pub fn len(value: u64) -> usize {
    (70 - (value | 1).leading_zeros() as usize) / 7
}

/// Writes the shortest form of `value` to the front of `out` and returns its length; `None` when it does not fit.
pub fn put(value: u64, out: &mut [u8]) -> Option<usize> {
    let len = len(value);
    let place = out.get_mut(..len)?;
    let mut rest = value;
    for (i, byte) in place.iter_mut().rev().enumerate() {
        *byte = (rest & 0x7f) as u8 | if i == 0 { 0 } else { 0x80 };
        rest >>= 7;
    }
    Some(len)
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
            let mut input = &out[..n];
            assert_eq!(take(&mut input), Ok((value, true)));
            assert!(input.is_empty());
            assert_eq!(put(value, &mut out[..n - 1]), None);
        }
    }

    #[test]
    fn a_number_that_stops_in_the_middle_is_no_number() {
        for input in [&b""[..], b"\x80", b"\xff\xff\xff", b"\x81\x80\x80\x80\x80\x80\x80\x80\x80"] {
            assert_eq!(take(&mut &*input), Err(Unreadable::Truncated));
        }
    }

    #[test]
    fn ten_bytes_and_64_bits_are_the_most() {
        assert_eq!(take(&mut &b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\x7f"[..]), Ok((u64::MAX, true)));
        assert_eq!(take(&mut &b"\x82\x80\x80\x80\x80\x80\x80\x80\x80\x00"[..]), Err(Unreadable::TooLarge));
        assert_eq!(take(&mut &b"\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\x00"[..]), Err(Unreadable::TooLarge));
        assert_eq!(take(&mut &[0x80; 30][..]), Err(Unreadable::TooLarge));
    }

    #[test]
    fn leading_zero_digits_are_read_and_told() {
        let mut input = &b"\x80\x80\x05\x07"[..];
        assert_eq!(take(&mut input), Ok((5, false)));
        assert_eq!(input, b"\x07");
    }
}
