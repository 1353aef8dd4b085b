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
use crate::adapters::links::links;
use crate::adapters::message::{Message, OperationEnd, Waiter, WaitingCommand};
use crate::adapters::operation_error::OperationError;
use crate::adapters::queue::CommandQueue;
use crate::adapters::results::{Answer, Notice};
use crate::adapters::send_trouble::SendTrouble;
use crate::base::time::Instant;
use crate::dht::config::Config;
use crate::dht::contact::SavedContact;
use crate::dht::error::CallError;
use crate::dht::event::{Buffer, Event, Input, KeepId, LinkId, Output};
use crate::dht::node::journal::Call;
use crate::dht::node::{Node, Storage};
use crate::krpc::endpoint::Endpoint;
use crate::krpc::message::{Decoded, decode};

/// Bytes to receive at most: one more than any message may have, so that the node can tell a longer one.
pub(super) const RECEIVE: usize = 1501;

/// Calls that one drain may lead to, each with a drain of its own. When an interface goes, each send fails and each
/// operation ends at once: with a full queue there is no end of that for hundreds of thousands of sends.
const STEPS: usize = 32;

/// The sockets, seen from the node: they send. One that has no room waits for it for a moment at most, or not at all:
/// the datagram is lost, and nothing else is held up (rule B20).
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
    /// Sends that failed and that the node was not told of yet.
    failed: Vec<(LinkId, Endpoint)>,
    watchers: Vec<Waiter>,
    /// Trouble that was told and has not ended.
    troubles: Vec<Notice>,
    /// Of each link.
    send_troubles: Vec<SendTrouble>,
    deadline: Option<Instant>,
    observer: Option<Box<dyn Observer>>,
}

impl<L: Sockets> Runner<L> {
    /// Makes the node. The number and the families of its links are those of the sockets.
    pub(super) fn new(
        config: Config,
        rng_seed: [u8; 32],
        sockets: L,
        addrs: &[SocketAddr],
        observer: Option<Box<dyn Observer>>,
    ) -> io::Result<Self> {
        let of_sockets = links(&config, addrs);
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
        let config = config.with_links(&of_sockets).map_err(invalid)?;
        let storage = Storage::allocate(&config);
        let node = Node::new(config, rng_seed, storage).map_err(invalid)?;
        let (waiters, watchers, troubles) = (HashMap::new(), Vec::new(), Vec::new());
        let (clock, send_troubles) = (Clock::start(), std::vec![SendTrouble::default(); addrs.len()]);
        let (responses, queue, failed) = (HashMap::new(), CommandQueue::default(), Vec::new());
        let mut runner = Runner {
            node,
            links: sockets,
            clock,
            waiters,
            responses,
            queue,
            failed,
            watchers,
            troubles,
            send_troubles,
            deadline: None,
            observer,
        };
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

    /// When the node wants the next [`Input::Timeout`], or its observer has something to do; at once, where a drain
    /// left something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        if !self.failed.is_empty() || (self.has_place() && !self.queue.is_empty()) {
            return Some(Instant::ZERO);
        }
        let due = self.observer.as_ref().and_then(|observer| observer.due());
        self.deadline.into_iter().chain(due).min()
    }

    /// Tells the node that time has passed, if its deadline has, and goes on with what a drain left.
    pub(super) fn handle_timeout(&mut self) {
        let now = self.clock.now();
        if self.deadline.is_some_and(|at| at <= now) {
            self.input(Input::Timeout);
        } else if self.step() {
            self.drain();
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
            Message::Call(start) => {
                start(&mut |call| self.call(call));
                self.drain();
            }
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
        if !self.has_place() {
            return false;
        }
        let Some(WaitingCommand { tag, scope, start, waiter, .. }) = self.queue.pop() else { return false };
        match start(&mut |command| self.call(Call::Command { tag, scope, command }).map(drop)) {
            Ok(()) => drop(self.waiters.insert(tag, waiter)),
            Err(error) => waiter.finish(Err(OperationError::Refused(error))),
        }
        true
    }

    /// Every operation of the node's user has a waiter until it has finished.
    fn has_place(&self) -> bool {
        self.waiters.len() < self.node.config().capacity.operations
    }

    /// What a driver has to say about receiving on one of its sockets.
    pub(super) fn tell_watchers(&mut self, notice: Notice) {
        match notice {
            Notice::LinkRecovered { link } => {
                self.troubles.retain(|told| !matches!(told, Notice::LinkTrouble { link: of, .. } if *of == link));
            }
            _ => self.troubles.push(notice),
        }
        self.watchers.iter().for_each(|watcher| watcher.notice(notice));
    }

    fn on_unsent(&mut self, link: LinkId, to: Endpoint, error: io::ErrorKind) {
        let trouble = self.send_troubles.get_mut(usize::from(link.0));
        let notice = trouble.and_then(|trouble| trouble.on_failure(self.clock.now(), link, to.into(), error));
        if let Some(notice) = notice {
            self.watchers.iter().for_each(|watcher| watcher.notice(notice));
        }
    }

    /// One call for each contact, as a journal has them; none for a link that does not exist.
    fn import(&mut self, link: LinkId, contacts: Vec<SavedContact>) -> Result<(), CallError> {
        self.node.id(link).ok_or(CallError::NoLink(link))?;
        if !contacts.is_empty() {
            contacts.into_iter().try_for_each(|contact| self.call(Call::Import { link, contact }).map(drop))?;
            self.drain();
        }
        Ok(())
    }

    /// A call that is never refused.
    fn tell(&mut self, call: Call<'_>) {
        let _ = self.call(call);
    }

    /// The handle of what begins to be kept comes back.
    fn call(&mut self, call: Call<'_>) -> Result<Option<KeepId>, CallError> {
        let now = self.clock.now();
        if let Some(observer) = &mut self.observer {
            observer.call(now, call);
        }
        call.make(&mut self.node, now)
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

    /// What it leaves makes [`deadline`](Runner::deadline) say "at once".
    fn drain(&mut self) {
        self.drain_node();
        for _ in 0..STEPS {
            if !self.step() {
                return;
            }
            self.drain_node();
        }
    }

    /// One call that a drain has led to: of a send that failed, or for a place that is free. Whether one was made.
    fn step(&mut self) -> bool {
        let Some((link, to)) = self.failed.pop() else { return self.start_waiting() };
        self.tell(Call::Input(Input::SendFailed { link, to }));
        true
    }

    fn drain_node(&mut self) {
        let mut buffer: Buffer = [0; 1500];
        loop {
            let output = self.node.poll_output(&mut buffer);
            if let Some(observer) = &mut self.observer {
                observer.output(&output);
            }
            match output {
                Output::Transmit { link, to, payload } => match self.links.send(link, to.into(), payload) {
                    Err(error) if !is_ordinary_loss(&error) => {
                        self.on_unsent(link, to, error.kind());
                        // Of a reply the node keeps nothing: a query that is open there may have left well.
                        if matches!(decode(payload), Ok(Decoded::Query(_))) {
                            self.failed.push((link, to));
                        }
                    }
                    _ => {}
                },
                Output::Event(event) => self.route(&event),
                Output::Timeout(deadline) => {
                    self.deadline = deadline;
                    return;
                }
            }
        }
    }
}

/// The system has no room for the datagram now, or reports what became of an earlier one to somebody else.
fn is_ordinary_loss(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), WouldBlock | TimedOut | Interrupted | ConnectionRefused | ConnectionReset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::mailbox::Mailbox;
    use crate::adapters::message::{End, Start};
    use crate::adapters::permits::Permits;
    use crate::adapters::queue::MOST_WAITING;
    use crate::dht::command::{Command, DirectQuery, Scope};
    use core::cell::Cell;
    use std::sync::Arc;

    /// Counts what is sent, until and after its interface goes.
    #[derive(Default)]
    struct Links {
        sent: Cell<usize>,
        is_gone: Cell<bool>,
    }

    impl Sockets for Links {
        fn send(&self, _: LinkId, _: SocketAddr, _: &[u8]) -> io::Result<()> {
            self.sent.set(self.sent.get() + 1);
            if self.is_gone.get() { Err(io::ErrorKind::NetworkUnreachable.into()) } else { Ok(()) }
        }
    }

    /// A node whose places are taken by pings; others wait.
    fn full(places: usize) -> (Runner<Links>, Vec<Arc<Mailbox<Answer, End>>>) {
        let mut config = Config::small().local();
        config.capacity.operations = places;
        let addr = SocketAddr::from(([127, 0, 0, 1], 6881));
        let mut runner = Runner::new(config, [1; 32], Links::default(), &[addr], None).unwrap();
        let permits = Permits::new(MOST_WAITING);
        let mails = (1u16..).take(places + MOST_WAITING).map(|port| {
            let (tag, to) = (port.into(), Endpoint::v4([127, 0, 0, 1], port));
            let mail = Mailbox::new(1);
            let start: Start = Box::new(move |submit| submit(Command::Query { to, query: DirectQuery::Ping }));
            let command =
                WaitingCommand { tag, source: 0, scope: Scope::All, start, waiter: Waiter::new(mail.clone()) };
            let _ = runner.handle_message(Message::Run { command, permit: permits.ask().unwrap() });
            mail
        });
        let mails = mails.collect();
        assert!(runner.deadline().is_some_and(|at| at > runner.clock().now()), "there is nothing to do");
        (runner, mails)
    }

    /// Rule L35. Sockets and messages have their turn in between.
    #[test]
    fn when_an_interface_goes_one_call_makes_so_many_sends_and_no_more() {
        for places in [1, 8] {
            let (mut runner, mails) = full(places);
            runner.links.is_gone.set(true);
            runner.links.sent.set(0);
            let _ = runner.handle_message(Message::Cancel { tag: 1, source: 0 });
            loop {
                let sent = runner.links.sent.replace(0);
                assert!(sent <= STEPS, "{sent}");
                if runner.deadline() != Some(Instant::ZERO) {
                    break;
                }
                runner.handle_timeout();
            }
            let ended = mails.iter().filter(|mail| mail.end().is_some()).count();
            assert!(ended > MOST_WAITING, "all but those that were sent before: {ended}");
        }
    }

    #[test]
    fn a_reply_that_cannot_be_sent_ends_no_query() {
        let (mut runner, mails) = full(1);
        runner.links.is_gone.set(true);
        let asked = Endpoint::v4([127, 0, 0, 1], 1);
        runner.links.sent.set(0);
        let payload = b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe";
        runner.input(Input::Datagram { link: LinkId(0), from: asked, payload });
        assert_eq!((runner.links.sent.get(), mails[0].end().is_some()), (1, false), "a reply, and the ping is open");
    }

    /// What has ended is nothing to a node, nor to its journal.
    #[test]
    fn a_node_hears_no_cancel_of_what_it_does_not_run() {
        struct Calls(Arc<std::sync::Mutex<usize>>);
        impl Observer for Calls {
            fn call(&mut self, _: Instant, _: Call<'_>) {
                *self.0.lock().unwrap() += 1;
            }
            fn output(&mut self, _: &Output<'_>) {}
            fn due(&self) -> Option<Instant> {
                None
            }
            fn handle_due(&mut self, _: Instant) {}
        }
        let (mut runner, mails) = full(1);
        let calls = Arc::default();
        runner.observer = Some(Box::new(Calls(Arc::clone(&calls))));
        for tag in [2, 2, 20_000] {
            let _ = runner.handle_message(Message::Cancel { tag, source: 0 });
        }
        assert_eq!((*calls.lock().unwrap(), mails[1].end().is_some()), (0, true));
        let _ = runner.handle_message(Message::Cancel { tag: 1, source: 0 });
        assert_eq!(*calls.lock().unwrap(), 2, "it ends, and the next one starts");
    }
}
