//! Set reconciliation beside the `negentropy` crate: a million entries on each side, whole sessions in this process.
//!
//! `--only reconcile` runs this alone. Each row runs both alternately; the ratio is the median of those within a round.
//! Times are processor time, since a machine is seldom idle.
//! A session's time is that of `initiate` and of every message on both sides; reporting the differences is part of it.

use std::hint::black_box;
use std::time::Duration;

use honeyguide::base::Rng;
use honeyguide::negentropy::{
    Difference, Entry, Limits, RatelessInitiator, RatelessResponder, RatelessStep, Reconciler, ReconcilerConfig,
    Sealed, SortedSet, Step, Tree,
};
use negentropy::{Id, Negentropy, NegentropyStorageVector, Storage};
use rustix::time::{ClockId, clock_gettime};

const N: usize = 1_000_000;
/// What `--only` has to name.
pub const NAME: &str = "reconcile";

/// Longest message of any row.
const LONGEST: usize = 64 << 20;

pub fn report(rounds: usize) {
    let rounds = rounds.min(7);
    let mut rng = Rng::from_seed([77; 32]);
    println!("reconcile, {N} x {N} entries       honeyguide     negentropy 0.5.3    ratio");
    let unsorted = entries(&mut rng, N);
    let goal = "2x, or no slower than the floor below";
    versus("build from unsorted", goal, rounds, &mut || drop(build(&unsorted)), &mut || drop(build_theirs(&unsorted)));
    floor(rounds, &unsorted);
    for (d, goal) in [(0, ""), (10, ""), (1_000, "6x"), (100_000, "")] {
        let pair = Pair::new(&mut rng, N, d);
        pair.row(&format!("d = {d}"), goal, rounds, (0, 0));
        if d == 100_000 {
            pair.row("d = 100000, frames 60 kB / 500 kB", "", rounds.min(3), (60_000, 500_000));
            pair.framed("d = 100000, adaptive, 60/500 kB", "10x, half the rounds", rounds.min(3), (60_000, 500_000));
            pair.adaptive("d = 100000, adaptive", (0, 0));
            pair.adaptive("d = 100000, adaptive, 60/500 kB", (60_000, 500_000));
            pair.adaptive("d = 100000, adaptive, 60/60 kB", (60_000, 60_000));
        }
        if d <= 1_000 {
            pair.adaptive(&format!("d = {d}, adaptive"), (0, 0));
        }
    }
    for (d, goal) in [(10, "1 ms"), (1_000, "2 ms"), (100_000, "")] {
        Pair::new(&mut rng, N, d).rateless(&mut rng, goal);
    }
    let pair = Pair::new(&mut rng, N, 10_000);
    pair.row("d = 10000", "", 1, (0, 0));
    let whole = pair.adaptive("d = 10000, adaptive", (0, 0));
    let cut = pair.adaptive("d = 10000, adaptive, 60/60 kB", (60_000, 60_000));
    let times = |of: fn(&Traffic) -> f64| of(&cut) / of(&whole);
    let (bytes, time) = (times(|t| (t.up + t.down) as f64), times(|t| (t.time[0] + t.time[1]).as_secs_f64()));
    println!("{:<36} {bytes:.2}x the bytes (goal 1.2x), {time:.2}x the time (goal 2x)", "  frames cost");
    let pair = Pair::tail(&mut rng, N, 1_000);
    pair.row("newest 1000 on one side", "", 1, (0, 0));
    pair.adaptive("newest 1000 on one side, adaptive", (0, 0));
    memory(&unsorted);
    tree_with_symbols(&mut rng, &unsorted);
    tree(&mut rng, &unsorted);
    drop(unsorted);
    Pair::new(&mut rng, 10 * N, 100).rateless(&mut rng, "5 ms");
}

fn entries(rng: &mut Rng, n: usize) -> Vec<Entry> {
    (0..n).map(|_| Entry { timestamp: u64::from(rng.below(N as u32)), id: rng.bytes() }).collect()
}

fn build(entries: &[Entry]) -> Sealed {
    let mut own = Vec::with_capacity(entries.len());
    entries.iter().for_each(|entry| own.push(*entry));
    Sealed::build(own).expect("random timestamps are small")
}

fn build_theirs(entries: &[Entry]) -> NegentropyStorageVector {
    let mut storage = NegentropyStorageVector::with_capacity(entries.len());
    for entry in entries {
        storage.insert(entry.timestamp, Id::from_byte_array(entry.id)).expect("not sealed");
    }
    storage.seal().expect("once");
    storage
}

/// Runs both alternately and prints their medians.
fn versus(name: &str, goal: &str, rounds: usize, ours: &mut dyn FnMut(), theirs: &mut dyn FnMut()) {
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        a.push(timed(&mut *ours).1);
        b.push(timed(&mut *theirs).1);
    }
    print_row(name, goal, &mut a, &mut b);
}

/// What building cannot do without: the copy that either side sorts, and a plain sort of it.
fn floor(rounds: usize, unsorted: &[Entry]) {
    let copy = || black_box(unsorted.to_vec());
    for (name, work) in [("  a copy of them", false), ("  a copy and sort_unstable", true)] {
        let once = || {
            let mut entries = copy();
            if work {
                entries.sort_unstable();
            }
            entries
        };
        let mut times: Vec<Duration> = (0..rounds).map(|_| timed(once).1).collect();
        times.sort();
        println!("{name:<36} {:>10.4} ms", times[times.len() / 2].as_secs_f64() * 1e3);
    }
}

fn print_row(name: &str, goal: &str, ours: &mut [Duration], theirs: &mut [Duration]) {
    let mut ratios: Vec<f64> = ours.iter().zip(&*theirs).map(|(a, b)| b.as_secs_f64() / a.as_secs_f64()).collect();
    ratios.sort_by(f64::total_cmp);
    ours.sort();
    theirs.sort();
    let ms = |times: &[Duration]| times[times.len() / 2].as_secs_f64() * 1e3;
    let goal = if goal.is_empty() { String::new() } else { format!("  (goal {goal})") };
    println!("{name:<36} {:>10.4} ms {:>16.3} ms {:>8.1}x{goal}", ms(ours), ms(theirs), ratios[ratios.len() / 2]);
}

/// What this thread has had of a processor: others that wait for one do not count. They still take their part of the
/// caches.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

fn timed<R>(work: impl FnOnce() -> R) -> (R, Duration) {
    let start = processor_time();
    let result = work();
    (result, processor_time() - start)
}

/// The median of so many sessions as fill a few milliseconds, so that short ones find their data in the cache, whoever
/// ran before.
fn batch(mut session: impl FnMut() -> Traffic) -> Duration {
    let (mut total, mut times) = (Duration::ZERO, Vec::new());
    while total < Duration::from_millis(5) {
        let Traffic { time, .. } = session();
        total += time[0] + time[1];
        times.push(time[0] + time[1]);
    }
    times.sort();
    times[times.len() / 2]
}

/// Two sets on either implementation.
struct Pair {
    sets: [Sealed; 2],
    theirs: [NegentropyStorageVector; 2],
    d: usize,
}

#[derive(Default, Debug)]
struct Traffic {
    rounds: usize,
    up: usize,
    down: usize,
    told: usize,
    time: [Duration; 2],
}

impl Pair {
    /// So many scattered differences, half on each side.
    fn new(rng: &mut Rng, n: usize, d: usize) -> Pair {
        let common = entries(rng, n - d / 2);
        Pair::of([0, 1].map(|_| [common.clone(), entries(rng, d / 2)].concat()), d)
    }

    /// The answering side has so many newer ones.
    fn tail(rng: &mut Rng, n: usize, d: usize) -> Pair {
        let common = entries(rng, n);
        let newest = (0..d).map(|i| Entry { timestamp: (n + i) as u64, id: rng.bytes() }).collect();
        Pair::of([common.clone(), [common, newest].concat()], d)
    }

    fn of(lists: [Vec<Entry>; 2], d: usize) -> Pair {
        let theirs = [build_theirs(&lists[0]), build_theirs(&lists[1])];
        Pair { sets: lists.map(|list| build(&list)), theirs, d }
    }

    fn row(&self, name: &str, goal: &str, rounds: usize, frames: (usize, usize)) {
        let mut buffers = Buffers::default();
        let (mut a, mut b, mut messages) = (Vec::new(), Vec::new(), (0, 0));
        for _ in 0..rounds {
            let ours = session(&self.sets, frames, false, &mut buffers);
            let theirs = session_theirs(&self.theirs, frames);
            assert!(ours.told >= self.d && ours.told == theirs.told, "{ours:?} {theirs:?}");
            assert_eq!((ours.rounds, ours.up, ours.down), (theirs.rounds, theirs.up, theirs.down));
            messages = (ours.rounds, ours.up + ours.down);
            a.push(batch(|| session(&self.sets, frames, false, &mut buffers)));
            b.push(batch(|| session_theirs(&self.theirs, frames)));
        }
        print_row(name, goal, &mut a, &mut b);
        println!("{:<36} {:>3} round trips, {} bytes", "  of either", messages.0, messages.1);
    }

    /// Adaptive splitting beside the other's, with frames.
    fn framed(&self, name: &str, goal: &str, rounds: usize, frames: (usize, usize)) {
        let (mut buffers, mut messages) = (Buffers::default(), (0, 0));
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let ours = session(&self.sets, frames, true, &mut buffers);
            let theirs = session_theirs(&self.theirs, frames);
            assert!(ours.told >= self.d && theirs.told >= self.d, "{ours:?} {theirs:?}");
            messages = (ours.rounds, theirs.rounds);
            a.push(ours.time[0] + ours.time[1]);
            b.push(theirs.time[0] + theirs.time[1]);
        }
        print_row(name, goal, &mut a, &mut b);
        println!("{:<36} {} and {}", "  round trips", messages.0, messages.1);
    }

    fn rateless(&mut self, rng: &mut Rng, goal: &str) {
        self.rateless_session("rateless, a key of its own", "", 1, || RatelessInitiator::new(rng.bytes(), 1 << 20));
        let (key, number) = (rng.bytes(), 1_500);
        let ((), time) = timed(|| self.sets.iter_mut().for_each(|set| set.keep_symbols(key, number)));
        self.rateless_session("rateless, 1500 kept", goal, 9, || RatelessInitiator::kept(1 << 20));
        println!("{:<36} {:.1} ms", "  both sets' symbols built in", time.as_secs_f64() * 1e3);
    }

    fn rateless_session(&self, name: &str, goal: &str, times: usize, mut initiator: impl FnMut() -> RatelessInitiator) {
        let responder = RatelessResponder::new(1 << 20);
        let (mut up, mut down) = (vec![0; RatelessInitiator::MESSAGE_LEN], vec![0; LONGEST]);
        let mut all = Vec::new();
        for _ in 0..times {
            let (mut rounds, mut told, mut bytes, mut initiator) = (0, 0, 0, initiator());
            let start = processor_time();
            let mut len = initiator.initiate(&self.sets[0], &mut up).expect("room");
            loop {
                rounds += 1;
                let reply = responder.answer(&self.sets[1], &up[..len], &mut down).expect("sound");
                bytes += len + reply;
                match initiator.reconcile(&self.sets[0], &down[..reply], &mut up, &mut |_| told += 1).expect("sound") {
                    RatelessStep::Reply(next) => len = next,
                    RatelessStep::Done => break,
                    RatelessStep::FallBack => panic!("fell back"),
                }
            }
            assert_eq!(told, self.d);
            all.push((processor_time() - start, rounds, bytes));
        }
        all.sort();
        let (time, rounds, bytes) = all[times / 2];
        let goal = if goal.is_empty() { String::new() } else { format!(" (goal {goal})") };
        println!(
            "{:<36} {rounds:>3} round trips, {bytes} bytes, {:.1} a difference; {:.3} ms{goal}",
            format!("d = {}, {name}", self.d),
            bytes as f64 / self.d as f64,
            time.as_secs_f64() * 1e3
        );
    }

    fn adaptive(&self, name: &str, frames: (usize, usize)) -> Traffic {
        let mut buffers = Buffers::default();
        let mut best: Option<Traffic> = None;
        for _ in 0..3 {
            let ours = session(&self.sets, frames, true, &mut buffers);
            assert!(ours.told >= self.d, "{ours:?}");
            if best.as_ref().is_none_or(|best| ours.time[0] + ours.time[1] < best.time[0] + best.time[1]) {
                best = Some(ours);
            }
        }
        let ours = best.expect("three runs");
        let bytes = ours.up + ours.down;
        println!(
            "{name:<36} {:>3} round trips, {bytes} bytes, {:.1} a difference; {:.3} + {:.3} ms",
            ours.rounds,
            bytes as f64 / self.d.max(1) as f64,
            ours.time[0].as_secs_f64() * 1e3,
            ours.time[1].as_secs_f64() * 1e3
        );
        ours
    }
}

/// Kept between sessions, as a server would.
#[derive(Default)]
struct Buffers {
    up: Vec<u8>,
    down: Vec<u8>,
}

fn session(sets: &[Sealed; 2], frames: (usize, usize), adaptive: bool, buffers: &mut Buffers) -> Traffic {
    let config = |frame| {
        let config = ReconcilerConfig::new(Limits::trusting(LONGEST)).with_frame_limit(frame);
        if adaptive { config } else { config.conformance() }
    };
    buffers.up.resize(LONGEST, 0);
    buffers.down.resize(LONGEST, 0);
    let mut client = Reconciler::initiator(config(frames.0)).expect("sound");
    let mut server = Reconciler::responder(config(frames.1)).expect("sound");
    let mut traffic = Traffic::default();
    let mut found: Vec<(bool, [u8; 32])> = Vec::new();
    let (len, time) = timed(|| client.initiate(&sets[0], &mut buffers.up).expect("room"));
    traffic.time[0] += time;
    let mut len = len;
    loop {
        traffic.rounds += 1;
        traffic.up += len;
        let (step, time) = timed(|| server.reconcile(&sets[1], &buffers.up[..len], &mut buffers.down, &mut |_| ()));
        traffic.time[1] += time;
        let Ok(Step::Reply(reply)) = step else { panic!("{step:?}") };
        traffic.down += reply;
        let (step, time) = timed(|| {
            client.reconcile(&sets[0], &buffers.down[..reply], &mut buffers.up, &mut |difference| {
                found.push(match difference {
                    Difference::Have(id) => (true, *id),
                    Difference::Need(id) => (false, *id),
                });
            })
        });
        traffic.time[0] += time;
        match step {
            Ok(Step::Reply(next)) => len = next,
            Ok(Step::Done) => break,
            Err(error) => panic!("{error}"),
        }
    }
    traffic.told = found.len();
    traffic
}

fn session_theirs(sets: &[NegentropyStorageVector; 2], frames: (usize, usize)) -> Traffic {
    let mut client = Negentropy::new(Storage::Borrowed(&sets[0]), frames.0 as u64).expect("sound");
    let mut server = Negentropy::new(Storage::Borrowed(&sets[1]), frames.1 as u64).expect("sound");
    let mut traffic = Traffic::default();
    let (mut have, mut need) = (Vec::new(), Vec::new());
    let (message, time) = timed(|| client.initiate().expect("once"));
    traffic.time[0] += time;
    let mut message = message;
    loop {
        traffic.rounds += 1;
        traffic.up += message.len();
        let (reply, time) = timed(|| server.reconcile(&message).expect("sound"));
        traffic.time[1] += time;
        traffic.down += reply.len();
        let (next, time) = timed(|| client.reconcile_with_ids(&reply, &mut have, &mut need).expect("sound"));
        traffic.time[0] += time;
        match next {
            Some(next) => message = next,
            None => break,
        }
    }
    traffic.told = have.len() + need.len();
    traffic
}

fn memory(unsorted: &[Entry]) {
    let own = unsorted.to_vec();
    let set = Sealed::build(own).expect("sound");
    println!("{:<36} {:.1} bytes an entry", "memory, sealed", set.memory() as f64 / N as f64);
}

/// Random inserts and erases into trees of a million, by turns with and without kept symbols.
fn tree_with_symbols(rng: &mut Rng, unsorted: &[Entry]) {
    let sorted = build(unsorted);
    let plain = Tree::from_sorted(sorted.entries()).expect("ascending");
    let (mut kept, key) = (plain.clone(), rng.bytes());
    let ((), time) = timed(|| kept.keep_symbols(key, 1_500));
    println!("{:<36} {:.1} ms", "tree, 1500 symbols built in", time.as_secs_f64() * 1e3);
    let mut trees = [plain, kept];
    let mut times = [[const { Vec::new() }; 2], [const { Vec::new() }; 2]];
    // The first change of a clone copies what it shares: before the clock runs.
    let warm = entries(rng, 200_000);
    trees.iter_mut().for_each(|tree| warm.iter().for_each(|entry| assert!(tree.insert(*entry).expect("sound"))));
    for _ in 0..9 {
        let fresh = entries(rng, 20_000);
        for (tree, times) in trees.iter_mut().zip(&mut times) {
            times[0].push(timed(|| fresh.iter().for_each(|entry| assert!(tree.insert(*entry).expect("sound")))).1);
            times[1].push(timed(|| fresh.iter().for_each(|entry| assert!(tree.erase(entry)))).1);
        }
    }
    for (i, what) in ["insert", "erase"].into_iter().enumerate() {
        let [plain, kept] = [0, 1].map(|tree| {
            times[tree][i].sort();
            times[tree][i][4].as_nanos() as f64 / 20_000.0
        });
        let ratio = kept / plain;
        println!(
            "{:<36} {plain:.0} ns, with 1500 symbols {kept:.0} ns, {ratio:.2}x (goal 1.5x)",
            format!("tree, random {what}")
        );
    }
}

fn tree(rng: &mut Rng, unsorted: &[Entry]) {
    let (tree, time) = timed(|| {
        let mut tree = Tree::new();
        for entry in unsorted {
            tree.insert(*entry).expect("sound");
        }
        tree
    });
    println!("{:<36} {:.1} bytes an entry", "memory, tree in random order", tree.memory() as f64 / N as f64);
    println!("{:<36} {:.2} million a second", "tree, random insert", N as f64 / time.as_micros() as f64);
    let (std_tree, time_std) = timed(|| {
        let mut tree = std::collections::BTreeSet::new();
        unsorted.iter().for_each(|entry| assert!(tree.insert(*entry)));
        tree
    });
    drop(std_tree);
    println!("{:<36} {:.2} million a second", "std BTreeSet, random insert", N as f64 / time_std.as_micros() as f64);
    let ranges: Vec<(usize, usize)> = (0..200_000)
        .map(|_| {
            let (a, b) = (rng.below(N as u32) as usize, rng.below(N as u32) as usize);
            (a.min(b), a.max(b))
        })
        .collect();
    let (_, time) = timed(|| ranges.iter().fold(0, |x, (a, b)| x ^ tree.fingerprint(*a..*b).0[0]));
    println!("{:<36} {:.0} ns", "tree, range fingerprint", time.as_nanos() as f64 / ranges.len() as f64);
    let sealed = build(unsorted);
    let (_, time) = timed(|| ranges.iter().fold(0, |x, (a, b)| x ^ sealed.fingerprint(*a..*b).0[0]));
    println!("{:<36} {:.0} ns", "sealed, range fingerprint", time.as_nanos() as f64 / ranges.len() as f64);
    let mut tree = tree;
    let (_, time) = timed(|| unsorted.iter().take(N / 2).filter(|entry| tree.erase(entry)).count());
    println!("{:<36} {:.2} million a second", "tree, random erase", (N / 2) as f64 / time.as_micros() as f64);
}
