//! Row 9: what nodes that never answer cost a lookup.

use alloc::vec::Vec;

use super::home::{Home, PAUSE};
use super::tally::{Tally, Whose};
use crate::base::time::Duration;
use crate::krpc::id::Id;
use crate::sim::adversary::{Adversary, Malice};
use crate::sim::faults::Faults;
use crate::sim::news::Told;
use crate::sim::paths::HostId;
use crate::sim::population::Population;
use crate::sim::referrals::Knowledge;
use crate::sim::remote::Remote;

/// The median round trip, in seconds.
const ROUND_TRIP: f64 = 0.159;

/// The same lookups without anybody silent, with one of the nearest, and with half of all.
pub(super) fn silent(seed: u64, population: &Population, times: usize, tally: &mut Tally) {
    let mut home = Home::new(seed, population, Faults::NONE);
    let targets: Vec<Id> = (0..times).map(|_| Id::random(home.world.rng())).collect();
    for whose in Whose::BOTH {
        let calm: Vec<_> = targets.iter().map(|target| time(&mut home, whose, target)).collect();
        for (target, calm) in targets.iter().zip(&calm) {
            let near = home.world.oracle().closest(target, 8);
            let Some(one) = near.into_iter().find(|host| home.remote.contains(host)) else { continue };
            hush(&mut home, one, true);
            let took = time(&mut home, whose, target);
            hush(&mut home, one, false);
            tally.add(9, whose, "one", (took - calm) / ROUND_TRIP);
        }
        let half: Vec<_> = home.remote.iter().step_by(2).copied().collect();
        half.iter().for_each(|host| hush(&mut home, *host, true));
        for (target, calm) in targets.iter().zip(&calm) {
            let took = time(&mut home, whose, target);
            tally.add(9, whose, "half", (took - calm) / ROUND_TRIP);
            tally.add(9, whose, "half_s", took);
        }
        half.iter().for_each(|host| hush(&mut home, *host, false));
        // Back-offs of those that were silent end.
        home.world.run_for(Duration::from_secs(3_600));
    }
    tally.lived(&home.world);
}

/// How long it takes until a lookup tells of the nearest, in seconds.
fn time(home: &mut Home, whose: Whose, target: &Id) -> f64 {
    let told = home.operate(whose, |node, now, tag| node.lookup(now, tag, *target).is_ok());
    home.world.run_for(PAUSE);
    let Some((begun, news, outcome)) = told else { return f64::NAN };
    let list = news.iter().find(|news| matches!(news.what, Told::Nodes(_)));
    list.map_or(outcome.elapsed, |list| list.at.since(begun)).as_secs_f64()
}

fn hush(home: &mut Home, host: HostId, is_silent: bool) {
    let Some(id) = home.world.oracle().known(host).and_then(|known| known.id) else { return };
    let knowledge = Knowledge { dead: 0.0, missed: 0.0, ..Knowledge::WORLD };
    match is_silent {
        true => home.world.replace(host, Adversary::new(id, knowledge, Malice::Silent), true),
        false => home.world.replace(host, Remote::new(id, knowledge), false),
    }
}
