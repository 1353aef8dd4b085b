//! Checks of tables: which contact of which link is asked next, when there is a transaction for it.

use super::client::Outlet;
use super::plan::Plan;
use super::rpc::{Addressee, BACKGROUND_WAIT, encode_query};

use crate::dht::event::Buffer;
use crate::dht::transactions::Purpose;
use crate::krpc::message::Method;

/// The next check of a table.
#[inline]
pub(super) fn next(out: &mut Outlet<'_, '_>, users_wait: bool, buf: &mut Buffer) -> Option<Plan> {
    let Outlet { cx, links, rpc, limiter } = out;
    let now = cx.now();
    while let Some((id, link)) = links.next_with_check() {
        // While a user waits for them, those that an earlier run saved are asked for him, and first: but for the check
        // that tells whether our line is down.
        let for_user = users_wait && link.table().awaits_saved() && !link.awaits_check();
        let held = if for_user { rpc.has_flow_at(cx) } else { rpc.may_start_at(cx, false) };
        let later = held.or((!rpc.has_one_for_background(cx, false)).then_some(now + BACKGROUND_WAIT));
        if let Some(later) = later {
            link.hold_checks(later);
            continue;
        }
        let Some((contact, to)) = link.next_check(now, for_user) else { continue };
        let addressee = Addressee { link: id, to, id: Some(contact) };
        let tid = rpc.open(cx, links, limiter, addressee, Purpose::Check, true)?;
        rpc.on_flow(cx, !for_user, !for_user);
        links.get_mut(id)?.on_check(now);
        let len = encode_query(cx, links.get(id)?, &tid, Method::Ping, buf)?;
        return Some(Plan::Transmit { link: id, to, len });
    }
    None
}
