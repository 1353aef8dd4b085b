//! The rateless mode: for own ends that have agreed to it, and for differences that are few and scattered.
//!
//! The answering side sends sums of ids, each over a random part of its set that gets smaller along the stream; the asking
//! side takes its own sums away, and what is left are sums over the differences alone. A sum of one difference shows it;
//! taken out of all others it was in, it shows more. About 1.4 sums a difference are enough, wherever the differences lie,
//! and more can be had when they are not. How many to send is estimated from 2048 counts in the first message.
//!
//! The result is believed only if the own set with the differences applied has the fingerprint that the other side named.
//! Everything else ends in [`RatelessStep::FallBack`]: too many differences, sums that lead nowhere, or a partner that speaks V1
//! only and says so by the byte `61`. Then the session begins anew with a [`Reconciler`](crate::negentropy::Reconciler). Rules
//! N40 to N48 of `spec/negentropy.md`.
//!
//! An answer costs the answering side a walk over its whole set: enable it for partners whom you know.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::hash::Hasher as _;
use core::ops::{ControlFlow, Range};

use siphasher::sip::SipHasher24;

use crate::negentropy::message::MalformedFrame;
use crate::negentropy::set::{Difference, SortedSet, Sum};
use crate::negentropy::varint;

/// First byte of all messages of this mode.
pub const VERSION: u8 = 0x6f;

/// Cells of the estimate.
const CELLS: usize = 2048;

/// Bytes of a symbol: ids, check, count.
const SYMBOL: usize = 32 + 4 + 1;

/// Bytes of an answer besides its symbols, at most.
const HEAD: usize = 2 + 10 + 16 + 10;

/// Kinds of message: the first one, and the one that asks for more.
const HELLO: u8 = 0;
const MORE: u8 = 1;

/// Kinds of answer.
const EQUAL: u8 = 0;
const SYMBOLS: u8 = 1;

/// The secret of one session: nobody can prepare ids for a key that is drawn when the session begins.
pub type SessionKey = [u8; 16];

/// What to do next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RatelessStep {
    /// Send the first so many bytes of the buffer.
    Send(usize),
    /// All differences were told.
    Done,
    /// This mode does not help here: begin anew in V1.
    FallBack,
}

/// Why a message is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RatelessError {
    /// It cannot be read.
    Malformed(MalformedFrame),
    /// There is no room for an answer.
    BufferTooSmall,
    /// It answers nothing that was asked.
    Unexpected,
}

impl fmt::Display for RatelessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RatelessError::Malformed(why) => why.fmt(f),
            RatelessError::BufferTooSmall => f.write_str("the buffer for the answer is too short"),
            RatelessError::Unexpected => f.write_str("the message answers nothing that was asked"),
        }
    }
}

impl core::error::Error for RatelessError {}

impl From<MalformedFrame> for RatelessError {
    fn from(why: MalformedFrame) -> Self {
        RatelessError::Malformed(why)
    }
}

/// A sum over some ids.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Symbol {
    ids: [u64; 4],
    check: u32,
    count: i8,
}

impl Symbol {
    fn of(id: &[u8; 32], hash: u64, count: i8) -> Symbol {
        let mut ids = [0; 4];
        for (word, bytes) in ids.iter_mut().zip(id.as_chunks().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        Symbol { ids, check: (hash >> 32) as u32, count }
    }

    fn add(&mut self, other: &Symbol) {
        for (word, more) in self.ids.iter_mut().zip(other.ids) {
            *word ^= more;
        }
        self.check ^= other.check;
        self.count = self.count.wrapping_add(other.count);
    }

    fn id(&self) -> [u8; 32] {
        let mut id = [0; 32];
        for (bytes, word) in id.as_chunks_mut().0.iter_mut().zip(self.ids) {
            *bytes = word.to_le_bytes();
        }
        id
    }

    fn write(&self, place: &mut [u8; SYMBOL]) {
        let (ids, rest) = place.split_at_mut(32);
        ids.copy_from_slice(&self.id());
        if let Some((count, check)) = rest.split_last_mut() {
            check.copy_from_slice(&self.check.to_le_bytes());
            *count = self.count as u8;
        }
    }

    fn read(bytes: &[u8; SYMBOL]) -> Symbol {
        let id = bytes.first_chunk().copied().unwrap_or_default();
        let check = bytes.get(32..36).and_then(|check| check.first_chunk()).copied().unwrap_or_default();
        let count = bytes.last().map_or(0, |count| *count as i8);
        Symbol { check: u32::from_le_bytes(check), ..Symbol::of(&id, 0, count) }
    }
}

fn hash(key: &SessionKey, id: &[u8; 32]) -> u64 {
    let mut hasher = SipHasher24::new_with_key(key);
    hasher.write(id);
    hasher.finish()
}

/// The symbols that an id is part of, ascending: symbol i with probability 1 / (1 + i / 2). Whole numbers only, so that
/// both sides agree on every platform.
struct Places {
    next: u64,
    state: u64,
}

impl Places {
    fn of(hash: u64) -> Places {
        Places { next: 0, state: hash }
    }
}

impl Iterator for Places {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let place = self.next;
        // Far past every stream: the products below stay within 64 bits.
        if place >= 1 << 30 {
            return None;
        }
        // A permutation of all states with good upper bits (splitmix64).
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut random = self.state;
        random = (random ^ random >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        random = (random ^ random >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        random ^= random >> 31;
        // With u = (root / 2^32)^2 uniform, the gap is (place + 1.5) * (1 / sqrt(u) - 1).
        let root = random.isqrt().max(1);
        let gap = ((2 * place + 3) * ((1 << 32) - root)).div_ceil(2 * root);
        self.next = place + gap.max(1);
        Some(place)
    }
}

/// Adds a set's symbols of a stretch of the stream to `symbols`; `count` is 1, or -1 to take them away.
fn encode<S: SortedSet>(set: &S, key: &SessionKey, range: Range<u64>, symbols: &mut [Symbol], count: i8) {
    set.scan(0..set.len(), |entry| {
        let hash = hash(key, &entry.id);
        let symbol = Symbol::of(&entry.id, hash, count);
        add_everywhere(symbols, range.clone(), &symbol, hash, |_| ());
        ControlFlow::Continue(())
    });
}

fn add_everywhere(symbols: &mut [Symbol], range: Range<u64>, symbol: &Symbol, hash: u64, mut visit: impl FnMut(usize)) {
    for place in Places::of(hash).take_while(|place| *place < range.end).filter(|place| *place >= range.start) {
        let index = (place - range.start) as usize;
        if let Some(sum) = symbols.get_mut(index) {
            sum.add(symbol);
            visit(index);
        }
    }
}

/// How many entries fall into each cell, by their last byte.
fn cells<S: SortedSet>(set: &S, key: &SessionKey) -> Vec<u8> {
    let mut cells = vec![0u8; CELLS];
    set.scan(0..set.len(), |entry| {
        if let Some(cell) = cells.get_mut(hash(key, &entry.id) as usize % CELLS) {
            *cell = cell.wrapping_add(1);
        }
        ControlFlow::Continue(())
    });
    cells
}

/// About how many differences there are: in every cell, the difference of the counts has them as its variance.
fn estimate(ours: &[u8], theirs: &[u8], net: i64) -> u64 {
    let mean = net.div_euclid(CELLS as i64);
    let squares: i64 = ours
        .iter()
        .zip(theirs)
        .map(|(a, b)| {
            let off = i64::from(a.wrapping_sub(*b).wrapping_sub(mean as u8) as i8);
            off * off
        })
        .sum();
    let over = net - mean * CELLS as i64;
    (squares - over * over / CELLS as i64).max(net.abs()).unsigned_abs()
}

/// How many symbols show so many differences nearly always: what is needed on average, the error of the estimate, and the
/// spread of small numbers.
fn symbols_for(differences: u64) -> u64 {
    differences.saturating_mul(142) / 100 + differences.isqrt() + 8
}

/// Writes a message piece by piece.
struct SymbolOutput<'b> {
    out: &'b mut [u8],
    len: usize,
}

impl SymbolOutput<'_> {
    fn bytes(&mut self, bytes: &[u8]) -> Result<(), RatelessError> {
        let place = self.out.get_mut(self.len..self.len + bytes.len()).ok_or(RatelessError::BufferTooSmall)?;
        place.copy_from_slice(bytes);
        self.len += bytes.len();
        Ok(())
    }

    fn number(&mut self, value: u64) -> Result<(), RatelessError> {
        let place = self.out.get_mut(self.len..).ok_or(RatelessError::BufferTooSmall)?;
        self.len += varint::put(value, place).ok_or(RatelessError::BufferTooSmall)?;
        Ok(())
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], MalformedFrame> {
    let (bytes, after) = rest.split_first_chunk().ok_or(MalformedFrame::Truncated)?;
    *rest = after;
    Ok(*bytes)
}

fn number(rest: &mut &[u8]) -> Result<u64, MalformedFrame> {
    Ok(varint::take(rest)?.0)
}

/// The answer to a message of this mode: the length of what was written to `out`. A request that would take more than
/// `most` symbols, or more room than there is, is answered with the single byte `61`: begin anew in V1.
pub fn answer<S: SortedSet>(set: &S, message: &[u8], most: u64, out: &mut [u8]) -> Result<usize, RatelessError> {
    let mut rest = message;
    let [version, kind] = take(&mut rest)?;
    if version != VERSION {
        return Err(MalformedFrame::Version.into());
    }
    let key: SessionKey = take(&mut rest)?;
    let space = out.len().saturating_sub(HEAD) / SYMBOL;
    let fingerprint = set.fingerprint(0..set.len());
    let mut out = SymbolOutput { out, len: 0 };
    let (from, symbols) = match kind {
        HELLO => {
            let count = number(&mut rest)?;
            let theirs: [u8; 16] = take(&mut rest)?;
            let theirs_cells: [u8; CELLS] = take(&mut rest)?;
            if count == set.len() as u64 && theirs == fingerprint.0 {
                out.bytes(&[VERSION, EQUAL])?;
                return Ok(out.len);
            }
            let net = (set.len() as i64).saturating_sub(i64::try_from(count).unwrap_or(i64::MAX));
            (0, symbols_for(estimate(&cells(set, &key), &theirs_cells, net)))
        }
        MORE => (number(&mut rest)?, number(&mut rest)?),
        _ => return Err(MalformedFrame::Mode.into()),
    };
    if !rest.is_empty() {
        return Err(MalformedFrame::Truncated.into());
    }
    let end = from.saturating_add(symbols);
    if end > most.min(1 << 30) || symbols > space as u64 {
        out.bytes(&[crate::negentropy::message::VERSION])?;
        return Ok(out.len);
    }
    let mut sums = vec![Symbol::default(); symbols as usize];
    encode(set, &key, from..end, &mut sums, 1);
    out.bytes(&[VERSION, SYMBOLS])?;
    out.number(set.len() as u64)?;
    out.bytes(&fingerprint.0)?;
    out.number(symbols)?;
    for symbol in &sums {
        let mut bytes = [0; SYMBOL];
        symbol.write(&mut bytes);
        out.bytes(&bytes)?;
    }
    Ok(out.len)
}

/// The side that asks and learns.
#[derive(Debug)]
pub struct Asker {
    key: SessionKey,
    most: u64,
    /// What is left of the received symbols when the own entries and the differences found are taken away.
    symbols: Vec<Symbol>,
    /// The differences found: those with count 1 are theirs.
    found: Vec<Symbol>,
    asked: bool,
}

impl Asker {
    /// A session that receives at most `most` symbols (37 bytes each, and as much memory again). `key` has to be random.
    pub fn new(key: SessionKey, most: u64) -> Self {
        Asker { key, most, symbols: Vec::new(), found: Vec::new(), asked: false }
    }

    /// Writes the first message, of about 2080 bytes.
    pub fn initiate<S: SortedSet>(&mut self, set: &S, out: &mut [u8]) -> Result<usize, RatelessError> {
        let mut out = SymbolOutput { out, len: 0 };
        out.bytes(&[VERSION, HELLO])?;
        out.bytes(&self.key)?;
        out.number(set.len() as u64)?;
        out.bytes(&set.fingerprint(0..set.len()).0)?;
        out.bytes(&cells(set, &self.key))?;
        self.asked = true;
        Ok(out.len)
    }

    /// Handles an answer. The set has to be the one that the session began with. Differences are told all at once, when
    /// they are complete and verified.
    pub fn handle<S: SortedSet>(
        &mut self,
        set: &S,
        message: &[u8],
        out: &mut [u8],
        sink: &mut impl FnMut(Difference<'_>),
    ) -> Result<RatelessStep, RatelessError> {
        if !core::mem::take(&mut self.asked) {
            return Err(RatelessError::Unexpected);
        }
        let mut rest = message;
        match rest {
            [crate::negentropy::message::VERSION] => return Ok(RatelessStep::FallBack),
            [VERSION, EQUAL] => return Ok(RatelessStep::Done),
            [VERSION, SYMBOLS, after @ ..] => rest = after,
            [] | [VERSION] => return Err(MalformedFrame::Truncated.into()),
            [VERSION, ..] => return Err(MalformedFrame::Mode.into()),
            _ => return Err(MalformedFrame::Version.into()),
        }
        let count = number(&mut rest)?;
        let fingerprint: [u8; 16] = take(&mut rest)?;
        let symbols = number(&mut rest)?;
        let (received, odd) = rest.as_chunks::<SYMBOL>();
        if received.len() as u64 != symbols || !odd.is_empty() {
            return Err(MalformedFrame::Truncated.into());
        }
        let start = self.symbols.len() as u64;
        if received.is_empty() || start + symbols > self.most {
            return Ok(RatelessStep::FallBack);
        }
        self.receive(set, received);
        if !self.peel() {
            return Ok(RatelessStep::FallBack);
        }
        if self.symbols.first() != Some(&Symbol::default()) {
            return self.ask_for_more(out);
        }
        if !self.is_right(set, count, &fingerprint) {
            return Ok(RatelessStep::FallBack);
        }
        for symbol in &self.found {
            let id = symbol.id();
            sink(if symbol.count > 0 { Difference::Need(&id) } else { Difference::Have(&id) });
        }
        Ok(RatelessStep::Done)
    }

    /// Takes away from new symbols what is known already.
    fn receive<S: SortedSet>(&mut self, set: &S, received: &[[u8; SYMBOL]]) {
        let start = self.symbols.len();
        self.symbols.extend(received.iter().map(Symbol::read));
        let range = start as u64..self.symbols.len() as u64;
        let fresh = self.symbols.get_mut(start..).unwrap_or_default();
        encode(set, &self.key, range.clone(), fresh, -1);
        for symbol in &self.found {
            let away = Symbol { count: -symbol.count, ..*symbol };
            add_everywhere(fresh, range.clone(), &away, hash(&self.key, &symbol.id()), |_| ());
        }
    }

    /// Finds what stands alone and takes it out of all other symbols, as long as there is any. `false`: more differences
    /// than symbols, which no sound partner sends.
    fn peel(&mut self) -> bool {
        let mut open: Vec<usize> = (0..self.symbols.len()).rev().collect();
        let range = 0..self.symbols.len() as u64;
        while let Some(symbol) = open.pop().and_then(|index| self.symbols.get(index).copied()) {
            if symbol.count != 1 && symbol.count != -1 {
                continue;
            }
            let hash = hash(&self.key, &symbol.id());
            if (hash >> 32) as u32 != symbol.check {
                continue;
            }
            if self.found.len() >= self.symbols.len() {
                return false;
            }
            self.found.push(symbol);
            let away = Symbol { count: -symbol.count, ..symbol };
            add_everywhere(&mut self.symbols, range.clone(), &away, hash, |index| open.push(index));
        }
        true
    }

    fn ask_for_more(&mut self, out: &mut [u8]) -> Result<RatelessStep, RatelessError> {
        let have = self.symbols.len() as u64;
        let more = (have / 16).max(16);
        if have + more > self.most {
            return Ok(RatelessStep::FallBack);
        }
        let mut out = SymbolOutput { out, len: 0 };
        out.bytes(&[VERSION, MORE])?;
        out.bytes(&self.key)?;
        out.number(have)?;
        out.number(more)?;
        self.asked = true;
        Ok(RatelessStep::Send(out.len))
    }

    /// Whether the own set with the differences applied is the set that the other side said to have.
    fn is_right<S: SortedSet>(&self, set: &S, count: u64, fingerprint: &[u8; 16]) -> bool {
        let (mut sum, mut len) = (set.sum(0..set.len()), set.len() as u64);
        for symbol in &self.found {
            let id = Sum::from_id(&symbol.id());
            (sum, len) = match symbol.count {
                1 => (sum.plus(id), len.wrapping_add(1)),
                _ => (sum.minus(id), len.wrapping_sub(1)),
            };
        }
        len == count && usize::try_from(len).is_ok_and(|len| sum.fingerprint(len).0 == *fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;
    use crate::negentropy::message::Entry;
    use crate::negentropy::sorted::Sealed;
    use std::collections::BTreeSet;

    fn entries(rng: &mut Rng, n: usize) -> Vec<Entry> {
        (0..n).map(|_| Entry { timestamp: rng.next_u64() >> 40, id: rng.bytes() }).collect()
    }

    /// Bytes and round trips, or nothing for a fall-back.
    fn run(a: &[Entry], b: &[Entry], key: SessionKey, most: u64) -> Option<(usize, usize)> {
        let sets = [a, b].map(|list| Sealed::build(list.to_vec()).unwrap());
        let mut asker = Asker::new(key, most);
        let (mut up, mut down) = (vec![0; 3000], vec![0; 1 << 20]);
        let mut len = asker.initiate(&sets[0], &mut up).unwrap();
        let (mut have, mut need) = (BTreeSet::new(), BTreeSet::new());
        let (mut bytes, mut rounds) = (0, 0);
        loop {
            let reply = answer(&sets[1], &up[..len], most, &mut down).unwrap();
            bytes += len + reply;
            rounds += 1;
            let step = asker.handle(&sets[0], &down[..reply], &mut up, &mut |difference| match difference {
                Difference::Have(id) => assert!(have.insert(*id)),
                Difference::Need(id) => assert!(need.insert(*id)),
            });
            match step.unwrap() {
                RatelessStep::Send(next) => len = next,
                RatelessStep::Done => break,
                RatelessStep::FallBack => return None,
            }
        }
        let [a, b] = [a, b].map(|list| list.iter().map(|entry| entry.id).collect::<BTreeSet<_>>());
        assert_eq!(have, a.difference(&b).copied().collect());
        assert_eq!(need, b.difference(&a).copied().collect());
        Some((bytes, rounds))
    }

    #[test]
    fn scattered_differences_are_found_in_few_bytes_and_round_trips() {
        let mut rng = Rng::from_seed([31; 32]);
        for (n, ours, theirs) in
            [(0, 0, 0), (3000, 0, 0), (3000, 1, 0), (0, 0, 7), (3000, 50, 50), (2000, 500, 500), (500, 0, 700)]
        {
            for _ in 0..5 {
                let common = entries(&mut rng, n);
                let [a, b] = [ours, theirs].map(|n| [common.clone(), entries(&mut rng, n)].concat());
                let (bytes, rounds) = run(&a, &b, rng.bytes(), 10_000).unwrap();
                let d = ours + theirs;
                assert!(bytes <= 2150 + 37 * (40 + 2 * d), "{n} {ours} {theirs}: {bytes}");
                assert!(rounds <= 4, "{n} {ours} {theirs}: {rounds}");
            }
        }
    }

    #[test]
    fn too_many_differences_and_older_partners_lead_to_v1() {
        let mut rng = Rng::from_seed([32; 32]);
        let [a, b] = [300, 300].map(|n| entries(&mut rng, n));
        assert_eq!(run(&a, &b, [1; 16], 100), None);
        let set = Sealed::build(a).unwrap();
        let mut asker = Asker::new([1; 16], 100);
        let mut out = vec![0; 3000];
        asker.initiate(&set, &mut out).unwrap();
        assert_eq!(asker.handle(&set, b"\x61", &mut out, &mut |_| ()), Ok(RatelessStep::FallBack));
        assert_eq!(asker.handle(&set, b"\x61", &mut out, &mut |_| ()), Err(RatelessError::Unexpected));
    }

    #[test]
    fn wrong_symbols_tell_nothing_wrong() {
        let mut rng = Rng::from_seed([33; 32]);
        let sets = [300, 310].map(|n| Sealed::build(entries(&mut rng, n)).unwrap());
        let mut out = vec![0; 1 << 20];
        for _ in 0..300 {
            let mut asker = Asker::new(rng.bytes(), 5000);
            let mut up = vec![0; 3000];
            let len = asker.initiate(&sets[0], &mut up).unwrap();
            let reply = answer(&sets[1], &up[..len], 5000, &mut out).unwrap();
            let mut message = out[..reply].to_vec();
            match rng.below(3) {
                0 => message.truncate(rng.below(reply as u32) as usize),
                1 => {
                    let at = 2 + rng.below(reply as u32 - 2) as usize;
                    message[at] ^= 1 << rng.below(8);
                }
                _ => rng.fill(&mut message[40..]),
            }
            let mut told = 0;
            let step = asker.handle(&sets[0], &message, &mut up, &mut |_| told += 1);
            // A flaw in a symbol that nothing depended on does no harm.
            assert_eq!(told, if step == Ok(RatelessStep::Done) { 610 } else { 0 });
            let mut any = rng.bytes::<64>();
            (any[0], any[1]) = (VERSION, any[1] % 3);
            let _ = answer(&sets[1], &any, 5000, &mut out);
        }
    }
}
