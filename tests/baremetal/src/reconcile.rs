//! Two sets of 256 entries, in lent memory, find what they do not have in common.

use core::fmt::Write;

use honeyguide::base::Rng;
use honeyguide::negentropy::{Difference, Entry, Limits, Reconciler, ReconcilerConfig, Sorted, Step, Sum};

use crate::hash::{Hash, report};

const ENTRIES: usize = 256;
const SUMS: usize = Sorted::sums_len(ENTRIES);
const FRAME: usize = 4096;

/// Runs everything; a check that fails panics, which the machine turns into an exit code.
pub fn run(out: &mut dyn Write) {
    let mut hash = Hash::new();
    let told = session(&mut Rng::from_seed([9; 32]), |message| hash.eat(message));
    assert_eq!(told, (16, 16));
    report(out, "reconcile", &hash);
}

/// Runs a session with the smallest frames and shows every message to `see`; returns how many ids were told on each side.
fn session(rng: &mut Rng, mut see: impl FnMut(&[u8])) -> (usize, usize) {
    let mut ours = [Entry::default(); ENTRIES];
    for (entry, timestamp) in ours.iter_mut().zip(1_700_000_000..) {
        *entry = Entry { timestamp, id: rng.bytes() };
    }
    let mut theirs = ours;
    for entry in theirs.iter_mut().step_by(16) {
        entry.id = rng.bytes();
    }
    theirs.reverse();

    // One side looks at a sorted slice that could as well lie in flash, the other one sorts what it was lent.
    let (mut our_sums, mut their_sums) = ([Sum::ZERO; SUMS], [Sum::ZERO; SUMS]);
    let ours = Sorted::new(&ours, &mut our_sums).expect("ascending");
    let theirs = Sorted::sort(&mut theirs, &mut their_sums).expect("a set");

    let mut limits = Limits::initiator();
    limits.message = FRAME;
    let config = ReconcilerConfig::new(limits).with_frame_limit(FRAME);
    let mut scratch = [0; FRAME / 32];
    let mut client = Reconciler::initiator_in(config.clone(), &mut scratch).expect("sound");
    let mut server = Reconciler::responder(config).expect("sound");
    let (mut up, mut down) = ([0; FRAME], [0; FRAME]);
    let (mut have, mut need) = (0, 0);
    let mut len = client.initiate(&ours, &mut up).expect("room");
    loop {
        see(&up[..len]);
        let Ok(Step::Reply(reply)) = server.reconcile(&theirs, &up[..len], &mut down, &mut |_| ()) else {
            panic!("the responder always answers")
        };
        see(&down[..reply]);
        let step = client.reconcile(&ours, &down[..reply], &mut up, &mut |difference| match difference {
            Difference::Have(_) => have += 1,
            Difference::Need(_) => need += 1,
        });
        match step.expect("a sound partner") {
            Step::Reply(next) => len = next,
            Step::Done => return (have, need),
        }
    }
}
