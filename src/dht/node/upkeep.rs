//! Time: what falls due, and what the node does for itself.

use core::fmt;

use crate::base::slab::SlabKey;
use arrayvec::ArrayVec;

use crate::base::time::{Duration, Instant};
use crate::dht::config::K;
use crate::dht::event::Reason;
use crate::dht::node::input::QueryFailure;
use crate::dht::node::operation::{Goal, Parts};
use crate::dht::node::state::{Link, Node};
use crate::dht::node::storage::UPKEEP;
use crate::dht::transactions::{Purpose, Stage};

/// What the next deadline is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Timer {
    /// A query gets no answer any more: it has failed.
    HardTimeout,
    /// A query is late and gives its slot back, or an operation wants to go on or has to end.
    SoftTimeout,
    /// A contact is to be asked whether it still answers.
    Check,
    /// A bucket without news is to be looked up.
    Refresh,
    /// An empty table is to be filled from the bootstrap addresses.
    Bootstrap,
    /// The secret behind the write tokens is to be changed.
    Tokens,
    /// A peer that we hold for others expires.
    Peers,
    /// An item that we hold for others expires.
    Items,
}

impl fmt::Display for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Timer::HardTimeout => "hard timeout",
            Timer::SoftTimeout => "soft timeout",
            Timer::Check => "check",
            Timer::Refresh => "refresh",
            Timer::Bootstrap => "bootstrap",
            Timer::Tokens => "tokens",
            Timer::Peers => "peers",
            Timer::Items => "items",
        })
    }
}

impl Link<'_> {
    /// Puts checks of the table off.
    pub(super) fn hold_checks(&mut self, until: Instant) {
        self.check_due = false;
        self.hold = self.hold.max(until);
    }

    fn check_at(&self) -> Option<Instant> {
        self.table.check_at().map(|at| at.max(self.hold))
    }
}

impl Node<'_> {
    pub(super) fn on_timeout(&mut self, now: Instant) {
        self.served = Some(now);
        while self.transactions.hard_deadline().is_some_and(|at| at <= now) {
            let Some(index) = self.transactions.oldest() else { break };
            self.fail(now, index, QueryFailure::Timeout);
        }
        while let Some(key) = self.deadlines.pop_due(now) {
            match key.checked_sub(self.transactions.capacity() as u16) {
                None => self.on_late(key),
                Some(index) => self.on_wake(now, index),
            }
        }
        for link in self.links.iter_mut() {
            if link.check_at().is_some_and(|at| at <= now) {
                match link.outage.ask_at(now) {
                    Some(at) if at > now => link.hold_checks(at),
                    _ => link.check_due = true,
                }
            }
        }
        for link in 0..self.links.len() {
            self.refresh(now, link);
        }
        self.expire(now);
    }

    /// Takes out of service what is too old to serve: secrets, peers, items. Each query is preceded by this, so that
    /// a timeout that comes late lengthens no life.
    pub(super) fn expire(&mut self, now: Instant) {
        if self.tokens.rotate_at() <= now {
            self.tokens.rotate(now, &mut self.rng);
        }
        if self.peers.sweep_at().is_some_and(|at| at <= now) {
            self.peers.sweep(now);
        }
        if self.items.sweep_at().is_some_and(|at| at <= now) {
            self.items.sweep(now);
        }
    }

    /// A query passed its soft timeout: its slot is free again, its answer still welcome.
    fn on_late(&mut self, index: u16) {
        let Some(open) = self.transactions.mark_late(index) else { return };
        let (Purpose::Operation { index, generation, stage: Stage::Converge }, Some(id)) = (open.purpose, open.id)
        else {
            return;
        };
        if let Some(Parts { operation, mut window, .. }) = self.operations.parts(SlabKey { index, generation }) {
            operation.lookup.on_late(&mut window, &id, &open.to);
            self.ready.insert(index);
        }
    }

    fn on_wake(&mut self, now: Instant, index: u16) {
        let Some(key) = self.operations.key_at(index) else { return };
        let Some(Parts { operation, .. }) = self.operations.parts(key) else { return };
        let deadline = operation.deadline;
        self.ready.insert(index);
        if deadline <= now {
            // No other wake-up, which would be due at once and for ever: the next drain ends it.
            operation.finish = operation.finish.or(Some(Reason::Deadline));
        } else {
            self.deadlines.set(self.wake_key(index), deadline);
        }
    }

    /// Starts the lookups that keep a table alive: from the bootstrap nodes while it is empty, for a bucket without news later.
    fn refresh(&mut self, now: Instant, index: usize) {
        let Some(link) = self.links.get(index) else { return };
        let bootstrap = link.bootstrap_at.is_some_and(|at| at <= now);
        let refresh = link.table.refresh_at().is_some_and(|at| at <= now);
        if !bootstrap && !refresh {
            return;
        }
        let busy = self.operations.iter().filter(|(_, o)| !o.for_user).count() >= UPKEEP;
        let link = &mut self.links[index];
        if busy {
            // One of them ends soon; ask again then.
            let later = now + Duration::from_secs(1);
            link.bootstrap_at = link.bootstrap_at.map(|at| at.max(later));
            link.refresh_hold = later;
            return;
        }
        if bootstrap {
            link.bootstrap_at = None;
            let target = *link.table.own();
            self.start(now, 0, index as u8, Goal::Bootstrap, target, false);
        } else if let Some(target) = link.table.next_refresh(now, &mut self.rng) {
            self.start(now, 0, index as u8, Goal::Nodes, target, false);
        }
        let link = &mut self.links[index];
        if link.table.refresh_at().is_some_and(|at| at <= now) {
            // What could not be done now must not be due at once for ever.
            link.refresh_hold = now + Duration::from_secs(1);
        }
    }

    /// An operation is about to end: an empty table is bootstrapped again, later and later while that is futile.
    pub(super) fn ended(&mut self, key: SlabKey, reason: Reason) {
        let now = self.now;
        let Some(Parts { operation, window, .. }) = self.operations.parts(key) else { return };
        let (goal, answered) = (operation.goal, operation.outcome.answered);
        let Some(link) = self.links.get_mut(usize::from(operation.link)) else { return };
        if goal == Goal::Nodes && !operation.for_user && reason == Reason::Converged {
            // The target of a refresh is random: how near the nearest are tells how many nodes there are.
            let nearest: ArrayVec<_, K> = operation.lookup.answered(&window).map(|(id, _)| id).take(K).collect();
            link.density.on_lookup(operation.lookup.target(), &nearest);
        }
        if goal == Goal::Bootstrap && answered > 0 {
            link.futile = 0;
        }
        if link.table.is_empty()
            && !self.bootstrap_nodes.is_empty()
            && reason != Reason::Cancelled
            && link.bootstrap_at.is_none()
        {
            let wait = Duration::from_secs(1 << link.futile.min(5));
            link.futile = link.futile.saturating_add(1);
            link.bootstrap_at = Some(now + wait);
        }
    }

    pub(super) fn earliest_timer(&self) -> Option<(Timer, Instant)> {
        let mut first: Option<(Timer, Instant)> = None;
        let mut consider = |timer, at: Option<Instant>| {
            if let Some(at) = at
                && first.is_none_or(|(_, earliest)| at < earliest)
            {
                first = Some((timer, at));
            }
        };
        consider(Timer::HardTimeout, self.transactions.hard_deadline());
        consider(Timer::SoftTimeout, self.deadlines.next().map(|(at, _)| at));
        for link in self.links.iter() {
            consider(Timer::Check, link.check_at());
            consider(Timer::Refresh, link.table.refresh_at().map(|at| at.max(link.refresh_hold)));
            consider(Timer::Bootstrap, link.bootstrap_at);
        }
        consider(Timer::Tokens, Some(self.tokens.rotate_at()));
        consider(Timer::Peers, self.peers.sweep_at());
        consider(Timer::Items, self.items.sweep_at());
        first
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;
    use crate::dht::config::Config;
    use crate::dht::event::{Buffer, Event, Input, Output};
    use crate::dht::node::storage::Storage;
    use crate::krpc::endpoint::Endpoint;
    use crate::krpc::id::Id;

    fn node() -> Node<'static> {
        let config = Config::small().local();
        let storage = Storage::allocate(&config);
        Node::new(config, [7; 32], storage).unwrap()
    }

    /// Drains; why operations ended.
    fn ends(node: &mut Node<'_>) -> std::vec::Vec<Reason> {
        let (mut buffer, mut ends): (Buffer, _) = ([0; 1500], std::vec::Vec::new());
        loop {
            match node.poll_output(&mut buffer) {
                Output::Event(Event::Finished { outcome, .. }) => ends.push(outcome.reason),
                Output::Timeout(_) => return ends,
                _ => {}
            }
        }
    }

    #[test]
    fn a_clock_that_slept_past_the_end_of_an_operation_ends_it() {
        for late in [Instant::from_secs(31), Instant::from_micros(u64::MAX)] {
            let mut node = node();
            node.bootstrap(Instant::ZERO, 1, &[Endpoint::v4([127, 0, 0, 1], 1)]).unwrap();
            node.lookup(Instant::ZERO, 2, Id([1; 20])).unwrap_err();
            assert!(ends(&mut node).is_empty());
            node.handle_input(late, Input::Timeout);
            assert_eq!(ends(&mut node), [Reason::Deadline]);
            node.check_invariants();
        }
    }
}
