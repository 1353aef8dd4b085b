//! Sessions in the rateless mode.

use super::*;
use crate::base::rng::Rng;
use crate::negentropy::message::Entry;
use crate::negentropy::sealed::Sealed;
use crate::negentropy::set::Sum;
use alloc::vec;
use std::collections::BTreeSet;
use std::vec::Vec;

fn entries(rng: &mut Rng, n: usize) -> Vec<Entry> {
    (0..n).map(|_| Entry { timestamp: rng.next_u64() >> 40, id: rng.bytes() }).collect()
}

/// Bytes and round trips, or nothing for a fall-back.
fn run(a: &[Entry], b: &[Entry], key: [u8; 16], most: u64) -> Option<(usize, usize)> {
    let sets = [a, b].map(|list| Sealed::build(list.to_vec()).unwrap());
    let mut initiator = RatelessInitiator::new(key, most);
    let (mut up, mut down) = (vec![0; 3000], vec![0; 1 << 20]);
    let mut len = initiator.initiate(&sets[0], &mut up).unwrap();
    let (mut have, mut need) = (BTreeSet::new(), BTreeSet::new());
    let (mut bytes, mut rounds) = (0, 0);
    loop {
        let reply = RatelessResponder::new(most).answer(&sets[1], &up[..len], &mut down).unwrap();
        bytes += len + reply;
        rounds += 1;
        let step = initiator.reconcile(&sets[0], &down[..reply], &mut up, &mut |difference| match difference {
            Difference::Have(id) => assert!(have.insert(*id)),
            Difference::Need(id) => assert!(need.insert(*id)),
        });
        match step.unwrap() {
            RatelessStep::Reply(next) => len = next,
            RatelessStep::Done => break,
            RatelessStep::FallBack => return None,
        }
    }
    let [a, b] = [a, b].map(|list| list.iter().map(|entry| entry.id).collect::<BTreeSet<_>>());
    assert_eq!(have, a.difference(&b).copied().collect());
    assert_eq!(need, b.difference(&a).copied().collect());
    Some((bytes, rounds))
}

#[test]
fn scattered_differences_are_found_in_few_bytes_and_round_trips() {
    let mut rng = Rng::from_seed([31; 32]);
    for (n, ours, theirs) in
        [(0, 0, 0), (3000, 0, 0), (3000, 1, 0), (0, 0, 7), (3000, 50, 50), (2000, 500, 500), (500, 0, 700)]
    {
        for _ in 0..5 {
            let common = entries(&mut rng, n);
            let [a, b] = [ours, theirs].map(|n| [common.clone(), entries(&mut rng, n)].concat());
            let (bytes, rounds) = run(&a, &b, rng.bytes(), 10_000).unwrap();
            let d = ours + theirs;
            assert!(bytes <= 2150 + 37 * (40 + 2 * d), "{n} {ours} {theirs}: {bytes}");
            assert!(rounds <= 4, "{n} {ours} {theirs}: {rounds}");
        }
    }
}

#[test]
fn too_many_differences_and_older_partners_lead_to_v1() {
    let mut rng = Rng::from_seed([32; 32]);
    let [a, b] = [300, 300].map(|n| entries(&mut rng, n));
    assert_eq!(run(&a, &b, [1; 16], 100), None);
    let set = Sealed::build(a).unwrap();
    let mut initiator = RatelessInitiator::new([1; 16], 100);
    let mut out = vec![0; 3000];
    initiator.initiate(&set, &mut out).unwrap();
    assert_eq!(initiator.reconcile(&set, b"\x61", &mut out, &mut |_| ()), Ok(RatelessStep::FallBack));
    assert_eq!(initiator.reconcile(&set, b"\x61", &mut out, &mut |_| ()), Err(ReconcileError::Misuse));
}

#[test]
fn a_partner_who_knows_the_set_cannot_make_up_differences() {
    let mut rng = Rng::from_seed([34; 32]);
    let own = entries(&mut rng, 100);
    let set = Sealed::build(own.clone()).unwrap();
    // As if one entry that we do not have were gone, one that we have were there again, and one were there twice.
    let (strange, twice) = (rng.bytes(), rng.bytes());
    for changes in [&[(strange, -1)][..], &[(own[7].id, 1)], &[(twice, 1), (twice, 1)]] {
        let mut initiator = RatelessInitiator::new(rng.bytes(), 5000);
        let mut up = vec![0; 3000];
        initiator.initiate(&set, &mut up).unwrap();
        let key = SessionKey(up[2..18].try_into().unwrap());
        let (mut sum, mut count, mut symbols) = (Sum::of(&own), own.len() as i64, vec![Symbol::default(); 64]);
        encode(&set, &key, 0..64, &mut symbols, 1);
        for &(id, change) in changes {
            let entry = Sealed::build(vec![Entry { timestamp: 0, id }]).unwrap();
            encode(&entry, &key, 0..64, &mut symbols, change);
            let id = Sum::from_id(&id);
            sum = if change > 0 { sum.plus(id) } else { sum.minus(id) };
            count += i64::from(change);
        }
        if changes.len() == 2 {
            // Two of one id cancel out. A symbol that neither is part of shows the first; taken out of the others, it
            // leaves the second there.
            let (mut one, hash) = (vec![Symbol::default(); 64], key.hash(&twice));
            encode(&Sealed::build(vec![Entry { timestamp: 0, id: twice }]).unwrap(), &key, 0..64, &mut one, 1);
            let free = one.iter().position(|symbol| *symbol == Symbol::default()).unwrap();
            symbols[free].add(&Symbol::of(&twice, hash, 1));
        }
        let mut answer = [0; 3000];
        let mut writer = SliceWriter::new(&mut answer);
        write_symbols(count as u64, &sum.fingerprint(count as usize), &symbols, &mut writer).unwrap();
        let len = writer.written();
        let step = initiator.reconcile(&set, &answer[..len], &mut up, &mut |difference| panic!("{difference:?}"));
        assert_eq!(step, Ok(RatelessStep::FallBack));
    }
}

#[test]
fn a_partner_that_has_shown_a_difference_cannot_be_equal() {
    let mut rng = Rng::from_seed([36; 32]);
    let [ours, theirs] = [100, 2000].map(|n| Sealed::build(entries(&mut rng, n)).unwrap());
    let mut initiator = RatelessInitiator::new([7; 16], 5000);
    let mut up = vec![0; 3000];
    initiator.initiate(&ours, &mut up).unwrap();
    let mut answer = [0; 100];
    let mut writer = SliceWriter::new(&mut answer);
    let mut symbols = [Symbol::default()];
    encode(&theirs, &SessionKey([7; 16]), 0..1, &mut symbols, 1);
    write_symbols(2000, &theirs.fingerprint(0..2000), &symbols, &mut writer).unwrap();
    let len = writer.written();
    let step = initiator.reconcile(&ours, &answer[..len], &mut up, &mut |_| ());
    assert!(matches!(step, Ok(RatelessStep::Reply(_))), "{step:?}");
    let step = initiator.reconcile(&ours, &[VERSION, EQUAL], &mut up, &mut |_| ());
    assert_eq!(step, Ok(RatelessStep::FallBack));
}

#[test]
fn a_partner_that_sends_fewer_symbols_than_asked_for_is_not_asked_again() {
    let mut rng = Rng::from_seed([35; 32]);
    let sets = [100, 2000].map(|n| Sealed::build(entries(&mut rng, n)).unwrap());
    // What it sends first is its own estimate; from then on each answer has as many as were asked for.
    for (first, then, most_rounds) in [(1, 1, 2), (1, 15, 2), (1, 17, 2), (20, 0, 2), (1, 16, 60)] {
        let (mut initiator, key) = (RatelessInitiator::new([7; 16], 2000), SessionKey([7; 16]));
        let mut up = vec![0; 3000];
        initiator.initiate(&sets[0], &mut up).unwrap();
        let (mut from, mut rounds) = (0, 0);
        loop {
            let number = match rounds {
                0 => first,
                // An honest one: as many as were asked for.
                _ if then == 16 => (from / 16).max(16),
                _ => then,
            };
            let mut symbols = vec![Symbol::default(); number as usize];
            encode(&sets[1], &key, from..from + number, &mut symbols, 1);
            let mut bytes = [0; 5000];
            let mut answer = SliceWriter::new(&mut bytes);
            write_symbols(2000, &sets[1].fingerprint(0..2000), &symbols, &mut answer).unwrap();
            let len = answer.written();
            (from, rounds) = (from + number, rounds + 1);
            match initiator.reconcile(&sets[0], &bytes[..len], &mut up, &mut |_| ()).unwrap() {
                RatelessStep::Reply(_) => assert!(rounds < most_rounds, "{first} {then}: {rounds}"),
                RatelessStep::FallBack => break,
                RatelessStep::Done => panic!("of 2,100 differences in 2,000 symbols"),
            }
        }
        assert_eq!(rounds == 2, then != 16, "{first} {then}: {rounds}");
    }
}

#[test]
fn a_buffer_that_is_too_small_is_named_with_a_length_that_is_enough() {
    let set = Sealed::build(vec![Entry { timestamp: 1, id: [2; 32] }]).unwrap();
    let (mut initiator, responder) = (RatelessInitiator::new([1; 16], 100), RatelessResponder::new(100));
    let mut out = vec![0; RatelessInitiator::MESSAGE_LEN];
    let least = RatelessInitiator::MESSAGE_LEN;
    let error = initiator.initiate(&set, &mut [0; 30]).unwrap_err();
    assert_eq!(error, ReconcileError::BufferTooSmall { bytes: 30, least });
    let len = initiator.initiate(&set, &mut out).unwrap();
    assert_eq!(initiator.initiate(&set, &mut out), Err(ReconcileError::Misuse), "a session begins once");
    initiator.reconcile(&set, &[VERSION, EQUAL], &mut [], &mut |_| ()).unwrap();
    assert_eq!(initiator.initiate(&set, &mut out), Err(ReconcileError::Misuse), "whatever came of it");
    let error = RatelessInitiator::new([1; 16], 100).initiate(&set, &mut vec![0; len - 1]).unwrap_err();
    assert_eq!(error, ReconcileError::BufferTooSmall { bytes: len - 1, least });
    assert!(responder.answer(&set, &out[..len], &mut [0; 2]).is_ok());
    // What has no room among the symbols is for V1.
    let other = Sealed::build(vec![Entry { timestamp: 1, id: [3; 32] }]).unwrap();
    let mut answer = vec![0; responder.answer_len()];
    let whole = responder.answer(&other, &out[..len], &mut answer).unwrap();
    assert!(whole > 10 * SYMBOL_LEN && responder.answer(&other, &out[..len], &mut answer[..whole + 30]) == Ok(whole));
    assert_eq!(responder.answer(&other, &out[..len], &mut answer[..whole - 1]), Ok(1));
    assert_eq!(answer[0], 0x61);
    let error = responder.answer(&set, &out[..len], &mut [0; 1]).unwrap_err();
    assert_eq!(error, ReconcileError::BufferTooSmall { bytes: 1, least: RatelessAnswer::HEAD });
}

#[test]
fn wrong_symbols_tell_nothing_wrong() {
    let mut rng = Rng::from_seed([33; 32]);
    let sets = [300, 310].map(|n| Sealed::build(entries(&mut rng, n)).unwrap());
    let mut out = vec![0; 1 << 20];
    let responder = RatelessResponder::new(5000);
    for _ in 0..300 {
        let mut initiator = RatelessInitiator::new(rng.bytes(), 5000);
        let mut up = vec![0; 3000];
        let len = initiator.initiate(&sets[0], &mut up).unwrap();
        let reply = responder.answer(&sets[1], &up[..len], &mut out).unwrap();
        let mut message = out[..reply].to_vec();
        match rng.below(3) {
            0 => message.truncate(rng.below(reply as u32) as usize),
            1 => {
                let at = 2 + rng.below(reply as u32 - 2) as usize;
                message[at] ^= 1 << rng.below(8);
            }
            _ => rng.fill(&mut message[40..]),
        }
        let mut told = 0;
        let step = initiator.reconcile(&sets[0], &message, &mut up, &mut |_| told += 1);
        // A flaw in a symbol that nothing depended on does no harm.
        assert_eq!(told, if step == Ok(RatelessStep::Done) { 610 } else { 0 });
        let mut any = rng.bytes::<64>();
        (any[0], any[1]) = (VERSION, any[1] % 3);
        let _ = responder.answer(&sets[1], &any, &mut out);
    }
}
