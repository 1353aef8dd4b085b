//! What an operation is for: made from its command, it says what is asked on the way, what is looked for in the
//! answers, and what is stored at the end.

use crate::dht::command::{Command, DirectQuery, Freshness, PeerKind};
use crate::dht::error::CallError;
use crate::dht::node::client::payload::{Carried, Payload};
use crate::krpc::id::Id;
use crate::krpc::item::{self, Item, ItemError, Mutable, check_salt, check_seq, check_value};
use crate::krpc::message::{Method, Want};

/// What an operation is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Goal {
    /// One query to one node.
    Query { query: DirectQuery },
    /// Our own neighbourhood.
    Bootstrap,
    /// The closest nodes.
    Nodes,
    /// The value with this hash, from so many nodes.
    Immutable { copies: u16 },
    /// A signed value; key and salt are in the payload, and the best value so far too.
    Mutable { newer_than: Option<i64>, freshness: Freshness },
    /// Peers.
    Peers,
    /// Sizes of a swarm; the filters are in the payload.
    Scrape,
    /// Info-hashes of the nodes around the target.
    Sample,
    /// Store the payload's value.
    PutImmutable,
    /// Store the payload's signed value.
    PutMutable { cas: Option<i64> },
    /// Store our address.
    Announce { port: Option<u16>, kind: PeerKind },
}

/// What is looked for in every answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sought {
    /// Closer nodes, which every lookup takes.
    Nothing,
    /// The value with the target as its hash, from so many nodes.
    Immutable { copies: u16 },
    /// A newer version than the best so far.
    Mutable { newer_than: Option<i64>, freshness: Freshness },
    /// The version that a store would replace.
    Held { cas: Option<i64> },
    /// Peers.
    Peers,
    /// Filters of a swarm.
    Filters,
    /// Info-hashes.
    Samples,
}

/// What a command asks for, checked.
pub(super) struct CheckedCommand<'a> {
    pub goal: Goal,
    pub target: Id,
    pub carried: Carried<'a>,
}

impl<'a> CheckedCommand<'a> {
    /// Checks a command. Counts the signatures that are checked.
    pub(super) fn of(command: &Command<'a>, verifications: &mut u64) -> Result<Self, CallError> {
        let plain = |goal, target| CheckedCommand { goal, target, carried: Carried::Nothing };
        Ok(match *command {
            // Its target is the id of each link that it runs on.
            Command::Bootstrap { .. } => plain(Goal::Bootstrap, Id::default()),
            Command::Query { query, .. } => plain(Goal::Query { query }, query.target()),
            Command::Lookup { target } => plain(Goal::Nodes, target),
            Command::GetImmutable { target, copies } => plain(Goal::Immutable { copies: copies.max(1) }, target),
            Command::GetMutable { key, salt, newer_than, freshness } => {
                check_salt(salt)?;
                let goal = Goal::Mutable { newer_than, freshness };
                CheckedCommand { goal, target: item::mutable_target(key, salt), carried: Carried::Key { key, salt } }
            }
            Command::GetPeers { info_hash } => plain(Goal::Peers, info_hash),
            Command::PutImmutable { value } => {
                check_value(value)?;
                let item = Item { value, mutable: None };
                CheckedCommand { goal: Goal::PutImmutable, target: item.target(), carried: Carried::Item(item) }
            }
            Command::PutMutable { value, key, salt, seq, signature, cas } => {
                check_value(value)?;
                check_salt(salt)?;
                check_seq(seq)?;
                if let Some(cas) = cas.filter(|&cas| cas < 0) {
                    return Err(CallError::NegativeCas(cas));
                }
                let mutable = Mutable { key, salt, seq, signature };
                *verifications += 1;
                if !item::verify(&mutable, value) {
                    return Err(ItemError::BadSignature.into());
                }
                let item = Item { value, mutable: Some(mutable) };
                CheckedCommand { goal: Goal::PutMutable { cas }, target: item.target(), carried: Carried::Item(item) }
            }
            Command::Announce { info_hash, port, kind } => {
                if port == Some(0) {
                    return Err(CallError::BadPort);
                }
                plain(Goal::Announce { port, kind }, info_hash)
            }
            Command::Scrape { info_hash } => plain(Goal::Scrape, info_hash),
            Command::Sample { target } => plain(Goal::Sample, target),
        })
    }
}

impl Goal {
    /// Whether the lookup ends by storing.
    pub(super) fn stores(&self) -> bool {
        matches!(self, Goal::PutImmutable | Goal::PutMutable { .. } | Goal::Announce { .. })
    }

    /// Whether something is looked for that few hold: that nobody has it is worth a doubt.
    pub(super) fn is_sought(&self) -> bool {
        matches!(self, Goal::Immutable { .. } | Goal::Mutable { .. } | Goal::Peers)
    }

    /// Whether it may only replace the version that it expects (BEP 44's `cas`).
    pub(super) fn is_guarded(&self) -> bool {
        matches!(self, Goal::PutMutable { cas: Some(_) })
    }

    /// The query that finds closer nodes. A bootstrap wants nodes of these `families`, all others of that by which the
    /// query goes.
    pub(super) fn query(&self, target: Id, families: Want) -> Method<'static> {
        let want = Want::default();
        match *self {
            Goal::Query { query: DirectQuery::Ping, .. } => Method::Ping,
            Goal::Query { query: DirectQuery::FindNode { target, want }, .. } => Method::FindNode { target, want },
            Goal::Query { query: DirectQuery::Sample { target }, .. } => Method::SampleInfohashes { target, want },
            Goal::Bootstrap => Method::FindNode { target, want: families },
            Goal::Nodes => Method::FindNode { target, want },
            Goal::Peers | Goal::Announce { .. } => {
                Method::GetPeers { info_hash: target, want, noseed: false, scrape: false }
            }
            Goal::Scrape => Method::GetPeers { info_hash: target, want, noseed: false, scrape: true },
            Goal::Sample => Method::SampleInfohashes { target, want },
            Goal::Mutable { newer_than, .. } => Method::Get { target, seq: newer_than, want },
            Goal::Immutable { .. } | Goal::PutImmutable | Goal::PutMutable { .. } => {
                Method::Get { target, seq: None, want }
            }
        }
    }

    /// What is looked for in the answers to that query.
    pub(super) fn seeks(&self) -> Sought {
        match *self {
            Goal::Query { query: DirectQuery::Sample { .. } } => Sought::Samples,
            Goal::Query { .. } | Goal::Bootstrap | Goal::Nodes | Goal::Announce { .. } => Sought::Nothing,
            Goal::Immutable { copies } => Sought::Immutable { copies },
            Goal::Mutable { newer_than, freshness } => Sought::Mutable { newer_than, freshness },
            Goal::Peers => Sought::Peers,
            Goal::Scrape => Sought::Filters,
            Goal::Sample => Sought::Samples,
            Goal::PutImmutable => Sought::Held { cas: None },
            Goal::PutMutable { cas } => Sought::Held { cas },
        }
    }

    /// The query that stores, at a node that gave this token. `own_port` is where others reach us.
    pub(super) fn store<'a>(&self, target: Id, payload: &'a Payload, token: &'a [u8], own_port: u16) -> Method<'a> {
        match *self {
            Goal::Announce { port, kind } => Method::AnnouncePeer {
                info_hash: target,
                port: port.unwrap_or(own_port),
                implied_port: port.is_none(),
                seed: kind == PeerKind::Seed,
                token,
            },
            Goal::PutMutable { cas } => Method::Put { token, item: payload.mutable_item(), cas, target: Some(target) },
            _ => Method::Put { token, item: payload.immutable_item(), cas: None, target: Some(target) },
        }
    }
}
