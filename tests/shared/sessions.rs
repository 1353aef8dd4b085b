//! Sessions of two sides, each of which is ours or that of the `negentropy` crate.

use std::collections::BTreeSet;

use honeyguide::base::Rng;
use honeyguide::negentropy::{Difference, Entry, ReconcileError, Reconciler, ReconcilerConfig, SortedSet, Step};
use negentropy::{Id, Negentropy, NegentropyStorageVector, Storage};

/// Either implementation on either side.
pub trait Side {
    /// The answer to a message (none: the first message), or nothing when done.
    fn answer(&mut self, message: Option<&[u8]>, found: &mut Found) -> Result<Option<Vec<u8>>, ReconcileError>;
}

/// What an initiator was told, with repetitions.
#[derive(Default)]
pub struct Found {
    pub have: Vec<[u8; 32]>,
    pub need: Vec<[u8; 32]>,
}

impl Found {
    /// The ids, each once, in order.
    #[allow(dead_code, reason = "not every test compares them")]
    pub fn sorted(self) -> [Vec<[u8; 32]>; 2] {
        [self.have, self.need].map(|mut ids| {
            ids.sort_unstable();
            ids.dedup();
            ids
        })
    }

    /// How many ids, each once.
    #[allow(dead_code, reason = "not every test counts")]
    pub fn distinct(&self) -> (usize, usize) {
        let count = |ids: &[[u8; 32]]| ids.iter().collect::<BTreeSet<_>>().len();
        (count(&self.have), count(&self.need))
    }
}

pub struct Ours<'a, S> {
    pub party: Reconciler<'a>,
    set: &'a S,
    /// Where the first message begins.
    from: Entry,
    /// Bytes of the buffers at least.
    buffer: usize,
}

impl<'a, S: SortedSet> Ours<'a, S> {
    pub fn new(initiates: bool, config: ReconcilerConfig, set: &'a S) -> Self {
        let party = if initiates { Reconciler::initiator(config) } else { Reconciler::responder(config) }.unwrap();
        Ours::with(party, set)
    }

    /// A party that somebody else has made.
    pub fn with(party: Reconciler<'a>, set: &'a S) -> Self {
        Ours { party, set, from: Entry::default(), buffer: 0 }
    }

    /// The same with buffers of at least so many bytes.
    #[allow(dead_code, reason = "not every test does")]
    pub fn with_buffer(mut self, bytes: usize) -> Self {
        self.buffer = bytes;
        self
    }

    /// Takes up a session that has ended there.
    #[allow(dead_code, reason = "not every test does")]
    pub fn from(mut self, from: Entry) -> Self {
        self.from = from;
        self
    }
}

impl<S: SortedSet> Side for Ours<'_, S> {
    fn answer(&mut self, message: Option<&[u8]>, found: &mut Found) -> Result<Option<Vec<u8>>, ReconcileError> {
        let least = Reconciler::answer_len(self.set.len(), message.map_or(0, <[u8]>::len));
        let mut out = vec![0; least.max(self.buffer)];
        let step = match message {
            None => self.party.initiate_from(self.set, &self.from, &mut out).map(Step::Reply),
            Some(message) => self.party.reconcile(self.set, message, &mut out, &mut |difference| match difference {
                Difference::Have(id) => found.have.push(*id),
                Difference::Need(id) => found.need.push(*id),
            }),
        };
        Ok(match step? {
            Step::Reply(len) => {
                out.truncate(len);
                Some(out)
            }
            Step::Done => None,
        })
    }
}

pub struct Theirs<'a>(Negentropy<'a, NegentropyStorageVector>);

impl Theirs<'static> {
    #[allow(dead_code, reason = "not every test builds a set for one session")]
    pub fn new(entries: &[Entry], frame: usize) -> Self {
        Theirs(Negentropy::new(Storage::Owned(storage(entries)), frame as u64).unwrap())
    }
}

impl<'a> Theirs<'a> {
    #[allow(dead_code, reason = "not every test has many sessions of one set")]
    pub fn of(storage: &'a NegentropyStorageVector, frame: usize) -> Self {
        Theirs(Negentropy::new(Storage::Borrowed(storage), frame as u64).unwrap())
    }
}

impl Side for Theirs<'_> {
    fn answer(&mut self, message: Option<&[u8]>, found: &mut Found) -> Result<Option<Vec<u8>>, ReconcileError> {
        let Some(message) = message else { return Ok(Some(self.0.initiate().unwrap())) };
        if !self.0.is_initiator() {
            return Ok(Some(self.0.reconcile(message).unwrap()));
        }
        let (mut have, mut need) = (Vec::new(), Vec::new());
        let next = self.0.reconcile_with_ids(message, &mut have, &mut need).unwrap();
        found.have.extend(have.iter().map(|id| *id.as_bytes()));
        found.need.extend(need.iter().map(|id| *id.as_bytes()));
        Ok(next)
    }
}

pub fn storage(entries: &[Entry]) -> NegentropyStorageVector {
    let mut storage = NegentropyStorageVector::with_capacity(entries.len());
    for entry in entries {
        storage.insert(entry.timestamp, Id::from_byte_array(entry.id)).unwrap();
    }
    storage.seal().unwrap();
    storage
}

/// Random entries, about one in each unit of time.
#[allow(dead_code, reason = "not every test draws its sets like this")]
pub fn entries(rng: &mut Rng, n: usize) -> Vec<Entry> {
    (0..n).map(|_| Entry { timestamp: u64::from(rng.below(n as u32)), id: rng.bytes() }).collect()
}

/// No session of the tests takes half as many rounds.
const MOST_ROUNDS: usize = 50_000;

/// Runs a session to its end, and shows every message to `see`. What the initiator found stays, whatever the end.
pub fn converse(
    client: &mut dyn Side,
    server: &mut dyn Side,
    found: &mut Found,
    see: &mut dyn FnMut(&[u8]),
) -> Result<(), ReconcileError> {
    let mut message = client.answer(None, found)?.expect("a first message");
    for _ in 0..MOST_ROUNDS {
        see(&message);
        message = server.answer(Some(&message), found)?.expect("a responder answers");
        see(&message);
        match client.answer(Some(&message), found)? {
            Some(next) => message = next,
            None => return Ok(()),
        }
    }
    panic!("a session without end")
}
