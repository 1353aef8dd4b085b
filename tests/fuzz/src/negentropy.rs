//! Set reconciliation: messages, two sets in step, a set that changes, and a partner that sends anything.

use std::collections::BTreeSet;

use honeyguide::base::Rng;
use honeyguide::internals::negentropy::{FrameReader, version};
use honeyguide::negentropy::{
    Difference, Entry, Limits, RatelessInitiator, RatelessResponder, RatelessStep, Reconciler, ReconcilerConfig,
    Sealed, SortedSet, Step, Strictness, Tree,
};

/// Any message is read to an end or an error; strict reading accepts nothing that lenient reading does not.
pub fn frame(data: &[u8]) {
    let Ok((_, body)) = version(data) else { return };
    let lenient: Vec<_> = FrameReader::new(body, Strictness::Lenient).collect();
    assert!(lenient.len() <= body.len() / 3 + 1);
    if let Ok(strict) = FrameReader::new(body, Strictness::Strict).collect::<Result<Vec<_>, _>>() {
        assert!(strict.into_iter().map(Ok).eq(lenient));
    }
}

/// One entry from two bytes: dense timestamps, ids that share most of their bytes.
fn entry(a: u8, b: u8) -> Entry {
    let mut id = [b >> 6; 32];
    id[31] = b;
    Entry { timestamp: u64::from(a), id }
}

/// Two sets that the bytes describe find what they do not have in common.
pub fn reconciler(data: &[u8]) {
    let [mode, sizes, seed, rest @ ..] = data else { return };
    let mut lists = [BTreeSet::new(), BTreeSet::new()];
    for three in rest.chunks_exact(3) {
        // Ids as hashes are: sums of ids in arithmetic progression would be equal (N25). One timestamp for each id, as in
        // all sound sets.
        let mut number = [0; 32];
        number[..2].copy_from_slice(&three[..2]);
        let id: [u8; 32] = Rng::from_seed(number).bytes();
        let entry = Entry { timestamp: u64::from(id[31]) / 8, id };
        for (i, list) in lists.iter_mut().enumerate() {
            if three[2] & 3 != i as u8 {
                list.insert(entry);
            }
        }
    }
    let sets = lists.clone().map(|list| Sealed::build(list.into_iter().collect()).unwrap());
    let config = |bits: u8| {
        let mut config = ReconcilerConfig::new(Limits::trusting(1 << 17));
        config.frame_limit = if bits & 1 == 0 { 0 } else { 4096 + usize::from(*sizes) };
        config.random_splits = (bits & 2 == 0).then_some([*seed; 32]);
        if bits & 4 == 0 { config } else { config.conformance() }
    };
    let mut client = Reconciler::initiator(config(*mode)).unwrap();
    let mut server = Reconciler::responder(config(mode >> 4)).unwrap();
    let (mut up, mut down) = (vec![0; 1 << 17], vec![0; 1 << 17]);
    let (mut have, mut need) = (BTreeSet::new(), BTreeSet::new());
    let mut len = client.initiate(&sets[0], &mut up).unwrap();
    for round in 0.. {
        assert!(round < 400, "no end");
        let step = server.reconcile(&sets[1], &up[..len], &mut down, &mut |_| ()).unwrap();
        let Step::Reply(reply) = step else { panic!("a responder never ends") };
        let step = client.reconcile(&sets[0], &down[..reply], &mut up, &mut |difference| match difference {
            Difference::Have(id) => drop(have.insert(*id)),
            Difference::Need(id) => drop(need.insert(*id)),
        });
        match step.unwrap() {
            Step::Reply(next) => len = next,
            Step::Done => break,
        }
    }
    let ids = lists.map(|list| list.iter().map(|entry| entry.id).collect::<BTreeSet<_>>());
    assert!(have.iter().eq(ids[0].difference(&ids[1])));
    assert!(need.iter().eq(ids[1].difference(&ids[0])));
}

/// Any history leaves the tree equal to the sealed set of what is left.
pub fn changing_set(data: &[u8]) {
    let (mut tree, mut model) = (Tree::new(), BTreeSet::new());
    for op in data.chunks_exact(3) {
        // One operation stands for a run of entries, so that nodes split and join.
        for i in 0..=u64::from(op[2] >> 1) {
            let mut entry = entry(op[0], op[1]);
            entry.timestamp = entry.timestamp * 16 + i;
            if op[2] & 1 == 0 {
                assert_eq!(tree.insert(entry), Ok(model.insert(entry)));
            } else {
                assert_eq!(tree.erase(&entry), model.remove(&entry));
            }
        }
    }
    let sealed = Sealed::build(model.into_iter().collect()).unwrap();
    assert_eq!(tree.len(), sealed.len());
    for pair in data.chunks_exact(2) {
        let a = usize::from(pair[0]) * 7 % (sealed.len() + 1);
        let b = a + usize::from(pair[1]) * 5;
        assert_eq!(tree.fingerprint(a..b.min(sealed.len())), sealed.fingerprint(a..b.min(sealed.len())));
        assert_eq!(tree.entry(a), sealed.entry(a));
        let bound = entry(pair[0], pair[1]);
        assert_eq!(tree.lower_bound(&bound, a, b), sealed.lower_bound(&bound, a, b));
    }
}

/// A partner that sends anything costs at most its budget and never more than a typed error.
pub fn hostile_partner(data: &[u8]) {
    let [mode, rest @ ..] = data else { return };
    let mut rng = Rng::from_seed([*mode; 32]);
    let set = Sealed::build((0..300).map(|i| Entry { timestamp: i / 2, id: rng.bytes() }).collect()).unwrap();
    let mut limits = Limits::initiator();
    limits.message = 4096;
    limits.needs = 5;
    let config = ReconcilerConfig::new(limits).with_frame_limit(4096);
    let config = if mode & 1 == 0 { config } else { config.conformance() };
    let mut out = vec![0; 4096];
    let (mut haves, mut needs, mut messages) = (0, 0, 0);
    let mut party = if mode & 2 == 0 {
        Reconciler::responder(config).unwrap()
    } else {
        let mut party = Reconciler::initiator(config).unwrap();
        party.initiate(&set, &mut out).unwrap();
        party
    };
    let _ = RatelessResponder::new(500).answer(&set, rest, &mut out);
    let mut keeping = set.clone();
    keeping.keep_symbols([*mode; 16], 90);
    let _ = RatelessResponder::new(500).answer(&keeping, rest, &mut out);
    let mut initiator = RatelessInitiator::kept(500);
    initiator.initiate(&keeping, &mut out).unwrap();
    // As often as it asks.
    while let Ok(RatelessStep::Reply(_)) = initiator.reconcile(&keeping, rest, &mut out, &mut |_| ()) {}
    let mut initiator = RatelessInitiator::new([*mode; 16], 500);
    initiator.initiate(&set, &mut out).unwrap();
    while let Ok(RatelessStep::Reply(_)) = initiator.reconcile(&set, rest, &mut out, &mut |_| ()) {}
    // Messages of the length that their first byte says, each with the version byte that most need.
    let mut rest = rest;
    while let Some((len, after)) = rest.split_first() {
        let (body, after) = after.split_at(after.len().min(usize::from(*len)));
        let message = [&[0x61], body].concat();
        messages += 1;
        match party.reconcile(&set, &message, &mut out, &mut |difference| match difference {
            Difference::Have(_) => haves += 1,
            Difference::Need(_) => needs += 1,
        }) {
            Ok(Step::Reply(len)) => assert!(len <= 4096),
            Ok(Step::Done) | Err(_) => break,
        }
        rest = after;
    }
    assert!(needs <= 5 && haves <= 300 * messages, "{haves} and {needs} in {messages}");
}
