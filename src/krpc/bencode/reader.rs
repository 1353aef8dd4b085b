//! Bencode (BEP 3), read in place.
//!
//! The [`Reader`] is a position in a borrowed buffer: it makes one pass, takes no memory, never recurses, and hands
//! out slices of what it reads. It is lenient where deployed nodes are (unsorted and repeated keys, leading zeros,
//! `-0`), because refusing an envelope for its spelling would cut us off from them. What is hashed or signed has to
//! have one spelling only: [`Reader::value`] tells whether a value is canonical while it steps over it, and
//! [`is_canonical`] judges one on its own.
//!
//! Every key, every value and every container is one token; the outermost container is depth 1. A reader refuses to
//! go deeper than [`MAX_DEPTH`] and counts tokens, so that the owner of a message can refuse more than
//! [`MAX_TOKENS`]. Nothing is ever reserved or skipped by a length that was not first compared with the bytes that
//! are there.

use core::fmt;

/// The deepest container that is entered.
pub const MAX_DEPTH: u32 = 10;
/// The most tokens in one message.
pub const MAX_TOKENS: u32 = 500;
/// The longest message, in bytes.
pub const MAX_BYTES: usize = 1500;
/// The deepest container inside the value of an item: an item stands at depth 2 of a message.
pub const MAX_VALUE_DEPTH: u32 = MAX_DEPTH - 2;
/// The most tokens in the value of an item: what fits into every message that may have to carry it.
pub const MAX_VALUE_TOKENS: u32 = MAX_TOKENS - 32;

/// Digits of the longest string length that is read.
const MAX_LENGTH_DIGITS: usize = 9;

/// Why bytes could not be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// Not bencode: truncated, a bad length or number, a key that is no string, a key without a value.
    Syntax,
    /// Nested deeper than [`MAX_DEPTH`].
    TooDeep,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ReadError::Syntax => "this is no bencode, or cut off",
            ReadError::TooDeep => "containers are nested deeper than 10",
        })
    }
}

impl core::error::Error for ReadError {}

/// A value that was stepped over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RawValue<'a> {
    /// Its exact bytes.
    pub raw: &'a [u8],
    /// Whether there is no other spelling of it: keys ascend strictly, numbers have no superfluous digits or signs
    /// and fit in 64 bits; and it keeps the caps on an item's value.
    pub canonical: bool,
    /// Whether each integer in it is a number of 64 bits, which is what an envelope requires.
    pub readable: bool,
}

/// A position in bencoded bytes.
///
/// Methods that move it are always inlined, and functions that are not take it by value and give it back: so a reader
/// lives in registers. One call that took its address would keep it in memory for a whole loop, which makes decoding a
/// third slower.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    depth: u32,
    tokens: u32,
}

/// An integer as spelled.
struct Integer {
    /// `None`: no digits, or outside of 64 bits.
    value: Option<i64>,
    canonical: bool,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes, depth: 0, tokens: 0 }
    }

    /// What has not been read yet.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Tokens read so far.
    pub const fn tokens(&self) -> u32 {
        self.tokens
    }

    /// The next byte; 0, which begins no value, at the end.
    #[inline(always)]
    pub fn peek(&self) -> u8 {
        match self.rest {
            [byte, ..] => *byte,
            [] => 0,
        }
    }

    /// Enters the dictionary that begins here, if one does.
    #[inline(always)]
    pub fn open_dict(&mut self) -> Result<bool, ReadError> {
        self.open(b'd')
    }

    /// Enters the list that begins here, if one does.
    #[inline(always)]
    pub fn open_list(&mut self) -> Result<bool, ReadError> {
        self.open(b'l')
    }

    #[inline(always)]
    fn open(&mut self, kind: u8) -> Result<bool, ReadError> {
        match self.rest {
            [first, rest @ ..] if *first == kind => {
                if self.depth >= MAX_DEPTH {
                    return Err(ReadError::TooDeep);
                }
                self.rest = rest;
                self.depth += 1;
                self.tokens += 1;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Leaves the container if it ends here.
    #[inline(always)]
    pub fn close(&mut self) -> bool {
        match self.rest {
            [b'e', rest @ ..] if self.depth > 0 => {
                self.rest = rest;
                self.depth -= 1;
                true
            }
            _ => false,
        }
    }

    /// The next key of the dictionary, or `None` at its end, which is left.
    #[inline(always)]
    pub fn key(&mut self) -> Result<Option<&'a [u8]>, ReadError> {
        if self.close() { Ok(None) } else { self.string().map(Some) }
    }

    /// A byte string.
    #[inline(always)]
    pub fn string(&mut self) -> Result<&'a [u8], ReadError> {
        let (length, tail) = match self.rest {
            [a @ b'0'..=b'9', b':', tail @ ..] => (digit(*a), tail),
            [a @ b'0'..=b'9', b @ b'0'..=b'9', b':', tail @ ..] => (10 * digit(*a) + digit(*b), tail),
            [a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', b':', tail @ ..] => {
                (100 * digit(*a) + 10 * digit(*b) + digit(*c), tail)
            }
            other => long_length(other)?,
        };
        let (string, rest) = tail.split_at_checked(length).ok_or(ReadError::Syntax)?;
        self.rest = rest;
        self.tokens += 1;
        Ok(string)
    }

    /// A byte string, or `None` for a value of another type, which is stepped over.
    #[inline(always)]
    pub fn string_or_skip(&mut self) -> Result<Option<&'a [u8]>, ReadError> {
        if self.peek().is_ascii_digit() { self.string().map(Some) } else { self.skip().map(|()| None) }
    }

    /// An integer of 64 bits; leading zeros and `-0` are read as the number they mean.
    #[inline(always)]
    pub fn int(&mut self) -> Result<i64, ReadError> {
        self.integer()?.value.ok_or(ReadError::Syntax)
    }

    /// An integer, or `None` for a value of another type, which is stepped over.
    #[inline(always)]
    pub fn int_or_skip(&mut self) -> Result<Option<i64>, ReadError> {
        if self.peek() == b'i' { self.int().map(Some) } else { self.skip().map(|()| None) }
    }

    #[inline(always)]
    fn integer(&mut self) -> Result<Integer, ReadError> {
        let (integer, rest) = integer(self.rest)?;
        self.rest = rest;
        self.tokens += 1;
        Ok(integer)
    }

    /// Steps over one value, which has to be readable.
    #[inline(always)]
    pub fn skip(&mut self) -> Result<(), ReadError> {
        let (value, after) = self.clone().any()?;
        *self = after;
        if value.readable { Ok(()) } else { Err(ReadError::Syntax) }
    }

    /// Steps over one value, however it is spelled, as long as it is plain where it ends.
    #[inline(always)]
    pub fn value(&mut self) -> Result<RawValue<'a>, ReadError> {
        let (value, after) = self.clone().any()?;
        *self = after;
        Ok(value)
    }

    /// The work of [`skip`](Reader::skip) and [`value`](Reader::value), out of the way of the common paths.
    #[inline(never)]
    fn any(mut self) -> Result<(RawValue<'a>, Self), ReadError> {
        if !self.peek().is_ascii_digit() {
            return self.nested();
        }
        let before = self.rest;
        self.string()?;
        let raw = before.get(..before.len() - self.rest.len()).unwrap_or_default();
        Ok((RawValue { raw, canonical: canonical_length(before), readable: true }, self))
    }

    /// The same for a value of any type: one loop, whose stack is a bit and a key for each open container.
    fn nested(mut self) -> Result<(RawValue<'a>, Self), ReadError> {
        let (before, depth, tokens) = (self.rest, self.depth, self.tokens);
        let (mut canonical, mut readable) = (true, true);
        // The dictionary that encloses the next value, and the last key of each open dictionary.
        let mut dictionaries = 0u32;
        let mut last_keys: [Option<&[u8]>; MAX_DEPTH as usize + 1] = [None; MAX_DEPTH as usize + 1];
        loop {
            match self.peek() {
                b'0'..=b'9' => {
                    canonical &= canonical_length(self.rest);
                    self.string()?;
                }
                b'i' => {
                    let integer = self.integer()?;
                    canonical &= integer.canonical;
                    readable &= integer.value.is_some();
                }
                b'd' => {
                    self.open(b'd')?;
                    dictionaries = dictionaries << 1 | 1;
                    if let Some(last) = last_keys.get_mut(self.depth as usize) {
                        *last = None;
                    }
                }
                b'l' => {
                    self.open(b'l')?;
                    dictionaries <<= 1;
                }
                _ => return Err(ReadError::Syntax),
            }
            while self.depth > depth && self.close() {
                dictionaries >>= 1;
            }
            if self.depth == depth {
                break;
            }
            if dictionaries & 1 != 0 {
                canonical &= canonical_length(self.rest);
                let key = self.string()?;
                if let Some(last) = last_keys.get_mut(self.depth as usize) {
                    canonical &= last.is_none_or(|last| last < key);
                    *last = Some(key);
                }
            }
        }
        let raw = before.get(..before.len() - self.rest.len()).unwrap_or_default();
        let canonical = canonical && self.tokens - tokens <= MAX_VALUE_TOKENS;
        Ok((RawValue { raw, canonical, readable }, self))
    }
}

#[inline]
fn digit(byte: u8) -> usize {
    usize::from(byte & 0x0f)
}

/// The integer that begins here, and what follows it.
fn integer(bytes: &[u8]) -> Result<(Integer, &[u8]), ReadError> {
    let [b'i', digits @ ..] = bytes else { return Err(ReadError::Syntax) };
    let (negative, mut rest) = match digits {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, digits),
    };
    let leading_zero = rest.first() == Some(&b'0');
    let (mut count, mut magnitude) = (0usize, Some(0u64));
    while let [byte @ b'0'..=b'9', tail @ ..] = rest {
        magnitude = magnitude.and_then(|m| m.checked_mul(10)?.checked_add(u64::from(byte - b'0')));
        count += 1;
        rest = tail;
    }
    let [b'e', rest @ ..] = rest else { return Err(ReadError::Syntax) };
    let value = magnitude.filter(|_| count > 0).and_then(|magnitude| {
        if negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
    });
    let canonical = value.is_some() && !(leading_zero && (negative || count > 1));
    Ok((Integer { value, canonical }, rest))
}

/// The length before a colon, spelled with any number of digits up to the limit, and what follows the colon.
#[cold]
fn long_length(bytes: &[u8]) -> Result<(usize, &[u8]), ReadError> {
    let digits = bytes.iter().take(MAX_LENGTH_DIGITS + 1).take_while(|byte| byte.is_ascii_digit()).count();
    match bytes.split_at_checked(digits) {
        Some((number, [b':', tail @ ..])) if (1..=MAX_LENGTH_DIGITS).contains(&digits) => {
            // Nine digits stay below 2^30, so this is right for a usize of 32 bits too.
            Ok((number.iter().fold(0, |n, byte| 10 * n + digit(*byte)), tail))
        }
        _ => Err(ReadError::Syntax),
    }
}

/// Whether the length of the string that begins here has no leading zero.
#[inline]
fn canonical_length(bytes: &[u8]) -> bool {
    !matches!(bytes, [b'0', b'0'..=b'9', ..])
}

/// Whether `bytes` are exactly one value in its only spelling, within the caps on an item's value (depth
/// [`MAX_VALUE_DEPTH`], [`MAX_VALUE_TOKENS`] tokens, integers of 64 bits). The length is not judged.
pub fn is_canonical(bytes: &[u8]) -> bool {
    let mut reader = Reader { rest: bytes, depth: MAX_DEPTH - MAX_VALUE_DEPTH, tokens: 0 };
    reader.value().is_ok_and(|value| value.canonical) && reader.rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;

    fn skip_all(bytes: &[u8]) -> Result<(), ReadError> {
        let mut reader = Reader::new(bytes);
        reader.skip()?;
        if reader.rest().is_empty() { Ok(()) } else { Err(ReadError::Syntax) }
    }

    // K4, K7
    #[test]
    fn strings_are_slices_of_the_input() {
        for (input, string) in [
            (&b"0:"[..], &b""[..]),
            (b"4:ping", b"ping"),
            (b"04:ping", b"ping"),
            (b"000000004:ping", b"ping"),
            (b"10:0123456789", b"0123456789"),
        ] {
            let mut reader = Reader::new(input);
            assert_eq!(reader.string(), Ok(string));
            assert!(reader.rest().is_empty());
        }
        let long = [&b"0100:"[..], &[b'x'; 100]].concat();
        assert_eq!(Reader::new(&long).string().map(<[u8]>::len), Ok(100));
    }

    // K5
    #[test]
    fn bad_lengths_reserve_and_read_nothing() {
        for input in [
            &b""[..],
            b"4",
            b"4:pin",
            b"4ping",
            b":ping",
            b"-1:x",
            b"+1:x",
            b"0000000004:ping",
            b"99999999999999999999:x",
            b"4294967300:ping",
            b"18446744073709551617:x",
            b"999999999:x",
            b"1 :x",
        ] {
            assert_eq!(Reader::new(input).string(), Err(ReadError::Syntax), "{}", String::from_utf8_lossy(input));
        }
    }

    // K4, K5
    #[test]
    fn integers_are_read_as_the_number_they_mean() {
        for (input, value) in [
            (&b"i0e"[..], 0),
            (b"i-0e", 0),
            (b"i01e", 1),
            (b"i-007e", -7),
            (b"i00000000000000000000000001e", 1),
            (b"i9223372036854775807e", i64::MAX),
            (b"i-9223372036854775808e", i64::MIN),
        ] {
            assert_eq!(Reader::new(input).int(), Ok(value));
        }
        for input in [
            &b"ie"[..],
            b"i-e",
            b"i",
            b"i1",
            b"i1x",
            b"i--1e",
            b"i+1e",
            b"i 1e",
            b"i9223372036854775808e",
            b"i-9223372036854775809e",
            b"i1208925819614629174706176e",
        ] {
            assert_eq!(Reader::new(input).int(), Err(ReadError::Syntax), "{}", String::from_utf8_lossy(input));
        }
    }

    #[test]
    fn a_dictionary_needs_string_keys_each_with_a_value() {
        for good in [&b"de"[..], b"d1:ai1ee", b"d1:bi1e1:ai2ee", b"d1:ade1:blee", b"ld1:aleed1:bi0eee"] {
            assert_eq!(skip_all(good), Ok(()), "{}", String::from_utf8_lossy(good));
        }
        for bad in [&b"d"[..], b"d1:ae", b"di1ei2ee", b"dle1:ae", b"d1:ai1e", b"l", b"e", b"x", b"lxe", b"d1:ai1eei"] {
            assert_eq!(skip_all(bad), Err(ReadError::Syntax), "{}", String::from_utf8_lossy(bad));
        }
    }

    // K6
    #[test]
    fn the_deepest_container_is_the_tenth() {
        let nested = |n: usize| [std::vec![b'l'; n], std::vec![b'e'; n]].concat();
        assert_eq!(skip_all(&nested(10)), Ok(()));
        assert_eq!(skip_all(&nested(11)), Err(ReadError::TooDeep));
        assert_eq!(skip_all(&nested(700)), Err(ReadError::TooDeep));
        assert!(is_canonical(&nested(8)) && !is_canonical(&nested(9)));
    }

    // K6, I6
    #[test]
    fn each_key_value_and_container_is_a_token() {
        let mut reader = Reader::new(b"d1:ali1e0:e1:bdee");
        reader.skip().unwrap();
        assert_eq!(reader.tokens(), 7);
        let list = |n: usize| [&b"l"[..], &b"0:".repeat(n), b"e"].concat();
        assert!(is_canonical(&list(MAX_VALUE_TOKENS as usize - 1)));
        assert!(!is_canonical(&list(MAX_VALUE_TOKENS as usize)));
    }

    // I6
    #[test]
    fn canonical_means_that_there_is_one_spelling() {
        for good in [&b"0:"[..], b"1:x", b"i0e", b"i-1e", b"i10e", b"le", b"de", b"d0:0:1:a0:2:aa0:1:b0:e", b"l1:b1:ae"]
        {
            assert!(is_canonical(good), "{}", String::from_utf8_lossy(good));
        }
        for bad in [
            &b""[..],
            b"01:x",
            b"00:",
            b"i-0e",
            b"i00e",
            b"i007e",
            b"i-01e",
            b"ie",
            b"i-e",
            b"i9223372036854775808e",
            b"d1:b0:1:a0:e",
            b"d1:a0:1:a0:e",
            b"d1:ad1:b0:1:a0:ee",
            b"d01:a0:e",
            b"i1ei2e",
            b"1:xx",
            b"l",
        ] {
            assert!(!is_canonical(bad), "{}", String::from_utf8_lossy(bad));
        }
        // A key is compared with the one before it in its own dictionary, not with those of others.
        assert!(is_canonical(b"d1:bd1:a0:e1:cd1:a0:ee"));
        assert!(is_canonical(b"ld1:b0:ed1:a0:ee"));
    }

    // I7
    #[test]
    fn a_value_is_well_delimited_even_where_its_numbers_are_not_readable() {
        for odd in [&b"ie"[..], b"i-e", b"i99999999999999999999e", b"l0:iee"] {
            let value = Reader::new(odd).value().unwrap();
            assert_eq!(value, RawValue { raw: odd, canonical: false, readable: false });
            assert_eq!(skip_all(odd), Err(ReadError::Syntax));
        }
        assert_eq!(Reader::new(b"i-x").value(), Err(ReadError::Syntax));
    }
}
