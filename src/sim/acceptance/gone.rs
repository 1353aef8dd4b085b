//! Row 24: whether signed items can be had while their publisher is away.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::home::{Home, WARM, join};
use super::hostile::collude;
use super::tally::{Tally, Whose};
use crate::base::time::{Duration, Instant};
use crate::dht::command::Freshness;
use crate::dht::config::Config;
use crate::dht::keep::{KeepSchedule, Kept};
use crate::krpc::item::{Item, SignedItem};
use crate::sim::distribution::Weibull;
use crate::sim::faults::Faults;
use crate::sim::news::{News, Told};
use crate::sim::paths::HostId;
use crate::sim::population::Population;
use crate::sim::world::World;

const HOUR: Duration = Duration::from_secs(3_600);
/// A put and what is stored behind its report.
const PUT: Duration = Duration::from_secs(10);
/// When it is looked for, in hours.
const LOOKS: [(&str, u32); 5] =
    [("left_1_h", 1), ("left_6_h", 6), ("left_12_h", 12), ("left_24_h", 24), ("left_48_h", 48)];
/// How long the publisher is away where its items are kept.
const AWAY: u32 = 48;
/// Nodes that keep what they were given once.
const KEEPERS: usize = 2;
/// One node of so many colludes.
const BAD: usize = 5;

/// What is looked for: the key, and the value that is signed with it.
struct Published {
    secret_key: [u8; 32],
    value: String,
}

impl Published {
    fn signed(&self) -> Option<SignedItem<'_>> {
        Item::mutable(&self.secret_key, self.value.as_bytes()).seq(1).sign().ok()
    }
}

/// Copies end one by one, each in its own time, so nobody goes otherwise: a copy would end twice.
fn network(population: &Population) -> Population {
    Population { churn: None, keeps: Some(Weibull::COPY), ..*population }
}

/// Nobody harms, and nobody keeps what the publisher put once.
pub(super) fn without_keepers(seed: u64, population: &Population, times: usize, tally: &mut Tally) {
    let mut home = Home::new(seed, &network(population), Faults::WORLD);
    let published = publish(&mut home, times, &[]);
    let gone = home.world.now();
    for (of, hours) in LOOKS {
        home.world.run_until(gone + HOUR * hours, |_| false);
        look_at(&mut home, &published, of, None, tally);
    }
    tally.lived(&home.world);
}

/// Every fifth node colludes, and two nodes of ours keep what they were given once.
pub(super) fn with_keepers(seed: u64, population: &Population, times: usize, tally: &mut Tally) {
    let mut home = Home::new(seed, &network(population), Faults::WORLD);
    let bad: Vec<_> = home.remote.iter().step_by(BAD).copied().collect();
    collude(&mut home, &bad, &bad);
    let through = home.routers.clone();
    let keepers: Vec<_> = (0..KEEPERS).map(|_| join(&mut home.world, &Config::default(), &through)).collect();
    let published = publish(&mut home, times, &keepers);
    let end = home.world.now() + HOUR * AWAY;
    keep_until(&mut home, &keepers, &published, end);
    look_at(&mut home, &published, "kept_48_h", Some("ms"), tally);
    tally.lived(&home.world);
}

/// A publisher puts so many items and goes; the keepers are asked to keep them.
fn publish(home: &mut Home, times: usize, keepers: &[HostId]) -> Vec<Published> {
    let through = home.routers.clone();
    let publisher = join(&mut home.world, &Config::default(), &through);
    home.world.run_for(WARM);
    let mut published = Vec::new();
    for tag in 0..times as u64 {
        let rng = home.world.rng();
        let one = Published { secret_key: rng.bytes(), value: format!("16:{:016x}", rng.next_u64()) };
        let Some(item) = one.signed() else { continue };
        home.world.call(publisher, |node, now| node.put_mutable(now, 3, &item, None).is_ok());
        let kept = Kept::Mutable { key: item.mutable().key, salt: b"" };
        for keeper in keepers {
            home.world.call(*keeper, |node, now| node.keep(now, tag, kept, KeepSchedule::default()).is_ok());
        }
        published.push(one);
        let end = home.world.now() + PUT;
        keep_until(home, keepers, &published, end);
    }
    home.world.stop(publisher);
    published
}

/// Until then keepers are supplied with what they want.
fn keep_until(home: &mut Home, keepers: &[HostId], published: &[Published], end: Instant) {
    let is_wanted = |news: &News| matches!(news.what, Told::Wanted(_));
    let wants = |world: &World| keepers.iter().any(|keeper| world.news(*keeper).iter().any(is_wanted));
    while home.world.run_until(end, wants) {
        for keeper in keepers {
            for news in home.world.take_news(*keeper) {
                let item = published.get(news.tag as usize).and_then(Published::signed);
                let (Told::Wanted(keep), Some(item)) = (news.what, item) else { continue };
                let item = Item { value: item.value(), mutable: Some(item.mutable()) };
                home.world.call(*keeper, |node, now| node.supply(now, keep, item).is_ok());
            }
        }
    }
}

/// Who finds them, and how soon.
fn look_at(home: &mut Home, published: &[Published], of: &'static str, ms: Option<&'static str>, tally: &mut Tally) {
    for one in published {
        let key = SignedItem::public_key(&one.secret_key);
        for whose in Whose::BOTH {
            let told = home
                .operate(whose, |node, now, tag| node.get_mutable(now, tag, &key, b"", None, Freshness::First).is_ok());
            let Some((begun, news, _)) = told else { continue };
            let first = news.iter().find(|news| matches!(news.what, Told::Value { .. }));
            tally.count(24, whose, of, first.is_some());
            if let (Some(news), Some(ms)) = (first, ms) {
                tally.add(24, whose, ms, news.at.since(begun).as_secs_f64() * 1_000.0);
            }
        }
    }
}
