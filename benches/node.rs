//! A query's way through a whole node, from datagram to datagram.
//!
//! Run: `cargo bench --bench node`. The asker is a contact of the node or a stranger.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use honeyguide::{Config, Endpoint};
use server::{Server, find_nodes};

#[path = "fixtures/server.rs"]
#[expect(dead_code, reason = "not every measurement needs everything")]
mod server;

fn answer(c: &mut Criterion) {
    for contacts in [271, 1280] {
        let mut server = Server::new(contacts);
        let (id, addr) = server.contact();
        let queries = find_nodes(id, 1024);
        for (who, from) in [("contact", addr), ("stranger", Endpoint::v4([99, 99, 99, 99], 999))] {
            let mut next = queries.iter().cycle();
            c.bench_function(&format!("find_node answered, {contacts} contacts, asked by a {who}"), |b| {
                b.iter(|| black_box(server.serve(from, next.next().unwrap()).len()));
            });
        }
    }
}

/// What is kept costs no packet anything.
fn answer_while_keeping(c: &mut Criterion) {
    let mut config = Config::default();
    config.capacity.kept = 10_000;
    let mut server = Server::with(config, 1280);
    server.keep(10_000);
    let (id, addr) = server.contact();
    let queries = find_nodes(id, 1024);
    let mut next = queries.iter().cycle();
    c.bench_function("find_node answered, 1280 contacts, 10,000 kept keys", |b| {
        b.iter(|| black_box(server.serve(addr, next.next().unwrap()).len()));
    });
}

criterion_group!(benches, answer, answer_while_keeping);
criterion_main!(benches);
