//! What our node would make of one datagram, without a node: for conformance tests and for the curious.
//!
//! The judgement is that of the decoder and of the server with empty stores: no limiter, every token valid, every open
//! query matches, not read-only.

use crate::dht::stats::DropReason;
use crate::dht::table::AdmissionRefusal;
use crate::krpc::endpoint::{Endpoint, Network};
use crate::krpc::id::Id;
use crate::krpc::item::Mutable;
use crate::krpc::message::{self, Broken, Decoded, ErrorCode, ErrorMessage, Method, Query, Refusal, Response};
use crate::krpc::{compact, item};

/// Who judges.
///
/// Exhaustive: users write it.
#[derive(Clone, Copy, Debug)]
pub struct Inspector<'a> {
    /// Our id.
    pub own: Id,
    /// The network we are in.
    pub network: Network,
    /// The salt of the item that a response should carry, where its signature is to be judged.
    pub salt: Option<&'a [u8]>,
    /// The storage key of the item that a response should carry, where it is to be judged.
    pub target: Option<Id>,
}

/// The judgement.
///
/// Exhaustive: whoever asks has to handle every verdict.
#[derive(Clone, Copy, Debug)]
pub enum Judgement<'a> {
    /// The query would be served.
    Query(Query<'a>),
    /// The query would be answered with this error.
    Refuse {
        /// Transaction id.
        tid: &'a [u8],
        /// Code.
        error: ErrorCode,
        /// Text.
        text: &'static str,
    },
    /// The response would be used.
    Response {
        /// The response.
        response: Response<'a>,
        /// Nodes of both families that would be considered, distinct endpoints.
        kept_nodes: usize,
        /// Peers that would be delivered.
        kept_values: usize,
        /// Whether its item is the one that was asked for and genuine; `None` when that was not to be judged.
        genuine: Option<bool>,
    },
    /// The error message would end the query.
    Error(ErrorMessage<'a>),
    /// The open query would fail.
    FailQuery {
        /// Transaction id.
        tid: &'a [u8],
        /// What is wrong.
        reason: Broken,
    },
    /// Silence.
    Drop(DropReason),
}

/// Judges one datagram.
#[must_use]
pub fn inspect<'a>(judge: &Inspector<'_>, datagram: &'a [u8]) -> Judgement<'a> {
    match message::decode(datagram) {
        Err(malformed) => Judgement::Drop(malformed.into()),
        Ok(Decoded::Refuse(Refusal { tid, error, text })) => Judgement::Refuse { tid, error, text },
        Ok(Decoded::Error(error)) => Judgement::Error(error),
        Ok(Decoded::Broken { tid, reason }) => Judgement::FailQuery { tid, reason },
        Ok(Decoded::Query(query)) => match query.method {
            // As a node does that has not been told to store this shape.
            Method::Put { item, .. } if item.value.len() > item::MAX_ENCODED => {
                let error = ErrorCode::TooLarge;
                Judgement::Refuse { tid: query.tid, error, text: error.text() }
            }
            Method::Put { item, .. } if item.mutable.is_some_and(|m| !item::verify(&m, item.value)) => {
                let error = ErrorCode::BadSignature;
                Judgement::Refuse { tid: query.tid, error, text: error.text() }
            }
            _ => Judgement::Query(query),
        },
        Ok(Decoded::Response(response)) => Judgement::Response {
            kept_nodes: kept_nodes(judge, &response),
            kept_values: response.values.peers().filter(|peer| peer.is_usable(judge.network)).count(),
            genuine: judge.item(&response),
            response,
        },
    }
}

impl Inspector<'_> {
    fn item(&self, response: &Response<'_>) -> Option<bool> {
        if self.salt.is_none() && self.target.is_none() {
            return None;
        }
        let value = response.value?;
        let salt = self.salt.unwrap_or_default();
        Some(match (response.key, response.seq, response.signature) {
            (Some(key), Some(seq), Some(signature)) => {
                self.target.is_none_or(|target| target == item::mutable_target(key, salt))
                    && seq >= 0
                    && item::is_readable(value)
                    && item::verify(&Mutable { key, salt, seq, signature }, value)
            }
            _ => item::is_readable(value) && self.target == Some(item::immutable_target(value)),
        })
    }
}

/// Nodes of a response that a lookup would consider: usable addresses, not ours, each endpoint once.
fn kept_nodes(judge: &Inspector<'_>, response: &Response<'_>) -> usize {
    let mut seen = arrayvec::ArrayVec::<Endpoint, { 2 * compact::MAX_NODES }>::new();
    let fours = compact::nodes4(response.nodes.unwrap_or_default());
    let sixes = compact::nodes6(response.nodes6.unwrap_or_default());
    for (id, endpoint) in fours.chain(sixes) {
        let refusal = AdmissionRefusal::of_name(judge.network, &judge.own, None, &id, &endpoint);
        if refusal.is_none() && !seen.contains(&endpoint) {
            let _fits = seen.try_push(endpoint);
        }
    }
    seen.len()
}
