//! Negentropy V1 messages: the version byte, then ranges that follow one another without gaps.
//!
//! ```text
//! 61 | bound mode content | bound mode content | ..
//!      up to bound: 0 skip | 1 fingerprint, 16 bytes | 2 number of ids, 32 bytes each
//! ```
//!
//! A message is read where it lies: a [`FrameReader`] yields one [`Range`] after the other, and what it yields
//! borrows from the message. Counts are compared with the bytes that remain before they are multiplied, and nothing
//! is reserved by them. A [`FrameWriter`] writes into a slice of the caller's and goes back to a [`Mark`] when what
//! was begun does not fit. Rules N1 to N9 of `spec/negentropy.md`.

use core::fmt;

use sha2::{Digest, Sha256};

use crate::base::bytes::{SliceReader, SliceWriter};
use crate::base::error::NoRoom;
use crate::negentropy::varint::{self, Unreadable};

/// First byte of every V1 message.
pub const VERSION: u8 = 0x61;

/// First bytes that stand for some version of the protocol.
pub const VERSIONS: core::ops::RangeInclusive<u8> = 0x60..=0x6f;

/// The fingerprint of no ids (N3): of 33 bytes of zeros.
const NOTHING: [u8; 16] = 0x7f9c_9e31_ac82_56ca_2f25_8583_df26_2dbc_u128.to_be_bytes();

/// Bytes of an id.
pub const ID_LEN: usize = 32;

/// An element of a set: when, and which. Ordered by timestamp, then by id.
///
/// **Ids have to be uniform hashes** (N35). A fingerprint stands for the *sum* of the ids of a range (N3), so numbers,
/// counters, and whatever else is not as evenly spread as a hash collide: 1 + 4 = 2 + 3. Ranges that differ are then
/// taken for equal, and what differs there is missed **without an error**. Hash what is no hash before it becomes an
/// id.
///
/// A party that chooses its ids freely can make sums equal on purpose, at a cost. Against that, move the points at
/// which ranges are split ([`ReconcilerConfig::random_splits`]), or run a second session over
/// [`salted`](Entry::salted) entries.
///
/// The timestamp [`u64::MAX`] is reserved for the bound at infinity: sets refuse it.
///
/// Exhaustive: the protocol knows these two fields, and entries are written as literals.
///
/// [`ReconcilerConfig::random_splits`]: crate::negentropy::ReconcilerConfig::random_splits
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Entry {
    /// Seconds, or whatever both sides count in.
    pub timestamp: u64,
    /// 32 bytes that name the element.
    pub id: [u8; ID_LEN],
}

impl Entry {
    /// The timestamp and the first bytes of the id: mostly enough to compare two entries, in one step.
    #[inline]
    pub(super) fn head(&self) -> u128 {
        let id = self.id.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        u128::from(self.timestamp) << 64 | u128::from(id)
    }

    /// Whether it comes before another one.
    #[inline]
    pub(super) fn is_below(&self, other: &Entry) -> bool {
        let (head, others) = (self.head(), other.head());
        head < others || head == others && self.id < other.id
    }

    /// The same with another id: the SHA-256 of `salt` and the id.
    ///
    /// For a second pass over sets that somebody else may have made up: a session in which both sides salt all their
    /// entries with the same bytes, drawn after the entries were there, so that nobody could choose ids whose salted
    /// ones add up to anything. What it finds are salted ids: whoever has the entry knows which one it is.
    #[must_use]
    pub fn salted(&self, salt: &[u8; 32]) -> Entry {
        let mut hasher = Sha256::new();
        hasher.update(salt);
        hasher.update(self.id);
        Entry { timestamp: self.timestamp, id: hasher.finalize().into() }
    }
}

/// 16 bytes that stand for the ids of a range.
///
/// Exhaustive: these are the bytes of the message.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Fingerprint(pub [u8; 16]);

/// Where one range ends and the next begins: a timestamp and the first bytes of an id; the missing ones are zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bound {
    at: Entry,
    /// As wide as a word: bounds are copied often, and narrower fields would be copied byte by byte.
    len: usize,
}

impl Bound {
    /// Below every entry.
    pub const ZERO: Bound = Bound { at: Entry { timestamp: 0, id: [0; ID_LEN] }, len: 0 };

    /// Above every entry.
    pub const INFINITY: Bound = Bound { at: Entry { timestamp: u64::MAX, id: [0; ID_LEN] }, len: 0 };

    /// Exactly at `entry`, with its whole id.
    #[must_use]
    pub fn exact(entry: &Entry) -> Bound {
        Bound { at: *entry, len: ID_LEN }
    }

    /// At `entry`, without the zeros at the end of its id.
    #[must_use]
    pub fn at(entry: &Entry) -> Bound {
        let len = entry.id.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        Bound { at: *entry, len }
    }

    /// The shortest bound above `before` and not above `after`, where `before < after` (N4).
    #[must_use]
    #[inline]
    pub fn between(before: &Entry, after: &Entry) -> Bound {
        let len = if before.timestamp == after.timestamp {
            let shared = before.id.iter().zip(&after.id).take_while(|(a, b)| a == b).count();
            (shared + 1).min(ID_LEN)
        } else {
            0
        };
        Bound { at: Entry { timestamp: after.timestamp, id: prefix_of(&after.id, len) }, len }
    }

    /// The entry that the bound stands at, with zeros for the missing bytes of the id.
    pub fn entry(&self) -> &Entry {
        &self.at
    }

    /// Whether this is the end of everything.
    pub fn is_infinity(&self) -> bool {
        self.at.timestamp == u64::MAX
    }

    fn prefix(&self) -> &[u8] {
        self.at.id.get(..self.len).unwrap_or_default()
    }
}

/// The first `len` bytes of an id, or of what begins with them; the rest is zero. Mostly a few of many.
#[inline]
fn prefix_of(bytes: &[u8], len: usize) -> [u8; ID_LEN] {
    let mut id = [0; ID_LEN];
    if len == 0 {
        return id;
    }
    if let (1..=8, Some(word), Some(place)) = (len, bytes.first_chunk(), id.first_chunk_mut()) {
        *place = (u64::from_be_bytes(*word) & u64::MAX << (64 - 8 * len)).to_be_bytes();
    } else {
        id.iter_mut().zip(bytes).take(len).for_each(|(to, from)| *to = *from);
    }
    id
}

/// What is said of a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode<'a> {
    /// Nothing to be done there.
    Skip,
    /// This is mine: is it yours? As it lies in the message: of most, nothing but this is read.
    Fingerprint(&'a [u8; 16]),
    /// All that I have there.
    IdList(&'a [[u8; ID_LEN]]),
}

/// One range of a message. It begins where the range before it ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range<'a> {
    /// Its end, exclusive.
    pub bound: Bound,
    /// What is said of it.
    pub mode: Mode<'a>,
}

/// How messages are read (N9).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Strictness {
    /// Whatever has a meaning is read: numbers longer than needed, bounds that do not ascend, ranges after infinity.
    Lenient,
    /// What a sound partner would not write is an error. One fingerprint of nothing behind infinity is none: the
    /// reference ends a full message with it.
    Strict,
}

/// Why a message cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum MalformedFrame {
    /// It ends in the middle of something, or is empty.
    Truncated,
    /// Something stands behind its end.
    Trailing,
    /// A number has more than ten bytes or more than 64 bits.
    Varint,
    /// A bound has more than 32 bytes of an id.
    Prefix,
    /// A range has a mode that does not exist.
    Mode,
    /// The first byte is none of a version of this protocol.
    Version,
    /// Strict only: a number is not in its shortest form.
    NotMinimal,
    /// Strict only: a bound is not above the one before it, or follows infinity and is not that of an empty rest.
    NotAscending,
}

impl fmt::Display for MalformedFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MalformedFrame::Truncated => "the message is truncated",
            MalformedFrame::Trailing => "there are bytes behind the end of the message",
            MalformedFrame::Varint => "a number is too long or too large",
            MalformedFrame::Prefix => "an id prefix is longer than 32 bytes",
            MalformedFrame::Mode => "a range has an unknown mode",
            MalformedFrame::Version => "the first byte is not a version of this protocol",
            MalformedFrame::NotMinimal => "a number is not in its shortest form",
            MalformedFrame::NotAscending => "the bounds do not ascend",
        })
    }
}

impl core::error::Error for MalformedFrame {}

impl From<Unreadable> for MalformedFrame {
    fn from(why: Unreadable) -> Self {
        match why {
            Unreadable::Truncated => MalformedFrame::Truncated,
            Unreadable::TooLarge => MalformedFrame::Varint,
        }
    }
}

/// Splits the version byte off a message.
///
/// # Errors
///
/// When the message is empty, or its first byte stands for no version (N10).
pub fn version(message: &[u8]) -> Result<(u8, &[u8]), MalformedFrame> {
    match message.split_first() {
        None => Err(MalformedFrame::Truncated),
        Some((version, body)) if VERSIONS.contains(version) => Ok((*version, body)),
        Some(_) => Err(MalformedFrame::Version),
    }
}

/// Yields the ranges of a message, in order; after an error nothing more.
#[derive(Clone, Debug)]
pub struct FrameReader<'a> {
    input: SliceReader<'a>,
    last: Bound,
    strictness: Strictness,
}

impl<'a> FrameReader<'a> {
    /// Reads the ranges of `body`: a message without its version byte.
    pub fn new(body: &'a [u8], strictness: Strictness) -> Self {
        FrameReader { input: SliceReader::new(body), last: Bound::ZERO, strictness }
    }

    /// Reads on where another reader was: what it had left, after that bound.
    pub fn resume(rest: &'a [u8], last: Bound, strictness: Strictness) -> Self {
        FrameReader { input: SliceReader::new(rest), last, strictness }
    }

    /// What has not been read.
    pub fn rest(&self) -> &'a [u8] {
        self.input.rest()
    }

    /// How it reads.
    pub fn strictness(&self) -> Strictness {
        self.strictness
    }

    /// The bound of the last range.
    pub fn last_bound(&self) -> Bound {
        self.last
    }

    #[inline]
    fn range(&mut self) -> Result<Range<'a>, MalformedFrame> {
        let before = self.last;
        self.bound()?;
        let mode = self.mode()?;
        if self.strictness == Strictness::Strict && (self.last.at <= before.at || before.is_infinity()) {
            // The reference ends a full message with the rest even when that is behind infinity.
            let is_rest = self.last.is_infinity() && mode == Mode::Fingerprint(&NOTHING);
            if !is_rest || self.last != before || !self.input.rest().is_empty() {
                return Err(MalformedFrame::NotAscending);
            }
        }
        Ok(Range { bound: self.last, mode })
    }

    #[inline]
    fn bound(&mut self) -> Result<(), MalformedFrame> {
        let timestamp = match self.number()? {
            0 => u64::MAX,
            coded => self.last.at.timestamp.saturating_add(coded - 1),
        };
        let len = usize::try_from(self.number()?).ok().filter(|len| *len <= ID_LEN).ok_or(MalformedFrame::Prefix)?;
        let id = prefix_of(self.input.rest(), len);
        self.bytes(len)?;
        self.last = Bound { at: Entry { timestamp, id }, len };
        Ok(())
    }

    #[inline]
    fn mode(&mut self) -> Result<Mode<'a>, MalformedFrame> {
        match self.number()? {
            0 => Ok(Mode::Skip),
            1 => Ok(Mode::Fingerprint(self.bytes(16)?.first_chunk().ok_or(MalformedFrame::Truncated)?)),
            2 => {
                let count = self.number()?;
                let space = self.input.rest().len() / ID_LEN;
                let count = usize::try_from(count).ok().filter(|n| *n <= space).ok_or(MalformedFrame::Truncated)?;
                Ok(Mode::IdList(self.bytes(count * ID_LEN)?.as_chunks().0))
            }
            _ => Err(MalformedFrame::Mode),
        }
    }

    #[inline]
    fn number(&mut self) -> Result<u64, MalformedFrame> {
        let (value, shortest) = varint::take(&mut self.input)?;
        if self.strictness == Strictness::Strict && !shortest {
            return Err(MalformedFrame::NotMinimal);
        }
        Ok(value)
    }

    #[inline]
    fn bytes(&mut self, len: usize) -> Result<&'a [u8], MalformedFrame> {
        self.input.take(len).ok_or(MalformedFrame::Truncated)
    }
}

impl<'a> Iterator for FrameReader<'a> {
    type Item = Result<Range<'a>, MalformedFrame>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.input.rest().is_empty() {
            return None;
        }
        let range = self.range();
        if range.is_err() {
            self.input = SliceReader::new(&[]);
        }
        Some(range)
    }
}

/// A place in a message to which a [`FrameWriter`] can go back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    len: usize,
    last_timestamp: u64,
}

/// Writes a message into a slice. What returns [`NoRoom`] has left an unfinished range behind: go back to a mark.
#[derive(Debug)]
pub struct FrameWriter<'b> {
    out: SliceWriter<'b>,
    /// Bytes that may be used; the caller moves it to hold room back.
    limit: usize,
    last_timestamp: u64,
}

impl<'b> FrameWriter<'b> {
    /// Begins a message in `out` with its version byte.
    ///
    /// # Errors
    ///
    /// When `out` is empty. The other methods fail in the same way: when what they write goes past the slice or the
    /// limit.
    pub fn new(out: &'b mut [u8]) -> Result<Self, NoRoom> {
        let limit = out.len();
        let mut writer = FrameWriter { out: SliceWriter::new(out), limit, last_timestamp: 0 };
        writer.bytes(&[VERSION])?;
        Ok(writer)
    }

    /// From now on, no byte past `limit` is written.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// How many bytes there are so far.
    pub fn len(&self) -> usize {
        self.out.written()
    }

    /// Whether there is only the version byte.
    pub fn is_empty(&self) -> bool {
        self.out.written() <= 1
    }

    /// The present place.
    pub fn mark(&self) -> Mark {
        Mark { len: self.out.written(), last_timestamp: self.last_timestamp }
    }

    /// Forgets what was written since `mark`.
    pub fn go_back(&mut self, mark: Mark) {
        self.out.truncate(mark.len);
        self.last_timestamp = mark.last_timestamp;
    }

    /// A range without content.
    pub fn skip(&mut self, bound: &Bound) -> Result<(), NoRoom> {
        self.bound(bound)?;
        self.bytes(&[0])
    }

    /// A range and its fingerprint.
    pub fn fingerprint(&mut self, bound: &Bound, fingerprint: &Fingerprint) -> Result<(), NoRoom> {
        self.bound(bound)?;
        let mut bytes = [1; 17];
        if let Some(place) = bytes.last_chunk_mut() {
            *place = fingerprint.0;
        }
        self.bytes(&bytes)
    }

    /// A range of which `count` ids follow, each by [`id`](FrameWriter::id).
    pub fn id_list(&mut self, bound: &Bound, count: usize) -> Result<(), NoRoom> {
        self.bound(bound)?;
        self.bytes(&[2])?;
        self.number(count as u64)
    }

    /// One id of a list.
    #[inline]
    pub fn id(&mut self, id: &[u8; ID_LEN]) -> Result<(), NoRoom> {
        self.bytes(id)
    }

    fn bound(&mut self, bound: &Bound) -> Result<(), NoRoom> {
        let timestamp = bound.at.timestamp;
        if bound.is_infinity() {
            self.number(0)?;
        } else {
            self.number(timestamp.saturating_sub(self.last_timestamp) + 1)?;
        }
        self.last_timestamp = timestamp;
        self.bytes(&[bound.len as u8])?;
        if bound.len == 0 { Ok(()) } else { self.bytes(bound.prefix()) }
    }

    #[inline]
    fn number(&mut self, value: u64) -> Result<(), NoRoom> {
        if value < 1 << 7 {
            return self.bytes(&[value as u8]);
        }
        let mut digits = [0; varint::MAX_LEN];
        let len = varint::put(value, &mut digits)?;
        self.bytes(digits.get(..len).unwrap_or_default())
    }

    #[inline]
    fn bytes(&mut self, bytes: &[u8]) -> Result<(), NoRoom> {
        if self.out.written() + bytes.len() > self.limit { Err(NoRoom) } else { self.out.put(bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(timestamp: u64, first: u8) -> Entry {
        Entry { timestamp, id: [first; ID_LEN] }
    }

    #[test]
    fn ranges_that_were_written_are_read_again() {
        let mut out = [0; 400];
        let mut writer = FrameWriter::new(&mut out).unwrap();
        let bounds = [Bound::between(&entry(1, 1), &entry(5, 2)), Bound::exact(&entry(5, 9)), Bound::INFINITY];
        writer.skip(&bounds[0]).unwrap();
        writer.fingerprint(&bounds[1], &Fingerprint([7; 16])).unwrap();
        writer.id_list(&bounds[2], 2).unwrap();
        writer.id(&[1; 32]).unwrap();
        writer.id(&[2; 32]).unwrap();
        let len = writer.len();
        let (version, body) = version(&out[..len]).unwrap();
        assert_eq!(version, VERSION);
        for strictness in [Strictness::Lenient, Strictness::Strict] {
            let read: Result<std::vec::Vec<_>, _> = FrameReader::new(body, strictness).collect();
            let read = read.unwrap();
            assert_eq!(read.iter().map(|range| range.bound).collect::<std::vec::Vec<_>>(), bounds);
            assert_eq!(read[1].mode, Mode::Fingerprint(&[7; 16]));
            assert_eq!(read[2].mode, Mode::IdList(&[[1; 32], [2; 32]]));
        }
    }

    #[test]
    fn the_bound_between_two_entries_is_the_shortest_that_separates_them() {
        let between = Bound::between(&entry(1, 1), &entry(2, 1));
        assert_eq!((between.prefix(), between.at.timestamp), (&[][..], 2));
        let (mut a, mut b) = (entry(4, 6), entry(4, 6));
        for shared in 0..ID_LEN {
            (a.id[shared], b.id[shared]) = (6, 7);
            let bound = Bound::between(&a, &b);
            assert_eq!(bound.len, shared + 1);
            assert!(a < *bound.entry() && *bound.entry() <= b);
            (a.id[shared], b.id[shared]) = (6, 6);
        }
    }

    #[test]
    fn a_bound_of_any_length_is_read_as_it_was_written_be_it_the_last_thing_there() {
        let id: [u8; ID_LEN] = core::array::from_fn(|i| 0x80 | i as u8);
        for len in 0..=ID_LEN {
            let mut out = [0; 64];
            let mut expected = Entry { timestamp: 9, id: [0; ID_LEN] };
            expected.id[..len].copy_from_slice(&id[..len]);
            let mut writer = FrameWriter::new(&mut out).unwrap();
            writer.skip(&Bound { at: expected, len }).unwrap();
            let end = writer.len();
            let read = FrameReader::new(&out[1..end], Strictness::Strict).next();
            assert_eq!(read, Some(Ok(Range { bound: Bound { at: expected, len }, mode: Mode::Skip })));
            let cut = FrameReader::new(&out[1..end - 2], Strictness::Strict).next();
            assert_eq!(cut, Some(Err(MalformedFrame::Truncated)), "{len}");
        }
    }

    #[test]
    fn entries_are_below_one_another_in_their_order() {
        let middle = entry(7, 7);
        for at in 0..ID_LEN {
            for (timestamp, byte) in [(6, 0), (6, 255), (7, 0), (7, 6), (7, 7), (7, 8), (7, 255), (8, 0)] {
                let mut other = entry(timestamp, 7);
                other.id[at] = byte;
                assert_eq!(other.is_below(&middle), other < middle);
                assert_eq!(middle.is_below(&other), middle < other);
            }
        }
    }

    #[test]
    fn a_writer_that_is_full_goes_back_to_its_mark_and_goes_on() {
        let mut out = [0; 64];
        let mut writer = FrameWriter::new(&mut out).unwrap();
        writer.set_limit(30);
        writer.fingerprint(&Bound::between(&entry(0, 0), &entry(100, 0)), &Fingerprint([1; 16])).unwrap();
        let mark = writer.mark();
        let far = Bound::between(&entry(0, 0), &entry(1 << 40, 0));
        assert_eq!(writer.fingerprint(&far, &Fingerprint([2; 16])), Err(NoRoom));
        writer.go_back(mark);
        writer.set_limit(64);
        writer.skip(&Bound::between(&entry(0, 0), &entry(101, 0))).unwrap();
        let len = writer.len();
        let read: Result<std::vec::Vec<_>, _> = FrameReader::new(&out[1..len], Strictness::Strict).collect();
        assert_eq!(read.unwrap()[1].bound.entry().timestamp, 101);
    }

    #[test]
    fn a_count_is_compared_with_what_remains() {
        for count in [&b"\x01"[..], b"\x02", b"\xc0\x80\x80\x80\x00", b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\x7f"] {
            let body = [&b"\x00\x00\x02"[..], count, &[0; 31]].concat();
            assert_eq!(FrameReader::new(&body, Strictness::Lenient).next(), Some(Err(MalformedFrame::Truncated)));
        }
    }

    #[test]
    fn strict_reading_refuses_what_no_sound_writer_writes() {
        for (body, why) in [
            (&b"\x80\x00\x00\x00"[..], MalformedFrame::NotMinimal),
            (b"\x05\x00\x80\x00", MalformedFrame::NotMinimal),
            (b"\x00\x00\x00\x00\x00\x00", MalformedFrame::NotAscending),
            (b"\x05\x00\x00\x01\x00\x00", MalformedFrame::NotAscending),
            (b"\x05\x01\x09\x00\x01\x01\x08\x00", MalformedFrame::NotAscending),
            (b"\x00\x00\x00\x00\x00\x02\x00", MalformedFrame::NotAscending),
        ] {
            assert!(FrameReader::new(body, Strictness::Lenient).all(|range| range.is_ok()), "{body:?}");
            assert!(FrameReader::new(body, Strictness::Strict).any(|range| range == Err(why)), "{body:?}");
        }
    }

    #[test]
    fn timestamps_stop_at_infinity_and_stay_there() {
        let far = b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\x7f";
        let body = [&far[..], b"\x00\x00", far, b"\x00\x00", b"\x01\x00\x00"].concat();
        let ends: std::vec::Vec<u64> =
            FrameReader::new(&body, Strictness::Lenient).map(|range| range.unwrap().bound.entry().timestamp).collect();
        assert_eq!(ends, [u64::MAX - 1, u64::MAX, u64::MAX]);
    }
}
