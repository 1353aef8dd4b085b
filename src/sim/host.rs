//! A host: who decides there, when it wants to be woken, and what its clock says.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::base::time::{Duration, Instant};
use crate::dht::node::Node;
use crate::krpc::endpoint::Endpoint;
use crate::sim::news::News;
use crate::sim::participant::Participant;

/// Who decides what a host does.
pub(super) enum Mind {
    /// One of our nodes.
    Node(Box<Node<'static>>),
    /// Whoever is none.
    Participant(Box<dyn Participant>),
    /// A program that waits for datagrams; these have arrived.
    Application(VecDeque<(Endpoint, Vec<u8>)>),
    /// Nobody, for now.
    Absent,
}

/// A host.
pub(super) struct Host {
    mind: Mind,
    /// What its user was told and has not taken.
    news: Vec<News>,
    clock: HostClock,
    /// When it wants to be woken, in the time of the world.
    deadline: Option<Instant>,
    /// The earliest time at which it will be woken in any case.
    planned: Option<Instant>,
    /// When it was woken last and did nothing, and how often that was in a row, a millisecond apart at most.
    idle: (Instant, u32),
}

/// How a host's clock differs from the time of the world.
#[derive(Clone, Copy, Default, Debug)]
struct HostClock {
    /// Microseconds.
    ahead: i64,
}

impl HostClock {
    fn read(self, world: Instant) -> Instant {
        Instant::from_micros(world.as_micros().saturating_add_signed(self.ahead))
    }

    /// When it will show this.
    fn world(self, read: Instant) -> Instant {
        Instant::from_micros(read.as_micros().saturating_add_signed(self.ahead.saturating_neg()))
    }
}

impl Host {
    pub(super) fn new(mind: Mind) -> Self {
        Host {
            mind,
            news: Vec::new(),
            clock: HostClock::default(),
            deadline: None,
            planned: None,
            idle: (Instant::ZERO, 0),
        }
    }

    pub(super) fn mind(&self) -> &Mind {
        &self.mind
    }

    pub(super) fn mind_mut(&mut self) -> &mut Mind {
        &mut self.mind
    }

    /// Somebody else decides from now on.
    pub(super) fn set_mind(&mut self, mind: Mind) {
        self.mind = mind;
    }

    pub(super) fn news(&self) -> &[News] {
        &self.news
    }

    pub(super) fn take_news(&mut self) -> Vec<News> {
        core::mem::take(&mut self.news)
    }

    /// Its user is told something.
    pub(super) fn tell(&mut self, news: News) {
        self.news.push(news);
    }

    /// What its clock says.
    pub(super) fn read(&self, now: Instant) -> Instant {
        self.clock.read(now)
    }

    /// Its clock is set forward, or back.
    pub(super) fn set_clock(&mut self, forward: bool, by: Duration) {
        let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        let change = if forward { micros } else { -micros };
        self.clock.ahead = self.clock.ahead.saturating_add(change);
    }

    /// It wants to be woken when its clock says this, which may be now. When that is to be planned, if it is not
    /// planned yet.
    pub(super) fn wait_until(&mut self, now: Instant, deadline: Option<Instant>) -> Option<Instant> {
        self.deadline = deadline.map(|at| self.clock.world(at).max(now));
        let at = self.deadline.filter(|at| self.planned.is_none_or(|planned| planned > *at))?;
        self.planned = Some(at);
        Some(at)
    }

    /// It was woken and did something or nothing; how often in a row that was nothing, a millisecond apart at most.
    pub(super) fn on_woken(&mut self, now: Instant, is_idle: bool) -> u32 {
        let (before, many) = self.idle;
        let is_in_a_row = is_idle && now.since(before) <= Duration::from_millis(1);
        self.idle = (now, if is_in_a_row { many + 1 } else { 0 });
        self.idle.1
    }

    /// A planned time has come: whether it is to be woken, and what is to be planned instead.
    pub(super) fn on_planned(&mut self, now: Instant) -> (bool, Option<Instant>) {
        // What was planned for later, and then for earlier too, comes to nothing.
        if self.planned != Some(now) {
            return (false, None);
        }
        self.planned = None;
        match self.deadline {
            Some(at) if at <= now => (true, None),
            later => {
                self.planned = later;
                (false, later)
            }
        }
    }
}
