//! The routing table against models: a sorted list for `closest`, a set of proven pairs for admission.

use std::collections::BTreeSet;

use honeyguide::Config;
use honeyguide::Instant;
use honeyguide::base::Rng;
use honeyguide::dht::Health;
use honeyguide::dht::{Network, TableConfig};
use honeyguide::internals::base::list::List;
use honeyguide::internals::dht::contact::QueryKind;
use honeyguide::internals::dht::table::{Admission, AdmissionRefusal, BUCKETS, Failed, ID_CHANGES, Table, TableMemory};
use honeyguide::{Endpoint, Id};
use quickcheck::{TestResult, quickcheck};
use std::time::Duration;

const RTT: Option<Duration> = Some(Duration::from_millis(80));
const OWN: Id = Id([0x5a; 20]);

fn rules() -> TableConfig {
    Config::default().table
}

fn table(config: TableConfig, network: Network, contacts: usize, newcomers: usize) -> Table<'static> {
    let memory = TableMemory {
        contacts: List::with_capacity(contacts),
        prefixes: List::with_capacity(contacts),
        newcomers: List::with_capacity(newcomers),
        buckets: List::with_capacity(BUCKETS),
        id_changes: List::with_capacity(ID_CHANGES),
        remembered: List::with_capacity(64),
        callers: List::zeroed(64),
    };
    Table::new(config, network, OWN, memory)
}

/// Ids that lie together in every depth, down to such that differ only in their last bits.
fn clustered(shape: &[(u8, u8)]) -> Vec<Id> {
    let mut rng = Rng::from_seed([9; 32]);
    let mut ids = vec![OWN];
    for &(parent, depth) in shape {
        let parent = ids[usize::from(parent) % ids.len()];
        ids.push(parent.random_in_bucket(u32::from(depth) % 160, &mut rng));
    }
    ids.split_off(1)
}

/// The contacts in the order of their distance, by sorting all of them.
fn by_distance(table: &Table<'_>, target: &Id, skip: Option<Endpoint>) -> Vec<Id> {
    let mut all: Vec<_> = table.contacts().filter(|c| c.health != Health::Bad && Some(c.endpoint) != skip).collect();
    all.sort_by_key(|c| c.id.distance(target));
    all.iter().map(|c| c.id).collect()
}

fn closest(table: &Table<'_>, target: &Id, skip: Option<Endpoint>, n: usize) -> Vec<Id> {
    let mut found = Vec::new();
    table.closest(target, skip.as_ref(), n, |c| found.push(*c.id()));
    found
}

/// T32: nearest first, complete, and nobody twice, for any shape of the table.
#[test]
fn closest_is_the_beginning_of_all_contacts_sorted_by_distance() {
    fn property(shape: Vec<(u8, u8)>, target: (u8, u8), skip: Option<u8>, n: u8, failures: Vec<u8>) -> bool {
        let mut table = table(TableConfig { bucket_sizes: [1000; 5], ..rules() }, Network::Local, 1000, 0);
        let ids = clustered(&shape);
        let addr = |i: usize| Endpoint::v4([10, 0, (i >> 8) as u8, i as u8], 1);
        for (i, id) in ids.iter().enumerate() {
            table.on_response(Instant::from_secs(1), id, addr(i), RTT);
        }
        for i in failures.iter().map(|&i| usize::from(i)).filter(|&i| i < ids.len()) {
            table.on_failure(Instant::from_secs(2), &ids[i], addr(i), QueryKind::Data);
        }
        table.check_invariants();
        let near = ids.get(usize::from(target.0)).unwrap_or(&OWN);
        let target = near.random_in_bucket(target.1.into(), &mut Rng::from_seed([3; 32]));
        let skip = skip.map(|i| addr(i.into()));
        let mut expected = by_distance(&table, &target, skip);
        expected.truncate(n.into());
        closest(&table, &target, skip, n.into()) == expected
    }
    quickcheck(property as fn(Vec<(u8, u8)>, (u8, u8), Option<u8>, u8, Vec<u8>) -> bool);
}

#[test]
fn closest_is_exact_in_a_large_random_table_too() {
    let mut rng = Rng::from_seed([1; 32]);
    let mut table = table(TableConfig { bucket_sizes: [1280; 5], ..rules() }, Network::Local, 1280, 0);
    for i in 0..1280u32 {
        table.on_response(Instant::ZERO, &Id::random(&mut rng), Endpoint::v4((0x0a00_0000 + i).to_be_bytes(), 1), RTT);
    }
    for _ in 0..200 {
        let target = Id::random(&mut rng);
        let all = by_distance(&table, &target, None);
        for n in [1, 8, 20, 100, 1280] {
            assert!(closest(&table, &target, None, n) == all[..n]);
        }
    }
}

/// T33: ids that share their first 64 bits cannot be told apart by the prefixes.
#[test]
fn closest_is_exact_among_hundreds_of_ids_with_one_prefix() {
    let mut rng = Rng::from_seed([2; 32]);
    let mut table = table(TableConfig { bucket_sizes: [300; 5], ..rules() }, Network::Local, 300, 0);
    let base = Id::random(&mut rng);
    for i in 0..300u32 {
        let id = base.random_in_bucket(64 + i % 90, &mut rng);
        table.on_response(Instant::ZERO, &id, Endpoint::v4((0x0a00_0000 + i).to_be_bytes(), 1), RTT);
    }
    for depth in [0, 30, 63, 64, 65, 100, 159, 160] {
        let target = base.random_in_bucket(depth, &mut rng);
        assert!(closest(&table, &target, None, 100) == by_distance(&table, &target, None)[..100]);
    }
}

/// T6: a bucket takes as many as it has places, and not one more.
#[test]
fn a_bucket_is_full_at_its_size() {
    fn property(size: u16, bucket: u8) -> bool {
        let (size, bucket) = (size % 200 + 1, u32::from(bucket % 40));
        let mut table = table(TableConfig { bucket_sizes: [size; 5], ..rules() }, Network::Local, 4000, 16);
        let mut rng = Rng::from_seed([4; 32]);
        let mut add = |port: u16| {
            let id = OWN.random_in_bucket(bucket, &mut rng);
            table.on_response(Instant::ZERO, &id, Endpoint::v4([127, 0, 0, 1], port), RTT)
        };
        (1..=size).all(|port| add(port) == Admission::Added) && add(size + 1) == Admission::Full
    }
    quickcheck(property as fn(u16, u8) -> bool);
}

/// T8: so many of one /24 in a bucket and in the table, and not one more.
#[test]
fn a_network_is_full_at_its_limits() {
    fn property(in_bucket: u8, in_all: u8) -> TestResult {
        let (in_bucket, in_all) = (in_bucket % 6 + 1, in_all % 30 + 1);
        let config = TableConfig { per_network_in_bucket: in_bucket, per_network: in_all, ..rules() };
        let mut table = table(config, Network::Public, 512, 16);
        let mut rng = Rng::from_seed([5; 32]);
        let (mut host, mut added) = (0u8, 0);
        for bucket in 0..31 {
            let mut of_bucket = 0;
            for _ in 0..=in_bucket {
                host += 1;
                let id = OWN.random_in_bucket(bucket, &mut rng);
                match table.on_response(Instant::ZERO, &id, Endpoint::v4([7, 7, 7, host], 1), RTT) {
                    Admission::Added => of_bucket += 1,
                    Admission::Refused(AdmissionRefusal::Network) => {}
                    other => return TestResult::error(format!("{other:?}")),
                }
            }
            added += of_bucket;
            if of_bucket != in_bucket && added != in_all {
                return TestResult::failed();
            }
            if added == in_all {
                break;
            }
        }
        table.check_invariants();
        TestResult::from_bool(added == in_all && table.len() == usize::from(in_all))
    }
    quickcheck(property as fn(u8, u8) -> TestResult);
}

/// A small world, in which ids and addresses meet again and again.
struct World {
    table: Table<'static>,
    now: Instant,
    ids: Vec<Id>,
    addrs: Vec<Endpoint>,
    rng: Rng,
    /// Every pair of id and address that answered.
    proven: BTreeSet<(Id, Endpoint)>,
}

impl World {
    fn new(network: Network, capacity: usize) -> Self {
        let mut rng = Rng::from_seed([6; 32]);
        let host = |n: u8| Endpoint::v4([20, 0, n / 5, n % 4], 1 + u16::from(n % 3));
        let mut ids: Vec<Id> = (0..60).map(|n| OWN.random_in_bucket(n % 8, &mut rng)).collect();
        ids.extend((0..8).map(|n| Id::secure(host(7 * n).ip(), &mut rng)));
        ids.extend((0..4).map(|n| OWN.random_in_bucket(30 + n, &mut rng)));
        ids.extend([OWN, Id([0; 20])]);
        let mut addrs: Vec<Endpoint> = (0..60).map(host).collect();
        addrs.extend((0..30u8).map(|n| Endpoint::v4([30, n, 1, 1], 1)));
        addrs.extend([Endpoint::UNSPECIFIED, Endpoint::v4([127, 0, 0, 1], 1), Endpoint::v6([0x20; 16], 1)]);
        let config = TableConfig { bucket_sizes: [6, 5, 4, 3, 2], ..rules() };
        let table = table(config, network, capacity, 12);
        World { table, now: Instant::from_secs(1), ids, addrs, rng, proven: BTreeSet::new() }
    }

    fn good(&self) -> BTreeSet<(Id, Endpoint)> {
        self.table.contacts().filter(|c| c.health == Health::Good).map(|c| (c.id, c.endpoint)).collect()
    }

    /// One operation. Returns what is wrong afterwards.
    fn step(&mut self, (what, a, b, time): (u8, u8, u8, u8)) -> Result<(), String> {
        let id = self.ids[usize::from(a) % self.ids.len()];
        let addr = self.addrs[usize::from(b) % self.addrs.len()];
        // Mostly the address where this id was met before, so that something survives.
        let met = self.proven.iter().find(|(known, _)| *known == id).map(|(_, addr)| *addr);
        let home = met.filter(|_| b % 4 != 0).unwrap_or(addr);
        let weight = if b % 2 == 0 { QueryKind::Data } else { QueryKind::Check };
        let before = self.good();
        let mut may_go: Option<(Id, Endpoint)> = None;
        let mut all_may_go = false;
        match what % 16 {
            0..=4 => {
                let others = before.iter().find(|(_, known)| *known == home).copied();
                match self.table.on_response(self.now, &id, home, RTT) {
                    Admission::Added | Admission::Updated => {
                        self.proven.insert((id, home));
                        // Only a squatter loses its id to another endpoint.
                        may_go = before.iter().find(|(known, _)| *known == id).copied();
                        if may_go.is_some_and(|(_, addr)| addr != home && id.is_secure_for(addr.ip())) {
                            return Err("the owner of an id lost it".into());
                        }
                    }
                    Admission::IdChanged => may_go = others,
                    Admission::Full | Admission::Refused(_) => {}
                }
                // When memory is short a far bucket may give way.
                all_may_go = self.table.capacity() < 32;
            }
            5 => drop(self.table.on_query(self.now, &id, addr) as u8),
            6 => drop(self.table.offer(self.now, &id, addr)),
            7..=9 => {
                may_go = Some((id, home));
                if self.table.on_failure(self.now, &id, home, weight) == Failed::Dropped && before.contains(&(id, home))
                {
                    return Err("one failure was enough".into());
                }
            }
            10 => {
                may_go = Some((id, home));
                self.table.on_wrong_id(self.now, &id, home, &self.ids[usize::from(what) % self.ids.len()]);
            }
            11 => self.table.on_alive(self.now, &id, home, Duration::from_millis(1)),
            12 | 13 => {
                let mut checks = 0;
                while let Some((id, to)) = self.table.next_check(self.now) {
                    checks += 1;
                    if checks > 1 || id == *self.table.own() || to.port() == 0 {
                        return Err(format!("check {checks} of {id} at {to}"));
                    }
                }
                if self.table.check_at().is_some_and(|at| at <= self.now) {
                    return Err("the deadline of the next check does not move".into());
                }
            }
            14 => {
                while self.table.next_refresh(self.now, &mut self.rng).is_some() {}
                if self.table.refresh_at().is_some_and(|at| at <= self.now) {
                    return Err("the deadline of the next refresh does not move".into());
                }
            }
            _ if a % 8 == 0 => {
                all_may_go = true;
                self.table.set_own(self.now, OWN.random_in_bucket(u32::from(b) % 6, &mut self.rng));
            }
            _ if a % 8 == 1 => {
                all_may_go = true;
                self.table.set_addr(self.now, Some(addr));
            }
            _ => {}
        }
        self.table.check_invariants();
        let after = self.good();
        if after.iter().any(|pair| !self.proven.contains(pair)) {
            return Err("somebody who never answered is a contact".into());
        }
        let all: BTreeSet<_> = self.table.contacts().map(|c| (c.id, c.endpoint)).collect();
        if let Some(gone) = before.iter().find(|pair| !all.contains(pair) && may_go != Some(**pair))
            && !all_may_go
        {
            return Err(format!("{gone:?} answers and was evicted"));
        }
        let target = self.ids[usize::from(b) % self.ids.len()];
        if closest(&self.table, &target, None, 100) != by_distance(&self.table, &target, None) {
            return Err("closest is wrong".into());
        }
        self.now += Duration::from_millis(u64::from(time) * u64::from(time) * 20);
        Ok(())
    }
}

fn run(mut world: World, steps: Vec<(u8, u8, u8, u8)>) -> TestResult {
    for step in steps {
        if let Err(what) = world.step(step) {
            return TestResult::error(format!("after {step:?}: {what}"));
        }
    }
    TestResult::passed()
}

/// T1, T3, T6, T8, T11, T19: over any history.
#[test]
fn no_sequence_of_facts_breaks_the_table() {
    fn public(steps: Vec<(u8, u8, u8, u8)>) -> TestResult {
        run(World::new(Network::Public, 64), steps)
    }
    fn local(steps: Vec<(u8, u8, u8, u8)>) -> TestResult {
        run(World::new(Network::Local, 64), steps)
    }
    fn short_of_memory(steps: Vec<(u8, u8, u8, u8)>) -> TestResult {
        run(World::new(Network::Public, 7), steps)
    }
    quickcheck(public as fn(Vec<(u8, u8, u8, u8)>) -> TestResult);
    quickcheck(local as fn(Vec<(u8, u8, u8, u8)>) -> TestResult);
    quickcheck(short_of_memory as fn(Vec<(u8, u8, u8, u8)>) -> TestResult);
}

/// The same, in a few long runs: what only shows after thousands of steps.
#[test]
fn a_long_run_does_not_break_the_table() {
    for (seed, network, capacity) in [(1, Network::Public, 64), (2, Network::Local, 64), (3, Network::Public, 7)] {
        let mut rng = Rng::from_seed([seed; 32]);
        let mut world = World::new(network, capacity);
        for _ in 0..8_000 {
            let [what, a, b, time] = rng.bytes();
            if let Err(wrong) = world.step((what, a, b, time)) {
                panic!("{wrong}");
            }
        }
        assert!(!world.proven.is_empty());
    }
}

/// Any times, forwards and backwards to the end of time: no panic, and one check and one refresh at most for one time.
#[test]
fn no_clock_breaks_the_table() {
    fn property(steps: Vec<(u8, u8, u64)>) -> bool {
        let mut world = World::new(Network::Public, 16);
        steps.iter().all(|&(what, a, micros)| {
            world.now = Instant::from_micros(micros);
            let (now, table) = (world.now, &mut world.table);
            let (id, addr) =
                (world.ids[usize::from(a) % world.ids.len()], world.addrs[usize::from(a) % world.addrs.len()]);
            match what % 4 {
                0 => _ = table.on_response(now, &id, addr, Some(Duration::from_micros(micros))),
                1 => _ = table.on_query(now, &id, addr),
                2 => _ = table.on_failure(now, &id, addr, QueryKind::Data),
                _ => table.on_wrong_id(now, &id, addr, &world.ids[usize::from(what) % world.ids.len()]),
            }
            let checks = (0..3).filter(|_| table.next_check(now).is_some()).count();
            let refreshes = (0..3).filter(|_| table.next_refresh(now, &mut world.rng).is_some()).count();
            checks <= 1 && refreshes <= 1
        })
    }
    quickcheck(property as fn(Vec<(u8, u8, u64)>) -> bool);
}
