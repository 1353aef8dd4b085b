//! What the routing table and the limiter cost on the packet path.

use std::hint::black_box;
use std::net::Ipv4Addr;

use criterion::{Criterion, criterion_group, criterion_main};
use honeyguide::Config;
use honeyguide::Instant;
use honeyguide::base::Rng;
use honeyguide::dht::Network;
use honeyguide::internals::base::list::List;
use honeyguide::internals::dht::contact::Contact;
use honeyguide::internals::dht::limiter::Limiter;
use honeyguide::internals::dht::table::{BUCKETS, ID_CHANGES, Table, TableMemory};
use honeyguide::{Endpoint, Id};
use std::time::Duration;

const RTT: Option<Duration> = Some(Duration::from_millis(80));

/// A table of exactly so many random contacts.
fn table(contacts: usize, rng: &mut Rng) -> Table<'static> {
    let mut config = Config::default().table;
    config.bucket_sizes = [contacts as u16; 5];
    let memory = TableMemory {
        contacts: List::with_capacity(contacts),
        prefixes: List::with_capacity(contacts),
        newcomers: List::with_capacity(256),
        buckets: List::with_capacity(BUCKETS),
        id_changes: List::with_capacity(ID_CHANGES),
        remembered: List::with_capacity(512),
        callers: List::zeroed(4_096),
    };
    let mut table = Table::new(config, Network::Public, Id::random(rng), memory);
    while table.len() < contacts {
        table.on_response(Instant::from_secs(1), &Id::random(rng), host(rng), RTT);
    }
    table
}

fn host(rng: &mut Rng) -> Endpoint {
    Endpoint::v4((rng.next_u32() % 0xa000_0000 + 0x1000_0000).to_be_bytes(), 6881)
}

fn closest(c: &mut Criterion) {
    let mut rng = Rng::from_seed([1; 32]);
    let targets: Vec<Id> = (0..1024).map(|_| Id::random(&mut rng)).collect();
    for contacts in [271, 1280] {
        let table = table(contacts, &mut rng);
        for n in [8, 20] {
            let mut next = targets.iter().cycle();
            c.bench_function(&format!("closest({n}) of {contacts}"), |b| {
                b.iter(|| {
                    let mut found = [(Id::default(), Endpoint::UNSPECIFIED); 20];
                    let mut places = found.iter_mut();
                    table.closest(next.next().unwrap(), None, n, |contact: &Contact| {
                        if let Some(place) = places.next() {
                            *place = (*contact.id(), contact.endpoint());
                        }
                    });
                    black_box(found)
                });
            });
        }
    }
}

fn facts(c: &mut Criterion) {
    let mut rng = Rng::from_seed([2; 32]);
    let now = Instant::from_secs(2);
    for contacts in [271, 1280] {
        let mut table = table(contacts, &mut rng);
        let known: Vec<_> = table.contacts().map(|c| (c.id, c.endpoint)).collect();
        let mut next = known.iter().cycle();
        c.bench_function(&format!("on_response of one of {contacts}"), |b| {
            b.iter(|| {
                let (id, addr) = next.next().unwrap();
                table.on_response(now, id, *addr, RTT)
            });
        });
        c.bench_function(&format!("on_query of one of {contacts}"), |b| {
            b.iter(|| {
                let (id, addr) = next.next().unwrap();
                table.on_query(now, id, *addr)
            });
        });
        let strangers: Vec<_> = (0..1024).map(|_| (Id::random(&mut rng), host(&mut rng))).collect();
        let mut next = strangers.iter().cycle();
        c.bench_function(&format!("on_query of a stranger to {contacts}"), |b| {
            b.iter(|| {
                let (id, addr) = next.next().unwrap();
                table.on_query(now, id, *addr)
            });
        });
        c.bench_function(&format!("on_response of a stranger to a full table of {contacts}"), |b| {
            b.iter(|| {
                let (id, addr) = next.next().unwrap();
                table.on_response(now, id, *addr, RTT)
            });
        });
        let mut now = Instant::from_secs(3600);
        c.bench_function(&format!("a check of {contacts}"), |b| {
            b.iter(|| {
                now += Duration::from_secs(3);
                table.next_check(now)
            });
        });
    }
}

fn limiter(c: &mut Criterion) {
    let config = Config::default();
    let new = || Limiter::new(config.limiter, Network::Public, [1, 2], List::zeroed(config.capacity.meters));
    let mut rng = Rng::from_seed([3; 32]);
    let hosts: Vec<_> = (0..1024).map(|_| host(&mut rng)).collect();
    let mut known = new();
    let (mut now, mut next) = (Instant::from_secs(1), hosts.iter().cycle());
    c.bench_function("admit one of 1024 hosts", |b| {
        b.iter(|| {
            now += Duration::from_millis(1);
            known.judge(now, next.next().unwrap())
        });
    });
    let (mut flooded, mut n) = (new(), u32::from(Ipv4Addr::new(20, 0, 0, 0)));
    c.bench_function("admit in a flood of new hosts", |b| {
        b.iter(|| {
            n = n.wrapping_add(0x9e37_79b9);
            now += Duration::from_millis(1);
            flooded.judge(now, &Endpoint::v4(n.to_be_bytes(), 5))
        });
    });
    let mut spent = new();
    let greedy = hosts[0];
    c.bench_function("refuse a host that is past its rate", |b| b.iter(|| spent.judge(now, &greedy)));
    c.bench_function("expect and hear the answer", |b| {
        b.iter(|| {
            let host = next.next().unwrap();
            known.expect(now, host);
            known.judge(now, host);
            known.on_answer(host);
        });
    });
    c.bench_function("charge a reply", |b| {
        b.iter(|| {
            now += Duration::from_millis(1);
            known.charge(now, next.next().unwrap(), 300)
        });
    });
}

criterion_group!(benches, closest, facts, limiter);
criterion_main!(benches);
