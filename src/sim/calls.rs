//! Calls to a node of the world. All that it can be asked can be read here too; what changes it is written down, if the
//! world keeps journals.

use core::ops::Deref;

use crate::base::time::{Duration, Instant};
use crate::dht::command::{Command, DirectQuery, Freshness, PeerKind, Scope};
use crate::dht::contact::SavedContact;
use crate::dht::error::CallError;
use crate::dht::event::{Input, KeepId, LinkId, OpId};
use crate::dht::keep::{KeepSchedule, KeepState, Kept};
use crate::dht::node::Node;
use crate::dht::node::journal::Call;
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;
use crate::krpc::item::{Item, Mutable, SignedItem};
use crate::sim::journals::Journals;
use crate::sim::paths::HostId;

/// A node of the world, to which calls are made: its methods are those of [`Node`], but for the polls, which the world
/// makes.
#[derive(Debug)]
pub struct NodeCalls<'w> {
    node: &'w mut Node<'static>,
    host: HostId,
    journals: Option<&'w Journals>,
}

impl Deref for NodeCalls<'_> {
    type Target = Node<'static>;

    fn deref(&self) -> &Node<'static> {
        self.node
    }
}

impl<'w> NodeCalls<'w> {
    pub(super) fn new(node: &'w mut Node<'static>, host: HostId, journals: Option<&'w Journals>) -> Self {
        NodeCalls { node, host, journals }
    }

    fn note(&self, now: Instant, call: Call<'_>) {
        if let Some(journals) = self.journals {
            journals.call(self.host, now, call);
        }
    }

    /// [`Node::handle_input`].
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        self.note(now, Call::Input(input));
        self.node.handle_input(now, input);
    }

    /// [`Node::command`].
    ///
    /// # Errors
    /// Those of the same method of the node, here and below.
    pub fn command(&mut self, now: Instant, tag: u64, command: Command<'_>) -> Result<OpId, CallError> {
        self.command_in(now, tag, Scope::All, command)
    }

    /// [`Node::command_in`].
    ///
    /// # Errors
    /// Those of the node's.
    pub fn command_in(
        &mut self,
        now: Instant,
        tag: u64,
        scope: Scope,
        command: Command<'_>,
    ) -> Result<OpId, CallError> {
        self.note(now, Call::Command { tag, scope, command });
        self.node.command_in(now, tag, scope, command)
    }

    /// [`Node::cancel`].
    pub fn cancel(&mut self, now: Instant, tag: u64) {
        self.note(now, Call::Cancel { tag });
        self.node.cancel(now, tag);
    }

    /// [`Node::import`], of one contact after the other.
    ///
    /// # Errors
    /// Those of the node's.
    pub fn import(&mut self, now: Instant, link: LinkId, contacts: &[SavedContact]) -> Result<(), CallError> {
        contacts.iter().try_for_each(|contact| {
            self.note(now, Call::Import { link, contact: *contact });
            self.node.import(now, link, &[*contact])
        })
    }

    /// [`Node::keep`].
    ///
    /// # Errors
    /// Those of the node's.
    pub fn keep(
        &mut self,
        now: Instant,
        tag: u64,
        kept: Kept<'_>,
        schedule: KeepSchedule,
    ) -> Result<KeepId, CallError> {
        self.keep_on(now, tag, kept, schedule, KeepState::default())
    }

    /// [`Node::keep_on`].
    ///
    /// # Errors
    /// Those of the node's.
    pub fn keep_on(
        &mut self,
        now: Instant,
        tag: u64,
        kept: Kept<'_>,
        schedule: KeepSchedule,
        before: KeepState,
    ) -> Result<KeepId, CallError> {
        self.note(now, Call::Keep { tag, kept, schedule, before });
        self.node.keep_on(now, tag, kept, schedule, before)
    }

    /// [`Node::supply`].
    ///
    /// # Errors
    /// Those of the node's.
    pub fn supply(&mut self, now: Instant, keep: KeepId, item: Item<'_>) -> Result<(), CallError> {
        self.note(now, Call::Supply { keep, item });
        self.node.supply(now, keep, item)
    }

    /// [`Node::later`].
    ///
    /// # Errors
    /// Those of the node's.
    pub fn later(&mut self, now: Instant, keep: KeepId, by: Duration) -> Result<(), CallError> {
        self.note(now, Call::Later { keep, by });
        self.node.later(now, keep, by)
    }

    /// [`Node::unkeep`].
    ///
    /// # Errors
    /// Those of the node's.
    pub fn unkeep(&mut self, now: Instant, keep: KeepId) -> Result<(), CallError> {
        self.note(now, Call::Unkeep { keep });
        self.node.unkeep(now, keep)
    }

    /// [`Node::unkeep_key`].
    pub fn unkeep_key(&mut self, now: Instant, key: &[u8; 32]) -> usize {
        self.note(now, Call::UnkeepKey { key });
        self.node.unkeep_key(now, key)
    }

    /// [`Node::set_passive`].
    pub fn set_passive(&mut self, now: Instant, is_passive: bool) {
        self.note(now, Call::SetPassive { is_passive });
        self.node.set_passive(now, is_passive);
    }

    /// [`Node::set_external`].
    ///
    /// # Errors
    /// Those of the node's.
    pub fn set_external(&mut self, now: Instant, link: LinkId, addr: Endpoint) -> Result<(), CallError> {
        self.note(now, Call::SetExternal { link, addr });
        self.node.set_external(now, link, addr)
    }
}

/// A method for each command, as the node has them.
impl NodeCalls<'_> {
    /// Fills the table from bootstrap nodes. See [`Command::Bootstrap`].
    ///
    /// # Errors
    /// Those of [`NodeCalls::command`], here and below.
    pub fn bootstrap(&mut self, now: Instant, tag: u64, nodes: &[Endpoint]) -> Result<OpId, CallError> {
        self.command(now, tag, Command::Bootstrap { nodes })
    }

    /// Asks one node whether it is there.
    ///
    /// # Errors
    /// Those of [`NodeCalls::command`].
    pub fn ping(&mut self, now: Instant, tag: u64, to: Endpoint) -> Result<OpId, CallError> {
        self.query(now, tag, to, DirectQuery::Ping)
    }

    /// Asks one node one question, without a lookup.
    ///
    /// # Errors
    /// Those of [`NodeCalls::command`].
    pub fn query(&mut self, now: Instant, tag: u64, to: Endpoint, query: DirectQuery) -> Result<OpId, CallError> {
        self.command(now, tag, Command::Query { to, query })
    }

    /// Finds the closest nodes that answer.
    ///
    /// # Errors
    /// Those of [`NodeCalls::command`].
    pub fn lookup(&mut self, now: Instant, tag: u64, target: Id) -> Result<OpId, CallError> {
        self.command(now, tag, Command::Lookup { target })
    }

    /// Finds an immutable item, on so many nodes.
    ///
    /// # Errors
    /// Those of [`NodeCalls::command`].
    pub fn get_immutable(&mut self, now: Instant, tag: u64, target: Id, copies: u16) -> Result<OpId, CallError> {
        self.command(now, tag, Command::GetImmutable { target, copies })
    }

    /// Finds a mutable item. For the newest, each result beats those before it.
    ///
    /// # Errors
    /// Those of [`NodeCalls::command`].
    pub fn get_mutable(
        &mut self,
        now: Instant,
        tag: u64,
        key: &[u8; 32],
        salt: &[u8],
        newer_than: Option<i64>,
        freshness: Freshness,
    ) -> Result<OpId, CallError> {
        self.command(now, tag, Command::GetMutable { key, salt, newer_than, freshness })
    }

    /// Finds peers.
    ///
    /// # Errors
    /// Those of [`NodeCalls::command`].
    pub fn get_peers(&mut self, now: Instant, tag: u64, info_hash: Id) -> Result<OpId, CallError> {
        self.command(now, tag, Command::GetPeers { info_hash })
    }

    /// Stores an immutable item: canonical bencode, at most 1000 bytes; a plain byte string at most 1005.
    ///
    /// # Errors
    /// Those of [`NodeCalls::command`].
    pub fn put_immutable(&mut self, now: Instant, tag: u64, value: &[u8]) -> Result<OpId, CallError> {
        self.command(now, tag, Command::PutImmutable { value })
    }

    /// Stores a signed item; with `cas`, only where that sequence number is held now.
    ///
    /// # Errors
    /// Those of [`NodeCalls::command`].
    pub fn put_mutable(
        &mut self,
        now: Instant,
        tag: u64,
        item: &SignedItem<'_>,
        cas: Option<i64>,
    ) -> Result<OpId, CallError> {
        let Mutable { key, salt, seq, signature } = item.mutable();
        self.command(now, tag, Command::PutMutable { value: item.value(), key, salt, seq, signature, cas })
    }

    /// Announces a peer; without `port`, at the port that others see us at.
    ///
    /// # Errors
    /// Those of [`NodeCalls::command`].
    pub fn announce(
        &mut self,
        now: Instant,
        tag: u64,
        info_hash: Id,
        port: Option<u16>,
        kind: PeerKind,
    ) -> Result<OpId, CallError> {
        self.command(now, tag, Command::Announce { info_hash, port, kind })
    }

    /// Estimates the size of a swarm.
    ///
    /// # Errors
    /// Those of [`NodeCalls::command`].
    pub fn scrape(&mut self, now: Instant, tag: u64, info_hash: Id) -> Result<OpId, CallError> {
        self.command(now, tag, Command::Scrape { info_hash })
    }

    /// Collects info-hashes from the nodes around a target.
    ///
    /// # Errors
    /// Those of [`NodeCalls::command`].
    pub fn sample(&mut self, now: Instant, tag: u64, target: Id) -> Result<OpId, CallError> {
        self.command(now, tag, Command::Sample { target })
    }
}
