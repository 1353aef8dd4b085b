//! Names to addresses, while nothing else waits.
//!
//! The system's resolver blocks, sometimes for many seconds, and cannot be interrupted. So names get threads, at most
//! sixteen at a time, which end when the system has answered, and whoever asked takes the answers as they come, for as
//! long as it likes. A literal address needs no thread.

use std::collections::VecDeque;
use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::string::{String, ToString};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;
use std::vec::Vec;

use crate::adapters::mailbox::{Consumer, Mailbox};

/// Names that one call resolves; the first one past them is answered with an error, and the rest are not looked at.
const MAX_NAMES: usize = 1024;
/// Threads that wait for the system at a time; other names wait for one of them.
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
    let mut names: Vec<String> = names.into_iter().take(MAX_NAMES + 1).map(Into::into).collect();
    // A place for each answer: none is lost.
    let asked = Arc::new(Asked { mail: Mailbox::new(names.len()), waiting: Mutex::default() });
    let resolution = Resolution(asked.mail.clone().into());
    let beyond = if names.len() > MAX_NAMES { names.pop() } else { None };
    for name in names {
        let literal = name.parse::<SocketAddr>().ok().filter(|addr| addr.port() > 0);
        if let Some(addr) = literal {
            asked.answer(name, Ok(std::vec![addr]));
        } else if let Some(fault) = malformed(&name) {
            asked.answer(name, Err(ResolveFault::Malformed(fault)));
        } else {
            asked.waiting().push_back(name);
        }
    }
    if let Some(name) = beyond {
        asked.answer(name, Err(ResolveFault::TooMany));
    }
    let threads = asked.waiting().len().min(MAX_THREADS);
    for started in 0..threads {
        let thread_asked = asked.clone();
        let body = move || thread_asked.work();
        match thread::Builder::new().name("honeyguide-resolve".into()).spawn(body) {
            Ok(_) => {}
            // Those that there are do it all.
            Err(_) if started > 0 => break,
            Err(error) => asked.give_up(&error.to_string()),
        }
    }
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

/// Shared by those who still owe an answer; the last of them ends the resolution.
struct Asked {
    mail: Arc<Mailbox<Resolved, ()>>,
    /// Names that no thread has taken yet.
    waiting: Mutex<VecDeque<String>>,
}

impl Asked {
    fn answer(&self, name: String, addrs: Result<Vec<SocketAddr>, ResolveFault>) {
        let addrs = addrs.map_err(|fault| ResolveError { name: name.clone(), fault });
        self.mail.put(Resolved { name, addrs });
    }

    /// Takes one name after another, as long as somebody wants to know.
    fn work(&self) {
        let is_wanted = || Arc::strong_count(&self.mail) > 1;
        while let Some(name) = self.next().filter(|_| is_wanted()) {
            let addrs = ask_the_system(&name);
            self.answer(name, addrs);
        }
    }

    /// Answers all that wait with why there is no thread.
    fn give_up(&self, error: &str) {
        while let Some(name) = self.next() {
            self.answer(name, Err(ResolveFault::Thread(error.into())));
        }
    }

    fn next(&self) -> Option<String> {
        self.waiting().pop_front()
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<String>> {
        // Nothing panics while it holds the lock.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.mail.finish(());
    }
}

fn malformed(name: &str) -> Option<&'static str> {
    match name.rsplit_once(':') {
        None => Some("has no port"),
        Some((_, port)) if !port.parse::<u16>().is_ok_and(|port| port > 0) => Some("has no valid port"),
        Some((host, _)) if host.is_empty() || host.contains(':') => Some("is not an address"),
        Some(_) => None,
    }
}

fn ask_the_system(name: &str) -> Result<Vec<SocketAddr>, ResolveFault> {
    let addrs = name.to_socket_addrs();
    let addrs = addrs.map_err(|error| ResolveFault::Resolver(error.to_string().trim_end_matches('.').into()))?;
    let addrs: Vec<_> = addrs.take(MAX_ADDRS).collect();
    if addrs.is_empty() { Err(ResolveFault::NoAddress) } else { Ok(addrs) }
}

#[cfg(test)]
mod tests {
    use super::*;
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
