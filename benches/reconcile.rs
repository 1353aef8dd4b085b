//! What the parts of a reconciliation cost: the sum of a range, a bound, an insertion, and whole sessions.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use honeyguide::base::Rng;
use honeyguide::negentropy::{Entry, Limits, Reconciler, ReconcilerConfig, Sealed, SortedSet, Step, Tree};

const N: usize = 100_000;

fn entries(rng: &mut Rng, n: usize) -> Vec<Entry> {
    (0..n).map(|_| Entry { timestamp: u64::from(rng.below(N as u32)), id: rng.bytes() }).collect()
}

fn parts(c: &mut Criterion) {
    let mut rng = Rng::from_seed([1; 32]);
    let list = entries(&mut rng, N);
    let sealed = Sealed::build(list.clone()).unwrap();
    let tree = Tree::from_sorted(sealed.entries()).unwrap();
    let mut place = || rng.below(N as u32) as usize;
    let ranges: Vec<_> = (0..1024).map(|_| (place(), place())).map(|(a, b)| a.min(b)..a.max(b)).collect();
    let mut next = ranges.iter().cycle();
    c.bench_function("fingerprint of a range, sealed", |b| {
        b.iter(|| sealed.fingerprint(next.next().unwrap().clone()));
    });
    c.bench_function("fingerprint of a range, tree", |b| b.iter(|| tree.fingerprint(next.next().unwrap().clone())));
    c.bench_function("lower bound without a hint, sealed", |b| {
        b.iter(|| sealed.lower_bound(&list[next.next().unwrap().start], 0, 0));
    });
    c.bench_function("build 100,000 unsorted", |b| {
        b.iter_batched(|| list.clone(), |list| Sealed::build(list).unwrap(), BatchSize::LargeInput);
    });
    c.bench_function("insert and erase, tree of 100,000", |b| {
        let mut tree = tree.clone();
        b.iter(|| {
            let entry = list[next.next().unwrap().end];
            assert!(tree.erase(&entry) && tree.insert(entry).unwrap());
        });
    });
}

fn sessions(c: &mut Criterion) {
    let mut rng = Rng::from_seed([2; 32]);
    for d in [0, 10, 1000] {
        let common = entries(&mut rng, N);
        let sets = [0, 1].map(|_| Sealed::build([common.clone(), entries(&mut rng, d / 2)].concat()).unwrap());
        for adaptive in [false, true] {
            let config = ReconcilerConfig::new(Limits::trusting(1 << 22)).with_frame_limit(0);
            let config = if adaptive { config } else { config.conformance() };
            let (mut up, mut down) = (vec![0; 1 << 22], vec![0; 1 << 22]);
            let mut scratch = vec![0; config.scratch_len()];
            let name = format!("session, d = {d}, {}", if adaptive { "adaptive" } else { "as the reference" });
            c.bench_function(&name, |b| {
                b.iter(|| {
                    let mut client = Reconciler::initiator_in(config.clone(), &mut scratch).unwrap();
                    let mut server = Reconciler::responder(config.clone()).unwrap();
                    let mut told = 0;
                    let mut len = client.initiate(&sets[0], &mut up).unwrap();
                    while let Ok(Step::Reply(reply)) = server.reconcile(&sets[1], &up[..len], &mut down, &mut |_| ()) {
                        match client.reconcile(&sets[0], &down[..reply], &mut up, &mut |_| told += 1).unwrap() {
                            Step::Reply(next) => len = next,
                            Step::Done => break,
                        }
                    }
                    assert_eq!(told, d);
                    black_box(told)
                });
            });
        }
    }
}

criterion_group!(benches, parts, sessions);
criterion_main!(benches);
