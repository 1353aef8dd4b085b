//! Operations of which nobody has answered whom they knew. Others may be known by now, since the bootstrap nodes were
//! asked by other operations (L42), and since checks ask whoever an earlier run saved (T48), also those for whom a
//! window has no place. While a table is poor, whatever is asked in the background may bring somebody (L5).

use super::named_nodes;
use super::{Client, Outlet};
use crate::base::slab::SlabKey;
use crate::base::time::{Duration, Instant};
use crate::dht::node::plan::Plan;
use crate::dht::outcome::Reason;

/// So often it is looked whether somebody is known now.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Whoever has answered since then is asked: an answer for each question, so that nobody is asked without end.
const LATELY: Duration = Duration::from_secs(5);

impl Client<'_> {
    /// The operation goes on with others, or with the bootstrap node that it has put off, waits for them, or ends.
    /// Nobody whom it knows bears more before `until`.
    pub(super) fn ask_others(
        &mut self,
        out: &mut Outlet<'_, '_>,
        key: SlabKey,
        until: Option<Instant>,
    ) -> Option<Plan> {
        let (now, mut active) = (out.cx.now(), self.operations.active(key)?);
        let part = *active.operation();
        let table = out.links.get(part.link())?.table();
        let nearest = (part.target(), named_nodes::START_FROM);
        let (offered, _) = named_nodes::offer_contacts(out.cx, table, &mut active, nearest, Some(LATELY));
        if offered > 0 {
            return None;
        }
        if until.is_none() && active.operation().take_put_off() {
            return None;
        }
        // Its deadline goes on; whoever has asked nobody has none.
        let may_wait = part.is_for_user() && part.deadline().is_some();
        let is_asked_for = may_wait && (table.awaits_saved() || table.is_poor() && out.rpc.awaits_others());
        if until.is_some() || is_asked_for {
            let at = Instant::earliest(until, Some(now + LOOK_AGAIN));
            return self.wait(key, at, None);
        }
        active.operation().end_unless_ended(Reason::Exhausted);
        None
    }
}
