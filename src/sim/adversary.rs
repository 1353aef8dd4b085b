//! Those who harm: each is a remote node that does one thing wrong.
//!
//! What a [`Malice`] leaves alone is done as by any other node, so that a node of ours has nothing else to know it by.
//! Whoever harms by being many (sybils) is many of these, at addresses and under ids that [`Prefix`] and the one who
//! builds the world choose.
//!
//! [`Prefix`]: crate::sim::Prefix

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec::Vec;

use crate::base::time::{Duration, Instant};
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;
use crate::krpc::message::{Decoded, Method, Query, decode};
use crate::sim::participant::{Moment, Participant};
use crate::sim::referrals::Knowledge;
use crate::sim::remote::{Changes, Remote, target_of};

/// What somebody does wrong.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Malice {
    /// Never answers.
    Silent,
    /// Answers so much later.
    Slow(Duration),
    /// Sends back what it is sent.
    Echo,
    /// Answers under the id of the one who asks.
    ReflectId,
    /// Answers under another id each time.
    HopId,
    /// Names none but these.
    Collude(Rc<Vec<(Id, Endpoint)>>),
    /// Names others who are there, under ids next to what is looked for.
    WrongIds,
    /// Confirms what it is given, and returns none of it.
    Withhold,
    /// Confirms every version of an item, and keeps the first.
    Stale,
    /// Claims to hold a version that nobody has signed.
    Claim(i64),
    /// Gives write tokens that it does not take.
    WrongToken,
    /// Answers with as much as a datagram holds.
    Huge,
    /// Says that it sees others at this address.
    Vote(Endpoint),
}

/// Whoever does one thing wrong when it is asked.
#[derive(Debug)]
pub struct Adversary {
    remote: Remote,
    malice: Malice,
    /// What is sent later.
    later: VecDeque<(Instant, Endpoint, Vec<u8>)>,
}

impl Adversary {
    /// A node with this id that does this wrong.
    #[must_use]
    pub fn new(id: Id, knowledge: Knowledge, malice: Malice) -> Self {
        Adversary { remote: Remote::new(id, knowledge), malice, later: VecDeque::new() }
    }

    fn answer(&mut self, moment: &mut Moment<'_>, from: Endpoint, query: &Query<'_>) -> Vec<u8> {
        let (target, is_get) = (target_of(&query.method), matches!(query.method, Method::Get { .. }));
        let is_store = matches!(query.method, Method::Put { .. } | Method::AnnouncePeer { .. });
        let mut changes = Changes::default();
        let named = target.map(|target| self.named(moment, &target)).unwrap_or_default();
        if !named.is_empty() {
            changes.named = Some(&named);
        }
        match &self.malice {
            Malice::ReflectId => changes.id = Some(query.id),
            Malice::HopId => changes.id = Some(Id::random(moment.rng)),
            Malice::Vote(addr) => changes.ip = Some(*addr),
            Malice::Claim(seq) if is_get => changes.claim = Some(*seq),
            Malice::Withhold => (changes.withholds, changes.confirms) = (true, true),
            Malice::Stale => {
                // What it has it keeps, and says yes to all that comes.
                changes.confirms = is_store && self.has(moment.now, &query.method);
            }
            Malice::WrongToken => changes.token = Some(b"no token"),
            Malice::Huge if target.is_some() => changes.value = Some(HUGE),
            _ => {}
        }
        self.remote.serve(moment, from, query, &changes)
    }

    /// Whom it names instead of those that it should.
    fn named(&self, moment: &mut Moment<'_>, target: &Id) -> Vec<(Id, Endpoint)> {
        match &self.malice {
            Malice::Collude(those) => {
                let mut those: Vec<_> = those.iter().copied().collect();
                those.sort_unstable_by_key(|(id, _)| id.distance(target));
                those.truncate(8);
                those
            }
            Malice::WrongIds => wrong_ids(moment, target),
            _ => Vec::new(),
        }
    }

    fn has(&self, now: Instant, method: &Method<'_>) -> bool {
        matches!(method, Method::Put { item, .. } if self.remote.holds(now, &item.target()).is_some())
    }
}

/// As much as a value may have.
const HUGE: &[u8; 1_000] = &{
    let mut value = [b'x'; 1_000];
    [value[0], value[1], value[2], value[3]] = *b"996:";
    value
};

/// Eight that are there, under ids next to a target.
fn wrong_ids(moment: &mut Moment<'_>, target: &Id) -> Vec<(Id, Endpoint)> {
    let hosts = moment.oracle.closest(&Id::random(moment.rng), 8);
    let mut near = |host| {
        let endpoint = moment.oracle.known(host)?.endpoint;
        Some((target.random_in_bucket(20 + moment.rng.below(40), moment.rng), endpoint))
    };
    hosts.into_iter().filter_map(&mut near).collect()
}

impl Participant for Adversary {
    fn on_datagram(&mut self, moment: &mut Moment<'_>, from: Endpoint, payload: &[u8]) {
        if self.malice == Malice::Silent {
            return;
        }
        if self.malice == Malice::Echo {
            return moment.send(from, payload);
        }
        let Ok(Decoded::Query(query)) = decode(payload) else { return };
        let answer = self.answer(moment, from, &query);
        match self.malice {
            Malice::Slow(time) => self.later.push_back((moment.now + time, from, answer)),
            _ => moment.send(from, &answer),
        }
    }

    fn on_timer(&mut self, moment: &mut Moment<'_>) {
        while self.later.front().is_some_and(|(at, ..)| *at <= moment.now) {
            let Some((_, to, answer)) = self.later.pop_front() else { return };
            moment.send(to, &answer);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.later.front().map(|(at, ..)| *at)
    }

    fn on_start(&mut self) {
        self.remote.on_start();
        self.later.clear();
    }

    fn holds(&self, now: Instant, target: &Id) -> Option<i64> {
        // What is not returned is not held.
        self.remote.holds(now, target).filter(|_| self.malice != Malice::Withhold)
    }
}
