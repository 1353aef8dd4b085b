//! Rows 1 to 8: how quickly, how cheaply and how well things are found and stored.

use alloc::format;
use alloc::vec::Vec;

use crate::base::time::{Duration, Instant};
use crate::dht::command::Freshness;
use crate::krpc::endpoint::{Endpoint, Family};
use crate::krpc::id::Id;
use crate::krpc::item::{Item, SignedItem};
use crate::sim::addresses::random_endpoint;
use crate::sim::faults::Faults;
use crate::sim::news::{News, Told};
use crate::sim::paths::HostId;
use crate::sim::population::Population;

use super::home::{Home, PAUSE};
use super::tally::{Tally, Whose};

/// Nodes near a topic that hold peers of it.
const HOLDERS: usize = 120;

/// Rows 1 to 5, 7, in the world.
pub(super) fn in_the_world(home: &mut Home, tally: &mut Tally, times: usize) {
    for _ in 0..times {
        first_peer(home, tally);
        first_copy(home, tally);
        newest(home, tally);
        put(home, tally);
        closest(home, tally, "world");
    }
    tally.lived(&home.world);
}

/// Rows 6 and 7, where nothing happens to anything.
pub(super) fn calm(seed: u64, nodes: usize, times: usize, tally: &mut Tally) {
    let mut home = Home::new(seed, &Population { nodes, ..Population::CALM }, Faults::NONE);
    let harmonic: f64 = (1..=8).map(|i| 1.0 / f64::from(i)).sum();
    let floor = libm::ceil(libm::log(nodes as f64 / 8.0) / harmonic);
    for _ in 0..times {
        for (whose, hops) in closest(&mut home, tally, "calm") {
            tally.add(6, whose, "hops", f64::from(hops) - floor);
        }
    }
    tally.lived(&home.world);
}

fn first_peer(home: &mut Home, tally: &mut Tally) {
    let topic = Id::random(home.world.rng());
    for host in home.world.oracle().closest(&topic, HOLDERS) {
        let peer = random_endpoint(Family::V4, home.world.rng());
        home.world.give_peer(host, topic, peer);
    }
    for whose in Whose::BOTH {
        let told = home.operate(whose, |node, now, tag| node.get_peers(now, tag, topic).is_ok());
        let first =
            told.as_ref().and_then(|(begun, news, _)| first(*begun, news, |told| matches!(told, Told::Peers(_))));
        time_of(tally, 1, whose, first);
        home.world.run_for(PAUSE);
    }
}

fn first_copy(home: &mut Home, tally: &mut Tally) {
    let value = format!("16:{:016x}", home.world.rng().next_u64());
    let item = Item { value: value.as_bytes(), mutable: None };
    let target = item.target();
    let many = 8 + home.world.rng().below(13) as usize;
    for host in holders(home, &target, many) {
        home.world.give_item(host, &item);
    }
    for whose in Whose::BOTH {
        let told = home.operate(whose, |node, now, tag| node.get_immutable(now, tag, target, 1).is_ok());
        let first =
            told.as_ref().and_then(|(begun, news, _)| first(*begun, news, |told| matches!(told, Told::Value { .. })));
        time_of(tally, 2, whose, first);
        home.world.run_for(PAUSE);
    }
}

/// Of twenty holders five have the version before.
fn newest(home: &mut Home, tally: &mut Tally) {
    let secret_key: [u8; 32] = home.world.rng().bytes();
    let versions = [1, 2].map(|seq| Item::mutable(&secret_key, b"5:value").seq(seq).sign());
    let [Ok(old), Ok(new)] = versions else { return };
    let target = new.target();
    for (i, host) in holders(home, &target, 20).into_iter().enumerate() {
        let item = if i % 4 == 1 { &old } else { &new };
        home.world.give_item(host, &Item { value: item.value(), mutable: Some(item.mutable()) });
    }
    let key = SignedItem::public_key(&secret_key);
    for whose in Whose::BOTH {
        let Some((_, news, outcome)) = home
            .operate(whose, |node, now, tag| node.get_mutable(now, tag, &key, b"", None, Freshness::Newest).is_ok())
        else {
            continue;
        };
        let last = news.iter().rev().find_map(|news| match &news.what {
            Told::Value { seq, .. } => *seq,
            _ => None,
        });
        tally.count(3, whose, "found", last.is_some());
        tally.count(3, whose, "stale", last == Some(1));
        tally.add(3, whose, "ms", millis(outcome.elapsed));
        home.world.run_for(PAUSE);
    }
}

fn put(home: &mut Home, tally: &mut Tally) {
    for whose in Whose::BOTH {
        let value = format!("16:{:016x}", home.world.rng().next_u64());
        let told = home.operate(whose, |node, now, tag| node.put_immutable(now, tag, value.as_bytes()).is_ok());
        let Some((.., outcome)) = told else { continue };
        tally.add(4, whose, "ms", millis(outcome.elapsed));
        tally.count(4, whose, "succeeded", outcome.stored.counted >= 8);
        // The rest is stored behind the report.
        home.world.run_for(Duration::from_secs(10));
        let copies = home.world.holders(Item::immutable_target(value.as_bytes())).count();
        tally.add(4, whose, "copies", copies as f64);
    }
}

/// A lookup for the closest nodes: how many hops it took.
fn closest(home: &mut Home, tally: &mut Tally, of: &'static str) -> Vec<(Whose, u8)> {
    let target = Id::random(home.world.rng());
    let mut hops = Vec::new();
    for whose in Whose::BOTH {
        let begun = home.world.now();
        let near = nearest(home, &target, 8);
        let Some((_, news, outcome)) = home.operate(whose, |node, now, tag| node.lookup(now, tag, target).is_ok())
        else {
            continue;
        };
        let first = first(begun, &news, |told| matches!(told, Told::Nodes(_)));
        // The last list is the whole.
        let found = news.iter().rev().find_map(|news| match &news.what {
            Told::Nodes(nodes) => Some(nodes.iter().map(|(_, endpoint)| *endpoint).collect::<Vec<_>>()),
            _ => None,
        });
        let found = found.unwrap_or_default();
        let recall = near.iter().filter(|near| found.contains(near)).count() as f64 / near.len().max(1) as f64;
        tally.add(7, whose, of, recall);
        if of == "world" {
            tally.add(5, whose, "queries", f64::from(outcome.queried));
            first.into_iter().for_each(|first| tally.add(5, whose, "ms", millis(first)));
            tally.add(5, whose, "whole_ms", millis(outcome.elapsed));
        } else {
            tally.add(7, whose, "calm_queries", f64::from(outcome.queried));
        }
        hops.push((whose, outcome.hops));
        home.world.run_for(PAUSE);
    }
    hops
}

/// The nearest remote nodes that can be reached, as others reach them.
fn nearest(home: &Home, target: &Id, many: usize) -> Vec<Endpoint> {
    holders(home, target, many).into_iter().map(|host| home.world.endpoint(host)).collect()
}

/// The same, as hosts: our two nodes are none of them.
fn holders(home: &Home, target: &Id, many: usize) -> Vec<HostId> {
    let own = Whose::BOTH.map(|whose| home.node(whose));
    let near = home.world.oracle().closest(target, many + own.len());
    near.into_iter().filter(|host| !own.contains(host)).take(many).collect()
}

/// How long after the beginning something was told.
fn first(begun: Instant, news: &[News], is_it: impl Fn(&Told) -> bool) -> Option<Duration> {
    news.iter().find(|news| is_it(&news.what)).map(|news| news.at.since(begun))
}

fn time_of(tally: &mut Tally, row: u8, whose: Whose, time: Option<Duration>) {
    tally.count(row, whose, "found", time.is_some());
    if let Some(time) = time {
        tally.add(row, whose, "ms", millis(time));
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
