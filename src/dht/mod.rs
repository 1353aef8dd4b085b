//! The Mainline DHT: what a [`Node`](crate::Node) is configured with, told, asked and answers.
//!
//! The node itself, and what its first loop needs, is at the root of the crate: [`Node`](crate::Node),
//! [`Config`](crate::Config), [`Storage`](crate::Storage), [`Input`](crate::Input), [`Output`](crate::Output),
//! [`Event`](crate::Event), [`Command`](crate::Command), [`Outcome`](crate::Outcome). The messages on the wire are in
//! [`krpc`](crate::krpc).

pub(crate) mod capacity;
pub(crate) mod command;
pub(crate) mod config;
pub(crate) mod contact;
pub(crate) mod error;
pub(crate) mod event;
pub(crate) mod former_ids;
pub(crate) mod holders;
pub(crate) mod items;
pub(crate) mod keep;
pub(crate) mod keeper;
pub(crate) mod limiter;
pub(crate) mod lookup;
pub(crate) mod node;
pub(crate) mod outage;
pub(crate) mod outcome;
pub(crate) mod peers;
pub(crate) mod reachability;
pub(crate) mod role;
pub(crate) mod sent_to;
pub(crate) mod size;
pub(crate) mod soundings;
pub(crate) mod stats;
pub(crate) mod table;
pub(crate) mod tokens;
pub(crate) mod trace;
pub(crate) mod transactions;
pub(crate) mod transport;
pub(crate) mod votes;

pub use crate::base::rate::Rate;
pub use crate::krpc::endpoint::Network;
pub use capacity::Capacity;
pub use command::{DirectQuery, Freshness, PeerKind, Scope};
pub use config::{Bounds, LimiterConfig, LinkConfig, LookupConfig, ServerConfig, TableConfig};
pub use contact::{ContactView, Health, SavedContact};
pub use error::CallError;
pub use event::{Buffer, IdLoss, KeepId, LinkId, OpId, OpView, ReceivedToken};
pub use keep::{KeepSchedule, KeepState, KeepView, KeeperConfig, Kept, NextAction};
pub use node::inspect::{Inspector, Judgement, inspect};
pub use node::{Part, Timer};
pub use outcome::{LinkOutcome, Reason, Refusals, Stored};
pub use role::Role;
pub use size::SizeEstimate;
pub use stats::{DropReason, Dropped, Stats};
pub use trace::{TraceEvent, TraceSink};
pub use transport::{Transport, Woken};

/// A run of a node, recorded and replayed.
pub mod journal {
    pub use crate::dht::node::journal::Call;
    #[cfg(feature = "journal")]
    pub use crate::dht::node::journal::{Record, RecordError};
    pub use crate::dht::node::output_hash::OutputHash;
}
