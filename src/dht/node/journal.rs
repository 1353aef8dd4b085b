//! A journal of a run of a node, from which the run replays exactly.
//!
//! A node is a function of its configuration, its seed, the sizes of its storage and the calls made to it, in their order:
//! inputs, commands and polls. A [`Record`] is one call with its time and the number of polls since the record before;
//! a journal is records back to back.
//!
//! A record is self-delimiting: a kind, the polls, the time, then the fields of the call; numbers are little-endian, byte
//! strings have a 16-bit length in front.

use crate::base::time::Instant;
use crate::dht::command::{Command, DirectQuery, Freshness, PeerKind};
use crate::dht::contact::SavedContact;
use crate::dht::event::{Input, LinkId};
use crate::dht::node::Node;
use crate::krpc::bencode::reader::MAX_BYTES;
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;
use crate::krpc::message::Want;

/// A buffer of this size has room for any record.
pub const MAX_RECORD: usize = 2048;

/// One call to a node.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Polls since the record before.
    pub polls: u32,
    /// The `now` of the call.
    pub now: Instant,
    /// The call.
    pub call: Call<'a>,
}

/// A call that changes a node.
#[derive(Clone, Copy, Debug)]
pub enum Call<'a> {
    /// [`Node::handle_input`].
    Input(Input<'a>),
    /// [`Node::command_on`], or [`Node::command`] when `link` is `None`.
    Command {
        /// The caller's tag.
        tag: u64,
        /// The link.
        link: Option<LinkId>,
        /// The command.
        command: Command<'a>,
    },
    /// [`Node::cancel`].
    Cancel {
        /// The caller's tag.
        tag: u64,
    },
    /// [`Node::import`] of one contact.
    Import {
        /// The link.
        link: LinkId,
        /// The contact.
        contact: SavedContact,
    },
    /// The end of the journal: no call, only polls.
    End,
}

impl Call<'_> {
    /// Makes the call.
    pub fn apply(&self, node: &mut Node<'_>, now: Instant) {
        match *self {
            Call::Input(input) => node.handle_input(now, input),
            // What the call returned was for the caller; a refused command is refused again.
            Call::Command { tag, link: Some(link), command } => {
                let _ = node.command_on(now, tag, link, command);
            }
            Call::Command { tag, link: None, command } => {
                let _ = node.command(now, tag, command);
            }
            Call::Cancel { tag } => node.cancel(now, tag),
            Call::Import { link, contact } => node.import(now, link, &[contact]),
            Call::End => {}
        }
    }
}

impl<'a> Record<'a> {
    /// Writes the record; bytes written, or `None` when `out` is too small ([`MAX_RECORD`] never is).
    pub fn encode(&self, out: &mut [u8]) -> Option<usize> {
        let mut w = RecordWriter { out, len: 0, fits: true };
        w.u8(kind(&self.call));
        w.bytes(&self.polls.to_le_bytes());
        w.bytes(&self.now.as_micros().to_le_bytes());
        match self.call {
            Call::Input(Input::Datagram { link, from, payload }) => {
                w.u8(link.0);
                w.bytes(&from.to_bytes());
                // However much longer a datagram is than any message, it is dropped for the same reason.
                w.string(&payload[..payload.len().min(MAX_BYTES + 1)]);
            }
            Call::Input(Input::Refused { link, to } | Input::SendFailed { link, to }) => {
                w.u8(link.0);
                w.bytes(&to.to_bytes());
            }
            Call::Input(Input::Timeout) | Call::End => {}
            Call::Cancel { tag } => w.bytes(&tag.to_le_bytes()),
            Call::Import { link, contact } => {
                w.u8(link.0);
                w.bytes(&contact.id.0);
                w.bytes(&contact.endpoint.to_bytes());
            }
            Call::Command { tag, link, command } => {
                w.bytes(&tag.to_le_bytes());
                w.u8(link.map_or(u8::MAX, |link| link.0));
                w.command(&command);
            }
        }
        w.fits.then_some(w.len)
    }

    /// Reads the first record; it and what follows, or `None` when the bytes are no record. The nodes of a bootstrap
    /// are put into `nodes`, since their form in the journal is not that in memory.
    pub fn decode(bytes: &'a [u8], nodes: &'a mut [Endpoint; 16]) -> Option<(Record<'a>, &'a [u8])> {
        let mut r = RecordReader(bytes);
        let kind = r.u8()?;
        let polls = u32::from_le_bytes(r.array()?);
        let now = Instant::from_micros(u64::from_le_bytes(r.array()?));
        let call = match kind {
            0 => Call::End,
            1 => {
                let (link, from) = (LinkId(r.u8()?), r.endpoint()?);
                Call::Input(Input::Datagram { link, from, payload: r.string()? })
            }
            2 => Call::Input(Input::Refused { link: LinkId(r.u8()?), to: r.endpoint()? }),
            3 => Call::Input(Input::SendFailed { link: LinkId(r.u8()?), to: r.endpoint()? }),
            4 => Call::Input(Input::Timeout),
            5 => Call::Cancel { tag: r.u64()? },
            6 => {
                let link = LinkId(r.u8()?);
                Call::Import { link, contact: SavedContact { id: r.id()?, endpoint: r.endpoint()? } }
            }
            7 => {
                let tag = r.u64()?;
                let link = Some(r.u8()?).filter(|&link| link != u8::MAX).map(LinkId);
                Call::Command { tag, link, command: r.command(nodes)? }
            }
            _ => return None,
        };
        Some((Record { polls, now, call }, r.0))
    }
}

fn kind(call: &Call<'_>) -> u8 {
    match call {
        Call::End => 0,
        Call::Input(Input::Datagram { .. }) => 1,
        Call::Input(Input::Refused { .. }) => 2,
        Call::Input(Input::SendFailed { .. }) => 3,
        Call::Input(Input::Timeout) => 4,
        Call::Cancel { .. } => 5,
        Call::Import { .. } => 6,
        Call::Command { .. } => 7,
    }
}

struct RecordWriter<'o> {
    out: &'o mut [u8],
    len: usize,
    fits: bool,
}

impl RecordWriter<'_> {
    fn bytes(&mut self, bytes: &[u8]) {
        match self.out.get_mut(self.len..).and_then(|rest| rest.get_mut(..bytes.len())) {
            Some(place) => {
                place.copy_from_slice(bytes);
                self.len += bytes.len();
            }
            None => self.fits = false,
        }
    }

    fn u8(&mut self, value: u8) {
        self.bytes(&[value]);
    }

    fn string(&mut self, bytes: &[u8]) {
        match u16::try_from(bytes.len()) {
            Ok(len) => self.bytes(&len.to_le_bytes()),
            Err(_) => self.fits = false,
        }
        self.bytes(bytes);
    }

    fn seq(&mut self, seq: Option<i64>) {
        self.u8(u8::from(seq.is_some()));
        self.bytes(&seq.unwrap_or(0).to_le_bytes());
    }

    fn command(&mut self, command: &Command<'_>) {
        match *command {
            Command::Bootstrap { nodes } => {
                let nodes = &nodes[..nodes.len().min(16)];
                self.u8(0);
                self.u8(nodes.len() as u8);
                nodes.iter().for_each(|node| self.bytes(&node.to_bytes()));
            }
            Command::Query { to, query } => {
                self.u8(1);
                self.bytes(&to.to_bytes());
                match query {
                    DirectQuery::Ping => self.u8(0),
                    DirectQuery::FindNode { target, want } => {
                        self.u8(1);
                        self.bytes(&target.0);
                        self.u8(u8::from(want.v4) | u8::from(want.v6) << 1);
                    }
                    DirectQuery::Sample { target } => {
                        self.u8(2);
                        self.bytes(&target.0);
                    }
                }
            }
            Command::Lookup { target } => self.tagged(2, &target),
            Command::GetImmutable { target } => self.tagged(3, &target),
            Command::GetMutable { key, salt, newer_than, freshness } => {
                self.u8(4);
                self.bytes(key);
                self.string(salt);
                self.seq(newer_than);
                self.u8(u8::from(freshness == Freshness::First));
            }
            Command::GetPeers { info_hash } => self.tagged(5, &info_hash),
            Command::PutImmutable { value } => {
                self.u8(6);
                self.string(value);
            }
            Command::PutMutable { value, key, salt, seq, signature, cas } => {
                self.u8(7);
                self.string(value);
                self.bytes(key);
                self.string(salt);
                self.bytes(&seq.to_le_bytes());
                self.bytes(signature);
                self.seq(cas);
            }
            Command::Announce { info_hash, port, kind } => {
                self.tagged(8, &info_hash);
                self.bytes(&port.unwrap_or(0).to_le_bytes());
                self.u8(u8::from(port.is_some()) | u8::from(kind == PeerKind::Seed) << 1);
            }
            Command::Scrape { info_hash } => self.tagged(9, &info_hash),
            Command::Sample { target } => self.tagged(10, &target),
        }
    }

    fn tagged(&mut self, kind: u8, id: &Id) {
        self.u8(kind);
        self.bytes(&id.0);
    }
}

struct RecordReader<'a>(&'a [u8]);

impl<'a> RecordReader<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.reference().copied()
    }

    fn reference<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(first)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn id(&mut self) -> Option<Id> {
        self.array().map(Id)
    }

    fn endpoint(&mut self) -> Option<Endpoint> {
        self.array().map(Endpoint::from_bytes)
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let len = u16::from_le_bytes(self.array()?);
        let (string, rest) = self.0.split_at_checked(usize::from(len))?;
        self.0 = rest;
        Some(string)
    }

    fn seq(&mut self) -> Option<Option<i64>> {
        let present = self.u8()? != 0;
        let seq = i64::from_le_bytes(self.array()?);
        Some(present.then_some(seq))
    }

    fn command(&mut self, nodes: &'a mut [Endpoint; 16]) -> Option<Command<'a>> {
        Some(match self.u8()? {
            0 => {
                let count = usize::from(self.u8()?);
                let nodes = nodes.get_mut(..count)?;
                for node in nodes.iter_mut() {
                    *node = self.endpoint()?;
                }
                Command::Bootstrap { nodes }
            }
            1 => {
                let to = self.endpoint()?;
                let query = match self.u8()? {
                    0 => DirectQuery::Ping,
                    1 => {
                        let target = self.id()?;
                        let want = self.u8()?;
                        DirectQuery::FindNode { target, want: Want { v4: want & 1 != 0, v6: want & 2 != 0 } }
                    }
                    2 => DirectQuery::Sample { target: self.id()? },
                    _ => return None,
                };
                Command::Query { to, query }
            }
            2 => Command::Lookup { target: self.id()? },
            3 => Command::GetImmutable { target: self.id()? },
            4 => {
                let (key, salt, newer_than) = (self.reference()?, self.string()?, self.seq()?);
                let freshness = if self.u8()? == 0 { Freshness::Newest } else { Freshness::First };
                Command::GetMutable { key, salt, newer_than, freshness }
            }
            5 => Command::GetPeers { info_hash: self.id()? },
            6 => Command::PutImmutable { value: self.string()? },
            7 => Command::PutMutable {
                value: self.string()?,
                key: self.reference()?,
                salt: self.string()?,
                seq: i64::from_le_bytes(self.array()?),
                signature: self.reference()?,
                cas: self.seq()?,
            },
            8 => {
                let info_hash = self.id()?;
                let port = u16::from_le_bytes(self.array()?);
                let flags = self.u8()?;
                let kind = if flags & 2 != 0 { PeerKind::Seed } else { PeerKind::Downloader };
                Command::Announce { info_hash, port: (flags & 1 != 0).then_some(port), kind }
            }
            9 => Command::Scrape { info_hash: self.id()? },
            10 => Command::Sample { target: self.id()? },
            _ => return None,
        })
    }
}
