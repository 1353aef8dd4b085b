//! Sessions of any two sets: the differences are found, in few rounds, with any frames, any kind of set, any splitting, and
//! with the `negentropy` crate on the other side.

use std::collections::BTreeSet;

use honeyguide::base::Rng;
use honeyguide::internals::negentropy::{Bound, FrameReader, FrameWriter, Mode, version};
use honeyguide::negentropy::{
    Entry, Fingerprint, Limits, ReconcileError, Reconciler, ReconcilerConfig, Sealed, SortedSet, Step, Strictness,
    Tree, Window,
};

use crate::sessions::{Found, Ours, Side, Theirs, converse};

const BUFFER: usize = 1 << 20;

type Ids = BTreeSet<[u8; 32]>;

/// The messages of a session, and what the initiator found.
fn run(client: &mut dyn Side, server: &mut dyn Side) -> (Vec<Vec<u8>>, Found) {
    let (mut found, mut messages) = (Found::default(), Vec::new());
    let end = converse(client, server, &mut found, &mut |message| {
        messages.push(message.to_vec());
        assert!(messages.len() < 400, "no end");
    });
    end.unwrap();
    (messages, found)
}

/// Two lists with the shape that the seed gives: sizes, density, and how much they share.
fn pair(rng: &mut Rng) -> [Vec<Entry>; 2] {
    let n = [0, 1, 20, 33, 100, 700, 3000][rng.below(7) as usize];
    let spread = [1, 3, 50, 100_000, u64::MAX - 1][rng.below(5) as usize];
    let weights = [[1, 1, 1], [40, 1, 1], [1000, 1, 3], [1, 0, 0], [30, 1, 0], [10, 0, 9]][rng.below(6) as usize];
    let prefix = [0, 0, 0, 30][rng.below(4) as usize];
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for _ in 0..n {
        let mut id = [9; 32];
        rng.fill(&mut id[prefix..]);
        let entry = Entry { timestamp: rng.next_u64() % spread, id };
        let kind = rng.below(weights.iter().sum());
        if kind < weights[0] + weights[1] {
            a.push(entry);
        }
        if kind < weights[0] || kind >= weights[0] + weights[1] {
            b.push(entry);
        }
    }
    if rng.below(2) == 0 { [a, b] } else { [b, a] }
}

fn ids(entries: &[Entry]) -> Ids {
    entries.iter().map(|entry| entry.id).collect()
}

fn frame(rng: &mut Rng) -> usize {
    [0, 0, 4096, 4097, 5000, 20_000][rng.below(6) as usize]
}

fn check(name: &str, lists: &[Vec<Entry>; 2], frames: [usize; 2], (messages, found): &(Vec<Vec<u8>>, Found)) {
    let (a, b) = (ids(&lists[0]), ids(&lists[1]));
    // Ids that were drawn twice (few random bytes) may have two timestamps, of which V1 says other things.
    if a.len() != lists[0].len() || b.len() != lists[1].len() {
        return;
    }
    let set = |ids: &[[u8; 32]]| ids.iter().copied().collect::<Ids>();
    assert_eq!(set(&found.have), a.difference(&b).copied().collect(), "{name}");
    assert_eq!(set(&found.need), b.difference(&a).copied().collect(), "{name}");
    if frames == [0, 0] {
        assert_eq!(set(&found.have).len(), found.have.len(), "{name}: told twice");
        assert_eq!(set(&found.need).len(), found.need.len(), "{name}: told twice");
        assert!(messages.len() <= 24, "{name}: {} messages", messages.len());
    }
    for (i, message) in messages.iter().enumerate() {
        assert!(frames[i % 2] == 0 || message.len() <= frames[i % 2], "{name}");
    }
}

fn config(frame: usize, adaptive: bool, rng: &mut Rng) -> ReconcilerConfig {
    let mut config = ReconcilerConfig::new(Limits::trusting(BUFFER)).with_frame_limit(frame);
    if !adaptive {
        config = config.conformance();
    } else if rng.below(2) == 0 {
        config.random_splits = Some(rng.bytes());
    }
    config
}

/// Conformance mode: every message equals that of the crate, whichever role either has; so the crate on both sides, or on
/// one, gives one and the same transcript (N7, N8, N10).
#[test]
fn all_messages_are_those_of_the_negentropy_crate_in_both_roles() {
    let mut rng = Rng::from_seed([21; 32]);
    for case in 0..700 {
        let (lists, frames) = (pair(&mut rng), [frame(&mut rng), frame(&mut rng)]);
        let sets = lists.clone().map(|list| Sealed::build(list).unwrap());
        let name = format!("case {case}");
        let ours = |side: usize| {
            let config = ReconcilerConfig::new(Limits::trusting(BUFFER)).conformance().with_frame_limit(frames[side]);
            Ours::new(side == 0, config, &sets[side])
        };
        let theirs = |side: usize| Theirs::new(&lists[side], frames[side]);
        let reference = run(&mut theirs(0), &mut theirs(1));
        check(&name, &lists, frames, &reference);
        for (who, session) in [
            ("ours asks", run(&mut ours(0), &mut theirs(1))),
            ("ours answers", run(&mut theirs(0), &mut ours(1))),
            ("ours on both sides", run(&mut ours(0), &mut ours(1))),
        ] {
            assert!(session.0 == reference.0, "{name}, {who}: another transcript");
            check(&name, &lists, frames, &session);
        }
    }
}

/// Adaptive mode with itself and with the crate in either role, over sealed sets, trees and windows (N20 to N25).
#[test]
fn adaptive_sessions_find_the_differences_with_any_partner_and_any_store() {
    let mut rng = Rng::from_seed([22; 32]);
    for case in 0..700 {
        let (lists, frames) = (pair(&mut rng), [frame(&mut rng), frame(&mut rng)]);
        let name = format!("case {case}");
        let sealed = lists.clone().map(|list| Sealed::build(list).unwrap());
        let trees = [&sealed[0], &sealed[1]].map(|set| {
            let mut tree = Tree::from_sorted(&set.entries()[..set.len() / 2]).unwrap();
            set.entries()[set.len() / 2..].iter().rev().for_each(|entry| assert_eq!(tree.insert(*entry), Ok(true)));
            tree
        });
        let first = Entry { timestamp: 0, id: [0; 32] };
        let last = Entry { timestamp: u64::MAX, id: [0; 32] };
        let windows = [&trees[0], &trees[1]].map(|tree| Window::new(tree, &first, &last));
        let mut config = |side: usize, adaptive| config(frames[side], adaptive, &mut rng);
        for (who, session) in [
            (
                "both",
                run(
                    &mut Ours::new(true, config(0, true), &sealed[0]),
                    &mut Ours::new(false, config(1, true), &trees[1]),
                ),
            ),
            (
                "one",
                run(
                    &mut Ours::new(true, config(0, true), &windows[0]),
                    &mut Ours::new(false, config(1, false), &sealed[1]),
                ),
            ),
            (
                "other",
                run(
                    &mut Ours::new(true, config(0, false), &trees[0]),
                    &mut Ours::new(false, config(1, true), &windows[1]),
                ),
            ),
            (
                "asks the crate",
                run(&mut Ours::new(true, config(0, true), &sealed[0]), &mut Theirs::new(&lists[1], frames[1])),
            ),
            (
                "answers the crate",
                run(&mut Theirs::new(&lists[0], frames[0]), &mut Ours::new(false, config(1, true), &trees[1])),
            ),
        ] {
            check(&format!("{name}, {who}"), &lists, frames, &session);
        }
    }
}

/// N14. A set that changes between rounds gives a result, not a panic; what changed may be told or not.
#[test]
fn a_set_may_change_between_rounds() {
    let mut rng = Rng::from_seed([23; 32]);
    for _ in 0..200 {
        let lists = pair(&mut rng);
        let mut trees = lists.clone().map(|mut list| {
            list.sort_unstable();
            list.dedup();
            Tree::from_sorted(&list).unwrap()
        });
        let mut client = Reconciler::initiator(config(4096, true, &mut rng)).unwrap();
        let mut server = Reconciler::responder(config(4096, true, &mut rng)).unwrap();
        let (mut up, mut down) = (vec![0; BUFFER], vec![0; BUFFER]);
        let mut len = client.initiate(&trees[0], &mut up).unwrap();
        let mut end = Ok(Step::Reply(len));
        for _ in 0..500 {
            let Ok(Step::Reply(reply)) = server.reconcile(&trees[1], &up[..len], &mut down, &mut |_| ()) else {
                panic!()
            };
            end = client.reconcile(&trees[0], &down[..reply], &mut up, &mut |_| ());
            let Ok(Step::Reply(next)) = end else { break };
            len = next;
            for tree in &mut trees {
                match tree.entry(rng.below(1000) as usize) {
                    Some(entry) => assert!(tree.erase(&entry)),
                    None => drop(tree.insert(Entry { timestamp: rng.next_u64() >> 40, id: rng.bytes() })),
                }
            }
        }
        assert_eq!(end, Ok(Step::Done));
    }
}

/// Hostile partners: whatever they send, a session ends by itself or by one of its limits (N30 to N33).
#[test]
fn a_hostile_partner_costs_at_most_its_budget() {
    let mut rng = Rng::from_seed([24; 32]);
    let entries: Vec<Entry> = (0..2000).map(|i| Entry { timestamp: i, id: rng.bytes() }).collect();
    let set = Sealed::build(entries).unwrap();
    let mut out = vec![0; 65_536];
    let mut limits = Limits::initiator();
    (limits.needs, limits.message, limits.ranges) = (5_000, 1 << 20, 65_536);
    let mut ends = BTreeSet::new();
    for kind in 0..5 {
        let config = ReconcilerConfig::new(limits).with_frame_limit(4096);
        let mut client = Reconciler::initiator(config).unwrap();
        let len = client.initiate(&set, &mut out).unwrap();
        let mut message = out[..len].to_vec();
        let mut told = 0u64;
        let mut rounds = 0;
        let end = loop {
            rounds += 1;
            assert!(rounds < 10_000);
            match kind {
                0 => {}                                                             // an echo
                1 => message = [&[0x61, 0, 0, 1][..], &rng.bytes::<16>()].concat(), // random fingerprints
                2 => {
                    // ids that do not exist, without end
                    let list: Vec<u8> = (0..100).flat_map(|_| rng.bytes::<32>()).collect();
                    message = [&[0x61, 1, 1, 0, 2, 100][..], &list, &[0, 0, 1], &rng.bytes::<16>()].concat();
                }
                3 => message = vec![0x61; 1 << 21],
                _ => {
                    message = vec![0x61];
                    message.extend([1, 0, 0].repeat(70_000)); // more ranges than allowed
                }
            }
            match client.reconcile(&set, &message, &mut out, &mut |_| told += 1) {
                Ok(Step::Reply(len)) => {
                    assert!(len <= 4096);
                    if kind == 0 {
                        message = out[..len].to_vec();
                    }
                }
                Ok(Step::Done) => break None,
                Err(error) => break Some(error),
            }
        };
        assert!(told <= 5_000 + 2_000);
        ends.insert(format!("{end:?}"));
        match kind {
            2 => assert!(matches!(end, Some(ReconcileError::TooManyNeeds { most: 5_000, .. }))),
            3 => assert_eq!(end, Some(ReconcileError::MessageTooLong { bytes: 1 << 21, most: 1 << 20 })),
            4 => assert_eq!(end, Some(ReconcileError::TooManyRanges { most: 65_536 })),
            1 => assert_eq!(end, Some(ReconcileError::TooManyRounds { most: 64 })),
            _ => assert_eq!(end, None, "what it hears is what it said"),
        }
    }
    assert!(ends.len() >= 4);
}

/// An answer stays within its frame, and its work within what the length of the message justifies (N7, N33).
#[test]
fn a_responder_answers_the_costliest_messages_within_its_limits() {
    let mut rng = Rng::from_seed([25; 32]);
    let set = Sealed::build((0..100_000).map(|i| Entry { timestamp: i, id: rng.bytes() }).collect()).unwrap();
    let mut out = vec![0; 500_000];
    let mut dense = vec![0x61];
    for _ in 0..3400 {
        dense.extend([30, 0, 1]);
        dense.extend(rng.bytes::<16>());
    }
    let mut narrow = vec![0x61];
    narrow.extend([1, 0, 2, 0].repeat(16_000));
    for message in [&b"\x61\x00\x00\x02\x00"[..], &dense, &narrow, b"\x61\x00\x00\x01abcdefghabcdefgh"] {
        for adaptive in [false, true] {
            let mut config = ReconcilerConfig::new(Limits::responder()).with_frame_limit(60_000);
            if !adaptive {
                config = config.conformance();
            }
            let mut server = Reconciler::responder(config).unwrap();
            match server.reconcile(&set, message, &mut out, &mut |_| ()) {
                Ok(Step::Reply(len)) => assert!(len <= 60_000),
                end => panic!("{end:?}"),
            }
        }
    }
    let mut limits = Limits::responder();
    limits.work = 1000;
    let mut server = Reconciler::responder(ReconcilerConfig::new(limits)).unwrap();
    assert_eq!(server.reconcile(&set, &dense, &mut out, &mut |_| ()), Err(ReconcileError::TooMuchWork { most: 1000 }));
}

/// What a partner says besides, behind the last range of its answer: nothing of it is wrong.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Besides {
    /// All ids of a stretch that begins where the answer ends.
    ListFromThere,
    /// All ids of a stretch farther on.
    ListFartherOn,
    /// All ids of one stretch instead of its last range, and of what follows.
    ListFromBelow,
    /// The fingerprint of everything from this entry on.
    FingerprintFrom(Entry),
}

/// A partner who says more than it was asked.
struct Talkative<'a> {
    party: Ours<'a, Sealed>,
    set: &'a Sealed,
    besides: Option<Besides>,
    rng: &'a mut Rng,
}

impl Side for Talkative<'_> {
    fn answer(&mut self, message: Option<&[u8]>, found: &mut Found) -> Result<Option<Vec<u8>>, ReconcileError> {
        let reply = self.party.answer(message, found)?.unwrap();
        let Some(besides) = self.besides else { return Ok(Some(reply)) };
        let (mut out, mut last) = (vec![0; BUFFER], Bound::ZERO);
        let mut writer = FrameWriter::new(&mut out).unwrap();
        let read = || FrameReader::new(version(&reply).unwrap().1, Strictness::Strict).map(Result::unwrap);
        let kept = read().count() - usize::from(besides == Besides::ListFromBelow);
        let ends = read().last().map_or(Bound::ZERO, |range| range.bound);
        for range in read().take(kept) {
            last = range.bound;
            match range.mode {
                Mode::Skip => writer.skip(&last).unwrap(),
                Mode::Fingerprint(bytes) => writer.fingerprint(&last, &Fingerprint(*bytes)).unwrap(),
                Mode::IdList(ids) => {
                    writer.id_list(&last, ids.len()).unwrap();
                    ids.iter().for_each(|id| writer.id(id).unwrap());
                }
            }
        }
        let bound = |place| self.set.entry(place).map_or(Bound::INFINITY, |entry| Bound::exact(&entry));
        let (mut at, len) = (self.set.lower_bound(last.entry(), 0, 0), self.set.len());
        if ends.is_infinity() || at == len {
            return Ok(Some(reply));
        }
        match besides {
            Besides::ListFromThere | Besides::ListFromBelow => {}
            Besides::ListFartherOn => at += 1 + self.rng.below((len - at) as u32) as usize / 2,
            Besides::FingerprintFrom(entry) => at = at.max(self.set.lower_bound(&entry, 0, 0)),
        }
        if !matches!(besides, Besides::ListFromThere | Besides::ListFromBelow) && at < len {
            writer.skip(&bound(at)).unwrap();
        }
        if let Besides::FingerprintFrom(_) = besides {
            writer.fingerprint(&Bound::INFINITY, &self.set.fingerprint(at..len)).unwrap();
        } else {
            let asked = self.set.lower_bound(ends.entry(), 0, 0).max(at);
            let end = len.min(asked + 1 + self.rng.below(300) as usize);
            writer.id_list(&bound(end), end - at).unwrap();
            self.set.entries()[at..end].iter().for_each(|entry| writer.id(&entry.id).unwrap());
        }
        let len = writer.len();
        out.truncate(len);
        Ok(Some(out))
    }
}

/// N26: what was set aside is asked about in its turn, whatever is said of it before.
#[test]
fn what_a_partner_says_of_what_was_set_aside_leads_to_nothing_wrong() {
    let mut rng = Rng::from_seed([26; 32]);
    let mut entries = |times: std::ops::Range<u64>| -> Vec<Entry> {
        times.map(|timestamp| Entry { timestamp, id: rng.bytes() }).collect()
    };
    let (last, added) = (entries(8000..8300), entries(7000..7300));
    let mut messages = [0; 5];
    for case in 0..40 {
        // Some is equal between what differs.
        let common: Vec<Entry> = (0..10).flat_map(|i| entries(200 * i..200 * i + 30 + 3 * case)).collect();
        let [ours, theirs] = [0, 1].map(|_| [&common, &entries(0..2000 + 5 * case)[..], &last].concat());
        let theirs = [theirs, added.clone()].concat();
        let sets = [&ours, &theirs].map(|list| Sealed::build(list.clone()).unwrap());
        let (a, b) = (ids(&ours), ids(&theirs));
        let session = |besides| {
            let config = |frame| ReconcilerConfig::new(Limits::initiator()).with_frame_limit(frame);
            let mut rng = Rng::from_seed([case as u8; 32]);
            let party = Ours::new(false, config(0), &sets[1]);
            let mut server = Talkative { party, set: &sets[1], besides, rng: &mut rng };
            let (messages, found) = run(&mut Ours::new(true, config(4096), &sets[0]), &mut server);
            let [have, need] = found.sorted().map(|ids| ids.into_iter().collect::<Ids>());
            let is_right = have == &a - &b && need == &b - &a;
            assert!(is_right, "case {case}, {besides:?}: {} and {}", have.len(), need.len());
            messages.len()
        };
        let lists = [Besides::ListFromThere, Besides::ListFartherOn];
        let kinds = lists.into_iter().chain([Besides::FingerprintFrom(last[0]), Besides::ListFromBelow]);
        messages[0] += session(None);
        messages.iter_mut().skip(1).zip(kinds).for_each(|(messages, besides)| *messages += session(Some(besides)));
    }
    // And costs little.
    let [none, from_there, farther_on, fingerprint, from_below] = messages;
    assert!(from_there.max(farther_on) <= none + none / 20 && fingerprint.max(from_below) <= 2 * none, "{messages:?}");
}
