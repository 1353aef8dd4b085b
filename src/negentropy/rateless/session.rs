//! Both sides of a session in the rateless mode, and their messages (N40 to N43).

use alloc::vec;

use crate::base::bytes::{SliceReader, SliceWriter};
use crate::base::error::NoRoom;
use crate::negentropy::error::ReconcileError;
use crate::negentropy::message::{self, Fingerprint, MalformedFrame};
use crate::negentropy::rateless::estimate::{self, cells};
use crate::negentropy::rateless::sketch::{Sketch, encode};
use crate::negentropy::set::{Difference, SortedSet};
use crate::negentropy::symbol::{CELLS, SYMBOL_LEN, SessionKey, Symbol, TAG_LEN};
use crate::negentropy::varint;

/// First byte of all messages of this mode.
const VERSION: u8 = 0x6f;

/// Kinds of request: the first one, and the one for more symbols.
const HELLO: u8 = 0;
const MORE: u8 = 1;
/// The same for symbols that both sides keep under one key.
const HELLO_KEPT: u8 = 2;
const MORE_KEPT: u8 = 3;

/// Kinds of answer.
const EQUAL: u8 = 0;
const SYMBOLS: u8 = 1;

/// Symbols from there on do not exist.
const MOST: u64 = 1 << 30;

/// What an initiator does next.
///
/// Exhaustive: every session has to handle all three.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RatelessStep {
    /// Send the first so many bytes of the buffer.
    Reply(usize),
    /// All differences were reported.
    Done,
    /// This mode does not help here: begin anew in V1.
    FallBack,
}

/// The side that asks and learns.
///
/// ```
/// use honeyguide::negentropy::{Difference, Entry, RatelessInitiator, RatelessResponder, RatelessStep, Sealed};
/// use sha2::{Digest, Sha256};
///
/// let entry = |n: u64| Entry { timestamp: n, id: Sha256::digest(n.to_be_bytes()).into() };
/// let ours = Sealed::build((0..1000).map(entry).collect())?;
/// let theirs = Sealed::build((1..1001).map(entry).collect())?;
///
/// // Both would rather begin anew than use more than 5000 symbols. The key has to be random, and new for each session.
/// let key = [0x5e; 16];
/// let (mut initiator, responder) = (RatelessInitiator::new(key, 5000), RatelessResponder::new(5000));
/// let (mut up, mut down) = ([0; RatelessInitiator::MESSAGE_LEN], vec![0; responder.answer_len()]);
/// let (mut have, mut need) = (vec![], vec![]);
///
/// let mut len = initiator.initiate(&ours, &mut up)?;
/// loop {
///     let reply = responder.answer(&theirs, &up[..len], &mut down)?; // on the other side
///     let step = initiator.reconcile(&ours, &down[..reply], &mut up, &mut |difference| match difference {
///         Difference::Have(id) => have.push(*id),
///         Difference::Need(id) => need.push(*id),
///     })?;
///     match step {
///         RatelessStep::Reply(next) => len = next,
///         RatelessStep::Done => break,
///         RatelessStep::FallBack => panic!("as two reconcilers then"),
///     }
/// }
/// assert_eq!((have, need), (vec![entry(0).id], vec![entry(1000).id]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RatelessInitiator {
    /// Nothing: that of the symbols that the set keeps.
    key: Option<SessionKey>,
    most: u64,
    sketch: Sketch,
    begun: bool,
    awaited: Awaited,
}

/// Which answer an initiator waits for.
#[derive(Clone, Copy, Default, Debug)]
enum Awaited {
    #[default]
    Nothing,
    /// The first: the responder estimates how many symbols are needed.
    Estimated,
    /// So many symbols.
    Exactly(u64),
}

impl RatelessInitiator {
    /// Bytes of our longest message.
    pub const MESSAGE_LEN: usize = 2 + 16 + varint::MAX_LEN + 16 + CELLS;

    /// A session that receives at most `most` symbols (37 bytes each, and as much memory again). `key` has to be
    /// random.
    #[must_use]
    pub fn new(key: [u8; 16], most: u64) -> Self {
        let key = SessionKey(key);
        RatelessInitiator {
            key: Some(key),
            most,
            sketch: Sketch::new(key, false),
            begun: false,
            awaited: Awaited::Nothing,
        }
    }

    /// The same over the symbols that the set of either side [keeps](SortedSet::symbols): no walk over either set. For
    /// one's own ends alone, which trust each other (N49). A responder without such symbols, or with those of another
    /// key, leads to [`RatelessStep::FallBack`].
    #[must_use]
    pub fn kept(most: u64) -> Self {
        let sketch = Sketch::new(SessionKey([0; 16]), true);
        RatelessInitiator { key: None, most, sketch, begun: false, awaited: Awaited::Nothing }
    }

    /// Writes the first message.
    ///
    /// # Errors
    ///
    /// When `out` is shorter than the message, when the session has begun, and when it is over kept symbols and the set
    /// keeps none.
    pub fn initiate<S: SortedSet>(&mut self, set: &S, out: &mut [u8]) -> Result<usize, ReconcileError> {
        if self.begun {
            return Err(ReconcileError::Misuse);
        }
        if self.key.is_none() {
            let kept = set.symbols().ok_or(ReconcileError::NoSymbols)?;
            self.sketch = Sketch::new(kept.key(), true);
        }
        let bytes = out.len();
        let len = self.write_hello(set, out).map_err(|NoRoom| too_small(bytes, Self::MESSAGE_LEN))?;
        (self.begun, self.awaited) = (true, Awaited::Estimated);
        Ok(len)
    }

    fn write_hello<S: SortedSet>(&self, set: &S, out: &mut [u8]) -> Result<usize, NoRoom> {
        let mut out = SliceWriter::new(out);
        self.write_kind([HELLO, HELLO_KEPT], &mut out)?;
        varint::write(set.len() as u64, &mut out)?;
        out.put(&set.fingerprint(0..set.len()).0)?;
        match (&self.key, set.symbols()) {
            (None, Some(kept)) => out.put(kept.cells())?,
            (key, _) => out.put(&cells(set, &key.unwrap_or(self.sketch.key())))?,
        }
        Ok(out.written())
    }

    /// The beginning of a request of one of these kinds: with a key of its own, or over kept symbols.
    fn write_kind(&self, [own, kept]: [u8; 2], out: &mut SliceWriter<'_>) -> Result<(), NoRoom> {
        match &self.key {
            Some(key) => out.put(&[VERSION, own]).and_then(|()| out.put(&key.0)),
            None => out.put(&[VERSION, kept]).and_then(|()| out.put(&self.sketch.key().tag())),
        }
    }

    /// Handles an answer. The set has to be the one that the session began with. Differences are reported to `sink` all
    /// at once, when they are complete and verified.
    ///
    /// # Errors
    ///
    /// When the answer is malformed, when nothing was asked, and when `out` is too short.
    pub fn reconcile<S: SortedSet>(
        &mut self,
        set: &S,
        message: &[u8],
        out: &mut [u8],
        sink: &mut impl FnMut(Difference<'_>),
    ) -> Result<RatelessStep, ReconcileError> {
        let wanted = match core::mem::take(&mut self.awaited) {
            Awaited::Nothing => return Err(ReconcileError::Misuse),
            Awaited::Estimated => None,
            Awaited::Exactly(symbols) => Some(symbols),
        };
        let (count, fingerprint, received) = match RatelessAnswer::read(message)? {
            RatelessAnswer::V1 => return Ok(RatelessStep::FallBack),
            RatelessAnswer::Equal => return Ok(RatelessStep::Done),
            RatelessAnswer::Symbols { count, fingerprint, symbols } => (count, fingerprint, symbols),
        };
        let number = received.len() as u64;
        // Each answer costs a walk over the set: one with fewer symbols than asked for could have us walk for each.
        if number == 0 || wanted.is_some_and(|wanted| wanted != number) || self.sketch.len() + number > self.most {
            return Ok(RatelessStep::FallBack);
        }
        self.sketch.receive(set, received);
        if !self.sketch.peel() {
            return Ok(RatelessStep::FallBack);
        }
        if !self.sketch.is_complete() {
            let bytes = out.len();
            return self.ask_for_more(out).map_err(|NoRoom| too_small(bytes, Self::MESSAGE_LEN));
        }
        if !self.sketch.is_right(set, count, &fingerprint) {
            return Ok(RatelessStep::FallBack);
        }
        for (id, is_theirs) in self.sketch.found() {
            sink(if is_theirs { Difference::Need(&id) } else { Difference::Have(&id) });
        }
        Ok(RatelessStep::Done)
    }

    fn ask_for_more(&mut self, out: &mut [u8]) -> Result<RatelessStep, NoRoom> {
        let have = self.sketch.len();
        let more = (have / 16).max(16);
        if have + more > self.most {
            return Ok(RatelessStep::FallBack);
        }
        let mut out = SliceWriter::new(out);
        self.write_kind([MORE, MORE_KEPT], &mut out)?;
        varint::write(have, &mut out)?;
        varint::write(more, &mut out)?;
        self.awaited = Awaited::Exactly(more);
        Ok(RatelessStep::Reply(out.written()))
    }
}

/// The side that answers. It keeps nothing between messages.
#[derive(Clone, Copy, Debug)]
pub struct RatelessResponder {
    most: u64,
}

impl RatelessResponder {
    /// Serves sessions of up to `most` symbols. Others are answered with the single byte `61`: begin anew in V1.
    #[must_use]
    pub fn new(most: u64) -> Self {
        RatelessResponder { most: most.min(MOST) }
    }

    /// Bytes of the longest answer. With a shorter buffer, what does not fit is answered with the single byte `61`.
    #[must_use]
    pub fn answer_len(&self) -> usize {
        let symbols = usize::try_from(self.most).unwrap_or(usize::MAX);
        symbols.saturating_mul(SYMBOL_LEN).saturating_add(RatelessAnswer::HEAD)
    }

    /// Writes the answer to a message into `out` and returns its length.
    ///
    /// # Errors
    ///
    /// When the message is malformed, and when `out` is shorter than the two bytes of the shortest answer.
    pub fn answer<S: SortedSet>(&self, set: &S, message: &[u8], out: &mut [u8]) -> Result<usize, ReconcileError> {
        let (request, bytes) = (Request::read(message)?, out.len());
        self.write_answer(set, request, out).map_err(|NoRoom| too_small(bytes, RatelessAnswer::HEAD))
    }

    fn write_answer<S: SortedSet>(&self, set: &S, request: Request<'_>, out: &mut [u8]) -> Result<usize, NoRoom> {
        let space = out.len().saturating_sub(RatelessAnswer::HEAD) / SYMBOL_LEN;
        let fingerprint = set.fingerprint(0..set.len());
        let mut out = SliceWriter::new(out);
        let kept =
            set.symbols().filter(|kept| matches!(request.key(), RequestKey::Kept(tag) if tag == kept.key().tag()));
        let key = match (request.key(), kept) {
            (RequestKey::Own(key), _) => key,
            (RequestKey::Kept(_), Some(kept)) => kept.key(),
            (RequestKey::Kept(_), None) => {
                out.put(&[message::VERSION])?;
                return Ok(out.written());
            }
        };
        let (from, symbols) = match request {
            Request::Hello { count, fingerprint: theirs, .. }
                if count == set.len() as u64 && theirs == fingerprint.0 =>
            {
                out.put(&[VERSION, EQUAL])?;
                return Ok(out.written());
            }
            Request::Hello { count, cells: theirs, .. } => {
                let net = (set.len() as i64).saturating_sub(i64::try_from(count).unwrap_or(i64::MAX));
                let estimated = match kept {
                    Some(kept) => estimate::symbols(kept.cells(), theirs, net),
                    None => estimate::symbols(&cells(set, &key), theirs, net),
                };
                (0, estimated)
            }
            Request::More { from, symbols, .. } => (from, symbols),
        };
        let end = from.saturating_add(symbols);
        if end > self.most || symbols > space as u64 {
            out.put(&[message::VERSION])?;
            return Ok(out.written());
        }
        let mut sums = vec![Symbol::default(); symbols as usize];
        let kept = kept.and_then(|kept| kept.symbols().get(usize::try_from(from).ok()?..)).unwrap_or_default();
        sums.iter_mut().zip(kept).for_each(|(sum, kept)| *sum = *kept);
        if let Some(rest) = sums.get_mut(kept.len()..).filter(|rest| !rest.is_empty()) {
            encode(set, &key, from + kept.len() as u64..end, rest, 1);
        }
        write_symbols(set.len() as u64, &fingerprint, &sums, &mut out)?;
        Ok(out.written())
    }
}

fn write_symbols(
    count: u64,
    fingerprint: &Fingerprint,
    symbols: &[Symbol],
    out: &mut SliceWriter<'_>,
) -> Result<(), NoRoom> {
    out.put(&[VERSION, SYMBOLS])?;
    varint::write(count, out)?;
    out.put(&fingerprint.0)?;
    varint::write(symbols.len() as u64, out)?;
    for symbol in symbols {
        let mut bytes = [0; SYMBOL_LEN];
        symbol.write(&mut bytes);
        out.put(&bytes)?;
    }
    Ok(())
}

fn too_small(bytes: usize, least: usize) -> ReconcileError {
    ReconcileError::BufferTooSmall { bytes, least }
}

/// What an initiator sends.
enum Request<'m> {
    Hello { key: RequestKey, count: u64, fingerprint: [u8; 16], cells: &'m [u8] },
    More { key: RequestKey, from: u64, symbols: u64 },
}

/// Under which key.
#[derive(Clone, Copy)]
enum RequestKey {
    /// One of this session.
    Own(SessionKey),
    /// That of the symbols that both sides keep, by its tag.
    Kept([u8; TAG_LEN]),
}

impl<'m> Request<'m> {
    fn read(message: &'m [u8]) -> Result<Self, MalformedFrame> {
        let mut input = SliceReader::new(message);
        let [version, kind] = array(&mut input)?;
        if version != VERSION {
            return Err(MalformedFrame::Version);
        }
        let key = match kind {
            HELLO | MORE => RequestKey::Own(SessionKey(array(&mut input)?)),
            HELLO_KEPT | MORE_KEPT => RequestKey::Kept(array(&mut input)?),
            _ => return Err(MalformedFrame::Mode),
        };
        let request = match kind {
            HELLO | HELLO_KEPT => Request::Hello {
                key,
                count: varint::take(&mut input)?.0,
                fingerprint: array(&mut input)?,
                cells: input.take(CELLS).ok_or(MalformedFrame::Truncated)?,
            },
            _ => Request::More { key, from: varint::take(&mut input)?.0, symbols: varint::take(&mut input)?.0 },
        };
        if input.rest().is_empty() { Ok(request) } else { Err(MalformedFrame::Trailing) }
    }

    fn key(&self) -> RequestKey {
        match self {
            Request::Hello { key, .. } | Request::More { key, .. } => *key,
        }
    }
}

/// What a responder sends.
enum RatelessAnswer<'m> {
    /// It speaks V1 only, or does not serve this session.
    V1,
    Equal,
    Symbols {
        count: u64,
        fingerprint: [u8; 16],
        symbols: &'m [[u8; SYMBOL_LEN]],
    },
}

impl<'m> RatelessAnswer<'m> {
    /// Bytes besides the symbols, at most.
    const HEAD: usize = 2 + varint::MAX_LEN + 16 + varint::MAX_LEN;

    fn read(message: &'m [u8]) -> Result<Self, MalformedFrame> {
        let mut input = match message {
            [message::VERSION] => return Ok(RatelessAnswer::V1),
            [VERSION, EQUAL] => return Ok(RatelessAnswer::Equal),
            [VERSION, SYMBOLS, after @ ..] => SliceReader::new(after),
            [] | [VERSION] => return Err(MalformedFrame::Truncated),
            [VERSION, ..] => return Err(MalformedFrame::Mode),
            _ => return Err(MalformedFrame::Version),
        };
        let (count, _) = varint::take(&mut input)?;
        let fingerprint = array(&mut input)?;
        let (number, _) = varint::take(&mut input)?;
        let (symbols, odd) = input.rest().as_chunks();
        if (symbols.len() as u64) < number {
            return Err(MalformedFrame::Truncated);
        }
        if symbols.len() as u64 > number || !odd.is_empty() {
            return Err(MalformedFrame::Trailing);
        }
        Ok(RatelessAnswer::Symbols { count, fingerprint, symbols })
    }
}

fn array<const N: usize>(input: &mut SliceReader<'_>) -> Result<[u8; N], MalformedFrame> {
    input.array().ok_or(MalformedFrame::Truncated)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;
    use crate::negentropy::message::Entry;
    use crate::negentropy::sealed::Sealed;
    use crate::negentropy::set::Sum;
    use alloc::vec;
    use std::collections::BTreeSet;
    use std::vec::Vec;

    fn entries(rng: &mut Rng, n: usize) -> Vec<Entry> {
        (0..n).map(|_| Entry { timestamp: rng.next_u64() >> 40, id: rng.bytes() }).collect()
    }

    /// Bytes and round trips, or nothing for a fall-back.
    fn run(a: &[Entry], b: &[Entry], key: [u8; 16], most: u64) -> Option<(usize, usize)> {
        let sets = [a, b].map(|list| Sealed::build(list.to_vec()).unwrap());
        let mut initiator = RatelessInitiator::new(key, most);
        let (mut up, mut down) = (vec![0; 3000], vec![0; 1 << 20]);
        let mut len = initiator.initiate(&sets[0], &mut up).unwrap();
        let (mut have, mut need) = (BTreeSet::new(), BTreeSet::new());
        let (mut bytes, mut rounds) = (0, 0);
        loop {
            let reply = RatelessResponder::new(most).answer(&sets[1], &up[..len], &mut down).unwrap();
            bytes += len + reply;
            rounds += 1;
            let step = initiator.reconcile(&sets[0], &down[..reply], &mut up, &mut |difference| match difference {
                Difference::Have(id) => assert!(have.insert(*id)),
                Difference::Need(id) => assert!(need.insert(*id)),
            });
            match step.unwrap() {
                RatelessStep::Reply(next) => len = next,
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
        let mut initiator = RatelessInitiator::new([1; 16], 100);
        let mut out = vec![0; 3000];
        initiator.initiate(&set, &mut out).unwrap();
        assert_eq!(initiator.reconcile(&set, b"\x61", &mut out, &mut |_| ()), Ok(RatelessStep::FallBack));
        assert_eq!(initiator.reconcile(&set, b"\x61", &mut out, &mut |_| ()), Err(ReconcileError::Misuse));
    }

    #[test]
    fn a_partner_who_knows_the_set_cannot_make_up_differences() {
        let mut rng = Rng::from_seed([34; 32]);
        let own = entries(&mut rng, 100);
        let set = Sealed::build(own.clone()).unwrap();
        // As if one entry that we do not have were gone, one that we have were there again, and one were there twice.
        let (strange, twice) = (rng.bytes(), rng.bytes());
        for changes in [&[(strange, -1)][..], &[(own[7].id, 1)], &[(twice, 1), (twice, 1)]] {
            let mut initiator = RatelessInitiator::new(rng.bytes(), 5000);
            let mut up = vec![0; 3000];
            initiator.initiate(&set, &mut up).unwrap();
            let key = SessionKey(up[2..18].try_into().unwrap());
            let (mut sum, mut count, mut symbols) = (Sum::of(&own), own.len() as i64, vec![Symbol::default(); 64]);
            encode(&set, &key, 0..64, &mut symbols, 1);
            for &(id, change) in changes {
                let entry = Sealed::build(vec![Entry { timestamp: 0, id }]).unwrap();
                encode(&entry, &key, 0..64, &mut symbols, change);
                let id = Sum::from_id(&id);
                sum = if change > 0 { sum.plus(id) } else { sum.minus(id) };
                count += i64::from(change);
            }
            let mut answer = [0; 3000];
            let mut writer = SliceWriter::new(&mut answer);
            write_symbols(count as u64, &sum.fingerprint(count as usize), &symbols, &mut writer).unwrap();
            let len = writer.written();
            let step = initiator.reconcile(&set, &answer[..len], &mut up, &mut |difference| panic!("{difference:?}"));
            assert_ne!(step, Ok(RatelessStep::Done));
        }
    }

    #[test]
    fn a_partner_that_sends_fewer_symbols_than_asked_for_is_not_asked_again() {
        let mut rng = Rng::from_seed([35; 32]);
        let sets = [100, 2000].map(|n| Sealed::build(entries(&mut rng, n)).unwrap());
        // What it sends first is its own estimate; from then on each answer has as many as were asked for.
        for (first, then, most_rounds) in [(1, 1, 2), (1, 15, 2), (1, 17, 2), (20, 0, 2), (1, 16, 60)] {
            let (mut initiator, key) = (RatelessInitiator::new([7; 16], 2000), SessionKey([7; 16]));
            let mut up = vec![0; 3000];
            initiator.initiate(&sets[0], &mut up).unwrap();
            let (mut from, mut rounds) = (0, 0);
            loop {
                let number = match rounds {
                    0 => first,
                    // An honest one: as many as were asked for.
                    _ if then == 16 => (from / 16).max(16),
                    _ => then,
                };
                let mut symbols = vec![Symbol::default(); number as usize];
                encode(&sets[1], &key, from..from + number, &mut symbols, 1);
                let mut bytes = [0; 5000];
                let mut answer = SliceWriter::new(&mut bytes);
                write_symbols(2000, &sets[1].fingerprint(0..2000), &symbols, &mut answer).unwrap();
                let len = answer.written();
                (from, rounds) = (from + number, rounds + 1);
                match initiator.reconcile(&sets[0], &bytes[..len], &mut up, &mut |_| ()).unwrap() {
                    RatelessStep::Reply(_) => assert!(rounds < most_rounds, "{first} {then}: {rounds}"),
                    RatelessStep::FallBack => break,
                    RatelessStep::Done => panic!("of 2,100 differences in 2,000 symbols"),
                }
            }
            assert_eq!(rounds == 2, then != 16, "{first} {then}: {rounds}");
        }
    }

    #[test]
    fn a_buffer_that_is_too_small_is_named_with_a_length_that_is_enough() {
        let set = Sealed::build(vec![Entry { timestamp: 1, id: [2; 32] }]).unwrap();
        let (mut initiator, responder) = (RatelessInitiator::new([1; 16], 100), RatelessResponder::new(100));
        let mut out = vec![0; RatelessInitiator::MESSAGE_LEN];
        let least = RatelessInitiator::MESSAGE_LEN;
        let error = initiator.initiate(&set, &mut [0; 30]).unwrap_err();
        assert_eq!(error, ReconcileError::BufferTooSmall { bytes: 30, least });
        let len = initiator.initiate(&set, &mut out).unwrap();
        assert_eq!(initiator.initiate(&set, &mut out), Err(ReconcileError::Misuse), "a session begins once");
        initiator.reconcile(&set, &[VERSION, EQUAL], &mut [], &mut |_| ()).unwrap();
        assert_eq!(initiator.initiate(&set, &mut out), Err(ReconcileError::Misuse), "whatever came of it");
        let error = RatelessInitiator::new([1; 16], 100).initiate(&set, &mut vec![0; len - 1]).unwrap_err();
        assert_eq!(error, ReconcileError::BufferTooSmall { bytes: len - 1, least });
        assert!(responder.answer(&set, &out[..len], &mut [0; 2]).is_ok());
        let error = responder.answer(&set, &out[..len], &mut [0; 1]).unwrap_err();
        assert_eq!(error, ReconcileError::BufferTooSmall { bytes: 1, least: RatelessAnswer::HEAD });
    }

    #[test]
    fn wrong_symbols_tell_nothing_wrong() {
        let mut rng = Rng::from_seed([33; 32]);
        let sets = [300, 310].map(|n| Sealed::build(entries(&mut rng, n)).unwrap());
        let mut out = vec![0; 1 << 20];
        let responder = RatelessResponder::new(5000);
        for _ in 0..300 {
            let mut initiator = RatelessInitiator::new(rng.bytes(), 5000);
            let mut up = vec![0; 3000];
            let len = initiator.initiate(&sets[0], &mut up).unwrap();
            let reply = responder.answer(&sets[1], &up[..len], &mut out).unwrap();
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
            let step = initiator.reconcile(&sets[0], &message, &mut up, &mut |_| told += 1);
            // A flaw in a symbol that nothing depended on does no harm.
            assert_eq!(told, if step == Ok(RatelessStep::Done) { 610 } else { 0 });
            let mut any = rng.bytes::<64>();
            (any[0], any[1]) = (VERSION, any[1] % 3);
            let _ = responder.answer(&sets[1], &any, &mut out);
        }
    }
}
