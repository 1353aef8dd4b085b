//! By which links an operation runs, or which node it asks alone.

use arrayvec::ArrayVec;

use crate::dht::capacity::MAX_LINKS;
use crate::dht::command::{Command, Scope};
use crate::dht::config::MAX_BOOTSTRAP_NODES;
use crate::dht::error::CallError;
use crate::dht::event::LinkId;
use crate::dht::node::context::Context;
use crate::dht::node::links::Links;
use crate::krpc::endpoint::Endpoint;

/// The links that an operation runs on, and the node that is asked alone.
pub(super) fn route(
    cx: &Context<'_>,
    links: &Links<'_>,
    scope: Scope,
    command: &Command<'_>,
) -> Result<(ArrayVec<LinkId, MAX_LINKS>, Option<Endpoint>), CallError> {
    let (only, alone) = match scope {
        Scope::All => (None, None),
        Scope::Link(link) => (Some(link), None),
        Scope::Node(node) => (None, Some(node)),
        Scope::NodeOn { link, node } => (Some(link), Some(node)),
    };
    let at = match (alone, *command) {
        (Some(_), Command::Bootstrap { .. }) => return Err(CallError::NotAtOneNode),
        (Some(node), Command::Query { to, .. }) if node != to => return Err(CallError::BadAddress(node)),
        (Some(node), _) | (None, Command::Query { to: node, .. }) => Some(node),
        _ => None,
    };
    if let Some(link) = only.filter(|link| links.get(*link).is_none()) {
        return Err(CallError::NoLink(link));
    }
    let mut on = ArrayVec::new();
    if let Some(node) = at {
        let family = node.family();
        let link = only.or(links.of_family(family)).ok_or(CallError::NoFamily(family))?;
        if links.get(link).is_none_or(|link| link.family() != family) || !node.is_usable(cx.config().network) {
            return Err(CallError::BadAddress(node));
        }
        on.push(link);
    } else if let Command::Bootstrap { nodes: nodes @ [first, ..] } = command {
        // No more are kept.
        let nodes = &nodes[..nodes.len().min(MAX_BOOTSTRAP_NODES)];
        let reach = |family| nodes.iter().any(|node| node.family() == family && node.is_usable(cx.config().network));
        let is_in = |id| only.is_none_or(|only| only == id);
        on.extend(links.iter().filter(|(id, link)| is_in(*id) && reach(link.family())).map(|(id, _)| id));
        if on.is_empty() {
            let family = first.family();
            let reached = links.has_family(family);
            return Err(if reached { CallError::BadAddress(*first) } else { CallError::NoFamily(family) });
        }
    } else if let Some(link) = only {
        on.push(link);
    } else {
        match command {
            // It may help where nobody answers.
            Command::Bootstrap { .. } => {
                on.extend(links.iter().filter(|(_, at)| !at.table().is_empty()).map(|(id, _)| id))
            }
            _ => on.extend(links.to_run_on(cx.now()).map(|(id, _)| id)),
        }
        if on.is_empty() {
            // Bootstrap nodes are asked, and those who wait to be checked (L5): a part that has none of either ends.
            on.extend(links.ids());
        }
    }
    Ok((on, at))
}
