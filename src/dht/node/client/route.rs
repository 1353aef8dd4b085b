//! By which links an operation runs, or which node it asks alone.

use arrayvec::ArrayVec;

use crate::dht::capacity::MAX_LINKS;
use crate::dht::command::{Command, Scope};
use crate::dht::config::MAX_BOOTSTRAP_NODES;
use crate::dht::error::CallError;
use crate::dht::event::LinkId;
use crate::dht::node::link::Links;
use crate::krpc::endpoint::{Endpoint, Network};

/// The links that an operation runs on, and the node that is asked alone.
pub(super) fn route(
    network: Network,
    links: &Links<'_>,
    bootstrap_nodes: &[Endpoint],
    scope: Scope,
    command: &Command<'_>,
) -> Result<(ArrayVec<LinkId, MAX_LINKS>, Option<Endpoint>), CallError> {
    let at = match (scope, *command) {
        (Scope::Node(_), Command::Bootstrap { .. }) => return Err(CallError::NotAtOneNode),
        (Scope::Node(node), Command::Query { to, .. }) if node != to => return Err(CallError::BadAddress(node)),
        (Scope::Node(node), _) | (_, Command::Query { to: node, .. }) => Some(node),
        _ => None,
    };
    let mut on = ArrayVec::new();
    if let Some(node) = at {
        let family = node.family();
        let link = match scope {
            Scope::Link(link) => link,
            _ => links.of_family(family).ok_or(CallError::NoFamily(family))?,
        };
        if links.get(link).ok_or(CallError::NoLink(link))?.family() != family || !node.is_usable(network) {
            return Err(CallError::BadAddress(node));
        }
        on.push(link);
    } else if let Scope::Link(link) = scope {
        links.get(link).ok_or(CallError::NoLink(link))?;
        on.push(link);
    } else if let Command::Bootstrap { nodes } = command {
        // No more are kept.
        let nodes = &nodes[..nodes.len().min(MAX_BOOTSTRAP_NODES)];
        let reach = |family| nodes.iter().any(|node| node.family() == family && node.is_usable(network));
        on.extend(links.iter().filter(|(_, link)| reach(link.family())).map(|(id, _)| id));
        if let (true, Some(node)) = (on.is_empty(), nodes.first()) {
            let family = node.family();
            let reached = links.has_family(family);
            return Err(if reached { CallError::BadAddress(*node) } else { CallError::NoFamily(family) });
        }
    } else {
        on.extend(links.iter().filter(|(_, link)| !link.table().is_empty()).map(|(id, _)| id));
        if on.is_empty() {
            let reach = |family| bootstrap_nodes.iter().any(|node| node.family() == family);
            on.extend(links.iter().filter(|(_, link)| reach(link.family())).map(|(id, _)| id));
        }
    }
    if on.is_empty() {
        on.push(LinkId(0));
    }
    Ok((on, at))
}
