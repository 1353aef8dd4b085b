//! Commands that wait for a place in the node.
//!
//! The node has so many places for operations; a driver keeps the commands past that until one is free. Each handle has
//! a line of its own, and the lines take turns: who starts ten thousand gets does not hold up one who starts one. A
//! clone of a handle is another handle. The number of commands is bounded by the permits that they hold; one that is
//! cancelled leaves nothing behind. Rule L35 of `spec/lookup.md`.

use std::collections::{BTreeMap, HashMap};

use crate::adapters::message::WaitingCommand;
use crate::adapters::permits::Permit;

/// Commands of all handles that wait in front of one node and that nobody needs to await.
pub(super) const MOST_WAITING: usize = 16_384;

/// The commands that wait.
#[derive(Default)]
pub(super) struct CommandQueue {
    /// By the numbers of the handles; none is empty.
    lines: HashMap<u64, CommandLine>,
    /// Who is next, and then: handles by the turns of their lines.
    turns: BTreeMap<u64, u64>,
    next_turn: u64,
}

/// Commands of one handle, in the order of their tags, and when its turn is.
#[derive(Default)]
struct CommandLine {
    turn: u64,
    commands: BTreeMap<u64, (WaitingCommand, Permit)>,
}

impl CommandQueue {
    /// One more command, in its handle's line. A line that begins has its turn after all others.
    pub(super) fn push(&mut self, command: WaitingCommand, permit: Permit) {
        let source = command.source;
        self.lines.entry(source).or_default().commands.insert(command.tag, (command, permit));
        if self.lines[&source].commands.len() == 1 {
            self.set_turn(source);
        }
    }

    /// The next command of the handle whose turn it is.
    pub(super) fn pop(&mut self) -> Option<WaitingCommand> {
        let (_, source) = self.turns.pop_first()?;
        let line = self.lines.get_mut(&source)?;
        let (_, (command, _)) = line.commands.pop_first()?;
        if line.commands.is_empty() {
            self.lines.remove(&source);
        } else {
            self.set_turn(source);
        }
        Some(command)
    }

    /// Takes a command out, if it waits.
    pub(super) fn remove(&mut self, source: u64, tag: u64) -> Option<WaitingCommand> {
        let line = self.lines.get_mut(&source)?;
        let (command, _) = line.commands.remove(&tag)?;
        if line.commands.is_empty() {
            self.turns.remove(&line.turn);
            self.lines.remove(&source);
        }
        Some(command)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// Its turn is after all others.
    fn set_turn(&mut self, source: u64) {
        self.next_turn += 1;
        self.turns.insert(self.next_turn, source);
        self.lines.entry(source).or_default().turn = self.next_turn;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::mailbox::Mailbox;
    use crate::adapters::message::{End, Waiter};
    use crate::adapters::permits::Permits;
    use crate::dht::command::Scope;
    use std::boxed::Box;
    use std::convert::Infallible;
    use std::vec::Vec;

    fn push(queue: &mut CommandQueue, source: u64, tag: u64) {
        let waiter = Waiter::new(Mailbox::<Infallible, End>::new(1));
        let command = WaitingCommand { tag, source, scope: Scope::All, start: Box::new(|_| Ok(())), waiter };
        queue.push(command, Permits::new(0).insist());
    }

    /// Everything that the queue keeps.
    fn held(queue: &CommandQueue) -> [usize; 3] {
        let commands = queue.lines.values().map(|line| line.commands.len()).sum();
        [commands, queue.lines.len(), queue.turns.len()]
    }

    /// Rule L35. Whoever starts operations and drops them, while the node has no place, starts any number.
    #[test]
    fn what_is_cancelled_leaves_nothing_behind() {
        let mut queue = CommandQueue::default();
        push(&mut queue, 0, 0);
        for tag in 1..1_000 {
            let source = tag % 3;
            push(&mut queue, source, tag);
            assert!(queue.remove(source + 1, tag).is_none(), "it is another's");
            assert!(queue.remove(source, tag).is_some() && queue.remove(source, tag).is_none());
        }
        assert_eq!(held(&queue), [1, 1, 1]);
        assert!(queue.pop().is_some() && queue.pop().is_none());
        assert_eq!(held(&queue), [0, 0, 0]);
    }

    /// Handles in the order of their turns, and the tags of each.
    #[derive(Default)]
    struct Model(Vec<(u64, Vec<u64>)>);

    impl Model {
        fn push(&mut self, source: u64, tag: u64) {
            match self.0.iter_mut().find(|(of, _)| *of == source) {
                Some((_, tags)) => tags.push(tag),
                None => self.0.push((source, std::vec![tag])),
            }
        }

        fn pop(&mut self) -> Option<u64> {
            let (source, mut tags) = (!self.0.is_empty()).then(|| self.0.remove(0))?;
            let tag = tags.remove(0);
            self.0.extend((!tags.is_empty()).then_some((source, tags)));
            Some(tag)
        }

        fn remove(&mut self, source: u64, tag: u64) -> Option<u64> {
            let (_, tags) = self.0.iter_mut().find(|(of, _)| *of == source)?;
            let at = tags.iter().position(|of| *of == tag)?;
            tags.remove(at);
            self.0.retain(|(_, tags)| !tags.is_empty());
            Some(tag)
        }
    }

    /// Rule L35.
    #[test]
    fn lines_take_turns_whatever_is_cancelled_meanwhile() {
        fn agrees(steps: Vec<(u8, u8)>) -> bool {
            let (mut queue, mut model) = (CommandQueue::default(), Model::default());
            (0..).zip(steps).all(|(tag, (step, number))| {
                let (source, earlier) = (u64::from(number % 4), u64::from(number / 4).min(tag));
                let [ours, theirs] = match step % 4 {
                    0 => [queue.pop().map(|command| command.tag), model.pop()],
                    1 => [queue.remove(source, earlier).map(|command| command.tag), model.remove(source, earlier)],
                    _ => {
                        push(&mut queue, source, tag);
                        model.push(source, tag);
                        [None, None]
                    }
                };
                ours == theirs && queue.is_empty() == model.0.is_empty() && held(&queue)[1] == model.0.len()
            })
        }
        quickcheck::quickcheck(agrees as fn(Vec<(u8, u8)>) -> bool);
    }
}
