//! Records: calls as bytes, and back.
//!
//! A record is a [`StoredRecord`] in `postcard`'s form: integers as varints, byte strings with their length in front, a
//! variant as its place in the list; a frame is around it. The stored types mirror those of the node, so that these may
//! change without the format. What is new becomes a variant at the end of its list: all files that there are stay
//! readable, and a program that does not know it says so. Whoever changes a stored type otherwise gives
//! [`Record::FORMAT`] a new number.

use serde::{Deserialize, Serialize, Serializer};

use crate::base::error::NoRoom;
use crate::base::time::Instant;
use crate::dht::command::{Command, DirectQuery, Freshness, PeerKind, Scope};
use crate::dht::config::MAX_BOOTSTRAP_NODES;
use crate::dht::contact::SavedContact;
use crate::dht::event::{Input, LinkId};
use crate::dht::node::journal::call::Call;
use crate::dht::node::journal::frame::{FRAME, RecordError, open, seal};
use crate::dht::node::journal::kept::{StoredKeeping, cut};
use crate::krpc::bencode::reader::MAX_BYTES;
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;
use crate::krpc::item::{MAX_SALT, MAX_VALUE};
use crate::krpc::message::Want;

/// One call to a node.
///
/// Exhaustive: anything more is a new format.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Polls since the record before.
    pub polls: u32,
    /// The `now` of the call.
    pub now: Instant,
    /// The call.
    pub call: Call<'a>,
}

impl<'a> Record<'a> {
    /// The number of the format that records are written in.
    pub const FORMAT: u32 = 3;
    /// A buffer of this size has place for any record.
    pub const MAX_LEN: usize = 2048;

    /// Writes the record with its frame and returns the length of both.
    ///
    /// # Errors
    /// [`NoRoom`] when `out` is too short; [`Record::MAX_LEN`] bytes never are.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, NoRoom> {
        let mut nodes = [0; ADDRESS * MAX_BOOTSTRAP_NODES];
        let call = StoredCall::from_call(self.call, &mut nodes);
        let record = StoredRecord { polls: self.polls, now: self.now.as_micros(), call };
        let behind_frame = out.get_mut(FRAME..).ok_or(NoRoom)?;
        let len = FRAME + postcard::to_slice(&record, behind_frame).map_err(|_| NoRoom)?.len();
        seal(&mut out[..len]);
        Ok(len)
    }

    /// Reads the first record; it and what follows. The nodes of a bootstrap are put into `nodes`, since their form in
    /// the journal is not that in memory.
    ///
    /// # Errors
    /// [`RecordError`] says why the bytes are none.
    pub fn decode(
        bytes: &'a [u8],
        nodes: &'a mut [Endpoint; MAX_BOOTSTRAP_NODES],
    ) -> Result<(Record<'a>, &'a [u8]), RecordError> {
        let (record, after) = open(bytes)?;
        match Record::decode_bare(record, nodes) {
            Some((record, [])) => Ok((record, after)),
            _ => Err(RecordError::Unknown),
        }
    }

    /// The same for a record without a frame, as format 2 has them: nothing tells whether it was changed. `None` when
    /// the bytes are no record.
    pub fn decode_bare(
        bytes: &'a [u8],
        nodes: &'a mut [Endpoint; MAX_BOOTSTRAP_NODES],
    ) -> Option<(Record<'a>, &'a [u8])> {
        let (StoredRecord { polls, now, call }, rest) = postcard::take_from_bytes(bytes).ok()?;
        Some((Record { polls, now: Instant::from_micros(now), call: call.into_call(nodes)? }, rest))
    }
}

/// Bytes of a stored address.
const ADDRESS: usize = 18;

type Address = [u8; ADDRESS];

#[derive(Serialize, Deserialize)]
struct StoredRecord<'a> {
    polls: u32,
    now: u64,
    #[serde(borrow)]
    call: StoredCall<'a>,
}

#[derive(Serialize, Deserialize)]
enum StoredCall<'a> {
    End,
    Datagram {
        link: u8,
        from: Address,
        #[serde(serialize_with = "at_once")]
        payload: &'a [u8],
    },
    Refused {
        link: u8,
        to: Address,
    },
    SendFailed {
        link: u8,
        to: Address,
    },
    Timeout,
    Cancel {
        tag: u64,
    },
    Import {
        link: u8,
        id: [u8; 20],
        endpoint: Address,
    },
    Command {
        tag: u64,
        link: Option<u8>,
        command: StoredCommand<'a>,
    },
    Mark {
        hash: u128,
    },
    CommandAt {
        tag: u64,
        node: Address,
        command: StoredCommand<'a>,
    },
    CommandAtOn {
        tag: u64,
        node: Address,
        link: u8,
        command: StoredCommand<'a>,
    },
    Keeping(#[serde(borrow)] StoredKeeping<'a>),
    Suspend,
    Resume,
    SetPassive {
        is_passive: bool,
    },
    SetExternal {
        link: u8,
        addr: Address,
    },
    ImportId {
        link: u8,
        id: [u8; 20],
    },
}

#[derive(Serialize, Deserialize)]
enum StoredCommand<'a> {
    /// Addresses back to back.
    Bootstrap(#[serde(serialize_with = "at_once")] &'a [u8]),
    Ping {
        to: Address,
    },
    FindNode {
        to: Address,
        target: [u8; 20],
        v4: bool,
        v6: bool,
    },
    SampleOne {
        to: Address,
        target: [u8; 20],
    },
    Lookup([u8; 20]),
    GetImmutable([u8; 20]),
    GetMutable {
        #[serde(serialize_with = "at_once")]
        key: &'a [u8],
        #[serde(serialize_with = "at_once")]
        salt: &'a [u8],
        newer_than: Option<i64>,
        first: bool,
    },
    GetPeers([u8; 20]),
    PutImmutable(#[serde(serialize_with = "at_once")] &'a [u8]),
    PutMutable {
        #[serde(serialize_with = "at_once")]
        value: &'a [u8],
        #[serde(serialize_with = "at_once")]
        key: &'a [u8],
        #[serde(serialize_with = "at_once")]
        salt: &'a [u8],
        seq: i64,
        #[serde(serialize_with = "at_once")]
        signature: &'a [u8],
        cas: Option<i64>,
    },
    Announce {
        info_hash: [u8; 20],
        port: Option<u16>,
        seed: bool,
    },
    Scrape([u8; 20]),
    Sample([u8; 20]),
    GetImmutableCopies {
        target: [u8; 20],
        copies: u16,
    },
    GetMutableCopies {
        key: &'a [u8],
        salt: &'a [u8],
        newer_than: Option<i64>,
        copies: u16,
    },
}

impl<'a> StoredCall<'a> {
    fn from_call(call: Call<'a>, nodes: &'a mut [u8; ADDRESS * MAX_BOOTSTRAP_NODES]) -> Self {
        match call {
            Call::End => StoredCall::End,
            Call::Mark { hash } => StoredCall::Mark { hash },
            Call::Input(Input::Datagram { link: LinkId(link), from, payload }) => {
                StoredCall::Datagram { link, from: from.to_bytes(), payload: cut(payload, MAX_BYTES) }
            }
            Call::Input(Input::Refused { link: LinkId(link), to }) => StoredCall::Refused { link, to: to.to_bytes() },
            Call::Input(Input::SendFailed { link: LinkId(link), to }) => {
                StoredCall::SendFailed { link, to: to.to_bytes() }
            }
            Call::Input(Input::Timeout) => StoredCall::Timeout,
            Call::Input(Input::Suspend) => StoredCall::Suspend,
            Call::Input(Input::Resume) => StoredCall::Resume,
            Call::SetPassive { is_passive } => StoredCall::SetPassive { is_passive },
            Call::SetExternal { link: LinkId(link), addr } => StoredCall::SetExternal { link, addr: addr.to_bytes() },
            Call::ImportId { link: LinkId(link), id } => StoredCall::ImportId { link, id: id.0 },
            Call::Cancel { tag } => StoredCall::Cancel { tag },
            Call::Import { link: LinkId(link), contact: SavedContact { id, endpoint } } => {
                StoredCall::Import { link, id: id.0, endpoint: endpoint.to_bytes() }
            }
            Call::Keep { .. }
            | Call::Supply { .. }
            | Call::Later { .. }
            | Call::Unkeep { .. }
            | Call::UnkeepKey { .. } => StoredKeeping::from_call(&call).map_or(StoredCall::End, StoredCall::Keeping),
            Call::Command { tag, scope, command } => {
                let command = StoredCommand::from_command(command, nodes);
                match scope {
                    Scope::All => StoredCall::Command { tag, link: None, command },
                    Scope::Link(LinkId(link)) => StoredCall::Command { tag, link: Some(link), command },
                    Scope::Node(node) => StoredCall::CommandAt { tag, node: node.to_bytes(), command },
                    Scope::NodeOn { link: LinkId(link), node } => {
                        StoredCall::CommandAtOn { tag, node: node.to_bytes(), link, command }
                    }
                }
            }
        }
    }

    fn into_call(self, nodes: &'a mut [Endpoint; MAX_BOOTSTRAP_NODES]) -> Option<Call<'a>> {
        let endpoint = Endpoint::from_bytes;
        Some(match self {
            StoredCall::End => Call::End,
            StoredCall::Mark { hash } => Call::Mark { hash },
            StoredCall::Datagram { link, from, payload } => {
                Call::Input(Input::Datagram { link: LinkId(link), from: endpoint(from), payload })
            }
            StoredCall::Refused { link, to } => Call::Input(Input::Refused { link: LinkId(link), to: endpoint(to) }),
            StoredCall::SendFailed { link, to } => {
                Call::Input(Input::SendFailed { link: LinkId(link), to: endpoint(to) })
            }
            StoredCall::Timeout => Call::Input(Input::Timeout),
            StoredCall::Suspend => Call::Input(Input::Suspend),
            StoredCall::Resume => Call::Input(Input::Resume),
            StoredCall::SetPassive { is_passive } => Call::SetPassive { is_passive },
            StoredCall::SetExternal { link, addr } => Call::SetExternal { link: LinkId(link), addr: endpoint(addr) },
            StoredCall::ImportId { link, id } => Call::ImportId { link: LinkId(link), id: Id(id) },
            StoredCall::Cancel { tag } => Call::Cancel { tag },
            StoredCall::Import { link, id, endpoint: addr } => {
                Call::Import { link: LinkId(link), contact: SavedContact { id: Id(id), endpoint: endpoint(addr) } }
            }
            StoredCall::Command { tag, link, command } => {
                let scope = link.map_or(Scope::All, |link| Scope::Link(LinkId(link)));
                Call::Command { tag, scope, command: command.into_command(nodes)? }
            }
            StoredCall::Keeping(keeping) => keeping.into_call()?,
            StoredCall::CommandAt { tag, node, command } => {
                Call::Command { tag, scope: Scope::Node(endpoint(node)), command: command.into_command(nodes)? }
            }
            StoredCall::CommandAtOn { tag, node, link, command } => {
                let scope = Scope::NodeOn { link: LinkId(link), node: endpoint(node) };
                Call::Command { tag, scope, command: command.into_command(nodes)? }
            }
        })
    }
}

impl<'a> StoredCommand<'a> {
    fn from_command(command: Command<'a>, stored: &'a mut [u8; ADDRESS * MAX_BOOTSTRAP_NODES]) -> Self {
        match command {
            Command::Bootstrap { nodes } => {
                let places = stored.chunks_exact_mut(ADDRESS);
                let count = places.zip(nodes).map(|(place, node)| place.copy_from_slice(&node.to_bytes())).count();
                StoredCommand::Bootstrap(&stored[..count * ADDRESS])
            }
            Command::Query { to, query: DirectQuery::Ping } => StoredCommand::Ping { to: to.to_bytes() },
            Command::Query { to, query: DirectQuery::FindNode { target, want: Want { v4, v6 } } } => {
                StoredCommand::FindNode { to: to.to_bytes(), target: target.0, v4, v6 }
            }
            Command::Query { to, query: DirectQuery::Sample { target } } => {
                StoredCommand::SampleOne { to: to.to_bytes(), target: target.0 }
            }
            Command::Lookup { target } => StoredCommand::Lookup(target.0),
            Command::GetImmutable { target, copies: 0 | 1 } => StoredCommand::GetImmutable(target.0),
            Command::GetImmutable { target, copies } => StoredCommand::GetImmutableCopies { target: target.0, copies },
            Command::GetMutable { key, salt, newer_than, freshness } => {
                let salt = cut(salt, MAX_SALT);
                match freshness {
                    Freshness::Newest => StoredCommand::GetMutable { key, salt, newer_than, first: false },
                    Freshness::First => StoredCommand::GetMutable { key, salt, newer_than, first: true },
                    Freshness::Copies(copies) => StoredCommand::GetMutableCopies { key, salt, newer_than, copies },
                }
            }
            Command::GetPeers { info_hash } => StoredCommand::GetPeers(info_hash.0),
            Command::PutImmutable { value } => StoredCommand::PutImmutable(cut(value, MAX_VALUE)),
            Command::PutMutable { value, key, salt, seq, signature, cas } => {
                let (value, salt) = (cut(value, MAX_VALUE), cut(salt, MAX_SALT));
                StoredCommand::PutMutable { value, key, salt, seq, signature, cas }
            }
            Command::Announce { info_hash, port, kind } => {
                StoredCommand::Announce { info_hash: info_hash.0, port, seed: kind == PeerKind::Seed }
            }
            Command::Scrape { info_hash } => StoredCommand::Scrape(info_hash.0),
            Command::Sample { target } => StoredCommand::Sample(target.0),
        }
    }

    fn into_command(self, nodes: &'a mut [Endpoint; MAX_BOOTSTRAP_NODES]) -> Option<Command<'a>> {
        let query = |to, query| Command::Query { to: Endpoint::from_bytes(to), query };
        Some(match self {
            StoredCommand::Bootstrap(stored) => {
                let (stored, rest) = stored.as_chunks();
                let nodes = nodes.get_mut(..stored.len()).filter(|_| rest.is_empty())?;
                nodes.iter_mut().zip(stored).for_each(|(node, stored)| *node = Endpoint::from_bytes(*stored));
                Command::Bootstrap { nodes }
            }
            StoredCommand::Ping { to } => query(to, DirectQuery::Ping),
            StoredCommand::FindNode { to, target, v4, v6 } => {
                query(to, DirectQuery::FindNode { target: Id(target), want: Want { v4, v6 } })
            }
            StoredCommand::SampleOne { to, target } => query(to, DirectQuery::Sample { target: Id(target) }),
            StoredCommand::Lookup(target) => Command::Lookup { target: Id(target) },
            StoredCommand::GetImmutable(target) => Command::GetImmutable { target: Id(target), copies: 1 },
            StoredCommand::GetImmutableCopies { target, copies } => {
                Command::GetImmutable { target: Id(target), copies }
            }
            StoredCommand::GetMutableCopies { key, salt, newer_than, copies } => {
                let freshness = Freshness::Copies(copies);
                Command::GetMutable { key: key.try_into().ok()?, salt, newer_than, freshness }
            }
            StoredCommand::GetMutable { key, salt, newer_than, first } => {
                let freshness = if first { Freshness::First } else { Freshness::Newest };
                Command::GetMutable { key: key.try_into().ok()?, salt, newer_than, freshness }
            }
            StoredCommand::GetPeers(info_hash) => Command::GetPeers { info_hash: Id(info_hash) },
            StoredCommand::PutImmutable(value) => Command::PutImmutable { value },
            StoredCommand::PutMutable { value, key, salt, seq, signature, cas } => {
                let (key, signature) = (key.try_into().ok()?, signature.try_into().ok()?);
                Command::PutMutable { value, key, salt, seq, signature, cas }
            }
            StoredCommand::Announce { info_hash, port, seed } => {
                let kind = if seed { PeerKind::Seed } else { PeerKind::Downloader };
                Command::Announce { info_hash: Id(info_hash), port, kind }
            }
            StoredCommand::Scrape(info_hash) => Command::Scrape { info_hash: Id(info_hash) },
            StoredCommand::Sample(target) => Command::Sample { target: Id(target) },
        })
    }
}

/// The form is that of a sequence of bytes; this writes it in one piece instead of byte after byte.
fn at_once<S: Serializer>(bytes: &&[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_the_longest_calls() {
        let long = [b'x'; 5000];
        let link = LinkId(u8::MAX);
        let datagram = Call::Input(Input::Datagram { link, from: Endpoint::UNSPECIFIED, payload: &long });
        let command = |command| Call::Command { tag: u64::MAX, scope: Scope::Link(link), command };
        let put = Command::PutMutable {
            value: &long,
            key: &[0; 32],
            salt: &long,
            seq: i64::MIN,
            signature: &[0; 64],
            cas: Some(i64::MIN),
        };
        let bootstrap = Command::Bootstrap { nodes: &[Endpoint::UNSPECIFIED; 2 * MAX_BOOTSTRAP_NODES] };
        let scope = Scope::NodeOn { link, node: Endpoint::UNSPECIFIED };
        let at_one_node = Call::Command { tag: u64::MAX, scope, command: put };
        for call in [datagram, command(put), at_one_node, command(bootstrap), Call::Mark { hash: u128::MAX }] {
            let record = Record { polls: u32::MAX, now: Instant::from_micros(u64::MAX), call };
            let (mut bytes, mut nodes) = ([0; Record::MAX_LEN], [Endpoint::UNSPECIFIED; MAX_BOOTSTRAP_NODES]);
            let len = record.encode(&mut bytes).expect("there is room");
            let (again, rest) = Record::decode(&bytes[..len], &mut nodes).expect("a record");
            let mut twice = [0; Record::MAX_LEN];
            assert_eq!((again.encode(&mut twice), rest.len()), (Ok(len), 0));
            assert_eq!(bytes, twice);
        }
    }

    #[test]
    fn bytes_that_are_no_record_are_refused() {
        let mut nodes = [Endpoint::UNSPECIFIED; MAX_BOOTSTRAP_NODES];
        let is_record = |bytes: &[u8], nodes: &mut _| Record::decode_bare(bytes, nodes).is_some();
        assert!(is_record(&[0, 0, 0], &mut nodes), "an end without polls at time zero");
        assert!(!is_record(&[0, 0, 9], &mut nodes), "an unknown call");
        let bootstrap = |bytes: u8| [&[0, 0, 7, 1, 0, 0, bytes][..], &[0; 255][..usize::from(bytes)]].concat();
        for (bytes, is_one) in [(0, true), (18, true), (17, false), (19, false)] {
            assert_eq!(is_record(&bootstrap(bytes), &mut nodes), is_one, "{bytes} bytes of addresses");
        }
        let long = [&[0, 0, 7, 1, 0, 0, 0xb2, 2][..], &[0; 17 * ADDRESS]].concat();
        assert!(!is_record(&long, &mut nodes), "more nodes than any bootstrap has");
        let short_key = [&[0, 0, 7, 1, 0, 6, 31][..], &[0; 31], &[0, 0, 0]].concat();
        assert!(!is_record(&short_key, &mut nodes));
    }
    #[test]
    fn a_record_that_only_a_later_version_knows_is_not_called_damaged() {
        let mut nodes = [Endpoint::UNSPECIFIED; MAX_BOOTSTRAP_NODES];
        for (record, error) in [(&[0, 0, 9][..], RecordError::Unknown), (&[0, 0, 0, 0], RecordError::Unknown)] {
            let mut frame = [&[0; FRAME][..], record].concat();
            seal(&mut frame);
            assert_eq!(Record::decode(&frame, &mut nodes).map(drop), Err(error), "{record:?}");
        }
    }
}
