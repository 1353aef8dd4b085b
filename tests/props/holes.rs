//! Sessions of sets that differ in stretches: what one side lacks as a whole, has little of, or has besides. With stock
//! limits every session finds everything, whatever the frames, and little is told twice (N26, N30, N38).

use honeyguide::base::Rng;
use honeyguide::negentropy::{Entry, Limits, Reconciler, ReconcilerConfig, Sealed};

use crate::sessions::{Found, Ours, Side, Theirs, converse};

const FRAMES: [usize; 3] = [0, 4096, 60_000];

/// Both sides, and how many entries of each the other one lacks.
struct Pair {
    name: String,
    lists: [Vec<Entry>; 2],
    differ: (usize, usize),
}

/// How the sides differ in a stretch: of so many entries, so many on both sides, on the first alone, on the second alone.
const STRETCHES: [[u32; 3]; 6] = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1], [1, 40, 0], [0, 1, 1]];

impl Pair {
    fn new(rng: &mut Rng, most: u32) -> Pair {
        let (n, stretches) = (most / 4 + rng.below(most), [2, 3, 5, 17, 60, 400][rng.below(6) as usize]);
        let is_even = rng.below(2) == 0;
        let kinds: Vec<usize> = (0..2 + rng.below(4)).map(|_| rng.below(6) as usize).collect();
        let mut starts: Vec<u32> =
            (0..stretches).map(|i| if is_even { i * (n / stretches) } else { rng.below(n) }).collect();
        starts.sort_unstable();
        let (mut lists, mut differ, mut stretch) = ([Vec::new(), Vec::new()], (0, 0), 0);
        for time in 0..n {
            while starts.get(stretch).is_some_and(|start| *start <= time) {
                stretch += 1;
            }
            let weights = STRETCHES[kinds[stretch % kinds.len()]];
            let kind = rng.below(weights.iter().sum());
            let entry = Entry { timestamp: u64::from(time), id: rng.bytes() };
            if kind < weights[0] + weights[1] {
                lists[0].push(entry);
            }
            if kind < weights[0] || kind >= weights[0] + weights[1] {
                lists[1].push(entry);
            }
            differ.0 += usize::from(kind >= weights[0] && kind < weights[0] + weights[1]);
            differ.1 += usize::from(kind >= weights[0] + weights[1]);
        }
        Pair { name: format!("{n} entries, {stretches} stretches, kinds {kinds:?}, even {is_even}"), lists, differ }
    }

    /// Runs a session in which the first side asks, in lent memory or not, the other one or the `negentropy` crate.
    fn session(&self, conformance: bool, frames: [usize; 2], is_lent: bool, is_theirs: bool) {
        let sets = self.lists.clone().map(|list| Sealed::build(list).unwrap());
        let config = |limits, frame| {
            let config = ReconcilerConfig::new(limits).with_frame_limit(frame);
            if conformance { config.conformance() } else { config }
        };
        let asks = config(Limits::initiator(), frames[0]);
        let mut scratch = vec![0; 1 << 16];
        let mut client = match is_lent {
            true => Ours::with(Reconciler::initiator_in(asks, &mut scratch).unwrap(), &sets[0]),
            false => Ours::new(true, asks, &sets[0]),
        };
        let mut server: Box<dyn Side + '_> = match is_theirs {
            true => Box::new(Theirs::new(&self.lists[1], frames[1])),
            false => Box::new(Ours::new(false, config(Limits::responder(), frames[1]), &sets[1])),
        };
        let mut found = Found::default();
        let end = converse(&mut client, &mut *server, &mut found, &mut |_| ());
        let name = format!("{}, conformance {conformance}, {frames:?}, theirs {is_theirs}", self.name);
        assert_eq!(end, Ok(()), "{name}");
        assert_eq!(found.distinct(), self.differ, "{name}");
        for (told, differ, list) in
            [(found.have, self.differ.0, &self.lists[0]), (found.need, self.differ.1, &self.lists[1])]
        {
            assert!(told.len() - differ < 3 * list.len().max(1), "{name}: {} of {} told", told.len(), list.len());
        }
    }
}

/// N38. Without it, sessions of whom lacked much of the other set ended by the limit of own ids.
#[test]
fn whatever_stretches_a_side_lacks_a_session_finds_all_and_tells_little_twice() {
    let mut rng = Rng::from_seed([79; 32]);
    for case in 0..40 {
        let pair = Pair::new(&mut rng, 8000);
        let frames = [0, 1].map(|_| FRAMES[rng.below(3) as usize]);
        for conformance in [false, true] {
            for is_theirs in [false, true] {
                pair.session(conformance, frames, case % 3 == 0, is_theirs);
            }
        }
    }
}
