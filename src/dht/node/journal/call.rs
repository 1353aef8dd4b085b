//! A call to a node, as a value.

use crate::base::time::Instant;
use crate::dht::command::{Command, Scope};
use crate::dht::contact::SavedContact;
use crate::dht::error::CallError;
use crate::dht::event::{Input, LinkId};
use crate::dht::node::Node;

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
            Call::Mark { .. } | Call::End => {}
        }
        Ok(())
    }
}
