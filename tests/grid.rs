//! A grid of sessions: frames of both sides, sizes and differences, with the `negentropy` crate in either role, and two
//! ends of ours with stock limits. Every cell finds all there is (N1 to N14, N26, N27, N31 to N37).
//!
//! Up to 1,000 entries it runs with all tests. Cells of a million need an optimized build (`.ci/run grid`), and the whole
//! grid takes up to an hour: `cargo test --release --test grid -- --ignored --nocapture the_whole_grid`.

use honeyguide::base::Rng;
use honeyguide::negentropy::{Entry, Limits, ReconcileError, ReconcilerConfig, Sealed, SortedSet};
use negentropy::NegentropyStorageVector;

#[path = "shared/sessions.rs"]
mod sessions;

use sessions::{Found, Ours, Side, Theirs, converse, entries, storage};

const FRAMES: [usize; 4] = [0, 4096, 60_000, 500_000];
const MILLION: usize = 1_000_000;

#[derive(Clone, Copy, PartialEq, Debug)]
enum Role {
    WeAsk,
    WeAnswer,
    /// Nobody else takes part.
    Both,
    /// The same with the messages of the reference.
    Conformance,
}

/// So many entries on each side, of which so many are on one side alone, in both forms.
struct Pair {
    size: usize,
    /// Own differences of either side.
    differ: [usize; 2],
    /// Their ids, in order.
    own: [Vec<[u8; 32]>; 2],
    ours: [Sealed; 2],
    theirs: [NegentropyStorageVector; 2],
}

impl Pair {
    fn new(size: usize, differences: usize) -> Pair {
        let mut rng = Rng::from_seed([size as u8 ^ differences as u8; 32]);
        // What exceeds the size means all.
        let differ = if differences >= size { [size; 2] } else { [differences / 2, differences - differences / 2] };
        let common = entries(&mut rng, size - differ[1]);
        let own = differ.map(|own| entries(&mut rng, own));
        let lists = own.each_ref().map(|own| [&common[..], own].concat());
        let own = own.map(|own| {
            let mut ids: Vec<[u8; 32]> = own.iter().map(|entry| entry.id).collect();
            ids.sort_unstable();
            ids
        });
        let theirs = [storage(&lists[0]), storage(&lists[1])];
        Pair { size, differ, own, ours: lists.map(|list| Sealed::build(list).unwrap()), theirs }
    }

    /// Rounds of the session in which the first set asks.
    fn session(&self, own: usize, partner: usize, role: Role) -> usize {
        let config = |limits, frame| {
            let config = ReconcilerConfig::new(limits).with_frame_limit(frame);
            if role == Role::Conformance { config.conformance() } else { config }
        };
        let mut client: Box<dyn Side + '_> = match role {
            Role::WeAnswer => Box::new(Theirs::of(&self.theirs[0], partner)),
            _ => Box::new(Ours::new(true, config(Limits::initiator(), own), &self.ours[0])),
        };
        let mut server: Box<dyn Side + '_> = match role {
            Role::WeAsk => Box::new(Theirs::of(&self.theirs[1], partner)),
            Role::WeAnswer => Box::new(Ours::new(false, config(Limits::responder(), own), &self.ours[1])),
            _ => Box::new(Ours::new(false, config(Limits::responder(), partner), &self.ours[1])),
        };
        let (mut found, mut messages) = (Found::default(), 0);
        let end = converse(&mut *client, &mut *server, &mut found, &mut |_| messages += 1);
        let name = format!("{} entries, {:?} differ, frames {own} and {partner}, {role:?}", self.size, self.differ);
        assert_eq!(end, Ok(()), "{name}");
        assert!(found.sorted() == self.own, "{name}: not what differs");
        messages / 2
    }

    /// A line of the table: rounds for all frames.
    fn row(&self, role: Role) -> String {
        let cells = FRAMES.map(|own| FRAMES.map(|partner| self.session(own, partner, role).to_string()).join(" / "));
        let [ours, theirs] = self.differ;
        format!("| {} | {ours} + {theirs} | {role:?} | {} |", self.size, cells.join(" | "))
    }
}

fn differences(size: usize) -> Vec<usize> {
    let mut all = vec![0, 10.min(size), size / 10, size];
    all.sort_unstable();
    all.dedup();
    all
}

#[test]
fn sessions_of_up_to_a_thousand_entries_find_everything_with_any_frames() {
    for size in [0, 1, 1000] {
        for differences in differences(size) {
            let pair = Pair::new(size, differences);
            for role in [Role::WeAsk, Role::WeAnswer, Role::Both, Role::Conformance] {
                pair.row(role);
            }
        }
    }
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn named_sessions_of_a_million_find_everything() {
    let cells: [(usize, &[(usize, usize)]); 4] = [
        (0, &[(0, 0), (4096, 4096)]),
        (10, &[(0, 0), (4096, 4096), (60_000, 60_000), (4096, 500_000)]),
        (MILLION / 10, &[(0, 0), (60_000, 500_000), (500_000, 60_000), (60_000, 60_000)]),
        (MILLION, &[(0, 0), (60_000, 500_000)]),
    ];
    for (differences, frames) in cells {
        let pair = Pair::new(MILLION, differences);
        for (own, partner) in frames {
            for role in [Role::WeAsk, Role::WeAnswer, Role::Both, Role::Conformance] {
                let rounds = pair.session(*own, *partner, role);
                println!("{differences} differences, frames {own} and {partner}, {role:?}: {rounds} rounds");
            }
        }
    }
}

/// The larger set holds more than there were steps in a message once. What one session may claim is a million.
#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn sessions_of_millions_find_everything_with_stock_limits() {
    for size in [4_200_000, 10_000_000] {
        let mut rng = Rng::from_seed([71; 32]);
        let large = Sealed::build(entries(&mut rng, size)).unwrap();
        let own: Vec<Entry> = entries(&mut rng, 10);
        for few in [Vec::new(), [large.entries()[..1000].to_vec(), own].concat()] {
            let small = Sealed::build(few).unwrap();
            let (lacking, extra) = if small.is_empty() { (size, 0) } else { (size - 1000, 10) };
            let (mut from, mut found) = (Entry::default(), Found::default());
            loop {
                let mut client = Ours::new(true, ReconcilerConfig::new(Limits::initiator()), &small).from(from);
                let mut server = Ours::new(false, ReconcilerConfig::new(Limits::responder()), &large);
                match converse(&mut client, &mut server, &mut found, &mut |_| ()) {
                    Ok(()) => break,
                    Err(ReconcileError::TooManyNeeds { from: next, .. }) => from = next,
                    Err(error) => panic!("{error}"),
                }
            }
            assert_eq!(found.distinct(), (extra, lacking));
            let mut server = Ours::new(true, ReconcilerConfig::new(Limits::initiator()), &large);
            let mut client = Ours::new(false, ReconcilerConfig::new(Limits::responder()), &small);
            let mut found = Found::default();
            converse(&mut server, &mut client, &mut found, &mut |_| ()).unwrap();
            assert_eq!(found.distinct(), (lacking, extra));
        }
    }
}

/// N38: it lacks every second entry of the oldest ones, and a large stretch behind, up to the newest or not.
#[test]
fn a_partner_with_small_frames_may_lack_most_of_the_set() {
    let ours = Sealed::build(entries(&mut Rng::from_seed([82; 32]), 40_000)).unwrap();
    for hole in [10_000..40_000, 10_000..38_000] {
        let has = |place: usize| !hole.contains(&place) && (place > hole.end || place.is_multiple_of(2));
        let theirs: Vec<Entry> = (0..ours.len()).filter(|place| has(*place)).filter_map(|at| ours.entry(at)).collect();
        let lacking = ours.len() - theirs.len();
        for frame in [0, 60_000] {
            let config = ReconcilerConfig::new(Limits::initiator()).with_frame_limit(frame).conformance();
            let (mut client, mut found) = (Ours::new(true, config, &ours), Found::default());
            converse(&mut client, &mut Theirs::new(&theirs, 4096), &mut found, &mut |_| ()).unwrap();
            assert_eq!(found.distinct(), (lacking, 0));
            assert!(found.have.len() < lacking + lacking / 100, "{} of {lacking}", found.have.len());
        }
    }
}

#[test]
#[ignore = "takes up to an hour, and prints the table of `spec/negentropy.md`"]
fn the_whole_grid() {
    println!("| entries | differ | role | own 0 | own 4,096 | own 60,000 | own 500,000 |");
    for size in [0, 1, 1000, MILLION] {
        for differences in differences(size) {
            let pair = Pair::new(size, differences);
            std::thread::scope(|scope| {
                let rows = [Role::WeAsk, Role::WeAnswer, Role::Both].map(|role| {
                    let pair = &pair;
                    scope.spawn(move || pair.row(role))
                });
                rows.into_iter().for_each(|row| println!("{}", row.join().unwrap()));
            });
        }
    }
}
