//! What a node that adapts finds out behind routers of every kind, and who cannot make it believe otherwise: rules D7 to
//! D12.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use honeyguide::dht::{LinkId, Role};
use honeyguide::krpc::{Family, Method, Query, Want};
use honeyguide::sim::random_endpoint;
use honeyguide::sim::{Faults, HostId, Knowledge, Moment, NatKind, Participant, Remote, Site, Told, World};
use honeyguide::{Config, Endpoint, Id, Instant};

const MINUTE: Duration = Duration::from_secs(60);

/// What those who harm together know: where the one they aim at sends from, and who else there is.
#[derive(Default)]
struct Known {
    aim: Vec<Endpoint>,
    others: Vec<Endpoint>,
}

/// Answers like anybody else, and asks the one it aims at in its own name, from other ports, and in the name of all
/// others.
struct Insider {
    remote: Remote,
    id: Id,
    aim: Endpoint,
    known: Rc<RefCell<Known>>,
    next: Instant,
    turn: usize,
}

impl Participant for Insider {
    fn on_datagram(&mut self, moment: &mut Moment<'_>, from: Endpoint, payload: &[u8]) {
        if from.same_ip(&self.aim) {
            let aim = &mut self.known.borrow_mut().aim;
            aim.retain(|known| *known != from);
            aim.push(from);
        }
        self.remote.on_datagram(moment, from, payload);
    }

    fn on_timer(&mut self, moment: &mut Moment<'_>) {
        self.next = moment.now + Duration::from_secs(5);
        let known = self.known.borrow();
        let method = Method::FindNode { target: Id::random(moment.rng), want: Want::default() };
        let mut payload = [0; 200];
        let query = Query { tid: b"in", version: None, read_only: false, id: self.id, method };
        let len = query.encode(&mut payload).unwrap();
        for to in known.aim.iter().rev().take(20) {
            moment.send(*to, &payload[..len]);
            moment.send_as(moment.own.with_port(99), *to, &payload[..len]);
        }
        // The last one is where a router without dependences has its only mapping.
        let Some(to) = known.aim.last() else { return };
        for _ in 0..10 {
            self.turn += 7;
            let other = known.others[self.turn % known.others.len()];
            let from = if self.turn.is_multiple_of(2) { other } else { other.with_port(4_000) };
            moment.send_as(from, *to, &payload[..len]);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        Some(self.next)
    }
}

fn adaptive() -> Config {
    let mut config = Config::small();
    config.role = Role::Adaptive;
    config.capacity.sent_to = 4_096;
    config
}

/// A network of so many servers and insiders with a node that adapts, behind this router.
fn network(seed: u64, servers: usize, nat: Option<NatKind>, insiders: usize) -> (World, HostId) {
    let mut world = World::new(seed);
    world.set_faults(Faults { loss: 0.02, ..Faults::NONE });
    let place = |world: &mut World| {
        let endpoint = random_endpoint(Family::V4, world.rng());
        Site::at(endpoint, world.rng())
    };
    let add = |world: &mut World| {
        let site = place(world);
        let mut config = Config::small();
        (config.capacity.contacts, config.capacity.newcomers) = (128, 160);
        world.add_node(&config, site).unwrap()
    };
    let hosts: Vec<_> = (0..servers).map(|_| add(&mut world)).collect();
    let first = world.site(hosts[0]).unwrap().endpoint;
    let join = |world: &mut World, host| {
        world.call(host, |node, now| node.bootstrap(now, 1, &[first]).unwrap());
        world.run_for(Duration::from_millis(500));
    };
    hosts[1..].iter().for_each(|host| join(&mut world, *host));
    let site = Site { nat, is_told: nat.is_none(), ..place(&mut world) };
    if insiders > 0 {
        let others = hosts.iter().map(|host| world.site(*host).unwrap().endpoint).collect();
        let known = Rc::new(RefCell::new(Known { aim: Vec::new(), others }));
        for _ in 0..insiders {
            let (at, id, next) = (place(&mut world), Id::random(world.rng()), world.now());
            let (remote, known) = (Remote::new(id, Knowledge::WORLD), known.clone());
            known.borrow_mut().others.push(at.endpoint);
            let insider = Insider { remote, id, aim: site.endpoint, known, next, turn: 0 };
            world.add(insider, at, Some(id), true);
        }
    }
    world.run_for(10 * MINUTE);
    let node = world.add_node(&adaptive(), site).unwrap();
    join(&mut world, node);
    (world, node)
}

fn role(world: &mut World, node: HostId) -> Role {
    world.call(node, |node, _| node.role(LinkId(0))).flatten().unwrap()
}

/// The role in each minute of so many hours.
fn roles(world: &mut World, node: HostId, hours: u32) -> Vec<Role> {
    let minute = |_| {
        world.run_for(MINUTE);
        role(world, node)
    };
    (0..60 * hours).map(minute).collect()
}

fn count(roles: &[Role], role: Role) -> usize {
    roles.iter().filter(|r| **r == role).count()
}

/// The roles are those of a node that begins as a client and changes at most once an hour, and they say when it was a
/// server first.
fn first_as_server(roles: &[Role]) -> Option<usize> {
    assert_eq!(roles[0], Role::Client);
    let is_server: Vec<_> = roles.iter().map(|role| *role == Role::Server).collect();
    let changes: Vec<_> = (1..roles.len()).filter(|&i| is_server[i] != is_server[i - 1]).collect();
    assert!(changes.windows(2).all(|pair| pair[1] - pair[0] >= 60), "{changes:?}");
    is_server.iter().position(|is| *is)
}

/// Rules D8 and D9.
#[test]
fn a_node_that_anybody_reaches_is_a_server_after_its_first_or_second_probation() {
    let mut first = 0;
    for nat in [None, Some(NatKind::FULL_CONE)] {
        for seed in 2..4 {
            let (mut world, node) = network(seed, 400, nat, 0);
            let roles = roles(&mut world, node, 2);
            let begun = roles.iter().position(|role| *role == Role::Adaptive);
            assert_eq!(begun, Some(14), "it tries after a quarter of an hour");
            let server = first_as_server(&roles).expect("it is asked");
            assert!(server < 100, "{nat:?}: {server}");
            first += usize::from(server < 25);
            let told = |role| world.news(node).iter().filter(|news| news.what == Told::RoleChanged(role)).count();
            assert_eq!((told(Role::Adaptive), told(Role::Server)), (1 + usize::from(server >= 25), 1));
            assert!(world.call(node, |node, _| node.stats().queries).unwrap() > 50);
        }
    }
    assert!(first >= 2, "{first} of 4 in the first one");
}

/// Rule D9. It is alone in a network of others, each of which it asks: nothing shows whether they would reach it.
#[test]
fn a_node_that_has_asked_everybody_stays_a_client() {
    let (mut world, node) = network(1, 30, None, 0);
    let roles = roles(&mut world, node, 4);
    assert_eq!(first_as_server(&roles), None);
    assert_eq!(count(&roles, Role::Adaptive), 30, "three probations in four hours");
}

/// Rule D9.
#[test]
fn nobody_makes_a_node_a_server_that_only_those_reach_whom_it_asks() {
    for nat in [NatKind::ADDRESS_RESTRICTED, NatKind::PORT_RESTRICTED, NatKind::SYMMETRIC] {
        for (seed, insiders) in [(1, 10), (2, 60)] {
            let (mut world, node) = network(seed, 120, Some(nat), insiders);
            let roles = roles(&mut world, node, 6);
            assert_eq!(first_as_server(&roles), None, "{nat:?}");
            assert_eq!(count(&roles, Role::Adaptive), 30);
            let asked = world.call(node, |node, _| node.stats().queries).unwrap();
            assert!(asked > 50, "{nat:?}: {asked} queries came in, and prove nothing");
        }
    }
}

/// Rules D8 and D10.
#[test]
fn a_server_that_a_router_hides_is_a_client_within_the_hour_and_tries_where_it_has_moved() {
    let (mut world, node) = network(3, 400, None, 0);
    let before = roles(&mut world, node, 2);
    assert!(first_as_server(&before).is_some());
    world.set_router(node, Some(NatKind::PORT_RESTRICTED));
    let hidden = roles(&mut world, node, 2);
    let client = hidden.iter().position(|role| *role == Role::Client).expect("nobody comes in");
    assert!((29..=60).contains(&client), "{client}");
    world.set_router(node, None);
    let endpoint = random_endpoint(Family::V4, world.rng());
    world.move_to(node, endpoint);
    world.call(node, |node, now| node.set_external(now, LinkId(0), endpoint).unwrap());
    world.run_for(Duration::from_millis(10));
    assert_eq!(role(&mut world, node), Role::Adaptive, "at once");
    assert_eq!(roles(&mut world, node, 2).last(), Some(&Role::Server));
}
