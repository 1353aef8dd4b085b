//! The nodes that a response names, and which of them are offered to whom.

use arrayvec::ArrayVec;

#[cfg(planted)]
use crate::base::planted::{Bug, planted};
use crate::base::time::{Duration, Instant};
use crate::dht::lookup::{Class, Offer, SHARE};
use crate::dht::node::client::operation::active::Active;
use crate::dht::node::context::Context;
use crate::dht::node::link::{Link, class_at, class_of};
use crate::dht::node::links::Links;
use crate::dht::node::plan::Plan;
use crate::dht::node::rpc::Rpc;
use crate::dht::table::Table;
use crate::dht::transactions::{Open, Purpose, Stage};
use crate::krpc::compact;
use crate::krpc::endpoint::{Endpoint, Family, Network};
use crate::krpc::id::Id;
use crate::krpc::message::Response;

/// Contacts of the table that a lookup starts from.
pub(super) const START_FROM: usize = 20;
/// Contacts that are offered for each part beside a target.
const ASIDE: usize = 4;

/// Offers the nodes that a response names: those of the link's family to the lookup, but for bootstrap nodes whose
/// answer it awaits (L2), others to their own table.
pub(super) fn offer(
    cx: &Context<'_>,
    links: &mut Links<'_>,
    active: &mut Active<'_>,
    rpc: &Rpc<'_>,
    open: &Open,
    response: &Response<'_>,
) {
    let (now, network) = (cx.now(), cx.config().network);
    let Some(link) = links.get(open.link) else { return };
    let family = link.family();
    if !active.operation().is_at_node() {
        let hops = active.hops_behind(open);
        let (path, target) = (active.path_of(open), active.operation().target_of(open));
        for (id, endpoint) in nearest(response, link, &target, |endpoint| active.knows(endpoint)) {
            // Who answers is a candidate already, or about to be one with the id that it says itself.
            if endpoint == open.to || active.operation().awaits_bootstrap_nodes() && is_awaited(rpc, open, &endpoint) {
                continue;
            }
            let (class, secure) = (link.class_of(now, network, &id, &endpoint), id.is_secure_for(endpoint.ip()));
            active.offer(network, Offer { id, endpoint, class, hops, path, secure });
        }
    }
    #[cfg(planted)]
    if let (true, Some(link)) = (planted(Bug::NamingRebinds), links.get_mut(open.link)) {
        nodes(response, family).take(SHARE).for_each(|(id, endpoint)| link.offer(now, &id, endpoint));
    }
    for (_, other) in links.iter_mut().filter(|(_, link)| link.family() != family) {
        nodes(response, other.family()).take(SHARE).for_each(|(id, endpoint)| other.offer(now, &id, endpoint));
    }
}

/// Whether the operation that asked awaits the answer of this bootstrap node.
fn is_awaited(rpc: &Rpc<'_>, open: &Open, node: &Endpoint) -> bool {
    let Some((key, _)) = open.step() else { return false };
    rpc.open_for(Purpose::Operation { key, stage: Stage::Bootstrap }).any(|open| open.to == *node)
}

/// Offers so many of our contacts that are nearest to a target, of those that have answered within a time, if one is
/// given; how many were taken, and how many of those have answered lately.
pub(super) fn offer_contacts(
    cx: &Context<'_>,
    table: &Table<'_>,
    active: &mut Active<'_>,
    (target, many): (&Id, usize),
    within: Option<Duration>,
) -> (u8, u8) {
    let (now, network, mut offered, mut fresh) = (cx.now(), cx.config().network, 0, 0);
    table.closest(target, None, many, |contact| {
        if within.is_some_and(|within| !contact.history().answered_within(now, within)) {
            return;
        }
        let (id, endpoint, secure) = (*contact.id(), contact.endpoint(), contact.is_secure());
        let class = class_at(network, table.addr(), &endpoint, class_of(Some(contact), now));
        offered += u8::from(active.offer(network, Offer { id, endpoint, class, hops: 0, path: None, secure }));
        fresh += u8::from(contact.history().answered_within(now, cx.config().table.stale_after));
    });
    (offered, fresh)
}

/// Offers contacts that are near the parts beside the target: next to the target there are too many.
pub(super) fn offer_aside(cx: &Context<'_>, link: Option<&Link<'_>>, active: &mut Active<'_>) -> Option<Plan> {
    let table = link?.table();
    for (bits, far) in active.operation().lookup_mut().parts_aside() {
        let target = active.operation().beside_target(bits, 2 * u8::from(far));
        offer_contacts(cx, table, active, (&target, ASIDE), None);
    }
    None
}

/// Offers whoever else is known to a lookup that has not enough contacts to start from (L5): those that are remembered,
/// those that were named before and wait to be checked, and contacts that are bad.
pub(super) fn offer_others(network: Network, table: &Table<'_>, now: Instant, active: &mut Active<'_>) {
    let class_at = |endpoint: &Endpoint, class| class_at(network, table.addr(), endpoint, class);
    let is_for_user = active.operation().is_for_user();
    let mut offer = |(id, endpoint): (Id, Endpoint)| {
        let (class, secure) = (class_at(&endpoint, Class::Unverified), id.is_secure_for(endpoint.ip()));
        active.offer(network, Offer { id, endpoint, class, hops: 1, path: None, secure });
    };
    match is_for_user {
        true => table.remembered().for_each(&mut offer),
        // Checks ask the others.
        false => table.rested(now).for_each(&mut offer),
    }
    if is_for_user {
        for (id, endpoint, secure) in table.named() {
            let class = class_at(&endpoint, Class::Unverified);
            active.offer(network, Offer { id, endpoint, class, hops: 1, path: None, secure });
        }
    }
    for contact in table.bad_contacts() {
        let (id, endpoint, secure) = (*contact.id(), contact.endpoint(), contact.is_secure());
        let class = class_at(&endpoint, class_of(Some(contact), now));
        active.offer(network, Offer { id, endpoint, class, hops: 0, path: None, secure });
    }
}

/// The nodes of the link's own family that are nearest to a target. The nearest come first: a long list must not push
/// them out of its sender's share.
fn nearest(
    response: &Response<'_>,
    link: &Link<'_>,
    target: &Id,
    is_known: impl Fn(&Endpoint) -> bool,
) -> ArrayVec<(Id, Endpoint), SHARE> {
    let mut nearest = ArrayVec::<(Id, Endpoint), SHARE>::new();
    let is_long = nodes(response, link.family()).nth(SHARE).is_some();
    nodes(response, link.family()).for_each(|(id, endpoint)| {
        if !link.table().may_be_named(&id, &endpoint) || is_long && is_known(&endpoint) {
            return;
        }
        let distance = id.distance(target);
        let place = nearest.partition_point(|(other, _)| other.distance(target) <= distance);
        if nearest.is_full() && place < SHARE {
            nearest.pop();
        }
        if place <= nearest.len() && !nearest.is_full() {
            nearest.insert(place, (id, endpoint));
        }
    });
    nearest
}

/// The nodes of one family that a response names.
fn nodes(response: &Response<'_>, family: Family) -> impl Iterator<Item = (Id, Endpoint)> {
    let (v4, v6) = match family {
        Family::V4 => (response.nodes, None),
        Family::V6 => (None, response.nodes6),
    };
    compact::nodes4(v4.unwrap_or_default()).chain(compact::nodes6(v6.unwrap_or_default()))
}
