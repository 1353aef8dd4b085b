//! The thread driver: one thread for each socket, one for messages and time.
//!
//! The node lies behind a lock. Each reader gives it the datagrams of its socket, one by one, and sends what it wants
//! sent: a datagram that is answered costs two system calls, no copy and no second thread. There is no queue: what
//! comes while the node is busy waits in the system's own buffers, which drop what is too much. The third kind of
//! thread blocks on the messages of the handles until the node's next deadline and at nothing else; a reader that
//! brought the deadline forward says so. At the end a datagram to ourselves wakes each reader; where none arrives,
//! since the address is gone or the socket has no room, a reader notices by itself, within a second.
//!
//! ```
//! use honeyguide::adapters::{BoundSocket, rng_seed, std_thread::spawn};
//! use honeyguide::Config;
//!
//! let node = || {
//!     let bound = BoundSocket::at(([127, 0, 0, 1], 0).into())?;
//!     spawn(Config::small().local(), rng_seed()?, vec![bound.socket])
//! };
//! let (one, other) = (node()?, node()?);
//! let joined = one.bootstrap(&[other.addrs()[0].into()]).wait()?;
//! assert_eq!(joined.outcome.answered, 1);
//! let stored = one.put_immutable(b"5:hello").wait()?;
//! assert_eq!(stored.outcome.stored.all, 1);
//! other.shutdown().wait();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::boxed::Box;
use std::format;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{self, Duration};
use std::vec::Vec;

use socket2::SockRef;

use crate::adapters::bind::addrs_of;
use crate::adapters::handle::Handle;
use crate::adapters::message::Message;
#[cfg(feature = "journal")]
use crate::adapters::recording::{Recorder, Recording};
use crate::adapters::runner::{Observer, RECEIVE, Runner, Sockets};
use crate::adapters::trouble::Trouble;
use crate::base::time::Instant;
use crate::dht::config::Config;
use crate::dht::event::{Input, LinkId};

/// A reader looks up after so long without a datagram: nothing else is sure to wake it.
const READ_TIMEOUT: Duration = Duration::from_secs(1);
/// A send waits no longer for room, since everything else waits for it (rule B20).
const WRITE_TIMEOUT: Duration = Duration::from_millis(1);

/// What the node's own thread is woken for.
enum ThreadWake {
    Message(Message),
    /// The node's deadline lies before the one that is waited for.
    Sooner,
}

/// What all threads share.
struct Machine {
    runner: Runner<ThreadSockets>,
    /// The deadline that the node's own thread waits for.
    armed: Option<Instant>,
    /// The readers are to end.
    ended: bool,
}

type ThreadSockets = Arc<[UdpSocket]>;

impl Sockets for ThreadSockets {
    fn send(&self, link: LinkId, to: SocketAddr, payload: &[u8]) -> io::Result<()> {
        let socket = self.get(usize::from(link.0)).ok_or(io::ErrorKind::NotConnected)?;
        socket.send_to(payload, to).map(drop)
    }
}

/// Starts a node on these sockets, at most four. Their number and families decide the links of `config`.
///
/// # Errors
/// When a socket or a thread cannot be used, an IPv6 socket takes IPv4 too, or the configuration makes no sense.
pub fn spawn(config: Config, rng_seed: [u8; 32], sockets: Vec<UdpSocket>) -> io::Result<Handle> {
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
    sockets: Vec<UdpSocket>,
    journal: impl io::Write + Send + 'static,
) -> io::Result<(Handle, Recording)> {
    let (recorder, recording) = Recorder::new(Box::new(journal));
    Ok((start(config, rng_seed, sockets, Some(Box::new(recorder)))?, recording))
}

fn start(
    config: Config,
    rng_seed: [u8; 32],
    sockets: Vec<UdpSocket>,
    observer: Option<Box<dyn Observer>>,
) -> io::Result<Handle> {
    let addrs = addrs_of(&sockets)?;
    for socket in &sockets {
        socket.set_nonblocking(false)?;
        socket.set_read_timeout(Some(READ_TIMEOUT))?;
        socket.set_write_timeout(Some(WRITE_TIMEOUT))?;
    }
    let sockets: ThreadSockets = sockets.into();
    let runner = Runner::new(config, rng_seed, sockets.clone(), &addrs, observer)?;
    let machine = Arc::new(Mutex::new(Machine { runner, armed: None, ended: false }));
    let (wakes, inbox) = channel();
    // Should a thread not start, those that did are ended with this.
    let mut readers = Readers { sockets: sockets.clone(), machine: machine.clone(), threads: Vec::new() };
    for (i, _) in (0u8..).zip(addrs.iter()) {
        let (sockets, machine, wakes) = (sockets.clone(), machine.clone(), wakes.clone());
        let body = move || read(&sockets[usize::from(i)], LinkId(i), &machine, &wakes);
        readers.threads.push(named(format!("honeyguide-read-{i}"), body)?);
    }
    let (handle, lifetime) = Handle::new(addrs, move |message| {
        let _ = wakes.send(ThreadWake::Message(message));
    });
    named("honeyguide".into(), move || {
        // In the opposite order they end, however the node ends: first the readers, then the node with its sockets.
        let _lifetime = lifetime;
        let machine = machine;
        let _readers = readers;
        run(&machine, inbox);
    })?;
    Ok(handle)
}

fn named(name: std::string::String, body: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name).spawn(body)
}

/// Messages and time, until somebody wants the end. A poisoned lock means that the node is lost.
fn run(machine: &Mutex<Machine>, inbox: Receiver<ThreadWake>) {
    loop {
        let Ok(mut held) = machine.lock() else { return };
        held.armed = held.runner.deadline();
        let (armed, clock) = (held.armed, held.runner.clock());
        drop(held);
        let wake = match armed {
            Some(at) => inbox.recv_timeout(clock.until(at)),
            None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        let Ok(mut held) = machine.lock() else { return };
        held.runner.handle_timeout();
        held.ended = match wake {
            Ok(ThreadWake::Message(message)) => held.runner.handle_message(message).is_break(),
            Ok(ThreadWake::Sooner) | Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => true,
        };
        if held.ended {
            return;
        }
    }
}

fn read(socket: &UdpSocket, link: LinkId, machine: &Mutex<Machine>, wakes: &Sender<ThreadWake>) {
    let _waking = Waking(wakes);
    let mut buffer = [0; RECEIVE];
    let (mut receiving, mut trouble, mut silence) = (Receiving::default(), Trouble::new(link), Silence::default());
    loop {
        let received = receiving.receive(socket, &mut buffer);
        let Ok(mut held) = machine.lock() else { return };
        if held.ended {
            return;
        }
        let mut pause = None;
        match &received {
            Ok(_) => {
                silence.0 = None;
                trouble.on_datagram();
            }
            // A signal came, of which the socket knows nothing.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if silence.explains(error) => trouble.on_silence(),
            Err(error) => pause = trouble.on_failure(error.kind()),
        }
        trouble.take_news().into_iter().for_each(|news| held.runner.tell_watchers(news));
        if let Ok((len, from)) = received {
            held.runner.input(Input::Datagram { link, from: from.into(), payload: &buffer[..len] });
            let deadline = held.runner.deadline();
            if deadline.is_some_and(|at| held.armed.is_none_or(|armed| at < armed)) {
                held.armed = deadline;
                let _ = wakes.send(ThreadWake::Sooner);
            }
        }
        drop(held);
        // The end of the node is heard here too.
        if let Some(pause) = pause {
            thread::park_timeout(pause);
            silence.0 = Some(time::Instant::now());
        }
    }
}

/// Receives. Of a socket that was shut down the system gives nothing, from nobody, and the standard library's
/// `recv_from` judges by whatever lies on the stack instead: it fails without a number of the system's, or it panics
/// (which a program built with `panic = "abort"` does not outlive). From the first such sign on the sender is asked for
/// before the datagram, which costs a second call for each.
#[derive(Default)]
struct Receiving {
    asks_first: bool,
}

impl Receiving {
    fn receive(&mut self, socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        if !self.asks_first {
            match catch_unwind(AssertUnwindSafe(|| socket.recv_from(buffer))) {
                Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidInput && error.raw_os_error().is_none() => {}
                Ok(received) => return received,
                Err(_) => {}
            }
            self.asks_first = true;
        }
        let from = SockRef::from(socket).peek_sender()?.as_socket().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok((socket.recv(buffer)?, from))
    }
}

/// Wakes the node's own thread when a reader ends: should that be by a panic, the node is lost, and nothing else tells.
struct Waking<'a>(&'a Sender<ThreadWake>);

impl Drop for Waking<'_> {
    fn drop(&mut self) {
        let _ = self.0.send(ThreadWake::Sooner);
    }
}

/// Since when a reader waits in vain; it does not while it pauses.
#[derive(Default)]
struct Silence(Option<time::Instant>);

impl Silence {
    /// Whether a receive ended for nothing but the time it took. A socket that somebody made non-blocking says the
    /// same, but at once.
    fn explains(&mut self, error: &io::Error) -> bool {
        let since = self.0.replace(time::Instant::now());
        let is_timeout = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
        is_timeout && since.is_none_or(|since| since.elapsed() >= READ_TIMEOUT / 2)
    }
}

/// The readers. The machine ends when this is dropped, and they are woken and waited for.
struct Readers {
    sockets: ThreadSockets,
    machine: Arc<Mutex<Machine>>,
    threads: Vec<JoinHandle<()>>,
}

impl Drop for Readers {
    fn drop(&mut self) {
        // One who finds the lock poisoned ends too.
        if let Ok(mut held) = self.machine.lock() {
            held.ended = true;
        }
        for (socket, reader) in self.sockets.iter().zip(&self.threads) {
            reader.thread().unpark();
            let _ = socket.local_addr().and_then(|own| socket.send_to(&[], reachable(own)));
        }
        for reader in self.threads.drain(..) {
            let _ = reader.join();
        }
    }
}

/// The address that a socket reaches itself at.
fn reachable(mut own: SocketAddr) -> SocketAddr {
    match own.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => own.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => own.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    own
}
