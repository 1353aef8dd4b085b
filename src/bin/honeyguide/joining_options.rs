//! What the commands of the network understand besides: whom to join through, under which rules, or whom to ask alone.

use clap::{Args, ValueEnum};
use honeyguide::dht::Network;

use crate::randomness::Randomness;

#[derive(Args, Clone)]
pub struct Rules {
    /// `local` lifts the rules for many nodes in one network; a loopback address that is typed implies it
    #[arg(long)]
    pub network: Option<NetworkName>,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq)]
pub enum NetworkName {
    Public,
    Local,
}

impl Rules {
    /// The rules for a command that talks to these addresses.
    pub fn of(&self, typed_loopback: bool) -> Network {
        match self.network {
            Some(NetworkName::Public) => Network::Public,
            Some(NetworkName::Local) => Network::Local,
            None if typed_loopback => Network::Local,
            None => Network::Public,
        }
    }
}

#[derive(Args, Clone)]
#[command(next_help_heading = "Network")]
pub struct Joins {
    /// Node to join through, host:port or address:port; repeatable [default: the public routers]
    #[arg(long, value_name = "ADDR")]
    pub bootstrap: Vec<String>,
    #[command(flatten)]
    pub rules: Rules,
    #[command(flatten)]
    pub random: Randomness,
}

#[derive(Args, Clone)]
#[command(next_help_heading = "Network")]
pub struct Asks {
    /// Ask this node alone, host:port or address:port, without joining; --json adds what it said besides
    #[arg(long, value_name = "ADDR", conflicts_with = "bootstrap")]
    pub at: Option<String>,
    #[command(flatten)]
    pub joins: Joins,
}
