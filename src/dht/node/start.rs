//! How operations start and are cancelled.

use crate::base::error::CallError;
use crate::base::slab::SlabKey;
use crate::base::time::Instant;
use crate::dht::command::{Command, DirectQuery, Freshness};
use crate::dht::contact::SavedContact;
use crate::dht::event::{LinkId, OpId, Outcome, Reason};
use crate::dht::lookup::{Lookup, Offer};
use crate::dht::node::input::class_of;
use crate::dht::node::operation::{Goal, OperationState, Parts};
use crate::dht::node::state::{MAX_BOOTSTRAP_NODES, Node};
use crate::dht::trace::TraceEvent;
use crate::krpc::bencode;
use crate::krpc::endpoint::Endpoint;
use crate::krpc::id::Id;
use crate::krpc::item::{self, MAX_SALT, MAX_VALUE};
use crate::krpc::message::{Item, Mutable};

/// Contacts of the table that a lookup starts from.
const START_FROM: usize = 20;

impl Node<'_> {
    /// Starts an operation on the link that suits it: that of the address family for a query or a bootstrap,
    /// otherwise the first link whose table is not empty. `tag` comes back in every event of the operation.
    ///
    /// Legal at any time, also in the middle of a drain.
    ///
    /// # Errors
    /// [`CallError`] says what is wrong with the call; nothing has happened then.
    pub fn command(&mut self, now: Instant, tag: u64, command: Command<'_>) -> Result<OpId, CallError> {
        let family = match &command {
            Command::Query { to, .. } => Some(to.family()),
            Command::Bootstrap { nodes } => nodes.first().map(Endpoint::family),
            _ => None,
        };
        let fits = |link: &&(usize, &crate::dht::node::state::Link<'_>)| family.is_none_or(|f| link.1.family == f);
        let mut links = self.links.iter().enumerate();
        let by_family = links.clone().find(|link| fits(&link));
        let filled = links.find(|link| fits(&link) && (family.is_some() || !link.1.table.is_empty()));
        let (via, _) = filled.or(by_family).ok_or(CallError::NoLink)?;
        self.command_on(now, tag, LinkId(via as u8), command)
    }

    /// Starts an operation on a link.
    ///
    /// # Errors
    /// [`CallError`] says what is wrong with the call; nothing has happened then.
    pub fn command_on(&mut self, now: Instant, tag: u64, via: LinkId, command: Command<'_>) -> Result<OpId, CallError> {
        let now = self.advance(now);
        let link = self.links.get(usize::from(via.0)).ok_or(CallError::NoLink)?;
        let own = *link.table.own();
        let (goal, target) = match command {
            Command::Bootstrap { nodes } => {
                self.remember(nodes);
                self.bootstrap_others(now, usize::from(via.0));
                (Goal::Bootstrap, own)
            }
            Command::Query { to, query } => {
                if to.family() != link.family || !to.is_usable(true) {
                    return Err(CallError::BadAddress);
                }
                (Goal::Direct { to, query, sent: false }, own)
            }
            Command::Lookup { target } => (Goal::Nodes, target),
            Command::GetImmutable { target } => (Goal::Immutable, target),
            Command::GetMutable { key, salt, newer_than, freshness } => {
                check_salt(salt)?;
                (Goal::Mutable { newer_than, freshness }, item::mutable_target(key, salt))
            }
            Command::GetPeers { info_hash } => (Goal::Peers, info_hash),
            Command::PutImmutable { value } => {
                check_value(value)?;
                (Goal::PutImmutable, item::immutable_target(value))
            }
            Command::PutMutable { value, key, salt, seq, signature, cas } => {
                check_value(value)?;
                check_salt(salt)?;
                if seq < 0 || cas.is_some_and(|cas| cas < 0) {
                    return Err(CallError::BadSeq);
                }
                let mutable = Mutable { key, salt, seq, signature };
                self.stats.verifications += 1;
                if !item::verify(&mutable, value) {
                    return Err(CallError::BadSignature);
                }
                (Goal::PutMutable { cas }, Item { value, mutable: Some(mutable) }.target())
            }
            Command::Announce { info_hash, port, seed } => {
                if port == Some(0) {
                    return Err(CallError::BadPort);
                }
                (Goal::Announce { port, seed }, info_hash)
            }
            Command::Scrape { info_hash } => (Goal::Scrape, info_hash),
            Command::Sample { target } => (Goal::Sample, target),
        };
        let key = self.start(now, tag, via.0, goal, target, true).ok_or(CallError::Full)?;
        if let Some(Parts { payload: Some(payload), .. }) = self.operations.parts(key) {
            match command {
                Command::GetMutable { key, salt, .. } => {
                    payload.key = *key;
                    let _checked = payload.salt.try_extend_from_slice(salt);
                }
                Command::PutImmutable { value } => {
                    let _checked = payload.value.try_extend_from_slice(value);
                }
                Command::PutMutable { value, key, salt, seq, signature, .. } => {
                    payload.key = *key;
                    payload.seq = seq;
                    payload.signature.0 = *signature;
                    let _checked = payload.value.try_extend_from_slice(value);
                    let _checked = payload.salt.try_extend_from_slice(salt);
                }
                _ => {}
            }
        }
        Ok(key.into())
    }

    /// Claims a place, and offers the nearest contacts to the new lookup. Asks the bootstrap nodes too while the table is poor.
    pub(super) fn start(
        &mut self,
        now: Instant,
        tag: u64,
        link: u8,
        goal: Goal,
        target: Id,
        for_user: bool,
    ) -> Option<SlabKey> {
        if for_user && self.operations.iter().filter(|(_, o)| o.for_user).count() >= self.user_places() {
            return None;
        }
        let operation = OperationState {
            tag,
            link,
            goal,
            lookup: match goal {
                Goal::PutMutable { cas: Some(_) } => Lookup::new(now, target, true).guarded(),
                _ => Lookup::new(now, target, goal.stores()),
            },
            outcome: Outcome::default(),
            started: now,
            deadline: now + self.config.lookup.deadline,
            finish: None,
            next_bootstrap: u8::MAX,
            for_user,
            summed_up: false,
            payload: 0,
        };
        let key = match self.operations.insert(operation) {
            Some(key) => key,
            None => {
                self.end_background();
                self.operations.insert(operation)?
            }
        };
        let table = &self.links.get(usize::from(link))?.table;
        let Parts { operation, mut window, .. } = self.operations.parts(key)?;
        if !matches!(goal, Goal::Direct { .. }) {
            let network = self.config.network;
            let mut offered = 0;
            table.closest(&target, None, START_FROM, |contact| {
                let class = class_of(Some(contact), now);
                let (id, endpoint, secure) = (*contact.id(), contact.endpoint(), contact.is_secure());
                let offer = Offer { id, endpoint, class, hops: 0, secure };
                offered += u8::from(operation.lookup.offer(&mut window, network, offer));
            });
            if offered < self.config.lookup.k || goal == Goal::Bootstrap {
                operation.next_bootstrap = 0;
            }
        }
        self.stats.operations += 1;
        self.sink.tell(now, TraceEvent::Started { operation: key.index });
        self.deadlines.set(self.wake_key(key.index), now + self.config.lookup.deadline);
        self.ready.insert(key.index);
        Some(key)
    }

    /// Gives up a put or an announce that was reported already, so that a user's operation finds room.
    fn end_background(&mut self) {
        let evicted = self.operations.iter().find(|(_, o)| !o.for_user && o.goal.stores()).map(|(key, _)| key);
        if let Some(key) = evicted {
            self.ready.remove(key.index);
            self.deadlines.clear(self.wake_key(key.index));
            self.operations.remove(key);
        }
    }

    fn remember(&mut self, nodes: &[Endpoint]) {
        for &node in nodes.iter().take(MAX_BOOTSTRAP_NODES) {
            if !self.bootstrap_nodes.contains(&node) && node.is_usable(true) {
                if self.bootstrap_nodes.is_full() {
                    self.bootstrap_nodes.remove(0);
                }
                self.bootstrap_nodes.push(node);
            }
        }
    }

    /// Links whose family has bootstrap nodes and whose table is empty are filled too, by the node's own upkeep.
    fn bootstrap_others(&mut self, now: Instant, but: usize) {
        for (_, link) in self.links.iter_mut().enumerate().filter(|&(i, _)| i != but) {
            if link.table.is_empty() && self.bootstrap_nodes.iter().any(|node| node.family() == link.family) {
                link.bootstrap_at.get_or_insert(now);
            }
        }
    }

    /// Ends every operation of a user with this tag: each says `Finished` with [`Reason::Cancelled`] at the next drain.
    pub fn cancel(&mut self, now: Instant, tag: u64) {
        self.advance(now);
        for index in 0..self.operations.capacity() as u16 {
            let Some(key) = self.operations.key_at(index) else { continue };
            if let Some(Parts { operation, .. }) = self.operations.parts(key)
                && operation.for_user
                && operation.tag == tag
            {
                operation.finish = operation.finish.or(Some(Reason::Cancelled));
                self.ready.insert(index);
            }
        }
    }

    /// Offers contacts of an earlier run. They are unverified until they have answered.
    pub fn import(&mut self, now: Instant, via: LinkId, contacts: &[SavedContact]) {
        let now = self.advance(now);
        let local = self.is_local();
        if let Some(link) = self.links.get_mut(usize::from(via.0)) {
            for saved in contacts {
                if saved.endpoint.family() == link.family && saved.endpoint.is_usable(local) {
                    link.table.offer(now, &saved.id, saved.endpoint);
                }
            }
        }
    }
}

/// Each is one line of sugar for [`Node::command`]; a driver's handle has the same, without time and tag.
impl Node<'_> {
    /// Fills the table from bootstrap addresses. See [`Command::Bootstrap`].
    pub fn bootstrap(&mut self, now: Instant, tag: u64, nodes: &[Endpoint]) -> Result<OpId, CallError> {
        self.command(now, tag, Command::Bootstrap { nodes })
    }

    /// Asks one node whether it is there.
    pub fn ping(&mut self, now: Instant, tag: u64, to: Endpoint) -> Result<OpId, CallError> {
        self.command(now, tag, Command::Query { to, query: DirectQuery::Ping })
    }

    /// Asks one node one question, without a lookup.
    pub fn query(&mut self, now: Instant, tag: u64, to: Endpoint, query: DirectQuery) -> Result<OpId, CallError> {
        self.command(now, tag, Command::Query { to, query })
    }

    /// Finds the closest nodes.
    pub fn lookup(&mut self, now: Instant, tag: u64, target: Id) -> Result<OpId, CallError> {
        self.command(now, tag, Command::Lookup { target })
    }

    /// Finds an immutable item.
    pub fn get_immutable(&mut self, now: Instant, tag: u64, target: Id) -> Result<OpId, CallError> {
        self.command(now, tag, Command::GetImmutable { target })
    }

    /// Finds a mutable item. For the newest, each result beats those before it.
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
    pub fn get_peers(&mut self, now: Instant, tag: u64, info_hash: Id) -> Result<OpId, CallError> {
        self.command(now, tag, Command::GetPeers { info_hash })
    }

    /// Stores an immutable item.
    pub fn put_immutable(&mut self, now: Instant, tag: u64, value: &[u8]) -> Result<OpId, CallError> {
        self.command(now, tag, Command::PutImmutable { value })
    }

    /// Stores a signed item. `cas`: only where this sequence number is held now.
    pub fn put_mutable(
        &mut self,
        now: Instant,
        tag: u64,
        value: &[u8],
        signed: &Mutable<'_>,
        cas: Option<i64>,
    ) -> Result<OpId, CallError> {
        let Mutable { key, salt, seq, signature } = *signed;
        self.command(now, tag, Command::PutMutable { value, key, salt, seq, signature, cas })
    }

    /// Announces a peer; without a port, at the port that others see us at.
    pub fn announce(
        &mut self,
        now: Instant,
        tag: u64,
        info_hash: Id,
        port: Option<u16>,
        seed: bool,
    ) -> Result<OpId, CallError> {
        self.command(now, tag, Command::Announce { info_hash, port, seed })
    }

    /// Estimates the size of a swarm.
    pub fn scrape(&mut self, now: Instant, tag: u64, info_hash: Id) -> Result<OpId, CallError> {
        self.command(now, tag, Command::Scrape { info_hash })
    }

    /// Collects info-hashes around a target.
    pub fn sample(&mut self, now: Instant, tag: u64, target: Id) -> Result<OpId, CallError> {
        self.command(now, tag, Command::Sample { target })
    }
}

fn check_value(value: &[u8]) -> Result<(), CallError> {
    if !bencode::is_canonical(value) {
        Err(CallError::NotCanonical)
    } else if value.len() > MAX_VALUE {
        Err(CallError::ValueTooLarge)
    } else {
        Ok(())
    }
}

fn check_salt(salt: &[u8]) -> Result<(), CallError> {
    if salt.len() > MAX_SALT { Err(CallError::SaltTooLong) } else { Ok(()) }
}
