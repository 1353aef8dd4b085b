//! A node together with those who wait for its events: everything a driver does besides waiting.
//!
//! Each call gives the node one input and drains it, as the contract wants. Events go to the waiter whose tag they
//! carry; datagrams go to the links at once. A send that fails is our own trouble: the node is told, except when the
//! system has no room at the moment, which is ordinary loss.

use std::boxed::Box;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::vec::Vec;

use crate::adapters::clock::Clock;
use crate::adapters::message::{Message, OperationEnd, Waiter, WaitingCommand};
use crate::adapters::operation_error::OperationError;
use crate::adapters::queue::CommandQueue;
use crate::adapters::results::{Answer, Notice};
use crate::base::time::Instant;
use crate::dht::config::{Config, LinkConfig};
use crate::dht::contact::SavedContact;
use crate::dht::error::CallError;
use crate::dht::event::{Buffer, Event, Input, LinkId, Output};
use crate::dht::node::journal::Call;
use crate::dht::node::{Node, Storage};
use crate::krpc::endpoint::{Endpoint, Family};

/// Bytes to receive at most: one more than any message may have, so that the node can tell a longer one.
pub(super) const RECEIVE: usize = 1501;

/// The sockets, seen from the node: they send and never wait.
pub(super) trait Sockets {
    fn send(&self, link: LinkId, to: SocketAddr, payload: &[u8]) -> io::Result<()>;
}

/// Sees every call and every output of the node, in their order, and is not seen by it.
pub(super) trait Observer: Send {
    fn call(&mut self, now: Instant, call: Call<'_>);
    fn output(&mut self, output: &Output<'_>);
    /// When it wants [`handle_due`](Observer::handle_due).
    fn due(&self) -> Option<Instant>;
    fn handle_due(&mut self, now: Instant);
}

pub(super) struct Runner<L> {
    node: Node<'static>,
    links: L,
    clock: Clock,
    waiters: HashMap<u64, Waiter>,
    /// What the only node said, until its operation has finished.
    responses: HashMap<u64, Answer>,
    queue: CommandQueue,
    watchers: Vec<Waiter>,
    /// Trouble that was told and has not ended.
    troubles: Vec<Notice>,
    deadline: Option<Instant>,
    observer: Option<Box<dyn Observer>>,
}

impl<L: Sockets> Runner<L> {
    /// Makes the node. The number and the families of its links are those of the sockets.
    pub(super) fn new(
        config: Config,
        rng_seed: [u8; 32],
        links: L,
        addrs: &[SocketAddr],
        observer: Option<Box<dyn Observer>>,
    ) -> io::Result<Self> {
        let of_sockets = addrs.iter().enumerate().map(|(i, addr)| {
            let family = Endpoint::from(*addr).family();
            let link = match config.links().get(i) {
                Some(link) if link.family == family => *link,
                _ if family == Family::V4 => LinkConfig::V4,
                _ => LinkConfig::V6,
            };
            LinkConfig { port: if link.port == 0 { addr.port() } else { link.port }, ..link }
        });
        let of_sockets: Vec<LinkConfig> = of_sockets.collect();
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
        let config = config.with_links(&of_sockets).map_err(invalid)?;
        let storage = Storage::allocate(&config);
        let node = Node::new(config, rng_seed, storage).map_err(invalid)?;
        let (waiters, watchers, troubles) = (HashMap::new(), Vec::new(), Vec::new());
        let clock = Clock::start();
        let (responses, queue) = (HashMap::new(), CommandQueue::default());
        let mut runner =
            Runner { node, links, clock, waiters, responses, queue, watchers, troubles, deadline: None, observer };
        runner.input(Input::Timeout);
        Ok(runner)
    }

    pub(super) fn clock(&self) -> Clock {
        self.clock
    }

    #[cfg(feature = "tokio")]
    pub(super) fn links(&self) -> &L {
        &self.links
    }

    /// When the node wants the next [`Input::Timeout`], or its observer has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let due = self.observer.as_ref().and_then(|observer| observer.due());
        self.deadline.into_iter().chain(due).min()
    }

    /// Tells the node that time has passed, if its deadline has.
    pub(super) fn handle_timeout(&mut self) {
        let now = self.clock.now();
        if self.deadline.is_some_and(|at| at <= now) {
            self.input(Input::Timeout);
        }
        if let Some(observer) = &mut self.observer {
            observer.handle_due(now);
        }
    }

    /// One input, one drain.
    pub(super) fn input(&mut self, input: Input<'_>) {
        self.tell(Call::Input(input));
        self.drain();
    }

    /// One message of a handle and, where it makes calls to the node, one drain after them: a replay expects no polls
    /// without a call. Breaks when the node is to end.
    pub(super) fn handle_message(&mut self, message: Message) -> ControlFlow<()> {
        match message {
            Message::Run { command, permit } => {
                self.queue.push(command, permit);
                if self.start_waiting() {
                    self.drain();
                }
            }
            Message::Cancel { tag, source } => {
                if let Some(command) = self.queue.remove(source, tag) {
                    command.waiter.finish(Ok(OperationEnd::of_cancelled()));
                } else if self.waiters.contains_key(&tag) {
                    self.tell(Call::Cancel { tag });
                    self.drain();
                }
            }
            Message::Import { link, contacts, reply } => reply(self.import(link, contacts)),
            Message::Observe(look) => look(&self.node),
            Message::Watch(waiter) => {
                self.troubles.iter().for_each(|trouble| waiter.notice(*trouble));
                self.watchers.push(waiter);
            }
            Message::Unwatch => self.watchers.retain(Waiter::is_wanted),
            Message::Trace(sink) => self.node.set_sink(sink),
            Message::Shutdown => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    }

    /// Starts the command whose turn it is, if the node has a place for it; whether a call was made.
    fn start_waiting(&mut self) -> bool {
        // Every operation of the node's user has a waiter until it has finished.
        if self.waiters.len() >= self.node.config().capacity.operations {
            return false;
        }
        let Some(WaitingCommand { tag, scope, start, waiter, .. }) = self.queue.pop() else { return false };
        match start(&mut |command| self.call(Call::Command { tag, scope, command })) {
            Ok(()) => drop(self.waiters.insert(tag, waiter)),
            Err(error) => waiter.finish(Err(OperationError::Refused(error))),
        }
        true
    }

    /// What a driver has to say about one of its sockets.
    pub(super) fn tell_watchers(&mut self, notice: Notice) {
        match notice {
            Notice::LinkRecovered { link } => {
                self.troubles.retain(|told| !matches!(told, Notice::LinkTrouble { link: of, .. } if *of == link));
            }
            _ => self.troubles.push(notice),
        }
        self.watchers.iter().for_each(|watcher| watcher.notice(notice));
    }

    /// One call for each contact, as a journal has them; none for a link that does not exist.
    fn import(&mut self, link: LinkId, contacts: Vec<SavedContact>) -> Result<(), CallError> {
        self.node.id(link).ok_or(CallError::NoLink(link))?;
        if !contacts.is_empty() {
            contacts.into_iter().try_for_each(|contact| self.call(Call::Import { link, contact }))?;
            self.drain();
        }
        Ok(())
    }

    /// A call that is never refused.
    fn tell(&mut self, call: Call<'_>) {
        let _ = self.call(call);
    }

    fn call(&mut self, call: Call<'_>) -> Result<(), CallError> {
        let now = self.clock.now();
        if let Some(observer) = &mut self.observer {
            observer.call(now, call);
        }
        call.apply(&mut self.node, now)
    }

    fn route(&mut self, event: &Event<'_>) {
        match *event {
            Event::Finished { tag, outcome, .. } => {
                let response = self.responses.remove(&tag);
                if let Some(waiter) = self.waiters.remove(&tag) {
                    waiter.finish(Ok(OperationEnd { outcome, response }));
                }
            }
            _ => match event.operation() {
                Some((_, tag)) => {
                    if let Some(waiter) = self.waiters.get(&tag) {
                        waiter.event(event);
                        self.responses.extend(Answer::of(event).map(|answer| (tag, answer)));
                    }
                }
                None => {
                    self.watchers.retain(Waiter::is_wanted);
                    self.watchers.iter().for_each(|watcher| watcher.event(event));
                }
            },
        }
    }

    fn drain(&mut self) {
        let mut buffer: Buffer = [0; 1500];
        let mut failed: Vec<(LinkId, Endpoint)> = Vec::new();
        loop {
            let output = self.node.poll_output(&mut buffer);
            if let Some(observer) = &mut self.observer {
                observer.output(&output);
            }
            match output {
                Output::Transmit { link, to, payload } => match self.links.send(link, to.into(), payload) {
                    Err(error) if !is_ordinary_loss(&error) => failed.push((link, to)),
                    _ => {}
                },
                Output::Event(event) => self.route(&event),
                Output::Timeout(deadline) => {
                    self.deadline = deadline;
                    if let Some((link, to)) = failed.pop() {
                        self.tell(Call::Input(Input::SendFailed { link, to }));
                    } else if !self.start_waiting() {
                        return;
                    }
                }
            }
        }
    }
}

/// The system has no room for the datagram now, or reports what became of an earlier one to somebody else.
fn is_ordinary_loss(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, Interrupted, WouldBlock};
    matches!(error.kind(), WouldBlock | Interrupted | ConnectionRefused | ConnectionReset)
}
