//! Conformance data against the reconciler: every transcript of `vectors/negentropy/negentropy.json` byte for byte, every
//! difference, and every malformed message in both roles (N1 to N12).

use std::collections::BTreeSet;

use honeyguide::negentropy::{
    Difference, Entry, Limits, ReconcileError, Reconciler, ReconcilerConfig, Sealed, SortedSet, Step,
};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

#[path = "shared/transcripts.rs"]
mod transcripts;

use transcripts::file;

const BUFFER: usize = 1 << 20;

fn entries(items: &Json) -> Vec<Entry> {
    transcripts::entries(items).iter().map(|(timestamp, text)| Entry { timestamp: *timestamp, id: id(text) }).collect()
}

fn id(text: &str) -> [u8; 32] {
    hex::decode(text).unwrap().try_into().unwrap()
}

fn ids(list: &Json) -> BTreeSet<[u8; 32]> {
    list.as_array().unwrap().iter().map(|text| id(text.as_str().unwrap())).collect()
}

fn config(case: &Json, frame: &str) -> ReconcilerConfig {
    let frame = case.get(frame).map_or(0, |limit| limit.as_u64().unwrap() as usize);
    ReconcilerConfig::new(Limits::trusting(BUFFER)).conformance().with_frame_limit(frame)
}

fn initiator(config: ReconcilerConfig) -> Reconciler<'static> {
    Reconciler::initiator(config).unwrap()
}

/// What both sides say, and what the initiator finds.
struct Session {
    messages: Vec<Vec<u8>>,
    have: Vec<[u8; 32]>,
    need: Vec<[u8; 32]>,
}

fn run<A: SortedSet, B: SortedSet>(
    (client, client_set): (ReconcilerConfig, &A),
    (server, server_set): (ReconcilerConfig, &B),
    most_messages: usize,
) -> Session {
    let (mut client, mut server) = (initiator(client), Reconciler::responder(server).unwrap());
    let mut session = Session { messages: Vec::new(), have: Vec::new(), need: Vec::new() };
    let mut out = vec![0; BUFFER];
    let len = client.initiate(client_set, &mut out).unwrap();
    session.messages.push(out[..len].to_vec());
    while session.messages.len() < most_messages {
        let last = session.messages.last().unwrap();
        let step = if session.messages.len() % 2 == 1 {
            server.reconcile(server_set, last, &mut out, &mut |_| panic!("a responder learns nothing"))
        } else {
            client.reconcile(client_set, last, &mut out, &mut |difference| match difference {
                Difference::Have(id) => session.have.push(*id),
                Difference::Need(id) => session.need.push(*id),
            })
        };
        match step.unwrap() {
            Step::Reply(len) => session.messages.push(out[..len].to_vec()),
            Step::Done => return session,
        }
    }
    panic!("no end after {most_messages} messages")
}

#[test]
fn every_transcript_is_reproduced_byte_for_byte() {
    let file = file();
    let cases = file["cases"].as_array().unwrap();
    for case in cases {
        let name = &case["name"];
        let sides = [entries(&case["client"]), entries(&case["server"])].map(|list| Sealed::build(list).unwrap());
        let expected = case.get("rust_messages").unwrap_or(&case["messages"]).as_array().unwrap();
        let session = run(
            (config(case, "frame_client"), &sides[0]),
            (config(case, "frame_server"), &sides[1]),
            expected.len() + 2,
        );
        for (i, (ours, theirs)) in session.messages.iter().zip(expected).enumerate() {
            assert_eq!(hex::encode(ours), theirs["hex"].as_str().unwrap(), "{name}: message {i}");
        }
        assert_eq!(session.messages.len(), expected.len(), "{name}");

        let corrected = case.get("rust_messages").is_some() && case.get("true_have").is_some();
        let (have, need) = if corrected { ("true_have", "true_need") } else { ("have", "need") };
        assert_eq!(session.have.iter().copied().collect::<BTreeSet<_>>(), ids(&case[have]), "{name}");
        assert_eq!(session.need.iter().copied().collect::<BTreeSet<_>>(), ids(&case[need]), "{name}");
    }
    assert_eq!(cases.len(), 37);
}

#[test]
fn the_adaptive_mode_finds_the_same_with_and_without_frames() {
    for case in file()["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        if name == "same_id_two_ts_one_side" {
            continue; // what is reported of an id with two timestamps depends on where ranges are split
        }
        let sides = [entries(&case["client"]), entries(&case["server"])].map(|list| Sealed::build(list).unwrap());
        let (have, need) = if case.get("true_have").is_some() { ("true_have", "true_need") } else { ("have", "need") };
        for seed in [None, Some([1; 32])] {
            let with = |side| {
                let mut config =
                    ReconcilerConfig::new(Limits::trusting(BUFFER)).with_frame_limit(config(case, side).frame_limit);
                config.random_splits = seed;
                config
            };
            let session = run((with("frame_client"), &sides[0]), (with("frame_server"), &sides[1]), 200);
            assert_eq!(session.have.iter().copied().collect::<BTreeSet<_>>(), ids(&case[have]), "{name}");
            assert_eq!(session.need.iter().copied().collect::<BTreeSet<_>>(), ids(&case[need]), "{name}");
        }
    }
}

#[test]
fn every_malformed_message_has_its_end_in_both_roles() {
    let file = file();
    let cases = file["malformed"].as_array().unwrap();
    for case in cases {
        let name = format!("{} as {}", case["name"], case["role"]);
        let set = Sealed::build(entries(&case["items"])).unwrap();
        let expect = case["expect"].as_str().unwrap();
        let Ok(message) = hex::decode(case["msg"].as_str().unwrap()) else {
            assert_eq!(expect, "error: bad hex", "{name}");
            continue;
        };
        let config = ReconcilerConfig::new(Limits::trusting(BUFFER)).conformance();
        let mut out = vec![0; BUFFER];
        let mut party = match case["role"].as_str().unwrap() {
            "server" => Reconciler::responder(config).unwrap(),
            "initiator" => {
                let mut party = initiator(config);
                party.initiate(&set, &mut out).unwrap();
                party
            }
            role => panic!("{role}"),
        };
        let (mut have, mut need) = (0, 0);
        let step = party.reconcile(&set, &message, &mut out, &mut |difference| match difference {
            Difference::Have(_) => have += 1,
            Difference::Need(_) => need += 1,
        });
        if expect == "ok" {
            let answer = match step.unwrap_or_else(|error| panic!("{name}: {error}")) {
                Step::Reply(len) => hex::encode(&out[..len]),
                Step::Done => "done".to_string(),
            };
            assert_eq!(answer, case["cpp"]["ok"].as_str().unwrap(), "{name}");
            assert_eq!((have, need), (case["cpp"]["have"].as_i64().unwrap(), case["cpp"]["need"].as_i64().unwrap()));
        } else {
            assert!(matches!(step, Err(ReconcileError::Malformed(_) | ReconcileError::Version(_))), "{name}: {step:?}");
            let again = party.reconcile(&set, b"\x61", &mut out, &mut |_| ());
            assert_eq!(again, Err(ReconcileError::Misuse), "{name}: the session has ended");
        }
    }
    assert_eq!(cases.len(), 56);
}

/// N24. The own list would be an answer, too, but nobody lacks any of it.
#[test]
fn to_a_list_of_just_what_it_has_an_adaptive_responder_has_nothing_to_say() {
    let entry = |n: u8| Entry { timestamp: n.into(), id: [n; 32] };
    let set = Sealed::build((1..9).map(entry).collect()).unwrap();
    for from in 1..9 {
        // A range up to `from` to be passed over, and the ids from there on.
        let ids: Vec<_> = (from..9).flat_map(|n| [n; 32]).collect();
        let message = [&[0x61, from + 1, 0, 0, 0, 0, 2, 9 - from], &ids[..]].concat();
        let config = ReconcilerConfig::new(Limits::trusting(BUFFER));
        let mut out = vec![0; BUFFER];
        for (config, is_brief) in [(config.clone(), true), (config.conformance(), false)] {
            let step = Reconciler::responder(config).unwrap().reconcile(&set, &message, &mut out, &mut |_| ());
            assert_eq!(step == Ok(Step::Reply(1)), is_brief, "from {from}: {step:?}");
        }
    }
}

#[test]
fn a_responder_survives_a_message_of_a_future_version() {
    let set = Sealed::build(Vec::new()).unwrap();
    let mut party = Reconciler::responder(config(&Json::Null, "")).unwrap();
    let mut out = vec![0; BUFFER];
    let step = party.reconcile(&set, &hex::decode("62aabbccddeeff").unwrap(), &mut out, &mut |_| ());
    assert_eq!((step, out[0]), (Ok(Step::Reply(1)), 0x61));
    let step = party.reconcile(&set, &hex::decode("6100000200").unwrap(), &mut out, &mut |_| ());
    assert_eq!((step, &out[..5]), (Ok(Step::Reply(5)), &[0x61, 0, 0, 2, 0][..]));
}

/// N30. The message has two ranges, of which the second lists two ids, and ends the session as each limit wants.
#[test]
fn a_limit_is_kept_at_its_number_and_the_error_names_it_one_past() {
    let set = Sealed::build(vec![Entry { timestamp: 7, id: [1; 32] }]).unwrap();
    let message = [&[0x61, 2, 0, 0, 0, 0, 2, 2][..], &[8; 32], &[9; 32]].concat();
    let end = |change: &dyn Fn(&mut Limits), scratch: usize, out: usize| {
        let mut limits = Limits::initiator();
        change(&mut limits);
        let (mut scratch, mut buffer) = (vec![0; scratch], vec![0; 5000]);
        let mut party = Reconciler::initiator_in(ReconcilerConfig::new(limits), &mut scratch).unwrap();
        party.initiate(&set, &mut buffer).unwrap();
        match party.reconcile(&set, &message, &mut buffer[..out], &mut |_| ()) {
            Ok(step) => format!("{step:?}"),
            Err(error) => error.to_string(),
        }
    };
    let stock = |_: &mut Limits| ();
    assert_eq!(end(&stock, 2, 4096), "Done");
    let list_too_long = "a list has 2 ids; at most the words of scratch memory, 1";
    assert_eq!(end(&stock, 1, 4096), list_too_long);
    assert_eq!(end(&stock, 2, 4095), "the buffer for the answer has 4095 bytes; at least 4096");
    for (least, change, error) in [
        (
            2,
            (|limits, n| limits.ranges = n as usize) as fn(&mut Limits, u64),
            "the message has more ranges than limits.ranges, 1",
        ),
        (
            2,
            |limits, n| limits.needs = n,
            "the partner claims more ids than limits.needs, 1; what is below timestamp 1 is settled, and another session \
             can go on there",
        ),
        (5, |limits, n| limits.work = n, "the message asks for more steps than limits.work, 4"),
    ] {
        assert_eq!(end(&|limits| change(limits, least), 2, 4096), "Done");
        assert_eq!(end(&|limits| change(limits, least - 1), 2, 4096), error);
    }
}

/// N30, N36: our own messages may have as many bytes, and the least frame has to fit.
#[test]
fn a_message_is_read_up_to_its_limit_which_is_a_frame_at_least() {
    let (set, mut limits, mut out) = (Sealed::build(vec![]).unwrap(), Limits::responder(), vec![0; 5000]);
    limits.message = ReconcilerConfig::MIN_FRAME;
    let config = ReconcilerConfig::new(limits).with_frame_limit(0);
    assert_eq!(config.longest_message(), 4096);
    let mut message = [&[0x61][..], &[1, 0, 0].repeat(1365)].concat();
    let mut end =
        |message: &[u8]| Reconciler::responder(config.clone()).unwrap().reconcile(&set, message, &mut out, &mut |_| ());
    assert_eq!(end(&message), Ok(Step::Reply(1)));
    message.push(0);
    let error = end(&message).unwrap_err().to_string();
    assert_eq!(error, "the message has 4097 bytes; at most limits.message, 4096");
    limits.message -= 1;
    let (asks, answers) = (Reconciler::initiator, Reconciler::responder);
    for made in [asks(ReconcilerConfig::new(limits)), answers(ReconcilerConfig::new(limits))] {
        assert_eq!(made.unwrap_err().to_string(), "limits.message is 4095; at least 4096");
    }
}

#[test]
fn a_session_is_taken_up_by_another_responder() {
    let set = |range: std::ops::Range<u32>| {
        let entry = |i: u32| Entry { timestamp: i.into(), id: Sha256::digest(i.to_be_bytes()).into() };
        Sealed::build(range.map(entry).collect()).unwrap()
    };
    let (ours, theirs) = (set(0..5000), set(1..5000));
    let config = ReconcilerConfig::new(Limits::trusting(BUFFER));
    let transcripts = [false, true].map(|another| {
        let (mut client, mut server) = (initiator(config.clone()), Reconciler::responder(config.clone()).unwrap());
        let mut messages = Vec::new();
        let (mut up, mut down) = (vec![0; BUFFER], vec![0; BUFFER]);
        let mut len = client.initiate(&ours, &mut up).unwrap();
        while let Ok(Step::Reply(reply)) = server.reconcile(&theirs, &up[..len], &mut down, &mut |_| ()) {
            messages.extend([up[..len].to_vec(), down[..reply].to_vec()]);
            let step = client.reconcile(&ours, &down[..reply], &mut up, &mut |_| ());
            let Ok(Step::Reply(next)) = step else { break };
            len = next;
            if another {
                let before = server.messages();
                server = Reconciler::responder(config.clone()).unwrap();
                server.resume(before).unwrap();
            }
        }
        messages
    });
    assert!(transcripts[0].len() > 4);
    assert_eq!(transcripts[0], transcripts[1]);
}

/// An initiator knows more than a number: another one that went on would leave out what was set aside (N26).
#[test]
fn only_a_responder_that_has_heard_nothing_takes_up_a_session() {
    let config = ReconcilerConfig::new(Limits::trusting(BUFFER));
    let mut client = initiator(config.clone());
    assert_eq!(client.resume(2), Err(ReconcileError::Misuse));
    let (set, mut up, mut down) = (Sealed::build(vec![]).unwrap(), vec![0; BUFFER], vec![0; BUFFER]);
    let len = client.initiate(&set, &mut up).unwrap();
    assert_eq!(client.resume(2), Err(ReconcileError::Misuse));
    let mut server = Reconciler::responder(config).unwrap();
    server.resume(2).unwrap();
    assert_eq!(server.messages(), 2);
    server.reconcile(&set, &up[..len], &mut down, &mut |_| ()).unwrap();
    assert_eq!(server.resume(2), Err(ReconcileError::Misuse));
}

#[test]
fn limits_that_no_memory_is_large_enough_for_are_refused() {
    let made = |message| Reconciler::initiator(ReconcilerConfig::new(Limits::trusting(message)));
    assert!(made(1 << 16).is_ok());
    let error = made(usize::MAX).unwrap_err().to_string();
    assert_eq!(error, "limits.message is 18446744073709551615; at most 1073741824");
    let responder = |message| Reconciler::responder(ReconcilerConfig::new(Limits::trusting(message)));
    assert!(responder(ReconcilerConfig::MAX_MESSAGE).is_ok() && responder(ReconcilerConfig::MAX_MESSAGE + 1).is_err());
}
