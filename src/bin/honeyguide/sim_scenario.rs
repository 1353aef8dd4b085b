//! What the simulator can be asked for.

use clap::ValueEnum;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// Every row of the table: our node, a reference, and the goals
    Acceptance,
    /// Rows 8, 13 and 30: nodes that come and go
    Churn,
    /// Rows 15 to 18, 32 and 33: a node among adversaries
    Eclipse,
    /// Rows 26 to 28: a network that falls apart and comes together again
    Partition,
    /// Rows 10 and 29: finding a first node, and being found
    Bootstrap,
    /// Rows 2, 3, 4, 12 and 24: items that are stored and looked for
    Publish,
    /// Small worlds with ordeals, each run twice: all that must hold does, and both runs are the same
    Swarm,
    /// Relays in a world of nodes: not built yet
    Nostr,
    /// Relays of circuits in a world of nodes: not built yet
    Circuit,
}

impl Scenario {
    /// Which rows it shows of those in the table; all for `None`.
    pub fn rows(self) -> Option<&'static [u8]> {
        match self {
            Scenario::Churn => Some(&[8, 13, 30]),
            Scenario::Eclipse => Some(&[15, 16, 17, 18, 32, 33]),
            Scenario::Partition => Some(&[26, 27, 28]),
            Scenario::Bootstrap => Some(&[10, 29]),
            Scenario::Publish => Some(&[2, 3, 4, 12, 24]),
            Scenario::Acceptance | Scenario::Swarm | Scenario::Nostr | Scenario::Circuit => None,
        }
    }

    pub fn is_built(self) -> bool {
        !matches!(self, Scenario::Nostr | Scenario::Circuit)
    }

    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// A sentence about it.
    pub fn about(self) -> String {
        let help = self.to_possible_value().and_then(|value| value.get_help().cloned());
        help.map(|help| help.to_string()).unwrap_or_default()
    }
}
