//! The tokio driver: one task for each node.
//!
//! The task waits for three things at once: a message of a handle, a readable socket, the node's deadline. After one
//! readable event it takes several datagrams, each with a drain of its own, and looks at the rest again; after several
//! messages it looks at the sockets. A socket that fails at each receive is not waited for until a pause is over.
//!
//! ```
//! use honeyguide::adapters::{BoundSocket, rng_seed, tokio::spawn};
//! use honeyguide::Id;
//! use honeyguide::Config;
//! use honeyguide::dht::PeerKind;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let node = || {
//!     let bound = BoundSocket::at(([127, 0, 0, 1], 0).into())?;
//!     spawn(Config::small().local(), rng_seed()?, vec![bound.socket])
//! };
//! let (one, other) = (node()?, node()?);
//! one.bootstrap(&[other.addrs()[0].into()]).await?;
//! let info_hash = Id([0x42; 20]);
//! one.announce(info_hash, Some(6881), PeerKind::Downloader).await?;
//! let mut lists = one.get_peers(info_hash);
//! while let Some(list) = lists.next().await {
//!     println!("{} knows {:?}", list.from, list.peers);
//! }
//! other.shutdown().await;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::boxed::Box;
use std::format;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use std::vec::Vec;

use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::runtime;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::{unconstrained, yield_now};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::adapters::bind::addrs_of;
use crate::adapters::handle::Handle;
use crate::adapters::message::{Lifetime, Message};
#[cfg(feature = "journal")]
use crate::adapters::recording::{Recorder, Recording};
use crate::adapters::runner::{Observer, RECEIVE, Runner, Sockets};
use crate::adapters::trouble::Trouble;
use crate::base::time;
use crate::dht::config::Config;
use crate::dht::event::{Input, LinkId};

/// Datagrams that one readable event may bring before messages and other sockets have their turn, and messages that may
/// come before what is readable.
const BURST: usize = 32;
/// How long the driver works before other tasks of the runtime have their turn.
const SLICE: Duration = Duration::from_millis(1);

type TaskSockets = Arc<[UdpSocket]>;

impl Sockets for TaskSockets {
    fn send(&self, link: LinkId, to: SocketAddr, payload: &[u8]) -> io::Result<()> {
        let socket = self.get(usize::from(link.0)).ok_or(io::ErrorKind::NotConnected)?;
        // Not by the runtime, which takes a new socket for one that cannot send until it has heard otherwise: of one
        // that has no room it would be waited for in vain.
        SockRef::from(socket).send_to(payload, &to.into()).map(drop)
    }
}

enum TaskWake {
    Message(Option<Box<Message>>),
    Readable(usize),
    Deadline,
}

/// Starts a node on these sockets, at most four, as a task of the current runtime (which needs its network and time
/// drivers). The number and families of the sockets decide the links of `config`.
///
/// # Errors
/// When a socket cannot be used, an IPv6 socket takes IPv4 too, or the configuration makes no sense; and, with
/// [`Unsupported`](io::ErrorKind::Unsupported) and what is to be enabled, outside a tokio runtime or in one that has no
/// network or no time driver. (tokio tells of a missing driver by a panic, which is caught here, but of which the
/// program's panic hook hears; a program that is built with `panic = "abort"` ends.)
pub fn spawn(config: Config, rng_seed: [u8; 32], sockets: Vec<std::net::UdpSocket>) -> io::Result<Handle> {
    start(config, rng_seed, sockets, None)
}

/// The same, and the run is recorded: `journal` gets the records, and nothing in front of them. They are replayed by
/// [`replay`](crate::adapters::replay) on a node of the same seed and configuration, whose links are those of the
/// sockets (their families, and their ports where the configuration names none). The program's `replay` does not read
/// them: it reads what its own `node --journal` wrote, which has the configuration and the seed in front.
///
/// # Errors
/// Those of [`spawn`].
#[cfg(feature = "journal")]
pub fn spawn_recorded(
    config: Config,
    rng_seed: [u8; 32],
    sockets: Vec<std::net::UdpSocket>,
    journal: impl io::Write + Send + 'static,
) -> io::Result<(Handle, Recording)> {
    let (recorder, recording) = Recorder::new(Box::new(journal));
    Ok((start(config, rng_seed, sockets, Some(Box::new(recorder)))?, recording))
}

fn start(
    config: Config,
    rng_seed: [u8; 32],
    sockets: Vec<std::net::UdpSocket>,
    observer: Option<Box<dyn Observer>>,
) -> io::Result<Handle> {
    let addrs = addrs_of(&sockets)?;
    let runtime = find_runtime()?;
    let sockets = sockets
        .into_iter()
        .map(|socket| {
            socket.set_nonblocking(true)?;
            with_driver("network", "enable_io", || UdpSocket::from_std(socket))?
        })
        .collect::<io::Result<TaskSockets>>()?;
    find_clock()?;
    // Boxes keep a task small: a future holds what it was given twice, and a channel has room for many messages.
    let runner = Box::new(Runner::new(config, rng_seed, sockets, &addrs, observer)?);
    let (sender, messages) = unbounded_channel();
    let (handle, lifetime) = Handle::new(addrs, move |message| {
        let _ = sender.send(Box::new(message));
    });
    runtime.spawn(run(Task { runner, messages, _lifetime: lifetime }));
    Ok(handle)
}

/// Whether the current runtime has a clock.
pub(super) fn find_clock() -> io::Result<()> {
    find_runtime()?;
    with_driver("time", "enable_time", || drop(sleep(Duration::ZERO)))
}

fn find_runtime() -> io::Result<runtime::Handle> {
    runtime::Handle::try_current().map_err(|_| {
        unsupported("a node is a task of a tokio runtime, and there is none: call this inside one (Runtime::enter)")
    })
}

/// Makes what takes a driver of the runtime.
fn with_driver<R>(name: &str, enable: &str, make: impl FnOnce() -> R) -> io::Result<R> {
    catch_unwind(AssertUnwindSafe(make)).map_err(|_| {
        unsupported(&format!("this tokio runtime has no {name} driver: build it with {enable}, or with enable_all"))
    })
}

fn unsupported(sentence: &str) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, sentence)
}

/// What the task owns. However it is lost, by a panic or with its runtime, it is dropped in this order: that the node
/// has ended is said when its sockets are closed.
struct Task {
    runner: Box<Runner<TaskSockets>>,
    messages: UnboundedReceiver<Box<Message>>,
    _lifetime: Lifetime,
}

async fn run(mut task: Task) {
    let Task { runner, messages, .. } = &mut task;
    let mut sleep = pin!(sleep_until(Instant::now()));
    let mut armed = None;
    let sockets = runner.links().clone();
    let mut receivers: Vec<_> = (0..sockets.len() as u8).map(|i| SocketReceiver::new(LinkId(i))).collect();
    be_heard_of(&sockets).await;
    let clock = runner.clock();
    let (mut turn, mut in_a_row, mut rested) = (0, 0, clock.now());
    loop {
        if clock.now().since(rested) >= SLICE {
            // Whoever shares the runtime must not wait for as long as datagrams come quicker than they are served.
            yield_now().await;
            rested = clock.now();
        }
        let pauses = receivers.iter().map(|receiver| receiver.paused_until);
        let wanted = pauses.fold(runner.deadline(), time::Instant::earliest);
        if armed != wanted {
            armed = wanted;
            if let Some(at) = armed {
                sleep.as_mut().reset(clock.platform(at).into());
            }
        }
        let wake = poll_fn(|cx| {
            let readable = |cx: &mut _| poll_readable(&sockets, &receivers, turn, cx).map(TaskWake::Readable);
            if in_a_row >= BURST {
                in_a_row = 0;
                if let wake @ Poll::Ready(_) = readable(cx) {
                    return wake;
                }
            }
            if let Poll::Ready(message) = messages.poll_recv(cx) {
                in_a_row += 1;
                return Poll::Ready(TaskWake::Message(message));
            }
            if let wake @ Poll::Ready(_) = readable(cx) {
                in_a_row = 0;
                return wake;
            }
            if armed.is_some() && sleep.as_mut().poll(cx).is_ready() {
                return Poll::Ready(TaskWake::Deadline);
            }
            rested = clock.now();
            Poll::Pending
        })
        .await;
        runner.handle_timeout();
        let now = clock.now();
        for receiver in &mut receivers {
            receiver.paused_until = receiver.paused_until.filter(|until| *until > now);
        }
        match wake {
            TaskWake::Message(Some(message)) => {
                if runner.handle_message(*message).is_break() {
                    break;
                }
            }
            TaskWake::Message(None) => break,
            TaskWake::Readable(i) => {
                turn = i + 1;
                receivers[i].receive(runner, &sockets[i]);
            }
            // A timer that fires early by its own granularity is armed again.
            TaskWake::Deadline => armed = None,
        }
    }
}

/// The runtime takes a new socket for one without anything to read until it has heard otherwise. Of one that has no
/// room it does not hear.
async fn be_heard_of(sockets: &[UdpSocket]) {
    for socket in sockets {
        let _ = timeout(SLICE, socket.writable()).await;
    }
}

/// A readable socket that is not paused; the search begins at number `first`, so that a busy one cannot hide the
/// others.
fn poll_readable(
    sockets: &[UdpSocket],
    receivers: &[SocketReceiver],
    first: usize,
    cx: &mut Context<'_>,
) -> Poll<usize> {
    let all = sockets.iter().zip(receivers).enumerate();
    for (i, (socket, receiver)) in all.cycle().skip(first % sockets.len().max(1)).take(sockets.len()) {
        if receiver.paused_until.is_none() && socket.poll_recv_ready(cx).is_ready() {
            return Poll::Ready(i);
        }
    }
    Poll::Pending
}

/// How receiving goes on one socket.
struct SocketReceiver {
    link: LinkId,
    trouble: Trouble,
    paused_until: Option<time::Instant>,
}

impl SocketReceiver {
    fn new(link: LinkId) -> Self {
        SocketReceiver { link, trouble: Trouble::new(link), paused_until: None }
    }

    fn receive(&mut self, runner: &mut Runner<TaskSockets>, socket: &UdpSocket) {
        let (mut buffer, began) = ([0; RECEIVE], runner.clock().now());
        for _ in 0..BURST {
            let received = socket.try_recv_from(&mut buffer);
            let mut is_over = false;
            match &received {
                Ok(_) => self.trouble.on_datagram(),
                Err(error) => match cause(error, socket) {
                    None => {
                        self.trouble.on_silence();
                        is_over = true;
                    }
                    Some(cause) => {
                        self.paused_until = self.trouble.on_failure(cause).map(|pause| runner.clock().now() + pause);
                        is_over = self.paused_until.is_some();
                    }
                },
            }
            self.trouble.take_news().into_iter().for_each(|news| runner.tell_watchers(news));
            if let Ok((len, from)) = received {
                let payload = buffer.get(..len).unwrap_or_default();
                runner.input(Input::Datagram { link: self.link, from: from.into(), payload });
            }
            if is_over || runner.clock().now().since(began) >= SLICE {
                return;
            }
        }
    }
}

/// What a receive failed for, if it did more than find nothing.
fn cause(error: &io::Error, socket: &UdpSocket) -> Option<io::ErrorKind> {
    match error.kind() {
        io::ErrorKind::WouldBlock if is_shut_down(socket) => Some(io::ErrorKind::BrokenPipe),
        io::ErrorKind::WouldBlock => None,
        kind => Some(kind),
    }
}

/// Whether somebody shut a socket down: it is readable for ever then, and there is nothing to read. The answer must not
/// depend on how much the task has done in its turn.
fn is_shut_down(socket: &UdpSocket) -> bool {
    let mut ready = pin!(unconstrained(socket.ready(Interest::READABLE)));
    let ready = ready.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    matches!(ready, Poll::Ready(Ok(ready)) if ready.is_read_closed())
}

#[cfg(test)]
mod tests {
    use socket2::SockRef;

    use super::*;

    fn block_on(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
    }

    /// A program's own timers and signals would be late otherwise, as late as the queue in the socket is long.
    #[test]
    fn other_tasks_have_their_turn_while_datagrams_come_quicker_than_they_are_served() {
        block_on(async {
            const DATAGRAMS: usize = 64;
            let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            let addr = socket.local_addr().unwrap();
            let node = spawn(Config::tiny().local(), [1; 32], std::vec![socket]).unwrap();
            let (tell, told) = std::sync::mpsc::channel();
            node.set_sink(crate::dht::trace::TraceSink::Boxed(std::boxed::Box::new(move |_, _| {
                let begin = std::time::Instant::now();
                while begin.elapsed() < 2 * SLICE {}
                let _ = tell.send(());
            })));
            node.stats().await.unwrap();
            let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            (0..DATAGRAMS).for_each(|_| drop(sender.send_to(b"x", addr)));
            let (mut served, mut turns) = (0, 0);
            while served < DATAGRAMS {
                yield_now().await;
                turns += 1;
                served += told.try_iter().count();
            }
            assert!(turns >= DATAGRAMS / 2, "{turns} turns beside {served} datagrams");
        });
    }

    #[test]
    fn a_socket_that_is_silent_has_no_trouble_and_one_that_was_shut_down_has() {
        block_on(async {
            let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let nothing = io::Error::from(io::ErrorKind::WouldBlock);
            assert_eq!(cause(&nothing, &socket), None);
            let _ = SockRef::from(&socket).shutdown(std::net::Shutdown::Both);
            socket.readable().await.unwrap();
            assert_eq!(cause(&nothing, &socket), Some(io::ErrorKind::BrokenPipe));
        });
    }

    #[test]
    fn a_busy_socket_does_not_hide_the_others() {
        block_on(async {
            let mut sockets = Vec::new();
            for _ in 0..3 {
                sockets.push(UdpSocket::bind("127.0.0.1:0").await.unwrap());
            }
            let receivers: Vec<_> = (0..3).map(|i| SocketReceiver::new(LinkId(i))).collect();
            for socket in &sockets {
                sockets[0].send_to(b"x", socket.local_addr().unwrap()).await.unwrap();
                socket.readable().await.unwrap();
            }
            let mut cx = Context::from_waker(Waker::noop());
            let mut first = |from| poll_readable(&sockets, &receivers, from, &mut cx);
            assert_eq!([0, 1, 2, 3].map(&mut first), [0, 1, 2, 0].map(Poll::Ready));
        });
    }
}
