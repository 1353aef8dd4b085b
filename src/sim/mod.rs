//! A simulated internet: our real nodes by the thousand, whoever else there is in the world, and what befalls all of
//! them, in virtual time.
//!
//! A [`World`] has hosts, each at a [`Site`]. A host is a [`Node`](crate::Node) of ours, or a [`Participant`]: a remote
//! node of another make, a dead one, an adversary. Datagrams go from host to host across a distance that is drawn from
//! measured round trips, by way of lines and routers ([`NatKind`]), and suffer [`Faults`]. An [`Oracle`] knows what no
//! node can know, so that what nodes find can be judged.
//!
//! A world is decided by its seed and by the calls of whoever drives it: there is one stream of randomness, one total
//! order of events, and no clock. Rules and their sources: `spec/simulator.md`.
//!
//! ```
//! use honeyguide::sim::{Site, Told, World};
//! use honeyguide::{Config, Endpoint, Id};
//! use std::time::Duration;
//!
//! let mut world = World::new(7);
//! let mut hosts = Vec::new();
//! for i in 1..=20 {
//!     let place = Site::at(Endpoint::v4([20, i, 0, 1], 6881), world.rng());
//!     hosts.push(world.add_node(&Config::small(), place)?);
//! }
//! let first = world.endpoint(hosts[0]);
//! for host in &hosts[1..] {
//!     world.call(*host, |node, now| node.bootstrap(now, 1, &[first]));
//! }
//! world.run_for(Duration::from_secs(60));
//! world.call(hosts[7], |node, now| node.lookup(now, 2, Id([7; 20])));
//! world.run_for(Duration::from_secs(5));
//! let news = world.take_news(hosts[7]);
//! assert!(news.iter().any(|news| news.tag == 2 && matches!(news.what, Told::Finished(_))));
//! # Ok::<(), honeyguide::base::ConfigError>(())
//! ```

pub mod acceptance;
mod addresses;
mod adversary;
mod application;
mod ban;
mod calls;
mod churn;
mod course;
mod distribution;
mod faults;
mod flows;
mod holdings;
mod host;
mod intruder;
mod journals;
mod lifetimes;
mod nat;
mod news;
mod oracle;
mod participant;
mod paths;
mod population;
mod position;
mod referrals;
mod remote;
pub mod swarm;
mod world;

#[cfg(planted)]
pub use crate::base::planted::{Bug, plant};
pub use addresses::{Prefix, random_endpoint};
pub use adversary::{Adversary, Malice};
pub use application::SimSocket;
pub use calls::NodeCalls;
pub use churn::Churn;
pub use distribution::Weibull;
pub use faults::{Bursts, Faults};
pub use intruder::{Errand, Intruder};
pub use journals::{Journals, NodeJournal};
pub use lifetimes::NodeTime;
pub use nat::{Dependence, NatKind};
pub use news::{News, Told};
pub use oracle::{Facts, Oracle};
pub use participant::{Moment, Participant};
pub use paths::{HostId, LineFault, Site, Traffic};
pub use population::Population;
pub use position::Position;
pub use referrals::Knowledge;
pub use remote::Remote;
pub use world::World;
