//! The addresses to start from (rule L5): the latest that a bootstrap named.

use core::ops::Deref;

use crate::dht::config::MAX_BOOTSTRAP_NODES;
use crate::krpc::endpoint::{Endpoint, Network};

/// Parts of operations go by their places, so each keeps its own until another takes it, when it is the oldest.
#[derive(Debug)]
pub(super) struct BootstrapNodes {
    places: [Endpoint; MAX_BOOTSTRAP_NODES],
    /// How many were named after it. Free places are the oldest, the first of them first.
    ages: [u8; MAX_BOOTSTRAP_NODES],
    len: u8,
}

impl BootstrapNodes {
    /// None yet.
    pub(super) fn new() -> Self {
        BootstrapNodes {
            places: [Endpoint::UNSPECIFIED; MAX_BOOTSTRAP_NODES],
            ages: core::array::from_fn(|place| (MAX_BOOTSTRAP_NODES - 1 - place) as u8),
            len: 0,
        }
    }

    /// Keeps the first of those that one call names; who was named longest ago goes.
    pub(super) fn remember(&mut self, network: Network, nodes: &[Endpoint]) {
        let named = &nodes[..nodes.len().min(MAX_BOOTSTRAP_NODES)];
        // None that the call names may go for another.
        for node in named {
            if let Some(place) = self.iter().position(|known| known == node) {
                self.renew(place);
            }
        }
        for &node in named {
            if !self.contains(&node) && node.is_usable(network) {
                let oldest = self.ages.iter().position(|&age| usize::from(age) == MAX_BOOTSTRAP_NODES - 1);
                let place = oldest.unwrap_or(0);
                self.places[place] = node;
                self.len = self.len.max(place as u8 + 1);
                self.renew(place);
            }
        }
    }

    /// Makes one the youngest.
    fn renew(&mut self, place: usize) {
        let before = self.ages[place];
        self.ages.iter_mut().filter(|age| **age < before).for_each(|age| *age += 1);
        self.ages[place] = 0;
    }
}

impl Deref for BootstrapNodes {
    type Target = [Endpoint];

    fn deref(&self) -> &[Endpoint] {
        &self.places[..usize::from(self.len)]
    }
}
