//! A call to a node, as a value.

use crate::base::time::{Duration, Instant};
use crate::dht::command::{Command, Scope};
use crate::dht::contact::SavedContact;
use crate::dht::error::CallError;
use crate::dht::event::{Input, KeepId, LinkId};
use crate::dht::keep::{KeepSchedule, KeepState, Kept};
use crate::dht::node::Node;
use crate::krpc::endpoint::Endpoint;
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
        match *self {
            Call::Input(input) => node.handle_input(now, input),
            Call::Command { tag, scope, command } => return node.command_in(now, tag, scope, command).map(|_| ()),
            Call::Cancel { tag } => node.cancel(now, tag),
            Call::Import { link, contact } => return node.import(now, link, &[contact]),
            Call::Keep { tag, kept, schedule, before } => {
                return node.keep_on(now, tag, kept, schedule, before).map(|_| ());
            }
            Call::Supply { keep, item } => return node.supply(now, keep, item),
            Call::Later { keep, by } => return node.later(now, keep, by),
            Call::Unkeep { keep } => return node.unkeep(now, keep),
            Call::UnkeepKey { key } => drop(node.unkeep_key(now, key)),
            Call::SetPassive { is_passive } => node.set_passive(now, is_passive),
            Call::SetExternal { link, addr } => return node.set_external(now, link, addr),
            Call::Mark { .. } | Call::End => {}
        }
        Ok(())
    }
}
