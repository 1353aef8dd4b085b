//! Sessions with partners of other limits than ours: nobody is refused who does his part, and who does not is (N30 to
//! N37).

use std::collections::BTreeSet;

use honeyguide::base::Rng;
use honeyguide::negentropy::{
    Difference, Entry, Limits, ReconcileError, Reconciler, ReconcilerConfig, Sealed, SortedSet, Step, Strictness,
};

#[path = "shared/sessions.rs"]
mod sessions;

use sessions::{Found, Ours, Side, Theirs, converse, entries};

/// No limit, the smallest, and those of deployed clients and relays.
const FRAMES: [usize; 4] = [0, 4096, 60_000, 500_000];

fn initiator(frame: usize) -> ReconcilerConfig {
    ReconcilerConfig::new(Limits::initiator()).with_frame_limit(frame)
}

fn responder(frame: usize) -> ReconcilerConfig {
    ReconcilerConfig::new(Limits::responder()).with_frame_limit(frame)
}

fn sealed(entries: &[Entry]) -> Sealed {
    Sealed::build(entries.to_vec()).unwrap()
}

/// Rounds, and what was found.
fn run(client: &mut dyn Side, server: &mut dyn Side) -> (usize, Result<(usize, usize), ReconcileError>) {
    let (mut found, mut messages) = (Found::default(), 0);
    let end = converse(client, server, &mut found, &mut |_| messages += 1);
    (messages / 2, end.map(|()| found.distinct()))
}

#[test]
fn rounds_that_tell_something_new_are_free_whatever_our_own_frames_are() {
    // N31: rounds follow from the partner's frames here, and from the number of its entries.
    let mut rng = Rng::from_seed([61; 32]);
    let theirs = entries(&mut rng, 20_000);
    let (none, set) = (sealed(&[]), sealed(&theirs));
    let mut partner = Ours::new(false, responder(4096).conformance(), &set);
    let mut client = Ours::new(true, initiator(0), &none).with_buffer(1 << 20);
    let (rounds, found) = run(&mut client, &mut partner);
    assert!(rounds > 150);
    assert_eq!(found, Ok((0, 20_000)));
}

#[test]
fn a_responder_charges_no_round_that_its_partner_used() {
    // N31, the other role: the initiator's frames are small, and everything differs.
    let mut rng = Rng::from_seed([62; 32]);
    let lists = [0, 1].map(|_| entries(&mut rng, 40_000));
    let set = sealed(&lists[1]);
    let (rounds, found) = run(&mut Theirs::new(&lists[0], 4096), &mut Ours::new(false, responder(0), &set));
    assert!(rounds > 100, "{rounds}");
    assert_eq!(found, Ok((40_000, 40_000)));
}

/// N31, N32: idle rounds are charged, at the limit and one past it, in both roles.
#[test]
fn rounds_that_tell_nothing_new_end_a_session_at_their_limit() {
    let mut rng = Rng::from_seed([63; 32]);
    let set = sealed(&entries(&mut rng, 1000));
    let mut out = vec![0; 60_000];
    for (most, is_initiator) in [(0, true), (1, true), (5, true), (0, false), (7, false)] {
        let mut limits = if is_initiator { Limits::initiator() } else { Limits::responder() };
        limits.rounds = most;
        let config = ReconcilerConfig::new(limits);
        let mut party = if is_initiator {
            let mut party = Reconciler::initiator(config).unwrap();
            party.initiate(&set, &mut out).unwrap();
            party
        } else {
            Reconciler::responder(config).unwrap()
        };
        for round in 0..=most {
            let message = [&[0x61, 0, 0, 1][..], &rng.bytes::<16>()].concat();
            let step = party.reconcile(&set, &message, &mut out, &mut |_| ());
            if round < most {
                assert!(matches!(step, Ok(Step::Reply(_))), "{most} {round}: {step:?}");
            } else {
                assert_eq!(step, Err(ReconcileError::TooManyRounds { most }));
            }
        }
    }
}

/// N10, N31: a message of another version is answered, and brings nothing new.
#[test]
fn messages_of_another_version_are_answered_up_to_the_limit_of_rounds() {
    let (set, mut out) = (sealed(&[]), vec![0; 4096]);
    let mut party = Reconciler::responder(responder(0)).unwrap();
    for _ in 0..64 {
        assert_eq!(party.reconcile(&set, &[0x62, 1, 2], &mut out, &mut |_| ()), Ok(Step::Reply(1)));
    }
    let end = party.reconcile(&set, &[0x62, 1, 2], &mut out, &mut |_| ());
    assert_eq!(end, Err(ReconcileError::TooManyRounds { most: 64 }));
}

/// N32: own ids that a responder lists are news, as long as no more were listed than there are.
#[test]
fn ids_that_a_responder_lists_are_news_once_for_each_entry() {
    let mut rng = Rng::from_seed([76; 32]);
    let set = sealed(&(0..200).map(|i| Entry { timestamp: i, id: rng.bytes() }).collect::<Vec<_>>());
    let mut party = Reconciler::responder(responder(0)).unwrap();
    let mut out = vec![0; 60_000];
    let coded = |number: u64| if number < 128 { vec![number as u8] } else { vec![0x81, number as u8 - 128] };
    // The last entry first, so that no range begins farther on: what is new is the ids alone.
    let mut ask = |entry: u64| {
        let message = [&[0x61][..], &coded(entry + 1), &[0, 0], &[2], &[0, 2, 0]].concat();
        party.reconcile(&set, &message, &mut out, &mut |_| ())
    };
    for asked in 0..200 + 64 {
        let step = ask(199 - asked.min(199));
        assert!(matches!(step, Ok(Step::Reply(_))), "{asked}: {step:?}");
    }
    assert_eq!(ask(0), Err(ReconcileError::TooManyRounds { most: 64 }));
}

/// N31: what was told before is not new, so a partner cannot go on for ever by telling it again.
#[test]
fn an_old_difference_is_no_news() {
    let mut rng = Rng::from_seed([64; 32]);
    let set = sealed(&entries(&mut rng, 100));
    let mut out = vec![0; 60_000];
    let mut party = Reconciler::initiator(initiator(0)).unwrap();
    party.initiate(&set, &mut out).unwrap();
    // The first half is listed as empty each time, and of the rest nothing helpful is said.
    let half = set.entry(50).unwrap().timestamp;
    let head =
        if half < 127 { vec![half as u8 + 1] } else { vec![0x80 | ((half + 1) >> 7) as u8, (half + 1) as u8 & 0x7f] };
    for round in 0.. {
        assert!(round < 200, "no end");
        let message = [&[0x61][..], &head, &[0, 2, 0, 0, 0, 1], &rng.bytes::<16>()].concat();
        if let Err(end) = party.reconcile(&set, &message, &mut out, &mut |_| ()) {
            assert_eq!(end, ReconcileError::TooManyRounds { most: 64 });
            break;
        }
    }
}

/// A bound without an id, and this number for its timestamp.
fn coded(number: u64) -> [u8; 3] {
    [0x80 | (number >> 7) as u8, (number & 0x7f) as u8, 0]
}

/// A message: of what is below `first` there is something else, an id at `claimed` if there is one, and behind nothing.
fn nothing_from(first: u64, claimed: Option<u64>, rng: &mut Rng) -> Vec<u8> {
    let other = [&[1][..], &rng.bytes::<16>()].concat();
    let below = match claimed {
        None => [&coded(first + 1)[..], &other].concat(),
        Some(at) => {
            let behind = coded(first - at);
            [&coded(at + 1)[..], &other, &[2, 0, 2, 1], &rng.bytes::<32>(), &behind, &other].concat()
        }
    };
    [&[0x61][..], &below, &[0, 0, 2, 0]].concat()
}

/// Ten thousand entries from timestamp 1000 on.
fn from_a_thousand_on(rng: &mut Rng) -> Sealed {
    sealed(&(0..10_000).map(|i| Entry { timestamp: 1000 + i, id: rng.bytes() }).collect::<Vec<_>>())
}

/// Handles what `partner` says to the number of each message, until the end; how many messages, how many own ids told.
fn told_until_the_end(
    set: &Sealed,
    limits: Limits,
    mut partner: impl FnMut(u64) -> Vec<u8>,
) -> (ReconcileError, u64, u64) {
    let mut party = Reconciler::initiator(ReconcilerConfig::new(limits).conformance()).unwrap();
    let (mut out, mut told) = (vec![0; 60_000], 0);
    party.initiate(set, &mut out).unwrap();
    for handled in 1..300 {
        let mut count = |difference: Difference<'_>| told += u64::from(matches!(difference, Difference::Have(_)));
        if let Err(end) = party.reconcile(set, &partner(handled), &mut out, &mut count) {
            return (end, handled, told);
        }
    }
    panic!("no end");
}

/// N38: for 28 bytes a partner has all own ids told, and no more for the same again, whatever else he claims.
#[test]
fn what_a_partner_said_to_lack_is_not_told_again() {
    let mut rng = Rng::from_seed([80; 32]);
    let (set, mut limits) = (from_a_thousand_on(&mut rng), Limits::initiator());
    (limits.needs, limits.haves) = (50, 0);
    let (end, _, told) = told_until_the_end(&set, limits, |_| nothing_from(4000, None, &mut rng));
    assert_eq!((end, told), (ReconcileError::TooManyRounds { most: 64 }, 7000));
    let (end, handled, told) = told_until_the_end(&set, limits, |n| nothing_from(4000, Some(3900 - 2 * n), &mut rng));
    assert!(matches!(end, ReconcileError::TooManyNeeds { most: 50, .. }), "{end}");
    assert_eq!(handled, 51);
    // Where it claims one id, it lacks the own one.
    assert_eq!(told, 7000 + 51);
}

/// N9, N38: it is empty, and lies within nothing that is settled. What is claimed there is told, as the reference does.
#[test]
fn a_list_of_a_range_that_does_not_ascend_is_told_whatever_is_settled() {
    let mut rng = Rng::from_seed([85; 32]);
    let set = from_a_thousand_on(&mut rng);
    for settled in [false, true] {
        let (claims, other) = ([0, 1].map(|_| rng.bytes::<32>()), [&[1][..], &rng.bytes::<16>()].concat());
        // Up to timestamp 5000 and a byte of an id, and back without it; and infinity twice.
        let back = [&[0x87, 0x69, 1, 9, 2, 0][..], &[1, 0, 2, 1], &claims[0]].concat();
        let behind = [&[0, 0, 2, 0][..], &[0, 0, 2, 1], &claims[1]].concat();
        let message = [&[0x61][..], &coded(4001), &other, &back, &behind].concat();
        let mut party = Reconciler::initiator(initiator(0)).unwrap();
        let (mut out, mut needs) = (vec![0; 60_000], Vec::new());
        party.initiate(&set, &mut out).unwrap();
        if settled {
            party.reconcile(&set, &nothing_from(4000, None, &mut rng), &mut out, &mut |_| ()).unwrap();
        }
        let mut told = |difference: Difference<'_>| {
            if let Difference::Need(id) = difference {
                needs.push(*id);
            }
        };
        party.reconcile(&set, &message, &mut out, &mut told).unwrap();
        assert_eq!(needs, claims, "settled: {settled}");
    }
}

/// N30, N38: of what is in more stretches than are remembered, nothing else ends that.
#[test]
fn own_ids_are_told_again_a_few_times_and_no_more() {
    let mut rng = Rng::from_seed([78; 32]);
    let set = from_a_thousand_on(&mut rng);
    for (haves, claims, messages) in [(0, false, 3), (1, false, 7), (8, false, 35), (8, true, 35)] {
        let mut limits = Limits::initiator();
        limits.haves = haves;
        let partner = |n| {
            // What is below the first entry is skipped, and settled so.
            let mut message = [&[0x61][..], &coded(1001), &[0]].concat();
            for _ in 0..64 {
                let claim = if claims && n == 1 { [&[1][..], &rng.bytes::<32>()].concat() } else { vec![0] };
                message.extend([&coded(79)[..], &[1], &rng.bytes::<16>(), &coded(79), &[2], &claim].concat());
            }
            [&message[..], &[0, 0, 1], &rng.bytes::<16>()].concat()
        };
        let (end, handled, told) = told_until_the_end(&set, limits, partner);
        let most = u64::from(haves) * 10_000 + 8192;
        assert_eq!(end, ReconcileError::TooManyHaves { most, from: Entry { timestamp: 1000, id: [0; 32] } });
        assert!(end.to_string().ends_with("timestamp 1000 is settled, and another session can go on there"), "{end}");
        assert_eq!(handled, messages);
        assert!((most + 1..=most + 10_000).contains(&told), "{told}");
    }
}

/// N30, N38: nothing is told of what is settled, but comparing it with other lists is counted too.
#[test]
fn own_entries_are_compared_again_a_few_times_and_no_more() {
    let mut rng = Rng::from_seed([84; 32]);
    let set = from_a_thousand_on(&mut rng);
    let mut limits = Limits::initiator();
    limits.haves = 0;
    let partner = |n| {
        let other = [&[1][..], &rng.bytes::<16>()].concat();
        [&[0x61][..], &coded(4001 - n), &other, &[0, 0, 2, 1], &rng.bytes::<32>()].concat()
    };
    let (end, handled, told) = told_until_the_end(&set, limits, partner);
    assert_eq!(end, ReconcileError::TooManyHaves { most: 8192, from: Entry::default() });
    // Of 7,000 that are compared in each message, a 64th counts.
    assert_eq!((handled, told), (12, 7000 + 12));
}

#[test]
fn two_ends_with_default_limits_find_everything_with_any_frames() {
    // N2, N36. Without frames these sets make messages of more than 65,536 bytes.
    let mut rng = Rng::from_seed([65; 32]);
    let common = entries(&mut rng, 4_000);
    let sets = [0, 1].map(|_| sealed(&[common.clone(), entries(&mut rng, 8_000)].concat()));
    for client in FRAMES {
        for server in FRAMES {
            let session = run(
                &mut Ours::new(true, initiator(client), &sets[0]),
                &mut Ours::new(false, responder(server), &sets[1]),
            );
            assert_eq!(session.1, Ok((8_000, 8_000)), "frames {client} and {server}");
        }
    }
    let [client, server] = [ReconcilerConfig::new(Limits::initiator()), ReconcilerConfig::new(Limits::responder())];
    assert_eq!((client.frame_limit, server.frame_limit), (60_000, 60_000));
    assert!(client.limits.message >= 16 * server.longest_message() && server.limits.message >= 500_000);
}

/// N36: what we would refuse ourselves is not sent, frames or not.
#[test]
fn without_frames_no_message_is_longer_than_what_we_accept_ourselves() {
    let mut rng = Rng::from_seed([66; 32]);
    let sets = [0, 1].map(|_| sealed(&entries(&mut rng, 5_000)));
    for conformance in [false, true] {
        let config = |mut limits: Limits| {
            limits.message = 5_000;
            let config = ReconcilerConfig::new(limits).with_frame_limit(0);
            assert_eq!(config.longest_message(), 5_000);
            if conformance { config.conformance() } else { config }
        };
        let (mut found, mut longest) = (Found::default(), 0);
        let mut client = Ours::new(true, config(Limits::initiator()), &sets[0]);
        let mut server = Ours::new(false, config(Limits::responder()), &sets[1]);
        converse(&mut client, &mut server, &mut found, &mut |message| longest = longest.max(message.len())).unwrap();
        assert_eq!(found.distinct(), (5_000, 5_000));
        assert!((4_500..=5_000).contains(&longest), "{longest}");
    }
}

/// The answer of a responder that may do 1,000 steps for a message, and has 50,000 entries.
fn frugal(message: impl Fn(&Sealed) -> Vec<u8>) -> Result<Step, ReconcileError> {
    let mut rng = Rng::from_seed([67; 32]);
    let set = sealed(&(0..50_000).map(|i| Entry { timestamp: i, id: rng.bytes() }).collect::<Vec<_>>());
    let mut limits = Limits::responder();
    limits.work = 1000;
    let mut party = Reconciler::responder(ReconcilerConfig::new(limits)).unwrap();
    party.reconcile(&set, &message(&set), &mut vec![0; 60_000], &mut |_| ())
}

/// Timestamp 49,990, coded.
const NEAR_THE_END: [u8; 3] = [0x83, 0x86, 0xc7 & 0x7f];

#[test]
fn entries_that_a_partner_skips_cost_nothing() {
    // N33. It asks for the ids of the last ten entries.
    let skipped = frugal(|_| [&[0x61][..], &NEAR_THE_END, &[0, 0, 0, 0, 2, 0]].concat());
    assert!(matches!(skipped, Ok(Step::Reply(len)) if len > 320), "{skipped:?}");
}

#[test]
fn entries_that_are_equal_cost_nothing_beside_their_fingerprint() {
    // N33, told by a fingerprint instead of a skip.
    let equal = frugal(|set| {
        let fingerprint = set.fingerprint(0..49_990);
        [&[0x61][..], &NEAR_THE_END, &[0, 1], &fingerprint.0, &[0, 0, 2, 0]].concat()
    });
    assert!(matches!(equal, Ok(Step::Reply(len)) if len > 320), "{equal:?}");
    let listed = frugal(|_| b"\x61\x00\x00\x02\x00".to_vec());
    assert_eq!(listed, Err(ReconcileError::TooMuchWork { most: 1000 }), "what is listed is work");
}

#[test]
fn own_entries_where_a_partner_has_none_cost_nothing() {
    // N33. With more entries than there are steps, a session with an empty partner ended at its first answer.
    let mut rng = Rng::from_seed([70; 32]);
    let set = sealed(&entries(&mut rng, 20_000));
    let mut limits = Limits::initiator();
    limits.work = 1000;
    let mut client = Ours::new(true, ReconcilerConfig::new(limits), &set);
    let empty = sealed(&[]);
    let session = run(&mut client, &mut Ours::new(false, responder(0), &empty));
    assert_eq!(session.1, Ok((20_000, 0)));
}

/// N30, N33: what a message says of what was set aside is read too, and as limited.
#[test]
fn ranges_behind_what_was_set_aside_are_counted_and_cost_work() {
    let mut rng = Rng::from_seed([72; 32]);
    let sets = [0, 1].map(|_| sealed(&entries(&mut rng, 20_000)));
    for (ranges, work, number) in [(3_000, 1 << 20, 3_000), (3_000, 1 << 20, 3_001), (1 << 20, 10_000, 12_000)] {
        let mut limits = Limits::initiator();
        (limits.ranges, limits.work) = (ranges, work);
        let config = ReconcilerConfig::new(limits).with_frame_limit(4096);
        let (mut client, mut server) = (Ours::new(true, config, &sets[0]), Ours::new(false, responder(0), &sets[1]));
        let mut found = Found::default();
        let first = client.answer(None, &mut found).unwrap().unwrap();
        let reply = server.answer(Some(&first), &mut found).unwrap().unwrap();
        assert!(reply.len() > 4 * 4096, "its answer has no room in a frame: {}", reply.len());
        client.answer(Some(&reply), &mut found).unwrap();
        let mut message = vec![0x61];
        (0..number).for_each(|_| message.extend([&[0, 0, 1][..], &rng.bytes::<16>()].concat()));
        let end = client.answer(Some(&message), &mut found).map(|_| ());
        let expected = match (number > ranges, number as u64 > work) {
            (true, _) => Err(ReconcileError::TooManyRanges { most: ranges }),
            (_, true) => Err(ReconcileError::TooMuchWork { most: work }),
            _ => Ok(()),
        };
        assert_eq!(end, expected, "{number} of {ranges}");
    }
}

/// N36: a frame is no longer than what this side accepts itself.
#[test]
fn a_frame_that_we_would_refuse_ourselves_is_not_sent() {
    let mut limits = Limits::responder();
    for (message, frame, longest) in [(50_000, 60_000, 50_000), (60_000, 60_000, 60_000), (60_001, 60_000, 60_000)] {
        limits.message = message;
        assert_eq!(ReconcilerConfig::new(limits).with_frame_limit(frame).longest_message(), longest);
    }
    let (mut rng, config) =
        (Rng::from_seed([73; 32]), |limits| ReconcilerConfig::new(limits).with_frame_limit(1 << 30));
    let sets = [0, 1].map(|_| sealed(&entries(&mut rng, 5_000)));
    let (mut up, mut down) = (Limits::initiator(), Limits::responder());
    (up.message, down.message) = (20_000, 20_000);
    let session = run(&mut Ours::new(true, config(up), &sets[0]), &mut Ours::new(false, config(down), &sets[1]));
    assert_eq!(session.1, Ok((5_000, 5_000)));
}

/// N26, N27: without what was set aside, or without knowing what the partner's frame can take, it were 54 to 68 messages
/// and half as many bytes again, or thrice.
#[test]
fn sessions_in_small_frames_take_few_messages_and_few_bytes() {
    let mut rng = Rng::from_seed([74; 32]);
    let common = entries(&mut rng, 40_000);
    let sets = [0, 1].map(|_| sealed(&[common.clone(), entries(&mut rng, 1_000)].concat()));
    for (client, server, most_messages, most_bytes) in
        [(4096, 4096, 50, 130_000), (60_000, 4096, 52, 120_000), (0, 0, 8, 95_000)]
    {
        let (mut found, mut messages, mut bytes) = (Found::default(), 0, 0);
        let (mut client, mut server) =
            (Ours::new(true, initiator(client), &sets[0]), Ours::new(false, responder(server), &sets[1]));
        converse(&mut client, &mut server, &mut found, &mut |message| {
            (messages, bytes) = (messages + 1, bytes + message.len());
        })
        .unwrap();
        assert_eq!(found.distinct(), (1_000, 1_000));
        assert!(messages <= most_messages && bytes <= most_bytes, "{messages} messages, {bytes} bytes");
    }
}

/// N24.
#[test]
fn a_list_that_is_the_responders_own_is_answered_by_nothing() {
    let mut rng = Rng::from_seed([75; 32]);
    let set = sealed(&entries(&mut rng, 40));
    let mut ids: Vec<[u8; 32]> = set.entries().iter().map(|entry| entry.id).collect();
    let answer = |config: ReconcilerConfig, ids: &[[u8; 32]]| {
        let message = [&[0x61, 0, 0, 2, ids.len() as u8][..], &ids.concat()].concat();
        let mut out = vec![0; 10_000];
        let step = Reconciler::responder(config).unwrap().reconcile(&set, &message, &mut out, &mut |_| ());
        let Ok(Step::Reply(len)) = step else { panic!("{step:?}") };
        len
    };
    assert_eq!(answer(responder(0), &ids), 1);
    assert_eq!(answer(responder(0).conformance(), &ids), 5 + 40 * 32, "as the reference");
    ids[17][3] ^= 1;
    assert_eq!(answer(responder(0), &ids), 5 + 40 * 32);
    assert_eq!(answer(responder(0), &ids[..39]), 5 + 40 * 32);
}

/// N9: a last list may end in the bytes that a frame holds back. The reference says then what is behind infinity.
#[test]
fn strict_reading_refuses_no_sound_responder_whatever_fits_its_frame() {
    let mut rng = Rng::from_seed([83; 32]);
    let (none, all) = (sealed(&[]), entries(&mut rng, 1880));
    let behind = [&[0, 0, 1][..], &none.fingerprint(0..0).0].concat();
    let mut seen = [0; 3];
    for (number, frame) in (115..130).map(|n| (n, 4096)).chain((1862..1875).map(|n| (n, 60_000))) {
        let set = sealed(&all[..number]);
        for (kind, seen) in seen.iter_mut().enumerate() {
            let mut config = initiator(0);
            config.strictness = Strictness::Strict;
            let mut client = Ours::new(true, config, &none);
            let mut server: Box<dyn Side> = match kind {
                0 => Box::new(Ours::new(false, responder(frame), &set)),
                1 => Box::new(Ours::new(false, responder(frame).conformance(), &set)),
                _ => Box::new(Theirs::new(&all[..number], frame)),
            };
            let mut found = Found::default();
            let end = converse(&mut client, &mut *server, &mut found, &mut |message| {
                *seen += usize::from(message.ends_with(&behind) && message.len() > frame - 200);
            });
            assert_eq!((end, found.distinct()), (Ok(()), (0, number)), "{number} entries, kind {kind}");
        }
    }
    assert!(seen[0] == 0 && seen[1] > 0 && seen[1] == seen[2], "{seen:?}");
}

/// Fetches from `theirs` until nothing is left, with sessions that may claim `most` ids each.
fn fetch(
    own: &[Entry],
    theirs: &mut dyn FnMut() -> Box<dyn Side>,
    all: &[Entry],
    most: u64,
) -> (usize, BTreeSet<[u8; 32]>) {
    let mut own = own.to_vec();
    let mut limits = Limits::initiator();
    limits.needs = most;
    let (mut from, mut needed) = (Entry::default(), BTreeSet::new());
    for session in 1.. {
        assert!(session < 100, "no end");
        let set = sealed(&own);
        let mut client = Ours::new(true, ReconcilerConfig::new(limits).with_frame_limit(4096), &set).from(from);
        let mut found = Found::default();
        let end = converse(&mut client, &mut *theirs(), &mut found, &mut |_| ());
        let told: BTreeSet<[u8; 32]> = found.need.iter().copied().collect();
        assert!(found.need.len() as u64 <= most);
        own.extend(all.iter().filter(|entry| told.contains(&entry.id) && !needed.contains(&entry.id)));
        needed.extend(told);
        let Err(error) = end else { return (session, needed) };
        let ReconcileError::TooManyNeeds { most: named, from: next } = error else { panic!("{error}") };
        assert_eq!((named, client.party.settled()), (most, next));
        assert!(next >= from, "what is settled stays settled");
        from = next;
    }
    unreachable!()
}

#[test]
fn a_session_that_may_claim_no_more_ids_is_taken_up_where_it_ended() {
    // N5, N37: a fresh client, and one with every second entry; our responder, and the crate.
    let mut rng = Rng::from_seed([68; 32]);
    let all = entries(&mut rng, 5_001);
    let set = sealed(&all);
    let ids: BTreeSet<[u8; 32]> = all.iter().map(|entry| entry.id).collect();
    for own in [&[][..], &all[..2_500]] {
        let lacking = all.len() - own.len();
        let expected: BTreeSet<[u8; 32]> =
            ids.iter().copied().filter(|id| own.iter().all(|entry| entry.id != *id)).collect();
        let list = all.clone();
        let mut crates = || Box::new(Theirs::new(&list, 4096)) as Box<dyn Side>;
        let (sessions, needed) = fetch(own, &mut crates, &all, 1000);
        assert_eq!(needed, expected);
        assert!(sessions > lacking / 1000 && sessions <= lacking / 500 + 1, "{sessions}");
        let shared: &'static Sealed = Box::leak(Box::new(set.clone()));
        let mut ours = || Box::new(Ours::new(false, responder(4096), shared)) as Box<dyn Side>;
        assert_eq!(fetch(own, &mut ours, &all, 1000).1, expected);
    }
}

/// N37, the kind: whatever ends a session, its initiator knows where to go on.
#[test]
fn a_session_whose_connection_was_lost_is_taken_up_at_what_was_settled() {
    let mut rng = Rng::from_seed([69; 32]);
    let lists = [0, 1].map(|_| entries(&mut rng, 3_000));
    let sets = lists.clone().map(|list| sealed(&list));
    let (mut from, mut found) = (Entry::default(), Found::default());
    for session in 0.. {
        assert!(session < 200, "no end");
        let mut client = Ours::new(true, initiator(4096), &sets[0]).from(from);
        let mut server = Theirs::new(&lists[1], 4096);
        let mut message = client.answer(None, &mut found).unwrap();
        for _ in 0..8 {
            let Some(sent) = &message else { break };
            let reply = server.answer(Some(sent), &mut found).unwrap().unwrap();
            message = client.answer(Some(&reply), &mut found).unwrap();
        }
        assert!(client.party.settled() > from || message.is_none());
        from = client.party.settled();
        if message.is_none() {
            assert!(session > 1);
            break;
        }
    }
    assert_eq!(found.distinct(), (3_000, 3_000));
}
