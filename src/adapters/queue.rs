//! Commands that wait for a place in the node.
//!
//! The node has so many places for operations; a driver keeps the commands past that until one is free. Each handle has
//! a line of its own, and the lines take turns: who starts ten thousand gets does not hold up one who starts one. A
//! clone of a handle is another handle. The number of commands is bounded by the permits that they hold.

use std::collections::{HashMap, VecDeque};

use crate::adapters::message::WaitingCommand;

/// Commands of all handles that wait in front of one node; one more waits in its own operation, which is felt by
/// whoever awaits it.
pub(super) const MOST_WAITING: usize = 16_384;

/// The commands that wait.
#[derive(Default)]
pub(super) struct CommandQueue {
    commands: HashMap<u64, WaitingCommand>,
    /// The tags of each handle's commands; one that was cancelled has no command any more.
    lines: HashMap<u64, VecDeque<u64>>,
    /// Whose turn it is.
    turns: VecDeque<u64>,
}

impl CommandQueue {
    /// One more command, at the end of its handle's line.
    pub(super) fn push(&mut self, command: WaitingCommand) {
        let (tag, source) = (command.tag, command.source);
        let line = self.lines.entry(source).or_default();
        if line.is_empty() {
            self.turns.push_back(source);
        }
        line.push_back(tag);
        self.commands.insert(tag, command);
    }

    /// The next command of the handle whose turn it is.
    pub(super) fn pop(&mut self) -> Option<WaitingCommand> {
        while let Some(source) = self.turns.pop_front() {
            let command = self.lines.get_mut(&source).and_then(|line| {
                let tags = core::iter::from_fn(|| line.pop_front());
                tags.into_iter().find_map(|tag| self.commands.remove(&tag))
            });
            match self.lines.get(&source) {
                Some(line) if !line.is_empty() => self.turns.push_back(source),
                _ => drop(self.lines.remove(&source)),
            }
            if command.is_some() {
                return command;
            }
        }
        None
    }

    /// Takes a command out, if it waits.
    pub(super) fn remove(&mut self, tag: u64) -> Option<WaitingCommand> {
        self.commands.remove(&tag)
    }
}
