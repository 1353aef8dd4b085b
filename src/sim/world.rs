//! A world: hosts, the way between them, and what happens next.
//!
//! Time is virtual and goes from event to event, in a total order; all randomness is one stream. So a seed and the
//! calls of whoever drives the world decide everything, and a run can be had again, bit by bit.

mod known;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use crate::base::error::ConfigError;
use crate::base::rng::Rng;
use crate::base::time::{Duration, Instant};
use crate::dht::config::{Config, LinkConfig};
use crate::dht::event::{Buffer, Event, Input, LinkId, Output};
use crate::dht::node::output_hash::OutputHash;
use crate::dht::node::{Node, Storage};
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;
use crate::sim::ban::Bans;
use crate::sim::calls::NodeCalls;
use crate::sim::course::Course;
use crate::sim::faults::Faults;
use crate::sim::host::{Host, Mind};
use crate::sim::journals::Journals;
use crate::sim::lifetimes::Lifetimes;
use crate::sim::nat::NatKind;
use crate::sim::news::News;
use crate::sim::oracle::{Facts, Oracle};
use crate::sim::participant::{Moment, Participant, Sends};
use crate::sim::paths::{HostId, LineFault, Paths, Site};

/// Outputs of one drain that are too many: a drain ends.
const ENDLESS: usize = 100_000;
/// Wakes in a row, a millisecond apart at most and with nothing to do, that are too many: what was served is not due. A
/// query may be waited for twice, until it is late and until it has failed.
const RESTLESS: usize = 200;
/// Every so many drains all that has to hold in a node is recounted, unless somebody wants it otherwise.
const RECOUNT_EVERY: u64 = 1_000;

/// What happens next.
#[derive(Clone, Copy, Debug)]
enum Happening {
    /// A datagram arrives.
    Arrival(u32),
    /// A host wanted to be woken.
    Wake(HostId),
    /// Something that was planned.
    Action(u32),
}

type Action = Box<dyn FnOnce(&mut World)>;

/// A world in virtual time.
pub struct World {
    now: Instant,
    rng: Rng,
    course: Course<Happening>,
    paths: Paths,
    oracle: Oracle,
    hosts: Vec<Host>,
    actions: Vec<Option<Action>>,
    free_actions: Vec<u32>,
    sends: Sends,
    outputs: Option<OutputHash>,
    journals: Option<Journals>,
    lifetimes: Lifetimes,
    drains: u64,
    /// Every so many drains all that has to hold in a node is recounted; 0: never.
    recount_every: u64,
    recounts: u64,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("now", &self.now).field("hosts", &self.hosts.len()).finish_non_exhaustive()
    }
}

impl World {
    /// An empty world. The hash of all outputs costs some time, so that it is not made unless it is
    /// [asked for](World::hash_outputs).
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut rng_seed = [0; 32];
        rng_seed[..8].copy_from_slice(&seed.to_le_bytes());
        World {
            // So that clocks can be set back.
            now: Instant::from_secs(1 << 20),
            rng: Rng::from_seed(rng_seed),
            course: Course::new(),
            paths: Paths::new(),
            oracle: Oracle::default(),
            hosts: Vec::new(),
            actions: Vec::new(),
            free_actions: Vec::new(),
            sends: Sends::default(),
            outputs: None,
            journals: None,
            lifetimes: Lifetimes::default(),
            drains: 0,
            recount_every: RECOUNT_EVERY,
            recounts: 0,
        }
    }

    // ---- who there is ----

    /// A node of ours, at this place.
    ///
    /// # Errors
    /// Those of [`Node::new`].
    pub fn add_node(&mut self, config: &Config, place: Site) -> Result<HostId, ConfigError> {
        let made = self.node_at(config, None, &place)?;
        let host = self.add_mind(Mind::Absent, place, Some(Id([0; 20])), false);
        self.begin(host, made);
        Ok(host)
    }

    /// Whoever is no node of ours; its id, if it takes part in the network of nodes.
    pub fn add(&mut self, mind: impl Participant + 'static, place: Site, id: Option<Id>, adversary: bool) -> HostId {
        let deadline = mind.deadline();
        let host = self.add_mind(Mind::Participant(Box::new(mind)), place, id, adversary);
        self.lifetimes.begin(self.now, host, false);
        self.wait_until(host, deadline);
        host
    }

    /// At a host that is no node of ours somebody else decides from now on, under the same id.
    pub fn replace(&mut self, host: HostId, mind: impl Participant + 'static, is_adversary: bool) {
        if !self.has(host) {
            return;
        }
        let deadline = mind.deadline();
        self.host(host).set_mind(Mind::Participant(Box::new(mind)));
        self.wait_until(host, deadline);
        self.tell_oracle(host, |known| known.is_adversary = is_adversary);
    }

    /// A program of the user's that waits for datagrams.
    pub(super) fn add_application(&mut self, place: Site) -> HostId {
        self.add_mind(Mind::Application(Default::default()), place, None, false)
    }

    /// Whether a host is one of this world. Nothing befalls those that are not.
    fn has(&self, host: HostId) -> bool {
        host.index() < self.hosts.len()
    }

    fn add_mind(&mut self, mind: Mind, place: Site, id: Option<Id>, is_adversary: bool) -> HostId {
        let host = self.paths.add(place);
        self.hosts.push(Host::new(mind));
        let is_reachable = place.is_open() && id.is_some();
        let known = Facts { id, endpoint: place.endpoint, is_reachable, is_adversary };
        self.oracle.set(host, known);
        host
    }

    /// A host goes down, and its node with it: whatever it knew is lost, unless its user has saved it.
    pub fn stop(&mut self, host: HostId) {
        if !self.has(host) {
            return;
        }
        self.paths.set_up(host, false);
        if matches!(self.host(host).mind(), Mind::Node(_)) {
            self.host(host).set_mind(Mind::Absent);
        }
        self.lifetimes.end(self.now, host);
        self.wait_until(host, None);
        self.tell_oracle(host, |known| known.is_reachable = false);
    }

    /// A host is up again, with a new node, under this id or one of its own choice; false if there is no such host.
    ///
    /// # Errors
    /// Those of [`Node::new`].
    pub fn start_node(&mut self, host: HostId, config: &Config, id: Option<Id>) -> Result<bool, ConfigError> {
        let Some(place) = self.paths.site(host).copied() else { return Ok(false) };
        let made = self.node_at(config, id, &place)?;
        self.paths.set_up(host, true);
        self.begin(host, made);
        Ok(true)
    }

    /// A host that is no node of ours is up again.
    pub fn start(&mut self, host: HostId) {
        if !self.has(host) {
            return;
        }
        self.paths.set_up(host, true);
        if let Mind::Participant(mind) = self.host(host).mind_mut() {
            mind.on_start();
            let deadline = mind.deadline();
            self.lifetimes.begin(self.now, host, false);
            self.wait_until(host, deadline);
        }
        let is_open = self.is_open(host);
        self.tell_oracle(host, |known| known.is_reachable = is_open && known.id.is_some());
    }

    /// A node, and the seed that it was made of.
    fn node_at(
        &mut self,
        config: &Config,
        id: Option<Id>,
        place: &Site,
    ) -> Result<(Node<'static>, [u8; 32]), ConfigError> {
        let (family, port) = (place.endpoint.family(), place.endpoint.port());
        let external = place.is_told.then(|| place.endpoint.into());
        let config = config.clone().with_links(&[LinkConfig { family, external, id, port }])?;
        let storage = Storage::allocate(&config);
        let rng_seed = self.rng.bytes();
        Ok((Node::new(config, rng_seed, storage)?, rng_seed))
    }

    fn begin(&mut self, host: HostId, (node, rng_seed): (Node<'static>, [u8; 32])) {
        if let Some(journals) = &self.journals {
            journals.begin(host, node.config(), rng_seed);
        }
        let (id, is_open) = (node.id(LinkId(0)), self.is_open(host));
        self.host(host).set_mind(Mind::Node(Box::new(node)));
        self.lifetimes.begin(self.now, host, true);
        self.tell_oracle(host, |known| (known.id, known.is_reachable) = (id, is_open));
        // It has no time before this.
        self.input(host, Input::Timeout);
    }

    // ---- what befalls them ----

    /// What befalls datagrams from now on.
    pub fn set_faults(&mut self, faults: Faults) {
        self.paths.set_faults(faults);
    }

    /// A host's own line carries nothing, or is mended.
    pub fn set_line_fault(&mut self, host: HostId, fault: Option<LineFault>) {
        if !self.has(host) {
            return;
        }
        self.paths.set_line_fault(host, fault);
    }

    /// Hosts reach only those that are in the same part of the world: all begin in part 0.
    pub fn set_part(&mut self, host: HostId, part: u8) {
        if !self.has(host) {
            return;
        }
        self.paths.set_part(host, part);
    }

    /// A host bans who sends it more than 50 datagrams in ten seconds, for five minutes.
    pub fn set_bans(&mut self, host: HostId) {
        if !self.has(host) {
            return;
        }
        self.paths.set_bans(host, Bans::default());
    }

    /// A host has another address from now on.
    pub fn move_to(&mut self, host: HostId, endpoint: Endpoint) {
        if !self.has(host) {
            return;
        }
        self.paths.move_to(host, endpoint);
        self.tell_oracle(host, |known| known.endpoint = endpoint);
    }

    /// Another router stands before a host from now on, or none.
    pub fn set_router(&mut self, host: HostId, nat: Option<NatKind>) {
        if !self.has(host) {
            return;
        }
        self.paths.set_router(host, nat);
        let is_open = self.paths.site(host).is_some_and(Site::is_open);
        self.tell_oracle(host, |known| known.is_reachable = is_open && known.id.is_some());
    }

    /// A host's clock is set forward, or back.
    pub fn set_clock(&mut self, host: HostId, forward: bool, by: Duration) {
        if !self.has(host) {
            return;
        }
        self.host(host).set_clock(forward, by);
        self.input(host, Input::Timeout);
    }

    /// Something is to happen so much later.
    pub fn after(&mut self, time: Duration, action: impl FnOnce(&mut World) + 'static) {
        let place = match self.free_actions.pop() {
            Some(place) => place,
            None => {
                self.actions.push(None);
                self.actions.len() as u32 - 1
            }
        };
        self.actions[place as usize] = Some(Box::new(action));
        self.course.add(self.now + time, Happening::Action(place));
    }

    // ---- what they do ----

    /// Makes a call to a node of ours, and drains it; `None` where there is none.
    pub fn call<R>(&mut self, host: HostId, call: impl FnOnce(&mut NodeCalls<'_>, Instant) -> R) -> Option<R> {
        let World { hosts, journals, now, .. } = self;
        let seat = hosts.get_mut(host.index())?;
        let now = seat.read(*now);
        let Mind::Node(node) = seat.mind_mut() else { return None };
        let result = call(&mut NodeCalls::new(node, host, journals.as_ref()), now);
        self.drain(host);
        Some(result)
    }

    /// Lets so much time pass.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        self.run_until(end, |_| false);
    }

    /// Lets time pass until something is so, or until the end; whether it is so.
    pub fn run_until(&mut self, end: Instant, mut is_so: impl FnMut(&World) -> bool) -> bool {
        loop {
            if is_so(self) {
                return true;
            }
            if !self.step(end) {
                return is_so(self);
            }
        }
    }

    /// The next thing happens, if it does before the end; else it is the end.
    pub(super) fn step(&mut self, end: Instant) -> bool {
        if self.course.next_at().is_none_or(|at| at > end) {
            self.now = self.now.max(end);
            return false;
        }
        let Some((at, due)) = self.course.pop() else { return false };
        self.now = self.now.max(at);
        match due {
            Happening::Arrival(place) => self.on_arrival(place),
            Happening::Wake(host) => self.on_wake(host),
            Happening::Action(place) => {
                if let Some(action) = self.actions[place as usize].take() {
                    self.free_actions.push(place);
                    action(self);
                }
            }
        }
        true
    }

    fn on_arrival(&mut self, place: u32) {
        let Some(arrival) = self.paths.arrive(self.now, place) else { return };
        let (host, from) = (arrival.host, arrival.from);
        match self.hosts[host.index()].mind_mut() {
            Mind::Node(_) => self.input(host, Input::Datagram { link: LinkId(0), from, payload: &arrival.bytes }),
            Mind::Participant(_) => {
                self.moment(host, |mind, moment| mind.on_datagram(moment, from, &arrival.bytes));
            }
            Mind::Application(inbox) => inbox.push_back((from, arrival.bytes.clone())),
            Mind::Absent => {}
        }
        self.paths.reuse(arrival.bytes);
    }

    fn on_wake(&mut self, host: HostId) {
        let now = self.now;
        let (is_due, again) = self.host(host).on_planned(now);
        if let Some(at) = again {
            self.course.add(at, Happening::Wake(host));
        }
        if !is_due || !self.paths.is_up(host) {
            return;
        }
        match self.host(host).mind() {
            Mind::Node(_) => self.input(host, Input::Timeout),
            Mind::Participant(_) => self.moment(host, |mind, moment| mind.on_timer(moment)),
            Mind::Application(_) | Mind::Absent => {}
        }
    }

    fn input(&mut self, host: HostId, input: Input<'_>) {
        let World { hosts, journals, now, .. } = self;
        let seat = &mut hosts[host.index()];
        let now = seat.read(*now);
        if let Mind::Node(node) = seat.mind_mut() {
            let restless = RESTLESS.saturating_add(2 * node.config().capacity.transactions);
            NodeCalls::new(node, host, journals.as_ref()).handle_input(now, input);
            let outputs = self.drain(host);
            if matches!(input, Input::Timeout) {
                let now = self.now;
                let idle = self.host(host).on_woken(now, outputs == 1);
                assert!((idle as usize) < restless, "host {} wakes up each millisecond for nothing", host.index());
            }
        }
    }

    /// Drains a node: what it sends gets under way, and what it tells is kept. How many outputs there were.
    fn drain(&mut self, host: HostId) -> usize {
        let mut buf: Buffer = [0; 1500];
        let mut new_id = None;
        let mut outputs = 0;
        let deadline = loop {
            let World { hosts, paths, course, rng, now, outputs: hash, journals, .. } = self;
            let Mind::Node(node) = hosts[host.index()].mind_mut() else { return outputs };
            let output = node.poll_output(&mut buf);
            if let Some(hash) = hash {
                hash.add(&output);
            }
            if let Some(journals) = journals {
                journals.output(host, &output);
            }
            outputs += 1;
            assert!(outputs < ENDLESS, "a drain of host {} does not end", host.index());
            match output {
                Output::Transmit { link, to, payload } => {
                    let fly = |at, place| course.add(at, Happening::Arrival(place));
                    if !paths.send((*now, rng), host, to, payload, fly) {
                        let read = hosts[host.index()].read(*now);
                        let Mind::Node(node) = hosts[host.index()].mind_mut() else { return outputs };
                        let failed = Input::SendFailed { link, to };
                        NodeCalls::new(node, host, journals.as_ref()).handle_input(read, failed);
                    }
                }
                Output::Event(event) => {
                    if let Event::IdChanged { id, .. } = event {
                        new_id = Some(id);
                    }
                    let news = News::of(*now, &event);
                    hosts[host.index()].tell(news);
                }
                Output::Timeout(deadline) => break deadline,
            }
        };
        if new_id.is_some() {
            self.tell_oracle(host, |known| known.id = new_id);
        }
        self.wait_until(host, deadline);
        self.drains += 1;
        #[cfg(debug_assertions)]
        if self.recount_every > 0 && self.drains.is_multiple_of(self.recount_every) {
            self.recount(host);
        }
        outputs
    }

    #[cfg(debug_assertions)]
    fn recount(&mut self, host: HostId) {
        if let Mind::Node(node) = self.hosts[host.index()].mind() {
            node.check_invariants();
            self.recounts += 1;
        }
    }

    /// A participant's moment: what it sends gets under way.
    fn moment(&mut self, host: HostId, act: impl FnOnce(&mut dyn Participant, &mut Moment<'_>)) {
        let World { hosts, paths, course, rng, now, oracle, sends, .. } = self;
        let Mind::Participant(mind) = hosts[host.index()].mind_mut() else { return };
        let Some(own) = paths.site(host).map(|site| site.endpoint) else { return };
        act(mind.as_mut(), &mut Moment::new((*now, own), rng, oracle, sends));
        let deadline = mind.deadline();
        sends.drain(|to, from, bytes| {
            let fly = |at, place| course.add(at, Happening::Arrival(place));
            match from {
                Some(from) => paths.send_as((*now, rng), (host, from), to, bytes, fly),
                None => _ = paths.send((*now, rng), host, to, bytes, fly),
            }
        });
        self.wait_until(host, deadline);
    }

    /// A program sends; false if it is told that it could not.
    pub(super) fn send(&mut self, host: HostId, to: Endpoint, payload: &[u8]) -> bool {
        let World { paths, course, rng, now, .. } = self;
        paths.send((*now, rng), host, to, payload, |at, place| course.add(at, Happening::Arrival(place)))
    }

    fn wait_until(&mut self, host: HostId, deadline: Option<Instant>) {
        let now = self.now;
        if let Some(at) = self.host(host).wait_until(now, deadline) {
            self.course.add(at, Happening::Wake(host));
        }
    }

    pub(super) fn host(&mut self, host: HostId) -> &mut Host {
        &mut self.hosts[host.index()]
    }

    fn tell_oracle(&mut self, host: HostId, change: impl FnOnce(&mut Facts)) {
        if let Some(known) = self.oracle.known(host).copied() {
            let mut known = known;
            change(&mut known);
            self.oracle.set(host, known);
        }
    }
}
