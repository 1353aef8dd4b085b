//! What this machine could not send (rule B18 of `spec/joining.md`), for whoever would say that nobody answered.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use honeyguide::adapters::{Handle, Notice, Notices};

use crate::cause::cause;

/// Addresses that are named at most.
const MOST: usize = 8;

/// What a node has told until now.
pub struct Unsent {
    notices: RefCell<Notices>,
    causes: RefCell<BTreeMap<SocketAddr, ErrorKind>>,
}

impl Unsent {
    /// From now on; whoever wants to hear all begins before the node sends.
    pub fn of(node: &Handle) -> Unsent {
        Unsent { notices: RefCell::new(node.notices()), causes: RefCell::default() }
    }

    /// Where nothing could be sent, and why.
    pub fn causes(&self) -> BTreeMap<SocketAddr, ErrorKind> {
        let (mut notices, mut causes) = (self.notices.borrow_mut(), self.causes.borrow_mut());
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(notice)) = pin!(notices.next()).poll(&mut cx) {
            if let Notice::SendTrouble { to, error, .. } = notice
                && causes.len() < MOST
            {
                causes.entry(to).or_insert(error);
            }
        }
        causes.clone()
    }

    /// Something could be sent there after all.
    pub fn forget(&self, addrs: &[SocketAddr]) {
        let causes = self.causes();
        *self.causes.borrow_mut() = causes.into_iter().filter(|(addr, _)| !addrs.contains(addr)).collect();
    }

    /// The same in words, of one address.
    pub fn to(&self, addr: SocketAddr) -> Option<String> {
        self.causes().get(&addr).map(|error| words(addr, *error))
    }

    /// The same of all, behind a sentence.
    pub fn behind(&self) -> String {
        self.causes().into_iter().map(|(addr, error)| format!("; {}", words(addr, error))).collect()
    }
}

pub fn words(to: SocketAddr, error: ErrorKind) -> String {
    format!("nothing could be sent to {to}: {}", why(to, error))
}

/// Why something cannot be sent.
pub fn why(to: SocketAddr, error: ErrorKind) -> String {
    let is_link_local = matches!(to, SocketAddr::V6(v6) if v6.ip().is_unicast_link_local());
    match error {
        ErrorKind::NetworkUnreachable | ErrorKind::InvalidInput if is_link_local => {
            "a link-local address is reached only from a link that is bound to one of the same interface".into()
        }
        ErrorKind::NetworkUnreachable => "the network is unreachable: this machine has no route there".into(),
        ErrorKind::HostUnreachable => "the host is unreachable: check the address".into(),
        ErrorKind::NetworkDown => "the network is down: check the interface".into(),
        ErrorKind::PermissionDenied => {
            "it is not permitted: look at the firewall and the routes of this machine".into()
        }
        _ => cause(&io::Error::from(error)),
    }
}
