//! The protocol: one side asks and learns, the other answers.
//!
//! A message speaks of ranges, one after the other from the lowest entry to the highest: skip it, this is the fingerprint
//! of what I have there, these are all the ids I have there. A range whose fingerprint differs is answered by those of its
//! parts, or by its ids when they are few; the initiator compares such lists with its own and learns. When it has nothing
//! left to ask, it is done. The responder keeps nothing between messages but counters.
//!
//! Why it ends: an answer to a range either lists it, or splits it into parts that are smaller on the side that split it;
//! what was cut at the frame limit is a range again, and what came before it was not cut. Why nothing is lost: a range is
//! skipped only when both fingerprints are equal or one side knows all ids of the other there, and the fingerprint of what
//! was cut begins at the last bound that was written (N8).

use core::fmt;
use core::ops::ControlFlow;

use crate::base::error::ConfigError;
use crate::base::rng::Rng;
use crate::base::slab::Memory;
use crate::negentropy::config::{MIN_FRAME, ReconcilerConfig, Splitting};
use crate::negentropy::diff;
use crate::negentropy::message::{
    self, Bound, Fingerprint, FrameReader, FrameWriter, Full, MalformedFrame, Mark, Mode, VERSION,
};
use crate::negentropy::set::{Difference, SortedSet, Sum};
use crate::negentropy::split::{MessageSurvey, Situation, SplitPlan, plan};

/// Bytes at the end of a frame that ranges leave free, so that a last list and the rest always fit.
const SLACK: usize = 200;

/// Up to so many entries are added up one by one.
const NARROW: usize = 12;

/// Most fingerprints that are compared in advance to see how much differs.
const SURVEYED: usize = 64;

/// What to do after a message was handled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Send the first so many bytes of the buffer.
    Reply(usize),
    /// Nothing is left to ask (initiator).
    Done,
}

/// Why a session has ended. Differences that were told before stay true.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ReconcileError {
    /// The message cannot be read.
    Malformed(MalformedFrame),
    /// The responder speaks another version, this byte at most.
    Version(u8),
    /// The message is longer than [`Limits::message`](crate::negentropy::Limits::message).
    MessageTooLong,
    /// It has more ranges than [`Limits::ranges`](crate::negentropy::Limits::ranges).
    TooManyRanges,
    /// More messages than the sets justify: [`Limits::rounds`](crate::negentropy::Limits::rounds).
    TooManyRounds,
    /// The partner goes round in circles: [`Limits::stalled`](crate::negentropy::Limits::stalled).
    NoProgress,
    /// The partner claims more ids than [`Limits::needs`](crate::negentropy::Limits::needs).
    TooManyNeeds,
    /// The message asks for more than [`Limits::work`](crate::negentropy::Limits::work).
    TooMuchWork,
    /// A list has more ids than there are words of scratch memory.
    ListTooLong,
    /// The buffer for the answer is shorter than [`MIN_FRAME`].
    BufferTooSmall,
    /// Our call was out of order: initiated twice, or a message before that, or anything after the end.
    Misuse,
}

impl fmt::Display for ReconcileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ReconcileError::Malformed(why) => return why.fmt(f),
            ReconcileError::Version(version) => return write!(f, "the partner speaks version {version:#04x} at most"),
            ReconcileError::MessageTooLong => "the message is longer than allowed",
            ReconcileError::TooManyRanges => "the message has more ranges than allowed",
            ReconcileError::TooManyRounds => "the session takes more messages than allowed",
            ReconcileError::NoProgress => "the session makes no progress",
            ReconcileError::TooManyNeeds => "the partner claims more ids than allowed",
            ReconcileError::TooMuchWork => "the message asks for more work than allowed",
            ReconcileError::ListTooLong => "a list is longer than the scratch memory",
            ReconcileError::BufferTooSmall => "the buffer for the answer is too short",
            ReconcileError::Misuse => "the session has ended, or has not begun",
        })
    }
}

impl core::error::Error for ReconcileError {}

impl From<MalformedFrame> for ReconcileError {
    fn from(why: MalformedFrame) -> Self {
        ReconcileError::Malformed(why)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Role {
    Initiator,
    Responder,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum SessionPhase {
    Fresh,
    Open,
    Ended,
}

/// One side of one session. The set is passed to every call; it may change between them, and then what is found is a
/// difference from one of its states.
#[derive(Debug)]
pub struct Reconciler<'s> {
    role: Role,
    phase: SessionPhase,
    config: ReconcilerConfig,
    scratch: Memory<'s, u32>,
    random: Option<Rng>,
    /// Messages of both sides so far.
    messages: u32,
    needs: u64,
    /// Fewest own entries in ranges that differed, of any answer so far.
    narrowest: usize,
    stalled: u32,
    framed: bool,
}

impl<'s> Reconciler<'s> {
    /// The side that asks and learns. `scratch` has one word for each id that a received list may have:
    /// [`ReconcilerConfig::scratch_len`].
    pub fn initiator(config: ReconcilerConfig, scratch: Memory<'s, u32>) -> Result<Self, ConfigError> {
        Reconciler::new(Role::Initiator, config, scratch)
    }

    /// The side that answers.
    pub fn responder(config: ReconcilerConfig) -> Result<Self, ConfigError> {
        Reconciler::new(Role::Responder, config, Memory::empty())
    }

    fn new(role: Role, config: ReconcilerConfig, scratch: Memory<'s, u32>) -> Result<Self, ConfigError> {
        if (1..MIN_FRAME).contains(&config.frame_limit) {
            return Err(ConfigError::new("frame_limit", config.frame_limit as u64, "0 or at least", MIN_FRAME as u64));
        }
        let phase = if role == Role::Initiator { SessionPhase::Fresh } else { SessionPhase::Open };
        let random = config.random_splits.map(Rng::from_seed);
        let framed = false;
        Ok(Reconciler {
            role,
            phase,
            config,
            scratch,
            random,
            messages: 0,
            needs: 0,
            narrowest: usize::MAX,
            stalled: 0,
            framed,
        })
    }

    /// Writes the first message into `out` and returns its length.
    pub fn initiate<S: SortedSet>(&mut self, set: &S, out: &mut [u8]) -> Result<usize, ReconcileError> {
        if self.role != Role::Initiator || self.phase != SessionPhase::Fresh {
            return Err(ReconcileError::Misuse);
        }
        let mut turn = Turn::new(self, set, out, None)?;
        // The smallest frame holds the whole split, so nothing is ever cut here.
        if turn.split(0, set.len(), &Bound::INFINITY).is_err() {
            return Err(ReconcileError::BufferTooSmall);
        }
        let len = turn.writer.len();
        self.phase = SessionPhase::Open;
        self.messages = 1;
        Ok(len)
    }

    /// How long a buffer must be so that the answer of a set of `entries` to a message of `message` bytes is not cut: at
    /// most 64 bytes for each entry, and the bounds that the message has.
    pub const fn answer_len(entries: usize, message: usize) -> usize {
        MIN_FRAME.saturating_add(entries.saturating_mul(64)).saturating_add(message.saturating_mul(8))
    }

    /// Takes up a session whose first messages another reconciler handled: `messages` of both sides.
    pub fn resume(&mut self, messages: u32) {
        self.phase = SessionPhase::Open;
        self.messages = messages;
    }

    /// Messages of both sides so far.
    pub fn messages(&self) -> u32 {
        self.messages
    }

    /// Handles a message: tells `sink` what is found (initiator) and writes the answer into `out`. After an error the
    /// session has ended.
    pub fn reconcile<S: SortedSet>(
        &mut self,
        set: &S,
        message: &[u8],
        out: &mut [u8],
        sink: &mut impl FnMut(Difference<'_>),
    ) -> Result<Step, ReconcileError> {
        if self.phase != SessionPhase::Open {
            return Err(ReconcileError::Misuse);
        }
        let result = self.answer(set, message, out, sink);
        if matches!(result, Err(_) | Ok(Step::Done)) {
            self.phase = SessionPhase::Ended;
        }
        result
    }

    fn answer<S: SortedSet>(
        &mut self,
        set: &S,
        message: &[u8],
        out: &mut [u8],
        sink: &mut impl FnMut(Difference<'_>),
    ) -> Result<Step, ReconcileError> {
        if message.len() > self.config.limits.message {
            return Err(ReconcileError::MessageTooLong);
        }
        let (version, body) = message::version(message)?;
        if version != VERSION {
            return match (self.role, out.first_mut()) {
                (Role::Initiator, _) => Err(ReconcileError::Version(version)),
                (Role::Responder, None) => Err(ReconcileError::BufferTooSmall),
                (Role::Responder, Some(byte)) => {
                    *byte = VERSION;
                    Ok(Step::Reply(1))
                }
            };
        }
        self.messages = self.messages.saturating_add(1);
        self.check_rounds(set.len(), out.len())?;
        let survey = match self.config.splitting {
            Splitting::Conformance => None,
            Splitting::Adaptive => Some(survey(set, FrameReader::new(body, self.config.strict))?),
        };
        let mut turn = Turn::new(self, set, out, survey)?;
        let mut ranges = 0usize;
        for range in FrameReader::new(body, turn.party.config.strict) {
            let range = range?;
            ranges += 1;
            if ranges > turn.party.config.limits.ranges {
                return Err(ReconcileError::TooManyRanges);
            }
            if turn.range(&range.bound, &range.mode, sink)?.is_break() {
                break;
            }
        }
        let Turn { writer, open, told, cut, .. } = turn;
        let len = writer.len();
        self.messages = self.messages.saturating_add(1);
        self.framed |= cut;
        if self.role == Role::Initiator {
            if len == 1 {
                return Ok(Step::Done);
            }
            self.check_progress(open, told)?;
        }
        Ok(Step::Reply(len))
    }

    /// A round moves a frame of entries, or else the session is in its levels of splitting (N31).
    fn check_rounds(&self, len: usize, space: usize) -> Result<(), ReconcileError> {
        let limits = &self.config.limits;
        let frame = if self.config.frame_limit == 0 { space } else { space.min(self.config.frame_limit) };
        let entries = (len as u64).saturating_add(self.needs);
        let justified = entries.saturating_mul(4) / (frame as u64 / 64).max(1);
        let rounds = u64::from(self.messages / 2);
        if rounds > u64::from(limits.rounds).saturating_add(justified) {
            Err(ReconcileError::TooManyRounds)
        } else {
            Ok(())
        }
    }

    fn check_progress(&mut self, open: usize, told: bool) -> Result<(), ReconcileError> {
        if told || open < self.narrowest {
            self.stalled = 0;
            self.narrowest = self.narrowest.min(open);
            return Ok(());
        }
        self.stalled = self.stalled.saturating_add(1);
        if self.stalled > self.config.limits.stalled { Err(ReconcileError::NoProgress) } else { Ok(()) }
    }
}

/// Compares some of the fingerprints of a message, evenly chosen, before any is answered. Reads the message to its end,
/// so that a malformed one is refused before anything was told.
fn survey<S: SortedSet>(set: &S, reader: FrameReader<'_>) -> Result<MessageSurvey, MalformedFrame> {
    let mut fingerprints = 0usize;
    for range in reader.clone() {
        fingerprints += usize::from(matches!(range?.mode, Mode::Fingerprint(_)));
    }
    let every = fingerprints.div_ceil(SURVEYED).max(1);
    let (mut survey, mut seen) = (MessageSurvey { compared: 0, differ: 0 }, 0usize);
    let (mut before, mut index, mut apart, mut width) = (Bound::ZERO, 0usize, 0usize, 0usize);
    for range in reader {
        let range = range?;
        if let Mode::Fingerprint(theirs) = range.mode {
            if seen.is_multiple_of(every) {
                let lower = set.lower_bound(before.entry(), index, index + apart);
                (apart, index) = (lower - index, set.lower_bound(range.bound.entry(), lower, lower + width));
                width = index - lower;
                survey.compared += 1;
                survey.differ += usize::from(set.fingerprint(lower..index) != theirs);
            }
            seen += 1;
        }
        before = range.bound;
    }
    Ok(survey)
}

/// The answer to one message while it is being written.
struct Turn<'t, 's, 'b, S> {
    party: &'t mut Reconciler<'s>,
    set: &'t S,
    writer: FrameWriter<'b>,
    frame: usize,
    survey: Option<MessageSurvey>,
    /// Where the range before this one ended.
    index: usize,
    bound: Bound,
    /// A place and the sum before it, as far as the last fingerprint went.
    edge: (usize, Sum),
    /// How many entries the last ranges had.
    width: usize,
    skipped_width: usize,
    /// Whether ranges up to there are to be skipped and that is not yet written.
    skip: bool,
    /// Place of the last bound that stays written.
    emitted: usize,
    /// The place in the message where that bound ends.
    kept: Mark,
    /// Own entries in ranges that stay open.
    open: usize,
    told: bool,
    cut: bool,
    /// What the answer to a range cost.
    steps: u64,
    work: u64,
}

impl<'t, 's, 'b, S: SortedSet> Turn<'t, 's, 'b, S> {
    fn new(
        party: &'t mut Reconciler<'s>,
        set: &'t S,
        out: &'b mut [u8],
        survey: Option<MessageSurvey>,
    ) -> Result<Self, ReconcileError> {
        let limit = if party.config.frame_limit == 0 { out.len() } else { party.config.frame_limit };
        let frame = limit.min(out.len());
        if frame < MIN_FRAME {
            return Err(ReconcileError::BufferTooSmall);
        }
        let mut writer = FrameWriter::new(out).map_err(|Full| ReconcileError::BufferTooSmall)?;
        writer.set_limit(frame - SLACK);
        let kept = writer.mark();
        Ok(Turn {
            party,
            set,
            writer,
            frame,
            survey,
            index: 0,
            bound: Bound::ZERO,
            edge: (usize::MAX, Sum::ZERO),
            width: 0,
            skipped_width: 0,
            skip: false,
            emitted: 0,
            kept,
            open: 0,
            told: false,
            cut: false,
            steps: 0,
            work: 0,
        })
    }

    /// Handles one range; breaks when the answer is cut and the rest of the message is to be left.
    fn range(
        &mut self,
        bound: &Bound,
        mode: &Mode<'_>,
        sink: &mut impl FnMut(Difference<'_>),
    ) -> Result<ControlFlow<()>, ReconcileError> {
        let lower = self.index;
        // Skipped ranges are as wide as others before them, and so are the rest.
        let width = if *mode == Mode::Skip { &mut self.skipped_width } else { &mut self.width };
        let upper = self.set.lower_bound(bound.entry(), lower, lower.saturating_add(*width));
        *width = upper - lower;
        self.spend(1)?;
        let written = match mode {
            Mode::Skip => {
                self.skip = true;
                Ok(())
            }
            Mode::Fingerprint(theirs) if self.fingerprint(lower, upper) == *theirs => {
                self.skip = true;
                Ok(())
            }
            Mode::Fingerprint(_) => {
                self.open += upper - lower;
                let written = self.flush_skip().and_then(|()| self.split(lower, upper, bound));
                self.spend(self.steps)?;
                written
            }
            Mode::IdList(theirs) if self.party.role == Role::Initiator => {
                self.learn(lower, upper, theirs, sink)?;
                self.skip = true;
                Ok(())
            }
            Mode::IdList(theirs) if self.is_adaptive() && theirs.len() == upper - lower && self.same(lower, theirs) => {
                self.spend(theirs.len() as u64)?;
                self.skip = true;
                Ok(())
            }
            Mode::IdList(_) => {
                let before = self.emitted;
                let written = self.list_what_fits(lower, upper, bound);
                self.spend(self.emitted.saturating_sub(before) as u64)?;
                written
            }
        };
        (self.index, self.bound) = (upper, *bound);
        if written.is_ok() {
            return Ok(ControlFlow::Continue(()));
        }
        self.cut_off()?;
        Ok(ControlFlow::Break(()))
    }

    /// The fingerprint of a range, which mostly begins where the one before it ended.
    fn fingerprint(&mut self, from: usize, to: usize) -> Fingerprint {
        let known = (self.edge.0 == from).then_some(self.edge.1);
        // With one edge known, the other one costs less than adding up even a short range.
        let narrow = if known.is_some() { NARROW / 2 } else { NARROW };
        let (start, sum) = if to - from.min(to) <= narrow {
            (known, self.set.sum(from..to))
        } else {
            let start = known.unwrap_or_else(|| self.set.prefix(from));
            (Some(start), self.set.prefix(to).minus(start))
        };
        if let Some(start) = start {
            self.edge = (to, start.plus(sum));
        }
        sum.fingerprint(to - from.min(to))
    }

    fn is_adaptive(&self) -> bool {
        self.party.config.splitting == Splitting::Adaptive
    }

    fn spend(&mut self, steps: u64) -> Result<(), ReconcileError> {
        self.work = self.work.saturating_add(steps);
        if self.work > self.party.config.limits.work { Err(ReconcileError::TooMuchWork) } else { Ok(()) }
    }

    /// What was written so far, up to the entry at `place`, stays.
    fn keep(&mut self, place: usize) {
        self.emitted = place;
        self.kept = self.writer.mark();
    }

    fn flush_skip(&mut self) -> Result<(), Full> {
        if core::mem::take(&mut self.skip) { self.writer.skip(&self.bound) } else { Ok(()) }
    }

    /// Ends the message with one fingerprint of everything that is not answered (N8).
    fn cut_off(&mut self) -> Result<(), ReconcileError> {
        let end = self.set.len();
        self.writer.go_back(self.kept);
        self.writer.set_limit(self.frame);
        self.cut = true;
        self.open += end - self.emitted.min(end);
        let rest = self.fingerprint(self.emitted, end);
        self.writer.fingerprint(&Bound::INFINITY, &rest).map_err(|Full| ReconcileError::BufferTooSmall)
    }

    /// Writes the parts of a range, or its ids. The adaptive mode keeps the parts that fit, the reference all or none.
    fn split(&mut self, lower: usize, upper: usize, bound: &Bound) -> Result<(), Full> {
        let n = upper - lower;
        let at = Situation {
            message: self.party.messages.saturating_add(1),
            lists_end_it: self.party.role == Role::Responder,
            framed: self.party.framed,
            survey: self.survey,
        };
        match plan(self.party.config.splitting, n, at) {
            SplitPlan::List => {
                self.steps = n as u64;
                self.list(lower, upper, bound)?;
            }
            SplitPlan::Buckets(buckets) => {
                self.steps = buckets as u64;
                self.buckets(lower, upper, bound, buckets)?;
            }
        }
        self.keep(upper);
        Ok(())
    }

    fn buckets(&mut self, lower: usize, upper: usize, bound: &Bound, buckets: usize) -> Result<(), Full> {
        let n = upper - lower;
        let (width, wider) = (n / buckets, n % buckets);
        let mut from = lower;
        for bucket in 0..buckets {
            // The first ones are one wider, so that the widths add up.
            let even = lower + (bucket + 1) * width + (bucket + 1).min(wider);
            let to = if bucket + 1 == buckets { upper } else { even + self.nudge(width) };
            let end = match (to < upper, to.checked_sub(1).and_then(|last| self.set.entry(last)), self.set.entry(to)) {
                (true, Some(before), Some(after)) => Bound::between(&before, &after),
                _ => *bound,
            };
            let fingerprint = self.fingerprint(from, to);
            self.writer.fingerprint(&end, &fingerprint)?;
            if self.is_adaptive() {
                self.keep(to);
            }
            from = to;
        }
        Ok(())
    }

    /// By how much a split point moves: less than half a bucket, so that none gets empty.
    fn nudge(&mut self, width: usize) -> usize {
        match &mut self.party.random {
            Some(random) if self.party.config.splitting == Splitting::Adaptive => {
                random.below(u32::try_from(width / 2).unwrap_or(u32::MAX)) as usize
            }
            _ => 0,
        }
    }

    fn list(&mut self, lower: usize, upper: usize, bound: &Bound) -> Result<(), Full> {
        self.writer.id_list(bound, upper - lower)?;
        let (set, writer, mut full) = (self.set, &mut self.writer, false);
        set.scan(lower..upper, |entry| {
            full = writer.id(&entry.id).is_err();
            if full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        if full { Err(Full) } else { Ok(()) }
    }

    /// All own ids of a range, or as many as the frame takes, and then a bound at the first that is missing (N7).
    fn list_what_fits(&mut self, lower: usize, upper: usize, bound: &Bound) -> Result<(), Full> {
        let space = self.frame - SLACK;
        let fit = space.checked_sub(self.writer.len()).map_or(0, |free| free / message::ID_LEN + 1);
        let end = upper.min(lower.saturating_add(fit));
        let bound = match self.set.entry(end) {
            Some(first_left) if end < upper => Bound::exact(&first_left),
            _ => *bound,
        };
        self.writer.set_limit(self.frame);
        self.flush_skip()?;
        self.list(lower, end, &bound)?;
        self.keep(end);
        self.writer.set_limit(space);
        if self.writer.len() > space { Err(Full) } else { Ok(()) }
    }

    /// Whether the own ids from `lower` on are these, in this order.
    fn same(&self, lower: usize, theirs: &[[u8; 32]]) -> bool {
        let mut left = theirs.iter();
        let mut same = true;
        self.set.scan(lower..lower + theirs.len(), |entry| {
            same = left.next() == Some(&entry.id);
            if same { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        same
    }

    /// Tells what a list and the own entries of the range do not have in common.
    fn learn(
        &mut self,
        lower: usize,
        upper: usize,
        theirs: &[[u8; 32]],
        sink: &mut impl FnMut(Difference<'_>),
    ) -> Result<(), ReconcileError> {
        self.spend((upper - lower).saturating_add(theirs.len()) as u64)?;
        let Turn { party: Reconciler { scratch, needs, config, .. }, told, .. } = self;
        let most = config.limits.needs;
        let mut tell = |difference: Difference<'_>| {
            *needs += u64::from(matches!(difference, Difference::Need(_)));
            *told = true;
            if *needs <= most {
                sink(difference);
            }
        };
        diff::compare(self.set, lower..upper, theirs, scratch, &mut tell).map_err(|_| ReconcileError::ListTooLong)?;
        if *needs > most { Err(ReconcileError::TooManyNeeds) } else { Ok(()) }
    }
}
