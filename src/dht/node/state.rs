//! The node itself: what it owns, how it is made, and what can be seen of it.

use arrayvec::ArrayVec;

use crate::base::bitset::BitSet;
use crate::base::deadlines::Deadlines;
use crate::base::error::ConfigError;
use crate::base::rate::TokenBucket;
use crate::base::ring::Ring;
use crate::base::rng::Rng;
use crate::base::slab::{SlabKey, SmallList};
use crate::base::time::{Duration, Instant};
use crate::dht::config::{Config, LinkConfig, MAX_LINKS, Network};
use crate::dht::contact::{AnswerHistory, ContactView};
use crate::dht::event::{LinkId, OpId, Outcome};
use crate::dht::items::Items;
use crate::dht::limiter::Limiter;
use crate::dht::lookup::Rules;
use crate::dht::node::inbox::WaitingResult;
use crate::dht::node::operation::Operations;
use crate::dht::node::server::Reply;
use crate::dht::node::storage::{Storage, UPKEEP};
use crate::dht::node::upkeep::Timer;
use crate::dht::outage::Outage;
use crate::dht::peers::PeerStore;
use crate::dht::size::{LookupDensity, SizeEstimate};
use crate::dht::stats::{DropReason, Stats};
use crate::dht::table::{BUCKETS, Table, TableMemory};
use crate::dht::tokens::Tokens;
use crate::dht::trace::{TraceEvent, TraceSink};
use crate::dht::transactions::Transactions;
use crate::dht::votes::Votes;
use crate::krpc::endpoint::{Endpoint, Family};
use crate::krpc::id::Id;

/// Most bootstrap addresses that a node remembers.
pub const MAX_BOOTSTRAP_NODES: usize = 16;

/// A participant of the DHT: a pure state machine.
///
/// The contract is printed at the top of the crate. In short: give one input, drain [`poll_output`](Node::poll_output)
/// until it says `Timeout`, send what it wants sent, and come back with the next packet, command or deadline.
#[derive(Debug)]
pub struct Node<'s> {
    pub(super) config: Config,
    /// The largest time seen.
    pub(super) now: Instant,
    /// The last time at which a timeout was served: no deadline after it lies before it.
    pub(super) served: Option<Instant>,
    pub(super) rng: Rng,
    pub(super) links: SmallList<Link<'s>, MAX_LINKS>,
    pub(super) bootstrap_nodes: ArrayVec<Endpoint, MAX_BOOTSTRAP_NODES>,
    pub(super) operations: Operations<'s>,
    /// One bit for each operation that may have something to do at the next drain.
    pub(super) ready: BitSet,
    /// Operations that wait for a free transaction.
    pub(super) blocked: BitSet,
    pub(super) transactions: Transactions<'s>,
    /// Soft timeouts of transactions, then wake-ups of operations.
    pub(super) deadlines: Deadlines<'s>,
    pub(super) items: Items<'s>,
    pub(super) peers: PeerStore<'s>,
    pub(super) tokens: Tokens,
    pub(super) limiter: Limiter<'s>,
    /// What a forger can make us send to others.
    pub(super) unverified_budget: TokenBucket,
    /// Round trips of all nodes together: the guess for a node never asked.
    pub(super) rtt: AnswerHistory,
    pub(super) replies: Ring<'s, Reply>,
    pub(super) inbox: Ring<'s, WaitingResult>,
    pub(super) stats: Stats,
    pub(super) sink: TraceSink<'s>,
}

/// What belongs to one local socket.
#[derive(Debug)]
pub(super) struct Link<'s> {
    pub family: Family,
    pub table: Table<'s>,
    pub votes: Votes<'s>,
    pub outage: Outage,
    /// How densely the neighbourhoods of random targets are populated.
    pub density: LookupDensity,
    pub external: Option<Endpoint>,
    /// Votes for a new external address that the user was not told of yet.
    pub news_address: Option<u16>,
    /// The user was not told of a new id yet.
    pub news_id: bool,
    /// The table may have somebody to check at the next drain.
    pub check_due: bool,
    /// No check of the table before this.
    pub hold: Instant,
    /// No refresh of a bucket before this.
    pub refresh_hold: Instant,
    /// When an empty table is to be filled from the bootstrap nodes again.
    pub bootstrap_at: Option<Instant>,
    /// Fruitless bootstraps in a row.
    pub futile: u8,
}

impl Link<'_> {
    /// Whether a node that somebody names may be somebody, and somebody else than us.
    pub(super) fn may_be_named(&self, network: Network, id: &Id, endpoint: &Endpoint) -> bool {
        id != self.table.own()
            && *id != Id::default()
            && endpoint.is_usable(network)
            && self.external != Some(*endpoint)
    }
}

/// A running operation, as its owner may see it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpView {
    /// What it looks for.
    pub target: Id,
    /// The socket it runs on.
    pub link: LinkId,
    /// The caller's tag.
    pub tag: u64,
    /// Counts so far.
    pub outcome: Outcome,
    /// It has converged and is storing.
    pub storing: bool,
}

impl<'s> Node<'s> {
    /// Makes a node. All randomness comes from `rng_seed`: two nodes with the same configuration, seed, storage sizes and
    /// calls do the same.
    ///
    /// # Errors
    /// No links, a capacity that is zero or too large, or a rule that makes no sense.
    pub fn new(config: Config, rng_seed: [u8; 32], mut storage: Storage<'s>) -> Result<Node<'s>, ConfigError> {
        config.check()?;
        storage.check(config.links.len())?;
        let mut rng = Rng::from_seed(rng_seed);
        let now = Instant::ZERO;
        let links = links(&config, now, &mut rng, &mut storage);
        let Storage {
            operations,
            candidates,
            tokens,
            payloads,
            transactions,
            deadlines,
            items,
            peers,
            replies,
            inbox,
            meters,
            ..
        } = storage;
        let mut key = || [rng.next_u64(), rng.next_u64()];
        let (tid_key, limiter_key) = (key(), key());
        Ok(Node {
            now,
            served: None,
            links,
            bootstrap_nodes: ArrayVec::new(),
            operations: Operations::new(operations, candidates, tokens, payloads),
            ready: BitSet::default(),
            blocked: BitSet::default(),
            transactions: Transactions::new(transactions, tid_key, config.lookup.hard_timeout),
            deadlines: Deadlines::new(deadlines),
            items: Items::new(&config.server, config.network, items),
            peers: PeerStore::new(&config.server, config.network, peers),
            tokens: Tokens::new(&mut rng, now, config.server.token_rotation),
            limiter: Limiter::new(config.limiter, config.network, limiter_key, meters),
            unverified_budget: TokenBucket::default(),
            rtt: AnswerHistory::default(),
            replies: Ring::new(replies),
            inbox: Ring::new(inbox),
            stats: Stats::default(),
            sink: TraceSink::None,
            rng,
            config,
        })
    }

    /// Where trace events go from now on.
    pub fn set_sink(&mut self, sink: TraceSink<'s>) {
        self.sink = sink;
    }

    /// The id of a link.
    pub fn id(&self, via: LinkId) -> Option<Id> {
        self.links.get(usize::from(via.0)).map(|link| *link.table.own())
    }

    /// The address that others see a link at, where enough of them agree.
    pub fn external_addr(&self, via: LinkId) -> Option<Endpoint> {
        self.links.get(usize::from(via.0))?.external
    }

    /// Counters since the start.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// All verified contacts, link by link, in the order of their ids.
    pub fn contacts(&self) -> impl Iterator<Item = (LinkId, ContactView)> {
        self.links.iter().zip(0u8..).flat_map(|(link, i)| link.table.contacts().map(move |view| (LinkId(i), view)))
    }

    /// How many nodes the network of a link seems to have.
    pub fn size_estimate(&self, via: LinkId) -> Option<SizeEstimate> {
        let link = self.links.get(usize::from(via.0))?;
        let density = link.table.density();
        Some(link.density.estimate().unwrap_or_else(|| SizeEstimate::of_table(density.depth, density.contacts)))
    }

    /// Items and peers that we hold for others.
    pub fn held(&self) -> (usize, usize) {
        (self.items.len(), self.peers.len())
    }

    /// A running operation.
    pub fn op(&self, op: OpId) -> Option<OpView> {
        let operation = self.operations.get(SlabKey::from(op))?;
        Some(OpView {
            target: *operation.lookup.target(),
            link: LinkId(operation.link),
            tag: operation.tag,
            outcome: operation.outcome,
            storing: operation.lookup.is_storing(),
        })
    }

    /// The next deadline and what it is for.
    pub fn next_timer(&self) -> Option<(Timer, Instant)> {
        self.earliest_timer()
    }

    pub(super) fn advance(&mut self, now: Instant) -> Instant {
        self.now = self.now.max(now);
        self.now
    }

    pub(super) fn drop(&mut self, reason: DropReason) {
        self.stats.dropped.count(reason);
        self.sink.tell(self.now, TraceEvent::Dropped(reason));
    }

    /// Places for operations of users.
    pub(super) fn user_places(&self) -> usize {
        self.operations.capacity().saturating_sub(UPKEEP)
    }

    /// The number under which an operation's wake-up stands in the heap of deadlines.
    pub(super) fn wake_key(&self, index: u16) -> u16 {
        (self.transactions.capacity() as u16).saturating_add(index)
    }
}

/// The links, each with its share of the memory.
fn links<'s>(
    config: &Config,
    now: Instant,
    rng: &mut Rng,
    storage: &mut Storage<'s>,
) -> SmallList<Link<'s>, MAX_LINKS> {
    let count = config.links.len();
    let (contacts, newcomers) = (storage.contacts.len() / count, storage.newcomers.len() / count);
    let (id_changes, votes) = (storage.id_changes.len() / count, storage.votes.len() / count);
    let link = |link: &LinkConfig| {
        let external = link.external.map(Endpoint::from);
        let id = link.id.unwrap_or_else(|| match external {
            Some(addr) => Id::secure(addr.ip(), rng),
            None => Id::random(rng),
        });
        let memory = TableMemory {
            contacts: storage.contacts.split_front(contacts),
            prefixes: storage.prefixes.split_front(contacts),
            pending: storage.newcomers.split_front(newcomers),
            buckets: storage.buckets.split_front(BUCKETS),
            id_changes: storage.id_changes.split_front(id_changes),
        };
        let mut table = Table::new(config.table, config.network, id, memory);
        table.set_addr(now, external);
        Link {
            family: link.family,
            table,
            votes: Votes::new(config.network, storage.votes.split_front(votes)),
            outage: Outage::default(),
            density: LookupDensity::default(),
            external,
            news_address: None,
            news_id: false,
            check_due: false,
            hold: now,
            refresh_hold: now,
            bootstrap_at: None,
            futile: 0,
        }
    };
    config.links.iter().map(link).collect()
}

/// Soft timeouts of a stranger that late answers are waited for ..
const PATIENCE: u32 = 4;
/// .. and the least: a busy machine is late more often than it is dead.
const LEAST_PATIENCE: Duration = Duration::from_millis(500);

/// The rules of lookups: those of the configuration, and how patient the round trips so far allow to be.
pub(super) fn rules<'a>(config: &'a Config, rtt: &AnswerHistory) -> Rules<'a> {
    let stranger = rtt.soft_timeout(config.lookup.soft_timeout);
    Rules {
        config: &config.lookup,
        patience: stranger.saturating_mul(PATIENCE).max(LEAST_PATIENCE).min(config.lookup.hard_timeout),
        enforce_secure_ids: config.enforce_secure_ids && config.network == Network::Public,
    }
}
