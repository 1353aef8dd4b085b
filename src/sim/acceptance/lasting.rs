//! Rows 13 and 24: whether what was stored is still there.

use alloc::format;
use alloc::rc::Rc;
use alloc::vec::Vec;

use super::home::{Home, join};
use super::tally::{Tally, Whose};
use crate::base::time::Duration;
use crate::dht::config::Config;
use crate::krpc::item::Item;
use crate::sim::adversary::{Adversary, Malice};
use crate::sim::distribution::Weibull;
use crate::sim::faults::Faults;
use crate::sim::news::Told;
use crate::sim::population::Population;
use crate::sim::referrals::Knowledge;

const HOUR: Duration = Duration::from_secs(3_600);
/// Hours of a month.
const MONTH: u64 = 30 * 24;
/// Items that are watched.
const ITEMS: usize = 10;

/// Row 13: how much of a month an item can be had, and what that costs. Ours is put once, since there is nothing yet
/// that keeps it; the reference puts it again every hour, as BEP 44 advises.
pub(super) fn a_month(seed: u64, population: &Population, tally: &mut Tally) {
    let population = Population { keeps: Some(Weibull::COPY), ..*population };
    let mut home = Home::new(seed, &population, Faults::WORLD);
    for whose in [Whose::Ours, Whose::Reference] {
        let values: Vec<_> = (0..ITEMS).map(|_| format!("16:{:016x}", home.world.rng().next_u64())).collect();
        let mut stored = 0;
        for hour in 0..MONTH {
            if hour == 0 || whose == Whose::Reference {
                for value in &values {
                    home.operate(whose, |node, now, tag| node.put_immutable(now, tag, value.as_bytes()).is_ok());
                    // What is stored behind the report counts as well.
                    home.world.run_for(Duration::from_secs(10));
                    stored += home.world.holders(Item::immutable_target(value.as_bytes())).count();
                }
            }
            home.world.run_for(HOUR);
            for value in &values {
                let is_there = home.world.holders(Item::immutable_target(value.as_bytes())).next().is_some();
                tally.count(13, whose, "there", is_there);
            }
        }
        tally.add(13, whose, "cost", stored as f64 / (ITEMS as f64 * MONTH as f64));
    }
}

/// Row 24: who finds what a publisher stored who has gone since, among 20 % colluders; nobody keeps it.
pub(super) fn gone(seed: u64, population: &Population, times: usize, tally: &mut Tally) {
    let population = Population { keeps: Some(Weibull::COPY), ..*population };
    let mut home = Home::new(seed, &population, Faults::WORLD);
    let bad: Vec<_> = home.remote.iter().step_by(5).copied().collect();
    let facts = |home: &Home, host| home.world.oracle().known(host).and_then(|known| Some((known.id?, known.endpoint)));
    let named: Rc<Vec<_>> = Rc::new(bad.iter().filter_map(|host| facts(&home, *host)).collect());
    for host in bad {
        if let Some((id, _)) = facts(&home, host) {
            let malice = Malice::Collude(named.clone());
            home.world.replace(host, Adversary::new(id, Knowledge::WORLD, malice), true);
        }
    }
    let through = home.routers.clone();
    let publisher = join(&mut home.world, &Config::default(), &through);
    home.world.run_for(Duration::from_secs(900));
    let values: Vec<_> = (0..times).map(|_| format!("16:{:016x}", home.world.rng().next_u64())).collect();
    for value in &values {
        home.world.call(publisher, |node, now| node.put_immutable(now, 3, value.as_bytes()).is_ok());
        home.world.run_for(Duration::from_secs(10));
    }
    home.world.stop(publisher);
    let mut passed = 0;
    for (hour, of) in [(1, "found_1_h"), (6, "found_6_h"), (12, "found_12_h"), (24, "found_24_h"), (48, "found_48_h")] {
        home.world.run_for(Duration::from_secs(3_600 * (hour - passed)));
        passed = hour;
        for value in &values {
            let target = Item::immutable_target(value.as_bytes());
            for whose in [Whose::Ours, Whose::Reference] {
                let told = home.operate(whose, |node, now, tag| node.get_immutable(now, tag, target, 1).is_ok());
                let Some((begun, news, _)) = told else { continue };
                let first = news.iter().find(|news| matches!(news.what, Told::Value { .. }));
                tally.count(24, whose, of, first.is_some());
                if let Some(news) = first {
                    tally.add(24, whose, "ms", news.at.since(begun).as_secs_f64() * 1_000.0);
                }
            }
        }
    }
}
