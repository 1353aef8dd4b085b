//! A datagram with other addresses and tokens in it, and with nothing else that somebody wrote but what the protocol
//! has a place for: byte for byte in the same places.
//!
//! What a node reads of a message, in the form that the BEPs give it, stays or becomes another of its kind. Everything
//! else is written over such that it stays what it was to a node: a text of that length, a number of that sign, zero or
//! not.

use std::hash::Hasher;

use honeyguide::Id;
use honeyguide::krpc::{Decoded, ErrorMessage, Item, Method, decode};
use siphasher::sip::SipHasher13;

use crate::addresses::Addresses;
use crate::places::{Kind, Place, places};

const METHODS: [&[u8]; 7] =
    [b"ping", b"find_node", b"get_peers", b"announce_peer", b"get", b"put", b"sample_infohashes"];
/// Codes of errors (BEP 5, 44).
const CODES: [i64; 9] = [201, 202, 203, 204, 205, 206, 207, 301, 302];

/// What is put in the place of each thing. Every one has the length of what it replaces.
pub struct Rewriter<'a> {
    pub addresses: &'a Addresses,
    /// Decides what stands in the place of strangers' tokens and transaction ids.
    pub key: [u8; 16],
    /// The write token that the other node would have got.
    pub token: &'a dyn Fn(&[u8]) -> Option<Vec<u8>>,
    /// What its sender was asked for in the query with this transaction id.
    pub asked: &'a dyn Fn(&[u8]) -> Option<Asked>,
}

/// What a query of ours asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asked {
    Item,
    Peers,
    Samples,
    /// Nothing but nodes, or to store something.
    Else,
}

impl Asked {
    pub fn of(query: &Method<'_>) -> Asked {
        match query {
            Method::Get { .. } => Asked::Item,
            Method::GetPeers { .. } => Asked::Peers,
            Method::SampleInfohashes { .. } => Asked::Samples,
            _ => Asked::Else,
        }
    }
}

/// A message, as far as it decides what is read of it.
#[derive(Clone, Copy)]
enum Message {
    /// Served; with the id that it is about.
    Query(Served, Option<Id>),
    /// A query that is answered with an error for its form.
    Refused,
    /// To a query of ours, which asked for this.
    Response(Asked),
    Error,
    /// It answers a query of ours, and has not the form of an answer: nothing but that is read of it.
    Broken,
    /// An answer to nothing.
    Unasked,
}

#[derive(Clone, Copy)]
enum Served {
    Announce,
    Get,
    Put,
    Else,
}

impl Message {
    fn of(datagram: &[u8], asked: &dyn Fn(&[u8]) -> Option<Asked>) -> Option<Message> {
        let answer = |tid, of: fn(Asked) -> Message| asked(tid).map_or(Message::Unasked, of);
        Some(match decode(datagram).ok()? {
            Decoded::Query(query) => match query.method {
                Method::FindNode { target, .. }
                | Method::SampleInfohashes { target, .. }
                | Method::Unknown { target, .. } => Message::Query(Served::Else, Some(target)),
                Method::GetPeers { info_hash, .. } => Message::Query(Served::Else, Some(info_hash)),
                Method::AnnouncePeer { info_hash, .. } => Message::Query(Served::Announce, Some(info_hash)),
                Method::Get { target, .. } => Message::Query(Served::Get, Some(target)),
                Method::Put { .. } => Message::Query(Served::Put, None),
                _ => Message::Query(Served::Else, None),
            },
            Decoded::Refuse(_) => Message::Refused,
            Decoded::Response(response) => match (answer(response.tid, Message::Response), response.value) {
                (Message::Response(Asked::Item), Some(value)) if !is_readable(value) => Message::Response(Asked::Else),
                (answer, _) => answer,
            },
            Decoded::Error(ErrorMessage { tid, .. }) => answer(tid, |_| Message::Error),
            Decoded::Broken { tid, .. } => answer(tid, |_| Message::Broken),
        })
    }
}

/// Whether anybody may store so long a value.
fn is_readable(value: &[u8]) -> bool {
    value.len() <= Item::MAX_VALUE || Item::is_bare_length(value)
}

impl Rewriter<'_> {
    /// Rewrites the datagram; false when it was no message, and nothing is left of it but its length.
    pub fn rewrite(&self, datagram: &mut [u8]) -> bool {
        let Some((message, found)) = Message::of(datagram, self.asked).zip(places(datagram)) else {
            datagram.fill(0);
            return false;
        };
        for Place { keys, nth, from, to, kind } in found {
            let bytes = &mut datagram[from..to];
            match kind {
                Kind::Text => self.text(message, &keys, bytes),
                Kind::Number => self.number(message, &keys, nth, bytes),
                Kind::Key => bytes.fill(b'x'),
                Kind::Sorted(_) if is_kept_value(message, &keys) => {}
                Kind::Sorted(rank) => {
                    bytes.fill(b'x');
                    bytes.iter_mut().take(1).for_each(|first| *first = rank);
                }
            }
        }
        true
    }

    fn text(&self, message: Message, keys: &[&'static str], bytes: &mut [u8]) {
        use Message::{Broken, Error, Query, Refused, Response, Unasked};
        match (message, keys, bytes.len()) {
            (_, ["y"], 1) => {}
            (Query(..) | Refused | Response(_) | Error | Broken, ["v"], 4) if is_version(bytes) => {}
            // That of an answer is our own, and the answer belongs to nothing without it.
            (Response(_) | Error | Broken, ["t"], _) => {}
            (Query(..) | Refused | Unasked, ["t"], _) | (Response(_), ["r", "token"], _) => self.turn(bytes),
            (Query(..) | Refused, ["q"], _) if METHODS.contains(&&*bytes) => {}
            (Query(..) | Refused, ["a", "token"], len) => {
                match (self.token)(bytes).filter(|token| token.len() == len) {
                    Some(token) => bytes.copy_from_slice(&token),
                    None => self.turn(bytes),
                }
            }
            (Query(..), ["a", "id"], 20) | (Response(_), ["r", "id"], 20) => {}
            (Query(_, Some(id)), ["a", "target" | "info_hash"], 20) if bytes == id.as_bytes() => {}
            (Query(..), ["a", "want", ""], 2) if bytes == b"n4" || bytes == b"n6" => {}
            (Query(Served::Put, _), ["a", "k"], 32) | (Response(Asked::Item), ["r", "k"], 32) => {}
            (Query(Served::Put, _), ["a", "sig"], 64) | (Response(Asked::Item), ["r", "sig"], 64) => {}
            (Query(Served::Put, _), ["a", "salt"], _) => {}
            (Response(_) | Error, ["ip"], _) => self.address(bytes),
            (Response(_), ["r", "nodes"], _) => self.nodes(bytes, 26),
            (Response(_), ["r", "nodes6"], _) => self.nodes(bytes, 38),
            (Response(Asked::Peers), ["r", "values", ""], 6 | 18) => self.address(bytes),
            (Response(Asked::Peers), ["r", "BFsd" | "BFpe"], 256) => {}
            (Response(Asked::Samples), ["r", "samples"], len) if len % Id::LEN == 0 => {}
            _ if is_kept_value(message, keys) => {}
            _ => bytes.fill(b'x'),
        }
    }

    fn number(&self, message: Message, keys: &[&'static str], nth: usize, digits: &mut [u8]) {
        use Message::{Error, Query, Refused, Response};
        let value = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<i64>().ok());
        let is_from = |least| value.is_some_and(|value| value >= least);
        match (message, keys) {
            (Query(Served::Announce, _) | Refused, ["a", "port"]) => {
                let port = value.and_then(|port| u16::try_from(port).ok());
                write_number(digits, port.map_or(0, |port| self.addresses.port(port)));
            }
            // Anything but 1 means nothing.
            (Query(..), ["ro"]) => write_number(digits, u16::from(value == Some(1))),
            (Query(Served::Get | Served::Put, _), ["a", "seq"]) if is_from(0) => {}
            (Query(Served::Put, _), ["a", "cas"]) | (Response(Asked::Item), ["r", "seq"]) if is_from(0) => {}
            (Error, ["e", ""]) if nth == 0 && value.is_some_and(|code| CODES.contains(&code)) => {}
            _ if is_kept_value(message, keys) => {}
            _ => blur(digits, value.is_some()),
        }
    }

    /// Other bytes, the same for the same.
    fn turn(&self, bytes: &mut [u8]) {
        let real = bytes.to_vec();
        for (i, part) in (0u64..).zip(bytes.chunks_mut(8)) {
            let mut hash = SipHasher13::new_with_key(&self.key);
            hash.write(&i.to_be_bytes());
            hash.write(&real);
            part.copy_from_slice(&hash.finish().to_be_bytes()[..part.len()]);
        }
    }

    /// Ids and addresses; what is left over is none.
    fn nodes(&self, bytes: &mut [u8], len: usize) {
        let mut nodes = bytes.chunks_exact_mut(len);
        nodes.by_ref().for_each(|node| self.address(&mut node[20..]));
        nodes.into_remainder().fill(b'x');
    }

    /// An address with a port, or without one, as some write that of BEP 42.
    fn address(&self, bytes: &mut [u8]) {
        let (ip, port) = match bytes.len() {
            4 | 16 => (bytes, None),
            6 | 18 => {
                let (ip, port) = bytes.split_at_mut(bytes.len() - 2);
                (ip, <&mut [u8; 2]>::try_from(port).ok())
            }
            _ => return bytes.fill(b'x'),
        };
        // An IPv4 address can have the longer form.
        match ip {
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, v4 @ ..] => self.addresses.turn(v4),
            ip => self.addresses.turn(ip),
        }
        if let Some(port) = port {
            *port = self.addresses.port(u16::from_be_bytes(*port)).to_be_bytes();
        }
    }
}

/// Whether these keys lead into the value of an item that is put, or comes as it was asked for.
fn is_kept_value(message: Message, keys: &[&str]) -> bool {
    match keys {
        ["a", "v", ..] => matches!(message, Message::Query(Served::Put, _)),
        ["r", "v", ..] => matches!(message, Message::Response(Asked::Item)),
        _ => false,
    }
}

/// Two characters for the client, two bytes for its version (BEP 5).
fn is_version(bytes: &[u8]) -> bool {
    matches!(bytes, [a, b, _, _] if a.is_ascii_alphanumeric() && b.is_ascii_alphanumeric())
}

/// Another number in the same place: zeros in front make no difference outside of values (K4).
fn write_number(digits: &mut [u8], number: u16) {
    let mut rest = number;
    for digit in digits.iter_mut().rev().filter(|digit| digit.is_ascii_digit()) {
        (*digit, rest) = (b'0' + (rest % 10) as u8, rest / 10);
    }
}

/// A number of as many digits, on the same side of 0, and within 64 bits if it was.
fn blur(digits: &mut [u8], is_within: bool) {
    let other = if is_within { b'1' } else { b'9' };
    let digits = digits.iter_mut().filter(|digit| digit.is_ascii_digit());
    digits.skip_while(|digit| **digit == b'0').for_each(|digit| *digit = other);
}

#[cfg(test)]
mod tests;
