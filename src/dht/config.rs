//! Everything that can be set, once, when a node is made.
//!
//! Three stock configurations exist: [`Config::default`] for a full participant (under 4 MiB), [`Config::small`] for
//! test networks and simulations (under 27 KiB) and [`Config::tiny`] for microcontrollers. Capacities say how much
//! memory is reserved; with lent storage the capacities of the lists that are lent hold instead.

use core::net::SocketAddr;

use arrayvec::ArrayVec;

use crate::base::error::{ConfigError, at_least, at_most};
use crate::base::rate::Rate;
use crate::base::time::Duration;
use crate::dht::capacity::{Capacity, FORMER_IDS, MAX_LINKS, MAX_REPLICAS};
use crate::dht::keep::KeeperConfig;
use crate::dht::role::Role;
use crate::krpc::compact::MAX_PEERS;
use crate::krpc::endpoint::{Endpoint, Family, Network};
use crate::krpc::id::Id;

/// Most bootstrap nodes that a node remembers.
pub const MAX_BOOTSTRAP_NODES: usize = 16;
/// Nodes of one family in a reply (BEP 5), and of the list that a lookup ends with.
pub const K: usize = 8;
/// Contacts of a bucket, at most.
pub const LARGEST_BUCKET: u16 = 8_191;
/// Most info-hashes in one sample (BEP 51): with the nodes of IPv4 beside them they still fit into one datagram.
pub const MAX_SAMPLES: u8 = 50;
/// Info-hashes in one sample that fit, with the nodes of a family, into what BEP 32 trims a reply to.
pub const SAMPLES: u8 = 20;

/// Bytes of the longest reply: a message with nothing but a value, or with more samples than are usual.
pub const LARGEST_REPLY: usize = 1400;

/// Shortest wait for an answer: below it are round trips between continents.
const LEAST_HARD_TIMEOUT: Duration = Duration::from_millis(100);
/// So many times what others take a frugal node waits between two checks, until a contact is asked again, and until a
/// bucket is refreshed.
const FRUGAL_CHECKS: u32 = 5;
const FRUGAL_AGE: u32 = 2;
const FRUGAL_REFRESHES: u32 = 4;
/// With fewer, an adaptive node takes nearly everybody for one that it has sent to.
const LEAST_SENT_TO: u64 = 64;
/// Longest wait for an answer: for so long upkeep takes a query for one in flight.
pub const MAX_HARD_TIMEOUT: Duration = Duration::from_secs(5);

/// One local socket.
///
/// Exhaustive: it is written as a literal over [`V4`](Self::V4) or [`V6`](Self::V6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinkConfig {
    /// Address family of the socket.
    pub family: Family,
    /// The address that others reach this socket at, where it is known; decides the BEP 42 id.
    pub external: Option<SocketAddr>,
    /// The id to use; chosen by the node when `None`.
    pub id: Option<Id>,
    /// The port that the socket is bound to, which is announced while nobody has told at which one others see it; 0:
    /// not known. Drivers fill it in.
    pub port: u16,
}

impl LinkConfig {
    /// An IPv4 socket whose address and id are to be found out.
    pub const V4: LinkConfig = LinkConfig { family: Family::V4, external: None, id: None, port: 0 };
    /// An IPv6 socket whose address and id are to be found out.
    pub const V6: LinkConfig = LinkConfig { family: Family::V6, external: None, id: None, port: 0 };
}

/// A time that is measured, and within what it is believed.
///
/// Exhaustive: an interval has two ends.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Bounds {
    /// The shortest.
    pub least: Duration,
    /// The longest, which is also assumed while nothing was measured.
    pub most: Duration,
}

/// Rules of the routing table.
///
/// Exhaustive: it is written as a literal over that of a stock configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TableConfig {
    /// Contacts of the buckets 0, 1, 2, .., 8,191 at most; the last number holds for all deeper buckets.
    pub bucket_sizes: [u16; 5],
    /// Contacts of one /24 in one bucket, and of one /64; of a /56 a quarter more, of a /48 half as many more. So it is
    /// with all that is counted by network.
    pub per_network_in_bucket: u8,
    /// Contacts of one /24 or /64 in the whole table.
    pub per_network: u8,
    /// A contact that did not answer for this long is questionable and is asked again; after four fifths of it one that
    /// we have known for less than an hour.
    pub stale_after: Duration,
    /// The unit of the times of the table's own upkeep: its queries are two thirds of it apart.
    pub check_every: Duration,
    /// A newcomer is asked back this long after its last packet, so that a NAT mapping that would not last has died.
    pub newcomer_delay: Duration,
    /// Newcomers waiting in one bucket.
    pub newcomers_in_bucket: u8,
    /// A newcomer that could not be checked for this long is forgotten: at least two seconds more than
    /// `newcomer_delay`.
    pub newcomer_lifetime: Duration,
    /// A bucket without news for this long is refreshed.
    pub refresh_after: Duration,
    /// With fewer contacts that answered within `stale_after` a table is poor: it asks whoever is remembered, faster.
    pub enough: u16,
}

/// Rules of a lookup.
///
/// Exhaustive: it is written as a literal over that of a stock configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LookupConfig {
    /// The closest live contacts that must have answered.
    pub k: u8,
    /// Nodes that a put or an announce is stored on: at least `k`, at most [`Config::MAX_REPLICAS`]. Storage
    /// has place for so many candidates and tokens, or the node is not made.
    pub replicas: u8,
    /// Confirmations after which a put or an announce is reported, at most `replicas`; the rest goes on in the
    /// background.
    pub report_at: u8,
    /// Queries in flight to contacts that answered before.
    pub slots_good: u8,
    /// Queries in flight to contacts that are unverified, as far as such contacts answer.
    pub slots_unverified: u8,
    /// The same where those stand where the k nearest are to be expected; not fewer than `slots_unverified`.
    pub slots_near: u8,
    /// Queries in flight to contacts that failed lately; used only when nothing else is left.
    pub slots_bad: u8,
    /// Spacing of the first burst of queries.
    pub initial_stagger: Duration,
    /// Queries in flight at most when a user's operation sends one, and sixteen more for each millisecond past ten
    /// of the round trip within which one answer in ten comes: so many answers at once have room in the buffer of any
    /// socket. Outside a local network no more than a third of the nodes that there are, fewer where that way is
    /// shorter than 135 ms, or 16. An operation begins only while there are fewer than three quarters of that.
    pub in_flight: u16,
    /// Bounds of the soft timeout, after which a slot is freed and the late reply is still taken.
    pub soft_timeout: Bounds,
    /// Queries to unverified nodes, where what false referrals make us send is to be bounded.
    pub unverified_query_rate: Rate,
    /// A query without an answer for this long has failed.
    pub hard_timeout: Duration,
    /// An operation ends this long after its first query, or at most four times this where a budget alone holds it up.
    pub deadline: Duration,
}

/// Rules for strangers.
///
/// Exhaustive: it is written as a literal over that of a stock configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LimiterConfig {
    /// Packets of one endpoint.
    pub per_endpoint: Rate,
    /// Packets of one /24 or /64.
    pub per_network: Rate,
    /// Packets of all strangers together.
    pub per_node: Rate,
    /// Bytes of replies to one /24 or /64. What goes past it is cut to 3.2 times the query, so zero cuts every reply to
    /// who has not proved that it receives what is sent to it. The burst is 0 or has room for the longest reply, 1,400.
    pub reply_bytes: Rate,
}

/// Limits of what we hold for others.
///
/// Exhaustive: it is written as a literal over that of a stock configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ServerConfig {
    /// Peers of one info-hash.
    pub peers_per_info_hash: u16,
    /// A peer is forgotten this long after its last announce.
    pub peer_lifetime: Duration,
    /// Peers in one reply, as many of them as fit in 1,024 bytes: about 88 over IPv4 and 28 over IPv6, beside 8 nodes.
    pub peers_per_reply: u8,
    /// An item is forgotten this long after its last put.
    pub item_lifetime: Duration,
    /// Items that one /24 or /64 may have put.
    pub items_per_network: u16,
    /// Time between two rotations of the secret behind the write tokens; a token is valid for one to two of them.
    pub token_rotation: Duration,
    /// A sample of info-hashes stays the same for this long (BEP 51).
    pub sample_interval: Duration,
    /// Info-hashes in one sample, at most [`Config::MAX_SAMPLES`]. More than 20 make a reply longer than the 1,024
    /// bytes that others are cut to: up to 1,400, so that over IPv6 a reply has 47 of them.
    pub samples: u8,
    /// Count a value that is one byte string without its length in front, as mainline's nodes do: so one of 997 to
    /// 1,000 bytes is stored, which has 1,001 to 1,005 when it is bencoded. Off, it is refused (205), as BEP 44 has it.
    /// It is read either way.
    pub bare_length: bool,
}

/// The configuration of a node. Start from a stock one and change what matters.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Local sockets: the position in this list is the link's id.
    links: ArrayVec<LinkConfig, MAX_LINKS>,
    /// Public network or local one.
    pub network: Network,
    /// Whether it answers others.
    pub role: Role,
    /// Spares the tables of the routers on its way, and the battery: all that the node and its user ask together opens
    /// at most 96 flows in any 10 s; it checks and refreshes less, and is a client, whatever its role is, adaptive too.
    pub frugal: bool,
    /// Looks buckets up that have no news, and the network for its size. Without it a table lives on checks, on what
    /// operations bring, and on bootstraps while it is poor.
    pub refresh: bool,
    /// Enforce BEP 42: nodes with an invalid id never count for the closure of a lookup.
    pub enforce_secure_ids: bool,
    /// The `v` that we send.
    pub version: [u8; 4],
    /// Memory that is allocated. Its numbers are checked with lent storage too, though the lists that are lent hold
    /// then.
    pub capacity: Capacity,
    /// Routing table.
    pub table: TableConfig,
    /// Lookups.
    pub lookup: LookupConfig,
    /// Strangers.
    pub limiter: LimiterConfig,
    /// Stores.
    pub server: ServerConfig,
    /// The keeper.
    pub keeper: KeeperConfig,
}

impl Default for Config {
    /// A full participant on one IPv4 socket; all its memory stays under 4 MiB.
    fn default() -> Self {
        let mut links = ArrayVec::new();
        links.push(LinkConfig::V4);
        Config {
            links,
            network: Network::Public,
            role: Role::default(),
            frugal: false,
            refresh: true,
            enforce_secure_ids: false,
            version: *b"HG\x00\x01",
            capacity: Capacity::DEFAULT,
            table: TableConfig {
                bucket_sizes: [128, 64, 32, 16, 8],
                per_network_in_bucket: 2,
                per_network: 10,
                stale_after: Duration::from_secs(15 * 60),
                check_every: Duration::from_secs(3),
                newcomer_delay: Duration::from_secs(90),
                newcomers_in_bucket: 5,
                newcomer_lifetime: Duration::from_secs(2 * 3600),
                refresh_after: Duration::from_secs(15 * 60),
                enough: 30,
            },
            lookup: LookupConfig {
                k: K as u8,
                replicas: MAX_REPLICAS,
                report_at: 8,
                slots_good: 5,
                slots_unverified: 3,
                slots_near: 20,
                slots_bad: 3,
                initial_stagger: Duration::from_millis(50),
                in_flight: 64,
                soft_timeout: Bounds { least: Duration::from_millis(50), most: Duration::from_secs(1) },
                unverified_query_rate: Rate::UNLIMITED,
                hard_timeout: Duration::from_secs(2),
                deadline: Duration::from_secs(30),
            },
            limiter: LimiterConfig {
                per_endpoint: Rate { per_second: 10, burst: 100 },
                per_network: Rate { per_second: 50, burst: 200 },
                per_node: Rate { per_second: 2_000, burst: 4_000 },
                reply_bytes: Rate { per_second: 32_000, burst: 64_000 },
            },
            server: ServerConfig {
                peers_per_info_hash: 500,
                peer_lifetime: Duration::from_secs(45 * 60),
                peers_per_reply: 50,
                item_lifetime: Duration::from_secs(2 * 3600),
                items_per_network: 100,
                token_rotation: Duration::from_secs(5 * 60),
                sample_interval: Duration::from_secs(6 * 3600),
                samples: SAMPLES,
                bare_length: false,
            },
            keeper: KeeperConfig::default(),
        }
    }
}

impl Config {
    /// Most links of one node.
    pub const MAX_LINKS: usize = MAX_LINKS;
    /// Most ids that a link remembers besides the one that it has.
    pub const MAX_FORMER_IDS: usize = FORMER_IDS;
    /// Most bootstrap nodes that a node remembers.
    pub const MAX_BOOTSTRAP_NODES: usize = MAX_BOOTSTRAP_NODES;
    /// Most nodes that a put or an announce is stored on.
    pub const MAX_REPLICAS: u8 = MAX_REPLICAS;
    /// Most info-hashes in one sample (BEP 51).
    pub const MAX_SAMPLES: u8 = MAX_SAMPLES;

    /// A node of a test network, a demonstration or a simulation: all its memory stays under 27 KiB.
    #[must_use]
    pub fn small() -> Self {
        let mut config = Config { capacity: Capacity::SMALL, ..Config::default() };
        config.table.bucket_sizes = [16, 16, 16, 8, 8];
        config.lookup.replicas = 8;
        config
    }

    /// A node of a microcontroller: 96 contacts, 4 operations (two of its user, two for upkeep), 32 transactions, 16
    /// items.
    #[must_use]
    pub fn tiny() -> Self {
        let mut config = Config { capacity: Capacity::TINY, ..Config::default() };
        config.table.bucket_sizes = [32, 32, 16, 16, 8];
        config.lookup.replicas = 8;
        config
    }

    /// The same configuration for a network on one machine or in one laboratory: see [`Network::Local`]. Newcomers are
    /// checked at once, and first queries are not spread: on a loopback there are no NAT mappings to wait for.
    #[must_use]
    pub fn local(mut self) -> Self {
        self.network = Network::Local;
        self.table.newcomer_delay = Duration::ZERO;
        self.table.check_every = Duration::from_millis(20);
        self.lookup.initial_stagger = Duration::ZERO;
        self
    }

    /// The local sockets, in the order of their link ids.
    #[must_use]
    pub fn links(&self) -> &[LinkConfig] {
        &self.links
    }

    /// The same configuration with these local sockets.
    ///
    /// # Errors
    ///
    /// When they are none, or more than [`MAX_LINKS`](Config::MAX_LINKS), or one is said to be reached at an address
    /// of another family or at one that nobody can send to, or has an id of zeros, which others take for none.
    pub fn with_links(self, links: &[LinkConfig]) -> Result<Self, ConfigError> {
        at_least("links", links.len() as u64, 1)?;
        at_most("links", links.len() as u64, MAX_LINKS as u64)?;
        links.iter().try_for_each(check_link)?;
        Ok(Config { links: links.iter().copied().collect(), ..self })
    }

    /// The role that it has to begin with. In a local network everybody reaches everybody.
    pub(crate) fn role(&self) -> Role {
        match self.role {
            _ if self.frugal => Role::Client,
            Role::Adaptive if self.network == Network::Local => Role::Server,
            role => role,
        }
    }

    /// The rules of the table; a frugal one is checked and refreshed less.
    pub(crate) fn table(&self) -> TableConfig {
        if !self.frugal {
            return self.table;
        }
        TableConfig {
            check_every: self.table.check_every.saturating_mul(FRUGAL_CHECKS),
            stale_after: self.table.stale_after.saturating_mul(FRUGAL_AGE),
            refresh_after: self.table.refresh_after.saturating_mul(FRUGAL_REFRESHES),
            ..self.table
        }
    }

    /// Whether what the role needs is there.
    pub(crate) fn check_role(&self, capacity: &Capacity) -> Result<(), ConfigError> {
        let least = if self.role() == Role::Adaptive { LEAST_SENT_TO } else { 0 };
        at_least("capacity.sent_to", capacity.sent_to as u64, least)
            .map_err(|error| error.mended_by("an adaptive role needs as many"))
    }

    /// Whether the rules make sense together.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let (t, l, m, s) = (&self.table, &self.lookup, &self.limiter, &self.server);
        at_least("links", self.links.len() as u64, 1)?;
        self.capacity.check()?;
        self.check_role(&self.capacity)?;
        at_least("lookup.k", l.k.into(), 1)?;
        at_least("lookup.replicas", l.replicas.into(), l.k.into()).map_err(|error| error.against("lookup.k"))?;
        at_most("lookup.replicas", l.replicas.into(), MAX_REPLICAS.into())?;
        at_least("lookup.report_at", l.report_at.into(), 1)?;
        at_most("lookup.report_at", l.report_at.into(), l.replicas.into())
            .map_err(|error| error.against("lookup.replicas"))?;
        at_least("capacity.candidates", self.capacity.candidates as u64, l.replicas.into())
            .map_err(|error| error.against("lookup.replicas"))?;
        at_least("lookup.in_flight", l.in_flight.into(), 1)?;
        at_least("lookup.slots_good", l.slots_good.into(), 1)?;
        at_least("lookup.slots_unverified", l.slots_unverified.into(), 1)?;
        at_least("lookup.slots_near", l.slots_near.into(), l.slots_unverified.into())?;
        at_least("lookup.unverified_query_rate.per_second", l.unverified_query_rate.per_second.into(), 1)?;
        at_least("lookup.unverified_query_rate.burst", l.unverified_query_rate.burst.into(), 1)?;
        lasts("lookup.soft_timeout.least", l.soft_timeout.least, Duration::from_micros(1))?;
        lasts("lookup.soft_timeout.most", l.soft_timeout.most, l.soft_timeout.least)
            .map_err(|error| error.against("lookup.soft_timeout.least"))?;
        lasts("lookup.hard_timeout", l.hard_timeout, l.soft_timeout.most)
            .map_err(|error| error.against("lookup.soft_timeout.most"))?;
        lasts("lookup.hard_timeout", l.hard_timeout, LEAST_HARD_TIMEOUT)?;
        ends("lookup.hard_timeout", l.hard_timeout, MAX_HARD_TIMEOUT)?;
        ends("lookup.initial_stagger", l.initial_stagger, l.hard_timeout)
            .map_err(|error| error.against("lookup.hard_timeout"))?;
        lasts("lookup.deadline", l.deadline, Duration::from_millis(1))?;
        for (field, size) in BUCKET_SIZES.into_iter().zip(t.bucket_sizes) {
            at_least(field, size.into(), 1)?;
            at_most(field, size.into(), LARGEST_BUCKET.into())?;
        }
        at_least("table.per_network_in_bucket", t.per_network_in_bucket.into(), 1)?;
        at_least("table.per_network", t.per_network.into(), 1)?;
        at_least("table.newcomers_in_bucket", t.newcomers_in_bucket.into(), 1)?;
        ends("table.newcomer_delay", t.newcomer_delay, Duration::from_secs(3600))?;
        // Times of newcomers are whole seconds, rounded apart: with less it is forgotten when it is due.
        lasts("table.newcomer_lifetime", t.newcomer_lifetime, t.newcomer_delay.saturating_add(Duration::from_secs(2)))
            .map_err(|error| error.against("table.newcomer_delay and 2 s"))?;
        lasts("table.check_every", t.check_every, Duration::from_millis(1))?;
        ends("table.check_every", t.check_every, Duration::from_secs(60))?;
        at_least("limiter.per_endpoint.per_second", m.per_endpoint.per_second.into(), 1)?;
        at_least("limiter.per_endpoint.burst", m.per_endpoint.burst.into(), 1)?;
        at_least("limiter.per_network.per_second", m.per_network.per_second.into(), 1)?;
        at_least("limiter.per_network.burst", m.per_network.burst.into(), 1)?;
        at_least("limiter.per_node.per_second", m.per_node.per_second.into(), 1)?;
        at_least("limiter.per_node.burst", m.per_node.burst.into(), 1)?;
        // A network that has less left is cut to what its queries were.
        if m.reply_bytes.burst > 0 {
            at_least("limiter.reply_bytes.burst", m.reply_bytes.burst.into(), LARGEST_REPLY as u64)
                .map_err(|error| ConfigError { rule: "0 or at least", ..error })?;
        }
        lasts("server.token_rotation", s.token_rotation, Duration::from_secs(1))?;
        lasts("server.item_lifetime", s.item_lifetime, Duration::from_secs(1))?;
        lasts("server.peer_lifetime", s.peer_lifetime, Duration::from_secs(1))?;
        lasts("server.sample_interval", s.sample_interval, Duration::from_secs(1))?;
        ends("server.sample_interval", s.sample_interval, Duration::from_secs(6 * 3600))?;
        at_least("keeper.flows", self.keeper.flows.into(), 2)?;
        at_most("server.peers_per_reply", s.peers_per_reply.into(), MAX_PEERS as u64)?;
        at_most("server.samples", s.samples.into(), MAX_SAMPLES.into())
    }
}

const BUCKET_SIZES: [&str; 5] = [
    "table.bucket_sizes[0]",
    "table.bucket_sizes[1]",
    "table.bucket_sizes[2]",
    "table.bucket_sizes[3]",
    "table.bucket_sizes[4]",
];

/// Whether others can reach a link where it is said to be reached, under the id that it is to have.
fn check_link(link: &LinkConfig) -> Result<(), ConfigError> {
    if let Some(id) = link.id {
        at_least("links.id", id.0.iter().map(|&byte| u64::from(byte > 0)).sum(), 1)
            .map_err(|error| error.counted_in("(bytes that are not zero)"))?;
    }
    let Some(external) = link.external.map(Endpoint::from) else { return Ok(()) };
    if external.family() != link.family {
        let [version, own] = [external.family(), link.family].map(|family| match family {
            Family::V4 => 4,
            Family::V6 => 6,
        });
        let error = ConfigError::new("links.external", version, "as", own);
        return Err(error.against("links.family").counted_in("(IP version)"));
    }
    at_least("links.external", external.port().into(), 1).map_err(|error| error.counted_in("(port)"))?;
    if external.is_usable(Network::Local) {
        return Ok(());
    }
    let first = external.ip_bytes().first().copied().unwrap_or_default().into();
    let most = if external.is_v4() { 223 } else { 254 };
    at_least("links.external", first, 1)
        .and_then(|()| at_most("links.external", first, most))
        .map_err(|error| error.counted_in("(first byte)"))
}

fn lasts(field: &'static str, value: Duration, bound: Duration) -> Result<(), ConfigError> {
    at_least(field, micros(value), micros(bound)).map_err(|error| error.counted_in("us"))
}

fn ends(field: &'static str, value: Duration, bound: Duration) -> Result<(), ConfigError> {
    at_most(field, micros(value), micros(bound)).map_err(|error| error.counted_in("us"))
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
