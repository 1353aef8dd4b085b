//! The addresses to start from (rule L5): the latest that a bootstrap named.

use core::ops::Deref;

use crate::dht::config::MAX_BOOTSTRAP_NODES;
use crate::krpc::endpoint::{Endpoint, Network};

/// Parts of operations go by their places, so each keeps its own until another takes it, when it is the oldest.
#[derive(Debug)]
pub(super) struct BootstrapNodes {
    places: [Endpoint; MAX_BOOTSTRAP_NODES],
    /// How many there were so far.
    named: u32,
}

impl BootstrapNodes {
    /// None yet.
    pub(super) fn new() -> Self {
        BootstrapNodes { places: [Endpoint::UNSPECIFIED; MAX_BOOTSTRAP_NODES], named: 0 }
    }

    /// Keeps those that are new.
    pub(super) fn remember(&mut self, network: Network, nodes: &[Endpoint]) {
        for &node in nodes.iter().take(MAX_BOOTSTRAP_NODES) {
            if !self.contains(&node) && node.is_usable(network) {
                self.places[self.named as usize % MAX_BOOTSTRAP_NODES] = node;
                self.named = self.named.saturating_add(1);
            }
        }
    }
}

impl Deref for BootstrapNodes {
    type Target = [Endpoint];

    fn deref(&self) -> &[Endpoint] {
        &self.places[..MAX_BOOTSTRAP_NODES.min(self.named as usize)]
    }
}
