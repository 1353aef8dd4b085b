//! Row 33: each kind of those who harm, one at a time, at each of the twenty places around a key.

use alloc::rc::Rc;
use alloc::vec::Vec;

use super::home::{Home, PAUSE};
use super::hostile::{corrupt, named};
use super::tally::{Tally, Whose};
use crate::base::time::Duration;
use crate::dht::command::Freshness;
use crate::krpc::endpoint::{Endpoint, Family};
use crate::krpc::id::Id;
use crate::krpc::item::{Item, SignedItem};
use crate::sim::addresses::random_endpoint;
use crate::sim::adversary::{Adversary, Malice};
use crate::sim::faults::Faults;
use crate::sim::intruder::{Errand, Intruder};
use crate::sim::paths::{HostId, Site};
use crate::sim::population::Population;
use crate::sim::referrals::Knowledge;
use crate::sim::remote::Remote;

/// Copies of an item, and as many places around its key.
const PLACES: usize = 20;
/// Those whom a colluder names.
const ACCOMPLICES: usize = 8;
/// How often somebody comes to one of those around a key or of us.
const EVERY: Duration = Duration::from_millis(200);
/// Keys that are tried for one where somebody remote is at the place: in the smallest world three of five serve.
const TRIES: usize = 100;
/// Until a store has arrived everywhere.
const STORED: Duration = Duration::from_secs(10);

/// Who harms at a place.
enum Harm {
    /// The node that is there does one thing wrong when it is asked.
    Does(Malice),
    /// It comes by itself to all others around the key and to us, one after the other.
    Comes(fn(Id) -> Errand),
    /// Somebody has come in between, under an id that was chosen for it: he confirms what he is given, and drops it.
    Squeezes,
}

pub(super) fn at_each_place(seed: u64, population: &Population, tally: &mut Tally) {
    let mut home = Home::settled(seed, population, Faults::NONE);
    let accomplices = accomplices(&mut home);
    for harm in all(accomplices.clone()) {
        for place in 0..PLACES {
            for whose in Whose::BOTH {
                one_place(&mut home, &harm, place, (whose, tally));
            }
        }
        if matches!(harm, Harm::Does(Malice::Collude(_))) {
            let hosts: Vec<_> = accomplices.iter().filter_map(|(_, at)| home.world.host_at(at)).collect();
            hosts.into_iter().for_each(|host| home.world.stop(host));
        }
    }
    tally.lived(&home.world);
}

/// Every kind; colluders first, whose accomplices go when they are done.
fn all(accomplices: Rc<Vec<(Id, Endpoint)>>) -> Vec<Harm> {
    let malice = [
        Malice::Collude(accomplices),
        Malice::Silent,
        Malice::Slow(Duration::from_millis(1_900)),
        Malice::Echo,
        Malice::ReflectId,
        Malice::HopId,
        Malice::WrongIds,
        Malice::Withhold,
        Malice::Stale,
        Malice::Claim(i64::MAX),
        Malice::WrongToken,
        Malice::Huge,
        Malice::Vote(Endpoint::v4([77, 7, 7, 7], 7)),
    ];
    let errands: [fn(Id) -> Errand; 5] = [
        |_| Errand::Poison,
        |_| Errand::FlushItems,
        |_| Errand::FlushPeers(None),
        |key| Errand::FlushPeers(Some(key)),
        |_| Errand::Spoof,
    ];
    let squeezes = core::iter::once(Harm::Squeezes);
    malice.into_iter().map(Harm::Does).chain(errands.map(Harm::Comes)).chain(squeezes).collect()
}

/// Colluders anywhere in the world, who name none but one another.
fn accomplices(home: &mut Home) -> Rc<Vec<(Id, Endpoint)>> {
    let rng = home.world.rng();
    let sites: Vec<_> = (0..ACCOMPLICES).map(|_| Site::at(random_endpoint(Family::V4, rng), rng)).collect();
    let ids: Vec<_> = sites.iter().map(|site| Id::secure(site.endpoint.ip(), home.world.rng())).collect();
    let all: Rc<Vec<_>> = Rc::new(ids.iter().zip(&sites).map(|(id, site)| (*id, site.endpoint)).collect());
    for (id, site) in ids.iter().zip(sites) {
        home.world.add(Adversary::new(*id, Knowledge::WORLD, Malice::Collude(all.clone())), site, Some(*id), true);
    }
    all
}

fn one_place(home: &mut Home, harm: &Harm, place: usize, (whose, tally): (Whose, &mut Tally)) {
    let Some((secret_key, at)) = key_with(home, place) else { return };
    let key = SignedItem::public_key(&secret_key);
    let versions = [1, 2].map(|seq| Item::mutable(&secret_key, b"5:value").seq(seq).sign());
    let [Ok(old), Ok(new)] = &versions else { return };
    let target = new.target();
    let Some(bad) = install(home, harm, (at, &target)) else { return };
    for (of, item, cas) in [("put", old, None), ("cas", new, Some(1))] {
        let put = home.operate(whose, |node, now, tag| node.put_mutable(now, tag, item, cas).is_ok());
        home.world.run_for(STORED);
        let (lost, missed) = lost(home, home.node(whose), &target, item.mutable().seq);
        tally.add(33, whose, of, lost as f64);
        tally.add(33, whose, "missed", missed as f64);
        tally.count(33, whose, "failed", put.is_none_or(|(.., outcome)| outcome.stored.counted == 0));
    }
    let get =
        home.operate(whose, |node, now, tag| node.get_mutable(now, tag, &key, b"", None, Freshness::Newest).is_ok());
    tally.count(33, whose, "not_found", get.is_none_or(|(.., outcome)| outcome.results == 0));
    mend(home, harm, bad);
    home.world.run_for(PAUSE);
}

/// A secret key, and the remote node at this place around its key: nobody else may be made one who harms.
fn key_with(home: &mut Home, place: usize) -> Option<([u8; 32], HostId)> {
    (0..TRIES).find_map(|_| {
        let secret_key: [u8; 32] = home.world.rng().bytes();
        let target = Item::mutable_target(&SignedItem::public_key(&secret_key), b"");
        let at = home.world.oracle().closest(&target, place + 1).last().copied()?;
        home.remote.contains(&at).then_some((secret_key, at))
    })
}

/// How many copies of this version are missing: fewer than the twenty nearest would have, but for those who harm (an
/// accomplice may be one of them) and for whoever puts it. And how many of those nearest have none: a put that raised
/// the density alarm for them (L38) has left as many at others, of the forty nearest.
fn lost(home: &Home, putter: HostId, target: &Id, seq: i64) -> (usize, usize) {
    let oracle = home.world.oracle();
    let is_honest = |host: &HostId| oracle.known(*host).is_some_and(|known| !known.is_adversary);
    let holds = |host: &HostId| home.world.holds(*host, target) == Some(seq);
    let near = oracle.closest(target, PLACES + 1).into_iter().filter(|host| *host != putter).take(PLACES);
    let honest: Vec<_> = near.filter(is_honest).collect();
    // Whoever looks for it asks no farther.
    let around = oracle.closest(target, 2 * PLACES + 1).into_iter().filter(|host| *host != putter);
    let copies = around.filter(|host| is_honest(host) && holds(host)).count();
    (honest.len().saturating_sub(copies), honest.iter().filter(|host| !holds(host)).count())
}

/// From now on there is harm at the place of a host near a key: who does it.
fn install(home: &mut Home, harm: &Harm, (at, key): (HostId, &Id)) -> Option<HostId> {
    let (id, _) = named(home, at)?;
    match harm {
        Harm::Does(malice) => corrupt(home, at, malice.clone()),
        Harm::Comes(errand) => {
            let near = home.world.oracle().closest(key, PLACES);
            let own = Whose::BOTH.map(|whose| home.node(whose)).into_iter().filter(|own| !near.contains(own));
            let targets = near.iter().copied().filter(|host| *host != at).chain(own);
            let targets: Vec<_> = targets.map(|host| home.world.endpoint(host)).collect();
            let intruder = Intruder::new(id, errand(*key), targets, EVERY, home.world.now());
            home.world.replace(at, intruder, true);
        }
        Harm::Squeezes => {
            let endpoint = random_endpoint(Family::V4, home.world.rng());
            let site = Site::at(endpoint, home.world.rng());
            // Nearer than whoever is there by its last bits alone, so that nobody else is in between.
            let mut id = id;
            id.0[12..].copy_from_slice(&key.0[12..]);
            return Some(home.world.add(Adversary::new(id, Knowledge::WORLD, Malice::Withhold), site, Some(id), true));
        }
    }
    Some(at)
}

/// It is honest again, or has gone.
fn mend(home: &mut Home, harm: &Harm, bad: HostId) {
    if matches!(harm, Harm::Squeezes) {
        return home.world.stop(bad);
    }
    if let Some((id, _)) = named(home, bad) {
        home.world.replace(bad, Remote::new(id, Knowledge { dead: 0.0, missed: 0.0, ..Knowledge::WORLD }), false);
    }
}
