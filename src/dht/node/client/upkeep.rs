//! The lookups that a node makes for itself: bootstraps of poor tables, refreshes of buckets; what it learns when they
//! end.

use super::goal::Goal;
use super::operation::OperationState;
use super::{Client, Outlet};
use crate::base::slab::SlabKey;
use crate::base::time::Duration;
use crate::dht::capacity::UPKEEP;
use crate::dht::node::context::Context;
use crate::dht::node::links::Links;
use crate::dht::outcome::Reason;
use crate::dht::trace::TraceEvent;

impl Client<'_> {
    /// Whether there are addresses to start from.
    pub(in crate::dht::node) fn has_bootstrap_nodes(&self) -> bool {
        !self.bootstrap_nodes.is_empty()
    }

    /// Whether somebody waits for an operation.
    pub(in crate::dht::node) fn has_users(&self) -> bool {
        self.operations.count_for_users() > 0
    }

    /// Starts the lookups that keep a table alive: bootstraps while it is poor, for a bucket without news later.
    pub(in crate::dht::node) fn keep_up(&mut self, cx: &mut Context<'_>, links: &mut Links<'_>) {
        let now = cx.now();
        for id in links.ids() {
            let busy = self.operations.count_of_upkeep() >= UPKEEP;
            let Some(link) = links.get_mut(id) else { continue };
            link.plan_bootstrap(now, self.has_bootstrap_nodes());
            if !link.wants_upkeep(now) {
                continue;
            }
            if busy {
                // One of them ends soon; ask again then.
                link.put_off_upkeep(now + Duration::from_secs(1));
                continue;
            }
            let (goal, target, is_sounding) = if let Some(target) = link.take_bootstrap(now, cx.rng()) {
                (Goal::Bootstrap, Some(target), false)
            } else if let Some(target) = link.take_refresh(now, cx.rng()) {
                (Goal::Nodes, Some(target), false)
            } else {
                (Goal::Nodes, link.take_sounding(now, cx.rng()), true)
            };
            if let Some(target) = target {
                let operation = OperationState::new(now, 0, id, goal, target, cx.config().lookup.deadline).of_upkeep();
                let operation = if is_sounding { operation.sounding() } else { operation };
                if let Some(key) = self.start(cx, links, operation, None) {
                    cx.stats_mut().operations += 1;
                    cx.trace(TraceEvent::Started { op: key.into() });
                }
            }
            if let Some(link) = links.get_mut(id) {
                link.hold_refresh(now);
            }
        }
    }

    /// A part is about to end: its link learns what it is worth to the node's own upkeep, and the node how large the
    /// network is that it asks.
    pub(super) fn on_end(&mut self, out: &mut Outlet<'_, '_>, key: SlabKey, reason: Reason) {
        let Outlet { cx, links, rpc, .. } = out;
        let Some(mut active) = self.operations.active(key) else { return };
        let operation = *active.operation();
        let Some(link) = links.get_mut(operation.link()) else { return };
        if *operation.goal() == Goal::Bootstrap && operation.is_of_upkeep() {
            link.on_bootstrap_ended();
        }
        link.plan_bootstrap(cx.now(), !self.bootstrap_nodes.is_empty());
        if operation.is_sounding() && reason == Reason::Deadline {
            link.on_sounding_deadline();
        }
        if operation.is_sounding() && reason == Reason::Converged {
            link.on_sounding(operation.target(), active.answered().map(|(id, _)| id), cx.config().lookup.replicas);
            let sizes = links.iter().filter_map(|(_, link)| link.spacing()?.known());
            if let Some(nodes) = sizes.map(|size| size.nodes()).max() {
                rpc.on_network_size(nodes);
            }
        }
    }
}
