//! What a world was like, measured in the same run as the rows: a report of another world than it claims is worth
//! nothing.

use super::home::Home;
use super::tally::{Tally, Whose};
use crate::krpc::id::Id;
use crate::sim::churn::Churn;

/// Samples of each input.
const SAMPLES: usize = 2_000;

pub(super) fn measure(home: &mut Home, tally: &mut Tally) {
    let mut add = |of, value| tally.add(0, Whose::World, of, value);
    let traffic = *home.world.traffic();
    let under_way = traffic.sent - traffic.line_down - traffic.too_long;
    add("loss", traffic.lost as f64 / under_way.max(1) as f64);
    for _ in 0..SAMPLES {
        let rng = home.world.rng();
        let (a, b) = (rng.below(home.remote.len() as u32), rng.below(home.remote.len() as u32));
        add("session", Churn::WORLD.session.draw(rng).as_secs_f64() / 60.0);
        let place = |i: u32| home.world.site(home.remote[i as usize]).map(|site| site.position);
        if let (Some(a), Some(b)) = (place(a), place(b)) {
            add("rtt", a.rtt(&b).as_secs_f64() * 1_000.0);
        }
    }
    for _ in 0..SAMPLES / 8 {
        let (target, by) = (Id::random(home.world.rng()), home.world.rng().below(home.remote.len() as u32));
        let named = home.world.named_by(home.remote[by as usize], &target);
        for host in named {
            add("dead", f64::from(u8::from(!home.world.oracle().is_reachable(host))));
        }
    }
}
