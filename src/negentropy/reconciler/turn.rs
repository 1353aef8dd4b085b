//! The answer to one message, range by range.

use core::ops::ControlFlow;

use crate::base::error::NoRoom;
use crate::negentropy::config::MIN_FRAME;
use crate::negentropy::error::ReconcileError;
use crate::negentropy::message::{self, Bound, Entry, Fingerprint, FrameWriter, Mark, Mode, Range};
use crate::negentropy::reconciler::party::{Party, PartyRole};
use crate::negentropy::reconciler::stretches::Stretch;
use crate::negentropy::set::{Difference, SortedSet, Sum};
use crate::negentropy::split::{MessageSurvey, Situation, SplitPlan, plan};

/// Bytes at the end of a frame that ranges leave free, so that a last list and the rest always fit.
const SLACK: usize = 200;

/// Up to so many entries are added up one by one: they lie side by side, and running sums lie elsewhere.
const NARROW: usize = 24;

/// The same where the running sums have been looked at already.
const NARROW_PREPARED: usize = 6;

/// Why a range is not answered. It is small, since every range may return it; [`Turn::error`] has the numbers.
#[derive(Clone, Copy, Debug)]
pub enum Excess {
    /// More ranges than one message may have.
    Ranges,
    /// More steps than one message may ask for.
    Work,
    /// More ids than the partner may have and we lack.
    Needs,
    /// Own ids told more often than they may be.
    Haves,
    /// More ids in one list than there are words of scratch memory.
    List,
}

/// An answer that has been written.
pub struct Written {
    /// Its bytes.
    pub len: usize,
    /// Whether it says anything.
    pub asks: bool,
    /// Where the first range begins that stays open.
    pub open: Option<OpenRange>,
    /// Whether it was cut at the frame limit.
    pub cut: bool,
}

/// Where ranges begin that stay open: everything before is settled.
#[derive(Clone, Copy, Debug)]
pub struct OpenRange {
    /// The first own entry there.
    pub place: usize,
    pub bound: Bound,
}

/// The answer to one message while it is being written.
pub struct Turn<'t, 's, 'b, S> {
    party: &'t mut Party<'s>,
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
    /// That bound, and the place in the message where it ends.
    kept_bound: Bound,
    kept: Mark,
    /// Where the range before the present one ended.
    began: Bound,
    began_at: usize,
    /// The first range that stays open.
    open: Option<OpenRange>,
    /// The highest bound so far: those of a lenient message may go back.
    reached: Entry,
    /// Where the last ranges begin that are settled, and how many ids had been told then.
    settling: Option<(Entry, u64)>,
    cut: bool,
    /// What the answer asks for: own entries in ranges of which a list was asked for, and fingerprints.
    listed: usize,
    fingerprints: usize,
    widest: usize,
    /// Ranges of the message so far.
    ranges: usize,
    /// What the answer to a range cost.
    steps: u64,
    work: u64,
}

impl<'t, 's, 'b, S: SortedSet> Turn<'t, 's, 'b, S> {
    /// Begins the answer in `out`.
    ///
    /// # Errors
    ///
    /// When `out` is shorter than the smallest frame.
    pub fn new(
        party: &'t mut Party<'s>,
        set: &'t S,
        out: &'b mut [u8],
        survey: Option<MessageSurvey>,
    ) -> Result<Self, ReconcileError> {
        let frame = party.frame(out.len());
        if frame < MIN_FRAME {
            return Err(too_small(frame));
        }
        let mut writer = FrameWriter::new(out).map_err(|NoRoom| too_small(frame))?;
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
            kept_bound: Bound::ZERO,
            kept,
            began: Bound::ZERO,
            began_at: 0,
            open: None,
            reached: Entry::default(),
            settling: None,
            cut: false,
            listed: 0,
            fingerprints: 0,
            widest: 0,
            ranges: 0,
            steps: 0,
            work: 0,
        })
    }

    /// The first message of a session: in parts, the set from this entry on.
    ///
    /// # Errors
    ///
    /// When it does not fit, which the smallest frame excludes.
    pub fn first_message(mut self, from: &Entry) -> Result<usize, ReconcileError> {
        self.bound = Bound::at(from);
        self.skip = self.bound != Bound::ZERO;
        let (start, end) = (self.set.lower_bound(from, 0, 0), self.set.len());
        let written = self.flush_skip().and_then(|()| self.split(start, end, &Bound::INFINITY));
        written.map_err(|NoRoom| too_small(self.frame))?;
        Ok(self.finish().len)
    }

    /// A range was read, whatever becomes of it.
    ///
    /// # Errors
    ///
    /// When there are more than the limits allow.
    pub fn count_range(&mut self) -> Result<(), Excess> {
        self.ranges = self.ranges.saturating_add(1);
        if self.ranges > self.party.config().limits.ranges { Err(Excess::Ranges) } else { self.spend(1) }
    }

    /// Handles one range, which ends about at the place `near` if that is known; breaks when the answer is cut and the
    /// rest of the message is to be left.
    ///
    /// # Errors
    ///
    /// When the message costs more than the limits allow.
    pub fn range(
        &mut self,
        Range { bound, mode }: &Range<'_>,
        near: Option<usize>,
        sink: &mut impl FnMut(Difference<'_>),
    ) -> Result<ControlFlow<()>, Excess> {
        let (lower, told) = (self.index, self.party.told());
        // Skipped ranges are as wide as others before them, and so are the rest.
        let width = if *mode == Mode::Skip { &mut self.skipped_width } else { &mut self.width };
        let near = near.unwrap_or(lower.saturating_add(*width));
        let upper = self.set.lower_bound(bound.entry(), lower, near);
        *width = upper - lower;
        let written = match mode {
            Mode::Skip => {
                self.skip = true;
                Ok(())
            }
            Mode::Fingerprint(theirs) if self.fingerprint(lower, upper, NARROW).0 == **theirs => {
                self.skip = true;
                Ok(())
            }
            Mode::Fingerprint(_) => {
                self.leave_open(lower);
                let written = self.flush_skip().and_then(|()| self.split(lower, upper, bound));
                self.spend(self.steps)?;
                written
            }
            Mode::IdList(theirs) if self.party.role() == PartyRole::Initiator => {
                if !self.party.settled().cover(self.bound.entry(), bound.entry()) {
                    self.learn(lower, upper, bound, theirs, sink)?;
                }
                self.skip = true;
                Ok(())
            }
            Mode::IdList(theirs)
                if self.party.is_adaptive()
                    && !theirs.is_empty()
                    && theirs.len() == upper - lower
                    && self.same(lower, theirs) =>
            {
                self.spend(theirs.len() as u64)?;
                self.skip = true;
                Ok(())
            }
            Mode::IdList(_) => {
                self.leave_open(lower);
                let written = self.list_what_fits(lower, upper, bound);
                self.spend(self.steps)?;
                written
            }
        };
        self.pass(bound, told);
        (self.began_at, self.began) = (lower, self.bound);
        (self.index, self.bound) = (upper, *bound);
        if written.is_ok() {
            return Ok(ControlFlow::Continue(()));
        }
        self.writer.go_back(self.kept);
        Ok(ControlFlow::Break(()))
    }

    /// Whether a skipped range is so wide that its end is worth a guess.
    pub fn skips_widely(&self) -> bool {
        self.skipped_width >= 64
    }

    /// About where bounds with these timestamps stand.
    pub fn estimate(&self, times: &[u64], places: &mut [usize]) {
        self.set.estimate(self.index, times, places);
    }

    /// Where the next range begins.
    pub fn bound(&self) -> &Bound {
        &self.bound
    }

    /// Whether everything from there on is what the partner has there.
    pub fn is_equal(&mut self, theirs: &[u8; 16]) -> bool {
        let (from, to) = (self.index, self.set.len());
        self.fingerprint(from, to, NARROW).0 == *theirs
    }

    pub fn survey(&self) -> Option<MessageSurvey> {
        self.survey
    }

    /// Goes on at another bound, if that is farther on, with ranges of which this survey was made.
    pub fn jump(&mut self, to: &Bound, survey: Option<MessageSurvey>) {
        // They were counted with the message that they came with.
        (self.survey, self.ranges) = (survey, 0);
        self.remember_settled();
        if to.entry() > self.bound.entry() {
            self.index = self.set.lower_bound(to.entry(), self.index, self.index);
            (self.bound, self.skip, self.reached) = (*to, true, self.reached.max(*to.entry()));
        }
    }

    /// When a range did not fit: everything below is answered, be it by a part of that range.
    pub fn answered_below(&self) -> Bound {
        if self.kept_bound.entry() > self.began.entry() { self.kept_bound } else { self.began }
    }

    /// The message has so many bytes, and was cut at the partner's frame limit or was not.
    pub fn on_answer(&mut self, bytes: usize, cut: bool) {
        if self.may_set_aside() {
            self.party.pace().on_answer(bytes, cut);
        }
    }

    /// Whether what follows to the end has more own entries than any range that we asked about.
    pub fn is_wider_than_asked(&mut self) -> bool {
        let width = self.set.len() - self.index.min(self.set.len());
        self.party.pace().is_cut(width)
    }

    /// Whether the partner's answer will have room for more than what is asked so far.
    pub fn will_fit(&mut self) -> bool {
        let (listed, fingerprints) = (self.listed, self.fingerprints);
        self.party.pace().will_fit(listed, fingerprints)
    }

    /// Whether what does not fit may be left out and taken up later. Only who asks may do so: nobody else would.
    pub fn may_set_aside(&self) -> bool {
        self.party.is_adaptive() && self.party.role() == PartyRole::Initiator
    }

    /// Ends the message with one fingerprint of everything that is not answered (N8).
    ///
    /// # Errors
    ///
    /// When it does not fit, which the smallest frame excludes.
    pub fn cut_off(&mut self) -> Result<(), ReconcileError> {
        if self.party.is_adaptive() && self.kept_bound.is_infinity() {
            // The last list went past the line, and nothing is behind it.
            return Ok(());
        }
        self.writer.set_limit(self.frame);
        self.cut = true;
        if self.party.is_adaptive() && self.began.entry() > self.kept_bound.entry() {
            // What is settled since then would be told again.
            self.writer.skip(&self.began).map_err(|NoRoom| too_small(self.frame))?;
            self.emitted = self.began_at;
        }
        let rest = self.fingerprint(self.emitted, self.set.len(), NARROW);
        self.widest = self.set.len();
        self.writer.fingerprint(&Bound::INFINITY, &rest).map_err(|NoRoom| too_small(self.frame))
    }

    /// What is wrong with the message whose last range was this one, in numbers.
    pub fn error(&mut self, excess: Excess, range: &Range<'_>) -> ReconcileError {
        let limits = self.party.config().limits;
        match excess {
            Excess::Ranges => ReconcileError::TooManyRanges { most: limits.ranges },
            Excess::Work => ReconcileError::TooMuchWork { most: limits.work },
            Excess::Needs => ReconcileError::TooManyNeeds { most: limits.needs, from: *self.settled().entry() },
            Excess::Haves => {
                let (most, from) = (self.party.most_haves(self.set.len()), *self.settled().entry());
                ReconcileError::TooManyHaves { most, from }
            }
            Excess::List => {
                let ids = if let Mode::IdList(ids) = range.mode { ids.len() } else { 0 };
                ReconcileError::ListTooLong { ids, words: self.party.scratch_len() }
            }
        }
    }

    /// What the answer has become.
    pub fn finish(mut self) -> Written {
        self.remember_settled();
        let Turn { party, writer, open, cut, listed, fingerprints, widest, .. } = self;
        party.pace().on_asked(listed, fingerprints, widest);
        Written { len: writer.len(), asks: !writer.is_empty(), open, cut }
    }

    /// Everything below is settled.
    pub fn settled(&self) -> &Bound {
        self.open.as_ref().map_or(&self.bound, |open| &open.bound)
    }

    /// The range that begins at `place` and at the bound before it is not settled yet.
    fn leave_open(&mut self, place: usize) {
        self.open.get_or_insert(OpenRange { place, bound: self.bound });
    }

    /// The range up to this bound was handled, and `told` ids had been told before: it is settled if it was skipped.
    fn pass(&mut self, to: &Bound, told: u64) {
        if self.skip {
            self.settling.get_or_insert((self.reached, told));
        } else {
            self.remember_settled();
        }
        self.reached = self.reached.max(*to.entry());
    }

    /// What is settled up to here is a stretch of its own.
    fn remember_settled(&mut self) {
        if let Some((from, before)) = self.settling.take()
            && self.party.role() == PartyRole::Initiator
        {
            let told = self.party.told() - before;
            let stretch = Stretch::new(from, self.reached, told);
            self.party.settled().add(stretch);
        }
    }

    /// The fingerprint of a range, which mostly begins where the one before it ended.
    fn fingerprint(&mut self, from: usize, to: usize, narrow: usize) -> Fingerprint {
        let n = to - from.min(to);
        let is_known = self.edge.0 == from;
        let sum = if n <= narrow {
            let sum = self.set.sum(from..to);
            if is_known {
                self.edge = (to, self.edge.1.plus(sum));
            }
            sum
        } else {
            let start = if is_known { self.edge.1 } else { self.set.prefix(from) };
            self.edge = (to, self.set.prefix(to));
            self.edge.1.minus(start)
        };
        sum.fingerprint(n)
    }

    fn spend(&mut self, steps: u64) -> Result<(), Excess> {
        self.work = self.work.saturating_add(steps);
        if self.work > self.party.config().limits.work { Err(Excess::Work) } else { Ok(()) }
    }

    /// What was written so far, up to the entry at `place` and this bound, stays.
    fn keep(&mut self, place: usize, bound: &Bound) {
        (self.emitted, self.kept_bound) = (place, *bound);
        self.kept = self.writer.mark();
    }

    fn flush_skip(&mut self) -> Result<(), NoRoom> {
        if core::mem::take(&mut self.skip) { self.writer.skip(&self.bound) } else { Ok(()) }
    }

    /// Writes the parts of a range, or its ids. The adaptive mode keeps the parts that fit, the reference all or none.
    fn split(&mut self, lower: usize, upper: usize, bound: &Bound) -> Result<(), NoRoom> {
        let n = upper - lower;
        let at = Situation {
            message: self.party.messages().saturating_add(1),
            lists_end_it: self.party.role() == PartyRole::Responder,
            framed: self.party.is_framed(),
            survey: self.survey,
        };
        match plan(self.party.config().splitting, n, at) {
            SplitPlan::List => {
                self.steps = n as u64;
                self.list(lower, upper, bound)?;
            }
            SplitPlan::Ask => {
                self.steps = 1;
                self.writer.id_list(bound, 0)?;
                self.listed += n + 1;
                self.widest = self.widest.max(n);
            }
            SplitPlan::Buckets(buckets) => {
                self.steps = buckets as u64;
                self.buckets(lower, upper, bound, buckets)?;
            }
        }
        self.keep(upper, bound);
        Ok(())
    }

    fn buckets(&mut self, lower: usize, upper: usize, bound: &Bound, buckets: usize) -> Result<(), NoRoom> {
        let n = upper - lower;
        let (width, wider) = (n / buckets, n % buckets);
        let mut from = lower;
        self.set.prepare((1..buckets).map(|bucket| lower + bucket * width + bucket.min(wider)));
        for bucket in 0..buckets {
            // The first ones are one wider, so that the widths add up. Less than half a bucket, so that none gets
            // empty.
            let even = lower + (bucket + 1) * width + (bucket + 1).min(wider);
            let to = if bucket + 1 == buckets { upper } else { even + self.party.nudge(width / 2) };
            let end = if to < upper { self.bound_at(to).unwrap_or(*bound) } else { *bound };
            let fingerprint = self.fingerprint(from, to, NARROW_PREPARED);
            self.writer.fingerprint(&end, &fingerprint)?;
            self.fingerprints += 1;
            self.widest = self.widest.max(to - from);
            if self.party.is_adaptive() {
                self.keep(to, &end);
            }
            from = to;
        }
        Ok(())
    }

    /// The shortest bound between the entry at a place and the one before.
    #[inline]
    fn bound_at(&self, place: usize) -> Option<Bound> {
        let (mut before, mut bound) = (None, None);
        self.set.scan(place.saturating_sub(1)..place + 1, |entry| {
            match &before {
                None => before = Some(*entry),
                Some(before) => bound = Some(Bound::between(before, entry)),
            }
            ControlFlow::Continue(())
        });
        bound
    }

    fn list(&mut self, lower: usize, upper: usize, bound: &Bound) -> Result<(), NoRoom> {
        self.writer.id_list(bound, upper - lower)?;
        let (set, writer, mut full) = (self.set, &mut self.writer, false);
        set.scan(lower..upper, |entry| {
            full = writer.id(&entry.id).is_err();
            if full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        if full {
            return Err(NoRoom);
        }
        if self.party.role() == PartyRole::Responder {
            self.party.on_listed(upper - lower);
        }
        Ok(())
    }

    /// All own ids of a range, or as many as the frame takes, and then a bound at the first that is missing (N7).
    fn list_what_fits(&mut self, lower: usize, upper: usize, bound: &Bound) -> Result<(), NoRoom> {
        let space = self.frame - SLACK;
        let fit = space.checked_sub(self.writer.len()).map_or(0, |free| free / message::ID_LEN + 1);
        let end = upper.min(lower.saturating_add(fit));
        let bound = match self.set.entry(end) {
            Some(first_left) if end < upper => Bound::exact(&first_left),
            _ => *bound,
        };
        self.writer.set_limit(self.frame);
        self.steps = (end - lower) as u64;
        self.flush_skip()?;
        self.list(lower, end, &bound)?;
        self.keep(end, &bound);
        self.writer.set_limit(space);
        if self.writer.len() > space { Err(NoRoom) } else { Ok(()) }
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

    /// Reports what a list and the own entries of the range do not have in common.
    fn learn(
        &mut self,
        lower: usize,
        upper: usize,
        bound: &Bound,
        theirs: &[[u8; 32]],
        sink: &mut impl FnMut(Difference<'_>),
    ) -> Result<(), Excess> {
        if theirs.is_empty() {
            self.tell_all(lower, upper, bound, sink);
        } else {
            self.spend((upper - lower).saturating_add(theirs.len()) as u64)?;
            self.party.compare(self.set, lower..upper, theirs, sink).map_err(|NoRoom| Excess::List)?;
        }
        if self.party.needs() > self.party.config().limits.needs {
            return Err(Excess::Needs);
        }
        if self.party.has_told_too_many(self.set.len()) { Err(Excess::Haves) } else { Ok(()) }
    }

    /// Reports all own entries of a range that are not settled. There is nothing to compare: what is settled costs
    /// nothing.
    fn tell_all(&mut self, lower: usize, upper: usize, bound: &Bound, sink: &mut impl FnMut(Difference<'_>)) {
        let (mut from, mut at) = (lower, *self.bound.entry());
        while from < upper {
            let (begin, end) = self.party.settled().beyond(&at).unwrap_or((*bound.entry(), *bound.entry()));
            let to = self.set.lower_bound(&begin, from, from).min(upper);
            // A list of none always has the words that it needs.
            let _ = self.party.compare(self.set, from..to, &[], sink);
            (from, at) = (self.set.lower_bound(&end, to, to), end);
        }
    }
}

fn too_small(bytes: usize) -> ReconcileError {
    ReconcileError::BufferTooSmall { bytes, least: MIN_FRAME }
}
