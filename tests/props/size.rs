//! How far the two estimates of the network's size are off, over seeded runs.

use honeyguide::Config;
use honeyguide::Instant;
use honeyguide::base::Rng;
use honeyguide::dht::SizeEstimate;
use honeyguide::dht::{Network, TableConfig};
use honeyguide::internals::base::list::List;
use honeyguide::internals::dht::size::{LOOKUPS, LookupDensity};
use honeyguide::internals::dht::table::{BUCKETS, Table, TableMemory};
use honeyguide::{Endpoint, Id};
use quickcheck::quickcheck;

fn table(own: Id, bucket_sizes: [u16; 5]) -> Table<'static> {
    let memory = TableMemory {
        contacts: List::with_capacity(600),
        prefixes: List::with_capacity(600),
        newcomers: List::with_capacity(0),
        buckets: List::with_capacity(BUCKETS),
        id_changes: List::with_capacity(0),
        remembered: List::with_capacity(0),
        callers: List::zeroed(0),
    };
    Table::new(TableConfig { bucket_sizes, ..Config::default().table }, Network::Local, own, memory)
}

fn estimate(table: &Table<'_>) -> SizeEstimate {
    let density = table.density();
    SizeEstimate::of_table(density.depth, density.contacts)
}

/// Estimates of a node that met everybody in a network of `n`, each divided by `n`.
fn of_tables(n: u32, bucket_sizes: [u16; 5], runs: u8) -> Vec<f64> {
    let run = |seed| {
        let mut rng = Rng::from_seed([seed; 32]);
        let mut table = table(Id::random(&mut rng), bucket_sizes);
        for i in 1..n {
            let addr = Endpoint::v4((0x1000_0000 + i).to_be_bytes(), 1);
            table.on_response(Instant::ZERO, &Id::random(&mut rng), addr, None);
        }
        estimate(&table).n as f64 / f64::from(n)
    };
    (0..runs).map(run).collect()
}

/// Root mean square of the logarithms.
fn rms_log(ratios: &[f64]) -> f64 {
    (ratios.iter().map(|r| r.ln().powi(2)).sum::<f64>() / ratios.len() as f64).sqrt()
}

/// Z2, with buckets of 16 as in the published comparison.
#[test]
fn the_table_tells_the_size_of_the_network_within_a_quarter() {
    let runs = [(20, 100), (100, 100), (1_000, 100), (10_000, 40)];
    for (n, runs) in runs {
        let error = rms_log(&of_tables(n, [16; 5], runs));
        println!("table of 16 a bucket, N = {n}: RMS log error {error:.2}");
        assert!(error <= 0.25, "N = {n}: {error}");
    }
    for n in [20, 100, 1_000, 10_000] {
        let error = rms_log(&of_tables(n, Config::default().table.bucket_sizes, 40));
        println!("default table, N = {n}: RMS log error {error:.2}");
        assert!(error <= 0.32, "N = {n}: {error}");
    }
}

/// The `k` smallest of `n` random distances, as ids around a target.
fn nearest(target: &Id, n: usize, k: usize, rng: &mut Rng) -> Vec<Id> {
    let mut all: Vec<u64> = (0..n).map(|_| rng.next_u64()).collect();
    all.select_nth_unstable(k - 1);
    all.truncate(k);
    all.sort_unstable();
    let at = |distance: &u64| {
        let mut id = *target;
        id.0[..8].copy_from_slice(&(target.prefix() ^ distance).to_be_bytes());
        id
    };
    all.iter().map(at).collect()
}

/// Estimates of a network of `n` nodes after so many lookups that each found the `k` nearest, all but those that are
/// missed, each divided by `n`.
fn of_lookups(n: usize, k: usize, lookups: usize, missed: f64) -> Vec<f64> {
    let mut rng = Rng::from_seed([(k + lookups) as u8; 32]);
    let mut one = || {
        let mut density = LookupDensity::new(List::with_capacity(LOOKUPS));
        for _ in 0..lookups {
            let target = Id::random(&mut rng);
            let mut found = nearest(&target, n, (2 * k).min(n), &mut rng);
            found.retain(|_| rng.below(1_000) >= (1_000.0 * missed) as u32);
            density.on_lookup(&target, found, k as u8, 0);
        }
        density.estimate(0, 0).n as f64 / n as f64
    };
    (0..60).map(|_| one()).collect()
}

/// Z3: unbiased, and after 16 lookups of 20 nodes within 6 %.
#[test]
fn lookups_tell_the_size_of_the_network_ever_better() {
    for (k, lookups, most) in [(20, 16, 0.06), (8, 16, 0.10), (20, 1, 0.27)] {
        let ratios = of_lookups(5_000, k, lookups, 0.0);
        let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
        let sd = (ratios.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / ratios.len() as f64).sqrt();
        println!("{lookups} lookups of {k}: mean {mean:.3}, standard deviation {sd:.3}");
        assert!(sd <= most, "{lookups} lookups of {k}: {sd}");
        assert!((mean - 1.0).abs() <= 0.02f64.max(2.0 * most / 60f64.sqrt()), "{lookups} lookups of {k}: {mean}");
    }
}

/// The `k` nearest of so many ids that nobody draws them all: each distance by the law of the least of those that are
/// left.
fn nearest_of_many(target: &Id, n: usize, k: usize, rng: &mut Rng) -> Vec<Id> {
    let mut share = 0.0;
    let mut next = |i: usize| {
        let uniform = (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        share += (1.0 - share) * -((-uniform).ln_1p() / (n - i) as f64).exp_m1();
        let mut id = *target;
        id.0[..8].copy_from_slice(&(target.prefix() ^ (share * 2f64.powi(64)) as u64).to_be_bytes());
        id
    };
    (0..k).map(&mut next).collect()
}

/// Z3, of two million nodes: the curve of the mainline crate over the number of lookups (0.281 L^-0.529) is reached with
/// each, within a tenth, and without its bias of 6 %; with sixteen it is 6 % at most.
#[test]
fn in_a_network_of_two_million_the_error_falls_with_each_lookup_as_elsewhere() {
    let mut rng = Rng::from_seed([2; 32]);
    for lookups in [1, 2, 4, 8, 16] {
        let mut one = |_| {
            let mut density = LookupDensity::new(List::with_capacity(LOOKUPS));
            for _ in 0..lookups {
                let target = Id::random(&mut rng);
                density.on_lookup(&target, nearest_of_many(&target, 2_000_000, 40, &mut rng), 20, 0);
            }
            density.estimate(0, 0).n as f64 / 2e6
        };
        let ratios: Vec<f64> = (0..2_000).map(&mut one).collect();
        let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
        let sd = (ratios.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / ratios.len() as f64).sqrt();
        let curve = 0.281 * f64::from(lookups).powf(-0.529);
        println!("{lookups} lookups: mean {mean:.3}, standard deviation {sd:.3}, the curve has {curve:.3}");
        let most = if lookups == 16 { 0.06 } else { 1.1 * curve };
        assert!(sd <= most && (mean - 1.0).abs() <= 0.02, "{lookups} lookups: {mean}, {sd}");
    }
}

/// Z3, of networks that are hardly larger than what a lookup finds, or smaller.
#[test]
fn small_networks_are_counted_as_they_are() {
    for n in [2, 5, 10, 19, 20, 21, 24, 30, 40, 100] {
        let ratios = of_lookups(n, 20, 16, 0.0);
        let error = rms_log(&ratios);
        println!("{n} others: RMS log error {error:.3}");
        let ourselves = 1.0 / n as f64;
        assert!(ratios.iter().all(|ratio| (ratio - 1.0 - ourselves).abs() < 0.3), "{n}: {ratios:?}");
        assert!(n > 20 || ratios.iter().all(|ratio| (ratio - 1.0).abs() <= 1.01 * ourselves), "{n}: {ratios:?}");
    }
}

/// Z3: who is missed is missed in the estimate, and no more than that.
#[test]
fn the_estimate_is_off_by_the_share_of_those_that_do_not_answer() {
    let ratios = of_lookups(5_000, 20, 16, 0.1);
    let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
    assert!((mean - 0.9).abs() < 0.02, "{mean}");
}

/// Z1: ids that somebody invented next to ours.
#[test]
fn no_id_makes_the_estimate_overflow() {
    fn property(depths: Vec<u8>) -> bool {
        let own = Id([0x77; 20]);
        let mut rng = Rng::from_seed([1; 32]);
        let mut table = table(own, [2; 5]);
        for (n, depth) in depths.iter().enumerate() {
            let addr = Endpoint::v4((0x1000_0000 + n as u32).to_be_bytes(), 1);
            table.on_response(Instant::ZERO, &own.random_in_bucket(u32::from(*depth) % 160, &mut rng), addr, None);
        }
        let estimate = estimate(&table);
        let mut density = LookupDensity::new(List::with_capacity(LOOKUPS));
        let mut ids: Vec<Id> = table.contacts().map(|c| c.id).collect();
        ids.sort_unstable_by_key(|id| id.distance(&own));
        density.on_lookup(&own, ids, 20, 0);
        estimate.n > table.len() as u64 / 2 && density.estimate(0, 0).n > 0
    }
    quickcheck(property as fn(Vec<u8>) -> bool);
}
