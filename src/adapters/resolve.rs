//! Names to addresses, while nothing else waits.
//!
//! The system's resolver blocks, sometimes for many seconds, and cannot be interrupted. So each name gets a thread that
//! ends when the system has answered, and whoever asked takes the answers as they come, for as long as it likes. A
//! literal address needs no thread.

use std::format;
use std::net::{SocketAddr, ToSocketAddrs};
use std::string::{String, ToString};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use smallvec::SmallVec;

use crate::adapters::mailbox::Mailbox;

/// Names that one call resolves; those past it are answered with an error.
pub const MAX_NAMES: usize = 16;
/// Addresses that are kept of one name.
pub const MAX_ADDRS: usize = 8;

/// Addresses of one name, or a sentence about why there are none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resolved {
    /// The name as it was given, `host:port`.
    pub name: String,
    /// At least one address.
    pub addrs: Result<SmallVec<[SocketAddr; 4]>, String>,
}

/// Answers, in the order in which they come.
pub struct Resolution(Arc<Mailbox<Resolved, ()>>);

/// Starts to resolve `names`, each `host:port` or an address with a port.
pub fn resolve<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Resolution {
    // Room for every thread's answer and for as many refusals.
    let mail = Mailbox::new(2 * MAX_NAMES);
    let asked = Arc::new(Asked(mail.clone()));
    for (i, name) in names.into_iter().enumerate() {
        let name = name.into();
        let literal = name.parse::<SocketAddr>().ok().filter(|addr| addr.port() > 0);
        if let Some(addr) = literal {
            asked.answer(name, Ok(SmallVec::from_slice(&[addr])));
        } else if let Some(fault) = fault(&name) {
            let sentence = format!("\"{name}\" {fault}: write it as host:port or address:port");
            asked.answer(name, Err(sentence));
        } else if i >= MAX_NAMES {
            let sentence = format!("\"{name}\" was not resolved: at most {MAX_NAMES} names are");
            asked.answer(name, Err(sentence));
        } else {
            let (thread_asked, thread_name) = (asked.clone(), name.clone());
            let body = move || {
                let addrs = ask_the_system(&thread_name);
                thread_asked.answer(thread_name, addrs);
            };
            if let Err(error) = thread::Builder::new().name("honeyguide-resolve".into()).spawn(body) {
                let sentence = format!("\"{name}\" was not resolved: {error}");
                asked.answer(name, Err(sentence));
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

/// Shared by those who still owe an answer; the last of them ends the resolution.
struct Asked(Arc<Mailbox<Resolved, ()>>);

impl Asked {
    fn answer(&self, name: String, addrs: Result<SmallVec<[SocketAddr; 4]>, String>) {
        self.0.put(Resolved { name, addrs });
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.0.finish(());
    }
}

fn fault(name: &str) -> Option<&'static str> {
    match name.rsplit_once(':') {
        None => Some("has no port"),
        Some((_, port)) if !port.parse::<u16>().is_ok_and(|port| port > 0) => Some("has no valid port"),
        Some((host, _)) if host.is_empty() || host.contains(':') => Some("is not an address"),
        Some(_) => None,
    }
}

fn ask_the_system(name: &str) -> Result<SmallVec<[SocketAddr; 4]>, String> {
    match name.to_socket_addrs() {
        Ok(addrs) => {
            let addrs: SmallVec<_> = addrs.take(MAX_ADDRS).collect();
            if addrs.is_empty() { Err(format!("\"{name}\" has no address")) } else { Ok(addrs) }
        }
        Err(error) => Err(format!("\"{name}\" could not be resolved: {}", error.to_string().trim_end_matches('.'))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use std::vec::Vec;

    fn all(names: &[&str]) -> Vec<Resolved> {
        let mut resolution = resolve(names.iter().copied());
        let deadline = Instant::now() + Duration::from_secs(60);
        std::iter::from_fn(|| resolution.wait_next(deadline)).collect()
    }

    #[test]
    fn addresses_need_no_resolver_and_keep_their_order() {
        let answers = all(&["127.0.0.1:6881", "[::1]:1"]);
        assert_eq!(answers[0].addrs, Ok(SmallVec::from_slice(&["127.0.0.1:6881".parse().unwrap()])));
        assert_eq!(answers[1].addrs, Ok(SmallVec::from_slice(&["[::1]:1".parse().unwrap()])));
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
            let sentence = answers[0].addrs.as_ref().unwrap_err();
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
