//! KRPC messages (BEP 5, 32, 33, 42, 43, 44, 51): the borrowed values that a datagram stands for.
//!
//! One datagram is one message. [`decode`] makes one pass over it and copies nothing; `encode` writes the one canonical
//! spelling. Rules and their sources: `spec/krpc.md`.

mod decode;
mod encode;

pub use decode::decode;

use core::fmt;

use crate::krpc::bloom::Bloom;
use crate::krpc::compact::{Values, nodes4, nodes6};
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;
use crate::krpc::item::Item;

/// The longest transaction id that is echoed, in bytes; a longer one is dropped.
pub const MAX_TID: usize = 64;
/// The longest write token that is kept, in bytes.
pub const MAX_TOKEN: usize = 64;

/// What a datagram turned out to be.
///
/// Exhaustive: who reads datagrams has to have an answer to each.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Decoded<'a> {
    /// A query that can be served.
    Query(Query<'a>),
    /// A query that has to be answered with an error.
    Refuse(Refusal<'a>),
    /// A usable response.
    Response(Response<'a>),
    /// A usable error message.
    Error(ErrorMessage<'a>),
    /// A response or an error message that fails the query it answers.
    Broken {
        /// Transaction id.
        tid: &'a [u8],
        /// What was wrong with it.
        reason: Broken,
    },
}

/// A query that deserves an error.
#[derive(Clone, Copy, PartialEq, Debug)]
#[non_exhaustive]
pub struct Refusal<'a> {
    /// Transaction id, 0 to 64 bytes.
    pub tid: &'a [u8],
    /// The error.
    pub error: ErrorCode,
    /// At most 16 bytes of ASCII.
    pub text: &'static str,
}

/// Which address families the asker wants nodes of (BEP 32).
///
/// Exhaustive: plain data that users write, and there are two families.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Want {
    /// `n4` was asked for.
    pub v4: bool,
    /// `n6` was asked for.
    pub v6: bool,
}

/// A query. `Debug` shows it whole, write tokens included, as it went over the wire.
///
/// Exhaustive: plain data that users write, one field for each key of the envelope.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Query<'a> {
    /// Transaction id, 0 to 64 bytes.
    pub tid: &'a [u8],
    /// Client version: any string in what is received, four bytes in what we send.
    pub version: Option<&'a [u8]>,
    /// The asker does not answer queries (BEP 43).
    pub read_only: bool,
    /// Id of the asker.
    pub id: Id,
    /// Method and arguments.
    pub method: Method<'a>,
}

/// Method and arguments of a query.
#[derive(Clone, Copy, PartialEq, Debug)]
#[non_exhaustive]
pub enum Method<'a> {
    /// `ping`.
    Ping,
    /// `find_node`.
    FindNode {
        /// Id whose neighbours are wanted.
        target: Id,
        /// Families wanted; neither set: that of the query.
        want: Want,
    },
    /// `get_peers`.
    GetPeers {
        /// Info-hash.
        info_hash: Id,
        /// Families of nodes wanted.
        want: Want,
        /// Leave seeds out (BEP 33).
        noseed: bool,
        /// Send the two filters (BEP 33).
        scrape: bool,
    },
    /// `announce_peer`.
    AnnouncePeer {
        /// Info-hash.
        info_hash: Id,
        /// Port; without meaning when `implied_port`.
        port: u16,
        /// The UDP source port counts instead of `port`.
        implied_port: bool,
        /// The peer is a seed (BEP 33).
        seed: bool,
        /// Write token.
        token: &'a [u8],
    },
    /// `get` (BEP 44).
    Get {
        /// Storage key.
        target: Id,
        /// Only a higher sequence number is worth sending.
        seq: Option<i64>,
        /// Families of nodes wanted.
        want: Want,
    },
    /// `put` (BEP 44).
    Put {
        /// Write token.
        token: &'a [u8],
        /// The item.
        item: Item<'a>,
        /// Expected sequence number of the stored item.
        cas: Option<i64>,
        /// Storage key: ignored by us and by the BEP, required by the mainline crate's servers.
        target: Option<Id>,
    },
    /// `sample_infohashes` (BEP 51).
    SampleInfohashes {
        /// Steers the nodes of the reply.
        target: Id,
        /// Families of nodes wanted.
        want: Want,
    },
    /// A method that we do not know, with a target: served as `find_node` (as libtorrent does).
    Unknown {
        /// The method as sent.
        name: &'a [u8],
        /// `target`, or else `info_hash`.
        target: Id,
        /// Families of nodes wanted.
        want: Want,
    },
}

/// A response. Lists are kept as they stand on the wire; [`contacts`](Response::contacts) and [`Values::peers`] read
/// them. `Debug` shows it whole, write tokens included.
///
/// Exhaustive: plain data that users write, as a change of [`Response::new`], which stays right when a field is added.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Response<'a> {
    /// Transaction id.
    pub tid: &'a [u8],
    /// Client version.
    pub version: Option<&'a [u8]>,
    /// Our address as the responder sees it (BEP 42).
    pub ip: Option<Endpoint>,
    /// Id of the responder.
    pub id: Id,
    /// Compact IPv4 nodes, whole entries of 26 bytes and perhaps a rest; `None` when absent.
    pub nodes: Option<&'a [u8]>,
    /// Compact IPv6 nodes, 38 bytes each; `None` when absent.
    pub nodes6: Option<&'a [u8]>,
    /// Peers.
    pub values: Values<'a>,
    /// Write token, at most 64 bytes.
    pub token: Option<&'a [u8]>,
    /// The bencoded value of an item.
    pub value: Option<&'a [u8]>,
    /// Public key of a mutable item.
    pub key: Option<&'a [u8; 32]>,
    /// Signature of a mutable item.
    pub signature: Option<&'a [u8; 64]>,
    /// Sequence number of a mutable item.
    pub seq: Option<i64>,
    /// Seconds until sampling again pays (BEP 51), 0 to 21600.
    pub interval: Option<i64>,
    /// Info-hashes held (BEP 51).
    pub num: Option<i64>,
    /// Sampled info-hashes, 20 bytes each; `None` when absent.
    pub samples: Option<&'a [u8]>,
    /// Seeds (BEP 33).
    pub seeds: Option<&'a [u8; Bloom::LEN]>,
    /// Peers that are no seeds (BEP 33).
    pub peers: Option<&'a [u8; Bloom::LEN]>,
}

/// An error message.
///
/// Exhaustive: plain data that users write, one field for each key of the envelope.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ErrorMessage<'a> {
    /// Transaction id.
    pub tid: &'a [u8],
    /// Client version.
    pub version: Option<&'a [u8]>,
    /// Our address as the other side sees it.
    pub ip: Option<Endpoint>,
    /// Error code.
    pub code: i64,
    /// Error text.
    pub text: &'a [u8],
}

/// The error codes that we send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
#[repr(u16)]
pub enum ErrorCode {
    /// 203: malformed packet, bad arguments or bad token.
    Protocol = 203,
    /// 204: method unknown.
    MethodUnknown = 204,
    /// 205: `v` is larger than 1000 bytes.
    TooLarge = 205,
    /// 206: invalid signature.
    BadSignature = 206,
    /// 207: salt is longer than 64 bytes.
    SaltTooLong = 207,
    /// 301: the expected sequence number is not the stored one.
    CasMismatch = 301,
    /// 302: sequence number too old.
    SeqTooOld = 302,
}

impl ErrorCode {
    /// The number on the wire.
    #[must_use]
    pub const fn code(self) -> i64 {
        self as i64
    }

    /// What is said beside it: at most 16 bytes, so that no error reply is much larger than what caused it.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            ErrorCode::Protocol => "protocol error",
            ErrorCode::MethodUnknown => "unknown method",
            ErrorCode::TooLarge => "v too large",
            ErrorCode::BadSignature => "bad signature",
            ErrorCode::SaltTooLong => "salt too long",
            ErrorCode::CasMismatch => "cas mismatch",
            ErrorCode::SeqTooOld => "seq too old",
        }
    }
}

impl<'a> Method<'a> {
    /// Its name on the wire.
    #[must_use]
    pub const fn name(&self) -> &'a [u8] {
        match self {
            Method::Ping => b"ping",
            Method::FindNode { .. } => b"find_node",
            Method::GetPeers { .. } => b"get_peers",
            Method::AnnouncePeer { .. } => b"announce_peer",
            Method::Get { .. } => b"get",
            Method::Put { .. } => b"put",
            Method::SampleInfohashes { .. } => b"sample_infohashes",
            Method::Unknown { name, .. } => name,
        }
    }
}

impl<'a> Response<'a> {
    /// A response with nothing but the id of the responder: the answer to `ping` and to every store.
    #[must_use]
    pub const fn new(tid: &'a [u8], id: Id) -> Self {
        Response {
            tid,
            version: None,
            ip: None,
            id,
            nodes: None,
            nodes6: None,
            values: Values::Absent,
            token: None,
            value: None,
            key: None,
            signature: None,
            seq: None,
            interval: None,
            num: None,
            samples: None,
            seeds: None,
            peers: None,
        }
    }

    /// The nodes that it names, those of IPv4 first. Whether a datagram can be sent to them is not judged.
    pub fn contacts(&self) -> impl Iterator<Item = (Id, Endpoint)> + use<'a> {
        nodes4(self.nodes.unwrap_or_default()).chain(nodes6(self.nodes6.unwrap_or_default()))
    }
}

/// Why a datagram is dropped without an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
#[non_exhaustive]
pub enum Malformed {
    /// No bytes.
    Empty,
    /// Larger than any message may be (1500 bytes).
    Oversize,
    /// The outermost value is not a dictionary.
    NotADictionary,
    /// Not bencode: truncated, bad length or number, non-string key, key without value.
    Syntax,
    /// Bytes after the outermost dictionary.
    Trailing,
    /// Nested deeper than 10.
    TooDeep,
    /// More than 500 tokens.
    TooManyTokens,
    /// A known key stands twice in one dictionary.
    RepeatedKey,
    /// `t` is missing, not a string, or longer than 64 bytes.
    NoTid,
    /// `y` is missing or none of `q`, `r`, `e`.
    NoKind,
    /// A query without `q`.
    NoMethod,
}

/// Why a response or an error message fails its query.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
#[non_exhaustive]
pub enum Broken {
    /// `r` is missing or not a dictionary.
    NoBody,
    /// `r.id` is missing or not 20 bytes.
    BadId,
    /// `e` is not a list of a number and a string.
    BadError,
}

impl Malformed {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Malformed; 11] = [
        Malformed::Empty,
        Malformed::Oversize,
        Malformed::NotADictionary,
        Malformed::Syntax,
        Malformed::Trailing,
        Malformed::TooDeep,
        Malformed::TooManyTokens,
        Malformed::RepeatedKey,
        Malformed::NoTid,
        Malformed::NoKind,
        Malformed::NoMethod,
    ];

    /// The name under which it is counted (`spec/krpc.md`).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Malformed::Empty => "empty",
            Malformed::Oversize => "oversize",
            Malformed::NotADictionary => "not_a_dictionary",
            Malformed::Syntax => "syntax",
            Malformed::Trailing => "trailing",
            Malformed::TooDeep => "too_deep",
            Malformed::TooManyTokens => "too_many_tokens",
            Malformed::RepeatedKey => "repeated_key",
            Malformed::NoTid => "no_tid",
            Malformed::NoKind => "no_kind",
            Malformed::NoMethod => "no_method",
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Malformed::Empty => "the datagram has no bytes",
            Malformed::Oversize => "the datagram has more than 1500 bytes",
            Malformed::NotADictionary => "the outermost value is no dictionary",
            Malformed::Syntax => "the datagram is no bencode, or cut off",
            Malformed::Trailing => "there are bytes behind the outermost dictionary",
            Malformed::TooDeep => "containers are nested deeper than 10",
            Malformed::TooManyTokens => "there are more than 500 keys, values and containers",
            Malformed::RepeatedKey => "a known key stands twice in one dictionary",
            Malformed::NoTid => "t is no string of at most 64 bytes",
            Malformed::NoKind => "y is none of q, r and e",
            Malformed::NoMethod => "a query has no q",
        })
    }
}

impl core::error::Error for Malformed {}

impl Broken {
    /// The name under which it is told (`spec/krpc.md`).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Broken::NoBody => "no_body",
            Broken::BadId => "bad_id",
            Broken::BadError => "bad_error",
        }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Broken::NoBody => "r is no dictionary",
            Broken::BadId => "the id in r is no string of 20 bytes",
            Broken::BadError => "e is no list of a number and a string",
        })
    }
}

impl core::error::Error for Broken {}
