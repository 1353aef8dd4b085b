//! What those who harm say, read as it stands on the wire: where an operation ends well all the same, it is not seen
//! whether they harm at all.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use honeyguide::dht::Scope;
use honeyguide::krpc::{Decoded, Family, Item, Method, Mutable, Query, Response, Want, decode};
use honeyguide::sim::random_endpoint;
use honeyguide::sim::{
    Adversary, Faults, HostId, Knowledge, Malice, Moment, Participant, Population, Site, Told, World,
};
use honeyguide::{Command, Config, Endpoint, Id, Instant};

const TARGET: Id = Id([0x5a; 20]);

/// Everything that arrived, with when.
type Inbox = Rc<RefCell<Vec<(Instant, Vec<u8>)>>>;

/// Asks one query, and keeps what comes.
struct Asker {
    to: Endpoint,
    method: Method<'static>,
    is_asked: bool,
    inbox: Inbox,
}

impl Participant for Asker {
    fn on_datagram(&mut self, moment: &mut Moment<'_>, _: Endpoint, payload: &[u8]) {
        self.inbox.borrow_mut().push((moment.now, payload.to_vec()));
    }

    fn on_timer(&mut self, moment: &mut Moment<'_>) {
        let query = Query { tid: b"ask", version: None, read_only: true, id: Id([1; 20]), method: self.method };
        let mut payload = [0; 200];
        let len = query.encode(&mut payload).unwrap();
        moment.send(self.to, &payload[..len]);
        self.is_asked = true;
    }

    fn deadline(&self) -> Option<Instant> {
        (!self.is_asked).then_some(Instant::ZERO)
    }
}

/// A world in which somebody does this wrong.
fn world(malice: Malice) -> (World, HostId, Endpoint) {
    let mut world = World::new(6);
    world.set_faults(Faults::NONE);
    Population { nodes: 60, wide: 0.0, ..Population::CALM }.settle(&mut world);
    let endpoint = random_endpoint(Family::V4, world.rng());
    let (site, id) = (Site::at(endpoint, world.rng()), Id::secure(endpoint.ip(), world.rng()));
    let host = world.add(Adversary::new(id, Knowledge::WORLD, malice), site, Some(id), true);
    (world, host, endpoint)
}

/// What it answers, after how long.
fn answer(world: &mut World, to: Endpoint, method: Method<'static>) -> (Duration, Vec<u8>) {
    let inbox = Inbox::default();
    let endpoint = random_endpoint(Family::V4, world.rng());
    let (site, begun) = (Site::at(endpoint, world.rng()), world.now());
    world.add(Asker { to, method, is_asked: false, inbox: Rc::clone(&inbox) }, site, None, false);
    world.run_for(Duration::from_secs(10));
    let mut answers = inbox.take();
    assert_eq!(answers.len(), 1, "one answer");
    let (at, bytes) = answers.remove(0);
    (at.since(begun), bytes)
}

fn response(bytes: &[u8]) -> Response<'_> {
    let Ok(Decoded::Response(response)) = decode(bytes) else { panic!("{bytes:?} is no response") };
    response
}

fn find_node() -> Method<'static> {
    Method::FindNode { target: TARGET, want: Want::default() }
}

fn get() -> Method<'static> {
    Method::Get { target: TARGET, seq: None, want: Want::default() }
}

/// Rule W14.
#[test]
fn whoever_is_slow_answers_so_much_later() {
    let took = [0, 1_500].map(|millis| {
        let (mut world, _, endpoint) = world(Malice::Slow(Duration::from_millis(millis)));
        answer(&mut world, endpoint, find_node()).0
    });
    assert_eq!(took[1], took[0] + Duration::from_millis(1_500));
}

/// Rule W14.
#[test]
fn colluders_name_none_but_one_another() {
    let those: Vec<_> = (1..6).map(|n| (Id([n; 20]), Endpoint::v4([5, 5, n, 5], 5))).collect();
    let (mut world, _, endpoint) = world(Malice::Collude(Rc::new(those.clone())));
    let (_, bytes) = answer(&mut world, endpoint, find_node());
    let mut named: Vec<_> = response(&bytes).contacts().collect();
    named.sort_unstable();
    assert_eq!(named, those);
}

/// Rule W14.
#[test]
fn who_names_others_under_wrong_ids_names_those_who_are_there_next_to_what_is_looked_for() {
    let (mut world, _, endpoint) = world(Malice::WrongIds);
    let (_, bytes) = answer(&mut world, endpoint, find_node());
    let named: Vec<_> = response(&bytes).contacts().collect();
    assert_eq!(named.len(), 8);
    for (id, endpoint) in named {
        let host = world.host_at(&endpoint).unwrap();
        let known = world.oracle().known(host).unwrap();
        assert!(known.is_reachable && known.id != Some(id), "{known:?}");
        assert!((20..60).contains(&id.shared_prefix_len(&TARGET)), "{id}");
    }
}

/// Rule W14.
#[test]
fn whoever_claims_a_version_shows_none() {
    let (mut world, _, endpoint) = world(Malice::Claim(99));
    let (_, bytes) = answer(&mut world, endpoint, get());
    let said = response(&bytes);
    assert_eq!((said.seq, said.value, said.key, said.signature), (Some(99), None, None, None));
}

/// Rule W14.
#[test]
fn a_voter_says_that_it_sees_others_at_the_address_that_it_wants() {
    let wanted = Endpoint::v4([6, 6, 6, 6], 6);
    let (mut world, _, endpoint) = world(Malice::Vote(wanted));
    let (_, bytes) = answer(&mut world, endpoint, find_node());
    assert_eq!(response(&bytes).ip, Some(wanted));
}

/// Rule W14.
#[test]
fn whoever_is_stale_confirms_every_version_and_keeps_the_first() {
    let (mut world, host, endpoint) = world(Malice::Stale);
    let site = random_endpoint(Family::V4, world.rng());
    let site = Site::at(site, world.rng());
    let node = world.add_node(&Config::default(), site).unwrap();
    for seq in 1..4 {
        let item = Item::mutable(&[7; 32], b"4:abcd").seq(seq).sign().unwrap();
        let Mutable { key, salt, seq, signature } = item.mutable();
        let put = Command::PutMutable { value: item.value(), key, salt, seq, signature, cas: None };
        world.call(node, |node, now| node.command_in(now, 1, Scope::Node(endpoint), put).unwrap());
        world.run_for(Duration::from_secs(5));
        let stored = world.take_news(node).into_iter().find_map(|news| match news.what {
            Told::Finished(outcome) => Some(outcome.stored.all),
            _ => None,
        });
        assert_eq!((stored, world.holds(host, &item.target())), (Some(1), Some(1)));
    }
}
