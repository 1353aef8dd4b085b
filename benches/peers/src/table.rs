//! The closest contacts of a target, out of the whole table. Ours are handed to a closure that copies id and address;
//! mainline's come as a list of handles, sorted with those in front whose id fits their address (BEP 42). Mainline holds
//! at most 20 contacts a bucket, so with random ids it stays at about 271, and has no row for more.

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddrV4};

use honeyguide::Config;
use honeyguide::Instant;
use honeyguide::base::Rng;
use honeyguide::dht::{Network, TableConfig};
use honeyguide::internals::base::list::List;
use honeyguide::internals::dht::table::{BUCKETS, ID_CHANGES, Table, TableMemory};
use honeyguide::{Endpoint, Id};
use std::time::Duration;

use crate::measure::{Contenders, Group};

/// Contacts that are asked for: what mainline always returns.
const WANTED: usize = 20;

type Found = [(Id, Endpoint); WANTED];

pub fn groups() -> Vec<Group> {
    [271, 1280].into_iter().map(closest).collect()
}

fn closest(contacts: usize) -> Group {
    Group::new(format!("closest {WANTED} of {contacts} contacts"), move || {
        let ours = table(contacts);
        let mut flat = Flat::new(&ours);
        for target in targets().take(100) {
            assert_eq!(walk(&ours, &target), flat.closest(&target));
        }
        let (mut next, mut others) = (targets(), targets());
        let contenders = Contenders::first("honeyguide", move || walk(&ours, &next.next().expect("endless")))
            .and("flat list, select and sort", move || flat.closest(&others.next().expect("endless")));
        if contacts > MAINLINE { contenders } else { contenders.and("mainline 8.0", mainline()) }
    })
}

/// The same targets for all.
fn targets() -> impl Iterator<Item = Id> {
    let mut rng = Rng::from_seed([1; 32]);
    let targets: Vec<Id> = (0..1024).map(|_| Id::random(&mut rng)).collect();
    (0..).map(move |i| black_box(targets[i % targets.len()]))
}

fn address(rng: &mut Rng) -> Ipv4Addr {
    Ipv4Addr::from(rng.next_u32() % 0xa000_0000 + 0x1000_0000)
}

fn table(contacts: usize) -> Table<'static> {
    let mut rng = Rng::from_seed([2; 32]);
    let config = TableConfig { bucket_sizes: [contacts as u16; 5], ..Config::default().table };
    let memory = TableMemory {
        contacts: List::with_capacity(contacts),
        prefixes: List::with_capacity(contacts),
        pending: List::with_capacity(256),
        buckets: List::with_capacity(BUCKETS),
        id_changes: List::with_capacity(ID_CHANGES),
    };
    let mut table = Table::new(config, Network::Public, Id::random(&mut rng), memory);
    while table.len() < contacts {
        let addr = Endpoint::v4(address(&mut rng).octets(), 6881);
        table.on_response(Instant::from_secs(1), &Id::random(&mut rng), addr, Some(Duration::from_millis(80)));
    }
    table
}

fn walk(table: &Table<'_>, target: &Id) -> Found {
    let mut found = [(Id::default(), Endpoint::UNSPECIFIED); WANTED];
    let mut places = found.iter_mut();
    table.closest(target, None, WANTED, |contact| {
        if let Some(place) = places.next() {
            *place = (*contact.id(), contact.endpoint());
        }
    });
    found
}

/// All contacts in a list without order, and beside it the distances of one question.
struct Flat {
    contacts: Vec<(Id, Endpoint)>,
    distances: Vec<(u64, u16)>,
}

impl Flat {
    fn new(table: &Table<'_>) -> Flat {
        let contacts: Vec<_> = table.contacts().map(|c| (c.id, c.endpoint)).collect();
        Flat { distances: Vec::with_capacity(contacts.len()), contacts }
    }

    /// By the first 64 bits, which differ between random ids.
    fn closest(&mut self, target: &Id) -> Found {
        self.distances.clear();
        let near = (0..).zip(&self.contacts).map(|(i, (id, _))| (id.prefix() ^ target.prefix(), i));
        self.distances.extend(near);
        self.distances.select_nth_unstable(WANTED);
        let nearest = &mut self.distances[..WANTED];
        nearest.sort_unstable();
        std::array::from_fn(|i| self.contacts[usize::from(nearest[i].1)])
    }
}

/// Contacts of a table of mainline's that was offered random ids for long.
pub const MAINLINE: usize = 271;

/// The same question to a table of theirs.
pub fn mainline() -> impl FnMut() -> Box<[mainline::Node]> {
    let mut rng = Rng::from_seed([3; 32]);
    let mut addresses = Rng::from_seed([4; 32]);
    let mut id = || mainline::Id::from_bytes(rng.bytes::<20>()).expect("20 bytes");
    let mut table = mainline::RoutingTable::new(id());
    while table.size() < MAINLINE {
        table.add(mainline::Node::new(id(), SocketAddrV4::new(address(&mut addresses), 6881)));
    }
    let mut next = targets().map(|id| mainline::Id::from_bytes(id.as_bytes()).expect("20 bytes"));
    move || table.closest(next.next().expect("endless"))
}
