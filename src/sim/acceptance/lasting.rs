//! Row 13: whether what was stored is still there.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::home::Home;
use super::tally::{Tally, Whose};
use crate::base::time::{Duration, Instant};
use crate::dht::keep::{KeepSchedule, Kept};
use crate::krpc::item::Item;
use crate::sim::distribution::Weibull;
use crate::sim::faults::Faults;
use crate::sim::news::{News, Told};
use crate::sim::population::Population;

const HOUR: Duration = Duration::from_secs(3_600);
/// Hours of a month.
const MONTH: u64 = 30 * 24;
/// Items that are watched.
const ITEMS: usize = 10;

/// Row 13: how much of a month an item can be had, and what that costs. Ours is kept; the reference puts it again every
/// hour, as BEP 44 advises.
pub(super) fn a_month(seed: u64, population: &Population, tally: &mut Tally) {
    let population = Population { keeps: Some(Weibull::COPY), ..*population };
    let mut home = Home::new(seed, &population, Faults::WORLD);
    for whose in Whose::BOTH {
        let values: Vec<_> = (0..ITEMS).map(|_| format!("16:{:016x}", home.world.rng().next_u64())).collect();
        let mut stored = 0;
        if whose == Whose::Ours {
            begin_to_keep(&mut home, &values);
        }
        for _ in 0..MONTH {
            if whose == Whose::Reference {
                for value in &values {
                    home.operate(whose, |node, now, tag| node.put_immutable(now, tag, value.as_bytes()).is_ok());
                    // What is stored behind the report counts as well.
                    home.world.run_for(Duration::from_secs(10));
                    stored += home.world.holders(Item::immutable_target(value.as_bytes())).count();
                }
            }
            let hour = home.world.now() + HOUR;
            while supply_what_is_wanted(&mut home, whose, &values, hour) {}
            for value in &values {
                let is_there = home.world.holders(Item::immutable_target(value.as_bytes())).next().is_some();
                tally.count(13, whose, "there", is_there);
            }
        }
        if whose == Whose::Ours {
            let stats = home.world.node(home.node(whose)).map(|node| node.stats()).unwrap_or_default();
            stored = stats.keep_stores as usize;
            let looks = stats.keep_looks as f64 / (ITEMS as f64 * MONTH as f64 / 24.0);
            tally.add(13, whose, "looks", looks);
        }
        tally.add(13, whose, "cost", stored as f64 / (ITEMS as f64 * MONTH as f64));
    }
    tally.lived(&home.world);
}

/// The first hour is that in which all of them are put.
fn begin_to_keep(home: &mut Home, values: &[String]) {
    let host = home.node(Whose::Ours);
    for (tag, value) in values.iter().enumerate() {
        let kept = Kept::Immutable { target: Item::immutable_target(value.as_bytes()) };
        home.world.call(host, |node, now| node.keep(now, tag as u64, kept, KeepSchedule::default()).is_ok());
    }
    let settled = home.world.now() + Duration::from_secs(600);
    while supply_what_is_wanted(home, Whose::Ours, values, settled) {}
}

/// Waits until something is wanted, and supplies it; whether that was before the end.
pub(super) fn supply_what_is_wanted(home: &mut Home, whose: Whose, values: &[String], end: Instant) -> bool {
    let host = home.node(whose);
    let is_wanted = |news: &News| matches!(news.what, Told::Wanted(_));
    if !home.world.run_until(end, |world| world.news(host).iter().any(is_wanted)) {
        return false;
    }
    for news in home.world.take_news(host) {
        if let (Told::Wanted(keep), Some(value)) = (news.what, values.get(news.tag as usize)) {
            let item = Item { value: value.as_bytes(), mutable: None };
            home.world.call(host, |node, now| node.supply(now, keep, item).is_ok());
        }
    }
    true
}
