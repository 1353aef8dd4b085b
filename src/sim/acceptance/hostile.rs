//! Rows 15, 16 and 18: among those who harm.

use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

use super::home::{Home, PAUSE};
use super::lasting::supply_what_is_wanted;
use super::tally::{Tally, Whose};
use crate::base::time::Duration;
use crate::dht::keep::{KeepSchedule, Kept};
use crate::krpc::endpoint::{Endpoint, Family};
use crate::krpc::id::Id;
use crate::krpc::item::Item;
use crate::sim::addresses::random_endpoint;
use crate::sim::adversary::{Adversary, Malice};
use crate::sim::faults::Faults;
use crate::sim::paths::{HostId, Site};
use crate::sim::population::Population;
use crate::sim::referrals::Knowledge;

/// The nearest nodes, honest or not, are given what is looked for.
const HOLDERS: usize = 20;
/// So often colluders hear who of them is up: others name the same ones for as long (W11).
const ANEW: Duration = Duration::from_secs(15 * 60);
/// A look of the keeper, or a put, has ended by then.
const PUT: Duration = Duration::from_secs(60);

/// What is counted of row 15 where so many of a hundred collude.
struct Colluding {
    percent: usize,
    found: &'static str,
    queries: &'static str,
}

const CALM: [Colluding; 3] = [
    Colluding { percent: 20, found: "20", queries: "queries_20" },
    Colluding { percent: 30, found: "30", queries: "queries_30" },
    Colluding { percent: 50, found: "50", queries: "queries_50" },
];
const IN_THE_WORLD: [Colluding; 3] = [
    Colluding { percent: 20, found: "20_world", queries: "queries_20_world" },
    Colluding { percent: 30, found: "30_world", queries: "queries_30_world" },
    Colluding { percent: 50, found: "50_world", queries: "queries_50_world" },
];

/// Row 15: a part of all nodes, drawn at random, names none but its own, and returns nothing; calm, and in the world.
pub(super) fn colluders(seed: u64, [calm, world]: [&Population; 2], times: usize, tally: &mut Tally) {
    for (population, faults, parts) in [(calm, Faults::NONE, &CALM), (world, Faults::WORLD, &IN_THE_WORLD)] {
        for part in parts {
            let mut home = Home::new(seed, population, faults);
            among(&mut home, part, times, tally);
            tally.lived(&home.world);
        }
    }
}

/// Gets of items that their nearest nodes have, colluders among them.
fn among(home: &mut Home, part: &Colluding, times: usize, tally: &mut Tally) {
    let bad = drawn(home, part.percent);
    let mut next = home.world.now();
    for _ in 0..times {
        if home.world.now() >= next {
            let up: Vec<_> = bad.iter().copied().filter(|host| home.world.oracle().is_reachable(*host)).collect();
            collude(home, &bad, &up);
            next = home.world.now() + ANEW;
        }
        let value = format!("16:{:016x}", home.world.rng().next_u64());
        let item = Item { value: value.as_bytes(), mutable: None };
        let target = item.target();
        for host in home.world.oracle().closest(&target, HOLDERS) {
            home.world.give_item(host, &item);
        }
        for whose in Whose::BOTH {
            let told = home.operate(whose, |node, now, tag| node.get_immutable(now, tag, target, 1).is_ok());
            let Some((.., outcome)) = told else { continue };
            tally.count(15, whose, part.found, outcome.results > 0);
            tally.add(15, whose, part.queries, f64::from(outcome.queried));
            home.world.run_for(PAUSE);
        }
    }
}

/// So many of a hundred remote nodes, up or away: as many of those that are up at any time, whoever comes and goes.
fn drawn(home: &Home, percent: usize) -> Vec<HostId> {
    home.remote.iter().rev().take(home.remote.len() * percent / 100).copied().collect()
}

/// These name none but those from now on; who is away does when it is back.
pub(super) fn collude(home: &mut Home, bad: &[HostId], those: &[HostId]) {
    let named: Rc<Vec<_>> = Rc::new(those.iter().filter_map(|host| named(home, *host)).collect());
    bad.iter().for_each(|host| corrupt(home, *host, Malice::Collude(named.clone())));
}

/// Row 16: many stand around a key, nearer to it than anybody honest, each in a network of its own.
pub(super) fn sybils(seed: u64, population: &Population, times: usize, tally: &mut Tally) {
    for many in [20, 200] {
        for withholds in [true, false] {
            let mut home = Home::new(seed, population, Faults::NONE);
            for _ in 0..times {
                one_key(&mut home, (many, withholds), tally);
                one_kept(&mut home, (many, withholds), tally);
            }
            tally.lived(&home.world);
        }
    }
}

/// A value whose key is beset by so many, and who they are.
fn beset(home: &mut Home, (many, withholds): (usize, bool)) -> (String, Vec<HostId>) {
    let value = format!("16:{:016x}", home.world.rng().next_u64());
    let target = Item::immutable_target(value.as_bytes());
    let sites: Vec<(Id, Site)> = (0..many).map(|_| near(home, &target)).collect();
    let named = Rc::new(sites.iter().map(|(id, site)| (*id, site.endpoint)).collect::<Vec<_>>());
    let mut sybils = Vec::new();
    for (id, site) in sites {
        let malice = if withholds { Malice::Withhold } else { Malice::Collude(named.clone()) };
        sybils.push(home.world.add(Adversary::new(id, Knowledge::WORLD, malice), site, Some(id), true));
    }
    (value, sybils)
}

fn one_key(home: &mut Home, by: (usize, bool), tally: &mut Tally) {
    let (value, sybils) = beset(home, by);
    let target = Item::immutable_target(value.as_bytes());
    for whose in Whose::BOTH {
        let put = home.operate(whose, |node, now, tag| node.put_immutable(now, tag, value.as_bytes()).is_ok());
        home.world.run_for(Duration::from_secs(10));
        let honest = home.world.holders(target).filter(|host| !sybils.contains(host)).count();
        let reported = put.is_some_and(|(.., outcome)| outcome.stored.counted > 0);
        tally.count(16, whose, "put", honest > 0);
        tally.count(16, whose, "false_success", reported && honest == 0);
        let get = home.operate(whose, |node, now, tag| node.get_immutable(now, tag, target, 1).is_ok());
        tally.count(16, whose, "get", get.is_some_and(|(.., outcome)| outcome.results > 0));
        home.world.run_for(PAUSE);
    }
    // They leave again: their ids stay known, and nobody answers.
    sybils.into_iter().for_each(|host| home.world.stop(host));
}

/// The same of what our keeper puts: copies at honest nodes, and how many more it believes in.
fn one_kept(home: &mut Home, by: (usize, bool), tally: &mut Tally) {
    let (value, sybils) = beset(home, by);
    let target = Item::immutable_target(value.as_bytes());
    let host = home.node(Whose::Ours);
    let began = home.world.call(host, |node, now| {
        let kept = Kept::Immutable { target };
        node.keep(now, 0, kept, KeepSchedule::default())
    });
    let Some(Ok(keep)) = began else { return };
    let end = home.world.now() + PUT;
    supply_what_is_wanted(home, Whose::Ours, &[value], end);
    home.world.run_for(PUT);
    let honest = home.world.holders(target).filter(|host| !sybils.contains(host)).count();
    let told = home.world.node(host).and_then(|node| node.kept(keep)?.state.copies).unwrap_or(0);
    tally.add(16, Whose::Ours, "kept", honest as f64);
    tally.add(16, Whose::Ours, "kept_false", usize::from(told).saturating_sub(honest) as f64);
    home.world.call(host, |node, now| node.unkeep(now, keep).is_ok());
    home.world.take_news(host);
    sybils.into_iter().for_each(|host| home.world.stop(host));
}

/// Row 16: how often a lookup, or a put of ours, raises the density alarm where nobody stands too near, in a calm world
/// and in the usual one.
pub(super) fn nobody_there(seed: u64, populations: [&Population; 2], times: usize, tally: &mut Tally) {
    for (population, faults, of, of_puts) in [
        (populations[0], Faults::NONE, "alarmed", "alarmed_put"),
        (populations[1], Faults::WORLD, "alarmed_world", "alarmed_put_world"),
    ] {
        let mut home = Home::new(seed, population, faults);
        for _ in 0..times {
            let target = Id::random(home.world.rng());
            for whose in Whose::BOTH {
                let told = home.operate(whose, |node, now, tag| node.lookup(now, tag, target).is_ok());
                let Some((.., outcome)) = told else { continue };
                tally.count(16, whose, of, outcome.density_alarm);
            }
            home.world.run_for(PAUSE);
        }
        for n in 0..times {
            let value = format!("8:{n:08}");
            let put =
                home.operate(Whose::Ours, |node, now, tag| node.put_immutable(now, tag, value.as_bytes()).is_ok());
            if let Some((.., outcome)) = put {
                tally.count(16, Whose::Ours, of_puts, outcome.density_alarm);
            }
            home.world.run_for(PAUSE);
        }
        tally.lived(&home.world);
    }
}

/// An id nearer to a target than anybody honest, at an address of its own.
fn near(home: &mut Home, target: &Id) -> (Id, Site) {
    let rng = home.world.rng();
    let id = target.random_in_bucket(24 + rng.below(100), rng);
    let endpoint = random_endpoint(Family::V4, rng);
    (id, Site::at(endpoint, rng))
}

/// Row 18: three in ten nodes echo, reflect or change ids.
pub(super) fn reflectors(seed: u64, population: &Population, times: usize, tally: &mut Tally) {
    let mut queries = [[0_u32; 2]; 2];
    for is_bad in [false, true] {
        let mut home = Home::new(seed, population, Faults::NONE);
        let bad = drawn(&home, 30);
        for (i, host) in bad.iter().enumerate() {
            let malice = [Malice::Echo, Malice::ReflectId, Malice::HopId];
            // The same nodes are silent where the cost is compared.
            corrupt(&mut home, *host, if is_bad { malice[i % 3].clone() } else { Malice::Silent });
        }
        home.world.run_for(Duration::from_secs(3_600));
        for whose in Whose::BOTH {
            let node = home.world.node(home.node(whose));
            let contacts: Vec<_> =
                node.into_iter().flat_map(|node| node.contacts().map(|(_, contact)| contact)).collect();
            let is_one = |endpoint| home.world.host_at(&endpoint).is_some_and(|host| bad.contains(&host));
            let entered = contacts.iter().filter(|contact| is_one(contact.endpoint)).count();
            if is_bad {
                tally.add(18, whose, "entered", entered as f64);
            }
        }
        for _ in 0..times {
            let target = Id::random(home.world.rng());
            for whose in Whose::BOTH {
                let told = home.operate(whose, |node, now, tag| node.lookup(now, tag, target).is_ok());
                let Some((.., outcome)) = told else { continue };
                tally.add(18, whose, if is_bad { "queries" } else { "queries_silent" }, f64::from(outcome.queried));
                queries[usize::from(whose == Whose::Reference)][usize::from(is_bad)] += u32::from(outcome.queried);
                home.world.run_for(PAUSE);
            }
        }
        tally.lived(&home.world);
    }
    for (whose, [silent, bad]) in Whose::BOTH.into_iter().zip(queries) {
        tally.add(18, whose, "cost", f64::from(bad) / f64::from(silent));
    }
}

/// Under which id and where a host is.
pub(super) fn named(home: &Home, host: HostId) -> Option<(Id, Endpoint)> {
    let known = home.world.oracle().known(host)?;
    Some((known.id?, known.endpoint))
}

/// A remote node does this wrong from now on.
pub(super) fn corrupt(home: &mut Home, host: HostId, malice: Malice) {
    if let Some((id, _)) = named(home, host) {
        home.world.replace(host, Adversary::new(id, Knowledge::WORLD, malice), true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_of_those_that_are_up_collude_after_an_hour_of_coming_and_going() {
        let population = Population { nodes: 4_000, ..Population::WORLD };
        let mut home = Home::new(1, &population, Faults::WORLD);
        let bad = drawn(&home, 30);
        collude(&mut home, &bad, &bad);
        for minutes in [0, 10, 20, 30, 40, 50, 60] {
            let up: Vec<_> = home.world.oracle().hosts().filter(|(_, known)| known.is_reachable).collect();
            let bad = up.iter().filter(|(_, known)| known.is_adversary).count();
            let share = bad as f64 / up.len() as f64;
            assert!((share - 0.3).abs() < 0.03, "after {minutes} minutes: {share}");
            home.world.run_for(Duration::from_secs(600));
        }
    }
}
