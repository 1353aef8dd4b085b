//! Decoding and encoding of three responses, beside a codec that was written by hand for nothing else.
//! `cargo bench --bench codec`. Ratios against other implementations: `benches/peers`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fixtures::{Message, NAMES, hand};
use honeyguide::Id;
use honeyguide::krpc;
use honeyguide::krpc::{Decoded, Method, Query, Want};

#[path = "fixtures/mod.rs"]
mod fixtures;

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    for (name, message) in NAMES.map(|name| (name, Message::new(name))) {
        group.throughput(Throughput::Bytes(message.wire.len() as u64));
        group.bench_function(format!("{name}/honeyguide"), |bencher| {
            bencher.iter(|| matches!(black_box(krpc::decode(black_box(&message.wire))), Ok(Decoded::Response(_))));
        });
        group.bench_function(format!("{name}/hand"), |bencher| {
            bencher.iter(|| black_box(hand::decode(black_box(&message.wire))).is_some());
        });
    }
    for (name, method) in [
        ("find_node", Method::FindNode { target: Id::default(), want: Want::default() }),
        ("get", Method::Get { target: Id::default(), seq: Some(7), want: Want { v4: true, v6: true } }),
    ] {
        let query = Query { tid: b"tid4", version: Some(b"HG01"), read_only: false, id: Id::default(), method };
        let mut buffer = [0; 1500];
        let length = query.encode(&mut buffer).expect("a query fits");
        group.throughput(Throughput::Bytes(length as u64));
        group.bench_function(format!("query/{name}"), |bencher| {
            bencher.iter(|| matches!(black_box(krpc::decode(black_box(&buffer[..length]))), Ok(Decoded::Query(_))));
        });
    }
    let message = Message::new("B");
    group.bench_function("B/peers/honeyguide", |bencher| {
        bencher.iter(|| match krpc::decode(black_box(&message.wire)) {
            Ok(Decoded::Response(response)) => response.values.peers().map(|peer| u64::from(peer.port())).sum(),
            _ => 0,
        });
    });
    group.bench_function("B/peers/hand", |bencher| {
        bencher.iter(|| match hand::decode(black_box(&message.wire)).and_then(|flat| flat.values) {
            Some(values) => hand::peers(values).map(|peer| u64::from(peer[4]) << 8 | u64::from(peer[5])).sum(),
            None => 0,
        });
    });
    group.finish();
}

fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");
    for (name, message) in NAMES.map(|name| (name, Message::new(name))) {
        group.throughput(Throughput::Bytes(message.wire.len() as u64));
        let mut buffer = [0; 1500];
        group.bench_function(format!("{name}/honeyguide"), |bencher| {
            bencher.iter(|| black_box(&message).response().encode(black_box(&mut buffer)));
        });
        let (flat, peers) = message.flat();
        let mut out = Vec::with_capacity(1500);
        hand::encode(&flat, peers, &mut out);
        assert_eq!(out, message.wire);
        group.bench_function(format!("{name}/hand"), |bencher| {
            bencher.iter(|| hand::encode(black_box(&flat), black_box(peers), black_box(&mut out)));
        });
    }
    group.finish();
}

criterion_group!(benches, decode, encode);
criterion_main!(benches);
