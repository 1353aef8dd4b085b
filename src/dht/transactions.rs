//! Queries in flight: what each open query is for, and the id on the wire that finds it again.
//!
//! A query is in flight, then perhaps *late* (its soft timeout passed: whoever waits stops waiting, but the answer is
//! still taken), and ends with an answer, a refusal or its hard timeout. All queries of a node have the same hard
//! timeout, so a list in the order of sending is a list in the order of failing, and its head is the next to fail.
//!
//! The 4-byte transaction id (the mainline crate's servers drop any other length) is a keyed permutation of (place,
//! how often the place was used): the place is found in constant time, an id is not reused for 65,536 turns of
//! its place, and whoever has not seen the query cannot guess it. An answer counts only if transaction id, endpoint
//! and link all match (R74 of the hostile inputs: right address, wrong port is nobody).

use core::hash::Hasher;

use siphasher::sip::SipHasher13;

use crate::base::slab::Memory;
use crate::base::time::{Duration, Instant};
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;

/// What the answer to a query is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// The table wants to know whether the contact still answers.
    Check,
    /// A stage of an operation.
    Operation {
        /// Place of the operation.
        index: u16,
        /// Which operation of that place.
        generation: u32,
        /// What kind of stage.
        stage: Stage,
    },
}

/// A stage of an operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// The query that finds closer nodes.
    Converge,
    /// A put or an announce.
    Store,
    /// The only query of an operation that asks one node.
    Direct,
    /// The first query to an address whose id is not known.
    Bootstrap,
}

/// An open query.
#[derive(Clone, Copy, Debug)]
pub struct Open {
    /// Where it went.
    pub to: Endpoint,
    /// The link it left from.
    pub link: u8,
    /// Whom we meant; `None` when only the address was known.
    pub id: Option<Id>,
    /// What for.
    pub purpose: Purpose,
    /// When.
    pub sent: Instant,
    /// Whether its soft timeout has passed.
    pub late: bool,
}

/// A place for one open query.
#[derive(Clone, Copy, Debug)]
pub struct TransactionEntry {
    state: TransactionState,
    turn: u16,
    older: u16,
    newer: u16,
}

/// With this representation a free place has no bit set.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
enum TransactionState {
    Free,
    Open(Open),
}

impl TransactionEntry {
    /// Unused memory: all its bits are zero, so that a static of it costs no flash.
    pub const BLANK: TransactionEntry = TransactionEntry { state: TransactionState::Free, turn: 0, older: 0, newer: 0 };

    fn open(&self) -> Option<&Open> {
        match &self.state {
            TransactionState::Open(open) => Some(open),
            TransactionState::Free => None,
        }
    }
}

impl Default for TransactionEntry {
    fn default() -> Self {
        TransactionEntry::BLANK
    }
}

const NONE: u16 = u16::MAX;

/// The table of open queries.
#[derive(Debug)]
pub struct Transactions<'s> {
    entries: Memory<'s, TransactionEntry>,
    /// Head of the list of free places, linked through `newer`.
    free: u16,
    oldest: u16,
    newest: u16,
    len: u16,
    key: [u64; 2],
    hard_timeout: Duration,
}

impl<'s> Transactions<'s> {
    /// A table with a place for each entry of `entries` (at most 65,534), keyed by `key`.
    pub fn new(mut entries: Memory<'s, TransactionEntry>, key: [u64; 2], hard_timeout: Duration) -> Self {
        let len = entries.len().min(usize::from(NONE)) as u16;
        for (i, entry) in (0..len).zip(entries.iter_mut()) {
            *entry = TransactionEntry { newer: if i + 1 < len { i + 1 } else { NONE }, ..TransactionEntry::default() };
        }
        let free = if len > 0 { 0 } else { NONE };
        Transactions { entries, free, oldest: NONE, newest: NONE, len: 0, key, hard_timeout }
    }

    /// Open queries.
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Whether no query is open.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether every place is taken.
    pub fn is_full(&self) -> bool {
        self.free == NONE
    }

    /// Opens a query; its place and its transaction id, or `None` when every place is taken.
    pub fn open(&mut self, open: Open) -> Option<(u16, [u8; 4])> {
        let index = self.free;
        let newest = self.newest;
        let entry = self.entries.get_mut(usize::from(index))?;
        self.free = entry.newer;
        let turn = entry.turn.wrapping_add(1);
        *entry = TransactionEntry { state: TransactionState::Open(open), turn, older: newest, newer: NONE };
        match self.entries.get_mut(usize::from(newest)) {
            Some(previous) => previous.newer = index,
            None => self.oldest = index,
        }
        self.newest = index;
        self.len += 1;
        Some((index, self.seal(index, turn)))
    }

    /// The open query that an answer belongs to, if transaction id, endpoint and link all match.
    pub fn find(&self, tid: &[u8], from: &Endpoint, link: u8) -> Option<u16> {
        let (index, turn) = self.unseal(tid.try_into().ok()?);
        let entry = self.entries.get(usize::from(index))?;
        let open = entry.open()?;
        (entry.turn == turn && open.to == *from && open.link == link).then_some(index)
    }

    /// The open query at a place.
    pub fn at(&self, index: u16) -> Option<&Open> {
        self.entries.get(usize::from(index))?.open()
    }

    /// The oldest open query to an address (an unreachable notice names only the address). Scans the table.
    pub fn find_by_endpoint(&self, to: &Endpoint, link: u8) -> Option<u16> {
        let mut index = self.oldest;
        while let Some(entry) = self.entries.get(usize::from(index)) {
            if entry.open().is_some_and(|open| open.to == *to && open.link == link) {
                return Some(index);
            }
            index = entry.newer;
        }
        None
    }

    /// Marks a query as late; its open state, if it was not late before.
    pub fn mark_late(&mut self, index: u16) -> Option<Open> {
        let TransactionState::Open(open) = &mut self.entries.get_mut(usize::from(index))?.state else { return None };
        let before = *open;
        open.late = true;
        (!before.late).then_some(before)
    }

    /// Ends a query.
    pub fn take(&mut self, index: u16) -> Option<Open> {
        let entry = self.entries.get_mut(usize::from(index))?;
        let TransactionState::Open(open) = core::mem::replace(&mut entry.state, TransactionState::Free) else {
            return None;
        };
        let (older, newer) = (entry.older, entry.newer);
        entry.newer = self.free;
        self.free = index;
        self.len -= 1;
        match self.entries.get_mut(usize::from(older)) {
            Some(entry) => entry.newer = newer,
            None => self.oldest = newer,
        }
        match self.entries.get_mut(usize::from(newer)) {
            Some(entry) => entry.older = older,
            None => self.newest = older,
        }
        Some(open)
    }

    /// When the next query fails.
    pub fn hard_deadline(&self) -> Option<Instant> {
        self.at(self.oldest).map(|open| open.sent + self.hard_timeout)
    }

    /// The place of the query that was sent first: the next to fail.
    pub fn oldest(&self) -> Option<u16> {
        self.at(self.oldest).map(|_| self.oldest)
    }

    /// Places.
    pub fn capacity(&self) -> usize {
        self.entries.len().min(usize::from(NONE))
    }

    /// Recounts everything that has to hold.
    #[cfg(any(test, debug_assertions))]
    pub fn check_invariants(&self) {
        let (mut index, mut older, mut open) = (self.oldest, NONE, 0);
        let mut sent = Instant::ZERO;
        while let Some(entry) = self.entries.get(usize::from(index)) {
            assert!(open < self.len() && entry.older == older, "a list without circles, the same from both ends");
            let query = entry.open().expect("only open queries are listed");
            assert!(sent <= query.sent, "in the order of sending");
            (older, index, sent, open) = (index, entry.newer, query.sent, open + 1);
        }
        assert_eq!((self.newest, self.len()), (older, open));
        let (mut index, mut free) = (self.free, 0);
        while let Some(entry) = self.entries.get(usize::from(index)) {
            assert!(free < self.capacity() && entry.open().is_none(), "only free places are free");
            (index, free) = (entry.newer, free + 1);
        }
        assert_eq!(open + free, self.capacity(), "no place is lost");
    }

    /// Four Feistel rounds over two 16-bit halves.
    fn seal(&self, index: u16, turn: u16) -> [u8; 4] {
        let (mut left, mut right) = (index, turn);
        for round in 0..4 {
            (left, right) = (right, left ^ self.round(round, right));
        }
        let ([a, b], [c, d]) = (left.to_be_bytes(), right.to_be_bytes());
        [a, b, c, d]
    }

    fn unseal(&self, [a, b, c, d]: [u8; 4]) -> (u16, u16) {
        let (mut left, mut right) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        for round in (0..4).rev() {
            (left, right) = (right ^ self.round(round, left), left);
        }
        (left, right)
    }

    fn round(&self, round: u8, half: u16) -> u16 {
        let mut hasher = SipHasher13::new_with_keys(self.key[0], self.key[1] ^ u64::from(round));
        hasher.write(&half.to_le_bytes());
        hasher.finish() as u16
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(2);

    fn open(port: u16, sent: Instant) -> Open {
        Open { to: Endpoint::v4([1, 2, 3, 4], port), link: 0, id: None, purpose: Purpose::Check, sent, late: false }
    }

    fn table(n: usize) -> Transactions<'static> {
        Transactions::new(Memory::allocate(n), [1, 2], TIMEOUT)
    }

    #[test]
    fn an_answer_counts_only_if_tid_endpoint_and_link_match() {
        let mut t = table(4);
        let (index, tid) = t.open(open(9, Instant::ZERO)).unwrap();
        let to = Endpoint::v4([1, 2, 3, 4], 9);
        assert_eq!(t.find(&tid, &to, 0), Some(index));
        assert_eq!(t.find(&tid, &to.with_port(8), 0), None);
        assert_eq!(t.find(&tid, &to, 1), None);
        assert_eq!(t.find(&tid[..3], &to, 0), None);
        assert_eq!(t.find(&[tid[0] ^ 1, tid[1], tid[2], tid[3]], &to, 0), None);
        assert!(t.take(index).is_some());
        assert_eq!(t.find(&tid, &to, 0), None);
    }

    #[test]
    fn a_place_that_is_used_again_has_another_tid() {
        let mut t = table(1);
        let (index, first) = t.open(open(9, Instant::ZERO)).unwrap();
        t.take(index);
        let (again, second) = t.open(open(9, Instant::ZERO)).unwrap();
        assert_eq!(index, again);
        assert_ne!(first, second);
        assert_eq!(t.find(&first, &Endpoint::v4([1, 2, 3, 4], 9), 0), None);
    }

    #[test]
    fn the_table_is_full_at_its_capacity_and_not_before() {
        let mut t = table(3);
        for port in 1..=3 {
            assert!(!t.is_full());
            assert!(t.open(open(port, Instant::ZERO)).is_some());
        }
        assert!(t.is_full() && t.open(open(4, Instant::ZERO)).is_none());
        assert!(table(0).open(open(1, Instant::ZERO)).is_none());
    }

    #[test]
    fn queries_fail_in_the_order_they_were_sent_whatever_was_answered_between() {
        let mut t = table(4);
        let indices: [u16; 4] =
            core::array::from_fn(|i| t.open(open(i as u16 + 1, Instant::from_millis(i as u64))).unwrap().0);
        t.take(indices[1]);
        assert_eq!(t.hard_deadline(), Some(Instant::ZERO + TIMEOUT));
        let order: [u16; 3] = core::array::from_fn(|_| t.take(t.oldest().unwrap()).unwrap().to.port());
        assert_eq!(order, [1, 3, 4]);
        assert!(t.is_empty() && t.hard_deadline().is_none());
    }

    #[test]
    fn a_query_turns_late_once() {
        let mut t = table(1);
        let (index, _) = t.open(open(1, Instant::ZERO)).unwrap();
        assert!(t.mark_late(index).is_some());
        assert!(t.mark_late(index).is_none() && t.at(index).unwrap().late);
        assert!(t.mark_late(77).is_none());
    }

    #[test]
    fn tids_are_a_permutation() {
        let t = table(1);
        for index in [0, 1, 2, 77, 65_533] {
            for turn in [0, 1, 65_535] {
                assert_eq!(t.unseal(t.seal(index, turn)), (index, turn));
            }
        }
    }
}
