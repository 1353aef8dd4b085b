//! Queries in flight: what each open query is for, and the id on the wire that finds it again.
//!
//! A query is in flight, then perhaps *late* (its soft timeout passed: the operation stops waiting, but the answer is
//! still taken), and ends with an answer, a refusal or its hard timeout. All queries of a node have the same hard
//! timeout, so a list in the order of sending is a list in the order of failing, and its head is the next to fail.
//!
//! The 4-byte transaction id (the mainline crate's servers drop any other length) is a keyed permutation of (place,
//! how often the place was used): the place is found in constant time, an id is not reused for 65,536 turns of
//! its place, and without having seen the query it cannot be guessed. An answer counts only if transaction id, endpoint
//! and link all match (R74 of the hostile inputs: a response from another port does not match).

use core::fmt;
use core::hash::Hasher;

use siphasher::sip::SipHasher13;

use crate::base::list::List;
use crate::base::lru::{Lru, LruLink};
use crate::base::slab::SlabKey;
use crate::base::time::{Duration, Instant};
use crate::dht::event::LinkId;
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;

/// What the answer to a query is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// The table wants to know whether the contact still answers.
    Check,
    /// A stage of an operation.
    Operation {
        /// The operation.
        key: SlabKey,
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
    /// The query that finds those that share so many bits with the target, and no more.
    Aside {
        /// That many.
        bits: u8,
        /// The quarter of those, outward, to which it is nearest.
        quarter: u8,
    },
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
    pub link: LinkId,
    /// Whom we meant; `None` when only the address was known.
    pub id: Option<Id>,
    /// What for.
    pub purpose: Purpose,
    /// When.
    pub sent: Instant,
    /// Whether its soft timeout has passed.
    pub late: bool,
    /// Nobody waits for what it is part of.
    pub in_background: bool,
    /// Others named it, and it was no contact of ours.
    pub is_named: bool,
}

impl Open {
    /// The operation that it belongs to, and its stage.
    pub fn step(&self) -> Option<(SlabKey, Stage)> {
        match self.purpose {
            Purpose::Check => None,
            Purpose::Operation { key, stage } => Some((key, stage)),
        }
    }
}

/// A place for one open query.
#[derive(Clone, Copy, Default, Debug)]
pub struct TransactionEntry {
    open: Option<Open>,
    turn: u16,
}

/// Memory of [`Transactions`]; both parts have the same capacity.
#[derive(Debug)]
pub struct TransactionsMemory<'s> {
    /// The open queries.
    pub entries: List<'s, TransactionEntry>,
    /// Their order by the time they were sent.
    pub ages: List<'s, LruLink>,
}

/// The table of open queries.
pub struct Transactions<'s> {
    entries: List<'s, TransactionEntry>,
    ages: Lru<'s>,
    in_background: usize,
    key: [u64; 2],
    hard_timeout: Duration,
}

impl fmt::Debug for Transactions<'_> {
    /// The open queries; not the key, which says their ids.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Transactions { entries, ages, in_background, hard_timeout, key: _ } = self;
        f.debug_struct("Transactions")
            .field("entries", entries)
            .field("ages", ages)
            .field("in_background", in_background)
            .field("hard_timeout", hard_timeout)
            .finish_non_exhaustive()
    }
}

impl<'s> Transactions<'s> {
    /// An empty table, keyed by `key`.
    pub fn new(memory: TransactionsMemory<'s>, key: [u64; 2], hard_timeout: Duration) -> Self {
        let TransactionsMemory { mut entries, ages } = memory;
        debug_assert!(entries.capacity() >= ages.capacity(), "a place for every age");
        entries.clear();
        Transactions { entries, ages: Lru::new(ages), in_background: 0, key, hard_timeout }
    }

    /// Open queries.
    pub fn len(&self) -> usize {
        self.ages.len()
    }

    /// Those of them that nobody waits for.
    pub fn in_background(&self) -> usize {
        self.in_background
    }

    /// Whether no query is open.
    #[allow(dead_code, reason = "asked by tests and the recount of invariants only")]
    pub fn is_empty(&self) -> bool {
        self.ages.is_empty()
    }

    /// Opens a query; its place and its transaction id, or `None` when every place is taken.
    pub fn open(&mut self, open: Open) -> Option<(u16, [u8; 4])> {
        // There are no more places than 16 bits can number (`Capacity::check`).
        let index = self.ages.claim()? as u16;
        self.entries.grow_to(usize::from(index) + 1);
        let entry = self.entries.get_mut(usize::from(index))?;
        entry.turn = entry.turn.wrapping_add(1);
        entry.open = Some(open);
        self.in_background += usize::from(open.in_background);
        let turn = entry.turn;
        Some((index, self.seal(index, turn)))
    }

    /// The open query that an answer belongs to, if transaction id, endpoint and link all match.
    pub fn find(&self, tid: &[u8], from: &Endpoint, link: LinkId) -> Option<u16> {
        self.find_by_tid(tid, link).filter(|&index| self.at(index).is_some_and(|open| open.to == *from))
    }

    /// The open query with this transaction id, which nobody else can guess, wherever that came from.
    pub fn find_by_tid(&self, tid: &[u8], link: LinkId) -> Option<u16> {
        let (index, turn) = self.unseal(tid.try_into().ok()?);
        let entry = self.entries.get(usize::from(index))?;
        let open = entry.open.as_ref()?;
        (entry.turn == turn && open.link == link).then_some(index)
    }

    /// The open query at a place.
    pub fn at(&self, index: u16) -> Option<&Open> {
        self.entries.get(usize::from(index))?.open.as_ref()
    }

    /// The latest open query to an address: a notice that nothing could be sent there, or that it is unreachable, names
    /// only the address. Scans the table.
    pub fn find_by_endpoint(&self, to: &Endpoint, link: LinkId) -> Option<u16> {
        self.indexes().filter(|&index| self.at(index).is_some_and(|open| open.to == *to && open.link == link)).last()
    }

    /// Marks a query as late; its open state, if it was not late before.
    pub fn mark_late(&mut self, index: u16) -> Option<Open> {
        let open = self.entries.get_mut(usize::from(index))?.open.as_mut()?;
        let before = *open;
        open.late = true;
        (!before.late).then_some(before)
    }

    /// Ends a query.
    pub fn take(&mut self, index: u16) -> Option<Open> {
        let open = self.entries.get_mut(usize::from(index))?.open.take()?;
        self.ages.release(index.into());
        self.in_background -= usize::from(open.in_background);
        Some(open)
    }

    /// When the next query fails.
    pub fn hard_deadline(&self) -> Option<Instant> {
        self.at(self.oldest()?).map(|open| open.sent + self.hard_timeout)
    }

    /// The place of the query that was sent first: the next to fail.
    pub fn oldest(&self) -> Option<u16> {
        self.indexes().next()
    }

    /// Places.
    pub fn capacity(&self) -> usize {
        self.ages.capacity()
    }

    /// Recounts everything that has to hold.
    #[cfg(any(test, debug_assertions))]
    pub fn check_invariants(&self) {
        assert!(self.iter().is_sorted_by_key(|open| open.sent), "in the order of sending");
        assert_eq!(self.iter().count(), self.len(), "only open queries have an age");
        let all = self.entries.iter().filter(|entry| entry.open.is_some()).count();
        assert_eq!(all, self.len(), "and all of them");
        assert_eq!(self.iter().filter(|open| open.in_background).count(), self.in_background);
    }

    /// The open queries, in the order of sending.
    pub fn iter(&self) -> impl Iterator<Item = &Open> {
        self.indexes().filter_map(|index| self.at(index))
    }

    /// The places of open queries, in the order of sending.
    fn indexes(&self) -> impl Iterator<Item = u16> {
        self.ages.iter().map(|index| index as u16)
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
        Open {
            to: Endpoint::v4([1, 2, 3, 4], port),
            link: LinkId(0),
            id: None,
            purpose: Purpose::Check,
            sent,
            late: false,
            in_background: false,
            is_named: false,
        }
    }

    fn table(n: usize) -> Transactions<'static> {
        let memory = TransactionsMemory { entries: List::with_capacity(n), ages: List::with_capacity(n) };
        Transactions::new(memory, [1, 2], TIMEOUT)
    }

    /// Rule L10.
    #[test]
    fn an_answer_counts_only_if_tid_endpoint_and_link_match() {
        let mut t = table(4);
        let (index, tid) = t.open(open(9, Instant::ZERO)).unwrap();
        let to = Endpoint::v4([1, 2, 3, 4], 9);
        assert_eq!(t.find(&tid, &to, LinkId(0)), Some(index));
        assert_eq!(t.find(&tid, &to.with_port(8), LinkId(0)), None);
        assert_eq!(t.find(&tid, &to, LinkId(1)), None);
        assert_eq!(t.find(&tid[..3], &to, LinkId(0)), None);
        assert_eq!(t.find(&[tid[0] ^ 1, tid[1], tid[2], tid[3]], &to, LinkId(0)), None);
        assert!(t.take(index).is_some());
        assert_eq!(t.find(&tid, &to, LinkId(0)), None);
    }

    #[test]
    fn a_place_that_is_used_again_has_another_tid() {
        let mut t = table(1);
        let (index, first) = t.open(open(9, Instant::ZERO)).unwrap();
        t.take(index);
        let (again, second) = t.open(open(9, Instant::ZERO)).unwrap();
        assert_eq!(index, again);
        assert_ne!(first, second);
        assert_eq!(t.find(&first, &Endpoint::v4([1, 2, 3, 4], 9), LinkId(0)), None);
    }

    #[test]
    fn the_table_is_full_at_its_capacity_and_not_before() {
        let mut t = table(3);
        for port in 1..=3 {
            assert!(t.open(open(port, Instant::ZERO)).is_some());
        }
        assert!(t.len() == 3 && t.open(open(4, Instant::ZERO)).is_none());
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
