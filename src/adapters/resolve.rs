//! Names to addresses, while nothing else waits.
//!
//! The system's resolver blocks, sometimes for many seconds, and cannot be interrupted. So names get threads, at most
//! sixteen in a process, which end when the system has answered, and whoever asked takes the answers as they come, for
//! as long as it likes. A literal address needs no thread.

use std::collections::VecDeque;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::string::String;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;
use std::vec::Vec;

use crate::adapters::cause::cause;
use crate::adapters::mailbox::{Consumer, Mailbox};

/// Names that one call resolves; the first one past them is answered with an error, and the rest are not looked at.
const MAX_NAMES: usize = 1024;
/// Threads that wait for the system at a time, whoever asked; other names wait for one of them.
const MAX_THREADS: usize = 16;
/// Addresses that are kept of one name.
const MAX_ADDRS: usize = 8;

/// Addresses of one name, or why there are none.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Resolved {
    /// The name as it was given, `host:port`.
    pub name: String,
    /// At least one address, at most eight.
    pub addrs: Result<Vec<SocketAddr>, ResolveError>,
}

/// Why a name has no address: a sentence with the name in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResolveError {
    name: String,
    fault: ResolveFault,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum ResolveFault {
    /// It is not of the form `host:port`.
    Malformed(&'static str),
    TooMany,
    NoAddress,
    /// What the system's resolver said.
    Resolver(String),
    /// Why there is no thread.
    Thread(String),
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match &self.fault {
            ResolveFault::Malformed(fault) => write!(f, "\"{name}\" {fault}: write it as host:port or address:port"),
            ResolveFault::TooMany => {
                write!(f, "\"{name}\" was not resolved, nor what follows it: name at most {MAX_NAMES} at once")
            }
            ResolveFault::NoAddress => write!(f, "\"{name}\" has no address"),
            ResolveFault::Resolver(error) => write!(f, "\"{name}\" could not be resolved: {error}"),
            ResolveFault::Thread(error) => write!(f, "\"{name}\" was not resolved: {error}"),
        }
    }
}

impl std::error::Error for ResolveError {}

impl ResolveError {
    /// Why this is no name with a port, if it is none: what [`resolve`] would say without asking anybody.
    #[must_use]
    pub fn of_form(name: &str) -> Option<ResolveError> {
        let is_literal = name.parse::<SocketAddr>().is_ok_and(|addr| addr.port() > 0);
        let fault = malformed(name).filter(|_| !is_literal)?;
        Some(ResolveError { name: name.into(), fault: ResolveFault::Malformed(fault) })
    }

    /// Whether the caller is at fault, so that asking again cannot help: the name is malformed, or one too many.
    #[must_use]
    pub fn is_wrong_usage(&self) -> bool {
        matches!(self.fault, ResolveFault::Malformed(_) | ResolveFault::TooMany)
    }
}

/// The threads of this process.
static RESOLVERS: Resolvers = Resolvers::new(ask_the_system);

/// Answers, in the order in which they come.
#[must_use = "awaited or waited for, it gives the answers"]
pub struct Resolution(Consumer<Resolved, ()>);

/// Starts to resolve names, at most 1,024, each `host:port` or an address with a port.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use honeyguide::adapters::resolve::resolve;
///
/// let mut answers = resolve(["127.0.0.1:6881", "localhost"]);
/// let deadline = Instant::now() + Duration::from_secs(5);
/// assert_eq!(answers.wait_next(deadline).unwrap().addrs, Ok(vec!["127.0.0.1:6881".parse().unwrap()]));
/// let error = answers.wait_next(deadline).unwrap().addrs.unwrap_err();
/// assert_eq!(error.to_string(), "\"localhost\" has no port: write it as host:port or address:port");
/// assert!(answers.wait_next(deadline).is_none());
/// ```
pub fn resolve<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Resolution {
    resolve_by(&RESOLVERS, names.into_iter().take(MAX_NAMES + 1).map(Into::into).collect())
}

fn resolve_by(resolvers: &'static Resolvers, mut names: Vec<String>) -> Resolution {
    // A place for each answer: none is lost.
    let asked = Arc::new(Asked(Mailbox::new(names.len())));
    let resolution = Resolution(asked.0.clone().into());
    let beyond = if names.len() > MAX_NAMES { names.pop() } else { None };
    let mut unknown = Vec::new();
    for name in names {
        let literal = name.parse::<SocketAddr>().ok().filter(|addr| addr.port() > 0);
        if let Some(addr) = literal {
            asked.answer(name, Ok(std::vec![addr]));
        } else if let Some(fault) = malformed(&name) {
            asked.answer(name, Err(ResolveFault::Malformed(fault)));
        } else {
            unknown.push(name);
        }
    }
    if let Some(name) = beyond {
        asked.answer(name, Err(ResolveFault::TooMany));
    }
    resolvers.take(unknown, &asked);
    resolution
}

impl Resolution {
    /// The next answer, or `None` after the last one.
    pub async fn next(&mut self) -> Option<Resolved> {
        self.0.next().await
    }

    /// The next answer, or `None` after the last one or when `deadline` has passed. Blocks.
    pub fn wait_next(&mut self, deadline: Instant) -> Option<Resolved> {
        self.0.wait_next(Some(deadline)).unwrap_or(None)
    }
}

impl fmt::Debug for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolution").field("ended", &self.0.end().is_some()).finish_non_exhaustive()
    }
}

/// Those who ask the system, and what they are to ask.
struct Resolvers {
    ask: fn(&str) -> Result<Vec<SocketAddr>, ResolveFault>,
    state: Mutex<ResolversState>,
}

struct ResolversState {
    threads: usize,
    /// Names that no thread has taken yet, of all that somebody wants to know.
    waiting: VecDeque<(String, Arc<Asked>)>,
}

impl Resolvers {
    const fn new(ask: fn(&str) -> Result<Vec<SocketAddr>, ResolveFault>) -> Self {
        Resolvers { ask, state: Mutex::new(ResolversState { threads: 0, waiting: VecDeque::new() }) }
    }

    fn take(&'static self, names: Vec<String>, asked: &Arc<Asked>) {
        let mut state = self.lock();
        state.waiting.retain(|(_, asked)| asked.is_wanted());
        let wanted = state.threads.saturating_add(names.len()).min(MAX_THREADS);
        state.waiting.extend(names.into_iter().map(|name| (name, asked.clone())));
        while state.threads < wanted {
            match thread::Builder::new().name("honeyguide-resolve".into()).spawn(|| self.work()) {
                Ok(_) => state.threads += 1,
                // Those that there are do it all.
                Err(_) if state.threads > 0 => break,
                Err(error) => {
                    let given_up = std::mem::take(&mut state.waiting);
                    drop(state);
                    let fault = ResolveFault::Thread(cause(&error));
                    return given_up.into_iter().for_each(|(name, asked)| asked.answer(name, Err(fault.clone())));
                }
            }
        }
    }

    /// Takes one name after another that somebody wants to know, as long as there are any.
    fn work(&self) {
        while let Some((name, asked)) = self.next() {
            if asked.is_wanted() {
                let addrs = (self.ask)(&name);
                asked.answer(name, addrs);
            }
        }
    }

    /// Without a next one, a thread ends.
    fn next(&self) -> Option<(String, Arc<Asked>)> {
        let mut state = self.lock();
        let next = state.waiting.pop_front();
        state.threads -= usize::from(next.is_none());
        next
    }

    fn lock(&self) -> MutexGuard<'_, ResolversState> {
        // Nothing panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shared by those who still owe an answer; the last of them ends the resolution.
struct Asked(Arc<Mailbox<Resolved, ()>>);

impl Asked {
    fn answer(&self, name: String, addrs: Result<Vec<SocketAddr>, ResolveFault>) {
        let addrs = addrs.map_err(|fault| ResolveError { name: name.clone(), fault });
        self.0.put(Resolved { name, addrs });
    }

    fn is_wanted(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.0.finish(());
    }
}

fn malformed(name: &str) -> Option<&'static str> {
    let Some((host, port)) = name.rsplit_once(':') else { return Some("has no port") };
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(port) || !port.parse::<u16>().is_ok_and(|port| port > 0) {
        return Some("has no valid port");
    }
    // What would be a name for no name service is a slip of the user's, and nobody else's to read.
    let is_strange = |c: char| c.is_whitespace() || c.is_control() || c == ':';
    let is_address = host.contains('.') && host.split('.').all(is_number);
    if host.is_empty() || host.contains(is_strange) || is_address && host.parse::<Ipv4Addr>().is_err() {
        return Some("is not an address");
    }
    None
}

fn ask_the_system(name: &str) -> Result<Vec<SocketAddr>, ResolveFault> {
    let addrs = name.to_socket_addrs();
    let addrs = addrs.map_err(|error| ResolveFault::Resolver(cause(&error)))?;
    let addrs: Vec<_> = addrs.take(MAX_ADDRS).collect();
    if addrs.is_empty() { Err(ResolveFault::NoAddress) } else { Ok(addrs) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;
    use std::time::Duration;

    fn all(names: &[&str]) -> Vec<Resolved> {
        let mut resolution = resolve(names.iter().copied());
        let deadline = Instant::now() + Duration::from_secs(60);
        std::iter::from_fn(|| resolution.wait_next(deadline)).collect()
    }

    #[test]
    fn addresses_need_no_resolver_and_keep_their_order() {
        let answers = all(&["127.0.0.1:6881", "[::1]:1"]);
        assert_eq!(answers[0].addrs, Ok(std::vec!["127.0.0.1:6881".parse().unwrap()]));
        assert_eq!(answers[1].addrs, Ok(std::vec!["[::1]:1".parse().unwrap()]));
    }

    #[test]
    fn localhost_is_resolved_by_the_system() {
        let answers = all(&["localhost:7"]);
        assert!(answers[0].addrs.as_ref().unwrap().iter().all(|addr| addr.ip().is_loopback() && addr.port() == 7));
    }

    #[test]
    fn faults_are_sentences_that_name_the_name() {
        for name in ["nothing", "host:", "host:99999", "host:0", ":1", "a:b:c:1", "127.0.0.1:0", ""] {
            let answers = all(&[name]);
            let sentence = answers[0].addrs.as_ref().unwrap_err().to_string();
            assert!(sentence.contains(name) && sentence.contains("host:port"), "{sentence}");
        }
    }

    #[test]
    fn every_name_gets_its_answer_also_when_they_are_many() {
        let literals: Vec<_> = (1..=MAX_NAMES).map(|port| std::format!("127.0.0.1:{port}")).collect();
        let literals: Vec<_> = literals.iter().map(String::as_str).collect();
        assert!(all(&literals).iter().map(|answer| &answer.name).eq(&literals));
        let answers = all(&["localhost:7"; 3 * MAX_THREADS]);
        assert_eq!(answers.iter().filter(|answer| answer.addrs.is_ok()).count(), 3 * MAX_THREADS);
    }

    #[test]
    fn many_calls_have_no_more_threads_than_one() {
        static HANGING: Mutex<()> = Mutex::new(());
        static BUSY: Resolvers = Resolvers::new(|_| {
            drop(HANGING.lock());
            Ok(std::vec![SocketAddr::from(([127, 0, 0, 1], 7))])
        });
        let hanging = HANGING.lock();
        let ask = || resolve_by(&BUSY, std::vec![String::from("name:7"); MAX_THREADS - 1]);
        let (first, unwanted, mut last) = (ask(), ask(), ask());
        assert_eq!(BUSY.lock().threads, MAX_THREADS);
        // What nobody wants to know any more makes room; a thread may have taken one.
        drop((first, unwanted));
        let mut latest = ask();
        assert!(BUSY.lock().waiting.len() <= 2 * (MAX_THREADS - 1));
        drop(hanging);
        let deadline = Instant::now() + Duration::from_secs(60);
        for resolution in [&mut last, &mut latest] {
            let answers = std::iter::from_fn(|| resolution.wait_next(deadline)).count();
            assert_eq!(answers, MAX_THREADS - 1);
        }
    }

    #[test]
    fn one_name_too_many_is_an_error_that_says_so() {
        let mut resolution = resolve(std::iter::repeat("127.0.0.1:7"));
        let last = std::iter::from_fn(|| resolution.wait_next(Instant::now())).last().unwrap();
        let error = last.addrs.unwrap_err();
        assert!(error.is_wrong_usage() && error.to_string().contains(&MAX_NAMES.to_string()), "{error}");
    }

    #[test]
    fn what_the_system_does_not_know_is_no_wrong_usage() {
        let errors = |name| all(&[name]).remove(0).addrs.unwrap_err();
        assert!(errors("127.0.0.1").is_wrong_usage());
        assert!(!errors("no-such-host.invalid:6881").is_wrong_usage());
    }
}
