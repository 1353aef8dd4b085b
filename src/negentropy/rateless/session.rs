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

    /// A session that receives at most `most` symbols: 37 bytes each in messages, and 80 bytes each of memory, at most
    /// with a sound partner (N47). `key` has to be random.
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
            // Whoever has shown a difference cannot be equal.
            RatelessAnswer::Equal if wanted.is_some() => return Ok(RatelessStep::FallBack),
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

/// The side that answers. It keeps nothing between messages: each request costs a walk over the set, the first one two,
/// unless it is over symbols that the set keeps. How many requests a partner may make is the caller's to bound (N43).
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
mod tests;
