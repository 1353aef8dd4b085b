//! The window of a lookup: candidates, their write tokens, and what is known of each.

use core::fmt;

use crate::base::planted::{Bug, planted};
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::{Distance, Id};
use crate::krpc::message::MAX_TOKEN;
use crate::krpc::networks::Networks;

/// Most candidates that one reply may add, for each address family.
pub const SHARE: usize = 8;

/// What is known of a candidate before it is asked.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[repr(u8)]
pub enum Class {
    /// It answered us before.
    Good,
    /// Another node named it.
    #[default]
    Unverified,
    /// It failed lately.
    Bad,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[repr(u8)]
pub(super) enum CandidateState {
    #[default]
    Fresh,
    Asked,
    Late,
    Answered,
    /// It has answered, and is asked about others now.
    AskedAgain,
    Storing,
    Stored,
    Refused,
    Failed,
}

impl CandidateState {
    /// Whether it has answered, whatever was wanted of it afterwards.
    pub(super) fn has_answered(self) -> bool {
        use CandidateState::{Answered, AskedAgain, Refused, Stored, Storing};
        matches!(self, Answered | AskedAgain | Storing | Stored | Refused)
    }
}

/// One place of a window.
#[derive(Clone, Copy, Default, Debug)]
pub struct Candidate {
    pub(super) distance: Distance,
    pub(super) endpoint: Endpoint,
    pub(super) state: CandidateState,
    pub(super) class: Class,
    pub(super) hops: u8,
    /// Which of those to begin with led to it.
    pub(super) path: u8,
    /// For which parts beside the target it was asked.
    pub(super) asides: u16,
    /// Place of its token, or `NO_TOKEN`.
    pub(super) token: u8,
    /// Its id fits its address (BEP 42).
    pub(super) secure: bool,
    /// What it holds under the key that is to be stored.
    pub(super) version: Version,
    /// What is not done twice.
    pub(super) once: Once,
}

/// What was done for a candidate that is done once, in the byte that its place has left.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Once {
    bits: u8,
}

impl Once {
    /// It was asked under an id that it does not have, and has its place under its own.
    pub(super) const RENAMED: u8 = 1;
    /// It has answered, and was asked for its token again.
    pub(super) const ASKED_FOR_TOKEN: u8 = 2;
    /// It was asked since too few were found (L37).
    pub(super) const FURTHER: u8 = 4;
    /// It has confirmed a store, which counts towards enough.
    pub(super) const COUNTED: u8 = 8;

    pub(super) fn is_done(self, what: u8) -> bool {
        self.bits & what != 0
    }

    pub(super) fn with(self, what: u8) -> Self {
        Once { bits: self.bits | what }
    }

    pub(super) fn without(self, what: u8) -> Self {
        Once { bits: self.bits & !what }
    }
}

/// What a candidate holds under the key of a put.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[repr(u8)]
pub enum Version {
    /// Nothing that we know of.
    #[default]
    None,
    /// The version that the put expects to replace (BEP 44's `cas`).
    Expected,
    /// The very item that is to be stored.
    Same,
    /// Another version.
    Other,
}

/// What candidates have shown against a put that may only replace the version it expects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Conflict {
    None,
    /// One refused to store, which may be a lie.
    OneRefused,
    /// Two did.
    Refused,
    /// One holds a newer version than the expected one.
    Superseded,
}

pub(super) const NO_TOKEN: u8 = u8::MAX;

/// A place for one write token. Who knows it can store in our name, so it is not shown.
#[derive(Clone, Default)]
pub struct TokenCell(heapless::Vec<u8, MAX_TOKEN, u8>);

impl TokenCell {
    /// Puts a token in place of the one before; false, and the place is empty, when it is longer than any may be.
    pub(super) fn set(&mut self, token: &[u8]) -> bool {
        self.0.clear();
        self.0.extend_from_slice(token).is_ok()
    }

    /// The token.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for TokenCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenCell({} bytes)", self.0.len())
    }
}

/// The memory of one lookup, lent for one call.
#[derive(Debug)]
pub struct LookupWindow<'a> {
    /// Places for candidates.
    pub candidates: &'a mut [Candidate],
    /// Places for tokens, at most 255.
    pub tokens: &'a mut [TokenCell],
}

/// A node that a lookup might ask.
#[derive(Clone, Copy, Debug)]
pub struct Offer {
    /// Its id.
    pub id: Id,
    /// Its address.
    pub endpoint: Endpoint,
    /// What we know of it.
    pub class: Class,
    /// Referrals that led to it; 0 for our own contacts.
    pub hops: u8,
    /// The path of whoever named it; `None` for one to begin with.
    pub path: Option<u8>,
    /// Its id fits its address (BEP 42).
    pub secure: bool,
}

/// The network that one confirmation of a store counts for: /24, /48.
pub(super) fn site_of(node: &Endpoint) -> u64 {
    let networks = Networks::of(node);
    if planted(Bug::EachSubnetCounts) { networks.smallest() } else { networks.largest() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn a_token_shows_its_length_and_not_itself() {
        let mut cell = TokenCell::default();
        assert!(cell.set(&[0x61; 7]));
        assert_eq!(format!("{cell:?}"), "TokenCell(7 bytes)");
    }
}
