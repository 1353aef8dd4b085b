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
use crate::dht::node::named::named_calls;
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

    /// [`Node::command_in`].
    ///
    /// # Errors
    /// Those of the same method of the node, here and below.
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

    /// [`Node::import_id`].
    ///
    /// # Errors
    /// Those of the node's.
    pub fn import_id(&mut self, now: Instant, link: LinkId, id: &Id) -> Result<(), CallError> {
        self.note(now, Call::ImportId { link, id: *id });
        self.node.import_id(now, link, id)
    }
}

impl NodeCalls<'_> {
    named_calls!();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dht::config::Config;
    use crate::dht::node::journal::{Record, examples};
    use crate::sim::paths::Site;
    use crate::sim::world::World;
    use std::{format, string::String, vec::Vec};

    /// Whoever adds a command is asked here for its method.
    fn command(node: &mut NodeCalls<'_>, now: Instant, tag: u64, command: Command<'_>) -> Result<OpId, CallError> {
        match command {
            Command::Bootstrap { nodes } => node.bootstrap(now, tag, nodes),
            Command::Query { to, query: DirectQuery::Ping } => node.ping(now, tag, to),
            Command::Query { to, query } => node.query(now, tag, to, query),
            Command::Lookup { target } => node.lookup(now, tag, target),
            Command::GetImmutable { target, copies } => node.get_immutable(now, tag, target, copies),
            Command::GetMutable { key, salt, newer_than, freshness } => {
                node.get_mutable(now, tag, key, salt, newer_than, freshness)
            }
            Command::GetPeers { info_hash } => node.get_peers(now, tag, info_hash),
            Command::PutImmutable { value } => node.put_immutable(now, tag, value),
            Command::PutMutable { cas, .. } => node.put_mutable(now, tag, &examples::signed(), cas),
            Command::Announce { info_hash, port, kind } => node.announce(now, tag, info_hash, port, kind),
            Command::Scrape { info_hash } => node.scrape(now, tag, info_hash),
            Command::Sample { target } => node.sample(now, tag, target),
        }
    }

    /// Whoever adds a call is asked here for its method.
    fn call(node: &mut NodeCalls<'_>, now: Instant, call: Call<'_>) -> Result<(), CallError> {
        match call {
            Call::Input(input) => node.handle_input(now, input),
            Call::Command { tag, scope: Scope::All, command: named } => drop(command(node, now, tag, named)?),
            Call::Command { tag, scope, command } => _ = node.command_in(now, tag, scope, command)?,
            Call::Cancel { tag } => node.cancel(now, tag),
            Call::Import { link, contact } => node.import(now, link, &[contact])?,
            Call::Keep { tag, kept: kept @ Kept::Immutable { .. }, schedule, .. } => {
                _ = node.keep(now, tag, kept, schedule)?;
            }
            Call::Keep { tag, kept, schedule, before } => _ = node.keep_on(now, tag, kept, schedule, before)?,
            Call::Supply { keep, item } => node.supply(now, keep, item)?,
            Call::Later { keep, by } => node.later(now, keep, by)?,
            Call::Unkeep { keep } => node.unkeep(now, keep)?,
            Call::UnkeepKey { key } => _ = node.unkeep_key(now, key),
            Call::SetPassive { is_passive } => node.set_passive(now, is_passive),
            Call::SetExternal { link, addr } => node.set_external(now, link, addr)?,
            Call::ImportId { link, ref id } => node.import_id(now, link, id)?,
            Call::Mark { .. } | Call::End => {}
        }
        Ok(())
    }

    #[test]
    fn each_call_has_a_method_and_is_written_down_before_it_is_made() {
        let (mut world, journals, item) = (World::new(1), Journals::default(), examples::signed());
        world.keep_journals(&journals);
        let site = Site::at(Endpoint::v4([10, 0, 0, 9], 6881), world.rng());
        let host = world.add_node(&Config::small(), site).unwrap();
        let commands = examples::commands(&item).map(|command| Call::Command { tag: 5, scope: Scope::All, command });
        let calls: Vec<_> = commands.into_iter().chain(examples::others(&item)).collect();
        world.call(host, |node, now| calls.iter().for_each(|made| _ = call(node, now, *made)));
        let journal = journals.newest(host).unwrap();
        let mut at = 0;
        let mut written: Vec<String> = Vec::new();
        while at < journal.records.len() {
            let mut nodes = [Endpoint::UNSPECIFIED; Config::MAX_BOOTSTRAP_NODES];
            let (record, after) = Record::decode(&journal.records[at..], &mut nodes).unwrap();
            written.push(format!("{:?}", record.call));
            at = journal.records.len() - after.len();
        }
        for call in &calls {
            let call = format!("{call:?}");
            assert_eq!(written.iter().filter(|written| **written == call).count(), 1, "{call}");
        }
    }
}
