//! Journals of nodes in a world: what each was made of, and every call to it as it saw it, so that its run can be had
//! again by itself, without the world.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;

use crate::base::time::Instant;
use crate::dht::config::Config;
use crate::dht::event::Output;
use crate::dht::node::journal::{Call, Record};
use crate::dht::node::output_hash::OutputHash;
use crate::sim::paths::HostId;

/// Calls between two hashes.
const MARK_EVERY: u32 = 64;

/// The journals of a world, shared with it: they are there also after it has come to a panic.
#[derive(Clone, Default, Debug)]
pub struct Journals(Rc<RefCell<Tapes>>);

#[derive(Default, Debug)]
struct Tapes {
    /// Of the node that each host has now, or had last.
    newest: BTreeMap<HostId, Tape>,
    /// To which a call was made last.
    last: Option<HostId>,
}

/// A node's run so far.
#[derive(Debug)]
struct Tape {
    config: Config,
    rng_seed: [u8; 32],
    records: Vec<u8>,
    hash: OutputHash,
    now: Instant,
    /// Since the record before.
    polls: u32,
    /// Since the hash before.
    calls: u32,
    /// A call was made, and the node has not been drained since.
    is_in_call: bool,
}

/// The journal of one node.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct NodeJournal {
    /// Where it ran.
    pub host: HostId,
    /// What it was made of, with the sizes of storage that [`Storage::allocate`](crate::Storage::allocate) gives it.
    pub config: Config,
    /// Its seed.
    pub rng_seed: [u8; 32],
    /// Its run: [records](crate::dht::journal::Record), the last of which says that it is the last one, unless the node
    /// panicked at the last call.
    pub records: Vec<u8>,
}

impl Journals {
    /// The journal of the newest node that a host has had, up to now.
    #[must_use]
    pub fn newest(&self, host: HostId) -> Option<NodeJournal> {
        self.0.borrow().newest.get(&host).map(|tape| tape.journal(host))
    }

    /// The same of the node to which a call was made last: where a world has come to a panic, mostly that is whose.
    #[must_use]
    pub fn last(&self) -> Option<NodeJournal> {
        let host = self.0.borrow().last?;
        self.newest(host)
    }

    /// The hosts that have one, in the order in which they were added.
    #[must_use]
    pub fn hosts(&self) -> Vec<HostId> {
        self.0.borrow().newest.keys().copied().collect()
    }

    pub(super) fn begin(&self, host: HostId, config: &Config, rng_seed: [u8; 32]) {
        let tape = Tape {
            config: config.clone(),
            rng_seed,
            records: Vec::new(),
            hash: OutputHash::default(),
            now: Instant::ZERO,
            polls: 0,
            calls: 0,
            is_in_call: false,
        };
        self.0.borrow_mut().newest.insert(host, tape);
    }

    /// A call is about to be made to the node of a host.
    pub(super) fn call(&self, host: HostId, now: Instant, call: Call<'_>) {
        let mut tapes = self.0.borrow_mut();
        tapes.last = Some(host);
        if let Some(tape) = tapes.newest.get_mut(&host) {
            tape.call(now, call);
        }
    }

    /// It was polled.
    pub(super) fn output(&self, host: HostId, output: &Output<'_>) {
        if let Some(tape) = self.0.borrow_mut().newest.get_mut(&host) {
            tape.polls += 1;
            tape.hash.add(output);
            tape.is_in_call = !matches!(output, Output::Timeout(_));
        }
    }
}

impl Tape {
    fn call(&mut self, now: Instant, call: Call<'_>) {
        (self.now, self.is_in_call) = (now, true);
        self.calls += 1;
        if self.calls >= MARK_EVERY {
            self.calls = 0;
            self.polls = write(&mut self.records, (self.polls, now), Call::Mark { hash: self.hash.finish() });
        }
        self.polls = write(&mut self.records, (self.polls, now), call);
    }

    fn journal(&self, host: HostId) -> NodeJournal {
        let Tape { config, rng_seed, records, hash, now, polls, is_in_call, .. } = self;
        let mut records = records.clone();
        let polls = write(&mut records, (*polls, *now), Call::Mark { hash: hash.finish() });
        if !is_in_call {
            write(&mut records, (polls, *now), Call::End);
        }
        NodeJournal { host, config: config.clone(), rng_seed: *rng_seed, records }
    }
}

/// Adds a record, before which so many polls were made; how many were made since.
fn write(records: &mut Vec<u8>, (polls, now): (u32, Instant), call: Call<'_>) -> u32 {
    let mut bytes = [0; Record::MAX_LEN];
    // There is room for any record.
    if let Ok(len) = (Record { polls, now, call }).encode(&mut bytes) {
        records.extend_from_slice(&bytes[..len]);
    }
    0
}
