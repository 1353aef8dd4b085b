//! Rows 10, 27 and 29: how a node comes into the world, and comes back.

use alloc::vec::Vec;

use super::home::{Home, both, join};
use super::tally::{Tally, Whose};
use crate::base::time::Duration;
use crate::dht::contact::SavedContact;
use crate::dht::event::LinkId;
use crate::dht::keep::{KeepSchedule, Kept};
use crate::krpc::endpoint::{Endpoint, Family};
use crate::krpc::id::Id;
use crate::krpc::item::Item;
use crate::sim::addresses::random_endpoint;
use crate::sim::faults::Faults;
use crate::sim::news::Told;
use crate::sim::paths::{HostId, LineFault};
use crate::sim::population::Population;
use crate::sim::world::World;

/// So many contacts are enough.
const ENOUGH: usize = 30;
/// What takes longer than this counts as this.
const LONGEST: Duration = Duration::from_secs(3_600);
const HOUR: u64 = 3_600;
/// Keys that are kept while a line is down.
const KEYS: u64 = 256;

/// What has become of the others while a node's line was down.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Meanwhile {
    /// Nothing but their coming and going.
    Same,
    /// All of them have other addresses, but for the routers.
    Moved,
    /// Half of them have, and the routers are gone.
    HalfMoved,
}

/// Row 10: one of four routers lives; and a line that is down for five minutes first.
pub(super) fn cold(seed: u64, population: &Population, tally: &mut Tally) {
    for (whose, config) in both() {
        for is_down in [false, true] {
            let mut world = World::new(seed);
            world.set_faults(Faults::WORLD);
            let remote = population.settle(&mut world);
            let routers = routers(&mut world, &remote);
            let host = join(&mut world, &config, &[]);
            world.set_line_fault(host, is_down.then_some(LineFault::Silent));
            world.call(host, |node, now| node.bootstrap(now, 2, &routers).is_ok());
            if is_down {
                world.run_for(Duration::from_secs(300));
                // The one that lived may have left meanwhile.
                let live = routers.iter().filter_map(|router| world.host_at(router)).next();
                live.into_iter().for_each(|router| world.start(router));
                world.set_line_fault(host, None);
            }
            for took in until_enough(&mut world, &[host]) {
                tally.add(10, whose, if is_down { "back" } else { "cold" }, took.as_secs_f64());
            }
            tally.lived(&world);
        }
    }
}

/// Four addresses that one is told, of which one lives.
fn routers(world: &mut World, remote: &[HostId]) -> Vec<Endpoint> {
    let live = remote.iter().find(|host| world.oracle().is_reachable(**host));
    let live = live.map(|host| world.endpoint(*host));
    let dead = core::array::from_fn::<_, 3, _>(|_| random_endpoint(Family::V4, world.rng()));
    dead.into_iter().chain(live).collect()
}

/// Row 27: the line is down for hours.
pub(super) fn outages(seed: u64, population: &Population, tally: &mut Tally) {
    for hours in [1, 8, 24] {
        for meanwhile in [Meanwhile::Same, Meanwhile::Moved, Meanwhile::HalfMoved] {
            for fault in [LineFault::Silent, LineFault::Failing] {
                let mut home = Home::new(seed, population, Faults::WORLD);
                home.world.run_for(Duration::from_secs(HOUR));
                for (whose, took) in outage(&mut home, (hours, meanwhile, fault)) {
                    let of = if meanwhile == Meanwhile::HalfMoved { "half" } else { "back" };
                    tally.add(27, whose, of, took.as_secs_f64());
                    tally.count(27, whose, "never", took >= LONGEST);
                }
                tally.lived(&home.world);
            }
        }
        let mut home = Home::new(seed, population, Faults::WORLD);
        keep_many(&mut home);
        home.world.run_for(Duration::from_secs(HOUR));
        let took = outage(&mut home, (hours, Meanwhile::Moved, LineFault::Silent));
        tally.add(27, Whose::Ours, "kept", took[0].1.as_secs_f64());
        tally.lived(&home.world);
    }
}

/// Our node keeps many keys, of which nobody has copies, and nobody supplies them.
fn keep_many(home: &mut Home) {
    let host = home.node(Whose::Ours);
    for tag in 0..KEYS {
        let kept = Kept::Immutable { target: Id::random(home.world.rng()) };
        home.world.call(host, |node, now| node.keep(now, tag, kept, KeepSchedule::default()).is_ok());
    }
}

/// How long it takes each node until it is back.
fn outage(home: &mut Home, (hours, meanwhile, fault): (u64, Meanwhile, LineFault)) -> [(Whose, Duration); 2] {
    let nodes = Whose::BOTH.map(|whose| (whose, home.node(whose)));
    nodes.iter().for_each(|(_, host)| home.world.set_line_fault(*host, Some(fault)));
    home.world.run_for(Duration::from_secs(hours * HOUR));
    let routers: Vec<_> = home.routers.iter().filter_map(|router| home.world.host_at(router)).collect();
    for (i, host) in home.remote.clone().into_iter().enumerate() {
        let is_router = routers.contains(&host);
        let moves = meanwhile == Meanwhile::Moved || (meanwhile == Meanwhile::HalfMoved && i % 2 == 0);
        if moves && !is_router {
            let endpoint = random_endpoint(Family::V4, home.world.rng());
            home.world.move_to(host, endpoint);
        }
        if is_router {
            match meanwhile {
                Meanwhile::HalfMoved => home.world.stop(host),
                Meanwhile::Same | Meanwhile::Moved => home.world.start(host),
            }
        }
    }
    nodes.iter().for_each(|(_, host)| home.world.set_line_fault(*host, None));
    let mut took = until_enough(&mut home.world, &nodes.map(|(_, host)| host)).into_iter();
    nodes.map(|(whose, _)| (whose, took.next().unwrap_or(LONGEST)))
}

/// Row 29: a node begins with two hundred saved contacts, of which some live, and nobody else.
pub(super) fn restarts(seed: u64, population: &Population, tally: &mut Tally) {
    for (whose, config) in both() {
        for (percent, of) in [(5, "5"), (20, "20"), (100, "100")] {
            let mut world = World::new(seed);
            world.set_faults(Faults::WORLD);
            let remote = population.settle(&mut world);
            let saved = saved(&mut world, &remote, percent);
            let host = join(&mut world, &config, &[]);
            let item = Item { value: b"5:value", mutable: None };
            let target = item.target();
            for holder in world.oracle().closest(&target, 14) {
                world.give_item(holder, &item);
            }
            let begun = world.now();
            world.take_news(host);
            world.call(host, |node, now| {
                node.import(now, LinkId(0), &saved).is_ok() && node.get_immutable(now, 7, target, 1).is_ok()
            });
            world.run_for(Duration::from_secs(121));
            let found =
                world.take_news(host).into_iter().find(|news| news.tag == 7 && matches!(news.what, Told::Value { .. }));
            // One that never comes takes as long as one may wait for it.
            let took = found.map_or(Duration::from_secs(121), |news| news.at.since(begun));
            tally.add(29, whose, of, took.as_secs_f64());
            tally.lived(&world);
        }
    }
}

/// Two hundred contacts, so many in a hundred of which are up.
fn saved(world: &mut World, remote: &[HostId], percent: u32) -> Vec<SavedContact> {
    let mut saved = Vec::new();
    for i in 0..200 {
        let id = Id::random(world.rng());
        let host = world.oracle().closest(&id, 1).first().copied().filter(|host| remote.contains(host));
        let is_live = i % 100 < percent;
        let known = host.and_then(|host| world.oracle().known(host)).filter(|_| is_live);
        let contact = known.and_then(|known| Some(SavedContact { id: known.id?, endpoint: known.endpoint }));
        saved.push(contact.unwrap_or(SavedContact { id, endpoint: random_endpoint(Family::V4, world.rng()) }));
    }
    saved
}

/// How long it takes until each of these nodes has enough contacts that live.
fn until_enough(world: &mut World, hosts: &[HostId]) -> Vec<Duration> {
    let begun = world.now();
    let mut took: Vec<Option<Duration>> = hosts.iter().map(|_| None).collect();
    loop {
        let time = world.now().since(begun);
        for (took, host) in took.iter_mut().zip(hosts) {
            if took.is_none() && (time >= LONGEST || live_contacts(world, *host) >= ENOUGH) {
                *took = Some(time);
            }
        }
        if took.iter().all(Option::is_some) {
            return took.into_iter().flatten().collect();
        }
        world.run_for(Duration::from_millis(if time.as_secs() < 120 { 100 } else { 1_000 }));
    }
}

/// Contacts that are up, and where the node has them, by the oracle.
pub(super) fn live_contacts(world: &World, host: HostId) -> usize {
    let Some(node) = world.node(host) else { return 0 };
    let is_live = |endpoint: Endpoint, id: Id| {
        let host = world.host_at(&endpoint);
        host.is_some_and(|host| {
            world.oracle().is_reachable(host) && world.oracle().known(host).is_some_and(|known| known.id == Some(id))
        })
    };
    node.contacts().filter(|(_, contact)| is_live(contact.endpoint, contact.id)).count()
}
