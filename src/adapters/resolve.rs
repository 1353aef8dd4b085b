//! Names to addresses, while nothing else waits.
//!
//! The system's resolver blocks, sometimes for many seconds, and cannot be interrupted. So each name gets a thread that
//! ends when the system has answered, and whoever asked takes the answers as they come, for as long as it likes. A
//! literal address needs no thread.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::string::{String, ToString};
use std::sync::Arc;
use std::thread;
use std::time::Instant;
use std::vec::Vec;

use crate::adapters::mailbox::Mailbox;

/// Names that one call resolves; those past it are answered with an error.
const MAX_NAMES: usize = 16;
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
            ResolveFault::TooMany => write!(f, "\"{name}\" was not resolved: at most {MAX_NAMES} names are"),
            ResolveFault::NoAddress => write!(f, "\"{name}\" has no address"),
            ResolveFault::Resolver(error) => write!(f, "\"{name}\" could not be resolved: {error}"),
            ResolveFault::Thread(error) => write!(f, "\"{name}\" was not resolved: {error}"),
        }
    }
}

impl std::error::Error for ResolveError {}

/// Answers, in the order in which they come.
#[must_use = "awaited or waited for, it gives the answers"]
pub struct Resolution(Arc<Mailbox<Resolved, ()>>);

/// Starts to resolve names, at most 16, each `host:port` or an address with a port.
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
    // So many answers of threads, and as many refusals.
    let mail = Mailbox::new(2 * MAX_NAMES);
    let asked = Arc::new(Asked(mail.clone()));
    for (i, name) in names.into_iter().enumerate() {
        let name = name.into();
        let literal = name.parse::<SocketAddr>().ok().filter(|addr| addr.port() > 0);
        if let Some(addr) = literal {
            asked.answer(name, Ok(std::vec![addr]));
        } else if let Some(fault) = malformed(&name) {
            asked.answer(name, Err(ResolveFault::Malformed(fault)));
        } else if i >= MAX_NAMES {
            asked.answer(name, Err(ResolveFault::TooMany));
        } else {
            let (thread_asked, thread_name) = (asked.clone(), name.clone());
            let body = move || {
                let addrs = ask_the_system(&thread_name);
                thread_asked.answer(thread_name, addrs);
            };
            if let Err(error) = thread::Builder::new().name("honeyguide-resolve".into()).spawn(body) {
                asked.answer(name, Err(ResolveFault::Thread(error.to_string())));
            }
        }
    }
    Resolution(mail)
}

impl Resolution {
    /// The next answer, or `None` after the last one.
    pub async fn next(&mut self) -> Option<Resolved> {
        std::future::poll_fn(|cx| self.0.poll_next(cx)).await
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
struct Asked(Arc<Mailbox<Resolved, ()>>);

impl Asked {
    fn answer(&self, name: String, addrs: Result<Vec<SocketAddr>, ResolveFault>) {
        let addrs = addrs.map_err(|fault| ResolveError { name: name.clone(), fault });
        self.0.put(Resolved { name, addrs });
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.0.finish(());
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
    fn too_many_names_are_refused_one_by_one() {
        let names: Vec<_> = (0..MAX_NAMES + 1).map(|_| "localhost:7").collect();
        let refused = all(&names).into_iter().filter(|answer| answer.addrs.is_err()).count();
        assert_eq!(refused, 1);
    }
}
