//! A method for each command: one line of sugar for `command_in`, alike on the drivers' handle. They are written down
//! once, for a node and for whatever stands in front of one.

use crate::base::time::Instant;
use crate::dht::command::{Command, DirectQuery, Freshness, PeerKind, Scope};
use crate::dht::error::CallError;
use crate::dht::event::{KeepId, OpId};
use crate::dht::keep::{KeepSchedule, KeepState, Kept};
use crate::dht::node::Node;
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;
use crate::krpc::item::{Mutable, SignedItem};

/// The methods of a type that has `command_in` and `keep_on`. They name what is imported above.
macro_rules! named_calls {
    () => {
        /// Starts an operation on every link that has contacts, but for those on which nobody answers where on another
        /// somebody has since. `tag` comes back in every event of the operation.
        ///
        /// Legal at any time, also in the middle of a drain.
        ///
        /// # Errors
        /// [`CallError`] says what is wrong with the call; no operation was started then.
        pub fn command(&mut self, now: Instant, tag: u64, command: Command<'_>) -> Result<OpId, CallError> {
            self.command_in(now, tag, Scope::All, command)
        }

        /// Begins to keep an item or an announcement: see `spec/keeper.md`. Of an item the node will say when it is
        /// [`Wanted`](crate::Event::Wanted); it keeps no value. A key that is kept twice has two handles and is looked
        /// at twice as often.
        ///
        /// It is looked at first. Whoever has the item at hand may [`supply`](crate::Node::supply) it at once, which
        /// stores it within seconds; of many new keys the first looks alone take 10 s each by the default budget.
        ///
        /// # Errors
        /// [`CallError`] says why it is not kept.
        pub fn keep(
            &mut self,
            now: Instant,
            tag: u64,
            kept: Kept<'_>,
            schedule: KeepSchedule,
        ) -> Result<KeepId, CallError> {
            self.keep_on(now, tag, kept, schedule, KeepState::default())
        }

        /// Fills the table from bootstrap nodes. See [`Command::Bootstrap`].
        ///
        /// # Errors
        /// Those of [`command`](Self::command), here and below.
        pub fn bootstrap(&mut self, now: Instant, tag: u64, nodes: &[Endpoint]) -> Result<OpId, CallError> {
            self.command(now, tag, Command::Bootstrap { nodes })
        }

        /// Asks one node whether it is there.
        ///
        /// # Errors
        /// Those of [`command`](Self::command).
        pub fn ping(&mut self, now: Instant, tag: u64, to: Endpoint) -> Result<OpId, CallError> {
            self.query(now, tag, to, DirectQuery::Ping)
        }

        /// Asks one node one question, without a lookup.
        ///
        /// # Errors
        /// Those of [`command`](Self::command).
        pub fn query(&mut self, now: Instant, tag: u64, to: Endpoint, query: DirectQuery) -> Result<OpId, CallError> {
            self.command(now, tag, Command::Query { to, query })
        }

        /// Finds the closest nodes that answer.
        ///
        /// # Errors
        /// Those of [`command`](Self::command).
        pub fn lookup(&mut self, now: Instant, tag: u64, target: Id) -> Result<OpId, CallError> {
            self.command(now, tag, Command::Lookup { target })
        }

        /// Finds an immutable item, on so many nodes.
        ///
        /// # Errors
        /// Those of [`command`](Self::command).
        pub fn get_immutable(&mut self, now: Instant, tag: u64, target: Id, copies: u16) -> Result<OpId, CallError> {
            self.command(now, tag, Command::GetImmutable { target, copies })
        }

        /// Finds a mutable item. For the newest, each result beats those before it.
        ///
        /// # Errors
        /// Those of [`command`](Self::command).
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
        /// Those of [`command`](Self::command).
        pub fn get_peers(&mut self, now: Instant, tag: u64, info_hash: Id) -> Result<OpId, CallError> {
            self.command(now, tag, Command::GetPeers { info_hash })
        }

        /// Stores an immutable item: canonical bencode, at most 1000 bytes; a plain byte string at most 1005.
        ///
        /// # Errors
        /// Those of [`command`](Self::command).
        pub fn put_immutable(&mut self, now: Instant, tag: u64, value: &[u8]) -> Result<OpId, CallError> {
            self.command(now, tag, Command::PutImmutable { value })
        }

        /// Stores a signed item; with `cas`, only where that sequence number is held now.
        ///
        /// # Errors
        /// Those of [`command`](Self::command).
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
        /// Those of [`command`](Self::command).
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
        /// Those of [`command`](Self::command).
        pub fn scrape(&mut self, now: Instant, tag: u64, info_hash: Id) -> Result<OpId, CallError> {
            self.command(now, tag, Command::Scrape { info_hash })
        }

        /// Collects info-hashes from the nodes around a target.
        ///
        /// # Errors
        /// Those of [`command`](Self::command).
        pub fn sample(&mut self, now: Instant, tag: u64, target: Id) -> Result<OpId, CallError> {
            self.command(now, tag, Command::Sample { target })
        }
    };
}

#[allow(unused_imports, reason = "simulated worlds have these methods too, in builds with them")]
pub(crate) use named_calls;

impl Node<'_> {
    named_calls!();
}
