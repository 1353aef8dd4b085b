//! One side of one session, from the first message to the end.

use crate::base::error::ConfigError;
use crate::negentropy::config::{MIN_FRAME, ReconcilerConfig, Splitting};
use crate::negentropy::error::ReconcileError;
use crate::negentropy::message::{self, Bound, Entry, FrameReader, VERSION};
use crate::negentropy::reconciler::deferred::Deferred;
use crate::negentropy::reconciler::news::SessionNews;
use crate::negentropy::reconciler::party::{Party, PartyRole, Scratch};
use crate::negentropy::reconciler::reading;
use crate::negentropy::reconciler::survey::survey;
use crate::negentropy::reconciler::turn::{Turn, Written};
use crate::negentropy::set::{Difference, SortedSet};

/// What to do after a message was handled.
///
/// Exhaustive: every session has to handle both.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Send the first so many bytes of the buffer.
    Reply(usize),
    /// Nothing is left to ask (initiator).
    Done,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum SessionPhase {
    Fresh,
    Open,
    Ended,
}

/// One side of one session. The set is passed to every call; it may change between them, and then what is found is a
/// difference from one of its states.
///
/// Two sets in one process; between machines, each message travels:
///
/// ```
/// use honeyguide::negentropy::{Difference, Entry, Limits, Reconciler, ReconcilerConfig, Sealed, Step};
/// use sha2::{Digest, Sha256};
///
/// // When, and which: 32 bytes that are a hash of the element.
/// let entry = |n: u64| Entry { timestamp: 1_700_000_000 + n, id: Sha256::digest(n.to_be_bytes()).into() };
/// let ours = Sealed::build((0..1000).map(entry).collect())?;
/// let theirs = Sealed::build((1..1002).map(entry).collect())?;
///
/// let mut initiator = Reconciler::initiator(ReconcilerConfig::new(Limits::initiator()))?;
/// let mut responder = Reconciler::responder(ReconcilerConfig::new(Limits::responder()))?;
/// let (mut up, mut down) = ([0; 16_384], [0; 16_384]);
/// let (mut have, mut need) = (vec![], vec![]);
///
/// let mut len = initiator.initiate(&ours, &mut up)?;
/// loop {
///     // On the other side. A responder answers every message, and learns nothing.
///     let Step::Reply(reply) = responder.reconcile(&theirs, &up[..len], &mut down, &mut |_| ())? else { break };
///     // On this side again.
///     let step = initiator.reconcile(&ours, &down[..reply], &mut up, &mut |difference| match difference {
///         Difference::Have(id) => have.push(*id), // to be sent
///         Difference::Need(id) => need.push(*id), // to be asked for
///     })?;
///     match step {
///         Step::Reply(next) => len = next,
///         Step::Done => break,
///     }
/// }
/// need.sort_unstable_by_key(|id| *id == entry(1001).id);
/// assert_eq!(have, [entry(0).id]);
/// assert_eq!(need, [entry(1000).id, entry(1001).id]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Reconciler<'s> {
    party: Party<'s>,
    phase: SessionPhase,
    deferred: Deferred<'s>,
    news: SessionNews,
    /// Everything below is settled.
    settled: Bound,
}

impl<'s> Reconciler<'s> {
    /// The side that asks and learns, in lent memory: `scratch` has one word for each id that a received list may have,
    /// [`ReconcilerConfig::scratch_len`]. It has no memory to set aside what its frames have no room for (N26): with
    /// small frames a session takes more rounds. `Reconciler::initiator` (feature `alloc`) allocates both. With that
    /// feature 3 kB for what is settled (N38) are allocated here too, once; otherwise they lie in the session itself.
    ///
    /// # Errors
    ///
    /// When the frame limit is neither 0 nor at least [`MIN_FRAME`](ReconcilerConfig::MIN_FRAME), or the limit of
    /// messages is below that or above [`MAX_MESSAGE`](ReconcilerConfig::MAX_MESSAGE).
    pub fn initiator_in(config: ReconcilerConfig, scratch: &'s mut [u32]) -> Result<Self, ConfigError> {
        Reconciler::asking(config, Scratch::Lent(scratch), Deferred::none())
    }

    pub(super) fn asking(
        config: ReconcilerConfig,
        scratch: Scratch<'s>,
        deferred: Deferred<'s>,
    ) -> Result<Self, ConfigError> {
        Reconciler::new(Party::new(PartyRole::Initiator, config, scratch), SessionPhase::Fresh, deferred)
    }

    /// The side that answers.
    ///
    /// # Errors
    ///
    /// When the frame limit is neither 0 nor at least [`MIN_FRAME`](ReconcilerConfig::MIN_FRAME), or the limit of
    /// messages is below that or above [`MAX_MESSAGE`](ReconcilerConfig::MAX_MESSAGE).
    pub fn responder(config: ReconcilerConfig) -> Result<Self, ConfigError> {
        let party = Party::new(PartyRole::Responder, config, Scratch::Lent(&mut []));
        Reconciler::new(party, SessionPhase::Open, Deferred::none())
    }

    fn new(party: Party<'s>, phase: SessionPhase, deferred: Deferred<'s>) -> Result<Self, ConfigError> {
        if (1..MIN_FRAME).contains(&party.config().frame_limit) {
            return Err(ConfigError::new(
                "frame_limit",
                party.config().frame_limit as u64,
                "0 or at least",
                MIN_FRAME as u64,
            ));
        }
        let message = party.config().limits.message;
        if message < MIN_FRAME {
            return Err(ConfigError::new("limits.message", message as u64, "at least", MIN_FRAME as u64));
        }
        if message > ReconcilerConfig::MAX_MESSAGE {
            let most = ReconcilerConfig::MAX_MESSAGE as u64;
            return Err(ConfigError::new("limits.message", message as u64, "at most", most));
        }
        Ok(Reconciler { party, phase, deferred, news: SessionNews::default(), settled: Bound::ZERO })
    }

    /// Writes the first message into `out` and returns its length.
    ///
    /// # Errors
    ///
    /// When `out` is shorter than [`MIN_FRAME`](ReconcilerConfig::MIN_FRAME), and for a responder, or a session that
    /// has begun.
    pub fn initiate<S: SortedSet>(&mut self, set: &S, out: &mut [u8]) -> Result<usize, ReconcileError> {
        self.initiate_from(set, &Entry::default(), out)
    }

    /// The same for entries from `from` on alone; what is below is not spoken of. Any partner understands it.
    ///
    /// So a session is taken up that has ended before it was done, whether by
    /// [`TooManyNeeds`](ReconcileError::TooManyNeeds), by another error or by a lost connection: put what was told into
    /// the set, and begin a new session at what was [`settled`](Self::settled). Nothing is lost if the set has changed
    /// meanwhile: what is above is compared as it is now.
    ///
    /// # Errors
    ///
    /// As [`initiate`](Self::initiate).
    pub fn initiate_from<S: SortedSet>(
        &mut self,
        set: &S,
        from: &Entry,
        out: &mut [u8],
    ) -> Result<usize, ReconcileError> {
        if self.party.role() != PartyRole::Initiator || self.phase != SessionPhase::Fresh {
            return Err(ReconcileError::Misuse);
        }
        let len = Turn::new(&mut self.party, set, out, None)?.first_message(from)?;
        self.settled = Bound::at(from);
        self.phase = SessionPhase::Open;
        self.party.set_messages(1);
        Ok(len)
    }

    /// How long a buffer must be so that the answer of a set of `entries` to a message of `message` bytes is not cut:
    /// at most 64 bytes for each entry, and the bounds that the message has.
    #[must_use]
    pub const fn answer_len(entries: usize, message: usize) -> usize {
        MIN_FRAME.saturating_add(entries.saturating_mul(64)).saturating_add(message.saturating_mul(8))
    }

    /// Takes up a session whose first messages another responder handled: `messages` of both sides, as
    /// [`messages`](Reconciler::messages) of that one said. Messages that bring nothing new are counted anew (N31).
    ///
    /// # Errors
    ///
    /// For an initiator, which knows more of its session than a number: another one begins where it was
    /// [`settled`](Self::settled), by [`initiate_from`](Self::initiate_from). And when this one has handled a message.
    pub fn resume(&mut self, messages: u32) -> Result<(), ReconcileError> {
        if self.party.role() != PartyRole::Responder || self.phase != SessionPhase::Open || self.party.messages() > 0 {
            return Err(ReconcileError::Misuse);
        }
        self.party.set_messages(messages);
        Ok(())
    }

    /// Messages of both sides so far.
    #[must_use]
    pub fn messages(&self) -> u32 {
        self.party.messages()
    }

    /// All differences below this entry were told by this session, or by those that it took up (initiator). It is where
    /// [`initiate_from`](Self::initiate_from) goes on.
    #[must_use]
    pub fn settled(&self) -> Entry {
        *self.settled.entry()
    }

    /// Handles a message: reports what is found to `sink` (initiator) and writes the answer into `out`.
    ///
    /// # Errors
    ///
    /// When the message is malformed or costs more than the limits allow, when `out` is too short, and when no message
    /// is expected. The session has ended then.
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
        let most = self.party.config().limits.message;
        if message.len() > most {
            return Err(ReconcileError::MessageTooLong { bytes: message.len(), most });
        }
        let (version, body) = message::version(message)?;
        if version != VERSION {
            return match (self.party.role(), out.first_mut()) {
                (PartyRole::Initiator, _) => Err(ReconcileError::Version(version)),
                (PartyRole::Responder, None) => Err(ReconcileError::BufferTooSmall { bytes: 0, least: MIN_FRAME }),
                (PartyRole::Responder, Some(byte)) => {
                    *byte = VERSION;
                    self.news.on_answered(&self.party, set.len(), None)?;
                    Ok(Step::Reply(1))
                }
            };
        }
        self.party.count_message();
        let ranges = FrameReader::new(body, self.party.config().strictness);
        let survey = match self.party.config().splitting {
            Splitting::Conformance => None,
            Splitting::Adaptive => Some(survey(set, ranges.clone(), self.party.config().limits.ranges)?),
        };
        let mut turn = Turn::new(&mut self.party, set, out, survey)?;
        let strictness = ranges.strictness();
        if let Err(error) = reading::answer(&mut turn, &mut self.deferred, ranges, strictness, sink) {
            self.settled = *turn.settled();
            return Err(error);
        }
        let Written { len, asks, open, cut } = turn.finish();
        self.party.count_message();
        if cut {
            self.party.on_cut();
        }
        if !asks && self.party.role() == PartyRole::Initiator {
            self.settled = Bound::INFINITY;
            return Ok(Step::Done);
        }
        if let Some(open) = open {
            self.settled = open.bound;
        }
        self.news.on_answered(&self.party, set.len(), open)?;
        Ok(Step::Reply(len))
    }
}
