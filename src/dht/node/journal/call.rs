//! A call to a node, as a value.

use crate::base::time::{Duration, Instant};
use crate::dht::command::{Command, Scope};
use crate::dht::contact::SavedContact;
use crate::dht::error::CallError;
use crate::dht::event::{Input, KeepId, LinkId};
use crate::dht::keep::{KeepSchedule, KeepState, Kept};
use crate::dht::node::Node;
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;
use crate::krpc::item::Item;

/// A call that changes a node.
///
/// Exhaustive: a new one is a new format.
#[derive(Clone, Copy, Debug)]
pub enum Call<'a> {
    /// [`Node::handle_input`].
    Input(Input<'a>),
    /// [`Node::command_in`].
    Command {
        /// The caller's tag.
        tag: u64,
        /// Where it runs.
        scope: Scope,
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
    /// [`Node::keep_on`].
    Keep {
        /// The caller's tag.
        tag: u64,
        /// What is kept.
        kept: Kept<'a>,
        /// By which schedule.
        schedule: KeepSchedule,
        /// Where an earlier run was.
        before: KeepState,
    },
    /// [`Node::supply`].
    Supply {
        /// For what.
        keep: KeepId,
        /// The item.
        item: Item<'a>,
    },
    /// [`Node::later`].
    Later {
        /// What is put off.
        keep: KeepId,
        /// By how much.
        by: Duration,
    },
    /// [`Node::unkeep`].
    Unkeep {
        /// What is kept no more.
        keep: KeepId,
    },
    /// [`Node::unkeep_key`].
    UnkeepKey {
        /// Whose items are kept no more.
        key: &'a [u8; 32],
    },
    /// [`Node::set_passive`].
    SetPassive {
        /// Whether it only asks from now on.
        is_passive: bool,
    },
    /// [`Node::set_external`].
    SetExternal {
        /// The link.
        link: LinkId,
        /// Where others see it.
        addr: Endpoint,
    },
    /// [`Node::import_id`].
    ImportId {
        /// The link.
        link: LinkId,
        /// An id that it had.
        id: Id,
    },
    /// No call, only polls: what they and all before them put out has this
    /// [hash](crate::dht::journal::OutputHash::finish).
    Mark {
        /// The hash.
        hash: u128,
    },
    /// The end of the journal: no call, only polls.
    End,
}

impl Call<'_> {
    /// Makes the call.
    ///
    /// # Errors
    /// Those of the call. In a replay they are no news: what was refused is refused again.
    pub fn apply(&self, node: &mut Node<'_>, now: Instant) -> Result<(), CallError> {
        self.make(node, now).map(drop)
    }

    /// The same; the handle of what begins to be kept.
    pub(crate) fn make(&self, node: &mut Node<'_>, now: Instant) -> Result<Option<KeepId>, CallError> {
        match *self {
            Call::Input(input) => node.handle_input(now, input),
            Call::Command { tag, scope, command } => _ = node.command_in(now, tag, scope, command)?,
            Call::Cancel { tag } => node.cancel(now, tag),
            Call::Import { link, contact } => node.import(now, link, &[contact])?,
            Call::Keep { tag, kept, schedule, before } => {
                return node.keep_on(now, tag, kept, schedule, before).map(Some);
            }
            Call::Supply { keep, item } => node.supply(now, keep, item)?,
            Call::Later { keep, by } => node.later(now, keep, by)?,
            Call::Unkeep { keep } => node.unkeep(now, keep)?,
            Call::UnkeepKey { key } => _ = node.unkeep_key(now, key),
            Call::SetPassive { is_passive } => node.set_passive(now, is_passive),
            Call::SetExternal { link, addr } => node.set_external(now, link, addr)?,
            Call::ImportId { link, ref id } => node.import_id(now, link, id)?,
            Call::Mark { .. } | Call::End => {}
        }
        Ok(None)
    }
}

#[cfg(test)]
pub(crate) mod examples {
    //! One call of each kind, for those who have a method for each.

    use super::*;
    use crate::dht::command::{DirectQuery, Freshness, PeerKind};
    use crate::krpc::item::{Mutable, SignedItem};

    const TO: Endpoint = Endpoint::v4([10, 0, 0, 1], 6881);
    const ID: Id = Id([7; 20]);

    pub(crate) fn signed() -> SignedItem<'static> {
        Item::mutable(&[3; 32], b"5:value").salt(b"salt").seq(4).sign().unwrap()
    }

    pub(crate) fn commands<'a>(item: &'a SignedItem<'_>) -> [Command<'a>; 12] {
        let Mutable { key, salt, seq, signature } = item.mutable();
        [
            Command::Bootstrap { nodes: &[TO, TO] },
            Command::Query { to: TO, query: DirectQuery::Ping },
            Command::Query { to: TO, query: DirectQuery::Sample { target: ID } },
            Command::Lookup { target: ID },
            Command::GetImmutable { target: ID, copies: 5 },
            Command::GetMutable { key, salt, newer_than: Some(6), freshness: Freshness::Copies(7) },
            Command::GetPeers { info_hash: ID },
            Command::PutImmutable { value: b"3:abc" },
            Command::PutMutable { value: item.value(), key, salt, seq, signature, cas: Some(3) },
            Command::Announce { info_hash: ID, port: Some(8), kind: PeerKind::Seed },
            Command::Scrape { info_hash: ID },
            Command::Sample { target: ID },
        ]
    }

    /// Those but for commands on all links.
    pub(crate) fn others<'a>(item: &'a SignedItem<'_>) -> [Call<'a>; 14] {
        let (tag, keep, link) = (9, KeepId { index: 1, generation: 2 }, LinkId(0));
        let (schedule, before) = (KeepSchedule::default(), KeepState { seq: Some(3), ..KeepState::default() });
        let Mutable { key, salt, .. } = item.mutable();
        [
            Call::Input(Input::Suspend),
            Call::Input(Input::Resume),
            Call::Command { tag, scope: Scope::Link(link), command: Command::Lookup { target: ID } },
            Call::Cancel { tag },
            Call::Import { link, contact: SavedContact { id: ID, endpoint: TO } },
            Call::Keep { tag, kept: Kept::Mutable { key, salt }, schedule, before },
            Call::Keep { tag, kept: Kept::Immutable { target: ID }, schedule, before: KeepState::default() },
            Call::Supply { keep, item: item.as_item() },
            Call::Later { keep, by: Duration::from_secs(5) },
            Call::Unkeep { keep },
            Call::UnkeepKey { key },
            Call::SetPassive { is_passive: true },
            Call::SetExternal { link, addr: TO },
            Call::ImportId { link, id: ID },
        ]
    }
}
