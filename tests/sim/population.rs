//! Remote nodes with whom nobody can begin to speak.

use std::time::Duration;

use honeyguide::dht::Health;
use honeyguide::krpc::Family;
use honeyguide::sim::{Churn, HostId, Knowledge, NatKind, Population, Remote, Site, Told, World, random_endpoint};
use honeyguide::{Config, Endpoint, Id};

/// A node of ours behind this router, or none.
fn node(world: &mut World, nat: Option<NatKind>) -> HostId {
    let endpoint = random_endpoint(Family::V4, world.rng());
    let site = Site { nat, is_told: nat.is_none(), ..Site::at(endpoint, world.rng()) };
    world.add_node(&Config::default(), site).unwrap()
}

/// Whether somebody answers at this address to a node.
fn answers(world: &mut World, host: HostId, to: Endpoint) -> bool {
    world.take_news(host);
    world.call(host, |node, now| node.ping(now, 9, to).unwrap());
    world.run_for(Duration::from_secs(3));
    let is_answer = |told: &Told| matches!(told, Told::Finished(outcome) if outcome.answered == 1);
    world.take_news(host).iter().any(|news| news.tag == 9 && is_answer(&news.what))
}

/// Where this host is a contact of a node, under whatever port.
fn contact(world: &World, node: HostId, of: HostId) -> Option<Endpoint> {
    let endpoint = world.endpoint(of);
    let mut contacts = world.node(node)?.contacts().map(|(_, contact)| contact);
    let is_good = contacts.find(|contact| contact.endpoint.same_ip(&endpoint) && contact.health == Health::Good);
    is_good.map(|contact| contact.endpoint)
}

/// Rule W11.
#[test]
fn whoever_is_read_only_asks_and_is_in_nobodys_table() {
    let mut world = World::new(4);
    let population = Population { nodes: 120, read_only: 0.5, ..Population::CALM };
    let remote = population.settle(&mut world);
    let is_read_only = |world: &World, host: &HostId| world.oracle().known(*host).unwrap().id.is_none();
    let (mute, others): (Vec<_>, Vec<_>) = remote.into_iter().partition(|host| is_read_only(&world, host));
    assert!((40..=80).contains(&mute.len()), "{}", mute.len());
    assert!(mute.iter().all(|host| !world.oracle().is_reachable(*host)));
    let (us, router) = (node(&mut world, None), world.endpoint(others[0]));
    world.call(us, |node, now| node.bootstrap(now, 1, &[router]).unwrap());
    world.run_for(Duration::from_secs(1_800));
    // Each of sixty asks one of sixty each minute, and nobody else asks anybody.
    let asked = world.node(us).unwrap().stats().queries;
    assert!((10..=120).contains(&asked), "{asked}");
    assert!(mute.iter().all(|host| contact(&world, us, *host).is_none()));
    assert!(others.iter().filter(|host| contact(&world, us, **host).is_some()).count() > 40);
    let (target, who) = (Id([7; 20]), &mute);
    assert!(others.iter().all(|host| world.named_by(*host, &target).iter().all(|named| !who.contains(named))));
    let at = world.endpoint(mute[0]);
    assert!(!answers(&mut world, us, at));
}

/// Rules W7 and W11.
#[test]
fn whoever_is_behind_a_router_answers_those_that_he_asked_and_nobody_else() {
    let mut world = World::new(4);
    let hidden = Population { nodes: 1, natted: 1.0, ..Population::CALM }.settle(&mut world)[0];
    assert!(!world.oracle().is_reachable(hidden) && world.oracle().known(hidden).unwrap().id.is_some());
    // Only the former can be asked.
    let (asked, other) = (node(&mut world, None), node(&mut world, Some(NatKind::PORT_RESTRICTED)));
    world.run_for(Duration::from_secs(600));
    let at = contact(&world, asked, hidden).expect("he asks each minute");
    assert!(answers(&mut world, asked, at));
    let before = world.traffic().kept_out;
    assert!(!answers(&mut world, other, at) && world.traffic().kept_out > before);
    // Nor where he would be without the router.
    let bare = world.endpoint(hidden);
    assert!(at != bare && !answers(&mut world, asked, bare));
}

/// Rule W12.
#[test]
fn whoever_asks_from_time_to_time_does_so_again_when_he_is_back() {
    let mut world = World::new(4);
    let asked = node(&mut world, None);
    let endpoint = random_endpoint(Family::V4, world.rng());
    let (site, now) = (Site::at(endpoint, world.rng()), world.now());
    let remote = Remote::new(Id([7; 20]), Knowledge::WORLD).asking(Duration::from_secs(60), now).read_only();
    let remote = world.add(remote, site, None, false);
    let queries = |world: &World| world.node(asked).unwrap().stats().queries;
    let hour = Duration::from_secs(3_600);
    world.run_for(hour);
    assert_eq!(queries(&world), 60);
    world.stop(remote);
    world.run_for(hour);
    // One was under way.
    assert_eq!(queries(&world), 61);
    world.start(remote);
    world.run_for(hour);
    assert!((120..=123).contains(&queries(&world)), "{}", queries(&world));
    // As those do that come and go.
    Churn::WORLD.begin(&mut world, remote);
    world.run_for(48 * hour);
    assert!((200..2_900).contains(&queries(&world)), "{}", queries(&world));
}

/// Rule W12. Measured of hosts, who are looked at every ten seconds for four days: how many are up, and the medians of
/// the sessions and absences that begin within the first two.
#[test]
fn whoever_comes_and_goes_stays_and_is_away_for_as_long_as_the_source_says() {
    const STEP: Duration = Duration::from_secs(10);
    let (looks, churn) = (4 * 8_640, Churn::WORLD);
    let mut world = World::new(9);
    let hosts = Population { nodes: 400, ..Population::WORLD }.settle(&mut world);
    let mut since: Vec<_> = hosts.iter().map(|host| (world.oracle().is_reachable(*host), None)).collect();
    let (mut up, mut times) = (0, [Vec::new(), Vec::new()]);
    for look in 0..looks {
        world.run_for(STEP);
        for (host, (was_up, begun)) in hosts.iter().zip(&mut since) {
            let is_up = world.oracle().is_reachable(*host);
            up += usize::from(is_up);
            if is_up != *was_up {
                if let Some(begun) = begun.filter(|begun| *begun < looks / 2) {
                    times[usize::from(*was_up)].push(look - begun);
                }
                (*was_up, *begun) = (is_up, Some(look));
            }
        }
    }
    // Those that last still are longer than half.
    for (was_up, begun) in since {
        times[usize::from(was_up)].extend(begun.filter(|begun| *begun < looks / 2).map(|_| looks));
    }
    let median = |times: &mut Vec<u32>| {
        times.sort_unstable();
        f64::from(times[times.len() / 2]) * STEP.as_secs_f64()
    };
    let share = up as f64 / (hosts.len() * looks as usize) as f64 / churn.share_up();
    let [away, stays] = times.each_mut().map(median);
    let away = away / churn.absence.quantile(0.5).as_secs_f64();
    let stays = stays / churn.session.quantile(0.5).as_secs_f64();
    for is in [share, away, stays] {
        assert!((0.95..1.05).contains(&is), "{share:.3} up, sessions of {stays:.3}, absences of {away:.3}");
    }
}
